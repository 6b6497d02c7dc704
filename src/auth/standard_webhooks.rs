//! Standard Webhooks: the sender signs an id, a timestamp and the body, with a shared key or a key pair.
//!
//! Written from <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>. GitLab's
//! signing token follows it too.

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::MalformedKey;
use super::scheme::{Clock, credential};
use crate::http::Headers;
use crate::secret::Secret;

/// The headers, in lower case.
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";

/// The prefix of a shared key.
const SHARED_KEY: &str = "whsec_";

/// The prefix of a public key.
pub(super) const PUBLIC_KEY: &str = "whpk_";

/// How many signatures are verified with a public key. A sender that rotates its keys sends two.
const PUBLIC_KEY_SIGNATURES_MAX: usize = 4;

/// The shortest shared key, in bytes. The specification asks senders for 24 to 64 bytes, but some keys are shorter in
/// practice.
const SHARED_KEY_MIN_BYTES: usize = 16;

/// The number of digits of a timestamp, from 2001 to 2286.
const TIMESTAMP_DIGITS: usize = 10;

/// Whether one of the signatures is valid and the timestamp is near `clock`.
pub(super) fn verify(headers: &Headers, body: &[u8], secret: &Secret, clock: Clock) -> bool {
    let signed = || {
        let id = credential(headers, ID).filter(|id| !contains_timestamp(id))?;
        let timestamp = credential(headers, TIMESTAMP).filter(|timestamp| clock.is_near(timestamp))?;
        let signatures = credential(headers, SIGNATURE)?;
        Some(([id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat(), signatures))
    };
    let Some((signed, signatures)) = signed() else { return false };
    let entries = signatures.split(' ').filter_map(|entry| entry.split_once(','));
    if let Some(key) = secret.expose().strip_prefix(SHARED_KEY) {
        let Some(mac) = Base64::decode_vec(key)
            .ok()
            .filter(|key| !key.is_empty())
            .and_then(|key| Hmac::<Sha256>::new_from_slice(&key).ok())
        else {
            return false;
        };
        let right = Base64::encode_string(&mac.chain_update(&signed).finalize().into_bytes());
        let candidates = entries.filter(|(version, _)| *version == "v1");
        // Every signature is compared, so that the time does not reveal which one is valid.
        return candidates
            .fold(false, |found, (_, candidate)| found | bool::from(right.as_bytes().ct_eq(candidate.as_bytes())));
    }
    let Some(key) = secret.expose().strip_prefix(PUBLIC_KEY).and_then(public_key) else { return false };
    // Limited, because each verification hashes the whole body for a sender that is not authenticated yet.
    let mut candidates = entries.filter(|(version, _)| *version == "v1a").take(PUBLIC_KEY_SIGNATURES_MAX);
    candidates.any(|(_, candidate)| {
        let mut bytes = [0; 64];
        let signature = Base64::decode(candidate, &mut bytes).ok().and_then(|bytes| Signature::from_slice(bytes).ok());
        signature.is_some_and(|signature| key.verify_strict(&signed, &signature).is_ok())
    })
}

/// Whether an id contains what may be a signed timestamp, between full stops. An attacker could move the timestamp of a
/// recorded delivery and the beginning of its body into the id, up to a text in the body that looks like a later
/// timestamp. The specification forbids senders to use ids with full stops that others choose.
fn contains_timestamp(id: &str) -> bool {
    let is_timestamp = |part: &str| part.len() == TIMESTAMP_DIGITS && part.bytes().all(|byte| byte.is_ascii_digit());
    id.split('.').skip(1).any(is_timestamp)
}

fn public_key(key: &str) -> Option<VerifyingKey> {
    let mut bytes = [0; 32];
    let key = Base64::decode(key, &mut bytes).ok()?;
    VerifyingKey::from_bytes(key.try_into().ok()?).ok()
}

/// Checks the key behind the prefix of a key.
pub(super) fn check_key(secret: &str) -> Result<(), MalformedKey> {
    let good = match (secret.strip_prefix(SHARED_KEY), secret.strip_prefix(PUBLIC_KEY)) {
        (Some(key), _) => Base64::decode_vec(key).is_ok_and(|key| key.len() >= SHARED_KEY_MIN_BYTES),
        (None, Some(key)) => public_key(key).is_some(),
        (None, None) => true,
    };
    if good { Ok(()) } else { Err(MalformedKey) }
}
