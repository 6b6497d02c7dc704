//! The inputs that fuzzing begins with, from the fixtures and the vectors.

use base64ct::{Base64, Encoding};
use pagerelay::sources::SOURCES;
use serde_json::Value;

use super::{DER, FILE, GROUPED, MESSAGE, NOW, WITH_HEADERS, described_schemes};
use crate::fixtures::{self, Fixture};
use crate::{SERVICE_KEY, examples, vectors};

/// Responses of PagerDuty's APIs, with their statuses. Some repeat the routing key.
const ANSWERS: &[(u16, &str)] = &[
    (202, r#"{"status":"success","message":"Event processed","dedup_key":"alertmanager:1"}"#),
    (202, r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload' is missing"]}"#),
    (
        400,
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key KEY","two"]}"#,
    ),
    (400, r#"{"error":{"message":"Invalid Input Provided","code":2001,"errors":["From is not valid","KEY"]}}"#),
    (401, r#"{"error":"unauthorized"}"#),
    (403, r#"{"error":{"message":"Access Denied","code":2010}}"#),
    (404, "<html><head><title>404</title></head><body>not found: KEY</body></html>"),
    (429, r#"{"status":"throttle exceeded","message":"Requests for this service are arriving too quickly."}"#),
    (500, r#"["KEY", "internal \u200b error", {"a": [1, null]}]"#),
    (502, ""),
];

fn lines(headers: &[(String, String)]) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    lines.chain(["\n".to_owned()]).collect::<String>().into_bytes()
}

pub(super) fn map() -> Vec<Vec<u8>> {
    let seed = |fixture: &Fixture, group: bool| {
        let place = SOURCES.iter().position(|source| source.slug == fixture.source.slug).expect("a source");
        let mut first = u8::try_from(place).expect("few sources") | if group { GROUPED } else { 0 };
        let mut seed = Vec::new();
        if !fixture.headers.is_empty() {
            first |= WITH_HEADERS;
            seed = lines(&fixture.headers);
        }
        [vec![first], seed, fixture.body.clone()].concat()
    };
    let mut seeds = Vec::new();
    for fixture in fixtures::all() {
        seeds.push(seed(&fixture, false));
        if fixture.can_group() {
            seeds.push(seed(&fixture, true));
        }
    }
    seeds
}

pub(super) fn template() -> Vec<Vec<u8>> {
    let seed = |example: &examples::Example| {
        let mut template: Value = serde_json::from_str(&example.template).expect("a template is JSON");
        // The target shows the shared secret.
        template.as_object_mut().expect("a template is an object").remove("auth");
        [template.to_string().into_bytes(), vec![0], example.body()].concat()
    };
    examples::all().iter().map(seed).collect()
}

pub(super) fn auth() -> Vec<Vec<u8>> {
    let schemes = described_schemes();
    let seed = |case: &Value| {
        let place = schemes.iter().position(|scheme| *scheme == case["scheme"])?;
        let pairs = case["headers"].as_array()?.iter();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut headers: Vec<(String, String)> =
            pairs.map(|pair| Some((text(&pair[0])?, text(&pair[1])?))).collect::<Option<_>>()?;
        if let Some((_, query)) = case["target"].as_str().and_then(|target| target.split_once('?')) {
            headers.push((":query".to_owned(), query.to_owned()));
        }
        let secret = format!("{}\n", case["secret"].as_str()?);
        let body = vectors::request(case).body;
        Some([vec![u8::try_from(place).ok()?], secret.into_bytes(), lines(&headers), body].concat())
    };
    vectors::all().iter().filter(|case| case["now"] == NOW).filter_map(seed).collect()
}

pub(super) fn certificate() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for case in vectors::all().iter().filter(|case| case["scheme"]["type"] == "sns") {
        seeds.push([&[MESSAGE], vectors::request(case).body.as_slice()].concat());
        let Some(file) = case["certificate"].as_str() else { continue };
        seeds.push([&[FILE], file.as_bytes()].concat());
        let base64: String = file.lines().filter(|line| !line.starts_with('-')).collect();
        if let Ok(der) = Base64::decode_vec(&base64) {
            seeds.push([&[DER], der.as_slice()].concat());
        }
    }
    seeds.sort();
    seeds.dedup();
    seeds
}

/// A certificate as a PEM file.
pub(super) fn pem(der: &[u8]) -> String {
    let base64 = Base64::encode_string(der);
    let mut file = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in base64.as_bytes().chunks(64) {
        file.extend([&*String::from_utf8_lossy(line), "\n"]);
    }
    file + "-----END CERTIFICATE-----\n"
}

pub(super) fn form() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for fixture in fixtures::all() {
        let query = fixture.headers.iter().find(|(name, _)| name == ":query").map(|(_, query)| query.as_bytes());
        seeds.extend(query.map(|query| [b"\x01", query].concat()));
        if fixture.path.extension().is_some_and(|ending| ending == "txt") {
            // As any type, as a form and as parts.
            seeds.extend([0, 4, 6].map(|first| [&[first], fixture.body.as_slice()].concat()));
        }
    }
    let parts = "--x\r\nContent-Disposition: form-data; name=\"payload\"\r\n\r\n{\"a\": [1]}\r\n--x\r\n\
        Content-Disposition: form-data; name=\"b\"\r\n\r\nc\r\n--x--\r\n";
    seeds.push([b"\x06", parts.as_bytes()].concat());
    seeds.push(b"\x04a=1&b=%C3%A9&c=+&a=%ff&payload=%7B%22d%22%3A2%7D".to_vec());
    // {"a":1}, compressed by gzip; and in one stored block without the header of zlib.
    let gzip = b"\x08\x1f\x8b\x08\0\0\0\0\0\x02\x03\xabVJT\xb22\xac\x05\0\xaf\xac\x1bV\x07\0\0\0";
    seeds.extend([gzip.to_vec(), b"\x10\x01\x07\0\xf8\xff{\"a\":1}".to_vec()]);
    seeds
}

pub(super) fn pagerduty_answer() -> Vec<Vec<u8>> {
    let seed = |(status, body): &(u16, &str)| {
        [status.to_be_bytes().as_slice(), body.replace("KEY", SERVICE_KEY).as_bytes()].concat()
    };
    ANSWERS.iter().map(seed).collect()
}
