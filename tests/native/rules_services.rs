//! Rules that choose services: no alert stays open in one of them, whatever their keys and the size of the delivery.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::rules::{alert, group, host, key, post, settle, with_rules};

fn warnings(reply: &Value) -> Vec<&str> {
    reply["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// One alert of Alertmanager.
fn one(status: &str) -> Value {
    group(vec![alert(status, "1", &json!({"alertname": "Slow", "team": "shop"}))])
}

#[test]
fn a_resolve_reaches_the_previous_key_of_each_service_although_two_services_share_the_current_key() {
    let rules = json!([{"if": "item.labels.team == 'shop'", "service": "shop"},
        {"if": "item.labels.team == 'search'", "service": "search"}]);
    let (shop, former_shop) = (key("shop"), key("formershop"));
    for (search, former_search) in [(key("shop"), key("formersearch")), (key("search"), key("formershop"))] {
        for own in [key("shop"), key("own")] {
            let keys = [
                ("routing_key", own.as_str()),
                ("routing_key_shop", &shop),
                ("routing_key_shop_previous", &former_shop),
                ("routing_key_search", &search),
                ("routing_key_search_previous", &former_search),
            ];
            let (sent, reply) = with_rules("/alertmanager", &rules, &keys, &one("resolved"));
            let mut reached: Vec<&str> = sent.iter().filter_map(|event| event["routing_key"].as_str()).collect();
            reached.sort_unstable();
            // Two services may share the previous key too.
            reached.dedup();
            let all: BTreeSet<&str> = keys.iter().map(|(_, key)| *key).collect();
            assert_eq!(reached, all.into_iter().collect::<Vec<_>>(), "{reply:#}");
            // A trigger is sent once.
            let (sent, reply) = with_rules("/alertmanager", &rules, &keys, &one("firing"));
            assert_eq!(sent.len(), 1, "{reply:#}");
            assert_eq!(sent[0]["routing_key"], shop.as_str());
        }
    }
}

#[test]
fn a_resolve_warns_about_a_service_whose_key_became_invalid() {
    let rules = json!([{"if": "item.labels.team == 'shop'", "service": "shop"}]);
    let (sent, reply) = with_rules("/alertmanager", &rules, &[("routing_key_shop", "not-a-key")], &one("resolved"));
    assert_eq!(sent.len(), 1);
    assert_eq!(
        warnings(&reply),
        [
            "a rule names service `shop`, but variable `routing_key_shop` is not a routing key (32 letters and digits); acknowledges and resolves are not sent there, and its alerts stay open"
        ]
    );
    // Nothing can be open with a key that is unset.
    let (sent, reply) = with_rules("/alertmanager", &rules, &[], &one("resolved"));
    assert_eq!((sent.len(), warnings(&reply)), (1, Vec::new()));
}

#[test]
fn a_late_resolve_of_a_storm_reaches_every_alert_that_rules_sent_to_several_services() {
    let service = json!({"if": "item.labels.team == 'shop'", "service": "shop"});
    let dedup_key = json!({"dedup_key": "{{ item.fingerprint }}"});
    for (rules, count) in [(json!([service]), 180), (json!([dedup_key]), 90), (json!([service, dedup_key]), 180)] {
        let variables: BTreeMap<String, String> = [("rules", rules.to_string()), ("routing_key_shop", key("shop"))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let send = |status: &str| {
            let alerts = (0..count).map(|number| {
                let team = if number % 2 == 0 { "shop" } else { "web" };
                let mut alert = alert(status, &format!("{number:03}"), &json!({"alertname": "Slow", "team": team}));
                alert["startsAt"] = "2026-01-01T00:00:00Z".into();
                // Weeks before the host's time.
                alert["endsAt"] =
                    if status == "resolved" { "2026-01-02T00:00:00Z" } else { "0001-01-01T00:00:00Z" }.into();
                alert
            });
            let mut body = group(alerts.collect());
            body["groupKey"] = "{}:{alertname=\"Slow\"}".into();
            body["status"] = status.into();
            let mut host = host(&variables);
            post(&mut host, "/alertmanager", &[], body.to_string().as_bytes());
            host.sent
        };
        let mut open = BTreeSet::new();
        let sent = send("firing");
        settle(&mut open, &sent);
        assert_eq!(open.len(), count, "each is sent individually, because no service has more than 100");
        settle(&mut open, &send("resolved"));
        assert!(open.is_empty(), "{rules}: {open:?}");
    }
}

#[test]
fn a_resolve_does_not_close_an_acknowledged_alert_that_has_its_key_by_a_rule() {
    let template = json!({
        "each": "alarms",
        "event": {"event_action": "{{ item.do }}", "dedup_key": "{{ item.id }}",
            "payload": {"summary": "{{ item.id }}", "source": "mine", "severity": "error"}}
    });
    let rules = json!([{"dedup_key": "{{ item.team }}"}]);
    let alarm = |id: &str, action: &str| json!({"id": id, "do": action, "team": "shop"});
    for (alarms, closes) in [
        (vec![alarm("a", "acknowledge"), alarm("b", "resolve")], false),
        (vec![alarm("a", "trigger"), alarm("a", "acknowledge"), alarm("b", "resolve")], false),
        (vec![alarm("b", "resolve"), alarm("a", "trigger"), alarm("a", "acknowledge")], false),
        (vec![alarm("a", "acknowledge"), alarm("a", "resolve"), alarm("b", "resolve")], true),
    ] {
        let variables = [("custom_mine", &*template.to_string())];
        let (sent, reply) = with_rules("/custom/mine", &rules, &variables, &json!({"alarms": alarms}));
        let resolved =
            |event: &&Value| event["event_action"] == "resolve" && event["dedup_key"] == "custom_mine:rule:shop";
        assert_eq!(sent.iter().any(|event| resolved(&event)), closes, "{reply:#}");
        let own = |event: &&Value| event["event_action"] == "resolve" && event["dedup_key"] == "custom_mine:b";
        assert!(sent.iter().any(|event| own(&event)), "{reply:#}");
    }
}

#[test]
fn triggers_for_any_service_are_sent_before_the_copies_of_resolves_for_all_services() {
    let rules = json!([{"if": "item.labels.team == 'shop'", "service": "shop"},
        {"if": "item.labels.team == 'search'", "service": "search"}]);
    let (shop, search) = (key("shop"), key("search"));
    let of =
        |status: &str, n: usize, team: &str| alert(status, &n.to_string(), &json!({"alertname": "Slow", "team": team}));
    let mut alerts: Vec<Value> = (0..5).map(|n| of("resolved", n, "shop")).collect();
    alerts.extend([of("firing", 5, "search"), of("firing", 6, "shop"), of("firing", 7, "none")]);
    let keys = [("routing_key_shop", shop.as_str()), ("routing_key_search", &search)];
    let (sent, reply) = with_rules("/alertmanager", &rules, &keys, &group(alerts));
    let actions: Vec<&str> = sent.iter().filter_map(|event| event["event_action"].as_str()).collect();
    assert_eq!(actions, [["trigger"; 3].as_slice(), &["resolve"; 15]].concat(), "{reply:#}");
}
