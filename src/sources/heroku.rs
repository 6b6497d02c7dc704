//! Heroku app webhooks.
//!
//! # Wire format
//!
//! <https://devcenter.heroku.com/articles/app-webhooks> and the examples at
//! <https://devcenter.heroku.com/articles/webhook-events>, read 2026-11. One delivery is one event: `resource` is its kind
//! (`release`, `build`, `dyno`, `formation` …), `action` is `create`, `update` or `destroy`, and `data` is the object in
//! the format of the Platform API. Heroku signs the body in base64, without a timestamp, and can send a fixed
//! `Authorization` too. With level `sync` it retries for up to 72 hours, with `notify` it never does. Its timeout is not
//! documented.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action of releases and builds | `data.status`: `succeeded` resolves, `failed` triggers |
//! | action of dynos | `data.state`: `crashed` triggers. `up` resolves. With `action` `destroy`, `down` resolves. A one-off dyno resolves only with `destroy` and `exit_status` 0 |
//! | change event | in addition to the resolve, for the `update` of a release. Heroku sends a `create` before it |
//! | severity | a dyno of type `web` critical, `run` (somebody's command) warning, all others error |
//! | summary | the kind, the version of a release or the name of a dyno, the outcome, the app, the description or the exit status |
//! | source, client URL | the app's name, the app in Heroku's dashboard |
//! | component, group, class | the dyno's name or the app; the app; `release`, `build`, `dyno` |
//! | timestamp | `data.updated_at`, else `updated_at`, `created_at` |
//! | details | the useful members of the object, without output streams |
//!
//! # Dedup key
//!
//! `heroku:<app id>:release`, `:build`, or `:dyno:<name>`: the next success closes the alert of a failure. The name of a
//! one-off dyno (types `run`, `scheduler`, `release`) is new each time, so its alert has
//! `heroku:<app id>:dyno:<type>:<SHA-256 of the command>`, and the next run of the same command that exits with 0 closes
//! it. The app's name replaces its id if that is missing. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Status `pending` and `expired`, state `starting`: "not finished", "no verdict".
//! * State `idle`, and `down` without `destroy`: "no verdict".
//! * A one-off dyno that is `up`: "not finished".
//! * Words that are in none of these lists: "unknown word". They were compared with the Platform API's reference.
//! * All other resources (`formation`, `addon`, `domain` …): "not about an alert".
//! * A one-off command that is never run again leaves its alert open, and so does a dyno that was renamed. Somebody has to
//!   close them.
//! * `actor` and `user` (people's addresses), `output_stream_url` and `source_blob.url` (signed URLs) are never copied.
//!   Neither is a command that somebody typed (type `run`). Long words of other commands are masked.
//! * A body without `resource` or without an app is rejected.
//! * Uncertain: the members and states of dynos come from the Platform API and from one public receiver; `exit_status` is
//!   not in Heroku's own examples.

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::deployments::{self, Deployment};
use crate::mapping::outcomes::{self, NO_VERDICT, Outcome, Outcomes, UNFINISHED};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Heroku.
pub const SOURCE: Source = Source {
    slug: "heroku",
    name: "Heroku",
    docs: "https://devcenter.heroku.com/articles/app-webhooks",
    schemes: &[Scheme::Hmac(&SIGNATURE), Scheme::BEARER],
    setup: Setup {
        triggers: "releases and builds that `failed`, dynos that `crashed`",
        resolves: "the next success; a dyno that is `up` or gone",
        steps: "For each app run `heroku webhooks:add -i api:release,api:build,api:dyno -l sync -u {url} -s <the secret>`.\n\
                Level `sync` makes Heroku retry, `notify` does not.\n\
                A one-off command that crashed and never runs again leaves its alert open: close it by hand.",
        template: None,
    },
    map,
    // With level `sync`, for up to 72 hours.
    retries: true,
    states: &["succeeded", "failed", "pending", "expired", "crashed", "up", "down", "idle", "starting"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "heroku-webhook-hmac-sha256",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Base64,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

/// The states of dynos that run until somebody stops them.
const DYNOS: &Outcomes = &[
    (&["crashed"], Ok((Action::Trigger, "crashed"))),
    (&["up"], Ok((Action::Resolve, "is up"))),
    (&["starting", "provisioning"], Err(UNFINISHED)),
    (&["down", "idle"], Err(NO_VERDICT)),
];

/// The types of dynos that run one command, each with a new name.
const ONE_OFF: &[&str] = &["release", "run", "scheduler"];

const DETAILS: &[&str] = &[
    "status",
    "state",
    "description",
    "version",
    "current",
    "stack",
    "release.version",
    "commit=slug.commit",
    "commit=source_blob.version",
    "name",
    "type",
    "size",
    "exit_status",
    "exit_code",
];

const FIELDS: &str = "`data.app.id` and, for a dyno, `data.name`";

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let resource = payload.get("resource").text().ok_or(MapError::Shape { expected: "an event with `resource`" })?;
    let data = payload.get("data");
    let destroyed = payload.get("action").text().as_deref() == Some("destroy");
    let outcome = match resource.as_str() {
        "release" | "build" => outcomes::of(&word(data, "status"), deployments::OUTCOMES),
        "dyno" => dyno(data, destroyed),
        _ => Err("not about an alert: an event of another resource"),
    };
    let (action, phrase) = match outcome {
        Ok(known) => known,
        Err(reason) => return Ok(Mapped::nothing(reason)),
    };
    let no_identity = MapError::NoIdentity { item: String::new(), fields: FIELDS };
    let key = key(&resource, data).ok_or(no_identity)?;
    let app = data.pick(&["app.name", "app.id"]).unwrap_or_default();
    let kind = word(data, "type");
    let severity = match (resource.as_str(), kind.as_str()) {
        ("dyno", "web") => Severity::Critical,
        ("dyno", "run") => Severity::Warning,
        _ => Severity::Error,
    };
    let version = data.get("version").text().map(|version| ["v", &version].concat());
    let exit = data.pick(&["exit_status", "exit_code"]).map(|code| ["exit status ", &code].concat());
    let noun = match resource.as_str() {
        "release" => "Release",
        "build" => "Build",
        _ => "Dyno",
    };
    let dyno_name = data.get("name").text().filter(|_| resource == "dyno");
    let summary = text::join_prefixed(&[
        ("", Some(noun)),
        (" ", dyno_name.as_deref().or(version.as_deref())),
        (" ", Some(phrase)),
        (" on ", Some(&app)),
        (": ", data.get("description").text().or(exit).as_deref()),
    ]);
    let page = data.at("app.name").text().map(|name| ["https://dashboard.heroku.com/apps/", &name].concat());
    // Somebody may have typed a password. The other commands are those of the app.
    let command = data.get("command").text().filter(|_| kind != "run");
    let command = command.map(|command| text::masked(text::first_line(&command)));
    let changed = resource == "release" && payload.get("action").text().as_deref() == Some("update");
    let dress = |event: Event| {
        let time = data.get("updated_at").time();
        let time = time.or_else(|| payload.get("updated_at").time()).or_else(|| payload.get("created_at").time());
        event
            .component(dyno_name.clone().or_else(|| Some(app.clone())))
            .group(Some(app.clone()))
            .class(Some(resource.clone()))
            .timestamp(time)
            .details(data, DETAILS)
            .detail("command", command.clone().into())
            .client(SOURCE.name, page.clone())
    };
    Ok(Deployment { key, action, severity, summary, source: app.clone() }.map(changed, &dress))
}

fn word(data: Node<'_>, member: &str) -> String {
    data.get(member).text().unwrap_or_default().to_ascii_lowercase()
}

/// The outcome of a dyno.
fn dyno(data: Node<'_>, destroyed: bool) -> Outcome {
    let state = word(data, "state");
    let exited_with_0 = || data.pick(&["exit_status", "exit_code"]).as_deref() == Some("0");
    match (is_one_off(data), state.as_str()) {
        (_, "crashed") => {}
        (true, "up") => return Err(UNFINISHED),
        (true, _) if destroyed && exited_with_0() => return Ok((Action::Resolve, "has finished")),
        (false, "down") if destroyed => return Ok((Action::Resolve, "is gone")),
        _ => {}
    }
    outcomes::of(&state, DYNOS)
}

fn is_one_off(data: Node<'_>) -> bool {
    ONE_OFF.contains(&word(data, "type").as_str())
}

fn key(resource: &str, data: Node<'_>) -> Option<DedupKey> {
    let app = data.pick(&["app.id", "app.name"])?;
    if resource != "dyno" {
        return DedupKey::new(SOURCE.slug, &[&app, resource]);
    }
    let Some(command) = data.get("command").text().filter(|_| is_one_off(data)) else {
        return DedupKey::new(SOURCE.slug, &[&app, resource, &data.get("name").text()?]);
    };
    let command = text::sha256_hex(command.as_bytes());
    DedupKey::new(SOURCE.slug, &[&app, resource, &word(data, "type"), &command])
}
