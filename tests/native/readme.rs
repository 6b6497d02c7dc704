//! The README, the guide and the table of sources say what the code says. `figures` looks at their numbers.

use std::fmt::Write as _;
use std::path::Path;

use pagerelay::auth::{Hash, Scheme};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::pagerduty::event::{SEVERITY_WORDS, Severity};
use pagerelay::pipeline;
use pagerelay::sources::{SOURCES, Source, variables};
use pagerelay_support::{SECRET, golden, root};
use serde_json::Value;

use crate::host::Accepting;
use crate::tidy::read;

/// The most lines that the README has.
const MAX_LINES: usize = 180;

/// The beginning of the page with the table of sources.
const SOURCES_PAGE: &str = "\
# Sources

The vendors whose webhooks the relay understands. `UPDATE_EXPECT=1 cargo test --test native` generates this file from
`pub const SOURCE` in each source file next to it. The documentation at the top of a source file describes how each field is
mapped, and which fields are not. \"Retries\" says whether the sender retries a delivery that was not accepted; \"no\" includes
unknown, and \"until accepted\" means that it sends the state of its alerts again until then. `GET /setup/<source>` on your
relay describes what to enter at the vendor.

| Path | Sender | Authentication | Triggers | Resolves | Retries |
|---|---|---|---|---|---|
";

/// Where the generated table of variables is.
const CONFIGURE: &str = "src/guide/configure.md";

/// The head of that table.
const VARIABLES_HEAD: &str = "| Variable | Secret | Description |\n|---|---|---|\n";

/// The head of the table of the words for a severity.
const SEVERITIES_HEAD: &str = "| Severity | Words |\n|---|---|\n";

/// The variables whose names contain a word of the user's or a source's, and what each is for.
const PATTERNS: &[(&str, bool, &str)] = &[
    (
        "`secret_<source>`, `secret_<source>_previous`",
        true,
        "Like `webhook_secret`, for one source only, which then rejects `webhook_secret`. `/events` always needs `secret_events`, and `/opsgenie` `secret_opsgenie`. For a template, `<source>` is `custom_<name>`",
    ),
    (
        "`secret_events_<service>`, `secret_opsgenie_<service>`, each with its `_previous`",
        true,
        "Authenticates a program that speaks PagerDuty's Events API or Opsgenie's Alert API, and names its service: for programs that can set only a key. `services_events` or `services_opsgenie` must list the service. `secret_events` or `secret_opsgenie` may then be unset",
    ),
    (
        "`require_signature_<source>`",
        false,
        "`off` (default); `on`: the source accepts only signatures, not the secret itself; `timestamped`: only signatures that include a timestamp",
    ),
    (
        "`services_<source>`",
        false,
        "The services that the source may page, separated by commas or spaces: service names, and `default` for `/<source>` without a service name. Unset: every service. For a template, `<source>` is `custom_<name>`",
    ),
    (
        "`routing_key_<service>`, `routing_key_<service>_previous`",
        true,
        "Like `routing_key`, for `/<source>/<service>`. You choose the service name",
    ),
    ("`custom_<name>`", false, "Template for `/custom/<name>`"),
    (
        "`heartbeat_<name>`",
        false,
        "The period of a sender's signs of life at `/heartbeat/<name>`, such as `5m`, or with a grace such as `5m+2m`. The relay pages if they stop",
    ),
    (
        "`secret_heartbeat`, `secret_heartbeat_previous`",
        true,
        "Authenticates requests to `/heartbeat`, which accepts no other secret. Must differ from all other secrets",
    ),
    (
        "`secret_act`, `secret_act_previous`",
        true,
        "Authenticates requests to `/act`, which accepts no other secret: every vendor has `webhook_secret`. Must differ from all other secrets",
    ),
    (
        "`secret_check`, `secret_check_previous`",
        true,
        "Authenticates requests to `/check`, and shows its findings. If unset, `webhook_secret` authenticates them, and `/check` answers only `ok` or `failing`. Must differ from all other secrets",
    ),
];

/// Pages of the guide, each a file of `src/guide` and a module.
const PAGES: [&str; 12] = [
    "configure",
    "deploy",
    "evidence",
    "hosts",
    "monitor",
    "operate",
    "opsgenie",
    "outbox",
    "release",
    "rules",
    "security",
    "templates",
];

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
        (
            has(&|scheme| matches!(scheme, Scheme::Authorization(_) | Scheme::Basic | Scheme::Header(_))),
            "shared secret",
        ),
        (has(&|scheme| matches!(scheme, Scheme::Query(_))), "`?token=`"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|(has, _)| *has).map(|(_, way)| *way).collect();
    let Source { slug, name, docs, setup, retries, resends_state, .. } = source;
    let again = match (*resends_state, *retries) {
        (true, _) => "until accepted",
        (false, true) => "yes",
        (false, false) => "no",
    };
    format!(
        "| `/{slug}` | [{name}]({docs}) | {} | {} | {} | {again} |",
        ways.join(", "),
        setup.triggers,
        setup.resolves
    )
}

#[test]
fn the_table_of_sources_is_what_the_registry_says() {
    let mut table = SOURCES_PAGE.to_owned();
    for source in SOURCES {
        writeln!(table, "{}", row(source)).expect("memory");
    }
    let differs = golden::settle(&root().join("src/sources/README.md"), Some(&table), golden::update_wanted());
    assert!(differs.is_none(), "UPDATE_EXPECT=1 writes it:\n{}", differs.unwrap_or_default());
}

#[test]
fn the_readme_names_every_source_and_links_to_their_table() {
    let section = section("Sources");
    assert!(section.contains("](src/sources/README.md)"), "it links to the table");
    for source in SOURCES {
        assert!(section.contains(source.name), "the README's section \"Sources\" does not name {}", source.name);
    }
}

/// The table of variables.
fn variables_table() -> String {
    let mut table = VARIABLES_HEAD.to_owned();
    let mut row = |names: &str, secret: bool, description: &str| {
        writeln!(table, "| {names} | {} | {description} |", if secret { "yes" } else { "no" }).expect("memory");
    };
    for variable in variables() {
        row(&format!("`{}`", variable.name), variable.secret, variable.description);
    }
    for (names, secret, description) in PATTERNS {
        row(names, *secret, description);
    }
    table
}

/// The page with this table in the place of the one that has the same head.
fn with_table(page: &str, head: &str, table: &str) -> String {
    let (before, rest) = page.split_once(head).expect("the head of the table");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    // Until it has rows, the head is followed by a blank line.
    let after = if rest.starts_with('\n') { rest.trim_start() } else { after };
    format!("{before}{table}\n{after}")
}

/// The table of the words for a severity.
fn severities_table() -> String {
    let mut table = SEVERITIES_HEAD.to_owned();
    for (severity, words) in SEVERITY_WORDS {
        writeln!(table, "| `{}` | `{}` |", severity.as_str(), words.join("`, `")).expect("memory");
    }
    table
}

#[test]
fn the_tables_of_variables_and_severities_are_what_the_code_reads() {
    let page = with_table(&read(CONFIGURE), VARIABLES_HEAD, &variables_table());
    let wanted = with_table(&page, SEVERITIES_HEAD, &severities_table());
    let differs = golden::settle(&root().join(CONFIGURE), Some(&wanted), golden::update_wanted());
    assert!(differs.is_none(), "UPDATE_EXPECT=1 writes it:\n{}", differs.unwrap_or_default());
}

#[test]
fn a_severity_word_has_one_meaning_whatever_its_separators_and_case() {
    let mut known = std::collections::BTreeSet::new();
    for (severity, words) in SEVERITY_WORDS {
        for word in *words {
            assert!(known.insert(*word), "{word} is in the table twice");
            assert_eq!(*word, word.to_ascii_lowercase(), "a separator or an upper-case letter never matches");
            assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{word}");
            let (head, tail) = word.split_at(1);
            for written in
                [word.to_uppercase(), format!(" {word} "), format!("{head}-{tail}"), format!("{head}_{tail}")]
            {
                assert_eq!(Severity::from_word(&written), Some(*severity), "{written}");
            }
        }
    }
    let levels = ["critical", "critical", "error", "warning", "info", "info"];
    for (level, severity) in levels.iter().enumerate() {
        for written in [format!("sev{level}"), format!("SEV_{level}"), format!("S{level}"), format!("P-{level}")] {
            assert_eq!(Severity::from_word(&written).map(Severity::as_str), Some(*severity), "{written}");
        }
        assert_eq!(Severity::from_word(&level.to_string()), None, "a bare number has no meaning of its own");
    }
    for unknown in ["", "-", "s6", "sev", "p", "critical!", &"critical ".repeat(9)] {
        assert_eq!(Severity::from_word(unknown), None, "{unknown}");
    }
}

#[test]
fn spin_toml_describes_the_variables_that_it_declares_as_the_guide_does() {
    let manifest: toml::Table = read("spin.toml").parse().expect("spin.toml is toml");
    for variable in variables().into_iter().filter(|variable| variable.declared) {
        let description = manifest["variables"][variable.name]["description"].as_str();
        assert_eq!(description, Some(variable.description), "{}", variable.name);
    }
}

/// The link targets of a Markdown page: `[text](target)` and `[label]: target`. Code blocks have none.
fn link_targets(page: &str) -> Vec<&str> {
    let text = page.split("```").step_by(2);
    let inline = text.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    inline.chain(definitions(page).into_iter().map(|(_, target)| target)).collect()
}

/// The definitions of links: `[label]: target`.
fn definitions(page: &str) -> Vec<(&str, &str)> {
    page.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: ")).collect()
}

/// The headings of a page, as links name them.
fn anchors(page: &str) -> Vec<String> {
    let headings =
        page.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(anchor).collect()
}

/// Checks that every link of a page leads somewhere.
fn check_links(path: &str) {
    let page = read(path);
    for target in link_targets(&page).into_iter().filter(|target| !target.starts_with("https://")) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let folder = Path::new(path).parent().expect("a file is in a folder");
        let file = if file.is_empty() { Path::new(path).to_owned() } else { folder.join(file) };
        assert!(root().join(&file).exists(), "{path} links to {target}, which does not exist");
        let known = || anchors(&read(&file)).iter().any(|known| known == anchor);
        assert!(anchor.is_empty() || known(), "{path} links to {target}, which has no such heading");
    }
}

#[test]
fn the_readme_is_short_and_its_links_lead_somewhere() {
    let lines = read("README.md").lines().count();
    assert!(lines <= MAX_LINES, "the README has {lines} lines");
    check_links("README.md");
}

#[test]
fn the_pages_of_the_guide_link_to_each_other_as_files_and_in_the_docs() {
    let modules = read("src/guide/mod.rs");
    let readme = read("README.md");
    for name in PAGES {
        let path = format!("src/guide/{name}.md");
        check_links(&path);
        assert!(readme.contains(&format!("]({path}")), "the README links to {path}");
        let page = read(&path);
        let (before, _) = modules.split_once(&format!("pub mod {name} {{}}")).expect("it is a module");
        let docs = before.rsplit("\n\n").next().unwrap_or_default();
        assert!(docs.contains(&format!("include_str!(\"{name}.md\")")), "{name} includes its page");
        for (label, _) in definitions(&page) {
            assert!(docs.contains(&format!("/// [{label}]: ")), "mod.rs defines [{label}] above {name}");
            assert!(page.contains(&format!("][{label}]")), "{path} uses [{label}]");
        }
        // A block without a language would be Rust to `cargo doc`.
        let bare = page.split("```").skip(1).step_by(2).any(|block| block.starts_with('\n'));
        assert!(!bare, "{path}: each code block names its language");
    }
}

/// Whether the README shows this value. A string may end in an ellipsis, and durations differ from run to run.
fn shows(shown: &Value, actual: &Value) -> bool {
    match (shown, actual) {
        (Value::Object(shown), Value::Object(actual)) => {
            shown.keys().eq(actual.keys())
                && shown.iter().all(|(name, value)| name.starts_with("ms") || shows(value, &actual[name]))
        }
        (Value::Array(shown), Value::Array(actual)) => {
            shown.len() == actual.len() && shown.iter().zip(actual).all(|(shown, actual)| shows(shown, actual))
        }
        (Value::String(shown), Value::String(actual)) => match shown.strip_suffix('…') {
            Some(beginning) => actual.starts_with(beginning),
            None => shown == actual,
        },
        _ => shown == actual,
    }
}

#[test]
fn the_guide_names_the_hash_of_each_vendors_signature() {
    let security = read("src/guide/security.md");
    for (hash, name) in [(Hash::Sha256, "HMAC-SHA-256"), (Hash::Sha1, "HMAC-SHA-1")] {
        let signs =
            |source: &&&Source| source.schemes.iter().any(|s| matches!(s, Scheme::Hmac(hmac) if hmac.hash == hash));
        let vendors: Vec<&str> = SOURCES.iter().filter(signs).map(|source| source.name).collect();
        let wanted = format!("{name} over the body ({})", vendors.join(", "));
        assert!(security.contains(&wanted), "src/guide/security.md: {wanted}");
    }
}

#[test]
fn the_readmes_example_is_what_the_pipeline_makes_of_its_payload() {
    let section = section("Example");
    let blocks: Vec<&str> = section.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [payload, event, reply, line] = blocks.as_slice() else { panic!("{} blocks of JSON", blocks.len()) };
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}")) };
    let request = Request {
        method: Method::Post,
        path: "/alertmanager".to_owned(),
        query: String::new(),
        headers: Headers::new([("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())]),
        body: payload.as_bytes().to_vec(),
        problem: None,
    };
    let mut host = Accepting::new();
    let (actual, log) = pipeline::handle(&mut host, &request);
    let [sent] = host.sent.as_slice() else { panic!("{} events", host.sent.len()) };
    let log = log.expect("a delivery is logged");
    let actual: [Value; 3] = [sent.clone(), json(str::from_utf8(&actual.body).expect("text")), json(&log)];
    for (shown, actual) in [event, reply, line].into_iter().zip(&actual) {
        assert!(shows(&json(shown), actual), "the README shows\n{shown}\nand it is\n{actual}");
    }
}
