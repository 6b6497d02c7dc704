//! PagerDuty Events API v2 itself, for programs that can already page PagerDuty. The relay adds the routing key.
//!
//! # Wire format
//!
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>, read 2026-11: `{event_action, dedup_key,
//! payload: {summary, source, severity, timestamp, component, group, class, custom_details}, links, images, client,
//! client_url}`. One delivery is one event. The relay ignores a `routing_key` in the body and sends its own. If a
//! program insists on a key, configure any text. Each program decides whether it retries, so the relay assumes that it
//! does not.
//!
//! The reply to an accepted event is PagerDuty's own (`202`, `status`, `message`, `dedup_key`) with the relay's facts
//! beside it, because the client libraries expect these members.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event_action`, ignoring case; any other word is rejected |
//! | severity | `payload.severity` by [`Severity::from_word`]; unknown or missing is error, and the details say so |
//! | summary | `payload.summary`; a trigger without one is rejected |
//! | no payload | an acknowledge or a resolve without a payload is sent without one |
//! | source | `payload.source`, else `client`, else `events` |
//! | component, group, class, timestamp | as they are; a timestamp that is not RFC 3339 is omitted |
//! | details | `payload.custom_details` without its empty members; a value that is not an object becomes the member `details` |
//! | links, images | the first 16 and 8 that are absolute (images: `https`); also from inside `payload`, where some clients put them |
//! | client, client URL | as they are |
//!
//! The relay truncates values that PagerDuty would reject for their length. It corrects values that PagerDuty would
//! reject for their case, and adds missing ones, if the meaning is clear.
//!
//! # Dedup key
//!
//! The sender's own `dedup_key`, unchanged unless it starts with `pagerelay:`, so that a program that moves behind the
//! relay still closes the alerts that it opened before. A trigger without one gets `events:` and the SHA-256 of the
//! whole event. PagerDuty would generate a random key instead; with the hash, a repeated delivery does not page twice.
//! A key that starts with `pagerelay:` ends with its SHA-256, so that no sender reaches the relay's own alerts. The
//! reply contains the key.
//!
//! A sender can name any alert of the same service in this way, also one of another source. So only `secret_events`
//! authenticates senders, never `webhook_secret`, which every vendor has. Variable `services_events` limits the
//! services.
//!
//! # Not mapped
//!
//! * An acknowledge or a resolve without `dedup_key` is rejected, because it has no alert.
//! * Unknown members are omitted, as PagerDuty would do.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::StatusCode;
use crate::json::{Node, encode};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::parse;
use crate::pagerduty::event::{Action, DedupKey};
use crate::text::sha256_hex;

/// PagerDuty Events API v2.
pub const SOURCE: Source = Source {
    slug: "events",
    name: "PagerDuty Events API v2",
    docs: "https://developer.pagerduty.com/docs/events-api-v2/trigger-events/",
    schemes: SHARED_SECRET,
    own_secret: true,
    verbatim: true,
    setup: Setup {
        triggers: "`trigger`",
        resolves: "`resolve`",
        steps: "Set the events URL of your program or its PagerDuty library to {url}.\n\
                Set variable `secret_events`. This path does not accept `webhook_secret`.\n\
                Send the secret in header `Authorization: Bearer <secret>` or `X-Webhook-Secret: <secret>`.\n\
                What it sends as `routing_key` is not looked at.",
        template: None,
    },
    success: StatusCode::ACCEPTED,
    map,
    states: &["resolve", "trigger", "acknowledge", "critical"],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = json(delivery)?;
    let body = Node::root(&body);
    let action = parse::action(body, false)?;
    Ok(Mapped::one(parse::parse(body, action, Some(key(body, action)?), SOURCE.slug)?))
}

fn key(body: Node<'_>, action: Action) -> Result<DedupKey, MapError> {
    let given = body.get("dedup_key");
    // A string stays unchanged, with its white space: the key may have opened an alert before the relay was in use.
    let own = given.value().and_then(Value::as_str).map(str::to_owned).or_else(|| given.text());
    if let Some(key) = own.as_deref().and_then(DedupKey::verbatim) {
        return Ok(key);
    }
    if action != Action::Trigger {
        return Err(MapError::Field { path: "dedup_key", problem: "is missing" });
    }
    let mut event = Map::new();
    for (name, value) in body.members().into_iter().flatten().filter(|(name, _)| *name != "routing_key") {
        event.insert(name.clone(), value.clone());
    }
    DedupKey::whole(SOURCE.slug, &sha256_hex(&encode(&Value::Object(event))))
        .ok_or(MapError::NoIdentity { item: String::new(), fields: "`dedup_key`" })
}
