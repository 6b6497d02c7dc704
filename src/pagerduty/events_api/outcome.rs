//! The outcome of each event, and the verdict for its sender.

use std::fmt;
use std::time::Duration;

use super::draft::NO_CHANGES;
use crate::pagerduty::answer::{self, Answer, Class};
use crate::pagerduty::event::Action;
use crate::runtime::SendError;

/// The shortest pause before each retry of an event. The last one is repeated. A part that differs from event to event is
/// added, and is never longer than the first pause.
pub const PAUSES: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    SLOW_PAUSE,
];

/// How long to wait after a rate limit of unknown length. PagerDuty counts the rate over a minute.
pub const LIMIT_PAUSE: Duration = Duration::from_secs(10);

/// The longest of the pauses.
pub const SLOW_PAUSE: Duration = Duration::from_secs(4);

/// The result of sending one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The event's action.
    pub action: Action,
    /// The event's dedup key. `None` for a change event.
    pub dedup_key: Option<String>,
    /// The number of the destination, from 0.
    pub destination: usize,
    /// The result with the current routing key.
    pub current: Sent,
    /// The result with the previous routing key, if the event was sent with it.
    pub previous: Option<Sent>,
    /// Whether the minimal form was sent in the end.
    pub minimal: bool,
}

/// The result of sending an event with one routing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The SHA-256 of the last body sent, in hex. Empty if none was sent.
    pub sha256: String,
    /// How often it was sent.
    pub attempts: u8,
    /// PagerDuty's last response, or why there is no response.
    pub answer: Result<Answer, Failure>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not sent: an orchestration's routing key accepts no change events.
    ChangeKey,
    /// Not sent: an earlier event of the same alert is not accepted.
    Held,
    /// The request failed.
    Send(SendError),
    /// Not sent: PagerDuty was rate-limiting other events.
    Throttled,
    /// Not sent: no time left.
    Unsent,
}

/// The meaning of an outcome for the sender. Of several verdicts, the last in this order counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// PagerDuty accepted the event.
    Accepted,
    /// PagerDuty rejects the event as invalid. No retry can help.
    Refused,
    /// A retry of the same event may succeed. A sender that retries may get it through, so this outranks a rejection.
    Retry,
    /// The runtime blocks outbound requests to PagerDuty.
    Blocked,
    /// The server at the events URL is not PagerDuty's Events API.
    Misdirected,
    /// PagerDuty rejects the routing key.
    RefusedKey,
}

/// The note about events that close nothing ([`Outcome::closes_nothing`]) with the key in a variable.
pub fn closing_nothing(variable: &str) -> String {
    format!("not accepted for `{variable}`: PagerDuty does not know that key, so no alert can be open with it")
}

impl Outcome {
    /// The verdict. For a trigger one accepting key is enough, because the page is sent. An acknowledge or a resolve
    /// has to reach both keys, except a key that PagerDuty does not know: no alert can be open with that one.
    pub fn verdict(&self) -> Verdict {
        self.deciding().verdict()
    }

    /// Whether the result does not matter: a copy of an acknowledge or a resolve for a further destination, whose routing
    /// key PagerDuty does not know. No alert can be open with that key.
    pub fn is_needless(&self) -> bool {
        self.destination > 0 && self.closes_nothing()
    }

    /// Whether it would close an alert, but PagerDuty does not know the routing key, so that no alert can be open with it.
    pub fn closes_nothing(&self) -> bool {
        self.action.closes() && self.deciding().is_unknown_key()
    }

    /// The result that decides the verdict.
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
    /// The verdict on this result.
    pub fn verdict(&self) -> Verdict {
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(Failure::ChangeKey) => return Verdict::RefusedKey,
            Err(Failure::Send(SendError::Denied)) => return Verdict::Blocked,
            Err(Failure::Held | Failure::Send(_) | Failure::Throttled | Failure::Unsent) => return Verdict::Retry,
        };
        match answer::class(answer.status) {
            Class::Success if answer.confirmed => Verdict::Accepted,
            Class::Forbidden | Class::Unauthorized => Verdict::RefusedKey,
            Class::Elsewhere | Class::NotFound => Verdict::Misdirected,
            Class::Invalid if self.is_unknown_key() => Verdict::RefusedKey,
            Class::Invalid => Verdict::Refused,
            // This includes a success status that the body does not confirm.
            Class::Later | Class::Success | Class::Throttled => Verdict::Retry,
        }
    }

    /// Whether PagerDuty says that the routing key does not exist. This is the only rejection whose cause is not the
    /// event itself. PagerDuty sends it as plain text and inside JSON. If the wording changes, the response still
    /// counts as a rejection, and the previous key is still used.
    pub fn is_unknown_key(&self) -> bool {
        let Ok(answer) = &self.answer else { return false };
        let words = answer.words.to_ascii_lowercase();
        answer.status == 400 && ["routing key", "routing_key"].iter().any(|name| words.contains(name))
    }

    /// How long to wait before a later attempt, beside the usual pause: as PagerDuty asks, or `LIMIT_PAUSE` if it limits the
    /// rate and does not say for how long.
    pub fn wait(&self) -> Duration {
        match &self.answer {
            Ok(Answer { retry_after: Some(seconds), .. }) => Duration::from_secs(*seconds),
            _ if self.is_throttled() => LIMIT_PAUSE,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn unsent() -> Sent {
        Sent { sha256: String::new(), attempts: 0, answer: Err(Failure::Unsent) }
    }

    /// The pause before the next retry, which is at least as long as PagerDuty asks for, and if `slowly` the longest of
    /// [`PAUSES`]. Returns `None` if a retry makes no sense.
    pub(super) fn pause(&self, slowly: bool) -> Option<Duration> {
        let asked = match &self.answer {
            // PagerDuty counts the rate over a minute. Without a `retry-after`, there will be no room soon.
            Ok(Answer { status: 429, retry_after: None, .. }) => return None,
            Ok(Answer { retry_after: Some(seconds), .. }) => Duration::from_secs(*seconds),
            _ => Duration::ZERO,
        };
        let [first, .., last] = PAUSES;
        let next = if slowly { PAUSES.len() } else { usize::from(self.attempts.saturating_sub(1)) };
        let pause = PAUSES.get(next).copied().unwrap_or(last);
        // A rate limit has its own clock.
        let pause = if self.is_throttled() { first } else { pause };
        Some(asked.max(pause).saturating_add(self.spread()))
    }

    /// Whether PagerDuty or the network failed, so that the same request may succeed soon. An unconfirmed success is no
    /// such failure, because PagerDuty may have accepted the event.
    pub(super) fn is_outage(&self) -> bool {
        match &self.answer {
            Ok(answer) => answer::class(answer.status) == Class::Later,
            Err(Failure::Send(error)) => *error != SendError::Denied,
            Err(Failure::ChangeKey | Failure::Held | Failure::Throttled | Failure::Unsent) => false,
        }
    }

    /// Whether PagerDuty's response is that the rate limit was exceeded.
    pub(super) fn is_throttled(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer::class(answer.status) == Class::Throttled)
    }

    /// Spreads the retries of events that failed together, by the hash of the body. It is shorter than the first pause.
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
            Err(Failure::Held) => f.write_str("not sent: an earlier event of the alert is not accepted yet"),
            Err(Failure::Send(error)) => error.fmt(f),
            Err(Failure::Unsent) => f.write_str("not sent: no time left"),
            Err(Failure::Throttled) => f.write_str("not sent: PagerDuty is rate-limiting this key"),
        }
    }
}
