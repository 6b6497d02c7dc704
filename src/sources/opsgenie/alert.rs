//! The body of a create to a trigger.

use serde_json::{Map, Value};

use super::name::Name;
use crate::http::url;
use crate::json::Node;
use crate::mapping::MapError;
use crate::pagerduty::event::{Action, Event, Severity};

/// Members that become details of the same name. `recipients` is of version 1.
const DETAILS: &[&str] =
    &["actions", "description", "note", "priority", "recipients", "responders", "tags", "teams", "user", "visibleTo"];

/// The severity of an alert without a priority: that of P3, which Opsgenie gives it.
const DEFAULT: Severity = Severity::Warning;

/// Builds the trigger. `slug` is the source of an event that names neither an entity nor a source.
///
/// # Errors
/// Returns [`MapError`] if the alert has no message.
pub fn trigger(body: Node<'_>, name: &Name, slug: &str) -> Result<Event, MapError> {
    let text = |member: &str| body.get(member).text();
    let message = text("message").ok_or(MapError::Field { path: "message", problem: "is missing or blank" })?;
    let (severity, unknown) = match text("priority") {
        None => (DEFAULT, None),
        Some(word) => match Severity::from_word(&word) {
            Some(severity) => (severity, None),
            None => (Severity::Error, Some(word)),
        },
    };
    let (entity, sender) = (text("entity"), text("source"));
    // Alertmanager writes its own URL there.
    let host = sender.as_deref().and_then(url::url_host).map(str::to_owned);
    let url = sender.clone().filter(|_| host.is_some());
    let client = host.or(sender);
    let source_field = entity.as_deref().or(client.as_deref()).unwrap_or(slug);
    let event = Event::new(Action::Trigger, name.key().clone(), severity, &message, source_field)
        .component(entity.clone())
        .client(client.as_deref().unwrap_or_default(), url)
        .members(Node::root(&sender_details(body)))
        .details(body, DETAILS);
    Ok(match unknown {
        Some(word) => event.detail("severity_given", word.into()),
        None => event,
    })
}

/// The sender's own details. A member whose name another detail has is in `details`.
fn sender_details(body: Node<'_>) -> Value {
    let details = body.get("details");
    let Some(members) = details.members() else {
        return crate::json::object([("details", details.value().cloned().into())]);
    };
    let taken = |name: &str| DETAILS.contains(&name) && body.get(name).value().is_some();
    let (taken, mut free): (Map<String, Value>, Map<String, Value>) =
        members.clone().into_iter().partition(|(name, _)| taken(name));
    if !taken.is_empty() {
        // The sender's own member of this name, if it has one, is then beside the others.
        let own = free.remove("details");
        let taken = taken.into_iter().chain(own.map(|own| ("details".to_owned(), own))).collect();
        free.insert("details".to_owned(), Value::Object(taken));
    }
    Value::Object(free)
}
