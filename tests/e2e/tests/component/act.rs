//! The act endpoint: every action and every failure, through the compiled component.

use std::time::{Duration, Instant};

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::rest::{Answer, Rest, TOKEN, Token};
use pagerelay_e2e::runtime::{Call, Egress, Reply, Trouble, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SERVICE_KEY, run};
use serde_json::{Value, json};

const FROM: &str = "ada+oncall@shop.example";
const KEY: &str = "alertmanager:2f1c9b0e5d7a4836 &=ü";

/// The secret that `/act` accepts, and one that it rejects.
const SECRET: &str = "acting-needs-its-own-secret-4c1e";
const SHARED: &str = pagerelay_e2e::SECRET;

/// The mock, with a service for each routing key and an open incident of the first service.
async fn api() -> Rest {
    let rest = Rest::start().await;
    rest.service("PSHOP00", "Shop", "active", &[SERVICE_KEY]);
    rest.service("PWEB000", "Web", "active", &[ROUTING_KEY]);
    rest.incident("PINC000", "triggered", KEY, "PSHOP00");
    rest
}

fn world(rest: &Rest) -> World {
    let world = World::default().with("webhook_secret", SHARED).with("secret_act", SECRET);
    let world = world.with("api_url", &rest.url());
    world.with("routing_key", SERVICE_KEY).with("routing_key_web", ROUTING_KEY).with("api_token", TOKEN)
}

/// A body with all required members, and these in addition.
fn body(action: &str, more: Value) -> Value {
    let mut body = json!({"action": action, "dedup_key": KEY, "from": FROM});
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn post(path: &str, body: &str) -> Call {
    Call::stranger("POST", path, body.to_owned()).header("authorization", &format!("Bearer {SECRET}"))
}

async fn act(world: &World, path: &str, body: &Value) -> Reply {
    let reply = relay(Flavour::Spin).call(world, post(path, &body.to_string())).await.expect("the component answers");
    let told = format!("{:?} {} {}", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
    for secret in [SECRET, SHARED, TOKEN, SERVICE_KEY, ROUTING_KEY, FROM] {
        assert!(!told.contains(secret), "{secret} shows in {told}");
    }
    assert!(reply.sent.iter().all(|sent| !sent.url.contains("events")), "{:?}", reply.sent);
    let mut asked = reply.asked.clone();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), reply.asked.len(), "each variable is read once: {:?}", reply.asked);
    reply
}

/// The requests that the mock received: method, target and body. Checks their headers too.
fn requests(rest: &Rest) -> Vec<String> {
    let one = |received: &pagerelay_e2e::rest::Received| {
        let header = |name: &str| received.headers.get(name).map(String::as_str);
        assert_eq!(header("authorization"), Some(format!("Token token={TOKEN}").as_str()));
        assert_eq!(header("accept"), Some("application/vnd.pagerduty+json;version=2"));
        let write = received.method != "GET";
        assert_eq!(header("from"), write.then_some(FROM));
        assert_eq!(header("content-type"), write.then_some("application/json"));
        let seen = format!("{:?} {:?}", received.headers, received.body);
        assert!(![SERVICE_KEY, ROUTING_KEY, SECRET, SHARED].iter().any(|secret| seen.contains(secret)), "{seen}");
        let body = String::from_utf8_lossy(&received.body);
        format!("{} {} {body}", received.method, received.target).trim().to_owned()
    };
    rest.take_received().iter().map(one).collect()
}

const FIND: &str = "GET /incidents?date_range=all&statuses%5B%5D=triggered&statuses%5B%5D=acknowledged\
    &incident_key=alertmanager%3A2f1c9b0e5d7a4836%20%26%3D%C3%BC&limit=100&offset=0";
const SERVICES: &str = "GET /services?include%5B%5D=integrations&limit=100&offset=0";

#[test]
fn every_action_is_done_as_the_person() {
    run(async {
        let rest = api().await;
        rest.incident("PINC001", "triggered", "another", "PSHOP00");
        rest.incident("PINC002", "triggered", KEY, "PWEB000");
        let world = world(&rest);

        let reply = act(&world, "/act", &body("acknowledge", json!({}))).await;
        let incident = |status: &str| json!({"id": "PINC000", "number": 100, "status": status});
        let expected = |action: &str, message: &str, status: &str| {
            json!({
                "status": "success", "message": message, "incident": incident(status), "action": action,
                "dedup_key": KEY, "auth": "bearer, current secret",
            })
        };
        assert_eq!(reply.json(), expected("acknowledge", "incident acknowledged", "acknowledged"));
        assert_eq!(reply.status, 200);
        let change = |status: &str| {
            format!(
                "PUT /incidents/PINC000 {{\"incident\":{{\"status\":\"{status}\",\"type\":\"incident_reference\"}}}}"
            )
        };
        assert_eq!(requests(&rest), [FIND.to_owned(), SERVICES.to_owned(), change("acknowledged")]);
        let log = reply.log_json();
        for (name, value) in [("source", json!("act")), ("service", Value::Null), ("action", json!("acknowledge"))] {
            assert_eq!(log[name], value, "{log}");
        }
        assert_eq!((&log["dedup_key"], &log["incident"]), (&json!(KEY), &incident("acknowledged")));
        assert_eq!(log["level"], "info");

        let reply = act(&world, "/act/web", &body("note", json!({"note": "looking\n\"at\" it"}))).await;
        let mut of_web = expected("note", "note added", "triggered");
        of_web["incident"] = json!({"id": "PINC002", "number": 102, "status": "triggered"});
        assert_eq!(reply.json(), of_web);
        let note = "POST /incidents/PINC002/notes {\"note\":{\"content\":\"looking\\n\\\"at\\\" it\"}}";
        assert_eq!(requests(&rest), [FIND, SERVICES, note]);
        assert_eq!(reply.log_json()["service"], "web");
        assert!(!reply.log.contains("looking"), "{}", reply.log);

        let reply = act(&world, "/act", &body("resolve", json!({"note": "done"}))).await;
        assert_eq!(reply.json(), expected("resolve", "incident resolved, note added", "resolved"));
        let note = "POST /incidents/PINC000/notes {\"note\":{\"content\":\"done\"}}";
        assert_eq!(
            requests(&rest),
            [FIND, SERVICES, note, &change("resolved")],
            "what cannot be done twice comes first"
        );
        assert_eq!((rest.status_of("PINC000"), rest.status_of("PINC001")), ("resolved".into(), "triggered".into()));
        assert_eq!(rest.notes().len(), 2);

        let reply = act(&world, "/act", &body("resolve", json!({}))).await;
        assert_eq!((reply.status, &reply.json()["detail"]), (404, &json!("no open incident has this dedup key")));
        assert_eq!(reply.headers["content-type"], "application/problem+json");
    });
}

#[test]
fn a_body_that_will_not_do_is_refused_before_anything_is_asked() {
    run(async {
        let rest = Rest::start().await;
        let world = world(&rest);
        let long = |length: usize| "x".repeat(length);
        let action = "field `action` must be acknowledge, resolve or note";
        let key = "field `dedup_key` must be a string of 1 to 255 characters";
        let from = "field `from` must be the email address of a PagerDuty user";
        let note = "field `note` must be a non-blank string";
        let cases = [
            (json!({}), action),
            (json!([]), action),
            (body("escalate", json!({})), action),
            (body("resolve", json!({"action": ["resolve"]})), action),
            (body("resolve", json!({"dedup_key": " "})), key),
            (body("resolve", json!({"dedup_key": 7})), key),
            (body("resolve", json!({"dedup_key": long(256)})), key),
            (body("resolve", json!({"from": null})), from),
            (body("resolve", json!({"from": "ada"})), from),
            (body("resolve", json!({"from": "@shop.example"})), from),
            (body("resolve", json!({"from": "ada@"})), from),
            (body("resolve", json!({"from": "a@b@c"})), from),
            (body("resolve", json!({"from": "ada@shop.example\r\nX-Evil: 1"})), from),
            (body("resolve", json!({"from": "ada@shop.example\n"})), from),
            (body("resolve", json!({"from": "ada lovelace@shop.example"})), from),
            (body("resolve", json!({"from": "ada@shop.example\u{0}"})), from),
            (body("resolve", json!({"from": "ädä@shop.example"})), from),
            (
                body("resolve", json!({"from": format!("{}@shop.example", long(250))})),
                "field `from` is longer than 255 characters",
            ),
            (body("note", json!({})), note),
            (body("note", json!({"note": "  "})), note),
            (body("note", json!({"note": {}})), note),
            (body("resolve", json!({"note": ""})), note),
            (body("note", json!({"note": long(25_001)})), "field `note` is longer than 25,000 characters"),
        ];
        for (body, detail) in cases {
            let reply = act(&world, "/act", &body).await;
            assert_eq!((reply.status, &reply.json()["detail"]), (422, &json!(detail)), "{body}");
            assert!(reply.sent.is_empty(), "{body}");
        }
        let reply = relay(Flavour::Spin).call(&world, post("/act", "{")).await.expect("an answer");
        assert_eq!(
            (reply.status, &reply.json()["detail"]),
            (400, &json!("the body is not valid JSON: line 1, column 1"))
        );
        let limits = body("note", json!({"dedup_key": long(255), "note": long(25_000)}));
        assert_eq!(act(&world, "/act", &limits).await.status, 404, "what just fits is looked for");
    });
}

#[test]
fn who_may_act_and_where() {
    run(async {
        let rest = Rest::start().await;
        let world = world(&rest);
        let call = |method, path: &str| Call::stranger(method, path, body("resolve", json!({})).to_string());
        for (call, status) in [
            (call("POST", "/act"), 401),
            (call("POST", &format!("/act?token={SECRET}")), 401),
            (call("POST", "/act").header("authorization", &format!("Bearer {SHARED}")), 401),
            (call("POST", "/act").header("x-webhook-secret", SHARED), 401),
            (call("POST", "/act").header("authorization", "Bearer wrong"), 401),
            (call("GET", "/act").header("x-webhook-secret", SECRET), 405),
            (call("PUT", "/act/web").header("x-webhook-secret", SECRET), 405),
            (call("POST", "/act/Web").header("x-webhook-secret", SECRET), 404),
            (call("POST", "/act/web/x").header("x-webhook-secret", SECRET), 404),
            (call("POST", "/preview/act").header("x-webhook-secret", SECRET), 404),
            (call("POST", "/act").header("x-webhook-secret", SECRET), 404),
        ] {
            let path = format!("{} {}", call.method, call.path);
            let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
            assert_eq!(reply.status, status, "{path}");
            assert!(!reply.headers.contains_key("www-authenticate"), "{path}: no browser is asked for a password");
        }
        assert_eq!(requests(&rest), [FIND], "only the last was known");

        let wrong: [(World, &str, &str); 8] = [
            (
                world.clone().without("secret_act"),
                "/act",
                "variable `secret_act` is not set; set it, because `webhook_secret` is not accepted for this path",
            ),
            (world.clone().without("api_token"), "/act", "variable `api_token` is not set"),
            (world.clone().without("routing_key"), "/act", "variable `routing_key` is not set"),
            (world.clone(), "/act/data", "variable `routing_key_data` is not set"),
            (
                world.clone().with("api_token", SERVICE_KEY),
                "/act",
                "variable `api_token` looks like a routing key; use a user API key here and put routing keys into their own variables",
            ),
            (
                world.clone().with("api_token", "pdus+_0XBPWQQ_aaaaaaaa"),
                "/act",
                "variable `api_token` holds an OAuth token; use a user API key",
            ),
            (
                world.clone().with("api_url", "http://api.test"),
                "/act",
                "variable `api_url` must be an https URL (plain http only on loopback)",
            ),
            (world.clone().with("region", "x"), "/act", "variable `region` must be one of us, eu"),
        ];
        for (world, path, detail) in wrong {
            let reply = act(&world, path, &body("resolve", json!({}))).await;
            assert_eq!((reply.status, &reply.json()["detail"]), (503, &json!(detail)));
            assert!(reply.sent.is_empty());
        }
    });
}

#[test]
fn a_browser_does_not_act_for_another_site() {
    run(async {
        let rest = api().await;
        let world = world(&rest);
        let acts = body("acknowledge", json!({})).to_string();
        let typed = |media: Option<&str>| {
            let mut call = post("/act", &acts);
            call.headers.retain(|(name, _)| name != "content-type");
            media.map_or(call.clone(), |media| call.clone().header("content-type", media))
        };
        let foreign = "cross-site request refused (Sec-Fetch-Site)";
        let media = "Content-Type must be application/json";
        for (call, status, detail) in [
            (typed(None), 415, media),
            (typed(Some("text/plain")), 415, media),
            (typed(Some("text/plain; application/json")), 415, media),
            (typed(Some("application/x-www-form-urlencoded")), 415, media),
            (post("/act", &acts).header("sec-fetch-site", "cross-site"), 403, foreign),
            (post("/act", &acts).header("sec-fetch-site", "same-site"), 403, foreign),
        ] {
            let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
            assert_eq!((reply.status, &reply.json()["detail"]), (status, &json!(detail)));
            assert!(reply.sent.is_empty());
        }
        for call in [
            typed(Some("Application/JSON; charset=utf-8")),
            post("/act", &acts).header("sec-fetch-site", "same-origin"),
            post("/act", &acts).header("sec-fetch-site", "none"),
        ] {
            assert_eq!(relay(Flavour::Spin).call(&world, call).await.expect("an answer").status, 200);
        }
    });
}

const UNTOLD: &str = "cannot determine which service the key in `routing_key` belongs to: give the token read access to services, or use PagerDuty directly";

#[test]
fn only_incidents_of_the_service_behind_the_key_are_meant() {
    run(async {
        let rest = Rest::start().await;
        rest.page_max(2);
        for n in 0..5 {
            rest.service(&format!("POTHER{n}"), "Other", "active", &["x"]);
            rest.incident(&format!("PINC00{n}"), "triggered", KEY, &format!("POTHER{n}"));
        }
        let world = world(&rest);
        let fails = |reply: &Reply, status: u16, detail: &str| {
            assert_eq!((reply.status, &reply.json()["detail"]), (status, &json!(detail)));
        };
        fails(&act(&world, "/act", &body("resolve", json!({}))).await, 409, UNTOLD);
        let at = |path: &str, offset: usize| path.replace("offset=0", &format!("offset={offset}"));
        let pages = |path: &str| [0, 2, 4].map(|offset| at(path, offset)).to_vec();
        assert_eq!(requests(&rest), [pages(FIND), pages(SERVICES)].concat());

        rest.service("PSHOP00", "Shop", "active", &[SERVICE_KEY]);
        let absent = "no open incident has this dedup key";
        fails(&act(&world, "/act", &body("resolve", json!({}))).await, 404, absent);
        rest.incident("PMINE00", "triggered", KEY, "PSHOP00");
        let reply = act(&world, "/act", &body("resolve", json!({}))).await;
        assert_eq!((reply.status, &reply.json()["incident"]["id"]), (200, &json!("PMINE00")));
        rest.incident("PMINE01", "triggered", KEY, "PSHOP00");
        rest.incident("PMINE02", "acknowledged", KEY, "PSHOP00");
        let several = "2 open incidents have this dedup key; use PagerDuty directly";
        fails(&act(&world, "/act", &body("resolve", json!({}))).await, 409, several);
        rest.forbid("GET /services");
        fails(&act(&world, "/act", &body("resolve", json!({}))).await, 409, UNTOLD);
        assert!(rest.notes().is_empty());
    });
}

#[test]
fn the_only_incident_is_another_services() {
    run(async {
        let rest = api().await;
        let acts = body("resolve", json!({"note": "done"}));
        let reply = act(&world(&rest), "/act/web", &acts).await;
        assert_eq!((reply.status, &reply.json()["detail"]), (404, &json!("no open incident has this dedup key")));
        assert_eq!((rest.status_of("PINC000").as_str(), rest.notes().len()), ("triggered", 0));

        // An alert of the previous key still belongs to this service, even if the key now belongs to another.
        let moved = world(&rest).with("routing_key_web_previous", SERVICE_KEY);
        assert_eq!(act(&moved, "/act/web", &acts).await.status, 200);
        assert_eq!(rest.status_of("PINC000"), "resolved");
    });
}

#[test]
fn where_services_do_not_tell_there_may_be_one_key_only() {
    run(async {
        for forbidden in [false, true] {
            let rest = Rest::start().await;
            rest.service("PSHOP00", "Shop", "active", &[]);
            rest.incident("PINC000", "triggered", KEY, "PSHOP00");
            if forbidden {
                rest.forbid("GET /services");
            }
            let acts = body("acknowledge", json!({}));
            let alone = world(&rest).without("routing_key_web");
            let mut unlisted = alone.clone();
            unlisted.broken.insert("unrelated".to_owned());
            let previous = "e1pageRelayTestKey0000000000000u";
            for (name, world, status) in [
                ("two keys", world(&rest), 409),
                ("a key that cannot be used", alone.clone().with("routing_key_web", "x"), 409),
                ("a store that does not list", unlisted, 409),
                ("one key", alone.clone(), 200),
                ("and an empty one", alone.clone().with("routing_key_web", " "), 200),
                ("and the same", alone.clone().with("routing_key_web", SERVICE_KEY), 200),
                ("and those before", alone.clone().with("routing_key_web_previous", previous), 200),
            ] {
                let reply = act(&world, "/act", &acts).await;
                assert_eq!(reply.status, status, "{name}: {}", reply.json());
                assert!(status == 200 || reply.json()["detail"] == UNTOLD, "{name}: {}", reply.json());
            }
            rest.incident("PINC001", "triggered", KEY, "PELSE00");
            assert_eq!(act(&alone, "/act", &acts).await.status, 409, "of two one may be another's");
        }
        let rest = api().await;
        rest.fault("GET /services", (500, "", String::new()));
        assert_eq!(act(&world(&rest), "/act", &body("resolve", json!({}))).await.status, 503);
        assert_eq!(rest.status_of("PINC000"), "triggered");
    });
}

#[test]
fn every_answer_of_pagerdutys_becomes_a_status_and_a_sentence() {
    const REGION: &str = "the server is not PagerDuty's REST API; check variables `region` and `api_url`:";
    run(async {
        let say = |status, body: &str| (status, "", body.to_owned());
        let echo = format!(r#"{{"error":{{"message":"no {TOKEN}","code":1,"errors":"{SERVICE_KEY}\n x"}}}}"#);
        let long = json!({"error": {"message": "ü".repeat(400)}}).to_string();
        let cut = format!("PagerDuty rejected the request: 400 {}…", "ü".repeat(295));
        let large = format!("\"{}\"", "x".repeat(1 << 20));
        let refused = "PagerDuty rejected the token in variable `api_token`: it was revoked or belongs to the other region (variable `region`)";
        let cases: Vec<(Answer, u16, Option<&str>, String)> = vec![
            (say(401, "HTTP Token: Access denied.\n"), 502, None, refused.into()),
            (
                say(403, r#"{"error":{"message":"Access Denied","code":2010}}"#),
                502,
                None,
                "PagerDuty does not permit this with the token in variable `api_token`: 403 Access Denied".into(),
            ),
            (
                say(402, r#"{"error":"needs another plan"}"#),
                502,
                None,
                "PagerDuty does not permit this with the token in variable `api_token`: 402 needs another plan".into(),
            ),
            (
                say(404, r#"{"error":{"message":"Not Found","code":2100}}"#),
                404,
                None,
                "PagerDuty found no such object: 404 Not Found".into(),
            ),
            (
                say(
                    400,
                    r#"{"error":{"message":"Invalid Input Provided","code":2001,"errors":["a is bad.","b too."]}}"#,
                ),
                422,
                None,
                "PagerDuty rejected the request: 400 Invalid Input Provided: a is bad.; b too.".into(),
            ),
            (say(400, r#"["one","two"]"#), 422, None, "PagerDuty rejected the request: 400 one; two".into()),
            (say(400, "<html>no</html>"), 422, None, "PagerDuty rejected the request: 400 <html>no</html>".into()),
            (say(400, &echo), 422, None, "PagerDuty rejected the request: 400 no [redacted]: [redacted] x".into()),
            (say(400, &long), 422, None, cut),
            (say(413, "{}"), 422, None, "PagerDuty rejected the request: 413 {}".into()),
            ((429, "", String::new()), 503, Some("30"), "PagerDuty's REST API is rate-limiting requests; retry".into()),
            (
                (429, "ratelimit-reset: 58", r#"{"error":{"message":"Rate Limit Exceeded","code":2020}}"#.into()),
                503,
                Some("58"),
                "PagerDuty's REST API is rate-limiting requests; retry in 58 seconds".into(),
            ),
            (say(500, ""), 503, Some("30"), "PagerDuty's REST API failed; retry: 500".into()),
            (say(408, "late"), 503, Some("30"), "PagerDuty's REST API failed; retry: 408 late".into()),
            ((302, "location: http://127.0.0.1:1/x", String::new()), 502, None, format!("{REGION} 302")),
            ((307, "location: /incidents", String::new()), 502, None, format!("{REGION} 307")),
            (say(200, "<html>"), 502, None, format!("{REGION} 200 <html>")),
            (say(200, "{}"), 502, None, format!("{REGION} no member incidents")),
            (say(200, &large), 502, None, "PagerDuty's response is larger than 1 MiB".into()),
        ];
        for (answer, status, retry_after, detail) in cases {
            let rest = api().await;
            let what = format!("{} {:.80}", answer.0, answer.2);
            rest.script([answer.clone()]);
            let reply = act(&world(&rest), "/act", &body("acknowledge", json!({}))).await;
            assert_eq!(reply.json()["detail"], detail, "{what}");
            assert_eq!(reply.status, status, "{what}");
            assert_eq!(reply.headers.get("retry-after").map(String::as_str), retry_after, "{what}");
            assert_eq!(requests(&rest).len(), 1, "{what}: it is not tried again, and no redirect is followed");
            assert_eq!(reply.log_json()["error"], detail, "{what}");
            assert_eq!(rest.status_of("PINC000"), "triggered");

            // The same for the change itself, which lacks another member.
            let detail = detail.replace("no member incidents", "no incident that is acknowledged");
            if answer.2 != large {
                rest.fault("PUT", answer);
                let reply = act(&world(&rest), "/act", &body("acknowledge", json!({}))).await;
                assert_eq!((reply.status, &reply.json()["detail"]), (status, &json!(detail)), "{what}");
                assert_eq!(reply.json()["incident"], json!({"id": "PINC000", "number": 100, "status": "triggered"}));
            }
        }
    });
}

#[test]
fn it_waits_once_for_the_rate_where_there_is_time() {
    run(async {
        let rest = api().await;
        let full = || (429, "ratelimit-reset: 1", String::new());
        rest.script([full()]);
        let started = Instant::now();
        assert_eq!(act(&world(&rest), "/act", &body("acknowledge", json!({}))).await.status, 200);
        assert!(started.elapsed() >= Duration::from_secs(1));
        assert_eq!(requests(&rest).len(), 4);
        rest.script([full(), full()]);
        let reply = act(&world(&rest), "/act", &body("acknowledge", json!({}))).await;
        assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (503, "30"));
        assert_eq!(requests(&rest).len(), 2);
    });
}

#[test]
fn a_change_and_its_note_are_both_told_of() {
    run(async {
        const MISDIRECTED: &str = "the server is not PagerDuty's REST API; check variables `region` and `api_url`:";
        let rest = api().await;
        let world = world(&rest);
        let both = body("acknowledge", json!({"note": "x"}));

        // If the note fails, nothing is changed.
        let answers = [
            (
                (400, "", r#"{"error":{"message":"Too many"}}"#.into()),
                422,
                "PagerDuty rejected the request: 400 Too many",
            ),
            ((201, "", "{}".into()), 502, &format!("{MISDIRECTED} no note")),
            ((201, "", r#"{"note": "x"}"#.into()), 502, &format!("{MISDIRECTED} no note")),
        ];
        for (answer, status, detail) in answers {
            rest.fault("POST", answer);
            let reply = act(&world, "/act", &both).await;
            assert_eq!((reply.status, &reply.json()["detail"]), (status, &json!(detail)));
            assert_eq!(
                (&reply.json()["warnings"], &reply.json()["incident"]["status"]),
                (&Value::Null, &json!("triggered"))
            );
            assert_eq!(rest.status_of("PINC000"), "triggered");
            rest.recover();
        }

        // It is unknown whether this note was added.
        rest.fault("POST", (500, "", String::new()));
        let reply = act(&world, "/act", &both).await;
        let maybe = json!(["the note may have been added; check the incident before you retry"]);
        assert_eq!((reply.status, &reply.json()["warnings"]), (502, &maybe));
        assert!(!reply.headers.contains_key("retry-after"));
        assert_eq!(rest.status_of("PINC000"), "triggered");
        rest.recover();

        // A retry with the note would add it again.
        let other = r#"{"incident": {"id": "PINC000", "status": "triggered"}}"#;
        let lacks = format!("{MISDIRECTED} no incident that is acknowledged");
        let answers = [
            ((500, "", String::new()), "PagerDuty's REST API failed; retry: 500"),
            (
                (429, "ratelimit-reset: 58", String::new()),
                "PagerDuty's REST API is rate-limiting requests; retry in 58 seconds",
            ),
            ((200, "", "{}".into()), &lacks),
            ((200, "", other.into()), &lacks),
        ];
        for (answer, detail) in answers {
            rest.fault("PUT", answer.clone());
            let reply = act(&world, "/act", &both).await;
            assert_eq!((reply.status, &reply.json()["detail"]), (502, &json!(detail)));
            let warning = "the note was added, but the incident may not be acknowledged; request that change alone";
            assert_eq!(reply.json()["warnings"], json!([warning]));
            assert_eq!(reply.json()["incident"]["status"], "triggered");
            assert!(!reply.headers.contains_key("retry-after"), "{detail}");

            // Without a note, a retry is safe.
            let reply = act(&world, "/act", &body("acknowledge", json!({}))).await;
            assert_eq!(reply.headers.contains_key("retry-after"), matches!(answer.0, 429 | 500));
            assert_eq!(reply.json()["detail"], detail);
            rest.recover();
        }
        assert_eq!(rest.notes().len(), 4);

        rest.token(TOKEN, Token::User("read_only_user"));
        assert_eq!(act(&world, "/act", &body("acknowledge", json!({}))).await.status, 502);
    });
}

#[test]
fn the_region_says_where_and_what_is_not_let_out_is_named() {
    run(async {
        let (us, eu, events) = (Rest::start().await, api().await, PagerDuty::start().await);
        let mut world = world(&us).without("api_url");
        let hosts = [("api.pagerduty.com", us.address()), ("api.eu.pagerduty.com", eu.address())];
        world.egress = Egress::Hosts(hosts.map(|(host, address)| (host.to_owned(), Ok(address))).into());
        assert_eq!(act(&world, "/act", &body("resolve", json!({}))).await.status, 404);
        let reply = act(&world.clone().with("region", "EU"), "/act", &body("resolve", json!({}))).await;
        assert_eq!(reply.status, 200);
        assert!(reply.sent.iter().all(|sent| sent.url.starts_with("https://api.eu.pagerduty.com/")));
        assert!(events.received().is_empty());

        let fails = [
            (
                None,
                502,
                "outbound requests to https://api.pagerduty.com are blocked: add \"https://api.pagerduty.com\" to allowed_outbound_hosts",
            ),
            (Some(Trouble::Connect), 503, "https://api.pagerduty.com cannot be reached: connection failed"),
            (Some(Trouble::Dns), 503, "https://api.pagerduty.com cannot be reached: host name could not be resolved"),
            (Some(Trouble::Tls), 503, "https://api.pagerduty.com cannot be reached: TLS failed"),
            (Some(Trouble::Silence), 503, "https://api.pagerduty.com cannot be reached: timed out"),
        ];
        for (trouble, status, detail) in fails {
            let hosts = trouble.map(|trouble| ("api.pagerduty.com".to_owned(), Err(trouble)));
            world.egress = Egress::Hosts(hosts.into_iter().collect());
            let started = Instant::now();
            let reply = act(&world, "/act", &body("resolve", json!({}))).await;
            assert_eq!((reply.status, &reply.json()["detail"]), (status, &json!(detail)));
            assert_eq!(reply.headers.contains_key("retry-after"), status == 503);
            assert!(started.elapsed() < Duration::from_secs(11));
        }
    });
}
