//! What the sender and the log are told at the end: the same facts, in the reply's body and in one line.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::endpoints::preview::explain::Explanation;
use crate::error::Error;
use crate::http::Reply;
use crate::json;
use crate::mapping::Mapped;
use crate::pagerduty::events_api::{Outcome, Sent, Verdict};
use crate::runtime::Host;
use crate::text;

/// How many entries of each kind the reply and the log list; what is beyond them is counted.
const LISTED_MAX: usize = 1000;

/// What is known about a request so far: the reply and the log tell the same.
#[derive(Default)]
pub struct Facts {
    /// The source, or what a request was for beside deliveries.
    pub source: Option<String>,
    /// The word of the user's own in the path.
    pub service: Option<String>,
    /// How the sender proved itself.
    pub proof: Option<String>,
    /// What the mapping made of the delivery.
    pub mapped: Mapped,
    /// What came of each event.
    pub outcomes: Vec<Outcome>,
    /// Whether only a preview was asked for.
    pub asked_preview: bool,
    /// What would have been sent, where that is all that was asked.
    pub preview: Option<Preview>,
    /// What else is known, by name.
    pub more: Vec<(&'static str, Value)>,
    /// What went well in the end, and somebody should still look at.
    pub warnings: Vec<String>,
    /// The stages that have ended, and when.
    pub stages: Vec<(&'static str, Duration)>,
}

/// What would have been sent.
pub struct Preview {
    /// The events, as [`crate::preview`] lists them.
    pub events: Vec<Value>,
    /// What else is known of the payload.
    pub explanation: Explanation,
}

/// `200` (or what the source's senders expect) with PagerDuty's own three members, so that programs which read
/// PagerDuty's answer can read this one, and the facts beside them.
pub fn success(status: StatusCode, facts: &Facts) -> Reply {
    let mut body = facts.reply();
    if let Some(members) = body.as_object_mut() {
        let accepted = facts.outcomes.iter().filter(|outcome| outcome.verdict() == Verdict::Accepted);
        let message = match (accepted.count(), &facts.preview) {
            (_, Some(preview)) if !preview.events.is_empty() => {
                format!("{} events would be sent", preview.events.len())
            }
            (_, Some(_)) | (0, None) => "nothing to send".to_owned(),
            (1, None) => "1 event accepted by pagerduty".to_owned(),
            (n, None) => format!("{n} events accepted by pagerduty"),
        };
        members.insert("status".into(), "success".into());
        members.insert("message".into(), message.into());
        if let [only] = facts.outcomes.as_slice() {
            members.insert("dedup_key".into(), only.dedup_key.clone().into());
        }
    }
    Reply::json(status, "application/json", &body)
}

/// What came of an event with one routing key, for the reply and the log.
fn sent(sent: &Sent) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("sha256".into(), sent.sha256.as_str().into());
    members.insert("attempts".into(), sent.attempts.into());
    members.insert("pagerduty".into(), sent.to_string().into());
    members
}

impl Facts {
    /// Notes that a stage has ended.
    pub fn ended(&mut self, stage: &'static str, host: &dyn Host) {
        self.stages.push((stage, host.elapsed()));
    }

    /// The facts for the reply. A preview shows the payload to its sender, and so it is not for the log.
    pub fn reply(&self) -> Value {
        let mut facts = self.to_json();
        if let (Some(members), Some(preview)) = (facts.as_object_mut(), &self.preview) {
            let unused = preview.explanation.unused.iter().map(|path| Value::from(path.as_str()));
            for (name, list) in [("events", preview.events.clone()), ("unused", unused.collect())] {
                if !list.is_empty() {
                    members.insert(name.into(), list.into());
                }
            }
            if let Some(why) = preview.explanation.incomplete {
                members.insert("explanation_incomplete".into(), why.into());
            }
        }
        facts
    }

    fn to_json(&self) -> Value {
        let mut facts = Map::new();
        if let Some(proof) = &self.proof {
            facts.insert("auth".into(), proof.as_str().into());
        }
        for (name, value) in &self.more {
            facts.insert((*name).to_owned(), value.clone());
        }
        let event = |outcome: &Outcome| {
            let mut event = sent(&outcome.current);
            event.insert("event_action".into(), outcome.action.as_str().into());
            event.insert("dedup_key".into(), outcome.dedup_key.clone().into());
            if outcome.minimal {
                event.insert("without_details".into(), true.into());
            }
            if let Some(previous) = &outcome.previous {
                event.insert("with_previous_key".into(), Value::Object(sent(previous)));
            }
            Value::Object(event)
        };
        let lists = [
            ("events", self.outcomes.iter().map(event).collect()),
            (
                "ignored",
                self.mapped
                    .ignored
                    .iter()
                    .map(|i| json::object([("item", i.item.as_str().into()), ("reason", i.reason.into())]))
                    .collect(),
            ),
            ("rejected", self.mapped.rejected.iter().map(|error| Value::from(error.to_string())).collect()),
            ("warnings", self.warnings.iter().map(|warning| Value::from(warning.as_str())).collect()),
        ];
        for (name, list) in lists {
            let mut list: Vec<Value> = list;
            let more = list.len().saturating_sub(LISTED_MAX);
            list.truncate(LISTED_MAX);
            if !list.is_empty() {
                facts.insert(name.into(), list.into());
            }
            if more > 0 {
                facts.insert(format!("{name}_not_listed"), more.into());
            }
        }
        Value::Object(facts)
    }
}

/// One line of JSON: what was asked, what came of it, how long it took. No payload, no path that nobody vouches for.
pub fn line(host: &mut dyn Host, facts: &Facts, reply: &Reply, error: Option<Error>) -> String {
    let mut line = facts.to_json();
    if let Some(members) = line.as_object_mut() {
        members.insert("time".into(), text::epoch(host.now()).into());
        let level = match facts.warnings.is_empty() {
            // A person tries something out, and is told.
            _ if facts.asked_preview => "info",
            _ if reply.status >= StatusCode::BAD_REQUEST => "error",
            false => "warning",
            true => "info",
        };
        members.insert("level".into(), level.into());
        members.insert("source".into(), facts.source.clone().into());
        members.insert("service".into(), facts.service.clone().into());
        if facts.asked_preview {
            members.insert("preview".into(), true.into());
        }
        members.insert("status".into(), reply.status.as_u16().into());
        let millis = |duration: Duration| Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        members.insert("ms".into(), millis(host.elapsed()));
        let mut since = Duration::ZERO;
        for (stage, end) in &facts.stages {
            members.insert(format!("ms_{stage}"), millis(end.saturating_sub(since)));
            since = *end;
        }
        if let Some(error) = error {
            members.insert("error".into(), error.to_string().into());
        }
    }
    String::from_utf8(json::encode(&line)).unwrap_or_default()
}
