//! Where each field of an event comes from, found by asking: a mapping is a pure function of the delivery, so a part of
//! the payload is what makes a field where the field changes with it.
//!
//! Nothing here knows a vendor, and no mapping knows of this: it explains a user's own template as well as a source.
//! Each part of the payload is changed a little, then taken away, and the events are compared. Words that decide what
//! is done, such as a state, often stand for others that do the same, so where nothing else decides, the words of the
//! source's own set-up page are put in their place.

use serde_json::{Map, Value};

use crate::auth::Authenticated;
use crate::json;
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::Event;
use crate::text;

mod payload;

use self::payload::{PayloadPart, Walk, common, edit, found_in, mark, shown};

/// How much is mapped for one explanation, in bytes of payloads. A runtime may have no clock on computing.
const MAPPED_MAX_BYTES: usize = 6 * 1024 * 1024;

/// What asking counts for in that, and what an event or another item does, in bytes: it takes time, however small the
/// payload is.
const ASKED_BYTES: usize = 2000;
const EVENT_BYTES: usize = 100;

/// The most paths that are named for one field, or as not used.
const NAMED_MAX: usize = 8;
const UNUSED_MAX: usize = 60;

/// The longest text that can be a word which decides something, in bytes.
const WORD_MAX_BYTES: usize = 40;

/// Words that decide in many vendors' payloads, beside those of a source's set-up page.
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

/// What is said of what is not all explained.
const TOO_LONG: &str = "the explanation was cut short because the payload is large";

/// The fields that words decide.
const DECIDED: [&str; 2] = ["event_action", "payload.severity"];

/// Stands for the whole event, where a part of the payload says whether there is one, or which kind it is.
const ALL: &str = "*";

/// Headers that say how a delivery came, not what it is about.
const TRANSPORT: &[&str] =
    &["accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"];

/// What is known of a mapping's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// For each event, in order, where its fields come from.
    pub events: Vec<Vec<Origin>>,
    /// The parts of the payload that change no event.
    pub unused: Vec<String>,
    /// Why it does not tell all, where it does not.
    pub incomplete: Option<&'static str>,
}

/// Where one field comes from.
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
    /// It is what stands in the payload.
    Copied,
    /// Nothing in the payload decides it.
    Fallback,
    /// It is put together, cut or converted from what stands in the payload.
    Made,
    /// Without it, or with another, there is no such event.
    Needed,
    /// It is what a word in the payload stands for.
    Table,
    /// It was not found out.
    Unknown,
}

impl How {
    /// The word for it in a reply.
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

/// Explains the events that `map` makes of `delivery`. `words` are those that may decide something, and `in_time` says
/// whether there is time for more.
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
    let events: Vec<Map<String, Value>> = events.iter().map(fields).collect();
    let mut asker = Asker { map, delivery, in_time, left: MAPPED_MAX_BYTES };
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
    let mut found = Found { events: &events, of: events.iter().map(|_| Map::new()).collect() };
    let mut unused = Vec::new();
    for part in &parts {
        let marked = asker.change(&payload, part, &mark);
        if found.note(&part.name, marked.as_deref()) || part.value.is_null() {
            continue;
        }
        let without = asker.change(&payload, part, &|value| *value = Value::Null);
        let used = found.note(&part.name, without.as_deref());
        // What could not be asked may well be used.
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

/// Puts other words in the place of words, where nothing is known yet to decide what is done or how bad it is.
fn try_words(asker: &mut Asker<'_, '_>, found: &mut Found<'_>, payload: &Value, parts: &[PayloadPart], words: &[&str]) {
    let is_word = |part: &&PayloadPart| match &part.value {
        Value::String(text) => text.len() <= WORD_MAX_BYTES,
        value => value.is_number(),
    };
    let is_listed = |part: &&PayloadPart| part.value.as_str().is_some_and(|text| words.contains(&text));
    // A word that the page names stands most likely where it decides.
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

/// Asks the mapping, as long as there is room.
struct Asker<'a, 'd> {
    map: Ask<'a>,
    delivery: &'a Authenticated<'d>,
    in_time: &'a dyn Fn() -> bool,
    /// How many bytes may still be mapped.
    left: usize,
}

impl Asker<'_, '_> {
    /// The fields of the events of another payload, without one header; nothing where there is no room for it. What
    /// cannot be mapped has no events.
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
        self.left = self.left.saturating_sub(made * EVENT_BYTES);
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

/// What is known to decide what.
struct Found<'a> {
    events: &'a [Map<String, Value>],
    /// For each event, the names of parts by field.
    of: Vec<Map<String, Value>>,
}

impl Found<'_> {
    /// Notes all fields that differ in `answer`; whether there were any.
    fn note(&mut self, name: &str, answer: Option<&[Map<String, Value>]>) -> bool {
        self.note_only(&[], name, answer)
    }

    /// The same for some fields only, or for all where none are given.
    fn note_only(&mut self, only: &[&str], name: &str, answer: Option<&[Map<String, Value>]>) -> bool {
        let Some(answer) = answer else { return false };
        let mut any = false;
        let same_number = answer.len() == self.events.len();
        for (index, (event, of)) in self.events.iter().zip(&mut self.of).enumerate() {
            let mut add = |field: &str| {
                if only.is_empty() || only.contains(&field) {
                    any = true;
                    if let Some(names) = of.entry(field).or_insert_with(|| Value::Array(Vec::new())).as_array_mut()
                        && !names.iter().any(|known| known.as_str() == Some(name))
                    {
                        names.push(name.into());
                    }
                }
            };
            let key = event.get("dedup_key");
            let same_alert = || answer.iter().find(|other| key.is_some() && other.get("dedup_key") == key);
            match if same_number { answer.get(index) } else { same_alert() } {
                Some(other) => {
                    let differs = |(field, value): &(&String, &Value)| other.get(*field) != Some(*value);
                    let different = event.iter().filter(differs).count();
                    // Another alert altogether: the part says which kind of delivery this is.
                    if 2 * different > event.len() && other.get("dedup_key") != key {
                        add(ALL);
                        continue;
                    }
                    for (field, _) in event.iter().filter(differs) {
                        add(field);
                    }
                }
                // Without it there would be no such event.
                None if !answer.contains(event) => add(ALL),
                None => {}
            }
        }
        any
    }

    /// Whether a part is known to decide anything.
    fn names(&self, name: &str) -> bool {
        let named =
            |names: &Value| names.as_array().is_some_and(|names| names.iter().any(|n| n.as_str() == Some(name)));
        self.of.iter().any(|of| of.values().any(named))
    }

    /// Whether an event has one of these fields and nothing is known to decide it.
    fn wants(&self, fields: &[&str]) -> bool {
        let wants = |(event, of): (&Map<String, Value>, &Map<String, Value>)| {
            fields.iter().any(|field| event.contains_key(*field) && !of.contains_key(*field))
        };
        self.events.iter().zip(&self.of).any(wants)
    }
}

/// The fields of an event by their paths; of links, images and details the members each by itself.
fn fields(event: &Event) -> Map<String, Value> {
    let mut fields = Map::new();
    flatten(&event.to_json(), "", &mut fields);
    fields
}

fn flatten(value: &Value, path: &str, fields: &mut Map<String, Value>) {
    // A member of the details is one field, however much is in it.
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

/// What there is to explain with.
struct Explainer<'a> {
    payload: &'a Value,
    parts: &'a [PayloadPart],
    /// Whether each part is one place in the payload.
    each: bool,
    /// Whether all was asked.
    complete: bool,
}

impl Explainer<'_> {
    /// What is known of an event's fields, as a person reads it.
    fn origins(&self, event: &Map<String, Value>, of: &Map<String, Value>) -> Vec<Origin> {
        let kind = of.get_key_value(ALL);
        event.iter().chain(kind).map(|(field, value)| self.origin(field, value, of)).collect()
    }

    fn origin(&self, field: &str, value: &Value, of: &Map<String, Value>) -> Origin {
        let names = of.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let names: Vec<&str> = names.collect();
        let value_of = |name: &str| {
            // Of a part of all items nobody knows which item's value it was; an equal one is as good.
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
