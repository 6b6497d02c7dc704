//! The answers in Opsgenie's own forms.
//!
//! A client decides by the status and by `requestId`, `result` and `took`, and every answer is JSON. The relay answers
//! `202` only after PagerDuty has accepted the event, so a later question about the request has a true answer: it
//! succeeded. The relay keeps no alerts: an alert that a client asks for is always open, and lists are empty.
//!
//! An answer to a call about an alert has the id of the alert as `requestId`, because some clients use one as the other.
//! The id of a failed request is `0` and twelve hex digits, and a question about it gets `404`.

use std::time::Duration;

use serde_json::{Map, Value};

use super::call::{Call, What};
use super::name::{self, Name};
use super::{ALERTS, HEARTBEATS, INTEGRATIONS, TINY, V1_ALERT};
use crate::http::StatusCode;
use crate::http::api::{Answer, Told};
use crate::json;
use crate::text::sha256_hex;

/// Writes the answer to a request.
pub fn answer(told: &Told<'_>) -> Answer {
    if told.status == StatusCode::NOT_FOUND && told.path.starts_with(HEARTBEATS) {
        let why = ["pagerelay watches only heartbeats whose variable is set: ", told.message].concat();
        return failed(told, StatusCode::GONE, &why);
    }
    if told.status >= StatusCode::BAD_REQUEST {
        return failed(told, told.status, &message(told));
    }
    if let Some(rest) = told.path.strip_prefix(HEARTBEATS) {
        if super::pinged(rest).is_some() {
            let members = Map::from_iter([("result".to_owned(), "PONG - Heartbeat received".into())]);
            return finished(told, StatusCode::ACCEPTED, members, &name::id_of_nothing());
        }
        let why = "pagerelay has no list of heartbeats: set variable `heartbeat_<name>` to the period of each one";
        return failed(told, StatusCode::GONE, why);
    }
    let Some(rest) = told.path.strip_prefix(ALERTS) else { return done(told, by_key(told), true) };
    let Some(call) = Call::parse(told.method, rest) else {
        return failed(told, StatusCode::NOT_FOUND, "the Alert API has no such call");
    };
    let named = Name::given(&call.identifier);
    let is_absent = named.is_none() && !call.identifier.is_empty() && call.what != What::Status;
    if is_absent || told.warnings.iter().any(|warning| warning == TINY) {
        return failed(told, StatusCode::NOT_FOUND, "no alert has this identifier");
    }
    match call.what {
        What::Create => done(told, by_key(told), false),
        What::Event(_) | What::Inert(_) => done(told, named, false),
        What::Count => shown(told, json::object([("count", 0.into())])),
        What::List | What::Parts => shown(told, Value::Array(Vec::new())),
        What::Show => shown(told, alert(named.as_ref())),
        What::Status => processed(told, &call.identifier),
    }
}

/// The alert of the only event, if its key has an id: those of the relay's own alerts have none.
fn by_key(told: &Told<'_>) -> Option<Name> {
    let key = told.dedup_key?;
    Name::given(key).filter(|name| name.key().as_str() == key)
}

/// The message of an error.
fn message(told: &Told<'_>) -> String {
    let integration = told.path.strip_prefix(INTEGRATIONS).filter(|_| told.status == StatusCode::NOT_FOUND);
    match integration {
        Some(_) => {
            "pagerelay does not know this integration: map its payload with a template, at /custom/<name>".to_owned()
        }
        None => told.message.to_owned(),
    }
}

/// A change that PagerDuty has accepted, or that needs no event.
fn done(told: &Told<'_>, named: Option<Name>, is_v1: bool) -> Answer {
    let id = named.as_ref().map_or_else(name::id_of_nothing, Name::id);
    let mut members = Map::new();
    if is_v1 {
        members.insert("status".to_owned(), "successful".into());
        if told.path == V1_ALERT {
            members.insert("alertId".to_owned(), id.as_str().into());
        }
    } else {
        members.insert("result".to_owned(), "Request will be processed".into());
    }
    if !told.warnings.is_empty() {
        members.insert("warnings".to_owned(), told.warnings.iter().map(String::as_str).collect());
    }
    finished(told, if is_v1 { StatusCode::OK } else { StatusCode::ACCEPTED }, members, &id)
}

/// The answer to a question.
fn shown(told: &Told<'_>, data: Value) -> Answer {
    let id = name::id_of_nothing();
    finished(told, StatusCode::OK, Map::from_iter([("data".to_owned(), data)]), &id)
}

/// An alert with this name.
fn alert(named: Option<&Name>) -> Value {
    let (id, alias) = named.map(|name| (name.id(), name.alias())).unwrap_or_default();
    json::object([("id", id.into()), ("alias", alias.into()), ("status", "open".into())])
}

/// Whether the request with this id was processed.
fn processed(told: &Told<'_>, id: &str) -> Answer {
    let named = Name::with_id(id);
    if named.is_none() && !name::is_of_nothing(id) {
        let answer = failed(told, StatusCode::NOT_FOUND, "no processed request has this id");
        let headers = [answer.headers, vec![("x-opsgenie-errortype", "RequestNotProcessed".to_owned())]].concat();
        return Answer { headers, ..answer };
    }
    let (alert, alias) = named.as_ref().map(|name| (name.id(), name.alias())).unwrap_or_default();
    shown(
        told,
        json::object([
            ("success", true.into()),
            ("isSuccess", true.into()),
            ("status", "The request was processed".into()),
            ("alertId", alert.into()),
            ("alias", alias.into()),
        ]),
    )
}

fn failed(told: &Told<'_>, status: StatusCode, message: &str) -> Answer {
    let mut members = Map::new();
    members.insert("message".to_owned(), message.into());
    if status == StatusCode::UNPROCESSABLE_ENTITY {
        members.insert("errors".to_owned(), errors(message));
    }
    let mut id = sha256_hex([told.method.as_str(), " ", told.path].concat().as_bytes());
    id.truncate(12);
    finished(told, status, members, &["0", &id].concat())
}

/// The error by the name of its field: "field `message` is missing".
fn errors(message: &str) -> Value {
    let field = message.strip_prefix("field `").and_then(|rest| rest.split_once("` "));
    let (field, problem) = field.unwrap_or(("body", message));
    json::object([(field, problem.into())])
}

/// Adds the members and headers that every answer has.
fn finished(told: &Told<'_>, status: StatusCode, mut members: Map<String, Value>, id: &str) -> Answer {
    let took = seconds(told.took);
    let headers = vec![("x-request-id", id.to_owned()), ("x-response-time", took.to_string())];
    members.insert("took".to_owned(), took.into());
    members.insert("requestId".to_owned(), id.into());
    Answer { status, headers, body: Value::Object(members) }
}

/// A duration in seconds, in steps of a millisecond.
fn seconds(took: Duration) -> f64 {
    f64::from(u32::try_from(took.as_millis()).unwrap_or(u32::MAX)) / 1000.0
}
