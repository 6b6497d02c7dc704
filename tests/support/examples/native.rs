//! How long the pipeline takes natively, for the benchmarks of the component: a child process of them, because it is built
//! like the release of the component, and they are not.
//!
//! Each line of standard input is a request as JSON: `method`, `path`, `query`, `headers` (pairs of texts), `body`
//! (base64), and `runs`. The program handles the request that many times, and prints the status and the median time in
//! nanoseconds, separated by a space.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::pipeline;
use pagerelay::runtime::{Host, HttpResponse, Step, VariableError};
use serde_json::Value;

/// A host whose PagerDuty accepts everything at once.
struct Accepting {
    arrived: Instant,
    variables: BTreeMap<String, String>,
}

impl Host for Accepting {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        self.arrived.elapsed()
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        Ok(self.variables.get(name).cloned())
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        Ok(self.variables.keys().cloned().collect())
    }

    fn exchange(&mut self, lanes: usize, _: Duration, step: Step<'_>) {
        for lane in 0..lanes {
            let mut answer = None;
            while step(lane, self.arrived.elapsed(), answer.take()).is_some() {
                let body = br#"{"status":"success","message":"Event processed"}"#.to_vec();
                answer = Some(Ok(HttpResponse { status: 202, retry_after: None, body }));
            }
        }
    }
}

fn main() {
    let mut lines = std::io::stdin().lock().lines().map(|line| line.expect("a line of text"));
    let variables = serde_json::from_str(&lines.next().expect("the variables come first")).expect("variables as json");
    let mut host = Accepting { arrived: Instant::now(), variables };
    for line in lines {
        let line: Value = serde_json::from_str(&line).expect("a request as json");
        let request = request(&line);
        let mut times: Vec<Duration> = Vec::new();
        let mut status = 0;
        for _ in 0..line["runs"].as_u64().unwrap_or(1) {
            // As in the component, the time of a request includes the copy of its body, and the end of all that it made.
            host.arrived = Instant::now();
            let (reply, _log) = pipeline::handle(&mut host, &request.clone());
            status = reply.status.as_u16();
            drop((reply, _log));
            times.push(host.arrived.elapsed());
        }
        times.sort_unstable();
        println!("{status} {}", times[times.len() / 2].as_nanos());
        std::io::stdout().flush().expect("the parent reads");
    }
}

fn request(line: &Value) -> Request {
    let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let pairs = line["headers"].as_array().into_iter().flatten();
    let headers = pairs.map(|pair| {
        let part = |index: usize| pair[index].as_str().unwrap_or_default().to_owned();
        (part(0), part(1).into_bytes())
    });
    let method = if text("method") == "GET" { Method::Get } else { Method::Post };
    let body = Base64::decode_vec(&text("body")).expect("base64");
    Request { method, path: text("path"), query: text("query"), headers: Headers::new(headers), body, problem: None }
}
