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
use crate::config::{self, Accepted, Config, Control, Target, Unmapped, Variables};
use crate::endpoints::act::{self, Acted};
use crate::endpoints::preview::explain::{self, Positions, Question, Wanted};
use crate::endpoints::{check, playground, preview, setup};
use crate::error::{Error, HandshakeError};
use crate::http::api::{Answer, Told};
use crate::http::{BODY_TIMEOUT, ReadError, Reply, Request, StatusCode, Url};
use crate::inbound::intake::{Intake, Mapper};
use crate::inbound::route::{self, Delivery, Endpoint, Through, Unrouted};
use crate::json;
use crate::mapping::subject::Subject;
use crate::mapping::{Handshake, MapError, Mapped, fallback};
use crate::pagerduty::event::{self, Action, DedupKey, Event};
use crate::pagerduty::events_api::{self, Beside, Destination};
use crate::pagerduty::{former_keys, storm};
use crate::report::{self, Report};
use crate::runtime::{self, Host, HttpRequest, HttpResponse, SendError};
use crate::sources::{Mirrored, SOURCES, Source, Visit};
use crate::text;

/// Timeout for a document that authentication needs, counted from the request's arrival.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// When to cut a preview's explanation short, however little it has counted. The steps of a template count for little.
const EXPLAIN_MAX: Duration = Duration::from_millis(500);

/// How long a copy for another product may take.
const MIRROR_MAX: Duration = Duration::from_secs(2);

/// How much of a program's name is in the log, in UTF-16 code units.
const AGENT_MAX_CHARS: usize = 80;

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
    // The API that the answer belongs to.
    let mut through = None;
    let result = match route::route(sources, request.method, &request.path) {
        Ok(Endpoint::Control { control, service }) => administer(host, request, control, service, &mut report),
        Ok(Endpoint::Deliver(to)) => {
            // The path of the source itself has the relay's own replies, and so has a preview.
            through = to.through.filter(|through| !to.preview && !through.path.is_empty());
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
        Ok(Endpoint::Setup { source }) => return (setup::reply(&request.headers, source), None),
        Err(Unrouted { error, through: known }) => {
            through = known;
            report.source = known.map(|known| known.source.slug.to_owned());
            Err(error.into())
        }
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
    // An answer that the mapping has made is complete.
    if let Some(through) = through.filter(|_| !report.answered) {
        let answer = answer(host, request, &through, &report, (reply.status, error.as_ref()));
        reply = reply.with_answer(answer);
    }
    // The log always reports this, and the reply only to authenticated senders.
    report.warn(host.problem());
    let unshown = std::mem::take(&mut report.unshown);
    report.warnings.extend(unshown);
    let line = report::line(host, &report, &reply, error.as_ref());
    (reply, Some(line))
}

/// The answer in the form of the API that the request uses.
fn answer(
    host: &dyn Host,
    request: &Request,
    through: &Through<'_>,
    report: &Report,
    (status, error): (StatusCode, Option<&Error>),
) -> Answer {
    let message = error.map_or_else(|| report.message(), Error::to_string);
    let dedup_key = report.outcomes.first().and_then(|outcome| outcome.dedup_key.as_deref());
    (through.api.answer)(&Told {
        method: request.method,
        path: through.path,
        status,
        message: &message,
        dedup_key: dedup_key.filter(|_| report.outcomes.len() == 1),
        warnings: &report.warnings,
        retry_after: error.and_then(Error::retry_after),
        took: host.elapsed(),
    })
}

/// Adds the problem with variable `settings` to the error of a variable that it could contain.
fn because(error: Error, variables: &Variables<'_>) -> Error {
    match error {
        Error::Config(error) => Error::Config(error.because(variables.problem())),
        error => error,
    }
}

fn healthy() -> serde_json::Value {
    json::object([("status", "success".into())])
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
    let config = config::load(host, control.slug(), SHARED_SECRET, control.accepted())?;
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
    // The source that the sender has the secret of. Another source may map what is sent to some of its paths.
    let through = to.through.map(|through| Intake::Source(through.source));
    let door = through.as_ref().unwrap_or(&intake);
    report.ended("read", host);
    report.source = Some(door.slug().to_owned());
    report.asked_preview = to.preview;
    // A browser adds a password that it remembers, and a page of another site knows no other secret.
    if request.is_cross_site() && !to.preview {
        return Err(Error::CrossSite);
    }
    let (hmac, deadline) = (door.hmac(), door.deadline());
    let schemes = door.schemes(hmac.as_ref());
    let config = config::load(host, door.slug(), &schemes, door.accepted(to.service))?;

    let authenticate = |host: &mut dyn Host, request| {
        let known = authenticate(host, request, &schemes, &config, deadline);
        known.map_err(|error| refusal(error, door, &schemes, request, to))
    };
    // A sender without a signature, and without a key in the body, is refused before its body is read.
    let signed = auth::is_signed(request, &schemes, &config.listed);
    let known = if signed { None } else { Some(authenticate(host, request)) };
    let in_body = matches!(known, Some(Err(Error::Auth(AuthError::Refused)))) && auth::may_be_in_body(&schemes);
    let known = if in_body { None } else { known.transpose()? };
    let request = &*receive(host, request, deadline.min(BODY_TIMEOUT));
    let unread = readable(request)?;
    let delivery = match (known, &unread) {
        (Some(known), _) => known.with_body_of(request),
        (None, Some(error)) if in_body => return Err(error.clone()),
        (None, None) if in_body => auth::verify_body(request, &schemes, access(&config))?,
        (None, unread) => without_its_body(authenticate(host, request), unread.as_ref())?,
    };
    let delivery = delivery.at(to.through.map_or("", |through| through.path));
    let (delivery, undecoded) = delivery.decoded();
    let unread = unread.or(undecoded.map(Error::Read));
    report.proof = Some(delivery.authenticated_by().to_string());
    // The secret may name the service, if the path does not.
    let service = to.service.or(delivery.authenticated_by().service);
    // Not before authentication: an unauthenticated path can contain anything, even a misplaced secret.
    report.service = service.map(str::to_owned);
    report.agent = delivery.header("user-agent").map(|name| agent(&config.redact(name)));
    if door.accepted(service) != Accepted::Any {
        config::check_not_shared(host, &config)?;
    }
    config::check_service(host, door.slug(), service)?;
    let target = config::target(host, service)?;
    config::check_not_routing_key(&config, &target)?;
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
    // A client of an API asked for these, so somebody should know that they have no effect.
    let asked = to.through.is_some_and(|through| !through.path.is_empty());
    for reason in ignored.iter().map(|ignored| ignored.reason).filter(|_| asked) {
        if !report.warnings.iter().any(|warning| warning == reason) {
            report.warnings.push(reason.to_owned());
        }
    }
    (report.ignored, report.rejected) = (ignored, rejected);
    // Nothing is paged for a body that its API does not have.
    if report.rejected.contains(&MapError::Batch) {
        return Err(MapError::Batch.into());
    }
    let events = former_keys::with_copies(events);
    report.warnings.extend(outlined(&events));
    let (events, warnings) = plan(host, &intake, events, group.as_ref());
    report.warnings.extend(warnings);
    let is_rest = !events.is_empty();
    let subject = || match unread {
        None if !delivery.is_opaque() => fallback::subject(&delivery, &report.rejected, is_rest),
        _ => Subject::unreadable(),
    };
    // A key may be anywhere in such a body.
    let shown = if delivery.is_opaque() { &[] } else { delivery.body() };
    let fallback = |reasons: &[String]| fallback(&intake, shown, (&config, &target), reasons, &subject());
    let (mut events, warnings) = with_fallback(&target, events, &reasons, &fallback);
    report.warnings.extend(warnings);
    // A mapping that is explained sees each alert alone.
    let explained = explained.map(|(wanted, positions)| (wanted, positions, events.clone()));
    event::tell_apart(&mut events);
    report.ended("map", host);

    let visit = visit(host, &intake, handshake.as_ref())?;
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
        let (copy, key) = mirrored(host, door, &delivery, unread.is_none(), report).unzip();
        let (outcomes, copied) = events_api::deliver(host, &events, destination, deadline, copy);
        report.outcomes = outcomes;
        report.unshown.extend(key.zip(copied).and_then(|(key, answer)| refused_copy(key, answer)));
        report.ended("deliver", host);
        report.warnings.extend(report::warnings(&target, &report.outcomes));
        report::judge(door.success(), &target, report)?
    };
    match (unread, handshake) {
        (Some(error), _) => Err(error),
        (None, Some(Handshake::Answer(answer))) if !to.preview => {
            report.answered = true;
            Ok(answer)
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
    config: &'a Config,
    deadline: Duration,
) -> Result<Authenticated<'a>, Error> {
    let now = host.now();
    Ok(auth::verify(request, schemes, access(config), now, &mut |url| fetch(host, url, deadline))?)
}

/// The secrets of a source, and the requirements for its senders.
fn access(config: &Config) -> Access<'_> {
    let Config { secrets, of_services, policy, listed, .. } = config;
    Access { secrets: secrets.as_ref(), of_services, policy: *policy, listed }
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
        config.redact(&text)
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

/// The copy of a delivery for the product that its sender used before, with the variable that asks for it. A problem with
/// it is not the sender's concern.
fn mirrored(
    host: &dyn Host,
    door: &Intake,
    delivery: &Authenticated<'_>,
    is_read: bool,
    report: &mut Report,
) -> Option<(Beside, &'static str)> {
    let mirror = door.source().and_then(|source| source.mirror).filter(|_| is_read)?;
    let (key, authority) = match config::mirror(host, mirror.key, mirror.region, mirror.hosts) {
        Ok(found) => found?,
        Err(error) => {
            report.unshown.push(error.to_string());
            return None;
        }
    };
    let Mirrored { method, path, body } = (mirror.request)(delivery)?;
    let url = Url { https: true, authority: authority.to_owned(), path };
    let headers = vec![("authorization", key.authorization(mirror.scheme))];
    let outbound = HttpRequest { method, headers, body, ..HttpRequest::get(url) };
    Some((Beside { outbound, timeout: MIRROR_MAX }, mirror.key))
}

/// The warning for a copy that was not accepted. `key` is the variable that asks for it.
fn refused_copy(key: &str, answer: Result<HttpResponse, SendError>) -> Option<String> {
    let why = match answer {
        Ok(HttpResponse { status: 200..300, .. }) => return None,
        Ok(HttpResponse { status, .. }) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!("the copy that variable `{key}` asks for was not accepted: {why}"))
}

/// The name of a program for the log.
fn agent(name: &str) -> String {
    text::truncate(&text::one_line(name), AGENT_MAX_CHARS).into_owned()
}

/// The URL that the sender asks the relay to visit, if the source's rule and the operator's list allow it.
fn visit(
    host: &dyn Host,
    intake: &Intake,
    handshake: Option<&Handshake>,
) -> Result<Option<(Url, &'static Visit)>, Error> {
    let Some(Handshake::Visit { whose, path }) = handshake else { return Ok(None) };
    let Some(rule) = intake.visit() else { return Ok(None) };
    // The sender is authenticated, by signature or by secret. Whether the operator wants this subscription is a
    // separate question.
    let listed = config::list(host, rule.listed_in)?;
    let authority = (rule.authority)(whose).filter(|_| listed.contains(whose));
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
