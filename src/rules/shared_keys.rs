//! Several alerts of a delivery with one key.

use std::collections::{BTreeMap, BTreeSet};

use super::RuledEvent;
use super::run::DEDUP_KEY;
use crate::pagerduty::event::Action;

/// Lets a resolve keep its mapped key if a rule gave the same key to another alert that is still open: the resolve would
/// close that alert too.
pub(super) fn settle(events: &mut [RuledEvent<'_>]) {
    // For each key of a rule, the alerts that have it now, and whether each is open after its last event. An acknowledged alert
    // is open.
    let mut alerts: BTreeMap<String, BTreeMap<String, bool>> = BTreeMap::new();
    for ruled in events.iter() {
        let (Some(key), Some(mapped)) = (ruled.event.dedup_key(), &ruled.mapped_key) else { continue };
        if key != mapped {
            let is_open = ruled.event.action() != Action::Resolve;
            alerts.entry(key.as_str().to_owned()).or_default().insert(mapped.as_str().to_owned(), is_open);
        }
    }
    let open = |alerts: &BTreeMap<String, bool>| alerts.values().any(|is_open| *is_open);
    let mut shared: BTreeSet<&String> = BTreeSet::new();
    shared.extend(alerts.iter().filter(|(_, alerts)| open(alerts)).map(|(key, _)| key));
    for ruled in events.iter_mut().filter(|ruled| ruled.event.action() == Action::Resolve) {
        let (Some(key), Some(mapped)) = (ruled.event.dedup_key(), &ruled.mapped_key) else { continue };
        let key = key.as_str().to_owned();
        let is_open_itself = || alerts.get(&key).and_then(|alerts| alerts.get(mapped.as_str())) == Some(&true);
        if shared.contains(&key) && !is_open_itself() {
            ruled.event.set_dedup_key(mapped.clone());
            ruled.matched.iter_mut().for_each(|matched| matched.changed.retain(|path| path != DEDUP_KEY));
        }
    }
}
