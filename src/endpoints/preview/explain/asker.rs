//! Re-runs the mapping, within the limit for one explanation.

use serde_json::Value;

use super::Question;
use super::payload::{can_unfold, fold, unfold, values};
use crate::json;
use crate::pagerduty::event::Event;

/// How much work one explanation may take, in bytes of JSON that are mapped. The limit is not in time, because a runtime
/// may have no timeout for computation, and the same request should get the same explanation.
pub const WORK_MAX_BYTES: usize = 1024 * 1024;

/// How much each byte of the delivery counts towards this limit: it is parsed and searched once more.
const WHOLE_BYTES: usize = 4;

/// How much each run counts towards this limit, each value of its payload, and each event or other item of its result, in
/// bytes: these take time even if they are small.
const RUN_BYTES: usize = 200;
const VALUE_BYTES: usize = 60;
const EVENT_BYTES: usize = 100;

/// [`Event::weight`] counts memory, which is a few times the event's JSON.
const WEIGHT_PER_BYTE: usize = 4;

/// How often the mapping must be able to run within the limit. An explanation of fewer runs would say almost nothing.
const RUNS_MIN: usize = 8;

pub(super) struct Asker<'a, 'd> {
    question: &'a Question<'a, 'd>,
    /// How many more bytes may be mapped.
    left: usize,
    /// Whether payloads have unfolded texts.
    folds: bool,
}

impl<'a, 'd> Asker<'a, 'd> {
    pub(super) fn new(question: &'a Question<'a, 'd>) -> Self {
        let whole = question.delivery.body().len() * WHOLE_BYTES;
        Asker { question, left: WORK_MAX_BYTES.saturating_sub(whole), folds: false }
    }

    /// Whether the limit is reached.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    /// Whether there is room for an explanation of this event by the whole payload.
    pub(super) fn has_room_for(&self, payload: &Value, event: &Event) -> bool {
        let size =
            self.question.delivery.body().len() + values(payload) * VALUE_BYTES + event.weight() / WEIGHT_PER_BYTE;
        (size + RUN_BYTES) * RUNS_MIN <= self.left
    }

    /// The payload with its texts unfolded, if it has any.
    pub(super) fn unfolded(&mut self, payload: &Value) -> Option<Value> {
        let mut unfolded = can_unfold(payload).then(|| payload.clone())?;
        self.folds = unfold(&mut unfolded);
        self.folds.then_some(unfolded)
    }

    /// Maps another payload, without some headers. Returns `None` if the limit is reached. A payload that cannot be mapped
    /// has no events.
    pub(super) fn ask(&mut self, mut payload: Value, without: &[String]) -> Option<Vec<Event>> {
        if self.left == 0 {
            return None;
        }
        if self.folds {
            fold(&mut payload);
        }
        let body = json::encode(&payload);
        self.left = self.left.saturating_sub(body.len() + values(&payload) * VALUE_BYTES + RUN_BYTES);
        if self.left == 0 || !(self.question.in_time)() {
            self.left = 0;
            return None;
        }
        let mapped = self.question.delivery.with_altered_body(body, without, self.question.map);
        let Ok(mapped) = mapped else { return Some(Vec::new()) };
        let made = mapped.events.len() + mapped.ignored.len() + mapped.rejected.len();
        let weight: usize = mapped.events.iter().map(Event::weight).sum();
        self.left = self.left.saturating_sub(made * EVENT_BYTES + weight / WEIGHT_PER_BYTE);
        Some(mapped.events)
    }
}
