//! Errors in variables.

use std::fmt;

use super::access::{SECRET_MIN_BYTES, SHARED};
use super::pagerduty::ALERTS_END;
use super::services::DEFAULT_SERVICE;
use super::settings::SettingsError;
use crate::secret::ROUTING_KEY_CHARS;

/// The length of a REST API key. People often paste one here by mistake.
pub(super) const REST_KEY_CHARS: usize = 20;

/// A missing or invalid variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable.
    pub variable: String,
    /// The problem with it. It never contains the value.
    pub problem: Problem,
    /// The problem with variable `settings`, which could contain a variable that is missing.
    pub settings: Option<SettingsError>,
}

/// The problem with a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A base URL that neither uses `https` nor points to localhost.
    ApiUrl,
    /// A setting that is not one of these words.
    Choice(&'static str),
    /// The list of services does not contain the service of a path without a service name.
    DefaultUnlisted,
    /// A URL for the fallback that neither uses `https` nor points to localhost.
    FallbackUrl,
    /// Not in the shape of a routing key.
    KeyShape,
    /// A REST API key instead of a routing key.
    KeyIsRestKey,
    /// A URL instead of a routing key.
    KeyIsUrl,
    /// Unset, and the shared secret is not accepted instead.
    OwnUnset,
    /// Not the period of a heartbeat.
    Period,
    /// The routing key in this variable instead of a secret.
    SecretIsKeyIn(String),
    /// A public key, although the senders use a shared secret.
    SecretIsPublicKey,
    /// A secret with the prefix of a key, but without a valid key.
    SecretMalformed,
    /// A placeholder instead of a secret.
    SecretPlaceholder,
    /// A secret in the shape of a routing key.
    SecretIsRoutingKey,
    /// An endpoint's own secret that is another secret too.
    SecretShared,
    /// A secret that is too short.
    SecretShort,
    /// Not a list of services.
    ServiceList,
    /// The list of services does not contain this service.
    ServiceUnlisted,
    /// A signature is required, but this source's senders cannot sign.
    SignatureUnknown,
    /// A token that is not a user's API key.
    TokenIsOauth,
    /// A routing key instead of a user's API key.
    TokenIsRoutingKey,
    /// Not in the shape of a token.
    TokenShape,
    /// The store failed. The variable may still have a value.
    Store,
    /// Unset or blank.
    Unset,
    /// A URL that neither uses `https` nor points to localhost, or whose path does not end like PagerDuty's.
    Url,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable `{}` {}", self.variable, self.problem)?;
        match self.settings {
            Some(error) => write!(f, "; {error}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::ApiUrl | Problem::FallbackUrl => f.write_str("must be an https URL (plain http only on loopback)"),
            Problem::Choice(choices) => write!(f, "must be one of {choices}"),
            Problem::DefaultUnlisted => {
                write!(f, "does not list `{DEFAULT_SERVICE}`, the service of a path without a service name")
            }
            Problem::KeyShape => write!(f, "is not a routing key ({ROUTING_KEY_CHARS} letters and digits)"),
            Problem::KeyIsRestKey => f.write_str("holds a REST API key; use an integration key"),
            Problem::KeyIsUrl => f.write_str("holds a URL; use the integration key alone"),
            Problem::OwnUnset => {
                write!(f, "is not set; set it, because `{SHARED}` is not accepted for this path")
            }
            Problem::Period => f.write_str(
                "must be a period between 1m and 31d such as 5m, or period and grace such as 5m+2m (units s, m, h, d)",
            ),
            Problem::SecretIsKeyIn(variable) => {
                write!(f, "has the same value as variable `{variable}`; give the clients a secret of their own")
            }
            Problem::SecretIsPublicKey => {
                f.write_str("holds a public key, but this source's senders use a shared secret")
            }
            Problem::SecretMalformed => f.write_str("is malformed: whsec_ or whpk_ must be followed by a base64 key"),
            Problem::SecretPlaceholder => f.write_str("holds a placeholder; set a random secret"),
            Problem::SecretIsRoutingKey => {
                write!(f, "looks like a routing key ({ROUTING_KEY_CHARS} letters and digits); choose a longer secret")
            }
            Problem::SecretShared => f.write_str("has the same value as another secret; give it a value of its own"),
            Problem::SecretShort => write!(f, "is too short; use at least {SECRET_MIN_BYTES} characters"),
            Problem::ServiceList => write!(
                f,
                "must list services, separated by commas: lower-case words joined by single underscores, and `{DEFAULT_SERVICE}` for a path without a service name"
            ),
            Problem::ServiceUnlisted => f.write_str("does not list this service"),
            Problem::SignatureUnknown => f.write_str("requires a signature that this source's senders cannot make"),
            Problem::TokenIsOauth => f.write_str("holds an OAuth token; use a user API key"),
            Problem::TokenIsRoutingKey => f.write_str(
                "looks like a routing key; use a user API key here and put routing keys into their own variables",
            ),
            Problem::TokenShape => {
                write!(
                    f,
                    "is not a user API key ({REST_KEY_CHARS} letters, digits, plus signs, hyphens and underscores)"
                )
            }
            Problem::Store => f.write_str("could not be read: the variable store failed"),
            Problem::Unset => f.write_str("is not set"),
            Problem::Url => write!(f, "must be an https URL that ends in {ALERTS_END} (plain http only on loopback)"),
        }
    }
}

impl std::error::Error for ConfigError {}
