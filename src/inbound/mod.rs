//! What a request is for.

pub mod route;
