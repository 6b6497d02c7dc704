//! Other projects' programs beside the component: how they are found, started and ended.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use pagerelay_e2e::pagerduty::PagerDuty;
use serde_json::Value;

/// The timeout for one step of a sender. It is a limit and not a pause: the test continues as soon as the event
/// arrives.
pub(crate) const STEP: Duration = Duration::from_secs(60);

/// Waits until PagerDuty has accepted an event with this action, and returns it.
pub(crate) async fn wait_for(pagerduty: &PagerDuty, action: &str) -> Value {
    let found = pagerduty.wait_for(|received| received.status == 202 && received.event["event_action"] == action);
    tokio::time::timeout(STEP, found).await.unwrap_or_else(|_| panic!("no {action} within {STEP:?}")).event
}

/// Waits until PagerDuty has received an event with this action and dedup key.
pub(crate) async fn wait_for_key(pagerduty: &PagerDuty, action: &str, key: &Value) {
    let found =
        pagerduty.wait_for(|received| received.event["event_action"] == action && received.event["dedup_key"] == *key);
    tokio::time::timeout(STEP, found).await.unwrap_or_else(|_| panic!("no {action} of {key} within {STEP:?}"));
}

/// The path of a program. If it is missing, prints that the test is skipped.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has daemons there, and not in the path of users.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    or_skipped(program, found)
}

/// What was found of a program. If it is nothing, prints that the test is skipped, or fails where nothing may be.
pub(crate) fn or_skipped<T>(program: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        assert!(std::env::var_os("PAGERELAY_SENDERS").is_none(), "{program} is not installed");
        writeln!(std::io::stderr(), "SKIPPED: {program} is not installed").expect("standard error is open");
    }
    found
}

/// Starts Alertmanager with this one receiver, and returns its log and the address of its API.
pub(crate) fn alertmanager(program: &Path, folder: &Folder, receiver: &str) -> (Process, Log, SocketAddr) {
    alertmanager_repeating(program, folder, "4h", receiver)
}

/// Like [`alertmanager`], with another interval in which it sends what still fires.
pub(crate) fn alertmanager_repeating(
    program: &Path,
    folder: &Folder,
    interval: &str,
    receiver: &str,
) -> (Process, Log, SocketAddr) {
    folder.write(
        "alertmanager.yml",
        &format!(
            "route: {{receiver: pagerelay, group_by: [alertname], group_wait: 0s, group_interval: 1s, \
             repeat_interval: {interval}}}\n\
             receivers:\n\
             - name: pagerelay\n{receiver}"
        ),
    );
    let mut alertmanager = Command::new(program);
    alertmanager
        .arg(format!("--config.file={}", folder.0.join("alertmanager.yml").display()))
        .arg(format!("--storage.path={}", folder.0.join("data").display()))
        .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.level=debug"]);
    let mut alertmanager = Process::start(alertmanager);
    let log = alertmanager.log();
    let address = log.after("msg=\"Listening on\" address=").parse().expect("an address");
    (alertmanager, log, address)
}

/// A sender that runs until it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Process {
        Process(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the sender starts"))
    }

    /// Runs a program that ends by itself within [`STEP`], and returns what it wrote to standard output.
    pub(crate) async fn output(mut command: Command) -> String {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("the program starts");
        let mut process = Process(child);
        let pipe = process.0.stdout.take().expect("piped");
        let text = tokio::task::spawn_blocking(|| std::io::read_to_string(pipe));
        let text = tokio::time::timeout(STEP, text).await.unwrap_or_else(|_| panic!("{command:?} does not end"));
        let status = process.0.wait().expect("our own child");
        assert!(status.success(), "{command:?}: {status}");
        text.expect("it was not cancelled").expect("UTF-8")
    }

    /// The sender's log from now on. It is read to its end, so that the pipe never fills up.
    pub(crate) fn log(&mut self) -> Log {
        let (sender, receiver) = std::sync::mpsc::channel();
        // The child's end of the pipe closes when the child ends, and then the thread ends too.
        let log = self.0.stderr.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                // The receiver may be gone, because it has what it needed.
                let _ = sender.send(line);
            }
        });
        Log(receiver)
    }
}

/// What a sender writes to its log.
pub(crate) struct Log(Receiver<String>);

impl Log {
    /// The word after `mark` in the next line that has it.
    pub(crate) fn after(&self, mark: &str) -> String {
        let end = Instant::now() + STEP;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            let line = self.0.recv_timeout(rest).unwrap_or_else(|_| panic!("no line with {mark} within {STEP:?}"));
            if let Some((_, rest)) = line.split_once(mark) {
                return rest.split_whitespace().next().unwrap_or_default().to_owned();
            }
        }
    }

    /// Reads until every process that can write to this log has ended, or [`STEP`] is over.
    fn end(&self) {
        let end = Instant::now() + STEP;
        while self.0.recv_timeout(end.saturating_duration_since(Instant::now())).is_ok() {}
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sender that starts processes of its own. It runs until it is dropped. These processes outlive it if it is killed, so
/// it is asked to end.
pub(crate) struct Family {
    process: Process,
    log: Log,
}

impl Family {
    pub(crate) fn start(command: Command) -> Family {
        let mut process = Process::start(command);
        let log = process.log();
        Family { process, log }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // It has not been waited for, so nothing else has its id, even if it has ended by itself.
        let id = self.process.0.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status();
        // All of them have inherited the log. What does not end in time is killed with the process.
        self.log.end();
    }
}

/// A folder for one test, removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("the target folder is writable");
        Folder(folder)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("the target folder is writable");
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Leftovers are in the target folder, which anybody may delete.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn post(address: SocketAddr, path: &str, body: &Value) {
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
