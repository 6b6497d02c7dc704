//! The severity of an event, and the words that people use for it.

/// The longest word that may be in [`SEVERITY_WORDS`], in bytes, with its separators.
const WORD_MAX_BYTES: usize = 32;

/// The words for a severity, without separators. The guide shows this table. `normal` is the level of a healthy
/// thing in monitoring tools; `severe` is the worst level where it is used.
pub const SEVERITY_WORDS: &[(Severity, &[&str])] = &[
    (
        Severity::Critical,
        &[
            "critical",
            "crit",
            "blocker",
            "disaster",
            "emergency",
            "emerg",
            "fatal",
            "highest",
            "page",
            "severe",
            "urgent",
            "p0",
            "p1",
            "s0",
            "s1",
            "sev0",
            "sev1",
            "severity0",
            "severity1",
            "priority0",
            "priority1",
        ],
    ),
    (Severity::Error, &["error", "err", "high", "important", "major", "p2", "s2", "sev2", "severity2", "priority2"]),
    (
        Severity::Warning,
        &[
            "warning",
            "warn",
            "average",
            "medium",
            "minor",
            "moderate",
            "ticket",
            "p3",
            "s3",
            "sev3",
            "severity3",
            "priority3",
        ],
    ),
    (
        Severity::Info,
        &[
            "info",
            "information",
            "informational",
            "debug",
            "low",
            "lowest",
            "none",
            "normal",
            "note",
            "notice",
            "ok",
            "trace",
            "trivial",
            "p4",
            "p5",
            "s4",
            "s5",
            "sev4",
            "sev5",
            "severity4",
            "severity5",
            "priority4",
            "priority5",
        ],
    ),
];

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

    /// Maps a word that people choose freely (labels, tags) to a severity by [`SEVERITY_WORDS`], ignoring case, white space, `-`,
    /// `_` and `.`: `SEV-1`, `sev 1` and `sev_1` are the same word.
    ///
    /// Returns `None` if the word is not in the table. The caller then picks a severity and keeps the word in the
    /// details. A bare number is not in it: 1 is the worst for one vendor and harmless for another.
    pub fn from_word(word: &str) -> Option<Severity> {
        // No word of the table is as long.
        if word.len() > WORD_MAX_BYTES {
            return None;
        }
        let plain: String = word.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_' | '.')).collect();
        let is = |(_, words): &&(Severity, &[&str])| words.iter().any(|known| plain.eq_ignore_ascii_case(known));
        SEVERITY_WORDS.iter().find(is).map(|(severity, _)| *severity)
    }
}
