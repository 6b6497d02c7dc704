//! The variables of rules, and the destinations of the services that rules name.

use std::collections::BTreeMap;

use super::target::{Target, target};
use super::{ConfigError, DEFAULT_SERVICE, Problem, check_service, get};
use crate::runtime::Host;
use crate::secret::Rotation;

/// The variable with the rules for every source.
pub const RULES: &str = "rules";

/// Reads the rules for a source or a template: the variables that are set with their values, in the order in which their
/// rules are worked through. Call it only if there are events: it reads two variables.
///
/// # Errors
/// Returns [`ConfigError`] if the store failed. Without the rules, an alert could stay open, so the sender has to retry.
pub fn rules(host: &dyn Host, source: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut lists = Vec::new();
    for name in [[RULES, "_", source].concat(), RULES.to_owned()] {
        lists.extend(get(host, &name)?.map(|text| (name, text)));
    }
    Ok(lists)
}

/// The destinations of a delivery beside that of the path.
#[derive(Debug, Default)]
pub struct Destinations {
    /// The further destinations. No two destinations have the same routing key.
    pub further: Vec<Target>,
    /// The numbers of destinations by the names of their services. That of the path has number 0, and those in `further`
    /// have numbers from 1.
    pub places: BTreeMap<String, usize>,
    /// Why services have no destination, and what is wrong with the others.
    pub warnings: Vec<String>,
}

/// Finds the destinations of services that rules name. `own` is the target of the path. `chosen` are the services that a
/// rule chose for an event. `named` are all of them, if acknowledges and resolves are to be sent to each: no alert can be
/// open in one of those that the source may not page or that has no routing key, so that is not worth a warning. Of services
/// with the same current key, each previous key has a destination of its own, for acknowledges and resolves only.
///
/// # Errors
/// Returns [`ConfigError`] if the store failed.
pub fn destinations(
    host: &dyn Host,
    source: &str,
    own: &Target,
    chosen: &[&str],
    named: &[&str],
) -> Result<Destinations, ConfigError> {
    let mut found = Destinations::default();
    for name in chosen.iter().chain(named) {
        if found.places.contains_key(*name) {
            continue;
        }
        let service = Some(*name).filter(|name| *name != DEFAULT_SERVICE);
        let result = check_service(host, source, service).and_then(|()| target(host, service));
        match result {
            Ok(other) => {
                let same = |known: &Target| known.routing_keys.current.equals(&other.routing_keys.current);
                let mut known = std::iter::once(own).chain(&found.further);
                let number = known.position(same).unwrap_or(found.further.len() + 1);
                found.places.insert((*name).to_owned(), number);
                if number > found.further.len() {
                    found.warnings.extend(other.warns());
                    found.further.push(other);
                } else if !named.is_empty() {
                    let is_own = other.routing_key_variable == own.routing_key_variable;
                    found.warnings.extend(other.warns().filter(|_| !is_own));
                    let previous = previous(other);
                    found.further.extend(previous.filter(|previous| !is_known(previous, own, &found.further)));
                }
            }
            Err(error) if error.problem == Problem::Store => return Err(error),
            Err(error) if chosen.contains(name) => {
                // Once for each service.
                found.places.insert((*name).to_owned(), 0);
                let instead = "its events are sent to the service of the path";
                found.warnings.push(format!("a rule chose service `{name}`, but {error}; {instead}"));
            }
            // Alerts may be open there: the key was valid before somebody changed it.
            Err(error) if matches!(error.problem, Problem::KeyShape | Problem::KeyIsRestKey | Problem::KeyIsUrl) => {
                let left = "acknowledges and resolves are not sent there, and its alerts stay open";
                found.warnings.push(format!("a rule names service `{name}`, but {error}; {left}"));
            }
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The destination of the alerts that a service's previous key opened, for a service whose current key has a destination.
fn previous(of: Target) -> Option<Target> {
    let routing_keys = Rotation { current: of.routing_keys.previous?, previous: None };
    let routing_key_variable = [&of.routing_key_variable, "_previous"].concat();
    Some(Target { routing_keys, routing_key_variable, warning: None, ..of })
}

/// Whether a destination gets acknowledges and resolves with this current key already.
fn is_known(target: &Target, own: &Target, further: &[Target]) -> bool {
    let key = &target.routing_keys.current;
    std::iter::once(own).chain(further).any(|known| {
        let Rotation { current, previous } = &known.routing_keys;
        current.equals(key) || previous.as_ref().is_some_and(|previous| previous.equals(key))
    })
}
