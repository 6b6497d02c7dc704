//! pagerelay receives alert webhooks at the edge, authenticates their senders, maps the payloads to PagerDuty Events
//! API v2, and tells each sender truthfully what PagerDuty accepted.
//!
//! It is one WASI HTTP component. It runs on Spin and on any other host of `wasi:http`. This crate is that component.
//! Built natively, it is the same pipeline for tests.
//!
//! # Flow
//!
//! ```text
//!  wasi request                                                                    wasi reply
//!      │ component                                                                     ▲ component
//!      ▼                                                                               │
//!   Request ─route─▶ Endpoint ─find─▶ Intake ─authenticate─▶ Authenticated             │
//!                                                                  │ map (pure)        │
//!                                                                  ▼                   │
//!      Mapped { events, ignored, rejected } ─rules─▶ events of each service ─plan─▶ events ─deliver─▶ Outcomes
//!                                                                                                       │ keep (outbox)
//!                                    Error ──one status table──▶ Reply ◀────────────────────────────────┘
//!
//!      after the reply:  drain (outbox) ─▶ retry ─▶ fallback          /tick:  heartbeats ─▶ drain (outbox)
//! ```
//!
//! Each arrow is one function. Only [`pipeline`] calls these functions, in this order, and no stage calls back. The
//! whole list fits on one screen there. Steps marked "outbox" run only if the operator has turned it on. These
//! steps and heartbeats need a key-value store. The rest does not.
//!
//! # Modules
//!
//! A folder is one stage of the pipeline, or supports one. Each module may use the modules above it in this list, and
//! none below it:
//!
//! | module | contains |
//! |---|---|
//! | [`text`], [`json`], [`secret`], [`http`] | plain data |
//! | [`runtime`] | the interface to the runtime, and the scheduler of outbound requests |
//! | [`pagerduty`] | events and their limits, alert storms, the Events API, the REST API |
//! | [`auth`] | authentication of senders |
//! | [`config`] | variables to configuration: the secrets of a source, the destination of events |
//! | [`mapping`] | the type of a mapping, readers of payloads, shapes and words that vendors share, senders that are known inside any envelope, the wording of summaries, the fallback alert |
//! | [`sources`] | one file per vendor, and the list of them |
//! | `custom` | the user's own templates |
//! | `rules` | what the user changes about mapped events |
//! | [`inbound`] | path to endpoint, and endpoint to intake |
//! | [`outbox`] | events that PagerDuty has not accepted: which are stored, when they are sent, which are lost; the fallback; heartbeats |
//! | [`error`], [`report`] | errors to statuses; the contents of the reply and the log line |
//! | [`endpoints`] | the endpoints that are not deliveries: preview, playground, setup, check, act |
//! | [`pipeline`] | the stages in order, the work after the answer, ticks and signs of life |
//! | `component` | WASI |
//! | [`guide`] | how to deploy, configure and operate the relay, how it is secured, the outbox, templates, and rules |
//!
//! `cargo test --test native import_graph -- --nocapture` prints which module uses which, and fails if one breaks this
//! rule.
//!
//! Example: to find the code that decides the severity of an Alertmanager alert, follow [`sources::alertmanager`] to
//! [`mapping::prometheus`] and its `Alert::severity`.
//!
//! # Invariants
//!
//! 1. Only `component` names the bindings. All other modules reach the runtime through [`runtime::Host`].
//! 2. Mapping is a pure function of the bytes: no clock, no variables, no network, no randomness. The same delivery
//!    always gives the same events, so PagerDuty's own de-duplication absorbs every repeated delivery.
//! 3. Nothing is mapped before its sender is authenticated. Only [`auth::verify`] and [`auth::verify_body`] make an
//!    [`auth::Authenticated`].
//!    [`auth::Authenticated::opened`] takes a message out of its envelope.
//!    [`auth::Authenticated::with_altered_body`] derives others of the same sender; they explain a mapping and are
//!    never sent.
//! 4. Mapping never sees a secret, and no log, reply or error contains one. Keys in a body are blank
//!    ([`auth::Authenticated::decoded`]) before anything else reads the body. [`secret::Secret::expose`] is called only
//!    where the code signs with the value, sends it, or searches a response for it.
//! 5. Every event satisfies PagerDuty's documented limits by construction ([`pagerduty::event::Event`]).
//! 6. Each source handles unknown states and severities in a match arm of their own, with the reason beside it.
//! 7. A trigger and its resolve share a dedup key. It is built from ids and never from severity, value, time or status.
//!    Different identities have different keys, and no sender reaches the relay's own ([`pagerduty::event::DedupKey`]).
//! 8. Code that the network can reach never panics, indexes or unwraps. Lints enforce this.
//! 9. One table turns errors into statuses ([`error::Error::status`]), and 2xx means that PagerDuty has accepted every
//!    event, or that the outbox has stored it if the operator has turned that on. The message of a fallback never counts as
//!    acceptance. The answers of an API ([`http::api::Api`]) turn these statuses into those that its clients understand, and
//!    never an error into a success.
//! 10. A delivery from an authenticated sender is never dropped silently. A delivery that cannot be mapped sends a
//!     fallback alert ([`mapping::fallback`]), an event that PagerDuty rejects is sent again in minimal form
//!     ([`pagerduty::event::Event::minimal`]), and a digest lists the events of a storm ([`pagerduty::storm`]). The log and
//!     an alert report a stored event that is lost ([`outbox::LostEntry`]).
//! 11. A preview shows exactly the bytes that a delivery sends: no code before the outbound request knows which of the
//!     two it is running. The explanation of a mapping, on request only, knows no vendor; it re-runs the mapping
//!     ([`endpoints::preview::explain`]).
//! 12. Every wait for a sender or for PagerDuty has a timeout: [`runtime::Host::exchange`] takes a deadline, and the
//!     relay stops reading a body at its deadline. Retries end with that deadline and have a limit for each delivery
//!     ([`pagerduty::events_api::Retries`]). What follows the answer ends at [`outbox::REQUEST_MAX`], apart from the message
//!     of a fallback. Only the key-value store has no timeout, because its interface has none.
//! 13. A routing key is sent only to the Events API, the API token only to the REST API, the key of a mirror
//!     ([`sources::Mirror`]) only to its host, and that of a fallback only to `fallback_url`. None of them is ever stored: an
//!     entry has the name of its service. Alerting needs neither the token nor the mirror, and a mirror never changes
//!     what a sender gets.
//! 14. Hidden characters ([`text::is_hidden`]) never leave: [`json::encode_visible`] writes every event, reply, message and
//!     log line.
//! 15. An event never overtakes a stored event of its alert, and an entry is written once and then only deleted: after
//!     PagerDuty has accepted it, after it became needless, or after its loss was reported ([`outbox`]). After the answer, an
//!     event that is not stored is sent only if it opens an alert ([`outbox::left`]).
//!
//! # Glossary
//!
//! | word | means |
//! |---|---|
//! | API | another product's HTTP interface that a source speaks too, so that its clients change only URL and key ([`http::api`]) |
//! | alert | PagerDuty's record of one problem: a trigger opens it, a resolve closes it, and the dedup key identifies it |
//! | control | an endpoint that operates the relay itself: `act`, `check` or `heartbeat` ([`config::Control`]) |
//! | delivery | one inbound webhook request |
//! | destination | where events are sent: a routing key with its URLs. A delivery has that of the service in its path, and those of the services that rules name |
//! | digest | one alert that lists the events of a delivery that are not sent individually |
//! | entry | one stored event ([`outbox::Entry`]) |
//! | event | one PagerDuty Events v2 event |
//! | fallback | the chat or the other Events API that gets a message about a trigger that PagerDuty has not accepted ([`outbox::fallback`]). No relation to a fallback alert |
//! | fallback alert | the alert that reports a delivery or an item that could not be mapped ([`mapping::fallback`]) |
//! | heartbeat | a sender that gives signs of life; the relay pages if they stop ([`outbox::beats`]) |
//! | host | the runtime as the pipeline sees it ([`runtime::Host`]) |
//! | incident | the PagerDuty object that people acknowledge and resolve; it contains one or more alerts |
//! | intake | the source or template that handles a delivery ([`inbound::intake::Intake`]) |
//! | lane | the events of one alert, sent one after the other |
//! | lease | the right of one instance to send what is stored, for a limited time |
//! | mirror | the product that the senders of a source used before; it can get copies of their deliveries ([`sources::Mirror`]) |
//! | origin | where one field of an event comes from |
//! | outbox | the stored events, in a key-value store that all instances share ([`outbox`]) |
//! | outcome | the result of sending one event |
//! | page | a notification that wakes somebody; as a verb, to send one. For the page at `GET /`, see playground |
//! | payload | the vendor's JSON body |
//! | playground | the page at `GET /` for trying payloads ([`endpoints::playground`]) |
//! | preview | the events that a delivery would send, shown and not sent |
//! | reply | our HTTP response to the sender |
//! | rule | what a user changes about mapped events, in a variable ([`rules`]) |
//! | scheme | one way for a sender to authenticate ([`auth::Scheme`]) |
//! | sender | the program that posts webhooks to the relay |
//! | service | the user's own name for a routing key |
//! | shared secret | a secret that the sender puts into the request itself: a bearer token, a password, a header or a query parameter |
//! | signature | proof of the sender that is computed over the body, by HMAC or with a key pair |
//! | source | a vendor whose webhooks are accepted |
//! | template | a user's own mapping, in a variable |
//! | template item | one element of the list that a template's `each` names; it makes one event |
//! | tick | a call of `/tick`: it sends stored events and looks for missing heartbeats |
//! | variable | one value from the runtime's variable store, or one member of variable `settings` |
//! | webhook | an HTTP request that a vendor sends when something happens; see delivery |
//!
//! # Adding a source
//!
//! A vendor deserves a file of its own if a template cannot map its payload: it signs in its own way, its states or
//! identities need more than an expression, it sends batches, or so many people use it that nobody should have to write
//! that template. If few people use it and a template of ten lines is enough, prefer the template.
//!
//! A source is one file, one fixture folder, two registry lines and one line of `samples.txt`. `cargo dev new acme`
//! creates them all, with goldens that fail until they are written. Then, with the vendor's documentation at hand:
//!
//! 1. Write `01-firing-….json` and `02-resolved-….json` in `tests/fixtures/acme`: the documented shape, invented values,
//!    both of the same alert. If you give them other names, change these in `samples.txt` too.
//! 2. Write the docs of `src/sources/acme.rs` under their four headings, then the mapping. A line break in `steps` begins the
//!    next step:
//!
//!    ```ignore
//!    use super::{Setup, Source};
//!    use crate::auth::Authenticated;
//!    use crate::json::Node;
//!    use crate::mapping::{MapError, Mapped, json};
//!    use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
//!
//!    pub const SOURCE: Source = Source {
//!        slug: "acme",
//!        name: "Acme Monitoring",
//!        docs: "https://docs.acme.example/webhooks",
//!        setup: Setup { triggers: "`down`", resolves: "`up`", steps: "Add a webhook with {url} …", template: None },
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
//!        // For a state that Acme does not document, an unnecessary page is the lesser evil.
//!        let action = if payload.get("state").text().as_deref() == Some("up") { Action::Resolve } else { Action::Trigger };
//!        let summary = payload.get("title").text().unwrap_or_else(|| "Acme alert without a title".to_owned());
//!        Ok(Mapped::one(Event::new(action, key, Severity::Error, &summary, "acme")))
//!    }
//!    ```
//! 3. `UPDATE_EXPECT=1 cargo test --test native sources` writes the events of the fixtures and the table in
//!    `src/sources/README.md`. Compare them with the table in the docs. A golden that fails later shows the difference.
//!    If a delivery has several alerts, note the item of each event with
//!    [`Event::of_item`](pagerduty::event::Event::of_item), so that the user's rules can read it.
//! 4. Add a fixture for every edge case that the docs mention, and for payloads that are rejected.
//! 5. Add the name to section "Sources" of `README.md`, and the member that contains the state to `FIELDS` in
//!    `tests/native/words.rs`.
//!
//! `cargo test` finds everything else by itself, and reports anything that is missing.

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
pub mod outbox;
pub mod pagerduty;
pub mod pipeline;
pub mod report;
pub mod rules;
pub mod runtime;
pub mod secret;
pub mod sources;
pub mod text;

/// The version of this crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The revision that a release was built from: a commit. `dev` for any other build.
pub const REVISION: &str = env!("PAGERELAY_REVISION");

/// The body of `GET /health`. The build refuses a revision that is not letters, digits, `.` and `-`.
const HEALTH: &str = concat!(
    r#"{"revision":""#,
    env!("PAGERELAY_REVISION"),
    r#"","status":"success","version":""#,
    env!("CARGO_PKG_VERSION"),
    "\"}\n"
);

/// Version and revision in one word, as build metadata of <https://semver.org>: `0.1.0+dev`.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("PAGERELAY_REVISION"));
