//! The triggers that are tried again after the answer to the sender, if there is no outbox.

use std::time::Duration;

use crate::pagerduty::event::{self, Action, Event, Severity};
use crate::pagerduty::events_api::{Outcome, Verdict};

/// The least severity of an event that is tried again after the answer.
pub const TRIED_SEVERITY: Severity = Severity::Error;

/// When such retries end, counted from the arrival.
///
/// Each one holds an instance. A pool of wasmtime has room for 333 instances of a component by default, and hosts refuse
/// deliveries beyond that: so 20 failing deliveries a second must not hold more than 300.
pub const TRIED_MAX: Duration = Duration::from_secs(15);

/// A trigger that PagerDuty has not accepted, of an alert that the delivery leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct Lost {
    /// The position of its outcome.
    pub position: usize,
    /// The number of its destination, from 0.
    pub destination: usize,
    /// The event.
    pub event: Event,
}

/// The triggers that PagerDuty has not accepted. Only what opens an alert may be sent after the sender was told that it
/// failed: the sender may send newer events of the alert meanwhile, and an old resolve would close it, while an old trigger
/// only leaves it open.
///
/// `batches` are the events of each destination, and `outcomes` theirs, in this order. So are the triggers.
pub fn left(batches: &[Vec<Event>], outcomes: &[Outcome]) -> Vec<Lost> {
    let mut lost = Vec::new();
    let mut first = 0;
    for (destination, events) in batches.iter().enumerate() {
        for lane in event::by_alert(events) {
            let mut lane = lane.into_iter().rev().filter_map(|index| Some((first + index, events.get(index)?)));
            let last = lane.find(|(_, event)| event.action() != Action::Acknowledge);
            let Some((position, event)) = last.filter(|(_, event)| event.action() == Action::Trigger) else { continue };
            if outcomes.get(position).is_some_and(|outcome| outcome.verdict() != Verdict::Accepted) {
                lost.push(Lost { position, destination, event: event.clone() });
            }
        }
        first += events.len();
    }
    lost
}
