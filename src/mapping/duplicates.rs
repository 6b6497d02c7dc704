//! Member names that occur twice in one object. JSON parsers disagree about which of the two counts, so a sender and the
//! relay could read two different payloads.

use std::borrow::Cow;

use super::MapError;
use crate::text;

/// How much of a name the error shows, in UTF-16 code units.
const NAME_MAX_CHARS: usize = 64;

/// Checks valid JSON text, in one pass.
///
/// # Errors
/// Returns [`MapError::Duplicate`] for an object, at any depth, in which a name occurs twice.
pub(super) fn check(text: &[u8]) -> Result<(), MapError> {
    // The names of all open objects, each with its position.
    let mut names: Vec<(Cow<'_, [u8]>, usize)> = Vec::new();
    // For each open object, where its names begin. `None` for a list.
    let mut open: Vec<Option<usize>> = Vec::new();
    let (mut at, mut before_name) = (0, false);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                let rest = text.get(at + 1..).unwrap_or_default();
                let length = string_length(rest);
                if before_name {
                    names.push((unescaped(rest.get(..length).unwrap_or_default()), at));
                }
                before_name = false;
                at += length + 1;
            }
            b'{' => {
                open.push(Some(names.len()));
                before_name = true;
            }
            b'[' => open.push(None),
            b',' => before_name = matches!(open.last(), Some(Some(_))),
            b'}' => {
                let start = open.pop().flatten().unwrap_or_default();
                let own = names.get_mut(start..).unwrap_or_default();
                own.sort_unstable();
                let pairs =
                    own.windows(2).filter_map(|pair| if let [one, two] = pair { Some((one, two)) } else { None });
                if let Some((_, (name, at))) = { pairs }.find(|((one, _), (two, _))| one == two) {
                    return Err(duplicate(text, name, *at));
                }
                names.truncate(start);
                before_name = false;
            }
            b']' => {
                open.pop();
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The length of a string, from behind its quote up to its closing quote.
fn string_length(rest: &[u8]) -> usize {
    let mut escaped = false;
    let end = rest.iter().position(|byte| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    });
    end.unwrap_or(rest.len())
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
