//! Cloudflare notifications: generic webhooks.
//!
//! # Wire format
//!
//! <https://developers.cloudflare.com/notifications/reference/webhook-payload-schema/>, read 2026-11: `{name, text,
//! data, ts, account_id, policy_id, policy_name, alert_type, alert_correlation_id, alert_event}`. One delivery is one
//! notification. The contents of `data` depend on `alert_type`; the page shows seven of some sixty types. Older
//! notifications have only `name`, `text`, `data` and `ts`. The correlation id is a UUID or a number with 19 digits.
//! The plain secret is in `cf-webhook-auth`. "Save and Test" sends only a `text`, and expects a 2xx. The page does not
//! say whether Cloudflare retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! One event, or for `real_origin_monitoring` one per entry of `data.unreachable_zones`. Names without a path are
//! members of `data`. The status is `new_health_status`, `new_status`, `new_health` or `status`, without
//! `TUNNEL_STATUS_TYPE_`.
//!
//! | event | from |
//! |---|---|
//! | action | status `healthy`, `normal`: resolve; `critical`, `degraded`, `down`, `unhealthy`: trigger; else `alert_event` `…_END`: resolve; any other value triggers |
//! | severity | status `down`, `critical`: critical; `degraded`: warning; `unhealthy`: error; else by words in `alert_type`: attacks, hijacks and unreachable origins critical; certificates, expiry, anomalies, latency, Logpush, Pages, switched pools, scripts unless malicious, brands and warnings warning; billing, maintenance, overviews and other reports info; else error |
//! | summary | for a health check, tunnel, pool, origin of a pool or Workers alert with a status: its kind, its name, its status, `reason` or `episode.summary`; else the source, the first line of `text`, and for a certificate its change; without a text the policy and `alert_type` |
//! | source | `host` or `zone_name` of the unreachable zone, `target_hostname`, `target_ip`, `zone_name`, `data.hosts`, `hostnames`, the name of the check, tunnel, pool or Workers alert, of the account, else `Cloudflare` |
//! | component | the name of the check, tunnel, pool or Workers alert |
//! | group | the name of the account |
//! | class | `alert_type` |
//! | timestamp | `ts`, else `status_change_time`, `timestamp`, `start_time`, `alert_start_time` |
//! | links | `dashboard_link`, which may lack its scheme, and `rule_link` |
//! | client, client URL | Cloudflare, its page of notifications |
//! | details | type, event, correlation id, policy, the whole text, and the known members of `data` |
//!
//! The status takes precedence over `alert_event`: all examples have `…_START`, even those of checks that may be
//! healthy, and it is not documented which types send `…_END`. The words of statuses come from the filters of
//! notifications; `normal` and Workers alerts are uncertain. `severity` in the data of a degraded tunnel was `INFO`, so
//! it decides nothing.
//!
//! # Dedup key
//!
//! The broken part, if the data name it: `cloudflare:<alert_type>:<id>:<part>`. The id is that of the health check,
//! tunnel, pool or Workers alert (`config.id`), or the unreachable zone. The part is `origin_name` or the zone's
//! `host`. This takes precedence over the correlation id, because the notifications for down and healthy may have
//! nothing else in common. Else `cloudflare:<alert_correlation_id>`, which groups a start and its end. Else, for types
//! that never end, `cloudflare:<policy>:<alert_type>:<certificate, attack, target or zone>`. A `:` inside a part
//! becomes `%3A`.
//!
//! # Not mapped
//!
//! * A `text` about a test message, without name and type: "test message of Save and Test".
//! * A body without a policy, a type and an alert is rejected.
//! * Other members of `data` are not in the details, because a Logpush destination contains credentials. `text` has the
//!   same information as prose.
//! * The test of a notification looks like a real one and triggers an alert. So do reports of success about
//!   certificates, pools and Pages: their words are not documented.
//! * Unreachable zones without a name are one alert, about the last of them.
//! * What many unreachable zones share is shortened in each of their events; `shortened` in the details names it.
//! * Cloudflare does not document the key and severity of its own PagerDuty integration, so neither is copied.

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::budget::{self, Budget};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Cloudflare.
pub const SOURCE: Source = Source {
    slug: "cloudflare",
    name: "Cloudflare",
    docs: "https://developers.cloudflare.com/notifications/reference/webhook-payload-schema/",
    schemes: &[Scheme::Header("cf-webhook-auth")],
    setup: Setup {
        triggers: "any other notification",
        resolves: "`ALERT_STATE_EVENT_END`, status `healthy` or `normal`",
        steps: "Under Notifications, Destinations, Webhooks, create one with URL {url} and the secret as its Secret.\n\
                Add it to your notifications. Of health checks, tunnels and pools select the healthy state too, or nothing closes their alerts.",
        template: None,
    },
    map,
    states: &[
        "healthy",
        "unhealthy",
        "down",
        "degraded",
        "critical",
        "normal",
        "ALERT_STATE_EVENT_END",
        "advanced_ddos_attack_l7_alert",
    ],
    ..Source::DEFAULT
};

/// The action and severity of a status of tunnels, health checks, pools and Workers alerts.
const STATUSES: &[(&str, (Action, Severity))] = &[
    ("critical", (Action::Trigger, Severity::Critical)),
    ("degraded", (Action::Trigger, Severity::Warning)),
    ("down", (Action::Trigger, Severity::Critical)),
    ("healthy", (Action::Resolve, Severity::Error)),
    ("normal", (Action::Resolve, Severity::Error)),
    ("ok", (Action::Resolve, Severity::Error)),
    // Workers: the alert may still end by itself.
    ("pending", (Action::Trigger, Severity::Info)),
    ("resolved", (Action::Resolve, Severity::Error)),
    ("unhealthy", (Action::Trigger, Severity::Error)),
];

/// The severity by words in the alert type: there are some sixty types, and families share words. The first match
/// counts.
const SEVERITIES: &[(Severity, &[&str])] = &[
    (Severity::Critical, &["_attack", "bgp_hijack", "real_origin"]),
    (Severity::Error, &["malicious"]),
    (Severity::Warning, &["anomal", "brand_protection_alert", "certificate", "expiring", "latency", "logo_match"]),
    (Severity::Warning, &["logpush", "pages_event", "pool_enablement", "scriptmonitor", "ssl_event", "warning"]),
    (Severity::Info, &["advertisement", "billing", "digest", "maintenance", "overview", "radar", "successfully"]),
    (Severity::Info, &["tunnel_update", "web_analytics", "workers_alert"]),
];

/// Objects with a state: the kind, the member with the id, the member with the name.
const ENTITIES: &[(&str, &str, &str)] = &[
    ("Health check", "health_check_id", "health_check_name"),
    ("Tunnel", "tunnel_id", "tunnel_name"),
    ("Pool", "pool_id", "pool_name"),
    ("Workers alert", "config.id", "config.name"),
];

/// The subject of an alert without a state, the most specific first.
const IDS: &[&str] = &["certificate_id", "data.id", "attack_id", "target_id", "zone_tag", "zone_name"];

/// The source, for alerts that name more than an account.
const PLACES: &[&str] = &["target_hostname", "target_ip", "zone_name", "data.hosts.0", "hostnames"];

const TIMES: &[&str] = &["ts", "data.status_change_time", "data.timestamp", "data.start_time", "data.alert_start_time"];

const DETAILS: &[&str] =
    &["alert_type", "alert_event", "alert_correlation_id", "policy_id", "text", "shortened=shortened_to_fit"];

/// Members of `data`: first those of most alerts, then those of states, attacks and certificates.
const DATA: &[&[&str]] = &[
    &["zone_name", "start_time", "alert_start_time", "actions", "events_count", "severity", "status", "episode"],
    &["new_health", "new_health_status", "new_status", "old_status", "status_reason", "reason", "failing_regions"],
    &["time_since_last_failure", "event_source", "origin_name", "origin_ip"],
    &["attack_id", "attack_type", "attack_vector", "action", "mitigation", "rule_name", "rule_description", "protocol"],
    &["max_rate", "requests_per_second", "packets_per_second", "megabits_per_second"],
    &["target_hostname", "target_ip", "target_port"],
    &["certificate_id", "certificate_status", "pack_status", "event_type", "hostnames", "days_til_expiration"],
    &["certificate_id=data.id", "certificate_status=data.status", "hostnames=data.hosts"],
    &["event_type=metadata.event.type"],
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let unidentified = payload.first_text(&["name", "alert_type"]).is_none();
    if unidentified && payload.get("text").text().is_some_and(|text| text.contains("test message")) {
        return Ok(Mapped::nothing("test message of Save and Test"));
    }
    let one = [Value::Null];
    let zones = payload.at("data.unreachable_zones").items().filter(|zones| !zones.is_empty()).unwrap_or(&one);
    if let [zone] = zones {
        return Ok(Mapped::one(event(payload, Node::root(zone))?));
    }
    // The event of each zone repeats all the rest.
    let shared = budget::shared(&budget::without(payload, &["data", "unreachable_zones"]), zones.len());
    let bare = Value::Object(budget::without(Node::root(&Value::Object(shared.clone())), &["text"]));
    let shared = Value::Object(shared);
    let mut budget = Budget::of(delivery);
    let mut mapped = Mapped::default();
    let is_unnamed = |zone: &Value| Node::root(zone).first_text(&["host", "zone_name"]).is_none();
    let last_unnamed = zones.iter().rposition(is_unnamed);
    for (index, zone) in zones.iter().enumerate() {
        // They are one alert, and only its last event would be sent.
        if last_unnamed.is_some_and(|last| index < last) && is_unnamed(zone) {
            continue;
        }
        // An outline has no room for the text.
        let payload = if budget.is_spent() { &bare } else { &shared };
        let event = budget.fit(event(Node::root(payload), Node::root(zone))?);
        mapped.events.push(event.of_item("data.unreachable_zones", index));
    }
    Ok(mapped)
}

/// The event about the whole notification, or about one of its unreachable zones.
fn event(payload: Node<'_>, zone: Node<'_>) -> Result<Event, MapError> {
    let alert = Alert::read(payload, zone);
    let data = alert.data;
    let key = alert.key().ok_or(MapError::NoIdentity {
        item: String::new(),
        fields: "`alert_correlation_id`, `policy_id`, `alert_type` or `name`",
    })?;
    let (action, severity) = alert.state();
    let component = alert.entity.as_ref().map(|(_, _, name)| name.clone());
    let group = data.pick(&["account_name", "account.name"]);
    let source_field = zone.first_text(&["host", "zone_name"]).or_else(|| data.pick(PLACES));
    let source_field = source_field.or_else(|| component.clone()).or_else(|| group.clone());
    let dashboard = data.get("dashboard_link").text();
    let dashboard = dashboard.map(|link| if link.contains("://") { link } else { ["https://", &link].concat() });
    let summary = alert.summary(source_field.as_deref());
    let event = Event::new(action, key, severity, &summary, source_field.as_deref().unwrap_or(SOURCE.name))
        .component(component)
        .group(group)
        .class(alert.kind)
        .timestamp(TIMES.iter().find_map(|path| payload.at(path).time()))
        .details(payload, DETAILS)
        .detail("policy", payload.first_text(POLICIES).into())
        .detail("unreachable_zone", zone.value().cloned().into())
        .link("Dashboard", dashboard)
        .link("Rule", data.get("rule_link").text())
        .client(SOURCE.name, Some("https://dash.cloudflare.com/?to=/:account/notifications".to_owned()));
    Ok(event.grouped_details(data, DATA))
}

/// The user's name for a notification.
const POLICIES: &[&str] = &["name", "policy_name"];

/// One alert of a notification.
struct Alert<'a> {
    payload: Node<'a>,
    data: Node<'a>,
    /// The unreachable zone, if the alert has one.
    zone: Node<'a>,
    /// `alert_type`.
    kind: Option<String>,
    /// The object with the state: its kind, its id, its name.
    entity: Option<(&'static str, String, String)>,
    /// The broken part of it: the host of a zone, the origin of a pool.
    part: String,
    /// The status, without the prefix of tunnels.
    status: Option<String>,
}

impl<'a> Alert<'a> {
    fn read(payload: Node<'a>, zone: Node<'a>) -> Self {
        let data = payload.get("data");
        let entity = ENTITIES.iter().find_map(|&(what, id, name)| {
            let (id, name) = (data.pick(&[id, name])?, data.pick(&[name, id])?);
            Some((what, id, name))
        });
        let part = zone.get("host").text().or_else(|| data.get("origin_name").text()).unwrap_or_default();
        let status = data.pick(&["new_health_status", "new_status", "new_health", "status"]);
        let status = status.map(|status| status.strip_prefix("TUNNEL_STATUS_TYPE_").unwrap_or(&status).to_owned());
        Alert { payload, data, zone, kind: payload.get("alert_type").text(), entity, part, status }
    }

    fn class(&self) -> &str {
        self.kind.as_deref().unwrap_or_default()
    }

    fn key(&self) -> Option<DedupKey> {
        let broken = self.zone.first_text(&["zone_name", "host"]);
        let broken = broken.or_else(|| self.entity.as_ref().map(|(_, id, _)| id.clone()));
        match (broken, self.payload.get("alert_correlation_id").text()) {
            (Some(id), _) => DedupKey::new(SOURCE.slug, &[self.class(), &id, &self.part]),
            (None, Some(correlation)) => DedupKey::new(SOURCE.slug, &[&correlation]),
            (None, None) => {
                let policy = self.payload.first_text(&["policy_id", "policy_name", "name"]).unwrap_or_default();
                DedupKey::new(SOURCE.slug, &[&policy, self.class(), &self.data.pick(IDS).unwrap_or_default()])
            }
        }
    }

    /// The action and severity: from the status, else from the notification's event and type.
    fn state(&self) -> (Action, Severity) {
        let ended = self.payload.get("alert_event").text().is_some_and(|event| event.ends_with("_END"));
        let by_type = SEVERITIES.iter().find(|(_, parts)| parts.iter().any(|part| self.class().contains(part)));
        let otherwise = (
            if ended { Action::Resolve } else { Action::Trigger },
            by_type.map_or(Severity::Error, |(severity, _)| *severity),
        );
        self.status.as_deref().and_then(|status| text::lookup(STATUSES, status)).unwrap_or(otherwise)
    }

    fn summary(&self, source_field: Option<&str>) -> String {
        if let (Some((what, _, name)), Some(status)) = (&self.entity, &self.status) {
            let comma = if self.part.is_empty() { "" } else { ", origin " };
            let reason = self.data.pick(&["reason", "episode.summary"]).map(|reason| [": ", &reason].concat());
            return [what, " ", name, comma, &self.part, " is ", status, &reason.unwrap_or_default()].concat();
        }
        let text = self.payload.get("text").text();
        let line = text.as_deref().and_then(|text| text.lines().next());
        let event = self.data.pick(&["metadata.event.type", "event_type"]);
        let event = event.as_deref().or(self.kind.as_deref().filter(|_| line.is_none()));
        let policy = self.payload.first_text(POLICIES);
        let said = [source_field, line.or(policy.as_deref()), event];
        text::join_nonempty(&said.map(Option::unwrap_or_default), ": ")
    }
}
