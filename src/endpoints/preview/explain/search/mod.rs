//! The search for the parts of a payload that decide one event's fields.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::asker::Asker;
use super::origin::{ALL, DECIDED, Explainer, Origin};
use super::payload::{Item, PathStep, PayloadPart, Walk, changed, edit, mark, remove, shown};
use crate::json;
use crate::pagerduty::event::Event;
use crate::text;

mod words;

/// In a payload with more parts, those whose values are not in the event are likely to decide nothing. They are removed
/// first, many at a time.
const PARTS_MANY: usize = 24;

/// How much of an event is searched for these values, in bytes.
const SEARCHED_BYTES: usize = 8192;

/// A payload that makes the event.
pub(super) struct Case {
    pub(super) payload: Value,
    /// The item that it has left, if it is not the whole payload.
    pub(super) item: Option<Item>,
    /// How many events it makes, and which of them is the one.
    pub(super) count: usize,
    pub(super) at: usize,
}

/// The explanation of one event.
pub(super) struct Explained {
    pub(super) origins: Vec<Origin>,
    /// The name of each part of the payload, and whether it changes nothing.
    pub(super) parts: Vec<(String, bool)>,
    /// Whether every part was tried.
    pub(super) complete: bool,
}

/// How an event differs in another payload's result.
struct Difference {
    /// Whether the event does not exist there, or another alert takes its place.
    is_other: bool,
    /// The fields that differ.
    fields: Vec<String>,
}

impl Difference {
    fn is_none(&self) -> bool {
        !self.is_other && self.fields.is_empty()
    }
}

/// The results for the event before. The events of a delivery are much alike, so these are tried first, which saves runs.
#[derive(Default)]
pub(super) struct Memory {
    /// The parts that changed nothing.
    quiet: BTreeSet<Vec<PathStep>>,
    /// The fields that change with a slight change of each of the other parts.
    marked: BTreeMap<Vec<PathStep>, Vec<String>>,
    /// The parts without which the event still exists, with the same action and severity.
    optional: BTreeSet<Vec<PathStep>>,
    /// The words that decided.
    words: Vec<String>,
}

/// A change of a part of a payload.
type Edit<'a> = &'a dyn Fn(&mut Value, &PayloadPart);

fn marked(payload: &mut Value, part: &PayloadPart) {
    edit(payload, &part.path, &mark);
}

fn nulled(payload: &mut Value, part: &PayloadPart) {
    edit(payload, &part.path, &|value| *value = Value::Null);
}

fn removed(payload: &mut Value, part: &PayloadPart) {
    remove(payload, &part.path);
}

/// Explains `event`, which `case` makes. `sent` is the whole payload, and `headers` are the names of the headers that
/// may decide something. `memory` is of the event before, and
/// then of this one.
pub(super) fn search(
    asker: &mut Asker<'_, '_>,
    (event, case): (&Event, &Case),
    sent: &Value,
    headers: &[String],
    words: &[&str],
    memory: &mut Memory,
) -> Explained {
    let walk = Walk::over(&case.payload, case.item.as_ref());
    let (json, mut fields) = (event.to_json(), Map::new());
    flatten(&json, String::new(), &mut fields);
    let mut search = Search {
        asker,
        event,
        case,
        words,
        json,
        fields,
        of: BTreeMap::new(),
        small: Value::Null,
        removed: BTreeSet::new(),
    };
    let unused = search.parts(&walk.parts, memory);
    search.headers(headers);
    let tried_parts = !search.asker.is_exhausted() && !walk.cut;
    search.words(&walk.parts, memory);
    let complete = tried_parts && !search.asker.is_exhausted();
    let Search { fields, of, .. } = search;
    let mut used: BTreeSet<&String> = BTreeSet::new();
    used.extend(of.values().flatten());
    let unused: Vec<&PayloadPart> = unused.into_iter().filter(|part| !used.contains(&part.name)).collect();
    memory.quiet = BTreeSet::new();
    memory.quiet.extend(unused.iter().map(|part| part.path.clone()));
    // A `null` is not worth a mention.
    let mut mentioned: BTreeSet<&String> = BTreeSet::new();
    mentioned.extend(unused.iter().filter(|part| !part.value.is_null()).map(|part| &part.name));
    let parts = walk.parts.iter().map(|part| (part.name.clone(), mentioned.contains(&part.name))).collect();
    let (near, each) = (&case.payload, !walk.many);
    let explainer = Explainer { payload: sent, near, parts: &walk.parts, each, tried_parts, complete };
    Explained { origins: explainer.origins(&fields, &of), parts, complete }
}

struct Search<'a, 'q, 'd> {
    asker: &'a mut Asker<'q, 'd>,
    event: &'a Event,
    case: &'a Case,
    words: &'a [&'a str],
    /// The payload without the parts that were removed, and their names.
    small: Value,
    removed: BTreeSet<String>,
    /// The event as JSON, and its fields by path.
    json: Value,
    fields: Map<String, Value>,
    /// The origins found so far: field to the names of the parts that decide it.
    of: BTreeMap<String, Vec<String>>,
}

impl Search<'_, '_, '_> {
    /// Finds the parts that decide fields, and returns those that change nothing.
    fn parts<'p>(&mut self, parts: &'p [PayloadPart], memory: &mut Memory) -> Vec<&'p PayloadPart> {
        let mut payload = self.case.payload.clone();
        let many = parts.len() > PARTS_MANY;
        let text = String::from_utf8(json::encode(&self.json)).unwrap_or_default();
        let text = text.get(..text.floor_char_boundary(SEARCHED_BYTES)).unwrap_or_default();
        let is_idle = |part: &&PayloadPart| {
            let shown = shown(&part.value);
            memory.quiet.contains(&part.path)
                || many && (shown.is_empty() || !text.contains(&shown)) && !self.words.contains(&shown.as_str())
        };
        let idle: Vec<&PayloadPart> = parts.iter().filter(is_idle).collect();
        let mut unused = Vec::new();
        self.prune(&mut payload, &idle, &mut unused);
        let mut removed: BTreeSet<&String> = BTreeSet::new();
        removed.extend(unused.iter().map(|part| &part.name));
        let kept: Vec<&PayloadPart> = parts.iter().filter(|part| !removed.contains(&part.name)).collect();
        let Some(quiet) = self.mark(&payload, &kept, memory) else { return Vec::new() };
        let quiet: Vec<&PayloadPart> = quiet.into_iter().filter(|part| !part.value.is_null()).collect();
        unused.extend(self.find(&payload, &quiet, &nulled));
        self.small = payload;
        self.removed.extend(removed.into_iter().cloned());
        unused
    }

    /// Changes each of `parts` slightly. Returns those for which nothing changes, or `None` if the limit is reached.
    fn mark<'p>(
        &mut self,
        payload: &Value,
        parts: &[&'p PayloadPart],
        memory: &mut Memory,
    ) -> Option<Vec<&'p PayloadPart>> {
        let before = std::mem::take(&mut memory.marked);
        // If the event has the same parts as the one before, and all changes together have the effects that they had there
        // one by one, each of them has the same effect here.
        if before.len() == parts.len() && parts.iter().all(|part| before.contains_key(&part.path)) {
            let (mut found, mut expected) = (BTreeSet::new(), BTreeSet::new());
            found.extend(self.change(payload, parts, &marked)?.fields);
            expected.extend(before.values().flatten());
            if found.iter().eq(expected) {
                for part in parts {
                    let fields = before.get(&part.path).cloned().unwrap_or_default();
                    self.note(&part.name, Difference { is_other: false, fields }, &[]);
                }
                let quiet = parts.iter().filter(|part| before.get(&part.path).is_none_or(Vec::is_empty));
                let quiet = quiet.copied().collect();
                memory.marked = before;
                return Some(quiet);
            }
        }
        let mut quiet = Vec::new();
        let mut others = false;
        for part in parts {
            let difference = self.change(payload, &[part], &marked)?;
            others |= difference.is_other;
            memory.marked.insert(part.path.clone(), difference.fields.clone());
            if difference.is_none() {
                quiet.push(*part);
            }
            self.note(&part.name, difference, &[]);
        }
        if others {
            memory.marked.clear();
        }
        Some(quiet)
    }

    /// Removes parts from the payload that decide nothing, many at a time: neither a change of them nor their removal has
    /// an effect. Adds them to `unused`.
    fn prune<'p>(&mut self, payload: &mut Value, parts: &[&'p PayloadPart], unused: &mut Vec<&'p PayloadPart>) {
        let is_same = |difference: Option<Difference>| difference.is_some_and(|difference| difference.is_none());
        if parts.is_empty() || self.asker.is_exhausted() {
            return;
        }
        if is_same(self.change(payload, parts, &removed)) && is_same(self.change(payload, parts, &marked)) {
            parts.iter().for_each(|part| removed(payload, part));
            unused.extend_from_slice(parts);
        } else if parts.len() > 1 {
            let (left, right) = parts.split_at(parts.len() / 2);
            self.prune(payload, left, unused);
            self.prune(payload, right, unused);
        }
    }

    /// Changes all of `parts` at once. If that changes the event, looks for the parts that do, and records them. Returns the
    /// parts that change nothing.
    fn find<'p>(&mut self, payload: &Value, parts: &[&'p PayloadPart], how: Edit<'_>) -> Vec<&'p PayloadPart> {
        if parts.is_empty() {
            return Vec::new();
        }
        // If the mapping could not be re-run, the part may be used after all.
        let Some(difference) = self.change(payload, parts, how) else { return Vec::new() };
        match parts {
            _ if difference.is_none() => parts.to_vec(),
            [only] => {
                self.note(&only.name, difference, &[]);
                Vec::new()
            }
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                let mut same = self.find(payload, left, how);
                same.extend(self.find(payload, right, how));
                same
            }
        }
    }

    /// Finds the headers that decide fields.
    fn headers(&mut self, names: &[String]) {
        let any = (!names.is_empty()).then(|| self.asker.ask(self.case.payload.clone(), names)).flatten();
        if any.is_none_or(|answer| self.difference(&answer, "").is_none()) {
            return;
        }
        for name in names {
            let answer = self.asker.ask(self.case.payload.clone(), std::slice::from_ref(name));
            if let Some(answer) = answer {
                let difference = self.difference(&answer, "");
                self.note(&text::join_nonempty(&["header", name], " "), difference, &[]);
            }
        }
    }

    /// Whether a part is known to decide any field.
    fn names(&self, name: &str) -> bool {
        self.of.values().flatten().any(|known| known == name)
    }

    fn change(&mut self, payload: &Value, parts: &[&PayloadPart], how: Edit<'_>) -> Option<Difference> {
        if self.asker.is_exhausted() {
            return None;
        }
        let mut payload = payload.clone();
        parts.iter().for_each(|part| how(&mut payload, part));
        let answer = self.asker.ask(payload, &[])?;
        let written = match parts {
            [PayloadPart { value: Value::String(text), .. }] if !text.is_empty() => changed(text),
            _ => String::new(),
        };
        Some(self.difference(&answer, &written))
    }

    /// Compares the event with that of another payload. `written` is the text that one changed part has there, or empty.
    fn difference(&self, answer: &[Event], written: &str) -> Difference {
        let key = self.event.dedup_key();
        let same_alert = || answer.iter().find(|other| key.is_some() && other.dedup_key() == key);
        match if answer.len() == self.case.count { answer.get(self.case.at) } else { same_alert() } {
            Some(other) if other == self.event => Difference { is_other: false, fields: Vec::new() },
            Some(other) => {
                let (json, mut fields) = (other.to_json(), Vec::new());
                differing(&self.json, Some(&json), String::new(), &mut fields);
                // The result is a different alert, so this part decides the kind of delivery. Not so if the alert only
                // repeats the part: a small event may have the name of a host in most of its fields.
                let is_other = 2 * fields.len() > self.fields.len()
                    && other.dedup_key() != key
                    && !repeats(&json, &fields, written);
                Difference { is_other, fields }
            }
            None => Difference { is_other: !answer.contains(self.event), fields: Vec::new() },
        }
    }

    /// Records all fields that differ, or those of `only` if it is not empty. Returns whether there are any.
    fn note(&mut self, name: &str, difference: Difference, only: &[&str]) -> bool {
        let fields = if difference.is_other { vec![ALL.to_owned()] } else { difference.fields };
        let mut any = false;
        for field in fields.into_iter().filter(|field| only.is_empty() || only.contains(&field.as_str())) {
            any = true;
            let names = self.of.entry(field).or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        any
    }

    /// Whether the origin of the action or the severity is unknown.
    fn wants(&self) -> bool {
        DECIDED.iter().any(|field| self.fields.contains_key(*field) && !self.of.contains_key(*field))
    }
}

/// A member of the details is one field, however large it is.
const DETAILS: &str = "payload.custom_details.";

/// The fields of an event by path. Members of links, images and details are fields of their own.
fn flatten(value: &Value, path: String, fields: &mut Map<String, Value>) {
    match value {
        Value::Object(members) if !path.starts_with(DETAILS) => {
            for (name, member) in members {
                flatten(member, text::join_nonempty(&[&path, name], "."), fields);
            }
        }
        Value::Array(items) if !path.starts_with(DETAILS) => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, format!("{path}[{index}]"), fields);
            }
        }
        value => {
            fields.insert(path, value.clone());
        }
    }
}

/// Whether each of these fields of an event contains a text. The dedup key does not count: it may be a hash.
fn repeats(event: &Value, names: &[String], written: &str) -> bool {
    let mut fields = Map::new();
    flatten(event, String::new(), &mut fields);
    let contains = |value: &Value| String::from_utf8(json::encode(value)).is_ok_and(|json| json.contains(written));
    let mut counted = names.iter().filter(|name| *name != "dedup_key");
    !written.is_empty() && counted.all(|name| fields.get(name).is_some_and(contains))
}

/// The fields of `value` that are different or absent in `other`.
fn differing(value: &Value, other: Option<&Value>, path: String, fields: &mut Vec<String>) {
    match value {
        _ if other == Some(value) => {}
        Value::Object(members) if !path.starts_with(DETAILS) => {
            for (name, member) in members {
                let other = other.and_then(|other| other.get(name));
                differing(member, other, text::join_nonempty(&[&path, name], "."), fields);
            }
        }
        Value::Array(items) if !path.starts_with(DETAILS) => {
            for (index, item) in items.iter().enumerate() {
                differing(item, other.and_then(|other| other.get(index)), format!("{path}[{index}]"), fields);
            }
        }
        _ => fields.push(path),
    }
}
