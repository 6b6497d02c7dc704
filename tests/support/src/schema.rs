//! The part of JSON Schema that `tests/schema` uses. An unknown keyword is an error and is never ignored.
//!
//! A full implementation with its regular expressions made up a quarter of the dev server's compilation.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::{Map, Value};

/// ECMA-262's white space, as the contents of a character class.
const WHITE_SPACE: &str = r"\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff";

/// A parsed schema.
pub struct Schema {
    root: Value,
    patterns: BTreeMap<String, Regex>,
}

impl Schema {
    /// Parses a schema.
    ///
    /// # Panics
    /// Panics if the text is not a schema, or contains an unknown keyword.
    pub fn new(text: &str) -> Schema {
        let root: Value = serde_json::from_str(text).expect("the schema is json");
        let mut schema = Schema { root, patterns: BTreeMap::new() };
        let mut patterns = BTreeMap::new();
        schema.read(&schema.root, &mut patterns);
        schema.patterns = patterns;
        schema
    }

    /// Checks each part once: that its keywords are known, and that its patterns are valid.
    fn read(&self, part: &Value, patterns: &mut BTreeMap<String, Regex>) {
        for (keyword, value) in part.as_object().expect("a schema is an object") {
            match keyword.as_str() {
                "$schema" | "title" | "const" => {}
                "$ref" => drop(self.resolve(value)),
                "enum" | "required" => assert!(value.is_array(), "{keyword}: {value}"),
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" => {
                    assert!(value.is_u64(), "{keyword}: {value}");
                }
                "type" => assert!(["array", "object", "string"].iter().any(|name| value == name), "{keyword}: {value}"),
                "additionalProperties" => assert_eq!(value, false, "{keyword}"),
                "items" | "if" | "then" => self.read(value, patterns),
                "allOf" => value.as_array().expect("a list").iter().for_each(|part| self.read(part, patterns)),
                "properties" | "$defs" => {
                    value.as_object().expect("an object").values().for_each(|part| self.read(part, patterns));
                }
                "pattern" => {
                    let text = value.as_str().expect("a text");
                    // `\s` occurs only inside classes, and `\S` only outside.
                    let ours = text.replace(r"\S", &format!("[^{WHITE_SPACE}]")).replace(r"\s", WHITE_SPACE);
                    patterns.insert(text.to_owned(), Regex::new(&ours).expect("a regular expression"));
                }
                other => panic!("the schema uses {other}, which is not known here"),
            }
        }
    }

    fn resolve(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference within the file");
        self.root.pointer(pointer).unwrap_or_else(|| panic!("the schema has no {pointer}"))
    }

    /// All violations of a value: their paths and descriptions.
    pub fn wrong_with(&self, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.check(&self.root, value, "", &mut wrong);
        wrong
    }

    fn check(&self, part: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        let part = part.as_object().expect("a schema is an object");
        for (keyword, wanted) in part {
            if let Some(what) = self.breaks(part, keyword, wanted, value, at, wrong) {
                wrong.push(format!("'{at}' {what}"));
            }
        }
    }

    /// The violation of one keyword by a value. Violations inside the value are added to `wrong`.
    fn breaks(
        &self,
        part: &Map<String, Value>,
        keyword: &str,
        wanted: &Value,
        value: &Value,
        at: &str,
        wrong: &mut Vec<String>,
    ) -> Option<String> {
        let number = || usize::try_from(wanted.as_u64().expect("a number")).expect("a small one");
        let shown = || value.to_string().chars().take(200).collect::<String>();
        let fails = |broken: bool, what: &str| broken.then(|| format!("{} {what}", shown()));
        let (text, list, object) = (value.as_str(), value.as_array(), value.as_object());
        let chars = text.map(|text| text.chars().count());
        match keyword {
            "const" => fails(value != wanted, &format!("is not {wanted}")),
            "enum" => fails(!wanted.as_array()?.contains(value), &format!("is not one of {wanted}")),
            "type" => {
                let is = match wanted.as_str()? {
                    "array" => list.is_some(),
                    "object" => object.is_some(),
                    _ => text.is_some(),
                };
                fails(!is, &format!("is not of type {wanted}"))
            }
            "minLength" => fails(chars? < number(), &format!("is shorter than {wanted} characters")),
            "maxLength" => fails(chars? > number(), &format!("is longer than {wanted} characters")),
            "pattern" => fails(!self.patterns[wanted.as_str()?].is_match(text?), &format!("does not match {wanted}")),
            "minItems" => fails(list?.len() < number(), &format!("has less than {wanted} items")),
            "maxItems" => fails(list?.len() > number(), &format!("has more than {wanted} items")),
            "minProperties" => fails(object?.len() < number(), &format!("has less than {wanted} properties")),
            "required" => {
                let missing = wanted
                    .as_array()?
                    .iter()
                    .filter(|name| !object.is_none_or(|o| o.contains_key(name.as_str().unwrap_or_default())));
                let missing: Vec<String> = missing.map(ToString::to_string).collect();
                (!missing.is_empty()).then(|| format!("{} is a required property", missing.join(", ")))
            }
            "additionalProperties" => {
                let known = part.get("properties").and_then(Value::as_object);
                let extra: Vec<&String> =
                    object?.keys().filter(|name| known.is_none_or(|known| !known.contains_key(*name))).collect();
                (!extra.is_empty()).then(|| format!("additional properties are not allowed: {extra:?}"))
            }
            "properties" => {
                for (name, part) in wanted.as_object()? {
                    if let Some(member) = object?.get(name) {
                        self.check(part, member, &format!("{at}/{name}"), wrong);
                    }
                }
                None
            }
            "items" => {
                list?.iter().enumerate().for_each(|(i, item)| self.check(wanted, item, &format!("{at}/{i}"), wrong));
                None
            }
            "allOf" => {
                wanted.as_array()?.iter().for_each(|part| self.check(part, value, at, wrong));
                None
            }
            "if" => {
                let mut unless = Vec::new();
                self.check(wanted, value, at, &mut unless);
                if let (true, Some(then)) = (unless.is_empty(), part.get("then")) {
                    self.check(then, value, at, wrong);
                }
                None
            }
            "$ref" => {
                self.check(self.resolve(wanted), value, at, wrong);
                None
            }
            _ => None,
        }
    }
}
