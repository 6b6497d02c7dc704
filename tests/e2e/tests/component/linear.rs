//! Work and memory in proportion to the body, for any body. Instructions are counted, so a slow machine changes nothing.
//!
//! These tests take a part of the subjects of `cargo test --bench growth`, which prints a table of all.

use pagerelay_e2e::growth::{self, MEMORY_MAX, PERCENT_MAX, Shape, Subject, TEMPLATE_PERCENT_MAX, accepting, counting};
use pagerelay_e2e::runtime::Call;
use pagerelay_e2e::{evidence, group, run};
use serde_json::{Value, json};

/// Asserts that the cost of each subject is bounded, and that three quarters of them could grow.
fn assert_bounded(what: &str, subjects: &[Subject], percent_max: u64) {
    let (mut measured, mut worst) = (0, 0);
    let mut faults = Vec::new();
    for subject in subjects {
        let Some(growth) = run(subject.measure()) else { continue };
        measured += 1;
        let (percent, memory) = (growth.percent(), growth.memory);
        worst = worst.max(percent);
        if percent > percent_max || memory > MEMORY_MAX {
            faults.push(format!("{}: {percent} % of the instructions, {memory} bytes of memory", subject.name));
        }
    }
    assert!(faults.is_empty(), "above {percent_max} % or {MEMORY_MAX} bytes:\n{}", faults.join("\n"));
    evidence(&format!("{what}: {measured} kinds, 16 times as large costs at most {worst} % of 16 times as much"));
    assert!(measured >= subjects.len() * 3 / 4, "only {measured} subjects of {} could grow", subjects.len());
}

#[test]
fn a_delivery_16_times_as_large_costs_at_most_16_times_as_much_and_a_third() {
    let subjects = growth::deliveries(true);
    assert_bounded("deliveries", &subjects, PERCENT_MAX);
}

#[test]
fn a_delivery_of_a_mebibyte_costs_16_times_as_much_as_one_of_64_kib() {
    let subjects = growth::firsts(&[Shape::LongText], "", 64 * 1024 - 2048);
    assert_bounded("deliveries of a mebibyte", &subjects, PERCENT_MAX);
}

#[test]
fn a_preview_16_times_as_large_costs_at_most_16_times_as_much_and_a_third() {
    let subjects = growth::firsts(&Shape::ALL, "/preview", growth::SMALL);
    assert_bounded("previews", &subjects, PERCENT_MAX);
}

#[test]
fn a_template_costs_in_proportion_to_its_payload() {
    let subjects = growth::templates(true);
    assert_bounded("templates", &subjects, TEMPLATE_PERCENT_MAX);
}

/// The instructions of a delivery with this many alerts and rules. Every second rule matches, and sets three members.
fn with_rules(rules: usize, alerts: usize) -> u64 {
    let rule = |n: usize| {
        json!({
            "if": format!("item.labels.alertname and {n} % 2 == 0"),
            "severity": {"by": "item.labels.severity", "map": {"critical": "error", "warning": "info"}},
            "class": format!("{{{{ event.payload.severity }}}} of rule {n}"),
            "details": {"rule": format!("{{{{ item.labels.alertname | lower }}}} {n}")},
        })
    };
    let rules: Value = (0..rules).map(rule).collect();
    let world = accepting().with("rules", &rules.to_string());
    let reply =
        run(counting().call(&world, Call::post("/alertmanager", group(alerts)))).expect("the component answers");
    assert_eq!((reply.status, reply.json()["warnings"].is_null()), (200, true), "{}", reply.json());
    assert!(reply.memory <= MEMORY_MAX, "{} bytes of memory", reply.memory);
    reply.fuel
}

#[test]
fn rules_cost_in_proportion_to_their_number_and_to_that_of_the_events() {
    let of_rules = |rules, alerts| with_rules(rules, alerts) - with_rules(0, alerts);
    let (few, many) = (of_rules(10, 20), of_rules(40, 80));
    assert!(many <= 16 * few * PERCENT_MAX / 100, "10 × 20: {few} instructions, 40 × 80: {many}");
    evidence(&format!("{} instructions for each rule and event", many / (40 * 80)));
}

#[test]
fn bodies_that_once_took_seconds_or_gigabytes_are_answered_at_once() {
    for (size, call) in growth::once_too_much() {
        let path = call.path.clone();
        let reply = run(counting().call(&accepting(), call)).expect("the component answers");
        assert_eq!(reply.status, 200, "{size} {path}: {}", reply.json());
        // Two seconds, even on a machine that runs only 700 million instructions in one.
        assert!(reply.fuel < 1_400_000_000, "{size} {path}: {} instructions", reply.fuel);
        assert!(reply.memory <= MEMORY_MAX, "{size} {path}: {} bytes", reply.memory);
    }
}

/// Bodies near the limit of 1 MiB or of 50,000 values, which become as many events or as large ones as they can.
fn as_much_as_possible() -> Vec<(&'static str, String)> {
    let fill = |bytes: usize| "long text ".repeat(bytes / 10);
    let alerts: Value = (0..24_900).map(|n| json!({"fingerprint": n})).collect();
    let group =
        json!({"groupKey": "g", "title": fill(500_000), "receiver": fill(10_000), "alerts": alerts}).to_string();
    let event = |n: usize| json!({"type": "disk.alert", "source": "s", "subject": n.to_string(), "state": "firing"});
    let batch: Value = (0..9_900).map(event).collect();
    let zones: Value = (0..24_900).map(|n| json!({"zone_name": n})).collect();
    let cloudflare = json!({"alert_type": "real_origin_monitoring", "name": fill(1000), "text": fill(400_000),
        "policy_id": "p", "data": {"unreachable_zones": zones}});
    let members: Value = (0..49_000).map(|n| (format!("m{n}"), json!(n))).collect::<serde_json::Map<_, _>>().into();
    let mut formatted = json!({"alert_uid": "1", "title": fill(10_000), "message": fill(200_000)});
    formatted.as_object_mut().expect("an object").extend(members.as_object().expect("an object").clone());
    let nested = json!({"type": "a.alert", "source": "s", "subject": "1", "data": (0..250).fold(json!(1), |inner, n| json!({"a": [inner], "b": n}))});
    let texts: Value =
        (0..40).map(|n| (format!("t{n}"), json!(fill(25_000)))).collect::<serde_json::Map<_, _>>().into();
    vec![
        ("/alertmanager", group.clone()),
        ("/grafana", group),
        ("/cloudevents", batch.to_string()),
        ("/cloudevents", nested.to_string()),
        ("/cloudflare", cloudflare.to_string()),
        ("/formatted", formatted.to_string()),
        ("/datadog", texts.to_string()),
        ("/datadog", (0..49_000).map(|n| format!("f{n}=v&")).collect()),
        ("/formatted", (0..49_000).map(|n| format!("f{n}=v&")).collect()),
    ]
}

#[test]
fn memory_stays_below_64_mib_for_bodies_that_become_as_much_as_possible() {
    let mut most = 0;
    for (path, body) in as_much_as_possible() {
        for (prefix, query, grouping) in [("", "", "alert"), ("", "", "group"), ("/preview", "?explain", "alert")] {
            let target = format!("{prefix}{path}{query}");
            let call = Call::post(&target, body.clone()).header("cf-webhook-auth", pagerelay_e2e::SECRET);
            let world = accepting().with("grouping", grouping);
            let reply = run(counting().call(&world, call)).expect("the component answers");
            assert!(reply.memory <= MEMORY_MAX, "{target}, {grouping}: {} bytes of memory", reply.memory);
            most = most.max(reply.memory);
        }
    }
    evidence(&format!("memory: {} MiB for the worst body", most >> 20));
}
