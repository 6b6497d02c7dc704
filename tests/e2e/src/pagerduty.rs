//! A mock of PagerDuty's Events API: a real HTTP server on localhost. It enforces our strict contract, keeps alerts as
//! PagerDuty does, answers as the real PagerDuty was observed to answer, and can fail in every way that a server can.
//!
//! It writes HTTP by hand: a library would not answer before it has read the request, end early, or send data that is
//! not HTTP.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::contract;

/// The mock. It stops when it is dropped.
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

/// A callback for every request.
pub type Show = Box<dyn Fn(&Received) + Send + Sync>;

#[derive(Default)]
struct State {
    received: Vec<Received>,
    alerts: BTreeMap<(String, String), Alert>,
    changes: Vec<Value>,
    script: VecDeque<Answer>,
    faults: Vec<(Option<String>, Answer)>,
    /// An answer for the first request of each alert, and the alerts that have had it.
    once: Option<(Answer, BTreeSet<String>)>,
    revoked: BTreeSet<String>,
    /// How many requests are running, and the most that ran at the same time.
    under_way: (usize, usize),
    /// Intermittent faults.
    chaos: Option<Chaos>,
    /// How many more events the current minute accepts, if it is limited.
    room: Option<usize>,
}

/// A request, and its answer.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub bytes: Bytes,
    /// The body. `null` if it is not JSON.
    pub event: Value,
    pub status: u16,
    /// The effect on the alert: "opened", "dropped: no open alert" …
    pub effect: String,
}

/// An alert. Its identity is the routing key and the dedup key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub status: &'static str,
    /// How many triggers it has had since it was opened.
    pub triggers: usize,
    /// How often it was opened.
    pub opened: usize,
}

/// Faults by seed: the nth request of an alert has the same result in every run, in any order of the requests.
#[derive(Clone, Debug)]
pub struct Chaos {
    pub seed: u64,
    /// The percentage of requests that fail.
    pub percent: u64,
    /// The largest number of consecutive failures of one alert.
    pub in_a_row: u64,
    counts: BTreeMap<String, (u64, u64)>,
}

impl Chaos {
    pub fn new(seed: u64, percent: u64, in_a_row: u64) -> Chaos {
        Chaos { seed, percent, in_a_row, counts: BTreeMap::new() }
    }

    fn next(&mut self, key: &str) -> Option<Answer> {
        let (nth, row) = self.counts.entry(key.to_owned()).or_default();
        *nth += 1;
        // The same on every machine and with every compiler.
        let hash = pagerelay::text::sha256_hex(format!("{} {key} {nth}", self.seed).as_bytes());
        let dice = u64::from_str_radix(&hash[..15], 16).expect("hex");
        if dice % 100 >= self.percent || *row >= self.in_a_row {
            *row = 0;
            return None;
        }
        *row += 1;
        let faults = [
            Answer::say(500, ""),
            Answer::say(503, "<html>busy</html>"),
            Answer::say(429, ""),
            Answer::With(429, "retry-after: 0"),
            Answer::say(408, ""),
            Answer::say(202, ""),
            Answer::say(400, r#"{"status":"invalid event","message":"Event object is invalid","errors":["odd"]}"#),
            Answer::say(403, "no"),
            Answer::say(404, ""),
            Answer::say(413, ""),
            Answer::Close,
            Answer::CloseUnread,
            Answer::CloseInside,
            Answer::Lose,
            Answer::Lose,
            Answer::Garbage,
        ];
        Some(faults[(dice / 100) as usize % faults.len()].clone())
    }
}

/// An answer instead of PagerDuty's own.
#[derive(Clone, Debug)]
pub enum Answer {
    /// PagerDuty's own answer.
    Own,
    /// This status and body, after this delay.
    Say(u16, String, Duration),
    /// This status with one more header, and without a body.
    With(u16, &'static str),
    /// This status and body before the event has been read. The rest of it is never read.
    Early(u16, String),
    /// The same, and the connection is closed immediately.
    EarlyClose(u16, String),
    /// No answer: the connection is closed after the event has been read.
    Close,
    /// No answer: the connection is closed before anything has been read.
    CloseUnread,
    /// The event is accepted, and the answer ends early.
    CloseInside,
    /// The event is accepted, and the connection is closed without an answer.
    Lose,
    /// The event is accepted, and the first byte of the answer never arrives.
    Stall,
    /// The event is accepted, and the second half of the answer never arrives.
    StallInside,
    /// Data that is not HTTP.
    Garbage,
}

impl Answer {
    pub fn say(status: u16, body: &str) -> Answer {
        Answer::Say(status, body.to_owned(), Duration::ZERO)
    }
}

impl PagerDuty {
    /// Starts the mock on a port that the system picks.
    pub async fn start() -> PagerDuty {
        PagerDuty::showing(None).await
    }

    /// Like [`PagerDuty::start`], with a callback for every request.
    pub async fn showing(show: Option<Show>) -> PagerDuty {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared { state: Mutex::default(), arrived: Notify::new(), show });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        PagerDuty { address, shared, server }
    }

    /// The value for variable `events_url`.
    pub fn url(&self) -> String {
        format!("http://{}/v2/enqueue", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the answers of the next requests, in order.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.state.lock().unwrap().script.extend(answers);
    }

    /// Sets the answer of every request of this alert, or of all alerts.
    pub fn fault(&self, dedup_key: Option<&str>, answer: Answer) {
        self.shared.state.lock().unwrap().faults.push((dedup_key.map(str::to_owned), answer));
    }

    /// Starts intermittent faults.
    pub fn chaos(&self, chaos: Chaos) {
        self.shared.state.lock().unwrap().chaos = Some(chaos);
    }

    /// Sets the answer of the first request of each alert.
    pub fn once(&self, answer: Answer) {
        self.shared.state.lock().unwrap().once = Some((answer, BTreeSet::new()));
    }

    /// Ends all faults and scripts.
    pub fn recover(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.chaos = None;
        state.faults.clear();
        state.script.clear();
    }

    /// Makes a routing key unknown.
    pub fn revoke(&self, routing_key: &str) {
        self.shared.state.lock().unwrap().revoked.insert(routing_key.to_owned());
    }

    /// Limits a minute to this many events, and starts a new minute.
    pub fn minute(&self, room: usize) {
        self.shared.state.lock().unwrap().room = Some(room);
    }

    /// The most requests that ran at the same time.
    pub fn most_under_way(&self) -> usize {
        self.shared.state.lock().unwrap().under_way.1
    }

    /// Stops the server in the middle of any request. Accepted events are kept.
    pub fn kill(&self) {
        self.server.abort();
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.state.lock().unwrap().received.clone()
    }

    /// All requests so far. The mock forgets them.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.shared.state.lock().unwrap().received)
    }

    /// All alerts so far, by dedup key.
    pub fn alerts(&self) -> BTreeMap<String, Alert> {
        let state = self.shared.state.lock().unwrap();
        state.alerts.iter().map(|((_, dedup_key), alert)| (dedup_key.clone(), alert.clone())).collect()
    }

    /// All alerts so far, by routing key and dedup key.
    pub fn alerts_by_key(&self) -> BTreeMap<(String, String), Alert> {
        self.shared.state.lock().unwrap().alerts.clone()
    }

    /// All change events so far.
    pub fn changes(&self) -> Vec<Value> {
        self.shared.state.lock().unwrap().changes.clone()
    }

    /// Waits until a request satisfies `wanted`, and returns it.
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
    // The set ends with this task, so that killing it breaks every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A broken connection is intended by the client or the script.
        connections.spawn(async move { answer(stream, &shared).await.unwrap_or_default() });
    }
}

/// A request, as far as it has been read.
#[derive(Default)]
struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    length: usize,
}

/// Reads a request's head, and enough of its body to name the alert.
async fn read_head(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    let (length, mut request) = loop {
        read_more(stream, &mut bytes).await?;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut headers);
        // TLS, for example.
        match head.parse(&bytes).map_err(|_| std::io::ErrorKind::InvalidData)? {
            httparse::Status::Complete(length) => break (length, Request::of(&head)),
            httparse::Status::Partial => {}
        }
    };
    request.body = bytes.split_off(length);
    while request.body.len() < request.length && request.peek("event_action").is_empty() {
        read_more(stream, &mut request.body).await?;
    }
    Ok(request)
}

async fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> std::io::Result<()> {
    match stream.read_buf(bytes).await? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

impl Request {
    fn of(head: &httparse::Request<'_, '_>) -> Request {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers: BTreeMap<String, String> =
            head.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value))).collect();
        Request {
            method: head.method.unwrap_or_default().to_owned(),
            path: head.path.unwrap_or_default().to_owned(),
            length: headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or_default(),
            headers,
            ..Request::default()
        }
    }

    /// A member of the event, from a partial body. Bodies are sorted by name, so it is near the start.
    fn peek(&self, name: &str) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let value = text.split_once(&format!("\"{name}\":\"")).and_then(|(_, rest)| rest.split_once('"'));
        value.map(|(value, _)| value.to_owned()).unwrap_or_default()
    }
}

async fn answer(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    // Before anything is read, only the faults of all requests can apply.
    if shared.state.lock().unwrap().faults.iter().any(|(key, f)| key.is_none() && matches!(f, Answer::CloseUnread)) {
        return Ok(());
    }
    let mut request = read_head(&mut stream).await?;
    let key = request.peek("dedup_key");
    let scripted = {
        let mut state = shared.state.lock().unwrap();
        let fault = state.faults.iter().find(|(alert, _)| alert.as_ref().is_none_or(|alert| *alert == key));
        let fault = fault.map(|(_, answer)| answer.clone());
        let first = state.once.as_mut().filter(|(_, met)| !met.contains(&key));
        let fault = fault.or_else(|| {
            first.map(|(answer, met)| {
                met.insert(key.clone());
                answer.clone()
            })
        });
        let scripted = fault.or_else(|| state.script.pop_front());
        scripted.or_else(|| state.chaos.as_mut().and_then(|chaos| chaos.next(&key))).unwrap_or(Answer::Own)
    };
    if matches!(scripted, Answer::CloseUnread) {
        return Ok(());
    }
    if let Answer::Early(status, body) | Answer::EarlyClose(status, body) = &scripted {
        let mut received = Received::new(&request);
        received.status = *status;
        "answered before it was read".clone_into(&mut received.effect);
        if *status == 202 {
            let pair = (request.peek("routing_key"), key);
            shared.state.lock().unwrap().apply(&request.peek("event_action"), pair);
        }
        shared.note(received);
        write(&mut stream, *status, "", body, 1.0).await?;
        if matches!(scripted, Answer::Early(..)) {
            // Until the client closes the connection.
            std::future::pending::<()>().await;
        }
        return Ok(());
    }
    while request.body.len() < request.length {
        read_more(&mut stream, &mut request.body).await?;
    }
    let mut received = Received::new(&request);
    let own = |received: &mut Received| {
        let mut state = shared.state.lock().unwrap();
        let (status, body, effect) = state.take(&request.method, received);
        (received.status, received.effect) = (status, effect);
        (status, body)
    };
    let (status, header, body) = match scripted {
        Answer::Own => {
            let (status, body) = own(&mut received);
            (status, "", body)
        }
        Answer::Say(status, body, after) => {
            shared.begin();
            tokio::time::sleep(after).await;
            shared.state.lock().unwrap().under_way.0 -= 1;
            (status, "", body)
        }
        Answer::With(status, header) => (status, header, String::new()),
        Answer::Close => {
            "closed".clone_into(&mut received.effect);
            shared.note(received);
            return Ok(());
        }
        Answer::Garbage => {
            shared.note(received);
            return stream.write_all(b"220 mail.test ESMTP ready\r\n").await;
        }
        Answer::CloseInside | Answer::Lose | Answer::Stall | Answer::StallInside => {
            let (status, body) = own(&mut received);
            received.status = 0;
            shared.note(received);
            if matches!(scripted, Answer::CloseInside | Answer::StallInside) {
                write(&mut stream, status, "", &body, 0.5).await?;
            }
            if matches!(scripted, Answer::Stall | Answer::StallInside) {
                std::future::pending::<()>().await;
            }
            return Ok(());
        }
        Answer::CloseUnread | Answer::Early(..) | Answer::EarlyClose(..) => return Ok(()),
    };
    if received.effect.is_empty() {
        "scripted".clone_into(&mut received.effect);
    }
    received.status = status;
    shared.note(received);
    write(&mut stream, status, header, &body, 1.0).await?;
    stream.shutdown().await
}

/// Writes an answer, or its head and this share of its body.
async fn write(stream: &mut TcpStream, status: u16, header: &str, body: &str, share: f64) -> std::io::Result<()> {
    let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
    let head = format!(
        "HTTP/1.1 {status} \r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{header}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let part = (body.len() as f64 * share) as usize;
    stream.write_all(&body.as_bytes()[..part]).await?;
    stream.flush().await
}

impl Received {
    fn new(request: &Request) -> Received {
        Received {
            path: request.path.clone(),
            headers: request.headers.clone(),
            event: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
            bytes: request.body.clone().into(),
            status: 0,
            effect: String::new(),
        }
    }
}

impl Shared {
    fn begin(&self) {
        let (now, most) = &mut self.state.lock().unwrap().under_way;
        *now += 1;
        *most = (*most).max(*now);
    }

    fn note(&self, received: Received) {
        if let Some(show) = &self.show {
            show(&received);
        }
        self.state.lock().unwrap().received.push(received);
        self.arrived.notify_waiters();
    }
}

impl State {
    /// Handles an event as PagerDuty would. Returns status, body, and effect.
    fn take(&mut self, method: &str, received: &Received) -> (u16, String, String) {
        let change = received.path == "/v2/change/enqueue";
        if method != "POST" || received.path != "/v2/enqueue" && !change {
            return (404, String::new(), "no such path".to_owned());
        }
        if received.event.is_null() {
            let body = json!({
                "status": "Unrecognized object", "message": "Event object format is unrecognized", "errors": ["JSON parse error"],
            });
            return (400, body.to_string(), "refused: not json".to_owned());
        }
        let wrong =
            if change { contract::change_violations(&received.bytes) } else { contract::violations(&received.bytes) };
        if !wrong.is_empty() {
            let effect = format!("refused: {}", wrong.join("; "));
            let body = json!({"status": "invalid event", "message": "Event object is invalid", "errors": wrong});
            return (400, body.to_string(), effect);
        }
        let text = |name: &str| received.event[name].as_str().unwrap_or_default().to_owned();
        let routing_key = text("routing_key");
        if self.revoked.contains(&routing_key) || change && routing_key.starts_with('R') {
            return (400, "Invalid routing key".to_owned(), "refused: unknown routing key".to_owned());
        }
        if self.room == Some(0) {
            let body = json!({"status": "throttle exceeded", "message": "Requests for this service are arriving too quickly."});
            return (429, body.to_string(), "turned away: too many".to_owned());
        }
        self.room = self.room.map(|room| room - 1);
        if change {
            self.changes.push(received.event.clone());
            let body = json!({"status": "success", "message": "Change event processed"});
            return (202, body.to_string(), "kept the change".to_owned());
        }
        let dedup_key = text("dedup_key");
        let effect = self.apply(&text("event_action"), (routing_key, dedup_key.clone()));
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
