//! What commands print: results on standard output, and progress, notes and warnings on standard error.

use crate::error::Error;
use crate::files;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use std::process::{self, ExitCode};
use std::sync::OnceLock;

/// The exit status of a program that a broken pipe ended, as shells report it: 128 plus the number of the signal.
const BROKEN_PIPE: u8 = 128 + 13;

/// The first failure to write to standard output. After it nothing more is written there.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of the result. If that fails, the command continues, since it may write files, and ends with [`status`].
pub fn say(line: &str) {
    record(FAILURE.get().map_or_else(|| writeln!(io::stdout(), "{line}"), |_| Ok(())));
}

/// The same for commands whose only result is what they print: if it cannot be printed, they end.
pub fn say_or_end(line: &str) {
    say(line);
    if FAILURE.get().is_some() {
        process::exit(code().into());
    }
}

/// Remembers a failure to write to standard output.
pub fn record(written: io::Result<()>) {
    if let Err(error) = written {
        // Only the first one is kept.
        let _ = FAILURE.set(error);
    }
}

/// The exit status of a command that has done its work: a failure if its result could not be printed completely. A reader that closed the pipe is not
/// reported.
pub fn status() -> ExitCode {
    record(io::stdout().flush());
    ExitCode::from(code())
}

fn code() -> u8 {
    match FAILURE.get() {
        None => 0,
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => BROKEN_PIPE,
        Some(error) => {
            note(&format!("lethe: cannot write to standard output: {error}"));
            1
        }
    }
}

/// Prints a line on standard error. If that fails, the work continues.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes a record as JSON to the file that the command line names.
pub fn write_json(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(record).expect("records can be written as JSON") + "\n";
    files::write(path, text.as_bytes()).map(drop)
}

/// The rows as lines, in columns.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
