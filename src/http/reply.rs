//! Our HTTP response.

use serde_json::Value;

use super::StatusCode;
use crate::json;

/// The HTTP response to a request.
#[derive(Clone, Debug)]
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

    /// The same reply with a JSON body instead of its own.
    #[must_use]
    pub fn with_json(mut self, body: &Value) -> Self {
        let reply = Reply::json(self.status, "application/json", body);
        self.headers.retain(|(name, _)| reply.headers.iter().all(|(new, _)| new != name));
        self.headers.extend(reply.headers);
        Reply { body: reply.body, ..self }
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
