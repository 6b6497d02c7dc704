//! Honeycomb: webhook recipients of triggers and SLO burn alerts.
//!
//! # Wire format
//!
//! <https://docs.honeycomb.io/notify/webhooks/>, read 2026-11. There are two generations. The older body is fixed:
//! `{version, id, name, status, summary, description, trigger_description, trigger_url, result_url, operator,
//! threshold, result_groups, result_groups_triggered, is_test, alert_type}`. The newer one is a Go template whose
//! default is `{name, id, description, links: {url}, environment, threshold: {op, value}, result: {groupsTriggered,
//! links}, alert: {instanceId, status, summary, description, isTest}}`. A template of an SLO is documented only by its
//! variables; `slo` with `name` and `url` is accepted. The shared secret is in `X-Honeycomb-Webhook-Token`. Honeycomb
//! waits ten seconds (newer copies of the page: 15) and retries up to three times, on a failed connection, 408, 502,
//! and on 429 or 503 with `Retry-After`.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `alert.status`, `status`: `OK` resolves, any other value triggers |
//! | severity | info for a test; else `severity`, `alert.severity` or `vars.severity` (a variable that the user adds to the template) by [`Severity::from_word`], else error |
//! | summary | `name`, `alert.description` (older `description`), the environment |
//! | source | `environment`, else `dataset`, the first of `datasets`, else `Honeycomb` |
//! | component, class | `dataset`, the first of `datasets`; `alert_type` |
//! | links, client URL | the trigger or SLO, the query result |
//! | details | summary, description, operator, threshold, groups, SLO; no variables of the user, which may be secrets |
//!
//! # Dedup key
//!
//! `honeycomb:<alert.instanceId>`: it is new each time the trigger fires, its `OK` has the same, and the page's
//! examples for other tools use it as their key. The older body has only the trigger's id: `honeycomb:<id>`, with the
//! id in the path of `trigger_url` if it is missing. A test without an instance has `honeycomb:<id>:test`, so that it
//! neither hides nor resolves a real alert.
//!
//! # Not mapped
//!
//! * The test of a recipient, without an id: "a test of the recipient".
//! * A body without an id is rejected. A body with unexpanded variables triggers an alert that reports them, the
//!   same alert for all such bodies.
//! * A notification lists all groups that have triggered, so groups are no alerts of their own.
//! * `shared_secret` and `secret`, which some bodies contain.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key, unidentified};
use crate::mapping::{MapError, Mapped, json, unexpanded, uptime};
use crate::pagerduty::event::{Action, Severity};

/// Honeycomb.
pub const SOURCE: Source = Source {
    slug: "honeycomb",
    name: "Honeycomb",
    docs: "https://docs.honeycomb.io/notify/webhooks/",
    schemes: &[
        Scheme::Header("x-honeycomb-webhook-token"),
        Scheme::BEARER,
        Scheme::Basic,
        Scheme::Header("x-webhook-secret"),
    ],
    setup: Setup {
        triggers: "`TRIGGERED`",
        resolves: "`OK`",
        steps: "Under Team Settings, Integrations, add a Trigger and SLO Recipient of provider Webhook with Webhook URL {url}, the secret as its Shared Secret, and the payload as it is.\n\
                Add it as a recipient to your triggers and SLO burn alerts.",
        template: None,
    },
    patience: Duration::from_secs(10),
    map,
    // Up to three times, on 503 because the relay sends `Retry-After`.
    retries: true,
    states: &["OK", "TRIGGERED", "critical", "error", "warning", "info"],
    ..Source::DEFAULT
};

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["name", "slo.name", "alert.summary", "summary"],
    found: &["alert.description", "description"],
    component: &["dataset", "datasets.0"],
    class: &["alert_type"],
    time: &["timestamp", "alert.timestamp"],
    links: &[
        ("Trigger", &["links.url", "trigger_url"]),
        ("SLO", &["slo.url", "slo.links.url", "slo_url"]),
        ("Query result", &["result.links.url", "result_url"]),
    ],
    details: &[
        &["summary", "alert.summary", "alert.status", "status", "trigger_description", "description"],
        &["operator", "threshold", "groups=result.groupsTriggered", "groups=result_groups_triggered", "slo"],
    ],
    ..Shape::EMPTY
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = json(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `id` and a status" })?;
    let is_test = payload.pick(&["alert.isTest", "is_test"]).as_deref() == Some("true");
    let aspect = if is_test { "test".to_owned() } else { String::new() };
    let instance = key(SOURCE.slug, payload.at("alert.instanceId").text(), &[]);
    let url = payload.pick(&["links.url", "trigger_url"]).unwrap_or_default();
    let id = payload.get("id").text().or_else(|| uptime::segment(&url, "/triggers/").map(str::to_owned));
    if is_test && id.is_none() && instance.is_none() {
        return Ok(Mapped::nothing("a test of the recipient"));
    }
    let Some(key) = instance.or_else(|| key(SOURCE.slug, id, &[aspect])) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`alert.instanceId` or `id`");
    };

    let action = match payload.pick(&["alert.status", "status"]).as_deref() {
        Some(word) if word.eq_ignore_ascii_case("OK") => Action::Resolve,
        // Honeycomb documents no other status than `TRIGGERED`, and an unnecessary page is the lesser evil.
        _ => Action::Trigger,
    };
    let given = payload.pick(&["severity", "alert.severity", "vars.severity"]);
    let given = given.and_then(|word| Severity::from_word(&word)).unwrap_or(Severity::Error);
    let severity = if is_test { Severity::Info } else { given };
    let place = payload.pick(&["environment", "dataset", "datasets.0"]);
    Ok(Mapped::one(SHAPE.event(payload, Alert { action, key, severity, place, found: None })))
}
