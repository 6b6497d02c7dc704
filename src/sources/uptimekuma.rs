//! Uptime Kuma: the notification type Webhook.
//!
//! # Wire format
//!
//! <https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/webhook.js>, read 2026-11:
//! `{heartbeat, monitor, msg}` as JSON, as JSON in field `data` of a form, or by `GET` as parameters, of which the
//! first two are JSON. The test button and notices about expiring certificates and domains have no heartbeat; only
//! `msg` is certain. A custom body with these names is mapped in the same way. So is one with `msg`, `name` and
//! `status` at its top level, which are the names of its variables. Uptime Kuma never retries.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `heartbeat.status` (`status`): 0 or `🔴 Down` triggers, 1 or `✅ Up` resolves; if it is absent or unknown, `[✅ Up]` in `msg` resolves and any other value triggers |
//! | severity | the value of the monitor's tag `severity` by [`Severity::from_word`], else critical; warning for a notice of expiry or a test |
//! | summary | the monitor's name, up or down, the source, the first line of `heartbeat.msg`; without a heartbeat that of `msg` |
//! | source | `monitor.hostname` (with the port if the type is `port`), else the host of `monitor.url`, `Uptime Kuma` |
//! | component, group, class | the monitor's name, the groups above it in `monitor.pathName`, `monitor.type` |
//! | timestamp | `heartbeat.time`, which is UTC and has no zone |
//! | links | `monitor.url`, except with user information or a query, which may contain a secret |
//! | client | Uptime Kuma; its address is not in the payload |
//! | details | status, message, ping, duration and retries of the heartbeat; path, description, keyword and tags of the monitor |
//!
//! The monitor has members for request headers, bodies, passwords and connection strings. None of them is sent on. The
//! text of a notice about a certificate contains the monitor's URL, and the mapping does not parse it.
//!
//! # Dedup key
//!
//! `uptimekuma:<monitor.id>`, or `heartbeat.monitorID`, which is the same number. Uptime Kuma's own PagerDuty provider
//! uses the same identity. Its severity is a setting (default warning); a service that is down is critical here.
//! Without an id, the key is `uptimekuma::` and the monitor's name from `msg`. The key of a notice is its text up to `
//! will `, so that 14 days and 7 days are one alert; that of a test is its whole text. The sender resolves neither of
//! them. A `:` inside a part becomes `%3A`. A monitor without an id and a notice with the same text are one alert.
//!
//! # Not mapped
//!
//! * Status 2 and 3: "the monitor is pending or in maintenance".
//! * A monitor that is paused or deleted while it is down: Uptime Kuma sends nothing, so the alert stays open.
//! * Two Uptime Kumas use the same numbers for their monitors: give each one a service of its own.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::http::url;
use crate::json::Node;
use crate::mapping::{MapError, Mapped, parse, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Uptime Kuma.
pub const SOURCE: Source = Source {
    slug: "uptimekuma",
    name: "Uptime Kuma",
    docs: "https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/webhook.js",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "status 0 (down); notices of expiry; the test button",
        resolves: "status 1 (up)",
        steps: "Under Settings, Notifications, set up one of type Webhook with Post URL {url} and body `Preset - application/json`.\n\
                Under Additional Headers enter `{\"X-Webhook-Secret\": \"<the secret>\"}`.\n\
                A monitor that is down is critical; give it a tag `severity` with value `error`, `warning` or `info` where it is not.",
        template: None,
    },
    by_get: true,
    map,
    states: &["1", "0", "✅ Up", "🔴 Down"],
    ..Source::DEFAULT
};

/// Statuses: numbers in a heartbeat, words in a custom body.
const STATES: &[(&str, (Action, &str))] = &[
    ("0", (Action::Trigger, "is down")),
    ("1", (Action::Resolve, "is up")),
    ("✅ Up", (Action::Resolve, "is up")),
    ("🔴 Down", (Action::Trigger, "is down")),
];

/// The text that follows the subject in `msg`: `[name] [✅ Up] …`, `… will expire in 7 days`.
const MARKS: &[(&str, Action, Severity)] = &[
    ("] [✅ Up]", Action::Resolve, Severity::Critical),
    ("] [🔴 Down]", Action::Trigger, Severity::Critical),
    (" will ", Action::Trigger, Severity::Warning),
];

/// Details that are safe to send. A monitor contains passwords too.
const DETAILS: &[&str] = &[
    "status",
    "heartbeat.status",
    "heartbeat.msg",
    "heartbeat.ping",
    "heartbeat.duration",
    "heartbeat.retries",
    "monitor.pathName",
    "monitor.description",
    "monitor.keyword",
    "monitor.tags",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = unpacked(payload(delivery)?);
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `heartbeat`, `monitor` and `msg`" })?;

    let heartbeat = payload.get("heartbeat").members().map(|_| String::new());
    let status = payload.pick(&["heartbeat.status", "status"]).or(heartbeat);
    if matches!(status.as_deref(), Some("2" | "3")) {
        return Ok(Mapped::nothing("the monitor is pending or in maintenance"));
    }
    let msg = payload.get("msg").text().unwrap_or_default();
    let marked = MARKS.iter().find_map(|(mark, action, severity)| Some((msg.split_once(mark)?.0, *action, *severity)));
    let (mut about, mut action, mut severity) = marked.unwrap_or((&msg, Action::Trigger, Severity::Warning));
    let mut former = about.trim_start_matches('[');
    // The name itself may begin with a bracket.
    about = about.strip_prefix('[').unwrap_or(about);

    let name = payload.pick(&["monitor.name", "name"]);
    let (mut id, mut state) = (None, "");
    if let Some(status) = status {
        (action, state) = text::lookup(STATES, &status).unwrap_or((action, "is in an unknown state"));
        severity = tagged(payload).unwrap_or(Severity::Critical);
        // A notice about expiry contains the monitor too, and the monitor's next heartbeat must not resolve it.
        id = payload.pick(&["monitor.id", "heartbeat.monitorID"]);
        (about, former) = name.as_deref().map_or((about, former), |name| (name, name));
    }
    let key = match &id {
        Some(id) => DedupKey::new(SOURCE.slug, &[id]),
        None => DedupKey::new(SOURCE.slug, &["", about]).map(|key| key.formerly(SOURCE.slug, &["", former])),
    };
    let key = key.ok_or(MapError::NoIdentity { item: String::new(), fields: "`monitor.id` or `msg`" })?;

    let source_field = source_field(payload);
    let summary = match payload.at("heartbeat.msg").text() {
        None if !msg.is_empty() => text::first_line(&msg).to_owned(),
        why => {
            let who = name.clone().unwrap_or_else(|| ["Monitor ", id.as_deref().unwrap_or_default()].concat());
            let source_field = source_field.as_ref().map(|place| [" (", place, ")"].concat()).unwrap_or_default();
            let why = why.map(|why| [": ", text::first_line(&why)].concat()).unwrap_or_default();
            [&who, " ", state, &source_field, &why].concat()
        }
    };
    let path = payload.at("monitor.pathName").text();
    let group = path.as_deref().and_then(|path| path.strip_suffix(name.as_deref()?)?.strip_suffix(" / "));

    let event = Event::new(action, key, severity, &summary, source_field.as_deref().unwrap_or(SOURCE.name))
        .component(name.clone())
        .group(group.map(str::to_owned))
        .class(payload.at("monitor.type").text())
        .timestamp(payload.at("heartbeat.time").text().map(|time| [time.trim_end_matches('Z'), "Z"].concat()))
        .link("Monitored page", payload.at("monitor.url").text().filter(|url| !url.contains(['@', '?'])))
        .client(SOURCE.name, None)
        .details(payload, DETAILS);
    Ok(Mapped::one(event))
}

/// The payload with heartbeat and monitor as JSON. By `GET`, they arrive as text.
fn unpacked(mut payload: Value) -> Value {
    for name in ["heartbeat", "monitor"] {
        let json = payload.get(name).and_then(Value::as_str).map(|text| parse(text.as_bytes()).unwrap_or_default());
        if let (Some(json), Some(source_field)) = (json, payload.get_mut(name)) {
            *source_field = json;
        }
    }
    payload
}

/// The monitored host, with its port if the port is monitored.
fn source_field(payload: Node<'_>) -> Option<String> {
    let monitor = payload.get("monitor");
    let host = || Some(url::url_host(&monitor.get("url").text()?)?.to_owned());
    let source_field = monitor.get("hostname").text().or_else(host)?;
    match monitor.get("port").text() {
        Some(port) if monitor.get("type").text().as_deref() == Some("port") => {
            Some([&source_field, ":", &port].concat())
        }
        _ => Some(source_field),
    }
}

/// The severity from the monitor's tag `severity`.
fn tagged(payload: Node<'_>) -> Option<Severity> {
    let mut tags = payload.at("monitor.tags").items()?.iter().map(Node::root);
    let tag = tags.find(|tag| tag.get("name").text().is_some_and(|name| name.eq_ignore_ascii_case("severity")))?;
    Severity::from_word(&tag.get("value").text()?)
}
