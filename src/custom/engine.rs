//! The engine, minijinja, as templates use it, and what its errors say in our words.
//!
//! The engine counts the steps. What it does not count by itself, [`hooks`](super::hooks) and [`cost`](super::cost) pay for.

use std::error::Error as _;
use std::ops::Range;
use std::sync::Arc;

use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};

use super::cost::{self, Work};
use super::filters;
use super::hooks::Hooked;
use super::methods;
use super::payload::{DEPTH_MAX, Limits, TOO_LONG, defined, to_text, undefined};

/// How deep calls and loops may be inside one another while a template runs. A call of a macro counts as six.
const RECURSION_MAX: usize = 60;

/// The mark in front of a name of the engine's templates that are one `{{ expression }}`, whose value is wanted.
pub(super) const VALUE: char = 'v';

/// The same of an expression that may be undefined.
pub(super) const CONDITION: char = 'c';

/// The same of all others, which are wanted as text.
pub(super) const TEXT: char = 't';

/// Where the formatter leaves the value.
pub(super) const KEPT: &str = "value";

/// Why a text comes to nothing, and which part of it is at fault.
pub(crate) struct Fault {
    pub(crate) part: Range<usize>,
    pub(crate) why: String,
    /// Whether `why` names the part itself.
    pub(crate) named: bool,
}

/// An environment without templates.
pub(super) fn environment<'e>(limits: &Arc<Limits>) -> Environment<'e> {
    let mut env = Environment::new();
    env.set_debug(true);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_recursion_limit(RECURSION_MAX);
    env.set_unknown_method_callback(methods::call);
    env.remove_global("debug");
    filters::register(&mut env, limits);
    cost::register(&mut env);
    let limits = limits.clone();
    env.set_formatter(move |out, state, value| format(&limits, out, state, value));
    env
}

/// Writes a value, or keeps it where the text is one expression.
fn format(limits: &Limits, out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() && state.name().starts_with(CONDITION) {
        state.set_temp(KEPT, Value::from(()));
        return Ok(());
    }
    if value.is_undefined() && !is_silent(value) {
        return Err(undefined(value));
    }
    if state.name().starts_with([CONDITION, VALUE]) {
        let items = value.as_object().and_then(|object| object.enumerator_len()).unwrap_or_default();
        state.consume_fuel(u64::try_from(items).unwrap_or(u64::MAX))?;
        if !value.is_undefined() {
            cost::pay(state, value, Work::Hold)?;
            // Here the engine still knows where an undefined part came from.
            defined(value, DEPTH_MAX)?;
        }
        state.set_temp(KEPT, if value.is_undefined() { Value::from(()) } else { value.clone() });
        return Ok(());
    }
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::None if limits.strict() => {
            Err(Error::new(ErrorKind::InvalidOperation, "is none, so alerts could be mixed up"))
        }
        _ => {
            if value.as_object().is_some() {
                cost::pay(state, value, Work::Write)?;
            }
            Ok(out.write_str(&to_text(value)?)?)
        }
    }
}

/// Whether an undefined value is that of an `if` without `else`, which is written as nothing. Only a strict environment
/// tells the two apart.
fn is_silent(value: &Value) -> bool {
    let mut strict = Environment::empty();
    strict.set_undefined_behavior(UndefinedBehavior::Strict);
    strict.empty_state().format(value.clone()).is_ok()
}

/// Whether the steps are used up.
pub(super) fn is_spent(error: &Error) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.kind() == ErrorKind::OutOfFuel {
            return true;
        }
        next = error.source().and_then(|source| source.downcast_ref());
    }
    false
}

/// What an error says, and about which part of the source. `hooked` is what the engine has of it.
pub(super) fn explain(error: &Error, source: &str, hooked: &Hooked) -> Fault {
    let whole = 0..source.len();
    let known = error
        .range()
        .map(|part| hooked.part(part))
        .filter(|part| source.get(part.clone()).is_some_and(|part| !part.is_empty()));
    let part = known.map_or(whole, |part| operand(source, part.start)..part.end);
    let detail = error.detail().unwrap_or_default();
    let unknown =
        |what: &str, name: &str| Fault { part: part.clone(), why: format!("unknown {what} `{name}`"), named: true };
    let about = |why: &str| Fault { part: part.clone(), why: why.to_owned(), named: false };
    if is_spent(error) {
        return about("the template needs too many steps");
    }
    // A part with a call in it has no name in the engine.
    if let Some(name) = undefined_name(detail).filter(|name| !name.starts_with("(...)")) {
        let part = occurrence(source, &part, name).unwrap_or(part.clone());
        return Fault { part, why: format!("`{name}` is undefined"), named: true };
    }
    match error.kind() {
        ErrorKind::UndefinedError => about("is undefined"),
        ErrorKind::UnknownFilter => unknown("filter", detail.split(' ').nth(1).unwrap_or_default()),
        ErrorKind::UnknownTest => unknown("test", detail.split(' ').nth(1).unwrap_or_default()),
        ErrorKind::UnknownFunction => unknown("function", detail.split(' ').next().unwrap_or_default()),
        ErrorKind::WriteFailure => about(TOO_LONG),
        ErrorKind::SyntaxError => Fault { part: tag(source, &part), ..about(&["cannot be parsed: ", detail].concat()) },
        // The engine repeats the numbers, and they may be the payload's.
        ErrorKind::InvalidOperation if detail.starts_with("unable to calculate") => about("cannot be calculated"),
        ErrorKind::InvalidOperation if !detail.is_empty() => about(detail),
        kind if detail.is_empty() => about(&kind.to_string()),
        kind => about(&format!("{kind}: {detail}")),
    }
}

/// The expression that was undefined, which the engine names as `` `a.b` is undefined ``.
fn undefined_name(detail: &str) -> Option<&str> {
    let (before, _) = detail.split_once("` is undefined")?;
    before.rsplit_once('`').map(|(_, name)| name)
}

/// Where the operand begins that `.name(…)` or `[…]` at this place belongs to.
fn operand(source: &str, at: usize) -> usize {
    let before = source.get(..at).unwrap_or_default();
    if !source.get(at..).is_some_and(|rest| rest.starts_with(['.', '[', '('])) {
        return at;
    }
    before.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.')).len()
}

/// Where an expression is in the tag that a part belongs to.
fn occurrence(source: &str, part: &Range<usize>, name: &str) -> Option<Range<usize>> {
    let start = open_tag(source, part.end);
    let tag = source.get(start..part.end.max(start))?;
    let ends_word =
        |at: usize| tag.get(at..).and_then(|rest| rest.chars().next()).is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let begins_word = |at: usize| {
        tag.get(..at)
            .and_then(|rest| rest.chars().next_back())
            .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '.'))
    };
    let found = |name: &str| {
        let mut places = tag.match_indices(name).map(|(at, _)| at);
        places.find(|at| begins_word(*at) && ends_word(at + name.len()))
    };
    let at = found(name).or_else(|| found(&name.replace('"', "'")))?;
    Some(start + at..start + at + name.len())
}

/// Where the inside of the tag begins that ends after `end`.
fn open_tag(source: &str, end: usize) -> usize {
    let before = source.get(..end).unwrap_or(source);
    before.rfind("{{").max(before.rfind("{%")).map_or(0, |at| at + 2)
}

/// The inside of the tag that a part belongs to. A part of a syntax error is one word of it.
fn tag(source: &str, part: &Range<usize>) -> Range<usize> {
    let start = open_tag(source, part.start.max(1));
    let rest = source.get(start..).unwrap_or_default();
    let end = ["}}", "%}"].iter().filter_map(|end| rest.find(end)).min().map_or(source.len(), |at| start + at);
    let inside = source.get(start..end).unwrap_or_default();
    start + (inside.len() - inside.trim_ascii_start().len())..start + inside.trim_ascii_end().len()
}
