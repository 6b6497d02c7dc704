//! `GET /check`: what is wrong with the set-up, found without paging anybody.
//!
//! Every variable is read as a delivery would read it, and what cannot be used is named with what to change. PagerDuty is
//! asked whether it can be reached; with `?deep=1` also whether it takes each routing key, by a resolve of a dedup key
//! that nobody has used, which PagerDuty drops; and where `api_token` is set, which services are behind the keys. A
//! routing key goes to the Events API only, the token to the REST API only, and neither is shown: of a routing key the last
//! four characters are.

use std::time::Duration;

use http::StatusCode;

use crate::auth::{self, Authenticated, Signature};
use crate::config::{self, ConfigError, Problem};
use crate::deliver::{self, Probe, Sent, Verdict};
use crate::event::{Action, DedupKey, Event};
use crate::host::{Host, Next, Outbound, SendError, Url};
use crate::report::Facts;
use crate::request::Reply;
use crate::rest::{self, Rest, RestError};
use crate::route;
use crate::secret::Rotation;
use crate::sources::{self, SOURCES};
use crate::text::{self, Node};

/// When each stage has ended, from the request's arrival on.
const EGRESS_MAX: Duration = Duration::from_secs(4);
const PROBE_MAX: Duration = Duration::from_secs(9);
const TOTAL_MAX: Duration = Duration::from_secs(15);

/// Which words in `secret_<word>` are no source's.
const OWN: [&str; 2] = ["act", "check"];

/// How many letters a misspelt source may be away from one.
const MISSPELT_MAX: usize = 3;

/// The longest name of a variable that is looked at, in bytes.
const NAME_MAX_BYTES: usize = 120;

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

struct Finding {
    check: &'static str,
    level: Level,
    what: String,
}

/// A usable routing key.
struct Key {
    variable: String,
    keys: Rotation,
    previous: bool,
}

/// What is found, by whom it is asked of.
struct Doctor<'a> {
    host: &'a mut dyn Host,
    findings: Vec<Finding>,
}

/// Looks at everything: `503` where something would stop a page. `?deep=1` asks PagerDuty about each routing key, and
/// `?service=a,b` names services where the variable store does not list its variables.
pub fn check(host: &mut dyn Host, known: &Authenticated<'_>, facts: &mut Facts) -> Reply {
    let query = known.query();
    let asked = |name: &str| query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let deep = asked("deep").is_some_and(|value| !matches!(value, "" | "0" | "false"));
    let mut doctor = Doctor { host, findings: Vec::new() };
    let names = doctor.names();
    doctor.sources();
    doctor.settings();
    let keys = doctor.keys(&names, asked("service").unwrap_or_default());
    if let Ok((url, variable)) = config::events(doctor.host) {
        let reached = doctor.egress(&url, variable);
        if deep && reached {
            doctor.probe(&keys, &url, variable);
        }
    }
    doctor.token(&keys, deep);
    let worrying = doctor.findings.iter().filter(|finding| matches!(finding.level, Level::Warning | Level::Error));
    facts.warnings.extend(worrying.map(|finding| finding.what.clone()));
    facts.ended("check", doctor.host);
    let plain = known.header("accept").is_some_and(|accept| text::contains(accept, "text/plain"));
    reply(&doctor.findings, plain)
}

fn reply(findings: &[Finding], plain: bool) -> Reply {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings, notes) = (count(Level::Error), count(Level::Warning), count(Level::Note));
    let (status, word) = if errors > 0 { (StatusCode::SERVICE_UNAVAILABLE, "failing") } else { (StatusCode::OK, "ok") };
    if plain {
        let mut page = format!("{word}: {errors} errors, {warnings} warnings, {notes} notes\n\n");
        for finding in findings {
            for (word, width) in [(finding.level.as_str(), 9), (finding.check, 14)] {
                page.push_str(word);
                page.extend(std::iter::repeat_n(' ', width - word.len().min(width)));
            }
            page.push_str(&finding.what);
            page.push('\n');
        }
        return Reply::text(status, "text/plain; charset=utf-8", page);
    }
    let finding = |finding: &Finding| {
        let what = finding.what.as_str().into();
        text::object([("check", finding.check.into()), ("level", finding.level.as_str().into()), ("what", what)])
    };
    let body = text::object([
        ("status", word.into()),
        ("errors", errors.into()),
        ("warnings", warnings.into()),
        ("notes", notes.into()),
        ("findings", findings.iter().map(finding).collect()),
    ]);
    Reply::json(status, "application/json", &body)
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
    fn say(&mut self, check: &'static str, level: Level, what: &[&str]) {
        self.findings.push(Finding { check, level, what: what.concat() });
    }

    /// What opens each source, or why it is closed: one finding for all that are alike.
    fn sources(&mut self) {
        let mut alike: Vec<(String, Option<Problem>, String)> = Vec::new();
        for source in SOURCES {
            let (what, problem) = match config::load(self.host, source.slug, source.schemes) {
                Ok(config) => {
                    let signed = source.schemes.iter().all(|scheme| scheme.is_signature());
                    let how = match config.policy.signature {
                        Signature::Timestamped => "a signature with its time by ",
                        Signature::Required => "a signature by ",
                        Signature::Optional if signed => "a signature by ",
                        Signature::Optional => "",
                    };
                    let what = match &config.secrets {
                        None => "a signature of a topic in variable `sns_topics` opens ".to_owned(),
                        Some(Rotation { previous: None, .. }) => {
                            [how, "variable `", &config.variable, "` opens "].concat()
                        }
                        Some(_) => {
                            let name = &config.variable;
                            [how, "variable `", name, "`, and `", name, "_previous` still, opens "].concat()
                        }
                    };
                    (what, None)
                }
                Err(error) => ([&error.to_string(), "; closed: "].concat(), Some(error.problem)),
            };
            match alike.iter_mut().find(|(known, ..)| *known == what) {
                Some((_, _, slugs)) => *slugs = [slugs, ", /", source.slug].concat(),
                None => alike.push((what, problem, ["/", source.slug].concat())),
            }
        }
        let open = alike.iter().any(|(_, problem, _)| problem.is_none());
        for (what, problem, slugs) in &alike {
            let level = match problem {
                None => Level::Ok,
                Some(Problem::Unset) if open => Level::Note,
                Some(_) => Level::Error,
            };
            self.say("sources", level, &[what, slugs]);
        }
    }

    /// What the other variables say.
    fn settings(&mut self) {
        for (name, choices) in config::SETTINGS {
            match config::setting(self.host, name, choices) {
                Ok(word) => self.say("settings", Level::Ok, &["variable `", name, "` means ", word]),
                Err(error) => self.say("settings", Level::Error, &[&error.to_string()]),
            }
        }
        match config::topics(self.host) {
            Ok(topics) if topics.iter().any(|topic| auth::host_of_topic(topic).is_none()) => {
                self.say("settings", Level::Warning, &["variable `sns_topics` holds what is not the arn of a topic"]);
            }
            // The store's failure is told where it closes the source.
            _ => {}
        }
        match config::events(self.host) {
            Ok((_, "events_url")) => {
                self.say("settings", Level::Note, &["variable `events_url` is set, which is for tests only: unset it"]);
            }
            Err(error) if error.variable == "events_url" => {
                self.say("settings", Level::Error, &[&error.to_string()]);
            }
            // And that of `region` is among the settings above.
            _ => {}
        }
    }

    /// The names of all variables; those that nothing reads are told.
    fn names(&mut self) -> Vec<String> {
        let Ok(names) = self.host.variables() else {
            let what =
                "the store does not list its variables, one may have no value: services can be named by ?service=";
            self.say("variables", Level::Note, &[what]);
            return Vec::new();
        };
        for name in names.iter().filter(|name| name.len() <= NAME_MAX_BYTES) {
            let base = name.strip_suffix("_previous").unwrap_or(name);
            let (slug, own) = match (base.strip_prefix("secret_"), name.strip_prefix("require_signature_")) {
                (Some(slug), _) => (slug, OWN.contains(&slug)),
                (None, Some(slug)) => (slug, false),
                (None, None) => continue,
            };
            if own || sources::find(slug).is_some() || slug.starts_with("custom_") {
                continue;
            }
            let nearest = SOURCES.iter().map(|source| (distance(slug, source.slug), source.slug));
            let nearest = nearest.fold((MISSPELT_MAX, ""), |best, next| if next.0 < best.0 { next } else { best }).1;
            let prefix = if base.starts_with("secret_") { "secret_" } else { "require_signature_" };
            let shown = text::one_line(name);
            let why = ["variable `", &shown, "` is read by nothing, no source has this name: "].concat();
            match nearest {
                "" => self.say("variables", Level::Warning, &[&why, "`GET /setup` lists them"]),
                slug => self.say("variables", Level::Warning, &[&why, "`", prefix, slug, "` is the nearest"]),
            }
        }
        names
    }

    /// The usable routing keys. `more` are services of which the store does not tell.
    fn keys(&mut self, names: &[String], more: &str) -> Vec<Key> {
        let mut variables = vec!["routing_key".to_owned(), "routing_key_previous".to_owned()];
        let listed = names.iter().filter(|name| name.starts_with("routing_key_") && name.len() <= NAME_MAX_BYTES);
        let asked = more.split(',').map(str::trim).filter(|word| !word.is_empty() && word.len() <= NAME_MAX_BYTES);
        for name in listed.cloned().chain(asked.map(|word| ["routing_key_", word].concat())) {
            if variables.contains(&name) {
                continue;
            }
            let base = name.strip_suffix("_previous").unwrap_or(&name);
            if base.strip_prefix("routing_key_").is_some_and(route::is_service) {
                variables.push(name);
            } else {
                let shown = text::one_line(&name);
                let why = "` is read by nothing: a service is lower-case words joined by single underscores";
                self.say("variables", Level::Warning, &["variable `", &shown, why]);
            }
        }
        let to = config::events(self.host).map(|(url, _)| [", and goes to ", &url.authority].concat());
        let to = to.unwrap_or_default();
        let mut keys: Vec<Key> = Vec::new();
        let mut unset = Vec::new();
        for variable in variables {
            let previous = variable.ends_with("_previous");
            let key = match config::key(self.host, &variable) {
                Ok(Some(key)) => key,
                Ok(None) => {
                    unset.extend((!previous).then_some(variable));
                    continue;
                }
                Err(error) => {
                    // New pages do not need the key before the one in use.
                    let level = if previous { Level::Warning } else { Level::Error };
                    self.say("routing keys", level, &[&error.to_string()]);
                    continue;
                }
            };
            let changes = deliver::takes_no_changes(&key);
            let whose = if changes {
                "` holds an orchestration's key that ends in "
            } else {
                "` holds a service's key that ends in "
            };
            let changes = if changes { ": it takes no change events" } else { "" };
            self.say("routing keys", Level::Ok, &["variable `", &variable, whose, key.tail(), &to, changes]);
            let same =
                keys.iter().find(|known| known.keys.current.tail() == key.tail() && known.keys.current.equals(&key));
            if let Some(known) = same {
                let known = known.variable.clone();
                self.say(
                    "routing keys",
                    Level::Note,
                    &["variables `", &known, "` and `", &variable, "` hold the same key"],
                );
            }
            keys.push(Key { variable, keys: Rotation { current: key, previous: None }, previous });
        }
        let level = if keys.iter().any(|key| !key.previous) { Level::Note } else { Level::Error };
        for variable in unset {
            let service = variable.strip_prefix("routing_key_").map(|word| ["/", word].concat()).unwrap_or_default();
            let what = ["variable `", &variable, "` is not set: /<source>", &service, " pages nobody"];
            self.say("routing keys", level, &what);
        }
        keys
    }

    /// Whether PagerDuty's Events API can be reached: any answer will do.
    fn egress(&mut self, url: &Url, variable: &str) -> bool {
        let root = Url { path: String::new(), ..url.clone() }.to_string();
        let outbound = Outbound::get(Url { path: "/".to_owned(), ..url.clone() });
        let mut reached = Err(SendError::Deadline);
        self.host.exchange(1, EGRESS_MAX, &mut |_, elapsed, answer| match answer {
            None => Some(Next { outbound: outbound.clone(), not_before: elapsed }),
            Some(answer) => {
                reached = answer.map(|_| ());
                None
            }
        });
        let why = match reached {
            Ok(()) => {
                self.say("egress", Level::Ok, &[&root, " answers"]);
                return true;
            }
            Err(SendError::Denied) => {
                let add = ": add \"";
                let rest =
                    "\" to allowed_outbound_hosts, and give every variable a default, one without a value blocks all";
                self.say("egress", Level::Error, &["the runtime lets nothing out to ", &root, add, &root, rest]);
                return false;
            }
            Err(SendError::Connect) => " takes no connection",
            Err(SendError::Deadline) => " does not answer in time",
            Err(SendError::Dns) => " has a name that the runtime cannot resolve",
            Err(SendError::Protocol) => " does not speak http to the end",
            Err(SendError::Tls) => " cannot be reached over tls, something may stand in between",
        };
        self.say("egress", Level::Error, &[&root, why, ": look at the network, and at variable `", variable, "`"]);
        false
    }

    /// Whether PagerDuty takes the routing keys, asked in a way that does nothing.
    fn probe(&mut self, keys: &[Key], url: &Url, variable: &str) {
        let nonce = self.host.now().as_nanos().to_string();
        let probes = keys.iter().filter_map(|key| {
            let unused = text::sha256_hex([&nonce, ":", &key.variable].concat().as_bytes());
            let event = Event::bare(Action::Resolve, DedupKey::new("pagerelay", &["check", &unused])?);
            Some(Probe { keys: &key.keys, event })
        });
        let probes: Vec<Probe<'_>> = probes.collect();
        let other = config::elsewhere(url);
        let mut urls = vec![url];
        urls.extend(other.as_ref().map(|(_, url)| url));
        let told = deliver::probe(self.host, &probes, &urls, PROBE_MAX);
        for (key, told) in keys.iter().zip(&told) {
            let name = &key.variable;
            let first = told.first();
            let other = other.as_ref().filter(|_| told.get(1).map(Sent::verdict) == Some(Verdict::Accepted));
            let (level, what) = match first.map(Sent::verdict) {
                Some(Verdict::Accepted) => (Level::Ok, ["pagerduty takes the key in variable `", name, "`"].concat()),
                Some(Verdict::RefusedKey) if let Some((region, _)) = other => (
                    if key.previous { Level::Warning } else { Level::Error },
                    ["the key in variable `", name, "` is of the other region: set variable `region` to ", region]
                        .concat(),
                ),
                Some(Verdict::RefusedKey) => (
                    if key.previous { Level::Warning } else { Level::Error },
                    [
                        "pagerduty does not know the key in variable `",
                        name,
                        "`: it was deleted, or it belongs to something else",
                    ]
                    .concat(),
                ),
                Some(Verdict::Misdirected) => {
                    let said = first.map(Sent::to_string).unwrap_or_default();
                    let what = "what answers is not pagerduty's events api, look at variable `";
                    (Level::Error, [what, variable, "`: ", &said].concat())
                }
                _ if first.is_some_and(|sent| sent.answer.as_ref().is_ok_and(|answer| answer.status == 429)) => (
                    Level::Note,
                    ["pagerduty takes no more events now with the key in variable `", name, "`: check again later"]
                        .concat(),
                ),
                _ => {
                    let said = first.map(Sent::to_string).unwrap_or_else(|| SendError::Deadline.to_string());
                    let what = "pagerduty does not say whether it takes the key in variable `";
                    (Level::Warning, [what, name, "`: ", &said].concat())
                }
            };
            self.say("routing keys", level, &[&what]);
        }
    }

    /// What the token is good for, and what it shows of the services behind the routing keys. No page needs it.
    fn token(&mut self, keys: &[Key], deep: bool) {
        let api = match config::api(self.host) {
            Ok(api) => api,
            Err(ConfigError { problem: Problem::Unset, .. }) => {
                return self.say("token", Level::Ok, &["variable `api_token` is not set: only /act needs it"]);
            }
            Err(error) if error.variable == "region" => return,
            Err(error) => return self.say("token", Level::Warning, &[&error.to_string()]),
        };
        let hidden = keys.iter().map(|key| key.keys.current.clone()).collect();
        let mut rest = Rest { api, hidden, deadline: TOTAL_MAX };
        match self.person(&rest) {
            Ok((level, what)) => self.say("token", level, &[&what]),
            Err(error) => {
                let elsewhere = config::elsewhere(&rest.api.base).filter(|_| deep && error == RestError::Refused);
                if let Some((region, base)) = elsewhere {
                    rest.api.base = base;
                    if rest.get(self.host, ABILITIES).is_ok() {
                        let what =
                            "the token in variable `api_token` is of the other region: set variable `region` to ";
                        return self.say("token", Level::Warning, &[what, region]);
                    }
                }
                return self.say("token", Level::Warning, &[&error.to_string()]);
            }
        }
        self.services(&rest, keys);
    }

    /// Whose token it is.
    fn person(&mut self, rest: &Rest) -> Result<(Level, String), RestError> {
        let user = match rest.get(self.host, "/users/me") {
            Ok(user) => user,
            // An account's key belongs to nobody.
            Err(RestError::Invalid(_)) => {
                rest.get(self.host, ABILITIES)?;
                let what = "variable `api_token` holds an account's key: a user's key may do less, and /act would say who acted";
                return Ok((Level::Warning, what.to_owned()));
            }
            Err(error) => return Err(error),
        };
        let text = |path: &str| Node::root(&user).at(path).text().map(|text| rest.clean(&text)).unwrap_or_default();
        let (name, role) = (text("user.name"), text("user.role"));
        let reads = role.starts_with("read_only");
        let (level, what) = if reads { (Level::Note, ": it may read, and /act needs more") } else { (Level::Ok, "") };
        Ok((level, ["variable `api_token` holds the key of ", &name, ", whose role is ", &role, what].concat()))
    }

    /// What is behind each routing key, where the token shows it.
    fn services(&mut self, rest: &Rest, keys: &[Key]) {
        let mut found: Vec<Option<[String; 3]>> = keys.iter().map(|_| None).collect();
        let listed = rest.list(self.host, rest::SERVICES, "services", &mut |service| {
            for (key, found) in keys.iter().zip(&mut found) {
                if rest::has_key(service, &key.keys.current) {
                    let text = |name: &str| rest.clean(&service.get(name).text().unwrap_or_default());
                    *found = Some([text("name"), text("status"), text("alert_creation")]);
                }
            }
        });
        let complete = match listed {
            Ok(complete) => complete,
            Err(error) => {
                let level = if matches!(error, RestError::NotPermitted(_)) { Level::Note } else { Level::Warning };
                return self.say("services", level, &["the services were not looked at: ", &error.to_string()]);
            }
        };
        for (key, found) in keys.iter().zip(&found) {
            let name = ["`", &key.variable, "`"].concat();
            let Some([service, status, alerts]) = found else {
                let why = if complete { "" } else { ", and the list is incomplete" };
                let what = ["the token in variable `api_token` shows no service with the key in variable ", &name, why];
                self.say("services", Level::Note, &what);
                continue;
            };
            let what = ["service ", service, " with the key in variable ", &name, " is ", status].concat();
            match status.as_str() {
                "disabled" | "maintenance" => {
                    self.say("services", Level::Warning, &[&what, ": no page will come out of it"]);
                }
                _ => self.say("services", Level::Ok, &[&what]),
            }
            if alerts != "create_alerts_and_incidents" && !alerts.is_empty() {
                let what = ["service ", service, " with the key in variable ", &name, " makes no alerts: ", alerts];
                self.say("services", Level::Note, &what);
            }
        }
    }
}

/// The cheapest thing that any token may read.
const ABILITIES: &str = "/abilities";

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
