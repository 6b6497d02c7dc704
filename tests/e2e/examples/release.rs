//! Builds the two components of a release and their list of crates, for `.ci/release`.
//!
//! `cargo run -p pagerelay-e2e --example release -- <checkout> <target folder> <output folder> <revision> <source>` writes
//! `pagerelay-spin.wasm`, `pagerelay-wasmtime.wasm` and `pagerelay.cdx.json`. The revision is a commit, and the source the
//! URL of the source code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use pagerelay_e2e::build::{Flavour, TARGET, Toolchain};
use pagerelay_e2e::root;
use serde_json::{Value, json};
use wasmparser::{Parser, Payload};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [checkout, target, out, revision, source] = arguments.as_slice() else {
        bail!("usage: release <checkout> <target folder> <output folder> <revision> <source>");
    };
    for folder in [target, out] {
        std::fs::create_dir_all(folder)?;
    }
    let (checkout, target, out) =
        (Path::new(checkout).canonicalize()?, Path::new(target).canonicalize()?, Path::new(out));
    let package = Package::read(&checkout, revision, source)?;
    let toolchain = Toolchain::find(root())?;
    let sbom = sbom(&checkout, &package, &toolchain)?;
    for flavour in [Flavour::Spin, Flavour::Wasmtime] {
        println!("pagerelay-{} with {}", flavour.name(), toolchain.says);
        let revision = [("PAGERELAY_REVISION", package.revision.as_str())];
        let built = toolchain.build(&checkout, &target, "pagerelay", flavour.features(), &revision)?;
        let component = std::fs::read(&built).with_context(|| format!("{} is missing", built.display()))?;
        for (path, _) in toolchain.machine_paths(&checkout, &target)? {
            let path = path.to_string_lossy();
            let found = component.windows(path.len()).any(|bytes| bytes == path.as_bytes());
            ensure!(!found, "the component contains the path {path} of this machine");
        }
        std::fs::write(out.join(format!("pagerelay-{}.wasm", flavour.name())), package.describe(&component)?)?;
    }
    std::fs::write(out.join("pagerelay.cdx.json"), format!("{sbom:#}\n"))?;
    Ok(())
}

/// What a component says about itself.
struct Package {
    version: String,
    description: String,
    licence: String,
    source: String,
    revision: String,
}

impl Package {
    fn read(checkout: &Path, revision: &str, source: &str) -> Result<Package> {
        let metadata = cargo(checkout, &["metadata", "--locked", "--no-deps", "--format-version", "1"])?;
        let metadata: Value = serde_json::from_str(&metadata)?;
        let packages = metadata["packages"].as_array().context("a list of packages")?;
        let package = packages.iter().find(|package| package["name"] == "pagerelay").context("package pagerelay")?;
        let text = |name: &str| package[name].as_str().map(str::to_owned).with_context(|| format!("its {name}"));
        Ok(Package {
            version: text("version")?,
            description: text("description")?,
            licence: text("license")?,
            source: source.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The component with custom sections at its end, as crate `wasm-metadata` writes them: registries and `wasm-tools
    /// metadata show` read them.
    fn describe(&self, component: &[u8]) -> Result<Vec<u8>> {
        let mut component = without_names(component)?;
        // Subsection 0 is the component's name.
        let name = counted(b"pagerelay");
        component.extend(custom_section(NAMES, &[vec![0], counted(&name)].concat()));
        for (name, value) in [
            ("description", &self.description),
            ("licenses", &self.licence),
            ("source", &self.source),
            ("revision", &self.revision),
            ("version", &self.version),
        ] {
            component.extend(custom_section(name, value.as_bytes()));
        }
        Ok(component)
    }
}

/// The custom section with the component's name, and with names of its parts for debuggers.
const NAMES: &str = "component-name";

/// The component without the section that the linker made: a component has only one, and needs no names of parts.
fn without_names(component: &[u8]) -> Result<Vec<u8>> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 && section.name() == NAMES => {
                let content = section.range();
                // Before the content are the section's kind, which is 0, and its length.
                let length = counted(&component[content.clone()]).len() - content.len();
                let start = content.start - length - 1;
                ensure!(component[start] == 0, "the section begins with its kind");
                return Ok([&component[..start], &component[content.end..]].concat());
            }
            _ => {}
        }
    }
    Ok(component.to_vec())
}

/// <https://webassembly.github.io/spec/core/binary/modules.html#custom-section>
fn custom_section(name: &str, content: &[u8]) -> Vec<u8> {
    [vec![0], counted(&[counted(name.as_bytes()), content.to_vec()].concat())].concat()
}

/// The bytes, and before them their number in LEB128.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let mut counted = Vec::new();
    let mut rest = bytes.len();
    while rest >= 0x80 {
        counted.push(0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    counted.push(rest as u8);
    counted.extend(bytes);
    counted
}

/// The list of the crates in the component, in the format of <https://cyclonedx.org/docs/1.6/json/>. It has no time and no
/// random number, so that two builds write the same bytes.
fn sbom(checkout: &Path, package: &Package, toolchain: &Toolchain) -> Result<Value> {
    let lock: toml::Table = std::fs::read_to_string(checkout.join("Cargo.lock"))?.parse()?;
    let locked = lock["package"].as_array().context("Cargo.lock lists packages")?;
    let checksum = |name: &str, version: &str| {
        let is = |package: &&toml::Value| {
            package["name"].as_str() == Some(name) && package["version"].as_str() == Some(version)
        };
        let found = locked.iter().find(is).and_then(|package| package.get("checksum")?.as_str());
        found.with_context(|| format!("Cargo.lock has no checksum of {name} {version}"))
    };
    let (crates, uses) = crates(checkout, Flavour::Spin)?;
    ensure!(crates.keys().eq(crates_of(checkout, Flavour::Wasmtime)?.keys()), "both components have the same crates");
    let mut components = Vec::new();
    for (purl, Crate { name, version, licence, repository }) in &crates {
        let mut component = json!({
            "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "licenses": [{"expression": licence.replace('/', " OR ")}],
            "hashes": [{"alg": "SHA-256", "content": checksum(name, version)?}],
        });
        if !repository.is_empty() {
            component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
        }
        components.push(component);
    }
    let uses: Vec<Value> = uses.iter().map(|(user, used)| json!({"ref": user, "dependsOn": used})).collect();
    let Package { version, description, licence, source, revision } = package;
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": toolchain.says}]},
            "component": {
                "type": "application", "bom-ref": "pagerelay", "name": "pagerelay", "version": version,
                "description": description, "licenses": [{"expression": licence}],
                "externalReferences": [{"type": "vcs", "url": source, "comment": format!("revision {revision}")}],
            },
        },
        "components": components,
        "dependencies": uses,
    }))
}

/// A crate of the component.
struct Crate {
    name: String,
    version: String,
    licence: String,
    repository: String,
}

type Crates = BTreeMap<String, Crate>;

fn crates_of(checkout: &Path, flavour: Flavour) -> Result<Crates> {
    crates(checkout, flavour).map(|(crates, _)| crates)
}

/// The crates of a component by their package URL, and the crates that each of them uses.
fn crates(checkout: &Path, flavour: Flavour) -> Result<(Crates, BTreeMap<String, BTreeSet<String>>)> {
    let format = "|{p}|{l}|{r}";
    let mut arguments = vec!["tree", "--locked", "--package", "pagerelay", "--target", TARGET, "--format", format];
    arguments.extend(["--edges", "normal,no-proc-macro", "--prefix", "depth", "--no-dedupe"]);
    arguments.extend(flavour.features());
    let (mut crates, mut uses) = (Crates::new(), BTreeMap::<String, BTreeSet<String>>::new());
    // The crates from the root to the current line.
    let mut above: Vec<String> = Vec::new();
    for line in cargo(checkout, &arguments)?.lines() {
        let parts: Vec<&str> = line.split('|').collect();
        let [depth, package, licence, repository] = parts.as_slice() else { bail!("cargo tree prints {line}") };
        let (name, version) = package.split_once(" v").context("a crate has a version")?;
        above.truncate(depth.parse()?);
        let purl = if above.is_empty() { name.to_owned() } else { format!("pkg:cargo/{name}@{version}") };
        if let Some(user) = above.last() {
            uses.entry(user.clone()).or_default().insert(purl.clone());
            let [name, version, licence, repository] = [name, version, licence, repository].map(str::to_owned);
            crates.insert(purl.clone(), Crate { name, version, licence, repository });
        }
        uses.entry(purl.clone()).or_default();
        above.push(purl);
    }
    Ok((crates, uses))
}

/// The output of cargo in the checkout.
fn cargo(checkout: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("cargo").current_dir(checkout).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
