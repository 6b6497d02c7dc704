//! Amazon SNS: its signature as a scheme, and its topics.

#[cfg(feature = "sns")]
mod certificate;
#[cfg(feature = "sns")]
mod message;
mod topic;

pub use self::topic::{host_of as host_of_topic, not_a_topic};
#[cfg(feature = "sns")]
use super::{AuthError, Fetch, FetchError};
use super::{Certified, VerifyMessage};
use crate::http::Headers;

/// Amazon's signature over a message about a listed topic.
pub const SNS: Certified = Certified {
    name: "sns",
    way: "signature of a topic in variable `sns_topics`",
    listed_in: "sns_topics",
    no_certificate: "the signature's certificate could not be fetched; allow outbound https://sns.<region>.amazonaws.com",
    is_presented,
    verify: VERIFY,
};

/// The verifier, if this build has one.
#[cfg(feature = "sns")]
const VERIFY: Option<VerifyMessage> = Some(verify);
#[cfg(not(feature = "sns"))]
const VERIFY: Option<VerifyMessage> = None;

/// The header of every delivery of SNS, and the one that marks raw deliveries, which have no signature.
const MESSAGE_TYPE: &str = "x-amz-sns-message-type";
const RAW_DELIVERY: &str = "x-amz-sns-rawdelivery";

fn is_presented(headers: &Headers) -> bool {
    headers.has(MESSAGE_TYPE) && !headers.has(RAW_DELIVERY)
}

#[cfg(feature = "sns")]
fn verify(body: &[u8], topics: &[String], now: u64, fetch: Fetch<'_>) -> Result<Vec<u8>, AuthError> {
    use self::certificate::SigningKey;
    use self::message::Unverified;

    let message = Unverified::parse(body, topics, now).ok_or(AuthError::Refused)?;
    let file = fetch(&message.certificate).map_err(|error| match error {
        FetchError::Absent => AuthError::Refused,
        FetchError::Trouble => AuthError::Certificate(SNS.no_certificate),
    })?;
    // A file that is no certificate may be a proxy's page.
    let key = SigningKey::parse(&file).ok_or(AuthError::Certificate(SNS.no_certificate))?;
    message.verify(&key, now).ok_or(AuthError::Refused)
}
