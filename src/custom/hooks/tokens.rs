//! What a tag says, word by word.

use super::super::payload::RESERVED;
use super::super::syntax::{Fault, fault, word_at};
use super::{Before, Operator, Order, Target, Walk};

impl Walk<'_> {
    /// The word that a statement begins with, and what it assigns to.
    pub(super) fn statement(&mut self) -> Result<(), Fault> {
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
    pub(super) fn assign(&mut self) -> Result<(), Fault> {
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
    pub(super) fn end_value(&mut self) {
        let Some((start, call)) = self.value.take() else { return };
        let tuple = self.target == Target::Set && self.levels.first().is_some_and(|level| level.commas > 0);
        let (call, close) = if tuple { (" __relay_made((", "))") } else { (call, ")") };
        if !call.is_empty() && start < self.last {
            self.put(start, call, start..self.last, Order::OpensValue);
            self.put(self.last, close, start..self.last, Order::Closes);
        }
    }

    pub(super) fn token(&mut self) -> Result<(), Fault> {
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

    pub(super) fn string(&mut self, quote: u8) {
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

    pub(super) fn number(&mut self) {
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

    pub(super) fn word(&mut self) -> Result<(), Fault> {
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
}
