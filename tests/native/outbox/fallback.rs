//! Somebody hears by another way that PagerDuty has not accepted a trigger.

use std::time::Duration;

use pagerelay::http::Method;
use pagerelay_support::SECRET;
use serde_json::{Value, json};

use super::world::{EPOCH, World};
use super::{Answer, event, events, request, secs, variables};

const URL: &str = "https://chat.test/hook/T0123?key=s3cret-of-the-hook&token=abc";

fn world(more: &[(&str, &str)]) -> World {
    let world = World::new(1, &variables(&[&[("fallback_url", URL)], more].concat()));
    world.state().pagerduty.outages.push((Duration::ZERO, secs(100_000)));
    world
}

/// The only message to the fallback.
fn told(world: &World) -> (String, Value) {
    let state = world.state();
    let [told] = &*state.others else { panic!("one message: {:?}", state.others) };
    told.clone()
}

#[test]
fn a_text_names_the_alert_and_says_that_nobody_sends_it_again() {
    let world = world(&[]);
    let critical = json!([{"id": "a", "n": 1, "severity": "critical"}]);
    assert_eq!(world.ask(secs(1), events("patient", &critical)).status, 503);
    let (url, body) = told(&world);
    assert_eq!(url, URL);
    let text = "PagerDuty has not accepted:\n[critical] alert a #1 (patient, 503)\nThe relay does not send it again: tell the person on call.";
    assert_eq!(body, json!({"text": text}));
    let state = world.state();
    let last = state.log.last().expect("a line");
    assert_eq!((&last["fallback"], &last["level"]), (&json!("accepted"), &json!("error")));
}

#[test]
fn a_text_about_a_stored_alert_says_so() {
    let world = world(&[("outbox", "on"), ("routing_key_payments", "E".repeat(32).leak())]);
    let answer = world.ask(secs(1), request(Method::Post, "/patient/payments", r#"[{"id": "a", "n": 1}]"#));
    assert_eq!(answer.status, 200);
    let (_, body) = told(&world);
    let text = "PagerDuty has not accepted:\n[error] alert a #1 (patient, service payments, 503)\nStored, and sent again for 24 hours.";
    assert_eq!(body, json!({"text": text}));
}

#[test]
fn a_message_names_ten_alerts_and_counts_the_others_and_mentions_nobody() {
    let world = world(&[("retry_after_answer", "off")]);
    let item = |n: usize| json!({"id": format!("<!channel> @here {}", "x".repeat(250)), "n": n, "id2": n});
    let items: Vec<Value> = (0..13)
        .map(item)
        .map(|mut item| {
            item["id"] = format!("{}{}", item["id2"], item["id"].as_str().expect("text")).into();
            item
        })
        .collect();
    world.ask(secs(1), events("hasty", &items.into()));
    let (_, body) = told(&world);
    let text = body["text"].as_str().expect("a text");
    assert!(text.encode_utf16().count() <= 1900, "{}", text.len());
    assert!(!text.contains(['<', '>', '@']), "{text}");
    assert!(text.ends_with("\nThe relay does not send it again: tell the person on call."), "{text}");
}

#[test]
fn an_events_api_that_accepts_some_events_has_told_somebody_and_a_warning_counts_the_others() {
    let both = json!([{"id": "a", "n": 1}, {"id": "b", "n": 2}]);
    for (rejected, fallback, warning) in [
        ("nothing", json!("accepted"), Value::Null),
        ("sim:b", json!("accepted"), json!(["the server at `fallback_url` has not accepted 1 of 2 events: 400"])),
        ("sim:", Value::Null, json!(["nobody could be told by `fallback_url`: 400"])),
    ] {
        let key = ("fallback_routing_key", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
        let world = world(&[("fallback_format", "event"), key, ("retry_after_answer", "off")]);
        (world.state().others_answer, world.state().others_reject) = (202, Some(rejected));
        world.ask(secs(1), events("hasty", &both));
        let state = world.state();
        let line = state.log.last().expect("a line");
        assert_eq!((&line["fallback"], &line["warnings"]), (&fallback, &warning), "{line:#}");
    }
}

#[test]
fn a_message_names_the_most_severe_alerts_whatever_their_order() {
    for (format, key) in [("text", None), ("event", Some(("fallback_routing_key", "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF")))]
    {
        let world = world(&[&[("fallback_format", format), ("retry_after_answer", "off")], key.as_slice()].concat());
        let severities = ["info", "warning", "error", "critical"];
        let item = |n: usize| json!({"id": n, "n": n, "severity": severities[n / 8]});
        world.ask(secs(1), events("hasty", &(0..32).map(item).collect()));
        let state = world.state();
        let told: String = state.others.iter().map(|(_, body)| body.to_string()).collect();
        let named = (0..32).filter(|n| told.contains(&format!("alert {n} #{n}"))).collect::<Vec<_>>();
        assert_eq!(named, [16, 17, 24, 25, 26, 27, 28, 29, 30, 31], "{told}");
    }
}

#[test]
fn the_formats_are_a_text_a_card_and_the_event_itself() {
    let key = "F".repeat(32);
    for (format, more) in [("teams", None), ("event", Some(("fallback_routing_key", &*key)))] {
        let world = world(&[&[("fallback_format", format), ("retry_after_answer", "off")], more.as_slice()].concat());
        world.state().others_answer = 202;
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        let state = world.state();
        let (url, body) = state.others.first().expect("a message");
        assert_eq!(url, URL);
        if format == "teams" {
            // Teams shows a line break inside a block as a space.
            let blocks = body["attachments"][0]["content"]["body"].as_array().expect("blocks");
            let lines: Vec<&str> = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
            assert_eq!(
                lines,
                [
                    "PagerDuty has not accepted:",
                    "[error] alert a #1 (hasty, 503)",
                    "The relay does not send it again: tell the person on call."
                ]
            );
            assert_eq!((&body["type"], &blocks[2]["wrap"]), (&json!("message"), &json!(true)));
        } else {
            assert_eq!((&body["dedup_key"], &body["routing_key"]), (&json!("sim:a"), &json!(key)));
        }
    }
}

#[test]
fn the_success_of_a_message_is_no_acceptance_and_its_failure_is_a_warning() {
    let (told, failed) = (None, Some("nobody could be told by `fallback_url`: 404"));
    for (format, status, warning) in
        [("text", 200, told), ("text", 404, failed), ("event", 202, told), ("event", 404, failed)]
    {
        let key = "F".repeat(32);
        let more = [("retry_after_answer", "off"), ("fallback_format", format), ("fallback_routing_key", &key)];
        let world = world(&more);
        world.state().others_answer = status;
        assert_eq!(world.ask(secs(1), event("hasty", "a", 1, "down")).status, 503);
        let state = world.state();
        let last = state.log.last().expect("a line");
        assert_eq!(last["warnings"][0].as_str(), warning, "{format} {status}");
        assert_eq!(last["error"], "PagerDuty has not accepted 1 trigger");
    }
}

#[test]
fn nobody_is_told_about_what_closes_an_alert_about_previews_and_about_what_went_out_late() {
    let world = world(&[]);
    world.ask(secs(1), event("hasty", "a", 1, "up"));
    world.ask(secs(2), request(Method::Post, "/preview/hasty", r#"[{"id": "a", "n": 1}]"#));
    world.state().pagerduty.outages = vec![(Duration::ZERO, secs(110))];
    world.ask(secs(100), event("patient", "b", 2, "down"));
    assert_eq!((world.accepted(), world.state().others.len()), (vec!["trigger 2".to_owned()], 0));
}

#[test]
fn a_message_about_lost_events_names_those_that_open_an_alert() {
    let world = world(&[("outbox", "on")]);
    let both = json!([{"id": "a", "n": 1, "state": "down"}, {"id": "b", "n": 2, "state": "up"}]);
    assert_eq!(world.ask(secs(1), events("hasty", &both)).status, 200);
    assert_eq!(world.stored(), 2);
    world.state().others.clear();
    world.tick(secs(86_460));
    let (_, body) = told(&world);
    let text = body["text"].as_str().expect("a text");
    assert!(text.contains("alert a #1") && !text.contains("alert b #2"), "{text}");
    assert!(world.state().log.last().expect("a line").to_string().contains("2 stored events lost"));
}

#[test]
fn an_unusable_url_is_a_warning_and_never_shown() {
    for (url, problem) in [
        ("http://chat.test/hook", "variable `fallback_url` must be an https URL (plain http only on loopback)"),
        ("ftp://chat.test/s3cret", "variable `fallback_url` must be an https URL (plain http only on loopback)"),
        ("s3cret", "variable `fallback_url` must be an https URL (plain http only on loopback)"),
        (
            "https://user:s3cret@chat.test/",
            "variable `fallback_url` must be an https URL (plain http only on loopback)",
        ),
    ] {
        let world = world(&[("retry_after_answer", "off"), ("fallback_url", url)]);
        world.ask(secs(1), event("hasty", "a", 1, "down"));
        let state = world.state();
        assert!(state.others.is_empty());
        let last = state.log.last().expect("a line").to_string();
        assert!(last.contains(problem) && !last.contains("s3cret"), "{last}");
    }
}

#[test]
fn no_log_and_no_answer_contains_the_url() {
    let world = world(&[]);
    world.state().others_answer = 500;
    let answer = world.ask(secs(1), event("hasty", "a", 1, "down"));
    let check = check(&world, "/check", &[]);
    let state = world.state();
    let all = format!("{} {} {}", answer.body, Value::from(state.log.clone()), check.body);
    assert!(!all.contains("s3cret-of-the-hook") && !all.contains("T0123") && !all.contains("token=abc"), "{all}");
}

/// Calls `/check` with its own secret.
fn check(world: &World, path: &str, query: &[(&str, &str)]) -> Answer {
    let own = "check-0123456789abcdef";
    world.state().variables.insert("secret_check".to_owned(), own.to_owned());
    let mut asked = request(Method::Get, path, "");
    asked.query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    asked.headers =
        pagerelay::http::Headers::new(vec![("authorization".to_owned(), format!("Bearer {own}").into_bytes())]);
    let now = world.state().now;
    world.ask(now, asked)
}

fn findings(answer: &Answer, about: &str) -> Vec<String> {
    let findings = answer.body["findings"].as_array().into_iter().flatten();
    let findings = findings.filter(|finding| finding["check"] == about);
    findings
        .map(|finding| {
            format!(
                "{}: {}",
                finding["level"].as_str().unwrap_or_default(),
                finding["what"].as_str().unwrap_or_default()
            )
        })
        .collect()
}

#[test]
fn a_check_tries_the_fallback_only_where_that_is_asked_for_with_its_own_secret() {
    let world = world(&[]);
    let answer = check(&world, "/check", &[]);
    assert_eq!(
        findings(&answer, "fallback"),
        ["ok: variable `fallback_url` is valid; GET /check?fallback=1 sends a message there"]
    );
    assert!(world.state().others.is_empty());
    let answer = check(&world, "/check", &[("fallback", "1")]);
    assert_eq!(findings(&answer, "fallback"), ["ok: the server at `fallback_url` has accepted a message"]);
    let (_, body) = told(&world);
    assert_eq!(body, json!({"text": "pagerelay: this is a test of fallback_url. Nothing is wrong."}));
    world.state().others_answer = 410;
    let answer = check(&world, "/check", &[("fallback", "1")]);
    assert_eq!(findings(&answer, "fallback"), ["error: the server at `fallback_url` has not accepted a message: 410"]);
    // With the shared secret, which every vendor has.
    world.state().variables.remove("secret_check");
    let before = world.state().others.len();
    let mut shared = request(Method::Get, "/check", "");
    shared.query = "fallback=1".to_owned();
    let now = world.state().now;
    world.ask(now, shared);
    assert_eq!((world.state().others.len(), SECRET.len() > 15), (before, true));
}

#[test]
fn a_check_does_not_fail_for_a_heartbeat_whose_variable_is_blank() {
    let world = world(&[("heartbeat_watchdog", " ")]);
    world.state().store.is_absent = true;
    let answer = check(&world, "/check", &[]);
    assert_eq!(findings(&answer, "outbox"), ["warning: variable `heartbeat_watchdog` is not set; nobody watches it"]);
}

#[test]
fn a_check_shows_what_is_stored_and_when_the_last_tick_was() {
    let world = world(&[("outbox", "on")]);
    let answer = check(&world, "/check", &[]);
    assert_eq!(
        findings(&answer, "outbox"),
        [
            "ok: the key-value store keeps what is written; whether it outlives a restart is not known here",
            "warning: nothing has called /tick in the last 10 minutes: stored events wait for the next delivery",
        ]
    );
    world.ask(secs(1), event("hasty", "a", 1, "down"));
    world.tick(secs(100));
    let answer = check(&world, "/check", &[]);
    let found = findings(&answer, "outbox");
    assert!(found[1].starts_with("warning: 1 event stored, the oldest for "), "{found:?}");
    assert!(found[2].starts_with("ok: the last tick was "), "{found:?}");
    assert!(!world.state().store.keys.contains_key("pr1.check"));
    // A wrong clock has written the time of this tick.
    let tomorrow = json!({"at": (EPOCH + secs(86_400)).as_millis(), "well": true}).to_string();
    world.state().store.keys.insert("pr1.tick".to_owned(), tomorrow.into_bytes());
    let found = findings(&check(&world, "/check", &[]), "outbox");
    assert!(found[2].starts_with("warning: nothing has called /tick in the last 10 minutes"), "{found:?}");
    world.state().store.fails = true;
    let answer = check(&world, "/check", &[]);
    assert_eq!(findings(&answer, "outbox"), ["warning: the key-value store failed; nothing can be stored"]);
}
