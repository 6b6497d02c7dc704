//! Live instances and memory of the host while PagerDuty fails for ten minutes and 20 deliveries arrive each second.
//!
//! `cargo test --bench outage`, or faster `cargo test --profile host --bench outage`, which builds an optimised host first. The
//! clock advances only while everybody waits, so the ten minutes take less. `-- 60` simulates so many seconds instead.
//!
//! Each delivery opens an alert of its own. PagerDuty answers 503 after 50 ms. `live` is the most instances at one time: a
//! sender's patience, and after the answer the time until 25 seconds after the arrival. `MiB` is the most memory that this
//! process had beside that before, and `KiB each` the memory of one instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::keyvalue::KeyValue;
use pagerelay_e2e::runtime::{Call, Clock, Egress, Script, World, relay};
use serde_json::json;

/// How many deliveries arrive in a second.
const RATE: u32 = 20;

/// The time at which each row begins, since the Unix epoch.
const EPOCH: Duration = Duration::from_secs(1_772_600_000);

/// A row: its name, the path of its sender, and its variables.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: [Row; 5] = [
    ("patience 10 s, retries until the answer", "/formatted", &[("retry_after_answer", "off")]),
    ("patience 10 s, retries after it", "/formatted", &[]),
    ("patience 10 s, outbox", "/formatted", &[("outbox", "on")]),
    ("patience 1 s, retries after the answer", "/sentry", &[]),
    ("patience 1 s, outbox", "/sentry", &[("outbox", "on")]),
];

fn main() {
    let seconds = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(600);
    println!(
        "{:42} {:>10} {:>9} {:>6} {:>8} {:>6} {:>9}",
        "", "deliveries", "requests", "live", "refused", "MiB", "KiB each"
    );
    for row in ROWS {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a tokio runtime").block_on(outage(row, seconds));
    }
}

async fn outage((name, path, variables): Row, seconds: u32) {
    let requests = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&requests);
    let status = Arc::new(move |_: &[u8]| {
        counted.fetch_add(1, Ordering::Relaxed);
        503
    });
    let world = World {
        egress: Egress::Script(Script { takes: Duration::from_millis(50), status }),
        clock: Some(Clock::at(EPOCH)),
        store: Some(KeyValue::default()),
        ..World::new("https://events.pagerduty.com/v2/enqueue")
    };
    let world = Arc::new(variables.iter().fold(world, |world, (name, value)| world.with(name, value)));
    let relay = relay(Flavour::Spin);
    let (live, most_live, largest) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let refused = Arc::<AtomicUsize>::default();
    let before = resident();
    let mut most = before;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..seconds * RATE {
        let (world, live, most_live, largest) =
            (Arc::clone(&world), Arc::clone(&live), Arc::clone(&most_live), Arc::clone(&largest));
        let refused = Arc::clone(&refused);
        running.spawn(async move {
            most_live.fetch_max(live.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            match relay.call(&world, Call::post(path, body(path, number))).await {
                Ok(reply) => drop(largest.fetch_max(reply.memory, Ordering::Relaxed)),
                Err(_) => drop(refused.fetch_add(1, Ordering::Relaxed)),
            }
            live.fetch_sub(1, Ordering::Relaxed);
        });
        tokio::time::sleep(Duration::from_secs(1) / RATE).await;
        while running.try_join_next().is_some() {}
        most = most.max(resident());
    }
    running.join_all().await;
    let kib = |bytes: usize| bytes / 1024;
    println!(
        "{name:42} {:>10} {:>9} {:>6} {:>8} {:>6} {:>9}",
        seconds * RATE,
        requests.load(Ordering::Relaxed),
        most_live.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        kib(most - before) / 1024,
        kib(largest.load(Ordering::Relaxed)),
    );
}

/// A delivery that opens an alert of its own.
fn body(path: &str, number: u32) -> String {
    let body = if path == "/sentry" {
        let mut body: serde_json::Value =
            serde_json::from_str(include_str!("../../fixtures/sentry/05-event-alert.json")).expect("JSON");
        body["data"]["event"]["issue_id"] = number.to_string().into();
        body["data"]["event"]["level"] = "error".into();
        body
    } else {
        json!({"alert_uid": number.to_string(), "title": "Disk full", "state": "alerting", "severity": "high"})
    };
    body.to_string()
}

/// The resident memory of this process, in bytes (proc_pid_statm(5), second field, in pages of 4 KiB). 0 where there is none.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or_default() * 4096
}
