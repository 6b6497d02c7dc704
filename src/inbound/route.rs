//! The router: method and path to endpoint.

use std::fmt;

use super::apis;
use crate::config::{Control, is_service};
use crate::http::Method;
use crate::http::api::Api;
use crate::sources::{self, Source};

/// The path of the users' own mappings.
const CUSTOM: &str = "custom";

/// The methods of read-only paths.
const READ: &[Method] = &[Method::Get, Method::Head];

/// The endpoint of a request.
#[derive(Clone, Copy, Debug)]
pub enum Endpoint<'a> {
    /// `POST /act[/<service>]` acknowledges, resolves or annotates an incident on behalf of a person. `GET /check`
    /// reports problems of the setup. `POST /heartbeat/<name>[/<service>]` notes a sign of life.
    Control {
        /// Act, check or heartbeat.
        control: Control,
        /// The name of the heartbeat. Empty for other endpoints.
        name: &'a str,
        /// The service, which names a routing key.
        service: Option<&'a str>,
    },
    /// `POST /<source>[/<service>]`, `POST /custom/<name>[/<service>]`, and the same below `/preview`.
    Deliver(Delivery<'a>),
    /// `GET /health`.
    Health,
    /// `OPTIONS` on a path for deliveries: who may send, and how often (for CloudEvents webhooks).
    Options,
    /// `GET /`: the playground.
    Playground,
    /// `GET /setup` and `GET /setup/<source>`.
    Setup {
        /// The vendor. `None` for the list of vendors.
        source: Option<&'static Source>,
    },
    /// `GET /tick` and `POST /tick`: sends what is stored, and looks for missing heartbeats.
    Tick,
}

/// The parameters of a delivery's path.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The source or template that maps it.
    pub by: By<'a>,
    /// The source whose API it uses, which authenticates its sender and writes the answer. `None` for a template, and for
    /// a source without an API.
    pub through: Option<Through<'a>>,
    /// The service, which names a routing key.
    pub service: Option<&'a str>,
    /// Whether to return a preview instead of sending.
    pub preview: bool,
}

/// The API that a request uses.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    /// The source that speaks the API.
    pub source: &'static Source,
    /// The API.
    pub api: &'static Api,
    /// The path below that of the source, without a slash at either end. Empty for the path of the source itself, whose
    /// replies are the relay's own.
    pub path: &'a str,
}

/// The source or template that maps a delivery.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The user's template with this name.
    Custom(&'a str),
    /// A vendor's source.
    Source(&'static Source),
}

impl By<'_> {
    /// The source. Returns `None` for a template.
    pub fn source(self) -> Option<&'static Source> {
        match self {
            By::Custom(_) => None,
            By::Source(source) => Some(source),
        }
    }
}

/// Why no endpoint matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The path exists, but only for these methods.
    Method(&'static [Method]),
    /// The word after `/custom` is not a valid name of a template.
    Name,
    /// The path is unknown.
    Path,
    /// The word after the source is not a valid name of a service.
    Service,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::Method(methods) => {
                write!(f, "method not allowed; this path accepts {}", Method::allow(methods))
            }
            RouteError::Name => f.write_str("invalid template name in /custom/<name>: use lower-case words of letters and digits joined by single underscores"),
            RouteError::Path => {
                f.write_str("unknown path; send alerts to /<source> or /<source>/<service>, where <source> is one of ")?;
                for (index, source) in sources::SOURCES.iter().enumerate() {
                    write!(f, "{}{}", if index > 0 { ", " } else { "" }, source.slug)?;
                }
                Ok(())
            }
            RouteError::Service => {
                f.write_str(
                "invalid service name: use lower-case words of letters and digits joined by single underscores, not ending in previous",
            )
            }
        }
    }
}

/// No endpoint matches.
#[derive(Clone, Copy, Debug)]
pub struct Unrouted<'a> {
    /// The reason.
    pub error: RouteError,
    /// The API that the path belongs to, if it does.
    pub through: Option<Through<'a>>,
}

impl From<RouteError> for Unrouted<'_> {
    fn from(error: RouteError) -> Self {
        Unrouted { error, through: None }
    }
}

/// Finds the endpoint for a method and a path among these sources. The path may end in one slash, and the path of an API
/// may begin and end in any number of slashes.
///
/// # Errors
/// Returns [`Unrouted`] if no endpoint matches.
pub fn route<'a>(sources: &[&'static Source], method: Method, path: &'a str) -> Result<Endpoint<'a>, Unrouted<'a>> {
    let path = path.strip_prefix('/').ok_or(RouteError::Path)?;
    let below = path.strip_prefix("preview/");
    if let Some(found) = apis::find(sources, below.unwrap_or(path)) {
        return found.deliver(sources, method, below.is_some());
    }
    Ok(own(sources, method, path)?)
}

/// Routes a path that belongs to no API.
fn own<'a>(sources: &[&'static Source], method: Method, path: &'a str) -> Result<Endpoint<'a>, RouteError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (first, rest) = split(path);
    if let Some(control) = Control::ALL.into_iter().find(|control| control.slug() == first) {
        return administer(method, control, rest);
    }
    let read = |endpoint| read(method, endpoint);
    match (first, rest) {
        ("", None) => read(Endpoint::Playground),
        ("health", None) => read(Endpoint::Health),
        ("tick", None) => match method {
            Method::Get | Method::Head | Method::Post => Ok(Endpoint::Tick),
            _ => Err(RouteError::Method(&[Method::Get, Method::Head, Method::Post])),
        },
        ("setup", slug) => read(Endpoint::Setup { source: slug.map(|slug| find(sources, slug)).transpose()? }),
        ("preview", Some(rest)) => deliver(sources, method, rest, true),
        _ => deliver(sources, method, path, false),
    }
}

/// Allows only the methods of read-only paths.
fn read(method: Method, endpoint: Endpoint<'_>) -> Result<Endpoint<'_>, RouteError> {
    match method {
        Method::Get | Method::Head => Ok(endpoint),
        _ => Err(RouteError::Method(READ)),
    }
}

/// Routes `act[/<service>]`, `check` and `heartbeat/<name>[/<service>]`.
fn administer(method: Method, control: Control, rest: Option<&str>) -> Result<Endpoint<'_>, RouteError> {
    let (name, service) = match (control, rest) {
        (Control::Heartbeat, Some(rest)) => split(rest),
        (Control::Check, Some(_)) | (Control::Heartbeat, None) => return Err(RouteError::Path),
        (_, service) => ("", service),
    };
    if service.is_some_and(|service| !is_service(service)) {
        return Err(RouteError::Service);
    }
    let endpoint = Endpoint::Control { control, name, service };
    match (control, method) {
        (Control::Act, Method::Post) | (Control::Heartbeat, Method::Get | Method::Post | Method::Put) => Ok(endpoint),
        (Control::Act, _) => Err(RouteError::Method(&[Method::Post])),
        (Control::Check, _) => read(method, endpoint),
        (Control::Heartbeat, _) => Err(RouteError::Method(&[Method::Get, Method::Post, Method::Put])),
    }
}

fn find(sources: &[&'static Source], slug: &str) -> Result<&'static Source, RouteError> {
    sources.iter().copied().find(|source| source.slug == slug).ok_or(RouteError::Path)
}

/// Routes `<source>[/<service>]` and `custom/<name>[/<service>]`.
fn deliver<'a>(
    sources: &[&'static Source],
    method: Method,
    path: &'a str,
    preview: bool,
) -> Result<Endpoint<'a>, RouteError> {
    let (first, service) = split(path);
    let (by, by_get, service) = match service {
        Some(rest) if cfg!(feature = "templates") && first == CUSTOM => {
            let (name, service) = split(rest);
            let name = Some(name).filter(|name| is_service(name)).ok_or(RouteError::Name)?;
            (By::Custom(name), false, service)
        }
        service => {
            let source = find(sources, first)?;
            (By::Source(source), source.by_get, service)
        }
    };
    if service.is_some_and(|service| !is_service(service)) {
        return Err(RouteError::Service);
    }
    match method {
        // Grafana lets its users choose between these two methods.
        Method::Post | Method::Put => {}
        Method::Get if by_get => {}
        Method::Options => return Ok(Endpoint::Options),
        _ if by_get => return Err(RouteError::Method(&[Method::Get, Method::Post, Method::Put, Method::Options])),
        _ => return Err(RouteError::Method(&[Method::Post, Method::Put, Method::Options])),
    }
    let through = by.source().and_then(|source| Some(Through { source, api: source.api?, path: "" }));
    Ok(Endpoint::Deliver(Delivery { by, through, service, preview }))
}

/// Splits a path into its first word and the rest.
pub(super) fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}
