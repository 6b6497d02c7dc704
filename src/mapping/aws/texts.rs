//! Messages that are text: notices of single services in lines of names and values, sentences, and texts of the user's own.

use serde_json::{Map, Value};

use super::notices::event;
use super::verdict::{HARMLESS, UNDER_WAY};
use super::{Via, bridge, names, own, prometheus_text, rules};
use crate::json::{self, Node};
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, Event, Severity};
use crate::text;

/// Subjects that say nothing about what a message is about.
const CONSTANT_SUBJECTS: &[&str] = &["AWS Notification Message", "AWS Notification - Subscription Confirmation"];

/// Maps a text.
///
/// # Errors
/// Returns [`MapError`] if the text is blank.
pub(super) fn map(text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    if let Some(mapped) = prometheus_text::text(text, via) {
        return mapped;
    }
    let quoted = lines(text, "='", "'");
    if quoted.contains_key("ResourceStatus") {
        return bridge::map(Node::root(&stack(&quoted, via)), via);
    }
    let named = lines(text, ":", "");
    let has = |name: &str| named.get(name).is_some_and(|value| !value.is_null());
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if has("Environment") && has("Application") && has("Message") {
        return bridge::map(Node::root(&beanstalk(&named, via)), via);
    }
    if has("Budget Name") && has("Alert Type") {
        return bridge::map(Node::root(&budget(text, named, via)), via);
    }
    let is_backup = text.contains("AWS Backup") || first.starts_with("A Kubernetes resource failed");
    if is_backup && let Some(mapped) = backup(text, first, &named, via) {
        return mapped;
    }
    // Lines of names and values, with a title and a state of the user's own.
    for members in [named, lines(text, " = ", "")] {
        let usual = ["title", "summary", "alertname", "name", "check"].iter().any(|name| has_any(&members, name));
        let state = ["state", "status", "severity"].iter().any(|name| has_any(&members, name));
        if usual && state {
            return own::map(Node::root(&Value::Object(members)), text, via);
        }
    }
    plain(text, via)
}

fn has_any(members: &Map<String, Value>, wanted: &str) -> bool {
    members.keys().any(|name| super::generic::plain(name) == wanted)
}

/// The lines `name<between>value<end>` of a text. Of two lines with the same name, the first counts.
fn lines(text: &str, between: &str, end: &str) -> Map<String, Value> {
    let mut members = Map::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(between) else { continue };
        let (name, value) = (name.trim(), value.trim_end());
        let is_name =
            !name.is_empty() && name.len() <= 64 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == ' ');
        if let Some(value) = value.strip_suffix(end).filter(|_| is_name && !value.starts_with("//")) {
            members.entry(name).or_insert_with(|| value.trim().into());
        }
    }
    members
}

/// A notice of CloudFormation: about a stack, or about a resource of it. The properties of a resource may contain secrets
/// and are left out.
fn stack(members: &Map<String, Value>, via: &Via<'_>) -> Value {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_stack =
        text("ResourceType") == "AWS::CloudFormation::Stack" && text("LogicalResourceId") == text("StackName");
    let kind = if is_stack { "CloudFormation Stack Status Change" } else { "CloudFormation Resource Status Change" };
    let id = Some(text("StackId")).filter(|id| !id.is_empty()).unwrap_or(text("StackName"));
    let status = json::object([
        ("status", text("ResourceStatus").into()),
        ("status-reason", text("ResourceStatusReason").into()),
        ("detailed-status", text("DetailedStatus").into()),
    ]);
    let detail = json::object([
        ("stack-id", id.into()),
        ("logical-resource-id", text("LogicalResourceId").into()),
        ("resource-type", text("ResourceType").into()),
        ("status-details", status),
    ]);
    let place = if id.starts_with("arn:") { names::place(id) } else { via.place() };
    let time = text::timestamp(text("Timestamp")).or_else(|| via.time.map(str::to_owned));
    event(("aws.cloudformation", kind), place, time, detail)
}

/// A notice of Elastic Beanstalk.
fn beanstalk(members: &Map<String, Value>, via: &Via<'_>) -> Value {
    let text = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let health = rules::health_word(text("Message")).is_some();
    let kind = if health { "Health status change" } else { "Elastic Beanstalk resource status change" };
    let detail = json::object([
        ("ApplicationName", text("Application").into()),
        ("EnvironmentName", text("Environment").into()),
        ("Message", text("Message").into()),
    ]);
    event(("aws.elasticbeanstalk", kind), via.place(), via.time.map(str::to_owned), detail)
}

/// A notice of AWS Budgets.
fn budget(text: &str, members: Map<String, Value>, via: &Via<'_>) -> Value {
    let account = text.lines().find_map(|line| line.trim().strip_prefix("AWS Account "));
    let (region, topic_account) = via.place();
    let place = (region, account.map_or(topic_account, str::trim));
    let known = ["Budget Name", "Budget Type", "Budgeted Amount", "Alert Type", "Alert Threshold"];
    let kept = |(name, _): &(String, Value)| known.contains(&name.as_str()) || name.ends_with(" Amount");
    let detail: Map<String, Value> = members.into_iter().filter(kept).collect();
    event(("aws.budgets", "AWS Budget"), place, via.time.map(str::to_owned), detail.into())
}

/// A sentence of AWS Backup. A failed job and the next successful job of the same kind share their kind and resource.
/// Returns `None` if the sentence names no resource.
fn backup(text: &str, first: &str, members: &Map<String, Value>, via: &Via<'_>) -> Option<Result<Mapped, MapError>> {
    let named = text.split_once("Resource ARN :").or_else(|| text.split_once("Resource ARN:"));
    let of_cluster = || {
        let name = |name: &str| members.get(name).and_then(Value::as_str);
        Some([name("EKS Cluster Name")?, name("Resource").unwrap_or_default()].join("/"))
    };
    let resource = named.and_then(|(_, rest)| rest.split_whitespace().next()).map(|arn| arn.trim_end_matches('.'));
    let resource = resource.map(str::to_owned).or_else(of_cluster)?;
    // Before the resource: its name may contain any word.
    let said = named.map_or(first, |(before, _)| before);
    if said.contains("index job") && said.contains("completed") {
        return Some(Ok(Mapped::nothing(HARMLESS)));
    }
    let failed = ["abort", "expired", "fail", "partial"].iter().any(|word| said.contains(word));
    let over = said.contains("completed") && !failed;
    if !over && !failed {
        return Some(Ok(Mapped::nothing(UNDER_WAY)));
    }
    let kind = ["restore", "copy"].into_iter().find(|kind| said.contains(kind)).unwrap_or("backup");
    let key = via.known_key(&[kind, &resource])?;
    let action = if over { Action::Resolve } else { Action::Trigger };
    let thing = names::short(&resource);
    let summary = text::join_nonempty(&[first.split(". ").next().unwrap_or(first).trim_end_matches('.'), thing], ": ");
    let event = Event::new(action, key, Severity::Error, &names::readable(&summary), thing);
    Some(Ok(Mapped::one(finish(event, text, via))))
}

/// The words before a text that say its state.
const BAD: &[&str] =
    &["alarm", "alert", "critical", "down", "error", "failed", "failure", "firing", "problem", "triggered", "warning"];
const GOOD: &[&str] = &["cleared", "ok", "recovered", "recovery", "resolved", "up"];

/// A title, read.
pub(super) struct Subject {
    /// What the word in front says.
    pub(super) action: Option<Action>,
    /// The severity of that word.
    severity: Option<Severity>,
    /// The title without that word, and without values.
    pub(super) about: String,
}

/// Reads a title. A word of a state counts in front of it: in brackets, before a colon or a dash, or in capitals.
pub(super) fn subject(title: &str) -> Subject {
    let title = title.trim();
    // Some programs put stars or a symbol around it.
    let decoration = |c: char| matches!(c, '*' | '#' | ' ') || !c.is_ascii() && !c.is_alphanumeric();
    let title = title.trim_start_matches(decoration);
    let lower = |word: &str| word.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    let verdict = |word: &str| match (BAD.contains(&word), GOOD.contains(&word)) {
        (true, _) => Some(Action::Trigger),
        (_, true) => Some(Action::Resolve),
        _ => None,
    };
    let bracket = title.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let marked = title.split_once(": ").or_else(|| title.split_once(" - "));
    let capital = || title.split_once(' ').filter(|(word, _)| word.len() > 1 && word.chars().all(char::is_uppercase));
    let found = [bracket, marked, capital()].into_iter().flatten();
    let mut found = found.filter(|(_, rest)| !rest.trim().is_empty()).map(|(word, rest)| (lower(word), rest));
    let found = found.find_map(|(word, rest)| Some((verdict(&word)?, word, rest)));
    let (action, severity, rest) = match &found {
        Some((action, word, rest)) => {
            (Some(*action), Severity::from_word(word).filter(|_| *action == Action::Trigger), *rest)
        }
        None => (None, None, title),
    };
    // The sentence after the word often says the state once more, in capitals.
    let is_state = |word: &&str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        let capital = word.len() > 1 && word.chars().all(char::is_uppercase);
        !(action.is_some() && capital && verdict(&word.to_ascii_lowercase()).is_some())
    };
    let words: Vec<&str> = rest.split_whitespace().filter(is_state).collect();
    let kept = names::without_values(&words.join(" "));
    Subject { action, severity, about: if kept.is_empty() { title.to_owned() } else { kept } }
}

/// Whether a subject tells messages apart: three words, or a name with a digit, a dot, a slash or a hyphen in it.
fn is_telling(subject: &str) -> bool {
    let named = |word: &str| word.contains(|c: char| c.is_ascii_digit() || matches!(c, '.' | '/' | '-' | '_'));
    subject.split_whitespace().count() >= 3 || subject.split_whitespace().any(|word| named(word.trim_end_matches('.')))
}

/// Maps a text that nobody knows.
fn plain(text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    let given = Some(via.subject).filter(|subject| !subject.is_empty() && !CONSTANT_SUBJECTS.contains(subject));
    let mut lines = given.into_iter().chain(text.lines().map(str::trim).filter(|line| !line.is_empty()));
    let first = lines.next().unwrap_or_default();
    let Subject { action, severity, mut about } = subject(first);
    let mut summary = first.to_owned();
    for line in lines.take(2) {
        if is_telling(&about) {
            break;
        }
        about.push('\n');
        about.push_str(&subject(line).about);
        summary = text::join_nonempty(&[&summary, line], ": ");
    }
    let key = via.key(&[via.topic, &text::sha256_hex(about.as_bytes())])?;
    let (action, severity) = (action.unwrap_or(Action::Trigger), severity.unwrap_or(Severity::Warning));
    let event = Event::new(action, key, severity, &names::readable(&summary), via.topic_name());
    Ok(Mapped::one(finish(event, text, via)))
}

fn finish(event: Event, text: &str, via: &Via<'_>) -> Event {
    event
        .timestamp(via.time.map(str::to_owned))
        .detail("message", text.into())
        .detail("Subject", via.subject.into())
        .detail("TopicArn", via.topic.into())
}
