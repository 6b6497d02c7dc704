//! The texts of a document, such as a template: compiled, and evaluated with a bounded number of steps.

use std::sync::Arc;
use std::sync::atomic::Ordering as Memory;

use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value};

use super::SHOWN_MAX_CHARS;
use super::engine::{self, CONDITION, Fault, KEPT, TEXT, VALUE};
use super::hooks::{self, Hooked};
use super::payload::{self, Bounded, DEPTH_MAX, Limits, TEXT_MAX_BYTES, TOO_LONG, to_json};
use super::position::{Step, line_and_column};
use super::syntax::{self, Shape};
use crate::mapping::MapError;
use crate::text;

/// How many bytes of a value that become part of an event cost a step.
const BYTES_PER_STEP: usize = 64;

/// The first guess of how many steps a text took that failed.
const FAILED_STEPS: u64 = 256;

/// The JSON text of a variable, whose strings are texts for the engine.
pub(crate) struct Document {
    /// The variable, for errors.
    pub(crate) variable: String,
    pub(crate) text: String,
    /// What the texts are part of, for errors: `template`.
    pub(crate) what: &'static str,
}

impl Document {
    /// An error in the string at a path.
    pub(crate) fn fail(&self, path: &[Step<'_>], source: &str, fault: Fault) -> MapError {
        let part = source.get(fault.part.clone()).unwrap_or_default();
        let start = fault.part.start + part.len() - part.trim_start().len();
        let (line, column) = line_and_column(&self.text, path, start);
        let Fault { why, named, .. } = fault;
        let one_line = text::one_line(part);
        let shown = text::truncate(&one_line, SHOWN_MAX_CHARS);
        let said = if named { why } else { format!("`{shown}`: {why}") };
        MapError::Template { problem: format!("variable `{}`, line {line}, column {column}: {said}", self.variable) }
    }

    /// An error about the value at a path, whatever it is.
    pub(crate) fn wrong(&self, path: &[Step<'_>], why: String) -> MapError {
        self.fail(path, "", Fault { part: 0..0, why, named: true })
    }
}

/// A text for the engine.
pub(crate) struct Text<'e> {
    document: &'e Document,
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

impl<'e> Text<'e> {
    /// The text as it was written.
    pub(crate) fn source(&self) -> &'e str {
        self.source
    }
}

/// A JSON value whose texts may have tags.
pub(crate) enum Part<'e> {
    Fixed(&'e Value),
    List(Vec<Part<'e>>),
    Object(Vec<(&'e str, Part<'e>)>),
    Text(Text<'e>),
}

impl<'e> Part<'e> {
    /// Adds every text of it to a list.
    pub(crate) fn texts<'p>(&'p self, texts: &mut Vec<&'p Text<'e>>) {
        match self {
            Part::Fixed(_) => {}
            Part::List(parts) => parts.iter().for_each(|part| part.texts(texts)),
            Part::Object(parts) => parts.iter().for_each(|(_, part)| part.texts(texts)),
            Part::Text(text) => texts.push(text),
        }
    }
}

/// The engine with all texts that were compiled.
pub(crate) struct Texts<'e> {
    env: Box<Environment<'e>>,
    limits: Arc<Limits>,
}

impl<'e> Texts<'e> {
    /// An engine without texts.
    pub(crate) fn new() -> Texts<'e> {
        let limits = Arc::new(Limits::default());
        Texts { env: Box::new(engine::environment(&limits)), limits }
    }

    /// Compiles a text. Returns `None` if it has no tags. In a `strict` text, each use of an undefined value is an error.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if the text cannot be parsed, nests too deep, or uses something that is unknown or
    /// refused.
    pub(crate) fn text(
        &mut self,
        document: &'e Document,
        source: &'e str,
        path: &[Step<'e>],
        strict: bool,
    ) -> Result<Option<Text<'e>>, MapError> {
        let mark = match syntax::template(source) {
            Ok(Shape::Plain) => return Ok(None),
            Ok(Shape::Expression) => VALUE,
            Ok(Shape::Template) => TEXT,
            Err(syntax::Fault { part, why }) => {
                return Err(document.fail(path, source, Fault { part, why, named: true }));
            }
        };
        self.add(mark, (document, source, path), strict, None).map(Some)
    }

    /// Compiles every text of a JSON value, which is at `path` in the document.
    ///
    /// # Errors
    /// As [`Texts::text`].
    pub(crate) fn part(
        &mut self,
        document: &'e Document,
        value: &'e Value,
        path: &mut Vec<Step<'e>>,
    ) -> Result<Part<'e>, MapError> {
        if path.len() > DEPTH_MAX {
            return Err(document.wrong(path, "nests too deep".to_owned()));
        }
        match value {
            Value::String(source) => {
                // These decide which alerts are the same, or whether there is one.
                let strict = matches!(path.as_slice(), [.., Step::Name("dedup_key" | "event_action")]);
                Ok(self.text(document, source, path, strict)?.map_or(Part::Fixed(value), Part::Text))
            }
            Value::Array(items) => {
                let mut parts = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    parts.push(self.part(document, item, path)?);
                    path.pop();
                }
                Ok(Part::List(parts))
            }
            Value::Object(members) => {
                let mut parts = Vec::new();
                for (name, member) in members {
                    path.push(Step::Name(name));
                    parts.push((name.as_str(), self.part(document, member, path)?));
                    path.pop();
                }
                Ok(Part::Object(parts))
            }
            Value::Bool(_) | Value::Null | Value::Number(_) => Ok(Part::Fixed(value)),
        }
    }

    /// Compiles an expression without braces.
    ///
    /// # Errors
    /// As [`Texts::text`].
    pub(crate) fn expression(
        &mut self,
        document: &'e Document,
        source: &'e str,
        path: &[Step<'e>],
        strict: bool,
    ) -> Result<Text<'e>, MapError> {
        self.braced(VALUE, (document, source, path), strict)
    }

    /// Compiles an expression without braces that may be undefined: then its value is `none`.
    ///
    /// # Errors
    /// As [`Texts::text`].
    pub(crate) fn condition(
        &mut self,
        document: &'e Document,
        source: &'e str,
        path: &[Step<'e>],
        strict: bool,
    ) -> Result<Text<'e>, MapError> {
        self.braced(CONDITION, (document, source, path), strict)
    }

    fn braced(
        &mut self,
        mark: char,
        (document, source, path): (&'e Document, &'e str, &[Step<'e>]),
        strict: bool,
    ) -> Result<Text<'e>, MapError> {
        if let Err(syntax::Fault { part, why }) = syntax::expression(source) {
            return Err(document.fail(path, source, Fault { part, why, named: true }));
        }
        // First by itself: what closes the braces that are put around it is no expression.
        if let Err(error) = self.env.compile_expression(source) {
            return Err(document.fail(path, source, engine::explain(&error, source, &Hooked::default())));
        }
        self.add(mark, (document, source, path), strict, Some(["{{ ", source, " }}"].concat()))
    }

    fn add(
        &mut self,
        mark: char,
        (document, source, path): (&'e Document, &'e str, &[Step<'e>]),
        strict: bool,
        braced: Option<String>,
    ) -> Result<Text<'e>, MapError> {
        let name = format!("{mark}{}", self.env.templates().count());
        let shift = if braced.is_some() { "{{ ".len() } else { 0 };
        let whole = braced.as_deref().unwrap_or(source);
        let fail = |fault: syntax::Fault| {
            let own = |at: usize| at.saturating_sub(shift).min(source.len());
            let part = own(fault.part.start)..own(fault.part.end);
            document.fail(path, source, Fault { part, why: fault.why, named: true })
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
            return Err(document.fail(path, source, Fault { part, ..fault }));
        }
        Ok(Text { document, name, source, path: path.to_vec(), shift, hooked, strict })
    }

    /// How many steps all evaluations took.
    pub(crate) fn steps(&self) -> u64 {
        self.limits.taken.load(Memory::Relaxed)
    }

    /// A JSON document as a value of the engine.
    pub(crate) fn value(&self, json: Value) -> minijinja::Value {
        payload::value(json, &self.limits)
    }

    /// Makes values of JSON documents, as [`Texts::value`].
    pub(crate) fn values(&self) -> Values {
        Values(Arc::clone(&self.limits))
    }

    /// Begins the evaluations of one delivery, with what all of them may take.
    pub(crate) fn evaluator(&self, allowance: Allowance) -> Evaluator<'_, 'e> {
        Evaluator { texts: self, env: self.env.clone(), left: allowance }
    }
}

/// Makes values of JSON documents for the engine.
#[derive(Clone, Debug)]
pub(crate) struct Values(Arc<Limits>);

impl Values {
    /// As [`Texts::value`].
    pub(crate) fn of(&self, json: Value) -> minijinja::Value {
        payload::value(json, &self.0)
    }
}

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
    texts: &'r Texts<'e>,
    env: Box<Environment<'e>>,
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
