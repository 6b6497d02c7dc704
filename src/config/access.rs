//! The secrets of a source, and the operator's requirements for its senders.

use super::names::{Control, QUERIES};
use super::services::{DEFAULT_SERVICE, services};
use super::target::Target;
use super::{ConfigError, Problem, choice, error, get, list, names};
use crate::auth::{self, AuthenticatedBy, Policy, Query, Scheme, Signature};
use crate::runtime::Host;
use crate::secret::{Rotation, Secret, is_routing_key};

/// The shortest accepted secret, in bytes.
pub const SECRET_MIN_BYTES: usize = 16;

/// The variable of the secret for all sources without a secret of their own.
pub(super) const SHARED: &str = "webhook_secret";

/// Words that mark a placeholder for a secret.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "correcthorse",
    "example",
    "insert",
    "password",
    "placeholder",
    "replaceme",
    "secrethere",
    "yoursecret",
];

/// Which secrets authenticate the senders of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted<'a> {
    /// The source's own, else the secret for all sources.
    Any,
    /// The source's own, and those of its services, which clients of an API send as their key. The secret for all sources
    /// is not accepted. The secrets may have the shape of a routing key, because some clients accept no other key.
    Keys {
        /// The service that the path names. No other service's secret is accepted then.
        service: Option<&'a str>,
    },
    /// Only the source's own.
    Own,
}

/// The secrets of a source, and the requirements for its senders.
#[derive(Debug)]
pub struct Config {
    /// The secrets of the source. `None` if it accepts only signatures with a certificate, or only secrets of services.
    pub secrets: Option<Rotation>,
    /// The secrets of its services, each with its service.
    pub of_services: Vec<(String, Rotation)>,
    /// The operator's further requirements.
    pub policy: Policy,
    /// The accepted names, if the source's senders sign with a certificate.
    pub listed: Vec<String>,
    /// The end of its variables' names.
    pub slug: String,
    /// Whether the secrets are those that clients send as their key ([`Accepted::Keys`]).
    pub keys: bool,
    /// The variable that contains the current secret. The name of the previous secret's variable ends in `_previous`.
    pub variable: String,
}

/// Reads the secrets and requirements of `source`, whose senders have these schemes.
///
/// The secrets of services are those of the services in variable `services_<source>`: `secret_<source>_<service>`. A
/// source needs no secret of its own if at least one service has one.
///
/// # Errors
/// Returns [`ConfigError`] if the source has no usable secret or its settings are invalid. It then accepts nothing. The
/// reply names the variable even to senders that are not authenticated, because nobody can authenticate until it is
/// fixed.
pub fn load(
    host: &dyn Host,
    source: &str,
    schemes: &[Scheme<'_>],
    accepted: Accepted<'_>,
) -> Result<Config, ConfigError> {
    let certified = schemes.iter().find_map(|scheme| match scheme {
        Scheme::Certified(certified) => Some(*certified),
        _ => None,
    });
    let listed = certified.map(|certified| list(host, certified.listed_in)).transpose()?.unwrap_or_default();
    let own = ["secret_", source].concat();
    let (name, current) = match get(host, &own)? {
        Some(secret) => (own, Some(secret)),
        None if accepted != Accepted::Any => (own, None),
        None => (SHARED.to_owned(), get(host, SHARED)?),
    };
    let keys = matches!(accepted, Accepted::Keys { .. });
    let check = |name: &str, value: String| {
        let secret = check_secret(name, value, keys)?;
        let takes_public_key = || schemes.iter().any(|scheme| matches!(scheme, Scheme::StandardWebhooks));
        let useless = auth::is_public_key(&secret) && !takes_public_key();
        if useless { Err(error(name, Problem::SecretIsPublicKey)) } else { Ok(secret) }
    };
    let rotation = |name: &str, current: String| {
        let current = check(name, current)?;
        let previous_name = [name, "_previous"].concat();
        let previous = get(host, &previous_name)?.map(|value| check(&previous_name, value)).transpose()?;
        Ok(Rotation { current, previous })
    };
    let secrets = current.map(|current| rotation(&name, current)).transpose()?;
    let of_services = match accepted {
        Accepted::Any | Accepted::Own => Vec::new(),
        Accepted::Keys { service } => of_services(host, source, service, secrets.is_some(), &rotation)?,
    };
    // A path of a service without a secret is as closed as that of a service that does not exist: others must not learn
    // which services there are.
    let of_any_service =
        || Ok(keys && !self::of_services(host, source, None, secrets.is_some(), &rotation)?.is_empty());
    // Signatures for the listed names need no secret.
    let needs_none = certified.is_some_and(|certified| certified.verify.is_some()) && !listed.is_empty();
    if secrets.is_none() && of_services.is_empty() && !needs_none && !of_any_service()? {
        return Err(error(&name, if accepted == Accepted::Any { Problem::Unset } else { Problem::OwnUnset }));
    }
    let policy = policy(host, source, schemes)?;
    Ok(Config { secrets, of_services, policy, listed, slug: source.to_owned(), keys, variable: name })
}

/// Reads the secrets of the services that a source may page, or of one of them. An invalid list is only an error if the
/// source has no secret of its own: senders that are not authenticated must not learn about the list.
fn of_services(
    host: &dyn Host,
    source: &str,
    only: Option<&str>,
    has_own: bool,
    rotation: &dyn Fn(&str, String) -> Result<Rotation, ConfigError>,
) -> Result<Vec<(String, Rotation)>, ConfigError> {
    let listed = match named_services(host, source) {
        Err(error) if has_own && error.problem != Problem::Store => Vec::new(),
        listed => listed?,
    };
    let mut found = Vec::new();
    for service in listed.into_iter().filter(|listed| only.is_none_or(|only| only == listed)) {
        let name = secret_of(source, &service);
        if let Some(current) = get(host, &name)? {
            found.push((service, rotation(&name, current)?));
        }
    }
    Ok(found)
}

/// The services in the list of a source, each once.
fn named_services(host: &dyn Host, source: &str) -> Result<Vec<String>, ConfigError> {
    let mut named = services(host, source)?.unwrap_or_default();
    named.sort();
    named.dedup();
    named.retain(|service| service != DEFAULT_SERVICE);
    Ok(named)
}

/// The variable of the current value, from that or from the variable of the previous one.
fn without_previous(name: &str) -> &str {
    name.strip_suffix("_previous").unwrap_or(name)
}

/// The variable of the secret that names a service of a source.
fn secret_of(source: &str, service: &str) -> String {
    ["secret_", source, "_", service].concat()
}

impl Config {
    /// The secrets, each with its variable: that of the source first, and each before its previous value.
    pub fn variables(&self) -> Vec<(String, &Secret)> {
        let own = self.secrets.iter().map(|secrets| (self.variable.clone(), secrets));
        let of_services = self.of_services.iter().map(|(service, secrets)| (secret_of(&self.slug, service), secrets));
        let mut all = Vec::new();
        for (name, Rotation { current, previous }) in own.chain(of_services) {
            let previous = previous.as_ref().map(|previous| ([&name, "_previous"].concat(), previous));
            all.push((name, current));
            all.extend(previous);
        }
        all
    }

    /// Whether a path that sends with the routing key in variable `key` may accept the secret in variable `name`. A secret
    /// of a service is accepted only for that service.
    pub fn may_meet(&self, name: &str, key: &str) -> bool {
        let own = [&self.variable, "_"].concat();
        let service = without_previous(name).strip_prefix(&own);
        service.is_none_or(|service| without_previous(key) == ["routing_key_", service].concat())
    }

    /// The secret that a client has sent as its key. Returns `None` if the secrets are none that clients send so.
    pub fn key_of(&self, by: AuthenticatedBy<'_>) -> Option<&Secret> {
        let secrets = match by.service {
            Some(name) => self.of_services.iter().find(|(service, _)| service == name).map(|(_, secrets)| secrets),
            None => self.secrets.as_ref(),
        };
        let Rotation { current, previous } = secrets.filter(|_| self.keys)?;
        if by.previous { previous.as_ref() } else { Some(current) }
    }

    /// Replaces every occurrence of one of the secrets in `text`.
    pub fn redact(&self, text: &str) -> String {
        let all = self.secrets.iter().chain(self.of_services.iter().map(|(_, secrets)| secrets));
        all.fold(text.to_owned(), |text, secrets| secrets.redact(&text))
    }
}

/// Checks that the secret of a control endpoint is not the value of any other secret: the senders know those. Call it
/// only for authenticated requests: it reads every secret, and each read can be a call to a vault.
///
/// # Errors
/// Returns [`ConfigError`] if another variable has the same value. The endpoint then accepts nothing.
pub fn check_own_secret(host: &dyn Host, config: &Config) -> Result<(), ConfigError> {
    // A store that does not list its variables still has these.
    let mut others = vec![SHARED.to_owned(), format!("{SHARED}_previous"), "api_token".to_owned()];
    others.extend(Control::ALL.map(|control| format!("secret_{}", control.slug())));
    others.extend(names(host).all().into_iter().filter(|name| name.starts_with("secret_")));
    differs(host, config, &others)
}

/// Checks that the own secrets of a source are not the shared secret, which every sender knows, and that no two of its
/// services have the same secret. It reads only the secrets that it compares, because each read can be a call to a vault.
/// Call it only for authenticated requests.
///
/// # Errors
/// Returns [`ConfigError`] if the values are the same. The source then accepts nothing.
pub fn check_not_shared(host: &dyn Host, config: &Config) -> Result<(), ConfigError> {
    let mut others = vec![SHARED.to_owned(), format!("{SHARED}_previous")];
    if config.keys {
        // The check of the service reports an invalid list.
        let named = named_services(host, &config.slug).unwrap_or_default();
        let of_services = named.into_iter().map(|service| secret_of(&config.slug, &service));
        for name in [config.variable.clone()].into_iter().chain(of_services) {
            others.push(format!("{name}_previous"));
            others.push(name);
        }
    }
    differs(host, config, &others)
}

/// Checks that the own secrets of an endpoint have other values than the variables `others`.
fn differs(host: &dyn Host, config: &Config, others: &[String]) -> Result<(), ConfigError> {
    if config.variable == SHARED {
        return Ok(());
    }
    let own = config.variables();
    for other in others {
        // Without its value, it opens nothing.
        let Ok(Some(value)) = get(host, other) else { continue };
        // The two values of one rotation may be the same.
        let mut rest = own.iter().filter(|(name, _)| without_previous(name) != without_previous(other));
        if let Some((name, _)) = rest.find(|(_, secret)| secret.matches(value.as_bytes())) {
            return Err(error(name, Problem::SecretShared));
        }
    }
    Ok(())
}

/// Checks that no secret that clients send as their key is the routing key that the relay sends their events with: PagerDuty
/// shows that key to people who need no secret of the relay. Call it only for authenticated requests.
///
/// # Errors
/// Returns [`ConfigError`] if the values are the same. The source then accepts nothing.
pub fn check_not_routing_key(config: &Config, target: &Target) -> Result<(), ConfigError> {
    if !config.keys {
        return Ok(());
    }
    let Rotation { current, previous } = &target.routing_keys;
    let variable = &target.routing_key_variable;
    let keys = previous.iter().map(|key| ([variable, "_previous"].concat(), key));
    let keys: Vec<(String, &Secret)> = keys.chain([(variable.clone(), current)]).collect();
    for (name, secret) in config.variables() {
        if let Some((key, _)) = keys.iter().find(|(_, key)| key.equals(secret)) {
            return Err(error(&name, Problem::SecretIsKeyIn(key.clone())));
        }
    }
    Ok(())
}

/// Reads the requirements for senders.
fn policy(host: &dyn Host, source: &str, schemes: &[Scheme<'_>]) -> Result<Policy, ConfigError> {
    let name = ["require_signature_", source].concat();
    let signatures =
        [("off", Signature::Optional), ("on", Signature::Required), ("timestamped", Signature::Timestamped)];
    let signature = choice(host, &name, "off, on, timestamped", &signatures)?;
    let able = |scheme: &Scheme<'_>| match signature {
        Signature::Optional => true,
        Signature::Required => scheme.is_signature(),
        Signature::Timestamped => scheme.signs_time(),
    };
    if !schemes.iter().any(able) {
        return Err(error(&name, Problem::SignatureUnknown));
    }
    let queries = [("auto", Query::Listed), ("on", Query::Any), ("off", Query::None)];
    let query = choice(host, "query_token", QUERIES, &queries)?;
    Ok(Policy { signature, query })
}

pub(super) fn check_secret(name: &str, value: String, may_look_like_key: bool) -> Result<Secret, ConfigError> {
    let key = value.strip_prefix("whsec_").or_else(|| value.strip_prefix("whpk_")).unwrap_or(&value);
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    let listed = PLACEHOLDERS.iter().any(|word| letters.contains(word));
    if listed || repeats(key.as_bytes()) || repeats(letters.as_bytes()) {
        return Err(error(name, Problem::SecretPlaceholder));
    }
    if value.len() < SECRET_MIN_BYTES {
        return Err(error(name, Problem::SecretShort));
    }
    // This rejects any routing key, not only this service's: with another service's key, a sender could page somebody.
    if is_routing_key(&value) && !may_look_like_key {
        return Err(error(name, Problem::SecretIsRoutingKey));
    }
    if auth::check_key(&value).is_err() {
        return Err(error(name, Problem::SecretMalformed));
    }
    Ok(Secret::new(value))
}

/// Whether a text only repeats one short word: `xxxx`, `secretsecretsecret`.
fn repeats(text: &[u8]) -> bool {
    let again = |length: usize| text.get(length..).is_some_and(|rest| !rest.is_empty() && text.starts_with(rest));
    (1..=8).filter(|length| 2 * length <= text.len()).any(again)
}
