//! Signatures by a public key that has to be fetched: it is in a certificate, and the message says where.

use std::fmt;

use super::{AuthError, Fetch};
use crate::http::Headers;

/// A scheme of this kind, as data. Whoever signs so shares no secret with us, so what counts is whose message it is: the
/// operator lists them in a variable.
pub struct Certified {
    /// Its name in replies, logs and templates.
    pub name: &'static str,
    /// What a person is told of it: "signature of …".
    pub way: &'static str,
    /// The variable that lists whose messages open a source, separated by commas.
    pub listed_in: &'static str,
    /// Whether this build can verify it. Where it cannot, no signature of the kind is looked at.
    pub built_in: bool,
    /// What to say where the certificate cannot be had now.
    pub no_certificate: &'static str,
    /// Whether a request makes use of it.
    pub is_presented: fn(&Headers) -> bool,
    /// Gives what is proven of the body of a message about one of those listed. The time is in seconds since the Unix
    /// epoch.
    pub verify: for<'a> fn(&'a [u8], &'a [String], u64, Fetch<'a>) -> Result<Vec<u8>, AuthError>,
}

impl PartialEq for Certified {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Certified {}

impl fmt::Debug for Certified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
