//! The duration of a delivery, by the component's own clock: `cargo test --bench delivery`.
//!
//! The numbers are the guest's: from the request's arrival to the end of its last wait. PagerDuty is the mock on
//! localhost, so they include only the relay's own time and the mock's configured delay.

use std::time::Duration;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, World, relay};
use pagerelay_e2e::{group, run};

/// How often each case is measured.
const RUNS: usize = 20;

fn main() {
    let _ = relay(Flavour::Spin);
    println!("{:44} {:>8} {:>8} {:>8}", "one delivery, in ms", "median", "slowest", "map");
    for (what, alerts, pause) in [
        ("1 event", 1, 0),
        ("10 events", 10, 0),
        ("100 events", 100, 0),
        ("500 events, most of them in a digest", 500, 0),
        ("50 events, and PagerDuty takes 100 ms", 50, 100),
    ] {
        let mut times: Vec<(u64, u64)> = (0..RUNS).map(|_| run(measure(alerts, pause))).collect();
        times.sort_unstable();
        let slowest_map = times.iter().map(|(_, map)| *map).max().unwrap_or_default();
        println!("{what:44} {:8} {:8} {slowest_map:8}", times[RUNS / 2].0, times[RUNS - 1].0);
    }
}

/// The total duration of a delivery, and the duration of its mapping.
async fn measure(alerts: usize, pause: u64) -> (u64, u64) {
    let pagerduty = PagerDuty::start().await;
    if pause > 0 {
        let body = r#"{"status":"success"}"#.to_owned();
        pagerduty.fault(None, Answer::Say(202, body, Duration::from_millis(pause)));
    }
    let world = World::new(&pagerduty.url());
    let call = Call::post("/alertmanager", group(alerts));
    let reply = relay(Flavour::Spin).call(&world, call).await.expect("the component answers");
    assert_eq!(reply.status, 200, "{}", reply.json());
    let log = reply.log_json();
    let millis = |name: &str| log[name].as_u64().expect("the log tells the time");
    (millis("ms"), millis("ms_map"))
}
