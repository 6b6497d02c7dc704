//! `POST /act[/<service>]`: acknowledges, resolves or notes an incident as a person, where an event would say that
//! "the integration" did.
//!
//! PagerDuty's REST API does it, with the token of variable `api_token`. The dedup key is that of the event which opened
//! the alert, and the service's routing key says whose incident is meant where several have it.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::auth::Authenticated;
use crate::config;
use crate::error::Error;
use crate::event::DEDUP_KEY_MAX_CHARS;
use crate::host::{Host, Verb};
use crate::report::Facts;
use crate::request::Reply;
use crate::rest::{self, Problem, Rest, RestError};
use crate::sources::{self, MapError};
use crate::text::{self, Node};

/// When the last answer has to be there, from the request's arrival on.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest address, in characters.
const FROM_MAX_CHARS: usize = 255;

/// The longest note that PagerDuty takes, in characters.
const NOTE_MAX_CHARS: usize = 25_000;

/// What is asked.
struct Wish {
    action: &'static str,
    /// The status that the incident is to have; nothing where it is only noted.
    status: Option<&'static str>,
    dedup_key: String,
    from: String,
    note: Option<String>,
}

/// An open incident with the dedup key.
struct Incident {
    id: String,
    number: Value,
    status: String,
    service: Option<String>,
}

/// Does what the body asks.
///
/// # Errors
/// It cannot be done, or a part of it: the facts say which.
pub fn act(
    host: &mut dyn Host,
    known: &Authenticated<'_>,
    service: Option<&str>,
    facts: &mut Facts,
) -> Result<Reply, Error> {
    facts.service = service.map(str::to_owned);
    let body = sources::json(known)?;
    let wish = read(Node::root(&body))?;
    facts.more.push(("action", wish.action.into()));
    facts.more.push(("dedup_key", wish.dedup_key.as_str().into()));
    let target = config::target(host, service)?;
    let api = config::api(host)?;
    let key = target.routing_keys.current;
    let hidden = target.routing_keys.previous.into_iter().chain([key.clone()]).collect();
    let rest = Rest { api, hidden, deadline: DEADLINE };

    let mut found = open(host, &rest, &wish.dedup_key)?;
    if found.len() > 1 {
        let mut behind = Vec::new();
        let listed = rest.list(host, rest::SERVICES, "services", &mut |service| {
            behind.extend(service.get("id").text().filter(|_| rest::has_key(service, &key)));
        });
        // A token that may not read services can still act.
        listed.map(|_| ()).or_else(|error| if error.problem == Problem::NotPermitted { Ok(()) } else { Err(error) })?;
        if !behind.is_empty() {
            found.retain(|incident| incident.service.as_ref().is_some_and(|id| behind.contains(id)));
        }
    }
    let count = found.len();
    let mut incident = found.pop().filter(|_| count == 1).ok_or(match count {
        0 => Error::Absent,
        _ => Error::Ambiguous(count),
    })?;
    facts.ended("find", host);

    let path = ["/incidents/", &incident.id].concat();
    facts.more.push(("incident", incident.to_json()));
    if let Some(status) = wish.status {
        let change = text::object([("type", "incident_reference".into()), ("status", status.into())]);
        let body = text::object([("incident", change)]);
        let changed = rest.send(host, Verb::Put, &path, Some((&wish.from, &body)))?;
        incident.status = Node::root(&changed).at("incident.status").text().unwrap_or_else(|| status.to_owned());
        if let Some((_, shown)) = facts.more.last_mut() {
            *shown = incident.to_json();
        }
    }
    if let Some(note) = &wish.note {
        let body = text::object([("note", text::object([("content", note.as_str().into())]))]);
        let path = [&path, "/notes"].concat();
        if let Err(error) = rest.send(host, Verb::Post, &path, Some((&wish.from, &body))) {
            if let Some(status) = wish.status {
                facts.warnings.push(["the incident is ", status, ", and the note is missing"].concat());
            }
            return Err(error.into());
        }
    }
    facts.ended("act", host);
    let done = wish.status.map(|status| ["incident ", status].concat()).unwrap_or_default();
    let message = text::joined(&[&done, wish.note.as_ref().map_or("", |_| "note added")], ", ");
    let mut reply = facts.reply();
    if let Some(members) = reply.as_object_mut() {
        members.insert("status".into(), "success".into());
        members.insert("message".into(), message.into());
    }
    Ok(Reply::json(StatusCode::OK, "application/json", &reply))
}

/// The open incidents with a dedup key. Without `date_range` PagerDuty looks no further back than a month.
fn open(host: &mut dyn Host, rest: &Rest, dedup_key: &str) -> Result<Vec<Incident>, RestError> {
    const PATH: &str = "/incidents?date_range=all&statuses%5B%5D=triggered&statuses%5B%5D=acknowledged&incident_key=";
    let mut found = Vec::new();
    rest.list(host, &[PATH, &text::percent(dedup_key)].concat(), "incidents", &mut |item| {
        // It becomes a part of a path.
        let id = item.get("id").text().filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        let status = item.get("status").text().unwrap_or_default();
        found.extend(id.filter(|_| status != "resolved").map(|id| Incident {
            id,
            number: item.get("incident_number").value().cloned().unwrap_or_default(),
            status,
            service: item.at("service.id").text(),
        }));
    })?;
    Ok(found)
}

impl Incident {
    fn to_json(&self) -> Value {
        text::object([
            ("id", self.id.as_str().into()),
            ("number", self.number.clone()),
            ("status", self.status.as_str().into()),
        ])
    }
}

/// Reads what is asked; nothing of it that is not fit to be sent gets further.
fn read(body: Node<'_>) -> Result<Wish, MapError> {
    let wrong = |path, problem| Err(MapError::Field { path, problem });
    let text = |name: &str| body.get(name).value().and_then(Value::as_str).unwrap_or_default();
    let (action, status) = match text("action") {
        "acknowledge" => ("acknowledge", Some("acknowledged")),
        "resolve" => ("resolve", Some("resolved")),
        "note" => ("note", None),
        _ => return wrong("action", "is not one of acknowledge, resolve, note"),
    };
    let dedup_key = text("dedup_key");
    if dedup_key.trim().is_empty() || dedup_key.encode_utf16().count() > DEDUP_KEY_MAX_CHARS {
        return wrong("dedup_key", "is not a text of 1 to 255 characters");
    }
    let from = text("from");
    let (name, domain) = from.split_once('@').unwrap_or_default();
    // It becomes a header: visible ASCII and nothing else.
    if name.is_empty() || domain.is_empty() || domain.contains('@') || !from.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return wrong("from", "is not the e-mail address of a pagerduty user");
    }
    if from.len() > FROM_MAX_CHARS {
        return wrong("from", "is longer than 255 characters");
    }
    let note = text("note");
    if note.encode_utf16().count() > NOTE_MAX_CHARS {
        return wrong("note", "is longer than 25,000 characters");
    }
    let note = (!note.trim().is_empty()).then(|| note.to_owned());
    if note.is_none() && (status.is_none() || body.get("note").value().is_some()) {
        return wrong("note", "is not a text with something in it");
    }
    Ok(Wish { action, status, dedup_key: dedup_key.to_owned(), from: from.to_owned(), note })
}
