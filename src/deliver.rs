//! Events to PagerDuty: requests out, answers to outcomes.
//!
//! An event counts as accepted only where PagerDuty said so in words that can be read. Everything else is trouble, and
//! the outcome says whose: another try may help, or a person has to.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::event::{Action, Event};
use crate::host::{Host, Inbound, Outbound, SendError, Url};
use crate::secret::Secret;
use crate::text;

/// How much of PagerDuty's own words is repeated, in UTF-16 code units.
const WORDS_MAX_CHARS: usize = 300;

/// What came of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the event was to do.
    pub action: Action,
    /// The alert that it was to do it to.
    pub dedup_key: String,
    /// The SHA-256 of the body that was sent, in hex.
    pub sha256: String,
    /// How often it was sent.
    pub attempts: u8,
    /// PagerDuty's last answer, or why there was none.
    pub answer: Result<Answer, SendError>,
}

/// PagerDuty's answer to one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body says that the event was taken.
    pub confirmed: bool,
    /// PagerDuty's own words, bounded.
    pub words: String,
}

/// What an outcome means for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// PagerDuty has it.
    Accepted,
    /// The same event may be taken later.
    Retry,
    /// PagerDuty will not take this event, ever.
    Refused,
    /// PagerDuty does not know the routing key.
    RefusedKey,
}

impl Outcome {
    /// What it means.
    pub fn verdict(&self) -> Verdict {
        let Ok(answer) = &self.answer else { return Verdict::Retry };
        match answer.status {
            200..=299 if answer.confirmed => Verdict::Accepted,
            // The only refusal whose cause is elsewhere than in the event; seen as plain text and inside JSON. Where
            // the wording changes, the answer is still a refusal and still repeated to the sender.
            400 if text::contains(&answer.words.to_ascii_lowercase(), "routing key") => Verdict::RefusedKey,
            400 if text::contains(&answer.words, "routing_key") => Verdict::RefusedKey,
            401 | 403 => Verdict::RefusedKey,
            408 | 429 => Verdict::Retry,
            400..=499 => Verdict::Refused,
            // Unconfirmed success, redirects (PagerDuty sends none, so this is not PagerDuty) and server faults.
            _ => Verdict::Retry,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Ok(answer) if answer.words.is_empty() => write!(f, "{}", answer.status),
            Ok(answer) => write!(f, "{} {}", answer.status, answer.words),
            Err(error) => error.fmt(f),
        }
    }
}

/// Sends events and waits for every answer, until `deadline` at the latest. One outcome for each event, in order.
///
/// Events go out together, but for those with the same dedup key, which keep their order: a resolve that overtakes its
/// trigger would be dropped and leave the alert open.
pub fn deliver(
    host: &mut dyn Host,
    events: &[Event],
    routing_key: &Secret,
    events_url: &Url,
    deadline: Duration,
) -> Vec<Outcome> {
    let bodies: Vec<Vec<u8>> = events.iter().map(|event| event.encode(routing_key.expose())).collect();
    let mut answers: Vec<Result<Answer, SendError>> = events.iter().map(|_| Err(SendError::Deadline)).collect();
    let mut attempts = vec![0; events.len()];
    for wave in waves(events) {
        if host.elapsed() >= deadline {
            break;
        }
        let request = |body: &Vec<u8>| Outbound { url: events_url.clone(), body: Some(body.clone()) };
        let batch = wave.iter().filter_map(|&index| bodies.get(index)).map(request).collect();
        for (index, result) in wave.into_iter().zip(host.send(batch, deadline)) {
            if let (Some(answer), Some(attempts)) = (answers.get_mut(index), attempts.get_mut(index)) {
                *answer = result.map(|inbound| read_answer(inbound, routing_key));
                *attempts += 1;
            }
        }
    }
    let outcome = |(((event, body), answer), attempts): (((&Event, &Vec<u8>), _), u8)| Outcome {
        action: event.action(),
        dedup_key: event.dedup_key().as_str().to_owned(),
        sha256: text::sha256_hex(body),
        attempts,
        answer,
    };
    events.iter().zip(&bodies).zip(answers).zip(attempts).map(outcome).collect()
}

/// The indices of events that may go out at the same time: the nth event of a dedup key is in the nth wave.
fn waves(events: &[Event]) -> Vec<Vec<usize>> {
    // JSON's map is in the component already; another would cost 5 KB.
    let mut seen = Map::new();
    let mut waves: Vec<Vec<usize>> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let key = event.dedup_key().as_str();
        let nth = seen.get(key).and_then(Value::as_u64).unwrap_or_default();
        seen.insert(key.to_owned(), (nth + 1).into());
        match usize::try_from(nth).ok().and_then(|nth| waves.get_mut(nth)) {
            Some(wave) => wave.push(index),
            // Waves are made one after the other, so the missing one is always the next.
            None => waves.push(vec![index]),
        }
    }
    waves
}

/// Reads an answer. Its wording varies and holds typing errors, so nothing but `status` is relied on for success.
///
/// What an answer repeats of the routing key is taken out: its words go to the sender and into the log.
fn read_answer(inbound: Inbound, routing_key: &Secret) -> Answer {
    let body: Option<Value> = serde_json::from_slice(&inbound.body).ok();
    let confirmed = body.as_ref().is_some_and(|body| body.get("status").and_then(Value::as_str) == Some("success"));
    let words = match &body {
        Some(body) => {
            let message = body.get("message").and_then(Value::as_str).unwrap_or_default();
            let errors = body.get("errors").and_then(Value::as_array).into_iter().flatten();
            let errors: Vec<String> = errors.filter_map(Value::as_str).map(str::to_owned).collect();
            match errors.is_empty() {
                true => message.to_owned(),
                false => format!("{message}: {}", errors.join("; ")),
            }
        }
        None => str::from_utf8(&inbound.body).unwrap_or("an answer that is not text").to_owned(),
    };
    let words = text::one_line(&text::without(&words, routing_key.expose()));
    let words = text::truncate(&words, WORDS_MAX_CHARS).into_owned();
    Answer { status: inbound.status, confirmed, words }
}
