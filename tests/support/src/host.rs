//! A host for tests that run the pipeline natively.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

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
}

/// The body with which PagerDuty confirms an event.
const CONFIRMED: &str = r#"{"status":"success","message":"Event processed"}"#;

impl Accepting<'_> {
    #[allow(clippy::new_without_default, reason = "a host with these variables is no default")]
    pub fn new() -> Self {
        let mut variables = BTreeMap::from([("webhook_secret", SECRET), ("routing_key", SERVICE_KEY)]);
        variables.extend(own_secrets().map(|(name, secret)| (&*name.leak(), secret)));
        Accepting { variables, read: RefCell::default(), sent: Vec::new(), status: 202, body: CONFIRMED }
    }
}

impl Host for Accepting<'_> {
    fn now(&self) -> Duration {
        // 2026-03-04T05:06:38Z
        Duration::from_secs(1_772_600_798)
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
