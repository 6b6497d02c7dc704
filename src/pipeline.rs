//! The pipeline: its stages, in order. Each stage takes values and returns values, and only this module calls the stages.
//!
//! A delivery passes [`route`](route::route) → [`Intake::find`] → `Gate::by_head` → `receive`, which reads the body →
//! `Gate::with_body` → `Gate::target` → `map` → `rules` → `plan` → `page` → [`tell_apart`](event::tell_apart) →
//! `send`: [`held`](crate::outbox::held) → [`deliver`](events_api::deliver) → [`keep`](crate::outbox::keep()), the first and the
//! last only with an outbox. From `rules` on, the events of each destination are apart. Before `send`, a sign of life in the
//! delivery is noted, and a subscription is confirmed. After the answer follows `Later::run`:
//! [`drain`](crate::outbox::drain()) → `retry` → [`tell`](crate::outbox::fallback::tell).
//!
//! A preview ends with [`preview`](preview::preview) before anything is sent. A control request passes `route` → `authenticate` →
//! [`act`](act::act), [`check`](check::check) or `beat::noted`. A tick passes `route` → [`due`](crate::outbox::beats::due) →
//! [`drain`](crate::outbox::drain()). [`Report`] collects the facts for the reply and the log.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::auth::{Authenticated, SHARED_SECRET};
use crate::config::{self, ConfigError, Control, Problem, Target, Variables};
use crate::endpoints::act::{self, Acted};
use crate::endpoints::preview::Asked;
use crate::endpoints::preview::explain::{self, Positions, Question};
use crate::endpoints::{check, playground, preview, setup};
use crate::error::Error;
use crate::http::api::{Answer, Told};
use crate::http::{BODY_TIMEOUT, Reply, Request, StatusCode};
use crate::inbound::intake::{Intake, Mapper};
use crate::inbound::route::{self, Delivery, Endpoint, Through, Unrouted};
use crate::mapping::{Handshake, Ignored, MapError, Mapped};
use crate::pagerduty::event::{self, DedupKey, Event};
use crate::pagerduty::events_api::{self, Draft};
use crate::pagerduty::storm;
use crate::report::{self, Report};
use crate::runtime::Host;
use crate::sources::{SOURCES, Source};
use crate::text;

mod beat;
mod gate;
mod later;
mod mirror;
mod page;
mod rules;
mod send;
mod tick;
mod visit;

use self::gate::{Gate, authenticate, receive};
use self::later::Later;
use self::page::Unmapped;
use self::rules::{Routed, Ruling, rules};
use self::send::Ready;

/// When to cut a preview's explanation short, however little it has counted. The steps of a template count for little.
const EXPLAIN_MAX: Duration = Duration::from_millis(500);

/// How much of a program's name is in the log, in UTF-16 code units.
pub const AGENT_MAX_CHARS: usize = 80;

/// Serves a request: passes the reply to `answer`, then does the work that is left. Passes each line for the log to
/// `log`, and none before the reply, so that the sender never waits for a slow log. Public endpoints log nothing. No line
/// contains a secret or a payload.
pub fn serve(host: &mut dyn Host, request: &Request, answer: &mut dyn FnMut(Reply), log: &mut dyn FnMut(String)) {
    serve_among(SOURCES, host, request, answer, log);
}

/// Like [`serve`], with other sources than [`SOURCES`].
pub fn serve_among(
    sources: &[&'static Source],
    host: &mut dyn Host,
    request: &Request,
    answer: &mut dyn FnMut(Reply),
    log: &mut dyn FnMut(String),
) {
    let host = &mut Variables::new(host);
    let Handled { reply, lines, later } = handle_until_answer(sources, host, request);
    answer(reply);
    lines.into_iter().for_each(&mut *log);
    later.into_iter().flat_map(|later| later.run(host)).for_each(log);
}

/// Runs a request through the pipeline until its reply, as [`serve`] does. Returns the reply and the lines for the log.
///
/// The reply is 2xx only if PagerDuty has accepted every event or the outbox has stored it, or if there was nothing to send.
pub fn handle(host: &mut dyn Host, request: &Request) -> (Reply, Option<String>) {
    handle_among(SOURCES, host, request)
}

/// Like [`handle`], with other sources than [`SOURCES`].
pub fn handle_among(sources: &[&'static Source], host: &mut dyn Host, request: &Request) -> (Reply, Option<String>) {
    let Handled { reply, lines, .. } = handle_until_answer(sources, &mut Variables::new(host), request);
    (reply, (!lines.is_empty()).then(|| lines.join("\n")))
}

/// What a request leads to.
struct Handled {
    reply: Reply,
    /// The lines for the log.
    lines: Vec<String>,
    /// The work after the answer.
    later: Option<Later>,
}

impl Handled {
    /// The reply of a public endpoint.
    fn public(reply: Reply) -> Handled {
        Handled { reply, lines: Vec::new(), later: None }
    }
}

fn handle_until_answer(sources: &[&'static Source], host: &mut Variables<'_>, request: &Request) -> Handled {
    let mut report = Report::default();
    let mut later = None;
    // The API that the answer belongs to.
    let mut through = None;
    let result = match route::route(sources, request.method, &request.path) {
        Ok(Endpoint::Control { control, name, service }) => {
            administer(host, request, control, (name, service), &mut report)
        }
        Ok(Endpoint::Deliver(to)) => {
            // The path of the source itself has the relay's own replies, and so has a preview.
            through = to.through.filter(|through| !to.preview && !through.path.is_empty());
            if to.preview {
                let (asked, request) = preview::asked(request);
                deliver(host, &request, &to, asked, &mut report, &mut later)
            } else {
                deliver(host, request, &to, Asked::default(), &mut report, &mut later)
            }
        }
        Ok(Endpoint::Health) => return Handled::public(healthy()),
        Ok(Endpoint::Options) => return Handled::public(options()),
        Ok(Endpoint::Playground) => return Handled::public(playground::reply(&request.headers)),
        Ok(Endpoint::Tick) => {
            let (reply, lines) = tick::tick(host, request);
            return Handled { reply, lines, later: None };
        }
        Ok(Endpoint::Setup { source }) => return Handled::public(setup::reply(request, source)),
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
    let error = error.map(|error| error.to_string());
    let line = report::line(host, &report, Some(reply.status), error.as_deref());
    Handled { reply, lines: vec![line], later }
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
    (through.api.answer)(&Told {
        method: request.method,
        path: through.path,
        status,
        message: &message,
        dedup_key: report.dedup_key(),
        warnings: &report.warnings,
        retry_after: error.and_then(Error::retry_after),
        took: host.elapsed(),
    })
}

/// Adds the problem with variable `settings` to the error of a variable that it could contain.
fn because(error: Error, variables: &Variables<'_>) -> Error {
    match (error, variables.problem()) {
        (Error::Config(error), problem) => Error::Config(error.because(problem)),
        // Nobody knows whether there is such a heartbeat.
        (Error::UnknownHeartbeat(Some(variable)), settings @ Some(_)) => {
            Error::Config(ConfigError { variable, problem: Problem::Unset, settings })
        }
        (error, _) => error,
    }
}

/// A constant: probes ask often, and the answer costs little more than the runtime's instance.
fn healthy() -> Reply {
    Reply::text(StatusCode::OK, "application/json", crate::HEALTH.to_owned()).uncached()
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
    (name, service): (&str, Option<&str>),
    report: &mut Report,
) -> Result<Reply, Error> {
    report.ended("read", host);
    report.source = Some(control.slug().to_owned());
    let config = config::load(host, control.slug(), SHARED_SECRET, control.accepted())?;
    let known = authenticate(host, request, SHARED_SECRET, &config, Duration::ZERO)?;
    config::check_own_secret(host, &config)?;
    // A check needs no body.
    let request = if control == Control::Check { Cow::Borrowed(request) } else { receive(host, request, BODY_TIMEOUT) };
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
        // Such a page must not keep a sender alive that is silent.
        Control::Heartbeat if request.is_cross_site() => Err(Error::CrossSite),
        Control::Heartbeat => {
            report.service = service.map(str::to_owned);
            beat::noted(host, known.body(), name, service, report)?;
            Ok(report::success(StatusCode::OK, beat::NOTED, report))
        }
    }
}

/// Runs a delivery through to PagerDuty, as the documentation of this module says. A preview stops before the first outbound
/// event.
fn deliver(
    host: &mut Variables<'_>,
    request: &Request,
    to: &Delivery<'_>,
    asked: Asked,
    report: &mut Report,
    later: &mut Option<Later>,
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

    // Who sends, and where it goes.
    let (hmac, deadline) = (door.hmac(), door.deadline());
    let schemes = door.schemes(hmac.as_ref());
    let config = config::load(host, door.slug(), &schemes, door.accepted(to.service))?;
    let gate = Gate { door, schemes: &schemes, config: &config, deadline, to };
    let known = gate.by_head(host, request)?;
    let request = &*receive(host, request, deadline.min(BODY_TIMEOUT));
    let (delivery, unread) = gate.with_body(host, known, request)?;
    report.proof = Some(delivery.authenticated_by().to_string());
    // The secret may name the service, if the path does not.
    let service = to.service.or(delivery.authenticated_by().service);
    // Not before authentication: an unauthenticated path can contain anything, even a misplaced secret.
    report.service = service.map(str::to_owned);
    report.agent = delivery.header("user-agent").map(|name| agent(&config.redact(name)));
    let target = gate.target(host, service)?;
    let options = intake.options(host, target.grouping)?;
    report.warn(host.problem());
    report.warnings.extend(target.warns());
    report.ended("auth", host);

    // The events.
    let mapper = intake.mapper(options);
    let mapped = if unread.is_none() { map(&mapper, &delivery) } else { Mapped::default() };
    let explained = asked.explain.map(|wanted| (wanted, Positions::of(&mapped.events)));
    let Mapped { events, ignored, rejected, group, handshake } = mapped;
    let never_pages = to.through.is_some_and(|through| (through.api.never_pages)(through.path));
    note_mapped(to, &events, (ignored, rejected), report);
    // Nothing is paged for a body that its API does not have.
    if let Some(error) = report.rejected.iter().find(|error| never_pages || **error == MapError::Batch) {
        return Err(error.clone().into());
    }

    // The events of each destination.
    let is_rest = !events.is_empty();
    let map = |delivery: &Authenticated<'_>| mapper.map(delivery);
    let (preview, group) = (to.preview, group.as_ref());
    let ruling =
        Ruling { intake: &intake, door, service, preview, delivery: &delivery, group, asked: &asked, map: &map };
    let Routed { further, batches, traces, unruled, has_rules } = rules(host, &ruling, &target, events, report)?;
    let targets: Vec<&Target> = std::iter::once(&target).chain(&further).collect();
    report.further_keys = further.iter().map(|target| target.routing_key_variable.clone()).collect();

    // Those that are sent individually, and the fallback alert.
    let mut batches: Vec<Vec<Event>> =
        batches.into_iter().map(|events| plan(host, &intake, (events, has_rules), group, report)).collect();
    let unmapped = Unmapped { intake: &intake, delivery: &delivery, config: &config, target: &target };
    let page = page::page(&unmapped, unread.as_ref(), &report.rejected, is_rest);
    if let (Some((page, warning)), Some(events), false) = (page, batches.first_mut(), never_pages) {
        events.insert(0, page);
        report.warnings.push(warning);
    }
    // A mapping that is explained sees each alert alone.
    let explained =
        explained.map(|(wanted, positions)| (wanted, positions, preview::alone(&batches, &traces, &unruled)));
    batches.iter_mut().for_each(|events| event::tell_apart(events));
    report.ended("map", host);

    if let (Some(Handshake::Beat(name)), false) = (&handshake, preview) {
        beat::noted(host, delivery.body(), name, service, report)?;
    }
    let visit = visit::visit(host, &intake, handshake.as_ref())?;
    // Nothing is sent for a preview.
    let status = if preview {
        report.warnings.extend(unanswered(visit.is_some(), handshake.as_ref()));
        let explanation = explained.map(|(wanted, positions, alone)| {
            let since = host.elapsed();
            let in_time = || host.elapsed().saturating_sub(since) < EXPLAIN_MAX;
            let question = Question { map: &map, delivery: &delivery, words: &intake.states(), in_time: &in_time };
            explain::explain(&question, &alone, &positions, wanted)
        });
        report.preview = Some(preview::preview(drafts(&batches, &targets), &traces, explanation));
        report::mapped(StatusCode::OK, &target, report)?
    } else {
        if let Some((url, rule)) = visit {
            visit::confirm(host, &url, rule, deadline)?;
        }
        let ready = Ready {
            intake: &intake,
            door,
            request,
            delivery: &delivery,
            is_read: unread.is_none(),
            batches: &batches,
            targets: &targets,
            group,
            deadline,
        };
        *later = send::send(host, &ready, report);
        report::judge(door.success(), &target, report)?
    };
    match (unread, handshake) {
        (Some(error), _) => Err(error),
        (None, Some(Handshake::Answer(answer))) if !preview => {
            report.answered = true;
            Ok(answer)
        }
        (None, _) => Ok(report::success(status, &report.message(), report)),
    }
}

/// Notes what the mapping made, for the reply and the log.
fn note_mapped(
    to: &Delivery<'_>,
    events: &[Event],
    (ignored, rejected): (Vec<Ignored>, Vec<MapError>),
    report: &mut Report,
) {
    if to.through.is_some_and(|through| !through.path.is_empty()) {
        report.warnings.extend(without_effect(&ignored));
    }
    if let ([event], [], false) = (events, &*rejected, to.preview) {
        report.mapped_key = event.dedup_key().map(|key| key.as_str().to_owned());
    }
    (report.ignored, report.rejected) = (ignored, rejected);
}

/// Warns that a preview does not answer a sender that wants more than alerts.
fn unanswered(is_visit: bool, handshake: Option<&Handshake>) -> Option<String> {
    let what = match handshake {
        Some(Handshake::Answer(_) | Handshake::Question) => "the sender asks a question, which would be answered",
        _ if is_visit => "the subscription would be confirmed",
        _ => return None,
    };
    Some(what.to_owned())
}

/// The events of all destinations, as they would be sent.
fn drafts<'e>(batches: &'e [Vec<Event>], targets: &[&Target]) -> Vec<(Draft, &'e Event)> {
    let drafts = batches
        .iter()
        .zip(targets)
        .flat_map(|(events, target)| events_api::draft(events, target.destination(), &target.routing_key_variable));
    drafts.zip(batches.iter().flatten()).collect()
}

/// The reasons why parts of a request have no event, each once. A client of an API asked for them, so somebody should know
/// that they have no effect.
fn without_effect(ignored: &[Ignored]) -> BTreeSet<String> {
    ignored.iter().map(|ignored| ignored.reason.to_string()).collect()
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

/// Decides which events of one destination are sent individually, and warns about the others.
fn plan(
    host: &dyn Host,
    intake: &Intake,
    (events, has_rules): (Vec<Event>, bool),
    group: Option<&DedupKey>,
    report: &mut Report,
) -> Vec<Event> {
    report.warnings.extend(outlined(&events));
    let plan = storm::plan(events, group, (intake.slug(), intake.name()), host.now(), has_rules);
    let warnings = [
        (plan.merged, "events were merged into later events of the same alert"),
        (plan.digested, "events are listed in a digest alert because there are too many to send individually"),
        (plan.listed_changes, "changes are listed in one more change because there are too many to send individually"),
    ];
    let warnings = warnings.into_iter().filter(|(count, _)| *count > 0);
    report.warnings.extend(warnings.map(|(count, what)| format!("{count} {what}")));
    plan.events
}

/// The name of a program for the log.
fn agent(name: &str) -> String {
    text::truncate(&text::one_line(name), AGENT_MAX_CHARS).into_owned()
}
