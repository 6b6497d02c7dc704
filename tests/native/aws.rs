//! AWS: the fixtures of each kind say by their names what they do and which alert they are about.
//!
//! `row028-pay_opens-timed-out.json` is an event of row 28 of the table of kinds that opens the alert `row028-pay`; `resolves`
//! and `ignored` stand for the other verdicts. In `tests/fixtures/sns`, `letter-…` are messages without `detail-type`.

use std::collections::{BTreeMap, BTreeSet};

#[cfg(feature = "templates")]
use pagerelay::custom::Template;
#[cfg(feature = "templates")]
use pagerelay::http::{Headers, Method, Request};
use pagerelay::mapping::Mapped;
use pagerelay::pagerduty::event::Action;
#[cfg(feature = "templates")]
use pagerelay::pipeline;
use pagerelay::sources;
#[cfg(feature = "templates")]
use pagerelay_support::SECRET;
use pagerelay_support::fixtures::{self, Fixture};
#[cfg(feature = "templates")]
use pagerelay_support::host::Answering;
use serde_json::{Value, json};

#[cfg(feature = "templates")]
use crate::host::Accepting;
#[cfg(feature = "templates")]
use crate::walls::stranger;

/// What each row of the table of kinds has fixtures for: `o`pens, `r`esolves, `i`gnored, and `n` for a neighbour: an alert
/// of the same kind about another thing. The numbers of the rows are those of the notes from which the table was made.
const ROWS: &[(&str, &str)] = &[
    (
        "oirn",
        "1 6 9 10 13 19 22 23 25 28 29 30 32 31 34 35 36 38 42 57 59 60 61 63 65 66 71 74 75 76 77 80 81 84 90 91 94 95 97 200",
    ),
    ("orn", "4 12 16 17 20 21 26 27 39 40 45 46 48 50 51 53 55 56 64 67 70 72 78 82 86 89 92 93 98 100 102"),
    ("oin", "15 18 47 69 73 85"),
    ("on", "11 49 52 87 88 96 101"),
    ("oi", "58 62 79 204"),
    ("ori", "5"),
    ("i", "2 14 54 68 103"),
    ("o", "41"),
    ("oirn", "letter"),
];

/// A fixture whose name says what it does.
struct Named {
    fixture: Fixture,
    /// `028` or `letter`.
    row: String,
    /// `row028-pay`.
    alert: String,
    /// `opens`, `resolves` or `ignored`.
    does: String,
}

fn named() -> Vec<Named> {
    let all = ["eventbridge", "sns"].into_iter().flat_map(|slug| fixtures::of(sources::find(slug).expect("a source")));
    all.filter_map(|fixture| {
        let name = fixture.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (alert, words) = name.split_once('_')?;
        let row = alert.strip_prefix("row").unwrap_or(alert).split('-').next().unwrap_or_default().to_owned();
        let does = words.split('-').next().unwrap_or_default().to_owned();
        let alert = format!("{}/{alert}", fixture.source.slug);
        Some(Named { fixture, row, alert, does })
    })
    .collect()
}

fn mapped(fixture: &Fixture) -> Mapped {
    fixture.map(false).unwrap_or_else(|error| panic!("{}: {error}", fixture.name()))
}

#[test]
fn every_event_does_what_its_name_says() {
    let mut wrong = Vec::new();
    for Named { fixture, does, .. } in named() {
        let mapped = mapped(&fixture);
        let actions: Vec<Action> = mapped.events.iter().map(|event| event.action()).collect();
        let good = match does.as_str() {
            "opens" => actions == [Action::Trigger],
            "resolves" => actions == [Action::Resolve],
            "ignored" => actions.is_empty() && mapped.ignored.len() == 1,
            other => panic!("{}: {other}", fixture.name()),
        };
        wrong.extend((!good).then(|| format!("{}: {actions:?}", fixture.name())));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_failure_and_its_recovery_share_a_key_and_neighbours_do_not() {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Named { fixture, alert, .. } in named() {
        for event in mapped(&fixture).events {
            let key = event.dedup_key().expect("an alert").as_str().to_owned();
            keys.entry(key).or_default().insert(alert.clone());
        }
    }
    let merged: Vec<_> = keys.iter().filter(|(_, alerts)| alerts.len() > 1).collect();
    assert!(merged.is_empty(), "different alerts share a key: {merged:#?}");
    let mut known = BTreeMap::new();
    for (key, alerts) in &keys {
        for alert in alerts {
            assert_eq!(known.insert(alert, key), None, "{alert} has two keys: {key} and another");
        }
    }
    assert!(known.len() > 200, "{} alerts", known.len());
}

#[test]
fn every_row_of_the_table_has_a_fixture_for_each_verdict_and_a_neighbour() {
    let mut done: BTreeMap<String, (BTreeSet<char>, BTreeSet<String>)> = BTreeMap::new();
    for Named { row, alert, does, .. } in named() {
        let entry = done.entry(row.trim_start_matches('0').to_owned()).or_default();
        entry.0.extend(does.chars().next());
        if does == "opens" {
            entry.1.insert(alert);
        }
    }
    let mut missing = Vec::new();
    for (verdicts, rows) in ROWS {
        for row in rows.split(' ') {
            let (has, alerts) = done.get(row).cloned().unwrap_or_default();
            let lacks = verdicts.chars().filter(|wanted| match wanted {
                'n' => alerts.len() < 2,
                wanted => !has.contains(wanted),
            });
            missing.extend(lacks.map(|wanted| format!("row {row} has no {wanted}")));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn an_event_means_the_same_inside_an_envelope_of_sns() {
    let (bridge, sns) = ("eventbridge", sources::find("sns").expect("a source"));
    let mut compared = 0;
    for fixture in fixtures::of(sources::find(bridge).expect("a source")) {
        let Ok(alone) = fixture.map(false) else { continue };
        let envelope = json!({
            "Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:210987654321:oncall",
            "Message": String::from_utf8_lossy(&fixture.body), "Timestamp": "2026-03-04T05:06:08.120Z",
        });
        let inside = fixtures::map(sns, envelope.to_string().as_bytes(), &[], false).expect("it is mapped");
        let text = |mapped: &Mapped| -> Vec<Value> {
            let mut events: Vec<Value> = mapped.events.iter().map(|event| event.to_json()).collect();
            for event in &mut events {
                let key =
                    event["dedup_key"].as_str().unwrap_or_default().split_once(':').map(|(_, key)| key.to_owned());
                event["dedup_key"] = key.into();
                // Only an alarm shows its topic.
                if let Some(details) = event["payload"]["custom_details"].as_object_mut() {
                    details.remove("TopicArn");
                }
            }
            events
        };
        assert_eq!(text(&alone), text(&inside), "{}", fixture.name());
        assert_eq!(alone.ignored, inside.ignored, "{}", fixture.name());
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}

#[test]
fn no_summary_has_a_bare_arn_and_no_detail_has_the_secrets_of_a_run() {
    for Named { fixture, .. } in named() {
        for event in mapped(&fixture).events {
            let text = event.to_json().to_string();
            assert!(!event.summary().contains("arn:"), "{}: {}", fixture.name(), event.summary());
            assert!(!text.contains("t0p-s3cret") && !text.contains("4111"), "{}", fixture.name());
        }
    }
}

/// The preview of a request for a subscription by a template with `"from": "sns"`.
#[cfg(feature = "templates")]
fn subscription(topics: &'static str, template: String) -> (u16, Value) {
    let mut host = Accepting::new();
    let template: &'static str = template.leak();
    host.variables.insert("sns_topics", topics);
    host.variables.insert("custom_queues", template);
    let body = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": TOPIC, "Message": "You have chosen.",
        "Token": "t", "Timestamp": "2026-03-04T05:06:08.120Z",
        "SubscribeURL": format!("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t"),
    });
    let request = Request {
        method: Method::Post,
        path: "/preview/custom/queues".to_owned(),
        query: format!("token={SECRET}"),
        headers: Headers::new([("content-type".to_owned(), b"text/plain".to_vec())]),
        body: body.to_string().into_bytes(),
        problem: None,
    };
    let (reply, _) = pipeline::handle(&mut host, &request);
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default())
}

#[cfg(feature = "templates")]
const TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:queues";

#[cfg(feature = "templates")]
#[test]
fn a_template_for_sns_confirms_the_subscriptions_of_listed_topics_only() {
    let template = |from: &str| {
        let event = r#""event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "x", "severity": "error"}"#;
        format!("{{{from}{event}}}")
    };
    let (status, reply) = subscription(TOPIC, template(r#""from": "sns", "#));
    assert_eq!(status, 200, "{reply}");
    assert_eq!(reply["ignored"][0]["reason"], "subscription confirmed", "{reply}");
    assert!(reply["warnings"].to_string().contains("the subscription would be confirmed"), "{reply}");
    let (status, reply) = subscription("arn:aws:sns:eu-west-1:210987654321:others", template(r#""from": "sns", "#));
    assert_eq!(status, 403, "{reply}");
    assert_eq!(reply["detail"], "variable `sns_topics` does not list this topic");
    let (status, _) = subscription(TOPIC, template(""));
    assert_ne!(status, 200, "another template takes no token");
    let wrong = Template::read("custom_queues", &template(r#""from": "sqs", "#)).err().expect("it is rejected");
    assert_eq!(wrong.to_string(), "variable `custom_queues` has a `from` other than sns");
}

#[cfg(feature = "templates")]
#[test]
fn a_subscription_is_confirmed_only_if_sns_says_so() {
    let url = format!("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=t");
    let body = json!({
        "Type": "SubscriptionConfirmation", "MessageId": "m", "TopicArn": TOPIC, "Message": "You have chosen.",
        "Token": "t", "Timestamp": "2026-03-04T05:06:08.120Z", "SubscribeURL": url,
    });
    let rejected = "Amazon SNS rejected the confirmation";
    let unreachable = "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com";
    for (answer, status, detail) in [
        (200, 200, None),
        // The token may have expired.
        (400, 503, Some(rejected)),
        (404, 503, Some(rejected)),
        (499, 503, Some(rejected)),
        (302, 503, Some(unreachable)),
        (500, 503, Some(unreachable)),
        (204, 503, Some(unreachable)),
    ] {
        let mut host = Answering::new(|_: &str, _: &Value| (answer, "<ConfirmSubscriptionResponse/>"));
        host.inner.variables.insert("sns_topics", TOPIC);
        let target = format!("/sns?token={SECRET}");
        let (reply, _) =
            pipeline::handle(&mut host, &stranger(Method::Post, &target, &[], body.to_string().as_bytes()));
        let said: Value = serde_json::from_slice(&reply.body).expect("json");
        assert_eq!((reply.status.as_u16(), said["detail"].as_str()), (status, detail), "{answer}");
        assert_eq!(host.sent, [(url.clone(), Value::Null)], "{answer}");
    }
}

#[test]
fn slow_tests_still_see_each_kind() {
    // Those of other sources are all of a kind of their own.
    let is_aws = |fixture: &Fixture| matches!(fixture.source.slug, "eventbridge" | "sns");
    let all = fixtures::all().into_iter().filter(is_aws).count();
    let kinds: Vec<_> = fixtures::of_each_kind().into_iter().filter(is_aws).collect();
    assert!(kinds.len() * 2 < all, "{} of {all}", kinds.len());
    let rows = kinds.iter().filter(|fixture| fixture.name().contains("/row")).count();
    assert!(rows > 90, "{rows} rows");
}
