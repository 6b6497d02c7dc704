//! The pipeline: its stages, in order.

#[cfg(feature = "templates")]
use std::cell::OnceCell;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::auth::{self, Access, Authenticated, FetchError, SHARED_SECRET, Scheme};
use crate::config::{self, Config, Grouping, Target, Unmapped};
#[cfg(feature = "templates")]
use crate::custom::{Template, auth::Auth};
use crate::endpoints::act;
use crate::endpoints::check;
use crate::endpoints::playground;
use crate::endpoints::preview;
use crate::endpoints::preview::explain;
use crate::endpoints::setup;
use crate::error::{ConfirmError, Error};
use crate::http::Url;
use crate::http::{BODY_TIMEOUT, Method, ReadError, Reply, Request};
use crate::inbound::route::{self, By, Delivery, Endpoint};
use crate::json;
use crate::mapping::fallback;
use crate::mapping::{Confirm, MapError, Mapped};
use crate::pagerduty::events_api::{self, Channel, Failure, Outcome, Sent, Verdict};
use crate::pagerduty::storm;
use crate::report::{self, Facts, Preview};
use crate::runtime::{self, Host, Memo, Outbound};

/// What is kept of a sender's patience for the way back: this much, or a quarter where it has little.
const MARGIN: Duration = Duration::from_millis(500);
const MARGIN_SHARE: u32 = 4;

/// When a document that is needed to know the sender must be there, from the request's arrival on.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// The longest a request may take. The clouds that run Spin end a handler after 30 seconds.
const TOTAL_MAX: Duration = Duration::from_secs(25);

/// When a preview's explanation is cut short, from the request's arrival on.
const EXPLAIN_MAX: Duration = Duration::from_secs(3);

/// How much of a body is looked at for the page that says that it cannot be mapped, in bytes.
const EXCERPT_BYTES: usize = 64 * 1024;

/// Takes a request through the pipeline and gives the reply, and a line for the log but for what anybody may ask. The
/// line holds no secret and no payload.
///
/// The reply is 2xx only where PagerDuty has accepted every event, or where there was nothing to send.
pub fn handle(host: &mut dyn Host, request: Request) -> (Reply, Option<String>) {
    let mut facts = Facts::default();
    let result = match route::route(request.method, &request.path) {
        Ok(Endpoint::Act { service }) => {
            let host = &mut Memo::new(host);
            admit(host, &request, "act", &mut facts).and_then(|known| act::act(host, &known, service, &mut facts))
        }
        Ok(Endpoint::Check) => {
            let host = &mut Memo::new(host);
            admit(host, &request, "check", &mut facts).map(|known| check::check(host, &known, &mut facts))
        }
        Ok(Endpoint::Deliver(delivery)) => {
            take_in(host, &request, &delivery, &mut facts).map(|status| report::success(status, &facts))
        }
        Ok(Endpoint::Health) => return (Reply::json(StatusCode::OK, "application/json", &healthy()), None),
        Ok(Endpoint::Options) => return (options(), None),
        Ok(Endpoint::Page) => return (playground::reply(&request.headers), None),
        Ok(Endpoint::Setup { source }) => return (setup::reply(&request.headers, source), None),
        Err(error) => Err(error.into()),
    };
    let (reply, error) = match result {
        Ok(reply) => (reply, None),
        Err(error) => {
            let mut reply = error.reply(facts.reply());
            if facts.source.as_deref() == Some("act") {
                // A browser that was asked for a password would add it to what other pages send.
                reply.headers.retain(|(name, _)| *name != "www-authenticate");
            }
            (reply, Some(error))
        }
    };
    let line = report::line(host, &facts, &reply, error);
    (reply, Some(line))
}

/// How long a body may take to arrive: no longer than its sender waits for an answer to it.
pub fn body_timeout(method: Method, path: &str) -> Duration {
    match route::route(method, path) {
        Ok(Endpoint::Deliver(Delivery { by: By::Source(source), .. })) => deadline(source.patience).min(BODY_TIMEOUT),
        _ => BODY_TIMEOUT,
    }
}

/// When a delivery has to be answered whose sender waits for so long, from its arrival on.
fn deadline(patience: Duration) -> Duration {
    patience.saturating_sub(MARGIN.min(patience / MARGIN_SHARE)).min(TOTAL_MAX)
}

fn healthy() -> Value {
    json::object([("status", "success".into())])
}

/// Who may send, and how often: anybody who has the secret, at any rate.
/// <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>, section 4
fn options() -> Reply {
    let reply = Reply::text(StatusCode::OK, "text/plain", String::new());
    let reply = reply.header("allow", "POST, PUT, OPTIONS").header("webhook-allowed-origin", "*");
    reply.header("webhook-allowed-rate", "*")
}

/// Lets in who shows the shared secret: to what is not a delivery, and not for everybody.
fn admit<'a>(host: &dyn Host, request: &'a Request, slug: &str, facts: &mut Facts) -> Result<Authenticated<'a>, Error> {
    facts.ended("read", host);
    facts.source = Some(slug.to_owned());
    if let Some(problem) = request.problem {
        return Err(problem.into());
    }
    let config = config::load(host, slug, SHARED_SECRET)?;
    let access = Access { secrets: config.secrets.as_ref(), policy: config.policy, topics: &config.topics };
    // None of these schemes needs a document.
    let known = auth::verify(request, SHARED_SECRET, access, host.now(), &mut |_| Err(FetchError::Trouble))?;
    facts.proof = Some(known.proof().to_string());
    facts.ended("auth", host);
    Ok(known)
}

/// What deliveries are taken in by: a vendor's source, or a mapping of the user's own.
struct Intake<'a> {
    /// The end of its variables' names, and the beginning of its dedup keys.
    slug: &'a str,
    name: &'a str,
    schemes: &'a [Scheme<'a>],
    patience: Duration,
    success: StatusCode,
    /// Texts with the words in backticks that decide what is done.
    words: &'a [&'a str],
    map: &'a dyn Fn(Grouping, &Authenticated<'_>) -> Result<Mapped, MapError>,
}

/// Takes a delivery in and on to PagerDuty, or up to the wire where it is to be previewed.
fn take_in(
    host: &mut dyn Host,
    request: &Request,
    delivery: &Delivery<'_>,
    facts: &mut Facts,
) -> Result<StatusCode, Error> {
    match delivery.by {
        By::Source(source) => {
            let map = |grouping, delivery: &Authenticated<'_>| match (grouping, source.map_group) {
                (Grouping::Group, Some(map_group)) => map_group(delivery),
                _ => (source.map)(delivery),
            };
            let intake = Intake {
                slug: source.slug,
                name: source.name,
                schemes: source.schemes,
                patience: source.patience,
                success: source.success,
                words: &[source.setup.opens, source.setup.closes],
                map: &map,
            };
            stages(host, request, &intake, delivery, facts)
        }
        #[cfg(feature = "templates")]
        By::Custom(name) => {
            let (variable, text) = config::template(host, name)?;
            let template = Template::read(&variable, &text);
            let broken = template.as_ref().err();
            let (shared, words);
            let (auth, words) = match &template {
                Ok(template) => {
                    words = template.words();
                    (template.auth(), words.as_str())
                }
                // Whoever shows the shared secret is known all the same, and pages.
                Err(_) => {
                    shared = Auth::default();
                    (&shared, "")
                }
            };
            let hmac = auth.hmac();
            // Parsed once, because a preview maps many times, and not for strangers.
            let mapping = OnceCell::new();
            let parse = || template.as_ref().map_err(MapError::clone).and_then(Template::mapping);
            let map = |_, delivery: &Authenticated<'_>| match mapping.get_or_init(parse) {
                Ok(mapping) => mapping.map(&variable, delivery),
                Err(error) => Err(error.clone()),
            };
            let intake = Intake {
                slug: &variable,
                name: &["Mapping ", name].concat(),
                schemes: &auth.schemes(&hmac),
                patience: CUSTOM_PATIENCE,
                success: StatusCode::OK,
                words: &[words],
                map: &map,
            };
            stages(host, request, &intake, delivery, facts).map_err(|error| match (error, broken) {
                // Its senders may prove themselves in a way that the template would have said. What is in it is not for
                // strangers.
                (Error::Auth(_), Some(_)) => Error::Map(MapError::Template {
                    problem: ["variable `", &variable, "` is no template: GET /check says why"].concat(),
                }),
                (error, _) => error,
            })
        }
        #[cfg(not(feature = "templates"))]
        By::Custom(_) => Err(Error::Route(route::RouteError::Path)),
    }
}

/// How long senders are taken to wait that nobody knows.
#[cfg(feature = "templates")]
const CUSTOM_PATIENCE: Duration = Duration::from_secs(10);

fn stages(
    host: &mut dyn Host,
    request: &Request,
    intake: &Intake<'_>,
    to: &Delivery<'_>,
    facts: &mut Facts,
) -> Result<StatusCode, Error> {
    facts.ended("read", host);
    facts.source = Some(intake.slug.to_owned());
    facts.asked_preview = to.preview;
    let deadline = deadline(intake.patience);
    let unread = request.problem.map(Error::Read);
    // What is too large may still be an alert. The others break off or come late, and their senders come again.
    if let Some(error) = unread.as_ref().filter(|_| request.problem != Some(ReadError::TooLarge)) {
        return Err(error.clone());
    }
    let config = config::load(host, intake.slug, intake.schemes)?;
    let access = Access { secrets: config.secrets.as_ref(), policy: config.policy, topics: &config.topics };
    let now = host.now();
    let known = auth::verify(request, intake.schemes, access, now, &mut |url| fetch(host, url, deadline));
    let delivery = match (&unread, known) {
        // Without the body no signature can hold.
        (Some(error), Err(_)) => return Err(error.clone()),
        (Some(error), Ok(known)) if known.proof().scheme.is_signature() => return Err(error.clone()),
        (_, known) => known?,
    };
    facts.proof = Some(delivery.proof().to_string());
    // Not before: of a stranger's path nobody knows what is in it, and it may be a secret in the wrong place.
    facts.service = to.service.map(str::to_owned);
    let target = config::target(host, to.service)?;
    facts.warnings.extend(target.warning.as_ref().map(|error| format!("{error}: old alerts stay open")));
    facts.ended("auth", host);

    let map = |delivery: &Authenticated<'_>| (intake.map)(target.grouping, delivery);
    if unread.is_none() {
        match map(&delivery) {
            Ok(mapped) => facts.mapped = mapped,
            Err(error) => facts.mapped.rejected.push(error),
        }
    }
    let explained = to.preview.then(|| {
        let mapped = facts.mapped.events.clone();
        let in_time = || host.elapsed() < EXPLAIN_MAX;
        (explain::explain(&map, &delivery, &mapped, intake.words, &in_time), mapped)
    });
    let events = std::mem::take(&mut facts.mapped.events);
    let plan = storm::plan(events, facts.mapped.group.as_ref(), (intake.slug, intake.name), now);
    if plan.digested > 0 {
        facts.warnings.push(format!("{} events are only named in a digest: they are too many at once", plan.digested));
    }
    let mut events = plan.events;
    if target.unmapped == Unmapped::Page {
        let reasons = facts.mapped.rejected.iter().map(ToString::to_string);
        let reasons: Vec<String> = reasons.chain(unread.as_ref().map(Error::to_string)).collect();
        let shown = excerpt(delivery.body(), &config, &target);
        if let Some(page) = fallback::page(intake.slug, intake.name, &reasons, &shown) {
            facts.warnings.push(format!("{} items could not be mapped: a page says so", reasons.len()));
            events.insert(0, page);
        }
    }
    facts.ended("map", host);

    let channel = Channel {
        keys: &target.routing_keys,
        alerts: &target.alerts_url,
        changes: &target.changes_url,
        minimal: target.unmapped == Unmapped::Page,
    };
    let confirm = facts.mapped.confirm.as_ref().map(|confirm| confirmation(confirm, &config)).transpose()?;
    // The wire: a preview ends here.
    let status = if let Some((explanation, mapped)) = &explained {
        facts.warnings.extend(confirm.map(|_| "the subscription would be confirmed".to_owned()));
        let drafts = events_api::draft(&events, channel, &target.routing_key_variable);
        let events = preview::events(&drafts, &events, mapped, explanation);
        facts.preview = Some(Preview { events, explanation: explanation.clone() });
        match facts.mapped.rejected.first() {
            Some(error) if target.unmapped == Unmapped::Reject => Err(error.clone().into()),
            _ => Ok(StatusCode::OK),
        }
    } else {
        if let Some(url) = confirm {
            confirm_subscription(host, &url, deadline)?;
        }
        facts.outcomes = events_api::deliver(host, &events, channel, deadline);
        facts.ended("deliver", host);
        facts.warnings.extend(warnings(&target, &facts.outcomes));
        judge(intake.success, &target, facts)
    }?;
    unread.map_or(Ok(status), Err)
}

/// The beginning of a body, without what its sender was given as a secret: it may put that anywhere.
fn excerpt(body: &[u8], config: &Config, target: &Target) -> String {
    let shown = String::from_utf8_lossy(body.get(..EXCERPT_BYTES).unwrap_or(body));
    let shown = target.routing_keys.redact(&shown);
    config.secrets.as_ref().map(|secrets| secrets.redact(&shown)).unwrap_or(shown)
}

/// Where a subscription to a listed topic is confirmed.
fn confirmation(confirm: &Confirm, config: &Config) -> Result<Url, Error> {
    // By its signature or by a secret: the sender is known, and which topics are wanted is another matter.
    if !config.topics.contains(&confirm.topic) {
        return Err(Error::Confirm(ConfirmError::Topic));
    }
    let authority = auth::host_of_topic(&confirm.topic).ok_or(Error::Confirm(ConfirmError::Topic))?;
    Ok(Url { https: true, authority, path: confirm.path.clone() })
}

fn confirm_subscription(host: &mut dyn Host, url: &Url, deadline: Duration) -> Result<(), Error> {
    fetch(host, url, deadline).map(|_| ()).map_err(|error| {
        Error::Confirm(match error {
            FetchError::Absent => ConfirmError::Refused,
            FetchError::Trouble => ConfirmError::Unreachable,
        })
    })
}

/// Fetches a document.
fn fetch(host: &mut dyn Host, url: &Url, deadline: Duration) -> Result<Vec<u8>, FetchError> {
    match runtime::ask(host, Outbound::get(url.clone()), Duration::ZERO, deadline.min(FETCH_MAX)) {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) if (400..500).contains(&answer.status) => Err(FetchError::Absent),
        _ => Err(FetchError::Trouble),
    }
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
fn judge(success: StatusCode, target: &Target, facts: &Facts) -> Result<StatusCode, Error> {
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
            _ => Ok(success),
        },
    }
}
