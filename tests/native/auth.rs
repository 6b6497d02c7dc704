//! Who gets in: the vectors and the properties natively, what senders show and operators set through the component.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use base64ct::{Base64, Encoding};
use pagerelay_support::build::Flavour;
use pagerelay_support::runtime::{Call, Reply, World, relay};
use pagerelay_support::{ROUTING_KEY, SECRET, run};
use hmac::{KeyInit, Mac};
use pagerelay::auth::{
    self, Access, FetchError, Form, Hash, Hmac, Policy, Query, Scheme, Signature, SignatureEncoding, Stamp,
};
use pagerelay::http::Url;
use pagerelay::http::{Headers, Method, Request};
use pagerelay::secret::{Rotation, Secret};
use proptest::prelude::*;
use serde_json::Value;

const PLACEHOLDER: &str = "variable `webhook_secret` holds a placeholder: choose a random secret";

const LIKE_A_KEY: &str =
    "variable `webhook_secret` looks like a routing key, 32 letters and digits: choose a longer secret";

const OTHER: &str = "another-secret-of-some-length";

/// A delivery that would be refused later on as unmappable: `400` means that it got in.
fn knock(world: &World, headers: &[(&str, &str)]) -> Reply {
    let mut call = Call::stranger("POST", "/alertmanager", "not json");
    for (name, value) in headers {
        call = call.header(name, value);
    }
    let world = world.clone().with("unmapped", "reject");
    run(relay(Flavour::Spin).call(&world, call)).expect("the component answers")
}

fn world() -> World {
    World::new("http://127.0.0.1:1/v2/enqueue")
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", Base64::encode_string(format!("{user}:{password}").as_bytes()))
}

#[test]
fn the_secret_opens_in_each_of_its_places() {
    let bearer = format!("Bearer {SECRET}");
    let lower = format!("bearer   {SECRET}");
    let cases = [
        ("authorization", bearer.as_str(), "bearer, current secret"),
        ("Authorization", lower.as_str(), "bearer, current secret"),
        ("authorization", &basic("relay", SECRET), "basic, current secret"),
        ("authorization", &basic("", SECRET), "basic, current secret"),
        ("x-webhook-secret", SECRET, "x-webhook-secret, current secret"),
        ("X-Webhook-Secret", SECRET, "x-webhook-secret, current secret"),
    ];
    for (name, value, auth) in cases {
        let reply = knock(&world(), &[(name, value)]);
        assert_eq!((reply.status, reply.json()["auth"].clone()), (400, auth.into()), "{name}: {value}");
    }
}

#[test]
fn a_password_may_hold_colons() {
    let secret = "colons:in:a:pass:phrase:are:fine";
    let reply = knock(&world().with("webhook_secret", secret), &[("authorization", &basic("user", secret))]);
    assert_eq!(reply.status, 400);
}

#[test]
fn nothing_else_opens_and_every_refusal_reads_the_same() {
    let bearer = format!("Bearer {SECRET}");
    let refused: &[&[(&str, &str)]] = &[
        &[],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", SECRET)],
        &[("authorization", &format!("Token {SECRET}"))],
        &[("authorization", &format!("Bearer {SECRET}x"))],
        &[("authorization", &format!("Bearer {}", &SECRET[1..]))],
        &[("authorization", &format!("Bearer {}", SECRET.to_uppercase()))],
        &[("authorization", &format!("Bearer {SECRET}, Bearer {SECRET}"))],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", &basic(SECRET, ""))],
        &[("authorization", &basic("user", "wrong"))],
        &[("authorization", "Basic !!!!")],
        &[("authorization", &format!("Basic {SECRET}"))],
        &[("x-webhook-secret", "wrong")],
        &[("x-webhook-secret", SECRET), ("x-webhook-secret", "wrong")],
        &[("x-webhook-secret", &"x".repeat(5000))],
        &[("x-webhook-secret", "sécret-sécret-sécret")],
        &[("x-secret", SECRET)],
        &[("cookie", SECRET)],
    ];
    let first = knock(&world(), &[]);
    assert_eq!(first.status, 401);
    assert_eq!(first.headers["www-authenticate"], "Basic realm=\"pagerelay\", charset=\"UTF-8\"");
    assert_eq!(first.json()["detail"], "credentials are absent or wrong");
    for headers in refused {
        let reply = knock(&world(), headers);
        assert_eq!((reply.status, &reply.body), (401, &first.body), "{headers:?}");
        assert_eq!(reply.headers, first.headers, "{headers:?}");
    }
}

#[test]
fn the_secret_before_this_one_opens_too_and_the_log_says_so() {
    let world = world().with("webhook_secret_previous", OTHER);
    let reply = knock(&world, &[("x-webhook-secret", OTHER)]);
    assert_eq!(reply.log_json()["auth"], "x-webhook-secret, previous secret");
    let reply = knock(&world, &[("x-webhook-secret", SECRET)]);
    assert_eq!(reply.log_json()["auth"], "x-webhook-secret, current secret");
}

#[test]
fn a_source_with_a_secret_of_its_own_opens_to_no_other() {
    let world = world().with("secret_alertmanager", OTHER).with("webhook_secret_previous", "yet-another-secret-here");
    assert_eq!(knock(&world, &[("x-webhook-secret", OTHER)]).status, 400);
    assert_eq!(knock(&world, &[("x-webhook-secret", SECRET)]).status, 401);
    assert_eq!(knock(&world, &[("x-webhook-secret", "yet-another-secret-here")]).status, 401);
    let rotating = world.with("secret_alertmanager_previous", "the-one-before-of-its-own");
    assert_eq!(knock(&rotating, &[("x-webhook-secret", "the-one-before-of-its-own")]).status, 400);
}

#[test]
fn a_secret_that_is_none_closes_the_source() {
    let cases = [
        ("webhook_secret", "", "variable `webhook_secret` is not set"),
        ("webhook_secret", " \n", "variable `webhook_secret` is not set"),
        ("webhook_secret", "short", "variable `webhook_secret` is too short: 16 characters at least"),
        ("webhook_secret", "15-characters-x", "variable `webhook_secret` is too short: 16 characters at least"),
        ("webhook_secret", "changeme", "variable `webhook_secret` holds a placeholder: choose a random secret"),
        (
            "webhook_secret",
            "Change-Me-Please!",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        (
            "webhook_secret",
            "xxxx-xxxx-xxxx-xxxx",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        ("webhook_secret", "****************", "variable `webhook_secret` holds a placeholder: choose a random secret"),
        (
            "webhook_secret",
            "<your-secret-here>",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        ("webhook_secret", "secret-secret-secret", PLACEHOLDER),
        ("webhook_secret", "whsec_xxxxxxxxxxxxxxxxxxxxxxxx", PLACEHOLDER),
        ("webhook_secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAA", PLACEHOLDER),
        ("webhook_secret", "correct-horse-battery-staple", PLACEHOLDER),
        ("webhook_secret", ROUTING_KEY, LIKE_A_KEY),
        ("webhook_secret", "0123456789abcdef0123456789abcdef", LIKE_A_KEY),
        ("secret_alertmanager", "short", "variable `secret_alertmanager` is too short: 16 characters at least"),
        ("webhook_secret_previous", "short", "variable `webhook_secret_previous` is too short: 16 characters at least"),
    ];
    for (name, value, detail) in cases {
        // What is offered is what is set: it would match if the source were open.
        let reply = knock(&world().with(name, value), &[("x-webhook-secret", value.trim())]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{name} = {value:?}");
        assert_eq!(reply.log_json()["error"], detail);
    }
    let unset = knock(&world().without("webhook_secret"), &[("x-webhook-secret", "")]);
    assert_eq!(unset.status, 503);
}

#[test]
fn a_wrong_variable_is_named_to_a_known_sender_and_to_no_stranger() {
    let cases = [
        ("routing_key", "", "variable `routing_key` is not set"),
        (
            "routing_key",
            "u+AbCdEfGhIjKlMnOp12",
            "variable `routing_key` holds a rest api key: an integration key is needed",
        ),
        (
            "routing_key",
            "https://events.pagerduty.com/integration/a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6/enqueue",
            "variable `routing_key` holds a url: only the integration key is needed",
        ),
        ("routing_key", "a1b2", "variable `routing_key` is not a routing key: 32 letters and digits"),
        (
            "routing_key",
            "a1b2c3d4-5f6a7b8c9d0e1f2a3b4c5d6",
            "variable `routing_key` is not a routing key: 32 letters and digits",
        ),
        ("region", "apac", "variable `region` must be one of us, eu"),
        ("grouping", "team", "variable `grouping` must be one of alert, group"),
        ("events_url", "http://events.example/v2/enqueue", EVENTS_URL),
        ("events_url", "https://user@events.example/v2/enqueue", EVENTS_URL),
        ("events_url", "https://events.example", EVENTS_URL),
        ("events_url", "https://events.example/v2/enqueue?key=1", EVENTS_URL),
        ("events_url", "file:///etc/passwd", EVENTS_URL),
        ("events_url", "http://127.0.0.1.evil.example/v2/enqueue", EVENTS_URL),
    ];
    for (name, value, detail) in cases {
        let world = world().with(name, value);
        let reply = knock(&world, &[("x-webhook-secret", SECRET)]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{name} = {value:?}");
        assert_eq!(knock(&world, &[]).status, 401, "{name} = {value:?}");
    }
}

const EVENTS_URL: &str = "variable `events_url` must be an https url that ends in /enqueue, or http on loopback";

#[test]
fn a_routing_key_may_end_in_a_newline_and_keeps_its_case() {
    let world = world().with("routing_key", &format!("{ROUTING_KEY}\n"));
    assert_eq!(knock(&world, &[("x-webhook-secret", SECRET)]).status, 400);
}

/// The vectors: a table that another project can run as well.
fn vectors() -> Vec<Value> {
    let table: Value = serde_json::from_str(include_str!("../vectors/auth.json")).expect("the vectors are json");
    table["cases"].as_array().expect("a list of cases").clone()
}

/// A scheme as the vectors write it.
fn scheme(described: &Value) -> Scheme<'static> {
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
                    Form::Fields {
                        timestamp: text(&structured["timestamp"]),
                        signature: text(&structured["signature"]),
                        separator: separator.expect("the one form").to_owned().leak(),
                    }
                }
                (false, true) => Form::List(text(&described["prefix"])),
                (false, false) => Form::One(text(&described["prefix"])),
            },
            stamp: match timestamp["signed"].as_str() {
                Some(signed) => Stamp::Header {
                    name: text(&timestamp["header"]),
                    before: signed.strip_suffix("{timestamp}:{body}").expect("the one form").to_owned().leak(),
                    required: timestamp["required"] == true,
                },
                None => Stamp::None,
            },
        };
        Scheme::Hmac(Box::leak(Box::new(hmac)))
    };
    match described["type"].as_str().expect("a scheme has a type") {
        "basic" => Scheme::Basic,
        "bearer" => Scheme::Bearer,
        "header" => Scheme::Header(text(&described["header"])),
        "hmac" => hmac(),
        "query" => Scheme::Query(text(&described["parameter"])),
        "sns" => Scheme::Sns,
        "standard-webhooks" => Scheme::StandardWebhooks,
        other => panic!("no scheme {other}"),
    }
}

/// A vector's request.
fn request(case: &Value) -> Request {
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

fn rotation(current: &str, previous: Option<&str>) -> Rotation {
    let secret = |value: &str| Secret::new(value.to_owned());
    Rotation { current: secret(current), previous: previous.map(secret) }
}

/// Whether our verifier lets a vector's request in.
fn accepts(case: &Value, request: &Request, secrets: &Rotation) -> Option<bool> {
    let now = Duration::from_secs(case["now"].as_u64().expect("a time"));
    let topics: Vec<String> = serde_json::from_value(case["topics"].clone()).unwrap_or_default();
    let access = Access { secrets: Some(secrets), policy: POLICY, topics: &topics };
    let certificate = case["certificate"].as_str().map(|pem| pem.as_bytes().to_vec());
    let mut fetch = |_: &Url| certificate.clone().ok_or(FetchError::Trouble);
    let schemes = [scheme(&case["scheme"])];
    let known = auth::verify(request, &schemes, access, now, &mut fetch);
    known.ok().map(|known| known.proof().previous)
}

const POLICY: Policy = Policy { signature: Signature::Optional, query: Query::Listed };

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
        say(&format!("vectors: {kind}: {count} {verdict}"));
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
        // Where both are the same, it is the one in use.
        assert_eq!(accepts(&case, &request, &rotation(secret, Some(secret))), Some(false), "{}", case["name"]);
    }
}

#[test]
fn the_reference_libraries_of_standard_webhooks_agree_both_ways() {
    let mut checked = [0; 2];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    for case in vectors() {
        let secret = case["secret"].as_str().expect("text");
        let Some(key) =
            secret.strip_prefix("whsec_").filter(|key| Base64::decode_vec(key).is_ok_and(|k| !k.is_empty()))
        else {
            continue;
        };
        let ours = request(&case);
        if str::from_utf8(&ours.body).is_err() {
            // They take text only.
            continue;
        }
        // The libraries' clocks cannot be set, so what is signed is signed anew for this moment. Svix's own headers are
        // others, and it reads these too.
        let reference = standardwebhooks::Webhook::new(key).expect("a key");
        let svix = svix::webhooks::Webhook::new(key).expect("a key");
        let seconds = i64::try_from(now).expect("a time");
        let signatures = [
            reference.sign("msg_1", seconds, &ours.body).expect("a signature"),
            svix.sign("msg_1", seconds, &ours.body).expect("a signature"),
        ];
        for signature in signatures {
            let headers =
                [("webhook-id", "msg_1"), ("webhook-timestamp", &now.to_string()), ("webhook-signature", &signature)];
            let signed = |body: &[u8], headers: &[(&str, &str)]| Request {
                headers: Headers::new(headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec()))),
                body: body.to_vec(),
                ..ours.clone()
            };
            let verify = |request: &Request| {
                let now = Duration::from_secs(now);
                let secrets = rotation(secret, None);
                let access = Access { secrets: Some(&secrets), policy: POLICY, topics: &[] };
                auth::verify(request, &[Scheme::StandardWebhooks], access, now, &mut |_| Err(FetchError::Trouble))
                    .is_ok()
            };
            assert!(verify(&signed(&ours.body, &headers)), "{}: what they sign opens here", case["name"]);
            let map = headers.iter().fold(http::HeaderMap::new(), |mut map, (name, value)| {
                map.insert(*name, value.parse().expect("a header value"));
                map
            });
            assert!(reference.verify(&ours.body, &map).is_ok() && svix.verify(&ours.body, &map).is_ok());
            let mut changed = ours.body.clone();
            changed.push(b' ');
            assert!(!verify(&signed(&changed, &headers)), "{}", case["name"]);
            assert!(reference.verify(&changed, &map).is_err() && svix.verify(&changed, &map).is_err());
            checked[0] += 1;
        }
        // The other way: with its own clock's moment aside, a vector's verdict is theirs too.
        let mut map = http::HeaderMap::new();
        for pair in case["headers"].as_array().expect("a list") {
            let value = http::HeaderValue::from_bytes(pair[1].as_str().expect("text").as_bytes());
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(pair[0].as_str().expect("text")), value) {
                map.append(name, value);
            }
        }
        // Svix reads the timestamp as a number and signs that anew.
        let plain = map.get("webhook-timestamp").is_some_and(|time| !time.as_bytes().starts_with(b"0"));
        if case["verdict"] == "accept" && plain {
            let svix_says = svix.verify_ignoring_timestamp(&ours.body, &map);
            assert!(svix_says.is_ok(), "{}: {svix_says:?}", case["name"]);
            checked[1] += 1;
        }
    }
    say(&format!(
        "cross-check: {} signed by standardwebhooks and svix open here, {} of ours open there",
        checked[0], checked[1]
    ));
    assert!(checked.iter().all(|&count| count > 10));
}

#[test]
fn what_the_vendors_own_libraries_sign_opens_here() {
    let Some(files) = std::env::var_os("PAGERELAY_SIGNED") else {
        say("cross-check: skipped, PAGERELAY_SIGNED names no files of tests/vectors/check.mjs and check.py");
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
    say(&format!("cross-check: {judged} made by the vendors' own libraries judged alike here"));
    assert!(judged > 0);
}

/// The header that holds a vector's signature, where it holds exactly one.
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

/// Where one bit is flipped.
#[derive(Clone, Copy, Debug)]
struct Flip {
    part: usize,
    place: prop::sample::Index,
    bit: u8,
    member: usize,
}

/// A vector and its secret with one bit flipped: of the body, of the signature, or of the secret.
fn flipped(case: &Value, flip: Flip) -> (Value, String) {
    let mut changed = case.clone();
    let mut body = Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64");
    let mut secret = case["secret"].as_str().expect("text").to_owned();
    // In text the top bit stays, so that it stays text.
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
        // The names of unsigned members, white space and the certificate's address may change; the signed text may not.
        _ if case["scheme"]["type"] == "sns" => {
            let mut message: Value = serde_json::from_slice(&body).expect("json");
            let name = ["Message", "MessageId", "Timestamp", "TopicArn", "Type", "Signature"][flip.member];
            message[name] = in_text(message[name].as_str().expect("text")).into();
            changed["body_base64"] = Base64::encode_string(message.to_string().as_bytes()).into();
        }
        // Where the secret itself is sent, a wrong one sent and a wrong one set are the same.
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

/// A delivery for Grafana, signed as Grafana does at this time, with a timestamp or without.
fn signed(secret: &str, body: &str, timestamp: Option<&str>) -> Vec<(String, String)> {
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
    if let Some(timestamp) = timestamp {
        mac.update(format!("{timestamp}:").as_bytes());
    }
    mac.update(body.as_bytes());
    let signature = pagerelay::text::hex(&mac.finalize().into_bytes());
    let mut headers = vec![("X-Grafana-Alerting-Signature".to_owned(), signature)];
    headers.extend(timestamp.map(|timestamp| ("X-Grafana-Alerting-Timestamp".to_owned(), timestamp.to_owned())));
    headers
}

/// Knocks at `/grafana` with headers that own their text.
fn knock_signed(world: &World, path: &str, headers: &[(String, String)]) -> Reply {
    let call =
        headers.iter().fold(Call::stranger("POST", path, "not json"), |call, (name, value)| call.header(name, value));
    let world = world.clone().with("unmapped", "reject");
    run(relay(Flavour::Spin).call(&world, call)).expect("the component answers")
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs()
}

#[test]
fn a_signature_opens_and_a_wrong_one_is_final() {
    let at = now().to_string();
    let right = signed(SECRET, "not json", Some(&at));
    let reply = knock_signed(&world(), "/grafana", &right);
    assert_eq!(
        (reply.status, reply.json()["auth"].clone()),
        (400, "x-grafana-alerting-signature, current secret".into())
    );
    assert_eq!(knock_signed(&world(), "/grafana", &signed(SECRET, "not json", None)).status, 400);
    let previous = world().with("webhook_secret_previous", OTHER);
    let reply = knock_signed(&previous, "/grafana", &signed(OTHER, "not json", Some(&at)));
    assert_eq!(reply.log_json()["auth"], "x-grafana-alerting-signature, previous secret");

    let bearer = ("authorization".to_owned(), format!("Bearer {SECRET}"));
    let old = (now() - 301).to_string();
    let wrong: Vec<Vec<(String, String)>> = vec![
        signed(OTHER, "not json", Some(&at)),
        signed(SECRET, "another body", Some(&at)),
        signed(SECRET, "not json", Some(&old)),
        signed(SECRET, "not json", Some("soon")),
        vec![("X-Grafana-Alerting-Signature".to_owned(), String::new())],
        vec![("X-Grafana-Alerting-Signature".to_owned(), SECRET.to_owned())],
        [right.clone(), right.clone()].concat(),
    ];
    for mut headers in wrong {
        assert_eq!(knock_signed(&world(), "/grafana", &headers).status, 401, "{headers:?}");
        headers.push(bearer.clone());
        assert_eq!(knock_signed(&world(), "/grafana", &headers).status, 401, "the secret beside it is not looked at");
    }
    // A source whose vendor does not sign does not look at signatures either.
    let mut headers = signed(OTHER, "not json", None);
    headers.push(bearer);
    assert_eq!(knock_signed(&world(), "/alertmanager", &headers).status, 400);
}

#[test]
fn an_operator_can_ask_for_a_signature_and_for_a_signed_time() {
    let at = now().to_string();
    let bearer = vec![("authorization".to_owned(), format!("Bearer {SECRET}"))];
    let cases = [("off", [400, 400, 400]), ("on", [401, 400, 400]), ("timestamped", [401, 401, 400])];
    for (value, statuses) in cases {
        let world = world().with("require_signature_grafana", value);
        let offers = [bearer.clone(), signed(SECRET, "not json", None), signed(SECRET, "not json", Some(&at))];
        let told = offers.map(|headers| knock_signed(&world, "/grafana", &headers).status);
        assert_eq!(told, statuses, "{value}");
    }
    let reply = knock_signed(&world().with("require_signature_grafana", "yes"), "/grafana", &bearer);
    let detail = "variable `require_signature_grafana` must be one of off, on, timestamped";
    assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()));
    let reply = knock_signed(&world().with("require_signature_events", "on"), "/events", &bearer);
    let detail = "variable `require_signature_events` asks for a signature that this source's senders cannot make";
    assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()));
}

#[test]
fn the_secret_in_the_query_opens_only_where_the_operator_says() {
    let path = format!("/events?from=here&token={SECRET}");
    for (value, status) in [("", 401), ("auto", 401), ("off", 401), ("on", 400)] {
        let reply = knock_signed(&world().with("query_token", value), &path, &[]);
        assert_eq!(reply.status, status, "{value}");
        assert!(!reply.log.contains(SECRET) && !reply.log.contains("from=here"), "{}", reply.log);
    }
    let world = world().with("query_token", "on");
    assert_eq!(knock_signed(&world, &path, &[]).json()["auth"], "token, current secret");
    for path in ["/events?token=wrong", "/events?token", &format!("{path}&token={SECRET}"), "/events?TOKEN=x"] {
        assert_eq!(knock_signed(&world, path, &[]).status, 401, "{path}");
    }
}

#[test]
fn a_key_that_is_none_is_a_fault_of_the_configuration() {
    let detail = "variable `webhook_secret` is malformed: after whsec_ or whpk_ comes a key in base64";
    for secret in ["whsec_not base64 at all", "whsec_c2hvcnRlciB0aGFuIDE2", "whpk_c2hvcnQgYW5kIG5vIGtleQ=="] {
        let reply = knock(&world().with("webhook_secret", secret), &[("x-webhook-secret", secret)]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{secret}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let key = vectors().into_iter().find_map(|case| {
        let secret =
            case["secret"].as_str().filter(|secret| secret.starts_with("whpk_") && case["verdict"] == "accept");
        secret.map(str::to_owned)
    });
    let key = key.expect("there is a vector with one");
    let detail = "variable `webhook_secret` holds a public key, and this source's senders need a secret";
    let world = world().with("webhook_secret", &key);
    for path in ["/alertmanager", "/grafana"] {
        let mut headers = signed(&key, "not json", None);
        headers.push(("x-webhook-secret".to_owned(), key.clone()));
        let reply = knock_signed(&world, path, &headers);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{path}");
    }
}

/// A line that the test runner shows even where the test passes.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}
