//! What the members of a rule may be, and which of them have changed an event.

use pagerelay::rules::{List, Rules};
use pagerelay_support::SERVICE_KEY;
use serde_json::{Value, json};

use crate::rules::{alert, group, with_rules};

/// The error of a rule. Empty if it is valid.
fn error(rule: &Value) -> String {
    let lists = [List::read("rules", &json!([rule]).to_string()).expect("a list")];
    let rules = Rules::compile(&lists);
    rules.invalid().first().map(ToString::to_string).unwrap_or_default()
}

/// One alert of Alertmanager, of class `Slow` and severity error.
fn one(status: &str) -> Value {
    group(vec![alert(status, "1", &json!({"alertname": "Slow", "instance": "web-1"}))])
}

#[test]
fn a_member_of_another_form_makes_a_rule_invalid_and_the_error_says_what_it_must_be() {
    let drop = "`drop` is not a reason: a text of at most 200 characters without expressions";
    for (rule, problem) in [
        (json!({"summary": " \n"}), "`summary` is not a text, or is blank"),
        (json!({"class": ""}), "`class` is not a text, or is blank"),
        (json!({"class": 7}), "`class` is not a text, or is blank"),
        (json!({"class": "x"}), ""),
        (
            json!({"service": {"by": "a", "map": {}, "else": "shop"}}),
            "`service` needs `by`, an expression, and `map`, an object",
        ),
        (json!({"severity": {"by": "a"}}), "`severity` needs `by`, an expression, and `map`, an object"),
        (json!({"severity": {"by": "a", "map": {"b": "info"}}}), ""),
        (json!({"drop": " "}), drop),
        (json!({"drop": true}), drop),
        (json!({"drop": "for {{ item.labels.team }}"}), drop),
        (json!({"drop": "{% if a %}b{% endif %}"}), drop),
        (json!({"drop": "é".repeat(201)}), drop),
        (json!({"drop": "é".repeat(200)}), ""),
        (json!({"drop": "less than 5 % of {a}"}), ""),
    ] {
        let said = error(&rule);
        assert!(said.ends_with(problem) && said.is_empty() == problem.is_empty(), "{rule}: {said}");
    }
}

#[test]
fn a_list_may_have_64_kib_and_100_rules() {
    let hundred = json!(vec![json!({"stop": true}); 100]).to_string();
    let full = format!("{hundred}{}", " ".repeat(65_536 - hundred.len()));
    let lists = [List::read("rules", &full).expect("a list")];
    assert_eq!(Rules::compile(&lists).count(), 100);
}

#[test]
fn a_rule_with_a_dedup_key_changes_the_other_members_of_an_event_without_one() {
    let rules = json!([{"if": "event.payload.source == 'ci'", "dedup_key": "{{ event.payload.source }}", "summary": "of the rule"}]);
    let change = json!({"payload": {"summary": "Build 7", "source": "ci", "timestamp": "2026-05-06T07:08:09Z"}});
    let (sent, reply) = with_rules("/events", &rules, &[("routing_key", SERVICE_KEY)], &change);
    assert_eq!((&sent[0]["payload"]["summary"], sent.len()), (&json!("of the rule"), 1), "{reply:#}");
}

/// What each rule has changed about the first event of a preview.
fn changed(rules: &Value, path: &str, body: &Value) -> Value {
    let (_, reply) = with_rules(&format!("/preview{path}"), rules, &[], body);
    let matched = reply["events"][0]["rules"].as_array().cloned().unwrap_or_default();
    matched.iter().map(|matched| matched["changed"].clone()).collect()
}

#[test]
fn a_severity_that_is_the_same_or_that_a_change_cannot_have_is_no_change() {
    let severity = |word: &str| json!([{"severity": word}]);
    assert_eq!(changed(&severity("info"), "/alertmanager", &one("firing")), json!([["payload.severity"]]));
    assert_eq!(changed(&severity("error"), "/alertmanager", &one("firing")), json!([[]]));
    let change = json!({"payload": {"summary": "Deployed", "source": "ci"}});
    for word in ["info", "error", "critical"] {
        assert_eq!(changed(&severity(word), "/events", &change), json!([[]]), "{word}");
    }
}

#[test]
fn the_condition_of_a_rule_with_a_key_sees_the_event_before_other_rules_change_it() {
    let rules = json!([
        {"class": "changed"},
        {"if": "event.payload.class == 'Slow'", "dedup_key": "{{ item.fingerprint }}", "severity": "info"},
    ]);
    let (sent, _) = with_rules("/alertmanager", &rules, &[], &one("firing"));
    let event = &sent[0];
    assert_eq!((&event["payload"]["class"], &event["payload"]["severity"]), (&json!("changed"), &json!("info")));
    assert_eq!(event["dedup_key"], "alertmanager:rule:1");
}

#[test]
fn a_key_reads_the_event_by_names_in_brackets_too() {
    let rules = json!([{"dedup_key": "{{ event['dedup_key'] }}/{{ event['payload']['source'] }}"}]);
    let (sent, reply) = with_rules("/alertmanager", &rules, &[], &one("firing"));
    assert_eq!(sent[0]["dedup_key"], "alertmanager:rule:alertmanager:1/web-1", "{reply:#}");
    let rules = json!([{"dedup_key": "{{ event['payload']['severity'] }}"}]);
    let (sent, reply) = with_rules("/alertmanager", &rules, &[], &one("firing"));
    assert_eq!(sent[0]["dedup_key"], "alertmanager:1", "{reply:#}");
}

#[test]
fn a_service_is_not_worked_out_for_a_resolve_which_is_sent_to_all() {
    let rules = json!([{"service": {"by": "1 // item.labels.zero", "map": {"1": "shop"}}}]);
    let (_, reply) = with_rules("/alertmanager", &rules, &[], &one("resolved"));
    assert_eq!(reply.get("warnings"), None, "{reply:#}");
    let (_, reply) = with_rules("/alertmanager", &rules, &[], &one("firing"));
    let warning = reply["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.starts_with("rule 1 of variable `rules` was skipped for 1 event: "), "{reply:#}");
}

#[test]
fn a_resolve_that_keeps_its_own_key_names_no_rule_for_it() {
    let rules = json!([{"dedup_key": "{{ item.labels.team }}"}]);
    let labels = json!({"alertname": "Slow", "team": "shop"});
    let both = group(vec![alert("resolved", "1", &labels), alert("firing", "2", &labels)]);
    let (_, reply) = with_rules("/preview/alertmanager", &rules, &[], &both);
    let events = reply["events"].as_array().expect("events");
    let of = |action: &str| events.iter().find(|event| event["event_action"] == action).expect("an event");
    assert_eq!(of("resolve")["dedup_key"], "alertmanager:1", "{reply:#}");
    assert_eq!(of("resolve")["rules"][0]["changed"], json!([]), "{reply:#}");
    assert_eq!(of("trigger")["dedup_key"], "alertmanager:rule:shop");
    assert_eq!(of("trigger")["rules"][0]["changed"], json!(["dedup_key"]));
}
