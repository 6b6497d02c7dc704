//! What the sender gets, what is stored, and what goes out later.

#[cfg(feature = "templates")]
use std::collections::BTreeSet;
use std::time::Duration;

use pagerelay::http::Method;
use pagerelay::outbox::{Entry, EntryKey};
use pagerelay_support::{SECRET, SERVICE_KEY, fixtures};
use serde_json::{Value, json};

#[cfg(feature = "templates")]
use super::world::number_of;
use super::world::{EPOCH, World};
use super::{MILLISECOND, event, events, request, secs, variables};

const ON: &[(&str, &str)] = &[("outbox", "on")];

/// A world whose PagerDuty fails from the beginning until this time.
fn down(until: u64, more: &[(&str, &str)]) -> World {
    let world = World::new(1, &variables(more));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(until)));
    world
}

fn warnings(body: &Value) -> String {
    body["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

#[test]
fn without_an_outbox_a_trigger_is_retried_after_the_answer_until_15_seconds_after_its_arrival() {
    let world = down(12, &[]);
    let answer = world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!((answer.status, answer.after < secs(10)), (503, true), "{answer:?}");
    assert_eq!(world.accepted(), ["trigger 1"]);
    let state = world.state();
    let (at, ..) = &state.pagerduty.accepted[0];
    assert!((secs(12)..secs(16)).contains(at), "{at:?}");
    let [first, second] = &*state.log else { panic!("two lines: {:?}", state.log) };
    assert_eq!((&first["status"], &first["level"]), (&json!(503), &json!("error")));
    assert_eq!(
        (&second["after_answer"], &second["level"], &second["source"]),
        (&json!(true), &json!("info"), &json!("patient"))
    );
    assert_eq!(second["events"][0]["pagerduty"], "202 Event processed");
    assert_eq!(state.store.calls, 0);
}

#[test]
fn a_hasty_sender_has_its_answer_after_a_second_and_its_page_after_the_outage() {
    let world = down(12, &[]);
    let answer = world.ask(Duration::ZERO, event("hasty", "a", 1, "down"));
    assert_eq!((answer.status, answer.after <= secs(1)), (503, true), "{answer:?}");
    assert_eq!(world.accepted(), ["trigger 1"]);
    // Pauses of four seconds, and what differs from event to event.
    let sent: Vec<Duration> = world.state().pagerduty.received.iter().map(|(at, _)| *at).collect();
    let apart: Vec<u64> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(apart, [0, 4, 4, 4], "{sent:?}");
}

#[test]
fn an_outage_that_outlasts_the_retries_ends_with_a_line_that_says_so() {
    let world = down(3600, &[]);
    assert_eq!(world.ask(Duration::ZERO, event("patient", "a", 1, "down")).status, 503);
    let state = world.state();
    let last = state.log.last().expect("a line");
    assert_eq!(last["level"], "error");
    assert_eq!(last["error"], "PagerDuty has not accepted 1 trigger");
    let (at, _) = state.pagerduty.received.last().expect("a request");
    assert!(*at <= secs(15), "{at:?}");
}

#[test]
fn nothing_that_closes_an_alert_is_sent_after_the_answer() {
    for states in [&["up"] as &[_], &["seen"], &["down", "up"], &["down", "seen", "up"]] {
        let world = down(12, &[]);
        let items = states.iter().zip(1..).map(|(state, n)| json!({"id": "a", "n": n, "state": state}));
        assert_eq!(world.ask(Duration::ZERO, events("patient", &items.collect())).status, 503);
        assert_eq!(world.accepted(), [""; 0], "{states:?}");
        let state = world.state();
        assert!(state.pagerduty.received.iter().all(|(at, _)| *at < secs(10)), "{states:?}");
        assert_eq!(state.log.len(), 1, "{states:?}");
    }
    // Of an alert that somebody has seen, the trigger is sent.
    let world = down(12, &[]);
    let seen = json!([{"id": "a", "n": 1, "state": "down"}, {"id": "a", "n": 2, "state": "seen"}]);
    world.ask(Duration::ZERO, events("patient", &seen));
    assert_eq!(world.accepted(), ["trigger 1"]);
}

#[test]
fn only_severe_triggers_are_retried_after_the_answer_and_a_variable_turns_that_off() {
    for (severity, more, retried) in [
        ("critical", &[] as &[_], true),
        ("error", &[], true),
        ("warning", &[], false),
        ("info", &[], false),
        ("critical", &[("retry_after_answer", "off")], false),
        ("critical", &[("retry_after_answer", "on")], true),
        // An invalid choice never costs a page.
        ("critical", &[("retry_after_answer", "perhaps")], true),
    ] {
        let world = down(10, more);
        world.ask(Duration::ZERO, events("patient", &json!([{"id": "a", "n": 1, "severity": severity}])));
        assert_eq!(!world.accepted().is_empty(), retried, "{severity} {more:?}");
    }
}

#[cfg(feature = "templates")]
#[test]
fn of_a_delivery_to_several_services_only_what_failed_is_retried_after_the_answer() {
    let rules = json!([{"if": "'alert p' in event.payload.summary", "service": "payments"}]).to_string();
    let payments = "E".repeat(32);
    for failing in ["#1\"", "#2\"", "#3\"", "#4\""] {
        let world = World::new(1, &variables(&[("rules", &rules), ("routing_key_payments", &payments)]));
        world.state().pagerduty.statuses.push((failing, 503));
        world.at(secs(11), |world| world.state().pagerduty.statuses.clear());
        let items = [(1, "a1"), (2, "a2"), (3, "p3"), (4, "p4")].map(|(n, id)| json!({"id": id, "n": n}));
        assert_eq!(world.ask(Duration::ZERO, events("patient", &items.to_vec().into())).status, 503);
        let mut accepted = world.accepted();
        accepted.sort();
        assert_eq!(accepted, ["trigger 1", "trigger 2", "trigger 3", "trigger 4"], "{failing}");
        let state = world.state();
        let of_payments = state.pagerduty.received.iter().filter(|(_, event)| event["routing_key"] == payments);
        let of_payments: BTreeSet<u64> = of_payments.map(|(_, event)| number_of(event)).collect();
        assert_eq!(of_payments, BTreeSet::from([3, 4]), "{failing}");
    }
}

#[test]
fn a_sender_that_sends_its_state_again_gets_neither_retries_nor_an_outbox_nor_a_message() {
    let world = down(3600, &[("outbox", "on"), ("fallback_url", "https://chat.test/hook")]);
    let answer = world.ask(Duration::ZERO, event("resending", "a", 1, "down"));
    assert_eq!(answer.status, 503);
    let state = world.state();
    assert_eq!((state.store.calls, state.log.len(), state.others.len()), (0, 1, 0));
    assert_eq!(state.pagerduty.received.len(), 2);
}

#[test]
fn a_rate_limit_is_respected_after_the_answer() {
    for (retry_after, requests) in [(None, 2), (Some(12), 2), (Some(40), 1)] {
        let world = down(3600, &[]);
        (world.state().pagerduty.failure, world.state().pagerduty.retry_after) = (429, retry_after);
        world.ask(Duration::ZERO, event("hasty", "a", 1, "down"));
        let state = world.state();
        let sent: Vec<Duration> = state.pagerduty.received.iter().map(|(at, _)| *at).collect();
        assert_eq!(sent.len(), requests, "{retry_after:?}: {sent:?}");
        // Nobody waits for a time that is too late.
        assert_eq!((state.log.len(), state.now > secs(10)), (requests, requests == 2), "{:?}", state.log);
        if let [first, second] = &*sent {
            assert!(*second - *first >= secs(10), "{sent:?}");
        }
    }
}

#[cfg(feature = "templates")]
#[test]
fn a_service_that_waits_too_long_after_a_rate_limit_does_not_keep_those_of_other_services_from_a_retry() {
    let payments = "EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";
    let rules = r#"[{"if": "event.dedup_key == 'sim:b'", "service": "payments"}]"#;
    let world = down(10, &[("rules", rules), ("routing_key_payments", payments)]);
    world.state().pagerduty.limited = Some((payments, 40));
    let alerts = json!([{"id": "a", "n": 1, "severity": "critical"}, {"id": "b", "n": 2, "severity": "critical"}]);
    world.ask(Duration::ZERO, events("patient", &alerts));
    let state = world.state();
    let accepted: Vec<&str> = state.pagerduty.accepted.iter().map(|(_, _, key, _)| &**key).collect();
    assert_eq!(accepted, ["sim:a"]);
    let limited = state.pagerduty.received.iter().filter(|(_, event)| event["routing_key"] == payments).count();
    assert_eq!(limited, 1);
}

#[test]
fn a_stored_event_is_a_success_and_goes_out_once_pagerduty_accepts_it() {
    let world = down(600, ON);
    let answer = world.ask(secs(5), event("patient", "a", 1, "down"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["status"], "success");
    assert_eq!(answer.body["message"], "1 event stored");
    assert_eq!(answer.body["events"][0]["stored"], true);
    assert_eq!(
        warnings(&answer.body),
        "1 event stored, because PagerDuty has not accepted it yet (503); sent again for 24 hours"
    );
    assert_eq!((world.stored(), world.accepted().len()), (1, 0));
    {
        let state = world.state();
        assert_eq!((&state.log[0]["level"], &state.log[0]["status"]), (&json!("warning"), &json!(200)));
        assert_eq!((&state.log[1]["source"], &state.log[1]["left"]), (&json!("outbox"), &json!(1)));
    }
    assert_eq!(world.tick(secs(700)).status, 200);
    assert_eq!((world.stored(), world.accepted()), (0, vec!["trigger 1".to_owned()]));
    let state = world.state();
    // People see when it happened.
    let (_, sent) = state.pagerduty.received.last().expect("a request");
    assert_eq!(sent["payload"]["timestamp"], "2026-03-04T04:53:25Z");
    assert_eq!(EPOCH.as_secs() + 5, 1_772_600_005);
}

#[test]
fn later_events_of_a_stored_alert_wait_behind_it_and_others_do_not() {
    let world = down(60, ON);
    world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!(world.stored(), 1);
    // PagerDuty accepts events again, and nobody has drained the outbox.
    world.state().pagerduty.outages.clear();
    let both = json!([{"id": "a", "n": 2, "state": "up"}, {"id": "b", "n": 3, "state": "down"}]);
    let answer = world.ask(secs(70), events("patient", &both));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["message"], "1 event accepted by PagerDuty, 1 event stored");
    assert_eq!(answer.body["events"][0]["pagerduty"], "not sent: an earlier event of the alert is not accepted yet");
    // The delivery drains after its answer.
    assert_eq!(world.accepted(), ["trigger 3", "trigger 1", "resolve 2"]);
    assert_eq!(world.stored(), 0);
}

#[test]
fn a_lane_ends_at_its_first_event_that_is_not_accepted() {
    let world = down(8, ON);
    // The trigger's two seconds of patience are over before PagerDuty is back; the resolve would have been accepted.
    let both = json!([{"id": "a", "n": 1, "state": "down"}, {"id": "a", "n": 2, "state": "up"}]);
    let answer = world.ask(Duration::ZERO, events("hasty", &both));
    assert_eq!((answer.status, &answer.body["message"]), (200, &json!("2 events stored")));
    assert_eq!(answer.body["events"][1]["pagerduty"], "not sent: an earlier event of the alert is not accepted yet");
    assert_eq!(world.accepted(), ["trigger 1", "resolve 2"]);
    assert_eq!(world.stored(), 0);
}

#[test]
fn an_event_that_is_accepted_or_rejected_as_invalid_does_not_end_its_lane() {
    for (status, of_trigger, accepted) in
        [(200, None, ["trigger 1", "resolve 2"].as_slice()), (502, Some(400), &["resolve 2"])]
    {
        let world = World::new(1, &variables(ON));
        world.state().pagerduty.statuses.extend(of_trigger.map(|status| ("#1\"", status)));
        let both = json!([{"id": "a", "n": 1, "state": "down"}, {"id": "a", "n": 2, "state": "up"}]);
        let answer = world.ask(secs(1), events("hasty", &both));
        assert_eq!(answer.status, status, "{answer:?}");
        // The second is not stored, and not sent after the answer.
        assert_eq!(answer.body["events"][1]["pagerduty"], "202 Event processed");
        assert_eq!((world.stored(), world.accepted()), (0, accepted.iter().map(ToString::to_string).collect()));
    }
}

#[test]
fn the_line_about_the_work_after_the_answer_names_source_and_service() {
    let payments = "E".repeat(32);
    let world = down(12, &[("routing_key_payments", &payments)]);
    world.ask(secs(1), request(Method::Post, "/hasty/payments", r#"[{"id": "a", "n": 1}]"#));
    let state = world.state();
    let last = state.log.last().expect("a line");
    assert_eq!(
        (&last["after_answer"], &last["source"], &last["service"]),
        (&json!(true), &json!("hasty"), &json!("payments"))
    );
}

#[test]
fn a_trigger_that_pagerduty_rejects_is_not_retried_after_the_answer() {
    for status in [400, 403] {
        let world = down(12, &[]);
        world.state().pagerduty.failure = status;
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        assert_eq!(world.accepted(), [""; 0], "{status}");
        let state = world.state();
        assert!(state.pagerduty.received.iter().all(|(at, _)| *at < secs(3)), "{status}");
    }
}

#[test]
fn a_rejected_key_is_an_error_for_the_sender_and_the_event_is_stored_all_the_same() {
    let world = down(60, ON);
    world.state().pagerduty.failure = 403;
    let answer = world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(
        warnings(&answer.body).contains("1 event stored, and sent again for 24 hours; somebody has to act first: 403")
    );
    assert_eq!(world.stored(), 1);
    world.tick(secs(300));
    assert_eq!(world.accepted(), ["trigger 1"]);
}

#[test]
fn a_store_that_fails_changes_neither_the_answers_nor_what_is_sent() {
    let run = |more: &[(&str, &str)], prepare: &dyn Fn(&World)| {
        let world = down(8, more);
        prepare(&world);
        let both = json!([{"id": "a", "n": 1, "state": "down"}, {"id": "b", "n": 2, "state": "up"}]);
        let answer = world.ask(secs(1), events("hasty", &both));
        let state = world.state();
        // How often each body is sent depends on the time that is left.
        let mut bodies: Vec<Value> = Vec::new();
        for (_, body) in &state.pagerduty.received {
            if !bodies.contains(body) {
                bodies.push(body.clone());
            }
        }
        (answer.status, answer.body["detail"].clone(), bodies, warnings(&answer.body))
    };
    let (status, detail, bodies, none) = run(&[], &|_| ());
    assert_eq!((status, &*none), (503, ""));
    let (failed_status, failed_detail, failed_bodies, why) = run(ON, &|world| world.state().store.fails = true);
    assert_eq!((failed_status, failed_detail, failed_bodies), (status, detail, bodies));
    assert_eq!(why, "the key-value store failed; events that PagerDuty does not accept are not stored");
}

#[test]
fn a_store_that_hangs_for_a_second_delays_a_page_and_loses_none() {
    for source in ["hasty", "patient"] {
        let world = World::new(1, &variables(ON));
        world.state().store.always_takes = Some(secs(1));
        let answer = world.ask(secs(1), event(source, "a", 1, "down"));
        assert_eq!((answer.status, answer.after < secs(3)), (200, true), "{answer:?}");
        assert_eq!(world.accepted(), ["trigger 1"]);
        assert!(!answer.body.to_string().contains("stored"), "{answer:?}");
    }
}

#[test]
fn with_an_outbox_the_last_attempt_ends_300_ms_earlier_so_that_there_is_time_to_store() {
    for (outbox, status, ends) in [("off", 503, 750), ("on", 200, 450), ("replicated", 200, 450)] {
        let world = down(60, &[("outbox", outbox), ("retry_after_answer", "off")]);
        // It does not answer at all.
        world.state().pagerduty.failure = 0;
        world.state().store.always_takes = Some(Duration::from_millis(1));
        let answer = world.ask(secs(1), event("hasty", "a", 1, "down"));
        assert_eq!(answer.status, status, "{outbox}: {answer:?}");
        // It has a second. Some calls of the store are before the first attempt, and some after the last one.
        let after = answer.after.as_millis();
        assert!((ends..ends + 20).contains(&after), "{outbox}: {after} ms");
    }
}

#[test]
fn an_outbox_that_is_off_never_opens_the_store() {
    for choice in [None, Some(("outbox", "off"))] {
        let world = down(8, choice.as_slice());
        world.ask(secs(1), event("patient", "a", 1, "down"));
        assert_eq!(world.state().store.calls, 0);
    }
    let world = World::new(1, &variables(&[("outbox", "sometimes")]));
    let answer = world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!(answer.status, 200);
    assert_eq!(warnings(&answer.body), "variable `outbox` must be one of off, on, replicated; nothing is stored");
}

#[test]
fn an_honest_delivery_reads_one_key_and_lists_nothing() {
    let world = World::new(1, &variables(ON));
    world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!(world.state().store.calls, 1);
}

#[test]
fn once_a_listing_shows_no_entry_deliveries_list_no_more() {
    let world = down(10, ON);
    world.ask(secs(1), event("patient", "a", 1, "down"));
    world.tick(secs(60));
    assert_eq!(world.stored(), 0);
    let before = world.state().store.calls;
    world.ask(secs(120), event("patient", "b", 2, "down"));
    assert_eq!(world.state().store.calls, before + 2);
}

#[test]
fn of_more_than_40_events_the_most_severe_and_a_digest_of_the_others_are_stored() {
    let world = down(60, ON);
    let item = |n: usize| {
        let severity = if n.is_multiple_of(2) { "critical" } else { "warning" };
        json!({"id": format!("a{n}"), "n": n, "severity": severity})
    };
    let answer = world.ask(secs(1), events("patient", &(0..70).map(item).collect()));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(warnings(&answer.body).contains("31 events listed in a stored digest alert"), "{}", warnings(&answer.body));
    assert_eq!(world.stored(), 40);
    world.tick(secs(200));
    let state = world.state();
    let accepted: Vec<&Value> = state.pagerduty.received.iter().rev().take(40).map(|(_, event)| event).collect();
    let digests: Vec<&&Value> = accepted.iter().filter(|event| event["payload"]["class"] == "digest").collect();
    let [digest] = &*digests else { panic!("one digest: {digests:?}") };
    assert_eq!(digest["payload"]["custom_details"]["alerts"].as_object().expect("a list").len(), 31);
    let critical = accepted
        .iter()
        .filter(|event| event["payload"]["severity"] == "critical" && event["payload"]["class"].is_null());
    assert_eq!(critical.count(), 35);
}

#[test]
fn resolves_that_are_not_stored_are_an_error_for_the_sender() {
    let world = down(60, ON);
    let item = |n: usize| json!({"id": format!("a{n}"), "n": n, "state": "up"});
    let answer = world.ask(secs(1), events("patient", &(0..70).map(item).collect()));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.body["detail"], "PagerDuty did not accept 31 of 70 events; retry: 503");
    assert_eq!(world.stored(), 39);
}

#[test]
fn stored_events_are_sent_at_60_a_minute_and_fresh_ones_do_not_wait() {
    let world = World::new(1, &variables(ON));
    world.state().pagerduty.outages.push((secs(0), secs(400)));
    for n in 0..150_u64 {
        world.arrives(secs(n), event("hasty", &format!("a{n}"), n, "down"), |_| ());
    }
    world.run();
    assert_eq!(world.stored(), 150);
    let mut accepted = Vec::new();
    for minute in 10..16 {
        if minute == 11 {
            let answer = world.ask(secs(60 * minute), event("patient", "fresh", 999, "down"));
            assert_eq!((answer.status, answer.after < secs(1)), (200, true));
        }
        world.tick(secs(60 * minute + 20));
        accepted.push(world.state().pagerduty.accepted.len());
    }
    let per_minute: Vec<usize> = accepted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(per_minute.iter().all(|accepted| *accepted <= 61), "{accepted:?}");
    assert_eq!((world.stored(), *accepted.last().expect("six")), (0, 151), "{accepted:?}");
}

#[test]
fn a_thousand_ticks_at_once_send_each_event_once() {
    let world = down(20, ON);
    for n in 0..20_u64 {
        world.arrives(secs(1), event("hasty", &format!("a{n}"), n, "down"), |_| ());
    }
    world.run();
    assert_eq!(world.stored(), 20);
    world.state().store.takes = Duration::from_millis(50);
    let before = world.state().pagerduty.received.len();
    for tick in 0..1000 {
        world.ticks(secs(100) + Duration::from_micros(tick));
    }
    world.run();
    assert_eq!(world.stored(), 0);
    let state = world.state();
    assert_eq!(state.pagerduty.received.len() - before, 20);
    assert!(state.now < secs(125), "{:?}", state.now);
}

#[test]
fn what_is_too_old_is_reported_in_the_log_by_the_next_tick_and_as_one_alert() {
    let world = down(86_500, ON);
    for n in 1..4 {
        world.ask(secs(n), event("patient", &format!("a{n}"), n, "down"));
    }
    world.ask(secs(4), event("patient", "a1", 4, "up"));
    assert_eq!(world.stored(), 4);
    let old = world.tick(secs(24 * 3600 + 60));
    assert_eq!(old.status, 503);
    assert_eq!(world.stored(), 1, "the report");
    {
        let state = world.state();
        let line = state.log.iter().rev().find(|line| line["source"] == "outbox").expect("a line");
        assert_eq!((&line["level"], &line["error"]), (&json!("error"), &json!("4 stored events lost")));
        let lost = &line["lost"][0];
        assert_eq!((&lost["dedup_key"], &lost["source"]), (&json!("sim:a1"), &json!("patient")));
        assert_eq!(lost["why"], "PagerDuty did not accept it within 24 hours");
    }
    assert_eq!(world.tick(secs(86_600)).status, 503, "for an hour");
    let state = world.state();
    let (_, report) = state.pagerduty.received.last().expect("a request");
    assert_eq!(report["dedup_key"], "pagerelay:expired:default");
    assert_eq!(report["payload"]["summary"], "3 stored alerts lost: PagerDuty did not accept them");
    assert_eq!(
        report["payload"]["custom_details"]["alerts"][0],
        "2026-03-04T04:53:21Z error alert a1 #1 from patient: PagerDuty did not accept it within 24 hours"
    );
    drop(state);
    assert_eq!((world.stored(), world.tick(secs(90_300)).status), (0, 200));
}

#[test]
fn an_event_that_pagerduty_rejects_is_reported_and_does_not_block_its_alert() {
    let world = down(60, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    world.ask(secs(2), event("hasty", "a", 2, "up"));
    (world.state().pagerduty.failure, world.state().pagerduty.outages[0].1) = (400, secs(110));
    world.tick(secs(100));
    assert_eq!(world.stored(), 0);
    let state = world.state();
    let line = state.log.iter().rev().find(|line| line["source"] == "outbox").expect("a line");
    assert_eq!(line["lost"][0]["why"], "PagerDuty rejected it: 400");
}

#[test]
fn a_tick_says_only_whether_somebody_should_look() {
    let world = World::new(1, &variables(&[]));
    let answer = world.tick(secs(1));
    assert_eq!((answer.status, answer.body), (200, json!({"status": "success"})));
    let world = down(3600, ON);
    world.ask(secs(1), event("patient", "a", 1, "down"));
    assert_eq!(world.tick(secs(120)).status, 200);
    let late = world.tick(secs(400));
    assert_eq!((late.status, late.body), (503, json!({"status": "failing"})));
    // The answer of a second tick is that of the first.
    assert_eq!(world.tick(secs(403)).status, 503);
    world.state().store.fails = true;
    assert_eq!(world.tick(secs(500)).status, 503);
}

#[test]
fn a_tick_fails_for_an_event_that_is_stored_for_more_than_5_minutes_and_for_an_hour_after_a_loss() {
    for (more, status) in [(Duration::ZERO, 200), (MILLISECOND, 503)] {
        let world = down(3600, ON);
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        assert_eq!(world.tick(world.arrival() + secs(300) + more).status, status);
    }
    for (early, status) in [(MILLISECOND, 503), (Duration::ZERO, 200)] {
        let world = down(3600, ON);
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        world.tick(secs(90_000));
        let lost = String::from_utf8(world.state().store.keys["pr1.lost"].clone()).expect("a number");
        let lost = Duration::from_millis(lost.parse().expect("a number")) - EPOCH;
        assert_eq!((world.stored(), world.tick(lost + secs(3600) - early).status), (0, status));
    }
}

#[test]
fn a_tick_without_a_store_fails_only_if_something_needs_one() {
    for (variable, status) in [
        (("outbox", "off"), 200),
        (("heartbeat_watchdog", ""), 200),
        (("settings", r#"{"outbox": "off", "heartbeat_watchdog": null}"#), 200),
        (("heartbeat_watchdog", "5m"), 503),
        (("heartbeat_watchdog", "soon"), 503),
        (("outbox", "on"), 503),
        (("outbox", "sometimes"), 503),
        (("settings", r#"{"outbox": "on"}"#), 503),
        (("settings", r#"{"outbox": "off""#), 503),
    ] {
        let world = World::new(1, &variables(&[variable]));
        world.state().store.is_absent = true;
        assert_eq!(world.tick(secs(1)).status, status, "{variable:?}");
        assert_eq!(world.state().log.is_empty(), status == 200, "{variable:?}");
    }
}

#[test]
fn an_outbox_that_was_turned_off_is_not_drained() {
    let world = down(30, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    world.state().variables.remove("outbox");
    world.tick(secs(100));
    assert_eq!((world.stored(), world.accepted().len()), (1, 0));
    let check = world.ask(secs(110), request(Method::Get, "/check", ""));
    assert_eq!(check.status, 200);
}

#[test]
fn with_replicas_only_what_opens_is_stored_and_a_resolve_deletes_it() {
    let replicated: &[(&str, &str)] = &[("outbox", "replicated")];
    let world = down(60, replicated);
    assert_eq!(world.ask(secs(1), event("hasty", "a", 1, "down")).status, 200);
    assert_eq!(world.ask(secs(2), event("hasty", "b", 2, "up")).status, 503);
    assert_eq!(world.stored(), 1);
    let answer = world.ask(secs(70), event("hasty", "a", 3, "up"));
    assert_eq!(answer.status, 200);
    assert_eq!(
        warnings(&answer.body),
        "1 stored event deleted: the alerts are over before PagerDuty accepted their triggers"
    );
    assert_eq!((world.stored(), world.accepted()), (0, vec!["resolve 3".to_owned()]));
    // Deliveries do not drain.
    let world = down(60, replicated);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    world.ask(secs(70), event("hasty", "b", 2, "down"));
    assert_eq!((world.stored(), world.accepted()), (1, vec!["trigger 2".to_owned()]));
    world.tick(secs(80));
    assert_eq!(world.accepted(), ["trigger 2", "trigger 1"]);
}

#[test]
fn nothing_in_the_store_contains_a_key_or_a_secret() {
    let world = down(3600, &[("outbox", "on"), ("routing_key_payments", "E".repeat(32).leak())]);
    world.ask(secs(1), event("patient", "a", 1, "down"));
    world.ask(secs(2), events("patient/payments", &json!([{"id": "b", "n": 2}])));
    world.tick(secs(60));
    let state = world.state();
    assert!(state.store.keys.len() > 4);
    for (key, value) in &state.store.keys {
        let text = format!("{key} {}", String::from_utf8_lossy(value));
        for secret in [SECRET, SERVICE_KEY, &"E".repeat(32)] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(
            key.len() < 64
                && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.'),
            "{key}"
        );
    }
}

#[test]
fn every_event_of_every_fixture_is_restored_as_it_was() {
    let mut restored = 0;
    for fixture in fixtures::all() {
        let events = fixture.map(false).map(|mapped| mapped.events).unwrap_or_default();
        for event in events.into_iter().filter(|event| event.dedup_key().is_some()) {
            let entry = Entry::new(Some("payments"), "test", "503".to_owned(), &event, 1_772_600_005_000);
            let value = entry.encode();
            let back = Entry::decode(&value).expect("an entry");
            assert_eq!(back.encode(), value, "{}", fixture.name());
            let had_time = event.time().is_some() || event.is_bare();
            if had_time {
                assert_eq!(back.event.encode(SERVICE_KEY), event.encode(SERVICE_KEY), "{}", fixture.name());
            }
            let key = EntryKey::new(&entry, 1_772_600_005_000, 7, &value);
            assert_eq!(EntryKey::parse(key.as_str().to_owned()), Some(key));
            restored += 1;
        }
    }
    assert!(restored > 100, "{restored}");
}

#[test]
fn keys_of_others_are_no_entries() {
    let fine = "pr1.e.0123abcd.0123456789abcdef.1772600005000.007.89abcdef";
    assert!(EntryKey::parse(fine.to_owned()).is_some());
    for text in [
        "",
        "pr1.e.",
        "pr1.any",
        "pr1.e.a.b.c.d.e",
        "other",
        &fine[1..],
        &format!("{fine}0"),
        &fine.replace("1772600005000", "177260000500x"),
    ] {
        assert_eq!(EntryKey::parse(text.to_owned()), None, "{text}");
    }
}
