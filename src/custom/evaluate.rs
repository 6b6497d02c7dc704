//! The evaluation of texts, with a bounded number of steps.

use std::sync::atomic::Ordering as Memory;

use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use super::engine::{self, CONDITION, Fault, KEPT, VALUE};
use super::payload::{Bounded, TEXT_MAX_BYTES, TOO_LONG, to_json};
use super::texts::{Part, Text, Texts};
use crate::mapping::MapError;

/// The first guess of how many steps a text took that failed.
const FAILED_STEPS: u64 = 256;

/// How many bytes of a value that become part of an event cost a step.
const BYTES_PER_STEP: usize = 64;

/// What the evaluations of one delivery may take.
#[derive(Clone, Copy)]
pub(crate) struct Allowance {
    /// How many steps are left, and how many of them one text may take.
    pub(crate) steps: u64,
    pub(crate) text_steps: u64,
    /// How many bytes may still be made.
    pub(crate) room: usize,
}

/// The evaluations of one delivery.
pub(crate) struct Evaluator<'r, 'e> {
    pub(super) texts: &'r Texts<'e>,
    pub(super) env: Box<Environment<'e>>,
    pub(crate) left: Allowance,
}

impl<'e> Evaluator<'_, 'e> {
    /// The value of a part, or `None` if it is `none`.
    ///
    /// # Errors
    /// As [`Evaluator::json`].
    pub(crate) fn part(&mut self, part: &Part<'e>, names: &minijinja::Value) -> Result<Option<Value>, MapError> {
        Ok(Some(match part {
            Part::Fixed(value) => (*value).clone(),
            Part::List(parts) => {
                let mut items = Vec::new();
                for part in parts {
                    items.extend(self.part(part, names)?);
                }
                items.into()
            }
            Part::Object(parts) => {
                let mut members = Map::new();
                for (name, part) in parts {
                    if let Some(value) = self.part(part, names)? {
                        members.insert((*name).to_owned(), value);
                    }
                }
                members.into()
            }
            Part::Text(text) => return Ok(Some(self.json(text, names)?).filter(|value| !value.is_null())),
        }))
    }

    /// The value of a text as JSON. If there is no more room, it is `null`, and [`Allowance::room`] is 0.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if the text fails, or takes too much.
    pub(crate) fn json(&mut self, text: &Text<'e>, names: &minijinja::Value) -> Result<Value, MapError> {
        let value = self.evaluate(text, names)?;
        let room = self.left.room;
        let value = to_json(&value, &mut self.left.room);
        self.take(u64::try_from((room - self.left.room) / BYTES_PER_STEP).unwrap_or(u64::MAX));
        match value {
            Ok(value) => Ok(value),
            // The caller says so.
            Err(_) if self.left.room == 0 => Ok(Value::Null),
            Err(error) => Err(self.explain(text, &error)),
        }
    }

    /// Evaluates a text: its value, or what it writes. `names` are what names mean in it.
    ///
    /// # Errors
    /// As [`Evaluator::json`].
    pub(crate) fn evaluate(&mut self, text: &Text<'e>, names: &minijinja::Value) -> Result<minijinja::Value, MapError> {
        let granted = self.left.steps.min(self.left.text_steps);
        match self.render(text, names, granted) {
            Ok((value, used)) => {
                self.take(used);
                let long = value.as_str().is_some_and(|text| text.len() > TEXT_MAX_BYTES);
                if long || self.texts.limits.exceeded() { Err(self.fail(text, TOO_LONG)) } else { Ok(value) }
            }
            Err(error) => {
                let used = self.used((text, names), &error, granted);
                self.take(used);
                Err(self.explain(text, &error))
            }
        }
    }

    /// Takes steps from those that are left.
    fn take(&mut self, steps: u64) {
        self.left.steps = self.left.steps.saturating_sub(steps);
        self.texts.limits.taken.fetch_add(steps, Memory::Relaxed);
    }

    /// Runs the engine, with so many steps. Gives the value and how many steps it took.
    fn render(
        &mut self,
        text: &Text<'e>,
        names: &minijinja::Value,
        granted: u64,
    ) -> Result<(minijinja::Value, u64), minijinja::Error> {
        let behavior = if text.strict { UndefinedBehavior::Strict } else { UndefinedBehavior::Chainable };
        self.texts.limits.reset(text.strict, granted);
        self.env.set_undefined_behavior(behavior);
        self.env.set_fuel(Some(granted));
        let mut out = Bounded { text: Vec::new(), max: TEXT_MAX_BYTES };
        let template = self.env.get_template(&text.name)?;
        let rendered = template.render_captured_to(names.clone(), &mut out)?;
        let state = rendered.state();
        let used = state.fuel_levels().map_or(granted, |(used, _)| used).saturating_add(self.texts.limits.spent());
        let value = match text.name.starts_with([CONDITION, VALUE]) {
            true => state.get_temp(KEPT).unwrap_or_default(),
            false => minijinja::Value::from(String::from_utf8(out.text).unwrap_or_default()),
        };
        Ok((value, used))
    }

    /// How many steps a text took at most that failed, which the engine does not tell: as many as it takes to fail again.
    fn used(&mut self, (text, names): (&Text<'e>, &minijinja::Value), error: &minijinja::Error, granted: u64) -> u64 {
        let mut used: u64 = 0;
        let mut guess = FAILED_STEPS;
        while guess < granted && !engine::is_spent(error) {
            used = used.saturating_add(guess);
            if self.render(text, names, guess).is_err_and(|error| !engine::is_spent(&error)) {
                return used;
            }
            guess = guess.saturating_mul(4);
        }
        granted
    }

    /// An error about a text.
    pub(crate) fn fail(&self, text: &Text<'_>, why: &str) -> MapError {
        let fault = Fault { part: 0..text.source.len(), why: why.to_owned(), named: false };
        text.document.fail(&text.path, text.source, fault)
    }

    /// An error of the engine about a text.
    pub(crate) fn explain(&self, text: &Text<'_>, error: &minijinja::Error) -> MapError {
        let braced = ["{{ ", text.source, " }}"].concat();
        let mut fault = engine::explain(error, if text.shift == 0 { text.source } else { &braced }, &text.hooked);
        let own = |at: usize| at.saturating_sub(text.shift).min(text.source.len());
        fault.part = own(fault.part.start)..own(fault.part.end);
        if engine::is_spent(error) {
            fault.why = ["the ", text.document.what, " needs too many steps"].concat();
        }
        text.document.fail(&text.path, text.source, fault)
    }
}
