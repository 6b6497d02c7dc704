//! Authenticates senders. [`verify`] takes a request, the schemes of its source and the secrets, and returns an
//! [`Authenticated`] delivery or an error.
//!
//! A scheme is data, and a source lists the schemes that its vendor can use. Signatures take precedence over the shared
//! secret. If a signature is present and invalid, the request is rejected, and no other scheme is considered. Every
//! comparison with a secret or a signature takes constant time. A header does not count as a credential if it occurs
//! twice, is empty, too long or not plain ASCII, or has space around its value.

use std::fmt;
use std::time::Duration;

use crate::http::Request;
use crate::http::Url;
use crate::http::{ReadError, encoding, form};
use crate::secret::Rotation;

mod certified;
mod hmac;
mod scheme;
pub mod sns;
mod standard_webhooks;

pub use self::certified::{Certified, VerifyMessage};
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
    /// The secrets. `None` if the source accepts only [`Scheme::Certified`] signatures.
    pub secrets: Option<&'a Rotation>,
    /// The operator's further requirements.
    pub policy: Policy,
    /// The names that [`Scheme::Certified`] accepts.
    pub listed: &'a [String],
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

/// A delivery from an authenticated sender. Only [`verify`] creates one, so nothing can be mapped without
/// authentication.
#[derive(Clone)]
pub struct Authenticated<'a> {
    request: &'a Request,
    /// The part of the body that the signature covers, or the decompressed body. `None` if the body is as sent.
    proven: Option<Vec<u8>>,
    by: AuthenticatedBy<'a>,
    /// The schemes of the source. The headers and parameters that they name hold credentials, whatever their names are.
    schemes: &'a [Scheme<'a>],
}

/// A header or a parameter may hold a credential if its name contains one of these words.
const CREDENTIALS: &[&str] = &["auth", "cookie", "key", "password", "secret", "signature", "token"];

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word))
}

/// How a sender authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticatedBy<'a> {
    /// The scheme that succeeded.
    pub scheme: Scheme<'a>,
    /// Whether it succeeded with the previous secret.
    pub previous: bool,
}

impl fmt::Display for AuthenticatedBy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scheme.name();
        match self.scheme {
            Scheme::Certified(_) => write!(f, "{name}, certificate"),
            _ if self.previous => write!(f, "{name}, previous secret"),
            _ => write!(f, "{name}, current secret"),
        }
    }
}

impl<'a> Authenticated<'a> {
    /// The bytes of the body. If the signature covers only part of it, that part. After [`Authenticated::decoded`],
    /// decompressed.
    pub fn body(&self) -> &[u8] {
        self.proven.as_deref().unwrap_or(&self.request.body)
    }

    /// Decompresses the body, as its `Content-Encoding` says. Signatures cover the bytes as sent. If that fails, the
    /// body is empty, and the second value says why.
    pub fn decoded(mut self) -> (Self, Option<ReadError>) {
        if self.proven.is_some() {
            return (self, None);
        }
        let decoded = encoding::decode(&self.request.headers, &self.request.body);
        let (proven, problem) = match decoded {
            Ok(body) => (body, None),
            Err(problem) => (Some(Vec::new()), Some(problem)),
        };
        self.proven = proven;
        (self, problem)
    }

    /// The value of a header (its name in lower case). Returns `None` if the header is absent, occurs more than once,
    /// or may hold a credential.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.request.headers.once(name).filter(|_| !self.hides(name))?;
        str::from_utf8(value).ok().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The headers whose names begin with `prefix`, by the rest of their names. [`Authenticated::header`] decides which
    /// are visible.
    pub fn headers(&self, prefix: &str) -> Vec<(&str, &str)> {
        let names = self.request.headers.names().filter_map(|name| name.strip_prefix(prefix));
        names.filter_map(|name| Some((name, self.header(&format!("{prefix}{name}"))?))).collect()
    }

    /// The decoded parameters of the query, except those that may hold a credential.
    pub fn query(&self) -> Vec<(String, String)> {
        let pairs = form::pairs(&self.request.query).into_iter();
        pairs.filter(|(name, _)| !self.hides(name)).collect()
    }

    /// The names of the headers that [`Authenticated::header`] returns, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.request.headers.names().filter(|name| !self.hides(name))
    }

    /// Whether a header or a parameter of this name may hold a credential.
    fn hides(&self, name: &str) -> bool {
        let names = |scheme: &Scheme<'_>| match scheme {
            Scheme::Header(own) | Scheme::Query(own) => own.eq_ignore_ascii_case(name),
            Scheme::Hmac(hmac) => hmac.header == name,
            Scheme::Basic | Scheme::Bearer | Scheme::Certified(_) | Scheme::StandardWebhooks => false,
        };
        is_credential(name) || self.schemes.iter().any(names)
    }

    /// The same delivery with the body of `request`, which arrived after its headers had authenticated the sender. A
    /// signature covers the body that it was verified with, so nothing changes for one.
    #[must_use]
    pub fn with_body_of(self, request: &'a Request) -> Self {
        if self.by.scheme.is_signature() { self } else { Authenticated { request, ..self } }
    }

    /// The same delivery with the message that its body contains as its body.
    #[must_use]
    pub fn opened(&self, message: Vec<u8>) -> Self {
        Authenticated { proven: Some(message), ..self.clone() }
    }

    /// Calls `ask` with a delivery of the same sender that has another body, and no headers of the names `without` (in
    /// lower case). This explains a mapping by re-running it. Nothing of it is ever sent.
    pub fn with_altered_body<T>(
        &self,
        body: Vec<u8>,
        without: &[String],
        ask: impl FnOnce(&Authenticated<'_>) -> T,
    ) -> T {
        let headers = self.request.headers.without(without);
        let Request { method, path, query, problem, .. } = self.request;
        let (method, problem) = (*method, *problem);
        let request = Request { method, path: path.clone(), query: query.clone(), headers, body: Vec::new(), problem };
        ask(&Authenticated { request: &request, proven: Some(body), by: self.by, schemes: self.schemes })
    }

    /// Whether a browser sent the request for a page of another site.
    pub fn is_cross_site(&self) -> bool {
        self.request.is_cross_site()
    }

    /// The path of the request, still percent-encoded, without a trailing slash.
    pub fn path(&self) -> &str {
        self.request.path.strip_suffix('/').unwrap_or(&self.request.path)
    }

    /// How the sender authenticated.
    pub fn authenticated_by(&self) -> AuthenticatedBy<'_> {
        self.by
    }
}

/// Why a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The certificate for a signature cannot be fetched now. The text says what to do about it.
    Certificate(&'static str),
    /// The credentials are missing or invalid. The reply does not reveal which.
    Refused,
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
    access: Access<'_>,
    now: Duration,
    fetch: Fetch<'_>,
) -> Result<Authenticated<'a>, AuthError> {
    let Access { secrets, policy, listed } = access;
    let clock = Clock { now: now.as_secs(), timestamped: policy.signature == Signature::Timestamped };
    let known =
        |scheme, previous| Authenticated { request, proven: None, by: AuthenticatedBy { scheme, previous }, schemes };
    let prove = |scheme: Scheme<'a>| {
        let secrets = secrets?;
        let previous = secrets.previous.as_ref().is_some_and(|secret| scheme.verify(request, secret, clock));
        let current = scheme.verify(request, &secrets.current, clock);
        (current || previous).then(|| known(scheme, !current))
    };
    match schemes.iter().copied().find(|scheme| scheme.is_presented(&request.headers, listed)) {
        Some(scheme @ Scheme::Certified(certified)) => {
            let proven = Some((certified.verify)(&request.body, listed, clock.now, fetch)?);
            return Ok(Authenticated { proven, ..known(scheme, false) });
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
    let other = |scheme: &Scheme<'_>| matches!(scheme, Scheme::Bearer | Scheme::Header(_));
    schemes.contains(&Scheme::Basic) && !schemes.iter().any(other)
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
