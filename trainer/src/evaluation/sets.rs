//! Evaluates a model on several sets, each with its protocol.

use super::{Network, Tally, evaluate, evaluate_among, multi_label_accuracy};
use crate::config::Config;
use crate::data::{Dataset, Judged, Loader, Preparation, SearchPath, TestSet};
use crate::error::Error;
use crate::experiment;
use std::sync::Arc;

/// How to evaluate.
#[derive(Clone, Copy)]
pub struct Measurement<'a> {
    /// The resolved config of the run.
    pub config: &'a Config,
    /// The folders in which sets are searched.
    pub search_path: &'a SearchPath,
    /// The test set of the run's data set.
    pub test: &'a Arc<Dataset>,
    /// The number of threads that make batches.
    pub workers: usize,
    /// On ImageNet-R, predict among its classes only, as its own protocol does; the paper predicts among all.
    pub mask_classes: bool,
}

/// The result on a set.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The set.
    pub set: TestSet,
    /// Predictions and scores with the images' single labels.
    pub tally: Tally,
    /// For ReaL: the percentage of predictions that are among their image's correct labels, over the images that have any, and the number of these
    /// images.
    pub real: Option<(f64, usize)>,
    /// Remarks about how the files of the set were read.
    pub remarks: Vec<String>,
}

impl Measured {
    /// The accuracy by the set's protocol, in percent.
    pub fn accuracy(&self) -> f64 {
        self.real.map_or_else(|| self.tally.evaluation().accuracy(), |(accuracy, _)| accuracy)
    }
}

impl Measurement<'_> {
    /// Evaluates a network on these sets, in order. The test images are computed once for all sets that consist of them.
    ///
    /// # Errors
    /// If a set cannot be found or read, or as [`evaluate`].
    pub fn of(&self, network: Network<'_>, sets: &[TestSet]) -> Result<Vec<Measured>, Error> {
        // All sets are loaded before any is evaluated, which takes long.
        let load = |set: &TestSet| Ok((*set, set.load(&self.config.data, self.search_path, self.test)?));
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
