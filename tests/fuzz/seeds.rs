//! Writes the seeds of every target to `corpus/<target>`, or to `<target>` in the folder of the first argument.

use std::path::PathBuf;

use pagerelay_support::fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let corpus = std::env::args_os().nth(1).map_or_else(beside, PathBuf::from);
    for target in TARGETS {
        let folder = corpus.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
