//! The names of variables.

use super::Accepted;

/// The longest service name, in bytes. It becomes part of a variable's name.
const SERVICE_MAX_BYTES: usize = 64;

/// A variable with a fixed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
    /// Whether `spin.toml` declares it. Spin looks up each declared variable for each request, even if it is unset.
    pub declared: bool,
    /// What it is for, in Markdown: `spin.toml` and the guide's table of variables show it.
    pub description: &'static str,
}

/// The variables with fixed names, in the order of `spin.toml`. Any of them can be a member of `settings`.
///
/// The relay also reads the sources' own variables, and, if a request's path names them, `secret_<source>` and
/// `routing_key_<service>`, each with its `_previous`, `require_signature_<source>`, `services_<source>` and
/// `rules_<source>`. [`Control`] endpoints have secrets too. Tests and the dev server set `events_url` and `api_url`.
pub const VARIABLES: &[Variable] = &[
    Variable {
        name: "settings",
        secret: true,
        declared: true,
        description: "Further variables: a JSON object of their names and values, or its base64. A variable that is set by itself replaces the member of the same name",
    },
    Variable {
        name: "webhook_secret",
        secret: true,
        declared: true,
        description: "Authenticates senders to every source that has no secret of its own and does not require one. At least 16 characters",
    },
    Variable {
        name: "routing_key",
        secret: true,
        declared: true,
        description: "PagerDuty integration key (Events API v2) for `/<source>`",
    },
    Variable {
        name: "webhook_secret_previous",
        secret: true,
        declared: false,
        description: "The previous `webhook_secret`, still accepted while you update your senders. The log says which of the two matched",
    },
    Variable {
        name: "routing_key_previous",
        secret: true,
        declared: false,
        description: "The previous `routing_key`. Keep it until every alert opened with it is resolved; acknowledge and resolve are sent with both keys",
    },
    Variable {
        name: "region",
        secret: false,
        declared: false,
        description: "PagerDuty service region: `us` (default) or `eu`",
    },
    Variable {
        name: "grouping",
        secret: false,
        declared: false,
        description: "`alert` (default): one event per alert; `group`: one event per batch. Dedup keys differ between the two, so change it while no alert is open",
    },
    Variable {
        name: "query_token",
        secret: false,
        declared: false,
        description: "Whether senders may put the secret into `?token=`: `auto` (default), only for sources that list it; `on`, for every source that accepts the secret itself; `off`, for none",
    },
    Variable {
        name: "unmapped",
        secret: false,
        declared: false,
        description: "What to do with a delivery that cannot be mapped or that PagerDuty rejects as invalid: `page` (default) sends a fallback alert; `reject` only returns an error to the sender",
    },
    Variable {
        name: "rules",
        secret: false,
        declared: false,
        description: "What to change about mapped events: a JSON list of rules. The rules of `rules_<source>` are worked through before them",
    },
    Variable {
        name: RETRY_AFTER_ANSWER,
        secret: false,
        declared: false,
        description: "`on` (default) or `off`: whether triggers of severity `error` and `critical` that PagerDuty has not accepted in time are retried after the answer to the sender, until 15 seconds after their arrival",
    },
    Variable {
        name: OUTBOX,
        secret: false,
        declared: false,
        description: "Whether the relay stores events that PagerDuty has not accepted in time, and sends them later: `off` (default), `on`, or `replicated` for a key-value store with replicas",
    },
    Variable {
        name: "fallback_url",
        secret: true,
        declared: false,
        description: "The URL of a chat's webhook, which gets a message when PagerDuty has not accepted a trigger",
    },
    Variable {
        name: FALLBACK_FORMAT,
        secret: false,
        declared: false,
        description: "The format of messages to `fallback_url`: `text` (default), `teams`, or `event`, which sends the events themselves to another Events API",
    },
    Variable {
        name: "fallback_routing_key",
        secret: true,
        declared: false,
        description: "The routing key for `fallback_format = event`",
    },
    Variable {
        name: "api_token",
        secret: true,
        declared: false,
        description: "PagerDuty REST API key, for `/act` and the service checks of `/check`. Alerts do not need it",
    },
];

/// The settings that accept one of a few words, with those words. The first word is the default.
pub const CHOICES: &[(&str, &str)] = &[
    ("region", REGIONS),
    ("grouping", GROUPINGS),
    ("query_token", QUERIES),
    ("unmapped", UNMAPPED),
    (RETRY_AFTER_ANSWER, SWITCHES),
    (OUTBOX, OUTBOXES),
    (FALLBACK_FORMAT, FALLBACK_FORMATS),
];

/// The words for the branches of a source ([`super::Branches`]). The first word is the default.
pub const BRANCHES: &str = "default, all";

pub(super) const REGIONS: &str = "us, eu";
pub(super) const GROUPINGS: &str = "alert, group";
pub(super) const QUERIES: &str = "auto, on, off";
pub(super) const UNMAPPED: &str = "page, reject";
pub(super) const SWITCHES: &str = "on, off";
pub(super) const OUTBOXES: &str = "off, on, replicated";
pub(super) const FALLBACK_FORMATS: &str = "text, teams, event";

pub(super) const RETRY_AFTER_ANSWER: &str = "retry_after_answer";
pub(super) const OUTBOX: &str = "outbox";
pub(super) const FALLBACK_FORMAT: &str = "fallback_format";

/// The endpoints that operate the relay itself. Each has a secret of its own, `secret_<slug>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `act` changes an incident on behalf of a person.
    Act,
    /// `check` reports problems of the setup.
    Check,
    /// `heartbeat` notes a sign of life.
    Heartbeat,
}

impl Control {
    /// Every control endpoint.
    pub const ALL: [Control; 3] = [Control::Act, Control::Check, Control::Heartbeat];

    /// The word in the path and in the name of the variable.
    pub fn slug(self) -> &'static str {
        match self {
            Control::Act => "act",
            Control::Check => "check",
            Control::Heartbeat => "heartbeat",
        }
    }

    /// Which secrets authenticate requests: the shared secret too, if the endpoint has no secret of its own. Every vendor knows the shared
    /// secret, and no vendor may act as a person or keep a heartbeat alive. With the shared secret, check does not show its
    /// findings.
    pub fn accepted(self) -> Accepted<'static> {
        match self {
            Control::Act | Control::Heartbeat => Accepted::Own,
            Control::Check => Accepted::Any,
        }
    }
}

/// Whether a word can name a service or a template: it matches `[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*`, which Spin accepts as part of a variable's name. The name must not end
/// in `previous`: the variable of such a service would be the previous key of another.
pub fn is_service(word: &str) -> bool {
    word.len() <= SERVICE_MAX_BYTES
        && word.rsplit('_').next() != Some("previous")
        && word.split('_').all(|part| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}
