//! What would be sent, for whoever asks before it is.

use serde_json::Value;

use super::Destination;
use crate::pagerduty::event::{Action, Event};
use crate::secret::Secret;
use crate::text;

/// What would be sent for one event, without its routing key.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The body, with the name of the variable where the routing key goes.
    pub body: Value,
    /// The SHA-256 of the body with the routing key, in hex: that of the first request for the event.
    pub sha256: String,
    /// The same with the routing key before the one in use, where the event goes out with that too.
    pub previous_sha256: Option<String>,
    /// The variable that holds the routing key.
    pub variable: String,
    /// Where it would go.
    pub url: String,
    /// Why it would not be sent, where it would not.
    pub not_sent: Option<&'static str>,
}

/// What [`super::deliver`] would send, and nothing is sent. `variable` holds the routing key.
pub fn draft(events: &[Event], destination: Destination<'_>, variable: &str) -> Vec<Draft> {
    let draft = |event: &Event| {
        let mut body = event.to_json();
        if let Some(members) = body.as_object_mut() {
            members.insert("routing_key".into(), ["[variable ", variable, "]"].concat().into());
        }
        let hash = |key: &Secret| text::sha256_hex(&event.encode(key.expose()));
        let change = event.action() == Action::Change;
        let url = if change { destination.changes } else { destination.alerts };
        let previous = destination.keys.previous.as_ref().filter(|_| event.action().closes());
        let refused = change && takes_no_changes(&destination.keys.current);
        Draft {
            body,
            sha256: hash(&destination.keys.current),
            previous_sha256: previous.map(hash),
            variable: variable.to_owned(),
            url: url.to_string(),
            not_sent: refused.then_some(NO_CHANGES),
        }
    };
    events.iter().map(draft).collect()
}

/// Whether a routing key is an orchestration's. <https://developer.pagerduty.com/docs/events-api-v2-overview>
pub fn takes_no_changes(key: &Secret) -> bool {
    key.expose().starts_with('R')
}

pub(super) const NO_CHANGES: &str = "a key that begins with R belongs to an event orchestration, which does not accept change events; use a service's integration key";
