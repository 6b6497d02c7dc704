//! Template variables that the sender has not expanded.

use serde_json::Value;

use super::{MapError, Mapped};
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};

/// Maps a payload that has no field to identify its alert. If it contains unexpanded template variables, any alert may
/// be hidden behind them, so one alert reports that, with the same key for all such payloads. `slug` and `name` are the
/// source's.
///
/// # Errors
/// Returns [`MapError`] if the payload contains no such variables. `fields` are the fields that would identify an
/// alert.
pub fn unidentified((slug, name): (&str, &str), payload: &Value, fields: &'static str) -> Result<Mapped, MapError> {
    let summary = format!("{} is sending unexpanded template variables; alerts may be hidden behind them", name);
    // Not the other values: they may be secret.
    let members = Node::root(payload).members().into_iter().flatten();
    let unfilled = members.filter(|(_, value)| value.as_str().is_some_and(is_unexpanded_variable));
    let unfilled: Vec<Value> = unfilled.map(|(_, value)| value.clone()).collect();
    if unfilled.is_empty() {
        return Err(MapError::NoIdentity { item: String::new(), fields });
    }
    let key = DedupKey::own(slug, "unfilled");
    let event = Event::new(Action::Trigger, key, Severity::Error, &summary, name);
    Ok(Mapped::one(event.class(Some("unfilled".to_owned())).detail("variables", unfilled.into())))
}

/// Whether a text is an unexpanded template variable: `$NAME`, `${any expression}`, `{NAME}`, `{{name}}`, `*name*`, `|NAME|`,
/// `[TWO_WORDS]`, `##NAME##`. Alerts that share one would share a dedup key. A name in braces with a hyphen in it is a
/// GUID instead, and a single word in brackets can be ordinary text.
pub fn is_unexpanded_variable(text: &str) -> bool {
    let text = text.trim();
    let within = |open: &str, close: &str| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    let name = |inner: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '#' | '/');
        inner.chars().all(plain) && inner.contains(|c: char| c.is_ascii_alphabetic())
    };
    let upper = |inner: &str| {
        inner.contains('_') && inner.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let braced = text.trim_start_matches('$').strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let expression = |inner: &str| !inner.is_empty() && !inner.contains(['{', '}']);
    within("${", "}").is_some_and(expression)
        || text.strip_prefix('$').is_some_and(|rest| name(rest) && !rest.starts_with(|c: char| c.is_ascii_digit()))
        || braced.is_some_and(|inner| name(inner) || inner.starts_with('{') && inner.ends_with('}'))
        || within("*", "*").is_some_and(name)
        || within("|", "|").is_some_and(name)
        || within("##", "##").is_some_and(name)
        || within("[", "]").is_some_and(upper)
}

/// Removes the unexpanded variables from a payload: they become `null`.
pub fn without_unexpanded(value: Value) -> Value {
    match value {
        Value::String(text) if is_unexpanded_variable(&text) => Value::Null,
        Value::Array(items) => items.into_iter().map(without_unexpanded).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, without_unexpanded(value))).collect())
        }
        other => other,
    }
}
