//! Everything about PagerDuty: events and their limits, the Events API, the REST API.

pub mod answer;
pub mod event;
pub mod events_api;
pub mod former_keys;
pub mod rest_api;
pub mod storm;
