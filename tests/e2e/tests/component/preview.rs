//! A preview shows exactly what is sent: bodies, hashes and order, through the compiled component.

use std::collections::BTreeSet;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::fixtures::{self, Fixture};
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Reply, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SERVICE_KEY, evidence, run, secret_for};
use serde_json::{Value, json};

async fn call(world: &World, call: Call) -> Reply {
    relay(Flavour::Spin).call(world, call).await.expect("the component answers")
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// The hashes of a list of events, in order.
/// The hashes of the events of a preview or a log, each followed by that of its copy with the former key.
fn hashes(events: &Value) -> Vec<String> {
    let of = |event: &Value| [event["sha256"].clone(), event["with_former_key"]["sha256"].clone()];
    list(events).iter().flat_map(of).filter_map(|hash| hash.as_str().map(str::to_owned)).collect()
}

/// The environment of a delivery with both keys, so that a resolve is sent twice.
fn world(pagerduty: &PagerDuty) -> World {
    World::new(&pagerduty.url()).with("routing_key", SERVICE_KEY).with("routing_key_previous", ROUTING_KEY)
}

#[test]
fn for_every_fixture_preview_log_and_wire_have_the_same_hashes() {
    run(async {
        let mut events = 0;
        for fixture in fixtures::of_each_kind() {
            for (group, unmapped) in [(false, "page"), (true, "reject")] {
                events += compare(&fixture, group, unmapped).await;
            }
        }
        assert!(events > 500, "{events} events were compared");
        evidence(&format!("preview: {events} bodies with the same hash in preview, log and on the wire"));
    });
}

/// A call for a preview that asks for its explanation.
fn explaining(mut call: Call) -> Call {
    call.path += if call.path.contains('?') { "&explain" } else { "?explain" };
    call
}

/// Previews a fixture and sends it. Returns the number of compared bodies.
async fn compare(fixture: &Fixture, group: bool, unmapped: &str) -> usize {
    let name = fixture.name();
    let pagerduty = PagerDuty::start().await;
    let world = world(&pagerduty).with("grouping", if group { "group" } else { "alert" }).with("unmapped", unmapped);
    let slug = fixture.source.slug;
    let mut previewed = Call::fixture(fixture, &format!("/preview/{slug}"), secret_for(slug));
    let mut sent = Call::fixture(fixture, &format!("/{slug}"), secret_for(slug));
    for call in [&mut previewed, &mut sent] {
        // Without this header, the secret is enough for SNS, and there is no certificate to fetch.
        call.headers.retain(|(name, _)| name != "x-amz-sns-message-type");
    }
    let preview = call(&world, explaining(previewed)).await;
    assert!(pagerduty.received().is_empty() && preview.sent.is_empty(), "{name}: a preview sends nothing");
    let reply = call(&world, sent).await;
    if reply.status == 403 {
        // A subscription to a topic that is not listed.
        assert_eq!(preview.status, 403, "{name}");
        return 0;
    }
    let (preview, log) = (preview.json(), reply.log_json());
    assert_eq!(hashes(&preview["events"]), hashes(&log["events"]), "{name}: preview and log");
    for part in ["ignored", "rejected", "auth"] {
        assert_eq!(preview[part], log[part], "{name}: {part}");
    }
    if preview["events"].is_null() {
        let asks = preview["warnings"] == json!(["the sender asks a question, which would be answered"]);
        let says = asks || preview["ignored"].is_array() || preview["rejected"].is_array();
        assert!(says, "{name}: says why nothing is sent");
    }

    // With both keys, the preview shows everything that arrives, with the exact bytes.
    let received: Vec<_> = pagerduty.received().into_iter().filter(|r| r.path.starts_with("/v2/")).collect();
    let arrived: BTreeSet<String> = received.iter().map(|r| pagerelay::text::sha256_hex(&r.bytes)).collect();
    let mut promised = BTreeSet::new();
    for event in list(&preview["events"]) {
        assert_eq!(event["routing_key"], "routing_key", "{name}");
        assert_eq!(event["body"]["routing_key"], "[variable routing_key]", "{name}");
        // The event itself, and its copy with the former dedup key.
        for request in [&event, &event["with_former_key"]] {
            let keys = [(SERVICE_KEY, &request["sha256"]), (ROUTING_KEY, &request["with_previous_key"]["sha256"])];
            for (key, hash) in keys {
                let Some(hash) = hash.as_str() else { continue };
                let mut body = event["body"].clone();
                body["routing_key"] = key.into();
                if !event["dedup_key"].is_null() {
                    body["dedup_key"] = request["dedup_key"].clone();
                }
                let bytes = pagerelay::json::encode(&body);
                assert_eq!(pagerelay::text::sha256_hex(&bytes), hash, "{name}: the body with its key has the hash");
                promised.insert(hash.to_owned());
            }
        }
        let path = if event["event_action"] == "change" { "/v2/change/enqueue" } else { "/v2/enqueue" };
        assert!(event["url"].as_str().is_some_and(|url| url.ends_with(path)), "{name}: {}", event["url"]);
        check_explanation(&event, &name, &preview);
    }
    assert_eq!(promised, arrived, "{name}: preview and wire");
    received.len()
}

/// Checks that every field of an explained event is explained, and that every copied value is in the payload.
fn check_explanation(event: &Value, name: &str, preview: &Value) {
    let Some(explanation) = event["explanation"].as_array() else {
        let digest = ["unmapped", "unfilled", "digest"].iter().any(|class| event["body"]["payload"]["class"] == *class);
        assert!(digest || preview["explanation_incomplete"].is_string(), "{name}: nothing explains {event}");
        return;
    };
    let explained: BTreeSet<&str> = explanation.iter().filter_map(|origin| origin["field"].as_str()).collect();
    for pointer in ["event_action", "dedup_key", "payload.summary", "payload.source", "payload.severity"] {
        let there = event["body"].pointer(&format!("/{}", pointer.replace('.', "/"))).is_some();
        assert_eq!(explained.contains(pointer), there, "{name}: {pointer}");
    }
    for origin in explanation {
        let from = list(&origin["from"]);
        let how = origin["how"].as_str().expect("a word");
        assert_eq!(from.is_empty(), ["fallback", "unknown"].contains(&how), "{name}: {origin}");
        let complete = preview["explanation_incomplete"].is_null();
        assert!(!complete || how != "unknown", "{name}: {origin}");
        assert!(["copied", "table", "made", "needed", "fallback", "unknown"].contains(&how), "{name}: {origin}");
    }
}

/// The origin of a field of a previewed fixture's first event.
async fn origin(slug: &str, number: &str, field: &str) -> Value {
    let pagerduty = PagerDuty::start().await;
    let source = pagerelay::sources::find(slug).expect("a source");
    let fixture = fixtures::of(source).into_iter().find(|fixture| fixture.number() == number).expect("a fixture");
    let mut previewed = Call::fixture(&fixture, &format!("/preview/{slug}"), secret_for(slug));
    previewed.headers.retain(|(name, _)| name != "x-amz-sns-message-type");
    let reply = call(&world(&pagerduty), explaining(previewed)).await.json();
    let explanation = list(&reply["events"][0]["explanation"]);
    explanation
        .into_iter()
        .find(|origin| origin["field"] == field)
        .unwrap_or_else(|| panic!("{slug}: {field}: {reply}"))
}

#[test]
fn an_explanation_names_the_path_the_row_or_the_fallback() {
    run(async {
        let cases = [
            (
                ("alertmanager", "01", "payload.summary"),
                json!({"field": "payload.summary", "how": "made", "from": [
                    "alerts[0].annotations.summary", "alerts[0].labels.alertname", "alerts[0].labels.instance"]}),
            ),
            (
                ("alertmanager", "01", "event_action"),
                json!({"field": "event_action", "how": "table", "from": ["alerts[0].status"], "row": "firing → trigger"}),
            ),
            (("alertmanager", "01", "client"), json!({"field": "client", "how": "fallback", "from": []})),
            (
                ("alertmanager", "01", "payload.custom_details.labels"),
                json!({"field": "payload.custom_details.labels", "how": "copied", "from": ["alerts[0].labels"]}),
            ),
            (
                ("formatted", "01", "payload.severity"),
                json!({"field": "payload.severity", "how": "table", "from": ["severity"], "row": "high → error"}),
            ),
            // Inside the text of an Amazon SNS message.
            (
                ("sns", "01", "payload.timestamp"),
                json!({"field": "payload.timestamp", "how": "made", "from": ["Message.StateChangeTime"]}),
            ),
        ];
        for ((slug, number, field), wanted) in cases {
            assert_eq!(origin(slug, number, field).await, wanted, "{slug}: {field}");
        }
    });
}

/// The fixtures whose payload does not decide the action: their senders only report problems, need a field of the user's own
/// for anything else, or say it in a header.
const ALWAYS: [&str; 6] = ["falco 01", "falco 02", "graylog 01", "mongodbatlas 01", "mongodbatlas 02", "splunk 01"];

#[test]
fn of_the_first_two_fixtures_of_every_source_it_is_known_what_decides_the_action() {
    run(async {
        let mut undecided = Vec::new();
        for source in pagerelay::sources::SOURCES {
            for number in ["01", "02"] {
                let action = origin(source.slug, number, "event_action").await;
                // In some APIs, the path decides.
                if source.api.is_some() && action == json!({"field": "event_action", "how": "fallback", "from": []}) {
                    continue;
                }
                // A CloudEvent is an alert because of the words in its type.
                if action["how"] == "fallback" && source.slug == "cloudevents" {
                    let needed = origin(source.slug, number, "*").await;
                    assert_eq!(needed, json!({"field": "*", "how": "needed", "from": ["type"]}));
                    continue;
                }
                if action["how"] != "table" {
                    undecided.push(format!("{} {number}", source.slug));
                }
            }
        }
        assert_eq!(undecided, ALWAYS);
    });
}

#[test]
fn a_preview_says_what_was_cut_and_what_nothing_uses() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let long = "x".repeat(2000);
        let body = json!({
            "alert_uid": "u".repeat(300), "title": long, "state": "alerting", "image_url": "http://plain.example/a.png",
            "link_to_upstream_details": "not a url", "message": "m".repeat(600_000),
        });
        let reply = call(&world(&pagerduty), Call::post("/preview/formatted", body.to_string())).await.json();
        let cut: Vec<String> =
            list(&reply["events"][0]["cut"]).iter().map(|cut| cut.as_str().unwrap().to_owned()).collect();
        let wanted = [
            "payload.summary: truncated to 1024 characters; the full text is in custom_details.full_summary",
            "links: one omitted because it is not an absolute http or https URL, or there are already 16",
            "images: one omitted because it is not an absolute https URL, or there are already 8",
            "dedup_key: truncated to 255 bytes; it ends with the SHA-256 of the full key",
            "payload.custom_details.message: truncated to fit 512 KB",
        ];
        assert_eq!(cut, wanted);

        let fixture = include_bytes!("../../../fixtures/alertmanager/01-firing-two-alerts.json").as_slice();
        let reply = call(&world(&pagerduty), Call::post("/preview/alertmanager?explain", fixture)).await.json();
        assert!(list(&reply["unused"]).contains(&json!("version")), "{}", reply["unused"]);
        assert_eq!(reply["message"], "2 events would be sent");
    });
}

#[test]
fn a_preview_is_for_known_senders_and_its_log_holds_no_payload() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = world(&pagerduty);
        let fixture = include_bytes!("../../../fixtures/events/01-firing-trigger.json").as_slice();
        let stranger = call(&world, Call::stranger("POST", "/preview/events", fixture)).await;
        // A mistyped secret in a preview must not trigger an alarm on the log.
        assert_eq!((&stranger.log_json()["level"], &stranger.log_json()["preview"]), (&json!("info"), &json!(true)));
        assert_eq!((stranger.status, &stranger.json()["detail"]), (401, &json!("missing or invalid credentials")));
        let closed = call(&world.clone().without("secret_events"), Call::post("/preview/events", fixture)).await;
        let unset =
            "variable `secret_events` is not set; set it, because `webhook_secret` is not accepted for this path";
        assert_eq!((closed.status, &closed.json()["detail"]), (503, &json!(unset)));
        let keyless = call(&world.clone().without("routing_key"), Call::post("/preview/events", fixture)).await;
        assert_eq!((keyless.status, &keyless.json()["detail"]), (503, &json!("variable `routing_key` is not set")));
        let reply = call(&world, Call::post("/preview/events", fixture)).await;
        assert_eq!(reply.log_json()["preview"], true);
        let summary = reply.json()["events"][0]["body"]["payload"]["summary"].as_str().expect("a summary").to_owned();
        assert!(!reply.log.contains(&summary) && !reply.log.contains("body"), "{}", reply.log);
    });
}

/// The explained events of a preview, as field to origin.
async fn explained(path: &str, payload: &Value) -> (Value, Vec<Vec<Value>>) {
    let pagerduty = PagerDuty::start().await;
    let reply = call(&world(&pagerduty), explaining(Call::post(path, payload.to_string()))).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
    let events = list(&reply.json()["events"]).iter().map(|event| list(&event["explanation"])).collect();
    (reply.json(), events)
}

fn of<'a>(origins: &'a [Value], field: &str) -> &'a Value {
    origins.iter().find(|origin| origin["field"] == field).unwrap_or(&Value::Null)
}

#[test]
fn in_a_large_batch_each_event_is_explained_with_its_own_item() {
    run(async {
        let alert = |i: usize| {
            json!({"status": "firing", "fingerprint": format!("f{i}"), "startsAt": "2026-03-04T05:06:07Z",
                "labels": {"alertname": "Disk", "instance": format!("db-{i}"), "severity": if i == 0 { "critical" } else { "warning" }},
                "annotations": {"summary": format!("Disk {i} is full")}})
        };
        let payload = json!({"groupKey": "g", "alerts": (0..40).map(alert).collect::<Vec<_>>()});
        let (said, events) = explained("/preview/alertmanager", &payload).await;
        for (number, origins) in events.iter().enumerate().filter(|(_, origins)| !origins.is_empty()) {
            let of_alert = |member: &str| format!("alerts[{number}].{member}");
            let from = [of_alert("annotations.summary"), of_alert("labels.instance")];
            let summary = json!({"field": "payload.summary", "how": "made", "from": from});
            assert_eq!(of(origins, "payload.summary"), &summary, "{number}");
            let (from, word) = (of_alert("labels.severity"), if number == 0 { "critical" } else { "warning" });
            let row = format!("{word} → {word}");
            let severity = json!({"field": "payload.severity", "how": "table", "from": [from], "row": row});
            assert_eq!(of(origins, "payload.severity"), &severity);
        }
        let explained = events.iter().filter(|origins| !origins.is_empty()).count();
        assert_eq!((events.len(), explained + list(&said["unexplained"]).len()), (40, 40));
        assert!(explained >= 10, "{explained}");
    });
}

#[test]
fn a_payload_that_is_too_large_to_explain_has_no_unused_parts() {
    run(async {
        let payload = json!({"event_action": "trigger", "dedup_key": "k",
            "payload": {"summary": "s", "source": "here", "severity": "error", "custom_details": {"a": "x".repeat(900_000)}}});
        let (said, events) = explained("/preview/events", &payload).await;
        assert_eq!(said["explanation_incomplete"], "the explanation was cut short because the payload is large");
        assert_eq!((&said["unused"], &said["unexplained"], events[0].len()), (&Value::Null, &json!([0]), 0));
    });
}

#[test]
fn payloads_made_to_be_hard_to_explain_are_explained_in_part() {
    run(async {
        // A long name before a long list, nested lists, JSON in text, as many members as many headers.
        let event = json!({"summary": "s", "source": "here", "severity": "error"});
        let mut nested = json!(1);
        for _ in 0..100 {
            nested = json!([nested, nested.is_array()]);
        }
        let hard = [
            json!({"n".repeat(300_000): vec![0; 6_000]}),
            json!({"a": vec![json!({"b": vec![json!({"c": 1}); 100]}); 100]}),
            json!({"t": json!({"t": json!({"t": vec![0; 5_000]}).to_string()}).to_string()}),
            json!((0..20_000).map(|i| (format!("m{i}"), json!(i))).collect::<serde_json::Map<_, _>>()),
            nested,
        ];
        for hard in hard {
            let payload = json!({"event_action": "trigger", "dedup_key": "k", "payload": event, "zz": hard});
            let (said, events) = explained("/preview/events", &payload).await;
            assert_eq!(events.len(), 1);
            assert!(!events[0].is_empty() || said["explanation_incomplete"].is_string());
        }
        // Items without events, and a template that is evaluated for each of them.
        let template = json!({"each": "alerts", "event": {"event_action": "trigger", "dedup_key": "{{ item.id }}",
            "payload": {"summary": "{{ item.t }}", "source": "s", "custom_details": {"x": "y".repeat(30_000)}}}});
        let mut payload = json!({"alerts": [{"id": 1, "t": "T"}]});
        payload["alerts"].as_array_mut().unwrap().extend(vec![Value::Null; 999]);
        for i in 0..180 {
            payload[format!("w{i}")] = "word".into();
        }
        let pagerduty = PagerDuty::start().await;
        let world = world(&pagerduty).with("custom_mine", &template.to_string());
        let reply = call(&world, Call::post("/preview/custom/mine?explain", payload.to_string())).await;
        assert_eq!(
            reply.json()["explanation_incomplete"],
            "the explanation was cut short because the payload is large"
        );
    });
}

#[test]
fn a_storm_is_previewed_as_it_would_go_out_and_a_large_one_still_within_its_bounds() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let alert = |i: usize| json!({"status": "firing", "fingerprint": i.to_string(), "labels": {"alertname": "Disk", "n": "x".repeat(900)}});
        let storm = json!({"groupKey": "g", "alerts": (0..900).map(alert).collect::<Vec<_>>()}).to_string();
        let preview = call(&world(&pagerduty), Call::post("/preview/alertmanager?explain", storm.clone())).await.json();
        let reply = call(&world(&pagerduty), Call::post("/alertmanager", storm)).await;
        assert_eq!(hashes(&preview["events"]), hashes(&reply.log_json()["events"]));
        assert_eq!(preview["explanation_incomplete"], "the explanation was cut short because the payload is large");
    });
}
