//! A shell for the commands of the guide, with stand-ins for Spin and wasmtime, and Spin's rules for variables and hosts.
//!
//! The stand-ins check the options and the files that a command names, and record the variables. [`on_spin`] then gives the
//! component what Spin would give it: only what the manifest declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64ct::{Base64, Encoding};
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Egress, World};
use pagerelay_e2e::{SECRET, SERVICE_KEY};

/// `spin up` and `wasmtime serve`: each writes the variables that it is given as files into `$RECORDED`.
const STAND_INS: [(&str, &str); 2] = [
    (
        "spin",
        r#"[ "$1" = up ] || exit 2
shift
while [ $# -gt 0 ]; do
  case $1 in
    --variable)
      name=${2%%=*} value=${2#*=}
      case $value in @*) cp -- "${value#@}" "$RECORDED/$name" ;; *) printf %s "$value" > "$RECORDED/$name" ;; esac ;;
    --runtime-config-file) [ -f "$2" ] ;;
    *) echo "spin up has no option $1" >&2; exit 2 ;;
  esac || exit 1
  shift 2
done
"#,
    ),
    (
        "wasmtime",
        r#"[ "$1" = serve ] || exit 2
shift
while [ $# -gt 1 ]; do
  case "$1 $2" in
    '--addr '*:* | '-S config' | '-W timeout='*) ;;
    '-S config-var='*,*) echo 'a value has no comma' >&2; exit 2 ;;
    '-S config-var='*) variable=${2#config-var=}; printf %s "${variable#*=}" > "$RECORDED/${variable%%=*}" ;;
    *) echo "wasmtime serve has no option $1 $2" >&2; exit 2 ;;
  esac
  shift 2
done
[ -f "$1" ]
"#,
    ),
];

/// The guide's placeholders, and a value for each.
pub(crate) const PLACEHOLDERS: [(&str, &str); 5] = [
    ("<integration key>", SERVICE_KEY),
    ("<integration key of payments>", PAYMENTS_KEY),
    ("<secret>", SECRET),
    ("<secret for Grafana>", pagerelay_e2e::OWN_SECRET),
    ("/opt/pagerelay/", ""),
];

/// The routing key of service `payments`.
pub(crate) const PAYMENTS_KEY: &str = "p0pageRelayTestKey0000000000000u";

/// A text of the guide with values for its placeholders.
pub(crate) fn filled(text: &str) -> String {
    PLACEHOLDERS.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
}

/// A folder with the stand-ins, which is also the home folder of the commands.
pub(crate) struct Shell {
    pub folder: PathBuf,
}

impl Shell {
    pub(crate) fn new(name: &str) -> Shell {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shell-{name}-{}", std::process::id()));
        for below in ["programs", "recorded"] {
            std::fs::create_dir_all(folder.join(below)).expect("the target folder is writable");
        }
        let shell = Shell { folder };
        for (name, script) in STAND_INS {
            let path = format!("programs/{name}");
            shell.write(&path, &format!("#!/bin/bash\n{script}"));
            let made = Command::new("chmod").arg("+x").arg(shell.folder.join(&path)).status();
            assert!(made.is_ok_and(|status| status.success()));
        }
        shell
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("the target folder is writable");
    }

    /// Runs a script, which stops at its first error. Returns what it printed.
    pub(crate) fn run(&self, script: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut bash = Command::new("bash");
        bash.current_dir(&self.folder).args(["-euo", "pipefail", "-c", script]).envs(variables.iter().copied());
        bash.env("HOME", &self.folder).env("RECORDED", self.folder.join("recorded"));
        bash.env("PATH", format!("{}:{path}", self.folder.join("programs").display()));
        let output = bash.output().map_err(|error| error.to_string())?;
        let said = [output.stdout.as_slice(), &output.stderr].map(String::from_utf8_lossy).concat();
        if output.status.success() { Ok(said) } else { Err(format!("{}: {said}", output.status)) }
    }

    /// The variables that a stand-in was given. As on the runtimes, a line break at the end of a file is part of the value.
    pub(crate) fn recorded(&self) -> BTreeMap<String, String> {
        let files = self.folder.join("recorded").read_dir().expect("the folder is there");
        let one = |file: std::fs::DirEntry| {
            let value = std::fs::read_to_string(file.path()).expect("text");
            (file.file_name().to_string_lossy().into_owned(), value)
        };
        files.map(|file| one(file.expect("readable"))).collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Leftovers are in the target folder, which anybody may delete.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The component's environment on Spin: the variables of the manifest, with these values or their defaults, and its hosts.
/// PagerDuty's host is the mock.
pub(crate) fn on_spin(manifest: &toml::Table, given: &BTreeMap<String, String>, pagerduty: &PagerDuty) -> World {
    let resolved = |template: &str| match template.strip_prefix("{{ ").and_then(|rest| rest.strip_suffix(" }}")) {
        // Spin ignores values for variables that are not declared.
        Some(name) => {
            let declared = &manifest["variables"][name];
            given.get(name).cloned().unwrap_or_else(|| declared["default"].as_str().expect("a default").to_owned())
        }
        None => template.to_owned(),
    };
    let component = &manifest["component"]["pagerelay"];
    let mut world = World::default();
    for (name, template) in component["variables"].as_table().expect("variables") {
        world = world.with(name, &resolved(template.as_str().expect("a template")));
    }
    let hosts = component["allowed_outbound_hosts"].as_array().expect("hosts").iter();
    let hosts = hosts.map(|host| resolved(host.as_str().expect("a host")).trim_start_matches("https://").to_owned());
    world.egress = Egress::Hosts(hosts.map(|host| (host, Ok(pagerduty.address()))).collect());
    world
}

/// The component's environment on `wasmtime serve`: the variables, and any host.
pub(crate) fn on_wasmtime(given: &BTreeMap<String, String>, pagerduty: &PagerDuty) -> World {
    let mut world = given.iter().fold(World::default(), |world, (name, value)| world.with(name, value));
    world.egress = Egress::Double(pagerduty.address());
    world
}

/// A text in base64, in one line.
pub(crate) fn base64(text: &str) -> String {
    Base64::encode_string(text.as_bytes())
}
