//! Values that must not be seen: webhook secrets, routing keys and tokens.
//!
//! A [`Secret`] has no `Display` and no `Serialize`, its `Debug` is redacted, and it is compared in constant time.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::text;

/// How much of a routing key may be shown, in characters.
const TAIL_CHARS: usize = 4;

/// A secret value. It is written out in one place only, where [`Secret::expose`] is called.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes a value as it came from the variable store.
    pub fn new(value: String) -> Self {
        Secret(value)
    }

    /// Whether `offered` is this secret, in a time that depends on neither's content nor on where they differ.
    ///
    /// Digests are compared rather than the values, so that not even the secret's length shows.
    pub fn matches(&self, offered: &[u8]) -> bool {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(offered)).into()
    }

    /// `text` without this secret, wherever it stands.
    pub fn redact(&self, text: &str) -> String {
        text::redact(text, &self.0)
    }

    /// Whether both are the same value.
    pub fn equals(&self, other: &Secret) -> bool {
        self.matches(other.0.as_bytes())
    }

    /// Its last four characters, by which a person knows a routing key again; nothing of what is shorter than a key.
    pub fn tail(&self) -> &str {
        let at = self.0.len().checked_sub(TAIL_CHARS).filter(|at| *at >= 2 * TAIL_CHARS);
        at.and_then(|at| self.0.get(at..)).unwrap_or_default()
    }

    /// The value itself, for the one place that has to send it or compute with it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A value that is being replaced: the one in use and, for as long as both are good, the one before it.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The value in use.
    pub current: Secret,
    /// The value before it, where the operator still allows it.
    pub previous: Option<Secret>,
}

impl Rotation {
    /// `text` without either value.
    pub fn redact(&self, text: &str) -> String {
        let text = self.current.redact(text);
        self.previous.as_ref().map(|previous| previous.redact(&text)).unwrap_or(text)
    }
}
