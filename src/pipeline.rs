//! The pipeline: its stages, in order. Each stage takes values and returns values, and only this file calls the stages.
//!
//! A delivery passes [`route`](route::route) → [`Intake::find`] → `authenticate` → `receive`, which reads the body →
//! [`check_service`](config::check_service) → [`target`](config::target) → `map` →
//! [`with_copies`](former_keys::with_copies) → `plan` → `with_fallback` → [`tell_apart`](event::tell_apart) →
//! [`deliver`](events_api::deliver). A signed delivery is read before it is authenticated. A preview ends with
//! [`preview`](preview::preview) instead. A control request passes `route` → `authenticate` → [`act`](act::act) or
//! [`check`](check::check). [`Report`] collects the facts for the reply and the log.

use std::borrow::Cow;
use std::time::Duration;

use crate::auth::{self, Access, AuthError, Authenticated, FetchError, SHARED_SECRET, Scheme};
use crate::config::{self, Config, Control, Target, Unmapped, Variables};
use crate::endpoints::act::{self, Acted};
use crate::endpoints::preview::explain::{self, Positions, Question, Wanted};
use crate::endpoints::{check, playground, preview, setup};
use crate::error::{Error, HandshakeError};
use crate::http::{BODY_TIMEOUT, ReadError, Reply, Request, StatusCode, Url};
use crate::inbound::intake::{Intake, Mapper};
use crate::inbound::route::{self, Delivery, Endpoint};
use crate::json;
use crate::mapping::subject::Subject;
use crate::mapping::{Handshake, Mapped, fallback};
use crate::pagerduty::event::{self, Action, DedupKey, Event};
use crate::pagerduty::events_api::{self, Destination};
use crate::pagerduty::{former_keys, storm};
use crate::report::{self, Report};
use crate::runtime::{self, Host, HttpRequest};
use crate::sources::{SOURCES, Source, Told, Visit};
use crate::text;

/// Timeout for a document that authentication needs, counted from the request's arrival.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// When to cut a preview's explanation short, however little it has counted. The steps of a template count for little.
const EXPLAIN_MAX: Duration = Duration::from_millis(500);

/// How much of a body is read for the excerpt in a fallback alert, in bytes. The excerpt has a thousand characters, and
/// white space is joined.
const EXCERPT_BYTES: usize = 8 * 1024;

/// Runs a request through the pipeline. Returns the reply and a line for the log. Public endpoints log nothing. The
/// line contains no secret and no payload.
///
/// The reply is 2xx only if PagerDuty has accepted every event, or if there was nothing to send.
pub fn handle(host: &mut dyn Host, request: &Request) -> (Reply, Option<String>) {
    handle_among(SOURCES, host, request)
}

/// Like [`handle`], with other sources than [`SOURCES`].
pub fn handle_among(sources: &[&'static Source], host: &mut dyn Host, request: &Request) -> (Reply, Option<String>) {
    let host = &mut Variables::new(host);
    let mut report = Report::default();
    // The source's own reply body.
    let mut shape = None;
    let result = match route::route(sources, request.method, &request.path) {
        Ok(Endpoint::Control { control, service }) => administer(host, request, control, service, &mut report),
        Ok(Endpoint::Deliver(to)) => {
            shape = to.by.source().and_then(|source| source.reply).filter(|_| !to.preview);
            if to.preview {
                let (explained, request) = preview::wanted(request);
                deliver(host, &request, &to, explained, &mut report)
            } else {
                deliver(host, request, &to, None, &mut report)
            }
        }
        Ok(Endpoint::Health) => return (Reply::json(StatusCode::OK, "application/json", &healthy()), None),
        Ok(Endpoint::Options) => return (options(), None),
        Ok(Endpoint::Playground) => return (playground::reply(&request.headers), None),
        Ok(Endpoint::Setup { source }) => return (setup::reply(request, source), None),
        Err(error) => Err(error.into()),
    };
    let (mut reply, error) = match result {
        Ok(reply) => (reply, None),
        Err(error) => {
            if report.proof.is_some() {
                report.warn(host.problem());
            }
            let error = because(error, host);
            (error.reply(report.reply()), Some(error))
        }
    };
    if let Some(shape) = shape {
        let message = error.as_ref().map_or_else(|| report.message(), Error::to_string);
        let dedup_key = report.outcomes.first().and_then(|outcome| outcome.dedup_key.as_deref());
        let dedup_key = dedup_key.filter(|_| report.outcomes.len() == 1);
        let body = shape(&Told { status: reply.status, message: &message, dedup_key });
        reply = reply.with_json(&body);
    }
    // The log always reports this, and the reply only to authenticated senders.
    report.warn(host.problem());
    let line = report::line(host, &report, &reply, error.as_ref());
    (reply, Some(line))
}

/// Adds the problem with variable `settings` to the error of a variable that it could contain.
fn because(error: Error, variables: &Variables<'_>) -> Error {
    match error {
        Error::Config(error) => Error::Config(error.because(variables.problem())),
        error => error,
    }
}

fn healthy() -> serde_json::Value {
    json::object([
        ("status", "success".into()),
        ("version", crate::VERSION.into()),
        ("revision", crate::REVISION.into()),
    ])
}

/// Who may send, and how often: anyone with the secret, at any rate.
/// <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>, section 4
fn options() -> Reply {
    let reply = Reply::text(StatusCode::OK, "text/plain", String::new());
    let reply = reply.header("allow", "POST, PUT, OPTIONS").header("webhook-allowed-origin", "*");
    reply.header("webhook-allowed-rate", "*")
}

/// Runs a control endpoint, for senders with the shared secret only.
fn administer(
    host: &mut Variables<'_>,
    request: &Request,
    control: Control,
    service: Option<&str>,
    report: &mut Report,
) -> Result<Reply, Error> {
    report.ended("read", host);
    report.source = Some(control.slug().to_owned());
    let config = config::load(host, control.slug(), SHARED_SECRET, !control.opens_to_shared_secret())?;
    let known = authenticate(host, request, SHARED_SECRET, &config, Duration::ZERO)?;
    config::check_own_secret(host, &config)?;
    // A check needs no body.
    let request = if control == Control::Act { receive(host, request, BODY_TIMEOUT) } else { Cow::Borrowed(request) };
    if let Some(problem) = request.problem {
        return Err(problem.into());
    }
    let known = known.with_body_of(&request);
    let (known, undecoded) = known.decoded();
    report.proof = Some(known.authenticated_by().to_string());
    report.ended("auth", host);
    if let Some(problem) = undecoded {
        return Err(problem.into());
    }
    match control {
        Control::Act => {
            report.service = service.map(str::to_owned);
            let mut acted = Acted::default();
            let done = act::act(host, &known, service, &mut acted);
            (report.more, report.warnings) = (acted.more, acted.warnings);
            report.stages.extend(acted.stages);
            report.warn(host.problem());
            done.map(|message| report::success(StatusCode::OK, &message, report))
        }
        Control::Check => {
            // Every vendor knows the shared secret, and the findings name services, keys and people.
            let own = config.variable == ["secret_", control.slug()].concat();
            let checked = check::check(host, &known, own);
            report.warnings = checked.warnings;
            report.ended("check", host);
            Ok(checked.reply)
        }
    }
}

/// Runs a delivery through to PagerDuty. A preview stops before the first outbound event.
fn deliver(
    host: &mut Variables<'_>,
    request: &Request,
    to: &Delivery<'_>,
    explained: Option<Wanted>,
    report: &mut Report,
) -> Result<Reply, Error> {
    let intake = Intake::find(host, to.by)?;
    report.ended("read", host);
    report.source = Some(intake.slug().to_owned());
    report.asked_preview = to.preview;
    // A browser adds a password that it remembers, and a page of another site knows no other secret.
    if request.is_cross_site() && !to.preview {
        return Err(Error::CrossSite);
    }
    let (hmac, deadline) = (intake.hmac(), intake.deadline());
    let schemes = intake.schemes(hmac.as_ref());
    let config = config::load(host, intake.slug(), &schemes, intake.own_secret())?;

    let authenticate = |host: &mut dyn Host, request| {
        let known = authenticate(host, request, &schemes, &config, deadline);
        known.map_err(|error| refusal(error, &intake, &schemes, request, to))
    };
    // A sender without a signature is refused before its body is read.
    let signed = auth::is_signed(request, &schemes, &config.listed);
    let known = if signed { None } else { Some(authenticate(host, request)?) };
    let request = &*receive(host, request, deadline.min(BODY_TIMEOUT));
    let unread = readable(request)?;
    let known = known.map(|known| known.with_body_of(request));
    let delivery = known.map_or_else(|| without_its_body(authenticate(host, request), unread.as_ref()), Ok)?;
    let (delivery, undecoded) = delivery.decoded();
    let unread = unread.or(undecoded.map(Error::Read));
    report.proof = Some(delivery.authenticated_by().to_string());
    // Not before authentication: an unauthenticated path can contain anything, even a misplaced secret.
    report.service = to.service.map(str::to_owned);
    if intake.own_secret() {
        config::check_not_shared(host, &config)?;
    }
    config::check_service(host, intake.slug(), to.service)?;
    let target = config::target(host, to.service)?;
    let options = intake.options(host, target.grouping)?;
    report.warn(host.problem());
    report
        .warnings
        .extend(target.warning.as_ref().map(|error| format!("{error}; alerts opened with the previous key stay open")));
    report.ended("auth", host);

    let mapper = intake.mapper(options);
    let mapped = if unread.is_none() { map(&mapper, &delivery) } else { Mapped::default() };
    let explained = explained.map(|wanted| (wanted, Positions::of(&mapped.events)));
    let Mapped { events, ignored, rejected, group, handshake } = mapped;
    let reasons: Vec<String> =
        rejected.iter().map(ToString::to_string).chain(unread.as_ref().map(Error::to_string)).collect();
    (report.ignored, report.rejected) = (ignored, rejected);
    let events = former_keys::with_copies(events);
    report.warnings.extend(outlined(&events));
    let (events, warnings) = plan(host, &intake, events, group.as_ref());
    report.warnings.extend(warnings);
    let is_rest = !events.is_empty();
    let subject = || match &unread {
        Some(_) => Subject::unreadable(),
        None => fallback::subject(&delivery, &report.rejected, is_rest),
    };
    let fallback = |reasons: &[String]| fallback(&intake, delivery.body(), (&config, &target), reasons, &subject());
    let (mut events, warnings) = with_fallback(&target, events, &reasons, &fallback);
    report.warnings.extend(warnings);
    // A mapping that is explained sees each alert alone.
    let explained = explained.map(|(wanted, positions)| (wanted, positions, events.clone()));
    event::tell_apart(&mut events);
    report.ended("map", host);

    let visit = visit(&intake, handshake.as_ref(), &config)?;
    let destination = destination(&target);
    // A preview ends here, before anything is sent.
    let status = if to.preview {
        report.warnings.extend(visit.map(|_| "the subscription would be confirmed".to_owned()));
        let draft = |events: &[Event]| events_api::draft(events, destination, &target.routing_key_variable);
        let (events, copies) = former_keys::without_copies(events);
        let explain = |(wanted, positions, alone)| {
            let (alone, _) = former_keys::without_copies(alone);
            let map = |delivery: &Authenticated<'_>| mapper.map(delivery);
            let since = host.elapsed();
            let in_time = || host.elapsed().saturating_sub(since) < EXPLAIN_MAX;
            let question = Question { map: &map, delivery: &delivery, words: &intake.states(), in_time: &in_time };
            explain::explain(&question, &alone, &positions, wanted)
        };
        let explanation = explained.map(explain);
        let copies = draft(&copies).into_iter().zip(copies).collect();
        report.preview = Some(preview::preview(draft(&events), &events, copies, explanation));
        report::mapped(StatusCode::OK, &target, report)?
    } else {
        if let Some((url, rule)) = visit {
            confirm(host, &url, rule, deadline)?;
        }
        report.outcomes = events_api::deliver(host, &events, destination, deadline);
        report.ended("deliver", host);
        report.warnings.extend(report::warnings(&target, &report.outcomes));
        report::judge(intake.success(), &target, report)?
    };
    match (unread, handshake) {
        (Some(error), _) => Err(error),
        (None, Some(Handshake::Echo { media_type, body })) if !to.preview => {
            Ok(Reply::text(status, media_type, body).uncached())
        }
        (None, _) => Ok(report::success(status, &report.message(), report)),
    }
}

/// The request with its body, which is read until `until` at the latest.
fn receive<'a>(host: &mut dyn Host, request: &'a Request, until: Duration) -> Cow<'a, Request> {
    match host.body(until) {
        None => Cow::Borrowed(request),
        Some(Ok(body)) => Cow::Owned(Request { body, ..request.clone() }),
        Some(Err(problem)) => Cow::Owned(Request { problem: Some(problem), ..request.clone() }),
    }
}

/// The error of a body that could not be read, if the delivery can continue without the body. An oversized body may
/// still contain an alert, so the delivery continues and pages. The sender of a broken or late body retries, so those
/// end here.
fn readable(request: &Request) -> Result<Option<Error>, Error> {
    match request.problem {
        Some(ReadError::TooLarge) => Ok(Some(Error::Read(ReadError::TooLarge))),
        Some(problem) => Err(problem.into()),
        None => Ok(None),
    }
}

/// Authenticates the sender by one of `schemes`, until `deadline` at the latest.
fn authenticate<'a>(
    host: &mut dyn Host,
    request: &'a Request,
    schemes: &'a [Scheme<'a>],
    config: &Config,
    deadline: Duration,
) -> Result<Authenticated<'a>, Error> {
    let access = Access { secrets: config.secrets.as_ref(), policy: config.policy, listed: &config.listed };
    let now = host.now();
    Ok(auth::verify(request, schemes, access, now, &mut |url| fetch(host, url, deadline))?)
}

/// The reply's error for a sender that is not authenticated.
fn refusal(error: Error, intake: &Intake, schemes: &[Scheme<'_>], request: &Request, to: &Delivery<'_>) -> Error {
    if let Some(broken) = intake.broken() {
        return Error::Map(broken);
    }
    // A browser would remember the password and add it to requests that other sites make it send.
    let challenge = auth::awaits_challenge(schemes) && !to.preview && !request.is_from_browser();
    match error {
        Error::Auth(AuthError::Refused) if challenge => Error::Challenge,
        error => error,
    }
}

/// The error of a signed body that could not be read: without the body no signature can be verified.
fn without_its_body<'a>(
    known: Result<Authenticated<'a>, Error>,
    unread: Option<&Error>,
) -> Result<Authenticated<'a>, Error> {
    match (unread, known) {
        (Some(error), Err(_)) => Err(error.clone()),
        (Some(error), Ok(known)) if known.authenticated_by().scheme.is_signature() => Err(error.clone()),
        (_, known) => known,
    }
}

/// Maps the payload to events.
fn map(mapper: &Mapper<'_>, delivery: &Authenticated<'_>) -> Mapped {
    mapper.map(delivery).unwrap_or_else(|error| Mapped { rejected: vec![error], ..Mapped::default() })
}

/// Warns that some events are only outlines.
fn outlined(events: &[Event]) -> Option<String> {
    let count = events.iter().filter(|event| event.is_outline()).count();
    let events = text::count(count, "event");
    let warning = format!("{events} sent without details, because the events of this delivery exceed the size limit");
    (count > 0).then_some(warning)
}

/// Decides which events are sent individually, and returns warnings about the others.
fn plan(host: &dyn Host, intake: &Intake, events: Vec<Event>, group: Option<&DedupKey>) -> (Vec<Event>, Vec<String>) {
    let plan = storm::plan(events, group, (intake.slug(), intake.name()), host.now());
    let warnings = [
        (plan.merged, "events were merged into later events of the same alert"),
        (plan.digested, "events are listed in a digest alert because there are too many to send individually"),
        (plan.listed_changes, "changes are listed in one more change because there are too many to send individually"),
    ];
    let warnings = warnings.into_iter().filter(|(count, _)| *count > 0);
    (plan.events, warnings.map(|(count, what)| format!("{count} {what}")).collect())
}

/// Adds a fallback alert if something could not be mapped.
fn with_fallback(
    target: &Target,
    mut events: Vec<Event>,
    reasons: &[String],
    fallback: &dyn Fn(&[String]) -> Option<Event>,
) -> (Vec<Event>, Option<String>) {
    let silent = target.unmapped == Unmapped::Reject || reasons.is_empty();
    let page = if silent { None } else { fallback(reasons) };
    let Some(page) = page else { return (events, None) };
    let reports = match page.action() {
        Action::Resolve => "the delivery says that a problem is over, so its fallback alert is resolved",
        _ => "a fallback alert reports it",
    };
    events.insert(0, page);
    (events, Some(format!("{} could not be mapped; {reports}", text::count(reasons.len(), "item"))))
}

/// The fallback alert. It shows the beginning of the body, without the sender's secrets and the routing keys: a sender may
/// put them anywhere.
fn fallback(
    intake: &Intake,
    body: &[u8],
    (config, target): (&Config, &Target),
    reasons: &[String],
    subject: &Subject,
) -> Option<Event> {
    let redact = |text: &str| {
        let text = target.routing_keys.redact(text);
        config.secrets.as_ref().map(|secrets| secrets.redact(&text)).unwrap_or(text)
    };
    let body = redact(&String::from_utf8_lossy(body.get(..EXCERPT_BYTES).unwrap_or(body)));
    fallback::page((intake.slug(), intake.name()), reasons, subject, &body, &redact)
}

fn destination(target: &Target) -> Destination<'_> {
    Destination {
        keys: &target.routing_keys,
        alerts: &target.alerts_url,
        changes: &target.changes_url,
        minimal: target.unmapped == Unmapped::Page,
    }
}

/// The URL that the sender asks the relay to visit, if the source's rule and the operator's list allow it.
fn visit(
    intake: &Intake,
    handshake: Option<&Handshake>,
    config: &Config,
) -> Result<Option<(Url, &'static Visit)>, Error> {
    let Some(Handshake::Visit { whose, path }) = handshake else { return Ok(None) };
    let Some(rule) = intake.visit() else { return Ok(None) };
    // The sender is authenticated, by signature or by secret. Whether the operator wants this subscription is a
    // separate question.
    let authority = (rule.authority)(whose).filter(|_| config.listed.contains(whose));
    let authority = authority.ok_or(Error::Handshake { problem: HandshakeError::Unlisted, said: rule.unlisted })?;
    Ok(Some((Url { https: true, authority, path: path.clone() }, rule)))
}

fn confirm(host: &mut dyn Host, url: &Url, rule: &Visit, deadline: Duration) -> Result<(), Error> {
    fetch(host, url, deadline).map(|_| ()).map_err(|error| match error {
        FetchError::Absent => Error::Handshake { problem: HandshakeError::Refused, said: rule.refused },
        FetchError::Trouble => Error::Handshake { problem: HandshakeError::Unreachable, said: rule.unreachable },
    })
}

/// Fetches a document.
fn fetch(host: &mut dyn Host, url: &Url, deadline: Duration) -> Result<Vec<u8>, FetchError> {
    match runtime::request_once(host, HttpRequest::get(url.clone()), Duration::ZERO, deadline.min(FETCH_MAX)) {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) if (400..500).contains(&answer.status) => Err(FetchError::Absent),
        _ => Err(FetchError::Trouble),
    }
}
