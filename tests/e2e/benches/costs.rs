//! What a request costs: instructions, memory and time, beside the floor and the native pipeline, in one run.
//!
//! `cargo test --profile host --bench costs` builds an optimised host first, which takes some minutes.
//! `cargo test --bench costs` has the host of the tests: its instructions and memory are the same, and its times contain a
//! slower host. `-- <text>` measures the rows whose names contain the text. `PAGERELAY_COMPONENT=<file>` measures another
//! build of the component.
//!
//! PagerDuty is answered in the host's process. Times are medians in microseconds:
//!
//! - `faults`: the page faults of a request with a new instance, and the floor's: how much of its memory, its tables and its
//!   stack a request touches (0 where `/proc` does not count them);
//! - `fresh`: with a new instance for each request; `reused`: with one instance for all;
//! - `floor`: `tests/floor`, a component that maps nothing, with the same body and as many outbound calls;
//! - `guest`: `reused` without the floor's `reused`, so the relay's own work, and the variables that it reads;
//! - `native`: the pipeline with the component's optimisation, and no WebAssembly and no runtime;
//! - the last column is `guest` divided by `native`. Only an optimised host gives a meaningful one: `guest` includes the
//!   host calls that the relay makes and the floor does not.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::fixtures::{self, Fixture};
use pagerelay_e2e::growth::{accepting, once_too_much};
use pagerelay_e2e::native::Native;
use pagerelay_e2e::runtime::{Call, Instance, Relay};
use pagerelay_e2e::{group, run, secret_for};

/// How long a row is measured, except that each of its columns has [`RUNS_MIN`] runs.
const TIME: Duration = Duration::from_secs(1);

/// The fewest runs of a median.
const RUNS_MIN: usize = 5;

/// How many requests the page faults are counted of.
const FAULT_RUNS: u64 = 20;

/// The most runs of a median.
const RUNS_MAX: usize = 201;

fn main() {
    let wanted = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let file = std::env::var_os("PAGERELAY_COMPONENT").map(PathBuf::from);
    let file = file.unwrap_or_else(|| build::component(Flavour::Spin).to_owned());
    let mut native = Native::start(&accepting()).expect("the native program starts");
    let floor = Relay::from_file(build::floor(), Flavour::Spin).expect("the floor loads");
    let counting = Relay::counting(&file, Flavour::Spin).expect("the component loads");
    let started = Instant::now();
    let relay = Relay::from_file(&file, Flavour::Spin).expect("the component loads");
    let size = std::fs::metadata(&file).expect("the component is there").len();
    println!("{size} bytes, compiled in {} ms", started.elapsed().as_millis());
    println!(
        "{:34} {:>6} {:>11} {:>5} {:>6} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6}",
        "one request, times in µs",
        "status",
        "fuel",
        "MiB",
        "faults",
        "floor",
        "fresh",
        "floor",
        "reused",
        "floor",
        "guest",
        "native",
        "ratio"
    );
    for (name, call) in rows().into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let counted = run(counting.call(&accepting(), call.clone())).expect("the component answers");
        let below = Call { path: format!("/?calls={}", counted.sent.len()), ..call.clone() };
        let [fresh, fresh_floor, reused, reused_floor] = run(measure([&relay, &floor], [&call, &below]));
        let faults = [run(faults(&relay, &call)), run(faults(&floor, &below))];
        let (status, native) = native.time(&call, RUNS_MAX).expect("the native pipeline answers");
        assert_eq!(status, counted.status, "{name}: the native pipeline answers like the component");
        let guest = reused.saturating_sub(reused_floor);
        let times =
            [fresh, fresh_floor, reused, reused_floor, guest, native].map(|time| time.as_nanos() as f64 / 1000.0);
        println!(
            "{name:34} {:6} {:11} {:5.1} {:6} {:6} {:8.0} {:8.0} {:8.0} {:8.0} {:8.0} {:8.1} {:6.1}",
            counted.status,
            counted.fuel,
            counted.memory as f64 / f64::from(1 << 20),
            faults[0],
            faults[1],
            times[0],
            times[1],
            times[2],
            times[3],
            times[4],
            times[5],
            times[4] / times[5],
        );
    }
}

/// The requests, each with its name.
fn rows() -> Vec<(String, Call)> {
    let alerts = |count: usize| Call::post("/alertmanager", group(count));
    let mut rows = vec![
        ("GET /health".to_owned(), Call::stranger("GET", "/health", "")),
        ("401".to_owned(), Call::stranger("POST", "/alertmanager", group(1))),
        ("ignored, no alerts".to_owned(), alerts(0)),
        ("1 alert".to_owned(), alerts(1)),
        ("10 alerts".to_owned(), alerts(10)),
        ("100 alerts".to_owned(), alerts(100)),
        ("1000 alerts".to_owned(), alerts(1000)),
        ("preview of 10 alerts".to_owned(), Call::post("/preview/alertmanager", group(10))),
        ("preview of 10 alerts, explained".to_owned(), Call::post("/preview/alertmanager?explain", group(10))),
    ];
    let mut largest: Vec<Fixture> = fixtures::all();
    largest.sort_by_key(|fixture| (fixture.source.slug, std::cmp::Reverse(fixture.body.len())));
    largest.dedup_by_key(|fixture| fixture.source.slug);
    rows.extend(largest.iter().map(|fixture| {
        let path = format!("/{}", fixture.source.slug);
        (fixture.name(), Call::fixture(fixture, &path, secret_for(&path)))
    }));
    rows.extend(once_too_much().into_iter().map(|(size, call)| (format!("hostile, {size} {}", call.path), call)));
    rows
}

/// The median times of the relay and the floor: with fresh instances, then with one for all requests. The runs alternate.
async fn measure(relays: [&Relay; 2], calls: [&Call; 2]) -> [Duration; 4] {
    let mut kept = relays.map(Relay::instance);
    let mut times: [Vec<Duration>; 4] = Default::default();
    let started = Instant::now();
    // The first round is a warm-up: it starts the instances that are kept.
    for round in 0..=RUNS_MAX {
        for (at, (relay, call)) in relays.iter().zip(calls).enumerate() {
            let fresh = time(&mut relay.instance(), call).await;
            let reused = time(&mut kept[at], call).await;
            if round > 0 {
                times[at].push(fresh);
                times[2 + at].push(reused);
            }
        }
        if round >= RUNS_MIN && started.elapsed() > TIME {
            break;
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

/// The page faults of one request with a new instance, on average.
async fn faults(relay: &Relay, call: &Call) -> u64 {
    let before = page_faults();
    for _ in 0..FAULT_RUNS {
        time(&mut relay.instance(), call).await;
    }
    (page_faults() - before) / FAULT_RUNS
}

/// The minor page faults of this process so far (proc_pid_stat(5), field 10).
fn page_faults() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field, in parentheses, may contain spaces.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(7).and_then(|count| count.parse().ok()).unwrap_or_default()
}

async fn time(instance: &mut Instance<'_>, call: &Call) -> Duration {
    let (world, call) = (accepting(), call.clone());
    let started = Instant::now();
    instance.call(&world, call).await.expect("the component answers");
    started.elapsed()
}
