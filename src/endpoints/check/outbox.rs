//! Checks what happens to events that PagerDuty does not accept: the outbox, the fallback, and heartbeats.

use super::{Checker, Level};
use crate::config::{self, HEARTBEAT, Outbox};
use crate::outbox::{self, beats, fallback, ticks};
use crate::pagerduty::event::{Action, DedupKey, Event};
use crate::runtime::StoreError;
use crate::text;

/// The last word of the key for trying the store.
const TRIAL: &str = "check";

/// How old the last tick may be, in milliseconds.
const TICK_MAX_MS: u64 = 10 * 60_000;

impl Checker<'_> {
    /// Checks the outbox and the heartbeats among the variables with these names.
    pub(super) fn outbox(&mut self, names: &[String]) {
        // The loop over all settings reports an invalid choice.
        let mode = config::outbox(self.host).unwrap_or_default();
        let named = names.iter().filter(|name| name.starts_with(HEARTBEAT) && !name.ends_with("_previous"));
        let (unset, heartbeats): (Vec<String>, Vec<String>) =
            named.cloned().partition(|name| config::heartbeat(self.host, name) == Ok(None));
        for variable in &unset {
            self.say(Level::Warning, "variable `{}` is not set; nobody watches it", &[variable]);
        }
        if mode == Outbox::Off && heartbeats.is_empty() {
            return;
        }
        if let Err(problem) = self.stored(mode, &heartbeats) {
            // Without a store, pages are sent as without an outbox, but nobody notices a missing heartbeat.
            let level = if heartbeats.is_empty() { Level::Warning } else { Level::Error };
            self.say(level, "{}; nothing can be stored", &[&problem.to_string()]);
        }
    }

    fn stored(&mut self, mode: Outbox, heartbeats: &[String]) -> Result<(), StoreError> {
        let trial = outbox::key(TRIAL);
        self.host.store(&trial, b"1")?;
        let read = self.host.stored(&trial)?;
        let entries = outbox::entries(self.host)?;
        self.host.forget(&trial)?;
        if read.as_deref() != Some(b"1".as_slice()) {
            self.say(Level::Warning, STALE, &[]);
        }
        self.say(
            Level::Ok,
            "the key-value store keeps what is written; whether it outlives a restart is not known here",
            &[],
        );
        let now = outbox::millis(self.host.now());
        let oldest = entries.iter().filter_map(|entry| entry.arrived()).min();
        if let Some(oldest) = oldest {
            let (count, age) = (text::count(entries.len(), "event"), seconds(now.saturating_sub(oldest)));
            let what = if mode == Outbox::Off { STRANDED } else { "{} stored, the oldest for {}" };
            self.say(Level::Warning, what, &[&count, &age]);
        }
        match ticks::last(self.host)? {
            Some((at, _)) if now.abs_diff(at) <= TICK_MAX_MS => {
                self.say(Level::Ok, "the last tick was {} ago", &[&seconds(now.saturating_sub(at))]);
            }
            _ if heartbeats.is_empty() && mode == Outbox::Replicated => self.say(Level::Error, UNTICKED_REPLICAS, &[]),
            _ if heartbeats.is_empty() => self.say(Level::Warning, UNTICKED, &[]),
            _ => self.say(Level::Error, UNTICKED_BEATS, &[]),
        }
        self.heartbeats(heartbeats, now)
    }

    fn heartbeats(&mut self, variables: &[String], now: u64) -> Result<(), StoreError> {
        if variables.is_empty() {
            return Ok(());
        }
        let control = config::Control::Heartbeat;
        if let Err(error) = config::load(self.host, control.slug(), crate::auth::SHARED_SECRET, control.accepted()) {
            self.say(Level::Warning, "{}; closed: /heartbeat", &[&error.to_string()]);
        }
        for variable in variables {
            let name = variable.strip_prefix(HEARTBEAT).unwrap_or(variable);
            match config::heartbeat(self.host, variable) {
                Err(error) => self.say(Level::Error, "{}", &[&error.to_string()]),
                Ok(_) if config::heartbeat_variable(name).as_ref() != Some(variable) => {
                    self.say(Level::Warning, UNSPEAKABLE, &[variable]);
                }
                Ok(_) => match beats::last(self.host, name)? {
                    Some(beat) => {
                        let age = seconds(now.saturating_sub(beat.at));
                        self.say(Level::Ok, "heartbeat `{}`: the last sign of life was {} ago", &[name, &age]);
                    }
                    None => self.say(
                        Level::Warning,
                        "heartbeat `{}` was never seen; it pages only after its first sign of life",
                        &[name],
                    ),
                },
            }
        }
        Ok(())
    }

    /// Checks the fallback, and sends it a message if `tries`.
    pub(super) fn fallback(&mut self, tries: bool) {
        let fallback = match config::fallback(self.host) {
            Ok(Some(fallback)) => fallback,
            Ok(None) if tries => return self.say(Level::Error, "variable `{}` is not set", &[config::FALLBACK_URL]),
            Ok(None) => return,
            Err(error) => {
                return self.say(
                    Level::Warning,
                    "{}; nobody hears of alerts that PagerDuty does not accept",
                    &[&error.to_string()],
                );
            }
        };
        if !tries {
            return self.say(
                Level::Ok,
                "variable `{}` is valid; GET /check?fallback=1 sends a message there",
                &[config::FALLBACK_URL],
            );
        }
        let probe = Event::bare(Action::Resolve, DedupKey::own(TRIAL, "fallback"));
        match fallback::try_out(self.host, &fallback, probe) {
            Ok(()) => self.say(Level::Ok, "the server at `{}` has accepted a message", &[config::FALLBACK_URL]),
            Err(why) => self.say(
                Level::Error,
                "the server at `{}` has not accepted a message: {}",
                &[config::FALLBACK_URL, &why],
            ),
        }
    }
}

fn seconds(millis: u64) -> String {
    text::count(usize::try_from(millis / 1000).unwrap_or(usize::MAX), "second")
}

const STALE: &str = "the key-value store did not return what was just written: set variable `outbox` to replicated";
const STRANDED: &str = "{} stored, the oldest for {}; variable `outbox` is off, so nobody sends them";
const UNSPEAKABLE: &str =
    "unknown variable `{}`: the name of a heartbeat is lower-case words joined by single underscores";
const UNTICKED: &str = "nothing has called /tick in the last 10 minutes: stored events wait for the next delivery";
const UNTICKED_REPLICAS: &str = "nothing has called /tick in the last 10 minutes: nothing else sends stored events";
const UNTICKED_BEATS: &str = "nothing has called /tick in the last 10 minutes: nobody notices a missing heartbeat";
