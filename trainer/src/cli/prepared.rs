//! What commands need before they begin: the config, the data and the device.

use super::device::threads;
use super::options::Common;
use super::output::note;
use crate::config::{Config, Problem, Split, text_of};
use crate::data::{DataSplit, Remarks, load};
use crate::error::Error;
use crate::run::RunFolder;
use crate::training;
use crate::words::count;
use lethe_tensor::Device;
use std::path::Path;

/// A config, the data that matches it, and where to compute.
pub struct Prepared {
    pub config: Config,
    pub split: DataSplit,
    pub device: Device,
    pub threads: usize,
}

/// For a config to train.
pub fn prepare(path: &Path, set: &[String], common: &Common) -> Result<Prepared, Error> {
    of_file(path, set, common, None)
}

/// For a run, whose data is searched first where the run had it.
pub fn prepare_run(run: &RunFolder, set: &[String], common: &Common) -> Result<Prepared, Error> {
    of_file(&run.config(), set, common, Some(run))
}

fn of_file(path: &Path, set: &[String], common: &Common, run: Option<&RunFolder>) -> Result<Prepared, Error> {
    let config = Config::load(path, set)?;
    tell_left_out(path, set);
    prepared(config, path, common, run)
}

/// For the analysis of a run with these changes of its config, on the images that it began with unless the changes ask for others: the number of
/// updates of an epoch, and with it the radius of a perturbation, depends on how many there are.
pub fn prepare_analysis(run: &RunFolder, set: &[String], common: &Common) -> Result<Prepared, Error> {
    let path = &run.config();
    let (config, own) = (Config::load_trained(path, set)?, Config::load_trained(path, &[])?);
    if config.analysis.split != own.analysis.split {
        let reason = "cannot change after training: the run held out other images";
        let split = match config.analysis.split {
            Split::Test => "\"test\"",
            Split::HeldOut => "\"held-out\"",
        };
        return Err(Problem::value("analysis.split", split, reason).into());
    }
    tell_left_out(path, set);
    let is_on_other_data = config.data != own.data;
    let prepared = prepared(config, path, common, Some(run))?;
    run.expect_classes(&prepared.split.train.names)?;
    if !is_on_other_data {
        run.expect_data(&prepared.split.fingerprint())?;
    }
    Ok(prepared)
}

/// Says which keys of the file do not apply any more since `--set` changes a kind.
fn tell_left_out(path: &Path, set: &[String]) {
    if set.is_empty() {
        return;
    }
    // It was just read as a config.
    let text = text_of(path).unwrap_or_default();
    Config::left_out(&text, set).iter().for_each(|line| note(&format!("note: {line}")));
}

/// For this config, which was read from a file, that of this run if it is one.
pub fn prepared(config: Config, path: &Path, common: &Common, run: Option<&RunFolder>) -> Result<Prepared, Error> {
    let split = load(&config.data, &common.search_path(run))?;
    Remarks::default().tell(&split, &note);
    let config = config.resolve(&training::facts(&split)).map_err(|p| p.in_file(path))?;
    let (device, threads) = device(common, &config)?;
    Ok(Prepared { config, split, device, threads })
}

/// The device that the command line names, with the number of CPU threads that it, or else the config, asks for.
pub fn device(common: &Common, config: &Config) -> Result<(Device, usize), Error> {
    let threads = threads(common.threads.filter(|t| *t > 0).unwrap_or(config.train.threads));
    let cores = self::threads(0);
    if threads > cores {
        note(&format!("warning: {threads} threads share {}; --threads {cores} is faster", count(cores, "core")));
    }
    Ok((common.device.choice.open(threads)?, threads))
}
