//! Variable `settings`: further variables, as the members of one JSON object.
//!
//! So a published component or a fixed manifest accepts variables that it does not declare, and one read replaces many.

use std::collections::BTreeMap;
use std::fmt;

use serde_core::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::runtime::Host;
use crate::text;

/// The name of the variable.
pub(super) const SETTINGS: &str = "settings";

/// The members of variable `settings`, each as it is written. They contain secrets, so it has no `Debug`.
#[derive(Default)]
pub(super) struct Settings(BTreeMap<String, Box<RawValue>>);

/// Why variable `settings` has no members. The text contains no part of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// A name occurs twice, for the second time at this position.
    Duplicate(Position),
    /// Not valid JSON from this position.
    NotJson(Position),
    /// Neither a JSON object nor the base64 of one.
    NotObject,
    /// The variable store failed.
    Store,
}

/// A position in JSON text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes, from 1.
    pub column: usize,
    /// Whether the text is the decoded base64 of the value.
    pub decoded: bool,
}

impl Settings {
    /// Reads and parses the variable.
    ///
    /// # Errors
    /// Returns [`SettingsError`] if the store failed, or as [`Settings::parse`].
    pub(super) fn load(host: &dyn Host) -> Result<Settings, SettingsError> {
        let value = host.variable(SETTINGS).map_err(|_| SettingsError::Store)?;
        Settings::parse(value.as_deref().unwrap_or_default())
    }

    /// Parses a JSON object, or the base64 of one: `wasmtime serve` cannot pass a value that contains a comma. Blank text
    /// has no members. The values of the members are not parsed.
    ///
    /// # Errors
    /// Returns [`SettingsError`] if the value is neither, or if a name occurs twice.
    fn parse(value: &str) -> Result<Settings, SettingsError> {
        if value.trim().is_empty() {
            return Ok(Settings::default());
        }
        let decoded = if is_object(value) { None } else { Some(decode(value).ok_or(SettingsError::NotObject)?) };
        let text = decoded.as_deref().unwrap_or(value);
        let mut json = serde_json::Deserializer::from_slice(without_mark(text).as_bytes());
        let members = json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
        members.map(Settings).map_err(|error| {
            let position = Position { line: error.line(), column: error.column(), decoded: decoded.is_some() };
            // Members have any value, so the only error in valid JSON is the one of `Members`.
            match error.classify() {
                Category::Data => SettingsError::Duplicate(position),
                Category::Eof | Category::Io | Category::Syntax => SettingsError::NotJson(position),
            }
        })
    }

    /// The value of a member, as a variable of its own would have it: a string without its quotes, a list of strings
    /// joined by commas, and any other JSON as it is written. Returns `None` if it is absent or `null`.
    ///
    /// A blank value counts as unset, so a list without any text stays JSON: unset means more than an empty list.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let json = self.0.get(name)?.get();
        let text = match json.as_bytes().first() {
            Some(b'n') => return None,
            Some(b'"') => serde_json::from_slice::<String>(json.as_bytes()).ok(),
            Some(b'[') => {
                let list = serde_json::from_slice::<Vec<String>>(json.as_bytes()).ok();
                list.map(|items| items.join(",")).filter(|list| !list.trim().is_empty())
            }
            _ => None,
        };
        Some(text.unwrap_or_else(|| json.to_owned()))
    }

    /// The names of the members that are not `null`.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, json)| json.get() != "null").map(|(name, _)| name.as_str())
    }
}

/// Reads the members of an object.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = BTreeMap<String, Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom("a name occurs twice"));
            }
            members.insert(name, map.next_value()?);
        }
        Ok(members)
    }
}

/// Whether a text begins like a JSON object.
fn is_object(text: &str) -> bool {
    without_mark(text).trim_start().starts_with('{')
}

/// A text without a byte order mark, which some editors write.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Decodes base64 in either alphabet, with or without padding and line breaks. Returns `None` if the result does not
/// begin like a JSON object.
fn decode(value: &str) -> Option<String> {
    text::from_base64(value).filter(|text| is_object(text))
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable `{SETTINGS}` ")?;
        match self {
            SettingsError::Duplicate(position) => write!(f, "has a member twice: {position}"),
            SettingsError::NotJson(position) => write!(f, "is not valid JSON: {position}"),
            SettingsError::NotObject => f.write_str("is neither a JSON object nor the base64 of one"),
            SettingsError::Store => f.write_str("could not be read: the variable store failed"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)?;
        if self.decoded { f.write_str(" of the decoded text") } else { Ok(()) }
    }
}
