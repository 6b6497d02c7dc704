//! Stores, variables and messages that are not as they should be.

use std::time::Duration;

use pagerelay::http::{Headers, Method};
use serde_json::{Value, json};

use super::world::World;
use super::{event, events, request, secs, variables};

const ON: &[(&str, &str)] = &[("outbox", "on")];
const URL: (&str, &str) = ("fallback_url", "https://chat.test/hook");

/// A world whose PagerDuty fails from the beginning until this time.
fn down(until: u64, more: &[(&str, &str)]) -> World {
    let world = World::new(1, &variables(more));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(until)));
    world
}

#[test]
fn a_store_that_is_too_slow_does_not_silence_the_fallback() {
    for takes in [1100, 3000, 10_000] {
        let world = down(3600, &[ON[0], URL]);
        world.state().store.always_takes = Some(Duration::from_millis(takes));
        let items: Vec<Value> = (0..40).map(|n| json!({"id": format!("a{n}"), "n": n})).collect();
        let answer = world.ask(secs(1), events("hasty", &items.into()));
        assert_eq!(answer.status, 503);
        let state = world.state();
        assert_eq!(state.others.len(), 1, "{takes}");
    }
}

#[test]
fn a_message_counts_the_alerts_that_it_does_not_name() {
    let world = down(3600, &[("retry_after_answer", "off"), URL]);
    for (count, width) in [(13, 250), (8, 250), (13, 10)] {
        let item = |n: usize| json!({"id": format!("{n}-{}", "é".repeat(width)), "n": n});
        world.state().others.clear();
        let now = world.state().now;
        world.ask(now, events("hasty", &(0..count).map(item).collect()));
        let state = world.state();
        let text = state.others[0].1["text"].as_str().expect("a text").to_owned();
        assert!(text.encode_utf16().count() <= 1900, "{}", text.encode_utf16().count());
        let named = text.matches("\n[error]").count();
        assert!(named <= 10 && (width > 10 || named == 10), "{text}");
        assert!(text.contains(&format!("\nand {} more alert", count - named)), "{named} of {count}: {text}");
    }
}

#[test]
fn a_message_names_as_many_alerts_as_have_room_beside_the_count_of_the_others() {
    const TEXT: usize = 1900;
    const COUNT: usize = 40;
    let world = down(36_000, &[("retry_after_answer", "off"), URL]);
    // The first name grows, so that the last line that fits ends at each distance from the limit.
    for width in 1..220 {
        let item = |n: usize| json!({"id": "x".repeat(if n == 10 { width } else { 170 }) + &n.to_string(), "n": n});
        world.state().others.clear();
        let now = world.state().now;
        world.ask(now, events("hasty", &(10..22).map(item).collect()));
        let text = world.state().others[0].1["text"].as_str().expect("a text").to_owned();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let [_, named @ .., count, _] = &*lines else { panic!("{text}") };
        assert!(text.len() <= TEXT && named.len() < 10, "{text}");
        assert_eq!(*count, format!("and {} more alerts\n", 12 - named.len()), "{width}: {text}");
        let next = named.last().expect("a name").len();
        assert!(text.len() - count.len() + next + COUNT > TEXT, "{width}: {text}");
    }
}

#[test]
fn a_message_says_what_pagerduty_answered_last() {
    let world = down(3600, &[URL]);
    (world.state().pagerduty.failure, world.state().pagerduty.retry_after) = (429, Some(40));
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    let state = world.state();
    let text = state.others[0].1["text"].as_str().expect("a text").to_owned();
    assert!(text.contains("(hasty, 429)"), "{text}");
}

#[test]
fn a_page_of_another_site_keeps_no_heartbeat_alive() {
    let world = World::new(1, &variables(&[("secret_heartbeat", "beats-0123456789abcdef"), ("heartbeat_a", "5m")]));
    let mut sign = request(Method::Get, "/heartbeat/a", "");
    sign.headers = Headers::new([
        ("authorization".to_owned(), b"Bearer beats-0123456789abcdef".to_vec()),
        ("sec-fetch-site".to_owned(), b"cross-site".to_vec()),
    ]);
    assert_eq!(world.ask(secs(1), sign).status, 403);
    assert!(world.state().store.keys.is_empty());
}

#[test]
fn garbage_in_any_key_of_the_relay_stops_no_page() {
    for value in [&b""[..], b"\xff\xfe", b"null", b"[]", b"18446744073709551615", b"{\"until\":18446744073709551615,\"who\":1}", b"{\"next\":18446744073709551615,\"fails\":4294967295,\"minute\":18446744073709551615,\"sent\":18446744073709551615}", b"{\"at\":18446744073709551615}"] {
        let world = down(60, &[ON[0], ("secret_heartbeat", "beats-0123456789abcdef"), ("heartbeat_a", "5m")]);
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        {
            let mut state = world.state();
            let record = state.store.keys.keys().find(|key| key.starts_with("pr1.key.")).cloned().expect("a pace");
            for key in ["pr1.any", "pr1.none", "pr1.lease", "pr1.tick", "pr1.lost", "pr1.beat.a", "pr1.down.a", "pr1.beat.", "pr1.beat.B-/ü", "pr1.e.x", &*record, "pr1.e.0123abcd.0123456789abcdef.0000000005000.007.89abcdef", "foreign"] {
                if key != "pr1.any" || value != b"" {
                    state.store.keys.insert(key.to_owned(), value.to_vec());
                }
            }
        }
        for (n, id) in [(2, "b"), (3, "a")] {
            let answer = world.ask(secs(100 * n), event("patient", id, n, "down"));
            assert_eq!(answer.status, 200);
        }
        world.tick(secs(400));
        let accepted = world.accepted();
        for n in [2, 3] {
            assert!(accepted.contains(&format!("trigger {n}")), "{accepted:?}");
        }
    }
}

#[test]
fn a_service_whose_key_is_rejected_holds_up_no_other_service() {
    let payments = "E".repeat(32);
    let world = down(60, &[ON[0], ("routing_key_payments", &payments)]);
    for (at, path) in [(1, "/hasty"), (2, "/hasty/payments")] {
        world.ask(secs(at), request(Method::Post, path, &json!([{"id": "a", "n": at}]).to_string()));
    }
    world.state().pagerduty.statuses.push(("EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE", 403));
    assert_eq!(world.stored(), 2);
    world.tick(secs(100));
    assert_eq!((world.stored(), world.accepted()), (1, vec!["trigger 1".to_owned()]));
    // The variable is gone for an hour.
    world.state().pagerduty.statuses.clear();
    let key = world.state().variables.remove("routing_key_payments").expect("a key");
    world.tick(secs(200));
    assert_eq!(world.stored(), 1);
    let line = world.state().log.last().expect("a line").to_string();
    assert!(line.contains("events for it stay stored"), "{line}");
    world.state().variables.insert("routing_key_payments".to_owned(), key);
    world.tick(secs(3800));
    assert_eq!(world.accepted(), ["trigger 1", "trigger 2"]);
}

#[cfg(feature = "templates")]
#[test]
fn a_stored_copy_of_a_resolve_is_needless_if_pagerduty_does_not_know_the_key() {
    let rules = r#"[{"if": "event.dedup_key == 'sim:b'", "service": "payments"}]"#;
    let world = down(60, &[ON[0], ("rules", rules), ("routing_key_payments", "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE")]);
    let answer = world.ask(secs(1), event("hasty", "a", 1, "up"));
    assert_eq!((answer.status, world.stored()), (200, 2), "{answer:?}");
    // A trigger for that service is no copy.
    world.ask(secs(2), event("hasty", "b", 2, "down"));
    world.state().pagerduty.unknown_keys.push("EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE");
    for time in [100, 200, 300] {
        world.tick(secs(time));
    }
    assert_eq!((world.stored(), world.accepted()), (1, vec!["resolve 1".to_owned()]));
    let state = world.state();
    let warned = |line: &Value| line["warnings"].to_string().contains("not accepted for `routing_key_payments`");
    assert_eq!(state.log.iter().filter(|line| warned(line)).count(), 1);
}

#[cfg(feature = "templates")]
#[test]
fn of_more_than_40_events_the_copy_of_a_resolve_does_not_close_the_alert_of_another_service() {
    let rules = r#"[{"if": "event.dedup_key == 'sim:none'", "service": "payments"}]"#;
    let world = down(60, &[ON[0], ("rules", rules), ("routing_key_payments", "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE")]);
    let item = |n: usize| json!({"id": format!("a{n}"), "n": n, "severity": "warning"});
    let mut items: Vec<Value> = (0..45).map(item).collect();
    items.push(json!({"id": "again", "n": 50, "state": "up"}));
    items.push(json!({"id": "again", "n": 51, "severity": "critical"}));
    let answer = world.ask(secs(1), events("patient", &items.into()));
    let shown = answer.body["events"].as_array().expect("events");
    let again: Vec<&Value> = shown.iter().filter(|event| event["dedup_key"] == "sim:again").collect();
    let [resolve, trigger, copy] = &*again else { panic!("three events: {again:?}") };
    assert_eq!((&resolve["stored"], &trigger["stored"]), (&json!(true), &json!(true)), "{again:?}");
    assert_eq!((&copy["routing_key"], &copy["stored"]), (&json!("routing_key_payments"), &Value::Null));
}

#[test]
fn a_read_that_fails_once_lets_no_event_overtake_a_stored_one() {
    for call in [("get", "pr1.any", 1), ("get", "pr1.none", 1), ("list", "", 1)] {
        let world = down(60, ON);
        world.state().store.keys.insert("pr1.none".to_owned(), b"1".to_vec());
        world.ask(secs(1), event("hasty", "a", 1, "up"));
        world.state().store.fails_at.push(call);
        let answer = world.ask(secs(100), event("hasty", "a", 2, "down"));
        assert_eq!((answer.status, &answer.body["warnings"][1]), (200, &Value::Null), "{answer:?}");
        world.tick(secs(200));
        assert_eq!(world.accepted(), ["resolve 1", "trigger 2"], "{call:?}");
    }
}

#[test]
fn the_digest_of_a_storm_is_stored_itself_because_a_digest_of_it_would_list_none_of_its_alerts() {
    let world = down(60, ON);
    let severity = |n: usize| if n < 100 { "critical" } else { "warning" };
    let item = |n: usize| json!({"id": format!("a{n}"), "n": n, "severity": severity(n)});
    let answer = world.ask(secs(1), events("patient", &(0..300).map(item).collect()));
    assert_eq!((answer.status, world.stored()), (200, 40), "{answer:?}");
    for minute in 2..6 {
        world.tick(secs(60 * minute));
    }
    let state = world.state();
    let mut told = String::new();
    for (_, event) in state.pagerduty.received.iter().filter(|(at, _)| *at > secs(60)) {
        told.push_str(&event.to_string());
    }
    let untold: Vec<usize> = (0..300).filter(|n| !told.contains(&format!("#{n}\""))).collect();
    assert_eq!(untold, [0; 0]);
}

#[cfg(feature = "templates")]
#[test]
fn of_more_than_40_resolves_those_of_stored_triggers_are_stored_first() {
    let rules = r#"[{"if": "event.payload.severity == 'critical'", "service": "payments"}]"#;
    let world = down(60, &[ON[0], ("rules", rules), ("routing_key_payments", "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE")]);
    let item = |n: usize, state: &str| json!({"id": n, "n": n, "state": state, "severity": "critical"});
    world.ask(secs(1), events("patient", &(0..30).map(|n| item(n, "down")).collect()));
    // Each is for both services.
    let answer = world.ask(secs(20), events("patient", &(0..30).map(|n| item(n, "up")).collect()));
    assert_eq!((answer.status, world.stored()), (503, 68), "{answer:?}");
    for minute in 2..6 {
        world.tick(secs(60 * minute));
    }
    assert_eq!((world.stored(), world.state().pagerduty.open.len()), (0, 0));
}

#[test]
fn each_entry_of_a_delivery_is_looked_for_once_however_many_alerts_it_lists() {
    let world = down(3600, ON);
    let item = |n: usize| json!({"id": n, "n": n});
    world.ask(secs(1), events("patient", &(0..100).map(item).collect()));
    let many = world.state().store.calls;
    let world = down(3600, ON);
    world.ask(secs(1), events("patient", &(0..40).map(item).collect()));
    let few = world.state().store.calls;
    assert!(many < few + 10, "{many} {few}");
}

#[test]
fn a_typing_error_in_a_variable_lets_no_event_overtake_a_stored_one() {
    for (name, right, wrong, why) in [
        ("outbox", "on", "onn", "variable `outbox` must be one of off, on, replicated"),
        ("settings", r#"{"outbox": "on"}"#, r#"{"outbox": "on",}"#, "variable `outbox` may be a member of `settings`"),
    ] {
        let world = down(30, &[(name, right)]);
        let set = |value: &str| drop(world.state().variables.insert(name.to_owned(), value.to_owned()));
        world.ask(secs(1), event("hasty", "a", 1, "up"));
        set(wrong);
        // Another instance sends what is stored.
        let until = (super::world::EPOCH + secs(90)).as_millis();
        let lease = json!({"until": until, "who": "another"}).to_string();
        world.state().store.keys.insert("pr1.lease".to_owned(), lease.into_bytes());
        let answer = world.ask(secs(60), event("hasty", "a", 2, "down"));
        assert_eq!((answer.status, world.stored()), (200, 2), "{answer:?}");
        let warning = format!("{why}; it counts as on while events are stored");
        assert!(answer.body["warnings"].to_string().contains(&warning), "{answer:?}");
        set(right);
        world.tick(secs(120));
        assert_eq!(world.accepted(), ["resolve 1", "trigger 2"], "{name}");
    }
    // Without stored events, nothing is stored.
    let world = down(30, &[("settings", r#"{"outbox": "on",}"#)]);
    assert_eq!((world.ask(secs(1), event("hasty", "a", 1, "up")).status, world.stored()), (503, 0));
}

#[test]
fn a_read_that_fails_is_repeated_only_if_it_was_quick() {
    for (takes, is_repeated) in [(100, true), (299, true), (300, false)] {
        let world = down(60, ON);
        world.state().store.keys.insert("pr1.none".to_owned(), b"1".to_vec());
        world.state().store.always_takes = Some(Duration::from_millis(takes));
        world.state().store.fails_at.push(("get", "pr1.any", 1));
        let answer = world.ask(secs(100), event("patient", "a", 1, "down"));
        assert_eq!(answer.body["warnings"].is_null(), is_repeated, "{takes} ms: {answer:?}");
    }
}

#[test]
fn a_stored_resolve_goes_out_with_both_keys() {
    let previous = "F".repeat(32);
    let world = down(30, &[ON[0], ("routing_key_previous", &previous)]);
    world.ask(secs(1), event("hasty", "a", 1, "up"));
    world.state().pagerduty.statuses.push(("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 503));
    world.tick(secs(100));
    assert_eq!(world.stored(), 1);
    world.state().pagerduty.statuses.clear();
    world.tick(secs(200));
    assert_eq!((world.stored(), world.accepted().len()), (0, 3));
}

#[test]
fn previews_and_other_paths_never_touch_the_store() {
    let world = down(3600, &[ON[0], URL]);
    for (method, path) in [
        (Method::Post, "/preview/hasty"),
        (Method::Get, "/health"),
        (Method::Get, "/setup"),
        (Method::Post, "/hasty/nobody"),
    ] {
        world.ask(secs(1), request(method, path, r#"[{"id": "a", "n": 1}]"#));
        let state = world.state();
        assert_eq!((state.store.calls, state.others.len()), (0, 0), "{path}");
    }
    assert_eq!(world.ask(secs(2), request(Method::Head, "/tick", "")).status, 200);
}

#[test]
fn an_unreadable_entry_blocks_only_its_alert_and_is_reported_after_a_day() {
    let world = down(30, ON);
    for (n, id) in [(1, "a"), (2, "b")] {
        world.arrives(secs(1), event("hasty", id, n, "down"), |_| ());
    }
    world.run();
    assert_eq!(world.stored(), 2);
    {
        let mut state = world.state();
        let broken = state.store.keys.iter_mut().find(|(_, value)| String::from_utf8_lossy(value).contains("sim:a"));
        *broken.expect("an entry").1 = b"{\"v\":2}".to_vec();
    }
    world.tick(secs(100));
    assert_eq!((world.stored(), world.accepted()), (1, vec!["trigger 2".to_owned()]));
    world.tick(secs(90_000));
    assert_eq!(world.stored(), 0);
    let line = world.state().log.last().expect("a line").to_string();
    assert!(line.contains("1 stored event lost"), "{line}");
}

#[test]
fn a_change_event_is_not_stored_and_the_alerts_beside_it_are() {
    let world = down(60, ON);
    let both = json!([{"id": "a", "n": 1}, {"id": "c", "n": 2, "state": "change"}]);
    assert_eq!(world.ask(secs(1), events("hasty", &both)).status, 503);
    assert_eq!(world.stored(), 1);
    world.tick(secs(100));
    assert_eq!((world.stored(), world.accepted()), (0, vec!["trigger 1".to_owned()]));
}

#[test]
fn only_an_outbox_that_is_on_ends_an_alert_at_its_first_failure() {
    for (outbox, accepted) in [("off", &["resolve 2"] as &[_]), ("replicated", &["resolve 2"]), ("on", &[])] {
        let world = World::new(1, &variables(&[("outbox", outbox)]));
        world.state().pagerduty.statuses.push(("#1\"", 503));
        let both = json!([{"id": "a", "n": 1}, {"id": "a", "n": 2, "state": "up"}]);
        world.ask(secs(1), events("hasty", &both));
        assert_eq!(world.accepted(), accepted, "{outbox}");
    }
}

#[test]
fn of_more_than_40_events_those_of_open_alerts_are_stored_first() {
    let world = down(60, ON);
    let item = |n: usize| match n {
        0..30 => json!({"id": format!("a{n}"), "n": n, "state": "up", "severity": "critical"}),
        _ => json!({"id": format!("a{n}"), "n": n, "severity": "warning"}),
    };
    world.ask(secs(1), events("hasty", &(0..60).map(item).collect()));
    let state = world.state();
    let triggers = state.store.keys.values().filter(|value| String::from_utf8_lossy(value).contains("\"trigger\""));
    assert_eq!(triggers.count(), 30);
}

#[test]
fn a_sign_of_life_replaces_one_of_the_future() {
    let world = World::new(1, &variables(&[("secret_heartbeat", "beats-0123456789abcdef"), ("heartbeat_a", "1m")]));
    let future = json!({"at": 1_900_000_000_000_u64, "service": null}).to_string().into_bytes();
    world.state().store.keys.insert("pr1.beat.a".to_owned(), future);
    let mut sign = request(Method::Post, "/heartbeat/a", "");
    sign.headers = Headers::new([("authorization".to_owned(), b"Bearer beats-0123456789abcdef".to_vec())]);
    assert_eq!(world.ask(secs(1), sign).status, 200);
    world.tick(secs(600));
    assert_eq!(world.accepted().len(), 1);
}
