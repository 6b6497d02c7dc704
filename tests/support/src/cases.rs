//! Payloads that the relay once got wrong, with what is right: `PAGERELAY_CASES=<folder>` names the folder with
//! `cases.json` and `aws.jsonl`. The folder is not part of this repository; its `run.py` tries the same cases on a running
//! relay.

use std::collections::BTreeMap;
use std::path::Path;

use pagerelay::sources::{self, SOURCES, Source};
use serde_json::{Value, json};

use crate::{credentials, secret_for};

/// A payload, and what is expected of its preview.
pub struct Case {
    pub id: String,
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
    expect: Value,
}

/// The cases of `cases.json`.
fn of_all(folder: &Path) -> Vec<Case> {
    let text = std::fs::read(folder.join("cases.json")).expect("cases.json is readable");
    let file: Value = serde_json::from_slice(&text).expect("cases.json is json");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let case = |case: &Value| Case {
        id: text(&case["id"]),
        path: text(&case["path"]),
        headers: case["headers"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        body: text(&case["body"]),
        expect: case["expect"].clone(),
    };
    file["cases"].as_array().expect("a list of cases").iter().map(case).collect()
}

/// The lines of `aws.jsonl`: each inside an envelope of Amazon SNS, and events also as EventBridge posts them.
fn of_aws(folder: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(folder.join("aws.jsonl")).expect("aws.jsonl is readable");
    let lines: Vec<Value> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).expect("json"))
        .collect();
    let bare: Vec<&Value> = lines.iter().filter(|line| line["in"] == "eventbridge").collect();
    let names: Vec<&str> = bare.iter().filter_map(|line| line["id"].as_str()).collect();
    let list = |value: &Value| match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let expect = |line: &Value| {
        let want = &line["expect"];
        let mut expect = match want["action"].as_str() {
            Some("ignored") => json!({"ignored": true}),
            _ => json!({"actions": [want["action"]]}),
        };
        if !want["severity"].is_null() {
            expect["severity"] = want["severity"].clone();
        }
        expect["summary"] = list(&want["summary_has"]).into();
        expect["same_key"] = list(&want["same_key_as"]).into();
        expect["other_key"] = list(&want["other_key_than"]).into();
        expect
    };
    let enveloped = |line: &Value| {
        let message = line["body"].as_str().map_or_else(|| line["body"].to_string(), str::to_owned);
        let mut body = json!({"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
            "Message": message, "Timestamp": "2026-11-26T10:00:00.000Z", "SignatureVersion": "1"});
        if !line["subject"].is_null() {
            body["Subject"] = line["subject"].clone();
        }
        let headers = [("x-amz-sns-message-type", "Notification"), ("content-type", "text/plain; charset=UTF-8")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let id = line["id"].as_str().unwrap_or_default().to_owned();
        Case {
            id,
            path: "/preview/sns".to_owned(),
            headers: headers.into(),
            body: body.to_string(),
            expect: expect(line),
        }
    };
    let posted = |line: &&Value| {
        let mut expect = expect(line);
        for name in ["same_key", "other_key"] {
            let known =
                expect[name].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|id| names.contains(id));
            expect[name] = known.map(|id| format!("eventbridge:{id}")).collect();
        }
        let id = format!("eventbridge:{}", line["id"].as_str().unwrap_or_default());
        Case {
            id,
            path: "/preview/eventbridge".to_owned(),
            headers: Vec::new(),
            body: line["body"].to_string(),
            expect,
        }
    };
    let posted = bare.iter().map(posted).filter(|_| sources::find("eventbridge").is_some());
    lines.iter().map(enveloped).chain(posted).collect()
}

impl Case {
    fn source(&self) -> &'static Source {
        let source = SOURCES.iter().find(|source| self.path.split(['/', '?']).nth(2) == Some(source.slug));
        source.unwrap_or_else(|| panic!("{}: a source", self.id))
    }

    /// The path, the query and the headers, with the source's credentials. `now` is in seconds since the Unix epoch.
    pub fn request(&self, now: u64) -> (&str, String, Vec<(String, String)>) {
        let credentials = credentials::of(self.source(), secret_for(&self.path), self.body.as_bytes(), now);
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let query =
            [query, &credentials.query].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.retain(|(name, _)| !self.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)));
        headers.extend(self.headers.iter().chain(&credentials.headers).cloned());
        (path, query, headers)
    }
}

/// What falls short of the expectation.
fn faults(case: &Case, (status, reply): &(u16, Value), keys: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let (want, mut faults) = (&case.expect, Vec::new());
    let mut check = |good: bool, fault: String| faults.extend((!good).then_some(fault));
    let events: Vec<&Value> = reply["events"].as_array().into_iter().flatten().map(|event| &event["body"]).collect();
    let texts = |name: &str| want[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    check(u64::from(*status) == want["status"].as_u64().unwrap_or(200), format!("status {status}"));
    let actions: Vec<&str> = events.iter().map(|event| event["event_action"].as_str().unwrap_or("change")).collect();
    if want["ignored"] == true {
        check(events.is_empty() && !reply["ignored"].is_null(), format!("not ignored: {actions:?}"));
    }
    if let Some(count) = want["count"].as_u64() {
        check(events.len() as u64 == count, format!("{} events", events.len()));
    }
    if want["actions"].is_array() {
        check(json!(actions) == want["actions"], format!("actions {actions:?}"));
    }
    for action in texts("not_actions") {
        check(!actions.contains(&action), format!("an event has action {action}"));
    }
    let payload = events.first().map_or(&Value::Null, |event| &event["payload"]);
    match &want["severity"] {
        Value::Null => {}
        Value::Array(words) => check(words.contains(&payload["severity"]), format!("severity {}", payload["severity"])),
        word => check(*word == payload["severity"], format!("severity {}", payload["severity"])),
    }
    let summary = payload["summary"].as_str().unwrap_or_default();
    let says = |text: &str| summary.to_lowercase().contains(&text.to_lowercase());
    for text in texts("summary") {
        check(says(text), format!("summary lacks {text:?}: {summary:?}"));
    }
    for text in texts("not_summary") {
        check(!says(text), format!("summary holds {text:?}: {summary:?}"));
    }
    if !want["source"].is_null() {
        check(want["source"] == payload["source"], format!("source {}", payload["source"]));
    }
    if let Some(text) = want["detail"].as_str() {
        check(payload["custom_details"].to_string().contains(text), "details lack it".to_owned());
    }
    let own = keys.get(&case.id).cloned().flatten();
    let same = |other: &str| keys.get(other).cloned().flatten() == own;
    for other in texts("same_key") {
        check(own.is_some() && same(other), format!("key {own:?} is not {other}'s"));
    }
    for other in texts("other_key") {
        check(own.is_some() && !same(other), format!("key {own:?} is {other}'s too"));
    }
    faults
}

/// Tries all cases. `preview` returns the status and the reply of one. Returns how many are as expected, one line for each
/// file, and what falls short.
pub fn try_all(folder: &Path, preview: &dyn Fn(&Case) -> (u16, Value)) -> (Vec<String>, Vec<String>) {
    let (mut counts, mut wrong) = (Vec::new(), Vec::new());
    for cases in [of_all(folder), of_aws(folder)] {
        let replies: Vec<(u16, Value)> = cases.iter().map(preview).collect();
        let key = |reply: &Value| reply["events"][0]["dedup_key"].as_str().map(str::to_owned);
        let keys = cases.iter().zip(&replies).map(|(case, (_, reply))| (case.id.clone(), key(reply))).collect();
        let mut short = 0;
        for (case, reply) in cases.iter().zip(&replies) {
            let faults = faults(case, reply, &keys);
            short += usize::from(!faults.is_empty());
            wrong.extend((!faults.is_empty()).then(|| format!("{}: {}", case.id, faults.join("; "))));
        }
        counts.push(format!("cases: {} of {} as expected", cases.len() - short, cases.len()));
    }
    (counts, wrong)
}
