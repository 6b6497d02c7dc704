//! The interface between the pipeline and the runtime.
//!
//! The component implements it with WASI, the tests with plain data.

use std::fmt;
use std::time::Duration;

use crate::http::{Method, ReadError, Url};

pub mod lanes;

/// Everything that the pipeline may ask of the runtime.
pub trait Host {
    /// The wall clock, as the time since the Unix epoch.
    fn now(&self) -> Duration;

    /// The time since this request arrived, by a monotonic clock.
    fn elapsed(&self) -> Duration;

    /// The value of a variable. Returns `None` if it is not declared.
    ///
    /// # Errors
    /// Returns [`VariableError`] if the store failed, for example because its provider is down. The variable may still
    /// have a value.
    fn variable(&self, name: &str) -> Result<Option<String>, VariableError>;

    /// The names of all variables, in any order.
    ///
    /// # Errors
    /// Returns [`VariableError`] if the store failed. The store resolves every value to list them, so one value that it
    /// cannot resolve is enough.
    fn variables(&self) -> Result<Vec<String>, VariableError>;

    /// Reads the body of this request, until [`Host::elapsed`] reaches `until` at the latest. Returns `None` if
    /// [`Request::body`](crate::http::Request) has it already. A body is read once.
    fn body(&mut self, until: Duration) -> Option<Result<Vec<u8>, ReadError>> {
        let _ = until;
        None
    }

    /// Runs `lanes` sequences of requests concurrently. The requests of one lane run one after the other.
    ///
    /// For each lane, `step` is called without an answer to get the first request, and then with each answer to get the
    /// next request. A lane ends if `step` returns `None`. The function returns when all lanes have ended or when
    /// [`Host::elapsed`] reaches `deadline`. Requests that are running at the deadline are answered with
    /// [`SendError::Deadline`], and no others start. So are requests that are running or waiting at their own
    /// [`Next::until`]. If the runtime cannot run all lanes at once, they start in order.
    /// Redirects are not followed.
    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>);

    /// The value of a key in the key-value store. Returns `None` if the store does not have the key.
    ///
    /// The store is one for all requests, and may outlive the runtime. Nothing bounds how long a call takes.
    ///
    /// # Errors
    /// Returns [`StoreError`] if there is no store, or it failed.
    fn stored(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let _ = key;
        Err(StoreError::Absent)
    }

    /// Sets the value of a key in the key-value store.
    ///
    /// # Errors
    /// Returns [`StoreError`] if there is no store, or it failed. The key may have the new value all the same.
    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let _ = (key, value);
        Err(StoreError::Absent)
    }

    /// Deletes a key of the key-value store, if the store has it.
    ///
    /// # Errors
    /// Returns [`StoreError`] if there is no store, or it failed. The key may be gone all the same.
    fn forget(&mut self, key: &str) -> Result<(), StoreError> {
        let _ = key;
        Err(StoreError::Absent)
    }

    /// All keys of the key-value store, in any order. Other programs may have keys there too.
    ///
    /// # Errors
    /// Returns [`StoreError`] if there is no store, or it failed.
    fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        Err(StoreError::Absent)
    }

    /// Waits until [`Host::elapsed`] reaches `until`. Only a host with a key-value store needs it.
    fn pause(&mut self, until: Duration) {
        let _ = until;
    }
}

/// The key-value store could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The runtime has no such store.
    Absent,
    /// The runtime has a store and does not give it to this component.
    Denied,
    /// The store failed.
    Failed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoreError::Absent => "the runtime has no key-value store `default`",
            StoreError::Denied => {
                "the key-value store is not granted: add `key_value_stores = [\"default\"]` to the component in spin.toml"
            }
            StoreError::Failed => "the key-value store failed",
        })
    }
}

/// Returns the next request of a lane. The arguments are the lane's number, the time since this request arrived, and
/// the answer to the lane's last request, if there was one.
pub type Step<'a> = &'a mut dyn FnMut(usize, Duration, Option<Result<HttpResponse, SendError>>) -> Option<Next>;

/// Makes one request, no sooner than `not_before`, and waits for its response until `deadline` at the latest.
///
/// # Errors
/// Returns [`SendError`] if no response arrives.
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
        outbound.take().map(|outbound| Next { outbound, not_before, until: None })
    });
    answered
}

/// The next request of a lane.
pub struct Next {
    /// The request.
    pub outbound: HttpRequest,
    /// When to send it, by [`Host::elapsed`].
    pub not_before: Duration,
    /// When to give it up, if that is before the deadline of the exchange.
    pub until: Option<Duration>,
}

/// The variable store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableError;

/// An outbound request, with a JSON body or without one. It can contain a routing key or a token, so it has no `Debug`.
#[derive(Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: Url,
    /// Headers, except those that describe the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body, sent with its length.
    pub body: Option<Vec<u8>>,
    /// How much of the response to read, in bytes.
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

/// The response to an outbound request, read to its end or to [`HttpRequest::read_max`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The HTTP status.
    pub status: u16,
    /// The seconds to wait before a retry, from header `retry-after` or `ratelimit-reset`.
    pub retry_after: Option<u64>,
    /// The body, truncated at [`HttpRequest::read_max`].
    pub body: Vec<u8>,
}

/// The default of [`HttpRequest::read_max`], in bytes. Responses to events are smaller than 1 KB.
pub const RESPONSE_MAX_BYTES: usize = 64 * 1024;

/// Why an outbound request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection was refused, or no server is listening.
    Connect,
    /// No response arrived before the deadline.
    Deadline,
    /// The runtime's egress rules block this host.
    Denied,
    /// The host's name could not be resolved.
    Dns,
    /// The response ended early or was not HTTP.
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
