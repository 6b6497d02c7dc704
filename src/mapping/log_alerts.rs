//! Alerts of tools that search logs, traces and errors: what their sources share.
//!
//! Such an alert names a rule, says what its query found, and links to the results. Many tools never say that it is over.
//! A [`Shape`] lists where a vendor's payload has each of these.

use serde_json::{Map, Value};

use super::unexpanded::{self, is_unexpanded_variable};
use super::{MapError, Mapped, wording};
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Paths in a payload, the best first.
pub type Paths = &'static [&'static str];

/// Where a vendor's payload has what an event shows.
#[derive(Debug)]
pub struct Shape {
    /// The vendor's name: the event's client, and its source if the payload names no place.
    pub vendor: &'static str,
    /// The name of the rule, the monitor or the search.
    pub name: Paths,
    /// What it found: a sentence.
    pub found: Paths,
    /// The event's component.
    pub component: Paths,
    /// The event's group.
    pub group: Paths,
    /// The event's class.
    pub class: Paths,
    /// When it happened.
    pub time: Paths,
    /// Links with their texts. The first one that the payload has is also the client's URL.
    pub links: &'static [(&'static str, Paths)],
    /// The details, in groups.
    pub details: &'static [&'static [&'static str]],
}

impl Shape {
    /// A shape without paths, so that a source names only those that it has.
    pub const EMPTY: Shape = Shape {
        vendor: "",
        name: &[],
        found: &[],
        component: &[],
        group: &[],
        class: &[],
        time: &[],
        links: &[],
        details: &[],
    };

    /// Builds the event of a payload. `place` is the event's source, and the summary names it too.
    pub fn event(&self, payload: Node<'_>, alert: Alert) -> Event {
        let Alert { action, key, severity, place, found } = alert;
        let name = payload.pick(self.name).map(without_state);
        let found = found.or_else(|| payload.pick(self.found)).or_else(|| name.clone());
        let found = found.unwrap_or_else(|| [self.vendor, " alert without a name"].concat());
        let summary = wording::completed(&found, name.as_deref(), place.as_slice());
        let mut event = Event::new(action, key, severity, &summary, place.as_deref().unwrap_or(self.vendor))
            .component(payload.pick(self.component))
            .group(payload.pick(self.group))
            .class(payload.pick(self.class))
            .timestamp(self.time.iter().find_map(|path| time(payload.at(path))))
            .grouped_details(payload, self.details);
        let mut client_url = None;
        for (said, paths) in self.links {
            // Some tools send only a path if nobody has configured their own URL.
            let href = payload.pick(paths).filter(|href| href.starts_with("http"));
            client_url = client_url.or_else(|| href.clone());
            event = event.link(said, href);
        }
        event.client(self.vendor, client_url)
    }
}

/// What a source decides itself.
#[derive(Debug)]
pub struct Alert {
    /// The action.
    pub action: Action,
    /// The identity of the alert.
    pub key: DedupKey,
    /// The severity.
    pub severity: Severity,
    /// Where it happened. Without it, the vendor is the event's source.
    pub place: Option<String>,
    /// What the alert is about, if it is more than the text at one of [`Shape::found`].
    pub found: Option<String>,
}

/// A point in time, also in the form that Go prints: `2026-03-04 05:06:07.89 +0000 UTC`.
fn time(node: Node<'_>) -> Option<String> {
    node.time().or_else(|| text::timestamp(node.text()?.strip_suffix(" UTC")?))
}

/// The key of an alert: its id, and what tells apart the alerts with this id, such as the values of a group. Blank parts
/// at the end add nothing. Returns `None` without an id.
pub fn key(slug: &str, id: Option<String>, others: &[String]) -> Option<DedupKey> {
    let id = id?;
    let given = others.iter().rposition(|part| !part.is_empty()).map_or(0, |last| last + 1);
    let others = others.iter().take(given).map(String::as_str);
    let parts: Vec<&str> = [id.as_str()].into_iter().chain(others).collect();
    // No earlier version had these sources.
    DedupKey::new(slug, &parts).map(DedupKey::without_former)
}

/// The action that a user's own search or rule chooses in its field `event_action`, in PagerDuty's words. It is for tools
/// that never say that an alert is over.
pub fn own_action(fields: Node<'_>) -> Action {
    const ACTIONS: &[(&str, Action)] = &[("acknowledge", Action::Acknowledge), ("resolve", Action::Resolve)];
    // Any other word is no recovery.
    fields.get("event_action").text().and_then(|word| text::lookup(ACTIONS, &word)).unwrap_or(Action::Trigger)
}

/// The key that a user's own search or rule chooses in its field `dedup_key`, so that a trigger and its resolve share it.
/// It is never the key of an alert without that field.
pub fn own_key(slug: &str, fields: Node<'_>) -> Option<DedupKey> {
    key(slug, Some(String::new()), &[fields.get("dedup_key").text()?])
}

/// A name without the state that some tools write in front of it.
fn without_state(name: String) -> String {
    let rest = ["Triggered: ", "Resolved: "].iter().find_map(|state| name.strip_prefix(state));
    rest.map(str::to_owned).unwrap_or(name)
}

/// The values of a group as one place. Returns `None` if all are blank.
pub fn place(values: &[String]) -> Option<String> {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    Some(text::join_nonempty(&values, ", ")).filter(|place| !place.is_empty())
}

/// The texts of a list, or the only text. A value that is no text is blank.
pub fn list(node: Node<'_>) -> Vec<String> {
    match node.items() {
        Some(items) => items.iter().map(|item| Node::root(item).text().unwrap_or_default()).collect(),
        None => node.text().into_iter().collect(),
    }
}

/// Like [`unexpanded::unidentified`], for payloads that have members of members.
///
/// # Errors
/// Returns [`MapError`] if the payload contains no unexpanded variables. `fields` would identify an alert.
pub fn unidentified(source: (&str, &str), payload: &Value, fields: &'static str) -> Result<Mapped, MapError> {
    let mut flat = Map::new();
    for (name, value) in Node::root(payload).members().into_iter().flatten() {
        for (inner, value) in Node::root(value).members().into_iter().flatten() {
            if value.as_str().is_some_and(is_unexpanded_variable) {
                flat.insert([name, ".", inner].concat(), value.clone());
            }
        }
        if value.is_string() {
            flat.insert(name.clone(), value.clone());
        }
    }
    unexpanded::unidentified(source, &Value::Object(flat), fields)
}
