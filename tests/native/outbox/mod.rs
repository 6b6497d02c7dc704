//! What happens to events that PagerDuty does not accept in time, by the relay's own code in a world with its own clock.

use std::sync::mpsc::channel;
use std::time::Duration;

use pagerelay::auth::Authenticated;
use pagerelay::http::{Headers, Method, Reply, Request};
use pagerelay::json::Node;
use pagerelay::mapping::{MapError, Mapped, json};
use pagerelay::pagerduty::event::{Action, DedupKey, Event, Severity};
use pagerelay::pipeline;
use pagerelay::sources::Source;
use pagerelay_support::{SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use self::world::{EPOCH, World};

mod answers;
mod beats;
mod crashes;
mod drains;
mod fallback;
mod guide;
mod outages;
mod paces;
mod probes;
mod ticks;
mod world;

/// A sender that waits ten seconds, one that waits for one second, one whose deliveries are parts of one group, and one that
/// sends its state again by itself.
static PATIENT: Source = Source { slug: "patient", name: "Patient", map, ..Source::DEFAULT };
static HASTY: Source =
    Source { slug: "hasty", name: "Hasty", patience: Duration::from_secs(1), map, ..Source::DEFAULT };
static GROUPED: Source =
    Source { slug: "grouped", name: "Grouped", patience: Duration::from_secs(1), map: map_group, ..Source::DEFAULT };
static RESENDING: Source = Source { slug: "resending", name: "Resending", resends_state: true, map, ..Source::DEFAULT };

/// The senders of a world.
fn senders() -> Vec<&'static Source> {
    let opsgenie = pagerelay::sources::SOURCES.iter().copied().find(|source| source.slug == "opsgenie");
    vec![&GROUPED, &HASTY, opsgenie.expect("a source"), &PATIENT, &RESENDING]
}

/// Maps a list of events. The number of each is at the end of its summary.
fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = json(delivery)?;
    let event = |item: &Value| {
        let item = Node::root(item);
        let [id, number, state, severity] =
            ["id", "n", "state", "severity"].map(|name| item.get(name).text().unwrap_or_default());
        if state == "change" {
            return Event::change(&format!("change {id} #{number}"), "sim");
        }
        let key = DedupKey::new("sim", &[&id]).expect("an id");
        let action = match &*state {
            "up" => Action::Resolve,
            "seen" => Action::Acknowledge,
            _ => Action::Trigger,
        };
        let severity = Severity::from_word(&severity).unwrap_or(Severity::Error);
        Event::new(action, key, severity, &format!("alert {id} #{number}"), "sim")
    };
    let events = Node::root(&body).items().unwrap_or_default().iter().map(event).collect();
    Ok(Mapped { events, ..Mapped::default() })
}

/// Maps a list of events of one group.
fn map_group(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    Ok(Mapped { group: DedupKey::new("sim", &["group"]), ..map(delivery)? })
}

/// The variables of a world: a key, a secret, and these.
fn variables<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("webhook_secret", SECRET), ("routing_key", SERVICE_KEY)], more].concat()
}

/// A request with the shared secret.
fn request(method: Method, path: &str, body: &str) -> Request {
    let headers = [("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())];
    let (path, body) = (path.to_owned(), body.as_bytes().to_vec());
    Request { method, path, query: String::new(), headers: Headers::new(headers), body, problem: None }
}

/// What a sender gets.
#[derive(Clone, Debug, Default)]
struct Answer {
    status: u16,
    body: Value,
    /// How long it took.
    after: Duration,
}

impl World {
    /// Serves a request to its very end. `told` gets the answer when the sender gets it. An instance that is killed before
    /// has none.
    fn serve(&self, request: &Request, told: &mut dyn FnMut(Answer)) {
        let began = self.state().now;
        let mut instance = self.instance();
        let answer = &mut |reply: Reply| {
            let body = serde_json::from_slice(&reply.body).unwrap_or_default();
            let after = self.state().now - began;
            told(Answer { status: reply.status.as_u16(), body, after });
        };
        let log = &mut |line: String| {
            let line = serde_json::from_str(&line).expect("a line of JSON");
            self.state().log.push(line);
        };
        pipeline::serve_among(&senders(), &mut instance, request, answer, log);
    }

    /// Serves a request that arrives at this time.
    fn arrives(&self, time: Duration, request: Request, mut told: impl FnMut(Answer) + Send + 'static) {
        self.at(time, move |world| world.serve(&request, &mut told));
    }

    /// Ticks at this time.
    fn ticks(&self, time: Duration) {
        self.arrives(time, request(Method::Get, "/tick", ""), |_| ());
    }

    /// Serves one request at this time, and runs the world to its end.
    fn ask(&self, time: Duration, request: Request) -> Answer {
        let (told, answer) = channel();
        self.arrives(time, request, move |answer| told.send(answer).expect("somebody waits"));
        self.run();
        answer.recv().expect("an answer")
    }

    /// Ticks at this time, and runs the world to its end.
    fn tick(&self, time: Duration) -> Answer {
        self.ask(time, request(Method::Get, "/tick", ""))
    }

    /// The actions and numbers that PagerDuty has accepted, in order.
    fn accepted(&self) -> Vec<String> {
        let accepted = |(_, action, _, number): &(Duration, String, String, u64)| format!("{action} {number}");
        self.state().pagerduty.accepted.iter().map(accepted).collect()
    }

    /// When the only stored event arrived.
    fn arrival(&self) -> Duration {
        let state = self.state();
        let mut keys = state.store.keys.keys().filter(|key| key.starts_with("pr1.e."));
        let time = keys.next().and_then(|key| key.split('.').nth(4)).expect("an entry with a time");
        assert_eq!(keys.next(), None, "one entry");
        Duration::from_millis(time.parse().expect("a time")) - EPOCH
    }

    /// How many events are stored.
    fn stored(&self) -> usize {
        self.state().store.keys.keys().filter(|key| key.starts_with("pr1.e.")).count()
    }
}

/// How long an instance waits before it knows that it has the lease, if the store takes no time.
const LEASE: Duration = Duration::from_millis(1250);

const MILLISECOND: Duration = Duration::from_millis(1);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A delivery of one event.
fn event(source: &str, id: &str, number: u64, state: &str) -> Request {
    events(source, &json!([{"id": id, "n": number, "state": state}]))
}

fn events(source: &str, events: &Value) -> Request {
    request(Method::Post, &format!("/{source}"), &events.to_string())
}
