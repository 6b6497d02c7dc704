//! Setup instructions for each vendor: text pages, generated from the tables that the code itself uses.

use std::fmt::Write;

use http::StatusCode;
use serde_json::{Map, Value};

use crate::auth::{Hash, Scheme, SignatureEncoding, SignatureLayout, SignedTimestamp};
use crate::http::{Headers, Reply};
use crate::json;
use crate::sources::{SOURCES, Source};

/// The placeholder for the relay's host, which the relay does not know.
const HOST: &str = "https://<relay>";

/// One setup page or the list of them. The format is Markdown that reads as plain text, or JSON for the playground.
pub fn reply(headers: &Headers, source: Option<&'static Source>) -> Reply {
    let accepted = headers.once("accept").and_then(|value| str::from_utf8(value).ok()).unwrap_or_default();
    if accepted.contains("application/json") {
        let json = source.map_or_else(list_json, page_json);
        return Reply::json(StatusCode::OK, "application/json", &json);
    }
    let markdown = accepted.contains("text/markdown");
    let media_type = if markdown { "text/markdown; charset=utf-8" } else { "text/plain; charset=utf-8" };
    Reply::text(StatusCode::OK, media_type, source.map_or_else(list, page))
}

fn list_json() -> Value {
    let entry = |source: &&Source| json::object([("slug", source.slug.into()), ("name", source.name.into())]);
    json::object([("sources", SOURCES.iter().map(entry).collect())])
}

fn page_json(source: &'static Source) -> Value {
    let Source { slug, name, docs, setup, schemes, .. } = source;
    let mut page = json::object([
        ("slug", (*slug).into()),
        ("name", (*name).into()),
        ("docs", (*docs).into()),
        ("opens", setup.triggers.into()),
        ("closes", setup.resolves.into()),
        ("secret", secrets(source).into()),
        ("steps", setup.steps.lines().map(Value::from).collect()),
        ("schemes", schemes.iter().map(|scheme| scheme_json(*scheme)).collect()),
    ]);
    if let (Some(members), Some(template)) = (page.as_object_mut(), setup.template) {
        members.insert("template".into(), template.into());
    }
    page
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
    let url = format!("{HOST}/{slug}");
    for (index, step) in setup.steps.lines().enumerate() {
        let _ = write!(page, "{}. ", index + 1);
        let mut rest = step;
        while let Some((before, after)) = rest.split_once("{url}") {
            let _ = write!(page, "{before}{url}");
            rest = after;
        }
        let _ = writeln!(page, "{rest}");
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
