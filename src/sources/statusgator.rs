//! StatusGator: the integration Webhook.
//!
//! # Wire format
//!
//! <https://support.statusgator.com/support/solutions/articles/47001278989-webhook-version-3-0> and the page about the
//! older version 2 at <https://support.statusgator.com/support/solutions/articles/47001226973>, read 2026-11. One delivery
//! is one event of one monitor: a `StatusChange` with `status` and `previous_status` (`up`, `warn`, `down`,
//! `maintenance`), or an `EarlyWarningSignal`, which has no status. `service` is present only for monitors of a service.
//! Version 2 has `current_status`, `service_name` and `slug` instead. StatusGator can hold only a URL, expects 200, and
//! retries for 24 days.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `status`, else `current_status`: `up` resolves, any other word triggers; an early warning triggers |
//! | severity | `down` critical, `warn` and an early warning warning, `maintenance` info, other words error |
//! | summary | the monitor's name, its state, `message`, else `summary`; the board |
//! | source, component | the monitor's `display_name`, else the service's name, else `StatusGator` |
//! | group, class | the board's name; the monitor's type, else `type` |
//! | timestamp | `recorded_at`, else `occurred_at` |
//! | links | the service's status page and its page at StatusGator |
//! | details | status, previous status, details, host, description, changed components |
//!
//! # Dedup key
//!
//! `statusgator:<monitor id>`, else the service's id, else its slug, else its name. An early warning has the monitor's key
//! too, so the next `up` closes it.
//!
//! # Not mapped
//!
//! * An early warning after which no status changes leaves its alert open: somebody has to close it.
//! * `component_statuses`: the status of the monitor is the worst of those that the user watches.
//! * `yes_vote_url` and `no_vote_url`: anyone who has them can vote. `icon_url` is not the state of anything.
//! * A body without a monitor and without a service is rejected.
//! * The test from the button Test Integrations looks like a status of the chosen monitor, and opens or closes its alert.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json, status_pages};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// StatusGator.
pub const SOURCE: Source = Source {
    slug: "statusgator",
    name: "StatusGator",
    docs: "https://support.statusgator.com/support/solutions/articles/47001278989-webhook-version-3-0",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "status `down`, `warn`, `maintenance`; early warning signals",
        resolves: "status `up`",
        steps: "Under Integrations, Advanced, add a Webhook with URL {url}?token=<the secret>.\n\
                In the notification settings of the monitors, include `up`, or nothing closes the alerts.\n\
                An early warning that StatusGator never confirms stays open: close it by hand.",
        template: None,
    },
    map,
    // Twenty times in 24 days.
    retries: true,
    states: &["up", "down", "warn", "maintenance", "EarlyWarningSignal"],
    ..Source::DEFAULT
};

const DETAILS: &[&str] = &[
    "status",
    "status=current_status",
    "previous_status",
    "previous_status=last_status",
    "details",
    "description=monitor.description",
    "host=monitor.host",
    "component_status_changes",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let id = payload.pick(&["monitor.id", "service.id", "slug", "service_name"]);
    let key = id.and_then(|id| DedupKey::new(SOURCE.slug, &[&id]));
    let fields = "`monitor.id`, `service.id` or `slug`";
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields })?;
    let kind = payload.get("type").text();
    let status = payload.first_text(&["status", "current_status"]);
    let (action, severity, phrase) = match &status {
        None if kind.as_deref() == Some("EarlyWarningSignal") => {
            (Action::Trigger, Severity::Warning, "may have an outage")
        }
        status => status_pages::of_word(status.as_deref().unwrap_or_default()),
    };
    let name = payload.pick(&["monitor.display_name", "service.name", "service_name"]);
    let name = name.unwrap_or_else(|| SOURCE.name.to_owned());
    let board = payload.at("board.name").text();
    let message = payload.first_text(&["message", "summary"]).filter(|_| action != Action::Resolve);
    let summary = text::join_prefixed(&[
        ("", Some(&name)),
        (" ", Some(phrase)),
        (" on board ", board.as_deref()),
        (": ", message.as_deref().map(text::first_line)),
    ]);
    let event = Event::new(action, key, severity, &summary, &name)
        .component(Some(name.clone()))
        .group(board)
        .class(payload.at("monitor.type").text().or(kind))
        .timestamp(payload.get("recorded_at").time().or_else(|| payload.get("occurred_at").time()))
        .details(payload, DETAILS)
        .link("Status page", http(payload.pick(&["service.status_page_url", "status_page_url"])))
        .link(SOURCE.name, payload.at("service.landing_page_url").text())
        .client(SOURCE.name, None);
    Ok(Mapped::one(event))
}

/// A URL. The status page of a monitor that StatusGator checks itself is a host.
fn http(url: Option<String>) -> Option<String> {
    url.filter(|url| url.contains("://"))
}
