//! Checks what separates senders from each other: the services that each may page, and secrets that several share.

use super::{Checker, FoundKey, Level, Opened};
use crate::config::{self, DEFAULT_SERVICE};
use crate::secret::Secret;

impl Checker<'_> {
    /// Checks what separates the senders of the sources and templates that accept deliveries, and the rules for them.
    pub(super) fn senders(&mut self, keys: &[FoundKey]) {
        let opened = std::mem::take(&mut self.opened);
        self.services_of(&opened, keys);
        self.signatures_of(&opened);
        self.secrets_of(&opened);
        self.clients_keys_of(&opened, keys);
        #[cfg(feature = "templates")]
        {
            self.check = "rules";
            self.rules(&opened);
        }
    }

    /// Checks their lists of services.
    fn services_of(&mut self, opened: &[Opened], keys: &[FoundKey]) {
        let mut unlimited = Vec::new();
        for Opened { slug, path, .. } in opened {
            match config::services(self.host, slug) {
                Ok(None) => unlimited.push(path.as_str()),
                Ok(Some(listed)) => self.listed(slug, &listed, keys),
                Err(error) => self.say(Level::Error, "{}; closed: {}", &[&error.to_string(), path]),
            }
        }
        // With one service, a list changes nothing.
        if keys.iter().filter(|key| !key.previous).count() > 1 && !unlimited.is_empty() {
            self.say(Level::Note, UNLIMITED, &[&unlimited.join(", ")]);
        }
    }

    /// Checks the services that a source may page.
    fn listed(&mut self, slug: &str, listed: &[String], keys: &[FoundKey]) {
        for service in listed {
            let default = service == DEFAULT_SERVICE;
            let variable = if default { "routing_key".to_owned() } else { ["routing_key_", service].concat() };
            // The check of the routing keys reports an invalid key.
            if let Ok(None) = config::key(self.host, &variable) {
                self.say(Level::Warning, KEYLESS, &[slug, service, &variable]);
            }
            if default && keys.iter().any(|key| key.variable == ["routing_key_", service].concat()) {
                self.say(Level::Warning, TWO_DEFAULTS, &[slug]);
            }
        }
    }

    /// Reports that several of them verify signatures with the shared secret. A setup with this secret only has always
    /// such sources, so this is a note.
    fn signatures_of(&mut self, opened: &[Opened]) {
        let shared = |opened: &&Opened| opened.signs && opened.config.variable == "webhook_secret";
        let signed: Vec<&str> = opened.iter().filter(shared).map(|opened| opened.path.as_str()).collect();
        if signed.len() > 1 {
            self.say(Level::Note, SIGNED_ALIKE, &[&signed.join(", ")]);
        }
    }

    /// Reports variables with the same secret.
    fn secrets_of(&mut self, opened: &[Opened]) {
        // The variables that were seen, each with its secret.
        let mut known: Vec<(String, &Secret)> = Vec::new();
        for Opened { config, .. } in opened {
            if known.iter().any(|(name, _)| *name == config.variable) {
                continue;
            }
            let own = config.variables();
            for (name, secret) in &own {
                let same = |other: &Secret| other.tail() == secret.tail() && other.equals(secret);
                if let Some((other, _)) = known.iter().find(|(_, other)| same(other)) {
                    self.say(Level::Warning, SAME_SECRET, &[other, name]);
                }
            }
            known.extend(own);
        }
    }

    /// Reports secrets that clients send as their key and that are routing keys: PagerDuty shows those to people who need
    /// no secret of the relay.
    fn clients_keys_of(&mut self, opened: &[Opened], keys: &[FoundKey]) {
        for Opened { config, .. } in opened.iter().filter(|opened| opened.config.keys) {
            for (name, secret) in config.variables() {
                let same = |key: &&FoundKey| key.key.tail() == secret.tail() && key.key.equals(secret);
                for key in keys.iter().filter(same) {
                    let closes = config.may_meet(&name, &key.variable);
                    let level = if closes { Level::Error } else { Level::Warning };
                    self.say(level, SECRET_IS_KEY, &[&name, &key.variable]);
                }
            }
        }
    }
}

// The longer messages.
const KEYLESS: &str = "variable `services_{}` lists `{}`, but variable `{}` is not set";
const SAME_SECRET: &str =
    "variables `{}` and `{}` hold the same secret, so each accepts the other's senders; give each a value of its own";
const SECRET_IS_KEY: &str =
    "variable `{}` has the same value as variable `{}`; give the clients a secret of their own, not a routing key";
const SIGNED_ALIKE: &str = "variable `webhook_secret` verifies the signatures of several sources. A signature does not cover the path, so \
    each of them accepts a body that was signed for another; set `secret_<source>` for those that you use: {}";
const TWO_DEFAULTS: &str = "in variable `services_{}`, `default` means the path without a service name, not the service of variable \
    `routing_key_default`; rename that service to list it";
const UNLIMITED: &str =
    "sources and templates without variable `services_<source>` can page every service; set it to limit them: {}";
