//! Signatures by HMAC over the raw body, with or without a timestamp that is signed too.
//!
//! One verifier for a family: what differs between vendors is data. Signatures are computed, written out as the vendor
//! writes them, and compared as text in constant time, so a wrong case or a missing padding is a wrong signature.

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac as Mac, KeyInit};
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::scheme::{Clock, credential};
use crate::http::Headers;
use crate::secret::Secret;
use crate::text;

/// How a vendor signs.
#[derive(Debug, PartialEq, Eq)]
pub struct Hmac<'a> {
    /// The header that holds the signature, in lower case.
    pub header: &'a str,
    /// The hash under the HMAC.
    pub hash: Hash,
    /// How the signature is written.
    pub encoding: Encoding,
    /// What stands in the header around it.
    pub form: SignatureLayout<'a>,
    /// What is signed beside the body.
    pub stamp: SignedTimestamp<'a>,
}

/// The hash under an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, which is sound inside an HMAC and all that some vendors have.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The standard alphabet, padded.
    Base64,
    /// Lower-case digits.
    Hex,
}

/// What stands in the header around a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureLayout<'a> {
    /// `key=value` pairs with commas between them: `t=1700000000,v1=…`. The timestamp, a separator and the body are signed.
    Fields {
        /// The timestamp's key, which comes once.
        timestamp: &'a str,
        /// The signatures' key, which may come more than once.
        signature: &'a str,
        /// What is signed between the timestamp and the body.
        separator: &'a str,
    },
    /// Several, with commas between them, each after this prefix; others are left alone.
    List(&'a str),
    /// One, after this prefix.
    One(&'a str),
}

/// What is signed beside the body, where the header itself does not hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedTimestamp<'a> {
    /// `before`, the timestamp from a header of its own, a colon, the body.
    Header {
        /// The timestamp's header, in lower case.
        name: &'a str,
        /// What is signed before it.
        before: &'a str,
        /// Whether a delivery without a timestamp is refused. Where it is not, the body alone is signed without one.
        required: bool,
    },
    /// Nothing: the signature holds for ever, and a recorded delivery can be sent again.
    None,
}

/// What a header offers.
struct PresentedSignatures<'a> {
    signatures: Vec<&'a str>,
    /// What is signed before the body: a word, a timestamp, a separator.
    stamp: [&'a str; 3],
}

impl Hmac<'_> {
    /// Whether one of the signatures is right, and the timestamp, where there is one, near `clock`.
    pub(super) fn verify(&self, headers: &Headers, body: &[u8], secret: &Secret, clock: Clock) -> bool {
        let Some(offer) = self.offer(headers, body, clock) else { return false };
        let right = self.sign(secret, &offer.stamp, body);
        // All of them are looked at, so that the time does not tell which one was right.
        let equal = |signature: &&str| bool::from(right.as_bytes().ct_eq(signature.as_bytes()));
        offer.signatures.iter().filter(|signature| equal(signature)).count() > 0
    }

    /// The signatures that the header offers, and what they sign before the body.
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
            // A recorded delivery could be passed off as one without a timestamp by moving that into the body.
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

/// Whether a body begins as what is signed before it does.
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
