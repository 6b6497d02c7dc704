//! The hosts that run the exchanges.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use wasmtime_wasi_http::{RequestOptions, WasiBody, default_send_request};

use super::exchange::{Actual, Exchange};
use crate::build::{self, Flavour};
use crate::pagerduty::PagerDuty;
use crate::runtime::{World, relay};
use crate::{SECRET, root};

/// How long a host may take to start or to answer.
const STEP: Duration = Duration::from_secs(60);

/// How long requests to PagerDuty may arrive after the answer.
const LATE: Duration = Duration::from_secs(20);

/// A host of the component.
pub struct Host {
    name: String,
    place: Place,
}

/// How a host is reached, and how it gets variables.
enum Place {
    /// The harness of the tests, in this process.
    InProcess(Flavour),
    /// A process that reads its variables from a file for each request.
    Process { program: Program, variables: PathBuf },
    /// A program that gets its variables on its command line, so each exchange starts it: `wasmtime serve`.
    Fresh { program: PathBuf, component: PathBuf },
    /// Somebody's relay.
    Elsewhere { base: String, secret: String },
}

impl Host {
    /// The harness of the tests.
    pub fn in_process(flavour: Flavour) -> Host {
        // It is built now, so that nobody waits for it later.
        relay(flavour);
        Host { name: format!("in-process-{}", flavour.name()), place: Place::InProcess(flavour) }
    }

    /// The same embedding as a process of its own: `dev host`.
    ///
    /// # Errors
    /// Returns an error if it does not start.
    pub fn process(dev: &Path) -> Result<Host> {
        let variables = variables_file("process")?;
        let mut command = Command::new(dev);
        command.arg("host").arg(build::component(Flavour::Spin)).arg(&variables);
        Ok(Host { name: "process".to_owned(), place: Place::Process { program: Program::start(command)?, variables } })
    }

    /// Node, whose engine is V8, with jco's translation of the component and its shims. `None` if they are not installed.
    ///
    /// # Errors
    /// Returns an error if it does not start.
    pub fn jco() -> Result<Option<Host>> {
        let modules = root().join("target/jco/node_modules");
        if !modules.join("@bytecodealliance/jco-transpile").is_dir() || on_path("node").is_none() {
            return Ok(None);
        }
        let variables = variables_file("jco")?;
        let mut command = Command::new("node");
        command.arg(root().join("tests/conformance/jco/host.mjs")).arg(modules.parent().context("a folder")?);
        command.arg(build::component(Flavour::Spin)).arg(&variables);
        Ok(Some(Host {
            name: "jco-v8".to_owned(),
            place: Place::Process { program: Program::start(command)?, variables },
        }))
    }

    /// `wasmtime serve`. `None` if it is not installed.
    pub fn wasmtime() -> Option<Host> {
        let component = || build::component(Flavour::Wasmtime).to_owned();
        let place = on_path("wasmtime").map(|program| Place::Fresh { program, component: component() })?;
        Some(Host { name: "wasmtime-serve".to_owned(), place })
    }

    /// A relay of any host, with this `webhook_secret`.
    ///
    /// # Errors
    /// Returns an error if the base URL is none.
    pub fn elsewhere(base: &str, secret: &str) -> Result<Host> {
        let uri: Uri = base.parse().with_context(|| format!("{base} is not a URL"))?;
        let authority = uri.authority().with_context(|| format!("{base} has no host"))?.as_str().to_owned();
        anyhow::ensure!(
            ["http", "https"].contains(&uri.scheme_str().unwrap_or_default()),
            "{base} does not begin with http:// or https://"
        );
        let place = Place::Elsewhere { base: base.trim_end_matches('/').to_owned(), secret: secret.to_owned() };
        Ok(Host { name: authority, place })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the runner can set its variables and play PagerDuty.
    pub fn is_ours(&self) -> bool {
        !matches!(self.place, Place::Elsewhere { .. })
    }

    /// Why this exchange cannot run here.
    pub fn cannot(&self, exchange: &Exchange) -> Option<String> {
        match &self.place {
            Place::Elsewhere { .. } if !exchange.runs_anywhere() => Some("it needs variables of its own".to_owned()),
            _ => None,
        }
    }

    /// Sends the request of an exchange.
    ///
    /// # Errors
    /// Returns an error if the host does not answer.
    pub async fn answer(&mut self, exchange: &Exchange, pagerduty: &PagerDuty) -> Result<Actual> {
        let events = format!("http://{}", pagerduty.address());
        let variables = exchange.variables(&events);
        let (base, secret, mut fresh) = match &mut self.place {
            Place::InProcess(_) => ("http://relay.test".to_owned(), SECRET.to_owned(), None),
            Place::Process { program, variables: file } => {
                replace(file, &serde_json::to_string(&variables)?)?;
                (program.base.clone(), SECRET.to_owned(), None)
            }
            Place::Fresh { program, component } => {
                let program = Program::start(wasmtime(program, component, variables.clone())?)?;
                (program.base.clone(), SECRET.to_owned(), Some(program))
            }
            Place::Elsewhere { base, secret } => (base.clone(), secret.clone(), None),
        };
        let request = request(exchange, &base, &secret)?;
        let (status, headers, body) = match &self.place {
            Place::InProcess(flavour) => {
                let world = World { variables, ..World::default() };
                let answer = relay(*flavour).handle(&world, request).await;
                let reply = answer.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                (reply.status, reply.headers, reply.body)
            }
            _ => fetch(request).await?,
        };
        let end = Instant::now() + LATE;
        while self.is_ours() && pagerduty.received().len() < exchange.sends_count() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(fresh.take());
        Ok(Actual { status, headers, body, sent: pagerduty.received(), base, pagerduty: events })
    }
}

fn request(exchange: &Exchange, base: &str, secret: &str) -> Result<Request<WasiBody>> {
    let (method, path, headers) = exchange.head(secret);
    let mut request = Request::builder().method(method.as_str()).uri(format!("{base}{path}"));
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    let body = exchange.body()?;
    Ok(request.body(Full::new(body).map_err(|never| match never {}).boxed_unsync())?)
}

type Answer = (u16, BTreeMap<String, String>, bytes::Bytes);

/// Sends a request by HTTP or HTTPS, with the client that the component's own requests use.
async fn fetch(mut request: Request<WasiBody>) -> Result<Answer> {
    let authority = request.uri().authority().context("an absolute URL")?.to_string();
    request.headers_mut().insert("host", authority.parse()?);
    let options = RequestOptions {
        connect_timeout: Some(STEP),
        first_byte_timeout: Some(STEP),
        between_bytes_timeout: Some(STEP),
    };
    let (response, connection) =
        default_send_request(request, Some(options)).await.map_err(|error| anyhow::anyhow!("{error:?}"))?;
    tokio::spawn(connection);
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|error| anyhow::anyhow!("{error:?}"))?.to_bytes();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok((head.status.as_u16(), headers, body))
}

/// The command that serves the component with these variables. A value with a comma cannot be on its command line, so it
/// is a member of `settings`.
fn wasmtime(program: &Path, component: &Path, mut variables: BTreeMap<String, String>) -> Result<Command> {
    let text = variables.remove("settings");
    let (members, mut alone): (Vec<_>, Vec<_>) = variables.into_iter().partition(|(_, value)| value.contains(','));
    match text.as_deref().map_or_else(|| Ok(serde_json::Map::new()), serde_json::from_str) {
        Ok(mut settings) => {
            settings.extend(members.into_iter().map(|(name, value)| (name, value.into())));
            let settings = serde_json::Value::Object(settings).to_string();
            alone.push(("settings".to_owned(), Base64::encode_string(settings.as_bytes())));
        }
        // An exchange about settings that are not valid.
        Err(_) => {
            anyhow::ensure!(members.is_empty(), "a value has a comma");
            alone.extend(text.map(|text| ("settings".to_owned(), text)));
        }
    }
    let mut command = Command::new(program);
    command.args(["serve", "--addr", "127.0.0.1:0", "-S", "config"]);
    for (name, value) in alone {
        command.arg("-S").arg(format!("config-var={name}={value}"));
    }
    command.arg(component);
    Ok(command)
}

/// A server that prints its URL, and ends with its standard input or when it is dropped.
struct Program {
    child: Child,
    base: String,
}

impl Program {
    fn start(mut command: Command) -> Result<Program> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut program = Program { child, base: String::new() };
        let (sender, receiver) = std::sync::mpsc::channel::<String>();
        // Both pipes are read to their end, so that they never fill up. `wasmtime serve` prints its URL to standard error.
        let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            program.child.stdout.take().map(|pipe| Box::new(pipe) as Box<_>),
            program.child.stderr.take().map(|pipe| Box::new(pipe) as Box<_>),
        ];
        for pipe in pipes.into_iter().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    // The receiver has gone when it has the URL.
                    let _ = sender.send(line);
                }
            });
        }
        drop(sender);
        let (end, mut said) = (Instant::now() + STEP, String::new());
        loop {
            match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(at) = line.find("http://127.0.0.1:") {
                        line[at..].trim().trim_end_matches('/').clone_into(&mut program.base);
                        return Ok(program);
                    }
                    said.extend([&line, "\n"]);
                }
                Err(_) => bail!("{command:?} does not serve: {said}"),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file for the variables of a process.
fn variables_file(name: &str) -> Result<PathBuf> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = root().join("target/conformance");
    std::fs::create_dir_all(&folder)?;
    let count = COUNT.fetch_add(1, Ordering::SeqCst);
    let file = folder.join(format!("{name}-{}-{count}.json", std::process::id()));
    replace(&file, "{}")?;
    Ok(file)
}

/// Replaces a file at once, because another process reads it.
fn replace(file: &Path, text: &str) -> Result<()> {
    let fresh = file.with_extension("new");
    let mut written = std::fs::File::create(&fresh)?;
    written.write_all(text.as_bytes())?;
    Ok(std::fs::rename(&fresh, file)?)
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Place::Process { variables, .. } = &self.place {
            // It is in the target folder, which anybody may delete.
            let _ = std::fs::remove_file(variables);
        }
    }
}

/// The path of a program.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
