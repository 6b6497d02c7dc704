//! A bound on the bytes of all events that one delivery makes.
//!
//! A sender can make many items of a small body, and each item's event may repeat what the items share. The sources cut
//! what is shared; this bound holds whatever the payload looks like. It depends on the delivery alone, so a preview, a
//! delivery and its retry see the same events.

use serde_json::{Map, Value};

use crate::auth::Authenticated;
use crate::json::Node;
use crate::pagerduty::event::{Event, shrink};

/// How much all events of a delivery take together, by [`Event::weight`]: this many times the body, and
/// [`BUDGET_BYTES`]. Honest deliveries make less, and for a body of 1 MiB the events take far less memory than 64 MiB.
pub const BUDGET_PER_BYTE: usize = 6;

/// The constant part of the budget, in bytes.
pub const BUDGET_BYTES: usize = 4 * 1024 * 1024;

/// How much of a payload the events of all its items repeat together, and how much each of them repeats at least, in
/// bytes.
const SHARED_BYTES: usize = 1024 * 1024;
const SHARED_MIN_BYTES: usize = 512;

/// The rest of the budget of one delivery.
#[derive(Debug)]
pub struct Budget {
    left: usize,
    /// Whether the next event is the first one.
    first: bool,
    /// Whether an event did not fit.
    spent: bool,
}

impl Budget {
    /// The budget of a delivery.
    pub fn of(delivery: &Authenticated<'_>) -> Budget {
        let left = delivery.body().len().saturating_mul(BUDGET_PER_BYTE).saturating_add(BUDGET_BYTES);
        Budget { left, first: true, spent: false }
    }

    /// Charges the event to the budget. An event that does not fit keeps only its outline, unless it is the first: a single
    /// event is shortened when it is sent.
    #[must_use]
    pub fn fit(&mut self, event: Event) -> Event {
        let left = self.left.checked_sub(event.weight());
        self.spent |= left.is_none();
        if left.is_none() && !self.first {
            return event.outline();
        }
        self.left = left.unwrap_or(0);
        self.first = false;
        event
    }

    /// Whether an event did not fit. From then on, most events will keep only their outline, so what the items share need not
    /// be copied into them.
    pub fn is_spent(&self) -> bool {
        self.spent
    }
}

/// The members of a payload, without the list of its `items`, as much of them as the event of each item may repeat.
/// `shortened_to_fit` names the members that were cut.
pub fn shared(payload: &Map<String, Value>, items: usize) -> Map<String, Value> {
    shrink::fit(payload, (SHARED_BYTES / items.max(1)).max(SHARED_MIN_BYTES)).into_owned()
}

/// A copy of an object without the member at `path`, which the caller reads item by item.
pub fn without(payload: Node<'_>, path: &[&str]) -> Map<String, Value> {
    let mut copy = Map::new();
    let Some((first, rest)) = path.split_first() else { return copy };
    for (name, value) in payload.members().into_iter().flatten() {
        if name != first {
            copy.insert(name.clone(), value.clone());
        } else if !rest.is_empty() {
            copy.insert(name.clone(), Value::Object(without(Node::root(value), rest)));
        }
    }
    copy
}
