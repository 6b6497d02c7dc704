//! CloudEvents: an envelope around any data. Falco's events are accepted inside it and without it.
//!
//! # Wire format
//!
//! <https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md>, read 2026-11, with
//! the JSON format, the page about web hooks and the extension for severities. Structured mode: the body is the event.
//! Batched mode: the body is a list of events, which may be empty. Binary mode: the attributes are in `ce-` headers,
//! quoted or percent-encoded, and the data is the body. `data_base64` and text are parsed as JSON if they contain it.
//! Falco's `{output, priority, rule, time, output_fields, source, hostname}`, as falcosidekick's plain webhook sends
//! it, is accepted without an envelope too. Each sender decides whether it retries, so the relay assumes that it does
//! not; falcosidekick never retries.
//!
//! # Mapping
//!
//! | event | any type | `falco.rule.output.v1` |
//! |---|---|---|
//! | action | as below | trigger |
//! | severity | `severitynumber` (OpenTelemetry's), `severitytext`, `severity`, `data.severity`, `priority`, `data.priority`, `data.level`, the state by [`Severity::from_word`], else error | `priority`: `Emergency`, `Alert`, `Critical` critical; `Warning` warning; `Notice`, `Informational`, `Debug` info; else error |
//! | summary | `data`'s `summary`, `title`, `message`, `description`, `name`, `reason` or CDEvents' `subject.content.description`, data that is text, else the type; then subject or source | `rule` on hostname or pod: `output` without its time |
//! | source | `source` | `hostname`, `k8s.pod.name` |
//! | component | `subject` | `container.name`, `k8s.ns.name` |
//! | group, class | -, `type` | `source` of the data, `rule` |
//! | timestamp | `time` | `time` of the data or the event |
//! | links | `dataref`; `data`'s `url`, `link`, `html_url`, and `runbook_url` | - |
//! | client, client URL | `source` | `Falco` |
//! | details | data, attributes | output, priority, tags, fields |
//!
//! The first of these rules that applies decides about an event of any type:
//!
//! 1. A state: `data.state` or `data.status`, else the last word of `type` before its version. `resolved`, `recovered`,
//!    `cleared`, `closed`, `healthy`, `inactive`, `normal`, `ok`, `succeeded`, `successful`, `up` resolve; `ack` and
//!    `acknowledged` acknowledge; `alarm`, `alert`, `alerting`, `critical`, `degraded`, `down`, `error`, `exceeded`,
//!    `failed`, `failing`, `fired`, `firing`, `triggered`, `unhealthy`, `warning` trigger. If the severity is warning
//!    or more, the word in a type resolves only for a type of case 3: in `connection.closed`, the closing may be the
//!    problem itself.
//! 2. A severity of warning or more triggers. An unknown word in `severitytext`, `severity` or `data.severity` triggers
//!    too.
//! 3. A type that contains `alert`, `alarm`, `incident` or `outage` triggers.
//! 4. All others are ignored, because most events describe business and not problems.
//!
//! # Dedup key
//!
//! `cloudevents:<source>:<subject>`, where each `:` inside a part becomes `%3A`, as in `https%3A//…`. `id` is new for
//! each event, and `type` often contains the state of the alert. `subject` must therefore identify the problem and not
//! only the place: two alerts with one subject are one incident. Without a subject, the key is
//! `cloudevents:<source>::<type>`, where the type has lost its version and state. Falco's events have no subject:
//! `cloudevents:falco:<rule>:<hostname>:<k8s.ns.name>:<k8s.pod.name>:<container.id>`. Falco never reports the end of a
//! problem, so give its service an auto-resolve time in PagerDuty.
//!
//! # Not mapped
//!
//! * Case 4: "no state, severity or alert in it".
//! * A batch without events: "an empty batch".
//! * `data_base64` that is not JSON; attributes with `auth`, `secret` or `token` in their names.
//! * An event without `type`, or without source and subject, is rejected. So is a header whose decoded value is not
//!   UTF-8. Other formats (Avro, Protobuf) are not JSON.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::budget::Budget;
use crate::mapping::{Ignored, MapError, Mapped, json, parse};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// CloudEvents.
pub const SOURCE: Source = Source {
    slug: "cloudevents",
    name: "CloudEvents",
    docs: "https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md",
    schemes: &[
        Scheme::Bearer,
        Scheme::Basic,
        Scheme::Header("x-webhook-secret"),
        Scheme::Query("access_token"),
        Scheme::Query("token"),
    ],
    setup: Setup {
        triggers: "states like `firing` or `failed`, severity warning and up, types with `alert`, Falco's rules",
        resolves: "states like `resolved` or `ok`, in `data.state`, `data.status` or at the end of `type`",
        steps: "Have the sender POST to {url}, structured, batched or binary, with the secret as a Bearer token.\n\
                Filter by type at the sender, and let `subject` name the alert: source and subject are what it is known by.\n\
                Falcosidekick: `cloudevents.address` {url}?token= and the secret; or its plain webhook, which can send headers.",
        template: None,
    },
    map,
    states: &["resolved", "firing", "ok", "failed", "alert", "acknowledged", "closed"],
    ..Source::DEFAULT
};

/// States that decide the action by themselves.
const STATES: &[(Action, &str)] = &[
    (Action::Acknowledge, "ack acknowledged"),
    (
        Action::Resolve,
        "cancelled canceled cleared closed deleted dismissed ended expired finished fixed healthy inactive normal ok recovered resolved succeeded successful up",
    ),
    (
        Action::Trigger,
        "alarm alert alerting critical degraded down error exceeded failed failing fired firing triggered unhealthy warning",
    ),
];

/// Words that mark the type of an alert.
const ALERTS: &[&str] = &["alarm", "alert", "incident", "outage"];

/// Attributes with these words in their names are not sent: they describe people and keys, or say nothing.
const HIDDEN: &[&str] = &["auth", "data_base64", "datacontenttype", "secret", "specversion", "token"];

/// Falco's priorities.
const PRIORITIES: &[(&str, Severity)] = &[
    ("alert", Severity::Critical),
    ("critical", Severity::Critical),
    ("debug", Severity::Info),
    ("emergency", Severity::Critical),
    ("error", Severity::Error),
    ("informational", Severity::Info),
    ("notice", Severity::Info),
    ("warning", Severity::Warning),
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let kind = delivery.header("content-type").unwrap_or_default().to_ascii_lowercase();
    let structured = kind.starts_with("application/cloudevents");
    let event = if !structured && delivery.header("ce-type").is_some() { binary(delivery)? } else { json(delivery)? };
    let mut mapped = Mapped::default();
    let mut budget = Budget::of(delivery);
    match event.as_array() {
        None => one(&event, "", &mut budget, &mut mapped)?,
        Some(events) if events.is_empty() => return Ok(Mapped::nothing("an empty batch")),
        Some(events) => {
            for (index, event) in events.iter().enumerate() {
                if let Err(error) = one(event, &format!("[{index}]"), &mut budget, &mut mapped) {
                    mapped.rejected.push(error);
                }
            }
        }
    }
    Ok(mapped)
}

/// Converts a delivery in binary mode to the event in structured mode.
fn binary(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    let mut event = Map::new();
    for (name, value) in delivery.headers("ce-") {
        event.insert(name.to_owned(), attribute(value)?.into());
    }
    // A later step parses the text as JSON if possible, as for text in a structured event.
    if let Ok(text) = str::from_utf8(delivery.body()) {
        event.insert("data".into(), text.into());
    }
    Ok(Value::Object(event))
}

/// Decodes a header's value: removes its quotes and their escapes, then percent-decodes it once.
fn attribute(value: &str) -> Result<String, MapError> {
    let mut plain = String::new();
    let mut escaped = false;
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    for c in quoted.unwrap_or(value).chars() {
        escaped = quoted.is_some() && c == '\\' && !escaped;
        if !escaped {
            plain.push(c);
        }
    }
    let decoded = percent_encoding::percent_decode_str(&plain).collect();
    String::from_utf8(decoded).map_err(|_| MapError::Field { path: "ce-*", problem: "is not utf-8 once decoded" })
}

/// Maps one event, whose path in the delivery is `item`.
fn one(event: &Value, item: &str, budget: &mut Budget, mapped: &mut Mapped) -> Result<(), MapError> {
    let event = Node::root(event);
    let kind = event.get("type").text();
    let data = match &kind {
        Some(_) => data(event),
        None => event.value().cloned().unwrap_or_default(),
    };
    let data = Node::root(&data);
    let falco = match &kind {
        Some(kind) => kind.starts_with("falco.rule.output"),
        None => data.get("rule").value().is_some() && data.get("priority").value().is_some(),
    };
    if falco {
        mapped.events.push(budget.fit(rule(event, data, item)?));
        return Ok(());
    }
    let kind = kind.ok_or(MapError::Shape { expected: "cloudevents, in the body or in `ce-` headers" })?;
    match any(event, &kind, data, item)? {
        Some(event) => mapped.events.push(budget.fit(event)),
        None => mapped.ignored.push(Ignored { item: item.to_owned(), reason: "no state, severity or alert in it" }),
    }
    Ok(())
}

/// An event's data. Data in text or base64 may be JSON.
fn data(event: Node<'_>) -> Value {
    let bytes = event.get("data_base64").text().and_then(|text| Base64::decode_vec(&text).ok());
    let bytes = bytes.or_else(|| event.get("data").text().map(String::into_bytes));
    let parsed = bytes.and_then(|bytes| parse(&bytes).ok());
    parsed.or_else(|| event.get("data").value().cloned()).unwrap_or_default()
}

/// Maps an event of Falco.
fn rule(event: Node<'_>, data: Node<'_>, item: &str) -> Result<Event, MapError> {
    // Falcosidekick repeats some of the data in attributes.
    let text = |name: &str| data.get(name).text().or_else(|| event.get(name).text()).unwrap_or_default();
    let fields = data.get("output_fields");
    let field = |name: &str| fields.get(name).text().unwrap_or_default();
    let [rule, host, output, priority] = ["rule", "hostname", "output", "priority"].map(text);
    let [namespace, pod, container] = ["k8s.ns.name", "k8s.pod.name", "container.id"].map(field);
    let key = DedupKey::new(SOURCE.slug, &["falco", &rule, &host, &namespace, &pod, &container]);
    let key = key.filter(|_| !rule.is_empty());
    let key = key.ok_or_else(|| MapError::NoIdentity { item: item.to_owned(), fields: "`rule`" })?;
    let severity = text::lookup(PRIORITIES, &priority).unwrap_or(Severity::Error);
    let source_field = [host.as_str(), &pod].into_iter().find(|place| !place.is_empty()).unwrap_or("Falco");
    // The output begins with the time of day.
    let output = match output.split_once(' ') {
        Some((time, rest)) if time.ends_with(':') && time.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => &output,
    };
    let colon = if output.is_empty() { "" } else { ": " };
    let summary = [&rule, " on ", source_field, colon, output].concat();
    let time = data.get("time").text().or_else(|| event.get("time").text());
    Ok(Event::new(Action::Trigger, key, severity, &summary, source_field)
        .component(fields.first_text(&["container.name", "k8s.ns.name"]))
        .group(data.get("source").text())
        .class(Some(rule))
        .timestamp(time)
        .details(event, &["priority"])
        .details(data, &["output", "priority", "tags", "output_fields"])
        .client("Falco", None))
}

/// Maps an event of any other type. Returns `None` if it needs no event.
fn any(event: Node<'_>, kind: &str, data: Node<'_>, item: &str) -> Result<Option<Event>, MapError> {
    let (stem, word) = last_word(kind);
    let severity = severity(event, data);
    let bad = severity.is_some_and(|severity| severity > Severity::Info);
    let lower = kind.to_ascii_lowercase();
    let alert = ALERTS.iter().any(|name| lower.contains(name));
    let mut states = ["state", "status"].into_iter().filter_map(|name| data.get(name).text());
    let by_data = states.find_map(|word| Some((action_of(&word)?, word)));
    // The word may refer to something else, such as a connection whose closing is the problem.
    let by_type = || action_of(word).filter(|action| *action != Action::Resolve || alert || !bad);
    let (action, word) = match by_data.or_else(|| Some((by_type()?, word.to_owned()))) {
        Some(state) => state,
        None if alert || bad => (Action::Trigger, String::new()),
        None => return Ok(None),
    };
    let severity = severity.or_else(|| Severity::from_word(&word)).unwrap_or(Severity::Error);

    let source = event.get("source").text().unwrap_or_default();
    let subject = event.get("subject").text();
    let key = match &subject {
        Some(subject) => DedupKey::new(SOURCE.slug, &[&source, subject]),
        None => DedupKey::new(SOURCE.slug, &[&source, "", stem]).filter(|_| !source.is_empty()),
    };
    let key = key.ok_or_else(|| MapError::NoIdentity { item: item.to_owned(), fields: "`source`, `subject`" })?;
    let titles = ["summary", "title", "message", "description", "name", "reason", "subject.content.description"];
    let what = data.pick(&titles).or_else(|| data.text()).unwrap_or_else(|| kind.to_owned());
    let summary = [&what, " (", subject.as_ref().unwrap_or(&source), ")"].concat();
    let mut built = Event::new(action, key, severity, &summary, &source)
        .component(subject)
        .class(Some(kind.to_owned()))
        .timestamp(event.get("time").text())
        .link("Details", data.first_text(&["url", "link", "html_url"]))
        .link("Runbook", data.get("runbook_url").text())
        .link("Data", event.get("dataref").text())
        .client(&source, Some(source.clone()));
    for (name, value) in event.members().into_iter().flatten() {
        if !HIDDEN.iter().any(|hidden| name.contains(hidden)) && name != "data" {
            built = built.detail(name, value.clone());
        }
    }
    Ok(Some(built.detail("data", shown(data))))
}

/// The data, at any depth, without members whose names suggest a secret.
fn shown(data: Node<'_>) -> Value {
    let secret = |name: &str| ["password", "secret", "token"].contains(&name.to_ascii_lowercase().as_str());
    match data.value() {
        Some(Value::Object(members)) => {
            let mut kept = Map::new();
            for (name, value) in members.iter().filter(|(name, _)| !secret(name)) {
                kept.insert(name.clone(), shown(Node::root(value)));
            }
            Value::Object(kept)
        }
        Some(Value::Array(items)) => Value::Array(items.iter().map(|item| shown(Node::root(item))).collect()),
        other => other.cloned().into(),
    }
}

/// The action for a state. Returns `None` if the state decides nothing.
fn action_of(state: &str) -> Option<Action> {
    let is = |words: &str| words.split(' ').any(|word| word.eq_ignore_ascii_case(state));
    STATES.iter().find(|(_, words)| is(words)).map(|(action, _)| *action)
}

/// Splits a type without its version into the rest and its last word, which may be a state.
fn last_word(kind: &str) -> (&str, &str) {
    let version = |part: &str| part.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let mut stem = kind;
    while let Some((rest, last)) = stem.rsplit_once('.')
        && version(last)
    {
        stem = rest;
    }
    match stem.rsplit_once(['.', '/', ':', '_', '-']) {
        Some((rest, last)) if action_of(last).is_some() => (rest, last),
        _ => (stem, ""),
    }
}

/// The severity of an event, if it has one. An unknown word in a severity may be serious, so it counts as an error. An
/// unknown priority or level is ignored, because these are not always about problems.
fn severity(event: Node<'_>, data: Node<'_>) -> Option<Severity> {
    let known = |word: String| Severity::from_word(&word);
    if let Some(number) = event.get("severitynumber").count() {
        return Some(match number {
            0..=12 => Severity::Info,
            13..=16 => Severity::Warning,
            17..=20 => Severity::Error,
            _ => Severity::Critical,
        });
    }
    if let Some(word) = event.first_text(&["severitytext", "severity"]).or_else(|| data.get("severity").text()) {
        return Some(known(word).unwrap_or(Severity::Error));
    }
    let word = event.get("priority").text().or_else(|| data.first_text(&["priority", "level"]));
    word.and_then(known)
}
