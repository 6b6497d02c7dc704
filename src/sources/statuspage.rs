//! Atlassian Statuspage: the webhook notifications of a status page, your own or that of a service that you depend on.
//! Instatus (<https://instatus.com/help/webhooks>) sends the same format with words of its own, and works too.
//!
//! # Wire format
//!
//! <https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/>, read 2026-11. One delivery is either an
//! update of an incident (`incident`, with `incident_updates`, the newest first) or of a component (`component`,
//! `component_update` with `new_status`). Beside it are `page` and `meta`. Scheduled maintenance is an incident with
//! states of its own; Instatus sends `maintenance` instead of `incident`. Case and separators of the words do not matter:
//! Instatus writes `MAJOROUTAGE`. Nothing is signed, and the form has only a URL. Statuspage expects 2xx within 30 seconds. Whether
//! it retries is not documented, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action of incidents | `incident.status`, else that of the newest update: `resolved`, `postmortem` resolve; `investigating`, `identified`, `monitoring` and any other word trigger; without one `resolved_at` resolves |
//! | severity of incidents | `incident.impact` by [`Severity::from_word`]: `critical`, `major`, `minor`, `none` are critical, error, warning, info; the words of components are as below; other words error |
//! | action of components | `component_update.new_status`, else `component.status`: `operational` resolves; `degraded_performance`, `partial_outage`, `major_outage` and any other word trigger |
//! | severity of components | degraded and minor warning, partial error, major critical, other words error |
//! | summary | the incident's name, status and impact, or the component's name and state; the page; the newest update's first line |
//! | source | the page's host in `page.url` or `meta.unsubscribe`, else `page.id`, else `Statuspage` |
//! | component | the component's name, or the names of the components of the incident |
//! | group, class | `page.id`; `incident` or `component` |
//! | timestamp | the newest update's, else `updated_at` |
//! | links | `incident.shortlink`, else `incident.url` |
//! | details | status, impact, the newest update's text, components with their states, old status |
//!
//! # Dedup key
//!
//! `statuspage:incident:<incident id>` and `statuspage:component:<component id>`. An incident and its components are
//! alerts of their own, because each ends at its own time.
//!
//! # Not mapped
//!
//! * `maintenance`, incidents with impact `maintenance` or status `scheduled`, `NOTSTARTEDYET`, `in_progress`,
//!   `verifying`, `completed`, and a component that is `under_maintenance`: "maintenance". An alert that is open stays open until the component is operational.
//! * `meta.unsubscribe`: it contains a token. Only its host is used.
//! * The other updates of an incident: the newest one says where it stands.
//! * A body without an incident and without a component, or without its id, is rejected.
//! * Better Stack's status pages send this format without an incident's status, so nothing resolves such an alert.
//! * Uncertain: a page whose notifications are filtered may never send the end of an incident. Its alert stays open.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::http::url;
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json, status_pages};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Statuspage.
pub const SOURCE: Source = Source {
    slug: "statuspage",
    name: "Atlassian Statuspage",
    docs: "https://support.atlassian.com/statuspage/docs/enable-webhook-notifications/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "incidents `investigating`, `identified`, `monitoring`; components `degraded_performance`, `partial_outage`, `major_outage`",
        resolves: "incidents `resolved`, `postmortem`; components `operational`",
        steps: "On the status page, choose Subscribe to updates, Webhook, and enter {url}?token=<the secret>.\n\
                The page's owner sees this URL: give it a secret of its own, in variable `secret_statuspage`.\n\
                Incidents and components open alerts of their own. To keep one kind only, write a rule about class `incident` or `component`.",
        template: None,
    },
    patience: Duration::from_secs(30),
    map,
    states: &[
        "resolved",
        "postmortem",
        "investigating",
        "identified",
        "monitoring",
        "scheduled",
        "in_progress",
        "verifying",
        "completed",
        "operational",
        "degraded_performance",
        "partial_outage",
        "major_outage",
        "under_maintenance",
    ],
    ..Source::DEFAULT
};

/// The states of scheduled maintenance, without separators.
const MAINTENANCE: &[&str] =
    &["scheduled", "notstartedyet", "inprogress", "verifying", "completed", "maintenance", "undermaintenance"];

const PLANNED: &str = "maintenance: it is planned";

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    if payload.get("incident").members().is_some() {
        return incident(payload, payload.get("incident"));
    }
    if payload.get("maintenance").members().is_some() {
        return Ok(Mapped::nothing(PLANNED));
    }
    let (component, update) = (payload.get("component"), payload.get("component_update"));
    if component.members().is_none() && update.members().is_none() {
        return Err(MapError::Shape { expected: "an object with `incident` or `component`" });
    }
    let id = update.get("component_id").text().or_else(|| component.get("id").text());
    let key = key("component", id, "`component.id`")?;
    let status = update.get("new_status").text().or_else(|| component.get("status").text()).unwrap_or_default();
    let state = status_pages::of_word(&status);
    if state == status_pages::MAINTENANCE {
        return Ok(Mapped::nothing(PLANNED));
    }
    let (action, severity, phrase) = state;
    let (name, page) = (component.get("name").text(), page(payload));
    let summary = text::join_prefixed(&[
        ("", name.as_deref().or(Some("A component"))),
        (" ", Some(phrase)),
        (" on ", Some(&page)),
    ]);
    let time = ["created_at", "updated_at"].iter().find_map(|name| update.get(name).time());
    let event = Event::new(action, key, severity, &summary, &page)
        .component(name)
        .timestamp(time.or_else(|| component.get("updated_at").time()))
        .details(payload, &["component_update.old_status", "component_update.new_status", "component.description"]);
    Ok(Mapped::one(finish(event, payload, "component")))
}

fn incident(payload: Node<'_>, incident: Node<'_>) -> Result<Mapped, MapError> {
    let key = key("incident", incident.get("id").text(), "`incident.id`")?;
    let update = incident.at("incident_updates.0");
    let status = incident.get("status").text().or_else(|| update.get("status").text());
    let status = status.unwrap_or_default().to_ascii_lowercase();
    let impact = incident.get("impact").text().unwrap_or_default().to_ascii_lowercase();
    if [&status, &impact].iter().any(|word| MAINTENANCE.contains(&status_pages::plain(word).as_str())) {
        return Ok(Mapped::nothing(PLANNED));
    }
    // For a status that Statuspage does not document, an unnecessary page is the lesser evil.
    let is_over = match status.as_str() {
        "" => incident.get("resolved_at").text().is_some(),
        status => matches!(status, "resolved" | "postmortem"),
    };
    let action = if is_over { Action::Resolve } else { Action::Trigger };
    // An impact that is no problem is the least severe.
    let of_state = |(action, severity, _)| if action == Action::Resolve { Severity::Info } else { severity };
    let severity = Severity::from_word(&impact).or_else(|| status_pages::known(&impact).map(of_state));
    let severity = severity.unwrap_or(Severity::Error);
    let (name, page, body) = (incident.get("name").text(), page(payload), update.get("body").text());
    let state = text::join_nonempty(&[&status, &impact], ", impact ");
    let state = ["(", &state, ")"].concat();
    let summary = text::join_prefixed(&[
        ("", name.as_deref().or(Some("An incident"))),
        (" ", Some(&state).filter(|state| state.len() > 2).map(String::as_str)),
        (" on ", Some(&page)),
        (": ", body.as_deref().map(text::first_line)),
    ]);
    let (mut names, mut states) = (Vec::new(), Vec::new());
    for component in incident.get("components").items().unwrap_or_default().iter().map(Node::root) {
        let text = |member: &str| component.get(member).text().unwrap_or_default();
        states.push(text::join_nonempty(&[&text("name"), &text("status")], ": "));
        names.push(text("name"));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let time = ["display_at", "created_at", "updated_at"].iter().find_map(|name| update.get(name).time());
    let event = Event::new(action, key, severity, &summary, &page)
        .component(Some(text::join_nonempty(&names, ", ")))
        .timestamp(time.or_else(|| incident.get("updated_at").time()))
        .details(incident, &["status", "impact", "created_at", "resolved_at"])
        .detail("update", body.into())
        .detail("components", states.into())
        .link("Incident", incident.first_text(&["shortlink", "url"]));
    Ok(Mapped::one(finish(event, payload, "incident")))
}

fn key(class: &str, id: Option<String>, fields: &'static str) -> Result<DedupKey, MapError> {
    let key = id.and_then(|id| DedupKey::new(SOURCE.slug, &[class, &id]));
    key.ok_or(MapError::NoIdentity { item: String::new(), fields })
}

/// The page's host. Statuspage's body has no name of the page, but a link to unsubscribe from it.
fn page(payload: Node<'_>) -> String {
    let link = payload.pick(&["page.url", "meta.unsubscribe"]);
    let host = link.as_deref().and_then(url::url_host).map(str::to_owned);
    host.or_else(|| payload.at("page.id").text()).unwrap_or_else(|| SOURCE.name.to_owned())
}

/// Adds the fields that both kinds share.
fn finish(event: Event, payload: Node<'_>, class: &str) -> Event {
    event
        .group(payload.at("page.id").text())
        .class(Some(class.to_owned()))
        .details(payload, &["page=page.status_description"])
        .client(SOURCE.name, None)
}
