//! The lists of rules of a delivery, compiled together.

use super::list::List;
use super::rule::Rule;
use super::run::Run;
use super::{Ruled, Subject};
use crate::custom::texts::Texts;
use crate::mapping::MapError;
use crate::pagerduty::event::{DedupKey, Event};

/// The most services that the rules of a delivery name: an acknowledge or a resolve is sent to each of them.
pub const SERVICES_MAX: usize = 16;

/// The rules of a delivery, compiled.
pub struct Rules<'e> {
    pub(super) texts: Texts<'e>,
    pub(super) rules: Vec<Rule<'e>>,
    invalid: Vec<MapError>,
    /// The services that the rules name, each once.
    services: Vec<&'e str>,
    /// Whether an expression may read the payload or an item of it.
    pub(super) reads_payload: bool,
}

/// The dedup key that the rules give to an event.
#[derive(Clone, Debug)]
pub struct KeyOf {
    /// The event as it was mapped.
    pub event: Event,
    /// The key. `None` if no rule sets it.
    pub key: Option<DedupKey>,
    /// The rule that sets it, for people.
    pub rule: Option<String>,
}

impl<'e> Rules<'e> {
    /// Compiles lists of rules, in this order. An invalid rule is left out, and [`Rules::invalid`] has its error.
    pub fn compile(lists: &'e [List]) -> Rules<'e> {
        let mut texts = Texts::new();
        let (mut rules, mut invalid) = (Vec::new(), Vec::new());
        let mut services: Vec<&str> = Vec::new();
        for compiled in lists.iter().flat_map(|list| list.compile(&mut texts)) {
            match compiled {
                Ok(rule) => {
                    let mut named = services.clone();
                    for name in rule.service.iter().flat_map(|service| service.names()) {
                        if !named.contains(&name) {
                            named.push(name);
                        }
                    }
                    if named.len() > SERVICES_MAX {
                        let (number, variable) = (rule.number, rule.variable);
                        let problem =
                            format!("variable `{variable}`: rule {number} names the 17th service; 16 are allowed");
                        invalid.push(MapError::Template { problem });
                    } else {
                        services = named;
                        rules.push(rule);
                    }
                }
                Err(error) => invalid.push(error),
            }
        }
        let reads = |rule: &Rule<'_>| {
            rule.texts().iter().any(|text| text.source().contains("payload") || text.source().contains("item"))
        };
        let reads_payload = rules.iter().any(reads);
        Rules { texts, rules, invalid, services, reads_payload }
    }

    /// The errors of the rules that are invalid.
    pub fn invalid(&self) -> &[MapError] {
        &self.invalid
    }

    /// The services that the rules name, each once.
    pub fn services(&self) -> &[&'e str] {
        &self.services
    }

    /// The number of valid rules.
    pub fn count(&self) -> usize {
        self.rules.len()
    }

    /// How many steps all expressions took.
    pub fn steps(&self) -> u64 {
        self.texts.steps()
    }

    /// Whether a rule sets the dedup key.
    pub fn have_keys(&self) -> bool {
        self.rules.iter().any(|rule| rule.dedup_key.is_some())
    }

    /// The dedup keys that the rules give to the events of a delivery, one by one.
    pub fn keys(&self, subject: &Subject<'_>, events: &[Event]) -> Vec<KeyOf> {
        let mut run = Run::new(self, subject, events.len());
        events.iter().map(|event| run.key_of(event)).collect()
    }

    /// Changes the events of a delivery. It is a pure function of its arguments.
    pub fn apply(&self, subject: &Subject<'_>, events: Vec<Event>) -> Ruled<'e> {
        Run::new(self, subject, events.len()).run(events)
    }
}
