//! A mock of PagerDuty's REST API: users, services, incidents and notes. It is strict about headers and supports tokens
//! of each kind, pages, rate limits and the error shapes in PagerDuty's pages and issues.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The mock. It stops when it is dropped.
pub struct Rest {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    tokens: BTreeMap<String, Token>,
    services: Vec<Value>,
    incidents: Vec<Value>,
    notes: Vec<(String, Value)>,
    received: Vec<Received>,
    script: VecDeque<Answer>,
    /// Prefixes of paths with their own answers.
    faults: Vec<(String, Answer)>,
    /// The largest page, if it is smaller than PagerDuty's.
    page_max: Option<usize>,
    forbidden: BTreeSet<String>,
}

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// A user's token, with this role.
    User(&'static str),
    /// An account's token.
    Account,
}

/// A status, a header (unless it is empty), and a body.
pub type Answer = (u16, &'static str, String);

/// A request, and its answer.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    /// The target with its query, unchanged.
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
    pub status: u16,
}

/// A user's API key.
pub const TOKEN: &str = "u+RestDoubleToken000";

impl Rest {
    /// Starts the mock on a port that the system picks. It accepts [`TOKEN`].
    pub async fn start() -> Rest {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state: Arc<Mutex<State>> = Arc::default();
        state.lock().unwrap().tokens.insert(TOKEN.to_owned(), Token::User("user"));
        let task = tokio::spawn(serve(listener, Arc::clone(&state)));
        Rest { address, state, task }
    }

    /// The value for variable `api_url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Adds a token, or changes its kind.
    pub fn token(&self, token: &str, kind: Token) {
        self.state.lock().unwrap().tokens.insert(token.to_owned(), kind);
    }

    /// Removes a token.
    pub fn revoke(&self, token: &str) {
        self.state.lock().unwrap().tokens.remove(token);
    }

    /// Adds a service, with integrations that have these keys.
    pub fn service(&self, id: &str, name: &str, status: &str, keys: &[&str]) {
        let integrations: Vec<Value> = keys
            .iter()
            .map(|key| json!({"type": "events_api_v2_inbound_integration", "integration_key": key}))
            .collect();
        let service = json!({
            "id": id, "name": name, "status": status, "alert_creation": "create_alerts_and_incidents",
            "integrations": integrations,
        });
        self.state.lock().unwrap().services.push(service);
    }

    /// Changes a member of every service.
    pub fn services_have(&self, member: &str, value: Value) {
        for service in &mut self.state.lock().unwrap().services {
            service[member] = value.clone();
        }
    }

    /// Adds an incident with the alert that has this dedup key.
    pub fn incident(&self, id: &str, status: &str, dedup_key: &str, service: &str) {
        let mut state = self.state.lock().unwrap();
        let number = 100 + state.incidents.len();
        state.incidents.push(json!({
            "id": id, "type": "incident", "incident_number": number, "status": status, "incident_key": dedup_key,
            "service": {"id": service, "type": "service_reference"},
        }));
    }

    /// The status of an incident.
    pub fn status_of(&self, id: &str) -> String {
        let state = self.state.lock().unwrap();
        let incident = state.incidents.iter().find(|incident| incident["id"] == id).expect("an incident");
        incident["status"].as_str().expect("text").to_owned()
    }

    /// All notes so far: the incident's id and the text.
    pub fn notes(&self) -> Vec<(String, Value)> {
        self.state.lock().unwrap().notes.clone()
    }

    /// Sets the answers of the next requests, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().script.extend(answers);
    }

    /// Sets the answer of every request whose method and target begin like this: `GET /services`.
    pub fn fault(&self, begin: &str, answer: Answer) {
        self.state.lock().unwrap().faults.push((begin.to_owned(), answer));
    }

    /// Ends all faults and scripts.
    pub fn recover(&self) {
        let mut state = self.state.lock().unwrap();
        state.faults.clear();
        state.script.clear();
    }

    /// Forbids a request for every token: `GET /services`.
    pub fn forbid(&self, begin: &str) {
        self.state.lock().unwrap().forbidden.insert(begin.to_owned());
    }

    /// Makes pages smaller than requested.
    pub fn page_max(&self, items: usize) {
        self.state.lock().unwrap().page_max = Some(items);
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// All requests so far. The mock forgets them.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state.lock().unwrap().received)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, std::convert::Infallible>(answer(request, &state).await) }
            });
            // A broken connection is the client's problem.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut received = Received {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body,
        status: 0,
    };
    let mut state = state.lock().unwrap();
    let asked = format!("{} {}", received.method, received.target);
    let fault = state.faults.iter().find(|(begin, _)| asked.starts_with(begin)).map(|(_, answer)| answer.clone());
    let scripted = fault.or_else(|| state.script.pop_front());
    let (status, header, body) = scripted.unwrap_or_else(|| {
        let (status, body) = state.own(&head.method, head.uri.path(), head.uri.query().unwrap_or_default(), &received);
        (status, "", body)
    });
    received.status = status;
    state.received.push(received);
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
    if let Some((name, value)) = header.split_once(": ") {
        response.headers_mut().insert(name, value.parse().expect("a header"));
    }
    response
}

fn refused(status: u16, code: u16, message: &str, errors: &[&str]) -> (u16, String) {
    (status, json!({"error": {"message": message, "code": code, "errors": errors}}).to_string())
}

impl State {
    fn own(&mut self, method: &Method, path: &str, query: &str, received: &Received) -> (u16, String) {
        let header = |name: &str| received.headers.get(name).map(String::as_str).unwrap_or_default();
        let token = header("authorization").strip_prefix("Token token=").and_then(|token| self.tokens.get(token));
        let Some(token) = token.copied() else {
            // The real API was also observed to answer without JSON.
            return if header("authorization").is_empty() {
                (401, "HTTP Token: Access denied.\n".to_owned())
            } else {
                refused(401, 2006, "Authentication failed", &[])
            };
        };
        if header("accept") != "application/vnd.pagerduty+json;version=2" {
            return refused(400, 2001, "Invalid Input Provided", &["Accept header is not of version 2"]);
        }
        if self.forbidden.iter().any(|begin| format!("{method} {path}").starts_with(begin)) {
            return refused(403, 2010, "Access Denied", &[]);
        }
        let write = method != Method::GET;
        if write && header("content-type") != "application/json" {
            return refused(400, 2001, "Invalid Input Provided", &["Content-Type is not application/json"]);
        }
        if write && matches!(token, Token::User(role) if role.starts_with("read_only")) {
            return refused(403, 2010, "Access Denied", &["the user may not do this"]);
        }
        if write && !header("from").contains('@') {
            let message = "You must specify a user's email address in the \"From\" header to perform this action";
            return refused(400, 2016, message, &[]);
        }
        let pairs = pagerelay::http::form::pairs(query);
        let all = |name: &str| pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect::<Vec<_>>();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["users", "me"]) => match token {
                Token::User(role) => {
                    let user = json!({"id": "PUSER00", "name": "Relay Bot", "email": "bot@example.com", "role": role});
                    (200, json!({"user": user}).to_string())
                }
                Token::Account => {
                    let words = "Cannot determine the current user: an account-level access token was used";
                    (400, json!({"error": words}).to_string())
                }
            },
            ("GET", ["abilities"]) => (200, json!({"abilities": ["teams"]}).to_string()),
            ("GET", ["services"]) => {
                let mut services = self.services.clone();
                if !all("include[]").contains(&"integrations".to_owned()) {
                    services.iter_mut().for_each(|service| service["integrations"] = json!([]));
                }
                self.page("services", services, &all("limit"), &all("offset"))
            }
            ("GET", ["incidents"]) => {
                let (keys, statuses) = (all("incident_key"), all("statuses[]"));
                // Without this parameter, the API searches only the last month; these incidents are older.
                let incidents = self.incidents.iter().filter(|_| all("date_range") == ["all"]);
                let incidents = incidents.filter(|incident| {
                    let has = |member: &str, wanted: &[String]| {
                        wanted.is_empty() || wanted.iter().any(|wanted| incident[member] == wanted.as_str())
                    };
                    has("incident_key", &keys) && has("status", &statuses)
                });
                let incidents: Vec<Value> = incidents.cloned().collect();
                self.page("incidents", incidents, &all("limit"), &all("offset"))
            }
            ("PUT", ["incidents", id]) => {
                let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
                let status = body["incident"]["status"].as_str().unwrap_or_default();
                let Some(incident) = self.incidents.iter_mut().find(|incident| incident["id"] == *id) else {
                    return refused(404, 2100, "Not Found", &[]);
                };
                if body["incident"]["type"] != "incident_reference" || !["acknowledged", "resolved"].contains(&status) {
                    return refused(400, 2001, "Invalid Input Provided", &["Status is invalid"]);
                }
                if incident["status"] == "resolved" {
                    return refused(400, 2001, "Invalid Input Provided", &["Incident Already Resolved"]);
                }
                incident["status"] = status.into();
                (200, json!({"incident": incident}).to_string())
            }
            ("POST", ["incidents", id, "notes"]) => {
                let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
                if !self.incidents.iter().any(|incident| incident["id"] == *id) {
                    return refused(404, 2100, "Not Found", &[]);
                }
                if body["note"]["content"].as_str().unwrap_or_default().is_empty() {
                    return refused(400, 2001, "Invalid Input Provided", &["Content cannot be empty."]);
                }
                self.notes.push(((*id).to_owned(), body["note"]["content"].clone()));
                (201, json!({"note": {"id": "PNOTE00", "content": body["note"]["content"]}}).to_string())
            }
            _ => refused(404, 2100, "Not Found", &[]),
        }
    }

    fn page(&self, name: &str, items: Vec<Value>, limit: &[String], offset: &[String]) -> (u16, String) {
        let number = |given: &[String], unset| given.first().map_or(Some(unset), |given| given.parse::<usize>().ok());
        let (Some(limit), Some(offset)) = (number(limit, 25), number(offset, 0)) else {
            return refused(400, 2001, "Invalid Input Provided", &["Limit or offset is not a number"]);
        };
        if limit > 100 || offset + limit > 10_000 {
            return refused(400, 2001, "Invalid Input Provided", &["Limit is too large"]);
        }
        let shown = limit.min(self.page_max.unwrap_or(limit));
        let page: Vec<&Value> = items.iter().skip(offset).take(shown).collect();
        let more = items.len() > offset + shown;
        (200, json!({name: page, "limit": shown, "offset": offset, "more": more, "total": null}).to_string())
    }
}
