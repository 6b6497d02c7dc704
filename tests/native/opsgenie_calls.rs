//! Programs that alert Opsgenie and reach the relay: they change only their URL and their key.

use base64ct::{Base64, Encoding};
use pagerelay::http::{Method, Reply};
use pagerelay::pipeline;
use pagerelay_support::{OPSGENIE_SECRET, OWN_SECRET, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::stranger;

/// Where a base URL may lead: below the source, below a service, and at the root.
const BASES: [&str; 3] = ["/opsgenie", "/opsgenie/payments", ""];

/// Another service's routing key.
const PAYMENTS_KEY: &str = "p0pageRelayTestKey0000000000000u";

/// The secret of that service.
const PAYMENTS_SECRET: &str = "payments-alerts-ops-with-this-1d";

/// A secret of nobody.
const WRONG: &str = "00000000-1111-2222-3333-444444444444";

fn host() -> Accepting {
    let mut host = Accepting::new();
    host.variables.insert("routing_key_payments", PAYMENTS_KEY);
    host
}

fn send(host: &mut Accepting, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (reply, line) = pipeline::handle(host, &stranger(method, target, headers, body.as_bytes()));
    let line = line.expect("every call is logged");
    let answer = String::from_utf8(reply.body.clone()).expect("text");
    let sent = host.sent.iter().map(Value::to_string).collect::<String>();
    for secret in [SECRET, OWN_SECRET, OPSGENIE_SECRET, PAYMENTS_SECRET, WRONG] {
        assert!(![&line, &answer, &sent].iter().any(|text| text.contains(secret)), "{target}: {line} {answer} {sent}");
    }
    let body = check(&reply, target);
    (reply.status.as_u16(), body)
}

/// Checks what every answer has, and returns its body.
fn check(reply: &Reply, target: &str) -> Value {
    let body: Value = serde_json::from_slice(&reply.body).expect("every answer is JSON");
    let header = |name: &str| reply.headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str());
    assert!(!reply.status.is_redirection(), "{target}: {}", reply.status);
    assert_eq!(header("content-type"), Some("application/json"), "{target}");
    let id = body["requestId"].as_str().unwrap_or_else(|| panic!("{target}: {body}"));
    assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{target}: {id}");
    assert_eq!(header("x-request-id"), Some(id), "{target}");
    assert_eq!(header("x-response-time"), Some("0"), "{target}: the clock of the test stands still");
    assert_eq!(body["took"], json!(0.0), "{target}");
    assert_eq!(body.get("message").is_some(), reply.status.as_u16() >= 400, "{target}: {body}");
    body
}

fn call(host: &mut Accepting, method: Method, target: &str, body: &Value) -> (u16, Value) {
    let key = format!("GenieKey {OPSGENIE_SECRET}");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    send(host, method, target, &[("authorization", &key)], &body)
}

fn post(host: &mut Accepting, target: &str, body: &Value) -> (u16, Value) {
    call(host, Method::Post, target, body)
}

/// What was sent since the last time: action and dedup key of each event.
fn events(host: &mut Accepting) -> Vec<String> {
    let sent = std::mem::take(&mut host.sent);
    let text = |event: &Value, name: &str| event[name].as_str().expect("text").to_owned();
    sent.iter().map(|event| [text(event, "event_action"), text(event, "dedup_key")].join(" ")).collect()
}

#[test]
fn case_16_a_create_is_a_trigger_with_all_its_fields() {
    let body = json!({
        "message": "Disk full on db-7", "alias": "a/b c", "priority": "P2", "tags": ["storage"],
        "details": {"mount": "/data"}, "entity": "db-7", "source": "probe", "description": "Only 4 % are left.",
    });
    for base in BASES {
        let mut host = host();
        for end in ["", "/", "//"] {
            let (status, answer) = post(&mut host, &format!("{base}/v2/alerts{end}"), &body);
            let wanted = json!({
                "result": "Request will be processed", "took": 0.0, "requestId": "10af99a609169YS9iIGM",
            });
            assert_eq!((status, answer), (202, wanted), "{base}");
        }
        let event = json!({
            "event_action": "trigger", "dedup_key": "a/b c", "client": "probe",
            "routing_key": if base.ends_with("payments") { PAYMENTS_KEY } else { SERVICE_KEY },
            "payload": {
                "summary": "Disk full on db-7", "severity": "error", "source": "db-7", "component": "db-7",
                "custom_details": {
                    "description": "Only 4 % are left.", "mount": "/data", "priority": "P2", "tags": ["storage"],
                },
            },
        });
        assert_eq!(host.sent, [event.clone(), event.clone(), event], "{base}");
    }
}

#[test]
fn case_17_an_alias_in_the_path_may_be_encoded_or_not() {
    let mut host = host();
    for base in BASES {
        for path in [
            "/v2/alerts/a%2Fb%20c/close?identifierType=alias",
            "/v2/alerts/a/b%20c/close/?identifierType=alias",
            "//v2/alerts//a%2fb%20c/close",
            "/v2/alerts/10af99a609169YS9iIGM/close?identifierType=alias",
        ] {
            let (status, answer) = post(&mut host, &format!("{base}{path}"), &json!({"source": "probe"}));
            assert_eq!((status, &answer["requestId"]), (202, &json!("10af99a609169YS9iIGM")), "{base}{path}");
            assert_eq!(events(&mut host), ["resolve a/b c"], "{base}{path}");
        }
    }
    let (status, _) = call(&mut host, Method::Delete, "/v2/alerts/a%2Fb%20c?identifierType=alias", &Value::Null);
    assert_eq!((status, events(&mut host)), (202, vec!["resolve a/b c".to_owned()]));
}

#[test]
fn case_18_a_request_that_was_answered_has_succeeded_and_no_other_id_is_known() {
    let mut host = host();
    let (status, answer) = call(&mut host, Method::Get, "/v2/alerts/requests/10af99a609169YS9iIGM", &Value::Null);
    let data = json!({
        "success": true, "isSuccess": true, "status": "The request was processed", "alias": "a/b c",
        "alertId": "10af99a609169YS9iIGM",
    });
    assert_eq!((status, &answer["data"]), (200, &data));
    for id in ["10af99a609169YS9iIGN", "4f9c7a52-9a0c-4d2b-8f0e-0c6a54b1f8aa", "0123456789abc"] {
        let target = format!("/opsgenie/v2/alerts/requests/{id}");
        let key = format!("GenieKey {OPSGENIE_SECRET}");
        let request = stranger(Method::Get, &target, &[("authorization", &key)], b"");
        let (reply, line) = pipeline::handle(&mut host, &request);
        let body = check(&reply, &target);
        assert_eq!((reply.status.as_u16(), &body["message"]), (404, &json!("no processed request has this id")));
        assert!(reply.headers.contains(&("x-opsgenie-errortype", "RequestNotProcessed".to_owned())));
        assert!(line.expect("it is logged").contains(r#""status":404"#));
    }
    // A delivery that could not be mapped was processed as well: it has paged.
    let (_, answer) = post(&mut host, "/v2/alerts", &json!({"alias": "x"}));
    let id = answer["requestId"].as_str().expect("an id").to_owned();
    let (status, answer) = call(&mut host, Method::Get, &format!("/v2/alerts/requests/{id}"), &Value::Null);
    assert_eq!((status, &answer["data"]["isSuccess"], &answer["data"]["alertId"]), (200, &json!(true), &json!("")));
    // A failed request was not.
    host.status = 400;
    let (status, answer) = post(&mut host, "/v2/alerts", &json!({"message": "m", "alias": "x"}));
    assert_eq!(status, 502, "{answer}");
    let id = answer["requestId"].as_str().expect("an id").to_owned();
    assert_eq!(call(&mut host, Method::Get, &format!("/v2/alerts/requests/{id}"), &Value::Null).0, 404);
}

#[test]
fn case_19_the_id_of_the_answer_closes_the_alert() {
    let mut host = host();
    let (_, created) = post(&mut host, "/v2/alerts", &json!({"message": "m", "alias": "a/b c"}));
    let request = created["requestId"].as_str().expect("an id").to_owned();
    let (_, asked) = call(&mut host, Method::Get, &format!("/v2/alerts/requests/{request}"), &Value::Null);
    let alert = asked["data"]["alertId"].as_str().expect("an id").to_owned();
    let (_, shown) = call(&mut host, Method::Get, "/v2/alerts/a%2Fb%20c?identifierType=alias", &Value::Null);
    assert_eq!(shown["data"], json!({"id": alert, "alias": "a/b c", "status": "open"}));
    assert_eq!(events(&mut host), ["trigger a/b c"]);
    for (path, event) in [
        (format!("{request}/close?identifierType=id"), "resolve a/b c"),
        (format!("{alert}/acknowledge"), "acknowledge a/b c"),
        (alert.clone(), "resolve a/b c"),
    ] {
        let method = if path == alert { Method::Delete } else { Method::Post };
        let (status, _) = call(&mut host, method, &format!("/opsgenie/v2/alerts/{path}"), &json!({}));
        assert_eq!((status, events(&mut host)), (202, vec![event.to_owned()]), "{path}");
    }
}

#[test]
fn case_20_each_kind_of_alias_has_one_key_in_create_and_close() {
    let long = "x".repeat(400);
    for (alias, path) in [(json!(null), None), (json!(-1187), Some("-1187")), (json!(long), Some(&*long))] {
        let mut host = host();
        let (_, created) = post(&mut host, "/v2/alerts", &json!({"message": "m", "alias": alias}));
        let id = created["requestId"].as_str().expect("an id").to_owned();
        for identifier in path.into_iter().chain([&*id]) {
            post(&mut host, &format!("/v2/alerts/{identifier}/close?identifierType=alias"), &json!({}));
        }
        let keys: Vec<&str> = host.sent.iter().filter_map(|event| event["dedup_key"].as_str()).collect();
        assert_eq!(keys.len(), 2 + usize::from(path.is_some()));
        assert!(keys.iter().all(|key| *key == keys[0] && key.len() <= 255), "{keys:?}");
    }
}

#[test]
fn case_21_loose_types_and_unknown_members_are_no_reason_to_refuse() {
    let mut host = host();
    let body = json!({
        "message": "m", "alias": "x", "tags": "a,b", "priority": null, "details": {"n": 5, "o": {}}, "teams": ["x"],
        "IdentifierType": 1, "IdentifierValue": "x", "visible_to": "misspelt", "actions": "one",
    });
    assert_eq!(post(&mut host, "/opsgenie/v2/alerts", &body).0, 202);
    let details = json!({"actions": "one", "n": 5, "tags": "a,b", "teams": ["x"]});
    assert_eq!(host.sent[0]["payload"]["custom_details"], details);
    assert_eq!(host.sent[0]["payload"]["severity"], "warning");
}

#[test]
fn case_22_calls_that_pagerduty_does_not_have_are_accepted_and_send_nothing() {
    let mut host = host();
    for (method, path, named) in [
        (Method::Put, "x/message", "PUT message"),
        (Method::Post, "x/snooze", "POST snooze"),
        (Method::Post, "x/tags", "POST tags"),
        (Method::Post, "x/notes", "POST notes"),
        (Method::Post, "x/unacknowledge", "POST unacknowledge"),
        (Method::Delete, "x/tags?tags=y", "DELETE tags"),
        (Method::Post, "x/actions/restart", "POST actions"),
        (Method::Patch, "saved-searches/x", "saved-searches"),
    ] {
        let target = format!("/opsgenie/v2/alerts/{path}");
        let key = format!("GenieKey {OPSGENIE_SECRET}");
        let request = stranger(method, &target, &[("authorization", &key)], b"not even JSON");
        let (reply, line) = pipeline::handle(&mut host, &request);
        let body = check(&reply, &target);
        let warning = body["warnings"][0].as_str().expect("a warning");
        assert!(reply.status == 202 && warning.starts_with(&format!("`{named}` was not done: ")), "{path}: {body}");
        let line: Value = serde_json::from_str(&line.expect("it is logged")).expect("JSON");
        assert_eq!((&line["level"], &line["warnings"][0]), (&json!("warning"), &json!(warning)), "{path}");
        assert!(host.sent.is_empty(), "{path}");
    }
}

#[test]
fn case_23_the_key_may_be_in_each_of_its_places() {
    let encoded = |text: &str| format!("Basic {}", Base64::encode_string(text.as_bytes()));
    let body = r#"{"message": "m", "alias": "x"}"#;
    let (with_colon, bare) = (encoded(&format!(":{OPSGENIE_SECRET}")), encoded(OPSGENIE_SECRET));
    let genie = format!("GenieKey {OPSGENIE_SECRET}");
    for value in [&with_colon, &bare, &genie, &genie.replace("GenieKey ", "geniekey "), OPSGENIE_SECRET] {
        let mut host = host();
        assert_eq!(send(&mut host, Method::Post, "/v2/alerts", &[("authorization", value)], body).0, 202);
        assert_eq!(host.sent.len(), 1);
    }
    let target = format!("/v2/alerts?apiKey={OPSGENIE_SECRET}");
    assert_eq!(send(&mut host(), Method::Post, &target, &[], body).0, 202);
    let keyed = json!({"message": "m", "apiKey": OPSGENIE_SECRET}).to_string();
    assert_eq!(send(&mut host(), Method::Post, "/v2/alerts", &[], &keyed).0, 202);
    let refused = json!("missing or invalid credentials");
    for value in [
        format!("GenieKey {WRONG}"),
        format!("GenieKey {SECRET}"),
        format!("GenieKey {OWN_SECRET}"),
        encoded(&format!("{OPSGENIE_SECRET}:")),
    ] {
        for (method, path) in [
            (Method::Post, "/v2/alerts"),
            (Method::Get, "/v2/alerts/x"),
            (Method::Put, "/opsgenie/v2/alerts/x/message"),
        ] {
            let mut host = host();
            let (status, answer) = send(&mut host, method, path, &[("authorization", &value)], body);
            assert_eq!((status, &answer["message"], host.sent.len()), (401, &refused, 0), "{path}");
        }
    }
    for (method, body) in [(Method::Post, body), (Method::Post, ""), (Method::Get, "")] {
        let (status, answer) = send(&mut host(), method, "/v2/alerts", &[], body);
        assert_eq!((status, &answer["message"]), (401, &refused), "{body}");
    }
    let (status, _) = send(&mut host(), Method::Post, "/v2/alerts", &[], "{half");
    assert_eq!(status, 400, "a key may have been in it");
}

#[test]
fn a_key_may_name_the_service_where_only_a_host_can_be_set() {
    let mut host = host();
    host.variables.insert("services_opsgenie", "default, payments");
    host.variables.insert("secret_opsgenie_payments", PAYMENTS_SECRET);
    let key = format!("GenieKey {PAYMENTS_SECRET}");
    let body = r#"{"message": "m", "alias": "x"}"#;
    assert_eq!(send(&mut host, Method::Post, "/v2/alerts", &[("authorization", &key)], body).0, 202);
    assert_eq!(host.sent[0]["routing_key"], PAYMENTS_KEY);
    host.variables.insert("services_opsgenie", "payments");
    let key = format!("GenieKey {OPSGENIE_SECRET}");
    let (status, answer) = send(&mut host, Method::Post, "/v2/alerts", &[("authorization", &key)], body);
    let why = "variable `services_opsgenie` does not list `default`, the service of a path without a service name";
    assert_eq!((status, &answer["message"]), (403, &json!(why)));
}

#[test]
fn case_24_a_create_that_cannot_be_mapped_pages_or_is_refused_in_opsgenies_form() {
    for (body, status, error, errors) in [
        (r#"{"alias": "x"}"#, 422, "field `message` is missing or blank", json!({"message": "is missing or blank"})),
        (
            r#"[{"message": "m"}]"#,
            422,
            "unexpected payload: expected an object with `message`",
            json!({"body": "unexpected payload: expected an object with `message`"}),
        ),
        (r#"{"message": "#, 400, "the body is not valid JSON: line 1, column 12", json!(null)),
    ] {
        let key = format!("GenieKey {OPSGENIE_SECRET}");
        let mut host = host();
        let (accepted, answer) = send(&mut host, Method::Post, "/v2/alerts", &[("authorization", &key)], body);
        assert_eq!((accepted, host.sent.len()), (202, 1), "{body}");
        let own = host.sent[0]["dedup_key"].as_str().expect("a key");
        assert!(own.starts_with("pagerelay:opsgenie:unmapped:"), "{own}");
        assert!(answer["warnings"][0].as_str().expect("a warning").contains("a fallback alert reports it"));

        host.variables.insert("unmapped", "reject");
        host.sent.clear();
        let (refused, answer) = send(&mut host, Method::Post, "/v2/alerts", &[("authorization", &key)], body);
        assert_eq!((refused, &answer["message"], &answer["errors"]), (status, &json!(error), &errors), "{body}");
        assert!(host.sent.is_empty());
    }
}

#[test]
fn case_25_heartbeats_that_are_not_declared_are_gone_and_lists_are_empty() {
    let mut host = host();
    for (method, path) in [
        (Method::Get, "/v2/heartbeats/x/ping"),
        (Method::Put, "/opsgenie/v2/heartbeats/x/ping"),
        (Method::Post, "/v2/heartbeats"),
        (Method::Patch, "/opsgenie/payments/v2/heartbeats/x"),
    ] {
        let (status, answer) = call(&mut host, method, path, &Value::Null);
        assert!(status == 410 && answer["message"].as_str().is_some_and(|why| why.contains("heartbeats")), "{answer}");
    }
    for (path, data) in [
        ("/v2/alerts?query=status%3Aopen&limit=20", json!([])),
        ("/opsgenie/v2/alerts/", json!([])),
        ("/v2/alerts/count?query=x", json!({"count": 0})),
        ("/v2/alerts/x/logs", json!([])),
        ("/v2/alerts/saved-searches", json!([])),
    ] {
        let (status, answer) = call(&mut host, Method::Get, path, &Value::Null);
        assert_eq!((status, &answer["data"], answer.get("warnings")), (200, &data, None), "{path}");
    }
    assert!(host.sent.is_empty());
}

#[test]
fn calls_and_methods_that_the_api_does_not_have_are_refused_in_its_form() {
    let mut host = host();
    for (method, path, status, message) in [
        (Method::Post, "/v2/alerts/x/explode", 404, "the Alert API has no such call"),
        (Method::Post, "/v2/alerts/17/close?identifierType=tiny", 404, "no alert has this identifier"),
        (Method::Get, "/v2/alerts/17?identifierType=Tiny", 404, "no alert has this identifier"),
        (Method::Post, "/v2/alerts/%20/close", 404, "no alert has this identifier"),
        // The id of a request that names no alert: that of a create that could not be mapped.
        (Method::Post, "/v2/alerts/1e3b0c44298fc/close", 404, "no alert has this identifier"),
        (Method::Delete, "/v2/alerts/1e3b0c44298fc", 404, "no alert has this identifier"),
        (Method::Put, "/v2/alerts", 405, "method not allowed; this path accepts GET, POST"),
        (
            Method::Head,
            "/opsgenie/v2/alerts/x",
            405,
            "method not allowed; this path accepts DELETE, GET, PATCH, POST, PUT",
        ),
        (Method::Get, "/v1/json/alert", 405, "method not allowed; this path accepts POST"),
        (
            Method::Post,
            "/v1/json/zabbix",
            404,
            "pagerelay does not know this integration: map its payload with a template, at /custom/<name>",
        ),
        (
            Method::Post,
            "/opsgenie/v1/json/integrations/webhooks/netdata",
            404,
            "pagerelay does not know this integration: map its payload with a template, at /custom/<name>",
        ),
    ] {
        let (refused, answer) = call(&mut host, method, path, &json!({}));
        assert_eq!((refused, &answer["message"]), (status, &json!(message)), "{path}");
        assert!(host.sent.is_empty(), "{path}");
    }
}

#[test]
fn pagerduty_being_busy_makes_the_client_retry() {
    let mut host = host();
    host.status = 429;
    let key = format!("GenieKey {OPSGENIE_SECRET}");
    let request = stranger(Method::Post, "/v2/alerts", &[("authorization", &key)], br#"{"message": "m"}"#);
    let (reply, _) = pipeline::handle(&mut host, &request);
    check(&reply, "a throttled create");
    assert_eq!(reply.status.as_u16(), 503);
    assert!(reply.headers.contains(&("retry-after", "30".to_owned())), "{:?}", reply.headers);
}

#[test]
fn api_v1_is_answered_with_exactly_200() {
    let mut host = host();
    for (path, body, event) in [
        ("/v1/json/alert/", json!({"message": "m", "alias": "x"}), Some("trigger x")),
        ("/opsgenie/v1/json/alert/acknowledge", json!({"alias": "x"}), Some("acknowledge x")),
        ("/opsgenie/payments/v1/json/alert/close", json!({"id": "10af99a609169YS9iIGM"}), Some("resolve a/b c")),
        ("/v1/json/alert/note/", json!({"alias": "x", "note": "n"}), None),
    ] {
        let mut keyed = body.clone();
        keyed["apiKey"] = OPSGENIE_SECRET.into();
        let (status, answer) = send(&mut host, Method::Post, path, &[], &keyed.to_string());
        assert_eq!((status, &answer["status"]), (200, &json!("successful")), "{path}");
        assert_eq!(answer.get("alertId").is_some(), path == "/v1/json/alert/", "{path}");
        assert_eq!(answer.get("warnings").is_some(), event.is_none(), "{path}");
        assert_eq!(events(&mut host), event.into_iter().collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn the_integrations_of_other_vendors_are_mapped_by_their_own_sources() {
    let mut host = host();
    let alertmanager = json!({
        "version": "4", "status": "firing", "alerts": [{"status": "firing", "fingerprint": "f1", "labels": {"alertname": "Down"}}],
    });
    let envelope = json!({
        "Type": "Notification", "MessageId": "m1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
        "Subject": "s", "Message": "disk is full", "Timestamp": "2026-03-04T05:06:07.000Z",
    });
    for (name, body, slug) in [
        ("prometheus", &alertmanager, "alertmanager"),
        ("grafana", &alertmanager, "grafana"),
        ("cloudwatch", &envelope, "sns"),
        ("amazonsns", &envelope, "sns"),
    ] {
        for base in BASES {
            let target = format!("{base}/v1/json/{name}?apiKey={OPSGENIE_SECRET}");
            let (status, answer) = send(&mut host, Method::Post, &target, &[], &body.to_string());
            assert_eq!((status, &answer["status"]), (200, &json!("successful")), "{base} {name}");
            let [event] = &*std::mem::take(&mut host.sent) else { panic!("one event of {name}") };
            let key = event["dedup_key"].as_str().expect("a key");
            assert!(key.starts_with(&format!("{slug}:")), "{name}: {key}");
        }
        let target = format!("/v1/json/{name}?apiKey={SECRET}");
        assert_eq!(send(&mut host, Method::Post, &target, &[], &body.to_string()).0, 401, "{name}");
    }
}

#[test]
fn a_subscription_of_sns_is_confirmed_through_opsgenies_path_only_if_its_topic_is_listed() {
    let body = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m1", "Token": "t", "Message": "confirm",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts", "Timestamp": "2026-03-04T05:06:07.000Z",
        "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:eu-west-1:123456789012:alerts&Token=t",
    });
    let target = format!("/v1/json/amazonsns?apiKey={OPSGENIE_SECRET}");
    let mut host = host();
    let (status, answer) = send(&mut host, Method::Post, &target, &[], &body.to_string());
    assert_eq!((status, &answer["message"]), (403, &json!("variable `sns_topics` does not list this topic")));
    host.variables.insert("sns_topics", "arn:aws:sns:eu-west-1:123456789012:alerts");
    host.status = 200;
    assert_eq!(send(&mut host, Method::Post, &target, &[], &body.to_string()).0, 200);
}

#[test]
fn the_reasons_why_a_call_has_no_effect_are_each_named_once() {
    let record = |state: &str| {
        json!({"Sns": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts", "Type": "Notification",
        "Message": json!({"AlarmName": "a", "NewStateValue": state, "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"}).to_string()}})
    };
    let body = json!({"Records": [record("INSUFFICIENT_DATA"), record("INSUFFICIENT_DATA")]});
    let (reply, line) = pipeline::handle(
        &mut host(),
        &stranger(
            Method::Post,
            &format!("/v1/json/cloudwatch?apiKey={OPSGENIE_SECRET}"),
            &[],
            body.to_string().as_bytes(),
        ),
    );
    let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
    assert_eq!(line["warnings"], json!(["neither firing nor over"]), "{reply:?} {line}");
}

#[test]
fn the_log_names_the_program_only_if_it_has_authenticated() {
    let mut host = host();
    let agent = format!("Prober/1.0\u{7f} {}", "x".repeat(200));
    let key = format!("GenieKey {OPSGENIE_SECRET}");
    let leaking = format!("Prober/1.0 {OPSGENIE_SECRET}");
    for (key, agent, wanted) in [
        (key.as_str(), &agent, Some(format!("Prober/1.0 {}…", "x".repeat(68)))),
        (key.as_str(), &leaking, Some("Prober/1.0 [redacted]".to_owned())),
        ("GenieKey wrong", &agent, None),
    ] {
        let headers = [("authorization", key), ("user-agent", agent.as_str())];
        let request = stranger(Method::Post, "/v2/alerts", &headers, br#"{"message": "m"}"#);
        let (_, line) = pipeline::handle(&mut host, &request);
        let line: Value = serde_json::from_str(&line.expect("it is logged")).expect("JSON");
        assert_eq!(line.get("agent").and_then(Value::as_str).map(str::to_owned), wanted);
    }
}

#[test]
fn a_preview_shows_the_event_of_each_call_and_sends_nothing() {
    let mut host = host();
    let key = format!("GenieKey {OPSGENIE_SECRET}");
    for (path, action) in
        [("/opsgenie/v2/alerts/x/close", "resolve"), ("/v2/alerts", "trigger"), ("/opsgenie", "trigger")]
    {
        let target = format!("/preview{path}");
        let request = stranger(Method::Post, &target, &[("authorization", &key)], br#"{"message": "m"}"#);
        let (reply, _) = pipeline::handle(&mut host, &request);
        let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!((reply.status.as_u16(), &body["events"][0]["event_action"]), (200, &json!(action)), "{body}");
        assert!(host.sent.is_empty());
    }
}
