//! A template at work: one delivery to its events.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Template;
use super::eval::{Expression, Scope};
use super::position::Place;
use super::values::{TEXT_MAX_BYTES, TOO_LONG, is_true, text_of, weight};
use crate::auth::Authenticated;
use crate::json::Node;
use crate::mapping::unexpanded;
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::parse;
use crate::pagerduty::event::{Action, DedupKey, Event};

/// The most items of one delivery that become events.
const ITEMS_MAX: usize = 1000;

/// The most steps that are taken for one delivery: a name, an operation or a filter is one.
const STEPS_MAX: usize = 500_000;

/// The most that one delivery makes, in bytes, roughly: events wait in memory until they are sent.
const MADE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The reason for what the template does not want.
pub const IGNORED: &str = "the template's `ignore` is true";

/// A template with its expressions parsed.
pub struct Mapping<'e> {
    pub(super) template: &'e Template,
    pub(super) event: Part<'e>,
    pub(super) each: Option<Known<'e>>,
    pub(super) ignore: Option<Known<'e>>,
}

pub(super) enum Part<'e> {
    Fixed(&'e Value),
    List(Vec<Part<'e>>),
    Object(Vec<(&'e str, Part<'e>)>),
    Text(Vec<Piece<'e>>),
}

pub(super) enum Piece<'e> {
    Expression(Known<'e>),
    Text(&'e str),
}

/// An expression and where it stands.
pub(super) struct Known<'e> {
    pub(super) compiled: Expression<'e>,
    pub(super) source: &'e str,
    pub(super) start: usize,
    pub(super) place: Place<'e>,
}

impl Mapping<'_> {
    /// Maps a delivery to events whose dedup keys begin with `slug`.
    ///
    /// # Errors
    /// The payload is not JSON, or the template does not work for it as a whole. What does not work for an item is
    /// among [`Mapped::rejected`].
    pub fn map(&self, slug: &str, delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
        let payload = mapping::payload(delivery)?;
        let mut headers = Map::new();
        for name in delivery.header_names() {
            // With underscores too: a hyphen in an expression is a minus.
            for known in [name.to_owned(), name.replace('-', "_")] {
                headers.insert(known, delivery.header(name).into());
            }
        }
        let scope = Scope { payload: &payload, headers: &headers.into(), item: None };
        let mut run = Run { mapping: self, steps: STEPS_MAX, room: MADE_MAX_BYTES };
        let mut mapped = Mapped::default();
        let Some(each) = &self.each else {
            match run.event(slug, scope)? {
                Some(event) => mapped.events.push(event),
                None => mapped = mapped.ignore("", IGNORED),
            }
            return Ok(mapped);
        };
        let list = run.evaluate(each, scope)?;
        let items = list.as_array().ok_or_else(|| run.fail(each, "is not a list"))?;
        for (index, item) in items.iter().enumerate() {
            if index == ITEMS_MAX {
                let problem = run.fail(each, "has more than 1000 items: the rest is left out");
                mapped.rejected.push(problem);
                break;
            }
            let place = Value::from(index);
            let path = ["each[", &index.to_string(), "]"].concat();
            match run.event(slug, Scope { item: Some((item, &place)), ..scope }) {
                Ok(Some(event)) => mapped.events.push(event),
                Ok(None) => mapped = mapped.ignore(&path, IGNORED),
                Err(error) => {
                    let problem = [&path, ": ", &error.to_string()].concat();
                    mapped.rejected.push(MapError::Template { problem });
                }
            }
        }
        Ok(mapped)
    }
}

/// The making of one delivery's events.
struct Run<'r> {
    mapping: &'r Mapping<'r>,
    /// What may still be evaluated, and made.
    steps: usize,
    room: usize,
}

impl Run<'_> {
    /// One event; nothing where it is to be ignored.
    fn event(&mut self, slug: &str, scope: Scope<'_>) -> Result<Option<Event>, MapError> {
        let Mapping { template, event, ignore, .. } = self.mapping;
        if let Some(ignore) = ignore
            && is_true(&*self.evaluate(ignore, scope)?)
        {
            return Ok(None);
        }
        let made = self.value(event, scope)?.unwrap_or_default();
        let Some(room) = self.room.checked_sub(weight(&made)) else {
            let problem = ["variable `", &template.variable, "` makes more than 8 mib of one delivery"].concat();
            return Err(MapError::Template { problem });
        };
        self.room = room;
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
        let key = DedupKey::new(slug, &[&key]);
        let key = key.ok_or(MapError::Field { path: "dedup_key", problem: "is missing or blank" })?;
        Ok(Some(parse::parse(event, action, Some(key), slug)?))
    }

    /// What a part of the template makes; nothing where that is `none`.
    fn value(&mut self, part: &Part<'_>, scope: Scope<'_>) -> Result<Option<Value>, MapError> {
        Ok(Some(match part {
            Part::Fixed(value) => (*value).clone(),
            Part::List(parts) => {
                let mut items = Vec::new();
                for part in parts {
                    items.extend(self.value(part, scope)?);
                }
                items.into()
            }
            Part::Object(parts) => {
                let mut members = Map::new();
                for (name, part) in parts {
                    if let Some(value) = self.value(part, scope)? {
                        members.insert((*name).to_owned(), value);
                    }
                }
                members.into()
            }
            Part::Text(pieces) => match pieces.as_slice() {
                [Piece::Expression(only)] => {
                    let value = self.evaluate(only, scope)?.into_owned();
                    return Ok(Some(value).filter(|value| !value.is_null()));
                }
                pieces => {
                    let mut whole = String::new();
                    for piece in pieces {
                        match piece {
                            Piece::Text(text) => whole.push_str(text),
                            Piece::Expression(known) => {
                                whole.push_str(&text_of(&*self.evaluate(known, scope)?));
                                if whole.len() > TEXT_MAX_BYTES {
                                    return Err(self.fail(known, TOO_LONG));
                                }
                            }
                        }
                    }
                    whole.into()
                }
            },
        }))
    }

    fn evaluate<'v>(&mut self, known: &Known<'_>, scope: Scope<'v>) -> Result<Cow<'v, Value>, MapError> {
        let value = known.compiled.eval(scope, &mut self.steps);
        let template = self.mapping.template;
        let value = value.map_err(|fault| template.explain(known.place, known.start, known.source, &fault))?;
        if value.as_str().is_some_and(|text| text.len() > TEXT_MAX_BYTES) {
            return Err(self.fail(known, TOO_LONG));
        }
        Ok(value)
    }

    fn fail(&self, known: &Known<'_>, why: &str) -> MapError {
        self.mapping.template.fail(known.place, known.start, known.source, why)
    }
}
