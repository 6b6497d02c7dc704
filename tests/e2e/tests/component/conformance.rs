//! The exchanges of `tests/conformance` on every host that this machine has: the same bytes everywhere.
//!
//! `UPDATE_EXPECT=1 cargo test --test component conformance` writes what the harness's host sends and answers into the
//! files; read every one. jco (`bash tests/conformance/jco/install`) and `wasmtime` are skipped with a message if they are
//! not installed. With `PAGERELAY_SENDERS=all`, as in `.ci/run`, jco must be there.

use std::io::Write;
use std::path::Path;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::conformance::{self, Host, Known, Report, exchange};
use pagerelay_e2e::runtime::{Egress, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{ROUTING_KEY, evidence, golden, run, run_alone};
use serde_json::json;

#[test]
fn every_host_sends_and_answers_the_same_bytes() {
    let mut exchanges = exchange::all().expect("the exchanges are readable");
    if golden::update_wanted() {
        let mut host = Host::in_process(Flavour::Spin);
        run(conformance::update(&mut host, &mut exchanges)).expect("every exchange runs");
    }
    let known = Known::read().expect("the known differences are readable");
    let mut hosts = conformance::hosts(Path::new(env!("CARGO_BIN_EXE_dev"))).expect("every host starts");
    let all = std::env::var_os("PAGERELAY_SENDERS").is_some_and(|which| which == "all");
    assert!(!all || hosts.iter().any(|host| host.name() == "jco-v8"), "run `bash tests/conformance/jco/install`");
    let mut report = Report::default();
    for host in &mut hosts {
        // One of the senders waits for a second only.
        run_alone(report.run(host, &exchanges));
    }
    let (same, differ, skipped) = report.counts();
    let mut lines = vec![report.table(&known)];
    lines.extend(report.differences());
    evidence(&format!(
        "conformance: {} exchanges, {same} the same, {differ} differ, {skipped} not run",
        exchanges.len()
    ));
    // CI shows the table. Unlike the output of `println!`, the test runner does not capture this.
    let shown = if all {
        writeln!(std::io::stderr(), "{}", lines.join("\n"))
    } else {
        writeln!(std::io::stdout(), "{}", lines.join("\n"))
    };
    shown.expect("standard error is open");
    assert_eq!(report.surprises(&known), Vec::<String>::new());
    let names = ["in-process-spin", "in-process-wasmtime", "process", "jco-v8", "wasmtime-serve"];
    assert_eq!(known.unknown(&names, &exchanges), Vec::<&serde_json::Value>::new());
    assert!(exchanges.len() >= 25 && same >= exchanges.len() * 2, "{} exchanges, {same}", exchanges.len());
}

#[test]
fn the_exchanges_that_need_no_variables_run_on_anybodys_relay() {
    let exchanges = exchange::all().expect("the exchanges are readable");
    let anywhere: Vec<_> = exchanges.iter().filter(|exchange| exchange.runs_anywhere()).collect();
    for exchange in &anywhere {
        assert_eq!(exchange.why_not_anywhere(), None, "{}", exchange.name);
    }
    // Another secret, key and region than in the files. Nothing may be sent, so nothing could be.
    let secret = "somebody-elses-relay-has-this-55d0";
    let world = World { egress: Egress::Denied, ..World::default() };
    let world = world.with("webhook_secret", secret).with("routing_key", ROUTING_KEY).with("region", "eu");
    run(async {
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let mut host = Host::elsewhere(&server.url("/"), secret).expect("a URL");
        let mut report = Report::default();
        report.run(&mut host, &exchanges).await;
        assert_eq!(report.differences(), Vec::<String>::new());
        assert_eq!(report.counts(), (anywhere.len(), 0, exchanges.len() - anywhere.len()));
        assert!(anywhere.len() >= 12, "{}", anywhere.len());

        // Another secret is noticed, and so is a wrong expectation.
        let mut wrong = Host::elsewhere(&server.url("/"), "not-the-secret-of-this-relay-77").expect("a URL");
        let mut report = Report::default();
        report.run(&mut wrong, &exchanges).await;
        assert!(report.differences().iter().any(|line| line.contains("20-preview on")), "{:?}", report.differences());
        let mut report = Report::default();
        report.run(&mut host, &[anywhere[0].expecting(418)]).await;
        let [line] = &*report.differences() else { panic!("{:?}", report.differences()) };
        assert!(line.ends_with("answer/status: expected 418, got 200"), "{line}");
        // A difference has to be listed, with this member, and a listed one has to be there.
        let listed = |member: &str| {
            let one = json!({"exchange": "01-health", "host": host.name(), "members": [member], "reason": "a test"});
            Known::parse(&json!([one]).to_string()).expect("a list")
        };
        assert_eq!(report.surprises(&Known::none()).len(), 1);
        assert_eq!(report.surprises(&listed("answer/status")), Vec::<String>::new());
        assert_eq!(report.surprises(&listed("answer/body/text")).len(), 1);
        let mut same = Report::default();
        same.run(&mut Host::elsewhere(&server.url("/"), secret).expect("a URL"), &[anywhere[0].clone()]).await;
        assert_eq!(same.surprises(&listed("answer/status")).len(), 1);
        assert!(report.table(&Known::none()).contains("DIFFERS"), "{}", report.table(&Known::none()));
    });
}
