//! The reply to the sender for each behaviour of PagerDuty: 2xx only if PagerDuty has every event.
//!
//! The matrix combines every fault of a server with deliveries of one event and of ten, and with one event by each API of
//! others that the component speaks. `cargo test --test component delivery -- --nocapture` prints it.

use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, Egress, Reply, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SERVICE_KEY, evidence, run, run_alone};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::apis::Api;

/// A possible previous key for [`ROUTING_KEY`].
const PREVIOUS_KEY: &str = "R0pageRelayTestKey0000000000000p";

fn alert(i: usize, status: &str) -> Value {
    json!({"status": status, "labels": {"alertname": "A"}, "fingerprint": format!("{i:016x}")})
}

fn key(i: usize) -> String {
    format!("alertmanager:{i:016x}")
}

fn delivery(alerts: Vec<Value>) -> String {
    json!({"version": "4", "groupKey": "g", "alerts": alerts}).to_string()
}

/// A group of `n` alerts.
fn group(n: usize) -> String {
    delivery((0..n).map(|i| alert(i, "firing")).collect())
}

/// The duration of a request, from the component's log.
fn millis(reply: &Reply) -> u64 {
    reply.log_json()["ms"].as_u64().expect("the log tells the time")
}

async fn post(world: &World, body: impl Into<bytes::Bytes>) -> Reply {
    relay(Flavour::Spin).call(world, Call::post("/alertmanager", body)).await.expect("the component answers")
}

/// Sends a group of `n` alerts to a PagerDuty that follows a script.
fn deliver(n: usize, script: Vec<Answer>) -> (Reply, PagerDuty) {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.script(script);
        let reply = post(&World::new(&pagerduty.url()), group(n)).await;
        (reply, pagerduty)
    })
}

/// A fault of the other server or the way to it.
#[derive(Clone)]
enum Fault {
    /// PagerDuty answers like this, every time.
    Says(Answer),
    /// PagerDuty answers like this once, and then works normally.
    Once(Answer),
    /// The runtime's rules block outbound requests.
    Denied,
    /// No server is listening.
    Refused,
    /// Connections are never established.
    Unreachable,
    /// The server does not support TLS.
    NoTls,
}

/// The result of a fault for one event: status, `Retry-After`, attempts for that event, the reply's detail.
type Cell = (u16, &'static str, u64, &'static str);

/// How many times an event is tried for a sender that does not send its state again, with a timeout of ten seconds. The table
/// has the number for Alertmanager, whose events are retried once.
fn tries_until_deadline(name: &str, (status, retry_after, tries, _): Cell) -> RangeInclusive<u64> {
    // PagerDuty may have accepted the event, or limits the rate, or takes the whole time for two responses.
    let is_final = name == "204" || name == "no second half" || name.starts_with("202 ") || name.starts_with("429");
    match name {
        _ if is_final || (status, retry_after, tries) != (503, "30", 2) => tries..=tries,
        // The third connection is given up with the delivery.
        "connections hang" => 3..=3,
        // The pauses alone are 7.6 to 8.1 seconds, so on a busy machine the last one may not fit.
        _ => 5..=6,
    }
}

/// Every fault, and its result for one event. `…` represents the count of events.
fn faults() -> Vec<(&'static str, Fault, Cell)> {
    const OWN: &str = r#"{"status":"success"}"#;
    const INVALID: &str = r#"{"status":"invalid event","message":"Event object is invalid","errors":["one","two"]}"#;
    const UNRECOGNISED: &str = r#"{"status":"Unrecognized object","message":"Event object format is unrecognized","errors":["JSON parse error"]}"#;
    let says = |status, body: &str| Fault::Says(Answer::say(status, body));
    let once = |status, body: &str| Fault::Once(Answer::say(status, body));
    let with = |status, header| Fault::Says(Answer::With(status, header));
    let long = || "long ".repeat(200_000);
    let spaced = || format!("{{\"status\":\"success\"{}}}", " ".repeat(70_000));
    vec![
        ("takes it, 202", says(202, OWN), (200, "", 1, "")),
        ("takes it, 200", says(200, OWN), (200, "", 1, "")),
        ("takes it, 201", says(201, OWN), (200, "", 1, "")),
        ("202 and nothing", says(202, ""), (503, "30", 2, "not taken: 202")),
        ("202 and a page", says(202, "<html>login</html>"), (503, "30", 2, "not taken: 202 <html>login</html>")),
        (
            "202 and another status",
            says(202, r#"{"status":"queued"}"#),
            (503, "30", 2, "not taken: 202 {\"status\":\"queued\"}"),
        ),
        ("202 and 70 kB", says(202, &spaced()), (503, "30", 2, "")),
        ("204", says(204, ""), (503, "30", 2, "not taken: 204")),
        ("302", with(302, "location: http://127.0.0.1:1/"), (502, "", 1, "elsewhere: 302")),
        ("304", says(304, ""), (502, "", 1, "elsewhere: 304")),
        ("400 invalid event", says(400, INVALID), (502, "", 2, "refused: 400 Event object is invalid: one; two")),
        (
            "400 unrecognised",
            says(400, UNRECOGNISED),
            (502, "", 2, "refused: 400 Event object format is unrecognized: JSON parse error"),
        ),
        ("400 object of another kind", says(400, r#"{"odd":[1]}"#), (502, "", 2, "refused: 400 {\"odd\":[1]}")),
        ("400 list", says(400, "[]"), (502, "", 2, "refused: 400 []")),
        ("400 unknown key", says(400, "Invalid routing key"), (502, "", 1, "key: 400 Invalid routing key")),
        (
            "400 key by its field",
            says(400, r#"{"message":"no","errors":["'routing_key' is bad"]}"#),
            (502, "", 1, "key: 400 no: 'routing_key' is bad"),
        ),
        ("400 and 1 MB", says(400, &long()), (502, "", 2, "")),
        ("400 once", once(400, INVALID), (200, "", 2, "")),
        ("401", says(401, ""), (502, "", 1, "key: 401")),
        ("402", says(402, "pay"), (502, "", 1, "key: 402 pay")),
        ("403", says(403, "no"), (502, "", 1, "key: 403 no")),
        ("404", says(404, ""), (502, "", 1, "elsewhere: 404")),
        ("405", says(405, ""), (502, "", 1, "elsewhere: 405")),
        ("408", says(408, ""), (503, "30", 2, "not taken: 408")),
        ("408 once", once(408, ""), (200, "", 2, "")),
        ("413", says(413, ""), (502, "", 2, "refused: 413")),
        ("429", says(429, ""), (503, "30", 1, "not taken: 429")),
        ("429, again in 0 s", with(429, "retry-after: 0"), (503, "30", 2, "not taken: 429")),
        ("429, again in 0 s, once", Fault::Once(Answer::With(429, "Retry-After: 0")), (200, "", 2, "")),
        ("429, reset in 0 s, once", Fault::Once(Answer::With(429, "ratelimit-reset: 0")), (200, "", 2, "")),
        ("429, again in 45 s", with(429, "retry-after: 45"), (503, "45", 1, "not taken: 429")),
        ("429, again in a day", with(429, "retry-after: 86400"), (503, "300", 1, "not taken: 429")),
        ("429, again at a date", with(429, "retry-after: Fri, 31 Dec 1999 23:59:59 GMT"), (503, "30", 1, "")),
        ("429, again after -1", with(429, "retry-after: -1"), (503, "30", 1, "not taken: 429")),
        ("500", says(500, ""), (503, "30", 2, "not taken: 500")),
        ("500 once", once(500, ""), (200, "", 2, "")),
        ("502", says(502, "bad"), (503, "30", 2, "not taken: 502 bad")),
        ("503", says(503, "x\u{0}\ny"), (503, "30", 2, "not taken: 503 x y")),
        ("503, again in 60 s", with(503, "retry-after: 60"), (503, "60", 1, "not taken: 503")),
        ("504", says(504, ""), (503, "30", 2, "not taken: 504")),
        ("599", says(599, ""), (503, "30", 2, "not taken: 599")),
        ("slow, 500 ms", Fault::Says(Answer::Say(202, OWN.to_owned(), Duration::from_millis(500))), (200, "", 1, "")),
        ("no first byte", Fault::Says(Answer::Stall), (503, "30", 1, "not taken: timed out")),
        ("no second half", Fault::Says(Answer::StallInside), (503, "30", 2, "not taken: timed out")),
        (
            "closes unread",
            Fault::Says(Answer::CloseUnread),
            (503, "30", 2, "not taken: the response ended early or was not HTTP"),
        ),
        ("closes unread, once", Fault::Once(Answer::CloseUnread), (200, "", 2, "")),
        (
            "closes without a word",
            Fault::Says(Answer::Close),
            (503, "30", 2, "not taken: the response ended early or was not HTTP"),
        ),
        ("closes without a word, once", Fault::Once(Answer::Close), (200, "", 2, "")),
        (
            "takes it and closes",
            Fault::Says(Answer::Lose),
            (503, "30", 2, "not taken: the response ended early or was not HTTP"),
        ),
        ("takes it and closes, once", Fault::Once(Answer::Lose), (200, "", 2, "")),
        (
            "closes inside",
            Fault::Says(Answer::CloseInside),
            (503, "30", 2, "not taken: the response ended early or was not HTTP"),
        ),
        ("closes inside, once", Fault::Once(Answer::CloseInside), (200, "", 2, "")),
        (
            "no http",
            Fault::Says(Answer::Garbage),
            (503, "30", 2, "not taken: the response ended early or was not HTTP"),
        ),
        ("202 before it read", Fault::Says(Answer::Early(202, OWN.to_owned())), (200, "", 1, "")),
        ("413 before it read", Fault::Says(Answer::Early(413, String::new())), (502, "", 2, "refused: 413")),
        ("429 before it read", Fault::Says(Answer::Early(429, String::new())), (503, "30", 1, "not taken: 429")),
        ("egress denied", Fault::Denied, (502, "", 1, "blocked: add its host to allowed_outbound_hosts")),
        ("nothing listens", Fault::Refused, (503, "30", 2, "not taken: connection failed")),
        ("connections hang", Fault::Unreachable, (503, "30", 2, "not taken: connection failed")),
        ("no tls", Fault::NoTls, (503, "30", 2, "not taken: TLS failed")),
    ]
}

/// The detail of the whole reply, from the short form in the table.
fn detail(short: &str, failed: usize, of: usize) -> String {
    let (kind, why) = short.split_once(": ").unwrap_or((short, ""));
    match kind {
        "not taken" => format!("PagerDuty did not accept {failed} of {of} events; retry: {why}"),
        "refused" => format!("PagerDuty rejected {failed} of {of} events: {why}"),
        "key" => format!("PagerDuty rejected the routing key in variable `routing_key`: {why}"),
        "elsewhere" => format!(
            "the server at the events URL is not PagerDuty's Events API (it answered {why}); check variable `events_url`"
        ),
        "blocked" => format!("outbound requests to PagerDuty are blocked: {why}"),
        _ => panic!("no such kind: {kind}"),
    }
}

/// A port on localhost with a full connection queue, so that no other connection is ever established.
struct FullPort {
    _listener: socket2::Socket,
    _queue: Vec<socket2::Socket>,
    port: u16,
}

impl FullPort {
    fn new() -> FullPort {
        let socket = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        let listener = socket();
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("a free port on loopback");
        listener.listen(0).expect("a listening socket");
        let address = listener.local_addr().expect("bound");
        let queue = std::iter::repeat_with(|| {
            let client = socket();
            client.set_nonblocking(true).expect("a socket that does not block");
            // It is established, or waits like the following ones.
            let _ = client.connect(&address);
            client
        });
        let queue = queue.take(4).collect();
        FullPort { _queue: queue, port: address.as_socket().expect("an address").port(), _listener: listener }
    }
}

/// One cell: a call, and a fault that affects all of its events or one of them.
async fn cell(fault: &Fault, call: Call, all: bool) -> (Reply, PagerDuty) {
    let pagerduty = PagerDuty::start().await;
    let mut world = World::new(&pagerduty.url());
    let mut full = None;
    match fault {
        Fault::Says(answer) if all => pagerduty.fault(None, answer.clone()),
        Fault::Says(answer) => pagerduty.fault(Some(&key(4)), answer.clone()),
        Fault::Once(answer) if all => pagerduty.once(answer.clone()),
        Fault::Once(answer) => pagerduty.script([answer.clone()]),
        Fault::Denied => world.egress = Egress::Denied,
        // Port 1 of localhost: no server is listening there, and no unprivileged program can.
        Fault::Refused => world = World::new("http://127.0.0.1:1/v2/enqueue"),
        Fault::Unreachable => {
            let port = full.insert(FullPort::new()).port;
            world = World::new(&format!("http://127.0.0.1:{port}/v2/enqueue"));
        }
        Fault::NoTls => world = World::new(&pagerduty.url().replace("http://", "https://")),
    }
    let reply = relay(Flavour::Spin).call(&world, call).await.expect("the component answers");
    (reply, pagerduty)
}

#[test]
fn the_fault_matrix() {
    let _ = relay(Flavour::Spin);
    let mut rows: Vec<Vec<String>> = run_alone(async {
        // Some cells wait for the sender's whole timeout, so all cells run concurrently.
        let mut rows = JoinSet::new();
        for (row, (name, fault, cell_of_one)) in faults().into_iter().enumerate() {
            rows.spawn(async move {
                let column = |of: usize, failing: usize| {
                    let fault = fault.clone();
                    async move {
                        // A fault of the connection affects all events.
                        let way = !matches!(fault, Fault::Says(_) | Fault::Once(_));
                        if way && failing < of {
                            return "-".to_owned();
                        }
                        check(name, &fault, cell_of_one, of, failing).await
                    }
                };
                let webhooks = async { tokio::join!(column(1, 1), column(10, 1), column(10, 10)) };
                let calls = async {
                    let [v2, v1, alerts] = Api::ALL.map(|api| check_call(name, &fault, cell_of_one, api));
                    tokio::join!(v2, v1, alerts)
                };
                // Only what waits for a timeout goes beside the webhooks: too many cells at once would be late.
                let waits = matches!(fault, Fault::Says(Answer::Stall | Answer::StallInside) | Fault::Unreachable);
                let ((one, part, all), (v2, v1, alerts)) =
                    if waits { tokio::join!(webhooks, calls) } else { (webhooks.await, calls.await) };
                vec![format!("{row:02}"), name.to_owned(), one, part, all, v2, v1, alerts]
            });
        }
        rows.join_all().await
    });
    rows.sort();
    let cells = rows.iter().flat_map(|row| &row[2..]).filter(|cell| *cell != "-").count();
    let mut out = std::io::stderr().lock();
    let head = ["", "PagerDuty", "1 event", "10 events, 1 of them", "10 events, all", "Events v2", "v1", "Opsgenie"];
    for row in std::iter::once(&head.map(str::to_owned).to_vec()).chain(&rows) {
        let [v2, v1, alerts] = [&row[5], &row[6], &row[7]];
        writeln!(out, "{:28} {:37} {:37} {:37} {v2:9} {v1:6} {alerts}", row[1], row[2], row[3], row[4]).unwrap();
    }
    drop(out);
    evidence(&format!("fault matrix: {cells} cells, each with its bounded answer, none a false success"));
}

/// Runs a cell, and checks it against the table and against the rules for every cell.
async fn check(name: &str, fault: &Fault, cell_of_one: Cell, of: usize, failing: usize) -> String {
    let (status, retry_after, tries, short) = cell_of_one;
    let started = std::time::Instant::now();
    let (reply, pagerduty) = cell(fault, Call::post("/alertmanager", group(of)), failing == of).await;
    let took = started.elapsed();
    let what = format!("{name}, {failing} of {of}");
    let said = reply.json();
    assert_eq!(reply.status, status, "{what}: {said}");
    assert_eq!(reply.headers.get("retry-after").map_or("", String::as_str), retry_after, "{what}");
    if !short.is_empty() {
        assert_eq!(said["detail"], detail(short, failing, of), "{what}");
    }
    let patience = pagerelay::sources::find("alertmanager").expect("it exists").patience.as_millis();
    // By the component's own clock. The clock of a busy machine only shows that the call ended.
    assert!(u128::from(millis(&reply)) < patience, "{what}: the sender has gone after {} ms", millis(&reply));
    assert!(took.as_millis() < 2 * patience, "{what}: {took:?}");
    assert!(reply.body.len() < 1500 + 700 * of, "{what}: {} bytes", reply.body.len());

    let events = said["events"].as_array().expect("a list of events");
    assert_eq!(events.len(), of, "{what}: each event is accounted for");
    let log = reply.log_json();
    assert_eq!(log["events"], said["events"], "{what}: the log tells the same");
    assert_eq!(log["level"] == "error", status >= 400, "{what}: {}", log["level"]);
    let fails = |event: &Value| failing == of || event["dedup_key"] == json!(key(4));
    let failed: Vec<&Value> = events.iter().filter(|event| fails(event)).collect();
    if !matches!(fault, Fault::Once(_)) {
        assert!(failed.iter().all(|event| event["attempts"] == tries), "{what}: {failed:?}");
    }

    // The one result that must never happen.
    let alerts = pagerduty.alerts();
    let present = (0..of).filter(|i| alerts.contains_key(&key(*i))).count();
    let own_words = matches!(fault, Fault::Says(Answer::Say(..)));
    if reply.status < 300 && !own_words {
        assert_eq!(present, of, "{what}: the sender was told that all is well");
    }
    assert!(present >= of - failing, "{what}: the others are sent all the same");
    // The events in the reply are exactly the bytes that arrived, each time.
    let unread =
        matches!(fault, Fault::Says(Answer::CloseUnread | Answer::Early(..)) | Fault::Once(Answer::CloseUnread));
    let arrived = pagerduty.received();
    if !unread && !arrived.is_empty() {
        for event in events {
            let of_event: Vec<_> = arrived.iter().filter(|r| r.event["dedup_key"] == event["dedup_key"]).collect();
            assert_eq!(json!(of_event.len()), event["attempts"], "{what}");
            let last = of_event.last().expect("it was tried").bytes.clone();
            assert_eq!(event["sha256"], pagerelay::text::sha256_hex(&last), "{what}");
        }
    }
    let arrived = arrived.len();
    format!("{} {retry_after:>3} x{tries} {present:2} there {arrived:2} came {:4} ms", reply.status, millis(&reply))
}

/// Runs a cell of one event by an API, and checks it in that API's own terms.
async fn check_call(name: &str, fault: &Fault, cell_of_one: Cell, api: Api) -> String {
    let (status, retry_after, _, short) = cell_of_one;
    let tries = tries_until_deadline(name, cell_of_one);
    let (reply, pagerduty) = cell(fault, api.call("k", true), true).await;
    let what = format!("{name}, {api:?}");
    let said = String::from_utf8_lossy(&reply.body).into_owned();
    let accepted = status == 200;
    assert_eq!(reply.status, if accepted { api.success() } else { status }, "{what}: {said}");
    assert_eq!(reply.headers.get("retry-after").map_or("", String::as_str), retry_after, "{what}");
    assert_eq!(api.accepts(&reply), accepted, "{what}: {said}");
    let error = api.error(&reply);
    assert_eq!(error.is_none(), accepted, "{what}: {said}");
    // The reason for the last try counts, and that may be the end of the time.
    let is_cut_off = matches!(fault, Fault::Unreachable) && said.contains("timed out");
    if !short.is_empty() && !is_cut_off {
        assert_eq!(error.expect("it failed"), detail(short, 1, 1), "{what}");
    }
    assert!(said.len() < 2200, "{what}: {} bytes", said.len());
    assert!(millis(&reply) < 10_000, "{what}: {} ms", millis(&reply));

    let log = reply.log_json();
    assert_eq!(log["level"] == "error", status >= 400, "{what}: {}", log["level"]);
    let events = log["events"].as_array().expect("a list of events");
    assert_eq!(events.len(), 1, "{what}");
    let attempts = events[0]["attempts"].as_u64().expect("a number");
    assert!(tries.contains(&attempts), "{what}: {attempts} attempts");
    // The one result that must never happen.
    let own_words = matches!(fault, Fault::Says(Answer::Say(..)));
    if accepted && !own_words {
        assert!(pagerduty.alerts().contains_key("k"), "{what}: the client was told that all is well");
    }
    format!("{} x{attempts}", reply.status)
}

#[test]
fn a_large_answer_is_repeated_in_part_and_a_key_in_it_not_at_all() {
    let (reply, _) = deliver(1, vec![Answer::say(413, &"long ".repeat(200_000)); 2]);
    assert_eq!(reply.status, 502);
    assert!(reply.body.len() < 2000, "{} bytes", reply.body.len());
    let (reply, _) = deliver(1, vec![Answer::say(400, &format!("Invalid routing key {ROUTING_KEY}"))]);
    let detail = "PagerDuty rejected the routing key in variable `routing_key`: 400 Invalid routing key [redacted]";
    assert_eq!(reply.json()["detail"], detail);
    assert!(!reply.log.contains(ROUTING_KEY));
}

#[test]
fn the_answer_decides_where_the_event_could_not_be_written_to_its_end() {
    run(async {
        let details = json!({"log": "0123456789".repeat(50_000)});
        let event = json!({
            "event_action": "trigger", "dedup_key": "large",
            "payload": {"summary": "s", "source": "h", "severity": "error", "custom_details": details},
        });
        let own = r#"{"status":"success"}"#.to_owned();
        let cases = [
            (Answer::Early(202, own.clone()), vec![202]),
            (Answer::Early(413, String::new()), vec![502]),
            (Answer::Early(429, String::new()), vec![503]),
            // The reset may overtake the answer, and then the answer is lost.
            (Answer::EarlyClose(202, own), vec![202, 503]),
            (Answer::EarlyClose(429, String::new()), vec![503]),
        ];
        for (answer, statuses) in cases {
            let pagerduty = PagerDuty::start().await;
            pagerduty.fault(None, answer.clone());
            let world = World::new(&pagerduty.url());
            let call = Call::post("/events", event.to_string());
            let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
            assert!(statuses.contains(&reply.status), "{answer:?}: {}", reply.json());
            assert!(millis(&reply) < 5000, "{answer:?} took {} ms", millis(&reply));
        }
    });
}

#[test]
fn events_go_out_together_and_those_of_one_alert_in_order() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.fault(None, Answer::Say(202, r#"{"status":"success"}"#.to_owned(), Duration::from_millis(100)));
        let reply = post(&World::new(&pagerduty.url()), group(50)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(pagerduty.most_under_way(), 50, "all of them at the same time");
        evidence(&format!("50 events at 100 ms each: {} ms", millis(&reply)));

        let pagerduty = PagerDuty::start().await;
        let slow = Answer::Say(202, r#"{"status":"success"}"#.to_owned(), Duration::from_millis(50));
        pagerduty.script([slow, Answer::Close]);
        let body = delivery(vec![alert(1, "firing"), alert(1, "resolved"), alert(1, "firing"), alert(2, "firing")]);
        let reply = post(&World::new(&pagerduty.url()), body).await;
        assert_eq!(reply.status, 200);
        let of_one = pagerduty.received().into_iter().filter(|r| r.event["dedup_key"] == key(1).as_str());
        let actions: Vec<Value> = of_one.filter(|r| r.status == 202).map(|r| r.event["event_action"].clone()).collect();
        // The last trigger replaces the first.
        assert_eq!(actions, ["resolve", "trigger"]);
    });
}

#[test]
fn what_is_tried_again_is_the_same_to_the_last_byte() {
    let (reply, pagerduty) = deliver(1, vec![Answer::say(500, "")]);
    let received = pagerduty.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0].bytes, received[1].bytes);
    let said = reply.json();
    assert_eq!(said["events"][0]["sha256"], pagerelay::text::sha256_hex(&received[1].bytes));
    assert_eq!(said["events"][0]["attempts"], 2);
}

#[test]
fn a_second_try_that_cannot_end_in_time_is_not_made() {
    // A retry after five seconds is in time; after nine seconds it is not.
    for (seconds, tries) in [(5, 2), (9, 1)] {
        let pagerduty = run(PagerDuty::start());
        pagerduty.fault(None, Answer::With(429, if seconds == 5 { "retry-after: 5" } else { "retry-after: 10" }));
        let reply = run(post(&World::new(&pagerduty.url()), group(1)));
        assert_eq!((reply.status, pagerduty.received().len()), (503, tries));
        assert!(millis(&reply) < 9600, "{} ms", millis(&reply));
    }
}

#[test]
fn a_wait_that_no_clock_can_hold_is_not_waited() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.fault(None, Answer::With(429, "retry-after: 18446744073709551615"));
        let reply = post(&World::new(&pagerduty.url()), group(2)).await;
        assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (503, "300"));
        // The relay ignores a wait that does not apply to this answer.
        let pagerduty = PagerDuty::start().await;
        pagerduty.script([Answer::With(500, "ratelimit-reset: 60")]);
        assert_eq!(post(&World::new(&pagerduty.url()), group(1)).await.status, 200);
    });
}

#[test]
fn a_delivery_too_large_to_read_pages_where_its_sender_is_known_without_its_body() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let large = vec![b'x'; 1024 * 1024 + 1];
        let reply = post(&world, large.clone()).await;
        assert_eq!(reply.status, 413);
        let event = pagerduty.received()[0].event.clone();
        let summary = "pagerelay could not map a delivery from Prometheus Alertmanager; it may be an alert. Reason: the request body is larger than 1 MiB";
        assert_eq!(
            (&event["payload"]["summary"], &event["dedup_key"]),
            (&summary.into(), &"pagerelay:alertmanager:unmapped:35".into())
        );
        // Without a signature, the body of a stranger is not read.
        let stranger = Call::stranger("POST", "/alertmanager", large.clone());
        let reply = relay(Flavour::Spin).call(&world, stranger).await.expect("an answer");
        assert_eq!((reply.status, pagerduty.received().len()), (401, 1));
        let signed = Call::stranger("POST", "/grafana", large).header("x-grafana-alerting-signature", "00");
        let reply = relay(Flavour::Spin).call(&world, signed).await.expect("an answer");
        assert_eq!((reply.status, pagerduty.received().len()), (413, 1));
    });
}

#[test]
fn an_impatient_sender_is_answered_before_it_gives_up() {
    let sentry = pagerelay::sources::find("sentry").expect("it exists");
    let fixture = pagerelay_e2e::fixtures::of(sentry).into_iter().next().expect("it has fixtures");
    let pagerduty = run(PagerDuty::start());
    pagerduty.fault(None, Answer::Stall);
    let call = Call::fixture(&fixture, "/sentry", pagerelay_e2e::SECRET);
    let reply = run(relay(Flavour::Spin).call(&World::new(&pagerduty.url()), call)).expect("an answer");
    assert_eq!(reply.status, 503, "{}", reply.json());
    // The relay reserves a quarter of Sentry's timeout of one second for the reply. The timeouts that the runtime
    // received do not depend on its load.
    let [_, first_byte, _] = reply.sent[0].timeouts;
    assert!(first_byte.is_some_and(|bound| bound <= Duration::from_millis(750)), "{first_byte:?}");
}

#[test]
fn while_keys_are_changed_over_triggers_go_with_the_new_one_and_resolves_with_both() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let before = World::new(&pagerduty.url()).with("routing_key", PREVIOUS_KEY);
        let after = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        assert_eq!(post(&before, group(1)).await.status, 200);
        assert_eq!(post(&after, delivery(vec![alert(1, "firing")])).await.status, 200);
        let status = |key: &str, i: usize| {
            pagerduty.alerts_by_key().get(&(key.to_owned(), self::key(i))).map(|alert| alert.status)
        };
        assert_eq!((status(PREVIOUS_KEY, 1), status(ROUTING_KEY, 1)), (None, Some("triggered")));
        let reply = post(&after, delivery(vec![alert(0, "resolved"), alert(1, "resolved")])).await;
        assert_eq!(reply.status, 200);
        assert_eq!((status(PREVIOUS_KEY, 0), status(ROUTING_KEY, 1)), (Some("resolved"), Some("resolved")));
        let said = reply.json();
        assert_eq!(said["events"][0]["with_previous_key"]["pagerduty"], "202 Event processed");
        assert_eq!(said["warnings"], Value::Null);

        // If one of the two keys fails, the resolve counts as not accepted.
        let pagerduty = PagerDuty::start().await;
        let after = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        pagerduty.script([Answer::Own, Answer::say(500, ""), Answer::say(500, "")]);
        let reply = post(&after, json!({"alerts": [alert(0, "resolved")]}).to_string()).await;
        assert_eq!(reply.status, 503, "{}", reply.json());

        // The same applies if PagerDuty rejects it for any other reason than an unknown key: an alert may be open with
        // that key.
        let pagerduty = PagerDuty::start().await;
        let after = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        pagerduty.script([Answer::Own, Answer::say(403, "forbidden")]);
        let reply = post(&after, json!({"alerts": [alert(0, "resolved")]}).to_string()).await;
        assert_eq!(reply.status, 502, "{}", reply.json());

        // Once the old integration is deleted, it has no alert to close.
        let pagerduty = PagerDuty::start().await;
        pagerduty.revoke(PREVIOUS_KEY);
        let after = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        let reply = post(&after, json!({"alerts": [alert(0, "resolved")]}).to_string()).await;
        assert_eq!((reply.status, reply.log_json()["level"].clone()), (200, "warning".into()));
        let warning = "1 event not sent with `routing_key_previous` as well: PagerDuty rejects that key, remove it";
        assert_eq!(reply.json()["warnings"], json!([warning]));
    });
}

#[test]
fn a_page_goes_out_with_the_previous_key_where_pagerduty_refuses_the_current_one() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.revoke(ROUTING_KEY);
        let world = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        let reply = post(&world, group(2)).await;
        assert_eq!((reply.status, reply.log_json()["level"].clone()), (200, "warning".into()));
        let warning =
            "2 events sent with variable `routing_key_previous` because PagerDuty rejects the key in `routing_key`";
        assert_eq!(reply.log_json()["warnings"], json!([warning]));
        assert_eq!(pagerduty.alerts_by_key().len(), 2);
        pagerduty.revoke(PREVIOUS_KEY);
        let reply = post(&world, group(2)).await;
        assert_eq!(reply.status, 502);
        let detail = "PagerDuty rejected the routing key in variable `routing_key`: 400 Invalid routing key";
        assert_eq!(reply.json()["detail"], detail);

        // Whatever PagerDuty's wording is, an event that it rejects in every form is sent with the other key too.
        let pagerduty = PagerDuty::start().await;
        let odd = || Answer::say(400, r#"{"error":"unknown integration"}"#);
        pagerduty.script([odd(), odd()]);
        let world = World::new(&pagerduty.url()).with("routing_key_previous", PREVIOUS_KEY);
        let reply = post(&world, group(1)).await;
        assert_eq!((reply.status, pagerduty.alerts_by_key().len()), (200, 1), "{}", reply.json());

        // An invalid previous key must not stop a page.
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url()).with("routing_key_previous", "u+REST-key_of_20char");
        let reply = post(&world, group(1)).await;
        assert_eq!((reply.status, pagerduty.alerts().len()), (200, 1));
        let warning = "variable `routing_key_previous` holds a REST API key; use an integration key; \
                       alerts opened with the previous key stay open";
        assert_eq!(reply.json()["warnings"], json!([warning]));
    });
}

#[test]
fn an_event_that_pagerduty_refuses_goes_out_in_its_least_form() {
    run(async {
        let refused = r#"{"status":"invalid event","message":"Event object is invalid","errors":["'links' is odd"]}"#;
        let alert = json!({
            "status": "firing", "fingerprint": "f", "generatorURL": "http://p.test/",
            "labels": {"alertname": "A", "severity": "critical", "instance": "web-1"},
        });
        let body = json!({"alerts": [alert]}).to_string();
        let pagerduty = PagerDuty::start().await;
        pagerduty.script([Answer::say(400, refused)]);
        let reply = post(&World::new(&pagerduty.url()), body.clone()).await;
        assert_eq!((reply.status, reply.log_json()["level"].clone()), (200, "warning".into()));
        assert_eq!(reply.json()["events"][0]["without_details"], true);
        let received = pagerduty.received();
        assert_eq!(
            received[1].event,
            json!({
                "routing_key": ROUTING_KEY, "event_action": "trigger", "dedup_key": "alertmanager:f",
                "payload": {
                    "summary": "A on web-1", "source": "web-1", "severity": "critical",
                    "custom_details": {"refused_by_pagerduty": "400 Event object is invalid: 'links' is odd"},
                },
            })
        );
        let sha256 = pagerelay::text::sha256_hex(&received[1].bytes);
        assert_eq!(reply.json()["events"][0]["sha256"], sha256);

        // Not if the operator has disabled it.
        let pagerduty = PagerDuty::start().await;
        pagerduty.script([Answer::say(400, refused)]);
        let reply = post(&World::new(&pagerduty.url()).with("unmapped", "reject"), body).await;
        assert_eq!((reply.status, pagerduty.received().len()), (422, 1));
    });
}

#[test]
fn what_cannot_be_mapped_pages_and_a_flood_of_it_is_one_incident_for_each_subject() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let long = "x".repeat(5000);
        let bodies = [
            "not json",
            "{}",
            "[1,2",
            r#"{"alerts": 3}"#,
            "\u{0}\u{1}",
            "",
            &long,
            "🚒 \u{feff}",
            r#"{"alerts":[{}]}"#,
        ];
        for body in bodies {
            let reply = post(&world, body.to_owned()).await;
            assert_eq!((reply.status, reply.log_json()["level"].clone()), (200, "warning".into()), "{body:.40}");
            assert_eq!(reply.json()["warnings"][0], "1 item could not be mapped; a fallback alert reports it");
            assert_eq!(reply.json()["rejected"].as_array().map(Vec::len), Some(1), "{body:.40}");
        }
        assert!(pagerduty.received().iter().all(|received| received.status == 202));
        let alerts = pagerduty.alerts();
        let keys = ["pagerelay:alertmanager:unmapped:2", "pagerelay:alertmanager:unmapped:35"];
        assert_eq!(alerts.keys().collect::<Vec<_>>(), keys);
        assert!(alerts.values().all(|alert| alert.opened == 1));
        let first = &pagerduty.received()[0].event["payload"];
        let said = "pagerelay could not map a delivery from Prometheus Alertmanager; it may be an alert. Reason: \
                    the body is not valid JSON: line 1, column 2";
        assert_eq!(first["summary"], said);
        let excerpt = json!({"reasons": ["the body is not valid JSON: line 1, column 2"], "excerpt": "not json"});
        assert_eq!(first["custom_details"], excerpt);

        // The other items, which can be mapped, are sent as usual.
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let reply = post(&world, json!({"alerts": [alert(1, "firing"), {}, {}]}).to_string()).await;
        assert_eq!(reply.status, 200);
        assert_eq!(
            pagerduty.alerts().into_keys().collect::<Vec<_>>(),
            [key(1), "pagerelay:alertmanager:unmapped:35".to_owned()]
        );

        // A sender that is not authenticated pages nobody. If PagerDuty does not accept the fallback alert, the sender
        // retries.
        let stranger = Call::stranger("POST", "/alertmanager", "not json");
        let reply = relay(Flavour::Spin).call(&world, stranger).await.expect("an answer");
        assert_eq!((reply.status, pagerduty.received().len()), (401, 2));
        pagerduty.fault(None, Answer::say(500, ""));
        assert_eq!(post(&world, "not json").await.status, 503);

        // The secrets that the sender was given are not shown, wherever it puts them.
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let strange = "e93facc04764012d7bfb002500d5d1a6";
        let encoded = pagerelay_e2e::SECRET.replace('-', "%2D");
        let body = format!("{} {ROUTING_KEY} {strange} {encoded} {}", pagerelay_e2e::SECRET, "y ".repeat(35_000));
        assert_eq!(post(&world, body).await.status, 200);
        let received = pagerduty.received()[0].event["payload"].to_string();
        for secret in [pagerelay_e2e::SECRET, ROUTING_KEY, strange, &encoded] {
            assert!(!received.contains(secret), "{received}");
        }
    });
}

#[test]
fn of_a_storm_the_most_severe_page_one_by_one_and_a_digest_names_the_others() {
    run(async {
        let severity = |i: usize| if i.is_multiple_of(50) { "critical" } else { "warning" };
        let storm = |status: &str, n: usize| {
            let alert = |i: usize| {
                json!({
                    "status": status, "fingerprint": format!("{i:016x}"), "startsAt": "2026-03-04T05:06:07Z",
                    "endsAt": "2026-03-04T06:06:07Z", "labels": {"alertname": "A", "severity": severity(i)},
                })
            };
            json!({"version": "4", "groupKey": "g", "alerts": (0..n).map(alert).collect::<Vec<Value>>()}).to_string()
        };
        let pagerduty = PagerDuty::start().await;
        pagerduty.minute(120);
        let world = World::new(&pagerduty.url());
        let reply = post(&world, storm("firing", 500)).await;
        assert_eq!((reply.status, reply.log_json()["level"].clone()), (200, "warning".into()), "{}", reply.json());
        assert_eq!(pagerduty.received().len(), 101);
        let digest = pagerduty.received().into_iter().find(|r| r.event["dedup_key"] == "alertmanager:g");
        let digest = digest.expect("a digest").event["payload"].clone();
        let summary = "400 more alerts from Prometheus Alertmanager arrived in one delivery and are listed here instead of paging individually";
        assert_eq!((&digest["summary"], &digest["severity"]), (&json!(summary), &json!("warning")));
        let alerts = pagerduty.alerts();
        for i in 0..500 {
            let named = digest["custom_details"]["alerts"].get(key(i)).is_some();
            assert_eq!(named, !alerts.contains_key(&key(i)), "{i} is in one of the two");
            assert!(!named || severity(i) == "warning", "{i} is severe and is not left to the digest");
        }

        // Its resolve closes everything that it opened, within the limit of another minute.
        pagerduty.minute(120);
        let reply = post(&world, storm("resolved", 500)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        let open: Vec<String> =
            pagerduty.alerts().into_iter().filter(|(_, a)| a.status != "resolved").map(|(key, _)| key).collect();
        assert_eq!(open, Vec::<String>::new());

        // Any later delivery with a resolved group closes the digest, however small it is.
        pagerduty.minute(120);
        assert_eq!(post(&world, storm("firing", 500)).await.status, 200);
        pagerduty.minute(120);
        assert_eq!(post(&world, storm("resolved", 3)).await.status, 200);
        assert_eq!(pagerduty.alerts()["alertmanager:g"].status, "resolved");
    });
}

#[test]
fn a_digest_of_ten_thousand_names_them_all() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let reply = post(&World::new(&pagerduty.url()), group(8000)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        let received = pagerduty.received();
        assert!(received.iter().all(|received| received.status == 202));
        let digests: Vec<&Value> =
            received.iter().map(|r| &r.event).filter(|e| e["dedup_key"] == "alertmanager:g").collect();
        let named: usize = digests
            .iter()
            .map(|event| event["payload"]["custom_details"]["alerts"].as_object().map_or(0, |names| names.len()))
            .sum();
        assert_eq!(named, 7900);
        assert_eq!(received.len(), 100 + digests.len());
        assert_eq!(pagerduty.alerts().len(), 101, "several digests are one alert");
    });
}

#[test]
fn resolves_go_before_triggers_and_are_all_sent_while_they_are_fresh() {
    run(async {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let mut alerts: Vec<Value> = (0..300).map(|i| alert(i, "firing")).collect();
        alerts.extend((300..500).map(|i| {
            let mut alert = alert(i, "resolved");
            alert["endsAt"] = pagerelay::text::epoch(now).expect("a time").into();
            alert
        }));
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        // Small deliveries have opened the alerts that are resolved now.
        for chunk in (300..500).collect::<Vec<usize>>().chunks(50) {
            let alerts = chunk.iter().map(|i| alert(*i, "firing")).collect();
            assert_eq!(post(&world, delivery(alerts)).await.status, 200);
        }
        let reply = post(&world, delivery(alerts.clone())).await;
        assert_eq!(reply.status, 200);
        let states = pagerduty.alerts();
        assert!((300..500).all(|i| states[&key(i)].status == "resolved"), "every resolve was sent");
        let opened = (0..300).filter(|i| states.contains_key(&key(*i))).count();
        assert_eq!(opened, 20, "and the most severe of the others");

        // If PagerDuty does not accept all events, the sender gets an error. The events that the relay then skips would
        // have been rejected too.
        pagerduty.minute(50);
        let before = pagerduty.received().len();
        let reply = post(&world, delivery(alerts)).await;
        assert_eq!(reply.status, 503);
        let sent = pagerduty.received().len() - before;
        assert!((50..50 + 2 * 64).contains(&sent), "{sent} were sent");
        assert_eq!(reply.json()["events"].as_array().map(Vec::len), Some(221));
    });
}

#[test]
fn a_storm_that_is_over_is_closed_by_a_sender_that_comes_again_however_slow_pagerduty_is() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let mut world = World::new(&pagerduty.url());
        for chunk in (0..400).collect::<Vec<usize>>().chunks(50) {
            let alerts = chunk.iter().map(|i| alert(*i, "firing")).collect();
            assert_eq!(post(&world, delivery(alerts)).await.status, 200);
        }
        let over = 1_780_000_000;
        let ends = pagerelay::text::epoch(Duration::from_secs(over)).expect("a time");
        let ended = |i| {
            let mut alert = alert(i, "resolved");
            alert["endsAt"] = ends.clone().into();
            alert
        };
        let body = delivery((0..400).map(ended).collect());
        let mut tries = 0;
        // Every five minutes, like a group's interval; PagerDuty accepts 120 events in each of these minutes.
        loop {
            tries += 1;
            world.now = Some(Duration::from_secs(over + 300 * tries));
            pagerduty.minute(120);
            let status = post(&world, body.clone()).await.status;
            let open = pagerduty.alerts().values().filter(|alert| alert.status != "resolved").count();
            if open == 0 {
                break;
            }
            assert_eq!(status, 503, "{open} are open");
            assert!(tries < 24, "{open} are open after two hours");
        }
        // Hours later, it no longer uses up the rate limit.
        world.now = Some(Duration::from_secs(over + 3 * 3600));
        pagerduty.minute(120);
        let before = pagerduty.received().len();
        assert_eq!(post(&world, body).await.status, 200);
        assert!(pagerduty.received().len() - before <= 102);
        evidence(&format!("400 resolves at 120 a minute: closed after {tries} tries"));
    });
}

#[test]
fn more_events_than_fit_under_way_at_once_all_arrive() {
    let (reply, pagerduty) = deliver(100, Vec::new());
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert_eq!(pagerduty.alerts().len(), 100);
}

#[test]
fn more_second_tries_than_fit_under_way_at_once_all_arrive() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.once(Answer::say(500, ""));
        let reply = post(&World::new(&pagerduty.url()), group(100)).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        assert_eq!((pagerduty.alerts().len(), pagerduty.received().len()), (100, 200));
    });
}

#[test]
fn an_event_of_half_a_megabyte_arrives_whole() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let details = json!({"log": "0123456789".repeat(50_000)});
        let body = json!({
            "event_action": "trigger", "dedup_key": "large",
            "payload": {"summary": "s", "source": "h", "severity": "error", "custom_details": details},
        });
        let call = Call::post("/events", body.to_string());
        let reply = relay(Flavour::Spin).call(&World::new(&pagerduty.url()), call).await.expect("an answer");
        assert_eq!(reply.status, 202, "{}", reply.json());
        assert_eq!(pagerduty.received()[0].event["payload"]["custom_details"], details);
        assert!(reply.sent[0].ready.1, "{:?} bytes came with the head", reply.sent[0].ready.0);
    });
}

#[test]
fn the_body_of_an_event_is_handed_over_with_its_head() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let reply = post(&World::new(&pagerduty.url()), group(3)).await;
        for (sent, received) in reply.sent.iter().zip(pagerduty.received()) {
            // With the routing key, the event has the same length whatever it is sent with.
            assert!(sent.ready.1, "{} bytes of {} came with the head", sent.ready.0, received.event);
        }
        assert_eq!(reply.sent.len(), 3);
    });
}

#[test]
fn a_reply_too_large_for_the_buffer_arrives_whole() {
    // These have no identity, so each is rejected and none is sent. Long fields of the group are not multiplied.
    let alerts = vec![json!({}); 20_000];
    let body = json!({"version": "4", "receiver": "r".repeat(400_000), "alerts": alerts}).to_string();
    let world = World::new("http://127.0.0.1:1/v2/enqueue").with("unmapped", "reject");
    let reply = run(relay(Flavour::Spin).call(&world, Call::post("/alertmanager", body))).expect("an answer");
    assert_eq!(reply.status, 422);
    let said = reply.json();
    assert_eq!(said["rejected"].as_array().map(Vec::len), Some(1000));
    assert_eq!(said["rejected_not_listed"], 19_000);
}

#[test]
fn a_pagerduty_that_dies_in_the_middle_leaves_nothing_acknowledged_that_it_does_not_have() {
    let _ = relay(Flavour::Spin);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut told = [0; 2];
    let mut partial = 0;
    for round in 0..100 {
        let after = Duration::from_micros(random.below(12_000));
        let (reply, pagerduty) = run(async {
            let pagerduty = Arc::new(PagerDuty::start().await);
            let world = World::new(&pagerduty.url());
            let killer = Arc::clone(&pagerduty);
            let kill = tokio::spawn(async move {
                tokio::time::sleep(after).await;
                killer.kill();
            });
            let reply = post(&world, group(20)).await;
            kill.await.expect("the double is killed");
            (reply, pagerduty)
        });
        let alerts = pagerduty.alerts();
        let said = reply.json();
        let events = said["events"].as_array().expect("a list of events");
        assert_eq!(events.len(), 20);
        for event in events.iter().filter(|event| event["pagerduty"] == "202 Event processed") {
            let key = event["dedup_key"].as_str().expect("text");
            assert!(alerts.contains_key(key), "round {round}: {key} was acknowledged and is not there");
        }
        match reply.status {
            200 => assert_eq!(alerts.len(), 20, "round {round}"),
            503 => assert!(events.iter().any(|event| event["pagerduty"] != "202 Event processed"), "round {round}"),
            other => panic!("round {round}: {other}"),
        }
        told[usize::from(reply.status == 200)] += 1;
        partial += usize::from((1..20).contains(&alerts.len()));
    }
    evidence(&format!(
        "100 kills: {} told to come again, {} told that all is well, {partial} in the middle",
        told[0], told[1]
    ));
    assert!(told[0] > 0 && partial > 0, "{told:?}, {partial} in the middle");
}

/// xorshift64*: a seed gives the same run on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % end
    }
}

#[test]
fn change_events_go_to_their_own_address_and_not_with_an_orchestrations_key() {
    use pagerelay::pagerduty::event::Event;
    use pagerelay::pagerduty::events_api::{self, Addressed, Destination, Retries, Verdict};
    use pagerelay::secret::{Rotation, Secret};
    let url = |path: &str| pagerelay::http::Url { https: true, authority: "pd.test".to_owned(), path: path.to_owned() };
    let (alerts, changes) = (url("/v2/enqueue"), url("/v2/change/enqueue"));
    for (key, verdict, sent) in
        [(SERVICE_KEY, Verdict::Accepted, Some("/v2/change/enqueue")), (ROUTING_KEY, Verdict::RefusedKey, None)]
    {
        let keys = Rotation { current: Secret::new(key.to_owned()), previous: None };
        let destination = Destination { keys: &keys, alerts: &alerts, changes: &changes, minimal: true };
        let event = Event::change("deployed", "ci").component(Some("web".to_owned())).link("Run", None);
        let mut host = Taking(Vec::new());
        let addressed = [Addressed { events: &[event], held: &[], destination }];
        let (outcomes, _) =
            events_api::deliver(&mut host, &addressed, Retries::Once.into(), Duration::from_secs(1), None);
        assert_eq!(outcomes[0].verdict(), verdict);
        assert_eq!(host.0.first().map(|(path, _)| path.as_str()), sent);
        for (_, body) in &host.0 {
            assert_eq!(pagerelay_e2e::contract::change_violations(body), Vec::<String>::new());
        }
    }
}

#[test]
fn a_deployment_is_a_change_where_the_key_takes_changes_and_closes_its_alert_in_any_case() {
    run(async {
        let fixtures = pagerelay_e2e::fixtures::of(pagerelay::sources::find("flux").expect("it exists"));
        let fixture = fixtures.into_iter().find(|fixture| fixture.number() == "03").expect("a new revision");
        for (routing_key, changes) in [(SERVICE_KEY, 1), (ROUTING_KEY, 0)] {
            let pagerduty = PagerDuty::start().await;
            let world = World::new(&pagerduty.url()).with("routing_key", routing_key);
            let call = Call::fixture(&fixture, "/flux", pagerelay_e2e::SECRET);
            let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
            assert_eq!((reply.status, pagerduty.changes().len()), (200, changes), "{}", reply.json());
            let warnings = reply.json()["warnings"].as_array().map_or(0, Vec::len);
            assert_eq!(warnings, 1 - changes, "{}", reply.json());
            let resolved = pagerduty.received().iter().filter(|r| r.event["event_action"] == "resolve").count();
            assert_eq!(resolved, 1);
        }
    });
}

/// A host that accepts everything.
struct Taking(Vec<(String, Vec<u8>)>);

impl pagerelay::runtime::Host for Taking {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn variable(&self, _: &str) -> Result<Option<String>, pagerelay::runtime::VariableError> {
        Ok(None)
    }

    fn variables(&self) -> Result<Vec<String>, pagerelay::runtime::VariableError> {
        Ok(Vec::new())
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: pagerelay::runtime::Step<'_>) {
        for lane in 0..lanes {
            let mut answer = None;
            while let Some(next) = step(lane, Duration::ZERO, answer.take()) {
                self.0.push((next.outbound.url.path, next.outbound.body.unwrap_or_default()));
                let body = br#"{"status":"success"}"#.to_vec();
                answer = Some(Ok(pagerelay::runtime::HttpResponse { status: 202, retry_after: None, body }));
            }
        }
    }
}
