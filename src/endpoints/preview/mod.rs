//! Previews: the exact bodies that would be sent, without the routing key, with their hashes and the origin of each
//! field.

use serde_json::{Map, Value};

use crate::json;
use crate::pagerduty::event::Event;
use crate::pagerduty::events_api::Draft;
use crate::report::Preview;

pub mod explain;

use self::explain::{Explanation, Origin};

/// The most events whose fields are explained.
pub const EXPLAINED_MAX: usize = 100;

/// Builds a preview. `mapped` are the mapping's own events, which `explanation` explains. Planning for a storm reorders
/// them and adds digests.
pub fn preview(drafts: Vec<Draft>, planned: &[Event], mapped: &[Event], explanation: Explanation) -> Preview {
    let events = events(drafts, planned, mapped, &explanation);
    Preview { events, unused: explanation.unused, incomplete: explanation.incomplete }
}

/// The events as they appear in the reply.
fn events(drafts: Vec<Draft>, planned: &[Event], mapped: &[Event], explanation: &Explanation) -> Vec<Value> {
    let one = |(draft, event): (Draft, &Event)| {
        let mut members = Map::new();
        members.insert("event_action".into(), event.action().as_str().into());
        members.insert("dedup_key".into(), event.dedup_key().map(|key| key.as_str()).into());
        members.insert("sha256".into(), draft.sha256.as_str().into());
        members.insert("url".into(), draft.url.as_str().into());
        members.insert("routing_key".into(), draft.variable.as_str().into());
        if let Some(why) = draft.not_sent {
            members.insert("not_sent".into(), why.into());
        }
        if let Some(sha256) = &draft.previous_sha256 {
            let previous = [&draft.variable, "_previous"].concat();
            let previous = json::object([("routing_key", previous.into()), ("sha256", sha256.as_str().into())]);
            members.insert("with_previous_key".into(), previous);
        }
        let index = mapped.iter().take(EXPLAINED_MAX).position(|known| event.repeats(known));
        if let Some(origins) = index.and_then(|index| explanation.events.get(index)) {
            members.insert("explanation".into(), origins.iter().map(origin).collect());
        }
        let cuts = cuts(event, &draft.body);
        if !cuts.is_empty() {
            members.insert("cut".into(), cuts.into());
        }
        members.insert("body".into(), draft.body);
        Value::Object(members)
    };
    drafts.into_iter().zip(planned).map(one).collect()
}

fn origin(origin: &Origin) -> Value {
    let from: Vec<Value> = origin.from.iter().map(|path| path.as_str().into()).collect();
    let mut members = Map::new();
    members.insert("field".into(), origin.field.as_str().into());
    members.insert("how".into(), origin.how.as_str().into());
    members.insert("from".into(), from.into());
    if let Some(row) = &origin.row {
        members.insert("row".into(), row.as_str().into());
    }
    Value::Object(members)
}

/// Notes on the truncated and omitted parts of an event.
fn cuts(event: &Event, body: &Value) -> Vec<Value> {
    let mut cuts: Vec<Value> = event.cuts().iter().map(|cut| Value::from(*cut)).collect();
    match event.dedup_key() {
        Some(key) if key.is_shortened() => {
            cuts.push("dedup_key: truncated to 255 bytes; it ends with the SHA-256 of the full key".into());
        }
        Some(key) if key.is_hashed() => {
            cuts.push(
                "dedup_key: it ends with the SHA-256 of the full key, because it contains control characters or looks \
                 like a key of the relay"
                    .into(),
            );
        }
        _ => {}
    }
    let shortened = json::Node::root(body).at("payload.custom_details.shortened_to_fit");
    for name in shortened.items().into_iter().flatten() {
        let name = json::Node::root(name).text().unwrap_or_default();
        cuts.push(["payload.custom_details.", &name, ": truncated to fit 512 KB"].concat().into());
    }
    cuts
}
