//! Templates, through the component: the examples of `tests/fixtures/custom`, authentication, errors in replies, and that
//! no template ends the component. `tests/native/custom.rs` writes what the examples map to, and tests everything that a
//! template can say.

use pagerelay::custom::Template;
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::credentials::{self, Credentials};
use pagerelay_e2e::examples::{self, Example};
use pagerelay_e2e::pagerduty::PagerDuty;
use pagerelay_e2e::runtime::{Call, Reply, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SECRET, SERVICE_KEY, contract, golden, run};
use serde_json::{Value, json};

/// An example's payload, as its sender would send it to `path`.
fn sent_to(path: &str, example: &Example, secret: &str) -> Call {
    let body = example.body();
    let template = Template::read(&example.variable(), &example.template).expect("a template");
    let auth = template.auth();
    let hmac = auth.hmac();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let shown = credentials::of_schemes(&auth.schemes(&hmac), secret, &body, now).expect("the harness can send so");
    let Credentials { headers, query } = shown;
    let mark = if path.contains('?') { '&' } else { '?' };
    let path = if query.is_empty() { path.to_owned() } else { format!("{path}{mark}{query}") };
    let mut call = Call { method: "POST", path, headers: Vec::new(), body: body.into() };
    for (name, value) in example.headers().iter().chain(&headers) {
        call = call.header(name, value);
    }
    if call.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        return call;
    }
    call.header("content-type", "application/json")
}

async fn call(world: &World, call: Call) -> Reply {
    relay(Flavour::Spin).call(world, call).await.expect("the component answers")
}

#[test]
fn every_example_maps_to_what_stands_beside_it() {
    run(async {
        for example in examples::all() {
            let what = example.payload.display().to_string();
            let pagerduty = PagerDuty::start().await;
            let world = World::new(&pagerduty.url()).with("routing_key", SERVICE_KEY);
            let world = world.with(&example.variable(), &example.template).with("unmapped", "reject");
            let reply = call(&world, sent_to(&format!("/custom/{}", example.name), &example, SECRET)).await;
            let mut received: Vec<Value> = pagerduty.received().into_iter().map(|received| received.event).collect();
            assert!(pagerduty.received().iter().all(|received| received.status == 202), "{what}: {}", reply.json());
            for event in &mut received {
                event.as_object_mut().expect("an object").remove("routing_key");
            }
            received.sort_by_key(Value::to_string);
            let said = reply.json();
            let lines = |name: &str, line: &dyn Fn(&Value) -> String| {
                let lines: Vec<String> = said[name].as_array().into_iter().flatten().map(line).collect();
                (!lines.is_empty()).then(|| lines.join("\n") + "\n")
            };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let events = serde_json::to_string_pretty(&received).expect("json") + "\n";
            let [of_events, of_ignored, of_errors] = golden::ENDINGS;
            let found = [
                (of_events, (!received.is_empty()).then_some(events)),
                (of_ignored, lines("ignored", &|i| format!("{}: {}", text(&i["item"]), text(&i["reason"])))),
                (of_errors, lines("rejected", &text)),
            ];
            for (ending, found) in found {
                let path = example.payload.with_extension(ending);
                assert_eq!(found, std::fs::read_to_string(&path).ok(), "{what}: {ending}");
            }
            for event in &received {
                let wrong = contract::wrong_with(&contract::with_key(event, ROUTING_KEY));
                assert!(wrong.is_empty(), "{what}: {wrong:?}");
            }
            // The same through the preview, with explanations.
            let preview = call(&world, sent_to(&format!("/preview/custom/{}?explain", example.name), &example, SECRET))
                .await
                .json();
            let hashes =
                |list: &Value| list.as_array().into_iter().flatten().map(|e| text(&e["sha256"])).collect::<Vec<_>>();
            assert_eq!(hashes(&preview["events"]), hashes(&reply.log_json()["events"]), "{what}");
            for (number, event) in preview["events"].as_array().into_iter().flatten().enumerate() {
                // The work for one explanation is bounded, and a request for this event explains it.
                if preview["unexplained"].as_array().is_some_and(|left| number > 0 && left.contains(&number.into())) {
                    continue;
                }
                let explanation = event["explanation"].as_array().unwrap_or_else(|| panic!("{what}: {event}"));
                let of = |field: &str| explanation.iter().find(|origin| origin["field"] == field).cloned();
                // Falco never reports the end of a problem, and Snyk reports it by the list that contains an item. The others show Jinja.
                let fixed = ["falcosidekick", "snyk", "sns_message"].contains(&&*example.name)
                    || example.name.starts_with("oncall_");
                let action = of("event_action").or(of("payload.summary")).expect("one of them");
                assert!(fixed || action["how"] != "fallback", "{what}: {action}");
                let summary = of("payload.summary").expect("a summary");
                assert!(fixed || summary["how"] != "fallback", "{what}: {summary}");
            }
        }
    });
}

/// The reply to a preview of this template and payload. An item that cannot be mapped is an error.
async fn preview(template: &str, payload: &Value) -> Reply {
    let world = World::new("http://127.0.0.1:1/v2/enqueue").with("custom_mine", template).with("unmapped", "reject");
    call(&world, Call::post("/preview/custom/mine", payload.to_string())).await
}

/// A template whose summary is this expression.
fn summary(expression: &str) -> String {
    json!({"event_action": "trigger", "dedup_key": "k", "payload": {"summary": expression, "source": "s"}}).to_string()
}

#[test]
fn an_error_names_the_line_the_column_and_the_expression() {
    run(async {
        let cases: Vec<(String, Value, &str)> = vec![
            (
                "{\n \"event_action\": \"trigger\",\n \"dedup_key\": \"{{ id }}\"}".into(),
                json!({}),
                "variable `custom_mine`, line 3, column 19: `id` is undefined",
            ),
            (
                summary("{{ a + }}"),
                json!({}),
                "variable `custom_mine`, line 1, column 81: `a +`: cannot be parsed: unexpected end of variable block",
            ),
            (
                summary("{{ a | shout }}"),
                json!({"a": 1}),
                "variable `custom_mine`, line 1, column 85: unknown filter `shout`",
            ),
            (
                summary("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"),
                json!({}),
                "variable `custom_mine`, line 1, column 117: `range(99999)`: the template needs too many steps",
            ),
            ("{".into(), json!({}), "variable `custom_mine` is not json: line 1, column 1"),
            ("[]".into(), json!({}), "variable `custom_mine` is not an object"),
            (r#"{"evnet": {}}"#.into(), json!({}), "variable `custom_mine` has an unknown member `evnet`"),
            (
                r#"{"event": {"severity": "x"}}"#.into(),
                json!({}),
                "variable `custom_mine` has an unknown member `severity`",
            ),
            (format!("{{{}}}", " ".repeat(40_000)), json!({}), "variable `custom_mine` is larger than 32 kib"),
            (
                r#"{"event_action": "shout", "dedup_key": "k"}"#.into(),
                json!({}),
                "field `event_action` must be trigger, acknowledge or resolve",
            ),
            (
                r#"{"event_action": "resolve", "dedup_key": "{{ id }}"}"#.into(),
                json!({"id": " "}),
                "field `dedup_key` is missing or blank",
            ),
            (
                r#"{"event_action": "trigger", "dedup_key": "k", "payload": {"summary": ""}}"#.into(),
                json!({}),
                "field `payload.summary` is missing or blank",
            ),
            (
                r#"{"each": "items", "event": {"event_action": "trigger"}}"#.into(),
                json!({"items": {}}),
                "variable `custom_mine`, line 1, column 11: `items`: is not a list",
            ),
        ];
        for (template, payload, wanted) in cases {
            let reply = preview(&template, &payload).await;
            let said = reply.json();
            let detail = said["detail"].as_str().unwrap_or_default();
            let matches = detail == wanted || wanted.ends_with("many steps") && detail.ends_with("many steps");
            assert!(matches, "{template}\n  said   {detail}\n  wanted {wanted}");
            assert!(reply.status == 503 || reply.status == 422, "{}", reply.status);
        }
    });
}

#[test]
fn a_batch_becomes_an_event_for_each_item_and_one_that_fails_holds_up_no_other() {
    run(async {
        let template = json!({"each": "alerts", "ignore": "item.state == 'muted'", "event": {
            "event_action": "{{ 'resolve' if item.state == 'ok' else 'trigger' }}", "dedup_key": "{{ item.id }}",
            "payload": {"summary": "{{ index }}: {{ item.title }} in {{ cluster }}", "source": "{{ cluster }}", "severity": "error"}}});
        let payload = json!({"cluster": "eu-1", "alerts": [
            {"id": "a", "title": "A", "state": "bad"}, {"id": "b", "state": "bad"},
            {"id": "c", "title": "C", "state": "muted"}, {"id": "d", "title": "D", "state": "ok"}]});
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url()).with("custom_mine", &template.to_string());
        let reply = call(&world, Call::post("/custom/mine", payload.to_string())).await;
        let said = reply.json();
        assert_eq!(reply.status, 200, "{said}");
        let mut keys: Vec<String> =
            pagerduty.received().iter().map(|r| r.event["dedup_key"].as_str().unwrap().to_owned()).collect();
        keys.sort();
        assert_eq!(keys, ["custom_mine:a", "custom_mine:d", "pagerelay:custom_mine:unmapped:36"]);
        assert_eq!(said["ignored"], json!([{"item": "each[2]", "reason": "the template's `ignore` is true"}]));
        let column = template.to_string().find("item.title").unwrap() + 1;
        assert_eq!(
            said["rejected"],
            json!([format!("each[1]: variable `custom_mine`, line 1, column {column}: `item.title` is undefined")])
        );

        let many = json!({"cluster": "eu-1", "alerts": vec![json!({"id": "a", "title": "A", "state": "ok"}); 1100]});
        let said = preview(&template.to_string(), &many).await.json();
        assert_eq!(
            said["rejected"],
            json!([
                "variable `custom_mine`, line 1, column 10: `alerts`: has more than 1000 items; the rest is left out"
            ])
        );
    });
}

#[test]
fn a_delivery_that_asks_for_too_much_is_cut_short_and_says_so() {
    run(async {
        let template = json!({"each": "list", "event": {"event_action": "trigger", "dedup_key": "{{ index }}", "payload": {
            "summary": "s", "source": "s", "custom_details": {"a": "{% for i in range(2000) %}{% endfor %}"}}}});
        let payload = json!({"list": vec![1; 900]});
        let said = preview(&template.to_string(), &payload).await.json();
        let (made, failed) =
            (said["events"].as_array().map_or(0, Vec::len), said["rejected"].as_array().map_or(0, Vec::len));
        assert!(failed > 400, "{failed} of {made}");
        let first = said["rejected"][0].as_str().expect("a sentence");
        assert!(first.ends_with("needs too many steps"), "{first}");
    });
}

#[test]
fn what_one_delivery_makes_is_bounded_and_what_is_over_is_rejected() {
    run(async {
        let event = |details: &str| {
            json!({"event_action": "trigger", "dedup_key": "{{ index }}",
            "payload": {"summary": "s", "source": "s", "custom_details": {"d": details}}})
        };
        let of = |said: &Value, name: &str| said[name].as_array().map_or(0, Vec::len);
        // A thousand copies of a payload of 100 KB.
        let template = json!({"each": "list", "event": event("{{ payload }}")}).to_string();
        let payload = json!({"list": vec![1; 900], "large": "x".repeat(100_000)});
        let said = preview(&template, &payload).await.json();
        assert_eq!(
            said["rejected"][of(&said, "rejected") - 1],
            "each[899]: variable `custom_mine` makes more than 8 mib of one delivery"
        );
        assert!(of(&said, "events") > 0 && of(&said, "rejected") > 700, "{}", said["warnings"]);
        // A thousand times a list of 30,000.
        let template = json!({"each": "list", "event": event("{{ payload.tags | join(',') }}")}).to_string();
        let payload = json!({"list": vec![1; 900], "tags": vec!["t"; 30_000]});
        let said = preview(&template, &payload).await.json();
        let last = said["rejected"][of(&said, "rejected") - 1].as_str().expect("a sentence").to_owned();
        assert!(last.starts_with("each[899]: ") && last.ends_with("the template needs too many steps"), "{last}");
        assert!(of(&said, "events") > 0, "{last}");
    });
}

#[test]
fn a_header_that_a_scheme_names_is_no_templates_to_read() {
    run(async {
        for (auth, shown) in [
            (json!({"scheme": "header", "header": "X-Hook-Id"}), "{{ headers }}"),
            (json!({"scheme": "header", "header": "X-Hook-Id"}), "{{ headers.x_hook_id | default('hidden') }}"),
            (json!({"scheme": "hmac", "header": "X-Hook-Id"}), "{{ headers | tojson }}"),
        ] {
            let template = json!({"auth": auth, "event_action": "trigger", "dedup_key": "k",
                "payload": {"summary": "s", "source": "s", "custom_details": {"d": shown, "x": "{{ headers.x_plain }}"}}});
            let payload = std::env::temp_dir().join(format!("pagerelay-header-{}.json", std::process::id()));
            std::fs::write(&payload, "{}").expect("writable");
            let example = Example { name: "mine".to_owned(), template: template.to_string(), payload };
            let pagerduty = PagerDuty::start().await;
            let world = World::new(&pagerduty.url()).with("custom_mine", &example.template);
            let reply = call(&world, sent_to("/custom/mine", &example, SECRET).header("x-plain", "seen")).await;
            std::fs::remove_file(&example.payload).expect("it was there");
            assert_eq!(reply.status, 200, "{}", reply.json());
            let sent = pagerduty.received()[0].event.to_string();
            assert!(sent.contains("seen") && !sent.contains(SECRET) && !sent.contains("hook"), "{sent}");
        }
    });
}

#[test]
fn a_template_that_is_broken_pages_where_its_sender_is_known_and_closes_the_path_where_not() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let world = World::new(&pagerduty.url());
        let broken = world.clone().with("custom_mine", "{\"event\": ");
        let reply = call(&broken, Call::post("/custom/mine", "{}")).await;
        assert_eq!(reply.status, 200, "{}", reply.json());
        let page = pagerduty.take_received().remove(0).event;
        assert_eq!(page["dedup_key"], "pagerelay:custom_mine:unmapped:2");
        let problem = "variable `custom_mine` is not json: line 1, column 9";
        assert_eq!(page["payload"]["custom_details"]["reasons"], json!([problem]));
        let stranger = call(&broken, Call::stranger("POST", "/custom/mine", "{}")).await;
        let kept = "variable `custom_mine` is not a valid template; GET /check shows the error";
        assert_eq!((stranger.status, &stranger.json()["detail"]), (503, &json!(kept)));

        let unset = call(&world, Call::post("/custom/mine", "{}")).await;
        assert_eq!((unset.status, &unset.json()["detail"]), (503, &json!("variable `custom_<name>` is not set")));
        for path in ["/custom", "/custom/", "/custom/A", "/custom/a_previous", "/custom/a/B", "/custom/a/b/c"] {
            assert_eq!(call(&world, Call::post(path, "{}")).await.status, 404, "{path}");
        }
        assert!(pagerduty.received().is_empty());
    });
}

#[test]
fn the_scheme_that_a_template_names_is_the_only_one_that_opens() {
    let hmac = json!({"scheme": "hmac", "header": "X-Signature", "prefix": "sha256="});
    let stamped =
        json!({"scheme": "hmac", "header": "X-Signature", "timestamp_header": "X-Time", "timestamp_before": "v0:"});
    let fields = json!({"scheme": "hmac", "header": "X-Signature", "timestamp": "t", "signature": "v1", "separator": ".", "encoding": "base64"});
    let sha1 = json!({"scheme": "hmac", "header": "X-Signature", "hash": "sha1"});
    let schemes = [
        hmac,
        stamped,
        fields,
        sha1,
        json!({"scheme": "header", "header": "X-Token"}),
        json!({"scheme": "query", "parameter": "key"}),
    ];
    run(async {
        let pagerduty = PagerDuty::start().await;
        for auth in schemes {
            let template = json!({"auth": auth, "event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "s"}}).to_string();
            let world = World::new(&pagerduty.url()).with("custom_mine", &template).with("unmapped", "reject");
            let payload = std::env::temp_dir().join(format!("pagerelay-{}.json", std::process::id()));
            std::fs::write(&payload, "{}").expect("writable");
            let example = Example { name: "mine".to_owned(), template, payload: payload.clone() };
            assert_eq!(call(&world, sent_to("/custom/mine", &example, SECRET)).await.status, 200, "{auth}");
            assert_eq!(
                call(&world, sent_to("/custom/mine", &example, "another-secret-0123456789")).await.status,
                401,
                "{auth}"
            );
            assert_eq!(call(&world, Call::post("/custom/mine", "{}")).await.status, 401, "{auth}: a bearer token");
            // A secret of its own, which replaces the shared secret.
            let own = world.clone().with("secret_custom_mine", "a-secret-for-this-mapping-1");
            assert_eq!(call(&own, sent_to("/custom/mine", &example, SECRET)).await.status, 401, "{auth}");
            assert_eq!(
                call(&own, sent_to("/custom/mine", &example, "a-secret-for-this-mapping-1")).await.status,
                200,
                "{auth}"
            );
            std::fs::remove_file(payload).expect("it was there");
        }
        let wrong = [
            (json!("hmac"), "`auth` is not an object"),
            (
                json!({"scheme": "magic"}),
                "`auth` has a `scheme` other than basic, bearer, header, hmac, query, sns, standard_webhooks",
            ),
            (json!({"scheme": "hmac"}), "`auth` names no `header`"),
            (json!({"scheme": "query"}), "`auth` names no `parameter`"),
            (
                json!({"scheme": "hmac", "header": "x", "hash": "md5"}),
                "`auth` has a `hash` other than sha256, sha1, or an `encoding` other than hex, base64",
            ),
            (
                json!({"scheme": "hmac", "header": "x", "timestamp": "t"}),
                "`auth` names one of `timestamp` and `signature`, and needs both",
            ),
            (json!({"scheme": "bearer", "secret": "x"}), "`auth` has a member that is not known, or is no text"),
        ];
        for (auth, problem) in wrong {
            let template = json!({"auth": auth, "event_action": "trigger"}).to_string();
            let world = World::new(&pagerduty.url()).with("custom_mine", &template).with("unmapped", "reject");
            let reply = call(&world, Call::post("/custom/mine", "{}")).await;
            assert_eq!(
                (reply.status, reply.json()["detail"].as_str()),
                (503, Some(&*format!("variable `custom_mine`: {problem}")))
            );
        }
    });
}

#[test]
fn nothing_that_a_template_says_ends_the_component() {
    run(async {
        let deep_json = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        let payload: Value = serde_json::from_str(&deep_json).expect("serde takes 127 levels");
        let chains = [
            "(".repeat(490) + "1" + &")".repeat(490),
            "[".repeat(490) + "1" + &"]".repeat(490),
            "{'a':".repeat(160) + "1" + &"}".repeat(160),
            "not ".repeat(248) + "1",
            "-".repeat(990) + "1",
            "1".to_owned() + &"+1".repeat(490),
            "1".to_owned() + &"~1".repeat(490),
            "payload".to_owned() + &"[0]".repeat(300),
            "payload".to_owned() + &"|tojson".repeat(140),
            "1 if 1 else ".repeat(80) + "1",
            "1 and ".repeat(160) + "1",
            "1**".repeat(320) + "1",
            "1<".repeat(480) + "1",
            "x(".repeat(300) + &")".repeat(300),
            "1 // 0".to_owned(),
            "1 % 0".to_owned(),
            // As deep as is allowed.
            "(".repeat(9) + "1" + &")".repeat(9),
            "x(".repeat(8) + &")".repeat(8),
            "not ".repeat(99) + "1",
            "1 if 1 else ".repeat(49) + "1",
            "payload".to_owned() + &"|tojson".repeat(99),
            "payload ~ ''".to_owned(),
            "[payload, payload] | sort | tojson".to_owned(),
            "-9223372036854775808 // -1".to_owned(),
        ];
        for expression in chains {
            let reply = preview(&summary(&format!("{{{{ {expression} }}}}")), &payload).await;
            let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
            assert!([200, 422, 503].contains(&reply.status), "{expression}: {} {detail}", reply.status);
        }
        for text in [
            "{% if 1 %}".repeat(15) + &"{% endif %}".repeat(15),
            "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}".to_owned(),
            "{% for i in [1] recursive %}{{ loop([i]) }}{% endfor %}".to_owned(),
            "{{ 'x' * 100000000 }}".to_owned(),
        ] {
            let reply = preview(&summary(&text), &payload).await;
            let detail = reply.json()["detail"].as_str().unwrap_or_default().to_owned();
            // 422: it makes an empty summary, or fails for this payload.
            assert!([200, 422, 503].contains(&reply.status), "{text}: {} {detail}", reply.status);
        }
        let nested = format!(
            r#"{{"event_action": "trigger", "dedup_key": "k", "payload": {{"summary": "s", "custom_details": {{"d": {}}}}}}}"#,
            "[".repeat(90) + "1" + &"]".repeat(90)
        );
        let detail = preview(&nested, &payload).await.json()["detail"].clone();
        assert!(detail.as_str().is_some_and(|detail| detail.ends_with("nests too deep")), "{detail}");
    });
}
