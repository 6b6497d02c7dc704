//! The filters of templates.
//!
//! # Jinja's own
//!
//! `abs`, `attr`, `batch`, `bool`, `capitalize`, `chain`, `count`, `dictsort`, `e`, `escape`, `filesizeformat`, `first`,
//! `float`, `format`, `groupby`, `indent`, `int`, `items`, `last`, `length`, `lines`, `list`, `lower`, `map`, `max`, `min`,
//! `pluralize`, `reject`, `rejectattr`, `replace`, `reverse`, `safe`, `select`, `selectattr`, `slice`, `sort`, `split`,
//! `string`, `striptags`, `sum`, `title`, `trim`, `truncate`, `unique`, `upper`, `urlencode`, `zip` do what
//! [minijinja](https://docs.rs/minijinja/latest/minijinja/filters/) documents.
//!
//! # Of this relay, or with a meaning of their own
//!
//! | filter | makes |
//! |---|---|
//! | `date` | an RFC 3339 timestamp of a text in any usual form, or of a number of seconds, milli-, micro- or nanoseconds since 1970; else `none` |
//! | `default(x)`, `d(x)` | `x` instead of an undefined value, `none` or an empty text; `default(x, true)` also instead of `false`, `0` and what is empty |
//! | `host` | the host of a URL; `none` if the text is not a URL |
//! | `join(x)`, `join(x, attribute=y)` | the items of a list in one text, with `x` between them; an undefined item is an error |
//! | `round(n)` | a number, or a text with a number, with `n` digits after the point; without `n` a whole number |
//! | `severity(x)` | the severity that a word means, else `x`, else `error` |
//! | `sha256` | the SHA-256 of a text, or of another value's JSON, in hex |
//! | `tojson`, `tojson(indent=2)` | the value as JSON, not escaped for HTML |
//!
//! # As in Grafana OnCall
//!
//! | filter | makes |
//! |---|---|
//! | `iso8601_to_time` | the seconds since 1970, or `none`. A text without an offset is in UTC. So two times can be subtracted, and a duration added |
//! | `datetimeformat(f)` | a time in UTC, as `strftime` writes it; without `f` as `%H:%M / %d-%m-%Y` |
//! | `datetimeformat_as_timezone(f, zone)` | the same in `UTC` or an offset like `+02:00`. The relay does not know the rules of named zones and rejects them |
//! | `datetimeparse(f)` | the seconds since 1970 of a text that `f` describes, or `none` |
//! | `timedeltaparse` | the seconds of a text like `5m`, `-2h` or `1d12h`, or `none` |
//! | `regex_match(p)`, `regex_search(p)` | whether a text begins with, or contains, what the pattern describes |
//! | `regex_replace(p, x)` | the text with `x` for every match; `\1` and `\g<name>` are the match's groups |
//! | `regex_findall(p)` | the matches, or their groups, in a list |
//! | `b64decode` | the text that a text in base64 stands for |
//! | `parse_json` | the value that a JSON text stands for |
//! | `json_dumps`, `tojson_pretty` | as `tojson`, and `tojson(indent=4)` |
//!
//! Every filter but `default` and `d` makes an undefined value of an undefined value, so a `default` at the end of a chain
//! of filters serves for all of it.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::value::{Kwargs, Rest, ValueKind, ValueOrKwargs, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value, filters as jinja, functions, tests};
use minijinja_contrib::filters as contrib;
use serde_json::Value as Json;

use super::cost::{self, Work};
use super::payload::{self, Limits, RESERVED, TEXT_MAX_BYTES, TOO_LONG, to_json, to_text};
use super::{patterns, times};
use crate::http::url;
use crate::json::{self, Node};
use crate::mapping::{self, MapError};
use crate::pagerduty::event::Severity;
use crate::text;

/// Every filter's name, in order.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "b64decode",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "count",
    "d",
    "date",
    "datetimeformat",
    "datetimeformat_as_timezone",
    "datetimeparse",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "format",
    "groupby",
    "host",
    "indent",
    "int",
    "iso8601_to_time",
    "items",
    "join",
    "json_dumps",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "parse_json",
    "pluralize",
    "regex_findall",
    "regex_match",
    "regex_replace",
    "regex_search",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "severity",
    "sha256",
    "slice",
    "sort",
    "split",
    "string",
    "striptags",
    "sum",
    "timedeltaparse",
    "title",
    "tojson",
    "tojson_pretty",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "zip",
];

/// The engine's tests, in order.
const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Whether there is a filter of this name.
pub(super) fn knows(name: &str) -> bool {
    FILTERS.contains(&name) || name.starts_with(RESERVED)
}

/// Whether there is a test of this name.
pub(super) fn knows_test(name: &str) -> bool {
    TESTS.contains(&name)
}

/// Gives an environment its filters.
pub(super) fn register(env: &mut Environment<'_>, limits: &Arc<Limits>) {
    macro_rules! filters {
        ($($name:literal => $filter:expr),* $(,)?) => { [$(($name, Value::from_function($filter))),*] };
    }
    let limits = limits.clone();
    let filters = filters![
        "abs" => jinja::abs, "attr" => jinja::attr, "b64decode" => b64decode, "batch" => jinja::batch, "bool" => jinja::bool,
        "capitalize" => jinja::capitalize, "chain" => jinja::chain, "count" => jinja::length, "date" => date,
        "datetimeformat" => times::datetimeformat, "datetimeformat_as_timezone" => times::datetimeformat_as_timezone,
        "datetimeparse" => times::datetimeparse, "dictsort" => jinja::dictsort, "e" => jinja::escape,
        "escape" => jinja::escape, "filesizeformat" => contrib::filesizeformat, "first" => jinja::first,
        "float" => jinja::float, "format" => jinja::format, "groupby" => jinja::groupby, "host" => host,
        "indent" => jinja::indent, "int" => jinja::int, "iso8601_to_time" => times::iso8601_to_time,
        "items" => jinja::items, "join" => join, "json_dumps" => tojson, "last" => jinja::last, "length" => jinja::length,
        "lines" => jinja::lines, "list" => jinja::list, "lower" => jinja::lower, "map" => jinja::map, "max" => jinja::max,
        "min" => jinja::min, "parse_json" => move |text: String| parse_json(&text, &limits),
        "pluralize" => contrib::pluralize, "regex_findall" => patterns::findall, "regex_match" => patterns::matches,
        "regex_replace" => patterns::replace, "regex_search" => patterns::search, "reject" => jinja::reject,
        "rejectattr" => jinja::rejectattr, "replace" => jinja::replace, "reverse" => jinja::reverse, "round" => round,
        // Nothing is escaped here, so nothing is marked as safe.
        "safe" => |value: Value| value,
        "select" => jinja::select, "selectattr" => jinja::selectattr, "severity" => severity, "sha256" => sha256,
        "slice" => jinja::slice, "sort" => jinja::sort, "split" => jinja::split, "string" => |value: Value| to_text(&value),
        "striptags" => contrib::striptags, "sum" => jinja::sum, "timedeltaparse" => times::timedeltaparse,
        "title" => jinja::title, "tojson" => tojson, "tojson_pretty" => |state: &State<'_, '_>, value: Value| written(state, &value, Some(4)),
        "trim" => jinja::trim, "truncate" => contrib::truncate, "unique" => jinja::unique, "upper" => jinja::upper,
        "urlencode" => jinja::urlencode, "zip" => jinja::zip,
    ];
    env.remove_filter("pprint");
    for (name, filter) in filters {
        guard(env, name, filter);
    }
    for name in ["d", "default"] {
        env.add_filter(name, default);
    }
    register_tests(env);
    register_functions(env);
}

/// Adds a filter that makes an undefined value of an undefined value. The engine would take it as an empty text or list.
fn guard(env: &mut Environment<'_>, name: &'static str, filter: Value) {
    env.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
        let args: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
        if let Some(value) = args.first() {
            if value.is_undefined() {
                return Ok(value.clone());
            }
            // The engine counts what its own filters visit, but not in every filter that it shows to us.
            let items = value.as_object().and_then(|object| object.enumerator_len()).unwrap_or_default();
            state.consume_fuel(u64::try_from(items / 4).unwrap_or(u64::MAX))?;
        }
        pay(state, name, &args)?;
        let made = filter.call(state, &args)?;
        cost::flat(state, made)
    });
}

/// The filters that do not look into their lists, or pay for it themselves.
const FREE: &[&str] = &[
    "attr",
    "b64decode",
    "bool",
    "count",
    "date",
    "first",
    "host",
    "json_dumps",
    "length",
    "pluralize",
    "safe",
    "severity",
    "sha256",
    "tojson",
    "tojson_pretty",
];

/// The filters that put items into lists, or lists into lists.
const HOLDING: &[&str] = &[
    "batch",
    "chain",
    "items",
    "join",
    "last",
    "list",
    "map",
    "reject",
    "rejectattr",
    "reverse",
    "select",
    "selectattr",
    "slice",
    "sum",
    "zip",
];

/// The filters that compare items.
const COMPARING: &[&str] = &["dictsort", "groupby", "max", "min", "sort", "unique"];

/// A value as the filters that work on texts read it: the engine writes any other value as a text first.
fn as_text(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

/// Pays for what a filter visits in its arguments.
fn pay(state: &State<'_, '_>, name: &str, args: &[Value]) -> Result<(), Error> {
    let [value, others @ ..] = args else { return Ok(()) };
    others.iter().try_for_each(|arg| cost::pay(state, arg, Work::Write))?;
    if COMPARING.contains(&name) {
        let items = value.as_object().and_then(|object| object.enumerator_len()).unwrap_or_default();
        // As often as a sort compares one item.
        let times = if matches!(name, "max" | "min") { 1 } else { 1 + items.checked_ilog2().unwrap_or_default() };
        return (0..times).try_for_each(|_| cost::pay(state, value, Work::Compare));
    }
    if name == "sum" {
        pay_sum(state, value)?;
    }
    if HOLDING.contains(&name) {
        return if name == "list" || name == "join" { Ok(()) } else { cost::pay(state, value, Work::Hold) };
    }
    if value.as_object().is_some() && !FREE.contains(&name) {
        cost::pay(state, value, Work::Write)?;
    }
    let steps = |work: usize| state.consume_fuel(u64::try_from(work / 64).unwrap_or(u64::MAX));
    match (name, others) {
        // Every character is looked for in the characters.
        ("trim", [chars, ..]) => steps(as_text(value).len().saturating_mul(as_text(chars).len())),
        ("indent", _) => {
            let width = others.iter().find_map(|arg| {
                arg.as_usize().or_else(|| arg.get_attr("width").ok().and_then(|width| width.as_usize()))
            });
            let width = width.unwrap_or(4);
            if width > TEXT_MAX_BYTES {
                return fail(TOO_LONG);
            }
            steps(as_text(value).lines().count().saturating_add(1).saturating_mul(width))
        }
        ("parse_json", _) => steps(as_text(value).len().saturating_mul(16)),
        _ => Ok(()),
    }
}

/// Pays for a sum of texts, which the engine copies at every addition, or of lists, which it copies at some.
fn pay_sum(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let (mut items, mut bytes, mut slots) = (0_usize, 0_usize, 0_usize);
    for item in value.try_iter().into_iter().flatten() {
        items += 1;
        match item.as_str() {
            Some(text) => bytes = bytes.saturating_add(text.len()),
            None => slots = slots.saturating_add(item.as_object().and_then(|list| list.enumerator_len()).unwrap_or(0)),
        }
    }
    let copied = bytes.saturating_mul(items).saturating_add(slots.saturating_mul(items + 32));
    state.consume_fuel(u64::try_from(copied / 64).unwrap_or(u64::MAX))
}

/// Adds the engine's tests and functions again, which pay first.
fn register_tests(env: &mut Environment<'_>) {
    macro_rules! tests {
        ($($name:literal => $test:expr),* $(,)?) => { [$(($name, Value::from_function($test))),*] };
    }
    let paying = tests![
        "endingwith" => tests::is_endingwith, "eq" => tests::is_eq, "equalto" => tests::is_eq, "==" => tests::is_eq,
        "ge" => tests::is_ge, ">=" => tests::is_ge, "greaterthan" => tests::is_gt, "gt" => tests::is_gt, ">" => tests::is_gt,
        "in" => tests::is_in, "le" => tests::is_le, "<=" => tests::is_le, "lessthan" => tests::is_lt, "lt" => tests::is_lt,
        "<" => tests::is_lt, "lower" => tests::is_lower, "ne" => tests::is_ne, "!=" => tests::is_ne,
        "sameas" => tests::is_sameas, "startingwith" => tests::is_startingwith, "upper" => tests::is_upper,
    ];
    for (name, test) in paying {
        let writes = matches!(name, "endingwith" | "startingwith" | "lower" | "upper");
        env.add_test(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let args = cost::arguments(state, args, if writes { Work::Write } else { Work::Compare })?;
            test.call(state, &args).map(|passed| passed.is_true())
        });
    }
}

/// How large the numbers of a range are at most.
const RANGE_MAX: u64 = 1_000_000_000;

fn register_functions(env: &mut Environment<'_>) {
    let functions = [
        ("dict", Value::from_function(functions::dict)),
        ("namespace", Value::from_function(functions::namespace)),
        ("range", Value::from_function(functions::range)),
    ];
    for (name, function) in functions {
        env.add_function(name, move |state: &mut State<'_, '_>, args: Rest<ValueOrKwargs>| {
            let args = cost::arguments(state, args, Work::Compare)?;
            if name == "range" && args.iter().any(|arg| arg.as_i64().is_none_or(|n| n.unsigned_abs() > RANGE_MAX)) {
                return fail("range has too many elements");
            }
            for arg in &args {
                cost::made(state, arg)?;
            }
            function.call(state, &args)
        });
    }
}

fn fail<T>(why: &'static str) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why))
}

/// A value as JSON, paid for by its size.
fn as_json(state: &State<'_, '_>, value: &Value) -> Result<Json, Error> {
    cost::pay(state, value, Work::Write)?;
    let all = 16 * TEXT_MAX_BYTES;
    let mut room = all;
    let json = to_json(value, &mut room);
    state.consume_fuel(u64::try_from((all - room) / 16).unwrap_or(u64::MAX))?;
    json
}

fn default(value: &Value, args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args: Vec<Value> = args.0.into_iter().map(ValueOrKwargs::into_value).collect();
    let (instead, lax, kwargs): (Option<Value>, Option<bool>, Kwargs) = from_args(&args)?;
    let instead = match instead {
        Some(instead) => instead,
        None => kwargs.get::<Option<Value>>("default_value")?.unwrap_or_else(|| Value::from("")),
    };
    let lax = lax.or(kwargs.get::<Option<bool>>("boolean")?).unwrap_or_default();
    kwargs.assert_all_used()?;
    let missing = value.is_undefined() || value.is_none() || value.as_str() == Some("") || lax && !value.is_true();
    Ok(if missing { instead } else { value.clone() })
}

/// A text, or a number as text.
fn scalar(value: &Value) -> Option<Json> {
    match value.kind() {
        ValueKind::String | ValueKind::Number => to_json(value, &mut { TEXT_MAX_BYTES }).ok(),
        _ => None,
    }
}

fn date(value: Value) -> Option<String> {
    scalar(&value).and_then(|scalar| Node::root(&scalar).time())
}

fn host(value: Value) -> Option<String> {
    value.as_str().and_then(url::url_host).map(str::to_owned)
}

fn severity(value: Value, other: Option<Value>) -> Value {
    let known = scalar(&value).and_then(|word| Severity::from_word(&Node::root(&word).text()?));
    known.map_or_else(|| other.unwrap_or_else(|| Severity::Error.as_str().into()), |known| known.as_str().into())
}

fn sha256(state: &State<'_, '_>, value: Value) -> Result<String, Error> {
    Ok(match value.as_str() {
        Some(text) => text::sha256_hex(text.as_bytes()),
        None => text::sha256_hex(&json::encode(&as_json(state, &value)?)),
    })
}

fn tojson(state: &State<'_, '_>, value: Value, indent: Option<usize>, kwargs: Kwargs) -> Result<String, Error> {
    let indent = indent.or(kwargs.get::<Option<usize>>("indent")?);
    kwargs.assert_all_used()?;
    written(state, &value, indent)
}

fn written(state: &State<'_, '_>, value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let json = as_json(state, value)?;
    let mut text = String::from_utf8(match indent {
        None => json::encode(&json),
        Some(_) => serde_json::to_vec_pretty(&json).unwrap_or_default(),
    })
    .unwrap_or_default();
    if let Some(indent) = indent.map(|indent| indent.min(8)).filter(|indent| *indent != 2) {
        let line = |line: &str| {
            let inner = line.trim_start_matches(' ');
            // The library indents by two.
            [" ".repeat((line.len() - inner.len()) / 2 * indent).as_str(), inner].concat()
        };
        text = text.split('\n').map(line).collect::<Vec<_>>().join("\n");
    }
    if text.len() > TEXT_MAX_BYTES { fail(TOO_LONG) } else { Ok(text) }
}

fn parse_json(text: &str, limits: &Arc<Limits>) -> Result<Value, Error> {
    match mapping::parse(text.as_bytes()) {
        Ok(root) => Ok(payload::value(root, limits)),
        Err(MapError::TooManyValues) => fail("has more than 50000 values"),
        Err(_) => fail("is not json"),
    }
}

fn b64decode(text: String) -> Result<String, Error> {
    use base64ct::Encoding as _;
    let bytes = base64ct::Base64Unpadded::decode_vec(text.trim().trim_end_matches('='));
    match bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => Ok(text),
        None => fail("is not text in base64"),
    }
}

fn join(
    state: &State<'_, '_>,
    value: Value,
    between: Option<String>,
    attribute: Option<String>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let between = between.or(kwargs.get::<Option<String>>("d")?).unwrap_or_default();
    let attribute = attribute.or(kwargs.get::<Option<String>>("attribute")?);
    kwargs.assert_all_used()?;
    let mut whole = String::new();
    for (index, item) in value.try_iter()?.checked().enumerate() {
        state.consume_fuel(1)?;
        let mut item = item?;
        for name in attribute.iter().flat_map(|path| path.split('.')) {
            item = match name.parse::<usize>() {
                Ok(index) => item.get_item_by_index(index)?,
                Err(_) => item.get_attr(name)?,
            };
        }
        whole.push_str(if index > 0 { &between } else { "" });
        if item.as_object().is_some() {
            cost::pay(state, &item, Work::Write)?;
        }
        whole.push_str(&to_text(&item)?);
        if whole.len() > TEXT_MAX_BYTES {
            return fail(TOO_LONG);
        }
    }
    Ok(whole)
}

fn round(value: Value, digits: Option<i32>, method: Option<String>, kwargs: Kwargs) -> Result<Value, Error> {
    let digits = digits.or(kwargs.get::<Option<i32>>("precision")?).unwrap_or_default();
    let method = method.or(kwargs.get::<Option<String>>("method")?).unwrap_or_else(|| "common".to_owned());
    kwargs.assert_all_used()?;
    if value.is_integer() {
        // An id may be larger than what a float keeps.
        return Ok(value);
    }
    let number = match value.as_str() {
        Some(text) => text.trim().parse::<f64>().ok(),
        None => f64::try_from(value).ok(),
    };
    let (Some(number), 0..=9) = (number.filter(|number| number.is_finite()), digits) else {
        return fail("rounds a number, with 0 to 9 digits");
    };
    let scale = 10f64.powi(digits);
    let rounded = match &*method {
        "ceil" => (number * scale).ceil() / scale,
        "common" => (number * scale).round() / scale,
        "floor" => (number * scale).floor() / scale,
        _ => return fail("rounds by the methods ceil, common and floor"),
    };
    // A whole number is written without a point.
    let whole = digits == 0 && rounded.abs() < 9e15;
    Ok(if whole { Value::from(rounded as i64) } else { Value::from(rounded) })
}
