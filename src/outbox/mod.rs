//! What happens to an event that PagerDuty does not accept while its sender waits.
//!
//! The outbox is a key-value store that all instances share. It has single keys that are read and written as a whole, a
//! listing of all keys, and nothing that compares and sets. So these rules keep the events of an alert in order:
//!
//! 1. An entry is written once, and then only deleted: after PagerDuty has accepted it, after it became needless, or after
//!    its loss was reported. An entry is needless if PagerDuty has accepted a later event instead, if its alert is over
//!    before it began, or if it would close an alert with a key that PagerDuty does not know.
//! 2. An event never overtakes a stored event of its alert: it is stored behind it ([`held`]). A delivery ends the lane of
//!    an alert with the first event that is not accepted, and stores the rest behind that one.
//! 3. One instance at a time sends what is stored, by a lease (`lease::Lease`), oldest first within each lane
//!    ([`drain()`]).
//!
//! Deliveries do not list the keys each time. Key `any` has the time when a delivery last began to store, and key `none`
//! the time when a listing without entries began. If `none` is long enough after `any`, there is nothing.
//!
//! `tests/native/outbox_model` searches all interleavings of these rules, and `tests/native/outbox` those of this code.
//!
//! Nothing in the store contains a routing key or a secret: an entry has the name of its service.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::http::Request;
use crate::pagerduty::event::Event;
use crate::runtime::{Host, StoreError};
use crate::text;

pub mod beats;
pub mod drain;
mod entry;
pub mod fallback;
mod keep;
mod lease;
mod pace;
pub mod ticks;
mod tried;

pub use self::drain::{Drain, Drained, LostEntry, drain};
pub use self::entry::{Entry, EntryKey, LIFETIME, key, lane_of, service_hash};
pub use self::keep::{Kept, Selected, keep, select};
pub use self::tried::{Lost, TRIED_MAX, TRIED_SEVERITY, left};

/// When the last request to PagerDuty ends, counted from the arrival. Akamai's functions have 30 seconds, and a message to the
/// fallback may follow.
/// <https://techdocs.akamai.com/akamai-functions/docs/quotas-and-limits>
pub const REQUEST_MAX: Duration = Duration::from_secs(25);

/// The keys of the hints: when a delivery last began to store, and when a listing without entries began.
const ANY: &str = "any";
const NONE: &str = "none";

/// How long after `any` a listing has to begin to prove that nothing is stored: the delivery that wrote `any` has written
/// its entries within [`REQUEST_MAX`].
const MARGIN_MS: u64 = 30_000;

/// Headers that differ from request to request, and contain no secret: hosts and proxies add them.
const DIFFERS: [&str; 7] =
    ["cf-ray", "forwarded", "spin-client-addr", "traceparent", "x-amzn-trace-id", "x-forwarded-for", "x-request-id"];

/// A part of the name of the instance that serves this request: a hash of its headers that differ from request to request.
///
/// The relay has no randomness. The other part of the name is the time, which is coarse on some hosts.
pub fn name_of(request: &Request) -> String {
    let values = DIFFERS.iter().flat_map(|name| request.headers.all(name)).collect::<Vec<_>>();
    let mut hash = text::sha256_hex(&values.join(&b'\n'));
    hash.truncate(16);
    hash
}

/// Milliseconds since the Unix epoch.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The number in a key. Returns `None` if the key is absent or contains something else.
pub(crate) fn number(host: &mut dyn Host, key: &str) -> Result<Option<u64>, StoreError> {
    let value = host.stored(key)?;
    Ok(value.and_then(|value| str::from_utf8(&value).ok()?.parse().ok()))
}

/// Sets the number in a key.
pub(crate) fn set_number(host: &mut dyn Host, key: &str, number: u64) -> Result<(), StoreError> {
    host.store(key, number.to_string().as_bytes())
}

/// The keys of all entries, in order.
///
/// # Errors
/// Returns [`StoreError`] if the store failed.
pub fn entries(host: &mut dyn Host) -> Result<Vec<EntryKey>, StoreError> {
    let mut keys = host.keys()?;
    keys.sort();
    // A listing in pages may repeat a key.
    keys.dedup();
    Ok(keys.into_iter().filter_map(EntryKey::parse).collect())
}

/// The keys of all entries. Without entries, it reads only one or two keys.
///
/// # Errors
/// Returns [`StoreError`] if the store failed.
pub fn look(host: &mut dyn Host) -> Result<Vec<EntryKey>, StoreError> {
    let Some(any) = number(host, &key(ANY))? else { return Ok(Vec::new()) };
    match number(host, &key(NONE))? {
        Some(none) if none > any.saturating_add(MARGIN_MS) => Ok(Vec::new()),
        _ => entries(host),
    }
}

/// The positions of the events whose alert has an entry: they must not overtake it.
pub fn held(entries: &[EntryKey], service: Option<&str>, events: &[Event]) -> Vec<usize> {
    let mut lanes: BTreeSet<&str> = BTreeSet::new();
    lanes.extend(entries.iter().map(EntryKey::lane));
    let is_held = |event: &Event| event.dedup_key().is_some() && lanes.contains(&*lane_of(service, event));
    let events = events.iter().enumerate().filter(|(_, event)| !lanes.is_empty() && is_held(event));
    events.map(|(position, _)| position).collect()
}
