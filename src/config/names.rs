//! The names of variables.

/// A variable that every deployment declares in its `spin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
}

/// The variables that every deployment needs, in the order of `spin.toml`.
///
/// The relay also reads the sources' own variables, and, if a request's path names them, `secret_<source>` and
/// `routing_key_<service>`, each with its `_previous`, and `require_signature_<source>`. [`Control`] endpoints have
/// such variables too. Tests and the dev server set `events_url` and `api_url`.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "webhook_secret", secret: true },
    Variable { name: "webhook_secret_previous", secret: true },
    Variable { name: "routing_key", secret: true },
    Variable { name: "routing_key_previous", secret: true },
    Variable { name: "region", secret: false },
    Variable { name: "grouping", secret: false },
    Variable { name: "query_token", secret: false },
    Variable { name: "unmapped", secret: false },
    Variable { name: "api_token", secret: true },
];

/// The settings that accept one of a few words, with those words. The first word is the default.
pub const SETTINGS: &[(&str, &str)] =
    &[("region", REGIONS), ("grouping", GROUPINGS), ("query_token", QUERIES), ("unmapped", UNMAPPED)];

pub(super) const REGIONS: &str = "us, eu";
pub(super) const GROUPINGS: &str = "alert, group";
pub(super) const QUERIES: &str = "auto, on, off";
pub(super) const UNMAPPED: &str = "page, reject";

/// The endpoints that operate the relay itself: act and check. Each has a secret of its own, `secret_<slug>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// `act` changes an incident on behalf of a person.
    Act,
    /// `check` reports problems of the setup.
    Check,
}

impl Control {
    /// Every control endpoint.
    pub const ALL: [Control; 2] = [Control::Act, Control::Check];

    /// The word in the path and in the name of the variable.
    pub fn slug(self) -> &'static str {
        match self {
            Control::Act => "act",
            Control::Check => "check",
        }
    }

    /// Whether the shared secret is accepted if the endpoint has no secret of its own. Every vendor knows the shared
    /// secret, and no vendor may act as a person.
    pub fn opens_to_shared_secret(self) -> bool {
        match self {
            Control::Act => false,
            Control::Check => true,
        }
    }
}
