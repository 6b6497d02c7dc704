//! A PagerDuty Events API v2 event. Every limit that PagerDuty documents holds by construction.
//!
//! Written from <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, its page of change events and the
//! schema beside them. An [`Event`] has no routing key: [`Event::encode`] adds it on the way out.

use serde_json::{Map, Value};

use crate::http::url;
use crate::json;
use crate::text;

mod dedup_key;
pub mod parse;
pub mod shrink;

pub use self::dedup_key::{DEDUP_KEY_MAX_BYTES, DEDUP_KEY_MAX_CHARS, DedupKey, by_alert};

/// The longest `payload.summary`, in UTF-16 code units.
pub const SUMMARY_MAX_CHARS: usize = 1024;

/// The largest event, in bytes of encoded JSON. PagerDuty says 512 KB; Alertmanager and Grafana read it as this.
pub const EVENT_MAX_BYTES: usize = 512_000;

/// What is added when an event is put together: the routing key (32 characters), three members' names, punctuation.
const REST_BYTES: usize = 128;

/// Our own bound on texts for which PagerDuty documents none, in UTF-16 code units.
const FIELD_MAX_CHARS: usize = 1024;

/// Our own bounds on links and images, which PagerDuty does not limit, so that they cannot fill an event.
const URL_MAX_BYTES: usize = 4096;
const LINKS_MAX: usize = 16;
const IMAGES_MAX: usize = 8;

/// What the event does to the alert with its dedup key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody is working on it: stops notifying.
    Acknowledge,
    /// None: something was changed (deployed, say), and whoever looks at an alert later may want to know.
    Change,
    /// It is over. PagerDuty drops it where no alert is open.
    Resolve,
    /// Opens an alert, or adds to the open one.
    Trigger,
}

impl Action {
    /// The value of `event_action`, or `change`, which goes to an address of its own.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Acknowledge => "acknowledge",
            Action::Change => "change",
            Action::Resolve => "resolve",
            Action::Trigger => "trigger",
        }
    }

    /// Whether it is about an alert that has to be open already.
    pub fn closes(self) -> bool {
        matches!(self, Action::Acknowledge | Action::Resolve)
    }
}

/// How bad it is, the least first. PagerDuty takes these four words, in lower case, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody needs to get up.
    Info,
    /// It may get worse.
    Warning,
    /// Something is broken.
    Error,
    /// Users are hurt.
    Critical,
}

impl Severity {
    /// The value of `payload.severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Info => "info",
            Severity::Warning => "warning",
        }
    }

    /// The severity that a word stands for where people choose the words themselves (labels, tags), in any case.
    ///
    /// A word that is not in the table is nothing: the caller decides and keeps the word in the details.
    pub fn from_word(word: &str) -> Option<Severity> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "disaster" | "emergency" | "fatal" | "p1" | "page" => Severity::Critical,
            "err" | "error" | "high" | "major" | "p2" => Severity::Error,
            "medium" | "minor" | "p3" | "warn" | "warning" => Severity::Warning,
            "debug" | "info" | "information" | "informational" | "low" | "none" | "notice" | "ok" | "p4" | "p5" => {
                Severity::Info
            }
            _ => return None,
        })
    }
}

/// One event: an action on the alert with a dedup key, and what a person needs to know about it; or a change.
///
/// A resolve carries the whole payload too: orchestration rules route by it, and PagerDuty refuses half a payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Event(Box<Parts>);

/// Boxed, because an event is handed from setter to setter and moving it costs code at each.
#[derive(Clone, Debug, PartialEq)]
struct Parts {
    action: Action,
    /// Changes have none.
    dedup_key: Option<DedupKey>,
    /// `payload`, but for `custom_details`; empty for a bare event.
    payload: Map<String, Value>,
    details: Map<String, Value>,
    links: Vec<Value>,
    images: Vec<Value>,
    client: Map<String, Value>,
    severity: Severity,
    requires_details: bool,
    /// What had to be cut or left out, for whoever asks.
    cuts: Vec<&'static str>,
}

impl Event {
    /// An event with all that PagerDuty requires. A blank `summary` or `source` is replaced, never sent.
    pub fn new(action: Action, dedup_key: DedupKey, severity: Severity, summary: &str, source: &str) -> Event {
        let mut event = Event::build(action, severity, summary, source);
        event.0.dedup_key = Some(dedup_key);
        event.0.payload.insert("severity".into(), severity.as_str().into());
        event
    }

    /// A change event: something was deployed or configured. It notifies nobody.
    ///
    /// Of the rest it takes a timestamp, details and links.
    pub fn change(summary: &str, source: &str) -> Event {
        Event::build(Action::Change, Severity::Info, summary, source)
    }

    fn build(action: Action, severity: Severity, summary: &str, source: &str) -> Event {
        let summary = text::one_line(summary);
        let source = text::one_line(source);
        let summary = if summary.is_empty() { "(no summary)" } else { &summary };
        let source = if source.is_empty() { "unknown" } else { &source };
        let mut payload = Map::new();
        payload.insert("summary".into(), text::truncate(summary, SUMMARY_MAX_CHARS).into());
        payload.insert("source".into(), text::truncate(source, FIELD_MAX_CHARS).into());
        let mut details = Map::new();
        let mut cuts = Vec::new();
        // What the summary had to leave out is still for the person on call to read.
        if summary.encode_utf16().count() > SUMMARY_MAX_CHARS {
            details.insert("full_summary".into(), summary.into());
            cuts.push("payload.summary: truncated to 1024 characters; the full text is in custom_details.full_summary");
        }
        if source.encode_utf16().count() > FIELD_MAX_CHARS {
            cuts.push("payload.source: truncated to 1024 characters");
        }
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
            cuts,
        }))
    }

    /// An acknowledge or a resolve and nothing else, for a sender that says no more: half a payload would be refused.
    pub fn bare(action: Action, dedup_key: DedupKey) -> Event {
        let mut event = Event::new(action, dedup_key, Severity::Error, "", "");
        event.0.payload = Map::new();
        event
    }

    /// The least that says the same, for where PagerDuty refuses the whole: action, key, summary, source, severity, and
    /// `why` the rest is missing. A bare event has no less, and neither has one that is [`Event::requires_details`].
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

    /// The same event, whose details are what it is about.
    #[must_use]
    pub fn requires_details(mut self) -> Event {
        self.0.requires_details = true;
        self
    }

    /// Sets `payload.component`: the part that is broken. Blank and nothing are left out, here and below.
    #[must_use]
    pub fn component(self, component: Option<String>) -> Event {
        self.field("component", component)
    }

    /// Sets `payload.group`: what the component belongs to.
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
            if value.encode_utf16().count() > FIELD_MAX_CHARS {
                self.0.cuts.push("payload.component, group or class: truncated to 1024 characters");
            }
            let value = text::truncate(&value, FIELD_MAX_CHARS).into();
            // A change event has no such fields.
            let place = if self.0.action == Action::Change { &mut self.0.details } else { &mut self.0.payload };
            place.insert(name.into(), value);
        }
        self
    }

    /// Sets `payload.timestamp` where `time` is an RFC 3339 timestamp; anything else is left out.
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

    /// Adds a member to `payload.custom_details`. `null`, blank and empty values are left out.
    #[must_use]
    pub fn detail(mut self, name: &str, value: Value) -> Event {
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.details.insert(name.into(), value);
        }
        self
    }

    /// Adds what stands at these paths of a payload as members of `payload.custom_details`, each under the last name of
    /// its path, or under another: `name=path.to.it`.
    #[must_use]
    pub fn details(self, payload: json::Node<'_>, paths: &[&str]) -> Event {
        paths.iter().fold(self, |event, path| {
            let last = path.rsplit('.').next().unwrap_or(path);
            let (name, path) = path.split_once('=').unwrap_or((last, path));
            event.detail(name, payload.at(path).value().cloned().into())
        })
    }

    /// The same with paths in groups, as long tables are easier to read.
    #[must_use]
    pub fn grouped_details(mut self, payload: json::Node<'_>, groups: &[&[&str]]) -> Event {
        for paths in groups {
            self = self.details(payload, paths);
        }
        self
    }

    /// Adds every member of an object to `payload.custom_details`.
    #[must_use]
    pub fn members(self, object: json::Node<'_>) -> Event {
        object.members().into_iter().flatten().fold(self, |event, (name, value)| event.detail(name, value.clone()))
    }

    /// Adds a link where `href` is an absolute `http` or `https` URL that is not there yet.
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

    /// Adds an image where `src` is an absolute `https` URL; PagerDuty shows no other.
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

    /// Sets `client` and, where it is an absolute URL, `client_url`: the program that saw the fault.
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

    /// What had to be cut or left out, in words for a person; details that were shortened say so themselves.
    pub fn cuts(&self) -> &[&'static str] {
        &self.0.cuts
    }

    /// What the event does.
    pub fn action(&self) -> Action {
        self.0.action
    }

    /// The alert that it does it to; nothing for a change.
    pub fn dedup_key(&self) -> Option<&DedupKey> {
        self.0.dedup_key.as_ref()
    }

    /// What a person reads first; empty for a bare event.
    pub fn summary(&self) -> &str {
        self.0.payload.get("summary").and_then(Value::as_str).unwrap_or_default()
    }

    /// When it happened, as an RFC 3339 timestamp in UTC, where the sender said so.
    pub fn time(&self) -> Option<&str> {
        self.0.payload.get("timestamp").and_then(Value::as_str)
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.0.severity
    }

    /// The event as PagerDuty takes it, but for the routing key, at most [`EVENT_MAX_BYTES`] once that is added.
    ///
    /// An event over the limit sheds `custom_details` step by step and says what it shed in their member
    /// `shortened_to_fit`.
    pub fn to_json(&self) -> Value {
        let mut event = Map::new();
        if let Some(dedup_key) = &self.0.dedup_key {
            event = self.0.client.clone();
            event.insert("event_action".into(), self.0.action.as_str().into());
            event.insert("dedup_key".into(), dedup_key.as_str().into());
        }
        for (name, list) in [("links", &self.0.links), ("images", &self.0.images)] {
            // PagerDuty's guide to change events knows links and no images.
            if !list.is_empty() && (name == "links" || self.0.action != Action::Change) {
                event.insert(name.into(), Value::Array(list.clone()));
            }
        }
        if self.0.payload.is_empty() {
            return Value::Object(event);
        }
        let mut payload = self.0.payload.clone();
        let room = EVENT_MAX_BYTES.saturating_sub(shrink::size(&event) + shrink::size(&payload) + REST_BYTES);
        let details = shrink::fit(&self.0.details, room);
        if !details.is_empty() {
            payload.insert("custom_details".into(), Value::Object(details));
        }
        event.insert("payload".into(), Value::Object(payload));
        Value::Object(event)
    }

    /// The body to send: [`Event::to_json`] with the routing key.
    pub fn encode(&self, routing_key: &str) -> Vec<u8> {
        let mut event = self.to_json();
        if let Some(members) = event.as_object_mut() {
            members.insert("routing_key".into(), routing_key.into());
        }
        json::encode(&event)
    }
}

fn bounded_url(url: &str) -> Option<&str> {
    url::absolute_url(url).filter(|url| url.len() <= URL_MAX_BYTES)
}
