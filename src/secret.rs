//! Values that must never be shown: webhook secrets, routing keys and tokens.
//!
//! A [`Secret`] has no `Display` and no `Serialize`, its `Debug` is redacted, and comparison takes constant time.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::text;

/// How much of a routing key may be shown, in characters.
pub const TAIL_CHARS: usize = 4;

/// The length of a routing key (an integration key or an orchestration key), in characters.
pub const ROUTING_KEY_CHARS: usize = 32;

/// Whether a text has the shape of a routing key: 32 letters and digits, in any case. Some keys contain letters beyond
/// `f`.
pub fn is_routing_key(text: &str) -> bool {
    text.len() == ROUTING_KEY_CHARS && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A secret value. Code can read it only by calling [`Secret::expose`].
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value from the variable store.
    pub fn new(value: String) -> Self {
        Secret(value)
    }

    /// Whether `offered` is this secret. The time it takes does not depend on the content of either value, nor on where
    /// they differ.
    ///
    /// The function compares digests instead of the values, so the time does not reveal the secret's length either.
    pub fn matches(&self, offered: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(offered)).into()
    }

    /// Replaces every occurrence of this secret in `text`, also with characters that JSON or a URL escapes.
    pub fn redact(&self, text: &str) -> String {
        text::redact_escaped(text, &self.0)
    }

    /// Whether both are the same value.
    pub fn equals(&self, other: &Secret) -> bool {
        self.matches(other.0.as_bytes())
    }

    /// The last four characters, so that a person can recognise a routing key. Returns an empty text if the value is
    /// shorter than a key.
    pub fn tail(&self) -> &str {
        let at = self.0.len().checked_sub(TAIL_CHARS).filter(|at| *at >= 2 * TAIL_CHARS);
        at.and_then(|at| self.0.get(at..)).unwrap_or_default()
    }

    /// The value of header `Authorization` with this secret, for an outbound request: `<scheme> <secret>`.
    pub fn authorization(&self, scheme: &str) -> String {
        [scheme, " ", &self.0].concat()
    }

    /// The value itself, for code that has to send it or compute with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A value under rotation: the current one, and the previous one while both are accepted.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The current value.
    pub current: Secret,
    /// The previous value, if the operator still allows it.
    pub previous: Option<Secret>,
}

impl Rotation {
    /// Replaces every occurrence of either value in `text`.
    pub fn redact(&self, text: &str) -> String {
        let text = self.current.redact(text);
        self.previous.as_ref().map(|previous| previous.redact(&text)).unwrap_or(text)
    }
}
