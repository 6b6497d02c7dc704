//! The type of a source, and the list of them. This module knows no vendor.

use std::time::Duration;

use crate::auth::{Authenticated, SHARED_SECRET, Scheme};
use crate::config::{Accepted, Branches, Grouping, Options, VARIABLES, Variable};
use crate::http::api::Api;
use crate::http::{Method, StatusCode};
use crate::mapping::{Map, MapError, Mapped, wording};

pub mod alertmanager;
pub mod argocd;
pub mod axiom;
pub mod azure;
pub mod betterstack;
pub mod checkly;
pub mod checkmk;
pub mod cloudevents;
pub mod cloudflare;
pub mod coralogix;
pub mod datadog;
pub mod dynatrace;
pub mod eventbridge;
pub mod events;
pub mod falco;
pub mod flux;
pub mod formatted;
pub mod gatus;
pub mod gcp;
pub mod github;
pub mod gitlab;
pub mod grafana;
pub mod graylog;
pub mod healthchecks;
pub mod heroku;
pub mod honeycomb;
pub mod icinga;
pub mod jsmops;
pub mod kibana;
pub mod librenms;
pub mod logicmonitor;
pub mod mongodbatlas;
pub mod netdata;
pub mod newrelic;
pub mod opsgenie;
pub mod pingdom;
pub mod rollbar;
pub mod sentry;
pub mod signalfx;
pub mod site24x7;
pub mod sns;
pub mod solarwinds;
pub mod splunk;
pub mod statuscake;
pub mod statusgator;
pub mod statuspage;
pub mod sumologic;
pub mod uptimecom;
pub mod uptimekuma;
pub mod uptimerobot;
pub mod vercel;
pub mod zabbix;

/// Every source, by slug.
pub const SOURCES: &[&Source] = &[
    &alertmanager::SOURCE,
    &argocd::SOURCE,
    &axiom::SOURCE,
    &azure::SOURCE,
    &betterstack::SOURCE,
    &checkly::SOURCE,
    &checkmk::SOURCE,
    &cloudevents::SOURCE,
    &cloudflare::SOURCE,
    &coralogix::SOURCE,
    &datadog::SOURCE,
    &dynatrace::SOURCE,
    &eventbridge::SOURCE,
    &events::SOURCE,
    &falco::SOURCE,
    &flux::SOURCE,
    &formatted::SOURCE,
    &gatus::SOURCE,
    &gcp::SOURCE,
    &github::SOURCE,
    &gitlab::SOURCE,
    &grafana::SOURCE,
    &graylog::SOURCE,
    &healthchecks::SOURCE,
    &heroku::SOURCE,
    &honeycomb::SOURCE,
    &icinga::SOURCE,
    &jsmops::SOURCE,
    &kibana::SOURCE,
    &librenms::SOURCE,
    &logicmonitor::SOURCE,
    &mongodbatlas::SOURCE,
    &netdata::SOURCE,
    &newrelic::SOURCE,
    &opsgenie::SOURCE,
    &pingdom::SOURCE,
    &rollbar::SOURCE,
    &sentry::SOURCE,
    &signalfx::SOURCE,
    &site24x7::SOURCE,
    &sns::SOURCE,
    &solarwinds::SOURCE,
    &splunk::SOURCE,
    &statuscake::SOURCE,
    &statusgator::SOURCE,
    &statuspage::SOURCE,
    &sumologic::SOURCE,
    &uptimecom::SOURCE,
    &uptimekuma::SOURCE,
    &uptimerobot::SOURCE,
    &vercel::SOURCE,
    &zabbix::SOURCE,
];

/// A vendor whose webhooks the relay understands. Write one as `Source { …, ..Source::DEFAULT }`, so that it names only
/// the fields it needs.
#[derive(Debug)]
pub struct Source {
    /// The name in the path, the file, the fixture folder and the variables' names.
    pub slug: &'static str,
    /// The vendor or product, in its own spelling.
    pub name: &'static str,
    /// The page that documents the wire format.
    pub docs: &'static str,
    /// The schemes that this sender can use, strongest first.
    pub schemes: &'static [Scheme<'static>],
    /// Whether only `secret_<slug>` authenticates senders, never the secret for all sources. True if the payload names
    /// dedup keys freely: such a sender can resolve the alerts of every other source.
    pub own_secret: bool,
    /// Whether the texts stay as they are, because the payload is a PagerDuty event already, or an alert whose texts are
    /// the sender's own.
    pub verbatim: bool,
    /// Setup instructions for the vendor.
    pub setup: Setup,
    /// Maps the payload to events. It is a pure function of the delivery's bytes.
    pub map: Map,
    /// Maps a whole batch to one event, for `grouping = group`, if the vendor sends batches.
    pub map_group: Option<Map>,
    /// The choice of branches, if the sender's runs belong to branches.
    pub branches: Option<BranchChoice>,
    /// This sender's timeout.
    pub patience: Duration,
    /// Whether this sender retries a delivery that was not accepted. False if it is unknown.
    pub retries: bool,
    /// Whether this sender sends the current state of its alerts again and again until it is accepted, which is more than
    /// [`Source::retries`]: nothing is lost while PagerDuty is down. The relay retries an event only once for it, and until
    /// the timeout for the others ([`Retries`](crate::pagerduty::events_api::Retries)). False if it is unknown.
    pub resends_state: bool,
    /// Whether this sender may use `GET`, with the payload in the query.
    pub by_get: bool,
    /// The success status that this sender expects.
    pub success: StatusCode,
    /// The API of another product that its senders speak. Such a source has [`Source::own_secret`] too.
    pub api: Option<&'static Api>,
    /// Who also gets a copy of the deliveries, if the operator wants it.
    pub mirror: Option<&'static Mirror>,
    /// The rule for URLs that this sender may ask the relay to visit, if it confirms subscriptions.
    pub visit: Option<Visit>,
    /// The source's own variables.
    pub variables: &'static [OwnVariable],
    /// The words in its payloads that decide the action or the severity: states, severities, kinds of events.
    pub states: &'static [&'static str],
}

impl Source {
    /// The defaults for most senders: a timeout of ten seconds, `200`, `POST`, no batches, no retries.
    pub const DEFAULT: Source = Source {
        slug: "",
        name: "",
        docs: "",
        schemes: SHARED_SECRET,
        own_secret: false,
        verbatim: false,
        setup: Setup { triggers: "", resolves: "", steps: "", template: None },
        map: |_| Ok(Mapped::default()),
        map_group: None,
        branches: None,
        patience: Duration::from_secs(10),
        retries: false,
        resends_state: false,
        by_get: false,
        success: StatusCode::OK,
        api: None,
        mirror: None,
        visit: None,
        variables: &[],
        states: &[],
    };

    /// Which secrets authenticate its senders, if the path names this service.
    pub fn accepted<'a>(&self, service: Option<&'a str>) -> Accepted<'a> {
        match (self.api, self.own_secret) {
            (Some(_), _) => Accepted::Keys { service },
            (None, true) => Accepted::Own,
            (None, false) => Accepted::Any,
        }
    }

    /// The mapping for the user's choices, with clean summaries ([`wording`]). No source has both batches and branches.
    pub fn map_for(&self, options: Options) -> impl Fn(&Authenticated<'_>) -> Result<Mapped, MapError> + Copy + use<> {
        let grouped = self.map_group.filter(|_| options.grouping == Grouping::Group);
        let branched = self.branches.as_ref().filter(|_| options.branches == Branches::All);
        let map = grouped.or(branched.map(|choice| choice.map_all)).unwrap_or(self.map);
        let verbatim = self.verbatim;
        move |delivery| map(delivery).map(|mapped| if verbatim { mapped } else { wording::cleaned(mapped) })
    }
}

/// The choice between failed runs of the default branch, which [`Source::map`] maps, and those of every branch.
#[derive(Debug)]
pub struct BranchChoice {
    /// The variable with the choice: `branches_<slug>`.
    pub variable: &'static str,
    /// Maps the payload to events, with failed runs of every branch.
    pub map_all: Map,
}

/// The purpose of every [`BranchChoice::variable`], in Markdown.
const BRANCHES_HELP: &str = "The branches whose failed runs trigger alerts: `default` (default), only the default branch; `all`, also other branches and merge or pull requests. A success resolves in both";

/// Which URLs a source's senders may ask the relay to visit ([`Handshake::Visit`](crate::mapping::Handshake::Visit)),
/// and the messages for the failures.
#[derive(Debug)]
pub struct Visit {
    /// The host to visit for a subscription.
    pub authority: fn(&str) -> Option<String>,
    /// The variable that lists the subscriptions that the operator wants.
    pub listed_in: &'static str,
    /// The message if the subscription is not listed.
    pub unlisted: &'static str,
    /// The message if the host rejects the confirmation.
    pub refused: &'static str,
    /// The message if the host cannot be reached.
    pub unreachable: &'static str,
}

/// The product that the senders of a source used before. It gets a copy of the deliveries while its key is set.
#[derive(Debug)]
pub struct Mirror {
    /// The variable with the key. It is one of [`Source::variables`].
    pub key: &'static str,
    /// The variable with the region, `us` or `eu`. It is one of [`Source::variables`].
    pub region: &'static str,
    /// The hosts in these two regions.
    pub hosts: [&'static str; 2],
    /// The name before the key in `Authorization`.
    pub scheme: &'static str,
    /// The request for a delivery. `None` if there is no copy of it.
    pub request: fn(&Authenticated<'_>) -> Option<Mirrored>,
}

/// The copy of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The method.
    pub method: Method,
    /// The path with its query, percent-encoded.
    pub path: String,
    /// The JSON body, if it has one.
    pub body: Option<Vec<u8>>,
}

/// A variable that only one source reads.
#[derive(Debug)]
pub struct OwnVariable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
    /// Its purpose, in Markdown.
    pub description: &'static str,
    /// Returns the problem with one of its values, if it has one. Commas or white space separate the values.
    pub problem: fn(&str) -> Option<&'static str>,
}

/// Setup instructions for a vendor. [`crate::endpoints::setup`] makes a page from them, and a test compares them with
/// the table of sources.
#[derive(Debug)]
pub struct Setup {
    /// The states or events that trigger an alert.
    pub triggers: &'static str,
    /// The states or events that resolve it.
    pub resolves: &'static str,
    /// The steps, one per line. `{url}` is replaced by the URL, and the secret is called "the secret".
    pub steps: &'static str,
    /// The body to paste, if the user writes the body.
    pub template: Option<&'static str>,
}

/// The variables with fixed names: the general ones and the sources' own.
pub fn variables() -> Vec<Variable> {
    let own = SOURCES.iter().flat_map(|source| source.variables);
    let own = own.map(|&OwnVariable { name, secret, description, .. }| Variable {
        name,
        secret,
        declared: false,
        description,
    });
    let choices = SOURCES.iter().filter_map(|source| source.branches.as_ref());
    let choices = choices.map(|choice| Variable {
        name: choice.variable,
        secret: false,
        declared: false,
        description: BRANCHES_HELP,
    });
    VARIABLES.iter().copied().chain(own).chain(choices).collect()
}

/// The source with this slug.
pub fn find(slug: &str) -> Option<&'static Source> {
    SOURCES.iter().copied().find(|source| source.slug == slug)
}
