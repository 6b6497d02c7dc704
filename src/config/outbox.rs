//! What happens to events that PagerDuty does not accept in time.

use super::names::{FALLBACK_FORMAT, FALLBACK_FORMATS, OUTBOX, OUTBOXES, RETRY_AFTER_ANSWER, SWITCHES};
use super::target::key;
use super::{ConfigError, Problem, Variables, choice, error, get, setting};
use crate::http::{Url, url};
use crate::runtime::Host;
use crate::secret::{Rotation, Secret};

/// The variable with the URL of the fallback.
pub const FALLBACK_URL: &str = "fallback_url";

/// Whether events are stored that PagerDuty does not accept in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outbox {
    /// No.
    #[default]
    Off,
    /// In a store whose listing is always current.
    On,
    /// In a store with replicas, whose listing may lag. Only what opens an alert is stored, and only `/tick` sends it.
    Replicated,
}

/// Reads whether there is an outbox.
///
/// # Errors
/// Returns [`ConfigError`] if the variable is invalid, or the store failed.
pub fn outbox(host: &dyn Host) -> Result<Outbox, ConfigError> {
    let choices = [("off", Outbox::Off), ("on", Outbox::On), ("replicated", Outbox::Replicated)];
    choice(host, OUTBOX, OUTBOXES, &choices)
}

/// Whether the relay cannot know if there is an outbox: the variable is invalid, or could be a member of invalid `settings`.
/// Events may be stored all the same.
pub fn is_outbox_unknown(host: &Variables<'_>) -> bool {
    let is_unset = |host: &dyn Host| get(host, OUTBOX) == Ok(None);
    outbox(host).is_err() || host.problem().is_some() && is_unset(host)
}

/// Reads whether triggers are retried after the answer to the sender.
///
/// # Errors
/// Returns [`ConfigError`] if the variable is invalid, or the store failed.
pub fn retries_after_answer(host: &dyn Host) -> Result<bool, ConfigError> {
    choice(host, RETRY_AFTER_ANSWER, SWITCHES, &[("on", true), ("off", false)])
}

/// Where to report that PagerDuty does not accept an event. The URL may be a credential, so it has no `Debug`.
pub struct Fallback {
    /// The URL, whose path includes its query.
    pub url: Url,
    /// The URL as it is written, to find it in responses.
    pub secret: Secret,
    /// The format of messages.
    pub format: FallbackFormat,
}

/// The format of messages to the fallback.
#[derive(Debug)]
pub enum FallbackFormat {
    /// The events themselves, to another Events API with this key.
    Event(Rotation),
    /// A card for Microsoft Teams.
    Teams,
    /// A text, which most chats accept.
    Text,
}

/// Reads where to report. Returns `None` if the variable is unset.
///
/// # Errors
/// Returns [`ConfigError`] if a variable is invalid, or the store failed.
pub fn fallback(host: &dyn Host) -> Result<Option<Fallback>, ConfigError> {
    const KEY: &str = "fallback_routing_key";
    let Some(value) = get(host, FALLBACK_URL)? else { return Ok(None) };
    let url = address(&value).ok_or_else(|| error(FALLBACK_URL, Problem::FallbackUrl))?;
    let secret = Secret::new(value);
    let format = match setting(host, FALLBACK_FORMAT, FALLBACK_FORMATS)? {
        "event" => match key(host, KEY)? {
            Some(current) => FallbackFormat::Event(Rotation { current, previous: None }),
            None => return Err(error(KEY, Problem::Unset)),
        },
        "teams" => FallbackFormat::Teams,
        _ => FallbackFormat::Text,
    };
    Ok(Some(Fallback { url, secret, format }))
}

/// The parts of an `https` URL. Plain `http` is accepted for this machine only.
fn address(text: &str) -> Option<Url> {
    let url = url::absolute_url(text)?;
    let (scheme, authority, rest) = url::split_url(url)?;
    let https = scheme.eq_ignore_ascii_case("https");
    let loopback = matches!(url::url_host(url)?, "localhost" | "127.0.0.1" | "::1");
    let path = rest.split_once('#').map_or(rest, |(path, _)| path);
    let path = match path.chars().next() {
        Some('/') => path.to_owned(),
        Some('?') => ["/", path].concat(),
        None => "/".to_owned(),
        Some(_) => return None,
    };
    let is_usable = (https || loopback) && !authority.contains('@');
    is_usable.then(|| Url { https, authority: authority.to_owned(), path })
}
