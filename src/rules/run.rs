//! The rules at work: one event after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;

use super::change::Change;
use super::names::{Names, Shared};
use super::rule::{Rule, Service, Set};
use super::{Match, Ruled, RuledEvent, Rules, Subject, shared_keys};
use crate::custom::evaluate::{Allowance, Evaluator};
use crate::custom::mapping::headers;
use crate::custom::texts::{Part, Text};
use crate::json::Node;
use crate::mapping::{self, Ignored, MapError};
use crate::pagerduty::event::{Action, Event, Severity};
use crate::text;

/// How many steps the rules may take for an event, for each rule: so many, and a share of what a delivery has. A small
/// delivery has steps for long expressions, and what all events of a large one take is in proportion to their number.
const STEPS_PER_EVENT: u64 = 256;
const STEPS_PER_DELIVERY: u64 = 20_000;

/// How much the rules add to all events of a delivery, in bytes.
pub(super) const MADE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// The path of the key among what a rule changed.
pub(super) const DEDUP_KEY: &str = "dedup_key";

/// One delivery's events at work.
pub(super) struct Run<'r, 'e> {
    pub(super) rules: &'r Rules<'e>,
    pub(super) engine: Evaluator<'r, 'e>,
    pub(super) shared: Arc<Shared>,
    pub(super) subject: &'r Subject<'r>,
    steps: u64,
    room: usize,
    /// What went wrong first with each rule, and for how many events.
    failures: BTreeMap<usize, (MapError, usize)>,
    dropped: Vec<Ignored>,
}

/// What the expressions of one event see.
pub(super) struct At {
    pub(super) event: Arc<Event>,
    pub(super) item: Value,
}

impl<'r, 'e> Run<'r, 'e> {
    pub(super) fn new(rules: &'r Rules<'e>, subject: &'r Subject<'r>, events: usize) -> Self {
        let texts = &rules.texts;
        // Nothing else needs it a second time.
        let payload = if rules.reads_payload { mapping::payload(subject.delivery).ok() } else { None };
        let message = payload.as_ref().and_then(mapping::message_of);
        let shared = Shared {
            message: message.map(|message| texts.value(message)),
            payload: payload.map_or(Value::UNDEFINED, |payload| texts.value(payload)),
            headers: texts.value(headers(subject.delivery)),
            source: Value::from(subject.slug),
            service: subject.service.map_or(Value::from(()), Value::from),
            values: texts.values(),
        };
        let count = u64::try_from(events.max(1)).unwrap_or(u64::MAX);
        Run {
            rules,
            engine: texts.evaluator(Allowance { steps: 0, text_steps: 0, room: 0 }),
            shared: Arc::new(shared),
            subject,
            steps: STEPS_PER_EVENT + STEPS_PER_DELIVERY / count,
            room: MADE_MAX_BYTES,
            failures: BTreeMap::new(),
            dropped: Vec::new(),
        }
    }

    pub(super) fn run(mut self, events: Vec<Event>) -> Ruled<'e> {
        let mut ruled = Vec::new();
        for (index, event) in events.into_iter().enumerate() {
            if self.is_own(&event) {
                let mapped_key = event.dedup_key().cloned();
                ruled.push(RuledEvent { event, index, mapped_key, service: None, matched: Vec::new() });
            } else {
                ruled.extend(self.event(index, event));
            }
        }
        shared_keys::settle(&mut ruled);
        let rules = &self.rules.rules;
        let warning = |(index, (error, count)): (usize, (MapError, usize))| {
            let rule: &Rule<'_> = rules.get(index)?;
            let events = text::count(count, "event");
            Some(format!("rule {} of variable `{}` was skipped for {events}: {error}", rule.number, rule.variable))
        };
        let warnings = self.failures.into_iter().filter_map(warning).collect();
        Ruled { events: ruled, dropped: self.dropped, warnings }
    }

    /// Whether the relay itself makes the alert: the resolve of a digest, or a report about the sender's payload.
    pub(super) fn is_own(&self, event: &Event) -> bool {
        event.dedup_key().is_some_and(|key| Some(key) == self.subject.group || key.is_own())
    }

    pub(super) fn item(&self, event: &Event) -> Value {
        if self.rules.reads_payload { self.shared.item(event) } else { Value::UNDEFINED }
    }

    /// Gives the engine what the rules may take for one event.
    pub(super) fn grant(&mut self, per_rule: u64, room: usize) {
        let rules = u64::try_from(self.rules.rules.len()).unwrap_or(u64::MAX);
        let steps = per_rule.saturating_mul(rules);
        self.engine.left = Allowance { steps, text_steps: steps, room };
    }

    pub(super) fn failed(&mut self, index: usize, error: MapError) {
        self.failures.entry(index).or_insert((error, 0)).1 += 1;
    }

    /// One event. Returns `None` if a rule drops it.
    fn event(&mut self, index: usize, event: Event) -> Option<RuledEvent<'e>> {
        let item = self.item(&event);
        let mut at = At { event: Arc::new(event), item };
        let keyed = self.key(&at);
        self.grant(self.steps, self.room);
        let rules = self.rules;
        let mut matched = Vec::new();
        let mut service = None;
        let mut names = Names::of(&self.shared, &at.event, &at.item, false);
        for (at_rule, rule) in rules.rules.iter().enumerate() {
            let matches = match (&rule.dedup_key, keyed.matches.get(&at_rule)) {
                (Some(_), Some(matches)) => *matches,
                // Its failure is known.
                (Some(_), None) if at.event.dedup_key().is_some() => false,
                _ => self.matches(at_rule, rule.when.as_ref(), &names),
            };
            if !matches {
                continue;
            }
            let opens = matches!(at.event.action(), Action::Change | Action::Trigger);
            if let Some(reason) = rule.drop.filter(|_| opens) {
                self.drop(&at.event, reason);
                return None;
            }
            let change = self.change(rule, &names, &at.event);
            self.room = self.engine.left.room;
            match change {
                Ok(change) => {
                    let chosen = change.service.filter(|_| opens);
                    let mut changed = Vec::new();
                    if !change.is_empty() {
                        // The names hold the event, and it is not copied.
                        drop(names);
                        let (event, paths) = change.apply(Arc::unwrap_or_clone(at.event));
                        (at.event, changed) = (Arc::new(event), paths);
                        names = Names::of(&self.shared, &at.event, &at.item, false);
                    }
                    if let Some(chosen) = chosen {
                        service = Some(chosen);
                        changed.push("service".to_owned());
                    }
                    if keyed.by == Some(at_rule) {
                        changed.push(DEDUP_KEY.to_owned());
                    }
                    matched.push(Match { variable: rule.variable, number: rule.number, changed });
                }
                Err(error) => {
                    self.failed(at_rule, error);
                    continue;
                }
            }
            if rule.stop {
                break;
            }
        }
        // The rule that makes the key may have failed otherwise, or a `stop` that does not count for the key may come before it.
        let by = keyed.by.and_then(|index| rules.rules.get(index));
        let is_by = |matched: &Match<&str>| matched.changed.iter().any(|path| path == DEDUP_KEY);
        if let Some(rule) = by.filter(|_| !matched.iter().any(is_by)) {
            matched.push(Match { variable: rule.variable, number: rule.number, changed: vec![DEDUP_KEY.to_owned()] });
        }
        drop(names);
        let mut event = Arc::unwrap_or_clone(at.event);
        let mapped_key = event.dedup_key().cloned();
        if let Some(key) = keyed.key {
            event.set_dedup_key(key);
        }
        Some(RuledEvent { event, index, mapped_key, service, matched })
    }

    fn drop(&mut self, event: &Event, reason: &'e str) {
        let item = match event.item() {
            Some((list, index)) => format!("{list}[{index}]"),
            None => String::new(),
        };
        self.dropped.push(Ignored { item, reason: reason.to_owned().into() });
    }

    fn matches(&mut self, index: usize, when: Option<&'r Text<'e>>, names: &Value) -> bool {
        let Some(when) = when else { return true };
        match self.engine.evaluate(when, names) {
            Ok(value) => value.is_true(),
            Err(error) => {
                self.failed(index, error);
                false
            }
        }
    }

    /// What a rule changes, but the key.
    fn change(&mut self, rule: &'r Rule<'e>, names: &Value, event: &Event) -> Result<Change<'e>, MapError> {
        let mut change = Change::default();
        match &rule.service {
            // These go to every service.
            _ if event.action().closes() => {}
            None => {}
            Some(Service::Literal(name)) => change.service = Some(name),
            Some(Service::Table(by, map)) => change.service = self.look_up(by, map, names)?,
        }
        // It has nothing to change, so a rule that reads its payload does not fail.
        if event.is_bare() {
            return Ok(change);
        }
        match &rule.severity {
            None => {}
            Some(Set::Literal(severity)) => change.severity = Some(*severity),
            Some(Set::Table(by, map)) => change.severity = self.look_up(by, map, names)?,
            Some(Set::Text(text)) => {
                let word = self.engine.evaluate(text, names)?;
                let severity = word.as_str().and_then(Severity::from_word);
                change.severity = Some(severity.ok_or_else(|| self.engine.fail(text, "is not a known severity"))?);
            }
        }
        change.summary = self.words("summary", rule.summary.as_ref(), names)?;
        change.class = self.words("class", rule.class.as_ref(), names)?;
        for (name, part) in &rule.details {
            if let Some(value) = self.engine.part(part, names)? {
                change.details.push((*name, value));
            }
        }
        if self.engine.left.room == 0 {
            return Err(failure("the rules add more than 4 mib to the events of one delivery"));
        }
        Ok(change)
    }

    /// The value that a table has for an expression.
    fn look_up<T: Copy>(
        &mut self,
        by: &'r Text<'e>,
        map: &[(&'e str, T)],
        names: &Value,
    ) -> Result<Option<T>, MapError> {
        let value = self.engine.json(by, names)?;
        let value = Node::root(&value).text().unwrap_or_default();
        Ok(map.iter().find(|(known, _)| *known == value).map(|(_, chosen)| *chosen))
    }

    fn words(&mut self, member: &str, part: Option<&'r Part<'e>>, names: &Value) -> Result<Option<String>, MapError> {
        let Some(part) = part else { return Ok(None) };
        let value = self.engine.part(part, names)?.unwrap_or_default();
        // PagerDuty rejects an event whose summary shows nothing.
        let words = Node::root(&value).text().filter(|words| !text::one_line(words).is_empty());
        let problem = || failure(&["`", member, "` is blank, or is a list or an object"].concat());
        words.map(Some).ok_or_else(problem)
    }
}

pub(super) fn failure(problem: &str) -> MapError {
    MapError::Template { problem: problem.to_owned() }
}
