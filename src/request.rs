//! What comes in and what goes back, as plain data, and how much of it is read.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use crate::text;

/// How much of a body is read, in bytes; more is refused. It is some thousand alerts in one delivery; vendors' own limits
/// differ widely, up to GitHub's 25 MB.
pub const BODY_MAX_BYTES: usize = 1024 * 1024;

/// The longest that a sender may take to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The methods that some path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `OPTIONS`.
    Options,
    /// Any method that no path takes.
    Other,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

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

/// The headers of a request, in the order they came.
///
/// A plain list: the map of the `http` crate costs tens of kilobytes of component, and this is read a few times only.
#[derive(Clone, Default)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// Takes names, in any case, and values as they came.
    pub fn new(headers: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let lower = |(name, value): (String, Vec<u8>)| (name.to_ascii_lowercase(), value);
        Headers(headers.into_iter().map(lower).collect())
    }

    /// Whether a header (its name in lower case) came at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The same headers but for those of this name, in lower case.
    #[must_use]
    pub fn without(&self, name: &str) -> Headers {
        Headers(self.0.iter().filter(|(given, _)| given != name).cloned().collect())
    }

    /// The value of a header (its name in lower case) that came exactly once.
    pub fn once(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.0.iter().filter(|(given, _)| given == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value.as_slice())
    }
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

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers, but for `content-length`, which follows from the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply with a JSON body of the given media type.
    pub fn json(status: StatusCode, media_type: &'static str, body: &Value) -> Self {
        let mut body = text::encode(body);
        body.push(b'\n');
        Reply { status, headers: vec![("content-type", media_type.to_owned())], body }
    }

    /// A reply with a text.
    pub fn text(status: StatusCode, media_type: &str, body: String) -> Self {
        let body = body.into_bytes();
        Reply { status, headers: vec![("content-type", media_type.to_owned())], body }
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
