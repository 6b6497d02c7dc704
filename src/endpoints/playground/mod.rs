//! The page at `/`, to try payloads in. It is packed when the crate is built (`build.rs`), holds no secret, and
//! asks nobody but the relay that it came from.

use http::StatusCode;

use crate::http::{Headers, Reply};

/// The page with every source's samples, as gzip.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// What the page may do: run its one script and show its one style sheet, known by their hashes.
const POLICY: &str = include_str!(concat!(env!("OUT_DIR"), "/page.csp"));

/// How large the page is as it stands in the component, in bytes.
pub const SIZE: usize = PAGE.len();

/// The page, or a word on how to get it for a client that takes no gzip.
pub fn reply(headers: &Headers) -> Reply {
    let accepted = headers.once("accept-encoding").and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    if !accepted.contains("gzip") {
        let words = "This page is served gzip-compressed (with curl, use --compressed). Setup instructions: /setup\n";
        return Reply::text(StatusCode::NOT_ACCEPTABLE, "text/plain; charset=utf-8", words.to_owned());
    }
    let reply = Reply { status: StatusCode::OK, headers: Vec::new(), body: PAGE.to_vec() };
    let reply = reply.header("content-type", "text/html; charset=utf-8").header("content-encoding", "gzip");
    let reply = reply.header("content-security-policy", POLICY).header("vary", "accept-encoding");
    let reply = reply.header("cache-control", "no-cache").header("x-content-type-options", "nosniff");
    reply.header("referrer-policy", "no-referrer")
}
