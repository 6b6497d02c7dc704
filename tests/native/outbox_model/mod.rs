//! A model of the outbox, before its code: events that PagerDuty has not accepted are stored, and drainers send them later.
//!
//! [`search`] visits every state that deliveries, two drainers, an outage and crashes can reach in any order, and checks the
//! [`INVARIANTS`](invariants::INVARIANTS) at each step. With [`SOUND`](world::SOUND) rules they hold. Without any one of the
//! rules, the search finds the way to break one of them, and so it shows that it would see a fault in the others.
//!
//! # What is modelled
//!
//! - One alert with up to three events in up to three deliveries. Its sender begins a delivery when it has the answer to the
//!   last one, or has lost the connection. It never repeats a delivery.
//! - A delivery's steps: read the two hints, list the entries, send, write the hint, store each event, answer.
//! - A drainer's steps: read the lease, write it, pause, read it again, list, get an entry, send, delete, report what has
//!   expired, write the hint, release the lease. It sends the last of several events with the same action in a row.
//! - PagerDuty fails and recovers at any time. It may accept an event whose response is lost. It may apply a request later
//!   than the relay gives it up; only this breaks invariant 3, and only PagerDuty could prevent it.
//! - An instance is killed between any two of its steps. The lease of a killed drainer runs out at any later time.
//! - All entries expire at any time.
//!
//! # What it has taught
//!
//! - A delivery must stop sending an alert's events at the first one that was not accepted, and store the rest behind it.
//!   Otherwise PagerDuty recovers between a trigger and its resolve, and the stored trigger opens the alert again.
//! - The lease needs its pause: written and believed at once, it excludes nobody, and the ends are those without a lease.
//! - Without the lease, no event overtakes an entry (invariant 2 holds): the fault is an old event that a second drainer sends
//!   after the first has deleted it and a newer one has passed.
//!
//! # What is assumed
//!
//! - A read sees every write that ended before it, and a listing sees every entry that was stored before it began.
//! - The pause of a drainer is longer than any drainer needs from its read of a free lease to its write, and the lease lasts
//!   longer than its holder works.
//! - A listing counts for the hint only if it began longer after the last write of `any` than a delivery takes to store.
//!
//! # What is not modelled
//!
//! Stores with stale reads, failing stores, clocks that jump, several alerts with their common lease and rate limit, two
//! deliveries of one alert at the same time, events that PagerDuty rejects, and change events, which are not stored.

mod deliver;
mod drain;
mod invariants;
mod search;
mod state;
mod steps;
mod world;

use pagerelay_support::evidence;

use self::search::{Found, search};
use self::world::Action::{Resolve, Trigger};
use self::world::{Action, Events, Faults, Lease, Rules, SOUND, World};

/// Two or three deliveries with an event each, and whether the alert is open before.
const SENDERS: [(&[&[Action]], bool); 4] = [
    (&[&[Trigger], &[Resolve]], false),
    (&[&[Resolve], &[Trigger]], true),
    (&[&[Trigger], &[Resolve], &[Trigger]], false),
    (&[&[Resolve], &[Trigger], &[Resolve]], true),
];

/// Deliveries with several events, and the same action in a row.
const OTHER_SENDERS: [(&[&[Action]], bool); 4] = [
    (&[&[Trigger, Resolve]], false),
    (&[&[Resolve, Trigger], &[Resolve]], true),
    (&[&[Trigger], &[Trigger], &[Resolve]], false),
    (&[&[Trigger, Resolve], &[Trigger]], false),
];

/// PagerDuty fails once and recovers.
const OUTAGE: Faults = Faults { changes: 2, crashes: 0, lost_responses: 0, late_requests: 0, expiries: 0 };

fn world(rules: Rules, (deliveries, is_open): (&'static [&'static [Action]], bool), faults: Faults) -> World {
    let actions = (1..).zip(deliveries.iter().copied().flatten());
    let triggers = actions.filter(|(_, action)| **action == Trigger).map(|(event, _)| event);
    World { rules, deliveries, triggers: triggers.fold(Events::default(), Events::with), is_open, is_up: true, faults }
}

/// Searches with each sender, and prints the numbers of states.
fn search_all(
    what: &str,
    rules: Rules,
    senders: &[(&'static [&'static [Action]], bool)],
    faults: Faults,
) -> Vec<Found> {
    let found: Vec<Found> = senders.iter().map(|sender| search(&world(rules, *sender, faults))).collect();
    let sum = |number: fn(&Found) -> usize| found.iter().map(number).sum::<usize>();
    let [states, bad, ends] = [sum(|found| found.states), sum(|found| found.bad_ends), sum(|found| found.ends)];
    evidence(&format!("outbox model, {what}: {states} states, {bad} of {ends} ends bad"));
    found
}

#[track_caller]
fn assert_sound(found: &[Found]) {
    for found in found {
        assert!(found.numbers().is_empty() && found.bad_ends == 0, "{}", found.told());
        assert!(found.ends > 0);
    }
}

/// Checks that without a rule exactly these invariants break.
#[track_caller]
fn assert_broken(what: &str, rules: Rules, faults: Faults, numbers: &[u8]) {
    let found = search_all(what, rules, &[SENDERS[2], SENDERS[3], OTHER_SENDERS[0], OTHER_SENDERS[1]], faults);
    let mut broken: Vec<u8> = found.iter().flat_map(Found::numbers).collect();
    broken.sort_unstable();
    broken.dedup();
    let told: Vec<String> = found.iter().map(Found::told).collect();
    assert_eq!(broken, numbers, "{what}:\n{}", told.concat());
}

#[test]
fn with_an_outage_and_crashes_every_invariant_holds() {
    assert_sound(&search_all("2 crashes", SOUND, &SENDERS, Faults { crashes: 2, ..OUTAGE }));
    assert_sound(&search_all("2 crashes, other senders", SOUND, &OTHER_SENDERS, Faults { crashes: 2, ..OUTAGE }));
}

#[test]
fn with_lost_responses_and_expired_entries_every_invariant_holds() {
    let faults = Faults { crashes: 1, lost_responses: 1, expiries: 1, ..OUTAGE };
    assert_sound(&search_all("1 crash, lost response, expiry", SOUND, &SENDERS[..2], faults));
    assert_sound(&search_all("1 lost response, expiry", SOUND, &SENDERS[2..], Faults { crashes: 0, ..faults }));
    assert_sound(&search_all(
        "1 lost response, expiry, other senders",
        SOUND,
        &OTHER_SENDERS,
        Faults { crashes: 0, ..faults },
    ));
}

#[test]
fn a_request_that_pagerduty_applies_after_it_was_given_up_can_only_break_the_order() {
    let found = search_all("1 late request", SOUND, &SENDERS, Faults { late_requests: 1, ..OUTAGE });
    assert!(found.iter().all(|found| matches!(*found.numbers(), [] | [3])), "{:?}", found);
    assert!(found.iter().any(|found| found.bad_ends > 0), "nothing in the outbox can prevent it");
}

#[test]
fn without_the_lease_the_known_fault_is_found() {
    assert_broken("no lease", Rules { lease: Lease::Off, ..SOUND }, OUTAGE, &[3]);
}

#[test]
fn without_the_pause_two_drainers_have_the_lease() {
    assert_broken("no pause", Rules { lease: Lease::WithoutPause, ..SOUND }, OUTAGE, &[3]);
}

#[test]
fn a_delivery_that_does_not_look_for_entries_overtakes_them() {
    assert_broken("no look", Rules { looks_first: false, ..SOUND }, OUTAGE, &[2, 3]);
}

#[test]
fn a_listing_that_began_before_an_entry_was_stored_must_not_count() {
    assert_broken("no margin", Rules { has_margin: false, ..SOUND }, OUTAGE, &[2, 3]);
}

#[test]
fn a_delivery_that_goes_on_after_a_failure_stores_an_event_behind_a_newer_one() {
    assert_broken("no stop", Rules { stops_at_failure: false, ..SOUND }, OUTAGE, &[3]);
}

#[test]
fn an_entry_that_is_deleted_before_it_is_sent_is_lost() {
    assert_broken("early deletion", Rules { deletes_after_acceptance: false, ..SOUND }, OUTAGE, &[1, 3, 5]);
}

#[test]
fn an_entry_that_is_written_again_returns_after_its_deletion() {
    let rules = Rules { writes_once: false, lease: Lease::Off, ..SOUND };
    assert_broken("second write", rules, OUTAGE, &[2, 3, 4]);
}

#[test]
fn with_the_lease_a_second_write_is_harmless() {
    let rules = Rules { writes_once: false, ..SOUND };
    assert_sound(&search_all("second write, lease", rules, &SENDERS, Faults { crashes: 1, ..OUTAGE }));
}

#[test]
fn an_entry_that_expires_in_silence_is_lost() {
    assert_broken("no report", Rules { reports_expiry: false, ..SOUND }, Faults { expiries: 1, ..OUTAGE }, &[1, 5]);
}
