//! How fast stored events are sent with one routing key.

use std::time::Duration;

use serde_json::Value;

use super::entry::key;
use super::millis;
use crate::json;
use crate::runtime::{Host, StoreError};

/// How many stored events are sent in a minute with the key of one service. PagerDuty accepts about 120, and new events need
/// room too.
const PER_MINUTE: u64 = 60;

const MINUTE_MS: u64 = 60_000;

/// The shortest and the longest pause after a failure, in milliseconds.
const PAUSE_MIN_MS: u64 = 5000;
const PAUSE_MAX_MS: u64 = 60_000;

/// Each pause is this many times as long as the one before.
const PAUSE_GROWTH: u64 = 2;

/// The longest pause that PagerDuty may ask for, in milliseconds.
const ASKED_MAX_MS: u64 = 5 * MINUTE_MS;

/// The pace of one service. If its record is lost, an event is sent too early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace {
    /// When to send again, in milliseconds since the Unix epoch.
    pub(super) next: u64,
    /// How many attempts have failed since the last event was accepted.
    fails: u32,
    /// When the current minute began.
    minute: u64,
    /// How many events were sent in it.
    sent: u64,
}

impl Pace {
    /// Reads the pace of a service, which is named by its hash.
    pub(super) fn load(host: &mut dyn Host, service: &str) -> Result<Pace, StoreError> {
        let value = host.stored(&record(service))?.unwrap_or_default();
        let members: Value = serde_json::from_slice(&value).unwrap_or_default();
        let number = |name: &str| members.get(name).and_then(Value::as_u64).unwrap_or_default();
        let fails = u32::try_from(number("fails")).unwrap_or_default();
        Ok(Pace { next: number("next"), fails, minute: number("minute"), sent: number("sent") })
    }

    /// Writes the pace.
    pub(super) fn save(&self, host: &mut dyn Host, service: &str) -> Result<(), StoreError> {
        let Pace { next, fails, minute, sent } = *self;
        let members = [("next", next), ("fails", fails.into()), ("minute", minute), ("sent", sent)];
        let members = members.map(|(name, number)| (name, Value::from(number)));
        host.store(&record(service), &json::encode(&json::object(members)))
    }

    /// How many events may be sent now. If none may, [`Pace::next`] says when.
    pub(super) fn room(&mut self, now: u64) -> u64 {
        // A minute that begins in the future was written by a wrong clock.
        if !(self.minute..self.minute.saturating_add(MINUTE_MS)).contains(&now) {
            (self.minute, self.sent) = (now, 0);
        }
        let room = PER_MINUTE.saturating_sub(self.sent);
        if room == 0 {
            self.next = self.minute.saturating_add(MINUTE_MS);
        }
        room
    }

    /// Whether to wait. A time that is further away than any pause was written by a wrong clock.
    pub(super) fn waits(&self, now: u64) -> bool {
        self.next > now && self.next <= now.saturating_add(10 * MINUTE_MS)
    }

    /// Counts events that were sent.
    pub(super) fn count(&mut self, sent: usize) {
        self.sent = self.sent.saturating_add(sent as u64);
    }

    /// How many attempts have failed since the last event was accepted.
    pub(super) fn fails(&self) -> u32 {
        self.fails
    }

    /// PagerDuty has accepted other events of the service, so there is no reason to wait.
    pub(super) fn begins(&mut self) {
        self.next = 0;
    }

    /// PagerDuty accepts events.
    pub(super) fn accepted(&mut self) {
        (self.next, self.fails) = (0, 0);
    }

    /// PagerDuty did not accept an event, and asks for this pause.
    pub(super) fn failed(&mut self, now: u64, asked: Duration) {
        let pause = PAUSE_MIN_MS.saturating_mul(PAUSE_GROWTH.pow(self.fails.min(4))).min(PAUSE_MAX_MS);
        let asked = millis(asked).min(ASKED_MAX_MS);
        self.fails = self.fails.saturating_add(1);
        self.next = now.saturating_add(pause.max(asked));
    }
}

fn record(service: &str) -> String {
    key(&["key.", service].concat())
}
