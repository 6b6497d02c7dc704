//! Bodies of any size, made from fixtures: the shapes that cost most for their bytes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// How a body grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every list repeats its items, so that all events of an item have one key.
    OneKey,
    /// Every list repeats its items, with other ids in each.
    ManyKeys,
    /// Every list repeats its items, and the longest text outside the lists is as long as half the body.
    SharedText,
    /// The longest text is as long as the body.
    LongText,
    /// All texts are long and almost the same, which is slow for a naive search of one in another.
    AlmostEqual,
    /// Every object has more members.
    Members,
    /// A member holds lists in lists, to the deepest that is accepted, over and over.
    Nesting,
    /// Every number has more digits.
    Digits,
    /// Names of members are long.
    LongNames,
}

impl Shape {
    pub const ALL: [Shape; 9] = [
        Shape::OneKey,
        Shape::ManyKeys,
        Shape::SharedText,
        Shape::LongText,
        Shape::AlmostEqual,
        Shape::Members,
        Shape::Nesting,
        Shape::Digits,
        Shape::LongNames,
    ];

    /// A body that grows from `seed` by as many times `unit` bytes. Whatever grows, such as the items of a list or the
    /// length of a text, is exactly as many times as large or as many. Returns `None` if the seed is larger than `unit`
    /// bytes, or has nothing that could grow like this.
    pub fn grow(self, seed: &Value, unit: usize, times: usize) -> Option<Vec<u8>> {
        let unit = unit.checked_sub(seed.to_string().len())?;
        let room = unit * times;
        let mut body = seed.clone();
        match self {
            Shape::OneKey => repeat(&mut body, unit, times, false)?,
            Shape::ManyKeys => repeat(&mut body, unit, times, true)?,
            Shape::SharedText => {
                let shared = longest(seed, false)?;
                repeat(&mut body, unit / 2, times, true)?;
                *body.pointer_mut(&shared)? = words(room / 2).into();
            }
            Shape::LongText => *body.pointer_mut(&longest(seed, true)?)? = words(room).into(),
            Shape::AlmostEqual => {
                let texts = leaves(seed, true, &Value::is_string);
                let share = room / texts.len().max(1);
                for (index, path) in texts.iter().enumerate() {
                    let text = "a".repeat(share.saturating_sub(index % 7)) + if index % 2 == 0 { "b" } else { "" };
                    *body.pointer_mut(path)? = text.into();
                }
            }
            Shape::Members => {
                let objects = leaves(seed, true, &Value::is_object);
                let each = (unit / objects.len().max(1) / 20).max(1) * times;
                for path in &objects {
                    let object = body.pointer_mut(path)?.as_object_mut()?;
                    object.extend((0..each).map(|n| (format!("m{n:06}"), json!("value {n}"))));
                }
            }
            Shape::Nesting => {
                let deep = (0..100).fold(Value::Null, |inner, _| json!([inner]));
                let list = vec![deep; (unit / 206).max(1) * times];
                body.as_object_mut()?.insert("extra".to_owned(), list.into());
            }
            Shape::Digits => {
                let numbers = leaves(seed, true, &Value::is_number);
                let share = room.checked_div(numbers.len())?;
                // Made as a text: a number of this length cannot be held as one.
                for (index, path) in numbers.iter().enumerate() {
                    *body.pointer_mut(path)? = format!("@{index}@").into();
                }
                let mut text = body.to_string();
                for index in 0..numbers.len() {
                    text = text.replace(&format!("\"@{index}@\""), &format!("{}{}", index + 1, "7".repeat(share)));
                }
                return Some(text.into_bytes());
            }
            Shape::LongNames => {
                let object = body.as_object_mut()?;
                let name = |n: usize| format!("{n}{}", "n".repeat(room / 8));
                object.extend((0..8).map(|n| (name(n), json!(n))));
            }
        }
        Some(body.to_string().into_bytes())
    }
}

/// A form of about `bytes` bytes: its last value is long, or it has more fields.
pub fn grow_form(seed: &str, bytes: usize, long: bool) -> Vec<u8> {
    let mut form = seed.trim_end().to_owned();
    if long {
        form.push_str(&"word+%26+".repeat(bytes.saturating_sub(form.len()) / 9));
    } else {
        let mut n = 0;
        while form.len() < bytes {
            form.push_str(&format!("&f{n}=value+{n}"));
            n += 1;
        }
    }
    form.into_bytes()
}

fn words(bytes: usize) -> String {
    let mut words = "the disk of db-1 is 97 % full, see https://wiki.example/disk. ".repeat(bytes / 62 + 1);
    words.truncate(bytes);
    words
}

/// The JSON pointers of the values that `wanted` accepts; inside lists too, if `inside`.
fn leaves(value: &Value, inside: bool, wanted: &dyn Fn(&Value) -> bool) -> Vec<String> {
    fn walk(value: &Value, path: &str, inside: bool, wanted: &dyn Fn(&Value) -> bool, found: &mut Vec<String>) {
        if wanted(value) {
            found.push(path.to_owned());
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    walk(member, &format!("{path}/{name}"), inside, wanted, found);
                }
            }
            Value::Array(items) if inside => {
                for (index, item) in items.iter().enumerate() {
                    walk(item, &format!("{path}/{index}"), inside, wanted, found);
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", inside, wanted, &mut found);
    found
}

/// The pointer of the longest text.
fn longest(seed: &Value, inside: bool) -> Option<String> {
    let texts = leaves(seed, inside, &Value::is_string);
    texts.into_iter().max_by_key(|path| seed.pointer(path).and_then(Value::as_str).map(str::len))
}

/// Repeats the items of the outermost list of objects until they have about `unit` bytes, and all that as many times.
fn repeat(body: &mut Value, unit: usize, times: usize, distinct: bool) -> Option<()> {
    let lists: Vec<String> = leaves(body, true, &Value::is_array);
    let full = |path: &&String| {
        let items = body.pointer(path).and_then(Value::as_array);
        items.is_some_and(|items| items.iter().any(Value::is_object))
    };
    // The outermost list, so that each repetition has the lists inside.
    let path = lists.iter().find(full)?.clone();
    let items = body.pointer(&path)?.as_array()?.clone();
    let size = Value::from(items.clone()).to_string().len().max(1);
    let times = (unit / size).max(1) * times;
    let list = body.pointer_mut(&path)?.as_array_mut()?;
    for n in 1..times {
        list.extend(items.iter().map(|item| if distinct { renamed(item, n, &ids(item)) } else { item.clone() }));
    }
    Some(())
}

/// The names of members that may identify an item.
fn ids(item: &Value) -> BTreeSet<String> {
    let words = ["id", "fingerprint", "name", "key", "host", "subject", "uid", "number", "instance"];
    let names = |object: &Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
    let all = leaves(item, true, &Value::is_object);
    let all = all.iter().filter_map(|path| item.pointer(path)?.as_object()).flat_map(names);
    all.filter(|name| words.iter().any(|word| name.to_ascii_lowercase().ends_with(word))).collect()
}

/// A copy of an item with other ids.
fn renamed(item: &Value, n: usize, ids: &BTreeSet<String>) -> Value {
    match item {
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| {
                let value = match value {
                    Value::String(text) if ids.contains(name) => format!("{text}{n}").into(),
                    Value::Number(number) if ids.contains(name) => {
                        number.as_u64().map_or_else(|| value.clone(), |number| (number.wrapping_add(n as u64)).into())
                    }
                    value => renamed(value, n, ids),
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(one).collect())
        }
        Value::Array(items) => items.iter().map(|item| renamed(item, n, ids)).collect(),
        value => value.clone(),
    }
}
