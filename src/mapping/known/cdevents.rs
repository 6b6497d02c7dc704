//! CDEvents: runs of pipelines, tasks, builds and tests, and incidents.
//!
//! <https://github.com/cdevents/spec>, versions 0.1 to 0.5, read 2026-11. `subject.content.outcome` is the verdict:
//! `success`, `failure`, `error`, and for tests `pass`, `fail`, `cancel`, `error`. A run has a new id each time, so the
//! name of the pipeline, task or test identifies the alert. An incident keeps its id.

use super::{Letter, Reading, sentence, states};
use crate::mapping::outcomes::{NO_VERDICT, UNFINISHED, UNKNOWN};
use crate::pagerduty::event::Action;

/// Where the name of what runs is.
const NAMES: &[&str] = &["pipelineName", "taskName", "testSuite.name", "testSuite.id", "testCase.name", "testCase.id"];

pub(super) fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let mut words = letter.kind.split('.').skip(2);
    let (kind, predicate) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let subject = letter.data.get("subject");
    let content = subject.get("content");
    let id = Some(letter.subject.to_owned()).filter(|id| !id.is_empty()).or_else(|| subject.get("id").text());
    let id = id.unwrap_or_default();
    if kind == "incident" {
        let (action, state) = match predicate {
            "resolved" => (Action::Resolve, "is resolved"),
            // An incident that exists, whatever else is said about it.
            _ => (Action::Trigger, predicate),
        };
        let service = content.pick(&["service.id", "environment.id"]).unwrap_or_default();
        let of = if service.is_empty() { "" } else { "of" };
        let what = content.get("description").text();
        let summary = match what {
            Some(what) => [&what, " (", &id, ")"].concat(),
            None => sentence(&["Incident", &id, of, &service], state, None),
        };
        return Ok(Reading::new(action, &[letter.source, &id], summary));
    }
    match predicate {
        "finished" => {}
        "queued" | "started" => return Err(UNFINISHED),
        _ => return Err("no outcome: it says what was done, and not how it ended"),
    }
    let error = content.pick(&["errors", "reason"]);
    let (action, state) = match content.get("outcome").text() {
        Some(word) => states::of_verdict(&word).unwrap_or(Err(UNKNOWN))?,
        None if error.is_some() => (Action::Trigger, "failed"),
        None => return Err(NO_VERDICT),
    };
    let name = content.pick(NAMES).unwrap_or_else(|| id.clone());
    let noun = match kind {
        "pipelinerun" => "Pipeline",
        "taskrun" => "Task",
        "testcaserun" | "testcase" => "Test",
        "testsuiterun" | "testsuite" => "Test suite",
        "build" => "Build",
        other => other,
    };
    let error = error.filter(|_| action == Action::Trigger);
    let summary = sentence(&[noun, &name, "of", letter.source], state, error);
    Ok(Reading::new(action, &["cdevents", letter.source, kind, &name], summary))
}
