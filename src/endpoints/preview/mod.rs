//! Previews: the exact bodies that would be sent, without the routing key, with their hashes. On request, the origin of
//! each field too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::http::{Request, form};
use crate::json;
use crate::pagerduty::event::{DedupKey, Event};
use crate::pagerduty::events_api::Draft;
use crate::report::Preview;

pub mod explain;

use self::explain::{Explanation, Origin, Wanted};

/// The parameter of the query that asks for an explanation: of all events, or of one if it has a number.
const EXPLAIN: &str = "explain";

/// What a request for a preview asks to explain, and the request without the parameter for that, so that no mapping reads
/// it.
pub fn wanted(request: &Request) -> (Option<Wanted>, Cow<'_, Request>) {
    let mut wanted = None;
    let mut others = Vec::new();
    for pair in request.query.split('&') {
        match form::pairs(pair).into_iter().next() {
            Some((name, value)) if name == EXPLAIN => {
                wanted = Some(value.parse().map_or(Wanted::All, Wanted::One));
            }
            _ => others.push(pair),
        }
    }
    let query = others.join("&");
    let request =
        if wanted.is_none() { Cow::Borrowed(request) } else { Cow::Owned(Request { query, ..request.clone() }) };
    (wanted, request)
}

/// Builds a preview of `events`, which `drafts` were made from, with their explanation if one was asked for. `copies` are
/// the drafts of copies with former keys: each is shown with the event that it repeats.
pub fn preview(
    drafts: Vec<Draft>,
    events: &[Event],
    copies: Vec<(Draft, Event)>,
    explanation: Option<Explanation>,
) -> Preview {
    let Explanation { events: origins, unused, unexplained, incomplete } = explanation.unwrap_or_default();
    let origins = origins.into_iter().chain(std::iter::repeat(None));
    let mut copies = by_key(copies);
    let events = drafts.into_iter().zip(events).zip(origins).map(|((draft, event), origins)| {
        let mut shown = shown(draft, event, origins);
        let former = event.dedup_key().and_then(DedupKey::former);
        if let Some(copy) = former.and_then(|key| copies.remove(&(key.as_str().to_owned(), event.action().as_str()))) {
            shown.insert("with_former_key".into(), copy);
        }
        Value::Object(shown)
    });
    Preview { events: events.collect(), unused, unexplained, incomplete }
}

/// The copies as they appear in the reply, by key and action.
fn by_key(copies: Vec<(Draft, Event)>) -> BTreeMap<(String, &'static str), Value> {
    let shown = |(draft, event): (Draft, Event)| {
        let key = event.dedup_key()?.as_str().to_owned();
        let mut shown = Map::new();
        shown.insert("dedup_key".into(), key.as_str().into());
        shown.extend(with_previous_key(&draft));
        shown.insert("sha256".into(), draft.sha256.into());
        Some(((key, event.action().as_str()), Value::Object(shown)))
    };
    copies.into_iter().filter_map(shown).collect()
}

/// The request for the same event with the previous routing key, if there is one.
fn with_previous_key(draft: &Draft) -> Option<(String, Value)> {
    let sha256 = draft.previous_sha256.as_deref()?;
    let previous = [&draft.variable, "_previous"].concat();
    let previous = json::object([("routing_key", previous.into()), ("sha256", sha256.into())]);
    Some(("with_previous_key".to_owned(), previous))
}

/// An event as it appears in the reply.
fn shown(draft: Draft, event: &Event, origins: Option<Vec<Origin>>) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("event_action".into(), event.action().as_str().into());
    members.insert("dedup_key".into(), event.dedup_key().map(|key| key.as_str()).into());
    members.extend(with_previous_key(&draft));
    members.insert("sha256".into(), draft.sha256.into());
    members.insert("url".into(), draft.url.into());
    members.insert("routing_key".into(), draft.variable.into());
    if let Some(why) = draft.not_sent {
        members.insert("not_sent".into(), why.into());
    }
    if let Some(origins) = origins {
        members.insert("explanation".into(), origins.iter().map(origin).collect());
    }
    let cuts = cuts(event, &draft.body);
    if !cuts.is_empty() {
        members.insert("cut".into(), cuts.into());
    }
    members.insert("body".into(), draft.body);
    members
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
