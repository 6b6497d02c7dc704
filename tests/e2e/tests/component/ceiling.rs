//! The most that the component costs: instructions of each kind of request, and bytes.
//!
//! The numbers do not depend on the machine. They depend on the compiler, and on the exact version of wasmtime, which
//! `Cargo.toml` pins. So each limit is half as much again as the cost of 2026-11-27, and at most the aim beside it.
//! `cargo test --bench costs` prints the actual costs, and those of many more requests.

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::growth::{accepting, counting};
use pagerelay_e2e::runtime::Call;
use pagerelay_e2e::{evidence, group, run};

/// The largest size of the released component, in bytes. It was 2,384,300.
const BYTES_MAX: u64 = 2_500_000;

/// Asserts that a request is answered with this status, for at most so many instructions.
fn assert_costs(call: Call, status: u16, fuel_max: u64) -> u64 {
    let what = format!("{} {}, {} bytes", call.method, call.path, call.body.len());
    let reply = run(counting().call(&accepting(), call)).expect("the component answers");
    assert_eq!(reply.status, status, "{what}: {}", reply.json());
    assert!(reply.fuel > 0, "instructions are counted");
    assert!(reply.fuel <= fuel_max, "{what}: {} instructions are more than {fuel_max}", reply.fuel);
    evidence(&format!("fuel: {what}, status {status}: {} instructions", reply.fuel));
    reply.fuel
}

#[test]
fn the_component_is_not_larger_than_its_budget() {
    let size = std::fs::metadata(build::component(Flavour::Spin)).expect("the component is there").len();
    assert!(size <= BYTES_MAX, "{size} bytes are more than {BYTES_MAX}");
    evidence(&format!("size: {size} bytes"));
}

#[test]
fn requests_without_events_cost_little() {
    // 13,685 instructions, and an aim of 20,000.
    assert_costs(Call::stranger("GET", "/health", ""), 200, 19_500);
    // 85,274, and an aim of 120,000.
    assert_costs(Call::stranger("POST", "/alertmanager", group(1)), 401, 115_000);
    // 209,522, and an aim of 320,000.
    assert_costs(Call::post("/alertmanager", group(0)), 200, 285_000);
}

#[test]
fn deliveries_cost_at_most_half_as_much_again() {
    // 520,605 instructions, and an aim of 650,000.
    assert_costs(Call::post("/alertmanager", group(1)), 200, 650_000);
    // 3,780,649, and an aim of 5,000,000.
    assert_costs(Call::post("/alertmanager", group(10)), 200, 5_000_000);
    // 40,110,821, and an aim of 50,000,000.
    assert_costs(Call::post("/alertmanager", group(100)), 200, 50_000_000);
}

#[test]
fn a_preview_costs_at_most_twice_as_much_as_the_delivery() {
    let delivery = assert_costs(Call::post("/alertmanager", group(10)), 200, 5_000_000);
    // 4,036,583 instructions.
    assert_costs(Call::post("/preview/alertmanager", group(10)), 200, (2 * delivery).min(5_820_000));
}
