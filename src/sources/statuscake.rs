//! StatusCake: the webhook of a contact group.
//!
//! # Wire format
//!
//! <https://www.statuscake.com/kb/knowledge-base/how-to-use-the-web-hook-url/>, read 2026-11. One delivery is one change
//! of one uptime test, as a form: `Token`, `Status`, `StatusCode`, `URL`, `IP`, `Tags`, `Name`, `CheckRate`. Deliveries
//! also contain `TestID`, `Method` and `Checkrate`, which the page does not list. With method `GET`, or with `|STATUS|`,
//! `|CODE|`, `|NAME|` and `|URL|` in the webhook's URL, the values are in the query under names that the user chooses; this
//! source accepts the names of the form, and `Code` as on the page. The page states neither retries nor a timeout, so the
//! relay assumes that StatusCake does not retry. It can send the secret only in the URL: `Token` is the MD5 of user name
//! and API key, the same in every delivery, and does not authenticate it here.
//!
//! # Mapping
//!
//! | event | from |
//! |---|---|
//! | action | `Status`: `Up` resolves, `Down` and any other value trigger |
//! | severity | down critical, else error |
//! | summary | `Name`, else the host; the state; `StatusCode`, or "timeout" if that is 0; the host unless they contain it |
//! | source | the host of `URL`, else `IP`, else `Name` |
//! | component, class | `Name`, `Method` |
//! | timestamp | none: StatusCake sends no time |
//! | links | `URL`, unless it may contain a secret |
//! | client | StatusCake |
//! | details | status and its code, test, IP, tags, check rate, the address |
//!
//! # Dedup key
//!
//! `statuscake:<TestID>`; without it `statuscake::<URL>:<Name>`, because tests of one URL may differ only in their names. A
//! URL that may contain a secret becomes its SHA-256. StatusCake's own PagerDuty integration has an undocumented key.
//!
//! # Not mapped
//!
//! * A delivery without id, URL and name of a test is rejected.
//! * `Token`, which is a secret.
//! * The test of a contact group is not documented. If it has no status, it triggers, and the alert never resolves.

use super::{Setup, Source};
use crate::auth::{Authenticated, Scheme};
use crate::json::Node;
use crate::mapping::unexpanded::{unidentified, without_unexpanded};
use crate::mapping::uptime::{self, DOWN, Fields, State, UP};
use crate::mapping::{MapError, Mapped, payload};
use crate::pagerduty::event::{Action, Severity};

/// StatusCake.
pub const SOURCE: Source = Source {
    slug: "statuscake",
    name: "StatusCake",
    docs: "https://www.statuscake.com/kb/knowledge-base/how-to-use-the-web-hook-url/",
    schemes: &[Scheme::BEARER, Scheme::Basic, Scheme::Header("x-webhook-secret"), Scheme::Query("token")],
    setup: Setup {
        triggers: "`Down`, and any unknown status",
        resolves: "`Up`",
        steps: "Under Alerting, Contact Groups, add a group with webhook URL {url}?token=<the secret> and request method `POST`: StatusCake cannot set a header.\n\
                Choose the group in each test that should page.",
        template: None,
    },
    by_get: true,
    map,
    states: &["Up", "Down"],
    ..Source::DEFAULT
};

const STATES: &[(&str, State)] = &[("down", DOWN), ("up", UP)];

/// There is no answer, so the code is 0.
const TIMEOUT: State = (Action::Trigger, Severity::Critical, " is DOWN: timeout");

const FIELDS: Fields = Fields {
    client: SOURCE.name,
    name: &["Name"],
    address: &["URL", "IP"],
    reason: &["StatusCode", "Code"],
    class: &["Method"],
    details: &["TestID", "Status", "StatusCode", "StatusCode=Code", "IP", "Tags", "Checkrate", "Checkrate=CheckRate"],
    ..Fields::NONE
};

/// A timeout is in the phrase.
const UNANSWERED: Fields = Fields { reason: &[], ..FIELDS };

fn map(delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
    let raw = payload(delivery)?;
    let payload = without_unexpanded(raw.clone());
    let payload = Node::root(&payload);
    let text = |name: &str| payload.get(name).text();
    let Some(key) = uptime::key(SOURCE.slug, text("TestID"), text("URL"), text("Name")) else {
        return unidentified((SOURCE.slug, SOURCE.name), &raw, "`TestID`, `URL` or `Name`");
    };
    let state = uptime::state(STATES, text("Status").as_deref());
    let is_timeout = state == DOWN && payload.pick(FIELDS.reason).as_deref() == Some("0");
    let (fields, state) = if is_timeout { (&UNANSWERED, TIMEOUT) } else { (&FIELDS, state) };
    Ok(Mapped::one(uptime::event(payload, fields, key, state)))
}
