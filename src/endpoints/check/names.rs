//! Checks the names of variables for typing errors.

use strsim::levenshtein;

use super::{Checker, Level};
use crate::config::{self, Control};
use crate::sources::{self, SOURCES, Source};
use crate::text;

/// The smallest edit distance at which a name no longer counts as misspelt.
const MISSPELT_MAX: usize = 3;

/// The most services, and the most templates, that the query may name.
const NAMED_MAX: usize = 50;

/// The beginnings of the variables that end in the name of a source.
const OF_SOURCES: [&str; 4] = [BRANCHES, "require_signature_", "secret_", "services_"];

/// The beginning of the variables of sources whose runs belong to branches. No other source, and no template, has one.
const BRANCHES: &str = "branches_";

impl Checker<'_> {
    /// Returns the names of all variables, and reports those that the relay never reads.
    pub(super) fn names(&mut self) -> Vec<String> {
        let Ok(names) = self.host.variables() else {
            self.say(Level::Note, UNLISTED, &[]);
            return Vec::new();
        };
        for name in &names {
            let split = OF_SOURCES.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)));
            let Some((prefix, slug)) = split else {
                if let Some(near) = nearest(name) {
                    self.say(Level::Warning, MISSPELT, &[&text::one_line(name), &text::one_line(&near)]);
                }
                continue;
            };
            let secret = prefix == "secret_";
            let slug = slug.strip_suffix("_previous").filter(|_| secret).unwrap_or(slug);
            let controls = Control::ALL.map(Control::slug).into_iter().filter(|_| secret);
            let reads = |source: &&&Source| prefix != BRANCHES || source.branches.is_some();
            let known = || SOURCES.iter().filter(reads).map(|source| source.slug).chain(controls.clone());
            if known().any(|known| known == slug) {
                continue;
            }
            if slug.starts_with("custom_") && prefix != BRANCHES {
                if !names.iter().any(|name| name == slug) {
                    self.say(Level::Warning, UNMAPPED, &[&text::one_line(name), &text::one_line(slug)]);
                }
                continue;
            }
            let mut nearest = (MISSPELT_MAX, "");
            for known in known() {
                let far = levenshtein(slug, known);
                if far < nearest.0 {
                    nearest = (far, known);
                }
            }
            let name = text::one_line(name);
            match nearest.1 {
                "" if prefix == BRANCHES => self.say(Level::Warning, BRANCHLESS, &[&name]),
                "" => self.say(Level::Warning, STRANGE, &[&name]),
                slug => self.say(Level::Warning, NO_SOURCE, &[&name, prefix, slug]),
            }
        }
        names
    }

    /// The services or templates that the query names. Other values are not repeated, because they may be misplaced
    /// secrets.
    pub(super) fn named<'a>(&mut self, list: &'a str) -> Vec<&'a str> {
        let mut named = Vec::new();
        let mut strange = false;
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match config::is_service(word) && named.len() < NAMED_MAX {
                true => named.push(word),
                false => strange = true,
            }
        }
        if strange {
            self.say(Level::Warning, NAMELESS, &[]);
        }
        named
    }
}

// The longer messages.
const BRANCHLESS: &str = "unknown variable `{}`: no such source, or its alerts do not belong to branches";
const MISSPELT: &str = "unknown variable `{}`; did you mean `{}`?";
const NAMELESS: &str = "?service= or ?mapping= contains an invalid name or more than 50 names";
const NO_SOURCE: &str = "unknown variable `{}`: no such source; did you mean `{}{}`?";
const STRANGE: &str = "unknown variable `{}`: no such source; GET /setup lists all sources";
const UNMAPPED: &str = "variable `{}` has no effect: `{}` is not set";
const UNLISTED: &str = "the variable store did not list its variables (one may have no value); name services and templates with ?service= and ?mapping=";

/// The closest known name for an unknown variable.
fn nearest(name: &str) -> Option<String> {
    const PREFIXES: [&str; 6] = [BRANCHES, "custom_", "require_signature_", "routing_key_", "secret_", "services_"];
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let mut nearest = (MISSPELT_MAX, "", "");
    let mut near = |far: usize, known: &'static str, rest| {
        if far < nearest.0 {
            nearest = (far, known, rest);
        }
    };
    for known in sources::variables() {
        near(levenshtein(name, known.name), known.name, "");
    }
    for (at, _) in name.match_indices(['_', '-']) {
        let (head, rest) = name.split_at(at + 1);
        for prefix in PREFIXES.iter().filter(|_| !rest.is_empty()) {
            // Short words are always close to each other: `customer_id` is not meant as `custom_id`.
            near(levenshtein(head, prefix) + usize::from(prefix.len() < 8), prefix, rest);
        }
    }
    let (far, known, rest) = nearest;
    (1..MISSPELT_MAX).contains(&far).then(|| [known, rest].concat())
}
