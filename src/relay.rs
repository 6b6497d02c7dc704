//! The pipeline: its stages in order, and what the sender and the log are told at the end.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::auth::{self, Access, FetchError, Proof};
use crate::config::{self, Grouping, Target};
use crate::deliver::{self, Outcome, Verdict};
use crate::error::Error;
use crate::host::{Host, Outbound, Url};
use crate::request::{ReadError, Reply, Request};
use crate::route::{self, Endpoint};
use crate::sources::{Mapped, Source};
use crate::text;

/// What is kept of a sender's patience for the way back.
const MARGIN: Duration = Duration::from_millis(500);

/// When a document that is needed to know the sender must be there, from the request's arrival on.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// The longest a request may take. The clouds that run Spin end a handler after 30 seconds.
const TOTAL_MAX: Duration = Duration::from_secs(25);

/// How many entries of each kind the reply and the log list; what is beyond them is counted.
const LISTED_MAX: usize = 1000;

/// Takes a request through the pipeline and gives the reply. Writes one line to the log, but for `/health`.
///
/// The reply is 2xx only where PagerDuty has accepted every event, or where there was nothing to send.
pub fn handle(host: &mut dyn Host, request: Result<Request, ReadError>) -> Reply {
    let mut facts = Facts::default();
    let result = stages(host, request, &mut facts);
    let reply = match &result {
        Ok(status) => success(*status, &facts),
        Err(error) => error.reply(facts.to_json()),
    };
    if !facts.quiet {
        log(host, &facts, &reply, result.err());
    }
    reply
}

/// What is known about a request so far: the reply and the log tell the same.
#[derive(Default)]
struct Facts {
    source: Option<&'static str>,
    service: Option<String>,
    proof: Option<Proof>,
    mapped: Mapped,
    outcomes: Vec<Outcome>,
    quiet: bool,
}

fn stages(host: &mut dyn Host, request: Result<Request, ReadError>, facts: &mut Facts) -> Result<StatusCode, Error> {
    let request = request?;
    let (source, service) = match route::route(request.method, &request.path)? {
        Endpoint::Deliver { source, service } => (source, service),
        Endpoint::Health => {
            facts.quiet = true;
            return Ok(StatusCode::OK);
        }
    };
    facts.source = Some(source.slug);
    let config = config::load(host, source.slug, source.schemes)?;
    let access = Access { secrets: &config.secrets, policy: config.policy, topics: &config.topics };
    let now = host.now();
    let delivery = auth::verify(&request, source.schemes, access, now, &mut |url| fetch(host, url))?;
    facts.proof = Some(delivery.proof());
    // Not before: of a stranger's path nobody knows what is in it, and it may be a secret in the wrong place.
    facts.service = service.map(str::to_owned);
    let target = config::target(host, service)?;

    let map = match target.grouping {
        Grouping::Alert => source.map,
        Grouping::Group => source.map_group.unwrap_or(source.map),
    };
    facts.mapped = map(&delivery)?;

    let deadline = source.patience.saturating_sub(MARGIN).min(TOTAL_MAX);
    facts.outcomes = deliver::deliver(host, &facts.mapped.events, &target.routing_key, &target.events_url, deadline);
    judge(source, &target, facts)
}

/// Fetches a document.
fn fetch(host: &mut dyn Host, url: &Url) -> Result<Vec<u8>, FetchError> {
    match host.send(vec![Outbound { url: url.clone(), body: None }], FETCH_MAX).pop() {
        Some(Ok(answer)) if answer.status == 200 => Ok(answer.body),
        Some(Ok(answer)) if (400..500).contains(&answer.status) => Err(FetchError::Absent),
        _ => Err(FetchError::Trouble),
    }
}

/// What all outcomes together mean for the sender: the worst of them decides.
fn judge(source: &Source, target: &Target, facts: &Facts) -> Result<StatusCode, Error> {
    let of = facts.outcomes.len();
    let with = |verdict: Verdict| facts.outcomes.iter().filter(move |outcome| outcome.verdict() == verdict);
    let why = |verdict: Verdict| with(verdict).next().map(Outcome::to_string).unwrap_or_default();
    match facts.outcomes.iter().map(Outcome::verdict).max() {
        Some(Verdict::RefusedKey) => {
            Err(Error::RefusedKey { variable: target.routing_key_variable.clone(), why: why(Verdict::RefusedKey) })
        }
        // A sender that tries again may bring the others through, so trouble that passes goes before refusals.
        _ if with(Verdict::Retry).next().is_some() => {
            Err(Error::Deliver { failed: with(Verdict::Retry).count(), of, why: why(Verdict::Retry) })
        }
        Some(Verdict::Refused) => {
            Err(Error::Refused { failed: with(Verdict::Refused).count(), of, why: why(Verdict::Refused) })
        }
        Some(Verdict::Accepted | Verdict::Retry) | None => match facts.mapped.rejected.first() {
            Some(error) => Err(error.clone().into()),
            None => Ok(source.success),
        },
    }
}

/// `200` (or what the source's senders expect) with PagerDuty's own three members, so that programs which read
/// PagerDuty's answer can read this one, and the facts beside them.
fn success(status: StatusCode, facts: &Facts) -> Reply {
    let mut body = facts.to_json();
    if let Some(members) = body.as_object_mut() {
        let message = match facts.outcomes.len() {
            0 if facts.source.is_none() => "ok".to_owned(),
            0 => "nothing to send".to_owned(),
            1 => "1 event accepted by pagerduty".to_owned(),
            n => format!("{n} events accepted by pagerduty"),
        };
        members.insert("status".into(), "success".into());
        members.insert("message".into(), message.into());
        if let [only] = facts.outcomes.as_slice() {
            members.insert("dedup_key".into(), only.dedup_key.as_str().into());
        }
    }
    Reply::json(status, "application/json", &body)
}

impl Facts {
    fn to_json(&self) -> Value {
        let mut facts = Map::new();
        if let Some(proof) = self.proof {
            facts.insert("auth".into(), proof.to_string().into());
        }
        let event = |outcome: &Outcome| {
            json!({
                "event_action": outcome.action.as_str(),
                "dedup_key": outcome.dedup_key,
                "sha256": outcome.sha256,
                "attempts": outcome.attempts,
                "pagerduty": outcome.to_string(),
            })
        };
        let lists = [
            ("events", self.outcomes.iter().map(event).collect()),
            ("ignored", self.mapped.ignored.iter().map(|i| json!({"item": i.item, "reason": i.reason})).collect()),
            ("rejected", self.mapped.rejected.iter().map(|error| Value::from(error.to_string())).collect()),
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
        members.insert("level".into(), if error.is_some() { "error" } else { "info" }.into());
        members.insert("source".into(), facts.source.into());
        members.insert("service".into(), facts.service.clone().into());
        members.insert("status".into(), reply.status.as_u16().into());
        members.insert("ms".into(), u64::try_from(host.elapsed().as_millis()).unwrap_or(u64::MAX).into());
        if let Some(error) = error {
            members.insert("error".into(), error.to_string().into());
        }
    }
    host.log(str::from_utf8(&text::encode(&line)).unwrap_or_default());
}
