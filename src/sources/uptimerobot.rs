//! UptimeRobot webhooks.
//!
//! # Wire format
//!
//! <https://help.uptimerobot.com/en/articles/14498593-webhook-integration>, read 2026-11. One delivery is one alert of
//! one monitor. The user chooses how the variables are sent: in the query of a `GET` or a `POST`, in a form or in JSON,
//! or in a JSON body that the user writes with `*variable*` in it. All values are texts. The variables are `monitorID`,
//! `monitorURL`, `monitorFriendlyName`, `alertType` (1 down, 2 up, 3 a certificate or a domain expires),
//! `alertTypeFriendlyName`, `alertDetails`, `alertDuration`, `alertFriendlyDuration`, `alertDateTime`, `alertID`,
//! `monitorAlertContacts`, `sslExpiryDate`, `sslExpiryDaysLeft`. This source accepts these names and their snake case,
//! `monitor_id` and so on. Unexpanded variables count as absent. The page does not say whether UptimeRobot retries, so
//! the relay assumes that it does not.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `alertType`, else `alertTypeFriendlyName`: `1`, `down` trigger; `2`, `up` resolve; `3`, or no known type and `sslExpiryDaysLeft`, triggers; any other value triggers |
//! | severity | down critical; expiry warning, error if 3 days or less are left; else error |
//! | summary | `monitorFriendlyName`, else `monitorURL`, else the id; the change; the first line of `alertDetails`, else the days left or the name of an unknown type |
//! | source | the host of `monitorURL`, else the whole of it, else `monitorFriendlyName`, else `UptimeRobot` |
//! | component | `monitorFriendlyName` |
//! | class | `alertTypeFriendlyName` |
//! | timestamp | `alertDateTime` |
//! | links | `monitorURL` if it is absolute |
//! | client, client URL | UptimeRobot, the monitor's page there |
//! | details | the variables, except the contacts, the name and the time |
//!
//! # Dedup key
//!
//! `uptimerobot:<monitorID>`, or the URL without an id, or the name without both: down and up are about the same
//! monitor. `alertID` is new each time. Expiry has `uptimerobot:<monitorID>:ssl`, or `:domain` if the type's name says
//! so. It never resolves: an up does not resolve it, and UptimeRobot does not report a renewal. An alert of an unknown
//! type has the monitor's own key, and the next up resolves it. A `:` inside a part, as in a URL, becomes `%3A`.
//! UptimeRobot's own PagerDuty integration has one alert per monitor too, with an undocumented key.
//!
//! # Not mapped
//!
//! * An alert without id, URL and name of a monitor is rejected. A body with unexpanded variables triggers an alert
//!   that reports them, the same alert for all such bodies.
//! * `monitorAlertContacts`: it contains the receiver's URL with its secret, and people's addresses.
//! * The URL of a heartbeat monitor: anyone who has it can fake the heartbeat.
//! * The name of a type 3 about a domain is not documented; neither is the test's body.
//! * Newer variables (region, tags, group, status code): their names are not in the copy of the page that we read.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::http::url;
use crate::json::Node;
use crate::mapping::unexpanded::{self, unidentified};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// UptimeRobot.
pub const SOURCE: Source = Source {
    slug: "uptimerobot",
    name: "UptimeRobot",
    docs: "https://help.uptimerobot.com/en/articles/14498593-webhook-integration",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`alertType` 1 (down), 3 (expiry)",
        resolves: "`alertType` 2 (up)",
        steps: "Under Integrations, add a webhook with URL {url}?token=<the secret>& or, on plans with custom headers, {url} and header `X-Webhook-Secret`.\n\
                Choose to send as JSON and paste the body as the POST value; the query string and a form work too.\n\
                Have it notified of up events too, or nothing closes the alerts.",
        template: Some(
            r#"{"monitorID": "*monitorID*", "monitorURL": "*monitorURL*", "monitorFriendlyName": "*monitorFriendlyName*", "alertType": "*alertType*", "alertTypeFriendlyName": "*alertTypeFriendlyName*", "alertDetails": "*alertDetails*", "alertFriendlyDuration": "*alertFriendlyDuration*", "alertDateTime": "*alertDateTime*", "alertID": "*alertID*", "sslExpiryDate": "*sslExpiryDate*", "sslExpiryDaysLeft": "*sslExpiryDaysLeft*"}"#,
        ),
    },
    by_get: true,
    map,
    states: &["2", "1", "3", "Up", "Down"],
    ..Source::DEFAULT
};

/// The action, the severity and the phrase after the monitor's name.
type Kind = (Action, Severity, &'static str);

const DOWN: Kind = (Action::Trigger, Severity::Critical, " is DOWN");
const UP: Kind = (Action::Resolve, Severity::Critical, " is UP");
const EXPIRY: Kind = (Action::Trigger, Severity::Warning, " expires soon");
const UNKNOWN: Kind = (Action::Trigger, Severity::Error, " has an alert");

/// The kinds, by `alertType` and `alertTypeFriendlyName`.
const KINDS: &[(&str, Kind)] = &[("1", DOWN), ("2", UP), ("3", EXPIRY), ("down", DOWN), ("up", UP)];

/// An expiry is an error if at most this many days are left.
const DAYS_LEFT_ERROR: i64 = 3;

/// The host of heartbeats. The path of such a URL is the monitor's secret.
const HEARTBEATS: &str = "heartbeat.uptimerobot.com";

const DETAILS: &[&str] = &[
    "alertDetails",
    "alertDetails=alert_details",
    "alertDuration",
    "alertDuration=alert_duration",
    "alertFriendlyDuration",
    "alertFriendlyDuration=alert_friendly_duration",
    "alertID",
    "alertID=alert_id",
    "alertType",
    "alertType=alert_type",
    "alertTypeFriendlyName",
    "alertTypeFriendlyName=alert_type_friendly_name",
    "monitorID",
    "monitorID=monitor_id",
    "sslExpiryDate",
    "sslExpiryDate=ssl_expiry_date",
    "sslExpiryDaysLeft",
    "sslExpiryDaysLeft=ssl_expiry_days_left",
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = unexpanded::without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let id = payload.first_text(&["monitorID", "monitor_id"]);
    let url = payload.first_text(&["monitorURL", "monitor_url"]);
    let url = url.filter(|url| url::url_host(url) != Some(HEARTBEATS));
    // A URL may contain a password or a key. Then only its host is shown.
    let secret = |url: &String| url.contains(['@', '?']);
    let shown = url.clone().filter(|url| !secret(url));
    let known_by = url.as_ref().map(|url| if secret(url) { text::sha256_hex(url.as_bytes()) } else { url.clone() });
    let url = url.map(|url| if secret(&url) { url::url_host(&url).unwrap_or_default().to_owned() } else { url });
    let name = payload.first_text(&["monitorFriendlyName", "monitor_friendly_name"]);
    let class = payload.first_text(&["alertTypeFriendlyName", "alert_type_friendly_name"]);
    let said = payload.first_text(&["alertDetails", "alert_details"]);
    let days_left = payload.first_text(&["sslExpiryDaysLeft", "ssl_expiry_days_left"]);

    let word = class.as_deref().unwrap_or_default().to_ascii_lowercase();
    let kind = payload.first_text(&["alertType", "alert_type"]).and_then(|kind| text::lookup(KINDS, &kind));
    let otherwise = if days_left.is_some() { EXPIRY } else { UNKNOWN };
    let kind = kind.or_else(|| text::lookup(KINDS, &word)).unwrap_or(otherwise);
    let (action, severity, happened) = kind;
    let expires = kind == EXPIRY;
    let late = days_left.as_deref().and_then(|days| days.parse().ok()).is_some_and(|days: i64| days <= DAYS_LEFT_ERROR);
    let severity = if expires && late { Severity::Error } else { severity };

    let (id, url, name) = (id.as_deref(), url.as_deref(), name.as_deref());
    let aspect = if word.contains("domain") { "domain" } else { "ssl" };
    let key = id.or(known_by.as_deref()).or(name).and_then(|monitor| {
        if expires { DedupKey::new(SOURCE.slug, &[monitor, aspect]) } else { DedupKey::new(SOURCE.slug, &[monitor]) }
    });
    let Some(key) = key else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`monitorID`, `monitorURL` or `monitorFriendlyName`");
    };

    let source_field = url.map(|url| url::url_host(url).unwrap_or(url)).or(name);
    let title = name.or(url).or(id).unwrap_or_default();
    let said = said.or_else(|| match kind {
        EXPIRY => days_left.map(|days| [&days, " days left"].concat()),
        UNKNOWN => class.clone(),
        _ => None,
    });
    let said = said.map(|said| [": ", text::first_line(&said)].concat()).unwrap_or_default();
    let summary = [title, happened, &said].concat();
    let event = Event::new(action, key, severity, &summary, source_field.unwrap_or(SOURCE.name))
        .timestamp(payload.get("alertDateTime").time().or_else(|| payload.get("alert_date_time").time()))
        .component(name.map(str::to_owned))
        .class(class)
        .details(payload, DETAILS)
        .detail("monitorURL", url.into())
        .link("Monitored address", shown)
        .client(SOURCE.name, id.map(|id| ["https://dashboard.uptimerobot.com/monitors/", id].concat()));
    Ok(Mapped::one(event))
}
