//! The user's choices about mapping. None of them is a secret.

use super::names::BRANCHES;
use super::{ConfigError, choice};
use crate::runtime::Host;

/// The user's choices about mapping. A source whose mapping does not depend on one of them ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How a batch of alerts becomes events.
    pub grouping: Grouping,
    /// The branches whose failed runs trigger alerts.
    pub branches: Branches,
}

impl Options {
    /// The choices of a user who has set no variable.
    pub const DEFAULT: Options = Options { grouping: Grouping::Alert, branches: Branches::Default };
}

/// How a batch of alerts becomes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// One event per alert.
    Alert,
    /// One event for the whole batch, if the vendor sends batches.
    Group,
}

/// The branches whose failed runs trigger alerts, for a source whose runs belong to branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branches {
    /// Only the repository's default branch.
    Default,
    /// Every branch, and requests to merge one.
    All,
}

/// Reads the choice of branches from a source's variable.
///
/// # Errors
/// Returns [`ConfigError`] if the value is not one of the words, or the store failed.
pub fn branches(host: &dyn Host, variable: &str) -> Result<Branches, ConfigError> {
    choice(host, variable, BRANCHES, &[("default", Branches::Default), ("all", Branches::All)])
}
