//! The destination of events.

use super::error::REST_KEY_CHARS;
use super::names::{GROUPINGS, UNMAPPED};
use super::options::Grouping;
use super::pagerduty::{ALERTS_END, CHANGES_END, events};
use super::{ConfigError, Problem, choice, error, get, required};
use crate::http::Url;
use crate::pagerduty::events_api::Destination;
use crate::runtime::Host;
use crate::secret::{Rotation, Secret, is_routing_key};

/// The variable with the routing key of a path without a service name, and the beginning of the others' names.
const KEY: &str = "routing_key";

/// Where to send events, and how many to make.
#[derive(Clone, Debug)]
pub struct Target {
    /// The current and the previous routing key.
    pub routing_keys: Rotation,
    /// The variable that contains the current key. The name of the previous key's variable ends in `_previous`.
    pub routing_key_variable: String,
    /// PagerDuty's URL for alert events.
    pub alerts_url: Url,
    /// PagerDuty's URL for change events.
    pub changes_url: Url,
    /// The variable that decides these URLs.
    pub address_variable: &'static str,
    /// How a batch of alerts becomes events.
    pub grouping: Grouping,
    /// What to do with a delivery that cannot be mapped or that PagerDuty rejects as invalid.
    pub unmapped: Unmapped,
    /// An invalid variable that is not needed now.
    pub warning: Option<ConfigError>,
}

impl Target {
    /// Warns that the previous key is invalid.
    pub fn warns(&self) -> Option<String> {
        let warning = self.warning.as_ref();
        warning.map(|error| format!("{error}; alerts opened with the previous key stay open"))
    }

    /// The destination, as the Events API needs it.
    pub fn destination(&self) -> Destination<'_> {
        Destination {
            keys: &self.routing_keys,
            alerts: &self.alerts_url,
            changes: &self.changes_url,
            minimal: self.unmapped == Unmapped::Page,
        }
    }

    /// The service. `None` for that of a path without a service name.
    pub fn service(&self) -> Option<&str> {
        self.routing_key_variable.strip_prefix(KEY)?.strip_prefix('_')
    }
}

/// What to do with a delivery that cannot be mapped or that PagerDuty rejects as invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// Send a fallback alert.
    Page,
    /// Only return an error to the sender.
    Reject,
}

/// Reads the destination of events. Call it only for authenticated senders: it reads variables that the path names, and
/// each read can be a call to a vault.
///
/// # Errors
/// Returns [`ConfigError`] if the routing key is unset, a variable is invalid, or the store failed.
pub fn target(host: &dyn Host, service: Option<&str>) -> Result<Target, ConfigError> {
    let routing_key_variable = match service {
        Some(service) => [KEY, "_", service].concat(),
        None => KEY.to_owned(),
    };
    let current = check_key(&routing_key_variable, &required(host, &routing_key_variable)?)?;
    let previous_name = [&routing_key_variable, "_previous"].concat();
    let previous = get(host, &previous_name)?.filter(|value| !current.matches(value.as_bytes()));
    // Only old alerts need the previous key, so a problem with it must not stop new alerts.
    let (previous, warning) = match previous.map(|value| check_key(&previous_name, &value)).transpose() {
        Ok(previous) => (previous, None),
        Err(error) => (None, Some(error)),
    };
    let (alerts_url, address_variable) = events(host)?;
    let grouping = choice(host, "grouping", GROUPINGS, &[("alert", Grouping::Alert), ("group", Grouping::Group)])?;
    let unmapped = choice(host, "unmapped", UNMAPPED, &[("page", Unmapped::Page), ("reject", Unmapped::Reject)])?;
    let base = alerts_url.path.strip_suffix(ALERTS_END).unwrap_or_default();
    let changes_url = Url { path: [base, CHANGES_END].concat(), ..alerts_url.clone() };
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

/// Reads a variable that contains a routing key. Returns `None` if it is unset.
///
/// # Errors
/// Returns [`ConfigError`] if the value is not a routing key, or the store failed.
pub fn key(host: &dyn Host, name: &str) -> Result<Option<Secret>, ConfigError> {
    get(host, name)?.map(|value| check_key(name, &value)).transpose()
}

/// Checks the shape of a routing key.
fn check_key(name: &str, value: &str) -> Result<Secret, ConfigError> {
    if value.contains("://") {
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
