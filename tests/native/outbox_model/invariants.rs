//! What must hold at each step and in each end.

use super::state::State;
use super::steps::Step;
use super::world::{Action, Events, World};

/// A step with what is before and after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition<'a> {
    pub(super) world: &'a World,
    pub(super) before: &'a State,
    pub(super) step: Step,
    pub(super) after: &'a State,
}

/// One invariant.
#[derive(Debug)]
pub(super) struct Invariant {
    /// Its number in the design of the outbox.
    pub(super) number: u8,
    pub(super) name: &'static str,
    pub(super) holds: fn(&Transition<'_>) -> bool,
}

/// The invariants 1 to 5. The third has two parts: what must never happen on the way, and what must be true in the end.
pub(super) const INVARIANTS: [Invariant; 6] = [
    Invariant {
        number: 1,
        name: "what was answered with success is accepted, stored or reported",
        holds: answered_events_are_accepted_stored_or_reported,
    },
    Invariant { number: 2, name: "no event overtakes an older entry", holds: no_event_overtakes_an_older_entry },
    Invariant {
        number: 3,
        name: "no alert is closed by an event older than its trigger",
        holds: no_alert_is_closed_by_an_event_older_than_its_trigger,
    },
    Invariant {
        number: 3,
        name: "in the end the alert is as its newest event says",
        holds: in_the_end_the_alert_is_as_its_newest_event_says,
    },
    Invariant { number: 4, name: "a deleted entry never returns", holds: a_deleted_entry_never_returns },
    Invariant {
        number: 5,
        name: "an entry is deleted only once it is needless",
        holds: an_entry_is_deleted_only_once_it_is_needless,
    },
];

/// The events that need no entry: PagerDuty has accepted them or a later event with the same action, or somebody was told
/// that they have expired.
fn needless(world: &World, state: &State) -> Events {
    let accepted = state.pagerduty.accepted;
    let superseded = (1..8).filter(|event| {
        let later = accepted.iter().filter(|later| later > event);
        later.into_iter().any(|later| world.action(later) == world.action(*event))
    });
    superseded.fold(accepted.and(state.reported), Events::with)
}

fn answered_events_are_accepted_stored_or_reported(transition: &Transition<'_>) -> bool {
    let Transition { world, after, .. } = transition;
    let elsewhere = after.acknowledged.minus(after.store.entries).minus(after.pagerduty.accepted);
    elsewhere.is_empty() || elsewhere.minus(needless(world, after)).is_empty()
}

/// Entries with the same action right before the event are no older state of the alert, so it may pass them.
fn no_event_overtakes_an_older_entry(transition: &Transition<'_>) -> bool {
    let Transition { world, before, step, .. } = transition;
    let Some(sent) = step.sent else { return true };
    let waiting = before.store.entries.minus(before.store.expired);
    let older = waiting.iter().filter(|event| *event < sent).fold(Events::default(), Events::with);
    world.run(older.with(sent)).has(sent)
}

fn no_alert_is_closed_by_an_event_older_than_its_trigger(transition: &Transition<'_>) -> bool {
    !transition.after.pagerduty.closed_wrongly
}

/// Events whose delivery was killed before it stored them are not known to the relay, and their sender has no success.
fn in_the_end_the_alert_is_as_its_newest_event_says(transition: &Transition<'_>) -> bool {
    let Transition { world, after, .. } = transition;
    if !after.is_end() {
        return true;
    }
    let drained = after.drained(world);
    let is_open = drained.accepted.newest().map_or(world.is_open, |newest| world.action(newest) == Action::Trigger);
    drained.open.is_some() == is_open
}

fn a_deleted_entry_never_returns(transition: &Transition<'_>) -> bool {
    let store = transition.after.store;
    store.entries.common(store.deleted).is_empty()
}

fn an_entry_is_deleted_only_once_it_is_needless(transition: &Transition<'_>) -> bool {
    let Transition { world, before, after, .. } = transition;
    let deleted = before.store.entries.minus(after.store.entries);
    deleted.is_empty() || deleted.minus(needless(world, before)).is_empty()
}
