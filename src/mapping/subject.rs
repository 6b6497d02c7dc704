//! What a payload is about that no mapping understands: the title, name or rule of the alert, its shape, and whether it
//! says that the problem is over.

use serde_json::Value;

use super::states;
use super::unexpanded::is_unexpanded_variable;
use crate::json::Node;
use crate::pagerduty::event::Action;
use crate::text;

/// The members that name an alert, the best first, as [`plain`] writes them.
const NAMES: &[&str] = &[
    "title",
    "alerttitle",
    "eventtitle",
    "alertname",
    "alertrulename",
    "alertrule",
    "rulename",
    "rule",
    "monitorname",
    "checkname",
    "triggername",
    "eventname",
    "name",
    "subject",
    "summary",
];

/// The members that contain the state of an alert, as [`plain`] writes them.
const STATES: &[&str] = &[
    "alertstate",
    "alertstatus",
    "alerttransition",
    "currentstate",
    "currentstatus",
    "eventaction",
    "eventstatus",
    "eventvalue",
    "monitorcondition",
    "monitorstatus",
    "newstate",
    "newstatus",
    "state",
    "status",
    "transition",
];

/// Words for the state of an alert, in addition to those of [`states`].
const MORE_STATES: &[(&str, Action)] = &[
    ("activated", Action::Trigger),
    ("active", Action::Trigger),
    ("clear", Action::Resolve),
    ("crit", Action::Trigger),
    ("deactivated", Action::Resolve),
    ("fixed", Action::Resolve),
    ("okay", Action::Resolve),
    ("open", Action::Trigger),
    ("opened", Action::Trigger),
    ("problem", Action::Trigger),
    ("recovery", Action::Resolve),
    ("resolve", Action::Resolve),
    ("started", Action::Trigger),
    ("trigger", Action::Trigger),
    ("warn", Action::Trigger),
];

/// Members about people and organisations, as [`plain`] writes them. Their names are no subjects.
const OTHERS: &[&str] = &[
    "account",
    "actor",
    "assignee",
    "author",
    "createdby",
    "customer",
    "installation",
    "organisation",
    "organization",
    "owner",
    "sender",
    "team",
    "user",
];

/// How much of a text is read, in UTF-16 code units.
const TEXT_MAX_CHARS: usize = 512;

/// How many member names a shape has at most.
const SHAPE_MAX: usize = 64;

/// How many alerts one source and service have open for payloads that cannot be mapped.
pub const NUMBERS: u8 = 64;

/// The subject of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The payload's own title, name or rule. `None` if it has none.
    pub title: Option<String>,
    /// A number below [`NUMBERS`], by the title without digits and words for states, else by the names of the members.
    pub number: u8,
    /// Whether every state in the payload is a word for the end of a problem, and there is one.
    pub is_over: bool,
}

impl Subject {
    /// The subject of a body that is no JSON, or not only one payload.
    pub fn unreadable() -> Subject {
        Subject { title: None, number: number(""), is_over: false }
    }

    /// Reads a payload: its members, those of its objects, and those of the objects in its lists. The title is not that of
    /// one item among others if some items were mapped (`is_rest`): it may be one of them.
    pub fn read(payload: &Value, is_rest: bool) -> Subject {
        let (outer, inner) = objects(payload, is_rest);
        let title = title(&outer).or_else(|| title(&inner));
        let said = title.as_deref().map(essence).filter(|said| !said.is_empty());
        // A shape is not the same as a title with these words.
        let said = said.unwrap_or_else(|| ["{", &shape(payload)].concat());
        Subject { title, number: number(&said), is_over: is_over(payload) }
    }
}

fn number(text: &str) -> u8 {
    text::sha256_byte(text.as_bytes()) % NUMBERS
}

/// The objects that may describe the alert: the payload or its items, and their members. Without the items of lists that
/// have several, if `single` is set.
fn objects(payload: &Value, single: bool) -> (Vec<Node<'_>>, Vec<Node<'_>>) {
    let outer: Vec<Node<'_>> = items(payload, single).iter().map(Node::root).collect();
    let members = outer.iter().filter_map(|node| node.members()).flatten();
    let members = members.filter(|(name, _)| !OTHERS.contains(&plain(name).as_str()));
    let inner = members.flat_map(|(_, value)| items(value, single)).map(Node::root);
    let inner = inner.filter(|node| node.members().is_some()).collect();
    (outer, inner)
}

/// The items of a list, or the value itself.
fn items(value: &Value, single: bool) -> &[Value] {
    match value {
        Value::Array(items) if single && items.len() > 1 => &[],
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

/// A member's name without punctuation, in lower case.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).take(TEXT_MAX_CHARS).map(|c| c.to_ascii_lowercase()).collect()
}

/// The texts of an object's members that are among `names`, each with its position there.
fn texts(object: Node<'_>, names: &[&str]) -> Vec<(usize, String)> {
    let named = |name: &str| {
        let plain = plain(name);
        names.iter().position(|known| *known == plain)
    };
    let members = object.members().into_iter().flatten();
    let texts = members.filter_map(|(name, value)| Some((named(name)?, Node::root(value).text()?)));
    texts.filter(|(_, text)| !is_unexpanded_variable(text)).collect()
}

/// The best name in these objects.
fn title(objects: &[Node<'_>]) -> Option<String> {
    let named = objects.iter().flat_map(|object| texts(*object, NAMES));
    named.min_by_key(|(rank, _)| *rank).map(|(_, title)| title)
}

/// The meaning of a word for the state of an alert.
fn of_state(word: &str) -> Option<Action> {
    text::lookup(MORE_STATES, word).or_else(|| states::of_state(word))
}

/// A title without digits, punctuation around words and words for states, in lower case.
fn essence(title: &str) -> String {
    let mut essence: Vec<String> = Vec::new();
    for word in text::truncate(title, TEXT_MAX_CHARS).split_whitespace() {
        let word: String = word.chars().filter(|c| !c.is_numeric()).flat_map(char::to_lowercase).collect();
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        // A problem and its end have the same subject.
        if !word.is_empty() && of_state(word).is_none() {
            essence.push(word.to_owned());
        }
    }
    essence.join(" ")
}

/// The names of the members of a payload, or of its first item, without digits.
fn shape(payload: &Value) -> String {
    let object = payload.get(0).unwrap_or(payload);
    let names = object.as_object().into_iter().flatten().take(SHAPE_MAX);
    let name = |name: &String| name.chars().filter(|c| !c.is_numeric()).take(TEXT_MAX_CHARS).collect::<String>();
    let mut names: Vec<String> = names.map(|(own, _)| name(own)).collect();
    names.dedup();
    names.join(",")
}

/// Whether there is a state, and every state is the end of a problem. A word that is in no table is no end: an
/// unnecessary page is the lesser evil.
fn is_over(payload: &Value) -> bool {
    let (outer, inner) = objects(payload, false);
    let states = outer.iter().chain(&inner).flat_map(|object| texts(*object, STATES));
    let mut states = states.map(|(_, word)| of_state(&word) == Some(Action::Resolve)).peekable();
    states.peek().is_some() && states.all(|over| over)
}
