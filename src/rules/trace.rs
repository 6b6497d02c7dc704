//! What rules did to each event, for previews.

use std::collections::BTreeMap;

use super::RuledEvent;
use super::spread::former;
use crate::pagerduty::event::{DedupKey, Event};

/// A rule that matched an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<V> {
    /// The variable that the rule is in.
    pub variable: V,
    /// Its number there, from 1.
    pub number: usize,
    /// The paths in the event that it changed, and `service`.
    pub changed: Vec<String>,
}

impl Match<&str> {
    /// A copy that outlives the rules.
    pub fn owned(&self) -> Match<String> {
        Match { variable: self.variable.to_owned(), number: self.number, changed: self.changed.clone() }
    }
}

/// What rules did to one event.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The number of the event among those that were mapped, from 0.
    pub index: usize,
    /// The rules that matched, with their variables.
    pub matched: Vec<Match<String>>,
    /// The other keys that its copies have, if it is an acknowledge or a resolve.
    pub former: Vec<DedupKey>,
}

/// What rules did to the events of a delivery, before any were merged, sorted or replaced.
#[derive(Debug, Default)]
pub struct Traces(BTreeMap<Name, Trace>);

/// What tells an event from the others of its delivery: its key, or the summary of a change event, its action, and the item
/// that it was made of.
type Name = (String, &'static str, Option<(String, usize)>);

impl Traces {
    /// Keeps what rules did to these events. Of several events of one item with the same key and action, the last one
    /// counts, as for what is sent.
    pub fn of(events: &[RuledEvent<'_>]) -> Traces {
        let trace = |ruled: &RuledEvent<'_>| {
            let matched = ruled.matched.iter().map(Match::owned).collect();
            (name(&ruled.event), Trace { index: ruled.index, matched, former: former(ruled) })
        };
        Traces(events.iter().map(trace).collect())
    }

    /// What rules did to an event. Returns `None` for one of the relay's own.
    pub fn get(&self, event: &Event) -> Option<&Trace> {
        self.0.get(&name(event))
    }
}

fn name(event: &Event) -> Name {
    let item = event.item().map(|(list, index)| (list.to_owned(), index));
    let name = event.dedup_key().map_or_else(|| event.summary(), |key| key.as_str());
    (name.to_owned(), event.action().as_str(), item)
}
