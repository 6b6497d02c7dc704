//! Checks whether PagerDuty accepts a routing key, without paging anybody.

use std::time::Duration;

use super::{Failure, Sent};
use crate::http::Url;
use crate::pagerduty::answer;
use crate::pagerduty::event::Event;
use crate::runtime::{Host, HttpRequest, Next};
use crate::secret::Secret;

/// A routing key, and an event that has no effect with it.
pub struct Probe<'a> {
    /// The key.
    pub key: &'a Secret,
    /// The event.
    pub event: Event,
}

/// Asks PagerDuty whether it accepts each routing key: first at the first of `urls`, and at the next one if the key is
/// unknown there. Returns the responses for each key, in that order. The list of a key is empty if there was no time
/// left to ask.
pub fn probe(host: &mut dyn Host, probes: &[Probe<'_>], urls: &[&Url], deadline: Duration) -> Vec<Vec<Sent>> {
    let hidden: Vec<&Secret> = probes.iter().map(|probe| probe.key).collect();
    let mut told: Vec<Vec<Sent>> = probes.iter().map(|_| Vec::new()).collect();
    host.exchange(probes.len(), deadline, &mut |lane, elapsed, answer| {
        let (probe, told) = (probes.get(lane)?, told.get_mut(lane)?);
        if let Some(answer) = answer {
            let answer = answer.map(|inbound| answer::read(&inbound, &hidden).0).map_err(Failure::Send);
            let sent = Sent { sha256: String::new(), attempts: 1, answer };
            let known = !sent.is_unknown_key();
            told.push(sent);
            if known {
                return None;
            }
        }
        let url = *urls.get(told.len())?;
        let outbound = HttpRequest::post(url.clone(), probe.event.encode(probe.key.expose()));
        Some(Next { outbound, not_before: elapsed, until: None })
    });
    told
}
