//! The decision about the dedup key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::KeyOf;
use super::names::Names;
use super::run::{At, Run, failure};
use crate::custom::evaluate::Evaluator;
use crate::json::Node;
use crate::mapping::{MapError, unexpanded};
use crate::pagerduty::event::{DedupKey, Event};

/// How many steps the expressions that decide a dedup key may take for an event, for each rule. It does not depend on the
/// delivery: the key of a trigger would otherwise differ from that of its recovery if one of the two arrives with many others.
pub const KEY_STEPS: u64 = 512;

/// How many bytes the expressions for one dedup key may make, for the same reason.
const KEY_MADE_MAX_BYTES: usize = 256 * 1024;

/// The part of a dedup key between the source and what the rule computed. No source and no template begins a key like this.
const KEY: &str = "rule:";

impl<'r, 'e> Run<'r, 'e> {
    /// The key that the rules give to an event.
    pub(super) fn key_of(&mut self, event: &Event) -> KeyOf {
        let item = self.item(event);
        let at = At { event: Arc::new(event.clone()), item };
        let Keyed { key, by, .. } = self.key(&at);
        let rule = by.and_then(|index| self.rules.rules.get(index));
        let rule = rule.map(|rule| format!("rule {} of variable `{}`", rule.number, rule.variable));
        KeyOf { event: event.clone(), key, rule }
    }

    /// The dedup key. It is decided before everything else and from the event as it was mapped, without what a trigger and
    /// its recovery do not share, so that both get the same key whatever the other rules do.
    pub(super) fn key(&mut self, at: &At) -> Keyed {
        self.grant(KEY_STEPS, KEY_MADE_MAX_BYTES);
        let mut keyed = Keyed::default();
        let rules = self.rules;
        let Some(last) = rules.rules.iter().rposition(|rule| rule.dedup_key.is_some()) else { return keyed };
        let Some(mapped) = at.event.dedup_key().filter(|_| !self.is_own(&at.event)) else { return keyed };
        let names = Names::of(&self.shared, &at.event, &at.item, true);
        for (index, rule) in rules.rules.iter().enumerate().take(last + 1) {
            let Some(text) = &rule.dedup_key else {
                // A rule whose `if` needs what is not shared does not keep a later one from making the key.
                let stops = |engine: &mut Evaluator<'r, 'e>, when| {
                    engine.evaluate(when, &names).is_ok_and(|value| value.is_true())
                };
                if rule.stop && rule.when.as_ref().is_none_or(|when| stops(&mut self.engine, when)) {
                    break;
                }
                continue;
            };
            let matches = match &rule.when {
                None => Ok(true),
                Some(when) => self.engine.evaluate(when, &names).map(|value| value.is_true()),
            };
            let made = match matches {
                Ok(true) => self.engine.json(text, &names).and_then(|value| key(self.subject.slug, &value)),
                Ok(false) => {
                    keyed.matches.insert(index, false);
                    continue;
                }
                Err(error) => Err(error),
            };
            match made {
                Ok(key) => {
                    keyed.matches.insert(index, true);
                    keyed.by = Some(index);
                    keyed.key = Some(key.instead_of(mapped));
                    if rule.stop {
                        break;
                    }
                }
                Err(error) => self.failed(index, error),
            }
        }
        keyed
    }
}

/// The decision about an event's dedup key.
#[derive(Default)]
pub(super) struct Keyed {
    pub(super) key: Option<DedupKey>,
    /// Which rule made it.
    pub(super) by: Option<usize>,
    /// Which of the rules that could have made it match. A rule that failed is absent.
    pub(super) matches: BTreeMap<usize, bool>,
}

fn key(slug: &str, value: &serde_json::Value) -> Result<DedupKey, MapError> {
    let words = Node::root(value).text().filter(|words| !unexpanded::is_unexpanded_variable(words));
    let key = words.and_then(|words| DedupKey::whole(slug, &[KEY, &words].concat()));
    key.ok_or_else(|| failure("`dedup_key` is blank, or is a list, an object or a variable without a value"))
}
