//! Bounds on what one delivery makes, however its sender shapes it. None of these tests measures time.

use std::cell::Cell;
use std::time::Duration;

use pagerelay::auth::{Authenticated, SHARED_SECRET};
use pagerelay::endpoints::preview::explain::{self, Positions, Question, WORK_MAX_BYTES, Wanted};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::mapping::budget::{BUDGET_BYTES, BUDGET_PER_BYTE};
use pagerelay::mapping::{self, MapError, Mapped};
use pagerelay::pagerduty::event::{Action, DedupKey, Event, Severity, shrink};
use pagerelay::pagerduty::storm;
use pagerelay::pipeline;
use pagerelay::sources::SOURCES;
use pagerelay_support::{SECRET, fixtures, secret_for};
use serde_json::{Value, json};

use crate::host::Accepting;

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

/// The same limit as the code documents: six times the body and 4 MiB, and the outlines, which are below 1 KiB each.
fn assert_within_budget(what: &str, body: &[u8], mapped: &Mapped) {
    let weight: usize = mapped.events.iter().filter(|event| !event.is_outline()).map(Event::weight).sum();
    let made = |event: &Event| event.to_json().to_string().len();
    let outlines: Vec<usize> = mapped.events.iter().filter(|event| event.is_outline()).map(made).collect();
    let budget = BUDGET_PER_BYTE * body.len() + BUDGET_BYTES;
    assert!(weight <= budget, "{what}: {weight} bytes, {budget} allowed");
    assert!(outlines.iter().all(|size| *size < 2048), "{what}: {outlines:?}");
    let all: usize = mapped.events.iter().map(made).sum();
    assert!(all <= budget + 2048 * outlines.len(), "{what}: {all} bytes");
}

#[test]
fn all_events_of_a_delivery_together_stay_within_its_budget() {
    let text = "x ".repeat(150_000);
    let zones: Vec<Value> = (0..4500).map(|n| json!({"zone_name": format!("z{n}")})).collect();
    let name = "y".repeat(100_000);
    let cloudflare = json!({"name": name, "text": text, "alert_type": "real_origin_monitoring", "policy_id": "p",
        "data": {"account_name": name, "unreachable_zones": zones}});
    let url = format!("https://example.com/{}", "u".repeat(4000));
    let alerts = group(2000, json!({"title": text, "externalURL": url, "receiver": name}));
    let event = |n: usize| json!({"type": "disk.alert", "source": "s", "subject": n.to_string(), "dataref": url});
    let batch: Value = (0..200).map(event).collect();
    // JSON in a text takes far more memory once it is parsed.
    let nested = vec![r#"{"a":1}"#; 12_000].join(",");
    let nested = |n: usize| json!({"type": "disk.alert", "source": "s", "subject": n.to_string(), "data": format!("[{nested}]")});
    let nested: Value = (0..8).map(nested).collect();
    let cases = [
        ("cloudevents", nested, 8),
        ("cloudflare", cloudflare, 4500),
        ("alertmanager", alerts.clone(), 2000),
        ("grafana", alerts, 2000),
        ("cloudevents", batch, 200),
    ];
    for (slug, body, count) in cases {
        for group in [false, true] {
            let bytes = body.to_string().into_bytes();
            let mapped = try_map(slug, &bytes, group).expect("it is mapped");
            if !group || slug.starts_with("cloud") {
                assert_eq!(mapped.events.len(), count, "{slug}");
            }
            assert_eq!(mapped.events.first().map(Event::is_outline), Some(false), "{slug}: the first has room");
            assert_within_budget(slug, &bytes, &mapped);
        }
    }
}

#[test]
fn an_event_over_the_budget_keeps_what_routes_it_and_says_why_it_is_short() {
    let url = format!("https://example.com/{}", "u".repeat(4000));
    let mut body = group(2000, json!({"externalURL": url}));
    let last = &mut body["alerts"][1999];
    last["labels"] = json!({"alertname": "DiskFull", "severity": "critical", "instance": "db-1", "team": "storage"});
    last["annotations"] = json!({"summary": "word ".repeat(100)});
    let mapped = map("alertmanager", &body, false);
    let last = mapped.events.last().expect("2000 events");
    assert!(last.is_outline());
    let summary = format!("DiskFull: {}…", "word ".repeat(49));
    assert_eq!(
        last.to_json(),
        json!({"event_action": "trigger", "dedup_key": "alertmanager:1999", "payload": {
            "summary": summary, "source": "db-1", "severity": "critical", "class": "DiskFull",
            "custom_details": {"left_out":
                "details omitted, because the events of this delivery exceed the size limit"}}})
    );
    let outlines = mapped.events.iter().filter(|event| event.is_outline()).count();
    let (reply, _) = deliver("/alertmanager", &body);
    let warning =
        format!("{outlines} events sent without details, because the events of this delivery exceed the size limit");
    assert!(outlines > 0 && reply["warnings"][0] == *warning, "{reply}");
    let (preview, sent) = deliver("/preview/alertmanager", &body);
    assert_eq!((&preview["warnings"][0], sent.len()), (&json!(warning), 0));
}

#[test]
fn an_honest_delivery_keeps_its_details() {
    let label = |n: usize| json!({"alertname": "HighLatency", "instance": format!("host-{n}"), "severity": "warning"});
    let mut body = group(1000, json!({"externalURL": "https://alertmanager.example.com", "receiver": "team"}));
    for (n, alert) in body["alerts"].as_array_mut().expect("a list").iter_mut().enumerate() {
        alert["labels"] = label(n);
        alert["annotations"] =
            json!({"summary": "the latency of the service is above its limit", "runbook_url": "https://example.com/r"});
        alert["startsAt"] = json!("2026-03-04T05:06:38Z");
    }
    let mapped = map("alertmanager", &body, false);
    assert_eq!(mapped.events.len(), 1000);
    assert!(mapped.events.iter().all(|event| !event.is_outline()));
}

fn request(path: &str, body: Vec<u8>) -> Request {
    Request {
        method: Method::Post,
        path: path.to_owned(),
        query: String::new(),
        headers: Headers::new([
            ("authorization".to_owned(), format!("Bearer {}", secret_for(path)).into_bytes()),
            ("cf-webhook-auth".to_owned(), SECRET.into()),
        ]),
        body,
        problem: None,
    }
}

fn deliver(path: &str, body: &Value) -> (Value, Vec<Value>) {
    let mut host = Accepting::new();
    let (reply, _) = pipeline::handle(&mut host, &request(path, body.to_string().into_bytes()));
    (serde_json::from_slice(&reply.body).expect("json"), host.sent)
}

fn cloud_event(subject: &str, state: &str, message: usize) -> Value {
    let data = json!({"state": state, "message": format!("number {message}")});
    json!({"type": "disk.alert", "source": "s", "subject": subject, "data": data})
}

fn actions(sent: &[Value], subject: &str) -> Vec<(String, String)> {
    let of_key = |event: &&Value| event["dedup_key"] == format!("cloudevents:s:{subject}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let both = |event: &Value| (text(&event["event_action"]), text(&event["payload"]["summary"]));
    sent.iter().filter(of_key).map(both).collect()
}

#[test]
fn events_of_one_alert_are_merged_into_the_last_of_each_action() {
    let states = ["acknowledged", "firing", "resolved", "firing"];
    let mut batch: Vec<Value> = (0..1500).map(|n| cloud_event("a", states[n % 4], n)).collect();
    batch.insert(1, cloud_event("b", "firing", 0));
    let (reply, sent) = deliver("/cloudevents", &batch.clone().into());
    let expected = [("acknowledge", 1496), ("resolve", 1498), ("trigger", 1499)];
    let expected = expected.map(|(action, n)| (action.to_owned(), format!("number {n} (a)")));
    assert_eq!(actions(&sent, "a"), expected);
    assert_eq!(actions(&sent, "b"), [("trigger".to_owned(), "number 0 (b)".to_owned())]);
    assert_eq!(sent.len(), 4);
    assert_eq!(reply["warnings"], json!(["1497 events were merged into later events of the same alert"]));

    let (preview, none) = deliver("/preview/cloudevents", &batch.into());
    assert_eq!(preview["warnings"], reply["warnings"]);
    let drafts = preview["events"].as_array().expect("a list");
    let bodies = drafts.iter().map(|draft| &draft["body"]["payload"]["summary"]);
    assert!(bodies.eq(sent.iter().map(|event| &event["payload"]["summary"])) && none.is_empty());
}

#[test]
fn the_requests_of_a_delivery_are_bounded_and_not_its_alerts() {
    let of = |n: usize| {
        let subject = format!("{:03}", n / 3);
        cloud_event(&subject, ["acknowledged", "resolved", "firing"][n % 3], n)
    };
    let batch: Value = (0..1500).map(of).collect();
    let (reply, sent) = deliver("/cloudevents", &batch);
    // 33 alerts with three events each, and the digest.
    assert_eq!(sent.len(), 100);
    assert_eq!(sent[0]["payload"]["class"], "digest");
    assert_eq!(sent[0]["payload"]["custom_details"]["alerts"].as_object().expect("a list").len(), 467);
    let warning = "1401 events are listed in a digest alert because there are too many to send individually";
    assert_eq!(reply["warnings"], json!([warning]));
}

#[test]
fn changes_are_not_merged_and_their_number_is_bounded() {
    let changes = |count: usize| (0..count).map(|n| Event::change(&format!("change {n}"), "s")).collect();
    let all = |count: usize| storm::plan(changes(count), None, ("x", "X"), Duration::ZERO, false);
    assert_eq!((all(100).events.len(), all(100).listed_changes), (100, 0));
    let plan = all(1500);
    assert_eq!((plan.events.len(), plan.listed_changes, plan.digested, plan.merged), (101, 1400, 0, 0));
    assert_eq!(plan.events[99].summary(), "change 99");
    let last = plan.events[100].to_json();
    let summary = "1400 more changes from X arrived in one delivery and are listed here instead of individually";
    assert_eq!(last["payload"]["summary"], summary);
    assert_eq!(last["payload"]["custom_details"]["changes"][1399], "change 1499");
}

/// `{"alerts":[…],"x":{}}` with so many values, and with commas and brackets in texts and white space between values.
fn with_values(count: usize) -> Vec<u8> {
    let mut body = br#"{ "a,[\"{": "[1,2,{\\", "x": { }, "y": [ ], "alerts": [ "#.to_vec();
    // The object, the text, the two empty ones, and the list itself.
    body.extend(vec!["1 ,"; count - 6].concat().bytes());
    body.extend(b"1 ] }");
    body
}

#[test]
fn a_body_of_more_than_50_000_values_is_too_large_to_map() {
    let too_many = "the body is too large to map: it has more than 50000 values";
    assert!(serde_json::from_slice::<Value>(&with_values(50_001)).is_ok());
    for source in SOURCES {
        let error = fixtures::map(source, &with_values(50_001), &[], false).expect_err(source.slug);
        assert_eq!(error.to_string(), too_many, "{}", source.slug);
        if let Err(error) = fixtures::map(source, &with_values(50_000), &[], false) {
            assert_ne!(error, MapError::TooManyValues, "{}", source.slug);
        }
    }
    let form = vec!["a=1&"; 50_000].concat();
    assert_eq!(try_map("datadog", form.as_bytes(), false), Err(MapError::TooManyValues));
    assert_ne!(try_map("datadog", form.trim_end_matches('&').as_bytes(), false), Err(MapError::TooManyValues));
    let parts = |count: usize| (0..count).map(|n| format!("--x\nname=\"{n}\"\n\nv\n")).collect::<String>();
    let typed = [("content-type".to_owned(), "multipart/form-data".to_owned())];
    let source = SOURCES.iter().find(|source| source.slug == "datadog").expect("a source");
    let map = |count: usize| fixtures::map(source, parts(count).as_bytes(), &typed, false);
    assert_eq!(map(50_001), Err(MapError::TooManyValues));
    assert_ne!(map(50_000), Err(MapError::TooManyValues));

    let body: Value = serde_json::from_slice(&with_values(50_001)).expect("json");
    let (reply, sent) = deliver("/alertmanager", &body);
    assert_eq!(reply["rejected"], json!([too_many]));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["payload"]["custom_details"]["reasons"], json!([too_many]));
}

#[test]
fn the_events_that_an_explanation_makes_count_towards_its_limit() {
    let members: Vec<String> = (0..20).map(|n| format!("\"member{n}\": \"text\"")).collect();
    let request = request("/formatted", format!("{{{}}}", members.join(",")).into_bytes());
    // How many events a run makes, and whether one explanation has room for all its runs.
    for (count, complete) in [(1, true), (40, false)] {
        let (runs, made) = (Cell::new(0), Cell::new(0));
        let map = |delivery: &Authenticated<'_>| {
            let payload = mapping::payload(delivery)?;
            let event = |n: usize| {
                let key = DedupKey::new("x", &[&n.to_string()]).expect("not blank");
                Event::new(Action::Trigger, key, Severity::Error, "a", "b").detail("all", payload.clone())
            };
            let events: Vec<Event> = (0..count).map(event).collect();
            runs.set(runs.get() + 1);
            // The weight counts memory, four bytes for one of JSON.
            made.set(made.get() + delivery.body().len() + events.iter().map(Event::weight).sum::<usize>() / 4);
            Ok(Mapped { events, ..Mapped::default() })
        };
        let explanation = fixtures::authenticated(&request, SHARED_SECRET, |delivery| {
            let events = map(delivery).expect("it is mapped").events;
            let question = Question { map: &map, delivery, words: &["ok"], in_time: &|| true };
            explain::explain(&question, &events, &Positions::of(&events), Wanted::All)
        });
        assert_eq!(explanation.incomplete.is_none(), complete, "{} runs", runs.get());
        assert!(runs.get() < 300, "{} runs", runs.get());
        assert!(made.get() < WORK_MAX_BYTES, "{} bytes", made.get());
    }
}

/// The reply to a preview.
fn preview(target: &str, body: &Value) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request { query: query.to_owned(), ..request(path, body.to_string().into_bytes()) };
    let (reply, _) = pipeline::handle(&mut Accepting::new(), &request);
    serde_json::from_slice(&reply.body).expect("json")
}

/// A group with so many alerts as a busy team has them.
fn alerts(count: usize) -> Value {
    let alert = |n: usize| {
        let labels = json!({"alertname": "HighErrorRate", "instance": format!("web-{n}:9100"), "severity": "critical"});
        let annotations = json!({"summary": format!("Checkout {n} fails"), "runbook_url": "https://runbooks.example/"});
        json!({"status": "firing", "fingerprint": format!("{n:016x}"), "startsAt": "2026-03-04T05:06:07Z",
            "labels": labels, "annotations": annotations})
    };
    json!({"version": "4", "groupKey": "g", "alerts": (0..count).map(alert).collect::<Vec<_>>()})
}

/// The numbers of the events that have an explanation.
fn explained(preview: &Value) -> Vec<usize> {
    let events = preview["events"].as_array().expect("a list").iter().enumerate();
    events.filter(|(_, event)| event["explanation"].is_array()).map(|(number, _)| number).collect()
}

/// The reply without the explanation.
fn unexplained(mut preview: Value) -> Value {
    let members = preview.as_object_mut().expect("an object");
    for name in ["explanation_incomplete", "unexplained", "unused"] {
        members.remove(name);
    }
    for event in preview["events"].as_array_mut().expect("a list") {
        event.as_object_mut().expect("an object").remove("explanation");
    }
    preview
}

#[test]
fn a_preview_explains_only_where_that_is_asked_for() {
    let plain = preview("/preview/alertmanager", &alerts(10));
    let names: Vec<&str> = plain["events"][0].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, ["body", "dedup_key", "event_action", "routing_key", "sha256", "url"]);
    let names: Vec<&str> = plain.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, ["auth", "events", "message", "status"]);

    let all = preview("/preview/alertmanager?explain", &alerts(10));
    assert_eq!(explained(&all), (0..10).collect::<Vec<_>>(), "ten usual alerts are explained at once");
    assert_eq!(all["unused"], json!(["groupKey", "version"]));
    assert_eq!((&all["unexplained"], &all["explanation_incomplete"]), (&Value::Null, &Value::Null));
    for (number, event) in all["events"].as_array().expect("a list").iter().enumerate() {
        let of = |field: &str| {
            let origins = event["explanation"].as_array().expect("a list");
            origins.iter().find(|origin| origin["field"] == field).expect("an origin").clone()
        };
        let path = |end: &str| format!("alerts[{number}].{end}");
        let from = ["annotations.summary", "labels.alertname", "labels.instance"].map(path);
        assert_eq!(of("payload.summary"), json!({"field": "payload.summary", "how": "made", "from": from}));
        let looked_up = json!({"field": "event_action", "how": "table", "from": [path("status")],
            "row": "firing → trigger"});
        assert_eq!(of("event_action"), looked_up);
    }
    assert_eq!(unexplained(all), plain);
}

#[test]
fn one_event_is_explained_by_its_number_and_unexplained_ones_are_named() {
    let plain = preview("/preview/alertmanager", &alerts(100));
    let some = preview("/preview/alertmanager?explain", &alerts(100));
    let done = explained(&some);
    assert!(done.len() >= 10 && done.len() < 100, "{done:?}");
    let rest: Vec<usize> = (done.len()..100).collect();
    assert_eq!((&some["unexplained"], done), (&json!(rest), (0..100 - rest.len()).collect()));
    let why =
        "not every event is explained, because there are many; ?explain=7 explains the event of that number, from 0";
    assert_eq!((&some["explanation_incomplete"], &some["unused"]), (&json!(why), &Value::Null));
    assert_eq!(unexplained(some), plain);

    let last = preview("/preview/alertmanager?explain=99", &alerts(100));
    assert_eq!((explained(&last), &last["explanation_incomplete"]), (vec![99], &Value::Null));
    let origin = json!({"field": "dedup_key", "how": "made", "from": ["alerts[99].fingerprint"]});
    assert!(last["events"][99]["explanation"].as_array().expect("a list").contains(&origin), "{last}");
    let none = preview("/preview/alertmanager?explain=100", &alerts(100));
    assert_eq!(none["explanation_incomplete"], "there is no event of this number; the first is 0");
    assert_eq!(unexplained(none), plain);
}

#[test]
fn a_mapping_does_not_see_the_parameter_that_asks_for_an_explanation() {
    // Without a body, the parameters of the query are the payload.
    let by_get = |query: &str| {
        let request =
            Request { method: Method::Get, query: query.to_owned(), ..request("/preview/uptimerobot", Vec::new()) };
        let (reply, _) = pipeline::handle(&mut Accepting::new(), &request);
        serde_json::from_slice::<Value>(&reply.body).expect("json")
    };
    let query = "monitorID=1&alertType=1&monitorFriendlyName=shop+%26+co&alertDetails=503";
    let plain = by_get(query);
    assert_eq!(plain["events"].as_array().map(Vec::len), Some(1), "{plain}");
    for query in [format!("explain&{query}"), format!("{query}&explain=0"), query.replacen('&', "&%65xplain=&", 1)] {
        let all = by_get(&query);
        assert_eq!(explained(&all), [0], "{query}");
        assert_eq!(unexplained(all), plain, "{query}");
    }
}

#[test]
fn a_body_that_is_hard_to_explain_is_still_previewed() {
    let too_large = "the explanation was cut short because the payload is large";
    let members: serde_json::Map<String, Value> = (0..3000).map(|n| (format!("m{n}"), json!(n))).collect();
    let mut body = json!({"event_action": "trigger", "dedup_key": "k",
        "payload": {"summary": "s", "source": "s", "severity": "error"}});
    body["payload"]["custom_details"] = members.into();
    let shown = preview("/preview/events?explain", &body);
    assert_eq!((&shown["explanation_incomplete"], explained(&shown).len()), (&json!(too_large), 0));
    assert_eq!(shown["unexplained"], json!([0]));
    // Even to parse it once more would take too long.
    body["payload"]["custom_details"] = json!({"text": "x".repeat(300_000)});
    let shown = preview("/preview/events?explain", &body);
    assert_eq!((&shown["explanation_incomplete"], explained(&shown).len()), (&json!(too_large), 0));
    // Each of many events is small, so some of them are explained.
    let mut body = group(2000, json!({"externalURL": "https://example.com"}));
    for (n, alert) in body["alerts"].as_array_mut().expect("a list").iter_mut().enumerate() {
        alert["labels"] = json!({"alertname": format!("Alert{n}")});
    }
    let shown = preview("/preview/alertmanager?explain", &body);
    assert_eq!(shown["events"].as_array().map(Vec::len), Some(101), "100 events and a digest");
    let done = explained(&shown);
    assert!(!done.is_empty() && done.len() < 100, "{done:?}");
}

#[cfg(feature = "templates")]
#[test]
fn a_template_that_copies_a_long_text_for_each_item_stays_within_the_budget() {
    let template = r#"{"each": "payload.list", "event": {
        "event_action": "trigger", "dedup_key": "{{ item }}",
        "payload": {"summary": "{{ item }}", "source": "s", "custom_details": {"text": "{{ payload.text }}"}}}}"#;
    let body = json!({"text": "x".repeat(30_000), "list": (0..200).collect::<Vec<_>>()});
    let request = request("/custom/x", body.to_string().into_bytes());
    let mut host = Accepting::new();
    host.variables.insert("custom_x", template);
    let (reply, _) = pipeline::handle(&mut host, &request);
    let reply: Value = serde_json::from_slice(&reply.body).expect("json");
    let warning = reply["warnings"][0].as_str().expect("a warning");
    let (outlines, rest) = warning.split_once(' ').expect("a number");
    assert_eq!(rest, "events sent without details, because the events of this delivery exceed the size limit");
    let whole = 200 - outlines.parse::<usize>().expect("a number");
    let budget = BUDGET_PER_BYTE * request.body.len() + BUDGET_BYTES;
    assert!(whole * 30_000 < budget && (whole + 1) * 31_000 > budget, "{whole} events are whole");
    assert_eq!(host.sent.len(), 101);
}

#[test]
fn zones_without_a_name_are_one_alert() {
    let zones = json!([1, {"host": "a"}, {}, null, {"zone_name": "b"}]);
    let body = json!({"alert_type": "real_origin_monitoring", "name": "n", "data": {"unreachable_zones": zones}});
    let keys = map("cloudflare", &body, false).events;
    let keys: Vec<&str> = keys.iter().filter_map(Event::dedup_key).map(DedupKey::as_str).collect();
    assert_eq!(keys.len(), 3, "{keys:?}");
}

#[test]
fn details_are_cut_to_the_room_that_they_have_and_no_further() {
    let value = json!({
        "text": "a \"quoted\" text\nwith \u{1} and \u{e9}", "list": [1, -2.5, null, true, false, {}, []],
        "nested": {"deep": ["x".repeat(500), {"y": "z"}]}, "empty": "", "number": 18_446_744_073_709_551_615_u64,
    });
    let members = value.as_object().expect("an object");
    let whole = value.to_string().len();
    assert_eq!(*shrink::fit(members, whole), *members, "the size is exact");
    for room in 120..whole {
        let cut = shrink::fit(members, room).into_owned();
        assert!(Value::Object(cut.clone()).to_string().len() <= room, "{room}: {cut:?}");
        assert!(cut.contains_key("shortened_to_fit"), "{room}");
    }
    assert!(shrink::fit(members, 10).is_empty());
}
