//! Healthchecks, hosted or self-hosted: the integration Webhook.
//!
//! # Wire format
//!
//! <https://github.com/healthchecks/healthchecks/blob/master/templates/integrations/webhook_form.html>, read 2026-11.
//! The user writes method, URL, headers and body with placeholders, separately for down and for up. Healthchecks sends
//! only these. This source accepts the template, also with `code` or `uuid` instead of `check`; `$JSON`, which is the
//! whole check in the format of the Management API; and `$JSON` as member `check` of the template, as the form
//! suggests. `$NAME_JSON` includes its own quotes, so a name with a quote in it is safe. An older installation does not
//! expand a newer placeholder, and it then counts as absent. Healthchecks makes three attempts, without a pause, until
//! the response is 200, 201, 202 or 204.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `status`: `up` and `grace` (up, but the next ping is late) resolve, `down` and any other value triggers |
//! | severity | the first tag that [`Severity::from_word`] knows, but not `s0` to `s5`; else error |
//! | summary | the name, else the slug, the tags, up or down, the exit status or the time of the last ping |
//! | source, component | the name, else the slug, else `Healthchecks` |
//! | timestamp | `now` |
//! | client, client URL | Healthchecks, the site of `update_url` |
//! | details | name, status, tags, exit status, description, schedule and pings, and `body` if the user has put `$BODY_JSON` there |
//!
//! Anyone with a check's UUID can ping the check, so the UUID is a secret. Neither the UUID nor a URL that contains it
//! is sent on.
//!
//! # Dedup key
//!
//! `healthchecks:` and the SHA-256 of the check's UUID in lower case, else of its `unique_key`. A `$JSON` from before
//! version 3 has neither, so the UUID at the end of `ping_url` is used. Healthchecks' own PagerDuty integration also
//! uses a hash of the UUID (`unique_key`), and no severity.
//!
//! # Not mapped
//!
//! * `new` and `paused`, which only a `$JSON` can contain: "the check is new or paused".
//! * `started` in a `$JSON` of older versions hides whether the check went up or down, and triggers. `$STATUS` is
//!   always the change itself.
//! * The test button sends a check TEST with a new id each time: it triggers, and the alert never resolves.
//! * A body without a check is rejected. A body with unexpanded variables triggers an alert that reports them, the same
//!   alert for all such bodies.
//! * Tags are not escaped. A tag with a quote in it makes the body invalid JSON, which is rejected.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::url;
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Healthchecks.
pub const SOURCE: Source = Source {
    slug: "healthchecks",
    name: "Healthchecks",
    docs: "https://github.com/healthchecks/healthchecks/blob/master/templates/integrations/webhook_form.html",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`down`, and any unknown status",
        resolves: "`up`, `grace`",
        steps: "Under Integrations, Webhook, enter for down and again for up: method `POST`, URL {url}.\n\
                Request Body, both times, the text below; Request Headers, both times, `X-Webhook-Secret: <the secret>`.\n\
                A tag `critical`, `error`, `warning` or `info` on a check is its severity.",
        template: Some(
            r#"{"check": "$CODE", "status": "$STATUS", "name": $NAME_JSON, "tags": "$TAGS", "now": "$NOW", "exitstatus": "$EXITSTATUS"}"#,
        ),
    },
    // The form states this timeout. Newer versions have a longer one.
    patience: Duration::from_secs(10),
    by_get: true,
    map,
    // It makes three attempts without a pause, on any response except 200, 201, 202 and 204.
    retries: true,
    states: &["up", "down", "grace", "critical", "error"],
    ..Source::DEFAULT
};

/// Details that are safe to send: without the UUID and any URL that contains it.
const DETAILS: &[&str] = &[
    "body",
    "desc",
    "exitstatus",
    "grace",
    "last_duration",
    "last_ping",
    "n_pings",
    "name",
    "next_ping",
    "schedule",
    "slug",
    "started",
    "status",
    "tags",
    "timeout",
    "tz",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `check` and `status`" })?;
    // A whole check inside the template.
    let check = if payload.get("check").members().is_some() { payload.get("check") } else { payload };
    let text = |name: &str| payload.get(name).text().or_else(|| check.get(name).text());

    let at_end = || text("ping_url").and_then(|url| Some(url.trim_end_matches('/').rsplit('/').next()?.to_owned()));
    let id = check.first_text(&["check", "code", "uuid", "unique_key"]).or_else(at_end);
    let key = id.and_then(|id| DedupKey::whole(SOURCE.slug, &text::sha256_hex(id.to_ascii_lowercase().as_bytes())));
    let Some(key) = key else { return unidentified((SOURCE.slug, SOURCE.name), &raw, "`check`") };

    let status = text("status").unwrap_or_default().to_ascii_lowercase();
    let (action, state) = match status.as_str() {
        "up" | "grace" => (Action::Resolve, "is up"),
        "new" | "paused" => return Ok(Mapped::nothing("the check is new or paused")),
        "down" => (Action::Trigger, "is down"),
        _ => (Action::Trigger, "may be down"),
    };
    let tags = text("tags").unwrap_or_default();
    // As a tag, `s3` is Amazon's storage.
    let words = tags.split_whitespace().filter(|tag| !(tag.len() == 2 && tag.starts_with(['s', 'S'])));
    let severity = words.filter_map(Severity::from_word).next().unwrap_or(Severity::Error);

    let name = text("name").or_else(|| text("slug"));
    let mut summary = name.clone().unwrap_or_else(|| "A check without a name".to_owned());
    if !tags.is_empty() {
        summary = [&summary, " (", &tags, ")"].concat();
    }
    summary = [&summary, " ", state].concat();
    // 0 means success, -1 means no exit status.
    let failed = text("exitstatus").filter(|code| !matches!(code.as_str(), "0" | "-1"));
    let why = failed.map(|code| [", last exit status ", &code].concat());
    let why = why.or_else(|| Some([", last ping ", &text("last_ping")?].concat()));
    summary += &why.unwrap_or_default();

    let site = text("update_url");
    let site = site.as_deref().and_then(url::split_url).map(|(scheme, host, _)| [scheme, "://", host].concat());
    let event = Event::new(action, key, severity, &summary, name.as_deref().unwrap_or(SOURCE.name))
        .component(name.clone())
        .timestamp(payload.get("now").time())
        .client(SOURCE.name, site)
        .details(check, DETAILS)
        .details(payload, DETAILS);
    Ok(Mapped::one(event))
}
