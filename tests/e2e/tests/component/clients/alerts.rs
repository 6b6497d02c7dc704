//! Clients of Opsgenie's Alert API.

use pagerelay_e2e::{SERVICE_KEY, run};
use serde_json::{Value, json};

use super::{ALERTS, ALERTS_OF_CHECKOUT, CHECKOUT_KEY, Client, SUCCESS, Stage, Step, now, throttles};
use crate::programs::{alertmanager, installed, post, wait_for};

#[test]
fn python_opsgenie_sdk_reaches_a_service_by_its_key_alone_and_closes_by_the_id_that_it_was_given() {
    let Some(client) = Client::Python("opsgenie-sdk", "opsgenie-sdk").command() else { return };
    run(async {
        let stage = Stage::new("opsgenie-python").await;
        stage.pagerduty.script(throttles());
        let steps = ["create", "acknowledge", "note", "close", "wrong_key"];
        let said = stage.call(client, "", ALERTS_OF_CHECKOUT, &steps).await;
        // After each action but the note, it asks for the result.
        let statuses = stage.statuses();
        assert_eq!(statuses[..8], [503, 202, 200, 202, 200, 202, 202, 200]);
        // It takes a refused key for a reason to try again.
        assert!(statuses.len() > 8 && statuses[8..].iter().all(|status| *status == 401), "{statuses:?}");
        check_told(&said, "db-1/the disk is full");
        // The relay sends no notes, and says so.
        assert!(warns(&stage.answers()[5], "notes"), "{:?}", stage.answers()[5]);
        assert!(said[4].error().contains("(401)"), "{}", said[4].error());
        assert_eq!(stage.accepted(), ["trigger", "acknowledge", "resolve"]);
        stage.check(CHECKOUT_KEY, "db-1/the disk is full");
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["payload"]["summary"], "The disk of db-1 is full");
        assert_eq!(trigger["payload"]["severity"], "error");
        assert_eq!(trigger["payload"]["source"], "db-1");
        assert_eq!(trigger["payload"]["custom_details"]["used"], "97 %");
        assert_eq!(trigger["payload"]["custom_details"]["tags"], json!(["disk"]));
    });
}

#[test]
fn node_opsgenie_sdk_sends_again_while_pagerduty_throttles_and_closes_by_an_alias_with_a_raw_slash() {
    let Some(client) = Client::Node("opsgenie-sdk").command() else { return };
    run(async {
        let stage = Stage::new("opsgenie-node").await;
        stage.pagerduty.script(throttles());
        let steps = ["create", "acknowledge", "note", "close", "wrong_key"];
        let said = stage.call(client, "/opsgenie/checkout", ALERTS, &steps).await;
        assert_eq!(stage.statuses(), [503, 202, 200, 202, 200, 202, 202, 200, 401]);
        check_told(&said, "db-1/disk");
        assert!(warns(&stage.answers()[5], "notes"), "{:?}", stage.answers()[5]);
        assert!(said[4].error().contains("\"httpStatusCode\":401"), "{}", said[4].error());
        assert_eq!(stage.accepted(), ["trigger", "acknowledge", "resolve"]);
        stage.check(CHECKOUT_KEY, "db-1/disk");
        assert_eq!(wait_for(&stage.pagerduty, "trigger").await["payload"]["severity"], "critical");
    });
}

#[test]
fn alertmanager_opens_and_closes_an_alert_as_for_opsgenie_and_its_updates_open_nothing() {
    let Some(program) = installed("prometheus-alertmanager") else { return };
    run(async {
        let stage = Stage::new("alertmanager-alerts").await;
        stage.pagerduty.script(throttles());
        let receiver = format!(
            "\x20 opsgenie_configs:\n\
             \x20 - api_key: {ALERTS}\n\
             \x20   api_url: {}\n\
             \x20   update_alerts: true\n\
             \x20   priority: P3\n",
            stage.server.url("/opsgenie/")
        );
        let (_alertmanager, log, address) = alertmanager(&program, &stage.folder, &receiver);
        let mut alert = json!({"labels": {"alertname": "DiskFull", "instance": "db-1:9100"}});
        post(address, "/api/v2/alerts", &json!([alert])).await;
        // The alert, and its message and description.
        assert_eq!(log.after(SUCCESS), "2");
        assert_eq!(stage.statuses(), [503, 202, 202, 202]);
        let answers = stage.answers();
        assert!(warns(&answers[2], "message") && warns(&answers[3], "description"), "{answers:?}");
        assert_eq!(stage.accepted(), ["trigger"]);

        alert["endsAt"] = now().into();
        post(address, "/api/v2/alerts", &json!([alert])).await;
        assert_eq!(log.after(SUCCESS), "1");
        assert_eq!(stage.statuses(), [503, 202, 202, 202, 202]);
        assert_eq!(stage.accepted(), ["trigger", "resolve"]);
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["payload"]["severity"], "warning");
        stage.check(SERVICE_KEY, trigger["dedup_key"].as_str().expect("a dedup key"));
    });
}

/// Whether an answer has a warning that names this action.
fn warns(answer: &Value, action: &str) -> bool {
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    warnings.filter_map(Value::as_str).any(|warning| warning.contains(action))
}

/// Checks what the SDK told its caller: each action was accepted and has succeeded, for the alert with this alias.
fn check_told(said: &[Step], alias: &str) {
    let id = &said[0].returned()["alertId"];
    assert!(id.as_str().is_some_and(|id| !id.is_empty()), "{said:?}");
    for step in &said[..4] {
        let returned = step.returned();
        assert!(returned["requestId"].as_str().is_some_and(|id| !id.is_empty()), "{step:?}");
        assert_eq!(returned["result"], "Request will be processed", "{step:?}");
        if step.name != "note" {
            assert_eq!(returned["success"], true, "{step:?}");
            assert_eq!([&returned["alertId"], &returned["alias"]], [id, &json!(alias)], "{step:?}");
        }
    }
}
