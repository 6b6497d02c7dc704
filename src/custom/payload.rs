//! A payload as the engine sees it. Its tree is taken apart and put together once; nothing of it is copied after that but
//! what a template writes.

use std::cmp::Ordering;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering as Memory};

use minijinja::value::{DynObject, Enumerator, Object, ObjectExt as _, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::json;

/// The longest text that one expression makes, in bytes.
pub(super) const TEXT_MAX_BYTES: usize = 64 * 1024;

/// The error for a longer text.
pub(super) const TOO_LONG: &str = "makes more than 64 kib of text";

/// How names begin that only the relay uses in a template, see [`hooks`](super::hooks).
pub(super) const RESERVED: &str = "__relay_";

/// How deep a value may nest that becomes part of an event.
pub(super) const DEPTH_MAX: usize = 64;

/// How many bytes of a member's name cost a step when it is looked up.
const LONG_BYTES: usize = 256;

/// What the evaluation of one text shares with the values that it works on.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Whether the text is one that decides which alerts are the same, or whether there is one.
    pub(super) strict: AtomicBool,
    /// How many bytes of lists and objects were written as text.
    pub(super) written: AtomicUsize,
    /// How many more steps may be taken where the engine does not count them.
    uncounted: AtomicUsize,
    /// How many of them were taken.
    spent: AtomicUsize,
    /// How many steps all texts took, of both kinds.
    pub(super) taken: AtomicU64,
}

impl Limits {
    /// Begins a text that may take so many steps.
    pub(super) fn reset(&self, strict: bool, steps: u64) {
        self.strict.store(strict, Memory::Relaxed);
        self.written.store(0, Memory::Relaxed);
        self.uncounted.store(usize::try_from(steps).unwrap_or(usize::MAX), Memory::Relaxed);
        self.spent.store(0, Memory::Relaxed);
    }

    /// Takes steps that the engine does not count. Returns whether there were enough.
    fn spend(&self, steps: usize) -> bool {
        if steps == 0 {
            return true;
        }
        let spent = self.spent.fetch_add(steps, Memory::Relaxed).saturating_add(steps);
        spent < self.uncounted.load(Memory::Relaxed)
    }

    /// How many steps were taken that the engine did not count.
    pub(super) fn spent(&self) -> u64 {
        u64::try_from(self.spent.load(Memory::Relaxed)).unwrap_or(u64::MAX)
    }

    pub(super) fn strict(&self) -> bool {
        self.strict.load(Memory::Relaxed)
    }

    /// Whether more text was written than one expression may make.
    pub(super) fn exceeded(&self) -> bool {
        self.written.load(Memory::Relaxed) > TEXT_MAX_BYTES
    }
}

/// A list or an object of a JSON document. What it weighs and how its texts look to the engine is worked out once, so that
/// a template that uses it again does no work that grows with it.
pub(super) struct Json {
    content: Content,
    /// As [`weight`] of the value that it was made of.
    weight: usize,
    limits: Arc<Limits>,
}

enum Content {
    List(Vec<Item>),
    /// In the order of the names.
    Object(Vec<(minijinja::Value, Item)>),
}

enum Item {
    /// A text, a flag or `null`.
    Plain(minijinja::Value),
    Number(serde_json::Number),
    Container(Arc<Json>),
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }
}

/// A JSON document as a value of the engine.
pub(super) fn value(root: Value, limits: &Arc<Limits>) -> minijinja::Value {
    Item::new(root, limits).value()
}

impl Item {
    fn new(value: Value, limits: &Arc<Limits>) -> Item {
        let container = |content: Content| {
            let items: usize = match &content {
                Content::List(items) => items.iter().map(Item::weight).sum(),
                Content::Object(members) => {
                    members.iter().map(|(name, item)| name.as_str().map_or(0, str::len) + item.weight()).sum()
                }
            };
            Item::Container(Arc::new(Json { content, weight: 8 + items, limits: limits.clone() }))
        };
        match value {
            Value::Null => Item::Plain(minijinja::Value::from(())),
            Value::Bool(flag) => Item::Plain(minijinja::Value::from(flag)),
            Value::Number(number) => Item::Number(number),
            Value::String(text) => Item::Plain(minijinja::Value::from(text)),
            Value::Array(items) => {
                container(Content::List(items.into_iter().map(|item| Item::new(item, limits)).collect()))
            }
            Value::Object(members) => container(Content::Object(
                members
                    .into_iter()
                    .map(|(name, item)| (minijinja::Value::from(name), Item::new(item, limits)))
                    .collect(),
            )),
        }
    }

    /// Roughly the bytes in memory.
    fn weight(&self) -> usize {
        match self {
            Item::Plain(value) => 8 + value.as_str().map_or(0, str::len),
            Item::Number(_) => 8,
            Item::Container(json) => json.weight,
        }
    }

    fn value(&self) -> minijinja::Value {
        match self {
            Item::Plain(value) => value.clone(),
            Item::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => minijinja::Value::from(number),
                (_, Some(number), _) => minijinja::Value::from(number),
                (.., number) => minijinja::Value::from(number.unwrap_or_default()),
            },
            Item::Container(json) => minijinja::Value::from_dyn_object(json.clone()),
        }
    }

    fn json(&self) -> Value {
        match self {
            Item::Plain(value) => match value.as_str() {
                Some(text) => text.into(),
                None if value.is_none() => Value::Null,
                None => value.is_true().into(),
            },
            Item::Number(number) => Value::Number(number.clone()),
            Item::Container(json) => json.json(),
        }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        match (self, other) {
            (Item::Plain(value), Item::Plain(other)) => value == other,
            (Item::Number(number), Item::Number(other)) => number == other,
            (Item::Container(json), Item::Container(other)) => json.equals(other),
            _ => false,
        }
    }
}

impl Json {
    /// Roughly its bytes in memory.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// A copy as JSON.
    fn json(&self) -> Value {
        match &self.content {
            Content::List(items) => items.iter().map(Item::json).collect(),
            Content::Object(members) => {
                let named = |(name, item): &(minijinja::Value, Item)| {
                    (name.as_str().unwrap_or_default().to_owned(), item.json())
                };
                Value::Object(members.iter().map(named).collect())
            }
        }
    }

    fn equals(&self, other: &Json) -> bool {
        self.weight == other.weight
            && match (&self.content, &other.content) {
                (Content::List(items), Content::List(others)) => items == others,
                (Content::Object(members), Content::Object(others)) => members == others,
                _ => false,
            }
    }
}

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if matches!(self.content, Content::List(_)) { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        match &self.content {
            Content::List(items) => Some(items.get(key.as_usize()?)?.value()),
            Content::Object(_) => self.get_value_by_str(key.as_str()?),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        let Content::Object(members) = &self.content else { return None };
        // A long name costs its comparisons.
        if !self.limits.spend(key.len() / LONG_BYTES) {
            return Some(minijinja::Value::from(Error::from(ErrorKind::OutOfFuel)));
        }
        let place = members.binary_search_by(|(name, _)| name.as_str().unwrap_or_default().cmp(key)).ok()?;
        members.get(place).map(|(_, item)| item.value())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match &self.content {
            Content::List(items) => Enumerator::Seq(items.len()),
            Content::Object(_) => self.mapped_key_value_enumerator(|this| {
                let members = match &this.content {
                    Content::Object(members) => members.as_slice(),
                    Content::List(_) => &[],
                };
                Box::new(members.iter().map(|(name, item)| (name.clone(), item.value())))
            }),
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(match &self.content {
            Content::List(items) => items.len(),
            Content::Object(members) => members.len(),
        })
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        self.equals(other.downcast_ref::<Json>()?).then_some(Ordering::Equal)
    }

    /// As JSON. What one expression writes in excess of its bound is left out, and the expression is rejected afterwards.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.limits.exceeded() {
            let text = written(self);
            self.limits.written.fetch_add(text.as_ref().map_or(TEXT_MAX_BYTES + 1, String::len), Memory::Relaxed);
            f.write_str(&text.unwrap_or_default())?;
        }
        Ok(())
    }
}

/// What names mean in one evaluation: the payload's members, and `payload`, `headers`, `item` and `index`.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) payload: minijinja::Value,
    pub(super) headers: minijinja::Value,
    /// The item of a list and its place.
    pub(super) item: Option<(minijinja::Value, usize)>,
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        match (name, &self.item) {
            _ if name.starts_with(RESERVED) => None,
            ("payload", _) => Some(self.payload.clone()),
            ("headers", _) => Some(self.headers.clone()),
            ("item", Some((item, _))) => Some(item.clone()),
            ("index", Some((_, index))) => Some(minijinja::Value::from(*index)),
            _ => self.payload.as_object().filter(|object| object.repr() == ObjectRepr::Map)?.get_value_by_str(name),
        }
    }
}

/// A text that grows no longer than `max` bytes.
pub(super) struct Bounded {
    pub(super) text: Vec<u8>,
    pub(super) max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.text.len() + bytes.len() > self.max {
            return Err(io::Error::other(TOO_LONG));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Roughly the bytes of a value in memory.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => items.iter().map(weight).fold(8, usize::saturating_add),
        Value::Object(members) => {
            members.iter().fold(8, |sum, (name, member)| sum.saturating_add(name.len() + weight(member)))
        }
    }
}

/// As [`bounded`], of a part of the payload.
fn written(json: &Json) -> Option<String> {
    if json.weight > 8 * TEXT_MAX_BYTES { None } else { bounded(&json.json()) }
}

/// A value as JSON text, unless that is too long.
fn bounded(value: &Value) -> Option<String> {
    // The weight counts some bytes for each value that are not written: a list of `1` weighs four times its text.
    if weight(value) > 8 * TEXT_MAX_BYTES {
        return None;
    }
    String::from_utf8(json::encode(value)).ok().filter(|text| text.len() <= TEXT_MAX_BYTES)
}

/// The error for an undefined value that is used. The engine adds which expression it came from.
pub(super) fn undefined(value: &minijinja::Value) -> Error {
    value.get_attr("").err().unwrap_or_else(|| Error::from(ErrorKind::UndefinedError))
}

/// Looks for an undefined value in lists and objects that a template made.
///
/// # Errors
/// Returns the engine's error if there is one, or if the value nests too deep.
pub(super) fn defined(value: &minijinja::Value, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::Seq | ValueKind::Map if value.downcast_object_ref::<Json>().is_some() => Ok(()),
        ValueKind::Seq | ValueKind::Map if depth == 0 => Err(Error::new(ErrorKind::InvalidOperation, "nests too deep")),
        ValueKind::Seq => value.try_iter()?.checked().try_for_each(|item| defined(&item?, depth - 1)),
        ValueKind::Map => value.try_iter()?.checked().try_for_each(|name| defined(&value.get_item(&name?)?, depth - 1)),
        _ => Ok(()),
    }
}

/// A value of the engine as JSON. `room` is how many bytes may still be made.
///
/// # Errors
/// Returns the engine's error if the value, or a part of it, is undefined, no data, too large or too deep.
pub(super) fn to_json(value: &minijinja::Value, room: &mut usize) -> Result<Value, Error> {
    convert(value, room, DEPTH_MAX)
}

fn convert(value: &minijinja::Value, room: &mut usize, depth: usize) -> Result<Value, Error> {
    let fail = |why: &'static str| Err(Error::new(ErrorKind::InvalidOperation, why));
    let mut take = |bytes: usize| match room.checked_sub(bytes) {
        Some(left) => {
            *room = left;
            Ok(())
        }
        None => {
            *room = 0;
            Err(Error::new(ErrorKind::InvalidOperation, "makes too much data"))
        }
    };
    if let Some(json) = value.downcast_object_ref::<Json>() {
        take(json.weight)?;
        return Ok(json.json());
    }
    if let Some(text) = value.as_str() {
        take(8 + text.len())?;
        return Ok(text.into());
    }
    take(8)?;
    match value.kind() {
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(value.is_true().into()),
        ValueKind::Number => match (value.is_integer(), value.as_i64(), u64::try_from(value.clone())) {
            (true, Some(number), _) => Ok(number.into()),
            (true, None, Ok(number)) => Ok(number.into()),
            // JSON has the digits, but its readers would not keep them.
            (true, None, Err(_)) => Ok(value.to_string().into()),
            _ => match f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64) {
                Some(number) => Ok(number.into()),
                None => fail("is not a number that JSON can express"),
            },
        },
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth == 0 => fail("nests too deep"),
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in value.try_iter()?.checked() {
                items.push(convert(&item?, room, depth - 1)?);
            }
            Ok(items.into())
        }
        ValueKind::Map => {
            let mut members = Map::new();
            for name in value.try_iter()?.checked() {
                let name = name?;
                let text = name.to_string();
                members.insert(text, convert(&value.get_item(&name)?, room, depth - 1)?);
            }
            Ok(members.into())
        }
        ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, value.to_string())),
        _ => fail("is not data"),
    }
}

/// A value as the text that stands for it: a text as it is, `none` as nothing, lists and objects as JSON.
///
/// # Errors
/// As [`to_json`].
pub(super) fn to_text(value: &minijinja::Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(undefined(value)),
        ValueKind::None => Ok(String::new()),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            let too_long = || Error::new(ErrorKind::InvalidOperation, TOO_LONG);
            if let Some(json) = value.downcast_object_ref::<Json>() {
                return written(json).ok_or_else(too_long);
            }
            let json = to_json(value, &mut { 16 * TEXT_MAX_BYTES })?;
            bounded(&json).ok_or_else(too_long)
        }
        ValueKind::Plain | ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, "is not data")),
        _ => {
            let mut text = String::new();
            write!(text, "{value}")?;
            Ok(text)
        }
    }
}
