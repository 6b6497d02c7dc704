//! The ways to prove oneself, as data, and what each finds in a request.

use base64ct::{Base64, Encoding};

use super::certified::Certified;
use super::hmac::{Hmac, SignatureLayout, SignedTimestamp};
use super::standard_webhooks;
use crate::http::{Headers, Request};
use crate::secret::Secret;

/// The longest header that is looked at for a credential, in bytes.
const CREDENTIAL_MAX_BYTES: usize = 4096;

/// How far a signed timestamp may be from our clock, in seconds, either way. Standard Webhooks' reference libraries
/// have it so, and vendors that name a number name this one.
pub const TIMESTAMP_TOLERANCE_SECS: u64 = 300;

/// A way for a sender to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme<'a> {
    /// `Authorization: Basic`, any user name, the secret as the password (RFC 7617).
    Basic,
    /// `Authorization: Bearer`, the secret as the token (RFC 6750).
    Bearer,
    /// A signature whose key is in a certificate, about one of [`Access::listed`](super::Access::listed). Where none is
    /// listed, no such signature is looked at.
    Certified(&'a Certified),
    /// The secret itself in a header of this name, in lower case.
    Header(&'a str),
    /// A signature by HMAC.
    Hmac(&'a Hmac<'a>),
    /// The secret itself as a query parameter of this name. It ends up in other people's logs, so it is for senders that
    /// can set nothing else.
    Query(&'a str),
    /// Standard Webhooks (<https://www.standardwebhooks.com>): `v1` with a `whsec_` secret, `v1a` with a `whpk_` key.
    StandardWebhooks,
}

/// The secret itself, in any of the places where a sender with a free choice of headers can put it.
pub const SHARED_SECRET: &[Scheme<'static>] = &[Scheme::Bearer, Scheme::Basic, Scheme::Header("x-webhook-secret")];

impl<'a> Scheme<'a> {
    /// The scheme's name in replies, logs and the README.
    pub fn name(self) -> &'a str {
        match self {
            Scheme::Basic => "basic",
            Scheme::Bearer => "bearer",
            Scheme::Header(name) => name,
            Scheme::Hmac(hmac) => hmac.header,
            Scheme::Query(name) => name,
            Scheme::Certified(certified) => certified.name,
            Scheme::StandardWebhooks => "standard webhooks",
        }
    }

    /// Whether it is a signature rather than the secret itself.
    pub fn is_signature(self) -> bool {
        matches!(self, Scheme::Certified(_) | Scheme::Hmac(_) | Scheme::StandardWebhooks)
    }

    /// Whether a signature under this scheme is over a timestamp too, or can be.
    pub fn signs_time(self) -> bool {
        match self {
            Scheme::Hmac(hmac) => {
                hmac.stamp != SignedTimestamp::None || matches!(hmac.form, SignatureLayout::Fields { .. })
            }
            Scheme::Certified(_) | Scheme::StandardWebhooks => true,
            Scheme::Basic | Scheme::Bearer | Scheme::Header(_) | Scheme::Query(_) => false,
        }
    }

    /// Whether the request has a signature under this scheme, right or wrong.
    pub(super) fn is_presented(self, headers: &Headers, listed: &[String]) -> bool {
        match self {
            Scheme::Hmac(hmac) => headers.has(hmac.header),
            Scheme::Certified(certified) => {
                certified.built_in && !listed.is_empty() && (certified.is_presented)(headers)
            }
            Scheme::StandardWebhooks => headers.has(standard_webhooks::SIGNATURE),
            Scheme::Basic | Scheme::Bearer | Scheme::Header(_) | Scheme::Query(_) => false,
        }
    }

    /// Whether the request proves under this scheme that its sender knows the secret.
    pub(super) fn verify(self, request: &Request, secret: &Secret, clock: Clock) -> bool {
        let headers = &request.headers;
        match self {
            // An empty key signs what anybody can sign.
            _ if secret.expose().is_empty() => false,
            Scheme::StandardWebhooks => standard_webhooks::verify(headers, &request.body, secret, clock),
            // A public key is no secret: whoever has it could sign with it, or show it.
            _ if is_public_key(secret) => false,
            Scheme::Hmac(hmac) => hmac.verify(headers, &request.body, secret, clock),
            // It is verified without a secret.
            Scheme::Certified(_) => false,
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
            Scheme::Certified(_) | Scheme::Hmac(_) | Scheme::StandardWebhooks => None,
        }
    }
}

/// Whether what is set as a secret is a public key, which only [`Scheme::StandardWebhooks`] can use.
pub fn is_public_key(secret: &Secret) -> bool {
    secret.expose().starts_with(standard_webhooks::PUBLIC_KEY)
}

/// The one value of a header, where it can be a credential at all.
pub(super) fn credential<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
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
pub(super) struct Clock {
    pub(super) now: u64,
    pub(super) timestamped: bool,
}

impl Clock {
    /// Whether a timestamp (Unix seconds in digits, no sign) is within the tolerance, before or after.
    pub(super) fn is_near(self, timestamp: &str) -> bool {
        let digits = (1..=19).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        // Nineteen digits are below 2^64.
        let time = timestamp.parse::<u64>().ok().filter(|_| digits);
        time.is_some_and(|time| time.abs_diff(self.now) <= TIMESTAMP_TOLERANCE_SECS)
    }
}
