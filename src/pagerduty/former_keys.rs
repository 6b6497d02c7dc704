//! Copies of acknowledges and resolves for alerts that an earlier version opened with another form of their dedup key.
//!
//! A sender that acknowledges or resolves an alert now may have triggered it before the relay was updated. For one minor
//! version, such an event is therefore followed by a copy with the former key. PagerDuty ignores the copy if no alert has
//! that key. A trigger is sent once: two alerts of one problem would page twice.
//!
//! A former key can be ambiguous, which is why it was changed. Its copy resolves what the same event resolved before the
//! update, and no more. So a copy can reach an alert that has this key now, but only one whose ids are the pieces of the
//! former key. The number of ids is fixed in most shapes of the sources, so that no such list exists.
//!
//! To end the grace period, delete this module, its stage in [`crate::pipeline`], the member `former` of
//! [`DedupKey`] and the section about it in the guide.

use std::collections::BTreeSet;

use crate::pagerduty::event::{Action, DedupKey, Event};

/// The first version without the copies.
pub const ENDS_WITH: &str = "0.3.0";

/// How much all copies of one delivery take, by [`Event::weight`]. Those above it have no details, because the events that
/// they repeat may already fill the memory that one delivery is allowed.
const COPIES_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Adds the copies, each after its event. An event has none if its former key is the key of another event of the
/// delivery.
pub fn with_copies(events: Vec<Event>) -> Vec<Event> {
    if events.iter().all(|event| former(event).is_none()) {
        return events;
    }
    // Collected, each type of set would have a sort of its own in the component: several kilobytes.
    let mut current: BTreeSet<String> = BTreeSet::new();
    current.extend(events.iter().filter_map(|event| Some(event.dedup_key()?.as_str().to_owned())));
    let mut room = COPIES_MAX_BYTES;
    let mut all = Vec::new();
    for event in events {
        let copy = former(&event).filter(|key| !current.contains(key.as_str())).map(|key| {
            let left = room.checked_sub(event.weight());
            let copy = event.copy_with(key);
            room = left.unwrap_or(room);
            if left.is_some() { copy } else { copy.outline() }
        });
        all.push(event);
        all.extend(copy);
    }
    all
}

fn former(event: &Event) -> Option<DedupKey> {
    let key = event.dedup_key().filter(|_| matches!(event.action(), Action::Acknowledge | Action::Resolve))?;
    key.former()
}
