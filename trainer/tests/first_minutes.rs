//! A person's first ten minutes: a new crate that depends on `lethe` alone builds, and the README's program trains in it.

use std::path::Path;
use std::process::Command;

/// The only block of Rust in the README.
fn program() -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```rust\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1, "the README has one block of Rust");
    blocks[0].to_string()
}

#[test]
fn an_empty_crate_trains_with_the_readmes_lines() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"first\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
         lethe = {{ path = {:?}, default-features = false }}\n\n[profile.dev]\nopt-level = 1\ndebug = false\n\n[workspace]\n",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    // The versions that are here already, so that nothing is fetched.
    std::fs::copy(workspace.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/main.rs"), program()).unwrap();

    let run = Command::new(env!("CARGO"))
        .args(["run", "--offline", "--quiet", "--target-dir"])
        .arg(workspace.join("target/first-minutes"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    let accuracy: f64 = said.trim().strip_prefix("test accuracy ").expect(&said).parse().expect(&said);
    assert!(accuracy > 0.9, "{said}");
    assert_eq!(String::from_utf8_lossy(&run.stderr), "", "it builds without a warning");

    let mut tree = Command::new(env!("CARGO"));
    let tree = tree.args(["tree", "--offline", "--prefix", "none"]).current_dir(folder.path()).output().unwrap();
    let tree = String::from_utf8_lossy(&tree.stdout);
    for heavy in ["clap", "image", "plotters", "indicatif", "wgpu", "toml", "ureq"] {
        let found = tree.lines().any(|l| l.split(' ').next() == Some(heavy));
        assert!(!found && !tree.is_empty(), "the library alone builds {heavy}:\n{tree}");
    }
}
