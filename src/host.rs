//! The world as the pipeline sees it: all that it may ask of the runtime.
//!
//! `component.rs` answers with WASI, tests answer with plain data.

use std::fmt;
use std::time::Duration;

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

    /// Sends all of `batch` at the same time and gives an answer or a reason for each, in the same order.
    ///
    /// Returns when all are answered or when [`Host::elapsed`] reaches `deadline`; what has no answer by then is
    /// [`SendError::Deadline`]. Redirects are not followed.
    fn send(&mut self, batch: Vec<Outbound>, deadline: Duration) -> Vec<Result<Inbound, SendError>>;

    /// Writes one line to the log. The caller has kept secrets out of it.
    fn log(&mut self, line: &str);
}

/// The variable store failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VariableError;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether it goes over TLS.
    pub https: bool,
    /// Host and, where it is not the scheme's own, port.
    pub authority: String,
    /// The path, from its slash on.
    pub path: String,
}

/// A `POST` of a JSON body, or a `GET`. It can hold a routing key, so it has no `Debug`.
#[derive(Clone)]
pub struct Outbound {
    /// Where to.
    pub url: Url,
    /// The body of a `POST`, sent with its length; a `GET` has none.
    pub body: Option<Vec<u8>>,
}

/// An answer, read to its end or to [`INBOUND_MAX_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// The HTTP status.
    pub status: u16,
    /// The body, cut at [`INBOUND_MAX_BYTES`].
    pub body: Vec<u8>,
}

/// How much of an answer is read, in bytes. PagerDuty's are below 1 KB.
pub const INBOUND_MAX_BYTES: usize = 64 * 1024;

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
            SendError::Deadline => "no answer in time",
            SendError::Denied => "the runtime does not allow this host: add it to allowed_outbound_hosts",
            SendError::Dns => "host name not resolved",
            SendError::Protocol => "the answer broke off",
            SendError::Tls => "tls failed",
        })
    }
}
