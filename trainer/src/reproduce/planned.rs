//! A run that an experiment needs: made once, gone on with after an interruption, and found again the next time.

use super::Study;
use crate::classes::Classes;
use crate::config::Config;
use crate::data::{DataSplit, load};
use crate::error::Error;
use crate::paper::Draft;
use crate::run::{Existing, RunFolder};
use crate::training::{self, Training};
use crate::words::count;
use lethe_tensor::Device;
use std::path::Path;

/// A run to be.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The name of its folder.
    pub name: String,
    /// Its config.
    pub draft: Draft,
    /// Its seed.
    pub seed: u64,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nowhere, or before its first checkpoint.
    New,
    /// There is a checkpoint.
    Interrupted,
    /// There is a summary.
    Finished,
}

impl Planned {
    /// A run of this config and seed.
    pub fn new(name: &str, draft: &Draft, seed: u64) -> Planned {
        let mut draft = draft.clone();
        draft.set("train", "seed", seed);
        Planned { name: format!("{name}-seed-{seed}"), draft, seed }
    }

    /// The config, checked by itself.
    ///
    /// # Errors
    /// If a key that the study changes is wrong.
    pub fn config(&self, study: &Study<'_>) -> Result<Config, Error> {
        Ok(Config::parse(&self.draft.to_string(), Path::new(&self.name), &study.set)?)
    }

    /// The resolved config, and the data that it was resolved for.
    ///
    /// # Errors
    /// If the data is missing, or does not fit.
    pub fn resolve(&self, study: &Study<'_>) -> Result<(Config, DataSplit), Error> {
        let config = self.config(study)?;
        let split = load(&config.data, &study.places)?;
        let config = config.resolve(training::facts(&split)).map_err(|p| p.in_file(Path::new(&self.name)))?;
        Ok((config, split))
    }

    /// Whether it has come to its end, of this resolved config and with these images.
    ///
    /// # Errors
    /// If the folder holds a run of another config, or of other images.
    pub fn is_finished(&self, study: &Study<'_>, config: &Config, data: (&str, &Classes)) -> Result<bool, Error> {
        Ok(standing(&study.runs.join(&self.name), config, data)? == Standing::Finished)
    }

    /// The finished run: trained now, from where it was left, or long ago. The study is told which.
    ///
    /// # Errors
    /// If the folder holds a run of another config or of other images, or training fails.
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
        // Another program may have finished or begun it in the meantime.
        let run = RunFolder::claim(&path, Existing::Overwrite)?;
        let config = match standing(&path, &config, (&fingerprint, &classes))? {
            Standing::Finished => return found_before(),
            Standing::New => config,
            Standing::Interrupted => own_config(&run, &config)?,
        };
        let mut training = if run.has_checkpoint() {
            let training = Training::resumed(&config, split, device, study.threads, &run, &run.load(None)?)?;
            let (done, epochs) = (training.epochs(), count(config.train.epochs, "epoch"));
            (study.say)(&format!("{}: goes on after {done} of {epochs}", self.name));
            training
        } else {
            let training = Training::new(&config, split, device, study.threads)?;
            (study.say)(&format!("{}: {}", self.name, count(config.train.epochs, "epoch")));
            run.begin(&config)?;
            training
        };
        if study.devices.len() > 1 {
            // Lines of several runs would mingle.
            training.quiet();
        }
        let summary = training.run(&run)?;
        (study.say)(&format!("{}: test accuracy {:.2} %", self.name, summary.test_accuracy));
        Ok(run)
    }
}

/// The config that a run began with, which may name what it started from by another path; it is computed as the study says.
fn own_config(run: &RunFolder, config: &Config) -> Result<Config, Error> {
    let mut own = Config::load(&run.config(), &[])?;
    (own.train.threads, own.train.eval_batch) = (config.train.threads, config.train.eval_batch);
    Ok(own)
}

/// How far the run of a config at this place is.
fn standing(path: &Path, config: &Config, (fingerprint, classes): (&str, &Classes)) -> Result<Standing, Error> {
    let Ok(run) = RunFolder::open(path) else { return Ok(Standing::New) };
    // Threads and the size of batches in evaluation change no result.
    let same = |mut found: Config| {
        found.train.threads = config.train.threads;
        found.train.eval_batch = config.train.eval_batch;
        if run.is_finished() {
            // How it is measured now is not how it was trained.
            found.data.eval_size = config.data.eval_size;
        }
        if let (Some(found), Some(init)) = (&mut found.init, &config.init) {
            // A study may be moved, and its folder written in several ways: its runs are told by their names.
            if found.from.file_name() == init.from.file_name() {
                found.from.clone_from(&init.from);
            }
        }
        found == *config
    };
    if !Config::load(&run.config(), &[]).is_ok_and(same) {
        return Err(Error::OtherRun { path: path.to_owned() });
    }
    if run.has_checkpoint() {
        run.expect_classes(classes)?;
        run.expect_data(fingerprint)?;
    }
    Ok(match (run.is_finished(), run.has_checkpoint()) {
        (true, true) => Standing::Finished,
        (_, true) => Standing::Interrupted,
        _ => Standing::New,
    })
}
