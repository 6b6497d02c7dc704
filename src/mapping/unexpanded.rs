//! Variables of a template that nobody has filled in.

use serde_json::{Map, Value};

use super::{MapError, Mapped};
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};

/// What to make of a payload with nothing in it to identify an alert by. Where a template's variables were not filled
/// in, any alert may be behind it: an alert says so, the same for all of them. `slug` and `name` are the source's.
///
/// # Errors
/// There are no such variables. `fields` are those that could have identified an alert.
pub fn unidentified((slug, name): (&str, &str), payload: &Value, fields: &'static str) -> Result<Mapped, MapError> {
    let summary = format!("{} is sending unexpanded template variables; alerts may be hidden behind them", name);
    // Not what is filled in: it may be a secret.
    let members = Node::root(payload).members().into_iter().flatten();
    let unfilled = members.filter(|(_, value)| value.as_str().is_some_and(is_unexpanded_variable));
    let unfilled: Vec<Value> = unfilled.map(|(_, value)| value.clone()).collect();
    match DedupKey::new(slug, &["unfilled"]).filter(|_| !unfilled.is_empty()) {
        Some(key) => {
            let event = Event::new(Action::Trigger, key, Severity::Error, &summary, name);
            Ok(Mapped::one(event.class(Some("unfilled".to_owned())).detail("variables", unfilled.into())))
        }
        None => Err(MapError::NoIdentity { item: String::new(), fields }),
    }
}

/// Whether a text is a template's variable that nobody has filled in: `$NAME`, `${name}`, `{NAME}`, `{{name}}`, `*name*`,
/// `[TWO_WORDS]`, `##NAME##`. Alerts that share one would share a dedup key. A name in braces that has a hyphen in it is a
/// GUID, one word in brackets may be anybody's.
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
    text.strip_prefix('$').is_some_and(|rest| name(rest) && !rest.starts_with(|c: char| c.is_ascii_digit()))
        || braced.is_some_and(|inner| name(inner) || inner.starts_with('{') && inner.ends_with('}'))
        || within("*", "*").is_some_and(name)
        || within("##", "##").is_some_and(name)
        || within("[", "]").is_some_and(upper)
}

/// A payload without its unfilled variables: they read as nothing.
pub fn without_unexpanded(value: Value) -> Value {
    match value {
        Value::String(text) if is_unexpanded_variable(&text) => Value::Null,
        Value::Array(items) => items.into_iter().map(without_unexpanded).collect(),
        Value::Object(members) => {
            let mut kept = Map::new();
            for (name, value) in members {
                kept.insert(name, without_unexpanded(value));
            }
            Value::Object(kept)
        }
        other => other,
    }
}
