//! Amazon SNS: a message signed with RSA, its key in a certificate that the message names.
//!
//! Written from <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>, read 2026-11.
//!
//! # What a signature proves
//!
//! That Amazon SNS signed the message: the certificate is fetched over TLS from a host of Amazon's, by a name pinned
//! here, and that TLS connection, checked by the runtime, is the whole chain of trust. The certificate's own issuers
//! are not looked at, because whoever could put another certificate at that address could pass that check as well; its
//! dates are. It does not prove *whose* topic it was: any AWS account can have its messages signed. So a topic that the
//! operator has not listed proves nothing, and that list is the real authorisation.

use base64ct::{Base64, Encoding};
use der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use der::{Decode, Header, Reader, SliceReader, Tag, Tagged};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, PublicKey};
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::TIMESTAMP_TOLERANCE_SECS;
use crate::host::Url;
use crate::text;

/// The header that every delivery of SNS has, and the one of those that are sent as they are, without a signature.
pub(super) const MESSAGE_TYPE: &str = "x-amz-sns-message-type";
pub(super) const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

/// How old a message may be, in seconds: SNS gives up on an HTTP endpoint after an hour.
const AGE_MAX_SECS: u64 = 3600 + TIMESTAMP_TOLERANCE_SECS;

/// The smallest key that is taken, in bytes: 2048 bits.
const KEY_MIN_BYTES: usize = 256;

/// The members that are signed, in order. `Subject` alone may be missing.
const NOTIFICATION: &[&str] = &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"];
const CONFIRMATION: &[&str] = &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"];

/// What a message claims, before anything about it is proven.
pub(super) struct Claim {
    /// Where the certificate is.
    pub(super) certificate: Url,
    signed: String,
    signature: Vec<u8>,
    version_2: bool,
    time: u64,
}

impl Claim {
    /// Reads a message that is about one of `topics`; nothing where it is not, or not a message that can be verified.
    pub(super) fn read(body: &[u8], topics: &[String]) -> Option<Claim> {
        let message: Value = serde_json::from_slice(body).ok()?;
        let member = |name: &str| message.get(name).and_then(Value::as_str);
        let topic = member("TopicArn")?;
        if !topics.iter().any(|listed| listed == topic) {
            return None;
        }
        let names = match member("Type")? {
            "Notification" => NOTIFICATION,
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => CONFIRMATION,
            _ => return None,
        };
        let mut signed = String::new();
        for name in names {
            match member(name) {
                Some(value) => signed.extend([name, "\n", value, "\n"]),
                None if *name == "Subject" && message.get(name).is_none_or(Value::is_null) => {}
                None => return None,
            }
        }
        let version_2 = match member("SignatureVersion")? {
            "1" => false,
            "2" => true,
            _ => return None,
        };
        Some(Claim {
            certificate: certificate_url(member("SigningCertURL")?)?,
            signed,
            signature: Base64::decode_vec(member("Signature")?).ok()?,
            version_2,
            time: text::unix_seconds(member("Timestamp")?)?,
        })
    }

    /// Whether the message was signed by the key in this certificate (PEM), and not too long before `now`.
    pub(super) fn holds(&self, certificate: &[u8], now: u64) -> bool {
        let fresh =
            self.time <= now.saturating_add(TIMESTAMP_TOLERANCE_SECS) && now <= self.time.saturating_add(AGE_MAX_SECS);
        let Some(key) = public_key(certificate, now).filter(|key| fresh && key.size() >= KEY_MIN_BYTES) else {
            return false;
        };
        let signed = self.signed.as_bytes();
        let verified = if self.version_2 {
            key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(signed), &self.signature)
        } else {
            key.verify(Pkcs1v15Sign::new::<Sha1>(), &Sha1::digest(signed), &self.signature)
        };
        verified.is_ok()
    }
}

/// The key in a certificate that is valid at `now`.
///
/// The certificate's first part (RFC 5280 section 4.1) is read up to the key, and nothing beyond it: a crate that reads
/// all of X.509 costs 42 KB more.
fn public_key(pem: &[u8], now: u64) -> Option<PublicKey> {
    let (_, certificate) = der::pem::decode_vec(pem).ok()?;
    let mut reader = SliceReader::new(&certificate).ok()?;
    for _ in ["certificate", "body"] {
        Header::decode(&mut reader).ok().filter(|header| header.tag() == Tag::Sequence)?;
    }
    for _ in ["version", "serial number", "signature", "issuer"] {
        AnyRef::decode(&mut reader).ok()?;
    }
    Header::decode(&mut reader).ok().filter(|header| header.tag() == Tag::Sequence)?;
    let (from, until) = (date(&mut reader)?, date(&mut reader)?);
    AnyRef::decode(&mut reader).ok()?; // The subject.
    let key = reader.tlv_bytes().ok().filter(|_| (from..=until).contains(&now))?;
    PublicKey::from_public_key_der(key).ok()
}

/// A date of a certificate's, in seconds since the Unix epoch.
fn date(reader: &mut SliceReader<'_>) -> Option<u64> {
    let date = AnyRef::decode(reader).ok()?;
    match date.tag() {
        Tag::UtcTime => date.decode_as::<UtcTime>().ok().map(|date| date.to_unix_duration().as_secs()),
        _ => date.decode_as::<GeneralizedTime>().ok().map(|date| date.to_unix_duration().as_secs()),
    }
}

/// The address of a certificate: `https://sns.<region>.amazonaws.com[.cn]/SimpleNotificationService-<id>.pem` and not a
/// character else, because the address comes from a message that nothing has been proven of.
fn certificate_url(url: &str) -> Option<Url> {
    let (authority, file) = url.strip_prefix("https://sns.")?.split_once('/')?;
    let region = authority.strip_suffix(".amazonaws.com").or_else(|| authority.strip_suffix(".amazonaws.com.cn"))?;
    let id = file.strip_prefix("SimpleNotificationService-")?.strip_suffix(".pem")?;
    let region_only = region.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let id_only = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (region.len() >= 3 && region_only && id_only).then(|| Url {
        https: true,
        authority: format!("sns.{authority}"),
        path: format!("/{file}"),
    })
}
