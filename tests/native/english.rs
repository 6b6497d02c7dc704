//! Plain English: the comments and texts of `src`, the README and the guide avoid phrases that are hard to read.
//!
//! The list is short on purpose. It catches the phrases that have crept in before, and never rejects honest prose.

use std::path::Path;

use pagerelay_support::root;

use crate::tidy::read;

/// Files and folders that are not rewritten yet. Remove an entry once its text passes.
const NOT_YET: &[&str] = &["src/auth/sns/"];

/// Phrases that are rejected anywhere, in any case, and better ones.
const ANYWHERE: &[(&str, &str)] = &[
    ("a page too many", "an unnecessary page"),
    ("a person has to look", "an operator has to act"),
    ("and nothing else", "only"),
    ("are told", "get an error, or are reported"),
    ("but for those", "except those"),
    ("cannot be had", "cannot be fetched"),
    ("go out", "are sent"),
    ("goes out", "is sent"),
    ("in words", "the actual description"),
    ("is looked at", "is checked"),
    ("is told", "gets an error, or is reported"),
    ("least form", "minimal form"),
    ("lets nothing out", "blocks outbound requests"),
    ("nothing where", "`None` if"),
    ("prove itself", "authenticate"),
    ("prove oneself", "authenticate"),
    ("prove themselves", "authenticate"),
    ("proves itself", "authenticates"),
    ("read by nothing", "unknown, or never read"),
    ("said to be", "documented as, or reported as"),
    ("that there is not", "unknown"),
    ("there are none", "without, or no"),
    ("there is none", "without, or no"),
    ("tries again", "retries"),
    ("try again", "retry"),
];

/// Phrases that are rejected at the start of a sentence that is not a question, and better ones.
const FIRST: &[(&str, &str)] = &[
    ("of a", "the actor first, then the condition"),
    ("of an", "the actor first, then the condition"),
    ("what cannot", "name the thing that cannot"),
    ("what is", "name the thing"),
    ("what stands", "name the thing"),
    ("what was", "name the thing"),
    ("who is", "name the actor"),
    ("who shows", "a sender with"),
];

/// Text for people: the characters in lower case, each with its line. A line break separates texts that do not belong
/// together; the lines of one comment or paragraph are joined by spaces.
#[derive(Default)]
struct Prose {
    chars: Vec<char>,
    lines: Vec<usize>,
}

impl Prose {
    fn push(&mut self, c: char, line: usize) {
        let lower = c.to_lowercase().next().unwrap_or(c);
        // Runs of white space count as one space, so that a phrase is found across lines.
        let c = if c != '\n' && c.is_whitespace() { ' ' } else { lower };
        if !(c == ' ' && self.chars.last().is_none_or(|last| last.is_whitespace())) {
            self.chars.push(c);
            self.lines.push(line);
        }
    }

    /// Adds a line of a comment or of Markdown. Blank lines, list items, headings and rows of tables begin a new text.
    fn push_line(&mut self, text: &str, line: usize) {
        let text = text.trim();
        let item = ["* ", "- ", "# ", "## ", "### ", "|"].iter().any(|mark| text.starts_with(mark));
        let number = text.split_once(". ").is_some_and(|(number, _)| number.bytes().all(|b| b.is_ascii_digit()));
        if text.is_empty() || item || number {
            self.push('\n', line);
        }
        let text = text.trim_start_matches(['*', '-', '#', '|', ' ']);
        text.chars().for_each(|c| self.push(c, line));
        self.push(' ', line);
    }

    /// The phrases that are rejected, each with its line and a better one.
    fn findings(&self) -> Vec<(usize, &'static str, &'static str)> {
        let mut findings = Vec::new();
        for at in 0..self.chars.len() {
            let before = self.chars[..at].last();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '`')) {
                continue;
            }
            let found = |(phrase, _): &&(&str, &str)| self.has(at, phrase);
            let first = || FIRST.iter().filter(|_| self.is_first(at) && !self.is_question(at)).find(found);
            if let Some((phrase, better)) = ANYWHERE.iter().find(found).or_else(first) {
                findings.push((self.lines[at], *phrase, *better));
            }
        }
        findings
    }

    fn has(&self, at: usize, phrase: &str) -> bool {
        let mut rest = self.chars[at..].iter();
        phrase.chars().all(|c| rest.next() == Some(&c))
            && rest.next().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-'))
    }

    /// Whether a sentence starts here.
    fn is_first(&self, at: usize) -> bool {
        match self.chars[..at].iter().rposition(|c| *c != ' ') {
            None => true,
            Some(end) => matches!(self.chars[end], '\n' | '.' | '!' | '?'),
        }
    }

    /// Whether the sentence that starts here is a question.
    fn is_question(&self, at: usize) -> bool {
        self.chars[at..].iter().find(|c| matches!(c, '\n' | '.' | '!' | '?')) == Some(&'?')
    }
}

/// The comments and string literals of Rust code.
fn rust(code: &str) -> Prose {
    let mut prose = Prose::default();
    let chars: Vec<char> = code.chars().collect();
    let (mut at, mut line) = (0, 1);
    let starts = |at: usize, text: &str| chars[at..].iter().take(text.len()).copied().eq(text.chars());
    while at < chars.len() {
        let is_name = |at: usize| chars[at].is_alphanumeric() || chars[at] == '_';
        let raw = chars[at] == 'r' && (at == 0 || !is_name(at - 1) || chars[at - 1] == 'b');
        let hashes = if raw { chars[at + 1..].iter().take_while(|c| **c == '#').count() } else { 0 };
        if starts(at, "//") {
            let text: String = chars[at..].iter().take_while(|c| **c != '\n').collect();
            at += text.chars().count();
            prose.push_line(text.trim_start_matches(['/', '!']), line);
            // The next line of the same comment, if there is one, belongs to it.
            let next: String = chars[at..].iter().skip(1).take_while(|c| **c != '\n').collect();
            if !next.trim_start().starts_with("//") {
                prose.push('\n', line);
            }
        } else if raw && chars.get(at + 1 + hashes) == Some(&'"') {
            let end = format!("\"{}", "#".repeat(hashes));
            at += hashes + 2;
            while at < chars.len() && !starts(at, &end) {
                line += usize::from(chars[at] == '\n');
                prose.push(chars[at], line);
                at += 1;
            }
            at += end.len();
            prose.push('\n', line);
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                // An escape is no letter, and a line break after a backslash is none.
                let escape = chars[at] == '\\';
                at += usize::from(escape);
                let c = *chars.get(at).unwrap_or(&' ');
                line += usize::from(c == '\n');
                prose.push(if escape || c == '\n' { ' ' } else { c }, line);
                at += 1;
            }
            at += 1;
            prose.push('\n', line);
        } else if chars[at] == '\'' && chars.get(at + 1) == Some(&'\\') {
            at += 3;
            at += chars[at..].iter().take_while(|c| **c != '\'').count() + 1;
        } else if chars[at] == '\'' && chars.get(at + 2) == Some(&'\'') {
            at += 3;
        } else {
            line += usize::from(chars[at] == '\n');
            at += 1;
        }
    }
    prose
}

/// The text of a Markdown file, without its blocks of code.
fn markdown(text: &str) -> Prose {
    let mut prose = Prose::default();
    let mut code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
            prose.push('\n', index + 1);
        } else if !code {
            prose.push_line(line, index + 1);
        }
    }
    prose
}

/// The paths of the files to check.
fn paths() -> Vec<String> {
    fn walk(folder: &Path, paths: &mut Vec<String>) {
        for entry in folder.read_dir().expect("a readable folder") {
            let path = entry.expect("readable").path();
            let name = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                walk(&path, paths);
            } else if name.ends_with(".rs") || name.starts_with("src/guide/") && name.ends_with(".md") {
                paths.push(name);
            }
        }
    }
    let mut paths = vec!["README.md".to_owned()];
    walk(&root().join("src"), &mut paths);
    paths.sort();
    paths
}

#[test]
fn comments_and_texts_are_plain_english() {
    let mut findings = Vec::new();
    for path in paths().iter().filter(|path| !NOT_YET.iter().any(|other| path.starts_with(other))) {
        let text = read(path);
        let prose = if path.ends_with(".rs") { rust(&text) } else { markdown(&text) };
        for (line, phrase, better) in prose.findings() {
            findings.push(format!("{path}:{line}: \"{phrase}\": write: {better}"));
        }
    }
    assert!(findings.is_empty(), "{} phrases to rewrite:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn phrases_are_found_in_comments_and_texts_and_not_in_code() {
    let found = |prose: Prose| {
        prose.findings().into_iter().map(|(line, phrase, _)| (line, phrase)).collect::<Vec<(usize, &str)>>()
    };
    let code = "/// It is sent and nothing\n/// else.\nfn is_told<'a>(x: &'a str) -> char { '\"' }\nlet x = \"Try \\\n  again\";";
    assert_eq!(found(rust(code)), [(1, "and nothing else"), (4, "try again")]);
    assert_eq!(found(rust("let x = r#\"a \"goes out\" b\"#; // What is sent.\n")), [(1, "goes out"), (1, "what is")]);
    assert_eq!(found(rust("// The item.\nlet x = 1;\n// Is told apart.\n")), [(3, "is told")]);
    assert_eq!(found(rust("// It is\nlet told = 1;\n// told\n")), []);
    assert_eq!(found(rust("/// It says what is sent. What is a source? Cargo out.\n")), []);
    assert_eq!(
        found(markdown("Text.\n\n* Of a batch, one.\n```\ngo out\n```\nThey go\nout.\n")),
        [(3, "of a"), (7, "go out")]
    );
}
