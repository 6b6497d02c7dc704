//! How often an event is retried, and when, with a scripted PagerDuty and a clock that advances only while the relay waits.

use std::collections::BTreeMap;
use std::time::Duration;

use pagerelay::http::{Method, Url};
use pagerelay::pagerduty::event::{Action, DedupKey, Event, Severity};
use pagerelay::pagerduty::events_api::{self, Addressed, Destination, Outcome, Retries, Verdict};
use pagerelay::pipeline;
use pagerelay::runtime::lanes::{self, Wire};
use pagerelay::runtime::{Host, HttpRequest, HttpResponse, SendError, Step, VariableError};
use pagerelay::secret::{Rotation, Secret};
use pagerelay::sources::{SOURCES, Source};
use pagerelay_support::{SECRET, SERVICE_KEY, credentials, fixtures, own_secrets, secret_for};
use serde_json::Value;

use crate::walls::stranger;

/// How long every response takes.
const TAKES: Duration = Duration::from_millis(20);

/// The time for a sender that waits ten seconds.
const DEADLINE: Duration = Duration::from_millis(9500);

/// PagerDuty's response: the status, and the seconds in its `Retry-After`.
type Response = Result<(u16, Option<u64>), SendError>;

/// A host whose PagerDuty responds as `respond` says, from the time and the event.
struct Scripted<F> {
    now: Duration,
    respond: F,
    variables: BTreeMap<String, String>,
    /// Every request: when it was sent, and its body.
    sent: Vec<(Duration, Value)>,
    /// How long each request could have taken.
    left: Vec<Duration>,
}

/// A request that is running: when it ends, and its answer.
struct Running(Duration, Response);

impl<F: FnMut(Duration, &Value) -> Response> Scripted<F> {
    fn new(respond: F) -> Scripted<F> {
        let mut variables = BTreeMap::from([
            ("webhook_secret".to_owned(), SECRET.to_owned()),
            ("routing_key".to_owned(), SERVICE_KEY.to_owned()),
            ("query_token".to_owned(), "on".to_owned()),
        ]);
        variables.extend(own_secrets().map(|(name, secret)| (name, secret.to_owned())));
        Scripted { now: Duration::ZERO, respond, variables, sent: Vec::new(), left: Vec::new() }
    }

    /// Sends these events until [`DEADLINE`].
    fn deliver(&mut self, events: &[Event], retries: Retries) -> Vec<Outcome> {
        self.deliver_with(None, events, retries)
    }

    fn deliver_with(&mut self, previous: Option<&str>, events: &[Event], retries: Retries) -> Vec<Outcome> {
        let url = |path: &str| Url { https: true, authority: "events.test".to_owned(), path: path.to_owned() };
        let (alerts, changes) = (url("/v2/enqueue"), url("/v2/change/enqueue"));
        let previous = previous.map(|key| Secret::new(key.to_owned()));
        let keys = Rotation { current: Secret::new(SERVICE_KEY.to_owned()), previous };
        let destination = Destination { keys: &keys, alerts: &alerts, changes: &changes, minimal: true };
        let (outcomes, _) =
            events_api::deliver(self, &[Addressed { events, held: &[], destination }], retries.into(), DEADLINE, None);
        outcomes
    }

    /// The times of the requests about an alert, in milliseconds.
    fn times(&self, key: &str) -> Vec<u128> {
        let of_alert = self.sent.iter().filter(|(_, event)| event["dedup_key"] == key);
        of_alert.map(|(at, _)| at.as_millis()).collect()
    }

    /// The actions that were sent about an alert, in order.
    fn actions(&self, key: &str) -> Vec<&str> {
        let of_alert = self.sent.iter().filter(|(_, event)| event["dedup_key"] == key);
        of_alert.filter_map(|(_, event)| event["event_action"].as_str()).collect()
    }
}

impl<F: FnMut(Duration, &Value) -> Response> Host for Scripted<F> {
    fn now(&self) -> Duration {
        Duration::from_secs(1_772_600_798)
    }

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        Ok(self.variables.get(name).cloned())
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        Ok(self.variables.keys().cloned().collect())
    }

    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>) {
        lanes::exchange(self, lanes, deadline, step);
    }
}

impl<F: FnMut(Duration, &Value) -> Response> Wire for Scripted<F> {
    type Exchange = Running;

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Running, SendError> {
        let event = serde_json::from_slice(&outbound.body.expect("a body")).expect("JSON");
        let response = (self.respond)(self.now, &event);
        self.sent.push((self.now, event));
        self.left.push(left);
        Ok(Running(self.now + TAKES, response))
    }

    fn advance(&mut self, Running(end, response): &mut Running) -> Option<Result<HttpResponse, SendError>> {
        let confirmed = br#"{"status":"success","message":"Event processed"}"#;
        let response = response.map(|(status, retry_after)| {
            let body = if status == 202 { confirmed.to_vec() } else { Vec::new() };
            HttpResponse { status, retry_after, body }
        });
        (*end <= self.now).then_some(response)
    }

    fn wait(&mut self, running: &[&Running], until: Duration) {
        self.now = running.iter().map(|Running(end, _)| *end).chain([until]).min().expect("there is one");
    }
}

fn down(_: Duration, _: &Value) -> Response {
    Ok((503, None))
}

fn key(name: &str) -> DedupKey {
    DedupKey::verbatim(name).expect("a key")
}

fn trigger(name: &str) -> Event {
    Event::new(Action::Trigger, key(name), Severity::Critical, "disk full", "db-1")
}

fn resolve(name: &str) -> Event {
    Event::bare(Action::Resolve, key(name))
}

/// Checks times against the least pauses. What differs from event to event is 100 ms at most for each pause.
fn assert_paused(times: &[u128], pauses: &[u128]) {
    assert_eq!(times.len(), pauses.len() + 1, "{times:?}");
    for (pair, pause) in times.windows(2).zip(pauses) {
        let waited = pair[1] - pair[0] - TAKES.as_millis();
        assert!((*pause..=*pause + 100).contains(&waited), "{waited} ms, not {pause}: {times:?}");
    }
}

#[test]
fn while_pagerduty_fails_an_event_is_retried_with_growing_pauses_until_the_deadline() {
    let faults: [fn() -> Response; 5] = [
        || Ok((500, None)),
        || Ok((408, None)),
        || Err(SendError::Connect),
        || Err(SendError::Protocol),
        || Err(SendError::Tls),
    ];
    for fault in faults {
        let mut host = Scripted::new(|_, _| fault());
        let outcomes = host.deliver(&[trigger("a")], Retries::UntilDeadline);
        assert_paused(&host.times("a"), &[100, 500, 1000, 2000, 4000]);
        assert_eq!((outcomes[0].current.attempts, outcomes[0].verdict()), (6, Verdict::Retry));
        assert!(host.sent.windows(2).all(|pair| pair[0].1 == pair[1].1), "it is the same to the last byte");
    }
}

#[test]
fn the_first_acceptance_ends_the_retries() {
    for outage in [50, 400, 1000, 3000, 7000] {
        let until = Duration::from_millis(outage);
        let mut host = Scripted::new(|now, _| Ok((if now < until { 503 } else { 202 }, None)));
        let outcomes = host.deliver(&[trigger("a")], Retries::UntilDeadline);
        assert_eq!(outcomes[0].verdict(), Verdict::Accepted, "{outage} ms");
        assert_eq!(host.sent.iter().filter(|(at, _)| *at >= until).count(), 1, "{outage} ms");
    }
}

#[test]
fn a_sender_that_sends_its_state_again_gets_one_retry() {
    let mut host = Scripted::new(down);
    let outcomes = host.deliver(&[trigger("a")], Retries::Once);
    assert_paused(&host.times("a"), &[100]);
    assert_eq!((outcomes[0].current.attempts, outcomes[0].verdict()), (2, Verdict::Retry));
}

#[test]
fn a_rate_limit_is_waited_for_once_and_only_as_long_as_pagerduty_says() {
    for retries in [Retries::Once, Retries::UntilDeadline] {
        let mut host = Scripted::new(|_, _| Ok((429, Some(3))));
        host.deliver(&[trigger("a")], retries);
        assert_paused(&host.times("a"), &[3000]);

        let mut host = Scripted::new(|_, _| Ok((429, None)));
        host.deliver(&[trigger("a")], retries);
        assert_eq!(host.times("a").len(), 1, "it does not say how long");

        let mut host = Scripted::new(|_, _| Ok((429, Some(10))));
        host.deliver(&[trigger("a")], retries);
        assert_eq!(host.times("a").len(), 1, "there is not so much time");
    }
    // After an outage, PagerDuty may limit the rate.
    let mut statuses = [(503, None), (503, None), (429, Some(2)), (503, None), (429, Some(0)), (202, None)].into_iter();
    let mut host = Scripted::new(|_, _| Ok(statuses.next().expect("no more requests than that")));
    let outcomes = host.deliver(&[trigger("a")], Retries::UntilDeadline);
    assert_paused(&host.times("a"), &[100, 500, 2000, 2000]);
    assert_eq!(outcomes[0].verdict(), Verdict::Retry, "the second rate limit is final");
}

#[test]
fn while_a_key_is_rate_limited_no_event_is_retried_further() {
    let mut host = Scripted::new(|_, event| Ok((if event["dedup_key"] == "limited" { 429 } else { 503 }, None)));
    host.deliver(&[trigger("limited"), trigger("a"), trigger("b")], Retries::UntilDeadline);
    assert_eq!([host.times("limited").len(), host.times("a").len(), host.times("b").len()], [1, 2, 2]);
}

#[test]
fn a_pause_that_pagerduty_asks_for_is_kept_while_it_fails() {
    let mut host = Scripted::new(|_, _| Ok((503, Some(3))));
    host.deliver(&[trigger("a")], Retries::UntilDeadline);
    assert_paused(&host.times("a"), &[3000, 3000, 3000]);
    // No pause is shorter than without it, or one event would make a hundred requests.
    let mut host = Scripted::new(|_, _| Ok((503, Some(0))));
    host.deliver(&[trigger("a")], Retries::UntilDeadline);
    assert_paused(&host.times("a"), &[100, 500, 1000, 2000, 4000]);
}

#[test]
fn what_pagerduty_may_have_accepted_or_refuses_is_not_retried_further() {
    for (response, requests) in [
        // It has no body that confirms it.
        (Ok((204, None)), 2),
        // The second one is the minimal form.
        (Ok((400, None)), 2),
        (Ok((403, None)), 1),
        (Err(SendError::Denied), 1),
    ] {
        let mut host = Scripted::new(|_, _| response);
        host.deliver(&[trigger("a")], Retries::UntilDeadline);
        assert_eq!(host.sent.len(), requests, "{response:?}");
    }
    let mut host = Scripted::new(down);
    let outcomes = host.deliver(&[Event::change("deployed", "ci")], Retries::UntilDeadline);
    assert_eq!((host.sent.len(), outcomes[0].verdict()), (2, Verdict::Retry), "a change is no page");
}

#[test]
fn nothing_is_sent_after_the_deadline_and_no_try_starts_without_time() {
    for takes_longer in [0, 700, 1700, 2900, 8000] {
        let mut host = Scripted::new(down);
        host.now = Duration::from_millis(takes_longer);
        host.deliver(&[trigger("a"), resolve("a"), trigger("b")], Retries::UntilDeadline);
        assert!(!host.sent.is_empty() && host.now <= DEADLINE);
        for ((at, _), left) in host.sent.iter().zip(&host.left) {
            assert!(*at < DEADLINE && *at + *left <= DEADLINE, "{at:?} {left:?}");
        }
        let last = host.times("b").pop().expect("it was sent");
        assert!(last <= DEADLINE.as_millis() - 100, "{last} ms is too late to be worth it");
    }
}

#[test]
fn events_of_one_alert_stay_in_order_and_a_resolve_does_not_delay_the_trigger_behind_it() {
    let mut host = Scripted::new(down);
    host.deliver(&[trigger("a"), resolve("a")], Retries::UntilDeadline);
    let actions = host.actions("a");
    assert!(actions.is_sorted_by_key(|action| *action == "resolve"), "{actions:?}");
    assert_eq!(actions.iter().filter(|action| **action == "trigger").count(), 6);
    assert!(actions.contains(&"resolve"));

    let mut host = Scripted::new(|_, event| Ok((if event["event_action"] == "resolve" { 503 } else { 202 }, None)));
    let outcomes = host.deliver(&[resolve("a"), trigger("a")], Retries::UntilDeadline);
    assert_eq!(host.actions("a"), ["resolve", "resolve", "trigger"]);
    assert_eq!(outcomes.iter().map(Outcome::verdict).collect::<Vec<_>>(), [Verdict::Retry, Verdict::Accepted]);
    assert!(*host.times("a").last().expect("a trigger") < 300, "the page does not wait");
}

#[test]
fn a_resolve_that_only_the_current_key_takes_is_retried_with_the_previous_one() {
    let previous = "e0pageRelayTestKey0000000000000p";
    let mut host = Scripted::new(|now, event| {
        let fails = event["routing_key"] == previous && now < Duration::from_secs(3);
        Ok((if fails { 503 } else { 202 }, None))
    });
    let outcomes = host.deliver_with(Some(previous), &[resolve("a")], Retries::UntilDeadline);
    assert_eq!(outcomes[0].verdict(), Verdict::Accepted);
    assert_eq!((outcomes[0].current.attempts, outcomes[0].previous.as_ref().map(|sent| sent.attempts)), (1, Some(5)));
}

#[test]
fn the_requests_of_a_large_delivery_are_bounded() {
    // With the first retry, 100 events make 200 requests. Of 30, each is retried further twice.
    for (events, least, most) in
        [(1, 6, 6), (10, 60, 60), (20, 120, 120), (30, 120, 150), (60, 120, 120), (100, 200, 200)]
    {
        let mut host = Scripted::new(down);
        let triggers: Vec<Event> = (0..events).map(|i| trigger(&format!("alert-{i:03}"))).collect();
        let outcomes = host.deliver(&triggers, Retries::UntilDeadline);
        let requests = host.sent.len();
        assert!((least..=most).contains(&requests), "{events} events: {requests} requests");
        assert!(outcomes.iter().all(|outcome| outcome.current.attempts >= 2), "{events} events");
    }
    // One event that fails among a hundred has the retries for itself.
    let mut host = Scripted::new(|_, event| Ok((if event["dedup_key"] == "alert-007" { 503 } else { 202 }, None)));
    let triggers: Vec<Event> = (0..100).map(|i| trigger(&format!("alert-{i:03}"))).collect();
    host.deliver(&triggers, Retries::UntilDeadline);
    assert_eq!((host.times("alert-007").len(), host.sent.len()), (6, 105));
}

#[test]
fn events_that_failed_together_are_not_retried_at_the_same_time() {
    let mut host = Scripted::new(down);
    let triggers: Vec<Event> = (0..40).map(|i| trigger(&format!("alert-{i:03}"))).collect();
    host.deliver(&triggers, Retries::Once);
    let mut retried: Vec<u128> = (0..40).map(|i| host.times(&format!("alert-{i:03}"))[1]).collect();
    retried.sort_unstable();
    let spread = retried[39] - retried[0];
    assert!((50..=100).contains(&spread), "{spread} ms: {retried:?}");
    retried.dedup();
    assert!(retried.len() > 20, "{retried:?}");
}

#[test]
fn each_status_has_one_verdict() {
    for (statuses, verdict) in [
        (&[401_u16, 402, 403][..], Verdict::RefusedKey),
        // PagerDuty never redirects, and has the path, the method and the host.
        (&[300, 301, 302, 307, 308, 399, 404, 405, 407, 410, 421], Verdict::Misdirected),
        (&[400, 406, 409, 413, 418, 422, 424, 426, 499], Verdict::Refused),
        // Without a body, no success is confirmed.
        (&[200, 204, 299, 408, 425, 429, 500, 502, 503, 599, 100, 600], Verdict::Retry),
        (&[202], Verdict::Accepted),
    ] {
        for status in statuses {
            let mut host = Scripted::new(|_, _| Ok((*status, None)));
            let outcomes = host.deliver(&[trigger("a")], Retries::Never);
            assert_eq!(outcomes[0].verdict(), verdict, "{status}");
        }
    }
}

#[test]
fn each_key_has_its_own_wait_for_a_rate_limit() {
    let previous = "e0pageRelayTestKey0000000000000p";
    let mut host = Scripted::new(|_, _| Ok((429, Some(1))));
    let outcomes = host.deliver_with(Some(previous), &[resolve("a")], Retries::Once);
    assert_eq!(outcomes[0].previous.as_ref().map(|sent| sent.attempts), Some(2));
    assert_eq!(host.sent.iter().filter(|(_, event)| event["routing_key"] == previous).count(), 2);
    assert_eq!(host.sent.len(), 4);
}

/// How often the first event of a fixture of this source is sent while PagerDuty is down, and the status for the sender.
fn tries(source: &'static Source) -> (usize, u16) {
    for fixture in fixtures::of(source) {
        let mut host = Scripted::new(down);
        let own = secret_for(&format!("/{}", source.slug));
        let known = credentials::of(source, own, &fixture.body, host.now().as_secs());
        let path = fixtures::pseudo(&fixture.headers, ":path").unwrap_or_default();
        let query = fixtures::pseudo(&fixture.headers, ":query").unwrap_or_default();
        let method = fixtures::pseudo(&fixture.headers, ":method");
        if !path.is_empty() || !query.is_empty() || method.is_some_and(|method| method != "POST") {
            continue;
        }
        let headers: Vec<(&str, &str)> = fixture
            .headers
            .iter()
            .chain(&known.headers)
            .filter(|(name, _)| !name.starts_with(':'))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let target = format!("/{}?{}", source.slug, known.query);
        let (reply, _) = pipeline::handle(&mut host, &stranger(Method::Post, &target, &headers, &fixture.body));
        let Some((_, first)) = host.sent.iter().find(|(_, event)| event["event_action"] == "trigger") else { continue };
        let same = host.sent.iter().filter(|(_, event)| event == first).count();
        let last = host.sent.last().expect("something was sent").0;
        assert!(last < source.patience, "{}: the sender has gone", source.slug);
        return (same, reply.status.as_u16());
    }
    panic!("{} has a fixture that triggers", source.slug)
}

#[test]
fn the_timeout_of_each_sender_decides_how_often_its_events_are_tried() {
    for source in SOURCES {
        let expected = match (source.resends_state, source.patience.as_secs()) {
            (true, _) => 2..=2,
            (false, 1) => 2..=3,
            (false, 3) => 4..=4,
            (false, 5) => 5..=5,
            (false, 10) => 5..=6,
            (false, 15) => 7..=7,
            (false, 30) => 9..=10,
            (_, seconds) => panic!("{}: {seconds} s", source.slug),
        };
        let (tries, status) = tries(source);
        assert!(expected.contains(&tries) && status == 503, "{}: {tries} tries, {status}", source.slug);
    }
}

#[test]
fn a_sender_that_sends_its_state_again_retries() {
    let again: Vec<&str> = SOURCES.iter().filter(|source| source.resends_state).map(|source| source.slug).collect();
    assert_eq!(again, ["alertmanager", "grafana"], "read the vendor's documentation before you change this list");
    assert!(SOURCES.iter().all(|source| source.retries || !source.resends_state));
}

#[test]
#[cfg(feature = "templates")]
fn senders_of_templates_may_never_come_again() {
    let mut host = Scripted::new(down);
    host.variables.insert("custom_mine".to_owned(), r#"{"dedup_key": "{{ id }}", "summary": "{{ id }}"}"#.to_owned());
    let bearer = format!("Bearer {SECRET}");
    let request = stranger(Method::Post, "/custom/mine", &[("authorization", &bearer)], br#"{"id": "disk"}"#);
    let (reply, _) = pipeline::handle(&mut host, &request);
    assert_eq!((reply.status.as_u16(), host.sent.len()), (503, 6), "{}", String::from_utf8_lossy(&reply.body));
}
