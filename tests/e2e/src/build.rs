//! Builds the component. First it finds or installs a Rust compiler with a standard library for
//! `wasm32-unknown-unknown`.
//!
//! It tries in this order: a compiler that has the library; `rustup target add`; a compiler with the source of the
//! library (rustup's `rust-src`, or Debian's `rustc-web` with `rust-web-src`); with `PAGERELAY_INSTALL=1`, as root on
//! Debian, the packages. If all of this fails, it prints instructions.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// The target of the component.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler with its library source. Without `--no-install-recommends`, it would install a whole desktop.
const DEBIAN: &[&str] = &["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"];

/// The variable store that the component imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// The released component: Spin's draft.
    Spin,
    /// Feature `wasmtime`: the draft of `wasmtime serve`.
    Wasmtime,
}

impl Flavour {
    /// Its name in file names.
    pub fn name(self) -> &'static str {
        match self {
            Flavour::Spin => "spin",
            Flavour::Wasmtime => "wasmtime",
        }
    }

    /// The options of cargo that select it.
    pub fn features(self) -> &'static [&'static str] {
        match self {
            Flavour::Spin => &[],
            Flavour::Wasmtime => &["--features", "wasmtime"],
        }
    }
}

/// The component of `tests/floor`, built if necessary.
pub fn floor() -> &'static Path {
    static FLOOR: OnceLock<PathBuf> = OnceLock::new();
    FLOOR.get_or_init(|| match build_package("pagerelay-floor", "floor", &[]) {
        Ok(path) => path,
        Err(error) => panic!("the floor of the benchmarks cannot be built: {error:#}"),
    })
}

/// The component, built if necessary. Progress is printed to the terminal.
pub fn component(flavour: Flavour) -> &'static Path {
    static SPIN: OnceLock<PathBuf> = OnceLock::new();
    static WASMTIME: OnceLock<PathBuf> = OnceLock::new();
    let built = match flavour {
        Flavour::Spin => &SPIN,
        Flavour::Wasmtime => &WASMTIME,
    };
    built.get_or_init(|| match build(flavour) {
        Ok(path) => path,
        Err(error) => panic!("the component cannot be built: {error:#}"),
    })
}

fn build(flavour: Flavour) -> Result<PathBuf> {
    build_package("pagerelay", flavour.name(), flavour.features())
}

/// Builds the component of a package. Returns its file, whose name contains `name`.
fn build_package(package: &str, name: &str, features: &[&str]) -> Result<PathBuf> {
    let root = crate::root();
    let folder = root.join("target/component");
    std::fs::create_dir_all(&folder)?;
    // One build at a time: other test binaries and the dev server write the same files.
    let lock = File::create(folder.join("pagerelay.lock"))?;
    lock.lock()?;
    let toolchain = Toolchain::find(root)?;
    let copy = folder.join(format!("pagerelay-{name}.wasm"));
    if !copy.exists() {
        say(&format!("building the component ({name}) with {} …", toolchain.says));
    }
    let built = toolchain.build(root, &folder, package, features, &[])?;
    // Both flavours have one file name. Another process may be reading the copy, so it is replaced atomically.
    let fresh = copy.with_extension("new");
    std::fs::copy(&built, &fresh).with_context(|| format!("{} is missing", built.display()))?;
    std::fs::rename(&fresh, &copy)?;
    Ok(copy)
}

/// Runs cargo and passes its output on, except the line that only says that it has finished.
fn run_quietly_when_there_is_nothing_to_do(mut cargo: Command) -> Result<()> {
    if std::io::stderr().is_terminal() {
        cargo.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = cargo.stderr(Stdio::piped()).spawn().with_context(|| format!("{cargo:?} does not start"))?;
    let said = child.stderr.take().context("standard error is piped")?;
    for line in BufReader::new(said).lines() {
        let line = line?;
        if !line.contains("Finished") {
            say(&line);
        }
    }
    if !child.wait()?.success() {
        bail!("cargo build --target {TARGET} failed");
    }
    Ok(())
}

/// A cargo and a rustc that can build for the target.
pub struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    /// Whether to build the standard library too.
    build_std: bool,
    /// The folder of `wasm-ld`, if the compiler does not include it.
    linker: Option<PathBuf>,
    /// What it is, for people: the compiler's version.
    pub says: String,
}

impl Toolchain {
    /// Builds a package of the checkout `root` into the folder `target`. Returns the component's file, which does not depend
    /// on where the checkout, the target folder and the crates are.
    pub fn build(
        &self,
        root: &Path,
        target: &Path,
        package: &str,
        features: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<PathBuf> {
        let mut cargo = self.command(&self.cargo);
        // Cargo applies link-time optimisation only if the library is not built as an rlib as well.
        cargo.current_dir(root).args(["rustc", "--release", "--package", package, "--lib", "--crate-type", "cdylib"]);
        cargo.args(["--locked", "--target", TARGET, "--target-dir"]).arg(target).args(features);
        // Cargo adds these to the flags of `.cargo/config.toml`; an environment variable would replace them.
        let flags: Vec<String> = self
            .machine_paths(root, target)?
            .into_iter()
            .map(|(path, name)| format!("{:?}", format!("--remap-path-prefix={}={name}", path.display())))
            .collect();
        cargo.arg("--config").arg(format!("target.{TARGET}.rustflags=[{}]", flags.join(",")));
        cargo.envs(environment.iter().copied());
        run_quietly_when_there_is_nothing_to_do(cargo)?;
        Ok(target.join(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm"))
    }

    /// The folders of this machine whose paths the compiler would write into messages of panics, each with the name that it
    /// writes instead. The compiler takes the last one that fits.
    pub fn machine_paths(&self, root: &Path, target: &Path) -> Result<Vec<(PathBuf, String)>> {
        let home = std::env::home_dir().context("a home folder")?;
        let crates = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let version = self.ask(&["-vV"]).context("the compiler has a version")?;
        let line = |name: &str| version.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let sysroot = PathBuf::from(self.ask(&["--print", "sysroot"]).context("the compiler has a folder")?);
        let mut paths = vec![
            (home, "/home".to_owned()),
            (crates.clone(), "/cargo".to_owned()),
            (root.to_owned(), "/pagerelay".to_owned()),
            (target.to_owned(), "/target".to_owned()),
        ];
        // The library's source gets the name that it has in libraries of the Rust project. Debian's folder is a link.
        let library = sysroot.join("lib/rustlib/src/rust");
        for path in [library.canonicalize().ok(), Some(library)].into_iter().flatten() {
            paths.push((path, format!("/rustc/{}", line("commit-hash: "))));
        }
        // The registry's folder is named after its URL, which a mirror changes.
        for registry in crates.join("registry/src").read_dir().into_iter().flatten().flatten() {
            paths.push((registry.path(), "/crates".to_owned()));
        }
        Ok(paths)
    }

    /// The toolchain of this machine, installed if necessary. `root` is where cargo is asked.
    ///
    /// # Errors
    /// Returns an error with instructions if no toolchain can build for the target.
    pub fn find(root: &Path) -> Result<Toolchain> {
        let here = Toolchain::new("cargo".into(), "rustc".into());
        let debian = Toolchain::new("/usr/bin/cargo".into(), "/usr/bin/rustc".into());
        if let Some(ready) = here.as_is() {
            return Ok(ready);
        }
        // If rustup cannot reach its server on this machine, it should not wait for it each time.
        let unreachable = root.join("target/component/rustup-cannot-add-the-target");
        if on_path("rustup") && !unreachable.exists() {
            say(&format!("installing the target: rustup target add {TARGET} …"));
            let mut rustup = Command::new("rustup");
            let added = rustup.current_dir(root).args(["target", "add", TARGET]).status();
            if let Some(ready) = added.is_ok_and(|status| status.success()).then(|| here.as_is()).flatten() {
                return Ok(ready);
            }
            say("rustup cannot add it: looking for the standard library's source …");
            File::create(unreachable)?;
        }
        if let Some(ready) = here.with_source().or_else(|| debian.with_source()) {
            return Ok(ready);
        }
        // Only on request: tests do not change a developer's machine.
        let may_install = std::env::var("PAGERELAY_INSTALL").is_ok_and(|value| value == "1");
        if may_install && is_root() && on_path("apt-get") {
            apt_get(DEBIAN)?;
            // Debian's own name for the linker is in another package. rustup's linker also works.
            if debian.wasm_ld().is_none()
                && let Ok(link) = std::fs::read_link("/usr/bin/rust-lld")
            {
                apt_get(&[&link.file_name().unwrap_or_default().to_string_lossy()])?;
            }
            if let Some(ready) = debian.with_source() {
                return Ok(ready);
            }
        }
        bail!(
            "this machine has no Rust standard library for {TARGET}, and none could be installed.\n\
             With rustup:    rustup target add {TARGET}\n\
             On Debian:      sudo apt-get install --no-install-recommends {} lld\n\
             As root there, PAGERELAY_INSTALL=1 has this done here.",
            DEBIAN.join(" ")
        )
    }

    fn new(cargo: PathBuf, rustc: PathBuf) -> Toolchain {
        Toolchain { cargo, rustc, build_std: false, linker: None, says: String::new() }
    }

    /// The compiler, if it has the target's standard library.
    fn as_is(&self) -> Option<Toolchain> {
        let libraries = self.ask(&["--print", "target-libdir", "--target", TARGET])?;
        let mut files = Path::new(&libraries).read_dir().ok()?;
        files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libstd-"))).then(|| {
            let says = self.ask(&["--version"]).unwrap_or_default();
            Toolchain { says, ..Toolchain::new(self.cargo.clone(), self.rustc.clone()) }
        })
    }

    /// The compiler, if it has the library's source and a linker is available.
    fn with_source(&self) -> Option<Toolchain> {
        let sysroot = PathBuf::from(self.ask(&["--print", "sysroot"])?);
        if !sysroot.join("lib/rustlib/src/rust/library/std/Cargo.toml").exists() || !on_path(&self.cargo) {
            return None;
        }
        let linker = Some(self.wasm_ld()?);
        let says = format!("{} and the standard library from source", self.ask(&["--version"])?);
        Some(Toolchain { build_std: true, linker, says, ..Toolchain::new(self.cargo.clone(), self.rustc.clone()) })
    }

    /// The folder of a `wasm-ld`: this compiler's own, the system's, or rustup's.
    fn wasm_ld(&self) -> Option<PathBuf> {
        let own = |toolchain: &Toolchain| {
            let sysroot = PathBuf::from(toolchain.ask(&["--print", "sysroot"])?);
            let host = toolchain.ask(&["-vV"])?;
            let host = host.lines().find_map(|line| line.strip_prefix("host: "))?.to_owned();
            Some(sysroot.join("lib/rustlib").join(host).join("bin/gcc-ld"))
        };
        let rustup = Toolchain::new("cargo".into(), "rustc".into());
        let versioned = || {
            let link = std::fs::read_link("/usr/bin/rust-lld").ok()?;
            let version = link.file_name()?.to_str()?.strip_prefix("lld-")?.to_owned();
            Some(PathBuf::from(format!("/usr/lib/llvm-{version}/bin")))
        };
        let folders = [own(self), versioned(), own(&rustup), Some("/usr/bin".into())];
        folders.into_iter().flatten().find(|folder| folder.join("wasm-ld").exists())
    }

    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output = self.command(&self.rustc).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A command that uses this toolchain, without the environment of the one that runs the tests.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for name in ["CARGO", "CARGO_ENCODED_RUSTFLAGS", "LD_LIBRARY_PATH", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS"] {
            command.env_remove(name);
        }
        if self.rustc.is_absolute() {
            command.env("RUSTC", &self.rustc).env_remove("RUSTUP_TOOLCHAIN");
        }
        if self.build_std {
            command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
        }
        if let Some(linker) = &self.linker {
            // At the end, because this folder can contain more than the linker.
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::env::split_paths(&path).chain([linker.clone()]);
            command.env("PATH", std::env::join_paths(folders).expect("a PATH that was one before"));
        }
        command
    }
}

fn apt_get(packages: &[&str]) -> Result<()> {
    say(&format!("installing {} …", packages.join(" ")));
    for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends"]] {
        let mut command = Command::new("apt-get");
        command.arg("-qq").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        if arguments.len() > 1 {
            command.args(packages);
        }
        // The line above is enough; errors are on standard error.
        command.stdout(Stdio::null());
        if !command.status()?.success() {
            bail!("apt-get {} failed", arguments.join(" "));
        }
    }
    Ok(())
}

/// Prints a progress line. Unlike the output of `eprintln!`, the test runner does not capture it.
fn say(line: &str) {
    // If standard error is closed, nobody needs the line.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

fn on_path(program: impl AsRef<OsStr>) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}
