//! What a rule changes about an event.

use serde_json::Value;

use crate::pagerduty::event::{Action, Event, Severity};
use crate::text;

/// The values that a rule sets. What it does not set is absent.
#[derive(Default)]
pub(super) struct Change<'e> {
    pub(super) service: Option<&'e str>,
    pub(super) severity: Option<Severity>,
    pub(super) summary: Option<String>,
    pub(super) class: Option<String>,
    pub(super) details: Vec<(&'e str, Value)>,
}

impl Change<'_> {
    /// Whether the event stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.severity.is_none() && self.summary.is_none() && self.class.is_none() && self.details.is_empty()
    }

    /// Changes an event. Returns it with the paths of what is different now. An event without a payload has nothing to
    /// change: PagerDuty rejects an incomplete payload.
    pub(super) fn apply(self, mut event: Event) -> (Event, Vec<String>) {
        let mut changed = Vec::new();
        if event.is_bare() {
            return (event, changed);
        }
        let is_change = event.action() == Action::Change;
        if let Some(severity) = self.severity.filter(|severity| *severity != event.severity() && !is_change) {
            event.set_severity(severity);
            changed.push("payload.severity".to_owned());
        }
        if let Some(summary) = self.summary.map(|summary| text::one_line(&summary))
            && summary != event.summary()
        {
            event.set_summary(&summary);
            changed.push("payload.summary".to_owned());
        }
        if let Some(class) = self.class.filter(|class| event.text("class") != Some(class)) {
            event = event.class(Some(class));
            let path = if is_change { "payload.custom_details.class" } else { "payload.class" };
            changed.push(path.to_owned());
        }
        // An outline has no room for details.
        let has_room = !event.is_outline();
        for (name, value) in self.details.into_iter().filter(|_| has_room) {
            event = event.detail(name, value);
            changed.push(["payload.custom_details.", name].concat());
        }
        (event, changed)
    }
}
