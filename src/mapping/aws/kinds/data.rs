//! Things that keep data: databases, caches, backups, files, mail.

use super::super::{codes, rules};
use super::{Kind, harmless, kind};
use crate::pagerduty::event::Severity::{Info, Warning};

/// The rows.
pub(super) const KINDS: &[Kind] = &[
    kind("aws.rds", "*", "SourceArn|SourceType,SourceIdentifier,@topic", "Message")
        .family("event")
        .thing("SourceIdentifier|SourceArn")
        .rule(codes::rds)
        .link("Link"),
    kind("aws.elasticache", "Cache Limit Approaching", "@resource", "Message|message").words("*=w"),
    kind("aws.elasticache", "Cache Created|Cache Creation Failed", "@resource", "Message|message")
        .family("Cache Creation")
        .state("@detail-type")
        .words("Cache Created=r"),
    kind("aws.elasticache", "Cache Updated|Cache Update Failed", "@resource", "Message|message")
        .family("Cache Update")
        .state("@detail-type")
        .words("Cache Updated=r"),
    kind("aws.elasticache", "Snapshot Created|Snapshot Creation Failed", "@resource", "Message|message")
        .family("Snapshot Creation")
        .state("@detail-type")
        .words("Snapshot Created=r"),
    kind("aws.elasticache", "Snapshot Exported|Snapshot Export Failed", "@resource", "Message|message")
        .family("Snapshot Export")
        .state("@detail-type")
        .words("Snapshot Exported=r"),
    kind("aws.elasticache", "Snapshot Copied|Snapshot Copy Failed", "@resource", "Message|message")
        .family("Snapshot Copy")
        .state("@detail-type")
        .words("Snapshot Copied=r"),
    kind("aws.elasticache", "ElastiCache Notification", "Cluster,Family", "")
        .state("Event")
        .thing("Cluster")
        .rule(codes::elasticache),
    kind("aws.redshift", "Redshift Notification", "Resource,@topic", "Event Message")
        .rule(codes::redshift)
        .thing("Resource"),
    kind("aws.redshift", "Redshift Integration *", "@resource", "message").severity(Warning),
    kind("aws.dms", "DMS *", "@resource|SourceId,@topic", "detailMessage|Event Message|Message")
        .family("event")
        .state("eventType|category")
        .rule(codes::dms)
        .thing("@resource|SourceId")
        .link("resourceLink|Link"),
    kind("aws.glue", "Glue Job State Change|Glue Job Run Status", "jobName", "message")
        .family("Glue Job")
        .severity_word("severity")
        .rule(rules::late_job),
    kind("aws.glue", "Glue Crawler State Change", "crawlerName", "errorMessage|message").family("Glue Crawler"),
    kind("aws.glue", "Glue Scheduled Crawler Invocation Failure", "crawlerName", "errorMessage|message")
        .family("Glue Crawler")
        .words("*=t"),
    kind("aws.glue-dataquality", "Data Quality Evaluation Results Available", QUALITY_KEY, "@score")
        .severity(Warning)
        .thing("context.tableName|context.jobName|rulesetNames")
        .rule(rules::data_quality),
    kind("aws.glue", "Data Quality Evaluation Results Available", QUALITY_KEY, "@score")
        .severity(Warning)
        .thing("context.tableName|context.jobName|rulesetNames")
        .rule(rules::data_quality),
    kind(
        "aws.glue",
        "Glue Statistics Task *|Glue Scheduled Statistics Task *",
        "databaseName,tableName",
        "errorMessage",
    )
    .family("Glue Statistics Task")
    .state("@detail-type")
    .severity(Warning),
    harmless("aws.glue", "Glue Data Catalog *"),
    kind("aws.backup", "Backup Job State Change", "resourceArn", "statusMessage"),
    kind("aws.backup", "Copy Job State Change", "resourceArn,destinationBackupVaultArn", "statusMessage")
        .thing("resourceArn"),
    kind("aws.backup", "Restore Job State Change", "@resource|restoreTestingPlanArn", "resourceType,statusMessage")
        .state("status|state"),
    kind(
        "aws.backup",
        "Scan Job State Change|Recovery Point State Change|Recovery Point Index State Change",
        "@resource|resourceArn",
        "statusMessage|indexStatusMessage",
    )
    .state("status|state|indexStatus")
    .words("FAILED=t,PARTIAL=t,*=n")
    .severity(Warning),
    harmless("aws.backup", "Backup Vault *|Backup Plan *|Region Setting *"),
    kind("aws.datasync", "DataSync Task Execution State Change", "@resource", "").state("State"),
    kind("aws.datasync", "DataSync Task State Change|DataSync Agent State Change", "@resource", "").state("State"),
    kind("aws.transfer", "AS2 *", "server-id|connector-id|agreement-id", "failure-message,file-path")
        .state("status-code|@detail-type")
        .severity(Warning),
    kind("aws.transfer", "*", "server-id|connector-id,username", "failure-message,file-path")
        .state("status-code|@detail-type")
        .severity(Warning),
    harmless("aws.s3", "*"),
    kind("aws.athena", "Athena Query State Change", "workgroupName", "athenaError.errorMessage")
        .state("currentState")
        .words("SUCCEEDED=n")
        .severity(Warning),
    kind("aws.appflow", "AppFlow End Flow Run Report", "flow-name|@resource", "").state("status").severity(Warning),
    kind("aws.appflow", "AppFlow *Deactivated", "flow-name|@resource", "").words("*=t").severity(Warning),
    kind("aws.dlm", "DLM Policy State Change", "policy_id|@resource", "cause").severity(Warning),
    kind("aws.ses", "Advisor Recommendation Status *", "@resource,data.data|data", "data.data|data")
        .state("@detail-type")
        .words("Advisor Recommendation Status Open=t,Advisor Recommendation Status Resolved=r")
        .severity(Warning)
        .thing("@resource"),
    kind("aws.ses", "Email|Email *", "mail.sourceArn|@resource|mail.source,@mail,bounce.bounceType", MAIL)
        .family("email")
        .state("notificationType|eventType|@detail-type")
        .rule(rules::mail)
        .severity(Info)
        .thing("mail.sourceArn|@resource|mail.source"),
    kind("aws.ecr", "ECR Image Scan", "repository-name", "@counts").rule(rules::image_scan),
    kind(
        "aws.ecr",
        "ECR Replication Action|ECR Pull Through Cache Action",
        "repository-name,action-type",
        "failure-reason",
    )
    .state("result|sync-status")
    .severity(Warning)
    .thing("repository-name"),
    harmless("aws.ecr", "ECR Image Action|ECR Referrer Action|ECR Scan Resource Change"),
    kind("aws.es", "Amazon OpenSearch Service *|Amazon ES *|Domain Error Notification", "@resource,event", OPENSEARCH)
        .state("status")
        .words(
            "Warning=t,Unexecuted=t,Shard(s) to be deleted=t,Shard(s) deleted=t,Available=i,Required=i,Scheduled=i,\
             Rescheduled=i,Eligible=i",
        )
        .severity(Warning)
        .severity_word("severity")
        .thing("@resource"),
];

const MAIL: &str = "bounce.bounceType|complaint.complaintFeedbackType,mail.commonHeaders.subject,@recipient";
const OPENSEARCH: &str = "event,description";
const QUALITY_KEY: &str = "rulesetNames,context.databaseName,context.tableName|context.jobName";
