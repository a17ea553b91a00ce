//! Measuring a model on test sets, each under its protocol.

use super::{Network, Tally, evaluate, evaluate_among, multi_label_accuracy};
use crate::config::Config;
use crate::data::{Dataset, Judged, Loader, Places, Preparation, TestSet};
use crate::error::Error;
use crate::experiment;
use std::sync::Arc;

/// How to measure.
#[derive(Clone, Copy)]
pub struct Measurement<'a> {
    /// The resolved config of the run.
    pub config: &'a Config,
    /// Where sets are looked for.
    pub places: &'a Places,
    /// The test set of the run's data set.
    pub test: &'a Arc<Dataset>,
    /// Threads that make batches.
    pub workers: usize,
    /// Let only the classes of ImageNet-R be answers to its images, as its own protocol has it; the paper answers from all.
    pub mask_classes: bool,
}

/// A set measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which.
    pub set: TestSet,
    /// Predictions and scores by the images' single labels.
    pub tally: Tally,
    /// Under ReaL: the share, in percent, of predictions that are among their image's right labels, of the images that have any; and how many have.
    pub real: Option<(f64, usize)>,
    /// What should be known of how a set of files of its own was read.
    pub remarks: Vec<String>,
}

impl Measured {
    /// The accuracy of the set's protocol, in percent.
    pub fn accuracy(&self) -> f64 {
        self.real.map_or_else(|| self.tally.evaluation().accuracy(), |(accuracy, _)| accuracy)
    }
}

impl Measurement<'_> {
    /// Measures a network on these sets, in order. The test images are computed once for all that judge them.
    ///
    /// # Errors
    /// If a set cannot be found or read, or as [`evaluate`].
    pub fn of(&self, network: Network<'_>, sets: &[TestSet]) -> Result<Vec<Measured>, Error> {
        // All are found before any is measured: that takes long.
        let load = |set: &TestSet| Ok((*set, set.load(&self.config.data, self.places, self.test)?));
        let sets = sets.iter().map(load).collect::<Result<Vec<_>, Error>>()?;
        let mut of_test: Option<Tally> = None;
        let mut measured = Vec::with_capacity(sets.len());
        for (set, Judged { data, right }) in sets {
            let tally = match &of_test {
                Some(tally) if Arc::ptr_eq(&data, self.test) => tally.clone(),
                _ => self.tally(network, set, &data)?,
            };
            let real = right.and_then(|right| {
                let kept = right.iter().filter(|labels| !labels.is_empty()).count();
                multi_label_accuracy(&tally.predictions, &right).map(|accuracy| (accuracy, kept))
            });
            if Arc::ptr_eq(&data, self.test) {
                of_test = Some(tally.clone());
            }
            let is_own = !Arc::ptr_eq(&data, self.test) && !matches!(set, TestSet::StandIn(_));
            let remarks = if is_own { data.remarks.clone() } else { Vec::new() };
            measured.push(Measured { set, tally, real, remarks });
        }
        Ok(measured)
    }

    fn tally(&self, network: Network<'_>, set: TestSet, data: &Arc<Dataset>) -> Result<Tally, Error> {
        let batch = self.config.train.eval_batch;
        let loader = Loader::evaluation(data.clone(), Preparation::of_test(&self.config.data), batch, self.workers);
        let likelihood = experiment::task_loss(self.config).likelihood;
        if self.mask_classes && set == TestSet::R {
            let mut present = data.labels.clone();
            present.sort_unstable();
            present.dedup();
            evaluate_among(network, &loader, likelihood, Some(&present))
        } else {
            evaluate(network, &loader, likelihood)
        }
    }
}
