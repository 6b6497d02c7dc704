//! A release as a new user tries it: its folder, the guide's commands, no rebuild and no edit of a manifest.
//!
//! `.ci/release` sets `PAGERELAY_RELEASE` to the folder. Without it, the test uses the repository's manifest and component.

use std::path::{Path, PathBuf};

use pagerelay_e2e::build::{self, Flavour};
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Relay, World};
use pagerelay_e2e::{OWN_SECRET, SECRET, SERVICE_KEY, blocks, fixtures, group, root, run};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wasmparser::{Parser, Payload};

use crate::shell::{PAYMENTS_KEY, Shell, base64, filled, on_spin, on_wasmtime};

/// The folder of the release, if there is one.
fn folder() -> Option<PathBuf> {
    std::env::var_os("PAGERELAY_RELEASE").map(PathBuf::from)
}

fn manifest(path: &Path) -> toml::Table {
    std::fs::read_to_string(path).expect("a manifest").parse().expect("toml")
}

/// The block of this language in the guide's section "Try it".
fn block(language: &str) -> String {
    let page = blocks::of("src/guide/release.md");
    let block = page.into_iter().find(|block| block.heading == "Try it" && block.language == language);
    let block = block.unwrap_or_else(|| panic!("the section has a block {language}"));
    if language == "console" { block.script() } else { block.text }
}

#[test]
fn a_new_user_gets_services_own_secrets_a_template_and_rules_from_settings_alone() {
    let shell = Shell::new("release");
    shell.write("settings.json", &filled(&block("json")));
    shell.run(&block("console"), &[]).expect("the guide's commands");
    let given = shell.recorded();
    let path = folder().map_or_else(|| root().join("spin.toml"), |folder| folder.join("spin.toml"));
    let manifest = manifest(&path);
    let source = |folder: PathBuf| folder.join(manifest["component"]["pagerelay"]["source"].as_str().expect("a file"));
    let spin = folder().map_or_else(|| build::component(Flavour::Spin).to_owned(), source);
    let wasmtime = folder().map(|folder| folder.join("pagerelay-wasmtime.wasm"));
    let wasmtime = wasmtime.unwrap_or_else(|| build::component(Flavour::Wasmtime).to_owned());
    run(async {
        let pagerduty = PagerDuty::start().await;
        let relay = Relay::from_file(&spin, Flavour::Spin).expect("the component loads");
        try_all(&relay, &on_spin(&manifest, &given, &pagerduty), &pagerduty).await;

        let given = [("settings".to_owned(), base64(&given["settings"]))].into();
        let relay = Relay::from_file(&wasmtime, Flavour::Wasmtime).expect("the component loads");
        try_all(&relay, &on_wasmtime(&given, &pagerduty), &pagerduty).await;
    });
}

/// Delivers to every path that the guide's settings make, and to one that they do not.
async fn try_all(relay: &Relay, world: &World, pagerduty: &PagerDuty) {
    let grafana = fixtures::all().into_iter().find(|fixture| fixture.source.slug == "grafana").expect("a fixture");
    let backup = r#"{"job": "nightly", "state": "failed", "host": "db-1"}"#;
    // The label that the guide's rule reads.
    let of_payments = |status: &str| {
        let labels = json!({"alertname": "Slow", "team": "payments"});
        json!({"version": "4", "groupKey": "g", "alerts": [{"status": status, "fingerprint": "17", "labels": labels}]})
            .to_string()
    };
    for (call, status, key) in [
        (Call::post("/alertmanager", group(1)), 200, SERVICE_KEY),
        (Call::post("/alertmanager/payments", group(1)), 200, PAYMENTS_KEY),
        (Call::post("/alertmanager", of_payments("firing")), 200, PAYMENTS_KEY),
        (Call::fixture(&grafana, "/grafana/payments", OWN_SECRET), 200, PAYMENTS_KEY),
        (Call::fixture(&grafana, "/grafana/payments", SECRET), 401, ""),
        (Call::post("/custom/backup/payments", backup), 200, PAYMENTS_KEY),
        (Call::post("/alertmanager/search", group(1)), 503, ""),
    ] {
        let path = call.path.clone();
        let reply = relay.call(world, call).await.expect("the component answers");
        assert_eq!(reply.status, status, "{path}: {}", reply.json());
        let received = pagerduty.take_received();
        assert_eq!(received.is_empty(), status != 200, "{path}");
        assert!(received.iter().all(|received| received.event["routing_key"] == key), "{path}: {received:?}");
    }
    // Both services may have the alert.
    let reply = relay.call(world, Call::post("/alertmanager", of_payments("resolved"))).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.json());
    let received = pagerduty.take_received();
    let mut keys: Vec<&str> = received.iter().filter_map(|received| received.event["routing_key"].as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut both = [SERVICE_KEY, PAYMENTS_KEY];
    both.sort_unstable();
    assert_eq!(keys, both);
    let health = relay.call(world, Call::stranger("GET", "/health", "")).await.expect("the component answers").json();
    let wanted = folder().map_or_else(|| pagerelay::REVISION.to_owned(), |folder| revision(&folder));
    assert_eq!(
        (&health["version"], &health["revision"]),
        (&pagerelay::VERSION.into(), &Value::from(wanted)),
        "{health}"
    );
}

/// The commit that the manifest of a release names.
fn revision(folder: &Path) -> String {
    let manifest = std::fs::read_to_string(folder.join("spin.toml")).expect("a manifest");
    let (_, rest) = manifest.split_once(", revision ").expect("a comment with the revision");
    let revision = rest.split_once(".\n").expect("the comment ends").0;
    assert!(revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()), "{revision}");
    revision.to_owned()
}

/// The custom sections of a component itself, and not those of the modules in it.
fn sections(component: &[u8]) -> Vec<(String, String)> {
    let (mut sections, mut depth) = (Vec::new(), 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a valid component") {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 => {
                sections.push((section.name().to_owned(), String::from_utf8_lossy(section.data()).into_owned()));
            }
            _ => {}
        }
    }
    sections
}

#[test]
fn the_components_of_a_release_describe_themselves_and_its_manifests_name_them() {
    let Some(folder) = folder() else {
        // Only a release has these. What a component without them has is known too.
        let component = std::fs::read(build::component(Flavour::Spin)).expect("it is built");
        assert!(sections(&component).iter().all(|(name, _)| name != "revision"));
        return;
    };
    let revision = revision(&folder);
    for name in ["pagerelay-spin.wasm", "pagerelay-wasmtime.wasm"] {
        let component = std::fs::read(folder.join(name)).expect("the release has it");
        let sections = sections(&component);
        let value = |wanted: &str| sections.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        assert_eq!(value("component-name"), Some("\u{0}\u{a}\u{9}pagerelay"), "{name}");
        assert_eq!(value("version"), Some(pagerelay::VERSION), "{name}");
        assert_eq!(value("licenses"), Some("Apache-2.0"), "{name}");
        assert!(value("source").is_some_and(|url| url.starts_with("https://")), "{name}");
        assert_eq!(sections.iter().filter(|(name, _)| name == "component-name").count(), 1, "{name}");
        assert_eq!(value("revision"), Some(revision.as_str()), "{name}");
        assert!(value("description").is_some_and(|text| text.starts_with("Receives alert webhooks")), "{name}");
    }
    let component = std::fs::read(folder.join("pagerelay-spin.wasm")).expect("the release has it");
    let digest: String = Sha256::digest(&component).iter().map(|byte| format!("{byte:02x}")).collect();
    let by_url = manifest(&folder.join("spin-url.toml"));
    let source = &by_url["component"]["pagerelay"]["source"];
    assert_eq!(source["digest"].as_str(), Some(format!("sha256:{digest}").as_str()));
    assert!(
        source["url"].as_str().is_some_and(|url| url.starts_with("https://") && url.ends_with("/pagerelay-spin.wasm"))
    );
    let mut by_file = manifest(&folder.join("spin.toml"));
    assert_eq!(by_file["component"]["pagerelay"]["source"].as_str(), Some("pagerelay-spin.wasm"));
    by_file["component"]["pagerelay"]["source"] = source.clone();
    assert_eq!(by_file, by_url, "the manifests differ in the source only");
    assert!(by_file["component"]["pagerelay"].get("build").is_none(), "a release builds nothing");
}
