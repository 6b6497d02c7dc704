//! From events with the services that rules chose to the events of each destination.

use std::collections::{BTreeMap, BTreeSet};

use super::RuledEvent;
use crate::pagerduty::event::{DedupKey, Event};

/// How much the copies of one delivery take, by [`Event::weight`]. Those above it have no details.
const COPIES_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The events of each of `count` destinations, in order. The first destination is that of the path, and `places` has the
/// others by the names of their services.
///
/// A trigger or a change event goes to the service that a rule chose, if it has a place, else to that of the path. An
/// acknowledge or a resolve goes to every destination. It is followed there by copies with the mapped key, if a rule
/// changed it, and with the key of an earlier version of the relay.
pub fn spread(events: Vec<RuledEvent<'_>>, places: &BTreeMap<String, usize>, count: usize) -> Vec<Vec<Event>> {
    let mut destinations: Vec<Vec<Event>> = vec![Vec::new(); count.max(1)];
    let keys = |ruled: &RuledEvent<'_>| ruled.event.dedup_key().map(|key| key.as_str().to_owned());
    let mut current: BTreeSet<String> = BTreeSet::new();
    current.extend(events.iter().filter_map(keys));
    let mut room = COPIES_MAX_BYTES;
    for ruled in events {
        if !ruled.event.action().closes() {
            let place = ruled.service.and_then(|service| places.get(service)).copied().unwrap_or_default();
            if let Some(events) = destinations.get_mut(place) {
                events.push(ruled.event);
            }
            continue;
        }
        let mut copies = Vec::new();
        let others = former(&ruled).into_iter().filter(|key| !current.contains(key.as_str()));
        let event = ruled.event;
        copies.extend(others.map(|key| event.copy_with(key)));
        for events in destinations.iter_mut().skip(1) {
            events.extend(event.dedup_key().map(|key| fit(&mut room, event.copy_with(key.clone()))));
            events.extend(copies.iter().map(|copy| fit(&mut room, copy.clone())));
        }
        if let Some(events) = destinations.first_mut() {
            events.push(event);
            events.extend(copies.into_iter().map(|copy| fit(&mut room, copy)));
        }
    }
    destinations
}

/// The other keys under which the alert may be open.
pub(super) fn former(ruled: &RuledEvent<'_>) -> Vec<DedupKey> {
    let (Some(key), Some(mapped)) = (ruled.event.dedup_key(), &ruled.mapped_key) else { return Vec::new() };
    let changed = (key != mapped).then(|| mapped.clone().without_former());
    changed.into_iter().chain(mapped.former()).collect()
}

fn fit(room: &mut usize, copy: Event) -> Event {
    match room.checked_sub(copy.weight()) {
        Some(left) => {
            *room = left;
            copy
        }
        None => copy.outline(),
    }
}
