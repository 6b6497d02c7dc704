//! Uptime.com: custom postback URLs (webhooks).
//!
//! # Wire format
//!
//! <https://support.uptime.com/hc/en-us/articles/115002560845-Configuring-Custom-Postback-URL-Webhooks>, read 2026-11. One
//! delivery is one alert of one check: `{event, data: {service: {id, name, display_name, monitoring_service_type,
//! msp_address, msp_notes, tags[], …}, account{}, integration{}, date, alert: {id, created_at, state, output,
//! short_output, is_up}, global_alert_state{num_locations_down, …}, device{address}, locations[], links{alert_details,
//! real_time_analysis}}}`. The older format, which integrations may still choose, is `{check_id, check_name, check_url,
//! check_type, server_name, state, output, locations[], date}`, with a date that names no time zone. The page states
//! neither retries nor a timeout, so the relay assumes that Uptime.com does not retry.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `event`: `alert_cleared` resolves, `alert_raised` and any other value trigger; without it `state`, else `data.alert.is_up`, else `data.alert.state`: `UP`, `OK` and `true` resolve |
//! | severity | `data.alert.state`, else `state`: `CRITICAL` and the older `DOWN` critical, `WARNING` warning; else error |
//! | summary | `display_name`, else `name`; the state; the first line of `short_output`, else of `output`; the host unless they contain it |
//! | source | the host of `msp_address`, else the device's address, else the name |
//! | component, class | the name, the type of the check |
//! | timestamp | `data.date`, else `data.alert.created_at` |
//! | links | `msp_address` if it is a URL without secrets, the analysis |
//! | client, client URL | Uptime.com, `alert_details` |
//! | details | event, state, output, locations, tags, notes, account, the address |
//!
//! # Dedup key
//!
//! `uptimecom:<data.service.id>`, in the older format `uptimecom:<check_id>`, which is the same id. `data.alert.id` is new
//! each time. Uptime.com's own PagerDuty integration has one alert per check too, with an undocumented key.
//!
//! # Not mapped
//!
//! * A payload without an id of a check is rejected.
//! * `data.integration`: it contains this URL and the headers with the secret. Of the check `msp_username`, `msp_proxy` and
//!   the strings that it sends and expects.
//! * The test of an integration is not documented: it is mapped like an alert, and if it only raises one, that alert never
//!   resolves.

use super::{Setup, Source};
use crate::auth::{Authenticated, SHARED_SECRET};
use crate::json::Node;
use crate::mapping::uptime::{self, DOWN, Fields, State, UP};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Severity};

/// Uptime.com.
pub const SOURCE: Source = Source {
    slug: "uptimecom",
    name: "Uptime.com",
    docs: "https://support.uptime.com/hc/en-us/articles/115002560845-Configuring-Custom-Postback-URL-Webhooks",
    schemes: SHARED_SECRET,
    setup: Setup {
        triggers: "`alert_raised`; older `DOWN`",
        resolves: "`alert_cleared`; older `UP`",
        steps: "Under Notifications, Integrations, add one of type Custom Postback URL (Webhook) with URL {url} and header `X-Webhook-Secret: <the secret>`.\n\
                Leave the legacy payload off, and assign the integration to the contacts of your checks.",
        template: None,
    },
    map,
    states: &["alert_raised", "alert_cleared", "CRITICAL", "WARNING", "UP", "DOWN"],
    ..Source::DEFAULT
};

const WARNING: State = (Action::Trigger, Severity::Warning, " has a warning");

/// The words of `event`, of the older `state`, of `is_up`, and of the alert's state.
const STATES: &[(&str, State)] = &[
    ("alert_cleared", UP),
    ("alert_raised", DOWN),
    ("critical", DOWN),
    ("down", DOWN),
    ("false", DOWN),
    ("ok", UP),
    ("true", UP),
    ("up", UP),
    ("warning", WARNING),
];

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["data.service.display_name", "data.service.name", "check_name"],
    address: &[
        "data.service.msp_address",
        "data.device.address",
        "check_url",
        "server_name",
        "data.service.msp_url_path",
    ],
    reason: &["data.alert.short_output", "data.alert.output", "output"],
    since: &["data.date", "data.alert.created_at"],
    class: &["data.service.monitoring_service_type", "check_type"],
    page: &["data.links.alert_details"],
    links: &[("Analysis", &["data.links.real_time_analysis"])],
    details: &[
        "event",
        "state",
        "data.alert.state",
        "output",
        "data.alert.output",
        "locations",
        "data.locations",
        "data.global_alert_state.num_locations_down",
        "data.service.tags",
        "notes=data.service.msp_notes",
        "account=data.account.name",
    ],
    ..Fields::NONE
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let id = payload.pick(&["data.service.id", "check_id"]).unwrap_or_default();
    let fields = "`data.service.id` or `check_id`";
    let key = DedupKey::new(SOURCE.slug, &[&id]).ok_or(MapError::NoIdentity { item: String::new(), fields })?;

    let word = payload.pick(&["event", "state", "data.alert.is_up", "data.alert.state"]);
    let state = uptime::state(STATES, word.as_deref());
    let level = payload.at("data.alert.state").text().unwrap_or_default();
    let state = match level.to_ascii_uppercase().as_str() {
        "WARNING" if state == DOWN => WARNING,
        "CRITICAL" | "WARNING" | "OK" | "" => state,
        // `UNKNOWN`, or a level that the page does not document.
        _ => (state.0, Severity::Error, state.2),
    };
    Ok(Mapped::one(uptime::event(payload, &FIELDS, key, state)))
}
