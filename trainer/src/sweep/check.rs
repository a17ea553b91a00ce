//! What a sweep needs, checked before its first run: data, configs, models, and the runs that exist already.

use super::error::SweepError;
use super::plan::{Plan, SweepRun};
use crate::analysis::observer::observers;
use crate::config::{Config, DataConfig};
use crate::data::{DataSplit, SearchPath, load};
use crate::error::Error;
use crate::standing::{Standing, standing};
use crate::training::{self, Training};
use lethe_tensor::Device;
use std::collections::BTreeSet;
use std::path::Path;

/// A run of a sweep, and what there is of it.
#[derive(Clone, Debug)]
pub struct Needed {
    /// The run.
    pub run: SweepRun,
    /// Whether it is finished or interrupted, or does not exist.
    pub standing: Standing,
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
    let mut seen: Vec<(DataConfig, DataSplit)> = vec![];
    let mut standings: Vec<Option<Standing>> = vec![None; runs.len()];
    for (i, (point, config)) in plan.points.iter().enumerate() {
        let of_point = |problem: Error| SweepError::Point { point: point.name.clone(), problem: Box::new(problem) };
        let known = seen.iter().position(|(data, _)| *data == config.data);
        if known.is_none() {
            let split = load(&config.data, path).map_err(|error| of_point(error.into()))?;
            split.train.remarks.iter().chain(&split.test.remarks).for_each(|remark| tell(&format!("note: {remark}")));
            seen.push((config.data.clone(), split));
        }
        let (_, split) = &seen[known.unwrap_or(seen.len() - 1)];
        let facts = training::facts(split);
        let (fingerprint, classes) = (split.fingerprint(), &split.train.names);
        let mut missing = None;
        for (number, run) in runs.iter().enumerate().filter(|(_, run)| run.point == i) {
            let resolved = run.config.resolve(&facts).map_err(|p| of_point(p.in_file(&plan.request.file).into()))?;
            let standing = standing(&folder.join(&run.name), &resolved, (&fingerprint, classes))?;
            standings[number] = Some(standing);
            if standing == Standing::New {
                missing = missing.or(Some(resolved));
            }
        }
        if let Some(config) = missing {
            Training::new(&config, split.clone(), &Device::cpu(), 1, &observers).map_err(of_point)?;
        }
    }
    let needed =
        |(run, standing): (SweepRun, Option<Standing>)| Needed { run, standing: standing.unwrap_or(Standing::New) };
    Ok(runs.into_iter().zip(standings).map(needed).collect())
}
