//! Notices of single services that are JSON without `detail-type`. Each is read as the event of EventBridge that says the
//! same.

use serde_json::Value;

use super::verdict::HARMLESS;
use super::{Via, codes, names};
use crate::json::{self, Node};
use crate::mapping::parse;

/// A notice.
pub(super) enum Notice {
    /// The event that says the same.
    Event(Value),
    /// It needs no event, and why.
    Ignore(&'static str),
}

/// Reads a notice. Returns `None` if it is none of those that are known.
pub(super) fn read(message: Node<'_>, via: &Via<'_>) -> Option<Notice> {
    let has = |name: &str| message.get(name).value().is_some();
    let text = |name: &str| message.get(name).text();
    if text("Event").as_deref() == Some("s3:TestEvent")
        || text("notificationType").is_some_and(|kind| kind.starts_with("AmazonSns"))
    {
        return Some(Notice::Ignore(HARMLESS));
    }
    let event = if has("Event Message") {
        database(message, via)
    } else if let Some(event) = elasticache(message, via) {
        event
    } else if has("deploymentId") && (has("status") || has("instanceStatus")) {
        codedeploy(message, via)
    } else if has("mail") && (has("notificationType") || has("eventType")) {
        as_is(("aws.ses", "Email"), message, via)
    } else if has("approval") && has("consoleLink") || message.at("approval.pipelineName").value().is_some() {
        as_is(("aws.codepipeline", "CodePipeline Manual Approval"), message.get("approval"), via)
    } else if message.at("requestContext.functionArn").value().is_some() {
        let arn = message.at("requestContext.functionArn").text().unwrap_or_default();
        of_arn(("lambda", "Lambda Function Invocation Result"), message, (&arn, "timestamp"), via)
    } else if has("violationEventType") {
        of_arn(("aws.iot", "Device Defender Violation"), message, ("", "violationEventTime"), via)
    } else if has("insightId") && has("messageType") {
        as_is(("aws.devops-guru", insight(&text("messageType")?)), message, via)
    } else if has("anomalyId") {
        as_is(("aws.ce", "Anomaly Detected"), message, via)
    } else if text("messageType").is_some_and(|kind| is_config(&kind)) {
        let rule = text("messageType").is_some_and(|kind| kind == "ComplianceChangeNotification");
        let kind = if rule { "Config Rules Compliance Change" } else { "Config Delivery" };
        config(kind, message, via)
    } else if text("Type").is_some_and(|kind| kind.starts_with("OnDeployment")) {
        as_is(("aws.appconfig", "AppConfig Deployment"), message, via)
    } else {
        return None;
    };
    Some(Notice::Event(event))
}

/// An event: service and type, account and region, time, `detail`.
pub(super) fn event(kind: (&str, &str), place: (&str, &str), time: Option<String>, detail: Value) -> Value {
    json::object([
        ("source", kind.0.into()),
        ("detail-type", kind.1.into()),
        ("region", place.0.into()),
        ("account", place.1.into()),
        ("time", time.into()),
        ("detail", detail),
    ])
}

/// An event whose `detail` is the message, from the topic's account and region.
fn as_is(kind: (&str, &str), message: Node<'_>, via: &Via<'_>) -> Value {
    event(kind, via.place(), via.time.map(str::to_owned), message.value().cloned().into())
}

/// An event whose account and region are those of an ARN, and whose time is a member of the message.
fn of_arn(kind: (&str, &str), message: Node<'_>, (arn, time): (&str, &str), via: &Via<'_>) -> Value {
    let place = if arn.is_empty() { via.place() } else { names::place(arn) };
    let time = message.get(time).time().or_else(|| via.time.map(str::to_owned));
    event(kind, place, time, message.value().cloned().into())
}

/// A notice of RDS, DMS or Redshift: the members are the same, and each names the thing in its own way.
fn database(message: Node<'_>, via: &Via<'_>) -> Value {
    let copy = |name: &str| message.get(name).value().cloned().into();
    let time = || message.get("Event Time").time().or_else(|| via.time.map(str::to_owned));
    let has = |name: &str| message.get(name).value().is_some();
    if has("Resource") {
        return of_arn(("aws.redshift", "Redshift Notification"), message, ("", "Event Time"), via);
    }
    let dms = has("SourceId") && !has("Source ID") || via.subject.starts_with("DMS");
    let members = [
        ("SourceArn", copy("Source ARN")),
        ("SourceType", copy("Event Source")),
        ("SourceIdentifier", copy("Source ID")),
        ("EventID", copy("Event ID")),
        ("Message", copy("Event Message")),
        ("Date", copy("Event Time")),
        ("Link", copy("Identifier Link")),
        ("SourceId", if has("SourceId") { copy("SourceId") } else { copy("Source ID") }),
    ];
    let detail = json::object(members);
    let arn = message.get("Source ARN").text().unwrap_or_default();
    let place = if arn.is_empty() { via.place() } else { names::place(&arn) };
    let kind = if dms { ("aws.dms", "DMS Notification") } else { ("aws.rds", "RDS Notification") };
    event(kind, place, time(), detail)
}

/// A notice of ElastiCache: `{"ElastiCache:SnapshotFailed": "sessions"}`.
fn elasticache(message: Node<'_>, via: &Via<'_>) -> Option<Value> {
    let mut members = message.members()?.iter();
    let (name, cluster) = members.find(|(name, _)| name.starts_with("ElastiCache:"))?;
    let name = name.strip_prefix("ElastiCache:")?.split(" due to").next()?.trim();
    let detail = json::object([
        ("Event", name.into()),
        ("Family", codes::elasticache_family(name).into()),
        ("Cluster", Node::root(cluster).text().into()),
        ("Notice", message.value().cloned().into()),
    ]);
    let kind = ("aws.elasticache", "ElastiCache Notification");
    Some(event(kind, via.place(), via.time.map(str::to_owned), detail))
}

/// A trigger of CodeDeploy. `errorInformation` is an object in the documentation, and JSON in a text in practice.
fn codedeploy(message: Node<'_>, via: &Via<'_>) -> Value {
    let copy = |name: &str| message.get(name).value().cloned().into();
    let given = message.get("errorInformation");
    let inside = given.text().and_then(|text| parse(text.as_bytes()).ok());
    let error = inside.as_ref().map_or(given, Node::root);
    let reason = error.first_text(&["ErrorMessage", "message", "ErrorCode", "code"]);
    let of_instance = message.get("instanceStatus").value().is_some();
    let detail = json::object([
        ("application", copy("applicationName")),
        ("deploymentGroup", copy("deploymentGroupName")),
        ("deploymentId", copy("deploymentId")),
        ("instanceId", copy("instanceId")),
        ("state", copy(if of_instance { "instanceStatus" } else { "status" })),
        ("deploymentOverview", copy("deploymentOverview")),
        ("reason", reason.into()),
    ]);
    let (topic_region, topic_account) = via.place();
    let region = message.get("region").text();
    let account = message.get("accountId").text();
    let place = (region.as_deref().unwrap_or(topic_region), account.as_deref().unwrap_or(topic_account));
    let kind = if of_instance {
        "CodeDeploy Instance State-change Notification"
    } else {
        "CodeDeploy Deployment State-change Notification"
    };
    event(("aws.codedeploy", kind), place, via.time.map(str::to_owned), detail)
}

/// The type of an event of DevOps Guru, by the type of its message.
fn insight(kind: &str) -> &'static str {
    match kind {
        "NEW_INSIGHT" => "DevOps Guru New Insight Open",
        "SEVERITY_UPGRADED" => "DevOps Guru Insight Severity Upgraded",
        "CLOSED_INSIGHT" => "DevOps Guru Insight Closed",
        // `NEW_ASSOCIATION`, `NEW_RECOMMENDATION`: more about an insight that has its own event.
        _ => "DevOps Guru New Recommendation Created",
    }
}

/// Types of messages of AWS Config.
const CONFIG: &[&str] = &[
    "ComplianceChangeNotification",
    "ConfigurationItemChangeNotification",
    "OversizedConfigurationItemChangeNotification",
    "ConfigurationSnapshotDeliveryStarted",
    "ConfigurationSnapshotDeliveryCompleted",
    "ConfigurationSnapshotDeliveryFailed",
    "ConfigurationHistoryDeliveryCompleted",
    "ConfigurationHistoryDeliveryFailed",
    "ConfigRulesEvaluationStarted",
];

fn is_config(kind: &str) -> bool {
    CONFIG.contains(&kind)
}

fn config(kind: &str, message: Node<'_>, via: &Via<'_>) -> Value {
    let (topic_region, topic_account) = via.place();
    let [account, region] = ["awsAccountId", "awsRegion"].map(|name| message.get(name).text());
    let place = (region.as_deref().unwrap_or(topic_region), account.as_deref().unwrap_or(topic_account));
    event(("aws.config", kind), place, via.time.map(str::to_owned), message.value().cloned().into())
}
