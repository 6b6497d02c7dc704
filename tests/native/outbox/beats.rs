//! Heartbeats: an alert when a sender goes silent.

use std::time::Duration;

use pagerelay::http::{Headers, Method, Request};
use pagerelay_support::OPSGENIE_SECRET;
use serde_json::{Value, json};

use super::world::{EPOCH, World};
use super::{Answer, MILLISECOND, request, secs, variables};

const SECRET: &str = "beats-0123456789abcdef";

fn world(period: &str) -> World {
    World::new(
        1,
        &variables(&[
            ("secret_heartbeat", SECRET),
            ("secret_opsgenie", OPSGENIE_SECRET),
            ("heartbeat_watchdog", period),
        ]),
    )
}

fn sign(method: Method, path: &str, authorization: &str, body: &str) -> Request {
    let headers = Headers::new([("authorization".to_owned(), authorization.as_bytes().to_vec())]);
    Request { headers, ..request(method, path, body) }
}

fn beat(world: &World, time: u64, path: &str, body: &str) -> Answer {
    world.ask(secs(time), sign(Method::Post, path, &format!("Bearer {SECRET}"), body))
}

#[test]
fn silence_pages_once_and_a_sign_of_life_resolves_once() {
    let world = world("5m+2m");
    let answer = beat(&world, 10, "/heartbeat/watchdog", "{}");
    assert_eq!((answer.status, &answer.body["message"]), (200, &json!("heartbeat noted")), "{answer:?}");
    for minute in 1..=7 {
        assert_eq!(world.tick(secs(60 * minute)).status, 200);
    }
    assert!(world.accepted().is_empty());
    for minute in 8..=12 {
        world.tick(secs(60 * minute));
    }
    assert_eq!(world.accepted().len(), 1);
    {
        let state = world.state();
        let (_, page) = &state.pagerduty.received[0];
        assert_eq!(page["payload"]["summary"], "No sign of life from watchdog since 2026-03-04T04:53:30Z");
        assert_eq!(
            (&page["dedup_key"], &page["payload"]["severity"]),
            (&json!("pagerelay:heartbeat:watchdog"), &json!("critical"))
        );
    }
    beat(&world, 800, "/heartbeat/watchdog", "");
    for minute in 14..=16 {
        world.tick(secs(60 * minute));
    }
    let state = world.state();
    let accepted: Vec<&str> = state.pagerduty.accepted.iter().map(|(_, action, ..)| &**action).collect();
    assert_eq!(accepted, ["trigger", "resolve"]);
}

#[test]
fn a_heartbeat_that_was_never_seen_pages_nobody() {
    let world = world("1m");
    for minute in 1..100 {
        assert_eq!(world.tick(secs(60 * minute)).status, 200);
    }
    assert!(world.state().pagerduty.received.is_empty());
}

#[test]
fn the_alert_of_a_silent_sender_is_sent_by_each_tick_until_pagerduty_accepts_it() {
    let world = world("1m");
    beat(&world, 1, "/heartbeat/watchdog", "");
    world.state().pagerduty.outages.push((secs(100), secs(400)));
    assert_eq!([200, 300, 500, 560].map(|time| world.tick(secs(time)).status), [503, 503, 200, 200]);
    assert_eq!(world.accepted().len(), 1);
}

#[test]
fn a_body_that_says_resolved_is_no_sign_of_life() {
    let world = world("5m");
    let resolved = r#"{"status":"resolved","alerts":[]}"#;
    for (body, keys) in [(resolved, 0), (&format!("\u{feff}{resolved}"), 0), (r#"{"status":"firing"}"#, 1)] {
        let answer = beat(&world, 1, "/heartbeat/watchdog", body);
        assert_eq!(answer.status, 200);
        assert_eq!(world.state().store.keys.len(), keys, "{body}");
        assert_eq!(answer.body["warnings"].is_null(), keys == 1, "{answer:?}");
    }
}

#[test]
fn only_the_secret_for_heartbeats_keeps_one_alive() {
    let world = world("5m");
    let shared = world.ask(secs(1), request(Method::Post, "/heartbeat/watchdog", ""));
    assert_eq!(shared.status, 401);
    world.state().variables.remove("secret_heartbeat");
    let unset = world.ask(secs(2), request(Method::Post, "/heartbeat/watchdog", ""));
    assert_eq!(unset.status, 503);
    assert_eq!(
        unset.body["detail"],
        "variable `secret_heartbeat` is not set; set it, because `webhook_secret` is not accepted for this path"
    );
    world.state().variables.insert("secret_heartbeat".to_owned(), pagerelay_support::SECRET.to_owned());
    let same = world.ask(secs(3), request(Method::Post, "/heartbeat/watchdog", ""));
    assert_eq!(same.status, 503, "{same:?}");
    assert!(world.state().store.keys.is_empty());
}

#[test]
fn a_heartbeat_that_is_not_declared_or_not_valid_is_an_error_that_names_its_variable() {
    let world = world("soon");
    for (path, status, detail) in [
        (
            "/heartbeat/other",
            404,
            "no such heartbeat: variable `heartbeat_other` is not set; set it to the period, such as 5m",
        ),
        (
            "/heartbeat/___",
            404,
            "no such heartbeat: each word of a name begins with a letter, and the last one is not `previous`",
        ),
        (
            "/heartbeat/watchdog",
            503,
            "variable `heartbeat_watchdog` must be a period between 1m and 31d such as 5m, or period and grace such as 5m+2m (units s, m, h, d)",
        ),
    ] {
        let answer = beat(&world, 1, path, "");
        assert_eq!((answer.status, answer.body["detail"].as_str()), (status, Some(detail)));
    }
    for (period, is_valid) in [
        ("1m", true),
        ("90s", true),
        ("31d", true),
        ("2h + 10m", true),
        ("5m+0s", true),
        ("59s", false),
        ("32d", false),
        ("5", false),
        ("m", false),
        ("5m+", false),
        ("-5m", false),
        ("+5m", false),
        ("5m+2m+1m", false),
        ("99999999999d", false),
        ("5µ", false),
    ] {
        world.state().variables.insert("heartbeat_watchdog".to_owned(), period.to_owned());
        assert_eq!(beat(&world, 1, "/heartbeat/watchdog", "").status, if is_valid { 200 } else { 503 }, "{period}");
    }
}

#[test]
fn without_a_store_the_error_names_the_variable_and_what_to_do() {
    let world = world("5m");
    world.state().store.fails = true;
    let answer = beat(&world, 1, "/heartbeat/watchdog", "");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.body["detail"],
        "variable `heartbeat_watchdog` needs a key-value store: the key-value store failed"
    );
}

#[test]
fn a_sender_that_beats_often_writes_seldom() {
    let world = world("10m");
    for second in 0..120 {
        beat(&world, 1000 + second, "/heartbeat/watchdog", "");
    }
    // Two minutes, and a write each minute; each sign of life reads the last one.
    assert_eq!(world.state().store.calls, 120 + 2);
}

#[test]
fn a_sign_of_life_is_noted_after_a_tenth_of_the_period_or_half_of_a_short_grace() {
    for (period, share) in [("10m", 60), ("10m+3m", 60), ("10m+1m", 30), ("10m+10s", 5)] {
        let world = world(period);
        let noted = [0, share - 1, share].map(|after| {
            beat(&world, 1000 + after, "/heartbeat/watchdog", "");
            let value = world.state().store.keys["pr1.beat.watchdog"].clone();
            let value: Value = serde_json::from_slice(&value).expect("JSON");
            Duration::from_millis(value["at"].as_u64().expect("a time")) - EPOCH - secs(1000)
        });
        assert_eq!(noted, [0, 0, share].map(secs), "{period}");
    }
}

#[test]
fn silence_pages_when_the_grace_is_over() {
    for (period, silence) in [("5m", 600), ("5m+2m", 420), ("5m+0s", 300)] {
        for (more, pages) in [(Duration::ZERO, 0), (MILLISECOND, 1)] {
            let world = world(period);
            world.state().store.always_takes = Some(Duration::ZERO);
            beat(&world, 1000, "/heartbeat/watchdog", "");
            world.tick(secs(1000 + silence) + more);
            assert_eq!(world.accepted().len(), pages, "{period} {more:?}");
        }
    }
}

#[test]
fn the_path_chooses_the_service_and_the_name_is_read_generously() {
    let world = world("1m");
    world.state().variables.insert("routing_key_payments".to_owned(), "E".repeat(32));
    beat(&world, 1, "/heartbeat/Watch-Dog", "");
    assert!(world.state().store.keys.is_empty(), "heartbeat_watch_dog is not set");
    beat(&world, 1, "/heartbeat/WATCHDOG/payments", "");
    world.tick(secs(200));
    assert_eq!(world.state().pagerduty.received[0].1["routing_key"], "E".repeat(32));
}

#[test]
fn a_ping_of_opsgenies_api_is_a_sign_of_life() {
    let world = world("1m");
    for (method, path) in
        [(Method::Get, "/v2/heartbeats/watchdog/ping"), (Method::Put, "/opsgenie/v2/heartbeats/Watchdog/ping")]
    {
        let ping = |key: &str| sign(method, path, &format!("GenieKey {key}"), "");
        assert_eq!(world.ask(secs(1), ping("wrong")).status, 401, "{path}");
        let answer = world.ask(secs(1), ping(OPSGENIE_SECRET));
        assert_eq!((answer.status, &answer.body["result"]), (202, &json!("PONG - Heartbeat received")), "{path}");
    }
    let unknown =
        world.ask(secs(1), sign(Method::Get, "/v2/heartbeats/other/ping", &format!("GenieKey {OPSGENIE_SECRET}"), ""));
    assert_eq!(unknown.status, 410, "{unknown:?}");
    assert!(unknown.body["message"].as_str().expect("a message").contains("`heartbeat_other`"));
    let list = world.ask(secs(1), sign(Method::Get, "/v2/heartbeats", &format!("GenieKey {OPSGENIE_SECRET}"), ""));
    assert_eq!(list.status, 410);
    world.tick(secs(300));
    assert_eq!(world.accepted().len(), 1);
}

/// Pages a service of its own about a heartbeat that stopped. Returns the service's key.
fn payments_paged(world: &World) -> String {
    let payments = "E".repeat(32);
    world.state().variables.insert("routing_key_payments".to_owned(), payments.clone());
    beat(world, 1, "/heartbeat/watchdog/payments", "");
    world.tick(secs(200));
    payments
}

#[test]
fn the_service_that_was_paged_gets_the_resolve() {
    let world = world("1m");
    let payments = payments_paged(&world);
    beat(&world, 210, "/heartbeat/watchdog", "");
    world.tick(secs(220));
    // From now on, the last sign of life chooses.
    world.tick(secs(500));
    let state = world.state();
    let sent = state.pagerduty.received.iter().map(|(_, event)| (&event["event_action"], &event["routing_key"]));
    let sent: Vec<(&str, bool)> =
        sent.map(|(action, key)| (action.as_str().expect("a text"), *key == payments)).collect();
    assert_eq!(sent, [("trigger", true), ("resolve", true), ("trigger", false)]);
}

#[test]
fn a_sign_of_life_is_noted_if_the_grace_does_not_allow_to_leave_it_out() {
    for (period, pages) in [("5m+0s", 0), ("5m+10s", 0), ("5m", 0)] {
        let world = world(period);
        // Two senders beat one after the other, so the second one counts.
        for start in [0, 325] {
            beat(&world, 1000 + start, "/heartbeat/watchdog", "");
            beat(&world, 1025 + start, "/heartbeat/watchdog", "");
            world.tick(secs(1320 + start));
        }
        assert_eq!(world.accepted().len(), pages, "{period}");
    }
}

#[test]
fn the_alert_of_a_heartbeat_whose_variable_is_removed_is_resolved_once_and_pages_again_if_the_variable_is_back() {
    let world = world("1m");
    let payments = payments_paged(&world);
    world.state().variables.remove("heartbeat_watchdog");
    for time in [260, 320, 380] {
        assert_eq!(world.tick(secs(time)).status, 200);
    }
    {
        let state = world.state();
        let (_, last) = state.pagerduty.received.last().expect("a resolve");
        assert_eq!(last["payload"]["summary"], "watchdog is not watched any more");
        assert_eq!((&last["event_action"], &last["routing_key"]), (&json!("resolve"), &json!(payments)));
        assert_eq!(state.pagerduty.received.len(), 2);
        assert!(state.pagerduty.open.is_empty());
    }
    world.state().variables.insert("heartbeat_watchdog".to_owned(), "1m".to_owned());
    world.tick(secs(440));
    assert_eq!(world.accepted().len(), 3);
}

#[test]
fn a_heartbeat_that_is_removed_together_with_its_service_makes_no_tick_fail() {
    let world = world("1m");
    world.state().variables.insert("routing_key_payments".to_owned(), "E".repeat(32));
    beat(&world, 1, "/heartbeat/watchdog/payments", "");
    world.tick(secs(200));
    for variable in ["heartbeat_watchdog", "routing_key_payments"] {
        world.state().variables.remove(variable);
    }
    assert_eq!([260, 320, 380].map(|time| world.tick(secs(time)).status), [200, 200, 200]);
    let warning = "heartbeat `watchdog` is not watched any more, but its alert stays open: \
                   variable `routing_key_payments` is not set";
    let warned = |line: &&Value| line["warnings"] == json!([warning]);
    assert_eq!(world.state().log.iter().filter(warned).count(), 1);
    assert_eq!(world.accepted().len(), 1);
}

#[test]
fn invalid_settings_resolve_no_heartbeat_and_a_tick_says_that_nobody_watches() {
    let world = world("1m");
    let period = world.state().variables.remove("heartbeat_watchdog").expect("a period");
    let settings = |text: &str| drop(world.state().variables.insert("settings".to_owned(), text.to_owned()));
    settings(&json!({"heartbeat_watchdog": period}).to_string());
    beat(&world, 1, "/heartbeat/watchdog", "");
    world.tick(secs(200));
    settings("{\"heartbeat_watchdog\": \"1m\",}");
    for time in [260, 262, 320] {
        assert_eq!(world.tick(secs(time)).status, 503, "{time}");
    }
    assert_eq!(world.accepted().len(), 1, "nobody knows whether it is watched");
    let line = world.state().log.last().cloned().expect("a line");
    assert_eq!(
        (&line["source"], &line["level"], &line["error"]),
        (&json!("tick"), &json!("error"), &json!("variable `settings` is not valid JSON: line 1, column 29"))
    );
    let sign = beat(&world, 330, "/heartbeat/watchdog", "");
    assert_eq!(
        (sign.status, sign.body["detail"].as_str()),
        (
            503,
            Some("variable `heartbeat_watchdog` is not set; variable `settings` is not valid JSON: line 1, column 29")
        )
    );
    settings("{}");
    assert_eq!(world.tick(secs(380)).status, 200);
    assert_eq!(world.accepted().len(), 2);
}

#[test]
fn the_resolve_for_a_key_that_pagerduty_does_not_know_is_not_sent_for_ever() {
    let world = world("1m");
    let payments = payments_paged(&world);
    beat(&world, 210, "/heartbeat/watchdog", "");
    // Without its variable, the key may still have the alert.
    world.state().variables.remove("routing_key_payments");
    assert_eq!(world.tick(secs(220)).status, 503);
    let line = world.state().log.last().cloned().expect("a line");
    assert_eq!(line["error"], "heartbeat `watchdog`: variable `routing_key_payments` is not set");
    world.state().variables.insert("routing_key_payments".to_owned(), payments);
    world.state().pagerduty.unknown_keys.push("EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE");
    assert_eq!([230, 250].map(|time| world.tick(secs(time)).status), [200, 200]);
    assert_eq!(world.state().pagerduty.received.len(), 2);
    let warning =
        "PagerDuty has not accepted an event with the key in variable `routing_key_payments`: 400 Invalid routing key";
    let warned = |line: &&Value| line["warnings"] == json!([warning]);
    assert_eq!(world.state().log.iter().filter(warned).count(), 1);
}

#[test]
fn silence_after_a_sign_of_life_of_the_future_pages() {
    let world = world("5m+2m");
    let tomorrow = json!({"at": (EPOCH + secs(86_400)).as_millis(), "service": null}).to_string();
    world.state().store.keys.insert("pr1.beat.watchdog".to_owned(), tomorrow.into_bytes());
    let pages = [60, 120, 470, 600].map(|time| (world.tick(secs(time)), world.accepted().len()).1);
    assert_eq!(pages, [0, 0, 0, 1]);
    let state = world.state();
    let summary = state.pagerduty.received[0].1["payload"]["summary"].as_str().expect("a text");
    assert!(summary.starts_with("No sign of life from watchdog since 2026-03-04T04:54:20"), "{summary}");
}

#[test]
fn many_heartbeats_in_a_slow_store_page_all_the_same() {
    let names: Vec<String> = (0..20).map(|n| format!("heartbeat_a{n}")).collect();
    let heartbeats: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "5m")).collect();
    let world = World::new(1, &variables(&heartbeats));
    for n in 0..20 {
        let at = if n == 7 { EPOCH } else { EPOCH + secs(900) };
        let beat = json!({"at": at.as_millis(), "service": null}).to_string();
        world.state().store.keys.insert(format!("pr1.beat.a{n}"), beat.into_bytes());
    }
    let calls = world.state().store.calls;
    world.state().store.always_takes = Some(Duration::from_millis(500));
    assert_eq!(world.tick(secs(1000)).status, 200);
    let state = world.state();
    assert_eq!(state.pagerduty.received.len(), 1);
    // Of the record of ticks two writes and a read, a listing, one read for each heartbeat, and two calls for the page.
    assert_eq!(state.store.calls - calls, 4 + 20 + 2);
}

#[test]
fn the_log_has_a_page_that_the_store_could_not_note() {
    let world = world("1m");
    beat(&world, 1, "/heartbeat/watchdog", "");
    world.state().store.fails_at.push(("set", "pr1.down.", 1));
    assert_eq!([200, 260].map(|time| world.tick(secs(time)).status), [503, 200]);
    assert_eq!(world.accepted().len(), 2);
    let state = world.state();
    let pages = state.log.iter().filter(|line| line["source"] == "heartbeat" && line["status"].is_null());
    let pages: Vec<&Value> = pages.map(|line| &line["events"][0]["pagerduty"]).collect();
    assert_eq!(pages, ["202 Event processed", "202 Event processed"]);
}
