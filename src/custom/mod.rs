//! Templates: `POST /custom/<name>` maps any JSON with the template in variable `custom_<name>`.
//!
//! # Template
//!
//! A template is an Events v2 event in JSON. Its texts may use [Jinja](https://docs.rs/minijinja/latest/minijinja/syntax/index.html):
//! expressions, statements, comments, loops, macros, tests, the filters of [`filters`] and Python's methods on texts and
//! objects. A text that is exactly one `{{ expression }}` becomes its value: a number, a list and an object stay what they
//! are, and `none` leaves the member out. Any other text becomes a text, in which `none` writes nothing and lists and
//! objects are written as JSON.
//!
//! The payload's members are names. `payload` is the whole payload. `headers` has the delivery's headers, as
//! `headers.x_event`, without those that may be credentials. `event_action` may also be `change`. Severities are words, as
//! [`Severity::from_word`](crate::pagerduty::event::Severity::from_word) knows them. These members are not the event's, and
//! are beside its members, or around them as `{"event": {…}}`:
//!
//! | member | means |
//! |---|---|
//! | `each` | an expression for a list. Each of its items makes one event: `item` is the item, and `index` counts from 0 |
//! | `ignore` | an expression. An item for which it is true makes no event |
//! | `from` | `sns`: deliveries are those of Amazon SNS. Senders authenticate as at `/sns`, and `sns_topics` lists the topics. Subscriptions of listed topics are confirmed. The payload is the message inside: its JSON, or `{message, subject, topic}` if it is no JSON object or list |
//! | `auth` | how senders authenticate, see [`auth`]. Without it they show the shared secret |
//!
//! # Undefined values
//!
//! A text that would write an undefined value is an error. `default` prevents it: `{{ a.b.c | default('x') }}` is `x` if
//! any of the three is missing. As in Jinja, an undefined value is false, an empty list in a loop, and an empty text for
//! `~`. It is not so in `dedup_key`, `event_action` and `ignore`: there every use of an undefined value but `default`,
//! `is defined` and a filter in front of `default` is an error, because alerts would be mixed up or lost. Nor may a
//! `dedup_key` write `none`, or a number that has lost digits.
//!
//! An error names the variable, the line, the column and the expression. `/preview` shows it. In production the delivery,
//! or the item, counts as unmapped. Dedup keys are `custom_<name>:<dedup_key>`.
//!
//! # Repeatable and bounded
//!
//! The same delivery always makes the same events, so there is no clock and no chance. Templates do not read one another:
//! `include`, `import`, `extends` and `block` are rejected, and so are `autoescape` and filters that write HTML pages.
//! These are bounded: a template's size ([`TEMPLATE_MAX_BYTES`]), how deep it nests, the items of a delivery, the steps
//! that all its texts take together (so many, and more for a larger body), the text that an expression makes, and all that
//! a delivery makes. `src/guide/templates.md` shows how to write one.

use serde_json::Value;

use crate::mapping::MapError;
use crate::text;

pub mod auth;
mod cost;
pub(crate) mod engine;
pub(crate) mod evaluate;
pub mod filters;
mod hooks;
pub(crate) mod mapping;
mod methods;
mod patterns;
mod payload;
pub(crate) mod position;
mod syntax;
pub(crate) mod texts;
mod times;

use self::auth::Auth;
pub use self::mapping::{EMPTY, IGNORED, Mapping};
use self::position::Step;
use self::texts::{Document, Part, Texts};

/// The largest template, in bytes.
pub const TEMPLATE_MAX_BYTES: usize = 32 * 1024;

/// How much of an expression an error repeats, in UTF-16 code units.
const SHOWN_MAX_CHARS: usize = 80;

/// The members of a template that are no event's.
const OWN: [&str; 5] = ["auth", "each", "event", "from", "ignore"];

/// The members of an event that a template may set.
const EVENT: [&str; 7] = ["client", "client_url", "dedup_key", "event_action", "images", "links", "payload"];

/// The members of what may stand in an event's `payload`, `links` and `images`.
const PARTS: [(&str, &[&str]); 3] = [
    ("payload", &["class", "component", "custom_details", "group", "severity", "source", "summary", "timestamp"]),
    ("links", &["href", "text"]),
    ("images", &["alt", "href", "src"]),
];

/// A template that is JSON of the right shape. [`Template::mapping`] compiles its texts.
pub struct Template {
    document: Document,
    root: Value,
    auth: Auth,
    from_sns: bool,
}

impl Template {
    /// Reads the text of a variable.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if the text is too large, is not JSON, or is not a template.
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
        let from_sns = match root.get("from").map(Value::as_str) {
            None => false,
            Some(Some("sns")) => true,
            Some(_) => return Err(fail("has a `from` other than sns")),
        };
        let auth = Auth::read(variable, root.get("auth"))?;
        let auth = if from_sns { auth.or_as_sns() } else { auth };
        let document = Document { variable: variable.to_owned(), text: text.to_owned(), what: "template" };
        Ok(Template { document, root, auth, from_sns })
    }

    /// How senders authenticate.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether its deliveries are messages of Amazon SNS, in their envelope.
    pub fn is_from_sns(&self) -> bool {
        self.from_sns
    }

    /// The texts in the template's expressions: what it compares with is among them.
    pub fn words(&self) -> Vec<&str> {
        self.document.text.split('\'').skip(1).step_by(2).collect()
    }

    /// Compiles every text.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if a text cannot be parsed, nests too deep, or uses something that is unknown or
    /// refused.
    pub fn mapping(&self) -> Result<Mapping<'_>, MapError> {
        let mut texts = Texts::new();
        let wrapped = self.root.get("event");
        let mut path: Vec<Step<'_>> = wrapped.iter().map(|_| Step::Name("event")).collect();
        let event = self.event(&mut texts, wrapped.unwrap_or(&self.root), &mut path)?;
        let (mut each, mut ignore) = (None, None);
        for name in ["each", "ignore"] {
            let Some(value) = self.root.get(name) else { continue };
            let path = [Step::Name(name)];
            let Some(source) = value.as_str() else {
                let why = format!("`{name}` is not a text with an expression");
                return Err(self.document.wrong(&path, why));
            };
            let expression = Some(Box::new(texts.expression(&self.document, source, &path, name == "ignore")?));
            if name == "each" { each = expression } else { ignore = expression }
        }
        Ok(Mapping { template: self, texts, event, each, ignore })
    }

    /// The members of the event: all that are not the template's own.
    fn event<'e>(
        &'e self,
        texts: &mut Texts<'e>,
        event: &'e Value,
        path: &mut Vec<Step<'e>>,
    ) -> Result<Part<'e>, MapError> {
        let outermost = path.is_empty();
        let mut parts = Vec::new();
        for (name, member) in event.as_object().into_iter().flatten() {
            if !outermost || !OWN.contains(&name.as_str()) {
                path.push(Step::Name(name));
                parts.push((name.as_str(), texts.part(&self.document, member, path)?));
                path.pop();
            }
        }
        Ok(Part::Object(parts))
    }
}
