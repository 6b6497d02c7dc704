//! The envelope of Amazon SNS: a message, or a request about the subscription.

use serde_json::Value;

use crate::auth::{Authenticated, sns};
use crate::http::url;
use crate::json::{self, Node};
use crate::mapping::{Handshake, MapError, Mapped, parse};

/// What a delivery of SNS contains.
pub enum Envelope {
    /// A published message.
    Message(Message),
    /// A request about the subscription, which makes no event.
    Done(Mapped),
}

/// A published message. A text is empty if the envelope does not have it.
#[derive(Debug, Default)]
pub struct Message {
    /// The published text.
    pub text: String,
    /// The ARN of the topic.
    pub topic: String,
    /// The subject.
    pub subject: String,
    /// The time of publication.
    pub time: Option<String>,
}

impl Message {
    /// The message as a payload for a template: a JSON object or list as it is, and any other text as the member
    /// `message`, beside `subject` and `topic`.
    pub fn into_payload(self) -> Vec<u8> {
        let inside = match parse(self.text.trim().as_bytes()) {
            Ok(Value::Object(_) | Value::Array(_)) => return self.text.into_bytes(),
            // An input template in quotes can arrive with its quotes.
            Ok(Value::String(inside)) => inside,
            _ => self.text,
        };
        let members = [("message", inside), ("subject", self.subject), ("topic", self.topic)];
        json::encode(&json::object(members.map(|(name, text)| (name, text.into()))))
    }
}

/// Opens the envelope of a delivery. A body without one is a message itself: raw delivery, or a program that posts it.
///
/// # Errors
/// Returns [`MapError`] if the body is neither, or asks for a visit to a URL that is not SNS's own.
pub fn open(delivery: &Authenticated<'_>) -> Result<Envelope, MapError> {
    let whole = parse(delivery.body());
    let raw = delivery.header("x-amz-sns-rawdelivery").is_some();
    let envelope = whole.as_ref().unwrap_or(&Value::Null);
    let node = Node::root(envelope);
    match node.get("Type").text().as_deref() {
        Some("SubscriptionConfirmation") if !raw => confirm(node).map(Envelope::Done),
        Some("UnsubscribeConfirmation") if !raw => Ok(Envelope::Done(Mapped::nothing("unsubscribed"))),
        Some("Notification") if !raw => {
            let text = node.get("Message").text().ok_or(MapError::Field { path: "Message", problem: "is missing" })?;
            let [topic, subject] = ["TopicArn", "Subject"].map(|name| node.get(name).text().unwrap_or_default());
            Ok(Envelope::Message(Message { text, topic, subject, time: node.get("Timestamp").text() }))
        }
        // Raw delivery says so in a header, and a program that posts the message does not.
        _ if whole.is_ok() || raw && whole != Err(MapError::TooManyValues) => {
            let topic = delivery.header("x-amz-sns-topic-arn").unwrap_or_default().to_owned();
            let text = String::from_utf8_lossy(delivery.body()).into_owned();
            Ok(Envelope::Message(Message { text, topic, ..Message::default() }))
        }
        _ => Err(whole.err().unwrap_or(MapError::Shape { expected: "an Amazon SNS message" })),
    }
}

/// The message inside a payload that is the envelope of one, if the message is a JSON object or list.
pub fn message_of(payload: &Value) -> Option<Value> {
    let node = Node::root(payload);
    node.get("TopicArn").text()?;
    let text = node.get("Message").text().filter(|_| node.get("Type").text().as_deref() == Some("Notification"))?;
    parse(text.as_bytes()).ok().filter(|message| message.is_object() || message.is_array())
}

/// A subscription to confirm. Its URL must be SNS's own and for this very topic, because any visit consumes the token.
fn confirm(envelope: Node<'_>) -> Result<Mapped, MapError> {
    let refuse = |path, problem| MapError::Field { path, problem };
    let topic = envelope.get("TopicArn").text().unwrap_or_default();
    let host = sns::host_of_topic(&topic).ok_or(refuse("TopicArn", "is not the ARN of an SNS topic"))?;
    let url = envelope.get("SubscribeURL").text().unwrap_or_default();
    let path = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host.as_str()));
    let path = path.filter(|path| path.starts_with("/?") && url::absolute_url(&url).is_some());
    let path = path.filter(|path| path.contains("Action=ConfirmSubscription") && !path.contains('#'));
    let path = path.ok_or(refuse("SubscribeURL", "is not an Amazon SNS URL in the topic's region"))?.to_owned();
    Ok(Mapped { handshake: Some(Handshake::Visit { whose: topic, path }), ..Mapped::nothing("subscription confirmed") })
}
