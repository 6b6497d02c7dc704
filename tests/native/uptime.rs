//! What the sources of checks share: summaries, keys, addresses that contain secrets, and templates without escapes.

use pagerelay::http::Method;
use pagerelay::json::Node;
use pagerelay::mapping::uptime::{self, DOWN, Fields, State, UNKNOWN, UP};
use pagerelay::pagerduty::event::{Action, DedupKey, Severity};
use pagerelay_support::{SECRET, credentials, fixtures};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::{handle, stranger};

const FIELDS: Fields = Fields {
    client: "Checker",
    name: &["name"],
    address: &["address"],
    reason: &["reason"],
    details: &["reason", "others"],
    ..Fields::NONE
};

/// The event of a payload.
fn event(payload: &Value, state: State) -> Value {
    let key = DedupKey::new("checker", &["1"]).expect("a key");
    uptime::event(Node::root(payload), &FIELDS, key, state).to_json()
}

#[test]
fn a_summary_names_the_check_its_state_the_reason_and_the_host() {
    let sentence: State = (Action::Trigger, Severity::Warning, "");
    for (payload, state, summary, source) in [
        (json!({"name": "Shop"}), DOWN, "Shop is DOWN", "Shop"),
        (json!({"name": "Shop", "reason": "503\nlater"}), DOWN, "Shop is DOWN: 503", "Shop"),
        (json!({"name": "Shop", "reason": "503"}), UP, "Shop is UP", "Shop"),
        (json!({"name": "Cart", "address": "https://a.example/x"}), DOWN, "Cart is DOWN (a.example)", "a.example"),
        (json!({"name": "a.example", "address": "https://a.example"}), DOWN, "a.example is DOWN", "a.example"),
        (json!({"address": "tcp://b.example:25"}), DOWN, "b.example:25 is DOWN", "b.example:25"),
        (json!({"address": "192.0.2.7"}), UNKNOWN, "192.0.2.7 is in an unknown state", "192.0.2.7"),
        (json!({"address": "/path"}), DOWN, "A check is DOWN", "Checker"),
        (json!({}), DOWN, "A check is DOWN", "Checker"),
        (json!({"name": "Cart", "reason": "Cart expires"}), sentence, "Cart expires", "Cart"),
        (json!({"name": "Cart", "reason": "It expires"}), sentence, "Cart: It expires", "Cart"),
    ] {
        let event = event(&payload, state);
        assert_eq!((&event["payload"]["summary"], &event["payload"]["source"]), (&json!(summary), &json!(source)));
    }
}

#[test]
fn no_text_of_an_event_contains_the_secrets_of_its_address() {
    for address in [
        "https://user:hunter2@a.example/x?key=abc123",
        "https://a.example/?key=abc123",
        "user:hunter2@a.example",
        "ftp://user:hunter2@a.example:21/x",
    ] {
        let said = format!("Get {address}: timeout, key=abc123, user:hunter2");
        let event = event(&json!({"name": address, "address": address, "reason": said, "others": [{"a": said}]}), DOWN);
        let known = address.contains("hunter2").then_some("hunter2").into_iter();
        for secret in known.chain(address.contains("abc123").then_some("abc123")) {
            assert!(!event.to_string().contains(secret), "{address}: {event}");
        }
        assert_eq!(event["links"], Value::Null, "{address}");
        assert!(event["payload"]["source"].as_str().is_some_and(|host| host.starts_with("a.example")), "{event}");
    }
    for (address, said, shown) in [
        ("https://a.example/?user=bob&key=abc123", "key=abc123 is over", "[redacted] is over"),
        ("https://a.example/?user=bob&key=abc123", "invalid key abc123 of bob", "invalid key [redacted] of bob"),
        ("https://user:hunter2@a.example", "wrong password hunter2", "wrong password [redacted]"),
        ("https://a.example/?env=production", "production is away", "production is away"),
        ("https://a.example/?redacted", "redacted", "redacted"),
    ] {
        let event = event(&json!({"name": "Cart", "address": address, "reason": said}), DOWN);
        assert_eq!(event["payload"]["summary"], format!("Cart is DOWN: {shown} (a.example)"), "{address}");
    }
    let plain = event(&json!({"address": "https://a.example/x?a", "reason": "a page"}), DOWN);
    assert_eq!(plain["payload"]["custom_details"]["reason"], "a page", "a short parameter is no secret");
}

#[test]
fn checks_without_an_id_are_known_by_address_and_name() {
    let key = |id: &str, address: &str, name: &str| {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        uptime::key("checker", given(id), given(address), given(name)).map(|key| key.as_str().to_owned())
    };
    assert_eq!(key("7", "a", "b").as_deref(), Some("checker:7"));
    assert_eq!(key("", "a", "b").as_deref(), Some("checker::a:b"));
    assert_eq!(key("", "", ""), None);
    assert_ne!(key("", "a", ""), key("", "", "a"));
    let secret = "https://a.example/?key=abc123";
    let hidden = key("", secret, secret).expect("a key");
    assert!(!hidden.contains("abc123"), "{hidden}");
    assert_ne!(Some(hidden), key("", "https://a.example/?key=abc124", secret));
    // A name may contain a question.
    assert_eq!(key("", "", "up?").as_deref(), Some("checker:::up?"));
}

#[test]
fn a_certificate_is_an_error_in_its_last_three_days() {
    for (days, severity) in
        [(Some("14"), Severity::Warning), (Some("3"), Severity::Error), (Some("-1"), Severity::Error)]
    {
        assert_eq!(uptime::expiry(days), severity, "{days:?}");
    }
    assert_eq!([uptime::expiry(Some("soon")), uptime::expiry(None)], [Severity::Warning; 2]);
}

#[test]
fn the_id_in_the_path_of_a_url_ends_with_its_segment() {
    for (url, id) in [
        ("https://a.example/checks/c-1/results/2", Some("c-1")),
        ("https://a.example/checks/c-1?tab=1", Some("c-1")),
        ("https://a.example/checks/", None),
        ("https://a.example/", None),
    ] {
        assert_eq!(uptime::segment(url, "/checks/"), id, "{url}");
    }
}

#[test]
fn values_that_a_template_inserts_unescaped_keep_their_lines_and_backslashes() {
    let source = pagerelay::sources::find("gatus").expect("a source");
    let errors = |inserted: &str| {
        let body = format!("{{\n\t\"name\": \"cart\",\n\t\"errors\": \"{inserted}\"\n}}");
        let mapped = fixtures::map(source, body.as_bytes(), &[], false).ok()?;
        let event = mapped.events.first()?.to_json();
        event["payload"]["custom_details"]["errors"].as_str().map(str::to_owned)
    };
    for (inserted, read) in [
        (r#"a \"quote\" and a \\ and \u00e9"#, "a \"quote\" and a \\ and é"),
        ("two\nlines", "two\nlines"),
        ("two\r\nlines\tand a tab", "two \nlines and a tab"),
        (r"no \d and C:\x", r"no \d and C:\x"),
        (r#"a \d and a \"quote\""#, r#"a \d and a "quote""#),
        ("a \\\nbreak", "a \\\nbreak"),
    ] {
        assert_eq!(errors(inserted).as_deref(), Some(read), "{inserted:?}");
    }
    for inserted in [r#"a "quote" of two"#, r"an end \", r"no \u12 digits"] {
        assert_eq!(errors(inserted), None, "{inserted:?}");
    }
}

#[test]
fn checklys_signature_authenticates_and_a_wrong_one_is_not_rescued_by_the_secret() {
    let source = pagerelay::sources::find("checkly").expect("a source");
    let body = include_bytes!("../fixtures/checkly/01-firing-template-failure.json");
    let other = include_bytes!("../fixtures/checkly/02-resolved-template-recovery.json");
    let signed = credentials::of_schemes(&source.schemes[..1], SECRET, body, 0).expect("a signature").headers;
    let [(name, signature)] = signed.as_slice() else { panic!("one header: {signed:?}") };
    let status = |body: &[u8], headers: &[(&str, &str)]| {
        let request = stranger(Method::Post, "/checkly", headers, body);
        handle(&mut Accepting::new(), &request).0.status.as_u16()
    };
    assert_eq!((name.as_str(), signature.len()), ("x-checkly-signature", 64));
    let header = (name.as_str(), signature.as_str());
    assert_eq!(status(body, &[header]), 200);
    assert_eq!(status(body, &[header, ("x-checkly-timestamp", "1")]), 200, "it is not signed");
    assert_eq!(status(other, &[header]), 401);
    assert_eq!(status(other, &[header, ("x-webhook-secret", SECRET)]), 401);
    assert_eq!(status(other, &[("x-webhook-secret", SECRET)]), 200);
}
