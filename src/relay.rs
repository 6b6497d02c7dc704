//! The pipeline: its stages in order, and what the sender and the log are told at the end.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::auth::{self, Access, FetchError, Proof};
use crate::config::{self, Config, Grouping, Target, Unmapped};
use crate::deliver::{self, Channel, Failure, Outcome, Sent, Verdict};
use crate::error::{ConfirmError, Error};
use crate::host::{Host, Next, Outbound, Url};
use crate::request::{BODY_TIMEOUT, Method, ReadError, Reply, Request};
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

/// Takes a request through the pipeline and gives the reply, and a line for the log but for what anybody may ask. The
/// line holds no secret and no payload.
///
/// The reply is 2xx only where PagerDuty has accepted every event, or where there was nothing to send.
pub fn handle(host: &mut dyn Host, request: Request) -> (Reply, Option<String>) {
    let mut facts = Facts::default();
    let result = match route::route(request.method, &request.path) {
        Ok(Endpoint::Deliver { source, service }) => stages(host, &request, source, service, &mut facts),
        Ok(Endpoint::Health) => return (Reply::json(StatusCode::OK, "application/json", &healthy()), None),
        Ok(Endpoint::Options) => return (options(), None),
        Ok(Endpoint::Setup { source }) => return (set_up(&request, source), None),
        Err(error) => Err(error.into()),
    };
    let reply = match &result {
        Ok(status) => success(*status, &facts),
        Err(error) => error.reply(facts.to_json()),
    };
    let line = line(host, &facts, &reply, result.err());
    (reply, Some(line))
}

/// How long a body may take to arrive: no longer than its sender waits for an answer to it.
pub fn body_timeout(method: Method, path: &str) -> Duration {
    match route::route(method, path) {
        Ok(Endpoint::Deliver { source, .. }) => deadline(source).min(BODY_TIMEOUT),
        _ => BODY_TIMEOUT,
    }
}

/// When a delivery of this source has to be answered, from its arrival on.
fn deadline(source: &Source) -> Duration {
    source.patience.saturating_sub(MARGIN.min(source.patience / MARGIN_SHARE)).min(TOTAL_MAX)
}

fn healthy() -> Value {
    text::object([("status", "success".into())])
}

/// Who may send, and how often: anybody who has the secret, at any rate.
/// <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>, section 4
fn options() -> Reply {
    let reply = Reply::text(StatusCode::OK, "text/plain", String::new());
    let reply = reply.header("allow", "POST, PUT, OPTIONS").header("webhook-allowed-origin", "*");
    reply.header("webhook-allowed-rate", "*")
}

/// A set-up page, or the list of them. It is Markdown that reads as plain text.
fn set_up(request: &Request, source: Option<&'static Source>) -> Reply {
    let accepted = request.headers.once("accept").and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    let markdown = text::contains(accepted, "text/markdown");
    let media_type = if markdown { "text/markdown; charset=utf-8" } else { "text/plain; charset=utf-8" };
    Reply::text(StatusCode::OK, media_type, source.map_or_else(setup::list, setup::page))
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

fn stages(
    host: &mut dyn Host,
    request: &Request,
    source: &'static Source,
    service: Option<&str>,
    facts: &mut Facts,
) -> Result<StatusCode, Error> {
    facts.ended("read", host);
    facts.source = Some(source.slug);
    let deadline = deadline(source);
    let unread = request.problem.map(Error::Read);
    // What is too large may still be an alert. The others break off or come late, and their senders come again.
    if let Some(error) = unread.as_ref().filter(|_| request.problem != Some(ReadError::TooLarge)) {
        return Err(error.clone());
    }
    let config = config::load(host, source.slug, source.schemes)?;
    let access = Access { secrets: config.secrets.as_ref(), policy: config.policy, topics: &config.topics };
    let now = host.now();
    let known = auth::verify(request, source.schemes, access, now, &mut |url| fetch(host, url, deadline));
    let delivery = match (&unread, known) {
        // Without the body no signature can hold.
        (Some(error), Err(_)) => return Err(error.clone()),
        (Some(error), Ok(known)) if known.proof().scheme.is_signature() => return Err(error.clone()),
        (_, known) => known?,
    };
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
    if unread.is_none() {
        match map(&delivery) {
            Ok(mapped) => facts.mapped = mapped,
            Err(error) => facts.mapped.rejected.push(error),
        }
    }
    let events = std::mem::take(&mut facts.mapped.events);
    let plan = storm::plan(events, facts.mapped.group.as_ref(), source, now);
    if plan.digested > 0 {
        facts.warnings.push(format!("{} events are only named in a digest: they are too many at once", plan.digested));
    }
    let mut events = plan.events;
    if target.unmapped == Unmapped::Page {
        let reasons = facts.mapped.rejected.iter().map(ToString::to_string);
        let reasons: Vec<String> = reasons.chain(unread.as_ref().map(Error::to_string)).collect();
        let shown = excerpt(delivery.body(), &config, &target);
        if let Some(page) = unmapped::page(source.slug, source.name, &reasons, &shown) {
            facts.warnings.push(format!("{} items could not be mapped: a page says so", reasons.len()));
            events.insert(0, page);
        }
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
    facts.outcomes = deliver::deliver(host, &events, channel, deadline);
    facts.ended("deliver", host);
    facts.warnings.extend(warnings(&target, &facts.outcomes));
    let status = judge(source, &target, facts)?;
    unread.map_or(Ok(status), Err)
}

/// The beginning of a body, without what its sender was given as a secret: it may put that anywhere.
fn excerpt(body: &[u8], config: &Config, target: &Target) -> String {
    let shown = String::from_utf8_lossy(body.get(..EXCERPT_BYTES).unwrap_or(body));
    let shown = target.routing_keys.redact(&shown);
    config.secrets.as_ref().map(|secrets| secrets.redact(&shown)).unwrap_or(shown)
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
            outcomes.iter().filter(|outcome| outcome.current.answer == Err(Failure::ChangeKey)).count(),
            format!("change events were not sent: the key in `{variable}` is an orchestration's, which takes none"),
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
    // A change that a key does not take is no reason to send alerts again that are there.
    let alerts = |outcome: &&Outcome| outcome.current.answer != Err(Failure::ChangeKey);
    let counted = if outcomes.iter().any(|outcome| alerts(&outcome)) { alerts } else { |_: &&Outcome| true };
    let verdict = outcomes.iter().filter(counted).map(Outcome::verdict).max().unwrap_or(Verdict::Accepted);
    let decisive = outcomes.iter().find(|outcome| outcome.verdict() == verdict).map(Outcome::deciding);
    let why = decisive.map(Sent::to_string).unwrap_or_default();
    let failed = outcomes.iter().filter(|outcome| outcome.verdict() != Verdict::Accepted).count();
    match verdict {
        Verdict::RefusedKey => Err(Error::RefusedKey { variable: target.routing_key_variable.clone(), why }),
        Verdict::Misdirected => Err(Error::Misdirected { variable: target.address_variable, why }),
        Verdict::Blocked => Err(Error::Blocked { why }),
        Verdict::Retry => {
            let retried = outcomes.iter().map(Outcome::deciding).filter(|sent| sent.verdict() == Verdict::Retry);
            let waits = retried.filter_map(|sent| sent.answer.as_ref().ok()?.retry_after);
            Err(Error::Deliver { failed, of, why, retry_after: waits.max() })
        }
        Verdict::Refused => Err(Error::Refused { least: target.unmapped == Unmapped::Page, failed, of, why }),
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
        let accepted = facts.outcomes.iter().filter(|outcome| outcome.verdict() == Verdict::Accepted);
        let message = match accepted.count() {
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
            (
                "ignored",
                self.mapped
                    .ignored
                    .iter()
                    .map(|i| text::object([("item", i.item.as_str().into()), ("reason", i.reason.into())]))
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
fn line(host: &mut dyn Host, facts: &Facts, reply: &Reply, error: Option<Error>) -> String {
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
    String::from_utf8(text::encode(&line)).unwrap_or_default()
}
