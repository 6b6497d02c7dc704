//! The JSON of one variable, read and compiled.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::rule::{Rule, Service, Set};
use crate::config::is_service;
use crate::custom::position::Step;
use crate::custom::texts::{Document, Part, Text, Texts};
use crate::mapping::{MapError, parse};
use crate::pagerduty::event::Severity;
use crate::text;

/// The largest list of rules, in bytes.
pub const RULES_MAX_BYTES: usize = 64 * 1024;

/// The most rules of a list.
pub const RULES_MAX: usize = 100;

/// How much of an unknown member's name an error repeats, in UTF-16 code units.
const NAME_MAX_CHARS: usize = 40;

/// The longest reason of a `drop`, in UTF-16 code units.
const REASON_MAX_CHARS: usize = 200;

/// The members of a rule.
const MEMBERS: [&str; 9] = ["class", "dedup_key", "details", "drop", "if", "service", "severity", "stop", "summary"];

/// The value of a rule variable: a JSON list of objects.
pub struct List {
    document: Document,
    rules: Vec<Value>,
    /// For each rule, the member that one of its objects has twice.
    twice: Vec<Option<String>>,
}

impl List {
    /// Reads the text of a variable.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if the text is larger than [`RULES_MAX_BYTES`], is not a JSON list, or has more than
    /// [`RULES_MAX`] rules. An invalid rule is found when the list is compiled.
    pub fn read(variable: &str, text: &str) -> Result<List, MapError> {
        let fail = |problem: &str| MapError::Template { problem: ["variable `", variable, "` ", problem].concat() };
        if text.len() > RULES_MAX_BYTES {
            return Err(fail("is larger than 64 kib"));
        }
        let root: Value = serde_json::from_slice(text.as_bytes())
            .map_err(|error| fail(&format!("is not json: line {}, column {}", error.line(), error.column())))?;
        let Value::Array(rules) = root else { return Err(fail("is not a list of rules")) };
        if rules.len() > RULES_MAX {
            return Err(fail("has more than 100 rules"));
        }
        // A parser takes the last of two members, so a rule could drop more than its first `if` lets it.
        let written: Vec<&RawValue> = serde_json::from_slice(text.as_bytes()).unwrap_or_default();
        let twice = written.iter().map(|rule| match parse(rule.get().as_bytes()) {
            Err(MapError::Duplicate { name, .. }) => Some(name),
            _ => None,
        });
        let twice = twice.collect();
        Ok(List {
            document: Document { variable: variable.to_owned(), text: text.to_owned(), what: "rule" },
            rules,
            twice,
        })
    }

    /// Compiles each rule.
    pub(super) fn compile<'e>(&'e self, texts: &mut Texts<'e>) -> Vec<Result<Rule<'e>, MapError>> {
        let compile = |(index, rule): (usize, &'e Value)| {
            if let Some(Some(name)) = self.twice.get(index) {
                let shown = text::truncate(name, NAME_MAX_CHARS);
                let why = format!("member `{shown}` occurs twice in one object");
                return Err(self.document.wrong(&[Step::Index(index)], why));
            }
            let reader = Reader { document: &self.document, texts, index };
            reader.rule(rule)
        };
        self.rules.iter().enumerate().map(compile).collect()
    }
}

/// Reads one rule.
struct Reader<'t, 'e> {
    document: &'e Document,
    texts: &'t mut Texts<'e>,
    index: usize,
}

impl<'e> Reader<'_, 'e> {
    fn rule(mut self, rule: &'e Value) -> Result<Rule<'e>, MapError> {
        let Some(members) = rule.as_object() else {
            return Err(self.document.wrong(&[Step::Index(self.index)], "a rule is not an object".to_owned()));
        };
        if let Some(name) = members.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            let shown = text::truncate(name, NAME_MAX_CHARS).into_owned();
            return self.wrong(name, &["unknown member `", &shown, "`"].concat());
        }
        if members.keys().all(|name| name == "if") {
            return Err(self.document.wrong(&[Step::Index(self.index)], "a rule changes nothing".to_owned()));
        }
        let when = match members.get("if") {
            None => None,
            Some(Value::String(source)) => {
                Some(self.texts.condition(self.document, source, &self.path("if"), false)?)
            }
            Some(_) => return self.wrong("if", "`if` is not a text with an expression"),
        };
        Ok(Rule {
            variable: &self.document.variable,
            number: self.index + 1,
            when,
            service: self.service(members)?,
            severity: self.severity(members)?,
            summary: self.words(members, "summary")?,
            dedup_key: self.key(members)?,
            class: self.words(members, "class")?,
            details: self.details(members)?,
            drop: self.reason(members)?,
            stop: match members.get("stop") {
                None => false,
                Some(Value::Bool(stop)) => *stop,
                Some(_) => return self.wrong("stop", "`stop` is neither true nor false"),
            },
        })
    }

    fn path(&self, member: &'e str) -> [Step<'e>; 2] {
        [Step::Index(self.index), Step::Name(member)]
    }

    fn wrong<T>(&self, member: &str, why: &str) -> Result<T, MapError> {
        Err(self.document.wrong(&[Step::Index(self.index), Step::Name(member)], why.to_owned()))
    }

    /// `{"by": expression, "map": {value: …}}`.
    fn table(
        &mut self,
        member: &'e str,
        object: &'e Map<String, Value>,
    ) -> Result<(Text<'e>, &'e Map<String, Value>), MapError> {
        let known = object.keys().all(|name| name == "by" || name == "map");
        match (object.get("by"), object.get("map")) {
            (Some(Value::String(by)), Some(Value::Object(map))) if known => {
                let path = [Step::Index(self.index), Step::Name(member), Step::Name("by")];
                Ok((self.texts.condition(self.document, by, &path, false)?, map))
            }
            _ => self.wrong(member, &["`", member, "` needs `by`, an expression, and `map`, an object"].concat()),
        }
    }

    fn service(&mut self, members: &'e Map<String, Value>) -> Result<Option<Service<'e>>, MapError> {
        const MEMBER: &str = "service";
        const WRONG: &str = "`service` is not the name of a service";
        let name = |value: &'e Value| value.as_str().filter(|name| is_service(name));
        match members.get(MEMBER) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                let (by, map) = self.table(MEMBER, object)?;
                let mut services = Vec::new();
                for (value, service) in map {
                    match name(service) {
                        Some(service) => services.push((value.as_str(), service)),
                        None => return self.wrong(MEMBER, "`map` contains a value that is not the name of a service"),
                    }
                }
                Ok(Some(Service::Table(by, services)))
            }
            Some(literal) => match name(literal) {
                Some(name) => Ok(Some(Service::Literal(name))),
                None => self.wrong(MEMBER, WRONG),
            },
        }
    }

    fn severity(&mut self, members: &'e Map<String, Value>) -> Result<Option<Set<'e, Severity>>, MapError> {
        const MEMBER: &str = "severity";
        match members.get(MEMBER) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                let (by, map) = self.table(MEMBER, object)?;
                let mut severities = Vec::new();
                for (value, word) in map {
                    match word.as_str().and_then(Severity::from_word) {
                        Some(severity) => severities.push((value.as_str(), severity)),
                        None => return self.wrong(MEMBER, "`map` contains an unknown severity"),
                    }
                }
                Ok(Some(Set::Table(by, severities)))
            }
            Some(Value::String(source)) => {
                let text = self.texts.text(self.document, source, &self.path(MEMBER), false)?;
                match (text, Severity::from_word(source)) {
                    (Some(text), _) => Ok(Some(Set::Text(text))),
                    (None, Some(severity)) => Ok(Some(Set::Literal(severity))),
                    (None, None) => self.wrong(MEMBER, "`severity` is an unknown severity"),
                }
            }
            Some(_) => self.wrong(MEMBER, "`severity` is neither a text nor an object"),
        }
    }

    /// A text that may have tags.
    fn words(&mut self, members: &'e Map<String, Value>, member: &'e str) -> Result<Option<Part<'e>>, MapError> {
        match members.get(member) {
            None => Ok(None),
            Some(value @ Value::String(source)) if !source.trim().is_empty() => {
                self.texts.part(self.document, value, &mut self.path(member).to_vec()).map(Some)
            }
            Some(_) => self.wrong(member, &["`", member, "` is not a text, or is blank"].concat()),
        }
    }

    fn key(&mut self, members: &'e Map<String, Value>) -> Result<Option<Text<'e>>, MapError> {
        const MEMBER: &str = "dedup_key";
        let Some(value) = members.get(MEMBER) else { return Ok(None) };
        let text = match value.as_str() {
            Some(source) => self.texts.text(self.document, source, &self.path(MEMBER), true)?,
            None => None,
        };
        match text {
            Some(text) => Ok(Some(text)),
            None => self.wrong(MEMBER, "`dedup_key` has no expression, so all alerts would share it"),
        }
    }

    fn details(&mut self, members: &'e Map<String, Value>) -> Result<Vec<(&'e str, Part<'e>)>, MapError> {
        let mut details = Vec::new();
        match members.get("details") {
            None => {}
            Some(Value::Object(object)) => {
                for (name, value) in object {
                    let mut path = vec![Step::Index(self.index), Step::Name("details"), Step::Name(name)];
                    details.push((name.as_str(), self.texts.part(self.document, value, &mut path)?));
                }
            }
            Some(_) => return self.wrong("details", "`details` is not an object"),
        }
        Ok(details)
    }

    fn reason(&self, members: &'e Map<String, Value>) -> Result<Option<&'e str>, MapError> {
        match members.get("drop") {
            None => Ok(None),
            Some(Value::String(reason)) if is_reason(reason) => Ok(Some(reason.trim())),
            Some(_) => {
                self.wrong("drop", "`drop` is not a reason: a text of at most 200 characters without expressions")
            }
        }
    }
}

fn is_reason(reason: &str) -> bool {
    !reason.trim().is_empty()
        && reason.encode_utf16().count() <= REASON_MAX_CHARS
        && !reason.contains("{{")
        && !reason.contains("{%")
}
