//! Goldens: files with the expected results of a fixture. A difference is printed, and the actual result is saved
//! beside the file.

use std::path::{Path, PathBuf};

use similar::TextDiff;

/// The extensions of the files with the expected results.
pub const ENDINGS: [&str; 3] = ["events.json", "ignored.txt", "error.txt"];

/// The extension of an actual result that differs from its golden. Git ignores these files.
const ACTUAL: &str = "actual";

/// Whether `UPDATE_EXPECT` asks to write the goldens.
///
/// # Panics
/// Panics in CI, where nobody would review the goldens.
pub fn update_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    may_update(set("UPDATE_EXPECT"), set("CI"))
}

/// Whether to write the goldens.
///
/// # Panics
/// Panics if `asked` and `ci` are both true.
pub fn may_update(asked: bool, ci: bool) -> bool {
    assert!(
        !asked || !ci,
        "UPDATE_EXPECT is set and so is CI: goldens are written where a person reads them, not in CI"
    );
    asked
}

/// Compares a result with its golden, which is absent if no result is expected. Returns the difference. If there is
/// one, the result is saved in `<golden>.actual`. With `update`, the golden is written instead.
pub fn settle(golden: &Path, actual: Option<&str>, update: bool) -> Option<String> {
    let expected = std::fs::read_to_string(golden).ok();
    let aside = aside(golden);
    if expected.as_deref() == actual || update {
        if aside.exists() {
            std::fs::remove_file(&aside).expect("fixtures are writable");
        }
        match actual {
            // An unchanged file keeps its modification time, so that it causes no rebuild.
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
        // An empty file and a missing file differ without any lines to show.
        difference = format!("{}: an empty file and none are not the same\n", name(golden));
    }
    Some(difference)
}

/// Where the actual result is saved: `01-firing.events.json.actual`.
fn aside(golden: &Path) -> PathBuf {
    let mut path = golden.as_os_str().to_owned();
    path.push(".");
    path.push(ACTUAL);
    path.into()
}

/// Whether a file is a saved actual result, and so neither a fixture nor a golden.
pub fn is_left_over(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == ACTUAL)
}
