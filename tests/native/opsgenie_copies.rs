//! Copies of Opsgenie's calls for Opsgenie itself, in a parallel run.

use std::collections::BTreeMap;
use std::time::Duration;

use pagerelay::http::Method;
use pagerelay::pipeline;
use pagerelay::runtime::lanes::{self, Wire};
use pagerelay::runtime::{Host, HttpRequest, HttpResponse, SendError, Step, VariableError};
use pagerelay_support::{OPSGENIE_SECRET, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::senders::findings;
use crate::walls::{operated, stranger};

/// The key for Opsgenie.
const COPY_KEY: &str = "c0ffee00-1a2b-4c3d-9e8f-7a6b5c4d3e2f";

/// In place of the alias that the relay gives an alert without one.
const MADE_UP: &str = "(the dedup key of the event)";

/// A host with PagerDuty and Opsgenie, whose clock advances only while it waits.
struct TwoProducts {
    variables: BTreeMap<&'static str, &'static str>,
    now: Duration,
    /// How long PagerDuty and Opsgenie take.
    take: [Duration; 2],
    /// Opsgenie's answer.
    opsgenie: Result<u16, SendError>,
    pagerduty: u16,
    /// The requests to Opsgenie: method, URL, key and body.
    copies: Vec<(Method, String, String, Value)>,
    events: Vec<Value>,
    timeouts: Vec<Duration>,
}

impl TwoProducts {
    fn new() -> TwoProducts {
        TwoProducts {
            variables: BTreeMap::from([
                ("webhook_secret", SECRET),
                ("secret_opsgenie", OPSGENIE_SECRET),
                ("routing_key", SERVICE_KEY),
                ("opsgenie_copy_key", COPY_KEY),
            ]),
            now: Duration::ZERO,
            take: [Duration::from_millis(50); 2],
            opsgenie: Ok(202),
            pagerduty: 202,
            copies: Vec::new(),
            events: Vec::new(),
            timeouts: Vec::new(),
        }
    }

    /// Sends a call, and returns the status, the answer and the line of the log.
    fn call(&mut self, method: Method, target: &str, body: &str) -> (u16, Value, Value) {
        self.now = Duration::ZERO;
        let key = format!("GenieKey {OPSGENIE_SECRET}");
        let (reply, line) =
            pipeline::handle(self, &stranger(method, target, &[("authorization", &key)], body.as_bytes()));
        let (answer, line) = (String::from_utf8(reply.body).expect("text"), line.expect("a line"));
        let sent = format!("{:?}", self.events);
        assert!(![&answer, &line, &sent].iter().any(|text| text.contains(COPY_KEY)), "{answer} {line} {sent}");
        let copied = format!("{:?}", self.copies);
        assert!(!copied.contains(OPSGENIE_SECRET) && !copied.contains(SERVICE_KEY), "{copied}");
        let json = |text: &str| serde_json::from_str(text).expect("JSON");
        (reply.status.as_u16(), json(&answer), json(&line))
    }
}

impl Host for TwoProducts {
    fn now(&self) -> Duration {
        Duration::from_secs(1_772_600_798)
    }

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        Ok(self.variables.get(name).map(|value| (*value).to_owned()))
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        Ok(self.variables.keys().map(|name| (*name).to_owned()).collect())
    }

    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>) {
        lanes::exchange(self, lanes, deadline, step);
    }
}

/// A request that is running: when it ends, and its answer.
struct Running(Duration, Result<u16, SendError>);

impl Wire for TwoProducts {
    type Exchange = Running;

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn start(&mut self, outbound: HttpRequest, left: Duration) -> Result<Running, SendError> {
        let HttpRequest { method, url, headers, body, .. } = outbound;
        let body = body.map(|body| serde_json::from_slice(&body).expect("JSON")).unwrap_or_default();
        let [pagerduty, opsgenie] = self.take;
        if url.authority == "events.pagerduty.com" {
            self.events.push(body);
            return Ok(Running(self.now + pagerduty, Ok(self.pagerduty)));
        }
        let keys = headers.into_iter().filter(|(name, _)| *name == "authorization").map(|(_, value)| value);
        self.copies.push((method, url.to_string(), keys.collect(), body));
        self.timeouts.push(left);
        Ok(Running(self.now + opsgenie, self.opsgenie))
    }

    fn advance(&mut self, Running(end, answer): &mut Running) -> Option<Result<HttpResponse, SendError>> {
        let body = br#"{"status":"success","message":"Event processed"}"#.to_vec();
        let answer = answer.map(|status| HttpResponse { status, retry_after: None, body });
        (*end <= self.now).then_some(answer)
    }

    fn wait(&mut self, running: &[&Running], until: Duration) {
        self.now = running.iter().map(|Running(end, _)| *end).chain([until]).min().expect("there is one");
    }
}

#[test]
fn each_call_that_changes_something_reaches_opsgenie_as_it_came_without_the_senders_key() {
    let id = "10af99a609169YS9iIGM";
    for (method, target, body, path, copied) in [
        (
            Method::Post,
            "/opsgenie/v2/alerts/".to_owned(),
            json!({"message": "m", "alias": "a/b c", "apiKey": "somebodys", "tags": ["x"]}),
            "/v2/alerts",
            json!({"message": "m", "alias": "a/b c", "tags": ["x"]}),
        ),
        (
            Method::Post,
            format!("/v2/alerts?apiKey={OPSGENIE_SECRET}"),
            json!({"message": "m", "alias": id}),
            "/v2/alerts",
            json!({"message": "m", "alias": "a/b c"}),
        ),
        (
            Method::Post,
            "/v2/alerts".to_owned(),
            json!({"message": "m"}),
            "/v2/alerts",
            json!({"message": "m", "alias": MADE_UP}),
        ),
        (
            Method::Post,
            "/opsgenie/payments/v2/alerts/a/b%20c/close/?identifierType=alias&user=ada".to_owned(),
            json!({"note": "done"}),
            "/v2/alerts/a%2Fb%20c/close?identifierType=alias&user=ada",
            json!({"note": "done"}),
        ),
        (
            Method::Post,
            format!("/v2/alerts/{id}/acknowledge?identifierType=id"),
            json!({}),
            "/v2/alerts/a%2Fb%20c/acknowledge?identifierType=alias",
            json!({}),
        ),
        (
            Method::Post,
            "/v2/alerts/70413a06-38d6-4c85-92b8-5ebc900d42e2/close".to_owned(),
            json!({}),
            "/v2/alerts/70413a06-38d6-4c85-92b8-5ebc900d42e2/close",
            json!({}),
        ),
        (
            Method::Put,
            "/v2/alerts/x/message?identifierType=alias".to_owned(),
            json!({"message": "n"}),
            "/v2/alerts/x/message?identifierType=alias",
            json!({"message": "n"}),
        ),
        (
            Method::Delete,
            "/v2/alerts/x/details?identifierType=alias&keys=a,b&token=hidden".to_owned(),
            Value::Null,
            "/v2/alerts/x/details?identifierType=alias&keys=a%2Cb",
            Value::Null,
        ),
        (
            Method::Delete,
            format!("/v2/alerts/{id}"),
            Value::Null,
            "/v2/alerts/a%2Fb%20c?identifierType=alias",
            Value::Null,
        ),
        (
            Method::Post,
            "/v2/alerts/x/actions/re%20start".to_owned(),
            json!({}),
            "/v2/alerts/x/actions/re%20start",
            json!({}),
        ),
        (
            Method::Patch,
            "/v2/alerts/saved-searches/s".to_owned(),
            json!({"name": "n"}),
            "/v2/alerts/saved-searches/s",
            json!({"name": "n"}),
        ),
    ] {
        let mut host = TwoProducts::new();
        host.variables.insert("routing_key_payments", "p0pageRelayTestKey0000000000000u");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, line) = host.call(method, &target, &body);
        assert_eq!(status, 202, "{target}: {line}");
        let url = format!("https://api.opsgenie.com{path}");
        let mut copied = copied;
        if copied["alias"] == MADE_UP {
            copied["alias"] = host.events[0]["dedup_key"].clone();
        }
        assert_eq!(host.copies, [(method, url, format!("GenieKey {COPY_KEY}"), copied)], "{target}");
    }
}

#[test]
fn reads_attachments_previews_and_integrations_are_not_copied() {
    let alerts = r#"{"version": "4", "status": "firing", "alerts": [{"status": "firing", "fingerprint": "f"}]}"#;
    for (method, target, body) in [
        (Method::Get, "/v2/alerts/x", ""),
        (Method::Get, "/v2/alerts/requests/10af99a609169YS9iIGM", ""),
        (Method::Post, "/v2/alerts/x/attachments", "--boundary\r\n"),
        (Method::Delete, "/v2/alerts/x/attachments/7", ""),
        (Method::Post, "/v2/alerts", "not JSON"),
        (Method::Post, "/v2/alerts", "[]"),
        (Method::Post, "/preview/opsgenie/v2/alerts", r#"{"message": "m"}"#),
        (Method::Post, "/opsgenie/v1/json/prometheus", alerts),
        (Method::Post, "/v1/json/alert", r#"{"message": "m"}"#),
        (Method::Post, "/v2/alerts/x/explode", "{}"),
        (Method::Post, "/v2/heartbeats/x/ping", ""),
        // Opsgenie's server may resolve these, with the operator's key.
        (Method::Post, "/v2/alerts/../close", ""),
        (Method::Delete, "/v2/alerts/%2e%2E", ""),
        (Method::Delete, "/v2/alerts/saved-searches/../../teams/t", ""),
        (Method::Post, "/v2/alerts/x/actions/%2e%2e", ""),
        (Method::Delete, "/v2/alerts/saved-searches/..;/teams", ""),
        (Method::Delete, "/v2/alerts/saved-searches/..%3bx/teams", ""),
        (Method::Post, "/v2/alerts/x/actions/..%2F..%2Fteams", ""),
        (Method::Post, "/v2/alerts/..%2Fteams/close", ""),
        (Method::Delete, "/v2/alerts/a%2F..%5C..%2fteams", ""),
        (Method::Delete, "/v2/alerts/186912755e41aLi4vLi4vdGVhbXM", ""),
    ] {
        let mut host = TwoProducts::new();
        host.call(method, target, body);
        assert!(host.copies.is_empty(), "{target}: {:?}", host.copies);
    }
    let mut host = TwoProducts::new();
    let wrong = [("authorization", "GenieKey 00000000-1111-2222-3333-444444444444")];
    pipeline::handle(&mut host, &stranger(Method::Post, "/v2/alerts", &wrong, br#"{"message": "m"}"#));
    assert!(host.copies.is_empty() && host.events.is_empty());
}

#[test]
fn no_segment_of_a_copy_is_more_than_a_name() {
    let mut host = TwoProducts::new();
    for (method, path) in [
        (Method::Delete, "saved-searches/a..;b/teams"),
        (Method::Post, "x/actions/...%2Fa?b%2Fteams"),
        (Method::Post, "a%2Fb.%2F%252e%252e/close"),
    ] {
        host.call(method, &format!("/v2/alerts/{path}"), "");
    }
    let paths: Vec<&str> = host.copies.iter().filter_map(|(_, url, ..)| url.split("/v2/alerts/").nth(1)).collect();
    let wanted = ["saved-searches/a..%3Bb/teams", "x/actions/...%2Fa", "a%2Fb.%2F%252e%252e/close"];
    assert_eq!(paths, wanted);
}

#[test]
fn the_answer_is_the_same_whatever_becomes_of_the_copy() {
    let body = r#"{"message": "m", "alias": "x"}"#;
    for (pagerduty, wanted) in [(202, 202), (400, 502), (429, 503)] {
        let mut alone = TwoProducts::new();
        alone.pagerduty = pagerduty;
        alone.variables.remove("opsgenie_copy_key");
        let (status, expected, _) = alone.call(Method::Post, "/v2/alerts", body);
        assert_eq!((status, alone.copies.len()), (wanted, 0));
        for (opsgenie, why) in [
            (Ok(202), None),
            (Ok(401), Some("401")),
            (Ok(302), Some("302")),
            (Ok(500), Some("500")),
            (Err(SendError::Denied), Some("add its host to allowed_outbound_hosts")),
            (Err(SendError::Dns), Some("host name could not be resolved")),
        ] {
            let mut host = TwoProducts::new();
            (host.opsgenie, host.pagerduty) = (opsgenie, pagerduty);
            let (same, answer, line) = host.call(Method::Post, "/v2/alerts", body);
            assert_eq!((same, answer["requestId"].clone()), (status, expected["requestId"].clone()));
            assert_eq!(answer.get("warnings"), expected.get("warnings"), "{opsgenie:?}");
            assert_eq!(host.copies.len(), 1, "a copy is sent once");
            let said =
                why.map(|why| format!("the copy that variable `opsgenie_copy_key` asks for was not accepted: {why}"));
            let logged = line["warnings"].as_array().cloned().unwrap_or_default();
            assert_eq!(logged, said.map(Value::from).into_iter().collect::<Vec<_>>(), "{opsgenie:?}");
        }
    }
}

#[test]
fn a_copy_takes_two_seconds_at_most_also_where_pagerduty_has_answered() {
    for (pagerduty, opsgenie, wanted) in [(50, 60_000, 2000), (50, 1900, 1900), (50, 10, 50), (3000, 60_000, 3000)] {
        let mut host = TwoProducts::new();
        host.take = [pagerduty, opsgenie].map(Duration::from_millis);
        let (status, answer, line) = host.call(Method::Post, "/v2/alerts", r#"{"message": "m", "alias": "x"}"#);
        assert_eq!((status, host.now), (202, Duration::from_millis(wanted)), "{pagerduty} {opsgenie}");
        assert_eq!(host.timeouts, [Duration::from_secs(2)]);
        let late = opsgenie > 2000;
        assert_eq!((line["level"] == "warning", answer.get("warnings")), (late, None), "{line}");
        assert_eq!(line.to_string().contains("was not accepted: timed out"), late, "{line}");
    }
    // A call that sends no event is copied in the same way.
    let mut host = TwoProducts::new();
    host.take = [Duration::ZERO, Duration::from_secs(60)];
    let (status, ..) = host.call(Method::Post, "/v2/alerts/x/snooze", "{}");
    assert_eq!((status, host.now, host.events.len()), (202, Duration::from_secs(2), 0));
}

#[test]
fn check_accepts_a_key_for_copies_that_is_also_the_secret_of_the_senders() {
    let mut host = operated();
    host.variables.insert("opsgenie_copy_key", OPSGENIE_SECRET);
    for about in ["variables", "senders", "settings"] {
        let found = findings(&mut host, "/check", about);
        assert!(!found.iter().any(|what| what.contains("opsgenie_copy")), "{found:?}");
    }
}

#[test]
fn the_key_and_the_region_obey_the_rules_of_variables() {
    let body = r#"{"message": "m", "alias": "x"}"#;
    let mut host = TwoProducts::new();
    host.variables.insert("opsgenie_copy_region", "eu");
    host.call(Method::Post, "/v2/alerts", body);
    assert_eq!(host.copies[0].1, "https://api.eu.opsgenie.com/v2/alerts");
    for (name, value, problem) in [
        ("opsgenie_copy_region", "asia", "variable `opsgenie_copy_region` must be one of us, eu"),
        ("opsgenie_copy_key", "too-short", "variable `opsgenie_copy_key` is too short; use at least 16 characters"),
        (
            "opsgenie_copy_key",
            "replaceme-replaceme",
            "variable `opsgenie_copy_key` holds a placeholder; set a random secret",
        ),
        (
            "opsgenie_copy_key",
            "p0pageRelayTestKey0000000000000u",
            "variable `opsgenie_copy_key` looks like a routing key (32 letters and digits); choose a longer secret",
        ),
    ] {
        let mut host = TwoProducts::new();
        host.variables.insert(name, value);
        let (status, answer, line) = host.call(Method::Post, "/v2/alerts", body);
        assert_eq!((status, host.copies.len(), host.events.len()), (202, 0, 1), "{name}");
        assert_eq!((answer.get("warnings"), &line["warnings"]), (None, &json!([problem])), "{name}");

        let mut checked = operated();
        checked.variables.insert("opsgenie_copy_key", COPY_KEY);
        checked.variables.insert(name, value);
        let found = findings(&mut checked, "/check", "settings");
        assert!(found.contains(&format!("warning {problem}; no copies are sent")), "{found:?}");
    }
}
