//! PagerDuty accepts every expected event, and every event from the payloads of the corpus.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pagerelay::pagerduty::{event::Action, event::DedupKey, event::Event, event::Severity};
use pagerelay::sources;
use pagerelay_support::fixtures::{self, Fixture};
use pagerelay_support::schema::Schema;
use pagerelay_support::{ROUTING_KEY, contract, evidence};
use serde_json::{Value, json};

/// Folders of the corpus and their sources. Vendors without a source are not listed.
const CORPUS: &[(&str, &str)] = &[
    ("alertmanager", "alertmanager"),
    ("argocd", "argocd"),
    ("aws-eventbridge", "sns"),
    ("aws-sns", "sns"),
    ("axiom", "axiom"),
    ("azure-monitor", "azure"),
    ("betterstack", "betterstack"),
    ("checkly", "checkly"),
    ("checkmk", "checkmk"),
    ("cloudevents", "cloudevents"),
    ("cloudflare", "cloudflare"),
    ("coralogix", "coralogix"),
    ("datadog", "datadog"),
    ("dynatrace", "dynatrace"),
    ("falcosidekick", "falco"),
    ("flux", "flux"),
    ("gatus", "gatus"),
    ("gcp-monitoring", "gcp"),
    ("generic-oncall-formatted", "formatted"),
    ("github", "github"),
    ("gitlab", "gitlab"),
    ("grafana", "grafana"),
    ("graylog", "graylog"),
    ("healthchecks", "healthchecks"),
    ("heroku", "heroku"),
    ("honeycomb", "honeycomb"),
    ("icinga-nagios", "icinga"),
    ("kibana", "kibana"),
    ("librenms", "librenms"),
    ("logicmonitor", "logicmonitor"),
    ("mongodb-atlas", "mongodbatlas"),
    ("netdata", "netdata"),
    ("newrelic", "newrelic"),
    ("opsgenie", "jsmops"),
    ("pingdom", "pingdom"),
    ("rollbar", "rollbar"),
    ("sentry", "sentry"),
    ("site24x7", "site24x7"),
    ("solarwinds", "solarwinds"),
    ("splunk", "splunk"),
    ("splunk-observability", "signalfx"),
    ("statuscake", "statuscake"),
    ("statusgator", "statusgator"),
    ("statuspage", "statuspage"),
    ("sumologic", "sumologic"),
    ("uptime-com", "uptimecom"),
    ("uptime-kuma", "uptimekuma"),
    ("uptimerobot", "uptimerobot"),
    ("vercel", "vercel"),
    ("zabbix", "zabbix"),
];

/// Payloads of the corpus that open an alert, and those that close it.
const PAIRS: &[(&str, &str, &str)] = &[
    ("aws-sns", "03-cloudwatch-alarm-rds-pretty-crlf-no-subject", "04-cloudwatch-ok-rds-pretty-crlf-no-subject"),
    ("betterstack", "01-incident-started-composed", "03-incident-resolved-composed"),
    ("cloudflare", "07-waf-spike-start-numeric-correlation-id", "08-waf-spike-end-derived"),
    ("coralogix", "01-trigger-many-unsubstituted-variables", "02-resolve-derived"),
    ("datadog", "06-template-instance-triggered-composed", "07-template-instance-recovered-composed"),
    ("dynatrace", "05-template-instance-open-composed", "06-template-instance-resolved-composed"),
    ("dynatrace", "05-template-instance-open-composed", "07-template-instance-merged-composed"),
    ("gatus", "01-triggered-recommended-body", "02-resolved-recommended-body"),
    ("gcp-monitoring", "06-open-v1.1", "07-closed-v1.1-pair-of-06"),
    ("generic-oncall-formatted", "01-alerting", "02-ok"),
    ("gitlab", "05-pipeline-failed-derived", "01-pipeline-success"),
    ("healthchecks", "03-recommended-body-down", "04-recommended-body-up"),
    ("heroku", "02-dyno-crashed-composed", "03-dyno-up-composed"),
    ("honeycomb", "02-generic-template-instance-triggered-composed", "03-generic-template-instance-ok-composed"),
    ("kibana", "02-recommended-body-active", "03-recommended-body-recovered"),
    ("librenms", "02-alert-device-down-derived", "01-recovered-device-up"),
    ("logicmonitor", "01-active-warning", "02-clear"),
    ("mongodb-atlas", "01-metric-open-composed", "02-metric-closed-composed"),
    ("newrelic", "01-workflow-issue-created", "09-workflow-issue-closed-pair-of-01-derived"),
    ("site24x7", "01-down", "02-up-derived"),
    ("solarwinds", "01-create", "02-resolve-lowercase-actiontype"),
    ("splunk-observability", "02-triggered-composed", "03-ok-composed"),
    ("statuscake", "01-down", "02-up"),
    ("statuspage", "03-incident-identified-pair-of-02-derived", "02-incident-resolved"),
    ("sumologic", "02-critical-composed", "03-resolved-critical-composed"),
    ("uptime-com", "01-alert-raised", "02-alert-cleared-derived"),
    ("uptime-kuma", "01-down", "02-up"),
    ("uptimerobot", "01-down-default-variables", "02-up-derived"),
    ("vercel", "02-deployment-error-derived", "03-deployment-succeeded-derived"),
    ("zabbix", "01-problem-average", "02-ok-average"),
    ("zabbix", "04-media-params-problem", "06-media-params-recovery"),
];

/// Files of the corpus that are not payloads of their vendor: a template, an event that Pingdom itself sends to PagerDuty, and
/// tables of signatures for the tests of authentication.
const NOT_PAYLOADS: &[&str] = &[
    "04-generic-webhook-template-as-string",
    "90-precedent-pagerduty-events-v1-from-pingdom",
    "98-signing-cert-url-cases",
    "99-signature-test-vector",
    "99-signature-test-vectors",
];

#[test]
fn every_expected_event_meets_the_contract() {
    for fixture in fixtures::all() {
        for event in [fixture.expected_events(false), fixture.expected_events(true)].concat() {
            assert_contract(&event, &fixture.name());
        }
    }
}

/// Whether the source ever resolves. Fixture 02 of one that does not opens the same alert again.
fn resolves(source: &sources::Source) -> bool {
    !source.setup.resolves.starts_with("never")
}

#[test]
fn a_source_has_fixtures_that_fire_that_resolve_and_that_are_rejected() {
    for source in sources::SOURCES {
        let fixtures = fixtures::of(source);
        let does = |action: &str| {
            fixtures.iter().any(|f| f.expected_events(false).iter().any(|event| event["event_action"] == action))
        };
        assert!(does("trigger"), "{} has no fixture that triggers", source.slug);
        assert_eq!(does("resolve"), resolves(source), "{} has no fixture that resolves", source.slug);
        assert!(
            fixtures.iter().any(|f| f.expected(false).error.is_some()),
            "{} has no fixture that is rejected",
            source.slug
        );
    }
}

#[test]
fn the_first_two_fixtures_of_a_source_are_a_trigger_and_its_resolve() {
    for source in sources::SOURCES {
        for group in [false, true] {
            let keys = |number: &str, action: &str| -> BTreeSet<String> {
                let fixture = fixtures::of(source).into_iter().find(|fixture| fixture.number() == number);
                let events = fixture.map(|fixture| fixture.expected_events(group)).unwrap_or_default();
                // A resolve may also close the digest of the whole batch.
                let events: Vec<Value> = events.into_iter().filter(|e| e["payload"]["class"] != "digest").collect();
                assert!(events.iter().all(|event| event["event_action"] == action), "{} {number}", source.slug);
                events.iter().map(|event| event["dedup_key"].to_string()).collect()
            };
            let opened = keys("01", "trigger");
            let closes = if resolves(source) { "resolve" } else { "trigger" };
            assert_eq!(opened, keys("02", closes), "{}: what 01 opens, 02 closes", source.slug);
            assert!(group || !opened.is_empty(), "{}: 01 opens something", source.slug);
        }
    }
}

#[test]
fn the_contract_refuses_what_pagerduty_refuses() {
    let good = json!({
        "routing_key": ROUTING_KEY, "event_action": "trigger", "dedup_key": "k",
        "payload": {"summary": "s", "source": "h", "severity": "error"},
    });
    assert_eq!(contract::violations(good.to_string().as_bytes()), Vec::<String>::new());
    let bad = [
        ("/payload/severity", json!("CRITICAL")),
        ("/payload/severity", json!("none")),
        ("/payload/summary", json!("x".repeat(1025))),
        ("/payload/summary", json!("📨".repeat(513))),
        ("/payload/summary", json!("")),
        ("/payload/source", json!("")),
        ("/payload/custom_details", json!("text")),
        ("/payload/images", json!([])),
        ("/payload/timestamp", json!("2026-07-08 02:15:00")),
        ("/payload", Value::Null),
        ("/payload", json!({"summary": "half a payload", "source": "h"})),
        ("/dedup_key", json!("")),
        ("/dedup_key", json!("📨".repeat(128))),
        ("/dedup_key", json!(" \u{a0}\u{3000}\n")),
        ("/client", json!("")),
        ("/client_url", json!("https://shop.example/\u{a0}")),
        ("/links", json!([])),
        ("/links", json!(vec![json!({"href": "https://shop.example/", "text": "t"}); 17])),
        ("/routing_key", json!("too-short")),
        ("/event_action", json!("close")),
        ("/links", json!([{"text": "no address"}])),
        ("/links", json!([{"href": "?orgId=1", "text": "relative"}])),
        ("/images", json!([{"src": "http://charts.example/a.png"}])),
        ("/extra", json!(1)),
        ("/payload/custom_details", json!({"text": "x".repeat(512_000)})),
    ];
    let without = |name: &str| {
        let mut event = good.clone();
        event.as_object_mut().expect("an object").remove(name);
        contract::violations(event.to_string().as_bytes())
    };
    assert!(["routing_key", "event_action", "dedup_key", "payload"].iter().all(|name| !without(name).is_empty()));
    for (pointer, value) in bad {
        let mut event = good.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer has a slash");
        event.pointer_mut(parent).expect("the parent is there")[name] = value.clone();
        assert!(!contract::violations(event.to_string().as_bytes()).is_empty(), "{pointer} = {value:.40} passes");
    }
}

#[test]
fn a_schema_that_uses_what_is_not_known_is_refused_rather_than_passed_over() {
    for schema in [r#"{"format": "uri"}"#, r#"{"type": "integer"}"#, r#"{"additionalProperties": {}}"#] {
        assert!(std::panic::catch_unwind(|| Schema::new(schema)).is_err(), "{schema}");
    }
}

#[test]
fn an_event_too_large_keeps_what_fits_and_says_what_it_shortened() {
    let key = || DedupKey::new("test", &["1"]).expect("a key");
    let details = [
        ("one long string", json!({"log": "x".repeat(900_000), "host": "web-1"})),
        ("many characters of four bytes", json!({"log": "📨".repeat(200_000), "host": "web-1"})),
        ("many escapes", json!({"log": "\u{1}".repeat(300_000), "host": "web-1"})),
        ("a long list", json!({"list": vec!["entry"; 150_000], "host": "web-1"})),
        ("long names", json!({"x".repeat(600_000): 1, "host": "web-1"})),
    ];
    for (what, details) in details {
        let mut event = Event::new(Action::Trigger, key(), Severity::Error, "summary", "source");
        for (name, value) in details.as_object().expect("an object") {
            event = event.detail(name, value.clone());
        }
        let body = event.encode(ROUTING_KEY);
        assert_eq!(contract::violations(&body), Vec::<String>::new(), "{what}");
        let sent: Value = serde_json::from_slice(&body).expect("json");
        let details = &sent["payload"]["custom_details"];
        assert_eq!(details["host"], "web-1", "{what}: what is short stays");
        assert!(details["shortened_to_fit"].as_array().is_some_and(|names| !names.is_empty()), "{what}");
    }
}

#[test]
fn deep_and_wide_details_fit_too() {
    let mut tree = json!("leaf");
    for _ in 0..9 {
        tree = json!([tree, tree, tree, tree]);
    }
    let event = Event::new(
        Action::Trigger,
        DedupKey::new("test", &["1"]).expect("a key"),
        Severity::Error,
        "summary",
        "source",
    );
    let event = event.detail("tree", tree);
    assert_eq!(contract::violations(&event.encode(ROUTING_KEY)), Vec::<String>::new());
}

#[test]
fn corpus() {
    let Some(folder) = std::env::var_os("PAGERELAY_CORPUS").map(PathBuf::from) else {
        evidence("corpus: skipped, PAGERELAY_CORPUS is not set");
        return;
    };
    let (mut payloads, mut events, mut ignored) = (0, 0, 0);
    let mut alerts = Alerts::new();
    for (name, slug) in CORPUS {
        let source = sources::find(slug).expect("the table names sources");
        let docs = docs_of(slug);
        for path in payloads_in(&folder.join(name)) {
            payloads += 1;
            let fixture = unwrapped(Fixture::read(source, path));
            for group in [false, true] {
                let mapped = fixture.map(group).unwrap_or_else(|error| panic!("{}: {error}", fixture.name()));
                assert!(mapped.rejected.is_empty(), "{}: {:?}", fixture.name(), mapped.rejected);
                for event in &mapped.events {
                    assert_contract(&event.to_json(), &fixture.name());
                }
                for item in &mapped.ignored {
                    let reason = item.reason.split(':').next().unwrap_or_default();
                    assert!(docs.contains(reason), "{slug}'s docs do not name the reason {reason:?}");
                }
                assert!(!mapped.events.is_empty() || !mapped.ignored.is_empty(), "{}", fixture.name());
                if !group {
                    for event in mapped.events.iter().filter(|event| event.action() == Action::Trigger) {
                        let event = event.to_json();
                        let key = (*slug, event["dedup_key"].to_string());
                        let said = format!("{} {}", event["payload"]["class"], event["payload"]["summary"]);
                        alerts.entry(key).or_default().insert((fixture.name(), said));
                    }
                    events += mapped.events.len();
                    ignored += mapped.ignored.len();
                }
            }
        }
    }
    for (name, opens, closes) in PAIRS {
        let (_, slug) = CORPUS.iter().find(|(folder, _)| folder == name).expect("its folder is listed");
        let source = sources::find(slug).expect("the table names sources");
        let events = |stem: &str| {
            let fixture = Fixture::read(source, folder.join(name).join(format!("{stem}.json")));
            fixture.map(false).unwrap_or_else(|error| panic!("{name}/{stem}: {error}")).events
        };
        let (opened, closed) = (events(opens), events(closes));
        assert!(opened.iter().all(|event| event.action() == Action::Trigger), "{name}/{opens}");
        for event in &opened {
            let its = closed.iter().any(|c| c.action() == Action::Resolve && c.dedup_key() == event.dedup_key());
            assert!(its, "{name}: {closes} does not close {:?}", event.dedup_key());
        }
    }
    let merged = merged(&alerts);
    evidence(&format!(
        "corpus: {payloads} payloads, {events} events, {ignored} ignored, {merged} with the key of another alert"
    ));
    assert!(payloads > 0, "the corpus at {} is empty", folder.display());
}

/// The payloads that trigger each alert, with their classes and summaries, by source and dedup key.
type Alerts = BTreeMap<(&'static str, String), BTreeSet<(String, String)>>;

/// Keys that are an example's own: the vendor's page has one id for all its examples.
const EXAMPLES: &[&str] = &[
    "Microsoft.AlertsManagement/alerts/eeeeeeee-4444-5555-6666-ffffffffffff",
    "cloudflare:000eaa907ed24e78946d3a93adb2ae57",
    "site24x7:285731000000025120",
];

/// How many payloads trigger an alert whose key a payload about something else has. Summaries are about the same thing if
/// one begins like the other, apart from numbers and words for states. Prints the others.
fn merged(alerts: &Alerts) -> usize {
    let mut count = 0;
    for ((_, key), said) in alerts.iter().filter(|((_, key), _)| !EXAMPLES.iter().any(|id| key.contains(id))) {
        let subjects: BTreeSet<String> = said.iter().map(|(_, summary)| subject(summary)).collect();
        let payloads: BTreeSet<&String> = said.iter().map(|(payload, _)| payload).collect();
        let apart = |(one, other): (&String, &String)| !other.starts_with(one.as_str());
        // One payload may say two things about one alert.
        if payloads.len() > 1 && subjects.iter().zip(subjects.iter().skip(1)).any(apart) {
            count += payloads.len();
            evidence(&format!("corpus: one key, {} alerts: {key}", subjects.len()));
            said.iter().for_each(|(payload, summary)| evidence(&format!("    {payload}: {summary:.160}")));
        }
    }
    count
}

/// What a summary is about: its words, without numbers and words for states.
fn subject(summary: &str) -> String {
    const STATES: &[&str] = &[
        "alarm",
        "alerting",
        "closed",
        "critical",
        "data",
        "degraded",
        "down",
        "error",
        "failed",
        "firing",
        "fixed",
        "found",
        "healthy",
        "is",
        "maintenance",
        "no",
        "ok",
        "opened",
        "passed",
        "problem",
        "recovered",
        "reopened",
        "resolved",
        "succeeded",
        "success",
        "triggered",
        "under",
        "unhealthy",
        "up",
        "warn",
        "warning",
    ];
    let words = summary.split(|c: char| !c.is_alphabetic()).map(str::to_ascii_lowercase);
    let words: Vec<String> = words.filter(|word| !word.is_empty() && !STATES.contains(&word.as_str())).collect();
    words.join(" ")
}

/// The corpus stores a request without a body as `{method, query, body}`.
fn unwrapped(mut fixture: Fixture) -> Fixture {
    let wrapper: Value = serde_json::from_slice(&fixture.body).unwrap_or_default();
    let names: Vec<&String> = wrapper.as_object().into_iter().flat_map(|members| members.keys()).collect();
    if names == ["body", "method", "query"] {
        fixture.headers.push((":query".to_owned(), wrapper["query"].as_str().unwrap_or_default().to_owned()));
        fixture.body = wrapper["body"].as_str().unwrap_or_default().into();
    }
    fixture
}

fn payloads_in(folder: &Path) -> Vec<PathBuf> {
    let files = fixtures::files(folder).into_iter();
    let payload = |path: &PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        path.extension().is_some_and(|ending| ending == "json")
            && !stem.ends_with(".headers")
            && !NOT_PAYLOADS.contains(&stem.as_str())
    };
    files.filter(payload).collect()
}

/// The docs of a source, and those of the shared mapping of labels.
fn docs_of(slug: &str) -> String {
    let root = pagerelay_support::root();
    let text = std::fs::read_to_string(root.join(format!("src/sources/{slug}.rs"))).expect("a source has a file");
    let docs: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//!")).collect();
    docs.concat().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_contract(event: &Value, what: &str) {
    assert_eq!(contract::wrong_with(&contract::with_key(event, ROUTING_KEY)), Vec::<String>::new(), "{what}");
}
