//! Who takes a delivery in: a vendor's source, or a template of the user's own. From here on the pipeline sees no
//! difference.

use std::borrow::Cow;
use std::time::Duration;

use super::route::{self, By, Delivery, Endpoint};
use crate::auth::{Authenticated, Hmac, SHARED_SECRET, Scheme};
#[cfg(not(feature = "templates"))]
use crate::config::Problem;
use crate::config::{self, ConfigError, Grouping};
#[cfg(feature = "templates")]
use crate::custom::{Mapping, Template};
use crate::http::{BODY_TIMEOUT, Method, StatusCode};
use crate::mapping::{MapError, Mapped};
use crate::runtime::Host;
use crate::sources::{SOURCES, Source};

/// What is kept of a sender's patience for the way back: this much, or a quarter where it has little.
const MARGIN: Duration = Duration::from_millis(500);
const MARGIN_SHARE: u32 = 4;

/// The longest a request may take. The clouds that run Spin end a handler after 30 seconds.
const TOTAL_MAX: Duration = Duration::from_secs(25);

/// How long senders are taken to wait that nobody knows.
#[cfg(feature = "templates")]
const CUSTOM_PATIENCE: Duration = Duration::from_secs(10);

/// What takes a delivery in.
pub enum Intake {
    /// A template of the user's own.
    #[cfg(feature = "templates")]
    Custom(Custom),
    /// A vendor's source.
    Source(&'static Source),
}

/// A template, as it stands in its variable.
#[cfg(feature = "templates")]
pub struct Custom {
    variable: String,
    name: String,
    template: Result<Template, MapError>,
}

impl Intake {
    /// Finds what takes a delivery in.
    ///
    /// # Errors
    /// The template's variable is not set, or the store failed.
    pub fn find(host: &dyn Host, by: By<'_>) -> Result<Intake, ConfigError> {
        match by {
            #[cfg(feature = "templates")]
            By::Custom(name) => {
                let (variable, text) = config::template(host, name)?;
                let template = Template::read(&variable, &text);
                Ok(Intake::Custom(Custom { variable, name: ["Mapping ", name].concat(), template }))
            }
            #[cfg(not(feature = "templates"))]
            By::Custom(_) => {
                // No path leads here without cargo feature `templates`.
                let _ = host;
                Err(ConfigError { variable: "custom_<name>".to_owned(), problem: Problem::Unset })
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

    /// The signature by HMAC that a template asks for.
    pub fn hmac(&self) -> Option<Hmac<'_>> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(Custom { template: Ok(template), .. }) => Some(template.auth().hmac()),
            _ => None,
        }
    }

    /// The ways its senders can prove themselves. `hmac` is [`Intake::hmac`].
    pub fn schemes<'a>(&'a self, hmac: Option<&'a Hmac<'a>>) -> Cow<'a, [Scheme<'a>]> {
        match (self, hmac) {
            (Intake::Source(source), _) => Cow::Borrowed(source.schemes),
            #[cfg(feature = "templates")]
            (Intake::Custom(Custom { template: Ok(template), .. }), Some(hmac)) => {
                Cow::Owned(template.auth().schemes(hmac))
            }
            // Of a template that cannot be read, whoever shows the shared secret is known all the same, and pages.
            #[cfg(feature = "templates")]
            _ => Cow::Borrowed(SHARED_SECRET),
        }
    }

    /// When a delivery has to be answered, from its arrival on.
    pub fn deadline(&self) -> Duration {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(_) => deadline(CUSTOM_PATIENCE),
            Intake::Source(source) => deadline(source.patience),
        }
    }

    /// The status that tells its senders that all is well.
    pub fn success(&self) -> StatusCode {
        self.source().map_or(StatusCode::OK, |source| source.success)
    }

    /// The source, where it is one.
    pub fn source(&self) -> Option<&'static Source> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(_) => None,
            Intake::Source(source) => Some(source),
        }
    }

    /// The words that decide what is done.
    pub fn states(&self) -> Vec<&str> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => custom.template.as_ref().map(Template::words).unwrap_or_default(),
            Intake::Source(source) => source.states.to_vec(),
        }
    }

    /// What maps its deliveries, for senders that are known: a template's expressions are parsed here.
    pub fn mapper(&self, grouping: Grouping) -> Mapper<'_> {
        match self {
            #[cfg(feature = "templates")]
            Intake::Custom(custom) => {
                let mapping = custom.template.as_ref().map_err(MapError::clone).and_then(Template::mapping);
                Mapper::Custom { variable: &custom.variable, mapping }
            }
            Intake::Source(source) => Mapper::Source { source, grouped: grouping == Grouping::Group },
        }
    }

    /// What a sender that was not let in is told where it may be the template's fault: it may prove itself in a way that the
    /// template would have said. What is in it is not for strangers.
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

/// Payload to events, for one delivery.
pub enum Mapper<'a> {
    /// By a template.
    #[cfg(feature = "templates")]
    Custom {
        /// Its variable.
        variable: &'a str,
        /// What was made of it.
        mapping: Result<Mapping<'a>, MapError>,
    },
    /// By a source.
    Source {
        /// The source.
        source: &'a Source,
        /// Whether a batch is to be one event, where the vendor batches.
        grouped: bool,
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
            Mapper::Source { source, grouped } => source.map_for(*grouped)(delivery),
        }
    }
}

/// How long a body may take to arrive: no longer than its sender waits for an answer to it.
pub fn body_timeout(method: Method, path: &str) -> Duration {
    match route::route(SOURCES, method, path) {
        Ok(Endpoint::Deliver(Delivery { by: By::Source(source), .. })) => deadline(source.patience).min(BODY_TIMEOUT),
        _ => BODY_TIMEOUT,
    }
}

/// When a delivery has to be answered whose sender waits for so long, from its arrival on.
fn deadline(patience: Duration) -> Duration {
    patience.saturating_sub(MARGIN.min(patience / MARGIN_SHARE)).min(TOTAL_MAX)
}
