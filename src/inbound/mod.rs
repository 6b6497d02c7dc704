//! What a request is for, and who takes a delivery in.

pub mod intake;
pub mod route;
