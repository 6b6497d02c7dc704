//! The secrets of a source, and the operator's requirements for its senders.

use super::names::{Control, QUERIES};
use super::target::is_routing_key;
use super::{ConfigError, Problem, choice, error, get, list, names};
use crate::auth::{self, Policy, Query, Scheme, Signature};
use crate::runtime::Host;
use crate::secret::{Rotation, Secret};

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

/// The secrets of a source, and the requirements for its senders.
#[derive(Debug)]
pub struct Config {
    /// The secrets of the source. `None` if it accepts only signatures with a certificate.
    pub secrets: Option<Rotation>,
    /// The operator's further requirements.
    pub policy: Policy,
    /// The accepted names, if the source's senders sign with a certificate.
    pub listed: Vec<String>,
    /// The variable that contains the current secret. The name of the previous secret's variable ends in `_previous`.
    pub variable: String,
}

/// Reads the secrets and requirements of `source`, whose senders have these schemes. With `own_secret`, the secret for
/// all sources is not accepted instead of the source's own.
///
/// # Errors
/// Returns [`ConfigError`] if the source has no usable secret or its settings are invalid. It then accepts nothing. The
/// reply names the variable even to senders that are not authenticated, because nobody can authenticate until it is
/// fixed.
pub fn load(host: &dyn Host, source: &str, schemes: &[Scheme<'_>], own_secret: bool) -> Result<Config, ConfigError> {
    let certified = schemes.iter().find_map(|scheme| match scheme {
        Scheme::Certified(certified) => Some(*certified),
        _ => None,
    });
    let listed = certified.map(|certified| list(host, certified.listed_in)).transpose()?.unwrap_or_default();
    let own = format!("secret_{source}");
    let (name, current) = match get(host, &own)? {
        Some(secret) => (own, Some(secret)),
        None if own_secret => (own, None),
        None => (SHARED.to_owned(), get(host, SHARED)?),
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
            let previous = get(host, &previous_name)?.map(|value| check(&previous_name, value)).transpose()?;
            Some(Rotation { current, previous })
        }
        // Signatures for the listed names need no secret.
        None if certified.is_some_and(|certified| certified.built_in) && !listed.is_empty() => None,
        None => return Err(error(&name, if own_secret { Problem::OwnUnset } else { Problem::Unset })),
    };
    let policy = policy(host, source, schemes)?;
    Ok(Config { secrets, policy, listed, variable: name })
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

/// Checks that the own secret of a source is not the shared secret: every sender knows that. It reads only the shared
/// secrets, because each read can be a call to a vault. Call it only for authenticated requests.
///
/// # Errors
/// Returns [`ConfigError`] if the values are the same. The source then accepts nothing.
pub fn check_not_shared(host: &dyn Host, config: &Config) -> Result<(), ConfigError> {
    differs(host, config, &[SHARED.to_owned(), format!("{SHARED}_previous")])
}

/// Checks that an endpoint's own secret has another value than the variables `others`.
fn differs(host: &dyn Host, config: &Config, others: &[String]) -> Result<(), ConfigError> {
    let own = config.variable.as_str();
    let Some(secrets) = config.secrets.as_ref().filter(|_| own != SHARED) else { return Ok(()) };
    let previous = format!("{own}_previous");
    for other in others.iter().filter(|other| **other != own && **other != previous) {
        // Without its value, it opens nothing.
        let Ok(Some(value)) = get(host, other) else { continue };
        let pairs = [(own, Some(&secrets.current)), (previous.as_str(), secrets.previous.as_ref())];
        let same = pairs.iter().find(|(_, secret)| secret.is_some_and(|secret| secret.matches(value.as_bytes())));
        if let Some((name, _)) = same {
            return Err(error(name, Problem::SecretShared));
        }
    }
    Ok(())
}

/// Reads the requirements for senders.
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

fn check_secret(name: &str, value: String) -> Result<Secret, ConfigError> {
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
    if is_routing_key(&value) {
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
