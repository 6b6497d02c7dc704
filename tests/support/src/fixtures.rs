//! Fixtures, found by searching the folders.
//!
//! `tests/fixtures/<source>/NN-words.json` (or `.txt` for a form or a text) is a body, with optional headers in
//! `NN-words.headers.json`; `:method` and `:query` there are the request's method and query, and `:path` is its path
//! below that of the source, if the source has an API. The expected results are beside it: `.events.json` (the events, without a routing key), `.ignored.txt` (`item: reason`, one per line),
//! `.error.txt` (why it, or an item of it, cannot be mapped). If the source supports one event per batch,
//! `.group.events.json` and so on are the results of that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pagerelay::auth::{self, Access, Authenticated, FetchError, Scheme};
use pagerelay::config::{Grouping, Options};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::mapping::{MapError, Mapped};
use pagerelay::pagerduty::event::{Event, tell_apart};
use pagerelay::pagerduty::former_keys;
use pagerelay::secret::{Rotation, Secret};
use pagerelay::sources::{self, Source};
use serde_json::Value;

use crate::{SECRET, credentials, golden, root, vectors};

/// The clock of native mapping. It affects only signatures.
const NOW: std::time::Duration = std::time::Duration::from_secs(1_780_000_000);

/// A body, with its expected results.
#[derive(Clone, Debug)]
pub struct Fixture {
    pub source: &'static Source,
    pub path: PathBuf,
    pub body: Vec<u8>,
    /// Its headers, and `:method`, `:path` and `:query` if it has them.
    pub headers: Vec<(String, String)>,
}

/// The result of mapping a body, as text to compare with files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    pub events: Option<String>,
    pub ignored: Option<String>,
    pub error: Option<String>,
}

pub fn folder() -> PathBuf {
    root().join("tests/fixtures")
}

/// Every fixture of every source, in order.
pub fn all() -> Vec<Fixture> {
    sources::SOURCES.iter().flat_map(|source| of(source)).collect()
}

/// Every fixture, but of AWS's kinds of events only one each, for tests that take long for each fixture.
pub fn of_each_kind() -> Vec<Fixture> {
    let mut kinds = BTreeSet::new();
    let mut all = all();
    all.retain(|fixture| {
        let name = fixture.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some((alert, _)) = name.split_once('_') else { return true };
        // `row028-pay`, `letter-rds-orders-storage`
        let parts = if alert.starts_with("letter-") { 2 } else { 1 };
        let kind: Vec<&str> = alert.split('-').take(parts).collect();
        kinds.insert((fixture.source.slug, kind.join("-")))
    });
    all
}

/// The fixtures of one source, in order.
pub fn of(source: &'static Source) -> Vec<Fixture> {
    let files: BTreeSet<PathBuf> = files(&folder().join(source.slug));
    let bodies = files.into_iter().filter(|path| suffixes(path).is_empty());
    bodies.map(|path| Fixture::read(source, path)).collect()
}

/// The files of a folder, without the leftovers of failed goldens. Empty if the folder does not exist.
pub fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter(|path| path.is_file() && !golden::is_left_over(path)).collect()
}

/// The part between a file's name and its extension: `events` in `01-firing.events.json`.
fn suffixes(path: &Path) -> Vec<String> {
    let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
    let parts: Vec<&str> = name.split('.').collect();
    parts[1..parts.len() - 1].iter().map(|part| (*part).to_owned()).collect()
}

impl Fixture {
    /// Reads a body and its headers from a file.
    pub fn read(source: &'static Source, path: PathBuf) -> Fixture {
        let body = std::fs::read(&path).expect("a fixture is readable");
        let headers = match std::fs::read(path.with_extension("headers.json")) {
            Ok(text) => {
                let headers: Value = serde_json::from_slice(&text).expect("headers are json");
                let headers = headers.as_object().expect("headers are an object");
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                // The harness adds the credentials: those of a recorded delivery are placeholders, or belong to
                // somebody.
                let credential = |name: &str| {
                    let name = name.to_ascii_lowercase();
                    ["auth", "hmac", "signature", "token"].iter().any(|word| name.contains(word))
                };
                let others = headers.iter().filter(|(name, _)| !credential(name));
                others.map(|(name, value)| (name.clone(), text(value))).collect()
            }
            Err(_) => Vec::new(),
        };
        Fixture { source, path, body, headers }
    }

    pub fn name(&self) -> String {
        format!("{}/{}", self.source.slug, self.path.file_stem().unwrap_or_default().to_string_lossy())
    }

    /// `01` of `01-firing-two-alerts`.
    pub fn number(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().chars().take(2).collect()
    }

    /// Whether the source maps this fixture differently with `grouping = group`.
    pub fn can_group(&self) -> bool {
        self.source.map_group.is_some()
    }

    /// The path of an expected result: `01-firing.group.events.json`.
    pub fn beside(&self, group: bool, ending: &str) -> PathBuf {
        self.path.with_extension(format!("{}{ending}", if group { "group." } else { "" }))
    }

    /// The expected results, from the files.
    pub fn expected(&self, group: bool) -> Expected {
        let read = |ending: &str| std::fs::read_to_string(self.beside(group, ending)).ok();
        Expected { events: read("events.json"), ignored: read("ignored.txt"), error: read("error.txt") }
    }

    /// The expected events, from the files, without a routing key.
    pub fn expected_events(&self, group: bool) -> Vec<Value> {
        let events = self.expected(group).events.unwrap_or_else(|| "[]".to_owned());
        serde_json::from_str(&events).expect("expected events are a list")
    }

    /// The events that are sent: the expected events, and their copies with former dedup keys.
    pub fn expected_requests(&self, group: bool) -> Vec<Value> {
        let mapped = self.map(group).map(|mapped| mapped.events).unwrap_or_default();
        let sent = former_keys::with_copies(mapped.clone());
        let copies = sent.iter().filter(|event| !mapped.contains(event)).map(Event::to_json);
        self.expected_events(group).into_iter().chain(copies).collect()
    }

    /// Maps the body, natively.
    pub fn map(&self, group: bool) -> Result<Mapped, MapError> {
        map(self.source, &self.body, &self.headers, group)
    }

    /// The result of mapping the body natively, as text.
    pub fn actual(&self, group: bool) -> Expected {
        Expected::of(self.map(group), |events| events)
    }
}

impl Expected {
    /// The result of a mapping, as text. `order` sorts the events if they arrive in any order.
    pub fn of(mapped: Result<Mapped, MapError>, order: impl FnOnce(Vec<Value>) -> Vec<Value>) -> Expected {
        let lines = |lines: Vec<String>| (!lines.is_empty()).then(|| lines.join("\n") + "\n");
        match mapped {
            Ok(mapped) => {
                let events = order(mapped.events.iter().map(Event::to_json).collect());
                let events = serde_json::to_string_pretty(&events).expect("events are json") + "\n";
                let ignored = mapped.ignored.iter().map(|i| format!("{}: {}", i.item, i.reason)).collect();
                let error = mapped.rejected.iter().map(ToString::to_string).collect();
                Expected { events: Some(events), ignored: lines(ignored), error: lines(error) }
            }
            Err(error) => Expected { error: Some(format!("{error}\n")), ..Expected::default() },
        }
    }

    /// The parts, with the extensions of their files.
    pub fn parts(&self) -> [(&'static str, Option<&str>); 3] {
        let [events, ignored, error] = golden::ENDINGS;
        [(events, self.events.as_deref()), (ignored, self.ignored.as_deref()), (error, self.error.as_deref())]
    }
}

/// Maps any body natively with this source, after authentication with the right secret.
pub fn map(source: &Source, body: &[u8], headers: &[(String, String)], group: bool) -> Result<Mapped, MapError> {
    let grouping = if group { Grouping::Group } else { Grouping::Alert };
    map_with(source, body, headers, Options { grouping, ..Options::DEFAULT })
}

/// Like [`map`], with any choices of the user.
pub fn map_with(
    source: &Source,
    body: &[u8],
    headers: &[(String, String)],
    options: Options,
) -> Result<Mapped, MapError> {
    let path = pseudo(headers, ":path").unwrap_or_default();
    let map = source.map_for(options);
    let request = request(source, body, headers);
    let mapped = authenticated(&request, source.schemes, |delivery| map(&delivery.clone().at(path)));
    // The pipeline does this after the mapping.
    mapped.map(|mut mapped| {
        tell_apart(&mut mapped.events);
        mapped
    })
}

/// The value of a line that is no header, but says something else about the request.
pub fn pseudo<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// A method by its name. Without one, it is `POST`.
fn method(name: Option<&str>) -> Method {
    let known = [Method::Delete, Method::Get, Method::Patch, Method::Post, Method::Put];
    let wanted = name.unwrap_or(Method::Post.as_str());
    known.into_iter().find(|method| method.as_str() == wanted).unwrap_or(Method::Other)
}

/// The path of a delivery to a source, whose path is `path`: with `:path` among its headers, that of its API.
pub fn path_below(path: &str, source: &Source, headers: &[(String, String)]) -> String {
    let whose = path.strip_prefix("/preview").unwrap_or(path).split('/').nth(1);
    let below = pseudo(headers, ":path").filter(|_| whose == Some(source.slug));
    below.map_or(path.to_owned(), |below| format!("{path}/{below}"))
}

/// A delivery with the right secret. `:query` among the headers is the rest of the query.
pub fn request(source: &Source, body: &[u8], headers: &[(String, String)]) -> Request {
    let credentials = credentials::of(source, SECRET, body, NOW.as_secs());
    let all = credentials.headers.iter().chain(headers.iter().filter(|(name, _)| !name.starts_with(':')));
    Request {
        method: method(pseudo(headers, ":method")),
        path: path_below(&format!("/{}", source.slug), source, headers),
        query: format!("{}&{}", credentials.query, pseudo(headers, ":query").unwrap_or_default()),
        headers: Headers::new(all.map(|(name, value)| (name.clone(), value.clone().into_bytes()))),
        body: body.to_vec(),
        problem: None,
    }
}

/// Calls `then` with a request that is authenticated with the right secret.
pub fn authenticated<T>(request: &Request, schemes: &[Scheme<'_>], then: impl FnOnce(&Authenticated<'_>) -> T) -> T {
    if_authenticated(request, schemes, then).unwrap_or_else(|| panic!("the right secret opens {}", request.path))
}

/// Calls `then` with a request if it is authenticated with the right secret.
pub fn if_authenticated<T>(
    request: &Request,
    schemes: &[Scheme<'_>],
    then: impl FnOnce(&Authenticated<'_>) -> T,
) -> Option<T> {
    let secrets = Rotation { current: Secret::new(SECRET.to_owned()), previous: None };
    let access = Access { secrets: Some(&secrets), of_services: &[], policy: vectors::POLICY, listed: &[] };
    let delivery = auth::verify(request, schemes, access, NOW, &mut |_| Err(FetchError::Trouble));
    delivery.ok().map(|delivery| then(&delivery))
}
