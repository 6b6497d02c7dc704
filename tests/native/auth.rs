//! Authentication: the vectors, and requests with one flipped bit. `tests/e2e` tests the senders' headers and the
//! operators' settings through the component.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64ct::{Base64, Encoding};
use hmac::{Hmac as Mac, KeyInit, Mac as _};
use pagerelay_support::evidence;
use pagerelay_support::vectors::{accepts, request, rotation};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

const OTHER: &str = "another-secret-of-some-length";

/// The vectors that this build can verify.
fn vectors() -> Vec<Value> {
    let all = pagerelay_support::vectors::all().into_iter();
    all.filter(|case| cfg!(feature = "sns") || case["scheme"]["type"] != "sns").collect()
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for case in vectors() {
        let accepted =
            accepts(&case, &request(&case), &rotation(case["secret"].as_str().expect("text"), None)).is_some();
        let verdict = if accepted { "accept" } else { "refuse" };
        if case["verdict"] != verdict {
            wrong.push(format!("{}: {verdict}, and {}", case["name"], case["reason"]));
        }
        let kind = case["scheme"]["type"].as_str().expect("text").to_owned();
        *counts.entry((kind, verdict.to_owned())).or_default() += 1;
    }
    for ((kind, verdict), count) in &counts {
        evidence(&format!("vectors: {kind}: {count} {verdict}"));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(counts.values().sum::<usize>() > 500);
}

#[test]
fn the_secret_before_this_one_holds_for_every_scheme() {
    let secret_based = |case: &Value| case["verdict"] == "accept" && case["scheme"]["type"] != "sns";
    for case in vectors().into_iter().filter(secret_based) {
        let (request, secret) = (request(&case), case["secret"].as_str().expect("text"));
        let other = if secret.starts_with("wh") { "whsec_dGhpcyBpcyBub3QgdGhlIHJpZ2h0IGtleQ==" } else { OTHER };
        assert_eq!(accepts(&case, &request, &rotation(secret, Some(other))), Some(false), "{}", case["name"]);
        assert_eq!(accepts(&case, &request, &rotation(other, Some(secret))), Some(true), "{}", case["name"]);
        assert_eq!(accepts(&case, &request, &rotation(other, None)), None, "{}", case["name"]);
        // If both secrets are the same, it counts as the current one.
        assert_eq!(accepts(&case, &request, &rotation(secret, Some(secret))), Some(false), "{}", case["name"]);
    }
}

#[test]
fn what_the_vendors_own_libraries_sign_opens_here() {
    let Some(files) = std::env::var_os("PAGERELAY_SIGNED") else {
        evidence("cross-check: skipped, PAGERELAY_SIGNED names no files of tests/vectors/check.mjs and check.py");
        return;
    };
    let mut judged = 0;
    for file in std::env::split_paths(&files) {
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let table: Value = serde_json::from_str(&text).expect("the cases are json");
        for case in table["cases"].as_array().expect("a list of cases") {
            let secrets = rotation(case["secret"].as_str().expect("text"), None);
            let verdict = if accepts(case, &request(case), &secrets).is_some() { "accept" } else { "refuse" };
            assert_eq!(case["verdict"], verdict, "{}: {}", file.display(), case["name"]);
            judged += 1;
        }
    }
    evidence(&format!("cross-check: {judged} made by the vendors' own libraries judged alike here"));
    assert!(judged > 0);
}

/// The values in a stranger's message must take no memory: a body of 1 MiB could take a hundred MiB.
#[cfg(feature = "sns")]
#[test]
fn values_that_no_signature_of_sns_covers_are_not_even_parsed() {
    let is_good = |case: &Value| case["verdict"] == "accept" && case["scheme"]["type"] == "sns";
    let good: Vec<Value> = vectors().into_iter().filter(is_good).collect();
    assert!(!good.is_empty());
    for mut case in good {
        let body = Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64");
        let members = str::from_utf8(&body).expect("text").trim_start().strip_prefix('{').expect("an object");
        // No parser that builds values would accept it.
        let deep = format!(r#"{{"MessageAttributes": {}{}, {members}"#, "[".repeat(100_000), "]".repeat(100_000));
        case["body_base64"] = Base64::encode_string(deep.as_bytes()).into();
        let secrets = rotation(case["secret"].as_str().expect("text"), None);
        assert_eq!(accepts(&case, &request(&case), &secrets), Some(false), "{}", case["name"]);
    }
}

/// The text that Standard Webhooks sign, with its boundaries between id, timestamp and body at other full stops.
#[test]
fn a_recorded_standard_webhook_is_not_replayed_with_a_timestamp_from_its_body() {
    let (recorded, now) = (1_700_000_000, 1_772_600_798);
    let verdict = |id: &str, timestamp: u64, body: &str| {
        let mut mac = Mac::<Sha256>::new_from_slice(b"a key that both of them know").expect("any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()));
        let secret = format!("whsec_{}", Base64::encode_string(b"a key that both of them know"));
        let case = json!({
            "name": id, "scheme": {"type": "standard-webhooks"}, "secret": secret, "now": timestamp,
            "headers": [["webhook-id", id], ["webhook-timestamp", timestamp.to_string()], ["webhook-signature", signature]],
            "body_base64": Base64::encode_string(body.as_bytes()),
        });
        accepts(&case, &request(&case), &rotation(&secret, None))
    };
    for id in ["msg_1", "evt.4711.a", "evt.1712345678901", "8c6de2f6-8d3a-4a5e-9d5c-3b1b6b6e2f11"] {
        let title = format!("a title .{now}.state=ok&");
        let body = format!(r#"{{"title": "{title}"}}"#);
        assert_eq!(verdict(id, recorded, &body), Some(false), "{id}");
        // The same signed text, and so the same signature.
        let (before, after) = body.split_once(&format!(".{now}.")).expect("both");
        assert_eq!(verdict(&format!("{id}.{recorded}.{before}"), now, after), None, "{id}");
        assert_eq!(verdict(&format!("{id}.{recorded}"), now, after), None, "{id}");
    }
}

/// The header with a vector's signature, if it has exactly one.
fn lone_signature(case: &Value) -> Option<String> {
    let (header, single): (String, fn(&str) -> bool) = match case["scheme"]["type"].as_str()? {
        "standard-webhooks" => ("webhook-signature".to_owned(), |value| !value.contains(' ')),
        "hmac" if case["scheme"]["structured"].is_object() => {
            (case["scheme"]["header"].as_str()?.to_owned(), |value| value.matches(',').count() == 1)
        }
        "hmac" => (case["scheme"]["header"].as_str()?.to_owned(), |value| !value.contains(',')),
        _ => return None,
    };
    let headers = case["headers"].as_array()?.iter();
    let value = headers.filter(|pair| pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&header)));
    let values: Vec<&str> = value.filter_map(|pair| pair[1].as_str()).collect();
    matches!(values.as_slice(), [value] if single(value)).then_some(header)
}

/// The position of the flipped bit.
#[derive(Clone, Copy, Debug)]
struct Flip {
    part: usize,
    place: prop::sample::Index,
    bit: u8,
    member: usize,
}

/// A vector and its secret with one bit flipped: in the body, in the signature, or in the secret.
fn flipped(case: &Value, flip: Flip) -> (Value, String) {
    let mut changed = case.clone();
    let mut body = Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64");
    let mut secret = case["secret"].as_str().expect("text").to_owned();
    // In text the top bit is not flipped, so that the result is still text.
    let in_text = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        let ascii: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii()).collect();
        bytes[ascii[flip.place.index(ascii.len())]] ^= 1 << (flip.bit % 7);
        String::from_utf8(bytes).expect("ascii stays ascii")
    };
    match (flip.part, lone_signature(case)) {
        (0, Some(_)) if !body.is_empty() => {
            let at = flip.place.index(body.len());
            body[at] ^= 1 << flip.bit;
            changed["body_base64"] = Base64::encode_string(&body).into();
        }
        (1, Some(header)) => {
            for pair in changed["headers"].as_array_mut().expect("a list") {
                if pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&header)) {
                    pair[1] = in_text(pair[1].as_str().expect("text")).into();
                }
            }
        }
        // The names of unsigned members, white space and the certificate's URL may change; the signed text may not.
        _ if case["scheme"]["type"] == "sns" => {
            let mut message: Value = serde_json::from_slice(&body).expect("json");
            let name = ["Message", "MessageId", "Timestamp", "TopicArn", "Type", "Signature"][flip.member];
            message[name] = in_text(message[name].as_str().expect("text")).into();
            changed["body_base64"] = Base64::encode_string(message.to_string().as_bytes()).into();
        }
        // If the secret itself is sent, a wrong secret in the request and a wrong one in the configuration are the same
        // case.
        _ => secret = in_text(&secret),
    }
    (changed, secret)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_flipped_bit_of_body_signature_or_secret_is_refused(
        which in any::<prop::sample::Index>(),
        part in 0..3_usize,
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
        member in 0..6_usize,
    ) {
        static GOOD: OnceLock<BTreeMap<String, Vec<Value>>> = OnceLock::new();
        let good = GOOD.get_or_init(|| {
            let mut good: BTreeMap<String, Vec<Value>> = BTreeMap::new();
            for case in vectors().into_iter().filter(|case| case["verdict"] == "accept") {
                let signs = matches!(case["scheme"]["type"].as_str(), Some("hmac" | "standard-webhooks"));
                if !signs || lone_signature(&case).is_some() {
                    good.entry(case["scheme"].to_string()).or_default().push(case);
                }
            }
            assert!(good.len() > 18, "every scheme of the vectors, each vendor's by itself: {}", good.len());
            good
        });
        for cases in good.values() {
            let case = &cases[which.index(cases.len())];
            let (changed, secret) = flipped(case, Flip { part, place, bit, member });
            prop_assert_eq!(accepts(case, &request(&changed), &rotation(&secret, None)), None, "{}", case["name"]);
        }
    }
}
