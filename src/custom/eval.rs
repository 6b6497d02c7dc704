//! Expressions: minijinja's parser, and an evaluation of our own over JSON.
//!
//! The engine's values, its virtual machine and its formatting were 170 KB more of the component, and its errors do not say
//! where in an expression they come from. What is here knows no loops, no calls and no statements, so an expression ends.
//!
//! A name that is not there, and what is below it, is nothing until it is used; used, it is an error, unless `default` or
//! `is defined` asks. Arithmetic is on whole numbers as long as it can be, equality is by value, and order is among numbers
//! or among texts.

use std::borrow::Cow;

use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::machinery::{Span, parse_expr};
use serde_json::{Map, Value};

use super::filters;
use super::values::{arithmetic, at, compare, is_true, member, part, text_of, weight};

/// How many operations may stand inside one another: `a ~ b ~ c` is two. A runtime's stack is small.
const DEPTH_MAX: usize = 64;

/// What an expression came to; nothing where it names what is not there.
type Got<'v> = Result<Option<Cow<'v, Value>>, Fault>;

/// Why an expression comes to nothing, in words without anything of the payload.
pub(super) struct Fault {
    /// The part of the expression, in bytes.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) why: Cow<'static, str>,
}

/// An expression that has been parsed.
pub(super) struct Expression<'s>(Expr<'s>);

/// What names stand for.
#[derive(Clone, Copy)]
pub(super) struct Scope<'v> {
    pub(super) payload: &'v Value,
    pub(super) headers: &'v Value,
    /// The item of a list and its place, as values.
    pub(super) item: Option<(&'v Value, &'v Value)>,
}

/// Parses an expression, and looks whether there is all that it uses.
///
/// # Errors
/// It is none.
pub(super) fn parse(source: &str) -> Result<Expression<'_>, Fault> {
    let whole = |why: String| Fault { from: 0, to: source.len(), why: why.into() };
    let expression = parse_expr(source)
        .map_err(|error| whole(["cannot be parsed: ", error.detail().unwrap_or_default()].concat()))?;
    check(&expression, DEPTH_MAX)?;
    Ok(Expression(expression))
}

/// Looks whether there is all that an expression uses, and whether it nests no deeper than `depth`.
fn check(expr: &Expr<'_>, depth: usize) -> Result<(), Fault> {
    let span = expr.span();
    let Some(depth) = depth.checked_sub(1) else { return fault(span, "nests too deep") };
    let mut parts: Vec<&Expr<'_>> = Vec::new();
    match expr {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::GetAttr(attr) => parts.push(&attr.expr),
        Expr::GetItem(item) => parts.extend([&item.expr, &item.subscript_expr]),
        Expr::Slice(slice) if slice.step.is_some() => return fault(span, "has a step, and a part has an end only"),
        Expr::Slice(slice) => {
            parts.push(&slice.expr);
            parts.extend(slice.start.iter().chain(&slice.stop));
        }
        Expr::UnaryOp(op) => parts.push(&op.expr),
        Expr::BinOp(op) if matches!(op.op, BinOpKind::Pow) => return fault(span, "is not known here"),
        Expr::BinOp(op) => parts.extend([&op.left, &op.right]),
        Expr::Compare(chain) => {
            parts.push(&chain.expr);
            parts.extend(chain.ops.iter().map(|op| &op.expr));
        }
        Expr::IfExpr(choice) => {
            parts.extend([&choice.test_expr, &choice.true_expr]);
            parts.extend(&choice.false_expr);
        }
        Expr::Filter(filter) => {
            let (least, most) = match filters::arguments(filter.name) {
                Some(arguments) => arguments,
                None => return fault(span, "is a filter that there is not"),
            };
            if !(least..=most).contains(&filter.args.len()) {
                return fault(span, "has too few or too many arguments");
            }
            for arg in &filter.args {
                let CallArg::Pos(arg) = arg else { return fault(span, "has a named argument") };
                parts.push(arg);
            }
            parts.extend(&filter.expr);
        }
        Expr::Test(test) if !matches!(test.name, "defined" | "none") || !test.args.is_empty() => {
            return fault(span, "is a test other than `is defined` and `is none`");
        }
        Expr::Test(test) => parts.push(&test.expr),
        Expr::Call(_) => return fault(span, "is a call, and there are filters only"),
        Expr::List(list) => parts.extend(&list.items),
        Expr::Tuple(tuple) => parts.extend(&tuple.items),
        Expr::Map(map) => parts.extend(map.keys.iter().chain(&map.values)),
    }
    parts.into_iter().try_for_each(|part| check(part, depth))
}

impl Expression<'_> {
    /// What it comes to. `steps` counts down what may still be evaluated.
    ///
    /// # Errors
    /// It names what is not there, or asks for what cannot be done.
    pub(super) fn eval<'v>(&self, scope: Scope<'v>, steps: &mut usize) -> Result<Cow<'v, Value>, Fault> {
        Eval { scope, steps }.value(&self.0)
    }
}

struct Eval<'v, 's> {
    scope: Scope<'v>,
    steps: &'s mut usize,
}

/// How many bytes of a value are worked on in a step.
const STEP_BYTES: usize = 64;

fn fault<T>(span: Span, why: impl Into<Cow<'static, str>>) -> Result<T, Fault> {
    // An offset is below the length of an expression, which is short.
    let at = |offset: u32| usize::try_from(offset).unwrap_or_default();
    Err(Fault { from: at(span.start_offset), to: at(span.end_offset), why: why.into() })
}

fn made<'v>(value: impl Into<Value>) -> Got<'v> {
    Ok(Some(Cow::Owned(value.into())))
}

impl<'v> Eval<'v, '_> {
    /// What has to be there.
    fn value(&mut self, expr: &Expr<'_>) -> Result<Cow<'v, Value>, Fault> {
        match self.get(expr)? {
            Some(value) => Ok(value),
            None => fault(expr.span(), "is not there"),
        }
    }

    /// The same, to be worked on or copied: that takes steps for how large it is.
    fn heavy(&mut self, expr: &Expr<'_>) -> Result<Cow<'v, Value>, Fault> {
        let value = self.value(expr)?;
        self.step(weight(&value) / STEP_BYTES, expr.span())?;
        Ok(value)
    }

    fn step(&mut self, count: usize, span: Span) -> Result<(), Fault> {
        match self.steps.checked_sub(count) {
            Some(left) => *self.steps = left,
            None => {
                *self.steps = 0;
                return fault(span, "takes too many steps");
            }
        }
        Ok(())
    }

    fn get(&mut self, expr: &Expr<'_>) -> Got<'v> {
        self.step(1, expr.span())?;
        match expr {
            Expr::Var(var) => Ok(self.name(var.id).map(Cow::Borrowed)),
            Expr::Const(constant) => self.constant(&constant.value, expr.span()),
            Expr::GetAttr(attr) => Ok(self.get(&attr.expr)?.and_then(|value| member(value, attr.name))),
            Expr::GetItem(item) => {
                let value = self.get(&item.expr)?;
                let place = self.get(&item.subscript_expr)?;
                Ok(value.zip(place).and_then(|(value, place)| at(value, &place)))
            }
            Expr::Slice(slice) => {
                let Some(value) = self.get(&slice.expr)? else { return Ok(None) };
                self.step(weight(&value) / STEP_BYTES, expr.span())?;
                let mut end = |end: &Option<Expr<'_>>| match end {
                    Some(end) => Ok(Some(self.value(end)?.as_i64())),
                    None => Ok(None),
                };
                match (end(&slice.start)?, end(&slice.stop)?) {
                    (start @ (None | Some(Some(_))), stop @ (None | Some(Some(_)))) => {
                        part(&value, start.flatten(), stop.flatten()).map_or_else(|why| fault(expr.span(), why), made)
                    }
                    _ => fault(expr.span(), "is no part of a list or text"),
                }
            }
            Expr::UnaryOp(op) => {
                let value = self.value(&op.expr)?;
                match (&op.op, value.as_i64().and_then(i64::checked_neg), value.as_f64()) {
                    (UnaryOpKind::Not, ..) => made(!is_true(&value)),
                    (UnaryOpKind::Neg, Some(number), _) => made(number),
                    (UnaryOpKind::Neg, None, Some(number)) => made(-number),
                    (UnaryOpKind::Neg, None, None) => fault(expr.span(), "works on a number"),
                }
            }
            Expr::BinOp(op) => self.operation(op, expr.span()),
            Expr::Compare(chain) => self.comparison(chain, expr.span()),
            Expr::IfExpr(choice) => match (is_true(&*self.value(&choice.test_expr)?), &choice.false_expr) {
                (true, _) => self.get(&choice.true_expr),
                (false, Some(other)) => self.get(other),
                (false, None) => made(Value::Null),
            },
            Expr::Filter(filter) => self.filter(filter, expr.span()),
            Expr::Test(test) => match (test.name, self.get(&test.expr)?) {
                ("defined", value) => made(value.is_some()),
                ("none", Some(value)) => made(value.is_null()),
                _ => fault(test.expr.span(), "is not there"),
            },
            Expr::Call(_) => fault(expr.span(), "is a call"),
            Expr::List(list) => self.list(&list.items),
            Expr::Tuple(tuple) => self.list(&tuple.items),
            Expr::Map(map) => {
                let mut members = Map::new();
                for (name, value) in map.keys.iter().zip(&map.values) {
                    let name = text_of(&*self.value(name)?).into_owned();
                    members.insert(name, self.heavy(value)?.into_owned());
                }
                made(members)
            }
        }
    }

    fn operation(&mut self, op: &ast::BinOp<'_>, span: Span) -> Got<'v> {
        let left = self.heavy(&op.left)?;
        match op.op {
            BinOpKind::ScAnd if !is_true(&left) => return Ok(Some(left)),
            BinOpKind::ScOr if is_true(&left) => return Ok(Some(left)),
            _ => {}
        }
        let right = self.heavy(&op.right)?;
        let compared = match op.op {
            BinOpKind::ScAnd | BinOpKind::ScOr => return Ok(Some(right)),
            BinOpKind::Eq => CompareOpKind::Eq,
            BinOpKind::Ne => CompareOpKind::Ne,
            BinOpKind::Lt => CompareOpKind::Lt,
            BinOpKind::Lte => CompareOpKind::Lte,
            BinOpKind::Gt => CompareOpKind::Gt,
            BinOpKind::Gte => CompareOpKind::Gte,
            BinOpKind::In => CompareOpKind::In,
            kind => {
                return arithmetic(kind, &left, &right).map_or_else(|why| fault(span, why), made);
            }
        };
        compare(compared, &left, &right).map_or_else(|why| fault(span, why), made)
    }

    fn comparison(&mut self, chain: &ast::Compare<'_>, span: Span) -> Got<'v> {
        let mut left = self.heavy(&chain.expr)?;
        for op in &chain.ops {
            let right = self.heavy(&op.expr)?;
            if !compare(op.op, &left, &right).or_else(|why| fault(span, why))? {
                return made(false);
            }
            left = right;
        }
        made(true)
    }

    fn filter(&mut self, filter: &ast::Filter<'_>, whole: Span) -> Got<'v> {
        let Some(on) = &filter.expr else { return fault(whole, "works on nothing") };
        let span = Span { end_offset: whole.end_offset, ..on.span() };
        let given = self.get(on)?;
        if let ("default", Some(CallArg::Pos(instead))) = (filter.name, filter.args.first()) {
            // It asks for what may not be there, and so may what it has instead.
            let given = given.filter(|given| !given.is_null() && given.as_str() != Some(""));
            return given.map_or_else(|| self.get(instead), |given| Ok(Some(given)));
        }
        let Some(given) = given else { return Ok(None) };
        self.step(weight(&given) / STEP_BYTES, span)?;
        let mut values = vec![given];
        for arg in &filter.args {
            if let CallArg::Pos(arg) = arg {
                values.push(self.heavy(arg)?);
            }
        }
        match filters::apply(filter.name, &values) {
            Ok(value) => made(value),
            Err(why) => fault(span, why),
        }
    }

    fn name(&self, name: &str) -> Option<&'v Value> {
        match (name, self.scope.item) {
            ("payload", _) => Some(self.scope.payload),
            ("headers", _) => Some(self.scope.headers),
            ("item", Some((item, _))) => Some(item),
            ("index", Some((_, index))) => Some(index),
            _ => self.scope.payload.get(name),
        }
    }

    fn constant(&self, value: &minijinja::Value, span: Span) -> Got<'v> {
        if let Some(text) = value.as_str() {
            return made(text);
        }
        if value.is_none() {
            return made(Value::Null);
        }
        if !value.is_number() {
            return made(value.is_true());
        }
        match (value.as_i64().filter(|_| value.is_integer()), f64::try_from(value.clone())) {
            (Some(number), _) => made(number),
            (None, Ok(number)) => made(number),
            _ => fault(span, "is a number that is too large"),
        }
    }

    fn list(&mut self, items: &[Expr<'_>]) -> Got<'v> {
        let mut list = Vec::new();
        for item in items {
            list.push(self.heavy(item)?.into_owned());
        }
        made(list)
    }
}
