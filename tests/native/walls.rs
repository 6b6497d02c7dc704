//! Walls between senders: what a browser, a vendor or a payload must not reach.

use pagerelay::http::{Headers, Method, Reply, Request, StatusCode};
use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use pagerelay::mapping;
use pagerelay::pagerduty::event::DedupKey;
use pagerelay::pipeline;
use pagerelay::sources::{self, SOURCES};
use pagerelay::{json as encoding, text};
use pagerelay_support::{SECRET, credentials, secret_for};
use serde_json::{Value, json};

use crate::host::Accepting;

/// Characters that no terminal, log or page should get: of C0, DEL, C1 and bidirectional text.
const HIDDEN: [char; 12] = [
    '\0', '\u{7}', '\u{8}', '\u{b}', '\u{c}', '\u{1b}', '\u{7f}', '\u{80}', '\u{9b}', '\u{202a}', '\u{202e}',
    '\u{2066}',
];

/// An alert that `/formatted` accepts.
const FORMATTED: &str = r#"{"alert_uid": "disk", "title": "Disk full", "state": "alerting"}"#;

/// A request with the secret of its path as a bearer token.
pub(crate) fn known(method: Method, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let bearer = format!("Bearer {}", secret_for(target));
    let headers: Vec<(&str, &str)> = [("authorization", bearer.as_str())].into_iter().chain(headers.to_vec()).collect();
    stranger(method, target, &headers, body)
}

/// A request with these headers only.
pub(crate) fn stranger(method: Method, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    let (path, query) = (path.to_owned(), query.to_owned());
    Request { method, path, query, headers: Headers::new(headers), body: body.to_vec(), problem: None }
}

pub(crate) fn handle(host: &mut Accepting, request: &Request) -> (Reply, Value) {
    let (reply, _) = pipeline::handle(host, request);
    let body = serde_json::from_slice(&reply.body).unwrap_or_default();
    (reply, body)
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let mut values = reply.headers.iter().filter(|(given, _)| *given == name).map(|(_, value)| value.as_str());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} occurs twice");
    value
}

#[test]
fn only_senders_that_wait_for_a_challenge_get_one() {
    let challenge = "Basic realm=\"pagerelay\", charset=\"UTF-8\"";
    let mut challenged = Vec::new();
    for source in SOURCES {
        let path = format!("/{}", source.slug);
        let (reply, body) = handle(&mut Accepting::new(), &stranger(Method::Post, &path, &[], b"{}"));
        assert_eq!((reply.status.as_u16(), &body["detail"]), (401, &json!("missing or invalid credentials")), "{path}");
        if let Some(said) = header(&reply, "www-authenticate") {
            assert_eq!(said, challenge);
            challenged.push(source.slug);
        }
        let preview = stranger(Method::Post, &format!("/preview{path}"), &[], b"{}");
        assert_eq!(header(&handle(&mut Accepting::new(), &preview).0, "www-authenticate"), None, "{path}");
        let browser = stranger(Method::Post, &path, &[("sec-fetch-site", "none")], b"{}");
        assert_eq!(header(&handle(&mut Accepting::new(), &browser).0, "www-authenticate"), None, "{path}");
    }
    assert_eq!(challenged, ["azure", "gcp", "sns"]);
    let mut host = Accepting::new();
    host.variables.insert("secret_act", "acting-needs-its-own-secret-4c1e");
    for (method, path) in [(Method::Get, "/check"), (Method::Post, "/act")] {
        let (reply, _) = handle(&mut host, &stranger(method, path, &[], b"{}"));
        assert_eq!((reply.status.as_u16(), header(&reply, "www-authenticate")), (401, None), "{path}");
    }
}

#[test]
fn a_browser_delivers_nothing_for_another_site() {
    let query = "/uptimerobot?monitorID=1&monitorFriendlyName=web&alertType=2";
    let deliveries =
        [(Method::Post, "/formatted", FORMATTED), (Method::Put, "/formatted", FORMATTED), (Method::Get, query, "")];
    for (method, path, body) in deliveries {
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            let mut host = Accepting::new();
            let (reply, said) = handle(&mut host, &known(method, path, &[("sec-fetch-site", site)], body.as_bytes()));
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path} {site}");
            assert_eq!(said["detail"], "cross-site request refused (Sec-Fetch-Site)", "{path} {site}");
            assert!(host.sent.is_empty(), "{path} {site}");
        }
        let twice = [("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")];
        let (reply, _) = handle(&mut Accepting::new(), &known(method, path, &twice, body.as_bytes()));
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}");
        for site in [&[][..], &[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]] {
            let mut host = Accepting::new();
            let (reply, _) = handle(&mut host, &known(method, path, site, body.as_bytes()));
            assert_eq!((reply.status, host.sent.len()), (StatusCode::OK, 1), "{path} {site:?}");
        }
    }
    let preview = known(Method::Post, "/preview/formatted", &[("sec-fetch-site", "cross-site")], FORMATTED.as_bytes());
    assert_eq!(handle(&mut Accepting::new(), &preview).0.status, StatusCode::OK);
}

#[test]
fn no_reply_in_json_is_stored_or_guessed_at() {
    let check = [("accept", "text/plain")];
    let requests = [
        known(Method::Post, "/formatted", &[], FORMATTED.as_bytes()),
        known(Method::Post, "/preview/formatted", &[], FORMATTED.as_bytes()),
        known(Method::Get, "/uptimerobot?monitorID=1&alertType=2", &[], b""),
        known(Method::Get, "/check", &[], b""),
        known(Method::Get, "/check", &check, b""),
        stranger(Method::Post, "/formatted", &[], b""),
        stranger(Method::Post, "/nowhere", &[], b""),
        stranger(Method::Post, "/health", &[], b""),
        stranger(Method::Get, "/health", &[], b""),
    ];
    for request in requests {
        let (reply, _) = handle(&mut Accepting::new(), &request);
        assert_eq!(header(&reply, "cache-control"), Some("no-store"), "{}", request.path);
        assert_eq!(header(&reply, "x-content-type-options"), Some("nosniff"), "{}", request.path);
        assert!(header(&reply, "content-type").is_some(), "{}", request.path);
    }
}

#[test]
fn the_playground_is_sent_only_to_clients_that_accept_gzip() {
    let status = |values: &[&str]| {
        let headers: Vec<(&str, &str)> = values.iter().map(|value| ("accept-encoding", *value)).collect();
        handle(&mut Accepting::new(), &stranger(Method::Get, "/", &headers, b"")).0.status.as_u16()
    };
    let accepted: [&[&str]; 10] = [
        &["gzip"],
        &["gzip, deflate, br"],
        &["br;q=1.0, GZIP;q=0.2"],
        &["x-gzip"],
        &["*"],
        &["*;q=0.1"],
        &["br;q=0, *"],
        &["gzip ; q=0.001"],
        &["br", "gzip"],
        &["*;q=0, gzip"],
    ];
    for values in accepted {
        assert_eq!(status(values), 200, "{values:?}");
    }
    let refused: [&[&str]; 10] = [
        &[],
        &[""],
        &["br"],
        &["gzip;q=0"],
        &["gzip; q=0.000"],
        &["gzip;Q=0, *"],
        &["*;q=0"],
        &["identity"],
        &["not-gzip"],
        &["gzip;q=x"],
    ];
    for values in refused {
        assert_eq!(status(values), 406, "{values:?}");
    }
}

/// Every source with a secret that fits it, and a template whose senders sign.
#[test]
fn the_secret_in_the_query_opens_nothing_that_only_a_signature_should_open() {
    let target = |path: &str| format!("{path}?token={}", secret_for(path));
    let mut closed = Vec::new();
    for source in SOURCES {
        let mut host = Accepting::new();
        host.variables.insert("query_token", "on");
        let path = format!("/preview/{}", source.slug);
        let (reply, _) = handle(&mut host, &stranger(Method::Post, &target(&path), &[], b"{}"));
        let signs_only = source.schemes.iter().all(|scheme| scheme.is_signature());
        assert_eq!(reply.status == StatusCode::UNAUTHORIZED, signs_only, "{path}: {}", reply.status);
        if signs_only {
            closed.push(source.slug);
        }
    }
    assert_eq!(closed, ["github", "mongodbatlas", "vercel"]);
}

/// The sources of vendors with a form that can hold only a URL. A vendor that can always set a header or sign is not
/// among them.
const BY_URL: [&str; 16] = [
    "azure",
    "cloudevents",
    "falco",
    "formatted",
    "gcp",
    "graylog",
    "icinga",
    "pingdom",
    "rollbar",
    "sentry",
    "sns",
    "splunk",
    "statuscake",
    "statusgator",
    "statuspage",
    "uptimerobot",
];

#[test]
fn by_itself_the_secret_in_the_query_opens_only_sources_whose_senders_can_hold_only_a_url() {
    for (value, opened) in [("", &BY_URL[..]), ("auto", &BY_URL), ("off", &[])] {
        let mut opens = Vec::new();
        for source in SOURCES {
            let mut host = Accepting::new();
            host.variables.insert("query_token", value);
            let path = format!("/preview/{}", source.slug);
            let target = format!("{path}?token={}", secret_for(&path));
            let (reply, _) = handle(&mut host, &stranger(Method::Post, &target, &[], b"{}"));
            if reply.status != StatusCode::UNAUTHORIZED {
                opens.push(source.slug);
            }
        }
        assert_eq!(opens, opened, "{value:?}");
    }
}

#[test]
fn the_setup_of_a_source_says_which_form_needs_the_secret_in_the_url() {
    for source in SOURCES {
        let in_url = BY_URL.contains(&source.slug);
        assert_eq!(source.setup.steps.contains("token="), in_url, "{}: {}", source.slug, source.setup.steps);
    }
}

#[test]
fn sentrys_plugin_sends_the_secret_in_its_url_and_a_wrong_signature_stays_wrong() {
    let body = include_bytes!("../fixtures/sentry/13-plugin.json");
    let target = format!("/sentry?token={SECRET}");
    let ask = |requirement: &'static str, headers: &[(&str, &str)]| {
        let mut host = Accepting::new();
        host.variables.insert("require_signature_sentry", requirement);
        let (reply, _) = handle(&mut host, &stranger(Method::Post, &target, headers, body));
        (reply.status.as_u16(), host.sent.len())
    };
    assert_eq!(ask("off", &[]), (200, 1));
    assert_eq!(ask("off", &[("sentry-hook-signature", &"0".repeat(64))]), (401, 0));
    assert_eq!(ask("on", &[]), (401, 0));
}

#[cfg(feature = "templates")]
#[test]
fn the_secret_in_the_query_opens_no_template_whose_senders_sign() {
    let template = |auth: &'static str| {
        let mut host = Accepting::new();
        host.variables.insert("query_token", "on");
        host.variables.insert("sns_topics", "arn:aws:sns:eu-west-1:123456789012:alarms");
        host.variables.insert("custom_mine", auth);
        let request = stranger(Method::Post, &format!("/preview/custom/mine?token={SECRET}"), &[], b"{}");
        handle(&mut host, &request).0.status.as_u16()
    };
    let signed = [
        r#"{"event_action": "trigger", "auth": {"scheme": "hmac", "header": "x-signature"}}"#,
        r#"{"event_action": "trigger", "auth": {"scheme": "standard_webhooks"}}"#,
        r#"{"event_action": "trigger", "auth": {"scheme": "sns"}}"#,
    ];
    for text in signed {
        assert_eq!(template(text), 401, "{text}");
    }
    let shown = r#"{"event_action": "trigger", "dedup_key": "a", "auth": {"scheme": "bearer"}}"#;
    assert_eq!(template(shown), 200, "a sender of the secret itself may use the query");
}

/// A host with the secrets of the control endpoints.
pub(crate) fn operated() -> Accepting {
    let mut host = Accepting::new();
    host.variables.insert("secret_act", "acting-needs-its-own-secret-4c1e");
    host.variables.insert("secret_check", "checking-needs-its-own-secret-9b");
    host
}

#[test]
fn a_secret_that_somebody_else_has_closes_act_and_check() {
    let cases = [
        ("secret_act", "webhook_secret", "/act"),
        ("secret_act", "webhook_secret_previous", "/act"),
        ("secret_act", "secret_grafana", "/act"),
        ("secret_act", "secret_custom_mine_previous", "/act"),
        ("secret_act", "secret_check", "/act"),
        ("secret_act_previous", "secret_grafana_previous", "/act"),
        ("secret_act_previous", "webhook_secret", "/act"),
        ("secret_check", "webhook_secret", "/check"),
        ("secret_check", "secret_act", "/check"),
        ("secret_check_previous", "secret_zabbix", "/check"),
    ];
    for (own, other, path) in cases {
        let mut host = operated();
        for name in [own, other] {
            host.variables.insert(name, "one-secret-for-two-of-them-5e");
        }
        let method = if path == "/act" { Method::Post } else { Method::Get };
        let secret = [("x-webhook-secret", "one-secret-for-two-of-them-5e")];
        let (reply, body) = handle(&mut host, &stranger(method, path, &secret, b""));
        let detail = format!("variable `{own}` has the same value as another secret; give it a value of its own");
        assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{own} {other}");
    }
    for (method, path) in [(Method::Post, "/act"), (Method::Get, "/check")] {
        let mut host = operated();
        host.variables.insert("secret_act_previous", "acting-needs-its-own-secret-4c1e");
        assert_eq!(handle(&mut host, &stranger(method, path, &[], b"")).0.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[test]
fn the_findings_of_check_are_shown_only_with_its_own_secret() {
    let hint = "set variable `secret_check` and authenticate with it to see the findings";
    let plain = [("accept", "text/plain")];
    for (region, status, word) in [("us", 200, "ok"), ("mars", 503, "failing")] {
        let mut host = Accepting::new();
        host.variables.insert("region", region);
        let (reply, body) = handle(&mut host, &known(Method::Get, "/check", &[], b""));
        assert_eq!((reply.status.as_u16(), body), (status, json!({"status": word, "hint": hint})));
        let (reply, _) = handle(&mut host, &known(Method::Get, "/check", &plain, b""));
        assert_eq!(reply.status.as_u16(), status);
        assert_eq!(String::from_utf8_lossy(&reply.body), format!("{word}: {hint}\n"));

        let mut host = operated();
        host.variables.insert("region", region);
        let own = [("x-webhook-secret", "checking-needs-its-own-secret-9b")];
        let (reply, body) = handle(&mut host, &stranger(Method::Get, "/check", &own, b""));
        assert_eq!((reply.status.as_u16(), &body["status"]), (status, &json!(word)));
        assert!(body["findings"].as_array().is_some_and(|findings| findings.len() > 3), "{body}");
        let (reply, _) = handle(&mut host, &known(Method::Get, "/check", &[], b""));
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "the shared secret opens it no more");
    }
}

/// Whether JSON contains a hidden character, as it is or as an escape.
fn hides(json: &[u8]) -> bool {
    fn in_value(value: &Value) -> bool {
        let in_text = |text: &str| text.contains(text::is_hidden);
        match value {
            Value::String(text) => in_text(text),
            Value::Array(items) => items.iter().any(in_value),
            Value::Object(members) => members.iter().any(|(name, value)| in_text(name) || in_value(value)),
            _ => false,
        }
    }
    in_value(&serde_json::from_slice(json).expect("json"))
}

#[test]
fn control_characters_leave_in_no_event_reply_or_log_line() {
    for c in HIDDEN {
        let text = format!("a{c}[2Jb\n\tc\\\\u001b\"");
        let event = json!({
            "event_action": "trigger", "dedup_key": text, "client": text, "client_url": format!("https://x.example/{c}x"),
            "links": [{"href": format!("https://x.example/{c}x"), "text": text}],
            "payload": {
                "summary": text, "source": text, "severity": text, "component": text,
                "custom_details": {"deep": [{format!("name{c}"): text}]},
            },
        });
        for path in ["/events", "/preview/events"] {
            let mut host = Accepting::new();
            let request = known(Method::Post, path, &[], event.to_string().as_bytes());
            let (reply, line) = pipeline::handle(&mut host, &request);
            assert!(reply.status.is_success(), "{c:?}: {}", String::from_utf8_lossy(&reply.body));
            assert!(!hides(&reply.body) && !hides(line.expect("logged").as_bytes()), "{path} {c:?}");
            for sent in &host.sent {
                assert!(!hides(sent.to_string().as_bytes()), "{c:?}: {sent}");
                assert_eq!(sent["payload"]["summary"], "a [2Jb c\\\\u001b\"");
                let detail = &sent["payload"]["custom_details"]["deep"][0]["name "];
                assert_eq!(detail, "a [2Jb\n\tc\\\\u001b\"", "line breaks stay");
                assert!(sent["links"].is_null() && sent["client_url"].is_null(), "{sent}");
            }
        }
        // Names of items and of template errors come from the payload too.
        let unmapped = json!({"alerts": [{"status": text}], "receiver": text}).to_string();
        let (reply, line) =
            pipeline::handle(&mut Accepting::new(), &known(Method::Post, "/alertmanager", &[], unmapped.as_bytes()));
        assert!(!hides(&reply.body) && !hides(line.expect("logged").as_bytes()), "{c:?}");
    }
}

#[test]
fn keys_that_differ_in_control_characters_stay_different_alerts() {
    let plain = DedupKey::verbatim("a b").expect("not blank");
    assert_eq!(plain.as_str(), "a b");
    let mut keys = vec![plain.as_str().to_owned()];
    for c in HIDDEN {
        let id = format!("a{c}b");
        for (key, begin, whole) in [
            (DedupKey::verbatim(&id), "a b~", id.clone()),
            (DedupKey::new("formatted", &[&id]), "formatted:a b~", format!("formatted:{id}")),
        ] {
            let key = key.expect("not blank");
            assert_eq!(key.as_str(), format!("{begin}{}", text::sha256_hex(whole.as_bytes())));
            assert!(key.is_hashed() && !key.is_shortened() && key.as_str().len() <= 255);
            keys.push(key.as_str().to_owned());
        }
    }
    let count = keys.len();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), count);
    let long = DedupKey::verbatim(&format!("{}\u{1b}", "x".repeat(300))).expect("not blank");
    assert!(long.is_shortened() && !long.as_str().contains('\u{1b}'));
    assert_eq!(DedupKey::verbatim("\t\n "), None);
    let lines = DedupKey::verbatim("job-7\t\n").expect("not blank");
    assert_eq!(lines.as_str(), "job-7\t\n", "a key that a program made stays the key that PagerDuty knows");
}

#[test]
fn json_that_leaves_is_json_and_never_longer() {
    for code in (0..0x3000).filter_map(char::from_u32) {
        let value = json!({format!("n{code}"): [format!("\\{code}\\u{code}\""), code.to_string()]});
        let (visible, plain) = (encoding::encode_visible(&value), encoding::encode(&value));
        assert!(visible.len() <= plain.len(), "{code:?}");
        assert!(!hides(&visible), "{code:?}");
        if !text::is_hidden(code) {
            assert_eq!(visible, plain, "{code:?}");
        }
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

fn raw_deflate(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).expect("memory");
    encoder.finish().expect("memory")
}

#[test]
fn a_compressed_delivery_is_the_same_delivery() {
    let body = FORMATTED.as_bytes();
    let cases = [
        ("gzip", gzip(body)),
        ("X-GZIP", gzip(body)),
        ("identity, gzip", gzip(body)),
        ("deflate", zlib(body)),
        ("Deflate", raw_deflate(body)),
        ("identity", body.to_vec()),
        ("", body.to_vec()),
    ];
    let mut plain = Accepting::new();
    handle(&mut plain, &known(Method::Post, "/formatted", &[], body));
    for (coding, compressed) in cases {
        let mut host = Accepting::new();
        let request = known(Method::Post, "/formatted", &[("content-encoding", coding)], &compressed);
        assert_eq!(handle(&mut host, &request).0.status, StatusCode::OK, "{coding}");
        assert_eq!(host.sent, plain.sent, "{coding}");
        let request = known(Method::Post, "/preview/formatted?explain", &[("content-encoding", coding)], &compressed);
        let (_, shown) = handle(&mut host, &request);
        let origin = json!({"field": "payload.summary", "from": ["title"], "how": "copied"});
        let explained = shown["events"][0]["explanation"].as_array().expect("explained");
        assert!(explained.contains(&origin), "{coding}: {explained:?}");
    }
}

#[test]
fn a_body_that_cannot_be_decompressed_pages_and_the_sender_learns_why() {
    let body = FORMATTED.as_bytes();
    let mut damaged = gzip(body);
    let end = damaged.len() - 6;
    damaged[end] ^= 1;
    let unsupported = "unsupported Content-Encoding; send gzip, deflate or an uncompressed body";
    let broken = "the compressed request body is damaged";
    let large = "the request body is larger than 1 MiB";
    let bomb = vec![b' '; 40 * 1024 * 1024];
    let cases = [
        ("br", body.to_vec(), 415, unsupported),
        ("\u{e9}", body.to_vec(), 415, unsupported),
        ("gzip, gzip", gzip(&gzip(body)), 415, unsupported),
        ("gzip, br", gzip(body), 415, unsupported),
        ("gzip", body.to_vec(), 400, broken),
        ("gzip", damaged, 400, broken),
        ("gzip", gzip(body)[..40].to_vec(), 400, broken),
        ("deflate", zlib(body)[..40].to_vec(), 400, broken),
        ("deflate", raw_deflate(body)[..40].to_vec(), 400, broken),
        ("deflate", gzip(body), 400, broken),
        ("gzip", [gzip(body), gzip(b" ")].concat(), 400, broken),
        ("deflate", [zlib(body), b" ".to_vec()].concat(), 400, broken),
        ("gzip", gzip(&bomb), 413, large),
        ("deflate", zlib(&bomb), 413, large),
        ("deflate", raw_deflate(&bomb), 413, large),
    ];
    for (coding, sent, status, detail) in cases {
        let mut host = Accepting::new();
        let request = known(Method::Post, "/formatted", &[("content-encoding", coding)], &sent);
        let (reply, said) = handle(&mut host, &request);
        assert_eq!((reply.status.as_u16(), &said["detail"]), (status, &json!(detail)), "{coding}");
        assert_eq!(header(&reply, "accept-encoding"), (status == 415).then_some("gzip, deflate"), "{coding}");
        let [page] = host.sent.as_slice() else { panic!("{coding}: {} events", host.sent.len()) };
        let summary = "pagerelay could not map a delivery from Formatted webhook; it may be an alert. Reason: ";
        assert_eq!(page["payload"]["summary"], format!("{summary}{detail}"), "{coding}");
        assert_eq!(page["payload"]["custom_details"], json!({"reasons": [detail]}), "{coding}");

        host.variables.insert("secret_act", "acting-needs-its-own-secret-4c1e");
        let secret = [("x-webhook-secret", "acting-needs-its-own-secret-4c1e"), ("content-encoding", coding)];
        let (reply, said) = handle(&mut host, &stranger(Method::Post, "/act", &secret, &sent));
        assert_eq!((reply.status.as_u16(), &said["detail"]), (status, &json!(detail)), "{coding}");
    }
    let just = gzip(&[b"[1]".to_vec(), vec![b' '; 1024 * 1024 - 3]].concat());
    let request = known(Method::Post, "/formatted", &[("content-encoding", "gzip")], &just);
    assert_eq!(handle(&mut Accepting::new(), &request).0.status, StatusCode::OK, "one MiB is not too large");
}

#[test]
fn a_signature_covers_the_body_as_it_was_sent() {
    let body = br#"{"action": "completed"}"#;
    let compressed = gzip(body);
    let github = sources::find("github").expect("a source");
    for (signed, status) in [(compressed.as_slice(), 200), (body.as_slice(), 401)] {
        let signature = credentials::of(github, SECRET, signed, 0).headers;
        let signature = signature.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = [("content-encoding", "gzip"), ("x-github-event", "check_run")].into_iter().chain(signature);
        let headers: Vec<(&str, &str)> = headers.collect();
        let request = stranger(Method::Post, "/preview/github", &headers, &compressed);
        let (reply, said) = handle(&mut Accepting::new(), &request);
        assert_eq!(reply.status.as_u16(), status, "{said}");
    }
}

#[test]
fn a_member_that_occurs_twice_makes_a_body_unmappable_at_any_depth() {
    let cases = [
        (r#"{"state": "ok", "state": "alerting"}"#, "state", 1, 17),
        ("{\"a\": 1,\n \"b\": [{}, {\"c\": {\"d\": 1, \"e\": {}, \"d\": 2}}]}", "d", 2, 36),
        (r#"{"state": "ok", "st\u0061te": "alerting"}"#, "state", 1, 17),
        (r#"{"": 1, "": 2}"#, "", 1, 9),
        (r#"[{"a=":1,"a=":2}]"#, "a=", 1, 10),
        ("{\"a\\u001b\": 1, \"a\\u001b\": 1}", "a", 1, 16),
    ];
    for (body, name, line, column) in cases {
        for (path, of) in [("/formatted", "Formatted webhook"), ("/events", "PagerDuty Events API")] {
            let mut host = Accepting::new();
            let (reply, said) = handle(&mut host, &known(Method::Post, path, &[], body.as_bytes()));
            let reason = format!("the body has member `{name}` twice in one object: line {line}, column {column}");
            assert!(reply.status.is_success(), "{body}");
            assert_eq!(said["rejected"], json!([reason]), "{body}");
            let summary = format!("pagerelay could not map a delivery from {of}; it may be an alert. Reason: {reason}");
            assert_eq!(host.sent[0]["payload"]["summary"], text::one_line(&summary), "{body}");
        }
    }
    let fine = [
        r#"{"a": {"b": 1}, "b": {"a": [{"a": 1}, {"a": 1}]}, "c": "\"a\": 1, \"a\": 2"}"#,
        r#"[["a", "a"], "a", "a", {"a": "a"}, {"a": "\\"}]"#,
        r#"{"a\\": 1, "a\"": 2, "A": 3, "a": ["x", {"y": 1}, "y", "y"]}"#,
        r#"{}"#,
        r#""a, a""#,
    ];
    for body in fine {
        assert!(mapping::parse(body.as_bytes()).is_ok(), "{body}");
    }
}

#[test]
fn an_action_with_two_keys_is_refused() {
    let body = r#"{"action": "resolve", "dedup_key": "a", "dedup_key": "b", "from": "ada@shop.example"}"#;
    let headers = [("x-webhook-secret", "acting-needs-its-own-secret-4c1e"), ("content-type", "application/json")];
    let (reply, said) = handle(&mut operated(), &stranger(Method::Post, "/act", &headers, body.as_bytes()));
    assert_eq!(reply.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(said["detail"], "the body has member `dedup_key` twice in one object: line 1, column 41");
}

#[test]
fn an_excerpt_masks_base64_with_slashes_and_passwords_in_urls() {
    for (body, shown) in [
        ("key AbC/dEf+0123456789/xyz= end", "key … end"),
        ("see https://bob:pw@host.example/path?x=1", "see https://…@host.example/path?x=1"),
        ("https://token@host.example", "https://…@host.example"),
        ("https://host.example/a@b", "https://host.example/a@b"),
        ("path /api/v1/alerts/list/of/alerts", "path /api/v1/alerts/list/of/alerts"),
        ("path /api/0123456789abcdef0123/x", "path /api/…/x"),
        ("short word", "short word"),
        ("a \"https://u:p@h\" b", "a \"https://…@h\" b"),
    ] {
        assert_eq!(text::masked(body), shown, "{body}");
    }
}
