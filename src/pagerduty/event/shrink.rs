//! Shrinks a JSON object to a number of bytes, step by step, and names the members that it truncated.
//!
//! The result is always valid JSON with whole characters, and one long string never costs the other members their
//! place.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

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
pub fn fit(members: &Map<String, Value>, room: usize) -> Cow<'_, Map<String, Value>> {
    if Truncation::NONE.fits(members, room) {
        return Cow::Borrowed(members);
    }
    let strings = (6..=18).rev().map(|bits| Truncation { string: 1 << bits, list: usize::MAX });
    let lists = (0..=12).rev().map(|bits| Truncation { string: 64, list: 1 << bits });
    let steps: Vec<Truncation> = strings.chain(lists).collect();
    // Each step keeps less than the one before. It is measured before anything is copied, without the note.
    let first = steps.partition_point(|step| !step.fits(members, room));
    for step in steps.get(first..).unwrap_or_default() {
        let shrunk = step.applied(members);
        if Truncation::NONE.fits(&shrunk, room) {
            return Cow::Owned(shrunk);
        }
    }
    Cow::Owned(Map::new())
}

/// The bytes of JSON text that a number has.
fn number_size(number: &Number) -> usize {
    match number.as_u64() {
        Some(whole) => whole.checked_ilog10().map_or(1, |tens| tens as usize + 1),
        None => number.to_string().len(),
    }
}

/// The bytes of JSON text that a string has, with its quotes.
fn text_size(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    };
    let is_plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    // Most texts have nothing to escape.
    2 + text.len() + if text.bytes().all(is_plain) { 0 } else { text.bytes().map(escaped).sum::<usize>() }
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
    /// The step that changes nothing.
    const NONE: Truncation = Truncation { string: usize::MAX, list: usize::MAX };

    /// Copies the members, applies the step to each, and adds the note.
    fn applied(self, members: &Map<String, Value>) -> Map<String, Value> {
        let mut names = Vec::new();
        let mut kept = Map::new();
        for (index, (name, value)) in members.iter().enumerate() {
            let mut changed = !self.keeps(index, name);
            if !changed {
                kept.insert(name.clone(), self.apply(value, &mut changed));
            }
            if changed && names.len() < NOTE_NAMES_MAX {
                names.push(Value::from(text::truncate(name, NOTE_NAME_MAX_CHARS)));
            }
        }
        kept.insert(NOTE.to_owned(), Value::Array(names));
        kept
    }

    /// Whether an object has at most `room` bytes as JSON text after the step. It reads no further than that.
    fn fits(self, members: &Map<String, Value>, room: usize) -> bool {
        self.rest(members, room).is_some()
    }

    /// The rest of `room` without the object. Returns `None` if there is not enough.
    fn rest(self, members: &Map<String, Value>, room: usize) -> Option<usize> {
        let mut kept = members.iter().enumerate().filter(|(index, (name, _))| self.keeps(*index, name));
        // Two braces, and for each member a colon and a comma, except for the last one.
        let room = (room + usize::from(!members.is_empty())).checked_sub(2)?;
        kept.try_fold(room, |room, (_, (name, value))| {
            self.rest_of_value(value, room.checked_sub(text_size(name) + 2)?)
        })
    }

    /// The same for any value.
    fn rest_of_value(self, value: &Value, room: usize) -> Option<usize> {
        match value {
            Value::Null | Value::Bool(true) => room.checked_sub(4),
            Value::Bool(false) => room.checked_sub(5),
            Value::Number(number) => room.checked_sub(number_size(number)),
            Value::String(long) if long.len() > self.string => {
                room.checked_sub(text_size(&text::truncate(long, self.string)))
            }
            Value::String(text) => room.checked_sub(text_size(text)),
            Value::Array(items) => {
                let room = (room + usize::from(!items.is_empty())).checked_sub(2)?;
                items.iter().take(self.list).try_fold(room, |room, item| self.rest_of_value(item, room)?.checked_sub(1))
            }
            Value::Object(members) => self.rest(members, room),
        }
    }

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
