//! The filters with times. A time is a number: the seconds since 1970. So times can be subtracted and durations added.

use minijinja::{Error, ErrorKind, Value};
use serde_json::Value as Json;
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use crate::json::Node;
use crate::text;

/// The format where a template names none, as in Grafana OnCall.
const FORMAT: &str = "%H:%M / %d-%m-%Y";

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn fail<T>(why: String) -> Result<T, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, why))
}

/// A time as the engine's number: whole where it can be.
fn number(seconds: i64, nanos: u32) -> Value {
    if nanos == 0 { Value::from(seconds) } else { Value::from(seconds as f64 + f64::from(nanos) / 1e9) }
}

/// A time that is a number of seconds, or a text that [`iso8601_to_time`] reads.
fn time(value: &Value) -> Option<OffsetDateTime> {
    if let Some(text) = value.as_str() {
        return time(&iso8601_to_time(Value::from(text)));
    }
    let seconds = f64::try_from(value.clone()).ok().filter(|seconds| seconds.is_finite())?;
    // A float has fewer digits than a nanosecond takes.
    let micros = ((seconds - seconds.floor()) * 1e6).round() as i64;
    let whole = OffsetDateTime::from_unix_timestamp(seconds.floor() as i64).ok()?;
    whole.checked_add(time::Duration::microseconds(micros))
}

pub(super) fn iso8601_to_time(value: Value) -> Value {
    let read = |text: String| Node::root(&Json::from(text)).time();
    let text = value.as_str().unwrap_or_default().trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Value::from(());
    }
    let Some(rfc3339) = read(text.to_owned()).or_else(|| read([text, "Z"].concat())) else { return Value::from(()) };
    let seconds = text::unix_seconds(&rfc3339).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default();
    let digits = rfc3339.split_once('.').map_or("", |(_, digits)| digits.trim_end_matches('Z'));
    let nanos = digits.bytes().chain([b'0'; 9]).take(9).fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    number(seconds, nanos)
}

pub(super) fn datetimeformat(value: Value, format: Option<String>) -> Result<Value, Error> {
    datetimeformat_as_timezone(value, format, None)
}

pub(super) fn datetimeformat_as_timezone(
    value: Value,
    format: Option<String>,
    zone: Option<String>,
) -> Result<Value, Error> {
    let zone = zone.as_deref().unwrap_or("UTC");
    let Some(offset) = offset(zone) else {
        // A template may take it from the payload, which errors do not repeat.
        let plain = zone.len() < 40
            && zone.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'_' | b'-'));
        let named = if plain { ["`", zone, "` "].concat() } else { String::new() };
        return fail(format!("the time zone {named}is refused: write UTC or an offset like +02:00"));
    };
    let Some(time) = time(&value).and_then(|time| time.checked_to_offset(offset)) else { return Ok(Value::from(())) };
    write(time, format.as_deref().unwrap_or(FORMAT)).map(Value::from)
}

/// `UTC`, or an offset: `+02:00`, `-0500`, `+1`.
fn offset(zone: &str) -> Option<UtcOffset> {
    if ["UTC", "GMT", "Z", "Etc/UTC", "Etc/GMT"].iter().any(|utc| utc.eq_ignore_ascii_case(zone)) {
        return Some(UtcOffset::UTC);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None => digits.split_at_checked(digits.len().min(2))?,
    };
    let part = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse::<i8>().ok(),
        false => None,
    };
    let minutes = if minutes.is_empty() { 0 } else { part(minutes)? };
    UtcOffset::from_hms(sign * part(hours)?, sign * minutes, 0).ok()
}

/// A time as `strftime` writes it.
fn write(time: OffsetDateTime, format: &str) -> Result<String, Error> {
    let mut whole = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            whole.push(c);
            continue;
        }
        let mut directive = chars.next();
        // `%-d` is `%d` without a zero in front.
        let bare = directive == Some('-');
        if bare {
            directive = chars.next();
        }
        let hour12 = (time.hour() + 11) % 12 + 1;
        let name = || MONTHS.get(usize::from(u8::from(time.month())) - 1).copied().unwrap_or_default();
        let weekday = time.weekday().to_string();
        let short = |name: &str| name.get(..3).unwrap_or_default().to_owned();
        let offset = |between: &str| {
            let (hours, minutes, _) = time.offset().as_hms();
            let sign = if time.offset().is_negative() { '-' } else { '+' };
            format!("{sign}{:02}{between}{:02}", hours.unsigned_abs(), minutes.unsigned_abs())
        };
        let part = match directive {
            Some('A') => weekday,
            Some('a') => short(&weekday),
            Some('B') => name().to_owned(),
            Some('b' | 'h') => short(name()),
            Some('D') => write(time, "%m/%d/%y")?,
            Some('F') => write(time, "%Y-%m-%d")?,
            Some('H') => format!("{:02}", time.hour()),
            Some('I') => format!("{hour12:02}"),
            Some('M') => format!("{:02}", time.minute()),
            Some('R') => write(time, "%H:%M")?,
            Some('S') => format!("{:02}", time.second()),
            Some('T') => write(time, "%H:%M:%S")?,
            Some('Y') => format!("{:04}", time.year()),
            Some('Z') if time.offset().is_utc() => "UTC".to_owned(),
            Some('Z') => ["UTC", &offset(":")].concat(),
            Some('d') => format!("{:02}", time.day()),
            Some('e') => format!("{:2}", time.day()),
            Some('f') => format!("{:06}", time.microsecond()),
            Some('j') => format!("{:03}", time.ordinal()),
            Some('m') => format!("{:02}", u8::from(time.month())),
            Some('p') => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
            Some('s') => time.unix_timestamp().to_string(),
            Some('u') => time.weekday().number_from_monday().to_string(),
            Some('w') => time.weekday().number_days_from_sunday().to_string(),
            Some('y') => format!("{:02}", time.year().rem_euclid(100)),
            Some('z') => offset(""),
            Some('%') => "%".to_owned(),
            _ => return unknown(directive),
        };
        whole.push_str(match (bare, part.trim_start_matches(['0', ' '])) {
            (true, "") => "0",
            (true, trimmed) => trimmed,
            (false, _) => &part,
        });
    }
    Ok(whole)
}

fn unknown<T>(directive: Option<char>) -> Result<T, Error> {
    fail(format!("the format has an unknown directive `%{}`", directive.map_or(String::new(), String::from)))
}

pub(super) fn datetimeparse(value: Value, format: Option<String>) -> Result<Value, Error> {
    let text = value.as_str().unwrap_or_default();
    Ok(read(text.trim(), format.as_deref().unwrap_or(FORMAT))?.unwrap_or_else(|| Value::from(())))
}

/// A time as `strptime` parses it, or `None` if the text has another form.
fn read(mut text: &str, format: &str) -> Result<Option<Value>, Error> {
    let (mut year, mut month, mut day, mut hour, mut minute, mut second, mut micros) = (1970, 1, 1, 0, 0, 0, 0);
    let (mut afternoon, mut zone) = (None, UtcOffset::UTC);
    let format = format.replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("%R", "%H:%M");
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            text = text.trim_start();
            continue;
        }
        if c != '%' {
            let Some(rest) = text.strip_prefix(c) else { return Ok(None) };
            text = rest;
            continue;
        }
        let directive = chars.next();
        let digits = |text: &mut &str, most: usize| -> Option<u32> {
            let count = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let (number, rest) = text.split_at_checked(count)?;
            *text = rest;
            number.parse().ok()
        };
        let taken = match directive {
            Some('Y') => digits(&mut text, 4).map(|n| year = n),
            Some('y') => digits(&mut text, 2).map(|n| year = if n < 69 { 2000 + n } else { 1900 + n }),
            Some('m') => digits(&mut text, 2).map(|n| month = n),
            Some('d' | 'e') => digits(&mut text, 2).map(|n| day = n),
            Some('H') => digits(&mut text, 2).map(|n| hour = n),
            Some('I') => digits(&mut text, 2).map(|n| hour = n % 12),
            Some('M') => digits(&mut text, 2).map(|n| minute = n),
            Some('S') => digits(&mut text, 2).map(|n| second = n),
            Some('f') => {
                let count = text.bytes().take(6).take_while(u8::is_ascii_digit).count();
                let zeros = "000000".get(count..).unwrap_or_default();
                let (fraction, rest) = text.split_at_checked(count).unwrap_or_default();
                text = rest;
                [fraction, zeros].concat().parse().ok().filter(|_| count > 0).map(|n: u32| micros = n)
            }
            Some('s') => {
                let seconds = text.parse::<i64>().ok();
                return Ok(seconds.map(|seconds| number(seconds, 0)));
            }
            Some('b' | 'B' | 'h') => {
                let place = MONTHS.iter().position(|name| starts_with(text, name.get(..3).unwrap_or_default()));
                place.and_then(|place| {
                    let name = MONTHS.get(place)?;
                    text = text.get(if starts_with(text, name) { name.len() } else { 3 }..)?;
                    month = u32::try_from(place + 1).ok()?;
                    Some(())
                })
            }
            Some('p') => {
                afternoon = Some(starts_with(text, "pm"));
                let known = afternoon == Some(true) || starts_with(text, "am");
                text = text.get(2..).unwrap_or_default();
                known.then_some(())
            }
            Some('z' | 'Z') => {
                let end = text
                    .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | ':'))
                    .unwrap_or(text.len());
                let (name, rest) = text.split_at_checked(end).unwrap_or_default();
                text = rest;
                offset(name).map(|found| zone = found)
            }
            Some('%') => text.strip_prefix('%').map(|rest| text = rest),
            _ => return unknown(directive),
        };
        if taken.is_none() {
            return Ok(None);
        }
    }
    if afternoon == Some(true) {
        hour = hour % 12 + 12;
    }
    let small = |number: u32| u8::try_from(number).ok();
    let made = || {
        let month = Month::try_from(small(month)?).ok()?;
        let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, small(day)?).ok()?;
        let time = Time::from_hms_micro(small(hour)?, small(minute)?, small(second)?, micros).ok()?;
        let time = OffsetDateTime::new_in_offset(date, time, zone);
        Some(number(time.unix_timestamp(), time.microsecond() * 1000))
    };
    Ok(if text.is_empty() { made() } else { None })
}

fn starts_with(text: &str, name: &str) -> bool {
    text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// The seconds of `5m`, `-2h`, `1d12h`; `none` of anything else.
pub(super) fn timedeltaparse(value: Value) -> Value {
    let text = value.as_str().unwrap_or_default().trim();
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut seconds: i64 = 0;
    let mut read = || {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (count, after) = rest.split_at_checked(digits)?;
        let unit = match after.chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        rest = after.get(1..)?;
        seconds = count.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(seconds)?;
        Some(rest.is_empty())
    };
    loop {
        match read() {
            Some(true) => return Value::from(sign * seconds),
            Some(false) => {}
            None => return Value::from(()),
        }
    }
}
