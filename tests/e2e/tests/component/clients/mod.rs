//! Real clients of PagerDuty's Events API and Opsgenie's Alert API send to the component. They are unchanged but for the
//! URL and the key, which is the relay's secret.
//!
//! `bash tests/clients/install` installs them. If one is not installed, its test is skipped with a message. With
//! `PAGERELAY_SENDERS=all`, as in `.ci/run`, it fails instead. `tests/clients/drive.py` and `tests/clients/drive.mjs` call
//! them, and write what each call returned to its caller.

mod alerts;
mod events;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Alert, Answer, PagerDuty};
use pagerelay_e2e::runtime::{Reply, World, relay};
use pagerelay_e2e::server::{Server, Show};
use pagerelay_e2e::{ROUTING_KEY, SECRET, SERVICE_KEY, root};
use serde_json::{Value, json};

use crate::certificates::Authority;
use crate::programs::{Folder, Process, or_skipped};

/// The secret for clients of PagerDuty's Events API.
const EVENTS: &str = "the-clients-of-events-have-this-4c1e";

/// The secret for clients of PagerDuty's Events API that can set only a key. It names service `checkout`.
const EVENTS_OF_CHECKOUT: &str = "the-clients-of-checkout-have-this-d90a";

/// The secret for clients of Opsgenie's Alert API.
const ALERTS: &str = "the-clients-of-alerts-have-this-83b7";

/// The secret for clients of Opsgenie's Alert API that can set only a host and a key. It names service `checkout`.
const ALERTS_OF_CHECKOUT: &str = "the-clients-of-checkout-have-this-57f2";

/// The key of service `checkout`.
const CHECKOUT_KEY: &str = "e0pageRelayTestKey000000checkout";

/// All secrets of the relay's clients.
const SECRETS: [&str; 5] = [EVENTS, EVENTS_OF_CHECKOUT, ALERTS, ALERTS_OF_CHECKOUT, SECRET];

/// A client as its package installs it.
enum Client {
    /// The name in `tests/clients/drive.py`, and the package on PyPI.
    Python(&'static str, &'static str),
    /// The package on npm.
    Node(&'static str),
}

impl Client {
    /// The command that calls it, up to the client's name.
    fn command(&self) -> Option<Command> {
        let installed = root().join("target/clients");
        let driver = |name: &str| root().join("tests/clients").join(name);
        match self {
            Client::Python(name, package) => {
                let python = installed.join("venv/bin/python");
                let found = Some(python).filter(|python| python.is_file() && has_package(&installed, package));
                let mut command = Command::new(or_skipped(&format!("{package} of PyPI"), found)?);
                // One of the clients warns that it has a successor.
                command.args(["-W", "ignore"]).arg(driver("drive.py")).arg(name);
                Some(command)
            }
            Client::Node(package) => {
                let found = Some(&installed).filter(|folder| folder.join("node_modules").join(package).is_dir());
                let folder = or_skipped(&format!("{package} of npm"), found)?;
                let mut command = Command::new("node");
                command.arg("--no-deprecation").arg(driver("drive.mjs")).arg(folder).arg(package);
                Some(command)
            }
        }
    }
}

/// Whether a package of PyPI is in the folder of the clients.
fn has_package(installed: &std::path::Path, package: &str) -> bool {
    let start = format!("{}-", package.replace('-', "_"));
    let libraries = std::fs::read_dir(installed.join("venv/lib")).into_iter().flatten().flatten();
    let packages =
        libraries.flat_map(|python| std::fs::read_dir(python.path().join("site-packages")).into_iter().flatten());
    packages.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&start))
}

/// What a step of a client came to, for its caller.
#[derive(Debug)]
struct Step {
    name: String,
    outcome: Result<Value, String>,
}

impl Step {
    /// What the client returned.
    fn returned(&self) -> &Value {
        self.outcome.as_ref().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The error that the client raised.
    fn error(&self) -> &str {
        self.outcome.as_ref().expect_err(&self.name)
    }
}

/// PagerDuty, the relay before it, and what the relay told its clients.
struct Stage {
    pagerduty: PagerDuty,
    server: Server,
    replies: Arc<Mutex<Vec<Reply>>>,
    folder: Folder,
    certificate: Option<PathBuf>,
}

impl Stage {
    /// A stage for one client.
    async fn new(name: &str) -> Stage {
        Stage::set(name, false).await
    }

    /// The same, by https.
    async fn secure(name: &str) -> Stage {
        Stage::set(name, true).await
    }

    async fn set(name: &str, secure: bool) -> Stage {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url())
            // The retries of the clients are the subject.
            .with("retry_after_answer", "off")
            .with("routing_key", SERVICE_KEY)
            .with("routing_key_checkout", CHECKOUT_KEY)
            .with("services_events", "default checkout")
            .with("secret_events", EVENTS)
            .with("secret_events_checkout", EVENTS_OF_CHECKOUT)
            .with("services_opsgenie", "default checkout")
            .with("secret_opsgenie", ALERTS)
            .with("secret_opsgenie_checkout", ALERTS_OF_CHECKOUT);
        let replies = Arc::<Mutex<Vec<Reply>>>::default();
        let show: Show = {
            let replies = Arc::clone(&replies);
            Arc::new(move |reply: &Reply| replies.lock().unwrap().push(reply.clone()))
        };
        let folder = Folder::new(name);
        let component = relay(Flavour::Spin);
        let (server, certificate) = if secure {
            let authority = Authority::new();
            folder.write("ca.pem", &authority.pem);
            (Server::secure(component, world, Some(show), authority.tls).await, Some(folder.0.join("ca.pem")))
        } else {
            (Server::start(component, world, 0, Some(show)).await, None)
        };
        Stage { pagerduty, server: server.expect("a free port on loopback"), replies, folder, certificate }
    }

    /// Calls a client step by step. `path` is its base URL's, and `key` the relay's secret.
    async fn call(&self, mut command: Command, path: &str, key: &str, steps: &[&str]) -> Vec<Step> {
        let ca = self.certificate.as_ref().map(|path| path.display().to_string());
        // A user who changes only the URL sends a real routing key.
        let settings = json!({"url": self.server.url(path), "key": key, "wrong_key": ROUTING_KEY, "ca": ca});
        if let Some(ca) = &ca {
            command.env("NODE_EXTRA_CA_CERTS", ca);
        }
        command.arg(settings.to_string()).args(steps);
        let text = Process::output(command).await;
        let steps_made: Vec<Step> = text.lines().map(read_step).collect();
        assert!(steps_made.iter().map(|step| step.name.as_str()).eq(steps.iter().copied()), "{text}");
        steps_made
    }

    /// The statuses of the relay's answers, in order.
    fn statuses(&self) -> Vec<u16> {
        self.replies.lock().unwrap().iter().map(|reply| reply.status).collect()
    }

    /// The answers of the relay as JSON, in order.
    fn answers(&self) -> Vec<Value> {
        self.replies.lock().unwrap().iter().map(Reply::json).collect()
    }

    /// What PagerDuty accepted, in order: the actions, or `null` for a change.
    fn accepted(&self) -> Vec<Value> {
        let received = self.pagerduty.received();
        received.iter().filter(|r| r.status == 202).map(|r| r.event["event_action"].clone()).collect()
    }

    /// Checks that PagerDuty has had one alert, with this key, that was opened once and is closed; that everything went
    /// there with the routing key of the relay; and that no secret is anywhere but at the client and the relay.
    fn check(&self, routing_key: &str, dedup_key: &str) {
        let closed = Alert { status: "resolved", triggers: 1, opened: 1 };
        let pair = (routing_key.to_owned(), dedup_key.to_owned());
        assert_eq!(self.pagerduty.alerts_by_key(), BTreeMap::from([(pair, closed)]));
        for received in self.pagerduty.received() {
            assert_eq!(received.event["routing_key"], routing_key);
            let all = format!("{received:?} {}", String::from_utf8_lossy(&received.bytes));
            assert_has_none(&all, &[&SECRETS[..], &[ROUTING_KEY]].concat());
        }
        for reply in self.replies.lock().unwrap().iter() {
            let all = format!("{:?} {} {}", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
            assert_has_none(&all, &[&SECRETS[..], &[ROUTING_KEY, SERVICE_KEY, CHECKOUT_KEY]].concat());
        }
    }
}

fn assert_has_none(text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

fn read_step(line: &str) -> Step {
    let said: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not a step: {line}"));
    let outcome = match said["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(said["returned"].clone()),
    };
    Step { name: said["step"].as_str().expect("a name").to_owned(), outcome }
}

/// What a PagerDuty answers that throttles. The relay does not try again by itself.
fn throttles() -> [Answer; 1] {
    [Answer::say(429, "")]
}

/// What stands before the number of attempts in Alertmanager's log after it has delivered a notification.
const SUCCESS: &str = "msg=\"Notify success\" attempts=";

/// The time, as Alertmanager's API takes it.
fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    pagerelay::text::epoch(now).expect("a time")
}
