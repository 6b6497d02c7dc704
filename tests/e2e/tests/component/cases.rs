//! Payloads that the relay once got wrong ([`pagerelay_support::cases`]), through the component.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::cases::{self, Case};
use pagerelay_e2e::growth::accepting;
use pagerelay_e2e::run;
use pagerelay_e2e::runtime::{Call, relay};
use serde_json::Value;

fn preview(case: &Case) -> (u16, Value) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let (path, query, headers) = case.request(now);
    let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let call = Call { method: "POST", path: target, headers: Vec::new(), body: case.body.clone().into() };
    let call = headers.iter().fold(call, |call, (name, value)| call.header(name, value));
    let reply = run(relay(Flavour::Spin).call(&accepting(), call)).expect("the component answers");
    (reply.status, reply.json())
}

#[test]
fn cases_that_were_wrong_once_are_right() {
    let Some(folder) = std::env::var_os("PAGERELAY_CASES").map(PathBuf::from) else {
        println!("cases: skipped, PAGERELAY_CASES is not set");
        return;
    };
    let (counts, wrong) = cases::try_all(&folder, &preview);
    println!("{}", counts.join("\n"));
    assert!(wrong.is_empty(), "{} fall short:\n{}", wrong.len(), wrong.join("\n"));
}
