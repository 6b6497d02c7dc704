//! Azure's metric alerts without the common alert schema, converted to that schema.

use serde_json::Value;

use crate::json::{self, Node};

/// The member of [`metric`]'s essentials that contains the rule's id.
pub const METRIC_RULE: &str = "metricRule";

/// A metric alert without the common schema, in that schema. Returns `None` for other payloads.
pub fn metric(data: Node<'_>) -> Option<Value> {
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
pub fn dimensions(context: Node<'_>) -> Vec<String> {
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
