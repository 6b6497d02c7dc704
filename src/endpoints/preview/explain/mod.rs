//! Finds where each field of an event comes from, by re-running the mapping. A mapping is a pure function of the
//! delivery. So if a field changes together with a part of the payload, that part decides the field.
//!
//! This code knows no vendor, and no mapping knows this code, so it explains a user's own template as well as a source.
//! It changes each part of the payload slightly, then removes it, and compares the events. A changed word, such as a
//! state, often has the same effect as the original. So if the origin of the action or the severity is still unknown,
//! it also tries the words of the source's own list.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::auth::Authenticated;
use crate::json;
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::Event;
use crate::text;

mod payload;

use self::payload::{PayloadPart, Walk, common, edit, found_in, mark, shown};

/// How much may be mapped for one explanation, in bytes of payload and of the events that it becomes. A runtime may have no
/// timeout for computation.
pub const MAPPED_MAX_BYTES: usize = 16 * 1024 * 1024;

/// How often the mapping must be able to run within this limit. An explanation of fewer runs would say almost nothing, and
/// it would hold several copies of all events in memory.
const RUNS_MIN: usize = 16;

/// How much each run counts towards this limit, and each event or other item of its result, in bytes: these take time
/// even if the payload is small.
const ASKED_BYTES: usize = 2000;
const EVENT_BYTES: usize = 100;

/// [`Event::weight`] counts memory, which is a few times the event's JSON.
const WEIGHT_PER_BYTE: usize = 4;

/// The most paths that are listed for one field, and as unused.
const NAMED_MAX: usize = 8;
const UNUSED_MAX: usize = 60;

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

/// The reason for an incomplete explanation.
const TOO_LONG: &str = "the explanation was cut short because the payload is large";

/// The fields that depend on words.
const DECIDED: [&str; 2] = ["event_action", "payload.severity"];

/// Represents the whole event, for a part of the payload that decides whether the event exists, or which kind it is.
const ALL: &str = "*";

/// Headers that describe the transport and not the content.
const TRANSPORT: &[&str] =
    &["accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"];

/// The explanation of a mapping's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The origins of each event's fields, in the order of the events.
    pub events: Vec<Vec<Origin>>,
    /// The parts of the payload that change no event.
    pub unused: Vec<String>,
    /// Why the explanation is incomplete, if it is.
    pub incomplete: Option<&'static str>,
}

/// The origin of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The field's path in the event.
    pub field: String,
    /// How its value was made.
    pub how: How,
    /// The paths in the payload that decide it.
    pub from: Vec<String>,
    /// The row of a table of words: `page → critical`.
    pub row: Option<String>,
}

/// How a field's value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The value is copied from the payload.
    Copied,
    /// Nothing in the payload decides it.
    Fallback,
    /// The value is composed, truncated or converted from values in the payload.
    Made,
    /// The event exists only with this part of the payload.
    Needed,
    /// A word in the payload is looked up in a table.
    Table,
    /// The origin was not found.
    Unknown,
}

impl How {
    /// The value in a reply.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Copied => "copied",
            How::Fallback => "fallback",
            How::Made => "made",
            How::Needed => "needed",
            How::Table => "table",
            How::Unknown => "unknown",
        }
    }
}

/// Maps a delivery.
pub type Ask<'a> = &'a dyn Fn(&Authenticated<'_>) -> Result<Mapped, MapError>;

/// Explains the events that `map` makes from `delivery`. `words` are the possible deciding words. The search stops when
/// `in_time` returns false.
pub fn explain(
    map: Ask<'_>,
    delivery: &Authenticated<'_>,
    events: &[Event],
    words: &[&str],
    in_time: &dyn Fn() -> bool,
) -> Explanation {
    if events.is_empty() {
        return Explanation::default();
    }
    let unknown = |why| Explanation { incomplete: Some(why), ..Explanation::default() };
    let Ok(payload) = mapping::payload(delivery) else { return unknown("the payload is not JSON") };
    let weight = weight(events);
    if weight.saturating_mul(RUNS_MIN) > MAPPED_MAX_BYTES {
        return unknown(TOO_LONG);
    }
    let left = MAPPED_MAX_BYTES.saturating_sub(weight);
    let events: Vec<Map<String, Value>> = events.iter().map(fields).collect();
    let mut asker = Asker { map, delivery, in_time, left };
    match asker.ask(&payload, None) {
        None => return unknown(TOO_LONG),
        Some(same) if same == events => {}
        Some(_) => return unknown("the events depend on more than the payload's fields"),
    }
    let mut walk = Walk::over(&payload, false);
    if walk.cut {
        walk = Walk::over(&payload, true);
    }
    let parts = walk.parts;
    let mut found = Found { events: &events, of: events.iter().map(|_| BTreeMap::new()).collect() };
    let mut unused = Vec::new();
    for part in &parts {
        let marked = asker.change(&payload, part, &mark);
        if found.note(&part.name, marked.as_deref()) || part.value.is_null() {
            continue;
        }
        let without = asker.change(&payload, part, &|value| *value = Value::Null);
        let used = found.note(&part.name, without.as_deref());
        // If the mapping could not be re-run, the part may be used after all.
        if without.is_some() && !used {
            unused.push(part.name.clone());
        }
    }
    let headers = delivery.header_names().filter(|name| !TRANSPORT.contains(name));
    for name in headers.map(str::to_owned).collect::<Vec<String>>() {
        let answer = asker.ask(&payload, Some(&name));
        found.note(&text::join_nonempty(&["header", &name], " "), answer.as_deref());
    }
    try_words(&mut asker, &mut found, &payload, &parts, words);
    unused.retain(|name| !found.names(name));
    unused.truncate(UNUSED_MAX);
    let complete = asker.left > 0 && !walk.cut;
    let known = Explainer { payload: &payload, parts: &parts, each: !walk.many, complete };
    let origins = events.iter().zip(&found.of).map(|(event, of)| known.origins(event, of)).collect();
    let incomplete = (!complete).then_some(TOO_LONG);
    Explanation { events: origins, unused, incomplete }
}

/// Tries other words in the payload if the origin of the action or the severity is still unknown.
fn try_words(asker: &mut Asker<'_, '_>, found: &mut Found<'_>, payload: &Value, parts: &[PayloadPart], words: &[&str]) {
    let is_word = |part: &&PayloadPart| match &part.value {
        Value::String(text) => text.len() <= WORD_MAX_BYTES,
        value => value.is_number(),
    };
    let is_listed = |part: &&PayloadPart| part.value.as_str().is_some_and(|text| words.contains(&text));
    // The fields that already contain a word of the list are tried first, because they most likely decide.
    let (likely, others): (Vec<&PayloadPart>, Vec<&PayloadPart>) = parts.iter().filter(is_word).partition(is_listed);
    for part in if found.wants(&DECIDED) { parts } else { &[] } {
        let answer = asker.change(payload, part, &|value| *value = Value::Null);
        found.note_only(&[ALL, "event_action", "payload.severity"], &part.name, answer.as_deref());
    }
    for word in words.iter().chain(WORDS.iter().filter(|word| !words.contains(word))) {
        for part in likely.iter().chain(&others) {
            if !found.wants(&DECIDED) {
                return;
            }
            let number = word.parse::<u64>().ok().map(Value::from);
            let Some(other) = (if part.value.is_number() { number } else { Some(Value::from(*word)) }) else {
                continue;
            };
            let answer = asker.change(payload, part, &|value| *value = other.clone());
            found.note_only(&DECIDED, &part.name, answer.as_deref());
        }
    }
}

/// Re-runs the mapping, within the limits.
struct Asker<'a, 'd> {
    map: Ask<'a>,
    delivery: &'a Authenticated<'d>,
    in_time: &'a dyn Fn() -> bool,
    /// How many more bytes may be mapped.
    left: usize,
}

impl Asker<'_, '_> {
    /// Maps another payload, without one header, and returns the fields of its events. Returns `None` if a limit is
    /// reached. A payload that cannot be mapped has no events.
    fn ask(&mut self, payload: &Value, without: Option<&str>) -> Option<Vec<Map<String, Value>>> {
        let body = json::encode(payload);
        self.left = self.left.saturating_sub(body.len() + ASKED_BYTES);
        if self.left == 0 || !(self.in_time)() {
            self.left = 0;
            return None;
        }
        let mapped = self.delivery.with_altered_body(body, without, self.map);
        let made =
            mapped.as_ref().map_or(0, |mapped| mapped.events.len() + mapped.ignored.len() + mapped.rejected.len());
        let weight = mapped.as_ref().map_or(0, |mapped| weight(&mapped.events));
        self.left = self.left.saturating_sub(made * EVENT_BYTES + weight / WEIGHT_PER_BYTE);
        Some(mapped.map(|mapped| mapped.events.iter().map(fields).collect()).unwrap_or_default())
    }

    fn change(
        &mut self,
        payload: &Value,
        part: &PayloadPart,
        how: &dyn Fn(&mut Value),
    ) -> Option<Vec<Map<String, Value>>> {
        if self.left == 0 {
            return None;
        }
        let mut payload = payload.clone();
        edit(&mut payload, &part.path, how);
        self.ask(&payload, None)
    }
}

/// The origins found so far.
struct Found<'a> {
    events: &'a [Map<String, Value>],
    /// For each event: field to the names of the parts that decide it.
    of: Vec<BTreeMap<String, Vec<String>>>,
}

impl Found<'_> {
    /// Records all fields that differ in `answer`. Returns whether any does.
    fn note(&mut self, name: &str, answer: Option<&[Map<String, Value>]>) -> bool {
        self.note_only(&[], name, answer)
    }

    /// Like [`Found::note`], for some fields only. An empty list means all fields.
    fn note_only(&mut self, only: &[&str], name: &str, answer: Option<&[Map<String, Value>]>) -> bool {
        let Some(answer) = answer else { return false };
        let mut any = false;
        let same_number = answer.len() == self.events.len();
        for (index, (event, of)) in self.events.iter().zip(&mut self.of).enumerate() {
            let mut add = |field: &str| {
                if only.is_empty() || only.contains(&field) {
                    any = true;
                    let names = of.entry(field.to_owned()).or_default();
                    if !names.iter().any(|known| known == name) {
                        names.push(name.to_owned());
                    }
                }
            };
            let key = event.get("dedup_key");
            let same_alert = || answer.iter().find(|other| key.is_some() && other.get("dedup_key") == key);
            match if same_number { answer.get(index) } else { same_alert() } {
                Some(other) => {
                    let differs = |(field, value): &(&String, &Value)| other.get(*field) != Some(*value);
                    let different = event.iter().filter(differs).count();
                    // The result is a different alert, so this part decides the kind of delivery.
                    if 2 * different > event.len() && other.get("dedup_key") != key {
                        add(ALL);
                        continue;
                    }
                    for (field, _) in event.iter().filter(differs) {
                        add(field);
                    }
                }
                // Without this part, the event does not exist.
                None if !answer.contains(event) => add(ALL),
                None => {}
            }
        }
        any
    }

    /// Whether a part is known to decide any field.
    fn names(&self, name: &str) -> bool {
        self.of.iter().flat_map(BTreeMap::values).flatten().any(|known| known == name)
    }

    /// Whether an event has one of these fields without a known origin.
    fn wants(&self, fields: &[&str]) -> bool {
        let wants = |(event, of): (&Map<String, Value>, &BTreeMap<String, Vec<String>>)| {
            fields.iter().any(|field| event.contains_key(*field) && !of.contains_key(*field))
        };
        self.events.iter().zip(&self.of).any(wants)
    }
}

fn weight(events: &[Event]) -> usize {
    events.iter().map(Event::weight).sum()
}

/// The fields of an event by path. Members of links, images and details are fields of their own.
fn fields(event: &Event) -> Map<String, Value> {
    let mut fields = Map::new();
    flatten(&event.to_json(), "", &mut fields);
    fields
}

fn flatten(value: &Value, path: &str, fields: &mut Map<String, Value>) {
    // A member of the details is one field, however large it is.
    let whole = path.starts_with("payload.custom_details.");
    match value {
        Value::Object(members) if !whole => {
            for (name, member) in members {
                flatten(member, &text::join_nonempty(&[path, name], "."), fields);
            }
        }
        Value::Array(items) if !whole => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{index}]"), fields);
            }
        }
        _ => {
            fields.insert(path.to_owned(), value.clone());
        }
    }
}

/// The data for the explanation.
struct Explainer<'a> {
    payload: &'a Value,
    parts: &'a [PayloadPart],
    /// Whether each part is one position in the payload.
    each: bool,
    /// Whether every part was tried.
    complete: bool,
}

impl Explainer<'_> {
    /// The origins of an event's fields, for people.
    fn origins(&self, event: &Map<String, Value>, of: &BTreeMap<String, Vec<String>>) -> Vec<Origin> {
        let kind = of.contains_key(ALL).then_some((ALL, &Value::Null));
        let fields = event.iter().map(|(field, value)| (field.as_str(), value));
        fields.chain(kind).map(|(field, value)| self.origin(field, value, of)).collect()
    }

    fn origin(&self, field: &str, value: &Value, of: &BTreeMap<String, Vec<String>>) -> Origin {
        let names: Vec<&str> = of.get(field).into_iter().flatten().map(String::as_str).collect();
        let value_of = |name: &str| {
            // If the part covers all items of a list, it is unknown which item's value was used. An equal one serves as
            // well.
            let part = self.parts.iter().find(|part| part.name == name)?;
            if self.each { Some(part.value.clone()) } else { found_in(self.payload, &part.path, value) }
        };
        let (mut how, mut row) = (How::Made, None);
        let mut from: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        match names.as_slice() {
            [] if self.complete => how = How::Fallback,
            [] => how = How::Unknown,
            _ if field == ALL => how = How::Needed,
            _ if DECIDED.contains(&field) => {
                how = How::Table;
                if let ([only], true) = (names.as_slice(), self.each) {
                    let word = value_of(only).map(|word| shown(&word)).unwrap_or_default();
                    row = (!word.is_empty()).then(|| [&word, " → ", &shown(value)].concat());
                }
            }
            [only] if value_of(only).is_some_and(|part| shown(&part) == shown(value)) => how = How::Copied,
            _ => {
                if let Some((above, whole)) = common(&names, self.payload) {
                    if whole == value {
                        (how, from) = (How::Copied, vec![above]);
                    } else if names.len() > NAMED_MAX {
                        from = vec![above];
                    }
                }
            }
        }
        from.truncate(NAMED_MAX);
        Origin { field: field.to_owned(), how, from, row }
    }
}
