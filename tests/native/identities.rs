//! The property that keeps alerts apart: in no source do two different identities share a dedup key.
//!
//! For each shape of a source's payloads, the test finds the leaves that are part of the key, and gives them values that
//! could be mixed up.

use std::collections::{BTreeMap, BTreeSet};

use pagerelay::sources::{SOURCES, Source};
use pagerelay_support::{evidence, fixtures};
use serde_json::Value;

use crate::keys::hashed;

/// A position in a payload whose value is text or a number.
fn leaves(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(item, &format!("{at}/{index}"), all));
        }
        Value::Object(members) => {
            for (name, member) in members {
                leaves(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::String(_) | Value::Number(_) => all.push(at.to_owned()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// A payload with one item in each of its batches, and the headers that it needs.
struct Subject {
    source: &'static Source,
    name: String,
    payload: Value,
    headers: Vec<(String, String)>,
}

impl Subject {
    fn all() -> Vec<Subject> {
        let mut all = Vec::new();
        for fixture in fixtures::all() {
            // Of AWS's many fixtures, one of each alert: the others have the same key.
            if fixture.path.file_stem().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.split_once('_').is_some_and(|(_, words)| words != "opens")
            }) {
                continue;
            }
            let Ok(mut payload) = serde_json::from_slice::<Value>(&fixture.body) else { continue };
            let mut headers = fixture.headers.clone();
            let published = payload["Message"].as_str().and_then(|text| serde_json::from_str(text).ok());
            if let Some(message @ Value::Object(_)) = published {
                payload = message;
                headers.push(("x-amz-sns-rawdelivery".to_owned(), "true".to_owned()));
            }
            for batch in ["", "/alerts", "/data/unreachable_zones"] {
                if let Some(items) = payload.pointer_mut(batch).and_then(Value::as_array_mut) {
                    items.truncate(1);
                }
            }
            all.push(Subject { source: fixture.source, name: fixture.name(), payload, headers });
        }
        all
    }

    fn keys(&self, group: bool, values: &[(&String, &str)]) -> Vec<String> {
        let mut payload = self.payload.clone();
        for (pointer, value) in values {
            *payload.pointer_mut(pointer).expect("a leaf") = (*value).into();
        }
        let mapped = fixtures::map(self.source, payload.to_string().as_bytes(), &self.headers, group);
        let events = mapped.map(|mapped| mapped.events).unwrap_or_default();
        events.iter().filter_map(|event| Some(event.dedup_key()?.as_str().to_owned())).collect()
    }

    /// The leaves that are part of the key of the event at `position`: whatever word stands there, the key is another.
    fn identity(&self, group: bool, position: usize) -> Vec<String> {
        let mut all = Vec::new();
        leaves(&self.payload, "", &mut all);
        let is_part = |pointer: &String, others: &[(&String, &str)]| {
            let keys = |word| {
                let others = others.iter().filter(|(other, _)| *other != pointer).copied();
                let values: Vec<(&String, &str)> = others.chain([(pointer, word)]).collect();
                self.keys(group, &values).get(position).cloned()
            };
            let (one, other, third) = (keys("qwertz"), keys("yxcvbn"), keys("asdfgh"));
            one.is_some() && other.is_some() && third.is_some() && one != other && other != third
        };
        all.retain(|pointer| is_part(pointer, &[]));
        // A leaf that counts only if another one is missing is left out.
        let others: Vec<(&String, &str)> = all.iter().map(|pointer| (pointer, "zuiop")).collect();
        all.iter().filter(|pointer| is_part(pointer, &others)).cloned().collect()
    }
}

/// How many leaves of one payload are varied together, and how many values each of them gets.
const VARIED: [usize; 5] = [0, 16, 16, 7, 4];

/// Text that normalisation leaves as it is: without white space around it, and in lower case.
fn values() -> Vec<String> {
    let plain = ["a", "b", "a:b", "b:a", ":b", "a:", "a:ssl", "a%3Ab", "a%253Ab", ":", "arn:aws:x", "a b%", "falco"];
    let long = "l".repeat(300);
    plain.map(str::to_owned).into_iter().chain([format!("{long}m"), long, hashed("a")]).collect()
}

#[test]
fn different_identities_never_share_a_key_in_any_source() {
    let values = values();
    let mut known: BTreeMap<(&str, String), (Vec<&str>, String)> = BTreeMap::new();
    let mut shapes = BTreeSet::new();
    let mut compared = BTreeMap::new();
    for subject in Subject::all() {
        for group in [false, true].into_iter().take(1 + usize::from(subject.source.map_group.is_some())) {
            for position in 0..subject.keys(group, &[]).len() {
                let identity = subject.identity(group, position);
                let varied = identity.len().min(VARIED.len() - 1);
                let Some(count) = VARIED.get(varied).filter(|_| varied > 0) else { continue };
                if !shapes.insert((subject.source.slug, group, position, identity.clone())) {
                    continue;
                }
                let mut own: BTreeMap<String, Vec<&str>> = BTreeMap::new();
                for number in 0..count.pow(u32::try_from(varied).expect("small")) {
                    let chosen: Vec<&str> = (0..varied)
                        .map(|leaf| values[number / count.pow(u32::try_from(leaf).expect("small")) % count].as_str())
                        .collect();
                    let given: Vec<(&String, &str)> = identity.iter().zip(chosen.iter().copied()).collect();
                    let Some(key) = subject.keys(group, &given).get(position).cloned() else { continue };
                    *compared.entry(subject.source.slug).or_insert(0) += 1;
                    let twin = own.insert(key.clone(), chosen.clone());
                    assert_eq!(twin, None, "{}: {given:?} has the key {key}", subject.name);
                    if identity.len() > varied {
                        continue;
                    }
                    // Another shape of the same source may name the same identity by other members.
                    let mut sorted = chosen;
                    sorted.sort_unstable();
                    let entry = known.entry((subject.source.slug, key));
                    let (slug_and_key, first) = (entry.key().clone(), (sorted.clone(), subject.name.clone()));
                    let (others, name) = entry.or_insert(first);
                    assert_eq!(*others, sorted, "{name} and {} share {slug_and_key:?}", subject.name);
                }
            }
        }
    }
    evidence(&format!("identities: {} keys compared, no two identities share one", compared.values().sum::<usize>()));
    for source in SOURCES {
        assert!(compared.get(source.slug).is_some_and(|count| *count > 10), "{}: {compared:?}", source.slug);
    }
}
