//! Optional features of a source, tested with invented sources.

use std::time::Duration;

use pagerelay::auth::{Authenticated, Scheme};
use pagerelay::http::api::{Answer, Api, Found, Told};
use pagerelay::http::{Headers, Method, Reply, Request, StatusCode};
use pagerelay::mapping::{Handshake, MapError, Mapped};
use pagerelay::pagerduty::{event::Action, event::DedupKey, event::Event, event::Severity};
use pagerelay::pipeline;
use pagerelay::sources::Source;
use pagerelay_support::{SECRET, SERVICE_KEY};
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
    let answer = Reply::text(StatusCode::OK, "text/plain", "challenge-4711".to_owned()).uncached();
    Ok(Mapped { handshake: Some(Handshake::Answer(answer)), ..Mapped::nothing("a challenge") })
}

/// Speaks another product's API.
static SHAPED: Source = Source {
    slug: "shaped",
    name: "Shaped",
    schemes: &[Scheme::BEARER, Scheme::Authorization("Shape"), Scheme::Member("key")],
    own_secret: true,
    map: by_path,
    api: Some(&Api { find, never_pages: |_| false, answer, resolve: None }),
    ..Source::DEFAULT
};

/// `v2/enqueue`, `v2/things/<any text>` and `v2/echo`, which another source maps.
fn find(path: &str) -> Found {
    match path.strip_prefix("v2/") {
        Some("enqueue") => Found::Path { methods: &[Method::Post], by: None },
        Some("echo") => Found::Path { methods: &[Method::Post], by: Some("echoing") },
        Some(rest) if rest.starts_with("things/") => Found::Path { methods: &[Method::Get, Method::Delete], by: None },
        Some(_) => Found::Unknown,
        None => Found::Not,
    }
}

fn by_path(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    if delivery.method() == Method::Get {
        let reply = Reply::json(StatusCode::ACCEPTED, "application/json", &json!({"asked": delivery.path()}));
        let answer = Handshake::Answer(reply.header("x-shape", "round"));
        return Ok(Mapped { handshake: Some(answer), ..Mapped::nothing("a question") });
    }
    if delivery.method() == Method::Delete {
        return Ok(Mapped::nothing("things are not deleted"));
    }
    let key = DedupKey::new("shaped", &["at", delivery.path()]).expect("not blank");
    Ok(Mapped::one(Event::new(Action::Trigger, key, Severity::Error, "a summary", "a source")))
}

fn answer(told: &Told<'_>) -> Answer {
    let body = json!({
        "result": told.message, "code": told.status.as_u16(), "requestId": told.dedup_key, "path": told.path,
        "warnings": told.warnings, "again": told.retry_after,
    });
    Answer { status: StatusCode::IM_A_TEAPOT, headers: vec![("x-shape", "square".to_owned())], body }
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
    assert_eq!(body["warnings"], json!(["the sender asks a question, which would be answered"]));
}

/// A request whose only credential is the key in its body.
fn call(host: &mut Accepting, method: Method, path: &str) -> (Reply, Value) {
    let body = format!(r#"{{"key": "{SHAPED_SECRET}"}}"#);
    send(host, method, path, &[], body.as_bytes())
}

fn send(host: &mut Accepting, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (Reply, Value) {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let request = Request {
        method,
        path: path.to_owned(),
        query: String::new(),
        headers: Headers::new(headers),
        body: body.to_vec(),
        problem: None,
    };
    let (reply, _) = pipeline::handle_among(&[&ECHOING, &SHAPED], host, &request);
    let body = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply, body)
}

const SHAPED_SECRET: &str = "shaped-takes-this-in-its-body-1a";

fn host() -> Accepting {
    let mut host = Accepting::new();
    host.variables.insert("secret_shaped", SHAPED_SECRET);
    host.variables.insert("routing_key_payments", "e1pageRelayTestKey0000000000000u");
    host
}

#[test]
fn paths_of_an_api_lead_to_its_source_from_the_root_and_below_source_and_service() {
    let paths = [
        ("/v2/enqueue", None),
        ("//v2/enqueue//", None),
        ("/shaped/v2/enqueue", None),
        ("/shaped//v2/enqueue/", None),
        ("/shaped/payments/v2/enqueue", Some("payments")),
        ("/shaped/payments//v2/enqueue/", Some("payments")),
    ];
    for (path, service) in paths {
        let mut host = host();
        let (reply, body) = call(&mut host, Method::Post, path);
        assert_eq!((reply.status, &body["path"]), (StatusCode::IM_A_TEAPOT, &json!("v2/enqueue")), "{path}");
        assert_eq!(host.sent[0]["dedup_key"], "shaped:at:v2/enqueue", "{path}");
        let key = if service.is_some() { "e1pageRelayTestKey0000000000000u" } else { SERVICE_KEY };
        assert_eq!(host.sent[0]["routing_key"], key, "{path}");
    }
}

#[test]
fn the_tail_of_an_apis_path_may_have_any_text() {
    let (reply, body) = call(&mut host(), Method::Get, "/shaped/payments/v2/things/a/b%2Fc//d/");
    assert_eq!((reply.status, body), (StatusCode::ACCEPTED, json!({"asked": "v2/things/a/b%2Fc//d"})));
    assert!(reply.headers.contains(&("x-shape", "round".to_owned())), "the mapping's answer is complete");
}

#[test]
fn a_word_that_begins_an_apis_path_is_a_service_only_by_itself() {
    let mut host = host();
    host.variables.insert("routing_key_v2", "e1pageRelayTestKey0000000000000u");
    for path in ["/shaped/v2", "/shaped/v2/v2/enqueue"] {
        let (reply, _) = call(&mut host, Method::Post, path);
        assert!(reply.status.is_success() || reply.status == StatusCode::IM_A_TEAPOT, "{path}");
        assert_eq!(host.sent.pop().expect("an event")["routing_key"], "e1pageRelayTestKey0000000000000u", "{path}");
    }
}

#[test]
fn what_an_api_does_not_have_is_refused_in_its_form() {
    let cases = [
        (Method::Post, "/v2/other", 404),
        (Method::Post, "/shaped/v2/other", 404),
        (Method::Post, "/shaped/payments/other", 404),
        (Method::Post, "/shaped/payments/v2/other", 404),
        (Method::Post, "/shaped/UP/v2/enqueue", 404),
        (Method::Get, "/v2/enqueue", 405),
        (Method::Patch, "/shaped/v2/things/a", 405),
    ];
    for (method, path, code) in cases {
        let mut host = host();
        let (reply, body) = call(&mut host, method, path);
        assert_eq!((reply.status, &body["code"]), (StatusCode::IM_A_TEAPOT, &json!(code)), "{path}");
        assert!(reply.headers.contains(&("x-shape", "square".to_owned())), "{path}");
        assert!(host.sent.is_empty() && host.read.borrow().is_empty(), "{path}");
    }
    let (reply, _) = call(&mut host(), Method::Put, "/shaped/v2/things/a");
    assert!(reply.headers.contains(&("allow", "GET, DELETE".to_owned())), "{:?}", reply.headers);
    // A path of a source without an API, and the words before an API's path.
    for path in ["/echoing/v2/enqueue", "/shaped/UP", "/v3/enqueue", "/v2"] {
        let (reply, body) = call(&mut host(), Method::Post, path);
        assert_eq!((reply.status.as_u16(), &body["status"]), (404, &json!(404)), "{path}");
    }
}

#[test]
fn another_source_may_map_a_path_of_an_api() {
    let (reply, _) = call(&mut host(), Method::Post, "/shaped/v2/echo");
    assert_eq!(reply.body, b"challenge-4711");
    let mut host = host();
    host.variables.remove("secret_shaped");
    let (reply, body) = call(&mut host, Method::Post, "/shaped/v2/echo");
    let result = "variable `secret_shaped` is not set; set it, because `webhook_secret` is not accepted for this path";
    assert_eq!((reply.status, &body["result"]), (StatusCode::IM_A_TEAPOT, &json!(result)));
}

#[test]
fn an_answer_has_the_form_of_the_api_in_success_and_in_failure() {
    let (reply, body) = call(&mut host(), Method::Post, "/v2/enqueue");
    let accepted = json!({
        "result": "1 event accepted by PagerDuty", "code": 200, "requestId": "shaped:at:v2/enqueue",
        "path": "v2/enqueue", "warnings": [], "again": null,
    });
    assert_eq!(body, accepted);
    let usual = headers("application/json");
    assert_eq!(reply.headers, [usual.as_slice(), &[("x-shape", "square".to_owned())]].concat());

    let mut failing = host();
    failing.status = 500;
    let (reply, body) = call(&mut failing, Method::Post, "/v2/enqueue");
    assert_eq!((&body["code"], &body["again"]), (&json!(503), &json!(30)));
    assert!(reply.headers.contains(&("retry-after", "30".to_owned())), "what a retry needs is kept");

    let (_, body) = call(&mut host(), Method::Delete, "/v2/things/a");
    assert_eq!((&body["warnings"], &body["requestId"]), (&json!(["things are not deleted"]), &Value::Null));
    let (reply, body) = call(&mut host(), Method::Post, "/shaped");
    assert_eq!((reply.status, &body["status"]), (StatusCode::OK, &json!("success")), "the source itself");
    let (reply, body) = call(&mut host(), Method::Post, "/preview/v2/enqueue");
    assert_eq!((reply.status, &body["message"]), (StatusCode::OK, &json!("1 event would be sent")), "a preview");
}

#[test]
fn an_authorization_scheme_has_any_name() {
    for value in ["Shape ", "shape  ", "SHAPE "].map(|scheme| format!("{scheme}{SHAPED_SECRET}")) {
        let (_, body) = send(&mut host(), Method::Post, "/v2/enqueue", &[("authorization", &value)], b"not JSON");
        assert_eq!(body["code"], 200, "{value}");
    }
    let (_, body) = send(&mut host(), Method::Post, "/v2/enqueue", &[("authorization", SHAPED_SECRET)], b"{}");
    assert_eq!(body["code"], 401);
}

#[test]
fn a_source_that_says_nothing_is_one_of_the_defaults() {
    let plain = &ECHOING;
    assert_eq!(plain.patience, Duration::from_secs(10));
    assert_eq!(plain.success, StatusCode::OK);
    assert!(!plain.by_get && !plain.retries && plain.map_group.is_none() && plain.api.is_none());
}
