//! The words that decide: what each source makes of every word that any source knows, and of words that nobody knows.
//!
//! `tests/fixtures/words.txt` lists them, so no change of a table goes unnoticed. `UPDATE_EXPECT=1` writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::OnceLock;

use pagerelay::json::Node;
use pagerelay::mapping::states;
use pagerelay::pagerduty::event::Action;
use pagerelay::sources::SOURCES;
use pagerelay_support::fixtures::{self, Fixture};
use pagerelay_support::golden;
use proptest::prelude::*;
use serde_json::{Value, json};

use Unknown::{Ignored, Rejected, Trigger};

/// What a source makes of a word that it does not know, in a payload that is a failure otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unknown {
    /// Of a CI system or a stream of any events: most of its words are no failures.
    Ignored,
    /// Of a program that chooses the action itself.
    Rejected,
    /// Of a monitoring system: an unnecessary page is the lesser evil.
    Trigger,
}

/// A member that contains a state, in one of a source's fixtures.
struct Field {
    slug: &'static str,
    /// The number of the fixture.
    number: &'static str,
    /// The members that get the word.
    pointers: &'static [&'static str],
    /// What precedes the word in the member.
    before: &'static str,
    /// What a word that nobody knows does.
    unknown: Unknown,
}

const fn field(slug: &'static str, number: &'static str, pointers: &'static [&'static str], unknown: Unknown) -> Field {
    Field { slug, number, pointers, before: "", unknown }
}

/// The fields, of every source whose payloads contain states. `sns` and `eventbridge` have tables of kinds with tests of
/// their own.
const FIELDS: &[Field] = &[
    field("alertmanager", "01", &["/alerts/0/status", "/alerts/1/status", "/status"], Trigger),
    field("argocd", "01", &["/health"], Trigger),
    field("argocd", "07", &["/state"], Trigger),
    field("axiom", "01", &["/action"], Trigger),
    field("azure", "01", &["/data/essentials/monitorCondition"], Trigger),
    field("azure", "15", &["/data/alertContext/properties/stage"], Trigger),
    field("azure", "21", &["/data/alertContext/properties/currentHealthStatus"], Trigger),
    field("betterstack", "01", &["/data/attributes/status"], Trigger),
    field("betterstack", "15", &["/data/attributes/event"], Trigger),
    field("checkly", "01", &["/alert_type"], Trigger),
    field("checkmk", "01", &["/NOTIFICATIONTYPE"], Trigger),
    field("checkmk", "01", &["/SERVICESTATE"], Trigger),
    field("checkmk", "15", &["/status"], Trigger),
    Field { before: "com.shop.alert.", ..field("cloudevents", "36", &["/type"], Trigger) },
    Field { before: "com.shop.thing.", ..field("cloudevents", "36", &["/type"], Ignored) },
    field("cloudevents", "38", &["/data/result"], Ignored),
    field("cloudevents", "46", &["/data/host/status"], Trigger),
    field("cloudevents", "48", &["/data/state"], Ignored),
    field("cloudevents", "50", &["/data/result"], Ignored),
    Field { before: "dev.tekton.event.pipelinerun.", ..field("cloudevents", "57", &["/type"], Ignored) },
    field("cloudevents", "62", &["/data/subject/content/outcome"], Ignored),
    field("cloudevents", "72", &["/data/replication/job_status"], Ignored),
    field("cloudevents", "76", &["/data/body/status/health/status"], Ignored),
    field("cloudevents", "82", &["/data/resourceInfo/properties/availabilityState"], Trigger),
    field("cloudflare", "01", &["/data/new_health_status", "/data/new_status"], Trigger),
    field("coralogix", "01", &["/alert_action"], Trigger),
    field("datadog", "01", &["/alert_transition"], Trigger),
    field("dynatrace", "01", &["/ProblemSeverity"], Trigger),
    field("dynatrace", "01", &["/State"], Trigger),
    field("events", "01", &["/event_action"], Rejected),
    field("falco", "01", &["/priority"], Trigger),
    field("flux", "01", &["/severity"], Trigger),
    field("formatted", "01", &["/state"], Trigger),
    field("gatus", "01", &["/state"], Trigger),
    field("gcp", "01", &["/incident/state"], Trigger),
    field("github", "01", &["/workflow_run/conclusion"], Ignored),
    field("github", "19", &["/deployment_status/state"], Ignored),
    field("github", "25", &["/action"], Ignored),
    field("gitlab", "01", &["/object_attributes/status"], Ignored),
    field("gitlab", "09", &["/build_status"], Ignored),
    field("gitlab", "14", &["/status"], Ignored),
    field("gitlab", "19", &["/object_attributes/action"], Trigger),
    field("grafana", "01", &["/alerts/0/status", "/status"], Trigger),
    field("grafana", "10", &["/state"], Trigger),
    field("graylog", "11", &["/event/fields/event_action"], Trigger),
    field("healthchecks", "01", &["/status"], Trigger),
    field("heroku", "01", &["/data/state"], Ignored),
    field("heroku", "03", &["/data/status"], Ignored),
    field("honeycomb", "01", &["/alert/status"], Trigger),
    field("honeycomb", "04", &["/status"], Trigger),
    field("icinga", "01", &["/event/type"], Trigger),
    field("icinga", "01", &["/incident/severity"], Trigger),
    field("icinga", "12", &["/NOTIFICATIONTYPE"], Trigger),
    field("jsmops", "01", &["/action"], Ignored),
    field("jsmops", "01", &["/alert/priority"], Trigger),
    field("kibana", "01", &["/alert/actionGroup"], Trigger),
    field("librenms", "01", &["/severity"], Trigger),
    field("librenms", "01", &["/state"], Trigger),
    field("logicmonitor", "01", &["/alertstatus"], Trigger),
    field("logicmonitor", "01", &["/level"], Trigger),
    field("mongodbatlas", "01", &["/eventTypeName"], Trigger),
    field("mongodbatlas", "06", &["/status"], Trigger),
    field("netdata", "01", &["/severity"], Trigger),
    field("netdata", "11", &["/status/text"], Trigger),
    field("newrelic", "01", &["/state"], Trigger),
    field("newrelic", "08", &["/current_state"], Trigger),
    field("opsgenie", "01", &["/priority"], Trigger),
    field("pingdom", "01", &["/current_state"], Trigger),
    field("rollbar", "01", &["/event_name"], Trigger),
    field("sentry", "01", &["/action"], Trigger),
    field("sentry", "07", &["/action"], Trigger),
    field("signalfx", "01", &["/severity"], Trigger),
    field("signalfx", "01", &["/statusExtended", "/status"], Trigger),
    field("site24x7", "01", &["/STATUS"], Trigger),
    field("solarwinds", "01", &["/ActionType"], Trigger),
    field("solarwinds", "01", &["/Severity"], Trigger),
    field("splunk", "08", &["/result/event_action"], Trigger),
    field("statuscake", "01", &["/Status"], Trigger),
    field("statusgator", "01", &["/status"], Trigger),
    field("statuspage", "01", &["/incident/impact"], Trigger),
    field("statuspage", "01", &["/incident/status"], Trigger),
    field("statuspage", "03", &["/component/status", "/component_update/new_status"], Trigger),
    field("sumologic", "01", &["/triggerType"], Trigger),
    field("uptimecom", "01", &["/event"], Trigger),
    field("uptimecom", "11", &["/state"], Trigger),
    field("uptimekuma", "01", &["/heartbeat/status"], Trigger),
    field("uptimerobot", "01", &["/alertType"], Trigger),
    Field { before: "deployment.", ..field("vercel", "01", &["/type"], Ignored) },
    field("vercel", "01", &["/type"], Ignored),
    field("zabbix", "01", &["/eventvalue"], Trigger),
];

/// Sources without a row in [`FIELDS`].
const ELSEWHERE: [&str; 2] = ["eventbridge", "sns"];

/// Words in use that no source lists among its own.
const OTHERS: &str = "abandoned aborted acked active archived available blocked breached canceled cancelled cleared completed \
    compliant created degraded deleted disconnected dismissed ended errored expired fail failure finished fixed healthy ignored \
    inactive in_progress manual muted neutral noncompliant normal not_ok offline online open opened paused pass passed pending \
    queued recovered rejected running scheduled silenced skipped snoozed stale started stopped succeeded success successful \
    suppressed timed_out timeout unavailable unhealthy unknown up warning";

impl Field {
    /// The fixture and its payload.
    fn fixture(&self) -> (Fixture, Value) {
        let source = pagerelay::sources::find(self.slug).unwrap_or_else(|| panic!("no source {}", self.slug));
        let fixture = fixtures::of(source).into_iter().find(|fixture| fixture.number() == self.number);
        let fixture = fixture.unwrap_or_else(|| panic!("{} has no fixture {}", self.slug, self.number));
        let payload = serde_json::from_slice(&fixture.body).expect("json");
        (fixture, payload)
    }

    /// What the source makes of a word: the action and the severity, `ignored` or `rejected`.
    fn meaning(&self, fixture: &Fixture, payload: &Value, word: &str) -> String {
        let mut payload = payload.clone();
        for pointer in self.pointers {
            let member = payload.pointer_mut(pointer);
            let member = member.unwrap_or_else(|| panic!("{} has no {pointer}", fixture.name()));
            *member = [self.before, word].concat().into();
        }
        let body = payload.to_string();
        match fixtures::map(fixture.source, body.as_bytes(), &fixture.headers, false) {
            Err(_) => "rejected".to_owned(),
            Ok(mapped) => {
                let event = mapped.events.first().filter(|event| event.action() != Action::Change);
                let shown = |event: &pagerelay::pagerduty::event::Event| match event.action() {
                    Action::Trigger => format!("trigger {}", event.severity().as_str()),
                    other => other.as_str().to_owned(),
                };
                event.map_or("ignored".to_owned(), shown)
            }
        }
    }
}

/// The fields with their fixtures and payloads, read once.
fn fields() -> &'static [(&'static Field, Fixture, Value)] {
    static READ: OnceLock<Vec<(&'static Field, Fixture, Value)>> = OnceLock::new();
    let read = |field: &'static Field| {
        let (fixture, payload) = field.fixture();
        (field, fixture, payload)
    };
    READ.get_or_init(|| FIELDS.iter().map(read).collect())
}

/// Every word that a source lists, and [`OTHERS`].
fn vocabulary() -> BTreeSet<String> {
    let listed = SOURCES.iter().flat_map(|source| source.states).map(|word| (*word).to_owned());
    listed.chain(OTHERS.split_whitespace().map(str::to_owned)).collect()
}

#[test]
fn every_word_means_what_the_list_of_words_says() {
    let mut list = String::new();
    for (field, fixture, payload) in fields() {
        let mut meanings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for word in vocabulary() {
            meanings.entry(field.meaning(fixture, payload, &word)).or_default().push(word);
        }
        let unknown = field.meaning(fixture, payload, "zqxjkv");
        let member = [field.pointers[0], if field.before.is_empty() { "" } else { " after " }, field.before].concat();
        writeln!(list, "{} {}: unknown words: {unknown}", fixture.name(), member).expect("memory");
        for (meaning, words) in meanings.iter().filter(|(meaning, _)| **meaning != unknown) {
            writeln!(list, "    {meaning}: {}", words.join(" ")).expect("memory");
        }
    }
    let differs = golden::settle(&fixtures::folder().join("words.txt"), Some(&list), golden::update_wanted());
    assert!(differs.is_none(), "UPDATE_EXPECT=1 writes it:\n{}", differs.unwrap_or_default());
}

#[test]
fn every_source_with_states_is_in_the_list() {
    for source in SOURCES {
        let listed = FIELDS.iter().any(|field| field.slug == source.slug);
        assert!(
            listed != ELSEWHERE.contains(&source.slug),
            "{}: FIELDS needs the member of its fixture that contains the state, so that every word's meaning is listed",
            source.slug
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_word_that_nobody_knows_never_resolves_and_does_what_the_source_documents(
        letters in "[a-z]{0,12}", upper in any::<bool>(), separator in prop::sample::select(vec!["", "_", "-", " ", "."]),
    ) {
        // No word in use contains these letters.
        let word = format!("zq{separator}{letters}qx");
        let word = if upper { word.to_uppercase() } else { word };
        for (field, fixture, payload) in fields() {
            let meaning = field.meaning(fixture, payload, &word);
            let kept = match field.unknown {
                Ignored => meaning == "ignored",
                Rejected => meaning == "rejected",
                Trigger => meaning.starts_with("trigger "),
            };
            prop_assert!(kept, "{} {:?} makes {meaning} of {word}", fixture.name(), field.pointers);
        }
    }
}

/// Members whose value may turn a trigger into a resolve, in a payload that has no other state.
fn texts(value: &Value, at: &str, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| texts(item, &format!("{at}/{index}"), all));
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::String(_) => all.push(at.to_owned()),
        _ => {}
    }
}

#[test]
fn no_member_of_a_failure_becomes_a_recovery_by_a_word_that_nobody_knows() {
    let mut tried = 0;
    for fixture in fixtures::all() {
        let Ok(payload) = serde_json::from_slice::<Value>(&fixture.body) else { continue };
        let does = |payload: &Value, action: Action| {
            let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, false);
            mapped.is_ok_and(|mapped| mapped.events.iter().any(|event| event.action() == action))
        };
        if !does(&payload, Action::Trigger) || does(&payload, Action::Resolve) {
            continue;
        }
        let mut pointers = Vec::new();
        texts(&payload, "", &mut pointers);
        // These choose the sender inside a CloudEvent, the kind of a Zabbix event or the service of AWS, and so the meaning of
        // everything else.
        let chooses = |pointer: &str| {
            let ends =
                ["/type", "/apiVersion", "/event_source", "/detail-type"].iter().any(|end| pointer.ends_with(end));
            ends || pointer == "/source"
        };
        // Cloudflare's event says that it is the end, where its status says nothing.
        // Elastic Beanstalk says in words that there were issues, where its status says that all went well.
        let end = |pointer: &str| {
            pointer.ends_with("_status") && fixture.name().starts_with("cloudflare/19-end-of")
                || pointer.ends_with("/Message") && fixture.name().ends_with("_opens-with-issues")
        };
        for pointer in pointers.into_iter().filter(|pointer| !chooses(pointer) && !end(pointer)) {
            let mut changed = payload.clone();
            *changed.pointer_mut(&pointer).expect("it is there") = "zqxjkv".into();
            tried += 1;
            assert!(!does(&changed, Action::Resolve), "{}: {pointer}", fixture.name());
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_type_is_divided_at_the_word_that_says_its_state() {
    let (ack, resolve, trigger) = (Some(Action::Acknowledge), Some(Action::Resolve), Some(Action::Trigger));
    for (kind, stem, word, action) in [
        ("com.example.disk.failed", "com.example.disk", "failed", trigger),
        ("com.example.disk.failed.v1", "com.example.disk", "failed", trigger),
        ("com.example.disk.failed.1.2.0-draft", "com.example.disk", "failed", trigger),
        ("com.example/disk-Recovered", "com.example/disk", "Recovered", resolve),
        ("com.example:alert_acknowledged", "com.example:alert", "acknowledged", ack),
        ("Vendor.Disk.WriteFailure", "Vendor.Disk.Write", "Failure", trigger),
        ("Vendor.Disk.WriteSuccess", "Vendor.Disk.Write", "Success", resolve),
        ("VMFailedEvent", "VM", "Failed", trigger),
        ("shop.VMDown", "shop.VM", "Down", trigger),
        ("shop.job.timed_out", "shop.job", "timed_out", trigger),
        ("shop.JobTimeOut", "shop.Job", "TimeOut", trigger),
        ("shop.policy.NonCompliant", "shop.policy", "NonCompliant", trigger),
        // A word turned round.
        ("shop.replica.not_ok", "shop.replica", "not_ok", trigger),
        ("shop.replica.not.healthy", "shop.replica", "", trigger),
        ("shop.replica.no_error", "shop.replica", "", None),
        // The end of a thing is the end of an alert only if the thing is an alert.
        ("shop.connection.closed", "shop.connection", "closed", None),
        ("shop.certificate.expired", "shop.certificate", "expired", None),
        ("shop.database.deleted", "shop.database", "deleted", None),
        ("shop.alert.rule.deleted", "shop.alert.rule", "deleted", None),
        ("shop.alert.deleted", "shop.alert", "deleted", resolve),
        ("shop.IncidentClosed", "shop.Incident", "Closed", resolve),
        // Words that are parts of others, or say nothing here.
        ("shop.order.uncleared", "shop.order.uncleared", "", None),
        ("shop.NewVersionAvailable", "shop.NewVersionAvailable", "", None),
        ("shop.user.online", "shop.user.online", "", None),
        ("shop.service.available", "shop.service", "available", resolve),
        ("shop.host.offline", "shop.host", "offline", trigger),
        ("shop.basket.created", "shop.basket.created", "", None),
        ("firing", "firing", "", None),
        ("", "", "", None),
        (".", ".", "", None),
        ("ünit.Störung.FEHLERFailed", "ünit.Störung.FEHLER", "Failed", trigger),
    ] {
        let divided = states::divide(kind);
        assert_eq!((divided.stem, divided.word, divided.action), (stem, word, action), "{kind}");
    }
}

#[test]
fn a_state_is_found_at_any_depth_and_the_worst_of_the_nearest_decides() {
    let found = |data: Value| states::deep(Node::root(&data), &[("wobbly", Action::Trigger)]);
    let says = |action, word: &str| Some((action, word.to_owned()));
    for (data, expected) in [
        (json!({"a": {"b": {"jobStatus": "Failed"}}}), says(Action::Trigger, "Failed")),
        (json!({"items": [{"state": "ok"}, {"state": "down"}]}), says(Action::Trigger, "down")),
        (json!({"a": {"state": "ok"}, "b": {"c": {"state": "down"}}}), says(Action::Resolve, "ok")),
        (json!({"a": {"status": "succeeded", "result": "failed"}}), says(Action::Trigger, "failed")),
        (json!({"a": {"health": "WOBBLY"}}), says(Action::Trigger, "WOBBLY")),
        (json!({"previousState": "down", "prevStatus": "down", "old": {"state": "down"}, "last_state": "down"}), None),
        (
            json!({"desired": {"state": "up"}, "lastly": {"state": "acknowledged"}}),
            says(Action::Acknowledge, "acknowledged"),
        ),
        (json!({"estate": "down", "statement": "down", "states": ["down"], "state": 1}), None),
        (json!("down"), None),
        (json!([]), None),
    ] {
        assert_eq!(found(data.clone()), expected, "{data}");
    }
}

/// The members that may make a failure of a recovery: those that contain a state, or choose what contains it.
const STATES: &[&str] = &[
    "ActionType",
    "NOTIFICATIONTYPE",
    "SERVICESTATE",
    "STATUS",
    "State",
    "Status",
    "TriggerType",
    "action",
    "actionGroup",
    "actionGroupName",
    "alertActionGroup",
    "alert_action",
    "alert_event",
    "alert_info",
    "alert_message",
    "alert_type",
    "alertstatus",
    "availabilityState",
    "currentHealthStatus",
    "current_state",
    "current_status",
    "event",
    "event_action",
    "event_name",
    "event_type",
    "event_value",
    "eventvalue",
    "health",
    "message",
    "monitorCondition",
    "msg",
    "new_health_status",
    "new_status",
    "notification_type",
    "phase",
    "severity",
    "stage",
    "state",
    "status",
    "statusExtended",
    "sync",
    "text",
    "title",
    "trigger",
    "triggerType",
    "type",
];

#[test]
fn a_recovery_triggers_only_if_a_member_with_its_state_changes() {
    let mut others = BTreeSet::new();
    for fixture in fixtures::all().into_iter().filter(|fixture| !ELSEWHERE.contains(&fixture.source.slug)) {
        let Ok(payload) = serde_json::from_slice::<Value>(&fixture.body) else { continue };
        let actions = |payload: &Value| -> Vec<Action> {
            let mapped = fixtures::map(fixture.source, payload.to_string().as_bytes(), &fixture.headers, false);
            mapped.map(|mapped| mapped.events.iter().map(|event| event.action()).collect()).unwrap_or_default()
        };
        let before = actions(&payload);
        if before.contains(&Action::Trigger) || !before.contains(&Action::Resolve) {
            continue;
        }
        let mut pointers = Vec::new();
        texts(&payload, "", &mut pointers);
        for pointer in pointers {
            let mut changed = payload.clone();
            *changed.pointer_mut(&pointer).expect("it is there") = "zqxjkv".into();
            // The item of a list has the list's name.
            let name = pointer.rsplit('/').find(|name| name.parse::<usize>().is_err()).unwrap_or_default();
            if actions(&changed).contains(&Action::Trigger) && !STATES.contains(&name) {
                others.insert(format!("{}: {pointer}", fixture.name()));
            }
        }
    }
    assert!(others.is_empty(), "{others:#?}");
}
