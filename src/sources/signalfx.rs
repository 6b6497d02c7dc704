//! Splunk Observability Cloud (SignalFx): the integration Webhook.
//!
//! # Wire format
//!
//! <https://docs.splunk.com/observability/admin/notif-services/webhook.html>, read 2026-11, with the fields of
//! <https://dev.splunk.com/observability/docs/integrations/webhook_integration_overview/>. One delivery is one change
//! of an alert: `{incidentId, status, statusExtended, severity, messageTitle, messageBody, rule, detector, detectorId,
//! detectorUrl, dimensions, inputs, description, tip, runbookUrl, imageUrl, originatingMetric, detectOnCondition,
//! triggeredWhileMuted, timestamp, …}`. A template of the user's own may have less, with the same names. With a shared
//! secret, the base64 of the body's HMAC-SHA-256 is in `X-SFX-Signature`. It covers no time. Splunk expects status 200,
//! and retries a notification for up to 24 hours. The page does not state the timeout.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `statusExtended`, else `status`: `ok`, `manually resolved`, `stopped` resolve, `anomalous` and any other value trigger |
//! | severity | `severity`: `Critical` critical, `Major` error, `Minor`, `Warning` warning, `Info` info, else error |
//! | summary | `messageTitle`, else `description`, `detector`, `rule`, with the host where it does not contain it |
//! | source | the dimensions `host.name`, `host`, `k8s.pod.name`, `k8s.node.name`, `container.name`, `service.name`, else the detector |
//! | component, group, class | the service, the environment, `rule` |
//! | timestamp | `timestamp` |
//! | links, images | `detectorUrl` if it contains no space, `runbookUrl`; `imageUrl` |
//! | client, client URL | Splunk Observability Cloud, `detectorUrl` |
//! | details | status, severity, message, description, tip, metric, condition, muting, dimensions, inputs |
//!
//! # Dedup key
//!
//! `signalfx:<incidentId>`, which an alert has from its start to its end: one for each time series of a detector's
//! rule. Without it, `signalfx::<detectorId>:<rule>:<eventType>`, and behind it the names and values of the dimensions. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * `triggeredWhileMuted` does not suppress an alert. Splunk sends nothing while a muting rule is active, and at its
//!   end only the alerts that still are, if the rule says so; such an alert has this flag.
//! * The test of an integration may send no `incidentId`; its shape is not documented.
//! * A body without these ids is rejected. A body with unexpanded variables triggers an alert that reports them, the
//!   same alert for all such bodies.

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::monitoring::{self, Macros, Shape};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped, wording};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};

/// Splunk Observability Cloud.
pub const SOURCE: Source = Source {
    slug: "signalfx",
    name: "Splunk Observability Cloud",
    docs: "https://docs.splunk.com/observability/admin/notif-services/webhook.html",
    schemes: &[Scheme::Hmac(&SIGNATURE), Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret")],
    setup: Setup {
        triggers: "`anomalous`",
        resolves: "`ok`, `manually resolved`, `stopped`",
        steps: "Under Data Management, Available integrations, add a Webhook with URL {url}, and the secret as its Shared secret.\n\
                Leave Custom payload off.\n\
                Add the webhook as a recipient of alerts to the rules of your detectors.",
        template: None,
    },
    map,
    // For up to 24 hours, on any response except 200.
    retries: true,
    states: &["ok", "anomalous", "manually resolved", "stopped", "Critical", "Major", "Minor", "Warning", "Info"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-sfx-signature",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Base64,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

const SHAPE: Shape = Shape {
    source: (SOURCE.slug, SOURCE.name),
    fields: "`incidentId`",
    key,
    state: &["statusextended", "status"],
    states: &[("manually resolved", Action::Resolve), ("ok", Action::Resolve), ("stopped", Action::Resolve)],
    severity: &["severity"],
    severities: &[
        ("Critical", Severity::Critical),
        ("Info", Severity::Info),
        ("Major", Severity::Error),
        ("Minor", Severity::Warning),
        ("Warning", Severity::Warning),
    ],
    is_test: |_| false,
    summary,
    place: &[
        "dimensionshostname",
        "dimensionshost",
        "dimensionsk8spodname",
        "dimensionsk8snodename",
        "dimensionscontainername",
        "dimensionsservicename",
        "detector",
    ],
    component: &["dimensionsservicename", "dimensionsservice", "dimensionssfservice"],
    group: &["dimensionsdeploymentenvironment", "dimensionssfenvironment", "dimensionsenvironment"],
    class: &["rule"],
    time: &["timestamp"],
    links: &[("Splunk Observability Cloud", &["detectorurl"]), ("Runbook", &["runbookurl"])],
    details: &[
        ("condition", &["detectoncondition"]),
        ("description", &["description"]),
        ("message", &["messagebody"]),
        ("metric", &["originatingmetric"]),
        ("severity", &["severity"]),
        ("status", &["statusextended", "status"]),
        ("tip", &["tip"]),
        ("triggered_while_muted", &["triggeredwhilemuted"]),
    ],
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = repaired_payload(delivery)?;
    let mut mapped = monitoring::alert(&SHAPE, &payload)?;
    let payload = Node::root(&payload);
    let chart = |event: Event| {
        let (image, page) = (payload.get("imageUrl").text(), payload.get("detectorUrl").text());
        event.image(image, page, "Chart").details(payload, &["dimensions", "inputs"])
    };
    mapped.events = mapped.events.into_iter().map(chart).collect();
    Ok(mapped)
}

fn key(macros: &Macros) -> Option<DedupKey> {
    if let Some(id) = macros.first(&["incidentid"]) {
        return DedupKey::new(SOURCE.slug, &[&id]);
    }
    let ids = [&["detectorid"], &["rule"], &["eventtype"]].map(|names| macros.first(names).unwrap_or_default());
    let mut parts = vec![""];
    parts.extend(ids.iter().map(String::as_str));
    if ids.iter().all(String::is_empty) {
        return None;
    }
    // Each time series of a rule is an alert of its own.
    let series: Vec<[&str; 2]> = macros.below("dimensions").collect();
    parts.extend(series.iter().flatten());
    DedupKey::new(SOURCE.slug, &parts)
}

fn summary(macros: &Macros) -> String {
    let titles = ["messagetitle", "description", "inputsmessagetitle", "detector", "rule", "originatingmetric"];
    let (said, detector) = (macros.first(&titles), macros.first(&["detector"]));
    // A detector is no place.
    let place = macros.first(SHAPE.place).filter(|place| Some(place) != detector.as_ref());
    let places: Vec<String> = place.into_iter().collect();
    wording::completed(said.as_deref().unwrap_or("An alert without a title"), None, &places)
}
