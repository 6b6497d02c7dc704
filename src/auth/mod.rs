//! Who sent this: a request, the ways its source can prove itself, and the secret make an [`Authenticated`] delivery,
//! or nothing does.
//!
//! A scheme is data: a source lists those its vendor can use. Signatures go before the secret itself, and a signature
//! that is there and wrong is the end: nothing else is tried. Every comparison with a secret, or with what a secret has
//! signed, is in constant time. A header that comes twice, is empty, too long, not plain ASCII or has space around it
//! proves nothing.

use std::fmt;
use std::time::Duration;

use crate::http::Request;
use crate::http::Url;
use crate::http::form;
use crate::secret::Rotation;

mod certified;
mod hmac;
mod scheme;
pub mod sns;
mod standard_webhooks;

pub use self::certified::Certified;
pub use self::hmac::{Encoding as SignatureEncoding, Hash, Hmac, SignatureLayout, SignedTimestamp};
use self::scheme::Clock;
pub use self::scheme::{SHARED_SECRET, Scheme, TIMESTAMP_TOLERANCE_SECS, is_public_key};

/// Where [`Policy::query`] lets any sender put the secret.
const QUERY: Scheme<'static> = Scheme::Query("token");

/// What the operator asks of senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the secret itself is enough.
    pub signature: Signature,
    /// Whether the secret may be in the query.
    pub query: Query,
}

/// Whether the secret itself is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// It is, unless a signature is there too.
    Optional,
    /// Only a signature opens.
    Required,
    /// Only a signature over a timestamp opens.
    Timestamped,
}

/// Whether the secret may be in the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// From any sender.
    Any,
    /// From senders that can put it nowhere else, as their source's schemes say.
    Listed,
    /// From none.
    None,
}

/// What opens a source.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// The secrets; none where only signatures of [`Scheme::Certified`] open.
    pub secrets: Option<&'a Rotation>,
    /// What is asked of senders beyond knowing one.
    pub policy: Policy,
    /// Whose messages open a source with [`Scheme::Certified`].
    pub listed: &'a [String],
}

/// Fetches a certificate from an address that [`verify`] has checked.
pub type Fetch<'a> = &'a mut dyn FnMut(&Url) -> Result<Vec<u8>, FetchError>;

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchError {
    /// There is none at that address.
    Absent,
    /// It cannot be had now.
    Trouble,
}

/// A delivery whose sender is known. [`verify`] alone can make one, so nothing can be mapped without it.
#[derive(Clone)]
pub struct Authenticated<'a> {
    request: &'a Request,
    /// What is proven of the body, where that is not all of it.
    proven: Option<Vec<u8>>,
    by: AuthenticatedBy<'a>,
    /// The ways to prove oneself here: the headers and parameters that they name hold credentials, whatever they are called.
    schemes: &'a [Scheme<'a>],
}

/// What is in the name of a header or a parameter that may hold a credential.
const CREDENTIALS: &[&str] = &["auth", "cookie", "key", "password", "secret", "signature", "token"];

fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    CREDENTIALS.iter().any(|word| name.contains(word))
}

/// How the sender proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthenticatedBy<'a> {
    /// The scheme that held.
    pub scheme: Scheme<'a>,
    /// Whether it was with the secret before the one in use.
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

impl Authenticated<'_> {
    /// The bytes of the body, exactly as they came; of one that was let in by a signature over a part of it only that
    /// part.
    pub fn body(&self) -> &[u8] {
        self.proven.as_deref().unwrap_or(&self.request.body)
    }

    /// The value of a header (its name in lower case) that came once. Headers whose names suggest a credential have none.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.request.headers.once(name).filter(|_| !self.hides(name))?;
        str::from_utf8(value).ok().map(str::trim).filter(|value| !value.is_empty())
    }

    /// The headers whose names begin with `prefix`, without it, under the same rule.
    pub fn headers(&self, prefix: &str) -> Vec<(&str, &str)> {
        let names = self.request.headers.names().filter_map(|name| name.strip_prefix(prefix));
        names.filter_map(|name| Some((name, self.header(&format!("{prefix}{name}"))?))).collect()
    }

    /// The parameters of the query, decoded, but for those whose names suggest a credential.
    pub fn query(&self) -> Vec<(String, String)> {
        let pairs = form::pairs(&self.request.query).into_iter();
        pairs.filter(|(name, _)| !self.hides(name)).collect()
    }

    /// The names of the headers that [`Authenticated::header`] shows, in lower case.
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

    /// Asks something of what the same sender could have sent instead: another body, and one header fewer. It is for
    /// explaining a mapping by its answers, and nothing of it is ever sent.
    pub fn with_altered_body<T>(
        &self,
        body: Vec<u8>,
        without: Option<&str>,
        ask: impl FnOnce(&Authenticated<'_>) -> T,
    ) -> T {
        let headers = self.request.headers.without(without.unwrap_or_default());
        let Request { method, path, query, problem, .. } = self.request;
        let (method, problem) = (*method, *problem);
        let request = Request { method, path: path.clone(), query: query.clone(), headers, body: Vec::new(), problem };
        ask(&Authenticated { request: &request, proven: Some(body), by: self.by, schemes: self.schemes })
    }

    /// The path that was asked for, still percent-encoded, without a slash at its end.
    pub fn path(&self) -> &str {
        self.request.path.strip_suffix('/').unwrap_or(&self.request.path)
    }

    /// How the sender proved itself.
    pub fn authenticated_by(&self) -> AuthenticatedBy<'_> {
        self.by
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The certificate that a signature is to be checked with cannot be had now; what to do about it.
    Certificate(&'static str),
    /// The missing or invalid credentials. Which of the two is nobody's business.
    Refused,
}

/// Lets a request in where one of `schemes` holds with the current secret or the one before it. `now` is the time since
/// the Unix epoch.
///
/// The first signature scheme that the request makes use of decides alone, for or against.
///
/// # Errors
/// None holds, or it cannot be known now.
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
    let any = (policy.query == Query::Any).then_some(QUERY);
    shown.chain(any).filter(|scheme| !scheme.is_signature()).find_map(prove).ok_or(AuthError::Refused)
}

/// A secret begins with `whsec_` or `whpk_`, and what follows is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

/// Whether a secret with a prefix that promises a key holds one.
///
/// # Errors
/// It does not.
pub fn check_key(secret: &str) -> Result<(), MalformedKey> {
    standard_webhooks::check_key(secret)
}
