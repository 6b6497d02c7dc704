//! Numbers in JSON text that a parser would round, because neither a 64-bit integer nor a float has all their digits.

use serde_json::Number;

/// A number up to this length without an exponent has at most 15 digits, and each of these is a float of its own.
const EXACT_BYTES: usize = 15;

/// The length of the number at the beginning of a text.
pub(super) fn length(text: &[u8]) -> usize {
    let ends = |byte: &u8| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    text.iter().position(ends).unwrap_or(text.len())
}

/// Whether a text is a JSON number that a parser would round. Of two numbers that it would not round, a parser makes the
/// same value only if they are equal.
pub(super) fn is_rounded(text: &[u8]) -> bool {
    let has_exponent = || text.iter().any(|byte| matches!(byte, b'e' | b'E'));
    if text.len() <= EXACT_BYTES && !has_exponent() {
        return false;
    }
    let Some(text) = str::from_utf8(text).ok().filter(|text| is_number(text)) else { return false };
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return text.parse::<u64>().is_err() && text.parse::<i64>().is_err();
    }
    // The shortest text of a float is exactly what another program would write for it.
    let shortest = text.parse().ok().and_then(Number::from_f64).map(|number| number.to_string());
    shortest.is_none_or(|shortest| {
        let decimal = Decimal::of(text);
        decimal.is_none() || decimal != Decimal::of(&shortest)
    })
}

/// Whether a text has the form of a JSON number.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && digits(fraction) && digits(exponent)
}

/// A number as digits without zeros around them, and a power of ten. Equal numbers are equal.
#[derive(PartialEq)]
struct Decimal {
    digits: String,
    exponent: i64,
    negative: bool,
}

impl Decimal {
    /// Returns `None` if the exponent is too large for any float.
    fn of(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let negative = whole.starts_with('-');
        let all = [whole.trim_start_matches('-'), fraction].concat();
        let digits = all.trim_end_matches('0');
        let zeros = i64::try_from(all.len() - digits.len()).ok()?;
        let digits = digits.trim_start_matches('0').to_owned();
        let exponent: i64 = exponent.parse().ok()?;
        let exponent = exponent.checked_add(zeros)?.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Some(Decimal { exponent: if digits.is_empty() { 0 } else { exponent }, digits, negative })
    }
}
