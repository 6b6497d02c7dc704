//! Argo CD notifications, with the service `webhook`.
//!
//! # Wire format
//!
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/> and the catalog of triggers
//! at <https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/catalog/>, read 2026-11. Argo CD has no body
//! of its own: the user writes one in Go's templates. This source accepts the template of its setup instructions; the
//! whole Application, as `{"app": {{toJson .app}}}` or without the member around it; and the two examples of the page, a
//! commit status in GitHub's form (`state`, `context`, `target_url`) and an attachment in Slack's, as the catalog sends it
//! too. Line breaks and
//! backslashes need no escape. A variable without a value becomes `<no value>`, and then counts as absent. Argo CD retries 429, 5xx and failed connections three times, 1
//! to 5 seconds apart.
//!
//! # Mapping
//!
//! The health and the phase of the last sync decide, and not the trigger that sent them: several triggers tell about one
//! application, and a sync may succeed while the application is degraded. Only in a body with none of the fields below does
//! the catalog's trigger decide: `on-deployed` resolves, and `on-created`, `on-sync-running`, `on-sync-succeeded` open
//! nothing.
//!
//! | event | from |
//! |---|---|
//! | action | the first of these that applies. Trigger `on-deleted` resolves. `phase` `Failed`, `Error` trigger. `health` `Degraded`, `Missing`, `Unknown` trigger. `sync` `Unknown` (Argo CD cannot compare) triggers. `health` `Healthy` with `phase` `Succeeded`, or without a phase, resolves. Any other word triggers. Without health and phase, `state`: words like `resolved` or `success` resolve, all others trigger; of an attachment the catalog's colours for a failure trigger |
//! | severity | error; warning for `Unknown` |
//! | change event | in addition to the resolve, if `trigger` is `on-deployed`, which the catalog sends once for each revision |
//! | summary | the application, its state, the project; after a failed sync the first line of `message`, else of the first condition |
//! | source | the host of `url`, else `Argo CD` |
//! | component, group, class | application, project, `health`, `sync` or `state` |
//! | links | `url`, `target_url`, the attachment's `title_link` |
//! | details | health, sync status, phase, revision, namespace, message, the first condition, trigger |
//!
//! # Dedup key
//!
//! `argocd:<namespace>:<app>`. The application of a commit status is at the end of `context`, that of an attachment at the
//! end of `title_link`. Without a namespace in the body, that of the application's page counts
//! (`…/applications/<namespace>/<app>`), and without that the key is `argocd::<app>`, so use one template for all triggers. Two
//! installations of Argo CD whose applications have the same names need a service each, or a rule. Argo CD's own
//! PagerDuty service opens a new incident each time unless its template names a key.
//!
//! # Not mapped
//!
//! * Health `Progressing`, `Suspended`, phase `Running`, `Terminating`, state `pending`: "not finished".
//! * A sync status or the phase `Succeeded` without a health: "a sync alone". An application that is out of sync is not
//!   broken, and one that is synced may be. The sync status `Unknown` does trigger.
//! * The triggers of the catalog send nothing when an application recovers without a new commit, so its alert would
//!   stay open. The setup instructions have a trigger that does.
//! * A body without an application is rejected. A body with unexpanded variables triggers an alert that reports them.
//! * Parameters, values and resources of an Application are never copied, nor the user information of URLs in messages.
//! * Uncertain: no body of a running Argo CD was at hand, only its templates.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::url;
use crate::json::Node;
use crate::mapping::deployments::Deployment;
use crate::mapping::outcomes::UNFINISHED;
use crate::mapping::repair::repaired_payload;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, states};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Argo CD.
pub const SOURCE: Source = Source {
    slug: "argocd",
    name: "Argo CD",
    docs: "https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "health `Degraded`, `Missing`, `Unknown`; sync phase `Failed`, `Error`; sync status `Unknown`",
        resolves: "health `Healthy` after a sync that succeeded",
        steps: "Put the secret into the Secret `argocd-notifications-secret`, as key `pagerelay`.\n\
                In the ConfigMap `argocd-notifications-cm`, add `service.webhook.pagerelay` with `url: {url}` and `headers: [{name: Authorization, value: Bearer $pagerelay}, {name: Content-Type, value: application/json}]`.\n\
                Add `template.pagerelay` with `webhook: {pagerelay: {method: POST, body: …}}`, where the body is the text below.\n\
                Add `trigger.on-pagerelay`, without `oncePer`, that sends `[pagerelay]` for each of two conditions: `app.status.health.status in ['Degraded', 'Missing', 'Unknown'] or app.status.sync.status == 'Unknown' or app.status.operationState?.phase in ['Error', 'Failed']`, and `app.status.health.status == 'Healthy' and app.status.sync.status != 'Unknown' and app.status.operationState?.phase == 'Succeeded'`. Without the second one nothing closes the alerts.\n\
                Subscribe the applications: `notifications.argoproj.io/subscribe.on-pagerelay.pagerelay: \"\"`.\n\
                For change events, have the catalog's `on-deployed` send a second template, with `on-deployed` in place of `on-pagerelay`.",
        template: Some(
            r#"{"app": "{{.app.metadata.name}}", "namespace": "{{.app.metadata.namespace}}", "project": "{{.app.spec.project}}", "trigger": "on-pagerelay", "health": "{{.app.status.health.status}}", "sync": "{{.app.status.sync.status}}", "phase": "{{.app.status.operationState.phase}}", "revision": "{{.app.status.sync.revision}}", "message": {{toJson .app.status.operationState.message}}, "url": "{{.context.argocdUrl}}/applications/{{.app.metadata.name}}"}"#,
        ),
    },
    map,
    // It retries 429, 5xx and failed connections three times.
    retries: true,
    states: &["Healthy", "Succeeded", "Degraded", "Missing", "Unknown", "Progressing", "Suspended", "Running"],
    ..Source::DEFAULT
};

/// The colours of attachments in the catalog, and the states that they stand for. Green says only that a sync succeeded.
const COLOURS: &[(&str, &str)] = &[("#0DADEA", "pending"), ("#E96D76", "failed"), ("#f4c030", "degraded")];

/// The triggers of the catalog after which nothing is wrong, with the sync status and the state that they stand for.
const TRIGGERS: &[(&str, (&str, &str))] = &[
    ("on-created", ("", "pending")),
    ("on-deployed", ("", "healthy")),
    ("on-sync-running", ("", "pending")),
    ("on-sync-succeeded", ("synced", "")),
];

/// What a variable without a value becomes in Go's templates.
const NO_VALUE: &str = "<no value>";

const APP: &[&str] = &["app", "app.metadata.name", "metadata.name", "application", "appName", "app_name"];
const NAMESPACE: &[&str] = &["namespace", "app.metadata.namespace", "metadata.namespace"];
const PROJECT: &[&str] = &["project", "app.spec.project", "spec.project"];
const HEALTH: &[&str] =
    &["health", "app.status.health.status", "status.health.status", "healthStatus", "health_status"];
const SYNC: &[&str] = &["sync", "app.status.sync.status", "status.sync.status", "syncStatus", "sync_status", ATTACHED];
/// What the catalog's attachment says about the sync, or about the health if that is degraded.
const ATTACHED: &str = "attachments.0.fields.0.value";
const PHASE: &[&str] = &["phase", "app.status.operationState.phase", "status.operationState.phase"];
const REVISION: &[&str] = &["revision", "app.status.sync.revision", "status.sync.revision"];
const URL: &[&str] = &["url", "target_url", "attachments.0.title_link"];
const MESSAGE: &[&str] = &["message", "app.status.operationState.message", "status.operationState.message"];
const CONDITION: &[&str] = &["app.status.conditions.0.message", "status.conditions.0.message"];

const SYNC_ALONE: &str = "a sync alone: it does not say whether the application works";

/// The action, the severity, the class and the phrase of an application's state, or the reason why it needs no event.
type State = Result<(Action, Severity, &'static str, &'static str), &'static str>;

/// The state by health, phase and sync status, in lower case.
fn state(health: &str, phase: &str, sync: &str, said: &str) -> State {
    let trigger = |severity, class, phrase| Ok((Action::Trigger, severity, class, phrase));
    match (phase, health, sync) {
        ("failed" | "error", _, _) => trigger(Severity::Error, "sync", "could not be synchronised"),
        (_, "degraded", _) => trigger(Severity::Error, "health", "is degraded"),
        (_, "missing", _) => trigger(Severity::Error, "health", "is missing"),
        (_, "unknown", _) => trigger(Severity::Warning, "health", "has an unknown health"),
        (_, _, "unknown") => trigger(Severity::Warning, "sync", "cannot be compared with its source"),
        ("running" | "terminating", _, _) | (_, "progressing" | "suspended", _) => Err(UNFINISHED),
        ("succeeded" | "", "healthy", "synced" | "outofsync" | "") => {
            Ok((Action::Resolve, Severity::Error, "health", "is healthy"))
        }
        ("", "", _) if said == "pending" => Err(UNFINISHED),
        ("", "", _) if states::of_state(said) == Some(Action::Resolve) => {
            Ok((Action::Resolve, Severity::Error, "state", "is well"))
        }
        ("succeeded", "", _) => Err(SYNC_ALONE),
        ("", "", "synced" | "outofsync") if said.is_empty() => Err(SYNC_ALONE),
        ("", "", _) => trigger(Severity::Error, "state", "has a problem"),
        // For a word that Argo CD does not document, an unnecessary page is the lesser evil.
        _ => trigger(Severity::Error, "health", "may have a problem"),
    }
}

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = repaired_payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let read = |paths: &[&str]| payload.pick(paths).filter(|text| text != NO_VALUE);
    // `continuous-delivery/guestbook`, `https://argocd.example.com/applications/guestbook?operation=true`
    let within = || {
        let path = read(&["context", "attachments.0.title_link"])?;
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        path.rsplit('/').next().map(str::to_owned)
    };
    // `https://argocd.example.com/applications/argocd/guestbook`
    let in_page = || {
        let page = read(URL)?;
        let (_, path) = page.split(['?', '#']).next()?.split_once("/applications/")?;
        let (namespace, app) = path.trim_end_matches('/').split_once('/')?;
        Some(namespace.to_owned()).filter(|_| !app.contains('/'))
    };
    let (app, namespace) = (read(APP).or_else(within), read(NAMESPACE).or_else(in_page).unwrap_or_default());
    let key = app.as_deref().and_then(|app| DedupKey::new(SOURCE.slug, &[&namespace, app]));
    let (Some(app), Some(key)) = (app, key) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`app`");
    };
    let word = |paths: &[&str]| read(paths).unwrap_or_default().to_ascii_lowercase();
    let told_by = word(&["trigger"]);
    let colour = text::lookup(COLOURS, &word(&["attachments.0.color"])).unwrap_or_default();
    let said = read(&["state"]).map_or(colour.to_owned(), |state| state.to_ascii_lowercase());
    let [health, phase, sync] = [HEALTH, PHASE, SYNC].map(word);
    let says_nothing = [&health, &phase, &sync, &said].iter().all(|word| word.is_empty());
    let (sync, said) = match text::lookup(TRIGGERS, &told_by).filter(|_| says_nothing) {
        Some((sync, said)) => (sync.to_owned(), said.to_owned()),
        None => (sync, said),
    };
    let (action, severity, class, phrase) = match told_by.as_str() {
        "on-deleted" => (Action::Resolve, Severity::Error, "state", "was deleted"),
        _ => match state(&health, &phase, &sync, &said) {
            Ok(state) => state,
            Err(reason) => return Ok(Mapped::nothing(reason)),
        },
    };
    let deployed = told_by == "on-deployed";
    let phrase = if deployed && action == Action::Resolve { "was deployed and is healthy" } else { phrase };
    // The URL of a repository may contain a password.
    let safe = |paths: &[&str]| read(paths).map(|text| text::without_user_information(&text));
    let (message, condition, url) = (safe(MESSAGE), safe(CONDITION), read(URL));
    let project = read(PROJECT);
    // The message is about the last sync, and says nothing about the health.
    let failed = matches!(phase.as_str(), "failed" | "error");
    let why = if failed { &message } else { &condition };
    let summary = text::join_prefixed(&[
        ("", Some(&app)),
        (" ", Some(phrase)),
        (" in project ", project.as_deref()),
        (": ", why.as_deref().map(text::first_line).filter(|_| action == Action::Trigger)),
    ]);
    let source = url.as_deref().and_then(url::url_host).unwrap_or(SOURCE.name).to_owned();
    let dress = |event: Event| {
        let event = event
            .component(Some(app.clone()))
            .group(project.clone())
            .class(Some(class.to_owned()))
            .client(SOURCE.name, url.clone())
            .link(SOURCE.name, url.clone())
            .detail("message", message.clone().into())
            .detail("condition", condition.clone().into())
            .detail("namespace", namespace.clone().into());
        let rest =
            [("health", HEALTH), ("sync", SYNC), ("phase", PHASE), ("revision", REVISION), ("trigger", &["trigger"])];
        rest.iter().fold(event, |event, (name, paths)| event.detail(name, read(paths).into()))
    };
    Ok(Deployment { key, action, severity, summary, source }.map(deployed, &dress))
}
