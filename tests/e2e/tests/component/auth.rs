//! Authentication through the component: senders' headers, operators' settings, and the reference libraries of Standard
//! Webhooks. The native tests check the vectors themselves.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use hmac::{KeyInit, Mac};
use pagerelay::auth::{self, Access, FetchError, Scheme};
use pagerelay::http::{Headers, Request};
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::runtime::{Call, Reply, World, relay};
use pagerelay_e2e::vectors::{self, POLICY, request, rotation};
use pagerelay_e2e::{ROUTING_KEY, SECRET, evidence, run};

const PLACEHOLDER: &str = "variable `webhook_secret` holds a placeholder; set a random secret";

const LIKE_A_KEY: &str =
    "variable `webhook_secret` looks like a routing key (32 letters and digits); choose a longer secret";

const OTHER: &str = "another-secret-of-some-length";

/// Sends a delivery that cannot be mapped: `400` means that its sender was authenticated.
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
    assert!(!first.headers.contains_key("www-authenticate"), "its senders do not wait for a challenge");
    let waiting = knock_signed(&world(), "/sns", &[]);
    assert_eq!(waiting.headers["www-authenticate"], "Basic realm=\"pagerelay\", charset=\"UTF-8\"");
    assert_eq!(first.json()["detail"], "missing or invalid credentials");
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
        ("webhook_secret", "short", "variable `webhook_secret` is too short; use at least 16 characters"),
        ("webhook_secret", "15-characters-x", "variable `webhook_secret` is too short; use at least 16 characters"),
        ("webhook_secret", "changeme", "variable `webhook_secret` holds a placeholder; set a random secret"),
        ("webhook_secret", "Change-Me-Please!", "variable `webhook_secret` holds a placeholder; set a random secret"),
        ("webhook_secret", "xxxx-xxxx-xxxx-xxxx", "variable `webhook_secret` holds a placeholder; set a random secret"),
        ("webhook_secret", "****************", "variable `webhook_secret` holds a placeholder; set a random secret"),
        ("webhook_secret", "<your-secret-here>", "variable `webhook_secret` holds a placeholder; set a random secret"),
        ("webhook_secret", "secret-secret-secret", PLACEHOLDER),
        ("webhook_secret", "whsec_xxxxxxxxxxxxxxxxxxxxxxxx", PLACEHOLDER),
        ("webhook_secret", "whsec_AAAAAAAAAAAAAAAAAAAAAAAA", PLACEHOLDER),
        ("webhook_secret", "correct-horse-battery-staple", PLACEHOLDER),
        ("webhook_secret", ROUTING_KEY, LIKE_A_KEY),
        ("webhook_secret", "0123456789abcdef0123456789abcdef", LIKE_A_KEY),
        ("secret_alertmanager", "short", "variable `secret_alertmanager` is too short; use at least 16 characters"),
        (
            "webhook_secret_previous",
            "short",
            "variable `webhook_secret_previous` is too short; use at least 16 characters",
        ),
    ];
    for (name, value, detail) in cases {
        // The request has the configured value, so it would match if the source accepted it.
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
        ("routing_key", "u+AbCdEfGhIjKlMnOp12", "variable `routing_key` holds a REST API key; use an integration key"),
        (
            "routing_key",
            "https://events.pagerduty.com/integration/a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6/enqueue",
            "variable `routing_key` holds a URL; use the integration key alone",
        ),
        ("routing_key", "a1b2", "variable `routing_key` is not a routing key (32 letters and digits)"),
        (
            "routing_key",
            "a1b2c3d4-5f6a7b8c9d0e1f2a3b4c5d6",
            "variable `routing_key` is not a routing key (32 letters and digits)",
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

const EVENTS_URL: &str =
    "variable `events_url` must be an https URL that ends in /enqueue (plain http only on loopback)";

#[test]
fn a_routing_key_may_end_in_a_newline_and_keeps_its_case() {
    let world = world().with("routing_key", &format!("{ROUTING_KEY}\n"));
    assert_eq!(knock(&world, &[("x-webhook-secret", SECRET)]).status, 400);
}

#[test]
fn the_reference_libraries_of_standard_webhooks_agree_both_ways() {
    let mut checked = [0; 2];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    for case in vectors::all() {
        let secret = case["secret"].as_str().expect("text");
        let Some(key) =
            secret.strip_prefix("whsec_").filter(|key| Base64::decode_vec(key).is_ok_and(|k| !k.is_empty()))
        else {
            continue;
        };
        let ours = request(&case);
        if str::from_utf8(&ours.body).is_err() {
            // These libraries accept only text.
            continue;
        }
        // The libraries' clocks cannot be set, so the request is signed again for the current time. Svix has its own
        // headers, and also reads these.
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
                let access = Access { secrets: Some(&secrets), of_services: &[], policy: POLICY, listed: &[] };
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
        // The other direction: apart from the time, the libraries agree with a vector's verdict.
        let mut map = http::HeaderMap::new();
        for pair in case["headers"].as_array().expect("a list") {
            let value = http::HeaderValue::from_bytes(pair[1].as_str().expect("text").as_bytes());
            if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(pair[0].as_str().expect("text")), value) {
                map.append(name, value);
            }
        }
        // Svix parses the timestamp as a number, and formats it again to verify the signature.
        let plain = map.get("webhook-timestamp").is_some_and(|time| !time.as_bytes().starts_with(b"0"));
        if case["verdict"] == "accept" && plain {
            let svix_says = svix.verify_ignoring_timestamp(&ours.body, &map);
            assert!(svix_says.is_ok(), "{}: {svix_says:?}", case["name"]);
            checked[1] += 1;
        }
    }
    evidence(&format!(
        "cross-check: {} signed by standardwebhooks and svix open here, {} of ours open there",
        checked[0], checked[1]
    ));
    assert!(checked.iter().all(|&count| count > 10));
}

/// A delivery for Grafana, signed as Grafana does at this time, with or without a timestamp.
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

/// Like [`knock`], to `/grafana`, with owned headers.
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
    // A source whose vendor does not sign ignores signatures.
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
    let detail = "variable `require_signature_events` requires a signature that this source's senders cannot make";
    assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()));
}

#[test]
fn the_secret_in_the_query_opens_only_where_the_operator_says() {
    let path = format!("/alertmanager?from=here&token={SECRET}");
    for (value, status) in [("", 401), ("auto", 401), ("off", 401), ("on", 400)] {
        let reply = knock_signed(&world().with("query_token", value), &path, &[]);
        assert_eq!(reply.status, status, "{value}");
        assert!(!reply.log.contains(SECRET) && !reply.log.contains("from=here"), "{}", reply.log);
    }
    let world = world().with("query_token", "on");
    assert_eq!(knock_signed(&world, &path, &[]).json()["auth"], "token, current secret");
    for path in
        ["/alertmanager?token=wrong", "/alertmanager?token", &format!("{path}&token={SECRET}"), "/alertmanager?TOKEN=x"]
    {
        assert_eq!(knock_signed(&world, path, &[]).status, 401, "{path}");
    }
}

#[test]
fn a_key_that_is_none_is_a_fault_of_the_configuration() {
    let detail = "variable `webhook_secret` is malformed: whsec_ or whpk_ must be followed by a base64 key";
    for secret in ["whsec_not base64 at all", "whsec_c2hvcnRlciB0aGFuIDE2", "whpk_c2hvcnQgYW5kIG5vIGtleQ=="] {
        let reply = knock(&world().with("webhook_secret", secret), &[("x-webhook-secret", secret)]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{secret}");
    }
}

#[test]
fn a_public_key_is_no_secret() {
    let key = vectors::all().into_iter().find_map(|case| {
        let secret =
            case["secret"].as_str().filter(|secret| secret.starts_with("whpk_") && case["verdict"] == "accept");
        secret.map(str::to_owned)
    });
    let key = key.expect("there is a vector with one");
    let detail = "variable `webhook_secret` holds a public key, but this source's senders use a shared secret";
    let world = world().with("webhook_secret", &key);
    for path in ["/alertmanager", "/grafana"] {
        let mut headers = signed(&key, "not json", None);
        headers.push(("x-webhook-secret".to_owned(), key.clone()));
        let reply = knock_signed(&world, path, &headers);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{path}");
    }
}
