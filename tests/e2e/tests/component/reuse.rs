//! Hosts may serve several requests with one instance. Nothing of one request is left for the next.

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::fixtures::{self, Fixture};
use pagerelay_e2e::runtime::{Call, Egress, Reply, World, relay};
use pagerelay_e2e::{SECRET, group, run, secret_for};
use serde_json::{Value, json};

fn world() -> World {
    World { egress: Egress::Accepted, ..World::new("https://events.pagerduty.com/v2/enqueue") }
}

/// A reply without what depends on the clock.
fn facts(reply: &Reply) -> (u16, Value, Value, Vec<String>) {
    let timeless = |mut value: Value| {
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, _| name != "time" && name != "took" && !name.starts_with("ms"));
        }
        value
    };
    (reply.status, timeless(reply.json()), timeless(reply.log_json()), reply.asked.clone())
}

/// The first fixture of each source, and requests that are no deliveries.
fn calls() -> Vec<Call> {
    let of = |fixture: &Fixture| {
        let path = format!("/{}", fixture.source.slug);
        Call::fixture(fixture, &path, secret_for(&path))
    };
    let firsts = fixtures::all().into_iter().filter(|fixture| fixture.number() == "01");
    let mut calls: Vec<Call> = firsts.map(|fixture| of(&fixture)).collect();
    calls.extend([
        Call::stranger("GET", "/health", ""),
        Call::stranger("POST", "/alertmanager", group(1)),
        Call::post("/alertmanager", group(100)),
        Call::post("/alertmanager", "no json"),
        Call::post("/preview/alertmanager", group(1)),
        Call::stranger("GET", "/setup/github", ""),
    ]);
    calls
}

#[test]
fn an_instance_answers_each_request_as_if_it_were_the_first() {
    let relay = relay(Flavour::Spin);
    run(async {
        let mut instance = relay.instance();
        for call in calls() {
            let what = format!("{} {}", call.method, call.path);
            let fresh = relay.call(&world(), call.clone()).await.expect("the component answers");
            let reused = instance.call(&world(), call).await.expect("the component answers");
            assert_eq!(facts(&reused), facts(&fresh), "{what}");
        }
    });
}

#[test]
fn no_secret_and_no_payload_of_a_request_is_seen_in_the_next_one() {
    run(async {
        let mut instance = relay(Flavour::Spin).instance();
        let [secret, key, text] =
            ["first-sender-secret-4c1f", "F1rstS3rvicesK3yF1rstS3rvicesK3y", "first-payload-text"];
        let first = world().with("webhook_secret", secret).with("routing_key", key);
        let alert = json!({"status": "firing", "fingerprint": text, "labels": {"alertname": text}});
        let body = json!({"groupKey": text, "alerts": [alert]}).to_string();
        let call = Call::stranger("POST", "/alertmanager", body).header("authorization", &format!("Bearer {secret}"));
        let reply = instance.call(&first, call).await.expect("the component answers");
        assert_eq!(reply.status, 200, "{}", reply.json());
        for call in calls() {
            let what = format!("{} {}", call.method, call.path);
            let reply = instance.call(&world(), call).await.expect("the component answers");
            let seen = format!("{:?} {} {}", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
            for canary in [secret, key, text] {
                assert!(!seen.contains(canary), "{what} shows {canary}");
            }
        }
        // What opened the first request opens no other.
        let call =
            Call::stranger("POST", "/alertmanager", group(1)).header("authorization", &format!("Bearer {secret}"));
        assert_eq!(instance.call(&world(), call).await.expect("the component answers").status, 401);
        assert_ne!(secret, SECRET);
    });
}

#[test]
fn the_memory_of_an_instance_stays_the_same_over_a_thousand_requests() {
    run(async {
        let mut instance = relay(Flavour::Spin).instance();
        let calls = calls();
        let mut settled = 0;
        for (n, call) in calls.iter().cycle().take(1000).enumerate() {
            let reply = instance.call(&world(), call.clone()).await.expect("the component answers");
            if n == 10 * calls.len() {
                settled = reply.memory;
            }
            assert!(settled == 0 || reply.memory == settled, "request {n}: {} bytes, {settled} before", reply.memory);
        }
        assert!(settled > 0);
    });
}
