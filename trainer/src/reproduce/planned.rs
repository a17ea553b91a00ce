//! A run that an experiment needs: trained once, resumed after an interruption, and found the next time.

use super::study::Study;
use crate::analysis::observer::observers;
use crate::classes::Classes;
use crate::config::Config;
use crate::data::{DataSplit, load};
use crate::error::Error;
use crate::paper::Draft;
use crate::progress::Show;
use crate::run::{Existing, RunFolder};
use crate::standing::{Standing, standing};
use crate::training::{self, Training};
use crate::words::count;
use lethe_tensor::Device;
use std::path::Path;

/// A planned run.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The name of its folder.
    pub name: String,
    /// Its config.
    pub draft: Draft,
    /// Its seed.
    pub seed: u64,
}

impl Planned {
    /// A run with this config and seed.
    pub fn new(name: &str, draft: &Draft, seed: u64) -> Planned {
        let mut draft = draft.clone();
        draft.set("train", "seed", seed);
        Planned { name: format!("{name}-seed-{seed}"), draft, seed }
    }

    /// The config, checked without the data.
    ///
    /// # Errors
    /// If a key changed by the study is wrong.
    pub fn config(&self, study: &Study<'_>) -> Result<Config, Error> {
        Ok(Config::parse(&self.draft.to_string(), Path::new(&self.name), &study.set)?)
    }

    /// The resolved config, and the data that it was resolved for.
    ///
    /// # Errors
    /// If the data is missing, or does not match the config.
    pub fn resolve(&self, study: &Study<'_>) -> Result<(Config, DataSplit), Error> {
        let config = self.config(study)?;
        let split = load(&config.data, &study.search_path)?;
        let config = config.resolve(&training::facts(&split)).map_err(|p| p.in_file(Path::new(&self.name)))?;
        Ok((config, split))
    }

    /// Whether it is finished, with this resolved config and this data.
    ///
    /// # Errors
    /// If the folder contains a run with a different config or different images.
    pub fn is_finished(&self, study: &Study<'_>, config: &Config, data: (&str, &Classes)) -> Result<bool, Error> {
        Ok(standing(&study.runs.join(&self.name), config, data)? == Standing::Finished)
    }

    /// The finished run: found, resumed, or trained from the beginning, which is reported to the study.
    ///
    /// # Errors
    /// If the folder contains a run with a different config or different images, or training fails.
    pub fn ensure(&self, study: &Study<'_>, device: &Device) -> Result<RunFolder, Error> {
        let path = study.runs.join(&self.name);
        let (config, split) = self.resolve(study)?;
        let (fingerprint, classes) = (split.fingerprint(), split.train.names.clone());
        let found_before = || -> Result<RunFolder, Error> {
            (study.say)(&format!("{}: finished before", self.name));
            Ok(RunFolder::open(&path)?)
        };
        if standing(&path, &config, (&fingerprint, &classes))? == Standing::Finished {
            return found_before();
        }
        // Another program may have started or finished it in the meantime.
        let run = RunFolder::claim(&path, Existing::Overwrite)?;
        let config = match standing(&path, &config, (&fingerprint, &classes))? {
            Standing::Finished => return found_before(),
            Standing::New => config,
            Standing::Interrupted => own_config(&run, &config)?,
        };
        let mut training = if run.has_checkpoint() {
            let checkpoint = run.load(None)?;
            run.remark(&checkpoint).iter().for_each(|remark| (study.say)(&format!("warning: {remark}")));
            let training = Training::resumed(&config, split, device, study.threads, &observers, &run, &checkpoint)?;
            let (done, epochs) = (training.epochs(), count(config.train.epochs, "epoch"));
            (study.say)(&format!("{}: resumes after {done} of {epochs}", self.name));
            training
        } else {
            let training = Training::new(&config, split, device, study.threads, &observers)?;
            (study.say)(&format!("{}: {}", self.name, count(config.train.epochs, "epoch")));
            run.begin(&config)?;
            training
        };
        training.stop_when_asked(&study.stop);
        if study.devices.len() > 1 {
            // The lines of several runs would be mixed.
            training.show(Show::Nothing);
        }
        let summary = training.run(&run)?;
        (study.say)(&format!("{}: test accuracy {:.2} %", self.name, summary.test_accuracy));
        Ok(run)
    }
}

/// The config that a run began with, which may name its initial weights by another path; threads and evaluation batch size are the study's.
fn own_config(run: &RunFolder, config: &Config) -> Result<Config, Error> {
    let mut own = Config::load(&run.config(), &[])?;
    (own.train.threads, own.train.eval_batch) = (config.train.threads, config.train.eval_batch);
    Ok(own)
}
