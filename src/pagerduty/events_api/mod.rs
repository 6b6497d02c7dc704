//! Sends events to PagerDuty and turns the responses into outcomes.
//!
//! An event counts as accepted only if PagerDuty's response says so explicitly. All other responses are failures, and
//! the outcome says whether a retry may help or an operator has to act.
//!
//! The events of one alert form a lane and are sent one after the other: if a resolve overtook its trigger, PagerDuty
//! would ignore the resolve and leave the alert open. Lanes run concurrently. Within its lane, each event is sent as
//! follows:
//!
//! 1. It is sent with the current routing key, and retried if that may help and time allows ([`Retries`]).
//! 2. If PagerDuty rejects the event as invalid, its minimal form is sent.
//! 3. An acknowledge or a resolve is then sent with the previous routing key too. So is an event that PagerDuty rejects
//!    with the current key.

use std::time::Duration;

use crate::http::Url;
use crate::pagerduty::event::{self, Action, Event};
use crate::runtime::{Host, HttpRequest, HttpResponse, Next, SendError};
use crate::secret::Rotation;

mod draft;
mod outcome;
mod probe;
mod run;

pub use self::draft::{Draft, draft, takes_no_changes};
pub use self::outcome::{Failure, LIMIT_PAUSE, Outcome, PAUSES, SLOW_PAUSE, Sent, Verdict, closing_nothing};
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

/// How often an event is retried that PagerDuty did not accept, if a retry may help and time allows.
///
/// The first retry follows after 100 to 200 ms, or after the time that PagerDuty asks for. A 429 without such a time is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retries {
    /// Never.
    Never,
    /// Once. This is for senders that send their state again by themselves: they retry better than we can.
    Once,
    /// Until the deadline while PagerDuty or the network fails, with growing pauses: 0.1, 0.5, 1 and 2 seconds, then always
    /// 4. A rate limit is waited for at most once with each key. These stay at one retry:
    ///
    /// - what PagerDuty may have accepted: a success that its body does not confirm;
    /// - change events, which notify nobody and which PagerDuty does not merge;
    /// - an event before a trigger of the same alert, because the trigger waits for it;
    /// - all events while PagerDuty is rate-limiting their key;
    /// - all events once the delivery has made 120 requests with the keys of their destination, which is about what PagerDuty
    ///   accepts in a minute.
    UntilDeadline,
    /// Like [`Retries::UntilDeadline`], with pauses of 4 seconds from the beginning: for after the answer to the sender.
    Slowly,
}

/// How to send the events of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How often each event is retried.
    pub retries: Retries,
    /// Whether a lane ends with its first event that PagerDuty has not accepted, unless it has rejected that event as
    /// invalid. If the events that follow were sent, the one that is sent later would overtake them.
    pub in_order: bool,
    /// When to begin, by [`Host::elapsed`].
    pub not_before: Duration,
}

impl From<Retries> for Effort {
    /// At once, and all events of a lane.
    fn from(retries: Retries) -> Effort {
        Effort { retries, in_order: false, not_before: Duration::ZERO }
    }
}

/// A request to another server, which is sent beside the events.
pub struct Beside {
    /// The request.
    pub outbound: HttpRequest,
    /// How long its response may take. The events do not wait for it, but the delivery does.
    pub timeout: Duration,
}

/// Events with the destination that they are sent to.
#[derive(Clone, Copy, Debug)]
pub struct Addressed<'a> {
    /// The events, in order.
    pub events: &'a [Event],
    /// The positions of events that are not sent, in ascending order: an earlier event of their alert is stored.
    pub held: &'a [usize],
    /// Their destination.
    pub destination: Destination<'a>,
}

/// Sends the events of all destinations together and waits for every response, until `deadline` at the latest. Returns one
/// outcome per event, in order, and the response to the request `beside` them.
///
/// PagerDuty identifies an alert by routing key and dedup key, so the events of one alert form a lane for each
/// destination. Destinations have different keys.
pub fn deliver(
    host: &mut dyn Host,
    addressed: &[Addressed<'_>],
    effort: Effort,
    deadline: Duration,
    mut beside: Option<Beside>,
) -> (Vec<Outcome>, Option<Result<HttpResponse, SendError>>) {
    let mut runs = Vec::new();
    // The lanes of all destinations, each with the number of its run.
    let mut lanes = Vec::new();
    for (number, Addressed { events, held, destination }) in addressed.iter().copied().enumerate() {
        lanes.extend(event::by_alert(events).into_iter().map(|lane| (number, lane, LanePosition::default())));
        let outcomes = events.iter().map(|event| Outcome {
            action: event.action(),
            dedup_key: event.dedup_key().map(|key| key.as_str().to_owned()),
            destination: number,
            current: Sent::unsent(),
            previous: (event.action().closes() && destination.keys.previous.is_some()).then(Sent::unsent),
            minimal: false,
        });
        let outcomes = outcomes.collect();
        let throttled = [false; 2];
        runs.push(DeliveryRun { events, held, destination, deadline, effort, requests: 0, throttled, outcomes });
    }
    if addressed.len() > 1 {
        // The copies of resolves for all destinations must not delay the triggers of the last one.
        lanes.sort_by_key(|(number, lane, _)| {
            let events = addressed.get(*number).map(|addressed| addressed.events).unwrap_or_default();
            let triggers = |index: &usize| events.get(*index).is_some_and(|event| event.action() == Action::Trigger);
            (!lane.iter().any(triggers), lane.first().copied())
        });
    }
    let mut answered = beside.as_ref().map(|_| Err(SendError::Deadline));
    host.exchange(lanes.len() + usize::from(beside.is_some()), deadline, &mut |lane, elapsed, answer| {
        let Some((run, lane, position)) = lanes.get_mut(lane) else {
            // It has the last lane: the events are more important.
            answered = answer.or(answered.take());
            let Beside { outbound, timeout } = beside.take()?;
            return Some(Next { outbound, not_before: elapsed, until: Some(elapsed.saturating_add(timeout)) });
        };
        runs.get_mut(*run)?.step(lane, position, elapsed, answer)
    });
    (runs.into_iter().flat_map(|run| run.outcomes).collect(), answered)
}
