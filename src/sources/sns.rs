//! Amazon SNS: CloudWatch alarms, events of EventBridge (GuardDuty, Health …), Auto Scaling, Backup, Budgets, plain text.
//!
//! # Wire format
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>, read 2026-11. An envelope `{Type,
//! MessageId, TopicArn, Subject, Message, Timestamp, SignatureVersion, Signature, SigningCertURL, …}`, sent as
//! `text/plain`. With raw delivery, the body is only the `Message`. `Message` is text, and often JSON: a CloudWatch
//! alarm (`AlarmName`, `NewStateValue`; metric, metric math, anomaly and composite alarms have the same shape), an
//! event of EventBridge (`detail-type`, `detail`), a notice of Auto Scaling (`AutoScalingGroupName`, `Event`). SNS
//! retries a 5xx three times, 20 seconds apart, unless the subscription's policy says otherwise. It treats a 4xx as
//! delivered.
//!
//! If the sender was authenticated by signature, only the signed members of the envelope are used. The relay fetches
//! the certificate and confirms a subscription at `sns.<region>.amazonaws.com`, which the runtime has to allow.
//!
//! # Mapping
//!
//! | event | CloudWatch alarm | EventBridge | Auto Scaling | text |
//! |---|---|---|---|---|
//! | action | `NewStateValue`: `OK` resolves, `ALARM` and unknown states trigger; `Subject` is ignored | Health resolves if `statusCode` is `closed`, else triggers; alarms like alarms; for others, a state `COMPLETED` or `SUCCEEDED` resolves | `…_ERROR` triggers, the others resolve | Backup's `completed` resolves, any other value triggers |
//! | severity | `[sev:word]` in name or description by [`Severity::from_word`], else error | GuardDuty's number: 9 critical, 7 error, 4 warning, else info; Health: `issue` error, else info; others warning | error | Backup error, others warning |
//! | summary | name: reason | title, else service and type | group: description | `Subject`, else the first line |
//! | source | a dimension that names an object, else the alarm | `resources`, else account | the group | the topic |
//! | component, class | namespace, metric | `source`, `detail-type` | - | - |
//! | group | account and region | the same | - | - |
//! | timestamp | `StateChangeTime` | `time` | `Time` | the envelope's |
//! | link | the alarm in the console | - | - | - |
//!
//! # Dedup key
//!
//! `sns:` and the identity of the problem:
//!
//! * CloudWatch: the alarm's ARN, which trigger and resolve share. Old messages have no ARN, so it is built from the
//!   topic's region, the account and the name.
//! * GuardDuty and Health: the finding or the event.
//! * Other events of EventBridge: source, type, account, region, the names in `detail` and the first resource, or a
//!   hash of `detail` if it has neither.
//! * Auto Scaling: the group and the kind of failure.
//! * Backup jobs: kind and resource.
//! * Other texts: the topic and `Subject`, or the text if there is no `Subject`. An alert from a text never resolves by
//!   itself, except for backups.
//!
//! A `:` inside a part becomes `%3A`, but not in the ARN of an alarm. GuardDuty and Health without an id use a hash of
//! `detail`.
//!
//! # Not mapped
//!
//! * `INSUFFICIENT_DATA`: "neither firing nor over". The alert stays as it is until the alarm changes again.
//! * A composite alarm that fires while its actions are suppressed: "its actions are suppressed".
//! * Jobs, builds and instances that have started or run: "under way".
//! * Changes of an alarm's configuration: "an alarm was configured".
//! * `autoscaling:TEST_NOTIFICATION`: "a test notification".
//! * `SubscriptionConfirmation`: "subscription confirmed", if `sns_topics` lists the topic. Otherwise it is rejected.
//! * `UnsubscribeConfirmation`: "unsubscribed". The relay visits no URL, because that would subscribe again.
//! * Suppression is based on notes of EventBridge's users; AWS documents no SNS message with it.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{OwnVariable, Setup, Source, Visit};
use crate::auth::{Authenticated, Scheme, sns};
use crate::http::url;
use crate::json::{self, Node};
use crate::mapping::{Handshake, MapError, Mapped, parse};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// What variable `sns_topics` is for.
const HELP: &str = "ARNs of the topics that `/sns` accepts, separated by commas or spaces; it confirms no others";

/// Amazon SNS.
pub const SOURCE: Source = Source {
    slug: "sns",
    name: "Amazon SNS",
    docs: "https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html",
    schemes: &[Scheme::Certified(&sns::SNS), Scheme::Basic, Scheme::Query("token")],
    setup: Setup {
        triggers: "CloudWatch `ALARM`, findings, failures, texts",
        resolves: "CloudWatch `OK`, closed Health events",
        steps: "Put the topic's ARN into variable `sns_topics`, and allow outbound https://sns.<region>.amazonaws.com.\n\
                Subscribe {url} to the topic, protocol HTTPS. The relay confirms it by itself.\n\
                With the secret instead of signatures: https://any:<secret>@<relay>/sns. Raw delivery needs it.\n\
                Send an alarm's OK action to the topic too, or it never closes.",
        template: None,
    },
    patience: std::time::Duration::from_secs(15),
    map,
    // It retries a 5xx three times, 20 seconds apart, unless the subscription's policy says otherwise; an hour at most.
    retries: true,
    states: &["OK", "ALARM", "closed", "issue", "COMPLETED", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"],
    visit: Some(Visit {
        authority: sns::host_of_topic,
        unlisted: "variable `sns_topics` does not list this topic",
        refused: "Amazon SNS rejected the confirmation",
        unreachable: "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com",
    }),
    variables: &[OwnVariable { name: sns::SNS.listed_in, secret: false, description: HELP, problem: sns::not_a_topic }],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let whole = parse(delivery.body());
    let raw = delivery.header("x-amz-sns-rawdelivery").is_some();
    let envelope = whole.as_ref().unwrap_or(&Value::Null);
    let node = Node::root(envelope);
    match node.get("Type").text().as_deref() {
        Some("SubscriptionConfirmation") if !raw => confirm(node),
        Some("UnsubscribeConfirmation") if !raw => Ok(Mapped::nothing("unsubscribed")),
        Some("Notification") if !raw => {
            let text = node.get("Message").text().ok_or(MapError::Field { path: "Message", problem: "is missing" })?;
            message(&text, node)
        }
        // A message without an envelope. Raw delivery says so in a header, and EventBridge's API destinations do not.
        _ if whole.is_ok() || raw && whole != Err(MapError::TooManyValues) => {
            let topic = delivery.header("x-amz-sns-topic-arn").unwrap_or_default();
            let envelope = json::object([("TopicArn", topic.into())]);
            message(&String::from_utf8_lossy(delivery.body()), Node::root(&envelope))
        }
        _ => Err(whole.err().unwrap_or(MapError::Shape { expected: "an Amazon SNS message" })),
    }
}

/// A subscription to confirm. Its URL must be SNS's own and for this very topic, because any visit consumes the token.
fn confirm(envelope: Node<'_>) -> Result<Mapped, MapError> {
    let refuse = |path, problem| MapError::Field { path, problem };
    let topic = envelope.get("TopicArn").text().unwrap_or_default();
    let host = sns::host_of_topic(&topic).ok_or(refuse("TopicArn", "is not the ARN of an SNS topic"))?;
    let url = envelope.get("SubscribeURL").text().unwrap_or_default();
    let path = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host.as_str()));
    let path = path.filter(|path| path.starts_with("/?") && url::absolute_url(&url).is_some());
    let path = path.filter(|path| path.contains("Action=ConfirmSubscription") && !path.contains('#'));
    let path = path.ok_or(refuse("SubscribeURL", "is not an Amazon SNS URL in the topic's region"))?.to_owned();
    Ok(Mapped { handshake: Some(Handshake::Visit { whose: topic, path }), ..Mapped::nothing("subscription confirmed") })
}

/// Maps the published message, of any kind.
fn message(text: &str, envelope: Node<'_>) -> Result<Mapped, MapError> {
    let json = parse(text.as_bytes()).ok().filter(Value::is_object);
    let node = json.as_ref().map(Node::root);
    let Some(message) = node else { return plain(text, envelope) };
    let has = |name: &str| message.get(name).value().is_some();
    match message.get("detail-type").text().as_deref() {
        Some("CloudWatch Alarm State Change") => alarm(message, envelope),
        Some(_) => bridge(message),
        None if has("AlarmName") && has("NewStateValue") => alarm(message, envelope),
        None if has("AutoScalingGroupName") => scaling(message),
        None => plain(text, envelope),
    }
}

/// Maps an alarm, as CloudWatch publishes it or inside an event of EventBridge.
fn alarm(alarm: Node<'_>, envelope: Node<'_>) -> Result<Mapped, MapError> {
    let suppressed = alarm.at("detail.state.actionsSuppressedBy").value().is_some();
    let text = |paths: &[&str]| alarm.pick(paths).unwrap_or_default();
    let action = match text(&["NewStateValue", "detail.state.value"]).as_str() {
        "OK" => Action::Resolve,
        "INSUFFICIENT_DATA" => return Ok(Mapped::nothing("neither firing nor over")),
        _ if suppressed => return Ok(Mapped::nothing("its actions are suppressed")),
        // An undocumented state triggers: an unnecessary page is the lesser evil.
        _ => Action::Trigger,
    };
    let topic = envelope.get("TopicArn").text().unwrap_or_default();
    let region = topic.split(':').nth(3).unwrap_or_default();
    let name = text(&["AlarmName", "detail.alarmName"]);
    let account = text(&["AWSAccountId", "account"]);
    let mut arn = text(&["AlarmArn", "resources.0"]);
    if arn.is_empty() && !name.is_empty() {
        arn = format!("arn:aws:cloudwatch:{region}:{}:alarm:{name}", utf8_percent_encode(&account, NON_ALPHANUMERIC));
    }
    let description = text(&["AlarmDescription", "detail.configuration.description"]);
    let reason = text(&["NewStateReason", "detail.state.reason", "NewStateValue"]);
    // For metric math, the first metric of the expression.
    let lists = ["Trigger.Metrics", "detail.configuration.metrics"].map(|path| alarm.at(path).items());
    let mut metrics = lists.into_iter().flatten().flatten().map(Node::root);
    let inside = metrics.find_map(|metric| {
        let found = [metric.at("MetricStat.Metric"), metric.at("metricStat.metric")];
        found.into_iter().find(|metric| metric.value().is_some())
    });
    let metric = inside.unwrap_or(alarm.get("Trigger"));
    let severity = wanted(&name).or_else(|| wanted(&description)).unwrap_or(Severity::Error);
    let source_field = dimension_name(metric).unwrap_or_else(|| name.clone());
    let event =
        Event::new(action, key(&[&arn])?, severity, &text::join_nonempty(&[&name, &reason], ": "), &source_field)
            .component(metric.first_text(&["Namespace", "namespace"]))
            .class(metric.first_text(&["MetricName", "name"]))
            .group(Some(text::join_nonempty(&[&account, arn.split(':').nth(3).unwrap_or(region)], " ")))
            .timestamp(alarm.pick(&["StateChangeTime", "detail.state.timestamp", "time"]))
            .detail("TopicArn", topic.into())
            .link("Alarm", console(&arn, &name));
    Ok(Mapped::one(event.grouped_details(alarm, DETAILS)))
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
    let named = |item: &&Value| Node::root(item).get("name").text().is_some_and(|name| names(&name));
    Node::root(items.iter().find(named).or(items.first())?).get("value").text()
}

/// The URL of the alarm in the console of its region.
fn console(arn: &str, name: &str) -> Option<String> {
    let region = arn.strip_prefix("arn:aws:cloudwatch:")?.split(':').next().filter(|region| !region.is_empty())?;
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let home = format!("https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}");
    Some(format!("{home}#alarmsV2:alarm/{name}"))
}

/// The key of a list of ids. The ARN of an alarm stays as it is.
fn key(parts: &[&str]) -> Result<DedupKey, MapError> {
    let key = match parts {
        [arn] if arn.starts_with("arn:") => DedupKey::whole(SOURCE.slug, arn),
        _ => DedupKey::new(SOURCE.slug, parts),
    };
    key.ok_or(MapError::NoIdentity { item: "Message".to_owned(), fields: "`AlarmArn`" })
}

/// Maps an event of EventBridge.
fn bridge(event: Node<'_>) -> Result<Mapped, MapError> {
    let detail = event.get("detail");
    let kind = event.get("detail-type").text().unwrap_or_default();
    let text = |node: Node<'_>| node.text().unwrap_or_default();
    let resource = text(event.at("resources.0"));
    let origin = text(event.get("source"));
    let account = event.pick(&["account", "detail.accountId"]).unwrap_or_default();
    let named = text::join_nonempty(&[&text(detail.get("service")), &text(detail.get("eventTypeCode"))], ": ");
    let hash = || text::sha256_hex(&json::encode(&detail.value().cloned().into()));
    let id = |name: &str| detail.get(name).text().unwrap_or_else(hash);
    let region = text(event.get("region"));
    let (action, severity, parts, summary) = match kind.as_str() {
        "CloudWatch Alarm Configuration Change" => return Ok(Mapped::nothing("an alarm was configured")),
        "AWS Health Event" => {
            let closed = detail.get("statusCode").text().is_some_and(|code| code == "closed");
            let issue = detail.get("eventTypeCategory").text().is_some_and(|category| category == "issue");
            let action = if closed { Action::Resolve } else { Action::Trigger };
            let severity = if issue { Severity::Error } else { Severity::Info };
            (action, severity, vec![id("eventArn"), account.clone()], named)
        }
        "GuardDuty Finding" => (Action::Trigger, graded(detail), vec![id("id")], text(detail.get("title"))),
        _ => {
            let state = detail.pick(&["state", "status", "build-status"]).unwrap_or_default().to_ascii_lowercase();
            if ["created", "in_progress", "pending", "running", "started"].contains(&state.as_str()) {
                return Ok(Mapped::nothing("under way"));
            }
            let over = ["completed", "succeeded"].contains(&state.as_str());
            let action = if over { Action::Resolve } else { Action::Trigger };
            let what = detail.pick(&["findingId", "id", "configRuleName"]);
            let what = what.unwrap_or_else(|| if resource.is_empty() { hash() } else { String::new() });
            let title = detail.pick(&["title", "configRuleName", "description"]).unwrap_or(resource.clone());
            let id = text(detail.get("resourceId"));
            let parts = [&origin, &kind, &account, &region, &what, &id, &resource].map(String::clone).into();
            (action, Severity::Warning, parts, text::join_nonempty(&[&kind, &title], ": "))
        }
    };
    let source_field = if resource.is_empty() { account.clone() } else { resource };
    let summary = if summary.is_empty() { text::join_nonempty(&[&kind, &source_field], ": ") } else { summary };
    let key = DedupKey::sparse(SOURCE.slug, &parts).map_or_else(|| key(&[]), Ok)?;
    let mapped = Event::new(action, key, severity, &summary, &source_field)
        .component(Some(origin))
        .class(Some(kind))
        .group(Some(text::join_nonempty(&[&account, &region], " ")))
        .timestamp(event.get("time").text())
        .details(event, &["detail", "resources", "account", "region"]);
    Ok(Mapped::one(mapped))
}

/// The severity of a finding of GuardDuty.
fn graded(detail: Node<'_>) -> Severity {
    // It can also be text, if a user has transformed the event.
    let number = detail.get("severity").text().and_then(|text| text.parse::<f64>().ok());
    // An unreadable number may be serious, so it counts as an error.
    match number.unwrap_or(7.0) {
        9.0.. => Severity::Critical,
        7.0.. => Severity::Error,
        4.0.. => Severity::Warning,
        _ => Severity::Info,
    }
}

/// Maps a notice of Auto Scaling. A success resolves the alert of the last failure of the same kind.
fn scaling(notice: Node<'_>) -> Result<Mapped, MapError> {
    let kind = notice.get("Event").text().unwrap_or_default();
    if kind == "autoscaling:TEST_NOTIFICATION" {
        return Ok(Mapped::nothing("a test notification"));
    }
    let well = kind.strip_suffix("_ERROR");
    let action = if well.is_some() { Action::Trigger } else { Action::Resolve };
    let group = notice.get("AutoScalingGroupName").text().unwrap_or_default();
    let id = notice.pick(&["AutoScalingGroupARN", "AutoScalingGroupName"]).unwrap_or_default();
    let what = notice.pick(&["Description", "Event"]).unwrap_or_default();
    let key = key(&[&id, well.unwrap_or(&kind)])?;
    let event = Event::new(action, key, Severity::Error, &format!("Auto Scaling group {group}: {what}"), &group);
    let shown = &["Event", "Description", "Cause", "StatusMessage", "EC2InstanceId", "Details", "AccountId"];
    Ok(Mapped::one(event.timestamp(notice.get("Time").text()).details(notice, shown)))
}

/// Maps text, or JSON of an unknown shape.
fn plain(text: &str, envelope: Node<'_>) -> Result<Mapped, MapError> {
    let [subject, topic] = ["Subject", "TopicArn"].map(|name| envelope.get(name).text().unwrap_or_default());
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    // A failed job and the next successful job of the same kind share their kind and resource.
    let job = first.split_once("Resource ARN : ").filter(|(before, _)| before.contains("AWS Backup"));
    let said = job.map(|(before, _)| before).unwrap_or_default();
    let backup = job.and_then(|(_, rest)| rest.split_whitespace().next()).map(|arn| arn.trim_end_matches('.'));
    let over = said.contains("completed");
    let failed = ["abort", "expired", "fail", "partial"].iter().any(|word| said.contains(word));
    if backup.is_some() && !over && !failed {
        return Ok(Mapped::nothing("under way"));
    }
    // Every text of AWS Backup has the same subject.
    let named = !subject.is_empty() && !subject.contains("AWS Backup");
    let id = if named { &subject } else { text };
    let kind = ["restore", "copy"].into_iter().find(|kind| said.contains(kind)).unwrap_or("backup");
    let (severity, key) = match backup {
        Some(resource) => (Severity::Error, key(&[kind, resource])?),
        None => (Severity::Warning, key(&[&topic, &text::sha256_hex(id.as_bytes())])?),
    };
    let summary = if backup.is_some() || subject.is_empty() { first } else { &subject };
    let action = if over { Action::Resolve } else { Action::Trigger };
    let source_field = backup.or(topic.rsplit(':').next().filter(|name| !name.is_empty())).unwrap_or(SOURCE.name);
    let event = Event::new(action, key, severity, summary, source_field)
        .timestamp(envelope.get("Timestamp").text())
        .detail("message", text.into())
        .details(envelope, &["Subject", "TopicArn"]);
    Ok(Mapped::one(event))
}
