//! Checks of URLs and hosts from outside, which are up or down: what the sources of such webhooks share.

use serde_json::Value;

use super::wording;
use crate::http::url;
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// What a vendor's word for a state means: the action, the severity, and the phrase behind the name of the check.
pub type State = (Action, Severity, &'static str);

/// The check fails.
pub const DOWN: State = (Action::Trigger, Severity::Critical, " is DOWN");

/// The check passes again.
pub const UP: State = (Action::Resolve, Severity::Critical, " is UP");

/// A word that the vendor does not document. An unnecessary page is the lesser evil.
pub const UNKNOWN: State = (Action::Trigger, Severity::Error, " is in an unknown state");

/// A certificate is an error if at most this many days are left.
const DAYS_LEFT_ERROR: i64 = 3;

/// The paths of one fact in a vendor's payload, the best first.
pub type Paths = &'static [&'static str];

/// Where a vendor's payload contains what every check has.
#[derive(Debug)]
pub struct Fields {
    /// The vendor's name.
    pub client: &'static str,
    /// The name of the check.
    pub name: Paths,
    /// The URL or host that is checked. The secrets in all of them are redacted, so a path with parameters may be the last.
    pub address: Paths,
    /// Why the check fails. Only its first line is shown.
    pub reason: Paths,
    /// When the state changed.
    pub since: Paths,
    /// The kind of check.
    pub class: Paths,
    /// What the check belongs to.
    pub group: Paths,
    /// The vendor's page about the check.
    pub page: Paths,
    /// Other links, with their texts.
    pub links: &'static [(&'static str, Paths)],
    /// Details, as [`Event::details`] takes them. The address is added without its secrets.
    pub details: &'static [&'static str],
}

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields {
        client: "",
        name: &[],
        address: &[],
        reason: &[],
        since: &[],
        class: &[],
        group: &[],
        page: &[],
        links: &[],
        details: &[],
    };
}

/// The state that a word means, ignoring case.
pub fn state(table: &[(&str, State)], word: Option<&str>) -> State {
    word.and_then(|word| text::lookup(table, word)).unwrap_or(UNKNOWN)
}

/// The severity of a certificate or a domain that expires.
pub fn expiry(days_left: Option<&str>) -> Severity {
    let days: Option<i64> = days_left.and_then(|days| days.parse().ok());
    if days.is_some_and(|days| days <= DAYS_LEFT_ERROR) { Severity::Error } else { Severity::Warning }
}

/// The event of a check. The summary is name, state and reason, with the host behind them unless they contain it. If the
/// phrase of the state is empty, the reason is the summary, with the name in front unless it contains it.
///
/// An address may contain a password or a key. Then only its host is shown, and other texts do not repeat the secret: an
/// error often quotes the URL. A name that is such a URL becomes its host too.
pub fn event(payload: Node<'_>, fields: &Fields, key: DedupKey, (action, severity, phrase): State) -> Event {
    let address = payload.pick(fields.address);
    let addresses: Vec<String> = fields.address.iter().filter_map(|path| payload.at(path).text()).collect();
    let secrets: Vec<&str> = addresses.iter().flat_map(|address| secrets(address)).take(SECRETS_MAX).collect();
    let redacted = (!secrets.is_empty()).then(|| redacted(payload.value().cloned().unwrap_or_default(), &secrets));
    let payload = redacted.as_ref().map_or(payload, Node::root);
    let name = payload.pick(fields.name).map(without_secrets);
    let host = address.as_deref().map(host).filter(|host| !host.is_empty());
    let link = address.as_deref().and_then(public_url);
    // Without a phrase, the reason is a sentence about the check. The end of a failure needs no reason: some vendors repeat
    // that of the failure, others send `OK`.
    let is_sentence = phrase.is_empty();
    let reason = payload.pick(fields.reason).filter(|_| is_sentence || action != Action::Resolve);
    let reason = reason.as_deref().map(text::first_line).unwrap_or_default();
    let places: Vec<String> = host.map(str::to_owned).into_iter().collect();
    let summary = if is_sentence {
        wording::completed(reason, name.as_deref(), &places)
    } else {
        let subject = [name.as_deref().or(host).unwrap_or("A check"), phrase].concat();
        wording::completed(&text::join_nonempty(&[&subject, reason], ": "), None, &places)
    };

    let source_field = host.or(name.as_deref()).unwrap_or(fields.client);
    // The sources of checks are newer than the present form of keys.
    let mut event = Event::new(action, key.without_former(), severity, &summary, source_field)
        .timestamp(fields.since.iter().find_map(|path| payload.at(path).time()))
        .class(payload.pick(fields.class))
        .group(payload.pick(fields.group))
        .details(payload, fields.details)
        .detail("url", address.as_deref().and_then(shown).into())
        .link("Monitored address", link.map(str::to_owned))
        .component(name)
        .client(fields.client, payload.pick(fields.page));
    for (name, paths) in fields.links {
        event = event.link(name, payload.pick(paths));
    }
    event
}

/// The key of a check: `<slug>:<id>`, without an id `<slug>::<address>:<name>`. An address that may contain secrets becomes
/// its SHA-256, and so does a name that is such a URL. Returns `None` if nothing identifies the check.
pub fn key(slug: &str, id: Option<String>, address: Option<String>, name: Option<String>) -> Option<DedupKey> {
    if let Some(id) = id {
        return DedupKey::new(slug, &[&id]);
    }
    let address = address.unwrap_or_default();
    let address = if is_secret(&address) { text::sha256_hex(address.as_bytes()) } else { address };
    DedupKey::new(slug, &["", &address, &name_in_key(name.unwrap_or_default())])
}

/// A name as a part of a key: the SHA-256 of one that is a URL that may contain secrets.
pub fn name_in_key(name: String) -> String {
    if is_secret(&name) && name.contains("://") { text::sha256_hex(name.as_bytes()) } else { name }
}

/// The part of a URL's path behind this one, such as the id behind `/checks/`.
pub fn segment<'a>(url: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = url.split_once(before)?;
    rest.split(['/', '?', '#']).next().filter(|segment| !segment.is_empty())
}

/// The shortest part of an address that is redacted in other texts. A shorter one occurs in them by chance.
const SECRET_MIN_BYTES: usize = 4;

/// The shortest value of a parameter that is redacted without the parameter's name.
const VALUE_MIN_BYTES: usize = 6;

/// How many parameters of an address are also redacted one by one, so that the work stays linear.
const PARAMETERS_MAX: usize = 8;

/// How many parts of all addresses are redacted, for the same reason.
const SECRETS_MAX: usize = 32;

/// The parts of an address that may be secret: the user information and the parameters, then each of them, because a text
/// may quote one alone. Longer parts are before those that they contain. A value counts alone only if it has both letters
/// and digits, as keys have: others are often words.
fn secrets(address: &str) -> Vec<&str> {
    let (before, parameters) = address.split_once('?').unwrap_or((address, ""));
    let user = before.rsplit_once('@').map(|(user, _)| user.rsplit('/').next().unwrap_or_default()).unwrap_or_default();
    let password = user.split_once(':').map_or("", |(_, password)| password);
    let single = || parameters.split(['&', ';', '#']).take(PARAMETERS_MAX);
    let is_key = |value: &&str| {
        let has = |kind: fn(&u8) -> bool| value.as_bytes().iter().any(kind);
        value.len() >= VALUE_MIN_BYTES && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
    };
    let values = single().filter_map(|parameter| parameter.split_once('=')).map(|(_, value)| value).filter(is_key);
    let parts = [user, parameters, password].into_iter().chain(single()).chain(values);
    // A part of `[redacted]` would be replaced in what stands for the others.
    parts.filter(|part| part.len() >= SECRET_MIN_BYTES && !"[redacted]".contains(part)).collect()
}

/// A payload whose texts do not contain these secrets.
fn redacted(value: Value, secrets: &[&str]) -> Value {
    match value {
        Value::String(text) => secrets.iter().fold(text, |text, secret| text::redact(&text, secret)).into(),
        Value::Array(items) => items.into_iter().map(|item| redacted(item, secrets)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(name, value)| (name, redacted(value, secrets))).collect())
        }
        other => other,
    }
}

/// An address that is a URL without secrets.
fn public_url(address: &str) -> Option<&str> {
    Some(address).filter(|address| !is_secret(address)).and_then(url::absolute_url)
}

/// What an event may show of an address: the URL, or only its host if the URL may contain secrets.
pub fn shown(address: &str) -> Option<&str> {
    public_url(address).or_else(|| Some(host(address)).filter(|host| !host.is_empty()))
}

/// Whether an address may contain a password or a key.
fn is_secret(address: &str) -> bool {
    address.contains(['@', '?'])
}

/// A name, or the host of one that is a URL with secrets.
fn without_secrets(name: String) -> String {
    if is_secret(&name) && name.contains("://") { host(&name).to_owned() } else { name }
}

/// The host of an address, with its port unless the address is a web page's: `tcp://db.example.com:5432` has one.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    url::url_host(address).unwrap_or_else(|| authority.rsplit('@').next().unwrap_or_default())
}
