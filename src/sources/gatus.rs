//! Gatus: alerting provider `custom`.
//!
//! # Wire format
//!
//! <https://github.com/TwiN/gatus#configuring-custom-alerts>, read 2026-11, and the code of the provider. One delivery is
//! one alert of one endpoint. The user writes method, headers and body with placeholders; without a method it is `GET`,
//! and there is no default body. This source accepts the template of the setup instructions, also with `severity` and
//! `conditions` in it, and a single text `[ALERT_TRIGGERED_OR_RESOLVED]: [ENDPOINT_GROUP] - [ENDPOINT_NAME] -
//! [ALERT_DESCRIPTION] - …` in `text`, `content` or `message`, as the page has it for chats. Unexpanded placeholders count
//! as absent. Of the values, Gatus escapes only the quotes in errors. This source accepts line breaks and backslashes as
//! they are, but a condition with a quote in it makes the body invalid JSON, so the template does not contain
//! `[RESULT_CONDITIONS]`.
//!
//! A response of 400 or above is a failure. Gatus then sends the trigger again with the next check that fails, but never
//! repeats a resolve, so the relay assumes that it does not retry. It waits ten seconds.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `state`: `RESOLVED`, or another word for the end of a problem if the user has renamed it, resolves, also with a symbol in front; `TRIGGERED` and any other value trigger |
//! | severity | `severity`, a word that the user adds ([`Severity::from_word`]), else critical, as in Gatus' own PagerDuty alerts |
//! | summary | `name`, the state, the first line of `errors`, else of `description`, else of `conditions`; the host unless they contain it |
//! | source | the host of `url`, else `name` |
//! | component, group | `name`, `group` |
//! | timestamp | none: Gatus sends no time |
//! | links | `url`, unless it may contain a secret |
//! | client | Gatus |
//! | details | state, description, errors, conditions, the address |
//!
//! # Dedup key
//!
//! `gatus:<group>:<name>`, Gatus' own identity of an endpoint, with the SHA-256 of a name that is a URL with secrets. For a single text `gatus:<group>:<name>:<description>`, its
//! first three parts, because a name may contain ` - ` itself. Gatus' own PagerDuty integration lets PagerDuty choose the
//! key.
//!
//! # Not mapped
//!
//! * A body without a name is rejected, and so is a text without it, such as `TRIGGERED: healthcheck failed`. A body with
//!   unexpanded placeholders instead triggers an alert that reports them, the same alert for all such bodies.
//! * Two Gatus with endpoints of the same group and name share alerts: give each one a service of its own.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::repair::repaired_payload;
use crate::mapping::unexpanded::{is_unexpanded_variable, unidentified, without_unexpanded};
use crate::mapping::uptime::{self, DOWN, Fields, UNKNOWN, UP};
use crate::mapping::{MapError, Mapped, states};
use crate::pagerduty::event::{Action, DedupKey, Severity};

/// Gatus.
pub const SOURCE: Source = Source {
    slug: "gatus",
    name: "Gatus",
    docs: "https://github.com/TwiN/gatus#configuring-custom-alerts",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`TRIGGERED`, and any unknown state",
        resolves: "`RESOLVED`",
        steps: "In `alerting.custom` set `url: {url}`, `method: POST`, `headers` with `X-Webhook-Secret: <the secret>` and `Content-Type: application/json`, and the `body` below.\n\
                Add an alert of type `custom` with `send-on-resolved: true` to each endpoint, or nothing closes the alerts.\n\
                For alerts that are not critical, add `\"severity\": \"warning\"` to the body, in a `provider-override` of the endpoint.",
        template: Some(
            r#"{"state": "[ALERT_TRIGGERED_OR_RESOLVED]", "group": "[ENDPOINT_GROUP]", "name": "[ENDPOINT_NAME]", "url": "[ENDPOINT_URL]", "description": "[ALERT_DESCRIPTION]", "errors": "[RESULT_ERRORS]"}"#,
        ),
    },
    by_get: true,
    map,
    states: &["TRIGGERED", "RESOLVED", "operational"],
    ..Source::DEFAULT
};

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["name"],
    address: &["url"],
    reason: &["errors", "description", "conditions"],
    group: &["group"],
    details: &["state", "severity", "description", "errors", "conditions"],
    ..Fields::NONE
};

/// A single text is the summary.
const TEXT: Fields = Fields { reason: &["text", "content", "message"], details: &[], ..FIELDS };

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = repaired_payload(delivery)?;
    let payload = without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let name = payload.get("name").text();
    let is_text = name.is_none();
    let text = payload.pick(TEXT.reason).unwrap_or_default();
    let (word, rest) = text.split_once(": ").unwrap_or_default();
    let word = if is_text { Some(word.to_owned()) } else { payload.get("state").text() };
    let parts: Vec<String> = match name {
        Some(name) => vec![payload.get("group").text().unwrap_or_default(), name],
        // The errors behind the third part differ from delivery to delivery. The space belongs to an empty last part.
        None => [rest, " "].concat().splitn(4, " - ").take(3).map(|part| part.trim().to_owned()).collect(),
    };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    // A text without the name of an endpoint is that of any endpoint.
    if parts.get(1).is_none_or(|name| name.is_empty() || is_unexpanded_variable(name)) {
        let mut texts = raw.as_object().cloned().unwrap_or_default();
        texts.extend(parts.iter().map(|part| (["text ", part].concat(), (*part).into())));
        return unidentified((SOURCE.slug, SOURCE.name), &texts.into(), "`name`");
    }
    let hidden: Vec<String> = parts.iter().map(|part| uptime::name_in_key((*part).to_owned())).collect();
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let key = DedupKey::new(SOURCE.slug, &hidden);
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`name`" })?;

    let word = word.unwrap_or_default();
    // A user who renames the states may put a symbol in front.
    let (action, _, phrase) = match states::of_alert(word.trim_matches(|c: char| !c.is_alphanumeric())) {
        Some(Action::Resolve) => UP,
        Some(Action::Trigger) => DOWN,
        // The user may have chosen any word.
        _ => UNKNOWN,
    };
    let (fields, phrase) = if is_text { (&TEXT, "") } else { (&FIELDS, phrase) };
    let severity = payload.get("severity").text().and_then(|word| Severity::from_word(&word));
    let state = (action, severity.unwrap_or(Severity::Critical), phrase);
    Ok(Mapped::one(uptime::event(payload, fields, key, state)))
}
