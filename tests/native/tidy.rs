//! Consistency of registry, files, fixtures, samples, and `spin.toml`. `architecture.rs` tests which module uses which,
//! and `readme.rs` the contents of the README.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use pagerelay::sources::SOURCES;
use pagerelay::sources::variables;
use pagerelay_support::root;

/// The largest number of lines of code in a source.
const SOURCE_MAX_LINES: usize = 250;

/// The largest size of the playground page without its samples, compressed, in bytes.
const PAGE_MAX_BYTES: usize = 16_384;

/// The largest size of a sample in the page, in bytes.
const SAMPLE_MAX_BYTES: usize = 4096;

/// The headings of a source's docs, in order.
const HEADINGS: [&str; 4] = ["# Wire format", "# Mapping", "# Dedup key", "# Not mapped"];

/// Reads a file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a folder of the repository, without the leftovers of failed goldens.
fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = root().join(folder).read_dir().expect("the folder is there");
    let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with(".actual")).collect()
}

/// The file of every source, by slug.
fn vendors() -> BTreeMap<String, String> {
    let names = names_in("src/sources").into_iter();
    let files = names.filter(|name| name.ends_with(".rs") && name != "mod.rs");
    files.map(|name| (name.trim_end_matches(".rs").to_owned(), read(format!("src/sources/{name}")))).collect()
}

/// The number of lines that are neither blank nor comments.
fn code_lines(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

#[test]
fn registry_files_and_fixtures_name_the_same_sources() {
    let slugs: Vec<&str> = SOURCES.iter().map(|source| source.slug).collect();
    let registry: BTreeSet<String> = slugs.iter().map(|slug| (*slug).to_owned()).collect();
    assert!(slugs.is_sorted(), "the registry is in order");
    assert_eq!(registry.len(), slugs.len(), "no slug twice");
    assert_eq!(registry, vendors().into_keys().collect(), "files");
    let mut fixtures = names_in("tests/fixtures");
    fixtures.remove("figures.txt");
    fixtures.remove("imports.txt");
    fixtures.remove("words.txt");
    fixtures.remove("custom");
    fixtures.remove("rules");
    assert_eq!(registry, fixtures, "fixtures");
}

#[test]
fn every_source_has_a_pair_of_samples_in_the_page_and_each_is_small() {
    let list = read("src/endpoints/playground/samples.txt");
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut sampled = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [slug, opens, closes] = words.as_slice() else { panic!("not a slug and two fixtures: {line}") };
        for (name, number) in [(opens, "01-"), (closes, "02-")] {
            let path = format!("tests/fixtures/{slug}/{name}");
            assert!(name.starts_with(number), "{path} is not the fixture {number}…");
            let size = read(&path).len();
            assert!(size <= SAMPLE_MAX_BYTES, "{path} has {size} bytes, and a sample has {SAMPLE_MAX_BYTES} at most");
        }
        sampled.push(*slug);
    }
    let slugs: Vec<&str> = SOURCES.iter().map(|source| source.slug).collect();
    assert_eq!(sampled, slugs, "samples.txt has a line for each source, in the registry's order");
}

#[test]
fn the_page_without_its_samples_is_small() {
    let page = read("src/endpoints/playground/page.html");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // Without comments, as in `build.rs`.
    for line in page.lines().filter(|line| !line.trim_start().starts_with("//")) {
        writeln!(gzip, "{line}").expect("memory");
    }
    let size = gzip.finish().expect("memory").len();
    assert!(size <= PAGE_MAX_BYTES, "{size} bytes are more than {PAGE_MAX_BYTES}");
}

/// The paths of all members of a JSON value.
fn shape(value: &serde_json::Value, at: &str, paths: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                paths.insert(format!("{at}.{name}"));
                shape(value, &format!("{at}.{name}"), paths);
            }
        }
        serde_json::Value::Array(items) => {
            for item in items {
                shape(item, &format!("{at}[]"), paths);
            }
        }
        _ => {}
    }
}

#[test]
fn a_template_to_paste_has_a_fixture_of_exactly_its_shape() {
    let shape = |text: &str, what: &str| {
        let mut paths = BTreeSet::new();
        let value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}"));
        shape(&value, "", &mut paths);
        paths
    };
    for source in SOURCES {
        let Some(template) = source.setup.template else { continue };
        // Healthchecks, Argo CD and Axiom insert text with its quotes, and Axiom values that are no text.
        let quoted = [
            "$NAME_JSON",
            "{{toJson .app.status.operationState.message}}",
            "{{printf \"%q\" .Title}}",
            "{{printf \"%q\" .Body}}",
            "{{printf \"%q\" .Description}}",
            "{{.Value}}",
            "{{jsonObject .MatchedEvent}}",
            "{{jsonArray .GroupKeys}}",
            "{{jsonArray .GroupValues}}",
        ];
        let template = quoted.iter().fold(template.to_owned(), |text, name| text.replace(name, "\"\""));
        let wanted = shape(&template, source.slug);
        let folder = format!("tests/fixtures/{}", source.slug);
        let made: Vec<String> = names_in(&folder)
            .into_iter()
            .filter(|name| name.contains("-template-") && name.ends_with(".json") && name.matches('.').count() == 1)
            .collect();
        assert!(made.len() >= 2, "{}: a trigger and a resolve made from the template", source.slug);
        for name in made {
            assert_eq!(shape(&read(format!("{folder}/{name}")), &name), wanted, "{}/{name}", source.slug);
        }
    }
}

#[test]
fn no_source_has_the_name_of_another_path() {
    for path in ["act", "check", "custom", "health", "heartbeat", "preview", "setup", "tick"] {
        assert!(pagerelay::sources::find(path).is_none(), "{path}");
    }
}

#[test]
fn every_source_has_its_headings_and_fits_in_one_sitting() {
    for (slug, text) in vendors() {
        let docs: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let headings: Vec<&str> = docs.iter().copied().filter(|line| line.starts_with("# ")).collect();
        assert_eq!(headings, HEADINGS, "{slug}");
        let docs_page = SOURCES.iter().find(|source| source.slug == slug).expect("registered").docs;
        assert!(text.matches(docs_page).count() >= 2, "{slug}: the page it was written from stands in its docs");
        let lines = code_lines(&text);
        assert!(lines <= SOURCE_MAX_LINES, "{slug} has {lines} lines of code");
    }
}

/// Variables that only Spin reads: hosts that some deployments need.
const HOSTS: [&str; 4] = ["api_host", "fallback_host", "opsgenie_host", "sns_host"];

#[test]
fn spin_toml_declares_the_variables_that_everyone_needs() {
    let manifest = read("spin.toml");
    // A line of examples is `# name = …`.
    let example = |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
    let lines = manifest.lines().map(|line| line.strip_prefix("# ").filter(example).unwrap_or(line));
    let with_examples: String = lines.map(|line| format!("{line}\n")).collect();
    let parse = |text: &str| text.parse::<toml::Table>().expect("spin.toml is toml");
    let check = |table: &toml::Table, wanted: &BTreeMap<String, bool>| {
        let declared = table["variables"].as_table().expect("a table").iter();
        let declared: BTreeMap<String, bool> = declared
            .filter(|(name, _)| !HOSTS.contains(&name.as_str()))
            .map(|(name, variable)| {
                assert_eq!(variable["default"].as_str(), Some(""), "{name} has an empty default");
                (name.clone(), variable.get("secret").is_some_and(|secret| secret.as_bool() == Some(true)))
            })
            .collect();
        assert_eq!(&declared, wanted);
        let handed = table["component"]["pagerelay"]["variables"].as_table().expect("a table");
        let template = |name: &String| (name.clone(), toml::Value::from(format!("{{{{ {name} }}}}")));
        assert_eq!(handed, &wanted.keys().map(template).collect::<toml::Table>());
    };
    let declared = variables().into_iter().filter(|variable| variable.declared);
    let mut wanted: BTreeMap<String, bool> = declared.map(|v| (v.name.to_owned(), v.secret)).collect();
    assert_eq!(wanted.keys().collect::<Vec<_>>(), ["routing_key", "settings", "webhook_secret"]);
    check(&parse(&manifest), &wanted);
    wanted.extend(
        ["secret_grafana", "secret_events", "secret_act", "secret_heartbeat", "routing_key_payments", "fallback_url"]
            .map(|name| (name.to_owned(), true)),
    );
    wanted.extend(
        ["region", "services_grafana", "custom_mine", "outbox", "heartbeat_watchdog"]
            .map(|name| (name.to_owned(), false)),
    );
    let with_examples = parse(&with_examples);
    check(&with_examples, &wanted);
    // The operator decides which store is good enough, so none is granted by default.
    let stores = |table: &toml::Table| table["component"]["pagerelay"].get("key_value_stores").cloned();
    let default = toml::Value::from(vec!["default"]);
    assert_eq!((stores(&parse(&manifest)), stores(&with_examples)), (None, Some(default)));
}

#[test]
fn spin_toml_allows_the_hosts_that_the_relay_contacts() {
    let manifest: toml::Table = read("spin.toml").parse().expect("spin.toml is toml");
    let component = &manifest["component"]["pagerelay"];
    let hosts: Vec<&str> = component["allowed_outbound_hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    let fixed = ["https://events.pagerduty.com", "https://events.eu.pagerduty.com"];
    assert_eq!(
        hosts,
        [&fixed[..], &["{{ sns_host }}", "{{ api_host }}", "{{ opsgenie_host }}", "{{ fallback_host }}"]].concat()
    );
    let place = read("src/config/pagerduty.rs");
    let domains = fixed.iter().map(|host| host.trim_start_matches("https://events"));
    assert!(domains.into_iter().all(|domain| place.contains(&format!("\"{domain}\""))), "the code sends to these");
    // An empty entry would be an error on some versions of Spin.
    for name in HOSTS {
        assert_eq!(manifest["variables"][name]["default"].as_str(), Some(fixed[0]), "{name}");
    }
    assert_eq!(
        component["build"]["command"].as_str(),
        Some("cargo rustc --release --package pagerelay --lib --crate-type cdylib --target wasm32-unknown-unknown")
    );
    assert_eq!(component["source"].as_str(), Some("target/wasm32-unknown-unknown/release/pagerelay.wasm"));
}

#[test]
fn the_top_level_is_as_designed() {
    let known = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "spin.toml", "src", "target", "tests", "wit"];
    let extra: Vec<String> =
        names_in(".").into_iter().filter(|name| !name.starts_with('.') && !known.contains(&name.as_str())).collect();
    assert_eq!(extra, Vec::<String>::new());
}
