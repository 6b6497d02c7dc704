//! Events of senders that are not known, by the words in their type and their data.

use super::{Letter, Reading};
use crate::json::Node;
use crate::mapping::outcomes::{Outcome, UNKNOWN};
use crate::mapping::states::{self, Divided};
use crate::pagerduty::event::{Action, Severity};
use crate::text;

pub(super) fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let Letter { kind, source, subject, data, severity } = letter;
    let alert = states::is_alert(kind);
    let bad = severity.is_some_and(|severity| severity > Severity::Info);
    let divided = states::divide(kind);
    // The verdict in an alert may be that of its query, and a cancelled run does not make an alert harmless.
    let counts = |verdict: &Outcome| match verdict {
        Ok((action, _)) => !alert || *action == Action::Trigger,
        Err(reason) => *reason == UNKNOWN || !alert && !bad,
    };
    let verdict = states::verdict(data).filter(counts);
    // The run may have succeeded, whatever it found.
    let unclear = verdict == Some(Err(UNKNOWN)) && !alert;
    let clear = |(action, word): &(Action, String)| !unclear || *action != Action::Resolve || states::ends_alert(word);
    let by_state = || state(&divided, data, alert, bad).filter(clear);
    let decided = match verdict.filter(|verdict| *verdict != Err(UNKNOWN)) {
        Some(verdict) => Some((verdict?.0, String::new())),
        None => by_state().or_else(|| (alert || bad).then(|| (Action::Trigger, String::new()))),
    };
    let nothing = if unclear { UNKNOWN } else { "no state, severity or alert in it" };
    let (action, word) = decided.ok_or(nothing)?;
    let titles = ["summary", "title", "message", "description", "name", "reason", "subject.content.description"];
    let state = Some(&*word).filter(|word| !word.is_empty() && *word != divided.word);
    let typed = || text::join_prefixed(&[("", Some(kind)), (": ", state)]);
    let what = data.pick(&titles).or_else(|| data.text()).unwrap_or_else(typed);
    let place = if subject.is_empty() { source } else { subject };
    let typed = [source, "", divided.stem];
    let parts = if subject.is_empty() { typed.as_slice() } else { &[source, subject] };
    Ok(Reading {
        action,
        severity: severity.or_else(|| Severity::from_word(&word)),
        identity: parts.iter().map(|&part| part.to_owned()).collect(),
        former: None,
        summary: [&what, " (", place, ")"].concat(),
    })
}

/// The action for the first state that decides, and its word: `data.state` and `data.status`, the last word of the type,
/// a state deeper in the data.
fn state(divided: &Divided<'_>, data: Node<'_>, alert: bool, bad: bool) -> Option<(Action, String)> {
    let of = if alert { states::of_alert } else { states::of_state };
    let mut states = ["state", "status"].into_iter().filter_map(|name| data.get(name).text());
    if let Some(known) = states.find_map(|word| Some((of(&word)?, word))) {
        return Some(known);
    }
    // A recovery in the type or deep in the data may be about something else than the problem, such as a connection
    // whose closing is the problem.
    if let Some(action) = divided.action.filter(|action| *action != Action::Resolve || alert || !bad) {
        return Some((action, divided.word.to_owned()));
    }
    // An alert about a disk may say that its host is up.
    let over = |word: &str| !alert || states::ends_alert(word);
    states::deep(data, &[]).filter(|(action, word)| *action != Action::Resolve || !bad && over(word))
}
