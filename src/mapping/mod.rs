//! The result of a mapping: events, items that need no event, and items that could not be mapped. This module knows no
//! vendor.

use std::borrow::Cow;
use std::fmt;

use crate::auth::Authenticated;
use crate::http::Reply;
use crate::pagerduty::event::parse::Unreadable;
use crate::pagerduty::event::{DedupKey, Event};

pub mod aws;
pub mod azure;
pub mod budget;
pub mod deployments;
pub mod events_api;
pub mod falco_rule;
pub mod fallback;
pub mod known;
pub mod log_alerts;
pub mod monitoring;
pub mod outcomes;
pub mod prometheus;
pub mod repair;
pub mod states;
pub mod status_pages;
pub mod subject;
pub mod unexpanded;
pub mod uptime;
pub mod wording;

mod number;
mod payload;
mod scan;
mod tree;

pub use self::aws::envelope::message_of;
pub use self::payload::{VALUES_MAX, json, parse, payload};

/// Maps a delivery to events.
pub type Map = fn(&Authenticated<'_>) -> Result<Mapped, MapError>;

/// The result of mapping a delivery. Each item of the delivery is in one of the three lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapped {
    /// The events to send, in order.
    pub events: Vec<Event>,
    /// The items that need no event, and why.
    pub ignored: Vec<Ignored>,
    /// The items that should have become events and could not be mapped.
    pub rejected: Vec<MapError>,
    /// The dedup key for a digest of the delivery, if the payload identifies its batch. The source itself resolves that
    /// alert when the batch is over.
    pub group: Option<DedupKey>,
    /// The sender's request before it sends alerts, if this delivery is one.
    pub handshake: Option<Handshake>,
}

/// A sender's request that is not about alerts: before it sends some, or beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// The sender asks something and expects exactly this answer: to recognise its receiver, or to look at what it has
    /// sent.
    Answer(Reply),
    /// The sender gives a sign of life, for the heartbeat with this name.
    Beat(String),
    /// The sender asks something, and the answer of its API says it.
    Question,
    /// The sender asks the relay to visit a URL. The relay does so only if the source's own rule allows it and the
    /// operator has listed the subscription.
    Visit {
        /// The subscription's name, as in the operator's list.
        whose: String,
        /// The path of the URL, with its query.
        path: String,
    },
}

/// An item of a delivery that needs no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The item's path in the payload. Empty for the whole payload.
    pub item: String,
    /// The reason: as the source's docs list it, or in the words of the user's rule.
    pub reason: Cow<'static, str>,
}

impl Mapped {
    /// A mapping to one event.
    pub fn one(event: Event) -> Mapped {
        Mapped { events: vec![event], ..Mapped::default() }
    }

    /// A mapping to no event, with the reason.
    pub fn nothing(reason: &'static str) -> Mapped {
        Mapped::default().ignore("", reason)
    }

    /// Adds an item that needs no event.
    #[must_use]
    pub fn ignore(mut self, item: &str, reason: &'static str) -> Mapped {
        self.ignored.push(Ignored { item: item.to_owned(), reason: reason.into() });
        self
    }
}

/// Why a delivery, or an item of it, cannot be mapped. The error names paths in the payload and never contains values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapError {
    /// Several events in one delivery, for an API that takes one. Its clients never send that, so nothing is paged for it.
    Batch,
    /// An object has two members of the same name.
    Duplicate {
        /// The name.
        name: String,
        /// The line of the second one, from 1.
        line: usize,
        /// Its column, in bytes from 1.
        column: usize,
    },
    /// A field has an unexpected value.
    Field {
        /// The field's path.
        path: &'static str,
        /// The problem with it: "is not an array".
        problem: &'static str,
    },
    /// The item has no field that identifies its alert.
    NoIdentity {
        /// The item's path. Empty for the whole payload.
        item: String,
        /// The fields that would identify it.
        fields: &'static str,
    },
    /// The body is not JSON.
    NotJson {
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error, in bytes from 1.
        column: usize,
    },
    /// The body has more values than [`VALUES_MAX`].
    TooManyValues,
    /// The payload has none of the shapes that the source knows.
    Shape {
        /// The shape that the source expects.
        expected: &'static str,
    },
    /// A user's template failed.
    Template {
        /// The position and the problem: variable, line, column, expression.
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
            MapError::Batch => f.write_str("the body is a list; send each event in a request of its own"),
            MapError::Duplicate { name, line, column } => {
                write!(f, "the body has member `{name}` twice in one object: line {line}, column {column}")
            }
            MapError::Field { path, problem } => write!(f, "field `{path}` {problem}"),
            MapError::NoIdentity { item, fields } if item.is_empty() => {
                write!(f, "nothing identifies the alert; set {fields}")
            }
            MapError::NoIdentity { item, fields } => {
                write!(f, "nothing identifies the alert in `{item}`; set {fields}")
            }
            MapError::NotJson { line, column } => write!(f, "the body is not valid JSON: line {line}, column {column}"),
            MapError::Template { problem } => f.write_str(problem),
            MapError::TooManyValues => write!(f, "the body is too large to map: it has more than {VALUES_MAX} values"),
            MapError::Shape { expected } => write!(f, "unexpected payload: expected {expected}"),
        }
    }
}
