//! Kibana: the Webhook connector of Elastic's rules.
//!
//! # Wire format
//!
//! <https://www.elastic.co/guide/en/kibana/8.16/rule-action-variables.html>, a copy read 2026-11. There is no default
//! body: the user writes one with `{{variables}}`, for each action of a rule. The template has the names of the
//! variables. This source also accepts the older names `alertId`, `alertName`, `alertInstanceId` and
//! `alertActionGroup`, and a body of whole objects as JSON text: `webhook_body` with `rule_info`, `alert_info` and
//! `context_info`. A variable without a value becomes an empty text. The test of a connector sends the body as it is,
//! with its braces. Kibana waits 60 seconds by default. Its PagerDuty connector retries on 429 and 5xx; that this one
//! does too is from memory.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event_action` (`resolve`, `acknowledge`), else `alert.actionGroup`: `recovered` resolves, so does `resolved` of Kibana 7.10 and `notGeoContained` of rules for tracking containment; without it `alert.actionGroupName`: `Recovered`, `Resolved` resolve; any other value triggers |
//! | severity | `severity`, else `alert.actionGroupName`, else the last part of `alert.actionGroup`, by [`Severity::from_word`]; `nodata` warning; else error |
//! | summary | `rule.name`, `context.reason` (else `title`, `message`, `conditions`), the alert's id |
//! | source | `context.host.name`, else the alert's id, unless that is `*`, `query matched` or a UUID; else `Kibana` |
//! | component, class | `context.service.name` (else `serviceName`); `rule.type` |
//! | group | `rule.spaceId` |
//! | timestamp | `context.timestamp`, else `date` |
//! | links, client URL | `context.alertDetailsUrl`, `context.link`, `context.viewInAppUrl`, `rule.url` |
//! | details | tags, alert, action group, flapping, `context` without its links; of a `context.monitorUrl` that may contain a secret only the host |
//!
//! # Dedup key
//!
//! `kibana:<rule.id>:<alert.id>`, which is the default of Kibana's own PagerDuty connector without the prefix. That
//! connector's severity is a setting (default info). `alert.uuid` is new each time the alert becomes active. A summary
//! of alerts has no `alert.id`, and the key `kibana:<rule.id>`. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Only an action that runs for the group Recovered closes an alert. An action that runs on each check or on a
//!   summary of alerts never does, and then a person or PagerDuty's auto-resolve has to close it.
//! * An alert that flaps is triggered and resolved as Kibana says; `flapping` is in the details.
//! * A body without a rule is rejected. A body with unexpanded variables triggers an alert that reports them, the same
//!   alert for all such bodies.
//! * `context.hits`, whole documents, and `state`: they may be large.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key, own_action, unidentified};
use crate::mapping::{MapError, Mapped, json, parse, unexpanded, uptime};
use crate::pagerduty::event::{Action, Severity};

/// Kibana.
pub const SOURCE: Source = Source {
    slug: "kibana",
    name: "Kibana",
    docs: "https://www.elastic.co/guide/en/kibana/8.16/rule-action-variables.html",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "any other `alert.actionGroup`",
        resolves: "`alert.actionGroup` `recovered`",
        steps: "Under Stack Management, Connectors, create a Webhook connector with method POST, URL {url}, authentication Basic with any user and the secret as password, and header `Content-Type: application/json`.\n\
                Add an action with it to the rule, For each alert, On status changes, and paste the body. `severity` in it may be `critical`, `error`, `warning` or `info`; without it the name of the action group decides, else it is error.\n\
                Add a second action with the same body that runs when Recovered, or nothing closes the alerts.",
        template: Some(TEMPLATE),
    },
    // Half of what Kibana waits by default.
    patience: Duration::from_secs(30),
    map,
    // On 429 and 5xx, as its PagerDuty connector does.
    retries: true,
    states: &["recovered", "resolve", "acknowledge", "critical", "warning", "nodata", "high", "medium", "low"],
    ..Source::DEFAULT
};

const TEMPLATE: &str = r#"{
  "rule": {"id": "{{rule.id}}", "name": "{{rule.name}}", "type": "{{rule.type}}", "spaceId": "{{rule.spaceId}}", "tags": "{{rule.tags}}", "url": "{{rule.url}}"},
  "alert": {"id": "{{alert.id}}", "uuid": "{{alert.uuid}}", "actionGroup": "{{alert.actionGroup}}", "actionGroupName": "{{alert.actionGroupName}}", "flapping": "{{alert.flapping}}"},
  "context": {"reason": "{{context.reason}}", "title": "{{context.title}}", "message": "{{context.message}}", "conditions": "{{context.conditions}}", "value": "{{context.value}}", "timestamp": "{{context.timestamp}}", "alertDetailsUrl": "{{context.alertDetailsUrl}}", "link": "{{context.link}}", "host": {"name": "{{context.host.name}}"}, "service": {"name": "{{context.service.name}}"}},
  "severity": "",
  "date": "{{date}}"
}"#;

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["rule.name", "alertName"],
    found: &["context.reason", "context.title", "context.message", "context.conditions", "message"],
    component: &["context.service.name", "context.serviceName"],
    group: &["rule.spaceId"],
    class: &["rule.type"],
    time: &["context.timestamp", "date"],
    links: &[
        ("Alert", &["context.alertDetailsUrl"]),
        ("Results", &["context.link", "context.viewInAppUrl"]),
        ("Rule", &["rule.url"]),
    ],
    details: &[
        &["rule.tags", "alert.id", "id=alertInstanceId", "alert.actionGroup", "actionGroup=alertActionGroup"],
        &["alert.flapping", "severity", "context.reason", "context.title", "context.message", "context.conditions"],
        &["context.value", "context.threshold", "context.group", "context.grouping", "context.metric"],
        &["host=context.host.name", "context.cloud", "context.container", "context.labels"],
        &["context.monitorName", "context.locationName", "context.checkedAt", "alerts"],
    ],
};

/// Ids of alerts of rules without groups.
const UNGROUPED: [&str; 2] = ["*", "query matched"];

/// The groups of alerts that are over. Kibana allows a type of rules to name its own, and one of Elastic's does.
const RECOVERED: [&str; 3] = ["notGeoContained", "recovered", "resolved"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = json(delivery)?;
    let payload = unpacked(unexpanded::without_unexpanded(raw.clone()));
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `rule` and `alert`" })?;
    let id = payload.pick(&["alert.id", "alertInstanceId"]);
    let of_rule = payload.pick(&["rule.id", "alertId"]);
    let Some(key) = key(SOURCE.slug, of_rule, id.as_slice()) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`rule.id`");
    };

    let group = payload.pick(&["alert.actionGroup", "alertActionGroup"]).unwrap_or_default();
    let group_name = payload.pick(&["alert.actionGroupName", "alertActionGroupName"]);
    let said = if group.is_empty() { group_name.as_deref().unwrap_or_default() } else { &group };
    let action = match own_action(payload) {
        Action::Trigger if RECOVERED.iter().any(|word| word.eq_ignore_ascii_case(said)) => Action::Resolve,
        // Rules have groups of their own, such as `custom_threshold.fired`.
        action => action,
    };
    let kind = group.rsplit('.').next().unwrap_or_default().to_owned();
    let words = [payload.get("severity").text(), group_name, Some(kind)];
    let severity = words.iter().flatten().find_map(|word| match word.as_str() {
        "nodata" => Some(Severity::Warning),
        // Most groups are no severities.
        word => Severity::from_word(word),
    });
    let severity = severity.unwrap_or(Severity::Error);
    let is_uuid = |id: &str| id.len() == 36 && id.split('-').count() == 5;
    let place = id.filter(|id| !UNGROUPED.contains(&id.as_str()) && !is_uuid(id));
    let place = payload.pick(&["context.host.name", "context.host.hostname"]).or(place);
    let monitored = payload.at("context.monitorUrl").text();
    let event = SHAPE.event(payload, Alert { action, key, severity, place, found: None });
    Ok(Mapped::one(event.detail("monitorUrl", monitored.as_deref().and_then(uptime::shown).into())))
}

/// The payload with its objects as JSON. A body of whole objects contains them as text.
fn unpacked(payload: Value) -> Value {
    let body = Node::root(&payload).get("webhook_body");
    let mut members = Map::new();
    for (name, text) in [("rule", "rule_info"), ("alert", "alert_info"), ("context", "context_info")] {
        if let Some(text) = body.get(text).text() {
            members.insert(name.to_owned(), parse(text.as_bytes()).unwrap_or_default());
        }
    }
    if members.is_empty() { payload } else { Value::Object(members) }
}
