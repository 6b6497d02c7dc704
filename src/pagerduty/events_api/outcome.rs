//! What came of each event, and what that means for its sender.

use std::fmt;
use std::time::Duration;

use super::draft::NO_CHANGES;
use crate::pagerduty::answer::{self, Answer, Class};
use crate::pagerduty::event::Action;
use crate::runtime::SendError;

/// The shortest pause before the second try. What is added to it differs from event to event and is no longer.
const PAUSE: Duration = Duration::from_millis(100);

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
        match answer::class(answer.status) {
            Class::Success if answer.confirmed => Verdict::Accepted,
            Class::Forbidden | Class::Unauthorized => Verdict::RefusedKey,
            Class::Elsewhere | Class::NotFound => Verdict::Misdirected,
            Class::Invalid if self.is_unknown_key() => Verdict::RefusedKey,
            Class::Invalid => Verdict::Refused,
            // Success that nobody confirms, too.
            Class::Later | Class::Success | Class::Throttled => Verdict::Retry,
        }
    }

    /// Whether PagerDuty says that there is no such routing key. It is the only refusal whose cause is elsewhere than in
    /// the event; seen as plain text and inside JSON. Where the wording changes, the answer is still a refusal, and the
    /// previous key is still tried.
    pub fn is_unknown_key(&self) -> bool {
        let Ok(answer) = &self.answer else { return false };
        let words = answer.words.to_ascii_lowercase();
        answer.status == 400 && ["routing key", "routing_key"].iter().any(|name| words.contains(name))
    }

    pub(super) fn unsent() -> Sent {
        Sent { sha256: String::new(), attempts: 0, answer: Err(Failure::Unsent) }
    }

    /// How long to wait before the second try of what may be taken later; nothing where one makes no sense.
    pub(super) fn pause(&self) -> Option<Duration> {
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
            Err(Failure::Unsent) => f.write_str("not sent: no time left"),
            Err(Failure::Throttled) => f.write_str("not sent: PagerDuty is rate-limiting this key"),
        }
    }
}
