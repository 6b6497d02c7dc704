//! The guide: how to deploy, configure, operate and monitor the relay.
//!
//! Each page is a Markdown file, so that it can be read in the repository as well. A page ends with the definitions of its
//! links to files. The definitions above it here replace them with links to modules: Markdown uses the first definition of
//! a label.

/// [configure]: configure
/// [hosts]: hosts
/// [monitor]: monitor
/// [operate]: operate
/// [outbox]: outbox
/// [release]: release
/// [security]: security
///
#[doc = include_str!("deploy.md")]
pub mod deploy {}

/// [configure]: configure
/// [deploy]: deploy
/// [outbox]: outbox
/// [release]: release
///
#[doc = include_str!("hosts.md")]
pub mod hosts {}

/// [monitor]: monitor
/// [operate]: operate
///
#[doc = include_str!("release.md")]
pub mod release {}

/// [operate]: operate
/// [outbox]: outbox
///
#[doc = include_str!("monitor.md")]
pub mod monitor {}

/// [deploy]: deploy
/// [operate]: operate
/// [opsgenie]: opsgenie
/// [outbox]: outbox
/// [rules]: rules
/// [security]: security
/// [templates]: templates
///
#[doc = include_str!("configure.md")]
pub mod configure {}

/// [configure]: configure
/// [deploy]: deploy
/// [monitor]: monitor
/// [outbox]: outbox
/// [rules]: rules
/// [security]: security
/// [sources]: crate::sources
///
#[doc = include_str!("operate.md")]
pub mod operate {}

/// [configure]: configure
/// [deploy]: deploy
/// [monitor]: monitor
/// [operate]: operate
/// [opsgenie]: opsgenie
/// [security]: security
///
#[doc = include_str!("outbox.md")]
pub mod outbox {}

/// [outbox]: outbox
///
#[doc = include_str!("evidence.md")]
pub mod evidence {}

/// [configure]: configure
/// [operate]: operate
/// [outbox]: outbox
/// [security]: security
/// [sources]: crate::sources
/// [templates]: templates
///
#[doc = include_str!("opsgenie.md")]
pub mod opsgenie {}

/// [configure]: configure
/// [filters]: crate::custom::filters
///
#[doc = include_str!("templates.md")]
pub mod templates {}

/// [configure]: configure
/// [filters]: crate::custom::filters
/// [templates]: templates
///
#[doc = include_str!("rules.md")]
pub mod rules {}

/// [configure]: configure
/// [deploy]: deploy
/// [operate]: operate
/// [outbox]: outbox
/// [sources]: crate::sources
///
#[doc = include_str!("security.md")]
pub mod security {}
