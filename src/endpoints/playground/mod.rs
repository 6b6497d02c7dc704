//! The playground: the page at `/` for trying payloads. `build.rs` builds it together with the crate. It contains no
//! secret and contacts no host except its own relay.

use http::StatusCode;

use crate::http::{Headers, Reply};

/// The page with the samples of every source, compressed with gzip.
const PAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.gz"));

/// The content security policy: the page may run its one script and use its one style sheet, identified by their
/// hashes.
const POLICY: &str = include_str!(concat!(env!("OUT_DIR"), "/page.csp"));

/// The size of the page in the component, in bytes.
pub const SIZE: usize = PAGE.len();

/// The page. A client that does not accept gzip gets instructions instead.
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
