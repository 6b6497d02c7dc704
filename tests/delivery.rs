//! What the sender is told, for what PagerDuty does: 2xx only where PagerDuty has every event.

mod harness;

use std::time::Duration;

use harness::build::Flavour;
use harness::pagerduty::{Answer, PagerDuty};
use harness::runtime::{Call, Egress, Reply, World, relay};
use harness::{ROUTING_KEY, run};
use serde_json::{Value, json};

/// A group of `n` alerts.
fn group(n: usize) -> String {
    let alert =
        |i: usize| json!({"status": "firing", "labels": {"alertname": "A"}, "fingerprint": format!("{i:016x}")});
    json!({"version": "4", "status": "firing", "alerts": (0..n).map(alert).collect::<Vec<Value>>()}).to_string()
}

/// How long the component says that a request took.
fn millis(reply: &Reply) -> u64 {
    reply.log_json()["ms"].as_u64().expect("the log tells the time")
}

/// Sends a group of `n` alerts to a PagerDuty that follows a script.
fn deliver(n: usize, script: Vec<Answer>) -> (Reply, PagerDuty) {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.script(script);
        let world = World::new(&pagerduty.url());
        let call = Call::post("/alertmanager", group(n));
        let reply = relay(Flavour::Spin).call(&world, call).await.expect("the component answers");
        (reply, pagerduty)
    })
}

#[test]
fn the_sender_hears_what_pagerduty_said() {
    let invalid = r#"{"status":"invalid event","message":"Event object is invalid","errors":["one","two"]}"#;
    let key = format!("Invalid routing key {ROUTING_KEY}");
    let own = r#"{"status":"success"}"#;
    let cases = [
        (Answer::say(202, own), 200, None, ""),
        (Answer::say(200, own), 200, None, ""),
        (Answer::say(202, ""), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 202"),
        (
            Answer::say(202, "<html>login</html>"),
            503,
            Some("30"),
            "pagerduty has not taken 1 of 1 events, try again: 202 <html>login</html>",
        ),
        (
            Answer::say(202, r#"{"status":"queued"}"#),
            503,
            Some("30"),
            "pagerduty has not taken 1 of 1 events, try again: 202",
        ),
        (Answer::say(302, own), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 302"),
        (
            Answer::say(400, invalid),
            422,
            None,
            "pagerduty refused 1 of 1 events: 400 Event object is invalid: one; two",
        ),
        (
            Answer::say(400, "Invalid routing key"),
            502,
            None,
            "pagerduty refused the routing key in variable `routing_key`: 400 Invalid routing key",
        ),
        (
            Answer::say(400, &key),
            502,
            None,
            "pagerduty refused the routing key in variable `routing_key`: 400 Invalid routing key [redacted]",
        ),
        (Answer::say(401, ""), 502, None, "pagerduty refused the routing key in variable `routing_key`: 401"),
        (Answer::say(403, "no"), 502, None, "pagerduty refused the routing key in variable `routing_key`: 403 no"),
        (Answer::say(404, ""), 422, None, "pagerduty refused 1 of 1 events: 404"),
        (Answer::say(408, ""), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 408"),
        (Answer::say(413, ""), 422, None, "pagerduty refused 1 of 1 events: 413"),
        (Answer::say(429, ""), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 429"),
        (Answer::say(500, ""), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 500"),
        (Answer::say(503, "x\u{0}\ny"), 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: 503 x y"),
        (Answer::Close, 503, Some("30"), "pagerduty has not taken 1 of 1 events, try again: the answer broke off"),
    ];
    for (answer, status, retry_after, detail) in cases {
        let what = format!("{answer:?}");
        let (reply, _) = deliver(1, vec![answer]);
        assert_eq!(reply.status, status, "{what}: {}", reply.json());
        assert_eq!(reply.headers.get("retry-after").map(String::as_str), retry_after, "{what}");
        assert_eq!(reply.json()["detail"].as_str().unwrap_or_default(), detail, "{what}");
        assert!(!String::from_utf8_lossy(&reply.body).contains(ROUTING_KEY), "{what}");
    }
}

#[test]
fn a_large_answer_is_read_to_its_bound_and_repeated_in_part() {
    let (reply, _) = deliver(1, vec![Answer::say(400, &"long ".repeat(200_000))]);
    assert_eq!(reply.status, 422);
    assert!(reply.body.len() < 2000, "{} bytes", reply.body.len());
    let (reply, _) = deliver(1, vec![Answer::say(202, &format!("{{\"status\":\"success\"{}}}", " ".repeat(70_000)))]);
    assert_eq!(reply.status, 503, "an answer that was not read to its end confirms nothing");
}

#[test]
fn one_event_that_fails_fails_the_delivery_and_the_reply_says_which() {
    for (answer, status) in [(Answer::say(500, ""), 503), (Answer::say(413, ""), 422), (Answer::Close, 503)] {
        let script = vec![Answer::Own, Answer::Own, answer, Answer::Own];
        let (reply, pagerduty) = deliver(10, script);
        assert_eq!(reply.status, status);
        assert_eq!(pagerduty.received().len(), 10, "the others are sent all the same");
        assert_eq!(pagerduty.alerts().len(), 9);
        let said = reply.json();
        let events = said["events"].as_array().expect("a list of events");
        assert_eq!(events.len(), 10);
        assert_eq!(events.iter().filter(|event| event["pagerduty"] == "202 Event processed").count(), 9);
    }
}

#[test]
fn events_go_out_together_and_those_of_one_alert_in_order() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let slow = |_| Answer::Say(202, r#"{"status":"success"}"#.to_owned(), Duration::from_millis(100));
        pagerduty.script((0..50).map(slow));
        let world = World::new(&pagerduty.url());
        let reply = relay(Flavour::Spin).call(&world, Call::post("/alertmanager", group(50))).await.expect("an answer");
        assert_eq!(reply.status, 200);
        // One after the other they would take five seconds.
        assert!(millis(&reply) < 3000, "{} ms", millis(&reply));

        let alert = |status: &str| json!({"status": status, "labels": {"alertname": "A"}, "fingerprint": "f"});
        let both = json!({"version": "4", "alerts": [alert("firing"), alert("resolved")]}).to_string();
        let pagerduty = PagerDuty::start().await;
        pagerduty.script([Answer::Say(202, r#"{"status":"success"}"#.to_owned(), Duration::from_millis(50))]);
        let world = World::new(&pagerduty.url());
        relay(Flavour::Spin).call(&world, Call::post("/alertmanager", both)).await.expect("an answer");
        let actions: Vec<Value> = pagerduty.received().iter().map(|r| r.event["event_action"].clone()).collect();
        assert_eq!(actions, ["trigger", "resolve"]);
    });
}

#[test]
fn a_pagerduty_that_does_not_answer_is_given_up_in_time() {
    let never = Answer::Say(202, String::new(), Duration::from_secs(3600));
    let (reply, _) = deliver(2, vec![never.clone(), never]);
    assert_eq!(reply.status, 503);
    assert_eq!(reply.json()["detail"], "pagerduty has not taken 2 of 2 events, try again: no answer in time");
    let patience = pagerelay::sources::find("alertmanager").expect("it exists").patience.as_millis();
    assert!(u128::from(millis(&reply)) < patience, "the sender has gone after {} ms", millis(&reply));
}

#[test]
fn a_host_that_refuses_or_denies_is_trouble_that_is_named() {
    let mut denied = World::new("http://127.0.0.1:1/v2/enqueue");
    denied.egress = Egress::Denied;
    // Port 1 of loopback: nothing listens there, and nothing unprivileged can.
    let refused = World::new("http://127.0.0.1:1/v2/enqueue");
    // A server that speaks no TLS.
    let plain = run(PagerDuty::start());
    let tls = World::new(&plain.url().replace("http://", "https://"));
    let cases = [
        (tls, "tls failed"),
        (denied, "the runtime does not allow this host: add it to allowed_outbound_hosts"),
        (refused, "connection failed"),
    ];
    for (world, why) in cases {
        let reply = run(relay(Flavour::Spin).call(&world, Call::post("/alertmanager", group(1)))).expect("an answer");
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json()["detail"], format!("pagerduty has not taken 1 of 1 events, try again: {why}"));
    }
}

#[test]
fn more_events_than_fit_under_way_at_once_all_arrive() {
    let (reply, pagerduty) = deliver(150, Vec::new());
    assert_eq!(reply.status, 200, "{}", reply.json());
    assert_eq!(pagerduty.alerts().len(), 150);
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
    });
}

#[test]
fn a_reply_too_large_for_the_buffer_arrives_whole() {
    // Nothing identifies these, so each is rejected, and nothing is sent; long fields of the group are not multiplied.
    let alerts = vec![json!({}); 20_000];
    let body = json!({"version": "4", "receiver": "r".repeat(400_000), "alerts": alerts}).to_string();
    let world = World::new("http://127.0.0.1:1/v2/enqueue");
    let reply = run(relay(Flavour::Spin).call(&world, Call::post("/alertmanager", body))).expect("an answer");
    assert_eq!(reply.status, 422);
    let said = reply.json();
    assert_eq!(said["rejected"].as_array().map(Vec::len), Some(1000));
    assert_eq!(said["rejected_not_listed"], 19_000);
}
