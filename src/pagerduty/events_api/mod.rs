//! Sends events to PagerDuty and turns the responses into outcomes.
//!
//! An event counts as accepted only if PagerDuty's response says so explicitly. All other responses are failures, and
//! the outcome says whether a retry may help or an operator has to act.
//!
//! The events of one alert form a lane and are sent one after the other: if a resolve overtook its trigger, PagerDuty
//! would ignore the resolve and leave the alert open. Lanes run concurrently. Within its lane, each event is sent as
//! follows:
//!
//! 1. It is sent with the current routing key, and retried once if that may help and time allows.
//! 2. If PagerDuty rejects the event as invalid, its minimal form is sent.
//! 3. An acknowledge or a resolve is then sent with the previous routing key too. So is an event that PagerDuty rejects
//!    with the current key.

use std::time::Duration;

use crate::http::Url;
use crate::pagerduty::event::{self, Event};
use crate::runtime::{Host, HttpRequest, HttpResponse, Next, SendError};
use crate::secret::Rotation;

mod draft;
mod outcome;
mod probe;
mod run;

pub use self::draft::{Draft, draft, takes_no_changes};
pub use self::outcome::{Failure, Outcome, Sent, Verdict};
pub use self::probe::{Probe, probe};
use self::run::{DeliveryRun, LanePosition};

/// Where to send events, and with which keys.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The current and the previous routing key.
    pub keys: &'a Rotation,
    /// PagerDuty's URL for alert events.
    pub alerts: &'a Url,
    /// PagerDuty's URL for change events.
    pub changes: &'a Url,
    /// Whether to send the minimal form of an event that PagerDuty rejects as invalid.
    pub minimal: bool,
}

/// A request to another server, which is sent beside the events.
pub struct Beside {
    /// The request.
    pub outbound: HttpRequest,
    /// How long its response may take. The events do not wait for it, but the delivery does.
    pub timeout: Duration,
}

/// Sends events and waits for every response, until `deadline` at the latest. Returns one outcome per event, in order, and
/// the response to the request beside them.
pub fn deliver(
    host: &mut dyn Host,
    events: &[Event],
    destination: Destination<'_>,
    deadline: Duration,
    beside: Option<Beside>,
) -> (Vec<Outcome>, Option<Result<HttpResponse, SendError>>) {
    let lanes = event::by_alert(events);
    let mut run = DeliveryRun { events, destination, deadline, throttled: [false; 2], outcomes: Vec::new() };
    run.outcomes.extend(events.iter().map(|event| Outcome {
        action: event.action(),
        dedup_key: event.dedup_key().map(|key| key.as_str().to_owned()),
        current: Sent::unsent(),
        previous: (event.action().closes() && destination.keys.previous.is_some()).then(Sent::unsent),
        minimal: false,
    }));
    let mut positions: Vec<LanePosition> = lanes.iter().map(|_| LanePosition::default()).collect();
    // It has the last lane: the events are more important.
    let mut answered = beside.as_ref().map(|_| Err(SendError::Deadline));
    let mut beside = beside;
    host.exchange(lanes.len() + usize::from(beside.is_some()), deadline, &mut |lane, elapsed, answer| {
        let (Some(lane), Some(position)) = (lanes.get(lane), positions.get_mut(lane)) else {
            answered = answer.or(answered.take());
            let Beside { outbound, timeout } = beside.take()?;
            return Some(Next { outbound, not_before: elapsed, until: Some(elapsed.saturating_add(timeout)) });
        };
        run.step(lane, position, elapsed, answer)
    });
    (run.outcomes, answered)
}
