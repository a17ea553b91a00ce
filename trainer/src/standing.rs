//! Whether a run that is needed exists already: finished, interrupted, or not at all.

use crate::classes::Classes;
use crate::config::Config;
use crate::error::Error;
use crate::run::RunFolder;
use std::path::Path;

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does not exist or has no checkpoint yet.
    New,
    /// It has a checkpoint.
    Interrupted,
    /// It has a summary.
    Finished,
}

/// The state of the run with this resolved config and these images at this path.
///
/// # Errors
/// If the folder contains a run with a different config or different images.
pub fn standing(path: &Path, config: &Config, (fingerprint, classes): (&str, &Classes)) -> Result<Standing, Error> {
    let Ok(run) = RunFolder::open(path) else { return Ok(Standing::New) };
    // Results do not depend on threads and evaluation batch size.
    let same = |mut found: Config| {
        found.train.threads = config.train.threads;
        found.train.eval_batch = config.train.eval_batch;
        if run.is_finished() {
            // The size of test images does not matter to the training.
            found.data.eval_size = config.data.eval_size;
        }
        if let (Some(found), Some(init)) = (&mut found.init, &config.init) {
            // A study may be moved, and its path written in several ways: its runs are identified by their names.
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
    // What is measured of a finished run is its last checkpoint; if that was removed, the run is resumed from the one before.
    Ok(match (run.is_finished() && run.has_last_checkpoint(), run.has_checkpoint()) {
        (true, true) => Standing::Finished,
        (_, true) => Standing::Interrupted,
        _ => Standing::New,
    })
}
