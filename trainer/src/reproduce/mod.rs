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
use crate::files;
use crate::paper::Draft;
use lethe_tensor::Device;
use measures::Wanted;
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
        f.write_str(&word(self))
    }
}

/// The word that means a value on the command line.
fn word(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// What an experiment is made at, where, and with how many seeds.
pub struct Study<'a> {
    /// How large.
    pub scale: Scale,
    /// Runs of every method, with seeds 0, 1, …
    pub seeds: u64,
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
    /// Told what is done.
    pub say: &'a dyn Fn(&str),
}

impl Study<'_> {
    /// The measures of a config's runs, a seed each. Runs that are missing are made.
    fn measured(&self, name: &str, draft: &Draft, wanted: &Wanted) -> Result<Vec<Measures>, Error> {
        let one = |seed| {
            let planned = Planned::new(name, draft, seed);
            Measures::of(&planned, &planned.ensure(self)?, wanted, self)
        };
        (0..self.seeds).map(one).collect()
    }

    /// Writes a file of the result.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        files::write(&self.out.join(name), bytes)
    }

    /// The head of a result in Markdown.
    fn title(&self, experiment: Experiment, what: &str) -> String {
        format!("# {experiment} at scale {}, {} seeds\n\n{what}\n\n", self.scale, self.seeds)
    }
}

/// Makes an experiment.
///
/// # Errors
/// If data is missing, a run fails, or a file cannot be written. What was finished stays.
pub fn reproduce(experiment: Experiment, study: &Study<'_>) -> Result<(), Error> {
    let files = match experiment {
        Experiment::Figure2 => figure2::make(study),
        Experiment::Figure3 => figure3::make(study),
        Experiment::Table1 => tables::table_1(study),
        Experiment::Table2 => fine_tuning::make(study),
        Experiment::TableB1 => tables::table_b1(study),
        Experiment::TableB2 => tables::table_b2(study),
    }?;
    files.iter().for_each(|path| (study.say)(&format!("written: {}", path.display())));
    Ok(())
}
