//! The compiled component under wasmtime, end to end, with the mock PagerDuty at the other end.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use pagerelay::http::BODY_TIMEOUT;
use pagerelay::sources;
use pagerelay::sources::{SOURCES, Source, variables};
use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::fixtures;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, Egress, Reply, World, relay};
use pagerelay_e2e::{OWN_SECRET, ROUTING_KEY, SECRET, SERVICE_KEY, contract, evidence, run, secret_for};
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

/// The topic of the fixtures that confirm a subscription.
const TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:oncall";

const FLAVOURS: [Flavour; 2] = [Flavour::Spin, Flavour::Wasmtime];

/// Sends a call through the released component.
fn call(world: &World, call: Call) -> Reply {
    run(relay(Flavour::Spin).call(world, call)).expect("the component answers")
}

#[test]
fn the_imports_are_exactly_those_of_the_golden_file() {
    for flavour in FLAVOURS {
        let bytes = std::fs::read(build::component(flavour)).expect("the component is readable");
        let mut names = Vec::new();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload.expect("a valid component") {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    names.extend(imports.into_iter().map(|import| format!("import {}", import.unwrap().name.name)));
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    names.extend(exports.into_iter().map(|export| format!("export {}", export.unwrap().name.name)));
                }
                _ => {}
            }
        }
        names.sort();
        let golden = include_str!("../../../fixtures/imports.txt");
        let golden = match flavour {
            Flavour::Spin => golden.to_owned(),
            Flavour::Wasmtime => golden
                .replace("0.2.0-draft-2024-09-27", "0.2.0-rc.1")
                .replace("import wasi:keyvalue/store@0.2.0-draft2\n", ""),
        };
        assert_eq!(names.join("\n") + "\n", golden, "{flavour:?}");
    }
}

#[test]
fn the_readme_says_how_large_it_is() {
    let size = std::fs::metadata(build::component(Flavour::Spin)).expect("it is built").len();
    let readme = include_str!("../../../../README.md");
    let (_, rest) = readme.split_once("The component has ").expect("it says so");
    let said: u64 = rest.split_once(" KB").and_then(|(said, _)| said.parse().ok()).expect("a number");
    // Compilers differ by a few percent.
    assert!((said * 1000).abs_diff(size) < size / 20, "the README says {said} KB, and it is {size} bytes");
}

#[test]
fn every_fixture_goes_through_the_component() {
    run(async {
        let mut deliveries = 0;
        for flavour in FLAVOURS {
            for fixture in fixtures::all() {
                for group in [false, true] {
                    if group && !fixture.can_group() {
                        continue;
                    }
                    let what = format!("{} ({flavour:?}, grouped: {group})", fixture.name());
                    let pagerduty = PagerDuty::start().await;
                    let grouping = if group { "group" } else { "alert" };
                    let world = World::new(&pagerduty.url()).with("grouping", grouping).with("unmapped", "reject");
                    // An orchestration's key accepts no change events.
                    let mut world = world.with("routing_key", SERVICE_KEY);
                    let slug = fixture.source.slug;
                    let mut call = Call::fixture(&fixture, &format!("/{slug}"), secret_for(slug));
                    if fixture.map(group).is_ok_and(|mapped| mapped.handshake.is_some()) {
                        world = world.with("sns_topics", TOPIC);
                        world.egress = Egress::Double(pagerduty.address());
                        // Amazon's answer. Without this header, the secret is enough.
                        pagerduty.script([Answer::say(200, "<ConfirmSubscriptionResponse/>")]);
                        call.headers.retain(|(name, _)| name != "x-amz-sns-message-type");
                    }
                    let reply = relay(flavour).call(&world, call).await.expect("the component answers");

                    let expected = fixture.expected(group);
                    let events = fixture.expected_requests(group);
                    let received =
                        pagerduty.received().into_iter().filter(|received| received.path.starts_with("/v2/"));
                    let mut sent: Vec<Value> = received.map(|received| received.event).collect();
                    let mut wanted: Vec<Value> =
                        events.iter().map(|event| contract::with_key(event, SERVICE_KEY)).collect();
                    // The events of one delivery are sent concurrently, so they arrive in any order.
                    sent.sort_by_key(Value::to_string);
                    wanted.sort_by_key(Value::to_string);
                    assert_eq!(sent, wanted, "{what}");
                    assert!(pagerduty.received().iter().all(|received| matches!(received.status, 200 | 202)), "{what}");

                    let said = reply.log_json();
                    // The API of a source has successes of its own.
                    let in_api = fixtures::pseudo(&fixture.headers, ":path").is_some();
                    let success = u16::from(fixture.source.success);
                    match &expected.error {
                        None if in_api => assert!((200..300).contains(&reply.status), "{what}: {}", reply.json()),
                        None => assert_eq!(reply.status, success, "{what}: {}", reply.json()),
                        Some(error) => {
                            assert!((400..500).contains(&reply.status), "{what}: {}", reply.json());
                            let first = error.lines().next().expect("an error has a line");
                            assert_eq!(said["error"], first, "{what}");
                            assert_eq!(in_api, reply.json().get("detail").is_none(), "{what}");
                        }
                    }
                    let listed = said["ignored"].as_array().map_or(0, Vec::len);
                    assert_eq!(listed, expected.ignored.map_or(0, |lines| lines.lines().count()), "{what}");
                    assert_eq!(said["events"].as_array().map_or(0, Vec::len), events.len(), "{what}");
                    deliveries += 1;
                }
            }
        }
        evidence(&format!("fixtures: {} files, {deliveries} deliveries through the component", fixtures::all().len()));
    });
}

#[test]
fn the_reply_and_the_log_tell_what_came_of_each_event() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let body = include_bytes!("../../../fixtures/events/01-firing-trigger.json").as_slice();
        let reply = relay(Flavour::Spin).call(&world, Call::post("/events/", body)).await.expect("an answer");
        let received = pagerduty.received().pop().expect("one event");
        let event = json!({
            "event_action": "trigger",
            "dedup_key": "backup/nightly/db-4",
            "sha256": pagerelay::text::sha256_hex(&received.bytes),
            "attempts": 1,
            "pagerduty": "202 Event processed",
        });
        let reply_json = json!({
            "status": "success",
            "message": "1 event accepted by PagerDuty",
            "dedup_key": "backup/nightly/db-4",
            "auth": "bearer, current secret",
            "events": [event.clone()],
        });
        assert_eq!((reply.status, reply.json()), (202, reply_json));
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["content-length"], reply.body.len().to_string());

        let mut log = reply.log_json();
        let log = log.as_object_mut().expect("the log is one line of json");
        let time = log.remove("time").expect("a time");
        assert_eq!(pagerelay::text::timestamp(time.as_str().expect("text")), Some(time.as_str().unwrap().to_owned()));
        for name in ["ms", "ms_read", "ms_auth", "ms_map", "ms_deliver"] {
            assert!(log.remove(name).is_some_and(|ms| ms.is_u64()), "{name}");
        }
        let rest = json!({
            "level": "info", "status": 202, "source": "events", "service": null, "version": pagerelay::BUILD,
            "auth": "bearer, current secret", "events": [event],
        });
        assert_eq!(Value::Object(log.clone()), rest);
        assert_eq!(received.headers["content-type"], "application/json");
        assert_eq!(received.headers["content-length"], received.bytes.len().to_string());
        assert_eq!(received.headers["user-agent"], format!("pagerelay/{}", pagerelay::BUILD));
    });
}

#[test]
fn a_service_has_a_routing_key_of_its_own() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let own = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6";
        let world = World::new(&pagerduty.url()).with("routing_key_data_platform", own);
        let body = include_bytes!("../../../fixtures/events/01-firing-trigger.json").as_slice();
        let relay = relay(Flavour::Spin);
        let reply = relay.call(&world, Call::post("/events/data_platform", body)).await.expect("an answer");
        assert_eq!(reply.status, 202);
        assert_eq!(reply.log_json()["service"], "data_platform");
        assert_eq!(pagerduty.received()[0].event["routing_key"], own);
        let reply = relay.call(&world, Call::post("/events/web", body)).await.expect("an answer");
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json()["detail"], "variable `routing_key_web` is not set");
    });
}

#[test]
fn paths_and_methods_lead_where_they_should() {
    let world = World::new("http://127.0.0.1:1/v2/enqueue");
    let ask = |method, path: &str| {
        let reply = call(&world, Call::stranger(method, path, "{}"));
        (reply.status, reply.headers.get("allow").cloned(), reply.log.is_empty())
    };
    assert_eq!(ask("GET", "/health"), (200, None, true));
    assert_eq!(ask("HEAD", "/health"), (200, None, true));
    assert_eq!(ask("POST", "/health"), (405, Some("GET, HEAD".to_owned()), false));
    assert_eq!(ask("POST", "/"), (405, Some("GET, HEAD".to_owned()), false));
    assert_eq!(ask("POST", "/preview"), (404, None, false));
    assert_eq!(ask("POST", "/preview/nobody"), (404, None, false));
    assert_eq!(ask("POST", "/preview/grafana/web"), (401, None, false));
    assert_eq!(ask("GET", "/preview/grafana"), (405, Some("POST, PUT, OPTIONS".to_owned()), false));
    assert_eq!(ask("POST", "/alertmanager"), (401, None, false));
    assert_eq!(ask("PUT", "/grafana?from=here"), (401, None, false));
    assert_eq!(ask("GET", "/alertmanager"), (405, Some("POST, PUT, OPTIONS".to_owned()), false));
    assert_eq!(ask("BREW", "/alertmanager"), (405, Some("POST, PUT, OPTIONS".to_owned()), false));
    for path in [
        "//alertmanager",
        "/nagios",
        "/alertmanager/a/b",
        "/alertmanager/A",
        "/alertmanager/a__b",
        "/alertmanager/previous",
        "/alertmanager/web_previous",
        "/alertmanager/_a",
        "/alertmanager/1a",
        "/alertmanager/%61",
        "/Alertmanager",
    ] {
        assert_eq!(ask("POST", path), (404, None, false), "{path}");
    }
}

#[test]
fn the_set_up_pages_say_what_to_enter() {
    // These endpoints work without any variables.
    let world = World::default();
    let get = |path: &str| call(&world, Call::stranger("GET", path, ""));
    let list = get("/setup");
    for source in SOURCES {
        let slug = source.slug;
        assert!(String::from_utf8_lossy(&list.body).contains(&format!("- /setup/{slug}: {}\n", source.name)));
        let reply = get(&format!("/setup/{slug}"));
        assert_eq!((reply.status, reply.headers["content-type"].as_str()), (200, "text/plain; charset=utf-8"));
        let page = String::from_utf8_lossy(&reply.body).into_owned();
        for part in
            [source.setup.triggers, source.setup.resolves, source.docs, &format!("secret_{slug}"), &format!("/{slug}")]
        {
            assert!(page.contains(part), "{slug}: {part} is not in\n{page}");
        }
        assert!(source.setup.template.is_none_or(|template| page.contains(template)), "{slug}");
        assert!(!page.contains("{url}"), "{slug}: {page}");
        let steps = source.setup.steps.lines().count();
        assert!((1..=6).contains(&steps) && page.contains(&format!("\n{steps}. ")), "{slug}: {page}");
        assert!(page.lines().count() < 100 && reply.log.is_empty() && reply.asked.is_empty(), "{slug}");
    }
    let call_ = Call::stranger("GET", "/setup/grafana", "").header("accept", "text/markdown;q=0.9, */*;q=0.1");
    assert_eq!(call(&world, call_).headers["content-type"], "text/markdown; charset=utf-8");
    assert_eq!(get("/setup/unheard").status, 404);
    assert_eq!(call(&world, Call::stranger("POST", "/setup", "")).headers["allow"], "GET, HEAD");
}

#[test]
fn senders_of_cloudevents_may_ask_before_they_send() {
    let asks = Call::stranger("OPTIONS", "/events", "").header("webhook-request-origin", "events.shop.example");
    let reply = call(&World::default(), asks);
    assert_eq!((reply.status, reply.headers["webhook-allowed-origin"].as_str()), (200, "*"));
    assert_eq!(reply.headers["webhook-allowed-rate"], "*");
}

#[test]
fn a_body_over_the_limit_is_refused_whatever_its_length_says() {
    run(async {
        let world = World::new("http://127.0.0.1:1/v2/enqueue");
        let relay = relay(Flavour::Spin);
        let large = vec![b' '; 1024 * 1024 + 1];
        let world = world.with("unmapped", "reject");
        let reply = relay.call(&world, Call::post("/events", large)).await.expect("an answer");
        assert_eq!(
            (reply.status, reply.json()["detail"].clone()),
            (413, "the request body is larger than 1 MiB".into())
        );
        let whole = vec![b' '; 1024 * 1024];
        let reply = relay.call(&world, Call::post("/events", whole)).await.expect("an answer");
        assert_eq!(reply.status, 400, "a body at the limit is read");
    });
}

#[test]
fn a_body_that_breaks_off_is_refused() {
    run(async {
        let frames = [
            Ok(hyper::body::Frame::data(Bytes::from_static(b"{\"event_action\":"))),
            Err(wasmtime_wasi_http::Error::ConnectionTerminated),
        ];
        let body = http_body_util::StreamBody::new(Frames(frames.into_iter().collect())).boxed_unsync();
        let request = hyper::Request::post("http://relay.test/alertmanager");
        let request = request.header("authorization", format!("Bearer {SECRET}"));
        let request = request.body(body).expect("a request");
        let world = World::new("http://127.0.0.1:1/v2/enqueue");
        let reply = relay(Flavour::Spin).handle(&world, request).await.expect("an answer");
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, "the request body ended early".into()));
        assert_eq!(reply.headers["retry-after"], "30");
    });
}

#[test]
fn a_body_that_does_not_end_is_given_up() {
    run(async {
        let body = http_body_util::StreamBody::new(Endless).boxed_unsync();
        let request = hyper::Request::post("http://relay.test/alertmanager");
        let request = request.header("authorization", format!("Bearer {SECRET}"));
        let request = request.body(body).expect("a request");
        let world = World::new("http://127.0.0.1:1/v2/enqueue");
        let reply = relay(Flavour::Spin).handle(&world, request).await.expect("an answer");
        assert_eq!(
            (reply.status, reply.json()["detail"].clone()),
            (503, "the request body did not arrive in time".into())
        );
        assert_eq!(reply.headers["retry-after"], "30");
    });
}

#[test]
fn an_endpoint_does_not_wait_for_a_body_that_it_does_not_need() {
    run(async {
        for (method, path, status) in [
            ("POST", "/no/such/path", 404),
            ("GET", "/health", 200),
            ("POST", "/health", 405),
            ("GET", "/check", 401),
            ("POST", "/alertmanager", 401),
            ("POST", "/custom/none", 503),
            ("POST", "/preview/github", 401),
        ] {
            let body = http_body_util::StreamBody::new(Endless).boxed_unsync();
            let url = format!("http://relay.test{path}");
            let request = hyper::Request::builder().method(method).uri(url).body(body).expect("a request");
            let world = World::new("http://127.0.0.1:1/v2/enqueue");
            let started = Instant::now();
            let reply = relay(Flavour::Spin).handle(&world, request).await.expect("an answer");
            assert_eq!(reply.status, status, "{method} {path}");
            // A body that is waited for takes ten seconds to time out.
            assert!(started.elapsed() < BODY_TIMEOUT / 2, "{method} {path} waits for a body");
        }
    });
}

/// A body that never arrives.
struct Endless;

impl futures_core::Stream for Endless {
    type Item = Result<hyper::body::Frame<Bytes>, wasmtime_wasi_http::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

#[test]
fn each_variable_is_read_once_and_every_one_is_known() {
    let mut asked = BTreeSet::new();
    for path in ["/grafana", "/grafana/web"] {
        let world = World::new("http://127.0.0.1:1/v2/enqueue").with("routing_key_web", ROUTING_KEY);
        let firing = include_bytes!("../../../fixtures/grafana/01-firing-unified.json").as_slice();
        let reply = call(&world, Call::post(path, firing));
        let once: BTreeSet<String> = reply.asked.iter().cloned().collect();
        assert_eq!(once.len(), reply.asked.len(), "{:?}", reply.asked);
        asked.extend(once);
    }
    let mut known: BTreeSet<String> = variables().into_iter().map(|variable| variable.name.to_owned()).collect();
    let others = [
        "secret_grafana",
        "require_signature_grafana",
        "services_grafana",
        "routing_key_web",
        "routing_key_web_previous",
        "events_url",
        "rules_grafana",
    ];
    known.extend(others.map(str::to_owned));
    // Those of other sources, and the token, which no delivery needs.
    let others = SOURCES.iter().filter(|source| source.slug != "grafana");
    let own = |source: &&'static Source| {
        let choice = source.branches.as_ref().map(|choice| choice.variable);
        source.variables.iter().map(|own| own.name).chain(choice)
    };
    // What happens to events that PagerDuty does not accept is no question for a sender that sends its state again.
    let later = ["fallback_format", "fallback_routing_key", "fallback_url", "outbox", "retry_after_answer"];
    for name in others.flat_map(own).chain(["api_token"]).chain(later) {
        known.remove(name);
    }
    // A source's own secret has a previous one too. It is read only if the current one is set.
    assert_eq!(asked, known);
    let stranger =
        call(&World::new("http://127.0.0.1:1/v2/enqueue"), Call::stranger("POST", "/grafana/any_word", "{}"));
    assert!(!stranger.asked.iter().any(|name| name.starts_with("routing_key")), "{:?}", stranger.asked);
    let world = World::default().with("secret_grafana", SECRET);
    assert!(call(&world, Call::post("/grafana", "{}")).asked.contains(&"secret_grafana_previous".to_owned()));
}

/// A body in pieces.
struct Frames<F>(std::collections::VecDeque<F>);

impl<F: Unpin> futures_core::Stream for Frames<F> {
    type Item = F;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<F>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[test]
fn events_go_to_the_region_over_https_with_a_bound_on_every_wait() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let hosts = [
            (None, "https://events.pagerduty.com/v2/enqueue"),
            (Some("us"), "https://events.pagerduty.com/v2/enqueue"),
            (Some("EU"), "https://events.eu.pagerduty.com/v2/enqueue"),
        ];
        for (region, url) in hosts {
            let mut world = World::new("").without("events_url");
            if let Some(region) = region {
                world = world.with("region", region);
            }
            world.egress = Egress::Double(pagerduty.address());
            let body = include_bytes!("../../../fixtures/events/01-firing-trigger.json").as_slice();
            let reply = relay(Flavour::Spin).call(&world, Call::post("/events", body)).await.expect("an answer");
            assert_eq!(reply.status, 202);
            assert_eq!(reply.sent[0].url, url);
            for timeout in reply.sent[0].timeouts {
                let timeout = timeout.expect("every time-out is set");
                assert!(timeout > Duration::ZERO && timeout < sources::find("events").unwrap().patience, "{timeout:?}");
            }
        }
    });
}

#[test]
fn a_variable_store_that_is_down_is_trouble_that_passes() {
    let cases = [
        ("webhook_secret", "/alertmanager"),
        ("secret_events", "/events"),
        ("services_events", "/events"),
        ("routing_key", "/events"),
        ("region", "/events"),
    ];
    for (broken, path) in cases {
        let mut world = World::new("http://127.0.0.1:1/v2/enqueue");
        world.broken.insert(broken.to_owned());
        let reply = call(&world, Call::post(path, "{}"));
        assert_eq!(reply.status, 503, "{broken}");
        assert_eq!(reply.headers["retry-after"], "30");
        let detail = format!("variable `{broken}` could not be read: the variable store failed");
        assert_eq!(reply.json()["detail"], detail);
    }
}

#[test]
fn secrets_show_nowhere() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url()).with("webhook_secret_previous", "an-older-secret-of-some-length");
        for fixture in fixtures::all() {
            let path = format!("/{}", fixture.source.slug);
            for credentials in [secret_for(&path), "wrong-secret-wrong-secret"] {
                let call = Call::stranger("POST", &path, fixture.body.clone());
                let call = call.header("authorization", &format!("Bearer {credentials}"));
                let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
                let said = format!("{:?} {} {}", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
                for hidden in world.variables.values().filter(|value| !value.starts_with("http")) {
                    assert!(!said.contains(hidden.as_str()), "{}: {said}", fixture.name());
                }
                assert!(!said.contains(credentials), "{}: {said}", fixture.name());
            }
        }
        for received in pagerduty.received() {
            let text = format!("{:?} {}", received.headers, String::from_utf8_lossy(&received.bytes));
            assert!(!text.contains(SECRET) && !text.contains(OWN_SECRET), "a webhook secret went to pagerduty");
            assert_eq!(text.matches(ROUTING_KEY).count(), 1, "the routing key is in one place");
        }
    });
}

#[test]
fn both_variable_stores_tell_the_names_of_their_variables() {
    run(async {
        for flavour in FLAVOURS {
            let pagerduty = PagerDuty::start().await;
            let world = World::new(&pagerduty.url()).with("routing_key_web", ROUTING_KEY).with("secret_githb", SECRET);
            let world = world.with("secret_check", "the-doctor-opens-with-this-51c9");
            let check =
                Call::stranger("GET", "/check", "").header("x-webhook-secret", "the-doctor-opens-with-this-51c9");
            let reply = relay(flavour).call(&world, check).await.expect("the component answers");
            let said = reply.json()["findings"].to_string();
            assert_eq!(reply.status, 200, "{flavour:?}: {said}");
            for name in ["`routing_key_web` holds", "unknown variable `secret_githb`"] {
                assert!(said.contains(name), "{flavour:?}: {name}: {said}");
            }
        }
    });
}
