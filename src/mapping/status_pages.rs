//! Status pages: the words for the state of a service or a component, which their vendors share.

use crate::pagerduty::event::{Action, Severity};
use crate::text;

/// A state: the action, the severity, and its phrase in the summary.
pub type State = (Action, Severity, &'static str);

/// Maintenance is planned. Whether it opens an alert is the source's decision.
pub const MAINTENANCE: State = (Action::Trigger, Severity::Info, "is under maintenance");

/// A state that the vendor does not document: an unnecessary page is the lesser evil.
const UNKNOWN: State = (Action::Trigger, Severity::Error, "has an unknown state");

/// The states by the words of Statuspage and StatusGator.
const STATES: &[(&str, State)] = &[
    ("degraded_performance", (Action::Trigger, Severity::Warning, "is degraded")),
    ("down", (Action::Trigger, Severity::Critical, "is down")),
    ("maintenance", MAINTENANCE),
    ("major_outage", (Action::Trigger, Severity::Critical, "has a major outage")),
    ("operational", (Action::Resolve, Severity::Critical, "is operational")),
    ("partial_outage", (Action::Trigger, Severity::Error, "has a partial outage")),
    ("under_maintenance", MAINTENANCE),
    ("up", (Action::Resolve, Severity::Critical, "is up")),
    ("warn", (Action::Trigger, Severity::Warning, "is degraded")),
];

/// The state that a word means.
pub fn of_word(word: &str) -> State {
    text::lookup(STATES, word).unwrap_or(UNKNOWN)
}
