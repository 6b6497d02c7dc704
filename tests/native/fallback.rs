//! Fallback alerts: each subject has its own, a recovery resolves it, and a flood opens a bounded number.

use std::collections::BTreeSet;

use base64ct::Encoding;
use pagerelay::http::Method;
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::keys::sent_by;
use crate::walls::{handle, known, stranger};

/// The action, the number in the key, and the summary of the fallback alert of a body.
fn fallback(path: &str, body: &str) -> (String, u8, String) {
    let mut host = Accepting::new();
    let sent = sent_by(&mut host, path, &[], body);
    let [(action, key)] = sent.as_slice() else { panic!("{body}: {sent:?}") };
    let slug = path.trim_start_matches('/').replace('/', "_");
    let number = key.strip_prefix(&format!("pagerelay:{slug}:unmapped:")).unwrap_or_else(|| panic!("{body}: {key}"));
    let number = number.parse().expect("a number");
    assert!(number < 64, "{key}");
    (action.clone(), number, host.sent[0]["payload"]["summary"].as_str().expect("a summary").to_owned())
}

fn number(body: &Value) -> u8 {
    fallback("/alertmanager", &body.to_string()).1
}

#[test]
fn the_summary_contains_the_subject() {
    let (action, _, summary) = fallback("/grafana", &json!({"title": "Disk full\non db-1", "x": 1}).to_string());
    let reason = "Reason: unexpected payload: expected `alerts` or, from before Grafana 11, `ruleId`";
    assert_eq!(action, "trigger");
    assert_eq!(
        summary,
        format!("pagerelay could not map \"Disk full on db-1\" from Grafana; it may be an alert. {reason}")
    );
    let (_, _, summary) = fallback("/grafana", "{}");
    assert_eq!(summary, format!("pagerelay could not map a delivery from Grafana; it may be an alert. {reason}"));
    let (action, _, summary) = fallback("/grafana", &json!({"title": "Disk full", "state": "OK"}).to_string());
    assert_eq!(action, "resolve");
    assert_eq!(
        summary,
        format!("pagerelay could not map \"Disk full\" from Grafana; it says that a problem is over. {reason}")
    );
}

#[test]
fn the_subject_shows_no_secret() {
    let secret = pagerelay_support::SECRET;
    for (title, shown) in [
        ("KubePodCrashLooping in node_filesystem_almost_full", "KubePodCrashLooping in node_filesystem_almost_full"),
        ("key AbC0dEf10123456789xyz end", "key … end"),
        ("key abcdefghijklmnopqrst end", "key … end"),
        ("key AbCdEfGhIjKlMnOpQrSt end", "key … end"),
        ("see https://bob:pw@host.example/x", "see https://…@host.example/x"),
        (&format!("key {secret} end"), "key [redacted] end"),
        (&"long ".repeat(300), &format!("{}…", "long ".repeat(40).get(..199).expect("ascii"))),
    ] {
        let (_, _, summary) = fallback("/alertmanager", &json!({"title": title}).to_string());
        assert!(summary.starts_with(&format!("pagerelay could not map \"{shown}\" from ")), "{title}: {summary}");
    }
}

#[test]
fn the_excerpt_shows_no_part_of_a_secret_that_is_escaped_or_cut_off() {
    for secret in ["MzM0/2+h4sd/8d7/9sdk/3k2=", "ein langes Kennw\u{f6}rt 1234"] {
        let json = json!(secret).to_string();
        let escaped: String = secret.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
        let url: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let mut bodies = vec![json.clone(), json.replace('/', "\\/"), format!("\"{escaped}\""), format!("a={url}")];
        // It is cut off after each of its characters.
        bodies.extend((1..secret.len()).map(|shown| format!("{}{secret}", " ".repeat(16 * 1024 - shown))));
        bodies.extend((1..secret.len()).map(|shown| format!("{}{secret}", " ".repeat(8 * 1024 - shown))));
        for body in bodies {
            let mut host = Accepting::new();
            host.variables.insert("webhook_secret", secret);
            let pair = base64ct::Base64::encode_string(format!("any:{secret}").as_bytes());
            let headers = [("authorization", format!("Basic {pair}"))];
            let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
            let (reply, _) =
                handle(&mut host, &stranger(Method::Post, "/grafana", &headers, format!("x {body}").as_bytes()));
            assert!(reply.status.is_success(), "{reply:?}");
            let excerpt = host.sent[0]["payload"]["custom_details"]["excerpt"].as_str().expect("text").to_owned();
            let known = ["x", "x [redacted]", "x \"[redacted]\"", "x a=[redacted]"];
            assert!(known.contains(&excerpt.as_str()), "{body}: {excerpt}");
        }
    }
}

#[test]
fn what_a_body_is_about_decides_the_key() {
    let about = number(&json!({"title": "Disk full"}));
    for same in [
        json!({"title": "disk  FULL 12"}),
        json!({"title": "[FIRING:3] Disk full"}),
        json!({"title": "✅ Resolved: Disk full!"}),
        json!({"alertname": "Disk full", "severity": "critical"}),
        json!({"alert": {"name": "Disk full"}, "host": "db-1"}),
        json!({"alerts": 3, "groupLabels": {"alertname": "Disk full"}}),
        json!([{"rule_name": "Disk full"}]),
        json!({"commonAnnotations": {"summary": "The disk is full"}, "groupLabels": {"alertname": "Disk full"}}),
        json!({"user": {"name": "Ada"}, "zone": {"name": "Disk full"}}),
    ] {
        assert_eq!(number(&same), about, "{same}");
    }
    let shape = number(&json!({"a": 1, "b2": {}}));
    assert_eq!(number(&json!({"a": "x", "b3": []})), shape, "values and digits are no part of the shape");
    // Different subjects may share a number; these do not.
    let others = [
        json!({"title": "Nothing works"}),
        json!({"a": 1, "b": 2}),
        json!({"a": 1}),
        json!({"title": "42"}),
        json!({"title": "{{ title }}"}),
    ];
    let numbers: BTreeSet<u8> = others.iter().map(number).chain([about]).collect();
    assert_eq!(numbers.len(), others.len() - 1 + 1, "a title without words counts as its shape: {numbers:?}");
}

#[test]
fn an_item_that_cannot_be_mapped_has_its_own_subject() {
    let mut host = Accepting::new();
    let good = json!({"fingerprint": "f", "status": "firing", "title": "Other", "labels": {"alertname": "A"}});
    let about = number(&json!({"title": "Disk full"}));
    let shape = number(&json!({"alerts": 1}));
    for (bad, number) in [
        (json!([good, {"title": "Disk full", "status": "firing"}]), about),
        (json!([good, {"status": "firing"}]), shape),
        (json!([good, {"status": "firing"}, {"title": "Disk full"}]), shape),
    ] {
        let sent = sent_by(&mut host, "/alertmanager", &[], &json!({"alerts": bad}).to_string());
        let wanted = [
            ("trigger".to_owned(), format!("pagerelay:alertmanager:unmapped:{number}")),
            ("trigger".to_owned(), "alertmanager:f".to_owned()),
        ];
        assert_eq!(sent, wanted, "{bad}");
    }
}

#[test]
fn a_recognisable_recovery_resolves_and_everything_else_triggers() {
    for (body, action) in [
        (json!({"title": "Disk full", "state": "ok"}), "resolve"),
        (json!({"title": "Disk full", "status": "Resolved"}), "resolve"),
        (json!({"title": "RECOVERED: Disk full 3", "alert_status": "recovered"}), "resolve"),
        (json!({"name": "Disk full", "data": {"current_state": "closed"}, "status": "success"}), "resolve"),
        (json!({"title": "Disk full", "alerts": [{"status": "up"}, {"status": "ok"}]}), "resolve"),
        // Not by prose, not by half of the states, not by an unknown word.
        (json!({"title": "Resolved: Disk full", "message": "ok"}), "trigger"),
        (json!({"title": "Disk full", "status": "success", "data": {"state": "alerting"}}), "trigger"),
        (json!({"title": "Disk full", "alerts": [{"status": "resolved"}, {"status": "firing"}]}), "trigger"),
        (json!({"title": "Disk full", "status": "ok", "state": "wobbling"}), "trigger"),
        (json!({"title": "Disk full", "status": 200}), "trigger"),
    ] {
        let mut body = body;
        // Without a list, for a source that maps lists.
        if let Some(alerts) = body.as_object_mut().and_then(|body| body.remove("alerts")) {
            body["items"] = alerts;
        }
        let (actual, number, _) = fallback("/grafana", &body.to_string());
        assert_eq!(actual, action, "{body}");
        assert_eq!(number, fallback("/grafana", &json!({"title": "Disk full"}).to_string()).1, "{body}");
    }
}

#[test]
fn bodies_that_cannot_be_read_share_one_key_and_never_resolve() {
    let bodies = ["no json", "", "{\"state\": \"ok\"", "{\"state\": \"ok\", \"state\": \"ok\"}", "\u{0}"];
    let all: BTreeSet<(String, u8)> =
        bodies.iter().map(|body| fallback("/alertmanager", body)).map(|(action, number, _)| (action, number)).collect();
    assert_eq!(all.into_iter().collect::<Vec<_>>(), [("trigger".to_owned(), 35)]);
}

#[test]
fn a_flood_of_subjects_opens_at_most_sixty_four_alerts() {
    let mut host = Accepting::new();
    let letters = |mut n: usize| {
        let mut word = String::new();
        while n > 0 {
            word.push(char::from(b'a' + u8::try_from(n % 26).expect("a letter")));
            n /= 26;
        }
        word
    };
    let mut keys = BTreeSet::new();
    for n in 1..=1000 {
        let word = letters(n);
        let body = match n % 3 {
            0 => json!({"title": word}),
            1 => json!({word: n}),
            _ => json!({"data": {"rule": format!("{word} {word}")}}),
        };
        keys.extend(sent_by(&mut host, "/grafana", &[], &body.to_string()).into_iter().map(|(_, key)| key));
    }
    assert_eq!(keys.len(), 64, "{keys:?}");
    let numbered: BTreeSet<String> = (0..64).map(|n| format!("pagerelay:grafana:unmapped:{n}")).collect();
    assert_eq!(keys, numbered);
}

#[test]
fn a_reply_has_a_dedup_key_only_if_one_event_is_the_whole_delivery() {
    let good = json!({"status": "firing", "fingerprint": "f1", "labels": {"alertname": "Down"}});
    for (alerts, key) in [(json!([good]), json!("alertmanager:f1")), (json!([good, 7]), Value::Null)] {
        let body = json!({"version": "4", "status": "firing", "alerts": alerts}).to_string();
        let request = known(Method::Post, "/alertmanager", &[], body.as_bytes());
        let (_, reply) = handle(&mut Accepting::new(), &request);
        assert_eq!((&reply["status"], &reply["dedup_key"]), (&json!("success"), &key), "{reply}");
    }
}

#[test]
fn a_warning_says_whether_the_fallback_alert_is_opened_or_resolved() {
    for (state, says) in [
        ("alerting", "1 item could not be mapped; a fallback alert reports it"),
        (
            "ok",
            "1 item could not be mapped; the delivery says that a problem is over, so its fallback alert is resolved",
        ),
    ] {
        let body = json!({"title": "Disk full", "state": state}).to_string();
        let (_, reply) = handle(&mut Accepting::new(), &known(Method::Post, "/grafana", &[], body.as_bytes()));
        assert_eq!(reply["warnings"], json!([says]));
    }
}

#[test]
fn a_body_that_may_contain_a_key_anywhere_gives_its_alert_no_title() {
    let (action, number, summary) = fallback("/opsgenie", r#"[{"title": "Disk full", "apiKey": "0123456789"}]"#);
    assert_eq!((&*action, number), ("trigger", fallback("/opsgenie", "no json").1));
    assert!(!summary.contains("Disk full"), "{summary}");
}
