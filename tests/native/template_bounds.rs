//! Templates that want more than a body of their size may take: each ends with an error, on a small stack, and what it takes
//! grows no faster than the body.

use std::fmt::Write as _;

use pagerelay::custom::Template;
use pagerelay::http::{Headers, Method, Request};
use pagerelay_support::{SECRET, fixtures};
use serde_json::{Value, json};

const STEPS: &str = "the template needs too many steps";

/// The stack of the tests, which is less than that of a component.
const STACK_BYTES: usize = 256 * 1024;

fn request(payload: &Value) -> Request {
    let headers = [("authorization".to_owned(), format!("Bearer {SECRET}").into_bytes())];
    Request {
        method: Method::Post,
        path: "/custom/x".to_owned(),
        query: String::new(),
        headers: Headers::new(headers),
        body: payload.to_string().into_bytes(),
        problem: None,
    }
}

/// How many events a template makes of a payload, and its errors.
fn outcome(template: &str, payload: &Value) -> (usize, Vec<String>) {
    let request = request(payload);
    let mapped = Template::read("custom_x", template).and_then(|template| {
        fixtures::authenticated(&request, pagerelay::auth::SHARED_SECRET, |delivery| {
            template.mapping()?.map("custom_x", delivery)
        })
    });
    match mapped {
        Ok(mapped) => (mapped.events.len(), mapped.rejected.iter().map(ToString::to_string).collect()),
        Err(error) => (0, vec![error.to_string()]),
    }
}

/// A template with this text as a detail.
fn detail(text: &str) -> String {
    json!({"event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "s",
        "custom_details": {"d": text}}})
    .to_string()
}

/// Runs on a small stack.
fn small<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, run);
        thread.expect("a thread").join().expect("nothing overflows or panics")
    })
}

/// Two texts of 200 KB that differ in their last byte, lists of them, and a list that nests.
fn payload() -> Value {
    let long = "a".repeat(200_000);
    let nested: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).expect("json");
    json!({"t": format!("{long}b"), "u": format!("{long}c"), "b": format!("{}b", "a".repeat(100_000)),
        "list": vec!["some text"; 1000], "nested": nested, "e": "é".repeat(100_000), "o": {"k": {"l": [1, 2]}},
        "f": "{:999999999}"})
}

/// Lists that refer to one another, so that 2^n values are in n lists.
fn doubled(name: &str, times: usize) -> String {
    let mut text = format!("{{% set {name}0 = [payload.t, payload.t] %}}");
    for n in 1..=times {
        write!(text, "{{% set {name}{n} = [{name}{}, {name}{}] %}}", n - 1, n - 1).expect("a text");
    }
    text
}

fn looped(inside: &str) -> String {
    format!("{{% set ns = namespace(x=[1], n=0) %}}{{% for i in range(60000) %}}{inside}{{% endfor %}}")
}

/// Templates that took time, memory or stack without a bound, and how they end.
fn hostile() -> Vec<(String, &'static str)> {
    let text = |text: &str| text.to_owned();
    let deep = "nests too deep";
    let inside = "a namespace cannot be part of another value";
    vec![
        // What `~` writes.
        (text("{{ ([payload.t] * 100000000) ~ '' }}"), STEPS),
        (text("{% set x = [payload.t] * 100000000 %}{{ x ~ 'y' }}"), STEPS),
        (text("{% set x = [payload, payload.list] * 3000 %}{{ 'y' ~ (x | list) }}"), STEPS),
        (doubled("x", 40) + "{{ x40 ~ '' }}", STEPS),
        // What is compared.
        (doubled("x", 25) + &doubled("y", 25) + "{{ x25 == y25 }}", STEPS),
        (doubled("x", 25) + &doubled("y", 25) + "{{ x25 is eq(y25) }}", STEPS),
        (doubled("x", 25) + &doubled("y", 25) + "{{ [x25, y25] | sort }}", STEPS),
        (doubled("x", 25) + &doubled("y", 25) + "{{ x25 in [y25] }}", STEPS),
        (doubled("x", 25) + "{{ {x25: 1} }}", STEPS),
        (doubled("x", 25) + "{% for i in [1, 2] %}{{ loop.changed(x25) }}{% endfor %}", STEPS),
        (looped("{% if payload.t == payload.u %}{% endif %}"), STEPS),
        (looped("{% if payload.t is lt(payload.u) %}{% endif %}"), STEPS),
        (looped("{% if 'z' in payload.t %}{% endif %}"), STEPS),
        (looped("{% if payload.t is lower %}{% endif %}"), STEPS),
        // Lists that are added to themselves, and others that are made.
        (looped("{% set ns.x = ns.x + ns.x %}"), STEPS),
        (text("{% set x = [1] * 100000000 %}{{ (x + x + x) | length }}"), STEPS),
        (
            text("{{ ([1] * 100000000 + [1] * 100000000) | length }}"),
            "a list is repeated inside of another operation; put brackets around it",
        ),
        (text("{% set a, b = [1] * 100000000 %}"), STEPS),
        (looped("{% set a, b = payload.list %}"), "sequence of wrong length (expected 2, got 1000)"),
        (looped("{% for a, b in [payload.list] %}{% endfor %}"), "sequence of wrong length (expected 2, got 1000)"),
        (looped("{% set y = dict(**payload) %}"), STEPS),
        (text("{{ ([payload.list] * 5000) | sum(start=[]) | length }}"), STEPS),
        (text("{{ ([payload.t] * 5000) | sum(start='') | length }}"), STEPS),
        // What nests.
        (looped("{% set ns.x = [ns.x] %}"), deep),
        (looped("{% set ns.x = {'a': ns.x} %}"), deep),
        (looped("{% set ns.x = (ns.x, 1) %}"), deep),
        (looped("{% set ns.x = ns.x, 1 %}"), deep),
        (looped("{% set ns.x = dict(a=ns.x) %}"), deep),
        (looped("{% set ns.x = ns.x | batch(5) %}"), deep),
        (looped("{% set ns.x = ns.x | zip([1]) %}"), deep),
        (looped("{% set ns.x = ns.x[:] %}"), STEPS),
        (looped("{% set ns.x = ns.x * 1 %}"), STEPS),
        (looped("{% set ns.x = ns.x | reverse %}"), STEPS),
        (looped("{% set ns.x = namespace(x=ns.x) %}"), inside),
        (looped("{% set ns.x = ns %}"), inside),
        (looped("{% set ns.x = [ns] %}"), inside),
        (looped("{% set m = namespace(y=ns) %}"), inside),
        (text("{% macro m(x, n) %}{{ m([[[x]]], n + 1) }}{% endmacro %}{{ m(1, 0) }}"), "recursion limit exceeded"),
        (
            text(
                "{% macro m(x) %}{% for y in [[[[x]]]] %}{% with z = [[[[x, y]]]] %}{{ m([[[[z]]]]) }}{% endwith %}{% endfor %}{% endmacro %}{{ m(1) }}",
            ),
            deep,
        ),
        (
            format!(
                "{{% set ns = namespace(x=payload.list) %}}{{% for i in range(500) %}}{{% set ns.x = ns.x{} %}}{{% endfor %}}",
                "[:]".repeat(8)
            ),
            STEPS,
        ),
        (
            format!(
                "{{% for i in range(300) %}}{{% with x = payload.list{} %}}{{{{ x == 1 }}}}{{% endwith %}}{{% endfor %}}",
                " * 1".repeat(20)
            ),
            "a list is repeated inside of another operation; put brackets around it",
        ),
        (format!("{{{{ ({}payload.list) | length }}}}", "payload.list + ".repeat(40)), deep),
        // Places in a long text.
        (looped("{% set y = payload.e[90000] %}"), STEPS),
        (looped("{% set y = payload.e[i] %}"), STEPS),
        (looped("{% set y = payload.e[5:6] %}"), STEPS),
        (looped("{% for c in payload.e %}{% break %}{% endfor %}"), STEPS),
        (text("{{ payload.list[::-4294967296] }}"), "the step of a slice is too large, or is no number"),
        (text("{{ payload.list[::-9223372036854775807 - 1] }}"), "the step of a slice is too large, or is no number"),
        (text("{{ payload.list[::4294967296 * 1] }}"), "the step of a slice is too large, or is no number"),
        // What repeats, and what searches.
        (text("{{ payload.t | trim(payload.b) }}"), STEPS),
        (text("{{ payload.t | trim([payload.b]) }}"), STEPS),
        (text("{{ [payload.t] | trim(['[\\\"', payload.b]) }}"), STEPS),
        (text("{{ payload.t.strip(payload.b) }}"), STEPS),
        (text("{{ 'a' | indent(1000000000000) }}"), "makes more than 64 kib of text"),
        (text("{{ 'a' | indent(width=1000000000000) }}"), "makes more than 64 kib of text"),
        (text("{{ 1 | indent(9000000000000000000) }}"), "makes more than 64 kib of text"),
        (text("{{ payload.list | indent(width=9000000000000000000) }}"), "makes more than 64 kib of text"),
        (text("{{ payload.f.format(1) }}"), "makes more than 64 kib of text"),
        (text("{{ ','.join([payload.t] * 100000) }}"), STEPS),
        (text("{{ [payload.t] * 100000 | upper }}"), "strings can only be multiplied with integers"),
        (text("{{ ([payload.t] * 100000) | upper }}"), STEPS),
        (text("{{ range(-9000000000000000000, 9000000000000000000, 1) }}"), "range has too many elements"),
        // What the engine does not survive, and what would be a way around all this.
        (text("{% for i in [1] %}{{ loop.cycle() }}{% endfor %}"), "`cycle` needs a value"),
        (text("{% for i in [1] %}{{ loop.cycle(*[]) }}{% endfor %}"), "`cycle` needs a value"),
        (
            text("{% for a, b in [] recursive %}{{ loop(payload.list) }}{% endfor %}"),
            "a recursive loop over several variables is refused",
        ),
        (text("{% macro __relay_made(x) %}{% endmacro %}"), "the name `__relay_made` is refused: the relay uses it"),
        (text("{% set __relay_kept = 1 %}"), "the name `__relay_kept` is refused: the relay uses it"),
    ]
}

/// A template with an event for each item, and this text as a detail.
fn each(text: &str) -> String {
    json!({"each": "payload.list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}", "payload": {
        "summary": "s", "source": "s", "custom_details": {"d": text}}}})
    .to_string()
}

/// How many steps a template takes for a body of so many bytes, roughly.
fn steps(template: &str, bytes: usize) -> u64 {
    let item =
        json!({"id": "item-0000", "labels": {"job": "node", "region": "eu-west-1"}, "text": "some words of a text"});
    let items = bytes / item.to_string().len();
    let payload = json!({"list": vec![item; items], "long": "a".repeat(bytes / 8)});
    let template = Template::read("custom_x", template).expect("a template");
    let request = request(&payload);
    fixtures::authenticated(&request, pagerelay::auth::SHARED_SECRET, |delivery| {
        let Ok(mapping) = template.mapping() else { return 0 };
        drop(mapping.map("custom_x", delivery));
        mapping.steps()
    })
}

#[test]
fn what_a_template_takes_grows_no_faster_than_the_body() {
    let (small, large) = (8 * 1024, 128 * 1024);
    let texts = [
        "{{ payload }}",
        "{{ payload.list }}",
        "x {{ payload }}",
        "{{ payload | tojson }}",
        "{{ payload ~ '' }}",
        "{{ payload.list[1:] }}",
        "{{ payload.list | sort(attribute='id') | length }}",
        "{% set ns = namespace(x=[]) %}{% for i in payload.list %}{% set ns.x = ns.x + [i.id] %}{% endfor %}{{ ns.x | length }}",
        "{{ item.id }}: {{ item.text | upper }} {{ item.labels.job ~ '/' ~ item.labels.region }}",
    ];
    let mut wrong = Vec::new();
    for text in texts {
        let (few, many) = (steps(&each(text), small), steps(&each(text), large));
        if many > few * 16 * 13 / 10 {
            wrong.push(format!("{text}: {few} {many}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_list_that_grows_item_by_item_takes_little() {
    let text = "{% set ns = namespace(x=[]) %}{% for i in payload.list %}{% set ns.x = ns.x + [[i.id, i.text]] %}{% endfor %}{{ ns.x | length }}";
    let (few, many) = (steps(&detail(text), 12 * 1024), steps(&detail(text), 120 * 1024));
    assert!(few > 1000 && many < few * 20, "{few} {many}");
    let payload = json!({"list": vec![json!({"id": 1, "text": "t"}); 1000]});
    assert_eq!(outcome(&detail(text), &payload), (1, Vec::new()));
}

#[test]
fn what_a_template_takes_is_never_more_than_a_multiple_of_the_body() {
    // These look at the whole payload for each item, which is little for a small body.
    let whole = [
        "{{ payload.list | map(attribute='id') | join(',') }}",
        "{{ payload.list | unique | length }}",
        "{{ payload.list == [item] }}",
        "{{ item in payload.list[5:] }}",
        "{{ 'b' in payload.long }}",
        "{{ payload.long | replace('a', 'b') | length }}",
        "{{ payload.long | upper | length }}",
    ];
    let whole = whole.iter().map(|text| (each(text), 128 * 1024));
    for (template, bytes) in whole.chain(hostile().iter().map(|(text, _)| (detail(text), 32 * 1024))) {
        let taken = steps(&template, bytes);
        // As many as are granted, and what is copied into events.
        let granted = 500_000 + u64::try_from(4 * bytes).expect("a number");
        assert!(taken <= granted, "{taken} of {granted}: {template}");
    }
}

#[test]
fn a_template_that_wants_too_much_ends_with_its_reason() {
    let payload = payload();
    let wrong = small(|| {
        let mut wrong = Vec::new();
        for (text, wanted) in hostile() {
            let (events, errors) = outcome(&detail(&text), &payload);
            let said = errors.first().map_or("", String::as_str);
            if events != 0 || errors.len() != 1 || !said.ends_with(wanted) {
                wrong.push(format!(
                    "{}\n  wanted {wanted}\n  said   {events} {said}",
                    &text[text.len().saturating_sub(120)..]
                ));
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_pays_changes_no_value() {
    let payload = json!({"a": 2, "b": "x", "l": [1, 2, 3], "d": {"k": 1, "m": 5}});
    let cases = [
        ("{{ a + 1 + a }} {{ b + 'y' ~ a }} {{ a * 3 ~ b }} {{ -a ~ b }}", "5 xy2 6x -2x"),
        (
            "{{ l[-1] }}{{ l[a] }}{{ l[a - 1] }}{{ b[0] }}{{ 'héllo'[1:3] }}{{ 'abc'[::-1] }}{{ (l + [a])[1:] | join }}",
            "332xélcba232",
        ),
        ("{% set x, y = a, b %}{{ x }}{{ y }}{% set x, y = [b, a] %}{{ x }}{{ y }}", "2xx2"),
        (
            "{{ a in l and b not in l }} {{ not a in l }} {{ 1 < a <= 2 }} {{ a * 2 in [4] }} {{ a is in(l) }}",
            "True False True True True",
        ),
        ("{% for k, v in d.items() if v > 1 -%} {{ k }}{{ v }}{{ loop.last }} {%- endfor %}", "m5True"),
        (
            "{% macro m(x, y=a) %}{{ x ~ y }}{{ caller(y) }}{% endmacro %}{% call(z) m(b) %}<{{ z }}>{% endcall %}",
            "x2<2>",
        ),
        ("{{ b * a }}{{ [a] * 2 | length if b == 'y' else {b: [a]}.x[0] }}{{ (a, b)[1] }}", "xx2x"),
        (
            "{{ [[a], [a, a]] | sum(start=[]) | length }}{{ ([a] * 3) | length }}{% with (p, q) = [1, 2], r = a %}{{ p + q + r }}{% endwith %}",
            "335",
        ),
    ];
    for (text, wanted) in cases {
        let template = Template::read("custom_x", &detail(text)).expect("a template");
        let details = fixtures::authenticated(&request(&payload), pagerelay::auth::SHARED_SECRET, |delivery| {
            let mapped = template.mapping().and_then(|mapping| mapping.map("custom_x", delivery));
            mapped.map(|mapped| mapped.events[0].to_json()["payload"]["custom_details"]["d"].clone())
        });
        assert_eq!(details.map_err(|error| error.to_string()), Ok(Value::from(wanted)), "{text}");
    }
}
