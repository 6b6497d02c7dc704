//! Summaries that a person understands on a phone: they name the alert and the place, in one line, without addresses of
//! people or tools.

use std::borrow::Cow;

use super::Mapped;
use crate::pagerduty::event::SUMMARY_MAX_CHARS;
use crate::text;

/// How much of a name or a place is compared with a text or added to it, in UTF-16 code units.
const NAME_MAX_CHARS: usize = 256;

/// Cleans the summary of each event ([`clean`]).
#[must_use]
pub fn cleaned(mut mapped: Mapped) -> Mapped {
    for event in &mut mapped.events {
        let cleaned = match clean(event.summary()) {
            Cow::Borrowed(_) => continue,
            Cow::Owned(cleaned) => cleaned,
        };
        event.set_summary(&cleaned);
    }
    mapped
}

/// A summary without the words that only notify somebody (`@slack-ops`, `<@U024BE7LH>`), and with the resource of each
/// ARN in its place. It is unchanged if nothing else would be left.
pub fn clean(summary: &str) -> Cow<'_, str> {
    if !summary.contains('@') && !summary.contains("arn:") {
        return Cow::Borrowed(summary);
    }
    let words = summary.split(' ').filter(|word| !is_mention(word)).map(without_arn);
    let cleaned = text::one_line(&words.collect::<Vec<_>>().join(" "));
    if cleaned == summary || !cleaned.contains(char::is_alphanumeric) {
        return Cow::Borrowed(summary);
    }
    Cow::Owned(cleaned)
}

/// Whether a word is the address of a person, a group or a tool. A package (`@types/node`) is not.
fn is_mention(word: &str) -> bool {
    let word = word.trim_start_matches(['(', '[', '<']).trim_end_matches([')', ']', '>', ',', '.', ':', ';', '!']);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '|');
    word.strip_prefix('@').is_some_and(|name| name.starts_with(char::is_alphanumeric) && name.chars().all(plain))
}

/// A word with only the resource of the ARN in it: `arn:aws:sns:eu-west-1:123456789012:alerts` becomes `alerts`.
fn without_arn(word: &str) -> Cow<'_, str> {
    let Some((before, arn)) = word.find("arn:").and_then(|at| word.split_at_checked(at)) else {
        return Cow::Borrowed(word);
    };
    let resource = arn.splitn(6, ':').nth(5).filter(|resource| resource.contains(char::is_alphanumeric));
    match resource {
        Some(resource) if !before.ends_with(char::is_alphanumeric) => Cow::Owned([before, resource].concat()),
        _ => Cow::Borrowed(word),
    }
}

/// A text of the user's own, with the alert's name in front and the place behind in parentheses where the text does not
/// say them. `places` are the names of the place, the best first; the text needs to contain only one of them.
///
/// If a summary has no room for all of it, the place is in front too.
pub fn completed(said: &str, name: Option<&str>, places: &[String]) -> String {
    let said = text::one_line(said);
    let lower = text::truncate(&said, SUMMARY_MAX_CHARS).to_lowercase();
    let name = name.map(|name| text::truncate(name, NAME_MAX_CHARS)).filter(|name| !says_name(&lower, name));
    let place = places.first().filter(|_| !places.iter().any(|place| says_place(&lower, place)));
    let place = place.map(|place| text::truncate(place, NAME_MAX_CHARS));
    let (name, place) = (name.unwrap_or_default(), place.unwrap_or_default());
    let is_long = said.len() + name.len() + place.len() > SUMMARY_MAX_CHARS - 8;
    match (&*name, &*place) {
        ("", "") => said,
        ("", place) if is_long => [place, ": ", &said].concat(),
        (name, place) if is_long && !place.is_empty() => [name, " on ", place, ": ", &said].concat(),
        (name, "") => [name, ": ", &said].concat(),
        ("", place) => [&said, " (", place, ")"].concat(),
        (name, place) => [name, ": ", &said, " (", place, ")"].concat(),
    }
}

/// Whether a text in lower case contains every word of a name: `DiskFull`, `disk_full` and `disk full` have the same.
fn says_name(text: &str, name: &str) -> bool {
    if text.contains(&name.to_lowercase()) {
        return true;
    }
    let mut words = words(name).into_iter().peekable();
    words.peek().is_some() && words.all(|word| text.contains(&word))
}

/// The words of a name, in lower case. A word ends at a character that is neither a letter nor a digit, and before a
/// capital that begins a word: `CPUHigh` has two.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut word, mut before) = (Vec::new(), String::new(), ' ');
    let mut rest = name.chars().chain([' ']).peekable();
    while let Some(c) = rest.next() {
        let begins = !before.is_uppercase() || rest.peek().is_some_and(|next| next.is_lowercase());
        let ends = !c.is_alphanumeric() || c.is_uppercase() && begins;
        if ends && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words
}

/// Whether a text in lower case contains a place as a word: the whole name, the name without its port, or the first label
/// of a host's name.
fn says_place(text: &str, place: &str) -> bool {
    let place = text::truncate(place, NAME_MAX_CHARS).to_lowercase();
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let host = place.rsplit_once(':').filter(|(_, port)| digits(port)).map_or(place.as_str(), |(host, _)| host);
    // Not the first number of an address.
    let label = host.split('.').next().filter(|label| label.contains(|c: char| c.is_alphabetic()));
    [Some(place.as_str()), Some(host), label].into_iter().flatten().any(|name| contains_word(text, name))
}

/// Whether a text contains a word, with neither a letter nor a digit beside it.
fn contains_word(text: &str, word: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|after| after.chars().next());
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}
