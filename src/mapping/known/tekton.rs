//! Tekton Pipelines: runs of tasks and pipelines.
//!
//! <https://tekton.dev/docs/pipelines/events/>, read 2026-11. The type says how the run ended; a cancelled run has failed
//! too, and only the reason of its condition says so. A run has a new name each time, so the name of its pipeline or task
//! identifies the alert.

use super::{Letter, Reading, sentence, stable};
use crate::json::Node;
use crate::mapping::outcomes::{NO_VERDICT, UNFINISHED, UNKNOWN};
use crate::pagerduty::event::Action;

const OBJECTS: [&str; 4] = ["pipelineRun", "taskRun", "customRun", "run"];

/// The members with the name of what runs, in each kind of run.
const NAMES: [&[&str]; 4] = [&["pipelineRef"], &["taskRef"], &["customRef"], &["ref"]];

pub(super) fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let mut words = letter.kind.split('.').skip(3);
    let (kind, state) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let named = OBJECTS.iter().zip(NAMES).find(|(name, _)| letter.data.get(name).value().is_some());
    let run = named.map_or(letter.data.get(""), |(name, _)| letter.data.get(name));
    let refs = named.map_or(&[][..], |(_, refs)| refs);
    let conditions = run.at("status.conditions").items().unwrap_or_default().iter().map(Node::root);
    let succeeded = |condition: &Node<'_>| condition.get("type").text().as_deref() == Some("Succeeded");
    let condition = conditions.into_iter().find(succeeded);
    let reason = condition.and_then(|condition| condition.get("reason").text()).unwrap_or_default();
    let (action, outcome) = match state {
        // `PipelineRunCancelled`, `TaskRunCancelled`, `CancelledRunFinally`, `StoppedRunFinally`.
        "failed" if reason.contains("Cancelled") || reason.contains("Stopped") => return Err(NO_VERDICT),
        "failed" => (Action::Trigger, "failed"),
        "successful" => (Action::Resolve, "succeeded"),
        "done" | "queued" | "running" | "started" | "unknown" => return Err(UNFINISHED),
        _ => return Err(UNKNOWN),
    };
    let metadata = run.get("metadata");
    let label = |name: &str| metadata.get("labels").get(name).text();
    let reference = || refs.iter().find_map(|name| run.get("spec").get(name).get("name").text());
    let generated = || metadata.get("generateName").text().map(stable);
    let own = || metadata.get("name").text().or_else(|| Some(letter.subject.to_owned()));
    let pipeline = label("tekton.dev/pipeline").or_else(|| label("triggers.tekton.dev/eventlistener"));
    let task = label("tekton.dev/pipelineTask").or_else(|| label("tekton.dev/task"));
    let (pipeline, task) = match kind {
        "pipelinerun" => (pipeline.or_else(reference).or_else(generated).or_else(own), None),
        _ => (pipeline, task.or_else(reference).or_else(generated).or_else(own)),
    };
    let [pipeline, task] = [pipeline, task].map(Option::unwrap_or_default);
    let namespace = metadata.get("namespace").text().unwrap_or_default();
    // A run without its object is known by its source, which names the run.
    let source = if run.value().is_some() { "" } else { letter.source };
    let place = if namespace.is_empty() { String::new() } else { ["in ", &namespace].concat() };
    let noun = match kind {
        "pipelinerun" => "Pipeline",
        "taskrun" => "Task",
        _ => "Run",
    };
    let message = condition.and_then(|condition| condition.get("message").text()).filter(|_| action == Action::Trigger);
    let task_of = if task.is_empty() || pipeline.is_empty() { "" } else { "of" };
    let summary = sentence(&[noun, &task, task_of, &pipeline, &place], outcome, message);
    Ok(Reading::new(action, &["tekton", source, &namespace, kind, &pipeline, &task], summary))
}
