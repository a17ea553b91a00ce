//! The measures of a finished run: its accuracy on every evaluation set of the scale, and its sharpness. They are computed once, and kept in the run
//! folder.

use super::planned::Planned;
use super::scale::Scale;
use super::study::Study;
use crate::analysis::sharpness::{Landscape, Stopping};
use crate::config::{DataConfig, DatasetKind};
use crate::data::{DataSplit, Loader, Preparation, SearchPath, TestSet};
use crate::error::Error;
use crate::evaluation::Measurement;
use crate::experiment;
use crate::run::RunFolder;
use crate::training::{Parts, Restored};
use lethe_tensor::Device;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The name of the record, for test images of the run's own size or of another size.
fn record_name(eval_size: Option<usize>) -> String {
    eval_size.map_or_else(|| "measures".to_owned(), |size| format!("measures-{size}"))
}

/// The measures of a run, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// The run's seed.
    pub seed: u64,
    /// Accuracies in percent by data set, and the sharpness.
    pub values: Vec<(String, f64)>,
}

/// Which measures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Whether the other evaluation sets of the scale are included, besides the test set.
    pub other_sets: bool,
    /// How sharpness is measured, if it is.
    pub sharpness: Option<SharpnessOptions>,
}

/// The record: the measures, which were wanted, and the size of test images.
#[derive(Serialize, Deserialize)]
struct Kept {
    wanted: Wanted,
    #[serde(default)]
    eval_size: Option<usize>,
    measures: Measures,
}

impl Kept {
    /// Whether it contains what is wanted. The size is checked too, since earlier versions had one record for all sizes.
    fn serves(&self, wanted: &Wanted, eval_size: Option<usize>) -> bool {
        self.wanted.covers(wanted) && self.eval_size == eval_size
    }
}

/// How sharpness is measured at a scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharpnessOptions {
    /// The number of training images, the first of the set.
    pub samples: usize,
    /// The batch size.
    pub batch: usize,
    /// The stopping rule of the iteration.
    pub stopping: Stopping,
}

impl Measures {
    /// The name of the measure sharpness, the dominant eigenvalue of the Hessian.
    pub const SHARPNESS: &'static str = "sharpness";
    /// The name of the measure of accuracy on the test set.
    pub const TEST: &'static str = "test";
    /// The name of the measure of the loss on the test set.
    pub const LOSS: &'static str = "test loss";

    /// The names of the measures.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|(name, _)| &name[..])
    }

    /// The measure with this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
    }

    /// The accuracy on the test set, in percent; NaN if it was not measured.
    pub fn test(&self) -> f64 {
        self.get(Measures::TEST).unwrap_or(f64::NAN)
    }

    /// The measures of a finished run: read from the record, or measured now.
    ///
    /// # Errors
    /// If its checkpoint or data cannot be read, or the device fails.
    pub fn of(
        planned: &Planned,
        run: &RunFolder,
        wanted: &Wanted,
        study: &Study<'_>,
        device: &Device,
    ) -> Result<Measures, Error> {
        let eval_size = planned.config(study)?.data.eval_size;
        let record = record_name(eval_size);
        let kept: Option<Kept> = run.read_record(&record)?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.serves(wanted, eval_size)) {
            let wanted = kept.measures.values.iter().filter(|(name, _)| wanted.includes(name));
            return Ok(Measures { seed: kept.measures.seed, values: wanted.cloned().collect() });
        }
        // Sharpness is measured on training images, whatever the size of the test images.
        let known = [kept, run.read_record::<Kept>(&record_name(None))?];
        let sharpness = known.into_iter().flatten().find(|kept| kept.wanted.sharpness == wanted.sharpness);
        let sharpness = sharpness.and_then(|kept| kept.measures.get(Measures::SHARPNESS));
        let (config, split) = planned.resolve(study)?;
        let Parts { train: mut images, test, .. } = Parts::of(&config, split);
        let restored = Restored::new(&config, &run.load(None)?, &images, device)?;
        let network = restored.network();
        let measurement = Measurement {
            config: &config,
            search_path: &study.search_path,
            test: &test,
            workers: study.threads,
            mask_classes: false,
        };
        let measured = measurement.of(network, &wanted.sets(config.data.dataset))?;
        let mut values: Vec<(String, f64)> = measured.iter().map(|m| (label(m.set), m.accuracy())).collect();
        if let Some(known) = sharpness {
            values.push((Measures::SHARPNESS.into(), known));
        } else if let Some(options) = wanted.sharpness {
            Arc::make_mut(&mut images).truncate(options.samples);
            let loader =
                Loader::evaluation(images, Preparation::of_curvature(&config.data), options.batch, study.threads);
            let landscape = Landscape { network, loss: experiment::task_loss(&config), loader: &loader };
            let found = landscape.dominant_eigenvalue(options.stopping, 0)?;
            values.push((Measures::SHARPNESS.into(), found.eigenvalue));
        }
        let measures = Measures { seed: planned.seed, values };
        run.record(&record, &Kept { wanted: *wanted, eval_size, measures: measures.clone() })?;
        Ok(measures)
    }
}

impl Wanted {
    /// Only the accuracy on the test set.
    pub fn accuracy() -> Wanted {
        Wanted { other_sets: false, sharpness: None }
    }

    /// The accuracy on the test set, and the sharpness.
    pub fn curvature(scale: Scale) -> Wanted {
        Wanted { sharpness: Some(sharpness_options(scale)), ..Wanted::accuracy() }
    }

    /// The accuracies on all sets, and the sharpness.
    pub fn all(scale: Scale) -> Wanted {
        Wanted { other_sets: true, ..Wanted::curvature(scale) }
    }

    /// Whether measures taken for this hold all that is wanted there.
    fn covers(&self, other: &Wanted) -> bool {
        let sharpness = other.sharpness.is_none() || other.sharpness == self.sharpness;
        sharpness && (self.other_sets || !other.other_sets)
    }

    /// Whether a measure with this name is wanted.
    fn includes(&self, name: &str) -> bool {
        match name {
            Measures::TEST => true,
            Measures::SHARPNESS => self.sharpness.is_some(),
            _ => self.other_sets,
        }
    }

    /// Checks that the evaluation sets for a model of this data exist.
    ///
    /// # Errors
    /// If one is not found, or cannot be read.
    pub fn find(&self, data: &DataConfig, search_path: &SearchPath, split: DataSplit) -> Result<(), Error> {
        let test = Arc::new(split.test);
        let from_disk = self.sets(data.dataset).into_iter().filter(|set| !matches!(set, TestSet::StandIn(_)));
        from_disk.map(|set| set.load(data, search_path, &test)).try_for_each(|found| Ok(found.map(drop)?))
    }

    /// The evaluation sets for a model of this data: those of ImageNet, or the test set and its stand-ins.
    fn sets(&self, dataset: DatasetKind) -> Vec<TestSet> {
        let words: &[&str] = match self.other_sets {
            false => &["test"],
            true if dataset == DatasetKind::Imagenet => &["all"],
            true => &["test", "stand-ins"],
        };
        words.iter().flat_map(|word| TestSet::parse(word, dataset)).flatten().collect()
    }
}

/// PyHessian's options (specification, section 8.1), or fewer images and iterations at reduced scales.
fn sharpness_options(scale: Scale) -> SharpnessOptions {
    match scale {
        Scale::Digits => {
            SharpnessOptions { samples: 400, batch: 200, stopping: Stopping { most_iterations: 30, tolerance: 1e-2 } }
        }
        Scale::Fashion => {
            SharpnessOptions { samples: 1024, batch: 256, stopping: Stopping { most_iterations: 100, tolerance: 1e-3 } }
        }
        Scale::Paper => {
            SharpnessOptions { samples: 8192, batch: 32, stopping: Stopping { most_iterations: 100, tolerance: 1e-4 } }
        }
    }
}

/// The name of a set in tables, which marks stand-ins.
fn label(set: TestSet) -> String {
    match set {
        TestSet::StandIn(_) => format!("{} (stand-in)", set.name()),
        _ => set.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_of_another_size_do_not_serve() {
        let measures = Measures { seed: 0, values: vec![] };
        let kept = |eval_size| Kept { wanted: Wanted::accuracy(), eval_size, measures: measures.clone() };
        let serves = |of, asked| kept(of).serves(&Wanted::accuracy(), asked);
        assert!(serves(None, None) && serves(Some(288), Some(288)));
        assert!(!serves(Some(288), None) && !serves(None, Some(288)));
    }

    #[test]
    fn what_was_measured_for_more_serves_for_less() {
        let (all, curvature, accuracy) =
            (Wanted::all(Scale::Digits), Wanted::curvature(Scale::Digits), Wanted::accuracy());
        assert!(all.covers(&curvature) && all.covers(&accuracy) && curvature.covers(&accuracy));
        assert!(!accuracy.covers(&curvature) && !curvature.covers(&all));
        assert!(!all.covers(&Wanted::curvature(Scale::Fashion)), "another number of images");
        let names = |w: Wanted| ["test", "blur (stand-in)", "sharpness"].map(|name| w.includes(name));
        assert_eq!(
            [names(all), names(curvature), names(accuracy)],
            [[true; 3], [true, false, true], [true, false, false]]
        );
    }
}
