//! What the code says, for the figures of origin `code`.

use std::collections::BTreeMap;
use std::time::Duration;

use pagerelay::config::VARIABLES;
use pagerelay::custom::Template;
use pagerelay::inbound::intake;
use pagerelay::outbox;
use pagerelay::pagerduty::events_api::PAUSES;
use pagerelay::sources::{SOURCES, Source};
use pagerelay_support::root;
use serde_json::json;
use toml::Value;

use super::quantity::Quantity;
use crate::host::Accepting;
use crate::keys::sent_by;
use crate::tidy::read;

/// How many instances a pool of wasmtime has by default: 1000 modules, and a component has three.
/// <https://docs.rs/wasmtime/latest/wasmtime/struct.PoolingAllocationConfig.html>
const POOL: u64 = 333;

/// Public constants by their paths.
macro_rules! constants {
    ($($kind:ident $first:ident $(:: $rest:ident)* $(. $field:ident)?;)*) => {
        [$((
            [stringify!($first) $(, "::", stringify!($rest))* $(, ".", stringify!($field))?].concat(),
            Quantity::$kind(pagerelay::$first $(::$rest)* $(.$field)?),
        )),*]
    };
}

/// Public constants, and what follows from constants, registries and files. Each has a name for the ledger.
pub(super) fn known() -> BTreeMap<String, Quantity> {
    let constants = constants! {
        bytes config::SECRET_MIN_BYTES;
        bytes custom::TEMPLATE_MAX_BYTES;
        bytes http::BODY_MAX_BYTES;
        bytes mapping::budget::BUDGET_BYTES;
        bytes pagerduty::event::DEDUP_KEY_MAX_BYTES;
        bytes rules::RULES_MAX_BYTES;
        count mapping::VALUES_MAX;
        count mapping::budget::BUDGET_PER_BYTE;
        count mapping::subject::NUMBERS;
        count outbox::drain::LISTED_MAX;
        count outbox::drain::SENDS_MAX;
        count outbox::fallback::NAMED_MAX;
        count pagerduty::storm::EVENTS_MAX;
        count pipeline::AGENT_MAX_CHARS;
        count report::LISTED_MAX;
        count rules::KEY_STEPS;
        count rules::RULES_MAX;
        count rules::SERVICES_MAX;
        count secret::ROUTING_KEY_CHARS;
        count secret::TAIL_CHARS;
        ms outbox::ticks::APART_MS;
        ms outbox::ticks::LATE_MS;
        ms outbox::ticks::LOST_MS;
        secs auth::TIMESTAMP_TOLERANCE_SECS;
        secs error::RETRY_AFTER_MAX_SECS;
        secs error::RETRY_AFTER_SECS;
        share outbox::beats::GRACE_SHARE;
        share outbox::beats::PERIOD_SHARE;
        time inbound::intake::MARGIN;
        time inbound::intake::TOTAL_MAX;
        time outbox::LIFETIME;
        time outbox::REQUEST_MAX;
        time outbox::TRIED_MAX;
        time outbox::fallback::TOLD_MAX;
        time pagerduty::events_api::LIMIT_PAUSE;
        time pagerduty::events_api::SLOW_PAUSE;
        time sources::Source::DEFAULT.patience;
        time sources::sentry::SOURCE.patience;
    };
    let mut known = BTreeMap::from(constants);
    let mut add = |name: &str, quantity: Quantity| assert!(known.insert(name.to_owned(), quantity).is_none(), "{name}");
    let tens = |number: u64| number / 10 * 10;

    // Registries and files.
    add("more than so many sources, in tens", Quantity::count(tens(SOURCES.len() as u64 - 1)));
    let declared = VARIABLES.iter().filter(|variable| variable.declared).count();
    add("variables that spin.toml declares", Quantity::count(declared));
    add("variables that spin.toml declares, without settings", Quantity::count(declared - 1));
    let spin: toml::Table = read("spin.toml").parse().expect("toml");
    let hosts = spin["component"]["pagerelay"]["allowed_outbound_hosts"].as_array().expect("a list");
    let by_variable = hosts.iter().filter_map(Value::as_str).filter(|host| host.starts_with("{{")).count();
    add("hosts that spin.toml allows", Quantity::count(hosts.len() - by_variable));
    add("hosts that spin.toml allows by a variable", Quantity::count(by_variable));
    let cargo: toml::Table = read("Cargo.toml").parse().expect("toml");
    let features = cargo["features"].as_table().expect("features").values();
    let drafts = features.filter(|enables| enables.as_array().is_some_and(Vec::is_empty)).count();
    add("features that choose a draft of wasi:config", Quantity::count(drafts));
    add("steps in the table of the outbox's page", rows("src/guide/outbox.md", "| Step |"));
    add("credentials in the table of the security page", rows("src/guide/security.md", "| Credential |"));

    // Times.
    for (index, pause) in PAUSES.iter().enumerate() {
        add(&format!("events_api::PAUSES[{index}]"), Quantity::time(*pause));
    }
    add("events_api::PAUSES[0], added", Quantity::time(PAUSES[0]));
    add("attempts within Source::DEFAULT.patience", Quantity::count(attempts(Source::DEFAULT.patience)));
    add(
        "attempts within sentry::SOURCE.patience",
        Quantity::count(attempts(pagerelay::sources::sentry::SOURCE.patience)),
    );
    add("the part of a short timeout", Quantity::share(intake::MARGIN_SHARE).rest());
    add("a short timeout", Quantity::time(intake::MARGIN * intake::MARGIN_SHARE));
    let lease = Duration::from_millis(private("src/outbox/lease.rs", "LASTS_MS"));
    add("a lease without the work of its holder", Quantity::time(lease - outbox::REQUEST_MAX));
    add("instances in a pool of wasmtime", Quantity::count(POOL));
    let a_second = Quantity::count(tens(POOL / outbox::TRIED_MAX.as_secs())).per(1000);
    add("deliveries for outbox::TRIED_MAX in a pool, in tens", a_second);
    let longest = outbox::REQUEST_MAX + outbox::fallback::TOLD_MAX;
    add("REQUEST_MAX and TOLD_MAX, in tens", Quantity::secs(longest.as_secs().next_multiple_of(10)));
    add("outbox::ticks::LATE_MS as seconds", Quantity::count(outbox::ticks::LATE_MS / 1000));
    add("the grace of 5m+2m", Quantity::time(heartbeat("5m+2m").grace));
    let heartbeat = heartbeat("5m");
    add("period and grace of 5m", Quantity::time(heartbeat.period + heartbeat.grace));

    // Templates.
    add("bits of an integer", Quantity::count(u64::BITS));
    let text_bytes = private("src/custom/mapping.rs", "TEXT_BYTES_PER_STEP");
    add("steps of a text for each byte", Quantity::share(text_bytes));
    let [unit, node, copy] = ["UNITS", "NODE", "COPY"].map(|name| private("src/custom/cost.rs", name));
    add("items of a list for a step", Quantity::count(unit / (node + copy)));
    let nested = |begin: &str, end: &str| depth(|n| ["{{ ", &begin.repeat(n), "a", &end.repeat(n), " }}"].concat());
    let brackets = nested("(", ")");
    add("brackets inside one another", Quantity::count(brackets));
    add("brackets for a list", Quantity::count(brackets / nested("[", "]")));
    add(
        "blocks inside one another",
        Quantity::count(depth(|n| ["{% if a %}".repeat(n), "{% endif %}".repeat(n)].concat())),
    );
    add(
        "elif in one block",
        Quantity::count(depth(|n| ["{% if a %}", &"{% elif a %}".repeat(n), "{% endif %}"].concat())),
    );
    add("operators of arithmetic in a row", Quantity::count(depth(|n| ["{{ ", &"a + ".repeat(n), "a }}"].concat())));
    add("filters in a row", Quantity::count(depth(|n| ["{{ a", &" | upper".repeat(n), " }}"].concat())));
    add("calls inside one another", Quantity::count(calls()));
    known
}

/// A template whose macro calls itself as often as the payload says.
const CALLS: &str = r#"{"event_action": "trigger", "dedup_key": "a", "payload": {"source": "a", "severity": "info", "summary":
    "a{% macro f(n) %}{% if n > 1 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(n) }}"}}"#;

/// How deep the macros of a template may call one another.
fn calls() -> usize {
    let is_mapped = |calls: &usize| {
        let mut host = Accepting::new();
        host.variables.insert("custom_mine", CALLS);
        let sent = sent_by(&mut host, "/custom/mine", &[], &json!({"n": calls}).to_string());
        sent == [("trigger".to_owned(), "custom_mine:a".to_owned())]
    };
    (1..100).take_while(is_mapped).last().expect("one call is possible")
}

/// How often an event is tried with this timeout if each pause is as long as it can be and PagerDuty answers at once.
fn attempts(patience: Duration) -> u64 {
    let margin = intake::MARGIN.min(patience / intake::MARGIN_SHARE);
    let deadline = (patience - margin).min(intake::TOTAL_MAX);
    let [first, .., last] = PAUSES;
    let mut pauses = PAUSES.into_iter().chain(std::iter::repeat(last));
    let (mut at, mut attempts) = (Duration::ZERO, 0);
    while at < deadline {
        attempts += 1;
        at += pauses.next().unwrap_or(last) + first;
    }
    attempts
}

/// The heartbeat that a variable of this value defines.
fn heartbeat(value: &'static str) -> pagerelay::config::Heartbeat {
    let mut host = Accepting::new();
    host.variables.insert("heartbeat_watchdog", value);
    pagerelay::config::heartbeat(&host, "heartbeat_watchdog").expect("it is valid").expect("it is set")
}

/// How deep a text may nest: the largest number whose text a template accepts.
fn depth(text: impl Fn(usize) -> String) -> usize {
    let is_accepted = |n: &usize| {
        let template = json!({
            "event_action": "trigger", "dedup_key": "a", "payload": {"summary": text(*n), "source": "a", "severity": "info"},
        });
        let template = Template::read("custom_mine", &template.to_string()).expect("a template");
        template.mapping().is_ok()
    };
    (1..200).take_while(is_accepted).last().expect("one is accepted")
}

/// How many rows a table of a page has.
fn rows(page: &str, head: &str) -> Quantity {
    let page = read(page);
    let lines = page.lines().skip_while(|line| !line.starts_with(head)).skip(2);
    Quantity::count(lines.take_while(|line| line.starts_with('|')).count())
}

/// A constant that is private, in a source file: `const NAME: … = …;`.
///
/// # Errors
/// Says what the file does not have.
pub(super) fn constant(file: &str, name: &str) -> Result<Quantity, String> {
    let (value, is_time) = parse(file, name)?;
    Ok(match name {
        _ if is_time || name.ends_with("_MS") => Quantity::ms(value),
        _ if name.ends_with("_SECS") => Quantity::secs(value),
        _ if name.contains("BYTES") => Quantity::bytes(usize::try_from(value).expect("a size")),
        _ if name.ends_with("PER_MINUTE") => Quantity::count(value).per(60_000),
        _ => Quantity::count(value),
    })
}

/// A private constant that has to be there.
fn private(file: &str, name: &str) -> u64 {
    parse(file, name).unwrap_or_else(|error| panic!("{error}")).0
}

/// The value of a constant, and whether it is a [`Duration`], in milliseconds. It may be a product, also of other constants
/// of the file.
fn parse(file: &str, name: &str) -> Result<(u64, bool), String> {
    let path = root().join(file);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
    let declared = format!("const {name}: ");
    let rest =
        text.split_once(&declared).map(|(_, rest)| rest).ok_or_else(|| format!("{file} has no `{declared}…`"))?;
    let value = rest.split_once(';').and_then(|(declared, _)| declared.split_once(" = "));
    let (_, value) = value.ok_or_else(|| format!("{file}: {name} has no value"))?;
    let within = |call: &str| value.strip_prefix(call)?.strip_suffix(')');
    let (factors, unit, is_time) = match (within("Duration::from_secs("), within("Duration::from_millis(")) {
        (Some(secs), _) => (secs, 1000, true),
        (_, Some(ms)) => (ms, 1, true),
        _ => (value, 1, false),
    };
    let mut product = unit;
    for factor in factors.split(" * ") {
        let number = factor.replace('_', "").parse();
        product *= number.or_else(|_| parse(file, factor).map(|(number, _)| number))?;
    }
    Ok((product, is_time))
}
