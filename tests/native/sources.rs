//! Every fixture maps to the files beside it.
//!
//! `UPDATE_EXPECT=1 cargo test --test native` writes the actual results; review the difference before you commit it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pagerelay_support::fixtures::{self, Fixture};
use pagerelay_support::golden;

#[test]
fn every_fixture_maps_to_what_stands_beside_it() {
    let update = golden::update_wanted();
    let mut wrong = Vec::new();
    for (fixture, group) in cases() {
        for (ending, actual) in fixture.actual(group).parts() {
            wrong.extend(golden::settle(&fixture.beside(group, ending), actual, update));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files say something else. What came out is beside each of them; UPDATE_EXPECT=1 writes it.\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn no_expectation_is_without_its_fixture() {
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    for (fixture, group) in cases() {
        known.insert(fixture.path.clone());
        known.insert(fixture.path.with_extension("headers.json"));
        known.extend(golden::ENDINGS.map(|ending| fixture.beside(group, ending)));
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

/// Every fixture, and a second time for sources that support one event per batch.
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

#[test]
fn a_golden_that_differs_shows_its_lines_and_leaves_what_came_out_until_they_agree() {
    let folder = std::env::temp_dir().join(format!("pagerelay-golden-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("writable");
    let (golden, left) = (folder.join("01-x.events.json"), folder.join("01-x.events.json.actual"));
    std::fs::write(&golden, "same\nold\n").expect("writable");
    let shown = golden::settle(&golden, Some("same\nnew\n"), false).expect("they differ");
    assert!(shown.contains("\n same\n-old\n+new\n") && shown.contains("01-x.events.json.actual"), "{shown}");
    assert_eq!(std::fs::read_to_string(&left).expect("it is left"), "same\nnew\n");
    assert_eq!(fixtures::files(&folder), BTreeSet::from([golden.clone()]), "what is left is no fixture");
    assert_eq!(golden::settle(&golden, Some("same\nold\n"), false), None);
    assert!(!left.exists(), "they agree");

    assert!(golden::settle(&golden, None, false).expect("there is to be no file").contains("-old"));
    assert!(golden::settle(&golden, Some(""), false).is_some());
    assert_eq!(golden::settle(&golden, Some("new\n"), true), None);
    assert_eq!((std::fs::read_to_string(&golden).expect("written").as_str(), left.exists()), ("new\n", false));
    assert!(
        golden::settle(&folder.join("02.error.txt"), Some("why\n"), false).expect("there is no file").contains("+why")
    );
    assert_eq!(golden::settle(&golden, None, true), None);
    assert!(!golden.exists(), "what is not to be there is removed");
    std::fs::remove_dir_all(folder).expect("it was there");
}

#[test]
fn no_golden_is_written_in_ci() {
    assert!(golden::may_update(true, false) && !golden::may_update(false, true) && !golden::may_update(false, false));
    let refused = std::panic::catch_unwind(|| golden::may_update(true, true)).expect_err("it is refused");
    assert!(refused.downcast_ref::<&str>().is_some_and(|said| said.contains("CI")));
}
