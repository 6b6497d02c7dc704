//! Heartbeats: an alert opens when a sender goes silent, and closes when it is back.
//!
//! A sign of life writes only key `beat.<name>`. Each tick compares these keys with the clock, and sends what is due. Key
//! `down.<name>` says that PagerDuty has accepted the trigger, and for which service. With one key for both, a tick could
//! overwrite a sign of life. A tick writes key `beat.<name>` only if a wrong clock wrote it. The trigger and the resolve of a
//! heartbeat always have the same dedup key, so two ticks at once do no harm.
//!
//! If a variable is removed, a tick deletes only key `down.<name>`. If it was missing by mistake, the last sign of life is
//! still there.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::entry::{key, rest_of};
use super::millis;
use crate::config::{self, ConfigError, HEARTBEAT, Heartbeat, Variables};
use crate::json;
use crate::pagerduty::event::{Action, DedupKey, Event, OWN, Severity};
use crate::runtime::{Host, StoreError};
use crate::text;

/// The beginnings of the keys.
const BEAT: &str = "beat";
const DOWN: &str = "down";

/// How much later than now a sign of life may have come, by the clock of another instance, in milliseconds.
const AHEAD_MAX_MS: u64 = 60_000;

/// The class of the alerts, and the second part of their dedup keys.
const CLASS: &str = "heartbeat";

/// A sign of life is noted again after this part of the period: the period divided by this.
pub const PERIOD_SHARE: u32 = 10;

/// Or after this part of the grace, if that is shorter: the grace divided by this.
pub const GRACE_SHARE: u32 = 2;

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When it came, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The service that is paged when the next one is missing.
    pub service: Option<String>,
}

/// Notes a sign of life, unless the last one is younger than a tenth of the period and than half of the grace. `variable` is
/// that of the heartbeat.
///
/// # Errors
/// Returns [`StoreError`] if there is no store, or it failed.
pub fn beat(
    host: &mut dyn Host,
    variable: &str,
    service: Option<&str>,
    heartbeat: &Heartbeat,
) -> Result<(), StoreError> {
    let name = variable.strip_prefix(HEARTBEAT).unwrap_or(variable);
    let now = millis(host.now());
    let last = last(host, name)?;
    // A sign of life that is not noted uses up part of the grace.
    let fresh = millis((heartbeat.period / PERIOD_SHARE).min(heartbeat.grace / GRACE_SHARE));
    let is_fresh = |last: &Beat| last.at <= now && now - last.at < fresh && last.service.as_deref() == service;
    if last.as_ref().is_some_and(is_fresh) {
        return Ok(());
    }
    write(host, &key(&[BEAT, ".", name].concat()), now, service)
}

/// The last sign of life of the heartbeat with this name. Returns `None` if there was none.
///
/// # Errors
/// Returns [`StoreError`] if the store failed.
pub fn last(host: &mut dyn Host, name: &str) -> Result<Option<Beat>, StoreError> {
    read(host, &key(&[BEAT, ".", name].concat()))
}

/// The time and the service in a key. Returns `None` if the key is absent or contains something else.
fn read(host: &mut dyn Host, key: &str) -> Result<Option<Beat>, StoreError> {
    let value = host.stored(key)?.unwrap_or_default();
    let beat: Value = serde_json::from_slice(&value).unwrap_or_default();
    let service = beat.get("service").and_then(Value::as_str).map(str::to_owned);
    Ok(beat.get("at").and_then(Value::as_u64).map(|at| Beat { at, service }))
}

/// Writes a time and a service.
fn write(host: &mut dyn Host, key: &str, at: u64, service: Option<&str>) -> Result<(), StoreError> {
    let beat = json::object([("at", at.into()), ("service", service.into())]);
    host.store(key, &json::encode(&beat))
}

/// An event that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// The name of the heartbeat.
    pub name: String,
    /// The service to page.
    pub service: Option<String>,
    /// The event.
    pub event: Event,
    /// Whether the heartbeat still has a variable.
    pub is_watched: bool,
}

/// The events that are due among these keys of the store: a trigger for each heartbeat that is silent for too long, and a
/// resolve for each one that is back, or whose variable was removed while its alert is open. Also returns the problems with
/// variables of heartbeats.
///
/// A heartbeat that never gave a sign of life is new, and pages nobody.
///
/// # Errors
/// Returns [`StoreError`] if the store failed.
pub fn due(host: &mut Variables<'_>, keys: &[String]) -> Result<(Vec<Due>, Vec<ConfigError>), StoreError> {
    let (mut due, mut problems) = (Vec::new(), Vec::new());
    let mut downs: BTreeSet<&str> = BTreeSet::new();
    downs.extend(keys.iter().filter_map(|key| rest_of(key, DOWN)));
    for name in keys.iter().filter_map(|key| rest_of(key, BEAT)) {
        let heartbeat = match config::heartbeat(host, &[HEARTBEAT, name].concat()) {
            Ok(Some(heartbeat)) => heartbeat,
            // It is not watched any more, and nobody else would close its alert. Invalid settings may still contain it.
            Ok(None) if downs.contains(name) && host.problem().is_none() => {
                if let Some(down) = read(host, &key(&[DOWN, ".", name].concat()))? {
                    let event = event(Action::Resolve, name, "{} is not watched any more", 0);
                    due.push(Due { name: name.to_owned(), service: down.service, event, is_watched: false });
                }
                continue;
            }
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let Some(Beat { at, service }) = last(host, name)? else { continue };
        let now = millis(host.now());
        // A wrong clock has written this time: until then, nobody would notice the silence.
        if at > now.saturating_add(AHEAD_MAX_MS) {
            write(host, &key(&[BEAT, ".", name].concat()), now, service.as_deref())?;
            continue;
        }
        let is_silent = now > at.saturating_add(millis(heartbeat.period + heartbeat.grace));
        // Without key `down`, there is nothing to resolve. If the listing is outdated, the next tick resolves.
        if !is_silent && !downs.contains(name) {
            continue;
        }
        let down = read(host, &key(&[DOWN, ".", name].concat()))?;
        let (action, service, summary) = match (is_silent, down) {
            (true, None) => (Action::Trigger, service, "No sign of life from {} since {}"),
            // The sign of life may name another service than the one that was paged.
            (false, Some(down)) => (Action::Resolve, down.service, "{} gives signs of life again"),
            _ => continue,
        };
        let event = event(action, name, summary, at);
        due.push(Due { name: name.to_owned(), service, event, is_watched: true });
    }
    Ok((due, problems))
}

/// Notes that PagerDuty has accepted an event that was due, or that nothing can resolve its alert any more.
///
/// # Errors
/// Returns [`StoreError`] if the store failed. The next tick then sends the event again, which changes nothing.
pub fn accepted(host: &mut dyn Host, due: &Due) -> Result<(), StoreError> {
    let down = key(&[DOWN, ".", &due.name].concat());
    match due.event.action() {
        Action::Trigger => {
            let now = millis(host.now());
            write(host, &down, now, due.service.as_deref())
        }
        _ => host.forget(&down),
    }
}

/// An event about a heartbeat. `summary` has a place for its name, and one for the time of its last sign of life.
fn event(action: Action, name: &str, summary: &str, at: u64) -> Event {
    let since = text::epoch(Duration::from_millis(at)).unwrap_or_default();
    let summary = text::interpolate(summary, &[name, &since]);
    let event = Event::new(action, DedupKey::own(CLASS, name), Severity::Critical, &summary, name);
    event.class(Some(CLASS.to_owned())).client(OWN, None)
}
