//! Real senders: other projects' programs, configured as their own docs say, send to the component.
//!
//! If a sender is not installed, its test is skipped with a message. With `PAGERELAY_SENDERS=all`, as in `.ci/run`, it
//! fails instead.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::keyvalue::KeyValue;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Clock, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{SECRET, run};
use serde_json::{Value, json};

use crate::programs::{
    Family, Folder, Process, STEP, alertmanager, alertmanager_repeating, installed, post, wait_for, wait_for_key,
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
        let file = |name: &str| folder.path(name);
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

/// The configuration follows Icinga 2's documentation of version 2.13: the chapters Monitoring Basics (notifications and
/// their commands), Object Types (`CheckerComponent`, `NotificationComponent`, `ExternalCommandListener`) and Language
/// Reference (the constants that `--define` may set). The notification command is that of our own setup.
#[test]
fn icinga_opens_an_alert_about_a_host_acknowledges_it_and_closes_it() {
    let (Some(program), Some(_curl)) = (installed("icinga2"), installed("curl")) else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let folder = Folder::new("icinga");
        let macros = documented_macros("Icinga 2:");
        let macros: Vec<&str> = macros.into_iter().filter(|text| !text.starts_with("service_")).collect();
        let page = notification_command(&folder, &server, &macros);
        let check = ["sh", &check(&folder, "PING CRITICAL - 100% & <closing>", 2)];
        folder.write(
            "icinga2.conf",
            &format!(
                "object CheckerComponent \"checker\" {{}}\n\
                 object NotificationComponent \"notification\" {{}}\n\
                 object ExternalCommandListener \"command\" {{ command_path = {commands:?} }}\n\
                 object CheckCommand \"check\" {{ command = {check:?} }}\n\
                 object NotificationCommand \"page\" {{ command = {page:?} }}\n\
                 object User \"oncall\" {{}}\n\
                 object Host \"db-1\" {{\n\
                 \x20 check_command = \"check\"\n\
                 \x20 check_interval = 1s\n\
                 \x20 retry_interval = 1s\n\
                 \x20 max_check_attempts = 2\n\
                 }}\n\
                 object Notification \"page\" {{ host_name = \"db-1\", command = \"page\", users = [ \"oncall\" ] }}\n",
                commands = folder.path("commands"),
            ),
        );
        let mut icinga = Command::new(program);
        icinga.args(["daemon", "--config", &folder.path("icinga2.conf")]);
        for constant in ["CacheDir", "DataDir", "InitRunDir", "LogDir", "SpoolDir"] {
            icinga.args(["--define", &format!("{constant}={}", folder.0.display())]);
        }
        for (constant, option) in [("RunAsUser", "-un"), ("RunAsGroup", "-gn")] {
            icinga.args(["--define", &format!("{constant}={}", me(option).await)]);
        }
        let _icinga = Family::start(icinga);

        let trigger = wait_for(&pagerduty, "trigger").await;
        assert_eq!(trigger["dedup_key"], "icinga:db-1");
        assert_eq!(trigger["payload"]["summary"], "db-1 is DOWN: PING CRITICAL - 100% & <closing>");
        assert_eq!(trigger["payload"]["severity"], "critical");
        assert_eq!(trigger["payload"]["source"], "db-1");
        acknowledge_and_recover(&folder, "ACKNOWLEDGE_HOST_PROBLEM;db-1", &pagerduty, &trigger["dedup_key"]).await;
    });
}

/// The configuration follows the documentation of Nagios Core 4.4: the pages Main Configuration File Options and Object
/// Definitions. The notification command is that of our own setup.
#[test]
fn nagios_opens_an_alert_about_a_service_acknowledges_it_and_closes_it() {
    let (Some(program), Some(_curl)) = (installed("nagios4"), installed("curl")) else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let folder = Folder::new("nagios");
        let page = notification_command(&folder, &server, &documented_macros("Nagios:")).join(" ");
        // Nagios leaves out what a shell would run.
        let check = check(&folder, "DISK WARNING - `/var` is 91% full", 1);
        let file = |name: &str| folder.path(name);
        folder.write(
            "objects.cfg",
            &format!(
                "define command {{\n\
                 \x20 command_name check\n\
                 \x20 command_line sh {check}\n\
                 }}\n\
                 define command {{\n\
                 \x20 command_name page\n\
                 \x20 command_line {page}\n\
                 }}\n\
                 define contact {{\n\
                 \x20 contact_name oncall\n\
                 \x20 host_notification_options n\n\
                 \x20 host_notification_commands page\n\
                 \x20 service_notification_options w,u,c,r\n\
                 \x20 service_notification_commands page\n\
                 }}\n\
                 define host {{\n\
                 \x20 host_name db-1\n\
                 \x20 max_check_attempts 1\n\
                 \x20 contacts oncall\n\
                 }}\n\
                 define service {{\n\
                 \x20 host_name db-1\n\
                 \x20 service_description Disk of /var\n\
                 \x20 check_command check\n\
                 \x20 check_interval 1\n\
                 \x20 retry_interval 1\n\
                 \x20 max_check_attempts 2\n\
                 \x20 notification_interval 0\n\
                 \x20 contacts oncall\n\
                 }}\n"
            ),
        );
        folder.write(
            "nagios.cfg",
            &format!(
                // One unit of time is a second.
                "interval_length=1\n\
                 illegal_macro_output_chars=`~$&|'\"<>\n\
                 check_for_updates=0\n\
                 use_syslog=0\n\
                 nagios_user={user}\nnagios_group={group}\n\
                 temp_path={folder}\ncheck_result_path={folder}\n\
                 cfg_file={}\ncommand_file={}\nlock_file={}\nlog_file={}\nobject_cache_file={}\n\
                 query_socket={}\nstate_retention_file={}\nstatus_file={}\ntemp_file={}\n",
                file("objects.cfg"),
                file("commands"),
                file("lock"),
                file("log"),
                file("cache"),
                file("query"),
                file("retention"),
                file("status"),
                file("temporary"),
                user = me("-un").await,
                group = me("-gn").await,
                folder = folder.0.display(),
            ),
        );
        let mut nagios = Command::new(program);
        nagios.arg(file("nagios.cfg"));
        let _nagios = Family::start(nagios);

        let trigger = wait_for(&pagerduty, "trigger").await;
        assert_eq!(trigger["dedup_key"], "icinga:db-1:Disk of /var");
        assert_eq!(trigger["payload"]["summary"], "Disk of /var on db-1 is WARNING: DISK WARNING - /var is 91% full");
        assert_eq!(trigger["payload"]["severity"], "warning");
        assert_eq!(trigger["payload"]["source"], "db-1");
        let problem = "ACKNOWLEDGE_SVC_PROBLEM;db-1;Disk of /var";
        acknowledge_and_recover(&folder, problem, &pagerduty, &trigger["dedup_key"]).await;
    });
}

/// The fields that our own setup names for this monitor: all that it quotes in the monitor's line and that has a macro.
fn documented_macros(monitor: &str) -> Vec<&'static str> {
    setup_quotes(monitor).into_iter().filter(|text| text.contains("=$") || text.contains("=\"$")).collect()
}

/// All that our own setup quotes in the line of this monitor.
fn setup_quotes(monitor: &str) -> Vec<&'static str> {
    let mut lines = pagerelay::sources::icinga::SOURCE.setup.steps.lines();
    let line = lines.find(|line| line.trim_start().starts_with(monitor)).expect("the setup has this monitor");
    line.split('`').skip(1).step_by(2).collect()
}

/// The notification command of our own setup with these fields, as a list of arguments. Writes the file that it reads.
fn notification_command(folder: &Folder, server: &Server, fields: &[&str]) -> Vec<String> {
    let secret = "/etc/icinga2/pagerelay";
    folder.write("secret", &format!("X-Webhook-Secret: {SECRET}\n"));
    let command = setup_quotes("Icinga 2:")[0];
    assert!(command.starts_with("curl ") && command.contains(secret), "{command}");
    let command = command.replace(secret, &folder.path("secret"));
    let (command, option) = command.rsplit_once(' ').expect("the option for a field is last");
    let fields = fields.iter().flat_map(|field| [option, field]);
    let words = command.split(' ').chain(fields).map(str::to_owned);
    words.chain([server.url("/icinga")]).collect()
}

/// A script that checks whether the file `recovered` is there, and ends with this output and status if it is not.
fn check(folder: &Folder, output: &str, status: u8) -> String {
    let recovered = folder.path("recovered");
    folder
        .write("check", &format!("if [ -e '{recovered}' ]; then echo fine; else echo '{output}'; exit {status}; fi\n"));
    folder.path("check")
}

/// The name of the user (`-un`) or the group (`-gn`) that runs this test. As root, the monitors change to another one
/// unless they are told who they are.
async fn me(option: &str) -> String {
    let mut id = Command::new("id");
    id.arg(option);
    Process::output(id).await.trim().to_owned()
}

/// Has a person acknowledge the problem in the monitor, then ends the problem. The one alert of PagerDuty follows.
async fn acknowledge_and_recover(folder: &Folder, command: &str, pagerduty: &PagerDuty, key: &Value) {
    let status = || {
        let alerts = pagerduty.alerts();
        let [(only, alert)] = &*alerts.iter().collect::<Vec<_>>() else { panic!("one alert: {alerts:?}") };
        assert_eq!((only.as_str(), alert.opened, alert.triggers), (key.as_str().expect("text"), 1, 1));
        alert.status
    };
    assert_eq!(status(), "triggered");
    // The monitor makes this pipe when it starts. A writer that can read too never waits for a reader.
    let mut pipe = OpenOptions::new().read(true).write(true).open(folder.0.join("commands")).expect("a pipe");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    pipe.write_all(format!("[{now}] {command};2;1;0;oncall;looking into it\n").as_bytes()).expect("a short line");
    wait_for_key(pagerduty, "acknowledge", key).await;
    assert_eq!(status(), "acknowledged");
    folder.write("recovered", "");
    wait_for_key(pagerduty, "resolve", key).await;
    assert_eq!(status(), "resolved");
    assert_eq!(pagerduty.received().iter().filter(|received| received.status != 202).count(), 0);
}
