//! The filters with regular expressions. A pattern's size, and the work it takes, are bounded.

use minijinja::{Error, ErrorKind, State, Value};
use regex_lite::{Captures, Regex, RegexBuilder};

use super::payload::{TEXT_MAX_BYTES, TOO_LONG};

/// The longest pattern, in bytes.
const PATTERN_MAX_BYTES: usize = 500;

/// The largest compiled pattern, in bytes: `a{9999}` is short, and large.
const COMPILED_MAX_BYTES: usize = 32 * 1024;

/// How deep the groups of a pattern may nest.
const GROUPS_MAX: u32 = 30;

/// How many bytes of a text times bytes of a pattern cost one step.
const STEP_BYTES: usize = 64;

fn fail<T>(why: impl Into<std::borrow::Cow<'static, str>>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why))
}

/// Compiles a pattern and pays for running it over a text.
fn compile(state: &State<'_, '_>, pattern: &str, text: &str) -> Result<Regex, Error> {
    if pattern.len() > PATTERN_MAX_BYTES {
        return fail("the pattern is longer than 500 bytes");
    }
    let repeats = pattern.matches('{').count();
    let work = (pattern.len() + 100 * repeats + 1).saturating_mul(text.len() + PATTERN_MAX_BYTES);
    state.consume_fuel(u64::try_from(work / STEP_BYTES).unwrap_or(u64::MAX))?;
    let built = RegexBuilder::new(pattern).size_limit(COMPILED_MAX_BYTES).nest_limit(GROUPS_MAX).build();
    built.or_else(|error| fail(format!("the pattern is not valid: {error}")))
}

/// Whether the text begins with what the pattern describes, as Python's `re.match`.
pub(super) fn matches(state: &State<'_, '_>, text: String, pattern: String) -> Result<bool, Error> {
    // First by itself: `a)(b` is valid only inside a group.
    compile(state, &pattern, "")?;
    let anchored = [r"\A(?:", &pattern, ")"].concat();
    Ok(compile(state, &anchored, &text)?.is_match(&text))
}

pub(super) fn search(state: &State<'_, '_>, text: String, pattern: String) -> Result<bool, Error> {
    Ok(compile(state, &pattern, &text)?.is_match(&text))
}

pub(super) fn findall(state: &State<'_, '_>, text: String, pattern: String) -> Result<Vec<Value>, Error> {
    let regex = compile(state, &pattern, &text)?;
    let group =
        |captures: &Captures<'_>, index: usize| Value::from(captures.get(index).map_or("", |found| found.as_str()));
    let mut found = Vec::new();
    for captures in regex.captures_iter(&text) {
        state.consume_fuel(2)?;
        // As in Python: the match, or its only group, or all of its groups.
        found.push(match captures.len() {
            1 => group(&captures, 0),
            2 => group(&captures, 1),
            groups => (1..groups).map(|index| group(&captures, index)).collect::<Vec<Value>>().into(),
        });
    }
    Ok(found)
}

pub(super) fn replace(state: &State<'_, '_>, text: String, pattern: String, with: String) -> Result<String, Error> {
    let regex = compile(state, &pattern, &text)?;
    let with = replacement(&with)?;
    let mut whole = String::new();
    let mut done = 0;
    for captures in regex.captures_iter(&text) {
        state.consume_fuel(2)?;
        let Some(found) = captures.get(0) else { continue };
        whole.push_str(text.get(done..found.start()).unwrap_or_default());
        captures.expand(&with, &mut whole);
        done = found.end();
        if whole.len() > TEXT_MAX_BYTES {
            return fail(TOO_LONG);
        }
    }
    whole.push_str(text.get(done..).unwrap_or_default());
    Ok(whole)
}

/// A replacement as Python writes it, as the library reads it: `\1` is `${1}`, `\g<name>` is `${name}`.
fn replacement(python: &str) -> Result<String, Error> {
    let mut made = String::new();
    let mut rest = python;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '$' {
            made.push_str("$$");
        }
        if c != '\\' {
            made.extend((c != '$').then_some(c));
            continue;
        }
        let digits = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        if let Some((name, after)) = rest.strip_prefix("g<").and_then(|rest| rest.split_once('>')) {
            made.extend(["${", name, "}"]);
            rest = after;
        } else if digits > 0 {
            let (number, after) = rest.split_at_checked(digits).unwrap_or_default();
            made.extend(["${", number, "}"]);
            rest = after;
        } else {
            let escaped = rest.chars().next();
            made.push(match escaped {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('\\') | None => '\\',
                Some(_) => return fail("the replacement has an unknown escape after `\\`"),
            });
            rest = rest.get(escaped.map_or(0, char::len_utf8)..).unwrap_or_default();
        }
    }
    Ok(made)
}
