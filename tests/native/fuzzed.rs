//! The targets of `tests/fuzz`, without libFuzzer: the seeds, and the inputs that fuzzing found.

use std::collections::BTreeSet;

use pagerelay_support::fuzz::{TARGETS, found};
use pagerelay_support::root;

use crate::tidy::read;

/// The largest number of lines of a target's file.
const TARGET_MAX_LINES: usize = 19;

#[test]
fn every_seed_keeps_the_rules_of_its_target() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 10, "{}: {} seeds", target.name, seeds.len());
        seeds.iter().for_each(|seed| (target.run)(seed));
    }
}

#[test]
fn every_input_that_fuzzing_found_keeps_the_rules_of_its_target() {
    for target in TARGETS {
        for (path, input) in found(target.name) {
            let run = std::panic::catch_unwind(|| (target.run)(&input));
            assert!(run.is_ok(), "{} fails target {}", path.display(), target.name);
        }
    }
}

#[test]
fn every_target_has_a_short_file_and_every_file_is_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let manifest: toml::Table = read("tests/fuzz/Cargo.toml").parse().expect("toml");
    let binaries = manifest["bin"].as_array().expect("a list").iter();
    let listed: BTreeSet<String> = binaries.map(|bin| bin["name"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(listed, names);
    let stem = |path: std::path::PathBuf| path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    let folder = |name: &str| -> BTreeSet<String> {
        let entries = root().join("tests/fuzz").join(name).read_dir().into_iter().flatten();
        entries.map(|entry| stem(entry.expect("readable").path())).collect()
    };
    assert_eq!(folder("fuzz_targets"), names);
    assert!(folder("found").is_subset(&names), "a folder of no target");
    for name in names {
        let file = read(format!("tests/fuzz/fuzz_targets/{name}.rs"));
        assert!(file.lines().count() <= TARGET_MAX_LINES && file.contains(&format!("fuzz::{name}(")), "{name}");
    }
}
