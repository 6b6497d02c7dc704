//! Form bodies, which some senders use instead of JSON.

use serde_json::{Map, Value};

/// Names and values as an object of strings. If a name occurs twice, the first value counts.
pub fn object(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in pairs {
        if !object.contains_key(&name) {
            object.insert(name, value.into());
        }
    }
    object
}

/// Parses `application/x-www-form-urlencoded` text: decoded `name=value` pairs, separated by `&`.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Parses the named parts of a `multipart/form-data` body (RFC 7578) as an object of strings. The first line of the
/// body is the boundary.
pub fn multipart(body: &[u8]) -> Map<String, Value> {
    let body = String::from_utf8_lossy(body);
    let boundary = body.lines().next().unwrap_or_default();
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let (_, name) = head.split_once("name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((name.to_owned(), value.trim_end_matches(['\r', '\n']).to_owned()))
    };
    if boundary.len() < 3 {
        return Map::new();
    }
    let mut pairs = Vec::new();
    let mut rest = &*body;
    while let Some((_, after)) = rest.split_once(boundary) {
        let content = after.split_once(boundary).map_or(after, |(content, _)| content);
        pairs.extend(part(content));
        rest = after;
    }
    object(pairs)
}
