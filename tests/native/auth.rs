//! Authentication: the vectors, requests with one flipped bit, the operator's requirements, and what a mapping may see.
//! `tests/e2e` tests the senders' headers and the operators' settings through the component.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{Hmac as Mac, KeyInit, Mac as _};
use pagerelay::auth::{
    self, Access, AuthError, Authenticated, FetchError, Hash, Hmac, Policy, Scheme, Signature, SignatureEncoding,
    SignatureLayout, SignedTimestamp, sns,
};
#[cfg(feature = "sns")]
use pagerelay::http::Url;
use pagerelay::http::{Method, Request};
use pagerelay::pipeline;
use pagerelay::secret::Secret;
use pagerelay::sources;
use pagerelay_support::vectors::{POLICY, accepts, request, rotation, scheme};
use pagerelay_support::{SECRET, credentials, evidence};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::host::Accepting;
use crate::statuses::{FORMATTED, Faulty};
use crate::walls::{handle, known, operated, stranger};

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

/// Whether a vector's request is accepted if the operator has this requirement.
fn accepted(case: &Value, signature: Signature) -> bool {
    let (request, schemes) = (request(case), [scheme(&case["scheme"])]);
    let secrets = rotation(case["secret"].as_str().unwrap_or_default(), None);
    let topics: Vec<String> = serde_json::from_value(case["topics"].clone()).unwrap_or_default();
    let policy = Policy { signature, ..POLICY };
    let access = Access { secrets: Some(&secrets), of_services: &[], policy, listed: &topics };
    let now = Duration::from_secs(case["now"].as_u64().expect("a time"));
    let certificate = || case["certificate"].as_str().map(|pem| pem.as_bytes().to_vec()).ok_or(FetchError::Trouble);
    auth::verify(&request, &schemes, access, now, &mut |_| certificate()).is_ok()
        || auth::verify_body(&request, &schemes, access).is_ok()
}

#[test]
fn a_required_signature_or_timestamp_cannot_be_replaced_by_anything_less() {
    let mut counts: BTreeMap<[bool; 2], usize> = BTreeMap::new();
    for case in vectors().into_iter().filter(|case| case["verdict"] == "accept") {
        let described = &case["scheme"];
        let stamp = &described["timestamp"]["header"];
        let (signs, may_sign_time, signs_time) = match described["type"].as_str().expect("text") {
            "sns" | "standard-webhooks" => (true, true, true),
            "hmac" if described["structured"].is_object() => (true, true, true),
            "hmac" => {
                let mut headers = case["headers"].as_array().expect("a list").iter();
                let given = |pair: &Value| {
                    let both = pair[0].as_str().zip(stamp.as_str());
                    both.is_some_and(|(given, stamp)| given.eq_ignore_ascii_case(stamp))
                };
                (true, stamp.is_string(), headers.any(given))
            }
            _ => (false, false, false),
        };
        let what = &case["name"];
        assert_eq!(scheme(described).is_signature(), signs, "{what}");
        assert_eq!(scheme(described).signs_time(), may_sign_time, "{what}");
        assert!(accepted(&case, Signature::Optional), "{what}");
        assert_eq!(accepted(&case, Signature::Required), signs, "{what}");
        assert_eq!(accepted(&case, Signature::Timestamped), signs_time, "{what}");
        *counts.entry([signs, signs_time]).or_default() += 1;
    }
    assert!([[false, false], [true, false], [true, true]].iter().all(|kind| counts[kind] > 5), "{counts:?}");
}

#[test]
fn a_signature_that_is_sent_twice_is_still_valid() {
    let mut doubled = 0;
    for mut case in vectors().into_iter().filter(|case| case["verdict"] == "accept") {
        let between = match case["scheme"]["type"].as_str() {
            Some("standard-webhooks") => " ",
            Some("hmac") if case["scheme"]["list"] == true => ",",
            _ => continue,
        };
        let Some(header) = lone_signature(&case) else { continue };
        for pair in case["headers"].as_array_mut().expect("a list") {
            if pair[0].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&header)) {
                let value = pair[1].as_str().expect("text");
                pair[1] = [value, value].join(between).into();
            }
        }
        let secrets = rotation(case["secret"].as_str().expect("text"), None);
        assert_eq!(accepts(&case, &request(&case), &secrets), Some(false), "{}", case["name"]);
        doubled += 1;
    }
    assert!(doubled > 15, "{doubled}");
}

#[test]
fn a_key_in_the_body_counts_only_where_it_may_be() {
    let secrets = rotation(SECRET, None);
    let refusal = |body: &str, schemes: &[Scheme<'_>], signature| {
        let policy = Policy { signature, ..POLICY };
        let access = Access { secrets: Some(&secrets), of_services: &[], policy, listed: &[] };
        let request = stranger(Method::Post, "/", &[], body.as_bytes());
        auth::verify_body(&request, schemes, access).err()
    };
    let (member, bearer) = ([Scheme::Member("key")], [Scheme::BEARER]);
    let right = json!({"key": SECRET}).to_string();
    assert_eq!(refusal(&right, &member, Signature::Optional), None);
    assert_eq!(refusal("disk full", &member, Signature::Optional), Some(AuthError::NotObject));
    for body in [right.as_str(), "disk full", ""] {
        assert_eq!(refusal(body, &bearer, Signature::Optional), Some(AuthError::Refused), "{body}");
        for signature in [Signature::Required, Signature::Timestamped] {
            assert_eq!(refusal(body, &member, signature), Some(AuthError::Refused), "{body}");
        }
    }
}

#[test]
fn a_key_with_a_prefix_must_be_a_key() {
    let cases = [
        ("whsec_AQIDBAUGBwgJCgsMDQ4PEA==", true),
        ("whsec_AQIDBAUGBwgJCgsMDQ4P", false),
        ("whsec_AQIDBAUGBwgJCgsMDQ4PEA", false),
        ("whsec_not-the-base64-of-a-key", false),
        // The generator of the group, and a text that is no point.
        ("whpk_WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=", true),
        ("whpk_AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false),
        ("whpk_AQIDBAUGBwgJCgsMDQ4PEA==", false),
        (SECRET, true),
    ];
    for (secret, is_key) in cases {
        assert_eq!(auth::check_key(secret).is_ok(), is_key, "{secret}");
        let mut host = Accepting::new();
        host.variables.insert("secret_gitlab", secret);
        let (reply, body) = handle(&mut host, &stranger(Method::Post, "/gitlab", &[], b"{}"));
        let malformed = "variable `secret_gitlab` is malformed: whsec_ or whpk_ must be followed by a base64 key";
        let expected = if is_key { (401, "missing or invalid credentials") } else { (503, malformed) };
        assert_eq!((reply.status.as_u16(), &body["detail"]), (expected.0, &json!(expected.1)), "{secret}");
    }
}

/// A delivery whose sender may show the secret in header `x-caller` or parameter `pass`, and signs in header `x-digest`.
fn signed_delivery<T>(then: impl FnOnce(&Authenticated<'_>) -> T) -> T {
    let hmac = Hmac {
        header: "x-digest",
        hash: Hash::Sha256,
        encoding: SignatureEncoding::Hex,
        form: SignatureLayout::One(""),
        stamp: SignedTimestamp::None,
    };
    let signature = credentials::sign(&hmac, SECRET, b"{}", 0);
    let headers = [
        ("X-Caller", "ada"),
        ("pass", "word"),
        ("Authorization", "Bearer of-somebody"),
        ("Cookie", "a=b"),
        ("X-Api-Key", "of-somebody"),
        ("X-Severity", "high"),
        ("X-Team", " shop "),
        ("X-Twice", "a"),
        ("X-Twice", "b"),
    ];
    let headers: Vec<(&str, &str)> =
        signature.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(headers).collect();
    let target = "/x?pass=word&X-Caller=ada&x-digest=1&access_token=t&severity=h%69gh";
    let request = stranger(Method::Put, target, &headers, b"{}");
    let secrets = rotation(SECRET, None);
    let access = Access { secrets: Some(&secrets), of_services: &[], policy: POLICY, listed: &[] };
    let schemes = [Scheme::Header("x-caller"), Scheme::Query("pass"), Scheme::Hmac(&hmac), Scheme::BEARER];
    let known = auth::verify(&request, &schemes, access, Duration::ZERO, &mut |_| Err(FetchError::Trouble));
    then(&known.unwrap_or_else(|error| panic!("{error:?}")))
}

#[test]
fn a_mapping_sees_no_header_and_no_parameter_that_may_hold_a_credential() {
    signed_delivery(|delivery| {
        assert_eq!(delivery.header_names().collect::<Vec<_>>(), ["x-severity", "x-team", "x-twice", "x-twice"]);
        assert_eq!(delivery.headers("x-"), [("severity", "high"), ("team", "shop")]);
        assert_eq!((delivery.header("x-severity"), delivery.header("x-twice")), (Some("high"), None));
        for name in ["x-caller", "x-digest", "pass", "authorization", "cookie", "x-api-key"] {
            assert_eq!(delivery.header(name), None, "{name}");
        }
        assert_eq!(delivery.query(), [("severity".to_owned(), "high".to_owned())]);
        assert_eq!(delivery.parameter("pass"), None);
        assert_eq!(delivery.parameter("access_token").as_deref(), Some("t"), "no scheme of this source has the name");
    });
}

#[test]
fn an_altered_delivery_differs_in_its_body_and_in_the_headers_it_lacks() {
    signed_delivery(|delivery| {
        delivery.with_altered_body(b"[]".to_vec(), &["x-severity".to_owned()], |altered| {
            assert_eq!(altered.body(), b"[]");
            assert_eq!(altered.headers("x-"), [("team", "shop")]);
            assert_eq!(altered.query(), delivery.query());
            assert_eq!((altered.method(), altered.path()), (Method::Put, delivery.path()));
            assert_eq!(altered.authenticated_by().to_string(), "x-digest, current secret");
        });
        assert_eq!((delivery.body(), delivery.header("x-severity")), (b"{}".as_slice(), Some("high")));
    });
}

/// The status, and how often the body was read, if it arrives after the head of the request.
fn after_its_head(request: &Request) -> (u16, usize, Value) {
    let mut host = Faulty::new();
    host.late = Some(Ok(request.body.clone()));
    let head = Request { body: Vec::new(), ..request.clone() };
    let (reply, _) = pipeline::handle(&mut host, &head);
    (reply.status.as_u16(), host.reads, serde_json::from_slice(&reply.body).expect("JSON"))
}

#[test]
fn a_body_that_arrives_after_its_head_is_the_body_that_is_verified_and_mapped() {
    let (status, reads, reply) = after_its_head(&known(Method::Post, "/formatted", &[], FORMATTED.as_bytes()));
    assert_eq!((status, reads, &reply["events"][0]["dedup_key"]), (200, 1, &json!("formatted:disk")), "{reply}");

    let body = br#"{"action": "completed"}"#;
    let github = sources::find("github").expect("a source");
    let signature = credentials::of(github, SECRET, body, 0).headers;
    let signature = signature.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<(&str, &str)> = [("x-github-event", "check_run")].into_iter().chain(signature).collect();
    let (status, reads, reply) = after_its_head(&stranger(Method::Post, "/preview/github", &headers, body));
    assert_eq!((status, reads), (200, 1), "{reply}");
    let (status, _, _) = after_its_head(&stranger(Method::Post, "/preview/github", &headers, b"{}"));
    assert_eq!(status, 401, "another body");

    let event = json!({"routing_key": pagerelay_support::OWN_SECRET, "event_action": "resolve", "dedup_key": "k"});
    let event = stranger(Method::Post, "/events", &[], event.to_string().as_bytes());
    let (status, reads, reply) = after_its_head(&event);
    assert_eq!((status, reads, &reply["events"][0]["dedup_key"]), (202, 1, &json!("k")), "{reply}");
}

#[test]
fn only_a_body_that_may_hold_the_key_is_read_for_a_stranger() {
    for source in sources::SOURCES {
        let in_body = source.schemes.iter().any(|scheme| matches!(scheme, Scheme::Member(_)));
        assert_eq!(auth::may_be_in_body(source.schemes), in_body, "{}", source.slug);
        let request = stranger(Method::Post, &format!("/{}", source.slug), &[], b"{}");
        let (status, reads, _) = after_its_head(&request);
        assert_eq!((status, reads), (401, usize::from(in_body)), "{}", source.slug);
    }
}

#[cfg(feature = "sns")]
#[test]
fn the_log_says_that_a_certificate_authenticated_the_sender() {
    let (mut host, request) = crate::statuses::signed(|certificate| Ok((200, None, certificate.to_owned())));
    let (reply, line) = pipeline::handle(&mut host, &request);
    let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
    assert_eq!((reply.status.as_u16(), &line["auth"]), (200, &json!("sns, certificate")));
    let certificate =
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem";
    assert_eq!(host.asked.first().map(String::as_str), Some(certificate));
}

#[cfg(feature = "sns")]
#[test]
fn no_certificate_is_fetched_from_another_address_than_that_of_amazon_in_the_topics_region() {
    let mut judged = 0;
    for case in vectors().iter().filter(|case| case["name"].to_string().contains("sns-certificate-url-")) {
        let topics: Vec<String> = serde_json::from_value(case["topics"].clone()).expect("topics");
        let access = Access { secrets: None, of_services: &[], policy: POLICY, listed: &topics };
        let (request, schemes) = (request(case), [scheme(&case["scheme"])]);
        let now = Duration::from_secs(case["now"].as_u64().expect("a time"));
        let mut fetch = |url: &Url| panic!("{}: {url}", case["name"]);
        assert!(auth::verify(&request, &schemes, access, now, &mut fetch).is_err(), "{}", case["name"]);
        judged += 1;
    }
    assert!(judged > 20, "{judged}");
}

#[test]
fn a_topic_names_the_host_of_its_region_and_nothing_else_is_a_topic() {
    for (value, host) in [
        ("arn:aws:sns:eu-west-1:111122223333:alarms", Some("sns.eu-west-1.amazonaws.com")),
        ("arn:aws-us-gov:sns:us-gov-west-1:111122223333:a", Some("sns.us-gov-west-1.amazonaws.com")),
        ("arn:aws-cn:sns:cn-north-1:111122223333:a", Some("sns.cn-north-1.amazonaws.com.cn")),
        ("arn:aws:sns::111122223333:a", None),
        ("arn:aws:sns:evil.example/:111122223333:a", None),
        ("arn:aws:sns:EU-WEST-1:111122223333:a", None),
        ("arn:aws:sqs:eu-west-1:111122223333:a", None),
        ("alarms", None),
    ] {
        assert_eq!(sns::host_of_topic(value).as_deref(), host, "{value}");
        let problem = "contains a value that is not the ARN of an SNS topic";
        assert_eq!(sns::not_a_topic(value), host.is_none().then_some(problem), "{value}");
        let mut operated = operated();
        operated.variables.insert("sns_topics", value);
        let request = stranger(Method::Get, "/check", &[("x-webhook-secret", operated.variables["secret_check"])], b"");
        let (_, page) = handle(&mut operated, &request);
        let told = page.to_string().contains(&format!("variable `sns_topics` {problem}"));
        assert_eq!(told, host.is_none(), "{value}: {page}");
    }
}

#[test]
fn a_secret_shows_nothing_but_the_end_of_a_routing_key() {
    let shown = format!("{:?}", rotation("the-current-secret", Some("the-previous-secret")));
    assert_eq!(shown, "Rotation { current: [redacted], previous: Some([redacted]) }");
    for (secret, tail) in
        [("", ""), ("key", ""), ("0123456789a", ""), ("0123456789ab", "89ab"), ("0123456789çabc", ""), (SECRET, "7f3a")]
    {
        assert_eq!(Secret::new(secret.to_owned()).tail(), tail, "{secret}");
    }
    let mut host = operated();
    let request = stranger(Method::Get, "/check", &[("x-webhook-secret", host.variables["secret_check"])], b"");
    let (_, page) = handle(&mut host, &request);
    let finding = "variable `routing_key` holds the key of a service. The key ends in 000u, and";
    assert!(page.to_string().contains(finding), "{page}");
}
