//! The rule for events that have no row in the table of kinds.

use serde_json::Value;

use super::names;
use super::verdict::{self, HARMLESS, Verdict, judge};
use crate::json::Node;
use crate::pagerduty::event::Severity;
use crate::text;

/// Members of `detail` that contain the state, in order. Case, `_` and `-` do not count.
const STATES: &[&str] = &[
    "state",
    "status",
    "buildstatus",
    "jobstatus",
    "alarmstate",
    "currentstate",
    "currentstatus",
    "resourcestatus",
    "statuscode",
    "scanstatus",
    "syncstatus",
    "testrunstatus",
    "compliancestatus",
    "laststatus",
    "result",
    "outcome",
    "conclusion",
    "severitystate",
];

/// Booleans that say whether it is over, and what `true` means.
const FLAGS: &[(&str, bool)] =
    &[("resolved", true), ("isdeleted", true), ("archived", true), ("success", true), ("healthy", true)];

/// Booleans that are `false` only if something is wrong, whatever else the event says.
const VITAL: &[&str] = &["agentconnected", "healthy", "success"];

/// A name in lower case, without `_`, `-` and blanks.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The word of an event's state.
pub(super) fn state(detail: Node<'_>) -> Option<String> {
    let nested = ["newEvaluationResult.complianceType", "state.value", "status-details.status"];
    if let Some(word) = detail.pick(&nested) {
        return Some(word);
    }
    let members = detail.members()?;
    let is_false =
        |(name, value): (&String, &Value)| value == &Value::Bool(false) && VITAL.contains(&plain(name).as_str());
    if members.iter().any(is_false) {
        return Some("failed".to_owned());
    }
    let named: Vec<(String, &str)> =
        members.iter().filter_map(|(name, value)| Some((plain(name), value.as_str()?.trim()))).collect();
    let exact = |wanted: &&str| named.iter().find(|(name, word)| name == *wanted && !word.is_empty());
    let ends = |(name, word): &&(String, &str)| {
        let old = ["previous", "old", "desired", "last", "expected"].iter().any(|start| name.starts_with(start));
        !word.is_empty() && !old && (name.ends_with("status") || name.ends_with("state"))
    };
    let found = STATES.iter().find_map(exact).or_else(|| named.iter().find(ends));
    if let Some((_, word)) = found {
        return Some((*word).to_owned());
    }
    let flag = |(wanted, good): &(&str, bool)| {
        let (_, value) = members.iter().find(|(name, value)| plain(name) == *wanted && value.is_boolean())?;
        Some(if value.as_bool() == Some(*good) { "resolved" } else { "failed" }.to_owned())
    };
    // `SERVICE_DEPLOYMENT_FAILED` is a state, and `INFO` or `AwsApiCall` are not.
    let spoken = || {
        let words = [detail.get("eventName").text(), detail.get("eventType").text()];
        words.into_iter().flatten().find(|word| word.contains('_') && judge(word, false).is_some())
    };
    FLAGS.iter().find_map(flag).or_else(spoken)
}

/// The verdict of a level: INFO, WARN or ERROR.
pub(super) fn level(detail: Node<'_>) -> Option<Verdict> {
    let word = detail.first_text(&["eventType", "level", "severity"]).filter(|_| !is_finding(detail))?;
    match word.to_ascii_uppercase().as_str() {
        "INFO" | "INFORMATIONAL" => Some(Verdict::Ignore(HARMLESS)),
        "WARN" | "WARNING" => Some(Verdict::Open(Some(Severity::Warning))),
        "ERROR" | "CRITICAL" => Some(Verdict::Open(Some(verdict::severity(&word).unwrap_or(Severity::Error)))),
        _ => None,
    }
}

/// Whether `detail` is a finding: it has a severity and says what it found.
pub(super) fn is_finding(detail: Node<'_>) -> bool {
    let has = |name: &str| detail.get(name).value().is_some();
    has("severity") && (has("title") || has("description"))
}

/// Words at the end of a type that are its state.
const LAST_WORDS: &[(&str, &str)] = &[
    ("rolled back", "t"),
    ("not successful", "t"),
    ("failed", "t"),
    ("failure", "t"),
    ("unsuccessful", "t"),
    ("error", "t"),
    ("warning", "w"),
    ("expired", "t"),
    ("revoked", "t"),
    ("disabled", "w"),
    ("interruption", "w"),
    ("open", "w"),
    ("succeeded", "r"),
    ("successful", "r"),
    ("success", "r"),
    ("completed", "r"),
    ("complete", "r"),
    ("resolved", "r"),
    ("closed", "r"),
    ("enabled", "r"),
    ("active", "r"),
    ("available", "r"),
    ("started", "-"),
];

/// The end of a type that is a word of a state, and what it means.
fn ending(kind: &str) -> Option<(usize, &'static str)> {
    LAST_WORDS.iter().find_map(|(words, sign)| {
        let at = kind.len().checked_sub(words.len())?;
        let (head, tail) = kind.split_at_checked(at)?;
        // `RotationFailed` has no space.
        let begins = head.is_empty() || head.ends_with([' ', '-']) || tail.starts_with(char::is_uppercase);
        (begins && tail.eq_ignore_ascii_case(words)).then_some((at, *sign))
    })
}

/// The verdict of the last words of a type.
pub(super) fn last_words(kind: &str) -> Option<Verdict> {
    Verdict::of_sign(ending(kind)?.1)
}

/// A type without the words of a state, so that a failure and a success share it. A type that has only such words stays
/// as it is.
pub(super) fn family(kind: &str) -> String {
    let changes = [" State Change", " State-change Notification", " Status-change Notification", " Status Change"];
    let stem = ending(kind).and_then(|(at, _)| kind.get(..at)).map(|stem| stem.trim_end_matches([' ', '-']));
    let stem = stem.or_else(|| changes.iter().find_map(|change| kind.strip_suffix(change)));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(kind).to_owned()
}

/// [`family`] as the beginning of a summary.
pub(super) fn label(kind: &str) -> String {
    let label = family(kind);
    label.strip_suffix(" Execution").map_or(label.clone(), str::to_owned)
}

/// Beginnings of names that belong to one run.
const RUNS: &[&str] = &[
    "execution",
    "run",
    "job",
    "build",
    "deployment",
    "invocation",
    "activity",
    "request",
    "transaction",
    "session",
    "transfer",
    "command",
    "query",
    "taskexecution",
    "step",
    "event",
    "message",
    "communication",
    "correlation",
    "trace",
    "sequence",
    "attempt",
];

/// Names of things, or their endings.
const THINGS: &[&str] = &[
    "name",
    "identifier",
    "pipeline",
    "stage",
    "action",
    "application",
    "deploymentgroup",
    "environment",
    "queue",
    "group",
    "bucket",
    "rule",
    "resourcetype",
    "compliancetype",
    "subtype",
    "event",
];

/// Things whose ids and ARNs are stable.
const OWNERS: &[&str] = &[
    "instance",
    "volume",
    "cluster",
    "service",
    "server",
    "connector",
    "window",
    "association",
    "key",
    "secret",
    "certificate",
    "finding",
    "insight",
    "case",
    "opsitem",
    "canary",
    "channel",
    "function",
    "statemachine",
    "resource",
];

/// What identifies the thing of an event: its resource, or an empty text, and the names in `detail`. Without any, a hash of the texts that do
/// not look like those of a run. Empty if there are no such texts.
pub(super) fn identity(detail: Node<'_>, resource: &str) -> Vec<String> {
    let mut ids = vec![resource.to_owned()];
    // Beside a state, an `id` is that of a run.
    let own_id = is_finding(detail) || detail.get("title").value().is_some() || state(detail).is_none();
    let members = || detail.members().into_iter().flatten().filter_map(|(name, value)| Some((name, value.as_str()?)));
    for (name, value) in members().filter(|(_, value)| is_stable_value(value)) {
        let name = plain(name);
        if is_stable_name(&name) || name == "id" && own_id {
            ids.push(names::stable(names::without_run(value)).to_owned());
        }
    }
    if ids.len() == 1 && resource.is_empty() {
        let mut texts = String::new();
        for (name, value) in members().filter(|(name, value)| is_stable_value(value) && !is_volatile_name(&plain(name)))
        {
            texts.extend([name.as_str(), "=", value, "\n"]);
        }
        if !texts.is_empty() {
            ids.push(text::sha256_hex(texts.as_bytes()));
        }
    }
    ids
}

fn is_run_name(name: &str) -> bool {
    let of_run = RUNS.iter().any(|start| name.starts_with(start));
    of_run && ["id", "arn", "name", "number"].iter().any(|end| name.ends_with(end)) && name != "jobname"
        || ["token", "uuid"].iter().any(|end| name.ends_with(end))
}

fn is_stable_name(name: &str) -> bool {
    // A configuration is often replaced by one of another name.
    if is_run_name(name) || name.ends_with("configname") {
        return false;
    }
    let owner = name.strip_suffix("id").or_else(|| name.strip_suffix("arn"));
    owner.is_some_and(|owner| OWNERS.iter().any(|known| owner.ends_with(known)))
        || THINGS.iter().any(|thing| name.ends_with(thing))
        || ["bucket", "rule"].iter().any(|start| name.starts_with(start)) && !name.ends_with("version")
}

/// Names whose texts change, or explain.
fn is_volatile_name(name: &str) -> bool {
    let explains = ["message", "description", "reason", "cause", "error", "annotation", "title", "summary", "details"];
    let states = ["state", "status", "severity", "level", "result", "outcome", "conclusion", "code"];
    is_run_name(name)
        || name == "id"
        || ["at", "time", "date", "version", "timestamp"].iter().any(|end| name.ends_with(end))
        || explains.iter().chain(&states).any(|part| name.contains(part))
        || name.starts_with("previous")
        || ["eventname", "eventtype"].contains(&name)
}

/// Whether a text is not a time, a number or a digest.
fn is_stable_value(value: &str) -> bool {
    let value = value.trim();
    let number = value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b':'));
    !value.is_empty() && !number && !names::is_date(value) && !value.starts_with("sha256:")
}
