//! The crates of the component: their licences, their registry, and that each occurs once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pagerelay_support::root;

/// Licences that are compatible with the component's own.
const LICENCES: [&str; 3] = ["Apache-2.0", "BSD-3-Clause", "MIT"];

/// Crates that the component may have in more than one version, with the reason beside each.
const TWICE: [&str; 0] = [];

/// The crates of the component: name, version with the additions of `cargo tree`, and licence.
fn crates(edges: &str) -> BTreeSet<(String, String, String)> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["tree", "--locked", "--package", "pagerelay", "--features", "wasmtime"]);
    cargo.args(["--target", "wasm32-unknown-unknown", "--edges", edges, "--prefix", "none", "--no-dedupe"]);
    let output = cargo.args(["--format", "{p}|{l}"]).output().expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("text");
    let lines = tree.lines().filter(|line| !line.is_empty());
    let crates: BTreeSet<_> = lines
        .map(|line| {
            let (package, licence) = line.split_once('|').expect("the format has one");
            let (name, version) = package.split_once(' ').expect("a crate has a version");
            (name.to_owned(), version.to_owned(), licence.to_owned())
        })
        .filter(|(name, ..)| name != "pagerelay")
        .collect();
    assert!(crates.len() > 20, "cargo tree names the crates: {crates:?}");
    crates
}

#[test]
fn every_crate_has_a_licence_that_goes_with_ours() {
    for (name, version, licence) in crates("normal,no-proc-macro") {
        // `A AND (B OR C)`; older crates write `B/C`.
        let fits = licence.split(" AND ").all(|part| {
            let choices = part.trim_matches(['(', ')']).replace('/', " OR ");
            choices.split(" OR ").any(|choice| LICENCES.contains(&choice.trim()))
        });
        assert!(fits, "{name} {version}: {licence:?} is not on the list");
    }
}

#[test]
fn every_crate_comes_from_crates_io() {
    // This also examines the crates that run during the build.
    for (name, version, _) in crates("normal,build") {
        // For another registry, a repository or a folder, the version is followed by its URL.
        let plain = version.strip_suffix(" (proc-macro)").unwrap_or(&version);
        assert!(!plain.contains(' '), "{name} {version}");
    }
}

#[test]
fn no_crate_is_in_the_component_twice() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, version, _) in crates("normal,no-proc-macro") {
        versions.entry(name).or_default().insert(version);
    }
    versions.retain(|name, versions| versions.len() > 1 && !TWICE.contains(&name.as_str()));
    assert_eq!(versions, BTreeMap::new());
}
