//! The playground at `/`, served by the compiled component, in a real headless Chromium. `tests/page/check.mjs` drives
//! it.
//!
//! If Chromium or the two libraries from npm are missing, the test is skipped with a message. With
//! `PAGERELAY_SENDERS=all`, as in `.ci/run`, it fails instead.

use std::path::PathBuf;
use std::process::Command;

use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, World, relay};
use pagerelay_e2e::server::Server;
use pagerelay_e2e::{OPSGENIE_SECRET, OWN_SECRET, SECRET, SERVICE_KEY, evidence, run};
use serde_json::json;

#[test]
fn the_page_previews_every_source_in_a_browser() {
    let root = pagerelay_e2e::root();
    let libraries = root.join("target/page");
    let browser = std::env::var_os("CHROMIUM").map_or_else(|| "/usr/bin/chromium".into(), PathBuf::from);
    let needed = ["playwright-core", "axe-core"].map(|name| libraries.join("node_modules").join(name));
    if let Some(missing) = needed.iter().chain([&browser]).find(|path| !path.exists()) {
        let missing = missing.display();
        assert!(std::env::var_os("PAGERELAY_SENDERS").is_none_or(|which| which != "all"), "{missing} is missing");
        evidence(&format!("page: skipped, {missing} is missing (see .ci/run)"));
        return;
    }
    run(async {
        let pagerduty = PagerDuty::start().await;
        // A service's key, which accepts change events too.
        let mut world = World::new(&pagerduty.url()).with("routing_key", SERVICE_KEY);
        let event = json!({"event_action": "trigger", "dedup_key": "{{ id }}", "payload": {"summary": "{{ title }}", "source": "s"}});
        let signed = json!({"auth": {"scheme": "hmac", "header": "X-Signature", "prefix": "sha256="}, "event": event});
        world = world.with("custom_plain", &event.to_string()).with("custom_signed", &signed.to_string());
        let server = Server::start(relay(Flavour::Spin), world, 0, None).await.expect("a free port on loopback");
        let mut check = Command::new("node");
        check.arg(root.join("tests/page/check.mjs")).arg(&libraries).arg(server.url("/"));
        check.args([SECRET, OWN_SECRET, OPSGENIE_SECRET]);
        let check = tokio::task::spawn_blocking(move || check.env("CHROMIUM", browser).status());
        assert!(check.await.expect("a thread").expect("node starts").success(), "what it said is above");
        assert!(pagerduty.received().is_empty(), "nothing was sent");
    });
}

#[test]
fn the_page_says_how_to_get_it_where_gzip_is_not_taken() {
    let size = pagerelay::endpoints::playground::SIZE;
    let ask = |call: Call| run(relay(Flavour::Spin).call(&World::default(), call)).expect("the component answers");
    let plain = ask(Call::stranger("GET", "/", ""));
    assert_eq!((plain.status, plain.headers["content-type"].as_str()), (406, "text/plain; charset=utf-8"));
    let page = ask(Call::stranger("GET", "/", "").header("accept-encoding", "gzip, br"));
    assert_eq!((page.status, page.headers["content-encoding"].as_str()), (200, "gzip"));
    assert_eq!(page.body.len(), size);
    let policy = &page.headers["content-security-policy"];
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
}
