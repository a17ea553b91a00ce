//! `lethe completions` and `lethe man`: what shells and `man` know of the program.

use super::output::{record, say};
use crate::error::Error;
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// For which shell.
#[derive(Args)]
pub struct CompletionsArgs {
    /// The shell that reads the result.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints a script that completes the program's commands and options.
pub fn completions(args: &CompletionsArgs, mut program: Command) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "lethe", &mut script);
    record(io::stdout().write_all(&script));
}

/// Where to write the pages.
#[derive(Args)]
pub struct ManArgs {
    /// The folder to write to; created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "man/man1")]
    out: PathBuf,
}

/// Writes a page for the program and one for each command.
pub fn man(args: &ManArgs, program: Command) -> Result<(), Error> {
    let failed = |error| Error::Write { path: args.out.clone(), error };
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(program, &args.out).map_err(failed)?;
    say(&format!("written to {}", args.out.display()));
    Ok(())
}
