//! Everything that can go wrong, and the one table from errors to HTTP statuses.

use std::fmt;

use serde_json::Value;

use crate::auth::AuthError;
use crate::config::{ConfigError, Problem};
use crate::http::{ReadError, Reply, StatusCode};
use crate::inbound::route::RouteError;
use crate::json;
use crate::mapping::MapError;
use crate::pagerduty::rest_api::{self, RestError};

/// When a sender is to come again, in seconds. PagerDuty advises tries 30 seconds apart.
const RETRY_AFTER_SECS: u64 = 30;

/// The longest that PagerDuty's own wish is passed on, in seconds.
const RETRY_AFTER_MAX_SECS: u64 = 300;

/// Why a request did not end well. Its text is for the sender's log and ours: it holds no secret and no payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No open incident has the dedup key.
    Absent,
    /// So many open incidents have the dedup key.
    Ambiguous(usize),
    /// The sender is not known.
    Auth(AuthError),
    /// A variable cannot be used as it is.
    Config(ConfigError),
    /// The runtime does not let events out.
    Blocked {
        /// What it says.
        why: String,
    },
    /// A page of another site asks.
    CrossSite,
    /// PagerDuty has not taken every event, and may do so later.
    Deliver {
        /// How many it has not taken.
        failed: usize,
        /// Out of how many.
        of: usize,
        /// The first answer that says why.
        why: String,
        /// The seconds that PagerDuty asks to wait, where it does.
        retry_after: Option<u64>,
    },
    /// A subscription was not confirmed.
    Handshake {
        /// Why.
        problem: HandshakeError,
        /// What the source says of it.
        said: &'static str,
    },
    /// A note was written, or may have been, and not all is done. Not for a second try: it would write another.
    Half(RestError),
    /// The payload, or an item of it, cannot be mapped.
    Map(MapError),
    /// The body is not said to be JSON.
    MediaType,
    /// What answers in PagerDuty's place is not its Events API.
    Misdirected {
        /// The variable that says where that is.
        variable: &'static str,
        /// The answer.
        why: String,
    },
    /// The request could not be read.
    Read(ReadError),
    /// PagerDuty will not take an event.
    Refused {
        /// Whether it will not take the least form of it either, so that nobody has been paged.
        least: bool,
        /// How many it will not take.
        failed: usize,
        /// Out of how many.
        of: usize,
        /// The first answer that says why.
        why: String,
    },
    /// PagerDuty does not take the routing key.
    RefusedKey {
        /// The variable that holds it.
        variable: String,
        /// PagerDuty's answer.
        why: String,
    },
    /// PagerDuty's REST API has not done what was asked.
    Rest(RestError),
    /// The path or the method leads nowhere.
    Route(RouteError),
    /// The service behind the routing key in this variable is not known.
    Untold(String),
}

/// Why a subscription was not confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeError {
    /// The sender did not take the confirmation: it may be too old.
    Refused,
    /// It is not among those that the operator has listed.
    Unlisted,
    /// The sender could not be reached.
    Unreachable,
}

impl Error {
    /// The one table from errors to statuses.
    ///
    /// What may go well later is `503` with `Retry-After`, because more senders repeat a 5xx than anything else. What
    /// an operator has to mend is a 5xx too. What no try can mend is a 4xx: a sender that repeats a whole batch for the
    /// sake of one event would use up the rate at which PagerDuty takes the others.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::Absent => StatusCode::NOT_FOUND,
            Error::Ambiguous(_) | Error::Untold(_) => StatusCode::CONFLICT,
            Error::Auth(AuthError::Certificate(_)) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Auth(AuthError::Refused) => StatusCode::UNAUTHORIZED,
            Error::Blocked { .. } | Error::Misdirected { .. } => StatusCode::BAD_GATEWAY,
            Error::Config(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::CrossSite | Error::Handshake { problem: HandshakeError::Unlisted, .. } => StatusCode::FORBIDDEN,
            Error::Handshake { problem: HandshakeError::Refused | HandshakeError::Unreachable, .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Error::Deliver { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Error::Half(_) => StatusCode::BAD_GATEWAY,
            Error::Map(MapError::NotJson { .. }) => StatusCode::BAD_REQUEST,
            Error::Map(MapError::Template { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Map(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Error::Read(ReadError::Broken | ReadError::Timeout) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Read(ReadError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Refused { least: true, .. } => StatusCode::BAD_GATEWAY,
            Error::Refused { least: false, .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::RefusedKey { .. } => StatusCode::BAD_GATEWAY,
            Error::Rest(RestError { problem: rest_api::Problem::NotFound, .. }) => StatusCode::NOT_FOUND,
            Error::Rest(RestError { problem: rest_api::Problem::Invalid, .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Rest(error) if error.may_pass() => StatusCode::SERVICE_UNAVAILABLE,
            // A person has to look.
            Error::Rest(_) => StatusCode::BAD_GATEWAY,
            Error::Route(RouteError::Method(_)) => StatusCode::METHOD_NOT_ALLOWED,
            Error::Route(RouteError::Name | RouteError::Path | RouteError::Service) => StatusCode::NOT_FOUND,
        }
    }

    /// How long to wait before the next try, in seconds, where there is any sense in one.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Error::Deliver { retry_after, .. }
            | Error::Rest(RestError { problem: rest_api::Problem::Throttled(retry_after), .. }) => {
                Some(retry_after.unwrap_or_default().clamp(RETRY_AFTER_SECS, RETRY_AFTER_MAX_SECS))
            }
            Error::Config(ConfigError { problem: Problem::Store, .. }) => Some(RETRY_AFTER_SECS),
            Error::Auth(AuthError::Certificate(_)) | Error::Handshake { problem: HandshakeError::Unreachable, .. } => {
                Some(RETRY_AFTER_SECS)
            }
            Error::Read(ReadError::Broken | ReadError::Timeout) => Some(RETRY_AFTER_SECS),
            Error::Rest(error) if error.may_pass() => Some(RETRY_AFTER_SECS),
            _ => None,
        }
    }

    /// The reply, as RFC 9457 problem details with `facts` beside them.
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
            // Some senders (Amazon SNS) give a password only where they are asked for one.
            Error::Auth(AuthError::Refused) => {
                reply.header("www-authenticate", "Basic realm=\"pagerelay\", charset=\"UTF-8\"")
            }
            Error::Route(RouteError::Method(allow)) => reply.header("allow", allow),
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
            Error::Auth(AuthError::Refused) => f.write_str("missing or invalid credentials"),
            Error::Config(error) => error.fmt(f),
            Error::Blocked { why } => write!(f, "outbound requests to PagerDuty are blocked: {why}"),
            Error::CrossSite => f.write_str("cross-site request refused (Sec-Fetch-Site)"),
            Error::Deliver { failed, of, why, .. } => {
                write!(f, "PagerDuty did not accept {failed} of {of} events; retry: {why}")
            }
            Error::Map(error) => error.fmt(f),
            Error::MediaType => f.write_str("Content-Type must be application/json"),
            Error::Misdirected { variable, why } => {
                write!(
                    f,
                    "the server at the events URL is not PagerDuty's Events API (it answered {why}); check variable `{variable}`"
                )
            }
            Error::Read(ReadError::Broken) => f.write_str("the request body ended early"),
            Error::Read(ReadError::Timeout) => f.write_str("the request body did not arrive in time"),
            Error::Read(ReadError::TooLarge) => f.write_str("the request body is larger than 1 MiB"),
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
        Error::Auth(error)
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
