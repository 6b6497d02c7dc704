//! Numbers that a JSON parser would round: ids that differ stay different, with the digits that the sender wrote.

use pagerelay::mapping;
use serde_json::json;

use crate::host::Accepting;
use crate::keys::{key_of, sent_by};

/// Pairs of numbers that a parser would round, most of them to the same float.
const NEIGHBOURS: [(&str, &str); 9] = [
    ("18446744073709551616", "18446744073709551617"),
    ("-9223372036854775809", "-9223372036854775810"),
    ("123456789012345678901234567890", "123456789012345678901234567891"),
    ("1e400", "2e400"),
    ("1e-400", "2e-400"),
    ("0.12345678901234567890", "0.12345678901234567891"),
    ("9007199254740993.0", "9007199254740993.25"),
    ("18446744073709551616.5", "18446744073709551616.25"),
    ("-1E99999999999999999999", "1E99999999999999999999"),
];

#[test]
fn numbers_that_a_parser_would_round_stay_different_ids_with_their_digits() {
    let host = || {
        let mut host = Accepting::new();
        host.variables.insert(
            "custom_mine",
            r#"{"event_action": "trigger", "dedup_key": "{{ payload.id }}", "payload": {"summary": "{{ id }}", "source": "s", "custom_details": {"id": "{{ payload.id }}", "all": "{{ payload }}"}}}"#,
        );
        host
    };
    for (one, other) in NEIGHBOURS {
        for number in [one, other] {
            let key = |path: &str, body: &str| {
                let sent = sent_by(&mut host(), path, &[], body);
                assert_eq!(sent.len(), 1, "{path} {number}: {sent:?}");
                sent[0].1.clone()
            };
            let body = format!("{{\"alert_uid\": {number}, \"title\": \"[{number}]\", \"n\": [{number}]}}");
            assert_eq!(key("/formatted", &body), format!("formatted:{number}"));
            let body = format!("{{\"alerts\": [{{\"status\": \"firing\", \"fingerprint\": {number}}}]}}");
            assert_eq!(key("/alertmanager", &body), format!("alertmanager:{number}"));
            let body = format!("{{\"event_action\": \"resolve\", \"dedup_key\": {number}}}");
            assert_eq!(key("/events", &body), number);
            if cfg!(feature = "templates") {
                let body = format!("{{\"id\":{number}}}");
                assert_eq!(key("/custom/mine", &body), format!("custom_mine:{number}"));
            }
            let mut host = host();
            sent_by(
                &mut host,
                "/formatted",
                &[],
                &format!("{{\"alert_uid\": 1, \"title\": {number}, \"n\": [{number}]}}"),
            );
            assert_eq!(host.sent[0]["payload"]["summary"], number);
            assert_eq!(host.sent[0]["payload"]["custom_details"]["n"], json!([number]));
        }
        let label = |number: &str| {
            let body = format!("{{\"alerts\": [{{\"status\": \"firing\", \"labels\": {{\"n\": {number}}}}}]}}");
            sent_by(&mut host(), "/alertmanager", &[], &body)
        };
        assert_ne!(label(one), label(other), "the hash of labels");
        let whole = |number: &str| {
            let body = format!(
                "{{\"event_action\": \"trigger\", \"payload\": {{\"summary\": \"s\", \"source\": \"s\", \"custom_details\": {{\"n\": {number}}}}}}}"
            );
            sent_by(&mut host(), "/events", &[], &body)
        };
        assert_ne!(whole(one), whole(other), "the hash of an event");
    }
}

#[test]
fn numbers_that_fit_stay_numbers() {
    let fits = [
        "0",
        "-0",
        "1",
        "-1",
        "1.5",
        "1.10",
        "1e3",
        "1E+3",
        "0e999",
        "18446744073709551615",
        "-9223372036854775808",
        "9007199254740993",
        "81.97000000000001",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "5e-324",
        "2.2250738585072014E-308",
        "100000000000000000000.0",
        "1000000000000000000000e-5",
        "123456789012345",
    ];
    for number in fits {
        let parsed = mapping::parse(format!("{{\"n\": [{number},{number}]}}").as_bytes()).expect("json");
        assert!(parsed["n"][0].is_number() && parsed["n"][1].is_number(), "{number}: {parsed}");
    }
    let texts = r#"{"18446744073709551616": "18446744073709551617", "a\"18446744073709551616": [1]}"#;
    assert_eq!(mapping::parse(texts.as_bytes()).ok(), serde_json::from_str(texts).ok(), "names and texts stay");
    assert_eq!(mapping::parse(b" 18446744073709551616\n").ok(), Some("18446744073709551616".into()));
}

#[test]
fn text_that_is_not_json_does_not_become_json_because_of_its_numbers() {
    let long = "18446744073709551616";
    for text in [
        "{N: 1}",
        "{\"a\": 1, N: 2}",
        "{\"a\" N}",
        "[N N]",
        "[N",
        "[0N]",
        "[+N]",
        "[N.]",
        "[N.e1]",
        "[Ne]",
        "[N-1]",
        "[\"a\"N]",
        "[N\"a\"]",
        "{\"a\": N, }",
        "[N,]",
        "[{]N",
        "N N",
        "[--N]",
        "{N}",
        "[N}",
        "{\"a\": [N, {N: 1}]}",
    ] {
        let text = text.replace('N', long);
        assert!(mapping::parse(text.as_bytes()).is_err(), "{text}");
    }
    let error = mapping::parse(format!("[{long},\n {long}, x]").as_bytes()).expect_err("no json");
    assert_eq!(error.to_string(), "the body is not valid JSON: line 2, column 24");
    let twice = mapping::parse(format!("{{\"a\": {long}, \"a\": 1}}").as_bytes()).expect_err("twice");
    assert_eq!(twice.to_string(), "the body has member `a` twice in one object: line 1, column 29");
}

#[test]
fn json_inside_of_text_keeps_its_numbers_too() {
    let arn = |number: &str| {
        let message = format!("{{\"AutoScalingGroupName\": {number}, \"Event\": \"x_ERROR\"}}");
        key_of("sns", &[], &json!({"Type": "Notification", "TopicArn": "t", "Message": message}))
    };
    assert_eq!(arn("18446744073709551617").as_str(), "sns:18446744073709551617:x");
    let kuma = |number: &str| {
        let monitor = format!("{{\"id\": {number}}}");
        key_of("uptimekuma", &[], &json!({"monitor": monitor, "heartbeat": "{\"status\": 0}", "msg": "m"}))
    };
    assert_eq!(kuma("18446744073709551617").as_str(), "uptimekuma:18446744073709551617");
}
