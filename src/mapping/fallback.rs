//! The page for a delivery that cannot be mapped: nobody should sleep through it.

use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// How many reasons the page names.
const REASONS_MAX: usize = 20;

/// How much of the body the page shows, in UTF-16 code units.
const EXCERPT_MAX_CHARS: usize = 1000;

/// The end of the dedup key. It names no delivery, so a flood of such pages is one incident.
const KEY: &str = "unmapped";

/// A page that names the source, the reasons, and shows the beginning of the body. `body` holds no secret of ours any
/// more, and what may be one of somebody else's is not shown. It does not close by itself: somebody has to look.
pub fn page(slug: &str, name: &str, reasons: &[String], body: &str) -> Option<Event> {
    let first = reasons.first()?;
    let more = match reasons.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let summary = format!("pagerelay could not map a delivery from {name}; it may be an alert. Reason: {first}{more}");
    let key = DedupKey::new(slug, &[KEY])?;
    let reasons: Vec<_> = reasons.iter().take(REASONS_MAX).map(String::as_str).collect();
    let event = Event::new(Action::Trigger, key, Severity::Error, &summary, name);
    let event = event.class(Some("unmapped".to_owned())).detail("reasons", reasons.into());
    Some(event.detail("excerpt", text::truncate(&text::masked(&text::one_line(body)), EXCERPT_MAX_CHARS).into()))
}
