//! Alerts of one delivery that read the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Event, SUMMARY_MAX_CHARS};
use crate::json::Node;
use crate::text;

/// How much is added to a summary at most, in UTF-16 code units. A dedup key fits.
const ADDED_MAX_CHARS: usize = 300;

/// The fields that tell events apart, in the order in which they are tried.
const FIELDS: [&str; 4] = ["source", "component", "group", "class"];

/// Returns what tells events apart that have the same summary, a text for each of them.
type Way<'a> = &'a dyn Fn(&[&Event]) -> Vec<String>;

/// Adds what tells them apart to the summaries of alerts that have the same: first fields of the event, then labels, else
/// the dedup key. Change events and events without a summary stay as they are, and so do several events of one alert.
pub fn tell_apart(events: &mut [Event]) {
    let by_field = |name: &'static str| move |events: &[&Event]| by_field(events, name);
    let [source, component, group, class] = FIELDS.map(by_field);
    let ways: [Way<'_>; 6] = [&source, &component, &group, &class, &by_labels, &by_key];
    let mut groups = alike(events, 0..events.len());
    if groups.is_empty() {
        return;
    }
    for way in ways {
        let mut left = Vec::new();
        for group in groups {
            let members: Vec<&Event> = group.iter().filter_map(|index| events.get(*index)).collect();
            let differences = way(&members);
            if add(events, &group, differences) {
                left.extend(alike(events, group));
            } else {
                left.push(group);
            }
        }
        groups = left;
    }
    // A summary may have become that of another event, or end with the key of another alert already.
    for group in alike(events, 0..events.len()) {
        let members: Vec<&Event> = group.iter().filter_map(|index| events.get(*index)).collect();
        let keys = by_key(&members);
        add(events, &group, keys);
    }
}

/// The groups of events, by their indices, that are different alerts with the same summary.
fn alike(events: &[Event], indices: impl IntoIterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut same: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for index in indices {
        if let Some(event) = events.get(index).filter(|event| is_counted(event)) {
            same.entry(event.summary()).or_default().push(index);
        }
    }
    let differ = |indices: &Vec<usize>| {
        let mut keys = indices.iter().filter_map(|index| events.get(*index)?.dedup_key());
        let first = keys.next();
        keys.any(|key| Some(key) != first)
    };
    same.into_values().filter(differ).collect()
}

/// Whether an event is one that people read. A copy with a former key is not another alert.
fn is_counted(event: &Event) -> bool {
    event.dedup_key().is_some() && !event.summary().is_empty() && !event.is_copy()
}

/// Adds its own text to the summary of each event of a group. Returns whether any text was not empty.
fn add(events: &mut [Event], group: &[usize], differences: Vec<String>) -> bool {
    let mut any = false;
    for (index, difference) in group.iter().zip(differences) {
        if let Some(event) = events.get_mut(*index).filter(|_| !difference.is_empty()) {
            let difference = text::one_line(&difference);
            let end = [" (", &text::truncate(&difference, ADDED_MAX_CHARS), ")"].concat();
            let room = SUMMARY_MAX_CHARS.saturating_sub(end.encode_utf16().count());
            let summary = [&*text::truncate(event.summary(), room), &end].concat();
            event.set_summary(&summary);
            any = true;
        }
    }
    any
}

/// The field of each event, if it is not the same in all of them.
fn by_field(events: &[&Event], name: &str) -> Vec<String> {
    let field = |event: &&Event| event.text(name).unwrap_or_default().to_owned();
    let fields: Vec<String> = events.iter().map(field).collect();
    if fields.iter().all(|field| Some(field) == fields.first()) { Vec::new() } else { fields }
}

/// The values of each event's labels that are not the same in all of them.
fn by_labels(events: &[&Event]) -> Vec<String> {
    let none = Map::new();
    let labels: Vec<&Map<String, Value>> =
        events.iter().map(|event| event.0.details.get("labels").and_then(Value::as_object).unwrap_or(&none)).collect();
    // The first value of each label, and how often it occurs.
    let mut values: BTreeMap<&str, (&Value, usize)> = BTreeMap::new();
    for (name, value) in labels.iter().copied().flatten() {
        let (first, count) = values.entry(name).or_insert((value, 0));
        *count += usize::from(*first == value);
    }
    let differs = |name: &str| values.get(name).is_some_and(|(_, count)| *count < labels.len());
    let told = |labels: &&Map<String, Value>| {
        let values = labels.iter().filter(|(name, _)| differs(name)).filter_map(|(_, value)| Node::root(value).text());
        values.collect::<Vec<String>>().join(", ")
    };
    labels.iter().map(told).collect()
}

/// The dedup key of each event.
fn by_key(events: &[&Event]) -> Vec<String> {
    events.iter().map(|event| event.dedup_key().map(|key| key.as_str().to_owned()).unwrap_or_default()).collect()
}
