//! JSON of the user's own, read by the names that people usually give to such members.

use serde_json::Value;

use super::generic::{self, plain};
use super::verdict::{UNDER_WAY, Verdict, judge};
use super::{Via, names, texts};
use crate::json::Node;
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, Event, Severity};
use crate::text;

/// Names of a title, then names of texts that may be one if there is no subject.
const TITLES: &[&str] = &[
    "title",
    "summary",
    "subject",
    "alertname",
    "alerttitle",
    "alert",
    "name",
    "check",
    "checkname",
    "rule",
    "rulename",
    "headline",
];
const TEXTS: &[&str] = &["event", "text", "message", "msg", "description", "reason", "error", "errormessage"];

const MESSAGES: &[&str] = &["message", "description", "reason", "details", "error", "errormessage", "body", "output"];
const SEVERITIES: &[&str] = &["severity", "level", "priority", "urgency", "criticality", "loglevel"];
const STATES: &[&str] = &[
    "state",
    "status",
    "alertstate",
    "newstate",
    "newstatevalue",
    "currentstate",
    "action",
    "eventtype",
    "transition",
];
const FLAGS: &[(&str, bool)] = &[("resolved", true), ("ok", true), ("success", true), ("firing", false), ("up", true)];
const IDS: &[&str] = &[
    "dedupkey",
    "alertid",
    "incidentid",
    "incidentkey",
    "fingerprint",
    "alias",
    "correlationid",
    "key",
    "checkid",
    "monitorid",
    "ruleid",
];
const THINGS: &[&str] = &[
    "host",
    "hostname",
    "instance",
    "resource",
    "server",
    "node",
    "service",
    "servicename",
    "device",
    "entity",
    "target",
    "component",
    "cluster",
    "app",
    "application",
    "job",
    "source",
];
const LINKS: &[&str] = &["url", "link", "htmlurl", "dashboard", "runbookurl", "console"];
const TIMES: &[&str] = &["timestamp", "time", "date", "createdat", "startsat"];

/// Objects whose members count like those of the message.
const INSIDE: &[&str] = &["alert", "incident", "event", "data", "content", "labels"];

/// The scalar members of a message, by their names in lower case.
struct Members<'a>(Vec<(String, &'a Value)>);

impl<'a> Members<'a> {
    fn of(message: Node<'a>) -> Members<'a> {
        let outer = message.members().into_iter().flatten();
        let mut members: Vec<(String, &Value)> = outer.map(|(name, value)| (plain(name), value)).collect();
        let inside: Vec<&Value> =
            members.iter().filter(|(name, _)| INSIDE.contains(&name.as_str())).map(|(_, value)| *value).collect();
        for object in inside.into_iter().filter_map(Value::as_object) {
            members.extend(object.iter().map(|(name, value)| (plain(name), value)));
        }
        Members(members)
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_object() && !value.is_null())
            .map(|(_, value)| *value)
    }

    /// The first text among members with these names.
    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| Node::root(self.value(name)?).text())
    }
}

/// Maps a message. `text` is the same as text.
///
/// # Errors
/// Returns [`MapError`] if the message is empty.
pub(super) fn map(message: Node<'_>, text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    let members = Members::of(message);
    let chat = message.at("content.description").text().filter(|_| message.get("metadata").value().is_some());
    let titled = members.text(TITLES).or_else(|| Some(via.subject.to_owned()).filter(|subject| !subject.is_empty()));
    let titled = titled.or_else(|| chat.as_ref().and_then(|text| text.lines().next().map(str::to_owned)));
    let Some(title) = titled.or_else(|| members.text(TEXTS)) else { return unknown(message, text, via) };
    let title = without_markup(&title);
    let texts::Subject { action: by_prefix, about: subject, .. } = texts::subject(&title);
    let action = match state(&members) {
        Some(Verdict::Over) => Action::Resolve,
        Some(Verdict::Ignore(reason)) => return Ok(Mapped::nothing(reason)),
        Some(Verdict::Open(_)) => Action::Trigger,
        None => by_prefix.unwrap_or(Action::Trigger),
    };
    // The `source` of a chat notification is always `custom`.
    let is_chat = message.get("metadata").value().is_some() && message.get("content").value().is_some();
    let thing = members.text(THINGS).filter(|_| !is_chat);
    let has_state = state(&members).is_some();
    let id = members.text(IDS).or_else(|| message.at("metadata.threadId").text());
    let id = id.or_else(|| members.text(&["id"]).filter(|_| has_state && thing.is_none()));
    let key = match &id {
        Some(id) => via.key(&[via.topic, "id", id])?,
        None => via.key(&[via.topic, "title", &subject, thing.as_deref().unwrap_or_default()])?,
    };
    let severity = members.text(SEVERITIES).and_then(|word| Severity::from_word(&word));
    let severity = severity.or_else(|| keyword(message)).unwrap_or(Severity::Warning);
    let place = thing.as_deref().map(names::short).unwrap_or_default();
    let place = if names::says(&title, place) { "" } else { place };
    let told = members.text(MESSAGES).or(chat).filter(|told| !title.contains(told.as_str()));
    let told = told.as_deref().map(str::trim).and_then(|told| told.lines().next()).unwrap_or_default();
    let summary = names::readable(&text::join_nonempty(&[&title, place, told], ": "));
    let source_field = thing.as_deref().map_or(via.topic_name(), names::short);
    let event = Event::new(action, key, severity, &summary, source_field)
        .timestamp(time(&members).or_else(|| via.time.map(str::to_owned)))
        .detail("Subject", via.subject.into())
        .detail("TopicArn", via.topic.into())
        .detail("message", message.value().cloned().into());
    Ok(Mapped::one(match members.text(LINKS) {
        Some(url) if url.starts_with("http") => event.link("Link", Some(url)),
        _ => event,
    }))
}

/// A message with no member that is known.
fn unknown(message: Node<'_>, text: &str, via: &Via<'_>) -> Result<Mapped, MapError> {
    if let Some(told) = message.members().filter(|members| members.is_empty()).map(|_| "{}") {
        let key = via.key(&[via.topic, "empty", told])?;
        return Ok(Mapped::one(Event::new(
            Action::Trigger,
            key,
            Severity::Warning,
            "an empty message",
            via.topic_name(),
        )));
    }
    let names = message.members().into_iter().flatten().map(|(name, _)| name.as_str());
    let mut shape = names.collect::<Vec<&str>>().join(",");
    shape.push('\n');
    shape.push_str(&generic::identity(message, "").join(","));
    let key = via.key(&[via.topic, "shape", &text::sha256_hex(shape.as_bytes())])?;
    let shown = if text.is_empty() { shape } else { text::one_line(text) };
    let summary = names::readable(&text::truncate(&shown, 300));
    let event = Event::new(Action::Trigger, key, Severity::Warning, &summary, via.topic_name());
    let event = event.timestamp(via.time.map(str::to_owned)).detail("TopicArn", via.topic.into());
    Ok(Mapped::one(event.detail("message", message.value().cloned().into())))
}

/// What the state says. Only words of progress are ignored: a word that nobody knows triggers.
fn state(members: &Members<'_>) -> Option<Verdict> {
    let spoken = STATES.iter().find_map(|name| {
        let word = Node::root(members.value(name)?).text()?;
        let busy = ["running", "started", "starting", "in progress", "pending", "queued", "scheduled"];
        // Commands, as in PagerDuty's Events API.
        if matches!(word.to_ascii_lowercase().as_str(), "close" | "recover" | "resolve") {
            return Some(Verdict::Over);
        }
        match judge(&word, true) {
            Some(Verdict::Ignore(UNDER_WAY)) if busy.iter().any(|busy| super::verdict::same(busy, &word)) => {
                Some(Verdict::Ignore(UNDER_WAY))
            }
            Some(Verdict::Ignore(_)) => Some(Verdict::Open(None)),
            Some(verdict) => Some(verdict),
            // `action` and the like may say something else.
            None if matches!(*name, "action" | "eventtype" | "transition") => None,
            None => Some(Verdict::Open(None)),
        }
    });
    let flag = |(name, good): &(&str, bool)| {
        let said = match members.value(name)? {
            Value::Bool(flag) => *flag,
            Value::Number(number) if matches!(*name, "ok" | "up") => number.as_u64()? != 0,
            _ => return None,
        };
        Some(if said == *good { Verdict::Over } else { Verdict::Open(None) })
    };
    let over = ["ok", "clear", "cleared", "recovered", "resolved"];
    let by_severity = || {
        let word = members.text(SEVERITIES)?;
        over.iter().any(|over| word.eq_ignore_ascii_case(over)).then_some(Verdict::Over)
    };
    spoken.or_else(|| FLAGS.iter().find_map(flag)).or_else(by_severity)
}

/// The severity among the keywords and the context of a chat notification.
fn keyword(message: Node<'_>) -> Option<Severity> {
    let keywords = message.at("content.keywords").items().into_iter().flatten();
    let mut words = keywords.filter_map(|word| Node::root(word).text());
    let context = message.pick(&["metadata.additionalContext.severity", "metadata.additionalContext.priority"]);
    context.and_then(|word| Severity::from_word(&word)).or_else(|| words.find_map(|word| Severity::from_word(&word)))
}

fn time(members: &Members<'_>) -> Option<String> {
    TIMES.iter().find_map(|name| Node::root(members.value(name)?).time())
}

/// A title without the marks of chat: `:warning:` and `*bold*`.
fn without_markup(title: &str) -> String {
    let is_mark = |word: &&str| {
        let name = word.strip_prefix(':').and_then(|word| word.strip_suffix(':'));
        !name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty())
    };
    let words: Vec<&str> = title.split_whitespace().filter(is_mark).collect();
    words.join(" ")
}
