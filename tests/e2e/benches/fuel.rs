//! What a request costs the component, in instructions: `cargo test --bench fuel`.
//!
//! Wasmtime counts them as fuel, so the numbers do not depend on the machine. `PAGERELAY_COMPONENT=<file>` measures another
//! build of the component, such as one with another optimisation level.

use std::path::PathBuf;
use std::time::Instant;

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Relay, World};
use pagerelay_e2e::{group, run};

fn main() {
    let component = match std::env::var_os("PAGERELAY_COMPONENT") {
        Some(path) => PathBuf::from(path),
        None => build::component(Flavour::Spin).to_owned(),
    };
    let size = std::fs::metadata(&component).expect("the component is there").len();
    let started = Instant::now();
    let relay = Relay::counting(&component, Flavour::Spin).expect("the component loads");
    println!("{size} bytes, compiled in {} ms", started.elapsed().as_millis());
    println!("{:32} {:>12}", "one request", "instructions");
    let cases = [
        ("GET /health", Call::stranger("GET", "/health", "")),
        ("401", Call::stranger("POST", "/alertmanager", group(1))),
        ("no alerts", Call::post("/alertmanager", group(0))),
        ("1 alert", Call::post("/alertmanager", group(1))),
        ("10 alerts", Call::post("/alertmanager", group(10))),
        ("100 alerts", Call::post("/alertmanager", group(100))),
        ("preview of 10 alerts", Call::post("/preview/alertmanager", group(10))),
        ("the same, explained", Call::post("/preview/alertmanager?explain", group(10))),
    ];
    for (what, call) in cases {
        let fuel = run(async {
            let pagerduty = PagerDuty::start().await;
            let world = World::new(&pagerduty.url());
            relay.call(&world, call).await.expect("the component answers").fuel
        });
        println!("{what:32} {fuel:12}");
    }
}
