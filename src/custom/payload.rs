//! A payload as the engine sees it. Nothing of it is copied but the texts that a template asks for, and each of these once.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Memory};
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::value::{DynObject, Enumerator, Object, ObjectExt as _, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value};

use crate::json;

/// The longest text that one expression makes, in bytes.
pub(super) const TEXT_MAX_BYTES: usize = 64 * 1024;

/// The error for a longer text.
pub(super) const TOO_LONG: &str = "makes more than 64 kib of text";

/// How deep a value may nest that becomes part of an event.
pub(super) const DEPTH_MAX: usize = 64;

/// What the evaluation of one text shares with the values that it works on.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// Whether the text is one that decides which alerts are the same, or whether there is one.
    pub(super) strict: AtomicBool,
    /// How many bytes of lists and objects were written as text.
    pub(super) written: AtomicUsize,
}

impl Limits {
    pub(super) fn reset(&self, strict: bool) {
        self.strict.store(strict, Memory::Relaxed);
        self.written.store(0, Memory::Relaxed);
    }

    pub(super) fn strict(&self) -> bool {
        self.strict.load(Memory::Relaxed)
    }

    /// Whether more text was written than one expression may make.
    pub(super) fn exceeded(&self) -> bool {
        self.written.load(Memory::Relaxed) > TEXT_MAX_BYTES
    }
}

/// A whole JSON document.
#[derive(Debug)]
struct Document {
    root: Value,
    limits: Arc<Limits>,
    /// The texts that were asked for, by their address. The document does not change.
    texts: Mutex<BTreeMap<usize, minijinja::Value>>,
}

#[derive(Clone)]
enum Step {
    Index(usize),
    Name(Arc<str>),
}

/// A list or an object in a document.
#[derive(Clone)]
pub(super) struct Json {
    document: Arc<Document>,
    path: Vec<Step>,
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }
}

/// A JSON document as a value of the engine.
pub(super) fn value(root: Value, limits: Arc<Limits>) -> minijinja::Value {
    let document = Arc::new(Document { root, limits, texts: Mutex::default() });
    let json = Json { document: document.clone(), path: Vec::new() };
    match &document.root {
        Value::Array(_) | Value::Object(_) => minijinja::Value::from_object(json),
        scalar => json.child(scalar, || Step::Index(0)),
    }
}

impl Json {
    /// What it stands for in the document.
    fn node(&self) -> &Value {
        self.path.iter().fold(&self.document.root, |node, step| {
            let next = match step {
                Step::Index(index) => node.get(index),
                Step::Name(name) => node.get(&**name),
            };
            next.unwrap_or(&Value::Null)
        })
    }

    fn child(&self, node: &Value, step: impl FnOnce() -> Step) -> minijinja::Value {
        match node {
            Value::Null => minijinja::Value::from(()),
            Value::Bool(flag) => minijinja::Value::from(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => minijinja::Value::from(number),
                (_, Some(number), _) => minijinja::Value::from(number),
                (.., number) => minijinja::Value::from(number.unwrap_or_default()),
            },
            Value::String(text) => {
                let mut texts = self.document.texts.lock().unwrap_or_else(PoisonError::into_inner);
                texts.entry(text.as_ptr().addr()).or_insert_with(|| minijinja::Value::from(text.as_str())).clone()
            }
            Value::Array(_) | Value::Object(_) => {
                let mut path = self.path.clone();
                path.push(step());
                minijinja::Value::from_object(Json { document: self.document.clone(), path })
            }
        }
    }
}

impl Object for Json {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.node().is_array() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        match self.node() {
            Value::Array(items) => {
                let index = key.as_usize()?;
                Some(self.child(items.get(index)?, || Step::Index(index)))
            }
            _ => self.get_value_by_str(key.as_str()?),
        }
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<minijinja::Value> {
        Some(self.child(self.node().get(key)?, || Step::Name(key.into())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.node() {
            Value::Array(items) => Enumerator::Seq(items.len()),
            _ => self.mapped_key_value_enumerator(|this| {
                let members = this.node().as_object().into_iter().flatten();
                Box::new(members.map(|(name, member)| {
                    (minijinja::Value::from(name.as_str()), this.child(member, || Step::Name(name.as_str().into())))
                }))
            }),
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.node().as_array().map_or_else(|| self.node().as_object().map_or(0, Map::len), Vec::len))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        (self.node() == other.downcast_ref::<Json>()?.node()).then_some(Ordering::Equal)
    }

    /// As JSON. What one expression writes in excess of its bound is left out, and the expression is rejected afterwards.
    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.document.limits.exceeded() {
            let text = bounded(self.node());
            let written = text.as_ref().map_or(TEXT_MAX_BYTES + 1, String::len);
            self.document.limits.written.fetch_add(written, Memory::Relaxed);
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
        take(weight(json.node()))?;
        return Ok(json.node().clone());
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
            let json = to_json(value, &mut { 16 * TEXT_MAX_BYTES })?;
            bounded(&json).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, TOO_LONG))
        }
        ValueKind::Plain | ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, "is not data")),
        _ => {
            let mut text = String::new();
            write!(text, "{value}")?;
            Ok(text)
        }
    }
}
