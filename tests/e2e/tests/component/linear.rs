//! Work and memory in proportion to the body, for any body. Instructions are counted, so a slow machine changes nothing.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::fixtures::{self, Fixture};
use pagerelay_e2e::growth::{Shape, grow_form};
use pagerelay_e2e::runtime::{Call, Egress, Relay, Reply, World};
use pagerelay_e2e::{SECRET, run};
use serde_json::Value;

/// The size of the small body, in bytes.
const SMALL: usize = 8 * 1024;

/// How many times as large the large body is.
const TIMES: u64 = 16;

/// The most instructions of the large body: this many percent of `TIMES` times those of the small one.
const PERCENT_MAX: u64 = 130;

/// The most memory of an instance, in bytes.
const MEMORY_MAX: usize = 64 * 1024 * 1024;

fn counting() -> &'static Relay {
    static RELAY: OnceLock<Relay> = OnceLock::new();
    RELAY.get_or_init(|| Relay::counting(build::component(Flavour::Spin), Flavour::Spin).expect("the component loads"))
}

fn world() -> World {
    World { egress: Egress::Accepted, ..World::new("https://events.pagerduty.com/v2/enqueue") }
}

fn send(world: &World, fixture: &Fixture, path: &str, body: Vec<u8>) -> Reply {
    let fixture = Fixture { body, ..fixture.clone() };
    let call = Call::fixture(&fixture, path, SECRET);
    run(async { counting().call(world, call).await.expect("the component answers") })
}

/// What is wrong with the growth from `small` to `large`, if anything is.
fn fault(
    what: &str,
    world: &World,
    fixture: &Fixture,
    path: &str,
    grow: &dyn Fn(usize) -> Option<Vec<u8>>,
) -> Option<String> {
    let large_bytes = SMALL * usize::try_from(TIMES).expect("it is small");
    let (small, large) = (grow(SMALL)?, grow(large_bytes)?);
    // A shape whose small body is not small has another ratio.
    let ratio = large.len() as f64 / small.len() as f64;
    let (small, large) = (send(world, fixture, path, small), send(world, fixture, path, large));
    let times = large.fuel as f64 / small.fuel as f64;
    let memory = large.memory >> 20;
    let line = format!(
        "{what}: {} to {} instructions, {times:.1} for {ratio:.1} times the bytes, {memory} MiB, {}",
        small.fuel, large.fuel, large.status
    );
    println!("{line}");
    (times * 100.0 > ratio * PERCENT_MAX as f64 || large.memory > MEMORY_MAX).then_some(line)
}

#[test]
fn probe() {
    let mut faults = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let world = world();
    let only = std::env::var("ONLY").unwrap_or_default();
    for fixture in fixtures::of_each_kind() {
        if !fixture.name().contains(&only) {
            continue;
        }
        let n = seen.entry(fixture.source.slug).or_default();
        *n += 1;
        let path = format!("/{}", fixture.source.slug);
        if let Ok(seed) = serde_json::from_slice::<Value>(&fixture.body) {
            let shapes: Vec<Shape> = if std::env::var_os("FULL").is_some() || *n == 1 {
                Shape::ALL.to_vec()
            } else {
                vec![Shape::ALL[*n % 9], Shape::ALL[(*n + 4) % 9]]
            };
            for shape in shapes {
                faults.extend(fault(&format!("{} {shape:?}", fixture.name()), &world, &fixture, &path, &|bytes| {
                    shape.grow(&seed, bytes)
                }));
            }
        } else if let Ok(form) = std::str::from_utf8(&fixture.body) {
            for long in [false, true] {
                faults.extend(fault(&format!("{} form {long}", fixture.name()), &world, &fixture, &path, &|bytes| {
                    Some(grow_form(form, bytes, long))
                }));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
