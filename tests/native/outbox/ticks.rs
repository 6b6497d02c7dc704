//! What a tick answers and logs, with a store and without one.

use std::time::Duration;

use pagerelay::http::Method;
use pagerelay::pipeline;
use serde_json::{Value, json};

use super::world::World;
use super::{event, request, secs, variables};
use crate::host::Accepting;

const ON: &[(&str, &str)] = &[("outbox", "on")];

/// A world whose PagerDuty fails from the beginning until this time.
fn down(until: u64, more: &[(&str, &str)]) -> World {
    let world = World::new(1, &variables(more));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(until)));
    world
}

/// The lines that a tick at this time logs.
fn logged(world: &World, time: u64) -> Vec<Value> {
    world.state().log.clear();
    world.tick(secs(time));
    world.state().log.clone()
}

#[test]
fn without_a_store_a_tick_is_a_success_unless_something_is_configured_that_needs_one() {
    for (variable, status) in [
        (None, 200),
        (Some(("outbox", "off")), 200),
        (Some(("outbox", "on")), 503),
        (Some(("outbox", "replicated")), 503),
        (Some(("outbox", "sometimes")), 503),
        (Some(("heartbeat_watchdog", "5m")), 503),
    ] {
        let mut host = Accepting::new();
        host.variables.extend(variable);
        let (reply, line) = pipeline::handle(&mut host, &request(Method::Get, "/tick", ""));
        assert_eq!((reply.status.as_u16(), line.is_none()), (status, status == 200), "{variable:?}: {line:?}");
        if let Some(line) = line {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!((&line["source"], &line["level"]), (&json!("tick"), &json!("error")), "{line}");
            assert_eq!(line["error"], "the runtime has no key-value store `default`");
        }
    }
}

#[test]
fn a_tick_that_finds_nothing_to_do_logs_nothing() {
    let world = down(0, ON);
    assert_eq!(logged(&world, 100), [Value::Null; 0]);
    let world = down(0, &[("heartbeat_watchdog", "5m")]);
    assert_eq!(logged(&world, 100), [Value::Null; 0]);
}

#[test]
fn a_tick_logs_what_it_has_sent_and_what_waits() {
    let world = down(1000, ON);
    world.ask(secs(100), event("hasty", "a", 1, "down"));
    // Its first attempt fails. Then the service pauses, and nothing is sent.
    for time in [900, 905] {
        let lines = logged(&world, time);
        let [line] = &*lines else { panic!("one line: {lines:?}") };
        assert_eq!((&line["source"], &line["left"], &line["level"]), (&json!("outbox"), &json!(1), &json!("warning")));
        assert!(line["warnings"].to_string().contains("1 event still stored"), "{line}");
        let waits = line["oldest_s"].as_u64().expect("seconds");
        assert!((time - 100..time - 90).contains(&waits), "{line}");
    }
    let lines = logged(&world, 1100);
    let [line] = &*lines else { panic!("one line: {lines:?}") };
    assert_eq!((&line["left"], &line["level"], line.get("warnings")), (&json!(0), &json!("info"), None), "{line}");
    assert_eq!((line.get("oldest_s"), &line["events"][0]["pagerduty"]), (None, &json!("202 Event processed")));
}

#[test]
fn the_line_about_a_heartbeat_names_the_key_that_it_was_sent_with() {
    let secret = "beats-0123456789abcdef";
    let payments = "E".repeat(32);
    let world =
        down(0, &[("secret_heartbeat", secret), ("heartbeat_watchdog", "1m"), ("routing_key_payments", &payments)]);
    let mut sign = request(Method::Post, "/heartbeat/watchdog/payments", "");
    let bearer = format!("Bearer {secret}").into_bytes();
    sign.headers = pagerelay::http::Headers::new([("authorization".to_owned(), bearer)]);
    assert_eq!(world.ask(secs(1), sign).status, 200);
    let lines = logged(&world, 200);
    let [line] = &*lines else { panic!("one line: {lines:?}") };
    assert_eq!((&line["source"], &line["level"]), (&json!("heartbeat"), &json!("info")));
    assert_eq!(line["events"][0]["routing_key"], "routing_key_payments");
    assert_eq!(line["events"][0]["dedup_key"], "pagerelay:heartbeat:watchdog");
    // An invalid period alone is a line too.
    world.state().variables.insert("heartbeat_watchdog".to_owned(), "soon".to_owned());
    let lines = logged(&world, 300);
    let [line] = &*lines else { panic!("one line: {lines:?}") };
    assert_eq!((&line["source"], &line["level"]), (&json!("heartbeat"), &json!("warning")));
}

#[test]
fn an_invalid_choice_and_a_store_that_fails_are_lines_of_the_tick() {
    let world = down(0, &[("outbox", "sometimes")]);
    let lines = logged(&world, 100);
    let [line] = &*lines else { panic!("one line: {lines:?}") };
    assert_eq!(
        (&line["source"], &line["error"]),
        (&json!("tick"), &json!("variable `outbox` must be one of off, on, replicated"))
    );
    let world = down(0, ON);
    world.state().store.fails = true;
    let lines = logged(&world, 100);
    let [line] = &*lines else { panic!("one line: {lines:?}") };
    assert_eq!((&line["source"], &line["error"]), (&json!("tick"), &json!("the key-value store failed")));
}
