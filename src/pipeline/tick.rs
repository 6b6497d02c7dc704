//! `/tick`: sends what is stored, and pages about heartbeats that are missing.
//!
//! Anyone may call it: it does what the next delivery would do, and says only whether somebody should look.

use std::time::Duration;

use super::later::drain_line;
use crate::config::{self, HEARTBEAT, Outbox, Problem, Variables};
use crate::http::{Reply, Request, StatusCode};
use crate::json;
use crate::outbox::beats::{self, Due};
use crate::outbox::ticks::Ticked;
use crate::outbox::{self, Drain, EntryKey};
use crate::pagerduty::events_api::{self, Addressed, Outcome, Retries, Verdict};
use crate::report::{self, Report};
use crate::runtime::{Host, StoreError};
use crate::text;

/// How long a tick works, counted from its arrival. Some monitors wait ten seconds for an answer.
const TICK_MAX: Duration = Duration::from_secs(8);

/// How long it sends events about heartbeats at least, however long the store took to tell which are due: no other tick would
/// be faster.
const PAGE_MIN: Duration = Duration::from_secs(2);

/// The warning about the alert of a removed heartbeat whose service has no routing key.
const UNRESOLVED: &str = "heartbeat `{}` is not watched any more, but its alert stays open: {}";

/// Does what is due. Returns the reply and lines for the log: none if nothing was due.
pub(super) fn tick(host: &mut Variables<'_>, request: &Request) -> (Reply, Vec<String>) {
    let mut lines = Vec::new();
    let mut is_well = match work(host, request, &mut lines) {
        Ok(is_well) => is_well,
        Err(StoreError::Absent | StoreError::Denied) if !needs_store(host) => true,
        Err(problem) => {
            lines.push(failed(host, &problem.to_string()));
            false
        }
    };
    // Its members may turn on the outbox, and name heartbeats that nobody watches now.
    if let Some(problem) = host.problem() {
        lines.push(failed(host, &problem.to_string()));
        is_well = false;
    }
    let (status, word) =
        if is_well { (StatusCode::OK, "success") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    (Reply::json(status, "application/json", &json::object([("status", word.into())])).uncached(), lines)
}

/// The line for the log about a problem of a tick.
fn failed(host: &mut dyn Host, problem: &str) -> String {
    let report = Report { source: Some("tick".to_owned()), ..Report::default() };
    report::line(host, &report, None, Some(problem))
}

/// Whether something is configured that needs a store.
fn needs_store(host: &dyn Host) -> bool {
    let is_heartbeat = |name: &String| name.starts_with(HEARTBEAT) && config::heartbeat(host, name) != Ok(None);
    config::outbox(host) != Ok(Outbox::Off) || config::names(host).all().iter().any(is_heartbeat)
}

/// Returns whether nobody needs to look.
fn work(host: &mut Variables<'_>, request: &Request, lines: &mut Vec<String>) -> Result<bool, StoreError> {
    let ticked = match Ticked::begin(host)? {
        Ok(ticked) => ticked,
        Err(was_well) => return Ok(was_well),
    };
    let keys = host.keys()?;
    let mut is_well = heartbeats(host, &keys, lines)?;
    match config::outbox(host) {
        // Deliveries do not look for entries, so sending them could close newer alerts.
        Ok(Outbox::Off) => {}
        Ok(Outbox::On | Outbox::Replicated) => {
            let name = &outbox::name_of(request);
            let mut drained = outbox::drain(host, Drain { until: TICK_MAX, name, accepting: &[], waits: false });
            if drained.is_busy {
                // The other instance answers no tick.
                let entries: Vec<EntryKey> = keys.into_iter().filter_map(EntryKey::parse).collect();
                drained.left = entries.len();
                drained.oldest = entries.iter().filter_map(EntryKey::arrived).min();
            }
            let is_quiet = drained.outcomes.is_empty() && drained.lost.is_empty() && drained.problem.is_none();
            is_well &= drained.problem.is_none() && !ticked.is_late(host, &drained)?;
            if !(drained.is_busy || is_quiet && drained.left == 0) {
                lines.push(drain_line(host, drained));
            }
        }
        Err(error) => {
            lines.push(failed(host, &error.to_string()));
            is_well = false;
        }
    }
    is_well &= host.problem().is_none();
    ticked.end(host, is_well)?;
    Ok(is_well)
}

/// Sends what is due about heartbeats among these keys of the store. Returns whether nobody needs to look.
fn heartbeats(host: &mut Variables<'_>, keys: &[String], lines: &mut Vec<String>) -> Result<bool, StoreError> {
    let (due, problems) = beats::due(host, keys)?;
    if due.is_empty() && problems.is_empty() {
        return Ok(true);
    }
    let mut report = Report { source: Some("heartbeat".to_owned()), ..Report::default() };
    report.warnings.extend(problems.iter().map(ToString::to_string));
    let mut error = None;
    let mut noted = Ok(());
    let until = TICK_MAX.max(host.elapsed().saturating_add(PAGE_MIN));
    for due in due {
        match page(host, &due, until, &mut report) {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => error = error.or(Some(problem)),
            Err(failed) => {
                noted = Err(failed);
                break;
            }
        }
    }
    report.ended("deliver", host);
    // The log has what was sent, even if the store failed then.
    lines.push(report::line(host, &report, None, error.as_deref()));
    noted?;
    Ok(problems.is_empty() && error.is_none())
}

/// Sends an event about a heartbeat, until `until` at the latest. Returns why PagerDuty did not accept it, if it did not.
fn page(
    host: &mut dyn Host,
    due: &Due,
    until: Duration,
    report: &mut Report,
) -> Result<Result<(), String>, StoreError> {
    let target = match config::target(host, due.service.as_deref()) {
        Ok(target) => target,
        // Its service is removed too. Otherwise every tick would fail, for ever.
        Err(error) if !due.is_watched && error.problem == Problem::Unset => {
            report.warnings.push(text::interpolate(UNRESOLVED, &[&due.name, &error.to_string()]));
            return Ok(Ok(beats::accepted(host, due)?));
        }
        Err(error) => return Ok(Err(text::interpolate("heartbeat `{}`: {}", &[&due.name, &error.to_string()]))),
    };
    let events = [due.event.clone()];
    let addressed = [Addressed { events: &events, held: &[], destination: target.destination() }];
    let (outcomes, _) = events_api::deliver(host, &addressed, Retries::Once.into(), until, None);
    report.further_keys.push(target.routing_key_variable.clone());
    let number = report.further_keys.len();
    let mut result = Ok(());
    for outcome in outcomes {
        let outcome = Outcome { destination: number, ..outcome };
        if outcome.verdict() != Verdict::Accepted {
            result = Err(report::untaken(&target.routing_key_variable, &outcome));
        }
        let is_done = result.is_ok() || outcome.closes_nothing();
        report.outcomes.push(outcome);
        if is_done {
            report.warnings.extend(std::mem::replace(&mut result, Ok(())).err());
            beats::accepted(host, due)?;
        }
    }
    Ok(result)
}
