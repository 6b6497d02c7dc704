//! What to enter at a vendor's: text pages, made from the tables that the code itself works by.

use std::fmt::Write;

use crate::auth::Scheme;
use crate::sources::{SOURCES, Source};
use crate::text;

/// What stands for the relay's own host, which it does not know.
const HOST: &str = "https://<relay>";

/// The list of all pages, in Markdown that reads as plain text.
pub fn list() -> String {
    let mut page = String::from("# Sources\n\n");
    for source in SOURCES {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(page, "- /setup/{}: {}", source.slug, source.name);
    }
    page
}

/// The page of one source.
pub fn page(source: &Source) -> String {
    let Source { slug, name, docs, setup, .. } = source;
    let mut page =
        format!("# {name}\n\nURL: {HOST}/{slug}, or {HOST}/{slug}/<service> with a routing key of its own\n");
    let _ = writeln!(page, "Secret: variable `secret_{slug}`, else `webhook_secret`; at least 16 characters");
    for scheme in source.schemes {
        let _ = writeln!(page, "Accepted: {}", way(*scheme));
    }
    let _ = writeln!(page, "Opens an alert: {}\nCloses it: {}\n", setup.opens, setup.closes);
    let url = format!("{HOST}/{slug}");
    for (index, step) in setup.steps.lines().enumerate() {
        let _ = write!(page, "{}. ", index + 1);
        let mut rest = step;
        while let Some((before, after)) = text::cut(rest, "{url}") {
            let _ = write!(page, "{before}{url}");
            rest = after;
        }
        let _ = writeln!(page, "{rest}");
    }
    if let Some(template) = setup.template {
        let _ = writeln!(page, "\nBody to paste:\n\n```\n{template}\n```");
    }
    let _ = writeln!(page, "\nThe vendor's page: {docs}");
    page
}

/// A way to prove oneself, as a person enters it.
fn way(scheme: Scheme) -> String {
    match scheme {
        Scheme::Basic => "Basic password".to_owned(),
        Scheme::Bearer => "`Authorization: Bearer <secret>`".to_owned(),
        Scheme::Header(name) => format!("`{name}: <secret>`"),
        Scheme::Hmac(hmac) => format!("signature in `{}`", hmac.header),
        Scheme::Query(name) => format!("`?{name}=<secret>`"),
        Scheme::Sns => "signature of a topic in variable `sns_topics`".to_owned(),
        Scheme::StandardWebhooks => "signature of Standard Webhooks".to_owned(),
    }
}
