//! The compiled component under wasmtime: one binary with a module per topic.
//!
//! `cargo test -p pagerelay-e2e --test component delivery` runs one module.

mod act;
mod apis;
mod auth;
mod canary;
mod cases;
mod ceiling;
mod certificates;
mod clients;
mod commands;
mod conformance;
mod custom;
mod delivery;
mod doctor;
mod end_to_end;
mod linear;
mod opsgenie;
mod outbox;
mod page;
mod preview;
mod programs;
mod release;
mod reuse;
mod scaffold;
mod senders;
mod settings;
mod shell;
mod simulation;
mod sns;
