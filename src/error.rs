//! All errors, and the one table from errors to HTTP statuses.

use std::fmt;

use serde_json::Value;

use crate::auth::AuthError;
use crate::config::{ConfigError, Problem};
use crate::http::{Method, ReadError, Reply, StatusCode};
use crate::inbound::route::RouteError;
use crate::json;
use crate::mapping::MapError;
use crate::pagerduty::rest_api::{self, RestError};
use crate::runtime::StoreError;

/// The `Retry-After` for senders, in seconds. PagerDuty advises retries 30 seconds apart.
pub const RETRY_AFTER_SECS: u64 = 30;

/// The longest `Retry-After` of PagerDuty that is passed on, in seconds.
pub const RETRY_AFTER_MAX_SECS: u64 = 300;

/// Why a request failed. The text is for the sender's log and ours. It contains no secret and no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No open incident has the dedup key.
    Absent,
    /// This many open incidents have the dedup key.
    Ambiguous(usize),
    /// The sender could not be authenticated.
    Auth(AuthError),
    /// A variable is missing or invalid.
    Config(ConfigError),
    /// The runtime blocks outbound requests to PagerDuty.
    Blocked {
        /// The runtime's message.
        why: String,
    },
    /// The sender could not be authenticated, and it sends its password only after a challenge.
    Challenge,
    /// A page of another site sent the request.
    CrossSite,
    /// PagerDuty has not accepted every event, but may accept them on a retry.
    Deliver {
        /// How many events it has not accepted.
        failed: usize,
        /// The number of all events.
        of: usize,
        /// The first response that gives the reason.
        why: String,
        /// The seconds that PagerDuty asks to wait, if it does.
        retry_after: Option<u64>,
    },
    /// A sign of life could not be noted. It names the variable of the heartbeat.
    Heartbeat {
        /// The variable.
        variable: String,
        /// The reason.
        problem: StoreError,
    },
    /// A subscription was not confirmed.
    Handshake {
        /// The reason.
        problem: HandshakeError,
        /// The source's message for it.
        said: &'static str,
    },
    /// A note was added, or may have been, but not everything is done. The sender must not retry: that would add
    /// another note.
    Half(RestError),
    /// The payload, or an item of it, cannot be mapped.
    Map(MapError),
    /// `Content-Type` is not JSON.
    MediaType,
    /// The server at the events URL is not PagerDuty's Events API.
    Misdirected {
        /// The variable that contains the URL.
        variable: &'static str,
        /// The server's response.
        why: String,
    },
    /// The request could not be read.
    Read(ReadError),
    /// PagerDuty rejects an event as invalid.
    Refused {
        /// Whether it rejects the minimal form too, so that nobody has been paged.
        least: bool,
        /// How many events it rejects.
        failed: usize,
        /// The number of all events.
        of: usize,
        /// The first response that gives the reason.
        why: String,
    },
    /// PagerDuty rejects the routing key.
    RefusedKey {
        /// The variable that contains the key.
        variable: String,
        /// PagerDuty's response.
        why: String,
    },
    /// A request to PagerDuty's REST API failed.
    Rest(RestError),
    /// The path or the method is unknown.
    Route(RouteError),
    /// No heartbeat has this variable. `None` if the name of the heartbeat cannot be one.
    UnknownHeartbeat(Option<String>),
    /// The service that the routing key in this variable belongs to cannot be determined.
    Untold(String),
}

/// Why a subscription was not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The sender rejected the confirmation. It may have expired.
    Refused,
    /// The operator has not listed this subscription.
    Unlisted,
    /// The sender could not be reached.
    Unreachable,
}

impl Error {
    /// The one table from errors to statuses.
    ///
    /// An error that may pass is `503` with `Retry-After`, because more senders retry a 5xx than any other status. An
    /// error that an operator has to fix is a 5xx too. An error that no retry can fix is a 4xx: a sender that repeats a
    /// whole batch for one event would use up the rate limit that the other events need.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::Absent | Error::UnknownHeartbeat(_) => StatusCode::NOT_FOUND,
            Error::Ambiguous(_) | Error::Untold(_) => StatusCode::CONFLICT,
            Error::Auth(AuthError::Certificate(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Auth(AuthError::Refused | AuthError::RoutingKey) | Error::Challenge => StatusCode::UNAUTHORIZED,
            Error::Auth(AuthError::NotObject) | Error::Map(MapError::Batch | MapError::NotJson { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Error::Blocked { .. } | Error::Misdirected { .. } => StatusCode::BAD_GATEWAY,
            Error::Config(ConfigError { problem: Problem::DefaultUnlisted | Problem::ServiceUnlisted, .. }) => {
                StatusCode::FORBIDDEN
            }
            Error::Config(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::CrossSite | Error::Handshake { problem: HandshakeError::Unlisted, .. } => StatusCode::FORBIDDEN,
            Error::Handshake { problem: HandshakeError::Refused | HandshakeError::Unreachable, .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Deliver { .. } | Error::Heartbeat { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Half(_) => StatusCode::BAD_GATEWAY,
            Error::Map(MapError::Template { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Map(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::Auth(AuthError::Body(problem)) | Error::Read(problem) => match problem {
                ReadError::Broken | ReadError::Timeout => StatusCode::SERVICE_UNAVAILABLE,
                ReadError::Damaged => StatusCode::BAD_REQUEST,
                ReadError::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ReadError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            },
            Error::Refused { least: true, .. } => StatusCode::BAD_GATEWAY,
            Error::Refused { least: false, .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::RefusedKey { .. } => StatusCode::BAD_GATEWAY,
            Error::Rest(RestError { problem: rest_api::Problem::NotFound, .. }) => StatusCode::NOT_FOUND,
            Error::Rest(RestError { problem: rest_api::Problem::Invalid, .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Rest(error) if error.may_pass() => StatusCode::SERVICE_UNAVAILABLE,
            // An operator has to act.
            Error::Rest(_) => StatusCode::BAD_GATEWAY,
            Error::Route(RouteError::Method(_)) => StatusCode::METHOD_NOT_ALLOWED,
            Error::Route(RouteError::Name | RouteError::Path | RouteError::Service) => StatusCode::NOT_FOUND,
        }
    }

    /// How long to wait before a retry, in seconds. Returns `None` if a retry cannot help.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Error::Deliver { retry_after, .. }
            | Error::Rest(RestError { problem: rest_api::Problem::Throttled(retry_after), .. }) => {
                Some(retry_after.unwrap_or_default().clamp(RETRY_AFTER_SECS, RETRY_AFTER_MAX_SECS))
            }
            Error::Config(ConfigError { problem: Problem::Store, .. })
            | Error::Heartbeat { problem: StoreError::Failed, .. } => Some(RETRY_AFTER_SECS),
            Error::Auth(AuthError::Certificate(_)) | Error::Handshake { problem: HandshakeError::Unreachable, .. } => {
                Some(RETRY_AFTER_SECS)
            }
            Error::Read(ReadError::Broken | ReadError::Timeout) => Some(RETRY_AFTER_SECS),
            Error::Rest(error) if error.may_pass() => Some(RETRY_AFTER_SECS),
            _ => None,
        }
    }

    /// The reply: RFC 9457 problem details, with `facts` beside them.
    pub fn reply(&self, facts: Value) -> Reply {
        let status = self.status();
        let mut problem = json::object([("status", status.as_u16().into()), ("detail", self.to_string().into())]);
        if let (Some(problem), Value::Object(facts)) = (problem.as_object_mut(), facts) {
            problem.extend(facts);
        }
        let reply = Reply::json(status, "application/problem+json", &problem);
        let reply = match self.retry_after() {
            Some(seconds) => reply.header("retry-after", &seconds.to_string()),
            None => reply,
        };
        match self {
            Error::Challenge => reply.header("www-authenticate", "Basic realm=\"pagerelay\", charset=\"UTF-8\""),
            Error::Read(ReadError::Encoding) => reply.header("accept-encoding", "gzip, deflate"),
            Error::Route(RouteError::Method(methods)) => reply.header("allow", &Method::allow(methods)),
            _ => reply,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Absent => f.write_str("no open incident has this dedup key"),
            Error::Ambiguous(count) => write!(f, "{count} open incidents have this dedup key; use PagerDuty directly"),
            Error::Auth(AuthError::Certificate(said)) | Error::Handshake { said, .. } => f.write_str(said),
            Error::Auth(AuthError::Refused) | Error::Challenge => f.write_str("missing or invalid credentials"),
            Error::Auth(AuthError::NotObject) => {
                f.write_str("the body is not a JSON object, and no header has the secret of this path")
            }
            Error::Auth(AuthError::RoutingKey) => f.write_str(
                "the key is not the relay's secret but looks like a PagerDuty routing key: set it as variable `routing_key` or `routing_key_<service>` of the relay, and give the sender the relay's secret as its key",
            ),
            Error::Config(error) => error.fmt(f),
            Error::Blocked { why } => write!(f, "outbound requests to PagerDuty are blocked: {why}"),
            Error::CrossSite => f.write_str("cross-site request refused (Sec-Fetch-Site)"),
            Error::Deliver { failed, of, why, .. } => {
                write!(f, "PagerDuty did not accept {failed} of {of} events; retry: {why}")
            }
            Error::Heartbeat { variable, problem } => {
                write!(f, "variable `{variable}` needs a key-value store: {problem}")
            }
            Error::UnknownHeartbeat(Some(variable)) => write!(
                f,
                "no such heartbeat: variable `{variable}` is not set; set it to the period, such as 5m"
            ),
            Error::UnknownHeartbeat(None) => f.write_str("no such heartbeat: each word of a name begins with a letter, and the last one is not `previous`"),
            Error::Map(error) => error.fmt(f),
            Error::MediaType => f.write_str("Content-Type must be application/json"),
            Error::Misdirected { variable, why } => {
                write!(
                    f,
                    "the server at the events URL is not PagerDuty's Events API (it answered {why}); check variable `{variable}`"
                )
            }
            Error::Auth(AuthError::Body(problem)) | Error::Read(problem) => problem.fmt(f),
            Error::Refused { failed, of, why, .. } => write!(f, "PagerDuty rejected {failed} of {of} events: {why}"),
            Error::RefusedKey { variable, why } => {
                write!(f, "PagerDuty rejected the routing key in variable `{variable}`: {why}")
            }
            Error::Half(error) | Error::Rest(error) => error.fmt(f),
            Error::Route(error) => error.fmt(f),
            Error::Untold(variable) => write!(
                f,
                "cannot determine which service the key in `{variable}` belongs to: give the token read access to services, or use PagerDuty directly"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Body(problem) => Error::Read(problem),
            error => Error::Auth(error),
        }
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Error::Config(error)
    }
}

impl From<MapError> for Error {
    fn from(error: MapError) -> Self {
        Error::Map(error)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        Error::Read(error)
    }
}

impl From<RestError> for Error {
    fn from(error: RestError) -> Self {
        Error::Rest(error)
    }
}

impl From<RouteError> for Error {
    fn from(error: RouteError) -> Self {
        Error::Route(error)
    }
}
