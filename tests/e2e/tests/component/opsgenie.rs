//! Calls of Opsgenie's Alert API, and their copies, through the component.

use std::time::{Duration, Instant};

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::run;
use pagerelay_e2e::runtime::{Call, Egress, Trouble, World, relay};
use pagerelay_e2e::{OPSGENIE_SECRET, SERVICE_KEY};
use serde_json::json;

const COPY_KEY: &str = "c0ffee00-1a2b-4c3d-9e8f-7a6b5c4d3e2f";

/// A world with a key for copies, in which Opsgenie's host has this address or fails like this.
fn world(pagerduty: &PagerDuty, opsgenie: Result<&PagerDuty, Trouble>) -> World {
    let mut world = World::new(&pagerduty.url()).with("routing_key", SERVICE_KEY).with("opsgenie_copy_key", COPY_KEY);
    let hosts = [
        (pagerduty.address().to_string(), Ok(pagerduty.address())),
        ("api.opsgenie.com".to_owned(), opsgenie.map(PagerDuty::address)),
    ];
    world.egress = Egress::Hosts(hosts.into());
    world
}

fn call(method: &'static str, path: &str, body: &str) -> Call {
    let call = Call::stranger("POST", path, body.to_owned());
    Call { method, ..call }.header("authorization", &format!("GenieKey {OPSGENIE_SECRET}"))
}

#[test]
fn every_method_of_the_api_is_copied_as_it_is() {
    run(async {
        let (pagerduty, opsgenie) = (PagerDuty::start().await, PagerDuty::start().await);
        opsgenie.fault(None, Answer::Say(202, "{}".to_owned(), Duration::ZERO));
        let world = world(&pagerduty, Ok(&opsgenie));
        for (method, path, body, copied) in [
            ("POST", "/v2/alerts", r#"{"message": "m", "alias": "a/b"}"#, "/v2/alerts"),
            ("PUT", "/opsgenie/v2/alerts/a%2Fb/message", r#"{"message": "n"}"#, "/v2/alerts/a%2Fb/message"),
            ("PATCH", "/v2/alerts/saved-searches/s", r#"{"name": "n"}"#, "/v2/alerts/saved-searches/s"),
            ("DELETE", "/v2/alerts/a/b/tags?tags=x", "", "/v2/alerts/a%2Fb/tags?tags=x"),
            ("DELETE", "/v2/alerts/a%2Fb", "", "/v2/alerts/a%2Fb"),
        ] {
            let reply = relay(Flavour::Spin).call(&world, call(method, path, body)).await.expect("it answers");
            assert_eq!((reply.status, reply.json()["result"].as_str()), (202, Some("Request will be processed")));
            let [received] = &*opsgenie.take_received() else { panic!("one copy of {path}") };
            assert_eq!((received.path.as_str(), received.status), (copied, 202), "{path}");
            assert_eq!(received.headers["authorization"], format!("GenieKey {COPY_KEY}"));
            let sent: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            assert_eq!(received.event, sent, "{path}");
            assert!(!reply.log.contains("was not accepted"), "{}", reply.log);
        }
        let sent: Vec<String> =
            pagerduty.received().iter().map(|received| received.event["event_action"].to_string()).collect();
        assert_eq!(sent, [r#""trigger""#, r#""resolve""#]);
    });
}

#[test]
fn the_sender_waits_two_seconds_at_most_for_a_copy_and_gets_the_same_answer() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let create = || call("POST", "/opsgenie/v2/alerts", r#"{"message": "m", "alias": "a/b c"}"#);
        for (trouble, why) in
            [(Trouble::Silence, "timed out"), (Trouble::Connect, "connection failed"), (Trouble::Tls, "TLS failed")]
        {
            let began = Instant::now();
            let reply =
                relay(Flavour::Spin).call(&world(&pagerduty, Err(trouble)), create()).await.expect("it answers");
            let took = began.elapsed();
            let mut answer = reply.json();
            let seconds = answer["took"].take();
            let expected =
                json!({"result": "Request will be processed", "took": null, "requestId": "10af99a609169YS9iIGM"});
            assert_eq!((reply.status, answer), (202, expected));
            let waits = matches!(trouble, Trouble::Silence);
            assert!(
                waits == (took >= Duration::from_secs(2)) && took < Duration::from_secs(8),
                "{trouble:?}: {took:?}"
            );
            assert!(seconds.as_f64().is_some_and(|seconds| (seconds >= 2.0) == waits), "{seconds}");
            let warning = format!("the copy that variable `opsgenie_copy_key` asks for was not accepted: {why}");
            assert_eq!(reply.log_json()["warnings"], json!([warning]));
        }
    });
}
