//! Walls between the senders of different sources: services, secrets of their own, and what check says about them.

use pagerelay::http::{Method, Reply, StatusCode};
use pagerelay::sources::{self, SOURCES};
use pagerelay_support::{OWN_SECRET, SECRET, SERVICE_KEY, credentials};
use serde_json::{Value, json};

use crate::host::Accepting;
use crate::walls::{handle, known, operated, stranger};

/// An alert that `/formatted` accepts.
const ALERT: &str = r#"{"alert_uid": "disk", "title": "Disk full", "state": "alerting"}"#;

/// A resolve of an alert of Alertmanager, for `/events`.
const RESOLVE: &str = r#"{"event_action": "resolve", "dedup_key": "alertmanager:abc123"}"#;

/// A host with a second service, payments.
fn two_services() -> Accepting {
    let mut host = operated();
    host.variables.insert("routing_key_payments", "p0pageRelayTestKey0000000000000u");
    host
}

fn post(host: &mut Accepting, path: &str, secret: &str, body: &str) -> (Reply, Value) {
    handle(host, &stranger(Method::Post, path, &[("x-webhook-secret", secret)], body.as_bytes()))
}

/// The findings of check about one subject, as `level what`.
pub(crate) fn findings(host: &mut Accepting, target: &str, about: &str) -> Vec<String> {
    let checking = host.variables["secret_check"];
    let request = stranger(Method::Get, target, &[("x-webhook-secret", checking)], b"");
    let (_, body) = handle(host, &request);
    let findings = body["findings"].as_array().unwrap_or_else(|| panic!("{body}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
    let about = findings.iter().filter(|finding| finding["check"] == about && finding["level"] != "ok");
    about.map(|finding| format!("{} {}", text(finding, "level"), text(finding, "what"))).collect()
}

/// The paths of sources, as a finding lists them.
fn paths(test: impl Fn(&sources::Source) -> bool) -> String {
    let paths = SOURCES.iter().filter(|source| test(source)).map(|source| format!("/{}", source.slug));
    paths.collect::<Vec<String>>().join(", ")
}

#[test]
fn the_shared_secret_resolves_no_alert_of_another_source_through_events() {
    for path in ["/events/payments", "/events", "/preview/events/payments"] {
        let mut host = two_services();
        let (reply, body) = post(&mut host, path, SECRET, RESOLVE);
        assert_eq!((reply.status.as_u16(), &body["detail"]), (401, &json!("missing or invalid credentials")), "{path}");
        let (reply, _) = post(&mut host, path, OWN_SECRET, RESOLVE);
        assert!(reply.status.is_success(), "{path}");
        assert_eq!(host.sent.len(), usize::from(!path.starts_with("/preview")), "{path}");

        let mut host = two_services();
        host.variables.remove("secret_events");
        let (reply, body) = post(&mut host, path, SECRET, RESOLVE);
        let detail =
            "variable `secret_events` is not set; set it, because `webhook_secret` is not accepted for this path";
        assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{path}");
        assert!(host.sent.is_empty(), "{path}");
    }
}

#[test]
fn an_own_secret_that_is_the_shared_secret_opens_nothing() {
    for (own, other) in [
        ("secret_events", "webhook_secret"),
        ("secret_events", "webhook_secret_previous"),
        ("secret_events_previous", "webhook_secret"),
        ("secret_events_previous", "webhook_secret_previous"),
    ] {
        let mut host = two_services();
        host.variables.insert(own, "one-secret-for-two-of-them-5e");
        host.variables.insert(other, "one-secret-for-two-of-them-5e");
        let (reply, body) = post(&mut host, "/events", "one-secret-for-two-of-them-5e", RESOLVE);
        let detail = format!("variable `{own}` has the same value as another secret; give it a value of its own");
        assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{own} {other}");
        assert!(host.sent.is_empty(), "{own} {other}");
        let found = findings(&mut host, "/check", "sources");
        assert_eq!(found, [format!("error {detail}; closed: /events")], "{own} {other}");
        let (reply, _) = post(&mut host, "/events", "neither-of-the-two-secrets-77", RESOLVE);
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "others do not learn it");
    }
}

#[test]
fn a_source_pages_only_the_services_that_its_list_contains() {
    let all = ["", "/payments", "/default", "/other"];
    let cases: [(&str, [u16; 4]); 8] = [
        ("", [200, 200, 200, 200]),
        (" \n", [200, 200, 200, 200]),
        ("payments", [403, 200, 403, 403]),
        ("default", [200, 403, 403, 403]),
        ("default,payments", [200, 200, 403, 403]),
        (" payments \t\n other,,default ", [200, 200, 403, 200]),
        ("pay", [403, 403, 403, 403]),
        ("payments_other", [403, 403, 403, 403]),
    ];
    for (list, statuses) in cases {
        for preview in ["", "/preview"] {
            for (service, status) in all.into_iter().zip(statuses) {
                let what = format!("{preview} {list:?} {service}");
                let mut host = two_services();
                host.variables.insert("routing_key_default", SERVICE_KEY);
                host.variables.insert("routing_key_other", SERVICE_KEY);
                host.variables.insert("services_formatted", list);
                let (reply, body) = post(&mut host, &format!("{preview}/formatted{service}"), SECRET, ALERT);
                assert_eq!(reply.status.as_u16(), status, "{what}: {body}");
                assert_eq!(host.sent.len(), usize::from(status == 200 && preview.is_empty()), "{what}");
                if status == 403 {
                    let problem = match service {
                        "" => "does not list `default`, the service of a path without a service name",
                        _ => "does not list this service",
                    };
                    assert_eq!(body["detail"], format!("variable `services_formatted` {problem}"), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_service_that_is_not_listed_is_refused_in_the_log_too() {
    let mut host = two_services();
    host.variables.insert("services_formatted", "payments");
    let request = known(Method::Post, "/formatted/web", &[], ALERT.as_bytes());
    let (reply, line) = pagerelay::pipeline::handle(&mut host, &request);
    let line: Value = serde_json::from_str(&line.expect("logged")).expect("json");
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    assert_eq!((&line["level"], &line["service"]), (&json!("error"), &json!("web")), "{line}");
    assert_eq!(line["error"], "variable `services_formatted` does not list this service", "{line}");
}

#[test]
fn senders_that_are_not_authenticated_learn_no_list_of_services() {
    for list in ["payments", "not a list!"] {
        for path in ["/formatted", "/formatted/payments", "/formatted/web"] {
            let mut host = two_services();
            host.variables.insert("services_formatted", list);
            let (reply, body) = post(&mut host, path, "not-the-secret-of-anything-1", ALERT);
            let detail = json!("missing or invalid credentials");
            assert_eq!((reply.status.as_u16(), &body["detail"]), (401, &detail), "{list} {path}");
        }
    }
}

#[test]
fn a_list_with_an_item_that_is_no_service_closes_its_source() {
    let problem = "must list services, separated by commas: lower-case words joined by single underscores, and `default` \
                   for a path without a service name";
    for list in ["payments,Web", "payments;web", ",", "payments, *", "payments_previous", "/payments"] {
        let mut host = two_services();
        host.variables.insert("services_formatted", list);
        let detail = format!("variable `services_formatted` {problem}");
        for path in ["/formatted", "/formatted/payments"] {
            let (reply, body) = post(&mut host, path, SECRET, ALERT);
            assert_eq!((reply.status.as_u16(), &body["detail"]), (503, &json!(detail)), "{list}");
            assert!(host.sent.is_empty(), "{list}");
        }
        assert_eq!(findings(&mut host, "/check", "senders")[0], format!("error {detail}; closed: /formatted"));
    }
}

#[cfg(feature = "templates")]
#[test]
fn a_template_pages_only_the_services_that_its_list_contains() {
    let mut host = two_services();
    host.variables
        .insert("custom_mine", r#"{"event_action": "trigger", "dedup_key": "a", "payload": {"summary": "s"}}"#);
    host.variables.insert("services_custom_mine", "payments");
    let (reply, body) = post(&mut host, "/custom/mine", SECRET, "{}");
    let detail =
        "variable `services_custom_mine` does not list `default`, the service of a path without a service name";
    assert_eq!((reply.status.as_u16(), &body["detail"]), (403, &json!(detail)));
    assert!(host.sent.is_empty());
    let (reply, body) = post(&mut host, "/custom/mine/payments", SECRET, "{}");
    assert_eq!((reply.status.as_u16(), host.sent.len()), (200, 1), "{body}");
}

#[test]
fn check_says_which_sources_can_page_every_service_if_there_are_several() {
    let note = "note sources and templates without variable `services_<source>` can page every service; set it to limit them: ";
    let says = |host: &mut Accepting, target: &str| {
        let found = findings(host, target, "senders");
        found.into_iter().filter(|what| what.starts_with(note)).collect::<Vec<String>>()
    };
    let mut host = operated();
    assert!(says(&mut host, "/check").is_empty(), "there is only one service");
    host.variables.insert("routing_key_previous", "p0pageRelayTestKey0000000000000u");
    assert!(says(&mut host, "/check").is_empty(), "a previous key is no service");

    let mut host = two_services();
    assert_eq!(says(&mut host, "/check"), [format!("{note}{}", paths(|_| true))]);
    host.variables.insert("services_grafana", "payments, default");
    host.variables.remove("secret_events");
    host.variables.remove("secret_opsgenie");
    let open = paths(|source| source.slug != "grafana" && !source.own_secret);
    assert_eq!(says(&mut host, "/check"), [format!("{note}{open}")]);
    #[cfg(feature = "templates")]
    {
        host.variables.insert("custom_mine", r#"{"event_action": "trigger"}"#);
        assert_eq!(says(&mut host, "/check"), [format!("{note}/custom/mine, {open}")]);
    }
    for source in SOURCES {
        host.variables.insert(format!("services_{}", source.slug).leak(), "default");
    }
    host.variables.insert("services_custom_mine", "default");
    assert!(says(&mut host, "/check").is_empty(), "all are limited");
}

#[test]
fn check_finds_mistakes_in_lists_of_services() {
    let mut host = two_services();
    for (name, value) in [
        ("services_grafana", "payments, paymets, default"),
        ("services_grafna", "payments"),
        ("services_nobody", "payments"),
        ("service_github", "payments"),
        ("services_custom_gone", "payments"),
        ("routing_key_default", SERVICE_KEY),
    ] {
        host.variables.insert(name, value);
    }
    assert_eq!(
        findings(&mut host, "/check", "variables"),
        [
            "warning unknown variable `service_github`; did you mean `services_github`?",
            "warning variable `services_custom_gone` has no effect: `custom_gone` is not set",
            "warning unknown variable `services_grafna`: no such source; did you mean `services_grafana`?",
            "warning unknown variable `services_nobody`: no such source; GET /setup lists all sources",
        ]
    );
    let found = findings(&mut host, "/check", "senders");
    assert_eq!(
        found[..2],
        [
            "warning variable `services_grafana` lists `paymets`, but variable `routing_key_paymets` is not set",
            "warning in variable `services_grafana`, `default` means the path without a service name, not the service \
             of variable `routing_key_default`; rename that service to list it",
        ]
    );
}

#[test]
fn check_notes_sources_whose_signatures_the_shared_secret_verifies() {
    let note = "note variable `webhook_secret` verifies the signatures of several sources. A signature does not cover the \
                path, so each of them accepts a body that was signed for another; set `secret_<source>` for those that \
                you use: ";
    let mut host = operated();
    let signing = [
        "/checkly",
        "/flux",
        "/github",
        "/gitlab",
        "/grafana",
        "/heroku",
        "/mongodbatlas",
        "/sentry",
        "/signalfx",
        "/vercel",
    ];
    assert_eq!(findings(&mut host, "/check", "senders"), [format!("{note}{}", signing.join(", "))]);
    for (name, value) in [
        ("secret_checkly", "checkly-has-one-of-its-own-4a"),
        ("secret_flux", "flux-has-one-of-its-own-8e2d"),
        ("secret_gitlab", "gitlab-has-one-of-its-own-77"),
        ("secret_heroku", "heroku-has-one-of-its-own-51"),
        ("secret_mongodbatlas", "atlas-has-one-of-its-own-63"),
        ("secret_sentry", "sentry-has-one-of-its-own-12"),
        ("secret_signalfx", "signalfx-has-one-of-its-own-5"),
        ("secret_vercel", "vercel-has-one-of-its-own-94"),
    ] {
        host.variables.insert(name, value);
    }
    assert_eq!(findings(&mut host, "/check", "senders"), [format!("{note}/github, /grafana")]);
    host.variables.insert("secret_grafana", "grafana-has-one-of-its-own-3b");
    assert!(findings(&mut host, "/check", "senders").is_empty(), "only one is left");
    #[cfg(feature = "templates")]
    {
        let signed = r#"{"event_action": "trigger", "auth": {"scheme": "hmac", "header": "x-signature"}}"#;
        host.variables.insert("custom_mine", signed);
        assert_eq!(findings(&mut host, "/check", "senders"), [format!("{note}/custom/mine, /github")]);
    }
}

#[test]
fn check_warns_of_secrets_with_the_same_value() {
    let same = |one: &str, other: &str| {
        format!(
            "warning variables `{one}` and `{other}` hold the same secret, so each accepts the other's senders; give \
             each a value of its own"
        )
    };
    for (one, other) in [
        ("secret_github", "secret_grafana"),
        ("secret_github", "secret_grafana_previous"),
        ("secret_events", "secret_zabbix"),
        ("webhook_secret", "secret_zabbix"),
    ] {
        let mut host = operated();
        host.variables.insert("secret_grafana", "grafana-has-one-of-its-own-3b");
        host.variables.insert(one, "one-secret-for-two-of-them-5e");
        host.variables.insert(other, "one-secret-for-two-of-them-5e");
        let found = findings(&mut host, "/check", "senders");
        let found: Vec<&String> = found.iter().filter(|what| what.starts_with("warning")).collect();
        assert_eq!(found, [&same(one, other)]);
    }
    // The next value of a rotation, and one that was only copied to its previous variable.
    let mut host = operated();
    host.variables.insert("secret_grafana", "grafana-has-one-of-its-own-3b");
    host.variables.insert("secret_grafana_previous", "grafana-has-one-of-its-own-3b");
    assert!(!findings(&mut host, "/check", "senders").iter().any(|what| what.starts_with("warning")));
}

#[test]
fn a_body_that_is_signed_for_one_source_is_refused_by_a_source_with_its_own_secret() {
    let body = br#"{"action": "completed"}"#;
    let github = sources::find("github").expect("a source");
    let signature = credentials::of(github, SECRET, body, 0).headers;
    let headers: Vec<(&str, &str)> = signature.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let headers = [headers, vec![("x-github-event", "check_run")]].concat();
    for (path, status) in [("/github", 200), ("/github/payments", 200)] {
        let mut host = two_services();
        let (reply, _) = handle(&mut host, &stranger(Method::Post, path, &headers, body));
        assert_eq!(reply.status.as_u16(), status, "a signature does not cover the path: {path}");
        host.variables.insert("services_github", "default");
        let (reply, _) = handle(&mut host, &stranger(Method::Post, path, &headers, body));
        let limited = if path == "/github" { 200 } else { 403 };
        assert_eq!(reply.status.as_u16(), limited, "{path}");
        host.variables.insert("secret_github", "github-has-one-of-its-own-55");
        let (reply, _) = handle(&mut host, &stranger(Method::Post, path, &headers, body));
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
