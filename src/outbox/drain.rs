//! Sending what is stored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::entry::{Entry, EntryKey, LIFETIME, key, service_hash};
use super::keep::{Kept, keep};
use super::lease::Lease;
use super::pace::Pace;
use super::{NONE, entries, millis, set_number};
use crate::config::{self, Target};
use crate::pagerduty::event::{Action, DedupKey, Event, OWN, Severity};
use crate::pagerduty::events_api::{self, Addressed, Outcome, Retries, Verdict};
use crate::pagerduty::storm;
use crate::runtime::{Host, StoreError};
use crate::text;

/// The key with the time when a stored event was last lost, in milliseconds since the Unix epoch.
pub(super) const LOST: &str = "lost";

/// How many events one request sends from the store.
pub const SENDS_MAX: usize = 200;

/// How many events are sent at the same time, once one has been accepted.
const LANES_AT_ONCE: usize = 8;

/// How many entries of a lane one event may replace. They are deleted one by one, while the lease runs.
const RUN_MAX: usize = 25;

/// How long PagerDuty may take for an event.
const TRY_MAX: Duration = Duration::from_secs(10);

/// How many lost events one report lists. Then they are deleted, so that a request that ends early has not read thousands of
/// entries in vain.
pub const LISTED_MAX: usize = 50;

/// How many lost events one request reports, because it has them all in memory.
const LOST_MAX: usize = 500;

/// What became of the stored events.
#[derive(Debug, Default)]
pub struct Drained {
    /// Whether another instance has the lease, so that nothing was done.
    pub is_busy: bool,
    /// The variables with the routing keys of the services, by the number of the destination.
    pub variables: Vec<String>,
    /// The outcome of each event that was sent.
    pub outcomes: Vec<Outcome>,
    /// The events that were lost: they were too old, or PagerDuty rejects them.
    pub lost: Vec<LostEntry>,
    /// How many entries there were at the last listing, without those that were deleted since.
    pub left: usize,
    /// When the oldest of them arrived, in milliseconds since the Unix epoch.
    pub oldest: Option<u64>,
    /// What an operator should know.
    pub warnings: BTreeSet<String>,
    /// Why the work ended early, if the store failed.
    pub problem: Option<StoreError>,
}

/// A stored event that will not be sent any more.
#[derive(Clone, Debug)]
pub struct LostEntry {
    /// The entry. `None` if the relay cannot read it.
    pub entry: Option<Entry>,
    /// The reason.
    pub why: String,
}

/// How to send what is stored.
#[derive(Clone, Copy, Debug)]
pub struct Drain<'a> {
    /// When to end, by [`Host::elapsed`].
    pub until: Duration,
    /// The name of the instance ([`super::name_of`]).
    pub name: &'a str,
    /// The services of which PagerDuty has just accepted something: they are tried at once, whatever failed before.
    pub accepting: &'a [Option<String>],
    /// Whether to wait for services that failed lately, as long as there is time.
    pub waits: bool,
}

/// Sends stored events in the order of each alert, and deletes what PagerDuty accepts.
pub fn drain(host: &mut dyn Host, how: Drain<'_>) -> Drained {
    let Drain { until, name, accepting, waits } = how;
    let accepting = accepting.iter().map(|service| service_hash(service.as_deref())).collect();
    let (paces, lost) = (BTreeMap::new(), Vec::new());
    let mut run = Run { host, until, accepting, paces, lost, drained: Drained::default() };
    let result = run.with_lease(name, waits);
    Drained { problem: result.err(), ..run.drained }
}

/// The lanes of one service that have entries, each with its entries in order.
type Lanes = VecDeque<VecDeque<EntryKey>>;

struct Run<'a> {
    host: &'a mut dyn Host,
    until: Duration,
    /// The hashes of services that PagerDuty accepts events of.
    accepting: BTreeSet<String>,
    /// The pace of each service, by its hash.
    paces: BTreeMap<String, Pace>,
    /// The entries that will not be sent any more, each with its keys. They are deleted after they are reported.
    lost: Vec<(Vec<EntryKey>, LostEntry)>,
    drained: Drained,
}

/// The first entries of a lane that have the same action: an event replaces those before it.
struct Head {
    keys: Vec<EntryKey>,
    /// The last one.
    entry: Entry,
}

impl Run<'_> {
    fn with_lease(&mut self, name: &str, waits: bool) -> Result<(), StoreError> {
        let Some(lease) = Lease::take(self.host, name)? else {
            self.drained.is_busy = true;
            return Ok(());
        };
        let done = self.work(waits);
        done.and(lease.release(self.host))
    }

    fn now(&self) -> u64 {
        millis(self.host.now())
    }

    fn has_time(&self) -> bool {
        self.host.elapsed() < self.until && self.sends_left() > 0
    }

    /// How many events this request may still send.
    fn sends_left(&self) -> usize {
        SENDS_MAX.saturating_sub(self.drained.outcomes.len())
    }

    /// Whether the report has room for another lost event.
    fn has_room(&self) -> bool {
        self.lost.len() < LISTED_MAX && self.drained.lost.len() < LOST_MAX
    }

    /// Lists what is stored and sends it, until there is nothing left to do.
    fn work(&mut self, waits: bool) -> Result<(), StoreError> {
        loop {
            let began = self.now();
            let keys = entries(self.host)?;
            (self.drained.left, self.drained.oldest) = (keys.len(), keys.iter().filter_map(EntryKey::arrived).min());
            if keys.is_empty() {
                return set_number(self.host, &key(NONE), began);
            }
            let mut did_any = false;
            let mut next = None;
            for (service, lanes) in by_service(keys) {
                if !self.has_time() {
                    return Ok(());
                }
                did_any |= self.drain_service(&service, lanes)?;
                let pace = self.paces.get(&service).filter(|pace| pace.waits(self.now()));
                next = next.into_iter().chain(pace.map(|pace| pace.next)).min();
            }
            if did_any {
                continue;
            }
            let Some(next) = next.filter(|_| waits) else { return Ok(()) };
            let pause = Duration::from_millis(next.saturating_sub(self.now()));
            let end = self.host.elapsed().saturating_add(pause);
            if end >= self.until {
                return Ok(());
            }
            self.host.pause(end);
        }
    }

    /// Sends entries of a service. Returns whether any was deleted.
    fn drain_service(&mut self, service: &str, lanes: Lanes) -> Result<bool, StoreError> {
        let mut pace = match self.paces.get(service) {
            Some(pace) => *pace,
            None => Pace::load(self.host, service)?,
        };
        let before = pace;
        if self.accepting.remove(service) {
            pace.begins();
        }
        let left = self.drained.left;
        let sent = self.send_lanes(&mut pace, lanes);
        if pace != before {
            pace.save(self.host, service)?;
        }
        self.paces.insert(service.to_owned(), pace);
        self.report_lost()?;
        sent?;
        Ok(self.drained.left < left)
    }

    /// Sends the entries of a service, each lane in order, until one is not accepted.
    fn send_lanes(&mut self, pace: &mut Pace, mut lanes: Lanes) -> Result<(), StoreError> {
        let mut target: Option<(usize, Target)> = None;
        // The first event shows whether PagerDuty accepts any.
        let mut at_once = 1;
        // The last attempt may have failed because of its event: let that of another alert show it.
        let lost = lanes.iter().take_while(|lane| lane.front().is_some_and(|key| is_over(key, self.now()))).count();
        if let Some(alive) = lanes.make_contiguous().get_mut(lost..).filter(|alive| !alive.is_empty()) {
            alive.rotate_left(usize::try_from(pace.fails()).unwrap_or_default() % alive.len());
        }
        while !lanes.is_empty() && self.has_time() && !pace.waits(self.now()) {
            let room = usize::try_from(pace.room(self.now())).unwrap_or(usize::MAX).min(at_once).min(self.sends_left());
            let mut batch = Vec::new();
            while batch.len() < room
                && self.has_time()
                && let Some(mut lane) = lanes.pop_front()
            {
                if let Some(head) = self.head(&mut lane)? {
                    batch.push((head, lane));
                }
            }
            let Some((Head { entry, .. }, _)) = batch.first() else { continue };
            let known = match target.take() {
                Some(known) => known,
                None => match self.target(entry.service.as_deref()) {
                    Some(found) => found,
                    None => {
                        pace.failed(self.now(), Duration::ZERO);
                        return Ok(());
                    }
                },
            };
            if !self.send(pace, &known, batch, &mut lanes)? {
                return Ok(());
            }
            target = Some(known);
            at_once = LANES_AT_ONCE;
        }
        Ok(())
    }

    /// The destination of a service, with its number. Returns `None` if its routing key is not usable now.
    fn target(&mut self, service: Option<&str>) -> Option<(usize, Target)> {
        match config::target(self.host, service) {
            Ok(target) => {
                let number = self.drained.variables.len();
                self.drained.variables.push(target.routing_key_variable.clone());
                Some((number, target))
            }
            Err(error) => {
                self.drained.warnings.insert(format!("{error}; events for it stay stored"));
                None
            }
        }
    }

    /// Takes the next entries of a lane, which one event sends. Returns `None` if no entry can be sent now.
    fn head(&mut self, lane: &mut VecDeque<EntryKey>) -> Result<Option<Head>, StoreError> {
        let mut head: Option<Head> = None;
        while let Some(key) = lane.front().filter(|_| head.is_some() || self.has_time()) {
            // Those that are not too old do not wait for the next report.
            if is_over(key, self.now()) && !self.has_room() {
                break;
            }
            let Some(value) = self.host.stored(key.as_str())? else {
                lane.pop_front();
                continue;
            };
            let entry = Entry::decode(&value);
            if is_over(key, self.now()) {
                let why = "PagerDuty did not accept it within 24 hours".to_owned();
                self.lost.extend(lane.pop_front().map(|key| (vec![key], LostEntry { entry, why })));
                continue;
            }
            let Some(entry) = entry else {
                let key = key.as_str();
                self.drained.warnings.insert(format!("entry `{key}` of the outbox cannot be read; {UNREADABLE}"));
                break;
            };
            match &mut head {
                None => head = Some(Head { keys: lane.pop_front().into_iter().collect(), entry }),
                Some(head) if head.keys.len() < RUN_MAX && replaces(&entry.event, &head.entry.event) => {
                    head.keys.extend(lane.pop_front());
                    head.entry = entry;
                }
                Some(_) => break,
            }
        }
        Ok(head)
    }

    /// Sends the first event of each of these lanes. Returns whether PagerDuty accepts events.
    fn send(
        &mut self,
        pace: &mut Pace,
        (number, target): &(usize, Target),
        batch: Vec<(Head, VecDeque<EntryKey>)>,
        lanes: &mut Lanes,
    ) -> Result<bool, StoreError> {
        // Reading them took time.
        if !self.has_time() {
            return Ok(false);
        }
        let events: Vec<Event> = batch.iter().map(|(head, _)| head.entry.event.clone()).collect();
        let addressed = Addressed { events: &events, held: &[], destination: target.destination() };
        let until = self.until.min(self.host.elapsed().saturating_add(TRY_MAX));
        let (outcomes, _) = events_api::deliver(self.host, &[addressed], Retries::Never.into(), until, None);
        pace.count(outcomes.len());
        let (mut is_accepting, mut asked) = (true, Duration::ZERO);
        for ((Head { mut keys, entry }, mut lane), outcome) in batch.into_iter().zip(outcomes) {
            let deciding = outcome.deciding();
            match outcome.verdict() {
                Verdict::Accepted => {
                    self.forget(&keys)?;
                    lanes.push_back(lane);
                }
                _ if entry.is_further && outcome.closes_nothing() => {
                    self.drained.warnings.insert(events_api::closing_nothing(&target.routing_key_variable));
                    self.forget(&keys)?;
                    lanes.push_back(lane);
                }
                Verdict::Refused => {
                    let why = format!("PagerDuty rejected it: {deciding}");
                    let rejected = keys.pop().into_iter().collect();
                    self.lost.push((rejected, LostEntry { entry: Some(entry), why }));
                    // It does not replace those before it.
                    keys.into_iter().rev().for_each(|key| lane.push_front(key));
                    lanes.push_back(lane);
                }
                Verdict::Retry | Verdict::Blocked | Verdict::Misdirected | Verdict::RefusedKey => {
                    is_accepting = false;
                    asked = asked.max(deciding.wait());
                }
            }
            self.drained.outcomes.push(Outcome { destination: number + 1, ..outcome });
        }
        if is_accepting {
            pace.accepted();
        } else {
            pace.failed(self.now(), asked);
        }
        Ok(is_accepting)
    }

    fn forget(&mut self, keys: &[EntryKey]) -> Result<(), StoreError> {
        for key in keys {
            self.host.forget(key.as_str())?;
            self.drained.left = self.drained.left.saturating_sub(1);
        }
        Ok(())
    }

    /// Stores one alert about the entries of a service that will not be sent, and then deletes them.
    fn report_lost(&mut self) -> Result<(), StoreError> {
        let lost = std::mem::take(&mut self.lost);
        if lost.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let entries = lost.iter().filter_map(|(_, lost)| Some((lost.entry.as_ref()?, &*lost.why)));
        let entries: Vec<(&Entry, &str)> = entries.collect();
        let service = entries.first().and_then(|(entry, _)| entry.service.clone());
        // Without a routing key, the report could not be sent either.
        if let (Some(event), Ok(_)) =
            (report(&entries, service.as_deref()), config::target(self.host, service.as_deref()))
        {
            let kept = Kept { position: None, service, why: String::new(), event, is_further: false };
            keep(self.host, OWN, &[kept], now, &[])?;
        }
        set_number(self.host, &key(LOST), now)?;
        for (keys, entry) in lost {
            self.forget(&keys)?;
            self.drained.lost.push(entry);
        }
        Ok(())
    }
}

/// Whether an entry is too old to be sent.
fn is_over(key: &EntryKey, now: u64) -> bool {
    key.arrived().unwrap_or_default().saturating_add(millis(LIFETIME)) < now
}

/// Whether an event makes an earlier one of its alert needless. The lists of alerts that are digests, and the relay's own
/// alerts, differ from event to event.
fn replaces(event: &Event, earlier: &Event) -> bool {
    let is_own = event.dedup_key().is_some_and(DedupKey::is_own);
    event.action() == earlier.action() && !is_own && !storm::is_digest(event) && !storm::is_digest(earlier)
}

/// The entries by the hash of their service, and by lane: lanes with older entries come first.
fn by_service(keys: Vec<EntryKey>) -> BTreeMap<String, Lanes> {
    let mut lanes: BTreeMap<String, VecDeque<EntryKey>> = BTreeMap::new();
    for key in keys {
        lanes.entry(key.lane().to_owned()).or_default().push_back(key);
    }
    let mut services: BTreeMap<String, Lanes> = BTreeMap::new();
    for lane in lanes.into_values() {
        let service = lane.front().map_or("", EntryKey::service).to_owned();
        services.entry(service).or_default().push_back(lane);
    }
    for lanes in services.values_mut() {
        lanes.make_contiguous().sort_by_key(|lane| lane.front().and_then(EntryKey::arrived));
    }
    services
}

/// The alert about lost entries of one service. Returns `None` if none of them opened an alert: a lost resolve leaves its
/// alert open, where people see it.
fn report(lost: &[(&Entry, &str)], service: Option<&str>) -> Option<Event> {
    let identity = DedupKey::own(REPORT, service.unwrap_or(config::DEFAULT_SERVICE));
    let opening = lost.iter().copied().filter(|(entry, _)| entry.event.action() == Action::Trigger);
    let opening: Vec<(&Entry, &str)> = opening.collect();
    // PagerDuty rejects a report: the log has it.
    let others = opening.iter().filter(|(entry, _)| entry.event.dedup_key() != Some(&identity)).count();
    let severity = opening.iter().map(|(entry, _)| entry.event.severity()).max().filter(|_| others > 0)?;
    let alerts = text::count(opening.len(), "stored alert");
    let summary = format!("{alerts} lost: PagerDuty did not accept them");
    let lines = opening.iter().take(LISTED_MAX).map(|(entry, why)| {
        let (event, time) = (&entry.event, entry.event.time().unwrap_or_default());
        let parts = [time, event.severity().as_str(), event.summary(), "from", &entry.source];
        Value::from([&text::join_nonempty(&parts, " "), ": ", why].concat())
    });
    let lines: Vec<Value> = lines.collect();
    let event = Event::new(Action::Trigger, identity, severity.max(Severity::Error), &summary, OWN);
    Some(event.class(Some(REPORT.to_owned())).detail("alerts", lines.into()))
}

/// The second part of the dedup key of a report, and its class.
const REPORT: &str = "expired";

const UNREADABLE: &str = "it blocks its alert until it is 24 hours old";
