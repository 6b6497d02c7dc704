//! Two routing keys while one replaces the other, and what PagerDuty's answers to both mean for the sender.

use pagerelay::http::Method;
use pagerelay::pipeline;
use pagerelay_support::host::{Answering, CONFIRMED};
use pagerelay_support::{SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::walls::{operated, stranger};

/// The routing key before the current one.
const PREVIOUS: &str = "e0pageRelayTestKey0000000000000p";

/// PagerDuty's answer: status and body.
type Answer = (u16, &'static str);

const ACCEPTED: Answer = (202, CONFIRMED);
const UNKNOWN: Answer = (400, r#"{"status":"invalid event","errors":["Invalid routing key"]}"#);
const FORBIDDEN: Answer = (403, r#"{"message":"forbidden"}"#);
const UNAUTHORIZED: Answer = (401, r#"{"message":"unauthorized"}"#);
const DOWN: Answer = (503, r#"{"message":"down"}"#);
const LIMITED: Answer = (429, r#"{"message":"slow down"}"#);

/// Posts alerts of one status, with these answers for the current key and the previous one, if there is one. Returns the
/// status and the reply.
fn deliver(status: &str, count: usize, current: Answer, previous: Option<Answer>) -> (u16, Value) {
    let mut host =
        Answering::new(
            |_: &str, event: &Value| {
                if event["routing_key"] == SERVICE_KEY { current } else { previous.expect("it has one key") }
            },
        );
    host.inner.variables.extend(previous.map(|_| ("routing_key_previous", PREVIOUS)));
    let alert = |n: usize| json!({"status": status, "fingerprint": n.to_string(), "labels": {"alertname": "Full"}});
    let body = json!({"version": "4", "status": "firing", "alerts": (0..count).map(alert).collect::<Vec<_>>()});
    let request = stranger(Method::Post, "/alertmanager", &[("x-webhook-secret", SECRET)], body.to_string().as_bytes());
    let (reply, _) = pipeline::handle(&mut host, &request);
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).expect("json"))
}

/// Asserts the status of the reply with these answers for both keys, and a part of its reason.
fn assert_reply(status: &str, current: Answer, previous: Answer, expected: u16, why: &str) {
    let (actual, reply) = deliver(status, 1, current, Some(previous));
    assert_eq!(actual, expected, "{current:?} {previous:?}: {reply:#}");
    let detail = reply["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(why), "{current:?} {previous:?}: {detail}");
}

#[test]
fn a_trigger_needs_one_key_that_works_and_else_the_current_one_gives_the_reason() {
    for (current, previous, status, why) in [
        (ACCEPTED, DOWN, 200, ""),
        (FORBIDDEN, ACCEPTED, 200, ""),
        (UNKNOWN, ACCEPTED, 200, ""),
        // A retry may get it through with the previous key.
        (UNKNOWN, DOWN, 503, "503 down"),
        (FORBIDDEN, UNAUTHORIZED, 502, "403 forbidden"),
        (UNKNOWN, FORBIDDEN, 502, "400 Invalid routing key"),
        // The current key may work soon, and then the previous one is not needed.
        (DOWN, ACCEPTED, 503, "503 down"),
    ] {
        assert_reply("firing", current, previous, status, why);
    }
}

#[test]
fn a_resolve_has_to_reach_both_keys_except_one_that_pagerduty_does_not_know() {
    for (current, previous, status, why) in [
        (ACCEPTED, ACCEPTED, 200, ""),
        (ACCEPTED, UNKNOWN, 200, ""),
        (UNKNOWN, ACCEPTED, 200, ""),
        (UNKNOWN, UNKNOWN, 502, "400 Invalid routing key"),
        (ACCEPTED, DOWN, 503, "503 down"),
        (DOWN, ACCEPTED, 503, "503 down"),
        (UNKNOWN, DOWN, 503, "503 down"),
        (DOWN, UNKNOWN, 503, "503 down"),
        (ACCEPTED, FORBIDDEN, 502, "403 forbidden"),
        (FORBIDDEN, ACCEPTED, 502, "403 forbidden"),
        (FORBIDDEN, UNAUTHORIZED, 502, "403 forbidden"),
    ] {
        assert_reply("resolved", current, previous, status, why);
    }
}

#[test]
fn a_resolve_for_the_only_key_is_an_error_if_pagerduty_does_not_know_that_key() {
    let (status, reply) = deliver("resolved", 1, UNKNOWN, None);
    assert_eq!(status, 502, "{reply:#}");
    assert!(reply["detail"].as_str().is_some_and(|detail| detail.contains("`routing_key`")), "{reply:#}");
}

#[test]
fn while_the_previous_key_is_rate_limited_other_resolves_are_not_sent_with_it() {
    let (status, reply) = deliver("resolved", 2, ACCEPTED, Some(LIMITED));
    assert_eq!(status, 503, "{reply:#}");
    let with_previous = |n: usize| {
        let sent = &reply["events"][n]["with_previous_key"];
        (sent["attempts"].as_u64(), sent["pagerduty"].as_str().unwrap_or_default())
    };
    assert_eq!(with_previous(0), (Some(1), "429 slow down"));
    assert_eq!(with_previous(1), (Some(0), "not sent: PagerDuty is rate-limiting this key"));
}

/// What `/check` says about routing keys, and how often each server was asked about them, with these answers of
/// PagerDuty's two regions.
fn checked(american: Answer, european: Answer) -> (Vec<String>, [usize; 2]) {
    let mut host = Answering::new(|url: &str, _: &Value| if url.contains(".eu.") { european } else { american });
    host.inner.variables.extend(operated().variables);
    let secret = host.inner.variables["secret_check"];
    let request = stranger(Method::Get, "/check?deep=1", &[("x-webhook-secret", secret)], b"");
    let (reply, _) = pipeline::handle(&mut host, &request);
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    let said = body["findings"].as_array().expect("findings").iter();
    let said =
        said.filter_map(|finding| Some(format!("{}: {}", finding["level"].as_str()?, finding["what"].as_str()?)));
    let about_keys = said.filter(|said| said.contains("key in variable `routing_key`"));
    let asked = |part: &str| {
        let of_region =
            host.sent.iter().filter(|(url, event)| url.contains(part) && event["event_action"] == "resolve");
        of_region.count()
    };
    (about_keys.collect(), [asked("//events.pagerduty.com/v2/enqueue"), asked("//events.eu.pagerduty.com/v2/enqueue")])
}

#[test]
fn a_check_asks_the_other_region_only_about_a_key_that_the_first_one_does_not_know() {
    for (american, european, says, asked) in [
        (ACCEPTED, UNKNOWN, "ok: PagerDuty accepts the key in variable `routing_key`", [1, 0]),
        (
            UNKNOWN,
            ACCEPTED,
            "error: the key in variable `routing_key` belongs to the other region; set variable `region` to eu",
            [1, 1],
        ),
        (
            UNKNOWN,
            UNKNOWN,
            "error: PagerDuty does not know the key in variable `routing_key`; it was deleted or is not an integration key",
            [1, 1],
        ),
        (
            DOWN,
            ACCEPTED,
            "warning: PagerDuty did not say whether it accepts the key in variable `routing_key`: 503 down",
            [1, 0],
        ),
    ] {
        assert_eq!(checked(american, european), (vec![says.to_owned()], asked));
    }
}
