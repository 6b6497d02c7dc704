//! Variable `settings`, through the component: everything that a deployment needs, in one variable.

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding};
use pagerelay::sources;
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Reply, World, relay};
use pagerelay_e2e::{OWN_SECRET, ROUTING_KEY, SECRET, SERVICE_KEY, fixtures, group, run};
use serde_json::{Value, json};

/// A service's key.
const PAYMENTS_KEY: &str = "p0pageRelayTestKey0000000000000u";

/// Another.
const STORAGE_KEY: &str = "s0pageRelayTestKey0000000000000u";

/// A source's own secret.
const DATADOG_SECRET: &str = "only-datadog-knows-this-one-5d";

/// Three services, two own secrets and a template.
fn settings(events_url: &str) -> Value {
    json!({
        "events_url": events_url,
        "webhook_secret": SECRET,
        "routing_key": SERVICE_KEY,
        "routing_key_payments": PAYMENTS_KEY,
        "routing_key_storage": STORAGE_KEY,
        "secret_grafana": OWN_SECRET,
        "secret_datadog": DATADOG_SECRET,
        "services_grafana": ["default", "payments"],
        "custom_backup": {
            "event_action": "{{ 'resolve' if state == 'ok' else 'trigger' }}",
            "dedup_key": "{{ job }}",
            "payload": {"summary": "Backup of {{ job }}: {{ state }}", "source": "{{ host }}", "severity": "error"},
        },
    })
}

/// A source's first fixture, as its sender would send it.
fn fixture(slug: &str, path: &str, secret: &str) -> Call {
    let source = sources::find(slug).expect("a source");
    let fixture = fixtures::of(source).into_iter().next().expect("a source has a fixture");
    Call::fixture(&fixture, path, secret)
}

async fn call(flavour: Flavour, world: &World, call: Call) -> Reply {
    relay(flavour).call(world, call).await.expect("the component answers")
}

#[test]
fn settings_alone_give_three_services_two_own_secrets_and_a_template() {
    run(async {
        for flavour in [Flavour::Spin, Flavour::Wasmtime] {
            let pagerduty = PagerDuty::start().await;
            let text = settings(&pagerduty.url()).to_string();
            // The command line of `wasmtime serve` cannot carry commas.
            let value = match flavour {
                Flavour::Spin => text,
                Flavour::Wasmtime => Base64::encode_string(text.as_bytes()),
            };
            let world = World::default().with("settings", &value);
            let backup = r#"{"job": "nightly", "state": "failed", "host": "db-1"}"#;
            let calls = [
                (Call::post("/alertmanager", group(1)), SERVICE_KEY),
                (Call::post("/alertmanager/payments", group(1)), PAYMENTS_KEY),
                (Call::post("/alertmanager/storage", group(1)), STORAGE_KEY),
                (fixture("grafana", "/grafana/payments", OWN_SECRET), PAYMENTS_KEY),
                (fixture("datadog", "/datadog", DATADOG_SECRET), SERVICE_KEY),
                (Call::post("/custom/backup/storage", backup), STORAGE_KEY),
            ];
            for (delivery, key) in calls {
                let path = delivery.path.clone();
                let reply = call(flavour, &world, delivery).await;
                assert_eq!(reply.status, 200, "{path} ({flavour:?}): {}", reply.json());
                assert_eq!(reply.json()["warnings"], Value::Null, "{path} ({flavour:?})");
                let received = pagerduty.take_received();
                assert!(!received.is_empty(), "{path} ({flavour:?})");
                for received in received {
                    assert_eq!(received.event["routing_key"], key, "{path} ({flavour:?})");
                }
                let once: BTreeSet<&String> = reply.asked.iter().collect();
                assert_eq!(once.len(), reply.asked.len(), "each variable is read once: {:?}", reply.asked);
            }
            for (path, secret, status) in [
                ("/grafana", SECRET, 401),
                ("/datadog", SECRET, 401),
                ("/datadog", OWN_SECRET, 401),
                ("/grafana/storage", OWN_SECRET, 403),
                ("/alertmanager/search", SECRET, 503),
            ] {
                let delivery = Call::stranger("POST", path, "{}").header("authorization", &format!("Bearer {secret}"));
                let reply = call(flavour, &world, delivery).await;
                assert_eq!(reply.status, status, "{path} ({flavour:?}): {}", reply.json());
            }
            assert!(pagerduty.take_received().is_empty());
        }
    });
}

#[test]
fn invalid_settings_close_only_what_needs_them() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url()).with("settings", "{\n  \"routing_key_payments\" \"x\"\n}");
        let problem = "variable `settings` is not valid JSON: line 2, column 26";
        let reply = call(Flavour::Spin, &world, Call::post("/alertmanager", group(1))).await;
        assert_eq!((reply.status, &reply.json()["warnings"]), (200, &json!([problem])));
        assert_eq!((&reply.log_json()["level"], &reply.log_json()["warnings"]), (&json!("warning"), &json!([problem])));
        let reply = call(Flavour::Spin, &world, Call::post("/alertmanager/payments", group(1))).await;
        let detail = format!("variable `routing_key_payments` is not set; {problem}");
        assert_eq!((reply.status, &reply.json()["detail"]), (503, &json!(detail)));

        // A store that fails may have a value, so the sender retries.
        let mut world = World::new(&pagerduty.url()).with("routing_key", ROUTING_KEY);
        world.broken.insert("settings".to_owned());
        let reply = call(Flavour::Spin, &world, Call::post("/alertmanager", group(1))).await;
        let failed = "could not be read: the variable store failed";
        let detail = format!("variable `secret_alertmanager` {failed}; variable `settings` {failed}");
        assert_eq!((reply.status, &reply.json()["detail"]), (503, &json!(detail)));
        assert_eq!(reply.headers["retry-after"], "30");
    });
}
