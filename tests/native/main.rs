//! What needs no component: mappings, their goldens, the contract, authentication, and what must agree in the tree.
//!
//! `cargo test --test native` runs it without building wasmtime; `cargo test --test native sources` runs one module.

mod architecture;
mod auth;
mod contract;
#[cfg(feature = "templates")]
mod custom;
mod growth;
mod lanes;
mod licences;
mod properties;
mod readme;
mod sources;
mod tidy;
