//! `cargo dev new <slug>`: creates the files and lines of a new source. It compiles, rejects every payload, and
//! fails the tests until somebody has written it.

use std::path::Path;

use anyhow::{Context, Result, bail};

/// The file with the registry of sources.
const REGISTRY: &str = "src/sources/mod.rs";

/// The list of the page's samples.
const SAMPLES: &str = "src/endpoints/playground/samples.txt";

/// Names that a source cannot have: other paths of the relay, and of the APIs that it speaks at its root; what the log and
/// dedup keys call the relay's own work; and Rust's keywords.
const TAKEN: &str = "act as async await box break check const continue crate custom do dyn else enum extern false final fn for gen \
    generic health heartbeat if impl in let loop macro match mod move mut outbox pagerelay preview priv pub ref \
    return self setup static struct super tick trait true try type typeof unsafe unsized use v1 v2 virtual where \
    while yield";

/// Creates a source, and returns the next steps.
///
/// # Errors
/// Returns an error if the slug is invalid or already in use. Then nothing is written.
pub fn new_source(root: &Path, slug: &str) -> Result<String> {
    let letters = slug.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !letters || !slug.starts_with(|c: char| c.is_ascii_lowercase()) {
        bail!("{slug:?} is not a slug: use lower-case letters and digits, starting with a letter");
    }
    if TAKEN.split(' ').any(|taken| taken == slug) {
        bail!("{slug} cannot be a slug: the relay itself or a Rust keyword has this name");
    }
    let file = format!("src/sources/{slug}.rs");
    let fixtures = format!("tests/fixtures/{slug}");
    for path in [&file, &fixtures] {
        if root.join(path).exists() {
            bail!("{path} already exists");
        }
    }
    let read = |path: &str| std::fs::read_to_string(root.join(path)).with_context(|| format!("{path} is not readable"));
    let registry = with_line(&read(REGISTRY)?, "pub mod ", &format!("pub mod {slug};"))?;
    let registry = with_line(&registry, "    &", &format!("    &{slug}::SOURCE,"))?;
    let samples = with_line(&read(SAMPLES)?, "", &format!("{slug} 01-firing-example.json 02-resolved-example.json"))?;

    let mut name = slug.to_owned();
    name[..1].make_ascii_uppercase();
    let fill = |text: &str| text.replace("SLUG", slug).replace("NAME", &name);
    let write = |path: &str, text: &str| {
        std::fs::write(root.join(path), text).with_context(|| format!("{path} is not writable"))
    };
    std::fs::create_dir_all(root.join(&fixtures))?;
    for (number, state) in [("01-firing", "firing"), ("02-resolved", "resolved")] {
        write(&format!("{fixtures}/{number}-example.json"), &fill(PAYLOAD).replace("STATE", state))?;
        // An empty list is never the expected result of a pair, so the test fails until it is written.
        write(&format!("{fixtures}/{number}-example.events.json"), "[]\n")?;
    }
    write(&file, &fill(SOURCE))?;
    write(SAMPLES, &samples)?;
    write(REGISTRY, &registry)?;
    Ok(fill(NEXT))
}

/// A text with one more line, in alphabetical order among the lines with the same beginning.
fn with_line(text: &str, beginning: &str, line: &str) -> Result<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let own = |other: &str| other.starts_with(beginning) && !other.starts_with('#');
    // Up to a punctuation mark, so that `a` is before `ab`.
    let key = |line: &str| line[beginning.len()..].chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    if lines.iter().any(|other| own(other) && key(other) == key(line)) {
        bail!("there already is a line for {}", key(line));
    }
    let behind = lines.iter().rposition(|other| own(other) && key(other) < key(line));
    let first = || lines.iter().position(|other| own(other));
    let at = behind.map(|at| at + 1).or_else(first).with_context(|| format!("no line begins with {beginning:?}"))?;
    lines.insert(at, line);
    Ok(lines.join("\n") + "\n")
}

const PAYLOAD: &str = r#"{
  "replace_me": "with a payload in the shape that NAME documents, and invented values",
  "state": "STATE"
}
"#;

const SOURCE: &str = r##"//! NAME: describe it in one line.
//!
//! # Wire format
//!
//! <https://docs.SLUG.example/webhooks>, read YYYY-MM: the shape of the payload, and its optional members. Whether the sender retries.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | the states that trigger, the states that resolve, and what an unknown state does, with the reason |
//! | severity | the field, and the words for each severity |
//! | summary | the field, and its fallback |
//! | source | the field, and its fallback |
//! | details | everything else that helps the person on call |
//!
//! # Dedup key
//!
//! `SLUG:<id>`: the ids that a trigger and its resolve share. Never a severity, value, time or status.
//!
//! # Not mapped
//!
//! * Everything, because the mapping is not written yet.

use super::{Setup, Source};
use crate::auth::Authenticated;
use crate::mapping::{MapError, Mapped, payload};

/// NAME.
pub const SOURCE: Source = Source {
    slug: "SLUG",
    name: "NAME",
    docs: "https://docs.SLUG.example/webhooks",
    setup: Setup {
        triggers: "`firing`",
        resolves: "`resolved`",
        steps: "Describe what to enter where at the vendor: {url} is the URL, and the secret goes into a header.",
        template: None,
    },
    map,
    states: &["firing", "resolved"],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    payload(delivery)?;
    Err(MapError::Shape { expected: "a source that is written" })
}
"##;

const NEXT: &str = "\
The source SLUG exists. Next steps:

  1. tests/fixtures/SLUG: replace the payloads by ones in the documented shape, with invented values. 02 resolves what 01
     triggers. Add one for every edge that the docs mention, and one that is rejected. If you rename the first two, rename
     their .events.json too, and change the names in src/endpoints/playground/samples.txt.
  2. src/sources/SLUG.rs: write the four sections of its docs from the vendor's documentation, then `docs`, `name`, `setup`
     and `map`. The crate documentation in src/lib.rs has an example under \"Adding a source\".
  3. UPDATE_EXPECT=1 cargo test --test native
     writes the expected events and the table of sources. Compare them with the docs of step 2.
  4. README.md: add the name to section \"Sources\". tests/native/words.rs: add the member that contains the state to FIELDS.
  5. cargo test --test native, and cargo test before you commit.";
