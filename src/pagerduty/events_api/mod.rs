//! Events to PagerDuty: requests out, answers to outcomes.
//!
//! An event counts as accepted only where PagerDuty said so in words that can be read. Everything else is trouble, and
//! the outcome says whose: another try may help, or a person has to.
//!
//! Events of one alert make a lane and go out one after the other: a resolve that overtakes its trigger would be
//! dropped and leave the alert open. Lanes go out together. Within its lane an event is sent, and sent once more where
//! that may help and there is time; then with the routing key before the one in use, where it can only be done with
//! that; and where PagerDuty will not have it as it is, in its least form.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::http::Url;
use crate::pagerduty::event::{self, Action, Event};
use crate::runtime::{Host, Inbound, Next, Outbound, SendError};
use crate::secret::{Rotation, Secret};
use crate::text;

mod draft;
mod probe;

use self::draft::NO_CHANGES;
pub use self::draft::{Draft, draft, takes_no_changes};
pub use self::probe::{Probe, probe};

/// How much of PagerDuty's own words is repeated, in UTF-16 code units.
const WORDS_MAX_CHARS: usize = 300;

/// The shortest pause before the second try. What is added to it differs from event to event and is no longer.
const PAUSE: Duration = Duration::from_millis(100);

/// A try that would have less time than this is not worth making.
const TRY_MIN: Duration = Duration::from_millis(100);

/// Where events go, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    /// The routing key, and the one before it.
    pub keys: &'a Rotation,
    /// Where PagerDuty takes alert events.
    pub alerts: &'a Url,
    /// Where PagerDuty takes change events.
    pub changes: &'a Url,
    /// Whether an event that PagerDuty refuses as invalid is tried in its least form.
    pub minimal: bool,
}

/// What came of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the event was to do.
    pub action: Action,
    /// The alert that it was to do it to; a change has none.
    pub dedup_key: Option<String>,
    /// What came of it with the routing key in use.
    pub current: Sent,
    /// What came of it with the routing key before that, where it was sent with it.
    pub previous: Option<Sent>,
    /// Whether it went out in its least form in the end.
    pub minimal: bool,
}

/// What came of an event with one routing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The SHA-256 of the body that was sent last, in hex; empty where none was.
    pub sha256: String,
    /// How often it was sent.
    pub attempts: u8,
    /// PagerDuty's last answer, or why there was none.
    pub answer: Result<Answer, Failure>,
}

/// PagerDuty's answer to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body says that the event was taken.
    pub confirmed: bool,
    /// PagerDuty's own words, bounded.
    pub words: String,
    /// The seconds that PagerDuty asks to wait.
    pub retry_after: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An orchestration's routing key takes no change events, so it was not sent.
    ChangeKey,
    /// The request failed.
    Send(SendError),
    /// It was not sent, because PagerDuty was turning others away.
    Throttled,
    /// It was not sent for want of time.
    Unsent,
}

/// What an outcome means for the sender; of several the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// PagerDuty has it.
    Accepted,
    /// PagerDuty will not take this event, ever.
    Refused,
    /// The same event may be taken later. A sender that tries again may bring it through, so this goes before refusals.
    Retry,
    /// The runtime does not let it out.
    Blocked,
    /// What answers there is not PagerDuty's Events API.
    Misdirected,
    /// PagerDuty does not take the routing key.
    RefusedKey,
}

impl Outcome {
    /// What it means. One key's acceptance is enough for a trigger: the page is out. What is to close an alert has to
    /// reach both, but for a key that PagerDuty does not know, with which none can be open.
    pub fn verdict(&self) -> Verdict {
        self.deciding().verdict()
    }

    /// The result that the verdict comes from.
    pub fn deciding(&self) -> &Sent {
        let Some(previous) = &self.previous else { return &self.current };
        let previous_counts = match self.action {
            Action::Change | Action::Trigger => previous.verdict() < self.current.verdict(),
            _ if previous.is_unknown_key() => false,
            _ if self.current.is_unknown_key() => true,
            Action::Acknowledge | Action::Resolve => previous.verdict() > self.current.verdict(),
        };
        if previous_counts { previous } else { &self.current }
    }
}

impl Sent {
    /// What it means.
    pub fn verdict(&self) -> Verdict {
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(Failure::ChangeKey) => return Verdict::RefusedKey,
            Err(Failure::Send(SendError::Denied)) => return Verdict::Blocked,
            Err(Failure::Send(_) | Failure::Throttled | Failure::Unsent) => return Verdict::Retry,
        };
        match answer.status {
            200..=299 if answer.confirmed => Verdict::Accepted,
            400 if self.is_unknown_key() => Verdict::RefusedKey,
            401..=403 => Verdict::RefusedKey,
            // PagerDuty has these paths and redirects nobody.
            300..=399 | 404 | 405 | 407 | 410 | 421 => Verdict::Misdirected,
            408 | 425 | 429 => Verdict::Retry,
            400..=499 => Verdict::Refused,
            // Server faults, and success that nobody confirms.
            _ => Verdict::Retry,
        }
    }

    /// Whether PagerDuty says that there is no such routing key. It is the only refusal whose cause is elsewhere than in
    /// the event; seen as plain text and inside JSON. Where the wording changes, the answer is still a refusal, and the
    /// previous key is still tried.
    pub fn is_unknown_key(&self) -> bool {
        let Ok(answer) = &self.answer else { return false };
        let words = answer.words.to_ascii_lowercase();
        answer.status == 400 && ["routing key", "routing_key"].iter().any(|name| text::contains(&words, name))
    }

    fn unsent() -> Sent {
        Sent { sha256: String::new(), attempts: 0, answer: Err(Failure::Unsent) }
    }

    /// How long to wait before the second try of what may be taken later; nothing where one makes no sense.
    fn pause(&self) -> Option<Duration> {
        match &self.answer {
            // The rate is counted over a minute, so without a word how soon there is room, it is not soon.
            Ok(Answer { status: 429, retry_after: None, .. }) => None,
            Ok(Answer { retry_after: Some(seconds), .. }) => {
                Some(Duration::from_secs(*seconds).saturating_add(self.spread()))
            }
            _ => Some(PAUSE + self.spread()),
        }
    }

    /// Events that failed together are not to come again together: the body's hash tells them apart. Less than
    /// [`PAUSE`].
    fn spread(&self) -> Duration {
        let byte = self.sha256.get(..2).and_then(|byte| u64::from_str_radix(byte, 16).ok());
        Duration::from_micros(byte.unwrap_or_default() * 390)
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Ok(answer) if answer.words.is_empty() => write!(f, "{}", answer.status),
            Ok(answer) => write!(f, "{} {}", answer.status, answer.words),
            Err(Failure::ChangeKey) => f.write_str(NO_CHANGES),
            Err(Failure::Send(error)) => error.fmt(f),
            Err(Failure::Unsent) => f.write_str("not sent, no time was left"),
            Err(Failure::Throttled) => f.write_str("not sent, because pagerduty turned others away"),
        }
    }
}

/// Sends events and waits for every answer, until `deadline` at the latest. One outcome for each event, in order.
pub fn deliver(host: &mut dyn Host, events: &[Event], channel: Channel<'_>, deadline: Duration) -> Vec<Outcome> {
    let lanes = event::by_alert(events);
    let mut run = Run { events, channel, deadline, throttled: [false; 2], outcomes: Vec::new() };
    run.outcomes.extend(events.iter().map(|event| Outcome {
        action: event.action(),
        dedup_key: event.dedup_key().map(|key| key.as_str().to_owned()),
        current: Sent::unsent(),
        previous: (event.action().closes() && channel.keys.previous.is_some()).then(Sent::unsent),
        minimal: false,
    }));
    let mut places: Vec<Place> = lanes.iter().map(|_| Place::default()).collect();
    host.exchange(lanes.len(), deadline, &mut |lane, elapsed, answer| {
        let (lane, place) = (lanes.get(lane)?, places.get_mut(lane)?);
        run.step(lane, place, elapsed, answer)
    });
    run.outcomes
}

/// How far a lane is.
#[derive(Default)]
struct Place {
    /// Which of the lane's events is being sent.
    at: usize,
    /// Whether it goes with the previous routing key.
    previous: bool,
    /// Its least form, once that is what is sent.
    minimal: Option<Event>,
    /// The body that is under way.
    body: Vec<u8>,
}

struct Run<'a> {
    events: &'a [Event],
    channel: Channel<'a>,
    deadline: Duration,
    /// Whether PagerDuty has turned an event away for the rate, with the current key and with the previous one, so that
    /// more of them would only make it worse.
    throttled: [bool; 2],
    outcomes: Vec<Outcome>,
}

impl Run<'_> {
    /// What a lane sends next.
    fn step(
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
        let answer = answer.map(|inbound| read_answer(inbound, &hidden)).map_err(Failure::Send);
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

/// Reads an answer. Its wording varies and holds typing errors, so nothing but `status` is relied on for success.
///
/// What an answer repeats of the routing keys is taken out: its words go to the sender and into the log.
fn read_answer(inbound: Inbound, hidden: &[&Secret]) -> Answer {
    let body: Option<Value> = serde_json::from_slice(&inbound.body).ok();
    let confirmed = body.as_ref().is_some_and(|body| body.get("status").and_then(Value::as_str) == Some("success"));
    let said = body.as_ref().map(|body| {
        let member = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        text::joined(&[member("message"), &text::joined(&errors, "; "), member("errors")], ": ")
    });
    // Of an object of another kind, the text itself says the most.
    let whole = || str::from_utf8(&inbound.body).unwrap_or("an answer that is not text").to_owned();
    let mut words = said.filter(|said| !said.is_empty() || confirmed).unwrap_or_else(whole);
    for secret in hidden {
        words = secret.redact(&words);
    }
    let words = text::one_line(&words);
    let words = text::truncate(&words, WORDS_MAX_CHARS).into_owned();
    Answer { status: inbound.status, confirmed, words, retry_after: inbound.retry_after }
}
