//! Tests without the component: mappings, their goldens, the contract, authentication, and the consistency of the
//! repository.
//!
//! `cargo test --test native` runs them without building wasmtime; `cargo test --test native sources` runs one module.

mod architecture;
mod auth;
mod aws;
mod blocks;
mod body_keys;
mod bounded;
mod branches;
#[cfg(feature = "templates")]
mod carried;
mod cases;
mod contract;
#[cfg(feature = "templates")]
mod custom;
mod drop_in;
mod english;
mod events_api;
mod fallback;
#[cfg(feature = "templates")]
mod figures;
mod fuzzed;
mod growth;
mod host;
mod identities;
mod key_secrets;
mod keys;
mod lanes;
mod late_bodies;
mod licences;
mod manifests;
mod monitoring;
mod numbers;
mod opsgenie;
mod opsgenie_calls;
mod opsgenie_copies;
mod outbox;
mod outbox_model;
mod properties;
mod readme;
mod retries;
mod rotation;
#[cfg(feature = "templates")]
mod rules;
#[cfg(feature = "templates")]
mod rules_members;
#[cfg(feature = "templates")]
mod rules_services;
#[cfg(feature = "templates")]
mod rules_shown;
mod senders;
mod settings;
mod setup;
mod sources;
mod statuses;
mod storms;
#[cfg(feature = "templates")]
mod template_bounds;
mod tidy;
mod uptime;
mod walls;
mod wording;
mod words;
