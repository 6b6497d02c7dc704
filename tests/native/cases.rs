//! Payloads that the relay once got wrong ([`pagerelay_support::cases`]), through the native pipeline.

use std::path::PathBuf;

use pagerelay::http::{Headers, Method, Request};
use pagerelay::pipeline;
use pagerelay_support::cases::{self, Case};
use pagerelay_support::evidence;
use serde_json::Value;

use crate::host::Accepting;

fn preview(case: &Case) -> (u16, Value) {
    let (path, query, headers) = case.request(1_772_600_798);
    let request = Request {
        method: Method::Post,
        path: path.to_owned(),
        query,
        headers: Headers::new(headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.into_bytes()))),
        body: case.body.clone().into_bytes(),
        problem: None,
    };
    let (reply, _) = pipeline::handle(&mut Accepting::new(), &request);
    (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default())
}

#[test]
fn cases_that_were_wrong_once_are_right() {
    let Some(folder) = std::env::var_os("PAGERELAY_CASES").map(PathBuf::from) else {
        evidence("cases: skipped, PAGERELAY_CASES is not set");
        return;
    };
    let (counts, wrong) = cases::try_all(&folder, &preview);
    counts.iter().for_each(|line| evidence(line));
    assert!(wrong.is_empty(), "{} fall short:\n{}", wrong.len(), wrong.join("\n"));
}
