//! CloudWatch alarms: as CloudWatch publishes them to SNS, inside an event of EventBridge, and as their Lambda action gets
//! them.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Via;
use crate::json::{self, Node};
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// The reason for a state without a verdict.
const NO_DATA: &str = "neither firing nor over";

/// The reason for an alarm whose composite alarm speaks for it.
const SUPPRESSED: &str = "its actions are suppressed";

/// The reason for a change of an alarm's settings.
const CONFIGURED: &str = "an alarm was configured";

/// The reason for the parts of an alarm.
const CONTRIBUTOR: &str = "a part of an alarm that has its own event";

/// Maps an event of EventBridge that is about an alarm. Returns `None` if it is about something else.
pub(super) fn event(event: Node<'_>, kind: &str, via: &Via<'_>) -> Option<Result<Mapped, MapError>> {
    Some(match kind {
        "CloudWatch Alarm State Change" => map(event, via),
        // The alarm sends its own event beside this one.
        "CloudWatch Alarm Contributor State Change" => Ok(Mapped::nothing(CONTRIBUTOR)),
        "CloudWatch Alarm Configuration Change" => {
            let deleted = event.at("detail.operation").text().is_some_and(|operation| operation == "delete");
            // An alarm that is deleted while it fires never sends OK.
            let firing = event.at("detail.state.value").text().is_some_and(|state| state == "ALARM");
            if deleted && firing { alert(event, via, Action::Resolve) } else { Ok(Mapped::nothing(CONFIGURED)) }
        }
        _ => return None,
    })
}

/// Maps what the Lambda action of an alarm gets: the event with other names.
pub(super) fn lambda(action: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let copy = |name: &str| action.get(name).value().cloned().into();
    let event = json::object([
        ("resources", vec![copy("alarmArn")].into()),
        ("account", copy("accountId")),
        ("region", copy("region")),
        ("time", copy("time")),
        ("detail", copy("alarmData")),
    ]);
    map(Node::root(&event), via)
}

/// Maps an alarm, as CloudWatch publishes it or inside an event of EventBridge.
///
/// # Errors
/// Returns [`MapError`] if nothing identifies the alarm.
pub(super) fn map(alarm: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let suppressed = alarm.at("detail.state.actionsSuppressedBy").value().is_some();
    let action = match alarm.pick(&["NewStateValue", "detail.state.value"]).unwrap_or_default().as_str() {
        "OK" => Action::Resolve,
        "INSUFFICIENT_DATA" => return Ok(Mapped::nothing(NO_DATA)),
        _ if suppressed => return Ok(Mapped::nothing(SUPPRESSED)),
        // An undocumented state triggers: an unnecessary page is the lesser evil.
        _ => Action::Trigger,
    };
    alert(alarm, via, action)
}

fn alert(alarm: Node<'_>, via: &Via<'_>, action: Action) -> Result<Mapped, MapError> {
    let text = |paths: &[&str]| alarm.pick(paths).unwrap_or_default();
    let region = via.topic.split(':').nth(3).unwrap_or_default();
    let name = text(&["AlarmName", "detail.alarmName"]);
    let account = text(&["AWSAccountId", "account"]);
    let mut arn = text(&["AlarmArn", "resources.0"]);
    if arn.is_empty() && !name.is_empty() {
        arn = format!("arn:aws:cloudwatch:{region}:{}:alarm:{name}", utf8_percent_encode(&account, NON_ALPHANUMERIC));
    }
    let description = text(&["AlarmDescription", "detail.configuration.description"]);
    let reason = text(&["NewStateReason", "detail.state.reason", "NewStateValue"]);
    let metric = metric(alarm);
    let severity = wanted(&name).or_else(|| wanted(&description)).unwrap_or(Severity::Error);
    let source_field = dimension_name(metric).unwrap_or_else(|| name.clone());
    let event =
        Event::new(action, key(via, &arn)?, severity, &text::join_nonempty(&[&name, &reason], ": "), &source_field)
            .component(metric.first_text(&["Namespace", "namespace"]))
            .class(metric.first_text(&["MetricName", "name"]))
            .group(Some(text::join_nonempty(&[&account, arn.split(':').nth(3).unwrap_or(region)], " ")))
            .timestamp(alarm.pick(&["StateChangeTime", "detail.state.timestamp", "time"]))
            .detail("TopicArn", via.topic.into())
            .link("Alarm", console(&arn, &name));
    Ok(Mapped::one(event.grouped_details(alarm, DETAILS)))
}

/// The metric of an alarm. For metric math, the first metric of the expression.
fn metric(alarm: Node<'_>) -> Node<'_> {
    let lists = ["Trigger.Metrics", "detail.configuration.metrics"].map(|path| alarm.at(path).items());
    let mut metrics = lists.into_iter().flatten().flatten().map(Node::root);
    let inside = metrics.find_map(|metric| {
        let found = [metric.at("MetricStat.Metric"), metric.at("metricStat.metric")];
        found.into_iter().find(|metric| metric.value().is_some())
    });
    inside.unwrap_or(alarm.get("Trigger"))
}

/// Details of an alarm.
const DETAILS: &[&[&str]] = &[
    &["AlarmName", "AlarmDescription", "AWSAccountId", "Region", "AlarmRule", "TriggeringChildren", "Trigger"],
    &["detail", "NewStateValue", "NewStateReason", "OldStateValue"],
];

/// The severity in an alarm's name or description, such as `[sev:low]`, because CloudWatch has no field for it.
fn wanted(text: &str) -> Option<Severity> {
    let (_, rest) = text.split_once("[sev:")?;
    Severity::from_word(rest.split(']').next()?)
}

/// The dimension that names an object (`InstanceId`, `BucketName`) and not a kind of object (`StorageType`). SNS sends
/// the dimensions as a list, EventBridge as an object.
fn dimension_name(metric: Node<'_>) -> Option<String> {
    let list = metric.get("Dimensions");
    let dimensions = if list.value().is_some() { list } else { metric.get("dimensions") };
    let names = |name: &str| ["Id", "Name", "Identifier"].iter().any(|end| name.ends_with(end));
    if let Some(members) = dimensions.members() {
        let (_, value) = members.iter().find(|(name, _)| names(name)).or_else(|| members.iter().next())?;
        return Node::root(value).text();
    }
    let items = dimensions.items()?;
    let named = |item: &&serde_json::Value| Node::root(item).get("name").text().is_some_and(|name| names(&name));
    Node::root(items.iter().find(named).or(items.first())?).get("value").text()
}

/// The URL of the alarm in the console of its region.
fn console(arn: &str, name: &str) -> Option<String> {
    let region = arn.strip_prefix("arn:aws:cloudwatch:")?.split(':').next().filter(|region| !region.is_empty())?;
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let home = format!("https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}");
    Some(format!("{home}#alarmsV2:alarm/{name}"))
}

/// The key of an alarm: its ARN as it is.
fn key(via: &Via<'_>, arn: &str) -> Result<DedupKey, MapError> {
    let whole = arn.starts_with("arn:");
    let key = if whole { DedupKey::whole(via.slug, arn) } else { DedupKey::new(via.slug, &[arn]) };
    key.ok_or(MapError::NoIdentity { item: "Message".to_owned(), fields: "`AlarmArn`" })
}
