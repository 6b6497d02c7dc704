//! The status table: every error, its status, its headers and its text, by the real request that leads to it.

use std::collections::BTreeSet;
use std::time::Duration;

use pagerelay::auth::AuthError;
use pagerelay::config::{ConfigError, Problem};
use pagerelay::error::{Error, HandshakeError};
use pagerelay::http::{Method, ReadError, Reply, Request};
use pagerelay::inbound::route::RouteError;
use pagerelay::mapping::MapError;
use pagerelay::pagerduty::rest_api::{Problem as RestProblem, RestError};
use pagerelay::pipeline;
use pagerelay::runtime::{Host, HttpRequest, HttpResponse, SendError, Step, StoreError, VariableError};
use pagerelay_support::{OWN_SECRET, ROUTING_KEY, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::walls::{known, operated, stranger};

/// A host whose variables, body, store and answers fail as a test wants.
pub(crate) struct Faulty {
    pub(crate) inner: crate::host::Accepting,
    /// The variable that the store cannot read.
    broken: &'static str,
    /// The body, if it arrives after the head of the request, and how often it was read.
    pub(crate) late: Option<Result<Vec<u8>, ReadError>>,
    pub(crate) reads: usize,
    /// Why the key-value store fails.
    store: StoreError,
    /// The time by the wall clock, if it is not that of the other hosts.
    now: Option<u64>,
    /// The answer to a request: by its method and the start of its URL. All others are accepted events.
    answers: Vec<(Method, &'static str, Answered)>,
    pub(crate) asked: Vec<String>,
}

pub(crate) type Answered = Result<(u16, Option<u64>, String), SendError>;

impl Faulty {
    pub(crate) fn new() -> Faulty {
        let mut inner = operated();
        inner.variables.extend([("api_token", "token-of-this-test-1"), ("secret_heartbeat", HEARTBEAT)]);
        let (answers, asked) = (Vec::new(), Vec::new());
        Faulty { inner, broken: "", late: None, reads: 0, store: StoreError::Absent, now: None, answers, asked }
    }

    fn with(mut self, name: &'static str, value: &'static str) -> Faulty {
        self.inner.variables.insert(name, value);
        self
    }

    /// Answers requests whose URL begins like this with a status and a body.
    fn answering(self, method: Method, url: &'static str, status: u16, body: &str) -> Faulty {
        self.failing(method, url, Ok((status, None, body.to_owned())))
    }

    fn failing(mut self, method: Method, url: &'static str, answer: Answered) -> Faulty {
        self.answers.push((method, url, answer));
        self
    }

    /// PagerDuty answers every event like this.
    fn events(self, status: u16, body: &str) -> Faulty {
        self.answering(Method::Post, EVENTS, status, body)
    }
}

impl Host for Faulty {
    fn now(&self) -> Duration {
        self.now.map_or_else(|| self.inner.now(), Duration::from_secs)
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        if name == self.broken { Err(VariableError) } else { self.inner.variable(name) }
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        self.inner.variables()
    }

    fn body(&mut self, _: Duration) -> Option<Result<Vec<u8>, ReadError>> {
        self.reads += 1;
        self.late.take()
    }

    fn stored(&mut self, _: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Err(self.store)
    }

    fn store(&mut self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Err(self.store)
    }

    fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        Err(self.store)
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: Step<'_>) {
        for lane in 0..lanes {
            let (mut answer, mut elapsed) = (None, Duration::ZERO);
            while let Some(next) = step(lane, elapsed, answer.take()) {
                elapsed = elapsed.max(next.not_before);
                let HttpRequest { method, url, .. } = next.outbound;
                let url = url.to_string();
                let known = self.answers.iter().find(|(of, begin, _)| *of == method && url.starts_with(begin));
                let confirmed = || Ok((202, None, r#"{"status":"success"}"#.to_owned()));
                let given = known.map_or_else(confirmed, |(_, _, answer)| answer.clone());
                self.asked.push(url);
                answer = Some(given.map(|(status, retry_after, body)| HttpResponse {
                    status,
                    retry_after,
                    body: body.into_bytes(),
                }));
            }
        }
    }
}

const ACT: &str = "acting-needs-its-own-secret-4c1e";
const HEARTBEAT: &str = "beating-needs-its-own-secret-5d2f";
const EVENTS: &str = "https://events.pagerduty.com/";
const INCIDENTS: &str = "https://api.pagerduty.com/incidents";
const INCIDENT: &str = "https://api.pagerduty.com/incidents/P1";
const SERVICES: &str = "https://api.pagerduty.com/services";
const TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:oncall";
const SNS: &str = "https://sns.eu-west-1.amazonaws.com/";

/// An alert that `/formatted` accepts.
pub(crate) const FORMATTED: &str = r#"{"alert_uid": "disk", "title": "Disk full", "state": "alerting"}"#;

/// A delivery to `/formatted`, whose sender shows the secret.
fn delivery(host: Faulty) -> (Faulty, Request) {
    (host, known(Method::Post, "/formatted", &[], FORMATTED.as_bytes()))
}

fn delivery_of(body: &str, host: Faulty) -> (Faulty, Request) {
    (host, known(Method::Post, "/formatted", &[], body.as_bytes()))
}

/// A request of `/act` with this body and these headers beside the secret.
fn acting(host: Faulty, headers: &[(&str, &str)], body: &str) -> (Faulty, Request) {
    let headers = [&[("x-webhook-secret", ACT)], headers].concat();
    (host, stranger(Method::Post, "/act", &headers, body.as_bytes()))
}

fn incidents(ids: &[&str]) -> String {
    let incident = |id: &&str| json!({"id": id, "incident_number": 1, "status": "triggered", "service": {"id": "PS"}});
    json!({"incidents": ids.iter().map(incident).collect::<Vec<_>>(), "more": false}).to_string()
}

/// A request of `/act` that resolves, in a PagerDuty with these incidents, and one service with this key.
fn resolving(host: Faulty, ids: &[&str], key: &str) -> (Faulty, Request) {
    let services = json!({"services": [{"id": "PS", "integrations": [{"integration_key": key}]}]}).to_string();
    let host = host.answering(Method::Get, SERVICES, 200, &services);
    let host = host.answering(Method::Get, INCIDENTS, 200, &incidents(ids));
    let body = r#"{"action": "resolve", "dedup_key": "k", "from": "ada@shop.example"}"#;
    acting(host, &[("content-type", "application/json")], body)
}

/// A request of `/act` whose change PagerDuty answers like this.
fn changing(answer: Answered) -> (Faulty, Request) {
    resolving(Faulty::new().failing(Method::Put, INCIDENT, answer), &["P1"], SERVICE_KEY)
}

/// A request of `/act` with a note, whose change PagerDuty answers with 500.
fn noting() -> (Faulty, Request) {
    let host = Faulty::new().answering(Method::Post, INCIDENT, 201, r#"{"note": {"id": "N"}}"#);
    let (host, _) = resolving(host.answering(Method::Put, INCIDENT, 500, "down"), &["P1"], SERVICE_KEY);
    let body = r#"{"action": "resolve", "dedup_key": "k", "from": "ada@shop.example", "note": "fixed"}"#;
    acting(host, &[("content-type", "application/json")], body)
}

/// A sign of life of the heartbeat in this path.
fn beating(host: Faulty, path: &str) -> (Faulty, Request) {
    let secret = [("x-webhook-secret", HEARTBEAT)];
    (host.with("heartbeat_backup", "5m"), stranger(Method::Post, path, &secret, b""))
}

fn beating_with(store: StoreError) -> (Faulty, Request) {
    beating(Faulty { store, ..Faulty::new() }, "/heartbeat/backup")
}

/// A request for a subscription to the topic, whose confirmation Amazon answers like this.
fn subscribing(listed: &'static str, answer: Answered) -> (Faulty, Request) {
    let host = Faulty::new().with("sns_topics", listed).failing(Method::Get, SNS, answer);
    let body = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": TOPIC, "Message": "You have chosen.",
        "Token": "t", "Timestamp": "2026-03-04T05:06:08.120Z",
        "SubscribeURL": format!("{SNS}?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"),
    });
    (host, stranger(Method::Post, &format!("/sns?token={SECRET}"), &[], body.to_string().as_bytes()))
}

/// A message of SNS with a valid signature, whose certificate is answered like this.
#[cfg(feature = "sns")]
pub(crate) fn signed(answer: impl FnOnce(&str) -> Answered) -> (Faulty, Request) {
    let all = pagerelay_support::vectors::all();
    let case = all.iter().find(|case| case["name"] == "sns-accept-version-2").expect("a vector");
    let topic = case["topics"][0].as_str().expect("text").to_owned().leak();
    let answer = answer(case["certificate"].as_str().expect("text"));
    let mut host = Faulty::new().with("sns_topics", topic).failing(Method::Get, SNS, answer);
    host.now = case["now"].as_u64();
    (host, Request { path: "/sns".to_owned(), ..pagerelay_support::vectors::request(case) })
}

/// A delivery whose body arrives late, or does not arrive.
fn late(problem: ReadError) -> (Faulty, Request) {
    let host = Faulty { late: Some(Err(problem)), ..Faulty::new() };
    (host, known(Method::Post, "/formatted", &[], b""))
}

fn encoded(coding: &str) -> (Faulty, Request) {
    (Faulty::new(), known(Method::Post, "/formatted", &[("content-encoding", coding)], FORMATTED.as_bytes()))
}

fn denied() -> Answered {
    Err(SendError::Denied)
}

fn rest(problem: RestProblem, words: &str) -> Error {
    Error::Rest(RestError { problem, words: words.to_owned() })
}

fn config(variable: &str, problem: Problem) -> Error {
    Error::Config(ConfigError { variable: variable.to_owned(), problem, settings: None })
}

/// The name and the value of a header that few replies have. Both are empty for the others.
type Header = (&'static str, &'static str);

/// An error, and what its reply is: the status, `Retry-After` in seconds, another header, and the text.
struct Row {
    error: Error,
    status: u16,
    retry_after: Option<u64>,
    header: Header,
    text: String,
    /// The request that leads to it.
    by: (Faulty, Request),
}

fn row(error: Error, (status, retry_after): (u16, Option<u64>), text: &str, by: (Faulty, Request)) -> Row {
    Row { error, status, retry_after, header: ("", ""), text: text.to_owned(), by }
}

const NONE: Option<u64> = None;
const SOON: Option<u64> = Some(30);

#[allow(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Row> {
    let why = |text: &str| text.to_owned();
    let deliver =
        |retry_after: Option<u64>, why: &str| Error::Deliver { failed: 1, of: 1, why: why.to_owned(), retry_after };
    let throttled =
        |seconds: Option<u64>| delivery(Faulty::new().failing(Method::Post, EVENTS, Ok((429, seconds, String::new()))));
    let invalid = r#"{"status":"invalid event","message":"Event object is invalid","errors":["no such field"]}"#;
    let unknown_key =
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}"#;
    let refused = |least: bool| Error::Refused {
        least,
        failed: 1,
        of: 1,
        why: why("400 Event object is invalid: no such field"),
    };
    let credentials = "missing or invalid credentials";
    let methods: &'static [Method] = &[Method::Post, Method::Put, Method::Options];
    vec![
        row(
            Error::Absent,
            (404, NONE),
            "no open incident has this dedup key",
            resolving(Faulty::new(), &[], SERVICE_KEY),
        ),
        row(
            Error::Ambiguous(2),
            (409, NONE),
            "2 open incidents have this dedup key; use PagerDuty directly",
            resolving(Faulty::new(), &["P1", "P2"], SERVICE_KEY),
        ),
        row(
            Error::Untold(why("routing_key")),
            (409, NONE),
            "cannot determine which service the key in `routing_key` belongs to: give the token read access to services, or use PagerDuty directly",
            resolving(Faulty::new().with("routing_key_other", ROUTING_KEY), &["P1"], "another-key"),
        ),
        row(
            Error::Auth(AuthError::Refused),
            (401, NONE),
            credentials,
            (Faulty::new(), stranger(Method::Post, "/formatted", &[], FORMATTED.as_bytes())),
        ),
        Row {
            header: ("www-authenticate", "Basic realm=\"pagerelay\", charset=\"UTF-8\""),
            ..row(
                Error::Challenge,
                (401, NONE),
                credentials,
                (Faulty::new(), stranger(Method::Post, "/gcp", &[], b"{}")),
            )
        },
        row(
            Error::Auth(AuthError::RoutingKey),
            (401, NONE),
            "the key is not the relay's secret but looks like a PagerDuty routing key: set it as variable `routing_key` or `routing_key_<service>` of the relay, and give the sender the relay's secret as its key",
            (
                Faulty::new(),
                stranger(Method::Post, "/events", &[], json!({"routing_key": ROUTING_KEY}).to_string().as_bytes()),
            ),
        ),
        row(
            Error::Auth(AuthError::NotObject),
            (400, NONE),
            "the body is not a JSON object, and no header has the secret of this path",
            (Faulty::new(), stranger(Method::Post, "/events", &[], b"disk full")),
        ),
        row(
            Error::Blocked { why: why("add its host to allowed_outbound_hosts") },
            (502, NONE),
            "outbound requests to PagerDuty are blocked: add its host to allowed_outbound_hosts",
            delivery(Faulty::new().failing(Method::Post, EVENTS, denied())),
        ),
        row(
            config("services_formatted", Problem::DefaultUnlisted),
            (403, NONE),
            "variable `services_formatted` does not list `default`, the service of a path without a service name",
            delivery(Faulty::new().with("services_formatted", "payments")),
        ),
        row(
            config("services_formatted", Problem::ServiceUnlisted),
            (403, NONE),
            "variable `services_formatted` does not list this service",
            (
                Faulty::new().with("services_formatted", "payments"),
                known(Method::Post, "/formatted/search", &[], FORMATTED.as_bytes()),
            ),
        ),
        row(
            config("routing_key", Problem::KeyIsUrl),
            (503, NONE),
            "variable `routing_key` holds a URL; use the integration key alone",
            delivery(Faulty::new().with("routing_key", "https://events.pagerduty.com/x")),
        ),
        row(
            config("routing_key", Problem::Store),
            (503, SOON),
            "variable `routing_key` could not be read: the variable store failed",
            delivery(Faulty { broken: "routing_key", ..Faulty::new() }),
        ),
        row(
            Error::CrossSite,
            (403, NONE),
            "cross-site request refused (Sec-Fetch-Site)",
            acting(Faulty::new(), &[("content-type", "application/json"), ("sec-fetch-site", "cross-site")], "{}"),
        ),
        row(
            deliver(NONE, "500"),
            (503, SOON),
            "PagerDuty did not accept 1 of 1 events; retry: 500",
            delivery(Faulty::new().events(500, "")),
        ),
        row(
            deliver(Some(7), "429"),
            (503, SOON),
            "PagerDuty did not accept 1 of 1 events; retry: 429",
            throttled(Some(7)),
        ),
        row(
            deliver(Some(45), "429"),
            (503, Some(45)),
            "PagerDuty did not accept 1 of 1 events; retry: 429",
            throttled(Some(45)),
        ),
        row(
            deliver(Some(301), "429"),
            (503, Some(300)),
            "PagerDuty did not accept 1 of 1 events; retry: 429",
            throttled(Some(301)),
        ),
        row(
            Error::Heartbeat { variable: why("heartbeat_backup"), problem: StoreError::Absent },
            (503, NONE),
            "variable `heartbeat_backup` needs a key-value store: the runtime has no key-value store `default`",
            beating_with(StoreError::Absent),
        ),
        row(
            Error::Heartbeat { variable: why("heartbeat_backup"), problem: StoreError::Denied },
            (503, NONE),
            "variable `heartbeat_backup` needs a key-value store: the key-value store is not granted: add `key_value_stores = [\"default\"]` to the component in spin.toml",
            beating_with(StoreError::Denied),
        ),
        row(
            Error::Heartbeat { variable: why("heartbeat_backup"), problem: StoreError::Failed },
            (503, SOON),
            "variable `heartbeat_backup` needs a key-value store: the key-value store failed",
            beating_with(StoreError::Failed),
        ),
        row(
            Error::UnknownHeartbeat(Some(why("heartbeat_nightly"))),
            (404, NONE),
            "no such heartbeat: variable `heartbeat_nightly` is not set; set it to the period, such as 5m",
            beating(Faulty::new(), "/heartbeat/nightly"),
        ),
        row(
            Error::UnknownHeartbeat(None),
            (404, NONE),
            "no such heartbeat: each word of a name begins with a letter, and the last one is not `previous`",
            beating(Faulty::new(), "/heartbeat/backup_previous"),
        ),
        row(
            Error::Handshake {
                problem: HandshakeError::Unlisted,
                said: "variable `sns_topics` does not list this topic",
            },
            (403, NONE),
            "variable `sns_topics` does not list this topic",
            subscribing("arn:aws:sns:eu-west-1:210987654321:other", denied()),
        ),
        row(
            Error::Handshake { problem: HandshakeError::Refused, said: "Amazon SNS rejected the confirmation" },
            (503, NONE),
            "Amazon SNS rejected the confirmation",
            subscribing(TOPIC, Ok((403, None, String::new()))),
        ),
        row(
            Error::Handshake {
                problem: HandshakeError::Unreachable,
                said: "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com",
            },
            (503, SOON),
            "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com",
            subscribing(TOPIC, denied()),
        ),
        row(
            Error::Half(RestError { problem: RestProblem::Server, words: why("500 down") }),
            (502, NONE),
            "PagerDuty's REST API failed; retry: 500 down",
            noting(),
        ),
        row(
            Error::Map(MapError::Batch),
            (400, NONE),
            "the body is a list; send each event in a request of its own",
            (Faulty::new(), stranger(Method::Post, "/preview/v2/enqueue", &[("x-routing-key", OWN_SECRET)], b"[{}]")),
        ),
        row(
            Error::Map(MapError::NotJson { line: 1, column: 2 }),
            (400, NONE),
            "the body is not valid JSON: line 1, column 2",
            acting(Faulty::new(), &[("content-type", "application/json")], "{x"),
        ),
        row(
            Error::Map(MapError::Field { path: "action", problem: "must be acknowledge, resolve or note" }),
            (422, NONE),
            "field `action` must be acknowledge, resolve or note",
            acting(Faulty::new(), &[("content-type", "application/json")], "{}"),
        ),
        row(
            Error::Map(MapError::Duplicate { name: why("state"), line: 1, column: 16 }),
            (422, NONE),
            "the body has member `state` twice in one object: line 1, column 16",
            delivery_of(r#"{"state": "a", "state": 1}"#, Faulty::new().with("unmapped", "reject")),
        ),
        row(
            Error::MediaType,
            (415, NONE),
            "Content-Type must be application/json",
            acting(Faulty::new(), &[("content-type", "text/plain")], "{}"),
        ),
        row(
            Error::Misdirected { variable: "region", why: why("302") },
            (502, NONE),
            "the server at the events URL is not PagerDuty's Events API (it answered 302); check variable `region`",
            delivery(Faulty::new().events(302, "")),
        ),
        row(Error::Read(ReadError::Broken), (503, SOON), "the request body ended early", late(ReadError::Broken)),
        row(
            Error::Read(ReadError::Timeout),
            (503, SOON),
            "the request body did not arrive in time",
            late(ReadError::Timeout),
        ),
        row(
            Error::Read(ReadError::TooLarge),
            (413, NONE),
            "the request body is larger than 1 MiB",
            late(ReadError::TooLarge),
        ),
        row(Error::Read(ReadError::Damaged), (400, NONE), "the compressed request body is damaged", encoded("gzip")),
        Row {
            header: ("accept-encoding", "gzip, deflate"),
            ..row(
                Error::Read(ReadError::Encoding),
                (415, NONE),
                "unsupported Content-Encoding; send gzip, deflate or an uncompressed body",
                encoded("br"),
            )
        },
        row(
            refused(true),
            (502, NONE),
            "PagerDuty rejected 1 of 1 events: 400 Event object is invalid: no such field",
            delivery(Faulty::new().events(400, invalid)),
        ),
        row(
            refused(false),
            (422, NONE),
            "PagerDuty rejected 1 of 1 events: 400 Event object is invalid: no such field",
            delivery(Faulty::new().with("unmapped", "reject").events(400, invalid)),
        ),
        row(
            Error::RefusedKey {
                variable: why("routing_key"),
                why: why("400 Event object is invalid: Invalid routing key"),
            },
            (502, NONE),
            "PagerDuty rejected the routing key in variable `routing_key`: 400 Event object is invalid: Invalid routing key",
            delivery(Faulty::new().events(400, unknown_key)),
        ),
        row(
            rest(RestProblem::NotFound, "404 Not Found"),
            (404, NONE),
            "PagerDuty found no such object: 404 Not Found",
            changing(Ok((404, None, r#"{"error":{"message":"Not Found"}}"#.to_owned()))),
        ),
        row(
            rest(RestProblem::Invalid, "400 no"),
            (422, NONE),
            "PagerDuty rejected the request: 400 no",
            changing(Ok((400, None, "no".to_owned()))),
        ),
        row(
            rest(RestProblem::Server, "500 down"),
            (503, SOON),
            "PagerDuty's REST API failed; retry: 500 down",
            changing(Ok((500, None, "down".to_owned()))),
        ),
        row(
            rest(RestProblem::Throttled(None), "429 slow"),
            (503, SOON),
            "PagerDuty's REST API is rate-limiting requests; retry",
            changing(Ok((429, None, "slow".to_owned()))),
        ),
        row(
            rest(RestProblem::Throttled(Some(58)), "429 slow"),
            (503, Some(58)),
            "PagerDuty's REST API is rate-limiting requests; retry in 58 seconds",
            changing(Ok((429, Some(58), "slow".to_owned()))),
        ),
        row(
            rest(RestProblem::Throttled(Some(900)), "429 slow"),
            (503, Some(300)),
            "PagerDuty's REST API is rate-limiting requests; retry in 900 seconds",
            changing(Ok((429, Some(900), "slow".to_owned()))),
        ),
        row(
            rest(RestProblem::Unreachable(SendError::Dns), "https://api.pagerduty.com"),
            (503, SOON),
            "https://api.pagerduty.com cannot be reached: host name could not be resolved",
            changing(Err(SendError::Dns)),
        ),
        row(
            rest(RestProblem::Unreachable(SendError::Denied), "https://api.pagerduty.com"),
            (502, NONE),
            "outbound requests to https://api.pagerduty.com are blocked: add \"https://api.pagerduty.com\" to allowed_outbound_hosts",
            changing(denied()),
        ),
        row(
            rest(RestProblem::NotPermitted, "403 no"),
            (502, NONE),
            "PagerDuty does not permit this with the token in variable `api_token`: 403 no",
            changing(Ok((403, None, "no".to_owned()))),
        ),
        row(
            rest(RestProblem::Refused, "401"),
            (502, NONE),
            "PagerDuty rejected the token in variable `api_token`: it was revoked or belongs to the other region (variable `region`)",
            changing(Ok((401, None, String::new()))),
        ),
        row(
            rest(RestProblem::Misdirected, "no incident that is resolved"),
            (502, NONE),
            "the server is not PagerDuty's REST API; check variables `region` and `api_url`: no incident that is resolved",
            changing(Ok((200, None, "{}".to_owned()))),
        ),
        row(
            rest(RestProblem::TooLarge, ""),
            (502, NONE),
            "PagerDuty's response is larger than 1 MiB",
            changing(Ok((200, None, " ".repeat(1024 * 1024)))),
        ),
        Row {
            header: ("allow", "POST, PUT, OPTIONS"),
            ..row(
                Error::Route(RouteError::Method(methods)),
                (405, NONE),
                "method not allowed; this path accepts POST, PUT, OPTIONS",
                (Faulty::new(), stranger(Method::Get, "/formatted", &[], b"")),
            )
        },
        row(
            Error::Route(RouteError::Path),
            (404, NONE),
            &RouteError::Path.to_string(),
            (Faulty::new(), stranger(Method::Post, "/nowhere", &[], b"")),
        ),
        row(
            Error::Route(RouteError::Service),
            (404, NONE),
            "invalid service name: use lower-case words of letters and digits joined by single underscores, not ending in previous",
            (Faulty::new(), stranger(Method::Post, "/formatted/No-Service", &[], b"")),
        ),
    ]
}

/// The rows of a signature whose certificate cannot be fetched now.
#[cfg(feature = "sns")]
fn certificates() -> impl Iterator<Item = Row> {
    let said = "the signature's certificate could not be fetched; allow outbound https://sns.<region>.amazonaws.com";
    let fails = [Err(SendError::Tls), Ok((503, None, String::new())), Ok((200, None, "a page of a proxy".to_owned()))];
    let error = || Error::Auth(AuthError::Certificate(said));
    fails.into_iter().map(move |fails| row(error(), (503, SOON), said, signed(|_| fails)))
}

/// The rows of templates: of a name that is none, and of a template that is invalid, for a sender that is not authenticated.
#[cfg(feature = "templates")]
fn templates() -> [Row; 2] {
    let by = |host: Faulty, path: &str| (host, stranger(Method::Post, path, &[], b"{}"));
    let name = "invalid template name in /custom/<name>: use lower-case words of letters and digits joined by single underscores";
    let text = "variable `custom_backup` is not a valid template; GET /check shows the error";
    let invalid = Error::Map(MapError::Template { problem: text.to_owned() });
    let host = Faulty::new().with("custom_backup", "{");
    [
        row(Error::Route(RouteError::Name), (404, NONE), name, by(Faulty::new(), "/custom/Not-a-name")),
        row(invalid, (503, NONE), text, by(host, "/custom/backup")),
    ]
}

/// The name of an error. A new one does not compile before it is here, and fails the test before it is in the table.
fn name(error: &Error) -> &'static str {
    match error {
        Error::Absent => "absent",
        Error::Ambiguous(_) => "ambiguous",
        // Becomes an error of reading before anybody sees it.
        Error::Auth(AuthError::Body(_)) => "read",
        Error::Auth(AuthError::Certificate(_)) => "certificate",
        Error::Auth(AuthError::NotObject) => "not an object",
        Error::Auth(AuthError::Refused) => "refused sender",
        Error::Auth(AuthError::RoutingKey) => "routing key as secret",
        Error::Config(_) => "config",
        Error::Blocked { .. } => "blocked",
        Error::Challenge => "challenge",
        Error::CrossSite => "cross-site",
        Error::Deliver { .. } => "deliver",
        Error::Heartbeat { .. } => "heartbeat",
        Error::Handshake { .. } => "handshake",
        Error::Half(_) => "half",
        Error::Map(_) => "map",
        Error::MediaType => "media type",
        Error::Misdirected { .. } => "misdirected",
        Error::Read(_) => "read",
        Error::Refused { .. } => "refused event",
        Error::RefusedKey { .. } => "refused key",
        Error::Rest(_) => "rest",
        Error::Route(_) => "route",
        Error::UnknownHeartbeat(_) => "unknown heartbeat",
        Error::Untold(_) => "untold",
    }
}

const NAMES: usize = if cfg!(feature = "sns") { 24 } else { 23 };

/// What a reply says: the status, the headers that only some replies have, and the text.
fn said(reply: &Reply) -> (u16, Vec<(&str, String)>, String) {
    const OF_ALL: [&str; 4] = ["cache-control", "content-length", "content-type", "x-content-type-options"];
    let headers = reply.headers.iter().filter(|(name, _)| !OF_ALL.contains(name));
    let mut headers: Vec<(&str, String)> = headers.map(|(name, value)| (*name, value.clone())).collect();
    headers.sort();
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let text = body["detail"].as_str().filter(|_| body["status"] == reply.status.as_u16());
    (reply.status.as_u16(), headers, text.map_or_else(|| body.to_string(), str::to_owned))
}

#[test]
fn every_error_has_its_status_its_headers_and_its_text() {
    let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
    let rows = table().into_iter();
    #[cfg(feature = "sns")]
    let rows = rows.chain(certificates());
    #[cfg(feature = "templates")]
    let rows = rows.chain(templates());
    for Row { error, status, retry_after, header, text, by: (mut host, request) } in rows {
        names.insert(name(&error));
        let mut headers: Vec<(&str, String)> = Vec::new();
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        headers.extend((!header.0.is_empty()).then(|| (header.0, header.1.to_owned())));
        headers.sort();
        let expected = (status, headers, text);
        let (reply, line) = pipeline::handle(&mut host, &request);
        for (how, reply) in [("by itself", &error.reply(Value::Null)), (request.path.as_str(), &reply)] {
            if said(reply) != expected {
                wrong.push(format!("{error:?} {how}: {:?}, not {expected:?}", said(reply)));
            }
        }
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        if (&line["status"], &line["error"]) != (&json!(status), &json!(expected.2)) {
            wrong.push(format!("{error:?} {}: {line}", request.path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(names.len(), NAMES, "{names:?}");
}
