//! The name of an alert, and the ids that stand for it.
//!
//! The relay stores nothing, so an id contains what it stands for: `1`, the version of this form; the first twelve digits
//! of the SHA-256 of the name, in lower-case hex; the name in base64 of the URL alphabet without padding (RFC 4648,
//! section 5). All of it is letters, digits, `-` and `_`. The checksum recognises ids and proves nothing: whoever sends
//! one is authenticated, and may name any alert by its alias as well. So the ids of open alerts survive a new secret.
//!
//! An alias of 255 characters makes an id of 353 characters, or of up to 1033 if they are not ASCII.

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::json::{self, Node};
use crate::pagerduty::event::{DEDUP_KEY_MAX_CHARS, DedupKey};
use crate::text::sha256_hex;

/// The first character of an id. Another form of the ids gets another one.
const VERSION: &str = "1";

/// The length of an id's checksum, in hex digits.
const CHECKSUM_CHARS: usize = 12;

/// The members of a body that contain the sender's credential, or differ between repeated deliveries of one alert.
const NOT_HASHED: &[&str] = &["apiKey"];

/// The name of an alert: the sender's alias, or the relay's own name of an alert without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    text: String,
    key: DedupKey,
}

impl Name {
    /// The alert with this alias or this id. Returns `None` for blank text, and for [`id_of_nothing`].
    ///
    /// An id counts as one wherever it is: in Opsgenie, the id of an alert without an alias is also its alias. An alias
    /// that is longer than a dedup key is replaced by its beginning and its hash.
    pub fn given(text: &str) -> Option<Name> {
        if let Some(name) = Name::with_id(text) {
            return Some(name);
        }
        if is_of_nothing(text) {
            return None;
        }
        let key = DedupKey::verbatim(text)?;
        let is_long = text.encode_utf16().count() > DEDUP_KEY_MAX_CHARS;
        Name::new(if is_long { key.as_str() } else { text })
    }

    /// The alert with this id. Returns `None` if the text is no id of an alert.
    pub fn with_id(id: &str) -> Option<Name> {
        let text = decode(id)?;
        let fits = text.encode_utf16().count() <= DEDUP_KEY_MAX_CHARS;
        if fits { Name::new(&text) } else { None }
    }

    /// The alert that a body without an alias opens: the same for the same body, so that a retry does not page twice.
    /// `source` is the source's slug.
    pub fn of_body(source: &str, body: Node<'_>) -> Option<Name> {
        let mut members = body.members()?.clone();
        members.retain(|name, _| !NOT_HASHED.contains(&name.as_str()));
        let key = DedupKey::whole(source, &sha256_hex(&json::encode(&members.into())))?;
        Name::new(key.as_str())
    }

    fn new(text: &str) -> Option<Name> {
        Some(Name { key: DedupKey::verbatim(text)?, text: text.to_owned() })
    }

    /// The id of the alert.
    pub fn id(&self) -> String {
        encode(&self.text)
    }

    /// The dedup key of the alert.
    pub fn key(&self) -> &DedupKey {
        &self.key
    }

    /// The alias: the sender's own, if it has at most 255 characters.
    pub fn alias(&self) -> &str {
        &self.text
    }
}

/// The id of a request that names no alert.
pub fn id_of_nothing() -> String {
    encode("")
}

/// Whether this is [`id_of_nothing`].
pub fn is_of_nothing(id: &str) -> bool {
    decode(id).is_some_and(|text| text.is_empty())
}

fn encode(text: &str) -> String {
    [VERSION, &checksum(text), &Base64UrlUnpadded::encode_string(text.as_bytes())].concat()
}

fn decode(id: &str) -> Option<String> {
    let (sum, text) = id.strip_prefix(VERSION)?.split_at_checked(CHECKSUM_CHARS)?;
    let text = String::from_utf8(Base64UrlUnpadded::decode_vec(text).ok()?).ok()?;
    (checksum(&text) == sum).then_some(text)
}

fn checksum(text: &str) -> String {
    let mut sum = sha256_hex(text.as_bytes());
    sum.truncate(CHECKSUM_CHARS);
    sum
}
