//! The kinds of events that AWS's services send to EventBridge, as a table.
//!
//! Each row says where the state of an event is, which words mean what, and what identifies the thing. An event without a
//! row is read by [`super::generic`].

use super::bridge::Bridge;
use super::verdict::Verdict;
use crate::pagerduty::event::Severity;

mod data;
mod operations;
mod security;
mod workloads;

/// One kind of events.
///
/// A path is a path inside `detail`. `@path` is a path of the whole event, `@resource` the first of `resources` that is
/// not a run, and `~path` a name without the number of its run. `|` separates alternatives, and a comma separates items.
#[derive(Debug)]
pub(super) struct Kind {
    /// The event's `source`.
    origin: &'static str,
    /// The types, separated by `|`. A type can have one `*`.
    types: &'static str,
    /// Its name in dedup keys, which all events about the same thing share. Empty: the type without the words of a state.
    pub(super) family: &'static str,
    /// The paths of the state, the first that has a text. Empty: the rule for unknown kinds.
    pub(super) state: &'static str,
    /// Words of the state that have a verdict of their own, as `word=sign` ([`Verdict::of_sign`]). `*` is any other word.
    words: &'static str,
    /// The paths of the ids.
    pub(super) key: &'static str,
    /// Whether the ids are unique by themselves, without service, account and region.
    pub(super) is_alone: bool,
    /// Whether earlier versions made keys of the same ids.
    pub(super) had_key: bool,
    /// The severity of a trigger.
    pub(super) severity: Severity,
    /// The path of a word for the severity.
    pub(super) severity_word: &'static str,
    /// The paths of a title for people. Empty: the type.
    pub(super) title: &'static str,
    /// The paths of the name of the thing. Empty: the ids.
    pub(super) thing: &'static str,
    /// The paths of the reason.
    pub(super) reason: &'static str,
    /// The paths of a link.
    pub(super) link: &'static str,
    /// The path of a list of items with a state each.
    pub(super) each: &'static str,
    /// Whether the items are findings: `ACTIVE` is bad news.
    pub(super) is_finding: bool,
    /// A rule that goes before the words.
    pub(super) rule: Option<fn(&Bridge<'_>) -> Option<Verdict>>,
}

/// The kind of an event that has no row.
pub(super) const UNKNOWN: Kind =
    kind("", "", "", "title|message|description|reason|statusMessage|errorMessage").severity_word("severity").had_key();

/// A row with the usual values: an event type of a service, the ids, and the reason.
const fn kind(origin: &'static str, types: &'static str, key: &'static str, reason: &'static str) -> Kind {
    Kind {
        origin,
        types,
        family: "",
        state: "",
        words: "",
        key,
        is_alone: false,
        had_key: false,
        severity: Severity::Error,
        severity_word: "",
        title: "",
        thing: "",
        reason,
        link: "",
        each: "",
        is_finding: false,
        rule: None,
    }
}

/// A row of events that report nothing wrong.
const fn harmless(origin: &'static str, types: &'static str) -> Kind {
    kind(origin, types, "", "").words("*=n")
}

impl Kind {
    const fn state(mut self, paths: &'static str) -> Kind {
        self.state = paths;
        self
    }

    const fn words(mut self, words: &'static str) -> Kind {
        self.words = words;
        self
    }

    const fn family(mut self, family: &'static str) -> Kind {
        self.family = family;
        self
    }

    const fn severity(mut self, severity: Severity) -> Kind {
        self.severity = severity;
        self
    }

    const fn severity_word(mut self, path: &'static str) -> Kind {
        self.severity_word = path;
        self
    }

    const fn title(mut self, paths: &'static str) -> Kind {
        self.title = paths;
        self
    }

    const fn thing(mut self, paths: &'static str) -> Kind {
        self.thing = paths;
        self
    }

    const fn link(mut self, paths: &'static str) -> Kind {
        self.link = paths;
        self
    }

    const fn rule(mut self, rule: fn(&Bridge<'_>) -> Option<Verdict>) -> Kind {
        self.rule = Some(rule);
        self
    }

    const fn each(mut self, path: &'static str) -> Kind {
        self.each = path;
        self
    }

    const fn finding(mut self) -> Kind {
        self.is_finding = true;
        self
    }

    const fn alone(mut self) -> Kind {
        self.is_alone = true;
        self
    }

    const fn had_key(mut self) -> Kind {
        self.had_key = true;
        self
    }

    /// The row's own verdict for a state. `None` is any other word.
    pub(super) fn verdict(&self, state: Option<&str>) -> Option<Verdict> {
        let mut pairs = self.words.split(',').filter_map(|pair| pair.split_once('='));
        let named = |(word, _): &(&str, &str)| match state {
            Some(state) => super::verdict::same(word, state) && *word != "*",
            None => *word == "*",
        };
        Verdict::of_sign(pairs.find(named)?.1.trim())
    }
}

/// The row of an event, by its source and type.
pub(super) fn find(origin: &str, kind: &str) -> &'static Kind {
    let tables = [workloads::KINDS, data::KINDS, security::KINDS, operations::KINDS];
    let mut rows = tables.into_iter().flatten();
    let fits = |row: &&Kind| {
        // A user's transformer may leave the source out; most types are unique.
        let same = if origin.is_empty() { !row.types.contains('*') } else { matches_origin(row.origin, origin) };
        same && row.types.split('|').any(|known| matches(known, kind))
    };
    rows.find(fits).unwrap_or(&UNKNOWN)
}

fn matches_origin(known: &str, origin: &str) -> bool {
    known == origin || known == "aws.*" && origin.starts_with("aws.")
}

/// Whether a type fits a pattern with at most one `*`. A `*` alone is for the service's own events, and not for calls of its
/// API that CloudTrail recorded.
fn matches(pattern: &str, kind: &str) -> bool {
    match pattern.split_once('*') {
        Some(("", "")) => !kind.ends_with("via CloudTrail"),
        Some((start, end)) => kind.len() >= start.len() + end.len() && kind.starts_with(start) && kind.ends_with(end),
        None => pattern.eq_ignore_ascii_case(kind),
    }
}
