//! Site24x7: third-party integration Webhooks.
//!
//! # Wire format
//!
//! <https://www.site24x7.com/help/admin/third-party-integration/webhooks.html>, read 2026-11. One delivery is one change of
//! one monitor. The user chooses the method and how the incident parameters are sent: as JSON, as a form, or in the query.
//! Their names are in capitals: `MONITOR_ID`, `MONITORNAME`, `MONITORURL`, `MONITORTYPE`, `MONITOR_GROUPNAME`, `STATUS`,
//! `INCIDENT_REASON`, `INCIDENT_TIME_ISO`, `OUTAGE_TIME_UNIX_FORMAT` (milliseconds, as a text), `FAILED_LOCATIONS`,
//! `MONITOR_DASHBOARD_LINK`, `RCA_LINK` and others. Custom parameters of the user stand beside them. Unexpanded parameters
//! (`$STATUS`) count as absent. The page states neither retries nor a timeout, so the relay assumes that Site24x7 does not
//! retry.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `STATUS`: `UP` resolves, `DOWN`, `CRITICAL`, `TROUBLE` and any other value trigger |
//! | severity | `DOWN` and `CRITICAL` critical, `TROUBLE` warning, else error |
//! | summary | `MONITORNAME`, else the host; the state; the first line of `INCIDENT_REASON`; the host unless they contain it |
//! | source | the host of `MONITORURL`, else `MONITORNAME` |
//! | component, group, class | `MONITORNAME`, `MONITOR_GROUPNAME`, `MONITORTYPE` |
//! | timestamp | `INCIDENT_TIME_ISO`, else `OUTAGE_TIME_UNIX_FORMAT` |
//! | links | `MONITORURL` unless it may contain a secret, the root cause analysis |
//! | client, client URL | Site24x7, `MONITOR_DASHBOARD_LINK` |
//! | details | status, reason, failed locations, tags, poll frequency, monitor and customer |
//!
//! # Dedup key
//!
//! `site24x7:<MONITOR_ID>`, with all digits: these ids are above 2^53, where programs that read them as floats merge
//! monitors. Without an id `site24x7::<MONITORURL>:<MONITORNAME>`. Site24x7's own PagerDuty integration has an undocumented
//! key.
//!
//! # Not mapped
//!
//! * A body without id, URL and name of a monitor is rejected. A body with unexpanded parameters triggers an alert that
//!   reports them, the same alert for all such bodies.
//! * `MAINTENANCE`, `SUSPENDED`, `DISCOVERY` and `CONFIGURATION ERROR`, states in the API that are not documented for
//!   webhooks: they trigger.
//! * The test alert is not documented: it is mapped like an alert. If it names no monitor, it is rejected.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::unexpanded::{unidentified, without_unexpanded};
use crate::mapping::uptime::{self, DOWN, Fields, State, UP};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, Severity};

/// Site24x7.
pub const SOURCE: Source = Source {
    slug: "site24x7",
    name: "Site24x7",
    docs: "https://www.site24x7.com/help/admin/third-party-integration/webhooks.html",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`DOWN`, `CRITICAL`, `TROUBLE`, and any unknown status",
        resolves: "`UP`",
        steps: "Under Admin, Third-Party Integrations, add Webhooks with hook URL {url}, method `POST` and Post as JSON.\n\
                Tick Send Incident Parameters, and add header `X-Webhook-Secret: <the secret>`.\n\
                Select the monitors, and let it alert when they are up again too, or nothing closes the alerts.",
        template: None,
    },
    by_get: true,
    map,
    states: &["UP", "DOWN", "CRITICAL", "TROUBLE"],
    ..Source::DEFAULT
};

const STATES: &[(&str, State)] = &[
    ("CRITICAL", (Action::Trigger, Severity::Critical, " is CRITICAL")),
    ("DOWN", DOWN),
    ("TROUBLE", (Action::Trigger, Severity::Warning, " is in TROUBLE")),
    ("UP", UP),
];

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["MONITORNAME"],
    address: &["MONITORURL"],
    reason: &["INCIDENT_REASON"],
    since: &["INCIDENT_TIME_ISO", "OUTAGE_TIME_UNIX_FORMAT"],
    class: &["MONITORTYPE"],
    group: &["MONITOR_GROUPNAME"],
    page: &["MONITOR_DASHBOARD_LINK"],
    links: &[("Root cause analysis", &["RCA_LINK"])],
    details: &[
        "MONITOR_ID",
        "STATUS",
        "INCIDENT_REASON",
        "INCIDENT_DETAILS",
        "FAILED_LOCATIONS",
        "TAGS",
        "POLLFREQUENCY",
        "MSP_CUSTOMER_NAME",
        "BU_NAME",
    ],
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let text = |name: &str| payload.get(name).text();
    let Some(key) = uptime::key(SOURCE.slug, text("MONITOR_ID"), text("MONITORURL"), text("MONITORNAME")) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`MONITOR_ID`");
    };
    let state = uptime::state(STATES, text("STATUS").as_deref());
    Ok(Mapped::one(uptime::event(payload, &FIELDS, key, state)))
}
