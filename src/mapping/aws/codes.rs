//! Numbers of events of RDS, DMS and Redshift, and names of events of ElastiCache: what they mean, and what they are about.
//!
//! Looked up 2026-11 in each service's own list of events. An event that is not listed is read by its message.

use super::bridge::Bridge;
use super::verdict::{HARMLESS, Verdict, judge};
use crate::pagerduty::event::Severity;

/// A topic, and its numbers, each after the sign of its verdict ([`Verdict::of_sign`]).
type Topics = &'static [(&'static str, &'static str)];

const RDS: Topics = &[
    ("availability", "c 0031 e 0022 0035 0036 0315 w 0004 0087 r 0006 0088 n 0396 0154"),
    (
        "storage",
        "c 0221 0007 e 0222 0089 0227 0330 0331 0223 0254 w 0224 0225 0189 0231 0306 r 0017 0218 0296 \
        n 0018 0217 0219 0220 0237 0295",
    ),
    ("failover", "c 0069 w 0013 0072 0073 0050 r 0015 0049 0071 0051 0065 n 0034 0070"),
    ("recovery", "e 0020 0052 0361 w 0066 r 0021 0053 0362 n 0023"),
    ("replication", "e 0045 0057 0358 w 0202 r 0046 0357 0415 n 0062 0359 0063 0360 0233 0416"),
    ("key", "c 0418 0419 r 0420"),
    ("memory", "e 0403 0404"),
    (
        "upgrade",
        "e 0270 0412 w 0174 0158 0188 0280 0281 0425 0429 r 0268 0173 0176 0290 0047 0027 0289 \
        n 0026 0155 0156 0177 0178 0264 0265 0266 0267 0269 0286 0287 0288 0398 0399 0410 0411 0413 0414 0417 \
        i 0230 0422 0501 0502",
    ),
    (
        "backup",
        "w 0159 0162 0484 0489 r 0161 0164 n 0001 0002 0040 0042 0074 0075 0090 0091 0168 0169 0041 0059 0060 0061 \
        0160 0163 0190 0196 0197",
    ),
    ("blue/green", "w 0245 0249 0252 0310 r 0248 0251 0308 n 0244 0246 0247 0250 0307 0405 0406"),
    (
        "change",
        "w 0039 0058 0067 0079 0080 0081 0084 0086 0157 0195 0278 0279 0282 0283 0284 0285 0327 0328 0329 0353 0354 \
        0355 0356 0421 0165 0243 0275 r 0014 0025 0029 0092 0166 0194 n 0003 0005 0011 0012 0016 0024 0028 0030 0032 \
        0033 0037 0038 0170 0172 0192 0193 0203 0204 0205 0206 0207 0208 0213 0214 0215 0078 0385 i 0044 0054 0055 \
        0056 0191 0253 0297 0298 0365",
    ),
];

const DMS: Topics = &[
    ("state", "e 0078 w 0079 r 0069 n 0067 0066 0073 0081 0082"),
    ("reading", "e 0091 0092 r 0093"),
    ("storage", "e 0007"),
    ("failover", "e 0031 0036 0037 w 0013 r 0049 0015 0051 - 0034 0050"),
    ("maintenance", "r 0047 0027 - 0026"),
    ("change", "r 0005 n 0003 0012 0014 0017 0018 0024 0025 0029 0030"),
];

const REDSHIFT: Topics = &[
    ("maintenance", "r 2004 2018 - 2003 2019 2017"),
    ("hardware", "c 3512 3513 3514 3515 3516 2023 2024 e 2050 3522 w 3521 r 3001 3520"),
    ("resize", "r 3002 3534 3537 - 2006 3013 3500 3533"),
    ("restore", "e 3603 3501 r 3003 - 2008"),
    ("table restore", "r 3009 - 3008 3011 3012 e 3010 3510 3511"),
    ("cluster", "- 2007 2014 2016 3519"),
];

/// Looks a number up in a table.
fn look_up(topics: Topics, number: &str) -> Option<(&'static str, Verdict)> {
    for (topic, numbers) in topics {
        let mut verdict = None;
        for word in numbers.split_ascii_whitespace() {
            match Verdict::of_sign(word) {
                Some(sign) => verdict = Some(sign),
                None if word == number => return Some((topic, verdict?)),
                None => {}
            }
        }
    }
    None
}

/// The number of an event: `0049` of `RDS-EVENT-0049`, or of a URL that ends with it.
fn number(bridge: &Bridge<'_>) -> Option<String> {
    let id = bridge.detail.first_text(&["EventID", "Event ID", "About this Event", "Identifier"])?;
    let id = id.rsplit('#').next()?.trim();
    let digits = id.rsplit('-').next()?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.to_owned())
}

fn table(bridge: &Bridge<'_>) -> Topics {
    match bridge.origin.as_str() {
        "aws.rds" => RDS,
        "aws.dms" => DMS,
        "aws.redshift" => REDSHIFT,
        _ => &[],
    }
}

/// What an event is about: the topic of its number, or the number itself. Without a number, the events of DMS are about the
/// state of the task.
pub(super) fn topic(bridge: &Bridge<'_>) -> String {
    match number(bridge) {
        Some(number) => look_up(table(bridge), &number).map_or(number, |(topic, _)| topic.to_owned()),
        None if bridge.origin == "aws.dms" => "state".to_owned(),
        None => String::new(),
    }
}

fn by_number(bridge: &Bridge<'_>) -> Option<Verdict> {
    Some(look_up(table(bridge), &number(bridge)?)?.1)
}

/// A message is a sentence, so a word of progress in it says less than bad news or good news.
fn by_message(message: &str) -> Verdict {
    match judge(message, false) {
        Some(Verdict::Open(severity)) => Verdict::Open(severity.or(Some(Severity::Warning))),
        Some(verdict) => verdict,
        None => Verdict::Open(Some(Severity::Warning)),
    }
}

/// RDS. If the message and the number disagree, the message counts.
pub(super) fn rds(bridge: &Bridge<'_>) -> Option<Verdict> {
    let message = bridge.detail.get("Message").text().unwrap_or_default();
    let about_backup = ["Finished DB Instance backup", "Backing up", "snapshot created"];
    if about_backup.iter().any(|words| message.contains(words)) {
        return Some(Verdict::Ignore(HARMLESS));
    }
    Some(by_number(bridge).unwrap_or_else(|| by_message(&message)))
}

/// DMS, as an event or a text.
pub(super) fn dms(bridge: &Bridge<'_>) -> Option<Verdict> {
    if let Some(verdict) = by_number(bridge) {
        return Some(verdict);
    }
    let text = |name: &str| bridge.detail.get(name).text().unwrap_or_default();
    let kind = text("eventType");
    let ends = |words: &[&str]| words.iter().any(|word| kind.ends_with(word));
    if ends(&["_FAILED"]) || ["Failure", "LowStorage"].contains(&text("category").as_str()) {
        return Some(Verdict::Open(None));
    }
    if ends(&["_STOPPED"]) {
        return Some(Verdict::Open(Some(Severity::Warning)));
    }
    if ends(&["_STARTED", "_RESUMED"]) {
        return Some(Verdict::Over);
    }
    if ends(&["_CREATED", "_MODIFIED", "_DELETED"]) {
        return Some(Verdict::Ignore(HARMLESS));
    }
    let message = bridge.detail.first_text(&["Event Message", "detailMessage", "Message"])?.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    Some(match () {
        () if has(&["fail", "low", "error"]) => Verdict::Open(None),
        () if has(&["stopped", "paused"]) => Verdict::Open(Some(Severity::Warning)),
        () if has(&["started", "resumed"]) => Verdict::Over,
        () if has(&["created", "deleted", "modified"]) => Verdict::Ignore(HARMLESS),
        () => by_message(&message),
    })
}

/// Redshift. Its severity decides about numbers that are not listed.
pub(super) fn redshift(bridge: &Bridge<'_>) -> Option<Verdict> {
    by_number(bridge).or_else(|| match bridge.detail.get("Severity").text().as_deref() {
        Some("ERROR") => Some(Verdict::Open(Some(Severity::Error))),
        Some("INFO") => Some(Verdict::Ignore(HARMLESS)),
        _ => Some(by_message(&bridge.detail.get("Event Message").text().unwrap_or_default())),
    })
}

/// Names of ElastiCache's events whose verdict is not that of their last word.
const ELASTICACHE: &[(&str, &str)] = &[
    ("CacheNodeReplaceStarted", "w"),
    ("CacheNodesRebooted", "w"),
    ("NodeReplacementScheduled", "i"),
    ("NodeReplacementCanceled", "r"),
    ("NodeReplacementRescheduled", "n"),
    ("FailoverComplete", "w"),
    ("CacheClusterParametersChanged", "n"),
    ("CacheClusterSecurityGroupModified", "n"),
    ("CreateReplicationGroupComplete", "n"),
    ("DeleteCacheClusterComplete", "n"),
    ("RemoveCacheNodeComplete", "n"),
    ("ServiceUpdateAvailableForNode", "n"),
    ("CertificateRenewalComplete", "n"),
];

/// Endings of ElastiCache's names, and what they mean.
const ENDINGS: &[(&str, &str)] =
    &[("Complete", "r"), ("Failed", "t"), ("Started", "-"), ("Scheduled", "i"), ("Canceled", "r"), ("Finished", "r")];

/// ElastiCache: the name of the event, without what it is due to.
pub(super) fn elasticache(bridge: &Bridge<'_>) -> Option<Verdict> {
    let name = bridge.detail.get("Event").text()?;
    if name.starts_with("ReplicationGroupIncreaseReplicaCount") {
        return Some(Verdict::Ignore(HARMLESS));
    }
    let own = ELASTICACHE.iter().find(|(known, _)| *known == name);
    let sign = own.or_else(|| ENDINGS.iter().find(|(end, _)| name.ends_with(end)))?.1;
    Verdict::of_sign(sign)
}

/// The family of a name of ElastiCache's: the name without its ending.
pub(super) fn elasticache_family(name: &str) -> &str {
    // A replacement is announced, begins, and ends under two names.
    let stem = ENDINGS.iter().find_map(|(end, _)| name.strip_suffix(end)).unwrap_or(name);
    if stem == "NodeReplacement" { "CacheNodeReplace" } else { stem }
}
