//! Graylog: the notifications HTTP Notification and Custom HTTP Notification of event definitions, and the alarm
//! callback of Graylog 2.
//!
//! # Wire format
//!
//! <https://go2docs.graylog.org/5-0/interacting_with_your_log_data/notifications.html>, read 2026-11, and payloads of
//! Graylog 2, 3 and 6. One delivery is one event: `{event_definition_id, event_definition_type, event_definition_title,
//! event_definition_description, job_definition_id, job_trigger_id, event: {id, timestamp, message, source, key,
//! key_tuple, priority, alert, fields, group_by_fields, replay_info}, backlog}`. The callback of Graylog 2 sends
//! `{check_result: {result_description, triggered_condition, triggered_at, matching_messages}, stream}`. A custom body
//! with these names is mapped in the same way. Graylog waits ten seconds, and the page does not say that it retries, so
//! the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | triggers; the event's own field `event_action` may be `resolve` or `acknowledge` |
//! | severity | the event's own field `severity` by [`Severity::from_word`], else `priority`: 1 info, 2 warning, 3 and 4 critical; else error; info for the test |
//! | summary | `event_definition_title`, `message`, the place; of Graylog 2 the stream's title and `result_description` |
//! | source | `key`, else the event's own field `host`, else the values of `group_by_fields`, else the `source` of the first message in the backlog, else of the event, else `Graylog` |
//! | component, class | the event's own field `component`; `event_definition_type` |
//! | timestamp | `event.timestamp`, `triggered_at` |
//! | link | the event's own field `url`: the payload has no address of Graylog |
//! | details | description, priority, fields, groups, conditions, query and time range, the first message of the backlog |
//!
//! The severities are those of the PagerDuty plugin for Graylog. In Graylog 6, the priorities have other names (1 low,
//! 2 medium, 3 high, 4 critical), and the payload does not say which Graylog it is.
//!
//! # Dedup key
//!
//! `graylog:<event_definition_id>:<key>:…` with the values of `key_tuple`, else with `key`, else with those of
//! `group_by_fields`: each value of the key fields is an alert, without key fields each group. `event.id` is new each time. For Graylog 2 it is `graylog:<condition id>:<stream id>`. An
//! event's own field `dedup_key` makes it `graylog::<dedup_key>`, so that another event definition can resolve the
//! alert. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Graylog never says that an alert is over. Add a second event definition for the recovery: give both a custom field
//!   `dedup_key` with the same value, and the second one a custom field `event_action` with value `resolve`. Otherwise
//!   a person or PagerDuty's auto-resolve has to close the alert.
//! * A body without an event definition and without a condition is rejected. A body with unexpanded variables triggers
//!   an alert that reports them, the same alert for all such bodies.
//! * The test of a notification is an event of type `notification-test-v1`. It triggers with severity info, and never
//!   resolves. Resolve it in PagerDuty.
//! * Further messages of the backlog. `check_result.triggered` of Graylog 2: it was always `true`.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::log_alerts::{self, Alert, Shape, list, own_action, own_key, place, unidentified};
use crate::mapping::{MapError, Mapped, json, unexpanded};
use crate::pagerduty::event::{DedupKey, Severity};
use crate::text;

/// Graylog.
pub const SOURCE: Source = Source {
    slug: "graylog",
    name: "Graylog",
    docs: "https://go2docs.graylog.org/5-0/interacting_with_your_log_data/notifications.html",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "every notification",
        resolves: "the event's own field `event_action` with value `resolve`",
        steps: "Under Alerts, Notifications, create an HTTP Notification with URL {url} and Basic Authentication `pagerelay:<the secret>`, or with API Key `X-Webhook-Secret` and API Secret the secret, sent as a header; where your version has neither, with URL {url}?token=<the secret>.\n\
                Allow the URL when Graylog asks for it, and add the notification to your event definitions.\n\
                Graylog never says that an alert is over: for one that should close by itself, add a second event definition that finds the recovery. Give both a custom field `dedup_key` with the same value, and the second one `event_action` with value `resolve`. For the others set auto-resolve on the PagerDuty service.",
        template: None,
    },
    map,
    states: &["resolve", "acknowledge", "3", "2", "1", "critical", "error", "warning", "info"],
    ..Source::DEFAULT
};

const PRIORITIES: &[(&str, Severity)] =
    &[("1", Severity::Info), ("2", Severity::Warning), ("3", Severity::Critical), ("4", Severity::Critical)];

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["event_definition_title", "stream.title"],
    found: &["event.message", "check_result.result_description"],
    component: &["event.fields.component"],
    class: &["event_definition_type", "event.event_definition_type", "check_result.triggered_condition.type"],
    time: &["event.timestamp", "check_result.triggered_at"],
    links: &[("Graylog", &["event.fields.url"])],
    details: &[
        &["description=event_definition_description", "event.priority", "event.fields", "event.group_by_fields"],
        &["conditions=event.aggregation_conditions"],
        &["query=event.replay_info.query", "event.timerange_start", "event.timerange_end", "event.source_streams"],
        &["event.replay_info.timerange_start", "event.replay_info.timerange_end"],
        &["log_message=backlog.0.message", "log_source=backlog.0.source"],
        &[
            "log_message=check_result.matching_messages.0.message",
            "condition=check_result.triggered_condition.description",
        ],
    ],
    ..Shape::EMPTY
};

/// The places, the best first. The values of a group are between them.
const CHOSEN_PLACES: &[&str] = &["event.key", "event.fields.host"];
const OTHER_PLACES: &[&str] = &["backlog.0.source", "check_result.matching_messages.0.source", "event.source"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = json(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `event_definition_id` and `event`" })?;
    let fields = payload.at("event.fields");
    let Some(key) = own_key(SOURCE.slug, fields).or_else(|| key(payload, Node::root(&raw))) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`event_definition_id`");
    };
    let given = fields.get("severity").text().and_then(|word| Severity::from_word(&word));
    let priority = || text::lookup(PRIORITIES, &payload.at("event.priority").text()?);
    // Graylog documents no other priority; it is in the details.
    let severity = given.or_else(priority).unwrap_or(Severity::Error);
    let kind = payload.at("event.event_definition_type").text();
    let severity = if kind.as_deref() == Some("notification-test-v1") { Severity::Info } else { severity };
    let chosen = payload.pick(CHOSEN_PLACES).or_else(|| place(&group(Node::root(&raw))));
    let place = chosen.or_else(|| payload.pick(OTHER_PLACES));
    let alert = Alert { action: own_action(fields), key, severity, place, found: None };
    Ok(Mapped::one(SHAPE.event(payload, alert)))
}

/// The values of the fields that the event definition groups by.
fn group(payload: Node<'_>) -> Vec<String> {
    let fields = payload.at("event.group_by_fields").members().into_iter().flatten();
    fields.map(|(_, value)| Node::root(value).text().unwrap_or_default()).collect()
}

/// The key, by the event definition and its key fields or its group, or by the stream and the condition of Graylog 2. The
/// values in the lists of `raw` are no variables, whatever they look like.
fn key(payload: Node<'_>, raw: Node<'_>) -> Option<DedupKey> {
    let definition = payload.pick(&["event_definition_id", "event.event_definition_id"]);
    let mut others = list(raw.at("event.key_tuple"));
    if others.iter().all(String::is_empty) {
        others = list(payload.at("event.key"));
    }
    if others.iter().all(String::is_empty) {
        others = group(raw);
    }
    log_alerts::key(SOURCE.slug, definition, &others).or_else(|| {
        let condition = payload.at("check_result.triggered_condition.id").text();
        log_alerts::key(SOURCE.slug, condition, &list(payload.at("stream.id")))
    })
}
