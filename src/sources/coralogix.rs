//! Coralogix: the outbound webhook of type Generic webhook.
//!
//! # Wire format
//!
//! <https://coralogix.com/docs/user-guides/alerting/outbound-webhooks/generic-outbound-webhooks-alert-webhooks/>, read
//! 2026-11. The user may edit the body. The default is `{uuid, alert_id, name, description, threshold, timewindow,
//! group_by_labels, alert_action, alert_url, log_url, icon_url, service, duration, errors, spans, fields}`, where
//! `fields` is a list of `{key, value}`; an object is accepted too. `uuid` is that of the webhook. Variables that do
//! not apply to an alert stay as `$NAME`, others are the text `null` or ask the reader to `*insert …*`: all of these
//! count as absent. The page does not say whether Coralogix escapes values, so line breaks and backslashes in them are
//! accepted as they are. The page does not say whether Coralogix retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `alert_action`: `resolve` and `resolved` resolve, any other value triggers |
//! | severity | `severityLowercase`, else `severity`: `critical`, `error`, `warning` as they are, `info`, `verbose`, `debug` info; else `priority`: `P1` critical, `P2` error, `P3` warning, `P4` and `P5` info; else error |
//! | summary | `name`, `description` (else `text`, the log's text), the place |
//! | source | the group-by values, else `computer`, else the application, else `Coralogix` |
//! | component, group | subsystem (else `service`), application |
//! | class | `category` |
//! | timestamp | `timestampISO`, else `timestampMs` |
//! | links, client URL | `alert_url`, `log_url` |
//! | details | description, threshold, time window, hit count, query, metric, ratio, group and labels of `fields` |
//!
//! `severity` is before `priority` because only older alerts have it, with a priority that is made of it.
//!
//! # Dedup key
//!
//! `coralogix:<dedupKey>`: the variable `$DEDUP_KEY` is the key that Coralogix's own integrations use, such as that for
//! PagerDuty. Without it `coralogix:<alertUniqueIdentifier>:<group-by value>:…`, else the same with `alert_id`, which
//! changes when somebody edits the alert. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * A body without any of these ids is rejected. A body with unexpanded variables instead triggers an alert that
//!   reports them, the same alert for all such bodies.
//! * Alerts that look for a single log (immediate, new value, flow) send no `resolve`, and others only if the alert's
//!   notification has Notify when resolved.
//! * `icon_url`: a logo. `companyId`, `threadId`, `uuid`: they help nobody on call.

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::Authenticated;
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key, list, place, unidentified};
use crate::mapping::repair::repaired_json;
use crate::mapping::{MapError, Mapped, unexpanded};
use crate::pagerduty::event::{Action, Severity};
use crate::text;

/// Coralogix.
pub const SOURCE: Source = Source {
    slug: "coralogix",
    name: "Coralogix",
    docs: "https://coralogix.com/docs/user-guides/alerting/outbound-webhooks/generic-outbound-webhooks-alert-webhooks/",
    setup: Setup {
        triggers: "`trigger`",
        resolves: "`resolve`, if the alert notifies when resolved",
        steps: "Under Integrations, Outbound Webhooks, add a Generic Webhook with URL {url} and method `POST`.\n\
                Keep the body, and add header `\"Authorization\": \"Bearer <the secret>\"`.\n\
                Add the webhook to the notifications of your alerts, with Notify when resolved; alerts without it stay open in PagerDuty until somebody or its auto-resolve closes them.",
        template: None,
    },
    map,
    states: &["resolve", "trigger", "critical", "error", "warning", "info", "P1", "P2", "P3", "P4"],
    ..Source::DEFAULT
};

const STATES: &[(&str, Action)] = &[("resolve", Action::Resolve), ("resolved", Action::Resolve)];

/// Severities and priorities.
const SEVERITIES: &[(&str, Severity)] = &[
    ("critical", Severity::Critical),
    ("debug", Severity::Info),
    ("error", Severity::Error),
    ("info", Severity::Info),
    ("verbose", Severity::Info),
    ("warning", Severity::Warning),
    ("P1", Severity::Critical),
    ("P2", Severity::Error),
    ("P3", Severity::Warning),
    ("P4", Severity::Info),
    ("P5", Severity::Info),
];

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["name"],
    found: &["description", "fields.text"],
    component: &["fields.subsystem", "service"],
    group: &["fields.application"],
    class: &["fields.category"],
    time: &["fields.timestampISO", "fields.timestampMs"],
    links: &[("Alert", &["alert_url"]), ("Logs", &["log_url"])],
    details: &[
        &["description", "threshold", "timewindow", "group_by_labels", "service", "duration", "errors", "spans"],
        &["fields.severity", "fields.priority", "fields.team", "fields.ipAddress", "fields.hitCount", "fields.text"],
        &["fields.queryText", "fields.relativeQueryText", "fields.relativeHitCount", "fields.metaLabelsList"],
        &["fields.Group-by Field1", "fields.Group-by Value1", "fields.Group-by Field2", "fields.Group-by Value2"],
        &["fields.alertGroupByValues"],
        &["fields.metricKey", "fields.metricOperator", "fields.metricCriteria", "fields.timeframe"],
        &["fields.ratioQueryOne", "fields.ratioQueryTwo", "fields.definedRatioThreshold", "fields.actualRatio"],
        &["fields.uniqueCountValuesList", "fields.newValueTrackedKey", "fields.flowAlertRelatedAlerts"],
    ],
};

/// The values of a group in the default body, which has two, and in longer ones.
const VALUES: [&str; 4] = ["Group-by Value1", "Group-by Value2", "Group-by Value3", "Group-by Value4"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = repaired_json(delivery)?;
    let payload = cleaned(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `alert_action` and `fields`" })?;
    let fields = payload.get("fields");
    let mut groups = list(fields.get("alertGroupByValues"));
    if groups.is_empty() {
        let value = |name: &str| fields.get(name).text().unwrap_or_default();
        groups = VALUES.iter().map(|name| value(name)).collect();
    }
    let own = key(SOURCE.slug, fields.get("dedupKey").text(), &[]);
    let id = fields.get("alertUniqueIdentifier").text().or_else(|| payload.get("alert_id").text());
    let Some(key) = own.or_else(|| key(SOURCE.slug, id, &groups)) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "field `dedupKey` or `alertUniqueIdentifier`");
    };

    let state = payload.get("alert_action").text().unwrap_or_default();
    // Coralogix documents no other action, and an unnecessary page is the lesser evil.
    let action = text::lookup(STATES, &state).unwrap_or(Action::Trigger);
    let words = ["severityLowercase", "severity", "priority"].iter().filter_map(|name| fields.get(name).text());
    // An unknown word is in the details.
    let severity = words.filter_map(|word| text::lookup(SEVERITIES, &word)).next().unwrap_or(Severity::Error);
    let place = place(&groups).or_else(|| fields.first_text(&["computer", "application"]));
    Ok(Mapped::one(SHAPE.event(payload, Alert { action, key, severity, place, found: None })))
}

/// The payload with `fields` as an object, without values that say nothing.
fn cleaned(payload: Value) -> Value {
    let mut payload = unexpanded::without_unexpanded(payload);
    let says_something = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        !matches!(text, "null" | "[]") && !text.starts_with("*insert ")
    };
    let mut fields = Map::new();
    for field in Node::root(&payload).get("fields").items().into_iter().flatten() {
        let field = Node::root(field);
        if let (Some(name), Some(value)) = (field.get("key").text(), field.get("value").value()) {
            // The default has some of them twice.
            fields.entry(name).or_insert_with(|| value.clone());
        }
    }
    if let Some(members) = payload.as_object_mut() {
        if let Some(Value::Object(given)) = members.get_mut("fields") {
            fields = std::mem::take(given);
        }
        fields.retain(|_, value| says_something(value));
        members.retain(|_, value| says_something(value));
        members.insert("fields".to_owned(), fields.into());
    }
    payload
}
