//! Datadog monitors, through its Webhooks integration.
//!
//! # Wire format
//!
//! <https://docs.datadoghq.com/integrations/webhooks/>, read 2026-11. The user writes the body, with `$VARIABLES` in
//! it, or keeps the default: `{id, title, body, event_type, date, last_updated, org: {id, name}}`. A form with the same
//! names is the other encoding. People name the members after the variables, so case, `_` and nesting do not count
//! here: `ALERT_SCOPE`, `alertScope` and `alert: {scope}` all mean `alert_scope`. Unexpanded variables count as absent.
//! So do `null` and `(Null)`, Datadog's values for a variable that does not apply. Datadog retries a 5xx; the page does
//! not say how often. It retries a failed connection five times.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `alert_transition`, `transition`, else the state in the title: `Recovered` resolves, `Triggered`, `Re-Triggered`, `Warn`, `Re-Warn`, `No Data`, `Re-No Data`, `Renotify` trigger. Without one of these words, `alert_type` `success` resolves and any other value triggers |
//! | severity | `alert_priority`, `priority`, else the priority in the title: `P1` critical, `P2` error, `P3` warning, `P4` and `P5` info. Without one, `alert_type`: `error` error, `warning` warning, `success` and `info` info, else error. For `Warn` and `No Data` at most warning |
//! | summary | `event_title`, `alert_title`, `title` without priority and state, else the first line of `alert_status` or the message; the scope, else the host, in parentheses; no `@mentions`; prefix "No data: " if that is the state |
//! | source | `hostname`, else tag `host`, the scope, `Datadog` |
//! | component | tag `service` |
//! | group | tag `env`, else `team` |
//! | class | `alert_metric`, else `event_type` |
//! | timestamp | `date`, `date_posix`, `last_updated` |
//! | links, images | `link`, else `event_url`, `alert_url`, `url`; `snapshot` |
//! | client, client URL | Datadog, the link |
//! | details | message without mentions of e-mail addresses, monitor, query, status, scope, tags, priority, type, transition, event type, organisation |
//!
//! A title is `[P2] [Triggered on {host:db-1}] Disk almost full`: priority, state, scope, the monitor's name. The scope
//! is `alert_scope`, else that of the title. Tags are those of the scope and `tags`.
//!
//! # Dedup key
//!
//! `datadog:<alert_cycle_key>`, which identifies a group from its trigger to its recovery; else `datadog:<aggreg_key>`,
//! which identifies a group of a monitor; else `datadog::<alert_id>:<scope>`. `alert_id` alone would be the same for
//! all groups of a monitor. `id` is the event's, and a new one each time. Renotifications keep all three. A `:` inside
//! a part, as in the scope `host:db-1`, becomes `%3A`. Equal values of the two keys are one alert.
//!
//! The default payload has none of them. The best key there is `datadog:::<org.id>:<scope>:<name>` from the title. Two
//! monitors with one name share it. So do the groups of a monitor that omits its tags from titles. An alert with a
//! measured value in its name never resolves. Paste the template.
//!
//! # Not mapped
//!
//! * A title that is `$EVENT_TITLE` or `$ALERT_TITLE`, without another identity: "test with unfilled variables". Every
//!   event has a title, so this loses no alert.
//! * Any other body without an identity is rejected. A body with unexpanded variables triggers an alert that reports
//!   them, the same alert for all such bodies.
//! * Incidents and security signals are mapped like events of monitors, as far as they have these variables.
//! * A monitor's test notification looks like an alert and triggers one.
//! * Datadog does not document the keys and severities of its own PagerDuty integration; these are ours.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Datadog.
pub const SOURCE: Source = Source {
    slug: "datadog",
    name: "Datadog",
    docs: "https://docs.datadoghq.com/integrations/webhooks/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`Triggered`, `Warn`, `No Data`, their `Re-` forms, `Renotify`",
        resolves: "`Recovered`",
        steps: "Under Integrations, Webhooks, add one with URL {url}, and paste the payload.\n\
                Under Custom Headers enter `{\"X-Webhook-Secret\": \"…\"}` with the secret.\n\
                Write `@webhook-` and its name into the message of each monitor, outside of `{{#is_alert}}`: recoveries have to be sent too.",
        template: Some(
            r#"{"alert_cycle_key": "$ALERT_CYCLE_KEY", "aggreg_key": "$AGGREG_KEY", "alert_id": "$ALERT_ID", "alert_transition": "$ALERT_TRANSITION", "alert_type": "$ALERT_TYPE", "alert_priority": "$ALERT_PRIORITY", "alert_scope": "$ALERT_SCOPE", "alert_metric": "$ALERT_METRIC", "alert_query": "$ALERT_QUERY", "alert_status": "$ALERT_STATUS", "event_title": "$EVENT_TITLE", "event_type": "$EVENT_TYPE", "text": "$TEXT_ONLY_MSG", "hostname": "$HOSTNAME", "tags": "$TAGS", "date": "$DATE", "link": "$LINK", "snapshot": "$SNAPSHOT", "org_name": "$ORG_NAME"}"#,
        ),
    },
    patience: Duration::from_secs(15),
    map,
    // It retries a 5xx. The page does not say how often.
    retries: true,
    states: &[
        "Recovered",
        "Triggered",
        "Warn",
        "No Data",
        "Renotify",
        "success",
        "P1",
        "P2",
        "P3",
        "P4",
        "P5",
        "error",
        "warning",
    ],
    ..Source::DEFAULT
};

/// The action of a state, its prefix for the summary, and its highest severity.
type State = (Action, &'static str, Severity);

const FIRING: State = (Action::Trigger, "", Severity::Critical);
const NO_DATA: State = (Action::Trigger, "No data: ", Severity::Warning);
const OVER: State = (Action::Resolve, "", Severity::Critical);
const WARNING: State = (Action::Trigger, "", Severity::Warning);

const STATES: &[(&str, State)] = &[
    ("No Data", NO_DATA),
    ("Re-No Data", NO_DATA),
    ("Re-Triggered", FIRING),
    ("Re-Warn", WARNING),
    ("Recovered", OVER),
    ("Renotify", FIRING),
    ("Triggered", FIRING),
    ("Warn", WARNING),
];

const PRIORITIES: &[(&str, Severity)] = &[
    ("P1", Severity::Critical),
    ("P2", Severity::Error),
    ("P3", Severity::Warning),
    ("P4", Severity::Info),
    ("P5", Severity::Info),
];

const TYPES: &[(&str, Severity)] = &[
    ("error", Severity::Error),
    ("info", Severity::Info),
    ("success", Severity::Info),
    ("warning", Severity::Warning),
];

const PRIORITY: &[&str] = &["alertpriority", "priority"];
const TRANSITION: &[&str] = &["alerttransition", "transition"];
const TYPE: &[&str] = &["alerttype"];
const TITLES: &[&str] = &["eventtitle", "alerttitle", "title"];
const LINKS: &[&str] = &["link", "eventurl", "alerturl", "url"];

const DETAILS: &[&str] = &[
    "monitor_id=alertid",
    "query=alertquery",
    "status=alertstatus",
    "scope=alertscope",
    "tags",
    "type=alerttype",
    "event_type=eventtype",
    "organisation=orgname",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = payload(delivery)?;
    let mut fields = Map::new();
    gather("", Node::root(&payload), &mut fields)
        .ok_or(MapError::Shape { expected: "an object with `alert_cycle_key` or `title`" })?;
    let fields = Value::Object(fields);
    let title = Node::root(&fields).first_text(TITLES).unwrap_or_default();
    // Datadog expands this variable for every real event.
    let is_test = matches!(title.as_str(), "$EVENT_TITLE" | "$ALERT_TITLE");
    let fields = unexpanded::without_unexpanded(fields);
    let fields = Node::root(&fields);
    let title = text::one_line(&fields.first_text(TITLES).unwrap_or_default());
    let alert = Alert::read(fields, &title);
    let Some(key) = alert.key() else {
        let fields = "`alert_cycle_key`, `aggreg_key`, `alert_id` or `title`";
        let test = || Ok(Mapped::nothing("test with unfilled variables"));
        return if is_test { test() } else { unidentified((SOURCE.slug, SOURCE.name), &payload, fields) };
    };

    let (action, prefix, worst) = alert.state();
    let message = alert.message();
    let summary = alert.summary(prefix, &message);
    let tags = [&alert.scope, ",", &alert.field(&["tags"])].concat();
    let source_field = fields.get("hostname").text().or_else(|| tag(&tags, "host")).unwrap_or(alert.scope.clone());
    let source_field = if source_field.is_empty() { SOURCE.name } else { &source_field };
    let link = fields.first_text(LINKS);
    let event = Event::new(action, key, alert.severity().min(worst), &summary, source_field)
        .component(tag(&tags, "service"))
        .group(tag(&tags, "env").or_else(|| tag(&tags, "team")))
        .class(fields.first_text(&["alertmetric", "eventtype"]))
        .timestamp(["date", "dateposix", "lastupdated"].into_iter().find_map(|name| fields.get(name).time()))
        .details(fields, DETAILS)
        .detail("message", message.trim().into())
        .detail("priority", alert.field(PRIORITY).into())
        .detail("transition", alert.field(TRANSITION).into())
        .link("Event", link.clone())
        .image(fields.get("snapshot").text(), link.clone(), "Graph")
        .client(SOURCE.name, link);
    Ok(Mapped::one(event))
}

/// An alert, from the delivery's fields and its title.
struct Alert<'a> {
    fields: Node<'a>,
    title: Title<'a>,
    /// The affected group of the monitor. Empty for the whole monitor.
    scope: String,
}

impl<'a> Alert<'a> {
    fn read(fields: Node<'a>, title: &'a str) -> Self {
        let title = Title::read(title);
        let scope = fields.get("alertscope").text().unwrap_or(title.scope.to_owned());
        // The scope of a monitor without groups.
        let scope = if scope == "*" { String::new() } else { scope };
        Alert { fields, title, scope }
    }

    /// The text of the first of these fields that has one. Returns an empty text if none has.
    fn field(&self, names: &[&str]) -> String {
        self.fields.first_text(names).unwrap_or_default()
    }

    fn key(&self) -> Option<DedupKey> {
        let own = self.field(&["alertcyclekey", "aggregkey"]);
        let (monitor, organisation) = (self.field(&["alertid"]), self.field(&["orgid"]));
        let parts: &[&str] = match (own.as_str(), monitor.as_str(), self.title.name) {
            ("", "", "") => &[],
            ("", "", name) => &["", "", &organisation, &self.scope, name],
            ("", monitor, _) => &["", monitor, &self.scope],
            (own, ..) => &[own],
        };
        DedupKey::new(SOURCE.slug, parts)
    }

    fn state(&self) -> State {
        let state = text::lookup(STATES, &self.field(TRANSITION)).or(text::lookup(STATES, self.title.state));
        let success = self.field(TYPE).eq_ignore_ascii_case("success");
        state.unwrap_or(if success { OVER } else { FIRING })
    }

    fn severity(&self) -> Severity {
        let priority =
            text::lookup(PRIORITIES, &self.field(PRIORITY)).or(text::lookup(PRIORITIES, self.title.priority));
        priority.or(text::lookup(TYPES, &self.field(TYPE))).unwrap_or(Severity::Error)
    }

    /// The message without Datadog's marks for Markdown, and without people's addresses, which are mentions of
    /// `@name@host`.
    fn message(&self) -> String {
        let noise = |word: &str| word.trim() == "%%%" || word.strip_prefix('@').is_some_and(|rest| rest.contains('@'));
        let message = self.field(&["textonlymsg", "text", "message", "eventmsg", "body"]);
        message.split_inclusive(char::is_whitespace).filter(|word| !noise(word)).collect()
    }

    fn summary(&self, prefix: &str, message: &str) -> String {
        let status = self.fields.get("alertstatus").text();
        let untitled = text::first_line(status.as_deref().unwrap_or(message));
        let name = if self.title.name.is_empty() { untitled } else { self.title.name };
        let host = || self.fields.get("hostname").text().filter(|host| !name.contains(host));
        let place = if self.scope.is_empty() { host() } else { Some(self.scope.clone()) };
        let (open, close) = if place.is_some() { (" (", ")") } else { ("", "") };
        [prefix, name, open, &place.unwrap_or_default(), close].concat()
    }
}

/// Collects every text by name, and the texts of a nested object also with the object's name as a prefix. Outer values
/// take precedence.
fn gather(outer: &str, object: Node<'_>, fields: &mut Map<String, Value>) -> Option<()> {
    for (name, _) in object.members()? {
        let value = object.get(name);
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let plain = plain.to_ascii_lowercase();
        let text =
            value.text().filter(|text| !text.eq_ignore_ascii_case("null") && !text.eq_ignore_ascii_case("(null)"));
        if let Some(text) = text {
            if outer.is_empty() {
                fields.insert(plain, text.into());
                continue;
            }
            for name in [[outer, &plain].concat(), plain] {
                fields.entry(name).or_insert_with(|| text.as_str().into());
            }
        } else {
            gather(&plain, value, fields);
        }
    }
    Some(())
}

/// The value of a tag in a comma-separated list of `name:value`.
fn tag(tags: &str, name: &str) -> Option<String> {
    let value = |tag: &str| tag.trim().strip_prefix(name)?.strip_prefix(':').map(str::to_owned);
    tags.split(',').find_map(value)
}

/// The parts of a title.
struct Title<'a> {
    priority: &'a str,
    state: &'a str,
    scope: &'a str,
    name: &'a str,
}

impl<'a> Title<'a> {
    /// Parses a title. Words in brackets before the state are not part of the name; those after the state are.
    fn read(title: &'a str) -> Title<'a> {
        let mut read = Title { priority: "", state: "", scope: "", name: title };
        let mut rest = title;
        while let Some((word, scope, after)) = bracket(rest) {
            rest = after.trim_start();
            if text::lookup(PRIORITIES, word).is_some() {
                read = Title { priority: word, name: rest, ..read };
            } else if text::lookup(STATES, word).is_some() {
                return Title { state: word, scope, name: rest, ..read };
            }
        }
        read
    }
}

/// Parses `[word]` or `[word on {scope}]`, and returns the rest too.
fn bracket(text: &str) -> Option<(&str, &str, &str)> {
    let inside = text.strip_prefix('[')?;
    let (word, rest) = inside.split_at_checked(inside.find(['{', ']'])?)?;
    let Some(scoped) = rest.strip_prefix('{') else { return Some((word, "", rest.strip_prefix(']')?)) };
    let (scope, after) = scoped.split_once('}')?;
    Some((word.strip_suffix(" on ")?, scope, after.strip_prefix(']')?))
}
