//! Another product's API, for programs that already speak it: they change only their URL and their key. This module knows
//! no vendor.
//!
//! An API is data and two functions: one recognises its paths, the other writes its answers. Its credentials are the
//! schemes of its source, among them [`Scheme::Member`](crate::auth::Scheme::Member) for a key in the body. Its mapping
//! is that of its [`Source`](crate::sources::Source), which decides by [`Authenticated::path`](crate::auth::Authenticated::path) and
//! [`Authenticated::method`](crate::auth::Authenticated::method).

use std::time::Duration;

use serde_json::Value;

use super::{Method, StatusCode};

/// The API of another product.
#[derive(Debug)]
pub struct Api {
    /// Recognises the path below `/<slug>` or `/<slug>/<service>`, which is also a path of the relay itself: still
    /// percent-encoded, without a slash at either end, and never empty.
    pub find: fn(&str) -> Found,
    /// Whether what is sent to this path can be no alert. Nobody is paged for it, also if it cannot be mapped.
    pub never_pages: fn(&str) -> bool,
    /// Writes the answer to a request at one of its paths, whether the request succeeded or not.
    pub answer: fn(&Told<'_>) -> Answer,
    /// The path and the query, below that of the source, of a request that resolves an alert, with `<dedup_key>` for its key.
    /// `None` if the body says so, at the path of a trigger.
    pub resolve: Option<&'static str>,
}

/// How an API sees a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Not of this API. Its first word may be a service.
    Not,
    /// A path of the API.
    Path {
        /// The methods that it accepts.
        methods: &'static [Method],
        /// The source that maps what is sent there, by its slug, if it is not the source of the API.
        by: Option<&'static str>,
    },
    /// It begins like the API's paths, and is none of them.
    Unknown,
}

/// The facts about a request that its answer is made from.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The method of the request.
    pub method: Method,
    /// Its path below that of the source, as [`Api::find`] has seen it.
    pub path: &'a str,
    /// The status by the relay's own table. The answer may have another.
    pub status: StatusCode,
    /// The result, in one sentence.
    pub message: &'a str,
    /// The dedup key, if the delivery made exactly one event that has one, also if a rule dropped it.
    pub dedup_key: Option<&'a str>,
    /// Warnings: parts of the request that have no effect, and successes that somebody should look at. Empty if the sender
    /// is not authenticated.
    pub warnings: &'a [String],
    /// The seconds to wait before a retry, if a retry can help. The answer has it as `Retry-After` already.
    pub retry_after: Option<u64>,
    /// How long the request took.
    pub took: Duration,
}

/// An answer in the API's own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers beside the usual ones of a JSON body, in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body. Clients parse every answer, so there is always one.
    pub body: Value,
}
