//! Deployments, releases and builds: a failure opens an alert, and the next success of the same thing closes it. The
//! success of a deployment is a change event too, whether or not an alert is open.

use super::Mapped;
use super::outcomes::{NO_VERDICT, Outcomes, UNFINISHED};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};

/// The outcomes of deployments, releases and builds, in the words of vendors that say `succeeded` and `failed`.
pub const OUTCOMES: &Outcomes = &[
    (&["error", "failed"], Ok((Action::Trigger, "failed"))),
    (&["ready", "succeeded"], Ok((Action::Resolve, "succeeded"))),
    (&["building", "created", "pending", "queued", "running"], Err(UNFINISHED)),
    (&["canceled", "cancelled", "expired", "skipped"], Err(NO_VERDICT)),
];

/// The severity of a failure, by the environment that was deployed to. The former version usually keeps running, except
/// that nobody can deploy a fix to production.
pub fn severity(environment: Option<&str>) -> Severity {
    match environment.map(str::to_ascii_lowercase).as_deref() {
        Some("production") => Severity::Critical,
        Some("staging" | "preview") => Severity::Warning,
        // An environment with another name may be as important as production.
        _ => Severity::Error,
    }
}

/// A deployment with an outcome.
pub struct Deployment {
    /// The key of what is deployed, not of this deployment.
    pub key: DedupKey,
    /// What the outcome does to the alert.
    pub action: Action,
    /// The severity of a failure.
    pub severity: Severity,
    /// The summary of both events.
    pub summary: String,
    /// The source of both events.
    pub source: String,
}

impl Deployment {
    /// Maps it to an alert event and, for a success that changed something, to a change event with the same fields.
    /// `dress` adds the fields.
    pub fn map(self, changed: bool, dress: &dyn Fn(Event) -> Event) -> Mapped {
        let Deployment { key, action, severity, summary, source } = self;
        let mut mapped = Mapped::one(dress(Event::new(action, key, severity, &summary, &source)));
        if changed && action == Action::Resolve {
            mapped.events.push(dress(Event::change(&summary, &source)));
        }
        mapped
    }
}
