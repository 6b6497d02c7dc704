//! The setup of a sender as a task for a coding agent.

use std::fmt::Write;

use super::{HOST, page, secrets};
use crate::auth::{Hash, Scheme, SignatureEncoding, SignatureLayout};
use crate::sources::Source;

/// What the agent must not do, and what only the user knows.
const RULES: &str = "\
- Replace `<relay>` with the host of the relay, and `<service>` with the name of a service. Ask the user for both.
- Ask the user how to read the secret, such as from a file or from a variable of the shell. Do not print it, and do not write
  it into a file under version control or into this conversation.
- Change nothing else at the sender. If a step needs rights that you do not have, give the user that step to do.
- If the steps differ from what the sender offers, follow the vendor's documentation, and say so in your report.
";

/// The task: the page of the source, then how to prove that it works. It is Markdown.
pub(super) fn prompt(source: &Source) -> String {
    let Source { slug, name, api, .. } = source;
    let (purpose, sender) = match api {
        None => (
            format!(
                "pagerelay receives the webhooks of {name} and forwards each alert to PagerDuty. Set {name} up to send them, \
                 and prove that it works."
            ),
            *name,
        ),
        Some(_) => (
            format!(
                "pagerelay has the paths of the {name}, and forwards each alert to PagerDuty. Ask the user which programs \
                 speak this API, change their URL and their key, and prove that it works."
            ),
            "the program",
        ),
    };
    let mut task = format!(
        "# Task: send the alerts of {name} to PagerDuty through pagerelay\n\n{purpose}\n\n## Rules\n\n{RULES}\n\
         ## Set {sender} up\n\n"
    );
    let page = page(source);
    // The heading is above already.
    let (_, facts) = page.split_once("\n\n").unwrap_or(("", &page));
    task.push_str(facts);
    let mut secret = format!("`{}`", secrets(source).join("`, else `"));
    if api.is_some() {
        secret = format!("{secret}, or of the secret of a service");
    }
    // Writing to a string never fails, here and below.
    let _ = write!(
        task,
        "\n## Prove it\n\n\
         The variable `SECRET` of the shell has the value of {secret}.\n\n\
         1. Write a payload that {sender} sends when a problem starts to `trigger.json`, and the one that it sends when the same \
         problem is over to `resolve.json`, as its documentation or its own log shows them. If you made them up, say so in your \
         report.\n\
         2. Preview both. A preview sends nothing to PagerDuty. If {sender} will send to a service, add `/<service>` behind \
         `/preview/{slug}`. Add the other headers that {sender} sends.\n\n"
    );
    let resolve = api.and_then(|api| api.resolve);
    for (file, path) in [("trigger.json", None), ("resolve.json", resolve)] {
        let _ = writeln!(task, "   {}", curl(source, file, path.unwrap_or_default()));
    }
    if resolve.is_some() {
        task.push_str("\n   `<dedup_key>` is that of the first preview, percent-encoded.\n");
    }
    if source.setup.resolves.starts_with("never") {
        let _ = write!(task, "\n   {sender} does not report the end of a problem, so leave out `resolve.json`.\n");
    }
    let _ = write!(
        task,
        "\n   Expect status 200 both times: `events` has `\"event_action\": \"trigger\"` for the first, \
         `\"event_action\": \"resolve\"` for the second, and the same `dedup_key`. `401` means that the secret or the header is \
         wrong, and `403` that the source may not page this service. Read `warnings`, `ignored` and `rejected`.\n\
         3. Check the relay. The check pages nobody. Variable `SECRET_CHECK` has the value of `secret_check`, or of \
         `webhook_secret` if that is unset.\n\n   \
         curl -sS -H \"Authorization: Bearer $SECRET_CHECK\" -H 'Accept: text/plain' \"{HOST}/check?deep=1\"\n\n   \
         Expect status 200, and no error about `{slug}`.\n\
         4. Ask the user before you do this step, because it pages: let {sender} send a test alert. The log of the relay has \
         a line with `\"source\": \"{slug}\"` and `\"status\": {}`. Then resolve the alert.\n\n\
         Report what you changed and where, the two dedup keys, what `/check` said, and what is left for the user to do.\n",
        source.success.as_u16()
    );
    task
}

/// The command that previews a payload at a path below that of the source, with the first of these that the sender can use: a
/// secret in a header, in the URL, a signature.
fn curl(source: &Source, file: &str, path: &str) -> String {
    let preview = format!("{HOST}/preview/{}{path}", source.slug);
    let plain = |scheme: &Scheme<'_>| match scheme {
        Scheme::Authorization("") => Some((r#"-H "Authorization: $SECRET""#.to_owned(), String::new())),
        Scheme::Authorization(name) => Some((format!(r#"-H "Authorization: {name} $SECRET""#), String::new())),
        Scheme::Header(name) => Some((format!(r#"-H "{name}: $SECRET""#), String::new())),
        Scheme::Basic => Some((r#"-u "any:$SECRET""#.to_owned(), String::new())),
        Scheme::Query(name) => Some((String::new(), format!("?{name}=$SECRET"))),
        _ => None,
    };
    let signed = |scheme: &Scheme<'_>| match scheme {
        Scheme::Hmac(hmac) => {
            let (SignatureLayout::One(prefix) | SignatureLayout::List(prefix)) = hmac.form else { return None };
            let hash = if hmac.hash == Hash::Sha1 { "sha1" } else { "sha256" };
            let encoded = match hmac.encoding {
                SignatureEncoding::Hex => format!("openssl dgst -{hash} -hmac \"$SECRET\" -r < {file} | cut -d' ' -f1"),
                _ => format!("openssl dgst -{hash} -hmac \"$SECRET\" -binary < {file} | base64"),
            };
            Some((format!("-H \"{}: {prefix}$({encoded})\"", hmac.header), String::new()))
        }
        _ => None,
    };
    let found = source.schemes.iter().find_map(plain).or_else(|| source.schemes.iter().find_map(signed));
    let (option, query) = found.unwrap_or_default();
    format!("curl -sS {option} --data-binary @{file} \"{preview}{query}\"")
}
