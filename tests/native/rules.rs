//! The user's rules, through the native pipeline: the fixtures in `tests/fixtures/rules`, previews, and properties.
//! `UPDATE_EXPECT=1` writes what the fixtures send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use pagerelay::http::Method;
use pagerelay::pipeline;
use pagerelay::rules::{List, Rules};
use pagerelay_support::{SERVICE_KEY, fixtures, golden, root, secret_for};
use serde_json::{Value, json};

use crate::tidy::read;
use crate::walls::stranger;
use pagerelay_support::host::Accepting;

/// The secret for check.
const CHECKING: &str = "checking-needs-its-own-secret-9b";

/// A folder: the variables, the path and further headers, with deliveries.
struct Setup {
    name: String,
    path: String,
    variables: BTreeMap<String, String>,
    headers: Vec<(String, String)>,
    deliveries: Vec<PathBuf>,
}

fn folder() -> PathBuf {
    root().join("tests/fixtures/rules")
}

/// Every folder, in order.
fn setups() -> Vec<Setup> {
    let entries = folder().read_dir().expect("a folder").map(|entry| entry.expect("readable").path());
    let folders: BTreeSet<PathBuf> = entries.collect();
    folders.iter().map(|folder| setup(folder)).collect()
}

fn setup(folder: &Path) -> Setup {
    let text = std::fs::read_to_string(folder.join("setup.json")).expect("it has a setup");
    let setup: Value = serde_json::from_str(&text).expect("json");
    let members = setup.as_object().expect("an object");
    assert!(members.keys().all(|name| ["headers", "path", "variables"].contains(&name.as_str())), "{folder:?}");
    let texts = |name: &str| members.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let is_delivery = |path: &PathBuf| {
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        name != "setup.json" && !name.ends_with(".expected.json")
    };
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Setup {
        name: folder.file_name().expect("it has a name").to_string_lossy().into_owned(),
        path: text(&setup["path"]),
        variables: texts("variables")
            .into_iter()
            .map(|(name, value)| (name.clone(), variable(&name, &value)))
            .collect(),
        headers: texts("headers").into_iter().map(|(name, value)| (name, text(&value))).collect(),
        deliveries: fixtures::files(folder).into_iter().filter(is_delivery).collect(),
    }
}

/// The value of a variable. `true` is a routing key of its own, and `"routing_key"` that of the path.
fn variable(name: &str, value: &Value) -> String {
    match value {
        Value::Bool(true) => key(name),
        Value::String(text) if text == "routing_key" => SERVICE_KEY.to_owned(),
        Value::String(text) => text.clone(),
        json => json.to_string(),
    }
}

/// A routing key that names its variable.
fn key(variable: &str) -> String {
    format!("e0{:0>30}", variable.replace('_', ""))
}

fn host(variables: &BTreeMap<String, String>) -> Accepting<'_> {
    let mut host = Accepting::new();
    host.variables.extend(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    host
}

/// Posts a delivery. Returns the reply.
fn post(host: &mut Accepting<'_>, path: &str, headers: &[(String, String)], body: &[u8]) -> Value {
    let secret = secret_for(path);
    let mut all = vec![("x-webhook-secret", secret)];
    all.extend(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let (reply, _) = pipeline::handle(host, &stranger(Method::Post, path, &all, body));
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    assert!(reply.status.is_success(), "{path}: {} {body}", reply.status);
    body
}

/// What was sent, each event with the variable of its routing key, and what the reply says about rules.
fn told(host: &Accepting<'_>, reply: &Value) -> Value {
    let variable_of = |key: &str| {
        let found = host.variables.iter().find(|(name, value)| name.starts_with("routing_key") && **value == key);
        found.expect("a known key").0.to_owned()
    };
    let sent = host.sent.iter().map(|body| {
        let mut event = body.as_object().expect("an object").clone();
        let key = event.remove("routing_key").expect("a key");
        let to = variable_of(key.as_str().expect("text"));
        json!({"to": to, "event": event})
    });
    let mut told = json!({"sent": sent.collect::<Vec<_>>()});
    for name in ["ignored", "warnings"] {
        if let Some(list) = reply.get(name) {
            told[name] = list.clone();
        }
    }
    told
}

fn expected(delivery: &Path) -> PathBuf {
    delivery.with_extension("expected.json")
}

#[test]
fn every_fixture_sends_what_stands_beside_it() {
    let update = golden::update_wanted();
    let mut wrong = Vec::new();
    for setup in setups() {
        for delivery in &setup.deliveries {
            let mut host = host(&setup.variables);
            let reply = post(&mut host, &setup.path, &setup.headers, &std::fs::read(delivery).expect("readable"));
            let text = serde_json::to_string_pretty(&told(&host, &reply)).expect("json") + "\n";
            wrong.extend(golden::settle(&expected(delivery), Some(&text), update));
        }
    }
    assert!(wrong.is_empty(), "{} files differ; UPDATE_EXPECT=1 writes them.\n\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_fixture_is_listed_in_the_guide_and_nothing_is_left_over() {
    let guide = read("src/guide/rules.md");
    let setups = setups();
    assert!(setups.len() >= 30, "{}", setups.len());
    for setup in setups {
        let folder = folder().join(&setup.name);
        let name = format!("`tests/fixtures/rules/{}`", setup.name);
        assert!(guide.contains(&name), "the guide lists {name}");
        let known: BTreeSet<PathBuf> = setup
            .deliveries
            .iter()
            .flat_map(|delivery| [delivery.clone(), expected(delivery)])
            .chain([folder.join("setup.json")])
            .collect();
        let files = fixtures::files(&folder);
        assert!(setup.deliveries.len() * 2 + 1 == known.len() && !setup.deliveries.is_empty(), "{name}");
        let orphans: Vec<&PathBuf> = files.symmetric_difference(&known).collect();
        assert!(orphans.is_empty(), "nothing uses {orphans:#?}");
    }
    for line in guide.lines().filter(|line| line.contains("tests/fixtures/rules/")) {
        let name = line.split("tests/fixtures/rules/").nth(1).and_then(|rest| rest.split('`').next()).expect("a name");
        assert!(folder().join(name).is_dir(), "the guide names {name}");
    }
}

/// Every hash in a preview: what would be sent.
fn hashes(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| match (name.as_str(), member) {
            ("sha256", Value::String(hash)) => found.push(hash.clone()),
            ("body", _) => {}
            _ => hashes(member, found),
        }),
        Value::Array(items) => items.iter().for_each(|item| hashes(item, found)),
        _ => {}
    }
}

#[test]
fn a_preview_shows_what_is_sent_with_rules_too() {
    let mut sent_in_all = 0;
    for setup in setups() {
        for delivery in &setup.deliveries {
            let body = std::fs::read(delivery).expect("readable");
            let mut sender = host(&setup.variables);
            let sent = post(&mut sender, &setup.path, &setup.headers, &body);
            let mut previewer = host(&setup.variables);
            let path = format!("/preview{}?explain", setup.path);
            let shown = post(&mut previewer, &path, &setup.headers, &body);
            assert!(previewer.sent.is_empty(), "{delivery:?}");
            let (mut wire, mut preview) = (Vec::new(), Vec::new());
            hashes(&sent["events"], &mut wire);
            hashes(&shown["events"], &mut preview);
            sent_in_all += wire.len();
            wire.sort();
            preview.sort();
            assert_eq!(wire.len(), sender.sent.len(), "{delivery:?}");
            assert_eq!(wire, preview, "{delivery:?}: {shown:#}");
            assert_eq!(sent["ignored"], shown["ignored"], "{delivery:?}");
        }
    }
    assert!(sent_in_all > 80, "{sent_in_all}");
}

/// Posts a body to a source with these rules for it. Returns what was sent and the reply.
fn with_rules(path: &str, rules: &Value, more: &[(&str, &str)], body: &Value) -> (Vec<Value>, Value) {
    let mut variables = BTreeMap::from([("rules".to_owned(), rules.to_string())]);
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut host = host(&variables);
    let reply = post(&mut host, path, &[], body.to_string().as_bytes());
    (host.sent, reply)
}

/// An alert of Alertmanager.
fn alert(status: &str, id: &str, labels: &Value) -> Value {
    json!({"status": status, "fingerprint": id, "labels": labels, "startsAt": "2026-05-06T07:08:09Z",
        "endsAt": if status == "resolved" { "2026-05-06T07:38:09Z" } else { "0001-01-01T00:00:00Z" }})
}

fn group(alerts: Vec<Value>) -> Value {
    json!({"version": "4", "status": "firing", "receiver": "relay", "alerts": alerts})
}

#[test]
fn a_preview_says_which_rules_matched_and_what_they_changed() {
    let rules = json!([
        {"if": "item.labels.team == 'other'", "severity": "info"},
        {"severity": "critical", "details": {"owner": "{{ item.labels.team }}"}, "service": "shop"},
        {"if": "event.payload.severity == 'critical'", "severity": "critical", "dedup_key": "{{ item.labels.team }}"},
        {"dedup_key": "{{ item.labels.team }}", "summary": "{{ event.payload.summary }}!"},
    ]);
    let body = group(vec![alert("firing", "1", &json!({"alertname": "Slow", "team": "shop"}))]);
    let key = key("routing_key_shop");
    let (_, reply) = with_rules("/preview/alertmanager?explain", &rules, &[("routing_key_shop", &key)], &body);
    let event = &reply["events"][0];
    assert_eq!(
        event["rules"],
        json!([
            {"variable": "rules", "rule": 2, "changed": ["payload.severity", "payload.custom_details.owner", "service"]},
            {"variable": "rules", "rule": 4, "changed": ["payload.summary", "dedup_key"]},
        ])
    );
    assert_eq!(event["routing_key"], "routing_key_shop");
    let origin = |field: &str| {
        let all = event["explanation"].as_array().expect("an explanation");
        let found: Vec<&Value> = all.iter().filter(|origin| origin["field"] == field).collect();
        assert_eq!(found.len(), 1, "{field}: {all:#?}");
        found[0].clone()
    };
    let by = |field: &str, rule: u8| json!({"field": field, "how": "rule", "from": [], "row": format!("rule {rule} of variable `rules`")});
    assert_eq!(origin("payload.severity"), by("payload.severity", 2));
    assert_eq!(origin("payload.summary"), by("payload.summary", 4));
    assert_eq!(origin("dedup_key"), by("dedup_key", 4));
    // What no rule changed comes from the payload.
    assert_eq!(origin("payload.class")["from"], json!(["alerts[0].labels.alertname"]), "{event:#}");
}

#[test]
fn rules_that_are_not_deployed_are_tried_in_a_preview_only() {
    let header = |text: &str| vec![("Pagerelay-Rules".to_owned(), text.to_owned())];
    let tried = json!([{"severity": "info", "summary": "Größe: {{ headers | dictsort | map('first') | join(' ') }}"}])
        .to_string();
    let body = json!({"alert_uid": "disk", "title": "Disk full", "state": "alerting"}).to_string();
    let variables = BTreeMap::from([("rules".to_owned(), json!([{"class": "disk"}]).to_string())]);
    let event = |path: &str, headers: &[(String, String)]| {
        let mut host = host(&variables);
        let reply = post(&mut host, path, headers, body.as_bytes());
        (host.sent.first().cloned().unwrap_or_else(|| reply["events"][0]["body"].clone()), reply)
    };
    let (shown, _) = event("/preview/formatted", &header(&Base64::encode_string(tried.as_bytes())));
    assert_eq!(shown["payload"]["severity"], "info");
    // No expression sees the header, because a delivery has none.
    assert_eq!(shown["payload"]["summary"], "Größe:");
    assert_eq!(shown["payload"]["class"], Value::Null, "they replace the deployed rules");
    let (sent, _) = event("/formatted", &header(&Base64::encode_string(tried.as_bytes())));
    assert_eq!((&sent["payload"]["severity"], &sent["payload"]["class"]), (&json!("error"), &json!("disk")));
    for (text, problem) in [
        ("%%".to_owned(), "variable `rules` is not json: line 1, column 0; its rules are not used"),
        (Base64::encode_string(b"{}"), "variable `rules` is not a list of rules; its rules are not used"),
        (Base64::encode_string(&[b' '; 65_537]), "variable `rules` is larger than 64 kib; its rules are not used"),
    ] {
        let (shown, reply) = event("/preview/formatted", &header(&text));
        assert_eq!(reply["warnings"], json!([problem]));
        assert_eq!(shown["payload"]["severity"], "error");
    }
    // Without the secret, nothing is evaluated.
    let mut host = host(&variables);
    let request = stranger(Method::Post, "/preview/formatted", &[("pagerelay-rules", "W10=")], body.as_bytes());
    assert_eq!(pipeline::handle(&mut host, &request).0.status.as_u16(), 401);
}

#[test]
fn a_preview_warns_about_a_key_that_a_recovery_would_not_have() {
    let differs = |rules: &Value, path: &str, body: &Value| {
        let (_, reply) = with_rules(&format!("/preview{path}"), rules, &[], body);
        reply["warnings"].as_array().cloned().unwrap_or_default()
    };
    let firing = group(vec![alert("firing", "1", &json!({"alertname": "Slow", "host": "web-1"}))]);
    let says = |number: u8, member: &str| {
        json!([format!(
            "rule {number} of variable `rules`: the dedup key of a recovery may differ from that of its trigger, because the rule reads {member}"
        )])
    };
    for (expression, member) in [
        ("{{ item.labels.host }}-{{ item.status }}", "`alerts[0].status`"),
        ("{{ 'a' if item.status == 'firing' else 'b' }}", "`alerts[0].status`"),
        ("{{ item.labels.host }}-{{ item.endsAt }}", "`alerts[0].endsAt`"),
        ("{{ event.payload.custom_details.status }}", "`alerts[0].status`"),
        ("{{ item | tojson }}", "`alerts[0].status`"),
    ] {
        let rules = json!([{"class": "x"}, {"dedup_key": expression}]);
        let found = differs(&rules, "/alertmanager", &firing);
        let found = Value::from(found);
        // Which of several members is named does not matter.
        if expression.contains("tojson") || expression.contains("custom_details") {
            assert!(
                found[0].as_str().is_some_and(|found| found.starts_with("rule 2 of variable `rules`: the dedup key")),
                "{found}"
            );
        } else {
            assert_eq!(found, says(2, member), "{expression}");
        }
    }
    let resolved = group(vec![alert("resolved", "1", &json!({"alertname": "Slow", "host": "web-1"}))]);
    let by_condition = json!([{"if": "item.status == 'resolved'", "dedup_key": "{{ item.labels.host }}"}]);
    assert_eq!(Value::from(differs(&by_condition, "/alertmanager", &resolved)), says(1, "`alerts[0].status`"));
    let formatted = json!({"alert_uid": "disk", "title": "Disk full", "state": "alerting"});
    let by_state = json!([{"dedup_key": "{{ payload.alert_uid }}{{ payload.state }}"}]);
    assert_eq!(Value::from(differs(&by_state, "/formatted", &formatted)), says(1, "`state`"));
    for fine in [
        "{{ item.labels.host }}",
        "{{ item.labels | tojson }}",
        "{{ event.dedup_key }}",
        "{{ source }}{{ item.fingerprint }}",
    ] {
        for body in [&firing, &resolved] {
            assert_eq!(differs(&json!([{"dedup_key": fine}]), "/alertmanager", body), Vec::<Value>::new(), "{fine}");
        }
    }
}

#[test]
fn check_validates_rules() {
    let variables = [
        ("secret_check", CHECKING.to_owned()),
        (
            "rules",
            json!([{"service": "shop"}, {"service": "search"}, {"severity": "terrible"}, {"if": "x ~", "class": "y"}])
                .to_string(),
        ),
        ("rules_formatted", "[".to_owned()),
        ("rules_grafna", "[]".to_owned()),
        ("services_grafana", "default, search".to_owned()),
        ("routing_key_search", key("routing_key_search")),
    ];
    let variables: BTreeMap<String, String> =
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut host = host(&variables);
    let request = stranger(Method::Get, "/check", &[("x-webhook-secret", CHECKING)], b"");
    let (reply, _) = pipeline::handle(&mut host, &request);
    let body: Value = serde_json::from_slice(&reply.body).expect("json");
    assert_eq!(reply.status.as_u16(), 200, "a rule that does not work prevents no page: {body}");
    let findings = body["findings"].as_array().expect("findings");
    let of = |check: &str| -> Vec<String> {
        let of = findings.iter().filter(|finding| finding["check"] == check);
        of.map(|finding| format!("{} {}", finding["level"].as_str().unwrap(), finding["what"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(
        of("rules"),
        [
            "ok variable `rules` has 2 valid rules",
            "warning variable `rules`, line 1, column 55: `severity` is an unknown severity; the rule is not used",
            "warning variable `rules`, line 1, column 85: `x ~`: cannot be parsed: unexpected end of input, expected expression; the rule is not used",
            "warning a rule names service `shop`, but variable `routing_key_shop` is not set; its events are sent to the service of the path",
            "warning variable `rules_formatted` is not json: line 1, column 1; its rules are not used",
            "warning a rule for grafana names service `shop`, but variable `services_grafana` does not list this service; its events are sent to the service of the path",
        ]
    );
    assert!(
        of("variables").contains(
            &"warning unknown variable `rules_grafna`: no such source; did you mean `rules_grafana`?".to_owned()
        ),
        "{:?}",
        of("variables")
    );
}

#[test]
fn rules_can_be_json_inside_settings() {
    let settings = json!({"rules": [{"severity": "info"}], "rules_formatted": [{"class": "disk"}]}).to_string();
    let variables = BTreeMap::from([("settings".to_owned(), settings)]);
    let mut host = host(&variables);
    let body = json!({"alert_uid": "disk", "title": "Disk full", "state": "alerting"}).to_string();
    post(&mut host, "/formatted", &[], body.as_bytes());
    assert_eq!(
        (&host.sent[0]["payload"]["severity"], &host.sent[0]["payload"]["class"]),
        (&json!("info"), &json!("disk"))
    );
}

#[test]
fn a_delivery_without_events_reads_no_rules() {
    let variables = BTreeMap::new();
    let mut host = host(&variables);
    post(&mut host, "/alertmanager", &[], group(Vec::new()).to_string().as_bytes());
    assert!(!host.read.borrow().iter().any(|name| name.starts_with("rules")), "{:?}", host.read);
}

#[test]
fn a_list_has_bounds() {
    let error = |text: &str| List::read("rules", text).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(error(&json!(vec![json!({"stop": true}); 101]).to_string()), "variable `rules` has more than 100 rules");
    assert_eq!(error(&" ".repeat(65_537)), "variable `rules` is larger than 64 kib");
    assert_eq!(error(""), "variable `rules` is not json: line 1, column 0");
    let many: Vec<Value> = (b'a'..=b'q').map(|name| json!({"service": char::from(name).to_string()})).collect();
    let lists = [List::read("rules", &Value::from(many).to_string()).expect("a list")];
    let rules = Rules::compile(&lists);
    assert_eq!((rules.count(), rules.services().len()), (16, 16));
    assert_eq!(rules.invalid()[0].to_string(), "variable `rules`: rule 17 names the 17th service; 16 are allowed");
}
