//! The lines of the log that the guide shows are those that the relay writes.

use std::time::Duration;

use pagerelay_support::blocks;
use serde_json::Value;

use super::world::World;
use super::{event, secs, variables};

const PAGE: &str = "src/guide/outbox.md";

/// The members whose values the guide shows as they are. The other values are examples.
const SAID: [&str; 10] =
    ["after_answer", "error", "event_action", "fallback", "level", "pagerduty", "status", "stored", "warnings", "why"];

/// Whether an example has the members of a line.
fn shows(shown: &Value, line: &Value, is_said: bool) -> bool {
    match (shown, line) {
        (Value::Object(shown), Value::Object(line)) => {
            let agrees = |(name, value): (&String, &Value)| shows(value, &line[name], SAID.contains(&name.as_str()));
            shown.keys().eq(line.keys()) && shown.iter().all(agrees)
        }
        (Value::Array(shown), Value::Array(line)) => {
            shown.len() == line.len() && shown.iter().zip(line).all(|(shown, line)| shows(shown, line, is_said))
        }
        // How many events there are is an example.
        (Value::String(shown), Value::String(line)) if shown.ends_with(" still stored") => {
            line.ends_with(" still stored")
        }
        (shown, line) if is_said => shown == line,
        (Value::String(_), Value::String(_)) | (Value::Number(_), Value::Number(_)) => true,
        // A path without a service has none.
        (shown, line) => shown.is_string() && line.is_null() || shown == line,
    }
}

/// The lines of a delivery that arrives while PagerDuty fails, until a time, and of ticks.
fn lines(fails_until: u64, more: &[(&str, &str)], ticks: &[u64]) -> Vec<Value> {
    let world = World::new(1, &variables(more));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(fails_until)));
    world.ask(secs(1), event("patient", "a", 1, "down"));
    for tick in ticks {
        world.tick(secs(*tick));
    }
    let state = world.state();
    state.log.clone()
}

#[test]
fn the_guide_shows_a_line_of_the_log_for_each_step() {
    const DAY: u64 = 24 * 3600;
    let stored = lines(100_000, &[("outbox", "on")], &[400, DAY + 60]);
    let mut of_outbox = stored.iter().filter(|line| line["source"] == "outbox");
    let actual = [
        stored.first().cloned(),
        lines(12, &[], &[]).last().cloned(),
        lines(3600, &[("fallback_url", "https://chat.test/hook")], &[]).last().cloned(),
        // The delivery itself sends what it has stored, too.
        of_outbox.nth(1).cloned(),
        of_outbox.next().cloned(),
    ];
    let shown = blocks::of(PAGE).into_iter().filter(|block| block.heading == "Log" && block.language == "json");
    let shown: Vec<Value> = shown.map(|block| serde_json::from_str(&block.text).expect("JSON")).collect();
    assert_eq!(shown.len(), actual.len());
    for (shown, actual) in shown.iter().zip(actual) {
        let actual = actual.expect("the relay writes it");
        assert!(shows(shown, &actual, false), "{PAGE} shows\n{shown}\nand it is\n{actual}");
    }
}
