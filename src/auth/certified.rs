//! Signatures whose public key is in a certificate. The relay fetches the certificate from a URL in the message.

use std::fmt;

use super::{AuthError, Fetch};
use crate::http::Headers;

/// A signature with a fetched certificate, as data. Such a sender shares no secret with us, and the vendor signs the
/// messages of all its customers. So the message must also belong to one of the names that the operator lists in a
/// variable.
pub struct Certified {
    /// Its name in replies, logs and templates.
    pub name: &'static str,
    /// Its description for people: "signature of …".
    pub way: &'static str,
    /// The variable that lists the accepted names, separated by commas or white space.
    pub listed_in: &'static str,
    /// Whether this build can verify it. If not, signatures of this kind are ignored.
    pub built_in: bool,
    /// The message if the certificate cannot be fetched now.
    pub no_certificate: &'static str,
    /// Whether a request has such a signature, valid or not.
    pub is_presented: fn(&Headers) -> bool,
    /// Verifies a body that belongs to one of the listed names. Returns the part of the body that the signature covers.
    /// The time is in seconds since the Unix epoch.
    pub verify: VerifyMessage,
}

/// Takes a body, the list of accepted origins, the time and a way to fetch the certificate.
pub type VerifyMessage = fn(&[u8], &[String], u64, Fetch<'_>) -> Result<Vec<u8>, AuthError>;

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
