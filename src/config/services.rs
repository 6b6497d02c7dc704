//! The services that a source may page.

use super::names::is_service;
use super::{ConfigError, Problem, error, get, items};
use crate::runtime::Host;

/// The word for the service of a path without a service name, in a list of services. In a list, it never means a
/// service of that name: a list cannot allow `/<source>/default`.
pub const DEFAULT_SERVICE: &str = "default";

/// The services that a source or a template may page, by variable `services_<source>`. Commas or white space separate
/// them. Returns `None` if it may page every service.
///
/// # Errors
/// Returns [`ConfigError`] if an item is not the name of a service, if there are only separators, or if the store
/// failed.
pub fn services(host: &dyn Host, source: &str) -> Result<Option<Vec<String>>, ConfigError> {
    let name = variable(source);
    let Some(list) = get(host, &name)? else { return Ok(None) };
    let items: Vec<String> = items(&list).map(str::to_owned).collect();
    let valid = !items.is_empty() && items.iter().all(|item| is_service(item));
    if valid { Ok(Some(items)) } else { Err(error(&name, Problem::ServiceList)) }
}

/// Checks that a source or a template may page a service. `None` is the service of a path without a service name. Call
/// it only for authenticated senders: others must not learn which services exist.
///
/// # Errors
/// Returns [`ConfigError`] if the source may not page the service, if the list is invalid, or if the store failed.
pub fn check_service(host: &dyn Host, source: &str, service: Option<&str>) -> Result<(), ConfigError> {
    let Some(listed) = services(host, source)? else { return Ok(()) };
    let has = |word: &str| listed.iter().any(|listed| listed == word);
    match service {
        None if !has(DEFAULT_SERVICE) => Err(error(&variable(source), Problem::DefaultUnlisted)),
        Some(service) if service == DEFAULT_SERVICE || !has(service) => {
            Err(error(&variable(source), Problem::ServiceUnlisted))
        }
        _ => Ok(()),
    }
}

fn variable(source: &str) -> String {
    ["services_", source].concat()
}
