//! Runs trained through the program.

use crate::common::runs;
use std::fs;
use std::path::PathBuf;

/// Trains what this config describes with these changes, on the CPU: the temporary folder that holds it as `small.toml`, and in it the folder of the
/// run.
pub fn trained(config: &str, set: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("small.toml"), folder.path().join("run"));
    fs::write(&file, config).unwrap();
    let set: Vec<&str> = set.iter().flat_map(|set| ["--set", set]).collect();
    let [file, path] = [&file, &out].map(|path| path.display().to_string());
    runs(&[&["train", &file, "--device", "cpu", "--out", &path][..], &set].concat());
    (folder, out)
}
