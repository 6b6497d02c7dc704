//! Amazon SNS: a message signed with RSA. The key is in a certificate, and the message names the certificate's address.
//!
//! Written from <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>, read 2026-11.
//!
//! # What a signature proves
//!
//! Amazon SNS signed the message. We fetch the certificate over TLS from Amazon SNS in the topic's own region, and the
//! runtime checks that TLS connection: it is the whole chain of trust. We check the certificate's dates, but not its
//! issuer. A signature does not prove *whose* topic it was: Amazon signs the messages of every AWS account. So a message
//! about a topic that the operator has not listed is rejected, and that list is the real authorisation.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use super::certificate::{Hash, KEY_MAX_BYTES, KEY_MIN_BYTES, SigningKey};
use super::topic::host_of;
use crate::auth::TIMESTAMP_TOLERANCE_SECS;
use crate::auth::body::Members;
use crate::http::Url;
use crate::json;
use crate::text;

/// How old a message may be, in seconds: SNS retries an HTTP endpoint for an hour.
const AGE_MAX_SECS: u64 = 3600 + TIMESTAMP_TOLERANCE_SECS;

/// The signed members, in order. Only `Subject` is optional.
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] = &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// The members that say how to verify the signature.
const UNSIGNED: &[&str] = &["Signature", "SignatureVersion", "SigningCertURL"];

/// A message whose signature is not verified yet.
///
/// Only signed members can be relied on afterwards. Only `Message` may contain line ends: with a line end in another
/// member, the same signed text could be split into other members.
pub(super) struct Unverified {
    /// The address of the certificate.
    pub(super) certificate: Url,
    members: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
    hash: Hash,
}

impl Unverified {
    /// Parses a message. Returns nothing if it is malformed, about a topic that is not in `topics`, or too far from
    /// `now`. This makes every check that needs no certificate, so that strangers cannot make us fetch certificates.
    pub(super) fn parse(body: &[u8], topics: &[String], now: u64) -> Option<Unverified> {
        let names = [CONFIRMATION, &["Subject"], UNSIGNED].concat();
        let found = Members::find(body, &names)?;
        // The texts of the message, without the values that no signature covers: those may be many.
        let texts =
            names.iter().filter_map(|name| Some((*name, serde_json::from_slice(found.value(body, name)?).ok()?)));
        let texts: BTreeMap<&str, String> = texts.collect();
        let member = |name: &str| texts.get(name).map(String::as_str);
        let is_absent = |name: &str| found.value(body, name).is_none_or(|value| value == b"null");
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
                None if *name == "Subject" && is_absent(name) => {}
                _ => return None,
            }
        }
        let hash = match member("SignatureVersion")? {
            "1" => Hash::Sha1,
            "2" => Hash::Sha256,
            _ => return None,
        };
        let time = text::unix_seconds(member("Timestamp")?)?;
        let early = time > now.saturating_add(TIMESTAMP_TOLERANCE_SECS);
        let late = now > time.saturating_add(AGE_MAX_SECS);
        let signature = Base64::decode_vec(member("Signature")?)
            .ok()
            .filter(|signature| (KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&signature.len()) && !early && !late)?;
        let certificate = certificate_url(member("SigningCertURL")?, topic)?;
        Some(Unverified { certificate, members, signed, signature, hash })
    }

    /// The signed members as JSON, if this key is valid at `now` and signed the message. Nothing else in the message can
    /// be relied on.
    pub(super) fn verify(self, key: &SigningKey, now: u64) -> Option<Vec<u8>> {
        let verified = key.verify(self.hash, self.signed.as_bytes(), &self.signature, now);
        verified.then(|| json::encode(&Value::Object(self.members)))
    }
}

/// The address of a certificate, which must read `https://sns.<region>.amazonaws.com[.cn]/SimpleNotificationService-<id>.pem`
/// with the region of the topic.
///
/// The address is part of a message that is not verified yet. A pattern for regions would let in hosts of other services
/// (`s3-us-west-2` belongs to a bucket), so the operator's own list of topics decides which host is valid.
fn certificate_url(url: &str, topic: &str) -> Option<Url> {
    let authority = host_of(topic)?;
    let file = url.strip_prefix("https://")?.strip_prefix(authority.as_str())?.strip_prefix('/')?;
    let id = file.strip_prefix("SimpleNotificationService-")?.strip_suffix(".pem")?;
    let id_only = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    id_only.then(|| Url { https: true, authority, path: format!("/{file}") })
}
