//! Finds a text of a template in the JSON document that it is written in, so that an error can say where it is.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// One step down in a document.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    Index(usize),
    Name(&'a str),
}

/// The line and the column, both from 1 and the column in characters, of the character at byte `offset` of the text at
/// `path`. A path that leads nowhere gives the document's beginning.
pub(super) fn line_and_column(json: &str, path: &[Step<'_>], offset: usize) -> (usize, usize) {
    let found = find(json, path).unwrap_or(json);
    let start = found.as_ptr().addr().saturating_sub(json.as_ptr().addr());
    let before = json.get(..start + inside(found, offset)).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The value at a path, as it is written.
fn find<'j>(json: &'j str, path: &[Step<'_>]) -> Option<&'j str> {
    path.iter().try_fold(json, |json, step| {
        let value: &RawValue = match step {
            Step::Index(index) => {
                serde_json::from_slice::<Vec<&RawValue>>(json.as_bytes()).ok()?.get(*index).copied()?
            }
            Step::Name(name) => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_slice(json.as_bytes()).ok()?;
                members.get(*name).copied()?
            }
        };
        Some(value.get())
    })
}

/// How many bytes of a text in JSON stand for the first `offset` bytes of what it says, with the quote before them.
fn inside(json: &str, offset: usize) -> usize {
    let mut said = 0;
    let mut chars = json.char_indices().peekable();
    if chars.next().is_none_or(|(_, quote)| quote != '"') {
        return 0;
    }
    while let Some((at, c)) = chars.next() {
        if said >= offset || c == '"' {
            return at;
        }
        match (c, chars.peek()) {
            ('\\', Some((_, 'u'))) => {
                let digits = json.get(at + 2..at + 6).and_then(|digits| u32::from_str_radix(digits, 16).ok());
                // Half of a pair counts half of what the pair stands for.
                said += digits.and_then(char::from_u32).map_or(2, char::len_utf8);
                chars.nth(4);
            }
            ('\\', Some(_)) => {
                said += 1;
                chars.next();
            }
            (c, _) => said += c.len_utf8(),
        }
    }
    json.len()
}
