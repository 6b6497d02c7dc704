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
use crate::rules::{Match, Trace, Traces};
use crate::text;

pub mod explain;
#[cfg(feature = "templates")]
mod unshared;

use self::explain::{Explanation, How, Origin, Wanted};
#[cfg(feature = "templates")]
pub use self::unshared::unshared;

/// The parameter of the query that asks for an explanation: of all events, or of one if it has a number.
const EXPLAIN: &str = "explain";

/// The header with rules that are not deployed yet, as base64 of their JSON, in either alphabet.
pub const RULES: &str = "pagerelay-rules";

/// What a request for a preview asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The events to explain.
    pub explain: Option<Wanted>,
    /// A list of rules to use instead of those of the variables. It is empty if it is not text in base64.
    pub rules: Option<String>,
}

/// What a request for a preview asks for, and the request without the parameter and the header for that, so that no
/// mapping reads them.
pub fn asked(request: &Request) -> (Asked, Cow<'_, Request>) {
    let (explain, mut request) = wanted(request);
    let rules = request.headers.has(RULES).then(|| {
        let text = request.headers.once(RULES).and_then(|value| str::from_utf8(value).ok());
        text.and_then(text::from_base64).unwrap_or_default()
    });
    if rules.is_some() {
        request.to_mut().headers = request.headers.without(&[RULES.to_owned()]);
    }
    (Asked { explain, rules }, request)
}

fn wanted(request: &Request) -> (Option<Wanted>, Cow<'_, Request>) {
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

/// The events to explain: of all destinations and without copies, and each as it was before rules changed it. `unruled` are
/// the mapped events.
pub fn alone(batches: &[Vec<Event>], traces: &Traces, unruled: &[Event]) -> Vec<Event> {
    let before = |event: &Event| {
        let trace = traces.get(event).filter(|trace| !trace.matched.is_empty());
        trace.and_then(|trace| unruled.get(trace.index)).unwrap_or(event).clone()
    };
    batches.iter().flatten().filter(|event| !event.is_copy()).map(before).collect()
}

/// Builds a preview of events with their drafts, and with their explanation if one was asked for. A copy of an event is
/// shown with the event that it repeats. `traces` tell what rules did.
pub fn preview(drafts: Vec<(Draft, &Event)>, traces: &Traces, explanation: Option<Explanation>) -> Preview {
    let Explanation { events: origins, unused, unexplained, incomplete } = explanation.unwrap_or_default();
    let origins = origins.into_iter().chain(std::iter::repeat(None));
    let (copies, drafts): (Vec<_>, Vec<_>) = drafts.into_iter().partition(|(_, event)| event.is_copy());
    let mut copies = by_key(copies);
    let shown = drafts.into_iter().zip(origins).map(|((draft, event), origins)| {
        let variable = draft.variable.clone();
        let trace = traces.get(event);
        let mut shown = shown(draft, event, origins.map(|origins| ruled(origins, trace)));
        if let Some(trace) = trace.filter(|trace| !trace.matched.is_empty()) {
            shown.insert("rules".into(), trace.matched.iter().map(matched).collect());
        }
        let former = event.dedup_key().and_then(DedupKey::former);
        let keys = event.dedup_key().into_iter().chain(&former).chain(trace.iter().flat_map(|trace| &trace.former));
        let others: Vec<CopyOf<'_>> = keys.filter_map(|key| copies.remove(&name(key, event))).flatten().collect();
        let is_former = |(draft, copy): &CopyOf<'_>| copy.dedup_key() == former.as_ref() && draft.variable == variable;
        let (same, others): (Vec<_>, Vec<_>) = others.into_iter().partition(is_former);
        shown.extend(same.into_iter().map(|copy| ("with_former_key".to_owned(), Value::Object(of_copy(copy)))));
        if !others.is_empty() {
            shown.insert("copies".into(), others.into_iter().map(elsewhere).collect());
        }
        Value::Object(shown)
    });
    let mut events: Vec<Value> = shown.collect();
    // Those whose event is not sent by itself.
    let rest = copies.into_values().flatten().map(|(draft, event)| Value::Object(self::shown(draft, event, None)));
    events.extend(rest);
    Preview { events, unused, unexplained, incomplete }
}

/// The origins of an event's fields, with the rules that set them.
fn ruled(origins: Vec<Origin>, trace: Option<&Trace>) -> Vec<Origin> {
    let mut origins = origins;
    for matched in trace.into_iter().flat_map(|trace| &trace.matched) {
        for field in &matched.changed {
            let row = format!("rule {} of variable `{}`", matched.number, matched.variable);
            origins.retain(|origin| origin.field != *field);
            origins.push(Origin { field: field.clone(), how: How::Rule, from: Vec::new(), row: Some(row) });
        }
    }
    origins
}

/// A rule that matched, for the reply.
fn matched(matched: &Match<String>) -> Value {
    let changed = matched.changed.iter().map(|path| Value::from(path.as_str())).collect();
    let variable = matched.variable.as_str().into();
    json::object([("variable", variable), ("rule", matched.number.into()), ("changed", changed)])
}

/// A copy of an event, with its draft.
type CopyOf<'a> = (Draft, &'a Event);

/// A copy for the reply.
fn of_copy((draft, event): CopyOf<'_>) -> Map<String, Value> {
    let mut shown = Map::new();
    shown.insert("dedup_key".into(), event.dedup_key().map(|key| key.as_str()).into());
    shown.extend(with_previous_key(&draft));
    shown.insert("sha256".into(), draft.sha256.into());
    shown
}

/// A copy for another service, or with a key from before a rule, for the reply.
fn elsewhere(copy: CopyOf<'_>) -> Value {
    let variable = copy.0.variable.as_str().into();
    let mut shown = of_copy(copy);
    shown.insert("routing_key".into(), variable);
    Value::Object(shown)
}

fn name(key: &DedupKey, event: &Event) -> (String, &'static str) {
    (key.as_str().to_owned(), event.action().as_str())
}

/// The copies by key and action.
fn by_key(copies: Vec<CopyOf<'_>>) -> BTreeMap<(String, &'static str), Vec<CopyOf<'_>>> {
    let mut found: BTreeMap<_, Vec<CopyOf<'_>>> = BTreeMap::new();
    for (draft, event) in copies {
        if let Some(key) = event.dedup_key() {
            found.entry(name(key, event)).or_default().push((draft, event));
        }
    }
    found
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
