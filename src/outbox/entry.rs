//! What the store contains: the keys, and the stored events.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;
use crate::pagerduty::event::Event;
use crate::text;

/// The beginning of every key: other programs may have keys in the same store.
const PREFIX: &str = "pr1.";

/// The beginning of the keys of entries.
const ENTRIES: &str = "pr1.e.";

/// The largest event in the store, in bytes of JSON. The item of a DynamoDB table has 400 KB, and so has the document of
/// Cosmos DB.
/// <https://spinframework.dev/v3/dynamic-configuration>
const EVENT_MAX_BYTES: usize = 350_000;

/// The last time that fits into a key, in milliseconds since the Unix epoch.
const TIME_MAX: u64 = 9_999_999_999_999;

/// How long an entry is kept. After a day, a page is history.
pub const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The name of a key with one value: `pr1.<word>`.
pub fn key(word: &str) -> String {
    [PREFIX, word].concat()
}

/// The rest of a key that begins like [`key`] of these words: `pr1.<words>.<rest>`.
pub(super) fn rest_of<'a>(key: &'a str, words: &str) -> Option<&'a str> {
    key.strip_prefix(PREFIX)?.strip_prefix(words)?.strip_prefix('.')
}

/// The key of an entry: `pr1.e.<service>.<lane>.<time>.<place>.<value>`. It has 57 characters of `a-z`, `0-9` and `.`, which
/// every store accepts. The keys of a lane sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryKey(String);

impl EntryKey {
    /// The key of an entry that arrived at `arrived`, as the event at this place of its delivery.
    pub fn new(entry: &Entry, arrived: u64, place: usize, value: &[u8]) -> EntryKey {
        let service = service_hash(entry.service.as_deref());
        let lane = lane_hash(entry.service.as_deref(), &entry.event);
        let value = hash(&[value], 8);
        let arrived = arrived.min(TIME_MAX);
        EntryKey(format!("{ENTRIES}{service}.{lane}.{arrived:013}.{place:03}.{value}"))
    }

    /// The key with this text. Returns `None` if it is not the key of an entry.
    pub fn parse(text: String) -> Option<EntryKey> {
        let lengths = text.strip_prefix(ENTRIES)?.split('.').map(str::len);
        let fits = lengths.eq([8, 16, 13, 3, 8]) && text.is_ascii();
        fits.then_some(EntryKey(text)).filter(|key| key.arrived().is_some())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash of the service.
    pub fn service(&self) -> &str {
        self.part(0, 8)
    }

    /// The hash of the lane, which includes that of the service.
    pub fn lane(&self) -> &str {
        self.part(0, 25)
    }

    /// When the delivery arrived, in milliseconds since the Unix epoch.
    pub fn arrived(&self) -> Option<u64> {
        self.part(26, 39).parse().ok()
    }

    fn part(&self, from: usize, to: usize) -> &str {
        self.0.get(ENTRIES.len() + from..ENTRIES.len() + to).unwrap_or_default()
    }
}

/// The hash of a service.
pub fn service_hash(service: Option<&str>) -> String {
    hash(&[b"service\n", service.unwrap_or_default().as_bytes()], 8)
}

/// The hash of the lane of an event, as [`EntryKey::lane`].
pub fn lane_of(service: Option<&str>, event: &Event) -> String {
    [&service_hash(service), ".", &lane_hash(service, event)].concat()
}

fn lane_hash(service: Option<&str>, event: &Event) -> String {
    let key = event.dedup_key().map_or("", |key| key.as_str());
    hash(&[service.unwrap_or_default().as_bytes(), b"\n", key.as_bytes()], 16)
}

/// The first characters of a SHA-256 in hex.
fn hash(parts: &[&[u8]], length: usize) -> String {
    let mut hash = text::sha256_hex(&parts.concat());
    hash.truncate(length);
    hash
}

/// A stored event. It has no routing key, only the name of its service.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The service. `None` for that of a path without a service name.
    pub service: Option<String>,
    /// The slug of the source, for the log.
    pub source: String,
    /// Why PagerDuty had not accepted it.
    pub why: String,
    /// The event.
    pub event: Event,
    /// Whether it is for another service than that of the path. If it closes an alert, it is then only a copy, and needless
    /// if PagerDuty does not know the routing key.
    pub is_further: bool,
}

impl Entry {
    /// An event that arrived at `now`, in milliseconds since the Unix epoch. An event without a time gets this one, so that
    /// people see when it happened.
    pub fn new(service: Option<&str>, source: &str, why: String, event: &Event, now: u64) -> Entry {
        let event = event.clone();
        let has_none = event.time().is_none() && !event.is_bare();
        let event = if has_none { event.timestamp(text::epoch(Duration::from_millis(now))) } else { event };
        Entry { service: service.map(str::to_owned), source: source.to_owned(), why, event, is_further: false }
    }

    /// The value in the store.
    pub fn encode(&self) -> Vec<u8> {
        let mut members = Map::new();
        members.insert("v".into(), 1.into());
        members.insert("service".into(), self.service.clone().into());
        members.insert("source".into(), self.source.as_str().into());
        members.insert("why".into(), self.why.as_str().into());
        if self.event.has_no_minimal() {
            members.insert("whole".into(), true.into());
        }
        if self.is_further {
            members.insert("further".into(), true.into());
        }
        members.insert("event".into(), self.event.to_json_within(EVENT_MAX_BYTES));
        json::encode(&Value::Object(members))
    }

    /// The entry of a value in the store. Returns `None` if the relay did not write it.
    pub fn decode(value: &[u8]) -> Option<Entry> {
        let Ok(Value::Object(mut members)) = serde_json::from_slice(value) else { return None };
        let mut text = |name: &str| match members.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (service, source, why) = (text("service"), text("source")?, text("why")?);
        let [whole, is_further] = ["whole", "further"].map(|name| members.get(name) == Some(&Value::Bool(true)));
        let event = Event::restore(members.remove("event")?, whole)?;
        Some(Entry { service, source, why, event, is_further })
    }
}
