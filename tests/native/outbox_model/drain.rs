//! The steps of an instance that drains the outbox.

use super::state::{DrainerAt, State};
use super::steps::{Step, Who, add, send};
use super::world::{Events, Lease, World};

/// The steps of a drainer.
pub(super) fn drain(world: &World, state: &State, number: usize, steps: &mut Vec<(Step, State)>) {
    let who = Who::Drainer(number + 1);
    let mut after = *state;
    let drainer = &mut after.drainers[number];
    let what = match drainer.at {
        DrainerAt::Ended => return,
        DrainerAt::ReadsLease => {
            let is_free = state.drainers.iter().all(|drainer| !drainer.has_lease);
            drainer.at = match world.rules.lease {
                Lease::Off => DrainerAt::BeginsListing,
                Lease::On | Lease::WithoutPause if is_free => DrainerAt::WritesLease,
                Lease::On | Lease::WithoutPause => DrainerAt::Ended,
            };
            "reads the lease"
        }
        DrainerAt::WritesLease => {
            drainer.at = DrainerAt::ConfirmsLease;
            give_lease(&mut after, Some(number));
            "writes the lease"
        }
        DrainerAt::ConfirmsLease => {
            // The pause is longer than another drainer needs between its read of a free lease and its write.
            let others = state.drainers.iter().filter(|other| other.at == DrainerAt::WritesLease);
            if world.rules.lease == Lease::On && others.count() > 0 {
                return;
            }
            let is_mine = world.rules.lease == Lease::WithoutPause || drainer.has_lease;
            drainer.at = if is_mine { DrainerAt::BeginsListing } else { DrainerAt::Ended };
            "reads the lease again"
        }
        DrainerAt::BeginsListing => {
            // Every delivery stores within a bounded time, so a listing that begins later sees all of its entries.
            let is_late = !world.rules.has_margin || !state.is_storing();
            drainer.at = DrainerAt::Lists { any: if is_late { state.store.any } else { 0 } };
            "begins to list the entries"
        }
        DrainerAt::Lists { any } => {
            drainer.listed = state.store.entries;
            drainer.at = if drainer.listed.is_empty() { DrainerAt::WritesNone { any } } else { DrainerAt::Gets };
            "lists the entries"
        }
        DrainerAt::Gets => get(world, state, number, &mut after),
        DrainerAt::Sends => return drain_event(world, state, number, steps),
        DrainerAt::Deletes => {
            let event = drainer.needless.oldest().expect("an entry to delete");
            drainer.needless = drainer.needless.without(event);
            if drainer.needless.is_empty() {
                drainer.at = after_entry(drainer.listed);
            }
            delete(&mut after, event);
            "deletes an entry"
        }
        DrainerAt::Rewrites => {
            let event = drainer.listed.oldest().expect("an entry that failed");
            drainer.at = DrainerAt::Releases;
            drainer.listed = Events::default();
            after.store.entries = after.store.entries.with(event);
            "writes an entry again"
        }
        DrainerAt::Reports => {
            let event = drainer.needless.oldest().expect("an entry that has expired");
            drainer.at = DrainerAt::Deletes;
            if world.rules.reports_expiry {
                after.reported = after.reported.with(event);
            }
            "reports an expired entry"
        }
        DrainerAt::WritesNone { any } => {
            drainer.at = DrainerAt::Releases;
            if any > 0 {
                after.store.none = any;
            }
            "writes that a listing had no entries"
        }
        DrainerAt::Releases => {
            drainer.has_lease = false;
            end_drainer(&mut after, number);
            "releases the lease"
        }
    };
    add(steps, who, what, after);
}

/// Gets the oldest listed entry, and decides what to do with it.
fn get(world: &World, state: &State, number: usize, after: &mut State) -> &'static str {
    let drainer = &mut after.drainers[number];
    let oldest = drainer.listed.oldest().expect("a listed entry");
    if !state.store.entries.has(oldest) {
        drainer.listed = drainer.listed.without(oldest);
        drainer.at = after_entry(drainer.listed);
        return "gets an entry, which is deleted";
    }
    if state.store.expired.has(oldest) {
        drainer.listed = drainer.listed.without(oldest);
        drainer.needless = Events::default().with(oldest);
        drainer.at = DrainerAt::Reports;
        return "gets an entry, which has expired";
    }
    drainer.at = DrainerAt::Sends;
    if !world.rules.deletes_after_acceptance {
        delete(after, oldest);
    }
    "gets an entry"
}

/// Sends the last event of the oldest run of equal actions, which makes the others needless.
fn drain_event(world: &World, state: &State, number: usize, steps: &mut Vec<(Step, State)>) {
    let listed = state.drainers[number].listed;
    let run = if world.rules.deletes_after_acceptance {
        world.run(listed)
    } else {
        listed.oldest().map_or(listed, |event| Events::default().with(event))
    };
    let event = run.newest().expect("a listed entry");
    for (what, is_accepted, mut after) in send(world, state, event) {
        let drainer = &mut after.drainers[number];
        if is_accepted {
            drainer.listed = listed.minus(run);
            drainer.needless = run;
            drainer.at = DrainerAt::Deletes;
        } else if world.rules.writes_once {
            drainer.listed = Events::default();
            drainer.at = DrainerAt::Releases;
        } else {
            drainer.at = DrainerAt::Rewrites;
        }
        steps.push((Step { who: Who::Drainer(number + 1), what, sent: Some(event) }, after));
    }
}

/// Writes the lease.
pub(super) fn give_lease(state: &mut State, holder: Option<usize>) {
    for (number, drainer) in state.drainers.iter_mut().enumerate() {
        drainer.has_lease = holder == Some(number);
        drainer.is_dead &= drainer.has_lease;
    }
}

fn delete(state: &mut State, event: u8) {
    if state.store.entries.has(event) {
        state.store.entries = state.store.entries.without(event);
        state.store.deleted = state.store.deleted.with(event);
    }
}

/// What follows an entry: the next one, or a new listing.
fn after_entry(listed: Events) -> DrainerAt {
    if listed.is_empty() { DrainerAt::BeginsListing } else { DrainerAt::Gets }
}

/// Ends a drainer. What it knew does not matter any more.
pub(super) fn end_drainer(state: &mut State, number: usize) {
    let drainer = &mut state.drainers[number];
    drainer.at = DrainerAt::Ended;
    (drainer.listed, drainer.needless) = Default::default();
}
