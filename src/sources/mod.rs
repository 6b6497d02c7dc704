//! What a source is, and the list of them. Nothing here knows a vendor.

use std::time::Duration;

use serde_json::Value;

use crate::auth::{SHARED_SECRET, Scheme};
use crate::config::{VARIABLES, Variable};
use crate::http::StatusCode;
use crate::mapping::{Map, Mapped};

pub mod alertmanager;
pub mod azure;
pub mod cloudevents;
pub mod cloudflare;
pub mod datadog;
pub mod events;
pub mod flux;
pub mod formatted;
pub mod gcp;
pub mod github;
pub mod gitlab;
pub mod grafana;
pub mod healthchecks;
pub mod newrelic;
pub mod sentry;
pub mod sns;
pub mod uptimekuma;
pub mod uptimerobot;
pub mod zabbix;

/// Every source, by slug.
pub const SOURCES: &[&Source] = &[
    &alertmanager::SOURCE,
    &azure::SOURCE,
    &cloudevents::SOURCE,
    &cloudflare::SOURCE,
    &datadog::SOURCE,
    &events::SOURCE,
    &flux::SOURCE,
    &formatted::SOURCE,
    &gcp::SOURCE,
    &github::SOURCE,
    &gitlab::SOURCE,
    &grafana::SOURCE,
    &healthchecks::SOURCE,
    &newrelic::SOURCE,
    &sentry::SOURCE,
    &sns::SOURCE,
    &uptimekuma::SOURCE,
    &uptimerobot::SOURCE,
    &zabbix::SOURCE,
];

/// A vendor whose webhooks the relay understands. One is written as `Source { …, ..Source::DEFAULT }`, so a field that
/// few need costs the others nothing.
#[derive(Debug)]
pub struct Source {
    /// The word in the path, the file, the fixture folder and the variables' names.
    pub slug: &'static str,
    /// The vendor or product, as it writes itself.
    pub name: &'static str,
    /// The page that the wire format was written from.
    pub docs: &'static str,
    /// The ways this sender can prove itself, strongest first.
    pub schemes: &'static [Scheme<'static>],
    /// What to enter at the vendor's.
    pub setup: Setup,
    /// Payload to events: a pure function of the delivery's bytes.
    pub map: Map,
    /// The same with one event for a whole batch, where `grouping = group` asks for it and the vendor batches.
    pub map_group: Option<Map>,
    /// How long this sender waits for an answer.
    pub patience: Duration,
    /// Whether this sender sends again what was not accepted. Where nobody knows, it does not.
    pub retries: bool,
    /// Whether this sender may use `GET`, with everything in the query.
    pub by_get: bool,
    /// The status that tells this sender that all is well.
    pub success: StatusCode,
    /// The shape of the reply's body, where this sender reads it; else it is PagerDuty's with our facts beside it.
    pub reply: Option<ReplyShape>,
    /// Paths that this sender adds to its address: `v2/enqueue` takes `/<slug>/v2/enqueue` and
    /// `/<slug>/<service>/v2/enqueue` as well. Which it was, [`Authenticated::path`](crate::auth::Authenticated::path) tells.
    pub paths: &'static [&'static str],
    /// Which address this sender may ask to have visited, where it confirms subscriptions.
    pub visit: Option<Visit>,
    /// Variables of its own.
    pub variables: &'static [OwnVariable],
    /// The words in its payloads that decide what is done: states, severities, kinds of events.
    pub states: &'static [&'static str],
}

impl Source {
    /// What holds for most: ten seconds of patience, `200`, `POST`, no batch, nothing of its own. Who does not say that
    /// its sender retries is taken not to.
    pub const DEFAULT: Source = Source {
        slug: "",
        name: "",
        docs: "",
        schemes: SHARED_SECRET,
        setup: Setup { triggers: "", resolves: "", steps: "", template: None },
        map: |_| Ok(Mapped::default()),
        map_group: None,
        patience: Duration::from_secs(10),
        retries: false,
        by_get: false,
        success: StatusCode::OK,
        reply: None,
        paths: &[],
        visit: None,
        variables: &[],
        states: &[],
    };

    /// The mapping for a way of grouping.
    pub fn map_for(&self, grouped: bool) -> Map {
        self.map_group.filter(|_| grouped).unwrap_or(self.map)
    }
}

/// What a sender is told, for a source that has a shape of its own for it.
pub struct Told<'a> {
    /// The status.
    pub status: StatusCode,
    /// What became of the delivery.
    pub message: &'a str,
    /// The dedup key, where the delivery made one event.
    pub dedup_key: Option<&'a str>,
}

/// Makes the body of a reply.
pub type ReplyShape = fn(&Told<'_>) -> Value;

/// Which addresses a source's senders may have visited ([`Handshake::Visit`](crate::mapping::Handshake::Visit)), and
/// what is said where one is not.
#[derive(Debug)]
pub struct Visit {
    /// The host to visit for one of them.
    pub authority: fn(&str) -> Option<String>,
    /// It is not listed.
    pub unlisted: &'static str,
    /// The host did not take it.
    pub refused: &'static str,
    /// The host could not be reached.
    pub unreachable: &'static str,
}

/// A variable that one source alone reads.
#[derive(Debug)]
pub struct OwnVariable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
    /// What it is for, in Markdown.
    pub description: &'static str,
    /// What is wrong with one of the values in it, which are separated by commas.
    pub problem: fn(&str) -> Option<&'static str>,
}

/// What a person needs to know who sets a vendor up. [`crate::endpoints::setup`] makes a page of it, and the row in the table of sources is held
/// against it.
#[derive(Debug)]
pub struct Setup {
    /// The states or events that open an alert.
    pub triggers: &'static str,
    /// The states or events that close it.
    pub resolves: &'static str,
    /// What to enter where, a step a line. `{url}` stands for the address, and the secret is called "the secret".
    pub steps: &'static str,
    /// The body to paste, where the user writes it.
    pub template: Option<&'static str>,
}

/// The variables that every deployment has in its `spin.toml`: those that all need, and the sources' own.
pub fn variables() -> Vec<Variable> {
    let own = SOURCES.iter().flat_map(|source| source.variables);
    let own = own.map(|&OwnVariable { name, secret, description, .. }| Variable { name, secret, description });
    VARIABLES.iter().copied().chain(own).collect()
}

/// The source with this slug.
pub fn find(slug: &str) -> Option<&'static Source> {
    SOURCES.iter().copied().find(|source| source.slug == slug)
}
