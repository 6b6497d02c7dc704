//! The check endpoint finds problems of a setup, names the variable to change, pages nobody and shows no secret.

use std::collections::BTreeSet;
use std::time::Duration;

use pagerelay::auth::Scheme;
use pagerelay::sources::{SOURCES, Source};
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::rest::{Rest, TOKEN, Token};
use pagerelay_e2e::runtime::{Call, Egress, Reply, Trouble, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SECRET, SERVICE_KEY, run};
use serde_json::{Value, json};

/// The secret of the check endpoint, for setups with an invalid `webhook_secret`.
const CHECK_SECRET: &str = "the-doctor-opens-with-this-51c9";

/// A third routing key.
const WEB_KEY: &str = "w0pageRelayTestKey0000000000000u";

/// PagerDuty in both regions.
struct Lab {
    us: PagerDuty,
    eu: PagerDuty,
    api_us: Rest,
    api_eu: Rest,
}

impl Lab {
    async fn new() -> Lab {
        let lab = Lab {
            us: PagerDuty::start().await,
            eu: PagerDuty::start().await,
            api_us: Rest::start().await,
            api_eu: Rest::start().await,
        };
        lab.api_us.service("PSHOP00", "Shop", "active", &["x", SERVICE_KEY]);
        lab.api_us.service("PWEB000", "Web", "active", &[WEB_KEY]);
        lab
    }

    /// A valid setup.
    fn world(&self) -> World {
        let hosts = [
            ("events.pagerduty.com", self.us.address()),
            ("events.eu.pagerduty.com", self.eu.address()),
            ("api.pagerduty.com", self.api_us.address()),
            ("api.eu.pagerduty.com", self.api_eu.address()),
        ];
        let mut world = World::default()
            .with("webhook_secret", SECRET)
            .with("secret_check", CHECK_SECRET)
            .with("secret_act", "acting-needs-its-own-secret-4c1e")
            .with("routing_key", SERVICE_KEY)
            .with("api_token", TOKEN);
        world.egress = Egress::Hosts(hosts.map(|(host, address)| (host.to_owned(), Ok(address))).into());
        world
    }

    /// Calls the check endpoint, and verifies its side effects and its reply.
    async fn check(&self, name: &str, world: &World, query: &str, accept: &str) -> Reply {
        let secret = world.variables.get("secret_check").map_or(SECRET, String::as_str);
        let call = Call { method: "GET", path: format!("/check{query}"), headers: Vec::new(), body: "".into() };
        let call = call.header("authorization", &format!("Bearer {secret}")).header("accept", accept);
        let reply = relay(Flavour::Spin).call(world, call).await.expect("the component answers");

        let secrets = |begin: &[&str]| {
            let named = world.variables.iter().filter(|(name, _)| begin.iter().any(|begin| name.starts_with(begin)));
            named.map(|(_, value)| value.clone()).filter(|value| value.len() > 8).collect::<Vec<String>>()
        };
        let told = format!("{:?} {} {}", reply.headers, String::from_utf8_lossy(&reply.body), reply.log);
        for secret in secrets(&["secret_", "webhook_secret", "routing_key", "api_token"]) {
            assert!(!told.contains(&secret), "{name}: {secret} shows in {told}");
        }
        let mut keys = BTreeSet::new();
        for double in [&self.us, &self.eu] {
            assert!(double.alerts().is_empty() && double.changes().is_empty(), "{name}: nobody was paged");
            for received in double.take_received() {
                let seen =
                    format!("{} {:?} {}", received.path, received.headers, String::from_utf8_lossy(&received.bytes));
                for secret in secrets(&["secret_", "webhook_secret", "api_token"]) {
                    assert!(!seen.contains(&secret), "{name}: {secret} went to the events api: {seen}");
                }
                assert!(!received.headers.contains_key("authorization"), "{name}: {seen}");
                if received.bytes.is_empty() {
                    assert_eq!(received.path, "/", "{name}");
                    continue;
                }
                assert_eq!(received.event["event_action"], "resolve", "{name}");
                let key = received.event["dedup_key"].as_str().expect("a key");
                assert!(key.starts_with("pagerelay:check:") && key.len() == 80, "{name}: {key}");
                assert_eq!(received.event.as_object().expect("an object").len(), 3, "{name}: {seen}");
                keys.insert((received.event["routing_key"].clone().to_string(), key.to_owned()));
            }
        }
        assert_eq!(keys.iter().map(|(_, key)| key).collect::<BTreeSet<_>>().len(), keys.len(), "{name}: one each");
        for double in [&self.api_us, &self.api_eu] {
            for received in double.take_received() {
                let seen = format!("{} {:?} {:?}", received.target, received.headers, received.body);
                for secret in secrets(&["secret_", "webhook_secret", "routing_key"]) {
                    assert!(!seen.contains(&secret), "{name}: {secret} went to the rest api: {seen}");
                }
                assert_eq!(received.method, "GET", "{name}: it changes nothing");
                assert_eq!(received.headers["authorization"], format!("Token token={}", world.variables["api_token"]));
            }
        }
        let mut asked = reply.asked.clone();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(asked.len(), reply.asked.len(), "{name}: each variable is read once: {:?}", reply.asked);
        reply
    }
}

/// The findings other than `ok`, as `level what`, without the notes that a setup with only `webhook_secret` has.
fn findings(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let list = body["findings"].as_array().cloned().unwrap_or_else(|| panic!("{body}"));
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let usual = |finding: &Value| {
        finding["level"] == "note"
            && (finding["check"] == "senders"
                || text(&finding["what"]).contains("because `webhook_secret` is not accepted for this path; closed:"))
    };
    let shown = list.iter().filter(|finding| finding["level"] != "ok" && !usual(finding));
    shown.map(|finding| format!("{} {}", text(&finding["level"]), text(&finding["what"]))).collect()
}

/// A setup with a problem, and the expected findings.
struct Case {
    name: &'static str,
    query: &'static str,
    change: fn(&Lab, World) -> World,
    says: &'static [&'static str],
    status: u16,
}

/// The paths of the sources for which this holds, as a finding lists them.
fn paths(test: impl Fn(&Source) -> bool) -> String {
    let paths: Vec<String> =
        SOURCES.iter().filter(|source| test(source)).map(|source| format!("/{}", source.slug)).collect();
    paths.join(", ")
}

/// The end of a finding that concerns every source that accepts the shared secret.
fn closed() -> String {
    format!("closed: {}", paths(|source| !source.own_secret))
}

const UNLISTED: &str = "note the variable store did not list its variables (one may have no value); name services and templates with ?service= and ?mapping=";

const NAMELESS: &str = "warning ?service= or ?mapping= contains an invalid name or more than 50 names";

fn with_host(mut world: World, host: &str, answer: Option<Trouble>) -> World {
    if let Egress::Hosts(hosts) = &mut world.egress {
        hosts.retain(|(known, _)| known != host);
        hosts.extend(answer.map(|trouble| (host.to_owned(), Err(trouble))));
    }
    world
}

const CASES: &[Case] = &[
    Case { name: "nothing", query: "", change: |_, world| world, says: &[], status: 200 },
    Case { name: "nothing, asked in depth", query: "?deep=1", change: |_, world| world, says: &[], status: 200 },
    Case { name: "no token", query: "?deep=1", change: |_, world| world.without("api_token"), says: &[], status: 200 },
    Case {
        name: "no webhook secret",
        query: "",
        change: |_, world| world.without("webhook_secret"),
        says: &["error variable `webhook_secret` is not set; CLOSED"],
        status: 503,
    },
    Case {
        name: "no webhook secret, and one source with its own",
        query: "",
        change: |_, world| world.without("webhook_secret").with("secret_alertmanager", SECRET),
        says: &["note variable `webhook_secret` is not set; CLOSED but /alertmanager"],
        status: 200,
    },
    Case {
        name: "no webhook secret, and a mapping with its own",
        query: "",
        change: |_, world| {
            let world = world.without("webhook_secret").with("custom_mine", r#"{"event_action": "trigger"}"#);
            world.with("secret_custom_mine", SECRET)
        },
        says: &["note variable `webhook_secret` is not set; CLOSED"],
        status: 200,
    },
    Case {
        name: "no webhook secret, and a mapping that is closed too",
        query: "",
        change: |_, world| world.without("webhook_secret").with("custom_mine", r#"{"event_action": "trigger"}"#),
        says: &["error variable `webhook_secret` is not set", "error variable `webhook_secret` is not set; CLOSED"],
        status: 503,
    },
    Case {
        name: "a token, and nothing that opens what needs it",
        query: "",
        change: |_, world| world.without("secret_act"),
        says: &[
            "note /act is disabled: variable `secret_act` is not set; set it, because `webhook_secret` is not accepted for this path",
        ],
        status: 200,
    },
    Case {
        name: "a short secret for acting",
        query: "",
        change: |_, world| world.with("secret_act", "short-s3cret"),
        says: &["warning /act is disabled: variable `secret_act` is too short; use at least 16 characters"],
        status: 200,
    },
    Case {
        name: "a short secret",
        query: "",
        change: |_, world| world.with("webhook_secret", "short-s3cret"),
        says: &["error variable `webhook_secret` is too short; use at least 16 characters; CLOSED"],
        status: 503,
    },
    Case {
        name: "a placeholder",
        query: "",
        change: |_, world| world.with("secret_grafana", "changeme-changeme-changeme"),
        says: &["error variable `secret_grafana` holds a placeholder; set a random secret; closed: /grafana"],
        status: 503,
    },
    Case {
        name: "a routing key for a secret",
        query: "",
        change: |_, world| world.with("secret_grafana", ROUTING_KEY),
        says: &[
            "error variable `secret_grafana` looks like a routing key (32 letters and digits); choose a longer secret; closed: /grafana",
        ],
        status: 503,
    },
    Case {
        name: "a bad previous secret",
        query: "",
        change: |_, world| {
            world.with("secret_grafana", "one-of-its-own-for-it-7a").with("secret_grafana_previous", "old")
        },
        says: &["error variable `secret_grafana_previous` is too short; use at least 16 characters; closed: /grafana"],
        status: 503,
    },
    Case {
        name: "no routing key",
        query: "?deep=1",
        change: |_, world| world.without("routing_key"),
        says: &["error variable `routing_key` is not set; /<source> cannot page anyone"],
        status: 503,
    },
    Case {
        name: "a routing key for a service only",
        query: "?deep=1",
        change: |_, world| world.without("routing_key").with("routing_key_web", WEB_KEY),
        says: &["note variable `routing_key` is not set; /<source> cannot page anyone"],
        status: 200,
    },
    Case {
        name: "a service without its key",
        query: "?service=data_platform",
        change: |_, world| world,
        says: &["note variable `routing_key_data_platform` is not set; /<source>/data_platform cannot page anyone"],
        status: 200,
    },
    Case {
        name: "a rest key for a routing key",
        query: "",
        change: |_, world| world.with("routing_key", "u+AnotherRestToken00"),
        says: &["error variable `routing_key` holds a REST API key; use an integration key"],
        status: 503,
    },
    Case {
        name: "a url for a routing key",
        query: "",
        change: |_, world| world.with("routing_key", "https://events.pagerduty.com/integration/x/enqueue"),
        says: &["error variable `routing_key` holds a URL; use the integration key alone"],
        status: 503,
    },
    Case {
        name: "token and routing key swapped",
        query: "?deep=1",
        change: |_, world| world.with("routing_key", TOKEN).with("api_token", SERVICE_KEY),
        says: &[
            "error variable `routing_key` holds a REST API key; use an integration key",
            "warning variable `api_token` looks like a routing key; use a user API key here and put routing keys into their own variables",
        ],
        status: 503,
    },
    Case {
        name: "the other region",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.revoke(SERVICE_KEY);
            world
        },
        says: &["error the key in variable `routing_key` belongs to the other region; set variable `region` to eu"],
        status: 503,
    },
    Case {
        name: "the other region, which nothing is let out to",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.revoke(SERVICE_KEY);
            with_host(world, "events.eu.pagerduty.com", None)
        },
        says: &[
            "error PagerDuty does not know the key in variable `routing_key`; it was deleted or is not an integration key",
        ],
        status: 503,
    },
    Case {
        name: "a revoked key",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.revoke(WEB_KEY);
            lab.eu.revoke(WEB_KEY);
            world.with("routing_key_web", WEB_KEY)
        },
        says: &[
            "error PagerDuty does not know the key in variable `routing_key_web`; it was deleted or is not an integration key",
        ],
        status: 503,
    },
    Case {
        name: "a revoked previous key",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.revoke(WEB_KEY);
            lab.eu.revoke(WEB_KEY);
            world.with("routing_key_previous", WEB_KEY)
        },
        says: &[
            "warning PagerDuty does not know the key in variable `routing_key_previous`; it was deleted or is not an integration key",
        ],
        status: 200,
    },
    Case {
        name: "a malformed previous key",
        query: "",
        change: |_, world| world.with("routing_key_previous", "0123"),
        says: &["warning variable `routing_key_previous` is not a routing key (32 letters and digits)"],
        status: 200,
    },
    Case {
        name: "the same key twice",
        query: "",
        change: |_, world| world.with("routing_key_web", SERVICE_KEY),
        says: &["note variables `routing_key` and `routing_key_web` hold the same key"],
        status: 200,
    },
    Case {
        name: "the rate exceeded",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.minute(0);
            world
        },
        says: &["note PagerDuty is rate-limiting the key in variable `routing_key`; check again later"],
        status: 200,
    },
    Case {
        name: "pagerduty out of order",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.fault(None, Answer::say(500, "Oops"));
            world
        },
        says: &["warning PagerDuty did not say whether it accepts the key in variable `routing_key`: 500 Oops"],
        status: 200,
    },
    Case {
        name: "egress denied",
        query: "?deep=1",
        change: |_, world| with_host(world, "events.pagerduty.com", None),
        says: &[
            "error outbound requests to https://events.pagerduty.com are blocked: add \"https://events.pagerduty.com\" to allowed_outbound_hosts. On Spin, also check that every variable has a default: a single unresolvable variable blocks all outbound requests",
        ],
        status: 503,
    },
    Case {
        name: "a name that is not resolved",
        query: "?deep=1",
        change: |_, world| with_host(world, "events.pagerduty.com", Some(Trouble::Dns)),
        says: &[
            "error https://events.pagerduty.com cannot be reached (host name could not be resolved); check the network and variable `region`",
        ],
        status: 503,
    },
    Case {
        name: "tls trouble",
        query: "",
        change: |_, world| with_host(world, "events.pagerduty.com", Some(Trouble::Tls)),
        says: &[
            "error https://events.pagerduty.com cannot be reached (TLS failed); check the network and variable `region`",
        ],
        status: 503,
    },
    Case {
        name: "no connection",
        query: "",
        change: |_, world| with_host(world, "events.pagerduty.com", Some(Trouble::Connect)),
        says: &[
            "error https://events.pagerduty.com cannot be reached (connection failed); check the network and variable `region`",
        ],
        status: 503,
    },
    Case {
        name: "silence",
        query: "",
        change: |_, world| with_host(world, "events.pagerduty.com", Some(Trouble::Silence)),
        says: &[
            "error https://events.pagerduty.com cannot be reached (timed out); check the network and variable `region`",
        ],
        status: 503,
    },
    Case {
        name: "a bad region",
        query: "?deep=1",
        change: |_, world| world.with("region", "mars"),
        says: &["error variable `region` must be one of us, eu"],
        status: 503,
    },
    Case {
        name: "a bad grouping",
        query: "",
        change: |_, world| world.with("grouping", "all"),
        says: &["error variable `grouping` must be one of alert, group"],
        status: 503,
    },
    Case {
        name: "a bad choice for what cannot be mapped",
        query: "",
        change: |_, world| world.with("unmapped", "shrug"),
        says: &["error variable `unmapped` must be one of page, reject"],
        status: 503,
    },
    Case {
        name: "a topic that is none",
        query: "",
        change: |_, world| world.with("sns_topics", "alarms"),
        says: &["warning variable `sns_topics` contains a value that is not the ARN of an SNS topic"],
        status: 200,
    },
    Case {
        name: "a signature of who cannot sign",
        query: "",
        change: |_, world| world.with("require_signature_datadog", "on"),
        says: &[
            "error variable `require_signature_datadog` requires a signature that this source's senders cannot make; closed: /datadog",
        ],
        status: 503,
    },
    Case {
        name: "misspelt variables",
        query: "",
        change: |_, world| {
            let world = world.with("secret_githb", SECRET).with("require_signature_grafna", "on");
            let world = world.with("secret_x", SECRET).with("regoin", "eu").with("unmaped", "page");
            let world = world.with("webhook_secrets", SECRET).with("routing-key", WEB_KEY);
            let world = world.with("routing-key-web", WEB_KEY).with("routng_key_data", WEB_KEY);
            let world = world.with("require-signature-github", "on").with("secret-grafana", SECRET);
            // Variables of other programs.
            let world = world.with("customer_id", "7").with("route_table", "x").with("database_url", "x");
            world.with("log_level", "x").with("secret", "x").with("custom_", "x").with("secret_ac", SECRET)
        },
        says: &[
            "warning unknown variable `regoin`; did you mean `region`?",
            "warning unknown variable `require-signature-github`; did you mean `require_signature_github`?",
            "warning unknown variable `require_signature_grafna`: no such source; did you mean `require_signature_grafana`?",
            "warning unknown variable `routing-key`; did you mean `routing_key`?",
            "warning unknown variable `routing-key-web`; did you mean `routing_key_web`?",
            "warning unknown variable `routng_key_data`; did you mean `routing_key_data`?",
            "warning unknown variable `secret-grafana`; did you mean `secret_grafana`?",
            "warning unknown variable `secret_ac`: no such source; did you mean `secret_act`?",
            "warning unknown variable `secret_githb`: no such source; did you mean `secret_github`?",
            "warning unknown variable `secret_x`: no such source; GET /setup lists all sources",
            "warning unknown variable `unmaped`; did you mean `unmapped`?",
            "warning unknown variable `webhook_secrets`; did you mean `webhook_secret`?",
            "warning unknown variable `custom_`: service and template names are lower-case words joined by single underscores",
        ],
        status: 200,
    },
    Case {
        name: "variables of the user's own mappings",
        query: "",
        change: |_, world| {
            let world = world.with("custom_mine", r#"{"event_action": "trigger"}"#);
            let world = world
                .with("secret_custom_mine", "one-of-its-own-for-mine-2e")
                .with("secret_act", "acting-with-another-one-8d20");
            world.with("require_signature_custom_mine", "off").with("unrelated", "x").with("secrets", "x")
        },
        says: &[],
        status: 200,
    },
    Case {
        name: "declared and forgotten",
        query: "",
        change: |_, world| {
            // The variables of `spin.toml`, and two more.
            let world = world.with("webhook_secret_previous", "").with("routing_key_previous", "").with("region", "");
            let world = world.with("sns_topics", "").with("secret_grafana", "").with("routing_key_web_previous", "");
            world.with("custom_empty", "").with("routing_key_payments", "")
        },
        says: &[
            "warning variable `custom_empty` is not set; closed: /custom/empty",
            "warning variable `routing_key_payments` is not set; /<source>/payments cannot page anyone",
        ],
        status: 200,
    },
    Case {
        name: "declared and forgotten, the usual key",
        query: "",
        change: |_, world| world.with("routing_key", "").with("routing_key_web", WEB_KEY),
        says: &["note variable `routing_key` is not set; /<source> cannot page anyone"],
        status: 200,
    },
    Case {
        name: "named, where nothing is listed",
        query: "?service=web,%20data&mapping=mine,%20bad",
        change: |_, mut world| {
            world.broken.insert("unrelated".to_owned());
            let world = world.with("routing_key_web", WEB_KEY).with("routing_key_web_previous", "0123");
            world.with("custom_mine", r#"{"event_action": "trigger"}"#).with("custom_bad", "{")
        },
        says: &[
            UNLISTED,
            "error variable `custom_bad` is not json: line 1, column 1",
            "warning variable `routing_key_web_previous` is not a routing key (32 letters and digits)",
            "note variable `routing_key_data` is not set; /<source>/data cannot page anyone",
        ],
        status: 503,
    },
    Case {
        name: "names that are none",
        query: "?service=Acting-Needs,web&mapping=x%0a",
        change: |_, world| world.with("routing_key_web", WEB_KEY),
        says: &[NAMELESS, "warning variable `custom_x` is not set; closed: /custom/x"],
        status: 200,
    },
    Case {
        name: "too many names",
        query: "?service=a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,b",
        change: |_, world| world,
        says: &[NAMELESS, "note variable `routing_key_a` is not set; /<source>/a cannot page anyone"],
        status: 200,
    },
    Case {
        name: "mappings that do not work",
        query: "",
        change: |_, world| {
            let world = world.with("custom_a", r#"{"event_action": "{{ a + }}"}"#).with("custom_b", "{");
            let world = world.with("custom_c", "{}").with("custom_d", r#"{"event_action": "{{ x | shout }}"}"#);
            let world = world.with("custom_e", r#"{"event_action": "x", "auth": {"scheme": "magic"}}"#);
            let world = world.with("custom_f", r#"{"event_action": "x"}"#).with("secret_custom_f", "short");
            world.with("custom_G", "{}").with("secret_custom_h", SECRET)
        },
        says: &[
            "warning variable `secret_custom_h` has no effect: `custom_h` is not set",
            "warning unknown variable `custom_G`: service and template names are lower-case words joined by single underscores",
            "error variable `custom_a`, line 1, column 22: `a +`: cannot be parsed: unexpected end of variable block",
            "error variable `custom_b` is not json: line 1, column 1",
            "error variable `custom_c` has no `event_action`",
            "error variable `custom_d`, line 1, column 26: unknown filter `shout`",
            "error variable `custom_e`: `auth` has a `scheme` other than basic, bearer, header, hmac, query, sns, standard_webhooks",
            "error variable `secret_custom_f` is too short; use at least 16 characters",
        ],
        status: 503,
    },
    Case {
        name: "a bad service name",
        query: "",
        change: |_, world| world.with("routing_key_Payments", WEB_KEY),
        says: &[
            "warning unknown variable `routing_key_Payments`: service and template names are lower-case words joined by single underscores",
        ],
        status: 200,
    },
    Case {
        name: "a variable without a value",
        query: "?service=web",
        change: |_, mut world| {
            world.broken.insert("unrelated".to_owned());
            world.with("routing_key_web", WEB_KEY)
        },
        says: &[UNLISTED],
        status: 200,
    },
    Case {
        name: "the store down for a key",
        query: "",
        change: |_, mut world| {
            world.broken.insert("routing_key".to_owned());
            world
        },
        says: &[UNLISTED, "error variable `routing_key` could not be read: the variable store failed"],
        status: 503,
    },
    Case {
        name: "events_url left over",
        query: "",
        change: |lab, world| {
            let mut world = world.with("events_url", &lab.us.url());
            if let Egress::Hosts(hosts) = &mut world.egress {
                hosts.push((lab.us.address().to_string(), Ok(lab.us.address())));
            }
            world
        },
        says: &["note variable `events_url` is set; it is for tests only, unset it"],
        status: 200,
    },
    Case {
        name: "a bad events_url",
        query: "",
        change: |_, world| world.with("events_url", "http://events.test/v2/enqueue"),
        says: &["error variable `events_url` must be an https URL that ends in /enqueue (plain http only on loopback)"],
        status: 503,
    },
    Case {
        name: "another server in pagerduty's place",
        query: "?deep=1",
        change: |lab, world| {
            lab.us.fault(None, Answer::say(302, ""));
            world
        },
        says: &[
            "error the server at the events URL is not PagerDuty's Events API (it answered 302); check variable `region`",
        ],
        status: 503,
    },
    Case {
        name: "an account's token",
        query: "",
        change: |lab, world| {
            lab.api_us.token(TOKEN, Token::Account);
            world
        },
        says: &[
            "warning variable `api_token` holds an account-level API key: whoever holds `secret_act` can act as any user",
        ],
        status: 200,
    },
    Case {
        name: "an oauth token",
        query: "",
        change: |_, world| world.with("api_token", "pdus+_0XBPWQQ_aaaaaaaa-bbbb-cccc-dddd"),
        says: &["warning variable `api_token` holds an OAuth token; use a user API key"],
        status: 200,
    },
    Case {
        name: "a token of another shape",
        query: "",
        change: |_, world| world.with("api_token", "not a token at all!"),
        says: &[
            "warning variable `api_token` is not a user API key (20 letters, digits, plus signs, hyphens and underscores)",
        ],
        status: 200,
    },
    Case {
        name: "a revoked token",
        query: "?deep=1",
        change: |lab, world| {
            lab.api_us.revoke(TOKEN);
            lab.api_eu.revoke(TOKEN);
            world
        },
        says: &[
            "warning PagerDuty rejected the token in variable `api_token`: it was revoked or belongs to the other region (variable `region`)",
        ],
        status: 200,
    },
    Case {
        name: "a token of the other region",
        query: "?deep=1",
        change: |lab, world| {
            lab.api_us.revoke(TOKEN);
            world
        },
        says: &["warning the token in variable `api_token` belongs to the other region; set variable `region` to eu"],
        status: 200,
    },
    Case {
        name: "a token that reads only",
        query: "",
        change: |lab, world| {
            lab.api_us.token(TOKEN, Token::User("read_only_user"));
            world
        },
        says: &[
            "note variable `api_token` holds the API key of Relay Bot with role read_only_user; it is read-only, and /act needs write access",
        ],
        status: 200,
    },
    Case {
        name: "the rest api denied",
        query: "",
        change: |_, world| with_host(world, "api.pagerduty.com", None),
        says: &[
            "warning outbound requests to https://api.pagerduty.com are blocked: add \"https://api.pagerduty.com\" to allowed_outbound_hosts",
        ],
        status: 200,
    },
    Case {
        name: "a token that may not read services",
        query: "",
        change: |lab, world| {
            lab.api_us.forbid("GET /services");
            world
        },
        says: &[
            "note services were not checked: PagerDuty does not permit this with the token in variable `api_token`: 403 Access Denied",
        ],
        status: 200,
    },
    Case {
        name: "a service that is disabled",
        query: "",
        change: |lab, world| {
            lab.api_us.services_have("status", "disabled".into());
            world
        },
        says: &["error service Shop (key in variable `routing_key`) is disabled; it will not page anyone"],
        status: 503,
    },
    Case {
        name: "a service that was left behind",
        query: "",
        change: |lab, world| {
            lab.api_us.service("POLD000", "Old", "disabled", &[ROUTING_KEY]);
            world.with("routing_key_previous", ROUTING_KEY)
        },
        says: &["note service Old (key in variable `routing_key_previous`) is disabled; it will not page anyone"],
        status: 200,
    },
    Case {
        name: "a service in maintenance that makes no alerts",
        query: "",
        change: |lab, world| {
            lab.api_us.services_have("status", "maintenance".into());
            lab.api_us.services_have("alert_creation", "create_incidents".into());
            world
        },
        says: &[
            "warning service Shop (key in variable `routing_key`) is maintenance; it will not page anyone",
            "note service Shop (key in variable `routing_key`) does not create alerts: create_incidents",
        ],
        status: 200,
    },
    Case {
        name: "a key that no service shows",
        query: "",
        change: |_, world| world.with("routing_key_data", ROUTING_KEY),
        says: &[
            "note no service visible to `api_token` uses the key in `routing_key_data`. This can be harmless: PagerDuty does not always return integration keys",
        ],
        status: 200,
    },
    Case {
        name: "services on the last of many pages",
        query: "",
        change: |lab, world| {
            (0..12).for_each(|n| lab.api_us.service(&format!("PMANY{n}"), "Many", "active", &["y"]));
            lab.api_us.service("PDATA00", "Data", "disabled", &[ROUTING_KEY]);
            lab.api_us.page_max(3);
            world.with("routing_key_data", ROUTING_KEY)
        },
        says: &["error service Data (key in variable `routing_key_data`) is disabled; it will not page anyone"],
        status: 503,
    },
];

#[test]
fn every_fault_of_a_set_up_is_found_and_named() {
    run(async {
        for Case { name, query, change, says, status } in CASES {
            let lab = Lab::new().await;
            let world = change(&lab, lab.world());
            let reply = lab.check(name, &world, query, "*/*").await;
            let closed = closed();
            let others = closed.replace(" /alertmanager,", "");
            let says =
                says.iter().map(|what| what.replace("CLOSED but /alertmanager", &others).replace("CLOSED", &closed));
            assert_eq!(findings(&reply), says.collect::<Vec<String>>(), "{name}");
            assert_eq!(reply.status, *status, "{name}");
            let body = reply.json();
            assert_eq!(body["status"], if *status == 200 { "ok" } else { "failing" }, "{name}");
            let level = match findings(&reply).iter().all(|what| what.starts_with("note")) {
                _ if *status == 503 => "error",
                true => "info",
                false => "warning",
            };
            assert_eq!(reply.log_json()["level"], level, "{name}");
            for what in findings(&reply) {
                let names = ["`", "allowed_outbound_hosts", "?service="];
                assert!(names.iter().any(|name| what.contains(name)), "{name}: {what} says what to change");
            }
        }
    });
}

#[test]
fn a_reading_for_people_is_aligned() {
    run(async {
        let lab = Lab::new().await;
        let world = lab.world().with("secret_grafana", "the-one-of-its-own-by-now");
        let world = world.with("secret_grafana_previous", "the-one-before-of-its-own");
        let world = world.with("routing_key_data", ROUTING_KEY).with("require_signature_gitlab", "on");
        let reply = lab.check("text", &world, "?deep=1", "text/plain").await;
        assert_eq!(reply.headers["content-type"], "text/plain; charset=utf-8");
        // GitLab has to sign here, and Grafana has a secret of its own.
        let signs =
            |source: &Source| source.slug == "gitlab" || source.schemes.iter().all(|scheme| scheme.is_signature());
        let showing = |source: &Source| !signs(source) && source.slug != "grafana" && !source.own_secret;
        let (signing, showing) = (paths(signs), paths(showing));
        let hmac = |scheme: &Scheme<'_>| matches!(scheme, Scheme::Hmac(_) | Scheme::StandardWebhooks);
        let alike = paths(|source| source.slug != "grafana" && source.schemes.iter().any(hmac));
        let open = paths(|source| !source.own_secret);
        let expected = format!("\
ok: 0 errors, 0 warnings, 5 notes

ok       sources       variable `webhook_secret` authenticates requests to {showing}
note     sources       variable `secret_events` is not set; set it, because `webhook_secret` is not accepted for this path; closed: /events
ok       sources       variable `webhook_secret` authenticates signed requests to {signing}
ok       sources       variables `secret_grafana` and `secret_grafana_previous` authenticate requests to /grafana
note     sources       variable `secret_opsgenie` is not set; set it, because `webhook_secret` is not accepted for this path; closed: /opsgenie
ok       settings      setting `region` is us
ok       settings      setting `grouping` is alert
ok       settings      setting `query_token` is auto
ok       settings      setting `unmapped` is page
ok       settings      setting `retry_after_answer` is on
ok       settings      setting `outbox` is off
ok       settings      setting `fallback_format` is text
ok       settings      setting `branches_github` is default
ok       settings      setting `branches_gitlab` is default
ok       routing keys  variable `routing_key` holds the key of a service. The key ends in 000u, and is sent to events.pagerduty.com
ok       routing keys  variable `routing_key_data` holds the key of an orchestration, which accepts no change events. The key ends in 000u, and is sent to events.pagerduty.com
note     senders       sources and templates without variable `services_<source>` can page every service; set it to limit them: {open}
note     senders       variable `webhook_secret` verifies the signatures of several sources. A signature does not cover the path, so each of them accepts a body that was signed for another; set `secret_<source>` for those that you use: {alike}
ok       egress        https://events.pagerduty.com is reachable
ok       routing keys  PagerDuty accepts the key in variable `routing_key`
ok       routing keys  PagerDuty accepts the key in variable `routing_key_data`
ok       token         variable `api_token` holds the API key of Relay Bot with role user
ok       services      service Shop (key in variable `routing_key`) is active
note     services      no service visible to `api_token` uses the key in `routing_key_data`. This can be harmless: PagerDuty does not always return integration keys
");
        assert_eq!(String::from_utf8_lossy(&reply.body), expected);
    });
}

#[test]
fn only_who_shows_the_secret_is_told_anything() {
    run(async {
        let lab = Lab::new().await;
        let call = |method| Call { method, path: "/check?deep=1".to_owned(), headers: Vec::new(), body: "".into() };
        let world = lab.world();
        for call in [call("GET"), call("GET").header("authorization", &format!("Bearer {SECRET}"))] {
            let reply = relay(Flavour::Spin).call(&world, call).await.expect("an answer");
            assert_eq!(reply.status, 401);
            assert!(reply.sent.is_empty());
            assert_eq!(reply.asked.iter().filter(|name| name.starts_with("routing_key")).count(), 0);
        }
        let post = call("POST").header("x-webhook-secret", CHECK_SECRET);
        let reply = relay(Flavour::Spin).call(&world, post).await.expect("an answer");
        assert_eq!((reply.status, reply.headers["allow"].as_str()), (405, "GET, HEAD"));
        let head = call("HEAD").header("x-webhook-secret", CHECK_SECRET);
        assert_eq!(relay(Flavour::Spin).call(&world, head).await.expect("an answer").status, 200);

        // A problem with the secret of the check endpoint itself is reported to everybody, as for any source.
        let world = world.without("secret_check").without("webhook_secret");
        let reply = relay(Flavour::Spin).call(&world, call("GET")).await.expect("an answer");
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json()["detail"], "variable `webhook_secret` is not set");
        let reply =
            relay(Flavour::Spin).call(&lab.world().with("query_token", "x"), call("GET")).await.expect("an answer");
        assert_eq!(reply.json()["detail"], "variable `query_token` must be one of auto, on, off");
    });
}

#[test]
fn it_ends_in_time_whatever_hangs() {
    run(async {
        let lab = Lab::new().await;
        lab.us.fault(None, Answer::Stall);
        let world = with_host(lab.world(), "api.pagerduty.com", Some(Trouble::Silence));
        let started = std::time::Instant::now();
        let reply = lab.check("hanging", &world, "?deep=1", "*/*").await;
        assert!(started.elapsed() < Duration::from_secs(16));
        assert_eq!(reply.status, 503);
        assert_eq!(
            findings(&reply),
            [
                "error https://events.pagerduty.com cannot be reached (timed out); check the network and variable `region`",
                "warning https://api.pagerduty.com cannot be reached: timed out",
            ]
        );
        assert_eq!(reply.json()["errors"], json!(1));
    });
}
