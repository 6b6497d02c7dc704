//! Azure's conditions, and metric alerts without the common alert schema, converted to that schema.

use serde_json::{Map, Value};

use crate::json::{self, Node};

/// The member of [`metric`]'s essentials that contains the rule's id.
const METRIC_RULE: &str = "metricRule";

/// A payload in the common schema. Other payloads than metric alerts stay as they are.
pub fn common(payload: Value) -> Value {
    let root = Node::root(&payload);
    let data = root.get("data");
    // Autoscale sends the same members without a condition.
    let is_classic = data.value().is_none() && root.at("context.condition").value().is_some();
    match metric(if is_classic { root } else { data }) {
        Some(metric) => json::object([("data", metric)]),
        None => payload,
    }
}

/// What identifies a metric alert that had another schema: the rule, the resource's name and the dimensions. Returns `None`
/// for other alerts.
pub fn identity(essentials: Node<'_>, context: Node<'_>, resource: Option<String>) -> Option<Vec<String>> {
    // Azure varies the case.
    let named = [essentials.get(METRIC_RULE).text()?, resource.unwrap_or_default()].map(|name| name.to_lowercase());
    Some(named.into_iter().chain(dimensions(context)).collect())
}

/// A metric alert without the common schema, in that schema. Returns `None` for other payloads.
fn metric(data: Node<'_>) -> Option<Value> {
    let context = data.get("context");
    let rule = context.first_text(&["id", "name"])?;
    if data.get("essentials").value().is_some() || context.get("activityLog").value().is_some() {
        return None;
    }
    let status = data.get("status").text().unwrap_or_default();
    let is_over = status.eq_ignore_ascii_case("Deactivated") || status.eq_ignore_ascii_case("Resolved");
    let text = |name: &str| Value::from(context.get(name).text());
    let one = |name: &str| Value::Array(context.get(name).text().map(Value::from).into_iter().collect());
    let essentials = json::object([
        (METRIC_RULE, rule.into()),
        ("alertRule", context.first_text(&["name", "id"]).into()),
        ("severity", context.get("severity").text().map(|digit| ["Sev", &digit].concat()).into()),
        ("signalType", "Metric".into()),
        ("monitorCondition", if is_over { "Resolved".into() } else { status.into() }),
        ("alertTargetIDs", one("resourceId")),
        ("configurationItems", one("resourceName")),
        ("targetResourceGroup", text("resourceGroupName")),
        (if is_over { "resolvedDateTime" } else { "firedDateTime" }, text("timestamp")),
        ("description", text("description")),
        ("portalLink", text("portalLink")),
    ]);
    let condition = context.get("condition");
    let condition = match condition.get("allOf").value() {
        Some(_) => condition.value().cloned(),
        // Of classic alerts.
        None => condition.value().map(|only| json::object([("allOf", Value::Array(vec![only.clone()]))])),
    };
    let kind = text("conditionType");
    let context = json::object([("conditionType", kind), ("condition", condition.into())]);
    let own = data.get("properties").value().cloned();
    Some(json::object([("essentials", essentials), ("alertContext", context), ("properties", own.into())]))
}

/// `<name>=<value>` of each dimension of a metric alert, sorted. The resource's id is not among them.
fn dimensions(context: Node<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for condition in context.at("condition.allOf").items().unwrap_or_default() {
        for dimension in Node::root(condition).get("dimensions").items().unwrap_or_default() {
            let part = |name: &str| Node::root(dimension).get(name).text().unwrap_or_default();
            let (name, value) = (part("name"), part("value"));
            if !name.to_ascii_lowercase().ends_with("resourceid") {
                all.push([&name, "=", &value].concat());
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

/// Details of a condition, without its links and the rows of a log alert.
const CONDITION: &[&[&str]] = &[
    &["metricName", "metricNamespace", "metricMeasureColumn", "metricValue", "operator", "threshold"],
    &["timeAggregation", "dimensions", "failingPeriods", "alertSensitivity", "searchQuery", "webTestName"],
];

/// The conditions of a metric or log alert, with the members that people read.
pub fn conditions(context: Node<'_>) -> Value {
    let mut conditions = Vec::new();
    for condition in context.at("condition.allOf").items().unwrap_or_default() {
        let mut shown = Map::new();
        for name in CONDITION.iter().copied().flatten() {
            if let Some(value) = Node::root(condition).get(name).value() {
                shown.insert((*name).to_owned(), value.clone());
            }
        }
        conditions.push(Value::Object(shown));
    }
    Value::Array(conditions)
}
