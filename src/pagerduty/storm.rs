//! Alert storms: deliveries with more events than PagerDuty accepts.
//!
//! PagerDuty accepts about 120 events per minute with one routing key. From a larger delivery, the most severe alerts
//! are sent individually, and one digest alert lists all others with their keys. The split depends on the delivery
//! alone, so a repeated delivery and the resolve of the group split the same way. No state is stored.
//!
//! Before that, the events of one alert are merged: the events of an alert are sent one after the other, and only the last
//! of each action has an effect that lasts.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::json;
use crate::pagerduty::event::{self, Action, DedupKey, Event, Severity};
use crate::text;

/// The most events of a delivery that are sent individually. It leaves part of PagerDuty's limit per minute to other
/// senders.
pub const EVENTS_MAX: usize = 100;

/// The most severe triggers that are sent individually even if the resolves alone would use all of [`EVENTS_MAX`].
const TRIGGERS_MIN: usize = 20;

/// For this long after they happened, all resolves of a large delivery are sent individually, however many there are.
///
/// PagerDuty rejects those over the rate limit, so the sender has to retry. Each retry gets different resolves
/// accepted, some hundred per minute. A sender that has not finished after this long would only use up the rate that
/// new pages need.
const SETTLING: Duration = Duration::from_secs(2 * 60 * 60);

/// How many bytes of names one digest event contains. A larger digest consists of several events of the same alert.
const NAMES_MAX_BYTES: usize = 256_000;

/// The class of a digest, and the end of its dedup key if the delivery has no group key.
const KEY: &str = "digest";

/// How much of a summary a digest repeats, in UTF-16 code units.
const SUMMARY_MAX_CHARS: usize = 120;

/// The events to send for a delivery.
pub struct Plan {
    /// The events in order: digests, the most severe triggers, all resolves, the other triggers, changes.
    pub events: Vec<Event>,
    /// How many of the delivery's events only the digest lists.
    pub digested: usize,
    /// How many of its change events only the last change event lists.
    pub listed_changes: usize,
    /// How many of its events were merged into later events of the same alert.
    pub merged: usize,
}

/// Decides which of `events` to send individually. `slug` and `name` are the source's. `group` is the dedup key of a
/// digest that covers the events not sent individually; without one, the digest must be closed by hand. `now` is the
/// time since the Unix epoch.
///
/// With `every_resolve`, all resolves are sent individually: rules may send the triggers to several services, so the triggers
/// were split in another way than the resolves would be.
///
/// Of each alert, the last event of each action counts. The events to send individually are counted, not their alerts.
/// Triggers never displace resolves, and events with the same key stay together in their order. Changes displace no alert,
/// and those above [`EVENTS_MAX`] are listed in one more change event.
pub fn plan(
    events: Vec<Event>,
    group: Option<&DedupKey>,
    (slug, name): (&str, &str),
    now: Duration,
    every_resolve: bool,
) -> Plan {
    let before = events.len();
    let events = merge(events);
    let merged = before - events.len();
    if events.len() <= EVENTS_MAX {
        return Plan { events, digested: 0, listed_changes: 0, merged };
    }
    let mut whole = Vec::new();
    let mut opening = Vec::new();
    let mut closing = Vec::new();
    let mut changes = Vec::new();
    for unit in ranked(units(events)) {
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

    let closing_events: usize = closing.iter().map(|unit| unit.0.len()).sum();
    let mut left = split(&mut opening, EVENTS_MAX.saturating_sub(closing_events).max(TRIGGERS_MIN));
    if closing_events > EVENTS_MAX {
        // Only the resolve of the digest can replace individual resolves.
        if every_resolve || whole.is_empty() || closing.iter().any(|unit| unit.is_recent(now)) {
            // Each minute starts at a different resolve. If PagerDuty does not accept all of them, the sender's retry
            // gets others through, whatever its interval is.
            let minute = text::sha256_hex(&(now.as_secs() / 60).to_le_bytes());
            let dice = minute.get(..8).and_then(|hex| usize::from_str_radix(hex, 16).ok()).unwrap_or_default();
            let mut later = closing.split_off(dice % closing.len());
            later.append(&mut closing);
            closing = later;
        } else {
            left.extend(split(&mut closing, EVENTS_MAX));
        }
    }
    let left: Vec<Event> = left.into_iter().flat_map(|unit| unit.0).collect();
    let digested = left.len();
    let mut events = digest(&left, group, slug, name);
    let more_changes: Vec<Event> = split(&mut changes, EVENTS_MAX).into_iter().flat_map(|unit| unit.0).collect();
    let later = opening.split_off(opening.len().min(TRIGGERS_MIN));
    for unit in [whole, opening, closing, later, changes].into_iter().flatten() {
        events.extend(unit.0);
    }
    events.extend(digest_of_changes(&more_changes, name));
    Plan { events, digested, listed_changes: more_changes.len(), merged }
}

/// Keeps the last event of each action of each alert, in their order, and all changes.
fn merge(events: Vec<Event>) -> Vec<Event> {
    let mut last = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        if let Some(key) = event.dedup_key() {
            last.insert((key.as_str(), event.action().as_str()), index);
        }
    }
    let mut kept: Vec<bool> = events.iter().map(|event| event.dedup_key().is_none()).collect();
    for index in last.into_values() {
        if let Some(kept) = kept.get_mut(index) {
            *kept = true;
        }
    }
    events.into_iter().zip(kept).filter_map(|(event, kept)| kept.then_some(event)).collect()
}

/// Splits off the units after the first that have at most `max` events together.
fn split(units: &mut Vec<DigestUnit>, max: usize) -> Vec<DigestUnit> {
    let mut events = 0;
    let fits = units.iter().take_while(|unit| {
        events += unit.0.len();
        events <= max
    });
    let fits = fits.count();
    units.split_off(fits)
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

    /// Whether the alert is open after these events.
    fn opens(&self) -> bool {
        self.0.last().is_some_and(|event| event.action() == Action::Trigger)
    }

    fn is_recent(&self, now: Duration) -> bool {
        let since = |event: &Event| event.time().and_then(text::unix_seconds);
        // An event without a time counts as recent.
        self.0.iter().map(since).any(|then| then.is_none_or(|then| then + SETTLING.as_secs() >= now.as_secs()))
    }
}

fn units(events: Vec<Event>) -> Vec<DigestUnit> {
    let alerts = event::by_alert(&events);
    let mut events: Vec<Option<Event>> = events.into_iter().map(Some).collect();
    let mut units: Vec<DigestUnit> = Vec::new();
    for alert in alerts {
        let mut unit = Vec::new();
        for index in alert {
            unit.extend(events.get_mut(index).and_then(Option::take));
        }
        units.push(DigestUnit(unit));
    }
    units
}

/// Sorts by severity, the most severe first, then by key. The key has no meaning, but it sorts a trigger and its
/// resolve alike.
fn ranked(mut units: Vec<DigestUnit>) -> Vec<DigestUnit> {
    let key = |unit: &DigestUnit| unit.key().map(|key| key.as_str().to_owned());
    units.sort_by_cached_key(|unit| (Reverse(unit.severity().unwrap_or(Severity::Info)), key(unit)));
    units
}

/// One alert that lists all of `left`, in as many events as needed. `group` is its dedup key; without one, it must be closed by
/// hand. `slug` and `name` are the source's.
///
/// It triggers if any of them triggers, and resolves if all of them do.
pub fn digest(left: &[Event], group: Option<&DedupKey>, slug: &str, name: &str) -> Vec<Event> {
    let opens = left.iter().any(|event| event.action() == Action::Trigger);
    let action = if opens { Action::Trigger } else { Action::Resolve };
    let of_action = left.iter().filter(|event| !opens || event.action() == Action::Trigger);
    let Some(severity) = of_action.map(Event::severity).max() else { return Vec::new() };
    let digest_key = group.cloned().unwrap_or_else(|| DedupKey::own(slug, KEY));
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
        // JSON escaping can expand a character to six bytes.
        size += json::encode(&Value::from(line.as_str())).len() + json::encode(&Value::from(key)).len() + 2;
        names.insert(key.to_owned(), line.into());
        if size >= NAMES_MAX_BYTES || rest.peek().is_none() {
            let event = Event::new(action, digest_key.clone(), severity, &summary, name);
            let names = Value::Object(std::mem::take(&mut names));
            // Without the list, the digest would say nothing, so it has no minimal form.
            events.push(event.class(Some(KEY.to_owned())).detail("alerts", names).requires_details());
            size = 0;
        }
    }
    events
}

/// Whether an event is a part of a [`digest`]. Each part lists other alerts.
pub fn is_digest(event: &Event) -> bool {
    event.text("class") == Some(KEY)
}

/// One change event that lists as many of `left` as it has room for.
fn digest_of_changes(left: &[Event], name: &str) -> Option<Event> {
    let summary = format!(
        "{} from {name} arrived in one delivery and are listed here instead of individually",
        text::count(left.len(), "more change")
    );
    let mut lines: Vec<Value> = Vec::new();
    let mut size = 0;
    for event in left {
        let line = Value::from(text::truncate(event.summary(), SUMMARY_MAX_CHARS));
        size += json::encode(&line).len() + 1;
        if size > NAMES_MAX_BYTES {
            break;
        }
        lines.push(line);
    }
    (!left.is_empty()).then(|| Event::change(&summary, name).detail("changes", lines.into()))
}
