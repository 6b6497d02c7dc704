//! The intake of a delivery: a vendor's source or a user's template. After this module, the pipeline sees no difference
//! between them.

use std::borrow::Cow;
use std::time::Duration;

use super::route::By;
#[cfg(feature = "templates")]
use crate::auth::SHARED_SECRET;
use crate::auth::{Authenticated, Hmac, Scheme};
use crate::config;
#[cfg(not(feature = "templates"))]
use crate::config::Problem;
use crate::config::{Accepted, Branches, ConfigError, Grouping, Options};
#[cfg(feature = "templates")]
use crate::custom::{Mapping, Template};
use crate::http::StatusCode;
use crate::mapping::{MapError, Mapped};
use crate::runtime::Host;
#[cfg(feature = "templates")]
use crate::sources;
use crate::sources::{Source, Visit};

/// The part of a sender's timeout that is reserved for the reply.
pub const MARGIN: Duration = Duration::from_millis(500);

/// If a timeout is short, only this part of it is reserved: the timeout divided by this.
pub const MARGIN_SHARE: u32 = 4;

/// The longest time for a request. The clouds that run Spin stop a handler after 30 seconds.
pub const TOTAL_MAX: Duration = Duration::from_secs(25);

/// Timeout assumed for custom senders.
#[cfg(feature = "templates")]
const CUSTOM_PATIENCE: Duration = Duration::from_secs(10);

/// The source or template that handles a delivery.
#[allow(clippy::large_enum_variant, reason = "there is one of them in a delivery")]
pub enum Intake {
    /// A user's template.
    #[cfg(feature = "templates")]
    Custom(Custom),
    /// A vendor's source.
    Source(&'static Source),
}

/// A template, with its variable.
#[cfg(feature = "templates")]
pub struct Custom {
    variable: String,
    name: String,
    template: Result<Template, MapError>,
}

impl Intake {
    /// Finds the intake for a delivery.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if the template's variable is not set, or the store failed.
    pub fn find(host: &dyn Host, by: By<'_>) -> Result<Intake, ConfigError> {
        match by {
            #[cfg(feature = "templates")]
            By::Custom(name) => {
                let (variable, text) = config::template(host, name)?;
                let template = Template::read(&variable, &text);
                Ok(Intake::Custom(Custom { variable, name: ["Template ", name].concat(), template }))
            }
            #[cfg(not(feature = "templates"))]
            By::Custom(_) => {
                // The router never gets here without cargo feature `templates`.
                let _ = host;
                Err(ConfigError { variable: "custom_<name>".to_owned(), problem: Problem::Unset, settings: None })
            }
            By::Source(source) => Ok(Intake::Source(source)),
        }
    }

    /// The end of its variables' names, and the beginning of its dedup keys.
    pub fn slug(&self) -> &str {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => &custom.variable,
            Intake::Source(source) => source.slug,
        }
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => &custom.name,
            Intake::Source(source) => source.name,
        }
    }

    /// The HMAC signature that a template requires.
    pub fn hmac(&self) -> Option<Hmac<'_>> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(Custom { template: Ok(template), .. }) => Some(template.auth().hmac()),
            _ => None,
        }
    }

    /// The schemes of its senders. `hmac` is [`Intake::hmac`].
    pub fn schemes<'a>(&'a self, hmac: Option<&'a Hmac<'a>>) -> Cow<'a, [Scheme<'a>]> {
        match (self, hmac) {
            (Intake::Source(source), _) => Cow::Borrowed(source.schemes),
            #[cfg(feature = "templates")]
            (Intake::Custom(Custom { template: Ok(template), .. }), Some(hmac)) => {
                Cow::Owned(template.auth().schemes(hmac))
            }
            // With an invalid template, a sender with the shared secret still authenticates, so its delivery pages.
            #[cfg(feature = "templates")]
            _ => Cow::Borrowed(SHARED_SECRET),
        }
    }

    /// Which secrets authenticate its senders, if the path names this service.
    pub fn accepted<'a>(&self, service: Option<&'a str>) -> Accepted<'a> {
        self.source().map_or(Accepted::Any, |source| source.accepted(service))
    }

    /// When the reply is due, counted from the delivery's arrival.
    pub fn deadline(&self) -> Duration {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(_) => deadline(CUSTOM_PATIENCE),
            Intake::Source(source) => deadline(source.patience),
        }
    }

    /// Whether its senders send their state again by themselves. Nobody knows that of a template's senders.
    pub fn resends_state(&self) -> bool {
        self.source().is_some_and(|source| source.resends_state)
    }

    /// The success status that its senders expect.
    pub fn success(&self) -> StatusCode {
        self.source().map_or(StatusCode::OK, |source| source.success)
    }

    /// The source. Returns `None` for a template.
    pub fn source(&self) -> Option<&'static Source> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(_) => None,
            Intake::Source(source) => Some(source),
        }
    }

    /// The rule for URLs that its senders may ask the relay to visit, if it confirms subscriptions.
    pub fn visit(&self) -> Option<&'static Visit> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(Custom { template: Ok(template), .. }) if template.is_from_sns() => {
                sources::find("sns").and_then(|source| source.visit.as_ref())
            }
            #[cfg(feature = "templates")]
            Intake::Custom(_) => None,
            Intake::Source(source) => source.visit.as_ref(),
        }
    }

    /// The words in a payload that decide the action or the severity.
    pub fn states(&self) -> Vec<&str> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => custom.template.as_ref().map(Template::words).unwrap_or_default(),
            Intake::Source(source) => source.states.to_vec(),
        }
    }

    /// Reads the user's choices about mapping. `grouping` is the choice for all sources.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if a variable of the source is invalid, or the store failed.
    pub fn options(&self, host: &dyn Host, grouping: Grouping) -> Result<Options, ConfigError> {
        let choice = self.source().and_then(|source| source.branches.as_ref());
        let branches = choice.map_or(Ok(Branches::Default), |choice| config::branches(host, choice.variable))?;
        Ok(Options { grouping, branches })
    }

    /// The mapper for its deliveries. Call it only for authenticated senders: it parses the template's expressions.
    pub fn mapper(&self, options: Options) -> Mapper<'_> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => {
                let mapping = custom.template.as_ref().map_err(MapError::clone).and_then(Template::mapping);
                Mapper::Custom { variable: &custom.variable, mapping }
            }
            Intake::Source(source) => Mapper::Source { source, options },
        }
    }

    /// The error for a sender that could not be authenticated because the template is invalid: the template may define
    /// another scheme. It does not show the template, because the sender is not authenticated.
    pub fn broken(&self) -> Option<MapError> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(Custom { template: Err(_), variable, .. }) => Some(MapError::Template {
                problem: ["variable `", variable, "` is not a valid template; GET /check shows the error"].concat(),
            }),
            _ => None,
        }
    }
}

/// Maps the payload of one delivery to events.
pub enum Mapper<'a> {
    /// With a template.
    #[cfg(feature = "templates")]
    Custom {
        /// Its variable.
        variable: &'a str,
        /// The parsed template.
        mapping: Result<Mapping<'a>, MapError>,
    },
    /// With a source.
    Source {
        /// The source.
        source: &'a Source,
        /// The user's choices.
        options: Options,
    },
}

impl Mapper<'_> {
    /// Maps a delivery.
    ///
    /// # Errors
    /// Returns [`MapError`] if nothing in it can be mapped.
    pub fn map(&self, delivery: &Authenticated<'_>) -> Result<Mapped, MapError> {
        match self {
            #[cfg(feature = "templates")]
            Mapper::Custom { variable, mapping } => match mapping {
                Ok(mapping) => mapping.map(variable, delivery),
                Err(error) => Err(error.clone()),
            },
            Mapper::Source { source, options } => source.map_for(*options)(delivery),
        }
    }
}

/// When the reply is due for a sender with this timeout, counted from the delivery's arrival.
fn deadline(patience: Duration) -> Duration {
    patience.saturating_sub(MARGIN.min(patience / MARGIN_SHARE)).min(TOTAL_MAX)
}
