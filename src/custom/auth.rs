//! How a template's senders authenticate: `"auth": {"scheme": "hmac", "header": "x-signature", …}`.
//!
//! | scheme | members |
//! |---|---|
//! | `bearer`, `basic`, `standard_webhooks`, `sns` | none |
//! | `header` | `header` |
//! | `query` | `parameter` |
//! | `hmac` | `header`; `hash` (`sha256`, `sha1`), `encoding` (`hex`, `base64`), `prefix`; for a time that is signed too either `timestamp_header` with `timestamp_before`, or `timestamp`, `signature` and `separator` for a header of the form `t=…,v1=…` |
//!
//! The signature covers the body. With `timestamp_header` it covers the text in `timestamp_before`, the time from that header, a
//! colon and the body. With `timestamp` it covers the time, the `separator` and the body.
//!
//! The same names are in the JSON of `GET /setup/<source>`. A scheme that `auth` names is the only one that is accepted.

use serde_json::Value;

use crate::auth::sns::SNS;
use crate::auth::{Hash, Hmac, SHARED_SECRET, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::MapError;

/// The members of `auth`. Header names are in lower case.
#[derive(Debug, Default)]
pub struct Auth {
    scheme: String,
    header: String,
    parameter: String,
    prefix: String,
    timestamp_header: String,
    timestamp_before: String,
    timestamp: String,
    signature: String,
    separator: String,
    sha1: bool,
    base64: bool,
}

/// The scheme of a template with `"from": "sns"` and no `auth`. A template cannot name it.
const AS_SNS: &str = "sns or the secret";

const KNOWN: [&str; 11] = [
    "scheme",
    "header",
    "hash",
    "encoding",
    "prefix",
    "timestamp_header",
    "timestamp_before",
    "timestamp",
    "signature",
    "separator",
    "parameter",
];

impl Auth {
    /// Reads member `auth` of a template. Without it, senders send the shared secret.
    ///
    /// # Errors
    /// Returns [`MapError::Template`] if the scheme is unknown, or lacks a member that it needs. `variable` is the template's.
    pub fn read(variable: &str, said: Option<&Value>) -> Result<Auth, MapError> {
        let Some(said) = said else { return Ok(Auth::default()) };
        let fail = |problem: &str| {
            Err(MapError::Template { problem: ["variable `", variable, "`: `auth` ", problem].concat() })
        };
        let node = Node::root(said);
        let text = |name: &str| node.get(name).value().and_then(Value::as_str).unwrap_or_default().to_owned();
        let Some(members) = node.members() else { return fail("is not an object") };
        if members.iter().any(|(name, value)| !KNOWN.contains(&name.as_str()) || !value.is_string()) {
            return fail("has a member that is not known, or is no text");
        }
        let (hash, encoding) = (text("hash"), text("encoding"));
        if !matches!(&*hash, "" | "sha256" | "sha1") || !matches!(&*encoding, "" | "hex" | "base64") {
            return fail("has a `hash` other than sha256, sha1, or an `encoding` other than hex, base64");
        }
        let auth = Auth {
            scheme: text("scheme"),
            header: text("header").to_ascii_lowercase(),
            parameter: text("parameter"),
            prefix: text("prefix"),
            timestamp_header: text("timestamp_header").to_ascii_lowercase(),
            timestamp_before: text("timestamp_before"),
            timestamp: text("timestamp"),
            signature: text("signature"),
            separator: text("separator"),
            sha1: hash == "sha1",
            base64: encoding == "base64",
        };
        let used: &[&str] = match auth.scheme.as_str() {
            "header" => &["scheme", "header"],
            // All but the parameter.
            "hmac" => KNOWN.split_last().map_or(&[], |(_, others)| others),
            "query" => &["scheme", "parameter"],
            _ => &["scheme"],
        };
        match auth.scheme.as_str() {
            "basic" | "bearer" | "header" | "hmac" | "query" | "sns" | "standard_webhooks"
                if members.keys().any(|name| !used.contains(&name.as_str())) =>
            {
                fail("has a member that its scheme does not use")
            }
            "basic" | "bearer" | "sns" | "standard_webhooks" => Ok(auth),
            "header" | "hmac" if auth.header.is_empty() => fail("names no `header`"),
            "hmac" if auth.timestamp.is_empty() != auth.signature.is_empty() => {
                fail("names one of `timestamp` and `signature`, and needs both")
            }
            "header" | "hmac" => Ok(auth),
            "query" if auth.parameter.is_empty() => fail("names no `parameter`"),
            "query" => Ok(auth),
            _ => fail("has a `scheme` other than basic, bearer, header, hmac, query, sns, standard_webhooks"),
        }
    }

    /// The same, but senders authenticate as at `/sns` if the template says nothing else.
    #[must_use]
    pub fn or_as_sns(self) -> Auth {
        if self.scheme.is_empty() { Auth { scheme: AS_SNS.to_owned(), ..self } } else { self }
    }

    /// The signature that is asked for, where it is one by HMAC.
    pub fn hmac(&self) -> Hmac<'_> {
        Hmac {
            header: &self.header,
            hash: if self.sha1 { Hash::Sha1 } else { Hash::Sha256 },
            encoding: if self.base64 { SignatureEncoding::Base64 } else { SignatureEncoding::Hex },
            form: match (self.signature.is_empty(), self.prefix.as_str()) {
                (false, _) => SignatureLayout::Fields {
                    timestamp: &self.timestamp,
                    signature: &self.signature,
                    separator: &self.separator,
                },
                (true, prefix) => SignatureLayout::One(prefix),
            },
            stamp: match self.timestamp_header.as_str() {
                "" => SignedTimestamp::None,
                name => SignedTimestamp::Header { name, before: &self.timestamp_before, required: true },
            },
        }
    }

    /// The schemes that open. `hmac` is [`Auth::hmac`].
    pub fn schemes<'a>(&'a self, hmac: &'a Hmac<'a>) -> Vec<Scheme<'a>> {
        match self.scheme.as_str() {
            "basic" => vec![Scheme::Basic],
            "bearer" => vec![Scheme::BEARER],
            "header" => vec![Scheme::Header(&self.header)],
            "hmac" => vec![Scheme::Hmac(hmac)],
            "query" => vec![Scheme::Query(&self.parameter)],
            "sns" => vec![Scheme::Certified(&SNS)],
            AS_SNS => vec![Scheme::Certified(&SNS), Scheme::Basic, Scheme::Query("token")],
            "standard_webhooks" => vec![Scheme::StandardWebhooks],
            _ => SHARED_SECRET.to_vec(),
        }
    }
}
