//! Where a text stands in a JSON document, for errors that a person has to find.

/// One step down.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Index(usize),
    Name(&'a str),
}

/// Where a text begins: line and column, both from 1 and the column in characters, and the document from there on.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    line: usize,
    column: usize,
    rest: &'a str,
}

impl<'a> Place<'a> {
    /// The place of what stands at a path. `json` is a document that has been parsed; where the path leads nowhere, it is
    /// the document's beginning.
    pub(super) fn of(json: &'a str, path: &[Step<'_>]) -> Place<'a> {
        let start = find(json, path).unwrap_or_default();
        let (before, rest) = json.split_at_checked(start).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        Place { line: lines + 1, column: line.chars().count() + 1, rest }
    }

    /// Line and column of the character at `offset` of what the text there says. A text in JSON has one line.
    pub(super) fn at(self, offset: usize) -> (usize, usize) {
        let before = self.rest.get(..inside(self.rest, offset)).unwrap_or_default();
        (self.line, self.column + before.chars().count())
    }
}

/// Where the value at a path begins.
fn find(json: &str, path: &[Step<'_>]) -> Option<usize> {
    let mut at = skip_space(json, 0);
    for step in path {
        let mut index = 0;
        at = skip_space(json, at + 1);
        loop {
            match step {
                Step::Index(wanted) if index == *wanted => break,
                Step::Index(_) => {}
                Step::Name(wanted) => {
                    let end = skip_value(json, at);
                    let name: String = serde_json::from_slice(json.get(at..end)?.as_bytes()).ok()?;
                    at = skip_space(json, skip_space(json, end) + 1);
                    if name == *wanted {
                        break;
                    }
                }
            }
            index += 1;
            let after = skip_space(json, skip_value(json, at));
            if byte(json, after)? != b',' {
                return None;
            }
            at = skip_space(json, after + 1);
        }
    }
    Some(at)
}

fn byte(json: &str, at: usize) -> Option<u8> {
    json.as_bytes().get(at).copied()
}

fn skip_space(json: &str, mut at: usize) -> usize {
    while byte(json, at).is_some_and(|byte| byte.is_ascii_whitespace()) {
        at += 1;
    }
    at
}

/// The end of the value that begins here.
fn skip_value(json: &str, mut at: usize) -> usize {
    let mut depth = 0usize;
    let mut quoted = false;
    while let Some(byte) = byte(json, at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted && depth == 0 => return at,
            b'}' | b']' if !quoted => depth -= 1,
            b',' | b':' if !quoted && depth == 0 => return at,
            _ => {}
        }
        at += 1;
        let ended = byte == b'"' || byte == b'}' || byte == b']';
        if ended && !quoted && depth == 0 {
            return at;
        }
    }
    at
}

/// How many bytes of a text in JSON stand for the first `offset` bytes of what it says, the quote included.
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
