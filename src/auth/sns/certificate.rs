//! The certificate of a message: the key in it, the dates between which it is valid, and the check of a signature.
//!
//! Crate `x509-cert` parses the certificate and crate `rsa` checks the signature. This module adds what they leave to
//! their user:
//!
//! - The certificate is decoded from a slice. The crate's own `from_pem` does not notice bytes after the certificate, nor
//!   after the last field of a sequence inside it.
//! - The key's algorithm is `rsaEncryption` with NULL parameters (RFC 3279 section 2.3.1). The crate also takes the keys
//!   of RSASSA-PSS, which must not be used with the padding that SNS uses (RFC 4055 section 1.2).
//! - The key has 256 to 512 bytes, and its exponent is in [`EXPONENTS`]. The crate takes 128 to 1024 bytes and an
//!   exponent of 3.

use rsa::pkcs1::ALGORITHM_ID;
use rsa::traits::PublicKeyParts;
use rsa::{BoxedUint, PublicKey};
use sha1::Sha1;
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::der::referenced::OwnedToRef;
use x509_cert::der::{Decode, pem};

/// The size of the smallest and the largest valid key, in bytes. A signature is as long as its key.
pub(super) const KEY_MIN_BYTES: usize = 256;
pub(super) const KEY_MAX_BYTES: usize = 512;

/// The smallest and the largest valid public exponent; crate `rsa` refuses even ones. With an exponent of 1 every text
/// would be its own signature, and signatures for small exponents can be forged where padding is checked carelessly.
/// Large ones only cost time. Amazon uses the smallest.
const EXPONENTS: (u32, u32) = (65_537, u32::MAX);

/// The hash of a signature.
#[derive(Clone, Copy)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// The key in a certificate, and the time between which it is valid, in seconds since the Unix epoch.
pub(super) struct SigningKey {
    key: PublicKey,
    not_before: u64,
    not_after: u64,
}

impl SigningKey {
    /// Parses a PEM file (RFC 7468) with one certificate (RFC 5280 section 4.1) that has a valid RSA key.
    pub(super) fn parse(file: &[u8]) -> Option<SigningKey> {
        let (label, certificate) = pem::decode_vec(file.trim_ascii()).ok()?;
        if label != "CERTIFICATE" {
            return None;
        }
        let certificate = Certificate::from_der(&certificate).ok()?;
        let certificate = certificate.tbs_certificate();
        let key = certificate.subject_public_key_info().owned_to_ref();
        if key.algorithm != ALGORITHM_ID {
            return None;
        }
        let key = PublicKey::try_from(key).ok()?;
        let (smallest, largest) = EXPONENTS;
        if !(KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&key.size())
            || *key.e() < BoxedUint::from(smallest)
            || *key.e() > BoxedUint::from(largest)
        {
            return None;
        }
        let validity = certificate.validity();
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        Some(SigningKey { key, not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
    }

    /// Whether this key is valid at `now` and signed `text`: RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2).
    pub(super) fn verify(&self, hash: Hash, text: &[u8], signature: &[u8], now: u64) -> bool {
        let verified = match hash {
            Hash::Sha1 => self.key.pkcs1v15_verify::<Sha1>(text, signature),
            Hash::Sha256 => self.key.pkcs1v15_verify::<Sha256>(text, signature),
        };
        (self.not_before..=self.not_after).contains(&now) && verified.is_ok()
    }
}
