//! The visits that authentication and subscriptions need.

use std::time::Duration;

use crate::auth::FetchError;
use crate::config;
use crate::error::{Error, HandshakeError};
use crate::http::Url;
use crate::inbound::intake::Intake;
use crate::mapping::Handshake;
use crate::runtime::{self, Host, HttpRequest};
use crate::sources::Visit;

/// Timeout for a document that authentication needs, counted from the request's arrival.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// The URL that the sender asks the relay to visit, if the source's rule and the operator's list allow it.
pub(super) fn visit(
    host: &dyn Host,
    intake: &Intake,
    handshake: Option<&Handshake>,
) -> Result<Option<(Url, &'static Visit)>, Error> {
    let Some(Handshake::Visit { whose, path }) = handshake else { return Ok(None) };
    let Some(rule) = intake.visit() else { return Ok(None) };
    // The sender is authenticated, by signature or by secret. Whether the operator wants this subscription is a
    // separate question.
    let listed = config::list(host, rule.listed_in)?;
    let authority = (rule.authority)(whose).filter(|_| listed.contains(whose));
    let authority = authority.ok_or(Error::Handshake { problem: HandshakeError::Unlisted, said: rule.unlisted })?;
    Ok(Some((Url { https: true, authority, path: path.clone() }, rule)))
}

/// Visits the URL.
pub(super) fn confirm(host: &mut dyn Host, url: &Url, rule: &Visit, deadline: Duration) -> Result<(), Error> {
    fetch(host, url, deadline).map(|_| ()).map_err(|error| match error {
        FetchError::Absent => Error::Handshake { problem: HandshakeError::Refused, said: rule.refused },
        FetchError::Trouble => Error::Handshake { problem: HandshakeError::Unreachable, said: rule.unreachable },
    })
}

/// Fetches a document.
pub(super) fn fetch(host: &mut dyn Host, url: &Url, deadline: Duration) -> Result<Vec<u8>, FetchError> {
    match runtime::request_once(host, HttpRequest::get(url.clone()), Duration::ZERO, deadline.min(FETCH_MAX)) {
        Ok(answer) if answer.status == 200 => Ok(answer.body),
        Ok(answer) if (400..500).contains(&answer.status) => Err(FetchError::Absent),
        _ => Err(FetchError::Trouble),
    }
}
