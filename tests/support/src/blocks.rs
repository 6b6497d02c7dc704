//! The fenced blocks of the README and of the guide.
//!
//! A block that starts with `` ```console `` has commands, and a test of the component runs them. A marker behind the language
//! says why nothing runs them: `` ```console needs-cluster ``. Blocks in other languages are data, which a native test reads.

use crate::root;

/// The markers, and what each says about the commands of its block.
pub const MARKERS: &[(&str, &str)] = &[
    ("needs-account", "they need an account at a registry or a cloud"),
    ("needs-cluster", "they need a Kubernetes cluster"),
    ("slow", "they take minutes: CI runs them by itself, or a native test holds that what they name is there"),
];

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    /// The page, as a path of the repository, and the line of the fence.
    pub at: String,
    /// The heading above it.
    pub heading: String,
    pub language: String,
    /// What follows the language.
    pub marker: Option<String>,
    pub text: String,
}

impl Block {
    /// The commands of a block of language `console`, as a script for a shell.
    pub fn script(&self) -> String {
        let lines = self.text.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line));
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

/// The blocks of the README and of every page of the guide, in order.
pub fn all() -> Vec<Block> {
    let guide = root().join("src/guide").read_dir().expect("the guide is there");
    let names = guide.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let mut pages: Vec<String> =
        names.filter(|name| name.ends_with(".md")).map(|name| format!("src/guide/{name}")).collect();
    pages.push("README.md".to_owned());
    pages.sort();
    pages.iter().flat_map(|page| of(page)).collect()
}

/// The blocks of one page.
pub fn of(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (mut blocks, mut heading, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(""), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let (language, marker) =
                    info.split_once(' ').map_or((info, None), |(language, marker)| (language, Some(marker)));
                let at = format!("{page}:{}", index + 1);
                let (language, marker) = (language.to_owned(), marker.map(str::to_owned));
                open = Some(Block { at, heading: heading.clone(), language, marker, text: String::new() });
            }
            (_, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {
                heading = line.strip_prefix('#').map_or(heading, |rest| rest.trim_start_matches('#').trim().to_owned())
            }
        }
    }
    assert!(open.is_none(), "{page}: the last block is open");
    blocks
}
