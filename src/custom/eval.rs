//! Expressions: minijinja's parser, and an evaluation of our own over JSON.
//!
//! The engine's values, its virtual machine and its formatting would be 200 KB of the component, and its errors do not say
//! where in an expression they come from. What is here knows no loops, no calls and no statements, so an expression ends.
//!
//! A name that is not there, and what is below it, is nothing until it is used; used, it is an error, unless `default` or
//! `is defined` asks. Arithmetic is on whole numbers as long as it can be, equality is by value, and order is among numbers
//! or among texts.

use std::borrow::Cow;

use minijinja::machinery::ast::{BinOpKind, CallArg, CompareOpKind, Expr, UnaryOpKind};
use minijinja::machinery::{Span, parse_expr};
use serde_json::{Map, Value};

use super::filters;
use crate::text;

/// The longest text that an expression makes, in bytes, and the longest list.
pub(super) const TEXT_MAX_BYTES: usize = 64 * 1024;
const LIST_MAX_ITEMS: usize = 10_000;

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

/// Whether a value counts as true.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// A value as text: a text as it is, nothing for `none`, lists and objects as JSON.
pub(super) fn text_of(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Null => "".into(),
        other => String::from_utf8(text::encode(other)).unwrap_or_default().into(),
    }
}

struct Eval<'v, 's> {
    scope: Scope<'v>,
    steps: &'s mut usize,
}

/// Roughly the bytes of a value. Working on it takes a step for each [`STEP_BYTES`] of them.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(items) => items.iter().map(weight).fold(8, usize::saturating_add),
        Value::Object(members) => {
            members.iter().fold(8, |sum, (name, member)| sum.saturating_add(name.len() + weight(member)))
        }
    }
}

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
                        part(&value, start.flatten(), stop.flatten(), expr.span())
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
            Expr::BinOp(op) => {
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
                    kind => return arithmetic(kind, &left, &right, expr.span()),
                };
                made(compare(compared, &left, &right, expr.span())?)
            }
            Expr::Compare(chain) => {
                let mut left = self.heavy(&chain.expr)?;
                for op in &chain.ops {
                    let right = self.heavy(&op.expr)?;
                    if !compare(op.op, &left, &right, expr.span())? {
                        return made(false);
                    }
                    left = right;
                }
                made(true)
            }
            Expr::IfExpr(choice) => match (is_true(&*self.value(&choice.test_expr)?), &choice.false_expr) {
                (true, _) => self.get(&choice.true_expr),
                (false, Some(other)) => self.get(other),
                (false, None) => made(Value::Null),
            },
            Expr::Filter(filter) => {
                let Some(on) = &filter.expr else { return fault(expr.span(), "works on nothing") };
                let span = Span { end_offset: expr.span().end_offset, ..on.span() };
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

/// A member of an object, whoever owns it.
fn member<'v>(value: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match value {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(name).map(|member| Cow::Owned(member.take())),
    }
}

/// A member or an item, from the end where the place is negative.
fn at<'v>(value: Cow<'v, Value>, place: &Value) -> Option<Cow<'v, Value>> {
    if let (Value::String(text), Some(place)) = (&*value, place.as_i64()) {
        let c = text.chars().nth(bound(place, text.chars().count())?)?;
        return Some(Cow::Owned(c.to_string().into()));
    }
    let Some(items) = value.as_array() else { return member(value, &text_of(place)) };
    let index = bound(place.as_i64()?, items.len())?;
    match value {
        Cow::Borrowed(value) => value.get(index).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(index).map(|item| Cow::Owned(item.take())),
    }
}

/// A place in a list of this length, counted from its end where it is negative; nothing before its beginning.
fn bound(place: i64, length: usize) -> Option<usize> {
    match usize::try_from(place) {
        Ok(place) => Some(place),
        Err(_) => length.checked_sub(usize::try_from(place.unsigned_abs()).ok()?),
    }
}

/// A part of a list, or of a text by its characters.
fn part<'v>(value: &Value, start: Option<i64>, stop: Option<i64>, span: Span) -> Got<'v> {
    let range = |length: usize| {
        let start = start.map_or(0, |start| bound(start, length).unwrap_or_default()).min(length);
        let stop = stop.map_or(length, |stop| bound(stop, length).unwrap_or_default()).min(length);
        (start, stop.saturating_sub(start))
    };
    match value {
        Value::Array(items) => {
            let (start, count) = range(items.len());
            made(items.iter().skip(start).take(count).cloned().collect::<Vec<Value>>())
        }
        Value::String(text) => {
            let (start, count) = range(text.chars().count());
            made(text.chars().skip(start).take(count).collect::<String>())
        }
        _ => fault(span, "is no part of a list or text"),
    }
}

fn arithmetic<'v>(kind: BinOpKind, left: &Value, right: &Value, span: Span) -> Got<'v> {
    match (kind, left, right) {
        (BinOpKind::Concat, ..) | (BinOpKind::Add, Value::String(_), Value::String(_)) => {
            let whole = [text_of(left), text_of(right)].concat();
            return if whole.len() > TEXT_MAX_BYTES { fault(span, TOO_LONG) } else { made(whole) };
        }
        (BinOpKind::Add, Value::Array(left), Value::Array(right)) => {
            if left.len() + right.len() > LIST_MAX_ITEMS {
                return fault(span, "makes a list of more than 10000 items");
            }
            return made(left.iter().chain(right).cloned().collect::<Vec<Value>>());
        }
        _ => {}
    }
    let divides = matches!(kind, BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem);
    if divides && right.as_f64() == Some(0.0) {
        return fault(span, "divides by zero");
    }
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let whole = match kind {
            BinOpKind::Add => left.checked_add(right),
            BinOpKind::Sub => left.checked_sub(right),
            BinOpKind::Mul => left.checked_mul(right),
            // Rounded down, and the rest has the divisor's sign.
            BinOpKind::FloorDiv | BinOpKind::Rem => {
                let (whole, rest) = (left.checked_div(right), left.checked_rem(right));
                let off = rest.is_some_and(|rest| rest != 0 && (rest < 0) != (right < 0));
                match (kind, off) {
                    (BinOpKind::FloorDiv, false) => whole,
                    (BinOpKind::FloorDiv, true) => whole.and_then(|whole| whole.checked_sub(1)),
                    (_, false) => rest,
                    (_, true) => rest.and_then(|rest| rest.checked_add(right)),
                }
            }
            _ => None,
        };
        if let Some(whole) = whole {
            return made(whole);
        }
    }
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else {
        return fault(span, "cannot be done with these values");
    };
    let number = match kind {
        BinOpKind::Add => left + right,
        BinOpKind::Sub => left - right,
        BinOpKind::Mul => left * right,
        BinOpKind::Div => left / right,
        BinOpKind::FloorDiv => (left / right).floor(),
        BinOpKind::Rem => left - right * (left / right).floor(),
        _ => return fault(span, "is not known here"),
    };
    if number.is_finite() { made(number) } else { fault(span, "is no number") }
}

/// What is said of a text that is too long.
pub(super) const TOO_LONG: &str = "makes more than 64 kib of text";

fn compare(kind: CompareOpKind, left: &Value, right: &Value, span: Span) -> Result<bool, Fault> {
    let order = || match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
    };
    let ordered = |test: &dyn Fn(std::cmp::Ordering) -> bool| match order() {
        Some(order) => Ok(test(order)),
        None => fault(span, "compares what has no order"),
    };
    let within = || match right {
        Value::Array(items) => Ok(items.iter().any(|item| equal(item, left))),
        Value::Object(members) => Ok(members.contains_key(&*text_of(left))),
        Value::String(text) => Ok(left.as_str().is_some_and(|part| part.is_empty() || text::contains(text, part))),
        _ => fault(span, "looks into what is no list, object or text"),
    };
    match kind {
        CompareOpKind::Eq => Ok(equal(left, right)),
        CompareOpKind::Ne => Ok(!equal(left, right)),
        CompareOpKind::Lt => ordered(&|order| order.is_lt()),
        CompareOpKind::Lte => ordered(&|order| order.is_le()),
        CompareOpKind::Gt => ordered(&|order| order.is_gt()),
        CompareOpKind::Gte => ordered(&|order| order.is_ge()),
        CompareOpKind::In => within(),
        CompareOpKind::NotIn => within().map(|within| !within),
    }
}

/// Equality by value: `1` is `1.0`.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        // Ids can be larger than what a float tells apart.
        (Value::Number(_), Value::Number(_)) => match (whole(left), whole(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left.as_f64() == right.as_f64(),
        },
        _ => left == right,
    }
}

/// A whole number, whichever kind it is of.
fn whole(value: &Value) -> Option<i128> {
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from))
}
