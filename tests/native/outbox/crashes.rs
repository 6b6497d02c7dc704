//! Random worlds: senders, ticks, outages of PagerDuty, and instances that are killed at any call.
//!
//! Whatever happens, what a sender was told is true, and at the end PagerDuty has the state of the newest event of each
//! alert.

use std::collections::BTreeMap;
use std::sync::mpsc::{TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pagerelay_support::evidence;
use serde_json::json;

use super::world::World;
use super::{events, secs, variables};

/// How many worlds.
const SEEDS: u64 = 200;

/// How many events each alert has.
const EVENTS: u64 = 6;

const ALERTS: [&str; 3] = ["a", "b", "c"];

/// For each alert, the statuses of its events, by number. An instance that was killed before it answered has 0.
type Told = Arc<Mutex<BTreeMap<&'static str, Vec<u16>>>>;

/// Critical alerts are sent to a service of their own, which has two routing keys.
const SPREAD: [(&str, &str); 3] = [
    ("rules", r#"[{"if": "event.payload.severity == 'critical'", "service": "payments"}]"#),
    ("routing_key_payments", "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE"),
    ("routing_key_payments_previous", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"),
];

fn world(seed: u64, kills: u64, more: &[(&str, &str)]) -> (World, Told) {
    let world = World::new(seed, &variables(&[&[("outbox", "on")], more].concat()));
    let told = Told::default();
    {
        let mut state = world.state();
        state.kills = kills;
        state.store.takes = Duration::from_millis(state.below(200));
        state.pagerduty.takes = Duration::from_millis(50 + state.below(1000));
        state.pagerduty.failure = if state.below(4) == 0 { 0 } else { 503 };
        let one = more.get(1 + usize::try_from(state.below(4)).expect("few"));
        state.pagerduty.failing_key = one.map(|(_, key)| (*key).to_owned());
        let mut from = Duration::from_secs(state.below(20));
        for _ in 0..3 {
            let until = from + Duration::from_secs(5 + state.below(60));
            state.pagerduty.outages.push((from, until));
            from = until + Duration::from_secs(state.below(30));
        }
    }
    for alert in ALERTS {
        let told = Arc::clone(&told);
        world.at(secs(1), move |world| {
            let mut number = 0;
            while number < EVENTS {
                // Some deliveries have two events of the alert.
                let count = (1 + world.state().below(2)).min(EVENTS - number);
                let state = |number: u64| if number % 2 == 1 { "down" } else { "up" };
                let items = number + 1..=number + count;
                let severity = if world.state().below(2) == 0 { "error" } else { "critical" };
                let items =
                    items.map(|number| json!({"id": alert, "n": number, "state": state(number), "severity": severity}));
                let delivery = events("patient", &items.collect());
                number += count;
                let pause = Duration::from_millis(world.state().below(20_000));
                let at = world.state().now + pause;
                world.wait_until(at);
                // The instance has a thread of its own, because it goes on after its answer, and may be killed.
                let (answered, answer) = channel();
                let now = world.state().now;
                world.arrives(now, delivery, move |answer| {
                    answered.send(answer.status).expect("the sender waits");
                });
                let status = loop {
                    match answer.try_recv() {
                        Ok(status) => break status,
                        Err(TryRecvError::Disconnected) => break 0,
                        Err(TryRecvError::Empty) => {
                            let soon = world.state().now + Duration::from_millis(50);
                            world.wait_until(soon);
                        }
                    }
                };
                let mut told = told.lock().expect("one at a time");
                told.entry(alert).or_default().extend((0..count).map(|_| status));
            }
        });
    }
    for tick in 0..40 {
        world.ticks(secs(7 * tick));
        world.ticks(secs(7 * tick) + Duration::from_millis(300));
    }
    (world, told)
}

/// Runs a world to its end, then lets everything that is stored go out.
fn settle(world: &World) {
    world.run();
    let mut state = world.state();
    state.kills = 0;
    state.pagerduty.outages.clear();
    let end = state.now;
    drop(state);
    for minute in 1..=10 {
        world.ticks(end + secs(60 * minute));
    }
    world.run();
}

/// What is wrong at the end.
fn faults(world: &World, told: &Told) -> Vec<String> {
    let state = world.state();
    let mut faults = [state.store.faults.clone(), state.pagerduty.faults.clone()].concat();
    for (alert, statuses) in &*told.lock().expect("one at a time") {
        let key = format!("sim:{alert}");
        let is_success = |number: &u64| (200..300).contains(&statuses[usize::try_from(number - 1).expect("few")]);
        let known = (1..=EVENTS).rev().find(is_success).unwrap_or_default();
        // What the sender does not know may have arrived or not.
        let may_be: Vec<bool> = (known.max(1)..=EVENTS).map(|number| number % 2 == 1).collect();
        let is_open = state.pagerduty.is_open(&key);
        if known > 0 && !may_be.contains(&is_open) {
            faults.push(format!("{key} is open: {is_open}, but {known} was answered with success: {statuses:?}"));
        }
    }
    if state.store.keys.keys().any(|key| key.starts_with("pr1.e.")) {
        faults.push("something is still stored".to_owned());
    }
    faults
}

#[test]
fn requests_that_pagerduty_applies_long_after_they_were_given_up_lose_nothing_and_are_counted() {
    let (mut late, mut bad) = (0, Vec::new());
    for seed in 0..SEEDS {
        let (world, told) = world(seed, 0, &[]);
        {
            let mut state = world.state();
            (state.pagerduty.failure, state.pagerduty.applies_late) = (0, 20);
        }
        settle(&world);
        let state = world.state();
        late += state.pagerduty.applied_late;
        assert_eq!(state.store.faults, [""; 0], "seed {seed}");
        let never =
            |alert: &&&str| !state.pagerduty.accepted.iter().any(|(_, _, key, _)| *key == format!("sim:{alert}"));
        assert_eq!(ALERTS.iter().find(never), None, "seed {seed}");
        drop(state);
        bad.extend((!faults(&world, &told).is_empty()).then_some(seed));
    }
    // Nothing but PagerDuty could prevent these: it applies an old event after newer ones.
    evidence(&format!(
        "{SEEDS} worlds: {late} requests applied late, {} worlds end with an alert in an older state",
        bad.len()
    ));
    assert!(late > 100, "{late}");
}

fn check(seeds: u64, kills: u64, more: &[(&str, &str)]) {
    let (mut killed, mut successes, mut faulty) = (0, 0, Vec::new());
    for seed in 0..seeds {
        let (world, told) = world(seed, kills, more);
        settle(&world);
        let faults = faults(&world, &told);
        if !faults.is_empty() {
            faulty.push(format!("seed {seed}: {}", faults.join("; ")));
        }
        killed += world.state().killed;
        let told = told.lock().expect("nobody runs");
        successes += told.values().flatten().filter(|status| (200..300).contains(*status)).count();
    }
    assert!(
        faulty.is_empty(),
        "{} of {seeds} worlds:
{}",
        faulty.len(),
        faulty.join(
            "
"
        )
    );
    evidence(&format!(
        "{seeds} worlds: {killed} instances killed, {successes} deliveries answered with success, none lost"
    ));
    assert!(successes > 5 * usize::try_from(seeds).expect("few"), "the worlds are not hopeless");
}

#[test]
fn in_random_worlds_nothing_is_lost_and_no_alert_ends_in_an_older_state() {
    check(SEEDS, 0, &[]);
}

#[test]
fn instances_that_are_killed_lose_nothing_that_was_answered_with_success() {
    check(SEEDS, 5, &[]);
}

#[test]
fn with_rules_that_choose_services_nothing_is_lost_and_no_alert_ends_in_an_older_state() {
    check(SEEDS / 4, 0, &SPREAD);
    check(SEEDS / 4, 5, &SPREAD);
}
