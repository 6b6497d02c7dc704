//! Secrets never leave the component: every variable contains a canary, the tests take every path through the
//! component, and no canary appears anywhere except where it belongs, in any common encoding.

use std::collections::BTreeSet;
use std::time::Duration;

use base64ct::{Base64, Base64Url, Encoding};
use pagerelay::auth::Scheme;
use pagerelay::sources::{SOURCES, Source, variables};
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::fixtures::{self, Fixture};
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::rest::{Rest, Token};
use pagerelay_e2e::runtime::{Call, Egress, Reply, World, relay};
use pagerelay_e2e::{evidence, run};
use serde_json::Value;

/// Every status that the status table and the sources can produce.
const STATUSES: [u16; 13] = [200, 202, 400, 401, 403, 404, 405, 409, 413, 415, 422, 502, 503];

/// The canaries, and the observations.
struct Aviary {
    pagerduty: PagerDuty,
    rest: Rest,
    world: World,
    /// Each value and its variable.
    canaries: Vec<(String, String)>,
    statuses: BTreeSet<u16>,
    requests: usize,
}

impl Aviary {
    async fn new() -> Aviary {
        let pagerduty = PagerDuty::start().await;
        let rest = Rest::start().await;
        let mut aviary = Aviary {
            world: World::default().with("events_url", &pagerduty.url()).with("api_url", &rest.url()),
            pagerduty,
            rest,
            canaries: Vec::new(),
            statuses: BTreeSet::new(),
            requests: 0,
        };
        let shared = ["webhook_secret", "webhook_secret_previous", "secret_act", "secret_check"];
        for name in shared.into_iter().chain(["secret_grafana", "secret_grafana_previous"]) {
            aviary.set(name, "", 40);
        }
        for source in SOURCES.iter().filter(|source| source.own_secret) {
            for end in ["", "_previous"] {
                aviary.set(&format!("secret_{}{end}", source.slug), "", 40);
                if source.api.is_some() {
                    aviary.set(&format!("secret_{}_web{end}", source.slug), "", 40);
                }
            }
        }
        aviary.set("sns_topics", "arn:aws:sns:eu-west-1:123456789012:", 20);
        for name in ["routing_key", "routing_key_previous", "routing_key_web", "custom_mine"] {
            aviary.set(name, "", 32);
        }
        aviary.set("api_token", "", 20);
        aviary.rest.token(aviary.secret("api_token"), Token::User("user"));
        aviary
    }

    /// Puts a fresh canary into a variable.
    fn set(&mut self, name: &str, around: &str, length: usize) {
        let canary = canary(length);
        self.world = self.world.clone().with(name, &format!("{around}{canary}"));
        self.canaries.push((canary, name.to_owned()));
    }

    fn secret(&self, name: &str) -> &str {
        &self.world.variables[name]
    }

    /// Sends a call through the component, and searches all its effects for canaries.
    async fn fly(&mut self, world: &World, call: Call, what: &str) -> Reply {
        let reply = relay(Flavour::Spin).call(world, call).await.expect("the component answers");
        self.statuses.insert(reply.status);
        self.requests += 1;
        let mut seen = format!("{:?}\n{}\n{}\n", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
        let own = world.variables.get("events_url").cloned().unwrap_or_default();
        for sent in &reply.sent {
            // A canary in the URL that the operator configured belongs there.
            let changes = own.replace("/enqueue", "/change/enqueue");
            let root = own.replace("v2/enqueue", "");
            let places = [&self.rest.url(), "https://api.opsgenie.com/v2/alerts"];
            let known =
                [&own, &changes, &root].contains(&&sent.url) || places.iter().any(|place| sent.url.starts_with(*place));
            assert!(known || !own.contains("127.0.0.1"), "{what}: {}", sent.url);
            seen += &sent.url;
        }
        for received in self.pagerduty.take_received() {
            seen += &format!("{:?}", received.headers);
            if received.bytes.is_empty() {
                continue;
            }
            let mut event = received.event.clone();
            let key = event.as_object_mut().and_then(|event| event.remove("routing_key"));
            let own =
                ["routing_key", "routing_key_previous", "routing_key_web"].map(|name| Value::from(self.secret(name)));
            assert!(key.is_some_and(|key| own.contains(&key)), "{what}: the routing key is where it belongs");
            seen += &event.to_string();
        }
        for mut received in self.rest.take_received() {
            let token = received.headers.remove("authorization").expect("a token");
            assert_eq!(token, format!("Token token={}", self.secret("api_token")), "{what}: it is where it belongs");
            seen += &format!("{received:?}");
        }
        // The secrets of some vectors are too short to search for.
        for (canary, name) in self.canaries.iter().filter(|(canary, _)| canary.len() >= 9 && canary.is_ascii()) {
            for shape in shapes(canary) {
                assert!(!seen.contains(&shape), "{what}: {name} shows as {shape} in {seen}");
            }
        }
        reply
    }
}

/// The variable with the secret of a source, in [`Aviary`].
fn own_secret(source: &Source) -> String {
    match source.slug {
        slug if slug == "grafana" || source.own_secret => format!("secret_{slug}"),
        _ => "webhook_secret".to_owned(),
    }
}

/// Requests of a fixture whose only credential is a key in the body: to the paths of its API below the source, below a
/// service, at the root and in a preview, with this key in each member that can be one.
fn with_key_in_body(fixture: &Fixture, key: &str) -> Vec<Call> {
    let slug = fixture.source.slug;
    let mut paths = [format!("/{slug}"), format!("/{slug}/web"), format!("/preview/{slug}")]
        .map(|path| fixtures::path_below(&path, fixture.source, &fixture.headers))
        .to_vec();
    paths.extend(fixtures::pseudo(&fixture.headers, ":path").map(|path| format!("/{path}")));
    let members = fixture.source.schemes.iter().filter_map(|scheme| match scheme {
        Scheme::Member(name) => Some(*name),
        _ => None,
    });
    let mut calls = Vec::new();
    for member in members {
        let body = match serde_json::from_slice(&fixture.body) {
            Ok(Value::Object(mut members)) => {
                members.insert(member.to_owned(), key.into());
                Value::Object(members).to_string()
            }
            _ => format!(r#"[{{"{member}": "{key}"}}] {key}"#),
        };
        calls.extend(paths.iter().map(|path| Call::stranger("POST", path, body.clone())));
    }
    calls
}

/// A unique value of letters and digits, so that it is valid as a secret and as a routing key.
fn canary(length: usize) -> String {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut text = String::from("Q");
    while text.len() < length {
        // The standard library's only source of randomness.
        text += &format!("{:x}", RandomState::new().build_hasher().finish());
    }
    text.truncate(length);
    text
}

/// The encodings of a canary. Base64 has three alignments; of each, the part that does not depend on its neighbours.
fn shapes(canary: &str) -> Vec<String> {
    let hex = pagerelay::text::hex(canary.as_bytes());
    let percent: String = canary.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut shapes = vec![canary.to_owned(), canary.to_lowercase(), hex.to_uppercase(), hex, percent];
    for pad in 0..3 {
        let shifted = format!("{}{canary}", &"xx"[..pad]);
        for encoded in [Base64::encode_string(shifted.as_bytes()), Base64Url::encode_string(shifted.as_bytes())] {
            shapes.push(encoded[4..encoded.len() - 4].to_owned());
        }
    }
    shapes
}

fn post(path: &str, secret: &str, body: impl Into<bytes::Bytes>) -> Call {
    Call::stranger("POST", path, body).header("authorization", &format!("Bearer {secret}"))
}

#[test]
fn no_canary_is_seen_on_any_path() {
    run(async {
        let mut aviary = Aviary::new().await;
        let world = aviary.world.clone();
        let strict = world.clone().with("unmapped", "reject");

        // Every fixture: with the current and the previous secret, with a routing key as the secret, without a secret.
        let mut by_key = 0;
        for fixture in fixtures::of_each_kind() {
            let slug = fixture.source.slug;
            let own = own_secret(fixture.source);
            let own = own.as_str();
            let previous = format!("{own}_previous");
            if fixture.source.api.is_some() {
                let services = format!("services_{slug}");
                let of_service = [format!("secret_{slug}_web"), format!("secret_{slug}_web_previous")];
                for secret in [own, &previous, &of_service[0], &of_service[1], "routing_key", "api_token"] {
                    // Every second call with errors instead of fallback alerts.
                    let worlds = [&world, &strict].into_iter().cycle();
                    for (call, world) in with_key_in_body(&fixture, aviary.secret(secret)).into_iter().zip(worlds) {
                        let listed = world.clone().with(&services, "default, web");
                        // Beside a right header, any key may be in the body.
                        if !secret.starts_with("secret_") {
                            let known = call.clone().header("x-webhook-secret", aviary.secret(own));
                            aviary.fly(&listed, known, &fixture.name()).await;
                        }
                        let reply = aviary.fly(&listed, call, &fixture.name()).await;
                        by_key += usize::from(reply.status < 300);
                    }
                }
            }
            for secret in [own, &previous, "routing_key", "api_token"] {
                // The second time with another routing key, and with errors instead of fallback alerts.
                let paths = [format!("/{}", fixture.source.slug), format!("/{}/web", fixture.source.slug)];
                for (path, world) in paths.into_iter().zip([&world, &strict]) {
                    let call = Call::fixture(&fixture, &path, aviary.secret(secret));
                    aviary.fly(world, call, &fixture.name()).await;
                }
            }
            // A preview shows its sender the payload and the events, but no key. A template, whatever its variable
            // contains, is never shown to senders that are not authenticated.
            let paths = [format!("/preview/{}", fixture.source.slug), format!("/preview/{}/web", fixture.source.slug)];
            for path in paths.iter().map(String::as_str).chain(["/custom/mine", "/preview/custom/mine/web"]) {
                for secret in [own, "routing_key"] {
                    let call = Call::fixture(&fixture, path, aviary.secret(secret));
                    aviary.fly(&world, call, &fixture.name()).await;
                }
            }
        }

        assert!(by_key > 100, "{by_key} requests were authenticated by the key in their body");

        // The headers of every vector, with canaries as secrets.
        let mut let_in = 0;
        let table: Value =
            serde_json::from_str(include_str!("../../../vectors/auth.json")).expect("the vectors are json");
        for case in table["cases"].as_array().expect("a list") {
            let body = Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64");
            let query = case["target"].as_str().and_then(|target| target.split_once('?')).unwrap_or_default().1;
            // With the vector's own secret too, so that valid requests are accepted.
            let own = case["secret"].as_str().expect("text").to_owned();
            let secrets = [aviary.secret("webhook_secret").to_owned(), own];
            for (path, secret) in [("/grafana", &secrets[0]), ("/events", &secrets[0]), ("/grafana", &secrets[1])] {
                let mut call = Call::stranger("POST", &format!("{path}?{query}"), body.clone());
                let world = world.clone().with("query_token", "on");
                let world = if *secret == secrets[1] { world.with("secret_grafana", secret) } else { world };
                for pair in case["headers"].as_array().expect("a list") {
                    let (name, value) = (pair[0].as_str().expect("text"), pair[1].as_str().expect("text"));
                    if !value.contains('\t') {
                        call = call.header(name, value);
                    }
                }
                aviary.canaries.push((secret.clone(), "the vector's secret".to_owned()));
                let reply = aviary.fly(&world, call, case["name"].as_str().expect("text")).await;
                let _ = aviary.canaries.pop();
                let_in += usize::from(reply.json()["auth"].is_string());
            }
        }
        assert!(let_in > 20, "{let_in} vectors were let in");
        let secret = aviary.secret("webhook_secret").to_owned();
        for header in ["x-webhook-secret", "x-grafana-alerting-signature", "cookie", "webhook-signature", "user-agent"]
        {
            for path in [format!("/events?token={secret}"), format!("/{secret}")] {
                let call = Call::stranger("POST", &path, "{}").header(header, &secret);
                aviary.fly(&world, call, header).await;
            }
        }
        let misplaced = format!("/events/{}", secret.to_lowercase());
        aviary.fly(&world, Call::stranger("POST", &misplaced, "{}"), "a secret for a service").await;

        // Templates with a canary in every position that an error can name.
        let hidden = aviary.secret("custom_mine").to_owned();
        let templates = [
            format!(r#"{{"{hidden}": 1}}"#),
            format!(r#"{{"event": {{"{hidden}": 1}}}}"#),
            format!(r#"{{"event_action": "{hidden}"}}"#),
            format!(r#"{{"event_action": "trigger", "auth": {{"scheme": "{hidden}"}}}}"#),
            format!(r#"{{"event_action": "trigger", "auth": {{"{hidden}": "x"}}}}"#),
            format!(r#"{{"event_action": "trigger", "dedup_key": "{{{{ {hidden} }}}}"}}"#),
        ];
        for template in templates {
            let world = world.clone().with("custom_mine", &template);
            let call = Call::stranger("POST", "/custom/mine", "{}");
            let reply = aviary.fly(&world, call, &template).await;
            assert!(matches!(reply.status, 401 | 503), "{template}: {}", reply.status);
        }

        // Every other error: routes, sizes, PagerDuty's rejections, the network's failures, the store's failures.
        let own = aviary.secret("secret_events").to_owned();
        let trigger = include_str!("../../../fixtures/events/01-firing-trigger.json");
        for (method, path) in
            [("GET", "/health"), ("POST", "/health"), ("GET", "/events"), ("POST", "/"), ("BREW", "/x")]
        {
            aviary.fly(&world, Call::stranger(method, path, ""), path).await;
        }
        aviary.fly(&world, post("/events", &own, vec![b' '; 1_100_000]), "a large body").await;
        // A fallback alert shows the payload, without the secrets that the sender was given.
        let all: Vec<String> = aviary.canaries.iter().map(|(canary, _)| canary.clone()).collect();
        aviary.fly(&world, post("/events", &own, all.join(" ")), "secrets for a payload").await;
        let key = aviary.secret("routing_key").to_owned();
        let storm: Vec<Value> = (0..300).map(|i| serde_json::json!({"fingerprint": i.to_string()})).collect();
        let storm = serde_json::json!({"groupKey": "g", "alerts": storm}).to_string();
        aviary.fly(&world, post("/alertmanager", &secret, storm), "a storm").await;
        let answers = [
            Answer::say(400, &format!("Invalid routing key {key}")),
            Answer::say(400, &format!(r#"{{"message":"no {key}","errors":["{key}","routing_key {key}{key}"]}}"#)),
            Answer::say(413, &key),
            Answer::say(404, &key),
            Answer::With(429, "retry-after: 3000"),
            Answer::say(429, ""),
            Answer::say(500, &format!("<html>{key}</html>")),
            Answer::say(302, ""),
            Answer::Close,
            Answer::Say(202, key.clone(), Duration::from_millis(1)),
        ];
        for answer in answers {
            let what = format!("{answer:?}");
            aviary.pagerduty.fault(None, answer);
            aviary.fly(&world, post("/events", &own, trigger), &what).await;
            aviary.pagerduty.recover();
        }
        let mut denied = world.clone();
        denied.egress = Egress::Denied;
        aviary.fly(&denied, post("/events", &own, trigger), "egress").await;
        for name in ["webhook_secret", "secret_events", "routing_key", "region", "query_token", "events_url"] {
            let mut broken = world.clone();
            broken.broken.insert(name.to_owned());
            aviary.fly(&broken, post("/events", &own, trigger), name).await;
        }

        // The check and act endpoints, with an API that repeats everything it receives.
        let acts = r#"{"action": "acknowledge", "dedup_key": "k", "from": "ada@shop.example", "note": "n"}"#;
        let all = aviary.canaries.iter().map(|(canary, _)| canary.clone()).collect::<Vec<String>>().join(" ");
        let echo = [400, 401, 403, 404, 500]
            .map(|status| (status, "", format!(r#"{{"error":"{key} {}"}}"#, aviary.secret("api_token"))));
        let acting = aviary.secret("secret_act").to_owned();
        let checking = aviary.secret("secret_check").to_owned();
        let cross = post("/act", &acting, acts).header("sec-fetch-site", "cross-site");
        aviary.fly(&world, cross, "another site").await;
        let call =
            Call { headers: vec![("x-webhook-secret".to_owned(), acting.clone().into())], ..post("/act", "", acts) };
        aviary.fly(&world, call, "a body of no type").await;
        aviary.fly(&world, post("/act", &secret, acts), "a vendor's secret").await;
        for n in ["1", "2"] {
            for path in ["/act", "/act/web", "/act/data"] {
                aviary.fly(&world, post(path, &acting, acts), path).await;
            }
            aviary.rest.incident(n, "triggered", "k", "s");
        }
        aviary.fly(&world, post("/act", &acting, acts), "two incidents").await;
        aviary.fly(&world, post("/act", &acting, all.clone()), "secrets for an action").await;
        for answer in echo {
            aviary.rest.fault("", answer);
            aviary.fly(&world, post("/act", &acting, acts), "an echo").await;
            let names = format!("/check?deep=1&service=web,{key}&mapping={acting}");
            let call = Call { method: "GET", ..post(&names, &checking, "") };
            aviary.fly(&world, call, "the doctor, with an echo").await;
            aviary.rest.recover();
        }
        aviary.pagerduty.fault(None, Answer::say(400, &format!("Invalid {key}")));
        let call =
            |accept: &str| Call { method: "GET", ..post("/check?deep=1", &checking, "").header("accept", accept) };
        aviary.fly(&world, call("text/plain"), "the doctor").await;
        aviary.pagerduty.recover();
        for name in variables().into_iter().map(|variable| variable.name).filter(|name| !name.starts_with("webhook")) {
            let canary = canary(24);
            let wrong = world.clone().with(name, &canary);
            aviary.canaries.push((canary, name.to_owned()));
            aviary.fly(&wrong, call("*/*"), name).await;
        }

        // Every variable with an invalid value that is also a canary.
        let wrong = [
            ("region", "", 12),
            ("grouping", "", 12),
            ("query_token", "", 12),
            ("unmapped", "", 12),
            ("require_signature_events", "", 12),
            ("services_events", "", 12),
            ("services_events", "web,", 12),
            ("secret_events", "", 12),
            ("secret_events", "changeme", 20),
            ("events_url", "http://events.test/", 12),
            ("events_url", "https://user@127.0.0.1/", 12),
            ("webhook_secret", "", 12),
            ("webhook_secret", "changeme", 20),
            ("webhook_secret", "whsec_!", 20),
            ("webhook_secret", "whpk_", 20),
            ("webhook_secret", "", 32),
            ("webhook_secret_previous", "", 9),
            ("routing_key", "", 20),
            ("routing_key", "https://", 30),
            ("routing_key", "", 31),
        ];
        for (name, around, length) in wrong {
            let canary = canary(length);
            let value = format!("{around}{canary}");
            aviary.canaries.push((canary, name.to_owned()));
            let (path, secret) = if name.starts_with("webhook") { ("/formatted", &secret) } else { ("/events", &own) };
            let call = post(path, if name.contains("secret") { &value } else { secret }, trigger);
            let reply = aviary.fly(&world.clone().with(name, &value), call, name).await;
            assert!(matches!(reply.status, 401 | 503), "{name}: {}", reply.status);
        }

        assert_eq!(aviary.statuses, BTreeSet::from(STATUSES), "every status was seen");
        let (requests, statuses) = (aviary.requests, STATUSES.len());
        evidence(&format!("canary: {requests} requests, {statuses} statuses, no secret seen"));
        for variable in variables() {
            let had = aviary.canaries.iter().any(|(_, name)| name == variable.name);
            assert!(had, "{} had no canary", variable.name);
        }
    });
}

/// The same variables, as members of `settings`. The URLs of the mock servers stay, because `Aviary::fly` reads them.
fn bundle(world: &World) -> (String, World) {
    let (mut members, mut rest) = (serde_json::Map::new(), World::default());
    for (name, value) in &world.variables {
        if name.ends_with("_url") {
            rest = rest.with(name, value);
        } else {
            members.insert(name.clone(), Value::from(value.as_str()));
        }
    }
    (Value::Object(members).to_string(), rest)
}

#[test]
fn a_copy_for_opsgenie_contains_only_the_key_of_opsgenie() {
    run(async {
        let mut aviary = Aviary::new().await;
        aviary.set("opsgenie_copy_key", "", 36);
        let opsgenie = PagerDuty::start().await;
        let mut world = aviary.world.clone();
        let pagerduty = aviary.pagerduty.address();
        let hosts = [(pagerduty.to_string(), pagerduty), ("api.opsgenie.com".to_owned(), opsgenie.address())];
        world.egress = Egress::Hosts(hosts.map(|(host, address)| (host, Ok(address))).into());
        let source = pagerelay::sources::find("opsgenie").expect("a source");
        let mut copies = 0;
        for fixture in fixtures::of(source) {
            let mut calls = with_key_in_body(&fixture, aviary.secret("secret_opsgenie"));
            calls.push(Call::fixture(&fixture, "/opsgenie/web", aviary.secret("secret_opsgenie_previous")));
            for call in calls {
                aviary.fly(&world, call, &fixture.name()).await;
                for mut received in opsgenie.take_received() {
                    let key = received.headers.remove("authorization").expect("a key");
                    assert_eq!(key, format!("GenieKey {}", aviary.secret("opsgenie_copy_key")), "{}", fixture.name());
                    let seen = format!(
                        "{} {:?} {}",
                        received.path,
                        received.headers,
                        String::from_utf8_lossy(&received.bytes)
                    );
                    for (canary, name) in &aviary.canaries {
                        assert!(shapes(canary).iter().all(|shape| !seen.contains(shape)), "{name} shows in {seen}");
                    }
                    copies += 1;
                }
            }
        }
        assert!(copies > 50, "{copies} copies");
    });
}

#[test]
fn no_canary_in_settings_is_seen() {
    run(async {
        let mut aviary = Aviary::new().await;
        let plain = aviary.world.clone();
        let (settings, rest) = bundle(&plain);
        let world = rest.clone().with("settings", &settings);
        let encoded = rest.clone().with("settings", &Base64::encode_string(settings.as_bytes()));

        let mut accepted = 0;
        for fixture in fixtures::all() {
            let own = own_secret(fixture.source);
            let own = own.as_str();
            let slug = fixture.source.slug;
            for secret in [own, "routing_key"] {
                for (path, world) in [
                    (format!("/{slug}"), &world),
                    (format!("/{slug}/web"), &encoded),
                    (format!("/preview/{slug}"), &world),
                    ("/custom/mine".to_owned(), &encoded),
                ] {
                    let call = Call::fixture(&fixture, &path, aviary.secret(secret));
                    let reply = aviary.fly(world, call, &fixture.name()).await;
                    accepted += usize::from(reply.json()["auth"].is_string());
                }
            }
        }
        assert!(accepted > 50, "{accepted} deliveries were authenticated by a member");

        let key = aviary.secret("routing_key").to_owned();
        let secret = aviary.secret("webhook_secret").to_owned();
        let acting = aviary.secret("secret_act").to_owned();
        let checking = aviary.secret("secret_check").to_owned();
        let trigger = include_str!("../../../fixtures/events/01-firing-trigger.json");
        let acts = r#"{"action": "acknowledge", "dedup_key": "k", "from": "ada@shop.example", "note": "n"}"#;
        aviary.rest.incident("1", "triggered", "k", "s");
        let control = [
            post("/act", &acting, acts),
            post("/act/web", &acting, acts),
            post("/act", &secret, acts),
            Call { method: "GET", ..post("/check?deep=1", &checking, "") },
            Call { method: "GET", ..post("/check?deep=1", &secret, "").header("accept", "text/plain") },
        ];
        for call in &control {
            for world in [&world, &encoded] {
                aviary.fly(world, call.clone(), &call.path).await;
            }
        }

        // Invalid settings, alone and beside valid variables. In some, a canary is the name of a member.
        let cut = settings.strip_suffix('}').expect("an object").to_owned();
        let invalid = [
            cut.clone(),
            Base64::encode_string(cut.as_bytes()),
            format!("{settings} {key}"),
            format!("[{settings}]"),
            format!(r#"{{"{secret}": 1, "{secret}": 2}}"#),
            format!(r#"{{"{secret}": {key}}}"#),
            format!(r#"{{"{secret}": "{key}", "secret_{key}": "{secret}", "routing_key_{key}": "{key}"}}"#),
            key.clone(),
        ];
        for (invalid, base) in invalid.iter().flat_map(|invalid| [(invalid, &rest), (invalid, &plain)]) {
            // `check` names the members that the relay never reads, to the operator only.
            let shown = invalid.starts_with(&format!(r#"{{"{secret}": "{key}""#));
            let world = base.clone().with("settings", invalid);
            for path in ["/events", "/formatted", "/grafana/web", "/custom/mine", "/preview/formatted"] {
                for secret in [&secret, &key] {
                    aviary.fly(&world, post(path, secret, trigger), path).await;
                }
            }
            for call in control.iter().filter(|_| !shown) {
                aviary.fly(&world, call.clone(), &call.path).await;
            }
        }
    });
}

#[test]
fn a_canary_would_be_seen() {
    let canary = canary(40);
    let percent = shapes(&canary)[4].clone();
    let leaks = [
        format!("key={canary};"),
        format!("key={percent};"),
        pagerelay::text::hex(format!("a{canary}").as_bytes()),
        Base64::encode_string(format!("user:{canary}").as_bytes()),
        Base64::encode_string(format!("user2:{canary}").as_bytes()),
        Base64::encode_string(format!("user12:{canary}").as_bytes()),
    ];
    for leak in leaks {
        assert!(shapes(&canary).iter().any(|shape| leak.contains(shape)), "{leak}");
    }
}
