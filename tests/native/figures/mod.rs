//! Every figure of the README, the guide and the table of sources has an origin, so that it cannot rot.
//!
//! [`grammar`] finds the figures, and `tests/fixtures/figures.txt` lists where each comes from. A figure without an entry
//! fails, and so does an entry without a figure:
//!
//! ```text
//! src/guide/outbox.md
//!     24 h x3: code outbox::LIFETIME
//!     1.7 times: measured cargo test --profile host --bench throughput
//!     128 MiB: vendor https://… and a note
//!     300: advice why we recommend it, or of what it is an example
//! ```
//!
//! - `code`: the page says what the code says. The name is one of [`origins::known`], which the compiler or a test computes, or
//!   a file of `src` and a private constant in it. A constant that changes fails here, with the page and the line.
//! - `measured`: the command prints it. Its test or bench exists, and the page or `src/guide/evidence.md` names the command.
//! - `vendor`: a fact about a vendor or a runtime, with the page that it comes from.
//! - `advice`: our recommendation, or an example.
//!
//! The key of an entry is the page and the figure with its unit, and how often the page has it. A sentence can be reworded
//! or moved, and `two hours` can become `2 hours`: only a number that changes, comes or goes needs an edit of the ledger. A
//! phrase of the sentence as the key would break with every edit. If one number of a page has several origins, it has a
//! line for each, and all must be true.
//!
//! Two pages have their origins in themselves. Each row of the table of sources names the vendor's page, so a new source needs
//! no entry. And `src/guide/evidence.md` is a page of measurements: a section that names its command needs no entry.

mod grammar;
mod origins;
mod quantity;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pagerelay_support::{evidence, root};

use self::grammar::{Figure, figures};
use crate::tidy::read;

/// Where the ledger is.
const LEDGER: &str = "tests/fixtures/figures.txt";

/// The generated page whose rows name the vendor's page.
const SOURCES_PAGE: &str = "src/sources/README.md";

/// Where the measurements of all pages may name their commands.
const EVIDENCE: &str = "src/guide/evidence.md";

/// An entry of the ledger.
struct Entry {
    /// Its line in the ledger.
    at: usize,
    page: String,
    figure: String,
    times: usize,
    /// `code`, `measured`, `vendor` or `advice`.
    origin: String,
    /// The constant, the command, the page or the reason.
    detail: String,
}

impl Entry {
    /// Why the origin does not have this figure. `lines` are those of the page, and `known` is what the code says.
    fn fault(&self, figures: &[&Figure], known: &BTreeMap<String, quantity::Quantity>) -> Option<String> {
        let Entry { page, figure, detail, .. } = self;
        match self.origin.as_str() {
            "code" => {
                let said = match detail.split_once(' ') {
                    Some((file, name)) if file.ends_with(".rs") => origins::constant(file, name),
                    _ => known.get(detail).copied().ok_or_else(|| format!("there is no constant {detail:?}")),
                };
                let said = match said {
                    Ok(said) => said,
                    Err(why) => return Some(format!("{}: {why}", self.place())),
                };
                let differs = figures.first().is_some_and(|first| !said.is(first.written));
                differs.then(|| format!("the code says {said} ({detail}): correct the page, and {}", self.place()))
            }
            "measured" => {
                let names = |page: &str| root().join(page).exists() && read(page).contains(detail.as_str());
                if !names(page) && !names(EVIDENCE) {
                    return Some(format!("neither the page nor {EVIDENCE} names `{detail}`"));
                }
                target_is_missing(detail).map(|target| format!("`{detail}`: there is no {target}"))
            }
            "vendor" if detail.starts_with("https://") => None,
            "vendor" => Some(format!("{}: begin with the URL of the vendor's page", self.place())),
            "advice" if detail.contains(' ') => None,
            "advice" => Some(format!("{}: say why, or of what it is an example", self.place())),
            other => panic!("{}: {figure}: unknown origin {other:?}", self.place()),
        }
    }

    fn place(&self) -> String {
        format!("{LEDGER}:{}", self.at)
    }
}

/// Reads the ledger.
fn ledger() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut page = String::new();
    for (index, line) in read(LEDGER).lines().enumerate() {
        let at = index + 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some(line) = line.strip_prefix("    ") else {
            line.clone_into(&mut page);
            continue;
        };
        let parts = line.split_once(": ").and_then(|(key, rest)| Some((key, rest.split_once(' ')?)));
        let (key, (origin, detail)) = parts.unwrap_or_else(|| panic!("{LEDGER}:{at}: not an entry: {line}"));
        let counted = key.rsplit_once(" x").and_then(|(figure, times)| Some((figure, times.parse().ok()?)));
        let (figure, times) = counted.unwrap_or((key, 1));
        let text = str::to_owned;
        let entry =
            Entry { at, page: page.clone(), figure: text(figure), times, origin: text(origin), detail: text(detail) };
        let is_same =
            |other: &Entry| (&other.page, &other.figure, &other.detail) == (&entry.page, &entry.figure, &entry.detail);
        assert!(!entries.iter().any(is_same), "{}: write x2, in one line", entry.place());
        entries.push(entry);
    }
    entries
}

/// The pages: the README, the guide and the table of sources.
fn pages() -> Vec<String> {
    let guide = root().join("src/guide").read_dir().expect("the guide is there");
    let names = guide.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let mut pages: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("src/guide/{name}")).collect();
    pages.extend(["README.md".to_owned(), SOURCES_PAGE.to_owned()]);
    pages.sort();
    pages
}

/// Commands of cargo that measure without the name of a test or a bench.
const MEASURES: &[&str] = &["dev", "mutants", "tarpaulin", "test"];

/// The test, bench, example or script of a command that is not there.
fn target_is_missing(command: &str) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
    let (first, second) = (words.first().copied().unwrap_or_default(), words.get(1).copied().unwrap_or_default());
    if first == "bash" {
        return (!root().join(second).is_file()).then(|| second.to_owned());
    }
    if first != "cargo" || !MEASURES.contains(&second) {
        return Some("command that measures".to_owned());
    }
    let manifests = ["Cargo.toml", "tests/e2e/Cargo.toml"].map(|path| read(path).parse::<toml::Table>().expect("toml"));
    let pair = words.windows(2).find(|pair| ["--bench", "--test", "--example"].contains(&pair[0]))?;
    let kind = pair[0].trim_start_matches('-');
    let targets = manifests.iter().filter_map(|manifest| manifest.get(kind)?.as_array()).flatten();
    let is_there = targets.filter_map(|target| target.get("name")?.as_str()).any(|name| name == pair[1]);
    (!is_there).then(|| pair.join(" "))
}

/// Whether the section around a line, from heading to heading, names a command that measures.
fn is_measured(page: &str, line: usize) -> bool {
    let mut block = false;
    let mut section = Vec::new();
    for (index, text) in page.lines().enumerate() {
        block ^= text.starts_with("```");
        if text.starts_with('#') && !block {
            if index >= line {
                break;
            }
            section.clear();
        }
        section.push(text);
    }
    let inline = section.iter().flat_map(|text| text.split('`').skip(1).step_by(2));
    let prompts = section.iter().filter_map(|text| text.strip_prefix("$ "));
    let commands = inline.chain(prompts).filter_map(|command| command.split(" #").next());
    commands.into_iter().any(|command| target_is_missing(command).is_none())
}

#[test]
fn every_figure_of_the_docs_has_an_origin_and_is_what_it_says() {
    let entries = ledger();
    let known = origins::known();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = String::new();
    let mut fault = |text: String| writeln!(faults, "{text}").expect("memory");
    let mut found: BTreeMap<(String, String), Vec<Figure>> = BTreeMap::new();
    for page in pages() {
        let text = read(&page);
        let lines: Vec<&str> = text.lines().collect();
        for figure in figures(&text) {
            let row = lines[figure.line - 1];
            if page == SOURCES_PAGE && row.starts_with('|') {
                assert!(row.contains("](https://"), "{page}:{} names the vendor's page", figure.line);
                *counts.entry("vendor").or_default() += 1;
            } else if page == EVIDENCE && is_measured(&text, figure.line) {
                *counts.entry("measured").or_default() += 1;
            } else {
                found.entry((page.clone(), figure.written.to_string())).or_default().push(figure);
            }
        }
    }
    for ((page, key), figures) in &found {
        let of_key: Vec<&Entry> = entries.iter().filter(|entry| (&entry.page, &entry.figure) == (page, key)).collect();
        let listed: usize = of_key.iter().map(|entry| entry.times).sum();
        let shown = |figure: &Figure| format!("\n    {page}:{}: {}", figure.line, figure.sentence);
        let shown: String = figures.iter().map(shown).collect();
        if listed != figures.len() {
            let times = if figures.len() > 1 { format!(" x{}", figures.len()) } else { String::new() };
            fault(format!(
                "`{key}`: {page} has this figure {} times, and {LEDGER} has an origin for {listed}:{shown}\n  If it is no \
                 claim, write it without the number. Otherwise correct this below {page}:\n    {key}{times}: code <constant> | \
                 measured <command> | vendor <URL> | advice <reason>",
                figures.len()
            ));
        }
        for entry in of_key {
            *counts.entry(&entry.origin).or_default() += entry.times;
            if let Some(why) = entry.fault(&figures.iter().collect::<Vec<_>>(), &known) {
                fault(format!("`{key}`: {why}:{shown}"));
            }
        }
    }
    for entry in &entries {
        if !found.contains_key(&(entry.page.clone(), entry.figure.clone())) {
            fault(format!("{}: {} has no figure `{}`: remove the entry", entry.place(), entry.page, entry.figure));
        }
    }
    let used: BTreeSet<&str> = entries.iter().map(|entry| entry.detail.as_str()).collect();
    for name in known.keys().filter(|name| !used.contains(name.as_str())) {
        fault(format!("tests/native/figures/origins.rs: no figure is {name:?}: remove it"));
    }
    let (all, pages) = (counts.values().sum::<usize>(), pages().len());
    evidence(&format!("figures: {all} in {pages} pages, by origin {counts:?}"));
    assert!(faults.is_empty(), "\n{faults}");
    // The grammar still finds what it did, and most of it is held by the code.
    assert!(counts.values().sum::<usize>() >= 150 && counts["code"] >= 100, "{counts:?}");
}

#[test]
fn figures_are_numbers_with_what_they_count_and_not_names() {
    for (text, expected) in [
        ("for 24 hours, and 15\nseconds", "24 h, 15 s"),
        ("after 0.1, 0.5, 1 and 2 seconds, then every 4 seconds", "0.1 s, 0.5 s, 1 s, 2 s, 4 s"),
        ("a 10-second pause, 30s, 95%, 95 % of a 64-bit number", "10 s, 30 s, 95 %, 95 %, 64"),
        ("10-20 MiB, 10–20 ms, from one to two minutes", "10 MiB, 20 MiB, 10 ms, 20 ms, 1 min, 2 min"),
        ("50,000 values, 2,5 or 1,2345", "50000"),
        ("P1, 2xx, SHA-256, v2, 2027-04-05, 48.0.1, base64, 0 alerts", ""),
        ("Spin 3.0, RFC 9457, version 2, `x` 0.2, `status` 502, status 200, closed (503)", ""),
        ("`x` 7 seconds, `x` waits 8, `x`: 9, (`x`) 10", "7 s, 8, 9, 10"),
        ("1. First\n2. Second, of 7\n10. Third", "7"),
        ("## Above 100 events\n| a | 16 |\n|---|---|\n| 40 (events) | 5 minutes|", "100, 16, 40, 5 min"),
        ("`300` or [12](a13.md#14) [15][16x]\n\n```text\n17 s\n```\n[a]: 18 \n", "12, 15"),
        ("Ten alerts, twelve hours, twenty-five events, seven times", "10, 12 h, 25, 7 times"),
        ("two seconds, two more variables, two Events API hosts, the two builds", "2 s, 2, 2, 2"),
        ("two relays with a file each, the two, one of the two. Variables", ""),
        ("if any of the three is missing; three other words", "3"),
        ("one event, one second, once, one after another", "1 s"),
        ("a tenth of it, three quarters of a second one, half an hour", "0.1, 0.75, 0.5 h"),
        ("half, two dozen, a hundred", "0.5, 24, 100"),
        ("gets it twice, twice as long", "2 times"),
        ("for an hour, in the last hour, each minute, a second line, wait a second.", "1 h, 1 h, 1 min, 1 s"),
        ("60 stored events a minute are sent, 120 events per minute, 20 deliveries a second.", "60/min, 120/min, 20/s"),
        ("about 120, and a minute later", "120, 1 min"),
    ] {
        let found: Vec<String> = figures(text).iter().map(|figure| figure.written.to_string()).collect();
        assert_eq!(found.join(", "), expected, "{text}");
    }
    let text = "# Head\n\nIt waits. The relay `a.b` waits 4\nseconds ([x](y.md)). Then\n";
    let [figure] = &figures(text)[..] else { panic!("one figure") };
    assert_eq!((figure.line, figure.sentence.as_str()), (3, "The relay `a.b` waits 4 seconds ([x])."));
}

#[test]
fn a_section_of_measurements_names_a_command_that_is_there() {
    let page = "# Time\n\n7 ms: `cargo test --bench costs`.\n\n## Size\n\n8 MB: `cargo test --bench nothing`\n\n\
        ## More\n\n```console slow\n# a comment\n$ A=1 bash .ci/run   # all\n```\n\n9 MB\n\n## Last\n\n10 MB, `cargo build`\n";
    let lines: Vec<usize> = figures(page).iter().map(|figure| figure.line).collect();
    assert_eq!(lines, [3, 7, 16, 20]);
    assert_eq!(lines.iter().map(|line| is_measured(page, *line)).collect::<Vec<_>>(), [true, false, true, false]);
    assert_eq!(target_is_missing("cargo test --test native"), None);
    assert_eq!(target_is_missing("cargo test --test naive").as_deref(), Some("--test naive"));
    assert_eq!(target_is_missing("bash .ci/walk").as_deref(), Some(".ci/walk"));
}
