//! The paths of other products' APIs ([`Api`](crate::http::api::Api)): below a source, below one of its services, and at
//! the root of the relay, for programs whose URL has room only for a host.

use super::route::{By, Delivery, Endpoint, RouteError, Through, Unrouted, split};
use crate::config::is_service;
use crate::http::Method;
use crate::http::api::Found;
use crate::sources::Source;

/// A path that belongs to an API.
pub(super) struct ApiPath<'a> {
    through: Through<'a>,
    service: Option<&'a str>,
    found: Found,
}

/// Finds the API that a path belongs to, given without its first slash. Returns `None` for the path of a source or a
/// service itself, and for all other paths of the relay.
pub(super) fn find<'a>(sources: &[&'static Source], path: &'a str) -> Option<ApiPath<'a>> {
    let path = Some(path.trim_matches('/')).filter(|path| !path.is_empty())?;
    let (first, rest) = split(path);
    let named = sources.iter().find(|source| source.slug == first && source.api.is_some());
    match (named, rest) {
        (Some(source), Some(rest)) => below(source, rest.trim_start_matches('/')),
        _ => at_root(sources, path),
    }
}

/// Finds the API's path behind `/<source>/`. The words of the API come first, so a word that begins one of its paths is no
/// service.
fn below<'a>(source: &'static Source, rest: &'a str) -> Option<ApiPath<'a>> {
    let direct = read(source, None, rest)?;
    let Some((service, after)) = rest.split_once('/') else {
        return Some(direct).filter(|direct| direct.found != Found::Not);
    };
    if matches!(direct.found, Found::Path { .. }) {
        return Some(direct);
    }
    let behind = read(source, Some(service), after.trim_start_matches('/'))?;
    let unknown = |path: ApiPath<'a>| ApiPath { found: Found::Unknown, ..path };
    Some(match (direct.found, behind.found) {
        (_, Found::Path { .. }) => behind,
        (Found::Unknown, _) => direct,
        // Neither a service nor an API has such a path.
        _ => unknown(behind),
    })
}

/// Finds the API that has this path at the root of the relay. Several may have the same first word.
fn at_root<'a>(sources: &[&'static Source], path: &'a str) -> Option<ApiPath<'a>> {
    let mut unknown = None;
    for path in sources.iter().filter_map(|source| read(source, None, path)) {
        match path.found {
            Found::Path { .. } => return Some(path),
            Found::Unknown => unknown = unknown.or(Some(path)),
            Found::Not => {}
        }
    }
    unknown
}

fn read<'a>(source: &'static Source, service: Option<&'a str>, path: &'a str) -> Option<ApiPath<'a>> {
    let api = source.api?;
    Some(ApiPath { through: Through { source, api, path }, service, found: (api.find)(path) })
}

impl<'a> ApiPath<'a> {
    /// Routes a request with this method to the path. It leads to one of `sources`.
    pub(super) fn deliver(
        self,
        sources: &[&'static Source],
        method: Method,
        preview: bool,
    ) -> Result<Endpoint<'a>, Unrouted<'a>> {
        let ApiPath { through, service, found } = self;
        // A preview is for people, whatever the API is.
        let unrouted = |error| Unrouted { error, through: Some(through).filter(|_| !preview) };
        let Found::Path { methods, by } = found else { return Err(unrouted(RouteError::Path)) };
        let by = by.map_or(Some(through.source), |slug| sources.iter().copied().find(|source| source.slug == slug));
        let by = By::Source(by.ok_or_else(|| unrouted(RouteError::Path))?);
        if service.is_some_and(|service| !is_service(service)) {
            return Err(unrouted(RouteError::Service));
        }
        if !methods.contains(&method) {
            return Err(unrouted(RouteError::Method(methods)));
        }
        Ok(Endpoint::Deliver(Delivery { by, through: Some(through), service, preview }))
    }
}
