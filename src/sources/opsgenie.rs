//! Opsgenie's Alert API, for programs that alert Opsgenie: they change only their URL and their key.
//!
//! # Wire format
//!
//! <https://docs.opsgenie.com/docs/alert-api>, <https://docs.opsgenie.com/docs/response> and the schema at
//! <https://github.com/opsgenie/opsgenie-oas>, read 2026-11. [`call`] finds the call for a method and a path below
//! `v2/alerts`. The key is in `Authorization: GenieKey <key>`; some clients send it without the word, as the password of
//! Basic authentication with or without a user, as `?apiKey=`, or as `apiKey` in the body. Each program decides whether it
//! retries, so the relay assumes that it does not.
//!
//! Of API v1, `v1/json/alert` with `close`, `acknowledge` and `note` is accepted, because Kapacitor's older handler uses
//! it. Of the integrations at `v1/json/<integration>`, `prometheus`, `grafana`, `cloudwatch`, `amazonsns`, `azure` and
//! `azureservicehealth` lead to the source of that vendor, with Opsgenie's key and answers.
//!
//! [`answer`] writes the answers. A body that is POSTed to `/opsgenie` itself is that of a create.
//!
//! # Mapping
//!
//! | call | event |
//! |---|---|
//! | create | trigger |
//! | close, delete | resolve, without a payload; its body is not read |
//! | acknowledge | acknowledge, without a payload; its body is not read |
//!
//! A create:
//!
//! | event | from |
//! |---|---|
//! | severity | `priority`: P1 is critical, P2 error, P3 warning, P4 and P5 info; other words by [`Severity::from_word`]. Missing is warning, because Opsgenie's default is P3. Unknown is error, and the details say so |
//! | summary | `message`; a create without one is rejected |
//! | source | `entity`, else `source` (of a URL its host), else `opsgenie` |
//! | component | `entity` |
//! | client, client URL | `source`; if it is a URL, its host and the URL |
//! | details | the members of `details`; `description`, `priority`, `tags`, `responders`, `teams`, `visibleTo`, `actions`, `user`, `note`, and of v1 `recipients`. A member of `details` with the name of one of these is in `details.details` |
//!
//! The texts stay as they are. Lists that some clients send as one text stay texts. `responders` and `teams` choose no
//! service: the path or the key does.
//!
//! # Dedup key
//!
//! The alias, unchanged if it has at most 255 characters, so that a program that moves behind the relay still closes
//! alerts with the aliases that it has always used. A longer one ends with its SHA-256. An alias that starts with
//! `pagerelay:` ends with one too, so that no sender reaches the relay's own alerts. An alert without an alias gets `opsgenie:`
//! and the SHA-256 of the body. Opsgenie would open a new alert for each such create; with the hash, a repeated delivery
//! does not page twice.
//!
//! The answer to a create contains an id from which the relay reads the key again ([`name`]). An identifier that is no
//! such id is an alias, whatever `identifierType` says: some clients close by alias without saying so.
//!
//! A sender can name any alert of the same service in this way, also one of another source. So only `secret_opsgenie` and
//! the secrets of its services authenticate senders, never `webhook_secret`. Variable `services_opsgenie` limits the
//! services.
//!
//! # Not mapped
//!
//! * Notes, tags, details, responders, teams, snooze, escalate, assign, unacknowledge, custom actions, attachments, saved
//!   searches and the `PUT`s of message, description and priority: the sender gets `202`, and a warning names the call.
//!   PagerDuty has no such action, and a trigger would reopen an alert that is closed.
//! * Questions about alerts. The answer does not come from PagerDuty.
//! * `identifierType=tiny`: "no alert has a tiny id". The relay gives none out.
//! * Calls that create, change or list heartbeats get `410`: variables `heartbeat_<name>` name them. A ping is a sign of life.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Mirror, OwnVariable, Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::http::api::{Api, Found};
use crate::http::{Method, StatusCode};
use crate::json::Node;
use crate::mapping::{Handshake, MapError, Mapped, json};
use crate::pagerduty::event::{Action, Event};

use self::call::{Call, What};
use self::name::Name;

pub mod alert;
pub mod answer;
pub mod call;
pub mod mirror;
pub mod name;

/// The beginnings of the API's paths.
const ALERTS: &str = "v2/alerts";
const HEARTBEATS: &str = "v2/heartbeats";
const INTEGRATIONS: &str = "v1/json/";

/// The path of a create in API v1.
const V1_ALERT: &str = "v1/json/alert";

/// The member of the body that contains the key.
const KEY_MEMBER: &str = "apiKey";

/// The parameter that says what an identifier is.
const IDENTIFIER_TYPE: &str = "identifierType";

/// Why there is no event.
const TINY: &str = "no alert has a tiny id";
const UNKNOWN: &str = "no such call";
const HEARTBEAT: &str = "no ping of a heartbeat";

/// The warning for a note of API v1.
const V1_NOTE: &str = "`POST note` was not done: PagerDuty's Events API has no such action";

/// The vendors whose own payloads Opsgenie accepts, and the sources that map them.
const BY_VENDOR: &[(&str, &str)] = &[
    ("amazonsns", "sns"),
    ("azure", "azure"),
    ("azureservicehealth", "azure"),
    ("cloudwatch", "sns"),
    ("grafana", "grafana"),
    ("prometheus", "alertmanager"),
];

/// Opsgenie's Alert API.
pub const SOURCE: Source = Source {
    slug: "opsgenie",
    name: "Opsgenie Alert API",
    docs: "https://docs.opsgenie.com/docs/alert-api",
    schemes: &[
        Scheme::Authorization("GenieKey"),
        Scheme::Authorization(""),
        Scheme::BEARER,
        Scheme::Basic,
        Scheme::BasicSecret,
        Scheme::Header("x-webhook-secret"),
        Scheme::Query(KEY_MEMBER),
        Scheme::Member(KEY_MEMBER),
    ],
    own_secret: true,
    verbatim: true,
    setup: Setup {
        triggers: "create",
        resolves: "close, delete",
        steps: "Set variable `secret_opsgenie`. This path does not accept `webhook_secret`.\n\
                Put the secret where your tool has its Opsgenie API key. An existing key can be the secret.\n\
                Put {url} where your tool has https://api.opsgenie.com: as `api_url`, `host` or base URL. If it wants the whole path, append /v2/alerts.\n\
                If your tool accepts only a host, enter that of the relay: https://<relay>/v2/alerts is the same API.\n\
                Keep your aliases: the relay uses them as dedup keys. For heartbeat <name>, set variable `heartbeat_<name>` to its period, such as 5m, and let something call /tick every minute.\n\
                Variable `opsgenie_copy_key` also sends a copy of each change to Opsgenie, for a parallel run.",
        template: None,
    },
    success: StatusCode::ACCEPTED,
    map,
    api: Some(&Api {
        find,
        never_pages: |_| false,
        answer: answer::answer,
        resolve: Some("/v2/alerts/<dedup_key>/close?identifierType=alias"),
    }),
    mirror: Some(&Mirror {
        key: "opsgenie_copy_key",
        region: "opsgenie_copy_region",
        hosts: ["api.opsgenie.com", "api.eu.opsgenie.com"],
        scheme: "GenieKey",
        request: mirror::request,
    }),
    variables: &[
        OwnVariable { name: "opsgenie_copy_key", secret: true, description: COPY_KEY_HELP, problem: |_| None },
        OwnVariable { name: "opsgenie_copy_region", secret: false, description: COPY_REGION_HELP, problem: |_| None },
    ],
    states: &["P1", "P2", "P3", "P4", "P5"],
    ..Source::DEFAULT
};

const COPY_KEY_HELP: &str = "API key of an Opsgenie integration. If set, Opsgenie gets a copy of each change that arrives at `/opsgenie`, for a parallel run. On Spin, also set `opsgenie_host`";
const COPY_REGION_HELP: &str = "The region of that Opsgenie account: `us` (default) or `eu`";

const EVERY: &[Method] = &[Method::Delete, Method::Get, Method::Patch, Method::Post, Method::Put];

/// Recognises a path of the API.
fn find(path: &str) -> Found {
    let below = |beginning: &str| path.strip_prefix(beginning).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(rest) = below(ALERTS) {
        let methods = if rest.is_empty() { &[Method::Get, Method::Post] } else { EVERY };
        return Found::Path { methods, by: None };
    }
    if below(HEARTBEATS).is_some() {
        return Found::Path { methods: EVERY, by: None };
    }
    let methods: &[Method] = &[Method::Post];
    match path.strip_prefix(INTEGRATIONS) {
        Some("alert" | "alert/acknowledge" | "alert/close" | "alert/note") => Found::Path { methods, by: None },
        Some(name) => {
            let source = BY_VENDOR.iter().find(|(vendor, _)| *vendor == name).map(|(_, source)| *source);
            source.map_or(Found::Unknown, |by| Found::Path { methods, by: Some(by) })
        }
        None => Found::Not,
    }
}

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let path = delivery.path();
    if let Some(call) = path.strip_prefix(V1_ALERT) {
        return v1(delivery, call.trim_matches('/'));
    }
    if let Some(rest) = path.strip_prefix(HEARTBEATS) {
        let name = pinged(rest).map(|name| Handshake::Beat(name.into_owned()));
        return Ok(match name {
            Some(beat) => Mapped { handshake: Some(beat), ..Mapped::default() },
            None => Mapped::nothing(HEARTBEAT),
        });
    }
    let call = match path.strip_prefix(ALERTS) {
        Some(rest) => Call::parse(delivery.method(), rest),
        None => Call::parse(Method::Post, ""),
    };
    let Some(Call { what, identifier, .. }) = call else { return Ok(Mapped::nothing(UNKNOWN)) };
    let is_tiny = || delivery.parameter(IDENTIFIER_TYPE).is_some_and(|kind| kind.eq_ignore_ascii_case("tiny"));
    if !identifier.is_empty() && what != What::Status && is_tiny() {
        return Ok(Mapped::nothing(TINY));
    }
    match what {
        What::Create => create(&json(delivery)?),
        What::Event(action) => Ok(event(action, Name::given(&identifier))),
        What::Inert(warning) => Ok(Mapped::nothing(warning)),
        What::Count | What::List | What::Parts | What::Show | What::Status => {
            Ok(Mapped { handshake: Some(Handshake::Question), ..Mapped::default() })
        }
    }
}

/// The name in the path of a ping, behind `v2/heartbeats`.
fn pinged(rest: &str) -> Option<Cow<'_, str>> {
    let name = rest.trim_matches('/').strip_suffix("/ping")?;
    percent_decode_str(name).decode_utf8().ok()
}

/// Maps a call of API v1, whose body has the key and the identifier.
fn v1(delivery: &Authenticated<'_>, call: &str) -> Result<Mapped, MapError> {
    let body = json(delivery)?;
    let named = || Node::root(&body).first_text(&["alias", "id", "alertId"]).and_then(|given| Name::given(&given));
    let action = match call {
        "" => return create(&body),
        "note" => return Ok(Mapped::nothing(V1_NOTE)),
        "acknowledge" => Action::Acknowledge,
        _ => Action::Resolve,
    };
    let name = named().ok_or(MapError::Field { path: "alias", problem: "is missing" })?;
    Ok(event(action, Some(name)))
}

fn create(body: &Value) -> Result<Mapped, MapError> {
    let body = Node::root(body);
    body.members().ok_or(MapError::Shape { expected: "an object with `message`" })?;
    // With its white space: it may have opened an alert before the relay was in use.
    let alias = body.get("alias");
    let alias = alias.value().and_then(Value::as_str).map(str::to_owned).or_else(|| alias.text());
    let name = alias.as_deref().and_then(Name::given).or_else(|| Name::of_body(SOURCE.slug, body));
    let name = name.ok_or(MapError::NoIdentity { item: String::new(), fields: "`alias`" })?;
    Ok(Mapped::one(alert::trigger(body, &name, SOURCE.slug)?))
}

/// A bare event. A blank identifier names no alert.
fn event(action: Action, name: Option<Name>) -> Mapped {
    name.map_or_else(|| Mapped::nothing(UNKNOWN), |name| Mapped::one(Event::bare(action, name.key().clone())))
}
