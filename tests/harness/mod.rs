//! What the tests and the dev server share: the component built and hosted, PagerDuty played, fixtures found.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

pub mod build;
pub mod contract;
pub mod credentials;
pub mod fixtures;
pub mod pagerduty;
pub mod rest;
pub mod runtime;
pub mod server;

use std::sync::OnceLock;

/// A secret that opens every source in tests.
pub const SECRET: &str = "the-harness-opens-with-this-7f3a";

/// A key of a service's integration, which takes change events too.
pub const SERVICE_KEY: &str = "e0pageRelayTestKey0000000000000u";

/// An orchestration's routing key.
pub const ROUTING_KEY: &str = "R0pageRelayTestKey0000000000000u";

/// Runs a future to its end, on one runtime for all tests of a binary.
pub fn run<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
    });
    runtime.block_on(future)
}
