//! Mappings of the user's own, natively: what the example templates of `tests/fixtures/custom` map to, and any template of
//! any text. `UPDATE_EXPECT=1` writes what the examples map to.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use pagerelay::custom::Template;
use pagerelay::http::{Headers, Method, Request};
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::pagerduty::event::Event;
use pagerelay_support::credentials::{self, Credentials};
use pagerelay_support::examples::{self, Example};
use pagerelay_support::fixtures::{self, Expected};
use pagerelay_support::{ROUTING_KEY, SECRET, SERVICE_KEY, contract, golden, root};
use serde_json::{Value, json};

/// The clock of the signatures.
const NOW: u64 = 1_780_000_000;

#[test]
fn every_example_maps_to_what_stands_beside_it() {
    let update = golden::update_wanted();
    let mut wrong = Vec::new();
    for example in examples::all() {
        // The component sends the events of one delivery together, and they arrive in any order.
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

/// What an example's template makes of its payload, past the proof that the template names.
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
    for name in names {
        let folder = examples::folder().join(&name);
        assert!(readme.contains(&format!("tests/fixtures/custom/{name}")), "the README lists {name}");
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
        let (first, second) = (events("01"), events("02"));
        assert_eq!(first[0]["event_action"], "trigger", "{name}");
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
        // The value behind any colon becomes another.
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

/// The folder of the corpus, the example, and how many of its payloads are of a shape that the template is not for.
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
    let say = |line: &str| writeln!(std::io::stderr(), "{line}").expect("standard error is open");
    let Some(folder) = std::env::var_os("PAGERELAY_CORPUS").map(PathBuf::from) else {
        say("corpus of the examples: skipped, PAGERELAY_CORPUS is not set");
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
    say(&format!("corpus of the examples: {payloads} payloads, {events} events, {ignored} ignored"));
}

/// Maps a payload natively, past an authentication with the shared secret.
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
    fixtures::authenticated(&request, pagerelay::auth::SHARED_SECRET, |delivery| {
        template.mapping()?.map("custom_x", delivery)
    })
}

#[test]
fn the_guides_template_works_and_its_list_of_filters_is_whole() {
    let guide = std::fs::read_to_string(root().join("src/guide/templates.md")).expect("readable");
    let (_, section) = guide.split_once("## Mappings of your own").expect("the section is there");
    let (_, block) = section.split_once("```json\n").expect("a template");
    let template = Template::read("custom_x", block.split("```").next().unwrap()).expect("it is a template");
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

    let (_, listed) = section.split_once("Filters: ").expect("the list is there");
    let listed: Vec<&str> = listed.split(';').next().unwrap().split('`').skip(1).step_by(2).collect();
    for filter in &listed {
        let filter = filter.replace("(x, y)", "('a', 'b')").replace("(x)", "('a')").replace("(n)", "(2)");
        let text = summary(&format!("{{{{ payload | {filter} }}}}"));
        let template = Template::read("custom_x", &text).expect("it is a template");
        assert!(template.mapping().is_ok(), "{filter}");
    }
    let filters = std::fs::read_to_string(root().join("src/custom/filters.rs")).expect("readable");
    let known = filters.matches("\", (").count();
    assert_eq!(listed.len(), known, "{listed:?}");
}
