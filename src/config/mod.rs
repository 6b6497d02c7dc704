//! Variables to configuration: the only reader of variables.
//!
//! Closed is the default: a secret that is missing, weak or a placeholder opens nothing, and a routing key that cannot
//! be one is not sent anywhere. Each variable is read once, because a read can be a call to a vault.

use std::fmt;

use crate::auth::{self, Policy, Query, Scheme, Signature};
use crate::http::Url;
use crate::runtime::Host;
use crate::secret::{Rotation, Secret};
use crate::text;

mod pagerduty;

pub use self::pagerduty::{Api, api, elsewhere, events};

/// A variable that every deployment has in its `spin.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Whether its value is a secret.
    pub secret: bool,
}

/// The variables that everyone needs, in the order of `spin.toml`.
///
/// Beside them, `secret_<source>` and `routing_key_<service>`, each with its `_previous`, and `require_signature_<source>`
/// are read where a request's path asks for them, `secret_act` and `secret_check` among them, and `events_url` and
/// `api_url` for tests and the dev server.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "webhook_secret", secret: true },
    Variable { name: "webhook_secret_previous", secret: true },
    Variable { name: "routing_key", secret: true },
    Variable { name: "routing_key_previous", secret: true },
    Variable { name: "region", secret: false },
    Variable { name: "grouping", secret: false },
    Variable { name: "query_token", secret: false },
    Variable { name: "unmapped", secret: false },
    Variable { name: "sns_topics", secret: false },
    Variable { name: "api_token", secret: true },
];

/// The settings that are one of some words, each with these; the first is what an unset one means.
pub const SETTINGS: &[(&str, &str)] =
    &[("region", REGIONS), ("grouping", GROUPINGS), ("query_token", QUERIES), ("unmapped", UNMAPPED)];

const REGIONS: &str = "us, eu";
const GROUPINGS: &str = "alert, group";
const QUERIES: &str = "auto, on, off";
const UNMAPPED: &str = "page, reject";

/// The shortest secret that opens a source, in bytes.
pub const SECRET_MIN_BYTES: usize = 16;

/// The length of a routing key (an integration key or an orchestration key), in characters.
const ROUTING_KEY_CHARS: usize = 32;

/// The length of a REST API key, which is the usual thing to paste by mistake.
const REST_KEY_CHARS: usize = 20;

/// The end of the path of alert events, and what stands there for change events.
const ALERTS_END: &str = "/enqueue";
const CHANGES_END: &str = "/change/enqueue";

/// Words that stand where somebody meant to put a secret later.
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

/// What opens a source.
#[derive(Debug)]
pub struct Config {
    /// The secrets that open the source; none where only signatures of Amazon SNS do.
    pub secrets: Option<Rotation>,
    /// What is asked of senders beyond knowing one.
    pub policy: Policy,
    /// The topics of Amazon SNS that open the source, where its senders sign as SNS does.
    pub topics: Vec<String>,
    /// The variable that holds the secret in use; the other's ends in `_previous`.
    pub variable: String,
}

/// Where events go, and how many.
#[derive(Clone, Debug)]
pub struct Target {
    /// The routing key, and the one before it.
    pub routing_keys: Rotation,
    /// The name of the variable that holds the first, for a person to look at; the other's ends in `_previous`.
    pub routing_key_variable: String,
    /// Where PagerDuty takes alert events.
    pub alerts_url: Url,
    /// Where PagerDuty takes change events.
    pub changes_url: Url,
    /// The variable that says where these are.
    pub address_variable: &'static str,
    /// How a batch becomes events.
    pub grouping: Grouping,
    /// What becomes of a delivery that cannot be mapped, or that PagerDuty refuses.
    pub unmapped: Unmapped,
    /// A variable that cannot be used and can be done without for now.
    pub warning: Option<ConfigError>,
}

/// What becomes of a delivery that cannot be mapped, or that PagerDuty refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// A page says so.
    Page,
    /// The sender is told, and nobody else.
    Reject,
}

/// How a batch becomes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// An event for each alert.
    Alert,
    /// An event for the whole batch, where the vendor batches.
    Group,
}

/// A variable that cannot be used as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable to look at.
    pub variable: String,
    /// What is wrong with it, never what its value is.
    pub problem: Problem,
}

/// What is wrong with a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A base URL that is neither `https` nor on loopback.
    ApiUrl,
    /// A choice that is not one of these.
    Choice(&'static str),
    /// A routing key of another shape.
    KeyShape,
    /// A REST API key where a routing key belongs.
    KeyIsRestKey,
    /// A URL where a routing key belongs.
    KeyIsUrl,
    /// A public key where senders sign with a shared secret, or show one.
    SecretIsPublicKey,
    /// A secret whose prefix promises a key that does not follow.
    SecretMalformed,
    /// A secret that stands for one to be chosen.
    SecretPlaceholder,
    /// A secret in the shape of a routing key.
    SecretIsRoutingKey,
    /// A secret that is too short to be one.
    SecretShort,
    /// A signature is asked for, and this source's senders cannot sign.
    SignatureUnknown,
    /// Another kind of token than a user's API key.
    TokenIsOauth,
    /// A routing key where a user's API key belongs.
    TokenIsRoutingKey,
    /// A token of another shape.
    TokenShape,
    /// The store failed: the variable may well have a value.
    Store,
    /// Unset or blank.
    Unset,
    /// A URL that is neither `https` nor on loopback, or does not end as PagerDuty's do.
    Url,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable `{}` ", self.variable)?;
        match self.problem {
            Problem::ApiUrl => f.write_str("must be an https url, or http on loopback"),
            Problem::Choice(choices) => write!(f, "must be one of {choices}"),
            Problem::KeyShape => write!(f, "is not a routing key: {ROUTING_KEY_CHARS} letters and digits"),
            Problem::KeyIsRestKey => f.write_str("holds a rest api key: an integration key is needed"),
            Problem::KeyIsUrl => f.write_str("holds a url: only the integration key is needed"),
            Problem::SecretIsPublicKey => f.write_str("holds a public key, and this source's senders need a secret"),
            Problem::SecretMalformed => f.write_str("is malformed: after whsec_ or whpk_ comes a key in base64"),
            Problem::SecretPlaceholder => f.write_str("holds a placeholder: choose a random secret"),
            Problem::SecretIsRoutingKey => {
                write!(f, "looks like a routing key, {ROUTING_KEY_CHARS} letters and digits: choose a longer secret")
            }
            Problem::SecretShort => write!(f, "is too short: {SECRET_MIN_BYTES} characters at least"),
            Problem::SignatureUnknown => f.write_str("asks for a signature that this source's senders cannot make"),
            Problem::TokenIsOauth => f.write_str("holds an oauth token: only user api keys are used here"),
            Problem::TokenIsRoutingKey => f.write_str(
                "looks like a routing key: a user api key is needed, and routing keys have their own variables",
            ),
            Problem::TokenShape => {
                write!(
                    f,
                    "is not a user api key: {REST_KEY_CHARS} letters, digits, plus signs, hyphens and underscores"
                )
            }
            Problem::Store => f.write_str("could not be read: the variable store failed"),
            Problem::Unset => f.write_str("is not set"),
            Problem::Url => write!(f, "must be an https url that ends in {ALERTS_END}, or http on loopback"),
        }
    }
}

/// Reads what opens `source`, whose senders have these schemes.
///
/// # Errors
/// The source is closed: it has no usable secret, or it is not clear what opens it. Everybody is told which variable to
/// look at, because nobody can get in to be told.
pub fn load(host: &dyn Host, source: &str, schemes: &[Scheme<'_>]) -> Result<Config, ConfigError> {
    let topics = if schemes.contains(&Scheme::Sns) { topics(host)? } else { Vec::new() };
    let own = format!("secret_{source}");
    let (name, current) = match read(host, &own)? {
        Some(secret) => (own, Some(secret)),
        // Every vendor holds the shared one, and none may act as a person.
        None if source == "act" => (own, None),
        None => ("webhook_secret".to_owned(), read(host, "webhook_secret")?),
    };
    let check = |name: &str, value: String| {
        let secret = check_secret(name, value)?;
        let useless = auth::is_public_key(&secret) && !schemes.contains(&Scheme::StandardWebhooks);
        if useless { Err(error(name, Problem::SecretIsPublicKey)) } else { Ok(secret) }
    };
    let secrets = match current {
        Some(current) => {
            let current = check(&name, current)?;
            let previous_name = format!("{name}_previous");
            let previous = read(host, &previous_name)?.map(|value| check(&previous_name, value)).transpose()?;
            Some(Rotation { current, previous })
        }
        // Amazon's signature over a listed topic needs no secret.
        None if auth::CAN_VERIFY_SNS && !topics.is_empty() => None,
        None => return Err(error(&name, Problem::Unset)),
    };
    let policy = policy(host, source, schemes)?;
    Ok(Config { secrets, policy, topics, variable: name })
}

/// Reads which topics of Amazon SNS are listened to.
///
/// # Errors
/// The store failed.
pub fn topics(host: &dyn Host) -> Result<Vec<String>, ConfigError> {
    let list = read(host, "sns_topics")?.unwrap_or_default();
    Ok(list.split(',').map(str::trim).filter(|topic| !topic.is_empty()).map(str::to_owned).collect())
}

/// Reads the template of a mapping of the user's own, and the name of the variable that holds it. Everybody may ask: how
/// senders prove themselves is said in it.
///
/// # Errors
/// There is none, or the store failed.
#[cfg(feature = "templates")]
pub fn template(host: &dyn Host, name: &str) -> Result<(String, String), ConfigError> {
    let variable = ["custom_", name].concat();
    // Of a stranger's path nobody knows what is in it, so it is not repeated.
    let template = read(host, &variable)?.ok_or_else(|| error("custom_<name>", Problem::Unset))?;
    Ok((variable, template))
}

/// Reads what is asked of senders.
fn policy(host: &dyn Host, source: &str, schemes: &[Scheme<'_>]) -> Result<Policy, ConfigError> {
    let name = format!("require_signature_{source}");
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

/// Reads where events go. This is for known senders only: it reads variables that the path names, which can mean a call
/// to a vault for each.
///
/// # Errors
/// There is no usable routing key, or another variable holds what it cannot.
pub fn target(host: &dyn Host, service: Option<&str>) -> Result<Target, ConfigError> {
    let routing_key_variable = match service {
        Some(service) => format!("routing_key_{service}"),
        None => "routing_key".to_owned(),
    };
    let current = check_key(&routing_key_variable, &required(host, &routing_key_variable)?)?;
    let previous_name = format!("{routing_key_variable}_previous");
    let previous = read(host, &previous_name)?.filter(|value| !current.matches(value.as_bytes()));
    // It is needed for old alerts only. What is wrong with it must not stop new ones.
    let (previous, warning) = match previous.map(|value| check_key(&previous_name, &value)).transpose() {
        Ok(previous) => (previous, None),
        Err(error) => (None, Some(error)),
    };
    let (alerts_url, address_variable) = events(host)?;
    let grouping = choice(host, "grouping", GROUPINGS, &[("alert", Grouping::Alert), ("group", Grouping::Group)])?;
    let unmapped = choice(host, "unmapped", UNMAPPED, &[("page", Unmapped::Page), ("reject", Unmapped::Reject)])?;
    let base = alerts_url.path.strip_suffix(ALERTS_END).unwrap_or_default();
    let changes_url = Url { path: format!("{base}{CHANGES_END}"), ..alerts_url.clone() };
    let routing_keys = Rotation { current, previous };
    Ok(Target {
        routing_keys,
        routing_key_variable,
        alerts_url,
        changes_url,
        address_variable,
        grouping,
        unmapped,
        warning,
    })
}

/// Reads a variable that holds a routing key, where it is set.
///
/// # Errors
/// It holds something else.
pub fn key(host: &dyn Host, name: &str) -> Result<Option<Secret>, ConfigError> {
    read(host, name)?.map(|value| check_key(name, &value)).transpose()
}

/// Reads one of [`SETTINGS`] as the word that it means.
///
/// # Errors
/// It is none of them.
pub fn setting(host: &dyn Host, name: &str, choices: &'static str) -> Result<&'static str, ConfigError> {
    let value = read(host, name)?;
    let mut words = choices.split(',').map(str::trim);
    let word = match &value {
        Some(value) => words.find(|word| value.eq_ignore_ascii_case(word)),
        None => words.next(),
    };
    word.ok_or_else(|| error(name, Problem::Choice(choices)))
}

fn error(variable: &str, problem: Problem) -> ConfigError {
    ConfigError { variable: variable.to_owned(), problem }
}

/// A variable's value, trimmed: a key read from a file ends in a newline. Blank is unset.
fn read(host: &dyn Host, name: &str) -> Result<Option<String>, ConfigError> {
    match host.variable(name) {
        Ok(value) => Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(_) => Err(error(name, Problem::Store)),
    }
}

fn required(host: &dyn Host, name: &str) -> Result<String, ConfigError> {
    read(host, name)?.ok_or_else(|| error(name, Problem::Unset))
}

/// What the word that is set means. The first choice is what an unset variable means.
fn choice<T: Copy>(host: &dyn Host, name: &str, choices: &'static str, table: &[(&str, T)]) -> Result<T, ConfigError> {
    let word = setting(host, name, choices)?;
    let chosen = table.iter().find(|(choice, _)| *choice == word);
    chosen.map(|(_, value)| *value).ok_or_else(|| error(name, Problem::Choice(choices)))
}

fn check_secret(name: &str, value: String) -> Result<Secret, ConfigError> {
    let key = value.strip_prefix("whsec_").or_else(|| value.strip_prefix("whpk_")).unwrap_or(&value);
    let letters: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_ascii_lowercase();
    let listed = PLACEHOLDERS.iter().any(|word| text::contains(&letters, word));
    if listed || repeats(key.as_bytes()) || repeats(letters.as_bytes()) {
        return Err(error(name, Problem::SecretPlaceholder));
    }
    if value.len() < SECRET_MIN_BYTES {
        return Err(error(name, Problem::SecretShort));
    }
    // Any key, not only this service's: another service's key would page somebody.
    if is_routing_key(&value) {
        return Err(error(name, Problem::SecretIsRoutingKey));
    }
    if auth::check_key(&value).is_err() {
        return Err(error(name, Problem::SecretMalformed));
    }
    Ok(Secret::new(value))
}

/// Whether a text is one short word over and over: `xxxx`, `secretsecretsecret`.
fn repeats(text: &[u8]) -> bool {
    let again = |length: usize| text.get(length..).is_some_and(|rest| !rest.is_empty() && text.starts_with(rest));
    (1..=8).filter(|length| 2 * length <= text.len()).any(again)
}

/// A routing key is 32 letters and digits, in the case given; some hold letters beyond `f`.
fn check_key(name: &str, value: &str) -> Result<Secret, ConfigError> {
    if text::contains(value, "://") {
        return Err(error(name, Problem::KeyIsUrl));
    }
    if value.len() == REST_KEY_CHARS {
        return Err(error(name, Problem::KeyIsRestKey));
    }
    if !is_routing_key(value) {
        return Err(error(name, Problem::KeyShape));
    }
    Ok(Secret::new(value.to_owned()))
}

fn is_routing_key(value: &str) -> bool {
    value.len() == ROUTING_KEY_CHARS && value.chars().all(|c| c.is_ascii_alphanumeric())
}
