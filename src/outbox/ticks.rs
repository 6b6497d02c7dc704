//! The record of ticks: when the last one was, and whether somebody should look.

use serde_json::Value;

use super::drain::{Drained, LOST};
use super::entry::key;
use super::{millis, number};
use crate::json;
use crate::runtime::{Host, StoreError};

/// The key of the record.
const TICK: &str = "tick";

/// A tick that follows another so closely does nothing, in milliseconds.
pub const APART_MS: u64 = 5000;

/// How old an entry may be before somebody should look, in milliseconds.
pub const LATE_MS: u64 = 5 * 60_000;

/// How long somebody should look after an event was lost, in milliseconds.
pub const LOST_MS: u64 = 60 * 60_000;

/// A tick that has begun.
pub struct Ticked {
    now: u64,
}

impl Ticked {
    /// Begins a tick. Returns the result of the last one instead, if that was only a moment ago.
    ///
    /// # Errors
    /// Returns [`StoreError`] if there is no store, or it failed.
    pub fn begin(host: &mut dyn Host) -> Result<Result<Ticked, bool>, StoreError> {
        let now = millis(host.now());
        let (at, was_well) = last(host)?.unwrap_or((0, true));
        // A time in the future was written by a wrong clock.
        if (at..at.saturating_add(APART_MS)).contains(&now) {
            return Ok(Err(was_well));
        }
        let ticked = Ticked { now };
        ticked.write(host, was_well)?;
        Ok(Ok(ticked))
    }

    /// Whether an entry waits for too long, or an event was lost lately.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the store failed.
    pub fn is_late(&self, host: &mut dyn Host, drained: &Drained) -> Result<bool, StoreError> {
        let is_old = |oldest: u64| self.now > oldest.saturating_add(LATE_MS);
        let lost = number(host, &key(LOST))?;
        // A time far in the future was written by a wrong clock.
        Ok(drained.oldest.is_some_and(is_old) || lost.is_some_and(|at| self.now.abs_diff(at) < LOST_MS))
    }

    /// Ends the tick.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the store failed.
    pub fn end(self, host: &mut dyn Host, is_well: bool) -> Result<(), StoreError> {
        self.write(host, is_well)
    }

    fn write(&self, host: &mut dyn Host, is_well: bool) -> Result<(), StoreError> {
        let record = json::object([("at", self.now.into()), ("well", is_well.into())]);
        host.store(&key(TICK), &json::encode(&record))
    }
}

/// When the last tick was, in milliseconds since the Unix epoch, and whether nobody needed to look.
///
/// # Errors
/// Returns [`StoreError`] if the store failed.
pub fn last(host: &mut dyn Host) -> Result<Option<(u64, bool)>, StoreError> {
    let value = host.stored(&key(TICK))?.unwrap_or_default();
    let record: Value = serde_json::from_slice(&value).unwrap_or_default();
    let was_well = record.get("well").and_then(Value::as_bool).unwrap_or(true);
    Ok(record.get("at").and_then(Value::as_u64).map(|at| (at, was_well)))
}
