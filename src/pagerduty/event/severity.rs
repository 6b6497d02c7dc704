//! The severity of an event, and the words that people use for it.

/// The severity, in ascending order. PagerDuty accepts only these four words, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nobody needs to get up.
    Info,
    /// It may get worse.
    Warning,
    /// Something is broken.
    Error,
    /// Users are affected.
    Critical,
}

impl Severity {
    /// The value of `payload.severity`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Error => "error",
            Severity::Info => "info",
            Severity::Warning => "warning",
        }
    }

    /// Maps a word that people choose freely (labels, tags) to a severity, ignoring case.
    ///
    /// Returns `None` if the word is not in the table. The caller then picks a severity and keeps the word in the
    /// details.
    pub fn from_word(word: &str) -> Option<Severity> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "critical" | "crit" | "disaster" | "emergency" | "fatal" | "p1" | "page" => Severity::Critical,
            "err" | "error" | "high" | "major" | "p2" => Severity::Error,
            "medium" | "minor" | "p3" | "warn" | "warning" => Severity::Warning,
            "debug" | "info" | "information" | "informational" | "low" | "none" | "notice" | "ok" | "p4" | "p5" => {
                Severity::Info
            }
            _ => return None,
        })
    }
}
