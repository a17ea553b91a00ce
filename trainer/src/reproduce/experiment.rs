//! The names of the experiments.

use std::fmt;

/// A table or figure of the paper, or the tuning of radii that the reduced scales need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Experiment {
    /// Rank correlations of accuracy with forgetting and with flatness over a pool of models.
    #[value(name = "figure-2")]
    Figure2,
    /// Accuracy as a function of OBF's γ and λ.
    #[value(name = "figure-3")]
    Figure3,
    /// AdamW or SGD, SAM and GSAM, with steepest ascent and OBF.
    #[value(name = "table-1")]
    Table1,
    /// Fine-tuning, with a perturbation in pre-training or in fine-tuning.
    #[value(name = "table-2")]
    Table2,
    /// The other baselines, SAM with random perturbations, and ASAM.
    #[value(name = "table-b1")]
    TableB1,
    /// OBF with a fixed α.
    #[value(name = "table-b2")]
    TableB2,
    /// Accuracy by radius, from which the radii of the reduced scales were chosen.
    Radii,
}

impl fmt::Display for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&word(self))
    }
}

/// The name of a value on the command line.
pub(super) fn word(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
