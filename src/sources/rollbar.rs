//! Rollbar: the webhook of a project.
//!
//! # Wire format
//!
//! <https://rollbar.com/docs/webhooks/>, read 2026-11: `{event_name, data}` as JSON; Rollbar can send XML instead,
//! which is rejected. `data.item` is the item. An occurrence is in `data.occurrence` or `data.item.last_occurrence`; a
//! deploy is in `data.deploy`. The form has only a URL, so the secret is in it. Rollbar waits three seconds. It retries
//! up to ten times, 4^n seconds apart, until the response is 200, 201, 202 or 204.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event_name`: `resolved_item` resolves; `deploy` is a change event; `new_item`, `reactivated_item`, `reopened_item`, `exp_repeat_item`, `item_velocity`, `occurrence` and any other name with an item trigger |
//! | severity | `level` of the item, else of the occurrence: 50 and `critical` critical, 40 and `error` error, 30 and `warning` warning, 20, 10, `info` and `debug` info; else error |
//! | summary | the item's number, `title`, what happened, the host or else the environment |
//! | source | `server.host` of the occurrence, else the environment, else `Rollbar` |
//! | component | `context` of the occurrence, else its `language` |
//! | group, class | `environment`; the class of the exception, of several the first, else the event's name |
//! | timestamp | of the occurrence, else `last_occurrence_timestamp`; none for a resolve |
//! | link, client URL | `data.url`, `data.item.url`, where Rollbar sends one |
//! | details | level, counts, times, exception, message, versions, project |
//!
//! A change event names the revision and the environment, with the comment and the project.
//!
//! # Dedup key
//!
//! `rollbar:<data.item.id>`, which is unique in all of Rollbar. Rollbar's own PagerDuty integration has one incident
//! per item too, with an undocumented key.
//!
//! # Not mapped
//!
//! * `ping` and `test`: "a test of the webhook".
//! * A deploy that has only started: "the deployment has not finished".
//! * An event without an item's id is rejected.
//! * An item that is muted in Rollbar, or resolved without a rule for Item Resolved, sends nothing: its alert stays
//!   open.
//! * People and requests: `person`, `request`, `local_username`, `metadata` with its access token.

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, Event, Severity};
use crate::text;

/// Rollbar.
pub const SOURCE: Source = Source {
    slug: "rollbar",
    name: "Rollbar",
    docs: "https://rollbar.com/docs/webhooks/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`new_item`, `reactivated_item`, `reopened_item`, `exp_repeat_item`, `item_velocity`, `occurrence`",
        resolves: "`resolved_item`",
        steps: "Under the project's Settings, Notifications, Webhook, enter {url}?token=<the secret>, choose JSON, and enable the integration. The form can hold only a URL.\n\
                Keep the rules for New Item, Item Reactivated and Item Reopened, and add one for Item Resolved, or nothing closes the alerts.\n\
                Add Deploy for change events. Every Occurrence triggers the alert of its item again and again.",
        template: None,
    },
    patience: Duration::from_secs(3),
    map,
    // Ten times, on any response except 200, 201, 202 and 204.
    retries: true,
    states: &["resolved_item", "new_item", "occurrence", "deploy", "50", "40", "30", "20", "10", "critical", "error"],
    ..Source::DEFAULT
};

/// The events of an item, and the phrases for them.
const EVENTS: &[(&str, (Action, &str))] = &[
    ("exp_repeat_item", (Action::Trigger, " keeps occurring")),
    ("item_velocity", (Action::Trigger, " occurs at a high rate")),
    ("new_item", (Action::Trigger, " is new")),
    ("occurrence", (Action::Trigger, " occurred")),
    ("reactivated_item", (Action::Trigger, " was reactivated")),
    ("reopened_item", (Action::Trigger, " was reopened")),
    ("resolved_item", (Action::Resolve, " is resolved")),
];

const LEVELS: &[(&str, Severity)] = &[
    ("10", Severity::Info),
    ("20", Severity::Info),
    ("30", Severity::Warning),
    ("40", Severity::Error),
    ("50", Severity::Critical),
    ("critical", Severity::Critical),
    ("debug", Severity::Info),
    ("error", Severity::Error),
    ("info", Severity::Info),
    ("warning", Severity::Warning),
];

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    component: &[
        "data.item.last_occurrence.context",
        "data.occurrence.context",
        "data.item.last_occurrence.language",
        "data.occurrence.language",
    ],
    group: &["data.item.environment"],
    class: &[
        "data.item.last_occurrence.body.trace.exception.class",
        "data.occurrence.body.trace.exception.class",
        "data.item.last_occurrence.body.trace_chain.0.exception.class",
        "data.occurrence.body.trace_chain.0.exception.class",
        "event_name",
    ],
    links: &[("Item", &["data.url", "data.item.url"])],
    details: &[
        &["event_name", "data.item.level", "data.item.counter", "data.item.environment", "data.item.project_id"],
        &["data.item.total_occurrences", "data.item.unique_occurrences", "data.occurrences", "data.item.hash"],
        &["data.item.first_occurrence_timestamp", "data.item.last_occurrence_timestamp"],
        &["data.item.resolved_in_version", "data.trigger"],
        &["exception=data.item.last_occurrence.body.trace.exception", "exception=data.occurrence.body.trace.exception"],
        &[
            "exception=data.item.last_occurrence.body.trace_chain.0.exception",
            "exception=data.occurrence.body.trace_chain.0.exception",
        ],
        &["message=data.item.last_occurrence.body.message.body", "message=data.occurrence.body.message.body"],
        &["code_version=data.item.last_occurrence.code_version", "code_version=data.occurrence.code_version"],
        &["language=data.item.last_occurrence.language", "language=data.occurrence.language"],
        &["occurrence=data.item.last_occurrence.uuid", "occurrence=data.occurrence.uuid"],
    ],
    ..Shape::EMPTY
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `event_name` and `data`" })?;
    let kind = payload.get("event_name").text().unwrap_or_default();
    match kind.as_str() {
        "deploy" => return Ok(deployment(payload.at("data.deploy"))),
        "ping" | "test" => return Ok(Mapped::nothing("a test of the webhook")),
        _ => {}
    }
    let item = payload.at("data.item");
    let key = key(SOURCE.slug, item.get("id").text(), &[]);
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`data.item.id`" })?;

    // Every event of Rollbar's with an item is about an error, and an unnecessary page is the lesser evil.
    let (action, happened) = text::lookup(EVENTS, &kind).unwrap_or((Action::Trigger, " has an event"));
    let level = payload.pick(&["data.item.level", "data.item.last_occurrence.level", "data.occurrence.level"]);
    // An unknown level is in the details.
    let severity = level.and_then(|level| text::lookup(LEVELS, &level)).unwrap_or(Severity::Error);
    let host = payload.pick(&["data.occurrence.server.host", "data.item.last_occurrence.server.host"]);
    let place = host.or_else(|| item.get("environment").text());
    let number = item.get("counter").text().map(|number| ["#", &number, " "].concat()).unwrap_or_default();
    let title = item.get("title").text().unwrap_or_else(|| "An item without a title".to_owned());
    let times: &[&str] = match action {
        Action::Trigger => &["data.occurrence.timestamp", "data.item.last_occurrence_timestamp"],
        _ => &[],
    };
    let found = Some([&number, text::first_line(&title), happened].concat());
    let event = SHAPE.event(payload, Alert { action, key, severity, place, found });
    Ok(Mapped::one(event.timestamp(times.iter().find_map(|path| payload.at(path).time()))))
}

/// The change event of a deployment.
fn deployment(deploy: Node<'_>) -> Mapped {
    let status = deploy.get("status").text().unwrap_or_default();
    if status == "started" {
        return Mapped::nothing("the deployment has not finished");
    }
    let failed = matches!(status.as_str(), "failed" | "timed_out");
    let revision = deploy.get("revision").text().unwrap_or_default();
    let environment = deploy.get("environment").text();
    let verb = if failed { "Failed to deploy " } else { "Deployed " };
    let revision = text::truncate(&revision, REVISION_MAX_CHARS);
    let revision = if revision.is_empty() { "a revision" } else { &revision };
    let to = environment.as_deref().map(|environment| [" to ", environment].concat()).unwrap_or_default();
    let event = Event::change(&[verb, revision, &to].concat(), environment.as_deref().unwrap_or(SOURCE.name));
    let event = event.details(deploy, &["revision", "environment", "status", "comment", "project_id", "id"]);
    Mapped::one(event.timestamp(deploy.get("finish_time").time().or_else(|| deploy.get("start_time").time())))
}

/// How much of a revision the summary shows, in UTF-16 code units.
const REVISION_MAX_CHARS: usize = 13;
