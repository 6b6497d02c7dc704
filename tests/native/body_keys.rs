//! Keys in bodies, for every source whose clients put theirs there: the key opens, nobody sees it, and it changes nothing.

use pagerelay::auth::Scheme;
use pagerelay::http::Method;
use pagerelay::pipeline;
use pagerelay::sources::SOURCES;
use pagerelay_support::fixtures::{self, Fixture, path_below, pseudo};
use pagerelay_support::{SECRET, SERVICE_KEY, credentials, secret_for};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::stranger;

/// Wrong keys that clients send: that of all sources, one of nobody, and one like a routing key.
const WRONG: [&str; 3] = [SECRET, "nobody-has-this-as-a-secret-1f", "9f86d081884c7d659a2feaa0c55ad015"];

/// Every fixture of a source whose clients may put their key into the body, with each member that can be the key.
fn cases() -> Vec<(Fixture, &'static str)> {
    let mut cases = Vec::new();
    for source in SOURCES {
        for scheme in source.schemes {
            let Scheme::Member(member) = *scheme else { continue };
            cases.extend(fixtures::of(source).into_iter().map(|fixture| (fixture, member)));
        }
    }
    assert!(cases.len() > 50, "{} cases", cases.len());
    cases
}

/// The paths of a fixture: below its source, below a service, at the root, and in a preview.
fn paths(fixture: &Fixture) -> Vec<String> {
    let Fixture { source, headers, .. } = fixture;
    let below = ["", "/payments"].map(|service| path_below(&format!("/{}{service}", source.slug), source, headers));
    let root = pseudo(headers, ":path").map(|path| format!("/{path}"));
    let preview = path_below(&format!("/preview/{}", source.slug), source, headers);
    below.into_iter().chain(root).chain([preview]).collect()
}

/// The body of a fixture with this key, or the key alone in a body that is no object.
fn body(fixture: &Fixture, member: &str, key: &str) -> (String, bool) {
    match serde_json::from_slice(&fixture.body) {
        Ok(Value::Object(mut members)) => {
            members.insert(member.to_owned(), key.into());
            (Value::Object(members).to_string(), true)
        }
        _ => (format!(r#"{{"{member}": "{key}", "#), false),
    }
}

/// Everything that a request leaves behind: the status, the reply, the log line and the events.
struct Left {
    status: u16,
    reply: String,
    line: String,
    sent: Vec<Value>,
}

fn post(path: &str, headers: &[(String, String)], body: &str) -> Left {
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut host = Accepting::new();
    host.variables.insert("routing_key_payments", SERVICE_KEY);
    let (reply, line) = pipeline::handle(&mut host, &stranger(Method::Post, path, &headers, body.as_bytes()));
    let text = String::from_utf8(reply.body).expect("text");
    Left { status: reply.status.as_u16(), reply: text, line: line.expect("a line"), sent: host.sent }
}

#[test]
fn a_key_in_the_body_opens_is_seen_by_nobody_and_changes_no_event() {
    let mut opened = 0;
    for (fixture, member) in cases() {
        let own = secret_for(&format!("/{}", fixture.source.slug));
        let known = credentials::of(fixture.source, own, &fixture.body, 0).headers;
        for path in paths(&fixture) {
            let mut events = None;
            for key in [own].into_iter().chain(WRONG) {
                let what = format!("{} {path} {member} {key}", fixture.name());
                let (body, is_object) = body(&fixture, member, key);
                let alone = post(&path, &[], &body);
                let right = key == own && is_object;
                let refused = alone.status == if is_object { 401 } else { 400 };
                assert_eq!(refused && alone.sent.is_empty(), !right, "{what}: {}", alone.reply);
                let beside = post(&path, &known, &body);
                for left in [&alone, &beside] {
                    let sent = Value::from(left.sent.clone()).to_string();
                    let seen = [&left.reply, &left.line, &sent].iter().any(|text| text.contains(key));
                    assert!(!seen, "{what}: {} {} {sent}", left.reply, left.line);
                    let reply: Value = serde_json::from_str(&left.reply).unwrap_or_else(|_| panic!("{what}: not JSON"));
                    let in_api = pseudo(&fixture.headers, ":path").is_some() && !path.starts_with("/preview");
                    assert!(
                        !in_api || reply.get("detail").is_none() && !reply["status"].is_number(),
                        "{what}: {reply}"
                    );
                }
                if right {
                    assert_eq!(alone.sent, beside.sent, "{what}");
                    opened += 1;
                }
                // The position of an error in a body that is no JSON depends on the length of the key.
                let first = events.get_or_insert_with(|| beside.sent.clone());
                assert!(!is_object || *first == beside.sent, "{what}: the key changes the events");
            }
        }
    }
    assert!(opened > 100, "{opened} bodies were opened");
}

#[test]
fn a_key_that_a_client_repeats_is_seen_by_nobody_and_changes_no_dedup_key() {
    let alert = |member: &str, key: &str| match member {
        "apiKey" => json!({
            member: key, "message": format!("Key {key} is used"), "details": {"nested": [key]},
            "source": format!("https://probe:{key}@probes.example/"),
        }),
        _ => json!({
            member: key, "event_action": "trigger", "client_url": format!("https://probe:{key}@probes.example/"),
            "payload": {"summary": format!("Key {key} is used"), "source": "s", "custom_details": {"nested": [key]}},
        }),
    };
    for (path, member, variable) in [
        ("/v2/enqueue", "routing_key", "secret_events"),
        ("/events/v2/enqueue", "service_key", "secret_events_payments"),
        ("/events", "routing_key", "secret_events_payments_previous"),
        ("/v2/alerts", "apiKey", "secret_opsgenie"),
        ("/opsgenie", "apiKey", "secret_opsgenie_previous"),
    ] {
        let sent = |key: &'static str| {
            let mut host = Accepting::new();
            host.variables.extend([("services_events", "default, payments"), ("routing_key_payments", SERVICE_KEY)]);
            host.variables.insert("secret_events_payments", "payments-has-another-key-here-07");
            host.variables.insert(variable, key);
            for path in [format!("/preview{path}?explain"), path.to_owned()] {
                let request = stranger(Method::Post, &path, &[], alert(member, key).to_string().as_bytes());
                let (reply, line) = pipeline::handle(&mut host, &request);
                let left = format!("{:?} {line:?} {:?}", String::from_utf8_lossy(&reply.body), host.sent);
                assert!(reply.status.is_success() && !left.contains(key), "{path} {variable}: {left}");
            }
            host.sent
        };
        let events = sent("a-key-that-is-repeated-somewhere-1");
        assert!(events[0].to_string().contains("Key [redacted] is used"), "{events:?}");
        assert_eq!(events, sent("the-next-key-is-repeated-as-well"), "{variable}");
    }
}

/// The same key as clients write it: with the escapes that JSON needs, those of PHP, those of every character, JSON inside JSON,
/// and the escapes of a URL.
fn spelled(key: &str) -> [String; 5] {
    let inside = |text: &str| json!(text).to_string().trim_matches('"').to_owned();
    let units = key.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    let url = key.bytes().map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02x}") }).collect();
    [inside(key), inside(key).replace('/', "\\/"), units, inside(&inside(key)), url]
}

#[test]
fn a_key_that_a_client_repeats_with_escapes_is_seen_by_nobody() {
    for key in ["a/key+that \"is\"\\repeated 7%2Fß", "näher/beschrieben-🔑-von-hier", "/\\n-begins-with-an-escape-41"]
    {
        for ((path, member), spelled) in [
            ("/v2/enqueue", "routing_key"),
            ("/v2/alerts", "apiKey"),
            ("/events", "service_key"),
            ("/opsgenie", "apiKey"),
        ]
        .into_iter()
        .flat_map(|case| spelled(key).map(|spelled| (case, spelled)))
        {
            let what = format!("{path} {spelled}");
            let text = |before: &str| format!(r#""{before}{spelled}\n{spelled}\\{spelled} end""#);
            let body = format!(
                r#"{{"{member}": {}, "event_action": "trigger", "dedup_key": {}, "alias": {}, "message": {},
                    "payload": {{"severity": "error", "summary": {}, "source": "s"}}, "details": {{{}: "x"}}}}"#,
                json!(key),
                text("k"),
                text("k"),
                text("m"),
                text("s"),
                text("n")
            );
            let mut host = Accepting::new();
            host.variables.extend([("secret_events", key), ("secret_opsgenie", key)]);
            let (reply, line) = pipeline::handle(&mut host, &stranger(Method::Post, path, &[], body.as_bytes()));
            assert!(reply.status.is_success(), "{what}: {}", String::from_utf8_lossy(&reply.body));
            let sent = host.sent.first().expect("an event");
            let key_sent = sent["dedup_key"].as_str().expect("text");
            assert!(key_sent.starts_with("k[redacted]\n[redacted]"), "{what}: {key_sent}");
            let line: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            for text in
                [sent["payload"]["summary"].as_str().expect("text"), line.to_string().as_str(), &sent.to_string()]
            {
                assert!(
                    text.contains("[redacted]") && !text.contains(key) && !text.contains(&spelled),
                    "{what}: {text}"
                );
            }
        }
    }
}

#[test]
fn a_text_that_only_resembles_a_key_stays() {
    let key = "a/key-that-is-not-repeated 7";
    for text in
        ["a\\/key-that-is-not-repeate", "a/key-that-is-not-repeated\\n7", "%61%2", "\\u0061\\u", "\\", "\\\\\\", "%+%"]
    {
        assert_eq!(pagerelay::text::redact_escaped(text, key), text);
    }
    let long = "\\".repeat(1 << 20);
    assert_eq!(pagerelay::text::redact_escaped(&long, key), long, "and this takes no longer than a look at each byte");
}
