//! Credentials in the form that each source's senders use.

use hmac::{Hmac as Mac, KeyInit};
use pagerelay::auth::{Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use pagerelay::sources::Source;
use sha1::Sha1;
use sha2::Sha256;

/// Credentials of a request: headers, and parameters of the query.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    pub headers: Vec<(String, String)>,
    pub query: String,
}

/// Credentials for the source's first scheme with a shared secret, else a signature.
pub fn of(source: &Source, secret: &str, body: &[u8], now: u64) -> Credentials {
    of_schemes(source.schemes, secret, body, now)
        .unwrap_or_else(|| panic!("{} has no scheme that the harness knows", source.slug))
}

/// Like [`of`], for these schemes. Returns `None` if the harness supports none of them.
pub fn of_schemes(schemes: &[Scheme<'_>], secret: &str, body: &[u8], now: u64) -> Option<Credentials> {
    let header =
        |name: &str, value: String| Credentials { headers: vec![(name.to_owned(), value)], ..Credentials::default() };
    let shown = schemes.iter().find_map(|scheme| match scheme {
        Scheme::Authorization(name) => Some(header("authorization", format!("{name} {secret}").trim().to_owned())),
        Scheme::Header(name) => Some(header(name, secret.to_owned())),
        Scheme::Query(name) => Some(Credentials { query: format!("{name}={secret}"), ..Credentials::default() }),
        _ => None,
    });
    let signed = || {
        schemes.iter().find_map(|scheme| match scheme {
            Scheme::Hmac(hmac) => Some(Credentials { headers: sign(hmac, secret, body, now), query: String::new() }),
            _ => None,
        })
    };
    shown.or_else(signed)
}

/// The headers of a signature.
pub fn sign(hmac: &Hmac<'_>, secret: &str, body: &[u8], now: u64) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    let mut signed = Vec::new();
    if let SignedTimestamp::Header { name, before, .. } = hmac.stamp {
        headers.push((name.to_owned(), now.to_string()));
        signed.extend(format!("{before}{now}:").bytes());
    }
    signed.extend(body);
    let fields;
    let prefix = match hmac.form {
        SignatureLayout::One(prefix) | SignatureLayout::List(prefix) => prefix,
        SignatureLayout::Fields { timestamp, signature, separator } => {
            signed.splice(0..0, format!("{now}{separator}").bytes());
            fields = format!("{timestamp}={now},{signature}=");
            fields.as_str()
        }
    };
    let bytes = match hmac.hash {
        Hash::Sha1 => mac::<Mac<Sha1>>(secret, &signed),
        Hash::Sha256 => mac::<Mac<Sha256>>(secret, &signed),
    };
    let signature = match hmac.encoding {
        SignatureEncoding::Hex => pagerelay::text::hex(&bytes),
        SignatureEncoding::Base64 => <base64ct::Base64 as base64ct::Encoding>::encode_string(&bytes),
    };
    headers.push((hmac.header.to_owned(), format!("{prefix}{signature}")));
    headers
}

fn mac<M: KeyInit + hmac::Mac>(secret: &str, signed: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret.as_bytes()).expect("any length");
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}
