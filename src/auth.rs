//! Who sent this: a request, the ways its source can prove itself, and the secret make an [`Authenticated`] delivery,
//! or nothing does.
//!
//! A scheme is data: a source lists those its vendor can use. Signatures go before the secret itself, and a signature
//! that is there and wrong is the end: nothing else is tried. Every comparison with a secret, or with what a secret has
//! signed, is in constant time. A header that comes twice, is empty, too long, not plain ASCII or has space around it
//! proves nothing.

use std::fmt;
use std::time::Duration;

use base64ct::{Base64, Encoding};

use crate::host::Url;
use crate::request::{Headers, Request};
use crate::secret::{Rotation, Secret};

mod hmac;
#[cfg(feature = "sns")]
mod sns;
mod standard;

pub use self::hmac::{Encoding as SignatureEncoding, Form, Hash, Hmac, Stamp};

/// The longest header that is looked at for a credential, in bytes.
const CREDENTIAL_MAX_BYTES: usize = 4096;

/// How far a signed timestamp may be from our clock, in seconds, either way. Standard Webhooks' reference libraries
/// have it so, and vendors that name a number name this one.
pub const TIMESTAMP_TOLERANCE_SECS: u64 = 300;

/// A way for a sender to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Basic`, any user name, the secret as the password (RFC 7617).
    Basic,
    /// `Authorization: Bearer`, the secret as the token (RFC 6750).
    Bearer,
    /// The secret itself in a header of this name, in lower case.
    Header(&'static str),
    /// A signature by HMAC.
    Hmac(&'static Hmac),
    /// The secret itself as a query parameter of this name. It ends up in other people's logs, so it is for senders that
    /// can set nothing else.
    Query(&'static str),
    /// Amazon SNS: a signature whose key is in a certificate of Amazon's, about a topic of [`Access::topics`]. Where no
    /// topic is listed, or without cargo feature `sns`, no signature of SNS is looked at.
    Sns,
    /// Standard Webhooks (<https://www.standardwebhooks.com>): `v1` with a `whsec_` secret, `v1a` with a `whpk_` key.
    StandardWebhooks,
}

/// The secret itself, in any of the places where a sender with a free choice of headers can put it.
pub const SHARED_SECRET: &[Scheme] = &[Scheme::Bearer, Scheme::Basic, Scheme::Header("x-webhook-secret")];

/// Where [`Policy::query`] lets any sender put the secret.
const QUERY: Scheme = Scheme::Query("token");

impl Scheme {
    /// The scheme's name in replies, logs and the README.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Basic => "basic",
            Scheme::Bearer => "bearer",
            Scheme::Header(name) => name,
            Scheme::Hmac(hmac) => hmac.header,
            Scheme::Query(name) => name,
            Scheme::Sns => "sns",
            Scheme::StandardWebhooks => "standard webhooks",
        }
    }

    /// Whether it is a signature rather than the secret itself.
    pub fn is_signature(self) -> bool {
        matches!(self, Scheme::Hmac(_) | Scheme::Sns | Scheme::StandardWebhooks)
    }

    /// Whether a signature under this scheme is over a timestamp too, or can be.
    pub fn signs_time(self) -> bool {
        match self {
            Scheme::Hmac(hmac) => hmac.stamp != Stamp::None || matches!(hmac.form, Form::Fields { .. }),
            Scheme::Sns | Scheme::StandardWebhooks => true,
            Scheme::Basic | Scheme::Bearer | Scheme::Header(_) | Scheme::Query(_) => false,
        }
    }

    /// Whether the request has a signature under this scheme, right or wrong.
    fn is_presented(self, headers: &Headers, topics: &[String]) -> bool {
        match self {
            Scheme::Hmac(hmac) => headers.has(hmac.header),
            #[cfg(feature = "sns")]
            Scheme::Sns => !topics.is_empty() && headers.has(sns::MESSAGE_TYPE) && !headers.has(sns::RAW_DELIVERY),
            #[cfg(not(feature = "sns"))]
            Scheme::Sns => {
                let _ = topics;
                false
            }
            Scheme::StandardWebhooks => headers.has(standard::SIGNATURE),
            Scheme::Basic | Scheme::Bearer | Scheme::Header(_) | Scheme::Query(_) => false,
        }
    }

    /// Whether the request proves under this scheme that its sender knows the secret.
    fn holds(self, request: &Request, secret: &Secret, moment: Moment) -> bool {
        let headers = &request.headers;
        match self {
            // An empty key signs what anybody can sign.
            _ if secret.expose().is_empty() => false,
            Scheme::StandardWebhooks => standard::verify(headers, &request.body, secret, moment),
            // A public key is no secret: whoever has it could sign with it, or show it.
            _ if is_public_key(secret) => false,
            Scheme::Hmac(hmac) => hmac.verify(headers, &request.body, secret, moment),
            // Nobody shares a secret with SNS.
            Scheme::Sns => false,
            Scheme::Basic | Scheme::Bearer | Scheme::Header(_) | Scheme::Query(_) => {
                self.offered(request).is_some_and(|offered| secret.matches(&offered))
            }
        }
    }

    /// What the request offers as the secret itself.
    fn offered(self, request: &Request) -> Option<Vec<u8>> {
        let headers = &request.headers;
        match self {
            Scheme::Basic => {
                let pair = Base64::decode_vec(authorization(headers, "basic")?).ok()?;
                // Only the first colon separates: a password may hold more of them.
                let colon = pair.iter().position(|&byte| byte == b':')?;
                pair.get(colon + 1..).map(<[u8]>::to_vec)
            }
            Scheme::Bearer => authorization(headers, "bearer").map(|token| token.as_bytes().to_vec()),
            Scheme::Header(name) => credential(headers, name).map(|value| value.as_bytes().to_vec()),
            Scheme::Query(name) => {
                let pairs = request.query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
                let mut values = pairs.filter(|(given, _)| *given == name);
                let (_, value) = values.next()?;
                let fits = values.next().is_none() && value.len() <= CREDENTIAL_MAX_BYTES;
                let escape = |part: &str| part.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
                let well_formed = fits && value.split('%').skip(1).all(escape);
                well_formed.then(|| percent_encoding::percent_decode_str(value).collect())
            }
            Scheme::Hmac(_) | Scheme::Sns | Scheme::StandardWebhooks => None,
        }
    }
}

/// Whether what is set as a secret is a public key, which only [`Scheme::StandardWebhooks`] can use.
pub fn is_public_key(secret: &Secret) -> bool {
    secret.expose().starts_with(standard::PUBLIC_KEY)
}

/// The one value of a header, where it can be a credential at all.
fn credential<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let value = headers.once(name)?;
    let fits = !value.is_empty() && value.len() <= CREDENTIAL_MAX_BYTES;
    // Visible ASCII and the space: what RFC 9110 section 5.5 leaves of a field value without obsolete text.
    let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    // A runtime that reads HTTP has taken the space around a value away.
    str::from_utf8(value).ok().filter(|value| fits && plain && value.trim() == *value)
}

/// The credentials of the `Authorization` header, where it names this scheme (in any case, RFC 9110 section 11.1).
fn authorization<'a>(headers: &'a Headers, scheme: &str) -> Option<&'a str> {
    let (name, credentials) = credential(headers, "authorization")?.split_once(' ')?;
    let credentials = credentials.trim_start_matches(' ');
    (name.eq_ignore_ascii_case(scheme) && !credentials.is_empty()).then_some(credentials)
}

/// When a signed timestamp is looked at, and whether there has to be one.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: u64,
    timestamped: bool,
}

impl Moment {
    /// Whether a timestamp (Unix seconds in digits, no sign) is within the tolerance, before or after.
    fn is_near(self, timestamp: &str) -> bool {
        let digits = (1..=19).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        // Nineteen digits are below 2^64.
        let time = timestamp.parse::<u64>().ok().filter(|_| digits);
        time.is_some_and(|time| time.abs_diff(self.now) <= TIMESTAMP_TOLERANCE_SECS)
    }
}

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
    /// The secrets.
    pub secrets: &'a Rotation,
    /// What is asked of senders beyond knowing one.
    pub policy: Policy,
    /// The topics (ARNs) whose messages open a source with [`Scheme::Sns`].
    pub topics: &'a [String],
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
#[derive(Clone, Debug)]
pub struct Authenticated<'a> {
    body: &'a [u8],
    proof: Proof,
}

/// How the sender proved itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The scheme that held.
    pub scheme: Scheme,
    /// Whether it was with the secret before the one in use.
    pub previous: bool,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.scheme.name();
        match self.scheme {
            Scheme::Sns => write!(f, "{name}, certificate"),
            _ if self.previous => write!(f, "{name}, previous secret"),
            _ => write!(f, "{name}, current secret"),
        }
    }
}

impl<'a> Authenticated<'a> {
    /// The bytes of the body, exactly as they came.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// How the sender proved itself.
    pub fn proof(&self) -> Proof {
        self.proof
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The certificate that a signature is to be checked with cannot be had now.
    Certificate,
    /// The credentials are absent or wrong. Which of the two is nobody's business.
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
    schemes: &[Scheme],
    access: Access<'_>,
    now: Duration,
    fetch: Fetch<'_>,
) -> Result<Authenticated<'a>, AuthError> {
    let Access { secrets, policy, topics } = access;
    let moment = Moment { now: now.as_secs(), timestamped: policy.signature == Signature::Timestamped };
    let known = |scheme, previous| Authenticated { body: &request.body, proof: Proof { scheme, previous } };
    let prove = |scheme: Scheme| {
        let previous = secrets.previous.as_ref().is_some_and(|secret| scheme.holds(request, secret, moment));
        let current = scheme.holds(request, &secrets.current, moment);
        (current || previous).then(|| known(scheme, !current))
    };
    match schemes.iter().copied().find(|scheme| scheme.is_presented(&request.headers, topics)) {
        Some(Scheme::Sns) => {
            return signed_by_amazon(request, topics, moment, fetch).map(|()| known(Scheme::Sns, false));
        }
        Some(scheme) => return prove(scheme).ok_or(AuthError::Refused),
        None if policy.signature != Signature::Optional => return Err(AuthError::Refused),
        None => {}
    }
    let in_query = |scheme: &Scheme| matches!(scheme, Scheme::Query(_));
    let listed = schemes.iter().copied().filter(|scheme| policy.query != Query::None || !in_query(scheme));
    let any = (policy.query == Query::Any).then_some(QUERY);
    listed.chain(any).filter(|scheme| !scheme.is_signature()).find_map(prove).ok_or(AuthError::Refused)
}

/// Whether the body is a message of Amazon SNS about one of `topics`.
#[cfg(feature = "sns")]
fn signed_by_amazon(request: &Request, topics: &[String], moment: Moment, fetch: Fetch<'_>) -> Result<(), AuthError> {
    let claim = sns::Claim::read(&request.body, topics, moment.now).ok_or(AuthError::Refused)?;
    let certificate = fetch(&claim.certificate).map_err(|error| match error {
        FetchError::Absent => AuthError::Refused,
        FetchError::Trouble => AuthError::Certificate,
    })?;
    // What came in its place may be a proxy's page.
    let key = sns::Key::read(&certificate).ok_or(AuthError::Certificate)?;
    claim.holds(&key, moment.now).then_some(()).ok_or(AuthError::Refused)
}

#[cfg(not(feature = "sns"))]
fn signed_by_amazon(_: &Request, _: &[String], _: Moment, _: Fetch<'_>) -> Result<(), AuthError> {
    Err(AuthError::Refused)
}

/// A secret begins with `whsec_` or `whpk_`, and what follows is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedKey;

/// Whether a secret with a prefix that promises a key holds one.
///
/// # Errors
/// It does not.
pub fn check_key(secret: &str) -> Result<(), MalformedKey> {
    standard::check_key(secret)
}
