//! Setup instructions for programs and for coding agents: `/setup/<source>` as JSON and as a prompt.

use std::path::PathBuf;

use base64ct::{Base64, Encoding};
use pagerelay::http::{Headers, Method, Request};
use pagerelay::pipeline;
use pagerelay::sources::{SOURCES, Source};
use pagerelay_support::{credentials, fixtures, golden, root, secret_for};
use serde_json::{Value, json};

use crate::host::Accepting;

/// What the relay answers: the media type and the body.
fn get(path: &str, query: &str, accept: &str) -> (String, String) {
    let request = Request {
        method: Method::Get,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: Headers::new([("accept".to_owned(), accept.as_bytes().to_vec())]),
        body: Vec::new(),
        problem: None,
    };
    let (reply, line) = pipeline::handle(&mut Accepting::new(), &request);
    assert_eq!((reply.status.as_u16(), line), (200, None), "{path}?{query}");
    let (_, media_type) = reply.headers.iter().find(|(name, _)| *name == "content-type").expect("a media type");
    (media_type.clone(), String::from_utf8(reply.body).expect("text"))
}

fn prompt(source: &Source) -> String {
    let (media_type, text) = get(&format!("/setup/{}", source.slug), "format=prompt", "*/*");
    assert_eq!(media_type, "text/markdown; charset=utf-8");
    text
}

fn facts(source: &Source) -> Value {
    let (media_type, text) = get(&format!("/setup/{}", source.slug), "format=json", "*/*");
    assert_eq!(media_type, "application/json");
    serde_json::from_str(&text).expect("json")
}

#[test]
fn the_instructions_for_datadog_are_these() {
    let source = SOURCES.iter().find(|source| source.slug == "datadog").expect("a source with a body to paste");
    for (name, text) in [
        ("datadog.prompt.md", prompt(source)),
        ("datadog.json", format!("{}\n", serde_json::to_string_pretty(&facts(source)).expect("json"))),
    ] {
        let path: PathBuf = root().join("tests/native/setup").join(name);
        let differs = golden::settle(&path, Some(&text), golden::update_wanted());
        assert!(differs.is_none(), "UPDATE_EXPECT=1 writes it:\n{}", differs.unwrap_or_default());
    }
}

#[test]
fn the_format_is_the_query_s_else_what_accept_names() {
    let path = "/setup/github";
    let (_, text) = get(path, "", "*/*");
    for (query, accept, media_type) in [
        ("", "application/json", "application/json"),
        ("", "text/markdown", "text/markdown; charset=utf-8"),
        ("format=text", "application/json", "text/plain; charset=utf-8"),
        ("format=unheard", "application/json", "text/plain; charset=utf-8"),
        ("x=1&format=json", "text/markdown", "application/json"),
        ("format=markdown", "*/*", "text/markdown; charset=utf-8"),
    ] {
        let (answered, body) = get(path, query, accept);
        assert_eq!(answered, media_type, "{query} {accept}");
        assert_eq!(body == text, !media_type.ends_with("json"), "{query} {accept}");
    }
    let (_, list) = get("/setup", "format=json", "*/*");
    let list: Value = serde_json::from_str(&list).expect("json");
    assert_eq!(list["sources"].as_array().map(Vec::len), Some(SOURCES.len()));
    // A list has no prompt.
    assert!(get("/setup", "format=prompt", "*/*").1.starts_with("# Sources\n"));
}

#[test]
fn every_source_tells_a_program_what_its_table_says() {
    for source in SOURCES {
        let (json, slug) = (facts(source), source.slug);
        assert_eq!(json["url"], format!("https://<relay>/{slug}"));
        assert_eq!(json["service_url"], format!("https://<relay>/{slug}/<service>"));
        assert_eq!((&json["name"], &json["docs"]), (&source.name.into(), &source.docs.into()), "{slug}");
        assert_eq!(json["triggers"], source.setup.triggers, "{slug}");
        assert_eq!(json["resolves"], source.setup.resolves, "{slug}");
        assert_eq!(json["states"], Value::from(source.states.to_vec()), "{slug}");
        assert_eq!(json["steps"], Value::from(source.setup.steps.lines().collect::<Vec<_>>()), "{slug}");
        assert_eq!(json["schemes"].as_array().map(Vec::len), Some(source.schemes.len()), "{slug}");
        assert_eq!(json.get("template").and_then(Value::as_str), source.setup.template, "{slug}");
        assert_eq!(json["secret"][0], format!("secret_{slug}"));
        assert_eq!(json["secret"].as_array().map(Vec::len), Some(if source.own_secret { 1 } else { 2 }), "{slug}");
        assert_eq!((&json["retries"], &json["timeout_ms"]), (&source.retries.into(), &millis(source)), "{slug}");
    }
}

fn millis(source: &Source) -> Value {
    u64::try_from(source.patience.as_millis()).expect("a timeout is short").into()
}

/// The command of a prompt that previews a payload.
fn command(prompt: &str) -> &str {
    let command = prompt.lines().find(|line| line.contains("@trigger.json")).expect("a command");
    command.trim()
}

#[test]
fn every_source_has_a_prompt_with_its_facts_and_the_way_to_prove_it() {
    for source in SOURCES {
        let (prompt, slug) = (prompt(source), source.slug);
        for part in [
            &format!("# Task: send the alerts of {} to PagerDuty through pagerelay\n", source.name),
            &format!("https://<relay>/preview/{slug}"),
            "https://<relay>/check?deep=1",
            &format!("secret_{slug}"),
            source.setup.triggers,
            source.setup.resolves,
            source.docs,
            source.setup.template.unwrap_or_default(),
        ] {
            assert!(prompt.contains(part), "{slug}: {part} is not in\n{prompt}");
        }
        assert!(!prompt.contains("{url}") && !prompt.contains(pagerelay_support::SECRET), "{slug}");
        let (_, proof) = prompt.split_once("## Prove it").expect("a part with proofs");
        let service = if source.api.is_some() { ", or of the secret of a service" } else { "" };
        assert!(proof.contains(service), "{slug}");
        let both = format!("has the value of `secret_{slug}`, else `webhook_secret`{service}.");
        assert_eq!(proof.contains(&both), !source.own_secret, "{slug}");
    }
}

#[test]
fn the_preview_of_every_prompt_authenticates_as_the_source_does() {
    for source in SOURCES {
        let prompt = prompt(source);
        let command = command(&prompt);
        let secret = secret_for(source.slug);
        let fixture = fixtures::of(source).into_iter().next().expect("a source has a fixture");
        let mut headers: Vec<(String, String)> =
            fixture.headers.iter().filter(|(name, _)| !name.starts_with(':')).cloned().collect();
        // Curl's options, as curl reads them.
        let mut query = String::new();
        if let Some((_, rest)) = command.split_once("-H \"") {
            let (header, _) = rest.split_once("\" --data").expect("an option ends before the next");
            let (name, value) = header.split_once(": ").expect("a header has a value");
            // A signature is what openssl prints, which the tests' own signer computes too.
            if value.contains("openssl dgst") {
                assert!(command.contains("-hmac \"$SECRET\"") && command.contains("< trigger.json"), "{command}");
                headers.extend(credentials::of(source, secret, &fixture.body, 0).headers.into_iter().inspect(
                    |(signed, _)| {
                        assert!(signed.eq_ignore_ascii_case(name), "{command}");
                    },
                ));
            } else {
                headers.push((name.to_ascii_lowercase(), value.replace("$SECRET", secret)));
            }
        } else if let Some((_, rest)) = command.split_once("-u \"") {
            let (user, _) = rest.split_once('"').expect("an option ends");
            let basic = Base64::encode_string(user.replace("$SECRET", secret).as_bytes());
            headers.push(("authorization".to_owned(), format!("Basic {basic}")));
        } else {
            let (_, asked) = command.split_once('?').expect("a query");
            query = asked.trim_end_matches('"').replace("$SECRET", secret);
        }
        let request = Request {
            method: Method::Post,
            path: format!("/preview/{}", source.slug),
            query,
            headers: Headers::new(headers.into_iter().map(|(name, value)| (name, value.into_bytes()))),
            body: fixture.body.clone(),
            problem: None,
        };
        let (reply, _) = pipeline::handle(&mut Accepting::new(), &request);
        assert_eq!(reply.status.as_u16(), 200, "{command}: {}", String::from_utf8_lossy(&reply.body));
    }
}

/// What a preview of a prompt shows for a body: the action and the dedup key of its only event.
fn previewed(source: &Source, command: &str, dedup_key: &str, body: &Value) -> (Value, Value) {
    let (_, url) = command.rsplit_once("\"https://<relay>").expect("a URL");
    let (path, query) = url.trim_end_matches('"').split_once('?').unwrap_or((url.trim_end_matches('"'), ""));
    let secret = format!("Bearer {}", secret_for(source.slug));
    let request = Request {
        method: Method::Post,
        path: path.replace("<dedup_key>", dedup_key),
        query: query.to_owned(),
        headers: Headers::new([("authorization".to_owned(), secret.into_bytes())]),
        body: body.to_string().into_bytes(),
        problem: None,
    };
    let (reply, _) = pipeline::handle(&mut Accepting::new(), &request);
    let shown: Value = serde_json::from_slice(&reply.body).expect("json");
    assert_eq!((reply.status.as_u16(), shown["events"].as_array().map(Vec::len)), (200, Some(1)), "{shown:#}");
    (shown["events"][0]["event_action"].clone(), shown["events"][0]["dedup_key"].clone())
}

#[test]
fn the_previews_of_the_prompt_of_an_api_show_a_trigger_and_its_resolve() {
    let payload = json!({"summary": "Disk full", "source": "db-1", "severity": "error"});
    for (slug, trigger, resolve) in [
        ("opsgenie", json!({"message": "Disk full", "alias": "disk-1"}), json!({})),
        (
            "events",
            json!({"event_action": "trigger", "dedup_key": "disk-1", "payload": payload}),
            json!({"event_action": "resolve", "dedup_key": "disk-1"}),
        ),
    ] {
        let source = SOURCES.iter().find(|source| source.slug == slug).expect("a source with an API");
        let prompt = prompt(source);
        let lines: Vec<&str> =
            prompt.lines().filter(|line| line.contains("/preview/") && line.contains("curl")).collect();
        let first = previewed(source, lines[0], "", &trigger);
        assert_eq!(first, ("trigger".into(), "disk-1".into()), "{slug}");
        let second = previewed(source, lines[1], "disk-1", &resolve);
        assert_eq!(second, ("resolve".into(), "disk-1".into()), "{slug}");
        let service = format!("secret_{slug}_<service>");
        assert_eq!(facts(source)["service_secret"], service);
    }
}
