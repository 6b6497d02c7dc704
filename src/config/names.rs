//! The names of variables.

/// A variable that every deployment has in its `spin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
}

/// The variables that everyone needs, in the order of `spin.toml`.
///
/// Beside them, the sources' own variables, `secret_<source>` and `routing_key_<service>`, each with its `_previous`, and `require_signature_<source>`
/// are read where a request's path asks for them, those of [`Control`] among them, and `events_url` and
/// `api_url` for tests and the dev server.
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

/// The settings that are one of some words, each with these; the first is what an unset one means.
pub const SETTINGS: &[(&str, &str)] =
    &[("region", REGIONS), ("grouping", GROUPINGS), ("query_token", QUERIES), ("unmapped", UNMAPPED)];

pub(super) const REGIONS: &str = "us, eu";
pub(super) const GROUPINGS: &str = "alert, group";
pub(super) const QUERIES: &str = "auto, on, off";
pub(super) const UNMAPPED: &str = "page, reject";

/// What is done with the relay itself rather than with a delivery. Each has a secret of its own, `secret_<slug>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Changing an incident as a person.
    Act,
    /// Looking at the set-up.
    Check,
}

impl Control {
    /// All of them.
    pub const ALL: [Control; 2] = [Control::Act, Control::Check];

    /// The word in the path and in the variable's name.
    pub fn slug(self) -> &'static str {
        match self {
            Control::Act => "act",
            Control::Check => "check",
        }
    }

    /// Whether the shared secret opens it where it has none of its own. Every vendor holds that one, and none may act as a
    /// person.
    pub fn opens_to_shared_secret(self) -> bool {
        match self {
            Control::Act => false,
            Control::Check => true,
        }
    }
}
