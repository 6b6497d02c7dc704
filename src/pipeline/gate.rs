//! The stage between routing and mapping: who sends, and where it goes.

use std::borrow::Cow;
use std::time::Duration;

use super::visit::fetch;
use crate::auth::{self, Access, AuthError, Authenticated, Scheme};
use crate::config::{self, Accepted, Config, Target};
use crate::error::Error;
use crate::http::{ReadError, Request};
use crate::inbound::intake::Intake;
use crate::inbound::route::Delivery;
use crate::runtime::Host;

/// What decides who may send a delivery.
pub(super) struct Gate<'a> {
    /// The source whose secrets count.
    pub(super) door: &'a Intake,
    pub(super) schemes: &'a [Scheme<'a>],
    pub(super) config: &'a Config,
    pub(super) deadline: Duration,
    pub(super) to: &'a Delivery<'a>,
}

impl<'a> Gate<'a> {
    /// Authenticates the sender by the head of the request. Returns `None` if the body decides: the sender signs it, or its
    /// key may be in it. All others are refused before their body is read.
    pub(super) fn by_head(
        &self,
        host: &mut dyn Host,
        request: &'a Request,
    ) -> Result<Option<Authenticated<'a>>, Error> {
        if self.is_signed(request) {
            return Ok(None);
        }
        match self.authenticate(host, request) {
            Err(Error::Auth(AuthError::Refused)) if auth::may_be_in_body(self.schemes) => Ok(None),
            known => known.map(Some),
        }
    }

    /// The delivery with the body of `request`, if its head has authenticated the sender, else authenticates by the body.
    /// Returns the reason why the body could not be read, if the delivery can continue without it.
    pub(super) fn with_body(
        &self,
        host: &mut dyn Host,
        known: Option<Authenticated<'a>>,
        request: &'a Request,
    ) -> Result<(Authenticated<'a>, Option<Error>), Error> {
        let unread = readable(request)?;
        let known = match (known, &unread) {
            (Some(known), _) => known.with_body_of(request),
            // Without the body, no signature can be verified.
            (None, Some(error)) => return Err(error.clone()),
            (None, None) if self.is_signed(request) => self.authenticate(host, request)?,
            (None, None) => auth::verify_body(request, self.schemes, access(self.config))?,
        };
        let (delivery, undecoded) = known.at(self.to.through.map_or("", |through| through.path)).decoded();
        let key = self.config.key_of(delivery.authenticated_by());
        let delivery = match key {
            Some(key) => delivery.without(key),
            None => delivery,
        };
        Ok((delivery, unread.or(undecoded.map(Error::Read))))
    }

    /// The destination of the path, for an authenticated sender.
    pub(super) fn target(&self, host: &dyn Host, service: Option<&str>) -> Result<Target, Error> {
        if self.door.accepted(service) != Accepted::Any {
            config::check_not_shared(host, self.config)?;
        }
        config::check_service(host, self.door.slug(), service)?;
        let target = config::target(host, service)?;
        config::check_not_routing_key(self.config, &target)?;
        Ok(target)
    }

    fn is_signed(&self, request: &Request) -> bool {
        auth::is_signed(request, self.schemes, &self.config.listed)
    }

    fn authenticate(&self, host: &mut dyn Host, request: &'a Request) -> Result<Authenticated<'a>, Error> {
        let known = authenticate(host, request, self.schemes, self.config, self.deadline);
        known.map_err(|error| self.refusal(error, request))
    }

    /// The reply's error for a sender that is not authenticated.
    fn refusal(&self, error: Error, request: &Request) -> Error {
        if let Some(broken) = self.door.broken() {
            return Error::Map(broken);
        }
        // A browser would remember the password and add it to requests that other sites make it send.
        let challenge = auth::awaits_challenge(self.schemes) && !self.to.preview && !request.is_from_browser();
        match error {
            Error::Auth(AuthError::Refused) if challenge => Error::Challenge,
            error => error,
        }
    }
}

/// Authenticates the sender by one of `schemes`, until `deadline` at the latest.
pub(super) fn authenticate<'a>(
    host: &mut dyn Host,
    request: &'a Request,
    schemes: &'a [Scheme<'a>],
    config: &'a Config,
    deadline: Duration,
) -> Result<Authenticated<'a>, Error> {
    let now = host.now();
    Ok(auth::verify(request, schemes, access(config), now, &mut |url| fetch(host, url, deadline))?)
}

/// The request with its body, which is read until `until` at the latest.
pub(super) fn receive<'a>(host: &mut dyn Host, request: &'a Request, until: Duration) -> Cow<'a, Request> {
    match host.body(until) {
        None => Cow::Borrowed(request),
        Some(Ok(body)) => Cow::Owned(Request { body, ..request.clone() }),
        Some(Err(problem)) => Cow::Owned(Request { problem: Some(problem), ..request.clone() }),
    }
}

/// The secrets of a source, and the requirements for its senders.
fn access(config: &Config) -> Access<'_> {
    let Config { secrets, of_services, policy, listed, .. } = config;
    Access { secrets: secrets.as_ref(), of_services, policy: *policy, listed }
}

/// The error of a body that could not be read, if the delivery can continue without the body. An oversized body may
/// still contain an alert, so the delivery continues and pages. The sender of a broken or late body retries, so those
/// end here.
fn readable(request: &Request) -> Result<Option<Error>, Error> {
    match request.problem {
        Some(ReadError::TooLarge) => Ok(Some(Error::Read(ReadError::TooLarge))),
        Some(problem) => Err(problem.into()),
        None => Ok(None),
    }
}
