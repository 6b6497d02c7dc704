//! Pingdom: state change webhooks of uptime and transaction checks.
//!
//! # Wire format
//!
//! <https://www.pingdom.com/resources/webhooks>, read 2026-11. One delivery is one change of one check: `{check_id,
//! check_name, check_type, check_params{hostname, full_url, url, header, …}, tags[], previous_state, current_state,
//! importance_level, state_changed_timestamp, state_changed_utc_time, description, long_description, custom_message,
//! first_probe{ip, ipv6, location}, second_probe, version}`. `check_params` depends on the type of the check.
//! `importance_level`, `custom_message` and `second_probe` may be missing. The page states neither retries nor a
//! timeout, so the relay assumes that Pingdom does not retry. It can send the secret only in the URL.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `current_state`: `UP`, `SUCCESS` resolve, `DOWN`, `FAILING` and any other value trigger |
//! | severity | `importance_level`: `HIGH` critical, `LOW` warning, else error |
//! | summary | `check_name`, else the host; the state; the first line of `description`, else of `long_description`, unless it is up; the host unless they contain it |
//! | source | the host of `check_params.full_url`, else `hostname`, else the host of `url`, else the name |
//! | component, class | `check_name`, `check_type` |
//! | timestamp | `state_changed_timestamp`, in seconds |
//! | links | `check_params.full_url`, unless it may contain a secret |
//! | client, client URL | Pingdom, the report about the check |
//! | details | both states, importance, descriptions, message, tags, where it was probed, the address |
//!
//! # Dedup key
//!
//! `pingdom:<check_id>`. Pingdom's own PagerDuty integration names the check in its details, with an undocumented key.
//!
//! # Not mapped
//!
//! * A payload without `check_id` is rejected.
//! * `check_params.header`, which may contain credentials.
//! * BeepManager's webhooks, which are older: their format is no longer documented.
//! * The test of a webhook sends the page's own example, check 12345: it triggers, and the alert never resolves.
//! * `UNCONFIRMED_DOWN`, `UNKNOWN` and `PAUSED`, states in the API that are not documented for webhooks: they trigger.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::uptime::{self, DOWN, Fields, State, UP};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{Action, DedupKey, Severity};
use crate::text;

/// Pingdom.
pub const SOURCE: Source = Source {
    slug: "pingdom",
    name: "Pingdom",
    docs: "https://www.pingdom.com/resources/webhooks",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`DOWN`, `FAILING`, and any unknown state",
        resolves: "`UP`, `SUCCESS`",
        steps: "Under Integrations, add one of type Webhook with URL {url}?token=<the secret>: Pingdom cannot set a header.\n\
                Tick the integration in each check that should page.\n\
                The severity is the check's importance: high is critical, low is a warning.",
        template: None,
    },
    map,
    states: &["UP", "DOWN", "SUCCESS", "FAILING", "HIGH", "LOW"],
    ..Source::DEFAULT
};

const FAILING: State = (Action::Trigger, Severity::Critical, " is FAILING");

const STATES: &[(&str, State)] = &[("DOWN", DOWN), ("FAILING", FAILING), ("SUCCESS", UP), ("UP", UP)];

const SEVERITIES: &[(&str, Severity)] = &[("HIGH", Severity::Critical), ("LOW", Severity::Warning)];

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["check_name"],
    address: &["check_params.full_url", "check_params.hostname", "check_params.url"],
    reason: &["description", "long_description"],
    since: &["state_changed_timestamp"],
    class: &["check_type"],
    details: &[
        "check_id",
        "current_state",
        "previous_state",
        "importance_level",
        "long_description",
        "custom_message",
        "tags",
        "first_probe=first_probe.location",
        "second_probe=second_probe.location",
    ],
    ..Fields::NONE
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    let id = payload.get("check_id").text().unwrap_or_default();
    let key =
        DedupKey::new(SOURCE.slug, &[&id]).ok_or(MapError::NoIdentity { item: String::new(), fields: "`check_id`" })?;

    let (action, _, phrase) = uptime::state(STATES, payload.get("current_state").text().as_deref());
    let importance = payload.get("importance_level").text();
    // Some checks have no importance.
    let severity = importance.and_then(|word| text::lookup(SEVERITIES, &word)).unwrap_or(Severity::Error);
    let event = uptime::event(payload, &FIELDS, key, (action, severity, phrase));
    let page = ["https://my.pingdom.com/app/reports/uptime#check=", &id].concat();
    Ok(Mapped::one(event.client(SOURCE.name, Some(page))))
}
