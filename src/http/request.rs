//! A request, and how much of it is read.

use std::time::Duration;

use super::{Headers, Method};

/// How much of a body is read, in bytes; more is refused. It is some thousand alerts in one delivery; vendors' own limits
/// differ widely, up to GitHub's 25 MB.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// The longest that a sender may take to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request. It holds credentials, so it has no `Debug`.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path, still percent-encoded, without the query.
    pub path: String,
    /// The query, still percent-encoded, without its question mark; empty where there is none.
    pub query: String,
    /// The headers. The runtime takes `Host` and the hop-by-hop ones away.
    pub headers: Headers,
    /// The bytes of the body, exactly as they came.
    pub body: Vec<u8>,
    /// Why the body is not there, where it could not be read.
    pub problem: Option<ReadError>,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The body broke off.
    Broken,
    /// The body took longer than [`BODY_TIMEOUT`], or than its sender waits.
    Timeout,
    /// The body is larger than [`BODY_MAX_BYTES`].
    TooLarge,
}
