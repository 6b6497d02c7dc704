//! The parts of a payload: finds them, changes them, and looks them up again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::json;
use crate::mapping;
use crate::text;

/// The most parts of a payload that are examined one by one. In a larger payload, all items of a list count as one.
/// Then the limit for the search, in values, and the longest path of a part, in bytes.
const PARTS_MAX: usize = 200;
const WALKED_MAX: usize = 20_000;
const NAME_MAX_BYTES: usize = 512;

/// A part of a payload that contains no other part.
pub(super) struct PayloadPart {
    /// Its path, as people write it.
    pub(super) name: String,
    pub(super) path: Vec<PathStep>,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum PathStep {
    /// All items of a list.
    All,
    Index(usize),
    Name(String),
    /// The JSON inside a text.
    Text,
}

/// All parts of a payload. If `many` is set, all items of a list share their parts.
pub(super) struct Walk {
    pub(super) many: bool,
    pub(super) parts: Vec<PayloadPart>,
    seen: BTreeSet<String>,
    /// How many more values may be visited.
    left: usize,
    /// Whether the payload has more parts than were visited.
    pub(super) cut: bool,
}

impl Walk {
    pub(super) fn over(payload: &Value, many: bool) -> Walk {
        let mut walk = Walk { many, parts: Vec::new(), seen: BTreeSet::new(), left: WALKED_MAX, cut: false };
        walk.visit(payload, String::new(), &mut Vec::new());
        walk
    }

    fn visit(&mut self, value: &Value, name: String, path: &mut Vec<PathStep>) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 || self.parts.len() > PARTS_MAX || name.len() > NAME_MAX_BYTES {
            self.cut = true;
            return;
        }
        let many = self.many;
        let mut below = |value: &Value, name: String, step: PathStep| {
            path.push(step);
            self.visit(value, name, path);
            path.pop();
        };
        match value {
            Value::Object(members) => {
                for (member, value) in members {
                    // Longer names are cut off in the next call, and joining them would take too long.
                    let shown = member.get(..member.floor_char_boundary(NAME_MAX_BYTES)).unwrap_or_default();
                    below(value, text::join_nonempty(&[&name, shown], "."), PathStep::Name(member.clone()));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    match many {
                        true => below(item, format!("{name}[]"), PathStep::All),
                        false => below(item, format!("{name}[{index}]"), PathStep::Index(index)),
                    }
                }
            }
            Value::String(text) => match inner(text) {
                Some(inner) => below(&inner, name, PathStep::Text),
                None if text.trim().is_empty() => {}
                None => self.add(value, name, path),
            },
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

/// Parses a text that contains a JSON object or list, as Amazon SNS sends it.
pub(super) fn inner(text: &str) -> Option<Value> {
    let json = text.trim_start().starts_with(['{', '[']);
    json.then(|| mapping::parse(text.as_bytes()).ok()).flatten()
}

/// Changes the value at a path.
pub(super) fn edit(value: &mut Value, path: &[PathStep], how: &dyn Fn(&mut Value)) {
    let Some((step, rest)) = path.split_first() else { return how(value) };
    match step {
        PathStep::All => value.as_array_mut().into_iter().flatten().for_each(|item| edit(item, rest, how)),
        PathStep::Index(index) => value.get_mut(*index).into_iter().for_each(|item| edit(item, rest, how)),
        PathStep::Name(name) => value.get_mut(name).into_iter().for_each(|member| edit(member, rest, how)),
        PathStep::Text => {
            if let Some(mut held) = value.as_str().and_then(inner) {
                edit(&mut held, rest, how);
                *value = String::from_utf8(json::encode(&held)).unwrap_or_default().into();
            }
        }
    }
}

/// Changes a value slightly. Different values stay different.
pub(super) fn mark(value: &mut Value) {
    match value {
        Value::String(text) => text.push('~'),
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

/// Finds a value with the same text as `wanted`, at a path that may match many positions.
pub(super) fn found_in(value: &Value, path: &[PathStep], wanted: &Value) -> Option<Value> {
    let Some((step, rest)) = path.split_first() else {
        return (shown(value) == shown(wanted)).then(|| value.clone());
    };
    match step {
        PathStep::All => value.as_array()?.iter().find_map(|item| found_in(item, rest, wanted)),
        PathStep::Index(index) => found_in(value.get(*index)?, rest, wanted),
        PathStep::Name(name) => found_in(value.get(name)?, rest, wanted),
        PathStep::Text => found_in(&inner(value.as_str()?)?, rest, wanted),
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
