//! Who sent this: a request, the ways its source can prove itself, and the secret make an [`Authenticated`] delivery,
//! or nothing does.
//!
//! A scheme is data: a source lists those its vendor can use, strongest first. Every comparison is in constant time,
//! and a header that comes twice, is empty, is too long or is not ASCII proves nothing.

use std::fmt;

use crate::request::{Headers, Request};
use crate::secret::{Rotation, Secret};
use base64ct::{Base64, Encoding};

/// The longest header that is looked at for a credential, in bytes.
const CREDENTIAL_MAX_BYTES: usize = 4096;

/// A way for a sender to prove itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Basic`, any user name, the secret as the password (RFC 7617).
    Basic,
    /// `Authorization: Bearer`, the secret as the token (RFC 6750).
    Bearer,
    /// The secret itself in a header of this name, in lower case.
    Header(&'static str),
}

/// The secret itself, in any of the places where a sender with a free choice of headers can put it.
pub const SHARED_SECRET: &[Scheme] = &[Scheme::Bearer, Scheme::Basic, Scheme::Header("x-webhook-secret")];

impl Scheme {
    /// The scheme's name in replies, logs and the README.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Basic => "basic",
            Scheme::Bearer => "bearer",
            Scheme::Header(name) => name,
        }
    }

    /// What the request offers as the secret under this scheme.
    fn offered(self, headers: &Headers) -> Option<Vec<u8>> {
        match self {
            Scheme::Basic => {
                let credentials = authorization(headers, "basic")?;
                let pair = Base64::decode_vec(credentials).ok()?;
                // Only the first colon separates: a password may hold more of them.
                let colon = pair.iter().position(|&byte| byte == b':')?;
                pair.get(colon + 1..).map(<[u8]>::to_vec)
            }
            Scheme::Bearer => authorization(headers, "bearer").map(|token| token.as_bytes().to_vec()),
            Scheme::Header(name) => credential(headers, name).map(|value| value.as_bytes().to_vec()),
        }
    }
}

/// The one value of a header, where it can be a credential at all.
fn credential<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let value = headers.once(name)?;
    let fits = !value.is_empty() && value.len() <= CREDENTIAL_MAX_BYTES;
    // Visible ASCII and the space: what RFC 9110 section 5.5 leaves of a field value without obsolete text.
    let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    str::from_utf8(value).ok().filter(|_| fits && plain)
}

/// The credentials of the `Authorization` header, where it names this scheme (in any case, RFC 9110 section 11.1).
fn authorization<'a>(headers: &'a Headers, scheme: &str) -> Option<&'a str> {
    let (name, credentials) = credential(headers, "authorization")?.split_once(' ')?;
    let credentials = credentials.trim_start_matches(' ');
    (name.eq_ignore_ascii_case(scheme) && !credentials.is_empty()).then_some(credentials)
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
    /// The scheme that matched.
    pub scheme: Scheme,
    /// Whether it was the secret before the one in use.
    pub previous: bool,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let which = if self.previous { "previous" } else { "current" };
        write!(f, "{}, {which} secret", self.scheme.name())
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

/// The credentials are absent or wrong. Which of the two is nobody's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthError;

/// Lets a request in where one of `schemes` holds with the current secret or the one before it.
///
/// # Errors
/// None does.
pub fn verify<'a>(
    request: &'a Request,
    schemes: &[Scheme],
    secrets: &Rotation,
) -> Result<Authenticated<'a>, AuthError> {
    for &scheme in schemes {
        let Some(offered) = scheme.offered(&request.headers) else { continue };
        let matches = |secret: &Secret| secret.matches(&offered);
        let previous = secrets.previous.as_ref().is_some_and(matches);
        let current = matches(&secrets.current);
        if current || previous {
            return Ok(Authenticated { body: &request.body, proof: Proof { scheme, previous: !current } });
        }
    }
    Err(AuthError)
}
