//! What commands print: results on standard output, and notes for the person who watches on standard error.

use std::io::{self, Write};
use std::process::{self, ExitCode};
use std::sync::OnceLock;

/// The status of a program that a broken pipe has ended, as shells tell it: 128 and the number of the signal.
const BROKEN_PIPE: u8 = 128 + 13;

/// The first failure of standard output. Nothing is written there any more.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Prints a line of the result. Where that fails, the command goes on for the files that it writes, and ends with [`status`].
pub fn say(line: &str) {
    record(FAILURE.get().map_or_else(|| writeln!(io::stdout(), "{line}"), |_| Ok(())));
}

/// The same for commands whose result is what they print: where it cannot be printed, they end.
pub fn say_or_end(line: &str) {
    say(line);
    if FAILURE.get().is_some() {
        process::exit(code().into());
    }
}

/// Takes note of a failure of standard output.
pub fn record(written: io::Result<()>) {
    if let Err(error) = written {
        // The first one counts.
        let _ = FAILURE.set(error);
    }
}

/// The exit status of a command that has done its work: a failure if its result was not printed whole. Of a reader who went away nothing is said.
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

/// Prints a line for the person who watches. Where nobody does, the work goes on.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
