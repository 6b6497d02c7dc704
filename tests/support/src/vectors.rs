//! The test vectors of authentication, `tests/vectors/auth.json`: a table that other projects can use as well.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use pagerelay::auth::sns::SNS;
use pagerelay::auth::{
    self, Access, Authenticated, FetchError, Hash, Hmac, Policy, Query, Scheme, Signature, SignatureEncoding,
    SignatureLayout, SignedTimestamp,
};
use pagerelay::http::{Headers, Method, Request, Url};
use pagerelay::secret::{Rotation, Secret};
use serde_json::Value;

/// The default policy.
pub const POLICY: Policy = Policy { signature: Signature::Optional, query: Query::Listed };

/// Every case.
pub fn all() -> Vec<Value> {
    // A binary that fuzzes may run where the repository is not.
    let table: Value = serde_json::from_str(include_str!("../../vectors/auth.json")).expect("the vectors are json");
    table["cases"].as_array().expect("a list of cases").clone()
}

/// A scheme in the notation of the vectors.
pub fn scheme(described: &Value) -> Scheme<'static> {
    let text = |value: &Value| -> &'static str { value.as_str().unwrap_or_default().to_owned().leak() };
    let hmac = || {
        let structured = &described["structured"];
        let timestamp = &described["timestamp"];
        let hmac = Hmac {
            header: text(&described["header"]),
            hash: if described["hash"] == "sha1" { Hash::Sha1 } else { Hash::Sha256 },
            encoding: if described["encoding"] == "base64" {
                SignatureEncoding::Base64
            } else {
                SignatureEncoding::Hex
            },
            form: match (structured.is_object(), described["list"] == true) {
                (true, _) => {
                    let signed = structured["signed"].as_str().expect("text");
                    let separator = signed.strip_prefix("{timestamp}").and_then(|rest| rest.strip_suffix("{body}"));
                    SignatureLayout::Fields {
                        timestamp: text(&structured["timestamp"]),
                        signature: text(&structured["signature"]),
                        separator: separator.expect("the one form").to_owned().leak(),
                    }
                }
                (false, true) => SignatureLayout::List(text(&described["prefix"])),
                (false, false) => SignatureLayout::One(text(&described["prefix"])),
            },
            stamp: match timestamp["signed"].as_str() {
                Some(signed) => SignedTimestamp::Header {
                    name: text(&timestamp["header"]),
                    before: signed.strip_suffix("{timestamp}:{body}").expect("the one form").to_owned().leak(),
                    required: timestamp["required"] == true,
                },
                None => SignedTimestamp::None,
            },
        };
        Scheme::Hmac(Box::leak(Box::new(hmac)))
    };
    match described["type"].as_str().expect("a scheme has a type") {
        "authorization" => Scheme::Authorization(text(&described["name"])),
        "basic" => Scheme::Basic,
        "bearer" => Scheme::BEARER,
        "header" => Scheme::Header(text(&described["header"])),
        "hmac" => hmac(),
        "member" => Scheme::Member(text(&described["member"])),
        "query" => Scheme::Query(text(&described["parameter"])),
        "sns" => Scheme::Certified(&SNS),
        "standard-webhooks" => Scheme::StandardWebhooks,
        other => panic!("no scheme {other}"),
    }
}

/// A vector's request.
pub fn request(case: &Value) -> Request {
    let headers = case["headers"].as_array().expect("a list of headers").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (path, query) = case["target"].as_str().unwrap_or("/").split_once('?').unwrap_or(("/", ""));
    Request {
        method: Method::Post,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Headers::new(headers.map(|pair| (text(&pair[0]), text(&pair[1]).into_bytes()))),
        body: Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64"),
        problem: None,
    }
}

pub fn rotation(current: &str, previous: Option<&str>) -> Rotation {
    let secret = |value: &str| Secret::new(value.to_owned());
    Rotation { current: secret(current), previous: previous.map(secret) }
}

/// Whether our verifier accepts a vector's request.
pub fn accepts(case: &Value, request: &Request, secrets: &Rotation) -> Option<bool> {
    verified(case, request, secrets, |known| known.authenticated_by().previous)
}

/// The body of a vector's request, or the part of it that the signature covers, if our verifier accepts it.
pub fn proven(case: &Value) -> Option<Vec<u8>> {
    let secrets = rotation(case["secret"].as_str().unwrap_or_default(), None);
    verified(case, &request(case), &secrets, |known| known.body().to_vec())
}

fn verified<T>(
    case: &Value,
    request: &Request,
    secrets: &Rotation,
    then: impl FnOnce(&Authenticated<'_>) -> T,
) -> Option<T> {
    let now = Duration::from_secs(case["now"].as_u64().expect("a time"));
    let topics: Vec<String> = serde_json::from_value(case["topics"].clone()).unwrap_or_default();
    let access = Access { secrets: Some(secrets), of_services: &[], policy: POLICY, listed: &topics };
    let certificate = case["certificate"].as_str().map(|pem| pem.as_bytes().to_vec());
    let mut fetch = |_: &Url| certificate.clone().ok_or(FetchError::Trouble);
    let schemes = [scheme(&case["scheme"])];
    let known = auth::verify(request, &schemes, access, now, &mut fetch);
    known.or_else(|_| auth::verify_body(request, &schemes, access)).ok().map(|known| then(&known))
}
