//! The fallback alert for a delivery that cannot be mapped, so that no alert is lost silently.

use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// How many reasons the alert lists.
const REASONS_MAX: usize = 20;

/// How much of the body the alert shows, in UTF-16 code units.
const EXCERPT_MAX_CHARS: usize = 1000;

/// The end of the dedup key. It does not identify a delivery, so the fallback alerts of a source form one incident.
const KEY: &str = "unmapped";

/// Builds the fallback alert. It names the source and the reasons, and shows the beginning of the body. The caller has
/// redacted our secrets from `body`, and words that may be other secrets are masked. It never resolves by itself:
/// somebody has to investigate and close it. Returns `None` if there are no reasons.
pub fn page(slug: &str, name: &str, reasons: &[String], body: &str) -> Option<Event> {
    let first = reasons.first()?;
    let more = match reasons.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let summary = format!("pagerelay could not map a delivery from {name}; it may be an alert. Reason: {first}{more}");
    let key = DedupKey::own(slug, KEY);
    let reasons: Vec<_> = reasons.iter().take(REASONS_MAX).map(String::as_str).collect();
    let event = Event::new(Action::Trigger, key, Severity::Error, &summary, name);
    let event = event.class(Some("unmapped".to_owned())).detail("reasons", reasons.into());
    Some(event.detail("excerpt", text::truncate(&text::masked(&text::one_line(body)), EXCERPT_MAX_CHARS).into()))
}
