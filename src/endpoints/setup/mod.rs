//! Setup instructions for each vendor, generated from the tables that the code itself uses.
//!
//! `GET /setup` lists the sources, and `GET /setup/<source>` describes one. The format is what `?format=` names, else what
//! `Accept` prefers among them:
//!
//! | `format` | `Accept` | Contents |
//! |---|---|---|
//! | `text` | anything else | Markdown that reads as plain text |
//! | `markdown` | `text/markdown` | the same |
//! | `json` | `application/json` | for programs: `slug`, `name`, `docs`, `url`, `service_url`, `triggers`, `resolves`, `states`, `secret`, `schemes`, `steps`, `template`, `retries`, `timeout_ms`, and of an API `service_secret` and `resolve_path` |
//! | `prompt` | only by `format` | a task for a coding agent: it sets the sender up, and proves it with `/preview` and `/check` |
//!
//! In JSON, `secret` has the variables of the secret in the order in which the relay reads them, `schemes` the ways to
//! authenticate from the strongest to the weakest, and `states` the words of the payload that decide action and severity.
//! `{url}` in `steps` is `url` or `service_url`. `template` is the body to paste, for a vendor whose users write the body. The
//! relay does not know its own host, so URLs begin with `https://<relay>`.

use std::fmt::Write;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::auth::{Hash, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::http::{Reply, Request};
use crate::json;
use crate::sources::{SOURCES, Source};

mod prompt;

/// The placeholder for the relay's host, which the relay does not know.
const HOST: &str = "https://<relay>";

/// A format of the instructions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Markdown,
    Prompt,
    Text,
}

/// One setup page or the list of them, in the format that the request asks for.
pub fn reply(request: &Request, source: Option<&'static Source>) -> Reply {
    let markdown = "text/markdown; charset=utf-8";
    let (media_type, text) = match (format(request), source) {
        (Format::Json, source) => {
            let json = source.map_or_else(list_json, page_json);
            return Reply::json(StatusCode::OK, "application/json", &json);
        }
        (Format::Prompt, Some(source)) => (markdown, prompt::prompt(source)),
        (Format::Prompt | Format::Markdown, source) => (markdown, source.map_or_else(list, page)),
        (Format::Text, source) => ("text/plain; charset=utf-8", source.map_or_else(list, page)),
    };
    Reply::text(StatusCode::OK, media_type, text)
}

/// The format that the query names, else the one that `Accept` names. Another word counts as `text`.
fn format(request: &Request) -> Format {
    if let Some(name) = request.query.split('&').find_map(|pair| pair.strip_prefix("format=")) {
        return match name {
            "json" => Format::Json,
            "markdown" => Format::Markdown,
            "prompt" => Format::Prompt,
            _ => Format::Text,
        };
    }
    let accepted = request.headers.once("accept").and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    match accepted {
        accepted if accepted.contains("application/json") => Format::Json,
        accepted if accepted.contains("text/markdown") => Format::Markdown,
        _ => Format::Text,
    }
}

fn list_json() -> Value {
    let entry = |source: &&Source| json::object([("slug", source.slug.into()), ("name", source.name.into())]);
    json::object([("sources", SOURCES.iter().map(entry).collect())])
}

fn page_json(source: &'static Source) -> Value {
    let Source { slug, name, docs, setup, schemes, states, retries, patience, api, .. } = source;
    let mut page = json::object([
        ("slug", (*slug).into()),
        ("name", (*name).into()),
        ("docs", (*docs).into()),
        ("url", url(source).into()),
        ("service_url", [&url(source), "/<service>"].concat().into()),
        ("triggers", setup.triggers.into()),
        ("resolves", setup.resolves.into()),
        ("states", states.iter().copied().map(Value::from).collect()),
        ("secret", secrets(source).into()),
        ("schemes", schemes.iter().map(|scheme| scheme_json(*scheme)).collect()),
        ("steps", setup.steps.lines().map(Value::from).collect()),
        ("retries", (*retries).into()),
        ("timeout_ms", u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).into()),
    ]);
    if let Some(members) = page.as_object_mut() {
        members.extend(setup.template.map(|template| ("template".to_owned(), template.into())));
        // With an API, the key can choose the service.
        let secret = api.map(|_| ["secret_", slug, "_<service>"].concat());
        members.extend(secret.map(|secret| ("service_secret".to_owned(), secret.into())));
        members.extend(api.and_then(|api| api.resolve).map(|path| ("resolve_path".to_owned(), path.into())));
    }
    page
}

/// The URL of a source.
fn url(source: &Source) -> String {
    [HOST, "/", source.slug].concat()
}

/// The steps of a source, with its URL.
fn steps(source: &Source) -> Vec<String> {
    source.setup.steps.lines().map(|step| step.split("{url}").collect::<Vec<_>>().join(&url(source))).collect()
}

/// The variables of the secret, in the order in which the relay reads them.
fn secrets(source: &Source) -> Vec<String> {
    let shared = (!source.own_secret).then(|| "webhook_secret".to_owned());
    [["secret_", source.slug].concat()].into_iter().chain(shared).collect()
}

/// A scheme, for programs.
fn scheme_json(scheme: Scheme<'_>) -> Value {
    let mut members = Map::new();
    let mut set = |name: &str, value: &str| {
        members.insert(name.to_owned(), value.into());
    };
    match scheme {
        Scheme::Authorization("Bearer") => set("scheme", "bearer"),
        Scheme::Authorization(name) => {
            set("scheme", "authorization");
            set("name", name);
        }
        Scheme::Basic => set("scheme", "basic"),
        Scheme::BasicSecret => set("scheme", "basic_secret"),
        Scheme::Header(name) => {
            set("scheme", "header");
            set("header", name);
        }
        Scheme::Hmac(hmac) => {
            set("scheme", "hmac");
            set("header", hmac.header);
            set("hash", if hmac.hash == Hash::Sha1 { "sha1" } else { "sha256" });
            set("encoding", if hmac.encoding == SignatureEncoding::Hex { "hex" } else { "base64" });
            match hmac.form {
                SignatureLayout::Fields { timestamp, signature, separator } => {
                    set("timestamp", timestamp);
                    set("signature", signature);
                    set("separator", separator);
                }
                SignatureLayout::List(prefix) | SignatureLayout::One(prefix) => set("prefix", prefix),
            }
            if let SignedTimestamp::Header { name, before, .. } = hmac.stamp {
                set("timestamp_header", name);
                set("timestamp_before", before);
            }
        }
        Scheme::Member(name) => {
            set("scheme", "member");
            set("member", name);
        }
        Scheme::Query(name) => {
            set("scheme", "query");
            set("parameter", name);
        }
        Scheme::Certified(certified) => set("scheme", certified.name),
        Scheme::StandardWebhooks => set("scheme", "standard_webhooks"),
    }
    Value::Object(members)
}

/// The list of all pages, in Markdown that reads as plain text.
pub fn list() -> String {
    let mut page = String::from("# Sources\n\n");
    for source in SOURCES {
        // Writing to a string never fails, here and below.
        let _ = writeln!(page, "- /setup/{}: {}", source.slug, source.name);
    }
    page
}

/// The page of one source.
pub fn page(source: &Source) -> String {
    let Source { slug, name, docs, setup, .. } = source;
    let mut page =
        format!("# {name}\n\nURL: {HOST}/{slug}, or {HOST}/{slug}/<service> to use variable `routing_key_<service>`\n");
    let secrets: Vec<String> = secrets(source).iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(page, "Secret: variable {}; at least 16 characters", secrets.join(", else "));
    if source.api.is_some() {
        let _ = writeln!(
            page,
            "Secret of a service: variable `secret_{slug}_<service>`, for each service in variable `services_{slug}`"
        );
    }
    for scheme in source.schemes {
        let _ = writeln!(page, "Authentication: {}", way(*scheme));
    }
    let _ = writeln!(page, "Triggers: {}\nResolves: {}\n", setup.triggers, setup.resolves);
    for (index, step) in steps(source).iter().enumerate() {
        let _ = writeln!(page, "{}. {step}", index + 1);
    }
    if let Some(template) = setup.template {
        let _ = writeln!(page, "\nBody to paste:\n\n```\n{template}\n```");
    }
    let _ = writeln!(page, "\nVendor documentation: {docs}");
    page
}

/// A scheme, for people.
fn way(scheme: Scheme<'_>) -> String {
    match scheme {
        Scheme::Authorization("") => "`Authorization: <secret>`".to_owned(),
        Scheme::Authorization(name) => format!("`Authorization: {name} <secret>`"),
        Scheme::Basic => "`Authorization: Basic`, with the secret as the password".to_owned(),
        Scheme::BasicSecret => "`Authorization: Basic`, with only the secret in base64".to_owned(),
        Scheme::Header(name) => format!("`{name}: <secret>`"),
        Scheme::Hmac(hmac) => format!("signature in `{}`", hmac.header),
        Scheme::Member(name) => format!("the secret as member `{name}` of the JSON body"),
        Scheme::Query(name) => format!("`?{name}=<secret>`"),
        Scheme::Certified(certified) => certified.way.to_owned(),
        Scheme::StandardWebhooks => "Standard Webhooks signature".to_owned(),
    }
}
