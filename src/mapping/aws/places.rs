//! Facts of an event that are not at one path.

use super::bridge::Bridge;
use super::codes;
use super::names;
use crate::json::Node;
use crate::text;

/// The text of a place by its name in the table. Returns `None` if the name is none of these: then it is a path of the
/// event.
pub(super) fn text(bridge: &Bridge<'_>, name: &str) -> Option<Option<String>> {
    let detail = bridge.detail;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(match name {
        "resource" => given(bridge.resource()),
        "detail-type" => given(bridge.kind.clone()),
        "cluster" => given(service(bridge).0),
        "service" => given(service(bridge).1),
        "group" => given(service(bridge).1.trim_start_matches("service:").trim_start_matches("family:").to_owned()),
        "agent" => {
            let connected = detail.get("agentConnected").text()?;
            given(if connected == "true" { "agent connected" } else { "agent disconnected" }.to_owned())
        }
        "topic" => given(codes::topic(bridge)),
        "container" => {
            let reasons = detail.get("containers").items().into_iter().flatten();
            reasons.filter_map(|container| Node::root(container).get("reason").text()).next()
        }
        "attempt" => {
            let last = detail.get("attempts").items().and_then(<[_]>::last);
            last.and_then(|attempt| Node::root(attempt).at("container.reason").text())
        }
        _ => return of_reasons(bridge, name).or_else(|| of_calls(bridge, name)),
    })
}

/// Reasons that are not at one path.
fn of_reasons(bridge: &Bridge<'_>, name: &str) -> Option<Option<String>> {
    let (detail, event) = (bridge.detail, bridge.event);
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(match name {
        "failed-phase" => {
            let phases = detail.at("additional-information.phases").items().into_iter().flatten().map(Node::root);
            let mut failed =
                phases.filter(|phase| phase.get("phase-status").text().is_some_and(|word| word != "SUCCEEDED"));
            failed.find_map(|phase| phase.get("phase-type").text())
        }
        "failed-actions" => event.pick(&[
            "additionalAttributes.failedActions.0.additionalInformation",
            "additionalAttributes.failedActions.0.action",
        ]),
        "score" => {
            let failed = detail.get("numRulesFailed").text().map(|failed| format!("rules failed {failed}"));
            let score = detail.get("score").text().map(|score| format!("score {score}"));
            given(text::join_nonempty(&[&score.unwrap_or_default(), &failed.unwrap_or_default()], ", "))
        }
        "mail" => mail(bridge),
        "recipient" => detail.pick(&[
            "bounce.bouncedRecipients.0.emailAddress",
            "complaint.complainedRecipients.0.emailAddress",
            "mail.destination.0",
        ]),
        "counts" => given(counts(detail.get("finding-severity-counts"))),
        "days" => detail.get("DaysToExpiry").text().map(|days| format!("{days} days left")),
        "impact" => detail.at("impact.totalImpact").text().map(|impact| format!("total impact {impact}")),
        "spent" => {
            let amount = detail.pick(&["ACTUAL Amount", "FORECASTED Amount"]);
            let [budget, limit] = ["Budgeted Amount", "Alert Threshold"].map(|name| detail.get(name).text());
            let budget = budget.map(|budget| format!("of {budget}")).unwrap_or_default();
            let limit = limit.map(|limit| format!("threshold {limit}")).unwrap_or_default();
            given(text::join_nonempty(
                &[&text::join_nonempty(&[&amount.unwrap_or_default(), &budget], " "), &limit],
                ", ",
            ))
        }
        _ => return None,
    })
}

/// Facts of a call that CloudTrail recorded.
fn of_calls(bridge: &Bridge<'_>, name: &str) -> Option<Option<String>> {
    let detail = bridge.detail;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    Some(match name {
        "login" => login(detail),
        "login-of" => {
            let who = detail.pick(&["userIdentity.type", "userIdentity.principalId"]).unwrap_or_default();
            let arn = detail.at("userIdentity.arn").text().unwrap_or_default();
            let name = names::short(&arn);
            let name = if name.eq_ignore_ascii_case(&who) { "" } else { name };
            given(["Console login of ", &text::join_nonempty(&[&who, name], " ")].concat())
        }
        "call" => {
            let arn = detail.pick(&["userIdentity.arn", "userIdentity.type"]).unwrap_or_default();
            let call = detail.get("eventName").text().unwrap_or_default();
            let who = names::short(&arn);
            given(if who.is_empty() { call } else { format!("{call} by {who}") })
        }
        "called" => called(detail),
        "pair" => detail.get("eventName").text().map(|call| pair(&call).to_owned()),
        _ => return None,
    })
}

/// The cluster and the service, or the family of tasks, of an event of ECS: `shop`, `service:web`.
fn service(bridge: &Bridge<'_>) -> (String, String) {
    let cluster = bridge.detail.get("clusterArn").text().unwrap_or_default();
    let cluster = names::short(&cluster).to_owned();
    if let Some(group) = bridge.detail.get("group").text() {
        return (cluster, group);
    }
    let resource = bridge.resource();
    let named = resource.strip_prefix("arn:").and_then(|arn| arn.split_once(":service/"));
    match named.map(|(_, name)| name.split_once('/').unwrap_or((&cluster, name))) {
        Some((cluster, service)) => (cluster.to_owned(), format!("service:{service}")),
        None => {
            let definition = bridge.detail.get("taskDefinitionArn").text().unwrap_or_default();
            let id = if definition.is_empty() { resource } else { names::stable(&definition).to_owned() };
            (cluster, id)
        }
    }
}

/// `CRITICAL 1, HIGH 3`: the counts of a scan.
fn counts(counts: Node<'_>) -> String {
    let count = |name: &str| counts.get(name).count().filter(|count| *count > 0).map(|count| format!("{name} {count}"));
    let shown: Vec<String> = ["CRITICAL", "HIGH", "MEDIUM", "LOW"].into_iter().filter_map(count).collect();
    shown.join(", ")
}

/// What happened to a mail, in lower case.
pub(super) fn mail(bridge: &Bridge<'_>) -> Option<String> {
    let word = bridge.detail.first_text(&["notificationType", "eventType"]);
    let word = word.or_else(|| bridge.kind.strip_prefix("Email ").map(str::to_owned))?.to_ascii_lowercase();
    Some(match word.as_str() {
        "bounced" => "bounce".to_owned(),
        "complaint received" => "complaint".to_owned(),
        "rejected" => "reject".to_owned(),
        "rendering failed" => "rendering failure".to_owned(),
        "delivery delayed" | "deliverydelay" => "delivery delay".to_owned(),
        _ => word,
    })
}

/// `Success, MFA No`: the result of a login.
fn login(detail: Node<'_>) -> Option<String> {
    let result = detail.at("responseElements.ConsoleLogin").text().or_else(|| detail.get("errorMessage").text())?;
    let mfa = detail.at("additionalEventData.MFAUsed").text().map(|used| format!("MFA {used}"));
    Some(text::join_nonempty(&[&result, &mfa.unwrap_or_default()], ", "))
}

/// The name or the id in the parameters of a call.
fn called(detail: Node<'_>) -> Option<String> {
    let parameters = detail.get("requestParameters").members()?;
    let named = |ends: &[&str]| {
        let is_named = |name: &str| ends.iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        let found = parameters.iter().find(|(name, value)| is_named(name) && value.is_string());
        found.and_then(|(_, value)| Node::root(value).text())
    };
    named(&["name"]).or_else(|| named(&["id", "arn"]))
}

/// Calls that undo each other, by the name that they share in keys.
const PAIRS: &[(&str, &str)] =
    &[("CancelKeyDeletion", "ScheduleKeyDeletion"), ("StartLogging", "StopLogging"), ("EnableKey", "DisableKey")];

/// The call that this call undoes, or itself.
fn pair(call: &str) -> &str {
    PAIRS.iter().find(|(undo, _)| *undo == call).map_or(call, |(_, done)| done)
}

/// Whether a call undoes another.
pub(super) fn undoes(call: &str) -> bool {
    PAIRS.iter().any(|(undo, _)| *undo == call)
}
