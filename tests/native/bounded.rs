//! Bounds on what one delivery makes, however its sender shapes it. None of these tests measures time.

use pagerelay::mapping::{MapError, Mapped};
use pagerelay::sources::SOURCES;
use pagerelay_support::fixtures;
use serde_json::{Value, json};

fn try_map(slug: &str, body: &[u8], group: bool) -> Result<Mapped, MapError> {
    let source = SOURCES.iter().find(|source| source.slug == slug).expect("a source");
    fixtures::map(source, body, &[], group)
}

fn map(slug: &str, body: &Value, group: bool) -> Mapped {
    try_map(slug, body.to_string().as_bytes(), group).expect("it is mapped")
}

/// The alerts of a group, with so many alerts and these facts that they share.
fn group(alerts: usize, shared: Value) -> Value {
    let alert = |n: usize| json!({"status": "firing", "fingerprint": n.to_string()});
    let mut body = json!({"status": "firing", "groupKey": "g", "alerts": (0..alerts).map(alert).collect::<Vec<_>>()});
    let members = body.as_object_mut().expect("an object");
    members.extend(shared.as_object().expect("an object").clone());
    body
}

#[test]
fn what_the_alerts_of_a_group_share_is_small_in_each_of_their_events() {
    let long = "x".repeat(100_000);
    let url = format!("https://alerts.example.com/{long}");
    let labels: serde_json::Map<String, Value> = (0..3000).map(|n| (format!("l{n}"), json!("v"))).collect();
    let shared = json!({
        "title": long, "receiver": long, "notification_reason": long, "externalURL": url, "groupLabels": labels,
        "orgId": [long],
    });
    for slug in ["alertmanager", "grafana"] {
        let mapped = map(slug, &group(450, shared.clone()), false);
        assert_eq!(mapped.events.len(), 450);
        for event in &mapped.events {
            let event = event.to_json();
            let size = event.to_string().len();
            assert!(size < 4096, "{slug}: {size} bytes");
            assert_eq!(event["payload"]["source"], "alerts.example.com");
            assert_eq!(event["links"], Value::Null, "the URL is too long");
            let details = &event["payload"]["custom_details"];
            assert!(details["groupLabels"].to_string().len() <= 512);
            assert!(details["groupLabels"]["shortened_to_fit"].is_array());
            assert_eq!(details["full_summary"], Value::Null);
        }
        let grouped = map(slug, &group(450, shared.clone()), true);
        let grouped = grouped.events.first().expect("one").to_json();
        assert_eq!(grouped["payload"]["custom_details"]["num_firing"], 450);
        assert_eq!(grouped["payload"]["custom_details"]["receiver"], *long, "one event has room for it");
    }
}
