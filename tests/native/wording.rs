//! What the phone shows: each summary names the alert and the place, and no two alerts of a delivery read the same.

use std::collections::{BTreeMap, BTreeSet};

use pagerelay::mapping::Mapped;
use pagerelay::mapping::wording::{cleaned, completed};
use pagerelay_support::fixtures;
use serde_json::{Value, json};

fn map(slug: &str, body: &Value) -> Mapped {
    let source = pagerelay::sources::find(slug).expect("a source");
    fixtures::map(source, body.to_string().as_bytes(), &[], false).expect("it is mapped")
}

#[test]
fn a_text_that_says_neither_name_nor_place_gets_both() {
    for (said, name, places, summary) in [
        ("full", "DiskFull", &["db-a"][..], "DiskFull: full (db-a)"),
        ("full", "DiskFull", &[], "DiskFull: full"),
        ("DiskFull", "DiskFull", &["db-a"], "DiskFull (db-a)"),
        ("Disk of db-a is full", "DiskFull", &["db-a:9100"], "Disk of db-a is full"),
        ("disk_full on DB-A", "DiskFull", &["db-a.shop.example:9100"], "disk_full on DB-A"),
        ("Disk of db-ab is full", "DiskFull", &["db-a"], "Disk of db-ab is full (db-a)"),
        ("Disk full, 10 %", "DiskFull", &["10.0.0.7:9100"], "Disk full, 10 % (10.0.0.7:9100)"),
        ("cart-5f restarts", "CPUHigh", &["10.0.0.7:1", "cart-5f"], "CPUHigh: cart-5f restarts"),
        ("cpu is high", "CPUHigh", &[], "cpu is high"),
        ("down", "Ünbekannt", &["x"], "Ünbekannt: down (x)"),
        ("a\n b", "", &[], "a b"),
    ] {
        let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
        let name = Some(name).filter(|name| !name.is_empty());
        assert_eq!(completed(said, name, &places), summary);
    }
    let long = "word ".repeat(300);
    let long = long.trim_end();
    let places = ["db-a".to_owned()];
    assert_eq!(completed(long, Some("DiskFull"), &places), format!("DiskFull on db-a: {long}"));
    assert_eq!(completed(long, None, &places), format!("db-a: {long}"));
    assert_eq!(completed(long, Some("DiskFull"), &[]), format!("DiskFull: {long}"));
}

#[test]
fn mentions_and_arns_leave_a_summary() {
    for (said, summary) in [
        ("Disk full @slack-ops @pagerduty-Shop", "Disk full"),
        ("@ada@shop.example: disk full (@here)", "disk full"),
        ("<@U024BE7LH> disk full", "disk full"),
        ("Bump @types/node from 1 to 2", "Bump @types/node from 1 to 2"),
        ("mail to ada@shop.example @ home", "mail to ada@shop.example @ home"),
        ("@slack-ops", "@slack-ops"),
        ("arn:aws:sns:eu-west-1:123456789012:alerts is full", "alerts is full"),
        ("(arn:aws-cn:ec2:cn-north-1:1:volume/vol-1): failed", "(volume/vol-1): failed"),
        ("arn:aws:iam::1:role/a:b", "role/a:b"),
        ("warn:1:2:3:4:5 and arn:aws:x", "warn:1:2:3:4:5 and arn:aws:x"),
        ("plain", "plain"),
    ] {
        assert_eq!(cleaned(said), summary);
    }
}

#[test]
fn texts_of_events_stay_as_they_are() {
    let summary = "arn:aws:sns:eu-west-1:1:alerts is full @slack-ops";
    let payload = json!({"summary": summary, "source": "s", "severity": "error"});
    let body = json!({"event_action": "trigger", "dedup_key": "k", "payload": payload});
    assert_eq!(map("events", &body).events[0].summary(), summary);
}

/// Panics if two alerts of a delivery have the same summary.
fn assert_apart(name: &str, mapped: &Mapped) -> usize {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for event in &mapped.events {
        let Some(key) = event.dedup_key().filter(|_| !event.summary().is_empty()) else { continue };
        let first = *known.entry(event.summary()).or_insert(key.as_str());
        assert_eq!(first, key.as_str(), "{name}: two alerts read {:?}", event.summary());
        assert!(event.summary().encode_utf16().count() <= 1024, "{name}");
    }
    known.len()
}

#[test]
fn no_two_alerts_of_a_fixture_read_the_same() {
    let mut batches = 0;
    for fixture in fixtures::all() {
        for group in [false, true] {
            if let Ok(mapped) = fixture.map(group) {
                batches += usize::from(assert_apart(&fixture.name(), &mapped) > 1);
            }
        }
    }
    assert!(batches > 15, "{batches} batches");
}

#[test]
fn no_two_alerts_of_a_generated_batch_read_the_same() {
    let mut seed = 7_u64;
    let mut pick = |words: &'static [&'static str]| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        words[usize::try_from(seed >> 33).expect("small") % words.len()]
    };
    let long = "long ".repeat(400);
    let mut repeated = 0;
    for batch in 0..60 {
        let alerts: Vec<Value> = (0..40)
            .map(|n| {
                let mut alert = json!({"status": pick(&["firing", "resolved"]), "fingerprint": format!("{n}"),
                    "labels": {"alertname": pick(&["DiskFull", "DiskSlow"]), "instance": pick(&["db-a", "db-b"]),
                        "device": pick(&["sda", "sdb"])},
                    "annotations": {"summary": pick(&["full", "", "full (alertmanager:1)", "full (db-a)"])}});
                if batch % 3 == 0 {
                    alert["annotations"]["summary"] = long.as_str().into();
                }
                if n % 7 == 0 {
                    alert["labels"] = json!({});
                }
                alert
            })
            .collect();
        let mapped = map("alertmanager", &json!({"alerts": alerts}));
        assert_eq!(mapped.events.len(), 40);
        assert_apart("generated", &mapped);
        let keyed = |event: &&pagerelay::pagerduty::event::Event| event.summary().contains("(alertmanager:");
        repeated += mapped.events.iter().filter(keyed).count();
    }
    assert!(repeated > 100, "alerts with the same labels are told apart by key: {repeated}");
}

#[test]
fn a_trigger_and_a_resolve_of_one_alert_may_read_the_same() {
    let alert = |status: &str| json!({"status": status, "fingerprint": "f", "labels": {"alertname": "A"}});
    let mapped = map("alertmanager", &json!({"alerts": [alert("firing"), alert("resolved")]}));
    let summaries: BTreeSet<&str> = mapped.events.iter().map(|event| event.summary()).collect();
    assert_eq!(summaries.into_iter().collect::<Vec<_>>(), ["A"]);
}

#[test]
fn an_id_of_the_formatted_webhook_is_never_the_key_of_a_title() {
    let key = |body: Value| map("formatted", &body).events[0].dedup_key().expect("a key").as_str().to_owned();
    assert_eq!(key(json!({"title": "a: b"})), "formatted::a%3A b");
    assert_eq!(key(json!({"title": "a: b", "alert_uid": "7:8"})), "formatted:7:8");
    let titles = ["x", "a:b", "%3Ax", "a%3Ab", ":x", "%253Ax"];
    let ids = [":x", "%3Ax", ":a%3Ab", ":%253Ax", "%253Ax", "%x", "::x", ":%3Ax", "x", "%3A%3Ax"];
    let titles = titles.iter().map(|title| key(json!({"title": title})));
    let ids = ids.iter().map(|id| key(json!({"alert_uid": id, "title": "x"})));
    let all: Vec<String> = titles.chain(ids).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}
