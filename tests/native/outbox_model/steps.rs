//! Everything that can happen next.

use super::deliver::{deliver, follow};
use super::drain::{drain, end_drainer, give_lease};
use super::state::{DeliveryAt, DrainerAt, State};
use super::world::World;

/// Who does something, and what, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) who: Who,
    pub(super) what: &'static str,
    /// The event that is sent, if one is.
    pub(super) sent: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Delivery(usize),
    Drainer(usize),
    Operator,
    PagerDuty,
    Time,
}

/// The possible steps from a state, each with the state after it.
pub(super) fn next(world: &World, state: &State) -> Vec<(Step, State)> {
    let mut steps = Vec::new();
    outside(world, state, &mut steps);
    for number in 0..world.deliveries.len() {
        deliver(world, state, number, &mut steps);
    }
    for number in 0..state.drainers.len() {
        drain(world, state, number, &mut steps);
    }
    steps
}

/// Adds a step that sends nothing.
pub(super) fn add(steps: &mut Vec<(Step, State)>, who: Who, what: &'static str, after: State) {
    steps.push((Step { who, what, sent: None }, after));
}

/// What PagerDuty, the clock and the operator do.
fn outside(world: &World, state: &State, steps: &mut Vec<(Step, State)>) {
    if state.left.changes > 0 {
        let mut after = *state;
        after.left.changes -= 1;
        after.pagerduty.is_up = !state.pagerduty.is_up;
        add(steps, Who::PagerDuty, if after.pagerduty.is_up { "recovers" } else { "fails" }, after);
    }
    for event in state.pagerduty.late.iter() {
        let mut after = *state;
        after.pagerduty.late = after.pagerduty.late.without(event);
        add(steps, Who::PagerDuty, "never gets a request that was given up", after);
        after.pagerduty.apply(world, event);
        add(steps, Who::PagerDuty, "applies a request that was given up", after);
    }
    let young = state.store.entries.minus(state.store.expired);
    if state.left.expiries > 0 && !young.is_empty() {
        let mut after = *state;
        after.left.expiries -= 1;
        after.store.expired = after.store.expired.and(young);
        add(steps, Who::Time, "lets all entries expire", after);
    }
    if state.drainers.iter().any(|drainer| drainer.is_dead && drainer.has_lease) {
        let mut after = *state;
        give_lease(&mut after, None);
        add(steps, Who::Time, "lets the lease of a killed drainer run out", after);
    }
    if state.left.crashes == 0 {
        return;
    }
    let mut crashed = *state;
    crashed.left.crashes -= 1;
    for (number, delivery) in state.deliveries.iter().enumerate() {
        if !matches!(delivery.at, DeliveryAt::Waits | DeliveryAt::Ended) {
            let mut after = crashed;
            after.deliveries[number].at = DeliveryAt::Ended;
            follow(world, &mut after, number);
            add(steps, Who::Operator, "kills a delivery", after);
        }
    }
    for (number, drainer) in state.drainers.iter().enumerate() {
        // One that has not begun is the same as one that comes later.
        if !matches!(drainer.at, DrainerAt::ReadsLease | DrainerAt::Ended) {
            let mut after = crashed;
            end_drainer(&mut after, number);
            after.drainers[number].is_dead = drainer.has_lease;
            add(steps, Who::Operator, "kills a drainer", after);
        }
    }
}

/// What can become of a request: for people, whether the relay sees an acceptance, and the state after it.
pub(super) fn send(world: &World, state: &State, event: u8) -> Vec<(&'static str, bool, State)> {
    let mut ends = Vec::new();
    if state.pagerduty.is_up {
        let mut after = *state;
        after.pagerduty.apply(world, event);
        ends.push(("sends an event, which PagerDuty accepts", true, after));
        if state.left.lost_responses > 0 {
            after.left.lost_responses -= 1;
            ends.push(("sends an event, which PagerDuty accepts, but the response is lost", false, after));
        }
    } else {
        ends.push(("sends an event in vain", false, *state));
    }
    if state.left.late_requests > 0 && !state.pagerduty.late.has(event) {
        let mut after = *state;
        after.left.late_requests -= 1;
        after.pagerduty.late = after.pagerduty.late.with(event);
        ends.push(("sends an event, and gives up the request", false, after));
    }
    ends
}
