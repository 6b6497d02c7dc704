//! `GET /check`: reports problems of the setup, without paging anybody.
//!
//! It reads every variable as a delivery would, and names each invalid one with its fix. It checks that PagerDuty is
//! reachable. With `?deep=1` it also checks that PagerDuty accepts each routing key, by a resolve with an unused dedup
//! key, which PagerDuty ignores. With `?fallback=1` it sends a message to `fallback_url`. If `outbox` or a heartbeat is
//! set, it writes and reads the key-value store. If `api_token` is set, it finds the services behind the keys. A routing
//! key is sent only to the Events API, and the token only to the REST API. Neither is shown, except the last four
//! characters of a routing key.
//!
//! Only variable `secret_check` shows the findings. Without it, the shared secret shows whether the checks succeeded.

use serde_json::{Map, Value};

use crate::auth::{Authenticated, Scheme, Signature};
#[cfg(feature = "templates")]
use crate::config::ConfigError;
use crate::config::{self, Config, Problem};
#[cfg(feature = "templates")]
use crate::custom::Template;
use crate::http::{Reply, StatusCode};
use crate::json;
use crate::pagerduty::events_api;
use crate::runtime::Host;
use crate::secret::Secret;
use crate::sources::{SOURCES, Source};
use crate::text;

mod names;
mod outbox;
mod pagerduty;
#[cfg(feature = "templates")]
mod rules;
mod senders;

/// The level of a finding, in ascending order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    /// Worth knowing.
    Note,
    /// Somebody should look.
    Warning,
    /// Prevents pages.
    Error,
}

/// A valid routing key.
struct FoundKey {
    variable: String,
    key: Secret,
    previous: bool,
}

/// A source or a template that accepts deliveries.
struct Opened {
    /// The end of its variables' names.
    slug: String,
    path: String,
    /// Whether its senders can sign with the secret.
    signs: bool,
    config: Config,
}

/// Runs the checks and collects their findings.
struct Checker<'a> {
    host: &'a mut dyn Host,
    /// The current subject of the findings.
    check: &'static str,
    /// The names of variables that only `settings` contains.
    members: Vec<String>,
    findings: Vec<Value>,
    opened: Vec<Opened>,
    /// The number of findings of each level.
    counts: [usize; 4],
    /// The findings that somebody should read, for the log.
    warnings: Vec<String>,
}

/// The result of the checks.
pub struct Checked {
    /// The reply, with all findings.
    pub reply: Reply,
    /// The findings that somebody should read, for the log.
    pub warnings: Vec<String>,
}

/// Runs all checks. The reply is `503` if a problem would prevent pages. `?deep=1` checks each routing key with
/// PagerDuty. `?service=a,b` and `?mapping=a,b` name services and templates, for a variable store that does not list
/// its variables. Without `shown`, the reply says only whether the checks succeeded.
pub fn check(host: &mut dyn Host, known: &Authenticated<'_>, shown: bool) -> Checked {
    let query = known.query();
    let asked = |name: &str| query.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str());
    let deep = !matches!(asked("deep"), "" | "0" | "false");
    let (findings, opened, warnings) = (Vec::new(), Vec::new(), Vec::new());
    let members = Vec::new();
    let mut checker = Checker { host, check: "variables", members, findings, opened, counts: [0; 4], warnings };
    let names = checker.names();
    let services = checker.named(asked("service"));
    #[cfg(feature = "templates")]
    {
        let more = checker.named(asked("mapping"));
        checker.check = "mappings";
        checker.mappings(&names, &more);
    }
    checker.check = "sources";
    checker.sources();
    checker.check = "settings";
    checker.settings();
    checker.check = "outbox";
    checker.outbox(&names);
    checker.check = "fallback";
    // Every vendor knows the shared secret, and nobody should flood a chat with it.
    checker.fallback(shown && asked("fallback") == "1");
    checker.check = "routing keys";
    let keys = checker.keys(&names, &services);
    checker.check = "senders";
    checker.senders(&keys);
    if let Ok((url, variable)) = config::events(checker.host) {
        checker.check = "egress";
        if checker.egress(&url, variable) && deep {
            checker.check = "routing keys";
            checker.probe(&keys, &url, variable);
        }
    }
    checker.check = "token";
    checker.token(&keys, deep);
    let plain = known.header("accept").is_some_and(|accept| accept.contains("text/plain"));
    let findings = shown.then_some(checker.findings);
    Checked { reply: reply(findings, checker.counts, plain), warnings: checker.warnings }
}

fn reply(findings: Option<Vec<Value>>, counts: [usize; 4], plain: bool) -> Reply {
    let [_, notes, warnings, errors] = counts;
    let (status, word) = if errors > 0 { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
    let Some(findings) = findings else {
        if plain {
            return Reply::text(status, TEXT, [word, ": ", UNSHOWN, "\n"].concat()).uncached();
        }
        let body = json::object([("status", word.into()), ("hint", UNSHOWN.into())]);
        return Reply::json(status, "application/json", &body);
    };
    if plain {
        let mut page = format!(
            "{word}: {}, {}, {}\n\n",
            text::count(errors, "error"),
            text::count(warnings, "warning"),
            text::count(notes, "note")
        );
        for finding in &findings {
            for (name, width) in [("level", 9), ("check", 14), ("what", 0)] {
                let word = finding.get(name).and_then(Value::as_str).unwrap_or_default();
                page.push_str(word);
                (word.len()..width).for_each(|_| page.push(' '));
            }
            page.push('\n');
        }
        return Reply::text(status, TEXT, text::visible(&page).into_owned()).uncached();
    }
    let mut body = Map::new();
    body.insert("status".into(), word.into());
    for (name, count) in [("errors", errors), ("warnings", warnings), ("notes", notes)] {
        body.insert(name.into(), count.into());
    }
    body.insert("findings".into(), Value::Array(findings));
    Reply::json(status, "application/json", &Value::Object(body))
}

/// Describes how senders authenticate to a source.
fn opened_by(source: &Source, config: &Config) -> String {
    let how = match config.policy.signature {
        Signature::Timestamped => "requests with a signed timestamp",
        Signature::Optional if source.schemes.iter().any(|scheme| !scheme.is_signature()) => "requests",
        Signature::Required | Signature::Optional => "signed requests",
    };
    let names: Vec<String> = config.variables().iter().map(|(name, _)| ["`", name, "`"].concat()).collect();
    match names.as_slice() {
        [] => {
            let way = source.schemes.iter().find_map(|scheme| match scheme {
                Scheme::Certified(certified) => Some(certified.way),
                _ => None,
            });
            text::interpolate("a {} authenticates requests to ", &[way.unwrap_or_default()])
        }
        _ => match names.split_last() {
            Some((only, [])) => text::interpolate("variable {} authenticates {} to ", &[only, how]),
            Some((last, others)) => {
                text::interpolate("variables {} and {} authenticate {} to ", &[&others.join(", "), last, how])
            }
            None => String::new(),
        },
    }
}

/// Whether senders with this scheme sign with the secret.
fn signs(scheme: &Scheme<'_>) -> bool {
    scheme.is_signature() && !matches!(scheme, Scheme::Certified(_))
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

impl Checker<'_> {
    /// Adds a finding: a sentence in which each `{}` is replaced by a part.
    fn say(&mut self, level: Level, what: &str, parts: &[&str]) {
        let what = text::interpolate(what, parts);
        if let Some(count) = self.counts.get_mut(level as usize) {
            *count += 1;
        }
        let (level_word, shown) = (level.as_str().into(), what.as_str().into());
        let finding = json::object([("check", self.check.into()), ("level", level_word), ("what", shown)]);
        self.findings.push(finding);
        if matches!(level, Level::Warning | Level::Error) {
            self.warnings.push(what);
        }
    }

    /// Checks the authentication of each source. Sources with the same result share a finding.
    fn sources(&mut self) {
        // The level of an unset secret is only known at the end.
        let mut alike: Vec<(String, Option<Level>, String)> = Vec::new();
        for source in SOURCES {
            let loaded =
                config::load(self.host, source.slug, source.schemes, source.accepted(None)).and_then(|config| {
                    if source.own_secret {
                        config::check_not_shared(self.host, &config)?;
                    }
                    Ok(config)
                });
            let (what, level) = match loaded {
                Ok(config) => {
                    let what = opened_by(source, &config);
                    let (slug, path) = (source.slug.to_owned(), ["/", source.slug].concat());
                    self.opened.push(Opened { slug, path, signs: source.schemes.iter().any(signs), config });
                    (what, Some(Level::Ok))
                }
                Err(error) => {
                    let level = match error.problem {
                        Problem::Unset => None,
                        Problem::OwnUnset => Some(Level::Note),
                        _ => Some(Level::Error),
                    };
                    (text::interpolate("{}; closed: ", &[&error.to_string()]), level)
                }
            };
            match alike.iter_mut().find(|(known, ..)| *known == what) {
                Some((_, _, slugs)) => {
                    slugs.push_str(", /");
                    slugs.push_str(source.slug);
                }
                None => alike.push((what, level, ["/", source.slug].concat())),
            }
        }
        // An unset secret is an error only if neither a source nor a template accepts deliveries.
        let unset = if self.opened.is_empty() { Level::Error } else { Level::Note };
        for (what, level, slugs) in &alike {
            self.say(level.unwrap_or(unset), "{}{}", &[what, slugs]);
        }
    }

    /// Checks the user's own templates. `more` are templates that the store did not list.
    #[cfg(feature = "templates")]
    fn mappings(&mut self, names: &[String], more: &[&str]) {
        let listed = names.iter().filter_map(|name| name.strip_prefix("custom_"));
        let more = more.iter().copied().filter(|name| !names.contains(&["custom_", name].concat()));
        for name in listed.chain(more) {
            if !config::is_service(name) {
                let subject = self.subject(&["custom_", name].concat());
                self.say(Level::Warning, UNSPEAKABLE, &[&subject]);
                continue;
            }
            let (variable, text) = match config::template(self.host, name) {
                Ok(read) => read,
                // The variable is declared and was forgotten.
                Err(ConfigError { problem: Problem::Unset, .. }) => {
                    self.say(Level::Warning, "variable `custom_{}` is not set; closed: /custom/{}", &[name, name]);
                    continue;
                }
                Err(error) => {
                    self.say(Level::Error, &error.to_string(), &[]);
                    continue;
                }
            };
            let read = Template::read(&variable, &text);
            let read = read.as_ref().map_err(|error| error.clone()).and_then(|template| {
                template.mapping()?;
                Ok(template.auth())
            });
            let opened = match &read {
                Ok(auth) => {
                    let hmac = auth.hmac();
                    let schemes = auth.schemes(&hmac);
                    let config = config::load(self.host, &variable, &schemes, config::Accepted::Any);
                    config.map(|config| (config, schemes.iter().any(signs))).map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            match opened {
                Ok((config, signs)) => {
                    let what = "variable `{}` authenticates requests to /custom/{}; its template is valid";
                    self.say(Level::Ok, what, &[&config.variable, name]);
                    self.opened.push(Opened { path: ["/custom/", name].concat(), slug: variable, signs, config });
                }
                // The error is not a format string: it may contain braces.
                Err(error) => self.say(Level::Error, "{}", &[&error]),
            }
        }
    }

    /// Checks the other variables.
    fn settings(&mut self) {
        for (name, choices) in config::CHOICES {
            match config::setting(self.host, name, choices) {
                Ok(word) => self.say(Level::Ok, "setting `{}` is {}", &[name, word]),
                Err(error) => self.say(Level::Error, &error.to_string(), &[]),
            }
        }
        for choice in SOURCES.iter().filter_map(|source| source.branches.as_ref()) {
            match config::setting(self.host, choice.variable, config::BRANCHES) {
                Ok(word) => self.say(Level::Ok, "setting `{}` is {}", &[choice.variable, word]),
                Err(error) => self.say(Level::Error, &error.to_string(), &[]),
            }
        }
        for mirror in SOURCES.iter().filter_map(|source| source.mirror) {
            if let Err(error) = config::mirror(self.host, mirror.key, mirror.region, mirror.hosts) {
                self.say(Level::Warning, "{}; no copies are sent", &[&error.to_string()]);
            }
        }
        for variable in SOURCES.iter().flat_map(|source| source.variables) {
            // The check of the sources already reports a failure of the store.
            let values = config::list(self.host, variable.name).unwrap_or_default();
            if let Some(problem) = values.iter().find_map(|value| (variable.problem)(value)) {
                self.say(Level::Warning, "variable `{}` {}", &[variable.name, problem]);
            }
        }
        match config::events(self.host) {
            Ok((_, "events_url")) => {
                self.say(Level::Note, "variable `events_url` is set; it is for tests only, unset it", &[]);
            }
            Err(error) if error.variable == "events_url" => self.say(Level::Error, &error.to_string(), &[]),
            // The loop above already reports an invalid `region`.
            _ => {}
        }
    }

    /// The variables that may contain a routing key. `more` are services that the store did not list.
    fn key_variables(&mut self, names: &[String], more: &[&str]) -> Vec<String> {
        let mut variables = vec!["routing_key".to_owned(), "routing_key_previous".to_owned()];
        let mut unspeakable = Vec::new();
        let mut add = |word: &str| {
            let name = ["routing_key_", word].concat();
            if !config::is_service(word.strip_suffix("_previous").unwrap_or(word)) {
                unspeakable.push(name);
            } else if !variables.contains(&name) {
                variables.push(name);
            }
        };
        for name in names {
            if let Some(word) = name.strip_prefix("routing_key_").filter(|word| *word != "previous") {
                add(word);
            }
        }
        for word in more {
            add(word);
            add(&[word, "_previous"].concat());
        }
        for name in &unspeakable {
            let subject = self.subject(name);
            self.say(Level::Warning, UNSPEAKABLE, &[&subject]);
        }
        variables
    }

    /// The valid routing keys. `more` are services that the store did not list.
    fn keys(&mut self, names: &[String], more: &[&str]) -> Vec<FoundKey> {
        let variables = self.key_variables(names, more);
        let to = config::events(self.host).map(|(url, _)| url.authority).unwrap_or_default();
        let mut keys: Vec<FoundKey> = Vec::new();
        let mut unset = Vec::new();
        for variable in variables {
            let previous = variable.ends_with("_previous");
            let key = match config::key(self.host, &variable) {
                Ok(Some(key)) => key,
                Ok(None) if previous => continue,
                Ok(None) => {
                    unset.push(variable);
                    continue;
                }
                Err(error) => {
                    // New alerts do not need the previous key.
                    let level = if previous { Level::Warning } else { Level::Error };
                    self.say(level, &error.to_string(), &[]);
                    continue;
                }
            };
            let whose = match events_api::takes_no_changes(&key) {
                true => "an orchestration, which accepts no change events",
                false => "a service",
            };
            let what = "variable `{}` holds the key of {}. The key ends in {}, and is sent to {}";
            self.say(Level::Ok, what, &[&variable, whose, key.tail(), &to]);
            if let Some(same) = keys.iter().find(|known| known.key.tail() == key.tail() && known.key.equals(&key)) {
                self.say(Level::Note, "variables `{}` and `{}` hold the same key", &[&same.variable, &variable]);
            }
            keys.push(FoundKey { variable, key, previous });
        }
        let level = if keys.iter().any(|key| !key.previous) { Level::Note } else { Level::Error };
        for variable in unset {
            let (slash, word) = variable.strip_prefix("routing_key_").map_or(("", ""), |word| ("/", word));
            // An operator who declares the variable of a service intends to use it.
            let forgotten = level == Level::Note && !word.is_empty() && names.contains(&variable);
            let level = if forgotten { Level::Warning } else { level };
            self.say(level, "variable `{}` is not set; /<source>{}{} cannot page anyone", &[&variable, slash, word]);
        }
        keys
    }
}

/// The media type of the page for people.
const TEXT: &str = "text/plain; charset=utf-8";

// The longer messages.
const UNSHOWN: &str = "set variable `secret_check` and authenticate with it to see the findings";
const UNSPEAKABLE: &str = "unknown {}: service and template names are lower-case words joined by single underscores";
