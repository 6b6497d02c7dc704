//! The steps of an instance that handles a delivery.

use super::state::{DeliveryAt, State, first_step};
use super::steps::{Step, Who, add, send};
use super::world::World;

/// The steps of a delivery.
pub(super) fn deliver(world: &World, state: &State, number: usize, steps: &mut Vec<(Step, State)>) {
    let who = Who::Delivery(number + 1);
    let mut after = *state;
    let delivery = &mut after.deliveries[number];
    let what = match delivery.at {
        DeliveryAt::Waits | DeliveryAt::Ended => return,
        DeliveryAt::ReadsAny => {
            let any = state.store.any;
            delivery.at = if any == 0 { DeliveryAt::Sends } else { DeliveryAt::ReadsNone { any } };
            "reads when a delivery last began to store"
        }
        DeliveryAt::ReadsNone { any } => {
            delivery.at = if state.store.none >= any { DeliveryAt::Sends } else { DeliveryAt::Lists };
            "reads when a listing last had no entries"
        }
        DeliveryAt::Lists => {
            if state.store.entries.is_empty() {
                delivery.at = DeliveryAt::Sends;
            } else {
                delivery.at = DeliveryAt::WritesAny;
                delivery.failed = std::mem::take(&mut delivery.unsent);
            }
            "lists the entries"
        }
        DeliveryAt::Sends => return deliver_event(world, state, number, steps),
        DeliveryAt::WritesAny => {
            delivery.at = DeliveryAt::Stores;
            after.store.any += 1;
            "writes that it begins to store"
        }
        DeliveryAt::Stores => {
            let event = delivery.failed.oldest().expect("an event to store");
            delivery.failed = delivery.failed.without(event);
            let is_last = delivery.failed.is_empty();
            after.store.entries = after.store.entries.with(event);
            if is_last {
                acknowledge(world, &mut after, number);
            }
            "stores an event"
        }
    };
    add(steps, who, what, after);
}

/// Answers the sender with success.
fn acknowledge(world: &World, state: &mut State, number: usize) {
    state.acknowledged = state.acknowledged.and(world.events(number));
    state.deliveries[number].at = DeliveryAt::Ended;
    follow(world, state, number);
}

/// Sends the next event of a delivery.
fn deliver_event(world: &World, state: &State, number: usize, steps: &mut Vec<(Step, State)>) {
    let event = state.deliveries[number].unsent.oldest().expect("an event to send");
    for (what, is_accepted, mut after) in send(world, state, event) {
        let delivery = &mut after.deliveries[number];
        delivery.unsent = delivery.unsent.without(event);
        if !is_accepted {
            delivery.failed = delivery.failed.with(event);
            if world.rules.stops_at_failure {
                delivery.failed = delivery.failed.and(std::mem::take(&mut delivery.unsent));
            }
        }
        match (delivery.unsent.is_empty(), delivery.failed.is_empty()) {
            (false, _) => {}
            (true, true) => acknowledge(world, &mut after, number),
            (true, false) => delivery.at = DeliveryAt::WritesAny,
        }
        steps.push((Step { who: Who::Delivery(number + 1), what, sent: Some(event) }, after));
    }
}

/// The sender's next delivery may begin once it has the answer to the last one, or has lost the connection.
pub(super) fn follow(world: &World, state: &mut State, number: usize) {
    let ended = &mut state.deliveries[number];
    (ended.unsent, ended.failed) = Default::default();
    if let Some(next) = state.deliveries.get_mut(number + 1).filter(|next| next.at == DeliveryAt::Waits) {
        next.at = first_step(world);
    }
}
