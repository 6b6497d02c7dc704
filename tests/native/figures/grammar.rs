//! Finds the figures in a page of Markdown.
//!
//! Blocks of code, inline code, the targets of links and the numbers of a numbered list are left out. Everything else is
//! words, and a figure is one of these:
//!
//! - **Digits**: `16`, `50,000`, `0.5`, `30s`, `10-second`. They are no figure if a letter or a second dash is attached (`P1`,
//!   `2xx`, `SHA-256`, `2027-04-05`, `48.0.1`), if the number is 0, after inline code if it has no unit (a value or a version of
//!   what the code names), after a word of [`NAMED`] (`Spin 3.0`, `status 502`), and if three digits are alone in parentheses,
//!   as a status.
//! - **A word from three up**: `three` to `twenty`, the tens, `dozen`, `hundred`, and so on, in front of another word. `two` is
//!   often "any two", so it counts only in front of a unit, or if one of the next three words is one of [`NOUNS`]. `one` counts
//!   in front of a unit.
//! - **A part**: `half`, `quarter`, `tenth`. And `twice as`.
//! - **One unit of time**: `an hour`, `each minute`, `the last hour`. `a second` may be the one after the first, so it counts
//!   at the end of a clause only.
//!
//! The unit is the next word. A number without a unit in front of `,`, `and`, `or` or `to` and another number has the unit of
//! that one. `a minute` or `per minute` behind a number, in the same clause, makes a rate of it.

use super::quantity::{UnitId, Written};

/// A number behind one of these names is a version, a status or the number of a document.
const NAMED: &[&str] =
    &["CycloneDX", "RFC", "Rust", "Spin", "Version", "ntfy", "state", "status", "version", "wasmCloud", "wasmtime"];

/// What `two` counts. Other nouns behind it are mostly examples: "two relays with a file each".
const NOUNS: &[&str] = &[
    "alerts",
    "brackets",
    "builds",
    "characters",
    "cores",
    "events",
    "hosts",
    "items",
    "kinds",
    "requests",
    "rules",
    "services",
    "sources",
    "steps",
    "variables",
];

/// Words behind a number that is not in front of what it counts: "if any of the three is missing".
const NOT_COUNTED: &[&str] = &["and", "are", "have", "is", "or", "was", "were"];

const WORDS: &[&str] = &[
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

const TENS: &[(&str, u64)] =
    &[("thirty", 30), ("forty", 40), ("fifty", 50), ("sixty", 60), ("seventy", 70), ("eighty", 80), ("ninety", 90)];

/// Words that multiply the number in front of them, in thousandths. They are numbers themselves.
const MULTIPLES: &[(&str, u64)] = &[
    ("tenth", 100),
    ("tenths", 100),
    ("quarter", 250),
    ("quarters", 250),
    ("half", 500),
    ("halves", 500),
    ("dozen", 12_000),
    ("hundred", 100_000),
    ("thousand", 1_000_000),
    ("million", 1_000_000_000),
];

/// What may be between two numbers with one unit.
const CONJUNCTIONS: &[&str] = &["and", "or", "to"];

/// Words that make a rate or one unit of the unit of time behind them.
const ONE_OF: &[&str] = &["a", "an", "each", "every", "last"];

/// A figure of a page.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The line of its number.
    pub(super) line: usize,
    pub(super) written: Written,
    /// The sentence, or the cell of a table.
    pub(super) sentence: String,
}

/// A word, without the punctuation around it.
#[derive(Debug, Default)]
struct Word {
    text: String,
    shown: String,
    line: usize,
    /// Whether a clause ends behind it.
    ends: bool,
    /// Whether a sentence, a cell or a text ends behind it.
    ends_sentence: bool,
    /// Whether it is alone in parentheses.
    is_aside: bool,
}

/// What stands for inline code.
const CODE: &str = "`";

/// The figures of a page, in order.
pub(super) fn figures(page: &str) -> Vec<Figure> {
    let words = words(page);
    let mut found: Vec<(usize, usize, Written)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (next, written) = figure(&words, at);
        found.extend(written.map(|written| (at, next, written)));
        at = next;
    }
    // From the end, so that each of several numbers gets the unit of the last.
    for index in (1..found.len()).rev() {
        let (begin, _, next) = found[index];
        let (_, end, before) = &mut found[index - 1];
        let joined = words[*end..begin].iter().all(|word| CONJUNCTIONS.contains(&word.text.as_str()));
        let is_number = !ONE_OF.contains(&lower(&words[begin]).as_str());
        if before.unit.is_none() && joined && is_number && !words[*end - 1].ends_sentence {
            before.unit = next.unit;
        }
    }
    // `one` without a unit is an article.
    found.retain(|(at, _, written)| written.unit.is_some() || lower(&words[*at]) != "one");
    let shown = |(at, _, written): (usize, usize, Written)| Figure {
        line: words[at].line,
        written,
        sentence: sentence(&words, at),
    };
    found.into_iter().map(shown).collect()
}

fn lower(word: &Word) -> String {
    word.text.to_lowercase()
}

/// The word behind this one, if both are in one clause.
fn behind(words: &[Word], at: usize) -> Option<&Word> {
    words.get(at + 1).filter(|_| !words[at].ends)
}

fn has_unit(words: &[Word], at: usize) -> bool {
    behind(words, at).is_some_and(|next| UnitId::of(&next.text).is_some())
}

/// Reads what begins at a word. Returns where to go on, and the figure if it is one.
fn figure(words: &[Word], at: usize) -> (usize, Option<Written>) {
    let word = &words[at];
    let before = at.checked_sub(1).map(|before| &words[before]).filter(|before| !before.ends);
    let one = Written { thousandths: 1000, unit: None, per: None };
    if let Some(unit) = one_of(words, at) {
        return (at + 2, Some(Written { unit: Some(unit), ..one }));
    }
    if let Some((thousandths, attached)) = digits(&word.text) {
        let is_plain = attached.is_none() && !has_unit(words, at);
        let named = |before: &Word| before.text == CODE && is_plain || NAMED.contains(&before.text.as_str());
        let is_named = before.is_some_and(named);
        let is_status = word.is_aside && word.text.len() == 3;
        let end = at + 1;
        return match thousandths {
            0 => (end, None),
            _ if is_named || is_status => (end, None),
            _ => finish(words, end, thousandths, attached),
        };
    }
    let text = lower(word);
    let Some(number) = in_words(&text) else {
        return match behind(words, at) {
            Some(next) if text == "twice" && next.text == "as" => {
                (at + 1, Some(Written { thousandths: 2000, unit: UnitId::of("times"), per: None }))
            }
            _ => (at + 1, None),
        };
    };
    let multiple = |word: &str| MULTIPLES.iter().find(|(known, _)| *known == word).map(|(_, times)| *times);
    if let Some(times) = behind(words, at).and_then(|next| multiple(&lower(next))) {
        return finish(words, at + 2, number * times / 1000, None);
    }
    let next = behind(words, at);
    let is_figure = match number {
        0 => false,
        1000 => has_unit(words, at) || joins(words, at),
        2000 => {
            let mut near = (at + 1..words.len()).take(3).take_while(|next| !words[next - 1].ends);
            let counts = near.any(|next| NOUNS.contains(&words[next].text.as_str()));
            counts || has_unit(words, at) || joins(words, at)
        }
        _ if multiple(&text).is_some() => true,
        _ => next.is_some_and(|next| !NOT_COUNTED.contains(&next.text.as_str())),
    };
    // `half an hour`
    let of = next.filter(|_| number < 1000).and_then(|_| one_of(words, at + 1));
    match of {
        Some(unit) => (at + 3, Some(Written { thousandths: number, unit: Some(unit), per: None })),
        None if is_figure => finish(words, at + 1, number, None),
        None => (at + 1, None),
    }
}

/// Whether a number follows that may have a unit: `two or three minutes`.
fn joins(words: &[Word], at: usize) -> bool {
    let next = behind(words, at).is_some_and(|next| CONJUNCTIONS.contains(&next.text.as_str()));
    next && words.get(at + 2).is_some_and(|word| in_words(&lower(word)).is_some())
}

/// The unit of time of which there is one: `an hour`.
fn one_of(words: &[Word], at: usize) -> Option<UnitId> {
    let next = behind(words, at).filter(|_| ONE_OF.contains(&lower(&words[at]).as_str()))?;
    let unit = UnitId::of_one(&next.text)?;
    (next.text != "second" || next.ends).then_some(unit)
}

/// A number with the unit and the rate behind it. `end` is the word behind the number.
fn finish(words: &[Word], end: usize, thousandths: u64, attached: Option<UnitId>) -> (usize, Option<Written>) {
    let named = || behind(words, end - 1).and_then(|next| UnitId::of(&next.text));
    let unit = attached.or_else(named);
    let end = if unit.is_some() && attached.is_none() { end + 1 } else { end };
    let mut written = Written { thousandths, unit, per: None };
    if unit.is_some_and(UnitId::is_time) {
        return (end, Some(written));
    }
    // A rate ends the clause or is a few words away.
    for next in end..words.len().min(end + 6) {
        if words[next - 1].ends || digits(&words[next].text).is_some() {
            break;
        }
        let per = if words[next].text == "per" {
            words.get(next + 1).and_then(|word| UnitId::of_one(&word.text))
        } else {
            one_of(words, next)
        };
        if per.is_some() {
            written.per = per;
            // What is between the number and its rate has no figure.
            return (next + 2, Some(written));
        }
    }
    (end, Some(written))
}

/// A number in digits, in thousandths, with the unit that is attached to it.
fn digits(text: &str) -> Option<(u64, Option<UnitId>)> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | ',')).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let unit = UnitId::of(rest.trim_start_matches('-'));
    // `10-second`, and `64-bit`, whose unit is not in the list.
    let word = rest.strip_prefix('-').is_some_and(|word| !word.is_empty() && word.chars().all(char::is_alphabetic));
    if !(rest.is_empty() || word || unit.is_some()) {
        return None;
    }
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let mut groups = whole.split(',');
    let first = groups.next().filter(|first| !first.is_empty() && (!whole.contains(',') || first.len() <= 3))?;
    let rest: Vec<&str> = groups.collect();
    if rest.iter().any(|group| group.len() != 3) || decimals.len() > 3 || decimals.contains(['.', ',']) {
        return None;
    }
    let whole: u64 = [&[first], &rest[..]].concat().concat().parse().ok()?;
    let decimals: u64 = format!("{decimals:0<3}").parse().ok()?;
    Some((whole.checked_mul(1000)?.checked_add(decimals)?, unit))
}

/// A number in words, in thousandths.
fn in_words(text: &str) -> Option<u64> {
    let one = |word: &str| {
        let small = WORDS.iter().position(|known| *known == word).map(|number| number as u64);
        small.or_else(|| TENS.iter().find(|(known, _)| *known == word).map(|(_, number)| *number))
    };
    let part = || MULTIPLES.iter().find(|(known, _)| *known == text).map(|(_, number)| *number);
    match text.split_once('-') {
        Some((tens, ones)) => Some((one(tens)? + one(ones)?) * 1000),
        None => one(text).map(|number| number * 1000).or_else(part),
    }
}

/// The sentence or cell around a word.
fn sentence(words: &[Word], at: usize) -> String {
    let first = words[..at].iter().rposition(|word| word.ends_sentence).map_or(0, |end| end + 1);
    let last = words[at..].iter().position(|word| word.ends_sentence).map_or(words.len(), |end| at + end + 1);
    let shown: Vec<&str> = words[first..last].iter().map(|word| word.shown.as_str()).collect();
    shown.join(" ")
}

/// The words of a page.
fn words(page: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut text: Vec<(char, usize)> = Vec::new();
    let mut is_block = false;
    for (index, line) in page.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            is_block = !is_block;
            push_text(&mut words, &mut text);
            continue;
        }
        let is_definition = trimmed.starts_with('[') && trimmed.contains("]: ");
        if is_block || is_definition {
            continue;
        }
        let numbered = trimmed.split_once(". ").filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit()));
        let marked = ["- ", "* ", "|", "#"].iter().any(|mark| trimmed.starts_with(mark));
        if trimmed.is_empty() || marked || numbered.is_some() {
            push_text(&mut words, &mut text);
        }
        let rest = numbered.map_or(trimmed, |(_, rest)| rest);
        text.extend(rest.chars().chain([' ']).map(|c| (c, index + 1)));
        if trimmed.starts_with('#') {
            push_text(&mut words, &mut text);
        }
    }
    push_text(&mut words, &mut text);
    words
}

/// Adds the words of a paragraph, an item of a list or a row of a table.
fn push_text(words: &mut Vec<Word>, text: &mut Vec<(char, usize)>) {
    // Without the contents of inline code and the targets of links.
    let mut plain: Vec<(char, char, usize)> = Vec::new();
    let mut code = false;
    let mut at = 0;
    while let Some((c, line)) = text.get(at).copied() {
        let next = text.get(at + 1).map(|(c, _)| *c);
        at += 1;
        match c {
            '`' => {
                code = !code;
                plain.push((if code { '`' } else { '\0' }, c, line));
            }
            // It is shown, and is no word.
            _ if code => plain.push(('\0', c, line)),
            ']' if matches!(next, Some('(' | '[')) => {
                let end = if next == Some('(') { ')' } else { ']' };
                at += text[at..].iter().take_while(|(c, _)| *c != end).count() + 1;
                plain.push(('\0', c, line));
            }
            _ => plain.push((c, c, line)),
        }
    }
    text.clear();
    let mut first = 0;
    while first < plain.len() {
        let is_end = |(c, _, _): &(char, char, usize)| c.is_whitespace() || *c == '|';
        let length = plain[first..].iter().position(is_end).unwrap_or(plain.len() - first);
        let raw = &plain[first..first + length];
        let is_cell = plain.get(first + length).is_some_and(|(c, _, _)| *c == '|');
        push_word(words, raw);
        if let Some(last) = words.last_mut().filter(|_| is_cell) {
            (last.ends, last.ends_sentence) = (true, true);
        }
        first += length + 1;
    }
    if let Some(last) = words.last_mut() {
        (last.ends, last.ends_sentence) = (true, true);
    }
}

/// Adds one word without its punctuation. Punctuation alone ends a clause.
fn push_word(words: &mut Vec<Word>, raw: &[(char, char, usize)]) {
    let text: String = raw.iter().map(|(c, _, _)| *c).filter(|c| *c != '\0').collect();
    let shown: String = raw.iter().map(|(_, c, _)| *c).collect();
    let is_outside = |c: char| !c.is_alphanumeric() && !matches!(c, '`' | '%');
    let core = text.trim_matches(is_outside);
    let Some(line) = raw.first().map(|(_, _, line)| *line) else { return };
    if core.is_empty() {
        if let Some(last) = words.last_mut() {
            last.ends = true;
        }
        return;
    }
    let behind = &text[text.find(core).unwrap_or_default() + core.len()..];
    let ends_sentence = behind.contains(['.', '!', '?']);
    let ends = ends_sentence || behind.contains([',', ';', ':', ')', '…', '–', '—']);
    let is_aside = text.starts_with('(') && behind.contains(')');
    // Two numbers with a dash between them.
    let parts: Vec<&str> = core.split(['–', '-']).collect();
    if let [from, to] = parts[..]
        && digits(from).is_some()
        && digits(to).is_some()
    {
        let from = Word { text: from.to_owned(), line, ..Word::default() };
        words.extend([from, Word { text: to.to_owned(), shown, line, ends, ends_sentence, is_aside }]);
        return;
    }
    // Inline code and what is attached to it is a name.
    let core = if core.contains('`') { CODE } else { core };
    words.push(Word { text: core.to_owned(), shown, line, ends, ends_sentence, is_aside });
}
