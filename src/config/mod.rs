//! Variables to configuration: the only reader of variables.
//!
//! Closed is the default: a secret that is missing, weak or a placeholder opens nothing, and a routing key that cannot
//! be one is not sent anywhere. Each variable is read once, because a read can be a call to a vault.

use crate::runtime::Host;

mod access;
mod error;
mod names;
mod pagerduty;
mod target;

pub use self::access::{Config, SECRET_MIN_BYTES, load};
pub use self::error::{ConfigError, Problem};
pub use self::names::{Control, SETTINGS, VARIABLES, Variable};
pub use self::pagerduty::{api, elsewhere, events};
pub use self::target::{Grouping, Target, Unmapped, key, target};

/// Reads a variable that is a list with commas between its values.
///
/// # Errors
/// The store failed.
pub fn list(host: &dyn Host, name: &str) -> Result<Vec<String>, ConfigError> {
    let list = get(host, name)?.unwrap_or_default();
    Ok(list.split(',').map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned).collect())
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
    let template = get(host, &variable)?.ok_or_else(|| error("custom_<name>", Problem::Unset))?;
    Ok((variable, template))
}

/// Reads one of [`SETTINGS`] as the word that it means.
///
/// # Errors
/// It is none of them.
pub fn setting(host: &dyn Host, name: &str, choices: &'static str) -> Result<&'static str, ConfigError> {
    let value = get(host, name)?;
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
fn get(host: &dyn Host, name: &str) -> Result<Option<String>, ConfigError> {
    match host.variable(name) {
        Ok(value) => Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(_) => Err(error(name, Problem::Store)),
    }
}

fn required(host: &dyn Host, name: &str) -> Result<String, ConfigError> {
    get(host, name)?.ok_or_else(|| error(name, Problem::Unset))
}

/// What the word that is set means. The first choice is what an unset variable means.
fn choice<T: Copy>(host: &dyn Host, name: &str, choices: &'static str, table: &[(&str, T)]) -> Result<T, ConfigError> {
    let word = setting(host, name, choices)?;
    let chosen = table.iter().find(|(choice, _)| *choice == word);
    chosen.map(|(_, value)| *value).ok_or_else(|| error(name, Problem::Choice(choices)))
}
