//! Harbor: quotas, scans, replications and retentions of a registry.
//!
//! <https://goharbor.io/docs/main/working-with-projects/project-configuration/configure-webhooks/>, and the types in
//! Harbor's source, read 2026-11. The envelope's source is the policy, and what happened to which repository stands in the
//! data.

use super::{Letter, Reading, sentence, states};
use crate::mapping::outcomes::{NO_VERDICT, UNFINISHED, UNKNOWN};
use crate::pagerduty::event::{Action, Severity};

/// The reason for pushes, pulls and deletions.
const TRAFFIC: &str = "no outcome: an artifact was pushed, pulled or deleted";

pub(super) fn read(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let data = letter.data;
    let repository = data.pick(&["repository.repo_full_name", "repository.name"]).unwrap_or_default();
    let project = data.get("repository").first_text(&["namespace"]);
    let project = project.or_else(|| Some(repository.split_once('/')?.0.to_owned())).unwrap_or_default();
    let details = data.pick(&["custom_attributes.Details", "custom_attributes.details", "resources.0.resource_url"]);
    let (_, event) = letter.kind.split_once('.').unwrap_or_default();
    let job = |name: &str| {
        let word = data.get(name).first_text(&["job_status", "status"]);
        match word.as_deref().map(str::to_ascii_lowercase).as_deref() {
            Some("pending" | "running" | "inprogress" | "in progress" | "scheduled") | None => Err(UNFINISHED),
            Some("stopped") => Err(NO_VERDICT),
            Some(word) => states::of_verdict(word).unwrap_or(Err(UNKNOWN)),
        }
    };
    let (action, severity, thing, name, state) = match event {
        "quota.exceeded" => (Action::Trigger, Severity::Error, "quota", project, "is exceeded"),
        "quota.warned" | "quota.warning" => (Action::Trigger, Severity::Warning, "quota", project, "is almost reached"),
        "scan.failed" => (Action::Trigger, Severity::Error, "scan", repository.clone(), "failed"),
        "scan.completed" => (Action::Resolve, Severity::Error, "scan", repository.clone(), "succeeded"),
        "scan.stopped" => return Err(NO_VERDICT),
        "replication.status.changed" => {
            let (action, state) = job("replication")?;
            let ends = ["replication.src_resource", "replication.dest_resource"].map(|end| {
                let end = data.at(end);
                let parts =
                    ["registry_name", "endpoint", "namespace"].map(|part| end.get(part).text().unwrap_or_default());
                crate::text::join_nonempty(&parts.each_ref().map(String::as_str), "/")
            });
            (
                action,
                Severity::Error,
                "replication",
                crate::text::join_nonempty(&ends.each_ref().map(String::as_str), " to "),
                state,
            )
        }
        "tag_retention.finished" | "retention.finished" => {
            let (action, state) = job("retention")?;
            (action, Severity::Error, "retention", repository.clone(), state)
        }
        _ if event.starts_with("artifact.") || event.starts_with("chart.") => return Err(TRAFFIC),
        _ => return Err(UNKNOWN),
    };
    let what = ["Harbor's ", thing].concat();
    let shown = if repository.is_empty() { &name } else { &repository };
    let of = if shown.is_empty() { "" } else { "of" };
    let details = details.filter(|_| action == Action::Trigger);
    let summary = sentence(&[&what, of, shown], state, details);
    Ok(Reading::new(action, &["harbor", letter.source, thing, &name], summary).severity(severity))
}
