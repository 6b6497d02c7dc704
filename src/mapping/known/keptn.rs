//! Keptn: tasks of a delivery, and problems.
//!
//! <https://github.com/keptn/spec/blob/master/cloudevents.md>, read 2026-11. `status` says whether the task ran, and
//! `result` what it found: `pass`, `warning`, `fail`.

use super::{Letter, Reading, sentence};
use crate::mapping::outcomes::{NO_VERDICT, UNFINISHED, UNKNOWN};
use crate::pagerduty::event::{Action, Severity};
use crate::text;

const KEPTN: &str = "keptn";

pub(super) fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let data = letter.data;
    let field = |name: &str| data.get(name).text().unwrap_or_default();
    let [project, stage, service] = ["project", "stage", "service"].map(field);
    if let Some(state) = data.first_text(&["State", "state"]).filter(|_| letter.kind.contains("problem")) {
        let action = if state.eq_ignore_ascii_case("open") { Action::Trigger } else { Action::Resolve };
        let known = ["open", "resolved", "closed"].iter().any(|known| state.eq_ignore_ascii_case(known));
        let id = data.first_text(&["PID", "ProblemID"]).unwrap_or_default();
        let title = data.get("ProblemTitle").text().unwrap_or_else(|| "Problem".to_owned());
        let place = data.get("ImpactedEntity").text();
        let action = if known { action } else { Action::Trigger };
        let identity = [KEPTN, &project, &stage, &service, "problem", &id];
        return Ok(Reading::new(action, &identity, sentence(&[&title], &state.to_ascii_lowercase(), place)));
    }
    // `sh.keptn.event.<task>.<predicate>`, where the task of a sequence includes its stage.
    let path = letter.kind.splitn(4, '.').nth(3).unwrap_or_default();
    let Some((task, "finished")) = path.rsplit_once('.') else { return Err(UNFINISHED) };
    let errored = field("status").eq_ignore_ascii_case("errored");
    let (action, severity, state) = match field("result").to_ascii_lowercase().as_str() {
        _ if errored => (Action::Trigger, Severity::Error, "could not run"),
        "fail" => (Action::Trigger, Severity::Error, "failed"),
        "warning" => (Action::Trigger, Severity::Warning, "passed with a warning"),
        "pass" => (Action::Resolve, Severity::Error, "passed"),
        "" if field("status").eq_ignore_ascii_case("succeeded") => (Action::Resolve, Severity::Error, "succeeded"),
        "" => return Err(NO_VERDICT),
        _ => return Err(UNKNOWN),
    };
    let source = if [&project, &stage, &service].iter().all(|part| part.is_empty()) { letter.source } else { "" };
    let place = text::join_prefixed(&[("", Some(&*service)), (" in ", Some(&*stage)), (" of ", Some(&*project))]);
    let place = if place.is_empty() { String::new() } else { ["of ", &place].concat() };
    let identity = if source.is_empty() {
        vec![KEPTN, &project, &stage, &service, task]
    } else {
        vec![KEPTN, source, letter.subject, task]
    };
    let summary = sentence(&["Keptn's", task, &place], state, data.get("message").text());
    Ok(Reading::new(action, &identity, summary).severity(severity))
}
