//! What the engine does not count by itself, paid for before it is done.
//!
//! The engine counts its instructions and the bytes that it makes, but not what an operator visits inside of its operands: a
//! list of a thousand references to one long text is small for it. So [`hooks`](super::hooks) puts calls to what is here
//! around operands, literals and slices, and [`filters`](super::filters) pays in front of every filter, test, function and
//! method. A payment is in proportion to what is visited, and stops when the steps are used up. With it go three rules that
//! keep the stack small: a value that a template makes nests no deeper than [`DEPTH_MAX`], a namespace is in no other value,
//! and a list that the engine would work out later, item by item, is worked out before it becomes part of another.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::payload::{DEPTH_MAX, Json};

/// How many units are a step.
const UNITS: u64 = 64;

/// How many units it takes to look at a value, and to copy a reference to one, which stays in memory.
const NODE: u64 = 8;
const COPY: u64 = 16;

/// How many items a list may have that is added to as it is. The engine copies it after some additions.
const SUM_MAX_ITEMS: usize = 4096;

/// The longest text that is a key of an object that a template makes, in bytes. Every look-up compares keys.
const KEY_MAX_BYTES: usize = 4096;

/// The largest index of a list or a text, and the largest step of a slice. A component's numbers of bytes have 32 bits.
const INDEX_MAX: i64 = i32::MAX as i64;

/// How many bytes of a text are counted to find a place in it for one step.
const INDEX_BYTES: u64 = 64;

/// How many steps an index from the end takes: the engine counts the characters.
const INDEX_FROM_END: u64 = 64;

/// The work on values that is paid for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// They become part of another value.
    Hold,
    /// They are compared.
    Compare,
    /// They are written as text.
    Write,
}

fn fail<T>(why: &'static str) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why))
}

fn units(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Pays for a value and all that is in it.
///
/// # Errors
/// The steps are used up, the value nests too deep, or a namespace is inside of it.
pub(super) fn pay(state: &State<'_, '_>, value: &Value, work: Work) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None | ValueKind::Bool | ValueKind::Number => return Ok(()),
        _ => {}
    }
    let mut payment = Payment { state, work, open: 0 };
    payment.visit(value, DEPTH_MAX)?;
    payment.settle()
}

/// Pays for values that become part of one that is about to be made.
fn hold(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    pay(state, value, Work::Hold)?;
    if is_namespace(value) { fail("a namespace cannot be part of another value") } else { Ok(()) }
}

/// Units that are owed. They are paid in steps, before much is owed.
struct Payment<'s, 't, 'e> {
    state: &'s State<'t, 'e>,
    work: Work,
    open: u64,
}

impl Payment<'_, '_, '_> {
    fn owe(&mut self, units: u64) -> Result<(), Error> {
        self.open = self.open.saturating_add(units);
        if self.open >= UNITS { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<(), Error> {
        let steps = self.open / UNITS;
        self.open %= UNITS;
        if steps == 0 { Ok(()) } else { self.state.consume_fuel(steps) }
    }

    fn visit(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if let Some(json) = value.downcast_object_ref::<Json>() {
            return self.owe(match self.work {
                Work::Hold => NODE,
                Work::Compare => units(json.weight() / 4),
                Work::Write => units(json.weight()),
            });
        }
        if let Some(text) = value.as_str() {
            return self.owe(match self.work {
                Work::Hold => NODE,
                Work::Compare => NODE + units(text.len() / 16),
                Work::Write => NODE + units(text.len()),
            });
        }
        self.owe(NODE)?;
        let nests = matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map);
        if !nests {
            return Ok(());
        }
        if depth == 0 {
            return fail("nests too deep");
        }
        if depth < DEPTH_MAX && is_namespace(value) {
            return fail("a namespace cannot be part of another value");
        }
        let Some(object) = value.as_object() else { return Ok(()) };
        if value.kind() == ValueKind::Map {
            for (name, member) in object.try_iter_pairs().into_iter().flatten() {
                self.visit(&name, depth - 1)?;
                self.visit(&member, depth - 1)?;
            }
        } else {
            for item in object.try_iter().into_iter().flatten() {
                self.visit(&item, depth - 1)?;
            }
        }
        Ok(())
    }
}

/// Whether this is the engine's namespace: its one value that changes.
fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

/// A list that the engine would work out later, as one that it need not; another value as it is.
pub(super) fn flat(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    let Some(object) = value.as_object() else { return Ok(value) };
    let mut payment = Payment { state, work: Work::Hold, open: 0 };
    if value.kind() == ValueKind::Map && object.type_name().ends_with("::MergeDict") {
        let mut members = BTreeMap::new();
        for (name, member) in object.try_iter_pairs().into_iter().flatten() {
            payment.owe(4 * NODE)?;
            members.insert(name, member);
        }
        return Ok(Value::from_object(members));
    }
    let lazy = value.kind() == ValueKind::Iterable || object.type_name().ends_with("::MergeSeq");
    if !lazy {
        return Ok(value);
    }
    let mut items = Vec::new();
    for item in value.try_iter()?.checked() {
        payment.owe(COPY)?;
        items.push(item?);
    }
    payment.settle()?;
    Ok(Value::from_object(Flat(Arc::new(items))))
}

/// As [`flat`], of what may be added to. The engine looks after the depth of a sum of sums.
fn summand(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let sum = value.as_object().is_some_and(|object| object.type_name().ends_with("::MergeSeq"));
    let short = sum && value.len().is_some_and(|items| items <= SUM_MAX_ITEMS);
    match value.downcast_object::<Vec<Value>>() {
        _ if short => Ok(value.clone()),
        Some(items) => Ok(Value::from_object(Flat(items))),
        None => flat(state, value.clone()),
    }
}

/// A list that is paid for. The engine would charge each filter that only hands it on for all its items.
#[derive(Debug)]
struct Flat(Arc<Vec<Value>>);

impl Object for Flat {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// The filters and functions that only [`hooks`](super::hooks) writes into a template.
pub(super) fn register(env: &mut Environment<'_>) {
    type Given<'v> = &'v Value;
    env.add_filter("__relay_compare", |state: &State<'_, '_>, value: Given<'_>| {
        pay(state, value, Work::Compare).map(|()| value.clone())
    });
    env.add_filter("__relay_write", |state: &State<'_, '_>, value: Given<'_>| {
        pay(state, value, Work::Write).map(|()| value.clone())
    });
    env.add_filter("__relay_flat", |state: &State<'_, '_>, value: Given<'_>| summand(state, value));
    // The engine pays for a text that goes through a filter, and a loop counts its characters.
    env.add_filter("__relay_run", |value: Given<'_>| value.clone());
    env.add_filter("__relay_scalar", |value: Given<'_>| match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            fail("a list is repeated inside of another operation; put brackets around it")
        }
        _ => Ok(value.clone()),
    });
    env.add_filter("__relay_index", |state: &State<'_, '_>, key: Given<'_>, _: u32| index(state, key));
    env.add_filter("__relay_step", |step: Given<'_>| match step.as_i64() {
        Some(number) if number.unsigned_abs() <= INDEX_MAX.unsigned_abs() => Ok(step.clone()),
        None if step.is_none() => Ok(step.clone()),
        _ => fail("the step of a slice is too large, or is no number"),
    });
    env.add_function("__relay_made", made);
    env.add_function("__relay_kept", |state: &State<'_, '_>, value: Given<'_>| match is_namespace(value) {
        true => fail("a namespace cannot be part of another value"),
        false => summand(state, value),
    });
    env.add_function("__relay_unpacked", |state: &State<'_, '_>, value: Given<'_>| {
        let value = flat(state, value.clone())?;
        pay(state, &value, Work::Compare).map(|()| value)
    });
}

/// Pays for the way to an index of a text, which is as long as the index.
fn index(state: &State<'_, '_>, key: &Value) -> Result<Value, Error> {
    if let Some(number) = key.as_i64() {
        if number.unsigned_abs() > INDEX_MAX.unsigned_abs() {
            return fail("the index is too large");
        }
        state.consume_fuel(if number < 0 { INDEX_FROM_END } else { number.unsigned_abs() / INDEX_BYTES })?;
    }
    Ok(key.clone())
}

/// A list, an object or a tuple that a template wrote.
pub(super) fn made(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    let Some(object) = value.as_object() else { return Ok(value.clone()) };
    if value.kind() == ValueKind::Map {
        for (name, member) in object.try_iter_pairs().into_iter().flatten() {
            key(&name)?;
            hold(state, &member)?;
        }
    } else {
        for item in object.try_iter().into_iter().flatten() {
            hold(state, &item)?;
        }
    }
    // With the level that is made.
    pay(state, value, Work::Hold).map(|()| value.clone())
}

fn key(name: &Value) -> Result<(), Error> {
    match name.kind() {
        ValueKind::String if name.as_str().is_some_and(|name| name.len() > KEY_MAX_BYTES) => {
            fail("a name in an object is longer than 4 kib")
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => fail("a name in an object is a list or an object"),
        _ => Ok(()),
    }
}

/// The arguments of a call, paid for.
pub(super) fn arguments(state: &State<'_, '_>, args: Rest<ValueOrKwargs>, work: Work) -> Result<Vec<Value>, Error> {
    let args: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
    args.iter().try_for_each(|arg| pay(state, arg, work))?;
    Ok(args)
}
