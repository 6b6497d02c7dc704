//! The stage between mapping and planning: the user's rules, and the destinations that they choose.

use crate::auth::Authenticated;
#[cfg(feature = "templates")]
use crate::config;
use crate::config::Target;
#[cfg(feature = "templates")]
use crate::endpoints::preview;
use crate::endpoints::preview::Asked;
use crate::endpoints::preview::explain::Ask;
use crate::error::Error;
use crate::inbound::intake::Intake;
use crate::pagerduty::event::{DedupKey, Event};
use crate::pagerduty::former_keys;
use crate::report::Report;
use crate::rules::Traces;
#[cfg(feature = "templates")]
use crate::rules::{List, Rules, Subject, spread};
use crate::runtime::Host;

/// A mapped delivery whose events the user's rules may change.
#[cfg_attr(not(feature = "templates"), expect(dead_code, reason = "only rules read it"))]
pub(super) struct Ruling<'a> {
    pub(super) intake: &'a Intake,
    /// The source whose services count.
    pub(super) door: &'a Intake,
    pub(super) service: Option<&'a str>,
    pub(super) preview: bool,
    pub(super) delivery: &'a Authenticated<'a>,
    pub(super) group: Option<&'a DedupKey>,
    pub(super) asked: &'a Asked,
    pub(super) map: Ask<'a>,
}

/// The events of each destination: first that of the path.
pub(super) struct Routed {
    pub(super) further: Vec<Target>,
    pub(super) batches: Vec<Vec<Event>>,
    pub(super) traces: Traces,
    /// Whether there are rules, which may split triggers among services.
    pub(super) has_rules: bool,
    /// The events as they were mapped, if they are to be explained and rules may have changed them: the mapping that is
    /// explained knows no rules.
    pub(super) unruled: Vec<Event>,
}

impl Routed {
    /// Events that no rule changed.
    fn unchanged(events: Vec<Event>) -> Routed {
        let batches = vec![former_keys::with_copies(events)];
        Routed { further: Vec::new(), batches, traces: Traces::default(), unruled: Vec::new(), has_rules: false }
    }
}

/// Applies the user's rules, and finds the destinations of the events.
#[cfg(feature = "templates")]
pub(super) fn rules(
    host: &dyn Host,
    ruling: &Ruling<'_>,
    target: &Target,
    events: Vec<Event>,
    report: &mut Report,
) -> Result<Routed, Error> {
    let Ruling { intake, door, service, preview, delivery, group, asked, map } = ruling;
    if events.is_empty() {
        return Ok(Routed::unchanged(events));
    }
    let texts = match &asked.rules {
        Some(text) => vec![(config::RULES.to_owned(), text.clone())],
        None => config::rules(host, intake.slug())?,
    };
    if texts.is_empty() {
        return Ok(Routed::unchanged(events));
    }
    let mut lists = Vec::new();
    for (variable, text) in &texts {
        match List::read(variable, text) {
            Ok(list) => lists.push(list),
            Err(error) => report.warnings.push(format!("{error}; its rules are not used")),
        }
    }
    let rules = Rules::compile(&lists);
    report.warnings.extend(rules.invalid().iter().map(|error| format!("{error}; the rule is not used")));
    let subject = Subject { delivery, slug: intake.slug(), service: *service, group: *group };
    let by_key = intake.source().is_some_and(|source| source.api.is_some());
    let check = preview.then(|| preview::unshared(&rules, &subject, *map, (&intake.states(), by_key), &events));
    let unruled = if asked.explain.is_some() { events.clone() } else { Vec::new() };
    let ruled = rules.apply(&subject, events);
    report.warnings.extend(ruled.warnings);
    report.warnings.extend(check.into_iter().flatten());
    report.ignored.extend(ruled.dropped);
    let traces = if *preview { Traces::of(&ruled.events) } else { Traces::default() };
    let chosen: Vec<&str> = ruled.events.iter().filter_map(|ruled| ruled.service).collect();
    let closes = ruled.events.iter().any(|ruled| ruled.event.action().closes());
    let named = if closes { rules.services() } else { &[] };
    let found = config::destinations(host, door.slug(), target, &chosen, named)?;
    report.warnings.extend(found.warnings);
    let batches = spread(ruled.events, &found.places, found.further.len() + 1);
    Ok(Routed { further: found.further, batches, traces, unruled, has_rules: true })
}

/// Without cargo feature `templates`, there are no rules.
#[cfg(not(feature = "templates"))]
pub(super) fn rules(
    _: &dyn Host,
    _: &Ruling<'_>,
    _: &Target,
    events: Vec<Event>,
    _: &mut Report,
) -> Result<Routed, Error> {
    Ok(Routed::unchanged(events))
}
