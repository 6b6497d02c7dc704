//! PagerDuty's Events API itself, for programs that can already page PagerDuty. The relay adds the routing key.
//!
//! # Wire format
//!
//! The bodies of [`events_api`](crate::mapping::events_api): alert events of version 2
//! (<https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>) and 1
//! (<https://developer.pagerduty.com/docs/events-api-v1/trigger-events/>), and change events, read 2026-11. The table
//! there says how the relay distinguishes them. One delivery is one event. The relay ignores a `routing_key` or a
//! `service_key` in the body and sends its own. If a program insists on a key, configure any text. Each program decides
//! whether it retries, so the relay assumes that it does not.
//!
//! The reply to an accepted event is PagerDuty's own (`202`, `status`, `message`, `dedup_key`) with the relay's facts
//! beside it, because the client libraries expect these members.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event_action`, ignoring case; any other word is rejected |
//! | change event | a body without `event_action` and `dedup_key` that has `payload.summary`; it never pages |
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
//! authenticates senders, never `webhook_secret`, which every vendor has. Variable `services_events` limits the
//! services.
//!
//! # Not mapped
//!
//! * An acknowledge or a resolve without a key is rejected, because it has no alert.
//! * A body with `dedup_key` and without `event_action` is rejected: it is no change event, and a change notifies nobody.
//! * Unknown members are omitted, as PagerDuty would do.
//! * A change event is omitted with a warning if the routing key belongs to an event orchestration, which accepts none.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::StatusCode;
use crate::json::Node;
use crate::mapping::events_api::GivenEvent;
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey};

/// PagerDuty's Events API.
pub const SOURCE: Source = Source {
    slug: "events",
    name: "PagerDuty Events API",
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
                PagerDuty's libraries and Alertmanager have no field for a header: use https://any:<secret>@<relay>/events, and they send Basic authentication.\n\
                What it sends as `routing_key` or `service_key` is not looked at.\n\
                Events of version 2 and 1 are accepted, and change events, which never page.",
        template: None,
    },
    success: StatusCode::ACCEPTED,
    map,
    states: &["resolve", "trigger", "acknowledge", "critical"],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = json(delivery)?;
    let given = GivenEvent::of(Node::root(&body))?;
    Ok(Mapped::one(given.event(key(given)?, SOURCE.slug)?))
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
