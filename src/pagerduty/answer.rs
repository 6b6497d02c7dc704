//! PagerDuty's answers, read in one way for both of its APIs.
//!
//! Their wording varies and holds typing errors, so only the status, and in the Events API the member `status`, decide
//! anything. What an answer repeats of our secrets is taken out: its words go to the sender and into the log.

use serde_json::Value;

use crate::json::Node;
use crate::runtime::HttpResponse;
use crate::secret::Secret;
use crate::text;

/// How much of PagerDuty's own words is repeated, in UTF-16 code units.
const WORDS_MAX_CHARS: usize = 300;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Whether the body says that it went well, as the Events API's does.
    pub confirmed: bool,
    /// PagerDuty's own words, bounded.
    pub words: String,
    /// The seconds that PagerDuty asks to wait.
    pub retry_after: Option<u64>,
}

/// What a status means, whichever API it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// What answers is another server: PagerDuty has these paths and redirects nobody.
    Elsewhere,
    /// The credential, or the account's plan, does not allow it.
    Forbidden,
    /// The request is not taken as it is.
    Invalid,
    /// The same request may be taken later.
    Later,
    /// What the path names is not known.
    NotFound,
    /// It went well, if the body says so too.
    Success,
    /// The rate was exceeded.
    Throttled,
    /// The credential is not taken.
    Unauthorized,
}

/// What a status means.
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

/// Reads an answer, and gives its body where that is JSON. `hidden` is taken out of its words.
pub fn read(inbound: &HttpResponse, hidden: &[&Secret]) -> (Answer, Option<Value>) {
    let body: Option<Value> = serde_json::from_slice(&inbound.body).ok();
    let confirmed = body.as_ref().is_some_and(|body| body.get("status").and_then(Value::as_str) == Some("success"));
    let said = body.as_ref().map(|body| said(Node::root(body)));
    // Of an object of another kind, the text itself says the most.
    let whole = || str::from_utf8(&inbound.body).unwrap_or("a response that is not text").to_owned();
    let said = said.filter(|said| !said.is_empty() || confirmed).unwrap_or_else(whole);
    let words = clean(&said, hidden);
    (Answer { status: inbound.status, confirmed, words, retry_after: inbound.retry_after }, body)
}

/// Text of PagerDuty's for a person to read: one line, bounded, without what is to be hidden.
pub fn clean(text: &str, hidden: &[&Secret]) -> String {
    let shown = hidden.iter().fold(text.to_owned(), |shown, secret| secret.redact(&shown));
    text::truncate(&text::one_line(&shown), WORDS_MAX_CHARS).into_owned()
}

/// The words in a body: `{"message", "errors"}`, `{"error": {"message", "errors"}}`, `{"error": "text"}`, or a list.
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
