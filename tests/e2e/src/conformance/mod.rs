//! The same bytes on every host: the exchanges of `tests/conformance` on any host of the component.
//!
//! `tests/conformance/README.md` describes the files. [`exchange`] reads them and compares, [`hosts`] are where they run.

pub mod exchange;
pub mod hosts;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::build::Flavour;
use crate::pagerduty::PagerDuty;
use crate::{golden, root};

pub use exchange::{Difference, Exchange};
pub use hosts::Host;

/// The folder of the exchanges.
pub fn folder() -> PathBuf {
    root().join("tests/conformance")
}

/// A host's result of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host cannot run it, for this reason.
    Skipped(String),
    /// These members differ. None: the same bytes.
    Compared(Vec<Difference>),
}

impl Outcome {
    /// The word for the table.
    fn word(&self, known: bool) -> &'static str {
        match (self, known) {
            (Outcome::Skipped(_), _) => "-",
            (Outcome::Compared(differences), _) if differences.is_empty() => "same",
            (Outcome::Compared(_), true) => "known",
            (Outcome::Compared(_), false) => "DIFFERS",
        }
    }
}

/// The results of all exchanges on some hosts.
#[derive(Debug, Default)]
pub struct Report {
    /// The names of the hosts, in order.
    hosts: Vec<String>,
    /// By exchange, then by host.
    outcomes: BTreeMap<String, BTreeMap<String, Outcome>>,
}

impl Report {
    /// Runs all exchanges on a host, and adds their results.
    pub async fn run(&mut self, host: &mut Host, exchanges: &[Exchange]) {
        self.hosts.push(host.name().to_owned());
        for exchange in exchanges {
            let outcome = one(host, exchange).await.unwrap_or_else(|error| {
                let what = Difference::new("failed", "an answer", &format!("{error:#}"));
                Outcome::Compared(vec![what])
            });
            self.outcomes.entry(exchange.name.clone()).or_default().insert(host.name().to_owned(), outcome);
        }
    }

    /// The table: a row for each exchange, a column for each host.
    pub fn table(&self, known: &Known) -> String {
        let width = self.outcomes.keys().map(String::len).max().unwrap_or_default();
        let mut table = format!("{:width$}", "");
        for host in &self.hosts {
            let _ = write!(table, "  {host}");
        }
        for (exchange, outcomes) in &self.outcomes {
            let _ = write!(table, "\n{exchange:width$}");
            for host in &self.hosts {
                let word = outcomes.get(host).map_or("-", |outcome| outcome.word(known.has(host, exchange)));
                let _ = write!(table, "  {word:<0$}", host.len());
            }
            table.truncate(table.trim_end().len());
        }
        table
    }

    /// A line for each difference.
    pub fn differences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (exchange, outcomes) in &self.outcomes {
            for (host, outcome) in outcomes {
                let Outcome::Compared(differences) = outcome else { continue };
                lines.extend(differences.iter().map(|difference| format!("{exchange} on {host}: {difference}")));
            }
        }
        lines
    }

    /// How many results are the same, differ, and were skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let all = || self.outcomes.values().flat_map(BTreeMap::values);
        let skipped = all().filter(|outcome| matches!(outcome, Outcome::Skipped(_))).count();
        let same = all().filter(|outcome| **outcome == Outcome::Compared(Vec::new())).count();
        (same, all().count() - same - skipped, skipped)
    }

    /// Everything that the list of known differences does not say, and everything that it says and that is not so.
    pub fn surprises(&self, known: &Known) -> Vec<String> {
        let mut lines = Vec::new();
        for (exchange, outcomes) in &self.outcomes {
            for (host, outcome) in outcomes {
                let found: BTreeSet<&str> = match outcome {
                    Outcome::Skipped(_) => BTreeSet::from(["skipped"]),
                    Outcome::Compared(differences) => differences.iter().map(|one| one.member.as_str()).collect(),
                };
                let listed: BTreeSet<&str> = known.members(host, exchange).collect();
                if found != listed {
                    lines.push(format!("{exchange} on {host}: listed {listed:?}, found {found:?}"));
                }
            }
        }
        lines
    }
}

/// The known differences, of `tests/conformance/differences.json`.
#[derive(Debug)]
pub struct Known(Vec<Value>);

impl Known {
    /// Reads the list.
    ///
    /// # Errors
    /// Returns an error if the file is not a list of objects, each with a reason.
    pub fn read() -> Result<Known> {
        let file = folder().join("differences.json");
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        Known::parse(&text).with_context(|| file.display().to_string())
    }

    /// Reads the list from a text.
    ///
    /// # Errors
    /// Returns an error if the text is not a list of objects, each with a reason.
    pub fn parse(text: &str) -> Result<Known> {
        let list: Vec<Value> = serde_json::from_str(text)?;
        for one in &list {
            let named = ["exchange", "host", "reason"].iter().all(|name| one[name].as_str().is_some());
            anyhow::ensure!(named && one["members"].is_array(), "{one}");
        }
        Ok(Known(list))
    }

    /// No known difference, for hosts that are not ours.
    pub fn none() -> Known {
        Known(Vec::new())
    }

    fn of<'a>(&'a self, host: &'a str, exchange: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |one| one["host"] == *host && one["exchange"] == *exchange)
    }

    fn has(&self, host: &str, exchange: &str) -> bool {
        self.of(host, exchange).next().is_some()
    }

    /// The members that differ.
    fn members<'a>(&'a self, host: &'a str, exchange: &'a str) -> impl Iterator<Item = &'a str> {
        self.of(host, exchange)
            .flat_map(|one| one["members"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
    }

    /// Entries whose host or exchange is unknown.
    pub fn unknown(&self, hosts: &[&str], exchanges: &[Exchange]) -> Vec<&Value> {
        let is_known = |one: &&Value| {
            hosts.iter().any(|host| one["host"] == **host)
                && exchanges.iter().any(|known| one["exchange"] == *known.name)
        };
        self.0.iter().filter(|one| !is_known(one)).collect()
    }
}

/// Runs an exchange on a host.
async fn one(host: &mut Host, exchange: &Exchange) -> Result<Outcome> {
    if let Some(reason) = host.cannot(exchange) {
        return Ok(Outcome::Skipped(reason));
    }
    let pagerduty = PagerDuty::start().await;
    pagerduty.script(exchange.script());
    let actual = host.answer(exchange, &pagerduty).await?;
    let expected = exchange.expected(host.is_ours());
    Ok(Outcome::Compared(exchange::differences(&expected, &exchange.like(&expected, &actual, host.is_ours()))))
}

/// Writes what the first host sends and answers into the files of the exchanges, where a person reads it.
///
/// # Errors
/// Returns an error if an exchange cannot run.
pub async fn update(host: &mut Host, exchanges: &mut [Exchange]) -> Result<()> {
    for exchange in exchanges {
        let pagerduty = PagerDuty::start().await;
        pagerduty.script(exchange.script());
        let actual = host.answer(exchange, &pagerduty).await.with_context(|| exchange.name.clone())?;
        exchange.learn(&actual);
        golden::settle(&exchange.file(), Some(&exchange.text()), true);
    }
    Ok(())
}

/// The hosts that this machine has, with the binary of `cargo dev`. Prints the ones that it does not have.
///
/// # Errors
/// Returns an error if a host does not start.
pub fn hosts(dev: &Path) -> Result<Vec<Host>> {
    let mut hosts = vec![Host::in_process(Flavour::Spin), Host::in_process(Flavour::Wasmtime), Host::process(dev)?];
    let missing = |name: &str| {
        // Unlike the output of `eprintln!`, the test runner does not capture this.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {name}");
    };
    match Host::wasmtime() {
        Some(host) => hosts.push(host),
        None => missing("wasmtime is not installed"),
    }
    match Host::jco()? {
        Some(host) => hosts.push(host),
        None => missing("jco is not installed (bash tests/conformance/jco/install)"),
    }
    Ok(hosts)
}

/// The secret of somebody's relay.
///
/// # Errors
/// Returns an error if variable `PAGERELAY_SECRET` is unset or empty.
pub fn secret() -> Result<String> {
    let given = std::env::var("PAGERELAY_SECRET").ok().filter(|secret| !secret.is_empty());
    given.context("PAGERELAY_SECRET is not set: set it to the `webhook_secret` of that relay")
}
