//! Falco's alerts: what its source shares with CloudEvents.
//!
//! <https://falco.org/docs/concepts/outputs/formatting/>, read 2026-11.

use super::MapError;
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Falco's priorities.
const PRIORITIES: &[(&str, Severity)] = &[
    ("alert", Severity::Critical),
    ("critical", Severity::Critical),
    ("debug", Severity::Info),
    ("emergency", Severity::Critical),
    ("error", Severity::Error),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("warning", Severity::Warning),
];

/// The fields that say where a rule matched, the best first: those of system calls, and those of Kubernetes' audit log.
const PLACES: [&[&str]; 3] = [
    &["k8s.ns.name", "k8smeta.ns.name", "ka.target.namespace"],
    &["k8s.pod.name", "k8smeta.pod.name", "ka.target.name"],
    &["container.id"],
];

/// A field without a value, in versions that do not send `null`.
const NO_VALUE: &str = "<NA>";

/// Maps an alert in `data`. An envelope around it repeats some of its members. The key has the `slug`, `before`, the rule,
/// the host, and namespace, pod and container. It has no user, process or file: all matches of a rule in one place are one
/// alert.
///
/// # Errors
/// Returns [`MapError::NoIdentity`] for `item` if the alert has no rule.
pub fn alert(
    (slug, before): (&str, &[&str]),
    envelope: Node<'_>,
    data: Node<'_>,
    item: &str,
) -> Result<Event, MapError> {
    let text = |name: &str| data.get(name).text().or_else(|| envelope.get(name).text()).unwrap_or_default();
    let fields = data.get("output_fields");
    let [rule, host, output, priority] = ["rule", "hostname", "output", "priority"].map(text);
    let field = |names: &[&str]| names.iter().find_map(|name| fields.get(name).text().filter(|text| text != NO_VALUE));
    let [namespace, pod, container] = PLACES.map(|names| field(names).unwrap_or_default());
    let parts = [before, &[&rule, &host, &namespace, &pod, &container]].concat();
    let key = DedupKey::new(slug, &parts).filter(|_| !rule.is_empty());
    let key = key.ok_or_else(|| MapError::NoIdentity { item: item.to_owned(), fields: "`rule`" })?;
    // A priority that Falco does not document may be serious.
    let severity = text::lookup(PRIORITIES, &priority).unwrap_or(Severity::Error);
    let source_field = [host.as_str(), &pod].into_iter().find(|place| !place.is_empty()).unwrap_or("Falco");
    // The output begins with the time of day.
    let output = match output.split_once(' ') {
        Some((time, rest)) if time.ends_with(':') && time.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => &output,
    };
    let colon = if output.is_empty() { "" } else { ": " };
    let summary = [&rule, " on ", source_field, colon, output].concat();
    let time = data.get("time").text().or_else(|| envelope.get("time").text());
    Ok(Event::new(Action::Trigger, key, severity, &summary, source_field)
        .component(field(&["container.name", "k8s.ns.name", "k8smeta.ns.name"]))
        .group(data.get("source").text())
        .class(Some(rule))
        .timestamp(time)
        .details(envelope, &["priority"])
        .details(data, &["output", "priority", "tags", "output_fields"])
        .client("Falco", None))
}
