//! URLs.

use std::fmt;

use crate::text::is_hidden;

/// The URL of an outbound request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether the request uses TLS.
    pub https: bool,
    /// The host, and the port if it is not the scheme's default.
    pub authority: String,
    /// The path, with its leading slash.
    pub path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority, self.path)
    }
}

/// Returns the trimmed `text` if it is an absolute `http` or `https` URL with a host. Returns `None` if it contains
/// white space or hidden characters, which would break a link.
pub fn absolute_url(text: &str) -> Option<&str> {
    let text = text.trim();
    let clean = !text.chars().any(|c| c.is_whitespace() || is_hidden(c));
    (clean && url_host(text).is_some()).then_some(text)
}

/// Splits an absolute `http` or `https` URL into scheme, authority and the rest, which begins with the path.
pub fn split_url(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = url.trim().split_once(':')?;
    let rest = rest.strip_prefix("//")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()))?;
    Some((scheme, authority, path))
}

/// The host of an absolute `http` or `https` URL, without port and user information.
pub fn url_host(url: &str) -> Option<&str> {
    let (_, authority, _) = split_url(url)?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}
