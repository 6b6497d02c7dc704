//! Things that run: containers, instances, functions, pipelines, stacks.

use super::super::rules;
use super::{Kind, harmless, kind};
use crate::pagerduty::event::Severity::{Critical, Info, Warning};

const STACK: &str = "CREATE_COMPLETE=r,UPDATE_COMPLETE=r,IMPORT_COMPLETE=r,DELETE_COMPLETE=r,ROLLBACK_FAILED=c,\
    UPDATE_ROLLBACK_FAILED=c,IMPORT_ROLLBACK_FAILED=c,ROLLBACK_COMPLETE=t,UPDATE_ROLLBACK_COMPLETE=t,\
    IMPORT_ROLLBACK_COMPLETE=t,UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS=t,UPDATE_COMPLETE_CLEANUP_IN_PROGRESS=-,\
    ROLLBACK_IN_PROGRESS=t,UPDATE_ROLLBACK_IN_PROGRESS=t,IMPORT_ROLLBACK_IN_PROGRESS=t";

const SERVICE: &str = "SERVICE_STEADY_STATE=r,TASKSET_STEADY_STATE=r,SERVICE_DEPLOYMENT_COMPLETED=r,\
    CAPACITY_PROVIDER_STEADY_STATE=n,SERVICE_DESIRED_COUNT_UPDATED=n,TASKS_STOPPED=n,SERVICE_TASK_START_IMPAIRED=w,\
    SERVICE_DISCOVERY_INSTANCE_UNHEALTHY=w,VPC_LATTICE_TARGET_UNHEALTHY=w,ECS_OPERATION_THROTTLED=w,\
    SERVICE_DISCOVERY_OPERATION_THROTTLED=w,SERVICE_HEALTH_UNKNOWN=e,\
    SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED=e";

/// The rows.
pub(super) const KINDS: &[Kind] = &[
    kind("aws.ecs", "ECS Task State Change", "@cluster,@service", "stoppedReason,@container")
        .family("ecs")
        .state("lastStatus")
        .thing("@cluster,@group")
        .rule(rules::ecs_task),
    kind("aws.ecs", "ECS Deployment State Change", "@cluster,@service", "reason")
        .family("ecs")
        .state("eventName")
        .thing("@cluster,@group"),
    kind("aws.ecs", "ECS Service Action", "@cluster,@service", "reason")
        .family("ecs")
        .state("eventName")
        .words(SERVICE)
        .thing("@cluster,@group")
        .severity_word("eventType"),
    kind("aws.ecs", "ECS Container Instance State Change", "ec2InstanceId|@resource", "")
        .state("@agent")
        .rule(rules::container_instance)
        .severity(Warning),
    kind("aws.ec2", "EC2 Instance State-change Notification", "instance-id", "")
        .words("stopped=t,terminated=t,running=r,pending=-,stopping=-,shutting-down=-")
        .severity(Warning),
    kind("aws.ec2", "EC2 Spot Instance Interruption Warning", "instance-id", "instance-action")
        .words("*=t")
        .severity(Warning),
    kind("aws.ec2", "EC2 Instance Rebalance Recommendation", "instance-id", "").words("*=t").severity(Info),
    harmless("aws.autoscaling", "EC2 Instance-launch Lifecycle Action|EC2 Instance-terminate Lifecycle Action"),
    kind("aws.autoscaling", "EC2 Auto Scaling Instance Refresh *", "AutoScalingGroupName", "StatusMessage|Cause")
        .family("EC2 Auto Scaling Instance Refresh")
        .state("@detail-type")
        .words(
            "EC2 Auto Scaling Instance Refresh Succeeded=r,EC2 Auto Scaling Instance Refresh Rollback Succeeded=r,\
             EC2 Auto Scaling Instance Refresh Checkpoint Reached=-,EC2 Auto Scaling Instance Refresh Started Baking=-,\
             EC2 Auto Scaling Instance Refresh Started=-,EC2 Auto Scaling Instance Refresh Cancelled=x",
        ),
    kind("aws.autoscaling", "EC2 Instance *", "AutoScalingGroupName", "StatusMessage|Cause").state("@detail-type"),
    kind("aws.ec2fleet", "EC2 Fleet Error", "@resource,sub-type", "sub-type,description")
        .words("*=t")
        .severity(Warning),
    kind("aws.ec2spotfleet", "EC2 Spot Fleet Error", "@resource,sub-type", "sub-type,description")
        .words("*=t")
        .severity(Warning)
        .thing("@resource"),
    harmless("aws.ec2fleet", "EC2 Fleet *"),
    harmless("aws.ec2spotfleet", "EC2 Spot Fleet *"),
    kind(
        "aws.ec2",
        "EBS Snapshot Notification|EBS Multi-Volume Snapshots Completion Status",
        "source|@resource,event",
        "event,cause",
    )
    .state("result")
    .thing("source|@resource"),
    kind("aws.ec2", "EBS Volume Notification", "@resource,event", "event,cause")
        .state("result")
        .words("deleted=r,attached=r,optimizing=-")
        .thing("@resource"),
    kind("aws.ec2", "EC2 AMI State Change", "ImageId", "ErrorMessage")
        .state("State")
        .words("available=n,deregistered=n,disabled=n")
        .severity(Warning),
    kind("aws.codepipeline", "CodePipeline Pipeline Execution State Change", "pipeline", "@failed-actions"),
    kind("aws.codepipeline", "CodePipeline Stage Execution State Change", "pipeline,stage", "@failed-actions"),
    kind(
        "aws.codepipeline",
        "CodePipeline Action Execution State Change",
        "pipeline,stage,action",
        "execution-result.external-execution-summary",
    )
    .words("ABANDONED=x"),
    kind("aws.codepipeline", "CodePipeline Manual Approval", "pipelineName,stageName,actionName", "customData")
        .words("*=t")
        .severity(Info)
        .link("approvalReviewLink"),
    kind("aws.codebuild", "CodeBuild Build State Change", "project-name", "@failed-phase")
        .family("CodeBuild Build")
        .state("build-status")
        .link("additional-information.logs.deep-link"),
    kind("aws.codebuild", "CodeBuild Build Phase Change", "project-name", "completed-phase,completed-phase-context")
        .family("CodeBuild Build")
        .state("completed-phase-status")
        .words("SUCCEEDED=n")
        .link("additional-information.logs.deep-link"),
    kind("aws.codedeploy", "CodeDeploy Deployment State-change Notification", "application,deploymentGroup", "reason")
        .words("STOP=x,START=-,READY=-"),
    kind("aws.codedeploy", "CodeDeploy Instance State-change Notification", CODEDEPLOY_INSTANCE, "reason")
        .words("STOP=x,START=-,READY=-")
        .severity(Warning),
    kind("aws.cloudformation", "CloudFormation Stack Status Change", "stack-id", "status-details.status-reason")
        .family("stack")
        .state("status-details.status")
        .words(STACK),
    kind(
        "aws.cloudformation",
        "CloudFormation Resource Status Change",
        "stack-id",
        "logical-resource-id,status-details.status-reason",
    )
    .family("stack")
    .state("status-details.status")
    .rule(rules::stack_resource),
    kind(
        "aws.cloudformation",
        "CloudFormation StackSet Operation Status Change",
        "stack-set-arn",
        "status-details.status-reason",
    )
    .state("status-details.status"),
    kind(
        "aws.cloudformation",
        "CloudFormation StackSet StackInstance Status Change|CloudFormation StackInstance Status Change",
        "stack-set-arn,stack-id",
        "status-details.detailed-status,status-details.status-reason",
    )
    .state("status-details.status"),
    kind("aws.cloudformation", "CloudFormation Drift Detection Status Change", "stack-id", "")
        .state("status-details.stack-drift-status")
        .words("DRIFTED=t,IN_SYNC=r")
        .severity(Warning),
    kind("aws.batch", "Batch Job State Change", "jobQueue,jobDefinition,~jobName", "statusReason,@attempt")
        .thing("~jobName"),
    kind("aws.states", "Step Functions Execution Status Change", "stateMachineArn", "error,cause")
        .words("ABORTED=w,PENDING_REDRIVE=-"),
    kind("lambda", LAMBDA, "requestContext.functionArn", LAMBDA_REASON)
        .state("requestContext.condition")
        .words("RetriesExhausted=t,RetryAttemptsExhausted=t,EventAgeExceeded=t")
        .rule(rules::invocation),
    kind(
        "aws.appconfig",
        "On Deployment *|AppConfig Deployment",
        "Application.Id,Environment.Id,ConfigurationProfile.Id",
        "Description",
    )
    .family("Deployment")
    .state("Type|@detail-type")
    .words(
        "OnDeploymentRolledBack=t,OnDeploymentComplete=r,OnDeploymentStart=-,On Deployment Rolled Back=t,\
             On Deployment Complete=r,On Deployment Start=-",
    )
    .thing("Application.Name|Application.Id,Environment.Name|Environment.Id,ConfigurationProfile.Name"),
    kind("aws.apprunner", "AppRunner Service Operation Status Change", "serviceName", "message")
        .state("operationStatus"),
    kind("aws.apprunner", "AppRunner Service Status Change", "serviceName", "message")
        .state("currentServiceStatus")
        .words("RUNNING=r,PAUSED=x"),
    kind("aws.elasticbeanstalk", "Health status change", "ApplicationName,EnvironmentName", "Message")
        .state("@detail-type")
        .severity_word("Severity")
        .thing("EnvironmentName")
        .rule(rules::beanstalk_health),
    kind(
        "aws.elasticbeanstalk",
        "Elastic Beanstalk resource status change|Managed update status change",
        "ApplicationName,EnvironmentName",
        "Message",
    )
    .state("Status")
    .thing("EnvironmentName")
    .rule(rules::beanstalk_message),
    harmless("aws.elasticbeanstalk", "Other resource status change"),
    kind("aws.application-autoscaling", "Application Auto Scaling Scaling Activity State Change", "resourceId", "")
        .words("*=t")
        .severity(Info),
    kind(
        "aws.sagemaker",
        "SageMaker Endpoint *|SageMaker Inference Endpoint *",
        "EndpointName",
        "FailureReason|Message",
    )
    .state("EndpointStatus|DeploymentStatus")
    .words("ROLLING_BACK=-,UPDATE_ROLLBACK_FAILED=c"),
    kind(
        "aws.sagemaker",
        "SageMaker*Job State Change",
        "~TrainingJobName|~TransformJobName|~ProcessingJobName|~HyperParameterTuningJobName",
        "FailureReason",
    )
    .state("TrainingJobStatus|TransformJobStatus|ProcessingJobStatus|HyperParameterTuningJobStatus")
    .severity(Warning),
    kind("aws.sagemaker", "SageMaker Model Building Pipeline Execution Status Change", "pipelineArn", "")
        .state("currentPipelineExecutionStatus")
        .severity(Warning),
    kind("aws.sagemaker", "SageMaker Monitoring Schedule State Change", "MonitoringScheduleName", "")
        .state("LastMonitoringExecutionSummary.MonitoringExecutionStatus|MonitoringScheduleStatus")
        .severity(Warning),
    kind("aws.emr", "EMR Step Status Change", "clusterId,name", "message").severity_word("severity").thing("name"),
    kind("aws.emr", "EMR Cluster State Change", "name", "message").words("TERMINATED=n").severity_word("severity"),
    kind("aws.medialive", "MediaLive Channel Alert|MediaLive Multiplex Alert", "@resource,alarm_id|pipeline", MEDIA)
        .state("alarm_state")
        .words("SET=t,CLEARED=r")
        .thing("@resource"),
    kind("aws.medialive", "MediaLive Channel State Change", "@resource", "").words("STOPPED=w,RUNNING=r"),
    kind("aws.mediaconvert", "MediaConvert Job State Change", "queue", "errorMessage")
        .words("COMPLETE=n,STATUS_UPDATE=n,INPUT_INFORMATION=n,NEW_WARNING=n"),
    kind(
        "aws.synthetics",
        "Synthetics Canary TestRun Failure|Synthetics Canary TestRun Successful",
        CANARY,
        "state-reason",
    )
    .state("test-run-status|@detail-type"),
    kind("aws.synthetics", "Synthetics Canary Status Change", CANARY, "message")
        .state("current-state")
        .words("ERROR=t,RUNNING=r,STOPPED=n,READY=n")
        .severity(Warning),
    kind("aws.ssm", "EC2 Automation Step Status-change Notification", "Definition,StepName", "").state("Status"),
    kind("aws.ssm", "EC2 Automation Execution Status-change Notification", "Definition", "").state("Status"),
    kind("aws.ses", "Sending Status *", "@resource", "data")
        .state("@detail-type")
        .words("Sending Status Disabled=t,Sending Status Enabled=r")
        .severity(Critical),
];

const CANARY: &str = "canary-name";
const MEDIA: &str = "alert_type,message";
const LAMBDA: &str = "Lambda Function Invocation Result*";
const LAMBDA_REASON: &str = "responsePayload.errorMessage,responsePayload.errorType";
const CODEDEPLOY_INSTANCE: &str = "application,deploymentGroup,instanceId";
