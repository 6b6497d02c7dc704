//! A host for tests that run the pipeline natively.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use pagerelay::http::ReadError;
use pagerelay::runtime::{Host, HttpResponse, Step, VariableError};
use serde_json::Value;

use crate::{SECRET, SERVICE_KEY, own_secrets};

/// A host with a routing key and secrets for all sources, whose PagerDuty gives every event the same status and confirms it.
pub struct Accepting<'a> {
    pub variables: BTreeMap<&'a str, &'a str>,
    /// The variables that were read, in order.
    pub read: RefCell<Vec<String>>,
    /// The bodies that were sent.
    pub sent: Vec<Value>,
    pub status: u16,
    /// The body of every response.
    pub body: &'static str,
    /// The time since the Unix epoch.
    pub now: Duration,
}

/// The body with which PagerDuty confirms an event.
pub const CONFIRMED: &str = r#"{"status":"success","message":"Event processed"}"#;

impl Accepting<'_> {
    #[allow(clippy::new_without_default, reason = "a host with these variables is no default")]
    pub fn new() -> Self {
        let mut variables = BTreeMap::from([("webhook_secret", SECRET), ("routing_key", SERVICE_KEY)]);
        variables.extend(own_secrets().map(|(name, secret)| (&*name.leak(), secret)));
        // 2026-03-04T05:06:38Z
        let now = Duration::from_secs(1_772_600_798);
        Accepting { variables, read: RefCell::default(), sent: Vec::new(), status: 202, body: CONFIRMED, now }
    }
}

impl Host for Accepting<'_> {
    fn now(&self) -> Duration {
        self.now
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        self.read.borrow_mut().push(name.to_owned());
        Ok(self.variables.get(name).map(|value| (*value).to_owned()))
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        Ok(self.variables.keys().map(|name| (*name).to_owned()).collect())
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: Step<'_>) {
        for lane in 0..lanes {
            // The time of a lane is that of its pauses: every request is answered at once.
            let (mut answer, mut elapsed) = (None, Duration::ZERO);
            while let Some(next) = step(lane, elapsed, answer.take()) {
                elapsed = elapsed.max(next.not_before);
                // The check asks PagerDuty with an empty request whether it is reachable.
                if let Some(body) = next.outbound.body {
                    self.sent.push(serde_json::from_slice(&body).expect("json"));
                }
                let body = self.body.as_bytes().to_vec();
                answer = Some(Ok(HttpResponse { status: self.status, retry_after: None, body }));
            }
        }
    }
}

/// A host whose servers answer as a function says, from the URL and the body.
pub struct Answering<'a, F> {
    pub inner: Accepting<'a>,
    answer: F,
    /// Every request to a server: its URL and its body.
    pub sent: Vec<(String, Value)>,
    /// The body of the delivery, if the relay has to ask for it.
    pub body: Option<Result<Vec<u8>, ReadError>>,
    /// How often the relay has asked for it.
    pub asked: usize,
}

impl<F: FnMut(&str, &Value) -> (u16, &'static str)> Answering<'_, F> {
    pub fn new(answer: F) -> Self {
        Answering { inner: Accepting::new(), answer, sent: Vec::new(), body: None, asked: 0 }
    }
}

impl<F: FnMut(&str, &Value) -> (u16, &'static str)> Host for Answering<'_, F> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        self.inner.variable(name)
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        self.inner.variables()
    }

    fn body(&mut self, _: Duration) -> Option<Result<Vec<u8>, ReadError>> {
        self.asked += 1;
        self.body.take()
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: Step<'_>) {
        for lane in 0..lanes {
            let (mut answer, mut elapsed) = (None, Duration::ZERO);
            while let Some(next) = step(lane, elapsed, answer.take()) {
                elapsed = elapsed.max(next.not_before);
                let url = next.outbound.url.to_string();
                let sent = next.outbound.body.map(|body| serde_json::from_slice(&body).expect("json"));
                let sent: Value = sent.unwrap_or_default();
                let (status, body) = (self.answer)(&url, &sent);
                self.sent.push((url, sent));
                answer = Some(Ok(HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() }));
            }
        }
    }
}
