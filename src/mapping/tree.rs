//! Parses JSON in one pass that also notices what needs a second look: duplicate members, too many values, and numbers
//! that may have lost digits.

use std::cell::Cell;
use std::fmt;

use serde_core::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// A parsed text.
pub(super) struct Tree {
    /// The text as a value. Numbers may have lost digits, and of two members of one name only the last is there.
    pub(super) value: Value,
    /// Whether the text has a number that may have lost digits, or two members of one name.
    pub(super) in_doubt: bool,
}

/// Parses text as JSON. Returns `None` if it is not JSON, nests deeper than 127 levels or has more than `values` values.
///
/// The members of an object are put into their order at once: one by one, each would be compared with others.
pub(super) fn parse(text: &[u8], values: usize) -> Option<Tree> {
    let seen = Seen { left: Cell::new(values), in_doubt: Cell::new(false) };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Next(&seen).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(Tree { value, in_doubt: seen.in_doubt.get() })
}

/// The findings in a text so far.
struct Seen {
    /// How many values may follow.
    left: Cell<usize>,
    in_doubt: Cell<bool>,
}

/// Reads the next value of a text.
#[derive(Clone, Copy)]
struct Next<'a>(&'a Seen);

impl<'de> DeserializeSeed<'de> for Next<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.0.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Next<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        self.0.in_doubt.set(true);
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut list: Vec<(String, Value)> = Vec::new();
        while let Some(name) = members.next_key()? {
            list.push((name, members.next_value_seed(self)?));
        }
        let count = list.len();
        let object: Map<String, Value> = list.into_iter().collect();
        if object.len() < count {
            self.0.in_doubt.set(true);
        }
        Ok(object.into())
    }
}
