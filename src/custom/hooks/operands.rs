//! The operands of a tag's expressions, and the brackets round them.

use super::super::syntax::{Fault, fault};
use super::{Before, Bracket, Level, Operand, Operator, Order, Target, Walk};

impl Walk<'_> {
    pub(super) fn open(&mut self, bracket: Bracket) {
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
    pub(super) fn operand(&mut self, start: usize, scalar: bool, fixed: bool) {
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

    pub(super) fn operator(&mut self, operator: Operator, length: usize) {
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
    pub(super) fn finish(&mut self) {
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

    /// A part of a level ends.
    pub(super) fn part(&mut self) {
        self.finish();
        self.before = Before::Nothing;
    }

    pub(super) fn separator(&mut self, byte: u8) -> Result<(), Fault> {
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

    pub(super) fn bracket(&mut self, byte: u8) -> Result<(), Fault> {
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

    pub(super) fn close(&mut self) {
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

    pub(super) fn is_large(&self, operand: &Operand) -> bool {
        let text = self.source.get(operand.start..operand.end).unwrap_or_default();
        text.starts_with(|c: char| c.is_ascii_digit()) && text.len() > 3
    }
}
