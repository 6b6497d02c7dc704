//! Checkmk: notification scripts that post the variables of a notification.
//!
//! # Wire format
//!
//! <https://docs.checkmk.com/latest/en/notifications.html>, read 2026-11. Checkmk has no webhook body: a notification
//! script gets the variables `NOTIFY_…` and posts them. This source accepts them with their names, with and without the
//! prefix (`NOTIFY_NOTIFICATIONTYPE`, `HOSTNAME`, `SERVICEDESC`, `SERVICESTATE`, …), and the names of other scripts,
//! such as Keep's (`host`, `service`, `status`, `severity`, `output`, `notification_type`, `what`). Line breaks and
//! backslashes need no escape. Checkmk repeats a
//! script that ends with status 1 only if the rule delivers through the notification spooler, so the relay assumes that
//! it does not retry.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `NOTIFICATIONTYPE`: `PROBLEM`, `CUSTOM`, `FLAPPINGSTART` trigger, `ACKNOWLEDGEMENT` acknowledges, `RECOVERY` resolves, `FLAPPINGSTOP` resolves if the state is good, else triggers; an unknown type triggers; without a type the state: `OK`, `UP`, `0` resolve, any other triggers |
//! | severity | the state: `CRITICAL`, `DOWN` critical, `UNKNOWN`, `UNREACHABLE` error, `WARNING` warning, `OK`, `UP` info; else error; at least warning for flapping |
//! | summary | the service on the host, its state, the first line of the output |
//! | source | `HOSTNAME` |
//! | component, group, class | the service, the host group or the site, the check command |
//! | timestamp | `MICROTIME` |
//! | link, client URL | `SERVICEURL` or `HOSTURL` if it is absolute, or below `URL_PREFIX` |
//! | client | Checkmk |
//! | details | type, state, previous state, output, performance data, attempt, comment, address |
//!
//! The severities are those of Checkmk's own PagerDuty script. That script resolves at every `FLAPPINGSTOP`, also if
//! the service is still critical, and no other notification follows. Here the alert stays open.
//!
//! # Dedup key
//!
//! `checkmk:<host>` for a host, `checkmk:<host>:<service>` for a service. A `:` inside a part becomes `%3A`. Checkmk's
//! own script also has the address in the key, which can change while a problem is open. The problem's id is not in the
//! key: a recovery may have another one. Flapping has the key of the problem. An event of the Event Console has its
//! `EC_ID` as a third part, with or without a service.
//!
//! # Not mapped
//!
//! * `DOWNTIMESTART`, `DOWNTIMEEND`, `DOWNTIMECANCELLED`: "downtime or muting". A problem that outlasts its downtime is
//!   notified again.
//! * A soft state without a notification's type: "soft state".
//! * Contacts, authors and the parameters of the script: people's addresses, and keys.
//! * A custom notification about something healthy triggers with severity info, and no recovery follows. So does the
//!   test of a notification rule, which is such a notification.
//! * Checkmk reports no recovery of an event of the Event Console. Resolve these alerts in PagerDuty.
//! * A body without a host is rejected, and so is one with `WHAT` `SERVICE` and no service. A body with unexpanded macros triggers an alert that reports them, the same
//!   alert for all such bodies.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped, monitoring};

/// Checkmk.
pub const SOURCE: Source = Source {
    slug: "checkmk",
    name: "Checkmk",
    docs: "https://docs.checkmk.com/latest/en/notifications.html",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`PROBLEM`, `FLAPPINGSTART`, `CUSTOM`",
        resolves: "`RECOVERY`, `FLAPPINGSTOP` of something healthy",
        steps: "Save this as `local/share/check_mk/notifications/pagerelay` in the site, executable, with the secret and your own address of the site.\n\
                First line: `#!/usr/bin/env python3`. Second line: `import json, os, urllib.request as u`\n\
                Third line: `d = {k[7:]: v for k, v in os.environ.items() if k.startswith('NOTIFY_') and not k.startswith(('NOTIFY_CONTACT', 'NOTIFY_PARAMETER'))}`\n\
                Fourth line: `d['URL_PREFIX'] = 'https://checkmk.example.com/site'`\n\
                Fifth line: `u.urlopen(u.Request('{url}', json.dumps(d).encode(), {'X-Webhook-Secret': '<the secret>'}), timeout=30)`\n\
                Under Setup, Events, Notifications, add a rule with this script as its method, for recoveries too, or nothing closes the alerts.",
        template: None,
    },
    map,
    states: &[
        "PROBLEM",
        "RECOVERY",
        "ACKNOWLEDGEMENT",
        "CUSTOM",
        "FLAPPINGSTART",
        "FLAPPINGSTOP",
        "DOWNTIMESTART",
        "DOWNTIMEEND",
        "DOWNTIMECANCELLED",
        "OK",
        "UP",
        "DOWN",
        "UNREACHABLE",
        "WARNING",
        "CRITICAL",
        "UNKNOWN",
    ],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::notification((SOURCE.slug, SOURCE.name), &repaired_payload(delivery)?, |_| None)
}
