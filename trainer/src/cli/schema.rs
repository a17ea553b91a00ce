//! `lethe schema`.

use super::output::{say, say_or_end};
use crate::config::schema;
use crate::error::Error;
use crate::files;
use clap::Args;
use std::path::PathBuf;

/// Where to write the schema.
#[derive(Args)]
pub struct SchemaArgs {
    /// The file to write; by default the schema is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Prints the JSON Schema of configs.
pub fn run(args: &SchemaArgs) -> Result<(), Error> {
    match &args.out {
        None => say_or_end(text().trim_end()),
        Some(out) => {
            files::write(out, text().as_bytes())?;
            say(&format!("written to {}", out.display()));
        }
    }
    Ok(())
}

/// The schema as a file has it.
pub fn text() -> String {
    serde_json::to_string_pretty(&schema()).expect("a schema is JSON") + "\n"
}
