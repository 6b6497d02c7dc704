//! The state of a delivery that is under way: which event each lane sends, with which key, in which form.

use std::time::Duration;

use super::Channel;
use super::draft::takes_no_changes;
use super::outcome::{Failure, Outcome, Sent, Verdict};
use crate::pagerduty::answer;
use crate::pagerduty::event::{Action, Event};
use crate::runtime::{Inbound, Next, Outbound, SendError};
use crate::text;

/// A try that would have less time than this is not worth making.
const TRY_MIN: Duration = Duration::from_millis(100);

/// How far a lane is.
#[derive(Default)]
pub(super) struct Place {
    /// Which of the lane's events is being sent.
    at: usize,
    /// Whether it goes with the previous routing key.
    previous: bool,
    /// Its least form, once that is what is sent.
    minimal: Option<Event>,
    /// The body that is under way.
    body: Vec<u8>,
}

pub(super) struct Run<'a> {
    pub(super) events: &'a [Event],
    pub(super) channel: Channel<'a>,
    pub(super) deadline: Duration,
    /// Whether PagerDuty has turned an event away for the rate, with the current key and with the previous one, so that
    /// more of them would only make it worse.
    pub(super) throttled: [bool; 2],
    pub(super) outcomes: Vec<Outcome>,
}

impl Run<'_> {
    /// What a lane sends next.
    pub(super) fn step(
        &mut self,
        lane: &[usize],
        place: &mut Place,
        elapsed: Duration,
        answer: Option<Result<Inbound, SendError>>,
    ) -> Option<Next> {
        if let Some(answer) = answer {
            let index = *lane.get(place.at)?;
            if let Some(wait) = self.follow(index, place, elapsed, answer) {
                return self.request(index, place, elapsed.saturating_add(wait));
            }
            *place = Place { at: place.at + 1, ..Place::default() };
        }
        while elapsed < self.deadline {
            let index = *lane.get(place.at)?;
            let action = self.events.get(index)?.action();
            let key = &self.channel.keys.current;
            let failure = if action == Action::Change && takes_no_changes(key) {
                Failure::ChangeKey
            } else if self.throttled.first() == Some(&true) {
                Failure::Throttled
            } else {
                self.encode(index, place);
                return self.request(index, place, elapsed);
            };
            self.outcomes.get_mut(index)?.current.answer = Err(failure);
            place.at += 1;
        }
        None
    }

    /// Takes an answer in; how long to wait with the next request for the same event, where there is one to make.
    fn follow(
        &mut self,
        index: usize,
        place: &mut Place,
        elapsed: Duration,
        answer: Result<Inbound, SendError>,
    ) -> Option<Duration> {
        let keys = self.channel.keys;
        let hidden = [&keys.current, keys.previous.as_ref().unwrap_or(&keys.current)];
        let answer = answer.map(|inbound| answer::read(&inbound, &hidden).0).map_err(Failure::Send);
        let outcome = self.outcomes.get_mut(index)?;
        let sent = if place.previous { outcome.previous.as_mut()? } else { &mut outcome.current };
        sent.answer = answer;
        let verdict = sent.verdict();
        if elapsed >= self.deadline {
            return None;
        }
        if verdict == Verdict::Retry {
            let fits = |wait: &Duration| elapsed.saturating_add(*wait).saturating_add(TRY_MIN) <= self.deadline;
            match sent.pause().filter(fits) {
                Some(wait) if sent.attempts == 1 => return Some(wait),
                _ if sent.answer.as_ref().is_ok_and(|answer| answer.status == 429) => {
                    let [current, previous] = &mut self.throttled;
                    *(if place.previous { previous } else { current }) = true;
                }
                _ => {}
            }
        }
        if verdict == Verdict::Refused && self.channel.minimal && place.minimal.is_none() {
            place.minimal = self.events.get(index)?.minimal(&sent.to_string());
            if place.minimal.is_some() {
                outcome.minimal = true;
                // The least form is an event of its own: whatever comes of it is final.
                self.encode(index, place);
                return Some(Duration::ZERO);
            }
        }
        // PagerDuty knows an alert by routing key and dedup key: what the previous key opened, only that key closes. And
        // a page goes out with the previous key where it does not with the current one.
        let wanted = outcome.action.closes() || matches!(verdict, Verdict::RefusedKey | Verdict::Refused);
        if !place.previous && keys.previous.is_some() && wanted {
            let [_, throttled] = self.throttled;
            let failure = if throttled { Failure::Throttled } else { Failure::Unsent };
            outcome.previous = Some(Sent { answer: Err(failure), ..Sent::unsent() });
            place.previous = true;
            self.encode(index, place);
            return (!throttled).then_some(Duration::ZERO);
        }
        None
    }

    /// Puts the body together that goes out now.
    fn encode(&self, index: usize, place: &mut Place) {
        let previous = self.channel.keys.previous.as_ref().filter(|_| place.previous);
        let key = previous.unwrap_or(&self.channel.keys.current);
        let event = place.minimal.as_ref().or_else(|| self.events.get(index));
        place.body = event.map(|event| event.encode(key.expose())).unwrap_or_default();
    }

    fn request(&mut self, index: usize, place: &Place, not_before: Duration) -> Option<Next> {
        let outcome = self.outcomes.get_mut(index)?;
        let sent = if place.previous { outcome.previous.as_mut()? } else { &mut outcome.current };
        sent.sha256 = text::sha256_hex(&place.body);
        sent.attempts += 1;
        let url = if outcome.action == Action::Change { self.channel.changes } else { self.channel.alerts };
        let outbound = Outbound::post(url.clone(), place.body.clone());
        Some(Next { outbound, not_before })
    }
}
