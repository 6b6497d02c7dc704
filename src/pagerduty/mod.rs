//! All that knows PagerDuty: its events and their limits, the Events API that takes them, the REST API.

pub mod answer;
pub mod event;
pub mod events_api;
pub mod rest_api;
pub mod storm;
