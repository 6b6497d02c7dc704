//! The user's rules, through the native pipeline: the fixtures in `tests/fixtures/rules`, previews, and properties.
//! `UPDATE_EXPECT=1` writes what the fixtures send.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64ct::{Base64, Encoding};
use pagerelay::auth::Authenticated;
use pagerelay::http::Method;
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::pipeline;
use pagerelay::rules::{List, Rules, Subject};
use pagerelay::runtime::{Host, HttpResponse, Step, VariableError};
use pagerelay_support::{SECRET, SERVICE_KEY, fixtures, golden, root, secret_for};
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
pub(crate) fn key(variable: &str) -> String {
    format!("e0{:0>30}", variable.replace('_', ""))
}

pub(crate) fn host(variables: &BTreeMap<String, String>) -> Accepting<'_> {
    let mut host = Accepting::new();
    host.variables.extend(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    host
}

/// Posts a delivery. Returns the reply.
pub(crate) fn post(host: &mut Accepting<'_>, path: &str, headers: &[(String, String)], body: &[u8]) -> Value {
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
pub(crate) fn with_rules(path: &str, rules: &Value, more: &[(&str, &str)], body: &Value) -> (Vec<Value>, Value) {
    let mut variables = BTreeMap::from([("rules".to_owned(), rules.to_string())]);
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut host = host(&variables);
    let reply = post(&mut host, path, &[], body.to_string().as_bytes());
    (host.sent, reply)
}

/// An alert of Alertmanager.
pub(crate) fn alert(status: &str, id: &str, labels: &Value) -> Value {
    json!({"status": status, "fingerprint": id, "labels": labels, "startsAt": "2026-05-06T07:08:09Z",
        "endsAt": if status == "resolved" { "2026-05-06T07:38:09Z" } else { "0001-01-01T00:00:00Z" }})
}

pub(crate) fn group(alerts: Vec<Value>) -> Value {
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
            "note a rule for grafana names service `shop`, but variable `services_grafana` does not list this service; its events are sent to the service of the path",
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

/// How many steps some rules take for a delivery of so many alerts, and for how many bytes.
fn steps(rules: &Value, alerts: usize) -> u64 {
    let lists = [List::read("rules", &rules.to_string()).expect("a list")];
    let rules = Rules::compile(&lists);
    assert!(rules.invalid().is_empty());
    let labels = json!({"alertname": "Slow", "team": "shop", "host": "web-1", "text": "x".repeat(64)});
    let alerts = (0..alerts).map(|id| alert("firing", &id.to_string(), &labels)).collect();
    let body = group(alerts).to_string();
    let request = stranger(Method::Post, "/alertmanager", &[("x-webhook-secret", SECRET)], body.as_bytes());
    let source = pagerelay::sources::find("alertmanager").expect("a source");
    fixtures::authenticated(&request, source.schemes, |delivery| {
        let events = (source.map)(delivery)?.events;
        let subject = Subject { delivery, slug: source.slug, service: None, group: None };
        assert_eq!(
            rules.apply(&subject, events).events.len(),
            rules.apply(&subject, Vec::new()).events.len() + alerts_of(delivery)
        );
        Ok::<Mapped, MapError>(Mapped::default())
    })
    .expect("it is mapped");
    rules.steps()
}

/// The number of alerts in a group.
fn alerts_of(delivery: &Authenticated<'_>) -> usize {
    let payload: Value = serde_json::from_slice(delivery.body()).expect("json");
    payload["alerts"].as_array().expect("a list").len()
}

#[test]
fn the_steps_are_in_proportion_to_rules_times_events() {
    let honest = json!({"if": "item.labels.team == 'shop'", "class": "{{ item.labels.host }}", "details": {"text": "{{ item.labels.text }}"}});
    let keyed = json!({"dedup_key": "{{ item.labels | dictsort | map('join', '=') | join }}"});
    let hostile = [
        json!({"if": "range(99999) | sum > 1", "class": "x"}),
        json!({"if": "payload.alerts | map(attribute='labels') | list | tojson | length > 1", "class": "x"}),
        json!({"class": "{% for a in payload.alerts %}{% for b in payload.alerts %}{{ b.labels.text }}{% endfor %}{% endfor %}"}),
        json!({"dedup_key": "{% for a in payload.alerts %}{{ a }}{% endfor %}"}),
        json!({"details": {"all": "{{ payload }}"}}),
        json!({"if": "payload.alerts[0].labels.text * 99999", "class": "x"}),
    ];
    for rule in [honest, keyed].into_iter().chain(hostile) {
        let list = |count: usize| Value::from(vec![rule.clone(); count]);
        let base = steps(&list(1), 20);
        assert!(base > 0, "{rule}");
        for (rules, alerts) in [(1, 200), (8, 25), (8, 200)] {
            let taken = steps(&list(rules), alerts);
            let bound = (256 + 512) * rules * alerts + 20_000 * rules;
            assert!(taken > base, "{rules} × {alerts}: {taken}: {rule}");
            // An expression may take one more step than it has, to find that it has no more.
            assert!(taken <= u64::try_from(bound + 4 * rules * alerts).unwrap(), "{rules} × {alerts}: {taken}: {rule}");
        }
    }
    // What is honest fits: no rule is skipped in the largest delivery.
    let per_event = steps(&Value::from(vec![keyed_and_routed(); 1]), 1000) / 1000;
    assert!(per_event < 256, "{per_event}");
}

/// A rule as users write it.
fn keyed_and_routed() -> Value {
    json!({"if": "item.labels.team == 'shop' and event.payload.severity != 'info'", "severity": "{{ item.labels.level | default('error') }}",
        "service": {"by": "item.labels.team", "map": {"shop": "shop"}}, "summary": "{{ item.labels.alertname }} on {{ item.labels.host }}"})
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit).expect("a limit")).expect("it is below")
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

/// Conditions over members that a trigger and its recovery share.
const SHARED: &[&str] = &[
    "item.labels.team == 'shop'",
    "item.labels.env in ['prod', 'staging']",
    "item.labels.replica is defined",
    "'web' in item.labels.host",
    "item.labels.nothing.at.all",
    "event.payload.source == 'web-1'",
    "payload.receiver == 'relay'",
    "headers.x_missing == 'a'",
    "service == 'own'",
    "item.labels.team | length > 4",
];

/// Conditions over what they do not share, which may be anywhere but in a rule with a key.
const OTHERS: &[&str] = &[
    "event.event_action == 'resolve'",
    "event.event_action == 'trigger'",
    "event.payload.severity == 'critical'",
    "'Slow' in event.payload.summary",
    "item.status == 'firing'",
    "item.endsAt | length > 3",
    "event.payload.class == 'changed'",
    "1 // item.labels.zero",
    "range(9999) | sum > 3",
];

/// Keys of members that are shared, each of which tells alerts apart.
const KEYS: &[&str] = &[
    "{{ item.fingerprint }}",
    "{{ item.labels | tojson }}/{{ item.fingerprint }}",
    "{{ event.dedup_key }}",
    "{{ source }}-{{ item.fingerprint }}-{{ item.labels.team | default('none') }}",
    "{{ item.labels.undefined }}{{ item.fingerprint }}",
    "{{ event.payload.severity }}{{ item.fingerprint }}",
    "{% for a, b in item.labels | dictsort %}{{ a }}={{ b }},{% endfor %}{{ item.fingerprint }}",
];

const SERVICES: &[&str] = &["shop", "search", "unset", "unlisted", "default", "same"];

/// A random rule.
fn rule(dice: &mut Dice) -> Value {
    let mut rule = json!({});
    let has_key = dice.below(4) == 0;
    if has_key {
        rule["dedup_key"] = dice.pick(KEYS).into();
    }
    if dice.below(5) > 0 {
        // One that reads the action, the severity or the summary fails in a rule with a key. The others of what is not
        // shared would strand an alert there, and the preview warns about them.
        let reads_event = OTHERS[..4].to_vec();
        let conditions = if dice.below(2) == 0 {
            SHARED
        } else if has_key {
            &reads_event
        } else {
            OTHERS
        };
        rule["if"] = dice.pick(conditions).into();
    }
    if dice.below(2) == 0 {
        rule["service"] = match dice.below(2) {
            0 => dice.pick(SERVICES).into(),
            _ => json!({"by": dice.pick(&["item.labels.team", "item.status", "event.payload.severity"]),
                "map": {"shop": dice.pick(SERVICES), "firing": dice.pick(SERVICES), "critical": dice.pick(SERVICES)}}),
        };
    }
    if dice.below(3) == 0 {
        rule["severity"] = dice.pick(&["critical", "info", "{{ item.labels.severity }}", "{{ item.status }}"]).into();
    }
    if dice.below(4) == 0 {
        rule["class"] = "changed".into();
        rule["summary"] = dice.pick(&["Changed {{ item.labels.host }}", "{{ item.nothing.here }}", "Same"]).into();
    }
    if dice.below(6) == 0 {
        rule["drop"] = "dropped".into();
    }
    // What is not shared must not decide whether a later key rule is reached: only conditions over the event are found by
    // the relay itself.
    let decided_by_payload = rule["if"]
        .as_str()
        .is_some_and(|condition| condition.contains("item.status") || condition.contains("item.endsAt"));
    if dice.below(8) == 0 && !decided_by_payload {
        rule["stop"] = true.into();
    }
    if rule.as_object().is_some_and(|members| members.keys().all(|name| name == "if")) {
        rule["class"] = "changed".into();
    }
    rule
}

/// PagerDuty's alerts that are open, by routing key and dedup key.
pub(crate) fn settle(open: &mut BTreeSet<(String, String)>, sent: &[Value]) {
    for event in sent {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let alert = (text("routing_key"), text("dedup_key"));
        match event["event_action"].as_str() {
            Some("trigger") => _ = open.insert(alert),
            Some("resolve") => _ = open.remove(&alert),
            _ => {}
        }
    }
}

#[test]
fn random_rules_lose_no_trigger_and_leave_no_alert_open() {
    let mut dice = Dice(20_261_127);
    let (mut triggered, mut dropped, mut elsewhere, mut rekeyed) = (0, 0, 0, 0);
    for round in 0..250 {
        let rules: Vec<Value> = (0..1 + dice.below(6)).map(|_| rule(&mut dice)).collect();
        let own: Vec<Value> = (0..dice.below(3)).map(|_| rule(&mut dice)).collect();
        let variables: BTreeMap<String, String> = [
            ("rules", Value::from(rules).to_string()),
            ("rules_alertmanager", Value::from(own).to_string()),
            ("routing_key_own", key("own")),
            ("routing_key_shop", key("shop")),
            ("routing_key_search", key("search")),
            ("routing_key_unlisted", key("unlisted")),
            ("routing_key_same", key("own")),
            ("services_alertmanager", "default own shop search unset same".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let alerts: Vec<(String, Value)> = (0..1 + dice.below(5))
            .map(|number| {
                let labels = json!({"alertname": dice.pick(&["Slow", "Down"]), "team": dice.pick(&["shop", "search", "billing"]),
                    "host": format!("web-{}", dice.below(3)), "env": dice.pick(&["prod", "staging", "dev"]),
                    "severity": dice.pick(&["critical", "warning", "odd"])});
                (format!("{round}-{number}"), labels)
            })
            .collect();
        let send = |status: &dyn Fn(usize) -> &'static str| {
            let group =
                group(alerts.iter().enumerate().map(|(at, (id, labels))| alert(status(at), id, labels)).collect());
            let mut host = host(&variables);
            let reply = post(&mut host, "/alertmanager/own", &[], group.to_string().as_bytes());
            (host.sent, reply)
        };
        let (sent, reply) = send(&|_| "firing");
        let triggers = sent.iter().filter(|event| event["event_action"] == "trigger").count();
        let gone = reply["ignored"].as_array().map_or(0, Vec::len);
        assert_eq!(triggers + gone, alerts.len(), "{variables:#?} {reply:#}");
        if !variables["rules"].contains("drop") && !variables["rules_alertmanager"].contains("drop") {
            assert_eq!(gone, 0, "no rule drops");
        }
        triggered += triggers;
        dropped += gone;
        elsewhere += sent.iter().filter(|event| event["routing_key"] != key("own").as_str()).count();
        rekeyed +=
            sent.iter().filter(|event| event["dedup_key"].as_str().is_some_and(|key| key.contains(":rule:"))).count();
        let mut open = BTreeSet::new();
        settle(&mut open, &sent);
        assert_eq!(open.len(), triggers, "each is an alert of its own");
        // Some recover at a time, together with others that still fire.
        let first = dice.below(alerts.len() + 1);
        let (sent, _) = send(&|at| if at < first { "resolved" } else { "firing" });
        settle(&mut open, &sent);
        let mut firing = BTreeSet::new();
        let is_trigger = |event: &&Value| event["event_action"] == "trigger";
        settle(&mut firing, &sent.iter().filter(is_trigger).cloned().collect::<Vec<_>>());
        assert_eq!(open, firing, "those that recovered are closed, and the others are open: {variables:#?}");
        let (sent, reply) = send(&|_| "resolved");
        assert!(sent.iter().all(|event| event["event_action"] == "resolve"));
        settle(&mut open, &sent);
        assert!(open.is_empty(), "{open:?} {variables:#?} {reply:#}");
    }
    for (what, count) in
        [("triggered", triggered), ("dropped", dropped), ("elsewhere", elsewhere), ("rekeyed", rekeyed)]
    {
        assert!(count > 80, "{what}: {count}");
    }
}

/// A host whose PagerDuty does not know some routing keys, and whose store fails for some variables.
struct Choosy<'a> {
    inner: Accepting<'a>,
    unknown: Vec<String>,
    broken: &'a str,
}

impl Host for Choosy<'_> {
    fn now(&self) -> Duration {
        self.inner.now()
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        if name == self.broken { Err(VariableError) } else { self.inner.variable(name) }
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        self.inner.variables()
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: Step<'_>) {
        for lane in 0..lanes {
            let mut answer = None;
            while let Some(next) = step(lane, Duration::ZERO, answer.take()) {
                let event: Value = serde_json::from_slice(&next.outbound.body.expect("a body")).expect("json");
                let unknown = self.unknown.iter().any(|key| event["routing_key"] == key.as_str());
                let (status, body) = match unknown {
                    true => (400, br#"{"status":"invalid event","errors":["Invalid routing key"]}"#.to_vec()),
                    false => (202, br#"{"status":"success","message":"Event processed"}"#.to_vec()),
                };
                self.inner.sent.push(event);
                answer = Some(Ok(HttpResponse { status, retry_after: None, body }));
            }
        }
    }
}

/// Posts alerts of one status to `/alertmanager`. Returns the status and the reply.
fn choosy(variables: &[(&str, String)], unknown: &[&str], broken: &str, body: &Value) -> (u16, Value, Vec<Value>) {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let unknown = unknown.iter().map(|name| key(name)).collect();
    let mut host = Choosy { inner: host(&variables), unknown, broken };
    let request = stranger(Method::Post, "/alertmanager", &[("x-webhook-secret", SECRET)], body.to_string().as_bytes());
    let (reply, _) = pipeline::handle(&mut host, &request);
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).expect("json"), host.inner.sent)
}

#[test]
fn a_resolve_is_accepted_although_one_of_its_services_does_not_exist() {
    let rules = json!([{"if": "item.labels.team == 'shop'", "service": "shop"}, {"if": "item.labels.team == 'search'", "service": "search"}]).to_string();
    let variables = [
        ("rules", rules),
        ("routing_key_shop", key("routing_key_shop")),
        ("routing_key_search", key("routing_key_search")),
    ];
    let of = |status: &str| group(vec![alert(status, "1", &json!({"alertname": "Slow", "team": "shop"}))]);
    let (status, reply, sent) = choosy(&variables, &["routing_key_search"], "", &of("resolved"));
    assert_eq!((status, sent.len()), (200, 3), "{reply:#}");
    assert_eq!(reply["message"], "2 events accepted by PagerDuty");
    assert_eq!(
        reply["warnings"],
        json!([
            "1 event not accepted for `routing_key_search`: PagerDuty does not know that key, so no alert can be open with it"
        ])
    );
    assert_eq!(reply["events"][1]["routing_key"], "routing_key_shop");
    assert_eq!(reply["events"][0].get("routing_key"), None, "that of the path");
    // A trigger has nobody else to page.
    let (status, reply, _) = choosy(&variables, &["routing_key_shop"], "", &of("firing"));
    assert_eq!(status, 502, "{reply:#}");
    assert!(reply["detail"].as_str().is_some_and(|detail| detail.contains("`routing_key_shop`")), "{reply:#}");
}

#[test]
fn a_store_that_fails_for_rules_makes_the_sender_retry() {
    for broken in ["rules", "rules_alertmanager", "routing_key_shop"] {
        let variables = [("rules", json!([{"service": "shop"}]).to_string())];
        let body = group(vec![alert("firing", "1", &json!({"alertname": "Slow"}))]);
        let (status, reply, sent) = choosy(&variables, &[], broken, &body);
        assert_eq!((status, sent.len()), (503, 0), "{broken}: {reply:#}");
        assert_eq!(reply["detail"], format!("variable `{broken}` could not be read: the variable store failed"));
    }
}

#[test]
fn a_storm_is_counted_for_each_service() {
    let rules = json!([{"service": {"by": "item.labels.team", "map": {"shop": "shop"}}}]).to_string();
    let variables = [("rules", rules), ("routing_key_shop", key("routing_key_shop"))];
    let alerts = |shop: usize, other: usize| {
        let labels = |number: usize| json!({"alertname": "Slow", "team": if number < shop { "shop" } else { "other" }, "n": number.to_string()});
        group((0..shop + other).map(|number| alert("firing", &number.to_string(), &labels(number))).collect())
    };
    let digests = |sent: &[Value]| -> Vec<(String, String)> {
        let digests = sent.iter().filter(|event| event["payload"]["class"] == "digest");
        digests
            .map(|event| {
                (
                    event["routing_key"].as_str().unwrap().to_owned(),
                    event["payload"]["summary"].as_str().unwrap().to_owned(),
                )
            })
            .collect()
    };
    let (status, _, sent) = choosy(&variables, &[], "", &alerts(90, 90));
    assert_eq!((status, sent.len()), (200, 180));
    assert_eq!(digests(&sent), []);
    let (_, _, sent) = choosy(&variables, &[], "", &alerts(130, 10));
    assert_eq!(sent.len(), 111);
    let summary = "30 more alerts from Prometheus Alertmanager arrived in one delivery and are listed here instead of paging individually";
    assert_eq!(digests(&sent), [(key("routing_key_shop"), summary.to_owned())]);
}

#[test]
fn a_delivery_whose_rules_add_too_much_still_gets_its_keys_and_services() {
    let rules = json!([
        {"details": {"all": "{{ payload }}"}},
        {"dedup_key": "{{ item.labels.n }}"},
        {"if": "item.labels.n == '299'", "service": "shop", "drop": "never for a resolve"},
    ])
    .to_string();
    let variables = [("rules", rules), ("routing_key_shop", key("routing_key_shop"))];
    let labels = |n: usize| json!({"alertname": "Slow", "n": n.to_string(), "text": "x".repeat(200)});
    let body = group((0..300).map(|n| alert("resolved", &format!("id-{n}"), &labels(n))).collect());
    let (status, reply, sent) = choosy(&variables, &[], "", &body);
    assert_eq!(status, 200);
    let warnings = reply["warnings"].as_array().expect("warnings");
    assert!(
        warnings.iter().any(|warning| warning.as_str().is_some_and(|warning| {
            warning.starts_with("rule 1 of variable `rules` was skipped for ")
                && warning.ends_with(" events: the rules add more than 4 mib to the events of one delivery")
        })),
        "{warnings:?}"
    );
    let keys: BTreeSet<&str> = sent.iter().filter_map(|event| event["dedup_key"].as_str()).collect();
    assert!(keys.contains("alertmanager:rule:0") && keys.contains("alertmanager:rule:299"), "{keys:?}");
    let bytes: usize = sent.iter().map(|event| event.to_string().len()).sum();
    assert!(bytes < 24 * 1024 * 1024, "{bytes}");
}

#[test]
fn damaged_rules_never_panic_and_lose_no_trigger() {
    let mut dice = Dice(7);
    let body = group(vec![alert("firing", "1", &json!({"alertname": "Slow", "team": "shop", "host": "web-1"}))]);
    let mut used = 0;
    for setup in setups() {
        let Some(text) = setup.variables.get("rules").filter(|text| !text.contains("\"drop\"")) else { continue };
        for _ in 0..12 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(bytes.len());
                match dice.below(3) {
                    0 => _ = bytes.remove(at),
                    1 => bytes.insert(at, *dice.pick(&[&b'"', &b'{', &b'}', &b'|', &b'.', &b'(', &b'1', &b' '])),
                    _ => bytes[at] = *dice.pick(&[&b'a', &b'[', &b']', &b',', &b'%', &b'\\', &b'0', &b'~']),
                }
            }
            let Ok(damaged) = String::from_utf8(bytes) else { continue };
            used += usize::from(List::read("rules", &damaged).is_ok());
            let (status, reply, sent) = choosy(&[("rules", damaged.clone())], &[], "", &body);
            assert_eq!((status, sent.len()), (200, 1), "{damaged}: {reply:#}");
            assert_eq!(sent[0]["event_action"], "trigger", "{damaged}");
        }
    }
    assert!(used > 60, "{used} lists were still JSON");
}
