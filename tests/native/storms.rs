//! Alert storms: which alerts are sent individually, what a digest says, and how large it may be.

use std::collections::BTreeSet;
use std::time::Duration;

use pagerelay::http::Method;
use pagerelay::pagerduty::event::Event;
use pagerelay::pagerduty::storm;
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::{handle, known};

/// How many bytes of names one digest event contains.
const NAMES_MAX_BYTES: usize = 256_000;

/// So many alerts of one group of Alertmanager. `times` are when they began and ended.
fn group(status: &str, count: usize, severity: impl Fn(usize) -> &'static str, times: [Option<&str>; 2]) -> Value {
    let alert = |n: usize| {
        json!({
            "status": status, "fingerprint": format!("{n:04}"), "startsAt": times[0], "endsAt": times[1],
            "labels": {"alertname": "Full", "severity": severity(n)},
        })
    };
    json!({"version": "4", "groupKey": "g", "status": status, "alerts": (0..count).map(alert).collect::<Vec<Value>>()})
}

/// Posts a delivery. Returns the reply and what was sent.
fn post(host: &mut Accepting, path: &str, body: &Value) -> (Value, Vec<Value>) {
    let (reply, said) = handle(host, &known(Method::Post, path, &[], body.to_string().as_bytes()));
    assert!(reply.status.is_success(), "{said}");
    (said, std::mem::take(&mut host.sent))
}

/// The dedup keys of events, in order.
fn keys(sent: &[Value]) -> Vec<&str> {
    sent.iter().filter_map(|event| event["dedup_key"].as_str()).collect()
}

fn warning(_: usize) -> &'static str {
    "warning"
}

#[test]
fn the_most_severe_alerts_page_individually_and_one_digest_lists_the_others() {
    let severity = |n: usize| if n.is_multiple_of(3) { "critical" } else { "warning" };
    let (reply, sent) = post(&mut Accepting::new(), "/alertmanager", &group("firing", 150, severity, [None; 2]));
    assert_eq!(
        reply["warnings"],
        json!(["50 events are listed in a digest alert because there are too many to send individually"])
    );
    assert_eq!(sent.len(), 101);
    let digest = &sent[0];
    assert_eq!((&digest["event_action"], &digest["dedup_key"]), (&json!("trigger"), &json!("alertmanager:g")));
    assert_eq!((&digest["payload"]["class"], &digest["payload"]["severity"]), (&json!("digest"), &json!("warning")));
    assert_eq!(
        digest["payload"]["summary"],
        "50 more alerts from Prometheus Alertmanager arrived in one delivery and are listed here instead of paging individually"
    );
    let listed = digest["payload"]["custom_details"]["alerts"].as_object().expect("a list");
    assert_eq!(listed["alertmanager:0149"], "trigger warning: Full");
    let individual: BTreeSet<&str> = keys(&sent[1..]).into_iter().collect();
    for n in 0..150 {
        let key = format!("alertmanager:{n:04}");
        assert_ne!(individual.contains(&*key), listed.contains_key(&key), "{key} is in one of the two");
        assert!(severity(n) == "warning" || individual.contains(&*key), "{key} is severe");
    }
    assert!(sent[1..21].iter().all(|event| event["payload"]["severity"] == "critical"), "they are first");
}

#[test]
fn a_digest_is_as_severe_as_the_alerts_that_it_opens() {
    // Each alert is over, and then open again: the page is about the second.
    let event = |n: usize, state: &str, severity: &str| {
        let data = json!({"state": state, "severity": severity});
        json!({"type": "disk.alert", "source": "s", "subject": format!("{n:03}"), "data": data})
    };
    let batch = (0..60).flat_map(|n| [event(n, "resolved", "critical"), event(n, "firing", "warning")]);
    let (_, sent) = post(&mut Accepting::new(), "/cloudevents", &batch.collect());
    let digest = &sent[0]["payload"];
    assert_eq!((&digest["class"], &digest["severity"]), (&json!("digest"), &json!("warning")));
    assert_eq!(digest["custom_details"]["alerts"].as_object().expect("a list").len(), 10);
}

#[test]
fn resolves_of_the_last_two_hours_are_all_sent_and_a_digest_resolves_in_place_of_older_ones() {
    // The host's time is 05:06:38.
    for (ended, individual) in [
        (Some("2026-03-04T03:06:39Z"), 150),
        (Some("2026-03-04T05:06:38Z"), 150),
        (Some("2026-03-04T03:06:37Z"), 100),
        (Some("2026-02-04T05:06:38Z"), 100),
        // It may have ended now.
        (None, 150),
    ] {
        let body = group("resolved", 150, warning, [None, ended]);
        let (_, sent) = post(&mut Accepting::new(), "/alertmanager", &body);
        assert!(sent.iter().all(|event| event["event_action"] == "resolve"), "{ended:?}");
        let of_alerts: BTreeSet<&str> = keys(&sent).into_iter().filter(|key| *key != "alertmanager:g").collect();
        assert_eq!(of_alerts.len(), individual, "{ended:?}");
        assert!(keys(&sent).contains(&"alertmanager:g"), "{ended:?}");
    }
    // One that ended lately is enough: the sender still comes again.
    let mut body = group("resolved", 150, warning, [None, Some("2026-02-04T05:06:38Z")]);
    body["alerts"][149]["endsAt"] = "2026-03-04T05:00:00Z".into();
    let (_, sent) = post(&mut Accepting::new(), "/alertmanager", &body);
    assert_eq!(sent.len(), 151);
}

#[test]
fn each_minute_begins_with_another_resolve_so_that_a_senders_retries_get_all_of_them_through() {
    let body = group("resolved", 150, warning, [None, Some("2026-03-04T05:00:00Z")]);
    let mut host = Accepting::new();
    let mut at = |seconds: u64| {
        // It begins with a minute.
        host.now = Duration::from_secs(1_772_600_760 + seconds);
        let (_, sent) = post(&mut host, "/alertmanager", &body);
        keys(&sent).into_iter().filter(|key| *key != "alertmanager:g").map(str::to_owned).collect::<Vec<_>>()
    };
    let first = at(0);
    assert_eq!(at(59), first);
    let mut begun = BTreeSet::from([first[0].clone()]);
    // A group's interval is often five minutes.
    for retry in 1..6 {
        let order = at(300 * retry);
        assert_eq!(order.iter().collect::<BTreeSet<_>>(), first.iter().collect(), "all of them");
        begun.insert(order[0].clone());
    }
    assert!(begun.len() > 4, "{begun:?}");
}

#[test]
fn a_digest_of_thousands_lists_them_all_in_events_that_are_small_enough() {
    let mut body = group("firing", 4000, warning, [None; 2]);
    for alert in body["alerts"].as_array_mut().expect("a list") {
        // It is cut, and a quote needs two bytes.
        alert["labels"]["alertname"] = format!("\"{}", "x".repeat(130)).into();
    }
    let (_, sent) = post(&mut Accepting::new(), "/alertmanager", &body);
    let digests: Vec<&Value> = sent.iter().filter(|event| event["dedup_key"] == "alertmanager:g").collect();
    assert_eq!((digests.len(), sent.len()), (3, 103));
    let mut listed = BTreeSet::new();
    for (n, digest) in digests.iter().enumerate() {
        assert!(digest.to_string().len() < 512 * 1024, "PagerDuty's limit");
        let alerts = &digest["payload"]["custom_details"]["alerts"];
        // The braces, and one comma less than there are names.
        let size = alerts.to_string().len() - 1;
        let alerts = alerts.as_object().expect("a list");
        listed.extend(alerts.keys().cloned());
        let longest = alerts.iter().map(|(key, line)| key.len() + line.to_string().len() + 4).max().expect("names");
        assert!(size < NAMES_MAX_BYTES + longest, "{n}: {size}");
        assert!(n == 2 || size >= NAMES_MAX_BYTES, "{n}: {size}");
    }
    assert_eq!(listed.len(), 3900);
}

#[test]
fn a_digest_of_changes_lists_as_many_as_it_has_room_for() {
    // In JSON, each of these texts has 127 bytes, with a comma 128.
    let summary = format!("{}{}", "\"".repeat(5), "x".repeat(115));
    let changes = |count: usize| (0..count).map(|_| Event::change(&summary, "s")).collect();
    let listed = |count: usize| {
        let plan = storm::plan(changes(count), None, ("x", "X"), Duration::ZERO, false);
        let last = plan.events.last().expect("a change").to_json();
        last["payload"]["custom_details"]["changes"].as_array().map_or(0, Vec::len)
    };
    assert_eq!([101, 2099, 2100, 2101, 3000].map(listed), [1, 1999, 2000, 2000, 2000]);
    assert_eq!(2000 * 128, NAMES_MAX_BYTES);
}
