//! Axiom: the notifier Custom webhook of monitors.
//!
//! # Wire format
//!
//! <https://axiom.co/docs/monitor-data/custom-webhook-notifier>, read 2026-11. The user may write the body as a Go
//! template. The default is `{action, event: {monitorID, title, body, description, value, matchedEvent, groupKeys,
//! groupValues, timestamp, queryStartTime, queryEndTime}}`. It inserts texts without escapes, and a quote in one of them
//! makes the body invalid JSON; the page says that `body` is the event itself for a match monitor. So the template of
//! the setup instructions quotes the texts as Go does. Line breaks and backslashes are accepted as they are. The source
//! also accepts the page's example for another tool, `deduplication_key`, `status`, `metadata` and `source_url`, and any
//! of these members without `event` around them. Times are as Go prints them. The page does not say whether Axiom
//! retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `status`, else `action`: `Closed`, `resolved` resolve, any other value triggers |
//! | severity | error: a monitor has no severity |
//! | summary | `title`; `message` or `msg` of the matched event, else `body`, else `description`; the group values |
//! | source | `groupValues`, else `Axiom` |
//! | class | `match` or `threshold`, by `matchedEvent` |
//! | timestamp | `timestamp` |
//! | link, client URL | `metadata.url`, `source_url`, which only the example has |
//! | details | value, body, description, groups, matched event, time range of the query |
//!
//! # Dedup key
//!
//! `axiom:<monitorID>:<group value>:…`. A monitor that groups its results sends one notification per group, and the
//! page does not say that its end has the same groups; the source relies on it. Trailing empty values add nothing. A
//! `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * A match monitor never closes: each match triggers the same alert, which a person or PagerDuty's auto-resolve has
//!   to close.
//! * A body without a monitor is rejected. A body with unexpanded variables triggers an alert that reports them, the
//!   same alert for all such bodies.
//! * The link to the monitor: the payload does not contain it.

use serde_json::Map;

use super::{Setup, Source};
use crate::auth::Authenticated;
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key, list, place, unidentified};
use crate::mapping::repair::repaired_json;
use crate::mapping::{MapError, Mapped, unexpanded};
use crate::pagerduty::event::{Action, Severity};
use crate::text;

/// Axiom.
pub const SOURCE: Source = Source {
    slug: "axiom",
    name: "Axiom",
    docs: "https://axiom.co/docs/monitor-data/custom-webhook-notifier",
    setup: Setup {
        triggers: "`Open`",
        resolves: "`Closed`, which only threshold and anomaly monitors send",
        steps: "Under Monitors, Manage notifiers, add a notifier of type Custom webhook with URL {url}, and replace its body by the one below: the default does not escape quotes.\n\
                Add header `Authorization` with value `Bearer <the secret>`.\n\
                Add the notifier to your monitors.\n\
                A match monitor never closes its alerts: set auto-resolve on the PagerDuty service, or resolve them there.",
        template: Some(TEMPLATE),
    },
    map,
    states: &["Closed", "Open", "resolved", "firing"],
    ..Source::DEFAULT
};

const TEMPLATE: &str = r#"{
  "action": "{{.Action}}",
  "event": {
    "monitorID": "{{.MonitorID}}",
    "title": {{printf "%q" .Title}},
    "body": {{printf "%q" .Body}},
    "description": {{printf "%q" .Description}},
    "value": {{.Value}},
    "matchedEvent": {{jsonObject .MatchedEvent}},
    "groupKeys": {{jsonArray .GroupKeys}},
    "groupValues": {{jsonArray .GroupValues}},
    "timestamp": "{{.Timestamp}}",
    "queryStartTime": "{{.QueryStartTime}}",
    "queryEndTime": "{{.QueryEndTime}}"
  }
}"#;

const STATES: &[(&str, Action)] = &[("Closed", Action::Resolve), ("resolved", Action::Resolve)];

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["title"],
    found: &["matchedEvent.message", "matchedEvent.msg", "body", "description"],
    time: &["timestamp"],
    links: &[("Monitor", &["metadata.url", "source_url"])],
    details: &[
        &["value", "value=metadata.value", "body", "description", "description=metadata.description"],
        &["matchedEvent", "queryStartTime", "queryEndTime"],
    ],
    ..Shape::EMPTY
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = repaired_json(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `event`" })?;
    let event = payload.get("event");
    let event = if event.members().is_some() { event } else { payload };
    // The values of a list are no variables, whatever they look like.
    let given = Node::root(&raw);
    let given = if given.get("event").members().is_some() { given.get("event") } else { given };
    let values = list(given.get("groupValues"));
    let Some(key) = key(SOURCE.slug, event.first_text(&["monitorID", "deduplication_key"]), &values) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`event.monitorID`");
    };

    let state = event.get("status").text().or_else(|| payload.get("action").text()).unwrap_or_default();
    // Axiom documents no other state, and an unnecessary page is the lesser evil.
    let action = text::lookup(STATES, &state).unwrap_or(Action::Trigger);
    let class = if event.get("matchedEvent").members().is_some() { "match" } else { "threshold" };
    let place = place(&values);
    let mut groups = Map::new();
    for (name, value) in list(event.get("groupKeys")).into_iter().zip(values) {
        groups.insert(name, value.into());
    }
    let made = SHAPE.event(event, Alert { action, key, severity: Severity::Error, place, found: None });
    Ok(Mapped::one(made.class(Some(class.to_owned())).detail("groups", groups.into())))
}
