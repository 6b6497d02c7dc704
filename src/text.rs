//! Text from vendors, adapted to PagerDuty: truncation between characters, one-line text, timestamps, digests,
//! redaction.
//!
//! This module knows no vendor and no PagerDuty field.

use std::borrow::Cow;
use std::time::Duration;

use base64ct::{Base64Unpadded, Encoding as _};
use sha2::{Digest, Sha256};
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

mod redact;

pub use self::redact::{redact, redact_escaped};

/// Truncates `text` to at most `max` UTF-16 code units. The last one is `…` if anything was removed.
///
/// PagerDuty does not document whether its limits count code points or UTF-16 units. A text never has fewer UTF-16
/// units than code points, so a text that fits by this count also fits by the other. A character is never split.
pub fn truncate(text: &str, max: usize) -> Cow<'_, str> {
    // A text never has more UTF-16 units than bytes of UTF-8, and most texts are far below their limit.
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let (mut units, mut kept) = (0, 0);
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > max {
            return Cow::Owned([text.get(..kept).unwrap_or_default(), "…"].concat());
        }
        // The last unit is for the ellipsis.
        kept = if units < max { at + c.len_utf8() } else { kept };
    }
    Cow::Borrowed(text)
}

/// Whether a character changes a terminal or the order of a text, and shows nothing itself: control characters (C0, DEL,
/// C1), and the embeddings, overrides and isolates of bidirectional text. Line breaks and tabs are not hidden.
pub fn is_hidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces each hidden character ([`is_hidden`]) by a space.
pub fn visible(text: &str) -> Cow<'_, str> {
    if text.contains(is_hidden) { Cow::Owned(text.replace(is_hidden, " ")) } else { Cow::Borrowed(text) }
}

/// Joins `text` into one line: each run of white space and hidden characters ([`is_hidden`]) becomes one space, and both
/// ends are trimmed.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let (words, rest) = text.split_at_checked(one_line_already(text)).unwrap_or(("", text));
    line.push_str(words);
    for word in rest.split(|c: char| c.is_whitespace() || is_hidden(c)) {
        if !word.is_empty() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    line
}

/// The first line of `text` that is not blank, trimmed. Empty if all lines are blank.
pub fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// How much of the beginning of a text is words of ASCII with one space between, in bytes. Most texts are nothing else, and
/// this is fast.
fn one_line_already(text: &str) -> usize {
    let (mut end, mut before) = (0, b' ');
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'!'..=b'~' => {}
            b' ' if before != b' ' => end = at,
            _ => return end,
        }
        before = byte;
    }
    if before == b' ' { end } else { text.len() }
}

/// The lower-case hex SHA-256 of `bytes`: 64 characters.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// One of the numbers from 0 to 255, by the SHA-256 of `bytes`.
pub fn sha256_byte(bytes: &[u8]) -> u8 {
    Sha256::digest(bytes).first().copied().unwrap_or_default()
}

/// Bytes in lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Parses a timestamp and returns it as RFC 3339 in UTC (`…Z`). Returns `None` if `text` is not a timestamp or means
/// "no time".
///
/// Accepts RFC 3339 and common variants: a space instead of the `T`, an offset without its colon or its minutes, `UTC`
/// instead of `Z`, any number of fractional digits. Returns `None` for a time without an offset, because that is not a
/// point in time. Also returns `None` for Go's zero time (`0001-01-01T00:00:00Z`) and for the epoch, which programs
/// send for "no time".
pub fn timestamp(text: &str) -> Option<String> {
    instant(text).and_then(epoch)
}

/// Like [`timestamp`], in whole seconds since the Unix epoch.
pub fn unix_seconds(text: &str) -> Option<u64> {
    instant(text).map(|since| since.as_secs())
}

/// Parses a timestamp as the time since the Unix epoch. It is never zero.
fn instant(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (day, rest) = text.split_at_checked(10)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let fraction_len = match rest.strip_prefix('.') {
        Some(digits) => 1 + digits.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    let (fraction, zone) = rest.split_at_checked(fraction_len)?;

    let year = number(day.get(..4)?)?;
    let month = Month::try_from(u8::try_from(number(day.get(4..)?.strip_prefix('-')?.get(..2)?)?).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, small(day.get(7..)?.strip_prefix('-')?)?).ok()?;
    let minute = clock.get(2..)?.strip_prefix(':')?.get(..2)?;
    // Unix time cannot express a leap second.
    let second = match small(clock.get(5..)?.strip_prefix(':')?)? {
        60 => 59,
        second => second,
    };
    // Scaled to nine digits. Further digits are below a nanosecond.
    let nanos = fraction.bytes().skip(1).chain([b'0'; 9]).take(9).fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    let time = Time::from_hms_nano(small(clock.get(..2)?)?, small(minute)?, second, nanos).ok()?;

    let instant = OffsetDateTime::new_in_offset(date, time, offset(zone.trim_start())?);
    let since = Duration::new(u64::try_from(instant.unix_timestamp()).ok()?, nanos);
    (since.as_secs() > 0).then_some(since)
}

/// Parses `Z`, `UTC` or `±hh[[:]mm]`.
fn offset(zone: &str) -> Option<UtcOffset> {
    // Go prints the name of the zone behind its offset: `+0000 UTC`.
    let zone = zone.split(' ').next().unwrap_or_default();
    if matches!(zone, "Z" | "z" | "UTC" | "GMT") {
        return Some(UtcOffset::UTC);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = minutes.strip_prefix(':').unwrap_or(minutes);
    let minutes = if minutes.is_empty() { "00" } else { minutes };
    let part = |text: &str| Some(sign * i8::try_from(small(text)?).ok()?);
    UtcOffset::from_hms(part(hours)?, part(minutes)?, 0).ok()
}

/// Parses two digits.
fn small(text: &str) -> Option<u8> {
    if text.len() == 2 { number(text)?.try_into().ok() } else { None }
}

/// Parses digits only: `parse` would also accept a sign.
fn number(text: &str) -> Option<i32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Formats the time since the Unix epoch as an RFC 3339 timestamp in UTC, with as many fractional digits as needed.
pub fn epoch(since: Duration) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(since.as_secs()).ok()?).ok()?;
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    let month = u8::from(month);
    // Each log line has a timestamp, and `format!` would take ten times as long.
    let mut text = String::with_capacity(32);
    let parts = [("", u32::try_from(year).ok()?, 4), ("-", month.into(), 2), ("-", day.into(), 2)];
    let times = [("T", hour.into(), 2), (":", minute.into(), 2), (":", second.into(), 2)];
    for (mark, number, width) in parts.into_iter().chain(times) {
        text.push_str(mark);
        push_digits(&mut text, number, width);
    }
    if since.subsec_nanos() > 0 {
        text.push('.');
        push_digits(&mut text, since.subsec_nanos(), 9);
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    Some(text)
}

/// Appends the last `width` decimal digits of a number.
fn push_digits(text: &mut String, number: u32, width: u32) {
    let digit = |power: u32| char::from_digit(number / 10_u32.pow(power) % 10, 10);
    text.extend((0..width).rev().filter_map(digit));
}

/// Replaces each `{}` of a sentence by one of the parts, for sentences that are constants.
pub fn interpolate(template: &str, parts: &[&str]) -> String {
    let mut filled = String::new();
    let mut rest = template;
    for part in parts {
        if let Some((before, after)) = rest.split_once("{}") {
            filled.push_str(before);
            filled.push_str(part);
            rest = after;
        }
    }
    filled + rest
}

/// A count with its noun: `1 event`, `2 events`.
pub fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Looks a word up in a vendor's table, ignoring case.
pub fn lookup<T: Copy>(table: &[(&str, T)], word: &str) -> Option<T> {
    table.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())).map(|(_, meaning)| *meaning)
}

/// Joins texts with `between`, skipping empty ones.
pub fn join_nonempty(parts: &[&str], between: &str) -> String {
    let mut whole = String::new();
    for part in parts {
        if !part.is_empty() {
            if !whole.is_empty() {
                whole.push_str(between);
            }
            whole.push_str(part);
        }
    }
    whole
}

/// Joins texts, skipping missing and empty ones. Each text except the first is preceded by its own prefix.
pub fn join_prefixed(parts: &[(&str, Option<&str>)]) -> String {
    let mut whole = String::new();
    for (before, part) in parts {
        let part = part.unwrap_or_default();
        whole.push_str(if whole.is_empty() || part.is_empty() { "" } else { before });
        whole.push_str(part);
    }
    whole
}

/// Replaces every word of `text` that could be a secret by `…`. Such a word has sixteen or more characters: letters,
/// digits and the punctuation of base64 and percent-encoding. In a URL, the user information is replaced at any length.
pub fn masked(text: &str) -> String {
    masked_except(text, |_| false)
}

/// Like [`masked`], but long names stay: `KubePodCrashLooping`, `node_filesystem_almost_full`. Only for titles and names,
/// which are no place for a passphrase.
pub fn masked_title(text: &str) -> String {
    masked_except(text, is_name)
}

/// Whether a word consists of short words of letters, with capitals or punctuation between them. Base64 has more capitals.
fn is_name(word: &str) -> bool {
    let capitals = word.bytes().filter(u8::is_ascii_uppercase).count();
    let letters = word.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'));
    let between = |c: char| c.is_ascii_uppercase() || matches!(c, '_' | '-');
    letters && capitals * 3 <= word.len() && word.split(between).all(|part| part.len() <= NAME_PART_MAX_CHARS)
}

/// The longest word in a long name, without its first letter.
const NAME_PART_MAX_CHARS: usize = 12;

fn masked_except(text: &str, stays: fn(&str) -> bool) -> String {
    let mut shown = String::new();
    let mut word = String::new();
    for c in without_user_information(text).chars().chain([' ']) {
        if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '%' | '_' | '-') {
            word.push(c);
            continue;
        }
        mask_word(&word, stays, &mut shown);
        word.clear();
        shown.push(c);
    }
    shown.pop();
    shown
}

/// Appends a word, masked if it could be a secret. A slash is base64 in a word that looks random, and else separates the
/// parts of a path.
fn mask_word(word: &str, stays: fn(&str) -> bool, shown: &mut String) {
    if stays(word) {
        shown.push_str(word);
        return;
    }
    let random = [char::is_uppercase as fn(char) -> bool, char::is_lowercase, |c| c.is_ascii_digit()];
    if word.len() >= MASKED_MIN_CHARS && random.iter().all(|kind| word.contains(*kind)) {
        shown.push('…');
        return;
    }
    for (index, part) in word.split('/').enumerate() {
        shown.push_str(if index > 0 { "/" } else { "" });
        shown.push_str(if part.len() >= MASKED_MIN_CHARS { "…" } else { part });
    }
}

/// `text` with `…` for the user information of every URL in it: `https://user:password@host`.
pub fn without_user_information(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        let authority = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '<' | '>'));
        let (authority, path) = after.split_at_checked(authority.unwrap_or(after.len())).unwrap_or((after, ""));
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend(["…@", host]),
            None => shown.push_str(authority),
        }
        rest = path;
    }
    shown + rest
}

/// The shortest word that could be a secret, in characters. A shorter value is never accepted as a secret.
const MASKED_MIN_CHARS: usize = 16;

/// Decodes base64 in either alphabet, with or without padding and line breaks. Returns `None` if it is invalid, or if the
/// result is not UTF-8.
pub fn from_base64(value: &str) -> Option<String> {
    let standard = |c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    };
    let text: String = value.chars().filter(|c| !c.is_ascii_whitespace()).map(standard).collect();
    let bytes = Base64Unpadded::decode_vec(text.trim_end_matches('=')).ok()?;
    String::from_utf8(bytes).ok()
}
