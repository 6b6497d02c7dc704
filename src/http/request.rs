//! An inbound request, and its limits.

use std::fmt;
use std::time::Duration;

use super::{Headers, Method};

/// The largest accepted body, in bytes. It has room for some thousand alerts in one delivery. Vendors' own limits vary
/// widely, up to GitHub's 25 MB.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// The longest time for a sender to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// An inbound request. It contains credentials, so it has no `Debug`.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded, without the query.
    pub path: String,
    /// The query, still percent-encoded, without its question mark. Empty if the request has no query.
    pub query: String,
    /// The headers. The runtime removes `Host` and the hop-by-hop headers.
    pub headers: Headers,
    /// The raw bytes of the body.
    pub body: Vec<u8>,
    /// The reason why the body is missing, if it could not be read.
    pub problem: Option<ReadError>,
}

/// The header with which a browser says which site sends a request.
const SITE: &str = "sec-fetch-site";

impl Request {
    /// Whether a browser sent the request for a page of another site. Programs and older browsers do not say.
    pub fn is_cross_site(&self) -> bool {
        self.headers.all(SITE).any(|site| !matches!(site, b"same-origin" | b"none"))
    }

    /// Whether a browser sent the request, as far as it says so.
    pub fn is_from_browser(&self) -> bool {
        self.headers.has(SITE)
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The body ended early.
    Broken,
    /// The compressed body is damaged.
    Damaged,
    /// The body has an encoding other than gzip and deflate.
    Encoding,
    /// The body took longer than [`BODY_TIMEOUT`] or its sender's own timeout.
    Timeout,
    /// The body is larger than [`BODY_MAX_BYTES`], as sent or decompressed.
    TooLarge,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReadError::Broken => "the request body ended early",
            ReadError::Damaged => "the compressed request body is damaged",
            ReadError::Encoding => "unsupported Content-Encoding; send gzip, deflate or an uncompressed body",
            ReadError::Timeout => "the request body did not arrive in time",
            ReadError::TooLarge => "the request body is larger than 1 MiB",
        })
    }
}
