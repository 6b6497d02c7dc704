//! Secrets that clients of an API send as their key, and that name a service: `secret_events_<service>`.

use pagerelay::http::{Method, Reply};
use pagerelay::pipeline;
use pagerelay_support::{OWN_SECRET, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::senders::findings;
use crate::walls::{operated, stranger};

const PAYMENTS: &str = "payments-is-named-by-this-secret-1";
const PAYMENTS_KEY: &str = "p0pageRelayTestKey0000000000000u";
const SEARCH: &str = "search-is-named-by-this-secret-22";
const SEARCH_KEY: &str = "s0pageRelayTestKey0000000000000u";

/// The shape of a routing key, as some clients demand.
const SHAPED: &str = "0c4d7b1e93a2458fa6d0e8b37c19f254";

/// A host whose services payments and search have a secret each.
fn host() -> Accepting {
    let mut host = operated();
    for (name, value) in [
        ("services_events", "default, payments search"),
        ("secret_events_payments", PAYMENTS),
        ("secret_events_search", SEARCH),
        ("routing_key_payments", PAYMENTS_KEY),
        ("routing_key_search", SEARCH_KEY),
    ] {
        host.variables.insert(name, value);
    }
    host
}

fn with(variables: &[(&'static str, &'static str)]) -> Accepting {
    let mut host = host();
    host.variables.extend(variables.iter().copied());
    host
}

fn body(key: &str) -> String {
    json!({"routing_key": key, "event_action": "resolve", "dedup_key": "k"}).to_string()
}

fn post(host: &mut Accepting, path: &str, key: &str) -> (Reply, Value, Value) {
    let (reply, line) = pipeline::handle(host, &stranger(Method::Post, path, &[], body(key).as_bytes()));
    let answer = serde_json::from_slice(&reply.body).expect("JSON");
    (reply, answer, serde_json::from_str(&line.expect("a line")).expect("JSON"))
}

/// The status, and the routing key of the event that was sent.
fn sent(host: &mut Accepting, path: &str, key: &str) -> (u16, Option<String>) {
    let (reply, _, _) = post(host, path, key);
    (reply.status.as_u16(), host.sent.pop().map(|event| event["routing_key"].as_str().expect("text").to_owned()))
}

fn why(answer: &Value) -> &str {
    answer["errors"][0].as_str().or(answer["detail"].as_str()).expect("a reason")
}

#[test]
fn a_key_names_its_service_where_the_path_names_none() {
    let to = |key: &str| (202, Some(key.to_owned()));
    for path in ["/v2/enqueue", "/events/v2/enqueue", "/events"] {
        assert_eq!(sent(&mut host(), path, OWN_SECRET), to(SERVICE_KEY), "{path}");
        assert_eq!(sent(&mut host(), path, PAYMENTS), to(PAYMENTS_KEY), "{path}");
        assert_eq!(sent(&mut host(), path, SEARCH), to(SEARCH_KEY), "{path}");
    }
    for path in ["/events/payments/v2/enqueue", "/events/payments"] {
        assert_eq!(sent(&mut host(), path, OWN_SECRET), to(PAYMENTS_KEY), "{path}");
        assert_eq!(sent(&mut host(), path, PAYMENTS), to(PAYMENTS_KEY), "{path}");
        assert_eq!(sent(&mut host(), path, SEARCH), (401, None), "{path}");
    }
}

#[test]
fn a_key_in_a_header_names_its_service_too_and_the_log_says_whose_it_is() {
    let mut host = with(&[("secret_events_payments_previous", "payments-was-named-by-this-before")]);
    for (key, which) in [(PAYMENTS, "current"), ("payments-was-named-by-this-before", "previous")] {
        for (name, value) in [("authorization", format!("Bearer {key}")), ("x-routing-key", key.to_owned())] {
            let request = stranger(Method::Post, "/v2/enqueue", &[(name, &value)], body("").as_bytes());
            let (reply, line) = pipeline::handle(&mut host, &request);
            let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            let scheme = if name == "authorization" { "bearer" } else { name };
            assert_eq!(reply.status, 202);
            assert_eq!(line["auth"], format!("{scheme}, {which} secret of service payments"));
            assert_eq!(line["service"], "payments");
        }
        let (_, _, line) = post(&mut host, "/v2/enqueue", key);
        assert_eq!(line["auth"], format!("routing_key, {which} secret of service payments"));
    }
    assert!(host.sent.iter().all(|event| event["routing_key"] == PAYMENTS_KEY));
}

#[test]
fn the_general_secret_may_be_unset_if_a_service_has_one() {
    let mut host = host();
    host.variables.remove("secret_events");
    host.variables.insert("services_events", "payments");
    assert_eq!(sent(&mut host, "/v2/enqueue", PAYMENTS), (202, Some(PAYMENTS_KEY.to_owned())));
    assert_eq!(sent(&mut host, "/v2/enqueue", SEARCH), (401, None), "its service is not listed");
    assert_eq!(sent(&mut host, "/v2/enqueue", SECRET), (401, None), "never the secret of all sources");
    for path in ["/events/search/v2/enqueue", "/events/nowhere/v2/enqueue", "/events/payments/v2/enqueue"] {
        assert_eq!(sent(&mut host, path, SEARCH), (401, None), "nobody learns which services there are: {path}");
    }
    let unset = "variable `secret_events` is not set; set it, because `webhook_secret` is not accepted for this path";
    host.variables.remove("services_events");
    let (reply, answer, _) = post(&mut host, "/v2/enqueue", PAYMENTS);
    assert_eq!((reply.status.as_u16(), why(&answer)), (502, unset), "without a list there is no candidate");
}

#[test]
fn a_service_called_default_has_no_secret() {
    let mut host = with(&[("secret_events_default", "default-is-not-named-by-anything-1")]);
    assert_eq!(sent(&mut host, "/v2/enqueue", "default-is-not-named-by-anything-1"), (401, None));
    assert!(!host.read.borrow().iter().any(|name| name == "secret_events_default"));
}

#[test]
fn a_secret_that_two_share_opens_nothing() {
    const TWICE: &str = "one-secret-for-two-of-them-5e";
    let cases = [
        ("secret_events_payments", "webhook_secret", "/v2/enqueue"),
        ("secret_events_payments", "webhook_secret_previous", "/events/payments/v2/enqueue"),
        ("secret_events_payments_previous", "webhook_secret", "/v2/enqueue"),
        ("secret_events", "secret_events_payments", "/v2/enqueue"),
        ("secret_events", "secret_events_payments", "/events/search/v2/enqueue"),
        ("secret_events", "secret_events_payments_previous", "/v2/enqueue"),
        ("secret_events_payments", "secret_events_search", "/v2/enqueue"),
        ("secret_events_payments", "secret_events_search", "/events/payments/v2/enqueue"),
    ];
    for (one, other, path) in cases {
        let mut host = with(&[(one, TWICE), (other, TWICE)]);
        let (reply, answer, _) = post(&mut host, path, TWICE);
        assert_eq!(reply.status.as_u16(), 502, "{one} {other} {path}: {answer}");
        let shared =
            |name: &str| format!("variable `{name}` has the same value as another secret; give it a value of its own");
        assert!([shared(one), shared(other)].contains(&why(&answer).to_owned()), "{one} {other}: {answer}");
        assert!(host.sent.is_empty(), "{one} {other}");
        let found = findings(&mut host, "/check", "sources");
        assert!(
            found.iter().any(|what| what.starts_with("error variable `") && what.ends_with("closed: /events")),
            "{found:?}"
        );
        let (reply, _, _) = post(&mut host, path, "neither-of-the-two-secrets-77");
        assert_eq!(reply.status, 401, "others do not learn it");
    }
    // The next value of a rotation may be copied to its previous variable.
    let mut host = with(&[("secret_events_payments_previous", PAYMENTS)]);
    assert_eq!(sent(&mut host, "/v2/enqueue", PAYMENTS), (202, Some(PAYMENTS_KEY.to_owned())));
}

#[test]
fn a_secret_may_look_like_a_routing_key_but_not_be_the_one_that_is_used() {
    for name in ["secret_events", "secret_events_payments", "secret_events_previous"] {
        let mut host = with(&[(name, SHAPED)]);
        assert_eq!(sent(&mut host, "/v2/enqueue", SHAPED).0, 202, "{name}");
    }
    let cases = [
        ("secret_events", "routing_key", "/v2/enqueue"),
        ("secret_events_previous", "routing_key_previous", "/v2/enqueue"),
        ("secret_events", "routing_key_payments", "/events/payments/v2/enqueue"),
        ("secret_events_payments", "routing_key_payments", "/v2/enqueue"),
        ("secret_events_payments", "routing_key_payments_previous", "/events/payments/v2/enqueue"),
    ];
    for (secret, key, path) in cases {
        let mut host = with(&[(secret, SHAPED), (key, SHAPED)]);
        let (reply, answer, _) = post(&mut host, path, SHAPED);
        let same = format!(
            "variable `{secret}` has the same value as variable `{key}`; give the clients a secret of their own"
        );
        assert_eq!((reply.status.as_u16(), why(&answer)), (502, same.as_str()), "{secret} {key}");
        assert!(host.sent.is_empty(), "{secret} {key}");
        let found = findings(&mut host, "/check", "senders");
        assert!(found.contains(&format!("error {same}, not a routing key")), "{found:?}");
    }
    let mut host = with(&[("secret_events_payments", SHAPED), ("routing_key_search", SHAPED)]);
    assert_eq!(sent(&mut host, "/v2/enqueue", SHAPED), (202, Some(PAYMENTS_KEY.to_owned())), "it never meets that key");
    let warning = "warning variable `secret_events_payments` has the same value as variable `routing_key_search`; give the \
                   clients a secret of their own, not a routing key";
    assert!(findings(&mut host, "/check", "senders").contains(&warning.to_owned()));
}

#[test]
fn a_weak_secret_of_a_service_closes_the_paths_that_would_accept_it() {
    let mut host = with(&[("secret_events_payments", "too-short")]);
    let short = "variable `secret_events_payments` is too short; use at least 16 characters";
    for path in ["/v2/enqueue", "/events/payments/v2/enqueue"] {
        let (reply, answer, _) = post(&mut host, path, OWN_SECRET);
        assert_eq!((reply.status.as_u16(), why(&answer)), (502, short), "{path}");
    }
    assert_eq!(sent(&mut host, "/events/search/v2/enqueue", SEARCH).0, 202);
    assert_eq!(findings(&mut host, "/check", "sources"), [format!("error {short}; closed: /events")]);
}

#[test]
fn an_invalid_list_of_services_is_told_to_nobody_who_is_not_authenticated() {
    let mut host = with(&[("services_events", "payments;search")]);
    assert_eq!(sent(&mut host, "/v2/enqueue", PAYMENTS).0, 401);
    let (reply, answer, _) = post(&mut host, "/v2/enqueue", OWN_SECRET);
    assert_eq!(reply.status, 502);
    assert!(why(&answer).starts_with("variable `services_events` must list services"), "{answer}");
    host.variables.remove("secret_events");
    let (_, answer, _) = post(&mut host, "/v2/enqueue", PAYMENTS);
    assert!(why(&answer).starts_with("variable `services_events` must list services"), "{answer}");
}

#[test]
fn every_candidate_is_read_once_before_the_sender_is_known() {
    let mut host = host();
    let (reply, _, _) = post(&mut host, "/v2/enqueue", "not-the-secret-of-anything-1");
    assert_eq!(reply.status, 401);
    let read = host.read.borrow().clone();
    for name in ["secret_events", "services_events", "secret_events_payments", "secret_events_search"] {
        assert_eq!(read.iter().filter(|read| *read == name).count(), 1, "{name} {read:?}");
    }
    assert!(!read.iter().any(|name| name.starts_with("routing_key") || name.starts_with("webhook")), "{read:?}");
}

#[test]
fn check_knows_the_secrets_of_services() {
    let mut host = with(&[
        ("secret_events_payments_previous", "payments-was-named-by-this-before"),
        ("secret_events_web", "web-is-not-in-the-list-of-services"),
        ("secret_events_default", "default-is-not-named-by-anything-1"),
        ("settings", r#"{"secret_events_shop": "shop-is-not-in-the-list-of-services"}"#),
        ("secret_zabbix", SEARCH),
    ]);
    let no_effect = |subject: &str, service: &str| {
        format!("warning {subject} has no effect: variable `services_events` does not list a service `{service}`")
    };
    assert_eq!(
        findings(&mut host, "/check", "variables"),
        [
            no_effect("variable `secret_events_default`", "default"),
            no_effect("variable `secret_events_web`", "web"),
            no_effect("member `secret_events_shop` of variable `settings`", "shop"),
        ]
    );
    let same = "warning variables `secret_events_search` and `secret_zabbix` hold the same secret, so each accepts the \
                other's senders; give each a value of its own";
    assert!(findings(&mut host, "/check", "senders").contains(&same.to_owned()));
    let request = stranger(Method::Get, "/check", &[("x-webhook-secret", host.variables["secret_check"])], b"");
    let (reply, _) = pipeline::handle(&mut host, &request);
    let all = "variables `secret_events`, `secret_events_payments`, `secret_events_payments_previous` and \
               `secret_events_search` authenticate requests to /events";
    assert!(String::from_utf8_lossy(&reply.body).contains(all), "{}", String::from_utf8_lossy(&reply.body));
}
