//! A small fixed shape, for tools whose users write the body themselves: Icinga, Checkmk, Argo CD, Gatus, Home
//! Assistant …
//!
//! # Wire format
//!
//! <https://grafana.com/docs/oncall/latest/configure/integrations/references/webhook/>, read 2026-11, which calls it
//! the formatted webhook: `{alert_uid, title, state, message, link_to_upstream_details, image_url}`, all of them text.
//! `severity` is our own addition. A form with these names is parsed in the same way. The tool behind the variables is
//! unknown, so any text that looks like an unexpanded variable counts as absent. Some tools retry and others do not, so
//! the relay assumes that they do not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `state`, ignoring case: `ok`, `resolved`, `recovered`, `closed`, `up` resolve; `acknowledged` and `ack` acknowledge; any other value triggers |
//! | severity | `severity` by [`Severity::from_word`], else error; an unknown word is in the details |
//! | summary | `title`, else the first line of `message`, without `@mentions` |
//! | source | the host of `link_to_upstream_details`, else `formatted` |
//! | links, images | `link_to_upstream_details`, `image_url` |
//! | details | every member of the body |
//!
//! # Dedup key
//!
//! `formatted:<alert_uid>`: the sender's own id of the alert, which it repeats when the alert is over. Without one, the key
//! is `formatted::<title>`, in one line and with `%3A` for each `:`. Then the title has to be the same when the alert is
//! over, so it must not contain the state or a value that changes. An `alert_uid` that begins with `:` or `%` has its `:`
//! and the `%` of such codes escaped (`%3A`, `%25`), so no id has the key of a title.
//!
//! # Not mapped
//!
//! * A body with neither `alert_uid` nor `title` is rejected. Such a body with unexpanded variables triggers an alert that reports them, the
//!   same alert for all such bodies.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::http::url;
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// The formatted webhook.
pub const SOURCE: Source = Source {
    slug: "formatted",
    name: "Formatted webhook",
    docs: "https://grafana.com/docs/oncall/latest/configure/integrations/references/webhook/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "any other `state`",
        resolves: "`ok`, `resolved`, `recovered`, `closed`, `up`",
        steps: "Have your tool POST to {url}, with the secret in header `X-Webhook-Secret`, or as `?token=` where it can send no header.\n\
                Paste the body and put your tool's own variables in place of `$…`. `alert_uid` has to be the same when the alert is over; without one, the title has to be.",
        template: Some(
            r#"{"alert_uid": "$ID", "title": "$TITLE", "state": "$STATE", "severity": "$SEVERITY", "message": "$MESSAGE", "link_to_upstream_details": "$LINK"}"#,
        ),
    },
    map,
    states: &["ok", "resolved", "recovered", "closed", "up", "acknowledged"],
    ..Source::DEFAULT
};

/// Words that people use for the end of a problem and for an acknowledgement.
const STATES: &[(&str, Action)] = &[
    ("ack", Action::Acknowledge),
    ("acknowledged", Action::Acknowledge),
    ("closed", Action::Resolve),
    ("ok", Action::Resolve),
    ("recovered", Action::Resolve),
    ("resolved", Action::Resolve),
    ("up", Action::Resolve),
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `alert_uid` and `title`" })?;
    let Some(key) = key(payload) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`alert_uid` or `title`");
    };

    let action = payload.get("state").text().and_then(|state| text::lookup(STATES, &state)).unwrap_or(Action::Trigger);
    let severity = payload.get("severity").text().and_then(|word| Severity::from_word(&word));
    let message = payload.get("message").text().unwrap_or_default();
    let summary = payload.get("title").text().unwrap_or_else(|| text::first_line(&message).to_owned());
    let link = payload.get("link_to_upstream_details").text();
    let source_field = link.as_deref().and_then(url::url_host).unwrap_or(SOURCE.slug);

    let event = Event::new(action, key, severity.unwrap_or(Severity::Error), &summary, source_field)
        .link("Details", link.clone())
        .image(payload.get("image_url").text(), link, "Image");
    Ok(Mapped::one(event.members(payload)))
}

/// The key, by the id or else by the title.
fn key(payload: Node<'_>) -> Option<DedupKey> {
    match (payload.get("alert_uid").text(), payload.get("title").text()) {
        // Otherwise it could look like the key of a title.
        (Some(id), _) if id.starts_with([':', '%']) => DedupKey::new(SOURCE.slug, &[&id]),
        (Some(id), _) => DedupKey::whole(SOURCE.slug, &id),
        (None, Some(title)) => DedupKey::new(SOURCE.slug, &["", &text::one_line(&title)]),
        (None, None) => None,
    }
}
