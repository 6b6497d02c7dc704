//! Programs that speak PagerDuty's Events API to the relay: they change only their URL and their key.

use pagerelay::http::{Method, Reply};
use pagerelay::pipeline;
use pagerelay_support::{OWN_SECRET, ROUTING_KEY, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::stranger;

const ENQUEUE: &str = "/events/v2/enqueue";
const CHANGE: &str = "/events/v2/change/enqueue";
const V1: &str = "/events/generic/2010-04-15/create_event.json";

/// Where a base URL may lead: below the source, below a service, and at the root.
const BASES: [&str; 3] = ["/events", "/events/payments", ""];

/// Another service's routing key.
const PAYMENTS_KEY: &str = "p0pageRelayTestKey0000000000000u";

fn host() -> Accepting {
    let mut host = Accepting::new();
    host.variables.insert("routing_key_payments", PAYMENTS_KEY);
    host
}

fn post(host: &mut Accepting, path: &str, headers: &[(&str, &str)], body: &str) -> (Reply, Value) {
    let (reply, line) = pipeline::handle(host, &stranger(Method::Post, path, headers, body.as_bytes()));
    let line = line.expect("every delivery is logged");
    let answer = String::from_utf8(reply.body.clone()).expect("text");
    let sent = host.sent.iter().map(Value::to_string).collect::<String>();
    for secret in [SECRET, OWN_SECRET].into_iter().chain(KEYS) {
        assert!(![&line, &answer, &sent].iter().any(|text| text.contains(secret)), "{path}: {line} {answer} {sent}");
    }
    let body: Value = serde_json::from_slice(&reply.body).expect("every answer is JSON");
    assert!(!reply.status.is_redirection() && reply.status != 403, "{path}: {}", reply.status);
    assert!(reply.headers.contains(&("content-type", "application/json".to_owned())), "{path}: {:?}", reply.headers);
    assert!(body["status"].is_string() && body["message"].is_string(), "{path}: {body}");
    (reply, body)
}

/// Keys that tests put into bodies.
const KEYS: [&str; 3] =
    ["9f86d081884c7d659a2feaa0c55ad015", "payments-names-itself-by-this-5c", "previous-names-keys-with-this-44"];

fn retry_after(reply: &Reply) -> Option<&str> {
    reply.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value.as_str())
}

/// A body of version 2 with this key.
fn trigger(key: &str, more: Value) -> String {
    let mut body = json!({
        "routing_key": key, "event_action": "trigger",
        "payload": {"summary": "Disk full on db-7", "source": "db-7", "severity": "error"},
    });
    let more = more.as_object().cloned().unwrap_or_default();
    body.as_object_mut().expect("an object").extend(more);
    body.to_string()
}

fn status_and_body(answered: (Reply, Value)) -> (u16, Value) {
    (answered.0.status.as_u16(), answered.1)
}

fn error(message: &str, why: &str) -> Value {
    let status = if message == "Event was not accepted" { "not accepted" } else { "invalid event" };
    json!({"status": status, "message": message, "errors": [why]})
}

#[test]
fn case_1_a_trigger_with_the_secret_as_its_routing_key_is_sent_with_the_routing_key_of_the_relay() {
    for base in BASES {
        let mut host = host();
        let body = trigger(OWN_SECRET, json!({"dedup_key": "k"}));
        let answered = post(&mut host, &format!("{base}/v2/enqueue"), &[], &body);
        let accepted = json!({"status": "success", "message": "Event processed", "dedup_key": "k"});
        assert_eq!(status_and_body(answered), (202, accepted), "{base}");
        let key = if base.ends_with("payments") { PAYMENTS_KEY } else { SERVICE_KEY };
        assert_eq!(host.sent.len(), 1, "{base}");
        assert_eq!(host.sent[0]["routing_key"], key, "{base}");
    }
}

#[test]
fn case_2_a_trigger_without_a_dedup_key_keeps_its_key_when_the_secret_is_rotated() {
    let mut host = host();
    host.variables.insert("secret_events_previous", KEYS[2]);
    let dedup_key = |host: &mut Accepting, path: &str, key: &str, member: &str| {
        let body = trigger(key, json!({})).replace("routing_key", member);
        let (reply, body) = post(host, path, &[], &body);
        assert_eq!(reply.status, 202, "{body}");
        body["dedup_key"].as_str().expect("a key").to_owned()
    };
    let first = dedup_key(&mut host, ENQUEUE, OWN_SECRET, "routing_key");
    assert!(first.starts_with("events:"), "{first}");
    for (key, path) in [(OWN_SECRET, ENQUEUE), (KEYS[2], ENQUEUE), (KEYS[2], "/v2/enqueue"), (OWN_SECRET, "/events")] {
        if path == "/events" {
            let (_, line) =
                pipeline::handle(&mut host, &stranger(Method::Post, path, &[], trigger(key, json!({})).as_bytes()));
            assert!(line.expect("a line").contains(&first), "the path of the source itself makes the same key");
        } else {
            assert_eq!(dedup_key(&mut host, path, key, "routing_key"), first, "{path}");
        }
    }
    let other = dedup_key(&mut host, ENQUEUE, OWN_SECRET, "service_key");
    assert_eq!(other, dedup_key(&mut host, ENQUEUE, KEYS[2], "service_key"));
}

#[test]
fn case_3_a_resolve_is_sent_without_a_payload() {
    let mut host = host();
    let body = json!({"routing_key": OWN_SECRET, "event_action": "resolve", "dedup_key": "k"}).to_string();
    let (reply, _) = post(&mut host, ENQUEUE, &[], &body);
    assert_eq!(reply.status, 202);
    assert_eq!(host.sent, [json!({"routing_key": SERVICE_KEY, "event_action": "resolve", "dedup_key": "k"})]);
}

#[test]
fn case_4_the_key_may_be_only_in_a_header() {
    let body = r#"{"event_action": "acknowledge", "dedup_key": "k"}"#;
    let (reply, _) = post(&mut host(), ENQUEUE, &[("x-routing-key", OWN_SECRET)], body);
    assert_eq!(reply.status, 202);
    let (reply, _) = post(&mut host(), ENQUEUE, &[("x-routing-key", KEYS[0])], body);
    assert_eq!(reply.status, 401);
}

#[test]
fn case_5_an_authorization_of_the_client_and_slashes_at_the_end_do_not_matter() {
    let foreign = ["Token token=None", "None", "Bearer not-the-secret-of-anything-1", "Basic bm9ib2R5OnRva2Vu", "="];
    let body = trigger(OWN_SECRET, json!({}));
    for value in foreign {
        for path in ["/events/v2/enqueue/", "/events//v2/enqueue", "/v2/enqueue//", "//v2/enqueue"] {
            let mut host = host();
            let (reply, said) = post(&mut host, path, &[("authorization", value)], &body);
            assert_eq!((reply.status.as_u16(), host.sent.len()), (202, 1), "{value} {path}: {said}");
        }
    }
    let twice = [("authorization", "Token a"), ("authorization", "Token b"), ("x-routing-key", "wrong")];
    assert_eq!(post(&mut host(), ENQUEUE, &twice, &body).0.status, 202);
}

#[test]
fn case_6_content_type_and_accept_do_not_matter() {
    let types = ["application/x-www-form-urlencoded", "application/json; charset=utf-8", "text/plain", ""];
    for content_type in types {
        let headers = [("content-type", content_type), ("accept", "application/vnd.pagerduty+json;version=2")];
        let (reply, said) = post(&mut host(), ENQUEUE, &headers, &trigger(OWN_SECRET, json!({})));
        assert_eq!(reply.status, 202, "{content_type}: {said}");
    }
}

#[test]
fn case_7_a_real_routing_key_is_refused_with_the_reason() {
    let why = "the key is not the relay's secret but looks like a PagerDuty routing key: set it as variable \
               `routing_key` or `routing_key_<service>` of the relay, and give the sender the relay's secret as its key";
    for path in [ENQUEUE, CHANGE, "/v2/enqueue"] {
        let mut host = host();
        let answered = post(&mut host, path, &[], &trigger(KEYS[0], json!({})));
        assert_eq!(status_and_body(answered), (401, error("Unauthorized", why)), "{path}");
        assert!(host.sent.is_empty());
    }
    let keyless = r#"{"event_action": "acknowledge", "dedup_key": "k"}"#;
    let bearer = format!("Bearer {}", KEYS[0]);
    for body in [keyless, ""] {
        for header in [("x-routing-key", KEYS[0]), ("authorization", &bearer)] {
            let answered = post(&mut host(), ENQUEUE, &[header], body);
            assert_eq!(status_and_body(answered), (401, error("Unauthorized", why)), "{body}");
        }
    }
    let body = trigger(KEYS[0], json!({}));
    let (reply, _) = post(&mut host(), ENQUEUE, &[("x-routing-key", OWN_SECRET)], &body);
    assert_eq!(reply.status, 202, "beside a right header, the key does not matter");
}

#[test]
fn case_8_a_wrong_key_is_401_and_a_body_without_a_key_to_read_is_400() {
    let wrong = error("Unauthorized", "missing or invalid credentials");
    let unread =
        error("Event object is invalid", "the body is not a JSON object, and no header has the secret of this path");
    let cut = trigger(OWN_SECRET, json!({}));
    let doubled =
        format!(r#"{{"routing_key": "{OWN_SECRET}", "routing_key": "{OWN_SECRET}", "event_action": "trigger"}}"#);
    let escaped = format!(r#"{{"routing_key": "{OWN_SECRET}", "routing\u005fkey": "x", "event_action": "trigger"}}"#);
    let nested = json!({"payload": {"routing_key": OWN_SECRET, "summary": "s"}, "event_action": "trigger"}).to_string();
    let list = json!([{"routing_key": OWN_SECRET, "event_action": "trigger", "payload": {"summary": "s"}}]).to_string();
    let cases = [
        (trigger("not-the-secret-of-anything-1", json!({})), 401, &wrong),
        (trigger(SECRET, json!({})), 401, &wrong),
        (json!({"routing_key": [OWN_SECRET], "event_action": "trigger"}).to_string(), 401, &wrong),
        (json!({"routing_key": null, "event_action": "trigger"}).to_string(), 401, &wrong),
        ("{}".to_owned(), 401, &wrong),
        (doubled, 401, &wrong),
        (escaped, 401, &wrong),
        (nested, 401, &wrong),
        (cut[..cut.len() - 1].to_owned(), 400, &unread),
        (format!("{cut} x"), 400, &unread),
        (list, 400, &unread),
        (String::new(), 401, &wrong),
        (format!("routing_key={OWN_SECRET}"), 400, &unread),
        (format!("\"{OWN_SECRET}\""), 400, &unread),
        ("[".repeat(100_000), 400, &unread),
    ];
    for (body, status, answer) in &cases {
        let mut host = host();
        let answered = post(&mut host, ENQUEUE, &[], body);
        assert_eq!(status_and_body(answered), (*status, (*answer).clone()), "{body:.200}");
        assert!(host.sent.is_empty(), "{body:.200}");
    }
}

#[test]
fn case_9_a_malformed_body_of_an_authenticated_sender_pages_without_any_part_of_it() {
    let body = format!(r#"{{"routing_key": "{}", "event_action": "trigger", "#, KEYS[0]);
    let headers = [("x-routing-key", OWN_SECRET)];
    let mut host = host();
    let (reply, answer) = post(&mut host, ENQUEUE, &headers, &body);
    assert_eq!((reply.status.as_u16(), &answer["status"]), (202, &json!("success")));
    assert_eq!(answer["warnings"], json!(["1 item could not be mapped; a fallback alert reports it"]));
    assert_eq!(answer["dedup_key"], host.sent[0]["dedup_key"]);
    let details = &host.sent[0]["payload"]["custom_details"];
    assert_eq!(details["reasons"], json!(["the body is not valid JSON: line 1, column 79"]));
    assert!(details.get("excerpt").is_none(), "{details}");

    let mut host = self::host();
    host.variables.insert("unmapped", "reject");
    let answered = post(&mut host, ENQUEUE, &headers, &body);
    let answer = error("Event object is invalid", "the body is not valid JSON: line 1, column 79");
    assert_eq!(status_and_body(answered), (400, answer));
    assert!(host.sent.is_empty());
}

#[test]
fn a_fallback_alert_shows_the_body_without_its_keys() {
    let body = format!(r#"{{"a": 1, "routing_key": "{OWN_SECRET}", "service_key": "{}", "z": 2}}"#, KEYS[0]);
    let mut host = host();
    let (reply, answer) = post(&mut host, ENQUEUE, &[], &body);
    assert_eq!(reply.status, 202, "{answer}");
    let details = &host.sent[0]["payload"]["custom_details"];
    assert_eq!(details["reasons"], json!(["field `event_action` is missing"]));
    assert_eq!(details["excerpt"], r#"{"a": 1, "routing_key": "" , "service_key": "" , "z": 2}"#);
}

#[test]
fn a_list_of_events_is_refused_and_pages_nobody() {
    let list = format!("[{}]", trigger(OWN_SECRET, json!({})));
    for unmapped in ["page", "reject"] {
        for path in [ENQUEUE, CHANGE, V1, "/v2/enqueue"] {
            let mut host = host();
            host.variables.insert("unmapped", unmapped);
            let answered = post(&mut host, path, &[("x-routing-key", OWN_SECRET)], &list);
            let why = "the body is a list; send each event in a request of its own";
            assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)), "{path}");
            assert!(host.sent.is_empty(), "{path}");
        }
    }
}

#[test]
fn case_10_pagerduty_throttles_or_fails_or_refuses_the_key() {
    let body = trigger(OWN_SECRET, json!({"dedup_key": "k"}));
    let cases = [
        (429, "", 503, Some("30"), "PagerDuty did not accept 1 of 1 events; retry: 429"),
        (
            500,
            "<html>oops</html>",
            503,
            Some("30"),
            "PagerDuty did not accept 1 of 1 events; retry: 500 <html>oops</html>",
        ),
        (
            400,
            "Invalid routing key",
            502,
            None,
            "PagerDuty rejected the routing key in variable `routing_key`: 400 Invalid routing key",
        ),
    ];
    for (status, said, expected, after, why) in cases {
        let mut host = host();
        (host.status, host.body) = (status, said);
        let (reply, answer) = post(&mut host, ENQUEUE, &[], &body);
        assert_eq!((reply.status.as_u16(), retry_after(&reply)), (expected, after), "{answer}");
        assert_eq!(answer, error("Event was not accepted", why));
    }
    let mut host = host();
    host.variables.insert("unmapped", "reject");
    (host.status, host.body) = (400, r#"{"status":"invalid event","errors":["bad summary"]}"#);
    let why = "PagerDuty rejected 1 of 1 events: 400 bad summary";
    assert_eq!(status_and_body(post(&mut host, ENQUEUE, &[], &body)), (400, error("Event object is invalid", why)));
}

#[test]
fn case_11_values_that_pagerduty_would_refuse_are_corrected() {
    let body = json!({
        "routing_key": OWN_SECRET, "event_action": "trigger", "dedup_key": 4711, "client": null,
        "payload": {
            "summary": "Disk full\r\non db-7", "source": "db-7", "severity": "CRITICAL", "custom_details": "92 %",
            "timestamp": "2026-07-08T02:15:00.000", "images": [{"src": "https://charts.ops.example/disk.png"}],
            "links": [{"href": "https://runbooks.ops.example/disk", "text": "Runbook"}], "group": null,
        },
    });
    let mut host = host();
    let (reply, answer) = post(&mut host, ENQUEUE, &[], &body.to_string());
    assert_eq!((reply.status.as_u16(), &answer["dedup_key"]), (202, &json!("4711")));
    let expected = json!({
        "routing_key": SERVICE_KEY, "event_action": "trigger", "dedup_key": "4711",
        "payload": {
            "summary": "Disk full on db-7", "source": "db-7", "severity": "critical", "custom_details": {"details": "92 %"},
        },
        "images": [{"src": "https://charts.ops.example/disk.png"}],
        "links": [{"href": "https://runbooks.ops.example/disk", "text": "Runbook"}],
    });
    assert_eq!(host.sent, [expected]);
}

#[test]
fn case_12_a_change_event_needs_no_action_and_is_omitted_with_an_orchestrations_key() {
    let body = json!({"routing_key": OWN_SECRET, "payload": {"summary": "Deployed"}}).to_string();
    let mut host = host();
    let accepted = json!({"status": "success", "message": "Change event processed"});
    assert_eq!(status_and_body(post(&mut host, CHANGE, &[], &body)), (202, accepted));
    assert_eq!(
        host.sent,
        [json!({"routing_key": SERVICE_KEY, "payload": {"summary": "Deployed", "source": "events"}})]
    );

    let mut host = self::host();
    host.variables.insert("routing_key", ROUTING_KEY);
    let warning =
        "1 event not sent: the key in `routing_key` belongs to an event orchestration, which accepts no change events";
    let omitted = json!({"status": "success", "message": "Change event processed", "warnings": [warning]});
    assert_eq!(status_and_body(post(&mut host, CHANGE, &[], &body)), (202, omitted));
    assert!(host.sent.is_empty());
}

#[test]
fn a_change_event_that_cannot_be_mapped_is_refused_and_pages_nobody() {
    let none = "field `payload.summary` is missing or blank";
    for (body, why) in [
        (r#"{"payload": {}}"#, none),
        (r#"{"event_action": "trigger", "dedup_key": "k"}"#, none),
        (r#"{"payload": "#, "the body is not valid JSON: line 1, column 12"),
    ] {
        for path in [CHANGE, "/v2/change/enqueue", "/events/payments/v2/change/enqueue"] {
            let mut host = host();
            let answered = post(&mut host, path, &[("x-routing-key", OWN_SECRET)], body);
            assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)), "{path}");
            assert!(host.sent.is_empty(), "{path}");
        }
    }
    let mut host = host();
    let headers = [("x-routing-key", OWN_SECRET), ("content-encoding", "br")];
    let (reply, answer) = post(&mut host, CHANGE, &headers, r#"{"payload": {"summary": "s"}}"#);
    assert_eq!((reply.status.as_u16(), host.sent.len()), (400, 0), "{answer}");
}

#[test]
fn the_path_decides_the_format() {
    let change = json!({"routing_key": OWN_SECRET, "payload": {"summary": "Deployed"}}).to_string();
    let alert = trigger(OWN_SECRET, json!({"dedup_key": "k"}));
    for (path, body, why) in
        [(ENQUEUE, &change, "field `event_action` is missing"), (V1, &alert, "field `event_type` is missing")]
    {
        let mut host = host();
        host.variables.insert("unmapped", "reject");
        let answered = post(&mut host, path, &[], body);
        assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)), "{path}");
    }
    let mut host = host();
    let (_, answer) = post(&mut host, CHANGE, &[], &alert);
    assert_eq!((answer.get("dedup_key"), host.sent[0].get("event_action")), (None, None), "a change never pages");
}

#[test]
fn case_13_an_event_of_version_1_fills_the_fields_of_version_2() {
    let body = json!({
        "service_key": OWN_SECRET, "event_type": "trigger", "incident_key": "orders/p99",
        "description": "p99 latency is above 2 s", "client": "Probe farm", "client_url": "https://probes.ops.example/1",
        "details": "region eu-west",
        "contexts": [
            {"type": "link", "href": "https://runbooks.ops.example/latency", "text": "Runbook"},
            {"type": "image", "src": "https://charts.ops.example/p99.png", "alt": "p99"},
        ],
    });
    let accepted = json!({"status": "success", "message": "Event processed", "incident_key": "orders/p99"});
    for path in [V1, "/generic/2010-04-15/create_event.json", "/events//generic/2010-04-15/create_event.json/"] {
        let mut host = host();
        assert_eq!(status_and_body(post(&mut host, path, &[], &body.to_string())), (200, accepted.clone()), "{path}");
        let expected = json!({
            "routing_key": SERVICE_KEY, "event_action": "trigger", "dedup_key": "orders/p99",
            "payload": {
                "summary": "p99 latency is above 2 s", "source": "Probe farm", "severity": "critical",
                "custom_details": {"details": "region eu-west"},
            },
            "links": [{"href": "https://runbooks.ops.example/latency", "text": "Runbook"}],
            "images": [{"src": "https://charts.ops.example/p99.png", "alt": "p99"}],
            "client": "Probe farm", "client_url": "https://probes.ops.example/1",
        });
        assert_eq!(host.sent, [expected], "{path}");
    }
}

#[test]
fn case_14_empty_members_of_version_2_in_a_body_of_version_1_do_not_matter() {
    let body = json!({
        "service_key": OWN_SECRET, "routing_key": "", "event_action": "", "payload": null, "event_type": "resolve",
        "incident_key": "a1b2", "description": null, "details": null, "client": null, "contexts": null,
    });
    let mut host = host();
    let accepted = json!({"status": "success", "message": "Event processed", "incident_key": "a1b2"});
    assert_eq!(status_and_body(post(&mut host, V1, &[], &body.to_string())), (200, accepted));
    assert_eq!(host.sent, [json!({"routing_key": SERVICE_KEY, "event_action": "resolve", "dedup_key": "a1b2"})]);

    let nameless =
        json!({"service_key": OWN_SECRET, "event_type": "trigger", "description": "x", "incident_key": null});
    let (_, answer) = post(&mut host, V1, &[], &nameless.to_string());
    assert_eq!(answer["incident_key"], host.sent[1]["dedup_key"]);
}

#[test]
fn case_15_a_wrong_key_of_version_1_is_final_and_throttling_is_not() {
    let body = |key: &str| json!({"service_key": key, "event_type": "trigger", "description": "x"}).to_string();
    let (reply, _) = post(&mut host(), V1, &[], &body("wrong"));
    assert_eq!((reply.status.as_u16(), retry_after(&reply)), (401, None));
    let mut host = host();
    host.status = 429;
    let (reply, _) = post(&mut host, V1, &[], &body(OWN_SECRET));
    assert_eq!((reply.status.as_u16(), retry_after(&reply)), (503, Some("30")));
}

#[test]
fn every_other_refusal_has_the_same_form_and_is_never_403() {
    let body = trigger(OWN_SECRET, json!({}));
    let site = [("sec-fetch-site", "cross-site")];
    let answered = post(&mut host(), ENQUEUE, &site, &body);
    let why = "cross-site request refused (Sec-Fetch-Site)";
    assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)));

    let mut host = host();
    host.variables.insert("services_events", "payments");
    let answered = post(&mut host, ENQUEUE, &[], &body);
    let why = "variable `services_events` does not list `default`, the service of a path without a service name";
    assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)));

    let mut host = self::host();
    host.variables.remove("routing_key");
    let (reply, answer) = post(&mut host, ENQUEUE, &[], &body);
    assert_eq!((reply.status.as_u16(), retry_after(&reply)), (502, None));
    assert_eq!(answer, error("Event was not accepted", "variable `routing_key` is not set"));

    for (path, message) in [
        ("/events/v2/other", "Not Found"),
        ("/events/payments/other", "Not Found"),
        ("/events/PAYMENTS/v2/enqueue", "Not Found"),
        ("/v2/other", "Not Found"),
        ("/generic/2010-04-15/other", "Not Found"),
    ] {
        let (reply, answer) = post(&mut self::host(), path, &[], &body);
        assert_eq!((reply.status.as_u16(), &answer["message"]), (404, &json!(message)), "{path}");
    }
    let encoded = [("content-encoding", "br")];
    let answered = post(&mut self::host(), ENQUEUE, &encoded, &body);
    let why = "unsupported Content-Encoding; send gzip, deflate or an uncompressed body";
    assert_eq!(status_and_body(answered), (400, error("Event object is invalid", why)));
}

#[test]
fn the_paths_accept_only_post() {
    for method in
        [Method::Get, Method::Head, Method::Options, Method::Put, Method::Delete, Method::Patch, Method::Other]
    {
        for path in [ENQUEUE, CHANGE, V1, "/v2/enqueue"] {
            let (reply, _) = pipeline::handle(&mut host(), &stranger(method, path, &[], b""));
            assert_eq!(reply.status, 405, "{method:?} {path}");
            assert!(reply.headers.contains(&("allow", "POST".to_owned())), "{:?}", reply.headers);
            let answer: Value = serde_json::from_slice(&reply.body).expect("JSON");
            assert_eq!(answer, error("Method Not Allowed", "method not allowed; this path accepts POST"));
        }
    }
}

#[test]
fn a_preview_shows_what_a_client_would_send_and_no_key() {
    for path in ["/preview/events/v2/enqueue", "/preview/v2/enqueue", "/preview/events/payments/v2/enqueue?explain"] {
        let mut host = host();
        let request = stranger(Method::Post, path, &[], trigger(OWN_SECRET, json!({"dedup_key": "k"})).as_bytes());
        let (reply, _) = pipeline::handle(&mut host, &request);
        let shown: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!((reply.status.as_u16(), &shown["auth"]), (200, &json!("routing_key, current secret")), "{path}");
        assert_eq!(shown["message"], "1 event would be sent", "{path}");
        assert!(host.sent.is_empty() && !shown.to_string().contains(OWN_SECRET), "{path}");
    }
}

#[test]
fn a_body_that_needs_a_signature_is_refused_as_before() {
    let mut host = host();
    host.variables.insert("require_signature_events", "on");
    let (reply, answer) = post(&mut host, ENQUEUE, &[], &trigger(OWN_SECRET, json!({})));
    let why = "variable `require_signature_events` requires a signature that this source's senders cannot make";
    assert_eq!((reply.status.as_u16(), answer), (502, error("Event was not accepted", why)));
}

#[cfg(feature = "templates")]
#[test]
fn the_answer_has_the_key_of_the_event_whatever_rules_do_with_it() {
    for (rules, own, sent) in [
        (r#"[{"service": "payments"}]"#, "k", [1, 2, 2]),
        (r#"[{"dedup_key": "{{ payload.host }}"}]"#, "events:rule:db-7", [1, 2, 2]),
        (r#"[{"dedup_key": "{{ payload.host }}", "service": "payments"}]"#, "events:rule:db-7", [1, 4, 4]),
        (r#"[{"drop": "nobody needs it"}]"#, "k", [0, 1, 1]),
    ] {
        for (path, version, member) in [(ENQUEUE, "event_action", "dedup_key"), (V1, "event_type", "incident_key")] {
            for (action, sent) in ["trigger", "acknowledge", "resolve"].into_iter().zip(sent) {
                let mut host = host();
                host.variables.insert("rules", rules);
                let mut body =
                    json!({"routing_key": OWN_SECRET, "payload": {"summary": "s"}, "description": "s", "host": "db-7"});
                (body[version], body[member]) = (action.into(), "k".into());
                let (reply, answer) = post(&mut host, path, &[], &body.to_string());
                assert!(reply.status.is_success(), "{answer}");
                assert_eq!(
                    (&answer[member], host.sent.len()),
                    (&json!(own), sent),
                    "{rules} {path} {action}: {answer}"
                );
            }
        }
    }
}
