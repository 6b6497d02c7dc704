//! The bodies of PagerDuty's Events APIs: both versions of alert events, and change events.

use pagerelay::http::Method;
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::pagerduty::event::{Action, DedupKey};
use pagerelay::pipeline;
use pagerelay::sources::events::SOURCE;
use pagerelay_support::host::{Answering, CONFIRMED};
use pagerelay_support::{ROUTING_KEY, SERVICE_KEY, contract, fixtures};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::host::Accepting;
use crate::walls::{handle, known};

fn map(body: &Value) -> Result<Mapped, MapError> {
    fixtures::map(&SOURCE, body.to_string().as_bytes(), &[], false)
}

/// The key of the only event of a body.
fn key(body: &Value) -> String {
    let mapped = map(body).unwrap_or_else(|error| panic!("{body}: {error}"));
    assert_eq!(mapped.events.len(), 1, "{body}");
    mapped.events[0].dedup_key().expect("an alert has a key").as_str().to_owned()
}

/// A member that may be missing or of any type.
fn member() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        3 => Just(None),
        1 => Just(Some(Value::Null)),
        1 => Just(Some(json!(""))),
        1 => any::<i64>().prop_map(|number| Some(number.into())),
        1 => Just(Some(json!({"lag": 90, "empty": ""}))),
        1 => Just(Some(json!([{"type": "link", "href": "https://a.example"}, {"type": "image", "src": "https://a.example/b"}, 7]))),
        1 => Just(Some(json!("x".repeat(2000)))),
        4 => "\\PC{0,30}".prop_map(|text| Some(text.into())),
    ]
}

/// An object with each of the members that has a value.
fn object(members: &[(&str, Option<Value>)]) -> Value {
    let given = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(given.collect::<Map<_, _>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_body_without_an_action_of_either_version_never_pages(
        summary in member(),
        source in member(),
        details in member(),
        timestamp in member(),
        links in member(),
        action in prop_oneof![Just(None), Just(Some(Value::Null)), Just(Some(json!(" ")))],
        dedup_key in member(),
    ) {
        let payload = object(&[
            ("summary", summary), ("source", source), ("custom_details", details), ("timestamp", timestamp),
            ("severity", Some("critical".into())),
        ]);
        let body = object(&[
            ("payload", Some(payload)), ("links", links), ("event_action", action), ("dedup_key", dedup_key),
            ("routing_key", Some(ROUTING_KEY.into())), ("client", Some("ci".into())),
        ]);
        for event in map(&body).map(|mapped| mapped.events).unwrap_or_default() {
            prop_assert_eq!((event.action(), event.dedup_key()), (Action::Change, None));
            let wrong = contract::change_violations(&event.encode(ROUTING_KEY));
            prop_assert!(wrong.is_empty(), "{wrong:?}");
        }
    }

    #[test]
    fn an_event_of_version_1_meets_the_contract_and_keeps_its_key(
        action in prop_oneof![Just(Action::Trigger), Just(Action::Acknowledge), Just(Action::Resolve)],
        incident_key in "\\PC{0,300}",
        description in member(),
        details in member(),
        client in member(),
        client_url in member(),
        contexts in member(),
    ) {
        let is_described = description.as_ref().is_some_and(|text| match text {
            Value::String(text) => !text.trim().is_empty(),
            other => other.is_number(),
        });
        let body = object(&[
            ("event_type", Some(action.as_str().into())), ("incident_key", Some(incident_key.clone().into())),
            ("description", description), ("details", details), ("client", client), ("client_url", client_url),
            ("contexts", contexts),
        ]);
        let own = DedupKey::verbatim(&incident_key);
        let valid = if action == Action::Trigger { is_described } else { own.is_some() };
        let mapped = map(&body);
        prop_assert_eq!(mapped.is_ok(), valid, "{:?}", mapped);
        for event in mapped.map(|mapped| mapped.events).unwrap_or_default() {
            prop_assert_eq!(event.action(), action);
            prop_assert!(own.is_none() || event.dedup_key() == own.as_ref());
            let wrong = contract::violations(&event.encode(ROUTING_KEY));
            prop_assert!(wrong.is_empty(), "{wrong:?}");
        }
        if own.is_some() && valid {
            let twin = json!({"event_action": "resolve", "dedup_key": incident_key});
            prop_assert_eq!(key(&body), key(&twin), "both versions share their keys");
        }
    }
}

#[test]
fn the_key_of_a_trigger_without_one_depends_on_the_event_and_not_on_the_credential() {
    let v1 = |credential: &str, text: &str| {
        key(&json!({"service_key": credential, "event_type": "trigger", "description": text}))
    };
    let v2 = |credential: &str, text: &str| {
        let payload = json!({"summary": text, "source": "s", "severity": "error"});
        key(&json!({"routing_key": credential, "event_action": "trigger", "payload": payload}))
    };
    for key in [v1, v2] {
        assert_eq!(key("one", "db-7 lags"), key("another", "db-7 lags"));
        assert_ne!(key("one", "db-7 lags"), key("one", "db-8 lags"));
        assert!(key("one", "db-7 lags").starts_with("events:"));
    }
}

#[test]
fn the_format_of_a_body_follows_from_its_members() {
    let payload = json!({"summary": "s", "source": "h", "severity": "error"});
    let error = |body: &Value| map(body).expect_err("it is rejected").to_string();
    let action = |body: &Value| map(body).map(|mapped| mapped.events[0].action()).unwrap_or_else(|e| panic!("{e}"));

    // An action of version 2 decides, whatever else there is.
    let both = json!({"event_action": "resolve", "event_type": "trigger", "dedup_key": "k", "incident_key": "other",
        "description": "d"});
    assert_eq!((action(&both), key(&both)), (Action::Resolve, "k".to_owned()));
    let unknown = json!({"event_action": "change", "payload": payload});
    assert_eq!(error(&unknown), "field `event_action` must be trigger, acknowledge or resolve");

    // Alertmanager writes empty members of version 2 into bodies of version 1.
    let empty =
        json!({"event_action": "", "payload": null, "event_type": "Trigger", "incident_key": "k", "description": "d"});
    assert_eq!(action(&empty), Action::Trigger);
    for named in ["service_key", "incident_key"] {
        assert_eq!(error(&json!({named: "k", "description": "d"})), "field `event_type` is missing");
    }

    assert_eq!(action(&json!({"payload": payload})), Action::Change);
    // It names an alert, so its sender did not mean a change, which would notify nobody.
    assert_eq!(error(&json!({"payload": payload, "dedup_key": "k"})), "field `event_action` is missing");
    assert_eq!(error(&json!({"payload": payload, "event_action": ""})), "field `event_action` is missing");
    assert_eq!(error(&json!({})), "field `event_action` is missing");
}

#[test]
fn a_change_is_accepted_and_opens_no_alert() {
    let body = json!({"routing_key": "any", "payload": {"summary": "Deployed web 7", "source": "ci"}});
    let mut host = Accepting::new();
    let (reply, said) = handle(&mut host, &known(Method::Post, "/events", &[], body.to_string().as_bytes()));
    assert_eq!((reply.status.as_u16(), &said["status"]), (202, &json!("success")), "{said}");
    let sent = json!({"routing_key": SERVICE_KEY,
        "payload": {"summary": "Deployed web 7", "source": "ci"}});
    assert_eq!(host.sent, [sent]);
    assert_eq!(said["dedup_key"], Value::Null, "a change has no key");
}

#[test]
fn an_alert_and_a_change_each_have_a_url_and_the_preview_shows_it() {
    let payload = json!({"summary": "s", "source": "h", "severity": "error"});
    let alert = json!({"event_action": "trigger", "dedup_key": "k", "payload": payload});
    let change = json!({"payload": {"summary": "s", "source": "h"}});
    // A key of an event orchestration accepts no changes.
    let orchestration = "R0pageRelayTestKey00000000000001";
    for (body, url, key, is_sent) in [
        (&alert, "https://events.pagerduty.com/v2/enqueue", SERVICE_KEY, true),
        (&change, "https://events.pagerduty.com/v2/change/enqueue", SERVICE_KEY, true),
        (&alert, "https://events.pagerduty.com/v2/enqueue", orchestration, true),
        (&change, "https://events.pagerduty.com/v2/change/enqueue", orchestration, false),
    ] {
        let mut host = Answering::new(|_: &str, _: &Value| (202, CONFIRMED));
        host.inner.variables.insert("routing_key", key);
        let body = body.to_string();
        let (reply, _) = pipeline::handle(&mut host, &known(Method::Post, "/preview/events", &[], body.as_bytes()));
        let shown: Value = serde_json::from_slice(&reply.body).expect("json");
        assert_eq!(shown["events"][0]["url"], url, "{shown:#}");
        assert_eq!(shown["events"][0].get("not_sent").is_none(), is_sent, "{shown:#}");
        assert!(host.sent.is_empty());
        pipeline::handle(&mut host, &known(Method::Post, "/events", &[], body.as_bytes()));
        let urls: Vec<&str> = host.sent.iter().map(|(url, _)| url.as_str()).collect();
        assert_eq!(urls, if is_sent { vec![url] } else { Vec::new() }, "{body}");
    }
}

#[test]
fn a_preview_says_that_a_time_was_omitted_only_if_there_was_one() {
    for (time, is_said) in [(json!("yesterday"), true), (json!("2026-05-06T07:08:09Z"), false), (Value::Null, false)] {
        let body = json!({"event_action": "trigger", "dedup_key": "k",
            "payload": {"summary": "s", "source": "s", "severity": "error", "timestamp": time}});
        let request = known(Method::Post, "/preview/events", &[], body.to_string().as_bytes());
        let (_, reply) = handle(&mut Accepting::new(), &request);
        let reply = reply.to_string();
        let said = reply.contains("payload.timestamp: omitted because it is not a valid timestamp");
        assert_eq!(said, is_said, "{time}: {reply}");
    }
}
