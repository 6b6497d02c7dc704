//! Storing the events of a delivery that PagerDuty has not accepted.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::entry::{Entry, EntryKey, key, lane_of};
use super::{ANY, NONE, REQUEST_MAX, millis, number, set_number};
use crate::pagerduty::event::{self, Action, DedupKey, Event, Severity};
use crate::pagerduty::storm;
use crate::runtime::{Host, StoreError};

/// How many entries one delivery writes. Akamai allows 50 writes in a second.
/// <https://techdocs.akamai.com/akamai-functions/docs/quotas-and-limits>
pub(super) const ENTRIES_MAX: usize = 40;

/// An event to store.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The position of its outcome. `None` for a digest.
    pub position: Option<usize>,
    /// The service whose routing key it is for.
    pub service: Option<String>,
    /// Why PagerDuty has not accepted it.
    pub why: String,
    /// The event.
    pub event: Event,
    /// Whether it is for another service than that of the path.
    pub is_further: bool,
}

/// The events of a delivery to store.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selected {
    /// Those that are stored, in their order.
    pub kept: Vec<Kept>,
    /// The positions of the outcomes of triggers that only a digest lists, each with the place of that digest in `kept`.
    pub digested: Vec<(usize, usize)>,
}

/// Selects the events to store: all, or if they are more than `ENTRIES_MAX` the digests of a storm, those of the most severe
/// alerts, and for each service a digest of the other triggers. Events that close other alerts are stored if there is room,
/// first those of alerts that have an entry in `entries`: it may open them.
///
/// `group` is the dedup key of the digest, if the delivery has one. `slug` and `name` are the source's.
pub fn select(left: Vec<Kept>, entries: &[EntryKey], group: Option<&DedupKey>, (slug, name): (&str, &str)) -> Selected {
    if left.len() <= ENTRIES_MAX {
        return Selected { kept: left, digested: Vec::new() };
    }
    // The triggers that the digest of each service lists.
    let mut digests: Vec<(Option<String>, Vec<Kept>)> = Vec::new();
    for kept in &left {
        if !digests.iter().any(|(service, _)| *service == kept.service) {
            digests.push((kept.service.clone(), Vec::new()));
        }
    }
    let mut stored: BTreeSet<&str> = BTreeSet::new();
    stored.extend(entries.iter().map(EntryKey::lane));
    // Services with the same dedup key have different alerts.
    let lanes = digests.iter().flat_map(|(service, _)| classified(service.as_deref(), &left, &stored));
    let mut lanes: Vec<Lane> = lanes.collect();
    lanes.sort_by_key(|lane| (lane.class, Reverse(lane.severity)));
    let room = ENTRIES_MAX.saturating_sub(digests.len());
    let mut left: Vec<Option<Kept>> = left.into_iter().map(Some).collect();
    let mut selected = Selected::default();
    for Lane { class, indices, .. } in lanes {
        let fits = selected.kept.len() + indices.len() <= room;
        let is_open = matches!(class, Class::Digest | Class::Open);
        for kept in indices.into_iter().filter_map(|index| left.get_mut(index)?.take()) {
            if fits {
                selected.kept.push(kept);
            } else if let Some((_, digest)) =
                digests.iter_mut().find(|(service, _)| is_open && *service == kept.service)
            {
                digest.push(kept);
            }
        }
    }
    for (service, left) in digests {
        let why = left.first().map(|kept| kept.why.clone()).unwrap_or_default();
        let digest = selected.kept.len();
        selected.digested.extend(left.iter().filter_map(|kept| Some((kept.position?, digest))));
        let events: Vec<Event> = left.into_iter().map(|kept| kept.event).collect();
        for event in storm::digest(&events, group, slug, name) {
            let (service, why) = (service.clone(), why.clone());
            selected.kept.push(Kept { position: None, service, why, event, is_further: false });
        }
    }
    selected
}

/// The events of one alert among those to store.
struct Lane {
    class: Class,
    /// That of the most severe event.
    severity: Severity,
    /// Their positions among the events to store.
    indices: Vec<usize>,
}

/// The alerts of one service, with what decides their order. Those in `stored` have entries of earlier deliveries.
fn classified(service: Option<&str>, left: &[Kept], stored: &BTreeSet<&str>) -> Vec<Lane> {
    let of_service = left.iter().enumerate().filter(|(_, kept)| kept.service.as_deref() == service);
    let (indices, events): (Vec<usize>, Vec<Event>) =
        of_service.map(|(index, kept)| (index, kept.event.clone())).unzip();
    let lane = |positions: Vec<usize>| {
        let of_lane = || positions.iter().filter_map(|position| events.get(*position));
        let has_entry = || of_lane().next().is_some_and(|event| stored.contains(&*lane_of(service, event)));
        let class = match opens(of_lane()) {
            true if of_lane().any(storm::is_digest) => Class::Digest,
            true => Class::Open,
            false if has_entry() => Class::OverWithEntry,
            false => Class::Over,
        };
        let severity = of_lane().map(Event::severity).max().unwrap_or(Severity::Info);
        Lane {
            class,
            severity,
            indices: positions.iter().filter_map(|position| indices.get(*position).copied()).collect(),
        }
    };
    event::by_alert(&events).into_iter().map(lane).collect()
}

/// The alerts of a delivery that has too many, in the order in which their events are stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The digest of a storm: a digest of it would list none of its alerts.
    Digest,
    /// Open after the delivery.
    Open,
    /// Over after it, with an entry that may open it.
    OverWithEntry,
    /// Over after it.
    Over,
}

/// Whether the alert is open after these events of it.
pub(super) fn opens<'a>(mut lane: impl DoubleEndedIterator<Item = &'a Event>) -> bool {
    let last = lane.rfind(|event| event.action() != Action::Acknowledge);
    last.is_some_and(|event| event.action() == Action::Trigger)
}

/// Stores events, which arrived at `arrived` in milliseconds since the Unix epoch, and returns their keys. Of each alert, they
/// come after `entries`, whatever the clock says that wrote these.
///
/// # Errors
/// Returns [`StoreError`] if the store failed, or needed longer than [`REQUEST_MAX`]. Some events may be stored all the same:
/// PagerDuty then gets them twice, which adds nothing to their alerts.
pub fn keep(
    host: &mut dyn Host,
    source: &str,
    kept: &[Kept],
    arrived: u64,
    entries: &[EntryKey],
) -> Result<Vec<EntryKey>, StoreError> {
    let now = millis(host.now());
    let began = host.elapsed();
    set_number(host, &key(ANY), now)?;
    // A listing by a clock that was ahead would hide these entries once its time has come.
    if number(host, &key(NONE))?.is_some_and(|none| none > now) {
        set_number(host, &key(NONE), 0)?;
    }
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        let time = last.entry(entry.lane()).or_default();
        *time = entry.arrived().unwrap_or_default().max(*time);
    }
    let mut keys = Vec::new();
    for (place, Kept { service, why, event, is_further, .. }) in kept.iter().enumerate() {
        // Deliveries that look for entries rely on this.
        if host.elapsed().saturating_sub(began) > REQUEST_MAX {
            return Err(StoreError::Failed);
        }
        let entry = Entry::new(service.as_deref(), source, why.clone(), event, arrived);
        let entry = Entry { is_further: *is_further, ..entry };
        let value = entry.encode();
        let after = last.get(&*lane_of(service.as_deref(), event)).map_or(0, |last| last.saturating_add(1));
        let key = EntryKey::new(&entry, arrived.max(after), place, &value);
        host.store(key.as_str(), &value)?;
        keys.push(key);
    }
    Ok(keys)
}
