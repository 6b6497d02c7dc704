//! Looks at a template's text before the engine parses it.
//!
//! The engine's parser and compiler call themselves for each operator, bracket or block inside another, and a host gives the
//! component a stack of 512 KB. So a text that nests too deep is rejected here. The engine finds an unknown filter only when
//! it runs it; here it is found when the template is read.

use std::ops::Range;

use super::filters;

/// How much stack a text may take, in half kilobytes, as a native build without optimisation takes it: more than the
/// component does.
const STACK_MAX: usize = 400;

/// What the parser and the compiler take for each block, `elif`, bracket and operator that is inside another.
const BLOCK: usize = 25;
const ELIF: usize = 6;
const BRACKET: usize = 44;
const OPERATOR: usize = 4;

/// The error for a text that takes more.
const TOO_DEEP: &str = "nests too deep";

/// Statements of Jinja that would read other templates, or write HTML.
const REFUSED_STATEMENTS: [&str; 8] =
    ["autoescape", "block", "endautoescape", "endblock", "extends", "from", "import", "include"];

/// Functions of Jinja, of its extensions and of Grafana OnCall that do not give the same text each time, or write HTML.
const REFUSED_FUNCTIONS: [&str; 8] = ["cycler", "debug", "joiner", "lipsum", "now", "random", "randrange", "time"];

/// Filters that do not give the same text each time, or write HTML.
const REFUSED_FILTERS: [&str; 5] = ["forceescape", "pprint", "random", "urlize", "xmlattr"];

/// A fault in a text, and the part at fault.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) part: Range<usize>,
    pub(super) why: String,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// No tag of Jinja is in it.
    Plain,
    /// It is one `{{ expression }}`.
    Expression,
    /// Anything else.
    Template,
}

/// Looks at a text with tags.
///
/// # Errors
/// Returns a [`Fault`] if the text nests too deep, or uses something that is refused or unknown.
pub(super) fn template(source: &str) -> Result<Shape, Fault> {
    let mut shape = Shape::Plain;
    let mut blocks: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(open) = next_tag(source, at) {
        let inside = open + 2;
        let whole = open == 0;
        match source.as_bytes().get(open + 1) {
            Some(b'#') => {
                at = source.get(inside..).and_then(|rest| rest.find("#}")).map_or(source.len(), |end| inside + end + 2)
            }
            Some(b'%') => {
                let start = inside + leading(source.get(inside..).unwrap_or_default());
                let word = word_at(source, start);
                if word == "raw" {
                    at = end_of_raw(source, start);
                } else {
                    let statement = start..start + word.len();
                    if REFUSED_STATEMENTS.contains(&word) {
                        return fault(statement, format!("the statement `{word}` is refused"));
                    }
                    let mut scan = Scan::new(source, start, blocks.iter().sum());
                    scan.run(Some(b'%'))?;
                    at = scan.at;
                    count_block(&mut blocks, word, scan.assigns);
                    if blocks.iter().sum::<usize>() > STACK_MAX {
                        return fault(statement, TOO_DEEP.to_owned());
                    }
                }
            }
            _ => {
                let mut scan = Scan::new(source, inside, blocks.iter().sum());
                scan.run(Some(b'}'))?;
                at = scan.at;
                if whole && scan.closed && at == source.len() {
                    return Ok(Shape::Expression);
                }
            }
        }
        shape = Shape::Template;
    }
    Ok(shape)
}

/// Looks at an expression without braces.
///
/// # Errors
/// As [`template`].
pub(super) fn expression(source: &str) -> Result<(), Fault> {
    Scan::new(source, 0, 0).run(None)
}

pub(super) fn fault<T>(part: Range<usize>, why: String) -> Result<T, Fault> {
    Err(Fault { part, why })
}

/// Where the next `{{`, `{%` or `{#` begins.
pub(super) fn next_tag(source: &str, from: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    (from..bytes.len())
        .find(|at| bytes.get(*at) == Some(&b'{') && matches!(bytes.get(at + 1), Some(b'{' | b'%' | b'#')))
}

/// How long the mark for white space and the white space at the beginning of a tag are.
pub(super) fn leading(inside: &str) -> usize {
    let rest = inside.strip_prefix(['-', '+']).unwrap_or(inside);
    inside.len() - rest.trim_ascii_start().len()
}

pub(super) fn word_at(source: &str, at: usize) -> &str {
    let rest = source.get(at..).unwrap_or_default();
    let end = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_').unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default()
}

/// Where the text after `{% endraw %}` begins. Between the two tags nothing is parsed.
pub(super) fn end_of_raw(source: &str, mut at: usize) -> usize {
    while let Some(found) = source.get(at..).and_then(|rest| rest.find("{%")) {
        let inside = at + found + 2;
        let start = inside + leading(source.get(inside..).unwrap_or_default());
        if word_at(source, start) == "endraw" {
            return source.get(start..).and_then(|rest| rest.find("%}")).map_or(source.len(), |end| start + end + 2);
        }
        at = inside;
    }
    source.len()
}

/// Notes what a block takes that begins, goes on or ends.
fn count_block(blocks: &mut Vec<usize>, word: &str, assigns: bool) {
    match word {
        "call" | "filter" | "for" | "if" | "macro" | "with" => blocks.push(BLOCK),
        "set" if !assigns => blocks.push(BLOCK),
        "elif" => {
            if let Some(count) = blocks.last_mut() {
                *count += ELIF;
            }
        }
        _ if word.starts_with("end") => drop(blocks.pop()),
        _ => {}
    }
}

/// Walks over one expression or tag.
struct Scan<'s> {
    source: &'s str,
    start: usize,
    at: usize,
    /// For each open bracket, the levels taken on the way to it.
    levels: Vec<usize>,
    /// Whether `=` was outside of brackets.
    assigns: bool,
    /// Whether the tag's end was found.
    closed: bool,
}

impl<'s> Scan<'s> {
    /// `taken` is what the blocks around it take.
    fn new(source: &'s str, start: usize, taken: usize) -> Scan<'s> {
        Scan { source, start, at: start, levels: vec![taken, 0], assigns: false, closed: false }
    }

    /// Walks to the end: `%}` or `}}` outside of brackets and quotes, or the end of the text.
    fn run(&mut self, end: Option<u8>) -> Result<(), Fault> {
        let bytes = self.source.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            let next = bytes.get(self.at + 1).copied();
            if self.levels.len() == 2 && end == Some(byte) && next == Some(b'}') {
                self.at += 2;
                self.closed = true;
                return Ok(());
            }
            match byte {
                b'"' | b'\'' => self.skip_string(byte),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => self.word(bytes)?,
                b'(' | b'[' | b'{' => {
                    self.levels.push(BRACKET);
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    if self.levels.len() > 2 {
                        self.levels.pop();
                    }
                    self.deeper();
                    self.at += 1;
                }
                b',' | b':' => {
                    let bracket = if self.levels.len() > 2 { BRACKET } else { 0 };
                    if let Some(level) = self.levels.last_mut() {
                        *level = bracket;
                    }
                    self.at += 1;
                }
                b'|' => {
                    self.deeper();
                    self.at += 1;
                    self.named("filter", filters::knows, &REFUSED_FILTERS)?;
                }
                b'=' if next == Some(b'=') => {
                    self.deeper();
                    self.at += 2;
                }
                b'=' => {
                    self.assigns |= self.levels.len() == 2;
                    self.at += 1;
                }
                b'+' | b'-' | b'*' | b'/' | b'~' | b'%' | b'<' | b'>' | b'!' | b'.' => {
                    self.deeper();
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            if self.levels.iter().sum::<usize>() > STACK_MAX {
                return fault(self.start..self.at, TOO_DEEP.to_owned());
            }
        }
        Ok(())
    }

    fn deeper(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            *level += OPERATOR;
        }
    }

    fn skip_string(&mut self, quote: u8) {
        let bytes = self.source.as_bytes();
        self.at += 1;
        while let Some(&byte) = bytes.get(self.at) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == quote {
                return;
            }
        }
    }

    fn word(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let start = self.at;
        let word = word_at(self.source, start);
        self.at += word.len();
        let attribute = start.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'.');
        match word {
            _ if attribute => {}
            "and" | "else" | "if" | "in" | "not" | "or" => self.deeper(),
            "is" => {
                self.deeper();
                self.skip_space();
                if word_at(self.source, self.at) == "not" {
                    self.at += "not".len();
                }
                self.named("test", filters::knows_test, &[])?;
            }
            _ if REFUSED_FUNCTIONS.contains(&word) && bytes.get(self.at) == Some(&b'(') => {
                return fault(
                    start..self.at,
                    format!("the function `{word}` is refused: a mapping has no clock, chance or state"),
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn skip_space(&mut self) {
        let rest = self.source.get(self.at..).unwrap_or_default();
        self.at += rest.len() - rest.trim_ascii_start().len();
    }

    /// The name of a filter or test begins here.
    fn named(&mut self, what: &str, known: fn(&str) -> bool, refused: &[&str]) -> Result<(), Fault> {
        self.skip_space();
        let start = self.at;
        let name = word_at(self.source, start);
        self.at += name.len();
        if refused.contains(&name) {
            return fault(start..self.at, format!("the {what} `{name}` is refused"));
        }
        // Without a name the parser says what is missing.
        if !name.is_empty() && !known(name) {
            return fault(start..self.at, format!("unknown {what} `{name}`"));
        }
        Ok(())
    }
}
