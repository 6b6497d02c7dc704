//! Words for the state of a thing, in payloads whose sender is not known: in a member of the data, or at the end of the
//! event's type.

use serde_json::Value;

use super::outcomes::{self, NO_VERDICT, Outcome, Outcomes, UNKNOWN};
use crate::json::Node;
use crate::pagerduty::event::Action;
use crate::text;

/// Words for a state, without separators, in lower case. Each decides alone, as the whole value of a member.
const STATES: &[(Action, &[&str])] = &[
    (Action::Acknowledge, &["ack", "acknowledged"]),
    (
        Action::Resolve,
        &[
            "available",
            "cleared",
            "closed",
            "compliant",
            "healthy",
            "inactive",
            "normal",
            "ok",
            "online",
            "operational",
            "passed",
            "recovered",
            "resolved",
            "restored",
            "succeeded",
            "success",
            "successful",
            "up",
        ],
    ),
    (
        Action::Trigger,
        &[
            "alarm",
            "alert",
            "alerting",
            "breached",
            "crashed",
            "critical",
            "degraded",
            "down",
            "error",
            "errored",
            "exceeded",
            "failed",
            "failing",
            "failure",
            "fired",
            "firing",
            "noncompliant",
            "notok",
            "offline",
            "timedout",
            "triggered",
            "unavailable",
            "unhealthy",
            "unreachable",
            "unresponsive",
            "warning",
        ],
    ),
];

/// Words of [`STATES`] that say nothing at the end of a type right after one of these words: `version.available` is no
/// recovery, and `user.offline` no failure.
const NOT_AFTER: &[(&[&str], &[&str])] = &[
    (
        &["available"],
        &[
            "artifact", "backup", "build", "data", "download", "file", "image", "package", "patch", "release",
            "report", "snapshot", "update", "upgrade", "version",
        ],
    ),
    (&["offline", "online"], &["client", "customer", "member", "player", "session", "user"]),
];

/// Words for the end of anything. They resolve only right after one of [`ALERTS`], as in `alert.dismissed`: an expired
/// certificate, a deleted database or a closed connection may be the problem itself.
const ENDS: &[&str] = &[
    "canceled",
    "cancelled",
    "cleared",
    "closed",
    "deleted",
    "dismissed",
    "ended",
    "expired",
    "finished",
    "fixed",
    "inactive",
];

/// Words that mark the type of an alert.
const ALERTS: &[&str] = &["alarm", "alert", "incident", "outage"];

/// The members that contain a verdict. It decides before a state, which may be that of the run: a check that ran to its
/// end has `succeeded`, whatever it found.
const VERDICTS: [&str; 4] = ["outcome", "result", "verdict", "conclusion"];

/// The words of a verdict.
const OUTCOMES: &Outcomes = &[
    (&["ok", "pass", "passed", "succeeded", "success", "successful"], Ok((Action::Resolve, "succeeded"))),
    (&["error", "errored", "fail", "failed", "failing", "failure"], Ok((Action::Trigger, "failed"))),
    (&["timedout", "timeout", "unhealthy", "unstable"], Ok((Action::Trigger, "failed"))),
    (&["abort", "aborted", "cancel", "canceled", "cancelled", "neutral", "skip", "skipped"], Err(NO_VERDICT)),
];

/// The beginnings of the names of members that contain another state than the current one.
const OTHERS: &[&str] = &["before", "desired", "expected", "former", "from", "last", "old", "prev", "target"];

/// A word without its separators and in lower case, if it can be in a table.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_' | '.'));
    letters.take(32).map(|c| c.to_ascii_lowercase()).collect()
}

fn state(plain: &str) -> Option<Action> {
    STATES.iter().find(|(_, words)| words.contains(&plain)).map(|(action, _)| *action)
}

/// The action for the whole value of a state. Returns `None` if it decides nothing.
pub fn of_state(word: &str) -> Option<Action> {
    state(&plain(word))
}

/// Like [`of_state`], for the state of an alert: an alert that is fixed, dismissed or deleted is over.
pub fn of_alert(word: &str) -> Option<Action> {
    let plain = plain(word);
    state(&plain).or(ENDS.contains(&plain.as_str()).then_some(Action::Resolve))
}

/// The outcome for the whole value of a verdict. Returns `None` if the word is unknown.
pub fn of_verdict(word: &str) -> Option<Outcome> {
    let outcome = outcomes::of(&plain(word), OUTCOMES);
    (outcome != Err(UNKNOWN)).then_some(outcome)
}

/// The verdict in one of the members of an object that contain one. It may be a word that nobody knows; a longer text
/// is no verdict.
pub fn verdict(object: Node<'_>) -> Option<Outcome> {
    let words = VERDICTS.iter().filter_map(|name| object.get(name).value()?.as_str());
    let mut known = words.clone().filter_map(of_verdict);
    let mut unknown = words.filter(|text| (1..=WORDS_MAX).contains(&text.split_whitespace().count()));
    known.next().or_else(|| unknown.next().map(|_| Err(UNKNOWN)))
}

/// The most words that a verdict consists of.
const WORDS_MAX: usize = 3;

/// Whether a word says that an alert is over, and not only that a thing is well or a run has succeeded.
pub fn ends_alert(word: &str) -> bool {
    ["cleared", "closed", "recovered", "resolved"].contains(&plain(word).as_str())
}

/// Whether a type contains a word for an alert.
pub fn is_alert(kind: &str) -> bool {
    let lower = kind.to_ascii_lowercase();
    ALERTS.iter().any(|name| lower.contains(name))
}

/// An event's type, divided at its last word.
pub struct Divided<'a> {
    /// The type without its version, and without its last word if that is one for a state.
    pub stem: &'a str,
    /// The last word.
    pub word: &'a str,
    /// The action, if the word decides.
    pub action: Option<Action>,
}

/// Divides a type such as `com.example.disk.failed.v1` or `Vendor.Disk.WriteFailure`. Its words are separated by `.`, `/`,
/// `:`, `_`, `-` and capitals.
pub fn divide(kind: &str) -> Divided<'_> {
    let stem = without_version(kind);
    let words = words(stem);
    let named = match words.split_last() {
        // `DiskFailedEvent` is an event about `DiskFailed`.
        Some((&(start, "Event"), rest))
            if !rest.is_empty() && !stem.get(..start).unwrap_or_default().ends_with(SEPARATORS) =>
        {
            rest
        }
        _ => &words,
    };
    let Some((&(start, word), rest)) = named.split_last() else {
        return Divided { stem, word: "", action: None };
    };
    let (before, previous) = rest.last().copied().unwrap_or_default();
    // `timed_out`, `NonCompliant`.
    let pair = plain(&[previous, word].concat());
    if !rest.is_empty() && (state(&pair).is_some() || pair == "timeout") {
        let word = stem.get(before..start + word.len()).unwrap_or_default();
        let action = if pair == "timeout" { Some(Action::Trigger) } else { state(&pair) };
        return Divided { stem: head(stem, before), word, action };
    }
    let plain_word = plain(word);
    let after = |words: &[&str]| words.iter().any(|word| previous.eq_ignore_ascii_case(word));
    let said = |(words, before): &(&[&str], &[&str])| words.contains(&plain_word.as_str()) && after(before);
    let known = state(&plain_word).filter(|_| !NOT_AFTER.iter().any(said));
    let (negated, after_alert) = (after(&["no", "non", "not"]), after(ALERTS));
    let ends = ENDS.contains(&plain_word.as_str());
    let action = match known {
        _ if ends => after_alert.then_some(Action::Resolve),
        // `not_healthy` is no recovery, and `no_error` no failure.
        Some(Action::Resolve) if negated => Some(Action::Trigger),
        Some(_) if negated => None,
        known => known,
    };
    match known.is_some() || ends {
        true if negated => Divided { stem: head(stem, before), word: "", action },
        true if !rest.is_empty() => Divided { stem: head(stem, start), word, action },
        _ => Divided { stem, word: "", action: None },
    }
}

const SEPARATORS: [char; 5] = ['.', '/', ':', '_', '-'];

/// The beginning of a type, up to a word.
fn head(stem: &str, start: usize) -> &str {
    stem.get(..start).unwrap_or_default().trim_end_matches(SEPARATORS)
}

fn without_version(kind: &str) -> &str {
    let version = |part: &str| part.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let mut stem = kind;
    while let Some((rest, last)) = stem.rsplit_once('.')
        && version(last)
    {
        stem = rest;
    }
    stem
}

/// The words of a type, with their positions. A capital begins a word if the letter before it is no capital, or the one
/// after it is none: `VMFailed` is `VM` and `Failed`.
fn words(kind: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut before = '.';
    let mut letters = kind.char_indices().peekable();
    let mut push = |start: usize, end: usize| {
        if let Some(word) = kind.get(start..end).filter(|word| !word.is_empty()) {
            words.push((start, word));
        }
    };
    while let Some((at, c)) = letters.next() {
        let next = letters.peek().map_or('.', |(_, next)| *next);
        if SEPARATORS.contains(&c) {
            push(start, at);
            start = at + c.len_utf8();
        } else if c.is_uppercase() && (!before.is_uppercase() || next.is_lowercase()) {
            push(start, at);
            start = at;
        }
        before = c;
    }
    push(start, kind.len());
    words
}

/// The state in a member at any depth of the data, with its word: the worst of those that are nearest to the root. A
/// verdict at the same depth decides before a state.
///
/// `others` are more words for a state that the sender uses.
pub fn deep(data: Node<'_>, others: &[(&str, Action)]) -> Option<(Action, String)> {
    let mut level: Vec<&Value> = data.value().into_iter().collect();
    while !level.is_empty() {
        let mut found = Found::default();
        let mut below = Vec::new();
        for value in level {
            match value {
                Value::Object(members) => {
                    for (name, member) in members.iter().filter(|(name, _)| is_current(name)) {
                        found.look(name, member, others);
                        below.push(member);
                    }
                }
                Value::Array(items) => below.extend(items),
                _ => {}
            }
        }
        if let Some(known) = found.verdict.or(found.state) {
            return Some(known);
        }
        level = below;
    }
    None
}

/// The worst verdict and the worst state at one depth.
#[derive(Default)]
struct Found {
    verdict: Option<(Action, String)>,
    state: Option<(Action, String)>,
}

impl Found {
    fn look(&mut self, name: &str, member: &Value, others: &[(&str, Action)]) {
        let Some(word) = member.as_str().filter(|_| is_state(name) || VERDICTS.contains(&name)) else { return };
        let keep = |worst: &mut Option<(Action, String)>, action: Option<Action>| {
            let Some(action) = action else { return };
            if worst.as_ref().is_none_or(|(known, _)| rank(action) > rank(*known)) {
                *worst = Some((action, word.trim().to_owned()));
            }
        };
        if VERDICTS.contains(&name) {
            let known = of_verdict(word).and_then(Result::ok);
            keep(&mut self.verdict, known.map(|(action, _)| action));
        } else {
            keep(&mut self.state, of_state(word).or_else(|| text::lookup(others, word)));
        }
    }
}

fn rank(action: Action) -> u8 {
    match action {
        Action::Trigger => 2,
        Action::Acknowledge => 1,
        Action::Resolve | Action::Change => 0,
    }
}

/// Whether a member contains a state: `state`, `jobStatus`, `compliance_state`, `phase`.
fn is_state(name: &str) -> bool {
    let words = words(name);
    let last = words.last().map(|(_, word)| plain(word));
    matches!(last.as_deref(), Some("availability" | "health" | "phase" | "state" | "status"))
}

/// Whether a member and what is below it are about now.
fn is_current(name: &str) -> bool {
    let first = words(name).first().map(|(_, word)| plain(word)).unwrap_or_default();
    !OTHERS.iter().any(|other| if *other == "prev" { first.starts_with(other) } else { first == *other })
}
