//! Dedup keys: different identities never share one, no sender reaches the relay's own keys, and acknowledges and
//! resolves also go to the keys of earlier versions.

use std::collections::{BTreeMap, BTreeSet};

use pagerelay::http::{Headers, Method, Request};
use pagerelay::pagerduty::event::{Action, DedupKey, Event, OWN, Severity};
use pagerelay::pagerduty::{former_keys, storm};
use pagerelay::sources::SOURCES;
use pagerelay::{pipeline, text};
use pagerelay_support::{SECRET, fixtures, secret_for};
use serde_json::{Value, json};

use crate::host::Accepting;

/// Delivers a body. Returns the action and the key of each event that was sent, in order.
pub(crate) fn sent_by(host: &mut Accepting, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<(String, String)> {
    let bearer = format!("Bearer {}", secret_for(path));
    let headers = headers.iter().copied().chain([("authorization", bearer.as_str())]);
    let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let request = Request {
        method: Method::Post,
        path: path.to_owned(),
        query: String::new(),
        headers: Headers::new(headers),
        body: body.as_bytes().to_vec(),
        problem: None,
    };
    host.sent.clear();
    pipeline::handle(host, &request);
    let text = |event: &Value, name: &str| event[name].as_str().unwrap_or_default().to_owned();
    host.sent.iter().map(|event| (text(event, "event_action"), text(event, "dedup_key"))).collect()
}

fn sent(path: &str, body: &Value) -> Vec<(String, String)> {
    sent_by(&mut Accepting::new(), path, &[], &body.to_string())
}

fn pair(action: &str, key: &str) -> (String, String) {
    (action.to_owned(), key.to_owned())
}

/// The key of the first event of a body that is mapped natively.
pub(crate) fn key_of(slug: &str, headers: &[(&str, &str)], body: &Value) -> DedupKey {
    let source = pagerelay::sources::find(slug).expect("a source");
    let headers: Vec<(String, String)> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let mapped = fixtures::map(source, body.to_string().as_bytes(), &headers, false).expect("it is mapped");
    mapped.events[0].dedup_key().expect("an alert").clone()
}

#[test]
fn an_ordinary_id_does_not_touch_the_relays_own_alerts() {
    let mut host = Accepting::new();
    let fallback = sent_by(&mut host, "/formatted", &[], "no alert");
    assert_eq!(fallback, [pair("trigger", "pagerelay:formatted:unmapped:35")]);
    let unfilled = sent("/formatted", &json!({"alert_uid": "$ID"}));
    assert_eq!(unfilled, [pair("trigger", "pagerelay:formatted:unfilled")]);
    let event = |n: usize| {
        let key = DedupKey::whole("formatted", &n.to_string()).expect("not blank");
        Event::new(Action::Trigger, key, Severity::Info, "s", "s")
    };
    let plan = storm::plan((0..150).map(event).collect(), None, ("formatted", "F"), std::time::Duration::ZERO, false);
    assert_eq!(plan.events[0].dedup_key().map(DedupKey::as_str), Some("pagerelay:formatted:digest"));
    for id in ["unmapped", "unmapped:35", "unfilled", "digest", "pagerelay:formatted:unmapped:35"] {
        let resolve = sent("/formatted", &json!({"alert_uid": id, "state": "ok"}));
        assert_eq!(resolve, [pair("resolve", &format!("formatted:{id}"))]);
    }
}

#[test]
fn no_source_and_no_key_of_events_is_in_the_name_space_of_the_relay() {
    assert!(SOURCES.iter().all(|source| source.slug != OWN && !source.slug.contains(':')));
    for key in [
        "pagerelay:formatted:unmapped:35",
        " pagerelay:formatted:unmapped",
        "PagerElay:formatted:unmapped",
        "pagerelay :x",
        "pagerelay",
    ] {
        let resolve = sent("/events", &json!({"event_action": "resolve", "dedup_key": key}));
        let hash = text::sha256_hex(key.as_bytes());
        assert_eq!(resolve, [pair("resolve", &format!("{key}~{hash}"))]);
        assert!(DedupKey::verbatim(key).is_some_and(|key| !key.is_own()), "{key}");
    }
    assert!(DedupKey::own("formatted", "unmapped:35").is_own());
    for key in ["pagerelayed:x", "a:pagerelay:x", "x~0000000000000000000000000000000000000000000000000000000000000000"]
    {
        let resolve = sent("/events", &json!({"event_action": "resolve", "dedup_key": key}));
        assert_eq!(resolve, [pair("resolve", key)], "a program keeps the key that PagerDuty knows");
    }
}

fn job(name: &str, workflow: &str, conclusion: &str) -> Value {
    json!({
        "action": "completed", "repository": {"id": 7},
        "workflow_job": {"name": name, "workflow_name": workflow, "head_branch": "main", "conclusion": conclusion},
    })
}

#[test]
fn a_job_and_a_workflow_whose_names_share_a_colon_are_different_alerts() {
    let headers = [("x-github-event", "workflow_job")];
    let one = key_of("github", &headers, &job("build", "ci:x", "success"));
    let other = key_of("github", &headers, &job("build:ci", "x", "success"));
    assert_eq!(one.as_str(), "github:7:workflow_job:build:ci%3Ax:main");
    assert_eq!(other.as_str(), "github:7:workflow_job:build%3Aci:x:main");
    let former = "github:7:workflow_job:build:ci:x:main";
    assert!([one, other].iter().all(|key| key.former().is_some_and(|key| key.as_str() == former)));
    let plain = key_of("github", &headers, &job("build 100%", "ci", "success"));
    assert_eq!((plain.as_str(), plain.former()), ("github:7:workflow_job:build 100%:ci:main", None));
}

#[test]
fn a_resolve_and_an_acknowledge_also_go_to_the_former_key_and_a_trigger_does_not() {
    let problem = |action: &str| json!({"eventid": "a:b", "event_type": action});
    let (key, former) = ("zabbix:a%3Ab", "zabbix:a:b");
    assert_eq!(sent("/zabbix", &problem("trigger")), [pair("trigger", key)]);
    assert_eq!(sent("/zabbix", &problem("acknowledge")), [pair("acknowledge", key), pair("acknowledge", former)]);
    assert_eq!(sent("/zabbix", &problem("resolve")), [pair("resolve", key), pair("resolve", former)]);

    let mut host = Accepting::new();
    sent_by(&mut host, "/zabbix", &[], &problem("resolve").to_string());
    let (mut first, second) = (host.sent[0].clone(), host.sent[1].clone());
    first["dedup_key"] = former.into();
    assert_eq!(first, second, "the copy is the same event");
}

#[test]
fn a_preview_shows_a_copy_with_the_event_that_it_repeats() {
    let body = json!({"eventid": "a:b", "event_type": "resolve", "eventname": "Disk full"}).to_string();
    let bearer = format!("Bearer {SECRET}");
    let request = |path: &str| Request {
        method: Method::Post,
        path: path.to_owned(),
        query: "explain".to_owned(),
        headers: Headers::new([("authorization".to_owned(), bearer.clone().into_bytes())]),
        body: body.clone().into_bytes(),
        problem: None,
    };
    let (reply, _) = pipeline::handle(&mut Accepting::new(), &request("/preview/zabbix"));
    let shown: Value = serde_json::from_slice(&reply.body).expect("json");
    let events = shown["events"].as_array().expect("events");
    assert_eq!((events.len(), &events[0]["dedup_key"]), (1, &json!("zabbix:a%3Ab")));
    assert!(events[0]["explanation"].as_array().is_some_and(|origins| !origins.is_empty()));

    let mut host = Accepting::new();
    let (reply, _) = pipeline::handle(&mut host, &request("/zabbix"));
    let sent: Value = serde_json::from_slice(&reply.body).expect("json");
    let hash = |index: usize, name: &str| sent["events"][index][name].clone();
    assert_eq!(events[0]["sha256"], hash(0, "sha256"));
    assert_eq!(events[0]["with_former_key"], json!({"dedup_key": "zabbix:a:b", "sha256": hash(1, "sha256")}));
    assert_eq!(host.sent.len(), 2);
}

#[test]
fn copies_count_as_requests_and_never_go_to_the_key_of_another_event_of_the_delivery() {
    let resolve = |parts: &[&str]| {
        let key = DedupKey::new("x", parts).expect("not blank");
        Event::new(Action::Resolve, key, Severity::Error, "s", "s").timestamp(Some("2020-01-01T00:00:00Z".to_owned()))
    };
    let keys = |events: &[Event]| -> Vec<String> {
        events.iter().filter_map(|event| Some(event.dedup_key()?.as_str().to_owned())).collect()
    };
    let both = former_keys::with_copies(vec![resolve(&["a:b", "c"]), resolve(&["a", "b", "c"]), resolve(&["d:e"])]);
    assert_eq!(keys(&both), ["x:a%3Ab:c", "x:a:b:c", "x:d%3Ae", "x:d:e"]);

    let events: Vec<Event> = (0..80).map(|n| resolve(&[&format!("a:{n}")])).collect();
    let group = DedupKey::new("x", &["group"]).expect("not blank");
    let whole = Event::new(Action::Resolve, group.clone(), Severity::Error, "s", "s");
    let all = former_keys::with_copies(events.into_iter().chain([whole]).collect());
    assert_eq!(all.len(), 161);
    let plan = storm::plan(all, Some(&group), ("x", "X"), std::time::Duration::from_secs(1_780_000_000), false);
    assert!(plan.events.len() <= 102 && plan.digested >= 60, "{} events", plan.events.len());
}

#[test]
fn many_large_copies_have_no_details() {
    let large = |n: usize| {
        let key = DedupKey::new("x", &[&format!("a:{n}")]).expect("not blank");
        let event = Event::new(Action::Resolve, key, Severity::Error, "s", "s");
        event.detail("text", "y".repeat(500_000).into())
    };
    let all = former_keys::with_copies((0..20).map(large).collect());
    let outlines = all.iter().filter(|event| event.is_outline()).count();
    assert_eq!((all.len(), outlines), (40, 12));
    assert!(all.chunks(2).all(|pair| !pair[0].is_outline()));
}

#[test]
fn the_grace_period_ends_with_the_version_that_says_so() {
    let numbers =
        |version: &str| -> Vec<u32> { version.split('.').map(|part| part.parse().expect("a number")).collect() };
    let over = numbers(env!("CARGO_PKG_VERSION")) >= numbers(former_keys::ENDS_WITH);
    assert!(!over, "delete src/pagerduty/former_keys.rs and what its docs name");
    let (minor, _) = former_keys::ENDS_WITH.rsplit_once('.').expect("three numbers");
    assert!(
        include_str!("../../src/guide/operate.md").contains(&format!("Version {minor} ")),
        "the guide says {minor}"
    );
}

/// Parts that could be mixed up with separators, escapes, hashes and the beginnings of keys that stay whole.
const PARTS: [&str; 15] =
    ["", "a", "b", ":", "a:b", "a:", ":b", "%", "%3A", "a%3Ab", "%253A", "arn", "%61rn", "{", "%7B"];

pub(crate) fn hashed(text: &str) -> String {
    format!("{text}~{}", text::sha256_hex(text.as_bytes()))
}

#[test]
fn different_lists_of_parts_have_different_keys() {
    let mut lists: Vec<Vec<String>> = vec![Vec::new()];
    let mut last = lists.clone();
    for length in 1..=4 {
        let parts = if length == 4 { &PARTS[..8] } else { &PARTS[..] };
        let longer = |list: &Vec<String>| -> Vec<Vec<String>> {
            parts.iter().map(|part| [list.as_slice(), &[(*part).to_owned()]].concat()).collect()
        };
        last = last.iter().flat_map(longer).collect();
        lists.extend(last.clone());
    }
    let long = "l".repeat(300);
    lists.extend([long.clone(), format!("{long}m"), hashed("x:a"), "\u{1b}".into(), " a".into()].map(|id| vec![id]));
    let mut keys = BTreeMap::new();
    for list in lists {
        let parts: Vec<&str> = list.iter().map(String::as_str).collect();
        let blank = list.iter().all(|part| part.trim().is_empty());
        let Some(key) = DedupKey::new("x", &parts) else {
            assert!(blank, "{list:?}");
            continue;
        };
        assert!(key.as_str().starts_with("x:") && key.as_str().len() <= 255);
        let plain = ["x"].iter().chain(&parts).copied().collect::<Vec<&str>>().join(":");
        let separated = parts.iter().any(|part| part.contains([':', '%', '{', '\u{1b}']) || *part == "arn");
        if !separated && plain.len() <= 255 && !key.is_hashed() {
            assert_eq!((key.as_str(), key.former()), (plain.as_str(), None));
        }
        if let Some(former) = key.former().filter(|_| plain.len() <= 255) {
            assert_eq!(former.as_str(), plain);
        }
        let twin = keys.insert(key.as_str().to_owned(), list.clone());
        assert_eq!(twin, None, "{list:?} has the key {}", key.as_str());
    }
    // Ids that stay whole are no keys of lists.
    for id in ["{", "{:", "{a}:b", "arn:", "arn:aws:x", "arn:a:b"] {
        let key = DedupKey::whole("x", id).expect("not blank");
        assert_eq!(key.as_str(), format!("x:{id}"));
        assert!(!keys.contains_key(key.as_str()), "{id}");
    }
    assert!(keys.len() > 7_000, "{} keys", keys.len());
}

#[test]
fn an_id_that_looks_like_a_shortened_key_is_not_the_alert_of_the_long_one() {
    for make in [|id: &str| DedupKey::whole("formatted", id), |id: &str| DedupKey::new("formatted", &[id])] {
        let long = make(&"i".repeat(300)).expect("not blank");
        let id = long.as_str().strip_prefix("formatted:").expect("it begins with the slug");
        let imitation = make(id).expect("not blank");
        assert_ne!(imitation, long);
        assert_eq!(imitation.former(), None, "a copy would resolve the long one");
        assert!(imitation.is_hashed() && imitation.as_str().len() <= 255);
    }
}

#[test]
fn a_fingerprint_is_not_the_key_of_a_group() {
    let group = "{}:{alertname=\"DiskFull\"}";
    for slug in ["alertmanager", "grafana"] {
        let alert = |status: &str| json!({"status": status, "fingerprint": group, "labels": {"alertname": "x"}});
        let delivery = json!({"groupKey": group, "alerts": [alert("resolved")]});
        let keys = sent(&format!("/{slug}"), &delivery);
        let (own, group) = (format!("{slug}:%7B}}%3A{{alertname=\"DiskFull\"}}"), format!("{slug}:{group}"));
        assert_eq!(keys, [pair("resolve", &own), pair("resolve", &group)]);
        let delivery =
            json!({"groupKey": group, "alerts": [alert("resolved"), {"status": "firing", "fingerprint": "f"}]});
        let keys = sent(&format!("/{slug}"), &delivery);
        // Without a copy: the former key is that of the group now.
        assert_eq!(keys, [pair("resolve", &own), pair("trigger", &format!("{slug}:f"))]);
    }
}

#[test]
fn a_name_may_begin_with_a_bracket() {
    let down = |name: &str, word: &str| key_of("uptimekuma", &[], &json!({"msg": format!("[{name}] [{word}] x")}));
    let (one, other) = (down("[prod] web", "✅ Up"), down("prod] web", "✅ Up"));
    assert_eq!((one.as_str(), other.as_str()), ("uptimekuma::[prod] web", "uptimekuma::prod] web"));
    assert_eq!(one.former().map(|key| key.as_str().to_owned()).as_deref(), Some("uptimekuma::prod] web"));
    assert_eq!(other.former(), None);
}

#[test]
fn events_of_eventbridge_with_other_ids_are_different_alerts() {
    let event = |detail: Value, resources: Value| {
        let bridge = json!({
            "detail-type": "T", "source": "s", "account": "1", "region": "r", "detail": detail, "resources": resources,
        });
        key_of("sns", &[], &bridge).as_str().to_owned()
    };
    let keys = [
        event(json!({"id": "x"}), json!([])),
        event(json!({"resourceId": "x", "id": "y"}), json!([])),
        event(json!({"resourceId": "y"}), json!(["x"])),
        event(json!({}), json!(["x"])),
        event(json!({"id": "x", "resourceId": "y"}), json!([])),
        event(json!({"id": "x:y"}), json!([])),
    ];
    assert_eq!(keys[0], "sns:s:T:1:r::x");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{keys:?}");
    let health = |arn: Value, n: u8| {
        let detail = json!({"eventArn": arn, "n": n});
        key_of("sns", &[], &json!({"detail-type": "AWS Health Event", "account": "1", "detail": detail}))
    };
    assert_ne!(health(Value::Null, 1), health(Value::Null, 2), "events without an id are not one alert");
    assert_eq!(health("a:b".into(), 1).as_str(), "sns:a%3Ab:1");
}
