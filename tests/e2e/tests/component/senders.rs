//! Real senders: other projects' programs, configured as their own docs say, send to the component.
//!
//! If a sender is not installed, its test is skipped with a message. With `PAGERELAY_SENDERS=all`, as in `.ci/run`, it
//! fails instead.

use std::process::Command;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::keyvalue::KeyValue;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Clock, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{SECRET, run};
use serde_json::{Value, json};

use crate::programs::{
    Folder, Process, STEP, alertmanager, alertmanager_repeating, installed, post, wait_for, wait_for_key,
};

#[test]
fn alertmanager_opens_an_alert_and_closes_it() {
    let Some(program) = installed("prometheus-alertmanager") else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let folder = Folder::new("alertmanager");
        let receiver = format!(
            "\x20 webhook_configs:\n\
             \x20 - url: {}\n\
             \x20   http_config: {{authorization: {{credentials: {SECRET}}}}}\n",
            server.url("/alertmanager")
        );
        let (_alertmanager, _log, address) = alertmanager(&program, &folder, &receiver);

        let mut alert = json!({
            "labels": {"alertname": "DiskFull", "instance": "db-1:9100", "severity": "critical"},
            "annotations": {"summary": "The disk of db-1 is full & <closing>"},
            "generatorURL": "http://prometheus.test/graph?g0.expr=disk",
        });
        post(address, "/api/v2/alerts", &json!([alert])).await;
        let trigger = wait_for(&pagerduty, "trigger").await;
        assert_eq!(trigger["payload"]["summary"], "The disk of db-1 is full & <closing>");
        assert_eq!(trigger["payload"]["severity"], "critical");
        assert_eq!(trigger["payload"]["source"], "db-1:9100");
        assert_eq!(trigger["client"], "Alertmanager");

        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        alert["endsAt"] = pagerelay::text::epoch(now).expect("a time").into();
        post(address, "/api/v2/alerts", &json!([alert])).await;
        // An event that would close a digest is sent concurrently, and either may arrive first.
        wait_for_key(&pagerduty, "resolve", &trigger["dedup_key"]).await;
        let alerts = pagerduty.alerts();
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!(alerts[trigger["dedup_key"].as_str().expect("text")].status, "resolved");
        assert_eq!(pagerduty.received().iter().filter(|received| received.status != 202).count(), 0);
    });
}

#[test]
fn alertmanagers_watchdog_pages_once_when_it_stops_and_resolves_when_it_is_back() {
    const OWN: &str = "beats-0123456789abcdef";
    let Some(program) = installed("prometheus-alertmanager") else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let (store, clock) = (KeyValue::default(), Clock::at(now));
        let world = World { store: Some(store.clone()), clock: Some(clock.clone()), ..World::new(&pagerduty.url()) };
        let world = world.with("secret_heartbeat", OWN).with("heartbeat_watchdog", "5m+2m");
        let server =
            Server::start(relay(Flavour::Spin), world.clone(), 0, None).await.expect("a free port on loopback");
        let receiver = format!(
            "\x20 webhook_configs:\n\
             \x20 - url: {}\n\
             \x20   send_resolved: false\n\
             \x20   http_config: {{authorization: {{credentials: {OWN}}}}}\n",
            server.url("/heartbeat/watchdog")
        );
        let watchdog = json!([{"labels": {"alertname": "Watchdog", "severity": "none"}, "annotations": {"summary": "I am alive"}}]);
        let tick = async || {
            clock.forward(60);
            let reply = relay(Flavour::Spin).call(&world, Call::stranger("GET", "/tick", "")).await.expect("a reply");
            assert_eq!(reply.status, 200, "{}", reply.log);
        };
        let beat = |after: u64| {
            move |value: &[u8]| {
                let beat: Value = serde_json::from_slice(value).unwrap_or_default();
                beat["at"].as_u64().is_some_and(|at| at > after)
            }
        };
        let folder = Folder::new("watchdog");
        {
            let (_alertmanager, _log, address) = alertmanager_repeating(&program, &folder, "1s", &receiver);
            post(address, "/api/v2/alerts", &watchdog).await;
            tokio::time::timeout(STEP, store.wait_for("pr1.beat.watchdog", beat(0))).await.expect("a sign of life");
            tick().await;
        }
        // It has stopped.
        assert!(pagerduty.received().is_empty(), "{:?}", pagerduty.received());
        clock.forward(7 * 60);
        for _ in 0..3 {
            tick().await;
        }
        let alert = |status: &str| {
            let alerts = pagerduty.alerts();
            let [(key, alert)] = &*alerts.iter().collect::<Vec<_>>() else { panic!("one alert: {alerts:?}") };
            assert_eq!((key.as_str(), alert.status, alert.triggers), ("pagerelay:heartbeat:watchdog", status, 1));
        };
        alert("triggered");
        let stopped = u64::try_from((now + clock.elapsed()).as_millis()).expect("this century") + 60_000;
        let (_alertmanager, _log, address) = alertmanager_repeating(&program, &folder, "1s", &receiver);
        post(address, "/api/v2/alerts", &watchdog).await;
        tokio::time::timeout(STEP, store.wait_for("pr1.beat.watchdog", beat(stopped))).await.expect("a sign of life");
        tick().await;
        alert("resolved");
    });
}

#[test]
fn monit_opens_an_alert_through_a_script_of_its_user_and_closes_it() {
    let (Some(program), Some(curl)) = (installed("monit"), installed("curl")) else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let folder = Folder::new("monit");
        let file = |name: &str| folder.0.join(name).display().to_string();
        // The method for other services in its manual: a program that runs with MONIT_… in its environment.
        folder.write(
            "page",
            &format!(
                "#!/bin/sh\n\
                 exec {} --silent --header 'X-Webhook-Secret: {SECRET}' --header 'Content-Type: application/json' \\\n\
                 --data \"{{\\\"alert_uid\\\": \\\"$MONIT_SERVICE\\\", \\\"title\\\": \\\"$MONIT_SERVICE: $MONIT_DESCRIPTION\\\", \
                 \\\"state\\\": \\\"$1\\\", \\\"severity\\\": \\\"high\\\"}}\" {}\n",
                curl.display(),
                server.url("/formatted")
            ),
        );
        folder.write(
            "monitrc",
            &format!(
                "set daemon 1\n\
                 set idfile {}\nset statefile {}\nset pidfile {}\n\
                 check file backup with path {}\n\
                 \x20 if does not exist then exec \"{page} alerting\" else if succeeded then exec \"{page} ok\"\n",
                file("id"),
                file("state"),
                file("pid"),
                file("backup"),
                page = file("page"),
            ),
        );
        for (name, mode) in [("page", 0o700), ("monitrc", 0o600)] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(folder.0.join(name), mode).expect("our own file");
        }
        let mut monit = Command::new(program);
        monit.args(["-I", "-c", &file("monitrc")]);
        let _monit = Process::start(monit);

        let trigger = wait_for(&pagerduty, "trigger").await;
        assert_eq!(trigger["dedup_key"], "formatted:backup");
        assert_eq!(trigger["payload"]["summary"], "backup: file doesn't exist");
        assert_eq!(trigger["payload"]["severity"], "error");
        folder.write("backup", "done");
        wait_for_key(&pagerduty, "resolve", &trigger["dedup_key"]).await;
        assert_eq!(pagerduty.alerts()["formatted:backup"].status, "resolved");
    });
}
