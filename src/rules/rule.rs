//! One rule.

use crate::custom::texts::{Part, Text};
use crate::pagerduty::event::Severity;

/// A rule with its texts compiled.
pub(super) struct Rule<'e> {
    /// The variable that it is in, and its number there, from 1.
    pub(super) variable: &'e str,
    pub(super) number: usize,
    /// `if`. Without it, the rule matches every event.
    pub(super) when: Option<Text<'e>>,
    pub(super) service: Option<Service<'e>>,
    pub(super) severity: Option<Set<'e, Severity>>,
    pub(super) summary: Option<Part<'e>>,
    pub(super) dedup_key: Option<Text<'e>>,
    pub(super) class: Option<Part<'e>>,
    pub(super) details: Vec<(&'e str, Part<'e>)>,
    /// Why the rule drops events, if it does.
    pub(super) drop: Option<&'e str>,
    pub(super) stop: bool,
}

/// What a rule sets a member to.
pub(super) enum Set<'e, T> {
    Literal(T),
    /// The value of an expression is looked up in a table. A value that is not in it changes nothing.
    Table(Text<'e>, Vec<(&'e str, T)>),
    Text(Text<'e>),
}

/// The service that a rule chooses. An expression only chooses among services that the rule names, so that the rules know
/// every service that may have an alert.
pub(super) enum Service<'e> {
    Literal(&'e str),
    Table(Text<'e>, Vec<(&'e str, &'e str)>),
}

impl<'e> Service<'e> {
    /// The services that it can choose.
    pub(super) fn names(&self) -> Vec<&'e str> {
        match self {
            Service::Literal(name) => vec![name],
            Service::Table(_, map) => map.iter().map(|(_, name)| *name).collect(),
        }
    }
}

impl<'e> Rule<'e> {
    /// Every expression of the rule.
    pub(super) fn texts(&self) -> Vec<&Text<'e>> {
        let mut texts: Vec<&Text<'e>> = self.when.iter().chain(&self.dedup_key).collect();
        if let Some(Service::Table(by, _)) = &self.service {
            texts.push(by);
        }
        if let Some(Set::Table(text, _) | Set::Text(text)) = &self.severity {
            texts.push(text);
        }
        for part in self.summary.iter().chain(&self.class).chain(self.details.iter().map(|(_, part)| part)) {
            part.texts(&mut texts);
        }
        texts
    }
}
