//! What a mapping gives: events, what needs none, what could not be mapped. Nothing here knows a vendor.

use std::fmt;

use crate::auth::Authenticated;
use crate::pagerduty::event::parse::Unreadable;
use crate::pagerduty::event::{DedupKey, Event};

pub mod fallback;
pub mod prometheus;
pub mod unexpanded;

mod payload;

pub use self::payload::{json, parse, payload};

/// Maps a delivery to events.
pub type Map = fn(&Authenticated<'_>) -> Result<Mapped, MapError>;

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
    /// What the sender asks for before it sends alerts.
    pub handshake: Option<Handshake>,
}

/// What a sender asks for before it sends alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// A text in the reply, by which it knows its receiver.
    Echo {
        /// The text's media type.
        media_type: &'static str,
        /// The text.
        body: String,
    },
    /// A visit to an address of its own. It is made where the source's own rule allows it and the operator has listed
    /// whose it is, and nowhere else.
    Visit {
        /// Whose it is, as it stands in the operator's list.
        whose: String,
        /// The path with its query.
        path: String,
    },
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
            MapError::NoIdentity { item, fields } if item.is_empty() => {
                write!(f, "nothing identifies the alert; set {fields}")
            }
            MapError::NoIdentity { item, fields } => {
                write!(f, "nothing identifies the alert in `{item}`; set {fields}")
            }
            MapError::NotJson { line, column } => write!(f, "the body is not valid JSON: line {line}, column {column}"),
            MapError::Template { problem } => f.write_str(problem),
            MapError::Shape { expected } => write!(f, "unexpected payload: expected {expected}"),
        }
    }
}
