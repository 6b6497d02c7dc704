//! Sentry: webhooks of an internal integration, and those of the older WebHooks plugin.
//!
//! # Wire format
//!
//! <https://docs.sentry.io/organization/integrations/integration-platform/webhooks/>, read 2026-11. One delivery is one
//! event: `{action, data, actor, installation}`. Its kind is in the header `Sentry-Hook-Resource`, and as the name of a
//! member in `data`, which counts if the header is missing. The plugin's shape has no `data`: `{id, project,
//! project_slug, level, culprit, message, url, triggering_rules, event}`. Its form has only URLs, and it neither signs
//! nor sets a header, so the secret is in the URL. Sentry never retries a delivery of an internal integration.
//!
//! # Mapping
//!
//! | event | `metric_alert` | `event_alert` | `issue` | plugin |
//! |---|---|---|---|---|
//! | action | `resolved` resolves, all others trigger | as `issue`: `triggered` triggers | `resolved`, `archived`, `ignored` resolve, all others trigger | trigger |
//! | severity | `action`: `critical`, `warning`, info for `resolved`, else error | `level`: `fatal` critical, `error` and `warning` as they are, `info`, `debug`, `sample` info, else error | the same, at least error if `priority` is `high` | as `event_alert` |
//! | summary | the project, `description_title`, else the rule's name, then the first line of `description_text` | the project, `title`, else `message`, else `culprit` | the same | the same, `title` of `event` |
//! | source | the first project | `culprit`, `transaction`, else the project | the same | the same |
//! | component | the first project | the project in `url` | `project.slug` | `project_slug`, `project` |
//! | group | the rule's `environment` | `environment`, else the tag of that name | - | of `event`, as `event_alert` |
//! | class | the rule's `aggregate` | `metadata.type` | `metadata.type`, else `issueType` | of `event`, as `event_alert` |
//! | timestamp | `date_detected`, `date_started`; `date_closed` for a resolve | `datetime`, `timestamp` | `lastSeen`; none for a resolve | of `event`, as `event_alert` |
//! | link, client URL | `web_url` | `web_url` | `web_url`, `permalink` | `url` |
//! | details | action, rule, description, all projects | action, level, alert rule, culprit, place, release | action, level, priority, states, counts, first and last seen | level, alert rules, culprit, message |
//!
//! Severities are those of Sentry's own PagerDuty integration.
//!
//! # Dedup key
//!
//! `sentry:issue:<id>` for everything about an issue, so that resolving or archiving it in Sentry closes the alert that
//! an alert rule about it has opened. Sentry's own integration never resolves these, and its keys use a short id that
//! alerts do not contain here. `sentry:<organization_id>:incident:<identifier>` for metric alerts, with the same ids as
//! Sentry's own integration; `id` if there is no `identifier`. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * `installation`, `comment`, `error`, `seer`, `activity_alert`, `preprod_artifact`: "not an alert". An `error` is
//!   sent for each event of each issue, and an `activity_alert` reports actions of Sentry's own analysis.
//! * An issue's `assigned`: "the issue was assigned". Ownership rules assign an issue as soon as it is created, so it
//!   does not mean that somebody is awake.
//! * People: `actor`, `assignedTo`, `user`, request, tags.
//! * Users choose in Sentry which kinds are sent. `issue` is required to resolve alerts, and it also sends every new
//!   issue.
//! * `Sentry-Hook-Timestamp` is not signed, so it is ignored.

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Sentry.
pub const SOURCE: Source = Source {
    slug: "sentry",
    name: "Sentry",
    docs: "https://docs.sentry.io/organization/integrations/integration-platform/webhooks/",
    schemes: &[
        Scheme::Hmac(&SIGNATURE),
        Scheme::BEARER,
        Scheme::Basic,
        Scheme::Header("x-webhook-secret"),
        Scheme::Query("token"),
    ],
    setup: Setup {
        triggers: "alert rules; metric alerts `critical`, `warning`; issues `created`, `unresolved`",
        resolves: "metric alerts `resolved`; issues `resolved`, `archived`",
        steps: "Under Settings, Custom Integrations, create an internal integration with Webhook URL {url} and Alert Rule Action on.\n\
                Its Client Secret is the secret: set the relay's variable to it.\n\
                Give it permission Issue & Event: Read, and tick webhook `issue` so that resolving an issue closes its alert; every new issue then pages as well.\n\
                Choose the integration as the action of your alerts.\n\
                The older WebHooks plugin of a project neither signs nor sets a header: its Callback URL is {url}?token=<the secret>. Only this form needs the secret in the URL.",
        template: None,
    },
    patience: Duration::from_secs(1),
    map,
    states: &[
        "resolved",
        "critical",
        "warning",
        "created",
        "unresolved",
        "triggered",
        "archived",
        "ignored",
        "fatal",
        "error",
        "info",
        "high",
    ],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "sentry-hook-signature",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

/// A resource, and a member of `data` that it has and that none of the resources before it has.
const RESOURCES: &[(&str, &str)] = &[
    ("activity_alert", "activity"),
    ("comment", "comment"),
    ("error", "error"),
    ("event_alert", "event"),
    ("installation", "installation"),
    ("issue", "issue"),
    ("metric_alert", "metric_alert"),
    ("preprod_artifact", "buildId"),
    ("seer", "run_id"),
];

const ACTIONS: &[(&str, Action)] =
    &[("archived", Action::Resolve), ("ignored", Action::Resolve), ("resolved", Action::Resolve)];

/// Levels of issues and events, and actions of metric alerts.
const SEVERITIES: &[(&str, Severity)] = &[
    ("critical", Severity::Critical),
    ("debug", Severity::Info),
    ("error", Severity::Error),
    ("fatal", Severity::Critical),
    ("info", Severity::Info),
    ("resolved", Severity::Info),
    ("sample", Severity::Info),
    ("warning", Severity::Warning),
];

/// Details of a metric alert, an event, an issue or the plugin's payload. They use no name for different things.
const DETAILS: &[&str] = &[
    "level",
    "priority",
    "status",
    "substatus",
    "shortId",
    "culprit",
    "location",
    "release",
    "platform",
    "metadata",
    "count",
    "userCount",
    "firstSeen",
    "lastSeen",
    "message",
    "projects",
    "rule=alert_rule.name",
    "alert_rule.query",
    "alert_rule.aggregate",
    "alert_rule.time_window",
    "triggering_rules",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let resource = delivery.header("sentry-hook-resource");
    // The header is checked before the body, because the body of an installation may be empty.
    let by_header = resource.and_then(|resource| text::lookup(RESOURCES, resource));
    if by_header.is_some_and(|member| !matches!(member, "event" | "issue" | "metric_alert")) {
        return Ok(Mapped::nothing("not an alert"));
    }
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let data = payload.get("data");
    let by_body = || RESOURCES.iter().map(|(_, member)| *member).find(|member| data.get(member).value().is_some());
    let kind = by_header.or_else(by_body).unwrap_or_default();
    // The plugin puts the event one level below the issue.
    let (subject, event) = match kind {
        "event" | "issue" | "metric_alert" => (data.get(kind), data.get(kind)),
        "" if payload.get("event").members().is_some() => (payload, payload.get("event")),
        // The members of an unknown resource are unknown too.
        "" if resource.is_some() => return Ok(Mapped::nothing("not an alert")),
        "" => return Err(MapError::Shape { expected: "`data` with an issue or an alert, or the plugin's `event`" }),
        _ => return Ok(Mapped::nothing("not an alert")),
    };
    let word = payload.get("action").text().unwrap_or_default();
    if kind == "issue" && word == "assigned" {
        return Ok(Mapped::nothing("the issue was assigned"));
    }
    Ok(Mapped::one(Alert { kind, word, payload, subject, event }.event()?))
}

/// An issue or an alert in a delivery.
struct Alert<'a> {
    /// The member of `data` that contains it. Empty for the plugin.
    kind: &'a str,
    /// The word for its change of state.
    word: String,
    payload: Node<'a>,
    subject: Node<'a>,
    /// The event. For the plugin, it is one level below the subject; otherwise it is the subject itself.
    event: Node<'a>,
}

impl Alert<'_> {
    fn event(&self) -> Result<Event, MapError> {
        let Alert { payload, subject, event, .. } = *self;
        let action = text::lookup(ACTIONS, &self.word).unwrap_or(Action::Trigger);
        let project = self.project();
        let source_field = subject.first_text(&["culprit", "transaction"]).or_else(|| project.clone());
        let times: &[&str] = match action {
            Action::Resolve => &["date_closed"],
            _ => &["datetime", "timestamp", "lastSeen", "date_detected", "date_started"],
        };
        let page = subject.first_text(&["web_url", "permalink"]).or_else(|| payload.pick(&["data.web_url", "url"]));
        let environment = event.pick(&["environment", "alert_rule.environment"]).or_else(|| environment_in(event));
        let summary = self.summary(project.as_deref());
        let source_field = source_field.as_deref().unwrap_or("Sentry");
        Ok(Event::new(action, self.key()?, self.severity(), &summary, source_field)
            .component(project)
            .group(environment)
            .class(event.pick(&["metadata.type", "issueType", "alert_rule.aggregate"]))
            .timestamp(times.iter().find_map(|time| event.get(time).time()))
            .details(subject, DETAILS)
            .details(payload, &["action", "data.triggered_rule", "data.description_text"])
            .link("Sentry", page.clone())
            .client("Sentry", page))
    }

    fn key(&self) -> Result<DedupKey, MapError> {
        let (names, fields): (&[&str], _) = match self.kind {
            "event" => (&["issue_id"], "`data.event.issue_id`"),
            "metric_alert" => (&["identifier", "id"], "`data.metric_alert.identifier`"),
            _ => (&["id"], "`id` of the issue"),
        };
        let id = self.subject.first_text(names).unwrap_or_default();
        let organization = self.subject.pick(&["organization_id", "alert_rule.organization_id"]).unwrap_or_default();
        let parts: &[&str] = match (id.is_empty(), self.kind) {
            (true, _) => &[],
            (false, "metric_alert") => &[&organization, "incident", &id],
            (false, _) => &["issue", &id],
        };
        DedupKey::new(SOURCE.slug, parts).ok_or(MapError::NoIdentity { item: String::new(), fields })
    }

    fn severity(&self) -> Severity {
        let level = self.subject.get("level").text();
        let severity = text::lookup(SEVERITIES, level.as_ref().unwrap_or(&self.word)).unwrap_or(Severity::Error);
        let high = self.subject.get("priority").text().as_deref() == Some("high");
        if high { severity.max(Severity::Error) } else { severity }
    }

    fn project(&self) -> Option<String> {
        let project = self.subject.pick(&["project.slug", "projects.0", "project_slug"]);
        let project = project.or_else(|| project_in(&self.subject.get("url").text()?));
        project.or_else(|| self.subject.get("project").text())
    }

    fn summary(&self, project: Option<&str>) -> String {
        let data = self.payload.get("data");
        let description = data.get("description_text").text().unwrap_or_default();
        // Sentry may send a line break as two characters.
        let description = description.split(['\n', '\\']).next().unwrap_or_default();
        let title = data.get("description_title").text();
        let title = title.or_else(|| self.event.pick(&["alert_rule.name", "title"]));
        let title = title.or_else(|| self.subject.first_text(&["message", "culprit"]));
        let title = title.as_deref().map_or("an alert without a title", text::first_line);
        text::join_nonempty(&[project.unwrap_or_default(), title, description], ": ")
    }
}

/// The project's slug in the API URL of an event: `…/projects/<organization>/<project>/events/…`.
fn project_in(url: &str) -> Option<String> {
    url.split('/').skip_while(|part| *part != "projects").nth(2).map(str::to_owned)
}

/// The value of the tag `environment`. Tags are pairs in a list.
fn environment_in(event: Node<'_>) -> Option<String> {
    let mut tags = event.get("tags").items()?.iter().map(Node::root);
    tags.find(|tag| tag.at("0").text().as_deref() == Some("environment"))?.at("1").text()
}
