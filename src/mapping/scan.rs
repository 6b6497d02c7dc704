//! What a JSON parser does not tell about JSON text: how many values it has, which member names occur twice in one
//! object, and which numbers the parser would round. One pass finds all three and builds no values.
//!
//! JSON parsers disagree about which of two members of the same name counts, so a sender and the relay could read two
//! different payloads. A rounded number can be the id of another alert.

use std::borrow::Cow;
use std::ops::Range;

use super::payload::VALUES_MAX;
use super::{MapError, number};
use crate::text;

/// How much of a name the error shows, in UTF-16 code units.
const NAME_MAX_CHARS: usize = 64;

/// The findings in JSON text. Of text that is not valid JSON, only the number of values counts.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The first member whose name its object already has.
    pub(super) duplicate: Option<MapError>,
    /// The positions of the numbers that a parser would round.
    rounded: Vec<Range<usize>>,
}

impl Scan {
    /// Whether a parser reads the text as it is meant.
    pub(super) fn is_clean(&self) -> bool {
        self.duplicate.is_none() && self.rounded.is_empty()
    }

    /// The text with each number that a parser would round as a string of the same digits. Returns `None` if it has no
    /// such numbers. The result is valid JSON if and only if the text is.
    pub(super) fn with_quoted_numbers(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.rounded.first()?;
        let mut quoted = Vec::new();
        let mut rest = 0;
        for number in &self.rounded {
            quoted.extend_from_slice(text.get(rest..number.start).unwrap_or_default());
            quoted.push(b'"');
            quoted.extend_from_slice(text.get(number.clone()).unwrap_or_default());
            quoted.push(b'"');
            rest = number.end;
        }
        quoted.extend_from_slice(text.get(rest..).unwrap_or_default());
        Some(quoted)
    }
}

/// Scans text that may be JSON.
///
/// # Errors
/// Returns [`MapError::TooManyValues`] if an object or a list has more than [`VALUES_MAX`] values in it.
pub(super) fn scan(text: &[u8]) -> Result<Scan, MapError> {
    let mut found = Scan::default();
    if !matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
        let end = text.trim_ascii_end().len();
        let start = text.len() - text.trim_ascii_start().len();
        found.rounded.extend(text.get(start..end).filter(|number| number::is_rounded(number)).map(|_| start..end));
        return Ok(found);
    }
    let (mut names, mut values, mut at) = (Names::default(), 1, 0);
    // Whether the last byte opened an object or a list.
    let mut opened = false;
    while let Some(byte) = text.get(at) {
        let rest = || text.get(at..).unwrap_or_default();
        // An object or a list contains one value more than commas, unless it is empty.
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => {
                at += 1;
                continue;
            }
            b']' | b'}' => {}
            b',' => values += 1,
            _ if opened => values += 1,
            _ => {}
        }
        if values > VALUES_MAX {
            return Err(MapError::TooManyValues);
        }
        opened = matches!(byte, b'[' | b'{');
        at += match byte {
            b'"' => {
                let length = string_length(rest());
                names.string(rest().get(1..length - 1).unwrap_or_default(), at);
                length
            }
            b'-' | b'0'..=b'9' => {
                let length = number::length(rest());
                let number = rest().get(..length).unwrap_or_default();
                // A string in the place of a name would make invalid text valid.
                if !names.expected && number::is_rounded(number) {
                    found.rounded.push(at..at + length);
                }
                length
            }
            b'{' | b'}' | b'[' | b']' | b',' => {
                let twice = names.punctuation(*byte);
                found.duplicate = found.duplicate.or_else(|| twice.map(|(name, at)| duplicate(text, &name, at)));
                1
            }
            _ => 1,
        };
    }
    Ok(found)
}

/// The names of all open objects.
#[derive(Default)]
struct Names<'a> {
    /// Each name with its position.
    names: Vec<(Cow<'a, [u8]>, usize)>,
    /// For each open object, where its names begin. `None` for a list.
    open: Vec<Option<usize>>,
    /// Whether the next value is a name.
    expected: bool,
}

impl<'a> Names<'a> {
    /// Notes a string, if it is a name.
    fn string(&mut self, string: &'a [u8], at: usize) {
        if self.expected {
            self.names.push((unescaped(string), at));
        }
        self.expected = false;
    }

    /// Notes a bracket or a comma. Returns the second of two equal names if an object ends here that has two.
    fn punctuation(&mut self, byte: u8) -> Option<(Cow<'a, [u8]>, usize)> {
        match byte {
            b'{' => self.open.push(Some(self.names.len())),
            b'[' => self.open.push(None),
            b',' => {}
            b'}' => {
                let start = self.open.pop().flatten().unwrap_or_default();
                let own = self.names.get_mut(start..).unwrap_or_default();
                own.sort_unstable();
                let mut pairs = own.windows(2);
                let twice = pairs.find_map(|pair| match pair {
                    [(one, _), (two, at)] if one == two => Some((two.clone(), *at)),
                    _ => None,
                });
                self.names.truncate(start);
                self.expected = false;
                return twice;
            }
            b']' => {
                self.open.pop();
                return None;
            }
            _ => return None,
        }
        self.expected = matches!(self.open.last(), Some(Some(_)));
        None
    }
}

/// The length of a string with its quotes. A string without an end has the rest of the text, and one byte more.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = true;
    let end = text.iter().position(|byte| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    });
    end.unwrap_or(text.len()) + 1
}

/// A name without its escapes.
fn unescaped(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'\\') {
        return Cow::Borrowed(name);
    }
    let quoted = [b"\"", name, b"\""].concat();
    Cow::Owned(serde_json::from_slice::<String>(&quoted).unwrap_or_default().into_bytes())
}

fn duplicate(text: &[u8], name: &[u8], at: usize) -> MapError {
    let before = text.get(..at).unwrap_or_default();
    let lines = before.split(|byte| *byte == b'\n');
    let column = lines.clone().next_back().map_or(0, <[u8]>::len) + 1;
    let name = text::one_line(&String::from_utf8_lossy(name));
    MapError::Duplicate { name: text::truncate(&name, NAME_MAX_CHARS).into_owned(), line: lines.count(), column }
}
