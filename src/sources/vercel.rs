//! Vercel webhooks, of a team or an integration.
//!
//! # Wire format
//!
//! <https://vercel.com/docs/webhooks/webhooks-api>, read 2026-11. One delivery is one event: `{type, id, createdAt,
//! region, payload}`. `payload` of a deployment has `team`, `project`, `deployment` (`id`, `name`, `url`, `meta` with the
//! commit), `target` (`production`, `staging`, or `null` for a preview) and `links`. Vercel signs the body with SHA-1,
//! without a timestamp, waits 30 seconds, and retries for up to 24 hours.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action of deployments | `type`: `deployment.error`, `deployment.checks.failed` trigger; `deployment.succeeded`, `deployment.ready`, `deployment.checks.succeeded` resolve |
//! | change event | for `deployment.succeeded`, in addition to the resolve; for `deployment.promoted` and `deployment.rollback` alone |
//! | action of other events | `alerts.triggered`, `firewall.attack`, `budget.reached` and the `anomaly` types trigger; a type that ends with `.failed` or `-failed` triggers (`domain.certificate.renew.failed`, `domain.certificate-renew-failed`), and the same type without the ending resolves; `budget.reset` resolves |
//! | severity of deployments | `target`: `production` critical, `staging` warning, other words error |
//! | severity of others | of alerts `severity` or `level` by [`Severity::from_word`]; else attack critical, budget warning, others error |
//! | summary | project, target, outcome, branch, and the error or the first line of the commit's message; for others the kind, the project, domain or certificate, and the title |
//! | source, component, group | the project's name or slug, else the deployment's, the domain, the names of the certificate, `Vercel`; the same; the team's name or slug |
//! | class | `deployment`, else `type` |
//! | timestamp | an alert's `startedAt`, else `createdAt` |
//! | links | `links.deployment`, `links.project`, `deployment.url`, the alert's own |
//! | details | deployment, target, branch, commit, region, plan; the alert's type and texts |
//!
//! # Dedup key
//!
//! `vercel:<project id>:deployment:<target>`, and `:checks` behind it for checks: the next success closes the alert of a
//! failure. The id of a deployment is new each time. A missing `target` is `unknown`. Others have
//! `vercel:<project id>:<type>:<id>`. The type of a failure is that of its success (`domain.certificate.renew`), or
//! `alerts`, `attack`, `budget`. The id is that of the alert, of its group, the domain, or the names of the
//! certificate in their order (`dnsNames` of a failure, `cert.cns` of a success); for an alert without one that of the event; else that
//! of the team, if there is no project. Domains have no project in their key. `alerts.triggered` lists its alerts in
//! `payload.alerts`: each is an alert of its own, with its `alertId`, else its number behind the id.
//!
//! # Not mapped
//!
//! * A deployment whose `target` is `null`: "a preview". Its author sees it on Vercel, and its branch may be deleted
//!   before it ever succeeds.
//! * `deployment.created`: "not finished". `deployment.canceled`: "no verdict". Other deployment types: "unknown word".
//! * `project.…`, `integration-….…`, `test-webhook` and all other types: "not about an alert".
//! * `alerts.triggered`, attacks and anomalies never close by themselves, because Vercel does not tell when they end.
//! * `user`, and all but the first line of a commit's message, are never copied.
//! * A body without `type`, and one of these types without a project, a team, an alert or a domain, is rejected.
//! * Uncertain: the reference does not describe the payloads of attacks and budgets, nor the members of a certificate, in
//!   the copy that we read. So the usual names of a title, an id and a severity are tried, and `cns`, which the API has;
//!   if its order differs, the alert of a failure stays open.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use std::time::Duration;

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::budget::{self, Budget};
use crate::mapping::deployments::{self, Deployment};
use crate::mapping::outcomes;
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Vercel.
pub const SOURCE: Source = Source {
    slug: "vercel",
    name: "Vercel",
    docs: "https://vercel.com/docs/webhooks/webhooks-api",
    schemes: &[Scheme::Hmac(&SIGNATURE)],
    setup: Setup {
        triggers: "failed deployments to production and staging, failed checks; alerts, attacks, budgets, failed certificates and domains",
        resolves: "the next success; alerts and attacks never",
        steps: "In the team's Settings, Webhooks, add a webhook with URL {url}. Vercel shows its secret once: make it the value of variable `secret_vercel`.\n\
                Choose `deployment.error`, `deployment.succeeded`, `deployment.rollback` and, if you use them, `alerts.triggered` and `firewall.attack`. `deployment.promoted` repeats most successes.\n\
                Vercel does not tell when an alert or an attack ends: close those by hand, or let PagerDuty resolve them after a time.",
        template: None,
    },
    patience: Duration::from_secs(30),
    map,
    // For up to 24 hours.
    retries: true,
    states: &[
        "deployment.error",
        "deployment.succeeded",
        "deployment.ready",
        "deployment.canceled",
        "deployment.promoted",
        "deployment.rollback",
        "alerts.triggered",
        "firewall.attack",
    ],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-vercel-signature",
    hash: Hash::Sha1,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

/// The type of anomalies. Its `alerts` are a list.
const ALERTS: &str = "alerts.triggered";

const NOT_AN_ALERT: &str = "not about an alert: an event of another type";

/// The members of `payload` that name the branch.
const BRANCH: &[&str] =
    &["deployment.meta.githubCommitRef", "deployment.meta.gitlabCommitRef", "deployment.meta.bitbucketCommitRef"];

const MESSAGE: &[&str] = &[
    "deployment.meta.githubCommitMessage",
    "deployment.meta.gitlabCommitMessage",
    "deployment.meta.bitbucketCommitMessage",
];

/// The types of a success that end the alert of the same type with `.failed`.
const RENEWED: &[&str] = &["domain.auto-renew", "domain.certificate.add", "domain.certificate.renew", "domain.renewal"];

/// The members of `payload` that identify a thing that is no deployment.
const IDS: &[&str] = &[
    "alert.id",
    "alertId",
    "alert.groupId",
    "groupId",
    "group.id",
    "ruleId",
    "domain.name",
    "domain",
    "domainName",
    "name",
];

/// The members of `payload` that describe it.
const TITLES: &[&str] =
    &["alert.title", "title", "alert.name", "message", "errorReason", "error.message", "domain.name", "domain"];

const LINKS: &[(&str, &str)] = &[
    ("Deployment", "links.deployment"),
    ("Project", "links.project"),
    ("Alert", "links.alert"),
    ("Alert", "links.observability"),
    ("Alert", "alert.url"),
    ("Alert", "url"),
];

const DETAILS: &[&str] = &[
    "deployment=deployment.id",
    "target",
    "commit=deployment.meta.githubCommitSha",
    "commit=deployment.meta.gitlabCommitSha",
    "commit=deployment.meta.bitbucketCommitSha",
    "plan",
    "regions",
    "severity",
    "alert.severity",
    "alert_type=alert.type",
    "description=alert.description",
    "error.code",
];

/// What the relay copies from each alert of a list.
const ALERT_DETAILS: &[&str] =
    &["severity", "alert_type=type", "metric", "count", "average", "zscore", "formattedValues"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let body = json(delivery)?;
    let body = Node::root(&body);
    let kind = body.get("type").text().ok_or(MapError::Shape { expected: "an event with `type`" })?;
    let payload = body.get("payload");
    if let Some(what) = kind.strip_prefix("deployment.").or_else(|| kind.strip_prefix("deployment-")) {
        return deployment(body, payload, what);
    }
    match payload.get("alerts").items() {
        Some(items) if kind == ALERTS && !items.is_empty() => alerts(delivery, body, items),
        _ => other(body, payload, &dotted(&kind)),
    }
}

/// The type as the API writes it, `domain.certificate.add.failed`. The reference also has `domain.certificate-add-failed`.
fn dotted(kind: &str) -> String {
    let Some(rest) = kind.strip_prefix("domain.") else { return kind.to_owned() };
    let rest = rest.replace("certificate-", "certificate.").replace("-failed", ".failed");
    ["domain.", &rest.replace("-completed", ".completed")].concat()
}

const NO_IDENTITY: &str = "`payload.project.id`, `payload.team.id` or the id of the alert or domain";

fn no_identity() -> MapError {
    MapError::NoIdentity { item: String::new(), fields: NO_IDENTITY }
}

fn deployment(body: Node<'_>, payload: Node<'_>, what: &str) -> Result<Mapped, MapError> {
    let target = payload.get("target").text();
    let checks = what.strip_prefix("checks.");
    let changed = match what {
        "promoted" => Some("was promoted"),
        "rollback" => Some("was rolled back"),
        _ => None,
    };
    let outcome = outcomes::of(checks.unwrap_or(what), deployments::OUTCOMES);
    let is_preview = target.is_none() && payload.members().is_some_and(|members| members.contains_key("target"));
    match outcome {
        Err(reason) if changed.is_none() => return Ok(Mapped::nothing(reason)),
        _ if is_preview => return Ok(Mapped::nothing("a preview: its author sees it on Vercel")),
        _ => {}
    }
    let project =
        payload.pick(&["project.id", "projectId", "project.name", "deployment.name"]).ok_or_else(no_identity)?;
    let place = target.as_deref().unwrap_or("unknown");
    let mut parts = vec![project.as_str(), "deployment", place];
    parts.extend(checks.map(|_| "checks"));
    let key = DedupKey::new(SOURCE.slug, &parts).ok_or_else(no_identity)?;
    let (name, branch) = (name(payload), payload.pick(BRANCH));
    let sentence = |phrase: &str, why: Option<&str>| {
        text::join_prefixed(&[
            ("", Some(if checks.is_some() { "Checks of the deployment of" } else { "Deployment of" })),
            (" ", Some(&name)),
            (" to ", target.as_deref()),
            (" ", Some(phrase)),
            (" on ", branch.as_deref()),
            (": ", why),
        ])
    };
    let why = payload.pick(&["error.message", "errorMessage"]).or_else(|| payload.pick(MESSAGE));
    let why = why.as_deref().map(text::first_line);
    let dress = |event: Event| dress(event, body, payload, &name, "deployment");
    let (action, phrase) = match (changed, outcome) {
        (None, Ok(outcome)) => outcome,
        (phrase, _) => {
            let summary = sentence(phrase.unwrap_or_default(), why);
            return Ok(Mapped::one(dress(Event::change(&summary, &name))));
        }
    };
    let severity = deployments::severity(target.as_deref());
    let deployment = Deployment { key, action, severity, summary: sentence(phrase, why), source: name.clone() };
    Ok(deployment.map(what == "succeeded", &dress))
}

/// An event that is not about a deployment.
fn other(body: Node<'_>, payload: Node<'_>, kind: &str) -> Result<Mapped, MapError> {
    let succeeded = kind.trim_end_matches(".failed");
    let (action, severity, identity, noun) = match kind {
        ALERTS => (Action::Trigger, Severity::Error, "alerts", "Alert"),
        "firewall.attack" | "attack.detected" => (Action::Trigger, Severity::Critical, "attack", "Attack"),
        "budget.reached" => (Action::Trigger, Severity::Warning, "budget", "Budget reached"),
        "budget.reset" => (Action::Resolve, Severity::Warning, "budget", "Budget reset"),
        _ if kind.contains("anomaly") => (Action::Trigger, Severity::Error, kind, "Anomaly"),
        _ if succeeded != kind => (Action::Trigger, Severity::Error, succeeded, kind),
        "domain.transfer-in.completed" => (Action::Resolve, Severity::Error, "domain.transfer-in", kind),
        _ if RENEWED.contains(&kind) => (Action::Resolve, Severity::Error, kind, kind),
        _ => return Ok(Mapped::nothing(NOT_AN_ALERT)),
    };
    let title = payload.pick(TITLES);
    // The domain alone identifies its certificate, in whatever project.
    let is_domain = identity.starts_with("domain.");
    let project = payload.pick(&["project.id", "projectId"]).filter(|_| !is_domain).unwrap_or_default();
    // Without an id, each event is an alert of its own, so that no alert hides another.
    let names = names_of_certificate(payload);
    let id = payload.pick(IDS).or_else(|| body.get("id").text().filter(|_| identity == "alerts"));
    let team = || payload.pick(&["team.id", "user.id"]).filter(|_| project.is_empty());
    let ids = match id {
        None if !names.is_empty() => names,
        id => vec![id.or_else(team).unwrap_or_default()],
    };
    let parts: Vec<&str> = [project.as_str(), identity].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let is_known = !project.is_empty() || ids.iter().any(|id| !id.is_empty());
    let key = DedupKey::new(SOURCE.slug, &parts).filter(|_| is_known).ok_or_else(no_identity)?;
    let given = payload.pick(&["alert.severity", "severity", "alert.level", "level"]);
    let severity = given.as_deref().and_then(Severity::from_word).unwrap_or(severity);
    let name = name(payload);
    let title = title.filter(|title| *title != name);
    let summary =
        text::join_prefixed(&[("", Some(noun)), (": ", Some(&name)), (": ", title.as_deref().map(text::first_line))]);
    Ok(Mapped::one(dress(Event::new(action, key, severity, &summary, &name), body, payload, &name, kind)))
}

/// The alerts of one delivery: each has an id of its own. None of them closes.
fn alerts(delivery: &Authenticated<'_>, body: Node<'_>, items: &[Value]) -> Result<Mapped, MapError> {
    // The event of each alert repeats all the rest.
    let shared = Value::Object(budget::shared(&budget::without(body.get("payload"), &["alerts"]), items.len()));
    let payload = Node::root(&shared);
    let (project, name) = (payload.pick(&["project.id", "projectId"]).unwrap_or_default(), name(payload));
    let whole = body.get("id").text().or_else(|| payload.get("groupId").text());
    let (mut budget, mut mapped) = (Budget::of(delivery), Mapped::default());
    for (index, item) in items.iter().map(Node::root).enumerate() {
        // Without an id, each is an alert of its own, so that no alert hides another.
        let number = || Some([whole.as_deref()?, ":", &index.to_string()].concat());
        let id = item.first_text(&["alertId", "id"]).or_else(number).ok_or_else(no_identity)?;
        let key = DedupKey::new(SOURCE.slug, &[&project, "alerts", &id]).ok_or_else(no_identity)?;
        let severity = item.first_text(&["severity", "level"]).and_then(|word| Severity::from_word(&word));
        let title = item.pick(&["title", "type", "metric"]).unwrap_or_default();
        let summary = ["Alert: ", &name, ": ", text::first_line(&title)].concat();
        let event = Event::new(Action::Trigger, key, severity.unwrap_or(Severity::Error), &summary, &name);
        let event = dress(event, body, payload, &name, ALERTS).timestamp(item.get("startedAt").time());
        mapped.events.push(budget.fit(event.details(item, ALERT_DETAILS)).of_item("payload.alerts", index));
    }
    Ok(mapped)
}

/// The names of the certificate that an event is about. A failure lists them in `dnsNames`, and a success in the
/// certificate.
fn names_of_certificate(payload: Node<'_>) -> Vec<String> {
    let names = payload.get("dnsNames").items().or_else(|| payload.at("cert.cns").items()).unwrap_or_default();
    names.iter().filter_map(|name| Node::root(name).text()).collect()
}

/// The name of the project, the domain or the certificate.
fn name(payload: Node<'_>) -> String {
    const NAMES: &[&str] = &["project.name", "projectName", "projectSlug", "deployment.name", "domain.name", "domain"];
    let id = || payload.pick(&["project.id", "projectId", "team.name"]);
    let certificate = || Some(names_of_certificate(payload).join(", ")).filter(|names| !names.is_empty());
    payload.pick(NAMES).or_else(certificate).or_else(id).unwrap_or_else(|| SOURCE.name.to_owned())
}

/// Adds the fields that an alert event and a change event share.
fn dress(event: Event, body: Node<'_>, payload: Node<'_>, name: &str, class: &str) -> Event {
    // The deployment's URL has no scheme in some events.
    let url = payload.at("deployment.url").text();
    let url = url.map(|url| if url.contains("://") { url } else { ["https://", &url].concat() });
    let event = event
        .component(Some(name.to_owned()))
        .group(payload.pick(&["team.name", "teamSlug"]))
        .class(Some(class.to_owned()))
        .timestamp(body.get("createdAt").time())
        .details(body, &["region"])
        .details(payload, DETAILS)
        .detail("branch", payload.pick(BRANCH).into())
        .client(SOURCE.name, payload.at("links.project").text());
    let event = LINKS.iter().fold(event, |event, (text, path)| event.link(text, payload.at(path).text()));
    event.link("Deployed site", url)
}
