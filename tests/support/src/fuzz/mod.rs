//! The targets of `tests/fuzz`: each runs one public function on any bytes, and panics if a rule is broken that holds for
//! every input. `cargo test` replays the seeds and the inputs that fuzzing found.
//!
//! A target reads its choices from the first bytes of the input. Where it takes headers, these are lines `name: value` up
//! to an empty line.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use pagerelay::auth::sns::SNS;
use pagerelay::auth::{self, Access, FetchError, SHARED_SECRET, Scheme};
use pagerelay::config::{Branches, Grouping, Options};
use pagerelay::http::{Headers, Method, Request, Url};
use pagerelay::mapping::{self, Mapped, VALUES_MAX, budget};
use pagerelay::pagerduty::answer;
use pagerelay::pagerduty::event::Event;
use pagerelay::pagerduty::events_api::{Sent, Verdict};
use pagerelay::pipeline;
use pagerelay::runtime::HttpResponse;
use pagerelay::secret::Secret;
use pagerelay::sources::SOURCES;
use pagerelay::text;
use serde_json::Value;

use crate::host::Accepting;
use crate::{ROUTING_KEY, SECRET, SERVICE_KEY, contract, fixtures, root, vectors};

mod seeds;

/// A function to fuzz.
pub struct Target {
    /// The name of its file in `tests/fuzz/fuzz_targets`.
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs to begin with, from the fixtures.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target, by name.
pub const TARGETS: &[Target] = &[
    Target { name: "auth", run: auth, seeds: seeds::auth },
    Target { name: "certificate", run: certificate, seeds: seeds::certificate },
    Target { name: "form", run: form, seeds: seeds::form },
    Target { name: "map", run: map, seeds: seeds::map },
    Target { name: "pagerduty_answer", run: pagerduty_answer, seeds: seeds::pagerduty_answer },
    Target { name: "template", run: template, seeds: seeds::template },
];

/// The secret that must never authenticate a request that is made with another one.
const OTHER: &str = "another-secret-of-some-length";

/// The time of the vectors, in seconds since the Unix epoch.
const NOW: u64 = 1_700_000_000;

/// The bits of the first byte of [`map`]: one event per batch, and headers before the body. The others are the source.
const GROUPED: u8 = 0x80;
const WITH_HEADERS: u8 = 0x40;

/// How many bytes an event without its details has at most, and how many an event that is alone.
const OUTLINE_MAX_BYTES: usize = 2048;
const EVENT_MAX_BYTES: usize = 512_000;

/// How many of the events of a delivery are compared with the contract. It takes long.
const CHECKED_EVENTS: usize = 100;

/// The inputs that fuzzing found for a target, with their paths.
pub fn found(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fixtures::files(&root().join("tests/fuzz/found").join(name));
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

/// Splits headers from the rest.
fn headers(data: &[u8]) -> (Vec<(String, String)>, &[u8]) {
    let (mut headers, mut rest) = (Vec::new(), data);
    while let (line, Some(after)) = split(rest, b'\n') {
        rest = after;
        let line = String::from_utf8_lossy(line);
        let Some((name, value)) = line.split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    (headers, rest)
}

/// What is before and after the first of these bytes.
fn split(data: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    let mut parts = data.splitn(2, |byte| *byte == at);
    (parts.next().unwrap_or_default(), parts.next())
}

/// A request with these headers. `:query` among them is its query.
fn request(path: &str, headers: &[(String, String)], body: &[u8]) -> Request {
    let query = headers.iter().find(|(name, _)| name == ":query").map(|(_, value)| value.clone());
    let headers = headers.iter().filter(|(name, _)| !name.starts_with(':'));
    Request {
        method: Method::Post,
        path: path.to_owned(),
        query: query.unwrap_or_default(),
        headers: Headers::new(headers.map(|(name, value)| (name.clone(), value.clone().into_bytes()))),
        body: body.to_vec(),
        problem: None,
    }
}

/// Maps a body with the source of the first byte: no panic, the same events every time, and all within the limits.
pub fn map(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let source = SOURCES[usize::from(first & !(GROUPED | WITH_HEADERS)) % SOURCES.len()];
    let (headers, body) = if first & WITH_HEADERS == 0 { (Vec::new(), rest) } else { headers(rest) };
    let request = fixtures::request(source, body, &headers);
    // A source has batches or branches, and never both.
    let chosen = Options { grouping: Grouping::Group, branches: Branches::All };
    let map = source.map_for(if first & GROUPED == 0 { Options::DEFAULT } else { chosen });
    let path = fixtures::pseudo(&headers, ":path").unwrap_or_default().trim_matches('/');
    let map = || fixtures::if_authenticated(&request, source.schemes, |delivery| map(&delivery.clone().at(path)));
    let mapped = map();
    assert_eq!(mapped, map(), "the same delivery makes the same events");
    if let Some(Ok(mapped)) = mapped {
        check_mapped(&mapped, body.len());
    }
}

/// Whether each event satisfies PagerDuty's limits, and all together the budget of the delivery.
fn check_mapped(mapped: &Mapped, body: usize) {
    let Mapped { events, ignored, rejected, handshake, .. } = mapped;
    let silent = events.is_empty() && ignored.is_empty() && rejected.is_empty() && handshake.is_none();
    assert!(!silent, "a delivery is never dropped silently");
    let bodies: Vec<Vec<u8>> = events.iter().map(|event| event.encode(ROUTING_KEY)).collect();
    for body in bodies.iter().step_by(bodies.len() / CHECKED_EVENTS + 1) {
        check_event(&serde_json::from_slice(body).expect("an event is JSON"));
    }
    let outlines = events.iter().filter(|event| event.is_outline()).count();
    let weight: usize = events.iter().skip(1).filter(|event| !event.is_outline()).map(Event::weight).sum();
    let budget = budget::BUDGET_PER_BYTE * body + budget::BUDGET_BYTES;
    assert!(weight <= budget, "{weight} bytes of memory");
    let made: usize = bodies.iter().map(Vec::len).sum();
    assert!(made <= budget + EVENT_MAX_BYTES + OUTLINE_MAX_BYTES * outlines, "{made} bytes");
}

fn check_event(event: &Value) {
    let wrong = contract::wrong_with(event);
    assert!(wrong.is_empty(), "{wrong:?}: {event:.2000}");
}

/// Posts a payload to a template, both separated by NUL: no panic, the same events every time, and all within the limits.
pub fn template(data: &[u8]) {
    let (template, Some(body)) = split(data, b'\0') else { return };
    let Ok(template) = str::from_utf8(template) else { return };
    let authorization = ("authorization".to_owned(), format!("Bearer {SECRET}"));
    let request = request("/custom/x", &[authorization], body);
    let post = || {
        let mut host = Accepting::new();
        host.variables.insert("custom_x", template);
        let (reply, _) = pipeline::handle(&mut host, &request);
        (reply.status, reply.body, host.sent)
    };
    let posted = post();
    assert!(posted == post(), "the same delivery makes the same events");
    let (_, _, sent) = posted;
    sent.iter().for_each(check_event);
    let made: usize = sent.iter().map(|event| event.to_string().len()).sum();
    let budget = budget::BUDGET_PER_BYTE * body.len() + budget::BUDGET_BYTES + EVENT_MAX_BYTES;
    assert!(made <= budget + OUTLINE_MAX_BYTES * sent.len(), "{made} bytes");
}

/// Verifies a request with one scheme and the secret of the first line: only that secret authenticates it.
pub fn auth(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let scheme = &schemes()[usize::from(*first) % schemes().len()];
    let (secret, rest) = split(rest, b'\n');
    let (headers, body) = headers(rest.unwrap_or_default());
    let (secret, request) = (String::from_utf8_lossy(secret), request("/", &headers, body));
    let previous = |current: &str, previous: Option<&str>| {
        let secrets = vectors::rotation(current, previous);
        let access = Access { secrets: Some(&secrets), of_services: &[], policy: vectors::POLICY, listed: &[] };
        let known = auth::verify(&request, scheme, access, Duration::from_secs(NOW), &mut |_| Err(FetchError::Trouble));
        let known = known.or_else(|_| auth::verify_body(&request, scheme, access)).ok()?;
        if auth::may_be_in_body(scheme) {
            let headers = Headers::default();
            let again = Request { headers, body: known.body().to_vec(), ..request.clone() };
            assert!(auth::verify_body(&again, scheme, access).is_err(), "the key is not in the body any more");
        }
        Some(known.authenticated_by().previous)
    };
    if previous(&secret, None).is_some() && secret != OTHER {
        assert_eq!(previous(OTHER, None), None, "another secret");
        assert_eq!((previous(&secret, Some(OTHER)), previous(OTHER, Some(&secret))), (Some(false), Some(true)));
    }
}

/// The schemes of the vectors with a secret, each as the list of a source.
fn schemes() -> &'static [[Scheme<'static>; 1]] {
    static SCHEMES: OnceLock<Vec<[Scheme<'static>; 1]>> = OnceLock::new();
    SCHEMES.get_or_init(|| described_schemes().iter().map(|described| [vectors::scheme(described)]).collect())
}

/// The same schemes, as the vectors describe them.
fn described_schemes() -> Vec<Value> {
    let cases = vectors::all().into_iter();
    let described = cases.map(|case| case["scheme"].to_string()).filter(|described| !described.contains("\"sns\""));
    let distinct: BTreeSet<String> = described.collect();
    distinct.iter().map(|described| serde_json::from_str(described).expect("it was JSON")).collect()
}

/// The first byte of [`certificate`] modulo 3: what the rest is.
const FILE: u8 = 0;
const DER: u8 = 1;
const MESSAGE: u8 = 2;

/// Verifies a message of Amazon SNS, with the rest of the input as the certificate or as the message: only members that
/// the fixed key signed are accepted.
pub fn certificate(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let Signed { request, certificate, topics, proven } = signed();
    let (mut request, mut certificate) = (request.clone(), certificate.clone());
    match first % 3 {
        FILE => certificate = rest.to_vec(),
        DER => certificate = seeds::pem(rest).into_bytes(),
        _ => request.body = rest.to_vec(),
    }
    let access = Access { secrets: None, of_services: &[], policy: vectors::POLICY, listed: topics };
    let mut fetch = |_: &Url| Ok(certificate.clone());
    let schemes = [Scheme::Certified(&SNS)];
    if let Ok(known) = auth::verify(&request, &schemes, access, Duration::from_secs(NOW), &mut fetch) {
        assert!(proven.iter().any(|proven| proven == known.body()), "nobody signed this message");
    }
}

/// A message of the vectors, its certificate and its topics, and the members of all messages that this certificate signed.
struct Signed {
    request: Request,
    certificate: Vec<u8>,
    topics: Vec<String>,
    proven: Vec<Vec<u8>>,
}

fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let cases: Vec<Value> = vectors::all().into_iter().filter(|case| case["scheme"]["type"] == "sns").collect();
        let accepted: Vec<&Value> =
            cases.iter().filter(|case| case["verdict"] == "accept" && case["now"] == NOW).collect();
        let first = accepted.first().expect("a message is accepted");
        let proven = accepted.iter().filter_map(|case| vectors::proven(case)).collect();
        Signed {
            request: vectors::request(first),
            certificate: first["certificate"].as_str().expect("a certificate").into(),
            topics: serde_json::from_value(first["topics"].clone()).expect("a list of topics"),
            proven,
        }
    })
}

/// Content types and encodings that the first byte of [`form`] chooses from. Its lowest bit makes the input the query.
const TYPES: [&str; 4] =
    ["", "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];
const ENCODINGS: [&str; 4] = ["", "gzip", "deflate", "br"];

/// Parses a payload in any encoding: its size is bounded by that of the body.
pub fn form(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![header("authorization", &format!("Bearer {SECRET}"))];
    headers.push(header("content-type", TYPES[usize::from(first >> 1 & 3)]));
    headers.push(header("content-encoding", ENCODINGS[usize::from(first >> 3 & 3)]));
    let is_query = first & 1 == 1;
    if is_query {
        headers.push(header(":query", &String::from_utf8_lossy(rest)));
    }
    let request = request("/events", &headers, if is_query { b"" } else { rest });
    fixtures::authenticated(&request, SHARED_SECRET, |delivery| {
        let (delivery, _) = delivery.clone().decoded();
        let payload = mapping::payload(&delivery);
        assert_eq!(payload, mapping::payload(&delivery), "the same body is the same payload");
        let (values, bytes) = payload.as_ref().map(size).unwrap_or_default();
        assert!(values <= VALUES_MAX + 1, "{values} values");
        // A byte that is not UTF-8 becomes three.
        let max = 3 * delivery.body().len().max(request.query.len());
        assert!(bytes <= max, "{bytes} bytes, and {max} at most");
    });
}

/// The number of values, and the bytes of all texts and names.
fn size(value: &Value) -> (usize, usize) {
    let add = |(values, bytes): (usize, usize), (more, text): (usize, usize)| (values + more, bytes + text);
    match value {
        Value::Array(items) => items.iter().map(size).fold((1, 0), add),
        Value::Object(members) => {
            members.iter().fold((1, 0), |sum, (name, value)| add(add(sum, size(value)), (0, name.len())))
        }
        Value::String(text) => (1, text.len()),
        Value::Bool(_) | Value::Null | Value::Number(_) => (1, 0),
    }
}

/// The longest message of PagerDuty that is repeated, in UTF-16 code units.
const WORDS_MAX_UNITS: usize = 300;

/// Parses a response of PagerDuty, with the status in the first two bytes: its words are short, on one line and without the
/// routing key, and only a confirmed success is accepted.
pub fn pagerduty_answer(data: &[u8]) {
    let Some((status, body)) = data.split_first_chunk::<2>() else { return };
    let inbound = HttpResponse { status: u16::from_be_bytes(*status), retry_after: None, body: body.to_vec() };
    let secret = Secret::new(SERVICE_KEY.to_owned());
    let (answer, json) = answer::read(&inbound, &[&secret]);
    assert!(answer.words.encode_utf16().count() <= WORDS_MAX_UNITS, "{}", answer.words);
    assert!(!answer.words.contains(SERVICE_KEY), "{}", answer.words);
    assert!(!answer.words.contains(text::is_hidden), "{}", answer.words);
    let success = json.is_some_and(|json| json["status"] == "success") && (200..300).contains(&answer.status);
    let sent = Sent { sha256: String::new(), attempts: 1, answer: Ok(answer) };
    assert_eq!(sent.verdict() == Verdict::Accepted, success);
}
