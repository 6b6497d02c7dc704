//! Authentication schemes, as data, and how each finds its credential in a request.

use base64ct::{Base64, Encoding};

use super::certified::Certified;
use super::hmac::{Hmac, SignatureLayout, SignedTimestamp};
use super::standard_webhooks;
use crate::http::{Headers, Request};
use crate::secret::{Secret, is_routing_key};

/// The longest header that can be a credential, in bytes.
pub(super) const CREDENTIAL_MAX_BYTES: usize = 4096;

/// The tolerance for signed timestamps, in seconds before or after our clock. Standard Webhooks' reference libraries
/// use this number, and so does every vendor that documents one.
pub const TIMESTAMP_TOLERANCE_SECS: u64 = 300;

/// One way for a sender to authenticate.
#[derive(Clone, Copy, Debug)]
pub enum Scheme<'a> {
    /// The shared secret in `Authorization`, after the name of this authentication scheme: `Bearer` (RFC 6750), or one
    /// that a vendor made up. Without a name, the secret is the whole value.
    Authorization(&'a str),
    /// `Authorization: Basic`, any user name, the secret as the password (RFC 7617).
    Basic,
    /// `Authorization: Basic` with only the secret in base64, as one vendor documents it for its keys. RFC 7617 requires a
    /// user and a colon.
    BasicSecret,
    /// A signature whose key is in a certificate, for one of [`Access::listed`](super::Access::listed). If nothing is
    /// listed, such signatures are ignored.
    Certified(&'a Certified),
    /// The shared secret in a header with this name, in lower case.
    Header(&'a str),
    /// An HMAC signature.
    Hmac(&'a Hmac<'a>),
    /// The shared secret in a member with this name of the JSON object in the body. Only [`verify_body`] looks there.
    ///
    /// [`verify_body`]: super::verify_body
    Member(&'a str),
    /// The shared secret as a query parameter with this name. Other servers may log it there, so it is only for senders
    /// that cannot set a header.
    Query(&'a str),
    /// Standard Webhooks (<https://www.standardwebhooks.com>): `v1` with a `whsec_` secret, `v1a` with a `whpk_` key.
    StandardWebhooks,
}

/// The shared secret, in each of the headers where a configurable sender can put it.
pub const SHARED_SECRET: &[Scheme<'static>] = &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret")];

impl<'a> Scheme<'a> {
    /// `Authorization: Bearer` (RFC 6750).
    pub const BEARER: Scheme<'static> = Scheme::Authorization("Bearer");

    /// The scheme's name in replies, logs and the README.
    pub fn name(self) -> &'a str {
        match self {
            Scheme::Authorization("") => "authorization",
            Scheme::Authorization("Bearer") => "bearer",
            Scheme::Authorization(name) | Scheme::Header(name) | Scheme::Member(name) | Scheme::Query(name) => name,
            Scheme::Basic | Scheme::BasicSecret => "basic",
            Scheme::Hmac(hmac) => hmac.header,
            Scheme::Certified(certified) => certified.name,
            Scheme::StandardWebhooks => "standard webhooks",
        }
    }

    /// Whether the scheme is a signature. The others use the shared secret itself.
    pub fn is_signature(self) -> bool {
        matches!(self, Scheme::Certified(_) | Scheme::Hmac(_) | Scheme::StandardWebhooks)
    }

    /// Whether signatures of this scheme can cover a timestamp.
    pub fn signs_time(self) -> bool {
        match self {
            Scheme::Hmac(hmac) => {
                hmac.stamp != SignedTimestamp::None || matches!(hmac.form, SignatureLayout::Fields { .. })
            }
            Scheme::Certified(_) | Scheme::StandardWebhooks => true,
            _ => false,
        }
    }

    /// Whether the request has a signature of this scheme, valid or not.
    pub(super) fn is_presented(self, headers: &Headers, listed: &[String]) -> bool {
        match self {
            Scheme::Hmac(hmac) => headers.has(hmac.header),
            Scheme::Certified(certified) => {
                certified.verify.is_some() && !listed.is_empty() && (certified.is_presented)(headers)
            }
            Scheme::StandardWebhooks => headers.has(standard_webhooks::SIGNATURE),
            _ => false,
        }
    }

    /// Whether the request authenticates its sender under this scheme with this secret.
    pub(super) fn verify(self, request: &Request, secret: &Secret, clock: Clock) -> bool {
        let headers = &request.headers;
        match self {
            // Anyone can sign with an empty key.
            _ if secret.expose().is_empty() => false,
            Scheme::StandardWebhooks => standard_webhooks::verify(headers, &request.body, secret, clock),
            // A public key is not secret, so it authenticates nobody here.
            _ if is_public_key(secret) => false,
            Scheme::Hmac(hmac) => hmac.verify(headers, &request.body, secret, clock),
            _ => self.offered(request).is_some_and(|offered| secret_is(secret, &offered)),
        }
    }

    /// Whether the request presents something of the shape of a routing key as the shared secret.
    pub(super) fn offers_routing_key(self, request: &Request) -> bool {
        let offered = self.offered(request);
        offered.is_some_and(|offered| str::from_utf8(&offered).is_ok_and(is_routing_key))
    }

    /// The shared secret that the request presents.
    fn offered(self, request: &Request) -> Option<Vec<u8>> {
        let headers = &request.headers;
        match self {
            Scheme::Basic => {
                let pair = Base64::decode_vec(authorization(headers, "basic")?).ok()?;
                // The first colon is the separator: the password may contain more.
                let colon = pair.iter().position(|&byte| byte == b':')?;
                pair.get(colon + 1..).map(<[u8]>::to_vec)
            }
            Scheme::BasicSecret => Base64::decode_vec(authorization(headers, "basic")?).ok(),
            Scheme::Authorization("") => credential(headers, "authorization").map(|value| value.as_bytes().to_vec()),
            Scheme::Authorization(name) => authorization(headers, name).map(|token| token.as_bytes().to_vec()),
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
            Scheme::Certified(_) | Scheme::Hmac(_) | Scheme::Member(_) | Scheme::StandardWebhooks => None,
        }
    }
}

/// Whether a configured secret is a public key. Only [`Scheme::StandardWebhooks`] can use one.
pub fn is_public_key(secret: &Secret) -> bool {
    secret.expose().starts_with(standard_webhooks::PUBLIC_KEY)
}

/// Whether a sender shows this secret. An empty value or a public key is not secret, so it authenticates nobody.
pub(super) fn secret_is(secret: &Secret, offered: &[u8]) -> bool {
    !secret.expose().is_empty() && !is_public_key(secret) && secret.matches(offered)
}

/// The value of a header. Returns `None` if it cannot be a credential.
pub(super) fn credential<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let value = headers.once(name)?;
    let fits = !value.is_empty() && value.len() <= CREDENTIAL_MAX_BYTES;
    // Visible ASCII and the space. RFC 9110 section 5.5 allows no other bytes in a field value, except obsolete text.
    let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    // An HTTP runtime has already removed the space around a value.
    str::from_utf8(value).ok().filter(|value| fits && plain && value.trim() == *value)
}

/// The credentials in the `Authorization` header. Returns `None` if it names another scheme (ignoring case, RFC 9110
/// section 11.1).
fn authorization<'a>(headers: &'a Headers, scheme: &str) -> Option<&'a str> {
    let (name, credentials) = credential(headers, "authorization")?.split_once(' ')?;
    let credentials = credentials.trim_start_matches(' ');
    (name.eq_ignore_ascii_case(scheme) && !credentials.is_empty()).then_some(credentials)
}

/// The current time, for checking signed timestamps, and whether a timestamp is required.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) now: u64,
    pub(super) timestamped: bool,
}

impl Clock {
    /// Whether a timestamp (Unix seconds in digits, without a sign) is within the tolerance.
    pub(super) fn is_near(self, timestamp: &str) -> bool {
        let digits = (1..=19).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        // A number of nineteen digits is below 2^64.
        let time = timestamp.parse::<u64>().ok().filter(|_| digits);
        time.is_some_and(|time| time.abs_diff(self.now) <= TIMESTAMP_TOLERANCE_SECS)
    }
}
