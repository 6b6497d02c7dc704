//! Amazon SNS: a message signed with RSA, its key in a certificate that the message names.
//!
//! Written from <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>, read 2026-11.
//!
//! # What a signature proves
//!
//! That Amazon SNS signed the message: the certificate is fetched over TLS from Amazon SNS in the topic's own region, and
//! that TLS connection, checked by the runtime, is the whole chain of trust. The certificate's own issuers are not looked
//! at; its dates are. It does not prove *whose* topic it was: any AWS account can have its messages signed. So a topic
//! that the operator has not listed proves nothing, and that list is the real authorisation.

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::der::{self, Der, SEQUENCE};
use super::rsa::{KEY_MAX_BYTES, KEY_MIN_BYTES, PublicKey};
use super::topic::host_of;
use crate::auth::TIMESTAMP_TOLERANCE_SECS;
use crate::http::Url;
use crate::json;
use crate::text;

/// How old a message may be, in seconds: SNS gives up on an HTTP endpoint after an hour.
const AGE_MAX_SECS: u64 = 3600 + TIMESTAMP_TOLERANCE_SECS;

/// The members that are signed, in order. `Subject` alone may be missing.
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] = &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// What a message claims, before anything about it is proven.
///
/// Only the members that are signed can be relied on afterwards, and `Message` alone may hold line ends: with them in
/// another member, the same signed text could be read as other members.
pub(super) struct Claim {
    /// Where the certificate is.
    pub(super) certificate: Url,
    members: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
    version_2: bool,
}

impl Claim {
    /// Reads a message that is about one of `topics` and not too far from `now`; nothing where it is not, or not a message
    /// that can be verified. All that can be checked without the certificate is, so that strangers cannot have it
    /// fetched at will.
    pub(super) fn read(body: &[u8], topics: &[String], now: u64) -> Option<Claim> {
        let message: Value = serde_json::from_slice(body).ok()?;
        let member = |name: &str| message.get(name).and_then(Value::as_str);
        let topic = topics.iter().find(|listed| Some(listed.as_str()) == member("TopicArn"))?;
        let names = match member("Type")? {
            "Notification" => NOTIFICATION,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => CONFIRMATION,
            _ => return None,
        };
        let mut members = Map::new();
        let mut signed = String::new();
        for name in names {
            match member(name) {
                Some(value) if *name == "Message" || !value.contains('\n') => {
                    signed.extend([name, "\n", value, "\n"]);
                    members.insert((*name).to_owned(), value.into());
                }
                None if *name == "Subject" && message.get(name).is_none_or(Value::is_null) => {}
                _ => return None,
            }
        }
        let version_2 = match member("SignatureVersion")? {
            "1" => false,
            "2" => true,
            _ => return None,
        };
        let time = text::unix_seconds(member("Timestamp")?)?;
        let early = time > now.saturating_add(TIMESTAMP_TOLERANCE_SECS);
        let late = now > time.saturating_add(AGE_MAX_SECS);
        let signature = Base64::decode_vec(member("Signature")?)
            .ok()
            .filter(|signature| (KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&signature.len()) && !early && !late)?;
        let certificate = certificate_url(member("SigningCertURL")?, topic)?;
        Some(Claim { certificate, members, signed, signature, version_2 })
    }

    /// The members that are signed, as JSON: nothing else in the message can be relied on.
    pub(super) fn proven(self) -> Vec<u8> {
        json::encode(&Value::Object(self.members))
    }

    /// Whether the message was signed with this key, which is valid at `now`.
    pub(super) fn holds(&self, key: &Key, now: u64) -> bool {
        let signed = self.signed.as_bytes();
        (key.from..=key.until).contains(&now)
            && if self.version_2 {
                key.key.holds(&Sha256::digest(signed), &self.signature)
            } else {
                key.key.holds(&Sha1::digest(signed), &self.signature)
            }
    }
}

/// The key in a certificate, and the time between which it is valid, in seconds since the Unix epoch.
pub(super) struct Key {
    key: PublicKey,
    from: u64,
    until: u64,
}

impl Key {
    /// Reads the first part of a certificate in PEM (RFC 5280 section 4.1), up to the key.
    pub(super) fn read(pem: &[u8]) -> Option<Key> {
        let certificate = der::certificate(pem)?;
        let mut body = Der(Der(Der(&certificate).expect(SEQUENCE)?).expect(SEQUENCE)?);
        for _ in ["version", "serial number", "signature", "issuer"] {
            body.next()?;
        }
        let mut validity = Der(body.expect(SEQUENCE)?);
        let (from, until) = (validity.time()?, validity.time()?);
        body.next()?; // The subject.
        let key = PublicKey::read(body.expect(SEQUENCE)?)?;
        Some(Key { key, from: text::unix_seconds(&from)?, until: text::unix_seconds(&until)? })
    }
}

/// The address of a certificate: `https://sns.<region>.amazonaws.com[.cn]/SimpleNotificationService-<id>.pem`, with the
/// region of the topic, and not a character else.
///
/// The address comes from a message that nothing has been proven of, and a pattern for regions would let in hosts of
/// other services (`s3-us-west-2` is a bucket's), so the operator's own list of topics says which host it has to be.
fn certificate_url(url: &str, topic: &str) -> Option<Url> {
    let authority = host_of(topic)?;
    let file = url.strip_prefix("https://")?.strip_prefix(authority.as_str())?.strip_prefix('/')?;
    let id = file.strip_prefix("SimpleNotificationService-")?.strip_suffix(".pem")?;
    let id_only = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    id_only.then(|| Url { https: true, authority, path: format!("/{file}") })
}
