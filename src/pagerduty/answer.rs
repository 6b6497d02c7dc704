//! Parses PagerDuty's responses, for both of its APIs.
//!
//! Their wording varies and contains typing errors. So only the status decides anything, and in the Events API also the
//! member `status`. Our secrets are redacted from a response, because its text is shown to the sender and logged.

use serde_json::Value;

use crate::json::Node;
use crate::runtime::HttpResponse;
use crate::secret::Secret;
use crate::text;

/// How much of PagerDuty's message is repeated, in UTF-16 code units.
const WORDS_MAX_CHARS: usize = 300;

/// A parsed response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body confirms success, as the Events API's does.
    pub confirmed: bool,
    /// PagerDuty's message, truncated.
    pub words: String,
    /// The seconds that PagerDuty asks to wait.
    pub retry_after: Option<u64>,
}

/// The meaning of a status, for either API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The server is not PagerDuty: PagerDuty has these paths and never redirects.
    Elsewhere,
    /// The credential or the account's plan does not allow the request.
    Forbidden,
    /// The request is invalid.
    Invalid,
    /// A retry of the same request may succeed.
    Later,
    /// The object in the path does not exist.
    NotFound,
    /// Success, if the body confirms it.
    Success,
    /// The rate limit was exceeded.
    Throttled,
    /// The credential is invalid.
    Unauthorized,
}

/// Classifies a status.
pub fn class(status: u16) -> Class {
    match status {
        200..=299 => Class::Success,
        401 => Class::Unauthorized,
        402 | 403 => Class::Forbidden,
        404 => Class::NotFound,
        300..=399 | 405 | 407 | 410 | 421 => Class::Elsewhere,
        429 => Class::Throttled,
        400..=499 if !matches!(status, 408 | 425) => Class::Invalid,
        _ => Class::Later,
    }
}

/// Parses a response. Also returns its body if that is JSON. The secrets in `hidden` are redacted from the message.
pub fn read(inbound: &HttpResponse, hidden: &[&Secret]) -> (Answer, Option<Value>) {
    let body: Option<Value> = serde_json::from_slice(&inbound.body).ok();
    let confirmed = body.as_ref().is_some_and(|body| body.get("status").and_then(Value::as_str) == Some("success"));
    let said = body.as_ref().map(|body| said(Node::root(body)));
    // An object of an unknown shape says most as its own text.
    let whole = || str::from_utf8(&inbound.body).unwrap_or("a response that is not text").to_owned();
    let said = said.filter(|said| !said.is_empty() || confirmed).unwrap_or_else(whole);
    let words = clean(&said, hidden);
    (Answer { status: inbound.status, confirmed, words, retry_after: inbound.retry_after }, body)
}

/// PagerDuty's text for display: one line, truncated, with the secrets in `hidden` redacted.
pub fn clean(text: &str, hidden: &[&Secret]) -> String {
    let shown = hidden.iter().fold(text.to_owned(), |shown, secret| secret.redact(&shown));
    text::truncate(&text::one_line(&shown), WORDS_MAX_CHARS).into_owned()
}

/// The message in a body: `{"message", "errors"}`, `{"error": {"message", "errors"}}`, `{"error": "text"}`, or a list.
fn said(root: Node<'_>) -> String {
    let error = root.get("error");
    let mut said = String::new();
    for node in [root, error, error.get("message"), error.get("errors"), root.get("message"), root.get("errors")] {
        let list: Vec<String> =
            node.items().unwrap_or_default().iter().filter_map(|item| Node::root(item).text()).collect();
        let list: Vec<&str> = list.iter().map(String::as_str).collect();
        said = text::join_nonempty(&[&said, &node.text().unwrap_or_default(), &text::join_nonempty(&list, "; ")], ": ");
    }
    said
}
