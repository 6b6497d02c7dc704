//! Randomly damaged fixtures: nothing panics, no event breaks the contract, and no dedup key changes.

use std::sync::OnceLock;

use pagerelay::pagerduty::event::DedupKey;
use pagerelay::sources;
use pagerelay::text;
use pagerelay_support::fixtures::{self, Fixture};
use pagerelay_support::{ROUTING_KEY, contract};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Damage to one node of a payload.
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

/// Every node of a payload, by JSON pointer.
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

/// Fixtures whose body is JSON, read once.
fn payloads() -> &'static [(Fixture, Value)] {
    static PAYLOADS: OnceLock<Vec<(Fixture, Value)>> = OnceLock::new();
    let read = |fixture: Fixture| Some((fixture.clone(), serde_json::from_slice(&fixture.body).ok()?));
    PAYLOADS.get_or_init(|| fixtures::all().into_iter().filter_map(read).collect())
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
            let body: Value = serde_json::from_slice(&event.encode(ROUTING_KEY)).expect("json");
            let wrong = contract::wrong_with(&body);
            prop_assert!(wrong.is_empty(), "{}: {wrong:?}", fixture.name());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1200, failure_persistence: None, ..ProptestConfig::default() })]

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
    fn a_timestamp_that_is_read_is_read_again_as_itself(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\\.[0-9]{0,12})?(Z| ?UTC|[+-][0-2][0-9](:?[0-5][0-9])?)?",
        seconds in 1_u64..=253_402_300_799,
    ) {
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
    let mut batches = 0;
    for (fixture, payload) in payloads() {
        // The position of our sources' batches: the payload itself, or one of these.
        let batch = ["", "/alerts", "/data/unreachable_zones"]
            .into_iter()
            .find(|pointer| payload.pointer(pointer).and_then(Value::as_array).is_some_and(|items| items.len() > 1));
        let Some(batch) = batch else { continue };
        batches += 1;
        let mut reversed = payload.clone();
        if let Some(items) = reversed.pointer_mut(batch).and_then(Value::as_array_mut) {
            items.reverse();
        }
        let map = |payload: &Value| {
            let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, false);
            let Ok(mapped) = mapped else { return Vec::new() };
            // The event about the whole batch is at the end, in any order of the others.
            let whole = mapped.group;
            mapped.events.into_iter().filter(|event| event.dedup_key() != whole.as_ref()).collect()
        };
        let mut events = map(&reversed);
        events.reverse();
        assert_eq!(map(payload), events, "{}", fixture.name());
    }
    assert!(batches > 10, "{batches} batches");
}

#[test]
fn severity_summary_and_time_have_no_part_in_a_dedup_key() {
    for (fixture, payload) in payloads().iter().filter(|(fixture, _)| fixture.map(false).is_ok()) {
        let mut changed = payload.clone();
        let mut all = Vec::new();
        pointers(payload, "", &mut all);
        for pointer in all {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            // Labels are the identity if there is no fingerprint, so only members outside of them may change.
            let free = !pointer.contains("/labels/") && !pointer.contains("/groupLabels/");
            let moving = ["severity", "summary", "startsAt", "endsAt", "description", "message", "timestamp", "title"];
            // The identity of a trigger without its own key is its content.
            let keyless = match fixture.source.slug {
                "events" => payload.get("dedup_key").or(payload.get("incident_key")).is_none_or(Value::is_null),
                "opsgenie" => payload.get("alias").is_none_or(Value::is_null),
                // Without a type, the title says whether the alert is about the certificate.
                "checkly" => payload.get("alert_type").is_none(),
                // The default payload has only the title.
                "datadog" => payload.get("title").is_some(),
                // Without an id, the title identifies the alert.
                "formatted" => {
                    fixture.name().contains("known-by-its-title") || fixture.name().contains("id-not-filled")
                }
                _ => false,
            };
            if free && !keyless && moving.contains(&name) {
                // A member of an object that was replaced is gone.
                if let Some(node) = changed.pointer_mut(&pointer) {
                    *node = "2027-01-01T00:00:00Z".into();
                }
            }
        }
        for group in [false, true] {
            let keys = |payload: &Value| -> Vec<String> {
                let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, group);
                let events = mapped.map(|mapped| mapped.events).unwrap_or_default();
                events.iter().filter_map(|event| event.dedup_key().map(|key| key.as_str().to_owned())).collect()
            };
            assert_eq!(keys(payload), keys(&changed), "{}", fixture.name());
        }
    }
}

#[test]
fn timestamps_of_every_shape_that_senders_use_read_as_utc() {
    let read = [
        ("2026-03-04T05:06:07Z", "2026-03-04T05:06:07Z"),
        ("2026-03-04t05:06:07z", "2026-03-04T05:06:07Z"),
        (" 2026-03-04T05:06:07.8912345678901Z ", "2026-03-04T05:06:07.891234567Z"),
        ("2026-03-04T05:06:07.500Z", "2026-03-04T05:06:07.5Z"),
        ("2026-03-04T05:06:07.Z", "2026-03-04T05:06:07Z"),
        ("2026-03-04T05:06:07+02:00", "2026-03-04T03:06:07Z"),
        ("2026-03-04T00:06:07-0530", "2026-03-04T05:36:07Z"),
        ("2026-01-01T00:30:00+01", "2025-12-31T23:30:00Z"),
        ("2016-08-12 15:23:28 UTC", "2016-08-12T15:23:28Z"),
        ("2021-04-28 21:50:00 +0200", "2021-04-28T19:50:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    ];
    for (text, utc) in read {
        assert_eq!(text::timestamp(text).as_deref(), Some(utc), "{text}");
    }
    let nothing = [
        "",
        "yesterday",
        "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2026-03-04",
        "2026-03-04T05:06:07",
        "2026-03-04T05:06:61Z",
        "2026-03-04T24:00:00Z",
        "2026-13-04T05:06:07Z",
        "2025-02-29T00:00:00Z",
        "2026-03-04T05:06:07+26:00",
        "2026-03-04T05:06:07+2:00",
        "2026-03-04T05:06:07 CEST",
        "+026-03-04T05:06:07Z",
        "1772600767",
        "2026-03-04T05:06:07\u{661}Z",
    ];
    for text in nothing {
        assert_eq!(text::timestamp(text), None, "{text}");
    }
}

#[test]
fn a_text_becomes_one_line_wherever_its_white_space_is() {
    let slow = |text: &str| {
        let words = text.split(|c: char| c.is_whitespace() || text::is_hidden(c)).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    };
    let alphabet = ["a", " ", "é", "\n", "…", "~", "\u{7f}"];
    for length in 0..6_u32 {
        for mut number in 0..alphabet.len().pow(length) {
            let mut text = String::new();
            for _ in 0..length {
                text += alphabet[number % alphabet.len()];
                number /= alphabet.len();
            }
            assert_eq!(text::one_line(&text), slow(&text), "{text:?}");
        }
    }
}
