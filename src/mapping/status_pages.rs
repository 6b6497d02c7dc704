//! Status pages: the words for the state of a service or a component, which their vendors share.

use crate::pagerduty::event::{Action, Severity};
use crate::text;

/// A state: the action, the severity, and its phrase in the summary.
pub type State = (Action, Severity, &'static str);

/// Maintenance is planned. Whether it opens an alert is the source's decision.
pub const MAINTENANCE: State = (Action::Trigger, Severity::Info, "is under maintenance");

/// A state that the vendor does not document: an unnecessary page is the lesser evil.
const UNKNOWN: State = (Action::Trigger, Severity::Error, "has an unknown state");

/// The states by the words of Statuspage and StatusGator, and of products that send their formats. Without separators:
/// Statuspage writes `major_outage`, Instatus `MAJOROUTAGE`.
const STATES: &[(&str, State)] = &[
    ("degraded", (Action::Trigger, Severity::Warning, "is degraded")),
    ("degradedperformance", (Action::Trigger, Severity::Warning, "is degraded")),
    ("down", (Action::Trigger, Severity::Critical, "is down")),
    ("downtime", (Action::Trigger, Severity::Critical, "is down")),
    ("maintenance", MAINTENANCE),
    ("majoroutage", (Action::Trigger, Severity::Critical, "has a major outage")),
    ("minoroutage", (Action::Trigger, Severity::Warning, "has a minor outage")),
    ("operational", (Action::Resolve, Severity::Critical, "is operational")),
    ("partialoutage", (Action::Trigger, Severity::Error, "has a partial outage")),
    ("undermaintenance", MAINTENANCE),
    ("up", (Action::Resolve, Severity::Critical, "is up")),
    ("warn", (Action::Trigger, Severity::Warning, "is degraded")),
];

/// The state that a word means.
pub fn of_word(word: &str) -> State {
    known(word).unwrap_or(UNKNOWN)
}

/// The state that a word means, if the word is known.
pub fn known(word: &str) -> Option<State> {
    text::lookup(STATES, &plain(word))
}

/// A word without its separators.
pub fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).collect()
}
