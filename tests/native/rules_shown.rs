//! What previews and warnings say about rules.

use base64ct::{Base64, Encoding};
use pagerelay::endpoints::preview::unshared;
use pagerelay::http::Method;
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::rules::{List, Rules, Subject};
use pagerelay_support::{SECRET, fixtures};
use serde_json::{Value, json};

use crate::rules::{alert, group, host, key, post, with_rules};
use crate::walls::stranger;

/// The rules of each event of a preview, with what they changed.
fn matched(reply: &Value) -> Vec<Vec<(u64, Vec<String>)>> {
    let texts =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let of = |event: &Value| {
        let rules = event["rules"].as_array().into_iter().flatten();
        rules.map(|rule| (rule["rule"].as_u64().expect("a number"), texts(&rule["changed"]))).collect()
    };
    reply["events"].as_array().into_iter().flatten().map(of).collect()
}

/// Alerts that fire, with these labels.
fn firing(labels: &[Value]) -> Value {
    group(labels.iter().enumerate().map(|(id, labels)| alert("firing", &id.to_string(), labels)).collect())
}

fn changed(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn a_preview_names_the_rule_of_a_key_after_a_stop_and_in_a_rule_that_fails() {
    let body = firing(&[json!({"alertname": "Slow", "severity": "critical"})]);
    let stop =
        json!([{"if": "event.payload.severity == 'critical'", "stop": true}, {"dedup_key": "{{ item.fingerprint }}"}]);
    let (_, reply) = with_rules("/preview/alertmanager", &stop, &[], &body);
    assert_eq!(reply["events"][0]["dedup_key"], "alertmanager:rule:0");
    assert_eq!(matched(&reply), [[(1, changed(&[])), (2, changed(&["dedup_key"]))]]);
    let fails = json!([{"dedup_key": "{{ item.fingerprint }}", "severity": "{{ item.status }}"}]);
    let (_, reply) = with_rules("/preview/alertmanager", &fails, &[], &body);
    assert_eq!(matched(&reply), [[(1, changed(&["dedup_key"]))]]);
}

#[test]
fn a_preview_tells_events_with_the_same_key_at_several_services_apart() {
    let rules =
        json!([{"if": "item.labels.team == 'shop'", "service": "shop"}, {"dedup_key": "{{ item.labels.host }}"}]);
    let keys = [("routing_key_shop", key("shop"))];
    let keys: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (*name, key.as_str())).collect();
    let body = firing(&[json!({"team": "shop", "host": "h"}), json!({"team": "web", "host": "h"})]);
    let (_, reply) = with_rules("/preview/alertmanager", &rules, &keys, &body);
    let web = vec![(2, changed(&["dedup_key"]))];
    assert_eq!(matched(&reply), [web, vec![(1, changed(&["service"])), (2, changed(&["dedup_key"]))]]);
}

#[test]
fn a_summary_of_hidden_characters_is_blank_so_the_rule_fails_and_the_alert_has_its_own() {
    for hidden in ["\u{202e}", "\u{0}", " \u{2066}\u{7}\n"] {
        for member in ["summary", "class"] {
            let rules = json!([{(member): "{{ item.labels.x }}"}]);
            let body = firing(&[json!({"alertname": "Slow", "x": hidden})]);
            let (sent, reply) = with_rules("/alertmanager", &rules, &[], &body);
            assert_eq!(
                (&sent[0]["payload"]["summary"], &sent[0]["payload"]["class"]),
                (&json!("Slow"), &json!("Slow"))
            );
            let warning = format!(
                "rule 1 of variable `rules` was skipped for 1 event: `{member}` is blank, or is a list or an object"
            );
            assert_eq!(reply["warnings"], json!([warning]), "{hidden:?}");
        }
    }
}

#[test]
fn a_rule_that_reads_the_payload_of_a_resolve_without_one_does_not_fail() {
    let rules = json!([{"summary": "Shop: {{ event.payload.summary }}", "severity": "{{ item.payload.severity }}"}]);
    let resolve = json!({"routing_key": "x", "event_action": "resolve", "dedup_key": "k"});
    let (sent, reply) = with_rules("/events/v2/enqueue", &rules, &[], &resolve);
    assert_eq!((sent.len(), &reply["warnings"]), (1, &Value::Null), "{reply:#}");
}
/// A message of Amazon SNS, posted with the secret to `path` with these variables. Returns what was sent and the reply.
fn from_sns(path: &str, variables: &[(&str, &Value)], message: &Value) -> (Vec<Value>, Value) {
    let envelope = json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:17:alarms",
        "Message": message.to_string(), "Timestamp": "2026-03-04T05:06:07.000Z"});
    let basic = Base64::encode_string(format!("any:{SECRET}").as_bytes());
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    let mut host = host(&variables);
    let headers = [("authorization".to_owned(), format!("Basic {basic}"))];
    let reply = post(&mut host, path, &headers, envelope.to_string().as_bytes());
    (host.sent, reply)
}

#[test]
fn the_item_of_an_envelope_is_in_its_message_and_the_payload_is_the_envelope() {
    let alarm = json!({"AlarmName": "cpu", "NewStateValue": "ALARM", "OldStateValue": "OK", "AWSAccountId": "17",
        "AlarmArn": "arn:aws:cloudwatch:eu-west-1:17:alarm:cpu", "StateChangeTime": "2026-03-04T05:06:07.000+0000"});
    let rules = json!([{"class": "{{ item.AlarmName }} of {{ payload.TopicArn }}"}]);
    let (sent, reply) = from_sns("/sns", &[("rules", &rules)], &alarm);
    assert_eq!(sent[0]["payload"]["class"], "cpu of arn:aws:sns:eu-west-1:17:alarms", "{reply:#}");

    let alerts = firing(&[json!({"alertname": "A"}), json!({"alertname": "B"})]);
    let rules = json!([{"class": "{{ item.labels.alertname }}"}]);
    let template = json!({"from": "sns", "each": "alerts", "event": {"event_action": "trigger",
        "dedup_key": "{{ item.fingerprint }}", "payload": {"summary": "s", "source": "s", "severity": "error"}}});
    for (path, variables) in
        [("/sns", vec![("rules", &rules)]), ("/custom/mine", vec![("rules", &rules), ("custom_mine", &template)])]
    {
        let (sent, reply) = from_sns(path, &variables, &alerts);
        let mut classes: Vec<&str> = sent.iter().filter_map(|event| event["payload"]["class"].as_str()).collect();
        classes.sort_unstable();
        assert_eq!(classes, ["A", "B"], "{path}: {reply:#}");
    }

    // A preview looks into the message too.
    for expression in ["{{ item.AlarmName }}{{ item.NewStateValue }}", "{{ payload.Message }}"] {
        let rules = json!([{"dedup_key": expression}]);
        let (_, reply) = from_sns("/preview/sns", &[("rules", &rules)], &alarm);
        let warning = "rule 1 of variable `rules`: the dedup key of a recovery may differ from that of its trigger, because the rule reads `Message`";
        assert_eq!(reply["warnings"], json!([warning]), "{expression}");
    }
    let rules = json!([{"dedup_key": "{{ item.AlarmArn }}"}]);
    let (_, reply) = from_sns("/preview/sns", &[("rules", &rules)], &alarm);
    assert_eq!(
        (&reply["warnings"], &reply["events"][0]["dedup_key"]),
        (&Value::Null, &json!("sns:rule:arn:aws:cloudwatch:eu-west-1:17:alarm:cpu"))
    );
}

#[test]
fn a_preview_warns_about_a_key_of_an_api_whose_senders_resolve_without_a_payload() {
    let warning = "rule 1 of variable `rules`: the dedup key of a recovery may differ from that of its trigger, because the rule reads the payload, and senders of this API may resolve by the key alone";
    for (path, trigger, unshared, shared) in [
        (
            "/preview/opsgenie/v2/alerts",
            json!({"message": "m", "alias": "a", "entity": "db-1"}),
            "{{ payload.entity }}",
            "{{ payload.alias }}",
        ),
        (
            "/preview/events/v2/enqueue",
            json!({"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "h", "severity": "error"}}),
            "{{ event.payload.source }}",
            "{{ item.dedup_key }}",
        ),
    ] {
        let warnings = |expression: &str| {
            let (_, reply) = with_rules(path, &json!([{"dedup_key": expression}]), &[], &trigger);
            reply["warnings"].clone()
        };
        assert_eq!(warnings(unshared), json!([warning]), "{path}");
        assert_eq!(warnings("{{ event.dedup_key | upper }}"), Value::Null, "{path}");
        let fine = warnings(shared);
        assert!(fine == Value::Null || path.contains("opsgenie"), "{path}: {fine}");
    }
}

#[test]
fn the_first_example_of_the_guide_does_what_the_guide_says() {
    let guide = crate::tidy::read("src/guide/rules.md");
    let (_, rest) = guide.split_once("```json\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("the example ends");
    let rules: Value = serde_json::from_str(example).expect("json");
    let keys = [("routing_key_shop", key("shop")), ("routing_key_search", key("search"))];
    let keys: Vec<(&str, &str)> = keys.iter().map(|(name, key)| (*name, key.as_str())).collect();
    let sent = |labels: Value| {
        let (sent, reply) = with_rules("/alertmanager", &rules, &keys, &firing(&[labels]));
        assert_eq!(reply["warnings"], Value::Null, "{reply:#}");
        let of = |event: &Value| {
            (event["routing_key"].clone(), event["payload"]["severity"].clone(), event["payload"]["summary"].clone())
        };
        (sent.first().map(of), reply["ignored"][0]["reason"].clone())
    };
    let default = json!(pagerelay_support::SERVICE_KEY);
    assert_eq!(sent(json!({"alertname": "A", "maintenance": "true"})), (None, json!("maintenance")));
    let shop = Some((json!(key("shop")), json!("critical"), json!("A")));
    assert_eq!(sent(json!({"alertname": "A", "team": "checkout", "impact": "all users"})), (shop, Value::Null));
    assert_eq!(
        sent(json!({"alertname": "A", "impact": "nobody"})),
        (None, json!("below the floor of severity warning"))
    );
    let staging = Some((default, json!("error"), json!("[staging] A")));
    assert_eq!(sent(json!({"alertname": "A", "team": "web", "env": "staging"})), (staging, Value::Null));
}
#[test]
fn a_preview_of_rules_that_burn_steps_takes_little_more_than_a_delivery() {
    let rules = Value::from(vec![json!({"dedup_key": "{% for a in range(9999) %}{{ a }}{% endfor %}"}); 100]);
    let lists = [List::read("rules", &rules.to_string()).expect("a list")];
    let rules = Rules::compile(&lists);
    let body = firing(&vec![json!({"alertname": "A"}); 100]).to_string();
    let request = stranger(Method::Post, "/alertmanager", &[("x-webhook-secret", SECRET)], body.as_bytes());
    let source = pagerelay::sources::find("alertmanager").expect("a source");
    fixtures::authenticated(&request, source.schemes, |delivery| {
        let events = (source.map)(delivery)?.events;
        let subject = Subject { delivery, slug: source.slug, service: None, group: None };
        unshared(&rules, &subject, &|delivery| (source.map)(delivery), (source.states, false), &events);
        Ok::<Mapped, MapError>(Mapped::default())
    })
    .expect("it is mapped");
    // A delivery of these may take 100 × 100 × 512.
    assert!(rules.steps() < 12_000_000, "{}", rules.steps());
}

#[test]
fn a_rule_with_a_member_twice_is_not_used() {
    let text = r#"[{"class": "used"},
  {"if": "item.labels.env == 'dev'", "if": "true", "drop": "too much"},
  {"service": {"by": "item.labels.team", "map": {"shop": "shop", "shop": "search"}}}]"#;
    let lists = [List::read("rules", text).expect("a list")];
    let rules = Rules::compile(&lists);
    let errors: Vec<String> = rules.invalid().iter().map(ToString::to_string).collect();
    assert_eq!(
        (rules.count(), errors),
        (
            1,
            vec![
                "variable `rules`, line 2, column 3: member `if` occurs twice in one object".to_owned(),
                "variable `rules`, line 3, column 3: member `shop` occurs twice in one object".to_owned(),
            ]
        )
    );
}
