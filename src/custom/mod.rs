//! Mappings of the user's own: `POST /custom/<name>` maps any JSON with the template in variable `custom_<name>`.
//!
//! # Template
//!
//! An Events v2 event in JSON whose texts may hold expressions: `"summary": "{{ title }} on {{ host }}"`. They are
//! [Jinja expressions](https://docs.rs/minijinja/latest/minijinja/syntax/index.html) over the payload's members, with
//! `payload` for the whole, `headers` for the delivery's headers (`headers.x_event`, none that may be a credential), and the
//! filters of [`filters`]. A text that is one expression and nothing else becomes its value, a list or an object too;
//! `none` leaves the member out. `event_action` may also be `change`. Severities are words as
//! [`Severity::from_word`](crate::pagerduty::event::Severity::from_word) knows them. Beside the event's members, or around them as
//! `{"event": {…}}`:
//!
//! | member | means |
//! |---|---|
//! | `each` | an expression for a list: one event for each of its items, which is `item`, its place from 0 `index` |
//! | `ignore` | an expression: what it is true for needs no event |
//! | `auth` | how senders prove themselves, as [`auth`] reads it; without it they show the secret as senders of sources do |
//!
//! # Strictness
//!
//! What is not there is an error where it is used, with line, column and the part of the expression that names it.
//! `default` asks first: `{{ a.b.c | default('x') }}` is `x` whichever of them is missing. At run time the same errors
//! count as unmapped. Dedup keys are `custom_<name>:<dedup_key>` and have to be there.
//!
//! # Bounds
//!
//! A template's size ([`TEMPLATE_MAX_BYTES`]), an expression's length, the items of a delivery, the steps taken for one,
//! and the length of the text that an expression makes. There are no loops, calls, macros or includes.

use serde_json::Value;

use crate::mapping::MapError;
use crate::text;

pub mod auth;
mod eval;
pub mod filters;
mod mapping;
mod position;
mod values;

use self::auth::Auth;
use self::eval::Fault;
pub use self::mapping::{IGNORED, Mapping};
use self::mapping::{Known, Part, Piece};
use self::position::{Place, Step};

/// The largest template, in bytes.
pub const TEMPLATE_MAX_BYTES: usize = 32 * 1024;

/// The longest expression, in bytes. The parser goes a step deeper for each `not`, and a runtime's stack is small.
const EXPRESSION_MAX_BYTES: usize = 1000;

/// How much of an expression an error repeats, in UTF-16 code units.
const SHOWN_MAX_CHARS: usize = 80;

/// How deep a template, or what it makes, may nest.
const DEPTH_MAX: usize = 64;

/// The members of a template that are no event's.
const OWN: [&str; 4] = ["auth", "each", "event", "ignore"];

/// The members of an event that a template may set.
const EVENT: [&str; 7] = ["client", "client_url", "dedup_key", "event_action", "images", "links", "payload"];

/// The members of what may stand in an event's `payload`, `links` and `images`.
const PARTS: [(&str, &[&str]); 3] = [
    ("payload", &["class", "component", "custom_details", "group", "severity", "source", "summary", "timestamp"]),
    ("links", &["href", "text"]),
    ("images", &["alt", "href", "src"]),
];

/// A template that is JSON of the right shape. Its expressions are looked at in [`Template::mapping`].
pub struct Template {
    /// The variable, for errors.
    variable: String,
    text: String,
    root: Value,
    auth: Auth,
}

impl Template {
    /// Reads the text of a variable.
    ///
    /// # Errors
    /// It is too large, not JSON, or no template.
    pub fn read(variable: &str, text: &str) -> Result<Template, MapError> {
        let fail = |problem: &str| MapError::Template { problem: ["variable `", variable, "` ", problem].concat() };
        if text.len() > TEMPLATE_MAX_BYTES {
            return Err(fail("is larger than 32 kib"));
        }
        let root: Value = serde_json::from_slice(text.as_bytes())
            .map_err(|error| fail(&format!("is not json: line {}, column {}", error.line(), error.column())))?;
        let unknown = |value: &Value, known: &dyn Fn(&str) -> bool| {
            let name = value.as_object().into_iter().flatten().map(|(name, _)| name).find(|name| !known(name))?;
            Some(fail(&["has an unknown member `", &text::truncate(name, SHOWN_MAX_CHARS), "`"].concat()))
        };
        let Some(members) = root.as_object() else { return Err(fail("is not an object")) };
        let wrapped = members.get("event");
        let event = wrapped.unwrap_or(&root);
        if !event.is_object() {
            return Err(fail("has an `event` that is not an object"));
        }
        let outer = |name: &str| OWN.contains(&name) || wrapped.is_none() && EVENT.contains(&name);
        let inner = |name: &str| EVENT.contains(&name) || wrapped.is_none() && OWN.contains(&name);
        let mut wrong = unknown(&root, &outer).or_else(|| unknown(event, &inner));
        for (name, known) in PARTS {
            let parts = event.get(name).into_iter().flat_map(|part| match part {
                Value::Array(items) => items.as_slice(),
                part => std::slice::from_ref(part),
            });
            for part in parts {
                wrong = wrong.or_else(|| unknown(part, &|name| known.contains(&name)));
            }
        }
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if event.get("event_action").is_none() {
            return Err(fail("has no `event_action`"));
        }
        let auth = Auth::read(variable, root.get("auth"))?;
        Ok(Template { variable: variable.to_owned(), text: text.to_owned(), root, auth })
    }

    /// How senders prove themselves.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// The texts in the template's expressions: what it compares with is among them.
    pub fn words(&self) -> Vec<&str> {
        self.text.split('\'').skip(1).step_by(2).collect()
    }

    /// Parses every expression.
    ///
    /// # Errors
    /// One of them cannot be parsed, or uses what there is not.
    pub fn mapping(&self) -> Result<Mapping<'_>, MapError> {
        let lone = |name: &'static str| {
            let Some(value) = self.root.get(name) else { return Ok(None) };
            let place = Place::of(&self.text, &[Step::Name(name)]);
            let source = value.as_str().ok_or_else(|| self.fail(place, 0, name, "is not a text with an expression"))?;
            self.expression(source, 0, place).map(Some)
        };
        let wrapped = self.root.get("event");
        let mut path: Vec<Step<'_>> = wrapped.iter().map(|_| Step::Name("event")).collect();
        let event = self.part(wrapped.unwrap_or(&self.root), &mut path)?;
        Ok(Mapping { template: self, event, each: lone("each")?, ignore: lone("ignore")? })
    }

    fn part<'e>(&'e self, value: &'e Value, path: &mut Vec<Step<'e>>) -> Result<Part<'e>, MapError> {
        if path.len() > DEPTH_MAX {
            return Err(self.fail(Place::of(&self.text, path), 0, "", "nests too deep"));
        }
        match value {
            Value::String(source) => self.pieces(source, Place::of(&self.text, path)),
            Value::Array(items) => {
                let mut parts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    parts.push(self.part(item, path)?);
                    path.pop();
                }
                Ok(Part::List(parts))
            }
            Value::Object(members) => {
                let mut parts = Vec::new();
                let outermost = path.is_empty();
                for (name, member) in members.iter().filter(|(name, _)| !outermost || !OWN.contains(&name.as_str())) {
                    path.push(Step::Name(name));
                    parts.push((name.as_str(), self.part(member, path)?));
                    path.pop();
                }
                Ok(Part::Object(parts))
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => Ok(Part::Fixed(value)),
        }
    }

    /// A text as its pieces: what stands there, and what is in `{{ … }}`. A hyphen inside the braces takes away the space
    /// on its side, as in Jinja.
    fn pieces<'e>(&'e self, source: &'e str, place: Place<'e>) -> Result<Part<'e>, MapError> {
        let mut pieces = Vec::new();
        let mut rest = source;
        loop {
            let (mut before, after) = rest.split_once("{{").map_or((rest, None), |(text, rest)| (text, Some(rest)));
            for (mark, what) in [("{%", "statement"), ("{#", "comment")] {
                if let Some((_, after)) = before.split_once(mark) {
                    let start = source.len() - rest.len() + before.len() - after.len();
                    let why = ["is a ", what, ", and only {{ expressions }} are understood"].concat();
                    return Err(self.fail(place, start, after, &why));
                }
            }
            let Some(mut inside) = after else {
                if !rest.is_empty() || pieces.is_empty() {
                    pieces.push(Piece::Text(rest));
                }
                return Ok(Part::Text(pieces));
            };
            if let Some(trimmed) = inside.strip_prefix('-') {
                (before, inside) = (before.trim_end(), trimmed);
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before));
            }
            let start = source.len() - inside.len();
            let Some(end) = end_of_expression(inside) else {
                return Err(self.fail(place, start, inside, "has no end: }} is missing"));
            };
            let (expression, after) = inside.split_at_checked(end).unwrap_or((inside, ""));
            rest = after.get(2..).unwrap_or_default();
            let expression = match expression.strip_suffix('-') {
                Some(expression) => {
                    rest = rest.trim_start();
                    expression
                }
                None => expression,
            };
            pieces.push(Piece::Expression(self.expression(expression, start, place)?));
        }
    }

    fn expression<'e>(&'e self, source: &'e str, start: usize, place: Place<'e>) -> Result<Known<'e>, MapError> {
        if source.len() > EXPRESSION_MAX_BYTES {
            return Err(self.fail(place, start, source, "is longer than 1000 bytes"));
        }
        let compiled = eval::parse(source).map_err(|fault| self.explain(place, start, source, &fault))?;
        Ok(Known { compiled, source, start, place })
    }

    /// An error in a part of an expression.
    fn explain(&self, place: Place<'_>, start: usize, source: &str, fault: &Fault) -> MapError {
        self.fail(place, start + fault.from, source.get(fault.from..fault.to).unwrap_or(source), &fault.why)
    }

    /// An error at a place in a text of the template.
    fn fail(&self, place: Place<'_>, start: usize, expression: &str, why: &str) -> MapError {
        let (line, column) = place.at(start + expression.len() - expression.trim_start().len());
        let expression = text::one_line(expression);
        let shown = text::truncate(&expression, SHOWN_MAX_CHARS);
        let variable = &self.variable;
        MapError::Template { problem: format!("variable `{variable}`, line {line}, column {column}: `{shown}` {why}") }
    }
}

/// Where the expression at the beginning of a text ends: at `}}`, outside of quotes and of an object's own braces.
fn end_of_expression(source: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    let mut open = 0usize;
    for (at, c) in source.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(quoted), c) if c == quoted => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '{') => open += 1,
            (None, '}') if open > 0 => open -= 1,
            (None, '}') if source.get(at..).is_some_and(|rest| rest.starts_with("}}")) => return Some(at),
            (None, _) => {}
        }
    }
    None
}
