//! Google Cloud Monitoring: incidents of alerting policies.
//!
//! # Wire format
//!
//! <https://cloud.google.com/monitoring/support/notification-options#webhooks>, read 2026-11: `{incident, version}`.
//! Version is "1.2" for current channels, and "1.1", with far fewer fields, for old ones. Times are in seconds, values
//! are text, and `observed_value` can be a sentence. `documentation` is an object, and a text in test notifications.
//! The page does not say whether Google retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from `incident` |
//! |---|---|
//! | action | `state`, ignoring case: `closed` resolves, `acknowledged` acknowledges, `open` and unknown states trigger |
//! | severity | `severity`: `Critical`, `Error`, `Warning`; if the policy has none, its user label `severity` by [`Severity::from_word`]; else error |
//! | summary | `policy_name`, then `summary`, else the subject of the documentation, else `condition_name` |
//! | source | `resource_display_name`, `resource_name`, label `instance_id`, `resource_id`, the project |
//! | component | `resource.type`, else `resource_type_display_name` |
//! | group | `scoping_project_id` |
//! | class | `metric.type`, else `condition_name` |
//! | timestamp | `started_at`; `ended_at` for a resolve; 0 means no time |
//! | links | the incident, the links of the documentation |
//! | client, client URL | Google Cloud Monitoring, `url` |
//! | details | the documentation, the condition, values, labels, names |
//!
//! Incidents can have state `acknowledged`, but the page does not show it in a notification.
//!
//! # Dedup key
//!
//! `gcp:<scoping_project_id>:<incident_id>`. It is the same when an incident opens and when it closes. Version "1.1"
//! has no project. A `:` inside a project's id becomes `%3A`. PagerDuty's own integration resolves by the incident too;
//! its keys are unknown.
//!
//! # Not mapped
//!
//! * Version "test": "a test notification". Its state is `OPEN`, and it never closes.
//! * An incident without `incident_id` is rejected, even if it has a project: otherwise all incidents of a project
//!   would be one alert.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Google Cloud Monitoring.
pub const SOURCE: Source = Source {
    slug: "gcp",
    name: "Google Cloud Monitoring",
    docs: "https://cloud.google.com/monitoring/support/notification-options#webhooks",
    schemes: &[Scheme::Basic, Scheme::Query("auth_token"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`open`",
        resolves: "`closed`",
        steps: "Under Alerting, Edit notification channels, add a Webhook with Endpoint URL {url}.\n\
                Tick Use HTTP Basic Auth, with any user name and the secret as the password.\n\
                A channel of type `webhook_tokenauth` (API, Terraform) has no password: its URL is {url}?auth_token=<the secret>.\n\
                In each policy choose the channel, and tick Notify on incident closure, or nothing closes.",
        template: None,
    },
    map,
    states: &["closed", "open", "acknowledged", "Critical", "Error", "Warning"],
    ..Source::DEFAULT
};

const STATES: &[(&str, Action)] = &[("acknowledged", Action::Acknowledge), ("closed", Action::Resolve)];

const SEVERITIES: &[(&str, Severity)] =
    &[("Critical", Severity::Critical), ("Error", Severity::Error), ("Warning", Severity::Warning)];

/// Details of an incident.
const DETAILS: &[&str] = &[
    "condition",
    "condition_name",
    "documentation",
    "incident_id",
    "metadata",
    "metric",
    "observed_value",
    "policy_name",
    "policy_user_labels",
    "resource",
    "resource_id",
    "resource_name",
    "resource_type_display_name",
    "scoping_project_number",
    "severity",
    "state",
    "threshold_value",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let incident = payload.get("incident");
    incident.members().ok_or(MapError::Shape { expected: "an object with `incident`" })?;
    if payload.get("version").text().is_some_and(|version| version.eq_ignore_ascii_case("test")) {
        return Ok(Mapped::nothing("a test notification"));
    }
    let no_identity = || MapError::NoIdentity { item: "incident".to_owned(), fields: "`incident_id`" };
    let id = incident.get("incident_id").text().ok_or_else(no_identity)?;
    let project = incident.get("scoping_project_id").text();
    let key = DedupKey::new(SOURCE.slug, &[project.as_deref().unwrap_or_default(), &id]).ok_or_else(no_identity)?;

    let action = incident.get("state").text().and_then(|state| text::lookup(STATES, &state)).unwrap_or(Action::Trigger);
    let severity = incident.get("severity").text().and_then(|word| text::lookup(SEVERITIES, &word));
    let label = || incident.at("policy_user_labels.severity").text().and_then(|word| Severity::from_word(&word));
    let happened = incident.pick(&["summary", "documentation.subject", "condition_name"]).unwrap_or_default();
    let happened = text::first_line(&happened).to_owned();
    let summary = match incident.get("policy_name").text() {
        Some(policy) => [&policy, ": ", &happened].concat(),
        None => happened,
    };
    let time = incident.get(if action == Action::Resolve { "ended_at" } else { "started_at" }).time();
    let url = incident.get("url").text();
    let event = Event::new(
        action,
        key,
        severity.or_else(label).unwrap_or(Severity::Error),
        &summary,
        incident.pick(PLACES).as_deref().unwrap_or(SOURCE.name),
    );
    let mut event = event
        .component(incident.pick(&["resource.type", "resource_type_display_name"]))
        .group(project)
        .class(incident.pick(&["metric.type", "condition_name"]))
        .timestamp(time)
        .details(incident, DETAILS)
        .link("Incident", url.clone())
        .client(SOURCE.name, url);
    for link in incident.at("documentation.links").items().unwrap_or_default() {
        let link = Node::root(link);
        let name = link.first_text(&["displayName", "display_name"]);
        event = event.link(name.as_deref().unwrap_or("Runbook"), link.get("url").text());
    }
    Ok(Mapped::one(event))
}

/// The source of the problem.
const PLACES: &[&str] =
    &["resource_display_name", "resource_name", "resource.labels.instance_id", "resource_id", "scoping_project_id"];
