//! What a source is, and the list of them. Nothing here knows a vendor.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::auth::{Authenticated, Scheme};
use crate::event::{DedupKey, Event};

pub mod alertmanager;
pub mod events;
pub mod grafana;

/// Every source, by slug.
pub const SOURCES: &[&Source] = &[&alertmanager::SOURCE, &events::SOURCE, &grafana::SOURCE];

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
    pub schemes: &'static [Scheme],
    /// How long this sender waits for an answer.
    pub patience: Duration,
    /// The status that tells this sender that all is well.
    pub success: http::StatusCode,
    /// Payload to events: a pure function of the delivery's bytes.
    pub map: Map,
    /// The same with one event for a whole batch, where `grouping = group` asks for it and the vendor batches.
    pub map_group: Option<Map>,
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
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Field { path, problem } => write!(f, "field `{path}` {problem}"),
            MapError::NoIdentity { item, fields } if item.is_empty() => write!(f, "no identity: set {fields}"),
            MapError::NoIdentity { item, fields } => write!(f, "no identity in `{item}`: set {fields}"),
            MapError::NotJson { line, column } => write!(f, "body is not json: line {line}, column {column}"),
            MapError::Shape { expected } => write!(f, "payload has an unknown shape: expected {expected}"),
        }
    }
}

/// The body as JSON, whatever its content type says: senders are careless about that header.
///
/// # Errors
/// The body is not JSON, or nests deeper than 127 levels.
pub fn json(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    let body = delivery.body();
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| MapError::NotJson { line: error.line(), column: error.column() })
}
