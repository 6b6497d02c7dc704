//! Shared code of the native tests and the component's tests: finding fixtures, comparing goldens, making credentials,
//! and the contract with PagerDuty. This code does not need the component, so it does not need wasmtime.

#![allow(missing_docs, reason = "it is for the tests of this workspace alone")]

pub mod blocks;
pub mod cases;
pub mod contract;
pub mod credentials;
pub mod examples;
pub mod fixtures;
pub mod fuzz;
pub mod golden;
pub mod host;
pub mod schema;
pub mod vectors;

use std::io::Write;
use std::path::Path;

/// The secret in tests for every source that accepts the shared secret.
pub const SECRET: &str = "the-harness-opens-with-this-7f3a";

/// The secret in tests for the sources that accept only their own, except for Opsgenie's.
pub const OWN_SECRET: &str = "the-harness-names-keys-with-this-2b9d";

/// The secret in tests for programs that alert Opsgenie. Two sources with the same secret are a finding of `/check`.
pub const OPSGENIE_SECRET: &str = "the-harness-alerts-ops-with-this-6c1e";

/// A service's integration key, which accepts change events too.
pub const SERVICE_KEY: &str = "e0pageRelayTestKey0000000000000u";

/// An orchestration's routing key.
pub const ROUTING_KEY: &str = "R0pageRelayTestKey0000000000000u";

/// The secret in tests for the source of this path, `/<source>…` or `/preview/<source>…`.
pub fn secret_for(path: &str) -> &'static str {
    let path = path.strip_prefix("/preview").unwrap_or(path).trim_start_matches('/');
    let slug = path.split(['/', '?']).next().unwrap_or_default();
    if pagerelay::sources::find(slug).is_some_and(|source| source.own_secret) { own_secret(slug) } else { SECRET }
}

/// The secret in tests for a source that accepts only its own.
fn own_secret(slug: &str) -> &'static str {
    if slug == "opsgenie" { OPSGENIE_SECRET } else { OWN_SECRET }
}

/// The variables of the sources that accept only their own secret, with these secrets.
pub fn own_secrets() -> impl Iterator<Item = (String, &'static str)> {
    let own = pagerelay::sources::SOURCES.iter().filter(|source| source.own_secret);
    own.map(|source| (format!("secret_{}", source.slug), own_secret(source.slug)))
}

/// Prints a number that the guide's page about evidence names, or says that its test is skipped. Unlike the output of
/// `println!`, the test runner shows this line even if the test passes.
pub fn evidence(line: &str) {
    writeln!(std::io::stderr(), "evidence: {line}").expect("standard error is open");
}

/// The workspace's folder, for each of its members.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this package is in tests/support")
}
