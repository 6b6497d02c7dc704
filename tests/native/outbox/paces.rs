//! How fast stored events are sent, who sends them, and what wrong clocks do to that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pagerelay::http::{Headers, Method, Request};
use serde_json::json;

use super::world::{EPOCH, World};
use super::{LEASE, MILLISECOND, event, events, request, secs, variables};

/// A world whose PagerDuty fails until this time, and that has stored this many events, of an alert each.
fn stored(count: u64, until: u64) -> World {
    let world = World::new(1, &variables(&[("outbox", "on")]));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(until)));
    for n in 0..count {
        world.arrives(secs(1), event("hasty", &format!("a{n}"), n, "down"), |_| ());
    }
    world.run();
    assert_eq!(world.stored(), usize::try_from(count).expect("few"));
    world
}

fn requests(world: &World) -> usize {
    world.state().pagerduty.received.len()
}

fn forget_pace(world: &World) {
    world.state().store.keys.retain(|key, _| !key.starts_with("pr1.key."));
}

#[test]
fn a_tick_sends_at_most_60_events_of_a_service_in_a_minute_and_8_at_once() {
    let world = stored(100, 50);
    let before = requests(&world);
    world.tick(secs(200));
    assert_eq!(world.accepted().len(), 60);
    {
        let state = world.state();
        let sent: Vec<Duration> = state.pagerduty.received.iter().skip(before).map(|(at, _)| *at).collect();
        let at_once = sent.iter().map(|at| sent.iter().filter(|other| *other == at).count()).max();
        assert_eq!((at_once, sent[0] < sent[1]), (Some(8), true), "the first event alone: {sent:?}");
    }
    world.tick(secs(265));
    assert_eq!((world.accepted().len(), world.stored()), (100, 0));
}

#[test]
fn one_event_shows_that_pagerduty_is_still_down() {
    let world = stored(20, 3600);
    forget_pace(&world);
    let before = requests(&world);
    world.tick(secs(200));
    assert_eq!(requests(&world) - before, 1);
}

#[test]
fn a_drain_waits_as_long_as_pagerduty_asks_but_not_longer_than_five_minutes() {
    for (retry_after, sent) in [(200, [1, 1, 1, 1, 2, 2]), (86_400, [1, 1, 1, 1, 1, 2]), (20, [1, 1, 2, 3, 4, 4])] {
        let world = stored(1, 3600);
        forget_pace(&world);
        (world.state().pagerduty.failure, world.state().pagerduty.retry_after) = (429, Some(retry_after));
        let before = requests(&world);
        let counts = [1000, 1015, 1060, 1195, 1296, 1310].map(|time| {
            world.tick(secs(time));
            requests(&world) - before
        });
        assert_eq!(counts, sent, "{retry_after}");
    }
}

/// Whether a tick, this long after the pause, sends what failed at the end of so many failures in a row.
fn is_sent_after(pause: Duration, fails: u64, early: Duration) -> bool {
    let world = stored(1, 3600);
    {
        let mut state = world.state();
        (state.store.always_takes, state.pagerduty.takes) = (Some(Duration::ZERO), Duration::ZERO);
        for value in state.store.keys.iter_mut().filter(|(key, _)| key.starts_with("pr1.key.")) {
            *value.1 = json!({"next": 0, "fails": fails, "minute": 0, "sent": 0}).to_string().into_bytes();
        }
    }
    let before = requests(&world);
    world.tick(secs(1000));
    assert_eq!(requests(&world) - before, 1);
    let failed = world.state().pagerduty.received.last().expect("a request").0 + MILLISECOND;
    world.tick(failed + pause - LEASE - early);
    requests(&world) - before == 2
}

#[test]
fn after_each_failure_a_service_pauses_twice_as_long_from_5_seconds_up_to_one_minute() {
    for (fails, pause) in [(0, 5), (1, 10), (2, 20), (3, 40), (4, 60), (5, 60), (1000, 60)] {
        assert!(!is_sent_after(secs(pause), fails, MILLISECOND), "{fails}");
        assert!(is_sent_after(secs(pause), fails, Duration::ZERO), "{fails}");
    }
}

#[test]
fn once_pagerduty_has_accepted_an_event_the_first_pause_is_5_seconds_again() {
    let world = stored(1, 60);
    world.tick(secs(100));
    assert_eq!(world.stored(), 0);
    world.state().pagerduty.outages.push((secs(200), secs(300)));
    world.ask(secs(200), event("hasty", "b", 2, "down"));
    let state = world.state();
    // The attempts after the answer, until 25 seconds after the arrival.
    let later = state.pagerduty.received.iter().map(|(at, _)| *at).filter(|at| *at > secs(201));
    let later: Vec<Duration> = later.collect();
    let pauses: Vec<u64> = later.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [5, 10], "{later:?}");
}

#[test]
fn one_request_sends_at_most_200_events() {
    let names: Vec<String> = (0..6).map(|number| format!("routing_key_s{number}")).collect();
    let keys: Vec<String> = (0..6).map(|number| format!("E{number}").repeat(16)).collect();
    let services = names.iter().zip(&keys).map(|(name, key)| (&**name, &**key));
    let world = World::new(1, &variables(&services.chain([("outbox", "on")]).collect::<Vec<_>>()));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(60)));
    for number in 0..6 {
        let item = |n: usize| json!({"id": format!("a{n}"), "n": n});
        let of_service = events(&format!("hasty/s{number}"), &(0..39).map(item).collect());
        world.arrives(secs(1), of_service, |_| ());
    }
    world.run();
    assert_eq!(world.stored(), 234);
    world.state().store.always_takes = Some(Duration::ZERO);
    forget_pace(&world);
    let before = requests(&world);
    world.tick(secs(200));
    assert_eq!((requests(&world) - before, world.stored()), (200, 34));
    world.tick(secs(300));
    assert_eq!(world.stored(), 0);
}

#[test]
fn a_service_for_which_a_tick_has_no_time_left_does_not_pause() {
    let payments = "E".repeat(32);
    let world = World::new(1, &variables(&[("outbox", "on"), ("routing_key_payments", &payments)]));
    world.state().pagerduty.outages = vec![(Duration::ZERO, secs(60)), (secs(90), secs(105))];
    for path in ["/hasty", "/hasty/payments"] {
        world.arrives(secs(1), request(Method::Post, path, r#"[{"id": "a", "n": 1}]"#), |_| ());
    }
    world.run();
    assert_eq!(world.stored(), 2);
    forget_pace(&world);
    (world.state().store.always_takes, world.state().pagerduty.failure) = (Some(Duration::ZERO), 0);
    // PagerDuty does not answer, so the first service uses up the time.
    assert_eq!(world.tick(secs(100)).after, secs(8));
    world.tick(secs(109));
    assert_eq!((world.accepted().len(), world.stored()), (1, 1));
}

#[test]
fn a_fresh_event_that_pagerduty_accepts_ends_the_pause_of_its_service() {
    let world = stored(1, 60);
    (world.state().pagerduty.failure, world.state().pagerduty.retry_after) = (429, Some(300));
    forget_pace(&world);
    world.tick(secs(40));
    assert!(world.accepted().is_empty());
    let other = request(Method::Post, "/hasty", &json!([{"id": "b", "n": 7}]).to_string());
    world.ask(secs(70), other);
    assert_eq!(world.accepted(), ["trigger 7", "trigger 0"]);
}

#[test]
fn a_pause_that_a_wrong_clock_has_written_does_not_count() {
    let world = stored(1, 60);
    let next = u64::try_from(EPOCH.as_millis()).expect("a time") + 86_400_000;
    for value in world.state().store.keys.iter_mut().filter(|(key, _)| key.starts_with("pr1.key.")) {
        *value.1 = json!({"next": next, "fails": 1, "minute": next, "sent": 60}).to_string().into_bytes();
    }
    world.tick(secs(100));
    assert_eq!(world.stored(), 0);
}

#[test]
fn a_lease_counts_while_it_lasts_unless_a_wrong_clock_has_written_it() {
    for (ahead, left) in [(30, 1), (3600, 0)] {
        let world = stored(1, 60);
        let until = u64::try_from((EPOCH + secs(100 + ahead)).as_millis()).expect("a time");
        let lease = json!({"until": until, "who": "another"}).to_string().into_bytes();
        world.state().store.keys.insert("pr1.lease".to_owned(), lease);
        world.tick(secs(100));
        assert_eq!(world.stored(), left, "{ahead}");
        world.tick(secs(170));
        assert_eq!(world.stored(), 0, "{ahead}");
    }
}

#[test]
fn a_lease_ends_with_its_drain() {
    let world = stored(1, 110);
    forget_pace(&world);
    world.tick(secs(100));
    forget_pace(&world);
    world.tick(secs(120));
    assert_eq!(world.stored(), 0);
}

#[test]
fn an_instance_whose_store_needs_more_than_a_second_for_the_lease_does_not_drain() {
    // It reads the lease, and writes it.
    for (takes, left) in [(500, 0), (501, 1)] {
        let world = stored(1, 60);
        world.state().store.always_takes = Some(Duration::from_millis(takes));
        world.tick(secs(100));
        assert_eq!((world.accepted().len(), world.stored()), (1 - left, left), "{takes}");
        world.state().store.always_takes = None;
        world.tick(secs(170));
        assert_eq!(world.stored(), 0);
    }
}

#[test]
fn an_instance_that_has_lost_its_lease_does_not_end_that_of_another() {
    let world = stored(1, 3600);
    forget_pace(&world);
    // The drain waits for PagerDuty until its time is over.
    world.state().pagerduty.failure = 0;
    let until = u64::try_from((EPOCH + secs(145)).as_millis()).expect("a time");
    let lease = json!({"until": until, "who": "another"}).to_string().into_bytes();
    world.at(secs(105), move |world| drop(world.state().store.keys.insert("pr1.lease".to_owned(), lease)));
    assert_eq!(world.tick(secs(100)).after.as_secs(), 8);
    forget_pace(&world);
    let before = requests(&world);
    world.tick(secs(120));
    assert_eq!(requests(&world), before);
    world.tick(secs(150));
    assert_eq!(requests(&world), before + 1);
}

#[test]
fn of_two_instances_that_begin_at_the_same_time_one_sends_what_is_stored() {
    let world = stored(1, 60);
    let before = requests(&world);
    for id in ["1", "2"] {
        let headers = Headers::new([("x-request-id".to_owned(), id.as_bytes().to_vec())]);
        let tick = Request { headers, ..request(Method::Get, "/tick", "") };
        world.arrives(secs(100), tick, |_| ());
    }
    // Every call takes the same time, so the two differ in their headers only.
    world.state().store.always_takes = Some(MILLISECOND);
    world.run();
    assert_eq!((requests(&world) - before, world.stored()), (1, 0));
}

#[test]
fn a_tick_that_sends_everything_is_a_success_however_old_it_was() {
    let world = stored(3, 60);
    assert_eq!((world.tick(secs(5000)).status, world.stored()), (200, 0));
}

#[test]
fn two_first_ticks_at_once_are_both_a_success() {
    let world = World::new(1, &variables(&[("outbox", "on")]));
    let statuses = Arc::new(Mutex::new(Vec::new()));
    for apart in [0, 300] {
        let statuses = Arc::clone(&statuses);
        let told = move |answer: super::Answer| statuses.lock().expect("one at a time").push(answer.status);
        world.arrives(secs(100) + Duration::from_millis(apart), request(Method::Get, "/tick", ""), told);
    }
    world.run();
    assert_eq!(*statuses.lock().expect("nobody runs"), [200, 200]);
}

#[test]
fn a_tick_in_the_future_stops_no_other() {
    let world = stored(1, 60);
    let at = u64::try_from((EPOCH + secs(86_400)).as_millis()).expect("a time");
    world.state().store.keys.insert("pr1.tick".to_owned(), json!({"at": at, "well": true}).to_string().into_bytes());
    world.tick(secs(100));
    assert_eq!(world.stored(), 0);
}

#[test]
fn a_loss_in_the_future_makes_no_tick_fail() {
    let world = World::new(1, &variables(&[("outbox", "on")]));
    for (ahead, status) in [(0, 503), (3000, 503), (7200, 200), (86_400, 200)] {
        let at = (EPOCH + secs(100 + ahead)).as_millis().to_string();
        world.state().store.keys.insert("pr1.lost".to_owned(), at.into_bytes());
        world.state().store.keys.remove("pr1.tick");
        assert_eq!(world.tick(secs(100)).status, status, "{ahead}");
        world.state().now = Duration::ZERO;
    }
}

#[test]
fn a_stored_event_has_its_severity_and_time_again() {
    let world = stored(0, 60);
    world.ask(secs(1), events("hasty", &json!([{"id": "a", "n": 1, "severity": "critical"}])));
    world.ask(secs(20), events("hasty", &json!([{"id": "b", "n": 2, "severity": "info"}])));
    let check = world.tick(secs(90_000));
    assert_eq!(check.status, 503);
    world.tick(secs(90_060));
    let state = world.state();
    let (_, report) = state.pagerduty.received.last().expect("a report");
    assert_eq!(report["payload"]["severity"], "critical", "{report}");
}
