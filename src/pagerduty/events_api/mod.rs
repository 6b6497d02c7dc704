//! Events to PagerDuty: requests out, answers to outcomes.
//!
//! An event counts as accepted only where PagerDuty said so in words that can be read. Everything else is trouble, and
//! the outcome says whose: another try may help, or a person has to.
//!
//! Events of one alert make a lane and go out one after the other: a resolve that overtakes its trigger would be
//! dropped and leave the alert open. Lanes go out together. Within its lane an event is sent, and sent once more where
//! that may help and there is time; then with the routing key before the one in use, where it can only be done with
//! that; and where PagerDuty will not have it as it is, in its least form.

use std::time::Duration;

use crate::http::Url;
use crate::pagerduty::event::{self, Event};
use crate::runtime::Host;
use crate::secret::Rotation;

mod draft;
mod outcome;
mod probe;
mod run;

pub use self::draft::{Draft, draft, takes_no_changes};
pub use self::outcome::{Failure, Outcome, Sent, Verdict};
pub use self::probe::{Probe, probe};
use self::run::{DeliveryRun, LanePosition};

/// Where events go, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The routing key, and the one before it.
    pub keys: &'a Rotation,
    /// Where PagerDuty takes alert events.
    pub alerts: &'a Url,
    /// Where PagerDuty takes change events.
    pub changes: &'a Url,
    /// Whether an event that PagerDuty refuses as invalid is tried in its least form.
    pub minimal: bool,
}

/// Sends events and waits for every answer, until `deadline` at the latest. One outcome for each event, in order.
pub fn deliver(
    host: &mut dyn Host,
    events: &[Event],
    destination: Destination<'_>,
    deadline: Duration,
) -> Vec<Outcome> {
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
    host.exchange(lanes.len(), deadline, &mut |lane, elapsed, answer| {
        let (lane, position) = (lanes.get(lane)?, positions.get_mut(lane)?);
        run.step(lane, position, elapsed, answer)
    });
    run.outcomes
}
