//! Builds the playground page: inserts the samples of every source, computes the content security policy, and
//! compresses the page. It also passes the revision on to the compiler.
//!
//! Browsers accept the compressed page. As plain text, the page and the samples would make up more than a tenth of the
//! component.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The page.
const PAGE: &str = "src/endpoints/playground/page.html";

/// The list of the fixtures that are samples.
const LIST: &str = "src/endpoints/playground/samples.txt";

/// The position of the samples in the page.
const MARK: &str = "{/* samples */}";

/// The variable with the revision, which `.ci/release` sets. Unset, the revision is `dev`, so that a commit does not
/// rebuild the component.
const REVISION: &str = "PAGERELAY_REVISION";

fn main() {
    pass_revision();
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let page = std::fs::read_to_string(root.join(PAGE)).expect("the page is there");
    assert_eq!(page.matches(MARK).count(), 1, "the page has one place for the samples");
    let samples = Value::Object(samples(&root)).to_string();
    // Comments are for readers of the source file.
    let page: String =
        page.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|l| [l, "\n"]).collect();
    // Only this sequence would end the script.
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
    for file in [PAGE, LIST, "src/endpoints/playground/build.rs"] {
        rerun_for(Path::new(file));
    }
}

/// Gives the compiler the revision. It becomes part of a header, so it is a word of letters, digits, dots and dashes.
fn pass_revision() {
    println!("cargo::rerun-if-env-changed={REVISION}");
    let revision = std::env::var(REVISION).ok().filter(|revision| !revision.is_empty());
    let revision = revision.unwrap_or_else(|| "dev".to_owned());
    let valid = revision.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    assert!(valid, "{REVISION} may have letters, digits, dots and dashes");
    println!("cargo::rustc-env={REVISION}={revision}");
}

/// Makes cargo rebuild the page when this file changes. Without this, any changed fixture would cause a rebuild.
fn rerun_for(file: &Path) {
    println!("cargo::rerun-if-changed={}", file.display());
}

/// The samples of every source in the list: a trigger and a resolve.
fn samples(root: &Path) -> Map<String, Value> {
    let list = std::fs::read_to_string(root.join(LIST)).expect("the list of samples is there");
    let mut samples = Map::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [slug, opens, closes] = words.as_slice() else { panic!("{LIST}: not a slug and two fixtures: {line}") };
        let mut pair = Map::new();
        for (kind, name) in [("opens", opens), ("closes", closes)] {
            pair.insert(kind.into(), sample(root, &Path::new("tests/fixtures").join(slug).join(name)));
        }
        samples.insert((*slug).into(), pair.into());
    }
    samples
}

/// A fixture: its body, and its headers if it has any.
fn sample(root: &Path, path: &Path) -> Value {
    let read = |path: &Path| std::fs::read_to_string(root.join(path));
    let body = read(path).unwrap_or_else(|error| panic!("{LIST} names {}: {error}", path.display()));
    rerun_for(path);
    let mut sample = Map::new();
    sample.insert("body".into(), body.into());
    let headers = path.with_extension("headers.json");
    if let Ok(text) = read(&headers) {
        sample.insert("headers".into(), serde_json::from_str(&text).expect("headers are json"));
        rerun_for(&headers);
    }
    sample.into()
}
