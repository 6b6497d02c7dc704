//! What a word of a state means.
//!
//! A word is compared as a whole, never by a part of it: UNSUCCESSFUL and INACTIVE contain their opposite.

use crate::pagerduty::event::Severity;

/// The reason for a state that says that something has begun, or goes on.
pub(super) const UNDER_WAY: &str = "under way";

/// The reason for a state that says that nobody let the thing go on to its end.
pub(super) const CUT_SHORT: &str = "stopped, cancelled or skipped";

/// The reason for a notice that reports nothing wrong.
pub(super) const HARMLESS: &str = "a harmless notice";

/// What an event says about the alert of its thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Something is wrong. The severity is that of the kind of event if it is `None`.
    Open(Option<Severity>),
    /// It is over.
    Over,
    /// Neither.
    Ignore(&'static str),
}

impl Verdict {
    /// A verdict by its sign in a table: `c`, `e`, `w` and `i` trigger with that severity, `t` with that of the kind; `r`
    /// resolves; `-` is under way, `x` is cut short, `n` is harmless.
    pub(super) fn of_sign(sign: &str) -> Option<Verdict> {
        Some(match sign {
            "c" => Verdict::Open(Some(Severity::Critical)),
            "e" => Verdict::Open(Some(Severity::Error)),
            "w" => Verdict::Open(Some(Severity::Warning)),
            "i" => Verdict::Open(Some(Severity::Info)),
            "t" => Verdict::Open(None),
            "r" => Verdict::Over,
            "-" => Verdict::Ignore(UNDER_WAY),
            "x" => Verdict::Ignore(CUT_SHORT),
            "n" => Verdict::Ignore(HARMLESS),
            _ => return None,
        })
    }
}

/// Words that mean that something is wrong.
const BAD: &str = " abort aborted alarm breach breached cannot crash crashed critical degraded denied detected disconnected \
    down error errors exceeded exhausted expired fail failed failing failure fault faulted firing halted impaired inaccessible \
    inactive incompatible incomplete inoperable insufficient interrupted invalid issues killed lost offline outage outdated \
    overdue partial problem quarantined red rejected revoked rollback severe throttled timeout triggered unavailable \
    undeliverable unexecuted unhealthy unreachable unsuccessful violated violation violations warn warning ";

/// Groups of words that mean that something is wrong.
const BAD_GROUPS: &[&str] = &[" out of service ", " rolled back ", " threats found ", " timed out ", " time out "];

/// Words that mean that all is well.
const GOOD: &str = " available clear cleared closed complete completed compliant connected current fixed green healthy normal \
    ok online passed recovered remediated resolved restored success succeeded successful successfully suppressed archived up ";

/// Groups of words that mean that all is well.
const GOOD_GROUPS: &[&str] = &[" in service ", " in sync "];

/// Words that mean that something has begun, or goes on.
const BUSY: &str = " accepted assessing baking bootstrapping created creating deleting draining initializing launching \
    modifying pending preparing processing progressing provisioning queued ready rebooting resumed runnable running scheduled \
    started starting stopping submitted transferring upcoming updating verifying waiting cancelling canceling ";

/// Words that mean that somebody ended it, or that it never began.
const CUT: &str = " canceled cancelled skipped stopped superseded ";

/// Words that end an alert if they are the last one.
const LAST: &str = " resolved recovered cleared closed fixed invalidated ";

/// The words of a state, in lower case and with a space around each: `TIMED_OUT`, `TimedOut` and `Timed out` are
/// ` timed out `.
fn spaced(state: &str) -> String {
    let mut words = String::from(" ");
    let mut previous = ' ';
    for c in state.chars() {
        if !c.is_alphanumeric() {
            if !words.ends_with(' ') {
                words.push(' ');
            }
        } else {
            if c.is_uppercase() && previous.is_lowercase() && !words.ends_with(' ') {
                words.push(' ');
            }
            words.extend(c.to_lowercase());
        }
        previous = c;
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

/// Whether a list has this word. A word has no space in it.
fn has(list: &str, word: &str) -> bool {
    !word.is_empty() && list.split_ascii_whitespace().any(|known| known == word)
}

/// What a state means, or `None` for words that nobody knows. For a finding, `ACTIVE` and `OPEN` are bad news and
/// `DELETED` is good news.
pub(super) fn judge(state: &str, is_finding: bool) -> Option<Verdict> {
    let spaced = spaced(state);
    let words: Vec<&str> = spaced.split_ascii_whitespace().collect();
    match spaced.as_str() {
        " active " if is_finding => return Some(Verdict::Open(None)),
        " active " | " enabled " => return Some(Verdict::Over),
        " new " | " open " if is_finding => return Some(Verdict::Open(None)),
        " deleted " | " terminated " if is_finding => return Some(Verdict::Over),
        " deleted " | " disabled " | " terminated " | " delayed " => {
            return Some(Verdict::Open(Some(Severity::Warning)));
        }
        " open " => return Some(Verdict::Ignore(UNDER_WAY)),
        " info " | " insufficient data " | " not available " | " unknown " => return Some(Verdict::Ignore(HARMLESS)),
        _ => {}
    }
    if let Some(turned) = words.windows(2).find_map(|pair| {
        let [negation, word] = pair else { return None };
        let word = if *word == "threats" { "threats found" } else { word };
        let bad = has(BAD, word) || word == "threats found";
        match (has("no not non without", negation), bad, has(GOOD, word)) {
            (true, true, _) => Some(Verdict::Over),
            (true, _, true) => Some(Verdict::Open(None)),
            _ => None,
        }
    }) {
        return Some(turned);
    }
    if words.last().is_some_and(|word| has(LAST, word)) {
        return Some(Verdict::Over);
    }
    let any = |list: &str| words.iter().any(|word| has(list, word));
    let group = |groups: &[&str]| groups.iter().any(|group| spaced.contains(group));
    if any(BAD) || group(BAD_GROUPS) {
        let mild = words.iter().all(|word| !has(BAD, word) || has("warn warning", word));
        return Some(Verdict::Open(mild.then_some(Severity::Warning).filter(|_| !group(BAD_GROUPS))));
    }
    if any(BUSY) || spaced.contains(" in progress ") || spaced.contains(" shutting down ") {
        return Some(Verdict::Ignore(UNDER_WAY));
    }
    if any(CUT) {
        return Some(Verdict::Ignore(CUT_SHORT));
    }
    (any(GOOD) || group(GOOD_GROUPS)).then_some(Verdict::Over)
}

/// Whether two words are the same but for case, `_`, `-` and spaces.
pub(super) fn same(one: &str, other: &str) -> bool {
    let letters = |text: &'_ str| -> Vec<char> { text.chars().filter(|c| c.is_alphanumeric()).collect() };
    // A state is a word. A long text is none of those that are known.
    one.len().abs_diff(other.len()) < 64
        && letters(one)
            .into_iter()
            .flat_map(char::to_lowercase)
            .eq(letters(other).into_iter().flat_map(char::to_lowercase))
}

/// The severity that a service of AWS names, ignoring case: its own words, which are not those of people.
pub(super) fn severity(word: &str) -> Option<Severity> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "fatal" => Severity::Critical,
        "high" | "error" => Severity::Error,
        "medium" | "warn" | "warning" | "untriaged" => Severity::Warning,
        "low" | "informational" | "info" => Severity::Info,
        _ => return None,
    })
}
