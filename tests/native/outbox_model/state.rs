//! A state of the model: PagerDuty, the store, and where each instance is.

use super::world::{Action, Events, Faults, World};

/// How many deliveries a search can have.
pub(super) const DELIVERIES: usize = 3;

/// How many drainers each search has: two ticks, or a tick and the drain after a delivery's answer.
pub(super) const DRAINERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) pagerduty: PagerDuty,
    pub(super) store: Store,
    /// The events whose sender was told that they are accepted or stored.
    pub(super) acknowledged: Events,
    /// The events that were reported as expired.
    pub(super) reported: Events,
    pub(super) deliveries: [Delivery; DELIVERIES],
    pub(super) drainers: [Drainer; DRAINERS],
    /// What may still happen.
    pub(super) left: Faults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PagerDuty {
    pub(super) is_up: bool,
    /// The newest trigger of the open alert, or 0 if it was open before. `None` if no alert is open.
    pub(super) open: Option<u8>,
    pub(super) accepted: Events,
    /// Requests that the relay has given up, and that may still arrive.
    pub(super) late: Events,
    /// Whether an alert was closed by an event that is older than its trigger.
    pub(super) closed_wrongly: bool,
}

impl PagerDuty {
    /// Applies an event. A resolve without an open alert has no effect.
    pub(super) fn apply(&mut self, world: &World, event: u8) {
        self.accepted = self.accepted.with(event);
        match (world.action(event), self.open) {
            (Action::Trigger, trigger) => self.open = Some(trigger.unwrap_or_default().max(event)),
            (Action::Resolve, Some(trigger)) => {
                self.closed_wrongly |= trigger > event;
                self.open = None;
            }
            (Action::Resolve, None) => {}
        }
    }
}

/// The key-value store. Each field but the sets of the past is a key, or a kind of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Store {
    pub(super) entries: Events,
    pub(super) deleted: Events,
    /// The entries that are too old to be sent.
    pub(super) expired: Events,
    /// When a delivery last began to store, as the number of that moment. 0 if none ever did.
    pub(super) any: u8,
    /// The last such moment before an old enough listing without entries.
    pub(super) none: u8,
}

/// An instance that handles a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Delivery {
    pub(super) at: DeliveryAt,
    /// The events that are still to be sent.
    pub(super) unsent: Events,
    /// The events that are to be stored.
    pub(super) failed: Events,
}

/// What a delivery does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum DeliveryAt {
    /// Waits for the end of the delivery before it.
    Waits,
    ReadsAny,
    ReadsNone {
        any: u8,
    },
    Lists,
    Sends,
    WritesAny,
    Stores,
    /// Has answered, or was killed.
    Ended,
}

/// An instance that drains the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Drainer {
    pub(super) at: DrainerAt,
    /// Whether the lease in the store is this drainer's. The store has one lease.
    pub(super) has_lease: bool,
    /// Whether it was killed while it had the lease. Without the lease, it does not matter how it ended.
    pub(super) is_dead: bool,
    /// The entries of its listing that it has not finished.
    pub(super) listed: Events,
    /// The entries that an accepted event makes needless.
    pub(super) needless: Events,
}

/// What a drainer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DrainerAt {
    ReadsLease,
    WritesLease,
    ConfirmsLease,
    BeginsListing,
    /// Gets the keys. `any` is the value for `none` if there are no entries, or 0 if `any` is too young.
    Lists {
        any: u8,
    },
    /// Gets the oldest entry that it has listed.
    Gets,
    Sends,
    Deletes,
    /// Writes an entry again after a failed attempt.
    Rewrites,
    Reports,
    WritesNone {
        any: u8,
    },
    Releases,
    /// Has ended, or was killed.
    Ended,
}

impl State {
    /// The state before anything happens.
    pub(super) fn first(world: &World) -> State {
        let delivery = |number: usize| {
            if number >= world.deliveries.len() {
                return Delivery { at: DeliveryAt::Ended, unsent: Events::default(), failed: Events::default() };
            }
            let at = if number == 0 { first_step(world) } else { DeliveryAt::Waits };
            Delivery { at, unsent: world.events(number), failed: Events::default() }
        };
        let none = Events::default();
        let drainer =
            Drainer { at: DrainerAt::ReadsLease, has_lease: false, is_dead: false, listed: none, needless: none };
        State {
            pagerduty: PagerDuty {
                is_up: world.is_up,
                open: world.is_open.then_some(0),
                accepted: none,
                late: none,
                closed_wrongly: false,
            },
            store: Store::default(),
            acknowledged: none,
            reported: none,
            deliveries: std::array::from_fn(delivery),
            drainers: [drainer; DRAINERS],
            left: world.faults,
        }
    }

    /// Whether everybody has ended and nothing is under way.
    pub(super) fn is_end(&self) -> bool {
        self.pagerduty.late.is_empty()
            && self.deliveries.iter().all(|delivery| delivery.at == DeliveryAt::Ended)
            && self.drainers.iter().all(|drainer| drainer.at == DrainerAt::Ended)
    }

    /// The same state for every order of the drainers, which do not differ.
    pub(super) fn in_order(mut self) -> State {
        self.drainers.sort_unstable();
        self
    }

    /// The alert after a drain without faults.
    pub(super) fn drained(&self, world: &World) -> PagerDuty {
        let mut pagerduty = self.pagerduty;
        for event in self.store.entries.minus(self.store.expired).iter() {
            pagerduty.apply(world, event);
        }
        pagerduty
    }

    /// Whether a delivery has begun to store and has not ended.
    pub(super) fn is_storing(&self) -> bool {
        self.deliveries.iter().any(|delivery| delivery.at == DeliveryAt::Stores)
    }
}

/// How a delivery begins.
pub(super) fn first_step(world: &World) -> DeliveryAt {
    if world.rules.looks_first { DeliveryAt::ReadsAny } else { DeliveryAt::Sends }
}
