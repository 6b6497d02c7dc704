//! Healthchecks, hosted or not: the integration Webhook.
//!
//! # Wire format
//!
//! <https://github.com/healthchecks/healthchecks/blob/master/templates/integrations/webhook_form.html>, read 2026-11.
//! The user writes method, URL, headers and body, once for going down and once for going up, with placeholders; nothing
//! else is sent. Read are the template, with `code` or `uuid` for `check` too; `$JSON`, which is the whole check as the
//! Management API has it; and `$JSON` as member `check` of the template, as the form suggests. `$NAME_JSON` brings its
//! own quotes, so a name with a quote in it does no harm. A placeholder that an older installation does not know stays
//! as it is and reads as absent. Healthchecks tries three times, without a pause, until the answer is 200, 201, 202 or
//! 204.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `status`: `up` and `grace` (up, and late with the next ping) resolve, `down` and anything else triggers |
//! | severity | the first tag that is a word of [`Severity::from_word`], else error |
//! | summary | the name, else the slug, the tags, up or down, the exit status or the time of the last ping |
//! | source, component | the name, else the slug, else `Healthchecks` |
//! | timestamp | `now` |
//! | client, client URL | Healthchecks, the site of `update_url` |
//! | details | name, status, tags, exit status, description, schedule and pings, and `body` where the user has put `$BODY_JSON` there |
//!
//! Whoever knows a check's UUID can ping it, which makes it a secret: neither it nor an address with it is passed on.
//!
//! # Dedup key
//!
//! `healthchecks:` and the SHA-256 of the check's UUID, else of its `unique_key`; where a `$JSON` from before version 3
//! has neither, the UUID at the end of `ping_url`. Healthchecks' own PagerDuty integration has a hash of the UUID as
//! well (`unique_key`) and no severity.
//!
//! # Not mapped
//!
//! * `new` and `paused`, which only a `$JSON` can say: "the check is new or paused".
//! * `started` in a `$JSON` of older versions hides whether the check went up or down, and triggers. `$STATUS` is always
//!   the change itself.
//! * The test button sends a check TEST with an id of its own each time: it triggers and is not closed.
//! * A body without a check is refused. One whose variables were not filled in opens an alert that says so, the same
//!   for all such bodies.
//! * Tags are not escaped: one with a quote in it makes a body that is no JSON, which is refused.
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
        triggers: "`down`, and a status that is not known",
        resolves: "`up`, `grace`",
        steps: "Under Integrations, Webhook, enter for down and again for up: method `POST`, URL {url}.\n\
                Request Body, both times, the text below; Request Headers, both times, `X-Webhook-Secret: <the secret>`.\n\
                A tag `critical`, `error`, `warning` or `info` on a check is its severity.",
        template: Some(
            r#"{"check": "$CODE", "status": "$STATUS", "name": $NAME_JSON, "tags": "$TAGS", "now": "$NOW", "exitstatus": "$EXITSTATUS"}"#,
        ),
    },
    // The form says so; newer versions wait longer.
    patience: Duration::from_secs(10),
    by_get: true,
    map,
    // Three tries at once, on anything but 200, 201, 202 and 204.
    retries: true,
    states: &["up", "down", "grace", "critical", "error"],
    ..Source::DEFAULT
};

/// What is passed on: no UUID, and no address, which would hold it.
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
    // A whole check within the template.
    let check = if payload.get("check").members().is_some() { payload.get("check") } else { payload };
    let text = |name: &str| payload.get(name).text().or_else(|| check.get(name).text());

    let at_end = || text("ping_url").and_then(|url| Some(url.trim_end_matches('/').rsplit('/').next()?.to_owned()));
    let id = check.first_text(&["check", "code", "uuid", "unique_key"]).or_else(at_end);
    let key = id.and_then(|id| DedupKey::new(SOURCE.slug, &[&text::sha256_hex(id.to_ascii_lowercase().as_bytes())]));
    let Some(key) = key else { return unidentified((SOURCE.slug, SOURCE.name), &raw, "`check`") };

    let status = text("status").unwrap_or_default().to_ascii_lowercase();
    let (action, state) = match status.as_str() {
        "up" | "grace" => (Action::Resolve, "is up"),
        "new" | "paused" => return Ok(Mapped::nothing("the check is new or paused")),
        "down" => (Action::Trigger, "is down"),
        _ => (Action::Trigger, "may be down"),
    };
    let tags = text("tags").unwrap_or_default();
    let severity = tags.split_whitespace().find_map(Severity::from_word).unwrap_or(Severity::Error);

    let name = text("name").or_else(|| text("slug"));
    let mut summary = name.clone().unwrap_or_else(|| "A check without a name".to_owned());
    if !tags.is_empty() {
        summary = [&summary, " (", &tags, ")"].concat();
    }
    summary = [&summary, " ", state].concat();
    // 0 is success, -1 none.
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
