//! What the component does in order: it reads a body only once it knows who sends it, answers, and then logs.

use std::cell::RefCell;

use pagerelay::http::{Method, ReadError, Reply, Request};
use pagerelay::pipeline;
use pagerelay::runtime::Host;
use pagerelay_support::host::{Accepting, Answering, CONFIRMED};
use pagerelay_support::{SECRET, credentials};
use serde_json::{Value, json};

use crate::walls::stranger;

/// What a delivery leads to: the status, the body of the reply, the events, and how often the body was read.
struct Left {
    status: u16,
    said: Value,
    sent: Vec<Value>,
    read: usize,
}

/// Sends a request without its body, which the host has.
fn post(request: &Request, body: Result<&[u8], ReadError>, variables: &[(&'static str, &'static str)]) -> Left {
    let mut host = Answering::new(|_: &str, _: &Value| (202, CONFIRMED));
    host.inner.variables.extend(variables.iter().copied());
    host.body = Some(body.map(<[u8]>::to_vec));
    let (reply, _) = pipeline::handle(&mut host, request);
    let said = serde_json::from_slice(&reply.body).unwrap_or_default();
    let sent = std::mem::take(&mut host.sent).into_iter().map(|(_, event)| event).collect();
    Left { status: reply.status.as_u16(), said, sent, read: host.asked }
}

/// A request without a body, with this secret.
fn head(path: &str, secret: &str) -> Request {
    stranger(Method::Post, path, &[("x-webhook-secret", secret)], b"")
}

/// The secret for signs of life.
const BEATS: &str = "beats-0123456789abcdef";

const FORMATTED: &[u8] = br#"{"alert_uid": "disk", "title": "Disk full", "state": "alerting"}"#;

#[test]
fn the_body_of_an_authenticated_sender_is_read_once_and_mapped() {
    let left = post(&head("/formatted", SECRET), Ok(FORMATTED), &[]);
    assert_eq!((left.status, left.read), (200, 1), "{}", left.said);
    assert_eq!(left.sent[0]["payload"]["summary"], "Disk full");
}

#[test]
fn nobody_who_is_not_authenticated_gets_a_body_read_unless_the_key_may_be_in_it() {
    let left = post(&head("/formatted", "wrong-0123456789abcdef"), Ok(FORMATTED), &[]);
    assert_eq!((left.status, left.read, left.sent.len()), (401, 0, 0), "{}", left.said);
    let key = "events-have-a-secret-of-their-own-1a";
    let event = json!({"routing_key": key, "event_action": "trigger", "dedup_key": "k",
        "payload": {"summary": "s", "source": "h", "severity": "error"}});
    let without_key = stranger(Method::Post, "/events", &[], b"");
    let left = post(&without_key, Ok(event.to_string().as_bytes()), &[("secret_events", key)]);
    assert_eq!((left.status, left.read, left.sent.len()), (202, 1, 1), "{}", left.said);
}

#[test]
fn a_signature_is_verified_over_the_body_that_arrives_late() {
    let body = br#"{"action": "completed"}"#;
    for (signed, status) in [(body.as_slice(), 200), (b"", 401)] {
        let source = pagerelay::sources::find("github").expect("a source");
        let now = Answering::new(|_: &str, _: &Value| (202, CONFIRMED)).now().as_secs();
        let mut headers = credentials::of(source, SECRET, signed, now).headers;
        headers.push(("x-github-event".to_owned(), "ping".to_owned()));
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let left = post(&stranger(Method::Post, "/github", &headers, b""), Ok(body), &[]);
        assert_eq!((left.status, left.read), (status, 1), "{}", left.said);
    }
}

#[test]
fn a_body_that_could_not_be_read_pages_only_if_it_was_too_large_and_nothing_was_to_be_verified_over_it() {
    for (problem, status, pages) in
        [(ReadError::TooLarge, 413, 1), (ReadError::Broken, 503, 0), (ReadError::Timeout, 503, 0)]
    {
        let left = post(&head("/formatted", SECRET), Err(problem), &[]);
        assert_eq!((left.status, left.sent.len()), (status, pages), "{problem:?}: {}", left.said);
        // A valid signature of an empty body says nothing about the one that was sent.
        let source = pagerelay::sources::find("github").expect("a source");
        let signature = credentials::of(source, SECRET, b"", 0).headers;
        let headers: Vec<(&str, &str)> = signature.iter().map(|(name, value)| (&**name, &**value)).collect();
        let left = post(&stranger(Method::Post, "/github", &headers, b""), Err(problem), &[]);
        assert_eq!((left.status, left.sent.len()), (status, 0), "{problem:?}: {}", left.said);
    }
}

#[test]
fn a_control_endpoint_reads_the_body_except_a_check_which_needs_none() {
    let own = "checking-needs-its-own-secret-9b";
    let mut check = head("/check", own);
    check.method = Method::Get;
    let left = post(&check, Err(ReadError::TooLarge), &[("secret_check", own)]);
    assert_eq!((left.status, left.read), (200, 0), "{}", left.said);
    let variables = [("secret_heartbeat", BEATS), ("heartbeat_watchdog", "5m")];
    let beat = |body| post(&head("/heartbeat/watchdog", BEATS), body, &variables);
    let left = beat(Err(ReadError::TooLarge));
    assert_eq!((left.status, left.read), (413, 1), "{}", left.said);
    // Without a store, a sign of life is an error, and what is no sign of life is none.
    assert_eq!(beat(Ok(b"{}")).status, 503);
    assert_eq!(beat(Ok(br#"{"status": "resolved"}"#)).status, 200);
}

#[test]
fn the_sender_has_its_answer_before_anything_is_logged() {
    for (method, path, order) in
        [(Method::Post, "/formatted", &["200", "log"] as &[_]), (Method::Get, "/health", &["200"])]
    {
        let done = RefCell::new(Vec::new());
        let request = stranger(method, path, &[("x-webhook-secret", SECRET)], FORMATTED);
        let answer = &mut |reply: Reply| done.borrow_mut().push(reply.status.as_str().to_owned());
        pipeline::serve(&mut Accepting::new(), &request, answer, &mut |_| done.borrow_mut().push("log".to_owned()));
        assert_eq!(done.into_inner(), order, "{path}");
    }
}
