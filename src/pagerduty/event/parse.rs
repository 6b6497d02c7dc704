//! Parses events that somebody else wrote as JSON, and applies the limits to them.

use serde_json::Value;

use super::{Action, DedupKey, Event, Severity};
use crate::json::Node;

/// Why the JSON is not a valid event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The invalid member.
    pub path: &'static str,
    /// The problem with it.
    pub problem: &'static str,
}

/// Parses `event_action`, ignoring case. `change` is our own extension: PagerDuty has a separate URL for change events
/// instead.
///
/// # Errors
/// Returns [`Unreadable`] if the member is missing or has an unknown value.
pub fn action(event: Node<'_>, with_changes: bool) -> Result<Action, Unreadable> {
    let refuse = |problem| Err(Unreadable { path: "event_action", problem });
    match event.get("event_action").text().map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("acknowledge") => Ok(Action::Acknowledge),
        Some("change") if with_changes => Ok(Action::Change),
        Some("resolve") => Ok(Action::Resolve),
        Some("trigger") => Ok(Action::Trigger),
        Some(_) => refuse("must be trigger, acknowledge or resolve"),
        None => refuse("is missing"),
    }
}

/// Builds the event with this action and key. Without a key it is a change. `source_field` is the default for a missing
/// `payload.source`.
///
/// # Errors
/// Returns [`Unreadable`] if a trigger or a change has no summary.
pub fn parse(event: Node<'_>, action: Action, key: Option<DedupKey>, source_field: &str) -> Result<Event, Unreadable> {
    let payload = event.get("payload");
    let summary = payload.get("summary").text();
    if matches!(action, Action::Trigger | Action::Change) && summary.is_none() {
        return Err(Unreadable { path: "payload.summary", problem: "is missing or blank" });
    }
    if let (Some(key), None) = (&key, payload.value()) {
        return Ok(Event::bare(action, key.clone()));
    }
    let word = payload.get("severity").text();
    let severity = word.as_deref().and_then(Severity::from_word);
    // The parser corrects the case and the spelling of a severity silently. If it has to choose a severity itself, the
    // details say so.
    let made_up = severity.is_none() && action != Action::Change;
    let sender = event.get("client").text();
    let source_field =
        payload.get("source").text().or_else(|| sender.clone()).unwrap_or_else(|| source_field.to_owned());
    let summary = summary.unwrap_or_else(|| [action.as_str(), " from ", &source_field].concat());
    let made = match key {
        Some(key) => Event::new(action, key, severity.unwrap_or(Severity::Error), &summary, &source_field),
        None => Event::change(&summary, &source_field),
    };
    let made = made
        .component(payload.get("component").text())
        .group(payload.get("group").text())
        .class(payload.get("class").text())
        .timestamp(payload.get("timestamp").text())
        .client(&sender.unwrap_or_default(), event.get("client_url").text());
    let made = match payload.get("custom_details").value() {
        Some(Value::Object(_)) => made.members(payload.get("custom_details")),
        Some(other) => made.detail("details", other.clone()),
        None => made,
    };
    let made =
        if made_up { made.detail("severity_given", word.unwrap_or("(missing)".to_owned()).into()) } else { made };
    let listed = |name: &str| [event.get(name), payload.get(name)].into_iter().filter_map(Node::items).flatten();
    let text = |item: &Value, name: &str| Node::root(item).get(name).text();
    let made =
        listed("links").fold(made, |made, link| made.link(&text(link, "text").unwrap_or_default(), text(link, "href")));
    Ok(listed("images").fold(made, |made, image| {
        made.image(text(image, "src"), text(image, "href"), &text(image, "alt").unwrap_or_default())
    }))
}
