//! Netdata Cloud: notification integration Webhook.
//!
//! # Wire format
//!
//! <https://learn.netdata.cloud/docs/alerting/notifications/centralized-cloud-notifications/webhook>, read 2026-11. One
//! delivery is one alert, `{message, alert, info, chart, context, space, rooms{}, family, class, severity, date, duration,
//! additional_active_critical_alerts, additional_active_warning_alerts, alert_url}`, or the reachability of one node,
//! `{message, url, host, severity, status{reachable, text}}`. Older versions say `alarm` and `alarm_url`. The page states
//! neither retries nor a timeout, so the relay assumes that Netdata does not retry. Alerts of agents without the cloud
//! have no such format; an agent can alert PagerDuty itself, see [`events`](super::events).
//!
//! Before Netdata uses the webhook, it sends a test with a `token`, which somebody has to enter in Netdata Cloud. The relay
//! makes a change event of it, which notifies nobody and shows the token.
//!
//! # Mapping
//!
//! | event | alert | reachability |
//! |---|---|---|
//! | action | `severity`: `clear` resolves, `warning`, `critical` and any other value trigger | `status.reachable`, else `status.text`, else a text in `status`: reachable resolves, any other value triggers |
//! | severity | `critical` critical, `warning` warning, else error; info if it resolves | critical; info if it resolves |
//! | summary | the first line of `message`, else of `info`; with the alert in front and the host or the space behind unless it contains them | `message`, with the host behind unless it contains it |
//! | source | `host` if it is there, else `space` | `host` |
//! | component, group | `chart`, `space` | `host` |
//! | class | `alert` | `unreachable` |
//! | timestamp | `date` | |
//! | client, client URL | Netdata Cloud, `alert_url` | Netdata Cloud, `url` |
//! | details | severity, info, chart, context, family, class, duration, counts, rooms | severity, status |
//!
//! # Dedup key
//!
//! `netdata:<space>:<node>:<chart>:<alert>`. The documented payload names neither the node nor an id of the alert: the
//! node is `host` if it is there, else the part of `alert_url` behind `/nodes/`, else empty. Then two nodes with the same
//! alert on the same chart share one PagerDuty alert, and the first one that clears resolves it. To avoid that, give each
//! room a webhook of its own, with a service of its own in the URL. For reachability `netdata:reachability:<host>`.
//! Netdata's own PagerDuty integration has an undocumented key.
//!
//! # Not mapped
//!
//! * The challenge of older versions, a `GET` with a token to sign: the page no longer describes it.
//! * A payload with neither `alert`, `host` nor `token` is rejected.
//! * The test's change event needs the integration key of a service: an orchestration's key (`R…`) accepts none, and the
//!   reply then says so. Send the test to a path with a service.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json, uptime, wording};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Netdata Cloud.
pub const SOURCE: Source = Source {
    slug: "netdata",
    name: "Netdata Cloud",
    docs: "https://learn.netdata.cloud/docs/alerting/notifications/centralized-cloud-notifications/webhook",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`warning`, `critical`; unreachable nodes",
        resolves: "`clear`; reachable nodes",
        steps: "In the space's settings, Alerts & Notifications, add a configuration Webhook with URL {url} and Bearer authentication, the token the secret.\n\
                Press Test: the token that Netdata asks for is in a change event of the PagerDuty service, under Recent Changes.\n\
                The alerts do not name their node. Where nodes share names of charts, add a webhook for each room, each with a service of its own in the URL.",
        template: None,
    },
    map,
    states: &["clear", "warning", "critical", "reachable", "unreachable"],
    ..Source::DEFAULT
};

/// What a word means for an alert.
const SEVERITIES: &[(&str, (Action, Severity))] = &[
    ("clear", (Action::Resolve, Severity::Info)),
    ("critical", (Action::Trigger, Severity::Critical)),
    ("warning", (Action::Trigger, Severity::Warning)),
];

/// The words for a node that is there: of `status.reachable` and of `status.text`.
const REACHABLE: &[&str] = &["true", "reachable"];

const DETAILS: &[&str] = &[
    "severity",
    "status",
    "info",
    "chart",
    "context",
    "family",
    "class",
    "duration",
    "additional_active_critical_alerts",
    "additional_active_warning_alerts",
    "rooms",
    "rooms=Rooms",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let alert = payload.first_text(&["alert", "alarm"]);
    let host = payload.get("host").text();
    let url = payload.first_text(&["alert_url", "alarm_url", "url"]);
    if let (None, None, Some(token)) = (&alert, &host, payload.get("token").text()) {
        let summary = ["Netdata Cloud tests its webhook: enter token ", &token, " there to verify it"].concat();
        let change = Event::change(&summary, SOURCE.name).detail("token", token.into());
        return Ok(Mapped::one(change.details(payload, &["message"])));
    }

    let space = payload.get("space").text();
    let chart = payload.first_text(&["chart", "context"]);
    let node = host.as_deref().or_else(|| uptime::segment(url.as_deref()?, "/nodes/"));
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let key = match (&alert, &host) {
        (Some(alert), _) => {
            let parts = [&text(&space), node.unwrap_or_default(), &text(&chart), alert];
            DedupKey::new(SOURCE.slug, &parts)
        }
        (None, Some(host)) => DedupKey::new(SOURCE.slug, &["reachability", host]),
        (None, None) => None,
    };
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`alert` or `host`" })?;

    let word = payload.get("severity").text().unwrap_or_default();
    let reachable = payload.pick(&["status.reachable", "status.text", "status"]).unwrap_or_default();
    let (action, severity) = match &alert {
        // For a severity that Netdata does not document, an unnecessary page is the lesser evil.
        Some(_) => text::lookup(SEVERITIES, &word).unwrap_or((Action::Trigger, Severity::Error)),
        None if REACHABLE.contains(&reachable.to_ascii_lowercase().as_str()) => (Action::Resolve, Severity::Info),
        None => (Action::Trigger, Severity::Critical),
    };

    let said = payload.first_text(&["message", "info", "alert", "alarm", "severity"]).unwrap_or_default();
    let place = host.clone().or_else(|| space.clone());
    let places: Vec<String> = place.clone().into_iter().collect();
    let summary = wording::completed(text::first_line(&said), alert.as_deref(), &places);
    let class = alert.clone().or_else(|| Some("unreachable".to_owned()));
    let event = Event::new(action, key.without_former(), severity, &summary, place.as_deref().unwrap_or(SOURCE.name))
        .component(if alert.is_some() { chart } else { host })
        .group(space)
        .class(class)
        .timestamp(payload.get("date").time())
        .details(payload, DETAILS)
        .client(SOURCE.name, url);
    Ok(Mapped::one(event))
}
