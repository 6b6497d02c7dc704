//! The lease: one instance at a time sends what is stored.

use std::time::Duration;

use serde_json::Value;

use super::entry::key;
use super::millis;
use crate::json;
use crate::runtime::{Host, StoreError};

/// The key of the lease.
const LEASE: &str = "lease";

/// How long a lease lasts. Its holder works for less than [`super::REQUEST_MAX`] after it took the lease, so the clocks of
/// two instances may differ by 15 seconds.
const LASTS_MS: u64 = 40_000;

/// A lease that ends later than this was written by a wrong clock, and does not count.
const LASTS_MAX_MS: u64 = 60_000;

/// How long reading and writing the lease may take together. An instance that needs longer gives up.
const TAKING_MAX: Duration = Duration::from_millis(1000);

/// How long an instance waits before it reads the lease again.
///
/// Two instances that read a free lease have both written it before the first of them has waited for so long, because
/// writing takes at most [`TAKING_MAX`] from the reading on. So only the last one to write finds its own name.
const PAUSE: Duration = Duration::from_millis(1250);

/// The lease of this instance.
pub(super) struct Lease {
    who: String,
}

impl Lease {
    /// Takes the lease. `name` is that of the instance ([`super::name_of`]). Returns `None` if another instance has it, or if
    /// the store is too slow to tell.
    pub(super) fn take(host: &mut dyn Host, name: &str) -> Result<Option<Lease>, StoreError> {
        let began = host.elapsed();
        let now = millis(host.now());
        if read(host)?.is_some_and(|(until, _)| until > now && until <= now.saturating_add(LASTS_MAX_MS)) {
            return Ok(None);
        }
        let who = format!("{}.{}.{name}", host.now().as_nanos(), host.elapsed().as_nanos());
        write(host, now.saturating_add(LASTS_MS), &who)?;
        let written = host.elapsed();
        if written.saturating_sub(began) > TAKING_MAX {
            return Ok(None);
        }
        host.pause(written.saturating_add(PAUSE));
        let is_mine = read(host)?.is_some_and(|(_, holder)| holder == who);
        Ok(is_mine.then_some(Lease { who }))
    }

    /// Gives the lease back, if it is still this instance's.
    pub(super) fn release(self, host: &mut dyn Host) -> Result<(), StoreError> {
        match read(host)? {
            Some((_, holder)) if holder == self.who => write(host, 0, &self.who),
            _ => Ok(()),
        }
    }
}

/// The end of the lease, in milliseconds since the Unix epoch, and its holder.
fn read(host: &mut dyn Host) -> Result<Option<(u64, String)>, StoreError> {
    let value = host.stored(&key(LEASE))?.unwrap_or_default();
    let lease: Value = serde_json::from_slice(&value).unwrap_or_default();
    let until = lease.get("until").and_then(Value::as_u64);
    let who = lease.get("who").and_then(Value::as_str).unwrap_or_default();
    Ok(until.map(|until| (until, who.to_owned())))
}

fn write(host: &mut dyn Host, until: u64, who: &str) -> Result<(), StoreError> {
    let lease = json::object([("until", until.into()), ("who", who.into())]);
    host.store(&key(LEASE), &json::encode(&lease))
}
