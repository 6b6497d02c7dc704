//! What the native tests and those of the component share: fixtures found, goldens compared, credentials made, and the
//! contract with PagerDuty. Nothing here needs the component, so nothing here needs wasmtime.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]

pub mod contract;
pub mod credentials;
pub mod examples;
pub mod fixtures;
pub mod golden;
pub mod schema;
pub mod vectors;

use std::path::Path;

/// A secret that opens every source in tests.
pub const SECRET: &str = "the-harness-opens-with-this-7f3a";

/// A key of a service's integration, which takes change events too.
pub const SERVICE_KEY: &str = "e0pageRelayTestKey0000000000000u";

/// An orchestration's routing key.
pub const ROUTING_KEY: &str = "R0pageRelayTestKey0000000000000u";

/// The workspace's folder, whichever of its members asks.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package is in tests/support")
}
