//! The stage that sends the events, and stores what PagerDuty does not accept in time.

use std::time::Duration;

use super::later::Later;
use super::mirror;
use crate::auth::Authenticated;
use crate::config::{self, Outbox, Target, Variables};
use crate::http::Request;
use crate::inbound::intake::Intake;
use crate::outbox::{self, EntryKey, Kept, Selected};
use crate::pagerduty::event::{Action, DedupKey, Event};
use crate::pagerduty::events_api::{self, Addressed, Effort, Outcome, Retries, Verdict};
use crate::report::{self, Report};
use crate::runtime::{Host, StoreError};
use crate::text;

/// How much of the sender's patience is kept for storing.
const STORING: Duration = Duration::from_millis(300);

/// A delivery that is ready to be sent.
pub(super) struct Ready<'a> {
    /// The source or template that maps it.
    pub(super) intake: &'a Intake,
    /// The source whose sender it is from.
    pub(super) door: &'a Intake,
    pub(super) request: &'a Request,
    pub(super) delivery: &'a Authenticated<'a>,
    /// Whether its body could be read.
    pub(super) is_read: bool,
    /// The events of each destination.
    pub(super) batches: &'a [Vec<Event>],
    pub(super) targets: &'a [&'a Target],
    /// The dedup key of a digest.
    pub(super) group: Option<&'a DedupKey>,
    /// When the reply is due, by [`Host::elapsed`].
    pub(super) deadline: Duration,
}

/// Sends the events, and reports their outcomes. Returns the work after the answer to the sender.
pub(super) fn send(host: &mut Variables<'_>, ready: &Ready<'_>, report: &mut Report) -> Option<Later> {
    let Ready { door, batches, targets, deadline, .. } = *ready;
    let resends = door.resends_state();
    let began = host.elapsed();
    let mut storage = Storage::of(host, resends, report);
    let held = storage.held(host, ready, report);
    // A slow store costs the sender's patience, and no page.
    let deadline = deadline.saturating_add(host.elapsed().saturating_sub(began));
    let addressed: Vec<Addressed<'_>> = batches
        .iter()
        .zip(targets)
        .zip(&held)
        .map(|((events, target), held)| Addressed { events, held, destination: target.destination() })
        .collect();
    let (copy, key) = mirror::copy(host, door, ready.delivery, ready.is_read, report).unzip();
    let retries = if resends { Retries::Once } else { Retries::UntilDeadline };
    let effort = Effort { in_order: storage.mode == Outbox::On, ..retries.into() };
    let until = if storage.mode == Outbox::Off { deadline } else { deadline.saturating_sub(STORING) };
    let (outcomes, copied) = events_api::deliver(host, &addressed, effort, until, copy);
    report.outcomes = outcomes;
    report.unshown.extend(key.zip(copied).and_then(|(key, answer)| mirror::refused(key, answer)));
    report.ended("deliver", host);
    report.warnings.extend(report::warnings(targets, &report.outcomes));
    let stored = storage.store(host, ready, report);
    // A sender that sends its state again by itself is the better outbox.
    if resends { None } else { Later::of(ready, &storage.entries, storage.mode, &stored, report) }
}

/// The outbox, as this delivery uses it.
struct Storage {
    /// Off if the store cannot be used.
    mode: Outbox,
    /// The entries of earlier deliveries.
    entries: Vec<EntryKey>,
}

impl Storage {
    /// A sender that sends its state again by itself needs no outbox, and then nothing is read.
    fn of(host: &mut Variables<'_>, resends: bool, report: &mut Report) -> Storage {
        if resends {
            return Storage { mode: Outbox::Off, entries: Vec::new() };
        }
        // A typing error must not let this delivery overtake a stored event.
        if config::is_outbox_unknown(host)
            && let Some(entries) = outbox::look(host).ok().filter(|entries| !entries.is_empty())
        {
            let why = config::outbox(host).err().map(|error| error.to_string());
            let why = why.unwrap_or_else(|| "variable `outbox` may be a member of `settings`".to_owned());
            report.warnings.push(format!("{why}; it counts as on while events are stored"));
            return Storage { mode: Outbox::On, entries };
        }
        let mode = config::outbox(host).unwrap_or_else(|error| {
            report.warnings.push(format!("{error}; nothing is stored"));
            Outbox::Off
        });
        let mut storage = Storage { mode, entries: Vec::new() };
        if mode == Outbox::On {
            let began = host.elapsed();
            let looked = match outbox::look(host) {
                // Without the entries, this delivery could overtake one of them. A connection may only have been closed.
                Err(StoreError::Failed) if host.elapsed().saturating_sub(began) < STORING => outbox::look(host),
                looked => looked,
            };
            match looked {
                Ok(entries) => storage.entries = entries,
                Err(error) => storage.fail(error, report),
            }
        }
        storage
    }

    fn fail(&mut self, error: StoreError, report: &mut Report) {
        report.warnings.push(format!("{error}; events that PagerDuty does not accept are not stored"));
        self.mode = Outbox::Off;
    }

    /// The events of each destination that must not be sent yet, by position.
    fn held(&mut self, host: &mut dyn Host, ready: &Ready<'_>, report: &mut Report) -> Vec<Vec<usize>> {
        let Ready { batches, targets, .. } = *ready;
        if self.mode == Outbox::Replicated && batches.iter().flatten().any(|event| event.action() == Action::Resolve) {
            match close_stored(host, ready) {
                Ok(0) => {}
                Ok(closed) => report.warnings.push(format!(
                    "{} deleted: the alerts are over before PagerDuty accepted their triggers",
                    text::count(closed, "stored event")
                )),
                Err(error) => self.fail(error, report),
            }
        }
        let held = |(events, target): (&Vec<Event>, &&Target)| outbox::held(&self.entries, target.service(), events);
        batches.iter().zip(targets).map(held).collect()
    }

    /// Stores what PagerDuty has not accepted. Returns the keys of stored events, by the positions of their outcomes.
    fn store(&mut self, host: &mut dyn Host, ready: &Ready<'_>, report: &mut Report) -> Vec<Option<EntryKey>> {
        let Ready { intake, batches, targets, group, .. } = *ready;
        let left = match self.mode {
            Outbox::Off => return Vec::new(),
            Outbox::On => left_of(batches, targets, &report.outcomes),
            Outbox::Replicated => {
                let open = outbox::left(batches, &report.outcomes);
                let mut left = left_of(batches, targets, &report.outcomes);
                left.retain(|kept| open.iter().any(|lost| Some(lost.position) == kept.position));
                left
            }
        };
        if left.is_empty() {
            return Vec::new();
        }
        let Selected { kept, digested } = outbox::select(left, &self.entries, group, (intake.slug(), intake.name()));
        let arrived = outbox::millis(host.now().saturating_sub(host.elapsed()));
        let keys = match outbox::keep(host, intake.slug(), &kept, arrived, &self.entries) {
            Ok(keys) => keys,
            Err(error) => {
                self.fail(error, report);
                return Vec::new();
            }
        };
        let mut stored = vec![None; report.outcomes.len()];
        let single = kept.iter().enumerate().filter_map(|(place, kept)| Some((kept.position?, place)));
        for (position, place) in single.chain(digested.iter().copied()) {
            if let Some(stored) = stored.get_mut(position) {
                *stored = keys.get(place).cloned();
            }
        }
        let positions = stored.iter().enumerate().filter(|(_, key)| key.is_some());
        report.stored = positions.map(|(position, _)| position).collect();
        report.ended("store", host);
        report.warnings.extend(report::stored(report, digested.len()));
        stored
    }
}

/// The events that PagerDuty may still accept. Changes notify nobody, so they are not stored.
fn left_of(batches: &[Vec<Event>], targets: &[&Target], outcomes: &[Outcome]) -> Vec<Kept> {
    let events =
        batches.iter().zip(targets).flat_map(|(events, target)| events.iter().map(move |event| (event, target)));
    let mut left = Vec::new();
    for (position, ((event, target), outcome)) in events.zip(outcomes).enumerate() {
        let may_pass = outcome.verdict() > Verdict::Refused && !outcome.is_needless();
        if may_pass && event.action() != Action::Change {
            left.push(Kept {
                position: Some(position),
                service: target.service().map(str::to_owned),
                why: outcome.deciding().to_string(),
                event: event.clone(),
                is_further: outcome.destination > 0,
            });
        }
    }
    left
}

/// Deletes the stored triggers of the alerts that this delivery resolves. Returns how many.
fn close_stored(host: &mut dyn Host, ready: &Ready<'_>) -> Result<usize, StoreError> {
    let entries = outbox::entries(host)?;
    let mut closed = 0;
    for (events, target) in ready.batches.iter().zip(ready.targets) {
        for event in events.iter().filter(|event| event.action() == Action::Resolve) {
            let lane = outbox::lane_of(target.service(), event);
            for key in entries.iter().filter(|key| key.lane() == lane) {
                host.forget(key.as_str())?;
                closed += 1;
            }
        }
    }
    Ok(closed)
}
