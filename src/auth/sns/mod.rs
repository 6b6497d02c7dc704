//! Amazon SNS: its signature as a scheme, and its topics.

#[cfg(feature = "sns")]
mod der;
#[cfg(feature = "sns")]
mod message;
#[cfg(feature = "sns")]
mod rsa;
mod topic;

pub use self::topic::{host_of as host_of_topic, not_a_topic};
use super::{AuthError, Certified, Fetch};
use crate::http::Headers;

/// A signature of Amazon's over a message about a topic that is listed.
pub const SNS: Certified = Certified {
    name: "sns",
    way: "signature of a topic in variable `sns_topics`",
    listed_in: "sns_topics",
    built_in: cfg!(feature = "sns"),
    no_certificate: "the signature's certificate could not be fetched; allow outbound https://sns.<region>.amazonaws.com",
    is_presented,
    verify,
};

/// The header that every delivery of SNS has, and the one of those that are sent as they are, without a signature.
const MESSAGE_TYPE: &str = "x-amz-sns-message-type";
const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

fn is_presented(headers: &Headers) -> bool {
    headers.has(MESSAGE_TYPE) && !headers.has(RAW_DELIVERY)
}

#[cfg(feature = "sns")]
fn verify(body: &[u8], topics: &[String], now: u64, fetch: Fetch<'_>) -> Result<Vec<u8>, AuthError> {
    use self::message::{Claim, Key};
    use super::FetchError;

    let claim = Claim::read(body, topics, now).ok_or(AuthError::Refused)?;
    let certificate = fetch(&claim.certificate).map_err(|error| match error {
        FetchError::Absent => AuthError::Refused,
        FetchError::Trouble => AuthError::Certificate(SNS.no_certificate),
    })?;
    // What came in its place may be a proxy's page.
    let key = Key::read(&certificate).ok_or(AuthError::Certificate(SNS.no_certificate))?;
    if claim.holds(&key, now) { Ok(claim.proven()) } else { Err(AuthError::Refused) }
}

#[cfg(not(feature = "sns"))]
fn verify(_: &[u8], _: &[String], _: u64, _: Fetch<'_>) -> Result<Vec<u8>, AuthError> {
    Err(AuthError::Refused)
}
