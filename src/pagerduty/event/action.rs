//! The action of an event.

/// The effect of an event on the alert with its dedup key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Somebody is working on the alert. PagerDuty stops notifying.
    Acknowledge,
    /// No effect on an alert. Something was changed, for example deployed, and a person who investigates an alert later
    /// may want to know.
    Change,
    /// The problem is over. PagerDuty ignores the event if no alert is open.
    Resolve,
    /// Opens an alert, or adds to the open one.
    Trigger,
}

impl Action {
    /// The value of `event_action`, or `change`. Change events have a URL of their own.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Acknowledge => "acknowledge",
            Action::Change => "change",
            Action::Resolve => "resolve",
            Action::Trigger => "trigger",
        }
    }

    /// Whether the action needs an alert that is already open.
    pub fn closes(self) -> bool {
        matches!(self, Action::Acknowledge | Action::Resolve)
    }
}
