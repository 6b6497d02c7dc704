//! GitHub webhooks, of a repository, an organisation or an app, on github.com or GitHub Enterprise.
//!
//! # Wire format
//!
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>, read 2026-11. One delivery is one event, as JSON
//! or as a form with JSON in field `payload`. Header `X-GitHub-Event` is its kind. If the header is missing, a member
//! that only one kind has decides. Below, "the object" is the subject of the event: a member (`workflow_run`,
//! `deployment_status`, `alert` …), or the body itself for a `status`. Beside it are `action`, `repository` and
//! `sender`. GitHub's timeout is ten seconds, and it never retries; a person can redeliver a delivery. The signature
//! covers no timestamp.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action of runs, jobs, checks | if `action` is `completed`, the object's `conclusion`: `success` resolves, `failure`, `timed_out`, `startup_failure` trigger |
//! | action of deployments, statuses | the object's `state`: `success` resolves, `failure`, `error` trigger; a deployment's `success` is a change event too, whether or not an alert is open |
//! | action of security alerts | `action`: `fixed`, `dismissed`, `auto_dismissed`, `closed_by_user`, `resolved`, `revoked` resolve, `created`, `reopened`, `appeared_in_branch`, `reintroduced`, `publicly_leaked` trigger; for the old `repository_vulnerability_alert`, `resolve` and `dismiss` resolve, `create` and `reopen` trigger |
//! | severity of runs, jobs, checks, statuses | error; warning on a branch that is not the repository's default, and for a pull request |
//! | severity of deployments | critical if `production_environment` is true or the environment is `production`, warning if `transient_environment` is true, else error |
//! | severity of security alerts | the vulnerability's, else the rule's `security_severity_level`, else the rule's: `critical`; `high`, `error`; `medium`, `moderate`, `warning`; `low`, `note`, `none` are critical; error; warning; info ([`Severity::from_word`]). Other words error. A leaked secret is critical |
//! | summary | the kind of failure or finding, GitHub's word for its severity, branch, repository, then the check's, run's, advisory's or rule's title, the description, or the step that failed |
//! | source | the repository with its owner, else `GitHub` |
//! | component | the vulnerable package, else the repository |
//! | group | the repository's owner |
//! | class | the rule of code scanning, else the event's kind |
//! | timestamp | when the object was completed, updated, fixed, dismissed or resolved |
//! | links | the object's page, details, target, log, environment, commit, advisory, if absolute |
//! | client, client URL | GitHub, the repository's page |
//! | details | chosen members of the object, branch or tag (`ref`), action, who sent it |
//!
//! # Dedup key
//!
//! `github:<repository id>:<event>:`, followed by values that stay the same when the problem is fixed. The id of a run
//! or a commit changes, so it is never used: `workflow_run:<workflow_id>:<branch>`,
//! `workflow_job:<name>:<workflow_name>:<branch>`, `check_run:<name>:<app id>:<branch>`, `check_suite:<app
//! id>:<branch>`, `status:<context>:<branch>`, `deployment_status:<environment>`. Security alerts use their `number`
//! (the old kind its `id`). If the first of these values is missing, the object's name replaces it. So a later green
//! run resolves the alert of a red one. The branch of a `status` is the default branch if its list contains that, else
//! the first of the list. An app is identified by its id, because its slug may be missing. Checks do not contain the
//! branch of a fork. In jobs, such a branch looks like one of the repository's. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * No `conclusion`, another `action` than `completed`, states `pending`, `queued`, `in_progress`, `waiting`,
//!   `requested`: "not finished".
//! * `neutral`, `skipped`, `cancelled`, `stale`, `action_required`: "no verdict".
//! * A deployment that became `inactive`: "superseded".
//! * An alert that was `assigned`, `unassigned`, `validated`: "nothing opened or closed".
//! * A failed run, job, check or status of a branch that is not the repository's default: "run of another branch". A
//!   release, and a branch or tag with the name of a version (`v1.4.0`), count as the default branch, because GitHub does
//!   not say which is a tag. A success always resolves. With variable `branches_github` = `all`, these trigger too.
//! * A `workflow_run` for a pull request: "run of a pull request". With `branches_github` = `all`, it triggers and
//!   resolves an alert of its own, whose key ends with `pull_request:<repository of the branch>`: a fork's branch may be
//!   called `main` too, and its run must not close an alert of the repository.
//! * Every run in a merge queue, also with `all`: "run of a pull request". Its branch is used once, so the alert would
//!   stay open.
//! * A word that is in none of these lists: "unknown word". The lists were compared with GitHub's documentation in
//!   2026-11.
//! * A green `check_suite` of GitHub Actions: "one suite of many". Each workflow has a suite and no suite names its
//!   workflow, so it would close the alert of another workflow. A red suite triggers, and somebody has to close its
//!   alert by hand.
//! * `ping`: "the hook works".
//! * All other kinds (`push`, `deployment`, `installation` …): "not about an alert".
//! * `alert.secret`, `deployment.payload` and all but the first line of commit messages are never copied.
//! * A body that is not an event of GitHub, lacks the object of its kind, or names no repository is rejected.
//! * Uncertain: whether a job that reaches its time limit is `timed_out` or `cancelled`. Code scanning says `fixed` for
//!   one branch, although the problem may remain on another.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use super::{BranchChoice, Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::config::Branches;
use crate::json::Node;
use crate::mapping::outcomes::{self, NO_VERDICT, Outcome, Outcomes, UNCHANGED, UNFINISHED};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// GitHub.
pub const SOURCE: Source = Source {
    slug: "github",
    name: "GitHub",
    docs: "https://docs.github.com/en/webhooks/webhook-events-and-payloads",
    schemes: &[Scheme::Hmac(&SIGNATURE)],
    setup: Setup {
        triggers: "failed workflow runs, jobs, checks and statuses of the default branch, failed deployments; Dependabot, code scanning and secret scanning alerts",
        resolves: "their next success; alerts that are fixed, dismissed or resolved",
        steps: "In the repository or organisation, under Settings, Webhooks, add a webhook with Payload URL {url} and the secret as Secret.\n\
                Choose individual events: Workflow runs, Deployment statuses, and the security alerts that you use.\n\
                Leave out Workflow jobs, Check runs and Check suites where Workflow runs are ticked: they tell of the same failures.",
        template: None,
    },
    map: |delivery| map(delivery, Branches::Default),
    branches: Some(BranchChoice { variable: "branches_github", map_all: |delivery| map(delivery, Branches::All) }),
    states: &["success", "failure", "fixed", "dismissed", "resolved", "created", "critical", "high", "medium", "low"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-hub-signature-256",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One("sha256="),
    stamp: SignedTimestamp::None,
};

/// A kind of event that can open an alert.
struct Kind {
    /// The value of `X-GitHub-Event`, and a part of the dedup key.
    event: &'static str,
    /// A path that only the bodies of this kind have. Its first member contains the object.
    mark: &'static str,
    noun: &'static str,
    /// The members of the object that form the dedup key, and [`BRANCH`]. If the first is missing, the name replaces
    /// it.
    ids: &'static [&'static str],
}

/// Represents the branch, which each kind has in another member.
const BRANCH: &str = "branch";

/// In the order in which marks are searched: a delivery with a deployment's status also contains a run and a check.
const KINDS: &[Kind] = &[
    Kind { event: "deployment_status", mark: "deployment_status", noun: "Deployment to", ids: &["environment"] },
    Kind { event: "workflow_job", mark: "workflow_job", noun: "Job", ids: &["name", "workflow_name", BRANCH] },
    Kind { event: "workflow_run", mark: "workflow_run", noun: "Workflow", ids: &["workflow_id", BRANCH] },
    Kind { event: "check_run", mark: "check_run", noun: "Check", ids: &["name", "app.id", BRANCH] },
    Kind { event: "check_suite", mark: "check_suite", noun: "Check suite of", ids: &["app.id", BRANCH] },
    Kind { event: "dependabot_alert", mark: "alert.dependency", noun: "Vulnerability in", ids: &["number"] },
    Kind { event: "code_scanning_alert", mark: "alert.rule", noun: "Code scanning alert", ids: &["number"] },
    Kind { event: "secret_scanning_alert", mark: "alert.secret_type", noun: "Leaked secret", ids: &["number"] },
    Kind { event: OLD_ALERT, mark: "alert.affected_package_name", noun: "Vulnerability in", ids: &["id"] },
    Kind { event: "status", mark: "context", noun: "Status", ids: &["context", BRANCH] },
];

/// The name of Dependabot's alerts before 2022. GitHub Enterprise may still send it.
const OLD_ALERT: &str = "repository_vulnerability_alert";

/// The outcomes of runs, jobs, checks, statuses and deployments.
const OUTCOMES: &Outcomes = &[
    (&["error", "failure"], Ok((Action::Trigger, "failed"))),
    (&["timed_out"], Ok((Action::Trigger, "timed out"))),
    (&["startup_failure"], Ok((Action::Trigger, "could not start"))),
    (&["success"], Ok((Action::Resolve, "succeeded"))),
    (&["in_progress", "pending", "queued", "requested", "waiting"], Err(UNFINISHED)),
    (&["action_required", "cancelled", "neutral", "skipped", "stale"], Err(NO_VERDICT)),
    (&["inactive"], Err("superseded: the deployment is no longer active")),
];

/// What happens to security alerts.
const CHANGES: &Outcomes = &[
    (&["appeared_in_branch", "create", "created"], Ok((Action::Trigger, "found"))),
    (&["publicly_leaked"], Ok((Action::Trigger, "found in public"))),
    (&["auto_reopened", "reintroduced", "reopen", "reopened", "reopened_by_user"], Ok((Action::Trigger, "reopened"))),
    (&["fixed"], Ok((Action::Resolve, "fixed"))),
    (&["auto_dismissed", "closed_by_user", "dismiss", "dismissed"], Ok((Action::Resolve, "dismissed"))),
    (&["resolve", "resolved", "revoked"], Ok((Action::Resolve, "resolved"))),
    (&["assigned", "assignees_changed", "unassigned", "updated_assignment", "validated"], Err(UNCHANGED)),
];

/// The members that contain GitHub's word for the severity.
const GRADES: &[&str] =
    &["security_vulnerability.severity", "rule.security_severity_level", "rule.severity", "severity"];

/// The members that contain the name of an object. The name of a status is its context, because its `name` is the
/// repository's.
const NAMES: [&[&str]; 2] = [
    &["dependency.package.name", "affected_package_name", "rule.id", "secret_type_display_name", "secret_type"],
    &["environment", "context", "name", "path", "app.name"],
];

/// The members that describe the problem.
const REASONS: [&[&str]; 2] = [
    &["output.title", "display_title", "security_advisory.summary"],
    &["rule.description", "external_identifier", "description"],
];

const TIMES: &[&str] = &["completed_at", "updated_at", "fixed_at", "dismissed_at", "resolved_at"];

const LINKS: &[(&str, &str)] = &[
    ("GitHub", "html_url"),
    ("Details", "details_url"),
    ("Target", "target_url"),
    ("Log", "log_url"),
    ("Environment", "environment_url"),
    ("Commit", "commit.html_url"),
    ("Advisory", "external_reference"),
];

/// Useful members, by kind. A leaked secret contributes only its type. Commit messages are excluded, because they
/// contain people's addresses.
const DETAILS: &[&[&str]] = &[
    &["conclusion", "state", "description", "number", "environment", "context", "sha", "creator=creator.login"],
    &["workflow_name", "path", "event", "display_title", "run_number", "run_attempt", "actor=actor.login"],
    &["head_sha", "runner_name", "labels", "app=app.name", "output.title", "output.summary"],
    &["dependency", "security_advisory.ghsa_id", "security_advisory.cve_id", "cvss_score=security_advisory.cvss.score"],
    &["security_vulnerability.severity", "security_vulnerability.vulnerable_version_range"],
    &["fixed_in=security_vulnerability.first_patched_version.identifier", "dismissed_reason", "dismiss_reason"],
    &["rule=rule.id", "rule.severity", "rule.security_severity_level", "most_recent_instance.location"],
    &["tool=tool.name", "secret_type", "validity", "publicly_leaked", "push_protection_bypassed", "resolution"],
    &["severity", "ghsa_id", "external_identifier", "affected_range", "fixed_in"],
];

/// Members of the body beside the object.
const BESIDE: &[&str] = &["action", "sha=deployment.sha", "ref", "sender=sender.login"];

fn map(delivery: &Authenticated<'_>, branches: Branches) -> Result<Mapped, MapError> {
    let payload = payload(delivery)?;
    let payload = Node::root(&payload);
    let has = |path: &str| payload.at(path).value().is_some();
    let named = delivery.header("x-github-event");
    let kind = KINDS.iter().find(|kind| named.map_or_else(|| has(kind.mark), |event| event == kind.event));
    let Some(kind) = kind else {
        return match named {
            _ if has("zen") => Ok(Mapped::nothing("the hook works: this is its ping")),
            None if !has("repository") && !has("sender") => Err(MapError::Shape { expected: "an event of GitHub's" }),
            _ => Ok(Mapped::nothing("not about an alert: an event of another kind")),
        };
    };
    let alert = Alert::read(kind, payload)?;
    let (action, outcome) = match alert.outcome(branches) {
        Ok(known) => known,
        Err(reason) => return Ok(Mapped::nothing(reason)),
    };
    let key = alert.key().ok_or(MapError::NoIdentity { item: alert.source_field.to_owned(), fields: FIELDS })?;
    let summary = alert.summary(outcome);
    let source = alert.repository.get("full_name").text().unwrap_or_else(|| SOURCE.name.to_owned());
    let mut mapped = Mapped::one(alert.dress(Event::new(action, key, alert.severity(), &summary, &source)));
    if kind.event == "deployment_status" && action == Action::Resolve {
        mapped.events.push(alert.dress(Event::change(&summary, &source)));
    }
    Ok(mapped)
}

const FIELDS: &str = "`repository.id` and `workflow_id`, `name`, `app.id`, `context`, `environment`, `number` or `id`";

/// The subject of a delivery.
struct Alert<'a> {
    kind: &'static Kind,
    payload: Node<'a>,
    /// The member of the payload that contains the object.
    source_field: &'static str,
    object: Node<'a>,
    repository: Node<'a>,
    /// The name of the object.
    name: Option<String>,
    branch: Option<String>,
    /// The repository's default branch.
    default: Option<String>,
    /// The repository of the branch, if it is a run for a pull request. It may be a fork.
    pull_request: Option<String>,
}

impl<'a> Alert<'a> {
    fn read(kind: &'static Kind, payload: Node<'a>) -> Result<Self, MapError> {
        let source_field = kind.mark.split('.').next().unwrap_or_default();
        let object = if kind.event == "status" { payload } else { payload.get(source_field) };
        object.members().ok_or(MapError::Shape { expected: "the object that the event is about" })?;
        let of_deployment = || payload.at("deployment.environment").text();
        let name = NAMES.iter().find_map(|names| object.pick(names)).or_else(of_deployment);
        let repository = payload.get("repository");
        let default = repository.get("default_branch").text();
        let branch = branch(object, default.as_deref());
        let requested = object.get("event").text().is_some_and(|cause| cause.starts_with("pull_request"));
        let pull_request = requested.then(|| object.at("head_repository.full_name").text().unwrap_or_default());
        Ok(Alert { kind, payload, source_field, object, repository, name, branch, default, pull_request })
    }

    /// The action and its phrase in the summary, or the reason why it needs no event.
    fn outcome(&self, branches: Branches) -> Outcome {
        let Alert { kind, object, .. } = self;
        let action = self.payload.get("action").text();
        let own = || object.first_text(&["conclusion", "state"]);
        let alert = kind.mark.starts_with("alert.");
        let word = if alert { action.clone() } else { own() }.unwrap_or_default();
        if kind.ids.contains(&BRANCH) && (word.is_empty() || action.is_some_and(|action| action != "completed")) {
            return Err(UNFINISHED);
        }
        // The branch of a merge queue is used once, so its alert would stay open.
        let queued = self.branch.as_ref().is_some_and(|branch| branch.starts_with("gh-readonly-queue/"));
        if queued || self.pull_request.is_some() && branches == Branches::Default {
            return Err("run of a pull request: its author sees it on GitHub");
        }
        let (action, phrase) = outcomes::of(&word, if alert { CHANGES } else { OUTCOMES })?;
        if action == Action::Trigger && self.is_elsewhere() && branches == Branches::Default {
            return Err("run of another branch: its author sees it on GitHub");
        }
        let of_actions = || object.at("app.slug").text().as_deref() == Some("github-actions");
        if action == Action::Resolve && kind.event == "check_suite" && of_actions() {
            return Err("one suite of many: another may still be red");
        }
        Ok((action, phrase))
    }

    /// Whether the run is of another branch than the default one. A release is of a tag, and looks like a branch.
    fn is_elsewhere(&self) -> bool {
        let release = || self.object.get("event").text().as_deref() == Some("release");
        let other = self.default.is_some() && self.branch != self.default && self.kind.ids.contains(&BRANCH);
        other && !release() && !self.branch.as_deref().is_some_and(outcomes::names_a_version)
    }

    fn key(&self) -> Option<DedupKey> {
        let mut parts = vec![self.repository.first_text(&["id", "full_name"])?, self.kind.event.to_owned()];
        for &id in self.kind.ids {
            let part = if id == BRANCH { self.branch.clone() } else { self.object.at(id).text() };
            // The first value distinguishes alerts, so it is required. The others may be missing.
            let first = parts.len() == 2;
            parts.push(if first { part.or_else(|| self.name.clone())? } else { part.unwrap_or_default() });
        }
        // A fork's branch may have the name of one of the repository's.
        parts.extend(self.pull_request.iter().flat_map(|head| ["pull_request".to_owned(), head.clone()]));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        DedupKey::new(SOURCE.slug, &parts)
    }

    fn severity(&self) -> Severity {
        let marked = |mark: &str| self.payload.get("deployment").get(mark).text().as_deref() == Some("true");
        let production = || self.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("production"));
        match self.kind.event {
            "secret_scanning_alert" => Severity::Critical,
            "deployment_status" if marked("production_environment") || production() => Severity::Critical,
            "deployment_status" if marked("transient_environment") => Severity::Warning,
            _ if self.is_elsewhere() || self.pull_request.is_some() => Severity::Warning,
            _ => self.object.pick(GRADES).and_then(|grade| Severity::from_word(&grade)).unwrap_or(Severity::Error),
        }
    }

    /// The branch, or the ref that was deployed.
    fn commit(&self) -> Option<String> {
        self.branch.clone().or_else(|| self.payload.at("deployment.ref").text())
    }

    fn summary(&self, outcome: &str) -> String {
        let mut steps = self.object.get("steps").items().unwrap_or_default().iter().map(Node::root);
        let step = steps.find(|step| step.get("conclusion").text().as_deref() == Some("failure"));
        let reason = REASONS.iter().find_map(|reasons| self.object.pick(reasons));
        let reason = reason.or_else(|| step?.get("name").text());
        let grade = self.object.pick(GRADES).map(|grade| ["(", &grade, ")"].concat());
        text::join_prefixed(&[
            ("", Some(self.kind.noun)),
            (" ", self.name.as_deref()),
            (" ", grade.as_deref()),
            (" ", Some(outcome)),
            (" on ", self.commit().as_deref()),
            (" in ", self.repository.get("full_name").text().as_deref()),
            (": ", reason.as_deref()),
        ])
    }

    /// Adds the fields that an alert event and a change event share.
    fn dress(&self, event: Event) -> Event {
        let Alert { object, repository, .. } = self;
        let package = object.pick(&["dependency.package.name", "affected_package_name"]);
        let event = event
            .component(package.or_else(|| repository.get("name").text()))
            .group(repository.at("owner.login").text())
            .class(object.at("rule.id").text().or_else(|| Some(self.kind.event.to_owned())))
            .timestamp(TIMES.iter().find_map(|name| object.get(name).time()))
            .details(self.payload, BESIDE)
            .detail("ref", self.commit().into())
            .client(SOURCE.name, repository.get("html_url").text())
            .grouped_details(*object, DETAILS);
        LINKS.iter().fold(event, |event, (text, member)| event.link(text, object.at(member).text()))
    }
}

/// The branch of a run. The commit of a status may be the head of several branches.
fn branch(object: Node<'_>, default: Option<&str>) -> Option<String> {
    let mut branch = object.pick(&["head_branch", "check_suite.head_branch"]);
    for item in object.get("branches").items().unwrap_or_default() {
        let name = Node::root(item).get("name").text();
        if branch.is_none() || name.as_deref() == default {
            branch = name;
        }
    }
    branch
}
