//! pagerelay takes alert webhooks at the edge, proves who sent them, maps them to PagerDuty Events API v2, and answers
//! the sender with the truth about what PagerDuty accepted.
//!
//! It is one WASI HTTP component, for Spin and whatever else hosts `wasi:http`. This crate is that component and, built
//! natively, the same pipeline for tests.
//!
//! # Flow
//!
//! ```text
//!  wasi request                                                              wasi reply
//!       │ component                                                              ▲ component
//!       ▼                                                                        │
//!    Request ──route──▶ source, service ──config──▶ Config ──auth──▶ Authenticated
//!                                                                        │ source.map   (pure)
//!                                                                        ▼       │
//!                              Mapped { events, ignored, rejected } ──storm──▶ Plan ──deliver──▶ Outcomes
//!                                                                                │
//!                       Error ──one status table──▶ Reply ◀──────────────────────┘
//! ```
//!
//! Each arrow is one function in one file; [`relay`] alone calls them, in this order, and no stage calls back. A
//! preview takes the same way and ends before `deliver`, at [`events_api::draft`]; where `source.map` stands, a mapping of
//! the user's own has [`custom`]. What is no delivery has a module that does it all: [`doctor`] and [`act`] ask for their
//! configuration and PagerDuty's answers themselves, past the same [`auth::verify`].
//!
//! # Invariants
//!
//! 1. Only `component.rs` names the bindings. Everything else asks the world through [`runtime::Host`].
//! 2. Mapping is a pure function of the bytes: no clock, no variables, no network, no randomness. The same delivery
//!    gives the same events, so PagerDuty's own de-duplication absorbs every repetition.
//! 3. Nothing is mapped before its sender is known: [`auth::verify`] alone makes an [`auth::Authenticated`], and
//!    [`auth::Authenticated::instead`] others of the same sender, which explain a mapping and are never sent.
//! 4. Mapping never sees a secret, and no secret is in a log, a reply or an error. [`secret::Secret::expose`] is called
//!    where the value signs, where it is sent, and where an answer is searched for it.
//! 5. Every event satisfies PagerDuty's documented limits by construction ([`event::Event`]).
//! 6. A vendor's unknown states and severities are decided in an arm of their own, with the reason beside it.
//! 7. A trigger and its resolve share a dedup key, built from ids and never from severity, value, time or status.
//! 8. Nothing that the network can reach panics, indexes or unwraps; lints hold that.
//! 9. Errors become statuses in one table ([`error::Error::status`]), and 2xx means that PagerDuty has every event.
//! 10. A known sender is never met with silence: what cannot be mapped or is refused pages in short ([`unmapped`],
//!     [`event::Event::minimal`]), and what is too much at once is named in a digest ([`storm`]).
//! 11. What is previewed is what is sent, to the last byte: nothing above the wire asks which of the two it is. What
//!     explains a mapping knows no vendor: it asks the mapping itself ([`explain`]).
//! 12. Every wait for a sender or for PagerDuty has an end: [`runtime::Host::exchange`] takes a deadline, and bodies are read
//!     under a clock.
//! 13. A routing key goes to the Events API and the token to the REST API, and neither to the other's. No page needs the
//!     token.
//!
//! # Glossary
//!
//! | word | means |
//! |---|---|
//! | source | a vendor whose webhooks are accepted |
//! | delivery | one inbound webhook request |
//! | payload | the vendor's JSON body |
//! | event | one PagerDuty Events v2 event |
//! | scheme | a way for a sender to prove itself |
//! | variable | one value from the runtime's store |
//! | service | the user's name for a routing key of its own |
//! | lane | the events of one alert, which go out one after the other |
//! | digest | one alert that stands for many of a delivery |
//! | outcome | what came of one event |
//! | reply | our HTTP answer |
//! | host | the runtime as the pipeline sees it |
//! | template | a mapping of the user's own, in a variable |
//! | preview | what a delivery would send, shown and not sent |
//! | origin | where one field of an event comes from |
//!
//! # Adding a source
//!
//! One file, one fixture folder, two registry lines, one row:
//!
//! 1. `src/sources/<slug>.rs` with `pub const SOURCE` and `fn map`, and docs under the four headings that the others
//!    have: Wire format, Mapping, Dedup key, Not mapped.
//! 2. `mod <slug>;` and an entry in [`sources::SOURCES`].
//! 3. `tests/fixtures/<slug>/`: `01-firing-…` and `02-resolved-…` as a pair, then every edge that the docs speak of and
//!    what is rejected. Payloads are written for the purpose, in the documented shape, with invented values.
//!    `UPDATE_EXPECT=1 cargo test --test sources` writes what they map to; read that against the docs' table.
//! 4. A row in the README's table of sources.
//!
//! `cargo test` finds all the rest by itself, and says what is missing.

#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]

pub mod auth;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod config;
#[cfg(feature = "templates")]
pub mod custom;
pub mod endpoints;
pub mod error;
pub mod http;
pub mod inbound;
pub mod json;
pub mod mapping;
pub mod pagerduty;
pub mod pipeline;
pub mod report;
pub mod runtime;
pub mod secret;
pub mod sources;
pub mod text;
