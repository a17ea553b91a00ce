//! `lethe paper-configs`: the paper's hyper-parameter table as experiment files.

use super::output::say;
use crate::error::Error;
use crate::files;
use crate::paper::rows;
use clap::Args;
use std::path::PathBuf;

/// Where to write them.
#[derive(Args)]
pub struct PaperConfigsArgs {
    /// The folder to write to; created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "configs/paper")]
    out: PathBuf,
}

/// Writes a file for each row.
pub fn write(args: &PaperConfigsArgs) -> Result<(), Error> {
    let files: Vec<(String, String)> = rows().iter().map(crate::paper::Row::file).collect();
    files.iter().try_for_each(|(name, text)| files::write(&args.out.join(name), text.as_bytes()).map(|_| ()))?;
    say(&format!("{} configs in {}", files.len(), args.out.display()));
    Ok(())
}
