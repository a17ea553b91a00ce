//! Reproduces the paper's tables and figures: the runs that an experiment needs at a scale, their measures, and the resulting files. A run is
//! trained once: a finished one is found again, and an interrupted one is resumed.

mod comparisons;
mod experiment;
mod figure2;
mod figure3;
mod fine_tuning;
mod measures;
mod model_pool;
mod pace;
mod panel;
mod planned;
mod radii;
mod runs;
mod scale;
mod sizes;
mod statistics;
mod study;
mod table;
mod tables;

use crate::config::Problem;
use crate::error::Error;
use crate::paper::Architecture;

pub use experiment::Experiment;
pub use measures::Measures;
pub use planned::Planned;
pub use scale::Scale;
pub use statistics::{Summary, mean};
pub use study::Study;
pub use table::{Row, Table, cell};

/// Runs an experiment.
///
/// # Errors
/// If data is missing, a run fails, or a file cannot be written. Finished runs are kept.
pub fn reproduce(experiment: Experiment, study: &Study<'_>) -> Result<(), Error> {
    if let Some((_, seed)) =
        study.set.iter().filter_map(|set| set.split_once('=')).find(|(key, _)| key.trim() == "train.seed")
    {
        return Err(Problem::value(
            "--set train.seed",
            seed,
            "would give every run the same seed; --seeds N uses the seeds 0 to N − 1",
        )
        .into());
    }
    let one = Architecture::VitS32;
    let alone = matches!(experiment, Experiment::Figure2 | Experiment::Figure3 | Experiment::TableB2);
    if alone && !study.architectures.contains(&one) {
        let name = |a: &Architecture| study.scale.model_name(*a);
        let asked: Vec<String> = study.architectures.iter().map(name).collect();
        return Err(Problem::value("--model", asked.join(", "), format!("{experiment} has only {}", name(&one))).into());
    }
    let files = match experiment {
        Experiment::Figure2 => figure2::make(study),
        Experiment::Figure3 => figure3::make(study),
        Experiment::Table1 => tables::table_1(study),
        Experiment::Table2 => fine_tuning::make(study),
        Experiment::TableB1 => tables::table_b1(study),
        Experiment::TableB2 => tables::table_b2(study),
        Experiment::Radii => radii::make(study),
    }?;
    files.iter().for_each(|path| (study.say)(&format!("written: {}", path.display())));
    Ok(())
}
