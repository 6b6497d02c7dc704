//! Secrets in texts from senders, also where the characters of a secret are escaped.

/// The replacement of a secret.
const REDACTED: &str = "[redacted]";

/// Replaces every occurrence of `secret` in `text`.
pub fn redact(text: &str, secret: &str) -> String {
    // An empty string occurs everywhere.
    if secret.is_empty() { text.to_owned() } else { text.replace(secret, REDACTED) }
}

/// Like [`redact`], also where JSON or a URL escapes characters of the secret: `\/`, `\u002f`, `%2F`, or `+` for a space. JSON
/// inside JSON has more backslashes, so their number does not matter. JSON stays valid, unless the secret looks like a part of
/// its syntax.
pub fn redact_escaped(text: &str, secret: &str) -> String {
    if secret.is_empty() || !text.contains(['\\', '%', '+']) {
        return redact(text, secret);
    }
    let plain = secret.replace('\\', "");
    let first = plain.bytes().next();
    let may_begin =
        |byte: &u8| matches!(byte, b'\\' | b'%') || Some(*byte) == first || (*byte == b'+' && first == Some(b' '));
    let mut shown = String::with_capacity(text.len());
    let (mut done, mut at) = (0, 0);
    while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
        match matched_length(plain.as_bytes(), rest).filter(|length| *length > 0) {
            Some(length) => {
                shown.push_str(text.get(done..at).unwrap_or_default());
                shown.push_str(REDACTED);
                at += length;
                done = at;
            }
            // If nothing begins with the first of several backslashes, nothing begins with the others. So a long run of them
            // costs no more than other text.
            None => {
                at += backslashes(rest).max(1);
                let skipped = text.as_bytes().iter().skip(at).position(may_begin);
                at = skipped.map_or(text.len(), |skipped| at + skipped);
            }
        }
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    // A secret may look like an escape itself.
    redact(&shown, secret)
}

/// The length of `secret` at the beginning of `text`, in bytes. Returns `None` if the text begins with something else. The
/// secret has no backslashes.
fn matched_length(secret: &[u8], text: &[u8]) -> Option<usize> {
    let (mut left, mut at) = (secret, 0);
    while let Some((first, others)) = left.split_first() {
        let rest = text.get(at..)?;
        let escaped = escaped(rest);
        if let Some((after, length)) = escaped.as_ref().and_then(|(found, length)| Some((found.strip(left)?, *length)))
        {
            (left, at) = (after, at + length);
            continue;
        }
        // An escaped backslash of the secret.
        if let Some((_, length)) = escaped.filter(|(found, _)| at > 0 && found.strip(b"\\").is_some()) {
            at += length;
            continue;
        }
        let skipped = backslashes(rest);
        let byte = rest.get(skipped)?;
        if byte != first && (*byte, *first) != (b'+', b' ') {
            return None;
        }
        (left, at) = (others, at + skipped + 1);
    }
    Some(at)
}

/// The bytes of one escaped character, or one byte of it.
enum Escaped {
    Byte(u8),
    Char(char),
}

impl Escaped {
    /// The rest of a text that begins with these bytes.
    fn strip<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        match self {
            Escaped::Byte(byte) => text.strip_prefix(&[*byte]),
            Escaped::Char(c) => text.strip_prefix(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// The escape at the beginning of a text, and its length: `%2F` or `\u002f`.
fn escaped(text: &[u8]) -> Option<(Escaped, usize)> {
    if let [b'%', high, low, ..] = text {
        let byte = hex(&[*high, *low])?;
        return Some((Escaped::Byte(u8::try_from(byte).ok()?), 3));
    }
    let (first, length) = unit(text)?;
    if let Some(c) = char::from_u32(first.into()) {
        return Some((Escaped::Char(c), length));
    }
    // A character beyond 16 bits is two escapes.
    let (second, more) = unit(text.get(length..)?)?;
    let c = char::decode_utf16([first, second]).next()?.ok()?;
    Some((Escaped::Char(c), length + more))
}

/// The UTF-16 code unit that `\u` and four digits write, with any number of backslashes.
fn unit(text: &[u8]) -> Option<(u16, usize)> {
    let skipped = backslashes(text);
    let digits = text.get(skipped..)?.strip_prefix(b"u").filter(|_| skipped > 0)?.get(..4)?;
    Some((hex(digits)?, skipped + 5))
}

fn hex(digits: &[u8]) -> Option<u16> {
    let digits = str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

fn backslashes(text: &[u8]) -> usize {
    text.iter().take_while(|byte| **byte == b'\\').count()
}
