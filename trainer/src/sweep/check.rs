//! What a sweep needs, checked before its first run: data, configs, models, and the runs that exist already.

use super::error::SweepError;
use super::plan::{Plan, SweepRun};
use crate::analysis::observer::observers;
use crate::classes::Classes;
use crate::config::Config;
use crate::data::{Remarks, SearchPath, load, sources};
use crate::error::Error;
use crate::standing::{Standing, standing};
use crate::training::{self, Training};
use lethe_tensor::Device;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// A run of a sweep, and what there is of it.
#[derive(Clone, Debug)]
pub struct Needed {
    /// The run.
    pub run: SweepRun,
    /// Whether it is finished or interrupted, or does not exist.
    pub standing: Standing,
    /// Its config with every default.
    resolved: Config,
    /// The checksums and the classes of its images.
    images: Arc<(String, Classes)>,
}

impl Needed {
    /// Looks again what there is of it.
    ///
    /// # Errors
    /// If its folder now contains another run.
    pub fn look_again(&mut self, folder: &Path) -> Result<(), Error> {
        let (fingerprint, classes) = &*self.images;
        self.standing = standing(&folder.join(&self.run.name), &self.resolved, (fingerprint, classes))?;
        Ok(())
    }
}

/// Checks every config against its data, the model of every point, and the run folders; the runs come back with what there is of them. Remarks on
/// configs and data are told.
///
/// # Errors
/// If data is missing, a config does not match it, a model cannot be made, or a folder contains another run.
pub fn check(plan: &Plan, folder: &Path, path: &SearchPath, tell: &dyn Fn(&str)) -> Result<Vec<Needed>, Error> {
    let runs = plan.runs();
    let left_out = plan
        .points
        .iter()
        .flat_map(|(point, _)| Config::left_out(&plan.request.text, &[&plan.fixed[..], &point.set()].concat()));
    left_out.collect::<BTreeSet<String>>().iter().for_each(|line| tell(&format!("note: {line}")));
    let mut needed: Vec<Option<Needed>> = vec![None; runs.len()];
    let mut remarks = Remarks::default();
    for (data, numbers) in sources(plan.points.iter().map(|(_, config)| &config.data)) {
        let of_point = |number: usize| {
            let point = plan.points[number].0.name.clone();
            |problem: Error| SweepError::Point { point, problem: Box::new(problem) }
        };
        let split = load(&data, path).map_err(|error| of_point(numbers[0])(error.into()))?;
        remarks.tell(&split, tell);
        let facts = training::facts(&split);
        let images = Arc::new((split.fingerprint(), split.train.names.clone()));
        for number in numbers {
            let mut missing = None;
            // The runs of every seed are in the order of the points.
            for i in (number..runs.len()).step_by(plan.points.len()) {
                let run = runs[i].clone();
                let resolved = run.config.resolve(&facts).map_err(|problem| problem.in_file(&plan.request.file));
                let resolved = resolved.map_err(|problem| of_point(number)(problem.into()))?;
                let mut found = Needed { run, standing: Standing::New, resolved, images: images.clone() };
                found.look_again(folder)?;
                if found.standing == Standing::New && missing.is_none() {
                    missing = Some(found.resolved.clone());
                }
                needed[i] = Some(found);
            }
            if let Some(config) = missing {
                Training::new(&config, split.clone(), &Device::cpu(), 1, &observers).map_err(of_point(number))?;
            }
        }
    }
    Ok(needed.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::*;
    use crate::run::{Existing, RunFolder};

    #[test]
    fn a_run_that_another_program_made_since_it_was_looked_for_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan(&["data.train_limit=8,16", "data.augment.flip=true,false"], 2);
        let mut needed = check(&plan, folder.path(), &SearchPath::default(), &|_| {}).unwrap();
        let names: Vec<&str> = needed.iter().map(|needed| needed.run.name.as_str()).collect();
        assert_eq!(names, plan.runs().iter().map(|run| &run.name[..]).collect::<Vec<_>>());
        assert!(needed.iter().all(|needed| needed.standing == Standing::New));
        let split = load(&needed[7].run.config.data, &SearchPath::default()).unwrap();
        let run = RunFolder::create(&folder.path().join(&needed[7].run.name), Existing::Refuse, &needed[7].resolved);
        let training = Training::new(&needed[7].resolved, split, &Device::cpu(), 1, &observers).unwrap();
        training.run(&run.unwrap()).unwrap();
        needed.iter_mut().for_each(|needed| needed.look_again(folder.path()).unwrap());
        let finished: Vec<bool> = needed.iter().map(|needed| needed.standing == Standing::Finished).collect();
        assert_eq!(finished, [false, false, false, false, false, false, false, true]);
    }
}
