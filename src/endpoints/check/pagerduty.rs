//! Checks with PagerDuty: whether it is reachable, whether it accepts the keys, and which services the token shows.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Checker, FoundKey, Level};
use crate::auth::SHARED_SECRET;
use crate::config::{self, ConfigError, Control, Problem};
use crate::http::Url;
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event};
use crate::pagerduty::events_api::{self, Probe, Sent, Verdict};
use crate::pagerduty::rest_api::{self, Rest, RestError};
use crate::runtime::{self, HttpRequest, SendError};
use crate::text;

/// The deadlines of the stages, counted from the request's arrival.
const EGRESS_MAX: Duration = Duration::from_secs(4);
const PROBE_MAX: Duration = Duration::from_secs(9);
const TOTAL_MAX: Duration = Duration::from_secs(15);

/// The cheapest request that every token may make.
const ABILITIES: &str = "/abilities";

impl Checker<'_> {
    /// Checks that PagerDuty's Events API is reachable. Any response counts.
    pub(super) fn egress(&mut self, url: &Url, variable: &str) -> bool {
        let mut root = Url { path: "/".to_owned(), ..url.clone() };
        let reached = runtime::request_once(self.host, HttpRequest::get(root.clone()), Duration::ZERO, EGRESS_MAX);
        root.path.clear();
        let root = root.to_string();
        match &reached {
            Ok(_) => self.say(Level::Ok, "{} is reachable", &[&root]),
            Err(SendError::Denied) => self.say(Level::Error, DENIED, &[&root, &root]),
            Err(error) => self.say(Level::Error, UNREACHABLE, &[&root, &error.to_string(), variable]),
        }
        reached.is_ok()
    }

    /// Checks that PagerDuty accepts the routing keys, with events that have no effect.
    pub(super) fn probe(&mut self, keys: &[FoundKey], url: &Url, variable: &str) {
        let mut probes: Vec<Probe<'_>> = Vec::new();
        for FoundKey { variable, key, .. } in keys {
            let mut nonce = self.host.now().as_nanos().to_le_bytes().to_vec();
            nonce.extend_from_slice(variable.as_bytes());
            let unused = DedupKey::own("check", &text::sha256_hex(&nonce));
            probes.push(Probe { key, event: Event::bare(Action::Resolve, unused) });
        }
        let other = config::elsewhere(url);
        let mut urls = vec![url];
        if let Some((_, url)) = &other {
            urls.push(url);
        }
        let told = events_api::probe(self.host, &probes, &urls, PROBE_MAX);
        for (key, told) in keys.iter().zip(&told) {
            let name = key.variable.as_str();
            let said = told.first().map(Sent::to_string).unwrap_or_else(|| SendError::Deadline.to_string());
            let other = other.as_ref().filter(|_| told.get(1).map(Sent::verdict) == Some(Verdict::Accepted));
            let refused = if key.previous { Level::Warning } else { Level::Error };
            let (level, what, parts) = match (told.first().map(Sent::verdict), other) {
                (Some(Verdict::Accepted), _) => (Level::Ok, "PagerDuty accepts the key in variable `{}`", [name, ""]),
                (Some(Verdict::RefusedKey), Some((region, _))) => (refused, ELSEWHERE, [name, *region]),
                (Some(Verdict::RefusedKey), None) => (refused, UNKNOWN, [name, ""]),
                (Some(Verdict::Misdirected), _) => (Level::Error, MISDIRECTED, [said.as_str(), variable]),
                _ if said.starts_with("429") => (Level::Note, THROTTLED, [name, ""]),
                _ => (Level::Warning, UNSAID, [name, said.as_str()]),
            };
            self.say(level, what, &parts);
        }
    }

    /// Checks the token, and the services that it shows behind the routing keys. Alerting never needs the token.
    pub(super) fn token(&mut self, keys: &[FoundKey], deep: bool) {
        let api = match config::api(self.host) {
            Ok(api) => api,
            Err(ConfigError { problem: Problem::Unset, .. }) => {
                return self.say(Level::Ok, "variable `api_token` is not set; only /act needs it", &[]);
            }
            // The settings already report it.
            Err(error) if error.variable == "region" => return,
            Err(error) => return self.say(Level::Warning, &error.to_string(), &[]),
        };
        let act = config::load(self.host, Control::Act.slug(), SHARED_SECRET, Control::Act.accepted());
        if let Err(error) = act.and_then(|config| config::check_own_secret(self.host, &config)) {
            let level = if error.problem == Problem::OwnUnset { Level::Note } else { Level::Warning };
            self.say(level, "/act is disabled: {}", &[&error.to_string()]);
        }
        let mut rest = Rest { api, hidden: Vec::new(), deadline: TOTAL_MAX };
        for key in keys {
            rest.hidden.push(key.key.clone());
        }
        if let Err(error) = self.person(&rest) {
            let refused = error.problem == rest_api::Problem::Refused;
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

    /// Reports the owner of the token.
    fn person(&mut self, rest: &Rest) -> Result<(), RestError> {
        let user = match rest.get(self.host, "/users/me") {
            // An account-level key has no owner.
            Err(error) if error.problem == rest_api::Problem::Invalid => {
                rest.get(self.host, ABILITIES)?;
                self.say(Level::Warning, ACCOUNT, &[]);
                return Ok(());
            }
            user => user?,
        };
        let text = |path: &str| rest.clean(&Node::root(&user).at(path).text().unwrap_or_default());
        let (name, role) = (text("user.name"), text("user.role"));
        let (level, but) = match role.starts_with("read_only") {
            true => (Level::Note, "; it is read-only, and /act needs write access"),
            false => (Level::Ok, ""),
        };
        self.say(level, "variable `api_token` holds the API key of {} with role {}{}", &[&name, &role, but]);
        Ok(())
    }

    /// Reports the service behind each routing key, if the token shows it.
    fn services(&mut self, rest: &Rest, keys: &[FoundKey]) {
        let mut found = Map::new();
        let listed = rest.list(self.host, rest_api::SERVICES, "services", &mut |service| {
            for key in keys {
                if rest_api::has_key(service, &key.key) {
                    found.insert(key.variable.clone(), service.value().cloned().unwrap_or_default());
                }
            }
        });
        let complete = match listed {
            Ok(complete) => complete,
            Err(error) => {
                let refused = error.problem == rest_api::Problem::NotPermitted;
                let level = if refused { Level::Note } else { Level::Warning };
                return self.say(level, "services were not checked: {}", &[&error.to_string()]);
            }
        };
        let found = Value::Object(found);
        for key in keys {
            let name = key.variable.as_str();
            let service = Node::root(&found).get(name);
            let text = |name: &str| rest.clean(&service.get(name).text().unwrap_or_default());
            let (service, status, alerts) = (text("name"), text("status"), text("alert_creation"));
            let (level, but) = match status.as_str() {
                "disabled" | "maintenance" if key.previous => (Level::Note, "; it will not page anyone"),
                "disabled" => (Level::Error, "; it will not page anyone"),
                "maintenance" => (Level::Warning, "; it will not page anyone"),
                "" => {
                    let but = if complete { "" } else { "; the list of services was incomplete" };
                    self.say(Level::Note, NO_SERVICE, &[name, but]);
                    continue;
                }
                _ => (Level::Ok, ""),
            };
            self.say(level, "service {} (key in variable `{}`) is {}{}", &[&service, name, &status, but]);
            if alerts != "create_alerts_and_incidents" && !alerts.is_empty() {
                let what = "service {} (key in variable `{}`) does not create alerts: {}";
                self.say(Level::Note, what, &[&service, name, &alerts]);
            }
        }
    }
}

// The longer messages.
const ACCOUNT: &str =
    "variable `api_token` holds an account-level API key: whoever holds `secret_act` can act as any user";
const DENIED: &str = "outbound requests to {} are blocked: add \"{}\" to allowed_outbound_hosts. On Spin, also check that \
    every variable has a default: a single unresolvable variable blocks all outbound requests";
const ELSEWHERE: &str = "the key in variable `{}` belongs to the other region; set variable `region` to {}";
const MISDIRECTED: &str =
    "the server at the events URL is not PagerDuty's Events API (it answered {}); check variable `{}`";
const NO_SERVICE: &str = "no service visible to `api_token` uses the key in `{}`. This can be harmless: PagerDuty does not \
    always return integration keys{}";
const THROTTLED: &str = "PagerDuty is rate-limiting the key in variable `{}`; check again later";
const TOKEN_ELSEWHERE: &str =
    "the token in variable `api_token` belongs to the other region; set variable `region` to {}";
const UNKNOWN: &str = "PagerDuty does not know the key in variable `{}`; it was deleted or is not an integration key";
const UNREACHABLE: &str = "{} cannot be reached ({}); check the network and variable `{}`";
const UNSAID: &str = "PagerDuty did not say whether it accepts the key in variable `{}`: {}";
