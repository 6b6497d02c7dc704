//! Checks the user's rules. A rule that does not work prevents no page, so nothing here is an error.

use super::{Checker, Level, Opened};
use crate::config::{self, DEFAULT_SERVICE};
use crate::rules::{List, Rules};
use crate::text::count;

impl Checker<'_> {
    /// Checks the rules for the sources and templates that accept deliveries.
    pub(super) fn rules(&mut self, opened: &[Opened]) {
        let mut known = Vec::new();
        for Opened { slug, .. } in opened {
            let texts = match config::rules(self.host, slug) {
                Ok(texts) => texts,
                Err(error) => return self.say(Level::Error, "{}", &[&error.to_string()]),
            };
            let mut lists = Vec::new();
            // The services that the rules for this source alone name.
            let mut own: Vec<String> = Vec::new();
            for (variable, text) in texts {
                let list = List::read(&variable, &text);
                if !known.contains(&variable) {
                    self.list(&variable, &list);
                    known.push(variable.clone());
                }
                if let Ok(list) = &list
                    && variable != config::RULES
                {
                    own.extend(Rules::compile(std::slice::from_ref(list)).services().iter().map(ToString::to_string));
                }
                lists.extend(list);
            }
            let rules = Rules::compile(&lists);
            // Each list by itself may name fewer.
            for error in rules.invalid().iter().filter(|error| !known.contains(&error.to_string())) {
                self.say(Level::Warning, "{}; the rule is not used", &[&error.to_string()]);
            }
            known.extend(rules.invalid().iter().map(ToString::to_string));
            self.services_named(slug, rules.services(), &own);
        }
    }

    fn list(&mut self, variable: &str, list: &Result<List, crate::mapping::MapError>) {
        match list {
            Ok(list) => {
                let rules = count(Rules::compile(std::slice::from_ref(list)).count(), "valid rule");
                self.say(Level::Ok, "variable `{}` has {}", &[variable, &rules]);
            }
            // The error is not a format string: it may contain braces.
            Err(error) => self.say(Level::Warning, "{}; its rules are not used", &[&error.to_string()]),
        }
    }

    /// Checks the services that the rules for a source name. `own` are those of its own list: the rules for all sources may
    /// mean another source.
    fn services_named(&mut self, slug: &str, services: &[&str], own: &[String]) {
        for name in services {
            let service = Some(*name).filter(|name| *name != DEFAULT_SERVICE);
            if let Err(error) = config::check_service(self.host, slug, service) {
                let level = if own.iter().any(|own| own == name) { Level::Warning } else { Level::Note };
                self.say(level, UNLISTED, &[slug, name, &error.to_string()]);
                continue;
            }
            let variable = service.map_or("routing_key".to_owned(), |service| ["routing_key_", service].concat());
            // The check of the routing keys reports an invalid key.
            if let Ok(None) = config::key(self.host, &variable) {
                let finding = crate::text::interpolate(KEYLESS, &[name, &variable]);
                if !self.warnings.contains(&finding) {
                    self.say(Level::Warning, "{}", &[&finding]);
                }
            }
        }
    }
}

// The longer messages.
const KEYLESS: &str =
    "a rule names service `{}`, but variable `{}` is not set; its events are sent to the service of the path";
const UNLISTED: &str = "a rule for {} names service `{}`, but {}; its events are sent to the service of the path";
