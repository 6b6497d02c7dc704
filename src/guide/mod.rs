//! The guide: how to deploy, configure and operate the relay.
//!
//! The pages are Markdown files. A code host shows them as they are, and `cargo doc` shows them here. A page ends with the
//! definitions of its links, for the former; the definitions above a page are for the latter, and the first one wins.

/// [configure]: configure
/// [operate]: operate
/// [security]: security
///
#[doc = include_str!("deploy.md")]
pub mod deploy {}

/// [deploy]: deploy
/// [operate]: operate
/// [security]: security
/// [templates]: templates
///
#[doc = include_str!("configure.md")]
pub mod configure {}

/// [configure]: configure
/// [deploy]: deploy
/// [security]: security
/// [sources]: crate::sources
///
#[doc = include_str!("operate.md")]
pub mod operate {}

/// [configure]: configure
///
#[doc = include_str!("templates.md")]
pub mod templates {}

/// [configure]: configure
/// [deploy]: deploy
/// [operate]: operate
/// [sources]: crate::sources
///
#[doc = include_str!("security.md")]
pub mod security {}
