//! The names of the files in a run folder.

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
/// The result.
pub(super) const SUMMARY: &str = "summary.json";
/// The last checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint.safetensors";
/// The checkpoint before it.
pub(super) const PREVIOUS: &str = "checkpoint-previous.safetensors";
/// What was changed when the run was resumed.
pub(super) const CHANGES: &str = "changes.jsonl";
/// The names of the classes: a JSON list.
pub(super) const CLASSES: &str = "classes.json";
/// All files of a run but the config, which marks the folder as a run's.
pub(super) const FILES: [&str; 8] = [SUMMARY, CHECKPOINT, PREVIOUS, CHANGES, DATA, CLASSES, METRICS, TIMING];
