//! Azure Monitor: the common alert schema of every kind of alert rule, and metric and activity log alerts without it.
//!
//! # Wire format
//!
//! <https://learn.microsoft.com/en-us/azure/azure-monitor/alerts/alerts-common-schema>, read 2026-11, with its page of
//! sample payloads: `{schemaId, data: {essentials, alertContext, customProperties}}`. `essentials` is the same for all
//! alerts. `alertContext` depends on `monitoringService`: conditions of metric, availability and log alerts (version 1
//! of log alerts has its own names), an event of the activity log (administrative, policy, autoscale, security, Service
//! Health, Resource Health), a budget, Prometheus, smart detection. A webhook without the common schema
//! (<https://learn.microsoft.com/en-us/azure/azure-monitor/alerts/alerts-non-common-schema-definitions>, read 2026-11)
//! sends an activity log alert as the same event at `data.context.activityLog`, and a metric alert as `{schemaId:
//! "AzureMonitorMetricAlert", data: {status, context: {id, name, severity, timestamp, condition, resourceName, …}}}`; the
//! retired classic alerts are the same without `data`. Azure cannot set a header, so the secret is in
//! the URL, as a parameter or as the password before the host. Azure makes up to five attempts, some seconds apart, if
//! the response is 408, 429, 503 or 504, and then sends nothing to that URL for 15 minutes.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `monitorCondition` `Resolved` resolves. So does an event's `properties.stage`, else `properties.currentHealthStatus`, with `Available`, `Canceled`, `Complete`, `Completed`, `RCA`, `Resolved`; without either, its `status` `Resolved`. `Deactivated` of a metric alert without the common schema resolves too. Any other value triggers |
//! | severity | `Sev0` critical, `Sev1` error, `Sev2` warning, `Sev3` and `Sev4` info; cost alerts have no severity and are a warning; any other value error |
//! | severity of an event | the worse of the alert's severity, which is always `Sev4`, and the event's own: the first known word of `properties.cause`, `incidentType`, `currentHealthStatus`, `severity`, and `level`; at least warning for an unknown `currentHealthStatus` that no user caused |
//! | summary | rule on resource: metric, operator, threshold, current value; for other kinds their title (of Advisor the recommendation's name), summary or description, current value or state; for Service Health the kind of incident and its region instead of rule and resource |
//! | source | the budget, the `compromisedEntity` of a security event, else the last segment of `configurationItems` or `alertTargetIDs`, else the subscription |
//! | component | the service of Service Health, else the resource's type |
//! | group | the resource group; for Service Health the region |
//! | class | the metric, the operation, the detector, else `AlertCategory`, `conditionType`, `AlertType`, `signalType` |
//! | timestamp | `resolvedDateTime`, else `firedDateTime`; without the common schema `eventTimestamp` |
//! | links | the alert in the portal, query results, runbook or recommendation |
//! | client, client URL | Azure Monitor, the alert in the portal |
//! | details | essentials, custom properties, conditions, impacted services, and the other members that the lists in the code name |
//!
//! # Dedup key
//!
//! `azure:<alertId>`, else `originAlertId`. Both identify one instance of an alert, so the trigger and the resolve
//! share them. That id does not work everywhere, so:
//!
//! * Service Health: `azure:<trackingId>`. Each update of an incident is an alert of its own.
//! * Resource Health: `azure:<resource id>` in lower case, because Azure varies the case. A resource has one health, so
//!   the event that reports recovery resolves the alert of the earlier problem.
//! * Other events of the activity log: `azure:<rule>:<correlationId>`, else `eventDataId`. For these, `alertId` can be
//!   the rule's own. The steps of one operation (started, failed) are one alert. Most of these alerts never resolve.
//! * Metric alerts without the common schema: `azure:<rule's id>:<resource's name>`, both in lower case, and then
//!   `<dimension>=<value>` of each dimension, because one rule has an alert for each of them.
//! * Budgets: `azure:<budget>:<kind of threshold>:<threshold>`. All of them have the same `alertId`, and they never
//!   resolve.
//!
//! A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * `claims`, `caller`, `httpRequest`, `BudgetCreator` and an operation's other text about itself (`statusMessage`),
//!   because they name people. `SearchResults`, `event` and `impactedServicesTableRows`, because they are tables.
//! * Without the common schema, alerts of other kinds (log alerts, smart detection) are rejected: enable the common schema in the action.
//! * The test button of an action group sends a payload that looks like an alert, and it pages.
//! * Uncertain: whether the events of one health event share a `correlationId`, so the mapping does not rely on it. An
//!   `Updated` event of Resource Health without `currentHealthStatus` triggers, although it may arrive late.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::{MapError, Mapped, azure, json, parse};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Azure Monitor.
pub const SOURCE: Source = Source {
    slug: "azure",
    name: "Azure Monitor",
    docs: "https://learn.microsoft.com/en-us/azure/azure-monitor/alerts/alerts-common-schema",
    schemes: &[Scheme::Basic, Scheme::Query("token")],
    setup: Setup {
        triggers: "`Fired`; without the common schema `Activated`",
        resolves: "`Resolved`, `Deactivated`; of Azure's own health `Resolved`, `Complete`, `Canceled`, `Available`",
        steps: "In the action group add an action of type Webhook with URI {url}?token=<secret>: it can set no header.\n\
                Enable the common alert schema.\n\
                In rules of Resource Health choose event status Resolved too, or nothing closes.",
        template: None,
    },
    map,
    // It makes up to five attempts within some 75 seconds after 408, 429, 503 and 504, and then sends nothing for 15
    // minutes.
    retries: true,
    states: &[
        "Resolved",
        "Fired",
        "Activated",
        "Deactivated",
        "Sev0",
        "Sev1",
        "Sev2",
        "Sev3",
        "Available",
        "Complete",
        "Canceled",
    ],
    ..Source::DEFAULT
};

/// Words that mean that the problem is over.
const ENDS: &[(&str, Action)] = &[
    ("Available", Action::Resolve),
    ("Canceled", Action::Resolve),
    ("Complete", Action::Resolve),
    ("Completed", Action::Resolve),
    // The report that follows an incident.
    ("RCA", Action::Resolve),
    ("Resolved", Action::Resolve),
];

const SEVERITIES: &[(&str, Severity)] = &[
    ("Sev0", Severity::Critical),
    ("Sev1", Severity::Error),
    ("Sev2", Severity::Warning),
    ("Sev3", Severity::Info),
    ("Sev4", Severity::Info),
    ("CostAlerts", Severity::Warning),
    // Service Health.
    ("ActionRequired", Severity::Warning),
    ("Incident", Severity::Error),
    ("Informational", Severity::Info),
    ("Maintenance", Severity::Info),
    ("Security", Severity::Error),
    // Resource Health: a user stopped the resource, or it broke.
    ("UserInitiated", Severity::Info),
    ("Degraded", Severity::Warning),
    ("Unavailable", Severity::Error),
    // Security events.
    ("High", Severity::Error),
    ("Medium", Severity::Warning),
    ("Low", Severity::Info),
    // Levels of the activity log. The fourth level is already in the list.
    ("Critical", Severity::Critical),
    ("Error", Severity::Error),
    ("Warning", Severity::Warning),
];

/// The members that contain an event's severity.
const EVENT_SEVERITIES: &[&str] =
    &["properties.cause", "properties.incidentType", "properties.currentHealthStatus", "properties.severity", "level"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = azure::common(json(delivery)?);
    let data = Node::root(&payload).get("data");
    let alert = Alert::read(data)?;
    let Alert { essentials, context, is_event } = alert;
    let target = alert.target();
    let id = essentials.get("alertId").text().unwrap_or_default();
    let portal = id
        .to_ascii_lowercase()
        .contains("/microsoft.alertsmanagement/alerts/")
        .then(|| [PORTAL, &utf8_percent_encode(&id, NON_ALPHANUMERIC).to_string()].concat());
    let group = essentials.get("targetResourceGroup").text().or_else(|| alert.event(&["resourceGroupName"]));
    let time = essentials.first_text(&["resolvedDateTime", "firedDateTime"]);
    let services = context.at("properties.impactedServices");
    let services = services.text().and_then(|text| parse(text.as_bytes()).ok()).or_else(|| services.value().cloned());

    let source_field = alert.dimension_name().or_else(|| alert.event(&["subscriptionId"]));
    let source = source_field.as_deref().unwrap_or(SOURCE.name);
    let mut event = Event::new(alert.action(), alert.key()?, alert.severity(), &alert.summary(), source)
        .component(alert.event(&["properties.service", "resourceType"]).or_else(|| after(&target, "providers", 2)))
        .group(group.or_else(|| after(&target, "resourcegroups", 1)).or_else(|| alert.event(&["properties.region"])))
        .class(context.pick(CLASSES).or_else(|| essentials.get("signalType").text()))
        .timestamp(time.or_else(|| alert.event(&["eventTimestamp"])))
        .detail("conditions", azure::conditions(context))
        .detail("impactedServices", services.filter(|_| is_event).into())
        .link("Alert", portal.clone())
        .link("Resource", essentials.get("portalLink").text())
        .link("Query results", context.first_text(&["LinkToFilteredSearchResultsUI", "LinkToSearchResults"]))
        .link("Query results", context.at("condition.allOf.0").first_text(RESULTS))
        .link("Runbook", context.pick(&["annotations.runbook_url", "properties.recommendationResourceLink"]))
        .client(SOURCE.name, portal);
    let shown: [(Node<'_>, &[&[&str]]); 4] = [
        (context, if is_event { EVENT } else { CONTEXT }),
        (context.get(if is_event { "properties" } else { "AlertData" }), if is_event { PROPERTIES } else { BUDGET }),
        (essentials, ESSENTIALS),
        (data, &[&["customProperties=properties", "customProperties"]]),
    ];
    for (node, groups) in shown {
        event = event.grouped_details(node, groups);
    }
    Ok(Mapped::one(event))
}

/// The general part of an alert, and the part for its kind.
#[derive(Clone, Copy)]
struct Alert<'a> {
    essentials: Node<'a>,
    context: Node<'a>,
    /// Whether `context` is an event of the activity log. In other kinds, `properties` contains the user's own data.
    is_event: bool,
}

impl<'a> Alert<'a> {
    fn read(data: Node<'a>) -> Result<Self, MapError> {
        let essentials = data.get("essentials");
        let common = essentials.members().is_some();
        let context = data.at(if common { "alertContext" } else { "context.activityLog" });
        if !common && context.members().is_none() {
            return Err(MapError::Shape { expected: "`data.essentials`: enable the common alert schema" });
        }
        let is_event = context.first_text(&["eventSource", "eventDataId", "operationName"]).is_some();
        Ok(Alert { essentials, context, is_event })
    }

    /// The text at the first of the paths of an event that has one.
    fn event(self, paths: &[&str]) -> Option<String> {
        if self.is_event { self.context.pick(paths) } else { None }
    }

    fn action(self) -> Action {
        let stage = self.event(&["properties.stage", "properties.currentHealthStatus"]);
        // The `status` of an operation is not the state of an alert: an operation can be canceled, for example.
        let resolved = || self.event(&["status"]).filter(|status| status.eq_ignore_ascii_case("Resolved"));
        let over = |word: Option<String>| word.and_then(|word| text::lookup(ENDS, &word));
        let condition = self.essentials.get("monitorCondition").text();
        over(condition).or_else(|| over(stage.or_else(resolved))).unwrap_or(Action::Trigger)
    }

    fn severity(self) -> Severity {
        let known = |node: Node<'_>| node.text().and_then(|word| text::lookup(SEVERITIES, &word));
        let own = EVENT_SEVERITIES.iter().filter(|_| self.is_event).find_map(|path| known(self.context.at(path)));
        // A health that is none of the known ones may be bad, unless a user caused it.
        let caused = self.event(&["properties.cause"]).is_some_and(|cause| cause.eq_ignore_ascii_case("UserInitiated"));
        let health = self
            .event(&["properties.currentHealthStatus"])
            .filter(|word| !caused && text::lookup(ENDS, word).is_none());
        let own = own.max(health.map(|_| Severity::Warning));
        let given = own.max(known(self.essentials.get("severity")));
        given.or_else(|| known(self.essentials.get("monitoringService"))).unwrap_or(Severity::Error)
    }

    fn key(self) -> Result<DedupKey, MapError> {
        let key = |parts: &[&str]| DedupKey::new(SOURCE.slug, parts);
        let operation = self.event(&["operationName"]).unwrap_or_default().to_ascii_lowercase();
        let target = self.target();
        let key = if let Some(incident) = self.event(&["properties.trackingId"]) {
            key(&[&incident])
        } else if operation.contains("/healthevent/") && !target.is_empty() {
            key(&[&target.to_ascii_lowercase()])
        } else if let Some(id) = self.event(&["correlationId", "eventDataId"]) {
            key(&[&self.rule(), &id])
        } else if let Some(budget) = self.context.pick(&["AlertData.BudgetId", "AlertData.BudgetName"]) {
            let part = |name: &str| self.context.get("AlertData").get(name).text().unwrap_or_default();
            key(&[&budget, &part("ThresholdType"), &part("NotificationThresholdAmount")])
        } else if let Some(parts) = azure::identity(self.essentials, self.context, self.dimension_name()) {
            key(&parts.iter().map(String::as_str).collect::<Vec<&str>>())
        } else {
            key(&[&self.essentials.first_text(&["alertId", "originAlertId"]).unwrap_or_default()])
        };
        key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`data.essentials.alertId`" })
    }

    fn rule(self) -> String {
        self.essentials.get("alertRule").text().unwrap_or_default()
    }

    /// The id of the first affected resource.
    fn target(self) -> String {
        self.essentials.at("alertTargetIDs.0").text().or_else(|| self.event(&["resourceId"])).unwrap_or_default()
    }

    /// The name of the affected resource.
    fn dimension_name(self) -> Option<String> {
        let named = self.context.at("AlertData.BudgetName").text();
        let named = named.or_else(|| self.event(&["properties.compromisedEntity"]));
        let named = named.or_else(|| self.essentials.at("configurationItems.0").text());
        let named = named.unwrap_or_else(|| self.target());
        named.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    }

    fn summary(self) -> String {
        let incident = self.event(&["properties.incidentType"]).map(|kind| ["Azure ", &kind].concat());
        let (joint, source_field) = match incident {
            Some(_) => (" in ", self.event(&["properties.region"])),
            None => (" on ", self.dimension_name()),
        };
        let condition = self.context.at("condition.allOf.0");
        let metric = condition.first_text(&["metricName", "metricMeasureColumn", "timeAggregation"]);
        let title = metric.or_else(|| self.context.pick(TITLES)).or_else(|| self.event(EVENT_TITLES));
        let value = condition.get("metricValue").text();
        let value = value.or_else(|| self.context.first_text(&["expressionValue", "DetectedValue"]));
        let state = || self.event(&["properties.stage", "properties.currentHealthStatus", "status"]);
        let rule = incident.unwrap_or_else(|| self.rule());
        let title = title.or_else(|| self.essentials.get("description").text());
        let operator = condition.get("operator").text().or_else(|| self.context.get("Operator").text());
        let threshold = condition.get("threshold").text().or_else(|| self.context.get("Threshold").text());
        text::join_prefixed(&[
            ("", Some(&rule)),
            (joint, source_field.as_deref()),
            (": ", title.as_deref().map(text::first_line)),
            (" ", operator.as_deref()),
            (" ", threshold.as_deref()),
            (", now ", value.or_else(state).as_deref()),
        ])
    }
}

/// The URL of an alert's page, before its id.
const PORTAL: &str =
    "https://portal.azure.com/#view/Microsoft_Azure_Monitoring_Alerts/AlertDetails.ReactView/alertId~/";

/// The members that describe the problem in log alerts before version 2, Prometheus and smart detection.
const TITLES: &[&str] = &["AlertType", "annotations.summary", "annotations.description", "DetectionSummary"];

/// The members that describe the problem in an event.
const EVENT_TITLES: &[&str] = &[
    "properties.title",
    "properties.recommendationName",
    "properties.description",
    "Activity Log Event Description",
    "description",
    "operationName",
];

const CLASSES: &[&str] =
    &["condition.allOf.0.metricName", "operationName", "SmartDetectorName", "AlertCategory", "conditionType"];

const RESULTS: &[&str] = &["linkToFilteredSearchResultsUI", "linkToSearchResultsUI"];

/// Details of every alert.
const ESSENTIALS: &[&[&str]] = &[
    &["alertId", "alertRule", "severity", "signalType", "monitorCondition", "monitoringService", "description"],
    &["alertTargetIDs", "configurationItems"],
];

/// Details of metric and log alerts, Prometheus and smart detection.
const CONTEXT: &[&[&str]] = &[
    &["conditionType", "condition.windowSize", "customProperties=properties"],
    &["AlertType", "SearchQuery", "ResultCount", "Operator", "Threshold", "Dimensions", "AffectedConfigurationItems"],
    &["SearchIntervalStartTimeUtc", "SearchIntervalEndtimeUtc"],
    &["expression", "expressionValue", "for", "labels", "annotations", "ruleGroup"],
    &["SmartDetectorName", "DetectionSummary", "DetectedValue", "NormalValue"],
];

/// Details of a budget.
const BUDGET: &[&[&str]] = &[
    &["BudgetName", "BudgetType", "BudgetThreshold", "ThresholdType", "NotificationThresholdAmount"],
    &["SpentAmount", "ForecastedTotalForPeriod", "Unit", "Scope"],
];

/// Details of an event of the activity log.
const EVENT: &[&[&str]] = &[
    &["eventSource", "operationName", "status", "subStatus", "level", "correlationId", "authorization.scope"],
    &["eventDescription=Activity Log Event Description", "eventDescription=description"],
];

/// Details from the properties of Service Health, Resource Health and other events.
const PROPERTIES: &[&[&str]] = &[
    &["title", "incidentType", "trackingId", "stage", "service", "region", "impactStartTime", "impactMitigationTime"],
    &["communication", "currentHealthStatus", "previousHealthStatus", "cause", "details"],
    &["eventSeverity=severity", "compromisedEntity", "actionTaken", "recommendationName"],
];

/// The segments of a resource id after the one with this name, ignoring case, because Azure varies it.
fn after(id: &str, name: &str, count: usize) -> Option<String> {
    let rest = id.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case(name)).skip(1);
    let segments: Vec<&str> = rest.take(count).collect();
    (!segments.is_empty()).then(|| text::join_nonempty(&segments, "/"))
}
