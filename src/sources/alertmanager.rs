//! Prometheus Alertmanager webhook, version 4.
//!
//! # Wire format
//!
//! <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>, read 2026-11. One delivery is one group:
//! `{version, groupKey, truncatedAlerts, status, receiver, groupLabels, commonLabels, commonAnnotations, externalURL,
//! alerts: [{status, labels, annotations, startsAt, endsAt, generatorURL, fingerprint}]}`. Version 3 (numeric
//! `groupKey`, no fingerprints) is parsed in the same way. Any field except `alerts` may be missing or null. A custom
//! `payload` (Alertmanager 0.31 and later) has another shape, which this source does not support. Alertmanager retries
//! a 5xx with growing pauses until the group's interval ends. After that, it sends everything that was not accepted
//! again at each interval.
//!
//! # Mapping
//!
//! One event per alert, or one per group if variable `grouping` is `group`. When all alerts of a group are resolved,
//! one more event resolves the digest that an alert storm may have opened. PagerDuty ignores it if no such alert is
//! open.
//!
//! | event | alert by alert | whole group |
//! |---|---|---|
//! | action | the alert's `status`: `resolved` resolves, any other value triggers | resolve when all alerts are resolved |
//! | severity | label `severity`, label `priority`, annotation `severity` by [`Severity::from_word`], else error | the worst of the firing alerts |
//! | summary | annotation `summary` or `title`, else the first line of `message` or `description`, with `alertname` in front and the instance behind where the text does not contain their words; else `alertname` on instance | `[FIRING:n]`, group labels, other common labels |
//! | source | label `instance`, `exported_instance`, `host`, `node`, `pod`, `service`, else the host of `externalURL`, else the receiver | the same of the common labels |
//! | component | label `service`, `job`, `app`, `deployment` | the same of the common labels |
//! | group | label `cluster`, `namespace`, `env`, `environment` | the same of the common labels |
//! | class | label `alertname` | the same of the common labels |
//! | timestamp | `startsAt`; `endsAt` for a resolve, unless that is Go's zero time | the earliest `startsAt` of a firing alert |
//! | links | `generatorURL`, annotations `runbook_url` and `dashboard_url`, `externalURL`, if absolute | the same |
//! | client, client URL | Alertmanager, its page of the receiver's alerts | the same |
//! | details | labels, annotations, group labels, receiver, reason | counts, firing and resolved alerts |
//!
//! If the sender truncates a group (`max_alerts`), `truncatedAlerts` is in the details, the reply and the log. Leave
//! `max_alerts` at 0, and configure grouping so that a group stays below 1 MiB (some thousand alerts): the relay
//! rejects a larger body with `413`.
//!
//! # Dedup key
//!
//! `alertmanager:<fingerprint>`. The fingerprint is a hash of the alert's labels, which do not change while the alert
//! exists. Without one, the key contains the SHA-256 of the labels. Highly available peers send the same fingerprint,
//! so their duplicates merge. Equal alerts of two clusters that share a routing key merge too: give each cluster its
//! own `external_labels`. In a fingerprint, `:` becomes `%3A`. The key of a group is `alertmanager:<groupKey>`, and two
//! clusters with the same configuration share it: put the cluster's label into `group_by`, or give each cluster a
//! service.
//!
//! # Not mapped
//!
//! * A group without alerts: "no alerts in the group".
//! * The alerts that `truncatedAlerts` counts: "alerts left out by the sender's own limit (max_alerts)".
//! * In group mode, a resolved group with `truncatedAlerts` above 0: "resolved group not closed", because Alertmanager
//!   computes the status after truncation.
//! * An alert with neither fingerprint nor labels is rejected, because it has no identity.
//! * An always firing alert (`severity: none`, Watchdog) pages with severity info. Route it elsewhere.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::url;
use crate::json::Node;
use crate::mapping::budget::Budget;
use crate::mapping::prometheus::{self, Alert, Vendor};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{self, Event};

/// Prometheus Alertmanager.
pub const SOURCE: Source = Source {
    slug: "alertmanager",
    name: "Prometheus Alertmanager",
    docs: "https://prometheus.io/docs/alerting/latest/configuration/#webhook_config",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`firing`",
        resolves: "`resolved`",
        steps: "In alertmanager.yml, under `receivers`, give a receiver `webhook_configs: [{url: {url}, http_config: {authorization: {credentials_file: <a file with the secret>}}}]`.\n\
                Leave `max_alerts` at 0, and route to that receiver.",
        template: None,
    },
    // Alertmanager's timeout is the group's interval, which is at least ten seconds.
    patience: Duration::from_secs(10),
    map,
    map_group: Some(map_group),
    // It retries a 5xx within the group's interval, with growing pauses, and anything that was not accepted at each
    // later interval.
    retries: true,
    resends_state: true,
    states: &["resolved", "firing", "critical", "warning"],
    ..Source::DEFAULT
};

const VENDOR: Vendor = Vendor { slug: "alertmanager", name: "Alertmanager", names: &["alertname"], prefix: |_| "" };

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let home = Home::read(payload);
    prometheus::each(payload, VENDOR, Budget::of(delivery), &|alert| Ok(home.finish(alert.event(VENDOR)?, alert)))
}

fn map_group(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let home = Home::read(payload);
    prometheus::whole_group(payload, VENDOR, &|event, alert| home.finish(event, alert))
}

/// The pages of Alertmanager, which all alerts of a group share.
struct Home {
    /// Its first page.
    page: Option<String>,
    /// The page of the receiver's alerts.
    receiver: Option<String>,
}

impl Home {
    fn read(payload: Node<'_>) -> Self {
        let page = event::shared_url(payload.get("externalURL").text());
        let receiver = page.as_deref().and_then(|page| receiver_page(page, payload));
        Home { page, receiver: event::shared_url(receiver) }
    }

    fn finish(&self, event: Event, alert: &Alert<'_>) -> Event {
        event
            .link("Source", alert.node.get("generatorURL").text())
            .link("Alertmanager", self.page.clone())
            .client("Alertmanager", self.receiver.clone())
    }
}

/// The longest name of a receiver in a link, in bytes.
const RECEIVER_MAX_BYTES: usize = 512;

/// The page of a receiver's alerts in Alertmanager. The payload quotes the receiver's name as a regular expression, and
/// the page expects that form.
fn receiver_page(home: &str, payload: Node<'_>) -> Option<String> {
    let home = url::absolute_url(home)?.trim_end_matches('/');
    let receiver = payload.get("receiver").text().filter(|receiver| receiver.len() <= RECEIVER_MAX_BYTES)?;
    Some(format!("{home}/#/alerts?receiver={}", utf8_percent_encode(&receiver, NON_ALPHANUMERIC)))
}
