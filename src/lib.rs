//! pagerelay.
mod fit;
mod labels;

pub mod auth;
#[cfg(target_arch = "wasm32")]
mod component;
pub mod config;
pub mod deliver;
pub mod error;
pub mod event;
pub mod host;
pub mod relay;
pub mod request;
pub mod route;
pub mod secret;
pub mod sources;
pub mod text;
