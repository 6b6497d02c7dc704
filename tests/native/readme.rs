//! The README and the table of sources say what the code says.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use pagerelay::auth::Scheme;
use pagerelay::sources::variables;
use pagerelay::sources::{SOURCES, Source};
use pagerelay_support::{golden, root};

use crate::tidy::read;

/// The most lines that the README has.
const MAX_LINES: usize = 200;

/// What stands above the table of sources.
const ABOVE: &str = "\
# Sources

Every vendor whose webhooks the relay understands. This file is written by `UPDATE_EXPECT=1 cargo test --test native` from
`pub const SOURCE` of each file beside it, whose docs say how its fields are mapped and what is not.
\"Sends again\" says whether the sender tries again what was not accepted; where nobody knows, it does not.

| Path | Sender | Proves itself by | Opens an alert | Closes it | Sends again |
|---|---|---|---|---|---|
";

/// A section of the README, from behind its heading to the next.
fn section(heading: &str) -> String {
    let readme = read("README.md");
    let sections: Vec<&str> = readme.split("\n## ").collect();
    let found = sections.iter().find_map(|section| section.strip_prefix(&format!("{heading}\n")));
    found.unwrap_or_else(|| panic!("the README has a section {heading}")).to_owned()
}

/// A source's row in the table of sources.
fn row(source: &Source) -> String {
    let has = |test: &dyn Fn(&Scheme<'_>) -> bool| source.schemes.iter().any(test);
    let ways = [
        (has(&|scheme| scheme.is_signature()), "signature"),
        (has(&|scheme| matches!(scheme, Scheme::Bearer | Scheme::Basic | Scheme::Header(_))), "shared secret"),
        (has(&|scheme| matches!(scheme, Scheme::Query(_))), "`?token=`"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|(has, _)| *has).map(|(_, way)| *way).collect();
    let Source { slug, name, docs, setup, retries, .. } = source;
    let again = if *retries { "yes" } else { "no" };
    format!(
        "| `/{slug}` | [{name}]({docs}) | {} | {} | {} | {again} |",
        ways.join(", "),
        setup.triggers,
        setup.resolves
    )
}

#[test]
fn the_table_of_sources_is_what_the_registry_says() {
    let mut table = ABOVE.to_owned();
    for source in SOURCES {
        writeln!(table, "{}", row(source)).expect("memory");
    }
    let differs = golden::settle(&root().join("src/sources/README.md"), Some(&table), golden::update_wanted());
    assert!(differs.is_none(), "UPDATE_EXPECT=1 writes it:\n{}", differs.unwrap_or_default());
}

#[test]
fn the_readme_names_every_source_and_leads_to_their_table() {
    let section = section("Sources");
    assert!(section.contains("](src/sources/README.md)"), "it leads to the table");
    for source in SOURCES {
        assert!(section.contains(source.name), "the README's section \"Sources\" does not name {}", source.name);
    }
}

#[test]
fn the_readme_lists_every_variable_that_is_read() {
    let section = section("Configure");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")).skip(1);
    let cells = rows.map(|row| row.split(" | ").next().unwrap_or_default().trim().to_owned());
    let rows: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(", ").map(|name| name.replace('`', "")).collect::<Vec<_>>()).collect();
    let mut wanted: BTreeSet<String> = variables().into_iter().map(|variable| variable.name.to_owned()).collect();
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
fn the_readme_is_short_and_its_links_lead_somewhere() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= MAX_LINES, "the README has {lines} lines");
    for link in readme.split("](").skip(1) {
        let target = link.split(')').next().unwrap_or_default();
        let elsewhere = target.starts_with("https://") || target.starts_with('#');
        assert!(elsewhere || root().join(target).exists(), "the README leads to {target}, which is not there");
    }
}
