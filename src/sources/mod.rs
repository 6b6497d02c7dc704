//! What a source is, and the list of them. Nothing here knows a vendor.

use std::time::Duration;

use crate::auth::Scheme;
use crate::http::StatusCode;
use crate::mapping::Map;

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

/// A vendor whose webhooks the relay understands.
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
    /// How long this sender waits for an answer.
    pub patience: Duration,
    /// Whether this sender may use `GET`, with everything in the query.
    pub by_get: bool,
    /// The status that tells this sender that all is well.
    pub success: StatusCode,
    /// Payload to events: a pure function of the delivery's bytes.
    pub map: Map,
    /// The same with one event for a whole batch, where `grouping = group` asks for it and the vendor batches.
    pub map_group: Option<Map>,
}

/// What a person needs to know who sets a vendor up. [`crate::setup`] makes a page of it, and the README's row is held
/// against it.
#[derive(Debug)]
pub struct Setup {
    /// The states or events that open an alert.
    pub opens: &'static str,
    /// The states or events that close it.
    pub closes: &'static str,
    /// What to enter where, a step a line. `{url}` stands for the address, and the secret is called "the secret".
    pub steps: &'static str,
    /// The body to paste, where the user writes it.
    pub template: Option<&'static str>,
}

/// The source with this slug.
pub fn find(slug: &str) -> Option<&'static Source> {
    SOURCES.iter().copied().find(|source| source.slug == slug)
}
