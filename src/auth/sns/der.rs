//! Reading of DER (ITU-T X.690), as much as a certificate needs up to its key.
//!
//! Crates that do all of it are 20 KB by their functions' sizes; this is one rule: a tag, a length, so many bytes. A length that is not
//! written in the shortest way, or that goes beyond what is there, reads as nothing.

use base64ct::{Base64, Encoding};

/// Tags that certificates are made of.
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
const GENERALIZED_TIME: u8 = 0x18;
const UTC_TIME: u8 = 0x17;

/// The certificate in a PEM text (RFC 7468), the first where there are several.
pub(super) fn certificate(pem: &[u8]) -> Option<Vec<u8>> {
    let mut lines = str::from_utf8(pem).ok()?.lines().map(str::trim);
    lines.find(|line| *line == "-----BEGIN CERTIFICATE-----")?;
    let mut text = String::new();
    for line in lines {
        if line == "-----END CERTIFICATE-----" {
            return Base64::decode_vec(&text).ok();
        }
        text.push_str(line);
    }
    None
}

/// What is left to read.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The next value: its tag and its content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, first], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match first {
            ..=0x7f => (usize::from(first), rest),
            0x81 => {
                let (&[length], rest) = rest.split_first_chunk()?;
                (usize::from(length), rest)
            }
            0x82 => {
                let (&length, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(length)), rest)
            }
            // Longer than any certificate.
            _ => return None,
        };
        let shortest = match length {
            ..=0x7f => usize::from(first) == length,
            0x80..=0xff => first == 0x81,
            _ => first == 0x82,
        };
        let (content, rest) = rest.split_at_checked(length).filter(|_| shortest)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value, a positive integer, its highest byte first and not zero.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        match self.expect(INTEGER)? {
            [0, rest @ ..] => rest.first().filter(|first| **first >= 0x80).map(|_| rest),
            number => number.first().filter(|first| (1..0x80).contains(*first)).map(|_| number),
        }
    }

    /// The next value, a time (RFC 5280 section 4.1.2.5), as an RFC 3339 timestamp.
    pub(super) fn time(&mut self) -> Option<String> {
        let (tag, content) = self.next()?;
        let digits = str::from_utf8(content).ok()?.strip_suffix('Z')?;
        let (century, digits) = match tag {
            UTC_TIME if digits.len() == 12 => (if digits < "50" { "20" } else { "19" }, digits),
            GENERALIZED_TIME if digits.len() == 14 => digits.split_at_checked(2)?,
            _ => return None,
        };
        let part = |at: usize| digits.get(at..at + 2).unwrap_or_default();
        let (year, month, day, hour, minute, second) = (part(0), part(2), part(4), part(6), part(8), part(10));
        Some(format!("{century}{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
    }
}
