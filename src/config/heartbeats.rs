//! The heartbeats that are watched.

use std::time::Duration;

use super::{ConfigError, Problem, error, get, is_service};
use crate::runtime::Host;

/// The beginning of the names of their variables.
pub const HEARTBEAT: &str = "heartbeat_";

/// The shortest and the longest period.
const PERIOD_MIN: Duration = Duration::from_secs(60);
const PERIOD_MAX: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// A heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How often its sender gives a sign of life.
    pub period: Duration,
    /// How much later a sign of life may come.
    pub grace: Duration,
}

/// The variable of a heartbeat, by the name that its sender uses: letters become small, and everything between words becomes
/// an underscore. Returns `None` if nothing is left of the name, or if it is too long.
pub fn heartbeat_variable(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let name = words.join("_");
    is_service(&name).then(|| [HEARTBEAT, &name].concat())
}

/// Reads a heartbeat. Returns `None` if its variable is unset.
///
/// # Errors
/// Returns [`ConfigError`] if the variable is invalid, or the store failed.
pub fn heartbeat(host: &dyn Host, variable: &str) -> Result<Option<Heartbeat>, ConfigError> {
    let Some(value) = get(host, variable)? else { return Ok(None) };
    let read = |text: &str| duration(text).ok_or_else(|| error(variable, Problem::Period));
    let (period, grace) = value.split_once('+').map_or((value.as_str(), None), |(period, grace)| (period, Some(grace)));
    let period = read(period)?;
    let grace = grace.map(read).transpose()?.unwrap_or(period.max(PERIOD_MIN));
    if !(PERIOD_MIN..=PERIOD_MAX).contains(&period) || grace > PERIOD_MAX {
        return Err(error(variable, Problem::Period));
    }
    Ok(Some(Heartbeat { period, grace }))
}

/// A duration such as `90s`, `5m`, `2h` or `1d`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let is_whole = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u32 = number.parse().ok().filter(|_| is_whole)?;
    Some(Duration::from_secs(u64::from(number) * seconds))
}
