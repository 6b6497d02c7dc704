//! Cuts a JSON object down to a number of bytes, a little at a time, and says what it cut.
//!
//! What is left stays whole JSON with whole characters, and one long string never costs the others their place.

use serde_json::{Map, Value};

use crate::text;

/// The member that names what was cut.
const NOTE: &str = "shortened_to_fit";

/// How many cut members are named, and how much of each name is kept: names are the sender's and can be many.
const NOTE_NAMES_MAX: usize = 20;
const NOTE_NAME_MAX_CHARS: usize = 64;

/// The longest member name that survives the last steps, in bytes.
const NAME_MAX_BYTES: usize = 256;

/// The longest string and the longest list or object that one step leaves.
#[derive(Clone, Copy)]
struct Truncation {
    string: usize,
    list: usize,
}

/// `members` in at most `room` bytes of JSON: the longest strings go first, by halves, then the longest lists.
///
/// The last step leaves no more than a chain of single members, so there is always one that suffices.
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

impl Truncation {
    /// A copy of a value with the step applied to it and to all below; `changed` is set where that took something away.
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

    /// Whether an object keeps its member at this place with this name.
    fn keeps(self, index: usize, name: &str) -> bool {
        index < self.list && (self.list == usize::MAX || name.len() <= NAME_MAX_BYTES)
    }
}
