//! `lethe export`.

use super::say;
use crate::config::Config;
use crate::error::Error;
use crate::run::RunFolder;
use crate::weights;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Which run, and where to.
#[derive(Args)]
pub struct ExportArgs {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The file to write; one that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Whose names the tensors get.
    #[arg(long, value_enum, default_value_t = Format::Pytorch)]
    format: Format,
}

/// A form of weights.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// safetensors: timm's names for a ViT, torchvision's for a ResNet, `layers.N` for a perceptron.
    Pytorch,
}

/// Writes the parameters and running statistics of a run's last checkpoint.
pub fn export(args: &ExportArgs) -> Result<(), Error> {
    let run = RunFolder::open(&args.run)?;
    let config = Config::load(&run.config(), &[])?;
    let written = match args.format {
        Format::Pytorch => weights::export(&config, &run.load()?, &args.out)?,
    };
    say(&format!("{written} tensors in {}", args.out.display()));
    Ok(())
}
