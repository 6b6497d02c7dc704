//! Amazon SNS.

#[cfg(feature = "sns")]
mod der;
#[cfg(feature = "sns")]
mod message;
#[cfg(feature = "sns")]
mod rsa;
mod topic;

#[cfg(feature = "sns")]
pub(in crate::auth) use self::message::{Claim, Key, MESSAGE_TYPE, RAW_DELIVERY};
pub use self::topic::host_of as host_of_topic;
