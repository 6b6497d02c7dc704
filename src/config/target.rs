//! Where events go.

use super::error::REST_KEY_CHARS;
use super::names::{GROUPINGS, UNMAPPED};
use super::pagerduty::{ALERTS_END, CHANGES_END, events};
use super::{ConfigError, Problem, choice, error, get, required};
use crate::http::Url;
use crate::runtime::Host;
use crate::secret::{Rotation, Secret};

/// The length of a routing key (an integration key or an orchestration key), in characters.
pub(super) const ROUTING_KEY_CHARS: usize = 32;

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
    let previous = get(host, &previous_name)?.filter(|value| !current.matches(value.as_bytes()));
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
    get(host, name)?.map(|value| check_key(name, &value)).transpose()
}

/// A routing key is 32 letters and digits, in the case given; some hold letters beyond `f`.
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

pub(super) fn is_routing_key(value: &str) -> bool {
    value.len() == ROUTING_KEY_CHARS && value.chars().all(|c| c.is_ascii_alphanumeric())
}
