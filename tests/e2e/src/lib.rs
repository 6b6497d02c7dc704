//! What the tests of the component and the dev server share: the component built and hosted, and PagerDuty played.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]

pub mod build;
pub mod pagerduty;
pub mod rest;
pub mod runtime;
pub mod scaffold;
pub mod server;

use std::sync::OnceLock;

pub use pagerelay_support::{
    ROUTING_KEY, SECRET, SERVICE_KEY, contract, credentials, examples, fixtures, golden, root, vectors,
};

/// Runs a future to its end, on one runtime for all tests of a binary.
pub fn run<F: Future>(future: F) -> F::Output {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
    });
    runtime.block_on(future)
}
