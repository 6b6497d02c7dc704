//! Messages of Amazon Web Services: events of EventBridge, CloudWatch alarms, notices of single services, and what users
//! and other programs publish to an SNS topic.
//!
//! The sources that receive them share this module.
//!
//! * [`envelope`]: the envelope of Amazon SNS, which `/sns` and templates open.
//! * [`event`]: an event of EventBridge, by a table of kinds with a rule for events that are not in it.
//! * [`message`]: a message that can be anything: an event, a notice as JSON or text, an alert of Alertmanager or Grafana,
//!   a body of PagerDuty's Events API, JSON or text of the user's own.

use serde_json::Value;

use crate::auth::Authenticated;
use crate::json::Node;
use crate::mapping::budget::Budget;
use crate::mapping::events_api::GivenEvent;
use crate::mapping::{Ignored, MapError, Mapped, parse};
use crate::pagerduty::event::{Action, DedupKey};

pub mod envelope;

mod alarm;
mod bridge;
mod codes;
mod generic;
mod kinds;
mod names;
mod notices;
mod own;
mod places;
mod prometheus_text;
mod rules;
mod scaling;
mod texts;
mod verdict;

/// The way on which a message came.
#[derive(Clone, Copy)]
pub struct Via<'a> {
    /// The delivery.
    pub delivery: &'a Authenticated<'a>,
    /// The slug of the source, for dedup keys.
    pub slug: &'static str,
    /// The name of the source.
    pub name: &'static str,
    /// The ARN of the topic. Empty if there was none.
    pub topic: &'a str,
    /// The subject of the message. Empty if it has none.
    pub subject: &'a str,
    /// When it was published.
    pub time: Option<&'a str>,
    /// Whether earlier versions made other keys for this source.
    pub has_former_keys: bool,
}

impl Via<'_> {
    /// The region and the account of the topic. Empty if there was none.
    fn place(&self) -> (&str, &str) {
        names::place(self.topic)
    }

    /// The last part of the topic's ARN, or the name of the source.
    fn topic_name(&self) -> &str {
        self.topic.rsplit(':').next().filter(|name| !name.is_empty()).unwrap_or(self.name)
    }

    /// A key of these ids, which earlier versions of `/sns` made too.
    fn known_key(&self, ids: &[&str]) -> Option<DedupKey> {
        let key = DedupKey::new(self.slug, ids)?;
        Some(if self.has_former_keys { key } else { key.without_former() })
    }

    /// A key of these ids that earlier versions did not make.
    fn key(&self, ids: &[&str]) -> Result<DedupKey, MapError> {
        let key = DedupKey::new(self.slug, ids).map(DedupKey::without_former);
        key.ok_or(MapError::NoIdentity { item: "Message".to_owned(), fields: "a title, a name or an id" })
    }
}

/// Maps an event of EventBridge. Returns `None` if this is not one: it has no `detail-type` or no `detail`.
///
/// # Errors
/// Returns [`MapError`] if nothing identifies what the event is about.
pub fn event(event: Node<'_>, via: &Via<'_>) -> Option<Result<Mapped, MapError>> {
    let kind = event.pick(&["detail-type", "detailType"])?;
    event.get("detail").members()?;
    Some(alarm::event(event, &kind, via).unwrap_or_else(|| bridge::map(event, via)))
}

/// Maps a message of any kind.
///
/// # Errors
/// Returns [`MapError`] if nothing identifies what the message is about.
pub fn message(text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    match parse(text.trim().as_bytes()) {
        // An input template in quotes can arrive with its quotes.
        Ok(Value::String(inside)) => match parse(inside.as_bytes()) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => json_message(&value, &inside, via),
            _ => texts::map(&inside, via),
        },
        Ok(value @ (Value::Object(_) | Value::Array(_))) => json_message(&value, text, via),
        _ => texts::map(text, via),
    }
}

fn json_message(value: &Value, text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    match Node::root(value).items() {
        Some(items) if items.iter().any(Value::is_object) => {
            let objects = items.iter().enumerate().filter(|(_, item)| item.is_object());
            merged(objects.map(|(index, item)| (("", index), object(Node::root(item), "", via))), via)
        }
        Some(_) => texts::map(text, via),
        None => object(Node::root(value), text, via),
    }
}

/// Maps a JSON object of any shape.
fn object(message: Node<'_>, text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    let has = |name: &str| message.get(name).value().is_some();
    if let Some(mapped) = event(message, via) {
        return mapped;
    }
    if has("alarmData") && has("alarmArn") {
        return alarm::lambda(message, via);
    }
    if has("AlarmName") && has("NewStateValue") {
        return alarm::map(message, via);
    }
    let v2 = has("event_action") && (has("dedup_key") || has("payload"));
    if v2 || has("event_type") && has("service_key") {
        return events_api(message, via);
    }
    let is_alert = |alert: &Value| Node::root(alert).get("labels").value().is_some();
    if message.get("alerts").items().is_some_and(|alerts| alerts.iter().all(is_alert)) {
        return prometheus_text::group(message, via);
    }
    if let Some(records) = message.get("Records").items() {
        let each = records.iter().enumerate();
        return merged(each.map(|(index, one)| (("Records", index), record(Node::root(one), via))), via);
    }
    if has("AutoScalingGroupName") {
        return scaling::map(message, via);
    }
    match notices::read(message, via) {
        Some(notices::Notice::Event(event)) => bridge::map(Node::root(&event), via),
        Some(notices::Notice::Ignore(reason)) => Ok(Mapped::nothing(reason)),
        None => own::map(message, text, via),
    }
}

/// The results of several items as one.
fn merged(
    items: impl Iterator<Item = ((&'static str, usize), Result<Mapped, MapError>)>,
    via: &Via<'_>,
) -> Result<Mapped, MapError> {
    let (mut all, mut budget) = (Mapped::default(), Budget::of(via.delivery));
    for ((list, index), mapped) in items {
        match mapped {
            Ok(mapped) => {
                let ignored = mapped.ignored.into_iter();
                let path = || format!("{list}[{index}]");
                all.ignored.extend(ignored.map(|Ignored { reason, .. }| Ignored { item: path(), reason }));
                all.rejected.extend(mapped.rejected);
                all.events.extend(mapped.events.into_iter().map(|event| budget.fit(event).of_item(list, index)));
            }
            Err(error) => all.rejected.push(error),
        }
    }
    Ok(if all == Mapped::default() { Mapped::nothing(verdict::HARMLESS) } else { all })
}

/// Maps a record as a Lambda function gets it: an SNS message, or a note of S3 or CodeCommit that something was stored.
fn record(record: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let sns = record.get("Sns");
    let Some(text) = sns.get("Message").text() else { return Ok(Mapped::nothing(verdict::HARMLESS)) };
    let [topic, subject] = ["TopicArn", "Subject"].map(|name| sns.get(name).text().unwrap_or_default());
    let time = sns.get("Timestamp").text();
    message(&text, &Via { topic: &topic, subject: &subject, time: time.as_deref(), ..*via })
}

/// Maps a body of PagerDuty's Events API. Its key stays among those of this source: whoever publishes to a topic must not
/// name the alerts of other sources.
fn events_api(body: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let given = GivenEvent::of(body)?;
    let key = match given.key() {
        _ if given.action() == Action::Change => None,
        Some(key) => Some(via.key(&["events", &key])?),
        None if given.action() == Action::Trigger => Some(via.key(&["events", "", &given.hash()])?),
        None => return Err(MapError::Field { path: given.key_member(), problem: "is missing" }),
    };
    Ok(Mapped::one(given.event(key, via.topic_name())?))
}
