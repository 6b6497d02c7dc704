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
//! | severity | `severitynumber` (OpenTelemetry's), `severitytext`, `severity`, `data.severity`, `priority`, `data.priority`, `data.level`, the state by [`Severity::from_word`], else error; known senders as below | `priority`: `Emergency`, `Alert`, `Critical` critical; `Warning` warning; `Notice`, `Informational`, `Debug` info; else error |
//! | summary | `data`'s `summary`, `title`, `message`, `description`, `name`, `reason` or CDEvents' `subject.content.description`, data that is text, else the type and the state; then subject or source; for known senders what failed, where, and why | `rule` on hostname or pod: `output` without its time |
//! | source | `source` | `hostname`, `k8s.pod.name` |
//! | component | `subject` | `container.name`, `k8s.ns.name` |
//! | group, class | -, `type` | `source` of the data, `rule` |
//! | timestamp | `time` | `time` of the data or the event |
//! | links | `dataref`; `data`'s `url`, `link`, `html_url`, and `runbook_url` | - |
//! | client, client URL | `source` | `Falco` |
//! | details | data, attributes | output, priority, tags, fields |
//!
//! Known senders are recognised by the type. Their words and the pages they come from are in `src/mapping/known`, read
//! 2026-11:
//!
//! | sender, type | triggers | resolves |
//! |---|---|---|
//! | CDEvents, `dev.cdevents.` | a `finished` run whose `outcome` is `failure`, `error` or `fail`; an incident | `outcome` `success` or `pass`; `incident.resolved` |
//! | Keptn, `sh.keptn.event` | a `finished` task with `result` `fail`, `warning` (a warning), or `status` `errored`; a problem that is `OPEN` | `result` `pass`; a problem that is `RESOLVED` |
//! | Tekton, `dev.tekton.event.` | `failed`, if nobody cancelled the run | `successful` |
//! | Harbor, `harbor.` | `quota.exceeded`, `quota.warned` (a warning), `scan.failed`, a failed replication or retention | `scan.completed`, a successful replication or retention |
//! | Argo, an object of `argoproj.io/` in the data | a workflow that `Failed` or had an `Error`; an application or rollout that is `Degraded`, `Missing`, of `Unknown` health (a warning), or could not be synchronised | `Succeeded`, `Healthy` |
//! | Azure Event Grid, `Microsoft.` | every `availabilityState` but `Available`; an annotation that no customer caused; what expires in Key Vault; types that end with words like `Failure`; `NonCompliant`; the end of a cluster's support, messages without listeners, data drift; `…Disconnected` (a warning) | `Available`; `…NewVersionCreated`; types that end with words like `Success`; `Compliant`; `…Connected` |
//!
//! The first of these rules that applies decides about an event of any other type:
//!
//! 1. A verdict: `data.outcome`, `data.result`, `data.verdict`, `data.conclusion`. `ok`, `pass`, `passed`, `succeeded`,
//!    `success`, `successful` resolve; `error`, `errored`, `fail`, `failed`, `failing`, `failure`, `timeout`, `unhealthy`,
//!    `unstable` trigger; a cancelled, skipped or neutral run is ignored, unless its severity is warning or more. With
//!    another word, only the states `cleared`, `closed`, `recovered` and `resolved` resolve. In a type of case 4, a
//!    verdict only triggers: it may be that of the alert's query.
//! 2. A state: `data.state` or `data.status`, else the last word of `type` before its version, else a member deeper in
//!    `data` whose name ends with `state`, `status`, `health`, `availability` or `phase`, or that contains a verdict: the
//!    worst of those that are nearest to the root. Words in a type are separated by `.`, `/`, `:`, `_`, `-` and capitals.
//!    `available`, `cleared`, `closed`, `compliant`, `healthy`, `inactive`, `normal`, `ok`, `online`, `operational`, `passed`, `recovered`,
//!    `resolved`, `restored`, `succeeded`, `success`, `successful`, `up` resolve; `ack` and `acknowledged` acknowledge;
//!    `alarm`, `alert`, `alerting`, `breached`, `crashed`, `critical`, `degraded`, `down`, `error`, `errored`, `exceeded`,
//!    `failed`, `failing`, `failure`, `fired`, `firing`, `noncompliant`, `notok`, `offline`, `timedout`, `triggered`,
//!    `unavailable`, `unhealthy`, `unreachable`, `unresponsive`, `warning` trigger.
//!    * At the end of a type, `available` says nothing after words like `version` or `update`, and `offline` and `online`
//!      say nothing after words like `user` or `session`. After `not`, `no` or `non`, a word that resolves triggers.
//!    * Words for the end of anything close nothing by themselves: `cancelled`, `cleared`, `closed`, `deleted`,
//!      `dismissed`, `ended`, `expired`, `finished`, `fixed`, `inactive`. At the end of a type, they resolve right after
//!      `alarm`, `alert`, `incident` or `outage`; in `data.state` or `data.status`, for a type of case 4.
//!    * If the severity is warning or more, a word in a type resolves only for a type of case 4, and one deeper in `data`
//!      never: in `connection.closed`, the closing may be the problem itself.
//!    * For a type of case 4, a word deeper in `data` resolves only if it is `resolved`, `recovered`, `cleared` or
//!      `closed`: an alert about a disk may say that its host is up.
//!    * Members whose names begin with `before`, `desired`, `expected`, `former`, `from`, `last`, `old`, `prev` or
//!      `target` are about another time.
//! 3. A severity of warning or more triggers. An unknown word in `severitytext`, `severity` or `data.severity` triggers
//!    too.
//! 4. A type that contains `alert`, `alarm`, `incident` or `outage` triggers. So does an unknown state of such a type.
//! 5. All others are ignored, because most events describe business and not problems.
//!
//! # Dedup key
//!
//! `cloudevents:<source>:<subject>`, where each `:` inside a part becomes `%3A`, as in `https%3A//…`. `id` is new for
//! each event, and `type` often contains the state of the alert. `subject` must therefore identify the problem and not
//! only the place: two alerts with one subject are one incident. Without a subject, the key is
//! `cloudevents:<source>::<type>`, where the type has lost its version and state. Events of known senders that name a run
//! or a policy in their source or subject are known by what runs:
//!
//! * `cloudevents:cdevents:<source>:<kind>:<pipeline, task or test>`; incidents by source and subject
//! * `cloudevents:keptn:<project>:<stage>:<service>:<task>`, and `…:problem:<id>`
//! * `cloudevents:tekton::<namespace>:<kind>:<pipeline>:<task>`
//! * `cloudevents:harbor:<source>:<kind>:<project, repository or the two ends>`
//! * `cloudevents:argo:<namespace>:<kind>:<cron workflow, template or name>`
//! * Event Grid: `cloudevents:<source>:<subject>:<type>`, where the type has lost its state; for health events the
//!   resource's id in lower case and `availability`
//!
//! Tekton, Keptn and Argo do not name their cluster: give each cluster a service of its own. Falco's events have no subject:
//! `cloudevents:falco:<rule>:<hostname>:<k8s.ns.name>:<k8s.pod.name>:<container.id>`, for Kubernetes' audit log with
//! namespace and name of the target. Falco never reports the end of a problem, so give its service an auto-resolve time in
//! PagerDuty.
//!
//! # Not mapped
//!
//! * Case 5: "no state, severity or alert in it".
//! * A run that was cancelled or skipped: "no verdict". One that goes on: "not finished". Other events of known senders:
//!   "no outcome". A word that they do not document: "unknown word".
//! * A change that a customer caused in Azure: "an action of a person".
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
use crate::mapping::known::{self, Letter, Reading};
use crate::mapping::{Ignored, MapError, Mapped, falco_rule, json, parse};
use crate::pagerduty::event::{DedupKey, Event, Severity};

/// CloudEvents.
pub const SOURCE: Source = Source {
    slug: "cloudevents",
    name: "CloudEvents",
    docs: "https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md",
    schemes: &[
        Scheme::BEARER,
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
    states: &[
        "resolved",
        "firing",
        "ok",
        "failed",
        "alert",
        "acknowledged",
        "closed",
        "pass",
        "fail",
        "Available",
        "Unavailable",
    ],
    ..Source::DEFAULT
};

/// Attributes with these words in their names are not sent: they describe people and keys, or say nothing.
const HIDDEN: &[&str] = &["auth", "data_base64", "datacontenttype", "secret", "specversion", "token"];

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
                let made = mapped.events.len();
                if let Err(error) = one(event, &format!("[{index}]"), &mut budget, &mut mapped) {
                    mapped.rejected.push(error);
                }
                let new = mapped.events.split_off(made);
                mapped.events.extend(new.into_iter().map(|event| event.of_item("", index)));
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
    let is_falco = match &kind {
        Some(kind) => kind.starts_with("falco.rule.output"),
        None => data.get("rule").value().is_some() && data.get("priority").value().is_some(),
    };
    if is_falco {
        let alert = falco_rule::alert((SOURCE.slug, &["falco"]), event, data, item)?;
        mapped.events.push(budget.fit(alert));
        return Ok(());
    }
    let kind = kind.ok_or(MapError::Shape { expected: "cloudevents, in the body or in `ce-` headers" })?;
    match any(event, &kind, data, item)? {
        Ok(event) => mapped.events.push(budget.fit(event)),
        Err(reason) => mapped.ignored.push(Ignored { item: item.to_owned(), reason: reason.into() }),
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

/// Maps an event of any other type, or says why it needs no event.
fn any(event: Node<'_>, kind: &str, data: Node<'_>, item: &str) -> Result<Result<Event, &'static str>, MapError> {
    let source = event.get("source").text().unwrap_or_default();
    let subject = event.get("subject").text();
    let severity = severity(event, data);
    let letter = Letter { kind, source: &source, subject: subject.as_deref().unwrap_or_default(), data, severity };
    let reading = match known::read(letter) {
        Ok(reading) => reading,
        Err(reason) => return Ok(Err(reason)),
    };
    let identity: Vec<&str> = reading.identity.iter().map(String::as_str).collect();
    let key = DedupKey::new(SOURCE.slug, &identity).filter(|_| subject.is_some() || !source.is_empty());
    let key = key.ok_or_else(|| MapError::NoIdentity { item: item.to_owned(), fields: "`source`, `subject`" })?;
    let key = match &reading.former {
        Some(former) => key.formerly(SOURCE.slug, &former.iter().map(String::as_str).collect::<Vec<&str>>()),
        None => key,
    };
    let Reading { action, summary, severity: implied, .. } = reading;
    let severity = implied.or(severity).unwrap_or(Severity::Error);
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
    Ok(Ok(built.detail("data", shown(data))))
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

/// The severity of an event, if it has one. An unknown word in a severity may be serious, so it counts as an error. An
/// unknown priority or level is ignored, because these are not always about problems.
fn severity(event: Node<'_>, data: Node<'_>) -> Option<Severity> {
    if let Some(number) = event.get("severitynumber").count() {
        return Some(match number {
            0..=12 => Severity::Info,
            13..=16 => Severity::Warning,
            17..=20 => Severity::Error,
            _ => Severity::Critical,
        });
    }
    if let Some(word) = event.first_text(&["severitytext", "severity"]).or_else(|| data.get("severity").text()) {
        return Some(Severity::from_word(&word).unwrap_or(Severity::Error));
    }
    let word = event.get("priority").text().or_else(|| data.first_text(&["priority", "level"]));
    word.and_then(|word| Severity::from_word(&word))
}
