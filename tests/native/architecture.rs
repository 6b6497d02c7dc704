//! Which module may use which. `cargo test --test native import_graph -- --nocapture` prints the actual graph.
//!
//! The test examines the folders and root modules of `src`. Each may use only modules before it in [`ROWS`], and of
//! these only the ones in its row. So there is no cycle, and readers can understand each part with only the parts
//! before it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pagerelay_support::root;

/// Each part of the crate, and the parts before it that it may use.
const ROWS: &[(&str, &[&str])] = &[
    ("text", &[]),
    ("json", &["text"]),
    ("secret", &["text"]),
    ("http", &["json", "text"]),
    ("runtime", &["http", "text"]),
    ("pagerduty", &["http", "json", "runtime", "secret", "text"]),
    ("auth", &["http", "json", "secret", "text"]),
    ("config", &["auth", "http", "pagerduty", "runtime", "secret", "text"]),
    ("mapping", &["auth", "http", "json", "pagerduty", "text"]),
    ("sources", &["auth", "config", "http", "json", "mapping", "pagerduty", "text"]),
    ("custom", &["auth", "http", "json", "mapping", "pagerduty", "text"]),
    ("rules", &["auth", "config", "custom", "json", "mapping", "pagerduty", "text"]),
    ("inbound", &["auth", "config", "custom", "http", "mapping", "runtime", "sources", "text"]),
    ("outbox", &["config", "http", "json", "mapping", "pagerduty", "runtime", "secret", "text"]),
    ("error", &["auth", "config", "http", "inbound", "json", "mapping", "pagerduty", "runtime", "text"]),
    ("report", &["config", "error", "http", "json", "mapping", "pagerduty", "runtime", "text"]),
    ("endpoints", EVERYTHING),
    ("pipeline", EVERYTHING),
    ("component", &["http", "pipeline", "runtime"]),
    ("guide", &[]),
];

/// A part that brings the others together may use every part before it.
const EVERYTHING: &[&str] = &["*"];

/// The files that may expose a secret.
const EXPOSES: [&str; 3] = ["auth/", "pagerduty/", "secret.rs"];

/// A file of `src`.
struct File {
    /// `sources/grafana.rs`.
    path: String,
    /// `["sources", "grafana"]`. A folder's `mod.rs` counts as the folder.
    module: Vec<String>,
    /// Its text, without lines that are comments.
    code: String,
}

impl File {
    /// The folder or root module of the file.
    fn part(&self) -> &str {
        &self.module[0]
    }

    /// The paths in the file, from the crate's root: `["pagerduty", "event", "Event"]`.
    fn uses(&self) -> BTreeSet<Vec<String>> {
        let mut uses = BTreeSet::new();
        for (start, ups) in starts(&self.code) {
            let Some(depth) = (if ups == 0 { Some(0) } else { self.module.len().checked_sub(ups) }) else { continue };
            let mut paths = Vec::new();
            tree(&self.code[start..], self.module[..depth].to_vec(), &mut paths);
            uses.extend(paths);
        }
        uses
    }
}

/// The positions after `crate::` and `super::super::`, where paths begin, and how many modules each one goes up.
fn starts(code: &str) -> Vec<(usize, usize)> {
    let word_before = |at: usize| code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':'));
    let mut starts = Vec::new();
    for (at, word) in code.match_indices("crate::").filter(|(at, _)| !word_before(*at)) {
        starts.push((at + word.len(), 0));
    }
    for (at, word) in code.match_indices("super::").filter(|(at, _)| !word_before(*at)) {
        let ups = code[at..].split(word).take_while(|between| between.is_empty()).count();
        starts.push((at + ups * word.len(), ups));
    }
    starts
}

/// Reads a path, or the paths of a group in braces. Returns how much of the text it used.
fn tree(code: &str, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
    let mut at = 0;
    loop {
        let rest = &code[at..];
        if rest.starts_with('{') {
            at += 1;
            loop {
                let blank =
                    code[at..].len() - code[at..].trim_start_matches(|c: char| c.is_whitespace() || c == ',').len();
                at += blank;
                if code[at..].is_empty() || code[at..].starts_with('}') {
                    return at + 1;
                }
                let read = tree(&code[at..], path.clone(), paths);
                // Skips to the next path of the group, past ` as Name` and anything that is not a path.
                at += read;
                at += code[at..].find([',', '}']).unwrap_or(code[at..].len());
            }
        }
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if length > 0 {
            path.push(rest[..length].to_owned());
            at += length;
        }
        if length == 0 || !code[at..].starts_with("::") {
            if at > 0 {
                paths.push(path);
            }
            return at;
        }
        at += 2;
    }
}

/// Every file of `src`, at any depth.
fn files() -> Vec<File> {
    fn walk(folder: &Path, above: &[String], files: &mut Vec<File>) {
        let mut entries: Vec<_> =
            folder.read_dir().expect("a readable folder").map(|entry| entry.expect("readable").path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
            let mut module = above.to_vec();
            if path.is_dir() {
                module.push(name);
                walk(&path, &module, files);
            } else if let Some(stem) = name.strip_suffix(".rs") {
                // The first is the crate's root, the second belongs to the build script, and cargo-component writes the
                // third.
                let root = above.is_empty() && ["lib", "bindings"].contains(&stem);
                if root || (above == ["endpoints", "playground"] && stem == "build") {
                    continue;
                }
                if stem != "mod" {
                    module.push(stem.to_owned());
                }
                let text = std::fs::read_to_string(&path).expect("readable");
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>();
                let path = [above, &[name]].concat().join("/");
                files.push(File { path, module, code: code.join("\n") });
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("src"), &[], &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    files
}

/// Which part uses which others, and in how many files.
fn graph() -> BTreeMap<String, BTreeMap<String, usize>> {
    let parts: BTreeSet<String> = files().iter().map(|file| file.part().to_owned()).collect();
    let mut graph: BTreeMap<String, BTreeMap<String, usize>> =
        parts.iter().map(|part| (part.clone(), BTreeMap::new())).collect();
    for file in files() {
        let uses = file.uses();
        let used: BTreeSet<&String> = uses.iter().filter_map(|path| path.first()).collect();
        for other in used.into_iter().filter(|other| parts.contains(*other) && *other != file.part()) {
            *graph.entry(file.part().to_owned()).or_default().entry(other.clone()).or_default() += 1;
        }
    }
    graph
}

fn row(part: &str) -> (usize, &'static [&'static str]) {
    let place = ROWS.iter().position(|(name, _)| *name == part);
    let place = place.unwrap_or_else(|| panic!("no row for {part}: say where it stands, and what it may use"));
    (place, ROWS[place].1)
}

#[test]
fn the_rows_name_the_parts_that_there_are_and_only_earlier_ones() {
    let graph = graph();
    for (place, (name, allowed)) in ROWS.iter().enumerate() {
        assert!(graph.contains_key(*name), "src has no {name}");
        for other in allowed.iter().filter(|other| **other != "*") {
            assert!(row(other).0 < place, "{name} stands before {other}, so it may not use it");
        }
    }
}

#[test]
fn import_graph() {
    let graph = graph();
    let mut wrong = Vec::new();
    for (part, used) in &graph {
        let listed: Vec<String> = used.iter().map(|(other, files)| format!("{other} ({files})")).collect();
        println!("{part:<10} -> {}", if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") });
        let (place, allowed) = row(part);
        for other in used.keys() {
            if row(other).0 >= place {
                wrong.push(format!("{part} uses {other}, which stands above it"));
            } else if allowed != EVERYTHING && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{part} uses {other}, which its row does not allow"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // No cycle: parts without remaining uses are removed until none remains.
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (part, used) in &graph {
        left.insert(part, used.keys().map(String::as_str).collect());
    }
    while !left.is_empty() {
        let free: Vec<&str> = left
            .iter()
            .filter(|(_, used)| used.iter().all(|other| !left.contains_key(other)))
            .map(|(part, _)| *part)
            .collect();
        assert!(!free.is_empty(), "a circle: {left:?}");
        left.retain(|part, _| !free.contains(part));
    }
}

#[test]
fn no_vendor_reaches_into_its_sibling() {
    let files = files();
    let vendors: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.part() == "sources")
        .filter_map(|file| file.module.get(1).map(String::as_str))
        .collect();
    assert!(vendors.len() > 10, "{vendors:?}");
    for file in files.iter().filter(|file| file.part() == "sources") {
        let Some(own) = file.module.get(1) else { continue };
        let reaches = |other: &str| {
            let by_path = file
                .uses()
                .iter()
                .any(|path| matches!(path.as_slice(), [part, name, ..] if part == "sources" && name == other));
            // `use super::other;` is a path too; later mentions of the name in the code are not.
            let by_name = file
                .code
                .match_indices(&format!("{other}::"))
                .any(|(at, _)| !file.code[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':')));
            by_path || by_name
        };
        for other in vendors.iter().filter(|other| **other != own.as_str()) {
            assert!(!reaches(other), "{} reaches into its sibling {other}", file.path);
        }
    }
}

#[test]
fn bindings_secrets_and_unsafe_code_stay_where_they_belong() {
    for file in files() {
        let names = |words: &[&str]| words.iter().any(|word| file.code.contains(word));
        let component = file.part() == "component";
        assert!(component || !names(&["mod bindings", "bindings::"]), "{} names the bindings", file.path);
        assert!(component || !names(&["unsafe ", "unsafe_code"]), "{} has unsafe code", file.path);
        let may = EXPOSES.iter().any(|place| file.path.starts_with(place));
        assert!(may || !file.code.contains(".expose()"), "{} exposes a secret", file.path);
    }
}

#[test]
fn paths_are_read_however_they_are_written() {
    let file = |module: &[&str], code: &str| File {
        path: String::new(),
        module: module.iter().map(|name| (*name).to_owned()).collect(),
        code: code.to_owned(),
    };
    let uses = |file: File| file.uses().into_iter().map(|path| path.join("::")).collect::<Vec<_>>();
    let code = "use crate::{auth::{self, Access as A}, text};\npub(crate) fn f(x: crate::json::Node<'_>) { crate::text::cut(x) }";
    let wanted = ["auth::Access", "auth::self", "json::Node", "text", "text::cut"];
    assert_eq!(uses(file(&["config"], code)), wanted);
    assert_eq!(uses(file(&["sources", "sns"], "use super::{Source, github};")), ["sources::Source", "sources::github"]);
    assert_eq!(uses(file(&["a", "b"], "super::super::text::cut(); self::x();")), ["text::cut"]);
    assert_eq!(uses(file(&["a", "b"], "use my_crate::x; macro_crate::y")), Vec::<String>::new());
}
