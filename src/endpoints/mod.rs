//! The endpoints that are not deliveries.

pub mod act;
pub mod check;
pub mod playground;
pub mod preview;
pub mod setup;
