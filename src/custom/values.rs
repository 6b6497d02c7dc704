//! What expressions do with values: JSON, as Jinja reads it.

use std::borrow::Cow;

use minijinja::machinery::ast::{BinOpKind, CompareOpKind};
use serde_json::Value;

use crate::json;

/// The longest text that an expression makes, in bytes, and the longest list.
pub(super) const TEXT_MAX_BYTES: usize = 64 * 1024;
const LIST_MAX_ITEMS: usize = 10_000;

/// What is said of a text that is too long.
pub(super) const TOO_LONG: &str = "makes more than 64 kib of text";

/// Whether a value counts as true.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A value as text: a text as it is, nothing for `none`, lists and objects as JSON.
pub(super) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Null => "".into(),
        other => String::from_utf8(json::encode(other)).unwrap_or_default().into(),
    }
}

/// Roughly the bytes of a value. Working on it takes a step for each so many of them.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => items.iter().map(weight).fold(8, usize::saturating_add),
        Value::Object(members) => {
            members.iter().fold(8, |sum, (name, member)| sum.saturating_add(name.len() + weight(member)))
        }
    }
}

/// A member of an object, whoever owns it.
pub(super) fn member<'v>(value: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match value {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(name).map(|member| Cow::Owned(member.take())),
    }
}

/// A member or an item, from the end where the place is negative.
pub(super) fn at<'v>(value: Cow<'v, Value>, place: &Value) -> Option<Cow<'v, Value>> {
    if let (Value::String(text), Some(place)) = (&*value, place.as_i64()) {
        let c = text.chars().nth(bound(place, text.chars().count())?)?;
        return Some(Cow::Owned(c.to_string().into()));
    }
    let Some(items) = value.as_array() else { return member(value, &text_of(place)) };
    let index = bound(place.as_i64()?, items.len())?;
    match value {
        Cow::Borrowed(value) => value.get(index).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(index).map(|item| Cow::Owned(item.take())),
    }
}

/// A place in a list of this length, counted from its end where it is negative; nothing before its beginning.
fn bound(place: i64, length: usize) -> Option<usize> {
    match usize::try_from(place) {
        Ok(place) => Some(place),
        Err(_) => length.checked_sub(usize::try_from(place.unsigned_abs()).ok()?),
    }
}

/// A part of a list, or of a text by its characters.
pub(super) fn part(value: &Value, start: Option<i64>, stop: Option<i64>) -> Result<Value, &'static str> {
    let range = |length: usize| {
        let start = start.map_or(0, |start| bound(start, length).unwrap_or_default()).min(length);
        let stop = stop.map_or(length, |stop| bound(stop, length).unwrap_or_default()).min(length);
        (start, stop.saturating_sub(start))
    };
    match value {
        Value::Array(items) => {
            let (start, count) = range(items.len());
            Ok(items.iter().skip(start).take(count).cloned().collect::<Vec<Value>>().into())
        }
        Value::String(text) => {
            let (start, count) = range(text.chars().count());
            Ok(text.chars().skip(start).take(count).collect::<String>().into())
        }
        _ => Err("is no part of a list or text"),
    }
}

pub(super) fn arithmetic(kind: BinOpKind, left: &Value, right: &Value) -> Result<Value, &'static str> {
    match (kind, left, right) {
        (BinOpKind::Concat, ..) | (BinOpKind::Add, Value::String(_), Value::String(_)) => {
            let whole = [text_of(left), text_of(right)].concat();
            return if whole.len() > TEXT_MAX_BYTES { Err(TOO_LONG) } else { Ok(whole.into()) };
        }
        (BinOpKind::Add, Value::Array(left), Value::Array(right)) => {
            if left.len() + right.len() > LIST_MAX_ITEMS {
                return Err("makes a list of more than 10000 items");
            }
            return Ok(left.iter().chain(right).cloned().collect::<Vec<Value>>().into());
        }
        _ => {}
    }
    let divides = matches!(kind, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem);
    if divides && right.as_f64() == Some(0.0) {
        return Err("divides by zero");
    }
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let whole = match kind {
            BinOpKind::Add => left.checked_add(right),
            BinOpKind::Sub => left.checked_sub(right),
            BinOpKind::Mul => left.checked_mul(right),
            // Rounded down, and the rest has the divisor's sign.
            BinOpKind::FloorDiv | BinOpKind::Rem => {
                let (whole, rest) = (left.checked_div(right), left.checked_rem(right));
                let off = rest.is_some_and(|rest| rest != 0 && (rest < 0) != (right < 0));
                match (kind, off) {
                    (BinOpKind::FloorDiv, false) => whole,
                    (BinOpKind::FloorDiv, true) => whole.and_then(|whole| whole.checked_sub(1)),
                    (_, false) => rest,
                    (_, true) => rest.and_then(|rest| rest.checked_add(right)),
                }
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(whole.into());
        }
    }
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else {
        return Err("cannot be done with these values");
    };
    let number = match kind {
        BinOpKind::Add => left + right,
        BinOpKind::Sub => left - right,
        BinOpKind::Mul => left * right,
        BinOpKind::Div => left / right,
        BinOpKind::FloorDiv => (left / right).floor(),
        BinOpKind::Rem => left - right * (left / right).floor(),
        _ => return Err("is not known here"),
    };
    if number.is_finite() { Ok(number.into()) } else { Err("is no number") }
}

pub(super) fn compare(kind: CompareOpKind, left: &Value, right: &Value) -> Result<bool, &'static str> {
    let order = || match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
    };
    let ordered = |test: &dyn Fn(std::cmp::Ordering) -> bool| match order() {
        Some(order) => Ok(test(order)),
        None => Err("compares what has no order"),
    };
    let within = || match right {
        Value::Array(items) => Ok(items.iter().any(|item| equal(item, left))),
        Value::Object(members) => Ok(members.contains_key(&*text_of(left))),
        Value::String(text) => Ok(left.as_str().is_some_and(|part| part.is_empty() || text.contains(part))),
        _ => Err("looks into what is no list, object or text"),
    };
    match kind {
        CompareOpKind::Eq => Ok(equal(left, right)),
        CompareOpKind::Ne => Ok(!equal(left, right)),
        CompareOpKind::Lt => ordered(&|order| order.is_lt()),
        CompareOpKind::Lte => ordered(&|order| order.is_le()),
        CompareOpKind::Gt => ordered(&|order| order.is_gt()),
        CompareOpKind::Gte => ordered(&|order| order.is_ge()),
        CompareOpKind::In => within(),
        CompareOpKind::NotIn => within().map(|within| !within),
    }
}

/// Equality by value: `1` is `1.0`.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        // Ids can be larger than what a float tells apart.
        (Value::Number(_), Value::Number(_)) => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left.as_f64() == right.as_f64(),
        },
        _ => left == right,
    }
}

/// A whole number, whichever kind it is of.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}
