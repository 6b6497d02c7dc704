//! HTTP as plain data: requests, replies and URLs.

mod headers;
mod method;
mod reply;
mod request;

pub mod api;
pub mod encoding;
pub mod form;
pub mod url;

pub use self::headers::Headers;
pub use self::method::Method;
pub use self::reply::Reply;
pub use self::request::{BODY_MAX_BYTES, BODY_TIMEOUT, ReadError, Request};
pub use self::url::Url;
pub use ::http::StatusCode;
