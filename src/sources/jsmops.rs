//! The outgoing webhook of Opsgenie and of Jira Service Management's operations: what happens to an alert there happens
//! to an alert in PagerDuty. For programs that send alerts to Opsgenie's API, see [`super::opsgenie`].
//!
//! # Wire format
//!
//! <https://support.atlassian.com/jira-service-management-cloud/docs/alert-action-data-for-jira-edge-connector> and
//! <https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/>, read 2026-11. Both products
//! send the same. One delivery is one action on one alert: `{action, alert, source, integrationId, integrationName}`.
//! `alert` always has `alertId`, `tinyId`, `alias`, `message`, `tags`, `entity`, `source`, `createdAt` (milliseconds) and
//! `updatedAt` (nanoseconds). `priority` is `P1` to `P5`, and was 1 to 5. `description` and `details` are present only for
//! `Create` and custom actions, if the user has ticked them, and are truncated to 1000 characters. Nothing is signed; the
//! user can add headers. Whether the products retry is not documented, so the relay assumes that they do not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `action`, ignoring case: `Create`, `UnAcknowledge` trigger; `Acknowledge` acknowledges; `Close`, `Delete` resolve |
//! | severity | `alert.priority`: P1 is critical, P2 error, P3 warning, P4 and P5 info; 1 to 5 are the same; missing is warning, because the default is P3; other words error |
//! | summary | `alert.message`, and the entity if the message does not name it |
//! | source | `alert.entity`, else `alert.source` unless it is somebody's address, else `Opsgenie and Jira Service Management` |
//! | component | `alert.entity` |
//! | timestamp | `alert.updatedAt`, else `alert.createdAt` |
//! | details | the alert's own `details`; description, tags, priority, tiny id, alias, integration, and how the action was done (`source.type`) |
//!
//! # Dedup key
//!
//! `jsmops:<alertId>`, or `alert.id` in its place. All actions on an alert have its id. An alias can be used again by a
//! later alert, so it is the key only of a body without an id, as `jsmops:alias:<alias>`.
//!
//! # Not mapped
//!
//! * All other actions: "nothing opened or closed". `AddNote`, `AddTags`, `RemoveTags`, `AddRecipient`, `AddTeam`,
//!   `AssignOwnership`, `TakeOwnership`, `Escalate`, `Snooze`, `UpdatePriority` and others change nothing here. A custom
//!   action has the name that the user gave it, so an unknown word is one.
//! * `username`, `userId`, `recipients`, `teams` and a `source` with somebody's address are never copied.
//! * The products do not say that an alert came from PagerDuty. Do not send the alerts of PagerDuty there and back.
//! * A body without `alert` or without an id and an alias is rejected.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::outcomes::UNCHANGED;
use crate::mapping::{MapError, Mapped, json, wording};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// The webhooks of Opsgenie and Jira Service Management.
pub const SOURCE: Source = Source {
    slug: "jsmops",
    name: "Opsgenie and Jira Service Management",
    docs: "https://support.atlassian.com/jira-service-management-cloud/docs/alert-action-data-for-jira-edge-connector",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`Create`, `UnAcknowledge`",
        resolves: "`Close`, `Delete`",
        steps: "In Opsgenie, or in Jira Service Management under Operations, Integrations, add the outgoing integration Webhook with URL {url}.\n\
                Add a header: name `X-Webhook-Secret`, value the secret.\n\
                Have it post when an alert is created, acknowledged, unacknowledged, closed and deleted, and turn it on.\n\
                Tick description and details: they are sent with `Create` only.",
        template: None,
    },
    map,
    states: &["Create", "Acknowledge", "UnAcknowledge", "Close", "Delete", "AddNote", "Escalate"],
    ..Source::DEFAULT
};

const ACTIONS: &[(&str, Action)] = &[
    ("Acknowledge", Action::Acknowledge),
    ("Close", Action::Resolve),
    ("Create", Action::Trigger),
    ("Delete", Action::Resolve),
    ("UnAcknowledge", Action::Trigger),
];

/// Priorities in the older form. The others are words that everybody uses.
const PRIORITIES: &[(&str, Severity)] = &[
    ("1", Severity::Critical),
    ("2", Severity::Error),
    ("3", Severity::Warning),
    ("4", Severity::Info),
    ("5", Severity::Info),
];

const DETAILS: &[&str] = &["description", "tags", "priority", "tinyId", "alias"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let alert = payload.get("alert");
    alert.members().ok_or(MapError::Shape { expected: "an object with `action` and `alert`" })?;
    let action = payload.get("action").text().ok_or(MapError::Field { path: "action", problem: "is missing" })?;
    let Some(action) = text::lookup(ACTIONS, &action) else { return Ok(Mapped::nothing(UNCHANGED)) };
    let alias = || DedupKey::new(SOURCE.slug, &["alias", &alert.get("alias").text()?]);
    let key = alert.first_text(&["alertId", "id"]).and_then(|id| DedupKey::new(SOURCE.slug, &[&id])).or_else(alias);
    let fields = "`alert.alertId` or `alert.alias`";
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields })?;

    let severity = match alert.get("priority").text() {
        // The default is P3.
        None => Severity::Warning,
        Some(word) => {
            let known = text::lookup(PRIORITIES, &word).or_else(|| Severity::from_word(&word));
            known.unwrap_or(Severity::Error)
        }
    };
    let entity = alert.get("entity").text();
    let sender = alert.get("source").text().filter(|sender| !sender.contains('@'));
    let message = alert.get("message").text().unwrap_or_else(|| "Alert without a message".to_owned());
    let summary = wording::completed(&message, None, entity.as_slice());
    let source = entity.as_deref().or(sender.as_deref()).unwrap_or(SOURCE.name);
    let event = Event::new(action, key, severity, &summary, source)
        .component(entity.clone())
        .timestamp(alert.get("updatedAt").time().or_else(|| alert.get("createdAt").time()))
        .members(alert.get("details"))
        .details(alert, DETAILS)
        .details(payload, &["integrationName", "via=source.type"])
        .client(SOURCE.name, None);
    Ok(Mapped::one(event))
}
