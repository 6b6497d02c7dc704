//! The commands of the README and the guide, as they are printed there, against the component on localhost.
//!
//! `tests/native/blocks.rs` holds that every other block is read, or says why nothing runs it.

use std::collections::BTreeMap;

use pagerelay_e2e::blocks::{self, Block};
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::rest::{Rest, TOKEN};
use pagerelay_e2e::runtime::{Call, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{OWN_SECRET, SECRET, SERVICE_KEY, evidence, group, root, run};
use serde_json::Value;

use crate::shell::{Shell, filled, on_spin, on_wasmtime};

/// The secrets of the control endpoints.
const SECRET_CHECK: &str = "checking-has-its-own-secret-77aa";
const SECRET_ACT: &str = "acting-has-its-own-secret-1c0d9e";

/// The dedup key in the guide's example of `/act`.
const KEY: &str = "alertmanager:2f1c9b0e5d7a4836";

/// The template of the guide's page about templates.
fn template() -> String {
    let blocks = blocks::of("src/guide/templates.md");
    blocks.into_iter().find(|block| block.language == "json").expect("the page begins with a template").text
}

/// A folder with the files that the commands name.
fn shell(name: &str) -> Shell {
    let shell = Shell::new(name);
    shell.write("payload.json", &group(1));
    shell.write("template.json", &template());
    shell.write("settings.json", &format!(r#"{{"webhook_secret": "{SECRET}", "routing_key": "{SERVICE_KEY}"}}"#));
    shell.write("runtime-config.toml", "");
    shell.write("relay.log", r#"{"source": "opsgenie", "agent": "Alertmanager/0.25.0", "service": null}"#);
    shell.write("pagerelay-wasmtime.wasm", "");
    shell.run("sha256sum -- *.json > SHA256SUMS", &[]).expect("sha256sum is there");
    shell
}

/// Runs the commands of a block. Returns what they printed, and the variables of the runtime that they started.
fn run_block(block: &Block, name: &str, relay_url: &str) -> (String, BTreeMap<String, String>) {
    let shell = shell(name);
    if !block.text.contains("mkdir") {
        // As the guide's first commands leave them.
        std::fs::create_dir(shell.folder.join(".pagerelay")).expect("the target folder is writable");
        shell.write(".pagerelay/webhook_secret", &format!("{SECRET}\n"));
        shell.write(".pagerelay/routing_key", &format!("{SERVICE_KEY}\n"));
    }
    let script = filled(&block.script()).replace("https://relay.example.com", relay_url);
    let variables = [("SECRET", SECRET), ("SECRET_CHECK", SECRET_CHECK), ("SECRET_ACT", SECRET_ACT)];
    let said = shell.run(&script, &variables).unwrap_or_else(|error| panic!("{}: {error}\n{script}", block.at));
    let printed = std::fs::read_to_string(shell.folder.join("task.md")).unwrap_or_default();
    (said + &printed, shell.recorded())
}

#[test]
fn every_command_of_the_readme_and_the_guide_runs() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let rest = Rest::start().await;
        rest.service("PSHOP00", "Shop", "active", &[SERVICE_KEY]);
        rest.incident("PINC000", "triggered", KEY, "PSHOP00");
        let world = World::new(&pagerduty.url()).with("routing_key_payments", SERVICE_KEY);
        let world = world.with("secret_check", SECRET_CHECK).with("secret_act", SECRET_ACT);
        let world = world.with("api_url", &rest.url()).with("api_token", TOKEN);
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let manifest = std::fs::read_to_string(root().join("spin.toml")).expect("the manifest is there");
        let manifest: toml::Table = manifest.parse().expect("toml");

        let (mut requests, mut starts, mut others) = (0, 0, 0);
        for (number, block) in blocks::all().into_iter().enumerate() {
            if block.language != "console" || block.marker.is_some() {
                continue;
            }
            let (name, url) = (number.to_string(), server.url(""));
            let (at, asked) = (block.at.clone(), block.text.contains("curl"));
            // A thread of its own, because the server needs this one.
            let done = tokio::task::spawn_blocking(move || run_block(&block, &name, &url)).await;
            let (said, given) = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            if asked {
                requests += 1;
                assert!(said.contains('{') || said.contains('#') || said.contains("ok"), "{at}: {said}");
                assert!(!said.contains("\"status\":4") && !said.contains("\"status\":5"), "{at}: {said}");
            }
            if given.is_empty() {
                others += usize::from(!asked);
                continue;
            }
            starts += 1;
            started(&at, &manifest, given, &pagerduty).await;
        }
        evidence(&format!("commands: {requests} blocks with requests, {starts} that start a runtime, {others} others"));
        assert!(requests >= 5 && starts >= 5, "{requests} {starts}");
        assert_eq!(rest.notes().len(), 1, "the example of /act added its note");
    });
}

/// Delivers an alert to the component with the variables that a command gave to its runtime.
async fn started(at: &str, manifest: &toml::Table, given: BTreeMap<String, String>, pagerduty: &PagerDuty) {
    // Azure's vault has the rest.
    let given = if given.values().all(|value| value.is_empty() || value.starts_with("https://")) {
        let settings = format!(r#"{{"webhook_secret": "{SECRET}", "routing_key": "{SERVICE_KEY}"}}"#);
        given.into_iter().chain([("settings".to_owned(), settings)]).collect()
    } else {
        given
    };
    let (flavour, world) = if at.contains("hosts.md") {
        (Flavour::Wasmtime, on_wasmtime(&given, pagerduty))
    } else {
        (Flavour::Spin, on_spin(manifest, &given, pagerduty))
    };
    // A block may make a secret of its own.
    let secret = given.get("webhook_secret").map(|secret| secret.trim()).filter(|secret| !secret.is_empty());
    let call = Call::stranger("POST", "/alertmanager", group(1));
    let call = call.header("authorization", &format!("Bearer {}", secret.unwrap_or(SECRET)));
    let reply = relay(flavour).call(&world, call).await.expect("the component answers");
    assert_eq!((reply.status, &reply.json()["warnings"]), (200, &Value::Null), "{at}: {}", reply.json());
    let received = pagerduty.take_received();
    assert_eq!(received.last().expect("an event").event["routing_key"], SERVICE_KEY, "{at}");
}

#[test]
fn the_unit_of_systemd_starts_the_relay_with_settings_from_a_file() {
    let page = blocks::of("src/guide/hosts.md");
    let unit = page.iter().find(|block| block.language == "systemd").expect("a unit");
    let start = unit.text.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("it starts something");
    let shell = shell("systemd");
    // What systemd replaces: the folder of the credentials, and the dollar sign.
    let command = filled(start).replace("%d/settings", "settings.json").replace("$$", "$");
    shell.run(&command, &[]).unwrap_or_else(|error| panic!("{}: {error}", unit.at));
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = on_wasmtime(&shell.recorded(), &pagerduty);
        let call = Call::post("/alertmanager", group(1));
        let reply = relay(Flavour::Wasmtime).call(&world, call).await.expect("the component answers");
        assert_eq!(reply.status, 200, "{}", reply.json());
        assert_eq!(pagerduty.received().len(), 1);
    });
}

#[test]
fn the_prompt_for_a_coding_agent_previews_as_it_says() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let server = Server::start(relay(Flavour::Spin), World::new(&pagerduty.url()), 0, None).await;
        let server = server.expect("a free port on loopback");
        let page = server.url("");
        let done = tokio::task::spawn_blocking(move || {
            let shell = shell("prompt");
            shell.write("trigger.json", &group(1));
            let fetch =
                format!("curl -sS '{page}/setup/grafana?format=prompt' | sed 's|https://<relay>|{page}|' > task.md");
            shell.run(&fetch, &[]).expect("the prompt is served");
            let command = "bash -c \"$(grep -m1 'curl.*trigger.json' task.md)\"";
            (shell.run(command, &[("SECRET", SECRET)]), shell.run(command, &[("SECRET", OWN_SECRET)]))
        });
        let (right, wrong) = done.await.expect("it ran");
        let reply: Value = serde_json::from_str(&right.expect("curl answers")).expect("json");
        assert_eq!(reply["events"][0]["event_action"], "trigger", "{reply}");
        assert!(wrong.expect("curl answers").contains("\"status\":401"), "another secret is rejected");
        assert!(pagerduty.received().is_empty(), "a preview sends nothing");
    });
}
