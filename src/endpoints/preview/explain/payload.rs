//! The parts of a payload: finds them, changes them, and looks them up again.
//!
//! Some senders put JSON inside a text. Here such a text is unfolded: it is an object whose only member is [`INNER`].

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::json;
use crate::mapping;
use crate::text;

/// The member of an unfolded text. No vendor has one of this name, and a payload that does only loses its explanation.
const INNER: &str = "\u{0}json";

/// How many texts inside each other are unfolded. Each level of nesting takes stack.
const INNER_MAX: usize = 2;

/// The most parts of a payload that are examined one by one. In a larger payload, all items of a list count as one.
/// Then the limit for the search, in values, and the longest path of a part, in bytes.
const PARTS_MAX: usize = 400;
const WALKED_MAX: usize = 20_000;
const NAME_MAX_BYTES: usize = 512;

/// The main list of a payload takes up at least one part of this many, and is not deeper than this.
const MAIN_SHARE: usize = 4;
const LIST_DEPTH_MAX: usize = 6;

/// A part of a payload that contains no other part.
pub(super) struct PayloadPart {
    /// Its path, as people write it.
    pub(super) name: String,
    pub(super) path: Vec<PathStep>,
    pub(super) value: Value,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PathStep {
    /// All items of a list.
    All,
    Index(usize),
    Name(String),
}

/// All parts of a payload. If `many` is set, all items of a list share their parts.
pub(super) struct Walk<'a> {
    pub(super) many: bool,
    pub(super) parts: Vec<PayloadPart>,
    /// The list of which the payload has only one item, and that item's number in the list.
    only: Option<&'a Item>,
    seen: BTreeSet<String>,
    /// How many more values may be visited.
    left: usize,
    /// Whether the payload has more parts than were visited.
    pub(super) cut: bool,
}

impl<'a> Walk<'a> {
    /// The parts of `payload`, which has only one item of a list if `only` is given. If there are too many of them, the
    /// items of a list count as one.
    pub(super) fn over(payload: &Value, only: Option<&'a Item>) -> Walk<'a> {
        let walk = |many| {
            let mut walk = Walk { many, parts: Vec::new(), only, seen: BTreeSet::new(), left: WALKED_MAX, cut: false };
            walk.visit(payload, String::new(), &mut Vec::new());
            walk
        };
        Some(walk(false)).filter(|walk| !walk.cut).unwrap_or_else(|| walk(true))
    }

    fn visit(&mut self, value: &Value, name: String, path: &mut Vec<PathStep>) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || self.parts.len() > PARTS_MAX || name.len() > NAME_MAX_BYTES {
            self.cut = true;
            return;
        }
        let (many, only) = (self.many, self.only);
        let mut below = |value: &Value, name: String, step: PathStep| {
            path.push(step);
            self.visit(value, name, path);
            path.pop();
        };
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    if member == INNER {
                        below(value, name.clone(), PathStep::Name(member.clone()));
                        continue;
                    }
                    // Longer names are cut off in the next call, and joining them would take too long.
                    let shown = member.get(..member.floor_char_boundary(NAME_MAX_BYTES)).unwrap_or_default();
                    below(value, text::join_nonempty(&[&name, shown], "."), PathStep::Name(member.clone()));
                }
            }
            Value::Array(items) => {
                let first = only.filter(|only| only.list == name).map_or(0, |only| only.index);
                for (index, item) in items.iter().enumerate() {
                    match many && items.len() > 1 {
                        true => below(item, format!("{name}[]"), PathStep::All),
                        false => below(item, format!("{name}[{}]", first + index), PathStep::Index(index)),
                    }
                }
            }
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(_) => self.add(value, name, path),
            // A `null` can decide too, for example a missing end time.
            Value::Bool(_) | Value::Null | Value::Number(_) => self.add(value, name, path),
        }
    }

    fn add(&mut self, value: &Value, name: String, path: &[PathStep]) {
        if self.seen.insert(name.clone()) {
            self.parts.push(PayloadPart { name, path: path.to_vec(), value: value.clone() });
        }
    }
}

/// A list in a payload.
pub(super) struct List {
    /// Its path, as people write it.
    name: String,
    path: Vec<PathStep>,
}

/// An item of a list in a payload.
pub(super) struct Item {
    /// The list's name.
    list: String,
    /// The item's number, from 0.
    pub(super) index: usize,
}

/// The list of a payload with the most values, if it has a large part of them and more than one item. Lists inside others
/// are not considered.
pub(super) fn main_list(payload: &Value) -> Option<List> {
    let mut largest: Option<(usize, List)> = None;
    let mut open = vec![(payload, List { name: String::new(), path: Vec::new() })];
    while let Some((value, at)) = open.pop() {
        match value {
            Value::Array(items) if items.len() > 1 => {
                let size = values(value);
                if largest.as_ref().is_none_or(|(known, _)| *known < size) {
                    largest = Some((size, at));
                }
            }
            Value::Object(members) if at.path.len() < LIST_DEPTH_MAX => {
                for (member, value) in members.iter().filter(|(_, value)| value.is_array() || value.is_object()) {
                    let shown = if member == INNER { "" } else { member };
                    let path = at.path.iter().cloned().chain([PathStep::Name(member.clone())]).collect();
                    open.push((value, List { name: text::join_nonempty(&[&at.name, shown], "."), path }));
                }
            }
            _ => {}
        }
    }
    let (size, list) = largest?;
    (size * MAIN_SHARE > values(payload)).then_some(list)
}

/// How many values a value consists of.
pub(super) fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(values).sum::<usize>() + 1,
        Value::Object(members) => members.values().map(values).sum::<usize>() + 1,
        _ => 1,
    }
}

impl List {
    /// The payload with only one item of this list. Returns `None` if the list has no such item.
    pub(super) fn only(&self, payload: &Value, index: usize) -> Option<(Value, Item)> {
        let payload = with_only(payload, &self.path, index)?;
        Some((payload, Item { list: self.name.clone(), index }))
    }
}

fn with_only(value: &Value, path: &[PathStep], index: usize) -> Option<Value> {
    let Some((PathStep::Name(name), rest)) = path.split_first() else {
        return Some(Value::Array(vec![value.as_array()?.get(index)?.clone()]));
    };
    let mut members = Map::new();
    for (member, value) in value.as_object()? {
        let value = if member == name { with_only(value, rest, index)? } else { value.clone() };
        members.insert(member.clone(), value);
    }
    Some(Value::Object(members))
}

/// Whether a payload has texts to unfold.
pub(super) fn can_unfold(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(can_unfold),
        Value::Object(members) => members.values().any(can_unfold),
        Value::String(text) => text.trim_start().starts_with(['{', '[']),
        _ => false,
    }
}

/// Unfolds the texts that contain a JSON object or list, as Amazon SNS sends it. Returns whether there are any.
pub(super) fn unfold(value: &mut Value) -> bool {
    unfold_within(value, INNER_MAX)
}

fn unfold_within(value: &mut Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| unfold_within(item, levels) | any),
        Value::Object(members) => members.values_mut().fold(false, |any, member| unfold_within(member, levels) | any),
        Value::String(text) if levels > 0 && text.trim_start().starts_with(['{', '[']) => {
            let Ok(mut inner) = mapping::parse(text.as_bytes()) else { return false };
            unfold_within(&mut inner, levels - 1);
            *value = json::object([(INNER, inner)]);
            true
        }
        _ => false,
    }
}

/// The payload as it is sent, with texts in place of what they contain.
pub(super) fn fold(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(fold),
        Value::Object(members) => {
            members.values_mut().for_each(fold);
            if let Some(inner) = members.get(INNER) {
                *value = String::from_utf8(json::encode(inner)).unwrap_or_default().into();
            }
        }
        _ => {}
    }
}

/// Changes the value at a path.
pub(super) fn edit(value: &mut Value, path: &[PathStep], how: &dyn Fn(&mut Value)) {
    let Some((step, rest)) = path.split_first() else { return how(value) };
    match step {
        PathStep::All => value.as_array_mut().into_iter().flatten().for_each(|item| edit(item, rest, how)),
        PathStep::Index(index) => value.get_mut(*index).into_iter().for_each(|item| edit(item, rest, how)),
        PathStep::Name(name) => value.get_mut(name).into_iter().for_each(|member| edit(member, rest, how)),
    }
}

/// Removes the member at a path. An item of a list becomes `null`, so that the others keep their numbers.
pub(super) fn remove(value: &mut Value, path: &[PathStep]) {
    let Some((PathStep::Name(name), above)) = path.split_last() else {
        return edit(value, path, &|value| *value = Value::Null);
    };
    edit(value, above, &|value| {
        if let Some(members) = value.as_object_mut() {
            members.remove(name);
        }
    });
}

/// Changes a value slightly. Different values stay different.
pub(super) fn mark(value: &mut Value) {
    match value {
        Value::String(text) => *text = changed(text),
        Value::Bool(flag) => *flag = !*flag,
        Value::Number(number) => {
            *value = match number.as_u64() {
                Some(number) => number.wrapping_add(1).into(),
                None => (number.as_f64().unwrap_or_default() + 1.0).into(),
            }
        }
        Value::Null => *value = "~".into(),
        Value::Array(_) | Value::Object(_) => {}
    }
}

/// A text with a slight change.
pub(super) fn changed(text: &str) -> String {
    [text, "~"].concat()
}

/// Finds a value with the same text as `wanted`, at a path that may match many positions.
pub(super) fn found_in(value: &Value, path: &[PathStep], wanted: &Value) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else {
        return (shown(value) == shown(wanted)).then(|| value.clone());
    };
    match step {
        PathStep::All => value.as_array()?.iter().find_map(|item| found_in(item, rest, wanted)),
        PathStep::Index(index) => found_in(value.get(*index)?, rest, wanted),
        PathStep::Name(name) => found_in(value.get(name)?, rest, wanted),
    }
}

/// A scalar as text.
pub(super) fn shown(value: &Value) -> String {
    json::Node::root(value).text().unwrap_or_default()
}

/// The longest path that contains all of these, and its value.
pub(super) fn common<'v>(names: &[&str], payload: &'v Value) -> Option<(String, &'v Value)> {
    let first = names.first()?;
    let ends = first.char_indices().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at).rev();
    let above = ends.filter_map(|end| first.get(..end));
    let holds = |above: &&str| {
        let below = |name: &&str| name.strip_prefix(*above).is_some_and(|rest| rest.starts_with(['.', '[']));
        names.iter().all(below)
    };
    let above = above.into_iter().find(holds)?;
    let path: String = above.chars().filter(|c| *c != ']').map(|c| if c == '[' { '.' } else { c }).collect();
    Some((above.to_owned(), json::Node::root(payload).at(&path).value()?))
}
