//! What the guide's tables say about templates of Alertmanager and Grafana OnCall is so.

use pagerelay::http::{Headers, Method, Request};
use pagerelay::pipeline;
use pagerelay_support::{SECRET, fixtures};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::tidy::read;

/// The summary that a template makes of Alertmanager's first fixture, or the error.
fn summary(text: &str) -> String {
    let template = json!({"event_action": "trigger", "dedup_key": "k",
        "payload": {"summary": text, "source": "s", "severity": "error"}});
    let source = pagerelay::sources::find("alertmanager").expect("a source");
    let fixture = fixtures::of(source).into_iter().next().expect("a fixture");
    let template = template.to_string();
    let mut host = Accepting::new();
    host.variables.insert("custom_x", template.leak());
    let request = Request {
        method: Method::Post,
        path: "/preview/custom/x".to_owned(),
        query: String::new(),
        headers: Headers::new([("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())]),
        body: fixture.body,
        problem: None,
    };
    let (reply, _) = pipeline::handle(&mut host, &request);
    let reply: Value = serde_json::from_slice(&reply.body).expect("json");
    match &reply["rejected"][0] {
        Value::String(error) => error.clone(),
        _ => reply["events"][0]["body"]["payload"]["summary"]
            .as_str()
            .unwrap_or_else(|| panic!("{text}: {reply}"))
            .to_owned(),
    }
}

#[test]
fn each_counterpart_of_alertmanagers_templates_makes_what_it_should() {
    let page = read("src/guide/templates.md").replace("\\|", "|");
    let (_, table) = page.split_once("## From Alertmanager's templates").expect("the section");
    // The words of the table, how a template uses them, and what that makes of the fixture: two alerts that fire.
    for (word, text, made) in [
        ("{{ status }}", "{{ status }}", "firing"),
        ("{{ commonLabels.severity }}", "{{ commonLabels.team }}", "shop"),
        (
            "{% for alert in alerts %}…{% endfor %}",
            "{% for alert in alerts %}{{ alert.status }} {% endfor %}",
            "firing firing",
        ),
        (
            "alerts | selectattr('status', 'equalto', 'firing')",
            "{{ alerts | selectattr('status', 'equalto', 'firing') | list | length }}",
            "2",
        ),
        ("{{ alerts | length }}", "{{ alerts | length }}", "2"),
        (
            "{% if status == 'firing' %}…{% else %}…{% endif %}",
            "{% if status == 'firing' %}a{% else %}b{% endif %}",
            "a",
        ),
        ("{{ annotations.summary | default('') }}", "x{{ annotations.summary | default('') }}", "x"),
        (
            "groupLabels | dictsort",
            "{% for k, v in groupLabels | dictsort %}{{ k }}={{ v }} {% endfor %}",
            "alertname=HighErrorRate",
        ),
        ("groupLabels.keys()", "{{ groupLabels.keys() | join(', ') }}", "alertname"),
        ("groupLabels.values() | join(', ')", "{{ groupLabels.values() | join(', ') }}", "HighErrorRate"),
        (
            "`upper`, `lower`, `title`, `trim`",
            "{{ status | upper }}{{ 'A' | lower }}{{ 'a' | title }}{{ ' a ' | trim }}",
            "FIRINGaAa",
        ),
        ("x | regex_search('^a')", "{% set x = 'ab' %}{{ 1 if x | regex_search('^a') else 0 }}", "1"),
        ("x | regex_replace('a', 'b')", "{% set x = 'aa' %}{{ x | regex_replace('a', 'b') }}", "bb"),
        (
            "startsAt | iso8601_to_time | datetimeformat('%H:%M')",
            "{% set startsAt = '2026-03-04T05:06:07Z' %}{{ startsAt | iso8601_to_time | datetimeformat('%H:%M') }}",
            "05:06",
        ),
        (
            "{% macro t(x) %}…{% endmacro %}",
            "{% macro t(x) %}<{{ x.status }}>{% endmacro %}{% for alert in alerts %}{{ t(alert) }}{% endfor %}",
            "<firing><firing>",
        ),
    ] {
        assert!(table.contains(word), "the table has {word}");
        assert_eq!(summary(text), made, "{text}");
    }
}

#[test]
fn what_oncalls_templates_cannot_keep_is_rejected_with_a_reason() {
    for (text, said) in [
        ("{{ time() }}", "the function `time` is refused: a mapping has no clock, chance or state"),
        ("{{ payload.missing }}", "is undefined"),
        (
            "{{ '2026-03-04T05:06:07Z' | iso8601_to_time | datetimeformat_as_timezone('%H', 'America/Chicago') }}",
            "America/Chicago",
        ),
        ("{{ 'a' | regex_search('(?=a)') }}", "look"),
    ] {
        let error = summary(text);
        assert!(error.contains(said), "{text}: {error}");
    }
    assert_eq!(
        summary("{{ '2026-03-04T05:06:07Z' | iso8601_to_time | datetimeformat_as_timezone('%H', '+02:00') }}"),
        "07"
    );
}
