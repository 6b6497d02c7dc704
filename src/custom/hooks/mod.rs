//! Writes calls into a template's expressions where the engine would work without counting.
//!
//! | in a template | becomes |
//! |---|---|
//! | operands of `==`, `<`, `in`, … | `a\|__relay_compare == b\|__relay_compare` |
//! | operands of `~` | `a\|__relay_write ~ b\|__relay_write` |
//! | operands of `+` and `*` | `a\|__relay_flat + b\|__relay_flat` |
//! | `for a in b` | `for a in b\|__relay_run` |
//! | `[a]`, `{'a': a}`, `(a, b)` | `__relay_made([a])` |
//! | `a[b]` | `a[b\|__relay_index(0)]` |
//! | `a[b:c:d]` | `a.__relay_sliced()[b:c:d\|__relay_step].__relay_flat()` |
//! | `set n.a = b` | `set n.a = __relay_kept(b)` |
//! | `for a, b in c`, `set a, b = c` | `for a, b in __relay_unpacked(c)` |
//!
//! Literals are not operands that need it. [`cost`](super::cost) is what is called. Nothing else of the source changes, so
//! every place in the engine's text has one in the source.

use std::ops::Range;

use super::syntax::{Fault, end_of_raw, fault, leading, next_tag, word_at};

mod operands;
mod tokens;

/// The source as the engine gets it.
#[derive(Debug, Default)]
pub(super) struct Hooked {
    pub(super) text: String,
    /// The calls: in front of which byte of the source, how many bytes, and the operand that each belongs to.
    calls: Vec<(usize, usize, Range<usize>)>,
}

impl Hooked {
    /// The part of the source that a part of the text stands for.
    pub(super) fn part(&self, part: Range<usize>) -> Range<usize> {
        let (start, end) = (self.place(part.start), self.place(part.end));
        if start < end {
            return start..end;
        }
        // All of it was put in.
        self.calls.iter().find(|(at, ..)| *at == start).map_or(start..end, |(.., operand)| operand.clone())
    }

    fn place(&self, at: usize) -> usize {
        let mut added = 0;
        for (place, length, _) in &self.calls {
            if at < place + added {
                break;
            }
            if at < place + added + length {
                return *place;
            }
            added += length;
        }
        at - added
    }
}

/// Writes the calls into a text with tags.
///
/// # Errors
/// Returns a [`Fault`] for what cannot be bounded: a name of the relay's own, `cycle` without arguments, and a recursive loop
/// over pairs.
pub(super) fn template(source: &str) -> Result<Hooked, Fault> {
    let mut calls = Vec::new();
    let mut at = 0;
    while let Some(open) = next_tag(source, at) {
        let inside = open + 2;
        let start = inside + leading(source.get(inside..).unwrap_or_default());
        at = match source.as_bytes().get(open + 1) {
            Some(b'#') => {
                source.get(inside..).and_then(|rest| rest.find("#}")).map_or(source.len(), |end| inside + end + 2)
            }
            Some(b'%') if word_at(source, start) == "raw" => end_of_raw(source, start),
            Some(kind) => {
                let end = if *kind == b'%' { b'%' } else { b'}' };
                let mut walk = Walk::new(source, start, end, std::mem::take(&mut calls));
                walk.run()?;
                calls = walk.calls;
                walk.at
            }
            None => source.len(),
        };
    }
    Ok(apply(source, calls))
}

fn apply(source: &str, mut calls: Vec<Call>) -> Hooked {
    // Stable: what closes stands in front of what opens at the same place.
    calls.sort_by_key(|call| (call.at, call.order));
    let mut hooked = Hooked::default();
    let mut done = 0;
    for Call { at, text, operand, .. } in calls {
        hooked.text.push_str(source.get(done..at).unwrap_or_default());
        hooked.text.push_str(text);
        hooked.calls.push((at, text.len(), operand));
        done = at;
    }
    hooked.text.push_str(source.get(done..).unwrap_or_default());
    hooked
}

struct Call {
    at: usize,
    text: &'static str,
    operand: Range<usize>,
    order: Order,
}

/// The order of several at one place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Closes,
    OpensValue,
    OpensLiteral,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Compare,
    Write,
    Add,
    Multiply,
    Other,
}

/// The tokens between two operators.
#[derive(Clone)]
struct Operand {
    start: usize,
    end: usize,
    tokens: usize,
    /// Whether it is a number, a text or a word for a value.
    scalar: bool,
    /// Whether nothing in it has a name.
    fixed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Tag,
    Group,
    List,
    Object,
    Call,
    Subscript,
}

/// A bracket that is open, or the tag itself.
struct Level {
    bracket: Bracket,
    start: usize,
    /// Where the part began that is read now.
    part: usize,
    operands: Vec<Operand>,
    operators: Vec<Operator>,
    current: Option<Operand>,
    /// Whether all parts are compared, or this part is, or it is run over, whatever stands in it.
    always: bool,
    compares: bool,
    loops: bool,
    named: bool,
    /// Whether there is more in the part than one operand.
    mixed: bool,
    negative: bool,
    commas: usize,
    colons: usize,
}

/// What a token follows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    Operand,
    Dot,
    /// `|`.
    Pipe,
    /// `is`.
    Is,
    TestName,
}

/// What a tag assigns to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    None,
    For,
    Set,
    With,
}

/// Walks over one tag.
struct Walk<'s> {
    source: &'s str,
    at: usize,
    /// The first of the two bytes that end the tag.
    end: u8,
    levels: Vec<Level>,
    calls: Vec<Call>,
    before: Before,
    /// The name in front of a bracket.
    name: &'s str,
    /// Where the last token ended.
    last: usize,
    target: Target,
    /// Where the value begins that is assigned, and what it is handed to.
    value: Option<(usize, &'static str)>,
}

impl<'s> Walk<'s> {
    fn new(source: &'s str, start: usize, end: u8, calls: Vec<Call>) -> Walk<'s> {
        let mut walk = Walk {
            source,
            at: start,
            end,
            levels: Vec::new(),
            calls,
            before: Before::Nothing,
            name: "",
            last: start,
            target: Target::None,
            value: None,
        };
        walk.open(Bracket::Tag);
        walk
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    /// Whether the tag ends here, perhaps with a mark for white space.
    fn ends(&self) -> bool {
        let at = |ahead| self.byte(ahead) == Some(self.end) && self.byte(ahead + 1) == Some(b'}');
        self.levels.len() == 1 && (at(0) || matches!(self.byte(0), Some(b'-' | b'+')) && at(1))
    }

    fn run(&mut self) -> Result<(), Fault> {
        if self.end == b'%' {
            self.statement()?;
        }
        while self.byte(0).is_some() && !self.ends() {
            self.token()?;
        }
        self.finish();
        self.end_value();
        self.at = self
            .source
            .get(self.at..)
            .and_then(|rest| rest.find('}'))
            .map_or(self.source.len(), |end| self.at + end + 1);
        Ok(())
    }

    fn reserved<T>(&self, word: &str) -> Result<T, Fault> {
        fault(self.at..self.at + word.len(), format!("the name `{word}` is refused: the relay uses it"))
    }

    fn put(&mut self, at: usize, text: &'static str, operand: Range<usize>, order: Order) {
        self.calls.push(Call { at, text, operand, order });
    }
}
