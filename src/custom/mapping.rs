//! A template at work: one delivery to its events.

use minijinja::value::ValueKind;
use serde_json::{Map, Value};

use super::Template;
use super::evaluate::{Allowance, Evaluator};
use super::payload::Names;
use super::texts::{Part, Text, Texts};
use crate::auth::Authenticated;
use crate::json::Node;
use crate::mapping::aws::envelope::{self, Envelope};
use crate::mapping::budget::Budget;
use crate::mapping::unexpanded;
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::parse;
use crate::pagerduty::event::{Action, DedupKey, Event};

/// The most items of one delivery that become events.
const ITEMS_MAX: usize = 1000;

/// How many steps one delivery may take: so many, and as many more for each byte of the body. An instruction of the engine
/// is a step, and so are 64 bytes that it makes.
const STEPS: u64 = 500_000;
const STEPS_PER_BYTE: u64 = 2;

/// How many of them one text may take. This bounds what is in memory at a time.
const TEXT_STEPS: u64 = 50_000;
const TEXT_BYTES_PER_STEP: u64 = 4;

/// The most that one delivery makes, in bytes, roughly: events wait in memory until they are sent.
const MADE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The reason for what the template does not want.
pub const IGNORED: &str = "the template's `ignore` is true";

/// Why a delivery has no events if the list of the template's `each` is empty.
pub const EMPTY: &str = "the list of the template's `each` is empty";

/// A template with its texts compiled.
pub struct Mapping<'e> {
    pub(super) template: &'e Template,
    pub(super) texts: Texts<'e>,
    pub(super) event: Part<'e>,
    pub(super) each: Option<Box<Text<'e>>>,
    pub(super) ignore: Option<Box<Text<'e>>>,
}

impl<'e> Mapping<'e> {
    /// How many steps the deliveries took that this mapped.
    pub fn steps(&self) -> u64 {
        self.texts.steps()
    }

    /// Maps a delivery to events whose dedup keys begin with `slug`.
    ///
    /// # Errors
    /// Returns [`MapError`] if the payload is not JSON, or if the template does not work for it as a whole. An item that
    /// the template does not work for is in [`Mapped::rejected`].
    pub fn map(&self, slug: &str, delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
        let opened = match self.template.is_from_sns().then(|| envelope::open(delivery)).transpose()? {
            Some(Envelope::Done(mapped)) => return Ok(mapped),
            Some(Envelope::Message(message)) => Some(delivery.opened(message.into_payload())),
            None => None,
        };
        let delivery = opened.as_ref().unwrap_or(delivery);
        let payload = mapping::payload(delivery)?;
        let bytes = u64::try_from(delivery.body().len()).unwrap_or(u64::MAX);
        let allowance = Allowance {
            steps: STEPS.saturating_add(bytes.saturating_mul(STEPS_PER_BYTE)),
            text_steps: TEXT_STEPS.saturating_add(bytes / TEXT_BYTES_PER_STEP),
            room: MADE_MAX_BYTES,
        };
        let mut run = Run {
            mapping: self,
            engine: self.texts.evaluator(allowance),
            payload: self.texts.value(payload),
            headers: self.texts.value(headers(delivery)),
            item: None,
        };
        let mut mapped = Mapped::default();
        let mut budget = Budget::of(delivery);
        let Some(each) = &self.each else {
            match run.event(slug)? {
                Some(event) => mapped.events.push(event),
                None => mapped = mapped.ignore("", IGNORED),
            }
            return Ok(mapped);
        };
        let list = run.engine.evaluate(each, &run.names())?;
        let items = match list.kind() {
            ValueKind::Seq | ValueKind::Iterable => list.try_iter().ok(),
            _ => None,
        };
        let items = items.ok_or_else(|| run.engine.fail(each, "is not a list"))?;
        for (index, item) in items.checked().enumerate() {
            if index == ITEMS_MAX {
                let problem = run.engine.fail(each, "has more than 1000 items; the rest is left out");
                mapped.rejected.push(problem);
                break;
            }
            let item = item.map_err(|error| run.engine.explain(each, &error))?;
            let path = ["each[", &index.to_string(), "]"].concat();
            run.item = Some((item, index));
            let made = if run.engine.left.room == 0 { Err(run.too_much()) } else { run.event(slug) };
            match made {
                Ok(Some(event)) => mapped.events.push(self.of_item(budget.fit(event), index)),
                Ok(None) => mapped = mapped.ignore(&path, IGNORED),
                Err(error) => {
                    let problem = [&path, ": ", &error.to_string()].concat();
                    mapped.rejected.push(MapError::Template { problem });
                }
            }
        }
        if mapped == Mapped::default() {
            mapped = mapped.ignore("each", EMPTY);
        }
        Ok(mapped)
    }

    /// Notes which item the event was made of, if the list has a path in the payload or in the message of its envelope.
    fn of_item(&self, event: Event, index: usize) -> Event {
        let list = self.each.as_ref().and_then(|each| path(each.source()));
        match list {
            Some(list) => event.of_item(list.to_owned(), index),
            None => event,
        }
    }
}

/// The list that an `each` names, if it is only a path, such as `payload.data.alerts`.
fn path(each: &str) -> Option<&str> {
    let path = each.trim();
    let path = path.strip_prefix("payload.").unwrap_or(path);
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if path == "payload" { Some("") } else { path.split('.').all(is_name).then_some(path) }
}

/// The headers of a delivery that are no credentials, as an object for expressions.
pub(crate) fn headers(delivery: &Authenticated<'_>) -> Value {
    let mut headers = Map::new();
    for name in delivery.header_names() {
        // With underscores too: a hyphen in an expression is a minus.
        for known in [name.to_owned(), name.replace('-', "_")] {
            headers.insert(known, delivery.header(name).into());
        }
    }
    headers.into()
}

/// The making of one delivery's events.
struct Run<'r, 'e> {
    mapping: &'r Mapping<'e>,
    engine: Evaluator<'r, 'e>,
    payload: minijinja::Value,
    headers: minijinja::Value,
    item: Option<(minijinja::Value, usize)>,
}

impl<'e> Run<'_, 'e> {
    /// One event, or `None` if the template ignores the item.
    fn event(&mut self, slug: &str) -> Result<Option<Event>, MapError> {
        let Mapping { event, ignore, .. } = self.mapping;
        if let Some(ignore) = ignore
            && self.engine.evaluate(ignore, &self.names())?.is_true()
        {
            return Ok(None);
        }
        let names = self.names();
        let mut made = Map::new();
        let Part::Object(parts) = event else { return Ok(None) };
        let action = parts.iter().find(|(name, _)| *name == "event_action");
        // A change has no key, and perhaps nothing to make one of.
        let mut changes = false;
        for (name, part) in action.into_iter().chain(parts) {
            if made.contains_key(*name) || changes && *name == "dedup_key" {
                continue;
            }
            if let Some(value) = self.engine.part(part, &names)? {
                changes |= *name == "event_action" && value == "change";
                made.insert((*name).to_owned(), value);
            }
        }
        let made = Value::Object(made);
        if self.engine.left.room == 0 {
            return Err(self.too_much());
        }
        let event = Node::root(&made);
        let action = parse::action(event, true)?;
        if action == Action::Change {
            return Ok(Some(parse::parse(event, action, None, slug)?));
        }
        let key = event.get("dedup_key").text().unwrap_or_default();
        // All alerts would share it.
        if unexpanded::is_unexpanded_variable(&key) {
            return Err(MapError::Field {
                path: "dedup_key",
                problem: "is a variable that its sender has not filled in",
            });
        }
        let key = DedupKey::whole(slug, &key);
        let key = key.ok_or(MapError::Field { path: "dedup_key", problem: "is missing or blank" })?;
        Ok(Some(parse::parse(event, action, Some(key), slug)?))
    }

    /// What names mean now.
    fn names(&self) -> minijinja::Value {
        let names = Names { payload: self.payload.clone(), headers: self.headers.clone(), item: self.item.clone() };
        minijinja::Value::from_object(names)
    }

    fn too_much(&self) -> MapError {
        let variable = &self.mapping.template.document.variable;
        MapError::Template { problem: ["variable `", variable, "` makes more than 8 mib of one delivery"].concat() }
    }
}
