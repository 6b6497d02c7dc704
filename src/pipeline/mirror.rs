//! The copy of a delivery for the product that its sender used before.

use std::time::Duration;

use crate::auth::Authenticated;
use crate::config;
use crate::http::Url;
use crate::inbound::intake::Intake;
use crate::pagerduty::events_api::Beside;
use crate::report::Report;
use crate::runtime::{Host, HttpRequest, HttpResponse, SendError};
use crate::sources::Mirrored;

/// How long a copy for another product may take.
const MIRROR_MAX: Duration = Duration::from_secs(2);
/// The copy of a delivery for the product that its sender used before, with the variable that asks for it. A problem with
/// it is not the sender's concern.
pub(super) fn copy(
    host: &dyn Host,
    door: &Intake,
    delivery: &Authenticated<'_>,
    is_read: bool,
    report: &mut Report,
) -> Option<(Beside, &'static str)> {
    let mirror = door.source().and_then(|source| source.mirror).filter(|_| is_read)?;
    let (key, authority) = match config::mirror(host, mirror.key, mirror.region, mirror.hosts) {
        Ok(found) => found?,
        Err(error) => {
            report.unshown.push(error.to_string());
            return None;
        }
    };
    let Mirrored { method, path, body } = (mirror.request)(delivery)?;
    let url = Url { https: true, authority: authority.to_owned(), path };
    let headers = vec![("authorization", key.authorization(mirror.scheme))];
    let outbound = HttpRequest { method, headers, body, ..HttpRequest::get(url) };
    Some((Beside { outbound, timeout: MIRROR_MAX }, mirror.key))
}

/// The warning for a copy that was not accepted. `key` is the variable that asks for it.
pub(super) fn refused(key: &str, answer: Result<HttpResponse, SendError>) -> Option<String> {
    let why = match answer {
        Ok(HttpResponse { status: 200..300, .. }) => return None,
        Ok(HttpResponse { status, .. }) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Some(format!("the copy that variable `{key}` asks for was not accepted: {why}"))
}
