//! LibreNMS: the alert transport API.
//!
//! # Wire format
//!
//! <https://docs.librenms.org/Alerting/Transports/>, read 2026-11. The user writes the body, with the alert's variables
//! in it, or lists the variables as options, which LibreNMS sends in the query: `device_id`, `rule_id`, `alert_id`,
//! `id`, `state`, `severity`, `name`, `title`, `hostname`, `msg` and others. The names of the members are the user's
//! own; this source accepts the variables' names, with any case and separators. The alert as a whole, as other
//! transports send it, has the same names. All values are texts. LibreNMS does not escape them: line breaks
//! and backslashes count as if it did, and a quote makes the body invalid. It retries nothing, but a rule with an interval
//! repeats the alert.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `state`: 0 or `recovered` resolves, 2 or `acknowledged` acknowledges, 1 (alert), 3 (worse), 4 (better), 5 (changed) and any other value trigger; without it severity `ok` resolves |
//! | severity | `severity`: `critical`, `warning` as they are, `ok` info, else error; info for the test |
//! | summary | the rule's `name` on the host, and how its state changed; without a name `title` |
//! | source | `hostname`, else `sysName`, `display`, `ip` |
//! | component, group, class | `display`, `location`, the rule's `name` |
//! | links | `url`, and `proc`, the rule's procedure |
//! | client | LibreNMS |
//! | details | state, severity, message, time, elapsed time, address, hardware, notes |
//!
//! `timestamp` is in the server's own time zone, which the payload does not name, so it is only in the details.
//!
//! # Dedup key
//!
//! `librenms:<device_id>:<rule_id>`: LibreNMS has at most one alert of a rule on a device. Without these,
//! `librenms::<alert_id>`, then `librenms:::<id>`, then `librenms::::<hostname>:<name>`. A `:` inside a part becomes
//! `%3A`. `uid` is new for each change of state. `id` is that of the last one too in some versions, so LibreNMS' own
//! PagerDuty transport, whose key it is, may leave an alert open.
//!
//! # Not mapped
//!
//! * `faults` and `string`: the rows of the database that matched the rule, which may contain SNMP communities.
//!   `contacts` and `sysContact`: people's addresses.
//! * A better or worse alert updates the alert that is open.
//! * The test button sends an alert 000 of rule 000. It triggers with severity info, and never resolves. Resolve it in
//!   PagerDuty.
//! * A body without any of these ids is rejected. A body with unexpanded variables triggers an alert that reports them,
//!   the same alert for all such bodies.
//! * Two LibreNMS servers use the same numbers: give each one a service of its own.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::mapping::monitoring::{self, Macros, Shape};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, DedupKey, Severity};
use crate::text;

/// LibreNMS.
pub const SOURCE: Source = Source {
    slug: "librenms",
    name: "LibreNMS",
    docs: "https://docs.librenms.org/Alerting/Transports/",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "state 1 (alert), 3 (worse), 4 (better), 5 (changed)",
        resolves: "state 0 (recovered)",
        steps: "Under Alerts, Alert Transports, create one of type API with method POST and API URL {url}.\n\
                Headers: `X-Webhook-Secret=<the secret>` and `Content-Type=application/json`. Paste the body.\n\
                LibreNMS does not escape texts: if names of your rules or devices contain quotes, leave the body empty, and under Options write a line such as `device_id={{ $device_id }}` for each member instead.\n\
                Give the rules this transport, with recovery alerts on, or nothing closes.",
        template: Some(
            r#"{"state": "{{ $state }}", "severity": "{{ $severity }}", "device_id": "{{ $device_id }}", "rule_id": "{{ $rule_id }}", "alert_id": "{{ $alert_id }}", "name": "{{ $name }}", "title": "{{ $title }}", "hostname": "{{ $hostname }}", "display": "{{ $display }}", "ip": "{{ $ip }}", "location": "{{ $location }}", "timestamp": "{{ $timestamp }}", "elapsed": "{{ $elapsed }}", "proc": "{{ $proc }}"}"#,
        ),
    },
    by_get: true,
    map,
    states: &["0", "1", "2", "3", "4", "5", "ok", "critical", "warning"],
    ..Source::DEFAULT
};

const SHAPE: Shape = Shape {
    source: (SOURCE.slug, SOURCE.name),
    fields: "`device_id` and `rule_id`",
    key,
    state: &["state", "alertstate", "severity"],
    states: &[
        ("0", Action::Resolve),
        ("2", Action::Acknowledge),
        ("acknowledged", Action::Acknowledge),
        ("ok", Action::Resolve),
        ("recovered", Action::Resolve),
    ],
    severity: &["severity"],
    severities: &[("critical", Severity::Critical), ("ok", Severity::Info), ("warning", Severity::Warning)],
    is_test: |macros| ["ruleid", "alertid"].iter().any(|name| macros.first(&[name]).as_deref() == Some("000")),
    summary,
    place: &["hostname", "sysname", "display", "ip"],
    component: &["display"],
    group: &["location"],
    class: &["name"],
    time: &[],
    links: &[("LibreNMS", &["url", "link", "alerturl", "deviceurl"]), ("Procedure", &["proc"])],
    details: &[
        ("alert_notes", &["alertnotes"]),
        ("elapsed", &["elapsed"]),
        ("hardware", &["hardware"]),
        ("ip", &["ip"]),
        ("message", &["msg"]),
        ("os", &["os"]),
        ("severity", &["severity"]),
        ("state", &["state"]),
        ("status_reason", &["statusreason"]),
        ("sysName", &["sysname"]),
        ("timestamp", &["timestamp"]),
        ("uptime", &["uptimelong", "uptime"]),
        ("version", &["version"]),
    ],
};

/// How a state differs from a new alert.
const CHANGES: &[(&str, &str)] =
    &[("0", " recovered"), ("2", " was acknowledged"), ("3", " got worse"), ("4", " got better"), ("5", " changed")];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::alert(&SHAPE, &repaired_payload(delivery)?)
}

fn key(macros: &Macros) -> Option<DedupKey> {
    let text = |name: &str| macros.first(&[name]).unwrap_or_default();
    let [device, rule, alert, id, host, name] = ["deviceid", "ruleid", "alertid", "id", "hostname", "name"].map(text);
    // A part in front of the ids says which they are.
    let parts: &[&str] = match () {
        () if !device.is_empty() && !rule.is_empty() => &[&device, &rule],
        () if !alert.is_empty() => &["", &alert],
        () if !id.is_empty() => &["", "", &id],
        () if !host.is_empty() && !name.is_empty() => &["", "", "", &host, &name],
        () => return None,
    };
    DedupKey::new(SOURCE.slug, parts)
}

fn summary(macros: &Macros) -> String {
    let change = macros.first(&["state"]).and_then(|state| text::lookup(CHANGES, &state));
    let host = macros.first(&["display", "hostname", "sysname"]);
    let name = macros.first(&["name"]);
    match (&name, macros.first(&["title", "msg"])) {
        (None, Some(title)) => text::first_line(&title).to_owned(),
        _ => {
            let name = name.as_deref().unwrap_or("An alert");
            text::join_prefixed(&[("", Some(name)), (" on ", host.as_deref()), ("", change)])
        }
    }
}
