//! The user's own templates, natively: the events of the example templates in `tests/fixtures/custom`, and random
//! templates with random expressions. `UPDATE_EXPECT=1` writes the events of the examples.

use std::collections::BTreeSet;
use std::path::PathBuf;

use pagerelay::auth::{Authenticated, SHARED_SECRET};
use pagerelay::custom::Template;
use pagerelay::endpoints::preview::explain::{self, Positions, Question, Wanted};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::pagerduty::event::Event;
use pagerelay::sources::SOURCES;
use pagerelay_support::credentials::{self, Credentials};
use pagerelay_support::examples::{self, Example};
use pagerelay_support::fixtures::{self, Expected};
use pagerelay_support::{ROUTING_KEY, SECRET, SERVICE_KEY, contract, evidence, golden, root};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::{handle, stranger};

/// The clock of the signatures.
const NOW: u64 = 1_780_000_000;

#[test]
fn every_example_maps_to_what_stands_beside_it() {
    let update = golden::update_wanted();
    let mut wrong = Vec::new();
    for example in examples::all() {
        // The component sends the events of one delivery concurrently, so they arrive in any order.
        let mut actual = Expected::of(mapped(&example), |mut events| {
            events.sort_by_key(Value::to_string);
            events
        });
        actual.events = actual.events.filter(|events| events != "[]\n");
        for (ending, actual) in actual.parts() {
            wrong.extend(golden::settle(&example.payload.with_extension(ending), actual, update));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} files say something else. What came out is beside each of them; UPDATE_EXPECT=1 writes it.\n\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Maps an example's payload with its template, after the authentication that the template defines.
fn mapped(example: &Example) -> Result<Mapped, MapError> {
    let template = Template::read(&example.variable(), &example.template).expect("a template");
    let hmac = template.auth().hmac();
    let schemes = template.auth().schemes(&hmac);
    let body = example.body();
    let shown = credentials::of_schemes(&schemes, SECRET, &body, NOW).expect("the harness can send so");
    let Credentials { headers, query } = shown;
    let mut all = example.headers();
    if !all.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        all.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    all.extend(headers);
    let request = Request {
        method: Method::Post,
        path: format!("/custom/{}", example.name),
        query,
        headers: Headers::new(all.into_iter().map(|(name, value)| (name, value.into_bytes()))),
        body,
        problem: None,
    };
    fixtures::authenticated(&request, &schemes, |delivery| template.mapping()?.map(&example.variable(), delivery))
}

#[test]
fn every_example_has_a_pair_and_nothing_is_left_over() {
    let mut names = BTreeSet::new();
    for example in examples::all() {
        names.insert(example.name.clone());
    }
    assert!(names.len() >= 10, "{names:?}");
    let readme = std::fs::read_to_string(root().join("README.md")).expect("readable");
    let guide = std::fs::read_to_string(root().join("src/guide/templates.md")).expect("readable");
    assert!(readme.contains("](tests/fixtures/custom)"), "the README says where the others are");
    for name in names {
        let folder = examples::folder().join(&name);
        let path = format!("tests/fixtures/custom/{name}");
        if name.starts_with("oncall_") {
            assert!(guide.contains(&path), "the guide lists {name}");
        } else {
            // Nobody should take a template for a vendor whose webhooks the relay understands anyway.
            let needless = !name.contains('_') && SOURCES.iter().any(|source| name.starts_with(source.slug));
            assert_eq!(readme.contains(&path), !needless, "the README lists {name} if there is no source for it");
        }
        let of_name: Vec<Example> = examples::all().into_iter().filter(|example| example.name == name).collect();
        let mut known = BTreeSet::from([folder.join("template.json")]);
        for example in &of_name {
            known.insert(example.payload.clone());
            let beside = ["headers.json"].into_iter().chain(golden::ENDINGS);
            known.extend(beside.map(|ending| example.payload.with_extension(ending)));
        }
        let orphans: Vec<PathBuf> = fixtures::files(&folder).difference(&known).cloned().collect();
        assert!(orphans.is_empty(), "nothing uses {orphans:#?}");
        let events = |number: &str| -> Value {
            let example = of_name.iter().find(|e| e.payload.file_name().unwrap().to_string_lossy().starts_with(number));
            let path = example
                .unwrap_or_else(|| panic!("{name} has a fixture {number}"))
                .payload
                .with_extension("events.json");
            serde_json::from_slice(&std::fs::read(path).expect("it has events")).expect("json")
        };
        let first = events("01");
        assert_eq!(first[0]["event_action"], "trigger", "{name}");
        // These show Jinja, not a vendor.
        if name.starts_with("oncall_") {
            continue;
        }
        let second = events("02");
        // Some vendors never say that it is over.
        if second[0]["event_action"] == "resolve" {
            assert_eq!(first[0]["dedup_key"], second[0]["dedup_key"], "{name}: a pair shares its key");
        }
    }
}

/// A template whose summary is this expression.
fn summary(expression: &str) -> String {
    json!({"event_action": "trigger", "dedup_key": "k", "payload": {"summary": expression, "source": "s"}}).to_string()
}

proptest::proptest! {
    #[test]
    fn a_template_of_any_text_is_an_error_with_a_place_and_no_panic(text in ".{0,80}", payload in "[a-z0-9 ]{0,12}") {
        let template = json!({"each": "list", "ignore": &text, "event": {"event_action": "trigger", "dedup_key": "{{ item }}",
            "payload": {"summary": format!("{{{{ {text}"), "source": format!("{{{{ {text} }}}}{text}")}}}).to_string();
        let body = json!({"list": [&payload, 1, null, {}], "a": 1, "b": "x"}).to_string();
        let template = Template::read("custom_x", &template).expect("it is json of the right shape");
        let checked = template.mapping();
        let mapped = map(&template, body.as_bytes());
        for error in mapped.as_ref().err().into_iter().chain(mapped.iter().flat_map(|mapped| &mapped.rejected)) {
            let said = error.to_string();
            proptest::prop_assert!(said.contains("variable `custom_x`, line 1, column ") || said.contains("field `"), "{}", said);
        }
        proptest::prop_assert!(checked.is_ok() || mapped.is_err(), "what cannot be parsed maps nothing");
    }

    #[test]
    fn an_example_makes_of_any_damaged_payload_events_that_meet_the_contract(
        pick in proptest::prelude::any::<proptest::sample::Index>(),
        at in proptest::prelude::any::<proptest::sample::Index>(),
        with in proptest::sample::select(vec!["null", "{}", "[]", "\"\"", "-1", "1e300", "\"🦀\\u0000\"", "[[1]]", "true"]),
    ) {
        let examples = examples::all();
        let example = pick.get(&examples);
        let text = std::fs::read_to_string(&example.payload).expect("readable");
        // Replaces the value after a random colon.
        let colons: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
        let start = *at.get(&colons);
        let mut rest = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        proptest::prop_assume!(rest.next().is_some_and(|value| value.is_ok()));
        let damaged = format!("{}{with}{}", &text[..start], &text[start + rest.byte_offset()..]);
        let template = Template::read(&example.variable(), &example.template).expect("a template");
        if let Ok(mapped) = map(&template, damaged.as_bytes()) {
            for event in mapped.events {
                let wrong = contract::wrong_with(&contract::with_key(&event.to_json(), ROUTING_KEY));
                proptest::prop_assert!(wrong.is_empty(), "{:?} of {}", wrong, damaged);
            }
        }
    }
}

/// The folder of the corpus, the example, and how many of its payloads have a shape that the template does not support.
const CORPUS: [(&str, &str, usize); 10] = [
    ("auth0", "auth0", 0),
    ("betterstack", "betterstack", 1),
    ("dynatrace", "dynatrace", 1),
    ("falcosidekick", "falcosidekick", 0),
    ("heroku", "heroku", 0),
    ("honeycomb", "honeycomb", 1),
    ("pingdom", "pingdom", 0),
    ("rollbar", "rollbar", 0),
    ("snyk", "snyk", 0),
    ("splunk-observability", "signalfx", 0),
];

#[test]
fn corpus() {
    let Some(folder) = std::env::var_os("PAGERELAY_CORPUS").map(PathBuf::from) else {
        evidence("corpus of the examples: skipped, PAGERELAY_CORPUS is not set");
        return;
    };
    let (mut payloads, mut events, mut ignored) = (0, 0, 0);
    for (vendor, name, other_shapes) in CORPUS {
        let template =
            std::fs::read_to_string(examples::folder().join(name).join("template.json")).expect("a template");
        let template = Template::read(&format!("custom_{name}"), &template).expect("a template");
        let mut failed = Vec::new();
        for path in fixtures::files(&folder.join(vendor)) {
            let file = path.file_name().unwrap().to_string_lossy().into_owned();
            if !file.ends_with(".json") || file.ends_with(".headers.json") || file.contains("precedent") {
                continue;
            }
            payloads += 1;
            match map(&template, &std::fs::read(&path).expect("readable")) {
                Ok(mapped) if mapped.rejected.is_empty() => {
                    for event in &mapped.events {
                        let wrong = contract::wrong_with(&contract::with_key(&event.to_json(), SERVICE_KEY));
                        assert!(wrong.is_empty(), "{vendor}/{file}: {wrong:?}");
                    }
                    events += mapped.events.len();
                    ignored += mapped.ignored.len();
                }
                Ok(mapped) => failed.push(format!("{vendor}/{file}: {:?}", mapped.rejected)),
                Err(error) => failed.push(format!("{vendor}/{file}: {error}")),
            }
        }
        assert!(failed.len() <= other_shapes, "{failed:#?}");
    }
    evidence(&format!("corpus of the examples: {payloads} payloads, {events} events, {ignored} ignored"));
}

/// Maps a payload natively, after authentication with the shared secret.
fn map(template: &Template, body: &[u8]) -> Result<Mapped, MapError> {
    let headers = [("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())];
    let request = Request {
        method: Method::Post,
        path: "/custom/x".to_owned(),
        query: String::new(),
        headers: Headers::new(headers),
        body: body.to_vec(),
        problem: None,
    };
    fixtures::authenticated(&request, SHARED_SECRET, |delivery| template.mapping()?.map("custom_x", delivery))
}

#[test]
fn the_guides_template_works() {
    let guide = std::fs::read_to_string(root().join("src/guide/templates.md")).expect("readable");
    let blocks: Vec<&str> = guide.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let template = Template::read("custom_x", blocks[0]).expect("it is a template");
    let shown = map(&template, blocks[1].as_bytes()).expect("it maps the payload below it");
    let actions: Vec<Value> = shown.events.iter().map(|event| event.to_json()["event_action"].clone()).collect();
    assert_eq!((actions, shown.rejected.len()), (vec![json!("trigger"), json!("resolve")], 0));
    let item = json!({"state": "bad", "id": 7, "title": "T", "url": "https://shop.example/x", "level": "p1"});
    let over = json!({"state": "ok", "id": 7, "title": "T", "url": "https://shop.example/x", "level": "odd"});
    let payload = json!({"alerts": [item, over, {"muted": true}]});
    let mapped = map(&template, payload.to_string().as_bytes()).expect("it maps");
    let events: Vec<Value> = mapped.events.iter().map(Event::to_json).collect();
    assert_eq!((events.len(), mapped.ignored.len(), mapped.rejected.len()), (2, 1, 0));
    assert_eq!(events[0]["payload"]["severity"], "critical");
    assert_eq!(events[1]["payload"]["severity"], "warning");
    assert_eq!((&events[0]["event_action"], &events[1]["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert_eq!(events[0]["payload"]["source"], "shop.example");
}

#[test]
fn a_member_that_most_fields_of_a_small_event_repeat_is_the_origin_of_each() {
    let template = r#"{"event_action": "{{ 'resolve' if state == 'ok' else 'trigger' }}", "dedup_key": "{{ job }}/{{ host }}",
        "payload": {"summary": "{{ job }} on {{ host }}", "source": "{{ host }}", "severity": "error"}}"#;
    let template = Template::read("custom_x", template).expect("a template");
    let request = Request {
        method: Method::Post,
        path: "/custom/x".to_owned(),
        query: String::new(),
        headers: Headers::new([("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())]),
        body: br#"{"state": "failed", "job": "backup", "host": "db-1"}"#.to_vec(),
        problem: None,
    };
    let origins = fixtures::authenticated(&request, SHARED_SECRET, |delivery| {
        let mapping = template.mapping().expect("it compiles");
        let map = |delivery: &Authenticated<'_>| mapping.map("custom_x", delivery);
        let events = map(delivery).expect("it is mapped").events;
        let question = Question { map: &map, delivery, words: &template.words(), in_time: &|| true };
        explain::explain(&question, &events, &Positions::of(&events), Wanted::All).events.remove(0)
    });
    let origins = origins.expect("it is explained");
    let from = |field: &str| origins.iter().find(|origin| origin.field == field).expect("a field").from.clone();
    assert_eq!(from("payload.source"), ["host"]);
    for field in ["dedup_key", "payload.summary"] {
        let mut from = from(field);
        from.sort();
        assert_eq!(from, ["host", "job"], "{field}");
    }
}

/// What a template makes of a payload: its events as JSON, and its errors.
fn outcome(template: &str, payload: &Value) -> (Vec<Value>, Vec<String>) {
    let mapped =
        Template::read("custom_x", template).and_then(|template| map(&template, payload.to_string().as_bytes()));
    match mapped {
        Ok(mapped) => (
            mapped.events.iter().map(Event::to_json).collect(),
            mapped.rejected.iter().map(ToString::to_string).collect(),
        ),
        Err(error) => (Vec::new(), vec![error.to_string()]),
    }
}

/// A template with this text as a detail.
fn detail(text: &str) -> String {
    json!({"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "s",
        "custom_details": {"d": text}}})
    .to_string()
}

/// What a text makes of a payload, as a detail; `null` where it is left out.
fn made(text: &str, payload: &Value) -> Value {
    let (events, errors) = outcome(&detail(text), payload);
    assert!(errors.is_empty(), "{text}: {errors:?}");
    events[0]["payload"]["custom_details"]["d"].clone()
}

/// Why a text makes nothing of a payload.
fn error(template: &str, payload: &Value) -> String {
    let (events, mut errors) = outcome(template, payload);
    assert!(events.is_empty() && errors.len() == 1, "{template}: {events:?} {errors:?}");
    errors.remove(0)
}

#[test]
fn an_error_names_the_line_the_column_and_the_expression() {
    let on_lines = "{\n  \"event_action\": \"trigger\",\n  \"dedup_key\": \"{{ id }}\",\n  \"payload\": {\n    \"summary\": \"é\\n{{ title }} of {{ host.name }}\",\n    \"source\": \"s\"\n  }\n}";
    let lines = |payload: Value, wanted: &'static str| (on_lines.to_owned(), payload, wanted);
    let summary = |text: &str, payload: Value, wanted: &'static str| (summary(text), payload, wanted);
    let cases = vec![
        lines(json!({"id": 1}), ", line 5, column 23: `title` is undefined"),
        lines(json!({"id": 1, "title": 1}), ", line 5, column 38: `host` is undefined"),
        lines(json!({"id": 1, "title": 1, "host": {}}), ", line 5, column 38: `host.name` is undefined"),
        lines(json!({"title": 1}), ", line 3, column 20: `id` is undefined"),
        summary(
            "{{ a + }}",
            json!({}),
            ", line 1, column 81: `a +`: cannot be parsed: unexpected end of variable block",
        ),
        summary(
            "{{ a",
            json!({}),
            ", line 1, column 81: `a`: cannot be parsed: unexpected end of input, expected end of variable block",
        ),
        summary("{{ 'a }}", json!({}), ", line 1, column 78: `{{ 'a`: cannot be parsed: unexpected end of string"),
        summary(
            "{% if a %}x",
            json!({}),
            ", line 1, column 81: `if a`: cannot be parsed: unexpected end of input, expected end of block",
        ),
        summary(
            "{% if a %}x{% endfor %}",
            json!({}),
            ", line 1, column 92: `endfor`: cannot be parsed: unknown statement endfor",
        ),
        summary("{% loop x %}", json!({}), ", line 1, column 81: `loop x`: cannot be parsed: unknown statement loop"),
        summary("{% include 'other' %}", json!({}), ", line 1, column 81: the statement `include` is refused"),
        summary("x {%- extends 'other' %}", json!({}), ", line 1, column 84: the statement `extends` is refused"),
        summary(
            "{% autoescape 'html' %}a{% endautoescape %}",
            json!({}),
            ", line 1, column 81: the statement `autoescape` is refused",
        ),
        summary(
            "at {{ now() }}",
            json!({}),
            ", line 1, column 84: the function `now` is refused: a mapping has no clock, chance or state",
        ),
        summary("{{ [1, 2] | random }}", json!({}), ", line 1, column 90: the filter `random` is refused"),
        summary("{{ a | shout }}", json!({"a": 1}), ", line 1, column 85: unknown filter `shout`"),
        summary("{{ 'odd' if a is strange }}", json!({"a": 1}), ", line 1, column 95: unknown test `strange`"),
        summary("{{ shout(a) }}", json!({"a": 1}), ", line 1, column 81: unknown function `shout`"),
        summary(
            "{{ a.shout(1) }}",
            json!({"a": "x"}),
            ", line 1, column 81: `a.shout(1)`: unknown method: string has no method named shout",
        ),
        summary("{{ b.get('x') }}", json!({"a": "x"}), ", line 1, column 81: `b` is undefined"),
        summary("{{ a | join(',') }}", json!({"a": 5}), ", line 1, column 85: `join(',')`: number is not iterable"),
        summary("{{ [a, b.c] | join(',') }}", json!({"a": 5}), ", line 1, column 85: `b` is undefined"),
        summary("{{ a | replace('x') }}", json!({"a": "x"}), ", line 1, column 85: `replace('x')`: missing argument"),
        summary(
            "{{ a - b }}",
            json!({"a": "x", "b": "y"}),
            ", line 1, column 81: `a - b`: tried to use - operator on unsupported types string and string",
        ),
        summary("{{ a // 0 }}", json!({"a": 1}), ", line 1, column 81: `a // 0`: cannot be calculated"),
        summary(
            "{{ a | upper }} and {{ missing.x | upper | trim }}",
            json!({"a": "x"}),
            ", line 1, column 101: `missing` is undefined",
        ),
        summary(
            "{{ a }}",
            json!({"a": "x".repeat(70_000)}),
            ", line 1, column 78: `{{ a }}`: makes more than 64 kib of text",
        ),
        summary(
            "{{ a }}{{ a }}",
            json!({"a": "x".repeat(40_000)}),
            ", line 1, column 78: `{{ a }}{{ a }}`: makes more than 64 kib of text",
        ),
        summary(
            "{% for i in range(10 ** 9) %}{% endfor %}",
            json!({}),
            ", line 1, column 90: `range(10 ** 9)`: range has too many elements",
        ),
        summary(
            "{{ a | regex_search('(') }}",
            json!({"a": "x"}),
            ", line 1, column 85: `regex_search('(')`: the pattern is not valid: found open group without closing ')'",
        ),
        summary(
            "{{ a | iso8601_to_time | datetimeformat_as_timezone('%H', 'America/Chicago') }}",
            json!({"a": "2026-03-04T05:06:07Z"}),
            ", line 1, column 103: `datetimeformat_as_timezone('%H', 'America/Chicago')`: the time zone `America/Chicago` is refused: write UTC or an offset like +02:00",
        ),
        summary(
            "{{ 1 | datetimeformat('%Q') }}",
            json!({}),
            ", line 1, column 85: `datetimeformat('%Q')`: the format has an unknown directive `%Q`",
        ),
        summary("{% set x = 1 %}{{ x.y.z }} {{ x.a['b c'].d }}", json!({}), ", line 1, column 96: `x.y` is undefined"),
    ];
    let mut wrong = Vec::new();
    for (template, payload, wanted) in cases {
        let said = error(&template, &payload);
        // In a template on one line, `@` is the column of the first such text.
        let wanted = match wanted.split_once('@') {
            Some((before, after)) => {
                let (text, after) = after.split_once('@').expect("two of them");
                let at = template.find(text).unwrap_or_else(|| panic!("{text} is in {template}"));
                format!("{before}{}{after}", template[..at].chars().count() + 1)
            }
            None => wanted.to_owned(),
        };
        let wanted = format!("variable `custom_x`{wanted}");
        if said != wanted {
            wrong.push(format!("{template}\n  said   {said}\n  wanted {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn filters_do_what_their_table_says() {
    let payload = json!({"s": "Grüße", "n": 12, "o": {"a": [1, 2]}, "e": "", "z": null, "flag": true});
    let cases = [
        ("{{ s | lower }} {{ s | upper }} {{ '  x ' | trim }}", json!("grüße GRÜSSE x")),
        ("{{ s | replace('ü', 'ue') }}", json!("Grueße")),
        (
            "{{ no | default('d') }}{{ z | default('e') }}{{ e | default('f') }}{{ s | default('g') }}",
            json!("defGrüße"),
        ),
        ("{{ no.deep[3]['x'] | default(no.too) | default('d') }}", json!("d")),
        ("{{ no.deep | lower | trim | default('d') }} {{ 0 | default('zero', true) }}", json!("d zero")),
        ("{{ no | d('x') }} {{ false | default(default_value='y', boolean=true) }}", json!("x y")),
        (
            "{{ 3.14159 | round(2) }} {{ 2.5 | round }} {{ n | round }} {{ '97.25' | round(1) }}",
            json!("3.14 3 12 97.3"),
        ),
        ("{{ 2.45 | round(1, 'floor') }} {{ 2.41 | round(1, method='ceil') }}", json!("2.4 2.5")),
        ("{{ 1772600767 | date }}", json!("2026-03-04T05:06:07Z")),
        (
            "{{ 1772600767123 | date }} {{ '2026-03-04 06:06:07+01:00' | date }}",
            json!("2026-03-04T05:06:07.123Z 2026-03-04T05:06:07Z"),
        ),
        (
            "{{ 'P1' | severity }} {{ 'odd' | severity }} {{ 'odd' | severity('info') }} {{ 5 | severity('warning') }}",
            json!("critical error info warning"),
        ),
        ("{{ 'abc' | sha256 }}", json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        ("{{ o | sha256 }}", json!(pagerelay::text::sha256_hex(b"{\"a\":[1,2]}"))),
        ("{{ o | tojson }} and {{ o }} and {{ o ~ '' }}", json!(r#"{"a":[1,2]} and {"a":[1,2]} and {"a":[1,2]}"#)),
        ("{{ [1] | tojson_pretty }}{{ {'a': 1} | tojson(indent=1) }}", json!("[\n    1\n]{\n \"a\": 1\n}")),
        ("{{ o.a | join(', ') }}{{ o.a[1] }}{{ o.a[-1] }}{{ payload.o['a'][0] }}{{ s[1:3] }}", json!("1, 2221rü")),
        ("{{ [o, o] | join(', ', attribute='a.0') }}", json!("1, 1")),
        ("{{ 'https://u@shop.example:8/x' | host }}", json!("shop.example")),
        (
            "{{ 'soon' | date | default('no time') }} {{ '192.0.2.7' | host | default('no url') }}",
            json!("no time no url"),
        ),
        ("{{ '}}' ~ \"}}\" }} {{ {'a': {'b': 1}}.a.b }}", json!("}}}} 1")),
        ("{{ 'a, b' | split(', ') | list | tojson }} {{ (o.a + [3]) | join('-') }}", json!("[\"a\",\"b\"] 1-2-3")),
        (
            "{{ n / 8 }} {{ -n // 5 }} {{ -n % 5 }} {{ 2.5 * 2 }} {{ 1 == 1.0 }} {{ 1 < 2 <= 2 }}",
            json!("1.5 -3 3 5.0 True True"),
        ),
        ("{{ 'a' if no is defined }}.{{ z }}.{{ flag }}.{{ not flag }}", json!("..True.False")),
        ("{{ o }}", json!({"a": [1, 2]})),
        ("{{ n }}", json!(12)),
        ("{{- n -}}", json!(12)),
        ("{{ o.a | map('string') | list }}", json!(["1", "2"])),
        ("{{ z }}", Value::Null),
        ("{{ 'a' if no is defined }}", Value::Null),
        ("{{ '2026-03-04T05:06:07' | iso8601_to_time }}", json!(1772600767)),
        ("{{ '2026-03-04T05:06:07.25+01:00' | iso8601_to_time }}", json!(1772597167.25)),
        ("{{ '7' | iso8601_to_time }}", Value::Null),
        (
            "{{ 1772600767 | datetimeformat_as_timezone('%Y-%m-%dT%H:%M:%S%z', '-05:30') }}",
            json!("2026-03-03T23:36:07-0530"),
        ),
        (
            "{{ 1772600767 | datetimeformat('%a %A %b %B %d %e %-d %H %I %-I %j %m %M %p %S %T %F %y %Z %% %f %s %u %w') }}",
            json!(
                "Wed Wednesday Mar March 04  4 4 05 05 5 063 03 06 AM 07 05:06:07 2026-03-04 26 UTC % 000000 1772600767 3 3"
            ),
        ),
        (
            "{{ '4 Mar 2026 05:06:07 PM +0100' | datetimeparse('%d %b %Y %I:%M:%S %p %z') | date }}",
            json!("2026-03-04T16:06:07Z"),
        ),
        ("{{ '05:06 / 04-03-2026' | datetimeparse | date }}", json!("2026-03-04T05:06:00Z")),
        ("{{ 'x' | datetimeparse('%Y') }}", Value::Null),
        (
            "{{ '1d12h' | timedeltaparse }} {{ '-90s' | timedeltaparse }} {{ 'soon' | timedeltaparse | default('none') }}",
            json!("129600 -90 none"),
        ),
        (r"{{ 'a-1 b-22' | regex_replace('(\\w)-(?P<n>\\d+)', '\\g<n>$\\1') }}", json!("1$a 22$b")),
        (
            r"{{ 'ab' | regex_match('b') }} {{ 'ab' | regex_search('b') }} {{ 'ab' | regex_match('a|c') }}",
            json!("False True True"),
        ),
        ("{{ 'R3LDvMOfZQ==' | b64decode }} {{ 'aGk' | b64decode }}", json!("Grüße hi")),
        ("{{ ('{\"a\": [18446744073709551615]}' | parse_json).a[0] }}", json!(18446744073709551615_u64)),
        (
            "{{ 'a b' | urlencode }} {{ '<b>' | escape }} {{ '<b>x</b>' | striptags }} {{ 'x' | safe }}",
            json!("a%20b &lt;b&gt; x x"),
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(made(text, &payload), wanted, "{text}");
    }
    // Every filter that is listed is one that the engine has.
    let filters = std::fs::read_to_string(root().join("src/custom/filters.rs")).expect("readable");
    let list = |name: &str| -> Vec<String> {
        let (_, rest) = filters.split_once(&format!("const {name}: &[&str] = &[")).expect("the list is there");
        rest.split("];").next().unwrap().split('"').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let names = list("FILTERS");
    assert!(names.len() > 60 && names.is_sorted(), "{names:?}");
    for name in &names {
        let (_, errors) = outcome(&detail(&format!("{{{{ 1 | {name} }}}}")), &payload);
        assert!(!errors.iter().any(|error| error.contains("unknown")), "{name}: {errors:?}");
        let (docs, _) = filters.split_once("\nuse ").expect("docs come first");
        assert!(docs.contains(&format!("`{name}`")) || docs.contains(&format!("`{name}(")), "the docs name {name}");
    }
    for name in list("TESTS") {
        let (_, errors) = outcome(&detail(&format!("{{{{ 1 is {name} }}}}")), &payload);
        assert!(!errors.iter().any(|error| error.contains("unknown")), "{name}: {errors:?}");
    }
}

#[test]
fn what_decides_which_alerts_are_the_same_uses_nothing_undefined() {
    let with = |key: &str, action: &str, ignore: &str| {
        json!({"ignore": ignore, "event": {"event_action": action, "dedup_key": key, "payload": {"summary": "s", "source": "s"}}})
            .to_string()
    };
    let payload = json!({"a": "x", "z": null, "id": 18446744073709551615_u64});
    let keys = [
        ("{{ a ~ b }}", "`b` is undefined"),
        ("{{ a }}-{{ b }}", "`b` is undefined"),
        ("{{ [a, b] | join('-') }}", "`b` is undefined"),
        ("{{ [a, b] | sha256 }}", "`b` is undefined"),
        ("{{ [a, b] }}", "`b` is undefined"),
        ("{{ 'x' if b == 'y' else 'z' }}", "`b` is undefined"),
        ("{{ 'x' if b else 'z' }}", "`b` is undefined"),
        ("{% for c in b %}x{% endfor %}k", "`b` is undefined"),
        ("{{ b | lower | trim }}", "`b` is undefined"),
        ("{{ a }}-{{ z }}", "`z`: is none, so alerts could be mixed up"),
    ];
    for (key, wanted) in keys {
        let said = error(&with(key, "trigger", "false"), &payload);
        assert!(said.ends_with(&format!(": {wanted}")), "{key}: {said}");
    }
    assert!(
        error(&with("k", "{{ 'resolve' if b == 1 else 'trigger' }}", "false"), &payload).ends_with("`b` is undefined")
    );
    assert!(error(&with("k", "trigger", "not b"), &payload).ends_with("`b` is undefined"));
    for (key, wanted) in [
        ("{{ b | default(a) }}", "x"),
        ("{{ b | lower | default('y') }}", "y"),
        ("{{ id }}", "18446744073709551615"),
        ("{{ id }}/{{ id - 1 }}", "18446744073709551615/18446744073709551614"),
        ("{{ 'x' if b is defined else 'z' }}", "z"),
    ] {
        let (events, errors) = outcome(&with(key, "trigger", "b | default(false)"), &payload);
        assert_eq!(events[0]["dedup_key"], format!("custom_x:{wanted}"), "{key}: {errors:?}");
    }
    // Elsewhere only what is written has to be there.
    assert_eq!(made("{{ 'x' if b.c.d == 'y' else 'z' }}", &payload), "z");
    assert!(error(&detail("{{ [a, b] | join('-') }}"), &payload).ends_with("`b` is undefined"));
    assert!(error(&detail("{{ {'a': b.c} }}"), &payload).ends_with("`b` is undefined"));
    // A change has no key, so none is made.
    let change = with("{{ b.c.d }}", "{{ 'change' }}", "false");
    assert_eq!(outcome(&change, &payload).1, [] as [&str; 0]);
}

#[test]
fn headers_items_and_the_index_are_names() {
    let template = json!({"each": "list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}-{{ item.id }}",
        "payload": {"summary": "{{ item.title }} of {{ payload.list | length }}", "source": "{{ headers | length }}"}}});
    let payload = json!({"list": [{"id": 1, "title": "A"}, {"id": 2}, {"id": 3, "title": "C"}]});
    let (events, errors) = outcome(&template.to_string(), &payload);
    assert_eq!(events.iter().map(|event| &event["dedup_key"]).collect::<Vec<_>>(), ["custom_x:0-1", "custom_x:2-3"]);
    assert_eq!(errors.len(), 1);
    assert!(
        errors[0].starts_with("each[1]: variable `custom_x`, line 1, column ")
            && errors[0].ends_with(": `item.title` is undefined"),
        "{errors:?}"
    );
    let many = json!({"list": vec![json!({"id": "a", "title": "A"}); 1100]});
    let (events, errors) = outcome(&template.to_string(), &many);
    assert_eq!(
        (events.len(), errors),
        (
            1000,
            vec![
                "variable `custom_x`, line 1, column 10: `list`: has more than 1000 items; the rest is left out"
                    .to_owned()
            ]
        )
    );
    // A list that the template makes, and one that fails for each item, which leaves the others their steps.
    let template = template
        .to_string()
        .replace("\"list\"", "\"list | selectattr('title') | map(attribute='id') | list\"")
        .replace("item.id", "item")
        .replace("item.title", "item");
    assert_eq!(outcome(&template, &payload).0.len(), 2);
    let failing = json!({"each": "list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}", "payload": {"source": "s",
        "summary": "{% if index % 2 %}{{ item - 'x' }}{% endif %}s"}}});
    let (events, errors) = outcome(&failing.to_string(), &json!({"list": vec!["y"; 1000]}));
    assert_eq!((events.len(), errors.len()), (500, 500), "{}", errors[0]);
}

/// Templates that would take for ever, or make without end, and how their errors end.
fn endless() -> Vec<(String, &'static str)> {
    let steps = "the template needs too many steps";
    vec![
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".to_owned(), steps),
        ("{% for i in range(100000) %}{{ i }} and some more text{% endfor %}".to_owned(), "makes more than 64 kib of text"),
        ("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}".to_owned(), "recursion limit exceeded"),
        ("{% macro a(n) %}{{ b([n]) }}{% endmacro %}{% macro b(n) %}{{ a({'n': n}) }}{% endmacro %}{{ a(0) }}".to_owned(), "recursion limit exceeded"),
        ("{% for i in [1] recursive %}{{ loop([i]) }}{% endfor %}".to_owned(), "recursion limit exceeded"),
        ("{{ 'x' * 100000000 }}".to_owned(), steps),
        ("{{ ('x' * 1000000) ~ 'y' }}".to_owned(), "makes more than 64 kib of text"),
        ("{% set ns = namespace(t='x') %}{% for i in range(60) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{{ ns.t }}".to_owned(), steps),
        ("{% set ns = namespace(t=[1]) %}{% for i in range(25) %}{% set ns.t = ns.t + ns.t %}{% endfor %}{{ ns.t | length }}{{ ns.t | join }}".to_owned(), steps),
        ("{{ 'x' | replace('', 'y' * 60000) | replace('y', 'z' * 60000) }}".to_owned(), steps),
        ("{{ '%999999999d' | format(1) }}".to_owned(), steps),
        ("{{ (range(100000) | list) | join(',' * 1000) }}".to_owned(), steps),
        ("{{ ('a' * 60000) | regex_search('(a*)*b') }}{{ ('a' * 60000) | regex_search('(a{1,20}){1,20}b') }}".to_owned(), steps),
        ("{{ 'a' | regex_search('a{1000}{1000}') }}".to_owned(), "the pattern is not valid: compiled regex exceeded size limit"),
        (format!("{{{{ 'a' | regex_search('{}') }}}}", "a".repeat(600)), "the pattern is longer than 500 bytes"),
        ("{{ [payload, payload] * 50000 }}".to_owned(), steps),
    ]
}

#[test]
fn what_would_take_for_ever_ends_and_says_so() {
    let payload = json!({"list": vec!["some text"; 1000]});
    let started = std::time::Instant::now();
    for (text, wanted) in endless() {
        let (events, errors) = outcome(&detail(&text), &payload);
        let said = errors.first().cloned().unwrap_or_default();
        assert!(events.is_empty() && said.ends_with(wanted), "{text}\n{said} {events:?}");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    // All texts of a delivery share the steps.
    let template = json!({"each": "list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}", "payload": {
        "summary": "s", "source": "s", "custom_details": {"a": "{% for i in range(2000) %}{% endfor %}"}}}});
    let (events, errors) = outcome(&template.to_string(), &payload);
    assert!(events.len() > 50 && errors.len() > 500, "{} {}", events.len(), errors.len());
    assert!(errors[999 - events.len()].ends_with("the template needs too many steps"));
    // And what they make.
    let template = json!({"each": "list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}", "payload": {
        "summary": "s", "source": "s", "custom_details": {"d": "{{ payload }}"}}}});
    let payload = json!({"list": vec![1; 900], "large": "x".repeat(100_000)});
    let (events, errors) = outcome(&template.to_string(), &payload);
    assert!(!events.is_empty() && errors.len() > 700, "{}", errors.len());
    assert_eq!(errors[errors.len() - 1], "each[899]: variable `custom_x` makes more than 8 mib of one delivery");
}

#[test]
fn what_nests_deep_fits_in_a_small_stack() {
    let deep = |open: &str, inside: &str, close: &str, times: usize| {
        format!("{}{inside}{}", open.repeat(times), close.repeat(times))
    };
    let mut texts: Vec<String> = [
        deep("(", "1", ")", 5000),
        deep("[", "1", "]", 5000),
        deep("{'a':", "1", "}", 3000),
        deep("x(", "", ")", 5000),
        deep("not ", "1", "", 5000),
        deep("-", "1", "", 9000),
        deep("", "1", "+1", 5000),
        deep("", "1", "~1", 5000),
        deep("", "payload", "[0]", 5000),
        deep("", "payload", ".a", 9000),
        deep("", "payload", "|tojson", 4000),
        deep("", "payload", " is defined", 2000),
        deep("1 if 1 else ", "1", "", 2000),
        deep("1 and ", "1", "", 3000),
        deep("1**", "1", "", 5000),
        deep("1<", "1", "", 9000),
        "-9223372036854775808 // -1".to_owned(),
    ]
    .map(|expression| format!("{{{{ {expression} }}}}"))
    .into();
    texts.extend([
        deep("{% if 1 %}", "x", "{% endif %}", 1000),
        deep("{% for x in [1] %}", "x", "{% endfor %}", 900),
        "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(2000) + "{% endif %}",
        deep("{% set x %}", "x", "{% endset %}", 900),
        deep("{% filter upper %}", "x", "{% endfilter %}", 700),
        deep("{% macro m() %}", "x", "{% endmacro %}", 700),
        deep("{% with x = 1 %}", "x", "{% endwith %}", 700),
        "{% raw %}{{ ' {% endraw %}".to_owned() + &format!("{{{{ {} }}}}", deep("(", "1", ")", 5000)),
        // As deep as is allowed, and a little less.
        format!("{{{{ {} }}}}", deep("(", "1", ")", 9)),
        format!("{{{{ {} }}}}", deep("x(", "", ")", 8)),
        format!("{{{{ {}{} }}}}", "-".repeat(50), deep("[", "1", "]", 4)),
        format!("{{{{ {} }}}}", deep("not ", "1", "", 99)),
        format!("{{{{ {} }}}}", deep("1 if 0 else ", "1", "", 49)),
        format!("{{{{ {} }}}}", deep("", "payload", "|tojson", 99)),
        deep("{% if 1 %}", &format!("{{{{ {}{} }}}}", "-".repeat(20), deep("[", "1", "]", 2)), "{% endif %}", 9),
        deep("{% for x in [1] %}", "x", "{% endfor %}", 13),
        "{% if 0 %}".to_owned() + &"{% elif 0 %}".repeat(60) + "{% endif %}",
    ]);
    texts.extend(endless().into_iter().map(|(text, _)| text));
    texts.push("{{ payload }}{{ payload ~ '' }}{{ payload == payload.a | default(1) }}{{ [payload] | sort | tojson }}{{ payload | pprint_no | default('') }}".replace(" | pprint_no", ""));
    let payload: Value = serde_json::from_str(&deep("[", "1", "]", 120)).expect("serde takes 127 levels");
    // The component has 512 KB, in frames that are no larger than those of a native build.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let run = move || {
        let mut nested = 0;
        for text in texts {
            let (events, errors) = outcome(&detail(&text), &payload);
            assert_eq!(events.len() + errors.len(), 1, "{text}");
            nested += usize::from(errors.iter().any(|error| error.ends_with("nests too deep")));
        }
        assert!(nested >= 20, "{nested}");
    };
    small.spawn(run).expect("a thread").join().expect("nothing overflows");
    let detail = error(&detail_of(&deep("[", "1", "]", 90)), &json!({}));
    assert!(detail.ends_with("nests too deep"), "{detail}");
}

/// A template with JSON as a detail.
fn detail_of(json: &str) -> String {
    format!(
        r#"{{"event_action": "trigger", "dedup_key": "k", "payload": {{"summary": "s", "source": "s", "custom_details": {{"d": {json}}}}}}}"#
    )
}

#[test]
fn a_header_that_repeats_a_secret_of_the_url_is_absent() {
    let secret = "a/secret-in a+url-f83b1c97d2a4";
    let template = r#"{"auth": {"scheme": "query", "parameter": "sig"}, "event": {"event_action": "trigger",
        "dedup_key": "{{ k }}", "payload": {"summary": "s", "source": "x", "severity": "error",
        "custom_details": {"headers": "{{ headers }}", "names": "{{ headers|list|join(' ') }}"}}}}"#;
    for sent in ["sig=a%2Fsecret-in%20a%2burl-f83b1c97d2a4", "sig=a/secret-in%20a+url-f83b1c97d2a4&sig2=&key=1"] {
        for repeated in [sent, "sig=a%2fsecret-in%20a+url-f83b1c97d2a4", "sig=a/secret-in a+url-f83b1c97d2a4#"] {
            let mut host = Accepting::new();
            host.variables.extend([("webhook_secret", secret), ("custom_x", template)]);
            let url = format!("https://relay.example.com/custom/x?{repeated}");
            let headers =
                [("spin-full-url", &*url), ("x-original-url", &url), ("x-level", "11"), ("x-secret-or-not", "1")];
            let request = stranger(Method::Post, &format!("/custom/x?{sent}"), &headers, br#"{"k": "1"}"#);
            let (reply, _) = handle(&mut host, &request);
            assert!(reply.status.is_success(), "{reply:?}");
            let details = &host.sent[0]["payload"]["custom_details"];
            assert_eq!(details["headers"]["x-level"], "11", "{details}");
            assert!(!details.to_string().contains("f83b1c97d2a4"), "{details}");
        }
    }
}

#[test]
fn many_secrets_in_a_url_hide_every_header_and_cost_little() {
    let template = r#"{"auth": {"scheme": "query", "parameter": "sig"}, "event": {"event_action": "trigger",
        "dedup_key": "{{ k }}", "payload": {"summary": "{{ headers.x_1 is none }}", "source": "x", "severity": "error"}}}"#;
    let mut host = Accepting::new();
    host.variables.extend([("webhook_secret", SECRET), ("custom_x", template)]);
    let keys: String = (0..3000).map(|number| format!("&key=0123456789ab{number:04}")).collect();
    let names: Vec<String> = (0..90).map(|number| format!("x-{number}")).collect();
    let value = "%41".repeat(300);
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
    let request = stranger(Method::Post, &format!("/custom/x?sig={SECRET}{keys}"), &headers, br#"{"k": "1"}"#);
    let began = std::time::Instant::now();
    let (reply, _) = handle(&mut host, &request);
    assert!(reply.status.is_success(), "{reply:?}");
    assert_eq!(host.sent[0]["payload"]["summary"], "true");
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
