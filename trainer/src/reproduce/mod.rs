//! The paper's tables and figures, made again: which runs an experiment needs at a scale, those runs, what is measured of them, and the files that
//! come of it. A run is made once: one that is finished is found again, and one that was interrupted goes on.

mod figure2;
mod figure3;
mod fine_tuning;
mod measures;
mod panel;
mod planned;
mod scale;
mod statistics;
mod table;
mod tables;

use crate::data::Places;
use crate::error::Error;
use crate::plot;
use lethe_tensor::Device;
use std::fmt;
use std::path::PathBuf;

pub use measures::Measures;
pub use planned::Planned;
pub use scale::Scale;
pub use statistics::Summary;

/// A table or figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Experiment {
    /// How accuracy goes together with forgetting and with flatness over a pool of models.
    #[value(name = "figure-2")]
    Figure2,
    /// Accuracy by OBF's γ and λ.
    #[value(name = "figure-3")]
    Figure3,
    /// AdamW or SGD, SAM and GSAM, by steepest ascent and OBF.
    #[value(name = "table-1")]
    Table1,
    /// Fine-tuning, perturbed in one half of the training or the other.
    #[value(name = "table-2")]
    Table2,
    /// The other baselines, random SAM and ASAM.
    #[value(name = "table-b1")]
    TableB1,
    /// OBF with a fixed α.
    #[value(name = "table-b2")]
    TableB2,
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Experiment::Figure2 => "figure-2",
            Experiment::Figure3 => "figure-3",
            Experiment::Table1 => "table-1",
            Experiment::Table2 => "table-2",
            Experiment::TableB1 => "table-b1",
            Experiment::TableB2 => "table-b2",
        })
    }
}

/// Where experiments compute, read and write.
pub struct Environment {
    /// Where networks are trained and measured.
    pub device: Device,
    /// CPU threads, of loaders too.
    pub threads: usize,
    /// Where data is looked for.
    pub places: Places,
    /// The folder of all runs of this scale: experiments share them.
    pub runs: PathBuf,
    /// The folder of what comes out.
    pub out: PathBuf,
}

impl Environment {
    /// Writes a file of the result.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        plot::write(&self.out, name, bytes)
    }
}

/// Makes an experiment with seeds 0 .. `seeds`; `say` is told what is done and what was written.
///
/// # Errors
/// If data is missing, a run fails, or a file cannot be written. What was finished stays.
pub fn reproduce(
    experiment: Experiment,
    scale: Scale,
    seeds: u64,
    env: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let files = match experiment {
        Experiment::Figure2 => figure2::make(scale, seeds, env, say),
        Experiment::Figure3 => figure3::make(scale, seeds, env, say),
        Experiment::Table2 => fine_tuning::make(scale, seeds, env, say),
        Experiment::Table1 | Experiment::TableB1 | Experiment::TableB2 => {
            tables::make(experiment, scale, seeds, env, say)
        }
    }?;
    files.iter().for_each(|path| say(&format!("written: {}", path.display())));
    Ok(())
}
