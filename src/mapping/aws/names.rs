//! Names of things in AWS's messages: ARNs, names of runs, and texts without the values in them.

use std::borrow::Cow;

/// The beginnings of the resource part of an ARN that names one run of a thing, and not the thing.
const RUNS: &[&str] = &[
    "automation-execution/",
    "build/",
    "container/",
    "execution:",
    "express:",
    "job/",
    "jobs/",
    "recovery-point:",
    "snapshot/",
];

/// An id without the part that is new with each run, if it is an ARN: the execution of a task, the id of a stack, the
/// revision of a definition, the version of a function. Other ids stay as they are.
pub(super) fn stable(id: &str) -> &str {
    let id = id.trim();
    let Some((service, resource)) = parts(id) else { return id };
    if let Some((task, _)) = id.split_once("/execution/") {
        return task;
    }
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let definition = ["task-definition/", "job-definition/", "automation-definition/"];
    let cut = match service {
        "cloudformation" if resource.starts_with("stack/") => id.rsplit_once('/').filter(|(head, _)| {
            // `stack/name/id`: without an id, the last part is the name.
            parts(head).is_some_and(|(_, resource)| resource.contains('/'))
        }),
        "cloudformation" if resource.starts_with("stackset/") => {
            id.rsplit_once(':').filter(|(_, end)| !end.contains('/'))
        }
        "lambda" if resource.starts_with("function:") && resource.matches(':').count() == 2 => id.rsplit_once(':'),
        _ if definition.iter().any(|start| resource.starts_with(start)) => {
            id.rsplit_once(':').filter(|(_, revision)| is_digits(revision))
        }
        _ => None,
    };
    cut.map_or(id, |(head, _)| head)
}

/// Whether an ARN names one run of a thing. A task of ECS is one, and a task of DataSync is not.
pub(super) fn is_run(id: &str) -> bool {
    let Some((service, resource)) = parts(id) else { return false };
    let task = service == "ecs" && resource.starts_with("task/");
    task || !id.contains("/execution/") && RUNS.iter().any(|start| resource.starts_with(start))
}

/// The service and the resource part of an ARN.
fn parts(id: &str) -> Option<(&str, &str)> {
    let mut parts = id.strip_prefix("arn:")?.splitn(5, ':');
    let service = parts.nth(1)?;
    let resource = parts.nth(2)?;
    // The ARN of a volume or a snapshot can have one more part.
    let known = resource.strip_prefix("volume/").or(resource.strip_prefix("snapshot/"));
    Some((service, known.map_or(resource, |_| resource)))
}

/// The region and the account in an ARN. They can be empty.
pub(super) fn place(id: &str) -> (&str, &str) {
    let mut parts = id.split(':').skip(3);
    let region = parts.next().filter(|_| id.starts_with("arn:")).unwrap_or_default();
    (region, parts.next().filter(|_| id.starts_with("arn:")).unwrap_or_default())
}

/// The name of a thing for people: the end of an ARN, or any other id as it is.
pub(super) fn short(id: &str) -> &str {
    let id = stable(id);
    let Some((service, resource)) = parts(id) else { return id };
    if service == "s3" {
        return resource;
    }
    // `autoScalingGroup:<uuid>:autoScalingGroupName/web`, `function:pay`, `cluster/shop`, `service/shop/web`.
    let last = resource.rsplit(':').next().filter(|last| last.contains('/'));
    let named = last.and_then(|last| last.split_once('/')).or_else(|| resource.split_once([':', '/']));
    let name = named.map_or(resource, |(_, name)| name);
    if name.is_empty() { resource } else { name }
}

/// A text without bare ARNs: each becomes the name of its thing.
pub(super) fn readable(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let Some((before, arn)) = word.find("arn:").and_then(|at| word.split_at_checked(at)) else {
            return Cow::Borrowed(word);
        };
        let end = arn.trim_end_matches([',', '.', ';', ':', ')', ']', '\'', '"']);
        let after = arn.get(end.len()..).unwrap_or_default();
        Cow::Owned([before, short(end), after].concat())
    });
    let words: Vec<Cow<'_, str>> = words.collect();
    words.join(" ")
}

/// Whether a title names a thing. A short name counts only as a word of its own.
pub(super) fn says(title: &str, thing: &str) -> bool {
    let is_word = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()) == thing;
    thing.is_empty() || title.split_whitespace().any(is_word) || thing.len() > 5 && title.contains(thing)
}

/// The name of a job without the date, the number or the id that each run adds: `import-20260304` is `import`.
pub(super) fn without_run(name: &str) -> &str {
    let mut name = name.trim();
    loop {
        let end = |length: usize| name.len().checked_sub(length).and_then(|at| name.split_at_checked(at));
        let is_date = |tail: &str| pattern(tail, "-0000-00-00");
        let dated = end(11).filter(|(head, tail)| !head.is_empty() && is_date(tail));
        let uuid = end(37).filter(|(head, tail)| !head.is_empty() && is_uuid(tail.get(1..).unwrap_or_default()));
        let tail = name.rsplit_once(['-', '_', '.']).filter(|(head, tail)| !head.is_empty() && is_run_id(tail));
        match dated.or(uuid).or(tail) {
            Some((head, _)) => name = head,
            None => return name,
        }
    }
}

/// Six or more digits, or eight or more hexadecimal digits.
fn is_run_id(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.bytes().any(|byte| byte.is_ascii_digit());
    digits && text.len() >= 6 || hex && text.len() >= 8
}

/// Whether a text has this form: `0` stands for a digit, any other character for itself.
fn pattern(text: &str, form: &str) -> bool {
    let same = |(byte, form): (u8, u8)| if form == b'0' { byte.is_ascii_digit() } else { byte == form };
    text.len() == form.len() && text.bytes().zip(form.bytes()).all(same)
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &&str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) && parts.iter().all(hex)
}

/// A date, with or without a time: `2026-03-04`, `2026-03-04T05:06:07Z`.
pub(super) fn is_date(text: &str) -> bool {
    text.get(..10).is_some_and(|day| pattern(day, "0000-00-00"))
}

/// Words after which a number is a value.
const BEFORE_VALUES: &[&str] = &["is", "at", "of", "took", "than", "=", ":", "<", ">", "<=", ">="];

/// Units of values that stand for themselves.
const UNITS: &[&str] = &[
    "%", "s", "sec", "secs", "second", "seconds", "ms", "min", "minutes", "minute", "h", "hours", "hour", "days", "B",
    "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "bytes", "percent", "USD", "EUR",
];

/// A sentence without the values that change from message to message: times, dates, ids of runs, and numbers with a unit
/// or after a word such as "is". Other numbers are names (`worker 3`) and stay.
pub(super) fn without_values(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut previous = "";
    let mut skips_unit = false;
    for (index, word) in words.iter().enumerate() {
        let bare = word.trim_matches([',', '.', ';', '(', ')', '[', ']', '!', '"', '\'']);
        let next = words.get(index + 1).map_or("", |next| next.trim_matches([',', '.', ';', ')', ']', '!']));
        let unit_follows = UNITS.contains(&next);
        let after =
            BEFORE_VALUES.contains(&previous.to_ascii_lowercase().as_str()) || previous.ends_with(['=', ':', '<', '>']);
        let is_value = is_number(bare) && (after || unit_follows) || is_measured(bare) || is_time(bare);
        if skips_unit && UNITS.contains(&bare) {
            skips_unit = false;
        } else if is_value || is_uuid(bare) {
            skips_unit = is_value;
        } else {
            skips_unit = false;
            kept.push(without_run(word));
        }
        previous = word;
    }
    kept.join(" ")
}

fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['-', '+']);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
}

/// A number with a unit or a currency: `31s`, `97%`, `$80.00`.
fn is_measured(word: &str) -> bool {
    let paid = word.strip_prefix(['$', '€', '£']).is_some_and(is_number);
    let unit = word.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '-' | '+'));
    let measured = unit.and_then(|at| word.split_at_checked(at));
    paid || measured.is_some_and(|(number, unit)| is_number(number) && UNITS.contains(&unit))
}

/// A date, or a time of day: `05:06`, `05:06:07`, `2026-03-04`.
fn is_time(word: &str) -> bool {
    is_date(word) || pattern(word, "00:00") || word.get(..8).is_some_and(|time| pattern(time, "00:00:00"))
}
