//! Goldens: files that say what a fixture comes to. A difference is shown and left beside the file, to be read.

use std::path::{Path, PathBuf};

use similar::TextDiff;

/// The endings of the files beside a payload that say what it comes to.
pub const ENDINGS: [&str; 3] = ["events.json", "ignored.txt", "error.txt"];

/// What the difference leaves beside a golden. Git ignores it.
const ACTUAL: &str = "actual";

/// Whether `UPDATE_EXPECT` asks for the goldens to be written.
///
/// # Panics
/// In CI, where nobody would read what was written.
pub fn update_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    may_update(set("UPDATE_EXPECT"), set("CI"))
}

/// Whether the goldens are written.
///
/// # Panics
/// Where that is asked for in CI.
pub fn may_update(asked: bool, ci: bool) -> bool {
    assert!(
        !asked || !ci,
        "UPDATE_EXPECT is set and so is CI: goldens are written where a person reads them, not in CI"
    );
    asked
}

/// Compares what came out with a golden, which is absent where nothing is to come out. The answer is the difference.
/// Where there is one, what came out is left in `<golden>.actual`; with `update` the golden is written instead.
pub fn settle(golden: &Path, actual: Option<&str>, update: bool) -> Option<String> {
    let expected = std::fs::read_to_string(golden).ok();
    let aside = aside(golden);
    if expected.as_deref() == actual || update {
        if aside.exists() {
            std::fs::remove_file(&aside).expect("fixtures are writable");
        }
        match actual {
            // A file that is not changed keeps its time, so that nothing is built anew for it.
            _ if expected.as_deref() == actual => {}
            Some(actual) => std::fs::write(golden, actual).expect("fixtures are writable"),
            None => std::fs::remove_file(golden).expect("fixtures are writable"),
        }
        return None;
    }
    let (expected, actual) = (expected.unwrap_or_default(), actual.unwrap_or_default());
    std::fs::write(&aside, actual).expect("fixtures are writable");
    let name = |path: &Path| path.strip_prefix(crate::root()).unwrap_or(path).display().to_string();
    let mut difference =
        TextDiff::from_lines(expected.as_str(), actual).unified_diff().header(&name(golden), &name(&aside)).to_string();
    if difference.is_empty() {
        // An empty file and none differ, and have no lines to show.
        difference = format!("{}: an empty file and none are not the same\n", name(golden));
    }
    Some(difference)
}

/// Where what came out is left: `01-firing.events.json.actual`.
fn aside(golden: &Path) -> PathBuf {
    let mut path = golden.as_os_str().to_owned();
    path.push(".");
    path.push(ACTUAL);
    path.into()
}

/// Whether a file is what a difference has left, and so neither a fixture nor a golden.
pub fn is_left_over(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ACTUAL)
}
