//! The stage that pages for what could not be mapped.

use crate::auth::Authenticated;
use crate::config::{self, Config, Target};
use crate::error::Error;
use crate::inbound::intake::Intake;
use crate::mapping::subject::Subject;
use crate::mapping::{MapError, fallback};
use crate::pagerduty::event::{Action, Event};
use crate::text;

/// How much of a body is read for the excerpt in a fallback alert, in bytes. The excerpt has a thousand characters, and
/// white space is joined.
const EXCERPT_BYTES: usize = 16 * 1024;

/// How much of the end of that is left out, in bytes: the beginning of a secret there would not be recognised.
const CUT_BYTES: usize = 8 * 1024;

/// A delivery that could not be mapped, or a part of it.
pub(super) struct Unmapped<'a> {
    pub(super) intake: &'a Intake,
    pub(super) delivery: &'a Authenticated<'a>,
    pub(super) config: &'a Config,
    pub(super) target: &'a Target,
}

/// The fallback alert, and a warning. Returns `None` if everything was mapped, or if the user wants no fallback alerts.
/// `is_rest` is whether the rest of the delivery was mapped.
///
/// The alert shows the beginning of the body, without the sender's secrets and the routing keys: a sender may put them
/// anywhere.
pub(super) fn page(
    unmapped: &Unmapped<'_>,
    unread: Option<&Error>,
    rejected: &[MapError],
    is_rest: bool,
) -> Option<(Event, String)> {
    let Unmapped { intake, delivery, config, target } = unmapped;
    let reasons: Vec<String> = rejected.iter().map(ToString::to_string).chain(unread.map(Error::to_string)).collect();
    if target.unmapped == config::Unmapped::Reject || reasons.is_empty() {
        return None;
    }
    let subject = match unread {
        None if !delivery.is_opaque() => fallback::subject(delivery, rejected, is_rest),
        _ => Subject::unreadable(),
    };
    // A key may be anywhere in such a body.
    let body = if delivery.is_opaque() { &[] } else { delivery.body() };
    let redact = |text: &str| config.redact(&target.routing_keys.redact(text));
    let cut = body.get(..EXCERPT_BYTES);
    let body = redact(&String::from_utf8_lossy(cut.unwrap_or(body)));
    let end = if cut.is_some() { body.floor_char_boundary(body.len().saturating_sub(CUT_BYTES)) } else { body.len() };
    let body = body.get(..end).unwrap_or_default();
    let page = fallback::page((intake.slug(), intake.name()), &reasons, &subject, body, &redact)?;
    let reports = match page.action() {
        Action::Resolve => "the delivery says that a problem is over, so its fallback alert is resolved",
        _ => "a fallback alert reports it",
    };
    Some((page, format!("{} could not be mapped; {reports}", text::count(reasons.len(), "item"))))
}
