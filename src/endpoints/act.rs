//! `POST /act[/<service>]`: acknowledges, resolves or annotates an incident on behalf of a person. With an event,
//! PagerDuty would say that "the integration" did it.
//!
//! It uses PagerDuty's REST API with the token in variable `api_token`. With an account's key, header `from` says who
//! acts. With a user's key, PagerDuty takes the person from the key and may ignore `from`.
//!
//! The dedup key is that of the event that opened the alert. Only incidents of the service behind the routing key are
//! changed. An incident with several alerts changes as a whole. Only variable `secret_act` authenticates requests here:
//! every vendor knows `webhook_secret`, and no vendor may act as a person.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::auth::Authenticated;
use crate::config::{self, Target};
use crate::error::Error;
use crate::http::Method;
use crate::json::{self, Node};
use crate::mapping::{self, MapError};
use crate::pagerduty::event::DEDUP_KEY_MAX_CHARS;
use crate::pagerduty::rest_api::{self, Problem, Rest, RestError};
use crate::runtime::{Host, SendError};

/// The deadline of the last response, counted from the request's arrival.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest email address, in characters.
const FROM_MAX_CHARS: usize = 255;

/// The longest note that PagerDuty accepts, in characters.
const NOTE_MAX_CHARS: usize = 25_000;

/// The parsed request.
struct ActRequest<'a> {
    action: &'static str,
    /// The new status of the incident. `None` for a note alone.
    status: Option<&'static str>,
    dedup_key: &'a str,
    from: &'a str,
    note: Option<&'a str>,
}

/// The facts about a request, after success and failure.
#[derive(Default)]
pub struct Acted {
    /// The facts, by name.
    pub more: Vec<(&'static str, Value)>,
    /// Warnings for the person.
    pub warnings: Vec<String>,
    /// The stages that have ended, and when.
    pub stages: Vec<(&'static str, Duration)>,
}

/// Executes the request in the body, and returns one sentence about the result.
///
/// # Errors
/// Returns [`Error`] if any part of the request failed. `acted` says which parts succeeded.
pub fn act(
    host: &mut dyn Host,
    known: &Authenticated<'_>,
    service: Option<&str>,
    acted: &mut Acted,
) -> Result<String, Error> {
    refuse_other_pages(known)?;
    let body = mapping::json(known)?;
    let request = parse(Node::root(&body))?;
    acted.more.push(("action", request.action.into()));
    acted.more.push(("dedup_key", request.dedup_key.into()));
    let target = config::target(host, service)?;
    let api = config::api(host)?;
    let hidden = std::iter::once(target.routing_keys.current.clone()).chain(target.routing_keys.previous.clone());
    let rest = Rest { api, hidden: hidden.collect(), deadline: DEADLINE };

    let incident = find(host, &rest, &target, request.dedup_key)?;
    let incident = Node::root(&incident);
    acted.stages.push(("find", host.elapsed()));
    acted.more.push(("incident", shown(incident, None)));
    let path = ["/incidents/", &incident.get("id").text().unwrap_or_default()].concat();
    // The note is first, because a retry would add it twice. A status change can be repeated safely.
    if let Some(note) = request.note {
        write_note(host, &rest, &path, (request.from, note), &mut acted.warnings)?;
    }
    if let Some(status) = request.status {
        match (change(host, &rest, &path, (request.from, status)), request.note) {
            (Ok(()), _) => {}
            (Err(error), None) => return Err(error.into()),
            (Err(error), Some(_)) => {
                let warning =
                    ["the note was added, but the incident may not be ", status, "; request that change alone"];
                acted.warnings.push(warning.concat());
                return Err(Error::Half(error));
            }
        }
        if let Some((_, last)) = acted.more.last_mut() {
            *last = shown(incident, Some(status));
        }
    }
    acted.stages.push(("act", host.elapsed()));
    Ok(match (request.status, request.note) {
        (None, _) => "note added".to_owned(),
        (Some(status), None) => ["incident ", status].concat(),
        (Some(status), Some(_)) => ["incident ", status, ", note added"].concat(),
    })
}

/// Rejects cross-site requests. A page of another site can make a browser send a request without a CORS preflight, but
/// not with the content type of JSON. Newer browsers also say where a request comes from.
fn refuse_other_pages(known: &Authenticated<'_>) -> Result<(), Error> {
    let media = known.header("content-type").and_then(|media| media.split(';').next()).unwrap_or_default();
    if !media.trim().eq_ignore_ascii_case("application/json") {
        return Err(Error::MediaType);
    }
    if known.is_cross_site() {
        return Err(Error::CrossSite);
    }
    Ok(())
}

/// Finds the one open incident with a dedup key that belongs to the service behind the routing key.
fn find(host: &mut dyn Host, rest: &Rest, target: &Target, dedup_key: &str) -> Result<Value, Error> {
    let mut found = open(host, rest, dedup_key)?;
    if !found.is_empty() {
        let mut behind: Vec<String> = Vec::new();
        let mut told = false;
        let listed = rest.list(host, rest_api::SERVICES, "services", &mut |service| {
            told |= rest_api::has_key(service, &target.routing_keys.current);
            // Old alerts were opened with the previous key.
            if rest.hidden.iter().any(|key| rest_api::has_key(service, key)) {
                behind.push(service.get("id").text().unwrap_or_default());
            }
        });
        match listed {
            Err(error) if error.problem != Problem::NotPermitted => return Err(error.into()),
            _ if told => found
                .retain(|incident| Node::root(incident).at("service.id").text().is_some_and(|id| behind.contains(&id))),
            // PagerDuty may hide keys, or services from a token. If no other service is configured, the incident can
            // only belong to this one.
            _ if found.len() == 1 && alone(host, &target.routing_key_variable, rest) => {}
            _ => return Err(Error::Untold(target.routing_key_variable.clone())),
        }
    }
    match found.len() {
        0 | 1 => found.pop().ok_or(Error::Absent),
        many => Err(Error::Ambiguous(many)),
    }
}

/// Adds a note on behalf of the person in `from`.
fn write_note(
    host: &mut dyn Host,
    rest: &Rest,
    path: &str,
    (from, note): (&str, &str),
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let body = json::object([("note", json::object([("content", note.into())]))]);
    let noted = rest.send(host, Method::Post, &[path, "/notes"].concat(), Some((from, &body)));
    let noted = noted.map_err(|error| match error.problem {
        // It is unknown whether the note was added.
        Problem::Server | Problem::Unreachable(SendError::Deadline | SendError::Protocol) => {
            warnings.push("the note may have been added; check the incident before you retry".to_owned());
            Error::Half(error)
        }
        _ => error.into(),
    })?;
    match Node::root(&noted).get("note").first_text(&["id", "content"]) {
        Some(_) => Ok(()),
        None => Err(RestError::without("note").into()),
    }
}

/// Changes the status of an incident on behalf of the person in `from`.
fn change(host: &mut dyn Host, rest: &Rest, path: &str, (from, status): (&str, &str)) -> Result<(), RestError> {
    let change = json::object([("type", "incident_reference".into()), ("status", status.into())]);
    let changed = rest.send(host, Method::Put, path, Some((from, &json::object([("incident", change)]))))?;
    match Node::root(&changed).at("incident.status").text() {
        Some(now) if now == status => Ok(()),
        _ => Err(RestError::without(&["incident that is ", status].concat())),
    }
}

/// The open incidents with a dedup key. Without `date_range`, PagerDuty searches only the last month.
fn open(host: &mut dyn Host, rest: &Rest, dedup_key: &str) -> Result<Vec<Value>, RestError> {
    const PATH: &str = "/incidents?date_range=all&statuses%5B%5D=triggered&statuses%5B%5D=acknowledged&incident_key=";
    let mut found = Vec::new();
    rest.list(
        host,
        &[PATH, &utf8_percent_encode(dedup_key, NON_ALPHANUMERIC).to_string()].concat(),
        "incidents",
        &mut |incident| {
            let id = incident.get("id").text().unwrap_or_default();
            // The id becomes part of a path.
            if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                found.push(incident.value().cloned().unwrap_or_default());
            }
        },
    )?;
    Ok(found)
}

/// Whether no other service's variable contains a different routing key.
fn alone(host: &dyn Host, variable: &str, rest: &Rest) -> bool {
    let same = |name: &String| match config::key(host, name) {
        Ok(other) => other.is_none_or(|other| rest.hidden.iter().any(|key| other.equals(key))),
        Err(_) => false,
    };
    let other = |name: &&String| name.starts_with("routing_key") && !name.ends_with("_previous") && *name != variable;
    let names = config::names(host);
    names.are_complete() && names.all().iter().filter(other).all(same)
}

/// The facts about an incident, for the reply.
fn shown(incident: Node<'_>, status: Option<&str>) -> Value {
    let member = |name: &str| incident.get(name).value().cloned().unwrap_or_default();
    let status = status.map_or_else(|| member("status"), Value::from);
    json::object([("id", member("id")), ("number", member("incident_number")), ("status", status)])
}

/// Parses and checks the request. Invalid input is never sent to PagerDuty.
fn parse(body: Node<'_>) -> Result<ActRequest<'_>, MapError> {
    let wrong = |path, problem| Err(MapError::Field { path, problem });
    let text = |name: &str| body.get(name).value().and_then(Value::as_str).unwrap_or_default();
    let (action, status) = match text("action") {
        "acknowledge" => ("acknowledge", Some("acknowledged")),
        "resolve" => ("resolve", Some("resolved")),
        "note" => ("note", None),
        _ => return wrong("action", "must be acknowledge, resolve or note"),
    };
    let dedup_key = text("dedup_key");
    if dedup_key.trim().is_empty() || dedup_key.encode_utf16().count() > DEDUP_KEY_MAX_CHARS {
        return wrong("dedup_key", "must be a string of 1 to 255 characters");
    }
    let from = text("from");
    let (name, domain) = from.split_once('@').unwrap_or_default();
    // The address becomes a header value, so only visible ASCII is allowed.
    if name.is_empty() || domain.is_empty() || domain.contains('@') || !from.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return wrong("from", "must be the email address of a PagerDuty user");
    }
    if from.len() > FROM_MAX_CHARS {
        return wrong("from", "is longer than 255 characters");
    }
    let note = text("note");
    if note.encode_utf16().count() > NOTE_MAX_CHARS {
        return wrong("note", "is longer than 25,000 characters");
    }
    let note = Some(note).filter(|note| !note.trim().is_empty());
    if note.is_none() && (status.is_none() || body.get("note").value().is_some()) {
        return wrong("note", "must be a non-blank string");
    }
    Ok(ActRequest { action, status, dedup_key, from, note })
}
