//! Flux: the providers `generic-hmac` and `generic` of its notification-controller.
//!
//! # Wire format
//!
//! <https://fluxcd.io/flux/components/notification/providers/#generic-webhook-with-hmac>, read 2026-11. One delivery is
//! one event: `{involvedObject, relatedObject, severity, reason, action, message, metadata, reportingController,
//! timestamp}`. `severity` is `error`, `info` or `trace`. `metadata` contains the revision, as `revision` or
//! `<group>/revision`, and the additions of the Alert: its `summary`, and anything in `eventMetadata`. Flux retries 429
//! and 5xx four times, 2 to 30 seconds apart, or as `Retry-After` says.
//!
//! # Mapping
//!
//! The mapping follows Flux's own PagerDuty provider, with these exceptions.
//!
//! | event | from |
//! |---|---|
//! | action | `severity`: `info` and `trace` resolve; `error` and undocumented words trigger |
//! | change event | in addition to the resolve, if `severity` is `info` and `metadata` has a revision, unless `commit_status` is `update` |
//! | severity | `severity`: info for `info` and `trace`, error for all others |
//! | summary | kind and `namespace/name` of the object, `reason`, the first line of `message` |
//! | source | `Flux`, `reportingController` |
//! | component, group, class | name of the object, its kind, `reason` |
//! | timestamp | `timestamp` |
//! | links | absolute URLs in `metadata` |
//! | details | message, severity, metadata, both objects, action, reporting instance |
//!
//! Flux's own provider sends a change event for every `info`. A generic provider also repeats each reconciliation that
//! changed nothing, marked with `commit_status`, so these make no change event here.
//!
//! # Dedup key
//!
//! `flux:<uid>`. All events of an object have its uid. An object without one gets `flux::<kind>:<namespace>:<name>`. A
//! `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Reasons `Progressing` and `ProgressingWithRetry`: "the reconciliation is under way". Controllers that report a
//!   recovery under these reasons, or not at all, leave the alert open. Flux's own provider has the same gap.
//! * Reason `DependencyNotReady`, unless with severity `error`: "waiting for a dependency". Flux's own provider
//!   resolves here, although nothing has improved.
//! * `RollbackSucceeded` and `UninstallSucceeded` resolve the alert of the failed upgrade, as in Flux's own provider.
//! * The header `Gotk-Component` repeats `reportingController`.
//! * An object with neither `uid` nor `name` is rejected.

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Flux.
pub const SOURCE: Source = Source {
    slug: "flux",
    name: "Flux",
    docs: "https://fluxcd.io/flux/components/notification/providers/#generic-webhook-with-hmac",
    schemes: &[Scheme::Hmac(&SIGNATURE), Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret")],
    setup: Setup {
        triggers: "severity `error`",
        resolves: "severity `info`, unless in progress or waiting for a dependency",
        steps: "Add a Provider of type `generic-hmac` with address {url} and a `secretRef`; that Secret's key `token` is the secret.\n\
                Add an Alert for it with `eventSeverity: info`: with `error` nothing ever closes.\n\
                Name the cluster in the Alert's `eventMetadata`; URLs there become links.",
        template: None,
    },
    map,
    // It retries 429 and 5xx four times, 2 to 30 seconds apart, or as `Retry-After` says.
    retries: true,
    states: &["info", "error", "trace", "Progressing", "ProgressingWithRetry", "DependencyNotReady"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-signature",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One("sha256="),
    stamp: SignedTimestamp::None,
};

const SEVERITIES: &[(&str, Severity)] =
    &[("error", Severity::Error), ("info", Severity::Info), ("trace", Severity::Info)];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let object = payload.get("involvedObject");
    object.members().ok_or(MapError::Shape { expected: "an object with `involvedObject`" })?;
    let part = |name: &str| object.get(name).text().unwrap_or_default();
    let [uid, kind, namespace, name] = ["uid", "kind", "namespace", "name"].map(part);
    let parts: &[&str] = match (uid.is_empty(), name.is_empty()) {
        (false, _) => &[&uid],
        (true, false) => &["", &kind, &namespace, &name],
        (true, true) => &[],
    };
    let no_identity = MapError::NoIdentity { item: String::new(), fields: "`involvedObject.uid` or `.name`" };
    let key = DedupKey::new(SOURCE.slug, parts).ok_or(no_identity)?;

    let word = payload.get("severity").text().unwrap_or_default();
    let severity = text::lookup(SEVERITIES, &word).unwrap_or(Severity::Error);
    let reason = payload.get("reason").text().unwrap_or_default();
    match reason.as_str() {
        "Progressing" | "ProgressingWithRetry" => return Ok(Mapped::nothing("the reconciliation is under way")),
        "DependencyNotReady" if word != "error" => return Ok(Mapped::nothing("waiting for a dependency")),
        _ => {}
    }

    let action = if severity == Severity::Info { Action::Resolve } else { Action::Trigger };
    let source_field = text::join_nonempty(&[&namespace, &name], "/");
    let message = payload.get("message").text().unwrap_or_default();
    let first_line = message.lines().next().unwrap_or_default();
    let what = text::join_nonempty(&[&kind, &source_field], " ");
    let summary = text::join_nonempty(&[&what, &reason, first_line], ": ");
    let controller = ["Flux ", &payload.get("reportingController").text().unwrap_or_default()].concat();
    let event = Event::new(action, key, severity, &summary, &controller).client("Flux", None);
    let event = event.component(Some(name)).group(Some(kind)).class(Some(reason));
    let mut mapped = Mapped::one(finish(event, payload));
    let repeated = metadata(payload, "commit_status").as_deref() == Some("update");
    if word.eq_ignore_ascii_case("info") && !repeated && metadata(payload, "revision").is_some() {
        mapped.events.push(finish(Event::change(&summary, &controller), payload));
    }
    Ok(mapped)
}

/// Adds the fields that an alert event and a change event share.
fn finish(event: Event, payload: Node<'_>) -> Event {
    const DETAILS: &[&str] =
        &["message", "severity", "metadata", "involvedObject", "relatedObject", "action", "reportingInstance"];
    let mut event = event.timestamp(payload.get("timestamp").text()).details(payload, DETAILS);
    for (name, value) in payload.get("metadata").members().into_iter().flatten() {
        event = event.link(name, Node::root(value).text());
    }
    event
}

/// A member of `metadata` by name. Older versions put the object's API group before the name.
fn metadata(payload: Node<'_>, name: &str) -> Option<String> {
    let mut members = payload.get("metadata").members()?.iter();
    let (_, value) = members.find(|(member, _)| member.rsplit('/').next() == Some(name))?;
    Node::root(value).text()
}
