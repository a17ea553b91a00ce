//! The names of the files in a run folder.

use std::path::Path;

/// The file with a run's config.
pub(super) const CONFIG: &str = "config.toml";
/// The file with the checksums of a run's data.
pub(super) const DATA: &str = "data.txt";
/// The file that is locked while a program writes the folder; it is empty and never removed.
pub(super) const LOCK: &str = "lock";
/// The log of metrics.
pub(super) const METRICS: &str = "metrics.jsonl";
/// The log of clock times.
pub(super) const TIMING: &str = "timing.jsonl";
/// A row for each epoch, for spreadsheets.
pub(super) const EPOCHS: &str = "epochs.csv";
/// A line for each process that trained the run.
pub(super) const PROCESSES: &str = "processes.jsonl";
/// What happened, in words and with clock times.
pub(super) const LOG: &str = "log.txt";
/// The folder of the event files for TensorBoard.
pub(super) const TENSORBOARD: &str = "tensorboard";
/// The result.
pub(super) const SUMMARY: &str = "summary.json";
/// The last checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
/// The folder of the kept checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints";
/// The checkpoint with the best evaluation.
pub(super) const BEST: &str = "checkpoint-best.safetensors";
/// The checkpoint before the last one.
pub(super) const PREVIOUS: &str = "checkpoint-previous.safetensors";
/// What was changed when the run was resumed.
pub(super) const CHANGES: &str = "changes.jsonl";
/// The names of the classes: a JSON list.
pub(super) const CLASSES: &str = "classes.json";
/// All files of a run but the config, which marks the folder as a run's.
pub(super) const FILES: [&str; 12] =
    [SUMMARY, CHECKPOINT, PREVIOUS, BEST, CHANGES, DATA, CLASSES, METRICS, TIMING, EPOCHS, PROCESSES, LOG];

/// Whether a folder is a run's.
pub(super) fn is_run(folder: &Path) -> bool {
    folder.join(CONFIG).exists() && folder.join(LOCK).exists()
}

/// Whether a file is one that a run keeps in its folder, or among its kept checkpoints, and without which it would be damaged.
pub fn is_file_of_run(path: &Path) -> bool {
    let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
        return false;
    };
    let of_run = name == CONFIG || name == LOCK || FILES.contains(&name);
    of_run && is_run(folder) || folder.ends_with(CHECKPOINTS) && folder.parent().is_some_and(is_run)
}
