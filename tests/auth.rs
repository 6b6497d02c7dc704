//! Who gets in, through the compiled component: what a sender shows, and what the operator has set.

mod harness;

use harness::build::Flavour;
use harness::runtime::{Call, Reply, World, relay};
use harness::{ROUTING_KEY, SECRET, run};

const OTHER: &str = "another-secret-of-some-length";

/// A delivery that would be refused later on as unmappable: `400` means that it got in.
fn knock(world: &World, headers: &[(&str, &str)]) -> Reply {
    let mut call = Call::stranger("POST", "/alertmanager", "not json");
    for (name, value) in headers {
        call = call.header(name, value);
    }
    run(relay(Flavour::Spin).call(world, call)).expect("the component answers")
}

fn world() -> World {
    World::new("http://127.0.0.1:1/v2/enqueue")
}

fn basic(user: &str, password: &str) -> String {
    format!(
        "Basic {}",
        <base64ct::Base64 as base64ct::Encoding>::encode_string(format!("{user}:{password}").as_bytes())
    )
}

#[test]
fn the_secret_opens_in_each_of_its_places() {
    let bearer = format!("Bearer {SECRET}");
    let lower = format!("bearer   {SECRET}");
    let cases = [
        ("authorization", bearer.as_str(), "bearer, current secret"),
        ("Authorization", lower.as_str(), "bearer, current secret"),
        ("authorization", &basic("relay", SECRET), "basic, current secret"),
        ("authorization", &basic("", SECRET), "basic, current secret"),
        ("x-webhook-secret", SECRET, "x-webhook-secret, current secret"),
        ("X-Webhook-Secret", SECRET, "x-webhook-secret, current secret"),
    ];
    for (name, value, auth) in cases {
        let reply = knock(&world(), &[(name, value)]);
        assert_eq!((reply.status, reply.json()["auth"].clone()), (400, auth.into()), "{name}: {value}");
    }
}

#[test]
fn a_password_may_hold_colons() {
    let secret = "colons:in:a:pass:phrase:are:fine";
    let reply = knock(&world().with("webhook_secret", secret), &[("authorization", &basic("user", secret))]);
    assert_eq!(reply.status, 400);
}

#[test]
fn nothing_else_opens_and_every_refusal_reads_the_same() {
    let bearer = format!("Bearer {SECRET}");
    let refused: &[&[(&str, &str)]] = &[
        &[],
        &[("authorization", "")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", SECRET)],
        &[("authorization", &format!("Token {SECRET}"))],
        &[("authorization", &format!("Bearer {SECRET}x"))],
        &[("authorization", &format!("Bearer {}", &SECRET[1..]))],
        &[("authorization", &format!("Bearer {}", SECRET.to_uppercase()))],
        &[("authorization", &format!("Bearer {SECRET}, Bearer {SECRET}"))],
        &[("authorization", &bearer), ("authorization", &bearer)],
        &[("authorization", &basic(SECRET, ""))],
        &[("authorization", &basic("user", "wrong"))],
        &[("authorization", "Basic !!!!")],
        &[("authorization", &format!("Basic {SECRET}"))],
        &[("x-webhook-secret", "wrong")],
        &[("x-webhook-secret", SECRET), ("x-webhook-secret", "wrong")],
        &[("x-webhook-secret", &"x".repeat(5000))],
        &[("x-webhook-secret", "sécret-sécret-sécret")],
        &[("x-secret", SECRET)],
        &[("cookie", SECRET)],
    ];
    let first = knock(&world(), &[]);
    assert_eq!(first.status, 401);
    assert_eq!(first.headers["www-authenticate"], "Basic realm=\"pagerelay\", charset=\"UTF-8\"");
    assert_eq!(first.json()["detail"], "credentials are absent or wrong");
    for headers in refused {
        let reply = knock(&world(), headers);
        assert_eq!((reply.status, &reply.body), (401, &first.body), "{headers:?}");
        assert_eq!(reply.headers, first.headers, "{headers:?}");
    }
}

#[test]
fn the_secret_before_this_one_opens_too_and_the_log_says_so() {
    let world = world().with("webhook_secret_previous", OTHER);
    let reply = knock(&world, &[("x-webhook-secret", OTHER)]);
    assert_eq!(reply.log_json()["auth"], "x-webhook-secret, previous secret");
    let reply = knock(&world, &[("x-webhook-secret", SECRET)]);
    assert_eq!(reply.log_json()["auth"], "x-webhook-secret, current secret");
}

#[test]
fn a_source_with_a_secret_of_its_own_opens_to_no_other() {
    let world = world().with("secret_alertmanager", OTHER).with("webhook_secret_previous", "yet-another-secret-here");
    assert_eq!(knock(&world, &[("x-webhook-secret", OTHER)]).status, 400);
    assert_eq!(knock(&world, &[("x-webhook-secret", SECRET)]).status, 401);
    assert_eq!(knock(&world, &[("x-webhook-secret", "yet-another-secret-here")]).status, 401);
    let rotating = world.with("secret_alertmanager_previous", "the-one-before-of-its-own");
    assert_eq!(knock(&rotating, &[("x-webhook-secret", "the-one-before-of-its-own")]).status, 400);
}

#[test]
fn a_secret_that_is_none_closes_the_source() {
    let cases = [
        ("webhook_secret", "", "variable `webhook_secret` is not set"),
        ("webhook_secret", " \n", "variable `webhook_secret` is not set"),
        ("webhook_secret", "short", "variable `webhook_secret` is too short: 16 characters at least"),
        ("webhook_secret", "15-characters-x", "variable `webhook_secret` is too short: 16 characters at least"),
        ("webhook_secret", "changeme", "variable `webhook_secret` holds a placeholder: choose a random secret"),
        (
            "webhook_secret",
            "Change-Me-Please!",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        (
            "webhook_secret",
            "xxxx-xxxx-xxxx-xxxx",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        ("webhook_secret", "****************", "variable `webhook_secret` holds a placeholder: choose a random secret"),
        (
            "webhook_secret",
            "<your-secret-here>",
            "variable `webhook_secret` holds a placeholder: choose a random secret",
        ),
        ("webhook_secret", ROUTING_KEY, "variable `webhook_secret` holds a routing key: choose a random secret"),
        ("secret_alertmanager", "short", "variable `secret_alertmanager` is too short: 16 characters at least"),
        ("webhook_secret_previous", "short", "variable `webhook_secret_previous` is too short: 16 characters at least"),
    ];
    for (name, value, detail) in cases {
        // What is offered is what is set: it would match if the source were open.
        let reply = knock(&world().with(name, value), &[("x-webhook-secret", value.trim())]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{name} = {value:?}");
        assert_eq!(reply.log_json()["error"], detail);
    }
    let unset = knock(&world().without("webhook_secret"), &[("x-webhook-secret", "")]);
    assert_eq!(unset.status, 503);
}

#[test]
fn a_wrong_variable_is_named_to_a_known_sender_and_to_no_stranger() {
    let cases = [
        ("routing_key", "", "variable `routing_key` is not set"),
        (
            "routing_key",
            "u+AbCdEfGhIjKlMnOp12",
            "variable `routing_key` holds a rest api key: an integration key is needed",
        ),
        (
            "routing_key",
            "https://events.pagerduty.com/integration/a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6/enqueue",
            "variable `routing_key` holds a url: only the integration key is needed",
        ),
        ("routing_key", "a1b2", "variable `routing_key` is not a routing key: 32 letters and digits"),
        (
            "routing_key",
            "a1b2c3d4-5f6a7b8c9d0e1f2a3b4c5d6",
            "variable `routing_key` is not a routing key: 32 letters and digits",
        ),
        ("region", "apac", "variable `region` must be one of us, eu"),
        ("grouping", "team", "variable `grouping` must be one of alert, group"),
        ("events_url", "http://events.example/v2/enqueue", EVENTS_URL),
        ("events_url", "https://user@events.example/v2/enqueue", EVENTS_URL),
        ("events_url", "https://events.example", EVENTS_URL),
        ("events_url", "https://events.example/v2/enqueue?key=1", EVENTS_URL),
        ("events_url", "file:///etc/passwd", EVENTS_URL),
        ("events_url", "http://127.0.0.1.evil.example/v2/enqueue", EVENTS_URL),
    ];
    for (name, value, detail) in cases {
        let world = world().with(name, value);
        let reply = knock(&world, &[("x-webhook-secret", SECRET)]);
        assert_eq!((reply.status, reply.json()["detail"].clone()), (503, detail.into()), "{name} = {value:?}");
        assert_eq!(knock(&world, &[]).status, 401, "{name} = {value:?}");
    }
}

const EVENTS_URL: &str =
    "variable `events_url` must be an https url with a path and nothing after it, or http on loopback";

#[test]
fn a_routing_key_may_end_in_a_newline_and_keeps_its_case() {
    let world = world().with("routing_key", &format!("{ROUTING_KEY}\n"));
    assert_eq!(knock(&world, &[("x-webhook-secret", SECRET)]).status, 400);
}
