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

use super::payload::RESERVED;
use super::syntax::{Fault, end_of_raw, fault, leading, next_tag, word_at};

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

    /// The word that a statement begins with, and what it assigns to.
    fn statement(&mut self) -> Result<(), Fault> {
        let word = word_at(self.source, self.at);
        self.target = match word {
            "for" => Target::For,
            "set" => Target::Set,
            "with" => Target::With,
            _ => Target::None,
        };
        let start = self.at;
        self.at += word.len();
        if word == "call" {
            // What follows are the names of arguments.
            self.operand(start, false, false);
        }
        self.assign()
    }

    /// Walks over the names that are assigned to, and notes what happens to the value.
    fn assign(&mut self) -> Result<(), Fault> {
        if self.target == Target::None {
            return Ok(());
        }
        let (mut several, mut member, start) = (false, false, self.at);
        while self.byte(0).is_some() && !self.ends() {
            match self.byte(0) {
                Some(b'=') => {
                    self.at += 1;
                    break;
                }
                Some(b'|') => return Ok(()),
                Some(b',') => several = true,
                Some(b'.') => member = true,
                Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => {
                    let word = word_at(self.source, self.at);
                    if word.starts_with(RESERVED) {
                        return self.reserved(word);
                    }
                    self.at += word.len();
                    if word == "in" && self.target == Target::For {
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
        let call = match (several, member) {
            (true, _) => " __relay_unpacked(",
            (false, true) => " __relay_kept(",
            (false, false) => "",
        };
        let tag = self.source.get(self.at..).unwrap_or_default();
        let tag = tag.split("%}").next().unwrap_or_default();
        if self.target == Target::For && several && tag.trim_end_matches(['-', '+', ' ']).ends_with("recursive") {
            return fault(start..self.at, "a recursive loop over several variables is refused".to_owned());
        }
        self.value = Some((self.at, call));
        if let Some(level) = self.levels.last_mut() {
            level.loops = self.target == Target::For;
            level.commas = 0;
        }
        Ok(())
    }

    /// The value ends that is assigned.
    fn end_value(&mut self) {
        let Some((start, call)) = self.value.take() else { return };
        let tuple = self.target == Target::Set && self.levels.first().is_some_and(|level| level.commas > 0);
        let (call, close) = if tuple { (" __relay_made((", "))") } else { (call, ")") };
        if !call.is_empty() && start < self.last {
            self.put(start, call, start..self.last, Order::OpensValue);
            self.put(self.last, close, start..self.last, Order::Closes);
        }
    }

    fn reserved<T>(&self, word: &str) -> Result<T, Fault> {
        fault(self.at..self.at + word.len(), format!("the name `{word}` is refused: the relay uses it"))
    }

    fn put(&mut self, at: usize, text: &'static str, operand: Range<usize>, order: Order) {
        self.calls.push(Call { at, text, operand, order });
    }

    fn open(&mut self, bracket: Bracket) {
        self.levels.push(Level {
            bracket,
            start: self.at,
            part: self.at + 1,
            operands: Vec::new(),
            operators: Vec::new(),
            current: None,
            // It compares its arguments with those of the last time.
            always: bracket == Bracket::Call && self.name == "changed",
            compares: false,
            loops: false,
            named: false,
            mixed: false,
            negative: false,
            commas: 0,
            colons: 0,
        });
        self.before = Before::Nothing;
    }

    /// A token that belongs to an operand, from `start` to here.
    fn operand(&mut self, start: usize, scalar: bool, fixed: bool) {
        let end = self.at;
        self.last = end;
        let Some(level) = self.levels.last_mut() else { return };
        level.named |= !fixed;
        let current = level.current.get_or_insert(Operand { start, end, tokens: 0, scalar, fixed });
        current.end = end;
        current.tokens += 1;
        current.scalar &= scalar && current.tokens == 1;
        current.fixed &= fixed;
        self.before = Before::Operand;
    }

    fn operator(&mut self, operator: Operator, length: usize) {
        let splat = length == 2 && self.byte(0) == Some(b'*');
        let minus = self.byte(0) == Some(b'-');
        self.at += length;
        self.last = self.at;
        self.before = Before::Nothing;
        let Some(level) = self.levels.last_mut() else { return };
        match level.current.take() {
            Some(operand) => {
                level.operands.push(operand);
                level.operators.push(operator);
            }
            // In front of an operand.
            None => {
                level.compares |= splat && level.operands.is_empty();
                level.negative |= minus;
            }
        }
    }

    /// The end of operands that belong together. Puts in what they need.
    fn finish(&mut self) {
        let Some(level) = self.levels.last_mut() else { return };
        let mut operands = std::mem::take(&mut level.operands);
        let operators = std::mem::take(&mut level.operators);
        operands.extend(level.current.take());
        level.mixed |= operands.len() > 1;
        let has = |operator| operators.contains(&operator);
        let visits = match (has(Operator::Write), has(Operator::Compare) || level.compares || level.always) {
            (true, _) => Some("|__relay_write"),
            (false, true) => Some("|__relay_compare"),
            (false, false) => None,
        };
        let mut puts = Vec::new();
        for (index, operand) in operands.iter().enumerate() {
            let left = index.checked_sub(1).and_then(|index| operators.get(index));
            let beside = |wanted: Operator| left == Some(&wanted) || operators.get(index) == Some(&wanted);
            let alone = operators.len() < 2;
            let call = match visits {
                _ if operand.scalar => continue,
                _ if beside(Operator::Multiply) && !alone => "|__relay_scalar",
                None if beside(Operator::Multiply) || beside(Operator::Add) => "|__relay_flat",
                None if level.loops => "|__relay_run",
                Some(call) if !operand.fixed => call,
                _ => continue,
            };
            puts.push((operand.start..operand.end, call));
            // Text that is repeated, too, is long.
            if call == "|__relay_scalar"
                && let Some(call) = visits
            {
                puts.push((operand.start..operand.end, call));
            }
        }
        (level.loops, level.compares) = (false, false);
        for (operand, call) in puts {
            self.put(operand.end, call, operand, Order::Closes);
        }
    }

    fn token(&mut self) -> Result<(), Fault> {
        let Some(byte) = self.byte(0) else { return Ok(()) };
        let next = self.byte(1);
        match byte {
            b'"' | b'\'' => self.string(byte),
            b'0'..=b'9' => self.number(),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.word(),
            b'.' | b'|' => {
                self.at += 1;
                self.operand(self.at - 1, false, true);
                self.before = if byte == b'.' { Before::Dot } else { Before::Pipe };
            }
            b'(' | b'[' | b'{' => return self.bracket(byte),
            b')' | b']' | b'}' => self.close(),
            b',' | b':' => self.separator(byte)?,
            b'=' if next != Some(b'=') => {
                self.at += 1;
                self.before = Before::Nothing;
                if let Some(level) = self.levels.last_mut() {
                    level.current = None;
                }
            }
            b'=' | b'!' => self.operator(Operator::Compare, 2),
            b'<' | b'>' => self.operator(Operator::Compare, if next == Some(b'=') { 2 } else { 1 }),
            b'~' => self.operator(Operator::Write, 1),
            b'+' => self.operator(Operator::Add, 1),
            b'*' if next == Some(b'*') => self.operator(Operator::Other, 2),
            b'*' => self.operator(Operator::Multiply, 1),
            b'/' if next == Some(b'/') => self.operator(Operator::Other, 2),
            b'-' | b'/' | b'%' => self.operator(Operator::Other, 1),
            _ => self.at += 1,
        }
        Ok(())
    }

    fn string(&mut self, quote: u8) {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == quote {
                break;
            }
        }
        self.operand(start, true, true);
    }

    fn number(&mut self) {
        let start = self.at;
        let attribute = self.before == Before::Dot;
        while let Some(byte) = self.byte(0) {
            let point = byte == b'.' && !attribute && self.byte(1).is_some_and(|next| next.is_ascii_digit());
            let sign = matches!(byte, b'+' | b'-')
                && self.source.get(start..self.at).is_some_and(|number| number.ends_with(['e', 'E']));
            if !(byte.is_ascii_alphanumeric() || byte == b'_' || point || sign) {
                break;
            }
            self.at += 1;
        }
        self.operand(start, true, true);
    }

    fn word(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let word = word_at(self.source, start);
        self.name = word;
        if word.starts_with(RESERVED) {
            return self.reserved(word);
        }
        match self.before {
            Before::Is if word == "not" => {
                self.at += word.len();
                self.last = self.at;
                return Ok(());
            }
            Before::Dot | Before::Pipe | Before::Is => {
                let test = self.before == Before::Is;
                self.at += word.len();
                self.operand(start, false, true);
                self.before = if test { Before::TestName } else { Before::Operand };
                return Ok(());
            }
            Before::Nothing | Before::Operand | Before::TestName => {}
        }
        self.name = "";
        let rest = self.source.get(start + word.len()..).unwrap_or_default();
        let not_in = word == "not" && word_at(rest.trim_ascii_start(), 0) == "in";
        match word {
            "in" => self.operator(Operator::Compare, word.len()),
            "not" if not_in => {
                let space = rest.len() - rest.trim_ascii_start().len();
                self.operator(Operator::Compare, word.len() + space + "in".len());
            }
            "and" | "or" | "not" | "if" | "else" => {
                self.part();
                if let Some(level) = self.levels.last_mut() {
                    level.mixed = true;
                }
                if self.levels.len() == 1 && word == "if" && self.target == Target::For {
                    self.end_value();
                }
                self.at += word.len();
            }
            "recursive" if self.levels.len() == 1 && self.target == Target::For => {
                self.part();
                self.end_value();
                self.at += word.len();
            }
            "is" => {
                self.at += word.len();
                self.operand(start, false, true);
                self.before = Before::Is;
            }
            "true" | "True" | "false" | "False" | "none" | "None" => {
                self.at += word.len();
                self.operand(start, true, true);
            }
            _ => {
                self.at += word.len();
                self.operand(start, false, false);
            }
        }
        Ok(())
    }

    /// A part of a level ends.
    fn part(&mut self) {
        self.finish();
        self.before = Before::Nothing;
    }

    fn separator(&mut self, byte: u8) -> Result<(), Fault> {
        let key = byte == b':' && self.levels.last().is_some_and(|level| level.bracket == Bracket::Object);
        if let Some(level) = self.levels.last_mut() {
            level.compares |= key;
        }
        self.part();
        let outer = self.levels.len() == 1;
        if outer && byte == b',' && self.target == Target::With {
            self.end_value();
        }
        self.at += 1;
        let at = self.at;
        if let Some(level) = self.levels.last_mut() {
            level.commas += usize::from(byte == b',');
            level.colons += usize::from(byte == b':');
            level.part = at;
            if level.bracket == Bracket::Subscript {
                level.mixed = false;
            }
        }
        if outer && byte == b',' && self.target == Target::With { self.assign() } else { Ok(()) }
    }

    fn bracket(&mut self, byte: u8) -> Result<(), Fault> {
        let follows = matches!(self.before, Before::Operand);
        let bracket = match byte {
            b'(' if follows || self.before == Before::TestName => Bracket::Call,
            b'(' => Bracket::Group,
            b'[' if follows => Bracket::Subscript,
            b'[' => Bracket::List,
            _ => Bracket::Object,
        };
        if bracket == Bracket::Call && self.name == "cycle" {
            let rest = self.source.get(self.at + 1..).unwrap_or_default().trim_ascii_start();
            if rest.starts_with([')', '*']) {
                return fault(self.at..self.at + 1, "`cycle` needs a value".to_owned());
            }
        }
        self.open(bracket);
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) {
        let (part, kind) = self.levels.last().map_or((self.at, Bracket::Tag), |level| (level.part, level.bracket));
        let last = self.last;
        let key = self.levels.last().is_some_and(|level| match &level.current {
            _ if level.mixed || !level.operators.is_empty() || level.negative => true,
            Some(operand) => !operand.scalar || self.is_large(operand),
            None => false,
        });
        self.finish();
        if kind == Bracket::Tag || self.levels.len() < 2 {
            self.at += 1;
            return;
        }
        let Some(level) = self.levels.pop() else { return };
        self.at += 1;
        let (start, end) = (level.start, self.at);
        let literal = match kind {
            Bracket::List | Bracket::Object => level.named,
            Bracket::Group => level.named && level.commas > 0,
            Bracket::Tag | Bracket::Call | Bracket::Subscript => false,
        };
        if literal {
            self.put(start, "__relay_made(", start..end, Order::OpensLiteral);
            self.put(end, ")", start..end, Order::Closes);
        }
        if kind == Bracket::Subscript {
            let check = match level.colons {
                0 if key => "|__relay_index(0)",
                2 if part < last => "|__relay_step",
                _ => "",
            };
            if !check.is_empty() {
                let several = level.mixed;
                if several {
                    self.put(part, "(", part..last, Order::OpensValue);
                    self.put(last, ")", part..last, Order::Closes);
                }
                self.put(last, check, part..last, Order::Closes);
            }
            if level.colons > 0 {
                self.put(start, ".__relay_sliced()", start..end, Order::Closes);
                self.put(end, ".__relay_flat()", start..end, Order::Closes);
            }
        }
        self.name = "";
        self.operand(start, false, !level.named);
    }

    fn is_large(&self, operand: &Operand) -> bool {
        let text = self.source.get(operand.start..operand.end).unwrap_or_default();
        text.starts_with(|c: char| c.is_ascii_digit()) && text.len() > 3
    }
}
