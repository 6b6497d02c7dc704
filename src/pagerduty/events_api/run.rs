//! The state of a running delivery: which event each lane is sending, with which key and in which form.

use std::time::Duration;

use super::draft::takes_no_changes;
use super::outcome::{Failure, Outcome, Sent, Verdict};
use super::{Destination, Effort, Retries};
use crate::pagerduty::answer;
use crate::pagerduty::event::{Action, Event};
use crate::runtime::{HttpRequest, HttpResponse, Next, SendError};
use crate::text;

/// The shortest time that makes a retry worthwhile.
const TRY_MIN: Duration = Duration::from_millis(100);

/// Once a delivery has made so many requests with the keys of one destination, each event is retried at most once. PagerDuty
/// accepts about as many in a minute with one routing key, so the retries during an outage do not end in a rate limit.
const REQUESTS_MAX: usize = 120;

/// The progress of a lane.
#[derive(Default)]
pub(super) struct LanePosition {
    /// The position of the current event in the lane.
    at: usize,
    /// Whether it is sent with the previous routing key.
    previous: bool,
    /// Its minimal form, once that is sent instead.
    minimal: Option<Event>,
    /// The body of the current request.
    body: Vec<u8>,
    /// Whether it has waited for the end of a rate limit with this key.
    has_waited: bool,
}

impl LanePosition {
    /// Whether to retry the event after an answer that allows it. `once` says whether one retry is allowed, and `more`
    /// whether that is not the limit.
    fn retries(&mut self, sent: &Sent, once: bool, more: bool) -> bool {
        let is_first = once && sent.attempts == 1;
        if sent.is_throttled() {
            let has_waited = std::mem::replace(&mut self.has_waited, true);
            return !has_waited && (is_first || more);
        }
        is_first || (more && sent.is_outage())
    }
}

pub(super) struct DeliveryRun<'a> {
    pub(super) events: &'a [Event],
    /// The positions of events that are not sent, in ascending order.
    pub(super) held: &'a [usize],
    pub(super) destination: Destination<'a>,
    pub(super) deadline: Duration,
    pub(super) effort: Effort,
    /// How many requests have been made.
    pub(super) requests: usize,
    /// Whether PagerDuty has rate-limited an event, with the current key and with the previous one. More events would
    /// only make it worse.
    pub(super) throttled: [bool; 2],
    pub(super) outcomes: Vec<Outcome>,
}

impl DeliveryRun<'_> {
    /// Returns the next request of a lane.
    pub(super) fn step(
        &mut self,
        lane: &[usize],
        position: &mut LanePosition,
        elapsed: Duration,
        answer: Option<Result<HttpResponse, SendError>>,
    ) -> Option<Next> {
        if let Some(answer) = answer {
            let index = *lane.get(position.at)?;
            let delays_trigger = self.has_trigger(lane.get(position.at + 1..).unwrap_or_default());
            if let Some(wait) = self.follow(index, position, elapsed, answer, delays_trigger) {
                return self.request(index, position, elapsed.saturating_add(wait));
            }
            *position = LanePosition { at: position.at + 1, ..LanePosition::default() };
            if self.ends_lane(index) {
                self.hold(lane.get(position.at..).unwrap_or_default());
                return None;
            }
        }
        while elapsed < self.deadline {
            let index = *lane.get(position.at)?;
            let action = self.events.get(index)?.action();
            let key = &self.destination.keys.current;
            let failure = if self.held.binary_search(&index).is_ok() {
                Failure::Held
            } else if action == Action::Change && takes_no_changes(key) {
                Failure::ChangeKey
            } else if self.throttled.first() == Some(&true) {
                Failure::Throttled
            } else {
                self.encode(index, position);
                return self.request(index, position, elapsed.max(self.effort.not_before));
            };
            self.outcomes.get_mut(index)?.current.answer = Err(failure);
            position.at += 1;
        }
        None
    }

    /// Whether no later event of a lane may be sent, because this one is not accepted and may be accepted later.
    fn ends_lane(&self, index: usize) -> bool {
        let is_left = |outcome: &Outcome| outcome.verdict() > Verdict::Refused && !outcome.is_needless();
        self.effort.in_order && self.outcomes.get(index).is_some_and(is_left)
    }

    /// Notes that these events are not sent.
    fn hold(&mut self, lane: &[usize]) {
        for index in lane {
            if let Some(outcome) = self.outcomes.get_mut(*index) {
                outcome.current.answer = Err(Failure::Held);
            }
        }
    }

    /// Whether one of these events triggers an alert.
    fn has_trigger(&self, events: &[usize]) -> bool {
        let mut events = events.iter().filter_map(|index| self.events.get(*index));
        events.any(|event| event.action() == Action::Trigger)
    }

    /// Records an answer. Returns the pause before the next request for the same event, or `None` if that event is
    /// done. `delays_trigger` says whether a trigger waits for it.
    fn follow(
        &mut self,
        index: usize,
        position: &mut LanePosition,
        elapsed: Duration,
        answer: Result<HttpResponse, SendError>,
        delays_trigger: bool,
    ) -> Option<Duration> {
        let keys = self.destination.keys;
        let hidden = [&keys.current, keys.previous.as_ref().unwrap_or(&keys.current)];
        let answer = answer.map(|inbound| answer::read(&inbound, &hidden).0).map_err(Failure::Send);
        let outcome = self.outcomes.get_mut(index)?;
        let sent = if position.previous { outcome.previous.as_mut()? } else { &mut outcome.current };
        sent.answer = answer;
        let verdict = sent.verdict();
        if elapsed >= self.deadline {
            return None;
        }
        if verdict == Verdict::Retry {
            let [current, previous] = &mut self.throttled;
            let throttled = if position.previous { previous } else { current };
            // A change is no page, and PagerDuty does not merge the copies of one that it has already accepted.
            let Effort { retries, .. } = self.effort;
            let more = matches!(retries, Retries::UntilDeadline | Retries::Slowly)
                && self.requests < REQUESTS_MAX
                && outcome.action != Action::Change
                && !delays_trigger
                && !*throttled;
            let fits = |wait: &Duration| elapsed.saturating_add(*wait).saturating_add(TRY_MIN) <= self.deadline;
            match sent.pause(retries == Retries::Slowly).filter(fits) {
                Some(wait) if position.retries(sent, retries != Retries::Never, more) => return Some(wait),
                _ => *throttled |= sent.is_throttled(),
            }
        }
        if verdict == Verdict::Refused && self.destination.minimal && position.minimal.is_none() {
            position.minimal = self.events.get(index)?.minimal(&sent.to_string());
            if position.minimal.is_some() {
                outcome.minimal = true;
                // The minimal form is an event of its own, so its rejection is final.
                self.encode(index, position);
                return Some(Duration::ZERO);
            }
        }
        // PagerDuty identifies an alert by routing key and dedup key, so only the previous key closes what it opened. A
        // trigger is sent with the previous key if the current one does not work.
        let wanted = outcome.action.closes() || matches!(verdict, Verdict::RefusedKey | Verdict::Refused);
        if !position.previous && keys.previous.is_some() && wanted {
            let [_, throttled] = self.throttled;
            let failure = if throttled { Failure::Throttled } else { Failure::Unsent };
            outcome.previous = Some(Sent { answer: Err(failure), ..Sent::unsent() });
            position.previous = true;
            position.has_waited = false;
            self.encode(index, position);
            return (!throttled).then_some(Duration::ZERO);
        }
        None
    }

    /// Builds the body for the next request.
    fn encode(&self, index: usize, position: &mut LanePosition) {
        let previous = self.destination.keys.previous.as_ref().filter(|_| position.previous);
        let key = previous.unwrap_or(&self.destination.keys.current);
        let event = position.minimal.as_ref().or_else(|| self.events.get(index));
        position.body = event.map(|event| event.encode(key.expose())).unwrap_or_default();
    }

    fn request(&mut self, index: usize, position: &LanePosition, not_before: Duration) -> Option<Next> {
        let outcome = self.outcomes.get_mut(index)?;
        let sent = if position.previous { outcome.previous.as_mut()? } else { &mut outcome.current };
        sent.sha256 = text::sha256_hex(&position.body);
        sent.attempts = sent.attempts.saturating_add(1);
        self.requests += 1;
        let url = if outcome.action == Action::Change { self.destination.changes } else { self.destination.alerts };
        let outbound = HttpRequest::post(url.clone(), position.body.clone());
        Some(Next { outbound, not_before, until: None })
    }
}
