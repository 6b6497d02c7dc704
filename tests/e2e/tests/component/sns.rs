//! Amazon SNS end to end: signatures, their certificates and confirmations through the component, which may contact
//! Amazon's hosts as far as the operator allows it.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use pagerelay_e2e::build::Flavour;
use pagerelay_e2e::pagerduty::{Answer, PagerDuty};
use pagerelay_e2e::runtime::{Call, Egress, Reply, World, relay};
use pagerelay_e2e::{ROUTING_KEY, SECRET, run};
use serde_json::Value;

const TOPIC: &str = "arn:aws:sns:eu-west-1:210987654321:oncall";

/// An environment without a secret of ours. One mock is both PagerDuty and Amazon.
fn world(pagerduty: &PagerDuty, topics: &str) -> World {
    let mut world = World::default().with("routing_key", ROUTING_KEY).with("sns_topics", topics);
    world.egress = Egress::Double(pagerduty.address());
    world
}

async fn call(world: &World, call: Call) -> Reply {
    relay(Flavour::Spin).call(world, call).await.expect("the component answers")
}

#[test]
fn every_vector_is_judged_in_the_component_as_it_says() {
    run(async {
        let table: Value =
            serde_json::from_str(include_str!("../../../vectors/auth.json")).expect("the vectors are json");
        let mut counts = [0, 0];
        for case in table["cases"].as_array().expect("a list").iter().filter(|case| case["scheme"]["type"] == "sns") {
            let name = case["name"].as_str().expect("text");
            let topics: Vec<String> = serde_json::from_value(case["topics"].clone()).unwrap_or_default();
            let pagerduty = PagerDuty::start().await;
            let certificate = case["certificate"].as_str().unwrap_or_default();
            // The mock answers in this order: the fetch of the certificate, then a confirmation.
            pagerduty.script([Answer::say(200, certificate), Answer::say(200, r#"{"status":"success"}"#)]);
            let mut world = world(&pagerduty, &topics.join(", "));
            world.now = Some(Duration::from_secs(case["now"].as_u64().expect("a time")));
            let body = Base64::decode_vec(case["body_base64"].as_str().expect("text")).expect("base64");
            let mut request = Call::stranger("POST", "/sns", body);
            for pair in case["headers"].as_array().expect("a list") {
                let (header, value) = (pair[0].as_str().expect("text"), pair[1].as_str().expect("text"));
                request = request.header(header, value);
            }
            let reply = call(&world, request).await;
            if case["verdict"] == "accept" {
                counts[0] += 1;
                assert_eq!((reply.status, &reply.json()["auth"]), (200, &"sns, certificate".into()), "{name}");
                let first = &reply.sent[0].url;
                assert!(first.starts_with("https://sns."), "{name}: {first}");
            } else {
                counts[1] += 1;
                assert!(matches!(reply.status, 401 | 503), "{name}: {} {}", reply.status, reply.json());
                let certificates = |url: &str| url.contains("/SimpleNotificationService-");
                assert!(reply.sent.iter().all(|sent| certificates(&sent.url)), "{name}: {:?}", reply.sent);
            }
        }
        assert!(counts[0] > 10 && counts[1] > 50, "{counts:?}");
    });
}

fn confirmation() -> Call {
    let body = include_str!("../../../fixtures/sns/28-subscription-confirmation.json");
    Call::stranger("POST", &format!("/sns?token={SECRET}"), body)
}

#[test]
fn a_subscription_is_confirmed_for_listed_topics_at_amazons_own_address_and_at_no_other() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        pagerduty.fault(None, Answer::say(200, "<ConfirmSubscriptionResponse/>"));
        let listed = world(&pagerduty, TOPIC).with("webhook_secret", SECRET);
        let reply = call(&listed, confirmation()).await;
        assert_eq!((reply.status, &reply.json()["ignored"][0]["reason"]), (200, &"subscription confirmed".into()));
        let asked: Vec<&str> = reply.sent.iter().map(|sent| sent.url.as_str()).collect();
        let own = format!(
            "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
        );
        assert_eq!(asked, [own]);

        for topics in ["", "arn:aws:sns:eu-west-1:210987654321:other"] {
            let reply = call(&listed.clone().with("sns_topics", topics), confirmation()).await;
            assert_eq!((reply.status, reply.sent.len()), (403, 0), "{topics}");
            assert_eq!(reply.json()["detail"], "variable `sns_topics` does not list this topic");
        }

        let mut denied = listed.clone();
        denied.egress = Egress::Denied;
        let reply = call(&denied, confirmation()).await;
        assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (503, "30"));
        let detail = "the subscription could not be confirmed; allow outbound https://sns.<region>.amazonaws.com";
        assert_eq!(reply.json()["detail"], detail);

        pagerduty.recover();
        pagerduty.fault(None, Answer::say(404, ""));
        let reply = call(&listed, confirmation()).await;
        assert_eq!(
            (reply.status, reply.json()["detail"].clone()),
            (503, "Amazon SNS rejected the confirmation".into())
        );
    });
}

#[test]
fn without_a_secret_and_without_topics_the_source_is_closed() {
    run(async {
        let pagerduty = PagerDuty::start().await;
        let closed = world(&pagerduty, "");
        let reply = call(&closed, Call::stranger("POST", "/sns", "{}")).await;
        assert_eq!(
            (reply.status, reply.json()["detail"].clone()),
            (503, "variable `webhook_secret` is not set".into())
        );
        // With topics and without a secret, only a signature is accepted.
        let signed_only = world(&pagerduty, TOPIC);
        for call_ in [Call::stranger("POST", "/sns?token=", "{}"), confirmation()] {
            assert_eq!(call(&signed_only, call_).await.status, 401);
        }
        // Topics have no effect on other sources.
        let reply = call(&signed_only, Call::stranger("POST", "/alertmanager", "{}")).await;
        assert_eq!(reply.status, 503);
    });
}
