//! Senders that are known by the type of their events, inside whatever envelope the events arrive. Each sender is one
//! file, whose docs name the page and the words. `any` reads the events of all others.

use super::states;
use crate::json::Node;
use crate::pagerduty::event::{Action, Severity};

mod any;
mod argo;
mod cdevents;
mod event_grid;
mod harbor;
mod keptn;
mod tekton;

/// An event, without its envelope.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The event's type.
    pub kind: &'a str,
    /// Who sent it.
    pub source: &'a str,
    /// What it is about. Empty if the envelope does not say.
    pub subject: &'a str,
    /// The sender's data.
    pub data: Node<'a>,
    /// The severity that the envelope or the data give in the usual members.
    pub severity: Option<Severity>,
}

/// What an event says.
#[derive(Debug)]
pub struct Reading {
    /// The action.
    pub action: Action,
    /// The severity, if the sender implies one.
    pub severity: Option<Severity>,
    /// The parts of the dedup key, after the source's slug. They are the same for a failure and the success after it.
    pub identity: Vec<String>,
    /// The parts that earlier versions built the key from, if the alert may still be open.
    pub former: Option<Vec<String>>,
    /// The summary.
    pub summary: String,
}

impl Reading {
    fn new(action: Action, identity: &[&str], summary: String) -> Reading {
        let identity = identity.iter().map(|&part| part.to_owned()).collect();
        Reading { action, severity: None, identity, former: None, summary }
    }

    fn severity(self, severity: Severity) -> Reading {
        Reading { severity: Some(severity), ..self }
    }

    fn formerly(self, parts: &[&str]) -> Reading {
        Reading { former: Some(parts.iter().map(|&part| part.to_owned()).collect()), ..self }
    }
}

/// Reads an event: what it says, or the reason why it needs no event.
///
/// # Errors
/// Returns the reason, as the docs of the source list it.
pub fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let begins = |start: &str| letter.kind.get(..start.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(start));
    let known = if begins("dev.cdevents.") {
        Some(cdevents::read(letter))
    } else if begins("sh.keptn.event") {
        Some(keptn::read(letter))
    } else if begins("dev.tekton.event.") {
        Some(tekton::read(letter))
    } else if begins("harbor.") {
        Some(harbor::read(letter))
    } else if begins("Microsoft.") {
        event_grid::read(letter)
    } else {
        argo::read(letter)
    };
    known.unwrap_or_else(|| any::read(letter))
}

/// `what` and the state of it, with the first of `reasons` that there is.
fn sentence(what: &[&str], state: &str, reason: Option<String>) -> String {
    let mut sentence = crate::text::join_nonempty(what, " ");
    if !state.is_empty() {
        sentence = [&sentence, " ", state].concat();
    }
    match reason {
        Some(reason) => [&sentence, ": ", &reason].concat(),
        None => sentence,
    }
}

/// The last segment of a path.
fn last_segment(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// The stable part of an object's `generateName`, which ends with `-`.
fn stable(name: String) -> String {
    name.trim_end_matches('-').to_owned()
}
