//! Checks the names of variables for typing errors.

use strsim::levenshtein;

use super::{Checker, Level};
use crate::config::{self, Control, DEFAULT_SERVICE, HEARTBEAT, Names};
use crate::sources::{self, SOURCES, Source};
use crate::text;

/// The smallest edit distance at which a name no longer counts as misspelt.
const MISSPELT_MAX: usize = 3;

/// The most services, and the most templates, that the query may name.
const NAMED_MAX: usize = 50;

/// The beginnings of the variables that end in the name of a source.
const OF_SOURCES: [&str; 5] = [BRANCHES, "require_signature_", "rules_", "secret_", "services_"];

/// The beginning of the variables of sources whose runs belong to branches. No other source, and no template, has one.
const BRANCHES: &str = "branches_";

/// The beginnings of the variables that end in a word of the user's or in the name of a source.
const PREFIXES: [&str; 8] =
    [BRANCHES, "custom_", HEARTBEAT, "require_signature_", "routing_key_", "rules_", "secret_", "services_"];

/// The variables of tests.
const OF_TESTS: [&str; 2] = ["api_url", "events_url"];

impl Checker<'_> {
    /// Returns the names of all variables, and reports those that the relay never reads.
    pub(super) fn names(&mut self) -> Vec<String> {
        let Names { own, members, problem } = config::names(self.host);
        if own.is_none() {
            self.say(Level::Note, UNLISTED, &[]);
        }
        if let Some(problem) = problem {
            self.say(Level::Error, "{}", &[&problem.to_string()]);
        }
        if members.iter().any(|name| name == "settings") {
            self.say(Level::Warning, NESTED, &[]);
        }
        let mut names = own.unwrap_or_default();
        self.members = members.into_iter().filter(|name| name != "settings" && !names.contains(name)).collect();
        names.extend_from_slice(&self.members);
        for name in &names {
            self.name(name, &names);
        }
        for name in config::hidden(self.host) {
            let name = text::one_line(&name);
            self.say(Level::Note, HIDDEN, &[&name, &name]);
        }
        names
    }

    /// Reports a name that the relay never reads. `names` are the names of all variables.
    fn name(&mut self, name: &str, names: &[String]) {
        let subject = self.subject(name);
        let split = OF_SOURCES.iter().find_map(|prefix| Some((*prefix, name.strip_prefix(prefix)?)));
        let Some((prefix, slug)) = split else {
            let member = self.members.iter().any(|member| member == name);
            match nearest(name) {
                Some(near) => self.say(Level::Warning, MISSPELT, &[&subject, &text::one_line(&near)]),
                // A variable of the store may belong to another program.
                None if member && !is_read(name) => self.say(Level::Warning, UNKNOWN, &[&subject]),
                None => {}
            }
            return;
        };
        let secret = prefix == "secret_";
        let slug = slug.strip_suffix("_previous").filter(|_| secret).unwrap_or(slug);
        let controls = Control::ALL.map(Control::slug).into_iter().filter(|_| secret);
        let reads = |source: &&&Source| prefix != BRANCHES || source.branches.is_some();
        let known = || SOURCES.iter().filter(reads).map(|source| source.slug).chain(controls.clone());
        if known().any(|known| known == slug) {
            return;
        }
        if slug.starts_with("custom_") && prefix != BRANCHES {
            if !names.iter().any(|name| name == slug) {
                self.say(Level::Warning, UNMAPPED, &[&subject, &text::one_line(slug)]);
            }
            return;
        }
        if secret && self.names_service(slug, &subject) {
            return;
        }
        let mut nearest = (MISSPELT_MAX, "");
        for known in known() {
            let far = levenshtein(slug, known);
            if far < nearest.0 {
                nearest = (far, known);
            }
        }
        match nearest.1 {
            "" if prefix == BRANCHES => self.say(Level::Warning, BRANCHLESS, &[&subject]),
            "" => self.say(Level::Warning, STRANGE, &[&subject]),
            slug => self.say(Level::Warning, NO_SOURCE, &[&subject, prefix, slug]),
        }
    }

    /// Whether the rest of a secret's name is a source with an API and a service. Reports a service that the list of the
    /// source does not contain, because the relay never reads its secret.
    fn names_service(&mut self, rest: &str, subject: &str) -> bool {
        let mut apis = SOURCES.iter().filter(|source| source.api.is_some());
        let named = apis.find_map(|source| Some((source.slug, rest.strip_prefix(source.slug)?.strip_prefix('_')?)));
        let Some((slug, service)) = named else { return false };
        let listed = match config::services(self.host, slug) {
            Ok(listed) => listed.unwrap_or_default(),
            // The check of the senders reports it.
            Err(_) => return true,
        };
        if service == DEFAULT_SERVICE || !listed.iter().any(|listed| listed == service) {
            self.say(Level::Warning, UNLISTED_SERVICE, &[subject, slug, &text::one_line(service)]);
        }
        true
    }

    /// A variable, for a finding.
    pub(super) fn subject(&self, name: &str) -> String {
        let member = self.members.iter().any(|member| member == name);
        let after = if member { "` of variable `settings`" } else { "`" };
        [if member { "member `" } else { "variable `" }, &text::one_line(name), after].concat()
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
const BRANCHLESS: &str = "unknown {}: no such source, or its alerts do not belong to branches";
const HIDDEN: &str = "member `{}` of variable `settings` has no effect: variable `{}` has a value of its own";
const MISSPELT: &str = "unknown {}; did you mean `{}`?";
const NESTED: &str = "member `settings` of variable `settings` has no effect";
const NAMELESS: &str = "?service= or ?mapping= contains an invalid name or more than 50 names";
const NO_SOURCE: &str = "unknown {}: no such source; did you mean `{}{}`?";
const STRANGE: &str = "unknown {}: no such source; GET /setup lists all sources";
const UNKNOWN: &str = "unknown {}; the relay never reads it";
const UNMAPPED: &str = "{} has no effect: `{}` is not set";
const UNLISTED: &str = "the variable store did not list its variables (one may have no value); name services and templates with ?service= and ?mapping=";

const UNLISTED_SERVICE: &str = "{} has no effect: variable `services_{}` does not list a service `{}`";

/// Whether the relay reads a variable of this name.
fn is_read(name: &str) -> bool {
    let known = OF_TESTS.contains(&name) || sources::variables().iter().any(|known| known.name == name);
    known || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The closest known name for an unknown variable.
fn nearest(name: &str) -> Option<String> {
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
