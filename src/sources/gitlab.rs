//! GitLab webhooks, of a project or a group, on gitlab.com or self-managed.
//!
//! # Wire format
//!
//! <https://docs.gitlab.com/user/project/integrations/webhook_events/>, read 2026-11. One delivery is one event as
//! JSON, and `object_kind` is its kind. Below, "the object" is the subject of the event: `object_attributes` of
//! pipelines and issues, and the body itself for jobs (`build`, with members `build_status` …) and deployments. An
//! incident is an issue, or a work item, with `type` `Incident`. Times are RFC 3339 or like `2026-03-04 02:15:00 UTC`.
//! GitLab's timeout is ten seconds. It retries connections that fail, and never retries after a response. After four
//! 4xx responses in a row it disables a hook permanently, so the relay answers events that need no alert like the rest.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `build_status`, `status`; for incidents `action`, else `state`: `success`, `close` resolve, `failed`, `open`, `reopen` trigger; with an unknown `action`, an incident whose `state` is `opened` triggers; a deployment's `success` is a change event too, whether or not an alert is open |
//! | action of an incident's `update` | if `escalation_status` changed: `acknowledged` acknowledges, `resolved` resolves, `triggered` triggers; if `severity` changed and the incident is not closed: triggers |
//! | severity of pipelines, jobs | error; warning on a branch that is not the project's default, and for a merge request |
//! | severity of deployments | `environment_tier`: `production` critical, `testing` and `development` warning, others error; without a tier critical to `production`, else error |
//! | severity of incidents | `severity` by [`Severity::from_word`]: `critical`, `high`, `medium`, `low` are critical, error, warning, info; `unknown` (nobody has set it) and other words error |
//! | summary | the kind of failure, an incident's severity, branch or tag, project, then the failed jobs with their reasons, the job's reason, the commit's or the incident's title |
//! | source | the project with its groups, for jobs the names if there is no path, else `GitLab` |
//! | component | the job, the environment, the pipeline's name, else the project |
//! | group | the project's namespace |
//! | class | `pipeline`, `job`, `deployment`, `incident` |
//! | timestamp | when the object finished, changed its status, was closed or updated |
//! | links | the object's page, commit, environment, merge request, if absolute |
//! | client, client URL | GitLab, the project's page |
//! | details | chosen members of the object, the failed jobs, the commit's and merge request's titles, the user's name |
//!
//! # Dedup key
//!
//! `gitlab:<project id>:` (or the project's path if it has no id), followed by values that stay the same when the
//! problem is fixed. The id of a pipeline or a job changes, so it is never used: `pipeline:<ref>`,
//! `job:<ref>:<build_name>`, `deployment:<environment>`, `incident:<iid>`. So a later green pipeline resolves the alert
//! of a red one. It can be of another sort: a push resolves the alert of a scheduled pipeline on that branch. A `:`
//! inside a value becomes `%3A`.
//!
//! # Not mapped
//!
//! * `created`, `preparing`, `pending`, `running`, `waiting_for_callback`, `waiting_for_resource`, `manual`, `scheduled`, `blocked`: "not
//!   finished".
//! * `canceled`, `canceling`, `skipped`: "no verdict".
//! * `approved`, `rejected` (a deployment's approval): "a person's decision".
//! * A failed pipeline or job of a merge request: "run of a merge request"; of a branch that is not the project's
//!   default: "run of another branch". A tag counts as the default branch. So does any branch if the payload does not
//!   name the default one, as with jobs of older versions. A success always resolves. With variable `branches_gitlab` =
//!   `all`, these trigger too.
//! * Any other word: "unknown word". The lists were compared with GitLab's documentation, and its merge request 239337
//!   about approvals, in 2026-11.
//! * A failed job with `build_allow_failure`: "allowed to fail". A pipeline's summary does not name such jobs either.
//! * Another `update` of an incident, `escalation_status` `ignored`: "nothing opened or closed".
//! * Other issues and work items, and all issues before GitLab 17.2, which does not send their `type`: "not an
//!   incident".
//! * All other kinds (`push`, `note`, `vulnerability` …) and system hooks: "not about an alert".
//! * A pipeline's `variables`, e-mail addresses, descriptions and all but the first line of commit messages are never
//!   copied.
//! * A body without `object_kind`, which a custom template can send, and a body without a project are rejected.
//! * Uncertain: we have not seen an incident from a real GitLab; its members come from GitLab's pages and source.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{BranchChoice, Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::config::Branches;
use crate::json::Node;
use crate::mapping::outcomes::{self, NO_VERDICT, Outcome, Outcomes, UNCHANGED, UNFINISHED, UNKNOWN};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// GitLab.
pub const SOURCE: Source = Source {
    slug: "gitlab",
    name: "GitLab",
    docs: "https://docs.gitlab.com/user/project/integrations/webhook_events/",
    schemes: &[Scheme::StandardWebhooks, Scheme::Header("x-gitlab-token")],
    setup: Setup {
        triggers: "failed pipelines and jobs of the default branch, failed deployments; incidents opened",
        resolves: "their next success; incidents closed",
        steps: "In the project or group, under Settings, Webhooks, add a webhook with URL {url} and the secret as Secret token.\n\
                Where GitLab offers a signing token, make the secret `whsec_` and 32 random bytes in base64, and enter it there instead.\n\
                Tick Pipeline events and Deployment events, and for incidents Issues or Work item events.\n\
                Tick Job events instead of Pipeline events where each job should be an alert of its own.",
        template: None,
    },
    map: |delivery| map(delivery, Branches::Default),
    branches: Some(BranchChoice { variable: "branches_gitlab", map_all: |delivery| map(delivery, Branches::All) }),
    states: &[
        "success",
        "failed",
        "close",
        "open",
        "reopen",
        "acknowledged",
        "resolved",
        "critical",
        "high",
        "medium",
        "low",
        "production",
    ],
    ..Source::DEFAULT
};

/// A kind of event that can open an alert.
struct Kind {
    /// A part of the dedup key, and the class.
    class: &'static str,
    noun: &'static str,
    /// The members of the object that form the dedup key. The last one is required.
    ids: &'static [&'static str],
    /// The end of its page's URL: the path after the project's URL, and the object's member that completes it.
    page: (&'static str, &'static str),
}

const PIPELINE: Kind = Kind { class: "pipeline", noun: "Pipeline", ids: &["ref"], page: ("/-/pipelines/", "id") };
const JOB: Kind = Kind { class: "job", noun: "Job", ids: &["ref", "build_name"], page: ("/-/jobs/", "build_id") };
const DEPLOYMENT: Kind =
    Kind { class: "deployment", noun: "Deployment to", ids: &["environment"], page: ("/-/jobs/", "deployable_id") };
const INCIDENT: Kind = Kind { class: "incident", noun: "Incident", ids: &["iid"], page: ("/-/issues/", "iid") };

/// The kinds, by `object_kind`.
const KINDS: &[(&str, &Kind)] = &[
    ("build", &JOB),
    ("deployment", &DEPLOYMENT),
    ("incident", &INCIDENT),
    ("issue", &INCIDENT),
    ("pipeline", &PIPELINE),
    ("work_item", &INCIDENT),
];

/// The outcomes of pipelines, jobs and deployments.
const OUTCOMES: &Outcomes = &[
    (&["failed"], Ok((Action::Trigger, "failed"))),
    (&["success"], Ok((Action::Resolve, "succeeded"))),
    (&["blocked", "created", "manual", "pending", "preparing", "running", "scheduled"], Err(UNFINISHED)),
    (&["waiting_for_callback", "waiting_for_resource"], Err(UNFINISHED)),
    (&["approved", "rejected"], Err("a person's decision: the deployment itself has no outcome yet")),
    (&["canceled", "canceling", "skipped"], Err(NO_VERDICT)),
];

/// What happens to incidents.
const CHANGES: &Outcomes = &[
    (&["open", "opened"], Ok((Action::Trigger, "opened"))),
    (&["reopen", "triggered"], Ok((Action::Trigger, "reopened"))),
    (&["regraded"], Ok((Action::Trigger, "regraded"))),
    (&["acknowledged"], Ok((Action::Acknowledge, "acknowledged"))),
    (&["close", "closed"], Ok((Action::Resolve, "closed"))),
    (&["resolved"], Ok((Action::Resolve, "resolved"))),
    (&["ignored", "update"], Err(UNCHANGED)),
];

/// The severity of an environment's tier. An incident's severity is a word that everybody uses.
const TIERS: &[(&str, Severity)] =
    &[("development", Severity::Warning), ("production", Severity::Critical), ("testing", Severity::Warning)];

const TIMES: &[&str] = &["finished_at", "build_finished_at", "status_changed_at", "closed_at", "updated_at"];

/// Useful members of the object, without variables, authors and free texts.
const DETAILS: &[&[&str]] = &[
    &["id", "iid", "status", "detailed_status", "source", "ref", "tag", "sha", "duration", "short_sha"],
    &["build_status", "build_stage", "build_duration", "retries_count", "pipeline_id"],
    &["environment", "environment_tier", "action", "state", "severity", "escalation_status", "confidential"],
];

fn map(delivery: &Authenticated<'_>, branches: Branches) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let name = payload.first_text(&["object_kind", "event_name"]);
    let name = name.ok_or(MapError::Shape { expected: "an event with `object_kind`" })?;
    let Some(kind) = text::lookup(KINDS, &name) else {
        return Ok(Mapped::nothing("not about an alert: an event of another kind"));
    };
    let alert = Alert::read(kind, payload);
    if kind.class == "incident" && name != "incident" && !alert.is("type", "incident") {
        return Ok(Mapped::nothing("not an incident: an issue of another type"));
    }
    let (action, outcome) = match alert.outcome(branches) {
        Ok(known) => known,
        Err(reason) => return Ok(Mapped::nothing(reason)),
    };
    let key = alert.key().ok_or(MapError::NoIdentity { item: String::new(), fields: FIELDS })?;
    let source_field = payload.pick(&["project.path_with_namespace", "project_name", "project.name"]);
    let summary = alert.summary(action, outcome, source_field.as_deref());
    let source = source_field.as_deref().unwrap_or(SOURCE.name);
    let mut mapped = Mapped::one(alert.dress(Event::new(action, key, alert.severity(), &summary, source)));
    if kind.class == "deployment" && action == Action::Resolve {
        mapped.events.push(alert.dress(Event::change(&summary, source)));
    }
    Ok(mapped)
}

const FIELDS: &str = "`project.id` or `project_id`, and `ref`, `build_name`, `environment` or `iid`";

/// The subject of a delivery.
struct Alert<'a> {
    kind: &'static Kind,
    payload: Node<'a>,
    object: Node<'a>,
    /// The failed jobs of a pipeline.
    failed: Vec<String>,
}

impl<'a> Alert<'a> {
    fn read(kind: &'static Kind, payload: Node<'a>) -> Self {
        let object = payload.get("object_attributes");
        let object = if object.members().is_some() { object } else { payload };
        Alert { kind, payload, object, failed: failed_jobs(payload) }
    }

    fn is(&self, member: &str, word: &str) -> bool {
        self.object.get(member).text().is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    /// The action and its phrase in the summary, or the reason why it needs no event.
    fn outcome(&self, branches: Branches) -> Outcome {
        let mut word = self.object.first_text(&["build_status", "action", "status", "state"]).unwrap_or_default();
        if word == "update" {
            // GitLab's own paging depends on these fields and not on open and closed. `regraded` is our own word.
            let regraded = self.payload.at("changes.severity").value().is_some() && !self.is("state", "closed");
            let status = self.payload.at("changes.escalation_status.current").text();
            word = status.unwrap_or(if regraded { "regraded".to_owned() } else { word });
        }
        let incident = self.kind.class == "incident";
        let outcome = outcomes::of(&word, if incident { CHANGES } else { OUTCOMES });
        // Whatever happened to it, an open incident is open.
        let open = incident && self.is("state", "opened");
        let (action, phrase) = if outcome == Err(UNKNOWN) && open { (Action::Trigger, "is open") } else { outcome? };
        if let (Action::Trigger, Branches::Default, Some(reason)) = (action, branches, self.elsewhere()) {
            return Err(reason);
        }
        if action == Action::Trigger && self.is("build_allow_failure", "true") {
            return Err("allowed to fail: the pipeline goes on without it");
        }
        Ok((action, phrase))
    }

    fn key(&self) -> Option<DedupKey> {
        let mut parts = vec![self.payload.pick(&["project.id", "project_id", "project.path_with_namespace"])?];
        parts.push(self.kind.class.to_owned());
        // The branch of a merge request may belong to a fork with a branch of the same name. A child pipeline does not
        // decide about its parent.
        match self.object.get("source").text().as_deref() {
            Some("merge_request_event") => {
                let request = self.payload.at("merge_request.iid").text().unwrap_or_default();
                parts.push(text::join_nonempty(&["merge_request", &request], "-"));
            }
            Some("parent_pipeline") => {
                let name = self.object.get("name").text().unwrap_or_default();
                parts.push(text::join_nonempty(&["child", &name], "-"));
            }
            _ => {}
        }
        for &id in self.kind.ids {
            parts.push(self.object.get(id).text().unwrap_or_default());
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        // The last value distinguishes alerts, so it is required.
        if parts.last() == Some(&"") { None } else { DedupKey::new(SOURCE.slug, &parts) }
    }

    fn severity(&self) -> Severity {
        let grade = self.object.first_text(&["environment_tier", "severity"]);
        match self.kind.class {
            "deployment" if grade.is_none() && self.is("environment", "production") => Severity::Critical,
            _ if self.elsewhere().is_some() => Severity::Warning,
            _ => grade
                .and_then(|grade| text::lookup(TIERS, &grade).or_else(|| Severity::from_word(&grade)))
                .unwrap_or(Severity::Error),
        }
    }

    /// The reason why a failed pipeline or job does not concern the default branch. A tag counts as the default branch,
    /// and so does any branch if the payload does not name the default one.
    fn elsewhere(&self) -> Option<&'static str> {
        let runs = matches!(self.kind.class, "job" | "pipeline");
        let branch = self.object.get("ref").text().filter(|_| runs)?;
        let default = self.payload.at("project.default_branch").text();
        if self.is("source", "merge_request_event") || branch.starts_with("refs/merge-requests/") {
            return Some("run of a merge request: its author sees it on GitLab");
        }
        let other = default.is_some_and(|default| branch != default) && !self.is("tag", "true");
        other.then_some("run of another branch: its author sees it on GitLab")
    }

    /// The job, the environment, or the name of a pipeline.
    fn name(&self) -> Option<String> {
        self.object.first_text(&["build_name", "environment", "name"])
    }

    fn summary(&self, action: Action, outcome: &str, source_field: Option<&str>) -> String {
        let Alert { object, failed, .. } = self;
        let reason = object.get("build_failure_reason").text().filter(|_| action == Action::Trigger);
        let reason = reason.or_else(|| (!failed.is_empty()).then(|| listed(failed)));
        let reason = reason.or_else(|| object.first_text(&["commit_title", "title"]));
        let graded = object.get("severity").text().map(|word| ["(severity ", &word, ")"].concat());
        text::join_prefixed(&[
            ("", Some(self.kind.noun)),
            (" ", self.name().as_deref()),
            (" ", graded.as_deref()),
            (" ", Some(outcome)),
            (" on ", object.get("ref").text().as_deref()),
            (" in ", source_field),
            (": ", reason.as_deref()),
        ])
    }

    /// Adds the fields that an alert event and a change event share.
    fn dress(&self, event: Event) -> Event {
        let Alert { payload, object, .. } = *self;
        let home = payload.pick(&["project.web_url", "repository.homepage"]);
        let (path, id) = self.kind.page;
        let built = || Some([home.as_deref()?, path, &object.get(id).text()?].concat());
        event
            .component(self.name().or_else(|| payload.pick(&["project.name", "repository.name"])))
            .group(payload.at("project.namespace").text())
            .class(Some(self.kind.class.to_owned()))
            .timestamp(TIMES.iter().find_map(|name| object.get(name).time()))
            .details(payload, &["commit=commit.title", "merge_request=merge_request.title", "user=user.username"])
            .detail("failed_jobs", self.failed.clone().into())
            .link("GitLab", object.first_text(&["url", "deployable_url"]).or_else(built))
            .link("Commit", payload.pick(&["commit.url", "commit_url"]))
            .link("Environment", payload.get("environment_external_url").text())
            .link("Merge request", payload.at("merge_request.url").text())
            .client(SOURCE.name, home.clone())
            .grouped_details(object, DETAILS)
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    text::join_nonempty(&names, ", ")
}

/// The failed jobs of a pipeline, with the reasons.
fn failed_jobs(payload: Node<'_>) -> Vec<String> {
    let mut failed = Vec::new();
    for job in payload.get("builds").items().unwrap_or_default() {
        let text = |member: &str| Node::root(job).get(member).text().unwrap_or_default();
        if text("status") == "failed" && text("allow_failure") != "true" {
            let reason = text("failure_reason");
            failed.push(if reason.is_empty() { text("name") } else { [&text("name"), " (", &reason, ")"].concat() });
        }
    }
    failed
}
