//! Zabbix: a media type of type Webhook (Zabbix 5.0 and later).
//!
//! # Wire format
//!
//! <https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook>, read 2026-11. There is
//! no default body: the user's script posts its parameters, whose values are macros. The template has the parameters of
//! the media type PagerDuty that Zabbix ships, without its key. This source also accepts those of the other shipped
//! media types (`event_id`, `event_value`, `event_nseverity`, …), short ones from guides (`status`, `trigger`, `link`)
//! and those of PagerDuty's older agent (`incident_key`, `event_type`, `details`). All values are text. A macro without
//! a value stays unexpanded (`{EVENT.ID}`, `{$ZABBIX.URL}`) or becomes `*UNKNOWN*`; both count as absent. If the script
//! throws, Zabbix makes three attempts, ten seconds apart, unless the media type's options say otherwise.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `eventvalue`, `status` or `event_type`: 0, `OK`, `RESOLVED` resolve, else an update (`eventupdate` 1, or `update_action`) with `eventack` `Yes` acknowledges, any other value triggers; "NOTE: Escalation cancelled" in `alert_message` resolves, because no recovery follows; discovery and autoregistration (`event_source` 1, 2) always trigger |
//! | severity | `severity`, `event_nseverity`: 0 and 1 info, 2 and 3 warning, 4 error, 5 critical, and Zabbix's names for them; else error, but info for discovery, autoregistration and internal events |
//! | summary | `eventname` (`trigger_name`, `title`, `alert_subject`, `trigger`, …), of several lines the one that begins with `Problem name:` or else the first; on the host; the operational data |
//! | source | `hostname`, else `hostip`, else `Zabbix` |
//! | component, class | the event's tags `component` and `scope` |
//! | links | the event in Zabbix, made of `url` and the two ids; `link` |
//! | client, client URL | Zabbix, `url` |
//! | details | further parameters, with severity and value unchanged; none that could contain a key or a password |
//!
//! `eventdate` and `eventtime` are in the server's own time zone, which the payload does not name, so they are only in
//! the details.
//!
//! # Dedup key
//!
//! `zabbix:<eventid>`. In recoveries and updates, `{EVENT.ID}` is also the problem's id. Zabbix's own PagerDuty media
//! type uses the same key without the prefix. The severities are the same too, except for unknown ones, which are info
//! there. Without an id, the key is `zabbix::<triggerid>:<hostname>`, where the trigger's id may be in `link`. Before
//! Zabbix 3.2, problem and recovery share only these. An `incident_key` consists of the same two. A `:` inside a part
//! becomes `%3A`.
//!
//! # Not mapped
//!
//! * An update that is not an acknowledgement (a comment, another severity): "update without an acknowledgement".
//!   Zabbix's own media type does not send it either.
//! * A body with neither id is rejected, because the names of problems change with their values. A body with unexpanded
//!   macros triggers an alert that reports them, the same alert for all such bodies.
//! * Two Zabbix servers use the same numbers for their events: give each one a service of its own.

use std::time::Duration;

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// Zabbix.
pub const SOURCE: Source = Source {
    slug: "zabbix",
    name: "Zabbix",
    docs: "https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "problem; discovery and autoregistration, where an action sends them",
        resolves: "recovery; a cancelled escalation (an update with acknowledgement acknowledges)",
        steps: "Under Alerts, Media types, clone PagerDuty, or create one of type Webhook, and give it the parameters below, each with its macro as the value.\n\
                Script: `var r = new HttpRequest(); r.addHeader('Content-Type: application/json'); r.addHeader('X-Webhook-Secret: <the secret>'); var a = r.post('{url}', value); if (r.getStatus() !== 200) throw a; return 'OK';`\n\
                Under Message templates add Problem, Problem recovery and Problem update, or nothing is sent (Zabbix 5.4 and later).\n\
                Set the global macro {$ZABBIX.URL}, and give a user this media.\n\
                Give the trigger action recovery and update operations to that user, or nothing closes.",
        template: Some(TEMPLATE),
    },
    // The time limit of a script.
    patience: Duration::from_secs(30),
    map,
    // It makes three attempts, ten seconds apart, unless the media type says otherwise.
    retries: true,
    states: &[
        "0",
        "1",
        "OK",
        "PROBLEM",
        "RESOLVED",
        "resolve",
        "acknowledge",
        "Yes",
        "5",
        "4",
        "3",
        "2",
        "Disaster",
        "High",
        "Average",
        "Warning",
        "Information",
    ],
    ..Source::DEFAULT
};

/// The parameters of Zabbix's own media type for PagerDuty.
const TEMPLATE: &str = r#"{
  "alert_message": "{ALERT.MESSAGE}",
  "event_source": "{EVENT.SOURCE}",
  "eventack": "{EVENT.ACK.STATUS}",
  "eventdate": "{EVENT.DATE}",
  "eventid": "{EVENT.ID}",
  "eventname": "{EVENT.NAME}",
  "eventtags": "{EVENT.TAGS}",
  "eventtime": "{EVENT.TIME}",
  "eventupdate": "{EVENT.UPDATE.STATUS}",
  "eventvalue": "{EVENT.VALUE}",
  "hostip": "{HOST.IP}",
  "hostname": "{HOST.NAME}",
  "severity": "{EVENT.NSEVERITY}",
  "triggerdesc": "{TRIGGER.DESCRIPTION}",
  "triggerid": "{TRIGGER.ID}",
  "triggeropdata": "{EVENT.OPDATA}",
  "url": "{$ZABBIX.URL}"
}"#;

/// Values of an event, their names, and types of PagerDuty's older events. Any other value is a problem.
const STATES: &[(&str, Action)] = &[
    ("0", Action::Resolve),
    ("acknowledge", Action::Acknowledge),
    ("OK", Action::Resolve),
    ("resolve", Action::Resolve),
    ("RESOLVED", Action::Resolve),
];

/// Severities by number and by Zabbix's names, which an administrator can change.
const SEVERITIES: &[(&str, Severity)] = &[
    ("0", Severity::Info),
    ("1", Severity::Info),
    ("2", Severity::Warning),
    ("3", Severity::Warning),
    ("4", Severity::Error),
    ("5", Severity::Critical),
    ("Average", Severity::Warning),
    ("Disaster", Severity::Critical),
    ("High", Severity::Error),
    ("Information", Severity::Info),
    ("Not classified", Severity::Info),
    ("Warning", Severity::Warning),
];

/// Details that are safe to send. Parameters of media types can contain keys, and those of proxies passwords.
const DETAILS: &[&str] = &[
    "alert_message",
    "description",
    "event_nseverity",
    "event_opdata",
    "event_severity",
    "event_source",
    "event_tags",
    "event_value",
    "eventack",
    "eventdate",
    "eventid",
    "eventtags",
    "eventtime",
    "eventvalue",
    "hostip",
    "item",
    "severity",
    "status",
    "tags",
    "trigger_description",
    "triggerdesc",
    "triggerid",
    "triggeropdata",
];

/// The parameters that name the problem, the best first.
const NAMES: &[&str] = &[
    "eventname",
    "event_name",
    "trigger_name",
    "triggername",
    "triggerName",
    "title",
    "alert_subject",
    "subject",
    "trigger",
    "description",
    "name",
    "alert_message",
    "message",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `eventid` and `eventvalue`" })?;
    let given = Parameters { payload, older: payload.get("details") };
    let host = given.first(&["hostname", "host_name", "hostName"]);
    let event = given.first(&["incident_key", "eventid", "event_id"]);
    let trigger = given.trigger();
    let key = match (event.is_empty(), trigger.is_empty()) {
        (false, _) => DedupKey::new(SOURCE.slug, &[&event]),
        (true, false) => DedupKey::new(SOURCE.slug, &["", &trigger, &host]),
        (true, true) => None,
    };
    let Some(key) = key else { return unidentified((SOURCE.slug, SOURCE.name), &raw, "`eventid` or `triggerid`") };
    let action = match given.action() {
        Ok(action) => action,
        Err(reason) => return Ok(Mapped::nothing(reason)),
    };

    let source_field = if host.is_empty() { given.first(&["hostip", "host_ip", "hostIp"]) } else { host.clone() };
    let source_field = if source_field.is_empty() { SOURCE.name } else { &source_field };
    let url = given.first(&["url", "zabbix_url"]);
    let root = url.trim_end_matches('/');
    let page = [root, "/tr_events.php?triggerid=", &trigger, "&eventid=", &event].concat();
    let event = Event::new(action, key, given.severity(), &given.summary(&host), source_field)
        .component(given.tag("component:"))
        .class(given.tag("scope:"))
        .link("Event", Some(page).filter(|_| !trigger.is_empty() && !event.is_empty()))
        .link("Event", Some(given.first(&["link"])))
        .client(SOURCE.name, Some(url))
        .details(given.older, DETAILS)
        .details(payload, DETAILS);
    Ok(Mapped::one(event))
}

/// The media type's parameters.
#[derive(Clone, Copy)]
struct Parameters<'a> {
    payload: Node<'a>,
    /// The member in which PagerDuty's older agent put most of them.
    older: Node<'a>,
}

impl Parameters<'_> {
    /// The value of the first of these parameters that has one. Returns an empty text if none has.
    fn first(self, names: &[&str]) -> String {
        self.payload.first_text(names).or_else(|| self.older.first_text(names)).unwrap_or_default()
    }

    /// The trigger's id.
    fn trigger(self) -> String {
        let id = self.first(&["triggerid", "trigger_id", "triggerId", "id"]);
        let link = self.first(&["link"]);
        match link.split_once("triggerid=") {
            Some((_, rest)) if id.is_empty() => rest.split('&').next().unwrap_or_default().to_owned(),
            _ => id,
        }
    }

    /// The action, or the reason why the delivery needs no event.
    fn action(self) -> Result<Action, &'static str> {
        let is_notice = matches!(self.first(&["event_source"]).as_str(), "1" | "2");
        let is_cancelled = self.first(&["alert_message", "message"]).starts_with("NOTE: Escalation cancel");
        let update = self.first(&["eventupdate", "event_update_status", "update_action"]);
        let is_update = !matches!(update.as_str(), "" | "0");
        let is_acknowledged = self.first(&["eventack", "event_ack"]).eq_ignore_ascii_case("yes");
        match text::lookup(STATES, &self.first(&["event_type", "eventvalue", "event_value", "status"])) {
            _ if is_notice => Ok(Action::Trigger),
            _ if is_cancelled => Ok(Action::Resolve),
            Some(action) => Ok(action),
            None if is_update && is_acknowledged => Ok(Action::Acknowledge),
            None if is_update => Err("update without an acknowledgement"),
            None => Ok(Action::Trigger),
        }
    }

    fn severity(self) -> Severity {
        let given = text::lookup(SEVERITIES, &self.first(&["severity", "event_nseverity", "event_severity"]));
        // Only events of triggers (0) and services (4) have their own severity.
        let without = matches!(self.first(&["event_source"]).as_str(), "1" | "2" | "3");
        given.unwrap_or(if without { Severity::Info } else { Severity::Error })
    }

    fn summary(self, host: &str) -> String {
        let mut summary = problem_name(&self.first(NAMES)).to_owned();
        if summary.is_empty() {
            summary.push_str("Problem");
        }
        if !summary.contains(host) && !host.is_empty() {
            summary = [&summary, " on ", host].concat();
        }
        let data = self.first(&["triggeropdata", "event_opdata", "item"]);
        if !data.is_empty() {
            summary = [&summary, ": ", &data].concat();
        }
        summary
    }

    /// The value of one of the event's tags, in a comma-separated list of `name:value`.
    fn tag(self, name: &str) -> Option<String> {
        let tags = self.first(&["eventtags", "event_tags", "tags"]);
        tags.split(',').find_map(|tag| tag.trim().strip_prefix(name)).map(str::to_owned)
    }
}

/// The name of the problem in a text. Zabbix's default messages have several lines, and one of them names it.
fn problem_name(text: &str) -> &str {
    let name =
        |line: &'_ str| line.trim().strip_prefix("Problem name:").map(str::trim).is_some_and(|name| !name.is_empty());
    let line = text.lines().find(|line| name(line)).unwrap_or_else(|| text::first_line(text)).trim();
    line.strip_prefix("Problem name:").map_or(line, str::trim)
}
