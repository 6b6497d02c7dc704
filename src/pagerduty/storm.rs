//! Storms: a delivery with more events than PagerDuty takes.
//!
//! PagerDuty takes about 120 events in a minute with one routing key. Of a larger delivery the most severe alerts go
//! out one by one, and all others are named, with their keys, in one digest alert. Which are which follows from the
//! delivery alone, so that its repetition does the same, and so does the resolve of the whole: no state is kept.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;
use crate::pagerduty::event::{self, Action, DedupKey, Event, Severity};
use crate::text;

/// The most events of a delivery that go out one by one. It leaves some of PagerDuty's minute to other senders.
pub const EVENTS_MAX: usize = 100;

/// The most severe triggers that go out one by one even where resolves alone would use all of [`EVENTS_MAX`].
const TRIGGERS_MIN: usize = 20;

/// For how long after they happened all resolves of a large delivery are sent one by one, however many there are.
///
/// PagerDuty turns away those that are too many, so the sender has to come again, and each time others are taken: some
/// hundred in a minute. A sender that has not been done with it after this long would only use up the rate that new
/// pages need.
const SETTLING: Duration = Duration::from_secs(2 * 60 * 60);

/// How many bytes of names one digest event holds. A digest with more is several events of the same alert.
const NAMES_MAX_BYTES: usize = 256_000;

/// The class of a digest, and the end of its key where nothing names the delivery.
const KEY: &str = "digest";

/// How much of a summary a digest repeats, in UTF-16 code units.
const SUMMARY_MAX_CHARS: usize = 120;

/// What to send of a delivery.
pub struct Plan {
    /// The events: digests, the most severe of what opens, all that closes, the rest of what opens, changes.
    pub events: Vec<Event>,
    /// How many of the delivery's events are only named in the digest.
    pub digested: usize,
}

/// Decides what of `events` goes out one by one. `slug` and `name` are the source's; `group` is the key of an alert for the whole delivery, which stands for
/// those that do not; a source without one has a digest that somebody has to close. `now` is the time since the Unix
/// epoch.
///
/// Resolves are never left out in favour of triggers, changes are not left out at all, and events with the same key
/// stay together and keep their order.
pub fn plan(events: Vec<Event>, group: Option<&DedupKey>, (slug, name): (&str, &str), now: Duration) -> Plan {
    if events.len() <= EVENTS_MAX {
        return Plan { events, digested: 0 };
    }
    let mut whole = Vec::new();
    let mut opening = Vec::new();
    let mut closing = Vec::new();
    let mut changes = Vec::new();
    for unit in ranked(units(&events)) {
        let list = if unit.key().is_none() {
            &mut changes
        } else if unit.key() == group {
            &mut whole
        } else if unit.opens() {
            &mut opening
        } else {
            &mut closing
        };
        list.push(unit);
    }

    let mut left = opening.split_off(opening.len().min(EVENTS_MAX.saturating_sub(closing.len()).max(TRIGGERS_MIN)));
    if closing.len() > EVENTS_MAX {
        // Only what closes the whole can stand for what closes: the digest's own resolve.
        if whole.is_empty() || closing.iter().any(|unit| unit.is_recent(now)) {
            // Where PagerDuty does not take all, the next try begins elsewhere, in whatever rhythm the sender comes.
            let minute = text::sha256_hex(&(now.as_secs() / 60).to_le_bytes());
            let dice = minute.get(..8).and_then(|hex| usize::from_str_radix(hex, 16).ok()).unwrap_or_default();
            let mut later = closing.split_off(dice % closing.len());
            later.append(&mut closing);
            closing = later;
        } else {
            left.extend(closing.split_off(EVENTS_MAX));
        }
    }
    let left: Vec<Event> = left.into_iter().flat_map(|unit| unit.0).collect();
    let digested = left.len();
    let mut events = digest(&left, group, slug, name);
    let later = opening.split_off(opening.len().min(TRIGGERS_MIN));
    for unit in [whole, opening, closing, later, changes].into_iter().flatten() {
        events.extend(unit.0);
    }
    Plan { events, digested }
}

/// The events of one alert, in order, at least one.
struct DigestUnit(Vec<Event>);

impl DigestUnit {
    fn key(&self) -> Option<&DedupKey> {
        self.0.first().and_then(Event::dedup_key)
    }

    fn severity(&self) -> Option<Severity> {
        self.0.iter().map(Event::severity).max()
    }

    /// Whether the alert is open after them.
    fn opens(&self) -> bool {
        self.0.last().is_some_and(|event| event.action() == Action::Trigger)
    }

    fn is_recent(&self, now: Duration) -> bool {
        let since = |event: &Event| event.time().and_then(text::unix_seconds);
        // Of what does not say when it was, nothing can be held against it.
        self.0.iter().map(since).any(|then| then.is_none_or(|then| then + SETTLING.as_secs() >= now.as_secs()))
    }
}

fn units(events: &[Event]) -> Vec<DigestUnit> {
    let alerts = event::by_alert(events);
    let mut units: Vec<DigestUnit> = Vec::new();
    for alert in alerts {
        let mut unit = Vec::new();
        for index in alert {
            unit.extend(events.get(index).cloned());
        }
        units.push(DigestUnit(unit));
    }
    units
}

/// The most severe first, then by key: that says nothing, but it is the same for a trigger and its resolve.
fn ranked(mut units: Vec<DigestUnit>) -> Vec<DigestUnit> {
    let key = |unit: &DigestUnit| unit.key().map(|key| key.as_str().to_owned());
    units.sort_by_cached_key(|unit| (Reverse(unit.severity().unwrap_or(Severity::Info)), key(unit)));
    units
}

/// One alert that names all of `left`: as many events as it takes to hold them.
///
/// It opens where something among them does, and closes where all of them are over.
fn digest(left: &[Event], group: Option<&DedupKey>, slug: &str, name: &str) -> Vec<Event> {
    let opens = left.iter().any(|event| event.action() == Action::Trigger);
    let action = if opens { Action::Trigger } else { Action::Resolve };
    let of_action = left.iter().filter(|event| !opens || event.action() == Action::Trigger);
    let Some(severity) = of_action.map(Event::severity).max() else { return Vec::new() };
    let any = || DedupKey::new(slug, &[KEY]);
    let Some(digest_key) = group.cloned().or_else(any) else { return Vec::new() };
    let summary = format!(
        "{} from {name} arrived in one delivery and are listed here instead of paging individually",
        text::count(left.len(), "more alert")
    );

    let mut events = Vec::new();
    let mut names = Map::new();
    let mut size = 0;
    let mut rest = left.iter().peekable();
    while let Some(event) = rest.next() {
        let key = event.dedup_key().map(DedupKey::as_str).unwrap_or_default();
        let line = format!("{} {}: {}", event.action().as_str(), event.severity().as_str(), event.summary());
        let line = text::truncate(&line, SUMMARY_MAX_CHARS).into_owned();
        // A character takes up to six bytes of JSON where it has to be escaped.
        size += json::encode(&Value::from(line.as_str())).len() + json::encode(&Value::from(key)).len() + 2;
        names.insert(key.to_owned(), line.into());
        if size >= NAMES_MAX_BYTES || rest.peek().is_none() {
            let event = Event::new(action, digest_key.clone(), severity, &summary, name);
            let names = Value::Object(std::mem::take(&mut names));
            // Without the names it would say nothing, so it has no lesser form.
            events.push(event.class(Some(KEY.to_owned())).detail("alerts", names).requires_details());
            size = 0;
        }
    }
    events
}
