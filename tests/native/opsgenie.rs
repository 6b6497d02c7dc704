//! Opsgenie's Alert API: its paths, its ids, and the identities of its alerts.

use pagerelay::http::Method;
use pagerelay::json::Node;
use pagerelay::pagerduty::event::{Action, DEDUP_KEY_MAX_CHARS};
use pagerelay::sources::opsgenie::call::{Call, What};
use pagerelay::sources::opsgenie::name::{self, Name};
use pagerelay_support::{ROUTING_KEY, contract};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The operation and the identifier of a call.
fn call(method: Method, rest: &str) -> Option<(What, String)> {
    Call::parse(method, rest).map(|call| (call.what, call.identifier))
}

#[test]
fn an_identifier_is_everything_up_to_the_last_known_word() {
    let (resolve, acknowledge) = (What::Event(Action::Resolve), What::Event(Action::Acknowledge));
    let cases: &[(&str, What, &str)] = &[
        ("/a/close", resolve, "a"),
        ("/a/acknowledge", acknowledge, "a"),
        ("//a/close", resolve, "a"),
        ("/a/close/", resolve, "a"),
        ("/a/close//", resolve, "a"),
        ("/a%2Fb%20c/close", resolve, "a/b c"),
        ("/a/b%20c/close/", resolve, "a/b c"),
        ("/a+b/close", resolve, "a+b"),
        ("/a%252Fb/close", resolve, "a%2Fb"),
        ("/a%/close", resolve, "a%"),
        ("/a/close/close", resolve, "a/close"),
        ("/a//close", resolve, "a/"),
        ("/%2Fa/close", resolve, "/a"),
        ("/requests/close", resolve, "requests"),
        ("/saved-searches/close", resolve, "saved-searches"),
        ("/a/notes/acknowledge", acknowledge, "a/notes"),
        ("/Uptime%20Kuma/12/close", resolve, "Uptime Kuma/12"),
        ("/%E2%9C%93/close", resolve, "✓"),
        ("", What::Create, ""),
        ("/", What::Create, ""),
        ("//", What::Create, ""),
    ];
    for (rest, what, identifier) in cases {
        assert_eq!(call(Method::Post, rest), Some((*what, (*identifier).to_owned())), "{rest}");
    }
    for rest in ["/a", "/close", "/a/clos", "/a/Close", "/a/message", "/actions/x", "/%FF/close"] {
        assert_eq!(call(Method::Post, rest), None, "{rest}");
    }
}

#[test]
fn fixed_words_are_found_before_identifiers_and_a_word_alone_is_one() {
    let resolve = What::Event(Action::Resolve);
    let cases: &[(Method, &str, What, &str)] = &[
        (Method::Get, "", What::List, ""),
        (Method::Get, "/", What::List, ""),
        (Method::Get, "/count", What::Count, ""),
        (Method::Get, "/requests/1abc", What::Status, "1abc"),
        (Method::Get, "/saved-searches", What::List, ""),
        (Method::Get, "/saved-searches/x", What::List, ""),
        (Method::Get, "/a", What::Show, "a"),
        (Method::Get, "/a/b/", What::Show, "a/b"),
        (Method::Get, "/a//", What::Show, "a/"),
        (Method::Get, "/logs", What::Show, "logs"),
        (Method::Get, "/requests", What::Show, "requests"),
        (Method::Get, "/a/logs", What::Parts, "a"),
        (Method::Get, "/a/recipients", What::Parts, "a"),
        (Method::Delete, "/a", resolve, "a"),
        (Method::Delete, "/a/close/", resolve, "a/close"),
        (Method::Delete, "/tags", resolve, "tags"),
    ];
    for (method, rest, what, identifier) in cases {
        assert_eq!(call(*method, rest), Some((*what, (*identifier).to_owned())), "{method:?} {rest}");
    }
    for (method, rest) in [(Method::Delete, ""), (Method::Put, ""), (Method::Put, "/a"), (Method::Patch, "/a")] {
        assert_eq!(call(method, rest), None, "{method:?} {rest}");
    }
}

#[test]
fn calls_without_an_event_are_accepted_with_a_warning_that_names_them() {
    let inert = [
        (Method::Delete, "/a/attachments/7", "DELETE attachments"),
        (Method::Delete, "/a/details", "DELETE details"),
        (Method::Delete, "/a/notes/7", "DELETE notes"),
        (Method::Delete, "/a/tags/", "DELETE tags"),
        (Method::Delete, "/saved-searches/x", "saved-searches"),
        (Method::Patch, "/saved-searches/x", "saved-searches"),
        (Method::Post, "/a/actions/restart", "POST actions"),
        (Method::Post, "/a/assign", "POST assign"),
        (Method::Post, "/a/attachments", "POST attachments"),
        (Method::Post, "/a/details", "POST details"),
        (Method::Post, "/a/escalate", "POST escalate"),
        (Method::Post, "/a/notes", "POST notes"),
        (Method::Post, "/a/responders", "POST responders"),
        (Method::Post, "/a/snooze", "POST snooze"),
        (Method::Post, "/a/tags", "POST tags"),
        (Method::Post, "/a/teams", "POST teams"),
        (Method::Post, "/a/unacknowledge", "POST unacknowledge"),
        (Method::Post, "/saved-searches", "saved-searches"),
        (Method::Put, "/a/description", "PUT description"),
        (Method::Put, "/a/message", "PUT message"),
        (Method::Put, "/a/notes/7", "PUT notes"),
        (Method::Put, "/a/priority", "PUT priority"),
    ];
    for (method, rest, named) in inert {
        match call(method, rest) {
            Some((What::Inert(warning), _)) => {
                assert!(warning.starts_with(&format!("`{named}` was not done: ")), "{method:?} {rest}: {warning}");
            }
            other => panic!("{method:?} {rest}: {other:?}"),
        }
    }
}

#[test]
fn an_id_is_one_token_and_any_changed_character_makes_it_unknown() {
    let name = Name::given("a/b c").expect("a name");
    let id = name.id();
    assert_eq!(id, "10af99a609169YS9iIGM");
    assert_eq!(Name::with_id(&id), Some(name.clone()));
    assert_eq!(Name::given(&id), Some(name), "an id counts as one, whatever the sender calls it");
    for at in 0..id.len() {
        for other in "0aZ-_".chars().filter(|other| !id[at..].starts_with(*other)) {
            let changed = format!("{}{other}{}", &id[..at], &id[at + 1..]);
            assert_eq!(Name::with_id(&changed), None, "{changed}");
        }
    }
    for other in ["", "1", "2bfcd64d05a2dYS9iIGM", "10af99a609169YS9iIGM=", "4711", "1bfcd64d05a2d"] {
        assert_eq!(Name::with_id(other), None, "{other}");
    }
    assert!(name::is_of_nothing(&name::id_of_nothing()) && Name::with_id(&name::id_of_nothing()).is_none());
    assert!(!name::is_of_nothing(&id) && !name::is_of_nothing("4711"));
}

#[test]
fn a_long_alias_has_one_key_by_alias_and_by_id() {
    for alias in ["x".repeat(400), format!("pagerelay:{}", "x".repeat(400)), "é".repeat(256)] {
        let name = Name::given(&alias).expect("a name");
        let key = name.key().as_str();
        assert!(key.encode_utf16().count() <= DEDUP_KEY_MAX_CHARS && name.key().is_hashed(), "{key}");
        assert_eq!(Name::with_id(&name.id()), Some(name));
    }
    let name = Name::given(&"é".repeat(255)).expect("a name");
    assert_eq!(name.key().as_str(), "é".repeat(255), "255 characters stay");
    assert_eq!(name.id().len(), 13 + 680);
}

#[test]
fn no_alias_and_no_id_reaches_the_relays_own_alerts() {
    for alias in ["pagerelay:grafana:unmapped:7", " PageRelay :x", "pagerelay"] {
        let name = Name::given(alias).expect("a name");
        assert_ne!(name.key().as_str(), alias);
        assert!(name.key().is_hashed());
        // The id of the alias is the only id that names it.
        assert_eq!(Name::with_id(&name.id()), Some(name));
    }
}

#[test]
fn a_body_without_an_alias_is_known_by_all_of_it_but_its_key() {
    let of = |body: &Value| Name::of_body("opsgenie", Node::root(body)).expect("a name");
    let body = json!({"message": "m", "tags": ["a"], "apiKey": "one"});
    let name = of(&body);
    assert!(name.key().as_str().starts_with("opsgenie:") && name.key().as_str().len() == 73);
    assert_eq!(of(&json!({"apiKey": "another", "tags": ["a"], "message": "m"})), name);
    assert_eq!(of(&json!({"tags": ["a"], "message": "m"})), name);
    assert_ne!(of(&json!({"tags": ["b"], "message": "m"})), name);
    assert_eq!(Name::with_id(&name.id()), Some(name));
    assert_eq!(Name::of_body("opsgenie", Node::root(&json!(["m"]))), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn create_and_close_share_a_key_however_a_client_writes_the_alias(
        alias in prop_oneof!["\\PC{1,300}", "[a-c/%+. ~:-]{1,40}", "[a-z]{1,5}(/close){1,3}"],
    ) {
        let Some(created) = Name::given(&alias) else { return Ok(()) };
        let encoded = utf8_percent_encode(&alias, NON_ALPHANUMERIC).to_string();
        for rest in [format!("/{encoded}/close"), format!("//{encoded}/close/"), format!("/{}/close", created.id())] {
            let (what, identifier) = call(Method::Post, &rest).expect("a call");
            prop_assert_eq!(what, What::Event(Action::Resolve));
            prop_assert_eq!(Name::given(&identifier), Some(created.clone()), "{}", rest);
        }
        let (what, identifier) = call(Method::Delete, &format!("/{encoded}")).expect("a call");
        prop_assert_eq!((what, Name::given(&identifier)), (What::Event(Action::Resolve), Some(created.clone())));
        // A client that writes slashes as they are. A slash at the beginning looks like the end of the base.
        if !alias.starts_with('/') {
            let raw = encoded.replace("%2F", "/");
            let (_, identifier) = call(Method::Post, &format!("/{raw}/close")).expect("a call");
            prop_assert_eq!(Name::given(&identifier), Some(created.clone()), "{}", raw);
        }
        let id = created.id();
        prop_assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')), "{}", id);
        prop_assert!(created.key().as_str().encode_utf16().count() <= DEDUP_KEY_MAX_CHARS);
    }

    #[test]
    fn different_aliases_have_different_keys_and_ids(one in "\\PC{1,300}", other in "\\PC{1,300}") {
        if let (Some(one_name), Some(other_name)) = (Name::given(&one), Name::given(&other)) {
            prop_assert_eq!(one == other, one_name.key() == other_name.key());
            prop_assert_eq!(one == other, one_name.id() == other_name.id());
        }
    }

    #[test]
    fn no_path_is_too_odd_to_parse(rest in "\\PC{0,80}", words in "(/|//|close|actions|requests|%2|%2f|%|tags|notes){0,8}") {
        for method in [Method::Delete, Method::Get, Method::Patch, Method::Post, Method::Put] {
            for rest in [&rest, &words, &format!("/{rest}{words}")] {
                if let Some(Call { identifier, after, .. }) = Call::parse(method, rest) {
                    prop_assert!(identifier.len() <= rest.len() && rest.contains(after));
                    let _ = Name::given(&identifier);
                }
            }
        }
    }
}

#[test]
fn the_trigger_of_any_body_keeps_the_contract() {
    use pagerelay::sources::opsgenie::alert;
    let name = Name::given("a").expect("a name");
    let odd = json!({
        "message": "m", "priority": {"a": 1}, "tags": "a,b", "entity": 7, "source": ["x"], "details": "text",
        "responders": null, "teams": ["x"], "actions": "ping,restart", "IdentifierType": 1, "IdentifierValue": "v",
    });
    let event = alert::trigger(Node::root(&odd), &name, "opsgenie").expect("an event");
    let sent = contract::with_key(&event.to_json(), ROUTING_KEY);
    assert_eq!(contract::wrong_with(&sent), Vec::<String>::new());
    let details = json!({
        "actions": "ping,restart", "details": "text", "priority": {"a": 1}, "tags": "a,b", "teams": ["x"],
    });
    assert_eq!(sent["payload"]["custom_details"], details);
}
