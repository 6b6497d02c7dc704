//! Optional features of a source, tested with invented sources.

use std::time::Duration;

use pagerelay::auth::Authenticated;
use pagerelay::http::{Headers, Method, Reply, Request, StatusCode};
use pagerelay::mapping::{Handshake, MapError, Mapped};
use pagerelay::pagerduty::{event::Action, event::DedupKey, event::Event, event::Severity};
use pagerelay::pipeline;
use pagerelay::sources::{Source, Told};
use pagerelay_support::SECRET;
use serde_json::{Value, json};

use crate::host::Accepting;

fn post(host: &mut Accepting, path: &str) -> (Reply, Value) {
    let headers = [("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())];
    let request = Request {
        method: Method::Post,
        path: path.to_owned(),
        query: String::new(),
        headers: Headers::new(headers),
        body: b"{}".to_vec(),
        problem: None,
    };
    let (reply, _) = pipeline::handle_among(&[&ECHOING, &SHAPED], host, &request);
    let body = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply, body)
}

/// The headers of a reply with this content type.
fn headers(media_type: &str) -> [(&'static str, String); 3] {
    let uncached = [("cache-control", "no-store".to_owned()), ("x-content-type-options", "nosniff".to_owned())];
    let [cache, options] = uncached;
    [("content-type", media_type.to_owned()), cache, options]
}

/// Expects an echo before it sends alerts.
static ECHOING: Source = Source { slug: "echoing", name: "Echoing", map: echo, ..Source::DEFAULT };

fn echo(_: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let handshake = Handshake::Echo { media_type: "text/plain", body: "challenge-4711".to_owned() };
    Ok(Mapped { handshake: Some(handshake), ..Mapped::nothing("a challenge") })
}

/// Appends paths to its URL, and reads the reply.
static SHAPED: Source = Source {
    slug: "shaped",
    name: "Shaped",
    map: by_path,
    paths: &["v2/enqueue"],
    reply: Some(shape),
    ..Source::DEFAULT
};

fn by_path(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let kind = if delivery.path().ends_with("/v2/enqueue") { "below" } else { "itself" };
    let key = DedupKey::new("shaped", &[kind]).expect("not blank");
    Ok(Mapped::one(Event::new(Action::Trigger, key, Severity::Error, "a summary", "a source")))
}

fn shape(told: &Told<'_>) -> Value {
    json!({"result": told.message, "code": told.status.as_u16(), "requestId": told.dedup_key})
}

#[test]
fn a_challenge_is_echoed_as_it_came() {
    let (reply, _) = post(&mut Accepting::new(), "/echoing");
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.body, b"challenge-4711");
    assert_eq!(reply.headers, headers("text/plain"));
}

#[test]
fn a_preview_of_a_challenge_shows_that_there_is_nothing_to_send() {
    let (_, body) = post(&mut Accepting::new(), "/preview/echoing");
    assert_eq!(body["message"], "nothing to send");
}

#[test]
fn paths_below_a_source_and_below_a_service_lead_to_it() {
    for (path, kind) in [("/shaped", "itself"), ("/shaped/v2/enqueue", "below"), ("/shaped/v2/enqueue/", "below")] {
        let mut host = Accepting::new();
        let (reply, _) = post(&mut host, path);
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        assert_eq!(host.sent[0]["dedup_key"], format!("shaped:{kind}"), "{path}");
    }
    let mut host = Accepting::new();
    host.variables.insert("routing_key_payments", "e1pageRelayTestKey0000000000000u");
    let (reply, _) = post(&mut host, "/shaped/payments/v2/enqueue");
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(host.sent[0]["routing_key"], "e1pageRelayTestKey0000000000000u");
}

#[test]
fn other_paths_below_a_source_lead_nowhere() {
    for path in ["/shaped/v2/other", "/shaped/payments/v2", "/echoing/v2/enqueue", "/shaped/UP/v2/enqueue"] {
        let (reply, _) = post(&mut Accepting::new(), path);
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[test]
fn a_reply_has_the_shape_that_its_source_gives_it_in_success_and_in_failure() {
    let (reply, body) = post(&mut Accepting::new(), "/shaped");
    assert_eq!(body, json!({"result": "1 event accepted by PagerDuty", "code": 200, "requestId": "shaped:itself"}));
    assert_eq!(reply.headers, headers("application/json"));

    let mut host = Accepting::new();
    host.status = 500;
    let (reply, body) = post(&mut host, "/shaped");
    assert_eq!(body["code"], 503);
    assert!(body["result"].as_str().is_some_and(|said| said.starts_with("PagerDuty did not accept 1 of 1 events")));
    assert!(reply.headers.iter().any(|(name, _)| *name == "retry-after"), "what a retry needs is kept");
}

#[test]
fn a_source_that_says_nothing_is_one_of_the_defaults() {
    let plain = &ECHOING;
    assert_eq!(plain.patience, Duration::from_secs(10));
    assert_eq!(plain.success, StatusCode::OK);
    assert!(!plain.by_get && !plain.retries && plain.map_group.is_none() && plain.reply.is_none());
}
