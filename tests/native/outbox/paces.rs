//! How fast stored events are sent, who sends them, and what wrong clocks do to that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pagerelay::http::Method;
use serde_json::json;

use super::world::{EPOCH, World};
use super::{event, events, request, secs, variables};

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
    for (retry_after, sent) in [(200, [1, 1, 1, 2]), (86_400, [1, 1, 1, 2]), (20, [1, 1, 2, 2])] {
        let world = stored(1, 3600);
        forget_pace(&world);
        (world.state().pagerduty.failure, world.state().pagerduty.retry_after) = (429, Some(retry_after));
        let before = requests(&world);
        let counts = [1000, 1015, 1060, 1310].map(|time| {
            world.tick(secs(time));
            requests(&world) - before
        });
        assert_eq!(counts[..3], sent[..3], "{retry_after}");
        assert!(counts[3] > counts[0], "{retry_after}: {counts:?}");
    }
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
fn an_instance_whose_store_is_slow_does_not_drain() {
    let world = stored(1, 60);
    world.state().store.always_takes = Some(Duration::from_millis(600));
    let before = requests(&world);
    world.tick(secs(100));
    assert_eq!((requests(&world), world.stored()), (before, 1));
    world.state().store.always_takes = None;
    world.tick(secs(170));
    assert_eq!(world.stored(), 0);
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
