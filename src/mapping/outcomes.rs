//! The outcomes of pipelines, deployments and checks: what the sources of such webhooks share.

use crate::pagerduty::event::Action;

/// The action of an outcome and its phrase in the summary, or the reason why it needs no event.
pub type Outcome = Result<(Action, &'static str), &'static str>;

/// A vendor's words, and the outcome that each of them means.
pub type Outcomes = [(&'static [&'static str], Outcome)];

/// The reason for a run that goes on.
pub const UNFINISHED: &str = "not finished: it has no outcome yet";

/// The reason for a run that somebody or something ended.
pub const NO_VERDICT: &str = "no verdict: it neither passed nor failed";

/// The reason for an alert that was edited, assigned or checked.
pub const UNCHANGED: &str = "nothing opened or closed: the alert is as open as before";

/// The reason for a word that the vendor's documentation does not contain.
pub const UNKNOWN: &str = "unknown word: the vendor documents no such outcome";

/// The outcome that a word means.
///
/// # Errors
/// Returns the reason why it needs no event. An unknown word needs none: most words that vendors added later were no
/// failures, and they document each failure.
pub fn of(word: &str, table: &Outcomes) -> Outcome {
    let known = table.iter().find(|(words, _)| words.contains(&word));
    known.map_or(Err(UNKNOWN), |(_, outcome)| *outcome)
}

/// Whether the name of a branch or a tag is that of a version, such as `v1.4.0`.
pub fn names_a_version(name: &str) -> bool {
    let number = name.strip_prefix('v').unwrap_or(name);
    number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.')
}
