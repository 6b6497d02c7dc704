//! PagerDuty's REST API, with a user's key, for operations that need more than a routing key.
//!
//! Written from <https://developer.pagerduty.com/docs/rest-api-overview> and its pages about authentication, errors,
//! rate limits and pagination. The token is sent only to this API, and redirects are not followed. A request is retried
//! once if the rate limit was exceeded and time allows. No other failure justifies a retry here.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::http::{Method, Url};
use crate::json::{self, Node};
use crate::pagerduty::answer::{self, Class};
use crate::runtime::{self, Host, HttpRequest, HttpResponse, SendError};
use crate::secret::Secret;

/// How much of a response to read, in bytes. One page contains a hundred services with their integrations.
const READ_MAX_BYTES: usize = 1024 * 1024;

/// How many pages to read. Each request asks for a hundred items, PagerDuty's maximum.
const PAGES_MAX: usize = 20;

/// The shortest time that makes a retry worthwhile.
const TRY_MIN: Duration = Duration::from_millis(100);

/// The address of PagerDuty's REST API, and the token for it.
#[derive(Clone, Debug)]
pub struct Api {
    /// The base URL. Paths are appended to it.
    pub base: Url,
    /// A user's API key.
    pub token: Secret,
}

/// A client of the API, for one inbound request.
pub struct Rest {
    /// The address and the token.
    pub api: Api,
    /// Secrets to redact from responses, in addition to the token.
    pub hidden: Vec<Secret>,
    /// The deadline of the last response, counted from the arrival of the inbound request.
    pub deadline: Duration,
}

/// Why a request to PagerDuty's REST API failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestError {
    /// The kind of failure.
    pub problem: Problem,
    /// PagerDuty's message, truncated, or the URL that does not respond.
    pub words: String,
}

/// The kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request is invalid.
    Invalid,
    /// The server is not PagerDuty's REST API.
    Misdirected,
    /// The object in the path does not exist.
    NotFound,
    /// The token's user, or the account's plan, may not do this.
    NotPermitted,
    /// The token is invalid.
    Refused,
    /// The server failed.
    Server,
    /// The rate limit was exceeded. The value is the seconds to wait, if PagerDuty gives them.
    Throttled(Option<u64>),
    /// The response is larger than the limit.
    TooLarge,
    /// No response arrived.
    Unreachable(SendError),
}

impl RestError {
    /// A response that lacks a part that PagerDuty's response would have.
    pub fn without(what: &str) -> RestError {
        RestError { problem: Problem::Misdirected, words: ["no ", what].concat() }
    }

    /// Whether a retry may succeed.
    pub fn may_pass(&self) -> bool {
        match self.problem {
            Problem::Server | Problem::Throttled(_) => true,
            Problem::Unreachable(error) => error != SendError::Denied,
            _ => false,
        }
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.words.as_str();
        let before = match self.problem {
            Problem::Invalid => "PagerDuty rejected the request: ",
            Problem::Misdirected => "the server is not PagerDuty's REST API; check variables `region` and `api_url`: ",
            Problem::NotFound => "PagerDuty found no such object: ",
            Problem::NotPermitted => "PagerDuty does not permit this with the token in variable `api_token`: ",
            Problem::Refused => {
                let why = "it was revoked or belongs to the other region (variable `region`)";
                return write!(f, "PagerDuty rejected the token in variable `api_token`: {why}");
            }
            Problem::Server => "PagerDuty's REST API failed; retry: ",
            Problem::Throttled(seconds) => {
                f.write_str("PagerDuty's REST API is rate-limiting requests; retry")?;
                return match seconds {
                    None => Ok(()),
                    Some(seconds) => f.write_str(&[" in ", &seconds.to_string(), " seconds"].concat()),
                };
            }
            Problem::TooLarge => return f.write_str("PagerDuty's response is larger than 1 MiB"),
            Problem::Unreachable(SendError::Denied) => {
                return write!(
                    f,
                    "outbound requests to {words} are blocked: add \"{words}\" to allowed_outbound_hosts"
                );
            }
            Problem::Unreachable(error) => return write!(f, "{words} cannot be reached: {error}"),
        };
        f.write_str(before)?;
        f.write_str(words)
    }
}

impl Rest {
    /// Gets the object at a path.
    ///
    /// # Errors
    /// Returns [`RestError`] if the request failed.
    pub fn get(&self, host: &mut dyn Host, path: &str) -> Result<Value, RestError> {
        self.send(host, Method::Get, path, None)
    }

    /// Sends a request. A change has a `From` address and a body.
    ///
    /// # Errors
    /// Returns [`RestError`] if the request failed. After some failures it is unknown whether the change was made.
    pub fn send(
        &self,
        host: &mut dyn Host,
        method: Method,
        path: &str,
        change: Option<(&str, &Value)>,
    ) -> Result<Value, RestError> {
        let base = &self.api.base;
        let token = ["Token token=", self.api.token.expose()].concat();
        let mut headers =
            vec![("authorization", token), ("accept", "application/vnd.pagerduty+json;version=2".to_owned())];
        if let Some((from, _)) = change {
            headers.push(("from", from.to_owned()));
        }
        let url = Url { path: [&base.path, path].concat(), ..base.clone() };
        let body = change.map(|(_, body)| json::encode_visible(body));
        let outbound = HttpRequest { method, url, headers, body, read_max: READ_MAX_BYTES };
        let mut answer = runtime::request_once(host, outbound.clone(), Duration::ZERO, self.deadline);
        if let Ok(HttpResponse { status: 429, retry_after: Some(seconds), .. }) = answer {
            let again = host.elapsed().saturating_add(Duration::from_secs(seconds));
            if again.saturating_add(TRY_MIN) <= self.deadline {
                answer = runtime::request_once(host, outbound, again, self.deadline);
            }
        }
        self.read(answer)
    }

    /// Passes each item of a list to `each`, page after page. Returns whether the list was complete; it is not if the
    /// pages or the time ran out. `path` must have a query.
    ///
    /// # Errors
    /// Returns [`RestError`] if a page could not be read.
    pub fn list(
        &self,
        host: &mut dyn Host,
        path: &str,
        name: &str,
        each: &mut dyn FnMut(Node<'_>),
    ) -> Result<bool, RestError> {
        let mut offset = 0;
        for page in 0..PAGES_MAX {
            let path = [path, "&limit=100&offset=", &offset.to_string()].concat();
            let body = match self.get(host, &path) {
                Err(RestError { problem: Problem::Unreachable(SendError::Deadline), .. }) if page > 0 => {
                    return Ok(false);
                }
                body => body?,
            };
            let root = Node::root(&body);
            let Some(items) = root.get(name).items() else {
                return Err(RestError::without(&["member ", name].concat()));
            };
            for item in items {
                each(Node::root(item));
            }
            offset += items.len();
            if root.get("more").value() != Some(&Value::Bool(true)) || items.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// PagerDuty's text for display, with secrets redacted.
    pub fn clean(&self, text: &str) -> String {
        answer::clean(text, &self.hidden())
    }

    fn hidden(&self) -> Vec<&Secret> {
        std::iter::once(&self.api.token).chain(&self.hidden).collect()
    }

    fn read(&self, answer: Result<HttpResponse, SendError>) -> Result<Value, RestError> {
        let inbound = answer.map_err(|error| {
            let words = Url { path: String::new(), ..self.api.base.clone() }.to_string();
            RestError { problem: Problem::Unreachable(error), words }
        })?;
        let (answer, body) = answer::read(&inbound, &self.hidden());
        let problem = match answer::class(answer.status) {
            Class::Success if inbound.body.len() >= READ_MAX_BYTES => Problem::TooLarge,
            Class::Success => match body {
                Some(body) => return Ok(body),
                None => Problem::Misdirected,
            },
            Class::Elsewhere => Problem::Misdirected,
            Class::Forbidden => Problem::NotPermitted,
            Class::Invalid => Problem::Invalid,
            Class::Later => Problem::Server,
            Class::NotFound => Problem::NotFound,
            Class::Throttled => Problem::Throttled(answer.retry_after),
            Class::Unauthorized => Problem::Refused,
        };
        let words = self.clean(&[&answer.status.to_string(), " ", &answer.words].concat());
        Err(RestError { problem, words })
    }
}

/// Whether a service, listed with its integrations, belongs to a routing key.
pub fn has_key(service: Node<'_>, key: &Secret) -> bool {
    let mut integrations = service.get("integrations").items().into_iter().flatten();
    integrations.any(|integration| {
        let held = integration.get("integration_key").and_then(Value::as_str).unwrap_or_default();
        // The last characters rule out most keys without hashing them.
        held.ends_with(key.tail()) && key.matches(held.as_bytes())
    })
}

/// The path of all services with their integrations.
pub const SERVICES: &str = "/services?include%5B%5D=integrations";
