//! New Relic alerts: workflow notifications, and the older notification channels.
//!
//! # Wire format
//!
//! <https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/>, read 2026-11. One delivery is one
//! issue, in the default template of a webhook in a workflow: `{id, issueUrl, title, priority, impactedEntities[],
//! totalIncidents, state, trigger, isCorrelated, createdAt, updatedAt, sources[], alertPolicyNames[],
//! alertConditionNames[], workflowName}`, with times in milliseconds. Users may write their own template. There, texts
//! arrive as lists of one text, and members have the names of the variables: `issueId`, `issuePageUrl`, `issueTitle`.
//!
//! The channels from before workflows sent one incident, as JSON or a form: `{incident_id, current_state, event_type,
//! severity, condition_name, policy_name, details, targets[], timestamp, incident_url, …}`. These channels no longer
//! exist, but some templates still give an issue this shape, including New Relic's own. The page does not say whether
//! New Relic retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | issue | incident |
//! |---|---|---|
//! | action | `state`: `CLOSED` resolves, `ACKNOWLEDGED` and `INVESTIGATING` acknowledge, `ACTIVATED` with `trigger` `USER_ACTION` acknowledges, `CREATED`, `ACTIVATED` and any other value trigger | `current_state`: `closed` resolves, `acknowledged` acknowledges, `open` and any other value trigger; without it `event_type`: `INCIDENT_RESOLVED`, `INCIDENT_ACKNOWLEDGED`, `INCIDENT_OPEN` |
//! | severity | `priority`: `CRITICAL` critical, `HIGH` error, `MEDIUM` warning, `LOW` info, else error | `severity`: `CRITICAL` critical, `WARNING` warning, `INFO` info, else error |
//! | summary | `title`, `issueTitle`, else the first condition; with the entity as a prefix unless the title contains it | `condition_name` and the first line of `details`, with the target as a prefix unless the text contains it |
//! | source | first of `impactedEntities`, else `New Relic` | name of the first of `targets`, unless it is `N/A`, else `New Relic` |
//! | group, class | first of `alertPolicyNames`, first of `alertConditionNames` | `policy_name`, `condition_name` |
//! | timestamp | `createdAt` of a trigger, else `updatedAt` | `timestamp` |
//! | links | issue, acknowledge, close, runbook | incident, acknowledge, runbook, policy, violation |
//! | images | `violationChartUrl` | `violation_chart_url` |
//! | client, client URL | New Relic, `issueUrl` | New Relic, `incident_url` |
//! | details | priority, state, trigger, counts, entities, conditions, policies, sources, workflow, muting, tags | severity, state, condition, policy, account, duration, counts, targets |
//!
//! `current_state` takes precedence over `state` if a template has both. `state` decides and not `trigger`:
//! `INCIDENT_CLOSED` arrives while other incidents of the issue are open. New Relic turns a warning threshold into
//! `HIGH`, and its templates for other tools call that a warning. Here it is an error, so that its urgency matches its
//! name.
//!
//! # Dedup key
//!
//! `newrelic:<id>`, with the id, which is the same from `CREATED` to `CLOSED`; else `newrelic:<incident_id>`.
//! The old test notification has incident 0 and triggers an alert that never resolves.
//!
//! # Not mapped
//!
//! * A body without an id is rejected. A body with unexpanded variables triggers an alert that reports them, the same
//!   alert for all such bodies. A workflow never expands the variables of the old channels (`$INCIDENT_ID`).
//! * A workflow's test notification is built from an existing issue and mapped like it.
//! * The withdrawal of an acknowledgement: that is `USER_ACTION` too, and acknowledges again.
//! * `DEACTIVATED`, a state in the API that is not documented for webhooks: it triggers.
//! * `owner`, a person.

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// New Relic.
pub const SOURCE: Source = Source {
    slug: "newrelic",
    name: "New Relic",
    docs: "https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`CREATED`, `ACTIVATED`; legacy `open`",
        resolves: "`CLOSED`; legacy `closed`",
        steps: "Under Alerts, Destinations, add a webhook with endpoint URL {url} and Bearer token authorization, the token the secret.\n\
                Add it to a workflow under Notify and leave the payload as it is.\n\
                Under Notify when, leave Activated, Acknowledged and Closed on.",
        template: None,
    },
    patience: Duration::from_secs(5),
    map,
    states: &["CLOSED", "CREATED", "ACTIVATED", "ACKNOWLEDGED", "closed", "open", "CRITICAL", "HIGH", "MEDIUM", "LOW"],
    ..Source::DEFAULT
};

const STATES: &[(&str, Action)] = &[
    ("ACKNOWLEDGED", Action::Acknowledge),
    ("CLOSED", Action::Resolve),
    ("INCIDENT_ACKNOWLEDGED", Action::Acknowledge),
    ("INCIDENT_RESOLVED", Action::Resolve),
    ("INVESTIGATING", Action::Acknowledge),
];

/// The severities of both shapes.
const SEVERITIES: &[(&str, Severity)] = &[
    ("CRITICAL", Severity::Critical),
    ("HIGH", Severity::Error),
    ("INFO", Severity::Info),
    ("LOW", Severity::Info),
    ("MEDIUM", Severity::Warning),
    ("WARNING", Severity::Warning),
];

const DETAILS: &[&str] = &[
    "priority",
    "severity",
    "state",
    "current_state",
    "event_type",
    "trigger",
    "totalIncidents",
    "isCorrelated",
    "mutingState",
    "tags",
    "impactedEntities",
    "targets",
    "alertConditionNames",
    "condition_name",
    "alertPolicyNames",
    "policy_name",
    "details",
    "sources",
    "workflowName",
    "account_name",
    "duration",
    "open_violations_count",
    "closed_violations_count",
];

const LINKS: &[(&str, &[&str])] = &[
    ("Issue", &["issueUrl", "issuePageUrl", "incident_url"]),
    ("Acknowledge", &["issueAckUrl", "incident_acknowledge_url"]),
    ("Close", &["issueCloseUrl"]),
    ("Runbook", &["runbookUrl", "runbookUrl.0", "runbook_url"]),
    ("Policy", &["policyUrl", "policy_url"]),
    ("Violation", &["violation_callback_url"]),
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `id` or `incident_id`" })?;
    let id = payload.pick(&["id", "issueId", "issue_id", "incident_id"]).unwrap_or_default();
    let Some(key) = DedupKey::whole(SOURCE.slug, &id) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`id` or `incident_id`");
    };

    let state = payload.pick(&["current_state", "state", "event_type"]).unwrap_or_default();
    let trigger = payload.get("trigger").text().unwrap_or_default();
    let by_hand = state.eq_ignore_ascii_case("ACTIVATED") && trigger.eq_ignore_ascii_case("USER_ACTION");
    let otherwise = if by_hand { Action::Acknowledge } else { Action::Trigger };
    let action = text::lookup(STATES, &state).unwrap_or(otherwise);
    let severity = payload.pick(&["priority", "severity"]).and_then(|word| text::lookup(SEVERITIES, &word));

    let condition = payload.pick(&["condition_name", "condition_name.0"]);
    let title = payload.pick(&["title", "title.0", "issueTitle", "details"]);
    let class = payload.pick(&["alertConditionNames.0", "alertConditionNames"]).or(condition.clone());
    let entity = payload.pick(&["impactedEntities.0", "impactedEntities", "targets.0.name"]);
    // New Relic's own templates of this shape contain these words if there is no entity.
    let entity = entity.filter(|name| !matches!(name.as_str(), "N/A" | "NA"));
    let title = title.map(|title| text::first_line(&title).to_owned());
    let mut summary = title.or(class.clone()).unwrap_or_default();
    for part in [condition, entity.clone()].into_iter().flatten() {
        if !summary.contains(&part) {
            summary = [&part, ": ", &summary].concat();
        }
    }
    let times: &[&str] =
        if action == Action::Trigger { &["createdAt", "timestamp"] } else { &["updatedAt", "timestamp"] };
    let page = payload.pick(&["issueUrl", "issuePageUrl", "incident_url"]);

    let source_field = entity.as_deref().unwrap_or(SOURCE.name);
    let mut event = Event::new(action, key, severity.unwrap_or(Severity::Error), &summary, source_field)
        .group(payload.pick(&["alertPolicyNames.0", "alertPolicyNames", "policy_name", "policy_name.0"]))
        .class(class)
        .timestamp(times.iter().find_map(|name| payload.get(name).time()))
        .details(payload, DETAILS)
        .image(payload.pick(&["violationChartUrl", "violation_chart_url"]), page.clone(), "Chart")
        .client(SOURCE.name, page);
    for (name, paths) in LINKS {
        event = event.link(name, payload.pick(paths));
    }
    Ok(Mapped::one(event))
}
