//! Rules of single kinds whose verdict is more than a word.

use serde_json::Value;

use super::bridge::Bridge;
use super::places;
use super::verdict::{CUT_SHORT, HARMLESS, UNDER_WAY, Verdict, judge, severity};
use crate::json::Node;
use crate::pagerduty::event::Severity;

const BAD: Option<Verdict> = Some(Verdict::Open(None));

fn open(severity: Severity) -> Option<Verdict> {
    Some(Verdict::Open(Some(severity)))
}

/// A task counts only when it has stopped. A job that ends well resolves; the tasks of a service should not end, but the
/// service starts others.
pub(super) fn ecs_task(bridge: &Bridge<'_>) -> Option<Verdict> {
    let text = |name: &str| bridge.detail.get(name).text().unwrap_or_default();
    let reason = text("stoppedReason");
    let status = text("lastStatus");
    if !status.is_empty() && status != "STOPPED" {
        return Some(Verdict::Ignore(UNDER_WAY));
    }
    let containers = bridge.detail.get("containers").items().unwrap_or_default();
    let code = |container: &Value| Node::root(container).get("exitCode").text();
    let is_service = text("group").starts_with("service:");
    match text("stopCode").as_str() {
        "EssentialContainerExited" => {
            let failed = containers.iter().any(|container| match code(container) {
                Some(code) => code != "0",
                None => Node::root(container).get("reason").text().is_some(),
            });
            let well = !failed && containers.iter().any(|container| code(container).is_some());
            match (well, is_service) {
                (true, false) => Some(Verdict::Over),
                (true, true) => Some(Verdict::Ignore(CUT_SHORT)),
                (false, _) => open(Severity::Error),
            }
        }
        "UserInitiated" | "ServiceSchedulerInitiated" if !reason.to_lowercase().contains("failed") => {
            Some(Verdict::Ignore(CUT_SHORT))
        }
        "SpotInterruption" | "TerminationNotice" => open(Severity::Warning),
        "" => Some(match judge(&reason, false) {
            Some(Verdict::Open(_)) => Verdict::Open(Some(Severity::Error)),
            _ => Verdict::Open(Some(Severity::Warning)),
        }),
        // `TaskFailedToStart`, and codes that nobody knows.
        _ => open(Severity::Error),
    }
}

/// An agent that lost its connection, while its instance is in use.
pub(super) fn container_instance(bridge: &Bridge<'_>) -> Option<Verdict> {
    let connected = bridge.detail.get("agentConnected").value().and_then(Value::as_bool)?;
    let status = bridge.detail.get("status").text();
    Some(match (connected, status.as_deref()) {
        (_, Some("DRAINING" | "INACTIVE" | "DEREGISTERING")) => Verdict::Ignore(UNDER_WAY),
        (true, _) => Verdict::Over,
        (false, _) => Verdict::Open(None),
    })
}

/// Only the failure of a resource counts, because the stack speaks for all others.
pub(super) fn stack_resource(bridge: &Bridge<'_>) -> Option<Verdict> {
    let status = bridge.detail.at("status-details.status").text().unwrap_or_default();
    Some(if status.ends_with("_FAILED") { Verdict::Open(None) } else { Verdict::Ignore(HARMLESS) })
}

/// The result of an invocation of a function. An error of the function counts, whatever the condition is.
pub(super) fn invocation(bridge: &Bridge<'_>) -> Option<Verdict> {
    let failed = bridge.detail.at("responseContext.functionError").text().is_some();
    if failed {
        return BAD;
    }
    let no_condition = bridge.detail.at("requestContext.condition").text().is_none();
    (no_condition && bridge.kind.ends_with("Failure")).then_some(Verdict::Open(None))
}

/// The word after "to" in `Environment health has transitioned from Ok to Severe.`
pub(super) fn health_word(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("transitioned from ")?;
    let (_, to) = rest.split_once(" to ")?;
    let to = to.strip_prefix("No Data").map_or(to, |_| "NoData");
    to.split(|c: char| !c.is_alphanumeric()).next()
}

/// The verdict of a health of Elastic Beanstalk.
pub(super) fn beanstalk_word(word: &str) -> Option<Verdict> {
    match word {
        "Ok" | "Green" => Some(Verdict::Over),
        "Warning" | "Yellow" => open(Severity::Warning),
        "Degraded" => open(Severity::Error),
        "Severe" | "Red" => open(Severity::Critical),
        "Info" | "Pending" | "Unknown" | "NoData" | "Suspended" | "Grey" => Some(Verdict::Ignore(UNDER_WAY)),
        _ => None,
    }
}

pub(super) fn beanstalk_health(bridge: &Bridge<'_>) -> Option<Verdict> {
    let message = bridge.detail.get("Message").text().unwrap_or_default();
    beanstalk_word(health_word(&message)?)
}

/// A message that is not about health. A status can say that something ended well when its message says otherwise.
pub(super) fn beanstalk_message(bridge: &Bridge<'_>) -> Option<Verdict> {
    let message = bridge.detail.get("Message").text().unwrap_or_default();
    let has = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if has(&[
        "Failed to deploy",
        "Unsuccessful command execution",
        "with errors",
        "aborted operation",
        "there were issues",
    ]) {
        return Some(Verdict::Open(None));
    }
    if has(&["Environment update completed successfully", "Successfully launched"]) {
        return Some(Verdict::Over);
    }
    let quiet = has(&["Adding instance", "Removed instance", "is starting"]);
    // A text without a status that nobody knows reports progress more often than trouble.
    let no_status = bridge.detail.get("Status").text().is_none();
    if quiet || no_status && !matches!(judge(&message, false), Some(Verdict::Open(_))) {
        return Some(Verdict::Ignore(HARMLESS));
    }
    no_status.then_some(Verdict::Open(Some(Severity::Warning)))
}

/// A run status is sent only for a run that takes too long.
pub(super) fn late_job(bridge: &Bridge<'_>) -> Option<Verdict> {
    (bridge.kind == "Glue Job Run Status").then_some(Verdict::Open(Some(Severity::Warning)))
}

/// Some rules failed, although the evaluation succeeded.
pub(super) fn data_quality(bridge: &Bridge<'_>) -> Option<Verdict> {
    let failed = bridge.detail.get("numRulesFailed").count().is_some_and(|failed| failed > 0);
    failed.then_some(Verdict::Open(None))
}

/// Mails that bounced or the like are bad news; all others are no news.
pub(super) fn mail(bridge: &Bridge<'_>) -> Option<Verdict> {
    let transient = bridge.detail.at("bounce.bounceType").text().is_some_and(|kind| kind == "Transient");
    match places::mail(bridge).as_deref() {
        Some("bounce") if transient => open(Severity::Info),
        Some("bounce" | "complaint" | "reject" | "rendering failure") => open(Severity::Warning),
        Some("delivery delay") => open(Severity::Info),
        _ => Some(Verdict::Ignore(HARMLESS)),
    }
}

/// A scan that is complete says nothing: its counts do.
pub(super) fn image_scan(bridge: &Bridge<'_>) -> Option<Verdict> {
    let count = |name: &str| bridge.detail.get("finding-severity-counts").get(name).count().unwrap_or(0);
    let status = bridge.detail.get("scan-status").text().unwrap_or_default();
    match status.as_str() {
        "FAILED" => open(Severity::Warning),
        "COMPLETE" if count("CRITICAL") > 0 => open(Severity::Critical),
        "COMPLETE" if count("HIGH") > 0 => open(Severity::Error),
        "COMPLETE" => Some(Verdict::Over),
        _ => None,
    }
}

/// GuardDuty's severity is a number. It repeats a finding, also one that was archived by hand.
pub(super) fn guardduty_finding(bridge: &Bridge<'_>) -> Option<Verdict> {
    if bridge.detail.at("service.archived").value() == Some(&Value::Bool(true)) {
        return Some(Verdict::Over);
    }
    // It can also be text, if a user has transformed the event.
    let number = bridge.detail.get("severity").text().and_then(|text| text.parse::<f64>().ok());
    // An unreadable number may be serious, so it counts as an error.
    open(match number.unwrap_or(7.0) {
        9.0.. => Severity::Critical,
        7.0.. => Severity::Error,
        4.0.. => Severity::Warning,
        _ => Severity::Info,
    })
}

/// A finding of Security Hub: archived, resolved, suppressed or passed is over.
pub(super) fn hub_finding(bridge: &Bridge<'_>) -> Option<Verdict> {
    let is =
        |path: &str, words: &[&str]| bridge.detail.at(path).text().is_some_and(|word| words.contains(&word.as_str()));
    let over = is("RecordState", &["ARCHIVED"])
        || is("Workflow.Status", &["RESOLVED", "SUPPRESSED"])
        || is("Compliance.Status", &["PASSED", "NOT_AVAILABLE"]);
    if over {
        return Some(Verdict::Over);
    }
    let label = bridge.detail.at("Severity.Label").text().and_then(|label| severity(&label));
    let number = bridge.detail.at("Severity.Normalized").text().and_then(|text| text.parse::<f64>().ok());
    let by_number = number.map(|number| match number {
        90.0.. => Severity::Critical,
        70.0.. => Severity::Error,
        40.0.. => Severity::Warning,
        _ => Severity::Info,
    });
    Some(Verdict::Open(label.or(by_number)))
}

/// A finding in the form of OCSF: its status can also be a number.
pub(super) fn ocsf_finding(bridge: &Bridge<'_>) -> Option<Verdict> {
    let closed = bridge.detail.get("activity_name").text().is_some_and(|word| word == "Close");
    let over = match bridge.detail.get("status").text() {
        Some(_) => false,
        None => matches!(bridge.detail.get("status_id").count(), Some(3..=5)),
    };
    (closed || over).then_some(Verdict::Over)
}

/// A finding of Macie: a sample is of no weight.
pub(super) fn macie_finding(bridge: &Bridge<'_>) -> Option<Verdict> {
    let is = |name: &str| bridge.detail.get(name).value() == Some(&Value::Bool(true));
    match (is("archived"), is("sample")) {
        (true, _) => Some(Verdict::Over),
        (false, true) => open(Severity::Info),
        (false, false) => BAD,
    }
}

/// A deleted finding keeps the status ACTIVE.
pub(super) fn access_finding(bridge: &Bridge<'_>) -> Option<Verdict> {
    let is = |name: &str| bridge.detail.get(name).value() == Some(&Value::Bool(true));
    if is("isDeleted") {
        return Some(Verdict::Over);
    }
    let active = bridge.detail.get("status").text().is_none_or(|status| status == "ACTIVE");
    (active && is("isPublic")).then_some(Verdict::Open(Some(Severity::Error)))
}

/// The result is `null` if the resource was deleted.
pub(super) fn config_rule(bridge: &Bridge<'_>) -> Option<Verdict> {
    let deleted = bridge.detail.members()?.get("newEvaluationResult").is_some_and(Value::is_null);
    deleted.then_some(Verdict::Over)
}

/// Only a failed delivery of AWS Config is bad news.
pub(super) fn config_delivery(bridge: &Bridge<'_>) -> Option<Verdict> {
    let kind = bridge.detail.get("messageType").text().unwrap_or_default();
    (kind.ends_with("DeliveryFailed") || bridge.detail.get("deliveryStatus").text().as_deref() == Some("FAILED"))
        .then_some(Verdict::Open(Some(Severity::Warning)))
}

/// The fewer days a certificate has left, the more serious. The key has no number of days in it.
pub(super) fn certificate(bridge: &Bridge<'_>) -> Option<Verdict> {
    if bridge.kind.ends_with("Expired") || bridge.kind.ends_with("Revoked") {
        return open(Severity::Critical);
    }
    if bridge.kind.ends_with("Available") {
        return Some(Verdict::Over);
    }
    let days = bridge.detail.get("DaysToExpiry").text().and_then(|days| days.parse::<f64>().ok());
    open(match days {
        Some(..=3.0) => Severity::Critical,
        Some(..=14.0) => Severity::Error,
        _ => Severity::Warning,
    })
}

/// A login is news even if it succeeded, because somebody sends such logins to a pager.
pub(super) fn sign_in(bridge: &Bridge<'_>) -> Option<Verdict> {
    let root = bridge.detail.at("userIdentity.type").text().is_some_and(|kind| kind == "Root");
    open(if root { Severity::Error } else { Severity::Warning })
}

/// A call is news, because somebody sends such calls to a pager. Its response is no state.
pub(super) fn api_call(bridge: &Bridge<'_>) -> Option<Verdict> {
    let text = |path: &str| bridge.detail.at(path).text();
    let failed = text("errorCode").is_some();
    if !failed && text("eventName").is_some_and(|call| places::undoes(&call)) {
        return Some(Verdict::Over);
    }
    let root = text("userIdentity.type").is_some_and(|kind| kind == "Root");
    open(match (root, failed) {
        (true, _) => Severity::Error,
        (false, true) => Severity::Info,
        (false, false) => Severity::Warning,
    })
}

/// AWS Health. A description can say that it is over while the status is still `open`.
pub(super) fn health(bridge: &Bridge<'_>) -> Option<Verdict> {
    let text = |path: &str| bridge.detail.at(path).text().unwrap_or_default();
    let described = text("eventDescription.0.latestDescription");
    let says_over = described.contains("[RESOLVED]") || described.contains("Operating normally");
    if text("statusCode") == "closed" || says_over {
        return Some(Verdict::Over);
    }
    let required = text("actionability") == "ACTION_REQUIRED";
    open(match text("eventTypeCategory").as_str() {
        "issue" => Severity::Error,
        "investigation" => Severity::Warning,
        "scheduledChange" if required => Severity::Warning,
        _ if bridge.kind == "AWS Health Abuse Event" => Severity::Error,
        _ => Severity::Info,
    })
}

/// An OpsItem opens once, and is over when it is resolved or closed.
pub(super) fn ops_item(bridge: &Bridge<'_>) -> Option<Verdict> {
    let status = bridge.detail.get("status").text().unwrap_or_default();
    if matches!(status.as_str(), "Resolved" | "Closed") {
        return Some(Verdict::Over);
    }
    if bridge.kind == "OpsItem Update" {
        return Some(Verdict::Ignore(UNDER_WAY));
    }
    let given = bridge.detail.get("severity").text();
    open(match given.as_deref() {
        Some("1") => Severity::Critical,
        Some("2") => Severity::Error,
        Some("4") => Severity::Info,
        Some(word) => severity(word).unwrap_or(Severity::Warning),
        None => Severity::Warning,
    })
}
