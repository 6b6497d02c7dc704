//! An event that somebody else wrote as JSON, made to hold to the limits.

use serde_json::Value;

use super::{Action, DedupKey, Event, Severity};
use crate::json::Node;

/// Why what was written is no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The member to look at.
    pub path: &'static str,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What `event_action` says, in any case. `change` is not PagerDuty's word: its change events have an address instead.
///
/// # Errors
/// It is missing, or none of the words.
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

/// The event with this action and key; without a key it is a change. `place` stands in where no source is named.
///
/// # Errors
/// A trigger has no summary.
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
    // Its case and its spelling may be mended without a word; a severity that is made up is said to be.
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
