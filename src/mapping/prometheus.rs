//! Alerts in the shape of Prometheus and related programs: a status, labels, annotations, a fingerprint.
//!
//! Alertmanager, Grafana, Mimir and others send this shape with fields of their own around it. This module reads the
//! shared shape, and the vendors' files read their own fields.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::http::url;
use crate::json::{self, Node};
use crate::mapping::budget::Budget;
use crate::mapping::{MapError, Mapped, wording};
use crate::pagerduty::event::shrink;
use crate::pagerduty::event::{Action, DedupKey, Event, SUMMARY_MAX_CHARS, Severity};
use crate::text;

/// Labels that name the source, the most specific first.
const SOURCE_LABELS: &[&str] = &["instance", "exported_instance", "host", "node", "pod", "service"];

/// Labels that name the broken part.
const COMPONENT_LABELS: &[&str] = &["service", "job", "app", "deployment"];

/// Labels that name the unit that the part belongs to.
const GROUP_LABELS: &[&str] = &["cluster", "namespace", "env", "environment"];

/// Annotations that describe the problem to people in one line.
const SUMMARY_ANNOTATIONS: &[&str] = &["summary", "title"];

/// Annotations that describe the problem to people at length. The first line is the summary.
const LONG_ANNOTATIONS: &[&str] = &["message", "description"];

/// The reason for [`Mapped::ignore`] if the sender omitted alerts.
pub const TRUNCATED: &str = "alerts left out by the sender's own limit (max_alerts): they are not in this delivery";

/// The reason for [`Mapped::ignore`] if a truncated group claims to be resolved.
pub const TRUNCATED_RESOLVE: &str =
    "resolved group not closed: it was truncated (max_alerts) and may hide firing alerts";

/// The reason for [`Mapped::ignore`] if the group is empty.
pub const NO_ALERTS: &str = "no alerts in the group";

/// A vendor's part of the mapping.
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    /// The source's slug, for dedup keys.
    pub slug: &'static str,
    /// The vendor's name, the default for missing texts.
    pub name: &'static str,
    /// The labels that name an alert, the most specific first.
    pub names: &'static [&'static str],
    /// The prefix for the summary of a special alert, such as one that reports missing data.
    pub prefix: fn(&Alert<'_>) -> &'static str,
}

/// One alert of a group.
#[derive(Clone, Debug)]
pub struct Alert<'a> {
    /// The alert itself, for a vendor's own fields.
    pub node: Node<'a>,
    /// Its labels.
    pub labels: Node<'a>,
    /// Its annotations.
    pub annotations: Node<'a>,
    /// What it shares with the other alerts of its group.
    shared: Rc<Shared>,
    /// Its position in the group, for errors.
    index: usize,
}

/// What all alerts of a group share. It is worked out once, because a group can have thousands of alerts, and it is small,
/// because the event of each alert repeats it.
#[derive(Debug)]
struct Shared {
    /// Whether the group is resolved.
    resolved: bool,
    /// The title of the group.
    title: Option<String>,
    /// The default source.
    source_field: Option<String>,
    /// Members of the details.
    details: [(&'static str, Value); 4],
}

impl Shared {
    fn read(payload: Node<'_>) -> Self {
        let text = |name: &str| payload.get(name).text();
        let short = |text: String| text::truncate(&text, SUMMARY_MAX_CHARS).into_owned();
        Shared {
            resolved: text("status").is_some_and(|word| is_resolved(&word)),
            title: text("title").map(short),
            source_field: source_field(payload).map(short),
            details: [
                ("groupLabels", brief(shown(payload.get("groupLabels")))),
                ("receiver", brief(text("receiver").into())),
                ("notification_reason", brief(text("notification_reason").into())),
                ("truncatedAlerts", left_out(payload)),
            ],
        }
    }
}

impl Shared {
    /// The same without the details, for alerts whose events keep only their outline.
    fn bare(&self) -> Shared {
        let short =
            |text: &Option<String>| text.as_deref().map(|text| text::truncate(text, BARE_MAX_CHARS).into_owned());
        let details = self.details.each_ref().map(|(name, _)| (*name, Value::Null));
        Shared { resolved: self.resolved, title: short(&self.title), source_field: short(&self.source_field), details }
    }
}

/// How much of the group's title an outline has, in UTF-16 code units.
const BARE_MAX_CHARS: usize = 256;

fn is_resolved(status: &str) -> bool {
    status.eq_ignore_ascii_case("resolved")
}

/// Reads the alerts of a group.
///
/// # Errors
/// Returns [`MapError`] if the payload has no list of alerts.
pub fn alerts(payload: Node<'_>) -> Result<Vec<Alert<'_>>, MapError> {
    let items = payload.get("alerts").items();
    let items = items.ok_or(MapError::Field { path: "alerts", problem: "is missing or not an array" })?;
    let shared = Rc::new(Shared::read(payload));
    let alert = |(index, item)| {
        let node = Node::root(item);
        let (labels, annotations) = (node.get("labels"), node.get("annotations"));
        Alert { node, labels, annotations, shared: Rc::clone(&shared), index }
    };
    Ok(items.iter().enumerate().map(alert).collect())
}

/// Maps each alert of a group to an event, and notes the alerts that the sender omitted. If the whole group is
/// resolved, one more event resolves the digest that may cover its alerts.
///
/// # Errors
/// Returns [`MapError`] if the payload has no list of alerts. An alert that cannot be mapped is added to
/// [`Mapped::rejected`] and does not affect the others.
pub fn each(
    payload: Node<'_>,
    vendor: Vendor,
    mut budget: Budget,
    map: &dyn Fn(&Alert<'_>) -> Result<Event, MapError>,
) -> Result<Mapped, MapError> {
    let mut mapped = Mapped::default();
    let alerts = alerts(payload)?;
    if alerts.is_empty() {
        mapped = mapped.ignore("alerts", NO_ALERTS);
    }
    let bare = alerts.first().map(|alert| Rc::new(alert.shared.bare()));
    for mut alert in alerts {
        if let Some(bare) = bare.as_ref().filter(|_| budget.is_spent()) {
            alert.shared = Rc::clone(bare);
        }
        match map(&alert) {
            Ok(event) => mapped.events.push(budget.fit(event).of_item("alerts", alert.index)),
            Err(error) => mapped.rejected.push(error),
        }
    }
    // A group without a key has no digest that a later delivery could find. Two clusters with the same configuration
    // share their group keys, so the resolve of one group also closes the digest of the other, as in group mode.
    mapped.group = group_key(payload, vendor.slug).ok();
    let over = mapped.rejected.is_empty() && truncated(payload) == 0;
    let worst = mapped.events.iter().map(Event::severity).max();
    let resolved = mapped.events.iter().all(|event| event.action() == Action::Resolve);
    if let (Some(key), Some(worst), true) = (&mapped.group, worst, over && resolved) {
        let closes =
            Event::new(Action::Resolve, key.clone(), worst, "All alerts of the group are resolved", vendor.name);
        mapped.events.push(closes.class(Some("digest".to_owned())));
    }
    Ok(note_truncation(payload, mapped))
}

fn truncated(payload: Node<'_>) -> u64 {
    payload.get("truncatedAlerts").count().unwrap_or(0)
}

/// [`truncated`] as a detail: `null` if it is zero.
fn left_out(payload: Node<'_>) -> Value {
    match truncated(payload) {
        0 => Value::Null,
        count => count.into(),
    }
}

fn note_truncation(payload: Node<'_>, mapped: Mapped) -> Mapped {
    if truncated(payload) > 0 { mapped.ignore("truncatedAlerts", TRUNCATED) } else { mapped }
}

impl Alert<'_> {
    /// `resolved` resolves, and every other status triggers. Both vendors document only `firing` beside it, and for an
    /// undocumented status an unnecessary page is the lesser evil. An alert without a status has that of its group.
    ///
    /// The end time does not count: it is Go's zero time for firing alerts and sometimes for resolved ones.
    pub fn action(&self) -> Action {
        let resolved = match self.node.get("status").text() {
            Some(word) => is_resolved(&word),
            None => self.shared.resolved,
        };
        if resolved { Action::Resolve } else { Action::Trigger }
    }

    /// `<source>:<fingerprint>`. Without a fingerprint (before Alertmanager 0.18) it uses the SHA-256 of the labels,
    /// because a fingerprint is computed from the labels.
    ///
    /// # Errors
    /// Returns [`MapError`] if the alert has neither a fingerprint nor labels.
    pub fn dedup_key(&self, source: &str) -> Result<DedupKey, MapError> {
        let labels = || {
            self.labels.members().filter(|labels| !labels.is_empty())?;
            Some(text::sha256_hex(&json::encode(self.labels.value()?)))
        };
        let id = self.node.get("fingerprint").text().or_else(labels).unwrap_or_default();
        DedupKey::new(source, &[&id]).ok_or_else(|| MapError::NoIdentity {
            item: format!("alerts[{}]", self.index),
            fields: "`fingerprint` or `labels`",
        })
    }

    /// The first word that [`Severity::from_word`] knows in label `severity`, label `priority` and annotation
    /// `severity`. The default is `error`, as in Alertmanager's own PagerDuty receiver.
    pub fn severity(&self) -> Severity {
        let words = [self.labels.get("severity"), self.labels.get("priority"), self.annotations.get("severity")];
        let known = |word: &Node<'_>| Severity::from_word(&word.text()?);
        words.iter().find_map(known).unwrap_or(Severity::Error)
    }

    /// The summary from the annotations, with the alert's name and its source where it says neither. The next choices are
    /// the alert's name with its source, and the title of its group.
    pub fn summary(&self, vendor: Vendor) -> String {
        self.summary_or(vendor, &|| self.shared.title.clone())
    }

    /// The summary, with another title of the group.
    fn summary_or(&self, vendor: Vendor, title: &dyn Fn() -> Option<String>) -> String {
        let name = self.labels.first_text(vendor.names);
        let places: Vec<String> = SOURCE_LABELS.iter().filter_map(|label| self.labels.get(label).text()).collect();
        let long = || Some(text::first_line(&self.annotations.first_text(LONG_ANNOTATIONS)?).to_owned());
        let summary = match (self.annotations.first_text(SUMMARY_ANNOTATIONS).or_else(long), name) {
            (Some(said), name) => Some(wording::completed(&said, name.as_deref(), &places)),
            (None, Some(name)) => {
                Some(text::join_prefixed(&[("", Some(&name)), (" on ", places.first().map(String::as_str))]))
            }
            (None, None) => title(),
        };
        let summary = summary.unwrap_or_else(|| format!("{} alert without a name", vendor.name));
        format!("{}{summary}", (vendor.prefix)(self))
    }

    /// An event with everything that the labels contain.
    ///
    /// # Errors
    /// Returns [`MapError`] like [`Alert::dedup_key`].
    pub fn event(&self, vendor: Vendor) -> Result<Event, MapError> {
        let action = self.action();
        let source_field = self.labels.first_text(SOURCE_LABELS).or_else(|| self.shared.source_field.clone());
        let ends = || self.node.get("endsAt").text().filter(|time| text::timestamp(time).is_some());
        let starts = self.node.get("startsAt").text();
        let time = if action == Action::Resolve { ends().or(starts) } else { starts };
        let key = self.dedup_key(vendor.slug)?;
        let source_field = source_field.unwrap_or_else(|| vendor.name.to_owned());
        let event = Event::new(action, key, self.severity(), &self.summary(vendor), &source_field)
            .component(self.labels.first_text(COMPONENT_LABELS))
            .group(self.labels.first_text(GROUP_LABELS))
            .class(self.labels.get("alertname").text())
            .timestamp(time)
            .detail("status", self.node.get("status").text().into())
            .detail("labels", shown(self.labels))
            .detail("annotations", shown(self.annotations))
            .detail("fingerprint", self.node.get("fingerprint").text().into())
            .detail("startsAt", self.node.get("startsAt").text().into())
            .link("Runbook", self.annotations.get("runbook_url").text())
            .link("Dashboard", self.annotations.get("dashboard_url").text());
        Ok(self.shared.details.iter().fold(event, |event, (name, value)| event.detail(name, value.clone())))
    }
}

/// The default source of a group: the host of the sender's own URL, or its receiver.
fn source_field(payload: Node<'_>) -> Option<String> {
    let url = payload.get("externalURL").text();
    url.as_deref().and_then(url::url_host).map(str::to_owned).or_else(|| payload.get("receiver").text())
}

/// Shrinks a fact about the group, because the event of each alert repeats it. A list is omitted.
pub fn brief(value: Value) -> Value {
    match value {
        Value::Array(_) => Value::Null,
        Value::Object(members) => Value::Object(shrink::fit(&members, BRIEF_MAX_BYTES).into_owned()),
        Value::String(text) => text::truncate(&text, BRIEF_MAX_BYTES).into(),
        other => other,
    }
}

/// How much of a fact about the group the event of each alert repeats, in bytes.
const BRIEF_MAX_BYTES: usize = 512;

/// Labels or annotations, without the private ones (`__alert_rule_uid__`), which mean nothing to people.
fn shown(labels: Node<'_>) -> Value {
    let private = |name: &str| name.starts_with("__") && name.ends_with("__");
    let Some(members) = labels.members() else { return Value::Null };
    let mut shown = Map::new();
    for (name, value) in members.iter().filter(|(name, _)| !private(name)) {
        shown.insert(name.clone(), value.clone());
    }
    Value::Object(shown)
}

/// Maps a whole group to one event, like Alertmanager's and Grafana's own PagerDuty receivers.
///
/// It resolves if every alert in the group is resolved. A group that the sender truncated never resolves, because the
/// sender computes the status after truncation.
///
/// # Errors
/// Returns [`MapError`] if the payload has no list of alerts, or the group has no key.
pub fn whole_group(
    payload: Node<'_>,
    vendor: Vendor,
    finish: &dyn Fn(Event, &Alert<'_>) -> Event,
) -> Result<Mapped, MapError> {
    let alerts = alerts(payload)?;
    let (firing, resolved): (Vec<_>, Vec<_>) = alerts.iter().partition(|alert| alert.action() == Action::Trigger);
    let Some(first) = firing.first().or(resolved.first()) else {
        return Ok(Mapped::default().ignore("alerts", NO_ALERTS));
    };
    if firing.is_empty() && truncated(payload) > 0 {
        return Ok(Mapped::default().ignore("status", TRUNCATED_RESOLVE));
    }
    let action = if firing.is_empty() { Action::Resolve } else { Action::Trigger };
    let worst = if firing.is_empty() { &resolved } else { &firing };
    let severity = worst.iter().map(|alert| alert.severity()).max().unwrap_or(Severity::Error);

    let common = payload.get("commonLabels");
    // One event has room for the whole title.
    let full_title = || payload.get("title").text();
    let title = group_title(payload, firing.len(), &first.summary_or(vendor, &full_title), worst.len());
    let source_field =
        common.first_text(SOURCE_LABELS).or_else(|| source_field(payload)).unwrap_or_else(|| vendor.name.to_owned());
    let starts = firing.iter().filter_map(|alert| text::timestamp(&alert.node.get("startsAt").text()?));
    let list = |alerts: &[&Alert<'_>]| Value::Array(alerts.iter().map(|alert| in_brief(alert)).collect());

    let event = Event::new(action, group_key(payload, vendor.slug)?, severity, &title, &source_field)
        .component(common.first_text(COMPONENT_LABELS))
        .group(common.first_text(GROUP_LABELS))
        .class(common.get("alertname").text())
        .timestamp(starts.min_by_key(|time| time.trim_end_matches('Z').to_owned()))
        .detail("num_firing", firing.len().into())
        .detail("num_resolved", resolved.len().into())
        .detail("firing", list(&firing))
        .detail("resolved", list(&resolved))
        .detail("groupLabels", shown(payload.get("groupLabels")))
        .detail("commonAnnotations", shown(payload.get("commonAnnotations")))
        .detail("receiver", payload.get("receiver").text().into())
        .detail("notification_reason", payload.get("notification_reason").text().into())
        .detail("truncatedAlerts", left_out(payload));
    let event = worst.iter().fold(event, |event, alert| {
        let url = |name: &str| alert.annotations.get(name).text();
        finish(event.link("Runbook", url("runbook_url")).link("Dashboard", url("dashboard_url")), alert)
    });
    Ok(note_truncation(payload, Mapped::one(event)))
}

/// `<source>:<groupKey>`. A proxied group may lack its key; then the receiver and the group's labels replace it.
fn group_key(payload: Node<'_>, source: &str) -> Result<DedupKey, MapError> {
    let key = match payload.get("groupKey").text() {
        // The usual form: `{}:{alertname="DiskFull"}`. No other key of the source begins so.
        Some(key) if key.starts_with('{') => DedupKey::whole(source, &key),
        Some(key) => DedupKey::new(source, &[&key]),
        None => {
            let labels = payload.get("groupLabels");
            let given = labels.members().is_some_and(|labels| !labels.is_empty());
            let receiver = payload.get("receiver").text().unwrap_or_default();
            let hash = labels.value().filter(|_| given).map(|labels| text::sha256_hex(&json::encode(labels)));
            hash.and_then(|hash| DedupKey::new(source, &[&receiver, &hash]))
        }
    };
    key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`groupKey` or `groupLabels`" })
}

/// `[FIRING:2] <group labels> (<other common labels>)`. For a group without common labels, the summary of its first
/// alert and the number of the others.
fn group_title(payload: Node<'_>, firing: usize, first: &str, of: usize) -> String {
    let values = |labels: &Value, but: &Value| {
        let members = labels.as_object().into_iter().flatten().filter(|(name, _)| but.get(name).is_none());
        let texts: Vec<String> = members.filter_map(|(_, value)| Node::root(value).text()).collect();
        text::join_nonempty(&texts.iter().map(String::as_str).collect::<Vec<&str>>(), " ")
    };
    let groups = shown(payload.get("groupLabels"));
    let grouped = values(&groups, &Value::Null);
    let common = values(&shown(payload.get("commonLabels")), &groups);
    let state = if firing > 0 { format!("[FIRING:{firing}]") } else { "[RESOLVED]".to_owned() };
    match (grouped.is_empty(), common.is_empty()) {
        (true, true) if of > 1 => format!("{state} {first} and {} more", of - 1),
        (true, true) => format!("{state} {first}"),
        (false, true) => format!("{state} {grouped}"),
        (true, false) => format!("{state} ({common})"),
        (false, false) => format!("{state} {grouped} ({common})"),
    }
}

/// An alert as one entry of a group's details.
fn in_brief(alert: &Alert<'_>) -> Value {
    let mut brief = Map::new();
    for name in ["fingerprint", "startsAt", "generatorURL"] {
        if let Some(text) = alert.node.get(name).text() {
            brief.insert(name.into(), text.into());
        }
    }
    brief.insert("labels".into(), shown(alert.labels));
    brief.insert("annotations".into(), shown(alert.annotations));
    Value::Object(brief)
}
