//! Amazon EventBridge: events that an API destination posts, without SNS.
//!
//! # Wire format
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html>, read 2026-11. The body is the event
//! `{version, id, detail-type, source, account, time, region, resources, detail}`, or what the rule's input transformer makes
//! of it. EventBridge gives up after 5 seconds. It retries 401, 407, 409, 429, 5xx and timeouts for 24 hours and 185 times by
//! default, and reads `Retry-After`. It treats every other 4xx as final, and drops the event or puts it into a dead-letter
//! queue. Delivery is at least once, and not in order.
//!
//! # Mapping
//!
//! The table of kinds (`src/mapping/aws/kinds`) says for about a hundred types of events where the state is, which words
//! mean what, and what identifies the thing. Words are compared as a whole: `UPDATE_ROLLBACK_COMPLETE` and `NON_COMPLIANT`
//! trigger. Other types follow a general rule: a member such as `state`, `status` or `result`, else a word in `eventName`,
//! else a level, else the last words of the type. The words were looked up in 2026-11.
//!
//! | event | from |
//! |---|---|
//! | action | the word of the state: failed, down, unhealthy … trigger; succeeded, healthy, resolved … resolve; a word that nobody knows triggers as a warning |
//! | severity | the kind's own; findings: CRITICAL critical, HIGH error, MEDIUM warning, LOW info; a level ERROR, WARN, INFO |
//! | summary | type, thing, state and reason; for a finding its title and the thing. ARNs are shortened to names |
//! | source | the name of the thing: service, job, pipeline, stack, bucket, instance … |
//! | component, class | `source`, `detail-type` |
//! | group | account and region |
//! | timestamp | `time` |
//! | link | the link in the event, if it has one |
//! | details | `detail` without inputs, parameters and environments of runs, which may contain secrets; `resources` |
//!
//! Security Hub's findings make an event each. CloudWatch alarms are mapped as `/sns` maps them. A body without
//! `detail-type` is mapped like a message of `/sns`.
//!
//! # Dedup key
//!
//! `eventbridge:`, `source`, the family of the type, account, region and what identifies the thing. The family is the type
//! without the words of a state, so that a failure and the next success share a key. Ids of runs are never in the key: not
//! those of executions, builds, deployments or tasks. CloudWatch alarms, findings of GuardDuty and events of AWS Health are
//! known by their id alone. An event in which nothing identifies the thing has its own `id` in the key and is never
//! resolved. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * States such as `IN_PROGRESS` or `PENDING`: "under way".
//! * States such as `CANCELLED` or `SUPERSEDED`: "stopped, cancelled or skipped".
//! * Scheduled events, pushes, snapshots, deliveries, successes that end no alert: "a harmless notice".
//! * `INSUFFICIENT_DATA` of an alarm: "neither firing nor over".
//! * A composite alarm that fires while its actions are suppressed: "its actions are suppressed".
//! * Contributors of an alarm: "a part of an alarm that has its own event".
//! * Changes of an alarm's configuration: "an alarm was configured". An alarm that is deleted while it fires resolves.
//! * `autoscaling:TEST_NOTIFICATION`: "a test notification".
//! * A group of alerts without alerts: "no alerts in the group".

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::{self, Node};
use crate::mapping::aws::{self, Via};
use crate::mapping::{MapError, Mapped, json as parsed};

/// Amazon EventBridge.
pub const SOURCE: Source = Source {
    slug: "eventbridge",
    name: "Amazon EventBridge",
    docs: "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "failures, findings, `ALARM`",
        resolves: "the next success of the same thing, `OK`, closed findings",
        steps: "Create a connection with authorization type API key: name `X-Webhook-Secret`, value the secret.\n\
                Create an API destination with {url}, method POST, and that connection.\n\
                Make it the target of a rule, without an input transformer.\n\
                Let the rule match successes too, or nothing ever closes. A dead-letter queue keeps what was not accepted.",
        template: None,
    },
    // It gives up after five seconds.
    patience: Duration::from_secs(5),
    map,
    // It retries 401, 407, 409, 429, 5xx and timeouts for a day, and no other 4xx.
    retries: true,
    states: &["FAILED", "SUCCEEDED", "ALARM", "OK", "ACTIVE", "CLOSED", "IN_PROGRESS"],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = parsed(delivery)?;
    let (slug, name) = (SOURCE.slug, SOURCE.name);
    let via = Via { delivery, slug, name, topic: "", subject: "", time: None, has_former_keys: false };
    match aws::event(Node::root(&body), &via) {
        Some(mapped) => mapped,
        // What an input transformer makes: a text or JSON of another shape.
        None => aws::message(&String::from_utf8_lossy(&json::encode(&body)), &via),
    }
}
