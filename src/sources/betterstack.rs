//! Better Stack: webhooks of uptime incidents and of errors.
//!
//! # Wire format
//!
//! <https://betterstack.com/docs/uptime/webhooks/>, read 2026-11. One delivery is one change of one incident: it
//! started, was acknowledged, resolved or reopened, or got a comment. The body is the incident as the API has it:
//! `{data: {id, type: "incident", attributes: {name, url, http_method, cause, status, started_at, acknowledged_at,
//! resolved_at, regions[], team_name, call, critical_alert, metadata, …}, relationships: {monitor: {data: {id}}}}}`. The
//! page shows no example; the members are those of
//! <https://betterstack.com/docs/uptime/api/list-existing-incidents/>, and how `status` is written is not documented, so
//! case does not matter.
//!
//! The webhooks of Better Stack's error tracking
//! (<https://betterstack.com/docs/errors/integrations/outgoing-webhooks/>) have `type` `error` and `attributes: {event,
//! application_id, application_name, error_url, error_type, error_message, call_site_function, …}`. Neither page states
//! retries or a timeout, so the relay assumes that Better Stack does not retry.
//!
//! # Mapping
//!
//! | event | incident | error |
//! |---|---|---|
//! | action | `status`: `Started`, `Reopened`, `Unconfirmed`, `Validating` trigger, `Acknowledged` acknowledges, `Resolved` resolves, any other value triggers; without it `resolved_at` resolves, else `acknowledged_at` acknowledges, else it triggers | `event`: `resolved`, `ignored` resolve, any other value triggers |
//! | severity | critical if the incident calls somebody (`call`, `critical_alert`), else error | error |
//! | summary | `name`, the state, the first line of `cause` unless it is up, the host unless they contain it | `application_name`, the state, the first line of `error_message` unless it is over |
//! | source | the host of `url`, else `name` | `application_name` |
//! | component, group | `name`, `team_name` | `application_name` |
//! | class | | `error_type` |
//! | timestamp | `started_at`, `acknowledged_at` or `resolved_at` | |
//! | links | the monitored URL, `origin_url`, `response_url` | `error_url` |
//! | images | `screenshot_url` | |
//! | client, client URL | Better Stack, `incident_url` | Better Stack, `error_url` |
//! | details | status, cause, method, regions, metadata, the monitor's id, the address | event, type, message, function |
//!
//! `status` decides before the times: an incident that is reopened has been acknowledged or resolved before, and
//! PagerDuty ignores an acknowledge of a resolved alert.
//!
//! # Dedup key
//!
//! `betterstack:<data.id>`, with the incident's id. A reopened incident keeps it. For an error
//! `betterstack:error:<application_id>:<data.id>`. Better Stack's own PagerDuty integration has an undocumented key.
//!
//! # Not mapped
//!
//! * Other types, such as `monitor`, `on_call_contact` and `release`: "neither an incident nor an error".
//! * Updates of a status page that the relay's URL subscribes to, with `event_type`: "a status page's update". The relay
//!   maps what monitors detect, and such a subscription cannot set a header.
//! * A body without `data.id` is rejected. A body with unexpanded variables (`$NAME`) triggers an alert that reports
//!   them, the same alert for all such bodies.
//! * `acknowledged_by` and `resolved_by`, people; `response_content`, which may contain anything.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::unexpanded::{unidentified, without_unexpanded};
use crate::mapping::uptime::{self, DOWN, Fields, State, UP};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Severity};
use crate::text;

/// Better Stack.
pub const SOURCE: Source = Source {
    slug: "betterstack",
    name: "Better Stack",
    docs: "https://betterstack.com/docs/uptime/webhooks/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "incidents `Started`, `Reopened`; errors",
        resolves: "incidents `Resolved`; errors `resolved`, `ignored` (`Acknowledged` acknowledges)",
        steps: "Under Integrations, Exporting data, Outgoing webhooks, add one of type Incident with webhook URL {url}.\n\
                Let it send when an incident starts, is acknowledged, is resolved and is reopened.\n\
                Add header `X-Webhook-Secret: <the secret>`, or basic authentication with the secret as the password, and leave the body as it is.",
        template: None,
    },
    map,
    states: &["Started", "Reopened", "Acknowledged", "Resolved", "resolved", "ignored", "new_error"],
    ..Source::DEFAULT
};

const ACKNOWLEDGED: State = (Action::Acknowledge, Severity::Critical, " is acknowledged");

const STATES: &[(&str, State)] = &[
    ("acknowledged", ACKNOWLEDGED),
    ("reopened", DOWN),
    ("resolved", UP),
    ("started", DOWN),
    ("unconfirmed", (Action::Trigger, Severity::Critical, " is DOWN, unconfirmed")),
    // It is resolved only when the recovery period is over.
    ("validating", (Action::Trigger, Severity::Critical, " is validating its recovery")),
];

/// The words for an error that is over. Every other event is about an error that is there.
const ERRORS: &[(&str, State)] = &[
    ("ignored", (Action::Resolve, Severity::Error, " has an error that is ignored")),
    ("resolved", (Action::Resolve, Severity::Error, " has a resolved error")),
];

const ERROR: State = (Action::Trigger, Severity::Error, " has an error");

const INCIDENT: Fields = Fields {
    client: SOURCE.name,
    name: &["name"],
    address: &["url"],
    reason: &["cause"],
    group: &["team_name"],
    page: &["incident_url"],
    links: &[("Origin", &["origin_url"]), ("Response", &["response_url"])],
    details: &["status", "cause", "http_method", "regions", "metadata", "incident_group_id"],
    ..Fields::NONE
};

const APPLICATION: Fields = Fields {
    client: SOURCE.name,
    name: &["application_name"],
    reason: &["error_message", "error_type"],
    class: &["error_type"],
    page: &["error_url"],
    links: &[("Error", &["error_url"])],
    details: &["event", "error_type", "error_message", "call_site_function", "application_id"],
    ..Fields::NONE
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    if payload.get("event_type").value().is_some() {
        return Ok(Mapped::nothing("a status page's update"));
    }
    let attributes = payload.at("data.attributes");
    let id = payload.at("data.id").text();
    let kind = payload.at("data.type").text().unwrap_or_default();
    let is_error = kind.eq_ignore_ascii_case("error");
    if !is_error && !kind.is_empty() && !kind.eq_ignore_ascii_case("incident") {
        return Ok(Mapped::nothing("neither an incident nor an error"));
    }
    let application = attributes.get("application_id").text().unwrap_or_default();
    let key = id.and_then(|id| match is_error {
        true => DedupKey::new(SOURCE.slug, &["error", &application, &id]),
        false => DedupKey::new(SOURCE.slug, &[&id]),
    });
    let Some(key) = key else { return unidentified((SOURCE.slug, SOURCE.name), &raw, "`data.id`") };
    if is_error {
        let word = attributes.get("event").text().unwrap_or_default();
        let state = text::lookup(ERRORS, &word).unwrap_or(ERROR);
        return Ok(Mapped::one(uptime::event(attributes, &APPLICATION, key, state)));
    }

    let is_set = |name: &str| attributes.get(name).text().is_some();
    let (action, _, phrase) = match attributes.get("status").text() {
        Some(word) => uptime::state(STATES, Some(&word)),
        None if is_set("resolved_at") => UP,
        None if is_set("acknowledged_at") => ACKNOWLEDGED,
        None => DOWN,
    };
    let is_true = |name: &str| attributes.get(name).text().as_deref() == Some("true");
    let severity = if is_true("call") || is_true("critical_alert") { Severity::Critical } else { Severity::Error };
    let time = match action {
        Action::Resolve => "resolved_at",
        Action::Acknowledge => "acknowledged_at",
        Action::Trigger | Action::Change => "started_at",
    };
    let event = uptime::event(attributes, &INCIDENT, key, (action, severity, phrase))
        .timestamp(attributes.get(time).time())
        .image(attributes.get("screenshot_url").text(), None, "Screenshot")
        .details(payload, &["monitor=data.relationships.monitor.data.id"]);
    Ok(Mapped::one(event))
}
