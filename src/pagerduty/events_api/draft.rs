//! Drafts of requests, for previews.

use serde_json::Value;

use super::Destination;
use crate::pagerduty::event::{Action, Event};
use crate::secret::Secret;
use crate::text;

/// The request that one event would make, without its routing key.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The body, with the name of the variable in place of the routing key.
    pub body: Value,
    /// The SHA-256 of the body with the routing key, in hex. It is that of the first request for the event.
    pub sha256: String,
    /// The same for the previous routing key, if the event would be sent with that key too.
    pub previous_sha256: Option<String>,
    /// The variable that contains the routing key.
    pub variable: String,
    /// The URL.
    pub url: String,
    /// Why the event would not be sent, if it would not.
    pub not_sent: Option<&'static str>,
}

/// Drafts the requests that [`super::deliver`] would make, without sending them. `variable` contains the routing key.
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

/// Whether a routing key belongs to an event orchestration, which accepts no change events.
/// <https://developer.pagerduty.com/docs/events-api-v2-overview>
pub fn takes_no_changes(key: &Secret) -> bool {
    key.expose().starts_with('R')
}

pub(super) const NO_CHANGES: &str = "a key that begins with R belongs to an event orchestration, which does not accept change events; use a service's integration key";
