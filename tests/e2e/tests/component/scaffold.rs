//! One command creates a source, on a copy of the files that it changes.

use std::path::{Path, PathBuf};

use pagerelay_e2e::{root, scaffold};

const REGISTRY: &str = "src/sources/mod.rs";
const SAMPLES: &str = "src/endpoints/playground/samples.txt";

/// A copy of the files that the command reads, removed when it is dropped.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Copy {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scaffold-{name}-{}", std::process::id()));
        for file in [REGISTRY, SAMPLES] {
            std::fs::create_dir_all(copy.join(file).parent().expect("a folder")).expect("writable");
            std::fs::copy(root().join(file), copy.join(file)).expect("writable");
        }
        Copy(copy)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.0.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Leftovers are in the target folder, which anybody may delete.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_source_is_begun_with_its_file_its_fixtures_and_three_lines() {
    let copy = Copy::new("begun");
    let said = scaffold::new_source(&copy.0, "pinger").expect("it is new");
    assert!(said.contains("src/sources/pinger.rs") && said.contains("UPDATE_EXPECT=1"), "{said}");

    let source = copy.read("src/sources/pinger.rs");
    let headings: Vec<&str> = source.lines().filter_map(|line| line.strip_prefix("//! # ")).collect();
    assert_eq!(headings, ["Wire format", "Mapping", "Dedup key", "Not mapped"]);
    for part in ["slug: \"pinger\"", "name: \"Pinger\"", "..Source::DEFAULT", "MapError::Shape"] {
        assert!(source.contains(part), "{part} is not in\n{source}");
    }
    assert!(!source.contains("SLUG") && !source.contains("NAME"), "{source}");

    for fixture in ["01-firing-example", "02-resolved-example"] {
        let payload = copy.read(&format!("tests/fixtures/pinger/{fixture}.json"));
        assert!(serde_json::from_str::<serde_json::Value>(&payload).is_ok_and(|payload| payload.is_object()));
        assert_eq!(copy.read(&format!("tests/fixtures/pinger/{fixture}.events.json")), "[]\n");
    }

    let before = std::fs::read_to_string(root().join(REGISTRY)).expect("readable");
    let registry = copy.read(REGISTRY);
    for line in ["pub mod pinger;", "    &pinger::SOURCE,"] {
        assert_eq!(registry.lines().filter(|other| *other == line).count(), 1, "{line}");
    }
    assert_eq!(registry.replace("pub mod pinger;\n", "").replace("    &pinger::SOURCE,\n", ""), before);
    let samples = copy.read(SAMPLES);
    assert!(samples.contains("\npinger 01-firing-example.json 02-resolved-example.json\n"), "{samples}");
    for (text, beginning) in [(&registry, "pub mod "), (&registry, "    &")] {
        let names =
            text.lines().filter_map(|line| line.strip_prefix(beginning)).map(|line| line.trim_end_matches([';', ',']));
        assert!(names.map(|name| name.trim_end_matches("::SOURCE")).is_sorted(), "{text}");
    }
    assert!(samples.lines().filter(|line| !line.starts_with('#')).is_sorted(), "{samples}");

    let first = scaffold::new_source(&copy.0, "aaa").and_then(|_| scaffold::new_source(&copy.0, "zzz"));
    assert!(first.is_ok(), "one before all others, and one behind");
    assert!(copy.read(REGISTRY).contains("pub mod aaa;\npub mod alertmanager;"));
    assert!(copy.read(REGISTRY).contains("    &zzz::SOURCE,\n];"));
}

#[test]
fn what_is_no_slug_or_is_there_already_changes_nothing() {
    let copy = Copy::new("refused");
    std::fs::create_dir_all(copy.0.join("tests/fixtures/left")).expect("writable");
    let before = (copy.read(REGISTRY), copy.read(SAMPLES));
    for slug in
        ["", "Grafana", "9lives", "two-words", "two_words", "a/b", "..", "é", "grafana", "left", "custom", "match"]
            .into_iter()
            .chain(["heartbeat", "outbox", "pagerelay", "tick", "v2"])
    {
        let refused = scaffold::new_source(&copy.0, slug);
        assert!(refused.is_err(), "{slug}: {refused:?}");
        assert!(slug.is_empty() || !copy.0.join(format!("src/sources/{slug}.rs")).exists(), "{slug}");
    }
    assert_eq!((copy.read(REGISTRY), copy.read(SAMPLES)), before);
}
