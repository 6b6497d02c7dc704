//! Alerts of Alertmanager, Amazon Managed Service for Prometheus and Grafana in a message: as JSON, and as the text of their
//! default templates.

use serde_json::{Map, Value};

use super::Via;
use crate::json::{self, Node};
use crate::mapping::budget::Budget;
use crate::mapping::prometheus::{self, Vendor};
use crate::mapping::{MapError, Mapped, VALUES_MAX};
use crate::text;

/// Maps a group of alerts, an event for each.
///
/// # Errors
/// Returns [`MapError`] if the payload has no list of alerts.
pub(super) fn group(payload: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let vendor = Vendor { slug: via.slug, name: via.name, names: &["alertname"], prefix: |_| "" };
    let finish = |alert: &prometheus::Alert<'_>| {
        let url = |name: &str| alert.node.get(name).text().filter(|url| url.starts_with("http"));
        Ok(LINKS.iter().fold(alert.event(vendor)?, |event, (name, shown)| event.link(shown, url(name))))
    };
    let mut mapped = prometheus::each(payload, vendor, Budget::of(via.delivery), &finish)?;
    // Without `groupKey`, no later delivery could find the digest of the group.
    if payload.get("groupKey").text().is_none() {
        let digest = mapped.group.take();
        mapped.events.retain(|event| digest.is_none() || event.dedup_key() != digest.as_ref());
    }
    Ok(mapped)
}

/// The links to an alert's own pages, and their texts.
const LINKS: &[(&str, &str)] =
    &[("generatorURL", "Source"), ("dashboardURL", "Dashboard"), ("panelURL", "Panel"), ("silenceURL", "Silence")];

/// Maps the text of a default template. Returns `None` if the text is not one.
///
/// The text lists the firing alerts first, then the resolved ones, each with its labels. A text that was cut keeps the
/// alerts before the cut.
pub(super) fn text(text: &str, via: &Via<'_>) -> Option<Result<Mapped, MapError>> {
    let mut alerts = alerts(text);
    if alerts.is_empty() && text.trim_start().starts_with('{') {
        alerts = broken(text);
    }
    if alerts.is_empty() {
        return None;
    }
    if alerts.len() > ALERTS_MAX {
        return Some(Err(MapError::TooManyValues));
    }
    let payload = json::object([("alerts", alerts.into())]);
    Some(group(Node::root(&payload), via))
}

/// How many alerts a text has at most. The largest message of SNS has room for fewer.
const ALERTS_MAX: usize = VALUES_MAX / 8;

/// The alerts in JSON that does not parse: it was cut at the limit of SNS, or a template put a quote into it. Each alert
/// has its status before its fingerprint.
fn broken(text: &str) -> Vec<Value> {
    let mut alerts = Vec::new();
    let (mut status, mut name) = ("firing", "");
    // `"name":"value"`, with white space between them.
    let mut quoted = text.split('"').skip(1);
    while let Some(member) = quoted.next().filter(|_| alerts.len() <= ALERTS_MAX) {
        if !matches!(member, "status" | "alertname" | "fingerprint") {
            continue;
        }
        if quoted.next().is_none_or(|between| between.trim() != ":") {
            continue;
        }
        let Some(value) = quoted.next() else { break };
        match member {
            "status" => status = value,
            "alertname" => name = value,
            _ => {
                let labels = json::object([("alertname", name.into())]);
                alerts.push(json::object([
                    ("status", status.into()),
                    ("labels", labels),
                    ("fingerprint", value.into()),
                ]));
            }
        }
    }
    alerts
}

/// The alert that is being read.
#[derive(Default)]
struct Alert {
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    url: Option<String>,
}

impl Alert {
    fn finish(mut self, status: &str, alerts: &mut Vec<Value>) {
        if self.labels.is_empty() {
            return;
        }
        // The summary may say neither what it is nor where.
        let summary = self.annotations.get("summary").and_then(Value::as_str).map(str::to_owned);
        if let Some(summary) = summary {
            let label = |name: &&str| self.labels.get(*name).and_then(Value::as_str);
            let unsaid = |text: &&str| !summary.contains(*text);
            let name = label(&"alertname").filter(unsaid).unwrap_or_default();
            let place = ["instance", "host", "node", "pod", "service"].iter().find_map(label).filter(unsaid);
            let title = text::join_prefixed(&[("", Some(name)), (" on ", place)]);
            self.annotations.insert("summary".to_owned(), text::join_nonempty(&[&title, &summary], ": ").into());
        }
        alerts.push(json::object([
            ("status", status.into()),
            ("labels", self.labels.into()),
            ("annotations", self.annotations.into()),
            ("generatorURL", self.url.into()),
        ]));
    }
}

/// The alerts in a text, in the shape of Alertmanager's JSON.
fn alerts(text: &str) -> Vec<Value> {
    let (mut alerts, mut alert, mut status) = (Vec::new(), Alert::default(), "");
    let mut in_annotations = false;
    for line in text.lines().map(str::trim_end) {
        if alerts.len() > ALERTS_MAX {
            break;
        }
        let state = match line.trim_start() {
            "Alerts Firing:" | "**Firing**" => Some("firing"),
            "Alerts Resolved:" | "**Resolved**" => Some("resolved"),
            _ => None,
        };
        if state.is_some() || line == "Labels:" && !status.is_empty() {
            std::mem::take(&mut alert).finish(status, &mut alerts);
            in_annotations = false;
            status = state.unwrap_or(status);
        } else if line == "Annotations:" {
            in_annotations = true;
        } else if let Some(url) = line.strip_prefix("Source:") {
            alert.url = Some(url.trim().to_owned());
        } else if let Some((name, value)) = line.strip_prefix(" - ").and_then(|line| line.split_once(" = ")) {
            let members = if in_annotations { &mut alert.annotations } else { &mut alert.labels };
            members.insert(name.trim().to_owned(), value.trim().into());
        }
    }
    alert.finish(status, &mut alerts);
    alerts
}
