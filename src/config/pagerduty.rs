//! PagerDuty's URLs, and the token for its REST API.

use super::error::REST_KEY_CHARS;
use super::names::REGIONS;

use super::{ConfigError, Problem, choice, error, get, required};
use crate::http::Url;
use crate::http::url;
use crate::pagerduty::rest_api::Api;
use crate::runtime::Host;
use crate::secret::{Secret, is_routing_key};

/// The end of PagerDuty's host names, by region: `events.pagerduty.com` and `events.eu.pagerduty.com`, and the same for
/// `api`.
/// <https://support.pagerduty.com/main/docs/service-regions>
const DOMAIN_US: &str = ".pagerduty.com";
const DOMAIN_EU: &str = ".eu.pagerduty.com";

/// The path for alert events.
const EVENTS_PATH: &str = "/v2/enqueue";

/// The end of the path for alert events, and its replacement for change events.
pub(super) const ALERTS_END: &str = "/enqueue";
pub(super) const CHANGES_END: &str = "/change/enqueue";

/// Reads PagerDuty's URL for alert events. Also returns the variable that decides it.
///
/// # Errors
/// Returns [`ConfigError`] if a variable is invalid, or the store failed.
pub fn events(host: &dyn Host) -> Result<(Url, &'static str), ConfigError> {
    let url = region_url(host, "events", EVENTS_PATH)?;
    Ok(match get(host, "events_url")? {
        Some(url) => (check_url("events_url", &url, ALERTS_END, Problem::Url)?, "events_url"),
        None => (url, "region"),
    })
}

/// The URL of a path of PagerDuty's in the configured region.
fn region_url(host: &dyn Host, name: &str, path: &str) -> Result<Url, ConfigError> {
    let domain = choice(host, "region", REGIONS, &[("us", DOMAIN_US), ("eu", DOMAIN_EU)])?;
    Ok(Url { https: true, authority: [name, domain].concat(), path: path.to_owned() })
}

/// Reads the URL of PagerDuty's REST API, and the token for it.
///
/// # Errors
/// Returns [`ConfigError`] if the token is unset, a variable is invalid, or the store failed.
pub fn api(host: &dyn Host) -> Result<Api, ConfigError> {
    let token = check_token(required(host, "api_token")?)?;
    let base = region_url(host, "api", "")?;
    let base = match get(host, "api_url")? {
        Some(url) => {
            let url = check_url("api_url", &url, "", Problem::ApiUrl)?;
            Url { path: url.path.trim_end_matches('/').to_owned(), ..url }
        }
        None => base,
    };
    Ok(Api { base, token })
}

/// The same URL in PagerDuty's other region, and that region's word. Returns `None` if the URL is in neither region.
pub fn elsewhere(url: &Url) -> Option<(&'static str, Url)> {
    let (region, authority) = match url.authority.strip_suffix(DOMAIN_EU) {
        Some(name) => ("us", [name, DOMAIN_US].concat()),
        None => ("eu", [url.authority.strip_suffix(DOMAIN_US)?, DOMAIN_EU].concat()),
    };
    Some((region, Url { authority, ..url.clone() }))
}

/// Checks the shape of a token: a user's API key has 20 characters. Other values are never sent.
fn check_token(value: String) -> Result<Secret, ConfigError> {
    let problem = if is_routing_key(&value) {
        Problem::TokenIsRoutingKey
    } else if value.starts_with("pdus+_") || value.starts_with("pdeu+_") {
        Problem::TokenIsOauth
    } else if value.len() != REST_KEY_CHARS
        || !value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '_' | '-'))
    {
        Problem::TokenShape
    } else {
        return Ok(Secret::new(value));
    };
    Err(error("api_token", problem))
}

/// Checks a URL. A key must never cross a network unencrypted, so plain `http` is accepted for this machine only.
fn check_url(name: &str, value: &str, end: &str, problem: Problem) -> Result<Url, ConfigError> {
    let host = url::absolute_url(value).and_then(url::url_host).unwrap_or_default();
    let Some((scheme, authority, path)) = url::split_url(value).filter(|_| !host.is_empty()) else {
        return Err(error(name, problem));
    };
    let https = scheme.eq_ignore_ascii_case("https");
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "::1");
    if !https && !loopback || authority.contains('@') || !path.ends_with(end) || path.contains(['?', '#']) {
        return Err(error(name, problem));
    }
    Ok(Url { https, authority: authority.to_owned(), path: path.to_owned() })
}
