//! The texts of a document, such as a template, compiled. [`Evaluator`] evaluates them.

use std::sync::Arc;
use std::sync::atomic::Ordering as Memory;

use minijinja::Environment;
use serde_json::Value;

use super::SHOWN_MAX_CHARS;
use super::engine::{self, CONDITION, Fault, TEXT, VALUE};
use super::evaluate::{Allowance, Evaluator};
use super::hooks::{self, Hooked};
use super::payload::{self, DEPTH_MAX, Limits};
use super::position::{Step, line_and_column};
use super::syntax::{self, Shape};
use crate::mapping::MapError;
use crate::text;

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
    pub(super) document: &'e Document,
    /// Its name in the environment.
    pub(super) name: String,
    pub(super) source: &'e str,
    pub(super) path: Vec<Step<'e>>,
    /// How many bytes were put before the source, to make a template of an expression.
    pub(super) shift: usize,
    /// What the engine has of the source.
    pub(super) hooked: Hooked,
    /// Whether a part that is not there is an error wherever it is used.
    pub(super) strict: bool,
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
    pub(super) env: Box<Environment<'e>>,
    pub(super) limits: Arc<Limits>,
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
