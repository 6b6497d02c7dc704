//! The calls of the Alert API: a method and a path below `v2/alerts` to a [`Call`].
//!
//! The identifier of an alert is everything between `v2/alerts/` and the last word that the method knows. Some clients
//! write the slashes of an alias as they are, others as `%2F`; `+` is no space. An alias may itself end in such a word:
//! `a/close/close` closes `a/close`. Slashes around the whole are not part of it, because some clients add one at the end,
//! and others join a base that ends in one.

use percent_encoding::percent_decode_str;

use crate::http::Method;
use crate::pagerduty::event::Action;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The operation.
    pub what: What,
    /// The decoded identifier of the alert or the request. Empty if the operation has none.
    pub identifier: String,
    /// The path behind the identifier, still percent-encoded: `/close`.
    pub after: &'a str,
}

/// An operation of the Alert API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Counts alerts.
    Count,
    /// Opens an alert.
    Create,
    /// Acknowledges or resolves an alert.
    Event(Action),
    /// Changes something that the relay cannot change. The text says so.
    Inert(&'static str),
    /// Lists alerts, or saved searches.
    List,
    /// Lists notes, logs, recipients or attachments of an alert.
    Parts,
    /// Shows an alert.
    Show,
    /// Shows whether a request was processed.
    Status,
}

/// The warning for a call without an event.
macro_rules! no_action {
    ($call:literal) => {
        concat!("`", $call, "` was not done: PagerDuty's Events API has no such action")
    };
}

/// The warning for a call that changes one field of an alert.
macro_rules! no_field {
    ($call:literal) => {
        concat!(
            "`",
            $call,
            "` was not done: PagerDuty changes an alert only by a new trigger, which reopens a closed one"
        )
    };
}

/// The words behind an identifier, per method.
const WORDS: &[(Method, &str, What)] = &[
    (Method::Delete, "details", What::Inert(no_action!("DELETE details"))),
    (Method::Delete, "tags", What::Inert(no_action!("DELETE tags"))),
    (Method::Get, "attachments", What::Parts),
    (Method::Get, "logs", What::Parts),
    (Method::Get, "notes", What::Parts),
    (Method::Get, "recipients", What::Parts),
    (Method::Post, "acknowledge", What::Event(Action::Acknowledge)),
    (Method::Post, "assign", What::Inert(no_action!("POST assign"))),
    (Method::Post, "attachments", What::Inert(no_action!("POST attachments"))),
    (Method::Post, "close", What::Event(Action::Resolve)),
    (Method::Post, "details", What::Inert(no_action!("POST details"))),
    (Method::Post, "escalate", What::Inert(no_action!("POST escalate"))),
    (Method::Post, "notes", What::Inert(no_action!("POST notes"))),
    (Method::Post, "responders", What::Inert(no_action!("POST responders"))),
    (Method::Post, "snooze", What::Inert(no_action!("POST snooze"))),
    (Method::Post, "tags", What::Inert(no_action!("POST tags"))),
    (Method::Post, "teams", What::Inert(no_action!("POST teams"))),
    (Method::Post, "unacknowledge", What::Inert(no_action!("POST unacknowledge"))),
    (Method::Put, "description", What::Inert(no_field!("PUT description"))),
    (Method::Put, "message", What::Inert(no_field!("PUT message"))),
    (Method::Put, "priority", What::Inert(no_field!("PUT priority"))),
];

/// The words behind an identifier that one more name follows.
const WORDS_BEFORE_A_NAME: &[(Method, &str, What)] = &[
    (Method::Delete, "attachments", What::Inert(no_action!("DELETE attachments"))),
    (Method::Delete, "notes", What::Inert(no_action!("DELETE notes"))),
    (Method::Post, "actions", What::Inert(no_action!("POST actions"))),
    (Method::Put, "notes", What::Inert(no_action!("PUT notes"))),
];

const SEARCHES: &str = "saved-searches";
const SEARCHES_CHANGED: &str = "`saved-searches` was not done: the relay has no alerts to search";

impl<'a> Call<'a> {
    /// Finds the call for a method and the rest of the path behind `v2/alerts`, still percent-encoded. Returns `None` if
    /// the API has no such call.
    pub fn parse(method: Method, rest: &'a str) -> Option<Call<'a>> {
        let rest = rest.trim_start_matches('/');
        let path = rest.trim_end_matches('/');
        let (first, more) = path.split_once('/').map_or((path, None), |(first, more)| (first, Some(more)));
        let call = |what| Some(Call { what, identifier: String::new(), after: path });
        match (method, first, more) {
            (Method::Get, "", _) => call(What::List),
            (Method::Get, "count", None) => call(What::Count),
            (Method::Get, "requests", Some(id)) => Call::of(What::Status, id, id),
            (Method::Get, SEARCHES, _) => call(What::List),
            (Method::Post, SEARCHES, None) | (Method::Delete | Method::Patch, SEARCHES, Some(_)) => {
                call(What::Inert(SEARCHES_CHANGED))
            }
            (Method::Post, "", _) => call(What::Create),
            (_, "", _) => None,
            _ => Call::of_alert(method, path, rest.strip_suffix('/').unwrap_or(rest)),
        }
    }

    /// The call for a path that begins with an identifier. `whole` is the path if it is only an identifier.
    fn of_alert(method: Method, path: &'a str, whole: &'a str) -> Option<Call<'a>> {
        let find = |table: &[(Method, &str, What)], word: &str| {
            let row = table.iter().find(|(with, known, _)| *with == method && *known == word);
            row.map(|(_, _, what)| *what)
        };
        let (before, last) = path.rsplit_once('/').unwrap_or(("", path));
        // A word alone is an identifier.
        if let Some(what) = find(WORDS, last).filter(|_| !before.is_empty()) {
            return Call::of(what, path, before);
        }
        if let Some((before, word)) = before.rsplit_once('/')
            && let Some(what) = find(WORDS_BEFORE_A_NAME, word)
        {
            return Call::of(what, path, before);
        }
        match method {
            Method::Get => Call::of(What::Show, whole, whole),
            // PagerDuty deletes no alerts.
            Method::Delete => Call::of(What::Event(Action::Resolve), whole, whole),
            _ => None,
        }
    }

    /// The call for a path that begins with an identifier. Returns `None` if that is not UTF-8: no alias is.
    fn of(what: What, path: &'a str, identifier: &'a str) -> Option<Call<'a>> {
        let after = path.strip_prefix(identifier)?;
        let identifier = percent_decode_str(identifier).decode_utf8().ok()?.into_owned();
        Some(Call { what, identifier, after })
    }
}
