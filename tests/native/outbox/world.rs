//! A world with its own clock: instances of the relay, a key-value store, and PagerDuty.
//!
//! Each request runs the relay's own code on a thread. One thread runs at a time, until it waits: for the store, for
//! PagerDuty, or for the clock. Then the one runs that has waited for the earliest time. So the clock advances only while
//! everybody waits, and a seed decides everything: how long each call takes, and who is killed at which call.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use pagerelay::runtime::lanes::{self, Wire};
use pagerelay::runtime::{Host, HttpRequest, HttpResponse, SendError, Step, StoreError, VariableError};
use serde_json::Value;

/// The time at which a world begins, since the Unix epoch.
pub(super) const EPOCH: Duration = Duration::from_secs(1_772_600_000);

/// PagerDuty's confirmation.
const CONFIRMED: &[u8] = br#"{"status":"success","message":"Event processed"}"#;

/// A world.
#[derive(Clone)]
pub(super) struct World(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Says that the running thread waits or has ended.
    waits: Mutex<Receiver<()>>,
    waited: Sender<()>,
}

/// Everything that a world has.
pub(super) struct State {
    /// The time since [`EPOCH`].
    pub(super) now: Duration,
    /// What happens next, by time and order.
    queue: BTreeMap<(Duration, u64), Next>,
    order: u64,
    random: u64,
    pub(super) store: Store,
    pub(super) pagerduty: PagerDuty,
    pub(super) variables: BTreeMap<String, String>,
    /// How many of a thousand calls to the outside kill their instance.
    pub(super) kills: u64,
    pub(super) killed: u32,
    /// The lines of the log.
    pub(super) log: Vec<Value>,
    /// Requests to other hosts than PagerDuty, and how they are answered.
    pub(super) others: Vec<(String, Value)>,
    pub(super) others_answer: u16,
    /// Bodies with this text get a 400 from them.
    pub(super) others_reject: Option<&'static str>,
}

enum Next {
    /// A thread goes on.
    Wake(Sender<()>),
    /// Something begins, on a thread of its own.
    Begin(Box<dyn FnOnce() + Send>),
}

/// The key-value store.
#[derive(Default)]
pub(super) struct Store {
    pub(super) keys: BTreeMap<String, Vec<u8>>,
    /// The entries that were deleted.
    deleted: BTreeSet<String>,
    /// How long a call takes at most.
    pub(super) takes: Duration,
    /// How long each call takes, if that is always the same.
    pub(super) always_takes: Option<Duration>,
    pub(super) fails: bool,
    /// Whether the runtime has none.
    pub(super) is_absent: bool,
    /// The calls that fail, each by its name and the beginning of its key, and how often they fail.
    pub(super) fails_at: Vec<(&'static str, &'static str, u64)>,
    pub(super) calls: u64,
    /// What broke a rule of the store.
    pub(super) faults: Vec<String>,
}

/// PagerDuty, which ends each alert as its events say.
#[derive(Default)]
pub(super) struct PagerDuty {
    /// When it fails, from and until.
    pub(super) outages: Vec<(Duration, Duration)>,
    /// The status of a failure. 0 for no answer at all.
    pub(super) failure: u16,
    pub(super) retry_after: Option<u64>,
    /// Of so many hundred requests that it does not answer, it applies one within two minutes.
    pub(super) applies_late: u64,
    /// How many it has applied so.
    pub(super) applied_late: u32,
    /// Events with one of these texts get this status, whenever they come.
    pub(super) statuses: Vec<(&'static str, u16)>,
    /// A routing key whose rate it limits, and the `Retry-After`.
    pub(super) limited: Option<(&'static str, u64)>,
    /// The routing keys that it does not know.
    pub(super) unknown_keys: Vec<&'static str>,
    /// How long it takes for an answer, at most.
    pub(super) takes: Duration,
    /// Each accepted event: when, its action, its dedup key, its number.
    pub(super) accepted: Vec<(Duration, String, String, u64)>,
    /// Every request: when, and the event.
    pub(super) received: Vec<(Duration, Value)>,
    /// The only routing key whose requests fail, if the others do not.
    pub(super) failing_key: Option<String>,
    /// The number of the trigger that opened each open alert, by its dedup key and routing key: `sim:a@<key>`.
    pub(super) open: BTreeMap<String, u64>,
    /// What must never happen.
    pub(super) faults: Vec<String>,
}

impl PagerDuty {
    fn is_down(&self, now: Duration) -> bool {
        self.outages.iter().any(|(from, until)| (*from..*until).contains(&now))
    }

    /// Whether an alert with this dedup key is open, with any routing key.
    pub(super) fn is_open(&self, key: &str) -> bool {
        self.open.keys().any(|open| open.split_once('@').is_some_and(|(open, _)| open == key))
    }

    fn apply(&mut self, now: Duration, event: &Value) {
        let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (action, key) = (text("/event_action"), text("/dedup_key"));
        let number = number_of(event);
        let alert = [&key, "@", &text("/routing_key")].concat();
        match (&*action, self.open.get(&alert)) {
            ("trigger", None) => drop(self.open.insert(alert, number)),
            ("trigger", Some(open)) => drop(self.open.insert(alert, number.max(*open))),
            ("resolve", Some(open)) => {
                if *open > number {
                    self.faults.push(format!("{key}: resolve {number} closes the newer trigger {open}"));
                }
                self.open.remove(&alert);
            }
            _ => {}
        }
        self.accepted.push((now, action, key, number));
    }
}

/// The number of an event, at the end of its summary: `… #7`.
pub(super) fn number_of(event: &Value) -> u64 {
    let summary = event.pointer("/payload/summary").and_then(Value::as_str).unwrap_or_default();
    summary.rsplit_once('#').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

/// Ends the thread of an instance that is killed.
struct Killed;

impl World {
    pub(super) fn new(seed: u64, variables: &[(&str, &str)]) -> World {
        let (waited, waits) = channel();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let pagerduty = PagerDuty { failure: 503, takes: Duration::from_millis(100), ..PagerDuty::default() };
        let store = Store { takes: Duration::from_millis(10), ..Store::default() };
        let state = State {
            now: Duration::ZERO,
            queue: BTreeMap::new(),
            order: 0,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            store,
            pagerduty,
            variables,
            kills: 0,
            killed: 0,
            log: Vec::new(),
            others: Vec::new(),
            others_answer: 200,
            others_reject: None,
        };
        World(Arc::new(Shared { state: Mutex::new(state), waits: Mutex::new(waits), waited }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("no thread panics while it has the state")
    }

    /// Plans something for a time. It runs on a thread of its own.
    pub(super) fn at(&self, time: Duration, begin: impl FnOnce(&World) + Send + 'static) {
        let world = self.clone();
        self.state().plan(time, Next::Begin(Box::new(move || begin(&world))));
    }

    /// Waits until a time. Only for what [`World::at`] has planned.
    pub(super) fn wait_until(&self, time: Duration) {
        let (wake, woken) = channel();
        self.state().plan(time, Next::Wake(wake));
        self.0.waited.send(()).expect("the world runs");
        woken.recv().expect("the world goes on");
    }

    /// Runs until nothing is planned.
    pub(super) fn run(&self) {
        let waits = self.0.waits.lock().expect("one at a time");
        let mut threads = Vec::new();
        loop {
            let mut state = self.state();
            let Some(((time, _), next)) = state.queue.pop_first() else { break };
            state.now = state.now.max(time);
            drop(state);
            match next {
                Next::Wake(wake) => wake.send(()).expect("the thread waits"),
                Next::Begin(begin) => {
                    let waited = self.0.waited.clone();
                    threads.push(std::thread::spawn(move || {
                        let ended = catch_unwind(AssertUnwindSafe(begin));
                        waited.send(()).expect("the world runs");
                        if let Err(panic) = ended
                            && !panic.is::<Killed>()
                        {
                            resume_unwind(panic);
                        }
                    }));
                }
            }
            waits.recv().expect("threads say when they wait");
        }
        for thread in threads {
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    }

    /// An instance for a request that arrives now.
    pub(super) fn instance(&self) -> Instance {
        Instance { world: self.clone(), arrived: self.state().now }
    }
}

impl State {
    fn plan(&mut self, time: Duration, next: Next) {
        self.order += 1;
        self.queue.insert((time.max(self.now), self.order), next);
    }

    /// A number below `end`, by xorshift.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) % end.max(1)
    }

    fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(most.as_micros()).expect("a short time") + 1))
    }
}

/// A host for one request.
pub(super) struct Instance {
    world: World,
    arrived: Duration,
}

impl Instance {
    /// Makes a call to the store.
    fn call<T>(&self, name: &str, key: &str, act: impl FnOnce(&mut Store) -> T) -> Result<T, StoreError> {
        let until = {
            let mut state = self.world.state();
            let most = state.store.takes;
            state.now + state.store.always_takes.unwrap_or_else(|| state.up_to(most))
        };
        self.world.wait_until(until);
        let mut state = self.world.state();
        state.store.calls += 1;
        let is_meant =
            |(call, begins, left): &&mut (&str, &str, u64)| *call == name && key.starts_with(*begins) && *left > 0;
        if let Some((.., left)) = state.store.fails_at.iter_mut().find(is_meant) {
            *left -= 1;
            return Err(StoreError::Failed);
        }
        if state.store.is_absent {
            return Err(StoreError::Absent);
        }
        if state.store.fails {
            return Err(StoreError::Failed);
        }
        let is_killed = state.is_killed();
        if is_killed && state.below(2) == 0 {
            drop(state);
            resume_unwind(Box::new(Killed));
        }
        let result = act(&mut state.store);
        drop(state);
        if is_killed {
            resume_unwind(Box::new(Killed));
        }
        Ok(result)
    }
}

impl State {
    /// Whether this call kills its instance.
    fn is_killed(&mut self) -> bool {
        let kills = self.kills;
        let is_killed = kills > 0 && self.below(1000) < kills;
        self.killed += u32::from(is_killed);
        is_killed
    }
}

impl Host for Instance {
    fn now(&self) -> Duration {
        EPOCH + self.world.state().now
    }

    fn elapsed(&self) -> Duration {
        self.world.state().now - self.arrived
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        Ok(self.world.state().variables.get(name).cloned())
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        Ok(self.world.state().variables.keys().cloned().collect())
    }

    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>) {
        lanes::exchange(self, lanes, deadline, step);
    }

    fn stored(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call("get", key, |store| store.keys.get(key).cloned())
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call("set", key, |store| {
            let before = store.keys.insert(key.to_owned(), value.to_vec());
            if key.starts_with("pr1.e.") {
                if before.is_some_and(|before| before != value) {
                    store.faults.push(format!("{key} has another value"));
                }
                if store.deleted.contains(key) {
                    store.faults.push(format!("{key} is back"));
                }
            }
        })
    }

    fn forget(&mut self, key: &str) -> Result<(), StoreError> {
        self.call("delete", key, |store| {
            if store.keys.remove(key).is_some() && key.starts_with("pr1.e.") {
                store.deleted.insert(key.to_owned());
            }
        })
    }

    fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        self.call("list", "", |store| store.keys.keys().cloned().collect())
    }

    fn pause(&mut self, until: Duration) {
        self.world.wait_until(self.arrived + until);
    }
}

/// A request to PagerDuty or to another host that is running.
pub(super) struct Running {
    ends: Duration,
    answer: Result<HttpResponse, SendError>,
    /// The event that PagerDuty applies at the end.
    event: Option<Value>,
}

impl Wire for Instance {
    type Exchange = Running;

    fn elapsed(&self) -> Duration {
        Host::elapsed(self)
    }

    fn start(&mut self, outbound: HttpRequest, _: Duration) -> Result<Running, SendError> {
        let mut state = self.world.state();
        let body: Value = serde_json::from_slice(&outbound.body.unwrap_or_default()).unwrap_or_default();
        let (now, most) = (state.now, state.pagerduty.takes);
        let ends = now + Duration::from_millis(1) + state.up_to(most);
        if !outbound.url.authority.ends_with("pagerduty.com") {
            let is_rejected = state.others_reject.is_some_and(|part| body.to_string().contains(part));
            let status = if is_rejected { 400 } else { state.others_answer };
            let confirmation = if status == 202 { CONFIRMED.to_vec() } else { Vec::new() };
            state.others.push((outbound.url.to_string(), body));
            let answer = Ok(HttpResponse { status, retry_after: None, body: confirmation });
            return Ok(Running { ends, answer, event: None });
        }
        state.pagerduty.received.push((now, body.clone()));
        let text = body.to_string();
        if let Some((_, status)) = state.pagerduty.statuses.iter().find(|(part, _)| text.contains(part)) {
            let answer = Ok(HttpResponse { status: *status, retry_after: None, body: Vec::new() });
            return Ok(Running { ends, answer, event: None });
        }
        if let Some((_, wait)) = state.pagerduty.limited.filter(|(key, _)| body["routing_key"] == **key) {
            let answer = Ok(HttpResponse { status: 429, retry_after: Some(wait), body: Vec::new() });
            return Ok(Running { ends, answer, event: None });
        }
        let is_spared = state.pagerduty.failing_key.as_ref().is_some_and(|key| body["routing_key"] != **key);
        let is_down = !is_spared && state.pagerduty.is_down(now);
        if !is_down && state.pagerduty.unknown_keys.iter().any(|key| body["routing_key"] == **key) {
            let body = b"{\"status\":\"invalid event\",\"message\":\"Invalid routing key\"}".to_vec();
            let answer = Ok(HttpResponse { status: 400, retry_after: None, body });
            return Ok(Running { ends, answer, event: None });
        }
        if !is_down {
            let answer = Ok(HttpResponse { status: 202, retry_after: None, body: CONFIRMED.to_vec() });
            return Ok(Running { ends, answer, event: Some(body) });
        }
        let (status, retry_after) = (state.pagerduty.failure, state.pagerduty.retry_after);
        if status == 0 {
            if state.pagerduty.applies_late > state.below(100) {
                let later = now + Duration::from_secs(10 + state.below(110));
                let world = self.world.clone();
                state.pagerduty.applied_late += 1;
                let apply = move || world.state().pagerduty.apply(later, &body);
                state.plan(later, Next::Begin(Box::new(apply)));
            }
            let answer = Err(SendError::Deadline);
            return Ok(Running { ends: now + Duration::from_secs(3600), answer, event: None });
        }
        let answer = Ok(HttpResponse { status, retry_after, body: Vec::new() });
        Ok(Running { ends, answer, event: None })
    }

    fn advance(&mut self, running: &mut Running) -> Option<Result<HttpResponse, SendError>> {
        let mut state = self.world.state();
        if running.ends > state.now {
            return None;
        }
        let is_killed = state.is_killed();
        if let Some(event) = running.event.take().filter(|_| !is_killed || state.below(2) == 0) {
            let now = state.now;
            state.pagerduty.apply(now, &event);
        }
        drop(state);
        if is_killed {
            resume_unwind(Box::new(Killed));
        }
        Some(running.answer.clone())
    }

    fn wait(&mut self, running: &[&Running], until: Duration) {
        let until = until.saturating_add(self.arrived);
        let first = running.iter().map(|running| running.ends).chain([until]).min().expect("there is one");
        self.world.wait_until(first);
    }
}
