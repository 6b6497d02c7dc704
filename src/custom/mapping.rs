//! A template at work: one delivery to its events.

use std::sync::Arc;
use std::sync::atomic::Ordering as Memory;

use minijinja::value::ValueKind;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use super::Template;
use super::engine::{self, Fault, KEPT, TEXT, VALUE};
use super::hooks::{self, Hooked};
use super::payload::{self, Bounded, Limits, Names, TEXT_MAX_BYTES, TOO_LONG, to_json};
use super::position::Step;
use super::syntax::{self, Shape};
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

/// How many bytes of a value that become part of an event cost a step.
const BYTES_PER_STEP: usize = 64;

/// How many of them one text may take. This bounds what is in memory at a time.
const TEXT_STEPS: u64 = 50_000;
const TEXT_BYTES_PER_STEP: u64 = 4;

/// The first guess of how many steps a text took that failed.
const FAILED_STEPS: u64 = 256;

/// The most that one delivery makes, in bytes, roughly: events wait in memory until they are sent.
const MADE_MAX_BYTES: usize = 8 * 1024 * 1024;

/// The reason for what the template does not want.
pub const IGNORED: &str = "the template's `ignore` is true";

/// Why a delivery has no events if the list of the template's `each` is empty.
pub const EMPTY: &str = "the list of the template's `each` is empty";

/// A template with its texts compiled.
pub struct Mapping<'e> {
    pub(super) template: &'e Template,
    pub(super) env: Box<Environment<'e>>,
    pub(super) limits: Arc<Limits>,
    pub(super) event: Part<'e>,
    pub(super) each: Option<Box<Text<'e>>>,
    pub(super) ignore: Option<Box<Text<'e>>>,
}

/// A part of the template's event.
pub(super) enum Part<'e> {
    Fixed(&'e Value),
    List(Vec<Part<'e>>),
    Object(Vec<(&'e str, Part<'e>)>),
    Text(Text<'e>),
}

/// A text for the engine.
pub(super) struct Text<'e> {
    /// Its name in the environment.
    name: String,
    source: &'e str,
    path: Vec<Step<'e>>,
    /// How many bytes were put before the source, to make a template of an expression.
    shift: usize,
    /// What the engine has of the source.
    hooked: Hooked,
    /// Whether a part that is not there is an error wherever it is used.
    strict: bool,
}

impl<'e> Mapping<'e> {
    /// Compiles a text of the event.
    pub(super) fn text(&mut self, source: &'e str, path: &[Step<'e>]) -> Result<Option<Text<'e>>, MapError> {
        let mark = match syntax::template(source) {
            Ok(Shape::Plain) => return Ok(None),
            Ok(Shape::Expression) => VALUE,
            Ok(Shape::Template) => TEXT,
            Err(syntax::Fault { part, why }) => {
                return Err(self.template.fail(path, source, Fault { part, why, named: true }));
            }
        };
        let key = matches!(path, [.., Step::Name("dedup_key" | "event_action")]);
        self.add(mark, source, path, key, None).map(Some)
    }

    /// Compiles an expression without braces.
    pub(super) fn expression(
        &mut self,
        source: &'e str,
        path: &[Step<'e>],
        strict: bool,
    ) -> Result<Text<'e>, MapError> {
        if let Err(syntax::Fault { part, why }) = syntax::expression(source) {
            return Err(self.template.fail(path, source, Fault { part, why, named: true }));
        }
        // First by itself: what closes the braces that are put around it is no expression.
        if let Err(error) = self.env.compile_expression(source) {
            return Err(self.template.fail(path, source, engine::explain(&error, source, &Hooked::default())));
        }
        self.add(VALUE, source, path, strict, Some(["{{ ", source, " }}"].concat()))
    }

    fn add(
        &mut self,
        mark: char,
        source: &'e str,
        path: &[Step<'e>],
        strict: bool,
        braced: Option<String>,
    ) -> Result<Text<'e>, MapError> {
        let name = format!("{mark}{}", self.env.templates().count());
        let shift = if braced.is_some() { "{{ ".len() } else { 0 };
        let whole = braced.as_deref().unwrap_or(source);
        let fail = |fault: syntax::Fault| {
            let own = |at: usize| at.saturating_sub(shift).min(source.len());
            let part = own(fault.part.start)..own(fault.part.end);
            self.template.fail(path, source, Fault { part, why: fault.why, named: true })
        };
        let mut hooked = hooks::template(whole).map_err(fail)?;
        // With the brackets that were put in.
        syntax::template(&hooked.text)
            .map_err(|fault| fail(syntax::Fault { part: hooked.part(fault.part), ..fault }))?;
        let text = std::mem::take(&mut hooked.text);
        if let Err(error) = self.env.add_template_owned(name.clone(), text) {
            // Of the source as it is, so that the error is about that.
            let plain = self.env.add_template_owned(name, whole.to_owned()).err();
            let fault = plain.map_or_else(
                || engine::explain(&error, whole, &hooked),
                |plain| engine::explain(&plain, whole, &Hooked::default()),
            );
            let own = |at: usize| at.saturating_sub(shift).min(source.len());
            let part = own(fault.part.start)..own(fault.part.end);
            return Err(self.template.fail(path, source, Fault { part, ..fault }));
        }
        Ok(Text { name, source, path: path.to_vec(), shift, hooked, strict })
    }

    /// How many steps the deliveries took that this mapped.
    pub fn steps(&self) -> u64 {
        self.limits.taken.load(Memory::Relaxed)
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
        let mut headers = Map::new();
        for name in delivery.header_names() {
            // With underscores too: a hyphen in an expression is a minus.
            for known in [name.to_owned(), name.replace('-', "_")] {
                headers.insert(known, delivery.header(name).into());
            }
        }
        let bytes = u64::try_from(delivery.body().len()).unwrap_or(u64::MAX);
        let mut run = Run {
            mapping: self,
            env: self.env.clone(),
            payload: payload::value(payload, &self.limits),
            headers: payload::value(headers.into(), &self.limits),
            item: None,
            steps: STEPS.saturating_add(bytes.saturating_mul(STEPS_PER_BYTE)),
            text_steps: TEXT_STEPS.saturating_add(bytes / TEXT_BYTES_PER_STEP),
            room: MADE_MAX_BYTES,
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
        let list = run.evaluate(each)?;
        let items = match list.kind() {
            ValueKind::Seq | ValueKind::Iterable => list.try_iter().ok(),
            _ => None,
        };
        let items = items.ok_or_else(|| run.fail(each, "is not a list"))?;
        for (index, item) in items.checked().enumerate() {
            if index == ITEMS_MAX {
                let problem = run.fail(each, "has more than 1000 items; the rest is left out");
                mapped.rejected.push(problem);
                break;
            }
            let item = item.map_err(|error| run.explain(each, &error))?;
            let path = ["each[", &index.to_string(), "]"].concat();
            run.item = Some((item, index));
            let made = if run.room == 0 { Err(run.too_much()) } else { run.event(slug) };
            match made {
                Ok(Some(event)) => mapped.events.push(budget.fit(event)),
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
}

/// The making of one delivery's events.
struct Run<'r, 'e> {
    mapping: &'r Mapping<'e>,
    env: Box<Environment<'e>>,
    payload: minijinja::Value,
    headers: minijinja::Value,
    item: Option<(minijinja::Value, usize)>,
    /// How many steps are left, and how many of them one text may take.
    steps: u64,
    text_steps: u64,
    /// How many bytes may still be made.
    room: usize,
}

impl<'e> Run<'_, 'e> {
    /// One event, or `None` if the template ignores the item.
    fn event(&mut self, slug: &str) -> Result<Option<Event>, MapError> {
        let Mapping { event, ignore, .. } = self.mapping;
        if let Some(ignore) = ignore
            && self.evaluate(ignore)?.is_true()
        {
            return Ok(None);
        }
        let mut made = Map::new();
        let Part::Object(parts) = event else { return Ok(None) };
        let action = parts.iter().find(|(name, _)| *name == "event_action");
        // A change has no key, and perhaps nothing to make one of.
        let mut changes = false;
        for (name, part) in action.into_iter().chain(parts) {
            if made.contains_key(*name) || changes && *name == "dedup_key" {
                continue;
            }
            if let Some(value) = self.value(part)? {
                changes |= *name == "event_action" && value == "change";
                made.insert((*name).to_owned(), value);
            }
        }
        let made = Value::Object(made);
        if self.room == 0 {
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

    /// The value of a part of the template, or `None` if it is `none`.
    fn value(&mut self, part: &Part<'e>) -> Result<Option<Value>, MapError> {
        Ok(Some(match part {
            Part::Fixed(value) => (*value).clone(),
            Part::List(parts) => {
                let mut items = Vec::new();
                for part in parts {
                    items.extend(self.value(part)?);
                }
                items.into()
            }
            Part::Object(parts) => {
                let mut members = Map::new();
                for (name, part) in parts {
                    if let Some(value) = self.value(part)? {
                        members.insert((*name).to_owned(), value);
                    }
                }
                members.into()
            }
            Part::Text(text) => {
                let value = self.evaluate(text)?;
                let room = self.room;
                let value = to_json(&value, &mut self.room);
                self.take(u64::try_from((room - self.room) / BYTES_PER_STEP).unwrap_or(u64::MAX));
                match value {
                    Ok(value) => return Ok(Some(value).filter(|value| !value.is_null())),
                    // The event says so.
                    Err(_) if self.room == 0 => Value::Null,
                    Err(error) => return Err(self.explain(text, &error)),
                }
            }
        }))
    }

    /// Evaluates a text: its value, or what it writes.
    fn evaluate(&mut self, text: &Text<'e>) -> Result<minijinja::Value, MapError> {
        let granted = self.steps.min(self.text_steps);
        match self.render(text, granted) {
            Ok((value, used)) => {
                self.take(used);
                let long = value.as_str().is_some_and(|text| text.len() > TEXT_MAX_BYTES);
                if long || self.mapping.limits.exceeded() { Err(self.fail(text, TOO_LONG)) } else { Ok(value) }
            }
            Err(error) => {
                let used = self.used(text, &error, granted);
                self.take(used);
                Err(self.explain(text, &error))
            }
        }
    }

    /// Takes steps from those that are left.
    fn take(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
        self.mapping.limits.taken.fetch_add(steps, Memory::Relaxed);
    }

    /// Runs the engine, with so many steps. Gives the value and how many steps it took.
    fn render(&mut self, text: &Text<'e>, granted: u64) -> Result<(minijinja::Value, u64), minijinja::Error> {
        let behavior = if text.strict { UndefinedBehavior::Strict } else { UndefinedBehavior::Chainable };
        self.mapping.limits.reset(text.strict, granted);
        self.env.set_undefined_behavior(behavior);
        self.env.set_fuel(Some(granted));
        let names = Names { payload: self.payload.clone(), headers: self.headers.clone(), item: self.item.clone() };
        let mut out = Bounded { text: Vec::new(), max: TEXT_MAX_BYTES };
        let template = self.env.get_template(&text.name)?;
        let rendered = template.render_captured_to(minijinja::Value::from_object(names), &mut out)?;
        let state = rendered.state();
        let used = state.fuel_levels().map_or(granted, |(used, _)| used).saturating_add(self.mapping.limits.spent());
        let value = match text.name.starts_with(VALUE) {
            true => state.get_temp(KEPT).unwrap_or_default(),
            false => minijinja::Value::from(String::from_utf8(out.text).unwrap_or_default()),
        };
        Ok((value, used))
    }

    /// How many steps a text took at most that failed, which the engine does not tell: as many as it takes to fail again.
    fn used(&mut self, text: &Text<'e>, error: &minijinja::Error, granted: u64) -> u64 {
        let mut used: u64 = 0;
        let mut guess = FAILED_STEPS;
        while guess < granted && !engine::is_spent(error) {
            used = used.saturating_add(guess);
            if self.render(text, guess).is_err_and(|error| !engine::is_spent(&error)) {
                return used;
            }
            guess = guess.saturating_mul(4);
        }
        granted
    }

    fn too_much(&self) -> MapError {
        let variable = &self.mapping.template.variable;
        MapError::Template { problem: ["variable `", variable, "` makes more than 8 mib of one delivery"].concat() }
    }

    fn fail(&self, text: &Text<'_>, why: &str) -> MapError {
        let fault = Fault { part: 0..text.source.len(), why: why.to_owned(), named: false };
        self.mapping.template.fail(&text.path, text.source, fault)
    }

    fn explain(&self, text: &Text<'_>, error: &minijinja::Error) -> MapError {
        let braced = ["{{ ", text.source, " }}"].concat();
        let mut fault = engine::explain(error, if text.shift == 0 { text.source } else { &braced }, &text.hooked);
        let own = |at: usize| at.saturating_sub(text.shift).min(text.source.len());
        fault.part = own(fault.part.start)..own(fault.part.end);
        self.mapping.template.fail(&text.path, text.source, fault)
    }
}
