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
    if !accepts_gzip(headers) {
        let words = "This page is served gzip-compressed (with curl, use --compressed). Setup instructions: /setup\n";
        return Reply::text(StatusCode::NOT_ACCEPTABLE, "text/plain; charset=utf-8", words.to_owned());
    }
    let reply = Reply { status: StatusCode::OK, headers: Vec::new(), body: PAGE.to_vec() };
    let reply = reply.header("content-type", "text/html; charset=utf-8").header("content-encoding", "gzip");
    let reply = reply.header("content-security-policy", POLICY).header("vary", "accept-encoding");
    let reply = reply.header("cache-control", "no-cache").header("x-content-type-options", "nosniff");
    reply.header("referrer-policy", "no-referrer")
}

/// Whether a client accepts gzip (RFC 9110, section 12.5.3). A weight of zero means no. `*` covers every coding that the
/// header does not name.
fn accepts_gzip(headers: &Headers) -> bool {
    let (mut gzip, mut any) = (None, None);
    for element in headers.elements("accept-encoding") {
        let (coding, parameters) = element.split_once(';').unwrap_or((element, ""));
        let coding = coding.trim();
        let place = if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            &mut gzip
        } else if coding == "*" {
            &mut any
        } else {
            continue;
        };
        *place = Some(place.unwrap_or(false) || is_wanted(parameters));
    }
    gzip.or(any).unwrap_or(false)
}

/// Whether the weight in the parameters of a coding is above zero. Without a weight it is one; an invalid one counts as
/// zero.
fn is_wanted(parameters: &str) -> bool {
    let weights = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut weights =
        weights.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, weight)| weight.trim());
    weights.all(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0 && weight <= 1.0))
}
