//! Clients of PagerDuty's Events API, versions 1 and 2.

use pagerelay_e2e::{SERVICE_KEY, run};
use serde_json::{Value, json};

use super::{CHECKOUT_KEY, Client, EVENTS, EVENTS_OF_CHECKOUT, SUCCESS, Stage, now, throttles};
use crate::programs::{alertmanager, installed, post, wait_for};

#[test]
fn python_pagerduty_speaks_https_and_sends_again_while_pagerduty_throttles() {
    let Some(client) = Client::Python("pagerduty", "pagerduty").command() else { return };
    run(async {
        let stage = Stage::secure("pagerduty").await;
        stage.pagerduty.script(throttles());
        let steps = ["trigger", "acknowledge", "resolve", "change", "wrong_key"];
        let said = stage.call(client, "/events/checkout", EVENTS, &steps).await;
        assert_eq!(stage.statuses(), [503, 202, 202, 202, 202, 401]);
        assert_eq!(stage.accepted(), [json!("trigger"), json!("acknowledge"), json!("resolve"), Value::Null]);
        // Its caller gave no key, and acknowledges and resolves with the key of the answer.
        let key = said[0].returned().as_str().expect("a dedup key");
        assert_eq!([said[1].returned(), said[2].returned()], [key, key]);
        assert_eq!(said[3].returned(), &Value::Null);
        assert!(said[4].error().contains("401"), "{}", said[4].error());
        stage.check(CHECKOUT_KEY, key);
        assert_eq!(stage.pagerduty.changes().len(), 1);
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["payload"]["severity"], "error");
        assert_eq!(trigger["payload"]["source"], "db-1");
        assert_eq!(trigger["payload"]["custom_details"]["used"]["percent"], 97);
    });
}

#[test]
fn pdpyras_reaches_a_service_by_its_key_alone_and_sends_again_while_pagerduty_throttles() {
    let Some(client) = Client::Python("pdpyras", "pdpyras").command() else { return };
    run(async {
        let stage = Stage::new("pdpyras").await;
        stage.pagerduty.script(throttles());
        let steps = ["trigger", "acknowledge", "resolve", "change", "wrong_key"];
        let said = stage.call(client, "", EVENTS_OF_CHECKOUT, &steps).await;
        assert_eq!(stage.statuses(), [503, 202, 202, 202, 202, 401]);
        let key = "db-1/the disk is full";
        assert!(said[..3].iter().all(|step| step.returned() == key), "{said:?}");
        assert!(said[4].error().contains("401"), "{}", said[4].error());
        stage.check(CHECKOUT_KEY, key);
        assert_eq!(stage.pagerduty.changes().len(), 1);
    });
}

#[test]
fn pypd_tells_its_caller_that_pagerduty_throttles_and_closes_what_it_opened() {
    let Some(client) = Client::Python("pypd", "pypd").command() else { return };
    run(async {
        let stage = Stage::new("pypd").await;
        stage.pagerduty.script(throttles());
        // It ends its URL with a slash, and sends an Authorization header of another API.
        let steps = ["trigger", "trigger", "acknowledge", "resolve", "wrong_key"];
        let said = stage.call(client, "/events", EVENTS, &steps).await;
        assert_eq!(stage.statuses(), [503, 202, 202, 202, 401]);
        assert!(said[0].error().contains("UnknownError (503)"), "{}", said[0].error());
        let key = said[1].returned().as_str().expect("a dedup key");
        assert_eq!([said[2].returned(), said[3].returned()], [key, key]);
        assert!(said[4].error().contains("BadRequest (401)"), "{}", said[4].error());
        stage.check(SERVICE_KEY, key);
    });
}

#[test]
fn pypd_opens_and_closes_an_alert_by_version_1() {
    let Some(client) = Client::Python("pypd_v1", "pypd").command() else { return };
    run(async {
        let stage = Stage::new("pypd-v1").await;
        let steps = ["trigger", "acknowledge", "resolve", "wrong_key"];
        let said = stage.call(client, "/events", EVENTS, &steps).await;
        assert_eq!(stage.statuses(), [200, 200, 200, 401]);
        let key = said[0].returned().as_str().expect("an incident key");
        assert_eq!([said[1].returned(), said[2].returned()], [key, key]);
        assert!(said[3].error().contains("BadRequest (401)"), "{}", said[3].error());
        stage.check(SERVICE_KEY, key);
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["payload"]["summary"], "The disk of db-1 is full");
        assert_eq!(trigger["payload"]["custom_details"]["used"], "97 %");
    });
}

#[test]
fn pygerduty_tells_its_caller_that_pagerduty_throttles_and_closes_what_it_opened_by_version_1() {
    let Some(client) = Client::Python("pygerduty", "pygerduty").command() else { return };
    run(async {
        let stage = Stage::new("pygerduty").await;
        stage.pagerduty.script(throttles());
        let steps = ["trigger", "trigger", "acknowledge", "resolve", "wrong_key"];
        let said = stage.call(client, "", EVENTS, &steps).await;
        assert_eq!(stage.statuses(), [503, 200, 200, 200, 401]);
        assert!(said[0].error().contains("503"), "{}", said[0].error());
        let key = said[1].returned().as_str().expect("an incident key");
        assert_eq!([said[2].returned(), said[3].returned()], [key, key]);
        assert!(said[4].error().contains("401"), "{}", said[4].error());
        stage.check(SERVICE_KEY, key);
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["client"], "db-1");
        let link = json!({"href": "https://runbooks.shop.example/disk", "text": "Runbook"});
        assert_eq!(trigger["links"], json!([link]));
    });
}

#[test]
fn pdjs_speaks_https_and_tells_its_caller_that_pagerduty_throttles() {
    let Some(client) = Client::Node("@pagerduty/pdjs").command() else { return };
    run(async {
        let stage = Stage::secure("pdjs").await;
        stage.pagerduty.script(throttles());
        let steps = ["trigger", "trigger", "acknowledge", "resolve", "change", "wrong_key"];
        let said = stage.call(client, "/events", EVENTS, &steps).await;
        assert_eq!(stage.statuses(), [503, 202, 202, 202, 202, 401]);
        // It sends again after a 429 alone.
        assert!(said[0].error().starts_with("Error: 503: "), "{}", said[0].error());
        let key = said[1].returned().as_str().expect("a dedup key");
        assert_eq!([said[2].returned(), said[3].returned()], [key, key]);
        assert_eq!(said[4].returned(), "success");
        assert!(said[5].error().starts_with("Error: 401: "), "{}", said[5].error());
        stage.check(SERVICE_KEY, key);
        assert_eq!(stage.pagerduty.changes().len(), 1);
    });
}

#[test]
fn alertmanager_opens_and_closes_an_alert_as_for_pagerduty_and_sends_again_while_pagerduty_throttles() {
    let Some(program) = installed("prometheus-alertmanager") else { return };
    run(async {
        let stage = Stage::new("alertmanager-events").await;
        stage.pagerduty.script(throttles());
        let receiver = format!(
            "\x20 pagerduty_configs:\n\
             \x20 - routing_key: {EVENTS}\n\
             \x20   url: {}\n",
            stage.server.url("/events/checkout/v2/enqueue")
        );
        let (_alertmanager, log, address) = alertmanager(&program, &stage.folder, &receiver);
        let mut alert = json!({"labels": {"alertname": "DiskFull", "instance": "db-1:9100"}});
        post(address, "/api/v2/alerts", &json!([alert])).await;
        let trigger = wait_for(&stage.pagerduty, "trigger").await;
        assert_eq!(trigger["client"], "Alertmanager");
        assert_eq!(trigger["payload"]["severity"], "error");
        assert_eq!(log.after(SUCCESS), "2");

        alert["endsAt"] = now().into();
        post(address, "/api/v2/alerts", &json!([alert])).await;
        assert_eq!(log.after(SUCCESS), "1");
        assert_eq!(stage.statuses(), [503, 202, 202]);
        assert_eq!(stage.accepted(), ["trigger", "resolve"]);
        stage.check(CHECKOUT_KEY, trigger["dedup_key"].as_str().expect("a dedup key"));
    });
}
