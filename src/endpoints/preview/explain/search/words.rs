//! The search for the words that decide the action and the severity of an event.

use serde_json::Value;

use super::super::origin::{ALL, DECIDED};
use super::super::payload::{PayloadPart, edit};
use super::{Memory, Search, nulled};

/// How many parts are tried one by one with each word.
const ALONE_MAX: usize = 2;

/// The longest text that can be a deciding word, in bytes.
const WORD_MAX_BYTES: usize = 40;

/// Deciding words in the payloads of many vendors, in addition to those of the source.
const WORDS: &[&str] = &[
    "critical",
    "error",
    "warning",
    "info",
    "resolved",
    "ok",
    "closed",
    "success",
    "failure",
    "acknowledge",
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
];

/// The parts in which words are tried.
struct Words<'p> {
    /// Those that are tried one by one: with another word, they make another event, or none.
    alone: Vec<&'p PayloadPart>,
    /// Those that are tried many at a time.
    together: Vec<&'p PayloadPart>,
}

impl<'p> Words<'p> {
    fn new(parts: Vec<&'p PayloadPart>, alone: &[String]) -> Self {
        let mut words = Words { alone: Vec::new(), together: parts };
        words.set_apart(alone);
        words
    }

    fn set_apart(&mut self, names: &[String]) {
        let (alone, together): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.together).into_iter().partition(|part| names.contains(&part.name));
        self.alone.extend(alone);
        self.together = together;
    }
}

impl Search<'_, '_, '_> {
    /// Tries other words in the payload if the origin of the action or the severity is still unknown.
    pub(super) fn words(&mut self, parts: &[PayloadPart], memory: &mut Memory) {
        if !self.wants() || self.asker.is_exhausted() {
            return;
        }
        let payload = std::mem::take(&mut self.small);
        // The other parts were tried without a value before.
        let named = parts.iter().filter(|part| self.names(&part.name) && !memory.optional.contains(&part.path));
        for part in named.collect::<Vec<_>>() {
            if let Some(difference) = self.change(&payload, &[part], &nulled)
                && !self.note(&part.name, difference, &[ALL, "event_action", "payload.severity"])
            {
                memory.optional.insert(part.path.clone());
            }
        }
        let (rare, common): (Vec<_>, Vec<_>) = parts.iter().partition(|part| self.removed.contains(&part.name));
        let before: Vec<&str> = memory.words.iter().map(String::as_str).collect();
        let mut all: Vec<&str> = before;
        for word in self.words.iter().chain(WORDS) {
            if !all.contains(word) {
                all.push(word);
            }
        }
        let mut found = self.try_words(&payload, &common, &all);
        // A part that changed nothing may still decide something with one of the source's own words.
        let own = if self.words.is_empty() { WORDS } else { self.words };
        if !rare.is_empty() && self.wants() {
            found.extend(self.try_words(&self.case.payload, &rare, own));
        }
        memory.words = found;
    }

    /// Tries each of these words in these parts, and returns those that decide something.
    fn try_words(&mut self, payload: &Value, parts: &[&PayloadPart], words: &[&str]) -> Vec<String> {
        let is_listed = |part: &&PayloadPart| part.value.as_str().is_some_and(|text| self.words.contains(&text));
        let is_word = |part: &&PayloadPart| part.value.as_str().is_some_and(|text| text.len() <= WORD_MAX_BYTES);
        let needed = self.of.get(ALL).cloned().unwrap_or_default();
        let numbers = parts.iter().copied().filter(|part| part.value.is_number()).collect();
        // The fields that already contain a word of the list are tried first, because they most likely decide.
        let (likely, others): (Vec<&PayloadPart>, Vec<_>) = parts.iter().copied().filter(is_word).partition(is_listed);
        let mut lists = [likely, others, numbers].map(|parts| Words::new(parts, &needed));
        let mut found = Vec::new();
        for word in words {
            let number = word.parse::<u64>().ok().map(Value::from);
            let values = [Some(Value::from(*word)), Some(Value::from(*word)), number];
            let known = self.of.len();
            for (parts, value) in lists.iter_mut().zip(values) {
                if let Some(value) = value {
                    self.find_word(payload, parts, &value);
                }
            }
            if self.of.len() > known {
                found.push((*word).to_owned());
            }
        }
        found
    }

    /// Looks for the parts in which this word decides.
    fn find_word(&mut self, payload: &Value, parts: &mut Words<'_>, word: &Value) {
        for part in parts.alone.iter().take(ALONE_MAX) {
            self.find_word_in(payload, &[part], word, &mut Vec::new());
        }
        let mut spoilt = Vec::new();
        // The word must not replace the name beside a value too.
        for odd in [0, 1] {
            let half: Vec<&PayloadPart> = parts.together.iter().skip(odd).step_by(2).copied().collect();
            self.find_word_in(payload, &half, word, &mut spoilt);
        }
        parts.set_apart(&spoilt);
    }

    fn find_word_in(&mut self, payload: &Value, parts: &[&PayloadPart], word: &Value, spoilt: &mut Vec<String>) {
        if parts.is_empty() || !self.wants() {
            return;
        }
        let put = |payload: &mut Value, part: &PayloadPart| edit(payload, &part.path, &|value| *value = word.clone());
        let Some(difference) = self.change(payload, parts, &put) else { return };
        let decides = difference.fields.iter().any(|field| DECIDED.contains(&field.as_str()));
        let is_gone = difference.is_other && difference.fields.is_empty();
        match parts {
            _ if !decides && !is_gone => {}
            [only] if difference.is_other => spoilt.push(only.name.clone()),
            [only] => {
                self.note(&only.name, difference, &DECIDED);
            }
            _ => {
                let (left, right) = parts.split_at(parts.len() / 2);
                self.find_word_in(payload, left, word, spoilt);
                self.find_word_in(payload, right, word, spoilt);
            }
        }
    }
}
