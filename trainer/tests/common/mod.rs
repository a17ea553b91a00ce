//! Runs the program as a command.

use std::process::{Command, Output};

/// The program, without the machine's own data in its environment.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lethe"));
    command.env_remove("LETHE_DATA").env("XDG_DATA_HOME", "/nowhere");
    // Servers of tests are on this machine.
    command.env("NO_PROXY", "127.0.0.1");
    command
}

/// Runs it in a folder of its own.
pub fn lethe(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    program().args(arguments).current_dir(folder.path()).output().unwrap()
}

/// Its standard output; it must succeed.
#[track_caller]
pub fn runs(arguments: &[&str]) -> String {
    let output = lethe(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that it fails with this status and a message that contains all parts.
#[track_caller]
pub fn fails(arguments: &[&str], status: i32, parts: &[&str]) {
    let output = lethe(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {message}");
    assert!(!message.contains("panicked"), "{message}");
    parts.iter().for_each(|part| assert!(message.contains(part), "{arguments:?}: `{part}` not in: {message}"));
}
