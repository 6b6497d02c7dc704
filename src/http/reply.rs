//! Our HTTP response.

use serde_json::Value;

use super::StatusCode;
use super::api::Answer;
use crate::json;

/// The HTTP response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers, except `content-length`, which follows from the body.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// A reply with a JSON body of the given media type.
    pub fn json(status: StatusCode, media_type: &'static str, body: &Value) -> Self {
        let mut body = json::encode_visible(body);
        body.push(b'\n');
        Reply { status, headers: vec![("content-type", media_type.to_owned())], body }.uncached()
    }

    /// A reply with a text body.
    pub fn text(status: StatusCode, media_type: &str, body: String) -> Self {
        let body = body.into_bytes();
        Reply { status, headers: vec![("content-type", media_type.to_owned())], body }
    }

    /// The same reply in the form of an API. Headers that the answer does not replace stay: a client may need
    /// `Retry-After` or `Allow`.
    #[must_use]
    pub fn with_answer(self, answer: Answer) -> Self {
        let mut reply = Reply::json(answer.status, "application/json", &answer.body);
        reply.headers.extend(answer.headers);
        let kept = self.headers.into_iter().filter(|(name, _)| reply.headers.iter().all(|(new, _)| new != name));
        let kept: Vec<_> = kept.collect();
        reply.headers.extend(kept);
        reply
    }

    /// The same reply, which nobody may store, and whose media type no browser may guess. A cached reply to a `GET`
    /// delivery would report alerts that were never sent.
    #[must_use]
    pub fn uncached(self) -> Self {
        self.header("cache-control", "no-store").header("x-content-type-options", "nosniff")
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}
