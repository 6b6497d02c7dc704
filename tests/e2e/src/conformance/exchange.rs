//! One exchange: a request, what goes to PagerDuty, and the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use pagerelay::text::sha256_hex;
use serde_json::{Map, Value, json};

use super::folder;
use crate::pagerduty::{Answer, Received};
use crate::root;

/// Texts of the answer up to this length are in the file. Longer ones are there as their SHA-256.
const TEXT_MAX_BYTES: usize = 1500;

/// Headers of the answer that belong to the connection or to the server, and not to the component.
const OF_THE_SERVER: &[&str] = &["connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"];

/// An exchange, as its file has it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The file's name without its ending.
    pub name: String,
    value: Value,
}

/// What a host did.
#[derive(Clone, Debug)]
pub struct Actual {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Bytes,
    /// The requests to PagerDuty.
    pub sent: Vec<Received>,
    /// What the relay calls itself there, and PagerDuty: scheme and authority. The comparison has names for them.
    pub base: String,
    pub pagerduty: String,
}

/// A member that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Such as `answer/status`.
    pub member: String,
    expected: String,
    actual: String,
}

impl Difference {
    pub fn new(member: &str, expected: &str, actual: &str) -> Difference {
        Difference { member: member.to_owned(), expected: expected.to_owned(), actual: actual.to_owned() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}", self.member, self.expected, self.actual)
    }
}

/// All exchanges, in the order of their names.
///
/// # Errors
/// Returns an error if a file cannot be read, or is not an exchange.
pub fn all() -> Result<Vec<Exchange>> {
    let mut exchanges = Vec::new();
    for entry in folder().read_dir()? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".json").filter(|name| name.starts_with(|c: char| c.is_ascii_digit())) {
            exchanges.push(Exchange::read(name).with_context(|| format!("tests/conformance/{name}.json"))?);
        }
    }
    exchanges.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(exchanges)
}

impl Exchange {
    fn read(name: &str) -> Result<Exchange> {
        let text = std::fs::read_to_string(folder().join(format!("{name}.json")))?;
        let value: Value = serde_json::from_str(&text)?;
        let known = [
            "answer",
            "anywhere",
            "pagerduty",
            "request",
            "sends",
            "show",
            "variables",
            "left_out",
            "left_out_elsewhere",
            "what",
        ];
        for member in value.as_object().context("not an object")?.keys() {
            anyhow::ensure!(known.contains(&member.as_str()), "unknown member {member}");
        }
        let exchange = Exchange { name: name.to_owned(), value };
        exchange.body()?;
        for member in ["method", "path"] {
            anyhow::ensure!(exchange.value["request"][member].is_string(), "request/{member}");
        }
        anyhow::ensure!(exchange.value["what"].is_string(), "what");
        Ok(exchange)
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        folder().join(format!("{}.json", self.name))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.value).expect("JSON") + "\n"
    }

    /// The same exchange with another status expected, for tests of the comparison.
    #[must_use]
    pub fn expecting(&self, status: u16) -> Exchange {
        let mut other = self.clone();
        other.value["answer"]["status"] = status.into();
        other
    }

    /// Whether it can run on somebody's relay: it needs no variables but `webhook_secret` and `routing_key`, and sends nothing.
    pub fn runs_anywhere(&self) -> bool {
        self.value["anywhere"] == true
    }

    /// What is wrong with an exchange that says that it runs anywhere.
    pub fn why_not_anywhere(&self) -> Option<String> {
        let variables: Vec<&String> = self.value["variables"].as_object().into_iter().flat_map(Map::keys).collect();
        let needed = variables.into_iter().find(|name| !["webhook_secret", "routing_key"].contains(&name.as_str()));
        let sends = self.value["sends"]["count"] != 0 || self.value["pagerduty"].is_array();
        let (name, sends) =
            (needed.map(|name| format!("it needs {name}")), sends.then(|| "it sends something".to_owned()));
        name.or(sends)
    }

    /// The variables, with this URL for PagerDuty: scheme and authority.
    pub fn variables(&self, pagerduty: &str) -> BTreeMap<String, String> {
        let given = self.value["variables"].as_object().into_iter().flatten();
        // A template or rules are easier to read as JSON.
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut variables: BTreeMap<String, String> =
            given.map(|(name, value)| (name.clone(), text(value).replace("{pagerduty}", pagerduty))).collect();
        variables.entry("events_url".to_owned()).or_insert_with(|| format!("{pagerduty}/v2/enqueue"));
        variables
    }

    /// How many requests go to PagerDuty.
    pub fn sends_count(&self) -> usize {
        self.value["sends"]["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
    }

    /// PagerDuty's answers, in order. After the last one, it accepts.
    pub fn script(&self) -> Vec<Answer> {
        let one = |answer: &Value| {
            match answer["fails"].as_str() {
                Some("closes") => return Answer::Close,
                Some("is silent") => return Answer::Stall,
                _ => {}
            }
            let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
            match &answer["body"] {
                Value::Null if status == 202 => Answer::Own,
                Value::Null => Answer::say(status, ""),
                Value::String(text) => Answer::say(status, text),
                json => Answer::say(status, &json.to_string()),
            }
        };
        self.value["pagerduty"].as_array().into_iter().flatten().map(one).collect()
    }

    /// Method, path with query, and headers.
    pub fn head(&self, secret: &str) -> (String, String, Vec<(String, String)>) {
        let request = &self.value["request"];
        let text = |value: &Value| value.as_str().unwrap_or_default().replace("{secret}", secret);
        let query = text(&request["query"]);
        let query = if query.is_empty() { query } else { format!("?{query}") };
        let headers = request["headers"].as_object().into_iter().flatten();
        let headers = headers.map(|(name, value)| (name.clone(), text(value))).collect();
        (text(&request["method"]), text(&request["path"]) + &query, headers)
    }

    /// The body of the request.
    ///
    /// # Errors
    /// Returns an error if the member is none of the forms that the README lists.
    pub fn body(&self) -> Result<Bytes> {
        let body = &self.value["request"]["body"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(match body {
            Value::Null => Bytes::new(),
            Value::String(text) => text.clone().into(),
            Value::Object(form) => match form.iter().next() {
                Some((name, value)) if name == "json" => value.to_string().into(),
                Some((name, value)) if name == "base64" => Base64::decode_vec(value.as_str().unwrap_or_default())
                    .map_err(|error| anyhow::anyhow!("{error}"))?
                    .into(),
                Some((name, value)) if name == "file" => {
                    std::fs::read(root().join(value.as_str().context("a path")?)).context("body/file")?.into()
                }
                Some((name, value)) if name == "repeat" => {
                    let part = |name: &str| text(&value[name]).with_context(|| format!("body/repeat/{name}"));
                    let (each, times) = (part("each")?, value["times"].as_u64().context("body/repeat/times")?);
                    let items: Vec<String> = (0..times).map(|n| each.replace("{n}", &format!("{n:04}"))).collect();
                    format!("{}{}{}", part("before")?, items.join(&part("between")?), part("after")?).into()
                }
                _ => bail!("body"),
            },
            _ => bail!("body"),
        })
    }

    /// What is expected, without what is left out.
    pub fn expected(&self, ours: bool) -> Value {
        let sends = if ours { self.value["sends"].clone() } else { Value::Null };
        self.without_left_out(json!({"answer": self.value["answer"], "sends": sends}), ours)
    }

    /// What a host did, in the form and with the headers of what is expected.
    pub fn like(&self, expected: &Value, actual: &Actual, ours: bool) -> Value {
        let mut answer = self.answer(actual);
        let headers = expected["answer"]["headers"].as_object().into_iter().flatten();
        answer["headers"] = headers.map(|(name, _)| (name.clone(), json!(actual.headers.get(name)))).collect();
        let sends = if ours { self.sends(actual) } else { Value::Null };
        self.without_left_out(json!({"answer": answer, "sends": sends}), ours)
    }

    /// Takes over what a host did.
    pub fn learn(&mut self, actual: &Actual) {
        let mut answer = self.answer(actual);
        let own = actual.headers.iter().filter(|(name, _)| !OF_THE_SERVER.contains(&name.as_str()));
        let mut headers: Map<String, Value> = own.map(|(name, value)| (name.clone(), json!(value))).collect();
        if [429, 502, 503].contains(&actual.status) {
            // Whether a sender shall retry is a part of the answer.
            headers.entry("retry-after").or_insert(Value::Null);
        }
        answer["headers"] = headers.into();
        let both = self.without_left_out(json!({"answer": answer, "sends": self.sends(actual)}), true);
        self.value["answer"] = both["answer"].clone();
        self.value["sends"] = both["sends"].clone();
    }

    /// The answer without its headers.
    fn answer(&self, actual: &Actual) -> Value {
        let text = std::str::from_utf8(&actual.body).ok().map(|text| {
            let host = |url: &str| url.split_once("://").map_or_else(String::new, |(_, host)| host.to_owned());
            let text = text.replace(&actual.base, "https://relay.test").replace(&host(&actual.base), "relay.test");
            text.replace(&actual.pagerduty, "https://pagerduty.test")
                .replace(&host(&actual.pagerduty), "pagerduty.test")
        });
        let is_json = actual.headers.get("content-type").is_some_and(|kind| kind.contains("json"));
        let json = text.as_ref().filter(|_| is_json).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let body = match (json, text) {
            (Some(json), _) => json!({"json": json}),
            (None, Some(text)) if text.len() <= TEXT_MAX_BYTES => json!({"text": text}),
            (None, Some(text)) => json!({"bytes": text.len(), "sha256": sha256_hex(text.as_bytes())}),
            (None, None) => json!({"bytes": actual.body.len(), "sha256": sha256_hex(&actual.body)}),
        };
        json!({"status": actual.status, "body": body})
    }

    /// The requests to PagerDuty in an order of their own, because those of different alerts are sent concurrently.
    fn sends(&self, actual: &Actual) -> Value {
        let mut all: Vec<(String, String, &Received)> =
            actual.sent.iter().map(|sent| (sent.path.clone(), sha256_hex(&sent.bytes), sent)).collect();
        // By length first: an event may contain a number that is new each time.
        all.sort_by(|one, other| (&one.0, one.2.bytes.len(), &one.1).cmp(&(&other.0, other.2.bytes.len(), &other.1)));
        let lines: String = all.iter().map(|(path, sum, _)| format!("{path} {sum}\n")).collect();
        let kinds: BTreeSet<Option<&String>> = all.iter().map(|(.., sent)| sent.headers.get("content-type")).collect();
        // Of a storm, only the event whose dedup key begins like this is shown.
        let show = self.value["show"].as_str().unwrap_or_default();
        let shown =
            all.iter().filter(|(.., sent)| sent.event["dedup_key"].as_str().unwrap_or_default().starts_with(show));
        let shown: Vec<Value> =
            shown.map(|(path, sum, sent)| json!({"path": path, "sha256": sum, "json": sent.event})).collect();
        json!({"count": all.len(), "sha256": sha256_hex(lines.as_bytes()), "content_types": kinds, "requests": shown})
    }

    /// Removes the members that depend on time or on the list of sources, and on somebody's relay those that depend on its
    /// variables.
    fn without_left_out(&self, mut both: Value, ours: bool) -> Value {
        let list = |name: &str| self.value[name].as_array().cloned().unwrap_or_default();
        let elsewhere = if ours { Vec::new() } else { list("left_out_elsewhere") };
        for pointer in list("left_out").iter().chain(&elsewhere).filter_map(Value::as_str) {
            let steps: Vec<&str> = pointer.split('/').skip(1).collect();
            remove(&mut both, &steps);
        }
        both
    }
}

/// Removes the members at a path. `*` is every item of a list.
fn remove(value: &mut Value, steps: &[&str]) {
    match (value, steps) {
        (Value::Object(members), [last]) => {
            members.remove(*last);
        }
        (Value::Object(members), [first, rest @ ..]) => {
            if let Some(member) = members.get_mut(*first) {
                remove(member, rest);
            }
        }
        (Value::Array(items), ["*", rest @ ..]) => items.iter_mut().for_each(|item| remove(item, rest)),
        (Value::Array(items), [index, rest @ ..]) => {
            if let Some(item) = index.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

/// The members that differ.
pub fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    flatten("", expected, &mut left);
    flatten("", actual, &mut right);
    let members: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let word = |values: &BTreeMap<String, String>, member: &String| {
        values.get(member).map_or_else(|| "nothing".to_owned(), |value| shortened(value))
    };
    let differing = members.into_iter().filter(|member| left.get(*member) != right.get(*member));
    differing.map(|member| Difference::new(member, &word(&left, member), &word(&right, member))).collect()
}

fn flatten(at: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}/{name}") };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(name, member)| flatten(&below(name), member, into));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, item)| flatten(&below(&index.to_string()), item, into));
        }
        leaf => {
            into.insert(at.to_owned(), leaf.to_string());
        }
    }
}

fn shortened(value: &str) -> String {
    if value.chars().count() <= 200 { value.to_owned() } else { value.chars().take(200).chain(['…']).collect() }
}
