//! The facts that the reply and the log line report: the same in both.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::config::{SettingsError, Target, Unmapped};
use crate::error::Error;
use crate::http::{Reply, StatusCode};
use crate::json;
use crate::mapping::{Ignored, MapError};
use crate::pagerduty::events_api::{self, Failure, Outcome, Sent, Verdict};
use crate::runtime::Host;
use crate::text;

/// How many entries of each kind the reply and the log list. The others are only counted.
pub const LISTED_MAX: usize = 1000;

/// The facts about one request, for the reply and the log. Only the pipeline fills it in, from the results of its
/// stages.
#[derive(Default)]
pub struct Report {
    /// The source, or the slug of a control endpoint.
    pub source: Option<String>,
    /// The service named in the path.
    pub service: Option<String>,
    /// How the sender authenticated.
    pub proof: Option<String>,
    /// The program that sent the request, as it names itself in `User-Agent`.
    pub agent: Option<String>,
    /// Items that needed no event, and why.
    pub ignored: Vec<Ignored>,
    /// Items that could not be mapped.
    pub rejected: Vec<MapError>,
    /// The dedup key of the only event that the whole payload has been mapped to. Rules may have changed or dropped that
    /// event.
    pub mapped_key: Option<String>,
    /// The outcome of each event.
    pub outcomes: Vec<Outcome>,
    /// The positions of the outcomes of events that are stored, in ascending order.
    pub stored: Vec<usize>,
    /// The variables with the routing keys of further destinations. The first destination is that of the path.
    pub further_keys: Vec<String>,
    /// Whether the request asked for a preview.
    pub asked_preview: bool,
    /// The events that would have been sent, for a preview.
    pub preview: Option<Preview>,
    /// Whether the reply is an answer that the mapping has made.
    pub answered: bool,
    /// Further facts, by name.
    pub more: Vec<(&'static str, Value)>,
    /// Successes that somebody should still look at.
    pub warnings: Vec<String>,
    /// Warnings that are not the sender's concern. The log lists them beside the others.
    pub unshown: Vec<String>,
    /// The stages that have ended, and when.
    pub stages: Vec<(&'static str, Duration)>,
}

/// The result of a preview.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// The events, as JSON.
    pub events: Vec<Value>,
    /// The parts of the payload that change no event.
    pub unused: Vec<String>,
    /// The numbers of the events that are not explained although that was asked for, from 0.
    pub unexplained: Vec<usize>,
    /// Why the explanation is incomplete, if it is.
    pub incomplete: Option<&'static str>,
}

/// A success: `200`, or the status that the source's senders expect. The body has PagerDuty's own three members, so
/// that programs that parse PagerDuty's response can parse this one, and the facts beside them.
pub fn success(status: StatusCode, message: &str, report: &mut Report) -> Reply {
    let mut body = report.reply();
    if let Some(members) = body.as_object_mut() {
        members.insert("status".into(), "success".into());
        members.insert("message".into(), message.into());
        if let Some(key) = report.dedup_key() {
            members.insert("dedup_key".into(), key.into());
        }
    }
    Reply::json(status, "application/json", &body)
}

/// The result of sending an event with one routing key, for the reply and the log.
fn sent(sent: &Sent) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("sha256".into(), sent.sha256.as_str().into());
    members.insert("attempts".into(), sent.attempts.into());
    members.insert("pagerduty".into(), sent.to_string().into());
    members
}

impl Report {
    /// Records that a stage has ended.
    pub fn ended(&mut self, stage: &'static str, host: &dyn Host) {
        self.stages.push((stage, host.elapsed()));
    }

    /// Adds a warning about variable `settings`, once.
    pub fn warn(&mut self, problem: Option<SettingsError>) {
        let warning = problem.map(|problem| problem.to_string());
        self.warnings.extend(warning.filter(|warning| !self.warnings.contains(warning)));
    }

    /// The dedup key of a delivery of one event, for a client that uses it later: that of what was sent, else the mapped
    /// one, because a rule may have dropped the event. Copies of the event do not count, whatever their keys are.
    pub fn dedup_key(&self) -> Option<&str> {
        let is_one = self.mapped_key.is_some() || self.outcomes.len() == 1;
        let sent = self.outcomes.first().filter(|_| is_one).and_then(|outcome| outcome.dedup_key.as_deref());
        sent.or(self.mapped_key.as_deref())
    }

    /// The result of a delivery, in one sentence.
    pub fn message(&self) -> String {
        let accepted = self.outcomes.iter().filter(|outcome| outcome.verdict() == Verdict::Accepted);
        match (accepted.count(), &self.preview) {
            (_, Some(preview)) if !preview.events.is_empty() => {
                format!("{} would be sent", text::count(preview.events.len(), "event"))
            }
            (_, Some(_)) => "nothing to send".to_owned(),
            (0, None) if self.stored.is_empty() => "nothing to send".to_owned(),
            (n, None) => {
                let accepted = format!("{} accepted by PagerDuty", text::count(n, "event"));
                let stored = format!("{} stored", text::count(self.stored.len(), "event"));
                match (n, self.stored.len()) {
                    (_, 0) => accepted,
                    (0, _) => stored,
                    _ => format!("{accepted}, {stored}"),
                }
            }
        }
    }

    /// The facts for the reply. The report keeps those that the log needs: a preview shows the payload to its sender, so
    /// it must not be logged, and it is handed over to the reply.
    pub fn reply(&mut self) -> Value {
        let mut facts = self.to_json();
        if let (Some(members), Some(preview)) = (facts.as_object_mut(), self.preview.take()) {
            let Preview { events, unused, unexplained, incomplete } = preview;
            let unused = unused.into_iter().map(Value::from).collect();
            let unexplained = unexplained.into_iter().map(Value::from).collect();
            for (name, list) in [("events", events), ("unused", unused), ("unexplained", unexplained)] {
                let list: Vec<Value> = list;
                if !list.is_empty() {
                    members.insert(name.into(), list.into());
                }
            }
            if let Some(why) = incomplete {
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
        let event = |(position, outcome): (usize, &Outcome)| {
            let mut event = sent(&outcome.current);
            event.insert("event_action".into(), outcome.action.as_str().into());
            event.insert("dedup_key".into(), outcome.dedup_key.clone().into());
            // A rule chose another service than that of the path.
            if let Some(variable) = self.further_keys.get(outcome.destination.wrapping_sub(1)) {
                event.insert("routing_key".into(), variable.as_str().into());
            }
            if outcome.minimal {
                event.insert("without_details".into(), true.into());
            }
            if self.stored.binary_search(&position).is_ok() {
                event.insert("stored".into(), true.into());
            }
            if let Some(previous) = &outcome.previous {
                event.insert("with_previous_key".into(), Value::Object(sent(previous)));
            }
            Value::Object(event)
        };
        let lists = [
            ("events", self.outcomes.iter().enumerate().map(event).collect()),
            (
                "ignored",
                self.ignored
                    .iter()
                    .map(|i| json::object([("item", i.item.as_str().into()), ("reason", i.reason.as_ref().into())]))
                    .collect(),
            ),
            ("rejected", self.rejected.iter().map(|error| Value::from(error.to_string())).collect()),
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

/// The log entry, one line of JSON: the request, its result and its duration. It contains no payload and no path from
/// an unauthenticated sender. `status` is that of the reply; what happens after the reply has none.
pub fn line(host: &mut dyn Host, report: &Report, status: Option<StatusCode>, error: Option<&str>) -> String {
    let mut line = report.to_json();
    if let Some(members) = line.as_object_mut() {
        members.insert("time".into(), text::epoch(host.now()).into());
        members.insert("version".into(), crate::BUILD.into());
        let level = match report.warnings.is_empty() {
            // A person is trying something out and sees the result, so nothing here needs attention.
            _ if report.asked_preview => "info",
            _ if status.map_or(error.is_some(), |status| status >= StatusCode::BAD_REQUEST) => "error",
            false => "warning",
            true => "info",
        };
        members.insert("level".into(), level.into());
        members.insert("source".into(), report.source.clone().into());
        members.insert("service".into(), report.service.clone().into());
        if let Some(agent) = &report.agent {
            members.insert("agent".into(), agent.as_str().into());
        }
        if report.asked_preview {
            members.insert("preview".into(), true.into());
        }
        if let Some(status) = status {
            members.insert("status".into(), status.as_u16().into());
        }
        let millis = |duration: Duration| Value::from(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        members.insert("ms".into(), millis(host.elapsed()));
        let mut since = Duration::ZERO;
        for (stage, end) in &report.stages {
            members.insert(["ms_", stage].concat(), millis(end.saturating_sub(since)));
            since = *end;
        }
        if let Some(error) = error {
            members.insert("error".into(), error.into());
        }
    }
    String::from_utf8(json::encode_visible(&line)).unwrap_or_default()
}

/// Successes that somebody should still look at. `targets` are the destinations.
pub fn warnings(targets: &[&Target], outcomes: &[Outcome]) -> Vec<String> {
    let of = |(number, target): (usize, &&Target)| warnings_of(target, number, outcomes);
    targets.iter().enumerate().flat_map(of).collect()
}

/// [`warnings`] about one destination.
fn warnings_of(target: &Target, number: usize, outcomes: &[Outcome]) -> Vec<String> {
    let outcomes: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.destination == number).collect();
    let outcomes = || outcomes.iter().copied();
    let accepted = |outcome: &&Outcome| outcome.verdict() == Verdict::Accepted;
    let unknown = |sent: &Sent| sent.verdict() == Verdict::RefusedKey;
    let with = |test: &dyn Fn(&Outcome) -> bool| outcomes().filter(accepted).filter(|outcome| test(outcome)).count();
    let variable = &target.routing_key_variable;
    let notes = [
        (
            with(&|outcome| unknown(&outcome.current)),
            format!("sent with variable `{variable}_previous` because PagerDuty rejects the key in `{variable}`"),
        ),
        (
            with(&|outcome| outcome.previous.as_ref().is_some_and(unknown)),
            format!("not sent with `{variable}_previous` as well: PagerDuty rejects that key, remove it"),
        ),
        (
            outcomes().filter(|outcome| outcome.current.answer == Err(Failure::ChangeKey)).count(),
            format!(
                "not sent: the key in `{variable}` belongs to an event orchestration, which accepts no change events"
            ),
        ),
        (outcomes().filter(|outcome| outcome.is_needless()).count(), events_api::closing_nothing(variable)),
        (with(&|outcome| outcome.minimal), "sent without details because PagerDuty rejected the full event".to_owned()),
    ];
    let notes = notes.into_iter().filter(|(count, _)| *count > 0);
    notes.map(|(count, note)| format!("{} {note}", text::count(count, "event"))).collect()
}

/// Warnings about stored events. A digest lists so many of them.
pub fn stored(report: &Report, digested: usize) -> Vec<String> {
    let stored = report.stored.iter().filter_map(|position| report.outcomes.get(*position));
    let (waiting, faulty): (Vec<&Outcome>, Vec<&Outcome>) =
        stored.partition(|outcome| outcome.verdict() == Verdict::Retry);
    let why =
        |outcomes: &[&Outcome]| outcomes.first().map(|outcome| outcome.deciding().to_string()).unwrap_or_default();
    let notes = [
        (
            waiting.len(),
            format!("stored, because PagerDuty has not accepted it yet ({}); sent again for 24 hours", why(&waiting)),
        ),
        (faulty.len(), format!("stored, and sent again for 24 hours; somebody has to act first: {}", why(&faulty))),
        (digested, "listed in a stored digest alert because there are too many to store individually".to_owned()),
    ];
    let notes = notes.into_iter().filter(|(count, _)| *count > 0);
    notes.map(|(count, note)| format!("{} {note}", text::count(count, "event"))).collect()
}

/// Combines all outcomes into the sender's status: the worst outcome decides. A stored event that waits only for PagerDuty
/// counts as accepted.
///
/// `target` is the destination of the path.
pub fn judge(success: StatusCode, target: &Target, report: &Report) -> Result<StatusCode, Error> {
    let waits = |position: usize, outcome: &Outcome| {
        report.stored.binary_search(&position).is_ok() && outcome.verdict() == Verdict::Retry
    };
    let outcomes = report.outcomes.iter().enumerate();
    let outcomes = outcomes.filter(|(position, outcome)| !outcome.is_needless() && !waits(*position, outcome));
    let outcomes: Vec<&Outcome> = outcomes.map(|(_, outcome)| outcome).collect();
    let of = report.outcomes.iter().filter(|outcome| !outcome.is_needless()).count();
    // A change event that the key does not accept was not sent, which a warning reports. It is no reason to resend alerts
    // that PagerDuty already has, and no retry can help.
    let counted = |outcome: &&&Outcome| outcome.current.answer != Err(Failure::ChangeKey);
    let verdict = outcomes.iter().filter(counted).map(|outcome| outcome.verdict()).max().unwrap_or(Verdict::Accepted);
    let decisive = outcomes.iter().find(|outcome| outcome.verdict() == verdict);
    let why = decisive.map(|outcome| outcome.deciding().to_string()).unwrap_or_default();
    let failed = outcomes.iter().filter(|outcome| outcome.verdict() != Verdict::Accepted).count();
    match verdict {
        Verdict::RefusedKey => {
            let further = decisive.and_then(|outcome| report.further_keys.get(outcome.destination.wrapping_sub(1)));
            Err(Error::RefusedKey { variable: further.unwrap_or(&target.routing_key_variable).clone(), why })
        }
        Verdict::Misdirected => Err(Error::Misdirected { variable: target.address_variable, why }),
        Verdict::Blocked => Err(Error::Blocked { why }),
        Verdict::Retry => {
            let retried =
                outcomes.iter().map(|outcome| outcome.deciding()).filter(|sent| sent.verdict() == Verdict::Retry);
            let waits = retried.filter_map(|sent| sent.answer.as_ref().ok()?.retry_after);
            Err(Error::Deliver { failed, of, why, retry_after: waits.max() })
        }
        Verdict::Refused => Err(Error::Refused { least: target.unmapped == Unmapped::Page, failed, of, why }),
        Verdict::Accepted => mapped(success, target, report),
    }
}

/// Why PagerDuty has not accepted the event of an outcome that was sent with the routing key in this variable.
pub fn untaken(variable: &str, outcome: &Outcome) -> String {
    let why = outcome.deciding();
    text::interpolate(
        "PagerDuty has not accepted an event with the key in variable `{}`: {}",
        &[variable, &why.to_string()],
    )
}

/// The status for the mapping: the sender gets the error if no fallback alert reports it.
pub fn mapped(success: StatusCode, target: &Target, report: &Report) -> Result<StatusCode, Error> {
    match report.rejected.first() {
        Some(error) if target.unmapped == Unmapped::Reject => Err(error.clone().into()),
        _ => Ok(success),
    }
}
