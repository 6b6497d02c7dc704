//! Shared code of the native tests and the component's tests: finding fixtures, comparing goldens, making credentials,
//! and the contract with PagerDuty. This code does not need the component, so it does not need wasmtime.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]

pub mod contract;
pub mod credentials;
pub mod examples;
pub mod fixtures;
pub mod fuzz;
pub mod golden;
pub mod host;
pub mod schema;
pub mod vectors;

use std::path::Path;

/// A secret that every source accepts in tests.
pub const SECRET: &str = "the-harness-opens-with-this-7f3a";

/// A service's integration key, which accepts change events too.
pub const SERVICE_KEY: &str = "e0pageRelayTestKey0000000000000u";

/// An orchestration's routing key.
pub const ROUTING_KEY: &str = "R0pageRelayTestKey0000000000000u";

/// The workspace's folder, for each of its members.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package is in tests/support")
}
