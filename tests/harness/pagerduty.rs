//! A PagerDuty to test against: a real HTTP server on loopback that enforces our strict contract, keeps alerts as
//! PagerDuty does, and answers as PagerDuty was seen to answer.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::contract;

/// The double. Stops when it is dropped.
pub struct PagerDuty {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Notify,
    show: Option<Show>,
}

/// Something to do for every request.
pub type Show = Box<dyn Fn(&Received) + Send + Sync>;

#[derive(Default)]
struct State {
    received: Vec<Received>,
    alerts: BTreeMap<(String, String), Alert>,
    script: VecDeque<Answer>,
}

/// A request, and what it was told.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub bytes: Bytes,
    /// The body, `null` where it is not JSON.
    pub event: Value,
    pub status: u16,
    /// What happened to the alert: "opened", "dropped: no open alert" …
    pub effect: String,
}

/// An alert, as PagerDuty keeps it: by routing key and dedup key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub status: &'static str,
    /// How many triggers it has had since it was opened.
    pub triggers: usize,
    /// How often it was opened.
    pub opened: usize,
}

/// An answer to give instead of PagerDuty's.
#[derive(Clone, Debug)]
pub enum Answer {
    /// This status and body, after this long.
    Say(u16, String, Duration),
    /// PagerDuty's own.
    Own,
    /// Nothing: the connection is closed.
    Close,
}

impl Answer {
    pub fn say(status: u16, body: &str) -> Answer {
        Answer::Say(status, body.to_owned(), Duration::ZERO)
    }
}

impl PagerDuty {
    /// Starts the double on a port that the system picks.
    pub async fn start() -> PagerDuty {
        PagerDuty::showing(None).await
    }

    /// The same, with something to do for every request.
    pub async fn showing(show: Option<Show>) -> PagerDuty {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), arrived: Notify::new(), show });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        PagerDuty { address, shared, server }
    }

    /// What to set variable `events_url` to.
    pub fn url(&self) -> String {
        format!("http://{}/v2/enqueue", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers to give to the next requests, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().unwrap().script.extend(answers);
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// All alerts so far, by dedup key.
    pub fn alerts(&self) -> BTreeMap<String, Alert> {
        let state = self.shared.state.lock().unwrap();
        state.alerts.iter().map(|((_, dedup_key), alert)| (dedup_key.clone(), alert.clone())).collect()
    }

    /// Waits until a request satisfies `wanted`, and gives it.
    pub async fn wait_for(&self, wanted: impl Fn(&Received) -> bool) -> Received {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(found) = self.received().into_iter().find(|received| wanted(received)) {
                return found;
            }
            arrived.await;
        }
    }
}

impl Drop for PagerDuty {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&shared)));
            // A connection that breaks is the client's business, or the script's.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let bytes = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let headers = head.headers.iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned()));
    let mut received = Received {
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        event: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        bytes,
        status: 0,
        effect: String::new(),
    };
    let scripted = shared.state.lock().unwrap().script.pop_front().unwrap_or(Answer::Own);
    let (status, body) = match scripted {
        Answer::Own => {
            let mut state = shared.state.lock().unwrap();
            let (status, body, effect) = state.take(&head.method, &received);
            received.effect = effect;
            (status, body)
        }
        Answer::Say(status, body, after) => {
            tokio::time::sleep(after).await;
            received.effect = "scripted".to_owned();
            (status, body)
        }
        Answer::Close => {
            received.effect = "closed".to_owned();
            shared.note(received);
            return Err(std::io::Error::other("as scripted"));
        }
    };
    received.status = status;
    shared.note(received);
    let response = Response::builder().status(StatusCode::from_u16(status).expect("a status"));
    let response = response.header("content-type", "application/json").body(Full::new(Bytes::from(body)));
    Ok(response.expect("status and headers are valid"))
}

impl Shared {
    fn note(&self, received: Received) {
        if let Some(show) = &self.show {
            show(&received);
        }
        self.state.lock().unwrap().received.push(received);
        self.arrived.notify_waiters();
    }
}

impl State {
    /// Takes an event as PagerDuty would: status, body, and what came of it.
    fn take(&mut self, method: &hyper::Method, received: &Received) -> (u16, String, String) {
        if method != hyper::Method::POST || received.path != "/v2/enqueue" {
            return (404, String::new(), "no such path".to_owned());
        }
        if received.event.is_null() {
            let body = json!({
                "status": "Unrecognized object", "message": "Event object format is unrecognized", "errors": ["JSON parse error"],
            });
            return (400, body.to_string(), "refused: not json".to_owned());
        }
        let wrong = contract::violations(&received.bytes);
        if !wrong.is_empty() {
            let effect = format!("refused: {}", wrong.join("; "));
            let body = json!({"status": "invalid event", "message": "Event object is invalid", "errors": wrong});
            return (400, body.to_string(), effect);
        }
        let text = |name: &str| received.event[name].as_str().unwrap_or_default().to_owned();
        let dedup_key = text("dedup_key");
        let effect = self.apply(&text("event_action"), (text("routing_key"), dedup_key.clone()));
        let body = json!({"status": "success", "message": "Event processed", "dedup_key": dedup_key});
        (202, body.to_string(), effect.to_owned())
    }

    fn apply(&mut self, action: &str, key: (String, String)) -> &'static str {
        let open = self.alerts.get_mut(&key).filter(|alert| alert.status != "resolved");
        match (action, open) {
            ("trigger", Some(alert)) => {
                alert.triggers += 1;
                "added to the open alert"
            }
            ("trigger", None) => {
                let alert = self.alerts.entry(key).or_insert(Alert { status: "triggered", triggers: 0, opened: 0 });
                *alert = Alert { status: "triggered", triggers: 1, opened: alert.opened + 1 };
                "opened an alert"
            }
            ("acknowledge", Some(alert)) => {
                alert.status = "acknowledged";
                "acknowledged the alert"
            }
            (_, Some(alert)) => {
                alert.status = "resolved";
                "closed the alert"
            }
            (_, None) => "dropped: no open alert with this key",
        }
    }
}
