//! Tests without the component: mappings, their goldens, the contract, authentication, and the consistency of the
//! repository.
//!
//! `cargo test --test native` runs them without building wasmtime; `cargo test --test native sources` runs one module.

mod architecture;
mod auth;
mod aws;
mod bounded;
mod cases;
mod contract;
#[cfg(feature = "templates")]
mod custom;
mod english;
mod growth;
mod host;
mod identities;
mod keys;
mod lanes;
mod licences;
mod numbers;
mod properties;
mod readme;
mod senders;
mod sources;
mod tidy;
mod walls;
