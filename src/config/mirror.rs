//! The key and the host of a vendor's own API, for copies of deliveries.

use super::access::check_secret;
use super::names::REGIONS;
use super::{ConfigError, choice, get};
use crate::runtime::Host;
use crate::secret::Secret;

/// Reads the key for a vendor's own API in variable `key`, and its host by the region in variable `region`. Returns `None`
/// if the key is unset.
///
/// # Errors
/// Returns [`ConfigError`] if a variable is invalid, or the store failed.
pub fn mirror(
    host: &dyn Host,
    key: &str,
    region: &str,
    hosts: [&'static str; 2],
) -> Result<Option<(Secret, &'static str)>, ConfigError> {
    let Some(value) = get(host, key)? else { return Ok(None) };
    let [us, eu] = hosts;
    let authority = choice(host, region, REGIONS, &[("us", us), ("eu", eu)])?;
    Ok(Some((check_secret(key, value, false)?, authority)))
}
