//! CloudEvents: an envelope around anything, and Falco's events in it or by themselves.
//!
//! # Wire format
//!
//! <https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md>, read 2026-11, with the
//! JSON format, the web hook page and the extension for severities beside it. Structured: the event is the body. Batched:
//! a list of them, which may be empty. Binary: attributes in `ce-` headers, quoted or percent-encoded, data in the body.
//! `data_base64` and text are read as JSON where they hold it. Falco's `{output, priority, rule, time, output_fields,
//! source, hostname}`, as falcosidekick's plain webhook sends it, is understood without an envelope too. Whether a
//! sender retries is its own affair, so it is taken not to; falcosidekick never does.
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
//! What decides on an event of any type, the first that applies:
//!
//! 1. A state: `data.state` or `data.status`, else the last word of `type` before its version. `resolved`, `recovered`,
//!    `cleared`, `closed`, `healthy`, `inactive`, `normal`, `ok`, `succeeded`, `successful`, `up` resolve; `ack` and
//!    `acknowledged` acknowledge; `alarm`, `alert`, `alerting`, `critical`, `degraded`, `down`, `error`, `exceeded`,
//!    `failed`, `failing`, `fired`, `firing`, `triggered`, `unhealthy`, `warning` trigger. A type that is not one of case
//!    3 does not resolve against a severity of warning or more: `connection.closed` may be the fault itself.
//! 2. A severity of warning or more triggers; so does one that is not known, in `severitytext`, `severity` or
//!    `data.severity`.
//! 3. A type with `alert`, `alarm`, `incident` or `outage` in it triggers.
//! 4. All others are ignored: most events are about business, not faults.
//!
//! # Dedup key
//!
//! `cloudevents:<source>:<subject>`: `id` is new with each event, and `type` often says what happened to the alert. So
//! `subject` has to name what is broken, not only where: two alerts with one subject are one incident. Without a subject
//! `cloudevents:<source>::<type>`, the type without its version and state. Falco's events have no subject:
//! `cloudevents:falco:<rule>:<hostname>:<k8s.ns.name>:<k8s.pod.name>:<container.id>`. Falco never says that it is over;
//! give its service an auto-resolve time in PagerDuty.
//!
//! # Not mapped
//!
//! * Case 4: "no state, severity or alert in it".
//! * A batch without events: "an empty batch".
//! * `data_base64` that is not JSON; attributes with `auth`, `secret` or `token` in their names.
//! * An event without `type`, or without source and subject, is refused, and so is a header that decodes to anything but
//!   UTF-8. Other formats (Avro, Protobuf) are not JSON.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
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

/// States that say by themselves what became of an alert.
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

/// What the type of an alert has in it.
const ALERTS: &[&str] = &["alarm", "alert", "incident", "outage"];

/// Attributes with these in their names stay here: they are about people and keys, or say nothing.
const HIDDEN: &[&str] = &["auth", "data_base64", "datacontenttype", "secret", "specversion", "token"];

/// What the extension for severities recommends, where it is not what people say.
const LEVELS: &[(&str, Severity)] = &[("trace", Severity::Info)];

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
    match event.as_array() {
        None => one(&event, "", &mut mapped)?,
        Some(events) if events.is_empty() => return Ok(Mapped::nothing("an empty batch")),
        Some(events) => {
            for (index, event) in events.iter().enumerate() {
                if let Err(error) = one(event, &format!("[{index}]"), &mut mapped) {
                    mapped.rejected.push(error);
                }
            }
        }
    }
    Ok(mapped)
}

/// The event of a delivery in binary mode, as it would be in structured mode.
fn binary(delivery: &Authenticated<'_>) -> Result<Value, MapError> {
    let mut event = Map::new();
    for (name, value) in delivery.headers("ce-") {
        event.insert(name.to_owned(), attribute(value)?.into());
    }
    // Whether it is JSON is seen later, as with text in an event that is all in the body.
    if let Ok(text) = str::from_utf8(delivery.body()) {
        event.insert("data".into(), text.into());
    }
    Ok(Value::Object(event))
}

/// A header's value without its quotes and their escapes, then percent-decoded, once.
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

/// Maps one event, which is at `item` of the delivery.
fn one(event: &Value, item: &str, mapped: &mut Mapped) -> Result<(), MapError> {
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
        mapped.events.push(rule(event, data, item)?);
        return Ok(());
    }
    let kind = kind.ok_or(MapError::Shape { expected: "cloudevents, in the body or in `ce-` headers" })?;
    match any(event, &kind, data, item)? {
        Some(event) => mapped.events.push(event),
        None => mapped.ignored.push(Ignored { item: item.to_owned(), reason: "no state, severity or alert in it" }),
    }
    Ok(())
}

/// An event's data. What is sent as text or in base64 may be JSON.
fn data(event: Node<'_>) -> Value {
    let bytes = event.get("data_base64").text().and_then(|text| Base64::decode_vec(&text).ok());
    let bytes = bytes.or_else(|| event.get("data").text().map(String::into_bytes));
    let parsed = bytes.and_then(|bytes| parse(&bytes).ok());
    parsed.or_else(|| event.get("data").value().cloned()).unwrap_or_default()
}

/// Maps one of Falco's events.
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

/// Maps an event of any other type, or to nothing.
fn any(event: Node<'_>, kind: &str, data: Node<'_>, item: &str) -> Result<Option<Event>, MapError> {
    let (stem, word) = last_word(kind);
    let severity = severity(event, data);
    let bad = severity.is_some_and(|severity| severity > Severity::Info);
    let lower = kind.to_ascii_lowercase();
    let alert = ALERTS.iter().any(|name| lower.contains(name));
    let mut states = ["state", "status"].into_iter().filter_map(|name| data.get(name).text());
    let by_data = states.find_map(|word| Some((action_of(&word)?, word)));
    // What was closed may be a connection, and that it was, the fault.
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

/// Data without what its names say is secret, at any depth.
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

/// What a state says, where it says anything.
fn action_of(state: &str) -> Option<Action> {
    let is = |words: &str| words.split(' ').any(|word| word.eq_ignore_ascii_case(state));
    STATES.iter().find(|(_, words)| is(words)).map(|(action, _)| *action)
}

/// The last word of a type without its version, where that is a state, and the rest.
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

/// How bad an event is, where it says so. Of a word that is not known nobody knows that it is harmless; but priorities
/// and levels are not always about faults.
fn severity(event: Node<'_>, data: Node<'_>) -> Option<Severity> {
    let known = |word: String| text::lookup(LEVELS, &word).or_else(|| Severity::from_word(&word));
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
