//! pagerelay takes alert webhooks at the edge, proves who sent them, maps them to PagerDuty Events API v2, and answers
//! the sender with the truth about what PagerDuty accepted.
//!
//! It is one WASI HTTP component, for Spin and whatever else hosts `wasi:http`. This crate is that component and, built
//! natively, the same pipeline for tests.
//!
//! # Flow
//!
//! ```text
//!  wasi request                                                                             wasi reply
//!      │ component                                                                              ▲ component
//!      ▼                                                                                        │
//!   Request ─route─▶ Endpoint ─intake─▶ who takes it in ─authenticate─▶ Authenticated           │
//!                                                                          │ map (pure)         │
//!                                                                          ▼                    │
//!                                 Mapped { events, ignored, rejected } ─plan─▶ events ─send─▶ Outcomes
//!                                                                                │
//!                    Error ──one status table──▶ Reply ◀─────────────────────────┘
//! ```
//!
//! Each arrow is one function. [`pipeline`] alone calls them, in this order, and no stage calls back: the list of them is
//! there on one screen.
//!
//! # The house
//!
//! A folder is a stage of this way, or a neighbour. Each may use those above it in this list, and none below:
//!
//! | folder | is |
//! |---|---|
//! | [`text`], [`json`], [`secret`], [`http`] | plain data |
//! | [`runtime`] | what may be asked of the world, and the scheduler of outbound requests |
//! | [`pagerduty`] | events and their limits, storms, the Events API, the REST API |
//! | [`auth`] | who sent this |
//! | [`config`] | variables to configuration: what opens a source, where events go |
//! | [`mapping`] | what a mapping is, readers of payloads, shapes that vendors share, the fallback alert |
//! | [`sources`] | a file for each vendor, and the list of them |
//! | `custom` | templates of the user's own |
//! | [`inbound`] | path to endpoint, and who takes a delivery in |
//! | [`error`], [`report`] | errors to statuses; what the reply and the log say |
//! | [`endpoints`] | what is not a delivery: preview, playground, setup, check, act |
//! | [`pipeline`] | the stages in order |
//! | `component` | WASI |
//! | [`guide`] | how to deploy, configure and operate the relay, how it is secured, and templates |
//!
//! `cargo test --test native import_graph -- --nocapture` prints who uses whom, and holds it.
//!
//! To find what decides the severity of an Alertmanager alert: [`sources::alertmanager`] calls [`mapping::prometheus`],
//! whose `Alert::severity` it is.
//!
//! # Invariants
//!
//! 1. Only `component` names the bindings. Everything else asks the world through [`runtime::Host`].
//! 2. Mapping is a pure function of the bytes: no clock, no variables, no network, no randomness. The same delivery
//!    gives the same events, so PagerDuty's own de-duplication absorbs every repetition.
//! 3. Nothing is mapped before its sender is known: [`auth::verify`] alone makes an [`auth::Authenticated`], and
//!    [`auth::Authenticated::with_altered_body`] others of the same sender, which explain a mapping and are never sent.
//! 4. Mapping never sees a secret, and no secret is in a log, a reply or an error. [`secret::Secret::expose`] is called
//!    where the value signs, where it is sent, and where an answer is searched for it.
//! 5. Every event satisfies PagerDuty's documented limits by construction ([`pagerduty::event::Event`]).
//! 6. A vendor's unknown states and severities are decided in an arm of their own, with the reason beside it.
//! 7. A trigger and its resolve share a dedup key, built from ids and never from severity, value, time or status.
//! 8. Nothing that the network can reach panics, indexes or unwraps; lints hold that.
//! 9. Errors become statuses in one table ([`error::Error::status`]), and 2xx means that PagerDuty has every event.
//! 10. A known sender is never met with silence: what cannot be mapped or is refused pages in short ([`mapping::fallback`],
//!     [`pagerduty::event::Event::minimal`]), and what is too much at once is named in a digest ([`pagerduty::storm`]).
//! 11. What is previewed is what is sent, to the last byte: nothing above the wire asks which of the two it is. What
//!     explains a mapping knows no vendor: it asks the mapping itself ([`endpoints::preview::explain`]).
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
//! A vendor deserves a file where its payload cannot be mapped by a template alone: it signs in a way of its own, its
//! states or identities need more than an expression, it batches, or so many people use it that none of them should have
//! to write that template. Where a template of ten lines does it, and few use it, the template is the better answer.
//!
//! One file, one fixture folder, two registry lines, one line of `samples.txt`. `cargo dev -- new acme` makes them all,
//! with goldens that fail until they are written. Then, with the vendor's documentation at hand:
//!
//! 1. Write `tests/fixtures/acme/01-firing-….json` and `02-resolved-….json`: the documented shape, invented values, the two
//!    of one alert.
//! 2. Write the docs of `src/sources/acme.rs` under their four headings, then the mapping:
//!
//!    ```ignore
//!    pub const SOURCE: Source = Source {
//!        slug: "acme",
//!        name: "Acme Monitoring",
//!        docs: "https://docs.acme.example/webhooks",
//!        setup: Setup { opens: "`down`", closes: "`up`", steps: "Add a webhook with {url} …", template: None },
//!        states: &["down", "up"],
//!        map,
//!        ..Source::DEFAULT
//!    };
//!
//!    fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
//!        let payload = json(delivery)?;
//!        let payload = Node::root(&payload);
//!        let id = payload.at("monitor.id").text().unwrap_or_default();
//!        let key = DedupKey::new(SOURCE.slug, &[&id])
//!            .ok_or(MapError::NoIdentity { item: String::new(), fields: "`monitor.id`" })?;
//!        // Of a state that Acme does not document, a page too many is the lesser evil.
//!        let action = if payload.get("state").text().as_deref() == Some("up") { Action::Resolve } else { Action::Trigger };
//!        let summary = payload.get("title").text().unwrap_or_else(|| "Acme alert without a title".to_owned());
//!        Ok(Mapped::one(Event::new(action, key, Severity::Error, &summary, "acme")))
//!    }
//!    ```
//! 3. `UPDATE_EXPECT=1 cargo test --test native sources` writes what the fixtures map to, and the table in
//!    `src/sources/README.md`. Read it against the docs' table; a failing golden shows the difference.
//! 4. Add a fixture for every edge that the docs speak of, and for what is rejected.
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
pub mod guide;
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
