//! The pipeline: its stages in order, and what the sender and the log are told at the end.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::auth::{self, Access, FetchError, Proof};
use crate::config::{self, Config, Grouping, Target, Unmapped};
use crate::deliver::{self, Channel, Outcome, Sent, Verdict};
use crate::error::{ConfirmError, Error};
use crate::event::Event;
use crate::host::{Host, Next, Outbound, Url};
use crate::request::{ReadError, Reply, Request};
use crate::route::{self, Endpoint};
use crate::setup;
use crate::sources::{Confirm, Mapped, Source};
use crate::storm;
use crate::text;
use crate::unmapped;

/// What is kept of a sender's patience for the way back: this much, or a quarter where it has little.
const MARGIN: Duration = Duration::from_millis(500);
const MARGIN_SHARE: u32 = 4;

/// When a document that is needed to know the sender must be there, from the request's arrival on.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// The longest a request may take. The clouds that run Spin end a handler after 30 seconds.
const TOTAL_MAX: Duration = Duration::from_secs(25);

/// How much of a body is looked at for the page that says that it cannot be mapped, in bytes.
const EXCERPT_BYTES: usize = 64 * 1024;

/// How many entries of each kind the reply and the log list; what is beyond them is counted.
const LISTED_MAX: usize = 1000;

/// Takes a request through the pipeline and gives the reply. Writes one line to the log, but for what
/// anybody may ask.
///
/// The reply is 2xx only where PagerDuty has accepted every event, or where there was nothing to send.
pub fn handle(host: &mut dyn Host, request: Result<Request, ReadError>) -> Reply {
    let mut facts = Facts::default();
    // What anybody may ask is answered without a word in the log.
    if let Some(reply) = request.as_ref().ok().and_then(public) {
        return reply;
    }
    let result = stages(host, request, &mut facts);
    let reply = match &result {
        Ok(status) => success(*status, &facts),
        Err(error) => error.reply(facts.to_json()),
    };
    log(host, &facts, &reply, result.err());
    reply
}

/// The answer to what anybody may ask: it holds no secret and asks nothing of anyone.
fn public(request: &Request) -> Option<Reply> {
    match route::route(request.method, &request.path).ok()? {
        Endpoint::Deliver { .. } => None,
        Endpoint::Health => Some(Reply::json(StatusCode::OK, "application/json", &json!({"status": "success"}))),
        // https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md, section 4
        Endpoint::Options => {
            let reply = Reply::text(StatusCode::OK, "text/plain", String::new());
            let reply = reply.header("allow", "POST, PUT, OPTIONS").header("webhook-allowed-origin", "*");
            Some(reply.header("webhook-allowed-rate", "*"))
        }
        Endpoint::Setup { source } => {
            let page = source.map_or_else(setup::list, setup::page);
            let wants = |name: &str| {
                request
                    .headers
                    .once("accept")
                    .and_then(|value| str::from_utf8(value).ok())
                    .is_some_and(|value| text::contains(value, name))
            };
            let media_type = if wants("text/markdown") { "text/markdown" } else { "text/plain" };
            Some(Reply::text(StatusCode::OK, &format!("{media_type}; charset=utf-8"), page))
        }
    }
}

/// What is known about a request so far: the reply and the log tell the same.
#[derive(Default)]
struct Facts {
    source: Option<&'static str>,
    service: Option<String>,
    proof: Option<Proof>,
    mapped: Mapped,
    outcomes: Vec<Outcome>,
    /// What went well in the end, and somebody should still look at.
    warnings: Vec<String>,
    /// The stages that have ended, and when.
    stages: Vec<(&'static str, Duration)>,
}

fn stages(host: &mut dyn Host, request: Result<Request, ReadError>, facts: &mut Facts) -> Result<StatusCode, Error> {
    facts.ended("read", host);
    let request = request?;
    let (source, service) = match route::route(request.method, &request.path)? {
        Endpoint::Deliver { source, service } => (source, service),
        Endpoint::Health | Endpoint::Options | Endpoint::Setup { .. } => return Ok(StatusCode::OK),
    };
    facts.source = Some(source.slug);
    let deadline = source.patience.saturating_sub(MARGIN.min(source.patience / MARGIN_SHARE)).min(TOTAL_MAX);
    let config = config::load(host, source.slug, source.schemes)?;
    let access = Access { secrets: config.secrets.as_ref(), policy: config.policy, topics: &config.topics };
    let now = host.now();
    let delivery = auth::verify(&request, source.schemes, access, now, &mut |url| fetch(host, url, deadline))?;
    facts.proof = Some(delivery.proof());
    // Not before: of a stranger's path nobody knows what is in it, and it may be a secret in the wrong place.
    facts.service = service.map(str::to_owned);
    let target = config::target(host, service)?;
    facts.warnings.extend(target.warning.as_ref().map(|error| format!("{error}: old alerts stay open")));
    facts.ended("auth", host);

    let map = match target.grouping {
        Grouping::Alert => source.map,
        Grouping::Group => source.map_group.unwrap_or(source.map),
    };
    match map(&delivery) {
        Ok(mapped) => facts.mapped = mapped,
        Err(error) => facts.mapped.rejected.push(error),
    }
    let mut events = std::mem::take(&mut facts.mapped.events);
    if target.unmapped == Unmapped::Page {
        events.extend(page(source, &config, &target, delivery.body(), facts));
    }
    let plan = storm::plan(events, facts.mapped.group.as_ref(), source.name, host.now());
    if plan.digested > 0 {
        facts.warnings.push(format!("{} events are only named in a digest: they are too many at once", plan.digested));
    }
    facts.ended("map", host);

    if let Some(confirm) = &facts.mapped.confirm {
        confirm_subscription(host, confirm, &config, deadline)?;
    }
    let channel = Channel {
        keys: &target.routing_keys,
        alerts: &target.alerts_url,
        changes: &target.changes_url,
        minimal: target.unmapped == Unmapped::Page,
    };
    facts.outcomes = deliver::deliver(host, &plan.events, channel, deadline);
    facts.ended("deliver", host);
    facts.warnings.extend(warnings(&target, &facts.outcomes));
    judge(source, &target, facts)
}

/// The page that stands for what could not be mapped, where anything could not.
fn page(source: &Source, config: &Config, target: &Target, body: &[u8], facts: &mut Facts) -> Option<Event> {
    let reasons: Vec<String> = facts.mapped.rejected.iter().map(ToString::to_string).collect();
    // A sender may put anywhere what it was given as a secret.
    let shown = body.get(..EXCERPT_BYTES).unwrap_or(body);
    let shown = target.routing_keys.redact(&String::from_utf8_lossy(shown));
    let shown = config.secrets.as_ref().map(|secrets| secrets.redact(&shown)).unwrap_or(shown);
    let page = unmapped::page(source.slug, source.name, &reasons, &shown);
    if page.is_some() {
        facts.warnings.push(format!("{} items could not be mapped: a page says so", reasons.len()));
    }
    page
}

/// Confirms a subscription to a listed topic.
fn confirm_subscription(
    host: &mut dyn Host,
    confirm: &Confirm,
    config: &Config,
    deadline: Duration,
) -> Result<(), Error> {
    // By its signature or by a secret: the sender is known, and which topics are wanted is another matter.
    if !config.topics.contains(&confirm.topic) {
        return Err(Error::Confirm(ConfirmError::Topic));
    }
    let authority = auth::host_of_topic(&confirm.topic).ok_or(Error::Confirm(ConfirmError::Topic))?;
    let url = Url { https: true, authority, path: confirm.path.clone() };
    fetch(host, &url, deadline).map(|_| ()).map_err(|error| {
        Error::Confirm(match error {
            FetchError::Absent => ConfirmError::Refused,
            FetchError::Trouble => ConfirmError::Unreachable,
        })
    })
}

/// Fetches a document.
fn fetch(host: &mut dyn Host, url: &Url, deadline: Duration) -> Result<Vec<u8>, FetchError> {
    let mut fetched = Err(FetchError::Trouble);
    host.exchange(1, deadline.min(FETCH_MAX), &mut |_, elapsed, answer| match answer {
        None => Some(Next { outbound: Outbound { url: url.clone(), body: None }, not_before: elapsed }),
        Some(answer) => {
            fetched = match answer {
                Ok(answer) if answer.status == 200 => Ok(answer.body),
                Ok(answer) if (400..500).contains(&answer.status) => Err(FetchError::Absent),
                _ => Err(FetchError::Trouble),
            };
            None
        }
    });
    fetched
}

/// What went well in the end, and somebody should still look at.
fn warnings(target: &Target, outcomes: &[Outcome]) -> Vec<String> {
    let accepted = |outcome: &&Outcome| outcome.verdict() == Verdict::Accepted;
    let unknown = |sent: &Sent| sent.verdict() == Verdict::RefusedKey;
    let with =
        |test: &dyn Fn(&Outcome) -> bool| outcomes.iter().filter(accepted).filter(|outcome| test(outcome)).count();
    let variable = &target.routing_key_variable;
    let notes = [
        (
            with(&|outcome| unknown(&outcome.current)),
            format!("events went out with variable `{variable}_previous`: pagerduty refuses the key in `{variable}`"),
        ),
        (
            with(&|outcome| outcome.previous.as_ref().is_some_and(unknown)),
            format!("events could not go to `{variable}_previous` as well: pagerduty refuses that key, remove it"),
        ),
        (
            with(&|outcome| outcome.minimal),
            "events went out without their details: pagerduty refused the whole".to_owned(),
        ),
    ];
    notes.into_iter().filter(|(count, _)| *count > 0).map(|(count, note)| format!("{count} {note}")).collect()
}

/// What all outcomes together mean for the sender: the worst of them decides.
fn judge(source: &Source, target: &Target, facts: &Facts) -> Result<StatusCode, Error> {
    let outcomes = &facts.outcomes;
    let of = outcomes.len();
    let verdict = outcomes.iter().map(Outcome::verdict).max().unwrap_or(Verdict::Accepted);
    let decisive = outcomes.iter().find(|outcome| outcome.verdict() == verdict).map(Outcome::deciding);
    let why = decisive.map(Sent::to_string).unwrap_or_default();
    let failed = outcomes.iter().filter(|outcome| outcome.verdict() == verdict).count();
    match verdict {
        Verdict::RefusedKey => Err(Error::RefusedKey { variable: target.routing_key_variable.clone(), why }),
        Verdict::Misdirected => Err(Error::Misdirected { variable: target.address_variable, why }),
        Verdict::Blocked => Err(Error::Blocked { why }),
        Verdict::Retry => {
            let waits = outcomes.iter().filter_map(|outcome| outcome.deciding().answer.as_ref().ok()?.retry_after);
            Err(Error::Deliver { failed, of, why, retry_after: waits.max() })
        }
        Verdict::Refused => Err(Error::Refused { failed, of, why }),
        Verdict::Accepted => match facts.mapped.rejected.first() {
            Some(error) if target.unmapped == Unmapped::Reject => Err(error.clone().into()),
            _ => Ok(source.success),
        },
    }
}

/// `200` (or what the source's senders expect) with PagerDuty's own three members, so that programs which read
/// PagerDuty's answer can read this one, and the facts beside them.
fn success(status: StatusCode, facts: &Facts) -> Reply {
    let mut body = facts.to_json();
    if let Some(members) = body.as_object_mut() {
        let message = match facts.outcomes.len() {
            0 => "nothing to send".to_owned(),
            1 => "1 event accepted by pagerduty".to_owned(),
            n => format!("{n} events accepted by pagerduty"),
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
    fn ended(&mut self, stage: &'static str, host: &dyn Host) {
        self.stages.push((stage, host.elapsed()));
    }

    fn to_json(&self) -> Value {
        let mut facts = Map::new();
        if let Some(proof) = self.proof {
            facts.insert("auth".into(), proof.to_string().into());
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
            ("ignored", self.mapped.ignored.iter().map(|i| json!({"item": i.item, "reason": i.reason})).collect()),
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
fn log(host: &mut dyn Host, facts: &Facts, reply: &Reply, error: Option<Error>) {
    let mut line = facts.to_json();
    if let Some(members) = line.as_object_mut() {
        members.insert("time".into(), text::epoch(host.now()).into());
        let level = match (&error, facts.warnings.is_empty()) {
            (Some(_), _) => "error",
            (None, false) => "warning",
            (None, true) => "info",
        };
        members.insert("level".into(), level.into());
        members.insert("source".into(), facts.source.into());
        members.insert("service".into(), facts.service.clone().into());
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
    host.log(str::from_utf8(&text::encode(&line)).unwrap_or_default());
}
