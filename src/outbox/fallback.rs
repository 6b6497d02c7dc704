//! Telling somebody by another way that PagerDuty has not accepted a trigger.
//!
//! A chat line is no page, so its success is never an acceptance.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::Value;

use crate::config::{self, Fallback, FallbackFormat};
use crate::http::Url;
use crate::json;
use crate::pagerduty::event::Event;
use crate::pagerduty::events_api::{self, Addressed, Destination, Outcome, Retries, Verdict};
use crate::runtime::{self, Host, HttpRequest};
use crate::text;

/// How many alerts one message names.
pub const NAMED_MAX: usize = 10;

/// The longest text, in UTF-16 code units. Discord's limit of 2000 is the smallest.
/// <https://discord.com/developers/docs/resources/webhook>
const TEXT_MAX_CHARS: usize = 1900;

/// How much of a summary a text has, in UTF-16 code units.
const SUMMARY_MAX_CHARS: usize = 300;

/// The longest line that counts the other alerts, in UTF-16 code units.
const COUNT_MAX_CHARS: usize = 40;

/// How long a message may take.
pub const TOLD_MAX: Duration = Duration::from_secs(4);

/// A trigger that PagerDuty has not accepted.
#[derive(Clone, Debug)]
pub struct Untaken<'a> {
    /// The event.
    pub event: &'a Event,
    /// The slug of its source.
    pub source: &'a str,
    /// The service whose routing key it is for.
    pub service: Option<&'a str>,
    /// Why PagerDuty has not accepted it.
    pub why: &'a str,
}

/// What becomes of the triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// They are stored and sent again.
    Stored,
    /// The relay does not send them again.
    Lost,
}

/// Tells somebody about these triggers, with one request, or in format `event` with one for each of at most ten: the most
/// severe. Waits 4 seconds at most. Returns a warning if only some of these events were accepted.
///
/// # Errors
/// Returns why nobody was told. The text contains no part of the URL.
pub fn tell(
    host: &mut dyn Host,
    fallback: &Fallback,
    untaken: &[Untaken<'_>],
    rest: Rest,
) -> Result<Option<String>, String> {
    // However late it is: a slow store may have taken any time, and nobody else says anything.
    let until = host.elapsed().saturating_add(TOLD_MAX);
    let mut untaken = untaken.to_vec();
    untaken.sort_by_key(|untaken| Reverse(untaken.event.severity()));
    match &fallback.format {
        FallbackFormat::Event(keys) => {
            let events: Vec<Event> = untaken.iter().take(NAMED_MAX).map(|untaken| untaken.event.clone()).collect();
            let (alerts, changes) = (&fallback.url, &fallback.url);
            let destination = Destination { keys, alerts, changes, minimal: true };
            let addressed = [Addressed { events: &events, held: &[], destination }];
            let (outcomes, _) = events_api::deliver(host, &addressed, Retries::Once.into(), until, None);
            let failed = outcomes.iter().filter(|outcome| outcome.verdict() != Verdict::Accepted);
            let failed: Vec<&Outcome> = failed.collect();
            let Some(first) = failed.first() else { return Ok(None) };
            let why = fallback.secret.redact(&first.deciding().to_string());
            if failed.len() == outcomes.len() {
                return Err(why);
            }
            let (variable, count, all) = (config::FALLBACK_URL, failed.len(), outcomes.len());
            Ok(Some(format!("the server at `{variable}` has not accepted {count} of {all} events: {why}")))
        }
        FallbackFormat::Teams => post(host, &fallback.url, &card(&words(&untaken, rest)), until).map(|()| None),
        FallbackFormat::Text => post(host, &fallback.url, &plain(&words(&untaken, rest)), until).map(|()| None),
    }
}

/// Tries the fallback with a message that asks nobody for anything. In format `event`, it sends a resolve of an alert that
/// does not exist.
///
/// # Errors
/// As [`tell`].
pub fn try_out(host: &mut dyn Host, fallback: &Fallback, probe: Event) -> Result<(), String> {
    const TRIAL: &str = "pagerelay: this is a test of fallback_url. Nothing is wrong.";
    let until = host.elapsed().saturating_add(TOLD_MAX);
    match &fallback.format {
        FallbackFormat::Event(_) => {
            let untaken = Untaken { event: &probe, source: "", service: None, why: "" };
            tell(host, fallback, &[untaken], Rest::Lost).map(|_| ())
        }
        FallbackFormat::Teams => post(host, &fallback.url, &card(TRIAL), until),
        FallbackFormat::Text => post(host, &fallback.url, &plain(TRIAL), until),
    }
}

fn post(host: &mut dyn Host, url: &Url, body: &Value, until: Duration) -> Result<(), String> {
    let outbound = HttpRequest::post(url.clone(), json::encode_visible(body));
    match runtime::request_once(host, outbound, Duration::ZERO, until) {
        Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
        Ok(answer) => Err(answer.status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// The body that Slack, Mattermost, Rocket.Chat, Google Chat, Discord at `/slack` and ntfy with a template accept. Google Chat
/// accepts no other member.
fn plain(words: &str) -> Value {
    json::object([("text", words.into())])
}

/// An adaptive card in a message, as workflows of Microsoft Teams accept it. Each line is a block of its own: Teams reads a
/// block as Markdown, where a single line break is a space.
/// <https://github.com/microsoft/AdaptiveCards/issues/5538>
/// <https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>
fn card(words: &str) -> Value {
    let block = |line: &str| json::object([("type", "TextBlock".into()), ("text", line.into()), ("wrap", true.into())]);
    let blocks: Vec<Value> = words.lines().map(block).collect();
    let content = json::object([
        ("$schema", "http://adaptivecards.io/schemas/adaptive-card.json".into()),
        ("type", "AdaptiveCard".into()),
        ("version", "1.2".into()),
        ("body", blocks.into()),
    ]);
    let attachment = json::object([
        ("contentType", "application/vnd.microsoft.card.adaptive".into()),
        ("contentUrl", Value::Null),
        ("content", content),
    ]);
    json::object([("type", "message".into()), ("attachments", vec![attachment].into())])
}

/// The text of a message: a line for each alert, and what becomes of them.
fn words(untaken: &[Untaken<'_>], rest: Rest) -> String {
    let end = match rest {
        Rest::Stored => "\nStored, and sent again for 24 hours.",
        Rest::Lost => "\nThe relay does not send it again: tell the person on call.",
    };
    let room = TEXT_MAX_CHARS.saturating_sub(end.len());
    let mut words = String::from("PagerDuty has not accepted:");
    let mut named = 0;
    for Untaken { event, source, service, why } in untaken.iter().take(NAMED_MAX) {
        let summary = text::truncate(event.summary(), SUMMARY_MAX_CHARS);
        let service = service.map(|service| ["service ", service].concat()).unwrap_or_default();
        let facts = text::join_nonempty(&[source, &service, why], ", ");
        let line = text::interpolate("\n[{}] {} ({})", &[event.severity().as_str(), &summary, &facts]);
        // The count of the others has to fit too.
        let length = [&*words, &line].map(|text| text.encode_utf16().count()).iter().sum::<usize>();
        if length + COUNT_MAX_CHARS > room {
            break;
        }
        words.push_str(&line);
        named += 1;
    }
    if let Some(more) = untaken.len().checked_sub(named).filter(|more| *more > 0) {
        words.push_str(&format!("\nand {}", text::count(more, "more alert")));
    }
    let words = text::truncate(&words, room).into_owned() + end;
    // A sender must not mention a channel or a person.
    words.replace('<', "‹").replace('>', "›").replace('@', "＠")
}
