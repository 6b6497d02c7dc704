//! Shrinks a JSON object to a number of bytes, step by step, and names the members that it truncated.
//!
//! The result is always valid JSON with whole characters, and one long string never costs the other members their
//! place.

use serde_json::{Map, Value};

use crate::text;

/// The member that names the truncated members.
const NOTE: &str = "shortened_to_fit";

/// How many truncated members are named, and how much of each name is kept. The sender chooses the names, and there can
/// be many.
const NOTE_NAMES_MAX: usize = 20;
const NOTE_NAME_MAX_CHARS: usize = 64;

/// The longest member name that the last steps keep, in bytes.
const NAME_MAX_BYTES: usize = 256;

/// The longest string and the longest list or object that one step keeps.
#[derive(Clone, Copy)]
struct Truncation {
    string: usize,
    list: usize,
}

/// Shrinks `members` to at most `room` bytes of JSON: first the longest strings, by halves, then the longest lists.
///
/// The last step keeps only a chain of single members, so some step is always enough.
pub fn fit(members: &Map<String, Value>, room: usize) -> Map<String, Value> {
    let strings = (6..=18).rev().map(|bits| Truncation { string: 1 << bits, list: usize::MAX });
    let lists = (0..=12).rev().map(|bits| Truncation { string: 64, list: 1 << bits });
    let mut fitting = members.clone();
    let mut steps = strings.chain(lists);
    while size(&fitting) > room {
        let Some(cut) = steps.next() else { return Map::new() };
        let mut names = Vec::new();
        fitting = Map::new();
        for (index, (name, value)) in members.iter().enumerate() {
            let mut changed = !cut.keeps(index, name);
            if !changed {
                fitting.insert(name.clone(), cut.apply(value, &mut changed));
            }
            if changed && names.len() < NOTE_NAMES_MAX {
                names.push(Value::from(text::truncate(name, NOTE_NAME_MAX_CHARS)));
            }
        }
        fitting.insert(NOTE.to_owned(), Value::Array(names));
    }
    fitting
}

/// The size of an object as JSON text.
pub fn size(members: &Map<String, Value>) -> usize {
    serde_json::to_vec(members).map_or(usize::MAX, |text| text.len())
}

/// About how many bytes an object takes, as JSON or in memory: its texts, and a constant for each value and each name.
pub fn weight(members: &Map<String, Value>) -> usize {
    let inside = members.iter().map(|(name, value)| VALUE_BYTES + name.len() + weight_of(value));
    if members.is_empty() { 0 } else { OBJECT_BYTES + inside.sum::<usize>() }
}

/// The same for any value.
pub fn weight_of(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::Array(items) => items.iter().map(weight_of).sum(),
            Value::Bool(_) | Value::Null | Value::Number(_) => 0,
            Value::Object(members) => weight(members),
            Value::String(text) => text.len(),
        }
}

/// What a value and an object take in memory, in bytes, apart from what they contain. An object has room for eleven members
/// from the start.
const VALUE_BYTES: usize = 16;
const OBJECT_BYTES: usize = 256;

impl Truncation {
    /// Copies a value and applies the step to it and to everything below it. Sets `changed` if this removed something.
    fn apply(self, value: &Value, changed: &mut bool) -> Value {
        match value {
            Value::String(long) if long.len() > self.string => {
                let cut = text::truncate(long, self.string);
                *changed |= cut.len() < long.len();
                Value::String(cut.into_owned())
            }
            Value::Array(items) => {
                *changed |= items.len() > self.list;
                Value::Array(items.iter().take(self.list).map(|item| self.apply(item, changed)).collect())
            }
            Value::Object(members) => {
                let mut kept = Map::new();
                for (index, (name, member)) in members.iter().enumerate() {
                    if self.keeps(index, name) {
                        kept.insert(name.clone(), self.apply(member, changed));
                    } else {
                        *changed = true;
                    }
                }
                Value::Object(kept)
            }
            Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    /// Whether an object keeps its member at this position with this name.
    fn keeps(self, index: usize, name: &str) -> bool {
        index < self.list && (self.list == usize::MAX || name.len() <= NAME_MAX_BYTES)
    }
}
