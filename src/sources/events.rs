//! PagerDuty's Events API itself, for programs that can already page PagerDuty. The relay adds the routing key.
//!
//! # Wire format
//!
//! The bodies of [`events_api`](crate::mapping::events_api): alert events of version 2
//! (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>) and 1
//! (<https://developer.pagerduty.com/docs/events-api-v1/trigger-events/>), and change events, read 2026-11. Each program
//! decides whether it retries, so the relay assumes that it does not.
//!
//! A program that can set only its URL and its key needs no more. The paths are those of PagerDuty, below `/events`, below
//! `/events/<service>` and at the root of the relay. The path decides the format, and the answers are PagerDuty's:
//!
//! | path | format | success |
//! |---|---|---|
//! | `/v2/enqueue` | alert event, v2 | `202` with `dedup_key` |
//! | `/v2/change/enqueue` | change event | `202` |
//! | `/generic/2010-04-15/create_event.json` | alert event, v1 | `200` with `incident_key` |
//! | `/events` and `/events/<service>` themselves | by the table of [`events_api`](crate::mapping::events_api) | `202`, with the relay's facts beside PagerDuty's members |
//!
//! An error has `status`, `message` and `errors`. It is `400` for an invalid event, `401` for invalid credentials, `503`
//! with `Retry-After` while PagerDuty throttles or fails, and `502` if an operator has to act. It is never `403`, which
//! clients of version 1 retry for ever. One request is one event: a list of events is refused, as PagerDuty refuses it, and
//! nothing is paged for it. Nor is it for a change event that cannot be mapped: it is refused.
//!
//! The key of the program is a secret of the relay, in `routing_key`, `service_key` or header `X-Routing-Key`. The relay
//! removes it from the body, and sends its own routing key. Some clients send an `Authorization` of their own; that does
//! not matter if the key is right. `secret_events_<service>` authenticates a program and names its service.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event_action`, ignoring case; any other word is rejected |
//! | change event | what is sent to `/v2/change/enqueue`; at `/events` itself, a body without `event_action` and `dedup_key` that has `payload.summary`. It never pages |
//! | severity | `payload.severity` by [`Severity::from_word`]; unknown or missing is error, and the details say so. A change has none |
//! | summary | `payload.summary`; a trigger without one is rejected |
//! | no payload | an acknowledge or a resolve without a payload is sent without one |
//! | source | `payload.source`, else `client`, else `events` |
//! | component, group, class, timestamp | as they are; a timestamp that is not RFC 3339 is omitted. A change has the first three as details |
//! | details | `payload.custom_details` without its empty members; a value that is not an object becomes the member `details` |
//! | links, images | the first 16 and 8 that are absolute (images: `https`); also from inside `payload`, where some clients put them. A change has no images |
//! | client, client URL | as they are, except in a change, which has none |
//!
//! Version 1:
//!
//! | event | from |
//! |---|---|
//! | action | `event_type`, ignoring case; missing, or any other word, is rejected |
//! | severity | always critical: version 1 has none, and its senders want to page |
//! | summary | `description`; a trigger without one is rejected |
//! | no payload | an acknowledge or a resolve without `description` and `details` is sent without one |
//! | source | `client`, else `events` |
//! | details | `details`, like `payload.custom_details` |
//! | links, images | `contexts` of type `link` and `image`; of any other type they are omitted |
//! | client, client URL | `client`, `client_url` |
//!
//! The relay truncates values that PagerDuty would reject for their length. It corrects values that PagerDuty would
//! reject for their case, and adds missing ones, if the meaning is clear.
//!
//! # Dedup key
//!
//! The sender's own `dedup_key`, or in version 1 `incident_key`, unchanged unless it starts with `pagerelay:`, so that a
//! program that moves behind the relay still closes the alerts that it opened before. Both versions share their keys: an
//! event of one closes an alert that the other opened. A trigger without a key gets `events:` and the SHA-256 of the
//! whole event. PagerDuty would generate a random key instead; with the hash, a repeated delivery does not page twice.
//! A key that starts with `pagerelay:` ends with its SHA-256, so that no sender reaches the relay's own alerts. The
//! reply contains the key. A change event has no key.
//!
//! A sender can name any alert of the same service in this way, also one of another source. So only `secret_events`
//! and the secrets of services authenticate senders, never `webhook_secret`, which every vendor has. Variable
//! `services_events` limits the services.
//!
//! # Not mapped
//!
//! * An acknowledge or a resolve without a key is rejected, because it has no alert.
//! * A body with `dedup_key` and without `event_action` is rejected: it is no change event, and a change notifies nobody.
//! * Unknown members are omitted, as PagerDuty would do.
//! * A change event is omitted with a warning if the routing key belongs to an event orchestration, which accepts none.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::http::api::{Answer, Api, Found, Told};
use crate::http::{Method, StatusCode};
use crate::json::{self, Node};
use crate::mapping::events_api::{Format, GivenEvent};
use crate::mapping::{self, MapError, Mapped};
use crate::pagerduty::event::{Action, DedupKey};

/// PagerDuty's Events API.
pub const SOURCE: Source = Source {
    slug: "events",
    name: "PagerDuty Events API",
    docs: "https://developer.pagerduty.com/docs/events-api-v2/trigger-events/",
    schemes: &[
        Scheme::BEARER,
        Scheme::Basic,
        Scheme::Header("x-webhook-secret"),
        Scheme::Header("x-routing-key"),
        Scheme::Member("routing_key"),
        Scheme::Member("service_key"),
    ],
    own_secret: true,
    verbatim: true,
    setup: Setup {
        triggers: "`trigger`",
        resolves: "`resolve`",
        steps: "Set variable `secret_events`. This path does not accept `webhook_secret`.\n\
                Set the base URL of your program or its PagerDuty library to {url}, or the URL of the events to {url}/v2/enqueue \
                (version 1: {url}/generic/2010-04-15/create_event.json). If the program takes only a host, the same paths exist without `/events`.\n\
                Set its routing key, integration key or service key to the secret. PagerDuty's own key stays in the relay.\n\
                If the program accepts only a key of 32 letters and digits, choose such a secret, but no routing key.\n\
                To choose the service by the key, list the service in variable `services_events`, and set variable `secret_events_<service>`.\n\
                The answers are PagerDuty's. Change events never page.",
        template: None,
    },
    success: StatusCode::ACCEPTED,
    api: Some(&Api { find, never_pages: |path| format(path) == Some(Format::Change), answer, resolve: None }),
    map,
    states: &["resolve", "trigger", "acknowledge", "critical"],
    ..Source::DEFAULT
};

/// The paths of the API. The date is part of one.
const PATHS: [(&str, Format); 3] = [
    ("v2/enqueue", Format::AlertV2),
    ("v2/change/enqueue", Format::Change),
    ("generic/2010-04-15/create_event.json", Format::AlertV1),
];

fn format(path: &str) -> Option<Format> {
    PATHS.iter().find(|(known, _)| *known == path).map(|(_, format)| *format)
}

fn find(path: &str) -> Found {
    match format(path) {
        Some(_) => Found::Path { methods: &[Method::Post], by: None },
        None if path.starts_with("v2/") || path.starts_with("generic/") => Found::Unknown,
        None => Found::Not,
    }
}

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = mapping::json(delivery)?;
    let given = match format(delivery.path()) {
        Some(_) if body.is_array() => return Err(MapError::Batch),
        Some(format) => GivenEvent::in_format(format, Node::root(&body))?,
        None => GivenEvent::of(Node::root(&body))?,
    };
    Ok(Mapped::one(given.event(key(given)?, SOURCE.slug)?))
}

/// The answer as PagerDuty writes it. Its clients compare `status` with `success`, and retry after `503` and `502`.
fn answer(told: &Told<'_>) -> Answer {
    let format = format(told.path);
    let status = match told.status {
        status if status.is_success() && format == Some(Format::AlertV1) => StatusCode::OK,
        status if status.is_success() => StatusCode::ACCEPTED,
        // No retry helps until an operator acts.
        StatusCode::SERVICE_UNAVAILABLE if told.retry_after.is_none() => StatusCode::BAD_GATEWAY,
        StatusCode::UNAUTHORIZED
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE => told.status,
        status if status.is_client_error() => StatusCode::BAD_REQUEST,
        status => status,
    };
    let (word, message) = match status {
        status if status.is_success() && format == Some(Format::Change) => ("success", "Change event processed"),
        status if status.is_success() => ("success", "Event processed"),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => ("invalid event", "Event object is invalid"),
        status if status.is_client_error() => {
            ("invalid event", status.canonical_reason().unwrap_or("Event was not accepted"))
        }
        _ => ("not accepted", "Event was not accepted"),
    };
    let mut body = json::object([("status", word.into()), ("message", message.into())]);
    let mut set = |name: &str, value: Value| {
        body.as_object_mut().and_then(|members| members.insert(name.to_owned(), value));
    };
    if !status.is_success() {
        set("errors", vec![told.message].into());
    } else if let Some(key) = told.dedup_key {
        set(if format == Some(Format::AlertV1) { "incident_key" } else { "dedup_key" }, key.into());
    }
    if !told.warnings.is_empty() {
        set("warnings", told.warnings.into());
    }
    Answer { status, headers: Vec::new(), body }
}

/// The key of the event. Returns `None` for a change.
fn key(given: GivenEvent<'_>) -> Result<Option<DedupKey>, MapError> {
    if given.action() == Action::Change {
        return Ok(None);
    }
    if let Some(key) = given.key().as_deref().and_then(DedupKey::verbatim) {
        return Ok(Some(key));
    }
    if given.action() != Action::Trigger {
        return Err(MapError::Field { path: given.key_member(), problem: "is missing" });
    }
    let key = DedupKey::whole(SOURCE.slug, &given.hash());
    key.map(Some).ok_or(MapError::NoIdentity { item: String::new(), fields: "`dedup_key`" })
}
