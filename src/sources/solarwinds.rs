//! SolarWinds Platform (Orion): the alert action "Send a GET or POST Request to a Web Server".
//!
//! # Wire format
//!
//! <https://documentation.solarwinds.com/en/success_center/orionplatform/> documents the action and the variables; its
//! pages were not in the copies that we read, so the names are those of other receivers' templates, read 2026-11. The
//! user writes the body, with variables in it such as `${N=Alerting;M=AlertID}`, once for the trigger actions of an
//! alert and once for its reset actions. The names of the members are the user's own; this source accepts those of the
//! variables with any case and separators (`AlertObjectID`, `AlertID`, `AlertMessage`, `NodeName`, `Severity`, …), and
//! `ActionType`, which says which of the two it is. Forms and the query of a `GET` are accepted too. Line breaks
//! and backslashes need no escape. An unexpanded variable counts as absent. It is unknown whether SolarWinds retries, so the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `ActionType`, else `state` or `status`: `Resolve`, `Reset`, `Clear`, `Close` resolve, `Acknowledge` acknowledges, `Create`, `Trigger` and any other value trigger |
//! | severity | `Severity`: `Critical` critical, `Serious` error, `Warning` warning, `Notice`, `Informational` info, and their numbers 2, 3, 1, 4, 0; else error |
//! | summary | `AlertMessage`, else `AlertDescription`; with `AlertName` and the node where it does not contain them |
//! | source | `NodeName`, else the object, the address |
//! | component, class | `ObjectName`, `AlertName` |
//! | links | `AlertDetailsUrl`, `AcknowledgeUrl` |
//! | client, client URL | SolarWinds, `AlertDetailsUrl` |
//! | details | description, severity, object type, address, trigger time and count |
//!
//! `AlertTriggerTime` is a text in the language and time zone of the server, so it is only in the details.
//!
//! # Dedup key
//!
//! `solarwinds::<AlertObjectID>`, the alert on one object, which `AlertDetailsUrl` also contains
//! (`NetObject=AAT:24565`). Without it `solarwinds:<AlertID>:<NodeName>`, and the object's name as a third part if the
//! body has one: `AlertID` is that of the alert's definition, the same for all nodes. Without `AlertID`, its name is
//! used: `solarwinds:::<AlertName>:…`. So the bodies of trigger and reset need the same ids: one that has only
//! `AlertID` resolves only its like. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * `AcknowledgedBy`: a person.
//! * A body without these ids is rejected. A body with unexpanded variables triggers an alert that reports them, the
//!   same alert for all such bodies. The simulation of an action sends such values for a test object; its alert never
//!   resolves.
//! * An alert without a reset action never resolves. Add one, or resolve its alerts in PagerDuty.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::mapping::monitoring::{self, Macros, Shape};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped, wording};
use crate::pagerduty::event::{Action, DedupKey, Severity};

/// SolarWinds.
pub const SOURCE: Source = Source {
    slug: "solarwinds",
    name: "SolarWinds",
    docs: "https://documentation.solarwinds.com/en/success_center/orionplatform/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`ActionType` `Create`",
        resolves: "`ActionType` `Resolve`",
        steps: "Under Trigger Actions of an alert, add Send a GET or POST Request to a Web Server with URL {url}, HTTP POST, content type `application/json`, and paste the body.\n\
                Under Authentication choose Basic, any user name, and the secret as the password.\n\
                Under Reset Actions add the same action, with `Resolve` in place of `Create`, or nothing closes the alert.",
        template: Some(
            r#"{"ActionType": "Create", "AlertObjectID": "${N=Alerting;M=AlertObjectID}", "AlertID": "${N=Alerting;M=AlertID}", "AlertName": "${N=Alerting;M=AlertName}", "AlertMessage": "${N=Alerting;M=AlertMessage}", "AlertDescription": "${N=Alerting;M=AlertDescription}", "Severity": "${N=Alerting;M=Severity}", "NodeName": "${NodeName}", "ObjectName": "${N=SwisEntity;M=DisplayName}", "ObjectType": "${N=Alerting;M=ObjectType}", "AlertDetailsUrl": "${N=Alerting;M=AlertDetailsUrl}", "AcknowledgeUrl": "${N=Alerting;M=AcknowledgeUrl}", "AlertTriggerTime": "${N=Alerting;M=AlertTriggerTime}", "AlertTriggerCount": "${N=Alerting;M=AlertTriggerCount}"}"#,
        ),
    },
    by_get: true,
    map,
    states: &["Resolve", "Reset", "Create", "Acknowledge", "Critical", "Serious", "Warning", "Notice", "Informational"],
    ..Source::DEFAULT
};

const SHAPE: Shape = Shape {
    source: (SOURCE.slug, SOURCE.name),
    fields: "`AlertObjectID`, or `AlertID` and `NodeName`",
    key,
    state: &["actiontype", "action", "eventtype", "messagetype", "notificationtype", "alertstatus", "state", "status"],
    states: &[
        ("acknowledge", Action::Acknowledge),
        ("acknowledged", Action::Acknowledge),
        ("acknowledgement", Action::Acknowledge),
        ("clear", Action::Resolve),
        ("cleared", Action::Resolve),
        ("close", Action::Resolve),
        ("closed", Action::Resolve),
        ("recovery", Action::Resolve),
        ("reset", Action::Resolve),
        ("resolve", Action::Resolve),
        ("resolved", Action::Resolve),
    ],
    severity: &["severity", "alertseverity"],
    severities: &[
        ("0", Severity::Info),
        ("1", Severity::Warning),
        ("2", Severity::Critical),
        ("3", Severity::Error),
        ("4", Severity::Info),
        ("Critical", Severity::Critical),
        ("Information", Severity::Info),
        ("Informational", Severity::Info),
        ("Notice", Severity::Info),
        ("Serious", Severity::Error),
        ("Warning", Severity::Warning),
    ],
    is_test: |_| false,
    summary,
    place: &["nodename", "node", "hostname", "host", "objectname", "entityname", "ipaddress", "ip"],
    component: OBJECTS,
    group: &[],
    class: &["alertname"],
    time: &["timestamp", "timeofalert"],
    links: &[("SolarWinds", &["alertdetailsurl", "alerturl"]), ("Acknowledge", &["acknowledgeurl"])],
    details: &[
        ("description", &["alertdescription", "description"]),
        ("ip", &["ipaddress", "nodeipaddress", "ip"]),
        ("message", &["alertmessage", "message"]),
        ("object_type", &["objecttype"]),
        ("severity", &["severity", "alertseverity"]),
        ("trigger_count", &["alerttriggercount"]),
        ("trigger_time", &["alerttriggertime"]),
    ],
};

/// The names of the object on the node.
const OBJECTS: &[&str] = &["objectname", "entityname", "entitycaption", "objectcaption"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::alert(&SHAPE, &repaired_payload(delivery)?)
}

fn key(macros: &Macros) -> Option<DedupKey> {
    let page = macros.first(&["alertdetailsurl", "alerturl"]);
    let in_page = || {
        let (_, rest) = page.as_deref()?.split_once("AAT:")?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(Some(rest), |end| rest.get(..end))?;
        Some(digits.to_owned()).filter(|digits| !digits.is_empty())
    };
    if let Some(object) = macros.first(&["alertobjectid"]).or_else(in_page) {
        return DedupKey::new(SOURCE.slug, &["", &object]);
    }
    let (id, name) = (macros.first(&["alertid"]), macros.first(&["alertname"]));
    let mut parts = match id {
        Some(id) => vec![id],
        None => vec![String::new(), String::new(), name?],
    };
    parts.extend([SHAPE.place, OBJECTS].map(|names| macros.first(names).unwrap_or_default()));
    DedupKey::sparse(SOURCE.slug, &parts).map(DedupKey::without_former)
}

fn summary(macros: &Macros) -> String {
    let name = macros.first(&["alertname"]);
    let said = macros.first(&["alertmessage", "message", "alertname", "alertdescription", "description"]);
    let places: Vec<String> = macros.first(SHAPE.place).into_iter().collect();
    wording::completed(said.as_deref().unwrap_or("An alert"), name.as_deref(), &places)
}
