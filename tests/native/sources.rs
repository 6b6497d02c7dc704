//! Every fixture maps to what stands beside it.
//!
//! `UPDATE_EXPECT=1 cargo test --test sources` writes what the mapping gives; read the difference before committing it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pagerelay_support::fixtures::{self, Expected, Fixture};

#[test]
fn every_fixture_maps_to_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    for (fixture, group) in cases() {
        let actual = fixture.actual(group);
        if update {
            write(&fixture, group, &actual);
        } else if actual != fixture.expected(group) {
            wrong.push(format!("{}{}", fixture.name(), if group { " (grouped)" } else { "" }));
        }
    }
    assert!(wrong.is_empty(), "these map to something else, UPDATE_EXPECT=1 shows what: {wrong:#?}");
}

#[test]
fn no_expectation_is_without_its_fixture() {
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    for (fixture, group) in cases() {
        known.insert(fixture.path.clone());
        known.insert(fixture.path.with_extension("headers.json"));
        known.extend(["events.json", "ignored.txt", "error.txt"].map(|ending| fixture.beside(group, ending)));
    }
    for folder in fixtures::folder().read_dir().expect("fixtures are there") {
        let orphans: Vec<PathBuf> =
            fixtures::files(&folder.expect("readable").path()).difference(&known).cloned().collect();
        assert!(orphans.is_empty(), "nothing uses {orphans:#?}");
    }
}

#[test]
fn mapping_a_delivery_twice_gives_the_same_events() {
    for (fixture, group) in cases() {
        assert_eq!(fixture.map(group), fixture.map(group), "{}", fixture.name());
    }
}

/// Every fixture, and once more for sources that can send one event for a batch.
fn cases() -> Vec<(Fixture, bool)> {
    let mut cases = Vec::new();
    for fixture in fixtures::all() {
        if fixture.can_group() {
            cases.push((fixture.clone(), true));
        }
        cases.push((fixture, false));
    }
    assert!(!cases.is_empty(), "there are fixtures");
    cases
}

fn write(fixture: &Fixture, group: bool, actual: &Expected) {
    let put = |ending: &str, text: &Option<String>| {
        let path: &Path = &fixture.beside(group, ending);
        match text {
            Some(text) => std::fs::write(path, text).expect("fixtures are writable"),
            None if path.exists() => std::fs::remove_file(path).expect("fixtures are writable"),
            None => {}
        }
    };
    put("events.json", &actual.events);
    put("ignored.txt", &actual.ignored);
    put("error.txt", &actual.error);
}
