//! pure parts
pub mod alert;
pub mod call;
pub mod name;
