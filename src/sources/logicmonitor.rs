//! LogicMonitor: the integration Custom HTTP Delivery.
//!
//! # Wire format
//!
//! <https://www.logicmonitor.com/support/custom-http-delivery>, read 2026-11. The user writes the body, with tokens in
//! it such as `##ALERTID##`. The names of the members are the user's own; this source accepts the tokens' names with
//! any case and separators, and those of common templates (`alertstatus` or `status`, `level` or `severity`,
//! `internalid`, `alertid`, `X-S4-ExternalID`). All values are texts. Line breaks and backslashes in them need no
//! escape. A token without a value stays unexpanded, and counts as absent. Its log of integrations counts retries of a delivery; their number and the timeout are not
//! documented.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `ALERTSTATUS`: `clear` resolves, `ack` acknowledges, `active`, `update`, `test` and any other value trigger |
//! | severity | `LEVEL`: `critical`, `error`, `warn` and `warning` as they are, else error; info for `test` |
//! | summary | the data source and its data point on the host, value and threshold; without a value the first line of the message, and without a data source that alone, with the host where it does not contain it |
//! | source | `HOST`, else the website or the agent |
//! | component, group, class | `INSTANCE`, `GROUP`, `DATASOURCE` |
//! | timestamp | `STARTEPOCH`; other times have the name of a zone, and are not parsed |
//! | links | `ALERTDETAILURL`, the monitored URL |
//! | client, client URL | LogicMonitor, `ALERTDETAILURL` |
//! | details | status, level, message, value, threshold, duration, descriptions, times |
//!
//! # Dedup key
//!
//! `logicmonitor:<internalid>`, else `logicmonitor:<alertid>`, both the same for an alert from its start to its end.
//! `INTERNALID` is unique for each session of an alert, through all its levels. `ALERTID` is that of a resource's
//! instance and data point, the same for each of their alerts. A test alert has `:test` behind its id. A `:` inside a
//! part becomes `%3A`.
//!
//! # Not mapped
//!
//! * A test alert never clears. Resolve it in PagerDuty.
//! * A body without an id is rejected. A body with unexpanded tokens in place of the ids triggers an alert that reports
//!   them, the same alert for all such bodies.
//! * `EVENTUSER`, `ADMIN` and the notes of an acknowledgement name people.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::mapping::monitoring::{self, Macros, Shape};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped, wording};
use crate::pagerduty::event::{Action, DedupKey, Severity};
use crate::text;

/// LogicMonitor.
pub const SOURCE: Source = Source {
    slug: "logicmonitor",
    name: "LogicMonitor",
    docs: "https://www.logicmonitor.com/support/custom-http-delivery",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`active`, `update`, `test`",
        resolves: "`clear`",
        steps: "Under Settings, Integrations, add a Custom HTTP Delivery with method POST and URL {url}; HTTPS, no user, and header `X-Webhook-Secret: <the secret>`.\n\
                Under Alert Data choose Raw, JSON, and paste the body. Use the same URL and data for the alert statuses New, Acknowledged, Cleared and Escalated.\n\
                Add the integration to a stage of an escalation chain. Leave Send notification when alerts clear on in the alert rule, or nothing closes.",
        template: Some(
            r###"{"internalid": "##INTERNALID##", "alertid": "##ALERTID##", "alertstatus": "##ALERTSTATUS##", "level": "##LEVEL##", "alerttype": "##ALERTTYPE##", "host": "##HOST##", "group": "##GROUP##", "datasource": "##DATASOURCE##", "instance": "##INSTANCE##", "datapoint": "##DATAPOINT##", "value": "##VALUE##", "threshold": "##THRESHOLD##", "duration": "##DURATION##", "startepoch": "##STARTEPOCH##", "alertdetailurl": "##ALERTDETAILURL##"}"###,
        ),
    },
    by_get: true,
    map,
    // How often is not documented.
    retries: true,
    states: &["clear", "active", "ack", "update", "test", "critical", "error", "warning", "warn"],
    ..Source::DEFAULT
};

const STATE: &[&str] = &["alertstatus", "status", "state", "messagetype"];

const SHAPE: Shape = Shape {
    source: (SOURCE.slug, SOURCE.name),
    fields: "`internalid` or `alertid`",
    key,
    state: STATE,
    states: &[
        ("ack", Action::Acknowledge),
        ("acked", Action::Acknowledge),
        ("acknowledged", Action::Acknowledge),
        ("clear", Action::Resolve),
        ("cleared", Action::Resolve),
        ("recovery", Action::Resolve),
    ],
    severity: &["level", "severity", "alertlevel", "errorlevel"],
    severities: &[
        ("critical", Severity::Critical),
        ("error", Severity::Error),
        ("warn", Severity::Warning),
        ("warning", Severity::Warning),
    ],
    is_test,
    summary,
    place: &["host", "hostname", "device", "website", "agent"],
    component: &["instance", "dsiname"],
    group: &["group", "hostgroup", "groups", "servicegroup"],
    class: MODULES,
    time: &["startepoch", "start", "date"],
    links: &[
        ("LogicMonitor", &["alertdetailurl", "alerturl", "logicmonitorurl", "hosturl"]),
        ("Monitored page", &["serviceurl", "url"]),
    ],
    details: &[
        ("batch_description", &["batchdesc"]),
        ("clear_value", &["clearvalue"]),
        ("date", &["date", "start"]),
        ("description", &["datapointdesc", "dpdescription", "dsdesc", "dsdescription"]),
        ("duration", &["duration"]),
        ("error", &["stderr"]),
        ("event_code", &["eventcode"]),
        ("event_message", &["eventmsg", "eventlogmsg"]),
        ("exit_code", &["exitcode"]),
        ("ip", &["hostips", "ip"]),
        ("level", &["level", "severity", "alertlevel", "errorlevel"]),
        ("message", &["message", "alertmessage"]),
        ("status", STATE),
        ("threshold", &["threshold"]),
        ("type", &["alerttype", "type"]),
        ("value", &["value"]),
    ],
};

/// The names of the module that raised the alert.
const MODULES: &[&str] = &["datasource", "dsname", "eventsource", "batchjob", "configsource", "service", "website"];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::alert(&SHAPE, &repaired_payload(delivery)?)
}

/// Whether it is an alert that somebody sent to try the integration.
fn is_test(macros: &Macros) -> bool {
    macros.first(STATE).is_some_and(|state| state.eq_ignore_ascii_case("test"))
}

fn key(macros: &Macros) -> Option<DedupKey> {
    let id = macros.first(&["internalid", "alertid", "xs4externalid", "entityid", "id"])?;
    // Otherwise the test of a real alert would open it anew.
    if is_test(macros) { DedupKey::new(SOURCE.slug, &[&id, "test"]) } else { DedupKey::new(SOURCE.slug, &[&id]) }
}

fn summary(macros: &Macros) -> String {
    let text = |names: &[&str]| macros.first(names);
    let (what, point, host) = (text(MODULES), text(&["datapoint"]), text(SHAPE.place));
    let (value, threshold) = (text(&["value"]), text(&["threshold"]));
    let message = text(&["eventmsg", "message", "alertmessage", "eventlogmsg"]);
    let message = message.as_deref().map(text::first_line);
    let Some(what) = what else {
        let places: Vec<String> = host.into_iter().collect();
        return wording::completed(message.unwrap_or("An alert"), None, &places);
    };
    let message = message.filter(|_| value.is_none());
    text::join_prefixed(&[
        ("", Some(&what)),
        (" ", point.as_deref()),
        (" on ", host.as_deref()),
        (" is ", value.as_deref()),
        (", threshold ", threshold.as_deref().filter(|_| value.is_some())),
        (": ", message),
    ])
}
