//! Packs the page: puts every source's samples into it, works out its content security policy, and compresses it.
//!
//! Browsers take it as it is. As text the page and the samples would be more than a tenth of the component.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Where the samples go.
const MARK: &str = "{/* samples */}";

fn main() {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let page = std::fs::read_to_string(root.join("src/endpoints/playground/page.html")).expect("the page is there");
    assert_eq!(page.matches(MARK).count(), 1, "the page has one place for the samples");
    let samples = Value::Object(samples(&root.join("tests/fixtures"))).to_string();
    // Comments are for who reads the file.
    let page: String =
        page.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|l| [l, "\n"]).collect();
    // Inside a script, only this ends it.
    let page = page.replace(MARK, &samples.replace("</", "<\\/"));

    let hash = |tag: &str| {
        let (_, rest) = page.split_once(&format!("<{tag}>")).expect("the page has the element");
        let (text, _) = rest.split_once(&format!("</{tag}>")).expect("it ends");
        Base64::encode_string(&Sha256::digest(text.as_bytes()))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash("script"),
        hash("style")
    );
    std::fs::write(out.join("page.csp"), policy).expect("a writable folder");
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(page.as_bytes()).expect("memory");
    std::fs::write(out.join("page.html.gz"), gzip.finish().expect("memory")).expect("a writable folder");
    println!("cargo::rerun-if-changed=src/endpoints/playground/page.html");
    println!("cargo::rerun-if-changed=src/endpoints/playground/build.rs");
    println!("cargo::rerun-if-changed=tests/fixtures");
}

/// The first two fixtures of every source, one that opens an alert and its resolve.
fn samples(fixtures: &Path) -> Map<String, Value> {
    let mut samples = Map::new();
    for folder in std::fs::read_dir(fixtures).expect("fixtures are there") {
        let folder = folder.expect("readable").path();
        let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
        let files = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.expect("readable").path());
        // `01-words.json` and its headers, not what they come to.
        let bodies: BTreeMap<String, PathBuf> =
            files.map(|path| (name(&path), path)).filter(|(name, _)| name.matches('.').count() == 1).collect();
        let mut pair = Map::new();
        for (number, kind) in [("01-", "opens"), ("02-", "closes")] {
            let Some((_, path)) = bodies.iter().find(|(name, _)| name.starts_with(number)) else { continue };
            let mut sample = Map::new();
            sample.insert("body".into(), std::fs::read_to_string(path).expect("a fixture is text").into());
            if let Ok(headers) = std::fs::read(path.with_extension("headers.json")) {
                sample.insert("headers".into(), serde_json::from_slice(&headers).expect("headers are json"));
            }
            pair.insert(kind.into(), sample.into());
        }
        if pair.len() == 2 {
            samples.insert(name(&folder), pair.into());
        }
    }
    samples
}
