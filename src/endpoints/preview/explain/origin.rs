//! The origin of a field, for people.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::payload::{PayloadPart, common, found_in, shown};

/// The most paths that are listed for one field.
const NAMED_MAX: usize = 8;

/// The fields that depend on words.
pub(super) const DECIDED: [&str; 2] = ["event_action", "payload.severity"];

/// Represents the whole event, for a part of the payload that decides whether the event exists, or which kind it is.
pub(super) const ALL: &str = "*";

/// The origin of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The field's path in the event.
    pub field: String,
    /// How its value was made.
    pub how: How,
    /// The paths in the payload that decide it.
    pub from: Vec<String>,
    /// The row of a table of words: `page → critical`.
    pub row: Option<String>,
}

/// How a field's value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The value is copied from the payload.
    Copied,
    /// Nothing in the payload decides it.
    Fallback,
    /// The value is composed, truncated or converted from values in the payload.
    Made,
    /// The event exists only with this part of the payload.
    Needed,
    /// A rule of the user's set the value.
    Rule,
    /// A word in the payload is looked up in a table.
    Table,
    /// The origin was not found.
    Unknown,
}

impl How {
    /// The value in a reply.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Copied => "copied",
            How::Fallback => "fallback",
            How::Made => "made",
            How::Needed => "needed",
            How::Rule => "rule",
            How::Table => "table",
            How::Unknown => "unknown",
        }
    }
}

/// The data for the explanation.
pub(super) struct Explainer<'a> {
    /// The whole payload, which the names of the parts refer to.
    pub(super) payload: &'a Value,
    /// The payload that `parts` are of.
    pub(super) near: &'a Value,
    pub(super) parts: &'a [PayloadPart],
    /// Whether each part is one position in the payload.
    pub(super) each: bool,
    /// Whether every part was tried.
    pub(super) tried_parts: bool,
    /// Whether the words were tried too.
    pub(super) complete: bool,
}

impl Explainer<'_> {
    /// The origins of an event's fields, for people. `of` has, for each field, the names of the parts that decide it.
    pub(super) fn origins(&self, event: &Map<String, Value>, of: &BTreeMap<String, Vec<String>>) -> Vec<Origin> {
        let kind = of.contains_key(ALL).then_some((ALL, &Value::Null));
        let fields = event.iter().map(|(field, value)| (field.as_str(), value));
        fields.chain(kind).map(|(field, value)| self.origin(field, value, of)).collect()
    }

    fn origin(&self, field: &str, value: &Value, of: &BTreeMap<String, Vec<String>>) -> Origin {
        let names: Vec<&str> = of.get(field).into_iter().flatten().map(String::as_str).collect();
        let value_of = |name: &str| {
            // If the part covers all items of a list, it is unknown which item's value was used. An equal one serves as
            // well.
            let part = self.parts.iter().find(|part| part.name == name)?;
            if self.each { Some(part.value.clone()) } else { found_in(self.near, &part.path, value) }
        };
        let (mut how, mut row) = (How::Made, None);
        let mut from: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match names.as_slice() {
            [] if self.complete || self.tried_parts && !DECIDED.contains(&field) => how = How::Fallback,
            [] => how = How::Unknown,
            _ if field == ALL => how = How::Needed,
            _ if DECIDED.contains(&field) => {
                how = How::Table;
                if let ([only], true) = (names.as_slice(), self.each) {
                    let word = value_of(only).map(|word| shown(&word)).unwrap_or_default();
                    row = (!word.is_empty()).then(|| [&word, " → ", &shown(value)].concat());
                }
            }
            [only] if value_of(only).is_some_and(|part| shown(&part) == shown(value)) => how = How::Copied,
            _ => {
                if let Some((above, whole)) = common(&names, self.payload) {
                    if whole == value {
                        (how, from) = (How::Copied, vec![above]);
                    } else if names.len() > NAMED_MAX {
                        from = vec![above];
                    }
                }
            }
        }
        from.truncate(NAMED_MAX);
        Origin { field: field.to_owned(), how, from, row }
    }
}
