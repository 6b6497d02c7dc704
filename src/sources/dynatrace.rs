//! Dynatrace: problem notifications of the type Custom integration (webhook).
//!
//! # Wire format
//!
//! <https://docs.dynatrace.com/docs/analyze-explore-automate/notifications-and-alerting/problem-notifications/webhook-integration>,
//! read 2026-11. The user writes the body, with placeholders such as `{PID}` in it. Dynatrace's own default has
//! `ImpactedEntities` (a list of `{type, name, entity}`), `ImpactedEntity`, `PID`, `ProblemDetailsHTML`,
//! `ProblemDetailsJSON` or `ProblemDetailsJSONv2` (objects of the API), `ProblemID`, `ProblemImpact`, `ProblemTitle`, `Problem URL`, `State`, `Tags`.
//! Names count with any case and separators. Dynatrace escapes the values if the content type is JSON; line breaks and
//! backslashes need no escape. A placeholder
//! that stays unexpanded counts as absent. The page does not say whether Dynatrace retries, so the relay assumes that
//! it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `State`, else `ProblemState`, `ProblemStatus`, `status`, `ProblemDetailsJSON.status`: `RESOLVED`, `CLOSED`, `MERGED` resolve, `OPEN` and any other value trigger |
//! | severity | `ProblemSeverity`: `AVAILABILITY` critical, `ERROR`, `MONITORING_UNAVAILABLE` error, `PERFORMANCE`, `RESOURCE_CONTENTION`, `CUSTOM_ALERT` warning, `INFO` info; without it `ProblemImpact`: `APPLICATION`, `SERVICE`, `ENVIRONMENT` error, `INFRASTRUCTURE` warning; else error; info for the test |
//! | summary | `ProblemID`, `ProblemTitle`, the impacted entity where the title does not contain it |
//! | source, component | the first of `ImpactedEntities`, else `ImpactedEntityNames`, `NamesOfImpactedEntities`, `ImpactedEntity` |
//! | group, class | `ProblemImpact`, `ProblemSeverity` |
//! | timestamp | `ProblemDetailsJSON.startTime`, else `ProblemStartTime` |
//! | link, client URL | `ProblemURL` |
//! | details | state, severity, impact, impacted entities, tags, `ProblemDetailsText` |
//!
//! # Dedup key
//!
//! `dynatrace:<PID>`, else `ProblemID`, which is the number that people see, else the id in `ProblemDetailsJSON` or
//! `ProblemDetailsJSONv2`. A `:` inside a part becomes `%3A`. Dynatrace's own PagerDuty integration also has one alert per problem.
//!
//! # Not mapped
//!
//! * A merged problem lives on in another one, which has its own notification. So its alert resolves.
//! * "Send test notification" has PID 99999 and state `OPEN`: it triggers with severity info, and never resolves.
//!   Resolve it in PagerDuty.
//! * Without "Call webhook if problem is closed", nothing resolves.
//! * `ProblemDetailsHTML`: the text without markup says the same.
//! * A body without an id is rejected. A body with unexpanded placeholders triggers an alert that reports them, the
//!   same alert for all such bodies.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::mapping::monitoring::{self, Macros, Shape};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped, wording};
use crate::pagerduty::event::{Action, DedupKey, Severity};
use crate::text;

/// Dynatrace.
pub const SOURCE: Source = Source {
    slug: "dynatrace",
    name: "Dynatrace",
    docs: "https://docs.dynatrace.com/docs/analyze-explore-automate/notifications-and-alerting/problem-notifications/webhook-integration",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`OPEN`, also for events that are merged into an open problem",
        resolves: "`RESOLVED`, `MERGED`",
        steps: "Under Settings, Integration, Problem notifications, add one of type Custom integration with Webhook URL {url}.\n\
                Additional HTTP header: `X-Webhook-Secret` with the secret as its value, marked as secret.\n\
                Paste the body as the custom payload.\n\
                Switch on Call webhook if problem is closed, or nothing closes the alerts.",
        template: Some(
            r#"{"PID": "{PID}", "ProblemID": "{ProblemID}", "State": "{State}", "ProblemTitle": "{ProblemTitle}", "ProblemSeverity": "{ProblemSeverity}", "ProblemImpact": "{ProblemImpact}", "ProblemURL": "{ProblemURL}", "ImpactedEntity": "{ImpactedEntity}", "ImpactedEntityNames": "{ImpactedEntityNames}", "Tags": "{Tags}", "ProblemDetailsText": "{ProblemDetailsText}"}"#,
        ),
    },
    map,
    states: &[
        "RESOLVED",
        "OPEN",
        "MERGED",
        "AVAILABILITY",
        "ERROR",
        "PERFORMANCE",
        "RESOURCE_CONTENTION",
        "CUSTOM_ALERT",
        "MONITORING_UNAVAILABLE",
    ],
    ..Source::DEFAULT
};

const SHAPE: Shape = Shape {
    source: (SOURCE.slug, SOURCE.name),
    fields: "`PID`",
    key: |macros| DedupKey::new(SOURCE.slug, &[&macros.first(IDS)?]),
    state: STATE,
    states: &[("CLOSED", Action::Resolve), ("MERGED", Action::Resolve), ("RESOLVED", Action::Resolve)],
    severity: SEVERITY,
    severities: &[
        ("APPLICATION", Severity::Error),
        ("APPLICATIONS", Severity::Error),
        ("AVAILABILITY", Severity::Critical),
        ("CUSTOM_ALERT", Severity::Warning),
        ("ENVIRONMENT", Severity::Error),
        ("ERROR", Severity::Error),
        ("INFO", Severity::Info),
        ("INFRASTRUCTURE", Severity::Warning),
        ("MONITORING_UNAVAILABLE", Severity::Error),
        ("PERFORMANCE", Severity::Warning),
        ("RESOURCE_CONTENTION", Severity::Warning),
        ("SERVICE", Severity::Error),
        ("SERVICES", Severity::Error),
    ],
    is_test: |macros| macros.first(&["pid"]).as_deref() == Some(TEST),
    summary,
    place: ENTITIES,
    component: ENTITIES,
    group: IMPACT,
    class: SEVERITY_LEVEL,
    time: &["problemdetailsjsonstarttime", "problemdetailsjsonv2starttime", "problemstarttime", "starttime"],
    links: &[("Dynatrace", &["problemurl"])],
    details: &[
        ("details", &["problemdetailstext", "problemdetails", "problemdetailsmarkdown"]),
        ("impact", IMPACT),
        ("impacted", &["impactedentity", "impactedentitynames", "namesofimpactedentities"]),
        ("severity", SEVERITY_LEVEL),
        ("state", STATE),
        ("tags", &["tags"]),
    ],
};

const IDS: &[&str] = &["pid", "problemid", "problemdetailsjsonid", "problemdetailsjsonv2problemid"];
const STATE: &[&str] =
    &["state", "problemstate", "problemstatus", "status", "problemdetailsjsonstatus", "problemdetailsjsonv2status"];
const ENTITIES: &[&str] = &[
    "impactedentitiesname",
    "impactedentitynames",
    "namesofimpactedentities",
    "impactedentity",
    "problemdetailsjsonv2affectedentitiesname",
    "affectedentitiesname",
];
const IMPACT: &[&str] =
    &["problemimpact", "problemdetailsjsonimpactlevel", "problemdetailsjsonv2impactlevel", "impactlevel"];
const SEVERITY_LEVEL: &[&str] =
    &["problemseverity", "problemdetailsjsonseveritylevel", "problemdetailsjsonv2severitylevel", "severitylevel"];
const SEVERITY: &[&str] = &[
    "problemseverity",
    "problemdetailsjsonseveritylevel",
    "problemdetailsjsonv2severitylevel",
    "severitylevel",
    "problemimpact",
    "problemdetailsjsonimpactlevel",
    "problemdetailsjsonv2impactlevel",
    "impactlevel",
];
const NUMBER: &[&str] = &["problemid", "problemdetailsjsonv2displayid"];

/// The id of the problem that "Send test notification" invents.
const TEST: &str = "99999";

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::alert(&SHAPE, &repaired_payload(delivery)?)
}

fn summary(macros: &Macros) -> String {
    let title = macros.first(&["problemtitle", "problemdetailsjsontitle", "problemdetailsjsonv2title", "title"]);
    let title = title.as_deref().unwrap_or("A problem without a title");
    let places: Vec<String> = macros.first(ENTITIES).into_iter().collect();
    let title = wording::completed(title, None, &places);
    let is_merged = macros.first(SHAPE.state).is_some_and(|state| state.eq_ignore_ascii_case("merged"));
    let end = if is_merged { Some("merged into another problem") } else { None };
    // The object of the API has the number that people see beside its id.
    let number = macros.first(&["displayid"]).or_else(|| macros.first(NUMBER));
    text::join_prefixed(&[("", number.as_deref()), (": ", Some(&title)), (", ", end)])
}
