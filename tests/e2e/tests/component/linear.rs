//! Work and memory in proportion to the body, for any body. Instructions are counted, so a slow machine changes nothing.
//!
//! These tests take a part of the subjects of `cargo test --bench growth`, which prints a table of all.

use pagerelay_e2e::growth::{self, MEMORY_MAX, PERCENT_MAX, Shape, Subject, accepting, counting};
use pagerelay_e2e::run;

/// Asserts that the cost of each subject is bounded, and that enough of them could grow.
fn assert_bounded(subjects: &[Subject], at_least: usize) {
    let mut measured = 0;
    let mut faults = Vec::new();
    for subject in subjects {
        let Some(growth) = run(subject.measure()) else { continue };
        measured += 1;
        if !growth.is_bounded() {
            let (percent, memory) = (growth.percent(), growth.memory);
            faults.push(format!("{}: {percent} % of the instructions, {memory} bytes of memory", subject.name));
        }
    }
    assert!(faults.is_empty(), "above {PERCENT_MAX} % or {MEMORY_MAX} bytes:\n{}", faults.join("\n"));
    assert!(measured >= at_least, "only {measured} subjects of {} could grow", subjects.len());
}

#[test]
fn a_delivery_16_times_as_large_costs_at_most_16_times_as_much_and_a_third() {
    let subjects = growth::deliveries(true);
    assert_bounded(&subjects, subjects.len() * 3 / 4);
}

#[test]
fn a_delivery_of_a_mebibyte_costs_16_times_as_much_as_one_of_64_kib() {
    let mut subjects = growth::firsts(&[Shape::LongText], "", 64 * 1024 - 2048);
    subjects.extend(growth::firsts(&[Shape::ManyKeys], "", 32 * 1024));
    assert_bounded(&subjects, subjects.len() * 3 / 4);
}

#[test]
fn a_preview_16_times_as_large_costs_at_most_16_times_as_much_and_a_third() {
    let subjects = growth::firsts(&Shape::ALL, "/preview", growth::SMALL);
    assert_bounded(&subjects, subjects.len() * 3 / 4);
}

#[test]
fn a_template_costs_in_proportion_to_its_payload() {
    let subjects = growth::templates(true);
    assert_bounded(&subjects, subjects.len() * 3 / 4);
}

#[test]
fn bodies_that_once_took_seconds_or_gigabytes_are_answered_at_once() {
    for (size, call) in growth::once_too_much() {
        let path = call.path.clone();
        let reply = run(counting().call(&accepting(), call)).expect("the component answers");
        assert_eq!(reply.status, 200, "{size} {path}: {}", reply.json());
        // This machine runs some 500 million instructions in a second.
        assert!(reply.fuel < 600_000_000, "{size} {path}: {} instructions", reply.fuel);
        assert!(reply.memory <= MEMORY_MAX, "{size} {path}: {} bytes", reply.memory);
    }
}
