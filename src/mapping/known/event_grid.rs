//! Azure Event Grid: events of Azure's own services, in the schema of CloudEvents.
//!
//! <https://learn.microsoft.com/azure/event-grid/system-topics>, read 2026-11: the pages of health resources, Key Vault,
//! resource groups, Service Bus, Container Service, Machine Learning, Policy Insights and App Service. Other types have
//! their state in a member whose name ends with `State` or `Status`, or in the last word of the type; if they have none,
//! they are read like the events of any sender.

use super::{Letter, Reading, last_segment, sentence, states};
use crate::mapping::outcomes::NO_VERDICT;
use crate::pagerduty::event::{Action, Severity};

/// What ends the resource's id if the subject is one of its states.
const HEALTH: &str = "/providers/microsoft.resourcehealth/";

/// Words for a state in the data of Azure's services, in addition to those of all senders.
const STATES: &[(&str, Action)] = &[
    ("Completed", Action::Resolve),
    ("CompletedWithErrors", Action::Trigger),
    ("Finished", Action::Resolve),
    ("NonCompliant", Action::Trigger),
];

/// Ends of types that are alerts and name no state.
const NOTICES: &[(&str, Severity)] = &[
    ("ClusterSupportEnded", Severity::Warning),
    ("ClusterSupportEnding", Severity::Warning),
    ("DatasetDriftDetected", Severity::Warning),
    ("WithNoListeners", Severity::Warning),
];

pub(super) fn read(letter: Letter<'_>) -> Option<Result<Reading, &'static str>> {
    let (_, name) = letter.kind.rsplit_once('.')?;
    match name {
        "AvailabilityStatusChanged" => Some(Ok(health(letter))),
        "ResourceAnnotated" => Some(annotation(letter)),
        _ => vault(letter, name).or_else(|| any(letter, name)),
    }
}

/// The id of the resource that a health event is about, in lower case, because Azure varies the case.
fn resource(letter: Letter<'_>) -> String {
    let target = letter.data.pick(&["resourceInfo.properties.targetResourceId", "resourceDetails.id"]);
    let id = target.unwrap_or_else(|| letter.subject.to_owned()).to_ascii_lowercase();
    id.split(HEALTH).next().unwrap_or_default().to_owned()
}

/// The change of a resource's availability. Each word but `Available` triggers: silence is the worse error.
fn health(letter: Letter<'_>) -> Reading {
    let properties = letter.data.at("resourceInfo.properties");
    let state = properties.get("availabilityState").text().unwrap_or_else(|| "in an unknown state".to_owned());
    let (action, severity) = match state.to_ascii_lowercase().as_str() {
        "available" => (Action::Resolve, Severity::Error),
        "degraded" | "unknown" => (Action::Trigger, Severity::Warning),
        _ => (Action::Trigger, Severity::Error),
    };
    let id = resource(letter);
    let what = properties.pick(&["summary", "reason"]);
    let summary = sentence(&[last_segment(&id), "is"], &state, what);
    Reading::new(action, &[letter.source, &id, "availability"], summary).severity(severity)
}

/// The cause of a change of availability. It belongs to the alert about the availability.
fn annotation(letter: Letter<'_>) -> Result<Reading, &'static str> {
    let properties = letter.data.at("resourceInfo.properties");
    if properties.get("context").text().is_some_and(|context| context.to_ascii_lowercase().starts_with("customer")) {
        return Err("an action of a person: its author knows about it");
    }
    let id = resource(letter);
    let name = properties.pick(&["annotationName", "reason"]).unwrap_or_else(|| "annotated".to_owned());
    let summary = sentence(&[last_segment(&id)], &name, properties.get("summary").text());
    Ok(Reading::new(Action::Trigger, &[letter.source, &id, "availability"], summary).severity(Severity::Warning))
}

/// A certificate, key or secret in Key Vault that expires, or has been renewed.
fn vault(letter: Letter<'_>, name: &str) -> Option<Result<Reading, &'static str>> {
    const STATES: [(&str, Action, Severity, &str); 3] = [
        ("NearExpiry", Action::Trigger, Severity::Warning, "expires soon"),
        ("Expired", Action::Trigger, Severity::Error, "has expired"),
        ("NewVersionCreated", Action::Resolve, Severity::Error, "has been renewed"),
    ];
    let things = ["Certificate", "Key", "Secret"].into_iter();
    let mut states = things.flat_map(|thing| STATES.map(|state| (thing, state)));
    let is = |(thing, (state, ..)): &(&str, (&str, Action, Severity, &str))| name.strip_prefix(thing) == Some(*state);
    let (thing, (_, action, severity, state)) = states.find(is)?;
    let object = letter.data.get("ObjectName").text().unwrap_or_else(|| last_segment(letter.subject).to_owned());
    let vault = letter.data.get("VaultName").text();
    let of = vault.as_ref().map(|vault| ["in ", vault].concat()).unwrap_or_default();
    let summary = sentence(&[thing, &object, &of], state, None);
    Some(Ok(Reading::new(action, &[letter.source, &object, thing], summary).severity(severity)))
}

/// An event of another type, by the last word of the type or a state in its data.
fn any(letter: Letter<'_>, name: &str) -> Option<Result<Reading, &'static str>> {
    let notice = NOTICES.iter().find(|(end, _)| name.ends_with(end));
    let divided = states::divide(letter.kind);
    // `WriteCancel`: somebody ended it.
    if divided.action.is_none() && ["Cancel", "Canceled", "Cancelled"].iter().any(|end| name.ends_with(end)) {
        return Some(Err(NO_VERDICT));
    }
    let completed = || name.strip_suffix("Completed").filter(|rest| !rest.is_empty()).map(|_| Action::Resolve);
    // A device that has lost its connection, and has it again.
    let connection = name.strip_suffix("Disconnected").map(|_| Action::Trigger);
    let connection = connection.or_else(|| name.strip_suffix("Connected").map(|_| Action::Resolve));
    let by_type = divided.action.or(connection).or_else(|| notice.map(|_| Action::Trigger));
    let deep = || states::deep(letter.data, STATES);
    let (action, state) = match by_type {
        Some(action) => (action, divided.word.to_owned()),
        None => deep().or_else(|| Some((completed()?, "Completed".to_owned())))?,
    };
    let ends = ["Completed", "Changed", "Change", "Disconnected", "Connected"];
    let stem = ends.iter().fold(divided.stem, |stem, end| stem.strip_suffix(end).unwrap_or(stem));
    // The subject of a run names the run.
    let run = letter.data.get("experimentName").text();
    let subject = run.unwrap_or_else(|| letter.subject.to_owned());
    let what = letter.data.pick(&["message", "operationName", "errorMessage", "error.message"]);
    // Without a word for the state, the type itself says what happened.
    let kind = if state.is_empty() { name } else { stem.rsplit('.').next().unwrap_or_default() };
    let summary = sentence(&[kind, &state, "for"], last_segment(&subject), what);
    let reading = Reading::new(action, &[letter.source, &subject, stem], summary);
    let weak = if connection.is_some() { Severity::Warning } else { Severity::Error };
    let reading = reading.severity(notice.map_or(weak, |(_, severity)| *severity));
    // Earlier versions read only these members, and then the subject was the whole identity.
    let before = letter.data.first_text(&["state", "status"]).is_some_and(|word| states::of_state(&word).is_some());
    let before = before && !letter.subject.is_empty();
    Some(Ok(if before { reading.formerly(&[letter.source, letter.subject]) } else { reading }))
}
