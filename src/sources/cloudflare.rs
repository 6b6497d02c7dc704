//! Cloudflare notifications: generic webhooks.
//!
//! # Wire format
//!
//! <https://developers.cloudflare.com/notifications/reference/webhook-payload-schema/>, read 2026-11: `{name, text,
//! data, ts, account_id, policy_id, policy_name, alert_type, alert_correlation_id, alert_event}`. One delivery is one
//! notification, and what `data` holds depends on `alert_type`; the page shows seven of some sixty. Older ones have
//! `name`, `text`, `data` and `ts` alone. The correlation id is a UUID or a number with 19 digits. The secret comes as
//! it is in `cf-webhook-auth`. "Save and Test" sends a `text` and nothing else, and wants a 2xx. The page does not say
//! whether Cloudflare retries, so it is taken not to.
//!
//! # Mapping
//!
//! One event, or for `real_origin_monitoring` one for each of `data.unreachable_zones`. Names without a path are
//! members of `data`. The status is `new_health_status`, `new_status`, `new_health` or `status`, without
//! `TUNNEL_STATUS_TYPE_`.
//!
//! | event | from |
//! |---|---|
//! | action | status `healthy`, `normal`: resolve; `critical`, `degraded`, `down`, `unhealthy`: trigger; else `alert_event` `…_END`: resolve; anything else triggers |
//! | severity | status `down`, `critical`: critical; `degraded`: warning; `unhealthy`: error; else by what is in `alert_type`: attacks, hijacks and unreachable origins critical; certificates, expiry, anomalies, latency, Logpush, Pages, switched pools, scripts unless malicious, brands and warnings warning; billing, maintenance, overviews and other reports info; else error |
//! | summary | of a health check, tunnel, pool, origin of a pool or Workers alert with a status: what it is, its name, its status, `reason` or `episode.summary`; else the place, the first line of `text`, and of a certificate what happened to it; without a text the policy and `alert_type` |
//! | source | the place: `host` or `zone_name` of the unreachable zone, `target_hostname`, `target_ip`, `zone_name`, `data.hosts`, `hostnames`, the name of the check, tunnel, pool or Workers alert, of the account, else `Cloudflare` |
//! | component | the name of the check, tunnel, pool or Workers alert |
//! | group | the name of the account |
//! | class | `alert_type` |
//! | timestamp | `ts`, else `status_change_time`, `timestamp`, `start_time`, `alert_start_time` |
//! | links | `dashboard_link`, which may come without a scheme, and `rule_link` |
//! | client, client URL | Cloudflare, its page of notifications |
//! | details | type, event, correlation id, policy, the whole text, and the known members of `data` |
//!
//! The status goes before `alert_event`: all examples have `…_START`, those of checks that may be healthy too, and
//! which types send `…_END` is not documented. The words of statuses are known from what notifications can be filtered
//! by; `normal` and Workers alerts are uncertain. `severity` in the data of a degraded tunnel was `INFO` and decides
//! nothing.
//!
//! # Dedup key
//!
//! What is broken, where the data name it: `cloudflare:<alert_type>:<id>:<part>`, the id that of the health check,
//! tunnel, pool or Workers alert (`config.id`), or the unreachable zone, the part `origin_name` or the zone's `host`.
//! This goes before the correlation id: down and healthy again may be notifications that nothing else ties together.
//! Else `cloudflare:<alert_correlation_id>`, which groups a start and its end. Else, for types that never end,
//! `cloudflare:<policy>:<alert_type>:<certificate, attack, target or zone>`.
//!
//! # Not mapped
//!
//! * A `text` about a test message, without name and type: "test message of Save and Test".
//! * A body in which nothing names a policy, a type or an alert is refused.
//! * Other members of `data` stay out of the details: a Logpush destination holds credentials. `text`
//!   says the same in words.
//! * The test of a notification looks like one and opens an alert. So do reports of success about certificates, pools
//!   and Pages: their words are not documented.
//! * Cloudflare's own PagerDuty integration does not say what key or severity it sends, so neither is copied.

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
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
        triggers: "any notification but these",
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

/// What a status says. It may be one of tunnels, health checks, pools and Workers alerts.
const STATUSES: &[(&str, (Action, Severity))] = &[
    ("critical", (Action::Trigger, Severity::Critical)),
    ("degraded", (Action::Trigger, Severity::Warning)),
    ("down", (Action::Trigger, Severity::Critical)),
    ("healthy", (Action::Resolve, Severity::Error)),
    ("normal", (Action::Resolve, Severity::Error)),
    ("ok", (Action::Resolve, Severity::Error)),
    // Of Workers: it may still pass by itself.
    ("pending", (Action::Trigger, Severity::Info)),
    ("resolved", (Action::Resolve, Severity::Error)),
    ("unhealthy", (Action::Trigger, Severity::Error)),
];

/// How bad an alert is by what is in its type: there are some sixty, and families share words. The first one counts.
const SEVERITIES: &[(Severity, &[&str])] = &[
    (Severity::Critical, &["_attack", "bgp_hijack", "real_origin"]),
    (Severity::Error, &["malicious"]),
    (Severity::Warning, &["anomal", "brand_protection_alert", "certificate", "expiring", "latency", "logo_match"]),
    (Severity::Warning, &["logpush", "pages_event", "pool_enablement", "scriptmonitor", "ssl_event", "warning"]),
    (Severity::Info, &["advertisement", "billing", "digest", "maintenance", "overview", "radar", "successfully"]),
    (Severity::Info, &["tunnel_update", "web_analytics", "workers_alert"]),
];

/// What has a state of its own: what it is, its id, its name.
const ENTITIES: &[(&str, &str, &str)] = &[
    ("Health check", "health_check_id", "health_check_name"),
    ("Tunnel", "tunnel_id", "tunnel_name"),
    ("Pool", "pool_id", "pool_name"),
    ("Workers alert", "config.id", "config.name"),
];

/// What an alert without a state is about, the narrowest first.
const IDS: &[&str] = &["certificate_id", "data.id", "attack_id", "target_id", "zone_tag", "zone_name"];

/// Where it is, for what names more than an account.
const PLACES: &[&str] = &["target_hostname", "target_ip", "zone_name", "data.hosts.0", "hostnames"];

const TIMES: &[&str] = &["ts", "data.status_change_time", "data.timestamp", "data.start_time", "data.alert_start_time"];

const DETAILS: &[&str] = &["alert_type", "alert_event", "alert_correlation_id", "policy_id", "text"];

/// Of `data`: what most alerts have, then what states, attacks and certificates have.
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
    let mut mapped = Mapped::default();
    for zone in zones {
        mapped.events.push(event(payload, Node::root(zone))?);
    }
    Ok(mapped)
}

/// The event about the whole, or about one of its unreachable zones.
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

/// What a notification is called, by the user.
const POLICIES: &[&str] = &["name", "policy_name"];

/// What a notification says of one alert.
struct Alert<'a> {
    payload: Node<'a>,
    data: Node<'a>,
    /// The unreachable zone that it is about, where it is about one.
    zone: Node<'a>,
    /// `alert_type`.
    kind: Option<String>,
    /// What has a state of its own: what it is, its id, its name.
    entity: Option<(&'static str, String, String)>,
    /// What of it is broken: the host of a zone, the origin of a pool.
    part: String,
    /// What a status says, without the prefix of tunnels.
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

    /// What to do and how bad it is: by the status, else by what the notification's event and type are called.
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
