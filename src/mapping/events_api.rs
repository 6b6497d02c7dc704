//! The bodies of PagerDuty's Events APIs, for programs that can already page PagerDuty.
//!
//! # Wire format
//!
//! | format | recognised by | page |
//! |---|---|---|
//! | alert event, v1 | no `event_action`, and one of `event_type`, `incident_key` and `service_key` | <https://developer.pagerduty.com/docs/events-api-v1/trigger-events/> |
//! | change event | neither `event_action` nor `dedup_key`, but `payload.summary` | <https://developer.pagerduty.com/docs/events-api-v2/send-change-events/> |
//! | alert event, v2 | everything else | <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/> |
//!
//! Read 2026-11. Alertmanager writes a blank `event_action` into bodies of v1, so a blank one counts as missing there.
//! A change event has no `dedup_key`. So a body with one is an alert event that lost its action, and it is rejected
//! instead of becoming an event that notifies nobody. PagerDuty itself has a path for each format; a sender that uses
//! these paths has chosen its format, whatever members the body has.
//!
//! [`parse`](crate::pagerduty::event::parse::parse) maps the fields of v2 and of changes. This module maps those of v1.

use serde_json::{Map, Value};

use crate::json::{Node, encode};
use crate::pagerduty::event::parse::{self, Unreadable};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text::sha256_hex;

/// The severity of an event of v1, which has none. Elastic chose it when it moved Watcher from v1 to v2, and PagerDuty
/// documents no other.
const V1_SEVERITY: Severity = Severity::Critical;

/// The format of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An alert event of version 1.
    AlertV1,
    /// An alert event of version 2.
    AlertV2,
    /// A change event.
    Change,
}

/// One event as its sender wrote it, with a valid action.
#[derive(Clone, Copy, Debug)]
pub struct GivenEvent<'a> {
    body: Node<'a>,
    is_v1: bool,
    action: Action,
}

impl<'a> GivenEvent<'a> {
    /// Recognises the format of a body and parses its action.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the action is missing or unknown.
    pub fn of(body: Node<'a>) -> Result<GivenEvent<'a>, Unreadable> {
        let has = |name: &str| body.get(name).value().is_some();
        let is_v1 = body.get("event_action").text().is_none()
            && ["event_type", "incident_key", "service_key"].iter().any(|name| has(name));
        let nameless = !has("event_action") && !has("dedup_key");
        let action = match body.get("payload").get("summary").text() {
            _ if is_v1 => v1_action(body)?,
            Some(_) if nameless => Action::Change,
            None if nameless && has("payload") => {
                let problem = "is missing; a change event has none, but needs `payload.summary`";
                return Err(Unreadable { path: "event_action", problem });
            }
            _ => parse::action(body, false)?,
        };
        Ok(GivenEvent { body, is_v1, action })
    }

    /// Parses the action of a body in a known format. A change event needs none.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if the action is missing or unknown.
    pub fn in_format(format: Format, body: Node<'a>) -> Result<GivenEvent<'a>, Unreadable> {
        let action = match format {
            Format::AlertV1 => v1_action(body)?,
            Format::AlertV2 => parse::action(body, false)?,
            Format::Change => Action::Change,
        };
        Ok(GivenEvent { body, is_v1: format == Format::AlertV1, action })
    }

    /// What the event does. [`Action::Change`] has no key.
    pub fn action(self) -> Action {
        self.action
    }

    /// The member that contains the key.
    pub fn key_member(self) -> &'static str {
        if self.is_v1 { "incident_key" } else { "dedup_key" }
    }

    /// The sender's own key, with its white space: it may have opened an alert before the relay was in use. Returns
    /// `None` if the member is not text or a number.
    pub fn key(self) -> Option<String> {
        let given = self.body.get(self.key_member());
        given.value().and_then(Value::as_str).map(str::to_owned).or_else(|| given.text())
    }

    /// The SHA-256 of the whole event without its credential, in hex. It identifies a trigger without a key.
    pub fn hash(self) -> String {
        let credential = |name: &str| name == "routing_key" || self.is_v1 && name == "service_key";
        let mut event = Map::new();
        for (name, value) in self.body.members().into_iter().flatten().filter(|(name, _)| !credential(name)) {
            event.insert(name.clone(), value.clone());
        }
        sha256_hex(&encode(&Value::Object(event)))
    }

    /// Builds the event. A change ignores `key`; every other action needs one. `source_field` is the source of an event
    /// that names neither a source nor a client.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if a trigger or a change has no summary.
    pub fn event(self, key: Option<DedupKey>, source_field: &str) -> Result<Event, Unreadable> {
        match key.filter(|_| self.action != Action::Change) {
            Some(key) if self.is_v1 => v1(self.body, self.action, key, source_field),
            key => parse::parse(self.body, self.action, key, source_field),
        }
    }
}

/// Parses `event_type`, ignoring case.
fn v1_action(event: Node<'_>) -> Result<Action, Unreadable> {
    let refuse = |problem| Err(Unreadable { path: "event_type", problem });
    match event.get("event_type").text().map(|word| word.to_ascii_lowercase()).as_deref() {
        Some("acknowledge") => Ok(Action::Acknowledge),
        Some("resolve") => Ok(Action::Resolve),
        Some("trigger") => Ok(Action::Trigger),
        // PagerDuty rejects it too, so its sender never relied on it.
        Some(_) => refuse("must be trigger, acknowledge or resolve"),
        None => refuse("is missing"),
    }
}

/// Builds an event from the members of v1.
fn v1(body: Node<'_>, action: Action, key: DedupKey, source_field: &str) -> Result<Event, Unreadable> {
    let summary = body.get("description").text();
    let details = body.get("details");
    if summary.is_none() && action == Action::Trigger {
        return Err(Unreadable { path: "description", problem: "is missing or blank" });
    }
    if summary.is_none() && details.value().is_none() {
        return Ok(Event::bare(action, key));
    }
    let client = body.get("client").text();
    let source_field = client.clone().unwrap_or_else(|| source_field.to_owned());
    let summary = summary.unwrap_or_else(|| [action.as_str(), " from ", &source_field].concat());
    let made = Event::new(action, key, V1_SEVERITY, &summary, &source_field)
        .client(&client.unwrap_or_default(), body.get("client_url").text());
    let made = match details.value() {
        Some(Value::Object(_)) => made.members(details),
        // Kapacitor writes a text.
        Some(other) => made.detail("details", other.clone()),
        None => made,
    };
    let contexts = body.get("contexts").items().unwrap_or_default();
    Ok(contexts.iter().map(Node::root).fold(made, |made, context| {
        let member = |name: &str| context.get(name).text();
        match member("type").map(|kind| kind.to_ascii_lowercase()).as_deref() {
            Some("link") => made.link(&member("text").unwrap_or_default(), member("href")),
            Some("image") => made.image(member("src"), member("href"), &member("alt").unwrap_or_default()),
            // PagerDuty documents no other type, and nothing says which member of one would be a URL.
            _ => made,
        }
    }))
}
