//! What PagerDuty does not accept in time: after the answer, in the outbox, and by heartbeats, by the compiled component.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::keyvalue::KeyValue;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, Clock, Egress, Relay, Reply, Script, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{ROUTING_KEY, SECRET, evidence, own_secrets, run};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The time at which tests with a clock of their own begin, since the Unix epoch.
const EPOCH: Duration = Duration::from_secs(1_772_600_000);

/// Runs a test on a clock that advances only while everybody waits.
fn run_paused<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a tokio runtime").block_on(future)
}

/// An event for `/events`, with its number at the end of its summary.
fn event(alert: &str, number: u64, action: &str) -> Call {
    let payload = json!({"summary": format!("#{number}"), "source": "test", "severity": "error"});
    let body = json!({"event_action": action, "dedup_key": alert, "payload": payload});
    Call::post("/events", body.to_string())
}

fn tick() -> Call {
    Call::stranger("GET", "/tick", "")
}

fn number_of(event: &Value) -> u64 {
    event["payload"]["summary"].as_str().and_then(|text| text.strip_prefix('#')?.parse().ok()).unwrap_or_default()
}

/// An Events API in this process.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    is_down: bool,
    requests: usize,
    /// The actions and numbers that were accepted, by alert.
    accepted: BTreeMap<String, Vec<(String, u64)>>,
    /// The number of the trigger that opened each open alert.
    open: BTreeMap<String, u64>,
    faults: Vec<String>,
}

impl Events {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics meanwhile")
    }

    fn status(&self, body: &[u8]) -> u16 {
        let event: Value = serde_json::from_slice(body).expect("an event");
        let mut state = self.state();
        state.requests += 1;
        if state.is_down {
            return 503;
        }
        let (action, alert) =
            (event["event_action"].as_str().expect("an action"), event["dedup_key"].as_str().expect("a key"));
        let number = number_of(&event);
        state.accepted.entry(alert.to_owned()).or_default().push((action.to_owned(), number));
        match (action, state.open.get(alert).copied()) {
            ("trigger", open) => drop(state.open.insert(alert.to_owned(), number.max(open.unwrap_or_default()))),
            ("resolve", Some(open)) => {
                if open > number {
                    state.faults.push(format!("{alert}: {number} closes the newer {open}"));
                }
                state.open.remove(alert);
            }
            _ => {}
        }
        202
    }

    fn world(&self, store: Option<&KeyValue>) -> World {
        let events = self.clone();
        let script = Script { takes: Duration::from_millis(50), status: Arc::new(move |body| events.status(body)) };
        World {
            egress: Egress::Script(script),
            clock: Some(Clock::at(EPOCH)),
            store: store.cloned(),
            ..World::new("https://events.pagerduty.com/v2/enqueue")
        }
    }
}

fn lines(reply: &Reply) -> Vec<Value> {
    reply.log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn the_answer_comes_before_the_next_attempt_and_the_page_even_if_the_sender_has_gone() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.fault(None, Answer::say(503, ""));
        let world = World {
            egress: Egress::Double(pagerduty.address()),
            ..World::new("https://events.pagerduty.com/v2/enqueue")
        };
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port");
        // Sentry waits for one second.
        let body = include_str!("../../../fixtures/sentry/01-firing-metric-alert.json");
        let call = Call::post("/sentry", body);
        let mut stream = TcpStream::connect(server.address).await.expect("it listens");
        let mut head = format!("POST /sentry HTTP/1.1\r\nhost: relay.test\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in &call.headers {
            head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value)));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.expect("it reads");
        let mut answer = [0; 512];
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 503"), "{}", String::from_utf8_lossy(&answer[..read]));
        let before = pagerduty.received().len();
        drop(stream);
        pagerduty.recover();
        let page =
            pagerduty.wait_for(|received| received.event["event_action"] == "trigger" && received.status == 202).await;
        assert!(pagerduty.received().len() > before, "{page:?}");
        assert_eq!(pagerduty.alerts().len(), 1);
    });
}

#[test]
fn a_stored_event_outlives_the_host_and_goes_out_from_the_next_one() {
    let file = std::env::temp_dir().join(format!("pagerelay-store-{}.json", std::process::id()));
    let _nothing = std::fs::remove_file(&file);
    let events = Events::default();
    let loaded = || Relay::from_file(build::component(Flavour::Spin), Flavour::Spin).expect("the component loads");
    events.state().is_down = true;
    run_paused(async {
        let world = events.world(Some(&KeyValue::in_file(&file))).with("outbox", "on");
        let relay = loaded();
        let reply = relay.call(&world, event("a", 1, "trigger")).await.expect("a reply");
        assert_eq!((reply.status, &reply.json()["events"][0]["stored"]), (202, &json!(true)), "{reply:?}");
        let [answered, drained] = &*lines(&reply) else { panic!("two lines: {}", reply.log) };
        assert_eq!(
            (&answered["level"], &drained["source"], &drained["left"]),
            (&json!("warning"), &json!("outbox"), &json!(1))
        );
        relay.call(&world, event("a", 2, "resolve")).await.expect("a reply");
    });
    events.state().is_down = false;
    run_paused(async {
        let store = KeyValue::in_file(&file);
        assert_eq!(store.entries().len(), 2);
        let world = events.world(Some(&store)).with("outbox", "on");
        world.clock.as_ref().expect("a clock").forward(3600);
        let reply = loaded().call(&world, tick()).await.expect("a reply");
        assert_eq!((reply.status, reply.json()), (200, json!({"status": "success"})), "{}", reply.log);
        assert_eq!(store.entries(), [""; 0]);
    });
    std::fs::remove_file(&file).expect("the file of the store");
    let state = events.state();
    assert_eq!(state.accepted["a"], [("trigger".to_owned(), 1), ("resolve".to_owned(), 2)]);
}

#[test]
fn without_a_granted_store_everything_works_as_without_an_outbox() {
    run_paused(async {
        for (store, told) in [
            (None, "the key-value store is not granted: add `key_value_stores"),
            (Some(KeyValue::default()), "the key-value store failed"),
        ] {
            if let Some(store) = &store {
                store.fails(true);
            }
            let events = Events::default();
            let world = events.world(store.as_ref()).with("outbox", "on");
            let fine = relay(Flavour::Spin).call(&world, event("a", 1, "trigger")).await.expect("a reply");
            assert_eq!(fine.status, 202);
            let warning = fine.json()["warnings"][0].as_str().expect("a warning").to_owned();
            assert!(warning.starts_with(told) && !warning.contains("secret-host"), "{warning}");
            assert!(!fine.log.contains("secret-host"));
            events.state().is_down = true;
            let failed = relay(Flavour::Spin).call(&world, event("a", 2, "trigger")).await.expect("a reply");
            assert_eq!(failed.status, 503);
        }
        // Off is the default, and opens nothing.
        let store = KeyValue::default();
        let events = Events::default();
        events.state().is_down = true;
        let reply =
            relay(Flavour::Spin).call(&events.world(Some(&store)), event("a", 1, "trigger")).await.expect("a reply");
        assert_eq!((reply.status, store.calls()), (503, 0));
    });
}

#[test]
fn the_build_for_wasmtime_has_no_store_and_says_so() {
    run_paused(async {
        let world = Events::default().world(None).with("outbox", "on");
        let reply = relay(Flavour::Wasmtime).call(&world, event("a", 1, "trigger")).await.expect("a reply");
        assert_eq!(reply.status, 202);
        assert!(
            reply.json()["warnings"][0].as_str().expect("a warning").starts_with("the runtime has no key-value store")
        );
        let reply = relay(Flavour::Wasmtime).call(&world, tick()).await.expect("a reply");
        assert_eq!(reply.status, 503);
    });
}

/// How many seeds the crash test has.
const CRASHES: u64 = 1000;

/// The alerts of each.
const ALERTS: [&str; 2] = ["a", "b"];

/// How many threads run them.
const THREADS: u64 = 2;

/// Runs one seed. Returns what is wrong at the end, how many instances were killed, and how many events came twice.
async fn crashes(seed: u64) -> (Vec<String>, u64, u64) {
    const EVENTS: u64 = 4;
    let (events, store) = (Events::default(), KeyValue::default());
    let world = events.world(Some(&store)).with("outbox", "on");
    let clock = world.clock.clone().expect("a clock");
    store.takes(Duration::from_millis(seed % 40));
    store.kills(30, seed + 1);
    let relay = relay(Flavour::Spin);
    let outage = 20 + seed % 50;
    events.state().is_down = !seed.is_multiple_of(3);
    let mut told: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
    let ticking = {
        let (world, events) = (world.clone(), events.clone());
        let clock = clock.clone();
        tokio::spawn(async move {
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_secs(13)).await;
                events.state().is_down = (clock.elapsed().as_secs() / outage).is_multiple_of(2);
                // One that is killed has no answer.
                let other = tick().header("x-request-id", "another");
                let (_, _) = tokio::join!(relay.call(&world, tick()), relay.call(&world, other));
            }
        })
    };
    for number in 1..=EVENTS {
        for alert in ALERTS {
            let action = if number % 2 == 1 { "trigger" } else { "resolve" };
            let mut instance = relay.instance();
            let request = event(alert, number, action).request().expect("a request");
            let status = match instance.begin(&world, request).await {
                Ok(answered) => {
                    let status = answered.status;
                    tokio::spawn(async move { answered.end(&mut instance).await.map(drop) });
                    status
                }
                Err(_) => 0,
            };
            told.entry(alert).or_default().push(status);
            tokio::time::sleep(Duration::from_millis(seed * 37 % 9000)).await;
        }
    }
    ticking.await.expect("it ends");
    let killed = store.killed();
    store.kills(0, 1);
    events.state().is_down = false;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        relay.call(&world, tick()).await.expect("nobody is killed now");
    }
    let state = events.state();
    let mut faults = state.faults.clone();
    let mut doubled = 0;
    for (alert, statuses) in told {
        let accepted = state.accepted.get(alert).cloned().unwrap_or_default();
        doubled += (accepted.len() - accepted.iter().collect::<BTreeSet<_>>().len()) as u64;
        let is_success = |number: &u64| (200..300).contains(&statuses[usize::try_from(number - 1).expect("few")]);
        let known = (1..=EVENTS).rev().find(is_success).unwrap_or_default();
        let may_be: Vec<bool> = (known.max(1)..=EVENTS).map(|number| number % 2 == 1).collect();
        if known > 0 && !may_be.contains(&state.open.contains_key(alert)) {
            faults.push(format!("{alert}: {statuses:?}, and PagerDuty has {accepted:?}"));
        }
    }
    if !store.entries().is_empty() {
        faults.push(format!("still stored: {:?}", store.entries()));
    }
    // A drain sends one event of each alert at once, and deletes their entries after that.
    if doubled > killed * ALERTS.len() as u64 {
        faults.push(format!("{doubled} events twice by {killed} crashes: {:?}", state.accepted));
    }
    (faults, killed, doubled)
}

#[test]
fn instances_that_are_killed_at_calls_to_the_store_lose_nothing_and_keep_the_order() {
    let (seeds, only) = match std::env::var("PAGERELAY_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => (seed + 1, Some(seed)),
        None => (CRASHES, None),
    };
    let run = move |thread: u64| {
        let (mut faulty, mut killed, mut doubled) = (Vec::new(), 0, 0);
        for seed in (only.unwrap_or(0)..seeds).filter(|seed| only.is_some() || seed % THREADS == thread) {
            let (faults, kills, twice) = run_paused(crashes(seed));
            (killed, doubled) = (killed + kills, doubled + twice);
            if !faults.is_empty() {
                faulty.push(format!("PAGERELAY_SEED={seed}: {}", faults.join("; ")));
            }
        }
        (faulty, killed, doubled)
    };
    relay(Flavour::Spin);
    let threads: Vec<_> = (0..THREADS).map(|thread| std::thread::spawn(move || run(thread))).collect();
    let (mut faulty, mut killed, mut doubled) = (Vec::new(), 0, 0);
    for thread in threads {
        let (faults, kills, twice) = thread.join().expect("no panic");
        faulty.extend(faults);
        (killed, doubled) = (killed + kills, doubled + twice);
    }
    evidence(&format!(
        "outbox, {CRASHES} runs: {killed} instances killed, {} runs faulty, {doubled} events twice",
        faulty.len()
    ));
    assert!(faulty.is_empty(), "{} runs:\n{}", faulty.len(), faulty.join("\n"));
    assert!(only.is_some() || killed > CRASHES, "{killed}");
}

#[test]
fn nothing_in_the_store_of_the_component_contains_a_key_or_a_secret() {
    run_paused(async {
        let (events, store) = (Events::default(), KeyValue::default());
        events.state().is_down = true;
        let world = events
            .world(Some(&store))
            .with("outbox", "on")
            .with("fallback_url", "https://chat.test/hook?key=hook-secret");
        for (path, body) in [
            (
                "/events",
                json!({"event_action": "trigger", "dedup_key": "a", "payload": {"summary": "s", "source": "x", "severity": "info"}}),
            ),
            // A sender that repeats its secret where nobody can map it.
            ("/custom", json!({"secret": SECRET})),
            ("/formatted", json!({"text": SECRET})),
            ("/sentry", json!({"note": SECRET})),
        ] {
            relay(Flavour::Spin).call(&world, Call::post(path, body.to_string())).await.expect("a reply");
        }
        assert!(store.entries().len() >= 3, "{:?}", store.entries());
        let secrets: Vec<String> = own_secrets()
            .map(|(_, secret)| secret.to_owned())
            .chain([SECRET, ROUTING_KEY, "hook-secret"].map(str::to_owned))
            .collect();
        for (key, value) in store.keys() {
            let text = format!("{key} {}", String::from_utf8_lossy(&value));
            assert!(!secrets.iter().any(|secret| text.contains(secret)), "{text}");
        }
    });
}
