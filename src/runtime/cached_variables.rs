//! A cache of variables.

use std::cell::RefCell;
use std::time::Duration;

use super::{Host, Step, VariableError};
use crate::http::ReadError;

/// A host that reads each variable once: a read can be a call to a vault.
pub struct CachedVariables<'a> {
    host: &'a mut dyn Host,
    read: RefCell<Vec<(String, Value)>>,
}

/// The store's response for a variable.
type Value = Result<Option<String>, VariableError>;

impl<'a> CachedVariables<'a> {
    /// Wraps a host with an empty cache.
    pub fn new(host: &'a mut dyn Host) -> Self {
        CachedVariables { host, read: RefCell::default() }
    }
}

impl Host for CachedVariables<'_> {
    fn now(&self) -> Duration {
        self.host.now()
    }

    fn elapsed(&self) -> Duration {
        self.host.elapsed()
    }

    fn variable(&self, name: &str) -> Result<Option<String>, VariableError> {
        let mut read = self.read.borrow_mut();
        if let Some((_, value)) = read.iter().find(|(known, _)| known == name) {
            return value.clone();
        }
        let value = self.host.variable(name);
        read.push((name.to_owned(), value.clone()));
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
}
