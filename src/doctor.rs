//! `GET /check`: what is wrong with the set-up, found without paging anybody.
//!
//! Every variable is read as a delivery would read it, and what cannot be used is named with what to change. PagerDuty is
//! asked whether it can be reached; with `?deep=1` also whether it takes each routing key, by a resolve of a dedup key
//! that nobody has used, which PagerDuty drops; and where `api_token` is set, which services are behind the keys. A
//! routing key goes to the Events API only, the token to the REST API only, and neither is shown: of a routing key the last
//! four characters are.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::auth::{self, Authenticated, SHARED_SECRET, Signature};
use crate::config::{self, ConfigError, Problem};
#[cfg(feature = "templates")]
use crate::custom::{Template, auth::Auth};
use crate::deliver::{self, Probe, Sent, Verdict};
use crate::event::{Action, DedupKey, Event};
use crate::host::{self, Host, Outbound, SendError, Url};
use crate::report::Facts;
use crate::request::Reply;
use crate::rest::{self, Rest, RestError};
use crate::route;
use crate::secret::Secret;
use crate::sources::{self, SOURCES};
use crate::text::{self, Node};

/// When each stage has ended, from the request's arrival on.
const EGRESS_MAX: Duration = Duration::from_secs(4);
const PROBE_MAX: Duration = Duration::from_secs(9);
const TOTAL_MAX: Duration = Duration::from_secs(15);

/// How many letters a misspelt source, or another variable, is away from one at least where it is none.
const MISSPELT_MAX: usize = 3;

/// How many services, and how many mappings, may be named in the query.
const NAMED_MAX: usize = 50;

/// How bad a finding is, the least first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    /// Worth knowing.
    Note,
    /// Somebody should look.
    Warning,
    /// It stops a page.
    Error,
}

/// A usable routing key.
struct Key {
    variable: String,
    key: Secret,
    previous: bool,
}

/// What is found, by whom it is asked of.
struct Doctor<'a> {
    host: &'a mut dyn Host,
    /// What the findings are about for now.
    check: &'static str,
    findings: Vec<Value>,
    /// How many there are of each level.
    counts: [usize; 4],
    /// The sentences that somebody should read, for the log.
    warnings: Vec<String>,
}

/// Looks at everything: `503` where something would stop a page. `?deep=1` asks PagerDuty about each routing key, and
/// `?service=a,b` and `?mapping=a,b` name services and mappings where the variable store does not list its variables.
pub fn check(host: &mut dyn Host, known: &Authenticated<'_>, facts: &mut Facts) -> Reply {
    let query = known.query();
    let asked = |name: &str| query.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value.as_str());
    let deep = !matches!(asked("deep"), "" | "0" | "false");
    let mut doctor = Doctor { host, check: "variables", findings: Vec::new(), counts: [0; 4], warnings: Vec::new() };
    let names = doctor.names();
    let services = doctor.named(asked("service"));
    #[cfg(feature = "templates")]
    let open = {
        let more = doctor.named(asked("mapping"));
        doctor.check = "mappings";
        doctor.mappings(&names, &more)
    };
    #[cfg(not(feature = "templates"))]
    let open = false;
    doctor.check = "sources";
    doctor.sources(open);
    doctor.check = "settings";
    doctor.settings();
    doctor.check = "routing keys";
    let keys = doctor.keys(&names, &services);
    if let Ok((url, variable)) = config::events(doctor.host) {
        doctor.check = "egress";
        if doctor.egress(&url, variable) && deep {
            doctor.check = "routing keys";
            doctor.probe(&keys, &url, variable);
        }
    }
    doctor.check = "token";
    doctor.token(&keys, deep);
    facts.ended("check", doctor.host);
    facts.warnings = doctor.warnings;
    let plain = known.header("accept").is_some_and(|accept| text::contains(accept, "text/plain"));
    reply(doctor.findings, doctor.counts, plain)
}

fn reply(findings: Vec<Value>, counts: [usize; 4], plain: bool) -> Reply {
    let [_, notes, warnings, errors] = counts;
    let (status, word) = if errors > 0 { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
    if plain {
        let mut page = format!("{word}: {errors} errors, {warnings} warnings, {notes} notes\n\n");
        for finding in &findings {
            for (name, width) in [("level", 9), ("check", 14), ("what", 0)] {
                let word = finding.get(name).and_then(Value::as_str).unwrap_or_default();
                page.push_str(word);
                (word.len()..width).for_each(|_| page.push(' '));
            }
            page.push('\n');
        }
        return Reply::text(status, "text/plain; charset=utf-8", page);
    }
    let mut body = Map::new();
    body.insert("status".into(), word.into());
    for (name, count) in [("errors", errors), ("warnings", warnings), ("notes", notes)] {
        body.insert(name.into(), count.into());
    }
    body.insert("findings".into(), Value::Array(findings));
    Reply::json(status, "application/json", &Value::Object(body))
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

impl Doctor<'_> {
    /// Adds a finding: a sentence with a part for each `{}`.
    fn say(&mut self, level: Level, what: &str, parts: &[&str]) {
        let what = text::fill(what, parts);
        if let Some(count) = self.counts.get_mut(level as usize) {
            *count += 1;
        }
        let (level_word, shown) = (level.as_str().into(), what.as_str().into());
        let finding = text::object([("check", self.check.into()), ("level", level_word), ("what", shown)]);
        self.findings.push(finding);
        if matches!(level, Level::Warning | Level::Error) {
            self.warnings.push(what);
        }
    }

    /// The names of all variables; those that nothing reads are told.
    fn names(&mut self) -> Vec<String> {
        let Ok(names) = self.host.variables() else {
            self.say(Level::Note, UNLISTED, &[]);
            return Vec::new();
        };
        for name in &names {
            let (prefix, slug) = match (name.strip_prefix("secret_"), name.strip_prefix("require_signature_")) {
                (Some(slug), _) => ("secret_", slug.strip_suffix("_previous").unwrap_or(slug)),
                (None, Some(slug)) => ("require_signature_", slug),
                (None, None) => {
                    if let Some(near) = nearest(name) {
                        self.say(Level::Warning, MISSPELT, &[&text::one_line(name), &text::one_line(&near)]);
                    }
                    continue;
                }
            };
            let own = prefix == "secret_" && matches!(slug, "act" | "check");
            if own || sources::find(slug).is_some() {
                continue;
            }
            if slug.starts_with("custom_") {
                if !names.iter().any(|name| name == slug) {
                    self.say(Level::Warning, UNMAPPED, &[&text::one_line(name), &text::one_line(slug)]);
                }
                continue;
            }
            let mut nearest = (MISSPELT_MAX, "");
            for known in SOURCES.iter().map(|source| source.slug).chain(["act", "check"]) {
                let far = distance(slug, known);
                if far < nearest.0 {
                    nearest = (far, known);
                }
            }
            let name = text::one_line(name);
            match nearest.1 {
                "" => self.say(Level::Warning, STRANGE, &[&name, "GET /setup", "", "lists them"]),
                slug => self.say(Level::Warning, STRANGE, &[&name, prefix, slug, "is the nearest"]),
            }
        }
        names
    }

    /// The services or mappings that the query names. What else is in it may be a secret in the wrong place.
    fn named<'a>(&mut self, list: &'a str) -> Vec<&'a str> {
        let mut named = Vec::new();
        let mut strange = false;
        for word in list.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            match route::is_service(word) && named.len() < NAMED_MAX {
                true => named.push(word),
                false => strange = true,
            }
        }
        if strange {
            self.say(Level::Warning, NAMELESS, &[]);
        }
        named
    }

    /// What opens each source, or why it is closed: one finding for all that are alike. `open` is whether a mapping is.
    fn sources(&mut self, open: bool) {
        let mut alike: Vec<(String, Level, String)> = Vec::new();
        let mut unset = if open { Level::Note } else { Level::Error };
        for source in SOURCES {
            let (what, level) = match config::load(self.host, source.slug, source.schemes) {
                Ok(config) => {
                    unset = Level::Note;
                    let how = match config.policy.signature {
                        Signature::Timestamped => "a signature with its time by ",
                        Signature::Optional if source.schemes.iter().any(|scheme| !scheme.is_signature()) => "",
                        Signature::Required | Signature::Optional => "a signature by ",
                    };
                    let name = &config.variable;
                    let what = match &config.secrets {
                        None => "a signature of a topic in variable `sns_topics` opens ",
                        Some(secrets) if secrets.previous.is_none() => "{}variable `{}` opens ",
                        Some(_) => "{}variable `{}`, and `{}_previous` still, opens ",
                    };
                    (text::fill(what, &[how, name, name]), Level::Ok)
                }
                Err(error) => {
                    // How bad that is, the others say.
                    let level = if error.problem == Problem::Unset { Level::Note } else { Level::Error };
                    (text::fill("{}; closed: ", &[&error.to_string()]), level)
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
        for (what, level, slugs) in &alike {
            self.say(if *level == Level::Note { unset } else { *level }, "{}{}", &[what, slugs]);
        }
    }

    /// What is wrong with the user's own mappings, and whether one is open. `more` are those of which the store does not
    /// tell.
    #[cfg(feature = "templates")]
    fn mappings(&mut self, names: &[String], more: &[&str]) -> bool {
        let mut open = false;
        let listed = names.iter().filter_map(|name| name.strip_prefix("custom_"));
        let more = more.iter().copied().filter(|name| !names.contains(&["custom_", name].concat()));
        for name in listed.chain(more) {
            if !route::is_service(name) {
                self.say(Level::Warning, UNSPEAKABLE, &[&["custom_", &text::one_line(name)].concat()]);
                continue;
            }
            let (variable, text) = match config::template(self.host, name) {
                Ok(read) => read,
                // Declared and forgotten.
                Err(ConfigError { problem: Problem::Unset, .. }) => {
                    self.say(Level::Warning, "variable `custom_{}` is not set; closed: /custom/{}", &[name, name]);
                    continue;
                }
                Err(error) => {
                    self.say(Level::Error, &error.to_string(), &[]);
                    continue;
                }
            };
            let read = Template::read(&variable, &text).and_then(|template| {
                template.mapping()?;
                Auth::read(&variable, template.auth())
            });
            let opened = match &read {
                Ok(auth) => config::load(self.host, &variable, &auth.schemes(&auth.hmac())).map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match opened {
                Ok(config) => {
                    open = true;
                    let what = "variable `{}` opens /custom/{}, and its template can be read";
                    self.say(Level::Ok, what, &[&config.variable, name]);
                }
                // It is not a sentence with parts: it may hold braces.
                Err(error) => self.say(Level::Error, "{}", &[&error]),
            }
        }
        open
    }

    /// What the other variables say.
    fn settings(&mut self) {
        for (name, choices) in config::SETTINGS {
            match config::setting(self.host, name, choices) {
                Ok(word) => self.say(Level::Ok, "variable `{}` means {}", &[name, word]),
                Err(error) => self.say(Level::Error, &error.to_string(), &[]),
            }
        }
        // A failure of the store is told where it closes the source.
        let topics = config::topics(self.host).unwrap_or_default();
        if topics.iter().any(|topic| auth::host_of_topic(topic).is_none()) {
            self.say(Level::Warning, "variable `sns_topics` holds what is not the arn of a topic", &[]);
        }
        match config::events(self.host) {
            Ok((_, "events_url")) => {
                self.say(Level::Note, "variable `events_url` is set, which is for tests only: unset it", &[]);
            }
            Err(error) if error.variable == "events_url" => self.say(Level::Error, &error.to_string(), &[]),
            // And what is wrong with `region` is told above.
            _ => {}
        }
    }

    /// The usable routing keys. `more` are services of which the store does not tell.
    fn keys(&mut self, names: &[String], more: &[&str]) -> Vec<Key> {
        let mut variables = vec!["routing_key".to_owned(), "routing_key_previous".to_owned()];
        let mut unspeakable = Vec::new();
        let mut add = |word: &str| {
            let name = ["routing_key_", word].concat();
            if !route::is_service(word.strip_suffix("_previous").unwrap_or(word)) {
                unspeakable.push(text::one_line(&name));
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
            self.say(Level::Warning, UNSPEAKABLE, &[name]);
        }
        let to = config::events(self.host).map(|(url, _)| url.authority).unwrap_or_default();
        let mut keys: Vec<Key> = Vec::new();
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
                    // New pages do not need the key before the one in use.
                    let level = if previous { Level::Warning } else { Level::Error };
                    self.say(level, &error.to_string(), &[]);
                    continue;
                }
            };
            let (whose, but) = match deliver::takes_no_changes(&key) {
                true => ("an orchestration", ": it takes no change events"),
                false => ("a service", ""),
            };
            let what = "variable `{}` holds {}'s key that ends in {}, for {}{}";
            self.say(Level::Ok, what, &[&variable, whose, key.tail(), &to, but]);
            if let Some(same) = keys.iter().find(|known| known.key.tail() == key.tail() && known.key.equals(&key)) {
                self.say(Level::Note, "variables `{}` and `{}` hold the same key", &[&same.variable, &variable]);
            }
            keys.push(Key { variable, key, previous });
        }
        let level = if keys.iter().any(|key| !key.previous) { Level::Note } else { Level::Error };
        for variable in unset {
            let (slash, word) = variable.strip_prefix("routing_key_").map_or(("", ""), |word| ("/", word));
            // Whoever has declared a service's means to use it.
            let forgotten = level == Level::Note && !word.is_empty() && names.contains(&variable);
            let level = if forgotten { Level::Warning } else { level };
            self.say(level, "variable `{}` is not set: /<source>{}{} pages nobody", &[&variable, slash, word]);
        }
        keys
    }

    /// Whether PagerDuty's Events API can be reached: any answer will do.
    fn egress(&mut self, url: &Url, variable: &str) -> bool {
        let mut root = Url { path: "/".to_owned(), ..url.clone() };
        let reached = host::ask(self.host, Outbound::get(root.clone()), Duration::ZERO, EGRESS_MAX);
        root.path.clear();
        let root = root.to_string();
        match &reached {
            Ok(_) => self.say(Level::Ok, "{} answers", &[&root]),
            Err(SendError::Denied) => self.say(Level::Error, DENIED, &[&root, &root]),
            Err(error) => self.say(Level::Error, UNREACHABLE, &[&root, &error.to_string(), variable]),
        }
        reached.is_ok()
    }

    /// Whether PagerDuty takes the routing keys, asked in a way that does nothing.
    fn probe(&mut self, keys: &[Key], url: &Url, variable: &str) {
        let mut probes: Vec<Probe<'_>> = Vec::new();
        for Key { variable, key, .. } in keys {
            let mut nonce = self.host.now().as_nanos().to_le_bytes().to_vec();
            nonce.extend_from_slice(variable.as_bytes());
            if let Some(unused) = DedupKey::new("pagerelay", &["check", &text::sha256_hex(&nonce)]) {
                probes.push(Probe { key, event: Event::bare(Action::Resolve, unused) });
            }
        }
        let other = config::elsewhere(url);
        let mut urls = vec![url];
        if let Some((_, url)) = &other {
            urls.push(url);
        }
        let told = deliver::probe(self.host, &probes, &urls, PROBE_MAX);
        for (key, told) in keys.iter().zip(&told) {
            let name = key.variable.as_str();
            let said = told.first().map(Sent::to_string).unwrap_or_else(|| SendError::Deadline.to_string());
            let other = other.as_ref().filter(|_| told.get(1).map(Sent::verdict) == Some(Verdict::Accepted));
            let refused = if key.previous { Level::Warning } else { Level::Error };
            let (level, what, parts) = match (told.first().map(Sent::verdict), other) {
                (Some(Verdict::Accepted), _) => (Level::Ok, "pagerduty takes the key in variable `{}`", [name, ""]),
                (Some(Verdict::RefusedKey), Some((region, _))) => (refused, ELSEWHERE, [name, *region]),
                (Some(Verdict::RefusedKey), None) => (refused, UNKNOWN, [name, ""]),
                (Some(Verdict::Misdirected), _) => (Level::Error, MISDIRECTED, [variable, said.as_str()]),
                _ if said.starts_with("429") => (Level::Note, THROTTLED, [name, ""]),
                _ => (Level::Warning, UNSAID, [name, said.as_str()]),
            };
            self.say(level, what, &parts);
        }
    }

    /// What the token is good for, and what it shows of the services behind the routing keys. No page needs it.
    fn token(&mut self, keys: &[Key], deep: bool) {
        let api = match config::api(self.host) {
            Ok(api) => api,
            Err(ConfigError { problem: Problem::Unset, .. }) => {
                return self.say(Level::Ok, "variable `api_token` is not set: only /act needs it", &[]);
            }
            // It is told among the settings.
            Err(error) if error.variable == "region" => return,
            Err(error) => return self.say(Level::Warning, &error.to_string(), &[]),
        };
        if let Err(error) = config::load(self.host, "act", SHARED_SECRET) {
            let level = if error.problem == Problem::Unset { Level::Note } else { Level::Warning };
            self.say(level, "/act is closed: {}", &[&error.to_string()]);
        }
        let mut rest = Rest { api, hidden: Vec::new(), deadline: TOTAL_MAX };
        for key in keys {
            rest.hidden.push(key.key.clone());
        }
        if let Err(error) = self.person(&rest) {
            let refused = error.problem == rest::Problem::Refused;
            if let Some((region, base)) = config::elsewhere(&rest.api.base).filter(|_| deep && refused) {
                rest.api.base = base;
                if rest.get(self.host, ABILITIES).is_ok() {
                    return self.say(Level::Warning, TOKEN_ELSEWHERE, &[region]);
                }
            }
            return self.say(Level::Warning, &error.to_string(), &[]);
        }
        self.check = "services";
        self.services(&rest, keys);
    }

    /// Whose token it is.
    fn person(&mut self, rest: &Rest) -> Result<(), RestError> {
        let user = match rest.get(self.host, "/users/me") {
            // An account's key belongs to nobody.
            Err(error) if error.problem == rest::Problem::Invalid => {
                rest.get(self.host, ABILITIES)?;
                self.say(Level::Warning, ACCOUNT, &[]);
                return Ok(());
            }
            user => user?,
        };
        let text = |path: &str| rest.clean(&Node::root(&user).at(path).text().unwrap_or_default());
        let (name, role) = (text("user.name"), text("user.role"));
        let (level, but) = match role.starts_with("read_only") {
            true => (Level::Note, ": it may read, and /act needs more"),
            false => (Level::Ok, ""),
        };
        self.say(level, "variable `api_token` holds the key of {}, whose role is {}{}", &[&name, &role, but]);
        Ok(())
    }

    /// What is behind each routing key, where the token shows it.
    fn services(&mut self, rest: &Rest, keys: &[Key]) {
        let mut found = Map::new();
        let listed = rest.list(self.host, rest::SERVICES, "services", &mut |service| {
            for key in keys {
                if rest::has_key(service, &key.key) {
                    found.insert(key.variable.clone(), service.value().cloned().unwrap_or_default());
                }
            }
        });
        let complete = match listed {
            Ok(complete) => complete,
            Err(error) => {
                let refused = error.problem == rest::Problem::NotPermitted;
                let level = if refused { Level::Note } else { Level::Warning };
                return self.say(level, "the services were not looked at: {}", &[&error.to_string()]);
            }
        };
        let found = Value::Object(found);
        for key in keys {
            let name = key.variable.as_str();
            let service = Node::root(&found).get(name);
            let text = |name: &str| rest.clean(&service.get(name).text().unwrap_or_default());
            let (service, status, alerts) = (text("name"), text("status"), text("alert_creation"));
            let (level, but) = match status.as_str() {
                "disabled" | "maintenance" if key.previous => (Level::Note, ": no page will come out of it"),
                "disabled" => (Level::Error, ": no page will come out of it"),
                "maintenance" => (Level::Warning, ": no page will come out of it"),
                "" => {
                    let but = if complete { "" } else { ", and the list is incomplete" };
                    self.say(Level::Note, NO_SERVICE, &[name, but]);
                    continue;
                }
                _ => (Level::Ok, ""),
            };
            self.say(level, "service {} with the key in variable `{}` is {}{}", &[&service, name, &status, but]);
            if alerts != "create_alerts_and_incidents" && !alerts.is_empty() {
                let what = "service {} with the key in variable `{}` makes no alerts: {}";
                self.say(Level::Note, what, &[&service, name, &alerts]);
            }
        }
    }
}

// The longer sentences.
const ACCOUNT: &str =
    "variable `api_token` holds an account's key, which may do all: who has `secret_act` may act as any user";
const DENIED: &str = "the runtime lets nothing out to {}: add \"{}\" to allowed_outbound_hosts, and give every variable a \
    default, one without a value blocks all";
const ELSEWHERE: &str = "the key in variable `{}` is of the other region: set variable `region` to {}";
const MISDIRECTED: &str = "what answers is not pagerduty's events api, look at variable `{}`: {}";
const MISSPELT: &str = "variable `{}` is read by nothing: `{}` is the nearest";
const NAMELESS: &str = "a name in ?service= or ?mapping= is no service's or mapping's, or one of more than 50";
const NO_SERVICE: &str = "the token in variable `api_token` shows no service with the key in variable `{}`: pagerduty need \
    not show integration keys{}";
const STRANGE: &str = "variable `{}` is read by nothing, no source has this name: `{}{}` {}";
const THROTTLED: &str = "pagerduty takes no more events now with the key in variable `{}`: check again later";
const TOKEN_ELSEWHERE: &str = "the token in variable `api_token` is of the other region: set variable `region` to {}";
const UNKNOWN: &str =
    "pagerduty does not know the key in variable `{}`: it was deleted, or it belongs to something else";
const UNLISTED: &str = "the store does not list its variables, one may have no value: services and mappings can be named by ?service= and ?mapping=";
const UNMAPPED: &str = "variable `{}` is read by nothing: there is no variable `{}`";
const UNREACHABLE: &str = "{} cannot be reached, {}: look at the network, and at variable `{}`";
const UNSAID: &str = "pagerduty does not say whether it takes the key in variable `{}`: {}";
const UNSPEAKABLE: &str = "variable `{}` is read by nothing: the name of a service or mapping is lower-case words joined by single underscores";

/// The cheapest thing that any token may read.
const ABILITIES: &str = "/abilities";

/// What a variable that nothing reads may have been meant as.
fn nearest(name: &str) -> Option<String> {
    const PREFIXES: [&str; 4] = ["custom_", "require_signature_", "routing_key_", "secret_"];
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return None;
    }
    let mut nearest = (MISSPELT_MAX, "", "");
    let mut near = |far: usize, known: &'static str, rest| {
        if far < nearest.0 {
            nearest = (far, known, rest);
        }
    };
    for known in config::VARIABLES {
        near(distance(name, known.name), known.name, "");
    }
    for (at, _) in name.match_indices(['_', '-']) {
        let (head, rest) = name.split_at(at + 1);
        for prefix in PREFIXES.iter().filter(|_| !rest.is_empty()) {
            // Short words are near to each other: `customer_id` is not `custom_id`.
            near(distance(head, prefix) + usize::from(prefix.len() < 8), prefix, rest);
        }
    }
    let (far, known, rest) = nearest;
    (1..MISSPELT_MAX).contains(&far).then(|| [known, rest].concat())
}

/// How many letters have to be put in, taken out or changed to make one word of another.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, x) in from.bytes().enumerate() {
        let (mut corner, mut left) = (at, at + 1);
        for (cell, y) in row.iter_mut().skip(1).zip(to.bytes()) {
            left = (corner + usize::from(x != y)).min(*cell + 1).min(left + 1);
            corner = std::mem::replace(cell, left);
        }
    }
    row.last().copied().unwrap_or_default()
}
