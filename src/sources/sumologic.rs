//! Sumo Logic: webhook connections of monitors and scheduled searches.
//!
//! # Wire format
//!
//! <https://www.sumologic.com/help/docs/alerts/monitors/alert-variables>, a copy read 2026-11. The user writes two
//! bodies, one for alerts and one for recoveries, with `{{variables}}`. The template has the variables' names. Case and
//! underscores in the names of the members do not matter, and the names of the legacy variables are accepted too:
//! `SearchName`, `AlertStatus` and so on. A variable without a value becomes an empty text. Line breaks and
//! backslashes in a value are accepted as they are: the page does not say whether Sumo Logic escapes them, nor
//! whether Sumo Logic retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `TriggerType`: `ResolvedCritical`, `ResolvedWarning` and `ResolvedMissingData` resolve, `Normal` and `Resolved` resolve all three, any other value triggers |
//! | severity | `TriggerType` without `Resolved`: `Critical` critical, `Warning` and `MissingData` warning, else error |
//! | summary | `Name`, `TriggerValue` and `TriggerCondition` (else `Description`), the group |
//! | source | `AlertGroup`, else `_sourcehost` of the first result, else `Sumo Logic` |
//! | component, class | `_sourcecategory` of the first result; `DetectionMethod`, else `MonitorType` |
//! | timestamp | `TriggerTimeEnd`, else `TriggerTimeStart`, in milliseconds |
//! | links, client URL | `AlertResponseUrl`, `QueryURL`, `SourceURL`, `SloDashboardUrl` |
//! | details | description, trigger type, condition, value, time range, query, number of results, results, playbook |
//!
//! # Dedup key
//!
//! `sumologic:<Id>:<AlertGroup>:<condition>`. The condition is `Critical`, `Warning` or `MissingData`: a recovery names
//! the one that is over, and the others may still hold, so each is an alert of its own. It does not change while the
//! alert is open. That a monitor can have several at once is from memory of Sumo Logic's API. Its own PagerDuty
//! connection makes a key that only that connection can send. Without an id,
//! `sumologic::<Name>:<AlertGroup>:<condition>`. `AlertGroup` is missing in the copy of the page that we read; without
//! it, the groups of a monitor are one alert. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * A scheduled search never recovers: a person or PagerDuty's auto-resolve has to close its alert. Nor does a monitor
//!   whose connection has no recovery payload.
//! * A body with neither id nor name is rejected. A body with unexpanded variables triggers an alert that reports them,
//!   the same alert for all such bodies.

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::log_alerts::{Alert, Shape, key, unidentified};
use crate::mapping::repair::repaired_json;
use crate::mapping::{MapError, Mapped, parse, unexpanded};
use crate::pagerduty::event::{Action, Severity};
use crate::text;

/// Sumo Logic.
pub const SOURCE: Source = Source {
    slug: "sumologic",
    name: "Sumo Logic",
    docs: "https://www.sumologic.com/help/docs/alerts/monitors/alert-variables",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`Critical`, `Warning`, `MissingData`; every alert of a scheduled search",
        resolves: "`ResolvedCritical`, `ResolvedWarning`, `ResolvedMissingData`",
        steps: "Under Monitoring, Connections, add a Webhook with URL {url} and Authorization Header `Bearer <the secret>`.\n\
                Paste the body as the Alert Payload and again as the Recovery Payload.\n\
                In each monitor, add the connection for Critical, Warning and Missing Data with Alert and Recovery on, or nothing closes the alerts.\n\
                A scheduled search never recovers: set auto-resolve on the PagerDuty service.",
        template: Some(TEMPLATE),
    },
    map,
    states: &[
        "ResolvedCritical",
        "ResolvedWarning",
        "ResolvedMissingData",
        "Critical",
        "Warning",
        "MissingData",
        "Normal",
    ],
    ..Source::DEFAULT
};

const TEMPLATE: &str = r#"{
  "id": "{{Id}}", "name": "{{Name}}", "alertGroup": "{{AlertGroup}}", "triggerType": "{{TriggerType}}",
  "description": "{{Description}}", "monitorType": "{{MonitorType}}", "detectionMethod": "{{DetectionMethod}}",
  "triggerCondition": "{{TriggerCondition}}", "triggerValue": "{{TriggerValue}}", "triggerTimeRange": "{{TriggerTimeRange}}",
  "triggerTimeStart": "{{TriggerTimeStart}}", "triggerTimeEnd": "{{TriggerTimeEnd}}", "query": "{{Query}}",
  "numQueryResults": "{{NumQueryResults}}", "resultsJson": "{{ResultsJson}}", "queryURL": "{{QueryURL}}",
  "sourceURL": "{{SourceURL}}", "alertResponseUrl": "{{AlertResponseUrl}}"
}"#;

/// The conditions of a monitor, in plain letters, with their severities.
const CONDITIONS: &[(&str, Severity)] =
    &[("critical", Severity::Critical), ("missingdata", Severity::Warning), ("warning", Severity::Warning)];

/// The names are as [`plain`] writes them.
const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["name", "searchname", "alertname"],
    found: &["description", "searchdescription"],
    component: &["resultsjson.0._sourcecategory"],
    class: &["detectionmethod", "monitortype"],
    time: &["triggertimeend", "triggertimestart"],
    links: &[
        ("Alert", &["alertresponseurl"]),
        ("Query", &["queryurl", "searchqueryurl"]),
        ("Monitor", &["sourceurl"]),
        ("SLO", &["slodashboardurl"]),
    ],
    details: &[
        &["description", "description=searchdescription", "triggerType=triggertype", "triggerType=alertstatus"],
        &["triggerCondition=triggercondition", "triggerCondition=alertthreshold", "triggerValue=triggervalue"],
        &["triggerTimeRange=triggertimerange", "triggerTimeRange=timerange", "query", "query=searchquery"],
        &["numQueryResults=numqueryresults", "numQueryResults=numrawresults", "alertGroup=alertgroup", "playbook"],
        &["results=resultsjson", "results=aggregateresultsjson", "alertSource=alertsource"],
    ],
    ..Shape::EMPTY
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = repaired_json(delivery)?;
    let payload = with_plain_names(&unexpanded::without_unexpanded(raw.clone()));
    let payload = Node::root(&payload);
    Node::root(&raw).members().ok_or(MapError::Shape { expected: "an object with `id` and `triggerType`" })?;
    let word = plain(&payload.pick(&["triggertype", "alertstatus"]).unwrap_or_default());
    let (action, condition) = match word.strip_prefix("resolved") {
        Some(condition) => (Action::Resolve, condition),
        None => (Action::Trigger, word.as_str()),
    };
    // A recovery that names no condition.
    let over = matches!(word.as_str(), "normal" | "resolved");
    // An unknown trigger type, or none, triggers an alert of its own: an unnecessary page is the lesser evil.
    let known = CONDITIONS.iter().find(|(name, _)| *name == condition);
    let alerts = match known {
        Some(known) => std::slice::from_ref(known),
        None if over => CONDITIONS,
        None => &[("", Severity::Error)],
    };
    let action = if over { Action::Resolve } else { action };

    let group = payload.get("alertgroup").text().unwrap_or_default();
    let name = payload.pick(SHAPE.name);
    let mut mapped = Mapped::default();
    for (condition, severity) in alerts {
        let parts = [group.clone(), (*condition).to_owned()];
        let by_name = || key(SOURCE.slug, Some(String::new()), &[&[name.clone()?], &parts[..]].concat());
        let Some(key) = key(SOURCE.slug, payload.get("id").text(), &parts).or_else(by_name) else {
            return unidentified((SOURCE.slug, SOURCE.name), &raw, "`id` or `name`");
        };
        let value = payload.get("triggervalue").text().unwrap_or_default();
        let limit = payload.pick(&["triggercondition", "alertthreshold"]).unwrap_or_default();
        let found = Some(text::join_nonempty(&[&value, &limit], ", ")).filter(|found| !found.is_empty());
        let place = Some(group.clone()).filter(|group| !group.is_empty());
        let place = place.or_else(|| payload.at("resultsjson.0._sourcehost").text());
        mapped.events.push(SHAPE.event(payload, Alert { action, key, severity: *severity, place, found }));
    }
    Ok(mapped)
}

/// A word without its case, underscores, hyphens and white space.
fn plain(word: &str) -> String {
    let letters = word.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-'));
    letters.flat_map(char::to_lowercase).collect()
}

/// The payload with [`plain`] names, and with results in JSON text as JSON.
fn with_plain_names(payload: &Value) -> Value {
    let mut members = Map::new();
    for (name, value) in Node::root(payload).members().into_iter().flatten() {
        let name = plain(name);
        let list = value.as_str().filter(|_| name == "resultsjson").map(|text| parse(text.as_bytes()));
        members.insert(name, list.and_then(Result::ok).unwrap_or_else(|| value.clone()));
    }
    members.into()
}
