//! Authenticates senders. [`verify`] takes a request, the schemes of its source and the secrets, and returns an
//! [`Authenticated`] delivery or an error.
//!
//! A scheme is data, and a source lists the schemes that its vendor can use. Signatures take precedence over the shared
//! secret. If a signature is present and invalid, the request is rejected, and no other scheme is considered. Every
//! comparison with a secret or a signature takes constant time. A header does not count as a credential if it occurs
//! twice, is empty, too long or not plain ASCII, or has space around its value.
//!
//! A client of another product's API may put its key into the body. [`verify_body`] looks there, if no header
//! authenticates the request, and [`Authenticated::decoded`] removes the key before the body goes any further.

use std::time::Duration;

use crate::http::{ReadError, Request, Url};
use crate::secret::{Rotation, Secret};

mod body;
mod certified;
mod delivery;
mod hmac;
mod scheme;
pub mod sns;
mod standard_webhooks;

pub use self::body::{may_be_in_body, verify_body};
pub use self::certified::{Certified, VerifyMessage};
pub use self::delivery::{Authenticated, AuthenticatedBy};
pub use self::hmac::{Encoding as SignatureEncoding, Hash, Hmac, SignatureLayout, SignedTimestamp};
use self::scheme::Clock;
pub use self::scheme::{SHARED_SECRET, Scheme, TIMESTAMP_TOLERANCE_SECS, is_public_key};

/// Where any sender may put the secret if [`Policy::query`] allows it.
const QUERY: Scheme<'static> = Scheme::Query("token");

/// The operator's requirements for senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether a signature is required.
    pub signature: Signature,
    /// Whether the secret may be in the query.
    pub query: Query,
}

/// Whether a signature is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The shared secret is enough, unless the request has a signature.
    Optional,
    /// A signature is required.
    Required,
    /// A signature that covers a timestamp is required.
    Timestamped,
}

/// Whether the secret may be in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Any sender may use the query, except those of a source that accepts only signatures.
    Any,
    /// Only senders that cannot set a header may use it, according to the schemes of their source.
    Listed,
    /// No sender may use it.
    None,
}

/// The secrets of a source, and the requirements for its senders.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The secrets. `None` if the source accepts only [`Scheme::Certified`] signatures, or only secrets of services.
    pub secrets: Option<&'a Rotation>,
    /// The secrets of services, each with its service: the secret names the service.
    pub of_services: &'a [(String, Rotation)],
    /// The operator's further requirements.
    pub policy: Policy,
    /// The names that [`Scheme::Certified`] accepts.
    pub listed: &'a [String],
}

impl<'a> Access<'a> {
    /// Finds the secret that a sender has shown: the service that it belongs to, and whether it is the previous value. It
    /// compares all secrets, so the time does not depend on which of them it is.
    fn shown(&self, is_shown: impl Fn(&Secret) -> bool) -> Option<(Option<&'a str>, bool)> {
        let of_services = self.of_services.iter().map(|(service, secrets)| (Some(service.as_str()), secrets));
        let mut found = None;
        for (service, secrets) in self.secrets.map(|secrets| (None, secrets)).into_iter().chain(of_services) {
            let previous = secrets.previous.as_ref().is_some_and(&is_shown);
            let current = is_shown(&secrets.current);
            found = found.or((current || previous).then_some((service, !current)));
        }
        found
    }
}

/// Fetches a certificate from a URL that [`verify`] has checked.
pub type Fetch<'a> = &'a mut dyn FnMut(&Url) -> Result<Vec<u8>, FetchError>;

/// Why a document could not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// The document does not exist at that URL.
    Absent,
    /// The document cannot be fetched now.
    Trouble,
}

/// Why a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The key should be in the body, but the body could not be decompressed.
    Body(ReadError),
    /// The certificate for a signature cannot be fetched now. The text says what to do about it.
    Certificate(&'static str),
    /// The key should be in the body, but the body is not a JSON object.
    NotObject,
    /// The credentials are missing or invalid. The reply does not reveal which.
    Refused,
    /// The key is none of the secrets, and looks like a routing key: somebody has changed only the URL of a program.
    RoutingKey,
}

/// Authenticates a request by one of `schemes`, with the current or the previous secret. `now` is the time since the
/// Unix epoch.
///
/// If the request has a signature, the first signature scheme that it uses decides alone.
///
/// # Errors
/// Returns [`AuthError`] if no scheme succeeds, or if a certificate cannot be fetched.
pub fn verify<'a>(
    request: &'a Request,
    schemes: &'a [Scheme<'a>],
    access: Access<'a>,
    now: Duration,
    fetch: Fetch<'_>,
) -> Result<Authenticated<'a>, AuthError> {
    let Access { policy, listed, .. } = access;
    let clock = Clock { now: now.as_secs(), timestamped: policy.signature == Signature::Timestamped };
    let prove = |scheme: Scheme<'a>| {
        let shown = access.shown(|secret| scheme.verify(request, secret, clock));
        shown.map(|(service, previous)| {
            Authenticated::new(request, schemes, AuthenticatedBy { scheme, previous, service }, None)
        })
    };
    match schemes.iter().copied().find(|scheme| scheme.is_presented(&request.headers, listed)) {
        Some(scheme @ Scheme::Certified(Certified { verify: Some(verify), .. })) => {
            let proven = Some(verify(&request.body, listed, clock.now, fetch)?);
            let by = AuthenticatedBy { scheme, previous: false, service: None };
            return Ok(Authenticated::new(request, schemes, by, proven));
        }
        Some(scheme) => return prove(scheme).ok_or(AuthError::Refused),
        None if policy.signature != Signature::Optional => return Err(AuthError::Refused),
        None => {}
    }
    let in_query = |scheme: &Scheme<'_>| matches!(scheme, Scheme::Query(_));
    let shown = schemes.iter().copied().filter(|scheme| policy.query != Query::None || !in_query(scheme));
    // A sender that only signs never sends the secret itself, so nobody else may either.
    let signs_only = schemes.iter().all(|scheme| scheme.is_signature());
    let any = (policy.query == Query::Any && !signs_only).then_some(QUERY);
    shown.chain(any).filter(|scheme| !scheme.is_signature()).find_map(prove).ok_or(AuthError::Refused)
}

/// Whether a request has a signature of one of `schemes`, valid or not. If it has none, its headers and its query decide
/// whether its sender is authenticated, and its body does not matter. `listed` is [`Access::listed`].
pub fn is_signed(request: &Request, schemes: &[Scheme<'_>], listed: &[String]) -> bool {
    schemes.iter().any(|scheme| scheme.is_presented(&request.headers, listed))
}

/// Whether the senders with these schemes may send a password only after a challenge. That applies to senders that can
/// use no other header for the secret: Amazon SNS and Google Cloud Monitoring document it. All others send the secret
/// with the first request.
pub fn awaits_challenge(schemes: &[Scheme<'_>]) -> bool {
    let other = |scheme: &Scheme<'_>| matches!(scheme, Scheme::Authorization(_) | Scheme::Header(_));
    schemes.iter().any(|scheme| matches!(scheme, Scheme::Basic)) && !schemes.iter().any(other)
}

/// A secret begins with `whsec_` or `whpk_`, but the rest is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

/// Checks that a secret with the prefix of a key contains a key.
///
/// # Errors
/// Returns [`MalformedKey`] if it does not.
pub fn check_key(secret: &str) -> Result<(), MalformedKey> {
    standard_webhooks::check_key(secret)
}
