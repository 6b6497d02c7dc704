//! The native pipeline, to compare the component with: a program that is built like the component, in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::runtime::{Call, World};

/// The program. It stops when it is dropped.
pub struct Native {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Native {
    /// Builds and starts the program, with these variables.
    ///
    /// # Errors
    /// Returns an error if cargo fails, or the program does not start.
    pub fn start(world: &World) -> Result<Native> {
        let folder = crate::root().join("target/component");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(crate::root()).args(["build", "--release", "--package", "pagerelay-support"]);
        cargo.args(["--example", "native", "--features", "pagerelay/default", "--target-dir"]).arg(&folder);
        if !cargo.status().context("cargo does not start")?.success() {
            bail!("cargo build --example native failed");
        }
        let mut program = Command::new(folder.join("release/examples/native"));
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("standard input is piped")?;
        let output = BufReader::new(child.stdout.take().context("standard output is piped")?);
        let mut native = Native { child, input, output };
        native.write(&json!(world.variables))?;
        Ok(native)
    }

    /// Handles a request this many times. Returns the status and the median time.
    ///
    /// # Errors
    /// Returns an error if the program ended.
    pub fn time(&mut self, call: &Call, runs: usize) -> Result<(u16, Duration)> {
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers: Vec<_> = call.headers.iter().map(|(name, value)| json!([name, text(value)])).collect();
        self.write(&json!({
            "method": call.method, "path": path, "query": query, "headers": headers,
            "body": Base64::encode_string(&call.body), "runs": runs,
        }))?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let (status, nanos) = line.trim().split_once(' ').context("the native program ended")?;
        Ok((status.parse()?, Duration::from_nanos(nanos.parse()?)))
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        writeln!(self.input, "{value}")?;
        Ok(self.input.flush()?)
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // If it has ended already, there is nothing to stop.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
