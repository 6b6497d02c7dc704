//! Every fenced block of the README and of the guide is run, read, or marked with the reason why neither is possible.
//!
//! `tests/e2e/tests/component/commands.rs` runs the commands. This file reads the data, and looks at the names in commands
//! that take too long.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pagerelay::http::{Headers, Method, Request};
use pagerelay::pipeline;
use pagerelay_support::blocks::{self, Block, MARKERS};
use pagerelay_support::{SECRET, evidence, root};
use serde_json::Value;
use yaml_rust2::YamlLoader;

use crate::host::Accepting;
use crate::manifests::manifest;
use crate::tidy::read;

/// The tables of a runtime config file of Spin 4 that the guide uses, and their keys.
const RUNTIME_CONFIG: &[(&str, &[&str])] = &[
    ("azure_key_vault", &["type", "vault_url", "client_id", "client_secret", "tenant_id"]),
    ("client_tls", &["component_ids", "hosts", "ca_roots_file", "ca_webpki_roots"]),
    ("outbound_http", &["connection_pooling", "max_concurrent_requests"]),
    ("redis", &["type", "url"]),
    ("spin", &["type", "path"]),
    ("vault", &["type", "url", "token", "mount", "prefix"]),
];

/// Whether the test has read a block of this language.
fn is_read(block: &Block) -> bool {
    match block.language.as_str() {
        "dotenv" => dotenv(block),
        "insights" | "logql" => query(block),
        "json" => {
            // A block may be an object of its own, or several.
            let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&block.text).into_iter().collect();
            assert!(values.is_ok_and(|values| !values.is_empty()), "{} is not JSON", block.at);
        }
        "systemd" => unit(block),
        // A picture.
        "text" => assert!(block.text.contains('│') || block.text.contains('─'), "{} is a picture", block.at),
        "toml" => runtime_config(block),
        "yaml" => {
            let documents =
                YamlLoader::load_from_str(&block.text).unwrap_or_else(|error| panic!("{}: {error}", block.at));
            assert!(!documents.is_empty(), "{}", block.at);
            documents.iter().for_each(|document| manifest(block, document));
        }
        _ => return false,
    }
    true
}

#[test]
fn every_block_is_run_or_read_or_says_why_not() {
    let (mut run, mut read, mut marked) = (0, 0, BTreeMap::<&str, usize>::new());
    for block in blocks::all() {
        match (block.language.as_str(), &block.marker) {
            ("console", None) => run += 1,
            ("console", Some(marker)) => {
                let known = MARKERS.iter().find(|(known, _)| known == marker);
                let (known, _) = known.unwrap_or_else(|| panic!("{}: unknown marker {marker}", block.at));
                *marked.entry(known).or_default() += 1;
                if marker == "slow" {
                    names_exist(&block);
                }
            }
            (_, Some(marker)) => panic!("{}: a block of data has no marker {marker}", block.at),
            (language, None) => {
                assert!(is_read(&block), "{}: no test reads a block of language {language:?}", block.at);
                read += 1;
            }
        }
        let commands = block.language == "console";
        let prompts = block.text.lines().filter(|line| line.starts_with("$ ")).count();
        assert_eq!(
            prompts > 0,
            commands,
            "{}: commands begin with a dollar sign and are in a block `console`",
            block.at
        );
    }
    evidence(&format!("blocks: {run} run, {read} read, marked {marked:?}"));
    assert!(run >= 8 && read >= 15 && marked.keys().count() == MARKERS.len(), "{run} run, {read} read, {marked:?}");
}

/// Holds that the files and the targets of cargo that these commands name are there.
fn names_exist(block: &Block) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()).args(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_slice(&cargo.output().expect("cargo starts").stdout).expect("json");
    let packages = metadata["packages"].as_array().expect("a list");
    let mut names: BTreeSet<String> =
        packages.iter().map(|package| format!("package {}", text(&package["name"]))).collect();
    for package in packages {
        for target in package["targets"].as_array().expect("a list") {
            let kind = text(&target["kind"][0]);
            names.insert(format!("{kind} {}", text(&target["name"])));
        }
        names.extend(package["features"].as_object().expect("an object").keys().map(|name| format!("features {name}")));
    }
    let manifest: toml::Table = read("Cargo.toml").parse().expect("toml");
    names.extend(manifest["profile"].as_table().expect("profiles").keys().map(|name| format!("profile {name}")));
    for line in block.script().lines() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let at = words.iter().position(|word| !word.contains('=')).expect("a command");
        match words[at..] {
            ["bash", script] => assert!(root().join(script).exists(), "{}: {script}", block.at),
            ["rustup", "target", "add", "wasm32-unknown-unknown"] => {}
            ["cargo", "install", ref rest @ ..] => {
                let known = ["--locked", "cargo-mutants", "cargo-tarpaulin"];
                assert!(rest.iter().all(|word| known.contains(word)), "{}: {line}", block.at);
            }
            ["cargo", tool @ ("mutants" | "tarpaulin"), ref rest @ ..] => {
                let settings = [".cargo/mutants.toml", ".tarpaulin.toml"];
                assert!(settings.iter().any(|file| file.contains(tool) && root().join(file).exists()), "{line}");
                let files = rest.iter().filter(|word| word.contains('/'));
                files.for_each(|file| assert!(root().join(file).exists(), "{}: {file}", block.at));
            }
            ["cargo", ref rest @ ..] => {
                let verbs = ["dev", "doc", "rustc", "test"];
                assert!(verbs.contains(&rest[0]), "{}: cargo {}", block.at, rest[0]);
                for pair in rest.windows(2) {
                    let name = format!("{} {}", pair[0].trim_start_matches('-'), pair[1]);
                    let named = ["--bench", "--example", "--features", "--package", "--profile", "--test"];
                    assert!(!named.contains(&pair[0]) || names.contains(&name), "{}: there is no {name}", block.at);
                }
            }
            _ => panic!("{}: {line}", block.at),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

/// Variables of Spin that spin.toml declares.
fn dotenv(block: &Block) {
    let manifest: toml::Table = read("spin.toml").parse().expect("toml");
    for line in block.text.lines() {
        let (name, value) = line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", block.at));
        let name = name.strip_prefix("SPIN_VARIABLE_").expect("the prefix that Spin reads").to_ascii_lowercase();
        assert!(manifest["component"]["pagerelay"]["variables"].get(&name).is_some(), "{}: {name}", block.at);
        assert!(!value.is_empty(), "{}: {line}", block.at);
    }
}

/// A runtime config file of Spin.
fn runtime_config(block: &Block) {
    let config: toml::Table = block.text.parse().unwrap_or_else(|error| panic!("{}: {error}", block.at));
    for (name, value) in &config {
        let tables: Vec<&toml::Table> = match value {
            toml::Value::Array(tables) => tables.iter().filter_map(toml::Value::as_table).collect(),
            // A table for each store. The relay opens only the default one.
            toml::Value::Table(stores) if name == "key_value_store" => {
                assert_eq!(stores.keys().collect::<Vec<_>>(), ["default"], "{}", block.at);
                stores.values().filter_map(toml::Value::as_table).collect()
            }
            value => value.as_table().into_iter().collect(),
        };
        assert!(!tables.is_empty(), "{}: {name}", block.at);
        for table in tables {
            let has_type = ["key_value_store", "variables_provider"].contains(&name.as_str());
            let kind = if has_type { table["type"].as_str().expect("a type") } else { name };
            let (_, keys) = RUNTIME_CONFIG.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("{kind}"));
            let unknown: Vec<&String> = table.keys().filter(|key| !keys.contains(&key.as_str())).collect();
            assert!(unknown.is_empty(), "{}: {name} has no {unknown:?}", block.at);
        }
    }
    if let Some(pool) = config.get("outbound_http") {
        assert_eq!(
            pool.get("connection_pooling").and_then(toml::Value::as_bool),
            Some(true),
            "{}: or it is off",
            block.at
        );
    }
}

/// A unit of systemd: sections of settings. `systemd-analyze` looks at them too where it is installed.
fn unit(block: &Block) {
    let mut section = "";
    for line in block.text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name,
            None => {
                assert!(line.split_once('=').is_some_and(|(name, _)| name.chars().all(char::is_alphanumeric)), "{line}")
            }
        }
        assert!(["Unit", "Service", "Install"].contains(&section), "{}: {line}", block.at);
    }
    let path = std::env::temp_dir().join(format!("pagerelay-{}.service", std::process::id()));
    std::fs::write(&path, &block.text).expect("a writable folder");
    let verified = Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(&path).output();
    std::fs::remove_file(&path).expect("it was there");
    if let Ok(output) = verified {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("pagerelay")).collect();
        assert!(ours.is_empty(), "{}: {ours:?}", block.at);
    }
}

/// A query of the log: it uses members of a log line only.
fn query(block: &Block) {
    let request = Request {
        method: Method::Post,
        path: "/alertmanager".to_owned(),
        query: String::new(),
        headers: Headers::new([("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())]),
        body: br#"{"version": "4", "groupKey": "g", "alerts": [{"status": "firing", "labels": {"alertname": "a"}}]}"#
            .to_vec(),
        problem: None,
    };
    let (_, line) = pipeline::handle(&mut Accepting::new(), &request);
    let line: Value = serde_json::from_str(&line.expect("a delivery is logged")).expect("json");
    let mut members: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
    members.extend(["after_answer", "error", "fallback", "left", "lost", "oldest_s", "stored", "warnings"]);
    // The words of the two languages, and of the guide's own examples.
    let words = "absent_over_time alertmanager app as asc by count count_over_time desc error fields filter h ispresent json limit m \
                 max max_over_time pagerduty pagerelay pct quantile_over_time requests slow sort sum stats unwrap warning";
    let known: BTreeSet<&str> = words.split(' ').chain(members).collect();
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    for word in block.text.split(|c: char| !is_letter(c)).filter(|word| !word.is_empty()) {
        assert!(known.contains(word), "{}: {word} is no member of a log line", block.at);
    }
}
