//! Looks for rules that give a trigger and its recovery different dedup keys.
//!
//! The delivery is mapped again with each word of the source's states in place of those that it has and of members that are
//! named like a state, and with other times.
//! If that makes of a trigger the recovery of the same alert, or the reverse, the rules must give both the same key. This
//! finds expressions that read a state, a severity, a time, or what the mapping makes of them. It does not find other
//! members that differ, such as a measured value. The work is bounded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::explain::Ask;
use crate::json;
use crate::mapping::{parse, payload};
use crate::pagerduty::event::{Action, DedupKey, Event};
use crate::rules::{KEY_STEPS, KeyOf, Rules, Subject};
use crate::text;

/// How many bytes of altered payloads are mapped, and how many words are tried.
const WORK_MAX_BYTES: usize = 512 * 1024;
const WORDS_MAX: usize = 32;

/// How many steps the rules may take for the keys of a delivery, and for all keys together. Any sender may send rules with a
/// preview, so it must not cost much more than a delivery.
const SAMPLE_MAX_STEPS: u64 = 1_000_000;
const WORK_MAX_STEPS: u64 = 8_000_000;

/// How many members are tried to find the one that an expression reads.
const MEMBERS_MAX: usize = 32;

/// The names of members that have a state, whatever it is: a source need not know the words for a trigger.
const STATES: [&str; 4] = ["action", "event_action", "state", "status"];

/// The time in place of another one.
const OTHER_TIME: &str = "2001-02-03T04:05:06Z";

/// How a time begins that means no time: an alert that has not ended has one in Go's JSON.
const NO_TIME: &str = "0001-01-01T";

/// Warns about rules whose dedup key differs between a trigger of these `events` and its recovery, or the reverse. `words`
/// are those that decide the action of an event. With `by_key`, the senders may resolve an alert by its key alone.
pub fn unshared(
    rules: &Rules<'_>,
    subject: &Subject<'_>,
    map: Ask<'_>,
    (words, by_key): (&[&str], bool),
    events: &[Event],
) -> Vec<String> {
    let mut warnings = Vec::new();
    if !rules.have_keys() {
        return warnings;
    }
    let Ok(payload) = payload(subject.delivery) else { return warnings };
    let events = sample(rules, events);
    let keys = rules.keys(subject, events);
    let since = rules.steps();
    if by_key {
        warnings.extend(without_payload(rules, subject, &payload, &keys));
    }
    let mut known: BTreeSet<&str> = BTreeSet::new();
    known.extend(events.iter().filter_map(|event| Some(event.dedup_key()?.as_str())));
    let mut left = WORK_MAX_BYTES;
    for word in words.iter().take(WORDS_MAX) {
        for times in [false, true] {
            let replace = |name: &str, leaf: &str| {
                let is_state = is_word(leaf, words) || is_word(name, &STATES);
                if is_state { Some((*word).to_owned()) } else { time(leaf, times) }
            };
            let other = altered(&payload, "", &replace);
            let body = json::encode(&other);
            let Some(rest) = left.checked_sub(body.len()) else { return warnings };
            left = rest;
            if rules.steps().saturating_sub(since) > WORK_MAX_STEPS {
                return warnings;
            }
            let found = subject.delivery.with_altered_body(body, &[], |delivery| {
                let mut mapped = map(delivery).map(|mapped| mapped.events).unwrap_or_default();
                mapped.retain(|other| other.dedup_key().is_some_and(|key| known.contains(key.as_str())));
                let mapped = sample(rules, &mapped);
                let subject = Subject { delivery, ..*subject };
                let others = rules.keys(&subject, mapped);
                differing((events, &keys), (mapped, &others))
            });
            let Some((event, rule)) = found else { continue };
            let member = member(rules, subject, (&payload, &other), (event, &keys));
            let reads =
                member.map_or("what the mapping makes of the state or the time".to_owned(), |path| format!("`{path}`"));
            let warning = format!(
                "{rule}: the dedup key of a recovery may differ from that of its trigger, because the rule reads {reads}"
            );
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
            break;
        }
    }
    warnings
}

/// The first events: so many that their keys take a bounded number of steps.
fn sample<'a>(rules: &Rules<'_>, events: &'a [Event]) -> &'a [Event] {
    let rules = u64::try_from(rules.count()).unwrap_or(u64::MAX);
    let max = SAMPLE_MAX_STEPS / KEY_STEPS.saturating_mul(rules).max(1);
    events.get(..usize::try_from(max).unwrap_or(usize::MAX)).unwrap_or(events)
}

/// Warns about a rule that gives a trigger another key than a resolve that has only the key.
fn without_payload(rules: &Rules<'_>, subject: &Subject<'_>, payload: &Value, keys: &[KeyOf]) -> Option<String> {
    let trigger = keys.iter().find(|key| key.event.action() == Action::Trigger)?;
    let mapped = trigger.event.dedup_key()?;
    let members = payload.as_object().into_iter().flatten();
    let members = members.filter(|(_, value)| value.as_str().is_some_and(|text| text == mapped.as_str()));
    let least = Value::Object(members.map(|(name, value)| (name.clone(), value.clone())).collect());
    let resolve = Event::bare(Action::Resolve, mapped.clone());
    let found = subject.delivery.with_altered_body(json::encode(&least), &[], |delivery| {
        let subject = Subject { delivery, ..*subject };
        rules.keys(&subject, std::slice::from_ref(&resolve)).pop()
    })?;
    let rule = trigger.rule.as_ref().or(found.rule.as_ref())?;
    (key_of(trigger) != key_of(&found)).then(|| {
        format!(
            "{rule}: the dedup key of a recovery may differ from that of its trigger, because the rule reads the payload, \
             and senders of this API may resolve by the key alone"
        )
    })
}

/// The number of the first event whose key differs from that of its counterpart, and the rule that made the key.
fn differing(
    (events, keys): (&[Event], &[KeyOf]),
    (others, other_keys): (&[Event], &[KeyOf]),
) -> Option<(usize, String)> {
    // By mapped key and action.
    let mut known: BTreeMap<(&str, &str), &KeyOf> = BTreeMap::new();
    for (other, key) in others.iter().zip(other_keys) {
        known.extend(other.dedup_key().map(|mapped| ((mapped.as_str(), other.action().as_str()), key)));
    }
    for (number, (event, key)) in events.iter().zip(keys).enumerate() {
        let Some(mapped) = event.dedup_key() else { continue };
        let actions = [Action::Acknowledge, Action::Resolve, Action::Trigger];
        let others = actions.iter().filter(|action| **action != event.action());
        let mut others = others.filter_map(|action| known.get(&(mapped.as_str(), action.as_str())));
        if let Some(other) = others.find(|other| key_of(other) != key_of(key)) {
            let rule = key.rule.as_ref().or(other.rule.as_ref())?;
            return Some((number, rule.clone()));
        }
    }
    None
}

fn key_of(key: &KeyOf) -> Option<&str> {
    key.key.as_ref().map(DedupKey::as_str)
}

/// The member of the payload that changes the key of an event if it changes alone.
fn member(
    rules: &Rules<'_>,
    subject: &Subject<'_>,
    (payload, other): (&Value, &Value),
    (number, keys): (usize, &[KeyOf]),
) -> Option<String> {
    let mut paths = Vec::new();
    differences(payload, other, String::new(), &mut paths);
    let event = keys.get(number)?;
    paths.into_iter().take(MEMBERS_MAX).find_map(|(path, pointer)| {
        let mut one = payload.clone();
        *one.pointer_mut(&pointer)? = other.pointer(&pointer)?.clone();
        let changed = subject.delivery.with_altered_body(json::encode(&one), &[], |delivery| {
            let subject = Subject { delivery, ..*subject };
            let again = rules.keys(&subject, std::slice::from_ref(&event.event));
            again.first().map(key_of) != Some(key_of(event))
        });
        changed.then_some(path)
    })
}

/// The texts that differ between two payloads of the same shape: their paths for people and as JSON pointers.
fn differences(value: &Value, other: &Value, path: String, found: &mut Vec<(String, String)>) {
    fn walk(value: &Value, other: &Value, at: (String, String), found: &mut Vec<(String, String)>) {
        let (path, pointer) = at;
        match (value, other) {
            (Value::Object(members), Value::Object(others)) => {
                for (name, member) in members {
                    let shown = text::join_nonempty(&[&path, name], ".");
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    if let Some(other) = others.get(name) {
                        walk(member, other, (shown, [&pointer, "/", &escaped].concat()), found);
                    }
                }
            }
            (Value::Array(items), Value::Array(others)) => {
                for (index, (item, other)) in items.iter().zip(others).enumerate() {
                    walk(item, other, (format!("{path}[{index}]"), format!("{pointer}/{index}")), found);
                }
            }
            (value, other) if value != other => found.push((path, pointer)),
            _ => {}
        }
    }
    walk(value, other, (path, String::new()), found);
}

/// A copy of a payload in which some texts are replaced, also in JSON that is a text: an envelope has its message like that.
/// `name` is the member that the value belongs to.
fn altered(value: &Value, name: &str, replace: &dyn Fn(&str, &str) -> Option<String>) -> Value {
    // JSON in such JSON stays as it is.
    fn walk(value: &Value, name: &str, opens: bool, replace: &dyn Fn(&str, &str) -> Option<String>) -> Value {
        match value {
            Value::String(text) => match inside(text).filter(|_| opens) {
                Some(message) => walk(&message, name, false, replace).to_string().into(),
                None => replace(name, text).map_or_else(|| value.clone(), Value::from),
            },
            Value::Array(items) => items.iter().map(|item| walk(item, name, opens, replace)).collect(),
            Value::Object(members) => {
                let altered = members.iter().map(|(name, member)| (name.clone(), walk(member, name, opens, replace)));
                Value::Object(altered.collect())
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => value.clone(),
        }
    }
    walk(value, name, true, replace)
}

/// The JSON object in a text.
fn inside(text: &str) -> Option<Value> {
    let text = text.trim().as_bytes();
    text.starts_with(b"{").then(|| parse(text).ok()).flatten().filter(Value::is_object)
}

fn is_word(leaf: &str, words: &[&str]) -> bool {
    words.iter().any(|word| leaf.eq_ignore_ascii_case(word))
}

/// Another time in place of a time, if times are altered.
fn time(leaf: &str, altered: bool) -> Option<String> {
    (altered && (text::timestamp(leaf).is_some() || leaf.starts_with(NO_TIME))).then(|| OTHER_TIME.to_owned())
}
