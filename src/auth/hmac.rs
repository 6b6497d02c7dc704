//! HMAC signatures over the raw body, with or without a signed timestamp.
//!
//! One verifier serves all vendors; their differences are data. It computes the signature, encodes it as the vendor
//! does, and compares the texts in constant time. So a signature in the wrong case or without its padding is invalid.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac as Mac, KeyInit};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::scheme::{Clock, credential};
use crate::http::Headers;
use crate::secret::Secret;
use crate::text;

/// A vendor's way to sign.
#[derive(Debug, PartialEq, Eq)]
pub struct Hmac<'a> {
    /// The header with the signature, in lower case.
    pub header: &'a str,
    /// The hash function of the HMAC.
    pub hash: Hash,
    /// The encoding of the signature.
    pub encoding: Encoding,
    /// The layout of the header around the signature.
    pub form: SignatureLayout<'a>,
    /// The timestamp that is signed with the body.
    pub stamp: SignedTimestamp<'a>,
}

/// The hash function of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1. It is secure inside an HMAC, and some vendors offer nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// The encoding of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Base64 with the standard alphabet and padding.
    Base64,
    /// Lower-case hex.
    Hex,
}

/// The layout of a header around its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureLayout<'a> {
    /// `key=value` pairs, separated by commas: `t=1700000000,v1=…`. The timestamp, a separator and the body are signed.
    Fields {
        /// The key of the timestamp. It must occur exactly once.
        timestamp: &'a str,
        /// The key of a signature. It may occur more than once.
        signature: &'a str,
        /// The text that is signed between the timestamp and the body.
        separator: &'a str,
    },
    /// Several signatures, separated by commas, each with this prefix. Entries with another prefix are ignored.
    List(&'a str),
    /// One signature with this prefix.
    One(&'a str),
}

/// The timestamp that is signed with the body, if the layout has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedTimestamp<'a> {
    /// The timestamp is in a header of its own. `before`, the timestamp, a colon and the body are signed.
    Header {
        /// The timestamp's header, in lower case.
        name: &'a str,
        /// The text that is signed before the timestamp.
        before: &'a str,
        /// Whether a delivery without a timestamp is rejected. If not, a signature without a timestamp covers the body
        /// alone.
        required: bool,
    },
    /// No timestamp: the signature never expires, so it does not protect against replay.
    None,
}

/// The signatures in a header.
struct PresentedSignatures<'a> {
    signatures: Vec<&'a str>,
    /// The text that is signed before the body: a prefix, a timestamp, a separator.
    stamp: [&'a str; 3],
}

impl Hmac<'_> {
    /// Whether one of the signatures is valid, and the timestamp, if there is one, is near `clock`.
    pub(super) fn verify(&self, headers: &Headers, body: &[u8], secret: &Secret, clock: Clock) -> bool {
        let Some(offer) = self.offer(headers, body, clock) else { return false };
        let right = self.sign(secret, &offer.stamp, body);
        // Every signature is compared, so that the time does not reveal which one is valid.
        let equal = |signature: &&str| bool::from(right.as_bytes().ct_eq(signature.as_bytes()));
        offer.signatures.iter().filter(|signature| equal(signature)).count() > 0
    }

    /// Parses the header: the signatures, and the text that they sign before the body.
    fn offer<'a>(&'a self, headers: &'a Headers, body: &[u8], clock: Clock) -> Option<PresentedSignatures<'a>> {
        let value = credential(headers, self.header)?;
        let signatures = match self.form {
            SignatureLayout::Fields { timestamp, signature, separator } => {
                let fields: Vec<(&str, &str)> = value.split(',').filter_map(|field| field.split_once('=')).collect();
                let named =
                    |name: &str| fields.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect();
                let times: Vec<&str> = named(timestamp);
                let [time] = times.as_slice() else { return None };
                return clock
                    .is_near(time)
                    .then(|| PresentedSignatures { signatures: named(signature), stamp: ["", time, separator] });
            }
            SignatureLayout::List(prefix) => {
                let entries = value.split(',').map(|entry| entry.trim_matches(' '));
                entries.filter_map(|entry| entry.strip_prefix(prefix)).collect()
            }
            SignatureLayout::One(prefix) => vec![value.strip_prefix(prefix)?],
        };
        match self.stamp {
            SignedTimestamp::Header { name, before, required }
                if required || clock.timestamped || headers.has(name) =>
            {
                let time = credential(headers, name).filter(|time| clock.is_near(time))?;
                Some(PresentedSignatures { signatures, stamp: [before, time, ":"] })
            }
            // An attacker could move the signed timestamp of a recorded delivery into its body and omit the header.
            SignedTimestamp::Header { before, .. } if begins_with_timestamp(body, before) => None,
            SignedTimestamp::Header { .. } => Some(PresentedSignatures { signatures, stamp: [""; 3] }),
            SignedTimestamp::None if clock.timestamped => None,
            SignedTimestamp::None => Some(PresentedSignatures { signatures, stamp: [""; 3] }),
        }
    }

    fn sign(&self, secret: &Secret, stamp: &[&str; 3], body: &[u8]) -> String {
        let key = secret.expose().as_bytes();
        let code = match self.hash {
            Hash::Sha1 => Mac::<Sha1>::new_from_slice(key).map(|mac| code(mac, stamp, body)),
            Hash::Sha256 => Mac::<Sha256>::new_from_slice(key).map(|mac| code(mac, stamp, body)),
        };
        // An HMAC takes a key of any length.
        let code = code.unwrap_or_default();
        match self.encoding {
            Encoding::Base64 => Base64::encode_string(&code),
            Encoding::Hex => text::hex(&code),
        }
    }
}

/// Whether a body begins like a signed timestamp.
fn begins_with_timestamp(body: &[u8], before: &str) -> bool {
    let rest = body.strip_prefix(before.as_bytes());
    rest.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
}

fn code(mut mac: impl hmac::Mac, stamp: &[&str; 3], body: &[u8]) -> Vec<u8> {
    for piece in stamp {
        mac.update(piece.as_bytes());
    }
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}
