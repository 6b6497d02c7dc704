//! Forms, as some senders use them instead of JSON.

use serde_json::{Map, Value};

use crate::text;

/// Names and values as an object of strings. Of a name that comes twice the first counts.
pub fn object(pairs: Vec<(String, String)>) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in pairs {
        if !object.contains_key(&name) {
            object.insert(name, value.into());
        }
    }
    object
}

/// Pairs of `name=value` with `&` between them (`application/x-www-form-urlencoded`), decoded.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaced: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
        let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(n, v)| (decode(n), decode(v))).collect()
}

/// The named parts of a `multipart/form-data` body (RFC 7578) as an object of strings. The boundary is its first line.
pub fn multipart(body: &[u8]) -> Map<String, Value> {
    let body = String::from_utf8_lossy(body);
    let boundary = body.lines().next().unwrap_or_default();
    let part = |part: &str| {
        let (head, value) = text::split_once(part, "\r\n\r\n").or_else(|| text::split_once(part, "\n\n"))?;
        let (_, name) = text::split_once(head, "name=\"")?;
        let (name, _) = name.split_once('"')?;
        Some((name.to_owned(), value.trim_end_matches(['\r', '\n']).to_owned()))
    };
    if boundary.len() < 3 {
        return Map::new();
    }
    let mut pairs = Vec::new();
    let mut rest = &*body;
    while let Some((_, after)) = text::split_once(rest, boundary) {
        let content = text::split_once(after, boundary).map_or(after, |(content, _)| content);
        pairs.extend(part(content));
        rest = after;
    }
    object(pairs)
}
