//! What must agree, agrees: registry, files, fixtures, README, `spin.toml`, and who may use whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pagerelay::auth::Scheme;
use pagerelay::config::VARIABLES;
use pagerelay::sources::{SOURCES, Source};

/// The most lines of code in a source, and the most in half of them.
const SOURCE_MAX_LINES: usize = 250;
const SOURCE_MEDIAN_LINES: usize = 120;

/// The headings of a source's docs, in order.
const HEADINGS: [&str; 4] = ["# Wire format", "# Mapping", "# Dedup key", "# Not mapped"];

/// Which modules of the crate a module may use. `sources/mod` is the contract, `sources/*` every vendor.
const MAY_USE: &[(&str, &[&str])] = &[
    ("act", &["auth", "config", "error", "event", "host", "report", "request", "rest", "sources", "text"]),
    ("auth", &["host", "request", "secret", "text"]),
    ("auth/*", &["host", "request", "secret", "text"]),
    ("component", &["host", "relay", "request"]),
    ("config", &["auth", "host", "secret", "text"]),
    ("config/*", &["host", "secret", "text"]),
    ("custom", &["auth", "event", "sources", "text"]),
    ("custom/*", &["auth", "event", "sources", "text"]),
    ("deliver", &["event", "host", "secret", "text"]),
    ("deliver/*", &["event", "host", "secret", "text"]),
    (
        "doctor",
        &[
            "auth", "config", "custom", "deliver", "event", "host", "report", "request", "rest", "route", "secret",
            "sources", "text",
        ],
    ),
    (
        "doctor/*",
        &[
            "auth", "config", "custom", "deliver", "event", "host", "report", "request", "rest", "route", "secret",
            "sources", "text",
        ],
    ),
    ("error", &["auth", "config", "request", "rest", "route", "sources", "text"]),
    ("event", &["fit", "text"]),
    ("event/*", &["text"]),
    ("explain/*", &["text"]),
    ("explain", &["auth", "event", "sources", "text"]),
    ("fit", &["text"]),
    ("form", &["text"]),
    ("host", &[]),
    ("labels", &["event", "fit", "sources", "text"]),
    ("lib", &[]),
    ("page", &["request", "text"]),
    ("preview", &["deliver", "event", "explain", "text"]),
    (
        "relay",
        &[
            "act", "auth", "config", "custom", "deliver", "doctor", "error", "explain", "host", "page", "preview",
            "report", "request", "route", "setup", "sources", "storm", "text", "unmapped",
        ],
    ),
    ("report", &["deliver", "error", "explain", "host", "request", "sources", "text"]),
    ("request", &["text"]),
    ("rest", &["config", "host", "secret", "text"]),
    ("route", &["request", "sources"]),
    ("secret", &["text"]),
    ("setup", &["auth", "request", "sources", "text"]),
    ("sources/mod", &["auth", "event", "form", "text"]),
    ("sources/*", &["auth", "event", "labels", "text"]),
    ("storm", &["event", "text"]),
    ("text", &[]),
    ("text/*", &[]),
    ("unmapped", &["event", "text"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn names_in(folder: &str) -> BTreeSet<String> {
    let entries = root().join(folder).read_dir().expect("the folder is there");
    entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}

/// Every module with its text: `auth`, `sources/mod`, `sources/grafana`.
fn modules() -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    for folder in [
        "src",
        "src/auth",
        "src/config",
        "src/custom",
        "src/deliver",
        "src/doctor",
        "src/event",
        "src/explain",
        "src/sources",
        "src/text",
    ] {
        for name in names_in(folder) {
            if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "bindings") {
                let prefix = folder.strip_prefix("src/").map(|folder| format!("{folder}/")).unwrap_or_default();
                modules.insert(format!("{prefix}{stem}"), read(format!("{folder}/{name}")));
            }
        }
    }
    modules
}

fn vendors() -> BTreeMap<String, String> {
    let vendor = |(name, text): (String, String)| Some((name.strip_prefix("sources/")?.to_owned(), text));
    modules().into_iter().filter_map(vendor).filter(|(name, _)| name != "mod").collect()
}

/// Lines that are neither blank nor comment.
fn code_lines(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count()
}

/// The first cells of the rows of the table under a heading of the README.
fn readme_rows(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with(heading)).expect("the heading is there");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    rows.skip(1).map(|row| row.split(" | ").next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn registry_files_fixtures_and_readme_name_the_same_sources() {
    let slugs: Vec<&str> = SOURCES.iter().map(|source| source.slug).collect();
    let registry: BTreeSet<String> = slugs.iter().map(|slug| (*slug).to_owned()).collect();
    assert!(slugs.is_sorted(), "the registry is in order");
    assert_eq!(registry.len(), slugs.len(), "no slug twice");
    assert_eq!(registry, vendors().into_keys().collect(), "files");
    let mut fixtures = names_in("tests/fixtures");
    fixtures.remove("imports.txt");
    fixtures.remove("custom");
    assert_eq!(registry, fixtures, "fixtures");
    let readme = read("README.md");
    for source in SOURCES {
        let row = row(source);
        assert!(readme.lines().any(|line| line == row), "README: {row}");
    }
    let rows: BTreeSet<String> =
        readme_rows("Sources").iter().map(|cell| cell.replace("`/", "").replace('`', "")).collect();
    assert_eq!(registry, rows, "README");
}

/// A source's row in the README.
fn row(source: &Source) -> String {
    let has = |test: &dyn Fn(&Scheme<'_>) -> bool| source.schemes.iter().any(test);
    let ways = [
        (has(&|scheme| scheme.is_signature()), "signature"),
        (has(&|scheme| matches!(scheme, Scheme::Bearer | Scheme::Basic | Scheme::Header(_))), "shared secret"),
        (has(&|scheme| matches!(scheme, Scheme::Query(_))), "`?token=`"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|(has, _)| *has).map(|(_, way)| *way).collect();
    let Source { slug, name, docs, setup, .. } = source;
    format!("| `/{slug}` | [{name}]({docs}) | {} | {} | {} |", ways.join(", "), setup.opens, setup.closes)
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
        // Healthchecks fills in text with its quotes.
        let wanted = shape(&template.replace("$NAME_JSON", "\"\""), source.slug);
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
    for path in ["act", "check", "custom", "health", "preview", "setup"] {
        assert!(pagerelay::sources::find(path).is_none(), "{path}");
    }
}

#[test]
fn every_source_has_its_headings_and_fits_in_one_sitting() {
    let mut sizes = Vec::new();
    for (slug, text) in vendors() {
        let docs: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let headings: Vec<&str> = docs.iter().copied().filter(|line| line.starts_with("# ")).collect();
        assert_eq!(headings, HEADINGS, "{slug}");
        let docs_page = SOURCES.iter().find(|source| source.slug == slug).expect("registered").docs;
        assert!(text.matches(docs_page).count() >= 2, "{slug}: the page it was written from stands in its docs");
        let lines = code_lines(&text);
        assert!(lines <= SOURCE_MAX_LINES, "{slug} has {lines} lines of code");
        sizes.push(lines);
    }
    sizes.sort_unstable();
    assert!(sizes[(sizes.len() - 1) / 2] <= SOURCE_MEDIAN_LINES, "half of the sources are short: {sizes:?}");
}

#[test]
fn modules_use_only_what_they_may() {
    for (name, text) in modules() {
        let rule = match name.split_once('/') {
            Some(("sources", "mod")) | None => name.clone(),
            Some((folder, _)) => format!("{folder}/*"),
        };
        let (_, allowed) =
            MAY_USE.iter().find(|(module, _)| *module == rule).unwrap_or_else(|| panic!("no rule for {name}"));
        let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for rest in code.split("crate::").skip(1) {
            let used: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(allowed.contains(&used.as_str()), "{name} uses {used}");
        }
        for other in vendors().keys().filter(|other| name != format!("sources/{other}")) {
            let reaches = name.starts_with("sources/") && name != "sources/mod" && code.contains(&format!("{other}::"));
            assert!(!reaches, "{name} reaches into its sibling {other}");
        }
        assert!(name == "component" || !code.contains("mod bindings"), "{name} names the bindings");
        assert!(name == "component" || !code.contains("bindings::"), "{name} names the bindings");
        assert!(
            matches!(
                name.as_str(),
                "auth/hmac" | "auth/scheme" | "auth/standard" | "deliver" | "deliver/ask" | "rest" | "secret"
            ) || !code.contains(".expose()"),
            "{name} exposes a secret"
        );
        assert!(name == "component" || !code.contains("unsafe_code"), "{name} allows unsafe code");
    }
}

#[test]
fn spin_toml_declares_the_variables_that_everyone_needs() {
    let manifest = read("spin.toml");
    let with_examples: String = manifest
        .lines()
        .map(|line| {
            match line
                .strip_prefix("# ")
                .filter(|rest| ["secret_", "routing_key_", "custom_"].iter().any(|prefix| rest.starts_with(prefix)))
            {
                Some(example) => format!("{example}\n"),
                None => format!("{line}\n"),
            }
        })
        .collect();
    let parse = |text: &str| text.parse::<toml::Table>().expect("spin.toml is toml");
    let check = |table: &toml::Table, wanted: &BTreeMap<String, bool>| {
        let declared: BTreeMap<String, bool> = table["variables"]
            .as_table()
            .expect("a table")
            .iter()
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
    let mut wanted: BTreeMap<String, bool> = VARIABLES.iter().map(|v| (v.name.to_owned(), v.secret)).collect();
    check(&parse(&manifest), &wanted);
    wanted.extend(["secret_grafana", "secret_act", "routing_key_payments"].map(|name| (name.to_owned(), true)));
    wanted.insert("custom_mine".to_owned(), false);
    check(&parse(&with_examples), &wanted);

    let component = &parse(&manifest)["component"]["pagerelay"];
    let hosts: Vec<&str> = component["allowed_outbound_hosts"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();
    assert_eq!(hosts, ["https://events.pagerduty.com", "https://events.eu.pagerduty.com"]);
    let place = read("src/config/pagerduty.rs");
    let domains = hosts.iter().map(|host| host.trim_start_matches("https://events"));
    assert!(domains.into_iter().all(|domain| place.contains(&format!("\"{domain}\""))), "the code sends to these");
    assert_eq!(component["build"]["command"].as_str(), Some("cargo build --release --target wasm32-unknown-unknown"));
    assert_eq!(component["source"].as_str(), Some("target/wasm32-unknown-unknown/release/pagerelay.wasm"));
}

#[test]
fn the_readme_lists_every_variable_that_is_read() {
    let rows: BTreeSet<String> = readme_rows("Configure")
        .iter()
        .flat_map(|cell| cell.split(", ").map(|name| name.replace('`', "")).collect::<Vec<_>>())
        .collect();
    let mut wanted: BTreeSet<String> = VARIABLES.iter().map(|variable| variable.name.to_owned()).collect();
    wanted.extend(
        [
            "custom_<name>",
            "secret_act",
            "secret_check",
            "secret_<source>",
            "secret_<source>_previous",
            "require_signature_<source>",
            "routing_key_<service>",
            "routing_key_<service>_previous",
        ]
        .map(str::to_owned),
    );
    assert_eq!(rows, wanted);
}

#[test]
fn the_top_level_is_as_designed() {
    let known = ["Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "spin.toml", "src", "target", "tests", "wit"];
    let extra: Vec<String> =
        names_in(".").into_iter().filter(|name| !name.starts_with('.') && !known.contains(&name.as_str())).collect();
    assert_eq!(extra, Vec::<String>::new());
    assert!(read("README.md").lines().count() <= 220, "the README is short");
}
