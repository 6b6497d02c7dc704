//! What is not a delivery.

pub mod act;
pub mod check;
pub mod playground;
pub mod preview;
pub mod setup;
