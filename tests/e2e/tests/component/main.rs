//! The compiled component under wasmtime: one binary with a module per topic.
//!
//! `cargo test -p pagerelay-e2e --test component delivery` runs one module.

mod act;
mod auth;
mod canary;
mod cases;
mod ceiling;
mod commands;
mod custom;
mod delivery;
mod doctor;
mod end_to_end;
mod linear;
mod page;
mod preview;
mod release;
mod reuse;
mod scaffold;
mod senders;
mod settings;
mod shell;
mod simulation;
mod sns;
