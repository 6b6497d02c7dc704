//! The fallback alert for a delivery that cannot be mapped, so that no alert is lost silently.

use serde_json::Value;

use super::subject::Subject;
use super::{MapError, payload};
use crate::auth::Authenticated;
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// How many reasons the alert lists.
const REASONS_MAX: usize = 20;

/// How much of the body the alert shows, in UTF-16 code units.
const EXCERPT_MAX_CHARS: usize = 1000;

/// How much of the subject the summary shows, in UTF-16 code units.
const TITLE_MAX_CHARS: usize = 200;

/// The part of the dedup key after the source. The subject's number follows.
const KEY: &str = "unmapped:";

/// The subject of a delivery that could not be mapped, or of the items that could not while others made events
/// (`is_rest`). It is that of the item, if it is only one and has a title, else of the whole payload.
pub fn subject(delivery: &Authenticated<'_>, rejected: &[MapError], is_rest: bool) -> Subject {
    let Ok(payload) = payload(delivery) else { return Subject::unreadable() };
    let item = match rejected {
        [MapError::NoIdentity { item, .. }] if !item.is_empty() => at(&payload, item),
        _ => None,
    };
    let item = item.map(|item| Subject::read(item, false)).filter(|subject| subject.title.is_some());
    item.unwrap_or_else(|| Subject::read(&payload, is_rest))
}

/// The item at a path like `alerts[3]`.
fn at<'a>(payload: &'a Value, item: &str) -> Option<&'a Value> {
    let path = item.replace('[', ".").replace(']', "");
    Node::root(payload).at(path.trim_start_matches('.')).value()
}

/// Builds the fallback alert. It names the source, the subject and the reasons, and shows the beginning of the body. The
/// caller has redacted our secrets from `body`, and `redact` does so for the subject; words that may be other secrets are
/// masked.
///
/// Alerts of the same subject share a key, so that one does not hide another, and a delivery whose states all say that the
/// problem is over resolves the alert. A source and service have at most [`NUMBERS`](super::subject::NUMBERS) of these
/// alerts, whatever is sent. Returns `None` if there are no reasons.
pub fn page(
    (slug, name): (&str, &str),
    reasons: &[String],
    subject: &Subject,
    body: &str,
    redact: &dyn Fn(&str) -> String,
) -> Option<Event> {
    let first = reasons.first()?;
    let more = match reasons.len() {
        1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    let title = subject.title.as_deref().map(|title| text::masked_title(&text::one_line(&redact(title))));
    let title = title.filter(|title| title.contains(char::is_alphanumeric));
    let what = match title {
        Some(title) => format!("\"{}\"", text::truncate(&title, TITLE_MAX_CHARS)),
        None => "a delivery".to_owned(),
    };
    let (action, state) = match subject.is_over {
        true => (Action::Resolve, "it says that a problem is over"),
        false => (Action::Trigger, "it may be an alert"),
    };
    let summary = format!("pagerelay could not map {what} from {name}; {state}. Reason: {first}{more}");
    let key = DedupKey::own(slug, &[KEY, &subject.number.to_string()].concat());
    let reasons: Vec<_> = reasons.iter().take(REASONS_MAX).map(String::as_str).collect();
    let event = Event::new(action, key, Severity::Error, &summary, name);
    let event = event.class(Some("unmapped".to_owned())).detail("reasons", reasons.into());
    Some(event.detail("excerpt", text::truncate(&text::masked(&text::one_line(body)), EXCERPT_MAX_CHARS).into()))
}
