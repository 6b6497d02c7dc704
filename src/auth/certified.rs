//! Signatures whose public key is in a certificate. The relay fetches the certificate from a URL in the message.

use super::{AuthError, Fetch};
use crate::http::Headers;

/// A signature with a fetched certificate, as data. Such a sender shares no secret with us, and the vendor signs the
/// messages of all its customers. So the message must also belong to one of the names that the operator lists in a
/// variable.
#[derive(Debug)]
pub struct Certified {
    /// Its name in replies, logs and templates.
    pub name: &'static str,
    /// Its description for people: "signature of …".
    pub way: &'static str,
    /// The variable that lists the accepted names, separated by commas or white space.
    pub listed_in: &'static str,
    /// The message if the certificate cannot be fetched now.
    pub no_certificate: &'static str,
    /// Whether a request has such a signature, valid or not.
    pub is_presented: fn(&Headers) -> bool,
    /// Verifies a body that belongs to one of the listed names. Returns the part of the body that the signature covers.
    /// The time is in seconds since the Unix epoch. `None` if this build cannot verify such signatures. They are then
    /// ignored.
    pub verify: Option<VerifyMessage>,
}

/// Takes a body, the list of accepted origins, the time and a way to fetch the certificate.
pub type VerifyMessage = fn(&[u8], &[String], u64, Fetch<'_>) -> Result<Vec<u8>, AuthError>;
