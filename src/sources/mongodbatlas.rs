//! MongoDB Atlas alerts. Cloud Manager and Ops Manager send the same.
//!
//! # Wire format
//!
//! <https://www.mongodb.com/docs/atlas/tutorial/webhook-integration/>, read 2026-11. One delivery is one alert, in the
//! format of the Administration API's alert resource. Header `X-MMS-Event` is what happened: `alert.open`,
//! `alert.update` (still open), `alert.acknowledge`, `alert.close`, `alert.cancel` (no longer valid), `alert.inform` (an
//! event that has no end). `status` is `OPEN`, `TRACKING`, `CLOSED`, `CANCELLED` or `INFORMATIONAL`. Atlas signs the body with SHA-1 in
//! base64, without a timestamp, if the integration has a secret. Whether it retries is not documented, so the relay
//! assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `X-MMS-Event`, else `status`: `close`, `closed`, `cancel`, `cancelled` resolve; `acknowledge` acknowledges; `open`, `update`, `inform` and any other word trigger. `update`, and `open` without the header, acknowledge while `acknowledgedUntil` is after `updated` |
//! | severity | `severity` by [`Severity::from_word`]; info for `inform` and `INFORMATIONAL`; by `eventTypeName`: `HOST_DOWN`, `NO_PRIMARY` and a few like them critical; `OUTSIDE_…` (a metric), elections, oplog and backup error; others warning, because most of them are about users, bills and keys |
//! | summary | `eventTypeName`, the last line of `humanReadable`, else the metric with its value, and the host or cluster if the text does not name it |
//! | source | `hostnameAndPort`, `clusterName`, `replicaSetName`, `instanceName`, else `MongoDB Atlas` |
//! | component, group, class | `clusterName`, else `replicaSetName`; the project in `humanReadable`, else `groupId`; `eventTypeName` |
//! | timestamp | `resolved`, `updated`, `created` |
//! | links | `links` with `rel` `self` |
//! | details | status, metric, value, threshold, names and ids |
//!
//! # Dedup key
//!
//! `mongodbatlas:<id>`, the alert's id. All events of an alert have it. Atlas's own PagerDuty integration has one alert
//! for each Atlas alert too, with an undocumented key.
//!
//! # Not mapped
//!
//! * Status `TRACKING` without the header: "not open yet". The condition is met, but not for long enough.
//! * An `inform` opens an alert of severity info that never closes by itself.
//! * `acknowledgingUsername` and `userAlias` are never copied.
//! * A body without `id` is rejected. A body from the user's own FreeMarker template needs `id`, and the header or
//!   `status`.
//! * Uncertain: no delivery of a real Atlas was at hand; the members are those of the alert resource.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json, wording};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// MongoDB Atlas.
pub const SOURCE: Source = Source {
    slug: "mongodbatlas",
    name: "MongoDB Atlas",
    docs: "https://www.mongodb.com/docs/atlas/tutorial/webhook-integration/",
    schemes: &[Scheme::Hmac(&SIGNATURE)],
    setup: Setup {
        triggers: "`alert.open`, `alert.update`, `alert.inform`",
        resolves: "`alert.close`, `alert.cancel`; `alert.inform` never",
        steps: "In the project's Integrations, configure Webhook with Webhook URL {url} and the secret as Webhook Secret.\n\
                In the project's Alerts, add the notification Webhook to each alert configuration that should page.\n\
                Informational alerts have no end: close them by hand, or leave them out.",
        template: None,
    },
    map,
    states: &["OPEN", "TRACKING", "CLOSED", "CANCELLED", "HOST_DOWN", "NO_PRIMARY", "OUTSIDE_METRIC_THRESHOLD"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-mms-signature",
    hash: Hash::Sha1,
    encoding: SignatureEncoding::Base64,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

/// The severities of types of events.
const SEVERITIES: &[(&str, Severity)] = &[
    ("HOST_DOWN", Severity::Critical),
    ("HOST_MONGOD_CRASHING_WITH_OOM", Severity::Critical),
    ("NO_PRIMARY", Severity::Critical),
    ("CLUSTER_MONGOS_IS_MISSING", Severity::Critical),
    ("HOST_NOT_ENOUGH_DISK_SPACE", Severity::Critical),
    ("TOO_FEW_HEALTHY_MEMBERS", Severity::Critical),
    ("CPS_SNAPSHOT_FAILED", Severity::Error),
    ("CPS_RESTORE_FAILED", Severity::Error),
    ("OPLOG_BEHIND", Severity::Error),
    ("REPLICATION_OPLOG_WINDOW_RUNNING_OUT", Severity::Error),
    ("TOO_MANY_ELECTIONS", Severity::Error),
];

const PLACES: &[&str] = &["hostnameAndPort", "clusterName", "replicaSetName", "instanceName"];

const DETAILS: &[&str] = &[
    "status",
    "metricName",
    "currentValue",
    "metricThreshold",
    "threshold",
    "hostnameAndPort",
    "clusterName",
    "replicaSetName",
    "instanceName",
    "sourceTypeName",
    "acknowledgedUntil",
    "acknowledgementComment",
    "humanReadable",
    "groupId",
    "orgId",
    "alertConfigId",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let key = payload.get("id").text().and_then(|id| DedupKey::new(SOURCE.slug, &[&id]));
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`id`" })?;
    let told = delivery.header("x-mms-event").map(str::to_owned).or_else(|| payload.get("status").text());
    let told = told.unwrap_or_default().to_ascii_lowercase();
    let word = told.strip_prefix("alert.").unwrap_or(&told);
    let action = match word {
        "close" | "closed" | "cancel" | "cancelled" | "canceled" => Action::Resolve,
        "acknowledge" => Action::Acknowledge,
        "tracking" => return Ok(Mapped::nothing("not open yet: the condition is not met for long enough")),
        // An alert that has just opened is new to PagerDuty, which would ignore an acknowledge.
        "open" | "update" if told != "alert.open" && is_acknowledged(payload) => Action::Acknowledge,
        // For a state that Atlas does not document, an unnecessary page is the lesser evil.
        _ => Action::Trigger,
    };
    let kind = payload.first_text(&["eventTypeName", "typeName"]);
    let severity = match payload.get("severity").text().and_then(|word| Severity::from_word(&word)) {
        Some(severity) => severity,
        None if matches!(word, "inform" | "informational") => Severity::Info,
        None => severity(kind.as_deref().unwrap_or_default()),
    };
    let human = payload.get("humanReadable").text().unwrap_or_default();
    let said = human.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned);
    let said = said.or_else(|| metric(payload)).unwrap_or_else(|| "Alert without a text".to_owned());
    let places: Vec<String> = PLACES.iter().filter_map(|name| payload.get(name).text()).collect();
    let summary = wording::completed(&said, kind.as_deref(), &places);
    let project =
        human.lines().find_map(|line| line.trim().strip_prefix("Project:")).map(|name| name.trim().to_owned());
    let time = ["resolved", "updated", "created"].iter().find_map(|name| payload.get(name).time());
    let source = places.first().map_or(SOURCE.name, String::as_str);
    let event = Event::new(action, key, severity, &summary, source)
        .component(payload.first_text(&["clusterName", "replicaSetName"]))
        .group(project.or_else(|| payload.get("groupId").text()))
        .class(kind)
        .timestamp(time)
        .details(payload, DETAILS)
        .client(SOURCE.name, None);
    let links = payload.get("links").items().unwrap_or_default().iter().map(Node::root);
    let mut own = links.filter(|link| link.get("rel").text().as_deref() == Some("self"));
    Ok(Mapped::one(event.link("Alert in the API", own.find_map(|link| link.get("href").text()))))
}

/// Whether somebody has acknowledged the alert until after the time of this update.
fn is_acknowledged(payload: Node<'_>) -> bool {
    let seconds = |name: &str| payload.get(name).text().as_deref().and_then(text::unix_seconds);
    seconds("acknowledgedUntil").is_some_and(|until| seconds("updated").is_none_or(|updated| until > updated))
}

fn severity(kind: &str) -> Severity {
    let known = text::lookup(SEVERITIES, kind);
    let metric = || kind.starts_with("OUTSIDE_").then_some(Severity::Error);
    // Most of the others are about users, bills and keys.
    known.or_else(metric).unwrap_or(Severity::Warning)
}

/// The metric with its value.
fn metric(payload: Node<'_>) -> Option<String> {
    let metric = payload.get("metricName").text()?;
    let value = payload.at("currentValue.number").text();
    Some(text::join_prefixed(&[("", Some(&metric)), (" is ", value.as_deref())]))
}
