//! Monitors of hosts and services: every type of notification in every state, and the names of macros in every spelling.

use std::collections::BTreeSet;

use pagerelay::mapping::Mapped;
use pagerelay::mapping::monitoring::{PLANNED, SOFT};
use pagerelay::mapping::unexpanded::is_unexpanded_variable;
use pagerelay::pagerduty::event::Action;
use pagerelay::sources;
use pagerelay_support::fixtures;
use serde_json::{Value, json};

fn mapped(slug: &str, body: &Value) -> Mapped {
    let source = sources::find(slug).expect("a source");
    fixtures::map(source, body.to_string().as_bytes(), &[], false).expect("it is mapped")
}

/// The action for a body, or the reason why it needs no event.
fn outcome(slug: &str, body: &Value) -> Result<Action, String> {
    let mapped = mapped(slug, body);
    mapped.events.first().map(|event| event.action()).ok_or_else(|| mapped.ignored[0].reason.clone().into_owned())
}

#[test]
fn the_type_of_a_notification_decides_and_without_one_the_state_does() {
    let (ack, resolve, trigger) = (Ok(Action::Acknowledge), Ok(Action::Resolve), Ok(Action::Trigger));
    let (planned, soft) = (Err(PLANNED.to_owned()), Err(SOFT.to_owned()));
    // For a good state, a bad one, one that nobody knows, and none.
    let rows = [
        ("PROBLEM", [&trigger, &trigger, &trigger, &trigger]),
        ("RECOVERY", [&resolve, &resolve, &resolve, &resolve]),
        ("ACKNOWLEDGEMENT", [&ack, &ack, &ack, &ack]),
        ("acknowledgement-set", [&ack, &ack, &ack, &ack]),
        // Icinga clears the acknowledgement of a problem that is over.
        ("acknowledgement-cleared", [&resolve, &trigger, &trigger, &trigger]),
        ("AcknowledgementCleared", [&resolve, &trigger, &trigger, &trigger]),
        ("CUSTOM", [&trigger, &trigger, &trigger, &trigger]),
        ("FLAPPINGSTART", [&trigger, &trigger, &trigger, &trigger]),
        ("FLAPPINGSTOP", [&resolve, &trigger, &trigger, &resolve]),
        ("FlappingEnd", [&resolve, &trigger, &trigger, &resolve]),
        ("FLAPPINGDISABLED", [&resolve, &trigger, &trigger, &resolve]),
        ("DOWNTIMESTART", [&planned, &planned, &planned, &planned]),
        ("DOWNTIMEEND", [&planned, &planned, &planned, &planned]),
        ("DOWNTIMECANCELLED", [&planned, &planned, &planned, &planned]),
        ("DowntimeTriggered", [&planned, &planned, &planned, &planned]),
        ("DowntimeRemoved", [&planned, &planned, &planned, &planned]),
        ("zqxjkv", [&trigger, &trigger, &trigger, &trigger]),
        ("", [&resolve, &trigger, &trigger, &trigger]),
    ];
    for slug in ["checkmk", "icinga"] {
        for (kind, expected) in &rows {
            for (state, expected) in ["OK", "CRITICAL", "zqxjkv", ""].into_iter().zip(expected) {
                let body = json!({
                    "NOTIFICATIONTYPE": kind, "HOSTNAME": "web-1", "SERVICEDESC": "disk", "SERVICESTATE": state,
                });
                assert_eq!(&outcome(slug, &body), *expected, "{slug} {kind:?} {state:?}");
            }
        }
        for (state, expected) in [("OK", &soft), ("CRITICAL", &soft)] {
            let body = json!({"host_name": "web-1", "service_state": state, "service": "disk", "state_type": "SOFT"});
            assert_eq!(&outcome(slug, &body), expected, "{slug} {state}");
        }
    }
}

#[test]
fn the_flapping_and_the_soft_results_of_icingas_api_are_no_states() {
    let flapping = |state: u8, is_flapping: bool| {
        let body =
            json!({"type": "Flapping", "host": "web-1", "service": "disk", "state": state, "is_flapping": is_flapping});
        outcome("icinga", &body)
    };
    assert_eq!(flapping(0, true), Ok(Action::Trigger));
    assert_eq!(flapping(0, false), Ok(Action::Resolve));
    assert_eq!(flapping(2, false), Ok(Action::Trigger));
    let checked = |state_type: f64| {
        let result = json!({"state": 2.0, "output": "full", "vars_after": {"state_type": state_type}});
        outcome("icinga", &json!({"type": "CheckResult", "host": "web-1", "service": "disk", "check_result": result}))
    };
    assert_eq!(checked(0.0), Err(SOFT.to_owned()));
    assert_eq!(checked(1.0), Ok(Action::Trigger));
}

#[test]
fn events_of_checkmks_event_console_are_alerts_of_their_own_even_without_a_service() {
    let key = |id: &str| {
        let body = json!({"NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "web-1", "SERVICEDESC": "", "EC_ID": id});
        mapped("checkmk", &body).events[0].dedup_key().expect("an alert").as_str().to_owned()
    };
    assert_eq!([key("17"), key("18")], ["checkmk:web-1::17", "checkmk:web-1::18"]);
}

#[test]
fn a_number_means_another_state_of_a_host_than_of_a_service() {
    let severity = |body: Value| mapped("icinga", &body).events[0].severity().as_str();
    for (state, host, service) in [("1", "critical", "warning"), ("2", "error", "critical"), ("3", "error", "error")] {
        assert_eq!(severity(json!({"host": "web-1", "state": state})), host, "{state}");
        assert_eq!(severity(json!({"host": "web-1", "service": "disk", "state": state})), service, "{state}");
    }
    assert_eq!(outcome("icinga", &json!({"host": "web-1", "state": 0})), Ok(Action::Resolve));
    assert_eq!(outcome("icinga", &json!({"host": "web-1", "service": "disk", "state": 0.0})), Ok(Action::Resolve));
}

#[test]
fn the_names_of_macros_count_in_every_spelling() {
    let spellings = [
        json!({"NOTIFICATIONTYPE": "RECOVERY", "HOSTNAME": "web-1", "SERVICEDESC": "disk"}),
        json!({"NOTIFY_NOTIFICATIONTYPE": "RECOVERY", "NOTIFY_HOSTNAME": "web-1", "NOTIFY_SERVICEDESC": "disk"}),
        json!({"NAGIOS_NOTIFICATIONTYPE": "RECOVERY", "NAGIOS_HOSTNAME": "web-1", "NAGIOS_SERVICEDESC": "disk"}),
        json!({"notification_type": "RECOVERY", "host_name": "web-1", "service_desc": "disk"}),
        json!({"notificationType": "RECOVERY", "hostName": "web-1", "serviceDesc": "disk"}),
        json!({"notification.type": "RECOVERY", "host.name": "web-1", "service.name": "disk"}),
        json!({"notification": {"type": "RECOVERY"}, "host": {"name": "web-1"}, "service": {"name": "disk"}}),
        json!({"details": {"NOTIFICATIONTYPE": "RECOVERY", "HOSTNAME": "web-1", "SERVICEDESC": "disk"}}),
        json!({"notification type": "recovery", "Host": " web-1 ", "Service": "disk"}),
    ];
    let keys: BTreeSet<String> = spellings
        .iter()
        .map(|body| {
            let mapped = mapped("icinga", body);
            assert_eq!(mapped.events[0].action(), Action::Resolve, "{body}");
            mapped.events[0].dedup_key().expect("an alert").as_str().to_owned()
        })
        .collect();
    assert_eq!(keys, BTreeSet::from(["icinga:web-1:disk".to_owned()]));
}

#[test]
fn neither_contacts_nor_parameters_of_a_script_are_sent_on() {
    for slug in ["checkmk", "icinga"] {
        let body = json!({
            "NOTIFICATIONTYPE": "PROBLEM", "HOSTNAME": "web-1", "CONTACTNAME": "zq-alex", "CONTACTEMAIL": "zq@example.com",
            "NOTIFICATIONAUTHOR": "zq-alex", "PARAMETER_1": "zq-key", "PARAMETER_WEBHOOK_URL": "https://zq.example.com",
        });
        let sent = mapped(slug, &body).events[0].to_json().to_string();
        assert!(!sent.contains("zq"), "{sent}");
    }
}

#[test]
fn an_expression_in_braces_after_a_dollar_is_an_unexpanded_variable() {
    for text in
        ["${N=Alerting;M=AlertID}", "${NodeName}", " ${N=SwisEntity;M=IP_Address} ", "$SERVICEDESC$", "##HOST##"]
    {
        assert!(is_unexpanded_variable(text), "{text}");
    }
    for text in ["${}", "costs ${N}", "${a}${b}", "{3f2a-11}", "$5", "web-1"] {
        assert!(!is_unexpanded_variable(text), "{text}");
    }
}

#[test]
fn a_line_break_or_a_backslash_that_a_template_did_not_escape_loses_no_recovery() {
    let rows = [
        ("checkmk", r#"{"NOTIFICATIONTYPE": "RECOVERY", "HOSTNAME": "web-1", "HOSTOUTPUT": "C:\Windows"#),
        ("dynatrace", r#"{"PID": "7", "State": "RESOLVED", "ProblemDetailsText": "C:\Windows"#),
        ("icinga", r#"{"NOTIFICATIONTYPE": "RECOVERY", "HOSTNAME": "web-1", "HOSTOUTPUT": "C:\Windows"#),
        ("librenms", r#"{"device_id": "7", "rule_id": "3", "state": "0", "msg": "C:\Windows"#),
        ("logicmonitor", r#"{"alertid": "LMD7", "alertstatus": "clear", "message": "C:\Windows"#),
        ("signalfx", r#"{"incidentId": "7", "statusExtended": "ok", "messageBody": "C:\Windows"#),
        ("solarwinds", r#"{"AlertObjectID": "7", "ActionType": "Reset", "AlertMessage": "C:\Windows"#),
        ("argocd", r#"{"app": "shop", "health": "Healthy", "phase": "Succeeded", "message": "C:\Windows"#),
    ];
    for (slug, start) in rows {
        let source = sources::find(slug).expect("a source");
        let body = [start, "\n\tis full\"}"].concat();
        let mapped = fixtures::map(source, body.as_bytes(), &[], false).expect(slug);
        assert_eq!(mapped.events[0].action(), Action::Resolve, "{slug}");
    }
}

#[test]
fn the_recovery_of_a_service_without_its_name_does_not_close_the_alert_of_its_host() {
    for (slug, what) in [("checkmk", "WHAT"), ("icinga", "pd_nagios_object")] {
        let body = json!({"NOTIFICATIONTYPE": "RECOVERY", "HOSTNAME": "web-1", what: "service", "SERVICESTATE": "OK"});
        let source = sources::find(slug).expect("a source");
        let refused = fixtures::map(source, body.to_string().as_bytes(), &[], false).expect_err("it has no identity");
        assert!(refused.to_string().contains("the service's name"), "{slug}: {refused}");
    }
}
