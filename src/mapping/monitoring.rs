//! Monitors of hosts and services, and others whose users write the body themselves, with the vendor's macros in it:
//! what their sources share.
//!
//! The users name the members of such a body, or copy the names from the manual of another tool. So [`Macros`] ignores
//! case, separators and the prefixes of environment variables: `SERVICEDESC`, `service_desc`, `service.desc`, `desc` in an
//! object `service` and `NOTIFY_SERVICEDESC` are all `servicedesc`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::unexpanded::{self, unidentified};
use super::{MapError, Mapped};
use crate::http::url;
use crate::json::Node;
use crate::pagerduty::event::{Action, DedupKey, Event, Severity};
use crate::text;

/// The reason for a notification about a planned downtime, or about muting. The problem itself, if there is one, is as
/// open as before, and the monitor sends it again when the downtime ends.
pub const PLANNED: &str = "downtime or muting: no problem opened or closed";

/// The reason for a state that the monitor has not confirmed yet.
pub const SOFT: &str = "soft state: the monitor still repeats its check";

/// Prefixes of environment variables, in lower case.
const PREFIXES: &[&str] = &["notify_", "nagios_", "icinga_"];

/// The texts of a payload by the plain names of its members. The texts in an object have its name in front, and those in
/// `details` also have their own name. Unexpanded macros are not among them.
pub struct Macros(BTreeMap<String, String>);

impl Macros {
    /// Reads the members of an object. Returns `None` if the payload is not one.
    pub fn read(payload: &Value) -> Option<Macros> {
        let mut texts = BTreeMap::new();
        gather(Node::root(payload), "", 0, &mut texts)?;
        gather(Node::root(payload).get("details"), "", 0, &mut texts);
        Some(Macros(texts))
    }

    /// The text of the first of these plain names that has one.
    pub fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.get(*name)).cloned()
    }

    /// The names and the texts of the members of an object with this plain name, in the order of their names.
    pub fn below(&self, object: &str) -> impl Iterator<Item = [&str; 2]> {
        let names = self.0.range(object.to_owned()..).take_while(move |(name, _)| name.starts_with(object));
        names.filter(move |(name, _)| *name != object).map(|(name, text)| [name.as_str(), text.as_str()])
    }

    /// Like [`Macros::first`], as a point in time ([`Node::time`]).
    pub fn time(&self, names: &[&str]) -> Option<String> {
        Node::root(&Value::String(self.first(names)?)).time()
    }

    /// The first of these names whose text is an absolute URL.
    pub fn url(&self, names: &[&str]) -> Option<String> {
        let absolute = |name: &&str| self.0.get(*name).filter(|text| url::absolute_url(text).is_some());
        names.iter().find_map(absolute).cloned()
    }

    /// Adds details: each has a name, and the plain names of its text, the best first.
    fn details(&self, event: Event, details: &[(&str, &[&str])]) -> Event {
        details.iter().fold(event, |event, (name, names)| event.detail(name, self.first(names).into()))
    }
}

/// Adds the texts of an object that are not there yet, or of the first object of a list. Returns `None` if this is neither.
fn gather(object: Node<'_>, before: &str, depth: usize, texts: &mut BTreeMap<String, String>) -> Option<()> {
    let object = if before.is_empty() { object } else { object.items().map_or(object, |_| object.at("0")) };
    for (name, value) in object.members()? {
        let name = [before, &plain(name)].concat();
        match Node::root(value).text() {
            Some(text) if !unexpanded::is_unexpanded_variable(&text) => {
                texts.entry(name).or_insert(text);
            }
            // `object.tags.host` is the deepest name that a source reads.
            None if depth < 2 => {
                gather(Node::root(value), &name, depth + 1, texts);
            }
            _ => {}
        }
    }
    Some(())
}

/// A member's name in lower case, without separators and prefix. Longer names than any that is read are truncated.
fn plain(name: &str) -> String {
    let name: String = name.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// How a source reads the bodies that its users write. All names are plain ([`Macros`]), the best first.
pub struct Shape {
    /// The source's slug and name.
    pub source: (&'static str, &'static str),
    /// The members that identify an alert, for the error.
    pub fields: &'static str,
    /// The dedup key.
    pub key: fn(&Macros) -> Option<DedupKey>,
    /// The names of the state.
    pub state: &'static [&'static str],
    /// Its words. Any other word, and a missing state, triggers: an unnecessary page is the lesser evil.
    pub states: &'static [(&'static str, Action)],
    /// The names of the severity.
    pub severity: &'static [&'static str],
    /// Its words. Any other word, and a missing severity, is an error.
    pub severities: &'static [(&'static str, Severity)],
    /// Whether somebody tries the integration. Such an alert has severity info.
    pub is_test: fn(&Macros) -> bool,
    /// The summary.
    pub summary: fn(&Macros) -> String,
    /// The names of the event's source.
    pub place: &'static [&'static str],
    /// The names of the component.
    pub component: &'static [&'static str],
    /// The names of the group.
    pub group: &'static [&'static str],
    /// The names of the class.
    pub class: &'static [&'static str],
    /// The names of the time.
    pub time: &'static [&'static str],
    /// The links: their texts, and their names. The first is also the client URL.
    pub links: &'static [(&'static str, &'static [&'static str])],
    /// The details.
    pub details: &'static [(&'static str, &'static [&'static str])],
}

/// Maps a body of this shape. A body without an identity that has unexpanded macros triggers an alert about them.
///
/// # Errors
/// Returns [`MapError`] if the payload is not an object, or has neither an identity nor such macros.
pub fn alert(shape: &Shape, payload: &Value) -> Result<Mapped, MapError> {
    let macros = Macros::read(payload).ok_or(MapError::Shape { expected: "an object with the alert's macros" })?;
    let Some(key) = (shape.key)(&macros) else { return unidentified(shape.source, payload, shape.fields) };
    let state = macros.first(shape.state);
    let action = state.and_then(|word| text::lookup(shape.states, &word)).unwrap_or(Action::Trigger);
    let severity = macros.first(shape.severity).and_then(|word| text::lookup(shape.severities, &word));
    let severity = if (shape.is_test)(&macros) { Some(Severity::Info) } else { severity };
    let (_, name) = shape.source;
    let place = macros.first(shape.place);
    let source_field = place.as_deref().unwrap_or(name);
    let summary = (shape.summary)(&macros);
    let mut event = Event::new(action, key, severity.unwrap_or(Severity::Error), &summary, source_field)
        .component(macros.first(shape.component))
        .group(macros.first(shape.group))
        .class(macros.first(shape.class))
        .timestamp(macros.time(shape.time));
    for (text, names) in shape.links {
        event = event.link(text, macros.url(names));
    }
    let page = shape.links.first().and_then(|(_, names)| macros.url(names));
    Ok(Mapped::one(macros.details(event.client(name, page), shape.details)))
}

/// The meaning of a notification's type.
#[derive(Clone, Copy)]
enum Kind {
    Acknowledgement,
    /// Somebody removed the acknowledgement, or the problem is over.
    AcknowledgementEnd,
    /// A person sent it, or the monitor repeats a problem.
    Custom,
    /// Its start or its end: Icinga's API has a member that says which.
    Flapping,
    FlappingEnd,
    FlappingStart,
    Planned,
    Problem,
    Recovery,
    /// The state decides.
    State,
}

/// The types of notifications: those of Nagios, Icinga 2 and Checkmk, of Icinga Notifications, and of PagerDuty's agent.
const KINDS: &[(&str, Kind)] = &[
    ("acknowledge", Kind::Acknowledgement),
    ("acknowledged", Kind::Acknowledgement),
    ("acknowledgement", Kind::Acknowledgement),
    ("acknowledgementcleared", Kind::AcknowledgementEnd),
    ("acknowledgementset", Kind::Acknowledgement),
    ("custom", Kind::Custom),
    ("downtimecancelled", Kind::Planned),
    ("downtimeend", Kind::Planned),
    ("downtimeremoved", Kind::Planned),
    ("downtimestart", Kind::Planned),
    ("downtimestarted", Kind::Planned),
    ("downtimetriggered", Kind::Planned),
    ("flapping", Kind::Flapping),
    ("flappingdisabled", Kind::FlappingEnd),
    ("flappingend", Kind::FlappingEnd),
    ("flappingstart", Kind::FlappingStart),
    ("flappingstop", Kind::FlappingEnd),
    ("mute", Kind::Planned),
    ("problem", Kind::Problem),
    ("recovery", Kind::Recovery),
    ("resolve", Kind::Recovery),
    ("state", Kind::State),
    ("statechange", Kind::State),
    ("trigger", Kind::Problem),
    ("unmute", Kind::Planned),
];

/// A state's name, and its severity. `None` if all is well.
type State = (&'static str, Option<Severity>);

/// The states of services, and the severities of Icinga Notifications.
const SERVICE_STATES: &[(&str, State)] = &[
    ("0", ("OK", None)),
    ("1", ("WARNING", Some(Severity::Warning))),
    ("2", ("CRITICAL", Some(Severity::Critical))),
    ("3", ("UNKNOWN", Some(Severity::Error))),
    ("alert", ("ALERT", Some(Severity::Critical))),
    ("crit", ("CRITICAL", Some(Severity::Critical))),
    ("critical", ("CRITICAL", Some(Severity::Critical))),
    ("debug", ("DEBUG", Some(Severity::Info))),
    ("down", ("DOWN", Some(Severity::Critical))),
    ("emerg", ("EMERGENCY", Some(Severity::Critical))),
    ("err", ("ERROR", Some(Severity::Error))),
    ("info", ("INFO", Some(Severity::Info))),
    ("notice", ("NOTICE", Some(Severity::Info))),
    ("ok", ("OK", None)),
    ("unknown", ("UNKNOWN", Some(Severity::Error))),
    ("unreach", ("UNREACHABLE", Some(Severity::Error))),
    ("unreachable", ("UNREACHABLE", Some(Severity::Error))),
    ("up", ("UP", None)),
    ("warn", ("WARNING", Some(Severity::Warning))),
    ("warning", ("WARNING", Some(Severity::Warning))),
];

/// The states of hosts by number. Their words are among [`SERVICE_STATES`].
const HOST_STATES: &[(&str, State)] =
    &[("0", ("UP", None)), ("1", ("DOWN", Some(Severity::Critical))), ("2", ("UNREACHABLE", Some(Severity::Error)))];

/// Details that are safe to send: no contact, no author, no parameter of a script.
const DETAILS: &[(&str, &[&str])] = &[
    ("address", &["hostaddress", "address", "hostaddress4", "hostip"]),
    ("attempt", &["serviceattempt", "hostattempt"]),
    ("comment", &["notificationcomment", "comment", "serviceackcomment", "hostackcomment"]),
    ("event", &["event"]),
    ("long_output", &["longserviceoutput", "longhostoutput", "longoutput"]),
    ("notification_number", &["servicenotificationnumber", "hostnotificationnumber", "notificationnumber"]),
    ("notification_type", &["notificationtype", "eventtype"]),
    ("output", OUTPUT),
    ("performance_data", &["serviceperfdata", "hostperfdata", "perfdata"]),
    ("previous_state", &["lastservicestate", "previousservicehardstate", "lasthoststate", "previoushosthardstate"]),
    ("problem_id", &["serviceproblemid", "hostproblemid", "id", "incidentid"]),
    ("severity", &["severity"]),
    ("state", &["servicestate", "hoststate", "state", "status", "incidentseverity"]),
];

const OUTPUT: &[&str] = &["serviceoutput", "hostoutput", "output", "checkresultoutput", "eventmessage", "message"];

/// Maps a notification of a monitor about a host, or about a service on it: Icinga, Nagios, Checkmk. The identity is the
/// host and the service, without them `fallback`'s.
///
/// The type decides. Without one the state does, except a soft state. The end of flapping or of an acknowledgement resolves
/// if all is well, else the problem is still there, and no other notification says so. An unknown state triggers, and so does a type that nobody
/// knows: an unnecessary page is the lesser evil.
///
/// # Errors
/// Returns [`MapError`] if the payload is not an object, or has neither an identity nor unexpanded macros. A notification
/// that says that it is about a service has no identity without the service's name.
pub fn notification(
    source: (&'static str, &'static str),
    payload: &Value,
    fallback: fn(&Macros) -> Option<DedupKey>,
) -> Result<Mapped, MapError> {
    let (slug, name) = source;
    let expected = "an object with the macros of a host or a service";
    let macros = Macros::read(payload).ok_or(MapError::Shape { expected })?;
    let host = macros.first(&["hostname", "host", "objecttagshost", "hostdisplayname", "hostalias"]);
    let what = macros.first(&["what", "entitytype", "pdnagiosobject"]).unwrap_or_default();
    let is_host = what.eq_ignore_ascii_case("host");
    let service =
        &["servicedesc", "servicedescription", "servicename", "service", "objecttagsservice", "servicedisplayname"];
    let service = macros.first(service).filter(|_| !is_host);
    // Events of Checkmk's Event Console: several may be open for one service.
    let event = macros.first(&["ecid"]);
    let key = match (&host, &service) {
        (Some(host), Some(service)) => match &event {
            Some(event) => DedupKey::new(slug, &[host, service, event]),
            None => DedupKey::new(slug, &[host, service]),
        },
        // The host's own alert is another one: the recovery of a service must not close it.
        (Some(_), None) if event.is_none() && what.eq_ignore_ascii_case("service") => {
            return unidentified(source, payload, "the service's name");
        }
        (Some(host), None) => match &event {
            Some(event) => DedupKey::new(slug, &[host, "", event]),
            None => DedupKey::new(slug, &[host]),
        },
        (None, _) => fallback(&macros),
    };
    let Some(key) = key else { return unidentified(source, payload, "the host's name") };

    let (action, severity, state) = match verdict(&macros, service.is_some()) {
        Ok(verdict) => verdict,
        Err(reason) => return Ok(Mapped::nothing(reason)),
    };

    let object = macros.first(&["objectname"]);
    let host = host.or(object).unwrap_or_else(|| name.to_owned());
    let output = macros.first(OUTPUT).map(|output| text::first_line(&output).to_owned());
    let on = service.as_deref().map(|_| host.as_str());
    let subject = text::join_prefixed(&[("", service.as_deref()), (" on ", on)]);
    let subject = if subject.is_empty() { &host } else { &subject };
    let summary = text::join_prefixed(&[("", Some(subject)), (" is ", Some(&state)), (": ", output.as_deref())]);

    let page = macros.url(&["serviceurl", "hosturl", "url", "objecturl", "serviceactionurl", "hostactionurl", "link"]);
    let page = page.or_else(|| below_prefix(&macros, service.is_some()));
    let event = Event::new(action, key, severity, &summary, &host)
        .component(service)
        .group(macros.first(&["hostgroupnames", "hostgroupname", "hostgroup", "hostgroups", "omdsite", "site"]))
        .class(macros.first(&["servicecheckcommand", "hostcheckcommand", "checkcommand"]))
        .timestamp(macros.time(&["eventtime", "microtime", "timet", "icingatimet", "timestamp"]))
        .link("Incident", macros.url(&["incidenturl"]))
        .link("Notes", macros.url(&["servicenotesurl", "hostnotesurl", "notesurl"]))
        .link(name, page.clone())
        .client(name, page);
    Ok(Mapped::one(macros.details(event, DETAILS)))
}

/// The action, the severity and the words for the state of a notification, or the reason why it needs no event.
fn verdict(macros: &Macros, is_service: bool) -> Result<(Action, Severity, String), &'static str> {
    let common = ["state", "status", "checkresultstate", "incidentseverity", "severity"];
    let own: &[&str] = if is_service { &["servicestate", "servicestateid"] } else { &["hoststate", "hoststateid"] };
    let word = macros.first(own).or_else(|| macros.first(&common));
    let table = if is_service { &[] } else { HOST_STATES };
    let known = |word: &String| text::lookup(table, whole(word)).or_else(|| text::lookup(SERVICE_STATES, whole(word)));
    let state = word.as_ref().and_then(known);
    let is_well = matches!(state, Some((_, None)));
    let of = |word: String| text::lookup(KINDS, &plain(&word));
    let kind = match macros.first(&["notificationtype", "eventtype"]) {
        Some(word) => of(word),
        // A member `type` may be about anything else, and some bodies have the type as their only state.
        None => macros.first(&["type"]).and_then(of).or_else(|| of(word.clone()?)).or(Some(Kind::State)),
    };
    let kind = match kind {
        Some(Kind::Flapping) if macros.first(&["isflapping"]).as_deref() == Some("false") => Some(Kind::FlappingEnd),
        Some(Kind::Flapping) => Some(Kind::FlappingStart),
        kind => kind,
    };
    let types = ["servicestatetype", "hoststatetype", "statetype", "checkresultvarsafterstatetype"];
    let is_soft = macros.first(&types);
    let is_soft = is_soft.is_some_and(|kind| kind.eq_ignore_ascii_case("soft") || whole(&kind) == "0");
    let action = match kind {
        Some(Kind::Planned) => return Err(PLANNED),
        Some(Kind::State) if is_soft => return Err(SOFT),
        Some(Kind::Acknowledgement) => Action::Acknowledge,
        Some(Kind::Recovery) => Action::Resolve,
        Some(Kind::FlappingEnd) if is_well || word.is_none() => Action::Resolve,
        Some(Kind::State | Kind::AcknowledgementEnd) if is_well => Action::Resolve,
        // Problems. Also a type or a state that nobody knows: an unnecessary page is the lesser evil.
        _ => Action::Trigger,
    };
    // A word that is not in the table may be serious. Without problem the severity is the harmless one.
    let severity = state.map_or(Severity::Error, |(_, severity)| severity.unwrap_or(Severity::Info));
    let is_flapping = matches!(kind, Some(Kind::FlappingStart));
    let severity = if is_flapping { severity.max(Severity::Warning) } else { severity };
    let state = match (is_flapping, state.map(|(name, _)| name).or(word.as_deref())) {
        (true, _) => "flapping",
        (false, Some(state)) => state,
        (false, None) if action == Action::Resolve => "OK",
        (false, None) => "in an unknown state",
    };
    Ok((action, severity, state.to_owned()))
}

/// A number without the fraction that Icinga's API writes: `2.0`.
fn whole(number: &str) -> &str {
    number.strip_suffix(".0").unwrap_or(number)
}

/// The page of the service or the host in Checkmk, whose variables contain only its path: below the prefix that the
/// notification rule names.
fn below_prefix(macros: &Macros, is_service: bool) -> Option<String> {
    let prefix = macros.url(&["urlprefix", "parameterurlprefix", "parameterurlprefixmanual"])?;
    let prefix = prefix.trim_end_matches('/');
    let path = macros.first(if is_service { &["serviceurl", "url"] } else { &["hosturl", "url"] })?;
    Some([prefix.strip_suffix("/check_mk").unwrap_or(prefix), &path].concat()).filter(|_| path.starts_with('/'))
}
