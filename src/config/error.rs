//! What can be wrong with a variable.

use std::fmt;

use super::access::SECRET_MIN_BYTES;
use super::pagerduty::ALERTS_END;
use super::target::ROUTING_KEY_CHARS;

/// The length of a REST API key, which is the usual thing to paste by mistake.
pub(super) const REST_KEY_CHARS: usize = 20;

/// A variable that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable to look at.
    pub variable: String,
    /// What is wrong with it, never what its value is.
    pub problem: Problem,
}

/// What is wrong with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A base URL that is neither `https` nor on loopback.
    ApiUrl,
    /// A choice that is not one of these.
    Choice(&'static str),
    /// A routing key of another shape.
    KeyShape,
    /// A REST API key where a routing key belongs.
    KeyIsRestKey,
    /// A URL where a routing key belongs.
    KeyIsUrl,
    /// A public key where senders sign with a shared secret, or show one.
    SecretIsPublicKey,
    /// A secret whose prefix promises a key that does not follow.
    SecretMalformed,
    /// A secret that stands for one to be chosen.
    SecretPlaceholder,
    /// A secret in the shape of a routing key.
    SecretIsRoutingKey,
    /// A secret that is too short to be one.
    SecretShort,
    /// A signature is asked for, and this source's senders cannot sign.
    SignatureUnknown,
    /// Another kind of token than a user's API key.
    TokenIsOauth,
    /// A routing key where a user's API key belongs.
    TokenIsRoutingKey,
    /// A token of another shape.
    TokenShape,
    /// The store failed: the variable may well have a value.
    Store,
    /// Unset or blank.
    Unset,
    /// A URL that is neither `https` nor on loopback, or does not end as PagerDuty's do.
    Url,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable `{}` ", self.variable)?;
        match self.problem {
            Problem::ApiUrl => f.write_str("must be an https URL (plain http only on loopback)"),
            Problem::Choice(choices) => write!(f, "must be one of {choices}"),
            Problem::KeyShape => write!(f, "is not a routing key ({ROUTING_KEY_CHARS} letters and digits)"),
            Problem::KeyIsRestKey => f.write_str("holds a REST API key; use an integration key"),
            Problem::KeyIsUrl => f.write_str("holds a URL; use the integration key alone"),
            Problem::SecretIsPublicKey => {
                f.write_str("holds a public key, but this source's senders use a shared secret")
            }
            Problem::SecretMalformed => f.write_str("is malformed: whsec_ or whpk_ must be followed by a base64 key"),
            Problem::SecretPlaceholder => f.write_str("holds a placeholder; set a random secret"),
            Problem::SecretIsRoutingKey => {
                write!(f, "looks like a routing key ({ROUTING_KEY_CHARS} letters and digits); choose a longer secret")
            }
            Problem::SecretShort => write!(f, "is too short; use at least {SECRET_MIN_BYTES} characters"),
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
