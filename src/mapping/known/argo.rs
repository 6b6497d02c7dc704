//! Argo: workflows, applications and rollouts, as an Argo Events resource source or Knative's ApiServerSource sends them.
//!
//! <https://argo-workflows.readthedocs.io/en/latest/fields/>,
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/health/>, read 2026-11. The event is the object itself, whose
//! `apiVersion` begins with `argoproj.io/`, in the data or in its member `body`.

use super::{Letter, Reading, sentence, stable};
use crate::json::Node;
use crate::mapping::outcomes::{UNFINISHED, UNKNOWN};
use crate::pagerduty::event::{Action, Severity};

pub(super) fn read(letter: Letter<'_>) -> Option<Result<Reading, &'static str>> {
    let places = ["", "body", "object", "app"].into_iter();
    let mut objects = places.map(|at| if at.is_empty() { letter.data } else { letter.data.get(at) });
    let argo = |object: &Node<'_>| object.get("apiVersion").text().is_some_and(|api| api.starts_with("argoproj.io/"));
    Some(object(objects.find(argo)?))
}

fn object(object: Node<'_>) -> Result<Reading, &'static str> {
    let kind = object.get("kind").text().unwrap_or_default();
    let status = object.get("status");
    let word = |path: &str| status.at(path).text().unwrap_or_default();
    let (phase, health, sync) = (word("phase"), word("health.status"), word("operationState.phase"));
    let (action, severity, state) = match (phase.as_str(), health.as_str(), sync.as_str()) {
        ("Failed" | "Error", _, _) => (Action::Trigger, Severity::Error, "failed"),
        (_, _, "Failed" | "Error") => (Action::Trigger, Severity::Error, "could not be synchronised"),
        ("Degraded", _, _) | (_, "Degraded", _) => (Action::Trigger, Severity::Error, "is degraded"),
        (_, "Missing", _) => (Action::Trigger, Severity::Error, "is missing"),
        (_, "Unknown", _) => (Action::Trigger, Severity::Warning, "has an unknown health"),
        ("Pending" | "Running" | "Progressing" | "Paused", _, _)
        | (_, "Progressing" | "Suspended", _)
        | (_, _, "Running" | "Terminating") => return Err(UNFINISHED),
        ("Succeeded", _, _) => (Action::Resolve, Severity::Error, "succeeded"),
        ("Healthy", _, "" | "Succeeded") | (_, "Healthy", "" | "Succeeded") => {
            (Action::Resolve, Severity::Error, "is healthy")
        }
        ("", "", _) => return Err(UNFINISHED),
        _ => return Err(UNKNOWN),
    };
    let metadata = object.get("metadata");
    let label = |name: &str| metadata.get("labels").get(name).text();
    // A workflow has a new name each time.
    let name = label("workflows.argoproj.io/cron-workflow")
        .or_else(|| label("workflows.argoproj.io/workflow-template"))
        .or_else(|| object.at("spec.workflowTemplateRef.name").text())
        .or_else(|| metadata.get("generateName").text().map(stable))
        .or_else(|| metadata.get("name").text())
        .unwrap_or_default();
    let namespace = metadata.get("namespace").text().unwrap_or_default();
    let place = if namespace.is_empty() { String::new() } else { ["in ", &namespace].concat() };
    let messages = ["message", "operationState.message", "health.message"];
    let message = status.pick(&messages).filter(|_| action == Action::Trigger);
    let summary = sentence(&[&kind, &name, &place], state, message);
    Ok(Reading::new(action, &["argo", &namespace, &kind, &name], summary).severity(severity))
}
