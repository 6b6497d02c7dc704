//! Grafana alerting webhooks: unified alerting (Grafana 8 and later) and legacy dashboard alerts (before 11).
//!
//! # Wire format
//!
//! <https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/>,
//! read 2026-11. Unified: one delivery is one group, in Alertmanager's shape with `version` "1", `title`, `message`,
//! `orgId`, and on each alert `silenceURL`, `dashboardURL`, `panelURL`, `imageURL`, `values`, `valueString`, `ruleUID`.
//! Rules that use an external Alertmanager arrive in that program's own shape (version "4") and are mapped in the same
//! way. Legacy: one delivery is one alert, `{ruleId, ruleName, ruleUrl, state, title, message, evalMatches, tags,
//! imageUrl}`. A custom payload (Grafana 12 and later) has another shape, which this source does not support. If a
//! delivery was not accepted, Grafana sends it again an interval later, with its whole group. For legacy alerts this is
//! unknown.
//!
//! # Mapping
//!
//! Unified: one event per alert, or one per group if variable `grouping` is `group`. When all alerts of a group are
//! resolved, one more event resolves the digest that an alert storm may have opened. PagerDuty ignores it if no such
//! alert is open.
//!
//! | event | unified alert | whole group | legacy |
//! |---|---|---|---|
//! | action | the alert's `status`: `resolved` resolves, any other value triggers | resolve when all alerts are resolved | `ok` resolves, `alerting`, `no_data` and unknown states trigger |
//! | severity | label `severity`, label `priority`, annotation `severity` by [`Severity::from_word`], else error | the worst of the firing alerts | tag `severity`, else error, for `no_data` warning |
//! | summary | annotation `summary` or `title`, else the first line of `message` or `description`, with `rulename` or `alertname` in front and the instance behind where the text does not contain their words; else the name on the instance, else the title; prefix "No data: " or "Query error: " if that is firing | `[FIRING:n]`, group labels, other common labels | `ruleName` and the first line of `message` |
//! | source | label `instance`, `exported_instance`, `host`, `node`, `pod`, `service`, else the host of `externalURL`, the receiver, `Grafana` | the same of the common labels | host of `ruleUrl`, else `Grafana` |
//! | component | label `service`, `job`, `app`, `deployment` | the same of the common labels | tag `service` |
//! | group | `grafana_folder`, else label `cluster`, `namespace`, `env`, `environment` | the same of the common labels | tag `group` |
//! | class | label `alertname` | the same of the common labels | - |
//! | timestamp | `startsAt`; `endsAt` for a resolve | the earliest `startsAt` of a firing alert | - |
//! | links | rule, dashboard, panel, silence, runbook, if absolute | the same | rule |
//! | images | `imageURL` | the same | `imageUrl` |
//! | client, client URL | Grafana, `externalURL` | the same | Grafana, `ruleUrl` |
//! | details | labels, annotations, values, value string, organisation, rule | counts, firing and resolved alerts | matches, tags, state |
//!
//! An alert about missing data or a failing query is named `DatasourceNoData` or `DatasourceError`. The rule's own name
//! is its label `rulename`. It is in the summary, after a prefix that says what is firing.
//!
//! # Dedup key
//!
//! `grafana:<fingerprint>`. The fingerprint is a hash of the labels, which do not change while the alert exists.
//! `DatasourceNoData` has its own fingerprint and opens and closes by itself. The key of a group is
//! `grafana:<groupKey>`. The test button of a contact point puts the time into that key, so each press makes its own
//! incident. Legacy: `grafana:<orgId>:<ruleId>`, or `grafana::<ruleId>` without an organisation. In a fingerprint and
//! in these parts, `:` becomes `%3A`.
//!
//! # Not mapped
//!
//! * A group without alerts: "no alerts in the group".
//! * The alerts that `truncatedAlerts` counts: "alerts left out by the sender's own limit (max_alerts)".
//! * In group mode, a resolved group with `truncatedAlerts` above 0: "resolved group not closed".
//! * Legacy states `paused` and `pending`: "the rule is paused or pending".
//! * `state` of the unified shape (`alerting`, `ok`): it can differ from `status`, which decides.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::http::url;
use crate::json::Node;
use crate::mapping::budget::Budget;
use crate::mapping::prometheus::{self, Alert, Vendor};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{self, Action, DedupKey, Event, Severity};
use crate::text;

/// Grafana.
pub const SOURCE: Source = Source {
    slug: "grafana",
    name: "Grafana",
    docs: "https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/",
    schemes: &[Scheme::Hmac(&SIGNATURE), Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret")],
    setup: Setup {
        triggers: "`firing`; legacy `alerting`, `no_data`",
        resolves: "`resolved`; legacy `ok`",
        steps: "Under Alerting, Contact points, add one of type Webhook with URL {url}.\n\
                Under HMAC Signature (Grafana 12 and later) enter the secret, and `X-Grafana-Alerting-Timestamp` as the timestamp header.\n\
                Before Grafana 12: under Authorization Header, scheme `Bearer` and the secret as credentials.",
        template: None,
    },
    patience: Duration::from_secs(30),
    map,
    map_group: Some(map_group),
    // It does not retry immediately. An interval later, it sends the delivery again with its group, until it is
    // accepted.
    retries: true,
    resends_state: true,
    states: &["resolved", "firing", "ok", "alerting", "no_data"],
    ..Source::DEFAULT
};

const VENDOR: Vendor = Vendor { slug: "grafana", name: "Grafana", names: &["rulename", "alertname"], prefix };

/// Says what is firing if it is not the rule itself.
fn prefix(alert: &Alert<'_>) -> &'static str {
    match alert.labels.get("alertname").text().as_deref() {
        Some("DatasourceError") => "Query error: ",
        Some("DatasourceNoData") => "No data: ",
        _ => "",
    }
}

/// Grafana 12 and later. The name of the signature's header is Grafana's own default. The timestamp's header has no
/// default, so users have to enter this name.
const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-grafana-alerting-signature",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::Header { name: "x-grafana-alerting-timestamp", before: "", required: false },
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    if is_legacy(payload)? {
        return legacy(payload);
    }
    let home = event::shared_url(payload.get("externalURL").text());
    let organisation = prometheus::brief(payload.get("orgId").value().cloned().into());
    prometheus::each(payload, VENDOR, Budget::of(delivery), &|alert| {
        let event = alert.event(VENDOR)?;
        let event = event
            .detail("values", alert.node.get("values").value().cloned().into())
            .detail("valueString", alert.node.get("valueString").text().into())
            .detail("orgId", alert.node.get("orgId").value().cloned().unwrap_or_else(|| organisation.clone()))
            .detail("ruleUID", alert.node.get("ruleUID").text().into())
            .group(alert.labels.get("grafana_folder").text());
        Ok(finish(event, alert, home.clone()))
    })
}

fn map_group(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    if is_legacy(payload)? {
        return legacy(payload);
    }
    let home = event::shared_url(payload.get("externalURL").text());
    let folder = payload.get("commonLabels").get("grafana_folder").text();
    let folder = folder.map(|folder| text::truncate(&folder, event::SUMMARY_MAX_CHARS).into_owned());
    prometheus::whole_group(payload, VENDOR, &|event, alert| finish(event.group(folder.clone()), alert, home.clone()))
}

fn finish(event: Event, alert: &Alert<'_>, home: Option<String>) -> Event {
    let url = |name: &str| alert.node.get(name).text();
    event
        .link("Rule", url("generatorURL"))
        .link("Dashboard", url("dashboardURL"))
        .link("Panel", url("panelURL"))
        .link("Silence", url("silenceURL"))
        .image(url("imageURL"), url("panelURL"), "Panel")
        .client("Grafana", home)
}

/// Whether this is a legacy alert.
fn is_legacy(payload: Node<'_>) -> Result<bool, MapError> {
    let has = |name: &str| payload.get(name).value().is_some();
    match (has("alerts"), has("ruleId") || has("ruleName")) {
        (true, _) => Ok(false),
        (false, true) => Ok(true),
        (false, false) => Err(MapError::Shape { expected: "`alerts` or, from before Grafana 11, `ruleId`" }),
    }
}

fn legacy(payload: Node<'_>) -> Result<Mapped, MapError> {
    let tags = payload.get("tags");
    let state = payload.get("state").text().unwrap_or_default();
    // An undocumented state triggers: an unnecessary page is the lesser evil.
    let (action, otherwise) = match state.as_str() {
        "ok" => (Action::Resolve, Severity::Error),
        "no_data" => (Action::Trigger, Severity::Warning),
        "paused" | "pending" => return Ok(Mapped::default().ignore("state", "the rule is paused or pending")),
        _ => (Action::Trigger, Severity::Error),
    };
    let severity = tags.get("severity").text().and_then(|word| Severity::from_word(&word)).unwrap_or(otherwise);
    let no_identity = || MapError::NoIdentity { item: String::new(), fields: "`ruleId`" };
    let rule = payload.first_text(&["ruleId", "ruleName"]).ok_or_else(no_identity)?;
    let organisation = payload.get("orgId").text().unwrap_or_default();
    let key = DedupKey::new(SOURCE.slug, &[&organisation, &rule]).ok_or_else(no_identity)?;
    let name = payload.first_text(&["ruleName", "title"]).unwrap_or_else(|| format!("Grafana rule {rule}"));
    let message = payload.get("message").text().map(|message| [": ", text::first_line(&message)].concat());
    let summary = name + &message.unwrap_or_default();
    let page = payload.get("ruleUrl").text();
    let source_field = page.as_deref().and_then(url::url_host).unwrap_or("Grafana");
    let event = Event::new(action, key, severity, &summary, source_field)
        .component(tags.get("service").text())
        .group(tags.get("group").text())
        .detail("state", state.into())
        .detail("title", payload.get("title").text().into())
        .detail("evalMatches", payload.get("evalMatches").value().cloned().into())
        .detail("tags", tags.value().cloned().into())
        .link("Rule", page.clone())
        .image(payload.get("imageUrl").text(), page.clone(), "Panel")
        .client("Grafana", page);
    Ok(Mapped::one(event))
}
