//! Variables to configuration. Only this module reads variables.
//!
//! The default is to reject: a source accepts nothing if its secret is missing, weak or a placeholder, and an invalid
//! routing key is never sent. [`Variables`] adds the members of variable `settings` to the variables of the store, and
//! reads each variable once.

use crate::runtime::Host;

mod access;
mod error;
mod heartbeats;
mod mirror;
mod names;
mod options;
mod outbox;
mod pagerduty;
#[cfg(feature = "templates")]
mod rules;
mod services;
mod settings;
mod target;
mod variables;

pub use self::access::{
    Accepted, Config, SECRET_MIN_BYTES, check_not_routing_key, check_not_shared, check_own_secret, load,
};
pub use self::error::{ConfigError, Problem};
pub use self::heartbeats::{HEARTBEAT, Heartbeat, heartbeat, heartbeat_variable};
pub use self::mirror::mirror;
pub use self::names::{BRANCHES, CHOICES, Control, VARIABLES, Variable, is_service};
pub use self::options::{Branches, Grouping, Options, branches};
pub use self::outbox::{
    FALLBACK_URL, Fallback, FallbackFormat, Outbox, fallback, is_outbox_unknown, outbox, retries_after_answer,
};
pub use self::pagerduty::{api, elsewhere, events};
#[cfg(feature = "templates")]
pub use self::rules::{Destinations, RULES, destinations, rules};
pub use self::services::{DEFAULT_SERVICE, check_service, services};
pub use self::settings::{Position, SettingsError};
pub use self::target::{Target, Unmapped, key, target};
pub use self::variables::{Names, Variables, hidden, names};

/// Reads a variable that contains a list of values, separated by commas or white space.
///
/// # Errors
/// Returns [`ConfigError`] if the store failed.
pub fn list(host: &dyn Host, name: &str) -> Result<Vec<String>, ConfigError> {
    let list = get(host, name)?.unwrap_or_default();
    Ok(items(&list).map(str::to_owned).collect())
}

/// Reads a user's template, and returns the name of its variable too. This happens before authentication, because the
/// template itself says how its senders authenticate.
///
/// # Errors
/// Returns [`ConfigError`] if the variable is unset, or the store failed.
#[cfg(feature = "templates")]
pub fn template(host: &dyn Host, name: &str) -> Result<(String, String), ConfigError> {
    let variable = ["custom_", name].concat();
    // The error does not repeat the name: an unauthenticated path can contain anything.
    let template = get(host, &variable)?.ok_or_else(|| error("custom_<name>", Problem::Unset))?;
    Ok((variable, template))
}

/// Reads one of [`CHOICES`], or another variable that accepts one of a few words.
///
/// # Errors
/// Returns [`ConfigError`] if the value is not one of `choices`, or the store failed.
pub fn setting(host: &dyn Host, name: &str, choices: &'static str) -> Result<&'static str, ConfigError> {
    let value = get(host, name)?;
    let mut words = choices.split(',').map(str::trim);
    let word = match &value {
        Some(value) => words.find(|word| value.eq_ignore_ascii_case(word)),
        None => words.next(),
    };
    word.ok_or_else(|| error(name, Problem::Choice(choices)))
}

/// The items of a list. Commas or white space separate them.
fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c == ',' || c.is_whitespace()).filter(|item| !item.is_empty())
}

fn error(variable: &str, problem: Problem) -> ConfigError {
    ConfigError { variable: variable.to_owned(), problem, settings: None }
}

/// The trimmed value of a variable: a key that was read from a file ends in a newline. A blank value counts as unset.
fn get(host: &dyn Host, name: &str) -> Result<Option<String>, ConfigError> {
    match host.variable(name) {
        Ok(value) => Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(_) => Err(error(name, Problem::Store)),
    }
}

fn required(host: &dyn Host, name: &str) -> Result<String, ConfigError> {
    get(host, name)?.ok_or_else(|| error(name, Problem::Unset))
}

/// Looks up the meaning of a setting. An unset variable means the first choice.
fn choice<T: Copy>(host: &dyn Host, name: &str, choices: &'static str, table: &[(&str, T)]) -> Result<T, ConfigError> {
    let word = setting(host, name, choices)?;
    let chosen = table.iter().find(|(choice, _)| *choice == word);
    chosen.map(|(_, value)| *value).ok_or_else(|| error(name, Problem::Choice(choices)))
}
