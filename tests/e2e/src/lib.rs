//! Shared code of the component's tests and the dev server: it builds and hosts the component, and mocks PagerDuty.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]

pub mod build;
pub mod conformance;
pub mod growth;
pub mod keyvalue;
pub mod native;
pub mod pagerduty;
pub mod rest;
pub mod runtime;
pub mod scaffold;
pub mod server;

use std::sync::{OnceLock, PoisonError, RwLock};

use serde_json::{Value, json};

pub use pagerelay_support::{
    OPSGENIE_SECRET, OWN_SECRET, ROUTING_KEY, SECRET, SERVICE_KEY, blocks, cases, contract, credentials, evidence,
    examples, fixtures, golden, own_secrets, root, secret_for, vectors,
};

/// Runs a future to completion, on one runtime for all tests of a binary.
pub fn run<F: Future>(future: F) -> F::Output {
    let _shared = ALONE.read().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(future)
}

/// The same for a test that measures time: no other test runs beside it.
pub fn run_alone<F: Future>(future: F) -> F::Output {
    let _alone = ALONE.write().unwrap_or_else(PoisonError::into_inner);
    runtime().block_on(future)
}

/// A test that failed has poisoned nothing: it only held its turn.
static ALONE: RwLock<()> = RwLock::new(());

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a tokio runtime")
    })
}

/// A batch of Alertmanager with so many firing alerts, of the usual size.
pub fn group(alerts: usize) -> String {
    let alert = |i: usize| {
        json!({
            "status": "firing", "fingerprint": format!("{i:016x}"), "startsAt": "2026-03-04T05:06:07Z",
            "labels": {"alertname": "HighErrorRate", "instance": "web-1:9100", "severity": "critical"},
            "annotations": {"summary": "Checkout fails one request in ten", "runbook_url": "https://runbooks.shop.example/"},
        })
    };
    json!({"version": "4", "groupKey": "g", "alerts": (0..alerts).map(alert).collect::<Vec<Value>>()}).to_string()
}
