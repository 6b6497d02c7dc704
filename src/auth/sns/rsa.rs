//! RSA signatures as Amazon SNS makes them: RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2), verification only.
//!
//! The arithmetic is crate `crypto-bigint`'s. Crate `rsa` does the same for keys of any size, with numbers on the heap, and
//! costs 60 KB more. Nothing here is secret, so nothing has to take the same time.

use crypto_bigint::{Odd, U4096};

use super::der::{BIT_STRING, Der, OBJECT_IDENTIFIER, SEQUENCE};

/// The smallest and the largest key that is taken, in bytes.
pub(super) const KEY_MIN_BYTES: usize = 256;
pub(super) const KEY_MAX_BYTES: usize = 512;

/// `rsaEncryption` (RFC 8017 appendix A.1): 1.2.840.113549.1.1.1.
const RSA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";

/// What stands before a digest inside a signature: its algorithm, in DER (RFC 8017 section 9.2, note 1).
const SHA1_PREFIX: &[u8] = b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14";
const SHA256_PREFIX: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// A public key.
pub(super) struct PublicKey {
    modulus: Odd<U4096>,
    /// The length of the modulus, in bytes.
    size: usize,
    exponent: u32,
}

impl PublicKey {
    /// Reads the content of a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) of a key of a size that is taken.
    pub(super) fn read(info: &[u8]) -> Option<PublicKey> {
        let mut info = Der(info);
        let mut algorithm = Der(info.expect(SEQUENCE)?);
        algorithm.expect(OBJECT_IDENTIFIER).filter(|algorithm| *algorithm == RSA)?;
        // Before the bits, how many of the last byte are not used: none.
        let (&0, bits) = info.expect(BIT_STRING)?.split_first()? else { return None };
        let mut bits = Der(bits);
        let mut key = Der(bits.expect(SEQUENCE)?);
        let (modulus, exponent) = (key.integer()?, key.integer()?);
        let rest = [info.0, bits.0, key.0];
        let size = modulus.len();
        if !(KEY_MIN_BYTES..=KEY_MAX_BYTES).contains(&size)
            || exponent.len() > 4
            || rest.iter().any(|rest| !rest.is_empty())
        {
            return None;
        }
        let modulus = Odd::new(number(modulus)?).into_option()?;
        let exponent = exponent.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        // An exponent of 1 would make every text its own signature.
        (exponent >= 3 && exponent % 2 == 1).then_some(PublicKey { modulus, size, exponent })
    }

    /// Whether `signature` is of this key, over a text with this digest: SHA-1's 20 bytes, or SHA-256's 32.
    pub(super) fn holds(&self, digest: &[u8], signature: &[u8]) -> bool {
        let prefix = match digest.len() {
            20 => SHA1_PREFIX,
            32 => SHA256_PREFIX,
            _ => return false,
        };
        self.opened(signature).is_some_and(|opened| Some(opened) == self.padded(prefix, digest))
    }

    /// What was signed, by the signature: `signature ^ exponent mod modulus`.
    fn opened(&self, signature: &[u8]) -> Option<U4096> {
        let signature = number(signature).filter(|_| signature.len() == self.size)?;
        if signature >= *self.modulus.as_ref() {
            return None;
        }
        let modulus = self.modulus.as_nz_ref();
        let bits = u32::BITS - self.exponent.leading_zeros();
        // From the second bit of the exponent on: the first is the signature itself.
        Some((0..bits - 1).rev().fold(signature, |power, bit| {
            let square = power.mul_mod_vartime(&power, modulus);
            if self.exponent >> bit & 1 == 1 { square.mul_mod_vartime(&signature, modulus) } else { square }
        }))
    }

    /// What has to have been signed: `00 01 ff … ff 00`, the digest's algorithm, the digest.
    fn padded(&self, prefix: &[u8], digest: &[u8]) -> Option<U4096> {
        let filling = self.size.checked_sub(3 + prefix.len() + digest.len())?;
        let mut padded = vec![0, 1];
        padded.resize(2 + filling, 0xff);
        padded.push(0);
        padded.extend(prefix);
        padded.extend(digest);
        number(&padded)
    }
}

/// A number of at most [`KEY_MAX_BYTES`] bytes, the highest first.
fn number(bytes: &[u8]) -> Option<U4096> {
    let mut whole = [0; KEY_MAX_BYTES];
    whole.get_mut(KEY_MAX_BYTES.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(U4096::from_be_slice(&whole))
}
