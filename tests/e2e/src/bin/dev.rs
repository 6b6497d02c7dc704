//! `cargo dev`: serves the component on localhost next to a mock PagerDuty, and shows each event in the terminal.
//!
//! `cargo dev` serves until it is stopped. `cargo dev --demo` posts a fixture of every source, firing and then
//! resolved, and ends. `cargo dev new <slug>` creates a source, and ends. `cargo dev conformance` runs the exchanges of
//! `tests/conformance` on every host that this machine has, and `cargo dev conformance <base-url>` on the relay at that URL.
//! `dev host <component> <file>` is one of these hosts: a component with the variables of a JSON file. `--port N` listens on that port
//! instead of one that the system picks. The value of a variable `NAME` is read from `SPIN_VARIABLE_NAME`, as in `spin up`. If a
//! routing key is set there, events are sent to the real PagerDuty. The key-value store is in memory.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use lexopt::ValueExt;
use pagerelay::sources;
use pagerelay::text::one_line;
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::conformance::{self, Host, Known, Report};
use pagerelay_e2e::fixtures;
use pagerelay_e2e::keyvalue::KeyValue;
use pagerelay_e2e::pagerduty::{PagerDuty, Received};
use pagerelay_e2e::rest::{self, Rest};
use pagerelay_e2e::runtime::{Call, Relay, Reply, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{SERVICE_KEY, own_secrets, root, run, scaffold};

const USAGE: &str = "usage: cargo dev [--demo] [--port N], cargo dev new <slug>, or cargo dev conformance [<base-url>]";

/// What was asked for on the command line.
enum Command {
    /// To run the exchanges on the relay at this URL, or on every host that this machine has.
    Conformance(Option<String>),
    /// To serve this component with the variables of this file.
    Host { component: PathBuf, variables: PathBuf },
    /// To print the usage.
    Help,
    /// A new source with this slug.
    New(String),
    /// To serve, on this port or on one that the system picks; or to play the demo.
    Serve { demo: bool, port: u16 },
}

fn command() -> Result<Command, lexopt::Error> {
    let (mut demo, mut port) = (false, 0);
    // The alias ends in `--`, so that both `cargo dev --demo` and `cargo dev -- --demo` lead here.
    let arguments = std::env::args_os().filter(|argument| argument != "--");
    let mut parser = lexopt::Parser::from_iter(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Command::Help),
            lexopt::Arg::Long("demo") => demo = true,
            lexopt::Arg::Long("port") => port = parser.value()?.parse()?,
            lexopt::Arg::Value(word) if word == "new" => {
                let slug = parser.value()?.string()?;
                return parser.next()?.map_or(Ok(Command::New(slug)), |extra| Err(extra.unexpected()));
            }
            lexopt::Arg::Value(word) if word == "conformance" => {
                let base = parser.next()?;
                return match base {
                    None => Ok(Command::Conformance(None)),
                    Some(lexopt::Arg::Value(base)) => Ok(Command::Conformance(Some(base.string()?))),
                    Some(extra) => Err(extra.unexpected()),
                };
            }
            lexopt::Arg::Value(word) if word == "host" => {
                let (component, variables) = (parser.value()?.into(), parser.value()?.into());
                return Ok(Command::Host { component, variables });
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Serve { demo, port })
}

fn main() -> ExitCode {
    let (demo, port) = match command() {
        Ok(Command::Serve { demo, port }) => (demo, port),
        Ok(Command::Conformance(base)) => {
            return run(conform(base.as_deref())).unwrap_or_else(|error| fail(&format!("{error:#}")));
        }
        Ok(Command::Help) => {
            say(USAGE);
            return ExitCode::SUCCESS;
        }
        Ok(Command::Host { component, variables }) => {
            return run(host(&component, variables)).unwrap_or_else(|error| fail(&format!("{error:#}")));
        }
        Ok(Command::New(slug)) => {
            return match scaffold::new_source(root(), &slug) {
                Ok(next) => {
                    say(&next);
                    ExitCode::SUCCESS
                }
                Err(error) => fail(&format!("{error:#}")),
            };
        }
        Err(error) => return fail(&format!("{error}\n{USAGE}")),
    };
    let relay = relay(Flavour::Spin);
    // So that people can try the outbox and heartbeats. Nothing uses it unless a variable asks for that.
    let mut world = World { store: Some(KeyValue::default()), ..World::default() };
    for (name, value) in std::env::vars().filter(|(_, value)| !value.is_empty()) {
        if let Some(name) = name.strip_prefix("SPIN_VARIABLE_") {
            world = world.with(&name.to_ascii_lowercase(), &value);
        }
    }
    let real = world.variables.keys().any(|name| name.starts_with("routing_key") || name == "events_url");
    if demo && !world.variables.is_empty() {
        return fail("--demo sets all variables itself: unset SPIN_VARIABLE_… so that it cannot page anyone");
    }
    let made_up = !world.variables.contains_key("webhook_secret");
    if made_up {
        world = world.with("webhook_secret", &secret_of_the_day("webhook_secret"));
    }
    for (name, _) in own_secrets() {
        if !world.variables.contains_key(&name) {
            world = world.with(&name, &secret_of_the_day(&name));
        }
    }
    run(async {
        let double = if real { None } else { Some(PagerDuty::showing(Some(Box::new(show_event))).await) };
        // A view of the mock PagerDuty for people. It knows no alerts of the real one.
        let api = if real { None } else { Some(Rest::start().await) };
        if let (Some(double), Some(api)) = (&double, &api) {
            api.service("PSHOP00", "Shop", "active", &[SERVICE_KEY]);
            world = world.clone().with("events_url", &double.url()).with("routing_key", SERVICE_KEY);
            world = world.with("api_url", &api.url()).with("api_token", rest::TOKEN);
            for name in ["secret_act", "secret_check"] {
                if !world.variables.contains_key(name) {
                    world = world.with(name, &secret_of_the_day(name));
                }
            }
        }
        if demo {
            return play(&world).await;
        }
        let show = Arc::new(|reply: &Reply| show_reply(reply));
        match Server::start(relay, world.clone(), port, Some(show)).await {
            Ok(server) => greet(&server, &world, real, made_up),
            Err(error) => fail(&format!("127.0.0.1:{port}: {error}")),
        }
    })
}

/// Runs the exchanges, and prints a table and a line for each difference.
async fn conform(base: Option<&str>) -> anyhow::Result<ExitCode> {
    let exchanges = conformance::exchange::all()?;
    let (mut hosts, known) = match base {
        Some(base) => (vec![Host::elsewhere(base, &conformance::secret()?)?], Known::none()),
        None => (conformance::hosts(&std::env::current_exe()?)?, Known::read()?),
    };
    let mut report = Report::default();
    for host in &mut hosts {
        report.run(host, &exchanges).await;
    }
    say(&report.table(&known));
    report.differences().iter().for_each(|line| say(line));
    let (same, differ, skipped) = report.counts();
    let surprises = if base.is_some() { Vec::new() } else { report.surprises(&known) };
    let is_known = base.is_none() && differ > 0 && surprises.is_empty();
    let known = if is_known { ", as tests/conformance/differences.json says" } else { "" };
    say(&format!("{same} the same, {differ} differ{known}, {skipped} not run"));
    surprises.iter().for_each(|line| say(&format!("tests/conformance/differences.json: {line}")));
    let failed = base.is_some() && differ > 0 || !surprises.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Serves a component with the variables of a file, which may change between two requests, until standard input ends.
async fn host(component: &Path, variables: PathBuf) -> anyhow::Result<ExitCode> {
    let relay = Relay::from_file(component, Flavour::Spin).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let world = move || {
        let text = std::fs::read_to_string(&variables).unwrap_or_default();
        World { variables: serde_json::from_str(&text).unwrap_or_default(), ..World::default() }
    };
    // It is served as long as the process lives.
    let server = Server::asking(Box::leak(Box::new(relay)), Arc::new(world)).await?;
    say(&server.url(""));
    // The process that started it holds the other end.
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    Ok(ExitCode::SUCCESS)
}

/// Prints instructions, and serves until the process ends.
fn greet(server: &Server, world: &World, real: bool, made_up: bool) -> ExitCode {
    // The user's own secret is not printed; it stays in its environment variable.
    let secret = if made_up { world.variables["webhook_secret"].as_str() } else { "$SPIN_VARIABLE_WEBHOOK_SECRET" };
    say(&format!("{} on {}", bold("pagerelay"), server.url("/")));
    match real {
        true => say(&format!("{} events are sent to the real PagerDuty, as your variables say", bold("careful:"))),
        false => say("A mock PagerDuty checks every event and shows it here. It pages nobody."),
    }
    say(&format!("\nPlayground: {} with the secret {secret}", server.url("/")));
    say("\nOr in another terminal:\n");
    for (fixture, what) in
        [("01-firing-two-alerts", "two alerts fire"), ("02-resolved-two-alerts", "both are resolved")]
    {
        say(&format!("  # {what}"));
        say(&format!(
            "  curl -H \"Authorization: Bearer {secret}\" -d @tests/fixtures/alertmanager/{fixture}.json {}\n",
            server.url("/alertmanager")
        ));
    }
    say("  # check the configuration");
    let bearer = match world.variables.get("secret_check") {
        Some(secret) if secret.starts_with("dev-") => secret.as_str(),
        Some(_) => "$SPIN_VARIABLE_SECRET_CHECK",
        None => secret,
    };
    let bearer = format!("Authorization: Bearer {bearer}");
    say(&format!("  curl -H \"{bearer}\" -H 'Accept: text/plain' '{}'\n", server.url("/check?deep=1")));
    if let (false, Some(secret)) = (real, world.variables.get("secret_act")) {
        let secret = if secret.starts_with("dev-") { secret.as_str() } else { "$SPIN_VARIABLE_SECRET_ACT" };
        say(&format!("POST {} changes an incident as a person; its secret is {secret}.", server.url("/act")));
    }
    for source in sources::SOURCES.iter().filter(|source| source.own_secret) {
        let name = format!("secret_{}", source.slug);
        let secret = world.variables.get(&name).map_or("", String::as_str);
        let user = format!("$SPIN_VARIABLE_{}", name.to_ascii_uppercase());
        let secret = if secret.starts_with("dev-") { secret } else { user.as_str() };
        say(&format!("{} accepts only its own secret {secret}.", server.url(&format!("/{}", source.slug))));
    }
    let slugs: Vec<&str> = sources::SOURCES.iter().map(|source| source.slug).collect();
    say(&format!("Sources: {}.", slugs.join(", ")));
    say(&format!("Setup instructions for each vendor: {}. Stop with Ctrl-C.\n", server.url("/setup")));
    loop {
        std::thread::park();
    }
}

/// A secret for this run only, so that no secret from the README or the terminal can end up in a deployment.
fn secret_of_the_day(variable: &str) -> String {
    let seed = format!("{variable} {:?} {}", std::time::SystemTime::now(), std::process::id());
    format!("dev-{}", &pagerelay::text::sha256_hex(seed.as_bytes())[..24])
}

/// Posts the first two fixtures of every source: one that fires, and its resolve if the vendor sends one.
async fn play(world: &World) -> ExitCode {
    let (mut sent, mut failed) = (0, 0);
    for source in sources::SOURCES {
        for fixture in fixtures::of(source).into_iter().take(2) {
            say(&format!("\n{} {}", bold(source.name), fixture.name()));
            let own = format!("secret_{}", source.slug);
            let secret = &world.variables[if source.own_secret { own.as_str() } else { "webhook_secret" }];
            let call = Call::fixture(&fixture, &format!("/{}", source.slug), secret);
            match relay(Flavour::Spin).call(world, call).await {
                Ok(reply) => {
                    show_reply(&reply);
                    failed += usize::from(reply.status >= 300);
                }
                Err(error) => {
                    say(&format!("  the component failed: {error:#}"));
                    failed += 1;
                }
            }
            sent += 1;
        }
    }
    say(&format!("\n{sent} deliveries of {} sources, {failed} failed", sources::SOURCES.len()));
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Shows an event as the person on call would see it.
fn show_event(received: &Received) {
    // The check sends an empty request to test the connection.
    if received.bytes.is_empty() {
        return;
    }
    // The sender chose these texts, and a terminal obeys control characters.
    let text = |pointer: &str| {
        received.event.pointer(pointer).and_then(|value| value.as_str()).map_or_else(|| "-".to_owned(), one_line)
    };
    let severity = text("/payload/severity");
    let action = received.event["event_action"].as_str().unwrap_or("change");
    let mut lines = vec![format!("{} {} {}", bold(&action.to_uppercase()), paint(&severity), text("/payload/summary"))];
    for name in ["source", "component", "group", "class", "timestamp"] {
        if let Some(value) = received.event["payload"][name].as_str() {
            lines.push(format!("{name:<10} {}", one_line(value)));
        }
    }
    lines.push(format!("dedup key  {}", text("/dedup_key")));
    for (list, address, title) in [("links", "href", "text"), ("images", "src", "alt")] {
        for item in received.event[list].as_array().into_iter().flatten() {
            let title = one_line(item[title].as_str().unwrap_or_default());
            let address = one_line(item[address].as_str().unwrap_or("-"));
            lines.push(format!("{:<10} {title} {address}", list.trim_end_matches('s')));
        }
    }
    lines.push(format!("pagerduty  {} {}", received.status, received.effect));
    say(&format!("  {}", lines.join("\n    ")));
}

/// Shows the reply to the sender, in one line.
fn show_reply(reply: &Reply) {
    let said = reply.json();
    // The answers of an API have members of their own, and a text has none.
    let words = ["detail", "message", "result"].iter().find_map(|name| said[*name].as_str()).unwrap_or_default();
    say(format!("  {} {} {}", bold("reply"), reply.status, one_line(words)).trim_end());
    for ignored in said["ignored"].as_array().into_iter().flatten() {
        let part = |name: &str| one_line(ignored[name].as_str().unwrap_or_default());
        say(&format!("    ignored {}: {}", part("item"), part("reason")));
    }
    for warning in said["warnings"].as_array().into_iter().flatten() {
        say(&format!("    warning {}", one_line(warning.as_str().unwrap_or_default())));
    }
}

fn bold(text: &str) -> String {
    styled("1", text)
}

/// A severity in PagerDuty's colour.
fn paint(severity: &str) -> String {
    let colour = match severity {
        "critical" => "1;31",
        "error" => "31",
        "warning" => "33",
        _ => "36",
    };
    styled(colour, severity)
}

fn styled(code: &str, text: &str) -> String {
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain { text.to_owned() } else { format!("\u{1b}[{code}m{text}\u{1b}[0m") }
}

fn say(line: &str) {
    // If standard output is closed, nobody needs the line.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn fail(line: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{line}");
    ExitCode::FAILURE
}
