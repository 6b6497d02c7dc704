//! Checkly: alert channels of type webhook.
//!
//! # Wire format
//!
//! <https://www.checklyhq.com/docs/integrations/alerts/webhooks/>, read 2026-11. One delivery is one change of one
//! check. The user writes the body with Handlebars variables, such as `{{CHECK_ID}}`. This source accepts the template
//! of the setup instructions, which has the variables' names in lower case, `event` or `message` for `ALERT_TITLE` and
//! `link` for `RESULT_LINK`. Unexpanded variables count as absent. Handlebars writes quotes in values as `&quot;`,
//! which this source reverts. It escapes neither line breaks nor backslashes, which are in most error messages of
//! browser checks, so this source accepts them as they are.
//!
//! With a webhook secret, Checkly signs the body: hex HMAC-SHA256 in `x-checkly-signature`. Its `x-checkly-timestamp` is
//! not signed. It retries 5 times, every 20 seconds, unless the response is below 400. So a failure can arrive after its
//! recovery; such an alert stays open until the check fails and recovers again. The page does not state a timeout.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `alert_type`: `ALERT_RECOVERY`, `ALERT_DEGRADED_RECOVERY` resolve, any other value triggers; without it, a title that ends with `has recovered` resolves |
//! | severity | failures critical (`ALERT_FAILURE`, `ALERT_FAILURE_REMAIN`, `ALERT_DEGRADED_FAILURE`); degraded checks warning (`ALERT_DEGRADED`, `ALERT_DEGRADED_REMAIN`, `ALERT_FAILURE_DEGRADED`); `ALERT_SSL` warning, error if 3 days or less are left; else error |
//! | summary | `check_name`, the state and, of a failure, the first line of `check_error_message`, else the text of the API's status if that is an error; the title for a certificate and for an unknown or missing type, with `check_name` in front unless it contains it |
//! | source | `ssl_check_domain`, else `check_name`, else `Checkly` |
//! | component, group, class | `check_name`, `group_name`, `check_type` |
//! | timestamp | `started_at` |
//! | client, client URL | Checkly, `link` |
//! | details | type, title, error, status code, response time, location, tags, days left, the result's id |
//!
//! # Dedup key
//!
//! `checkly:<check_id>`, with the id in the path of `link` if `check_id` is missing. A certificate has
//! `checkly:<check_id>:ssl`: it never resolves, because Checkly does not report a renewal. Checkly's own PagerDuty
//! integration has one alert per check too, with an undocumented key.
//!
//! # Not mapped
//!
//! * `NO_ALERT`: "no alert: the check passes as before".
//! * A body without an id of a check is rejected. A body with unexpanded variables triggers an alert that reports them,
//!   the same alert for all such bodies.
//! * The values in a test message are not documented: it is mapped like an alert, which may never resolve.

use serde_json::Value;

use super::{Setup, Source};
use crate::auth::{Authenticated, Hash, Hmac, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::json::Node;
use crate::mapping::repair::repaired_payload;
use crate::mapping::unexpanded::{unidentified, without_unexpanded};
use crate::mapping::uptime::{self, Fields, State, UNKNOWN};
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, DedupKey, Severity};

/// Checkly.
pub const SOURCE: Source = Source {
    slug: "checkly",
    name: "Checkly",
    docs: "https://www.checklyhq.com/docs/integrations/alerts/webhooks/",
    schemes: &[Scheme::Hmac(&SIGNATURE), Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret")],
    setup: Setup {
        triggers: "`ALERT_FAILURE` and its other forms, `ALERT_DEGRADED`, `ALERT_SSL` (which never resolves)",
        resolves: "`ALERT_RECOVERY`, `ALERT_DEGRADED_RECOVERY`",
        steps: "Under Alert Settings, add an alert channel of type Webhook with method `POST`, URL {url} and the body below.\n\
                The webhook secret is the secret: set the relay's variable to it, or send it in header `X-Webhook-Secret`.\n\
                Let the channel send failures and recoveries. An alert about a certificate stays open after its renewal: resolve it in PagerDuty.",
        template: Some(
            r#"{"event": "{{ALERT_TITLE}}", "alert_type": "{{ALERT_TYPE}}", "check_id": "{{CHECK_ID}}", "check_name": "{{CHECK_NAME}}", "check_type": "{{CHECK_TYPE}}", "group_name": "{{GROUP_NAME}}", "check_result_id": "{{CHECK_RESULT_ID}}", "check_error_message": "{{CHECK_ERROR_MESSAGE}}", "api_check_response_status_code": "{{API_CHECK_RESPONSE_STATUS_CODE}}", "api_check_response_status_text": "{{API_CHECK_RESPONSE_STATUS_TEXT}}", "response_time": "{{RESPONSE_TIME}}", "run_location": "{{RUN_LOCATION}}", "ssl_days_remaining": "{{SSL_DAYS_REMAINING}}", "ssl_check_domain": "{{SSL_CHECK_DOMAIN}}", "started_at": "{{STARTED_AT}}", "tags": "{{TAGS}}", "link": "{{RESULT_LINK}}"}"#,
        ),
    },
    retries: true,
    map,
    states: &["ALERT_FAILURE", "ALERT_DEGRADED", "ALERT_DEGRADED_FAILURE", "ALERT_SSL", "ALERT_RECOVERY", "NO_ALERT"],
    ..Source::DEFAULT
};

const SIGNATURE: Hmac<'static> = Hmac {
    header: "x-checkly-signature",
    hash: Hash::Sha256,
    encoding: SignatureEncoding::Hex,
    form: SignatureLayout::One(""),
    stamp: SignedTimestamp::None,
};

const FAILED: State = (Action::Trigger, Severity::Critical, " has failed");
const DEGRADED: State = (Action::Trigger, Severity::Warning, " is degraded");
const RECOVERED: State = (Action::Resolve, Severity::Critical, " has recovered");
const CERTIFICATE: State = (Action::Trigger, Severity::Warning, " has a certificate that expires soon");

const STATES: &[(&str, State)] = &[
    ("ALERT_DEGRADED", DEGRADED),
    ("ALERT_DEGRADED_FAILURE", FAILED),
    ("ALERT_DEGRADED_RECOVERY", RECOVERED),
    ("ALERT_DEGRADED_REMAIN", DEGRADED),
    // An older page has this word.
    ("ALERT_FAIL", FAILED),
    ("ALERT_FAILURE", FAILED),
    ("ALERT_FAILURE_DEGRADED", DEGRADED),
    ("ALERT_FAILURE_REMAIN", FAILED),
    ("ALERT_RECOVERY", RECOVERED),
    ("ALERT_SSL", CERTIFICATE),
];

const TITLE: &[&str] = &["event", "alert_title", "title", "message"];

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["check_name"],
    address: &["ssl_check_domain"],
    reason: &["check_error_message"],
    since: &["started_at"],
    class: &["check_type"],
    group: &["group_name"],
    page: &["link", "result_link"],
    details: &[
        "alert_type",
        "event",
        "message",
        "check_error_message",
        "api_check_response_status_code",
        "response_time",
        "run_location",
        "region",
        "ssl_days_remaining",
        "tags",
        "check_result_id",
    ],
    ..Fields::NONE
};

/// For an API that answers with an error. A check can fail in spite of `OK`.
const ANSWERED: Fields = Fields { reason: &["check_error_message", "api_check_response_status_text"], ..FIELDS };

/// Where only the title describes the alert.
const TITLED: Fields = Fields { reason: TITLE, ..FIELDS };

/// What Handlebars writes for characters that HTML reserves. The last one would make others.
const ENTITIES: &[(&str, &str)] = &[
    ("&quot;", "\""),
    ("&#x27;", "'"),
    ("&#39;", "'"),
    ("&#x3D;", "="),
    ("&#x60;", "`"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = unescaped(repaired_payload(delivery)?);
    let payload = without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let link = payload.pick(FIELDS.page).unwrap_or_default();
    let id = payload.get("check_id").text();
    let id = id.as_deref().or_else(|| uptime::segment(&link, "/checks/")).unwrap_or_default();

    let title = payload.pick(TITLE).unwrap_or_default();
    let kind = payload.get("alert_type").text();
    let state = match &kind {
        Some(word) if word.eq_ignore_ascii_case("NO_ALERT") => {
            return Ok(Mapped::nothing("no alert: the check passes as before"));
        }
        Some(word) => uptime::state(STATES, Some(word)),
        None if title.ends_with(" has recovered") => RECOVERED,
        None if title.starts_with("The SSL certificate for ") => CERTIFICATE,
        None => UNKNOWN,
    };
    let (action, mut severity, mut phrase) = state;
    let is_certificate = state == CERTIFICATE;
    let key = match is_certificate && !id.is_empty() {
        true => DedupKey::new(SOURCE.slug, &[id, "ssl"]),
        false => DedupKey::new(SOURCE.slug, &[id]),
    };
    let Some(key) = key else { return unidentified((SOURCE.slug, SOURCE.name), &raw, "`check_id`") };

    let code = payload.get("api_check_response_status_code").text().unwrap_or_default();
    let mut fields = if code.starts_with(['4', '5']) { &ANSWERED } else { &FIELDS };
    if !title.is_empty() && (kind.is_none() || is_certificate || state == UNKNOWN) {
        (fields, phrase) = (&TITLED, "");
    }
    if is_certificate {
        severity = uptime::expiry(payload.get("ssl_days_remaining").text().as_deref());
    }
    Ok(Mapped::one(uptime::event(payload, fields, key, (action, severity, phrase))))
}

/// The payload with the characters of its texts as they were before Handlebars.
fn unescaped(mut payload: Value) -> Value {
    for value in payload.as_object_mut().into_iter().flat_map(|members| members.values_mut()) {
        if let Value::String(text) = value
            && text.contains('&')
        {
            for (entity, character) in ENTITIES {
                *text = text.replace(entity, character);
            }
        }
    }
    payload
}
