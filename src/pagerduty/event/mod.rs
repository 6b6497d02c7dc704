//! A PagerDuty Events API v2 event, which satisfies every limit that PagerDuty documents by construction.
//!
//! Written from <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, its page about change events and
//! the schema beside them. An [`Event`] has no routing key: [`Event::encode`] adds it when the event is sent.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::http::url;
use crate::json;
use crate::text;

mod action;
mod apart;
mod dedup_key;
mod encode;
mod item;
pub mod parse;
mod severity;
pub mod shrink;
mod stored;

pub use self::action::Action;
pub use self::apart::tell_apart;
pub use self::dedup_key::{DEDUP_KEY_MAX_BYTES, DEDUP_KEY_MAX_CHARS, DedupKey, OWN, by_alert};
use self::item::ItemOf;
pub use self::severity::{SEVERITY_WORDS, Severity};

/// The longest `payload.summary`, in UTF-16 code units.
pub const SUMMARY_MAX_CHARS: usize = 1024;

/// The largest event, in bytes of encoded JSON. PagerDuty documents 512 KB; Alertmanager and Grafana interpret that as
/// this number.
pub const EVENT_MAX_BYTES: usize = 512_000;

/// Our own limit for texts without a documented limit, in UTF-16 code units.
const FIELD_MAX_CHARS: usize = 1024;

/// The longest summary and the longest other field of an event's outline, in UTF-16 code units.
const OUTLINE_SUMMARY_MAX_CHARS: usize = 256;
const OUTLINE_FIELD_MAX_CHARS: usize = 128;

/// Our own limits for links and images, so that they cannot fill an event. PagerDuty documents none.
const URL_MAX_BYTES: usize = 4096;
const LINKS_MAX: usize = 16;
const IMAGES_MAX: usize = 8;

/// One event: either an action on the alert with a dedup key, with its description for people, or a change.
///
/// A resolve has the whole payload too: orchestration rules route by it, and PagerDuty rejects an incomplete payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(Box<Parts>);

/// Boxed, because each setter moves the event, and moving a large value adds code at every call.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    action: Action,
    /// `None` for a change event.
    dedup_key: Option<DedupKey>,
    /// `payload` without `custom_details`. Empty for a bare event.
    payload: Map<String, Value>,
    details: Map<String, Value>,
    links: Vec<Value>,
    images: Vec<Value>,
    client: Map<String, Value>,
    severity: Severity,
    requires_details: bool,
    /// Whether only the outline of the event is left.
    is_outline: bool,
    /// Whether it repeats another event with the former key of its alert.
    is_copy: bool,
    /// Notes on truncated and omitted parts.
    cuts: Vec<&'static str>,
    /// The item of the payload that the event was made of.
    item: ItemOf,
}

impl Parts {
    /// [`Event::weight`].
    fn weight(&self) -> usize {
        let maps = [&self.payload, &self.details, &self.client].map(shrink::weight);
        let lists = [&self.links, &self.images].map(|list| list.iter().map(shrink::weight_of).sum::<usize>());
        maps.iter().chain(&lists).sum()
    }
}

impl Event {
    /// An event with every field that PagerDuty requires. A blank `summary` or `source` is replaced by a placeholder.
    pub fn new(action: Action, dedup_key: DedupKey, severity: Severity, summary: &str, source: &str) -> Event {
        let mut event = Event::build(action, severity, summary, source);
        event.0.dedup_key = Some(dedup_key);
        event.0.payload.insert("severity".into(), severity.as_str().into());
        event
    }

    /// A change event: something was deployed or configured. It notifies nobody.
    ///
    /// Of the optional fields, it accepts a timestamp, details and links.
    pub fn change(summary: &str, source: &str) -> Event {
        Event::build(Action::Change, Severity::Info, summary, source)
    }

    fn build(action: Action, severity: Severity, summary: &str, source: &str) -> Event {
        let summary = text::one_line(summary);
        let source = text::one_line(source);
        let summary = if summary.is_empty() { "(no summary)" } else { &summary };
        let source = if source.is_empty() { "unknown" } else { &source };
        let short = (text::truncate(summary, SUMMARY_MAX_CHARS), text::truncate(source, FIELD_MAX_CHARS));
        let mut details = Map::new();
        let mut cuts = Vec::new();
        // The person on call can still read the full summary there.
        if matches!(short.0, Cow::Owned(_)) {
            details.insert("full_summary".into(), summary.into());
            cuts.push("payload.summary: truncated to 1024 characters; the full text is in custom_details.full_summary");
        }
        if matches!(short.1, Cow::Owned(_)) {
            cuts.push("payload.source: truncated to 1024 characters");
        }
        let mut payload = Map::new();
        payload.insert("summary".into(), short.0.into());
        payload.insert("source".into(), short.1.into());
        Event(Box::new(Parts {
            action,
            dedup_key: None,
            payload,
            details,
            links: Vec::new(),
            images: Vec::new(),
            client: Map::new(),
            severity,
            requires_details: false,
            is_outline: false,
            is_copy: false,
            cuts,
            item: ItemOf::default(),
        }))
    }

    /// An acknowledge or a resolve without a payload, for a sender that gives none: PagerDuty would reject an
    /// incomplete payload.
    pub fn bare(action: Action, dedup_key: DedupKey) -> Event {
        let mut event = Event::new(action, dedup_key, Severity::Error, "", "");
        event.0.payload = Map::new();
        event
    }

    /// A copy of the event with the former key of its alert.
    #[must_use]
    pub fn copy_with(&self, former: DedupKey) -> Event {
        let mut copy = self.clone();
        copy.0.dedup_key = Some(former);
        copy.0.is_copy = true;
        copy
    }

    /// Whether the event repeats another one with the former key of its alert.
    pub fn is_copy(&self) -> bool {
        self.0.is_copy
    }

    /// The minimal form of the event, for when PagerDuty rejects the full event: action, key, summary, source,
    /// severity, and `why` the rest is missing. Returns `None` for a bare event and for one with
    /// [`Event::requires_details`].
    pub fn minimal(&self, why: &str) -> Option<Event> {
        if self.0.requires_details {
            return None;
        }
        let text = |name: &str| self.0.payload.get(name).and_then(Value::as_str);
        let mut least = Event::build(self.0.action, self.0.severity, text("summary")?, text("source")?);
        least.0.dedup_key = self.0.dedup_key.clone();
        if let Some(severity) = text("severity") {
            least.0.payload.insert("severity".into(), severity.into());
        }
        Some(least.detail("refused_by_pagerduty", why.into()))
    }

    /// The event without its details, links and images and with short texts, for a delivery that makes too many large
    /// events. [`Event::to_json`] adds the reason.
    #[must_use]
    pub fn outline(mut self) -> Event {
        let mut payload = Map::new();
        for (name, value) in std::mem::take(&mut self.0.payload) {
            let max = if name == "summary" { OUTLINE_SUMMARY_MAX_CHARS } else { OUTLINE_FIELD_MAX_CHARS };
            let short = value.as_str().map(|text| text::truncate(text, max).into_owned());
            payload.insert(name, short.into());
        }
        let Parts { action, dedup_key, severity, requires_details, is_copy, item, .. } = *self.0;
        Event(Box::new(Parts {
            action,
            dedup_key,
            payload,
            details: Map::new(),
            links: Vec::new(),
            images: Vec::new(),
            client: Map::new(),
            severity,
            requires_details,
            is_outline: true,
            is_copy,
            cuts: Vec::new(),
            item,
        }))
    }

    /// Whether only the outline of the event is left.
    pub fn is_outline(&self) -> bool {
        self.0.is_outline
    }

    /// About how many bytes the event takes, as JSON or in memory. It takes one pass and copies nothing.
    pub fn weight(&self) -> usize {
        self.0.weight()
    }

    /// Marks the event as useless without its details, so that it has no minimal form.
    #[must_use]
    pub fn requires_details(mut self) -> Event {
        self.0.requires_details = true;
        self
    }

    /// Sets `payload.component`: the broken part. Like the setters below, it ignores `None` and blank text.
    #[must_use]
    pub fn component(self, component: Option<String>) -> Event {
        self.field("component", component)
    }

    /// Sets `payload.group`: the unit that the component belongs to.
    #[must_use]
    pub fn group(self, group: Option<String>) -> Event {
        self.field("group", group)
    }

    /// Sets `payload.class`: the kind of fault.
    #[must_use]
    pub fn class(self, class: Option<String>) -> Event {
        self.field("class", class)
    }

    fn field(mut self, name: &str, value: Option<String>) -> Event {
        let value = value.map(|value| text::one_line(&value)).filter(|value| !value.is_empty());
        if let Some(value) = value {
            let value = text::truncate(&value, FIELD_MAX_CHARS);
            if matches!(value, Cow::Owned(_)) {
                self.0.cuts.push("payload.component, group or class: truncated to 1024 characters");
            }
            let value = value.into();
            // A change event has no such fields.
            let place = if self.0.action == Action::Change { &mut self.0.details } else { &mut self.0.payload };
            place.insert(name.into(), value);
        }
        self
    }

    /// Sets `payload.timestamp` if `time` is an RFC 3339 timestamp. Other values are omitted.
    #[must_use]
    pub fn timestamp(mut self, time: Option<String>) -> Event {
        let given = time.is_some();
        match time.and_then(|time| text::timestamp(&time)) {
            Some(time) => {
                self.0.payload.insert("timestamp".into(), time.into());
            }
            None if given => self.0.cuts.push("payload.timestamp: omitted because it is not a valid timestamp"),
            None => {}
        }
        self
    }

    /// Adds a member to `payload.custom_details`. `null`, blank and empty values are omitted.
    #[must_use]
    pub fn detail(mut self, name: &str, value: Value) -> Event {
        if !is_empty(&value) {
            self.0.details.insert(name.into(), value);
        }
        self
    }

    /// Adds the values at these paths of a payload as members of `payload.custom_details`. The name of a member is the
    /// last name of its path, or an explicit one: `name=path.to.it`.
    #[must_use]
    pub fn details(self, payload: json::Node<'_>, paths: &[&str]) -> Event {
        paths.iter().fold(self, |event, path| {
            let last = path.rsplit('.').next().unwrap_or(path);
            let (name, path) = path.split_once('=').unwrap_or((last, path));
            event.detail(name, payload.at(path).value().cloned().into())
        })
    }

    /// Like [`Event::details`], with the paths in groups, because long tables are easier to read that way.
    #[must_use]
    pub fn grouped_details(mut self, payload: json::Node<'_>, groups: &[&[&str]]) -> Event {
        for paths in groups {
            self = self.details(payload, paths);
        }
        self
    }

    /// Adds every member of an object to `payload.custom_details`.
    #[must_use]
    pub fn members(mut self, object: json::Node<'_>) -> Event {
        let Some(members) = object.members().filter(|_| self.0.details.is_empty()) else {
            return object
                .members()
                .into_iter()
                .flatten()
                .fold(self, |event, (name, value)| event.detail(name, value.clone()));
        };
        // Built at once, because the members of an object are sorted already.
        let kept = members.iter().filter(|(_, value)| !is_empty(value));
        self.0.details = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        self
    }

    /// Adds a link if `href` is an absolute `http` or `https` URL that the event does not have yet.
    #[must_use]
    pub fn link(mut self, text: &str, href: Option<String>) -> Event {
        let fits = self.0.links.len() < LINKS_MAX;
        let url = href.as_deref().and_then(bounded_url);
        if href.is_some() && (url.is_none() || !fits) {
            self.0
                .cuts
                .push("links: one omitted because it is not an absolute http or https URL, or there are already 16");
        }
        if let Some(href) = url.filter(|_| fits)
            && !self.0.links.iter().any(|link| link.get("href").and_then(Value::as_str) == Some(href))
        {
            let shown = text::one_line(text);
            let shown = text::truncate(if shown.is_empty() { href } else { &shown }, FIELD_MAX_CHARS);
            self.0.links.push(json::object([("href", href.into()), ("text", shown.into())]));
        }
        self
    }

    /// Adds an image if `src` is an absolute `https` URL. PagerDuty shows no other images.
    #[must_use]
    pub fn image(mut self, src: Option<String>, href: Option<String>, alt: &str) -> Event {
        let fits = self.0.images.len() < IMAGES_MAX;
        let https = |src: &&str| src.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        let url = src.as_deref().and_then(bounded_url).filter(https).filter(|_| fits);
        if src.is_some() && url.is_none() {
            self.0.cuts.push("images: one omitted because it is not an absolute https URL, or there are already 8");
        }
        if let Some(src) = url {
            let mut image = Map::new();
            image.insert("src".into(), src.into());
            if let Some(href) = href.as_deref().and_then(bounded_url) {
                image.insert("href".into(), href.into());
            }
            let alt = text::one_line(alt);
            if !alt.is_empty() {
                image.insert("alt".into(), text::truncate(&alt, FIELD_MAX_CHARS).into());
            }
            self.0.images.push(Value::Object(image));
        }
        self
    }

    /// Sets `client`, the program that detected the problem, and `client_url` if that is an absolute URL.
    #[must_use]
    pub fn client(mut self, name: &str, url: Option<String>) -> Event {
        let name = text::one_line(name);
        if !name.is_empty() {
            self.0.client.insert("client".into(), text::truncate(&name, FIELD_MAX_CHARS).into());
        }
        if let Some(url) = url.as_deref().and_then(bounded_url) {
            self.0.client.insert("client_url".into(), url.into());
        }
        self
    }

    /// Notes on truncated and omitted parts, for people. Truncated details name themselves inside the event instead.
    pub fn cuts(&self) -> &[&'static str] {
        &self.0.cuts
    }

    /// The action.
    pub fn action(&self) -> Action {
        self.0.action
    }

    /// The dedup key of the alert. Returns `None` for a change event.
    pub fn dedup_key(&self) -> Option<&DedupKey> {
        self.0.dedup_key.as_ref()
    }

    /// The summary, which people read first. Empty for a bare event.
    pub fn summary(&self) -> &str {
        self.text("summary").unwrap_or_default()
    }

    /// Replaces the summary. A longer one than [`SUMMARY_MAX_CHARS`] is truncated.
    pub fn set_summary(&mut self, summary: &str) {
        self.0.payload.insert("summary".into(), text::truncate(summary, SUMMARY_MAX_CHARS).into());
    }

    /// Replaces the severity of an event that has one.
    pub fn set_severity(&mut self, severity: Severity) {
        if let Some(word) = self.0.payload.get_mut("severity") {
            *word = severity.as_str().into();
            self.0.severity = severity;
        }
    }

    /// Replaces the dedup key of an event that has one.
    pub fn set_dedup_key(&mut self, key: DedupKey) {
        if self.0.dedup_key.is_some() {
            self.0.dedup_key = Some(key);
        }
    }

    /// Whether the event has no payload, see [`Event::bare`].
    pub fn is_bare(&self) -> bool {
        self.0.payload.is_empty()
    }

    /// A text of `payload`, such as `source` or `component`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.payload.get(name).and_then(Value::as_str)
    }

    /// When it happened, as an RFC 3339 timestamp in UTC. Returns `None` if the sender gave no time.
    pub fn time(&self) -> Option<&str> {
        self.text("timestamp")
    }

    /// The severity.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The event as PagerDuty expects it, without the routing key. With the key it has at most [`EVENT_MAX_BYTES`].
    ///
    /// If the event is over the limit, `custom_details` are truncated step by step. Their member `shortened_to_fit`
    /// names the truncated members.
    pub fn to_json(&self) -> Value {
        encode::to_json(&self.0, EVENT_MAX_BYTES)
    }

    /// The body to send: [`Event::to_json`] with the routing key, without hidden characters.
    pub fn encode(&self, routing_key: &str) -> Vec<u8> {
        encode::encode(&self.0, routing_key)
    }
}

/// A URL that many events of a delivery share. One that is too long for an event becomes an empty text, which a link
/// refuses in the same way, so that it is not copied for each event.
pub fn shared_url(url: Option<String>) -> Option<String> {
    url.map(|url| if url.len() <= URL_MAX_BYTES { url } else { String::new() })
}

/// Whether a value says nothing: `null`, blank text, an empty list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn bounded_url(url: &str) -> Option<&str> {
    url::absolute_url(url).filter(|url| url.len() <= URL_MAX_BYTES)
}
