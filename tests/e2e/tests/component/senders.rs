//! Real senders: other projects' programs, configured as their own docs say, send to the component.
//!
//! If a sender is not installed, its test is skipped with a message. With `PAGERELAY_SENDERS=all`, as in `.ci/run`, it
//! fails instead.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{SECRET, run};
use serde_json::{Value, json};

/// The timeout for one step of a sender. It is a limit and not a pause: the test continues as soon as the event
/// arrives.
const STEP: Duration = Duration::from_secs(60);

#[test]
fn alertmanager_opens_an_alert_and_closes_it() {
    let Some(program) = installed("prometheus-alertmanager") else { return };
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let folder = Folder::new("alertmanager");
        folder.write(
            "alertmanager.yml",
            &format!(
                "route: {{receiver: pagerelay, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\n\
                 receivers:\n\
                 - name: pagerelay\n\
                 \x20 webhook_configs:\n\
                 \x20 - url: {}\n\
                 \x20   http_config: {{authorization: {{credentials: {SECRET}}}}}\n",
                server.url("/alertmanager")
            ),
        );
        let mut alertmanager = Command::new(program);
        alertmanager
            .arg(format!("--config.file={}", folder.0.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", folder.0.join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="]);
        let alertmanager = Process::start(alertmanager);
        let address = alertmanager.read_address("msg=\"Listening on\" address=");

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

async fn wait_for(pagerduty: &PagerDuty, action: &str) -> Value {
    let found = pagerduty.wait_for(|received| received.event["event_action"] == action);
    tokio::time::timeout(STEP, found).await.unwrap_or_else(|_| panic!("no {action} within {STEP:?}")).event
}

async fn wait_for_key(pagerduty: &PagerDuty, action: &str, key: &Value) {
    let found =
        pagerduty.wait_for(|received| received.event["event_action"] == action && received.event["dedup_key"] == *key);
    tokio::time::timeout(STEP, found).await.unwrap_or_else(|_| panic!("no {action} of {key} within {STEP:?}"));
}

/// The path of a program. If it is missing, prints that the test is skipped.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("PAGERELAY_SENDERS").is_none(), "{program} is not installed");
        writeln!(std::io::stderr(), "{program}: skipped, it is not installed").expect("standard error is open");
    }
    found
}

/// A sender that runs until it is dropped.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> Process {
        Process(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the sender starts"))
    }

    /// The address in the line of the sender's log after `mark`. Continues to read the log, so that the pipe never
    /// fills up.
    fn read_address(&self, mark: &'static str) -> SocketAddr {
        let (sender, receiver) = std::sync::mpsc::channel();
        // The child's end of the pipe closes when the child ends, and then the thread ends too.
        let log = self.0.stderr.as_ref().expect("piped");
        let log = std::os::fd::AsFd::as_fd(log).try_clone_to_owned().expect("a second handle");
        std::thread::spawn(move || {
            for line in BufReader::new(std::fs::File::from(log)).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once(mark) {
                    let address = rest.split_whitespace().next().unwrap_or_default().to_owned();
                    // The receiver may be gone, because it has what it needed.
                    let _ = sender.send(address);
                }
            }
        });
        let address = receiver.recv_timeout(STEP).expect("the sender says where it listens");
        address.parse().expect("an address")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder for one test, removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the target folder is writable");
        Folder(folder)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("the target folder is writable");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Leftovers are in the target folder, which anybody may delete.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn post(address: SocketAddr, path: &str, body: &Value) {
    let stream = tokio::net::TcpStream::connect(address).await.expect("the sender listens");
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("the sender speaks http");
    tokio::spawn(connection);
    let request = hyper::Request::post(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request");
    let response = client.send_request(request).await.expect("the sender answers");
    let status = response.status();
    let said = response.into_body().collect().await.expect("an answer").to_bytes();
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&said));
}
