//! Finds the endpoint of a request and the intake of a delivery.

mod apis;
pub mod intake;
pub mod route;
