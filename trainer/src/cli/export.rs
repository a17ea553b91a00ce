//! `lethe export`.

use super::options::{Averaged, Source};
use super::output::say;
use crate::config::Config;
use crate::error::Error;
use crate::weights;
use crate::words::count;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Which run to export, and to which file.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// The file to write; an existing file is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Which library's tensor names to use.
    #[arg(long, value_enum, default_value_t = Format::Pytorch)]
    format: Format,
}

/// A format of weights.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// safetensors: timm's names for a ViT, torchvision's for a ResNet, `layers.N` for a perceptron.
    Pytorch,
}

/// Writes the parameters and running statistics of a run's checkpoint.
pub fn export(args: &ExportArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let config = Config::load(&run.config(), &[])?;
    let written = match args.format {
        Format::Pytorch => weights::export(&config, &args.averaged.of(args.source.checkpoint(&run)?)?, &args.out)?,
    };
    say(&format!("{} in {}", count(written, "tensor"), args.out.display()));
    Ok(())
}
