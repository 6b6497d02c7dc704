//! Finds where each field of an event comes from, by re-running the mapping. A mapping is a pure function of the
//! delivery. So if a field changes together with a part of the payload, that part decides the field.
//!
//! This code knows no vendor, and no mapping knows this code, so it explains a user's own template as well as a source.
//! Each event is explained by itself. If one item of a list is enough to make the event, the other items are left out:
//! then a run takes as long as for one alert, however many there are. The code changes each part of the payload slightly,
//! then removes it, and compares the events. A changed word, such as a state, often has the same effect as the original.
//! So if the origin of the action or the severity is still unknown, it also tries the words of the source's own list.
//!
//! [`WORK_MAX_BYTES`] limits the work for one explanation. Events beyond the limit stay unexplained, and a request for
//! one of them explains it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::auth::Authenticated;
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::Event;

mod asker;
mod origin;
mod payload;
mod search;

use self::asker::Asker;
pub use self::asker::WORK_MAX_BYTES;
pub use self::origin::{How, Origin};
use self::payload::{List, main_list};
use self::search::{Case, Explained, Memory, search};

/// The most unused paths that are listed.
const UNUSED_MAX: usize = 60;

/// How many items of a list are tried for an event. Items that make no event lie between those that do.
const TRIES_MAX: usize = 8;

/// The reason for an incomplete explanation.
const TOO_LONG: &str = "the explanation was cut short because the payload is large";

/// The reason for events without an explanation.
const SOME: &str =
    "not every event is explained, because there are many; ?explain=7 explains the event of that number, from 0";

const NOT_JSON: &str = "the payload is not JSON";
const MORE: &str = "the events depend on more than the payload's fields";
const NO_SUCH: &str = "there is no event of this number; the first is 0";

/// Headers that describe the transport and not the content.
const TRANSPORT: &[&str] =
    &["accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"];

/// The explanation of a delivery's events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The origins of each event's fields, in the order of the events. `None` if an event is not explained.
    pub events: Vec<Option<Vec<Origin>>>,
    /// The parts of the payload that change no event. Empty unless every event of the mapping is explained.
    pub unused: Vec<String>,
    /// The numbers of the events that the limit leaves without an explanation.
    pub unexplained: Vec<usize>,
    /// Why the explanation is incomplete, if it is.
    pub incomplete: Option<&'static str>,
}

/// Which events to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// As many as the limit allows, from the first.
    All,
    /// The event with this number, from 0.
    One(usize),
}

/// Maps a delivery.
pub type Ask<'a> = &'a dyn Fn(&Authenticated<'_>) -> Result<Mapped, MapError>;

/// A mapping whose events are to be explained.
pub struct Question<'a, 'd> {
    /// The mapping.
    pub map: Ask<'a>,
    /// The delivery that was mapped.
    pub delivery: &'a Authenticated<'d>,
    /// The possible deciding words.
    pub words: &'a [&'a str],
    /// Returns false to stop the search.
    pub in_time: &'a dyn Fn() -> bool,
}

/// The positions of a mapping's own events, before any were merged, sorted or replaced. It tells them from events that
/// were added later, such as digests.
pub struct Positions(BTreeMap<String, usize>);

impl Positions {
    /// The positions of these events.
    pub fn of(events: &[Event]) -> Positions {
        let mut positions = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            positions.entry(name(event).to_owned()).or_insert(index);
        }
        Positions(positions)
    }

    fn get(&self, event: &Event) -> Option<usize> {
        self.0.get(name(event)).copied()
    }
}

/// What tells events apart well enough to begin a search.
fn name(event: &Event) -> &str {
    event.dedup_key().map_or_else(|| event.summary(), |key| key.as_str())
}

/// Explains events of a delivery. `positions` are those of the mapping's events.
pub fn explain(question: &Question<'_, '_>, events: &[Event], positions: &Positions, wanted: Wanted) -> Explanation {
    let mut explanation = Explanation { events: vec![None; events.len()], ..Explanation::default() };
    let own: Vec<(usize, &Event, usize)> =
        events.iter().enumerate().filter_map(|(number, event)| Some((number, event, positions.get(event)?))).collect();
    let chosen = own.iter().filter(|(number, ..)| wanted == Wanted::All || wanted == Wanted::One(*number));
    if let Wanted::One(number) = wanted
        && number >= events.len()
    {
        explanation.incomplete = Some(NO_SUCH);
    }
    if chosen.clone().next().is_none() {
        return explanation;
    }
    let mut finder = match Finder::new(question, positions.0.len() > 1) {
        Ok(finder) => finder,
        Err(why) => {
            explanation.incomplete = Some(why);
            explanation.unexplained = chosen.map(|(number, ..)| *number).collect();
            return explanation;
        }
    };
    let mut parts = Parts::default();
    let (mut count, mut stops) = (0, false);
    for (number, event, position) in chosen {
        let found = if stops { Err(SOME) } else { finder.explain(event, *position) };
        stops |= finder.asker.is_exhausted();
        let whole = found.as_ref().is_ok_and(|explained| explained.complete);
        match (found, explanation.events.get_mut(*number)) {
            // A part of an explanation is better than none. If it is not the first, a request for this event gets all of it.
            (Ok(explained), Some(slot)) if count == 0 || !stops => {
                count += 1;
                parts.add(explained.parts);
                *slot = Some(explained.origins);
                explanation.incomplete = explanation.incomplete.or((!whole).then_some(TOO_LONG));
            }
            (found, _) => {
                stops |= found.as_ref().is_err_and(|why| *why == TOO_LONG);
                explanation.incomplete = explanation.incomplete.or(found.err());
                explanation.unexplained.push(*number);
            }
        }
    }
    if count > 0 && stops && !explanation.unexplained.is_empty() {
        explanation.incomplete = Some(SOME);
    }
    if count == own.len() {
        explanation.unused = parts.unused();
    }
    explanation
}

/// The parts of all payloads that were examined.
#[derive(Default)]
struct Parts {
    /// Their names in order.
    names: Vec<String>,
    /// Whether a part of this name changes nothing.
    is_unused: BTreeMap<String, bool>,
}

impl Parts {
    fn add(&mut self, parts: Vec<(String, bool)>) {
        for (name, is_unused) in parts {
            match self.is_unused.get_mut(&name) {
                Some(known) => *known &= is_unused,
                None => {
                    self.names.push(name.clone());
                    self.is_unused.insert(name, is_unused);
                }
            }
        }
    }

    fn unused(self) -> Vec<String> {
        let is_unused = |name: &String| self.is_unused.get(name).copied().unwrap_or_default();
        self.names.iter().filter(|name| is_unused(name)).take(UNUSED_MAX).cloned().collect()
    }
}

/// Finds a small payload for each event, and explains the event by it.
struct Finder<'a, 'd> {
    asker: Asker<'a, 'd>,
    words: &'a [&'a str],
    headers: Vec<String>,
    /// The whole payload as it was sent, and with its texts unfolded if it has any.
    sent: Value,
    unfolded: Option<Value>,
    /// The list whose items may make the events.
    list: Option<List>,
    /// The position of the last event, and the number of its item.
    last: (usize, usize),
    memory: Memory,
}

impl<'a, 'd> Finder<'a, 'd> {
    /// Parses the payload again. Returns why that is not possible, or would take too long. `many` says whether the mapping
    /// makes several events.
    fn new(question: &'a Question<'a, 'd>, many: bool) -> Result<Self, &'static str> {
        let mut asker = Asker::new(question);
        if asker.is_exhausted() {
            return Err(TOO_LONG);
        }
        let sent = mapping::payload(question.delivery).map_err(|_| NOT_JSON)?;
        let unfolded = asker.unfolded(&sent);
        let list = if many { main_list(unfolded.as_ref().unwrap_or(&sent)) } else { None };
        let headers = question.delivery.header_names().filter(|name| !TRANSPORT.contains(name));
        let headers = headers.map(str::to_owned).collect();
        Ok(Finder {
            asker,
            words: question.words,
            headers,
            sent,
            unfolded,
            list,
            last: (0, 0),
            memory: Memory::default(),
        })
    }

    /// Explains an event, or says why that is not possible.
    fn explain(&mut self, event: &Event, position: usize) -> Result<Explained, &'static str> {
        let case = match self.item(event, position)? {
            Some(case) => case,
            None => self.all(event)?,
        };
        Ok(search(&mut self.asker, (event, &case), &self.sent, &self.headers, self.words, &mut self.memory))
    }

    /// The payload with only the item that makes the event.
    fn item(&mut self, event: &Event, position: usize) -> Result<Option<Case>, &'static str> {
        let Some(list) = &self.list else { return Ok(None) };
        let (last, item) = self.last;
        let first = (item + position).saturating_sub(last);
        // One item may make several events, and others none.
        for index in (first..first + TRIES_MAX).chain([item]) {
            let Some((payload, item)) = list.only(self.unfolded.as_ref().unwrap_or(&self.sent), index) else {
                continue;
            };
            let events = self.asker.ask(payload.clone(), &[]).ok_or(TOO_LONG)?;
            if let Some(at) = events.iter().position(|made| made == event) {
                self.last = (position, index);
                return Ok(Some(Case { payload, item: Some(item), count: events.len(), at }));
            }
        }
        Ok(None)
    }

    /// The whole payload.
    fn all(&mut self, event: &Event) -> Result<Case, &'static str> {
        self.list = None;
        if !self.asker.has_room_for(&self.sent, event) {
            return Err(TOO_LONG);
        }
        // The mapping may copy a text as it was sent, with its white space.
        for payload in self.unfolded.iter().chain([&self.sent]) {
            let events = self.asker.ask(payload.clone(), &[]).ok_or(TOO_LONG)?;
            if let Some(at) = events.iter().position(|made| made == event) {
                return Ok(Case { payload: payload.clone(), item: None, count: events.len(), at });
            }
        }
        Err(MORE)
    }
}
