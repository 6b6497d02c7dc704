//! What a drain sends, what it may delete, and how long it works.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::world::{EPOCH, World, number_of};
use super::{LEASE, MILLISECOND, event, events, secs, variables};

const ON: &[(&str, &str)] = &[("outbox", "on")];

/// A world whose PagerDuty fails from the beginning until this time.
fn down(until: u64, more: &[(&str, &str)]) -> World {
    let world = World::new(1, &variables(more));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(until)));
    world
}

/// The accepted digests and reports, as sent: PagerDuty accepts everything from this time on.
fn lists_since(world: &World, time: u64) -> Vec<Value> {
    let state = world.state();
    let sent = state.pagerduty.received.iter().filter(|(at, _)| *at >= secs(time)).map(|(_, event)| event);
    let lists = sent.map(|event| event["payload"]["custom_details"]["alerts"].clone());
    lists.filter(|list| !list.is_null()).collect()
}

#[test]
fn digests_of_several_deliveries_are_all_sent() {
    // The digest of a group has a key of its sender.
    for (source, key) in [("hasty", "pagerelay:hasty:digest"), ("grouped", "sim:group")] {
        let world = down(60, ON);
        for delivery in 0..2_u64 {
            let item = |n: usize| json!({"id": format!("d{delivery}n{n}"), "n": n});
            let answer = world.ask(secs(1 + 25 * delivery), events(source, &(0..70).map(item).collect()));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        for minute in 2..6 {
            world.tick(secs(60 * minute));
        }
        assert_eq!(world.stored(), 0);
        let listed: usize = lists_since(&world, 60).iter().map(|list| list.as_object().expect("alerts").len()).sum();
        assert_eq!(listed, 2 * 31, "{source}");
        let state = world.state();
        let of_digest = state.pagerduty.accepted.iter().filter(|(_, _, accepted, _)| accepted == key);
        assert_eq!(of_digest.count(), 2, "{source}");
    }
}

#[test]
fn of_several_triggers_of_an_alert_in_a_row_only_the_last_is_sent() {
    let world = down(60, ON);
    for (n, state) in [(1, "down"), (2, "down"), (3, "up"), (4, "down"), (5, "down"), (6, "down")] {
        world.ask(secs(3 * n), event("hasty", "a", n, state));
    }
    assert_eq!(world.stored(), 6);
    world.tick(secs(200));
    assert_eq!(
        (world.stored(), world.accepted()),
        (0, ["trigger 2", "resolve 3", "trigger 6"].map(str::to_owned).to_vec())
    );
}

#[test]
fn reports_about_lost_events_are_all_sent() {
    let world = down(86_700, ON);
    for n in 1..4 {
        world.ask(secs(100 * n), event("hasty", &format!("a{n}"), n, "down"));
    }
    // Each tick finds one more that is too old.
    for n in 1..4 {
        world.tick(secs(86_400 + 100 * n + 30));
    }
    for minute in 1..4 {
        world.tick(secs(86_760 + 60 * minute));
    }
    assert_eq!(world.stored(), 0);
    let lines = Value::from(lists_since(&world, 86_700)).to_string();
    for n in 1..4 {
        assert!(lines.contains(&format!("alert a{n} #{n}")), "{n}: {lines}");
    }
}

#[test]
fn an_event_that_pagerduty_rejects_takes_no_earlier_one_with_it() {
    let world = down(60, &[("outbox", "on"), ("unmapped", "reject")]);
    for n in 1..4 {
        world.ask(secs(3 * n), event("hasty", "a", n, "down"));
    }
    world.state().pagerduty.statuses.push(("#3", 400));
    for minute in 2..5 {
        world.tick(secs(60 * minute));
    }
    assert_eq!(world.stored(), 0);
    assert!(world.accepted().contains(&"trigger 2".to_owned()), "{:?}", world.accepted());
    assert!(Value::from(lists_since(&world, 60)).to_string().contains("alert a #3"));
}

#[test]
fn events_that_are_never_accepted_hold_up_no_other_alert() {
    for (status, never) in [(403, &["#1\""] as &[_]), (500, &["#1\""]), (500, &["#1\"", "#2\"", "#3\""])] {
        let world = down(30, ON);
        world.state().pagerduty.statuses.extend(never.iter().map(|text| (*text, status)));
        for n in 1..30 {
            world.arrives(secs(1) + Duration::from_millis(n), event("hasty", &format!("a{n}"), n, "down"), |_| ());
        }
        world.run();
        assert_eq!(world.stored(), 29);
        for minute in 1..20 {
            world.tick(secs(60 * minute));
        }
        assert_eq!((world.stored(), world.accepted().len()), (never.len(), 29 - never.len()), "{status} {never:?}");
    }
}

#[test]
fn a_tick_says_that_events_wait_even_if_another_instance_sends_them() {
    let world = down(3600, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    // A delivery holds the lease, because PagerDuty does not answer.
    world.state().pagerduty.failure = 0;
    world.arrives(secs(600), event("hasty", "b", 2, "down"), |_| ());
    let answer = world.tick(secs(605));
    let state = world.state();
    assert_eq!(answer.status, 503, "{:?}", state.log);
}

#[test]
fn a_drain_of_events_that_are_too_old_ends_in_time_and_goes_on_later() {
    let world = down(60, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    {
        let mut state = world.state();
        let keys: Vec<(String, Vec<u8>)> = state
            .store
            .keys
            .iter()
            .filter(|(key, _)| key.starts_with("pr1.e."))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let [(key, value)] = &*keys else { panic!("one entry: {keys:?}") };
        for lane in 0..3000 {
            let key = key.replace(&key[15..31], &format!("{lane:016x}"));
            state.store.keys.insert(key, value.clone());
        }
        state.store.always_takes = Some(Duration::from_millis(10));
    }
    // What is not too old does not wait for it.
    world.state().pagerduty.outages = vec![(secs(89_900), secs(89_950))];
    world.ask(secs(89_900), event("hasty", "b", 2, "down"));
    let mut listed = BTreeSet::new();
    for tick in 0..30 {
        let answer = world.tick(secs(90_000 + 60 * tick));
        assert!(answer.after < secs(12), "{tick}: {:?}", answer.after);
        listed.insert(world.stored());
        assert!(world.accepted().contains(&"trigger 2".to_owned()), "{tick}: {:?}", world.accepted());
    }
    let state = world.state();
    assert!(state.store.keys.keys().all(|key| !key.starts_with("pr1.e.")), "{listed:?}");
    let lost: u64 =
        state.log.iter().filter_map(|line| line["error"].as_str()?.split(' ').next()?.parse::<u64>().ok()).sum();
    assert_eq!(lost, 3001);
}

/// An event that is stored while the clock is ahead, and then one after the clock was set back.
#[test]
fn a_clock_that_is_set_back_changes_no_order() {
    for ahead in [1, 3600] {
        let world = down(2000, ON);
        world.ask(secs(1000), event("hasty", "a", 1, "down"));
        world.ask(secs(1100), event("hasty", "a", 2, "up"));
        // What was just stored came from a clock that was ahead.
        {
            let mut state = world.state();
            let entries: Vec<String> =
                state.store.keys.keys().filter(|key| key.starts_with("pr1.e.")).cloned().collect();
            for key in entries {
                let value = state.store.keys.remove(&key).expect("an entry");
                let time: u64 = key[32..45].parse().expect("a time");
                let key = key.replace(&key[32..45], &format!("{:013}", time + 1000 * ahead));
                state.store.keys.insert(key, value);
            }
        }
        let now = if ahead == 1 { Duration::from_millis(1_100_800) } else { secs(1200) };
        world.state().now = now;
        world.ask(now, event("hasty", "a", 3, "down"));
        assert_eq!(world.stored(), 3);
        for minute in 34..40 {
            world.tick(secs(60 * minute));
        }
        assert_eq!(world.accepted(), ["trigger 1", "resolve 2", "trigger 3"], "{ahead}");
    }
}

#[test]
fn a_listing_by_a_clock_that_was_ahead_hides_no_entry() {
    let world = down(2000, ON);
    let none = (EPOCH + secs(400)).as_millis().to_string().into_bytes();
    world.state().store.keys.insert("pr1.none".to_owned(), none);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    // Before and after the time of that listing.
    for (time, state) in [(100, "up"), (500, "down")] {
        let looked = world.ask(secs(time), event("hasty", "a", time, state));
        assert_eq!(looked.body["events"][0]["attempts"], 0, "{time}: {looked:?}");
    }
}

#[test]
fn one_event_replaces_24_earlier_ones_at_most() {
    for (count, sent) in [(3, &["trigger 3"] as &[_]), (26, &["trigger 25", "trigger 26"])] {
        let world = down(100, ON);
        for n in 1..=count {
            world.ask(secs(3 * n), event("hasty", "a", n, "down"));
        }
        world.tick(secs(300));
        assert_eq!(world.accepted(), sent);
        assert_eq!(world.stored(), 0);
    }
}

#[test]
fn the_oldest_alert_is_sent_first() {
    let world = down(60, ON);
    for n in 0..20 {
        world.arrives(secs(1) + Duration::from_millis(n), event("hasty", &format!("a{n}"), n, "down"), |_| ());
    }
    world.run();
    // The last attempt has failed, so the next would begin with another alert.
    world.state().store.keys.retain(|key, _| !key.starts_with("pr1.key."));
    world.tick(secs(100));
    let state = world.state();
    let sent = state.pagerduty.received.iter().filter(|(at, _)| *at > secs(60)).map(|(_, event)| number_of(event));
    assert_eq!(sent.collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn an_event_is_sent_until_it_is_24_hours_old() {
    for (more, is_sent) in [(Duration::ZERO, true), (MILLISECOND, false)] {
        let world = down(3600, ON);
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        world.state().store.always_takes = Some(Duration::ZERO);
        world.tick(world.arrival() + secs(24 * 3600) - LEASE + more);
        let line = world.state().log.last().expect("a line").clone();
        assert_eq!(world.accepted().contains(&"trigger 1".to_owned()), is_sent, "{line}");
        assert_eq!(line["error"].is_null(), is_sent, "{line}");
    }
}

#[test]
fn a_request_reports_at_most_500_lost_events_and_its_alerts_list_all_of_them() {
    let world = down(60, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    {
        let mut state = world.state();
        let of_entry = |(key, _): &(&String, &Vec<u8>)| key.starts_with("pr1.e.");
        let (key, value) = state.store.keys.iter().find(of_entry).expect("an entry");
        let (key, value) = (key.clone(), value.clone());
        for lane in 1..560 {
            let key = key.replace(&key[15..31], &format!("{lane:016x}"));
            state.store.keys.insert(key, value.clone());
        }
        state.store.always_takes = Some(Duration::ZERO);
    }
    let lost = [90_000, 90_060].map(|time| {
        world.tick(secs(time));
        world.state().log.last().expect("a line")["error"].clone()
    });
    assert_eq!((lost, world.stored()), (["500 stored events lost", "60 stored events lost"].map(Value::from), 0));
    let listed: Vec<usize> = lists_since(&world, 60).iter().map(|list| list.as_array().expect("lines").len()).collect();
    assert_eq!((listed.iter().sum::<usize>(), listed.iter().max()), (560, Some(&50)), "{listed:?}");
}

#[test]
fn a_store_that_fails_while_stored_events_are_sent_is_a_warning_about_them() {
    let world = down(60, ON);
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    world.at(secs(101), |world| world.state().store.fails = true);
    assert_eq!(world.tick(secs(100)).status, 503);
    let state = world.state();
    let line = state.log.iter().rev().find(|line| line["source"] == "outbox").expect("a line");
    let warnings = line["warnings"].to_string();
    assert!(warnings.contains("the key-value store failed; stored events wait for the next attempt"), "{line}");
}
