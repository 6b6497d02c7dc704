//! Finds the endpoint of a request and the intake of a delivery.

pub mod intake;
pub mod route;
