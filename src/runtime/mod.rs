//! The world as the pipeline sees it: all that it may ask of the runtime.
//!
//! The component answers with WASI, tests answer with plain data.

use std::fmt;
use std::time::Duration;

use crate::http::{Method, Url};

mod cached_variables;
pub mod lanes;

pub use self::cached_variables::CachedVariables;

/// What the pipeline may ask of the runtime, and nothing else.
pub trait Host {
    /// The wall clock, as the time since the Unix epoch.
    fn now(&self) -> Duration;

    /// The time since this request arrived, by a clock that never steps back.
    fn elapsed(&self) -> Duration;

    /// The value of a variable; nothing where it is not declared.
    ///
    /// # Errors
    /// The store could not be asked (its provider is down, say): the variable may well have a value.
    fn variable(&self, name: &str) -> Result<Option<String>, VariableError>;

    /// The names of all variables that there are, in any order.
    ///
    /// # Errors
    /// The store could not be asked. It resolves every value to list them, so one that it cannot resolve is enough.
    fn variables(&self) -> Result<Vec<String>, VariableError>;

    /// Runs `lanes` rows of requests at the same time, the requests of one lane one after the other.
    ///
    /// `step` is asked for a lane's first request with no answer, and with each answer for the one that follows it; a
    /// lane for which it gives none has ended. Returns when all lanes have, or when [`Host::elapsed`] reaches
    /// `deadline`: what is under way then is answered with [`SendError::Deadline`], and nothing follows. Lanes start in
    /// order where the runtime does not take all at once. Redirects are not followed.
    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>);
}

/// What follows in a lane: called with the lane's number, the time since this request arrived, and the answer to the
/// lane's last request, where there was one.
pub type Step<'a> = &'a mut dyn FnMut(usize, Duration, Option<Result<HttpResponse, SendError>>) -> Option<Next>;

/// Makes one request, no sooner than `not_before`, and waits for its answer until `deadline` at the latest.
///
/// # Errors
/// There is none.
pub fn request_once(
    host: &mut dyn Host,
    outbound: HttpRequest,
    not_before: Duration,
    deadline: Duration,
) -> Result<HttpResponse, SendError> {
    let mut outbound = Some(outbound);
    let mut answered = Err(SendError::Deadline);
    host.exchange(1, deadline, &mut |_, _, answer| {
        answered = answer.unwrap_or(Err(SendError::Deadline));
        outbound.take().map(|outbound| Next { outbound, not_before })
    });
    answered
}

/// The next request of a lane.
pub struct Next {
    /// The request.
    pub outbound: HttpRequest,
    /// When to send it, by [`Host::elapsed`].
    pub not_before: Duration,
}

/// The variable store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableError;

/// A request with a JSON body or none. It can hold a routing key or a token, so it has no `Debug`.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers beside those that say what the body is.
    pub headers: Vec<(&'static str, String)>,
    /// The body, sent with its length.
    pub body: Option<Vec<u8>>,
    /// How much of the answer is read, in bytes.
    pub read_max: usize,
}

impl HttpRequest {
    /// A `GET`.
    pub fn get(url: Url) -> HttpRequest {
        HttpRequest { method: Method::Get, url, headers: Vec::new(), body: None, read_max: RESPONSE_MAX_BYTES }
    }

    /// A `POST` of a JSON body.
    pub fn post(url: Url, body: Vec<u8>) -> HttpRequest {
        HttpRequest { method: Method::Post, body: Some(body), ..HttpRequest::get(url) }
    }
}

/// An answer, read to its end or to [`HttpRequest::read_max`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The seconds to wait before another try, where header `retry-after` or `ratelimit-reset` tells them.
    pub retry_after: Option<u64>,
    /// The body, cut at [`HttpRequest::read_max`].
    pub body: Vec<u8>,
}

/// How much of an answer is read where nothing else is said, in bytes. Those to events are below 1 KB.
pub const RESPONSE_MAX_BYTES: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection was refused, or nothing answers there.
    Connect,
    /// No answer in the time that was left.
    Deadline,
    /// The runtime's egress rules do not allow this host.
    Denied,
    /// The host's name could not be resolved.
    Dns,
    /// The answer broke off or was not HTTP.
    Protocol,
    /// TLS failed.
    Tls,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Connect => "connection failed",
            SendError::Deadline => "timed out",
            SendError::Denied => "add its host to allowed_outbound_hosts",
            SendError::Dns => "host name could not be resolved",
            SendError::Protocol => "the response ended early or was not HTTP",
            SendError::Tls => "TLS failed",
        })
    }
}
