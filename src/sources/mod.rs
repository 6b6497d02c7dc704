//! What a source is, and the list of them. Nothing here knows a vendor.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::auth::{Authenticated, Scheme};
use crate::event::read::Unreadable;
use crate::event::{Action, DedupKey, Event, Severity};
use crate::form;
use crate::text::{self, Node};

pub mod alertmanager;
pub mod azure;
pub mod cloudevents;
pub mod cloudflare;
pub mod datadog;
pub mod events;
pub mod flux;
pub mod formatted;
pub mod gcp;
pub mod github;
pub mod gitlab;
pub mod grafana;
pub mod healthchecks;
pub mod newrelic;
pub mod sentry;
pub mod sns;
pub mod uptimekuma;
pub mod uptimerobot;
pub mod zabbix;

/// Every source, by slug.
pub const SOURCES: &[&Source] = &[
    &alertmanager::SOURCE,
    &azure::SOURCE,
    &cloudevents::SOURCE,
    &cloudflare::SOURCE,
    &datadog::SOURCE,
    &events::SOURCE,
    &flux::SOURCE,
    &formatted::SOURCE,
    &gcp::SOURCE,
    &github::SOURCE,
    &gitlab::SOURCE,
    &grafana::SOURCE,
    &healthchecks::SOURCE,
    &newrelic::SOURCE,
    &sentry::SOURCE,
    &sns::SOURCE,
    &uptimekuma::SOURCE,
    &uptimerobot::SOURCE,
    &zabbix::SOURCE,
];

/// A vendor whose webhooks the relay understands.
#[derive(Debug)]
pub struct Source {
    /// The word in the path, the file, the fixture folder and the variables' names.
    pub slug: &'static str,
    /// The vendor or product, as it writes itself.
    pub name: &'static str,
    /// The page that the wire format was written from.
    pub docs: &'static str,
    /// The ways this sender can prove itself, strongest first.
    pub schemes: &'static [Scheme<'static>],
    /// What to enter at the vendor's.
    pub setup: Setup,
    /// How long this sender waits for an answer.
    pub patience: Duration,
    /// Whether this sender may use `GET`, with everything in the query.
    pub by_get: bool,
    /// The status that tells this sender that all is well.
    pub success: http::StatusCode,
    /// Payload to events: a pure function of the delivery's bytes.
    pub map: Map,
    /// The same with one event for a whole batch, where `grouping = group` asks for it and the vendor batches.
    pub map_group: Option<Map>,
}

/// What a person needs to know who sets a vendor up. [`crate::setup`] makes a page of it, and the README's row is held
/// against it.
#[derive(Debug)]
pub struct Setup {
    /// The states or events that open an alert.
    pub opens: &'static str,
    /// The states or events that close it.
    pub closes: &'static str,
    /// What to enter where, a step a line. `{url}` stands for the address, and the secret is called "the secret".
    pub steps: &'static str,
    /// The body to paste, where the user writes it.
    pub template: Option<&'static str>,
}

/// Maps a delivery to events.
pub type Map = fn(&Authenticated<'_>) -> Result<Mapped, MapError>;

/// The source with this slug.
pub fn find(slug: &str) -> Option<&'static Source> {
    SOURCES.iter().copied().find(|source| source.slug == slug)
}

/// What a delivery comes to. Each of its items is in one of the three lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// What to send, in order.
    pub events: Vec<Event>,
    /// What needs no event, and why.
    pub ignored: Vec<Ignored>,
    /// What should have become an event and could not, beside others that did.
    pub rejected: Vec<MapError>,
    /// The key of an alert that stands for the whole delivery, where something in it says which batch it is: for what
    /// is too much to send one by one. The source closes it itself when the batch is over.
    pub group: Option<DedupKey>,
    /// A subscription that the sender wants to have confirmed.
    pub confirm: Option<Confirm>,
}

/// A subscription to confirm: `GET https://sns.<region>.amazonaws.com[.cn]<path>`, the host that of the topic. It is
/// done for topics that the operator has listed, and for no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The topic's ARN.
    pub topic: String,
    /// The path with its query.
    pub path: String,
}

/// An item of a delivery that needs no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The item's path in the payload; empty for the whole.
    pub item: String,
    /// Why, in words that the source's docs name.
    pub reason: &'static str,
}

impl Mapped {
    /// One event and nothing else.
    pub fn one(event: Event) -> Mapped {
        Mapped { events: vec![event], ..Mapped::default() }
    }

    /// Nothing to send, and why.
    pub fn nothing(reason: &'static str) -> Mapped {
        Mapped::default().ignore("", reason)
    }

    /// Adds an item that needs no event.
    #[must_use]
    pub fn ignore(mut self, item: &str, reason: &'static str) -> Mapped {
        self.ignored.push(Ignored { item: item.to_owned(), reason });
        self
    }
}

/// Why a delivery, or an item of it, cannot be mapped. Names places in the payload, never what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapError {
    /// A field holds something that the source does not know what to do with.
    Field {
        /// The field's path.
        path: &'static str,
        /// What is wrong with it: "is not an array".
        problem: &'static str,
    },
    /// Nothing in the item says which alert it is about.
    NoIdentity {
        /// The item's path; empty for the whole payload.
        item: String,
        /// The fields that could have said it.
        fields: &'static str,
    },
    /// The body is not JSON.
    NotJson {
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, in bytes from 1.
        column: usize,
    },
    /// The payload is none of the shapes that the source knows.
    Shape {
        /// What the source looked for.
        expected: &'static str,
    },
    /// A mapping of the user's own does not work.
    Template {
        /// Where and why: the variable, line, column, expression.
        problem: String,
    },
}

impl From<Unreadable> for MapError {
    fn from(Unreadable { path, problem }: Unreadable) -> MapError {
        MapError::Field { path, problem }
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Field { path, problem } => write!(f, "field `{path}` {problem}"),
            MapError::NoIdentity { item, fields } if item.is_empty() => write!(f, "no identity: set {fields}"),
            MapError::NoIdentity { item, fields } => write!(f, "no identity in `{item}`: set {fields}"),
            MapError::NotJson { line, column } => write!(f, "body is not json: line {line}, column {column}"),
            MapError::Template { problem } => f.write_str(problem),
            MapError::Shape { expected } => write!(f, "payload has an unknown shape: expected {expected}"),
        }
    }
}

/// The body as JSON, whatever its content type says: senders are careless about that header.
///
/// # Errors
/// The body is not JSON, or nests deeper than 127 levels.
pub fn json(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    parse(delivery.body())
}

/// Text as JSON.
///
/// # Errors
/// As [`json`].
pub fn parse(text: &[u8]) -> Result<Value, MapError> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| MapError::NotJson { line: error.line(), column: error.column() })
}

/// What the delivery says, as JSON, however it says it: a JSON body, a form, JSON in a form's field `payload` or `data`, or
/// the parameters of the query where there is no body. Of a form all values are strings.
///
/// # Errors
/// As [`json`], where it is none of these.
pub fn payload(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    let body = delivery.body().trim_ascii();
    let kind = delivery.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let json = json(delivery);
    // Some forget to say that it is a form.
    let named = kind.starts_with("application/x-www-form-urlencoded") || body.contains(&b'=') && !body.contains(&b' ');
    let form = match &json {
        Ok(_) => return json,
        _ if body.is_empty() && !delivery.query().is_empty() => form::object(delivery.query()),
        _ if kind.starts_with("multipart/form-data") => form::multipart(body),
        _ if named && !body.starts_with(b"{") => form::object(text::pairs(&String::from_utf8_lossy(body))),
        _ => return json,
    };
    let whole = ["payload", "data"].into_iter().find_map(|name| form.get(name)?.as_str());
    whole.map(|text| parse(text.as_bytes())).unwrap_or(Ok(Value::Object(form)))
}

/// What to make of a payload with nothing in it to identify an alert by. Where a template's variables were not filled
/// in, any alert may be behind it: an alert says so, the same for all of them.
///
/// # Errors
/// There are no such variables. `fields` are those that could have identified an alert.
pub fn nameless(source: &Source, payload: &Value, fields: &'static str) -> Result<Mapped, MapError> {
    let summary = format!("{} sends variables that are not filled in, and may be hiding alerts", source.name);
    // Not what is filled in: it may be a secret.
    let members = Node::root(payload).members().into_iter().flatten();
    let unfilled = members.filter(|(_, value)| value.as_str().is_some_and(text::is_unfilled));
    let unfilled: Vec<Value> = unfilled.map(|(_, value)| value.clone()).collect();
    match DedupKey::new(source.slug, &["unfilled"]).filter(|_| !unfilled.is_empty()) {
        Some(key) => {
            let event = Event::new(Action::Trigger, key, Severity::Error, &summary, source.name);
            Ok(Mapped::one(event.class(Some("unfilled".to_owned())).detail("variables", unfilled.into())))
        }
        None => Err(MapError::NoIdentity { item: String::new(), fields }),
    }
}
