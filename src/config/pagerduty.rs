//! Where PagerDuty is, and the token for its REST API.

use super::error::REST_KEY_CHARS;
use super::names::REGIONS;
use super::target::is_routing_key;
use super::{ConfigError, Problem, choice, error, get, required};
use crate::http::Url;
use crate::http::url;
use crate::pagerduty::rest_api::Api;
use crate::runtime::Host;
use crate::secret::Secret;

/// The end of PagerDuty's hosts, by region: `events.pagerduty.com`, `events.eu.pagerduty.com`, and `api` the same.
/// <https://support.pagerduty.com/main/docs/service-regions>
const DOMAIN_US: &str = ".pagerduty.com";
const DOMAIN_EU: &str = ".eu.pagerduty.com";

/// Where PagerDuty takes alert events.
const EVENTS_PATH: &str = "/v2/enqueue";

/// The end of the path of alert events, and what stands there for change events.
pub(super) const ALERTS_END: &str = "/enqueue";
pub(super) const CHANGES_END: &str = "/change/enqueue";

/// Reads where PagerDuty takes alert events, and the variable that says so.
///
/// # Errors
/// It says what it cannot.
pub fn events(host: &dyn Host) -> Result<(Url, &'static str), ConfigError> {
    let url = region_url(host, "events", EVENTS_PATH)?;
    Ok(match get(host, "events_url")? {
        Some(url) => (check_url("events_url", &url, ALERTS_END, Problem::Url)?, "events_url"),
        None => (url, "region"),
    })
}

/// A path of PagerDuty's in the region that is set.
fn region_url(host: &dyn Host, name: &str, path: &str) -> Result<Url, ConfigError> {
    let domain = choice(host, "region", REGIONS, &[("us", DOMAIN_US), ("eu", DOMAIN_EU)])?;
    Ok(Url { https: true, authority: [name, domain].concat(), path: path.to_owned() })
}

/// Reads where PagerDuty's REST API is, and the token for it.
///
/// # Errors
/// There is no usable token, or another variable holds what it cannot.
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

/// The same place in PagerDuty's other region, and that region's word; nothing where it is in none.
pub fn elsewhere(url: &Url) -> Option<(&'static str, Url)> {
    let (region, authority) = match url.authority.strip_suffix(DOMAIN_EU) {
        Some(name) => ("us", [name, DOMAIN_US].concat()),
        None => ("eu", [url.authority.strip_suffix(DOMAIN_US)?, DOMAIN_EU].concat()),
    };
    Some((region, Url { authority, ..url.clone() }))
}

/// A user's API key has 20 characters; what is none of these is sent nowhere.
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

/// A key must never cross a network in the clear, so plain `http` is for this machine alone.
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
