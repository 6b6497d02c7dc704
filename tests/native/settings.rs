//! Variable `settings`: a JSON object of further variables.

use base64ct::{Base64, Base64Unpadded, Base64UrlUnpadded, Encoding};
use pagerelay::http::{Method, Reply};
use pagerelay::pipeline;
use pagerelay_support::{OWN_SECRET, SECRET, SERVICE_KEY};
use serde_json::{Value, json};

use crate::host::Accepting;
#[cfg(feature = "templates")]
use crate::tidy::read;
use crate::walls::stranger;

/// An alert that `/formatted` accepts.
const ALERT: &str = r#"{"alert_uid": "disk", "title": "Disk full", "state": "alerting"}"#;

/// An alert of Alertmanager.
const FIRING: &str =
    r#"{"version": "4", "status": "firing", "alerts": [{"status": "firing", "fingerprint": "1", "labels": {}}]}"#;

/// A secret for check.
const CHECKING: &str = "checking-needs-its-own-secret-9b";

/// The routing key of a service in these tests.
fn key(service: &str) -> String {
    format!("e0{service:0>30}")
}

/// A host with these variables only.
fn host(variables: &[(&'static str, &str)]) -> Accepting {
    let mut host = Accepting::new();
    host.variables = variables.iter().map(|(name, value)| (*name, &*(*value).to_owned().leak())).collect();
    host
}

/// A host with `settings` only.
fn with(settings: &Value) -> Accepting {
    host(&[("settings", &settings.to_string())])
}

/// Posts a body with a secret. Returns the reply, its body, and the log line.
fn post(host: &mut Accepting, path: &str, secret: &str, body: &str) -> (Reply, Value, Value) {
    let request = stranger(Method::Post, path, &[("x-webhook-secret", secret)], body.as_bytes());
    let (reply, line) = pipeline::handle(host, &request);
    let json = |text: &[u8]| serde_json::from_slice(text).unwrap_or_default();
    let (body, line) = (json(&reply.body), json(line.unwrap_or_default().as_bytes()));
    (reply, body, line)
}

/// The findings of check that somebody should read, as `level what`. Those about unset secrets are left out.
fn findings(host: &mut Accepting) -> Vec<String> {
    let request = stranger(Method::Get, "/check", &[("x-webhook-secret", CHECKING)], b"");
    let (reply, _) = pipeline::handle(host, &request);
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    let findings = body["findings"].as_array().unwrap_or_else(|| panic!("{body}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    let about = findings.iter().filter(|finding| finding["check"] == "variables");
    about.map(|finding| format!("{} {}", text(finding, "level"), text(finding, "what"))).collect()
}

#[cfg(feature = "templates")]
/// The settings of the guide, with values in place of the words in angle brackets.
fn guide() -> String {
    let page = read("src/guide/configure.md");
    let (_, rest) = page.split_once("```json\n").expect("an example");
    let mut text = rest.split("```").next().expect("it ends").to_owned();
    for service in ["payments", "search", "storage"] {
        let placeholder = format!("<integration key of {service}>");
        assert!(text.contains(&placeholder), "{text}");
        text = text.replace(&placeholder, &key(service));
    }
    text.replace("<secret for Grafana>", "only-grafana-knows-this-one-71").replace("<secret for Datadog>", OWN_SECRET)
}

#[cfg(feature = "templates")]
#[test]
fn the_guides_settings_give_three_services_two_secrets_and_a_template() {
    let text = guide();
    for value in [text.clone(), Base64::encode_string(text.as_bytes())] {
        let mut host = host(&[("settings", &value), ("webhook_secret", SECRET)]);
        for (service, path, secret) in [
            ("payments", "/formatted/payments", SECRET),
            ("search", "/formatted/search", SECRET),
            ("storage", "/formatted/storage", SECRET),
            ("payments", "/grafana/payments", "only-grafana-knows-this-one-71"),
            ("storage", "/datadog/storage", OWN_SECRET),
        ] {
            let (reply, body, line) = post(&mut host, path, secret, ALERT);
            assert!(reply.status.is_success(), "{path}: {body}");
            assert_eq!(
                body["warnings"].as_array().map_or(0, Vec::len),
                line["warnings"].as_array().map_or(0, Vec::len)
            );
            assert_eq!(host.sent.pop().expect("an event")["routing_key"], json!(key(service)), "{path}");
        }
        for (path, secret) in [("/grafana/payments", SECRET), ("/datadog/storage", SECRET)] {
            assert_eq!(post(&mut host, path, secret, ALERT).0.status.as_u16(), 401, "{path}");
        }
        let (reply, body, _) = post(&mut host, "/grafana/storage", "only-grafana-knows-this-one-71", ALERT);
        let detail = "variable `services_grafana` does not list this service";
        assert_eq!((reply.status.as_u16(), &body["detail"]), (403, &json!(detail)));

        host.sent.clear();
        let backup = r#"{"job": "nightly", "state": "failed", "host": "db-1"}"#;
        let (reply, body, _) = post(&mut host, "/custom/backup/search", SECRET, backup);
        assert_eq!(reply.status.as_u16(), 200, "{body}");
        let [event] = host.sent.as_slice() else { panic!("{:?}", host.sent) };
        assert_eq!(event["payload"]["summary"], "Backup of nightly: failed");
        assert_eq!(event["routing_key"], json!(key("search")));
    }
}

#[test]
fn a_delivery_works_with_settings_alone() {
    let mut host = with(&json!({"webhook_secret": SECRET, "routing_key": SERVICE_KEY}));
    let (reply, body, line) = post(&mut host, "/formatted", SECRET, ALERT);
    assert_eq!((reply.status.as_u16(), &body["warnings"], &line["level"]), (200, &Value::Null, &json!("info")));
    assert_eq!(host.sent.len(), 1);
}

#[test]
fn a_variable_by_itself_comes_before_its_member() {
    let settings = json!({"webhook_secret": "the-members-secret-is-this-3e", "routing_key": key("member")}).to_string();
    let mut host = host(&[("settings", &settings), ("webhook_secret", SECRET), ("routing_key", " \n")]);
    assert_eq!(post(&mut host, "/formatted", "the-members-secret-is-this-3e", ALERT).0.status.as_u16(), 401);
    assert_eq!(post(&mut host, "/formatted", SECRET, ALERT).0.status.as_u16(), 200);
    // A blank variable is unset, so the member counts.
    assert_eq!(host.sent.pop().expect("an event")["routing_key"], json!(key("member")));
}

#[test]
fn base64_is_accepted_in_either_alphabet_with_or_without_padding_and_line_breaks() {
    // The two characters at the end encode to `+` and `/` in one alphabet, and to `-` and `_` in the other.
    for end in ["", " ", "  "] {
        let text = format!(r#"{{"webhook_secret": "{SECRET}", "routing_key": "{SERVICE_KEY}", "x": "~~>~~?"}}{end}"#);
        let bytes = text.as_bytes();
        let padded = Base64::encode_string(bytes);
        let (head, tail) = padded.split_at(60);
        let folded = format!("\n{head}\r\n{tail}\n");
        for value in [
            text.clone(),
            format!("\u{feff}{text}"),
            folded,
            padded,
            Base64Unpadded::encode_string(bytes),
            Base64UrlUnpadded::encode_string(bytes),
        ] {
            let mut host = host(&[("settings", &value)]);
            assert_eq!(post(&mut host, "/formatted", SECRET, ALERT).0.status.as_u16(), 200, "{value}");
        }
    }
}

#[test]
fn a_member_is_text_a_list_or_any_other_json() {
    // A limit that is written as an empty list stays a limit.
    for (services, status) in [
        (json!(["default", "payments"]), 200),
        (json!("payments default"), 200),
        (json!(["payments"]), 403),
        (json!([]), 503),
        (json!([""]), 503),
        (json!(7), 503),
        (json!({"payments": true}), 503),
        (json!(""), 200),
        (Value::Null, 200),
    ] {
        let settings = json!({"services_formatted": services, "webhook_secret": SECRET, "routing_key": SERVICE_KEY});
        let (reply, body, _) = post(&mut with(&settings), "/formatted", SECRET, ALERT);
        assert_eq!(reply.status.as_u16(), status, "{services}: {body}");
    }
    // A text that is not Unicode is not unset.
    let broken = format!(r#"{{"services_formatted": "\ud800", "webhook_secret": "{SECRET}"}}"#);
    let (reply, body, _) = post(&mut host(&[("settings", &broken)]), "/formatted", SECRET, ALERT);
    let detail = "variable `services_formatted` must list services, separated by commas: lower-case words joined by single underscores, and `default` for a path without a service name";
    assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)));
}

#[test]
fn invalid_settings_close_only_what_needs_them() {
    let base64 = |text: &str| Base64::encode_string(text.as_bytes());
    let cases = [
        ("{\n \"a\": \"b\",\n \"c\" \"d\"}".to_owned(), "is not valid JSON: line 3, column 6"),
        ("{\"a\": 1,}".to_owned(), "is not valid JSON: line 1, column 9"),
        ("{\"a\": {\"b\": 1 2}}".to_owned(), "is not valid JSON: line 1, column 15"),
        ("{\"a\": 1} x".to_owned(), "is not valid JSON: line 1, column 10"),
        ("{\"webhook_secret\":\"b".to_owned(), "is not valid JSON: line 1, column 20"),
        (base64("{\n\"a\": 1,}"), "is not valid JSON: line 2, column 8 of the decoded text"),
        ("{\"a\": 1,\n\"a\": 2}".to_owned(), "has a member twice: line 2, column 3"),
        (base64("{\"a\": 1, \"a\": 2}"), "has a member twice: line 1, column 12 of the decoded text"),
        ("[\"a\"]".to_owned(), "is neither a JSON object nor the base64 of one"),
        ("!".to_owned(), "is neither a JSON object nor the base64 of one"),
        (base64("[]"), "is neither a JSON object nor the base64 of one"),
        (Base64::encode_string(b"{\xff}"), "is neither a JSON object nor the base64 of one"),
    ];
    for (value, problem) in cases {
        let problem = format!("variable `settings` {problem}");
        let variables = [("settings", value.as_str()), ("webhook_secret", SECRET), ("routing_key", SERVICE_KEY)];
        let mut host = host(&variables);
        let (reply, body, line) = post(&mut host, "/formatted", SECRET, ALERT);
        assert_eq!((reply.status.as_u16(), &body["warnings"]), (200, &json!([problem])), "{value}");
        assert_eq!((&line["level"], &line["warnings"]), (&json!("warning"), &json!([problem])), "{value}");
        assert_eq!(host.sent.len(), 1, "{value}");

        // A service that needs a member.
        let (reply, body, line) = post(&mut host, "/formatted/payments", SECRET, ALERT);
        let detail = format!("variable `routing_key_payments` is not set; {problem}");
        assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{value}");
        assert_eq!((&line["error"], &line["warnings"]), (&json!(detail), &json!([problem])), "{value}");
        assert_eq!(body["warnings"], json!([problem]), "{value}");

        // A source that needs one, for a sender that is not authenticated.
        let (reply, body, line) = post(&mut host, "/events", SECRET, ALERT);
        let detail = format!(
            "variable `secret_events` is not set; set it, because `webhook_secret` is not accepted for this path; {problem}"
        );
        assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{value}");
        assert_eq!((&body["warnings"], &line["warnings"]), (&Value::Null, &json!([problem])), "{value}");

        // An unauthenticated sender does not learn about it, but the log does.
        let (reply, body, line) = post(&mut host, "/formatted", OWN_SECRET, ALERT);
        assert_eq!((reply.status.as_u16(), &body["warnings"]), (401, &Value::Null), "{value}");
        assert_eq!(line["warnings"], json!([problem]), "{value}");

        host.variables.insert("secret_check", CHECKING);
        assert_eq!(findings(&mut host), [format!("error {problem}")], "{value}");
    }
}

#[test]
fn a_template_with_a_repeated_name_is_no_fault_of_the_other_members() {
    let text = format!(
        r#"{{"custom_x": {{"event_action": "trigger", "event_action": "resolve"}}, "webhook_secret": "{SECRET}", "routing_key": "{SERVICE_KEY}"}}"#
    );
    let (reply, body, _) = post(&mut host(&[("settings", &text)]), "/formatted", SECRET, ALERT);
    assert_eq!(reply.status.as_u16(), 200, "{body}");
}

#[test]
fn a_secret_in_settings_counts_as_a_secret() {
    let mut settings = json!({"secret_grafana": OWN_SECRET, "secret_act": OWN_SECRET, "webhook_secret": SECRET});
    let (reply, body, _) = post(&mut with(&settings), "/act", OWN_SECRET, "{}");
    let detail = "variable `secret_act` has the same value as another secret; give it a value of its own";
    assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)));

    // One of the two by itself.
    settings["secret_act"] = Value::Null;
    let mut mixed = with(&settings);
    mixed.variables.insert("secret_act", OWN_SECRET);
    let (reply, body, _) = post(&mut mixed, "/act", OWN_SECRET, "{}");
    assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)));

    let events = json!({"secret_events": SECRET, "webhook_secret": SECRET, "routing_key": SERVICE_KEY});
    let (reply, body, _) = post(&mut with(&events), "/events", SECRET, ALERT);
    let detail = "variable `secret_events` has the same value as another secret; give it a value of its own";
    assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)));
}

#[test]
fn check_names_the_members_that_the_relay_never_reads() {
    let settings = json!({
        "webhook_secret": SECRET,
        "routing_key": SERVICE_KEY,
        "routing_key_payments": key("payments"),
        "secret_check": CHECKING,
        "secret_grafanna": OWN_SECRET,
        "secret_custom_mine": OWN_SECRET,
        "regoin": "eu",
        "sns_topics": ["arn:aws:sns:eu-west-1:1:a", "arn:aws:sns:eu-west-1:1:b"],
        "events_url": null,
        "nothing": null,
        "team": "ops",
        "settings": {"region": "eu"},
        "grouping": "group",
        "routing_key_a__b": key("ab"),
    });
    let mut host = with(&settings);
    host.variables.insert("grouping", "alert");
    host.variables.insert("unrelated", "x");
    let request = stranger(Method::Get, "/check", &[("x-webhook-secret", CHECKING)], b"");
    let wanted = [
        "warning member `settings` of variable `settings` has no effect",
        "warning unknown member `regoin` of variable `settings`; did you mean `region`?",
        "warning member `secret_custom_mine` of variable `settings` has no effect: `custom_mine` is not set",
        "warning unknown member `secret_grafanna` of variable `settings`: no such source; did you mean `secret_grafana`?",
        "warning unknown member `team` of variable `settings`; the relay never reads it",
        "note member `grouping` of variable `settings` has no effect: variable `grouping` has a value of its own",
    ];
    assert_eq!(findings(&mut host), wanted);
    let (reply, _) = pipeline::handle(&mut host, &request);
    let page = String::from_utf8(reply.body).expect("text");
    for finding in [
        "unknown member `routing_key_a__b` of variable `settings`: service and template names are lower-case words joined by single underscores",
        "variable `routing_key_payments` holds the key of a service",
        "setting `grouping` is alert",
    ] {
        assert!(page.contains(finding), "{finding}: {page}");
    }
    assert!(!page.contains(OWN_SECRET) && !page.contains(SERVICE_KEY), "{page}");
}

#[cfg(feature = "sns")]
#[test]
fn lists_are_separated_by_commas_or_white_space() {
    let topics = ["arn:aws:sns:eu-west-1:210987654321:a", "arn:aws:sns:eu-west-1:210987654321:b"];
    for list in [topics.join(","), topics.join(" "), topics.join(", "), format!("\n{}\n", topics.join("\n"))] {
        let mut host = host(&[("sns_topics", &list), ("secret_check", CHECKING), ("routing_key", SERVICE_KEY)]);
        let request = stranger(Method::Get, "/check", &[("x-webhook-secret", CHECKING)], b"");
        let (reply, _) = pipeline::handle(&mut host, &request);
        let page = String::from_utf8(reply.body).expect("text");
        assert!(
            page.contains("a signature of a topic in variable `sns_topics` authenticates requests to /sns"),
            "{page}"
        );
        assert!(!page.contains("\"level\":\"warning\""), "no problem with {list}: {page}");
    }
}

#[test]
fn a_delivery_reads_each_variable_once_and_only_these() {
    let wanted = [
        "secret_alertmanager",
        "settings",
        "webhook_secret",
        "webhook_secret_previous",
        "require_signature_alertmanager",
        "query_token",
        "services_alertmanager",
        "routing_key",
        "routing_key_previous",
        "region",
        "events_url",
        "grouping",
        "unmapped",
        #[cfg(feature = "templates")]
        "rules_alertmanager",
        #[cfg(feature = "templates")]
        "rules",
    ];
    for settings in ["", "{", r#"{"unmapped": "reject"}"#] {
        let mut host = host(&[("settings", settings), ("webhook_secret", SECRET), ("routing_key", SERVICE_KEY)]);
        let (reply, body, _) = post(&mut host, "/alertmanager", SECRET, FIRING);
        assert_eq!(reply.status.as_u16(), 200, "{body}");
        assert_eq!(*host.read.borrow(), wanted, "{settings}");
    }
    // A public endpoint reads none, and a sender without credentials no routing key.
    for (method, path) in [(Method::Get, "/health"), (Method::Get, "/"), (Method::Get, "/setup"), (Method::Post, "/x")]
    {
        let host = &mut host(&[]);
        pipeline::handle(host, &stranger(method, path, &[], b""));
        assert!(host.read.borrow().is_empty(), "{path}: {:?}", host.read);
    }
    let mut host = host(&[("webhook_secret", SECRET)]);
    assert_eq!(post(&mut host, "/alertmanager", OWN_SECRET, FIRING).0.status.as_u16(), 401);
    assert_eq!(*host.read.borrow(), wanted[..6]);
}
