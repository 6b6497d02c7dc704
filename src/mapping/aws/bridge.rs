//! An event of EventBridge, read by its row in the table of kinds.

use std::borrow::Cow;

use serde_json::Value;

use super::kinds::{self, Kind};
use super::verdict::{self, HARMLESS, Verdict};
use super::{Ignored, Via, generic, names, places};
use crate::json::{self, Node};
use crate::mapping::budget::{self, Budget};
use crate::mapping::{MapError, Mapped};
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// How much of a reason the summary shows, in UTF-16 code units.
const REASON_MAX_CHARS: usize = 300;

/// An event, and the item of it that is mapped.
pub(super) struct Bridge<'a> {
    /// The whole event.
    pub(super) event: Node<'a>,
    /// Its `detail`, or one item of a list in it.
    pub(super) detail: Node<'a>,
    /// Its `detail-type`.
    pub(super) kind: String,
    /// Its `source`.
    pub(super) origin: String,
}

/// Maps an event. A list of findings makes an event for each.
pub(super) fn map(event: Node<'_>, via: &Via<'_>) -> Result<Mapped, MapError> {
    let kind = event.pick(&["detail-type", "detailType"]).unwrap_or_default();
    let origin = event.get("source").text().unwrap_or_default();
    let row = kinds::find(&origin, &kind);
    let detail = event.get("detail");
    let items = detail.at(row.each).items().filter(|items| !row.each.is_empty() && !items.is_empty());
    let Some(items) = items else {
        return Bridge { event, detail, kind, origin }.map(row, via);
    };
    let (mut mapped, mut budget) = (Mapped::default(), Budget::of(via.delivery));
    for (index, item) in items.iter().enumerate() {
        let item = Bridge { event, detail: Node::root(item), kind: kind.clone(), origin: origin.clone() };
        let one = item.map(row, via)?;
        let path = || format!("detail.{}[{index}]", row.each);
        mapped.ignored.extend(one.ignored.into_iter().map(|ignored| Ignored { item: path(), ..ignored }));
        let list = || ["detail.", row.each].concat();
        mapped.events.extend(one.events.into_iter().map(|event| budget.fit(event).of_item(list(), index)));
    }
    Ok(mapped)
}

impl Bridge<'_> {
    fn map(&self, row: &Kind, via: &Via<'_>) -> Result<Mapped, MapError> {
        let (verdict, state) = self.verdict(row);
        let (action, severity) = match verdict {
            Verdict::Ignore(reason) => return Ok(Mapped::nothing(reason)),
            Verdict::Over => (Action::Resolve, None),
            Verdict::Open(severity) => (Action::Trigger, severity),
        };
        let key = match self.key(row, via) {
            Some(key) => key,
            // Without an identity, a trigger is an alert of its own, and a recovery is nobody's.
            None if action == Action::Resolve => return Ok(Mapped::nothing(HARMLESS)),
            None => self.lone_key(via)?,
        };
        Ok(Mapped::one(self.alert(row, via, (action, severity, key), state.as_deref())))
    }

    /// The key of an event in which nothing identifies the thing.
    fn lone_key(&self, via: &Via<'_>) -> Result<DedupKey, MapError> {
        let id = self.event.pick(&["id", "resources.0"]);
        let id = id.unwrap_or_else(|| text::sha256_hex(&json::encode(&self.detail.value().cloned().into())));
        via.key(&[&self.origin, &self.kind, "event", &id])
    }

    /// The verdict, and the word that decided it.
    fn verdict(&self, row: &Kind) -> (Verdict, Option<String>) {
        let word = if row.state.is_empty() { generic::state(self.detail) } else { self.one(row.state) };
        // A rule of the row knows better.
        if let Some(verdict) = row.rule.and_then(|rule| rule(self)) {
            return (verdict, word);
        }
        let is_finding = row.is_finding || generic::is_finding(self.detail);
        let judged = word.as_deref().and_then(|word| {
            let own = row.verdict(Some(word));
            own.or_else(|| row.verdict(None)).or_else(|| verdict::judge(word, is_finding))
        });
        if let Some(verdict) = judged.or_else(|| row.verdict(None)) {
            return (verdict, word);
        }
        // An unknown word triggers with the word in the summary: an unnecessary page is the lesser evil.
        let level = generic::level(self.detail).or_else(|| generic::last_words(&self.kind).filter(|_| word.is_none()));
        (level.unwrap_or(Verdict::Open(Some(Severity::Warning))), word)
    }

    /// The key: service, family, account, region, and the ids of the thing. Returns `None` if nothing identifies it.
    fn key(&self, row: &Kind, via: &Via<'_>) -> Option<DedupKey> {
        let mut ids = self.all(row.key);
        if row.is_alone {
            return if ids.first().is_some_and(|id| !id.is_empty()) { self.own_key(&ids, via) } else { None };
        }
        if ids.iter().all(String::is_empty) {
            ids = generic::identity(self.detail, &self.resource());
        }
        if ids.iter().all(String::is_empty) {
            return None;
        }
        let family = if row.family.is_empty() { generic::family(&self.kind) } else { row.family.to_owned() };
        let [account, region] = self.place();
        let mut parts = vec![self.origin.clone(), family, account, region];
        parts.extend(ids);
        let key = DedupKey::sparse(via.slug, &parts)?.without_former();
        Some(if via.has_former_keys && row.had_key { key.instead_of(&self.former_key(via)?) } else { key })
    }

    /// The key that earlier versions made: it had the whole type, and the first resource, even that of a run.
    fn former_key(&self, via: &Via<'_>) -> Option<DedupKey> {
        let text = |node: Node<'_>| node.text().unwrap_or_default();
        let resource = text(self.event.at("resources.0"));
        let hash = || text::sha256_hex(&json::encode(&self.detail.value().cloned().into()));
        let what = self.detail.pick(&["findingId", "id", "configRuleName"]);
        let what = what.unwrap_or_else(|| if resource.is_empty() { hash() } else { String::new() });
        let [account, region] = self.place();
        let id = text(self.detail.get("resourceId"));
        DedupKey::sparse(via.slug, &[self.origin.clone(), self.kind.clone(), account, region, what, id, resource])
    }

    /// The key of ids that are unique by themselves.
    fn own_key(&self, ids: &[String], via: &Via<'_>) -> Option<DedupKey> {
        let key = DedupKey::sparse(via.slug, ids)?;
        if !via.has_former_keys {
            return Some(key.without_former());
        }
        // Earlier versions took the account that received the event, and not the account that it is about.
        let [account, _] = self.place();
        match ids {
            [id, other] if *other != account && !account.is_empty() => {
                Some(key.instead_of(&DedupKey::new(via.slug, &[id, &account])?))
            }
            _ => Some(key),
        }
    }

    fn alert(
        &self,
        row: &Kind,
        via: &Via<'_>,
        decided: (Action, Option<Severity>, DedupKey),
        state: Option<&str>,
    ) -> Event {
        let (action, given, key) = decided;
        let word = self.one(row.severity_word).and_then(|word| verdict::severity(&word));
        // For a recovery, the severity is that of the kind: its level says that all is well.
        let word = word.filter(|_| action == Action::Trigger && !row.severity_word.is_empty());
        let severity = given.or(word).unwrap_or(row.severity);
        let thing = self.thing(row);
        let [account, region] = self.place();
        let detail = self.shown();
        let event = Event::new(action, key, severity, &self.summary(row, &thing, state), &thing)
            .component(Some(self.origin.clone()))
            .class(Some(self.kind.clone()))
            .group(Some(text::join_nonempty(&[&account, &region], " ")))
            .timestamp(self.event.get("time").time().or_else(|| via.time.map(str::to_owned)))
            .detail("detail", detail);
        let event =
            if row.each.is_empty() { event.details(self.event, &["resources", "account", "region"]) } else { event };
        if row.link.is_empty() { event } else { event.link("AWS console", self.one(row.link)) }
    }

    /// `what happened to what: state: reason`, in one line.
    fn summary(&self, row: &Kind, thing: &str, state: Option<&str>) -> String {
        let titles = self.all(row.title);
        let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
        let title = names::readable(&text::join_nonempty(&titles, ": "));
        let reasons = self.all(row.reason);
        let mut seen: Vec<&str> = Vec::new();
        for reason in &reasons {
            if !seen.iter().any(|seen| seen.contains(reason.as_str())) {
                seen.push(reason);
            }
        }
        let reason = names::readable(&text::join_nonempty(&seen, ": "));
        let reason = text::truncate(&reason, REASON_MAX_CHARS);
        if !title.is_empty() {
            let thing = if names::says(&title, thing) || self.named(row).is_none() { "" } else { thing };
            return text::join_nonempty(&[title.trim_end_matches('.'), thing, &reason], ": ");
        }
        // The state may be the type itself, or a part of the reason.
        let by_type = state.is_none_or(|state| verdict::same(state, &self.kind));
        let label = if by_type { self.kind.clone() } else { generic::label(&self.kind) };
        let state = state.filter(|state| !by_type && !reason.contains(state)).unwrap_or_default();
        let what = text::join_nonempty(&[&label, thing], " ");
        text::join_nonempty(&[&what, state, &reason], ": ")
    }

    /// The name of the thing, for people.
    fn thing(&self, row: &Kind) -> String {
        let [account, _] = self.place();
        let resource = || self.event.at("resources.0").text().filter(|_| row.title.is_empty());
        let named = self.named(row).or_else(|| resource().map(|id| names::short(&id).to_owned()));
        named.filter(|name| !name.is_empty()).unwrap_or(account)
    }

    fn named(&self, row: &Kind) -> Option<String> {
        let paths = if row.thing.is_empty() { row.key } else { row.thing };
        let mut ids = self.all(paths);
        if ids.iter().all(String::is_empty) && row.title.is_empty() {
            // A hash is no name.
            let known = generic::identity(self.detail, &self.resource());
            ids = known.into_iter().filter(|id| !id.is_empty()).take(1).filter(|id| id.len() != 64).collect();
        }
        let mut shown: Vec<&str> = ids.iter().map(|id| names::short(id)).filter(|id| !id.is_empty()).collect();
        shown.dedup();
        let named = text::join_nonempty(&shown, "/");
        (!named.is_empty()).then_some(named)
    }

    /// `detail` without what may contain secrets or personal data.
    fn shown(&self) -> Value {
        let hidden: &[&[&str]] = match self.origin.as_str() {
            "aws.states" => &[&["input"], &["output"]],
            "aws.codebuild" => &[&["additional-information", "environment"], &["exported-environment-variables"]],
            "aws.batch" => &[&["parameters"], &["container"], &["eksProperties"], &["nodeProperties"]],
            "aws.ecs" => &[&["overrides"]],
            "lambda" => &[&["requestPayload"]],
            _ => return self.detail.value().cloned().into(),
        };
        let mut shown: Value = self.detail.value().cloned().into();
        for path in hidden {
            if self.detail.at(&path.join(".")).value().is_some() {
                shown = Value::Object(budget::without(Node::root(&shown), path));
            }
        }
        shown
    }

    /// The account and the region.
    pub(super) fn place(&self) -> [String; 2] {
        [&["account", "detail.accountId"], &["region", "detail.awsRegion"]]
            .map(|paths| self.event.pick(paths).unwrap_or_default())
    }

    /// The first of `resources` that is not a run. Empty if there are only runs.
    pub(super) fn resource(&self) -> String {
        let texts = self.event.get("resources").items().into_iter().flatten();
        let mut texts = texts.filter_map(|item| Node::root(item).text());
        texts.find(|id| !names::is_run(id)).map_or_else(String::new, |id| names::stable(&id).to_owned())
    }

    /// The texts at a list of paths. Missing ones are empty.
    pub(super) fn all(&self, paths: &str) -> Vec<String> {
        if paths.is_empty() {
            return Vec::new();
        }
        paths.split(',').map(|path| self.one(path).unwrap_or_default()).collect()
    }

    /// The text at the first of some paths, separated by `|`, that has one.
    pub(super) fn one(&self, paths: &str) -> Option<String> {
        paths.split('|').filter(|path| !path.is_empty()).find_map(|path| self.text(path))
    }

    fn text(&self, path: &str) -> Option<String> {
        if let Some(path) = path.strip_prefix('~') {
            return self.detail.at(path).text().map(|name| names::without_run(&name).to_owned());
        }
        let Some(path) = path.strip_prefix('@') else {
            return value_text(self.detail.at(path)).map(|id| names::stable(&id).to_owned());
        };
        let found = places::text(self, path);
        found.unwrap_or_else(|| self.event.at(path).text()).filter(|text| !text.is_empty())
    }
}

/// A text, or a list or an object as one text.
fn value_text(node: Node<'_>) -> Option<String> {
    match node.value()? {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let texts: Vec<Cow<'_, str>> = items.iter().filter_map(Value::as_str).map(Cow::Borrowed).collect();
            Some(texts.join(",")).filter(|text| !text.is_empty())
        }
        value @ (Value::Object(_) | Value::Array(_)) => String::from_utf8(json::encode(value)).ok(),
        _ => node.text(),
    }
}
