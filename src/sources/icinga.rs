//! Icinga and Nagios: Icinga Notifications, and notification commands of Icinga 2 and Nagios.
//!
//! # Wire format
//!
//! <https://icinga.com/docs/icinga-notifications/latest/doc/10-Channels/>, read 2026-11. The channel Webhook of Icinga
//! Notifications sends `{contact, object: {name, url, tags}, incident: {id, url, severity}, event: {time, type,
//! message}}` for each notification, if its body template is left as it is. It can neither sign nor set a header, so
//! the secret is in the URL.
//!
//! Icinga 2 and Nagios have no webhook. A notification command runs `curl` with macros, and the user names the members
//! or the fields of the form. This source ignores case and separators, so the names of the macros are always accepted:
//! `NOTIFICATIONTYPE`, `HOSTNAME`, `SERVICEDESC`, `SERVICESTATE`, `HOSTSTATE`, `SERVICEOUTPUT`, `HOSTOUTPUT`, or
//! Icinga's `notification.type`, `host.name`, `service.name`, `service.state`. The body of PagerDuty's Nagios agent,
//! with its macros in `details`, and the events of Icinga 2's API are accepted too. Line breaks and backslashes need no
//! escape. The pages do not say whether a
//! failed notification is sent again, so the relay assumes that it is not. The timeout of a command is that of the
//! monitor, usually 30 seconds or more.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | the notification's type: `PROBLEM`, `CUSTOM`, `FLAPPINGSTART` trigger, `ACKNOWLEDGEMENT` acknowledges, `RECOVERY` resolves, `FLAPPINGEND` and the end of an acknowledgement resolve if the state is good, else trigger; an unknown type triggers; without a type the state or the incident's severity: `OK`, `UP`, `0` resolve, any other triggers |
//! | severity | the state: `CRITICAL`, `DOWN` critical, `UNKNOWN`, `UNREACHABLE` error, `WARNING` warning; the incident's severity: `crit`, `alert`, `emerg` critical, `err` error, `warning` warning, `notice`, `info`, `debug` info; else error; at least warning for flapping |
//! | summary | the service on the host, its state, the first line of the output |
//! | source | the host |
//! | component, group, class | the service, the host group, the check command |
//! | timestamp | `event.time`, `TIMET` |
//! | links | the incident, the notes, the page of the service or the host |
//! | client, client URL | Icinga, that page |
//! | details | type, state, output, performance data, attempt, comment, address |
//!
//! # Dedup key
//!
//! `icinga:<host>` for a host, `icinga:<host>:<service>` for a service, as PagerDuty's Nagios agent identifies them. In
//! Icinga Notifications they are the tags `host` and `service`; an object without the tag `host` has
//! `icinga::incident:<incident.id>`. A `:` inside a part becomes `%3A`. Flapping has the key of the problem.
//!
//! # Not mapped
//!
//! * `DOWNTIMESTART`, `DOWNTIMEEND`, `DOWNTIMEREMOVED`, `mute`, `unmute`: "downtime or muting". A problem that outlasts
//!   its downtime is notified again.
//! * A soft state of an event handler, without a notification's type: "soft state".
//! * The contact and the author: people's names and addresses.
//! * A custom notification about something healthy triggers with severity info, and no recovery follows.
//! * A body without a host is rejected, and so is one that says that it is about a service and has none. A body with unexpanded macros triggers an alert that reports them, the same
//!   alert for all such bodies.
//! * Two Icingas with equal names of hosts: give each one a service of its own.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::mapping::monitoring::{self, Macros};
use crate::mapping::repair::repaired_payload;
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::DedupKey;

/// Icinga.
pub const SOURCE: Source = Source {
    slug: "icinga",
    name: "Icinga",
    docs: "https://icinga.com/docs/icinga-notifications/latest/doc/10-Channels/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`PROBLEM`, `FLAPPINGSTART`, `CUSTOM`; severities `notice` to `emerg`",
        resolves: "`RECOVERY`, `FLAPPINGEND` of something healthy; severity `ok`",
        steps: "Icinga Notifications: create a channel of type Webhook with method POST and URL {url}?token=<the secret>, and leave the body template and the response status codes as they are. Only this form needs the secret in the URL.\n\
                Icinga 2: have a NotificationCommand run `curl -fsS -m 30 -H @/etc/icinga2/pagerelay --data-urlencode` for each of `notification_type=$notification.type$`, `host_name=$host.name$`, `host_state=$host.state$`, `host_output=$host.output$`, and for services also `service_name=$service.name$`, `service_state=$service.state$`, `service_output=$service.output$`, then {url}. The file has the line `X-Webhook-Secret: <the secret>`, so that no list of processes shows it.\n\
                Nagios: the same command with its own macros, in double quotes because a shell runs it: `\"NOTIFICATIONTYPE=$NOTIFICATIONTYPE$\"`, `\"HOSTNAME=$HOSTNAME$\"`, `\"HOSTSTATE=$HOSTSTATE$\"`, `\"HOSTOUTPUT=$HOSTOUTPUT$\"`, and for services also `\"SERVICEDESC=$SERVICEDESC$\"`, `\"SERVICESTATE=$SERVICESTATE$\"`, `\"SERVICEOUTPUT=$SERVICEOUTPUT$\"`. Keep `illegal_macro_output_chars` as installed, so that the shell runs nothing in an output.\n\
                Notify of recoveries too, or nothing closes the alerts.",
        template: None,
    },
    map,
    states: &[
        "PROBLEM",
        "RECOVERY",
        "ACKNOWLEDGEMENT",
        "CUSTOM",
        "FLAPPINGSTART",
        "FLAPPINGEND",
        "DOWNTIMESTART",
        "DOWNTIMEEND",
        "DOWNTIMEREMOVED",
        "OK",
        "UP",
        "DOWN",
        "UNREACHABLE",
        "WARNING",
        "CRITICAL",
        "UNKNOWN",
        "crit",
        "err",
        "emerg",
        "notice",
    ],
    ..Source::DEFAULT
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    monitoring::notification((SOURCE.slug, SOURCE.name), &repaired_payload(delivery)?, incident)
}

/// The key of an incident of Icinga Notifications about something that is not on a host.
fn incident(macros: &Macros) -> Option<DedupKey> {
    DedupKey::new(SOURCE.slug, &["", "incident", &macros.first(&["incidentid"])?])
}
