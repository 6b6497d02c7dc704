//! Fixtures, damaged at random: nothing panics, no event breaks the contract, no key wanders.

mod harness;

use harness::fixtures::{self, Fixture};
use harness::{ROUTING_KEY, contract};
use pagerelay::event::DedupKey;
use pagerelay::sources;
use pagerelay::text;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What happens to one node of a payload.
#[derive(Clone, Debug)]
enum Damage {
    Delete,
    Replace(Value),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        2 => Just(Damage::Delete),
        2 => Just(Damage::Replace(Value::Null)),
        1 => any::<bool>().prop_map(|flag| Damage::Replace(flag.into())),
        1 => any::<i64>().prop_map(|number| Damage::Replace(number.into())),
        1 => Just(Damage::Replace(json!(1e300))),
        1 => Just(Damage::Replace(json!([]))),
        1 => Just(Damage::Replace(json!({}))),
        1 => Just(Damage::Replace(json!([[{"a": null}]]))),
        3 => "\\PC{0,40}".prop_map(|text| Damage::Replace(text.into())),
        1 => Just(Damage::Replace("".into())),
        1 => Just(Damage::Replace("é📨\u{0}\u{7f}\n".repeat(3000).into())),
        1 => Just(Damage::Replace("x".repeat(600_000).into())),
        1 => Just(Damage::Replace("https://".into())),
        1 => Just(Damage::Replace("9999-12-31T23:59:60.9999999999-23:59".into())),
    ]
}

/// Every node of a payload, by pointer.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                all.push(format!("{at}/{index}"));
                pointers(item, &format!("{at}/{index}"), all);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                all.push(path.clone());
                pointers(member, &path, all);
            }
        }
        _ => {}
    }
}

fn apply(payload: &mut Value, pointer: &str, damage: &Damage) {
    match damage {
        Damage::Replace(value) => {
            if let Some(node) = payload.pointer_mut(pointer) {
                *node = value.clone();
            }
        }
        Damage::Delete => {
            let (parent, name) = pointer.rsplit_once('/').expect("pointers start with a slash");
            match payload.pointer_mut(parent) {
                Some(Value::Object(members)) => {
                    members.remove(&name.replace("~1", "/").replace("~0", "~"));
                }
                Some(Value::Array(items)) => {
                    let index: usize = name.parse().expect("an index");
                    if index < items.len() {
                        items.remove(index);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Fixtures whose body is JSON.
fn payloads() -> Vec<(Fixture, Value)> {
    let read = |fixture: Fixture| Some((fixture.clone(), serde_json::from_slice(&fixture.body).ok()?));
    fixtures::all().into_iter().filter_map(read).collect()
}

fn check(fixture: &Fixture, body: &[u8]) -> Result<(), TestCaseError> {
    for group in [false, true] {
        let mapped = fixtures::map(fixture.source, body, &fixture.headers, group);
        prop_assert_eq!(&mapped, &fixtures::map(fixture.source, body, &fixture.headers, group));
        let Ok(mapped) = mapped else { continue };
        prop_assert!(
            !mapped.events.is_empty() || !mapped.ignored.is_empty() || !mapped.rejected.is_empty(),
            "nothing is said about the delivery"
        );
        for event in &mapped.events {
            let wrong = contract::violations(&event.encode(ROUTING_KEY));
            prop_assert!(wrong.is_empty(), "{}: {wrong:?}", fixture.name());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_fixture_never_panics_and_never_breaks_the_contract(
        which in any::<prop::sample::Index>(),
        places in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let payloads = payloads();
        let (fixture, payload) = &payloads[which.index(payloads.len())];
        let mut payload = payload.clone();
        for (place, damage) in places {
            let mut all = Vec::new();
            pointers(&payload, "", &mut all);
            if !all.is_empty() {
                apply(&mut payload, &all[place.index(all.len())], &damage);
            }
        }
        check(fixture, payload.to_string().as_bytes())?;
    }

    #[test]
    fn any_bytes_are_mapped_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for source in sources::SOURCES {
            for group in [false, true] {
                let _ = fixtures::map(source, &bytes, &[], group);
            }
        }
    }

    #[test]
    fn a_cut_text_is_a_beginning_of_the_whole_and_fits(text in "\\PC{0,80}", max in 1_usize..60) {
        let cut = text::truncate(&text, max);
        prop_assert!(cut.encode_utf16().count() <= max);
        match cut.strip_suffix('…').filter(|_| *cut != text) {
            Some(beginning) => prop_assert!(text.starts_with(beginning)),
            None => prop_assert_eq!(&*cut, text.as_str()),
        }
    }

    #[test]
    fn a_timestamp_that_is_read_is_read_again_as_itself(text in "[0-9TtZz:.+ -]{0,40}", seconds in 1_u64..=253_402_300_799) {
        if let Some(read) = text::timestamp(&text) {
            prop_assert_eq!(text::timestamp(&read), Some(read));
        }
        let written = text::epoch(std::time::Duration::from_secs(seconds)).expect("before the year 10000");
        prop_assert_eq!(text::timestamp(&written), Some(written));
    }

    #[test]
    fn long_keys_that_differ_stay_different(one in "\\PC{1,400}", other in "\\PC{1,400}") {
        let key = |part: &str| DedupKey::new("test", &[part]);
        if let (Some(first), Some(second)) = (key(&one), key(&other)) {
            prop_assert!(first.as_str().len() <= 255);
            prop_assert_eq!(one == other, first == second);
        }
    }
}

#[test]
fn permuting_a_batch_permutes_its_events() {
    for (fixture, payload) in payloads() {
        let Some(alerts) = payload.get("alerts").and_then(Value::as_array).filter(|alerts| alerts.len() > 1) else {
            continue;
        };
        let mut reversed = payload.clone();
        reversed["alerts"] = alerts.iter().rev().cloned().collect();
        let map = |payload: &Value| {
            let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, false);
            mapped.map(|mapped| mapped.events).unwrap_or_default()
        };
        let mut events = map(&reversed);
        events.reverse();
        assert_eq!(map(&payload), events, "{}", fixture.name());
    }
}

#[test]
fn severity_summary_and_time_have_no_part_in_a_dedup_key() {
    for (fixture, payload) in payloads().into_iter().filter(|(fixture, _)| fixture.map(false).is_ok()) {
        let mut changed = payload.clone();
        let mut all = Vec::new();
        pointers(&payload, "", &mut all);
        for pointer in all {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            // Labels are an identity where there is no fingerprint, so only what is beside them may change.
            let free = !pointer.contains("/labels/") && !pointer.contains("/groupLabels/");
            let moving = ["severity", "summary", "startsAt", "endsAt", "description", "message", "timestamp", "title"];
            if free && moving.contains(&name) && payload.get("dedup_key").is_some() | payload.get("alerts").is_some() {
                *changed.pointer_mut(&pointer).expect("it is there") = "2027-01-01T00:00:00Z".into();
            }
        }
        for group in [false, true] {
            let keys = |payload: &Value| -> Vec<String> {
                let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, group);
                let events = mapped.map(|mapped| mapped.events).unwrap_or_default();
                events.iter().map(|event| event.dedup_key().as_str().to_owned()).collect()
            };
            assert_eq!(keys(&payload), keys(&changed), "{}", fixture.name());
        }
    }
}
