//! The example templates of `tests/fixtures/custom`, found by searching the folder.
//!
//! A folder contains a `template.json`, payloads `NN-words.json` with optional headers in `NN-words.headers.json`, and
//! the expected results beside them, like the sources' fixtures.

use std::path::PathBuf;

use serde_json::Value;

use crate::fixtures;

/// A template, and a payload for it.
#[derive(Clone, Debug)]
pub struct Example {
    pub name: String,
    pub template: String,
    pub payload: PathBuf,
}

pub fn folder() -> PathBuf {
    fixtures::folder().join("custom")
}

/// Every payload of every example, in order.
pub fn all() -> Vec<Example> {
    let mut examples = Vec::new();
    for vendor in folder().read_dir().expect("examples are there") {
        let vendor = vendor.expect("readable").path();
        let template = std::fs::read_to_string(vendor.join("template.json")).expect("a folder has a template");
        for payload in fixtures::files(&vendor) {
            let file = payload.file_name().expect("a file has a name").to_string_lossy().into_owned();
            if file != "template.json" && file.matches('.').count() == 1 {
                let name = vendor.file_name().expect("a folder has a name").to_string_lossy().into_owned();
                examples.push(Example { name, template: template.clone(), payload });
            }
        }
    }
    examples.sort_by_key(|example| example.payload.clone());
    examples
}

impl Example {
    pub fn variable(&self) -> String {
        format!("custom_{}", self.name)
    }

    pub fn body(&self) -> Vec<u8> {
        std::fs::read(&self.payload).expect("readable")
    }

    /// The headers of its sender, without the credentials.
    pub fn headers(&self) -> Vec<(String, String)> {
        let own = std::fs::read(self.payload.with_extension("headers.json")).unwrap_or_else(|_| b"{}".to_vec());
        let own: Value = serde_json::from_slice(&own).expect("headers are json");
        let pairs = own.as_object().expect("headers are an object").iter();
        pairs.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect()
    }
}
