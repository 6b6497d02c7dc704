//! What the search varies: the rules of the outbox, and how much may happen.

use std::fmt;

/// What an event does to its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Trigger,
    Resolve,
}

/// How drainers exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lease {
    /// Not at all.
    Off,
    /// A drainer writes the lease and starts.
    WithoutPause,
    /// A drainer writes the lease, pauses, and starts if it still has the lease.
    On,
}

/// The rules of the outbox. Each field other than in [`SOUND`] removes one rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) lease: Lease,
    /// Whether a delivery looks for entries of its alert, and stores its events behind them.
    pub(super) looks_first: bool,
    /// Whether a listing without entries counts only if it began long after the last delivery began to store.
    pub(super) has_margin: bool,
    /// Whether a delivery sends no further event of an alert after one that was not accepted.
    pub(super) stops_at_failure: bool,
    /// Whether a drainer deletes an entry after PagerDuty's acceptance, and not before it sends the event.
    pub(super) deletes_after_acceptance: bool,
    /// Whether nobody writes an entry a second time, such as with the number of its attempts.
    pub(super) writes_once: bool,
    /// Whether an expired entry is reported before it is deleted.
    pub(super) reports_expiry: bool,
}

/// The rules that hold every invariant.
pub(super) const SOUND: Rules = Rules {
    lease: Lease::On,
    looks_first: true,
    has_margin: true,
    stops_at_failure: true,
    deletes_after_acceptance: true,
    writes_once: true,
    reports_expiry: true,
};

/// How often something may happen in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Faults {
    /// PagerDuty's changes between up and down.
    pub(super) changes: u8,
    /// Instances that are killed.
    pub(super) crashes: u8,
    /// Events that PagerDuty accepts, but whose response is lost.
    pub(super) lost_responses: u8,
    /// Requests that the relay has given up, and that PagerDuty may still apply later.
    pub(super) late_requests: u8,
    /// Times at which all entries in the store expire.
    pub(super) expiries: u8,
}

/// One search.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    /// The deliveries about one alert, each with its events, in the sender's order.
    pub(super) deliveries: &'static [&'static [Action]],
    /// The events that are triggers.
    pub(super) triggers: Events,
    /// Whether the alert is open before.
    pub(super) is_open: bool,
    /// Whether PagerDuty accepts events at first.
    pub(super) is_up: bool,
    pub(super) faults: Faults,
}

impl World {
    /// The action of an event.
    pub(super) fn action(&self, event: u8) -> Action {
        if self.triggers.has(event) { Action::Trigger } else { Action::Resolve }
    }

    /// The events of a delivery.
    pub(super) fn events(&self, delivery: usize) -> Events {
        let before: usize = self.deliveries[..delivery].iter().map(|events| events.len()).sum();
        let events = before + 1..=before + self.deliveries[delivery].len();
        events.fold(Events::default(), |all, event| all.with(u8::try_from(event).expect("few events")))
    }

    /// Of these events, the oldest and those that follow it with the same action.
    pub(super) fn run(&self, events: Events) -> Events {
        let Some(oldest) = events.oldest() else { return events };
        let same = events.iter().take_while(|event| self.action(*event) == self.action(oldest));
        same.fold(Events::default(), Events::with)
    }
}

/// A set of events. They are numbered from 1 in the order in which the sender had them.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Events(u8);

impl Events {
    pub(super) fn with(self, event: u8) -> Events {
        Events(self.0 | 1 << event)
    }

    pub(super) fn without(self, event: u8) -> Events {
        Events(self.0 & !(1 << event))
    }

    pub(super) fn and(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }

    pub(super) fn minus(self, other: Events) -> Events {
        Events(self.0 & !other.0)
    }

    pub(super) fn common(self, other: Events) -> Events {
        Events(self.0 & other.0)
    }

    pub(super) fn has(self, event: u8) -> bool {
        self.0 & 1 << event != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn oldest(self) -> Option<u8> {
        self.iter().next()
    }

    pub(super) fn newest(self) -> Option<u8> {
        self.iter().last()
    }

    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        (1..8).filter(move |event| self.has(*event))
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
