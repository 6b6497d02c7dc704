//! What AWS says about the account itself: health, limits, costs, cases, operations.

use super::super::rules;
use super::{Kind, harmless, kind};
use crate::pagerduty::event::Severity::{Info, Warning};

/// The rows.
pub(super) const KINDS: &[Kind] = &[
    kind("aws.health", "AWS Health Event|AWS Health Abuse Event", "eventArn,affectedAccount|@account", HEALTH_REASON)
        .alone()
        .title("service,eventTypeCode")
        .thing("eventRegion,affectedEntities.0.entityValue")
        .rule(rules::health),
    kind("aws.trustedadvisor", "Trusted Advisor Check Item Refresh Notification", ADVISOR, "")
        .state("status")
        .words("ERROR=e,WARN=w,OK=r")
        .thing("check-name,resource_id|check-item-detail.Limit Amount|check-item-detail.Limit Name"),
    kind("aws.support", "Support Case Update", "case-id", "")
        .state("event-name")
        .words("CreateCase=t,ReopenCase=t,AddCommunicationToCase=t,ResolveCase=r")
        .severity(Info)
        .thing("display-id|case-id"),
    kind("aws.ssm", "Maintenance Window Task Execution State-change Notification", "window-id,window-task-id", "")
        .state("status")
        .severity(Warning)
        .words(WINDOW),
    kind("aws.ssm", "Maintenance Window Task Target Invocation State-change Notification", TARGET, "")
        .state("status")
        .severity(Warning)
        .words(WINDOW),
    kind("aws.ssm", "Maintenance Window Execution State-change Notification", "window-id", "")
        .state("status")
        .severity(Warning)
        .words(WINDOW),
    harmless("aws.ssm", "Maintenance Window*"),
    kind("aws.ssm", "OpsItem Create|OpsItem Update", "ops-item-id", "")
        .family("OpsItem")
        .title("title")
        .thing("ops-item-id")
        .severity(Warning)
        .rule(rules::ops_item),
    kind("aws.ssm", "EC2 State Manager*Association State Change", "association-id,instance-id", "")
        .state("status")
        .severity(Warning)
        .words(COMMAND),
    kind("aws.ssm", "EC2 Command*Status-change Notification", "document-name,instance-id", "")
        .family("EC2 Command")
        .state("status")
        .severity(Warning)
        .words(COMMAND),
    kind("aws.ssm", "Parameter Store Policy Action", "parameter-name|name|@resource", "policy-type")
        .words("*=t")
        .severity(Warning),
    harmless("aws.ssm", "Change Request*|Calendar State Change|Parameter Store Change|Inventory*"),
    kind("aws.xray", "AWS X-Ray Insight Update", "InsightId", "Summary").finding().state("State").severity(Warning),
    kind("aws.internetmonitor", "*", "EventId|EventArn|@resource", "Summary")
        .family("Health Event")
        .finding()
        .state("Status")
        .severity(Warning),
    kind("aws.budgets", "AWS Budget", "Budget Name,Alert Type,Alert Threshold", "@spent")
        .state("Alert Type")
        .words("FORECASTED=i,*=w")
        .thing("Budget Name"),
    kind("aws.ce", "Anomaly Detected", "anomalyId", "@impact")
        .words("*=t")
        .severity(Warning)
        .thing("monitorName|subscriptionName,dimensionValue|dimensionalValue")
        .link("anomalyDetailsLink"),
    kind("aws.devops-guru", "DevOps Guru New Insight Open|DevOps Guru Insight *", "insightId", "insightDescription")
        .family("DevOps Guru Insight")
        .state("@detail-type")
        .words("DevOps Guru New Insight Open=t,DevOps Guru Insight Severity Upgraded=t,DevOps Guru Insight Closed=r")
        .severity(Warning)
        .severity_word("insightSeverity")
        .thing("insightName|insightId")
        .link("insightUrl"),
    harmless("aws.devops-guru", "DevOps Guru New*"),
    harmless("aws.events", "Scheduled Event"),
    harmless("aws.scheduler", "Scheduled Event"),
    harmless("aws.tag", "Tag Change on Resource"),
    harmless("aws.workspaces", "WorkSpaces Access"),
    harmless("aws.codecommit", "CodeCommit*"),
];

const ADVISOR: &str = "check-name,resource_id,check-item-detail.Region,check-item-detail.Service,\
    check-item-detail.Limit Amount|check-item-detail.Limit Name";
const HEALTH_REASON: &str = "eventDescription.0.latestDescription";
const WINDOW: &str = "SKIPPED_OVERLAPPING=x";
const TARGET: &str = "window-id,window-task-id,owner-information|window-target-id";
const COMMAND: &str =
    "Incomplete=t,Rate Exceeded=t,Undeliverable=t,Delivery Timed Out=t,Execution Timed Out=t,Terminated=t";
