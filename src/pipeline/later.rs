//! The work after the answer to the sender. No host promises that it happens.

use std::collections::BTreeMap;

use serde_json::Value;

use super::send::Ready;
use crate::config::{self, Outbox, Target, Variables};
use crate::json;
use crate::outbox::fallback::{self, Rest, Untaken};
use crate::outbox::{self, Drain, Drained, EntryKey, Lost, LostEntry, REQUEST_MAX, TRIED_MAX, TRIED_SEVERITY};
use crate::pagerduty::event::{Action, Event};
use crate::pagerduty::events_api::{self, Addressed, Effort, Failure, Outcome, Retries, Verdict};
use crate::report::{self, Report};
use crate::runtime::Host;
use crate::text;

/// A delivery that is not finished.
pub(super) struct Later {
    source: String,
    service: Option<String>,
    targets: Vec<Target>,
    /// The triggers that PagerDuty has not accepted.
    untaken: Vec<Pending>,
    /// Whether to send what is stored.
    drains: bool,
    /// The name of this instance.
    name: String,
    /// Whether this delivery has stored something.
    has_stored: bool,
    /// The services of which PagerDuty has just accepted an event.
    accepting: Vec<Option<String>>,
}

/// A trigger that PagerDuty has not accepted.
#[derive(Clone)]
struct Pending {
    lost: Lost,
    outcome: Outcome,
    /// The entry that has it, or that has a digest that lists it.
    key: Option<EntryKey>,
}

impl Later {
    /// The work that a delivery leaves. `entries` were stored before it, and `stored` has its own, by the positions of their
    /// outcomes. Returns `None` if there is nothing to do.
    pub(super) fn of(
        ready: &Ready<'_>,
        entries: &[EntryKey],
        mode: Outbox,
        stored: &[Option<EntryKey>],
        report: &Report,
    ) -> Option<Later> {
        let pending = |lost: Lost| {
            let (outcome, key) =
                (report.outcomes.get(lost.position)?.clone(), stored.get(lost.position).cloned().flatten());
            Some(Pending { lost, outcome, key })
        };
        let untaken: Vec<Pending> =
            outbox::left(ready.batches, &report.outcomes).into_iter().filter_map(pending).collect();
        let has_stored = stored.iter().any(Option::is_some);
        let drains = mode == Outbox::On && (has_stored || !entries.is_empty());
        if untaken.is_empty() && !drains {
            return None;
        }
        let is_accepting = |number: usize| {
            let mut outcomes = report.outcomes.iter().filter(|outcome| outcome.destination == number);
            outcomes.any(|outcome| outcome.verdict() == Verdict::Accepted)
        };
        let accepting = ready.targets.iter().enumerate().filter(|(number, _)| is_accepting(*number));
        Some(Later {
            source: ready.intake.slug().to_owned(),
            service: report.service.clone(),
            accepting: accepting.map(|(_, target)| target.service().map(str::to_owned)).collect(),
            targets: ready.targets.iter().map(|target| (*target).clone()).collect(),
            untaken,
            drains,
            name: if drains { outbox::name_of(ready.request) } else { String::new() },
            has_stored,
        })
    }

    /// Does the work, and returns lines for the log.
    pub(super) fn run(mut self, host: &mut Variables<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        if self.drains {
            let drained = outbox::drain(
                host,
                Drain { until: REQUEST_MAX, name: &self.name, accepting: &self.accepting, waits: self.has_stored },
            );
            if !drained.is_busy {
                lines.push(drain_line(host, drained));
            }
            // A digest lists many of them.
            let mut is_kept: BTreeMap<String, bool> = BTreeMap::new();
            self.untaken.retain(|pending| {
                let Some(key) = pending.key.as_ref().map(EntryKey::as_str) else { return true };
                // A store that fails may still have the entry.
                *is_kept.entry(key.to_owned()).or_insert_with(|| !matches!(host.stored(key), Ok(None)))
            });
        }
        let service = self.service.clone();
        let mut report = Report { source: Some(self.source.clone()), service, ..Report::default() };
        report.more.push(("after_answer", true.into()));
        report.further_keys = self.targets.iter().skip(1).map(|target| target.routing_key_variable.clone()).collect();
        self.retry(host, &mut report);
        let is_told = self.tell(host, &mut report);
        if report.outcomes.is_empty() && !is_told {
            return lines;
        }
        let lost = self.untaken.iter().filter(|pending| pending.key.is_none()).count();
        let error = (lost > 0).then(|| format!("PagerDuty has not accepted {}", text::count(lost, "trigger")));
        lines.push(report::line(host, &report, None, error.as_deref()));
        lines
    }

    /// Tries the triggers again that are not stored and severe enough, until [`TRIED_MAX`].
    fn retry(&mut self, host: &mut dyn Host, report: &mut Report) {
        let now = host.elapsed();
        let begins = |pending: &Pending| {
            let asked = pending.outcome.deciding().wait();
            now.saturating_add(asked.max(events_api::SLOW_PAUSE))
        };
        // PagerDuty limits the rate of each service by itself. A pause that is too long would only hold the instance, and delay
        // the message.
        let is_tried = |pending: &Pending| {
            let Pending { lost, outcome, key } = pending;
            let is_severe = lost.event.severity() >= TRIED_SEVERITY;
            key.is_none() && outcome.verdict() == Verdict::Retry && is_severe && begins(pending) < TRIED_MAX
        };
        let (mut tried, others): (Vec<Pending>, Vec<Pending>) =
            std::mem::take(&mut self.untaken).into_iter().partition(is_tried);
        self.untaken = others;
        let Some(not_before) = tried.iter().map(begins).max() else { return };
        let is_wanted = config::retries_after_answer(host).unwrap_or_else(|error| {
            report.warnings.push(error.to_string());
            // The page is more important than the choice.
            true
        });
        if !is_wanted {
            self.untaken.append(&mut tried);
            return;
        }
        let batches = (0..self.targets.len()).map(|number| {
            let of_target = tried.iter().filter(|pending| pending.lost.destination == number);
            of_target.map(|pending| pending.lost.event.clone()).collect()
        });
        let batches: Vec<Vec<Event>> = batches.collect();
        let addressed = batches.iter().zip(&self.targets);
        let addressed =
            addressed.map(|(events, target)| Addressed { events, held: &[], destination: target.destination() });
        let addressed: Vec<Addressed<'_>> = addressed.collect();
        let effort = Effort { retries: Retries::Slowly, in_order: false, not_before };
        let (outcomes, _) = events_api::deliver(host, &addressed, effort, TRIED_MAX, None);
        report.ended("deliver", host);
        for (pending, outcome) in tried.into_iter().zip(&outcomes) {
            let is_sent = !matches!(outcome.deciding().answer, Err(Failure::Throttled | Failure::Unsent));
            if outcome.verdict() != Verdict::Accepted {
                // An answer says more than that no time was left.
                let outcome = if is_sent { outcome.clone() } else { pending.outcome };
                self.untaken.push(Pending { outcome, ..pending });
            }
        }
        report.outcomes = outcomes;
    }

    /// Tells somebody about the triggers that PagerDuty has not accepted. Returns whether that was tried.
    fn tell(&self, host: &mut dyn Host, report: &mut Report) -> bool {
        let (stored, lost): (Vec<&Pending>, Vec<&Pending>) =
            self.untaken.iter().partition(|pending| pending.key.is_some());
        let mut is_told = false;
        for (pending, rest) in [(lost, Rest::Lost), (stored, Rest::Stored)] {
            let whys: Vec<String> = pending.iter().map(|pending| pending.outcome.deciding().to_string()).collect();
            let untaken = pending.iter().zip(&whys).map(|(pending, why)| Untaken {
                event: &pending.lost.event,
                source: &self.source,
                service: self.targets.get(pending.lost.destination).and_then(Target::service),
                why,
            });
            let untaken: Vec<Untaken<'_>> = untaken.collect();
            is_told |= !untaken.is_empty() && tell(host, &untaken, rest, report);
        }
        is_told
    }
}

/// Tells somebody, if the operator wants that. Returns whether it was tried.
fn tell(host: &mut dyn Host, untaken: &[Untaken<'_>], rest: Rest, report: &mut Report) -> bool {
    let told = match config::fallback(host) {
        Ok(None) => return false,
        Ok(Some(fallback)) => fallback::tell(host, &fallback, untaken, rest),
        Err(error) => Err(error.to_string()),
    };
    report.ended("fallback", host);
    match told {
        Ok(partly) => {
            report.more.push(("fallback", "accepted".into()));
            report.warnings.extend(partly);
        }
        Err(why) => report.warnings.push(format!("nobody could be told by `{}`: {why}", config::FALLBACK_URL)),
    }
    true
}

/// The line for the log about stored events that were sent. Tells somebody about those that were lost.
pub(super) fn drain_line(host: &mut dyn Host, drained: Drained) -> String {
    let Drained { variables, outcomes, lost, left, oldest, warnings, problem, .. } = drained;
    let mut report =
        Report { source: Some("outbox".to_owned()), outcomes, further_keys: variables, ..Report::default() };
    report.more.push(("left", left.into()));
    if left > 0 {
        let age = oldest.map(|oldest| outbox::millis(host.now()).saturating_sub(oldest) / 1000);
        report.more.extend(age.map(|age| ("oldest_s", age.into())));
        report.warnings.push(format!("{} still stored", text::count(left, "event")));
    }
    report.warnings.extend(warnings);
    report.warnings.extend(problem.map(|problem| format!("{problem}; stored events wait for the next attempt")));
    report.ended("drain", host);
    let opening = lost.iter().filter_map(|lost| Some((lost.entry.as_ref()?, lost.why.as_str())));
    let opening = opening.filter(|(entry, _)| entry.event.action() == Action::Trigger);
    let untaken: Vec<Untaken<'_>> = opening
        .map(|(entry, why)| Untaken {
            event: &entry.event,
            source: &entry.source,
            service: entry.service.as_deref(),
            why,
        })
        .collect();
    if !untaken.is_empty() {
        tell(host, &untaken, Rest::Lost, &mut report);
    }
    let error = (!lost.is_empty()).then(|| format!("{} lost", text::count(lost.len(), "stored event")));
    if !lost.is_empty() {
        report.more.push(("lost", lost.iter().take(100).map(describe).collect::<Vec<_>>().into()));
    }
    report::line(host, &report, None, error.as_deref())
}

/// A lost entry, for the log.
fn describe(lost: &LostEntry) -> Value {
    let entry = lost.entry.as_ref();
    let key = entry.and_then(|entry| entry.event.dedup_key()).map(|key| key.as_str());
    let action = entry.map(|entry| entry.event.action().as_str());
    let (source, service) =
        (entry.map(|entry| entry.source.as_str()), entry.and_then(|entry| entry.service.as_deref()));
    json::object([
        ("dedup_key", key.into()),
        ("event_action", action.into()),
        ("service", service.into()),
        ("source", source.into()),
        ("why", lost.why.as_str().into()),
    ])
}
