//! `lethe resume`.

use super::options::{Common, Source, Telling};
use super::output::note;
use super::prepared::{Prepared, prepared};
use super::rehearsal::rehearse;
use super::train::finish;
use crate::analysis::observer::observers;
use crate::config::{Change, Config, ConfigError};
use crate::error::Error;
use crate::run::{Changed, Checkpoint};
use crate::stop::StopRequests;
use crate::training::Training;
use crate::words::count;
use clap::Args;

/// Which run to resume, from which checkpoint, and with which changes.
#[derive(Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    source: Source,
    /// Change a key of the run's config from this point on: section.key=value; may be repeated. The run records the change. These keys can change:
    /// epochs, eval_every, eval_batch, checkpoint_every, checkpoint_minutes, checkpoint_updates, keep_checkpoints, best, on_nonfinite, max_skipped,
    /// stop_after, tensorboard and threads of train; recompute of model; lr, min_lr, schedule, step_epochs, decay_factor, patience, warmup_epochs and
    /// clip of optim; rho, rho_min, rho_schedule and rho_warmup_epochs of perturb; every, protocol and draws of analysis.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    telling: Telling,
}

/// Trains a run from a checkpoint to its end.
pub fn resume(args: &ResumeArgs) -> Result<(), Error> {
    let mut run = args.source.open()?;
    run.lock()?;
    let checkpoint = args.source.checkpoint(&run)?;
    let old = Config::load(&run.config(), &[])?;
    let new = Config::load(&run.config(), &args.set)?;
    let Prepared { config, split, device, threads } = prepared(new, &run.config(), &args.common, Some(&run))?;
    check(&args.set, &Change::between(&old, &config))?;
    let begin = |split| Training::resumed(&config, split, &device, threads, &observers, &run, &checkpoint);
    rehearse(|| begin(split.clone()), &device)?;
    let mut training = begin(split)?;
    training.stop_when_asked(&StopRequests::of_process().map_err(Error::Signals)?);
    check_epochs(&args.set, &config, &training)?;
    let updates: u64 = checkpoint.number(Checkpoint::UPDATES)?;
    run.expect_records(training.epochs(), updates)?;
    if args.source.checkpoint.is_some() {
        run.go_back(&checkpoint)?;
    }
    let (path, done) = (run.path().display(), training.epochs());
    if updates > 0 && run.is_log_empty() {
        note(&format!(
            "warning: {path} has no log of its first {}: the log and the table of epochs begin after them, and so does what evaluations decide",
            count(updates, "update")
        ));
    }
    // After a checkpoint from before an earlier change, that change takes effect at this point.
    let changes = Change::between(&checkpoint.config()?, &config);
    remark_unused(&changes, &config, done);
    let changed = Changed { epoch: done, updates, changes };
    run.change(&config, &changed)?;
    run.changes()?.iter().for_each(|changed| args.telling.note(&format!("{path}: {changed}")));
    let (epochs, threads) = (count(config.train.epochs, "epoch"), count(threads, "thread"));
    let more = match training.updates_in_epoch() {
        (0, _) => String::new(),
        (updates, all) => format!(" and {updates} of {} of the next", count(all, "update")),
    };
    args.telling.note(&format!("{path}: {done} of {epochs}{more} done, {threads}"));
    finish(training, &run, &args.telling)
}

/// Refuses changes that would make it another run.
fn check(set: &[String], changes: &[Change]) -> Result<(), Error> {
    let refused = changes.iter().filter_map(|change| Some((change, change.allowed().err()?)));
    let asked = |change: &Change, text: &str| {
        let key = text.split('=').next().unwrap_or_default().trim();
        change.key.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    // A key that was given by --set is named before those that changed because of it.
    let mut refused: Vec<_> =
        refused.map(|(change, reason)| (set.iter().find(|text| asked(change, text)), reason)).collect();
    refused.sort_by_key(|(text, _)| text.is_none());
    match refused.into_iter().next() {
        None => Ok(()),
        Some((text, reason)) => {
            let text = text.or(set.first()).cloned().unwrap_or_default();
            Err(ConfigError::Override { text, reason }.into())
        }
    }
}

/// Says which changes of updates no update uses, if the run has no more of them.
fn remark_unused(changes: &[Change], config: &Config, done: usize) {
    let is_of_updates = |change: &&Change| ["optim.", "perturb."].iter().any(|section| change.key.starts_with(section));
    if done == config.train.epochs {
        for change in changes.iter().filter(is_of_updates) {
            note(&format!("warning: no update uses {change}: all epochs are done; raise train.epochs"));
        }
    }
}

/// Refuses to end before the epochs that are already done or begun.
fn check_epochs(set: &[String], config: &Config, training: &Training<'_>) -> Result<(), Error> {
    let is_within = training.updates_in_epoch().0 > 0;
    let done = training.epochs();
    if config.train.epochs >= done + usize::from(is_within) {
        return Ok(());
    }
    let text = set.iter().rev().find(|text| text.trim_start().starts_with("train.epochs")).cloned().unwrap_or_default();
    let reason = format!(
        "{} done{}; `--checkpoint FILE` goes back to an earlier one that was kept",
        count(done, "epoch"),
        if is_within { ", and the next one has begun" } else { "" }
    );
    Err(ConfigError::Override { text, reason }.into())
}
