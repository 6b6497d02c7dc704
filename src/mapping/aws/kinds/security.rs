//! Findings, compliance, access, certificates and keys.

use super::super::rules;
use super::{Kind, harmless, kind};
use crate::pagerduty::event::Severity::{Error, Info, Warning};

/// The rows.
pub(super) const KINDS: &[Kind] = &[
    kind("aws.guardduty", "GuardDuty Finding", "id", "")
        .alone()
        .title("title")
        .thing("resource.instanceDetails.instanceId|resource.s3BucketDetails.0.name|resource.accessKeyDetails.userName")
        .rule(rules::guardduty_finding),
    kind(
        "aws.guardduty",
        "GuardDuty Malware Protection Object Scan Result",
        "s3ObjectDetails.bucketName,s3ObjectDetails.objectKey",
        "scanResultDetails.threats.0.name",
    )
    .state("scanResultDetails.scanResultStatus")
    .words("THREATS_FOUND=c,NO_THREATS_FOUND=n,UNSUPPORTED=w,ACCESS_DENIED=w,FAILED=w"),
    kind(
        "aws.guardduty",
        "GuardDuty Malware Protection Resource Status *",
        "@resource,s3BucketDetails.bucketName",
        "statusReasons.0.code",
    )
    .family("GuardDuty Malware Protection Resource")
    .state("resourceStatus|@detail-type")
    .words("ERROR=e,WARNING=w,ACTIVE=r")
    .thing("s3BucketDetails.bucketName|@resource"),
    kind(
        "aws.guardduty",
        "GuardDuty Malware Protection Post Scan Action Failed",
        "s3ObjectDetails.bucketName,postScanActions.0.failureReason",
        "postScanActions.0.failureReason",
    )
    .words("*=t")
    .severity(Warning)
    .thing("s3ObjectDetails.bucketName"),
    kind("aws.securityhub", "Security Hub Findings - Custom Action", "Id,ProductArn", "")
        .each("findings")
        .words("*=t")
        .severity_word("Severity.Label")
        .title("@detail.actionName,Title")
        .thing("Resources.0.Id"),
    kind("aws.securityhub", "Security Hub Insight Results", "insightArn", "insightName|actionDescription")
        .words("*=t")
        .severity(Info),
    kind("aws.securityhub", "Security Hub Findings*", "Id,ProductArn", "")
        .each("findings")
        .finding()
        .title("Title")
        .thing("Resources.0.Id")
        .rule(rules::hub_finding),
    kind("aws.securityhub", "Findings Imported V2*", "finding_info.uid", "")
        .each("findings")
        .finding()
        .state("status")
        .words("New=t,In Progress=t,Resolved=r,Suppressed=r,Archived=r,Deleted=r")
        .severity_word("severity")
        .title("finding_info.title")
        .thing("resources.0.uid")
        .rule(rules::ocsf_finding),
    kind("aws.inspector2", "Inspector2 Finding", "findingArn", "")
        .finding()
        .state("status")
        .words("ACTIVE=t,CLOSED=r,SUPPRESSED=r")
        .severity_word("severity")
        .title("title")
        .thing("resources.0.id|@resource"),
    harmless("aws.inspector2", "Inspector2 Scan|Inspector2 Coverage"),
    kind("aws.macie", "Macie Finding", "id", "")
        .finding()
        .severity_word("severity.description")
        .title("title")
        .thing("resourcesAffected.s3Bucket.name")
        .rule(rules::macie_finding),
    kind(
        "aws.access-analyzer",
        "Access Analyzer Finding|Internal Access Finding|Unused Access Finding for IAM entities",
        "id|findingId",
        "findingType",
    )
    .finding()
    .state("status")
    .severity(Warning)
    .thing("resource|@resource")
    .rule(rules::access_finding),
    kind("aws.config", "Config Rules Compliance Change", "configRuleName,resourceType,resourceId", CONFIG_REASON)
        .state("newEvaluationResult.complianceType")
        .words("NOT_APPLICABLE=r")
        .severity(Warning)
        .thing("configRuleName,resourceId")
        .had_key()
        .rule(rules::config_rule),
    kind("aws.config", "Config*", "s3Bucket|configRuleName", "messageType|deliveryStatus")
        .words("*=n")
        .severity(Warning)
        .rule(rules::config_delivery),
    kind("aws.kms", "KMS Imported Key Material Expiration|KMS CMK Deletion", "key-id|@resource", "").words("*=t"),
    harmless("aws.kms", "*"),
    kind("aws.acm", "ACM Certificate *", "@resource", "@days")
        .family("ACM Certificate")
        .state("@detail-type")
        .severity(Error)
        .thing("CommonName|@resource")
        .rule(rules::certificate),
    kind("aws.secretsmanager", "AWS Service Event via CloudTrail", SECRET, "errorMessage")
        .family("Rotation")
        .state("eventName")
        .title("eventName")
        .words("RotationFailed=t,RotationSucceeded=r,RotationStarted=-,RotationAbandoned=w,*=n"),
    kind("aws.signin", "AWS Console Sign*In via CloudTrail|AWS Console Signin via CloudTrail", SIGN_IN, "@login")
        .title("@login-of")
        .thing("sourceIPAddress")
        .rule(rules::sign_in),
    kind("aws.cloudtrail", "AWS Insight via CloudTrail", INSIGHT, "insightDetails.insightType")
        .state("insightDetails.state")
        .words("Start=t,End=r")
        .severity(Warning),
    kind("aws.*", "AWS API Call via CloudTrail|AWS Service Event via CloudTrail", CALL, "errorMessage|errorCode")
        .family("call")
        .title("@call")
        .thing("@called")
        .severity(Warning)
        .rule(rules::api_call),
    kind("aws.iot", "Device Defender Violation", "securityProfileName,behavior.name,thingName", "")
        .state("violationEventType")
        .words("in-alarm=t,alarm-cleared=r,alarm-invalidated=r")
        .severity(Warning)
        .thing("thingName,behavior.name"),
    kind("aws.ssm", "Configuration Compliance State Change", "resource-id,compliance-type", "")
        .state("compliance-status")
        .severity(Warning),
];

const CONFIG_REASON: &str = "newEvaluationResult.annotation";
const SECRET: &str = "additionalEventData.SecretId|requestParameters.secretId|responseElements.arn";
const SIGN_IN: &str = "userIdentity.type,userIdentity.arn|userIdentity.accountId,@login";
const INSIGHT: &str = "insightDetails.eventSource,insightDetails.eventName,insightDetails.insightType";
const CALL: &str = "eventSource,@pair,userIdentity.arn,@called";
