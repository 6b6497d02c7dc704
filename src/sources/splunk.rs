//! Splunk Enterprise and Splunk Cloud: the alert action Webhook.
//!
//! # Wire format
//!
//! <https://help.splunk.com/splunk-enterprise/alert-and-respond/alerting-manual/10.0/configure-alert-actions/use-a-webhook-alert-action>,
//! read 2026-11: `{sid, search_name, app, owner, results_link, result}`. `result` is the first row of the results only,
//! with the search's own fields; with trigger For each result, each row is a delivery. `search_name` is `null` for a
//! search that is not saved. The form has only a URL, so the secret is in it, and an administrator has to allow the
//! URL. The page names neither a timeout nor retries, so the relay assumes that Splunk does not retry.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | triggers; the row's field `event_action` may be `resolve` or `acknowledge` |
//! | severity | the row's field `severity`, else `urgency`, `level`, `log_level`, by [`Severity::from_word`], else error. A number is no word: Splunk's own severities are not those of other tools |
//! | summary | `search_name`, the row's field `summary` (else `message`, `description`), the source |
//! | source | the row's field `host`, else `dest`, all values if it has several; else `Splunk Enterprise` |
//! | component, group, class | the row's fields `component` (else `service`) and `index`; `sourcetype` |
//! | timestamp | the row's `_time` |
//! | link, client URL | `results_link` |
//! | details | search, app, sid, the row without internal fields (`_cd`), but with `_raw` |
//!
//! # Dedup key
//!
//! `splunk:<search_name>:<app>:<host>`, with the row's `host`, else its `dest`: a search that is triggered for each
//! result has an alert for each host; with trigger Once, the host of the first row counts. A search that is not saved
//! has `splunk::<sid without its time>:<app>:<host>`. The row's field `dedup_key` makes it `splunk::<dedup_key>`, so
//! that the search itself says what is one alert. `sid` is new each time. A `:` inside a part becomes `%3A`.
//!
//! # Not mapped
//!
//! * Splunk never says that an alert is over. Save a second search that finds the recovery: both set the field
//!   `dedup_key` to the same value, and the second one sets `event_action="resolve"`. Otherwise a person or PagerDuty's
//!   auto-resolve has to close the alert.
//! * A body with neither `search_name` nor `sid` is rejected.
//! * `owner`, a person. Other rows than the first: Splunk does not send them.
//!
//! [`Severity::from_word`]: crate::pagerduty::event::Severity::from_word

use serde_json::{Map, Value};

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::log_alerts::{self, Alert, Shape, list, own_action, own_key, place};
use crate::mapping::{MapError, Mapped, json};
use crate::pagerduty::event::{DedupKey, Severity};

/// Splunk Enterprise.
pub const SOURCE: Source = Source {
    slug: "splunk",
    name: "Splunk Enterprise",
    docs: "https://help.splunk.com/splunk-enterprise/alert-and-respond/alerting-manual/10.0/configure-alert-actions/use-a-webhook-alert-action",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "every alert",
        resolves: "the search's own field `event_action` with value `resolve`",
        steps: "Have an administrator add the relay's URL to the webhook allow list: `allowlist.pagerelay` under `[webhook]` in `alert_actions.conf`.\n\
                Save the search as an alert with trigger For each result, and add the action Webhook with URL {url}?token=<the secret>. The form can hold only a URL.\n\
                The search may set `severity`, `summary` and `component` of the event: `| eval severity=\"critical\"`.\n\
                Splunk never says that an alert is over: for one that should close by itself, save a second search that finds the recovery. Both set the same `dedup_key`, and the second one `| eval event_action=\"resolve\"`. For the others set auto-resolve on the PagerDuty service.",
        template: None,
    },
    map,
    states: &["resolve", "acknowledge", "critical", "high", "medium", "low", "informational"],
    ..Source::DEFAULT
};

const SHAPE: Shape = Shape {
    vendor: SOURCE.name,
    name: &["search_name"],
    found: &["result.summary", "result.message", "result.description"],
    component: &["result.component", "result.service"],
    group: &["result.index"],
    class: &["result.sourcetype"],
    time: &["result._time"],
    links: &[("Results", &["results_link"])],
    details: &[&["search_name", "app", "sid"]],
};

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let payload = json(delivery)?;
    let payload = Node::root(&payload);
    payload.members().ok_or(MapError::Shape { expected: "an object with `search_name` and `result`" })?;
    // A field with several values is a list, also if it has one.
    let row = with_single_values(payload.get("result"));
    let row = Node::root(&row);
    let place = ["host", "dest"].iter().find_map(|name| place(&list(row.get(name))));
    let key = own_key(SOURCE.slug, row).or_else(|| key(payload, place.clone()));
    let no_identity = MapError::NoIdentity { item: String::new(), fields: "`search_name` or `sid`" };
    let key = key.ok_or(no_identity)?;

    let words = ["severity", "urgency", "level", "log_level"].iter().filter_map(|name| row.get(name).text());
    // An unknown word is in the details.
    let severity = words.filter_map(|word| Severity::from_word(&word)).next().unwrap_or(Severity::Error);
    let mut shown = Map::new();
    for (name, value) in row.members().into_iter().flatten() {
        if !name.starts_with('_') || name == "_raw" {
            shown.insert(name.clone(), value.clone());
        }
    }
    let alert = Alert { action: own_action(row), key, severity, place, found: None };
    Ok(Mapped::one(SHAPE.event(payload, alert).detail("result", shown.into())))
}

/// The row with the only value of a list in place of the list.
fn with_single_values(row: Node<'_>) -> Value {
    let mut fields = row.members().cloned().unwrap_or_default();
    for value in fields.values_mut() {
        if let Value::Array(items) = value
            && items.len() == 1
        {
            *value = items.pop().unwrap_or_default();
        }
    }
    fields.into()
}

/// The key, by the saved search, or by the part of the search's id that is the same each time it runs:
/// `scheduler__admin__search__RMD5a1b2_at_1769212800_42`.
fn key(payload: Node<'_>, host: Option<String>) -> Option<DedupKey> {
    let app = payload.get("app").text().unwrap_or_default();
    let host = host.unwrap_or_default();
    if let Some(name) = payload.get("search_name").text() {
        return log_alerts::key(SOURCE.slug, Some(name), &[app, host]);
    }
    let sid = payload.get("sid").text()?;
    // The name of the search is in front, and may contain the same word.
    let constant = sid.rsplit_once("_at_").map_or(sid.as_str(), |(constant, _)| constant).to_owned();
    log_alerts::key(SOURCE.slug, Some(String::new()), &[constant, app, host])
}
