//! Amazon SNS: CloudWatch alarms, events of EventBridge, notices of AWS's services, Alertmanager and Grafana, any JSON or text.
//!
//! # Wire format
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>, read 2026-11. An envelope `{Type,
//! MessageId, TopicArn, Subject, Message, Timestamp, SignatureVersion, Signature, SigningCertURL, …}`, sent as
//! `text/plain`. With raw delivery, the body is only the `Message`. `Message` is text, and often JSON. A record as a Lambda
//! function gets it (`Records[].Sns`) is opened too. SNS retries a 5xx three times, 20 seconds apart, unless the
//! subscription's policy says otherwise. It treats a 4xx as delivered.
//!
//! If the sender was authenticated by signature, only the signed members of the envelope are used. Message attributes are
//! not signed and never count. The relay fetches the certificate and confirms a subscription at
//! `sns.<region>.amazonaws.com`, which the runtime has to allow.
//!
//! # Mapping
//!
//! The first shape that fits:
//!
//! | message | mapping |
//! |---|---|
//! | CloudWatch alarm, over SNS, EventBridge or a Lambda action | `OK` resolves, `ALARM` and unknown states trigger; `Subject` is ignored; severity `[sev:word]` in name or description by [`Severity::from_word`], else error |
//! | event of EventBridge (`detail-type`), also of a notification rule (`detailType`) | as `/eventbridge` maps it |
//! | body of PagerDuty's Events API (`event_action`) | as `/events` maps it, with a key of this source |
//! | `alerts` with labels: Alertmanager, Amazon Managed Service for Prometheus, Grafana | an event for each alert, as `/alertmanager` maps it |
//! | the text of their default templates | the same, from the labels in the text |
//! | notice of RDS, DMS, Redshift | by the number of the event: what it means, and its topic. A number that is not listed is read by its message |
//! | notice of ElastiCache, CodeDeploy, SES, AWS Config, DevOps Guru, Cost Anomaly Detection, AppConfig, IoT Device Defender, Lambda destinations, CodePipeline approvals | as the event of EventBridge that says the same |
//! | text of CloudFormation, Elastic Beanstalk, AWS Budgets | the same |
//! | notice of Auto Scaling | `…_ERROR` triggers, the others resolve |
//! | text of AWS Backup | `completed` resolves, a failure triggers |
//! | other JSON | by usual names: `title`, `summary`, `name`; `message`; `severity`, `level`, `priority`; `status`, `state`, `resolved`; `alert_id` and the like; `host`, `instance`, `service` |
//! | other text | `Subject`, else the first line. A word in brackets, before a colon or in capitals in front of it is the state: `[RESOLVED]`, `UP:`. A word amid the sentence is not |
//!
//! | event | from |
//! |---|---|
//! | severity | of other JSON and texts: a word that [`Severity::from_word`] knows, else warning |
//! | summary | what happened to what, in one line; ARNs are shortened to names |
//! | source | a dimension of the alarm that names an object; the name of the thing; else the topic |
//! | component, class, group | alarms: namespace, metric, account and region; events: service, type, account and region |
//! | timestamp | `StateChangeTime`, `time`, `Time`, else the envelope's |
//! | link | the alarm in the console, or a link in the message |
//!
//! # Dedup key
//!
//! `sns:` and the identity of the problem. `Subject` alone is never the identity if it is one that a service always sends.
//!
//! * CloudWatch: the alarm's ARN, which trigger and resolve share. Old messages have no ARN, so it is built from the
//!   topic's region, the account and the name.
//! * Events of EventBridge, and notices that say the same: as for `/eventbridge`.
//! * GuardDuty and Health: the finding, or the event with the account that it is about.
//! * Alerts of Alertmanager and Grafana: the fingerprint, else a hash of the labels.
//! * Bodies of the Events API: `events` and their `dedup_key`, so that no publisher names the alerts of other sources.
//! * Auto Scaling: the group and the kind of failure. Backup jobs: kind and resource.
//! * Other JSON: the topic, and an id such as `alert_id`, else title and thing, else a hash of the names of the members.
//! * Other texts: the topic and a hash of `Subject`, or of the first line if there is no `Subject`, without the word of the
//!   state and without values. A short subject that names nothing is joined with the first lines.
//!
//! A `:` inside a part becomes `%3A`, but not in the ARN of an alarm.
//!
//! # Not mapped
//!
//! * `INSUFFICIENT_DATA`: "neither firing nor over". The alert stays as it is until the alarm changes again.
//! * A composite alarm that fires while its actions are suppressed: "its actions are suppressed".
//! * Contributors of an alarm: "a part of an alarm that has its own event".
//! * Changes of an alarm's configuration: "an alarm was configured". An alarm that is deleted while it fires resolves.
//! * Jobs, builds and the like that have started or run: "under way".
//! * Those that somebody ended: "stopped, cancelled or skipped".
//! * Pushes, deliveries, backups of databases, progress of stacks' resources and the like: "a harmless notice".
//! * `autoscaling:TEST_NOTIFICATION`: "a test notification".
//! * A group of alerts without alerts: "no alerts in the group".
//! * `SubscriptionConfirmation`: "subscription confirmed", if `sns_topics` lists the topic. Otherwise it is rejected.
//! * `UnsubscribeConfirmation`: "unsubscribed". The relay visits no URL, because that would subscribe again.
//! * Suppression is based on notes of EventBridge's users; AWS documents no SNS message with it.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{OwnVariable, Setup, Source, Visit};
use crate::auth::{Authenticated, Scheme, sns};
use crate::mapping::aws::envelope::{self, Envelope};
use crate::mapping::aws::{self, Via};
use crate::mapping::{MapError, Mapped};

/// What variable `sns_topics` is for.
const HELP: &str = "ARNs of the topics that `/sns` accepts, separated by commas or spaces; it confirms no others";

/// Amazon SNS.
pub const SOURCE: Source = Source {
    slug: "sns",
    name: "Amazon SNS",
    docs: "https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html",
    schemes: &[Scheme::Certified(&sns::SNS), Scheme::Basic, Scheme::Query("token")],
    setup: Setup {
        triggers: "CloudWatch `ALARM`, findings, failures, alerts, texts",
        resolves: "CloudWatch `OK`, the next success of the same thing, closed findings and Health events",
        steps: "Put the topic's ARN into variable `sns_topics`, and allow outbound https://sns.<region>.amazonaws.com.\n\
                Subscribe {url} to the topic, protocol HTTPS. The relay confirms it by itself.\n\
                With the secret instead of signatures: https://any:<secret>@<relay>/sns, or {url}?token=<secret>. Raw delivery needs it.\n\
                Send an alarm's OK action to the topic too, or it never closes.",
        template: None,
    },
    patience: std::time::Duration::from_secs(15),
    map,
    // It retries a 5xx three times, 20 seconds apart, unless the subscription's policy says otherwise; an hour at most.
    retries: true,
    states: &["OK", "ALARM", "closed", "issue", "COMPLETED", "autoscaling:EC2_INSTANCE_LAUNCH_ERROR"],
    visit: Some(Visit {
        authority: sns::host_of_topic,
        listed_in: sns::SNS.listed_in,
        unlisted: "variable `sns_topics` does not list this topic",
        refused: "Amazon SNS rejected the confirmation",
        unreachable: "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com",
    }),
    variables: &[OwnVariable { name: sns::SNS.listed_in, secret: false, description: HELP, problem: sns::not_a_topic }],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let message = match envelope::open(delivery)? {
        Envelope::Done(mapped) => return Ok(mapped),
        Envelope::Message(message) => message,
    };
    let via = Via {
        delivery,
        slug: SOURCE.slug,
        name: SOURCE.name,
        topic: &message.topic,
        subject: &message.subject,
        time: message.time.as_deref(),
        has_former_keys: true,
    };
    aws::message(&message.text, &via)
}
