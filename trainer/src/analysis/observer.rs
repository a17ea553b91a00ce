//! Measures what is forgotten during a training.

use super::forgetting::ForgettingProbe;
use crate::config::{AnalysisConfig, Config, Problem};
use crate::error::Error;
use crate::run::RunFolder;
use crate::training::{Observed, Observer, Parts};

/// A probe after those epochs that the config says, and the suffix of its records' names.
struct DueProbe {
    probe: ForgettingProbe,
    suffix: &'static str,
    config: AnalysisConfig,
}

/// The observers that a resolved config asks for: one for each protocol.
///
/// # Errors
/// As [`ForgettingProbe::each`].
pub fn observers(config: &Config, parts: &Parts, workers: usize) -> Result<Vec<Box<dyn Observer>>, Problem> {
    if config.analysis.every == 0 {
        return Ok(vec![]);
    }
    let due = |(probe, suffix)| -> Box<dyn Observer> {
        Box::new(DueProbe { probe, suffix, config: config.analysis.clone() })
    };
    Ok(ForgettingProbe::each(config, &parts.train, &parts.analysed, workers)?.into_iter().map(due).collect())
}

impl Observer for DueProbe {
    fn after_epoch(&self, epoch: usize, seen: Observed<'_>, run: &RunFolder) -> Result<(), Error> {
        if self.config.is_due(epoch) && !run.has_epoch_record(epoch + 1, self.suffix) {
            let record = self.probe.measure(seen.network, &seen.ascent, seen.progress)?;
            run.record_epoch(record.progress.epochs, self.suffix, &record)?;
        }
        Ok(())
    }
}
