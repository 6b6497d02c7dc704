//! Outages by their length, for each kind of sender, with ticks each minute: what is lost, late, doubled or in the wrong
//! state.
//!
//! `cargo test -p pagerelay --test native outages -- --nocapture` prints the table.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::World;
use super::{event, secs, variables};

/// When the outage begins at the earliest.
const BEGINS: u64 = 60;

/// The lengths of outages in seconds, and how many of each, which begin at different times.
const OUTAGES: [(u64, u64); 4] = [(10, 20), (60, 10), (600, 2), (3600, 1)];

/// The seconds between two alerts, and how long each one lasts.
const APART: u64 = 20;
const LASTS: u64 = 300;

/// How often a sender that sends its state again does so.
const INTERVAL: u64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// Only the retries before the answer.
    Retries,
    /// Those after it too.
    After,
    Outbox,
}

#[derive(Debug, Default)]
struct Result {
    alerts: usize,
    lost: usize,
    /// How late each page was.
    late: Vec<Duration>,
    doubled: usize,
    left_open: usize,
    closed_wrongly: usize,
    requests: usize,
}

impl Result {
    fn percent(&self) -> usize {
        (100 * self.lost).div_ceil(self.alerts.max(1))
    }

    fn late(&self, part: usize) -> u64 {
        let mut late = self.late.clone();
        late.sort_unstable();
        late.get((late.len() * part / 100).min(late.len().saturating_sub(1))).map_or(0, Duration::as_secs)
    }
}

/// Adds what was accepted of each alert that began in this outage.
fn add(result: &mut Result, world: &World, alerts: u64, (begins, ends): (u64, u64), resends: bool) {
    let state = world.state();
    let mut first: BTreeMap<String, Duration> = BTreeMap::new();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for (at, _, key, _) in state.pagerduty.accepted.iter().filter(|(_, action, ..)| action == "trigger") {
        first.entry(key.clone()).or_insert(*at);
        *times.entry(key.clone()).or_default() += 1;
    }
    for alert in 0..alerts {
        let arrives = alert * APART;
        let key = format!("sim:a{alert}");
        result.left_open += usize::from(state.pagerduty.is_open(&key));
        // A sender that sends its state again says nothing about an alert that is over.
        let is_over = resends && arrives + LASTS < ends + INTERVAL;
        if !(begins..ends).contains(&arrives) || is_over {
            continue;
        }
        result.alerts += 1;
        match first.get(&key) {
            None => result.lost += 1,
            Some(at) => result.late.push(*at - secs(arrives)),
        }
        result.doubled += times.get(&key).map_or(0, |times| times - 1);
    }
    result.closed_wrongly += state.pagerduty.faults.len();
    result.requests += state.pagerduty.received.len();
}

/// Runs one outage of so many seconds, which begins at this time.
fn outage(result: &mut Result, sender: &'static str, (begins, outage): (u64, u64), steps: Steps) {
    let more: &[(&str, &str)] = match steps {
        Steps::Retries => &[("retry_after_answer", "off")],
        Steps::After => &[],
        Steps::Outbox => &[("outbox", "on")],
    };
    let world = World::new(7, &variables(more));
    world.state().pagerduty.outages.push((secs(begins), secs(begins + outage)));
    let alerts = (begins + outage).div_ceil(APART) + 3;
    let end = alerts * APART + LASTS + 2 * outage + 900;
    let accepted = Arc::new(Mutex::new(BTreeMap::new()));
    for alert in 0..alerts {
        let (id, fires) = (format!("a{alert}"), alert * APART);
        let sends = |number: u64, state: &'static str, from: u64, until: u64| {
            if sender != "resending" {
                world.arrives(secs(from), event(sender, &id, number, state), |_| ());
                return;
            }
            // It sends each state until that is accepted.
            for time in (from..until).step_by(usize::try_from(INTERVAL).expect("small")) {
                let (id, accepted) = (id.clone(), Arc::clone(&accepted));
                world.at(secs(time), move |world| {
                    let known = (id.clone(), number);
                    if accepted.lock().expect("one at a time").contains_key(&known) {
                        return;
                    }
                    world.serve(&event(sender, &id, number, state), &mut |answer| {
                        if answer.status == 200 {
                            accepted.lock().expect("one at a time").insert(known.clone(), ());
                        }
                    });
                });
            }
        };
        sends(2 * alert + 1, "down", fires, fires + LASTS);
        sends(2 * alert + 2, "up", fires + LASTS, end);
    }
    for minute in 0..end.div_ceil(60) {
        world.ticks(secs(60 * minute + 7));
    }
    world.run();
    add(result, &world, alerts, (begins, begins + outage), sender == "resending");
}

#[test]
fn outages_lose_nothing_with_an_outbox_and_less_with_each_step() {
    println!(
        "{:10} {:>8} {:>8} {:>6} {:>6} {:>9} {:>9} {:>7} {:>9} {:>13} {:>9}",
        "sender",
        "outage",
        "steps",
        "pages",
        "lost",
        "late p50",
        "late max",
        "doubled",
        "left open",
        "closed wrongly",
        "requests"
    );
    for sender in ["hasty", "patient", "resending"] {
        for (length, times) in OUTAGES {
            let mut lost = Vec::new();
            for steps in [Steps::Retries, Steps::After, Steps::Outbox] {
                let mut result = Result::default();
                for time in 0..times {
                    // A prime, so that each begins at another time between two alerts and two ticks.
                    outage(&mut result, sender, (BEGINS + 7 * time, length), steps);
                }
                println!(
                    "{sender:10} {length:>6} s {:>8} {:>6} {:>4} % {:>7} s {:>7} s {:>7} {:>9} {:>13} {:>9}",
                    format!("{steps:?}"),
                    result.alerts,
                    result.percent(),
                    result.late(50),
                    result.late(100),
                    result.doubled,
                    result.left_open,
                    result.closed_wrongly,
                    result.requests
                );
                assert_eq!(result.closed_wrongly, 0, "{sender} {length} {steps:?}");
                if steps == Steps::Outbox {
                    assert_eq!((result.lost, result.doubled), (0, 0), "{sender} {length}: {result:?}");
                    assert!(result.late(100) <= length + 300, "{sender} {length}: {result:?}");
                    assert_eq!(result.left_open, 0, "{sender} {length}");
                }
                lost.push(result.lost);
            }
            assert!(lost.is_sorted_by(|before, after| before >= after), "{sender} {length}: {lost:?}");
        }
    }
}
