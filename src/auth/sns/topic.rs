//! Topics of Amazon SNS, by their ARNs.

/// The host of Amazon SNS for a topic: `sns.<region>.amazonaws.com`, in China followed by `.cn`. Returns nothing if the
/// text is not a topic's ARN.
pub fn host_of(topic: &str) -> Option<String> {
    let mut parts = topic.split(':');
    let (Some("arn"), Some(partition), Some("sns"), Some(region)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let plain = !region.is_empty() && region.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let country = if partition == "aws-cn" { ".cn" } else { "" };
    plain.then(|| format!("sns.{region}.amazonaws.com{country}"))
}

/// Returns the problem with a value that is not the ARN of a topic.
pub fn not_a_topic(value: &str) -> Option<&'static str> {
    host_of(value).is_none().then_some("contains a value that is not the ARN of an SNS topic")
}
