//! Python's methods on texts, lists and objects, which pay for what they visit.

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat::unknown_method_callback;

use super::cost::{self, Work};
use super::payload::{TEXT_MAX_BYTES, TOO_LONG};

/// Calls a method that the value itself does not have.
///
/// # Errors
/// There is no such method, its arguments do not fit, or it takes more steps than are left.
pub(super) fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match method {
        // The engine pays for a text that a method is called on.
        "__relay_flat" | "__relay_sliced" => return cost::flat(state, value.clone()),
        _ => {}
    }
    args.iter().try_for_each(|arg| cost::pay(state, arg, Work::Write))?;
    let steps = |work: usize| u64::try_from(work / 64).unwrap_or(u64::MAX);
    match (value.as_str(), method, args) {
        // Every character is looked for in the characters.
        (Some(text), "strip" | "lstrip" | "rstrip", [chars]) => {
            state.consume_fuel(steps(text.len().saturating_mul(chars.as_str().map_or(0, str::len))))?;
        }
        (Some(text), "format", _) => {
            let width: usize = widths(text);
            if width > TEXT_MAX_BYTES {
                return Err(Error::new(ErrorKind::InvalidOperation, TOO_LONG));
            }
        }
        (None, "count", [wanted]) if value.kind() == ValueKind::Seq => {
            cost::pay(state, value, Work::Compare)?;
            cost::pay(state, wanted, Work::Compare)?;
        }
        _ => {}
    }
    let made = unknown_method_callback(state, value, method, args)?;
    cost::flat(state, made)
}

/// All numbers in a format: its widths and precisions are among them.
fn widths(format: &str) -> usize {
    let numbers = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.map(|digits| digits.parse().unwrap_or(usize::MAX)).fold(0, usize::saturating_add)
}
