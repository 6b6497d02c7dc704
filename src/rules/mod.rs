//! Rules: what a user changes about mapped events, in variables `rules` and `rules_<source>`.
//!
//! A list of rules is JSON: `[{"if": "item.labels.team == 'shop'", "service": "shop"}]`. The rules of `rules_<source>` are
//! worked through first and those of `rules` after them, each list in order. Each rule sees the event as the rules before
//! it have left it, and the last rule that sets a member wins. [`guide`](crate::guide) has the page for users.
//!
//! | member | sets |
//! |---|---|
//! | `if` | whether the rule matches: an expression. An undefined value is false. Without it, the rule matches every event |
//! | `service` | the service of a trigger or a change event: a name, or `{"by": expression, "map": {value: name}}` |
//! | `severity` | a word, `{"by": expression, "map": {value: word}}`, or a text whose expressions make the word |
//! | `summary`, `class` | a text, which may have expressions |
//! | `details` | members of `payload.custom_details`, whose texts may have expressions |
//! | `dedup_key` | the end of the key, as a text with expressions: the key is `<source>:rule:<text>` |
//! | `drop` | a trigger or a change event is not sent, for this reason |
//! | `stop` | `true`: no further rule is worked through |
//!
//! Expressions are those of [templates](crate::custom), with the names `event` (as JSON, without the routing key),
//! `payload`, `item` (the item of the payload's list that the event was made of, else the payload; if the payload is the
//! envelope of a message, the same of the message), `source`, `service`
//! and `headers`.
//!
//! # No alert is lost or stays open because of a rule
//!
//! 1. An expression only chooses among services that the rules name. So the rules know every service that may have an
//!    alert, and an acknowledge or a resolve is sent to each of them and to the service of the path ([`spread`]). A service
//!    that the source may not page, or that has no valid routing key, is replaced by the service of the path.
//! 2. `drop` acts on triggers and change events only.
//! 3. A dedup key is decided before everything else, from the event as it was mapped and without its action, severity and
//!    summary. The `if` of a rule with `dedup_key` is evaluated in the same way, and its steps do not depend on the other
//!    events of the delivery. An acknowledge or a resolve with a new key is repeated with the mapped key, which closes
//!    what was opened before the rule existed or while it failed.
//! 4. If a rule gives several alerts the same key, and one of them still triggers or is acknowledged, the resolves of the
//!    others keep their mapped keys.
//! 5. A rule that fails is skipped as a whole, with a warning. So is an invalid rule. An invalid list changes nothing.
//! 6. Rules see what a mapping made. They do not see the relay's own alerts: fallback alerts, alerts about unexpanded
//!    variables, digests, and the resolve of a digest.
//!
//! The work is in proportion to the number of rules times the number of events.

use crate::auth::Authenticated;
use crate::mapping::Ignored;
use crate::pagerduty::event::{DedupKey, Event};

#[cfg(feature = "templates")]
mod change;
#[cfg(feature = "templates")]
mod compiled;
#[cfg(feature = "templates")]
mod key;
#[cfg(feature = "templates")]
mod list;
#[cfg(feature = "templates")]
mod names;
#[cfg(feature = "templates")]
mod rule;
#[cfg(feature = "templates")]
mod run;
#[cfg(feature = "templates")]
mod shared_keys;
mod spread;
mod trace;

#[cfg(feature = "templates")]
pub use self::compiled::{KeyOf, Rules, SERVICES_MAX};
#[cfg(feature = "templates")]
pub use self::key::KEY_STEPS;
#[cfg(feature = "templates")]
pub use self::list::{List, RULES_MAX, RULES_MAX_BYTES};
pub use self::spread::spread;
pub use self::trace::{Match, Trace, Traces};

/// The delivery whose events the rules change.
pub struct Subject<'a> {
    /// The delivery.
    pub delivery: &'a Authenticated<'a>,
    /// The source, or the variable of a template.
    pub slug: &'a str,
    /// The service of the path.
    pub service: Option<&'a str>,
    /// The key of the delivery's digest. Rules do not change its events.
    pub group: Option<&'a DedupKey>,
}

/// The events of a delivery after the rules.
#[derive(Debug, Default, PartialEq)]
pub struct Ruled<'e> {
    /// The events, in order.
    pub events: Vec<RuledEvent<'e>>,
    /// The events that a rule dropped.
    pub dropped: Vec<Ignored>,
    /// The rules that were skipped, and why.
    pub warnings: Vec<String>,
}

/// An event after the rules.
#[derive(Debug, PartialEq)]
pub struct RuledEvent<'e> {
    /// The event.
    pub event: Event,
    /// Its number among the events that were mapped, from 0.
    pub index: usize,
    /// Its key as it was mapped. `None` for a change event.
    pub mapped_key: Option<DedupKey>,
    /// The service that a rule chose for a trigger or a change event.
    pub service: Option<&'e str>,
    /// The rules that matched.
    pub matched: Vec<Match<&'e str>>,
}
