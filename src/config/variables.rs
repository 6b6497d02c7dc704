//! The variables of one request: those of the store, and the members of variable `settings`.

use std::cell::{OnceCell, RefCell};
use std::time::Duration;

use super::settings::{SETTINGS, Settings, SettingsError};
use super::{ConfigError, get};
use crate::http::ReadError;
use crate::runtime::{Host, Step, StoreError, VariableError};

/// A host whose variables include the members of `settings`. A variable of the store comes first; if it is unset or blank,
/// the member of the same name replaces it.
///
/// It reads each variable once, because a read can be a call to a vault, and parses `settings` only if a variable is unset.
/// If `settings` is invalid, its members are unset, and [`Variables::problem`] gives the reason.
pub struct Variables<'a> {
    host: &'a mut dyn Host,
    read: RefCell<Vec<(String, Value)>>,
    settings: OnceCell<Result<Settings, SettingsError>>,
}

/// The value of a variable, or the store's failure.
type Value = Result<Option<String>, VariableError>;

impl<'a> Variables<'a> {
    /// Wraps the host of one request.
    pub fn new(host: &'a mut dyn Host) -> Self {
        Variables { host, read: RefCell::default(), settings: OnceCell::new() }
    }

    /// Why `settings` has no members, if this request needed one and it is invalid.
    pub fn problem(&self) -> Option<SettingsError> {
        self.settings.get()?.as_ref().err().copied()
    }

    /// The member of `settings`.
    fn member(&self, name: &str) -> Value {
        match self.settings.get_or_init(|| Settings::load(self)) {
            Ok(settings) => Ok(settings.text(name)),
            // The member may have a value.
            Err(SettingsError::Store) => Err(VariableError),
            Err(_) => Ok(None),
        }
    }
}

impl Host for Variables<'_> {
    fn now(&self) -> Duration {
        self.host.now()
    }

    fn elapsed(&self) -> Duration {
        self.host.elapsed()
    }

    fn variable(&self, name: &str) -> Value {
        let known = self.read.borrow().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if let Some(value) = known {
            return value;
        }
        let value = match self.host.variable(name) {
            Ok(own) if name != SETTINGS && own.as_deref().is_none_or(|own| own.trim().is_empty()) => self.member(name),
            own => own,
        };
        self.read.borrow_mut().push((name.to_owned(), value.clone()));
        value
    }

    fn variables(&self) -> Result<Vec<String>, VariableError> {
        self.host.variables()
    }

    fn body(&mut self, until: Duration) -> Option<Result<Vec<u8>, ReadError>> {
        self.host.body(until)
    }

    fn exchange(&mut self, lanes: usize, deadline: Duration, step: Step<'_>) {
        self.host.exchange(lanes, deadline, step);
    }

    fn stored(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.host.stored(key)
    }

    fn store(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.host.store(key, value)
    }

    fn forget(&mut self, key: &str) -> Result<(), StoreError> {
        self.host.forget(key)
    }

    fn keys(&mut self) -> Result<Vec<String>, StoreError> {
        self.host.keys()
    }

    fn pause(&mut self, until: Duration) {
        self.host.pause(until);
    }
}

/// The names of all variables.
pub struct Names {
    /// Those of the store. `None` if the store did not list them.
    pub own: Option<Vec<String>>,
    /// The members of `settings`.
    pub members: Vec<String>,
    /// Why `settings` has no members, if it is invalid.
    pub problem: Option<SettingsError>,
}

impl Names {
    /// All names, each once.
    pub fn all(&self) -> Vec<String> {
        let mut all = self.own.clone().unwrap_or_default();
        let more: Vec<String> = self.members.iter().filter(|name| !all.contains(name)).cloned().collect();
        all.extend(more);
        all
    }

    /// Whether no other variable exists.
    pub fn are_complete(&self) -> bool {
        self.own.is_some() && self.problem.is_none()
    }
}

/// Lists all variables. Call it only for control endpoints: the store resolves every value to list them.
pub fn names(host: &dyn Host) -> Names {
    let (members, problem) = match Settings::load(host) {
        Ok(settings) => (settings.names().map(str::to_owned).collect(), None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Names { own: host.variables().ok(), members, problem }
}

/// The members of `settings` that have no effect, because the store has another value for the same variable. It reads the
/// variable of each member, and each read can be a call to a vault.
pub fn hidden(host: &dyn Host) -> Vec<String> {
    let settings = Settings::load(host).unwrap_or_default();
    let is_hidden = |name: &&str| {
        let member = settings.text(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        *name != SETTINGS && member.is_some() && matches!(get(host, name), Ok(value) if value != member)
    };
    settings.names().filter(is_hidden).map(str::to_owned).collect()
}

impl ConfigError {
    /// Adds the problem with `settings`, if the variable is missing and could have been a member.
    #[must_use]
    pub fn because(self, problem: Option<SettingsError>) -> ConfigError {
        use super::Problem::{OwnUnset, Store, Unset};
        let missing = matches!(self.problem, OwnUnset | Store | Unset);
        ConfigError { settings: problem.filter(|_| missing), ..self }
    }
}
